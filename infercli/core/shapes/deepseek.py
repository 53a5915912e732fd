"""Facts of DeepSeek-V4 checkpoints with layers that draft (DSpark) or an encoder, and of DeepSeek-V4.1.

The one thing to know: a row is as in core/shapes/copies.py, and tests compare what it weighs with the files published.
"""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.facts import V4_FLASH, V4_PRO
from infercli.core.shapes.recipes import FP8_BLOCK
from infercli.core.shapes.sources import AUTOMODEL, DRAFTED, REPORT

# The layers that draft (DSpark) are three, whatever num_nextn_predict_layers says.
_FLASH_DSPARK: Json = V4_FLASH | {
    "compress_ratios": [0, 0, *([4, 128] * 20), 4, 0, 0, 0], "dspark_block_size": 5, "dspark_markov_rank": 256,
    "dspark_target_layer_ids": [40, 41, 42],
}  # fmt: skip
_PRO_DSPARK: Json = V4_PRO | {
    "compress_ratios": [128, *([128, 4] * 30), 0, 0, 0], "dspark_block_size": 5, "dspark_markov_rank": 512,
    "dspark_target_layer_ids": [58, 59, 60],
}  # fmt: skip
_SEEING: Json = {
    "vision_dim": 1024, "vision_downsample_ratio": 3, "vision_inter_dim": 2816, "vision_max_n_token": 384,
    "vision_n_heads": 16, "vision_n_layers": 32, "vision_patch_size": 14,
}  # fmt: skip
_V41_FLASH: Json = {
    "architectures": ["DeepseekV41ForCausalLM"], "dtype": "bfloat16", "model_type": "deepseek_v41",
    "text_config": {
        "candidate_block_size": 8, "candidate_source_layer_id": 20, "candidate_topk_blocks": 2048,
        "compress_ratios": [0, 0, *([2] * 18), *([1] * 20), 0, 0, 0], "dspark_block_size": 5,
        "dspark_markov_rank": 256, "dspark_n_routed_experts": 128, "dspark_num_experts_per_tok": 3,
        "dspark_target_layer_ids": [37, 38, 39], "engram_head_dim": 256, "engram_layer_ids": [1, 14],
        "engram_max_ngram_size": 4, "engram_n_heads": 8, "engram_num_embeddings": [384006168, 384016682],
        "engram_vocab_size": 16000000, "hc_mult": 4, "head_dim": 512, "hidden_size": 5120, "index_head_dim": 128,
        "index_n_heads": 32, "index_source_layer_ids": [2, 8, 14, 20, 24, 28, 32, 36], "index_topk": 512,
        "kv_source_layer_ids": [2, 8, 14, 20], "max_position_embeddings": 1048576, "moe_intermediate_size": 2304,
        "n_routed_experts": 384, "n_shared_experts": 1, "num_attention_heads": 64, "num_experts_per_tok": 6,
        "num_hidden_layers": 40, "num_key_value_heads": 1, "num_nextn_predict_layers": 3, "o_groups": 8,
        "o_lora_rank": 1024, "q_lora_rank": 1280, "qk_rope_head_dim": 64,
        "rope_scaling": {"factor": 16, "original_max_position_embeddings": 65536, "rope_type": "yarn"},
        "sliding_window": 128, "topk_method": "noaux_tc", "vocab_size": 129280,
    },
    "vision_config": {
        "downsample_ratio": 3, "hidden_size": 1024, "intermediate_size": 2816, "max_image_tokens": 1024,
        "num_attention_heads": 16, "num_hidden_layers": 32, "patch_size": 14,
    },
}  # fmt: skip
_V41_BLOCK: Json = FP8_BLOCK | {"expert_dtype": "fp4", "weight_block_size": [32, 32]}

# ids, config.json, its quantization, where the copy of it stands
DEEPSEEK: tuple[tuple[tuple[str, ...], Json, Json, str], ...] = (
    (
        ("deepseek-ai/DeepSeek-V4-Flash-0731",), _FLASH_DSPARK, FP8_BLOCK,
        REPORT.format("c1feefbda85d", "models/deepseek_v4_flash_0731"),
    ),
    (
        ("deepseek-ai/DeepSeek-V4-Flash-DSpark",), _FLASH_DSPARK, FP8_BLOCK, DRAFTED,
    ),
    (
        ("deepseek-ai/DeepSeek-V4-Pro-0813", "deepseek-ai/DeepSeek-V4-Pro-DSpark"), _PRO_DSPARK, FP8_BLOCK, DRAFTED,
    ),
    (
        ("deepseek-ai/DeepSeek-V4-Flash-Vision-Exp",), _FLASH_DSPARK | _SEEING | {"n_mtp_layers": 3}, FP8_BLOCK,
        DRAFTED,
    ),
    (
        ("deepseek-ai/DeepSeek-V4.1-Flash", "deepseek-ai/DeepSeek-V4.1-Flash-1017"), _V41_FLASH, _V41_BLOCK,
        AUTOMODEL.format("deepseek_v41/config.py"),
    ),
)  # fmt: skip

"""Facts of public models whose config.json was read in a framework, or in an earlier state of a planner.

The one thing to know: a row is as in core/shapes/copies.py.
"""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.facts import nas_blocks
from infercli.core.shapes.recipes import FP8_BLOCK, INT4_EXPERTS
from infercli.core.shapes.sources import NEMO, PLANNER, VOXTRAL_REALTIME

_GLM_5_3 = (
    "transformers 5.24, models/glm5_next/configuration_glm5_next.py, whose defaults are those of its config.json; its "
    "kinds of layers and pools by FlashML-org/FreeToken#332; 321B parameters with the layer that drafts, as published"
)
GLM_5_3_FLASH: Json = {
    "architectures": ["Glm5NextForConditionalGeneration"], "dtype": "bfloat16", "tie_word_embeddings": False,
    "text_config": {
        "hidden_size": 4096, "index_head_dim": 128, "index_kpool": 4, "index_n_heads": 32, "index_topk": 2048,
        "intermediate_size": 12288, "kv_lora_rank": 512, "linear_conv_kernel_dim": 4, "linear_head_dim": 128,
        "linear_num_heads": 64, "max_position_embeddings": 1048576, "mhc": True, "hc_mult": 4,
        "mlp_layer_types": ["dense"] * 3 + ["sparse"] * 42, "moe_intermediate_size": 2048, "n_routed_experts": 288,
        "n_shared_experts": 1, "num_attention_heads": 64, "num_experts_per_tok": 8, "num_hidden_layers": 45,
        "num_nextn_predict_layers": 1, "q_lora_rank": 1536, "qk_nope_head_dim": 256, "qk_rope_head_dim": 0,
        "topk_method": "noaux_tc", "v_head_dim": 256, "vocab_size": 154880,
    },
    "vision_config": {
        "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_heads": 16, "out_hidden_size": 4096,
        "patch_size": 14, "projection_intermediate_size": 10240, "spatial_merge_size": 2, "temporal_patch_size": 2,
    },
}  # fmt: skip

_MUSE_VISION: Json = {
    "hidden_size": 1536, "intermediate_size": 8960, "merge_size": 2, "num_attention_heads": 16,
    "num_hidden_layers": 50, "patch_size": 14, "patch_temporal": 2, "pos_emb_height": 32, "pos_emb_width": 32,
}  # fmt: skip
_MUSE_TOP: Json = {
    "dtype": "bfloat16", "out_hidden_size": 6144, "projector_hidden_size": 4096, "tie_word_embeddings": False,
    "vision_config": _MUSE_VISION,
}  # fmt: skip
_GLIMMER: Json = {
    "model_type": "muse_glimmer_text", "head_dim": 128, "hidden_size": 6656, "intermediate_size": 19968,
    "max_position_embeddings": 131072, "num_attention_heads": 32, "num_hidden_layers": 52, "num_key_value_heads": 2,
    "sliding_window": 2048, "vocab_size": 202048,
}  # fmt: skip
_SPARK: Json = {
    "model_type": "muse_spark_text", "head_dim": 64, "hidden_size": 8192, "max_position_embeddings": 1048576,
    "moe_hidden_size": 4096, "moe_intermediate_size": 4096, "num_attention_heads": 128, "num_experts_per_tok": 8,
    "num_hidden_layers": 62, "num_key_value_heads": 16, "num_local_experts": 256, "sliding_window": 2048,
    "vocab_size": 202048,
}  # fmt: skip
_SOUND: Json = {
    "conv_kernel_size": 7, "depths": [2, 2, 2, 2], "hidden_sizes": [256, 512, 1024, 2048], "mlp_ratio": 4.0,
    "out_hidden_size": 8192, "patch_sizes": [16, 6, 5, 4],
}  # fmt: skip
_COHERE_ASR = (
    "transformers 5.24, models/cohere_asr/configuration_cohere_asr.py, whose defaults are those of its config.json; 2B "
    "parameters as published, and the 4.14 GB of a copy in 16 bits"
)
_MUSE = "transformers 5.24, models/{}, whose defaults are those of its config.json; {} parameters as published, {}"

# ids, config.json, its quantization, where the copy of it stands
FRAMEWORKS: tuple[tuple[tuple[str, ...], Json, Json, str], ...] = (
    (
        ("nvidia/Llama-3_1-Nemotron-Ultra-253B-v1",),
        {
            "architectures": ["DeciLMForCausalLM"], "hidden_size": 16384, "max_position_embeddings": 131072,
            "num_attention_heads": 128, "num_hidden_layers": 162, "torch_dtype": "bfloat16", "vocab_size": 128256,
            "block_configs": nas_blocks(
                (0.4875, 16, 1), (0.975, 16, 1), (1.4625, 16, 6), (1.95, 16, 1), (0, 0, 4), (1.95, 16, 3),
                (4.875, 16, 2), (0, 0, 6), (4.875, 16, 3), (0, 0, 5), (4.875, 16, 3), (2.4375, 16, 1), (0, 0, 3),
                (1.95, 16, 3), (1.95, 0, 1), (4.875, 16, 1), (4.875, 0, 1), *[(0, 0, 5), (4.875, 16, 4)] * 4,
                (0, 0, 5), (4.875, 16, 1), (3.4125, 16, 3), (0, 0, 2), (2.925, 16, 1), (2.4375, 16, 3),
                (2.4375, 0, 2), (2.4375, 16, 1), (0, 0, 1), (2.4375, 0, 7), (2.4375, 16, 1), (0, 0, 5),
                (2.925, 16, 1), (4.875, 16, 1), (4.875, 0, 1), (4.875, 16, 1), (0, 0, 8), (36.5625, 0, 1), (0, 0, 8),
                (39.0, 0, 1), (0, 0, 8), (31.40625, 0, 1), (0, 0, 5), (27.5625, 0, 1), (1.95, 0, 1), (1.95, 16, 1),
                (2.4375, 16, 1), (0, 0, 1), (2.4375, 16, 2), (3.4125, 16, 1), (4.875, 16, 4), (2.4375, 16, 1),
            ),
        },
        None, NEMO.format("llama_nemotron_config"),
    ),
    (
        # Its quantization from its card: the routed experts in four bits, as those of Kimi-K2.6; 594 GB of files.
        ("moonshotai/Kimi-K2-Thinking",),
        {
            "architectures": ["DeepseekV3ForCausalLM"], "first_k_dense_replace": 1, "hidden_size": 7168,
            "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 262144,
            "moe_intermediate_size": 2048, "n_routed_experts": 384, "n_shared_experts": 1, "num_attention_heads": 64,
            "num_experts_per_tok": 8, "num_hidden_layers": 61, "q_lora_rank": 1536, "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64, "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "v_head_dim": 128,
            "vocab_size": 163840,
        },
        INT4_EXPERTS, PLANNER.format("821eb9a65145", "moonshotai--Kimi-K2-Thinking"),
    ),
    (
        ("meta-models/Muse-Glimmer-30B",),
        {
            "architectures": ["MuseGlimmerForConditionalGeneration"], "model_type": "muse_glimmer",
            "text_config": _GLIMMER, **_MUSE_TOP,
        },
        None, _MUSE.format("muse_glimmer/configuration_muse_glimmer.py", "30B", "what sees included"),
    ),
    (
        ("meta-models/Muse-Spark-Open-816B-A42B",),
        {
            "architectures": ["MuseSparkForConditionalGeneration"], "model_type": "muse_spark", "text_config": _SPARK,
            "audio_config": _SOUND, **_MUSE_TOP,
        },
        None, _MUSE.format("muse_spark/configuration_muse_spark.py", "816B", "without tables and encoders"),
    ),
    (
        ("CohereLabs/cohere-transcribe-03-2026",),
        {
            "architectures": ["CohereAsrForConditionalGeneration"], "dtype": "bfloat16", "max_audio_clip_s": 35,
            "encoder": {
                "conv_kernel_size": 9, "d_model": 1280, "feat_in": 128, "ff_expansion_factor": 4, "n_heads": 8,
                "n_layers": 48, "subsampling_conv_channels": 256, "subsampling_factor": 8, "untie_biases": True,
            },
            "transf_decoder": {"config_dict": {
                "hidden_size": 1024, "inner_size": 4096, "max_sequence_length": 1024, "num_attention_heads": 8,
                "num_layers": 8,
            }},
            "head": {"hidden_size": 1024, "num_classes": 16384}, "preprocessor": {"window_stride": 0.01},
        },
        None,
        _COHERE_ASR,
    ),
    (("zai-org/GLM-5.3-Flash",), GLM_5_3_FLASH, FP8_BLOCK, _GLM_5_3),
    (("zai-org/GLM-5.3-Flash-BF16",), GLM_5_3_FLASH, None, _GLM_5_3),
    (
        ("mistralai/Voxtral-Mini-4B-Realtime-2602",),
        {
            "architectures": ["VoxtralRealtimeForConditionalGeneration"], "dtype": "bfloat16", "downsample_factor": 4,
            "text_config": {"hidden_size": 3072, "sliding_window": 8192},
            "audio_config": {
                "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 32,
                "head_dim": 64, "num_mel_bins": 128, "sliding_window": 750,
            },
        },
        None, VOXTRAL_REALTIME,
    ),
)  # fmt: skip

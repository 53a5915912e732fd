"""Facts of public models whose layers are not all alike, as their config.json says them: what core/shapes parses.

The one thing to know: a row keeps only the keys that decide sizes, and runs of equal layers are written as products.
"""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.recipes import FP8_BLOCK

_FULL, _SLIDING, _LINEAR = "full_attention", "sliding_attention", "linear_attention"
_DENSE, _SPARSE = "dense", "sparse"
_OWN, _SHARED = "full", "shared"


def nas_blocks(*runs: tuple[float, int, int]) -> list[Json]:
    """Nemotron NAS's block_configs of (ffn_mult, heads per KV head, number of such layers); 0 for no such half."""
    return [
        {
            "attention": {"n_heads_in_group": group} if group else {"no_op": True},
            "ffn": {"ffn_mult": multiple} if multiple else {"no_op": True},
        }
        for multiple, group, count in runs
        for _ in range(count)
    ]


def _qwen35_moe(**sizes: int) -> Json:
    return {
        "architectures": ["Qwen3_5MoeForConditionalGeneration"],
        "text_config": {
            "dtype": "bfloat16", "mamba_ssm_dtype": "float32", "linear_key_head_dim": 128, "linear_num_key_heads": 16,
            "linear_value_head_dim": 128, "max_position_embeddings": 262144, "mtp_num_hidden_layers": 1,
            "num_key_value_heads": 2, "vocab_size": 248320,
            "rope_parameters": {"mrope_section": [11, 11, 10], "partial_rotary_factor": 0.25}, **sizes,
        },
        "vision_config": {
            "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_position_embeddings": 2304,
        },
    }  # fmt: skip


def _deepseek_v4(layers: int, compress_ratios: list[int], **sizes: int) -> Json:
    return {
        "architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4", "expert_dtype": "fp4", "hc_mult": 4,
        "head_dim": 512, "index_head_dim": 128, "index_n_heads": 64, "max_position_embeddings": 1048576,
        "n_shared_experts": 1, "num_experts_per_tok": 6, "num_hash_layers": 3, "num_hidden_layers": layers,
        "num_key_value_heads": 1, "num_nextn_predict_layers": 1, "o_lora_rank": 1024, "qk_rope_head_dim": 64,
        "sliding_window": 128, "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "vocab_size": 129280,
        "compress_ratios": compress_ratios, **sizes,
    }  # fmt: skip


V4_FLASH = _deepseek_v4(
    43, [0, 0, *([4, 128] * 20), 4, 0], hidden_size=4096, index_topk=512, moe_intermediate_size=2048,
    n_routed_experts=256, num_attention_heads=64, o_groups=8, q_lora_rank=1024,
)  # fmt: skip
V4_PRO = _deepseek_v4(
    61, [128, *([128, 4] * 30), 0], hidden_size=7168, index_topk=1024, moe_intermediate_size=3072,
    n_routed_experts=384, num_attention_heads=128, o_groups=16, q_lora_rank=1536,
)  # fmt: skip

# ids, config.json, its quantization (of config.json or hf_quant_config.json), the file in the source
FACTS: tuple[tuple[tuple[str, ...], Json, Json, str], ...] = (
    (
        ("Qwen/Qwen3-VL-2B-Instruct", "Qwen/Qwen3-VL-2B-Thinking"),
        {"architectures": ["Qwen3VLForConditionalGeneration"], "text_config": {"dtype": "bfloat16",
         "hidden_size": 2048, "intermediate_size": 6144, "max_position_embeddings": 262144,
         "num_attention_heads": 16, "num_hidden_layers": 28, "num_key_value_heads": 8, "vocab_size":
         151936}, "tie_word_embeddings": True, "vision_config": {"deepstack_visual_indexes": [5, 11, 17],
         "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_position_embeddings": 2304}},
        None,
        "Qwen--Qwen3-VL-2B-Instruct_config.json",
    ),
    (
        ("Qwen/Qwen3-VL-4B-Instruct", "Qwen/Qwen3-VL-4B-Thinking"),
        {"architectures": ["Qwen3VLForConditionalGeneration"], "text_config": {"dtype": "bfloat16",
         "hidden_size": 2560, "intermediate_size": 9728, "max_position_embeddings": 262144,
         "num_attention_heads": 32, "num_hidden_layers": 36, "num_key_value_heads": 8, "vocab_size":
         151936}, "tie_word_embeddings": True, "vision_config": {"deepstack_visual_indexes": [5, 11, 17],
         "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "num_position_embeddings": 2304}},
        None,
        "Qwen--Qwen3-VL-4B-Instruct_config.json",
    ),
    (
        ("Qwen/Qwen3-VL-32B-Instruct", "Qwen/Qwen3-VL-32B-Thinking"),
        {"architectures": ["Qwen3VLForConditionalGeneration"], "text_config": {"dtype": "bfloat16",
         "hidden_size": 5120, "intermediate_size": 25600, "max_position_embeddings": 262144,
         "num_attention_heads": 64, "num_hidden_layers": 64, "num_key_value_heads": 8, "vocab_size":
         151936}, "vision_config": {"deepstack_visual_indexes": [8, 16, 24], "depth": 27, "hidden_size":
         1152, "intermediate_size": 4304, "num_position_embeddings": 2304}},
        None,
        "Qwen--Qwen3-VL-32B-Instruct_config.json",
    ),
    (
        ("Qwen/Qwen3-VL-30B-A3B-Instruct", "Qwen/Qwen3-VL-30B-A3B-Thinking"),
        {"architectures": ["Qwen3VLMoeForConditionalGeneration"], "text_config": {"dtype": "bfloat16",
         "hidden_size": 2048, "max_position_embeddings": 262144, "moe_intermediate_size": 768,
         "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48,
         "vocab_size": 151936}, "vision_config": {"deepstack_visual_indexes": [8, 16, 24], "depth": 27,
         "hidden_size": 1152, "intermediate_size": 4304, "num_position_embeddings": 2304}},
        None,
        "Qwen--Qwen3-VL-30B-A3B-Instruct_config.json",
    ),
    (
        ("Qwen/Qwen3-VL-235B-A22B-Instruct", "Qwen/Qwen3-VL-235B-A22B-Thinking"),
        {"architectures": ["Qwen3VLMoeForConditionalGeneration"], "text_config": {"dtype": "bfloat16",
         "hidden_size": 4096, "max_position_embeddings": 262144, "moe_intermediate_size": 1536,
         "num_attention_heads": 64, "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 94,
         "vocab_size": 151936}, "vision_config": {"deepstack_visual_indexes": [8, 16, 24], "depth": 27,
         "hidden_size": 1152, "intermediate_size": 4304, "num_position_embeddings": 2304}},
        None,
        "Qwen--Qwen3-VL-235B-A22B-Instruct_config.json",
    ),
    (
        ("Qwen/Qwen3.5-35B-A3B", "Qwen/Qwen3.6-35B-A3B"),
        _qwen35_moe(
            hidden_size=2048, num_hidden_layers=40, num_attention_heads=16, linear_num_value_heads=32, num_experts=256,
            num_experts_per_tok=8, moe_intermediate_size=512, shared_expert_intermediate_size=512,
        ),
        None,
        "Qwen--Qwen3.5-35B-A3B_config.json",
    ),
    (
        ("Qwen/Qwen3.5-122B-A10B",),
        _qwen35_moe(
            hidden_size=3072, num_hidden_layers=48, num_attention_heads=32, linear_num_value_heads=64, num_experts=256,
            num_experts_per_tok=8, moe_intermediate_size=1024, shared_expert_intermediate_size=1024,
        ),
        None,
        "nvidia--Qwen3.5-122B-A10B-NVFP4_config.json",
    ),
    (
        ("Qwen/Qwen3.5-397B-A17B",),
        _qwen35_moe(
            hidden_size=4096, num_hidden_layers=60, num_attention_heads=32, linear_num_value_heads=64, num_experts=512,
            num_experts_per_tok=10, moe_intermediate_size=1024, shared_expert_intermediate_size=1024,
        ),
        None,
        "Qwen--Qwen3.5-397B-A17B_config.json",
    ),
    (
        ("XiaomiMiMo/MiMo-7B-Base",),
        {"architectures": ["MiMoForCausalLM"], "num_nextn_predict_layers": 1, "num_hidden_layers": 36,
         "hidden_size": 4096,
         "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 11008, "vocab_size":
         151680, "max_position_embeddings": 32768, "torch_dtype": "bfloat16"},
        None,
        "XiaomiMiMo--MiMo-7B-Base_config.json",
    ),
    (
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct",),
        {"architectures": ["Llama4ForConditionalGeneration"], "text_config": {"attention_chunk_size": 8192,
         "hidden_size": 5120, "intermediate_size": 8192, "max_position_embeddings": 10485760,
         "num_attention_heads": 40, "num_experts_per_tok": 1, "num_hidden_layers": 48,
         "num_key_value_heads": 8, "num_local_experts": 16, "vocab_size": 202048}, "torch_dtype":
         "bfloat16"},
        None,
        "meta-llama--Llama-4-Scout-17B-16E-Instruct_config.json",
    ),
    (
        ("meta-llama/Llama-4-Maverick-17B-128E-Instruct",),
        {"architectures": ["Llama4ForConditionalGeneration"], "text_config": {"attention_chunk_size": 8192,
         "hidden_size": 5120, "interleave_moe_layer_step": 2, "intermediate_size": 8192,
         "intermediate_size_mlp": 16384, "max_position_embeddings": 1048576, "num_attention_heads": 40,
         "num_experts_per_tok": 1, "num_hidden_layers": 48, "num_key_value_heads": 8, "num_local_experts":
         128, "vocab_size": 202048}, "torch_dtype": "bfloat16"},
        None,
        "meta-llama--Llama-4-Maverick-17B-128E-Instruct_config.json",
    ),
    (
        ("google/gemma-4-26B-A4B-it",),
        {"architectures": ["Gemma4ForConditionalGeneration"], "text_config": {"attention_k_eq_v": True,
         "dtype": "bfloat16", "enable_moe_block": True, "global_head_dim": 512, "hidden_size": 2816,
         "intermediate_size": 2112, "layer_types": [_SLIDING, _SLIDING, _SLIDING, _SLIDING, _SLIDING, _FULL]
         * 5, "max_position_embeddings": 262144, "moe_intermediate_size": 704, "num_attention_heads": 16,
         "num_experts": 128, "num_global_key_value_heads": 2, "num_hidden_layers": 30,
         "num_key_value_heads": 8, "sliding_window": 1024, "top_k_experts": 8, "use_bidirectional_attention": "vision",
         "vocab_size": 262144},
         "vision_config": {"hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16,
         "num_hidden_layers": 27}},
        None,
        "nvidia--Gemma-4-26B-A4B-NVFP4_config.json",
    ),
    (
        ("google/gemma-4-31B-it",),
        {"architectures": ["Gemma4ForConditionalGeneration"], "text_config": {"attention_k_eq_v": True,
         "dtype": "bfloat16", "global_head_dim": 512, "hidden_size": 5376, "intermediate_size": 21504,
         "layer_types": [_SLIDING, _SLIDING, _SLIDING, _SLIDING, _SLIDING, _FULL] * 10,
         "max_position_embeddings": 262144, "num_attention_heads": 32, "num_global_key_value_heads": 4,
         "num_hidden_layers": 60, "num_key_value_heads": 16, "sliding_window": 1024,
         "use_bidirectional_attention": "vision", "vocab_size": 262144},
         "vision_config": {"hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16,
         "num_hidden_layers": 27}},
        None,
        "nvidia--Gemma-4-31B-IT-NVFP4_config.json",
    ),
    (
        ("openai/gpt-oss-20b",),
        {"architectures": ["GptOssForCausalLM"], "head_dim": 64, "hidden_size": 2880, "intermediate_size":
         2880, "max_position_embeddings": 131072, "num_attention_heads": 64, "num_experts_per_tok": 4,
         "num_hidden_layers": 24, "num_key_value_heads": 8, "num_local_experts": 32, "vocab_size": 201088},
        {"quant_method": "mxfp4"},
        "openai--gpt-oss-20b_config.json",
    ),
    (
        ("openai/gpt-oss-120b",),
        {"architectures": ["GptOssForCausalLM"], "head_dim": 64, "hidden_size": 2880, "intermediate_size":
         2880, "max_position_embeddings": 131072, "num_attention_heads": 64, "num_experts_per_tok": 4,
         "num_hidden_layers": 36, "num_key_value_heads": 8, "num_local_experts": 128, "vocab_size": 201088},
        {"quant_method": "mxfp4"},
        "openai--gpt-oss-120b_config.json",
    ),
    (
        ("MiniMaxAI/MiniMax-M2.5",),
        {"architectures": ["MiniMaxM2ForCausalLM"], "num_hidden_layers": 62, "hidden_size": 3072,
         "num_attention_heads": 48, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 1536,
         "vocab_size": 200064, "num_experts_per_tok": 8, "num_local_experts": 256,
         "max_position_embeddings": 196608, "rotary_dim": 64, "use_qk_norm": True, "use_routing_bias": True},
        FP8_BLOCK,
        "MiniMaxAI--MiniMax-M2.5_config.json",
    ),
    (
        ("MiniMaxAI/MiniMax-M2.7",),
        {"architectures": ["MiniMaxM2ForCausalLM"], "dtype": "bfloat16", "head_dim": 128, "hidden_size":
         3072, "intermediate_size": 1536, "max_position_embeddings": 204800, "num_attention_heads": 48,
         "num_experts_per_tok": 8, "num_hidden_layers": 62, "num_key_value_heads": 8, "num_local_experts":
         256, "rotary_dim": 64, "use_qk_norm": True, "use_routing_bias": True, "vocab_size": 200064},
        FP8_BLOCK,
        "MiniMaxAI--MiniMax-M2.7_config.json",
    ),
    (
        ("deepseek-ai/DeepSeek-V3", "deepseek-ai/DeepSeek-V3-0324", "deepseek-ai/DeepSeek-V3.1",
         "deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1-0528"),
        {"architectures": ["DeepseekV3ForCausalLM"], "first_k_dense_replace": 3, "hidden_size": 7168,
         "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 163840,
         "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1,
         "num_attention_heads": 128, "num_experts_per_tok": 8, "num_hidden_layers": 61,
         "num_nextn_predict_layers": 1, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim":
         64, "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "v_head_dim": 128, "vocab_size": 129280},
        FP8_BLOCK,
        "deepseek-ai--DeepSeek-V3_config.json",
    ),
    (
        ("deepseek-ai/DeepSeek-V3.2",),
        {"architectures": ["DeepseekV32ForCausalLM"], "first_k_dense_replace": 3, "hidden_size": 7168,
         "index_head_dim": 128, "index_n_heads": 64, "index_topk": 2048, "intermediate_size": 18432,
         "kv_lora_rank": 512, "max_position_embeddings": 163840, "moe_intermediate_size": 2048,
         "n_routed_experts": 256, "n_shared_experts": 1, "num_attention_heads": 128, "num_experts_per_tok":
         8, "num_hidden_layers": 61, "num_nextn_predict_layers": 1, "q_lora_rank": 1536, "qk_nope_head_dim":
         128, "qk_rope_head_dim": 64, "topk_method": "noaux_tc", "torch_dtype": "bfloat16", "v_head_dim":
         128, "vocab_size": 129280},
        FP8_BLOCK,
        "deepseek-ai--DeepSeek-V3.2_config.json",
    ),
    (
        ("deepseek-ai/DeepSeek-V4-Flash",), V4_FLASH, FP8_BLOCK, "nvidia--DeepSeek-V4-Flash-NVFP4_config.json",
    ),
    (
        ("nvidia/DeepSeek-V4-Flash-NVFP4",), V4_FLASH, FP8_BLOCK | {"moe_quant_algo": "NVFP4"},
        "nvidia--DeepSeek-V4-Flash-NVFP4_config.json",
    ),
    (
        ("deepseek-ai/DeepSeek-V4-Pro",), V4_PRO, FP8_BLOCK, "deepseek-ai--DeepSeek-V4-Pro_config.json",
    ),
    (
        ("nvidia/DeepSeek-V4-Pro-NVFP4",), V4_PRO, FP8_BLOCK | {"moe_quant_algo": "NVFP4"},
        "nvidia--DeepSeek-V4-Pro-NVFP4_config.json",
    ),
    (
        ("moonshotai/Kimi-K2-Instruct",),
        {"architectures": ["DeepseekV3ForCausalLM"], "first_k_dense_replace": 1, "hidden_size": 7168,
         "intermediate_size": 18432, "kv_lora_rank": 512, "max_position_embeddings": 131072,
         "moe_intermediate_size": 2048, "n_routed_experts": 384, "n_shared_experts": 1,
         "num_attention_heads": 64, "num_experts_per_tok": 8, "num_hidden_layers": 61, "q_lora_rank": 1536,
         "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "topk_method": "noaux_tc", "torch_dtype":
         "bfloat16", "v_head_dim": 128, "vocab_size": 163840},
        FP8_BLOCK,
        "moonshotai--Kimi-K2-Instruct_config.json",
    ),
    (
        ("moonshotai/Kimi-K2.5",),
        {"architectures": ["KimiK25ForConditionalGeneration"], "text_config": {"dtype": "bfloat16",
         "first_k_dense_replace": 1, "hidden_size": 7168, "intermediate_size": 18432, "kv_lora_rank": 512,
         "max_position_embeddings": 262144, "moe_intermediate_size": 2048, "n_routed_experts": 384,
         "n_shared_experts": 1, "num_attention_heads": 64, "num_experts_per_tok": 8, "num_hidden_layers":
         61, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "topk_method":
         "noaux_tc", "v_head_dim": 128, "vocab_size": 163840}, "vision_config": {"vt_hidden_size": 1152,
         "vt_intermediate_size": 4304, "vt_num_hidden_layers": 27}},
        {"quant_method": "compressed-tensors", "format": "pack-quantized",
         "config_groups": {"group_0": {"weights": {"group_size": 32, "num_bits": 4, "type": "int"}}},
         "ignore": ["re:.*self_attn.*", "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"]},
        "moonshotai--Kimi-K2.5_config.json",
    ),
    (
        ("zai-org/GLM-5", "zai-org/GLM-5.1"),
        {"architectures": ["GlmMoeDsaForCausalLM"], "dtype": "bfloat16", "first_k_dense_replace": 3,
         "hidden_size": 6144, "index_head_dim": 128, "index_n_heads": 32, "index_topk": 2048,
         "intermediate_size": 12288, "kv_lora_rank": 512, "max_position_embeddings": 202752,
         "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1,
         "num_attention_heads": 64, "num_experts_per_tok": 8, "num_hidden_layers": 78,
         "num_nextn_predict_layers": 1, "q_lora_rank": 2048, "qk_nope_head_dim": 192, "qk_rope_head_dim":
         64, "topk_method": "noaux_tc", "v_head_dim": 256, "vocab_size": 154880},
        None,
        "zai-org--GLM-5_config.json",
    ),
    (
        ("zai-org/GLM-5-FP8", "zai-org/GLM-5.1-FP8"),
        {"architectures": ["GlmMoeDsaForCausalLM"], "dtype": "bfloat16", "first_k_dense_replace": 3,
         "hidden_size": 6144, "index_head_dim": 128, "index_n_heads": 32, "index_topk": 2048,
         "intermediate_size": 12288, "kv_lora_rank": 512, "max_position_embeddings": 202752,
         "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1,
         "num_attention_heads": 64, "num_experts_per_tok": 8, "num_hidden_layers": 78,
         "num_nextn_predict_layers": 1, "q_lora_rank": 2048, "qk_nope_head_dim": 192, "qk_rope_head_dim":
         64, "topk_method": "noaux_tc", "v_head_dim": 256, "vocab_size": 154880},
        FP8_BLOCK,
        "zai-org--GLM-5-FP8_config.json",
    ),
    (
        ("zai-org/GLM-5.2",),
        {"architectures": ["GlmMoeDsaForCausalLM"], "dtype": "bfloat16", "hidden_size": 6144,
         "index_head_dim": 128, "index_n_heads": 32, "index_topk": 2048, "indexer_types": [_OWN] * 3 +
         [_SHARED, _SHARED, _SHARED, _OWN] * 18 + [_SHARED] * 3, "intermediate_size": 12288, "kv_lora_rank":
         512, "max_position_embeddings": 1048576, "mlp_layer_types": [_DENSE] * 3 + [_SPARSE] * 75,
         "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1,
         "num_attention_heads": 64, "num_experts_per_tok": 8, "num_hidden_layers": 78,
         "num_nextn_predict_layers": 1, "q_lora_rank": 2048, "qk_nope_head_dim": 192, "qk_rope_head_dim":
         64, "topk_method": "noaux_tc", "v_head_dim": 256, "vocab_size": 154880},
        None,
        "zai-org--GLM-5.2_config.json",
    ),
    (
        ("zai-org/GLM-5.3-FP8",),
        {"architectures": ["GlmMoeDsaForCausalLM"], "dtype": "bfloat16", "hidden_size": 6144,
         "index_head_dim": 128, "index_n_heads": 32, "index_topk": 2048, "indexer_types": [_OWN] * 3 +
         [_SHARED, _SHARED, _SHARED, _OWN] * 18 + [_SHARED] * 3, "intermediate_size": 12288, "kv_lora_rank":
         512, "max_position_embeddings": 1048576, "mlp_layer_types": [_DENSE] * 3 + [_SPARSE] * 75,
         "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1,
         "num_attention_heads": 64, "num_experts_per_tok": 8, "num_hidden_layers": 78,
         "num_nextn_predict_layers": 1, "q_lora_rank": 2048, "qk_nope_head_dim": 192, "qk_rope_head_dim":
         64, "topk_method": "noaux_tc", "v_head_dim": 256, "vocab_size": 154880},
        FP8_BLOCK,
        "zai-org--GLM-5.3-FP8_config.json",
    ),
    (
        ("nvidia/Llama-3_3-Nemotron-Super-49B-v1",),
        {"architectures": ["DeciLMForCausalLM"], "block_configs": nas_blocks((2.625, 8, 1), (5.25, 8, 5),
         (2.625, 0, 2), (5.25, 8, 3), (3.28125, 0, 1), (5.25, 8, 30), (1.3125, 0, 1), (2.625, 0, 2),
         (1.3125, 0, 1), (5.25, 0, 1), (1.3125, 0, 1), (2.625, 0, 1), (1.3125, 0, 3), (5.25, 8, 1), (1.3125,
         0, 1), (1.0, 0, 2), (1.3125, 0, 1), (1.0, 0, 3), (1.3125, 0, 2), (0.5, 0, 2), (1.0, 0, 2), (0.5, 0,
         2), (1.0, 0, 1), (0.5, 0, 2), (5.25, 8, 9)), "hidden_size": 8192, "max_position_embeddings":
         131072, "num_attention_heads": 64, "num_hidden_layers": 80, "torch_dtype": "bfloat16",
         "vocab_size": 128256},
        None,
        "nvidia--Llama-3_3-Nemotron-Super-49B-v1_config.json",
    ),
    (
        ("nvidia/Nemotron-H-56B-Base-8K",),
        {"architectures": ["NemotronHForCausalLM"], "hidden_size": 8192, "hybrid_override_pattern":
         "M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M*-M-M-M-M-M-",
         "intermediate_size": 32768, "mamba_num_heads": 256, "max_position_embeddings": 8192, "n_groups": 8,
         "num_attention_heads": 64, "num_key_value_heads": 8, "ssm_state_size": 256, "torch_dtype":
         "bfloat16", "vocab_size": 131072},
        None,
        "nvidia--Nemotron-H-56B-Base-8K_config.json",
    ),
    (
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16",),
        {"architectures": ["NemotronHForCausalLM"], "head_dim": 128, "hidden_size": 2688,
         "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
         "mamba_head_dim": 64, "mamba_num_heads": 64, "mamba_ssm_cache_dtype": "float32",
         "max_position_embeddings": 262144, "moe_intermediate_size": 1856, "moe_shared_expert_intermediate_size": 3712,
         "n_groups": 8, "n_routed_experts": 128, "num_attention_heads": 32, "num_experts_per_tok": 6,
         "num_key_value_heads": 2, "ssm_state_size": 128, "torch_dtype": "bfloat16", "vocab_size": 131072},
        None,
        "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16_config.json",
    ),
    (
        ("nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16",),
        {"architectures": ["NemotronHForCausalLM"], "dtype": "bfloat16", "hidden_size": 8192,
         "mamba_num_heads": 256, "mamba_ssm_cache_dtype": "float32", "max_position_embeddings": 262144,
         "moe_intermediate_size": 5120,
         "moe_latent_size": 2048, "moe_shared_expert_intermediate_size": 10240, "n_groups": 8,
         "n_routed_experts": 512, "num_attention_heads": 64, "num_experts_per_tok": 22,
         "num_key_value_heads": 2, "num_nextn_predict_layers": 1, "ssm_state_size": 128, "vocab_size":
         131072, "hybrid_override_pattern":
         "MEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
         "mtp_hybrid_override_pattern": "*E"},
        None,
        "nvidia--NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16_config.json",
    ),
    (
        ("nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-FP8",),
        {"architectures": ["NemotronHForCausalLM"], "dtype": "bfloat16", "hidden_size": 8192,
         "mamba_num_heads": 256, "mamba_ssm_cache_dtype": "float32", "max_position_embeddings": 262144,
         "moe_intermediate_size": 5120,
         "moe_latent_size": 2048, "moe_shared_expert_intermediate_size": 10240, "n_groups": 8,
         "n_routed_experts": 512, "num_attention_heads": 64, "num_experts_per_tok": 22,
         "num_key_value_heads": 2, "num_nextn_predict_layers": 1, "ssm_state_size": 128, "vocab_size":
         131072, "hybrid_override_pattern":
         "MEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
         "mtp_hybrid_override_pattern": "*E"},
        {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}},
        "nvidia--NVIDIA-Nemotron-3-Ultra-550B-A55B-FP8_config.json",
    ),
    (
        ("nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16",),
        {"architectures": ["NemotronHForCausalLM"], "dtype": "bfloat16", "head_dim": 128, "hidden_size": 4096,
         "hybrid_override_pattern":
         "MEMEMEM*EMEMEMEM*EMEMEMEM*EMEMEMEMEM*EMEMEMEMEM*EMEMEMEMEM*EMEMEMEMEM*EMEMEMEM*EMEMEMEME",
         "mamba_head_dim": 64, "mamba_num_heads": 128, "mamba_ssm_cache_dtype": "float32",
         "max_position_embeddings": 262144, "moe_intermediate_size": 2688, "moe_latent_size": 1024,
         "moe_shared_expert_intermediate_size": 5376, "mtp_hybrid_override_pattern": "*E", "n_groups": 8,
         "n_routed_experts": 512, "num_attention_heads": 32, "num_experts_per_tok": 22, "num_key_value_heads": 2,
         "num_nextn_predict_layers": 1, "ssm_state_size": 128, "vocab_size": 131072},
        None,
        "nvidia--NVIDIA-Nemotron-3-Super-120B-A12B-NVFP4_config.json",
    ),
    (
        ("nvidia/NVIDIA-Nemotron-3.5-Lightning-30B-A3B-BF16",),
        {"architectures": ["NemotronHForCausalLM"], "dtype": "bfloat16", "head_dim": 128, "hidden_size": 2688,
         "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
         "mamba_head_dim": 64, "mamba_num_heads": 64, "mamba_ssm_cache_dtype": "float32",
         "max_position_embeddings": 1048576, "moe_intermediate_size": 1856, "moe_shared_expert_intermediate_size": 3712,
         "mtp_hybrid_override_pattern": "*E", "n_groups": 8, "n_routed_experts": 128, "num_attention_heads": 32,
         "num_experts_per_tok": 6, "num_key_value_heads": 2, "num_nextn_predict_layers": 1, "ssm_state_size": 128,
         "vocab_size": 131072},
        None,
        "nvidia--NVIDIA-Nemotron-3.5-Lightning-30B-A3B-NVFP4_config.json",
    ),
    (
        ("Qwen/Qwen3-32B-FP8-Static-PerTensor",),
        {"architectures": ["Qwen3ForCausalLM"], "hidden_size": 5120, "intermediate_size": 25600,
         "max_position_embeddings": 40960, "num_attention_heads": 64, "num_hidden_layers": 64,
         "num_key_value_heads": 8, "torch_dtype": "bfloat16", "vocab_size": 151936},
        {"ignore": ["lm_head"], "quant_algo": "FP8", "producer": {"name": "modelopt"}},
        "Qwen--Qwen3-32B-FP8-Static-PerTensor_config.json",
    ),
)  # fmt: skip

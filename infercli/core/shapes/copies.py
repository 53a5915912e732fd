"""Facts of public models whose config.json was read in a copy of it: a report, a gallery, another planner's branch.

The one thing to know: each row says where its copy stands, and keeps only the keys that decide sizes; where the copy
comes with a count of the parameters or of the bytes of its files, a test compares it.
"""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.recipes import FP8_BLOCK, FP8_STATIC, fp8_blocks, fp8_channels
from infercli.core.shapes.sources import GALLERY, GALLERY_KEYS, MIMO_OMNI, MISTRAL_LARGE_3, PLANNER, REPORT

_FULL, _SLIDING, _CONV = "full_attention", "sliding_attention", "conv"


def _glm4_moe(length: int) -> Json:
    return {
        "architectures": ["Glm4MoeForCausalLM"], "attention_bias": True, "first_k_dense_replace": 3, "head_dim": 128,
        "hidden_size": 5120, "intermediate_size": 12288, "max_position_embeddings": length,
        "moe_intermediate_size": 1536, "n_routed_experts": 160, "n_shared_experts": 1, "num_attention_heads": 96,
        "num_experts_per_tok": 8, "num_hidden_layers": 92, "num_key_value_heads": 8, "num_nextn_predict_layers": 1,
        "partial_rotary_factor": 0.5, "torch_dtype": "bfloat16", "use_qk_norm": True, "vocab_size": 151552,
    }  # fmt: skip


def _minimax_m3(**text: Json) -> Json:
    sparse = [0] * 3 + [1] * 57
    return {
        "architectures": ["MiniMaxM3SparseForConditionalGeneration"], "torch_dtype": "bfloat16",
        "img_token_compression_config": {
            "image_token_compression_method": "patch_merge", "spatial_merge_size": 2, "temporal_patch_size": 2,
        },
        "multimodal_projector_bias": True, "projector_hidden_size": 6144,
        "text_config": {
            "architectures": ["MiniMaxM3SparseForCausalLM"], "dense_intermediate_size": 12288, "head_dim": 128,
            "hidden_size": 6144, "intermediate_size": 3072, "max_position_embeddings": 1048576,
            "moe_layer_freq": sparse, "n_shared_experts": 1, "num_attention_heads": 64, "num_experts_per_tok": 4,
            "num_hidden_layers": 60, "num_key_value_heads": 4, "num_local_experts": 128,
            "partial_rotary_factor": 0.5, "qk_norm_type": "per_head", "rotary_dim": 64,
            "shared_intermediate_size": 3072,
            "sparse_attention_config": {
                "sparse_attention_freq": sparse, "sparse_block_size": 128, "sparse_disable_index_value": sparse,
                "sparse_index_dim": 128, "sparse_num_index_heads": 4, "sparse_topk_blocks": 16,
                "use_sparse_attention": True,
            },
            "use_gemma_norm": True, "use_qk_norm": True, "use_routing_bias": True, "vocab_size": 200064, **text,
        },
        "vision_config": {
            "hidden_size": 1280, "image_size": 2016, "intermediate_size": 5120, "num_attention_heads": 16,
            "num_hidden_layers": 32, "patch_size": 14, "projection_dim": 6144,
            "img_token_compression_config": {
                "image_token_compression_method": "patch_merge", "spatial_merge_size": 2, "temporal_patch_size": 2,
            },
        },
    }  # fmt: skip


def _lfm2(hidden: int, inner: int, heads: int) -> Json:
    return {
        "architectures": ["Lfm2ForCausalLM"], "block_auto_adjust_ff_dim": True, "block_dim": hidden,
        "block_ff_dim": inner, "block_ffn_dim_multiplier": 1.0, "block_multiple_of": 256, "conv_L_cache": 3,
        "conv_bias": False, "conv_dim": hidden, "dtype": "bfloat16", "hidden_size": hidden,
        "intermediate_size": inner,
        "layer_types": [_CONV, _CONV, _FULL] * 3 + [_CONV, _FULL] * 3 + [_CONV], "max_position_embeddings": 128000,
        "num_attention_heads": heads, "num_hidden_layers": 16, "num_key_value_heads": 8, "tie_embedding": True,
        "vocab_size": 65536,
    }  # fmt: skip


def _laguna(layers: int, windowed_heads: int, trained_length: int, **sizes: Json) -> Json:
    kinds = [_FULL, *[_SLIDING] * 3] * (layers // 4)
    return {
        "architectures": ["LagunaForCausalLM"], "head_dim": 128, "layer_types": kinds, "num_hidden_layers": layers,
        "max_position_embeddings": 262144, "mlp_layer_types": ["dense"] + ["sparse"] * (layers - 1),
        "num_attention_heads": 48, "num_key_value_heads": 8, "num_experts": 256, "sliding_window": 512,
        "num_attention_heads_per_layer": [48 if kind == _FULL else windowed_heads for kind in kinds],
        "rope_parameters": {
            _FULL: {"rope_type": "yarn", "factor": 262144 / trained_length,
                    "original_max_position_embeddings": trained_length, "partial_rotary_factor": 0.5},
            _SLIDING: {"rope_type": "default", "partial_rotary_factor": 1.0},
        },
        "tie_word_embeddings": False, "torch_dtype": "bfloat16", "vocab_size": 100352, **sizes,
    }  # fmt: skip


def _mimo_v2(pattern: list[int], heads: int, kv_heads: int, **sizes: Json) -> Json:
    return {
        "add_full_attention_sink_bias": False, "add_swa_attention_sink_bias": True, "head_dim": 192,
        "hybrid_layer_pattern": pattern, "intermediate_size": 16384, "moe_intermediate_size": 2048,
        "moe_layer_freq": [0] + [1] * (len(pattern) - 1), "num_attention_heads": heads, "num_experts_per_tok": 8,
        "num_hidden_layers": len(pattern), "num_key_value_heads": kv_heads, "partial_rotary_factor": 0.334,
        "sliding_window": 128, "swa_head_dim": 192, "swa_num_attention_heads": heads, "swa_num_key_value_heads": 8,
        "swa_v_head_dim": 128, "tie_word_embeddings": False, "topk_method": "noaux_tc", "torch_dtype": "bfloat16",
        "v_head_dim": 128, "vocab_size": 152576, **sizes,
    }  # fmt: skip


def _mimo_v2_fp8(layers: int) -> Json:
    plain = [*(f"model.layers.{i}" for i in range(layers)), "model.decoder"]
    return FP8_BLOCK | {"ignored_layers": [f"{layer}.self_attn.o_proj" for layer in plain]}


_LAGUNA_IGNORES = ("lm_head", *(rf"re:.*\.self_attn\.{name}_proj$" for name in "qkvog"), r"re:.*\.mlp\.gate$")
_BAILING: Json = {
    "head_dim": 128, "kv_lora_rank": 512, "max_position_embeddings": 262144, "model_type": "bailing_hybrid",
    "moe_router_enable_expert_bias": True, "num_experts_per_tok": 8, "num_nextn_predict_layers": 1,
    "num_shared_experts": 1, "partial_rotary_factor": 0.5, "qk_head_dim": 192, "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64, "rotary_dim": 64, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "use_qk_norm": True, "v_head_dim": 128, "vocab_size": 157184,
}  # fmt: skip
_QWEN38_MAX: Json = {
    "architectures": ["Qwen3_5MoeForCausalLM"], "dtype": "bfloat16", "full_attention_interval": 4, "head_dim": 256,
    "hidden_size": 8192, "linear_conv_kernel_dim": 4, "linear_key_head_dim": 128, "linear_num_key_heads": 16,
    "linear_num_value_heads": 128, "linear_value_head_dim": 128, "mamba_ssm_dtype": "float32",
    "max_position_embeddings": 262144, "moe_intermediate_size": 2048, "mtp_num_hidden_layers": 1,
    "num_attention_heads": 64, "num_experts": 512, "num_experts_per_tok": 10, "num_hidden_layers": 92,
    "num_key_value_heads": 4, "rope_parameters": {"partial_rotary_factor": 0.25},
    "shared_expert_intermediate_size": 2048, "tie_word_embeddings": False, "vocab_size": 248320,
}  # fmt: skip


def _nemotron_nano2(hidden: int, intermediate: int, pattern: str) -> Json:
    return {
        "architectures": ["NemotronHForCausalLM"], "head_dim": 128, "hidden_size": hidden,
        "hybrid_override_pattern": pattern, "intermediate_size": intermediate, "mamba_head_dim": 80,
        "mamba_num_heads": 128, "max_position_embeddings": 131072, "n_groups": 8, "num_attention_heads": 40,
        "num_key_value_heads": 8, "ssm_state_size": 128, "torch_dtype": "bfloat16", "vocab_size": 131072,
    }  # fmt: skip


# ids, config.json, its quantization, where the copy of it stands
COPIES: tuple[tuple[tuple[str, ...], Json, Json, str], ...] = (
    (("zai-org/GLM-4.5",), _glm4_moe(131072), None, GALLERY_KEYS.format("glm-4-5-355b")),
    (("zai-org/GLM-4.7",), _glm4_moe(202752), None, GALLERY_KEYS.format("glm-4-7-355b")),
    (
        ("zai-org/GLM-4.5-FP8",), _glm4_moe(131072),
        fp8_channels("lm_head", r"re:.*\.mlp\.gate$", "model.layers.92.eh_proj", "model.layers.92.embed_tokens"),
        REPORT.format("cbff706dc959", "models/glm_4.5_fp8"),
    ),
    (
        ("zai-org/GLM-4.5V",),
        {
            "architectures": ["Glm4vMoeForConditionalGeneration"], "dtype": "bfloat16", "tie_word_embeddings": False,
            "text_config": {
                "attention_bias": True, "first_k_dense_replace": 1, "head_dim": 128, "hidden_size": 4096,
                "intermediate_size": 10944, "max_position_embeddings": 65536, "moe_intermediate_size": 1408,
                "n_routed_experts": 128, "n_shared_experts": 1, "num_attention_heads": 96, "num_experts_per_tok": 8,
                "num_hidden_layers": 46, "num_key_value_heads": 8, "partial_rotary_factor": 0.5,
                "rope_parameters": {"mrope_section": [8, 12, 12], "partial_rotary_factor": 0.5},
                "use_qk_norm": False, "vocab_size": 151552,
            },
            "vision_config": {
                "attention_bias": False, "depth": 24, "hidden_size": 1536, "image_size": 336, "in_channels": 3,
                "intermediate_size": 10944, "num_heads": 12, "out_hidden_size": 4096, "patch_size": 14,
                "spatial_merge_size": 2, "temporal_patch_size": 2,
            },
        },
        None, REPORT.format("cbff706dc959", "models/glm_4.5v"),
    ),
    (
        ("MiniMaxAI/MiniMax-M2",),
        {
            "architectures": ["MiniMaxM2ForCausalLM"], "head_dim": 128, "hidden_size": 3072,
            "intermediate_size": 1536, "max_position_embeddings": 196608, "num_attention_heads": 48,
            "num_experts_per_tok": 8, "num_hidden_layers": 62, "num_key_value_heads": 8, "num_local_experts": 256,
            "rotary_dim": 64, "use_qk_norm": True, "use_routing_bias": True, "vocab_size": 200064,
        },
        FP8_BLOCK | {"modules_to_not_convert": ["gate", "e_score_correction_bias", "lm_head"]},
        GALLERY.format("minimax-m2-230b"),
    ),
    (
        ("MiniMaxAI/MiniMax-M3",), _minimax_m3(num_mtp_modules=7, num_nextn_predict_layers=1), None,
        REPORT.format("b521199165b8", "models/minimax_m3"),
    ),
    (
        ("MiniMaxAI/MiniMax-M3-MXFP8",), _minimax_m3(dtype="bfloat16", num_mtp_modules=1),
        {
            "quant_method": "mxfp8", "activation_scheme": "dynamic", "weight_block_size": [1, 32],
            "ignored_layers": [
                "lm_head", "model.embed_tokens", "vision_tower", "multi_modal_projector", "patch_merge_mlp",
                *(f"language_model.model.layers.{i}.block_sparse_moe.gate" for i in range(3, 60)),
            ],
        },
        REPORT.format("b521199165b8", "models/minimax_m3_mxfp8"),
    ),
    (
        ("moonshotai/Kimi-Linear-48B-A3B-Instruct",),
        {
            "architectures": ["KimiLinearForCausalLM"], "dtype": "bfloat16", "first_k_dense_replace": 1,
            "head_dim": 72, "hidden_size": 2304, "intermediate_size": 9216, "kv_lora_rank": 512,
            "linear_attn_config": {
                "full_attn_layers": [4, 8, 12, 16, 20, 24, 27], "head_dim": 128,
                "kda_layers": [n for n in range(1, 27) if n % 4], "num_heads": 32, "short_conv_kernel_size": 4,
            },
            "mla_use_nope": True, "model_max_length": 1048576, "moe_intermediate_size": 1024,
            "moe_router_activation_func": "sigmoid", "num_attention_heads": 32, "num_experts": 256,
            "num_experts_per_token": 8, "num_hidden_layers": 27, "num_key_value_heads": 32, "num_shared_experts": 1,
            "q_lora_rank": None, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "tie_word_embeddings": False,
            "v_head_dim": 128, "vocab_size": 163840,
        },
        None, REPORT.format("d2644104bc43", "models/kimi_linear_48b_a3b_instruct"),
    ),
    (
        ("Qwen/Qwen3.8-2.4T-A95B",), _QWEN38_MAX, None, PLANNER.format("4e097080cc19", "Qwen--Qwen3.8-2.4T-A95B"),
    ),
    (
        ("Qwen/Qwen3.8-2.4T-A95B-FP8",), _QWEN38_MAX,
        FP8_BLOCK | {"modules_to_not_convert": [
            "lm_head", "model.embed_tokens", "mtp.fc",
            *(
                f"{layer}.{module}"
                for layer in (*(f"model.layers.{i}" for i in range(92)), "mtp.layers.0")
                for module in (
                    *(f"self_attn.{name}_proj" for name in "qkvo"), "mlp.gate", "mlp.shared_expert_gate",
                    *(f"mlp.shared_expert.{name}_proj" for name in ("gate", "up", "down")),
                )
            ),
            *(
                f"model.layers.{i}.linear_attn.{name}"
                for i in range(92) if i % 4 != 3
                for name in ("conv1d", "in_proj_a", "in_proj_b", "in_proj_qkv", "in_proj_z", "out_proj")
            ),
        ]},
        PLANNER.format("4e097080cc19", "Qwen--Qwen3.8-2.4T-A95B-FP8"),
    ),
    (
        ("google/gemma-4-12B-it",),
        {
            "architectures": ["Gemma4UnifiedForConditionalGeneration"], "dtype": "bfloat16",
            "tie_word_embeddings": True,
            "text_config": {
                "attention_k_eq_v": True, "global_head_dim": 512, "head_dim": 256, "hidden_size": 3840,
                "hidden_size_per_layer_input": 0, "intermediate_size": 15360,
                "layer_types": [_SLIDING, _SLIDING, _SLIDING, _SLIDING, _SLIDING, _FULL] * 8,
                "max_position_embeddings": 262144, "num_attention_heads": 16, "num_global_key_value_heads": 1,
                "num_hidden_layers": 48, "num_key_value_heads": 8, "num_kv_shared_layers": 0, "sliding_window": 1024,
                "tie_word_embeddings": True, "use_bidirectional_attention": "vision", "use_double_wide_mlp": False,
                "vocab_size": 262144, "vocab_size_per_layer_input": 262144,
            },
            "audio_config": {"audio_embed_dim": 640, "audio_samples_per_token": 640, "hidden_size": 640,
                             "output_proj_dims": 640},
            "vision_config": {"mm_embed_dim": 3840, "mm_posemb_size": 1120, "model_patch_size": 48,
                              "num_soft_tokens": 280, "output_proj_dims": 3840, "patch_size": 16,
                              "pooling_kernel_size": 3},
        },
        None, GALLERY.format("gemma-4-12b"),
    ),
    (("LiquidAI/LFM2.5-350M",), _lfm2(1024, 6656, 16), None, GALLERY.format("lfm2-5-350m")),
    (
        ("LiquidAI/LFM2.5-1.2B-Base", "LiquidAI/LFM2.5-1.2B-Instruct", "LiquidAI/LFM2.5-1.2B-Thinking"),
        _lfm2(2048, 12288, 32), None, GALLERY.format("lfm2-5-1-2b"),
    ),
    (
        ("LiquidAI/LFM2.5-8B-A1B",),
        {
            "architectures": ["Lfm2MoeForCausalLM"], "conv_L_cache": 3, "conv_bias": False, "dtype": "bfloat16",
            "hidden_size": 2048, "intermediate_size": 7168,
            "layer_types": [_CONV, _CONV, _FULL, *[_CONV, _CONV, _CONV, _FULL] * 4, _CONV, _CONV, _FULL, _CONV, _CONV],
            "max_position_embeddings": 128000, "moe_intermediate_size": 1792, "num_attention_heads": 32,
            "num_dense_layers": 2, "num_experts": 32, "num_experts_per_tok": 4, "num_hidden_layers": 24,
            "num_key_value_heads": 8, "tie_word_embeddings": True, "use_expert_bias": True, "vocab_size": 128000,
        },
        None, GALLERY.format("lfm2-5-8b-a1b"),
    ),
    (
        ("inclusionAI/Ling-2.6-1T",),
        _BAILING | {
            "architectures": ["BailingMoeV2_5ForCausalLM"], "first_k_dense_replace": 4, "group_norm_size": 8,
            "hidden_size": 8192, "intermediate_size": 18432, "layer_group_size": 8, "moe_intermediate_size": 2048,
            "moe_shared_expert_intermediate_size": 2048, "num_attention_heads": 64, "num_experts": 256,
            "num_hidden_layers": 80, "num_key_value_heads": 64, "num_kv_heads_for_linear_attn": 64,
            "q_lora_rank": 1536,
        },
        fp8_channels("lm_head", "model.word_embeddings", r"re:.*\.mlp\.gate$", r"re:model\.layers\.80\..*"),
        GALLERY.format("ling-2-6-1t"),
    ),
    (
        ("arcee-ai/Trinity-Large-Preview",),
        {
            "architectures": ["AfmoeForCausalLM"], "dtype": "bfloat16", "head_dim": 128, "hidden_size": 3072,
            "intermediate_size": 12288, "layer_types": [_SLIDING, _SLIDING, _SLIDING, _FULL] * 15,
            "max_position_embeddings": 262144, "moe_intermediate_size": 3072, "num_attention_heads": 48,
            "num_dense_layers": 6, "num_experts": 256, "num_experts_per_tok": 4, "num_hidden_layers": 60,
            "num_key_value_heads": 8, "num_shared_experts": 1, "sliding_window": 4096, "tie_word_embeddings": False,
            "vocab_size": 200192,
        },
        None, GALLERY.format("arcee-ai-trinity-large-400b"),
    ),
    (
        ("inclusionAI/Ling-2.5-1T",),
        _BAILING | {
            "architectures": ["BailingMoeV2_5ForCausalLM"], "first_k_dense_replace": 4, "group_norm_size": 8,
            "hidden_size": 8192, "intermediate_size": 18432, "layer_group_size": 8, "max_position_embeddings": 131072,
            "moe_intermediate_size": 2048, "moe_shared_expert_intermediate_size": 2048, "num_attention_heads": 64,
            "num_experts": 256, "num_hidden_layers": 80, "num_key_value_heads": 64,
            "num_kv_heads_for_linear_attn": 64, "num_nextn_predict_layers": 0, "q_lora_rank": 1536,
        },
        None, GALLERY.format("ling-2-5-1t"),
    ),
    (
        ("inclusionAI/Ling-3.0-flash",),
        _BAILING | {
            "architectures": ["BailingMoeV3ForCausalLM"], "first_k_dense_replace": 2,
            "gated_attention_proj_granularity_type": "head_wise", "group_norm_size": 1, "hidden_size": 2560,
            "intermediate_size": 6144, "layer_group_size": 6, "moe_intermediate_size": 768,
            "moe_shared_expert_intermediate_size": 768, "no_kda_lora": True, "num_attention_heads": 32,
            "num_experts": 512, "num_hidden_layers": 42, "num_key_value_heads": 32,
            "num_kv_heads_for_linear_attn": 0, "q_lora_rank": None, "short_conv_kernel_size": 4,
            "topk_method": "noaux_tc", "use_kda_lora": False,
        },
        None, GALLERY.format("ling-3-0-flash"),
    ),
    (
        ("JetBrains/Mellum2-12B-A2.5B-Thinking",),
        {
            "architectures": ["MellumForCausalLM"], "dtype": "bfloat16", "head_dim": 128, "hidden_size": 2304,
            "intermediate_size": 7168, "layer_types": [_SLIDING, _SLIDING, _SLIDING, _FULL] * 7,
            "mlp_layer_types": ["sparse"] * 28, "max_position_embeddings": 131072, "moe_intermediate_size": 896,
            "num_attention_heads": 32, "num_experts": 64, "num_experts_per_tok": 8, "num_hidden_layers": 28,
            "num_key_value_heads": 4, "sliding_window": 1024, "tie_word_embeddings": False,
            "use_sliding_window": True, "vocab_size": 98304,
        },
        None, GALLERY.format("jetbrains-mellum2-thinking-12b-a2-5b"),
    ),
    (
        ("XiaomiMiMo/MiMo-V2-Flash",),
        _mimo_v2(
            [0, 1, 1, 1, 1, *[0, 1, 1, 1, 1, 1] * 7, 0], 64, 4, architectures=["MiMoV2FlashForCausalLM"],
            hidden_size=4096, max_position_embeddings=262144, n_routed_experts=256,
        ),
        _mimo_v2_fp8(48), GALLERY.format("xiaomi-mimo-v2-flash-309b"),
    ),
    (
        ("XiaomiMiMo/MiMo-V2.5",),
        _mimo_v2(
            [0, 1, 1, 1, 1, *[0, 1, 1, 1, 1, 1] * 7, 0], 64, 4, architectures=["MiMoV2ForCausalLM"],
            hidden_size=4096, max_position_embeddings=1048576, n_routed_experts=256, vision_config={
                "depth": 28, "fullatt_block_indexes": [0, 9, 18, 27], "hidden_size": 1280, "intermediate_size": 4608,
                "num_heads": 32, "num_key_value_heads": 8, "out_hidden_size": 4096, "patch_size": 16,
                "spatial_merge_size": 2, "temporal_patch_size": 2, "use_sink": True,
            },
            audio_config={
                "add_post_norm": True, "audio_channels": 20, "group_size": 4, "input_local_dim": 1024,
                "input_local_intermediate_size": 4096, "input_local_layers": 6, "out_hidden_size": 4096,
                "projection_layers": 2, "speech_vocab_size": "1280",
            },
        ),
        _mimo_v2_fp8(48), MIMO_OMNI,
    ),
    (
        ("XiaomiMiMo/MiMo-V2.5-Pro",),
        _mimo_v2(
            [0, *[1] * 6, *[0, 1, 1, 1, 1, 1, 1, 1] * 6, *[0, 1, 1, 1, 1, 1, 1] * 2, 0], 128, 8,
            architectures=["MiMoV2ForCausalLM"], hidden_size=6144, max_position_embeddings=1048576,
            n_routed_experts=384,
        ),
        _mimo_v2_fp8(70), REPORT.format("69107007b2ff", "models/mimo_v2.5_pro"),
    ),
    (
        ("tencent/Hy3-preview",),
        {
            "architectures": ["HYV3ForCausalLM"], "expert_hidden_dim": 1536, "first_k_dense_replace": 1,
            "head_dim": 128, "hidden_size": 4096, "intermediate_size": 13312, "max_position_embeddings": 262144,
            "moe_intermediate_size": 1536, "moe_router_enable_expert_bias": True, "num_attention_heads": 64,
            "num_experts": 192, "num_experts_per_tok": 8, "num_hidden_layers": 80, "num_key_value_heads": 8,
            "num_nextn_predict_layers": 1, "num_shared_experts": 1, "qk_norm": True, "tie_word_embeddings": False,
            "vocab_size": 120832,
        },
        None, GALLERY.format("tencent-hy3-preview-295b-a21b"),
    ),
    (
        ("poolside/Laguna-S-2.1-FP8",),
        _laguna(
            48, 72, 8192, gating="per-head", hidden_size=3072, intermediate_size=12288, moe_intermediate_size=1024,
            num_experts_per_tok=10, shared_expert_intermediate_size=1024,
        ),
        fp8_blocks(
            *_LAGUNA_IGNORES, *(f"model.layers.0.mlp.{name}_proj" for name in ("gate", "up", "down")),
            *(rf"re:.*\.mlp\.shared_expert\.{name}_proj$" for name in ("gate", "up", "down")), cache=True,
        ),
        PLANNER.format("1cab08cb527e", "poolside--Laguna-S-2.1-FP8"),
    ),
    (
        ("poolside/Laguna-XS.2-FP8",),
        _laguna(
            40, 64, 4096, gating=True, hidden_size=2048, intermediate_size=8192, moe_intermediate_size=512,
            num_experts_per_tok=8, shared_expert_intermediate_size=512,
        ),
        fp8_blocks(*_LAGUNA_IGNORES, cache=True),
        PLANNER.format("d063594d4745", "poolside--Laguna-XS.2-FP8"),
    ),
    (
        ("allenai/Olmo-3-7B-Instruct", "allenai/Olmo-3-7B-Think"),
        {
            "architectures": ["Olmo3ForCausalLM"], "dtype": "bfloat16", "hidden_size": 4096,
            "intermediate_size": 11008, "layer_types": [_SLIDING, _SLIDING, _SLIDING, _FULL] * 8,
            "max_position_embeddings": 65536, "num_attention_heads": 32, "num_hidden_layers": 32,
            "num_key_value_heads": 32, "sliding_window": 4096, "tie_word_embeddings": False, "vocab_size": 100278,
            "rope_scaling": {"factor": 8.0, "original_max_position_embeddings": 8192, "rope_type": "yarn"},
        },
        None, GALLERY.format("olmo-3-7b"),
    ),
    (
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "nvidia/NVIDIA-Nemotron-Nano-9B-v2-Base"),
        _nemotron_nano2(4480, 15680, "M-M-M-MM-M-M-M*-M-M-M*-M-M-M-M*-M-M-M-M*-M-MM-M-M-M-M-M-"), None,
        "config.json as stored in debaditc/kvfit@bd4ccabf9143, src/kvfit/data/models.json",
    ),
    (
        ("nvidia/NVIDIA-Nemotron-Nano-12B-v2", "nvidia/NVIDIA-Nemotron-Nano-12B-v2-Base"),
        _nemotron_nano2(5120, 20480, f"{'M-M-M-M*-' * 6}M-M-M-M-"), None,
        "NVIDIA-NeMo/NeMo@8cfedd720346, nemo/collections/llm/gpt/model/ssm.py NemotronNano12Bv2",
    ),
    (
        ("mistralai/Mistral-Large-3-675B-Instruct-2512",),
        {
            "architectures": ["PixtralForConditionalGeneration"], "torch_dtype": "bfloat16",
            "tie_word_embeddings": False, "spatial_merge_size": 2,
            "text_config": {
                "first_k_dense_replace": 3, "hidden_size": 7168, "intermediate_size": 16384, "kv_lora_rank": 512,
                "max_position_embeddings": 294912, "moe_intermediate_size": 4096, "n_routed_experts": 128,
                "n_shared_experts": 1, "num_attention_heads": 128, "num_experts_per_tok": 4, "num_hidden_layers": 61,
                "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
                "vocab_size": 131072,
            },
            "vision_config": {
                "hidden_size": 1664, "image_size": 1540, "intermediate_size": 8192, "num_attention_heads": 16,
                "num_hidden_layers": 48, "patch_size": 14,
            },
        },
        FP8_STATIC | {"ignored_layers": ["lm_head", "vision_tower", "multi_modal_projector"]}, MISTRAL_LARGE_3,
    ),
)  # fmt: skip

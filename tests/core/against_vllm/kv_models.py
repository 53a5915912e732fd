"""Small config.json files, one for every kind of KV cache that vLLM has, as publishers write them but with few layers.

The layer counts are odd on purpose: kinds that do not divide, so that groups need padding.
"""

from __future__ import annotations

from typing import Any

from tests.core.against_vllm.class_models import CLASSES

Config = dict[str, Any]

_LLAMA: Config = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 1024,
    "intermediate_size": 2048,
    "num_hidden_layers": 7,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "vocab_size": 32000,
    "max_position_embeddings": 40960,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "hidden_act": "silu",
}
_MAMBA2: Config = {
    "mamba_num_heads": 32, "mamba_head_dim": 64, "n_groups": 8, "ssm_state_size": 128, "conv_kernel": 4, "expand": 2,
}  # fmt: skip
_LATENT: Config = {
    "q_lora_rank": 512, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128,
    "num_key_value_heads": 16, "first_k_dense_replace": 1, "n_routed_experts": 8, "num_experts_per_tok": 2,
    "n_shared_experts": 1, "moe_intermediate_size": 256, "n_group": 1, "topk_group": 1, "scoring_func": "sigmoid",
    "topk_method": "noaux_tc", "norm_topk_prob": True, "routed_scaling_factor": 1.0, "moe_layer_freq": 1,
    "num_nextn_predict_layers": 1,
}  # fmt: skip
_INDEXER: Config = {"index_head_dim": 128, "index_n_heads": 16, "index_topk": 2048}
_EXPERTS: Config = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 256, "norm_topk_prob": True}


def _kinds(count: int, every: int, most: str, one: str) -> list[str]:
    """`one` at every `every`-th layer, `most` elsewhere."""
    return [one if i % every == every - 1 else most for i in range(count)]


MODELS: dict[str, Config] = {
    "full attention": _LLAMA,
    "a window in every layer": _LLAMA
    | {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": 4096},
    "windows beside full attention, 5 to 2": _LLAMA
    | {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "sliding_window": 1024,
        "layer_types": _kinds(7, 3, "sliding_attention", "full_attention"),
        "query_pre_attn_scalar": 64,
        "hidden_activation": "gelu_pytorch_tanh",
    },
    "windows beside full attention, 4 to 3": _LLAMA
    | {
        "architectures": ["GptOssForCausalLM"],
        "model_type": "gpt_oss",
        "num_key_value_heads": 8,
        "sliding_window": 128,
        "layer_types": _kinds(7, 2, "sliding_attention", "full_attention"),
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "max_position_embeddings": 131072,
        "rope_scaling": {
            "rope_type": "yarn",
            "factor": 32.0,
            "beta_fast": 32.0,
            "beta_slow": 1.0,
            "truncate": False,
            "original_max_position_embeddings": 4096,
        },
    },
    "chunks beside full attention": _LLAMA
    | {
        "architectures": ["Llama4ForCausalLM"],
        "model_type": "llama4_text",
        "attention_chunk_size": 8192,
        "layer_types": _kinds(7, 4, "chunked_attention", "full_attention"),
        "no_rope_layers": [0 if i % 4 == 3 else 1 for i in range(7)],
        "num_local_experts": 4,
        "num_experts_per_tok": 1,
        "interleave_moe_layer_step": 1,
        "moe_layers": list(range(7)),
        "intermediate_size_mlp": 2048,
        "use_qk_norm": True,
    },
    "wide full attention and windows, the last layers without a cache": _LLAMA
    | {
        "architectures": ["Gemma4ForCausalLM"],
        "model_type": "gemma4_text",
        "sliding_window": 1024,
        "layer_types": _kinds(12, 3, "sliding_attention", "full_attention"),
        "num_hidden_layers": 12,
        "head_dim": 256,
        "global_head_dim": 512,
        "num_global_key_value_heads": 2,
        "attention_k_eq_v": True,
        "num_kv_shared_layers": 3,
        "hidden_size_per_layer_input": 0,
        "hidden_activation": "gelu_pytorch_tanh",
        "enable_moe_block": False,
        "use_double_wide_mlp": False,
        "rope_parameters": {
            "full_attention": {"rope_theta": 1000000.0, "rope_type": "default"},
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
        },
    },
    "other heads under windows than under full attention": _LLAMA
    | _EXPERTS
    | {
        "architectures": ["LagunaForCausalLM"],
        "model_type": "laguna",
        "head_dim": 128,
        "num_key_value_heads": 8,
        "shared_expert_intermediate_size": 256,
        "gating": True,
        "sliding_window": 512,
        "layer_types": ["sliding_attention" if i % 4 else "full_attention" for i in range(7)],
        "num_attention_heads_per_layer": [24 if i % 4 else 16 for i in range(7)],
        "rope_parameters": {
            "full_attention": {"rope_theta": 500000.0, "rope_type": "default", "partial_rotary_factor": 0.5},
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
        },
    },
    "nothing but states": {
        "architectures": ["Mamba2ForCausalLM"],
        "model_type": "mamba2",
        "hidden_size": 1024,
        "num_hidden_layers": 7,
        "num_heads": 32,
        "head_dim": 64,
        "n_groups": 1,
        "state_size": 128,
        "conv_kernel": 4,
        "expand": 2,
        "chunk_size": 256,
        "vocab_size": 32000,
        "use_bias": False,
        "use_conv_bias": True,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    },
    "an encoder": {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": 384,
        "intermediate_size": 1536,
        "num_hidden_layers": 6,
        "num_attention_heads": 16,
        "vocab_size": 30522,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "hidden_act": "gelu",
        "torch_dtype": "float32",
    },
    "latent attention": _LLAMA | _LATENT | {"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3"},
    "latent attention with an indexer": _LLAMA
    | _LATENT
    | _INDEXER
    | {"architectures": ["DeepseekV32ForCausalLM"], "model_type": "deepseek_v32"},
    "latent attention, some layers with an indexer": _LLAMA
    | _LATENT
    | _INDEXER
    | {
        "architectures": ["GlmMoeDsaForCausalLM"],
        "model_type": "glm_moe_dsa",
        "indexer_types": ["full", "full", "shared", "shared", "full", "shared", "shared"],
        "index_topk_freq": 3,
        "index_skip_topk_offset": 2,
        "index_share_for_mtp_iteration": True,
        "index_topk_pattern": None,
        "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
    },
    "states of gated DeltaNet": _LLAMA
    | _EXPERTS
    | {
        "architectures": ["Qwen3NextForCausalLM"],
        "model_type": "qwen3_next",
        "head_dim": 256,
        "num_key_value_heads": 2,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 32,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "linear_conv_kernel_dim": 4,
        "full_attention_interval": 4,
        "layer_types": _kinds(7, 4, "linear_attention", "full_attention"),
        "num_hidden_layers": 7,
        "decoder_sparse_step": 1,
        "shared_expert_intermediate_size": 256,
        "mlp_only_layers": [],
    },
    "states of Mamba 2, its dtype not said": _LLAMA
    | _MAMBA2
    | {
        "architectures": ["NemotronHForCausalLM"],
        "model_type": "nemotron_h",
        "hybrid_override_pattern": "M-M*-MM*M",
        "num_hidden_layers": 9,
        "chunk_size": 128,
        "mlp_hidden_act": "relu2",
        "use_bias": False,
        "use_conv_bias": True,
        "layer_norm_epsilon": 1e-5,
    },
    "states of Mamba 2 in bfloat16": _LLAMA
    | {
        "architectures": ["GraniteMoeHybridForCausalLM"],
        "model_type": "granitemoehybrid",
        "layer_types": _kinds(7, 4, "mamba", "attention"),
        "mamba_n_heads": 32,
        "mamba_d_head": 64,
        "mamba_n_groups": 1,
        "mamba_d_state": 128,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba_chunk_size": 256,
        "mamba_conv_bias": True,
        "mamba_proj_bias": False,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "shared_intermediate_size": 512,
        "position_embedding_type": "nope",
        "attention_multiplier": 0.1,
        "embedding_multiplier": 12,
        "logits_scaling": 6,
        "residual_multiplier": 0.2,
    },
    "states of Mamba 1": _LLAMA
    | {
        "architectures": ["JambaForCausalLM"],
        "model_type": "jamba",
        "num_hidden_layers": 16,
        "attn_layer_period": 8,
        "attn_layer_offset": 4,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "mamba_d_state": 16,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba_dt_rank": 64,
        "mamba_conv_bias": True,
        "mamba_proj_bias": False,
    },
    "states of gated DeltaNet of other widths": _LLAMA
    | {"architectures": ["OlmoHybridForCausalLM"], "model_type": "olmo_hybrid", "num_hidden_layers": 7},
    "states beside attention in every layer": _LLAMA
    | {
        "architectures": ["FalconH1ForCausalLM"],
        "model_type": "falcon_h1",
        "mamba_d_ssm": 1536,
        "mamba_n_heads": 24,
        "mamba_d_head": 64,
        "mamba_n_groups": 1,
        "mamba_d_state": 128,
        "mamba_d_conv": 4,
        "mlp_multipliers": [1.0, 1.0],
        "ssm_multipliers": [1.0, 1.0, 1.0, 1.0, 1.0],
        "rope_theta": 100000000000.0,
    },
    "the last layers of a small model without a cache": _LLAMA
    | {
        "architectures": ["Gemma3nForCausalLM"],
        "model_type": "gemma3n_text",
        "num_hidden_layers": 12,
        "sliding_window": 512,
        "num_kv_shared_layers": 4,
        "layer_types": _kinds(12, 4, "sliding_attention", "full_attention"),
        "hidden_activation": "gelu_pytorch_tanh",
        "vocab_size_per_layer_input": 31936,
    },
    "latent attention twice in every layer": CLASSES["LongcatFlashForCausalLM"]
    | {"num_layers": 7, "max_position_embeddings": 40960},
    "states of short convolutions": _LLAMA
    | {
        "architectures": ["Lfm2ForCausalLM"],
        "model_type": "lfm2",
        "conv_dim": 1024,
        "block_dim": 1024,
        "full_attn_idxs": [2, 5],
        "rope_theta": 1000000.0,
    },
    "windows that see one token more than they say": _LLAMA
    | {
        "architectures": ["Cohere2MoeForCausalLM"],
        "model_type": "cohere2_moe",
        "sliding_window": 512,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "first_k_dense_replace": 1,
        "tie_word_embeddings": True,
    },
    "latent attention beside norms of its own": _LLAMA
    | _LATENT
    | {"architectures": ["AXK1ForCausalLM"], "model_type": "axk1"},
    "states of KDA beside latent attention": _LLAMA
    | _LATENT
    | {
        "architectures": ["KimiLinearForCausalLM"],
        "model_type": "kimi_linear",
        "num_hidden_layers": 8,
        "q_lora_rank": None,
        "mla_use_nope": True,
        "num_experts": 8,
        "num_experts_per_token": 2,
        "num_shared_experts": 1,
        "moe_renormalize": True,
        "moe_router_activation_func": "sigmoid",
        "num_expert_group": 1,
        "num_nextn_predict_layers": 0,
        "use_grouped_topk": True,
        "linear_attn_config": {
            "full_attn_layers": [4, 8],
            "kda_layers": [1, 2, 3, 5, 6, 7],
            "num_heads": 16,
            "head_dim": 128,
            "short_conv_kernel_size": 4,
        },
    },
    "states of KDA beside latent attention with a rank and a gate": _LLAMA
    | _LATENT
    | {
        "architectures": ["KimiLinearForCausalLM"],
        "model_type": "kimi_linear",
        "num_hidden_layers": 8,
        "mla_use_output_gate": True,
        "routed_expert_hidden_size": 512,
        "attn_res_block_size": 3,
        "hidden_act": "situ",
        "mla_use_nope": True,
        "num_experts": 8,
        "num_experts_per_token": 2,
        "num_shared_experts": 1,
        "moe_renormalize": True,
        "moe_router_activation_func": "sigmoid",
        "num_expert_group": 1,
        "num_nextn_predict_layers": 0,
        "use_grouped_topk": True,
        "linear_attn_config": {
            "full_attn_layers": [4, 7, 8],
            "kda_layers": [1, 2, 3, 5, 6],
            "num_heads": 16,
            "head_dim": 128,
            "short_conv_kernel_size": 4,
            "use_full_rank_gate": True,
            "gate_lower_bound": -5.0,
        },
    },
}

_INKLING: Config = _LLAMA | {
    "architectures": ["InklingForCausalLM"], "model_type": "inkling_model", "num_hidden_layers": 11,
    "num_key_value_heads": 8, "local_layer_ids": [i for i in range(11) if i % 6 != 5], "sliding_window_size": 512,
    "dense_mlp_idx": 2, "dense_intermediate_size": 1024, "intermediate_size": 256, "n_routed_experts": 8,
    "n_shared_experts": 2, "num_experts_per_tok": 2, "shared_expert_sink": True, "use_embed_norm": True,
    "model_max_length": 40960,
}  # fmt: skip
MODELS |= {
    "short convolutions beside windows of as many heads": _INKLING,
    "short convolutions beside windows of more heads": _INKLING
    | {"swa_num_attention_heads": 16, "swa_num_key_value_heads": 16},
    "short convolutions and layers of both kinds that draft": _INKLING
    | {"mtp_config": {"num_nextn_predict_layers": 4, "local_layer_ids": [0, 2]}},
}
COMPRESSED: Config = _LLAMA | {
    "architectures": ["DeepseekV4ForCausalLM"],
    "model_type": "deepseek_v4",
    "num_hidden_layers": 9,
    "num_key_value_heads": 1,
    "head_dim": 512,
    "q_lora_rank": 512,
    "o_lora_rank": 256,
    "o_groups": 8,
    "qk_rope_head_dim": 64,
    "sliding_window": 128,
    "compress_ratios": [0, 0, 4, 128, 4, 128, 4, 128, 4, 0],
    "compress_rope_theta": 160000.0,
    **_INDEXER,
    "hc_mult": 4,
    "hc_sinkhorn_iters": 20,
    "hc_eps": 1e-6,
    "n_routed_experts": 8,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "moe_intermediate_size": 256,
    "scoring_func": "sqrtsoftplus",
    "topk_method": "noaux_tc",
    "norm_topk_prob": True,
    "routed_scaling_factor": 1.5,
    "swiglu_limit": 10.0,
    "num_hash_layers": 3,
    "num_nextn_predict_layers": 1,
    "rope_scaling": {
        "rope_type": "yarn",
        "factor": 16.0,
        "beta_fast": 32,
        "beta_slow": 1,
        "original_max_position_embeddings": 65536,
    },
    "max_position_embeddings": 1048576,
}
"""Compressed attention (DeepSeek-V4), apart from the others: it runs with an FP8 cache and blocks of 256 only."""

NO_STAGES = {
    "nothing but states": "its class has no pipeline parallelism",
    "an encoder": "its class has no pipeline parallelism",
    "wide full attention and windows, the last layers without a cache": "a stage cannot read another's cache",
    "the last layers of a small model without a cache": "its class has no pipeline parallelism",
}
"""Models that vLLM does not cut into pipeline stages, and why."""

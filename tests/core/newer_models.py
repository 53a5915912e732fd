"""Small config.json files of decoders that depart far from Llama, for class_models.py: CLASSES."""

from __future__ import annotations

from tests.core.dense_models import Config, config

_ROUTED: Config = {
    "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 320, "norm_topk_prob": True, "n_group": 1,
    "topk_group": 1, "routed_scaling_factor": 2.5,
}  # fmt: skip
_LATENT: Config = {
    "num_key_value_heads": 16, "q_lora_rank": 512, "kv_lora_rank": 256, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128,
    "v_head_dim": 96,
}  # fmt: skip
_RING: Config = _ROUTED | _LATENT | {
    "num_hidden_layers": 5, "layer_group_size": 3, "head_dim": 64, "num_shared_experts": 1, "first_k_dense_replace": 1,
    "use_bias": False, "use_qkv_bias": False, "use_qk_norm": True, "moe_router_enable_expert_bias": True,
    "score_function": "sigmoid", "group_norm_size": 4, "linear_silu": True, "partial_rotary_factor": 0.5,
    "rope_theta": 10000.0,
}  # fmt: skip
_MINICPM3: Config = _LATENT | {
    "qk_rope_head_dim": 32, "qk_nope_head_dim": 64, "v_head_dim": 80, "scale_emb": 12, "scale_depth": 1.4,
    "dim_model_base": 256, "tie_word_embeddings": True,
}  # fmt: skip
_STEP3: Config = {
    "max_seq_len": 8192, "max_position_embedding": 8192, "num_attention_groups": 1, "head_dim": 128, "share_q_dim": 640,
    "moe_num_experts": 8, "moe_top_k": 2, "moe_intermediate_size": 320, "share_expert_dim": 448,
    "moe_layers_enum": "1,2", "norm_expert_weight": True,
}  # fmt: skip
_ZAMBA2: Config = {
    "num_hidden_layers": 7, "layers_block_type": ["mamba", "mamba", "hybrid", "mamba", "hybrid", "mamba", "hybrid"],
    "mamba_d_state": 64, "mamba_expand": 2, "mamba_ngroups": 2, "n_mamba_heads": 32, "num_key_value_heads": 16,
    "use_mem_rope": True, "adapter_rank": 96, "num_mem_blocks": 2, "use_shared_attention_adapter": True,
    "add_bias_linear": False, "hidden_act": "gelu", "tie_word_embeddings": True,
}  # fmt: skip
_HRM: Config = {
    "head_dim": 96, "H_cycles": 2, "L_cycles": 3, "num_hidden_layers": 2, "prefix_lm": True,
}  # fmt: skip

NEWER: dict[str, Config] = {
    "BailingMoeV2_5ForCausalLM": config("BailingMoeV2_5ForCausalLM", "bailing_hybrid", _RING),
    "Ring 2.5 without groups and ranks": config("BailingMoeV2_5ForCausalLM", "bailing_hybrid", _RING, q_lora_rank=None,
                                                group_norm_size=1, use_qk_norm=False, num_shared_experts=0,
                                                moe_router_enable_expert_bias=False, score_function="softmax"),
    "HrmTextForCausalLM": config("HrmTextForCausalLM", "hrm_text", _HRM, without=("num_key_value_heads",)),
    "HRM-Text with biases and its depth said": config(
        "HrmTextForCausalLM", "hrm_text", _HRM, without=("num_key_value_heads",), attention_bias=True, mlp_bias=True,
        num_layers_per_stack=3, num_hidden_layers=24),
    "IQuestLoopCoderForCausalLM": config("IQuestLoopCoderForCausalLM", "iquestloopcoder", loop_num=3,
                                         loop_window_size=128, rope_theta=10000.0),
    "MiniCPM3ForCausalLM": config("MiniCPM3ForCausalLM", "minicpm3", _MINICPM3),
    "Step3TextForCausalLM": config("Step3TextForCausalLM", "step3_text", _STEP3,
                                   without=("num_key_value_heads", "max_position_embeddings")),
    "Zamba2ForCausalLM": config("Zamba2ForCausalLM", "zamba2", _ZAMBA2),
    "Zamba 2 with biases and nothing of attention's own": config(
        "Zamba2ForCausalLM", "zamba2", _ZAMBA2, add_bias_linear=True, use_shared_attention_adapter=False,
        use_mem_rope=False, num_mem_blocks=1),
}  # fmt: skip

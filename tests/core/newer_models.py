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

NEWER: dict[str, Config] = {
    "BailingMoeV2_5ForCausalLM": config("BailingMoeV2_5ForCausalLM", "bailing_hybrid", _RING),
    "Ring 2.5 without groups and ranks": config("BailingMoeV2_5ForCausalLM", "bailing_hybrid", _RING, q_lora_rank=None,
                                                group_norm_size=1, use_qk_norm=False, num_shared_experts=0,
                                                moe_router_enable_expert_bias=False, score_function="softmax"),
}  # fmt: skip

"""Small config.json files, one for each class whose shape is compared with vLLM's own (test_classes_against_vllm.py).

Widths differ from one another on purpose: a width that is taken for another shows in the count.
"""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]

_LLAMA: Config = {
    "hidden_size": 1024,
    "intermediate_size": 2176,
    "num_hidden_layers": 3,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "vocab_size": 32000,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "hidden_act": "silu",
}
_EXPERTS: Config = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 320, "norm_topk_prob": True}

CLASSES: dict[str, Config] = {
    "LagunaForCausalLM": _LLAMA
    | _EXPERTS
    | {
        "architectures": ["LagunaForCausalLM"],
        "model_type": "laguna",
        "head_dim": 96,
        "shared_expert_intermediate_size": 448,
        "gating": True,
        "sliding_window": 512,
        "num_hidden_layers": 5,
        "layer_types": ["full_attention", *["sliding_attention"] * 3, "full_attention"],
        "num_attention_heads_per_layer": [16, 24, 24, 24, 16],
        "mlp_layer_types": ["dense", *["sparse"] * 4],
        "rope_parameters": {
            "full_attention": {
                "rope_theta": 500000.0,
                "rope_type": "yarn",
                "factor": 32.0,
                "original_max_position_embeddings": 4096,
                "partial_rotary_factor": 0.5,
            },
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default", "partial_rotary_factor": 1.0},
        },
    },
    "Laguna with a gate on every element, sinks and biases": _LLAMA
    | _EXPERTS
    | {
        "architectures": ["LagunaForCausalLM"],
        "model_type": "laguna",
        "head_dim": 64,
        "attention_bias": True,
        "shared_expert_intermediate_size": 0,
        "gating": "per-element",
        "sliding_window": 512,
        "num_hidden_layers": 4,
        "layer_types": ["full_attention", *["sliding_attention"] * 3],
        "swa_attention_sink_enabled": True,
        "mlp_only_layers": [1],
        "decoder_sparse_step": 2,
        "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"},
        "partial_rotary_factor": 0.5,
    },
}

"""Models of general knowledge with recurrent layers."""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.cards.decoders import decoder


def _granite4(**numbers: Json) -> Json:
    mamba, attention = ["mamba"], ["attention"]
    return {
        "architectures": ["GraniteMoeHybridForCausalLM"], "num_hidden_layers": 40, "vocab_size": 100352,
        "tie_word_embeddings": True, "max_position_embeddings": 131072, "torch_dtype": "bfloat16",
        "mamba_d_state": 128, "mamba_n_groups": 1, "mamba_d_head": 64, "mamba_expand": 2, "mamba_d_conv": 4,
        "position_embedding_type": "nope",
        "layer_types": 5 * mamba + attention + 3 * (9 * mamba + attention) + 4 * mamba,
    } | numbers  # fmt: skip


# ids, the keys of config.json that decide sizes, parameters by the Hub's count
HYBRIDS: tuple[tuple[tuple[str, ...], Json, int], ...] = (
    (("Qwen/Qwen3-Next-80B-A3B-Instruct", "Qwen/Qwen3-Next-80B-A3B-Thinking", "Qwen/Qwen3-Coder-Next"),
     decoder("Qwen3NextForCausalLM", 48, 2048, 16, 2, 5120, 151936, 262144, head_dim=256, num_experts=512,
              num_experts_per_tok=10, moe_intermediate_size=512, shared_expert_intermediate_size=512,
              full_attention_interval=4, linear_num_key_heads=16, linear_num_value_heads=32, linear_key_head_dim=128,
              linear_value_head_dim=128, linear_conv_kernel_dim=4, partial_rotary_factor=0.25), 79_674_391_296),
    # Logs of 0.11 and 0.19 print 3.42 GiB (FP8) for the first and 2.72 for the second.
    (("ibm-granite/granite-4.0-micro",),
     _granite4(hidden_size=2560, num_attention_heads=40, num_key_value_heads=8, intermediate_size=8192,
               shared_intermediate_size=8192, num_local_experts=0, num_experts_per_tok=0, mamba_n_heads=80,
               layer_types=40 * ["attention"], position_embedding_type="rope"), 3_402_836_480),
    (("ibm-granite/granite-4.0-h-1b",),
     _granite4(hidden_size=1536, num_attention_heads=12, num_key_value_heads=4, intermediate_size=4096,
               shared_intermediate_size=4096, num_local_experts=0, num_experts_per_tok=0, mamba_n_heads=48),
     1_461_538_368),
    (("ibm-granite/granite-4.0-h-small",),
     _granite4(hidden_size=4096, num_attention_heads=32, num_key_value_heads=8, intermediate_size=768,
               shared_intermediate_size=1536, num_local_experts=72, num_experts_per_tok=10, mamba_n_heads=128),
     32_207_337_984),
)  # fmt: skip

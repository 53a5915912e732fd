"""Small config.json files of classes that vLLM 0.29 dropped, with what ranks of its last source of each hold.

The counts are those of that source's own class, built on PyTorch's meta device beside vLLM 0.29's
(tests/core/weights_oracle.py with the class registered by hand): elements of one rank of 1, 2 and 4.
"""

from __future__ import annotations

from tests.core.dense_models import Config, config

_MINIMAX: Config = {
    "num_local_experts": 8, "num_experts_per_tok": 2, "attn_type_list": [0, 0, 1, 0, 1], "num_hidden_layers": 5,
    "head_dim": 96, "rotary_dim": 48, "rope_theta": 10000000.0, "shared_intermediate_size": 0,
}  # fmt: skip
_TYPES: Config = {
    "num_local_experts": 1, "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "attn_type_list": None, "num_hidden_layers": 3,
}  # fmt: skip

DROPPED: dict[str, tuple[Config, tuple[int, int, int]]] = {
    "MiniMax-Text-01, vLLM 0.22.1": (
        config("MiniMaxText01ForCausalLM", "minimax_text_01", _MINIMAX),
        (364_436_992, 182_244_608, 91_148_416),
    ),
    "MiniMax without experts, vLLM 0.22.1": (
        config("MiniMaxForCausalLM", "minimax", _MINIMAX, _TYPES),
        (105_261_056, 52_634_112, 26_320_640),
    ),
    "Ouro, vLLM 0.25.1": (
        config("OuroForCausalLM", "ouro", total_ut_steps=3, num_key_value_heads=16),
        (98_187_265, 49_100_289, 24_556_801),
    ),
}

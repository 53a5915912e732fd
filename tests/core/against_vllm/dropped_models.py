"""Small config.json files of classes that vLLM 0.29 dropped, with what ranks of its last source of each hold.

The counts are those of that source's own class, built on PyTorch's meta device beside vLLM 0.29's
(weights_oracle.py with the class registered by hand): elements of one rank of 1, 2 and 4.
"""

from __future__ import annotations

from tests.core.against_vllm.class_models import CLASSES
from tests.core.against_vllm.dense_models import Config, config

_MINIMAX: Config = {
    "num_local_experts": 8, "num_experts_per_tok": 2, "attn_type_list": [0, 0, 1, 0, 1], "num_hidden_layers": 5,
    "head_dim": 96, "rotary_dim": 48, "rope_theta": 10000000.0, "shared_intermediate_size": 0,
}  # fmt: skip
_TYPES: Config = {
    "num_local_experts": 1, "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "attn_type_list": None, "num_hidden_layers": 3,
}  # fmt: skip
_EXPERTS: Config = {"num_local_experts": 8, "num_experts_per_tok": 2}
_JAIS: Config = {
    "architectures": ["JAISLMHeadModel"], "model_type": "jais", "n_embd": 1024, "n_head": 16, "n_layer": 3,
    "n_positions": 2048, "n_inner": 2720, "vocab_size": 84992, "activation_function": "swiglu",
    "position_embedding_type": "alibi", "tie_word_embeddings": True, "torch_dtype": "float32",
}  # fmt: skip
_PLAMO2: Config = {
    "hidden_size_per_head": 96, "mamba_num_heads": 24, "mamba_step": 2, "num_hidden_layers": 5,
    "tie_word_embeddings": True,
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
    "Grok 1, vLLM 0.24": (
        config("Grok1ModelForCausalLM", "grok-1", _EXPERTS, tie_word_embeddings=True),
        (201_102_336, 100_570_112, 50_304_000),
    ),
    "Grok 2, vLLM 0.24": (
        config("Grok1ForCausalLM", "git", _EXPERTS, residual_moe=True, moe_intermediate_size=320, rope_type="original"),
        (117_085_184, 58_561_536, 29_299_712),
    ),
    "Arctic, vLLM 0.27": (
        config("ArcticForCausalLM", "arctic", _EXPERTS, use_residual=True, num_hidden_layers=5),
        (211_973_120, 106_001_408, 53_015_552),
    ),
    "Arctic with experts alone, vLLM 0.27": (
        config("ArcticForCausalLM", "arctic", _EXPERTS, moe_layer_frequency=1, use_residual=False),
        (233_864_192, 116_947_968, 58_489_856),
    ),
    "Persimmon, vLLM 0.25.1": (
        config("PersimmonForCausalLM", "persimmon", without=("num_key_value_heads",)),
        (91_525_248, 45_773_248, 22_897_248),
    ),
    "Persimmon without norms, vLLM 0.25.1": (
        config("PersimmonForCausalLM", "persimmon", qk_layernorm=False),
        (91_524_480, 45_772_480, 22_896_480),
    ),
    "JAIS, vLLM 0.22.1": (_JAIS, (124_728_256, 62_374_368, 31_197_424)),
    "JAIS with a table of positions, vLLM 0.22.1": (
        _JAIS | {"activation_function": "gelu_new", "position_embedding_type": "learned", "n_inner": None,
                 "tie_word_embeddings": False},
        (213_951_488, 108_034_560, 55_076_096),
    ),
    "Phi-3-small, vLLM 0.9.2": (
        config("Phi3SmallForCausalLM", "phi3small", tie_word_embeddings=True),
        (60_724_480, 30_372_480, 15_196_480),
    ),
    "PLaMo 2, vLLM 0.25.1": (config("Plamo2ForCausalLM", "plamo2", _PLAMO2), (96_674_840, 48_348_460, 24_185_270)),
    "PLaMo 2 of few layers, vLLM 0.25.1": (
        config("Plamo2ForCausalLM", "plamo2", _PLAMO2, num_hidden_layers=3, mamba_step=8),
        (71_831_952, 35_922_824, 17_968_260),
    ),
    "TeleChat, vLLM 0.25.1": (
        CLASSES["TeleChat2ForCausalLM"] | {"architectures": ["TeleChatForCausalLM"]},
        (98_186_240, 49_099_776, 24_556_544),
    ),
    "StableLM of its first days, vLLM 0.28": (
        CLASSES["StableLmForCausalLM"] | {"architectures": ["StableLMEpochForCausalLM"]},
        (93_473_280, 46_743_808, 23_379_072),
    ),
}  # fmt: skip

"""Classes whose layers differ: Laguna counted by hand, and the fields that are refused by name."""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import (
    Attention,
    Layout,
    mixers,
    parameter_count,
    rank_tensors,
)
from infercli.errors import InputError, Unsupported
from tests.core.against_vllm.class_models import CLASSES
from tests.core.architecture.active import active_parameters

# poolside/Laguna-XS.2: 10 layers of 48 heads that see everything and 30 of 64 with a window, the first layer dense.
LAGUNA_XS = {
    "architectures": ["LagunaForCausalLM"], "vocab_size": 100352, "hidden_size": 2048, "intermediate_size": 8192,
    "num_hidden_layers": 40, "num_attention_heads": 48, "num_key_value_heads": 8, "head_dim": 128, "num_experts": 256,
    "num_experts_per_tok": 8, "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512, "gating": True,
    "max_position_embeddings": 131072, "sliding_window": 512, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "layer_types": ["sliding_attention" if i % 4 else "full_attention" for i in range(40)],
    "num_attention_heads_per_layer": [64 if i % 4 else 48 for i in range(40)],
}  # fmt: skip
EMBEDDINGS = 2 * 100352 * 2048
# Queries, keys and values; output; one gate a head; norms on the queries and keys of a head.
FULL = 2048 * (48 + 16) * 128 + 48 * 128 * 2048 + 48 * 2048 + 2 * 128
SLIDING = 2048 * (64 + 16) * 128 + 64 * 128 * 2048 + 64 * 2048 + 2 * 128
DENSE = 3 * 2048 * 8192
EXPERT = 3 * 2048 * 512
MIXTURE = (256 + 1) * EXPERT + 256 * 2048 + 256
NORMS = (40 * 2 + 1) * 2048


def test_laguna_has_the_heads_and_the_window_of_each_layer():
    arch = architecture.parse(LAGUNA_XS)
    assert parameter_count(arch) == EMBEDDINGS + 10 * FULL + 30 * SLIDING + DENSE + 39 * MIXTURE + NORMS
    assert parameter_count(arch) == 33_442_617_088  # "33B"
    assert active_parameters(arch) == parameter_count(arch) - 39 * (256 - 8) * EXPERT  # "3B"
    assert arch.confirmed
    found = {(m.heads, m.kv_heads, m.window) for m in mixers(arch) if isinstance(m, Attention)}
    assert found == {(48, 8, None), (64, 8, 512)}


def test_laguna_without_layer_types_has_no_window():
    plain = {k: v for k, v in LAGUNA_XS.items() if k not in ("layer_types", "num_attention_heads_per_layer")}
    assert [m.window for m in mixers(architecture.parse(plain)) if isinstance(m, Attention)] == [None]


def test_falcon_h1_keeps_a_state_beside_every_cache():
    arch = architecture.parse(CLASSES["FalconH1ForCausalLM"])
    assert [type(m).__name__ for m in mixers(arch)] == ["Attention", "StateSpace"]
    assert (arch.layer_count, arch.kind) == (3, "hybrid")
    names = {tensor.name for tensor in rank_tensors(arch, Layout())}
    assert {"qkv", "state-space input"} <= names


@pytest.mark.parametrize(
    ("name", "changed", "field"),
    [
        ("LagunaForCausalLM", {"gating": "per-token"}, "gating"),
        ("LagunaForCausalLM", {"mlp_layer_types": ["sparse"] * 5}, "mlp_layer_types"),
        ("LagunaForCausalLM", {"gating": "per-element", "qkv_bias": True}, "qkv_bias"),
        ("LagunaForCausalLM", {"layer_types": ["linear_attention"] * 5}, "layer_types"),
        ("PanguEmbeddedForCausalLM", {"param_sink_number": 128}, "param_sink_number"),
        ("PanguEmbeddedForCausalLM", {"is_causal": False}, "is_causal"),
        ("PanguUltraMoEForCausalLM", {"param_sink_number": 128}, "param_sink_number"),
        ("Rnj1ForCausalLM", {"layer_types": ["chunked_attention"] * 3}, "layer_types"),
        ("MellumForCausalLM", {"mlp_layer_types": None}, "mlp_layer_types"),
        ("SarvamMoEForCausalLM", {"use_bias": True}, "use_bias"),
        ("SarvamMLAForCausalLM", {"moe_layer_freq": 2}, "moe_layer_freq"),
        ("LongcatFlashForCausalLM", {"n_routed_experts": None, "num_experts": [8, 8, 8]}, "num_experts"),
        ("LongcatFlashForCausalLM", {"num_hidden_layers": 6}, "num_hidden_layers"),
        ("Lfm2ForCausalLM", {"conv_dim": 2048}, "conv_dim"),
        ("Lfm2ForCausalLM", {"layer_types": ["conv", "mamba", "conv"]}, "layer_types"),
        ("OlmoHybridForCausalLM", {"layer_types": ["linear_attention"] * 6}, "layer_types"),
        ("Gemma3nForCausalLM", {"layer_types": ["chunked_attention"] * 6}, "layer_types"),
    ],
)
def test_what_is_not_known_is_refused_by_its_field(name, changed, field):
    with pytest.raises(Unsupported, match=field):
        architecture.parse(CLASSES[name] | changed)


def test_a_width_that_is_missing_is_named():
    silent = {k: v for k, v in CLASSES["HYV3ForCausalLM"].items() if k != "expert_hidden_dim"}
    with pytest.raises(InputError, match="expert_hidden_dim"):
        architecture.parse(silent)

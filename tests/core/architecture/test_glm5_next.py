"""GLM-5.3 by what is published of it, and what of its config.json is not understood."""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import (
    Layout,
    draft_tensors,
    mixers,
    parameter_count,
    rank_tensors,
)
from infercli.core.memory.weights import BATCH_BUFFERS, weights_by_role
from infercli.core.shapes import find_shape
from infercli.core.shapes.frameworks import GLM_5_3_FLASH
from infercli.errors import Unsupported
from tests.core.architecture.active import active_parameters

FLASH, BF16 = find_shape("zai-org/GLM-5.3-Flash"), find_shape("zai-org/GLM-5.3-Flash-BF16")


def with_text(**changed):
    return GLM_5_3_FLASH | {"text_config": GLM_5_3_FLASH["text_config"] | changed}


def test_it_has_the_parameters_that_are_published():
    """321 billion with the layer that drafts, 18 of which a token passes (JustVugg/colibri#1243)."""
    drafts = sum(t.copies * t.outputs * t.inputs for t in draft_tensors(FLASH.arch, Layout()))
    assert round((parameter_count(FLASH.arch) + drafts) / 1e9) == 321
    assert round(active_parameters(FLASH.arch) / 1e9) == 18


def test_what_attends_is_in_16_bits_whatever_the_checkpoint_stores():
    roles = {
        kind: weights_by_role(shape.arch, shape.quantization, Layout(tensor_parallel_size=4), 2)
        for kind, shape in (("fp8", FLASH), ("bf16", BF16))
    }
    for role in ("attention", "linear_attention", "indexer", "encoder", "other"):
        assert roles["fp8"][role] == roles["bf16"][role], role
    assert roles["fp8"]["experts"] == pytest.approx(roles["bf16"]["experts"] / 2, rel=0.001)
    assert roles["fp8"]["mlp"] < 0.51 * roles["bf16"]["mlp"]


def test_its_ranks_hold_the_vectors_of_gates_and_indexers_whole():
    held = {tp: {t.name: t for t in rank_tensors(BF16.arch, Layout(tensor_parallel_size=tp))} for tp in (1, 8)}
    for whole in ("f_a_proj", "indexer queries", "indexer pooling", "latent down", "hc_attn_fn"):
        assert held[1][whole] == held[8][whole], whole
    for cut in ("q_proj", "f_b_proj", "convolution", "query up"):
        assert held[1][cut].outputs == 8 * held[8][cut].outputs, cut
    assert held[1]["convolution"].float32
    assert held[1]["indexer positions"].float32


@pytest.mark.parametrize(("name", "picked"), [("zai-org/GLM-5.3-Flash", 2176), ("deepseek-ai/DeepSeek-V3.2", 2048)])
def test_the_tokens_that_each_picks_have_room_before_the_loading_is_measured(name, picked):
    shape = find_shape(name)
    roles = weights_by_role(shape.arch, shape.quantization, Layout(tensor_parallel_size=8), 2, batched_tokens=8192)
    assert roles[BATCH_BUFFERS] == 8192 * picked * 4
    plain = find_shape("deepseek-ai/DeepSeek-V3")
    assert BATCH_BUFFERS not in weights_by_role(plain.arch, plain.quantization, Layout(), 2, batched_tokens=8192)


def test_layers_are_of_the_kinds_that_config_json_or_its_silence_says():
    said = ["linear_attention", "linear_attention", "linear_attention", "deepseek_sparse_attention"] * 11
    written = architecture.parse(with_text(layer_types=[*said, "linear_attention"]))
    assert written == FLASH.arch
    assert [len(g.indices) for g in written.layers if g.mixer is mixers(written)[1]] == [11]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"qk_rope_head_dim": 64}, "qk_rope_head_dim"),
        ({"mhc": False}, "mhc"),
        ({"index_kpool": 1}, "index_kpool"),
        ({"indexer_types": ["full"] * 44 + ["shared"]}, "indexer_types"),
        ({"layer_types": ["sliding_attention"] * 45}, "layer_types"),
    ],
)
def test_what_is_not_known_of_it_is_named(changed, named):
    with pytest.raises(Unsupported, match=named):
        architecture.parse(with_text(**changed))

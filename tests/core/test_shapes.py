"""Shipped shapes by their names: quantized checkpoints, and what is offered for those that are not here."""

from __future__ import annotations

import pytest

from infercli.core.schemes import typical
from infercli.core.shape_quantized import QUANTIZED_CARDS
from infercli.core.shapes import find_shape, published_as
from infercli.errors import UnknownName
from tests.core.plans import plan


@pytest.mark.parametrize(
    ("asked", "base", "method"),
    [
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "meta-llama/Meta-Llama-3.1-8B-Instruct", "w4a16"),
        ("somebody/qwen3-14b-fp8-dynamic", "Qwen/Qwen3-14B", "fp8"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "Qwen/Qwen2.5-7B-Instruct", "gptq"),
    ],
)
def test_an_unknown_checkpoint_of_a_known_model_may_be_planned_as_a_usual_one(asked, base, method):
    with pytest.raises(UnknownName) as refused:
        find_shape(asked)
    assert f"`{base}` with --quantization {method} is planned" in refused.value.hint
    assert plan(base, "h100", quantization=method).fits


@pytest.mark.parametrize("asked", ["Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8", "somebody/else-AWQ"])
def test_no_usual_checkpoint_is_offered_where_there_is_none(asked):
    with pytest.raises(UnknownName) as refused:
        find_shape(asked)
    assert "--quantization" not in refused.value.hint


def test_a_quantized_card_is_stored_as_its_name_says():
    for model_id, base, _ in QUANTIZED_CARDS:
        stored = find_shape(model_id).quantization
        assert model_id.rpartition("/")[2].startswith(base.rpartition("/")[2])
        assert f"-{stored.method}" in model_id.lower()
        usual = typical(stored.method)
        assert (stored.bits, stored.zero_points) == (usual.bits, usual.zero_points)
    assert published_as("Qwen/Qwen3-32B", "awq") == ("Qwen/Qwen3-32B-AWQ",)

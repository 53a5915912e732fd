"""DeepSeek-V4 and V4.1 as published: what is counted of them against what the Hub and vLLM's recipes say."""

from __future__ import annotations

import pytest

from infercli.core.architecture.arch import Layout, draft_tensors, parameter_count, table_elements
from infercli.core.memory.weights import file_bytes
from infercli.core.shapes import find_shape
from tests.core.architecture.active import active_parameters


def drafting(arch):
    return sum(t.copies * t.outputs * t.inputs for t in draft_tensors(arch, Layout()))


@pytest.mark.parametrize(
    ("name", "size", "within"),
    [
        ("V4-Flash-0731", 155.42 * 2**30, 0.001),  # the tensors of its report
        ("V4-Flash-Vision-Exp", 167.8e9, 0.001),  # vllm-project/recipes
        ("V4-Pro-0813", 893e9, 0.001),
        ("V4.1-Flash-1017", 510.313e9, 0.001),  # the Hub's files
    ],
)
def test_files_have_the_bytes_that_were_published(name, size, within):
    shape = find_shape(f"deepseek-ai/DeepSeek-{name}")
    assert file_bytes(shape.arch, shape.quantization, 2) == pytest.approx(size, rel=within)


@pytest.mark.parametrize(
    ("name", "billions"),
    [("V4-Flash-0731", 304), ("V4-Pro-0813", 1650), ("V4.1-Flash-1017", 763)],  # as the Hub counts stored tensors
)
def test_parameters_with_drafts_are_as_the_hub_counts_them(name, billions):
    arch = find_shape(f"deepseek-ai/DeepSeek-{name}").arch
    assert round((parameter_count(arch) + drafting(arch)) / 1e9) == pytest.approx(billions, abs=1)


def test_deepseek_v41_has_the_parameters_of_its_card():
    # 552B beside the tables of n-grams, and 16B active, which count neither the embedding nor the encoder
    arch = find_shape("deepseek-ai/DeepSeek-V4.1-Flash").arch
    assert round((parameter_count(arch) - table_elements(arch)) / 1e9) == 552
    assert table_elements(arch) == 256 * (384006168 + 384016682)
    around = 129280 * 5120 + sum(w.outputs * w.inputs * w.copies for w in arch.encoders)
    assert round((active_parameters(arch) - around) / 1e9) == 16


def test_an_encoder_of_images_adds_half_a_billion_to_deepseek_v4():
    seeing, reading = (
        find_shape(f"deepseek-ai/DeepSeek-{name}") for name in ("V4-Flash-Vision-Exp", "V4-Flash-DSpark")
    )
    assert seeing.arch.architecture == "DeepseekV4ForConditionalGeneration"
    assert seeing.parameters - reading.parameters == pytest.approx(0.466e9, rel=0.01)

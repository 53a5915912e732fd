"""Which configurations a search weighs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core.choice.answer import selection
from infercli.core.choice.candidates import candidates, hardware_of
from infercli.core.choice.search import Search
from infercli.core.documents.profile import HardwareProfile, NodeGroup
from infercli.errors import InputError, UnknownName
from tests.core.choice.searches import PRICES, ask, profile


def test_what_is_only_published_is_tried_for_no_other_checkpoint_unless_asked():
    hardware = profile("h100", "H100", quantizations=("none", "mxfp4"))
    own, others = ask(hardware, model="openai/gpt-oss-20b"), ask(hardware)
    assert selection(Search(own)).chosen is not None
    assert {w.candidate.quantization for w in candidates(own)} == {"mxfp4"}
    assert {w.candidate.quantization for w in candidates(others)} == {"none"}
    assert {w.candidate.quantization for w in candidates(replace(others, quantizations=("mxfp4",)))} == {"mxfp4"}


def test_a_cache_that_is_always_fp8_is_tried_in_fp8_alone_and_warned_of_no_more_than_any():
    found = Search(ask(profile("h200-x8", "H200", gpus=8), model="deepseek-ai/DeepSeek-V4-Flash"))
    assert {w.candidate.kv_cache_dtype for w in candidates(found.question)} == {"fp8"}
    said = selection(found)
    assert said.chosen is not None
    assert not any("an FP8 KV cache was taken" in note for note in said.notes)


def test_the_same_on_two_profiles_is_weighed_once():
    one, two = profile("h100-x2", "H100", gpus=2), profile("h100", "H100", gpus=1)
    names = {w.candidate.profile for w in candidates(ask(one, two)) if w.candidate.gpus == 1}
    assert names == {"h100"}


def test_a_part_of_a_node_is_tried_where_its_number_of_gpus_divides_no_heads():
    tried = {w.candidate.tensor_parallel_size for w in candidates(ask(profile("six", "H100", gpus=6)))}
    assert tried == {1, 2, 3, 4, 6}


def test_pcie_of_a_profile_takes_nvlink_away():
    gpu = hardware_of(profile("x", "H100", gpus=2, interconnect="pcie"), PRICES).gpu
    assert gpu.nvlink_bytes_per_s is None
    assert hardware_of(profile("x", "H100", gpus=2, interconnect="nvlink"), PRICES).gpu.nvlink_bytes_per_s


def test_hardware_without_gpu_or_price_is_refused_by_name():
    with pytest.raises(InputError, match="no GPU"):
        hardware_of(HardwareProfile(name="c", accelerator="cpu", nodes=(NodeGroup(),)), PRICES)
    with pytest.raises(UnknownName, match="chep"):
        hardware_of(profile("x", price="chep"), PRICES)

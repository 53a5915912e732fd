from __future__ import annotations

import pytest

from infercli.core.gpus import GPUS, find_gpu
from infercli.core.units import GIB
from infercli.errors import UnknownName


def test_names_are_found_whatever_their_case():
    assert find_gpu("h100").name == "H100"
    assert find_gpu("rtx-4090").name == "RTX-4090"


def test_an_unknown_gpu_is_refused_with_the_nearest_names_and_the_file_to_extend():
    with pytest.raises(UnknownName) as refused:
        find_gpu("H1000")
    assert "H100" in refused.value.nearest
    assert "core/gpus.py" in refused.value.hint


@pytest.mark.parametrize("name", GPUS)
def test_memory_is_what_the_driver_reports_and_less_than_the_catalogue_says(name):
    catalogue_gib = {
        "T4": 16, "A10G": 24, "L4": 24, "RTX-4090": 24, "L40S": 48, "A100-40-PCIe": 40, "A100-40-SXM": 40,
        "A100-80-PCIe": 80, "A100-80-SXM": 80, "H100-PCIe": 80, "H100": 80, "H100-NVL": 94, "H200": 141, "B200": 192,
    }[name]  # fmt: skip
    assert 0.88 * catalogue_gib * GIB < GPUS[name].memory_bytes < catalogue_gib * GIB


@pytest.mark.parametrize("name", GPUS)
def test_every_row_names_its_source_and_its_native_types_agree_with_its_capability(name):
    gpu = GPUS[name]
    assert "memory:" in gpu.source
    assert "datasheet" in gpu.source or "whitepaper" in gpu.source or "brief" in gpu.source
    assert ("fp8" in gpu.peak_flops) == (gpu.capability >= (8, 9))
    assert ("bf16" in gpu.peak_flops) == (gpu.capability >= (8, 0))


def test_a_label_that_ray_never_puts_on_a_node_is_not_asked_for():
    # Ray labels an A100 of either size "A100"; "A100-40G" exists only where somebody sets it by hand.
    assert {g.ray_accelerator_type for g in GPUS.values() if g.name.startswith("A100")} == {"A100"}
    assert GPUS["RTX-4090"].ray_accelerator_type is None

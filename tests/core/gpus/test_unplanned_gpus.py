from __future__ import annotations

import re

import pytest

from infercli.core.gpus import GPUS, _plain, find_gpu
from infercli.core.gpus.rows import ROWS
from infercli.core.gpus.unplanned import KINDS, refusal
from infercli.errors import InputError, Unsupported


@pytest.mark.parametrize(
    ("name", "capability"),
    [
        ("Tesla K80", "3.5 or 3.7"),
        ("Tesla M40 24GB", "5.0 or 5.2"),
        ("NVIDIA GeForce GTX TITAN X", "5.0 or 5.2"),
        ("Tesla P100-PCIE-16GB", "6.0"),
        ("Tesla P100-SXM2-16GB", "6.0"),
        ("Quadro GP100", "6.0"),
        ("Tesla P40", "6.1"),
        ("P40 24GB", "6.1"),
        ("P4", "6.1"),
        ("NVIDIA GeForce GTX 1080 Ti", "6.1"),
        ("NVIDIA TITAN Xp", "6.1"),
        ("Quadro P6000", "6.1"),
    ],
)
def test_what_vllm_does_not_run_on_is_told_so_with_its_capability(name, capability):
    with pytest.raises(InputError, match=f"has compute capability {capability}, and vLLM needs 7.0 or more") as refused:
        find_gpu(name)
    assert "docs/getting_started/installation/gpu.md" in refused.value.message


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("AMD Instinct MI100", "gfx908"),
        ("AMD Instinct MI60", "gfx906"),
        ("AMD Radeon VII", "gfx906"),
        ("AMD Radeon RX 6900 XT", "RDNA 2"),
        ("AMD Radeon PRO W6800", "RDNA 2"),
        ("Intel(R) Arc(TM) A770 Graphics", "first Arc generation"),
        ("Intel Arc A770 16GB", "first Arc generation"),
        ("Arc Pro A60", "first Arc generation"),
        ("Intel Gaudi 3", "vllm-gaudi"),
        ("HL-225", "vllm-gaudi"),
        ("TPU v6e", "tpu-inference"),
        ("Ascend 910B", "vllm-ascend"),
        ("Trainium2", "vllm-neuron"),
        ("Apple M4 Max", "vllm-metal"),
    ],
)
def test_what_others_run_is_named_and_left_open(name, said):
    with pytest.raises(Unsupported, match=re.escape(said)) as refused:
        find_gpu(name)
    assert "`infercli gpus` lists them" in refused.value.hint


@pytest.mark.parametrize(
    "name",
    ["AMD Radeon 8060S Graphics", "Ryzen AI Max+ 395", "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S", "Strix Halo", "MI300A"],
)
def test_memory_that_each_machine_sets_is_asked_for_inline(name):
    with pytest.raises(Unsupported, match="shares its") as refused:
        find_gpu(name)
    assert "memory_bytes as torch.cuda.mem_get_info() prints it" in refused.value.hint


@pytest.mark.parametrize("name", ["NVIDIA DGX Station", "DGX Station (GB300)"])
def test_a_gpu_whose_memory_nobody_printed_is_asked_for_inline(name):
    with pytest.raises(Unsupported, match="of 252 GB") as refused:
        find_gpu(name)
    assert "memory_bytes as torch.cuda.mem_get_info() prints it" in refused.value.hint


def test_a_rack_or_board_of_superchips_is_of_their_gpus():
    assert [find_gpu(name).name for name in ("GB200 NVL72", "gb300-nvl4")] == ["GB200", "GB300"]


def test_no_row_is_one_of_them():
    for row in ROWS:
        for name in (row.name, *row.aliases):
            assert refusal(name, _plain(name)) is None


@pytest.mark.parametrize("name", ["RTX 6000", "H1000", "V4", "A4", "L2", "M", "P", "MI400", "GTX 1660", "Arc B390", ""])
def test_nothing_is_said_of_names_that_are_only_like_theirs(name):
    assert refusal(name, _plain(name)) is None


def test_no_two_kinds_are_of_one_name():
    names = ["k80", "m40", "p40", "p100", "mi25", "mi50", "mi100", "rx6900xt", "8060s", "mi300a", "arca770", "gaudi2",
             "tpuv5e", "ascend910b", "trn2", "m4max", *(name.lower() for name in GPUS)]  # fmt: skip
    assert all(sum(re.fullmatch(kind.names, name) is not None for kind in KINDS) <= 1 for name in names)

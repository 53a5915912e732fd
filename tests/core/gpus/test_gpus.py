from __future__ import annotations

import re

import pytest

from infercli.core.gpus import GPUS, Gpu, find_gpu, find_gpu_with, guessed_note, other_memory_note
from infercli.core.gpus.rows import ROWS
from infercli.core.units import GIB
from infercli.errors import InferError, InputError, UnknownName, Unsupported

CATALOGUE_GB = {
    "V100S-32": 32, "T4": 16, "A2": 16, "A10": 24, "A10G": 24, "A16": 16, "A30": 24, "A40": 48, "L4": 24, "L20": 48,
    "L40": 48, "L40S": 48, "H100-PCIe": 80, "H100": 80, "H100-NVL": 94, "H800": 80, "H20": 96, "H20-3e": 141,
    "H200": 141, "H200-NVL": 141, "GH200": 96, "B200": 192, "B300": 288, "GB200": 192, "GB300": 288, "GB10": 128,
    "AGX-Thor": 128, "AGX-Orin-64": 64, "Quadro-RTX-6000": 24, "Quadro-RTX-8000": 48, "RTX-A4000": 16, "RTX-A4500": 20,
    "RTX-A5000": 24, "RTX-A5500": 24, "RTX-A6000": 48, "RTX-2000-Ada": 16, "RTX-4000-Ada": 20, "RTX-4500-Ada": 24,
    "RTX-5000-Ada": 32, "RTX-6000-Ada": 48, "RTX-PRO-4000": 24, "RTX-PRO-4500": 32, "RTX-PRO-5000": 48,
    "RTX-PRO-6000": 96, "RTX-PRO-6000-Server": 96, "RTX-PRO-6000-Max-Q": 96, "RTX-2080-Ti": 11, "RTX-2080-Ti-22": 22,
    "TITAN-RTX": 24, "RTX-3060": 12, "RTX-3060-Ti": 8,
    "RTX-3070": 8, "RTX-3080": 10, "RTX-3080-Ti": 12, "RTX-3090": 24, "RTX-3090-Ti": 24, "RTX-4060": 8,
    "RTX-4060-Ti-8": 8, "RTX-4070": 12, "RTX-4070-SUPER": 12, "RTX-4070-Ti": 12, "RTX-4070-Ti-SUPER": 16,
    "RTX-4080": 16, "RTX-4080-SUPER": 16, "RTX-4090": 24, "RTX-4090-48": 48, "RTX-4090-D": 24, "RTX-5060-Ti-8": 8,
    "RTX-5070": 12, "RTX-5070-Ti": 16, "RTX-5080": 16, "RTX-5090": 32,
    "Arc-B580": 12, "Arc-Pro-B50": 16, "Arc-Pro-B60": 24, "Arc-Pro-B70": 32, "Max-1550": 64,
    "MI210": 64, "MI250": 64, "MI250X": 64,
    "H800-PCIe": 80, "GH200-144": 144, "RTX-A1000": 8, "RTX-A2000-6": 6, "RTX-A2000-12": 12, "RTX-4000-SFF-Ada": 20,
    "RTX-PRO-4000-SFF": 24, "TITAN-V": 12, "RTX-3080-Laptop-8": 8, "RTX-3080-Ti-Laptop": 16,
    "RTX-4060-Laptop": 8, "RTX-4070-Laptop": 8, "RTX-4080-Laptop": 12, "RTX-4090-Laptop": 16, "RTX-5050": 8,
    "RTX-5080-Laptop": 16, "RTX-5090-Laptop": 24,
    "RTX-5060": 8, "RX-7800-XT": 16, "RX-7900-GRE": 16,
    "MI300X": 192, "MI325X": 256, "MI350X": 288, "MI355X": 288, "W7800": 32, "W7900": 48, "RX-7900-XT": 20,
    "RX-7900-XTX": 24, "R9700": 32, "RX-9070": 16, "RX-9070-XT": 16,
}  # fmt: skip


def test_the_issue_s_gpus_all_have_a_row():
    asked = """T4 L4 A10 A10G A30 A40 A6000 L40 L40S RTX3090 RTX4090 RTX5090 RTX-PRO-6000 A100-40-PCIe A100-40-SXM
        A100-80-PCIe A100-80-SXM H100-PCIe H100 H100-NVL H200 H20 GH200 B200 B300 GB200 GB10 MI300X MI325X MI355X"""
    assert all(find_gpu(name) for name in asked.split())


@pytest.mark.parametrize(
    ("said", "row"),
    [
        ("h100", "H100"),
        ("rtx-4090", "RTX-4090"),
        ("NVIDIA H100 80GB", "H100"),
        ("NVIDIA H100 80GB HBM3", "H100"),  # as nvidia-smi says it
        ("NVIDIA H100 PCIe", "H100-PCIe"),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("H100-SXM5-80GB", "H100"),
        ("H100 80GB SXM", "H100"),
        ("L4-24", "L4"),
        ("H100-NVL-94", "H100-NVL"),
        ("B200-SXM-192", "B200"),
        ("H200 SXM 141GB", "H200"),
        ("NVIDIA A100 40GB SXM4", "A100-40-SXM"),
        ("H20 HBM3e 141GB", "H20-3e"),
        ("NVIDIA B300 SXM6 AC", "B300"),  # as nvidia-smi says it
        ("NVIDIA DGX Spark (GB10) 128GB", "GB10"),
        ("RTX PRO 6000 Blackwell Workstation", "RTX-PRO-6000"),
        ("MI325X OAM 256 GB", "MI325X"),
        ("NVIDIA L4 24GB", "L4"),
        ("Tesla T4", "T4"),
        ("H200-SXM", "H200"),
        ("A100-SXM-40", "A100-40-SXM"),
        ("NVIDIA A100-SXM4-80GB", "A100-80-SXM"),
        ("NVIDIA A100 80GB PCIe", "A100-80-PCIe"),
        ("NVIDIA A100 40GB (inferred)", "A100-40-SXM"),
        ("NVIDIA GeForce RTX 4090", "RTX-4090"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX-6000-Ada"),
        ("NVIDIA GB10 (DGX Spark, 128GB unified)", "GB10"),
        ("AMD Instinct MI300X", "MI300X"),
        ("AMD Radeon AI PRO R9700 32GB", "R9700"),
        ("Tesla V100-SXM2-32GB", "V100-32"),
        ("NVIDIA L20", "L20"),
        ("NVIDIA A800 40GB Active", "A800-40"),
        ("NVIDIA H200 NVL", "H200-NVL"),
        ("GB300 288GB", "GB300"),
        ("NVIDIA Thor", "AGX-Thor"),
        ("Jetson AGX Orin 64GB", "AGX-Orin-64"),
        ("Quadro RTX 8000", "Quadro-RTX-8000"),
        ("NVIDIA TITAN RTX", "TITAN-RTX"),
        ("NVIDIA RTX 4500 Ada Generation", "RTX-4500-Ada"),
        ("NVIDIA RTX PRO 4500 Blackwell", "RTX-PRO-4500"),
        ("NVIDIA GeForce RTX 4070 Ti", "RTX-4070-Ti"),
        ("RTX 4060 Ti 8 GB", "RTX-4060-Ti-8"),
        ("RTX 4090 48GB", "RTX-4090-48"),
        ("NVIDIA GeForce RTX 5070 Ti", "RTX-5070-Ti"),
        ("AMD Instinct MI210", "MI210"),
        ("AMD Instinct MI250X", "MI250X"),
        ("AMD Instinct MI250X / MI250", "MI250"),
        ("AMD Radeon PRO W7900", "W7900"),
        ("AMD Radeon RX 7900 XTX", "RX-7900-XTX"),
        ("AMD Radeon RX 9070", "RX-9070"),
        ("NVIDIA H800 PCIe", "H800-PCIe"),
        ("NVIDIA H800", "H800"),
        ("NVIDIA GH200 144G HBM3e", "GH200-144"),
        ("NVIDIA GH200 480GB", "GH200"),
        ("NVIDIA RTX A1000", "RTX-A1000"),
        ("NVIDIA RTX A2000 12GB", "RTX-A2000-12"),
        ("NVIDIA RTX 4000 SFF Ada Generation", "RTX-4000-SFF-Ada"),
        ("NVIDIA RTX 4000 Ada Generation", "RTX-4000-Ada"),
        ("NVIDIA RTX PRO 4000 Blackwell SFF Edition", "RTX-PRO-4000-SFF"),
        ("NVIDIA RTX PRO 4000 Blackwell", "RTX-PRO-4000"),
        ("NVIDIA TITAN V", "TITAN-V"),
        ("NVIDIA GeForce RTX 3080 Laptop GPU 16GB", "RTX-3080-Laptop-16"),
        ("NVIDIA GeForce RTX 3080 Ti Laptop GPU", "RTX-3080-Ti-Laptop"),
        ("NVIDIA GeForce RTX 4060 Laptop GPU", "RTX-4060-Laptop"),
        ("NVIDIA GeForce RTX 4070 Laptop GPU", "RTX-4070-Laptop"),
        ("NVIDIA GeForce RTX 4080 Laptop GPU", "RTX-4080-Laptop"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", "RTX-4090-Laptop"),
        ("NVIDIA GeForce RTX 5090 Laptop GPU", "RTX-5090-Laptop"),
        ("NVIDIA GeForce RTX 5050", "RTX-5050"),
        ("NVIDIA GeForce RTX 5060", "RTX-5060"),
        ("AMD Radeon RX 7800 XT", "RX-7800-XT"),
        ("AMD Radeon RX 7900 GRE", "RX-7900-GRE"),
    ],
)
def test_names_are_found_as_drivers_clouds_and_logs_write_them(said, row):
    assert find_gpu(said).name == row


@pytest.mark.parametrize(
    "name",
    [
        "H1000", "H100-NVL-80", "", "80GB-class+", "unstated", "RTX 4090D 48GB", "RTX 5090 24GB",
        "H100 SXM 94GB", "80GB", "SXM5", "Orin", "Jetson AGX Orin 32GB", "A16 64GB", "MI250X 128GB", "GB300 252GB",
        "RTX 3080 12GB", "RTX 6000", "NVIDIA GeForce RTX 4090 Laptop GPU 12GB", "NVIDIA RTX PRO 2000 Laptop GPU",
        "NVIDIA RTX PRO 5000 72GB Blackwell", "AMD Radeon PRO W7800 48GB", "A100-SXM-64GB", "H100 64GB",
        "NVIDIA GeForce RTX 5090 D", "NVIDIA GeForce RTX 5070 Laptop GPU", "NVIDIA RTX PRO 2000 Blackwell",
    ],
)  # fmt: skip
def test_an_unknown_gpu_is_refused_and_the_file_to_extend_is_named(name):
    with pytest.raises(UnknownName) as refused:
        find_gpu(name)
    assert "core/gpus/rows.py" in refused.value.hint


@pytest.mark.parametrize(
    ("said", "near"),
    [
        ("H1000", {"H100"}),
        ("Orin", {"AGX-Orin-64"}),
        ("RX 7950 XTX", {"RX-7900-XTX"}),
        ("RTX 5060 Ti 12GB", {"RTX-5060-Ti-8", "RTX-5060-Ti-16"}),  # of that name, and none of that size
        ("A100-SXM-64GB", {"A100-40-SXM", "A100-80-SXM"}),
    ],
)
def test_the_nearest_names_are_offered(said, near):
    with pytest.raises(UnknownName) as refused:
        find_gpu(said)
    assert near <= set(refused.value.nearest)


@pytest.mark.parametrize(
    ("said", "rows"),
    [
        ("NVIDIA GeForce RTX 4060 Ti", ["`RTX-4060-Ti-8` (7.6 GiB)", "`RTX-4060-Ti-16` (15.6 GiB)"]),
        ("NVIDIA GeForce RTX 5060 Ti", ["`RTX-5060-Ti-8` (7.5 GiB)", "`RTX-5060-Ti-16` (15.4 GiB)"]),
        ("NVIDIA GeForce RTX 3080 Laptop GPU", ["`RTX-3080-Laptop-8` (7.6 GiB)", "`RTX-3080-Laptop-16` (15.6 GiB)"]),
        ("NVIDIA RTX A2000", ["`RTX-A2000-6` (5.8 GiB)", "`RTX-A2000-12` (11.6 GiB)"]),
        ("A100 SXM", ["`A100-40-SXM` (39.4 GiB)", "`A100-80-SXM` (79.1 GiB)"]),
    ],
)
def test_a_name_of_several_gpus_lists_them_all_with_their_memory(said, rows):
    with pytest.raises(InputError, match="there are 2 of it") as refused:
        find_gpu(said)
    assert refused.value.hint == f"say which: {' or '.join(rows)}"


@pytest.mark.parametrize(
    ("name", "said_gib", "row"),
    [("RTX 5060 Ti", 15.5, "RTX-5060-Ti-16"), ("NVIDIA RTX A2000", 6, "RTX-A2000-6"), ("A100", 40, "A100-40-SXM")],
)
def test_memory_that_is_said_beside_such_a_name_decides(name, said_gib, row):
    assert find_gpu_with(name, int(said_gib * GIB)).name == row


@pytest.mark.parametrize(
    ("name", "said_gib", "what"),
    [
        ("RTX 5060 Ti", 24, "there are 2 of it"),
        ("RTX 5060 Ti 12GB", 16, "unknown GPU"),
        ("(1/2) RTX A2000", 6, "part of a GPU"),
    ],
)
def test_memory_that_none_of_them_has_does_not_decide(name, said_gib, what):
    with pytest.raises(InferError, match=what):
        find_gpu_with(name, int(said_gib * GIB))


@pytest.mark.parametrize(
    "name", ["A100-40GB MIG 3g.20gb", "1g.10gb", "H100 MIG", "0.5 x H100", ".5 L4", "1/2 L4", "50% L40S", "A40 vGPU"]
)
def test_a_part_of_a_gpu_is_refused_and_never_taken_for_the_whole(name):
    with pytest.raises(Unsupported, match="part of a GPU") as refused:
        find_gpu(name)
    assert "inline" in refused.value.hint
    assert "gpu_memory_gib" in refused.value.hint


def test_no_two_rows_answer_to_one_name():
    said = [n for row in ROWS for n in {row.name.lower(), *(a.lower() for a in row.aliases)}]
    assert len(said) == len(set(said))
    for row in ROWS:
        for name in (row.name, *row.aliases):
            assert find_gpu(name).name == row.name


@pytest.mark.parametrize("name", GPUS)
def test_memory_is_what_the_driver_reports_and_less_than_the_catalogue_says(name):
    gb = CATALOGUE_GB.get(name) or int(re.search(r"-(16|32|40|80)\b", name).group(1))
    assert 0.88 * gb * GIB < GPUS[name].memory_bytes < gb * GIB


@pytest.mark.parametrize("name", GPUS)
def test_every_row_names_its_source_and_its_native_types_agree_with_its_capability(name):
    gpu = GPUS[name]
    assert "memory:" in gpu.source
    assert re.search("datasheet|whitepaper|brief|specifications", gpu.source)
    assert gpu.tdp_w
    assert gpu.multiprocessors
    if gpu.platform == "cuda":
        assert ("fp8" in gpu.peak_flops) == gpu.at_least((8, 9))
        assert ("bf16" in gpu.peak_flops) == gpu.at_least((8, 0))
        assert ("fp4" in gpu.peak_flops) == gpu.at_least((10, 0))
    else:
        assert gpu.capability is None
        assert not gpu.at_least((1, 0))
        assert bool(gpu.peak_flops) == (gpu.platform == "rocm")  # no speed is said of Intel's


@pytest.mark.parametrize(
    "name", [n for n, g in GPUS.items() if g.at_least((8, 9)) and not g.at_least((9, 0)) and n.startswith("RTX-40")]
)
def test_geforce_rates_are_512_flop_per_clock_and_multiprocessor(name):
    # Between 2.2 and 2.65 GHz of boost clock, on every Ada GeForce.
    gpu = GPUS[name]
    if name in ("RTX-4000-Ada", "RTX-4000-SFF-Ada"):
        return  # not a GeForce: 1024 with either accumulation
    slowest = 2.0e9 if name.endswith("-Laptop") else 2.2e9  # NVIDIA's RTX 4090 Laptop GPU: 2,040 MHz
    assert slowest < gpu.peak_flops["fp16"] / 512 / gpu.multiprocessors < 2.65e9


@pytest.mark.parametrize("name", [n for n in GPUS if "-Laptop" in n])
def test_laptops_are_the_gpus_of_one_machine_and_slower_than_the_card_of_the_name(name):
    laptop, card = GPUS[name], GPUS[name.partition("-Laptop")[0]]
    assert laptop.nvlink_bytes_per_s is None
    assert laptop.memory_bandwidth_bytes_per_s < card.memory_bandwidth_bytes_per_s
    assert laptop.peak_flops["fp16"] < card.peak_flops["fp16"]
    assert laptop.tdp_w < card.tdp_w or name == "RTX-4060-Laptop"  # 115 W both


def test_a_label_that_ray_never_puts_on_a_node_is_not_asked_for():
    # Ray labels an A100 of either size "A100"; "A100-40G" exists only where somebody sets it by hand.
    assert {g.ray_accelerator_type for g in GPUS.values() if g.name.startswith("A100")} == {"A100"}
    assert GPUS["RTX-4090"].ray_accelerator_type is None


@pytest.mark.parametrize(
    ("name", "driver"),
    [
        ("V100-16", "Tesla V100-SXM2-16GB"),
        ("V100S-32", "Tesla V100S-PCIE-32GB"),
        ("T4", "Tesla T4"),
        ("A10", "NVIDIA A10"),
        ("A10G", "NVIDIA A10G"),
        ("L4", "NVIDIA L4"),
        ("L40S", "NVIDIA L40S"),
        ("A100-80-SXM", "NVIDIA A100-SXM4-80GB"),
        ("H100", "NVIDIA H100 80GB HBM3"),
        ("H20-3e", "NVIDIA H20-3e"),
        ("H200-NVL", "NVIDIA H200 NVL"),
        ("B300", "NVIDIA B300 SXM6 AC"),
        ("RTX-PRO-6000-Server", "NVIDIA RTX PRO 6000 Blackwell Server Edition"),
    ],
)
def test_what_is_asked_of_ray_is_what_it_calls_the_node_by_the_drivers_name(name, driver):
    # Ray 2.60, _private/accelerators/nvidia_gpu.py, NVIDIA_GPU_NAME_PATTERN.
    found = re.match(r"\w+\s+((?:[A-Z]+\s+)*[A-Z0-9]*\d[A-Z0-9]*)", driver)
    assert GPUS[name].ray_accelerator_type in (None, found[1].replace(" ", "-"))


def test_a_gpu_of_ones_own_says_its_capability_or_a_platform_without():
    fields = {"name": "mine", "memory_bytes": 1, "memory_bandwidth_bytes_per_s": 1.0, "source": "me"}
    assert Gpu(**fields, capability=(9, 0)).platform == "cuda"
    for platform in ("rocm", "xpu"):
        assert Gpu(**fields, platform=platform, capability=None).capability is None
    for wrong in ({"capability": None}, {"platform": "rocm", "capability": (9, 0)}):
        with pytest.raises((ValueError, InferError), match="capability"):
            Gpu(**fields, **wrong)


@pytest.mark.parametrize(
    ("name", "also"),
    [("A100", "A100-40-SXM (39.4 GiB)"), ("NVIDIA V100", "V100-16 (15.8 GiB)"), ("A100-80", None), ("A100 40GB", None),
     ("H100", None), ("L4", None), ("NVIDIA H100 80GB", None)],
)  # fmt: skip
def test_a_name_that_others_have_too_says_so(name, also):
    said = guessed_note(name, find_gpu(name))
    assert (said is None) is (also is None)
    assert also is None or (also in said and find_gpu(name).name in said)


@pytest.mark.parametrize(
    ("name", "said_gib", "also"),
    [
        ("H100", 9.75, ""),  # a slice of it
        ("H100", 93.1, "; H100-NVL has that much"),
        ("A100", 39.4, "; A100-40-PCIe and A100-40-SXM have that much"),
        ("RTX-4090", 47.5, "; RTX-4090-48 has that much"),
    ],
)
def test_memory_that_a_gpu_does_not_have_is_no_word_on_its_speed(name, said_gib, also):
    gpu = find_gpu(name)
    said = other_memory_note(gpu, int(said_gib * GIB))
    assert said is not None
    assert said.endswith(f"speed as that of a whole {gpu.name}{also}")


def test_memory_chooses_among_rows_only_where_the_name_leaves_it_open():
    rows = [find_gpu_with(name, int(gib * GIB)).name for name, gib in (("A100", 39.4), ("A100", 79.3), ("H100", 93.1))]
    assert rows == ["A100-40-SXM", find_gpu("A100").name, "H100"]


def test_kernels_of_datacentre_blackwell_are_those_of_capability_10():
    # vLLM's is_device_capability_family(100): capability 10.x, and neither 11.0 nor 12.x
    rows = {"H200": False, "B200": True, "GB200": True, "B300": True, "AGX-Thor": False, "GB10": False, "MI300X": False}
    assert {name: find_gpu(name).datacentre_blackwell for name in rows} == rows


@pytest.mark.parametrize(("name", "said_gib"), [("H100", 79.2), ("T4", 15.0), ("L4", 22.5), ("GB10", 119.7)])
def test_memory_that_another_driver_reports_is_not_worth_a_word(name, said_gib):
    assert other_memory_note(find_gpu(name), int(said_gib * GIB)) is None

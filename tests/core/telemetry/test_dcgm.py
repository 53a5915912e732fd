"""A DCGM exporter's answers as columns. Lines have the form of dcgm-exporter 4.5; with `Hostname`, of those before."""

from __future__ import annotations

import pytest

from infercli.core.telemetry.dcgm import is_dcgm, telemetry
from infercli.core.telemetry.exposition import Scrape, parse
from infercli.core.telemetry.gpus import summarise

GPU = 'gpu="0",UUID="GPU-a",pci_bus_id="00000000:31:00.0",device="nvidia0",modelName="NVIDIA H100",hostname="node-1"'
MIB = 2**20


def lines(labels=GPU, **values):
    return "".join(f"DCGM_FI_{name}{{{labels}}} {value}\n" for name, value in values.items())


def read(*texts):
    scrapes = [
        Scrape(float(n), None, "it answered HTTP 500") if t is None else Scrape(float(n), parse(t), None)
        for n, t in enumerate(texts)
    ]
    return telemetry("http://node-1:9400/metrics", scrapes, interval_s=1.0)


def one(*texts):
    (gpu,) = read(*texts).gpus
    return gpu


def test_counters_come_in_our_units():
    gpu = one(
        lines(
            DEV_FB_USED=1000, DEV_FB_FREE=80000, DEV_FB_RESERVED=559, DEV_POWER_USAGE="16.365000", DEV_GPU_UTIL=42,
            DEV_SM_CLOCK=1980, DEV_MEM_CLOCK=2619, DEV_GPU_TEMP=61, DEV_MEMORY_TEMP=70,
            DEV_TOTAL_ENERGY_CONSUMPTION=123456, DEV_CLOCKS_EVENT_REASONS=4, DEV_ECC_SBE_VOL_TOTAL=1,
            DEV_ECC_DBE_VOL_TOTAL=0, PROF_SM_ACTIVE="0.800000", PROF_PIPE_TENSOR_ACTIVE="0.4", PROF_DRAM_ACTIVE="0.9",
            DEV_XID_ERRORS=0,
        )
    )  # fmt: skip
    assert (gpu.index, gpu.name, gpu.host, gpu.uuid) == (0, "NVIDIA H100", "node-1", "GPU-a")
    assert gpu.memory_total_bytes == (1000 + 80000 + 559) * MIB
    s = gpu.samples
    assert (s.memory_used_bytes, s.power_w, s.busy_fraction) == ((1000 * MIB,), (16.365,), (0.42,))
    assert (s.sm_clock_mhz, s.memory_clock_mhz, s.temperature_c, s.memory_temperature_c) == (
        (1980,),
        (2619,),
        (61,),
        (70,),
    )
    assert (s.energy_mj, s.clock_events, s.ecc_corrected, s.ecc_uncorrected) == ((123456,), (4,), (1,), (0,))
    assert (s.sm_active_fraction, s.tensor_active_fraction, s.dram_active_fraction) == ((0.8,), (0.4,), (0.9,))
    assert gpu.xids == ()
    assert set(gpu.absent) == {"energy_j"}  # one scrape has no difference


def test_a_counter_that_the_exporter_is_not_told_to_give_says_so():
    gpu = one(lines(DEV_FB_USED=1000, DEV_FB_FREE=80000))
    assert gpu.absent["sm_active_fraction"] == "DCGM_FI_PROF_SM_ACTIVE is not among this exporter's counters"
    assert gpu.absent["xids"] == "DCGM_FI_DEV_XID_ERRORS is not among this exporter's counters"
    # Used and free leave out what the driver keeps for itself: no total is better than a wrong one.
    assert gpu.memory_total_bytes is None


def test_what_else_an_address_gives_is_no_gpu_whose_energy_is_unknown():
    # A collector, or a federation, gives an engine's series and its process's beside those of a DCGM exporter.
    others = 'process_start_time_seconds 1.7e9\nvllm:generation_tokens_total{model_name="m"} 5\n'
    seen = read(*(others + lines(DEV_TOTAL_ENERGY_CONSUMPTION=n * 300_000) for n in range(6)))
    assert [gpu.uuid for gpu in seen.gpus] == ["GPU-a"]
    assert summarise(seen, start_s=0.0, end_s=5.0).energy_j == 1500


def test_older_exporters_names_and_labels():
    old = GPU.replace("hostname=", "Hostname=").replace("UUID=", "uuid=")
    gpu = one(lines(old, DEV_CLOCK_THROTTLE_REASONS=64, DEV_GPU_TEMP=50))
    assert (gpu.host, gpu.uuid, gpu.samples.clock_events) == ("node-1", "GPU-a", (64,))


def test_the_driver_version_is_a_label():
    assert read(lines(GPU + ',DCGM_FI_DRIVER_VERSION="580.105.08"', DEV_GPU_TEMP=50)).driver_version == "580.105.08"


def test_pods_that_share_a_gpu_make_one_row_and_two_nodes_make_two():
    shared = lines(GPU + ',pod="a"', DEV_GPU_TEMP=50) + lines(GPU + ',pod="b"', DEV_GPU_TEMP=50)
    other = lines(GPU.replace("node-1", "node-2").replace("GPU-a", "GPU-b"), DEV_GPU_TEMP=60)
    gpus = read(shared + other).gpus
    assert [(g.host, g.samples.temperature_c) for g in gpus] == [("node-1", (50,)), ("node-2", (60,))]


def test_mig_instances_do_not_each_have_the_whole_gpus_power():
    rows = "".join(
        lines(GPU + f',GPU_I_PROFILE="1g.10gb",GPU_I_ID="{n}"', DEV_POWER_USAGE=300, DEV_FB_USED=n) for n in (7, 8)
    )
    gpus = read(rows, rows).gpus
    assert [g.name for g in gpus] == ["NVIDIA H100, MIG instance 7", "NVIDIA H100, MIG instance 8"]
    assert [g.samples.power_w for g in gpus] == [(), ()]
    assert "MIG" in gpus[0].absent["power_w"]
    assert gpus[1].samples.memory_used_bytes == (8 * MIB, 8 * MIB)


def test_xids_are_the_changes_of_the_gauge():
    gpu = one(*(lines(DEV_XID_ERRORS=x) for x in (43, 43, 79, 79, 0, 31)))
    # 43 is from before the run.
    assert [(x.at_s, x.code) for x in gpu.xids] == [(2.0, 79), (5.0, 31)]


def test_a_failed_scrape_is_a_gap_with_its_reason():
    gpu = one(lines(DEV_GPU_TEMP=50), None, lines(DEV_GPU_TEMP=52))
    assert gpu.samples.temperature_c == (50, None, 52)
    assert gpu.gaps == {"temperature_c": "it answered HTTP 500"}


def test_a_gpu_that_the_exporter_drops_is_a_gap_and_the_others_go_on():
    other = GPU.replace('gpu="0"', 'gpu="1"').replace("GPU-a", "GPU-b")
    first, second = read(lines(DEV_GPU_TEMP=50) + lines(other, DEV_GPU_TEMP=60), lines(other, DEV_GPU_TEMP=61)).gpus
    assert first.samples.temperature_c == (50, None)
    assert first.gaps == {"temperature_c": "the exporter did not list this GPU"}
    assert second.samples.temperature_c == (60, 61)
    assert second.gaps == {}


def test_a_bad_line_is_the_reason_for_its_column():
    gpu = one(lines(DEV_GPU_TEMP=50) + "DCGM_FI_DEV_SM_CLOCK{gpu=0} 3\n")
    assert gpu.absent["sm_clock_mhz"].startswith("line 2 is without proper labels")


def test_what_is_no_number_is_missing():
    assert one(lines(DEV_GPU_TEMP="NaN", DEV_SM_CLOCK=1)).samples.temperature_c == ()


def test_a_share_of_more_than_all_is_a_gap_and_no_share():
    # As it came from H100s (NVIDIA/dcgm-exporter#418).
    gpu = one(lines(DEV_GPU_UTIL=90), lines(DEV_GPU_UTIL=808334905), lines(DEV_GPU_UTIL=100))
    assert gpu.samples.busy_fraction == (0.9, None, 1.0)
    assert gpu.gaps == {"busy_fraction": "DCGM_FI_DEV_GPU_UTIL said more than all of it"}


def test_energy_of_an_exporter_that_reads_less_often_than_it_is_asked():
    # 200 W, read every 2 s: known from 0 to 4 s, 800 J. Over 0 to 5 s nobody knows the last second.
    texts = [lines(DEV_TOTAL_ENERGY_CONSUMPTION=200_000 * (second // 2 * 2)) for second in range(6)]
    told = read(*texts)
    assert summarise(told, start_s=0, end_s=4).energy_j == pytest.approx(800)
    late = summarise(told, start_s=0, end_s=5)
    assert late.energy_j is None
    assert late.absent["energy_j"] == "GPU 0: the counter is known for 4.0 s of 5.0 s"


def test_who_is_an_exporter():
    assert is_dcgm(parse(lines(DEV_GPU_TEMP=50)))
    assert not is_dcgm(parse("vllm:num_requests_running 1"))

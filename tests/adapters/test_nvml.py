"""Telemetry through the real nvidia-ml-py, in the process that asks it: without a library, and with a stand-in.

The stand-in (tests/fakes/nvml) is NVIDIA's C interface, so the binding's own types and error codes are in play. What
samples is a process of its own, since the loader's path is read when a process starts.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from infercli.core.telemetry.gpus import Telemetry
from tests.fakes.nvml import library_folder

pytestmark = pytest.mark.slow  # all of them together; each waits for servers most of the time

SAMPLE = """
import json, os, socket, sys, time
from infercli.adapters.nvml import GpuSampler
listening = socket.create_server(("127.0.0.1", 0))
for line in sys.stdin:
    asked = json.loads(line)
    os.environ["FAKE_NVML"] = asked["script"]
    began_ns = time.monotonic_ns()
    with GpuSampler(interval_s=asked["interval_s"]) as sampler:
        entered_s = (time.monotonic_ns() - began_ns) / 1e9
        if asked.get("tell"):
            print(sampler._child.pid, flush=True)
        origin_ns = time.monotonic_ns()
        fork = os.fork() if asked.get("fork") else None
        if fork == 0:
            time.sleep(60)
            os._exit(0)
        time.sleep(asked["seconds"])
        child = sampler._child
        # The first line is about the machine, and the last sample is made when the block ends.
        while child and child.poll() is None and sampler._written().count(b"\\n") < asked["samples"]:
            time.sleep(0.01)
    if fork:
        os.kill(fork, 9)
        os.waitpid(fork, 0)
    within_s = ((began_ns - origin_ns) / 1e9, (time.monotonic_ns() - origin_ns) / 1e9)
    telemetry, since = sampler.telemetry, sampler.telemetry_since(origin_ns)
    print(json.dumps({
        "telemetry": telemetry and telemetry.model_dump(mode="json"), "reason": sampler.reason, "entered_s": entered_s,
        "started": child is not None, "within_s": within_s,
        "since": since and since.model_dump(mode="json"),
    }), flush=True)
"""
H100 = """
gpu 0 name NVIDIA H100 80GB HBM3
gpu 0 energy_mj @400000+1000000
gpu 0 instant_power_mw 400000
gpu 0 power_mw 1
gpu 0 memory_used 4294967296
gpu 0 utilization 42
gpu 0 sm_clock 1980
gpu 0 memory_clock 2619
gpu 0 temperature 61
gpu 0 memory_temperature 70
gpu 0 clock_events 1 4 68
gpu 0 ecc_corrected 3
gpu 0 ecc_uncorrected 0
gpu 0 gpm 1
gpu 0 sm_active 80
gpu 0 tensor_active 40
gpu 0 dram_active 90.5
"""


@pytest.fixture(scope="module")
def hosts():
    """Processes that sample whatever they are asked to, by the folder in which they find NVML."""
    running = {}

    def host(folder):
        if folder not in running:
            env = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
            pipe = subprocess.PIPE
            running[folder] = subprocess.Popen(
                [sys.executable, "-c", SAMPLE], env=env, stdin=pipe, stdout=pipe, stderr=pipe, text=True
            )
        return running[folder]

    yield host
    for process in running.values():
        said, complained = process.communicate(timeout=30)
        # The process that asks NVML prints nowhere.
        assert (said, complained, process.returncode) == ("", "", 0)


@pytest.fixture
def sample(hosts, tmp_path):
    """Answers with (telemetry or None, everything that was told)."""

    def run(script, *, samples=4, seconds=0, interval_s=0.1, folder=None, fork=False):
        (tmp_path / "script").write_text(script)
        host = hosts(folder or library_folder())
        asked = {"script": str(tmp_path / "script"), "samples": samples, "seconds": seconds, "interval_s": interval_s}
        asked["fork"] = fork
        host.stdin.write(json.dumps(asked) + "\n")
        host.stdin.flush()
        answer = json.loads(host.stdout.readline())
        telemetry = answer["telemetry"]
        return (Telemetry.model_validate(telemetry) if telemetry else None), answer

    return run


def known(column):
    return {value for value in column if value is not None}


def test_without_the_library_there_is_a_reason_in_nvmls_words_and_no_process(sample, tmp_path):
    # An empty file under NVML's name is found before any real one and cannot be loaded: "not there" on every machine.
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"")
    telemetry, answer = sample("", folder=tmp_path)
    assert telemetry is None
    assert answer["reason"] == "no GPU telemetry: NVML Shared Library Not Found"
    assert not answer["started"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("init 9", "Driver Not Loaded"),
        ("init 4", "Insufficient Permissions"),
        ("gpus 0", "shows no GPU to this process"),
        ("gpu 0 energy_mj crash", "its process was ended by SIGABRT"),
    ],
)
def test_what_cannot_be_sampled_is_a_reason_and_not_zeros(sample, script, words):
    telemetry, answer = sample(script)
    assert telemetry is None
    assert answer["reason"].startswith("no GPU telemetry: ")
    assert words in answer["reason"]


def test_counters_come_in_our_units(sample):
    telemetry, answer = sample("driver 580.95.05\n" + H100)
    assert answer["reason"] is None
    assert (telemetry.source, telemetry.driver_version, len(telemetry.gpus)) == ("NVML", "580.95.05", 1)
    (gpu,) = telemetry.gpus
    assert (gpu.index, gpu.name, gpu.uuid) == (0, "NVIDIA H100 80GB HBM3", "GPU-00000000")
    assert gpu.memory_total_bytes == 80 * 2**30
    assert gpu.absent == gpu.gaps == {}
    s = gpu.samples
    assert set(s.memory_used_bytes) == {4 * 2**30}
    assert (set(s.power_w), gpu.power_source) == ({400.0}, "NVML_FI_DEV_POWER_INSTANT")
    assert set(s.busy_fraction) == {0.42}
    assert (set(s.sm_clock_mhz), set(s.memory_clock_mhz)) == ({1980}, {2619})
    assert (set(s.temperature_c), set(s.memory_temperature_c)) == ({61}, {70})
    assert (set(s.ecc_corrected), set(s.ecc_uncorrected)) == ({3}, {0})
    assert s.clock_events[:3] == (1, 4, 68)
    assert gpu.xids == ()


def test_profiling_counters_are_means_between_two_samples_that_are_far_enough_apart(sample):
    # The stand-in refuses two samples in the wrong order, or within the 100 ms that NVML asks for.
    telemetry, _ = sample(H100, interval_s=0.2)
    s = telemetry.gpus[0].samples
    assert s.sm_active_fraction[0] is None
    assert known(s.sm_active_fraction) == {0.8}
    assert known(s.tensor_active_fraction) == {0.4}
    assert known(s.dram_active_fraction) == {0.905}
    assert telemetry.gpus[0].absent == telemetry.gpus[0].gaps == {}


def test_energy_is_the_difference_of_the_counter_over_the_window(sample):
    telemetry, _ = sample(H100, seconds=1.0)
    # The counter runs at 400 J/s.
    assert telemetry.gpus[0].energy_j == pytest.approx(400 * telemetry.window_s, rel=0.1)
    assert telemetry.window_s >= 1.0


def test_samples_are_taken_at_the_rate_and_at_both_ends(sample):
    telemetry, answer = sample(H100, interval_s=0.25)
    at_s = telemetry.gpus[0].samples.at_s
    assert at_s[0] == 0
    # None before its turn (a busy machine makes them late), and the last one when the block ended.
    assert all(at >= 0.25 * number - 0.05 for number, at in enumerate(at_s[:-1]))
    assert len(at_s) >= 4
    assert list(at_s) == sorted(at_s)
    # The same on the clock of whoever measures.
    since_s = answer["since"]["gpus"][0]["samples"]["at_s"]
    assert since_s[-1] - since_s[0] == pytest.approx(at_s[-1], abs=0.002)
    assert answer["within_s"][0] - 0.001 <= since_s[0] <= since_s[-1] <= answer["within_s"][1] + 0.001


def test_a_driver_that_takes_long_to_begin_keeps_nobody_waiting_and_is_waited_for_at_the_end(sample):
    telemetry, answer = sample("init_s 2\n" + H100, samples=0)
    assert answer["entered_s"] < 1.5
    assert len(telemetry.gpus[0].samples.at_s) >= 2


def test_counters_that_are_missing_or_forbidden_are_none_with_the_drivers_reason(sample):
    telemetry, _ = sample("gpu 0 power_mw 71500\ngpu 0 energy_mj !4\ngpu 0 events !3\ngpu 0 memory_used !4")
    (gpu,) = telemetry.gpus
    # No instant power here: the averaged one, whose name is told.
    assert (set(gpu.samples.power_w), gpu.power_source) == ({71.5}, "nvmlDeviceGetPowerUsage")
    assert gpu.samples.temperature_c == ()
    assert (gpu.energy_j, gpu.xids, gpu.memory_total_bytes) == (None, None, None)
    assert gpu.absent["energy_j"] == gpu.absent["memory_used_bytes"] == "Insufficient Permissions"
    assert gpu.absent["temperature_c"] == gpu.absent["xids"] == "Not Supported"
    assert gpu.absent["sm_active_fraction"] == gpu.absent["ecc_corrected"] == "Not Supported"
    assert "power_w" not in gpu.absent


def test_a_gpu_whose_fields_cannot_be_asked_still_has_its_other_counters(sample):
    telemetry, _ = sample(H100 + "gpu 0 fields !4\ngpu 0 gpm_sample !4\n")
    (gpu,) = telemetry.gpus
    assert (set(gpu.samples.power_w), gpu.power_source) == ({0.001}, "nvmlDeviceGetPowerUsage")
    assert gpu.absent["memory_temperature_c"] == gpu.absent["ecc_uncorrected"] == "Insufficient Permissions"
    assert gpu.absent["dram_active_fraction"] == "Insufficient Permissions"
    assert set(gpu.samples.temperature_c) == {61}


def test_an_error_that_passes_leaves_a_gap_and_not_an_end(sample):
    telemetry, _ = sample("gpu 0 temperature 50 !999 52")  # 999: unknown error
    (gpu,) = telemetry.gpus
    assert gpu.samples.temperature_c[:3] == (50, None, 52)
    assert gpu.gaps == {"temperature_c": "Unknown Error"}


def test_an_error_code_that_the_binding_does_not_know_is_in_the_librarys_words(sample):
    telemetry, _ = sample("gpu 0 temperature !21")
    assert telemetry.gpus[0].absent["temperature_c"] == "No data"


def test_an_old_driver_lacks_functions_and_not_the_run(sample):
    telemetry, _ = sample(H100, folder=library_folder(old_driver=True))
    (gpu,) = telemetry.gpus
    assert gpu.samples.clock_events[:3] == (1, 4, 68)  # under their old name
    assert gpu.power_source == "nvmlDeviceGetPowerUsage"
    assert gpu.absent["memory_temperature_c"] == gpu.absent["sm_active_fraction"] == "Function Not Found"


def test_a_gpu_that_is_lost_goes_silent_with_its_reason_and_the_others_go_on(sample):
    script = H100 + "gpus 2\ngpu 0 lost_after 2\ngpu 1 temperature 50\nxid 2 0 79\n"
    telemetry, _ = sample(script, samples=5)
    lost, other = telemetry.gpus
    assert lost.samples.temperature_c[0] == 61
    assert lost.samples.temperature_c[-1] is None
    assert lost.gaps["temperature_c"] == "GPU is lost"
    assert lost.energy_j is None
    assert lost.absent["energy_j"].endswith("(GPU is lost)")
    assert [x.code for x in lost.xids] == [79]  # what the driver has to say of it still comes
    assert set(other.samples.temperature_c) == {50}
    assert len(other.samples.at_s) == len(lost.samples.at_s) >= 4
    assert other.gaps == {}


def test_a_gpu_that_may_not_be_opened_is_there_with_its_reason(sample):
    telemetry, answer = sample("gpus 2\ngpu 0 handle !4\ngpu 1 temperature 50")
    assert answer["reason"] is None
    closed, other = telemetry.gpus
    assert (closed.name, closed.xids, closed.samples.temperature_c) == (None, None, ())
    assert set(closed.absent.values()) == {"Insufficient Permissions"}
    assert set(other.samples.temperature_c) == {50}


def test_xids_are_told_with_their_gpu_and_their_time(sample):
    telemetry, _ = sample("gpus 2\nxid 2 1 43\nxid 3 1 79\nxid 3 0 31")
    first, second = telemetry.gpus
    assert [x.code for x in first.xids] == [31]
    assert [x.code for x in second.xids] == [43, 79]
    assert second.samples.at_s[1] <= second.xids[0].at_s <= second.samples.at_s[2]


@pytest.mark.parametrize(
    ("counter", "why"),
    [
        ("1000 2000 !15 5", "the counter is known for "),  # nobody asks a lost GPU again: the 5 is never seen
        ("5000 5 6000", "backwards"),
        ("18446744073709549568 200 400", "wrapped"),
    ],
)
def test_an_energy_counter_that_cannot_be_trusted_is_no_energy(sample, counter, why):
    telemetry, _ = sample(f"gpu 0 energy_mj {counter}")
    (gpu,) = telemetry.gpus
    assert gpu.energy_j is None
    assert why in gpu.absent["energy_j"]


def test_a_process_that_dies_in_the_middle_leaves_what_it_had(sample):
    telemetry, answer = sample("gpu 0 temperature 50 51 crash")
    assert answer["reason"] is None
    assert telemetry.gpus[0].samples.temperature_c == (50, 51)
    assert telemetry.ended_early == "its process was ended by SIGABRT"


def test_a_fork_of_the_measuring_process_that_lives_on_does_not_hold_up_the_end(sample):
    telemetry, answer = sample(H100, fork=True)
    assert answer["reason"] is None
    assert telemetry.ended_early is None


def alive(pid):
    """Whether a process runs; one that has ended and is not yet reaped does not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def ignored(pid):
    """The signals that a process ignores."""
    (line,) = [s for s in Path(f"/proc/{pid}/status").read_text().splitlines() if s.startswith("SigIgn:")]
    bits = int(line.split()[1], 16)
    return {n + 1 for n in range(64) if bits >> n & 1}


@pytest.fixture
def watched(tmp_path):
    """A process that samples for a minute, and the process that asks NVML for it."""
    (tmp_path / "script").write_text(H100)
    env = {**os.environ, "LD_LIBRARY_PATH": str(library_folder())}
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SAMPLE], env=env, stdin=pipe, stdout=pipe, text=True) as parent:
        asked = {"script": str(tmp_path / "script"), "samples": 0, "seconds": 60, "interval_s": 0.1}
        asked["tell"] = True
        parent.stdin.write(json.dumps(asked) + "\n")
        parent.stdin.flush()
        child = int(parent.stdout.readline())
        assert alive(child)
        yield parent, child
        parent.kill()


def test_the_process_ends_with_its_parent_even_when_that_is_killed(watched):
    parent, child = watched
    parent.kill()
    parent.wait()
    until = time.monotonic() + 20
    while alive(child) and time.monotonic() < until:
        time.sleep(0.02)
    assert not alive(child)


def test_the_process_holds_none_of_its_parents_sockets_and_hears_none_of_its_signals(watched):
    parent, child = watched
    held = [os.readlink(f"/proc/{child}/fd/{fd}") for fd in os.listdir(f"/proc/{child}/fd")]
    assert not [name for name in held if name.startswith("socket:")]
    assert [name for name in (os.readlink(f"/proc/{parent.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{parent.pid}/fd"))
            if name.startswith("socket:")]  # fmt: skip
    # A session of its own: Ctrl-C at the terminal goes to the process group of the parent.
    assert os.getpgid(child) == child != os.getpgid(parent.pid)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    until = time.monotonic() + 20
    while not ignored(child) >= set(numbers) and time.monotonic() < until:
        time.sleep(0.02)  # its Python is still starting
    for number in numbers:
        os.kill(child, number)
    time.sleep(0.3)
    assert alive(child)

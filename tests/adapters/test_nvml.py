"""Telemetry through the real nvidia-ml-py: against no library at all, and against a small one compiled for the test.

The library stands in for NVIDIA's at its C interface (nvml.h), so the binding's own types and error codes are in play.
It is loaded by a process of its own, since the loader's path is read when a process starts.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from infercli.core.bench import Telemetry

LIBRARY = r"""
#include <string.h>
#include <stdlib.h>
#include <time.h>
typedef struct { int index; } *device;
static struct { int index; } gpus[2] = {{0}, {1}};
static int mode(const char *name) { const char *m = getenv("FAKE_NVML"); return m && strstr(m, name) != 0; }
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static double start;
enum { OK = 0, NOT_SUPPORTED = 3, NO_PERMISSION = 4, DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15 };
int nvmlInitWithFlags(unsigned flags) { start = now(); return mode("nodriver") ? DRIVER_NOT_LOADED : OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { return code == NOT_SUPPORTED ? "Not Supported" : "Insufficient Permissions"; }
int nvmlSystemGetDriverVersion(char *to, unsigned n) { strncpy(to, "580.95.05", n); return OK; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = mode("nogpu") ? 0 : 2; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, device *d) { *d = (device)&gpus[i]; return OK; }
int nvmlDeviceGetName(device d, char *to, unsigned n) { strncpy(to, "NVIDIA Test", n); return OK; }
int nvmlDeviceGetMemoryInfo(device d, unsigned long long *m) {
  m[0] = 24ULL << 30; m[1] = 20ULL << 30; m[2] = (4ULL << 30) + d->index; return OK; }
int nvmlDeviceGetPowerUsage(device d, unsigned *mw) {
  if (d->index == 1) return NOT_SUPPORTED;
  *mw = 71500; return OK; }
int nvmlDeviceGetTotalEnergyConsumption(device d, unsigned long long *mj) {
  if (d->index == 1) return NO_PERMISSION;
  double elapsed = now() - start;
  *mj = mode("backwards") && elapsed > 0.2 ? 5 : 1000000 + (unsigned long long)(elapsed * 100000); return OK; }
int nvmlDeviceGetUtilizationRates(device d, unsigned *u) {
  static int asked; asked++;
  if (mode("flaky") && asked > 2) return GPU_IS_LOST;
  u[0] = 42; u[1] = 7; return OK; }
int nvmlDeviceGetClockInfo(device d, int kind, unsigned *mhz) { *mhz = kind == 1 ? 1980 : 1; return OK; }
int nvmlDeviceGetTemperature(device d, int kind, unsigned *c) { *c = kind == 0 ? 61 : 1; return OK; }
"""

SAMPLE = """
import json, sys, time
from infercli.adapters.nvml import GpuSampler
with GpuSampler(interval_s=0.1) as sampler:
    time.sleep(float(sys.argv[1]))
telemetry = sampler.telemetry and sampler.telemetry.model_dump(mode="json")
print(json.dumps({"telemetry": telemetry, "reason": sampler.reason}))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: the library that stands in for NVML cannot be made (apt-get install gcc)")
    folder = tmp_path_factory.mktemp("nvml")
    (folder / "nvml.c").write_text(LIBRARY)
    command = [compiler, "-shared", "-fPIC", "-w", "-o", str(folder / "libnvidia-ml.so.1"), str(folder / "nvml.c")]
    subprocess.run(command, check=True)
    return folder


def sample(folder, mode="", seconds=0.35, **environment):
    env = {**os.environ, "LD_LIBRARY_PATH": str(folder), "FAKE_NVML": mode, **environment}
    command = [sys.executable, "-c", SAMPLE, str(seconds)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
    answer = json.loads(done.stdout)
    telemetry = answer["telemetry"]
    return (Telemetry.model_validate(telemetry) if telemetry else None), answer["reason"]


def test_without_the_library_there_is_a_reason_in_nvmls_words(tmp_path):
    # An empty file under NVML's name is found before any real one and cannot be loaded: "not there" on every machine.
    (tmp_path / "libnvidia-ml.so.1").write_bytes(b"")
    telemetry, reason = sample(tmp_path)
    assert telemetry is None
    assert reason == "no GPU telemetry: NVML Shared Library Not Found"


@pytest.mark.parametrize(
    ("mode", "words"), [("nodriver", "Driver Not Loaded"), ("nogpu", "shows no GPU to this process")]
)
def test_a_driver_without_gpus_is_a_reason_and_not_zeros(library, mode, words):
    telemetry, reason = sample(library, mode)
    assert telemetry is None
    assert reason.startswith("no GPU telemetry: ")
    assert words in reason


def test_counters_come_in_our_units(library):
    telemetry, reason = sample(library)
    assert reason is None
    assert (telemetry.driver_version, len(telemetry.gpus)) == ("580.95.05", 2)
    gpu = telemetry.gpus[0]
    assert (gpu.index, gpu.name, gpu.memory_total_bytes, gpu.absent) == (0, "NVIDIA Test", 24 * 2**30, {})
    assert set(gpu.samples.memory_used_bytes) == {4 * 2**30}
    assert set(gpu.samples.power_w) == {71.5}
    assert set(gpu.samples.busy_fraction) == {0.42}
    assert set(gpu.samples.sm_clock_mhz) == {1980}
    assert set(gpu.samples.temperature_c) == {61}
    assert set(telemetry.gpus[1].samples.memory_used_bytes) == {4 * 2**30 + 1}


def test_energy_is_the_difference_of_the_counter_over_the_window(library):
    telemetry, _ = sample(library, seconds=1.0)
    # The counter runs at 100 J/s and starts at 1000 J.
    assert telemetry.window_s == pytest.approx(1.0, abs=0.5)
    assert telemetry.gpus[0].energy_j == pytest.approx(100 * telemetry.window_s, rel=0.2)


def test_samples_are_taken_at_the_rate_and_at_both_ends(library):
    telemetry, _ = sample(library, seconds=0.55)
    at_s = telemetry.gpus[0].samples.at_s
    assert at_s[0] == pytest.approx(0, abs=0.05)
    assert at_s[-1] >= 0.55
    assert 5 <= len(at_s) <= 8  # 0, 0.1 .. 0.5, and the last; fewer when the machine is busy
    assert list(at_s) == sorted(at_s)


def test_a_counter_that_is_missing_or_forbidden_is_none_with_the_drivers_reason(library):
    telemetry, _ = sample(library)
    gpu = telemetry.gpus[1]
    assert set(gpu.samples.power_w) == {None}
    assert gpu.energy_j is None
    assert gpu.absent == {"power_w": "Not Supported", "energy_j": "Insufficient Permissions"}
    assert set(gpu.samples.busy_fraction) == {0.42}


def test_a_gpu_that_is_lost_in_the_middle_leaves_a_gap_and_not_an_error(library):
    telemetry, _ = sample(library, "flaky")
    busy = telemetry.gpus[0].samples.busy_fraction
    assert busy[0] == 0.42
    assert busy[-1] is None
    assert "busy_fraction" not in telemetry.gpus[0].absent


def test_an_energy_counter_that_went_backwards_is_not_a_negative_energy(library):
    telemetry, _ = sample(library, "backwards", seconds=0.5)
    assert telemetry.gpus[0].energy_j is None
    assert "backwards" in telemetry.gpus[0].absent["energy_j"]

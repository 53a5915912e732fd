"""The process that asks NVML: a JSON line about the machine, then one for every sample, until standard input speaks.

Started by adapters/nvml.py as a script, so that it holds nothing of the process that measures and neither disturbs it
nor is disturbed. Only the standard library and nvidia-ml-py are imported. All of nvidia-ml-py is in this file.

Each counter is asked alone, so that a missing one costs only itself; one that can never be had here is not asked again.
nvmlDeviceGetPcieThroughput is not asked at all: it blocks for 20 ms (NVML's reference).
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

GPM_INTERVAL_NS = 100_000_000
"""NVML's reference on nvmlGpmMetricsGet: its two samples must lie more than 100 ms apart, the rate at which the GPU
itself refreshes them."""
EVENTS_AT_ONCE = 1000
"""XIDs that one sample takes in. Our choice: a GPU that reports more must not keep the others waiting."""
PR_SET_PDEATHSIG = 1
"""<linux/prctl.h>."""


class Gpu:
    """One GPU: how its counters are asked, and which of them it was found not to have."""

    def __init__(self, nvml: Any, index: int) -> None:
        self.nvml = nvml
        self.index = index
        self.handle: Any = None
        self.why: dict[str, str] = {}
        """Counter -> why it gave nothing, until it has been written; `gpu` stands for all of them."""
        self.power_source: str | None = None
        self._never: set[str] = set()
        self._lost = False
        self._gpm: Gpm | None = None
        self.handle = self.ask("gpu", lambda: nvml.nvmlDeviceGetHandleByIndex(index))
        if self.handle is None:
            self._lost = True
        else:
            self._gpm = self.ask("gpm", lambda: Gpm(nvml, self.handle))
            if self._gpm is None:
                reason = self.why.pop("gpm")
                self.why |= dict.fromkeys(Gpm.METRICS, reason)

    def ask(self, name: str, question: Callable[[], Any]) -> Any:
        """The answer, or None and the driver's words in `why`."""
        if self._lost or name in self._never:
            return None
        n = self.nvml
        try:
            return question()
        except n.NVMLError as error:
            self.why[name] = words(error)
            if error.value in (n.NVML_ERROR_GPU_IS_LOST, n.NVML_ERROR_RESET_REQUIRED):
                # Its other counters would say the same, each after a time-out of the driver's.
                self._lost = True
                self.why["gpu"] = words(error)
            elif error.value in (
                n.NVML_ERROR_NOT_SUPPORTED,
                n.NVML_ERROR_NO_PERMISSION,
                n.NVML_ERROR_FUNCTION_NOT_FOUND,
                n.NVML_ERROR_INVALID_ARGUMENT,
            ):
                self._never.add(name)
            return None

    def about(self) -> dict[str, Any]:
        """What does not change during a run."""
        n, handle = self.nvml, self.handle
        memory = self.ask("memory_total_bytes", lambda: n.nvmlDeviceGetMemoryInfo(handle).total)
        return {
            "index": self.index,
            "name": text(self.ask("name", lambda: n.nvmlDeviceGetName(handle))),
            "uuid": text(self.ask("uuid", lambda: n.nvmlDeviceGetUUID(handle))),
            "memory_total_bytes": memory,
        }

    def sample(self) -> dict[str, Any]:
        """The counters that answered. Energy first: it belongs to the very instant of `at_ns`."""
        n, handle = self.nvml, self.handle
        at_ns = time.monotonic_ns()
        row = {"energy_mj": self.ask("energy_mj", lambda: n.nvmlDeviceGetTotalEnergyConsumption(handle))}
        row |= self._fields()
        if row.get("power_w") is None:
            row["power_w"] = self.ask("power_w", lambda: n.nvmlDeviceGetPowerUsage(handle) / 1000)
            self.power_source = self.power_source or ("nvmlDeviceGetPowerUsage" if row["power_w"] is not None else None)
        row["memory_used_bytes"] = self.ask("memory_used_bytes", lambda: n.nvmlDeviceGetMemoryInfo(handle).used)
        row["busy_fraction"] = self.ask("busy_fraction", lambda: n.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
        row["sm_clock_mhz"] = self.ask("sm_clock_mhz", lambda: n.nvmlDeviceGetClockInfo(handle, n.NVML_CLOCK_SM))
        row["memory_clock_mhz"] = self.ask(
            "memory_clock_mhz", lambda: n.nvmlDeviceGetClockInfo(handle, n.NVML_CLOCK_MEM)
        )
        row["temperature_c"] = self.ask(
            "temperature_c", lambda: n.nvmlDeviceGetTemperature(handle, n.NVML_TEMPERATURE_GPU)
        )
        row["clock_events"] = self.ask("clock_events", self._clock_events)
        if self._gpm is not None:
            row |= self._gpm.sample(self) or {}
        return {"at_ns": at_ns, **{name: value for name, value in row.items() if value is not None}}

    def _fields(self) -> dict[str, Any]:
        """Counters that NVML gives by number, all in one call."""
        n = self.nvml
        asked = {
            "instant_power": n.NVML_FI_DEV_POWER_INSTANT,
            "memory_temperature_c": n.NVML_FI_DEV_MEMORY_TEMP,
            "ecc_corrected": n.NVML_FI_DEV_ECC_SBE_VOL_TOTAL,
            "ecc_uncorrected": n.NVML_FI_DEV_ECC_DBE_VOL_TOTAL,
        }
        asked = {name: number for name, number in asked.items() if name not in self._never}
        if not asked:
            return {}
        values = self.ask("fields", lambda: n.nvmlDeviceGetFieldValues(self.handle, list(asked.values())))
        if values is None:
            reason = self.why.pop("fields", None)
            if reason is not None:
                self.why |= dict.fromkeys(set(asked) - {"instant_power"}, reason)
            if "fields" in self._never:
                self._never |= set(asked)
            return {}
        row = {name: self.ask(name, partial(self._field, value)) for name, value in zip(asked, values, strict=True)}
        self.why.pop("instant_power", None)  # there is another way to ask for power, which has its own reason
        power_mw = row.pop("instant_power", None)
        if power_mw is not None:
            row["power_w"] = power_mw / 1000
            self.power_source = "NVML_FI_DEV_POWER_INSTANT"
        return row

    def _field(self, value: Any) -> Any:
        n = self.nvml
        if value.nvmlReturn != n.NVML_SUCCESS:
            raise n.NVMLError(value.nvmlReturn)
        members = {
            n.NVML_VALUE_TYPE_DOUBLE: "dVal",
            n.NVML_VALUE_TYPE_UNSIGNED_INT: "uiVal",
            n.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
            n.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
            n.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
            n.NVML_VALUE_TYPE_SIGNED_INT: "siVal",
            n.NVML_VALUE_TYPE_UNSIGNED_SHORT: "usVal",
        }
        if value.valueType not in members:
            raise n.NVMLError(n.NVML_ERROR_UNKNOWN)
        return getattr(value.value, members[value.valueType])

    def _clock_events(self) -> Any:
        """By its name since driver 535, or by the one before."""
        n = self.nvml
        try:
            return n.nvmlDeviceGetCurrentClocksEventReasons(self.handle)
        except n.NVMLError as error:
            if error.value != n.NVML_ERROR_FUNCTION_NOT_FOUND:
                raise
        return n.nvmlDeviceGetCurrentClocksThrottleReasons(self.handle)


class Gpm:
    """The profiling counters of Hopper and later: each is a mean over the time between two samples."""

    METRICS = {  # column -> constant of nvidia-ml-py
        "sm_active_fraction": "NVML_GPM_METRIC_SM_UTIL",
        "tensor_active_fraction": "NVML_GPM_METRIC_ANY_TENSOR_UTIL",
        "dram_active_fraction": "NVML_GPM_METRIC_DRAM_BW_UTIL",
    }

    def __init__(self, nvml: Any, handle: Any) -> None:
        """Raises NVMLError where the GPU, the driver or the permissions lack them."""
        self.nvml, self.handle = nvml, handle
        if not nvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice:
            raise nvml.NVMLError(nvml.NVML_ERROR_NOT_SUPPORTED)
        self.before, self.now = nvml.nvmlGpmSampleAlloc(), nvml.nvmlGpmSampleAlloc()
        nvml.nvmlGpmSampleGet(handle, self.before)
        self.before_ns = time.monotonic_ns()
        self.asked = nvml.c_nvmlGpmMetricsGet_t()  # 19 KiB: made once
        self.asked.version = nvml.NVML_GPM_METRICS_GET_VERSION
        self.asked.numMetrics = len(self.METRICS)
        for number, constant in enumerate(self.METRICS.values()):
            self.asked.metrics[number].metricId = getattr(nvml, constant)

    def sample(self, gpu: Gpu) -> dict[str, Any] | None:
        """Fractions since the sample before; None when that is too near, or there is nothing to be had."""
        if time.monotonic_ns() - self.before_ns <= GPM_INTERVAL_NS:
            return None
        answered = gpu.ask("gpm", self._measure)
        if answered is None:
            reason = gpu.why.pop("gpm", None)
            if reason is not None:
                gpu.why |= dict.fromkeys(self.METRICS, reason)
            return None
        return {
            name: gpu.ask(name, partial(self._fraction, self.asked.metrics[number]))
            for number, name in enumerate(self.METRICS)
        }

    def _measure(self) -> bool:
        n = self.nvml
        n.nvmlGpmSampleGet(self.handle, self.now)
        self.asked.sample1, self.asked.sample2 = self.before, self.now
        self.before, self.now = self.now, self.before
        self.before_ns = time.monotonic_ns()
        n.nvmlGpmMetricsGet(self.asked)
        return True

    def _fraction(self, metric: Any) -> float:
        if metric.nvmlReturn != self.nvml.NVML_SUCCESS:
            raise self.nvml.NVMLError(metric.nvmlReturn)
        return float(metric.value) / 100


class Xids:
    """Errors that the driver reports as events."""

    def __init__(self, nvml: Any, gpus: list[Gpu]) -> None:
        self.nvml = nvml
        self.by_address: dict[int, int] = {}
        self.events: Any = None
        try:
            self.events = nvml.nvmlEventSetCreate()
        except nvml.NVMLError as error:
            for gpu in gpus:
                gpu.why["xids"] = words(error)
            return
        for gpu in gpus:
            if gpu.ask("xids", partial(self._register, gpu)):
                self.by_address[address(gpu.handle)] = gpu.index
            else:
                gpu.why.setdefault("xids", gpu.why.get("gpu", "they cannot be watched"))

    def _register(self, gpu: Gpu) -> bool:
        self.nvml.nvmlDeviceRegisterEvents(gpu.handle, self.nvml.nvmlEventTypeXidCriticalError, self.events)
        return True

    def seen(self) -> list[tuple[int, int]]:
        """(GPU, XID) since it was last asked."""
        n = self.nvml
        found: list[tuple[int, int]] = []
        while self.by_address and len(found) < EVENTS_AT_ONCE:
            try:
                event = n.nvmlEventSetWait_v2(self.events, 0)
            except n.NVMLError:  # mostly: no more of them
                break
            index = self.by_address.get(address(event.device))
            if index is not None:
                found.append((index, int(event.eventData)))
        return found


def address(handle: Any) -> int:
    """Of what an opaque handle points to: two handles of one GPU have the same."""
    return ctypes.cast(handle, ctypes.c_void_p).value or 0


def text(value: Any) -> str | None:
    """NVML's strings are bytes in older bindings."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def words(error: Exception) -> str:
    """NVML's own sentence for an error: `NVML Shared Library Not Found`."""
    return text(str(error)) or type(error).__name__


def write(line: dict[str, Any]) -> None:
    """One line in one piece."""
    os.write(1, json.dumps(line, separators=(",", ":")).encode() + b"\n")


def stopped(wait_s: float) -> bool:
    """Waits, at most until standard input says something or ends: the parent wants no more, or is gone."""
    ready, _, _ = select.select([0], [], [], max(0.0, wait_s))
    return bool(ready)


def run(interval_s: float) -> None:
    """Sample on a grid from the start, so that the rate holds whatever a sample costs."""
    try:
        import pynvml as nvml
    except ImportError as error:
        write({"reason": str(error)})
        return
    try:
        nvml.nvmlInit()
        gpus = [Gpu(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError as error:
        write({"reason": words(error)})
        return
    if not gpus:
        write({"reason": "the driver shows no GPU to this process"})
        return
    try:
        driver = text(nvml.nvmlSystemGetDriverVersion())
    except nvml.NVMLError:
        driver = None
    xids = Xids(nvml, gpus)
    write({"driver_version": driver, "gpus": [gpu.about() for gpu in gpus]})
    started, tick = time.monotonic(), 0
    last = False
    while True:
        rows = []
        for gpu in gpus:
            row, gpu_why = gpu.sample(), gpu.why
            gpu.why = {}
            rows.append({**row, "why": gpu_why, "power_source": gpu.power_source})
        write({"gpus": rows, "xids": [[index, code, time.monotonic_ns()] for index, code in xids.seen()]})
        if last:
            return
        tick = max(tick + 1, int((time.monotonic() - started) / interval_s))
        last = stopped(started + tick * interval_s - time.monotonic())


def main() -> None:
    """`nvml_sampler.py INTERVAL_S PARENT_PID`."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the parent decides: it notes the first Ctrl-C and still wants a sample
    # Standard input ends with the parent, but for as long as a copy of it lives in another child: hence the signal too.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[2]):
        return
    try:
        run(float(sys.argv[1]))
    except Exception as error:  # noqa: BLE001 - nobody reads a traceback of this process; the parent says it in a line
        write({"failed": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    main()

"""GPU telemetry of this machine, by NVIDIA's own library (NVML) once a second. All of nvidia-ml-py is in this file.

No GPU, no driver, no permission are normal here: they become a sentence, never a zero and never a failed benchmark.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, Self

from infercli.core.bench import GpuSamples, GpuTelemetry, Telemetry

INTERVAL_S = 1.0
"""NVML averages power over about a second on most GPUs since Ampere (arXiv 2312.02741): sampling faster shows nothing
more."""


class GpuSampler:
    """`with GpuSampler() as sampler: ...`, then `sampler.telemetry` or, where that is None, `sampler.reason`.

    Samples in a thread of its own. Never raises for what NVML lacks.
    """

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self.telemetry: Telemetry | None = None
        """After the block; None when there was nothing to sample."""
        self.reason: str | None = None
        """`no GPU telemetry: ...`; None when there is telemetry."""
        self._interval_s = interval_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._gpus: list[_Gpu] = []
        self._nvml: ModuleType | None = None
        self._driver: str | None = None
        self._started = 0.0

    def __enter__(self) -> Self:
        try:
            import pynvml
        except ImportError as error:
            self.reason = f"no GPU telemetry: {error}"
            return self
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            self.reason = f"no GPU telemetry: {_words(error)}"
            return self
        self._nvml = pynvml
        try:
            count = pynvml.nvmlDeviceGetCount()
            self._driver = _text(_or_none(pynvml.nvmlSystemGetDriverVersion))
            self._gpus = [_Gpu(pynvml, index) for index in range(count)]
        except pynvml.NVMLError as error:
            self.reason = f"no GPU telemetry: {_words(error)}"
        else:
            if not self._gpus:
                self.reason = "no GPU telemetry: the driver shows no GPU to this process"
        if self.reason is not None:
            self._shut_down()
            return self
        self._started = time.monotonic()
        self._sample()
        self._thread = threading.Thread(target=self._run, name="gpu-telemetry", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        self._sample()
        self.telemetry = Telemetry(
            interval_s=self._interval_s,
            window_s=round(time.monotonic() - self._started, 3),
            driver_version=self._driver,
            gpus=tuple(gpu.telemetry() for gpu in self._gpus),
        )
        self._shut_down()

    def _run(self) -> None:
        ticks = 1
        # Against the start, not against the last sample, so that the rate holds whatever a sample costs.
        while not self._stop.wait(max(0.0, self._started + ticks * self._interval_s - time.monotonic())):
            self._sample()
            ticks += 1

    def _sample(self) -> None:
        at_s = round(time.monotonic() - self._started, 3)
        for gpu in self._gpus:
            gpu.sample(at_s)

    def _shut_down(self) -> None:
        nvml, self._nvml = self._nvml, None
        if nvml is not None:
            _or_none(nvml.nvmlShutdown)


class _Gpu:
    """One GPU: its columns so far, and why a counter gave nothing."""

    def __init__(self, nvml: ModuleType, index: int) -> None:
        self.nvml = nvml
        self.index = index
        self.handle = nvml.nvmlDeviceGetHandleByIndex(index)
        self.name = _text(_or_none(lambda: nvml.nvmlDeviceGetName(self.handle)))
        self.memory_total_bytes: int | None = None
        self.at_s: list[float] = []
        self.columns: dict[str, list[Any]] = {
            name: []
            for name in ("memory_used_bytes", "power_w", "busy_fraction", "sm_clock_mhz", "temperature_c", "energy_mj")
        }
        self.absent: dict[str, str] = {}

    def sample(self, at_s: float) -> None:
        """One value or None per counter. Each is asked alone, so that a missing one costs only itself."""
        n, handle = self.nvml, self.handle
        self.at_s.append(at_s)
        self._ask("memory_used_bytes", self._memory_used)
        self._ask("power_w", lambda: n.nvmlDeviceGetPowerUsage(handle) / 1000)
        self._ask("busy_fraction", lambda: n.nvmlDeviceGetUtilizationRates(handle).gpu / 100)
        self._ask("sm_clock_mhz", lambda: n.nvmlDeviceGetClockInfo(handle, n.NVML_CLOCK_SM))
        self._ask("temperature_c", lambda: n.nvmlDeviceGetTemperature(handle, n.NVML_TEMPERATURE_GPU))
        self._ask("energy_mj", lambda: n.nvmlDeviceGetTotalEnergyConsumption(handle))

    def _memory_used(self) -> int:
        memory = self.nvml.nvmlDeviceGetMemoryInfo(self.handle)
        self.memory_total_bytes = int(memory.total)
        return int(memory.used)

    def _ask(self, name: str, question: Callable[[], Any]) -> None:
        value = None
        try:
            value = question()
        except self.nvml.NVMLError as error:
            self.absent[name] = _words(error)
        self.columns[name].append(value)

    def telemetry(self) -> GpuTelemetry:
        """What was sampled."""
        columns = {name: tuple(values) for name, values in self.columns.items()}
        energy = [value for value in columns.pop("energy_mj") if value is not None]
        absent = dict(self.absent)
        if "energy_mj" in absent:
            absent["energy_j"] = absent.pop("energy_mj")
        energy_j = None
        if len(energy) >= 2 and energy[-1] >= energy[0]:
            energy_j = (energy[-1] - energy[0]) / 1000
        elif len(energy) >= 2:
            absent["energy_j"] = "the counter went backwards: the driver was loaded anew during the run"
        # A counter that answered at least once is not absent; its gaps are the Nones in its column.
        absent = {n: why for n, why in absent.items() if n == "energy_j" or not any(v is not None for v in columns[n])}
        return GpuTelemetry(
            index=self.index,
            name=self.name,
            memory_total_bytes=self.memory_total_bytes,
            samples=GpuSamples(at_s=tuple(self.at_s), **columns),
            energy_j=energy_j,
            absent=absent,
        )


def _or_none(question: Callable[[], Any]) -> Any:
    import pynvml

    try:
        return question()
    except pynvml.NVMLError:
        return None


def _text(value: Any) -> str | None:
    """NVML's strings are bytes in older bindings."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _words(error: Exception) -> str:
    """NVML's own sentence for an error: `NVML Shared Library Not Found`."""
    return _text(str(error)) or type(error).__name__

"""What the GPUs did during a run: the counters as they were read, and the few numbers that follow from them.

The one thing to know: counters are kept raw and summaries derived, over whatever part of the run is asked for. A
counter that gave nothing is None with the reason in the driver's words, never 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from pydantic import model_validator

from infercli.core.record import Record

CLOCK_EVENTS: dict[int, str] = {
    0x1: "idle",
    0x2: "clocks set by an administrator",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "thermal slowdown (software)",
    0x40: "thermal slowdown (hardware)",
    0x80: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability",
}
"""Bits of nvmlDeviceGetCurrentClocksEventReasons, which DCGM hands on unchanged: what holds the clocks down.
Names by nvml.h (nvmlClocksEventReason*; the last two are known under the old name, nvmlClocksThrottleReason*, only)."""
IDLE = 0x1
"""No load, no fault: left out of what a summary lists."""
UNCOVERED_FRACTION = 0.05
"""Of a window, that may lie before the first or after the last reading of the energy counter; its power is taken to be
that of the rest. Our choice: if the power there is off by a half, the energy is off by 2.5 %."""


class GpuSamples(Record):
    """One column per counter, one row per sample.

    A None in a column is a sample that failed; an empty column is a counter that gave nothing (`GpuTelemetry.absent`).
    """

    at_s: tuple[float, ...]
    """Seconds since an instant of the machine's monotonic clock that the caller chose; negative before it."""
    memory_used_bytes: tuple[int | None, ...]
    power_w: tuple[float | None, ...]
    """See `GpuTelemetry.power_source`. A sensor sees part of the time (arXiv 2312.02741): `energy_mj` is better."""
    busy_fraction: tuple[float | None, ...]
    """Of the time, some kernel ran. NVML calls it utilization; it says nothing about how much of the GPU worked."""
    sm_clock_mhz: tuple[int | None, ...]
    temperature_c: tuple[int | None, ...]
    memory_clock_mhz: tuple[int | None, ...] = ()
    memory_temperature_c: tuple[int | None, ...] = ()
    energy_mj: tuple[int | None, ...] = ()
    """The driver's counter, in millijoules since it was loaded."""
    clock_events: tuple[int | None, ...] = ()
    """Bits, see CLOCK_EVENTS."""
    ecc_corrected: tuple[int | None, ...] = ()
    """Memory errors since the driver was loaded."""
    ecc_uncorrected: tuple[int | None, ...] = ()
    sm_active_fraction: tuple[float | None, ...] = ()
    """Of the SMs, had work, since the sample before. Hopper and later by NVML, Volta and later by DCGM."""
    tensor_active_fraction: tuple[float | None, ...] = ()
    """Of the cycles, the tensor cores worked."""
    dram_active_fraction: tuple[float | None, ...] = ()
    """Of the memory bandwidth, was used."""

    @model_validator(mode="after")
    def _aligned(self) -> GpuSamples:
        ragged = [name for name in COLUMNS if len(getattr(self, name)) not in (0, len(self.at_s))]
        if ragged:
            raise ValueError(f"not as long as at_s: {', '.join(ragged)}")
        return self


COLUMNS: tuple[str, ...] = tuple(name for name in GpuSamples.model_fields if name != "at_s")


class Xid(Record):
    """An error that the driver reported; what the number means is in NVIDIA's list of XIDs."""

    at_s: float
    """When it was seen, on the clock of `GpuSamples.at_s`."""
    code: int


class GpuTelemetry(Record):
    """One GPU over the run."""

    index: int
    name: str | None
    host: str | None = None
    """As the exporter names it; None: the machine that measured."""
    uuid: str | None = None
    memory_total_bytes: int | None
    samples: GpuSamples
    energy_j: float | None
    """From the first sample to the last, by the difference of the driver's counter; unreliable under about 5 s."""
    power_source: str | None = None
    """Where `power_w` comes from: `NVML_FI_DEV_POWER_INSTANT`, `nvmlDeviceGetPowerUsage` (mostly a 1 s average), ..."""
    xids: tuple[Xid, ...] | None = None
    """None: could not be watched, see `absent`."""
    absent: dict[str, str] = {}
    """Counter -> why it gave nothing, in the driver's words."""
    gaps: dict[str, str] = {}
    """Counter -> why some samples of it are missing."""


class Telemetry(Record):
    """What was read of GPUs during a run."""

    source: str = "NVML"
    """`NVML`, of the machine that measured; or the address of a DCGM exporter."""
    interval_s: float
    window_s: float
    """From the first sample to the last."""
    driver_version: str | None
    ended_early: str | None = None
    """Why sampling stopped before it was told to."""
    gpus: tuple[GpuTelemetry, ...]


class GpuSummary(Record):
    """One GPU over a part of the run. None: unknown, see `absent`."""

    index: int
    name: str | None
    host: str | None
    samples: int
    """That lie in the window."""
    energy_j: float | None
    mean_power_w: float | None
    """Of the samples; energy over time is the better mean where there is energy."""
    max_power_w: float | None
    busy_fraction: float | None
    """Mean. To be printed as `busy time`: never as how much of the GPU worked."""
    memory_peak_bytes: int | None
    memory_total_bytes: int | None
    mean_sm_clock_mhz: float | None
    max_temperature_c: int | None
    max_memory_temperature_c: int | None
    clock_events: dict[str, float] | None
    """What held the clocks down, in words -> fraction of the samples that show it. Idling is left out."""
    xids: tuple[int, ...] | None
    ecc_corrected: int | None
    """New ones."""
    ecc_uncorrected: int | None
    sm_active_fraction: float | None
    tensor_active_fraction: float | None
    dram_active_fraction: float | None
    absent: dict[str, str]
    """Field -> why it is None."""


class TelemetrySummary(Record):
    """All GPUs that were watched, over a part of the run; they need not be those that served."""

    source: str
    start_s: float
    end_s: float
    energy_j: float | None
    joules_per_output_token: float | None
    gpus: tuple[GpuSummary, ...]
    absent: dict[str, str]
    """Field -> why it is None."""


class Energy(NamedTuple):
    """Joules, or why they are not known."""

    joules: float | None
    reason: str | None


def gpu_telemetry(
    index: int,
    at_s: Sequence[float],
    rows: Sequence[Mapping[str, Any]],
    why: Mapping[str, str],
    **known: Any,
) -> GpuTelemetry:
    """Samples as they came, one mapping of column to value each, and why counters were missing (`gpu`: all of them).

    `known` are further fields of GpuTelemetry.
    """
    columns = {name: tuple(row.get(name) for row in rows) for name in COLUMNS}
    if set(columns["memory_temperature_c"]) - {None} == {0}:
        # What DCGM says of an L4, whose GDDR6 has no sensor.
        columns["memory_temperature_c"] = (None,) * len(rows)
        why = {**why, "memory_temperature_c": "it reads 0 C: this GPU's memory has no sensor"}
    absent: dict[str, str] = {}
    gaps: dict[str, str] = {}
    for name, values in columns.items():
        reason = why.get(name) or why.get("gpu")
        if all(value is None for value in values):
            columns[name] = ()
            absent[name] = reason or "it was never read"
        elif reason is not None and None in values:
            gaps[name] = reason
    samples = GpuSamples(at_s=tuple(at_s), **columns)
    energy = energy_between(samples)
    if energy.reason is not None:
        absent["energy_j"] = absent.pop("energy_mj", _ending(energy.reason, gaps.get("energy_mj")))
    if known.get("memory_total_bytes") is None:
        absent["memory_total_bytes"] = why.get("memory_total_bytes") or why.get("gpu") or "it was never read"
    if known.get("xids") is None:
        absent["xids"] = why.get("xids") or why.get("gpu") or "they were not watched"
    known = {"name": None, "memory_total_bytes": None, **known}
    return GpuTelemetry(index=index, samples=samples, energy_j=energy.joules, absent=absent, gaps=gaps, **known)


def together(parts: Sequence[Telemetry]) -> Telemetry | None:
    """What several exporters said, each of its own machine's GPUs; one that two of them show counts once.

    None: there was no exporter.
    """
    if len(parts) < 2:
        return parts[0] if parts else None
    gpus: dict[tuple[str | int | None, ...], GpuTelemetry] = {}
    for number, part in enumerate(parts):
        for gpu in part.gpus:
            own = (number, gpu.host, gpu.index) if gpu.uuid is None else ()
            gpus.setdefault((gpu.uuid, gpu.name, *own), gpu)
    early = {part.source: part.ended_early for part in parts if part.ended_early is not None}
    return Telemetry(
        source=", ".join(part.source for part in parts),
        interval_s=max(part.interval_s for part in parts),
        window_s=max(part.window_s for part in parts),
        driver_version=", ".join(dict.fromkeys(part.driver_version for part in parts if part.driver_version)) or None,
        ended_early="; ".join(f"{source}: {why}" for source, why in early.items()) or None,
        gpus=tuple(gpus.values()),
    )


def energy_between(samples: GpuSamples, start_s: float | None = None, end_s: float | None = None) -> Energy:
    """The difference of the counter between two instants, straight lines between its readings. None: the ends of all.

    An exporter repeats a reading until it makes a new one: the first of equal readings is the reading.
    """
    readings: list[tuple[float, int]] = []
    for at_s, value in zip(samples.at_s, samples.energy_mj, strict=False):
        if value is None:
            continue
        if readings and value < readings[-1][1]:
            return Energy(None, "the counter went backwards: it wrapped, or the driver was loaded anew")
        if not readings or value > readings[-1][1]:
            readings.append((at_s, value))
    if len(readings) < 2:
        return Energy(None, "the counter did not move" if readings else "the counter was never read")
    start_s = samples.at_s[0] if start_s is None else start_s
    end_s = samples.at_s[-1] if end_s is None else end_s
    window_s = end_s - start_s
    low_s, high_s = max(start_s, readings[0][0]), min(end_s, readings[-1][0])
    if window_s - max(0.0, high_s - low_s) > UNCOVERED_FRACTION * window_s or window_s <= 0:
        covered_s = max(0.0, high_s - low_s)
        return Energy(None, f"the counter is known for {covered_s:.1f} s of {window_s:.1f} s")
    used_mj = _interpolate(readings, high_s) - _interpolate(readings, low_s)
    return Energy(used_mj / 1000 * (window_s / (high_s - low_s)), None)


def _interpolate(readings: Sequence[tuple[float, int]], at_s: float) -> float:
    for (a_s, a), (b_s, b) in pairwise(readings):
        if at_s <= b_s:
            return a + (b - a) * (at_s - a_s) / (b_s - a_s)
    return readings[-1][1]


def clock_event_words(bits: int) -> tuple[str, ...]:
    """`power cap`, ... for the set bits but idling; a bit without a name is given as a number."""
    one_by_one = [1 << n for n in range(bits.bit_length()) if bits >> n & 1]
    return tuple(CLOCK_EVENTS.get(bit, hex(bit)) for bit in one_by_one if bit != IDLE)


def summarise(
    telemetry: Telemetry, *, start_s: float, end_s: float, output_tokens: int | None = None
) -> TelemetrySummary:
    """What a report says of the window, on the clock of the samples. `output_tokens`: made in that window."""
    gpus = tuple(summarise_gpu(gpu, start_s, end_s) for gpu in telemetry.gpus)
    energies = [gpu.energy_j for gpu in gpus]
    energy_j = math.fsum(e for e in energies if e is not None) if energies and None not in energies else None
    absent = {}
    if energy_j is None:
        lacking = [f"GPU {gpu.index}: {gpu.absent['energy_j']}" for gpu in gpus if gpu.energy_j is None]
        absent["energy_j"] = "; ".join(lacking) or "no GPU was watched"
    if energy_j is None or not output_tokens:
        absent["joules_per_output_token"] = absent.get("energy_j") or "no output tokens were counted"
    return TelemetrySummary(
        source=telemetry.source,
        start_s=start_s,
        end_s=end_s,
        energy_j=energy_j,
        joules_per_output_token=energy_j / output_tokens if energy_j is not None and output_tokens else None,
        gpus=gpus,
        absent=absent,
    )


def summarise_gpu(gpu: GpuTelemetry, start_s: float, end_s: float) -> GpuSummary:
    """One GPU over the window."""
    inside = [n for n, at_s in enumerate(gpu.samples.at_s) if start_s <= at_s <= end_s]
    absent: dict[str, str] = {}

    def lacks(field: str, column: str, otherwise: str = f"no sample in these {end_s - start_s:.1f} s") -> None:
        absent[field] = gpu.absent.get(column) or _ending(otherwise, gpu.gaps.get(column))

    def column(field: str, name: str) -> list[Any]:
        values = getattr(gpu.samples, name)
        known = [values[n] for n in inside if values and values[n] is not None]
        if not known:
            lacks(field, name)
        return known

    def mean(field: str, name: str) -> float | None:
        known = column(field, name)
        return math.fsum(known) / len(known) if known else None

    def new(name: str) -> int | None:
        known = column(name, name)
        if known and any(b < a for a, b in pairwise(known)):
            absent[name] = "the counter went backwards: the driver was loaded anew"
            return None
        return known[-1] - known[0] if known else None

    energy = energy_between(gpu.samples, start_s, end_s)
    if energy.reason is not None:
        never_read = all(value is None for value in gpu.samples.energy_mj)
        lacks("energy_j", "energy_j" if never_read else "energy_mj", energy.reason)
    events = column("clock_events", "clock_events")
    words = [clock_event_words(bits) for bits in events]
    if gpu.xids is None:
        lacks("xids", "xids", "they were not watched")
    if gpu.memory_total_bytes is None:
        lacks("memory_total_bytes", "memory_total_bytes", "it was never read")
    return GpuSummary(
        index=gpu.index,
        name=gpu.name,
        host=gpu.host,
        samples=len(inside),
        energy_j=energy.joules,
        mean_power_w=mean("mean_power_w", "power_w"),
        max_power_w=max(column("max_power_w", "power_w"), default=None),
        busy_fraction=mean("busy_fraction", "busy_fraction"),
        memory_peak_bytes=max(column("memory_peak_bytes", "memory_used_bytes"), default=None),
        memory_total_bytes=gpu.memory_total_bytes,
        mean_sm_clock_mhz=mean("mean_sm_clock_mhz", "sm_clock_mhz"),
        max_temperature_c=max(column("max_temperature_c", "temperature_c"), default=None),
        max_memory_temperature_c=max(column("max_memory_temperature_c", "memory_temperature_c"), default=None),
        clock_events={
            word: sum(word in said for said in words) / len(words)
            for word in dict.fromkeys(w for s in words for w in s)
        }
        if events
        else None,
        xids=None if gpu.xids is None else tuple(x.code for x in gpu.xids if start_s <= x.at_s <= end_s),
        ecc_corrected=new("ecc_corrected"),
        ecc_uncorrected=new("ecc_uncorrected"),
        sm_active_fraction=mean("sm_active_fraction", "sm_active_fraction"),
        tensor_active_fraction=mean("tensor_active_fraction", "tensor_active_fraction"),
        dram_active_fraction=mean("dram_active_fraction", "dram_active_fraction"),
        absent=absent,
    )


def _ending(reason: str, cause: str | None) -> str:
    return f"{reason} ({cause})" if cause else reason

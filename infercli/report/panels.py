"""What happened when: panels one under another on one clock, those of the load and those of the GPUs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from xml.etree import ElementTree as ET

from infercli.core.bench.result import BenchResult
from infercli.core.bench.stage import StageResult
from infercli.core.bench.timeline import Timeline, timeline
from infercli.core.telemetry.engine import EngineSamples, EngineTelemetry
from infercli.core.telemetry.gpus import GpuSamples, Telemetry
from infercli.core.units import number
from infercli.report.charts import Clock, over_time
from infercli.report.frame import Line
from infercli.report.markup import h, table
from infercli.report.scale import seconds

BINS = (12, 120)
"""Fewest and most of a line across a page, where the most are some seven pixels each."""
REQUESTS_A_BIN = 8
"""At least, between those: of fewer, a median jumps from bin to bin and a p95 is the slowest request."""
_POINTS = 400
"""Of a GPU's line; a longer run shows means of neighbours."""


def panels(result: BenchResult) -> Iterator[ET.Element]:
    """The run, and its numbers in a table that unfolds."""
    requests = sum(len(stage.traces) for stage in result.stages)
    seen = timeline(result.stages, min(max(requests // REQUESTS_A_BIN, BINS[0]), BINS[1]))
    if len(result.stages) > 1:
        shaded = [(s.began_s, s.ended_s, str(n)) for n, s in enumerate(result.stages, 1)]
        what = " Shaded: the levels of load, by their numbers in the table above."
    else:
        shaded = _unmeasured(result.stages[0])
        what = " Shaded: what no metric counts." if shaded else ""
    yield h("p", f"Seconds since the run began; bins of {seen.width_s:g} s.{what}", class_="dim")
    clock = Clock(seen.start_s, seen.end_s, shaded)
    for title, p50, p95 in (("TTFT", seen.ttft_p50_s, seen.ttft_p95_s), ("TPOT", seen.tpot_p50_s, seen.tpot_p95_s)):
        factor, unit = seconds(max([v for v in p95 if v is not None], default=0.0))
        lines = [
            Line("p95", seen.middles_s, _scaled(p95, factor), 1, thin=True),
            Line("p50", seen.middles_s, _scaled(p50, factor), 0),
        ]
        yield from _there(over_time(title, f"{unit}, by the time of sending", clock, lines))
    rate = [Line("output tokens/s", seen.middles_s, seen.output_tokens_per_s)]
    if any(seen.output_tokens_per_s):
        yield from _there(over_time("Output tokens per second", "tokens/s, as they arrived", clock, rate))
    flight = [Line("in flight", seen.middles_s, seen.in_flight)]
    yield from _there(over_time("Requests in flight", "requests, on average over a bin", clock, flight))
    if any(seen.failed):
        failed = [Line("failed", seen.middles_s, seen.failed, 1)]
        yield from _there(over_time("Failed requests", "requests that were sent in the bin", clock, failed))
    yield from _engines(result.engines, clock)
    if result.telemetry is not None:
        yield from _gpus(result.telemetry, clock)
    yield _numbers(seen)


def _unmeasured(stage: StageResult) -> list[tuple[float, float, str]]:
    """Before the first measured request was due, and after the last, where there were others."""
    due = [t.intended_s for t in stage.traces if t.phase == "measured"]
    phases = {t.phase for t in stage.traces}
    if not due:
        return []
    shaded = [(stage.began_s, stage.began_s + min(due), "warm-up")] if "warmup" in phases else []
    return shaded + ([(stage.began_s + max(due), stage.ended_s, "cool-down")] if "cooldown" in phases else [])


def _engines(engines: Sequence[EngineTelemetry], clock: Clock) -> Iterator[ET.Element]:
    wanted: tuple[tuple[str, str, Callable[[EngineSamples], Sequence[float | None]], float, float | None], ...] = (
        ("Running in the engine", "requests of the batch", lambda s: s.running, 1.0, None),
        ("Waiting in the engine", "requests of its queue", lambda s: s.waiting, 1.0, None),
        ("KV cache used", "% of the fullest engine", lambda s: s.kv_cache_usage_fraction, 100.0, 100.0),
    )
    for title, unit, column, factor, top in wanted:
        lines = []
        for n, engine in enumerate(engines):
            xs, ys = _thinned(engine.samples.at_s, column(engine.samples), clock)
            lines.append(Line(engine.source, xs, _scaled(ys, factor), n, thin=n % 2 == 1))
        yield from _there(over_time(title, unit, clock, lines, top=top))


def _gpus(telemetry: Telemetry, clock: Clock) -> Iterator[ET.Element]:
    gib = 2.0**30
    total = max((g.memory_total_bytes or 0 for g in telemetry.gpus), default=0)
    wanted: tuple[tuple[str, str, Callable[[GpuSamples], Sequence[float | None]], float, float | None], ...] = (
        ("GPU busy time", "% of the time in which some kernel ran; not how much of the GPU worked",
         lambda s: s.busy_fraction, 100.0, 100.0),
        ("SMs active", "% of the multiprocessors", lambda s: s.sm_active_fraction, 100.0, 100.0),
        ("Tensor cores active", "% of the cycles", lambda s: s.tensor_active_fraction, 100.0, 100.0),
        ("Memory bandwidth used", "%", lambda s: s.dram_active_fraction, 100.0, 100.0),
        ("GPU memory", "GiB", lambda s: s.memory_used_bytes, 1 / gib, total / gib or None),
        ("GPU power", "W", lambda s: s.power_w, 1.0, None),
        ("SM clock", "MHz", lambda s: s.sm_clock_mhz, 1.0, None),
    )  # fmt: skip
    for title, unit, column, factor, top in wanted:
        lines = []
        for n, gpu in enumerate(telemetry.gpus):
            xs, ys = _thinned(gpu.samples.at_s, column(gpu.samples), clock)
            where = f"GPU {gpu.index}" + (f" of {gpu.host}" if gpu.host else "")
            lines.append(Line(where, xs, _scaled(ys, factor), n, thin=n % 2 == 1))
        yield from _there(over_time(title, unit, clock, lines, top=top))


def _thinned(
    at_s: Sequence[float], values: Sequence[float | None], clock: Clock
) -> tuple[list[float], list[float | None]]:
    """What lies on the clock, as means of neighbours where there are many."""
    inside = [(t, v) for t, v in zip(at_s, values, strict=False) if clock.start_s <= t <= clock.end_s]
    each = max(1, math.ceil(len(inside) / _POINTS))
    xs, ys = [], []
    for n in range(0, len(inside), each):
        group = inside[n : n + each]
        known = [v for _, v in group if v is not None]
        xs.append(math.fsum(t for t, _ in group) / len(group))
        ys.append(math.fsum(known) / len(known) if known else None)
    return xs, ys


def _numbers(seen: Timeline) -> ET.Element:
    def cell(value: float | None, factor: float = 1.0) -> str:
        return "" if value is None else number(value * factor)

    rows = [
        (
            f"{seen.start_s + n * seen.width_s:g}", str(seen.sent[n]), str(seen.failed[n]),
            cell(seen.ttft_p50_s[n], 1000), cell(seen.ttft_p95_s[n], 1000), cell(seen.tpot_p50_s[n], 1000),
            cell(seen.tpot_p95_s[n], 1000), cell(seen.output_tokens_per_s[n]), cell(seen.in_flight[n]),
        )
        for n in range(seen.bins)
    ]  # fmt: skip
    titles = (
        "from, s", "sent", "failed", "TTFT p50, ms", "TTFT p95, ms", "TPOT p50, ms", "TPOT p95, ms", "tokens/s",
        "in flight",
    )  # fmt: skip
    return h("details", h("summary", "The numbers of these panels"), table(titles, rows, f"Bins of {seen.width_s:g} s"))


def _scaled(values: Sequence[float | None], factor: float) -> list[float | None]:
    return [None if v is None else v * factor for v in values]


def _there(drawing: ET.Element | None) -> Iterator[ET.Element]:
    if drawing is not None:
        yield drawing

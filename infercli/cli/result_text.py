"""A benchmark's result for people: a screen of text that reads at 60 columns as at 120, in colour or without.

For programs it is the same as data.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from infercli.cli.fitting import Column, fitting
from infercli.cli.output import clean, page_width
from infercli.core.bench.cautions import cautions
from infercli.core.bench.efficiency import run_telemetry, stage_telemetry, usd_per_million_output_tokens
from infercli.core.bench.failures import first_messages
from infercli.core.bench.goodput import Goodput
from infercli.core.bench.predictions import Foretold, foretold
from infercli.core.bench.result import BenchResult
from infercli.core.bench.search import Sure, holds, keeps
from infercli.core.bench.self_check import MERGED_LIMIT_FRACTION
from infercli.core.bench.stage import StageResult
from infercli.core.bench.timeline import timeline
from infercli.core.record import Json
from infercli.core.telemetry.gpus import GpuSummary, TelemetrySummary
from infercli.core.units import counted, rounded
from infercli.report.naming import UNKNOWN, latencies, load_sent, ms, searched, swept
from infercli.report.sparkline import BLOCKS, sparkline

ALIKE_FRACTION = 0.9
"""Requests that count for less than so many of themselves are said to."""
P99 = 0.99
"""The share of requests from which on an objective rests on the few slowest."""
_FEWEST, _SPARKS = 12, 60
"""Bins of a sparkline; between them a quarter as many as requests, of which most bins should have some."""


def summary(result: BenchResult, *, width: int | None = None, plain: bool | None = None) -> str:
    """The whole result in a screen. `width`: columns; None: the terminal's. `plain`: ASCII; None: as stdout can."""
    width = page_width(width)
    plain = not _can_say(BLOCKS) if plain is None else plain
    parts = [
        _wrapped(_head(result), width),
        _wrapped((f"first {kind}: {said}" for kind, said in first_messages(result.stages).items()), width),
        _stages(result, width) if len(result.stages) > 1 else _stage(result, width),
        _over_time(result, width, plain=plain),
        _wrapped([*swept(result), *_objectives(result)], width),
        _predicted(result, width),
        _wrapped([*_gpus(result), *_engines(result), *_money(result), *_tokens(result), *_client(result)], width),
        _wrapped((f"caution: {line}" for line in cautions(result, p99=_shows_p99(result))), width),
    ]
    text = "\n\n".join(part for part in parts if part)
    return text.encode("ascii", "backslashreplace").decode() if plain else text


def _shows_p99(result: BenchResult) -> bool:
    """In a table, or as an objective that a level holds or not; of a search it is said how sure that is."""
    objectives = () if result.objectives is None or result.searched else result.objectives.objectives
    return len(result.stages) == 1 or any(o.fraction >= P99 for o in objectives)


def as_data(result: BenchResult) -> dict[str, Json]:
    """The same for programs: the result without its traces, and what the text says that nothing else in it does."""
    whole = result.model_dump(mode="json", exclude={"stages": {"__all__": {"traces"}}})
    return whole | {"first_messages": first_messages(result.stages), "cautions": list(cautions(result))}


def _can_say(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _wrapped(lines: Iterable[str], width: int) -> str:
    wrap = textwrap.TextWrapper(width=width, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join(wrap.fill(clean(line)) for line in lines)


def _head(result: BenchResult) -> Iterator[str]:
    load = f", {result.stages[0].load.label}" if len(result.stages) == 1 else f", {len(result.stages)} levels of load"
    yield f"{result.target.model} at {result.target.url}{load}"
    yield load_sent(result)
    if len(result.stages) == 1 and (result.stages[0].metrics.requests or result.stages[0].metrics.cut):
        yield from _answers(result.stages[0], generates=result.generates)


def _answers(stage: StageResult, *, generates: bool) -> Iterator[str]:
    m = stage.metrics
    errors = ", ".join(f"{count} {kind}" for kind, count in m.errors.items())
    yield (
        f"{m.answered:,} of {m.requests:,} requests answered"
        + ("" if m.duration_s is None else f" over {m.duration_s:,.1f} s")
        + (f"; failed: {errors}" if errors else "")
        + (f"; {m.cut:,} cut" if m.cut else "")
    )
    if not m.answered:
        return
    tokens = (m.output_tokens_per_s, "output tokens/s")
    if not generates:
        tokens = (m.input_tokens / m.duration_s if m.input_tokens and m.duration_s else None, "input tokens/s")
    rates = [tokens, (m.requests_per_s, "requests/s"), (m.in_flight, "in flight")]
    yield ", ".join(_amount(value, unit, 1) for value, unit in rates)


def _stage(result: BenchResult, width: int) -> str:
    stage = result.stages[0]
    if not stage.metrics.answered:
        return ""
    rows = latencies(result, stage)
    fields = (("MEAN", 2), ("P50", 0), ("P90", 1), ("P95", 0), ("P99", 0), ("MAX", 0))
    table = [Column("MS", [name for name, _ in rows], 0)]
    table += [Column(title, [ms(d, title.lower()) for _, d in rows], drop) for title, drop in fields]
    return fitting(table, width)


def _stages(result: BenchResult, width: int) -> str:
    of = [s.metrics for s in result.stages]
    answered = Column("ANSWERED", [f"{m.answered}/{m.requests}" for m in of], 3)
    table = [Column("LOAD", [clean(s.load.label) for s in result.stages], 0)]
    if result.generates:
        table += [
            Column("TOK/S", [_bare(m.output_tokens_per_s, 1) for m in of], 0),
            Column("REQ/S", [_bare(m.requests_per_s, 2) for m in of], 5),
            answered,
            Column("TTFT P50", [ms(m.ttft_s, "p50") for m in of], 6),
            Column("TTFT P95", [ms(m.ttft_s, "p95") for m in of], 0),
            Column("TPOT P50", [ms(m.tpot_s, "p50") for m in of], 2),
            Column("TPOT P95", [ms(m.tpot_s, "p95") for m in of], 4),
            Column("E2E P95", [ms(m.e2e_s, "p95") for m in of], 7),
        ]
    else:
        table += [
            Column("REQ/S", [_bare(m.requests_per_s, 2) for m in of], 0),
            answered,
            Column("E2E P50", [ms(m.e2e_s, "p50") for m in of], 2),
            Column("E2E P95", [ms(m.e2e_s, "p95") for m in of], 0),
        ]
    if result.objectives is not None:
        good = [s.goodput for s in result.stages]
        table.append(Column("GOOD/S", [_bare(g.good_requests_per_s, 2) if g else "" for g in good], 1))
        table.append(Column("HOLDS", [_holds(s) for s in result.stages], 0))
    if any(s.check.client_limited is not False for s in result.stages):
        # Whose limit it is decides whether a row means anything.
        limited = {True: "yes", False: "no", None: "unknown"}
        table.append(Column("CLIENT LIMITED", [limited[s.check.client_limited] for s in result.stages], 0))
    return fitting(table, width) + "\n(latencies in ms)"


def _over_time(result: BenchResult, width: int, *, plain: bool) -> str:
    if not result.answered:
        return ""
    ends = 22  # `1,234.5 to 1,234.5 ms` and the space before it
    requests = sum(len(stage.traces) for stage in result.stages)
    seen = timeline(result.stages, max(_FEWEST, min(_SPARKS, requests // 4, width - 12 - ends)))
    rows: tuple[tuple[str, Sequence[float | None], float, str], ...] = (
        ("TTFT p50", seen.ttft_p50_s, 1000, " ms"),
        ("TPOT p50", seen.tpot_p50_s, 1000, " ms"),
        ("tokens/s", seen.output_tokens_per_s, 1, ""),
        ("in flight", seen.in_flight, 1, ""),
    )
    edges = list(pairwise(seen.start_s + i * seen.width_s for i in range(seen.bins + 1)))
    of_levels = [[a <= start and end <= b for start, end in edges] for a, b in _measured(result)]
    inside = [any(of_bin) for of_bin in zip(*of_levels, strict=True)]
    if sum(inside) < 2:
        return ""
    first, last = inside.index(True), len(inside) - inside[::-1].index(True)
    lines = []
    for name, values, scale, unit in rows:
        shown = [v if there else None for v, there in zip(values, inside, strict=True)][first:last]
        known = [v * scale for v in shown if v is not None]
        if len(known) > 1 and max(known) > 0:
            bars = sparkline(shown, plain=plain)
            lines.append(f"{name:<9}  {bars}  {_short(min(known))} to {_short(max(known))}{unit}")
    if not lines:
        return ""
    what = "by the time of sending" if all(inside) else "without warm-up and drain"
    lines.append(f"{'':<9}  {last - first} x {seen.width_s:g} s, {what}")
    short = sum(not any(of_level) for of_level in of_levels)
    if short:
        lines.append(f"{'':<9}  {counted(short, 'level is', plural='levels are')} too short to be drawn")
    return "\n".join(lines)


def _measured(result: BenchResult) -> list[tuple[float, float]]:
    """From the first sending of the measured requests of each level to the last, on the clock of the run.

    Before them the engine fills, after them it empties: neither is how it ran, nor is a bin that they lie in in part.
    """
    spans = []
    for stage in result.stages:
        sent = [t.sent_s for t in stage.traces if t.phase == "measured" and t.sent_s is not None]
        if sent:
            spans.append((stage.began_s + min(sent), stage.began_s + max(sent)))
    return spans


def _objectives(result: BenchResult) -> Iterator[str]:
    several = len(result.stages) > 1
    if result.searched is not None:
        yield from _searched(result)
    elif several and result.objectives is not None:
        yield f"objectives: {', '.join(o.words for o in result.objectives.objectives)}"
    elif result.stages[0].goodput is not None:
        yield from _goodput(result.stages[0], result.stages[0].goodput)


def _goodput(stage: StageResult, goodput: Goodput) -> Iterator[str]:
    for a in goodput.attained:
        share = f"{a.met / a.requests:.1%} of {a.requests:,}" if a.requests else "no request"
        yield f"{'holds' if a.holds else 'MISSED'}: {a.objective.words} ({share})"
    if not goodput.success_holds:
        yield "MISSED: too many requests failed"
    if stage.stopped is not None and stage.stopped.kind == "saturated":
        yield "MISSED: the endpoint did not keep up with the load"
    rate, m = _amount(goodput.good_requests_per_s, "requests/s", 2), stage.metrics
    yield f"goodput: {rate} that meet all ({goodput.good:,} of {m.requests:,})"


def _searched(result: BenchResult) -> Iterator[str]:
    for said, sure in searched(result):
        yield said
        yield from map(_how_sure, sure)


def _how_sure(s: Sure) -> str:
    sure = "sure" if s.sure else f"not sure: it takes {s.fraction:.1%}"
    few = s.like_independent < ALIKE_FRACTION * s.requests
    count = f", which count as {s.like_independent:,.0f} because neighbours are alike" if few else ""
    return f"{s.objective}: {s.met:,} of {s.requests:,}{count}, at least {s.at_least_fraction:.1%} ({sure})"


def _predicted(result: BenchResult, width: int) -> str:
    found = list(foretold(result.predicted, result.stages))
    if not found:
        return ""
    digits = {"output tokens/s": 0, "TTFT p50": 1, "TPOT p50": 2}

    def shown(f: Foretold, value: float | None) -> str:
        return _bare(None if value is None else value * f.factor, digits[f.quantity])

    table = [
        Column("PREDICTED", [f"{f.quantity}, ms" if f.unit == "ms" else f.unit for f in found], words=True),
        Column("VALUE", [shown(f, f.said.value) for f in found], 1),
        Column("INTERVAL", [f.said.ends(f.factor, digits[f.quantity]) for f in found]),
        Column("MEASURED", [shown(f, f.measured) for f in found]),
        Column("", [f.side for f in found], words=True),
    ]
    if len(result.stages) > 1:
        table.insert(0, Column("LOAD", [clean(result.stages[f.stage].load.label) for f in found]))
    source = "; ".join(dict.fromkeys(p.source for p in result.predicted))
    return fitting(table, width) + f"\n(by {clean(source)})"


def _gpus(result: BenchResult) -> Iterator[str]:
    seen = run_telemetry(result)
    if seen is None:
        yield result.telemetry_reason or "no GPU telemetry"
        return
    several = len({gpu.host for gpu in seen.gpus}) > 1
    for gpu in seen.gpus:
        where = f"GPU {gpu.index}" + (f" of {gpu.host or 'this machine'}" if several else "")
        yield f"{where}{f' {gpu.name}' if gpu.name else ''}: {', '.join(_gpu(gpu)) or _nothing(gpu)}"
    yield from _energy(result, seen)


def _engines(result: BenchResult) -> Iterator[str]:
    for engine in result.engines:
        said = []
        if engine.preemptions is not None:
            said.append(counted(engine.preemptions, "preemption"))
        if engine.prefix_cache_hit_fraction is not None:
            said.append(f"{engine.prefix_cache_hit_fraction:.0%} of the prompt tokens from its prefix cache")
        waiting = [v for v in engine.samples.waiting if v is not None]
        used = [v for v in engine.samples.kv_cache_usage_fraction if v is not None]
        said += [f"{max(waiting):,} waiting at most"] if waiting else []
        said += [f"KV cache {max(used):.0%} full at most"] if used else []
        yield f"engine {engine.source}: {', '.join(said) or 'it said nothing that is shown here'}"
    for what, why in result.unwatched.items():
        yield f"not watched: {what}: {why}"


def _gpu(gpu: GpuSummary) -> Iterator[str]:
    if gpu.busy_fraction is not None:
        yield f"busy {gpu.busy_fraction:.0%} of the time"
    if gpu.sm_active_fraction is not None:
        yield f"SMs active {gpu.sm_active_fraction:.0%}"
    if gpu.memory_peak_bytes is not None:
        of = f" of {gpu.memory_total_bytes / 2**30:.1f}" if gpu.memory_total_bytes is not None else ""
        yield f"{gpu.memory_peak_bytes / 2**30:.1f}{of} GiB at most"
    if gpu.mean_power_w is not None:
        yield f"{gpu.mean_power_w:,.0f} W"
    if gpu.max_temperature_c is not None:
        yield f"{gpu.max_temperature_c} C at most"
    for event, share in (gpu.clock_events or {}).items():
        yield f"clocks held by {event} {share:.0%} of the time"
    if gpu.xids:
        yield f"XID errors {', '.join(map(str, gpu.xids))}"
    if gpu.ecc_uncorrected:
        yield counted(gpu.ecc_uncorrected, "uncorrected memory error")


def _nothing(gpu: GpuSummary) -> str:
    why = [gpu.absent[field] for field in ("busy_fraction", "memory_peak_bytes", "mean_power_w") if field in gpu.absent]
    return f"nothing was read ({'; '.join(dict.fromkeys(why))})"


def _energy(result: BenchResult, seen: TelemetrySummary) -> Iterator[str]:
    if seen.energy_j is None:
        yield f"energy: unknown ({seen.absent.get('energy_j', 'not read')})"
    elif len(result.stages) == 1:
        yield f"energy: {_joules(seen)}"
    else:
        yield f"energy: {seen.energy_j:,.0f} J in all"
        for index, stage in enumerate(result.stages):
            one = stage_telemetry(result, index)
            if one is not None and one.joules_per_output_token is not None:
                yield f"  {stage.load.label}: {one.joules_per_output_token:.3g} J per output token"


def _joules(seen: TelemetrySummary) -> str:
    each = seen.joules_per_output_token
    return f"{seen.energy_j:,.0f} J" + (f", {each:.3g} J per output token" if each is not None else "")


def _money(result: BenchResult) -> Iterator[str]:
    price = result.price
    if price is None:
        return
    gpus, quotes = counted(price.gpus, "GPU"), counted(price.quotes, "quote")
    yield f"price: ${price.median_usd_per_h:,.2f}/h for {gpus}, {quotes} of {price.as_of}"
    for index, stage in enumerate(result.stages):
        each = usd_per_million_output_tokens(result, index)
        if each is not None:
            load = f"  {stage.load.label}: " if len(result.stages) > 1 else ""
            yield f"{load}${each.value:,.2f} per 1M output tokens, {each.ends(1, 2)}"


def _tokens(result: BenchResult) -> Iterator[str]:
    checks = [s.metrics.token_check for s in result.stages]
    tokens = sum(s.metrics.output_tokens for s in result.stages)
    if tokens:
        equal, of = sum(c.equal for c in checks), sum(c.with_usage for c in checks)
        agreed = (
            f"; {equal:,} of {counted(of, 'answer')} came in as many frames as the server says tokens" if of else ""
        )
        yield f"{counted(tokens, 'output token')}{agreed}"
    if result.engine_agrees is not None and result.engine_tokens is not None:
        same = "the same" if result.engine_agrees else f"{result.engine_tokens.output_tokens:,}, which differs"
        yield f"the engine's own counter, warm-up included, says {same}"


def _client(result: BenchResult) -> Iterator[str]:
    """What the verdict on the client rests on; where it is not a clear no, a caution says so."""
    if any(s.check.client_limited is not False for s in result.stages):
        return
    lags = [(s.metrics.client_lag_s.p99, s.check) for s in result.stages if s.metrics.client_lag_s]
    said = []
    if lags:
        lag_s, check = max(lags, key=lambda pair: pair[0] / pair[1].lag_limit_s)
        lost = f", which merged {check.merged_fraction or 0.0:.1%} of the tokens" if lag_s > check.lag_limit_s else ""
        limit = f"{MERGED_LIMIT_FRACTION:.0%}" if lost else f"{_short(check.lag_limit_s * 1000)} ms"
        said = [f"it read {_short(lag_s * 1000)} ms late at p99{lost} (the limit is {limit})"]
    busy = [s.client.busiest_cpu_fraction for s in result.stages if s.client.busiest_cpu_fraction is not None]
    said += [f"its busiest worker used {max(busy):.0%} of a core"] if busy else []
    yield "the client was not the limit" + (f": {', '.join(said)}" if said else "")


def _amount(value: float | None, unit: str, digits: int) -> str:
    return f"{UNKNOWN} {unit}" if value is None else f"{rounded(value, digits)} {unit}"


def _bare(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else rounded(value, digits)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _holds(stage: StageResult) -> str:
    if stage.goodput is None:
        return ""
    if stage.stopped is not None:
        return stage.stopped.kind
    if not holds(stage):
        return "no"
    return "yes" if keeps(stage) else "falls behind"

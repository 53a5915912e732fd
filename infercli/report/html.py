"""A result as one page: no network, no script, light or dark as its reader likes, and on paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from infercli.core.bench.cautions import cautions
from infercli.core.bench.efficiency import stage_telemetry, usd_per_million_output_tokens
from infercli.core.bench.goodput import Latency
from infercli.core.bench.headline import headline
from infercli.core.bench.histogram import log_histogram
from infercli.core.bench.metrics import Distribution
from infercli.core.bench.predictions import foretold
from infercli.core.bench.result import BenchResult
from infercli.core.bench.samples import samples
from infercli.core.bench.stage import StageResult
from infercli.core.estimates.answer import Interval
from infercli.core.units import counted, number
from infercli.report import tables
from infercli.report.charts import Point, Row, curve, distribution, intervals
from infercli.report.markup import Child, document, h, outside, table
from infercli.report.naming import UNKNOWN, load_sent, sent, swept
from infercli.report.panels import panels
from infercli.report.scale import seconds
from infercli.report.style import STYLE

_MOST_DRAWN = 12
"""Levels whose distributions are drawn; a search has more, and the tables have them all."""
_WIDEST = 5.0
"""Of the axis of predictions: five times what was predicted; what lies beyond ends in an arrow."""
_BARS = (12, 40)
"""Fewest and most of a histogram, where the most are ten pixels each; between them twice the root of the sample, which
shows its shape and not its chance."""


def page(results: Sequence[tuple[str, BenchResult]]) -> str:
    """The results of these files, one after another."""
    models = list(dict.fromkeys(result.target.model for _, result in results))
    title = f"Benchmark of {', '.join(models)}"
    several = len(results) > 1
    body: list[Child] = [h("h1", title)] if several else []
    for file, result in results:
        body += run(file, result, "h2" if several else "h1")
    body += [h("h2", "What the names mean"), tables.definitions()]
    body.append(h("p", f"Every number follows from the raw data of {_files(results)}: `infercli report FILE --check`",
                  class_="dim"))  # fmt: skip
    return document(title, STYLE, body)


def run(file: str, result: BenchResult, heading: str) -> Iterator[Child]:
    """One result."""
    several = len(result.stages) > 1
    yield h(heading, outside(result.target.model), " at ", outside(result.target.url))
    load = f"{len(result.stages)} levels of load" if several else result.stages[0].load.label
    yield h("p", f"{load}; {result.target.api} API")
    yield h("p", outside(load_sent(result)))
    yield h("p", f"{result.started_at}, measured by infercli {result.infercli_version}, ", outside(file), class_="dim")
    if several:
        best = headline(result)
        yield h("p", f"Of level {best + 1}, {result.stages[best].load.label}:")
    yield h("dl", *(h("div", h("dt", name), h("dd", value, note)) for name, value, note in _cards(result)),
            class_="cards")  # fmt: skip
    said = cautions(result)
    if said:
        yield h("ul", *(h("li", outside(line)) for line in said), class_="cautions")
    if several:
        yield tables.stages(result)
        yield from (h("p", outside(f"{line[0].upper()}{line[1:]}.")) for line in swept(result))
        yield from _curves(result)
    yield from _predicted(result)
    yield from tables.objectives(result)
    yield h("h3", "Latency")
    yield from _latency(result)
    if any(stage.traces for stage in result.stages):
        yield h("h3", "Over time")
        yield from panels(result)
    yield h("h3", "Energy and money")
    yield from tables.efficiency(result)
    yield from tables.gpus(result)
    yield from tables.engines(result)
    yield from tables.errors(result)
    yield h("h3", "The measuring side")
    yield tables.client(result)


def _cards(result: BenchResult) -> Iterator[tuple[str, str, ET.Element]]:
    """(name, value, what stands under it) of the level that the result is about."""
    best = headline(result)
    stage = result.stages[best]
    m = stage.metrics
    found = result.searched
    if found is not None and found.highest_rate_per_s is not None:
        highest, assured = found.highest_rate_per_s, found.assured
        if assured is not None and assured.rate_per_s != highest:
            yield _rate_card(result, "surely holds", assured.rate_per_s, assured.runs)
        least = "" if found.unfinished is None else "at least "
        yield _rate_card(result, "highest rate that holds", highest, found.runs, least)
    if result.generates:
        per_s = h("small", f"{tables.rate(m.requests_per_s)} requests/s")
        yield "output tokens/s", tables.rate(m.output_tokens_per_s), per_s
        for name, d in (("TTFT p50", m.ttft_s), ("TPOT p50", m.tpot_s)):
            yield name, _time(d, "p50"), h("small", f"p95 {_time(d, 'p95')}")
    else:
        tokens = m.input_tokens / m.duration_s if m.input_tokens and m.duration_s else None
        yield "requests/s", tables.rate(m.requests_per_s), h("small", f"{tables.rate(tokens)} input tokens/s")
    yield "end to end p50", _time(m.e2e_s, "p50"), h("small", f"p95 {_time(m.e2e_s, 'p95')}")
    failed = f"{m.failed:,} failed" if m.failed else "none failed"
    yield "answered", f"{m.answered:,} of {m.requests:,}", h("small", failed + (f", {m.cut:,} cut" if m.cut else ""))
    if stage.goodput is not None:
        good = stage.goodput
        verdict = "objectives hold" if good.holds else "objectives are missed"
        yield "good requests/s", tables.rate(good.good_requests_per_s), h("small", verdict)
    seen, usd = stage_telemetry(result, best), usd_per_million_output_tokens(result, best)
    if seen is not None and seen.joules_per_output_token is not None:
        yield (
            "J per output token",
            number(seen.joules_per_output_token),
            h("small", f"of {counted(len(seen.gpus), 'GPU')}"),
        )
    if usd is not None:
        yield "$ per 1M output tokens", f"{usd.value:,.2f}", h("small", usd.ends(1, 2))


def _rate_card(
    result: BenchResult, name: str, rate_per_s: float, runs: int, least: str = ""
) -> tuple[str, str, ET.Element]:
    said = f"in {counted(runs, 'run')}{sent(result, rate_per_s)}"
    return name, f"{least}{number(rate_per_s)}/s", h("small", said)


def _time(d: Distribution | None, field: str) -> str:
    if d is None:
        return UNKNOWN
    factor, unit = seconds(getattr(d, field))
    return f"{number(getattr(d, field) * factor)} {unit}"


def _curves(result: BenchResult) -> Iterator[ET.Element]:
    """Throughput against latency, in the order of the load."""
    tokens = any(s.metrics.output_tokens_per_s for s in result.stages)
    kinds: tuple[tuple[str, str, Latency], ...] = (
        (("TTFT", "ttft_s", "ttft"), ("TPOT", "tpot_s", "tpot")) if tokens else (("end to end", "e2e_s", "e2e"),)
    )
    drawn: list[ET.Element] = []
    for title, field, latency in kinds:
        known = [d.p95 for s in result.stages if (d := getattr(s.metrics, field)) is not None]
        factor, unit = seconds(max(known, default=0.0))
        points = list(_points(result, field, factor, tokens=tokens))
        asked = result.objectives.objectives if result.objectives is not None else ()
        limit = min((o.limit_s * factor for o in asked if o.latency == latency), default=None)
        if points:
            x_title = "output tokens/s" if tokens else "requests/s"
            drawn.append(curve(f"{title} against throughput", unit, x_title, points, limit))
    if drawn:
        yield h("h3", "Throughput against latency")
        yield h("div", drawn, class_="pair")


def _points(result: BenchResult, field: str, factor: float, *, tokens: bool) -> Iterator[Point]:
    for n, stage in sorted(enumerate(result.stages), key=lambda pair: _level(pair[1])):
        found: Distribution | None = getattr(stage.metrics, field)
        x = stage.metrics.output_tokens_per_s if tokens else stage.metrics.requests_per_s
        if found is None or x is None:
            continue
        said = result.prediction(n) if tokens else None
        y: Interval | None = getattr(said, field, None)
        if y is not None:
            y = Interval(value=y.value * factor, low=y.low * factor, high=y.high * factor)
        yield Point(
            label=str(n + 1),
            x=x,
            p50=found.p50 * factor,
            p95=found.p95 * factor,
            predicted_x=None if said is None else said.output_tokens_per_s,
            predicted_y=y,
        )


def _level(stage: StageResult) -> tuple[float, float]:
    """Closed loops by their users, before open loops by their rate."""
    load = stage.load
    return (0.0, float(load.concurrency or 0)) if load.arrivals is None else (1.0, load.rate_per_s or load.speed)


def _latency(result: BenchResult) -> Iterator[Child]:
    several = len(result.stages) > 1
    drawn = result.stages if len(result.stages) <= _MOST_DRAWN else ()
    for n, stage in enumerate(result.stages):
        if several:
            yield h("h4", f"{n + 1}: {stage.load.label}")
        if stage in drawn:
            yield h("div", _distributions(result, n), class_="pair")
        yield tables.percentiles(result, stage)


def _distributions(result: BenchResult, index: int) -> Iterator[ET.Element]:
    sample, said = samples(result.stages[index]), result.prediction(index)
    named = [
        ("TTFT", sample.ttft_s, None if said is None else said.ttft_s),
        ("TPOT", sample.tpot_s, None if said is None else said.tpot_s),
    ]
    if len(result.stages) == 1 or not sample.ttft_s:
        named += [("ITL", sample.itl_s, None), ("end to end", sample.e2e_s, None)]
    for title, values, expected in named:
        found = log_histogram(values, min(max(round(2 * len(values) ** 0.5), _BARS[0]), _BARS[1]))
        if found is not None:
            factor, unit = seconds(max(values))
            yield distribution(title, found, values, scale=factor, unit=unit, expected=expected)


def _predicted(result: BenchResult) -> Iterator[ET.Element]:
    """What was expected beside what was measured: relative to the expectation, so that all fit on one axis."""
    several = len(result.stages) > 1
    rows: list[Row] = []
    cells: list[list[Child]] = []
    for f in foretold(result.predicted, result.stages):
        digits = 0 if f.factor == 1 else 1
        measured = UNKNOWN if f.measured is None else f"{f.measured * f.factor:,.{digits}f}"
        load = f"{f.stage + 1}: {result.stages[f.stage].load.label}: " if several else ""
        value = f"{f.said.value * f.factor:,.{digits}f}"
        cells.append([load + f.quantity, value, f.said.ends(f.factor, digits), measured, f.side])
        if f.said.value > 0:
            label = f"{f.stage + 1}: {f.quantity}" if several else f.quantity
            low, high = f.said.low / f.said.value, f.said.high / f.said.value
            place = None if f.measured is None else f.measured / f.said.value
            says = f"{measured} {f.unit} measured: {f.side}"
            rows.append(Row(label, low, high, place, says, 2 if f.side == "inside" else 1))
    if not cells:
        return
    yield h("h3", "Predicted and measured")
    source = "; ".join(dict.fromkeys(p.source for p in result.predicted))
    top = max([2.0, *(row.high for row in rows), *(row.value for row in rows if row.value is not None)])
    if rows:
        note: list[Child] = ["bar: the predicted interval; dot: measured; by ", outside(source)]
        span = (0.0, min(top, _WIDEST))
        yield intervals("Measured, by what was predicted", note, "measured / predicted", rows, 1.0, span=span)
    caption = "80 % of measurements are meant to lie within an interval; latencies in ms"
    yield table(["", "predicted", "interval", "measured", ""], cells, caption)


def _files(results: Sequence[tuple[str, BenchResult]]) -> str:
    return ", ".join(file for file, _ in results)

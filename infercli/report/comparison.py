"""A comparison as one page: what differs and how surely, and the runs' latencies over one another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from infercli.core.bench.comparison import BenchComparison, MetricDifference, RunComparison, StageComparison
from infercli.core.bench.result import BenchResult
from infercli.core.bench.samples import samples
from infercli.report.charts import Row, intervals, shares
from infercli.report.markup import Child, document, h, outside, table
from infercli.report.naming import name, reasons, share, value, verdict
from infercli.report.scale import seconds
from infercli.report.style import STYLE

_COLOURS = {True: 2, False: 1, None: 0}
"""Of better, worse, and nothing shown."""
_WIDEST = 1.0
"""Of the axis of differences: as much again; what lies beyond ends in an arrow."""


def page(answer: BenchComparison, results: Sequence[tuple[str, BenchResult]]) -> str:
    """`results`: the files of the comparison, the first run first."""
    first = results[0][1]
    body: list[Child] = [
        h("h1", "Comparison of ", outside(first.target.model)),
        h("p", "Against ", outside(answer.baseline), f", measured {first.started_at}. {answer.method}"),
    ]
    for run, (_, result) in zip(answer.runs, results[1:], strict=True):
        body += _run(answer, run, first, result)
    return document(f"Comparison of {first.target.model}", STYLE, body)


def _run(answer: BenchComparison, run: RunComparison, a: BenchResult, b: BenchResult) -> Iterator[Child]:
    yield h("h2", outside(run.file), " against ", outside(answer.baseline))
    cautions = [f"Not one workload: {why}" for why in run.forced] + [
        f"Not compared: {label}" for label in run.unmatched
    ]
    if cautions:
        yield h("ul", *(h("li", outside(line)) for line in cautions), class_="cautions")
    if not run.stages:
        yield h("p", "They have no level of load in common: nothing is compared.")
    for stage in run.stages:
        yield from _stage(answer, run, stage, a, b)


def _stage(
    answer: BenchComparison, run: RunComparison, stage: StageComparison, a: BenchResult, b: BenchResult
) -> Iterator[Child]:
    yield h("h3", f"{stage.load}: {stage.requests_a:,} and {stage.requests_b:,} requests")
    said = [*stage.notes, *reasons(stage.differences)]
    if said:
        yield h("ul", *(h("li", outside(line)) for line in said), class_="cautions")
    rows = [_row(d) for d in stage.differences if d.a and d.low is not None and d.high is not None]
    if rows:
        reach = max(abs(end) for row in rows for end in (row.low, row.high))
        span = min(max(reach * 1.05, 0.05), _WIDEST)
        note = "as a share of the first run's number; bar: the 95 % interval; dot: the difference"
        yield intervals("Differences", note, "second - first, % of the first",
                        [_percent(row) for row in rows], 0.0, span=(-100 * span, 100 * span))  # fmt: skip
    titles = ["", "first", "second", "change", "difference", "95 % interval", ""]
    yield table(
        titles, [_cells(d) for d in stage.differences], "The first run is the one that all are compared with", (6,)
    )
    yield h("div", _shares(stage, (answer.baseline, a), (run.file, b)), class_="pair")


def _row(d: MetricDifference) -> Row:
    assert d.a
    assert d.low is not None
    assert d.high is not None
    assert d.difference is not None
    label = name(d.metric).partition(",")[0]
    says = f"{share(d, d.difference)}, {verdict(d)}"
    return Row(label, d.low / d.a, d.high / d.a, d.difference / d.a, says, _COLOURS[d.better])


def _percent(row: Row) -> Row:
    return row._replace(low=row.low * 100, high=row.high * 100, value=None if row.value is None else row.value * 100)


def _cells(d: MetricDifference) -> list[Child]:
    interval = "" if d.low is None else f"{value(d, d.low, sign=True)} to {value(d, d.high, sign=True)}"
    colour = {True: "good", False: "bad", None: None}[d.better]
    return [
        name(d.metric), value(d, d.a), value(d, d.b), share(d, d.difference), value(d, d.difference, sign=True),
        interval, h("span", verdict(d), class_=colour),
    ]  # fmt: skip


def _shares(
    stage: StageComparison, first: tuple[str, BenchResult], second: tuple[str, BenchResult]
) -> Iterator[ET.Element]:
    """The share of requests within each time, the runs over one another."""
    (file_a, a), (file_b, b) = first, second
    one, other = samples(a.stages[stage.a]), samples(b.stages[stage.b])
    for title, field in (("TTFT", "ttft_s"), ("TPOT", "tpot_s"), ("ITL", "itl_s"), ("End to end", "e2e_s")):
        xs, ys = getattr(one, field), getattr(other, field)
        factor, unit = seconds(max([*xs, *ys], default=0.0))
        named = [(file_a, [v * factor for v in xs]), (file_b, [v * factor for v in ys])]
        drawn = shares(title, unit, named)
        if drawn is not None:
            yield drawn

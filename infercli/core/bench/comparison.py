"""Two runs side by side: what differs, by how much, and what cannot be told.

The one thing to know: only runs of one workload are compared, and an interval says nothing about what differs from run
to run; two runs of one setup, compared first, show how much that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from infercli.core.bench import stats
from infercli.core.bench.goodput import Objectives, within
from infercli.core.bench.metrics import (
    Distribution,
    Span,
    counted_in,
    e2e_s,
    from_due,
    gaps_s,
    span_of,
    token_arrivals,
    tpot_s,
    ttft_s,
)
from infercli.core.bench.result import BenchResult
from infercli.core.bench.same_workload import match, sent_the_beginning, unlike
from infercli.core.bench.samples import answered_of
from infercli.core.bench.stage import StageResult
from infercli.core.bench.stats import Pooled, Resampled
from infercli.core.record import Document, Record
from infercli.core.traces import Trace

QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
METHOD = (
    f"Intervals are of {stats.LEVEL:.0%}, of the ratio of both, by bootstrap: {stats.RESAMPLES:,} times, blocks of "
    f"consecutive requests are drawn whole, with replacement, within a stage ({stats.BLOCKS} blocks; the interval is "
    "wider where neighbours are alike), and blocks of time for rates, with a fixed seed. Of twenty comparisons one "
    "shows a difference by chance. What differs from run to run is in no interval: compare two runs of one setup to "
    "see it."
)
_SEEDS = (1, 2)
"""Of the first and of the second run: draws of one must not follow those of the other."""
_DRIFTED = "a run drifted, so the interval is too narrow: run longer, or warm up longer"
_BURSTS = "the slowest came in a few bursts, and how often those come is not known: run longer"
_APART = "the interval is too narrow, but every part of one run lies beyond every part of the other"
_CACHED_APART = 0.1
"""Of the prompts' tokens, in the prefix cache of one run and not of the other. Our choice."""

Verdict = Literal["higher", "lower", "none shown", "not steady", "too few", "unknown"]
"""Of the second run. `none shown`: the interval holds 0, which is no proof of equality. `not steady`: it does not, but
a run drifted or saw too few bursts, so it is too narrow. `too few`: requests. `unknown`: a run has no such number, or
one of another kind."""


class MetricDifference(Record):
    """One number of two stages; its unit by its name."""

    metric: str
    """For example `ttft_p95_s`; `ttft_due_p95_s` where it counts from when requests were due (open loops)."""
    a: float | None
    b: float | None
    low: float | None = None
    """Of the interval of b - a, which is that of their ratio; None: too few, or unknown."""
    high: float | None = None
    verdict: Verdict
    better: bool | None = None
    """Whether the second run is; None: nothing was shown."""
    reason: str | None = None
    """Why nothing can be told, or not by how much."""

    @property
    def difference(self) -> float | None:
        """Of the second from the first: b - a."""
        return None if self.a is None or self.b is None else self.b - self.a


class StageComparison(Record):
    """One level of load in both runs."""

    load: str
    """Its label; `8 at a time / 16 at a time` where two different ones were forced."""
    a: int
    """Index into the stages of the first run."""
    b: int
    requests_a: int
    requests_b: int
    differences: tuple[MetricDifference, ...]
    notes: tuple[str, ...]


class RunComparison(Record):
    """One run against the first."""

    file: str
    forced: tuple[str, ...]
    """Why they are not the same workload: overruled."""
    stages: tuple[StageComparison, ...]
    unmatched: tuple[str, ...]
    """Stages that only one of the runs has."""


class BenchComparison(Document):
    """The answer of `infercli compare`."""

    kind: Literal["BenchComparison"] = "BenchComparison"
    baseline: str
    """The file of the first run."""
    method: str = METHOD
    runs: tuple[RunComparison, ...]

    @property
    def tells(self) -> bool:
        """Of some number it could be said whether it differs."""
        told = ("higher", "lower", "none shown")
        return any(d.verdict in told for run in self.runs for stage in run.stages for d in stage.differences)


def compare(a: BenchResult, b: BenchResult, file: str) -> RunComparison:
    """`b` against `a`, stage by stage. `file`: of b. Different workloads too: `unlike` is for the caller to ask."""
    pairs, rest_a, rest_b = match(a, b)
    if not pairs and len(rest_a) == len(rest_b):
        # No load in common, and compared all the same: in their order.
        pairs, rest_a, rest_b = list(zip(rest_a, rest_b, strict=True)), [], []
    return RunComparison(
        file=file,
        forced=unlike(a, b),
        stages=tuple(_stage(a, b, i, j) for i, j in pairs),
        unmatched=(
            *(f"{a.stages[i].load.label}: only in the first" for i in rest_a),
            *(f"{b.stages[j].load.label}: only in {file}" for j in rest_b),
        ),
    )


def _stage(a: BenchResult, b: BenchResult, i: int, j: int) -> StageComparison:
    one, other = a.stages[i], b.stages[j]
    label = one.load.label if one.load.label == other.load.label else f"{one.load.label} / {other.load.label}"
    same = a.objectives if a.objectives == b.objectives else None
    found = tuple(_differences(one, other, same, generates=a.generates or b.generates))
    notes = [f"{name}: {note}" for name, stage in (("first", one), ("second", other)) for note in _notes(stage)]
    if sent_the_beginning(a, b):
        notes.append(
            f"one run sent only the beginning of the other's prompts: {a.prompts.count:,} / {b.prompts.count:,}"
        )
    cached = [run.cached_fraction(stage) for run, stage in ((a, one), (b, other))]
    if cached[0] is not None and cached[1] is not None and abs(cached[0] - cached[1]) > _CACHED_APART:
        notes.append(
            f"the prefix cache held {cached[0]:.0%} of the first run's prompts and {cached[1]:.0%} of the second's: "
            "their TTFT is not of the same work"
        )
    if a.objectives != b.objectives:
        notes.append("goodput is left out: the runs have other objectives")
    return StageComparison(
        load=label,
        a=i,
        b=j,
        requests_a=one.metrics.requests,
        requests_b=other.metrics.requests,
        differences=found,
        notes=tuple(notes),
    )


def _notes(stage: StageResult) -> Iterator[str]:
    m = stage.metrics
    if m.failed:
        yield f"{m.failed} of {m.requests} requests failed: latencies are of those that were answered"
    if stage.check.client_limited:
        yield f"the client was the limit: {'; '.join(stage.check.reasons)}"
    if stage.client.proxy is not None:
        yield f"every request went through the proxy {stage.client.proxy}"
    if stage.stopped is not None:
        yield f"not complete: {stage.stopped}"


def _differences(
    a: StageResult, b: StageResult, objectives: Objectives | None, *, generates: bool
) -> Iterator[MetricDifference]:
    """`generates`: answers have tokens; an embedding has none, and of it the end and the rate of requests are told."""
    due = a.load.arrivals is not None and b.load.arrivals is not None
    since = "_due" if due else ""
    latencies: tuple[tuple[str, Callable[[Trace], Sequence[float]]], ...] = (
        (f"ttft{since}_s", _one(ttft_s, due=due)),
        ("tpot_s", _one(tpot_s)),
        ("itl_s", gaps_s),
        (f"e2e{since}_s", _one(e2e_s, due=due)),
    )
    for field, values in latencies if generates else latencies[-1:]:
        sides = [stats.pooled(_values(stage, values)) for stage in (a, b)]
        found = []
        for name, q in QUANTILES:
            known = [_quantile(getattr(stage.metrics, field), name) for stage in (a, b)]
            found.append(_quantiles(f"{field[:-2]}_{name}_s", known, sides, q))
        yield from _steady(found)
    if generates:
        yield _rates("output_tokens_per_s", [s.metrics.output_tokens_per_s for s in (a, b)], (a, b), _tokens)
    else:
        yield _rates("requests_per_s", [s.metrics.requests_per_s for s in (a, b)], (a, b), _answers)
    if objectives is not None:
        good = [None if s.goodput is None else s.goodput.good_requests_per_s for s in (a, b)]
        yield _rates("good_requests_per_s", good, (a, b), lambda stage: _good(stage, objectives))


def _quantiles(metric: str, known: Sequence[float | None], sides: Sequence[Pooled], q: float) -> MetricDifference:
    a, b = known
    if a is None or b is None:
        return _untold(metric, a, b, "unknown", "a run has no such number")
    few = [
        f"{side.requests:,} requests, and it takes {stats.MIN_REQUESTS:,}"
        if side.requests < stats.MIN_REQUESTS
        else f"{len(side.ordered):,} values, and p{q * 100:g} takes {stats.least(q):,}"
        for side in sides
        if side.requests < stats.MIN_REQUESTS or not stats.enough(len(side.ordered), q)
    ]
    if few:
        return _untold(metric, a, b, "too few", few[0])
    one, other = (stats.resample_quantile(side, q, seed=seed) for side, seed in zip(sides, _SEEDS, strict=True))
    return _told(metric, (a, b), one, other, more_is_better=False)


def _rates(
    metric: str,
    known: Sequence[float | None],
    stages: Sequence[StageResult],
    amounts: Callable[[StageResult], Iterable[tuple[float, float]]],
) -> MetricDifference:
    a, b = known
    if a is None or b is None:
        return _untold(metric, a, b, "unknown", "a run has no such number")
    fewest = min(stage.metrics.requests for stage in stages)
    if fewest < stats.MIN_REQUESTS:
        return _untold(metric, a, b, "too few", f"{fewest:,} requests, and it takes {stats.MIN_REQUESTS:,}")
    spans = [_span(stage) for stage in stages]
    if spans[0].steady != spans[1].steady:
        return _untold(metric, a, b, "unknown", "only one run had a cool-down, so their rates are of other times")
    one, other = (
        stats.resample_rate(amounts(stage), span.start_s, span.end_s, seed=seed)
        for stage, span, seed in zip(stages, spans, _SEEDS, strict=True)
    )
    return _told(metric, (a, b), one, other, more_is_better=True)


def _steady(found: Sequence[MetricDifference]) -> Iterator[MetricDifference]:
    """Quantiles of one latency: where one drifted, so did what the others are of, seen or not."""
    drifted = any(d.reason == _DRIFTED for d in found)
    for d in found:
        shown = drifted and d.verdict in ("higher", "lower") and d.reason != _APART
        yield d.model_copy(update={"verdict": "not steady", "better": None, "reason": _DRIFTED}) if shown else d


def _told(
    metric: str, known: tuple[float, float], a: Resampled, b: Resampled, *, more_is_better: bool
) -> MetricDifference:
    found = stats.gap(a, b)
    verdict: Verdict = ("higher" if found.low > 0 else "lower") if found.shown else "none shown"
    better = (found.low > 0) == more_is_better if found.shown else None
    reason = None
    drifts = a.drifts or b.drifts
    if found.shown and (drifts or a.bursts or b.bursts):
        reason = _APART if found.apart else _DRIFTED if drifts else _BURSTS
    if reason in (_DRIFTED, _BURSTS):
        verdict, better = "not steady", None
    return MetricDifference(
        metric=metric,
        a=known[0],
        b=known[1],
        low=found.low,
        high=found.high,
        verdict=verdict,
        better=better,
        reason=reason,
    )


def _untold(metric: str, a: float | None, b: float | None, verdict: Verdict, reason: str) -> MetricDifference:
    return MetricDifference(metric=metric, a=a, b=b, verdict=verdict, reason=reason)


def _values(stage: StageResult, values: Callable[[Trace], Sequence[float]]) -> list[Sequence[float]]:
    """Of the answered measured requests that have any, in the order of sending."""
    answered = sorted(answered_of(stage), key=lambda t: t.sent_s or 0.0)
    return [found for t in answered if (found := values(t))]


def _one(latency: Callable[[Trace], float | None], *, due: bool = False) -> Callable[[Trace], Sequence[float]]:
    """A latency as the values of a request; `due`: from when it was due."""

    def values(trace: Trace) -> Sequence[float]:
        value = from_due(latency, trace) if due else latency(trace)
        return () if value is None else (value,)

    return values


def _span(stage: StageResult) -> Span:
    """The measured time, as `Metrics.duration_s` has it."""
    span = span_of(stage.traces)
    assert span is not None  # a stage without one has no rates
    return span


def _tokens(stage: StageResult) -> Iterator[tuple[float, float]]:
    span = _span(stage)
    brought = (token_arrivals(t) for t in counted_in(stage.traces, span) if t.answered)
    return ((at_s, amount) for arrivals in brought for at_s, amount in arrivals if span.holds(at_s))


def _answers(stage: StageResult) -> Iterator[tuple[float, float]]:
    span = _span(stage)
    return ((t.ended_s, 1.0) for t in counted_in(stage.traces, span) if t.answered and span.holds(t.ended_s))


def _good(stage: StageResult, objectives: Objectives) -> list[tuple[float, float]]:
    """Those that were sent in the measured time; where that ends before they do, by when they were sent."""
    by_sending = _span(stage).steady
    good = [t for t in answered_of(stage) if all(within(t, o) for o in objectives.objectives)]
    return [((t.sent_s or 0.0) if by_sending else t.ended_s, 1.0) for t in good]


def _quantile(distribution: Distribution | None, name: str) -> float | None:
    return None if distribution is None else float(getattr(distribution, name))

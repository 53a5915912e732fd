"""A run on its own clock, in bins of equal width: latencies by the time of sending, tokens and requests in flight.

All phases are in it, for what was sent while the engine warmed up used the same GPU. A bin without a value is None: a
second in which nothing was sent has no TTFT, and no zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from infercli.core.bench.metrics import quantile, token_arrivals, tpot_s, ttft_s
from infercli.core.bench.stage import StageResult
from infercli.core.record import Record
from infercli.core.traces import Trace

STEPS = (1.0, 2.0, 5.0)
"""Widths are these times a power of ten, so that ticks and bins fall on round numbers."""


class Timeline(Record):
    """One value per bin in each column; bin i runs from `start_s + i * width_s`, on the clock of the run."""

    start_s: float
    width_s: float
    sent: tuple[int, ...]
    """Requests."""
    failed: tuple[int, ...]
    """Of those sent in the bin, and of those never sent that were due in it."""
    ttft_p50_s: tuple[float | None, ...]
    """Of the answered requests that were sent in the bin; so are the next three."""
    ttft_p95_s: tuple[float | None, ...]
    tpot_p50_s: tuple[float | None, ...]
    tpot_p95_s: tuple[float | None, ...]
    output_tokens_per_s: tuple[float, ...]
    """That arrived in the bin, those of failed and cut requests among them."""
    in_flight: tuple[float, ...]
    """Requests between sending and end, on average over the bin."""

    @property
    def bins(self) -> int:
        """How many."""
        return len(self.sent)

    @property
    def end_s(self) -> float:
        """Where the last bin ends."""
        return self.start_s + self.bins * self.width_s

    @property
    def middles_s(self) -> tuple[float, ...]:
        """Of the bins."""
        return tuple(self.start_s + (i + 0.5) * self.width_s for i in range(self.bins))


def round_width(span: float, most: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten of which at most `most` cover the span; 1 for no span."""
    if span <= 0:
        return 1.0
    power = 10.0 ** (math.floor(math.log10(span / most)) - 1)
    while True:
        for step in STEPS:
            if math.ceil(span / (step * power) - 1e-9) <= most:
                return step * power
        power *= 10


def timeline(stages: Sequence[StageResult], most_bins: int) -> Timeline:
    """Of stages that ran one after another."""
    start_s = min(stage.began_s for stage in stages)
    end_s = max(stage.began_s + max([t.ended_s for t in stage.traces], default=0.0) for stage in stages)
    width_s = round_width(end_s - start_s, most_bins)
    bins = max(1, math.ceil((end_s - start_s) / width_s - 1e-9))

    def place(at_s: float) -> int:
        return min(max(int((at_s - start_s) / width_s), 0), bins - 1)

    sent, failed = [0] * bins, [0] * bins
    tokens, busy = [0.0] * bins, [0.0] * bins
    ttft: list[list[float]] = [[] for _ in range(bins)]
    tpot: list[list[float]] = [[] for _ in range(bins)]
    for stage in stages:
        for trace in stage.traces:
            began_s = stage.began_s + (trace.intended_s if trace.sent_s is None else trace.sent_s)
            here = place(began_s)
            sent[here] += trace.sent_s is not None
            failed[here] += trace.error is not None
            if trace.sent_s is not None:
                _spread(busy, began_s - start_s, stage.began_s + trace.ended_s - start_s, width_s)
            for at_s, amount in token_arrivals(trace):
                tokens[place(stage.began_s + at_s)] += amount
            if trace.answered:
                _keep(ttft[here], ttft_s(trace))
                _keep(tpot[here], tpot_s(trace))
    return Timeline(
        start_s=start_s,
        width_s=width_s,
        sent=tuple(sent),
        failed=tuple(failed),
        ttft_p50_s=_each(ttft, 0.5),
        ttft_p95_s=_each(ttft, 0.95),
        tpot_p50_s=_each(tpot, 0.5),
        tpot_p95_s=_each(tpot, 0.95),
        output_tokens_per_s=tuple(n / width_s for n in tokens),
        in_flight=tuple(seconds / width_s for seconds in busy),
    )


def most_in_flight(traces: Sequence[Trace]) -> int:
    """The highest number of requests in flight at any instant; one that ends as another begins is gone."""
    changes = sorted(change for t in traces if t.sent_s is not None for change in ((t.sent_s, 1), (t.ended_s, -1)))
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def _spread(bins: list[float], start_s: float, end_s: float, width_s: float) -> None:
    """Add the time from `start_s` to `end_s` to the bins that it lies in."""
    for i in range(max(int(start_s / width_s), 0), min(int(end_s / width_s), len(bins) - 1) + 1):
        bins[i] += max(0.0, min(end_s, (i + 1) * width_s) - max(start_s, i * width_s))


def _keep(values: list[float], value: float | None) -> None:
    if value is not None:
        values.append(value)


def _each(bins: Sequence[list[float]], q: float) -> tuple[float | None, ...]:
    return tuple(quantile(sorted(values), q) if values else None for values in bins)

"""Which level of load a result is about: a report begins with it, and a release keeps it."""

from __future__ import annotations

from typing import NamedTuple

from infercli.core.bench.result import BenchResult
from infercli.core.bench.search import holds
from infercli.core.bench.sweep import saturation
from infercli.core.release import Measured


def headline(result: BenchResult) -> int:
    """The level that the result is about: that which a search found, a sweep's saturation, else the highest throughput.

    Of a search that found none the slowest level, and of given levels with objectives the best that holds.
    """
    numbered = list(enumerate(result.stages))
    if result.searched is not None and len(numbered) > 1:
        found = result.searched.rate_per_s
        at = [n for n, s in numbered[1:] if s.load.rate_per_s == found]
        return at[-1] if at else min(numbered[1:], key=lambda pair: pair[1].load.rate_per_s or 0.0)[0]
    if all(s.load.arrivals is None for s in result.stages):
        saturated = saturation(result.stages)
        return next((n for n, s in numbered if s is saturated), 0)
    held = [pair for pair in numbered if holds(pair[1])]
    return max(held or numbered, key=lambda pair: pair[1].metrics.output_tokens_per_s or 0.0)[0]


class Kept(NamedTuple):
    """What a release keeps of a result."""

    measured: Measured
    engines: tuple[str, ...]
    """Applications that answered; empty: it was not told."""


def kept(result: BenchResult, digest: str) -> Kept | None:
    """Of the headline, or where that was interrupted of the fastest level that was not; None: all of them were.

    `digest`: sha256 of the result's file.
    """
    whole = [i for i, stage in enumerate(result.stages) if not stage.interrupted]
    if not whole:
        return None
    at = headline(result)
    if at not in whole:
        at = max(whole, key=lambda i: result.stages[i].metrics.output_tokens_per_s or 0.0)
    stage, m = result.stages[at], result.stages[at].metrics
    planned = next((p.output_tokens_per_s for p in result.predicted if p.stage == at), None)
    measured = Measured(
        result=digest[:12],
        at=result.started_at,
        load=stage.load.label,
        answered=m.answered,
        output_tokens_per_s=m.output_tokens_per_s,
        ttft_p95_s=m.ttft_s.p95 if m.ttft_s else None,
        tpot_p50_s=m.tpot_s.p50 if m.tpot_s else None,
        client_limited=stage.check.client_limited,
        planned_output_tokens_per_s=None if planned is None else (planned.low, planned.high),
    )
    return Kept(measured, tuple(sorted({t.engine for t in stage.traces if t.engine is not None})))

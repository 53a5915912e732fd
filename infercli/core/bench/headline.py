"""Which level of load a result is about: a report begins with it, and a release keeps it."""

from __future__ import annotations

from infercli.core.bench.result import BenchResult
from infercli.core.bench.search import holds
from infercli.core.bench.sweep import saturation


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

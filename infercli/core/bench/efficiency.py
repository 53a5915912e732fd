"""What a level of load took of the GPUs that were watched, and what its tokens cost.

The one thing to know: the samples of a result's telemetry are on the clock of the run (`origin_monotonic_ns`), as the
stages are; the GPUs watched are those of a machine, and need not be those that served.
"""

from __future__ import annotations

import math

from infercli.core.bench.metrics import token_arrivals
from infercli.core.bench.result import BenchResult
from infercli.core.estimates.answer import Interval
from infercli.core.telemetry.gpus import TelemetrySummary, summarise


def stage_telemetry(result: BenchResult, stage: int) -> TelemetrySummary | None:
    """Of one stage, warm-up and all; None: there was no telemetry (`telemetry_reason`)."""
    if result.telemetry is None:
        return None
    one = result.stages[stage]
    return summarise(
        result.telemetry, start_s=one.began_s, end_s=one.ended_s, output_tokens=_tokens(result, stage) or None
    )


def run_telemetry(result: BenchResult) -> TelemetrySummary | None:
    """Of the whole run, pauses between stages included."""
    if result.telemetry is None:
        return None
    tokens = sum(_tokens(result, stage) for stage in range(len(result.stages)))
    began_s, ended_s = result.stages[0].began_s, result.stages[-1].ended_s
    return summarise(result.telemetry, start_s=began_s, end_s=ended_s, output_tokens=tokens or None)


def usd_per_million_output_tokens(result: BenchResult, stage: int) -> Interval | None:
    """At the stage's rate around the clock; None: no price, or no tokens."""
    if result.price is None:
        return None
    return result.price.usd_per_million(result.stages[stage].metrics.output_tokens_per_s)


def _tokens(result: BenchResult, stage: int) -> int:
    """All that were made while the stage ran: the GPU worked for the warm-up and for failed requests as well."""
    return round(math.fsum(amount for t in result.stages[stage].traces for _, amount in token_arrivals(t)))

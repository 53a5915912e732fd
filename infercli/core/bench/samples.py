"""The samples that the distributions of `Metrics` are of, for those who draw or export them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from infercli.core.bench.metrics import e2e_s, gaps_s, tpot_s, ttft_s, wait_s
from infercli.core.bench.stage import StageResult
from infercli.core.traces import Trace


class Samples(NamedTuple):
    """Of the answered measured requests, in seconds, in the order of the traces."""

    ttft_s: list[float]
    tpot_s: list[float]
    itl_s: list[float]
    e2e_s: list[float]
    ttft_due_s: list[float]
    e2e_due_s: list[float]


def samples(stage: StageResult) -> Samples:
    """As `measure` takes them."""
    answered = answered_of(stage)
    return Samples(
        ttft_s=_known(map(ttft_s, answered)),
        tpot_s=_known(map(tpot_s, answered)),
        itl_s=[gap for t in answered for gap in gaps_s(t)],
        e2e_s=_known(map(e2e_s, answered)),
        ttft_due_s=_known(from_due(ttft_s, t) for t in answered),
        e2e_due_s=_known(from_due(e2e_s, t) for t in answered),
    )


def answered_of(stage: StageResult) -> list[Trace]:
    """The requests that metrics are of."""
    return [t for t in stage.traces if t.phase == "measured" and t.answered]


def asked_tokens(stage: StageResult) -> list[int]:
    """How many tokens the answers of those might have at most."""
    return [t.max_tokens or stage.load.max_tokens for t in answered_of(stage)]


def from_due(latency: Callable[[Trace], float | None], trace: Trace) -> float | None:
    """A latency that counts from when the request was due; None where there is none."""
    value, wait = latency(trace), wait_s(trace)
    return None if value is None or wait is None else value + wait


def deviation(values: Sequence[float]) -> float | None:
    """The standard deviation of the sample itself (divided by its size, as numpy's std); None for an empty one."""
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))


def _known(values: Iterable[float | None]) -> list[float]:
    return [v for v in values if v is not None]

"""The samples that the distributions of `Metrics` are of, for those who draw or export them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from infercli.core.bench.metrics import Samples, samples_of
from infercli.core.bench.stage import StageResult
from infercli.core.traces import Trace


def samples(stage: StageResult) -> Samples:
    """As `measure` takes them."""
    return samples_of(answered_of(stage))


def answered_of(stage: StageResult) -> list[Trace]:
    """The requests that metrics are of."""
    return [t for t in stage.traces if t.phase == "measured" and t.answered]


def asked_tokens(stage: StageResult) -> list[int]:
    """How many tokens the answers of those might have at most."""
    return [t.max_tokens or stage.load.max_tokens for t in answered_of(stage)]


def deviation(values: Sequence[float]) -> float | None:
    """The standard deviation of the sample itself (divided by its size, as numpy's std); None for an empty one."""
    if not values:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / len(values))

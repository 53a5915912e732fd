"""When the requests of an open loop are due. The same load gives the same times in every worker, and in every run."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Sequence

from infercli.core.load.conversation import Conversation
from infercli.core.traces import Load

_EVENED = 100_000
"""Arrivals up to which their number is made exact, our choice: beyond, chance moves the rate by less than a third of a
percent, and every worker draws them all before it begins."""
_ROUNDING = 1e-9
"""Of a load's length: an arrival that is nearer to its end than that is due at its end, and no more of it. Sums of gaps
are off by less than a thousandth of this. Otherwise their rounding decided whether there is one request more."""


def arrivals(load: Load, conversations: Sequence[Conversation]) -> Iterator[tuple[float, int]]:
    """(seconds after the load began, index of the conversation that begins then), in order, until the load ends."""
    times = _trace(load, conversations) if load.arrivals == "trace" else _times(load)
    for k, (at_s, index) in enumerate(times):
        if load.duration_s is not None and at_s >= load.duration_s * (1 - _ROUNDING):
            return
        if load.requests is not None and k >= load.requests:
            return
        yield at_s, index % len(conversations)


def _trace(load: Load, conversations: Sequence[Conversation]) -> Iterator[tuple[float, int]]:
    """As the conversations say; where one says nothing, with the one before."""
    last_s = 0.0
    for index, conversation in enumerate(conversations):
        last_s = last_s if conversation.at_s is None else conversation.at_s
        yield last_s / load.speed, index


def _times(load: Load) -> Iterator[tuple[float, int]]:
    """Gaps of mean 1, stretched to the rate: so that a ramp changes all three kinds of arrivals alike."""
    assert load.rate_per_s is not None  # Load says so
    gaps = itertools.repeat(1.0) if load.arrivals == "constant" else _random_gaps(load)
    passed = 0.0
    index = load.warmup_requests
    while True:
        at_s = _stretched(load, passed)
        if math.isinf(at_s):
            return
        yield at_s, index
        index += 1
        passed += next(gaps)


def _random_gaps(load: Load) -> Iterator[float]:
    """As many arrivals as the rate says fall into the load: gaps as chance draws them, given their sum.

    Without that a run of a hundred Poisson arrivals is off its rate by a tenth, and what a rate was found to hold would
    be said of another. Given their number, Poisson arrivals are as random within the load as before.
    """
    source = random.Random(load.seed)  # noqa: S311  # reproducible arrivals, not secrets
    shape = load.burstiness if load.arrivals == "gamma" and load.burstiness is not None else 1.0
    count = _count(load)
    if 1 < count <= _EVENED:
        drawn = [source.gammavariate(shape, 1 / shape) for _ in range(count)]
        scale = count / sum(drawn)
        yield from (gap * scale for gap in drawn)
    while True:
        yield source.gammavariate(shape, 1 / shape)


def _count(load: Load) -> int:
    """Arrivals on average; 0 where the load says no end."""
    if load.duration_s is None:
        return load.requests or 0
    rate = load.rate_per_s or 0.0
    mean = (rate + (rate if load.ramp_to_per_s is None else load.ramp_to_per_s)) / 2
    return round(min(mean * load.duration_s, load.requests or math.inf))


def _stretched(load: Load, passed: float) -> float:
    """When `passed` requests have come on average. A ramp's rate is r + (q - r) t / d: its integral is solved for t."""
    rate, to, duration_s = load.rate_per_s or 0.0, load.ramp_to_per_s, load.duration_s
    if to is None or duration_s is None or to == rate:
        return passed / rate
    slope = (to - rate) / duration_s
    square = rate * rate + 2 * slope * passed
    return (math.sqrt(square) - rate) / slope if square >= 0 else math.inf

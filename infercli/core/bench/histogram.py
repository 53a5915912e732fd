"""A sample as a histogram whose bins grow by a constant factor: latencies span decades, and the tail matters."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from infercli.core.record import Record

PER_DECADE = (100, 50, 40, 25, 20, 10, 5, 4, 2, 1)
"""Bins to a factor of ten; 10^(1/20) is 12 % wide."""


class LogHistogram(Record):
    """`counts[i]` values lie in [edges[i], edges[i + 1])."""

    edges: tuple[float, ...]
    """In the unit of the sample; one more than counts."""
    counts: tuple[int, ...]
    zeros: int
    """Values of 0 or less, which have no logarithm: two arrivals with one time."""


def log_histogram(values: Sequence[float], most_bins: int) -> LogHistogram | None:
    """The finest of PER_DECADE that covers the sample with at most `most_bins`; None without a value above 0."""
    positive = sorted(v for v in values if v > 0)
    if not positive:
        return None
    for per_decade in PER_DECADE:
        first = _below(positive[0], per_decade)
        bins = _below(positive[-1], per_decade) - first + 1
        if bins <= most_bins or per_decade == PER_DECADE[-1]:
            break
    edges = [_edge(first + i, per_decade) for i in range(bins + 1)]
    places = [0, *(bisect_left(positive, edge) for edge in edges[1:-1]), len(positive)]
    return LogHistogram(
        edges=tuple(edges),
        counts=tuple(b - a for a, b in pairwise(places)),
        zeros=len(values) - len(positive),
    )


def _edge(place: int, per_decade: int) -> float:
    return float(10.0 ** (place / per_decade))


def _below(value: float, per_decade: int) -> int:
    """The place of the last edge that is not above a value."""
    place = math.floor(math.log10(value) * per_decade)
    # The logarithm of a value beside an edge may come out on its other side.
    if _edge(place, per_decade) > value:
        return place - 1
    return place + 1 if _edge(place + 1, per_decade) <= value else place

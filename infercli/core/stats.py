"""How far a number of a run could have come out otherwise: a bootstrap over blocks of consecutive requests or of time.

Requests that are served beside one another share a batch and a queue, so neighbours are alike; drawing single requests
would take them for independent and find differences between equal runs. So a run is cut into blocks in the order of
sending, and whole blocks are drawn with replacement (Kuensch 1989; Carlstein 1986, blocks that do not overlap). Where
neighbouring blocks are still alike, longer ones are taken. A rate is drawn from blocks of time instead: its requests
were not sent at times of their own choosing, and what a second produced is what varies.

It says nothing about what differs from run to run (another node, other neighbours, a warmer GPU).
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from statistics import NormalDist
from typing import Any, TypeVar

from infercli.core.metrics import quantile

T = TypeVar("T")
Pick = Callable[[Sequence[Any]], tuple[Any, ...]]
"""Blocks that were drawn, out of a value for each block."""

RESAMPLES = 2000
"""The ends of a 95 % interval are then the 50th lowest and highest, steady to some 10 % of its width."""
LEVEL = 0.95
MOST_BLOCKS = 48
"""Of more, the variance of the estimate is hardly better, and shorter blocks are more alike."""
FEWEST_BLOCKS = 12
"""Of fewer, the spread of the blocks is a guess: Student's t for 11 degrees is 1.12 times the normal's."""
MIN_REQUESTS = 30
"""Under that nothing is said: the usual rule of thumb for a mean."""
MIN_BEYOND = 10
"""Values that must lie beyond a quantile on its thinner side; so p95 takes 200 and p99 1,000. The field's rule."""
_CANDIDATES = 400
"""Steps in which a redrawn quantile is found where there are more values than that: 0.03 of its standard deviation."""
_REACH = 6.0
"""Standard deviations from the quantile to the outermost candidate."""


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """A number as it was, and as it comes out of the redrawn runs."""

    value: float
    draws: tuple[float, ...]
    blocks: int
    drifts: bool
    """Blocks were alike with their neighbours down to the fewest: the run was not steady, the draws vary too little."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """The difference between two runs."""

    value: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def enough(values: int, q: float) -> bool:
    """Whether a quantile of so many values can be compared."""
    return values * min(q, 1 - q) >= MIN_BEYOND - 1e-9


def least(q: float) -> int:
    """How many values a quantile takes."""
    return math.ceil(MIN_BEYOND / min(q, 1 - q) - 1e-9)


def resample_quantile(requests: Sequence[Sequence[float]], q: float, *, seed: int) -> Resampled:
    """The q-quantile of all values together. `requests`: each with its values, in the order of sending.

    One value a request (TTFT), or several (the gaps between its tokens), which are then drawn together.
    """
    pooled = sorted(value for values in requests for value in values)
    point = quantile(pooled, q)

    def excess(block: Sequence[Sequence[float]]) -> float:
        return sum((value <= point) - q for values in block for value in values)

    blocks, drifts = _blocks(requests, excess)
    sorted_blocks = [sorted(value for values in block for value in values) for block in blocks]
    reach = _REACH * math.sqrt(_squares([excess(block) for block in blocks])) + 2
    rank = q * (len(pooled) - 1)
    first, last = max(0, math.floor(rank - reach)), min(len(pooled) - 1, math.ceil(rank + reach))
    candidates = pooled[first : last + 1]
    if len(candidates) > _CANDIDATES:
        step = (len(candidates) - 1) / (_CANDIDATES - 1)
        candidates = [candidates[round(i * step)] for i in range(_CANDIDATES)]
    # counts[j][b]: how many values of block b are at most candidate j. A redrawn run has the sum over its blocks.
    counts = [tuple(bisect_right(block, candidate) for block in sorted_blocks) for candidate in candidates]
    sizes = tuple(len(block) for block in sorted_blocks)
    draws = []
    for drawn in _drawn(len(blocks), seed):
        rank = q * (sum(drawn(sizes)) - 1)
        low = math.floor(rank)
        a = _holding(counts, drawn, low + 1, 0)
        b = a if sum(drawn(counts[a])) >= low + 2 else _holding(counts, drawn, low + 2, a)
        draws.append(candidates[a] + (candidates[b] - candidates[a]) * (rank - low))
    return Resampled(value=point, draws=tuple(draws), blocks=len(blocks), drifts=drifts)


def _holding(counts: Sequence[tuple[int, ...]], drawn: Pick, values: int, first: int) -> int:
    """The first candidate that at least so many of the drawn values do not exceed; the last where there is none."""
    place = bisect_left(counts, values, lo=first, key=lambda row: sum(drawn(row)))
    return min(place, len(counts) - 1)


def resample_rate(amounts: Sequence[tuple[float, float]], start_s: float, end_s: float, *, seed: int) -> Resampled:
    """Amounts per second from `start_s` to `end_s`. `amounts`: (when, how much), in any order."""
    pieces = [0.0] * MOST_BLOCKS
    width = (end_s - start_s) / MOST_BLOCKS
    for at_s, amount in amounts:
        pieces[min(max(int((at_s - start_s) / width), 0), MOST_BLOCKS - 1)] += amount
    blocks, drifts = _blocks(pieces, sum)
    # All blocks are equally long: MOST_BLOCKS is FEWEST_BLOCKS times a power of two.
    sums = tuple(math.fsum(block) for block in blocks)
    draws = tuple(math.fsum(drawn(sums)) / (end_s - start_s) for drawn in _drawn(len(blocks), seed))
    return Resampled(value=math.fsum(sums) / (end_s - start_s), draws=draws, blocks=len(blocks), drifts=drifts)


def gap(a: Resampled, b: Resampled) -> Gap:
    """`b` - `a`, with the interval that holds the true one in about 95 of 100 runs."""
    ordered = sorted(y - x for x, y in zip(a.draws, b.draws, strict=True))
    tail = _tail(min(a.blocks, b.blocks))
    return Gap(value=b.value - a.value, low=quantile(ordered, tail), high=quantile(ordered, 1 - tail))


def _blocks(pieces: Sequence[T], amount: Callable[[Sequence[T]], float]) -> tuple[list[Sequence[T]], bool]:
    """Pieces in blocks of neighbours: as many as are not alike with the next one, down to FEWEST_BLOCKS."""
    count = min(len(pieces), MOST_BLOCKS)
    while True:
        blocks = _cut(pieces, count)
        alike = _alike([amount(block) for block in blocks])
        if not alike or count // 2 < FEWEST_BLOCKS:
            return blocks, alike
        count //= 2


def _cut(pieces: Sequence[T], count: int) -> list[Sequence[T]]:
    ends = [round(i * len(pieces) / count) for i in range(count + 1)]
    return [pieces[a:b] for a, b in pairwise(ends)]


def _alike(amounts: Sequence[float]) -> bool:
    """Whether the autocorrelation at lag 1 is above what 95 of 100 unrelated series have."""
    mean = math.fsum(amounts) / len(amounts)
    squares = _squares(amounts)
    if not squares:
        return False
    products = math.fsum((a - mean) * (b - mean) for a, b in pairwise(amounts))
    return products / squares > 1.645 / math.sqrt(len(amounts))


def _squares(amounts: Sequence[float]) -> float:
    mean = math.fsum(amounts) / len(amounts)
    return math.fsum((a - mean) ** 2 for a in amounts)


@lru_cache(maxsize=16)
def _drawn(blocks: int, seed: int) -> tuple[Pick, ...]:
    """RESAMPLES times as many blocks as there are, drawn with replacement: each picks its blocks out of a tuple."""
    draw = random.Random(seed).random  # noqa: S311  # not for secrets
    return tuple(itemgetter(*[int(draw() * blocks) for _ in range(blocks)]) for _ in range(RESAMPLES))


def _tail(blocks: int) -> float:
    """Where the interval ends among the sorted draws: further out than 2.5 % for few blocks.

    A bootstrap's spread is too small by sqrt((n - 1) / n), and few blocks need Student's t instead of the normal
    distribution; the level is moved to make up for both (Hesterberg, arXiv 1411.5279, 4.3).
    """
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    n = blocks - 1
    # Student's quantile from the normal one (Abramowitz and Stegun 26.7.5), good to 0.001 from 11 degrees on.
    t = z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
    t += (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    return NormalDist().cdf(-t * math.sqrt(blocks / n))

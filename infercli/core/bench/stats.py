"""How far a number of a run could have come out otherwise: a bootstrap over blocks of consecutive requests or of time.

Requests that are served beside one another share a batch and a queue, so neighbours are alike; drawing single requests
would take them for independent and find differences between equal runs. So a run is cut into blocks in the order of
sending, and whole blocks are drawn with replacement (Kuensch 1989; Carlstein 1986, blocks that do not overlap). Where
neighbouring blocks are still alike, the interval is made as much wider as that makes the mean of a series vary more. A
rate is drawn from blocks of time instead: its requests were not sent at times of their own choosing, and what a second
produced is what varies.

It says nothing about what differs from run to run (another node, other neighbours, a warmer GPU).
"""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from statistics import NormalDist
from typing import Any, TypeVar

from infercli.core.bench.metrics import quantile

T = TypeVar("T")
B = TypeVar("B", bound=Sequence[Any])
Pick = Callable[[Sequence[Any]], tuple[Any, ...]]
"""Blocks that were drawn, out of a value for each block."""

RESAMPLES = 2000
"""The ends of a 95 % interval are then the 50th lowest and highest, steady to some 10 % of its width."""
LEVEL = 0.95
BLOCKS = 24
"""Of more, shorter ones, each is like its neighbours and the spread of all too small; of fewer neither the spread nor
how alike neighbours are is known well. Chosen by measuring false alarms between equal queues: 16 do as well."""
FEWEST_BLOCKS = 12
"""Where neighbours are too much alike, twice as long ones may not be."""
MOST_ALIKE = 0.6
"""Correlation of neighbours: beyond it the interval would have to be twice as wide and more, by how much is a guess."""
MIN_REQUESTS = 30
"""Under that nothing is said: the usual rule of thumb for a mean."""
MIN_BEYOND = 10
"""Values that must lie beyond a quantile on its thinner side; so p95 takes 200 and p99 1,000. The field's rule."""
MIN_INDEPENDENT_BEYOND = 5
"""And as so many independent ones they must count, by the spread of the blocks: a queue that was long three times in a
run says nothing of a p95, however many requests stood in it. Fewer than MIN_BEYOND, for the spread is an estimate."""
_CANDIDATES = 400
"""Steps in which a redrawn quantile is found where there are more values than that: 0.03 of its standard deviation."""
_REACH = 6.0
"""Standard deviations from the quantile to the outermost candidate."""


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """A number as it comes out of the redrawn runs."""

    point: float
    """As the run itself has it."""
    draws: tuple[float, ...]
    blocks: int
    drifts: bool
    """Blocks are too much like their neighbours: the run was not steady, the draws vary too little."""
    bursts: bool = False
    """What lies beyond the quantile came in a few bursts: how seldom they are is not known."""
    lowest: float = -math.inf
    highest: float = math.inf
    """The number itself, of the block where it is least, and where it is most."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """How far two runs lie apart: an interval of the change from the first to the second, in the number's unit."""

    low: float
    high: float
    apart: bool = False
    """Every block of one run lies beyond every block of the other."""

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


@dataclass(frozen=True)
class Pooled:
    """The values of a run, sorted once for all of its quantiles."""

    requests: int
    ordered: list[float]
    blocks: tuple[list[list[float]], ...]
    """Of each block of neighbours its values in order: of BLOCKS blocks, and of FEWEST_BLOCKS."""


def pooled(requests: Sequence[Sequence[float]]) -> Pooled:
    """`requests`: each with its values, in the order of sending.

    One value a request (TTFT), or several (the gaps between its tokens), which are then drawn together.
    """
    blocks = tuple([sorted(itertools.chain.from_iterable(block)) for block in cut] for cut in _cuts(requests))
    # Blocks that are in order are merged faster than values are sorted.
    return Pooled(len(requests), sorted(itertools.chain.from_iterable(blocks[0])), blocks)


def resample_quantile(run: Pooled, q: float, *, seed: int) -> Resampled:
    """The q-quantile of all values together."""
    ordered = run.ordered
    point = quantile(ordered, q)

    def excess(block: Sequence[float]) -> float:
        return bisect_right(block, point) - q * len(block)

    blocks, wider, drifts = _unalike(run.blocks, excess)
    squares = _squares([excess(block) for block in blocks])
    reach = _REACH * math.sqrt(squares) + 2
    rank = q * (len(ordered) - 1)
    first, last = max(0, math.floor(rank - reach)), min(len(ordered) - 1, math.ceil(rank + reach))
    candidates = ordered[first : last + 1]
    if len(candidates) > _CANDIDATES:
        step = (len(candidates) - 1) / (_CANDIDATES - 1)
        candidates = [candidates[round(i * step)] for i in range(_CANDIDATES)]
    # counts[j][b]: how many values of block b are at most candidate j. A redrawn run has the sum over its blocks.
    counts = [tuple(bisect_right(block, candidate) for block in blocks) for candidate in candidates]
    sizes = tuple(len(block) for block in blocks)
    draws = []
    for drawn in _drawn(len(blocks), seed):
        rank = q * (sum(drawn(sizes)) - 1)
        low = math.floor(rank)
        a = _holding(counts, drawn, low + 1, 0)
        b = a if sum(drawn(counts[a])) >= low + 2 else _holding(counts, drawn, low + 2, a)
        draws.append(_spread(candidates[a] + (candidates[b] - candidates[a]) * (rank - low), point, wider))
    # Independent values would spread the blocks by the binomial distribution's variance.
    times = squares * len(blocks) / (len(blocks) - 1) * wider**2 / (len(ordered) * q * (1 - q))
    own = [quantile(block, q) for block in blocks]
    return Resampled(
        point=point,
        draws=tuple(draws),
        blocks=len(blocks),
        drifts=drifts,
        bursts=len(ordered) / max(times, 1.0) * min(q, 1 - q) < MIN_INDEPENDENT_BEYOND,
        lowest=min(own),
        highest=max(own),
    )


def _holding(counts: Sequence[tuple[int, ...]], drawn: Pick, values: int, first: int) -> int:
    """The first candidate that at least so many of the drawn values do not exceed; the last where there is none."""
    place = bisect_left(counts, values, lo=first, key=lambda row: sum(drawn(row)))
    return min(place, len(counts) - 1)


def resample_rate(amounts: Iterable[tuple[float, float]], start_s: float, end_s: float, *, seed: int) -> Resampled:
    """Amounts per second from `start_s` to `end_s`. `amounts`: (when, how much), in any order."""
    pieces = [0.0] * BLOCKS
    width = (end_s - start_s) / BLOCKS
    for at_s, amount in amounts:
        place = int((at_s - start_s) / width)
        pieces[place if 0 <= place < BLOCKS else 0 if place < 0 else BLOCKS - 1] += amount  # a million times
    blocks, wider, drifts = _unalike(_cuts(pieces), math.fsum)
    sums = tuple(math.fsum(block) for block in blocks)
    total = math.fsum(sums)
    draws = tuple(
        _spread(math.fsum(drawn(sums)), total, wider) / (end_s - start_s) for drawn in _drawn(len(sums), seed)
    )
    return Resampled(
        point=total / (end_s - start_s),
        draws=draws,
        blocks=len(sums),
        drifts=drifts,
        lowest=min(sums) / (end_s - start_s) * len(sums),
        highest=max(sums) / (end_s - start_s) * len(sums),
    )


def _spread(value: float, point: float, wider: float) -> float:
    """A redrawn number so many times as far from the run's own: by their ratio, since none falls below zero."""
    return point * (value / point) ** wider if point > 0 else wider * value


def gap(a: Resampled, b: Resampled) -> Gap:
    """`b` - `a`, with the interval that holds the true one in about 95 of 100 runs.

    It is that of the ratio of both, times `a`: a number may become many times as large, and falls by all of it at most.
    """
    pairs = zip(a.draws, b.draws, strict=True)
    if min(a.draws) > 0:
        ordered = sorted(a.point * (y / x - 1) for x, y in pairs)
    else:  # nothing is so many times nothing
        ordered = sorted(max(y - x, -a.point) for x, y in pairs)
    tail = _tail(min(a.blocks, b.blocks))
    return Gap(
        low=quantile(ordered, tail),
        high=quantile(ordered, 1 - tail),
        apart=a.highest < b.lowest or b.highest < a.lowest,
    )


def _cuts(pieces: Sequence[T]) -> Iterator[list[Sequence[T]]]:
    """Pieces in blocks of neighbours: in BLOCKS, and in FEWEST_BLOCKS."""
    for count in (max(1, min(len(pieces), BLOCKS)), FEWEST_BLOCKS):
        yield _cut(pieces, count)


def _unalike(cuts: Iterable[B], amount: Callable[[Any], float]) -> tuple[B, float, bool]:
    """The blocks, and what `_wider` says of their amounts; the fewer where the more are too much alike."""
    for blocks in cuts:
        wider, drifts = _wider([amount(block) for block in blocks])
        if not drifts:
            break
    return blocks, wider, drifts


def _cut(pieces: Sequence[T], count: int) -> list[Sequence[T]]:
    ends = [round(i * len(pieces) / count) for i in range(count + 1)]
    return [pieces[a:b] for a, b in pairwise(ends)]


def _wider(amounts: Sequence[float]) -> tuple[float, bool]:
    """(how many times wider the draws must spread for what neighbouring blocks have in common, whether it is too much).

    Of a series in which each value is like the one before by a correlation r, the mean varies sqrt((1 + r) / (1 - r))
    times as much as that of independent values.
    """
    squares = _squares(amounts)
    if not squares:
        return 1.0, False
    mean = math.fsum(amounts) / len(amounts)
    alike = math.fsum((a - mean) * (b - mean) for a, b in pairwise(amounts)) / squares
    # It comes out too low by so much of a short series (M. G. Kendall, Biometrika 41, 1954).
    alike += (1 + 3 * alike) / len(amounts)
    if alike > MOST_ALIKE:
        return 1.0, True
    within = max(alike, 0.0)
    return math.sqrt((1 + within) / (1 - within)), False


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
    t = student(NormalDist().inv_cdf((1 + LEVEL) / 2), blocks - 1)
    return NormalDist().cdf(-t * math.sqrt(blocks / (blocks - 1)))


def student(z: float, degrees: int) -> float:
    """Student's quantile from the normal one (Abramowitz and Stegun 26.7.5), good to 0.001 from 11 degrees on."""
    n = max(degrees, 1)
    t = z + (z**3 + z) / (4 * n) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
    return t + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)


def independent(runs: Sequence[Sequence[float]], blocks: int) -> tuple[float, int]:
    """As how many independent values those of runs of one thing count, by how far the means of blocks lie apart.

    At most as many as there are. `blocks`: of each run. The second is how many there were in all.
    """
    cut = [block for values in runs if values for block in _cut(values, min(blocks, len(values)))]
    values = [value for run in runs for value in run]
    if len(cut) < 2:
        return float(len(values)), len(cut)
    mean = math.fsum(values) / len(values)
    apart = math.fsum((math.fsum(block) - mean * len(block)) ** 2 for block in cut) * len(cut) / (len(cut) - 1)
    alone = math.fsum((value - mean) ** 2 for value in values)
    return len(values) * min(1.0, alone / apart) if apart else float(len(values)), len(cut)

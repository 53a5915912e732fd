"""Request lengths and arrival times for the scheduler, without a random number generator.

Each sample has the distribution's quantiles as its values, in a shuffled order that is the same on every machine: the
same question always gets the same answer.
"""

from math import exp, log, sqrt
from typing import Literal, NamedTuple


class Lengths(NamedTuple):
    """Tokens of a request's prompt or answer."""

    mean: float
    spread: float = 0.0
    """0: all alike. `uniform`: the half-width, `skewed`: the standard deviation, each as a share of the mean."""
    shape: Literal["uniform", "skewed"] = "uniform"


def sample_lengths(lengths: Lengths, count: int, seed: int) -> list[float]:
    """`count` lengths, none below one token, whose mean is that of the distribution but for what that adds."""
    values, shuffled = _quantiles(lengths, count), lengths.spread != 0
    return _in_order([max(1.0, v) for v in values], seed, shuffled=shuffled)


def sample_whole_lengths(lengths: Lengths, count: int, seed: int) -> list[float]:
    """`count` lengths in whole tokens, one at least, whose mean is that of the distribution to one token in all.

    An answer is as many steps as it has tokens: of one or two of them a fraction would be most of its time.
    """
    asked, made = 0.0, 0.0
    values = []
    for value in _quantiles(lengths, count):
        asked += value
        values.append(max(1.0, round(asked + 1e-9) - made))
        made += values[-1]
    return _in_order(values, seed, shuffled=lengths.spread != 0)


def _in_order(values: list[float], seed: int, *, shuffled: bool) -> list[float]:
    return _shuffled(values, seed) if shuffled else values


def _quantiles(lengths: Lengths, count: int) -> list[float]:
    """From the shortest on; they may be below one token."""
    mean, spread = lengths.mean, lengths.spread
    if spread == 0 or count == 1:
        return [mean] * count
    middles = [(i + 0.5) / count for i in range(count)]
    if lengths.shape == "uniform":
        values = [mean * (1 + spread * (2 * p - 1)) for p in middles]
    else:
        sigma = sqrt(log(1 + spread * spread))  # of the logarithm of a lognormal with that coefficient of variation
        values = [exp(sigma * _normal_quantile(p)) for p in middles]
        scale = mean * count / sum(values)
        values = [scale * v for v in values]
    return values


def sample_arrivals_s(rate: float, count: int, seed: int) -> list[float]:
    """Times of `count` Poisson arrivals at `rate` a second."""
    gaps = _shuffled([-log(1 - (i + 0.5) / count) / rate for i in range(count)], seed)
    now, times = 0.0, []
    for gap in gaps:
        now += gap
        times.append(now)
    return times


def _normal_quantile(p: float) -> float:
    """Of the standard normal distribution, to 4.5e-4 (Abramowitz and Stegun, 26.2.23)."""
    t = sqrt(-2 * log(min(p, 1 - p)))
    x = t - (2.515517 + 0.802853 * t + 0.010328 * t * t) / (1 + 1.432788 * t + 0.189269 * t * t + 0.001308 * t**3)
    return x if p > 0.5 else -x


def _shuffled(values: list[float], seed: int) -> list[float]:
    """Fisher and Yates's shuffle with the linear congruential generator of Numerical Recipes (modulus 2^32)."""
    state = (seed * 2654435761 + 1) % 2**32
    for i in range(len(values) - 1, 0, -1):
        state = (1664525 * state + 1013904223) % 2**32
        j = state * (i + 1) >> 32
        values[i], values[j] = values[j], values[i]
    return values

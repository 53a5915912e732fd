"""Axes: where ticks stand, how numbers are written, where a value is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from infercli.core.bench.timeline import round_width

LOG_FROM = 20.0
"""Above this ratio of highest to lowest an axis of latencies is logarithmic; below it, a linear one shows both."""

_LOG_TICKS = 6
"""Of a logarithmic axis, at most."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """From values to places along a drawing."""

    low: float
    high: float
    start: float
    """Place of `low`; above `end` where values rise upwards."""
    end: float
    log: bool = False
    ticks: tuple[float, ...] = ()

    def __call__(self, value: float) -> float:
        """The place of a value, kept inside the axis."""
        low, high, value = (_log(v) if self.log else v for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def linear(high: float, start: float, end: float, *, ticks: int = 5) -> Scale:
    """From 0 to the round number above `high`."""
    step = round_width(high, ticks) if high > 0 else 1.0
    count = math.ceil(high / step - 1e-9) if high > 0 else 1
    return Scale(low=0, high=count * step, start=start, end=end, ticks=tuple(n * step for n in range(count + 1)))


def exact(low: float, high: float, start: float, end: float, *, ticks: int = 8) -> Scale:
    """From `low` to `high` themselves, with ticks at round numbers between: the clock that panels share."""
    step = round_width(high - low, ticks) if high > low else 1.0
    places = tuple(n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1))
    return Scale(low=low, high=high, start=start, end=end, ticks=places)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """From `low` to `high`, both above 0, with ticks at round multiples of powers of ten; evenly on a short axis."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    places: list[float] = []
    for steps in ((1, 2, 3, 4, 5, 6, 7, 8, 9), (1, 2, 5), (1, 3), (1,)):
        places = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if len(places) <= _LOG_TICKS:
            break
    if len(places) < 3:
        places = list(exact(low, high, start, end, ticks=_LOG_TICKS).ticks)
    return Scale(low=low, high=high, start=start, end=end, log=True, ticks=tuple(places))


def tick(value: float, ticks: Sequence[float]) -> str:
    """A tick beside its neighbours: with as many decimals as tell them apart."""
    steps = [abs(b - a) for a, b in pairwise(ticks)]
    step = min(steps, default=abs(value) or 1.0)
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step > 0 else 0
    return f"{value:,.{min(digits, 6)}f}"


def seconds(highest_s: float) -> tuple[float, str]:
    """(factor, unit) in which times up to this are read: milliseconds up to 10 s."""
    return (1000.0, "ms") if highest_s < 10 else (1.0, "s")


def _log(value: float) -> float:
    return math.log10(max(value, 1e-12))

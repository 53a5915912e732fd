"""What a configuration reaches of each objective, and of the load itself, in numbers and in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from infercli.core.estimates.request import Traffic
from infercli.core.speed import throughput
from infercli.core.speed.errors import Metric
from infercli.core.units import number

OBJECTIVES = ("ttft_p95", "ttft_p99", "tpot_p95")
"""Objectives that can be asked: those that an estimate says. Each is a time that must not be passed."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One objective: a latency that must not be passed."""

    name: str
    """`ttft_p95`"""
    metric: Metric
    limit_s: float

    @property
    def label(self) -> str:
        """Its name for people: `TTFT p95`."""
        what, _, percentile = self.name.partition("_")
        return f"{what.upper()} {percentile}"


class Measure(NamedTuple):
    """What a candidate reaches of one requirement, at the estimate and at the pessimistic end.

    Shares are of what is allowed: 1.2 misses it by 20 %.
    """

    of: str
    """`TTFT p95`; `carries` (a rate) or `runs` (requests at once) where it is the load itself."""
    value: float
    worst: float
    allowed: float
    share: float
    worst_share: float
    least: str = ""
    """Said before a value that is a bound."""

    @property
    def is_objective(self) -> bool:
        """False: it is the load itself that is not carried."""
        return self.of not in ("carries", "runs")

    @property
    def words(self) -> str:
        """At the estimate: `TTFT p95 1.2 s, 20% over 1 s`."""
        return self._words(self.value, self.share, f"{self.least}{{}}")

    @property
    def worst_words(self) -> str:
        """At the pessimistic end: `TTFT p95 up to 1.2 s, 20% over 1 s`."""
        return self._words(self.worst, self.worst_share, "{} or more" if self.least else "up to {}")

    def _words(self, value: float, share: float, bound: str) -> str:
        if not self.is_objective:
            carried, asked = _apart(value, self.allowed, number)
            one, unit = asked == "1", " at once" if self.of == "runs" else "/s"
            if value > self.allowed:
                return f"{self.of} {carried} requests{unit}, and {asked} {'is' if one else 'are'} asked"
            return f"{self.of} {carried} of {asked} request{'' if one else 's'}{unit}"
        found, limit = _apart(value, self.allowed, _time)
        return f"{self.of} {bound.format(found)}, {_off(share)} {limit}"


@dataclass(frozen=True, kw_only=True)
class Played:
    """A candidate's speed, measured against every requirement."""

    speed: throughput.Speed
    measures: tuple[Measure, ...]

    @property
    def keeps(self) -> bool:
        """At the estimate."""
        return all(m.share <= 1 for m in self.measures)

    @property
    def surely(self) -> bool:
        """At the pessimistic end."""
        return all(m.worst_share <= 1 for m in self.measures)

    @property
    def tightest(self) -> Measure:
        """The requirement with the least room at the pessimistic end."""
        return max(self.measures, key=lambda m: m.worst_share)


def limits(traffic: Traffic) -> tuple[Limit, ...]:
    """The objectives of a load."""
    asked = {name: getattr(traffic, f"{name}_ms") for name in OBJECTIVES}
    return tuple(
        Limit(name=name, metric="ttft" if name.startswith("ttft") else "tpot", limit_s=ms / 1000)
        for name, ms in asked.items()
        if ms is not None
    )


def carried(of: str, value: float, low: float, asked: float) -> Measure:
    """Of a load, of which more is better: `low` is the pessimistic end."""
    return Measure(of=of, value=value, worst=low, allowed=asked, share=asked / value, worst_share=asked / low)


def latency_of(speed: throughput.Speed, limit: Limit) -> float:
    """The latency that the objective is on; answers of one token have no TPOT and keep any."""
    spread = speed.ttft_s if limit.metric == "ttft" else speed.tpot_s
    return 0.0 if spread is None else float(getattr(spread, limit.name.partition("_")[2]))


def _apart(a: float, b: float, words: Callable[[float, int], str]) -> tuple[str, str]:
    """Both in words, with as many digits as tell them apart."""
    digits = next((n for n in range(3, 9) if words(a, n) != words(b, n)), 3)
    return words(a, digits), words(b, digits)


def _time(value_s: float, digits: int) -> str:
    return f"{number(value_s, digits)} s" if value_s >= 1 else f"{number(value_s * 1000, digits)} ms"


def _off(share: float) -> str:
    """`7% under`, `0.4% over`, `15 times`: what is not nothing is never said as 0%."""
    if share >= 10:
        return f"{share:,.0f} times"
    percent = 100 * abs(share - 1)
    return f"{f'{percent:.0f}' if percent >= 0.995 else number(percent, 1)}% {'over' if share > 1 else 'under'}"

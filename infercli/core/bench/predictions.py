"""What a plan said beforehand, kept in a result beside what was measured: its speed, and the price of its GPUs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal, NamedTuple

from pydantic import Field

from infercli.core.bench.stage import StageResult
from infercli.core.estimates.answer import Interval
from infercli.core.record import Record


class Prediction(Record):
    """What was expected of one level of load. None: not said for this load."""

    stage: int = Field(ge=0)
    """Of the result: its index."""
    source: str
    """For example `plan chat 3f9a1c`."""
    output_tokens_per_s: Interval | None = None
    """Of all replicas together."""
    ttft_s: Interval | None = None
    """Median."""
    tpot_s: Interval | None = None
    """Median over requests, the first token left out."""


class GpuPrice(Record):
    """US dollars an hour for all GPUs that serve, over the quotes that were found."""

    gpus: int = Field(ge=1)
    low_usd_per_h: float = Field(ge=0)
    median_usd_per_h: float = Field(ge=0)
    high_usd_per_h: float = Field(ge=0)
    quotes: int = Field(ge=1)
    as_of: date
    source: str

    def usd_per_million(self, tokens_per_s: float | None) -> Interval | None:
        """US dollars per million tokens at this rate around the clock; None where there is no rate.

        The interval is that of the quotes alone.
        """
        if not tokens_per_s:
            return None
        seconds_per_million = 1e6 / tokens_per_s
        value, low, high = (
            usd_per_h / 3600 * seconds_per_million
            for usd_per_h in (self.median_usd_per_h, self.low_usd_per_h, self.high_usd_per_h)
        )
        return Interval(value=value, low=low, high=high)


# Beside what was measured.


Side = Literal["inside", "above", "below", "unknown"]


class Foretold(NamedTuple):
    """A number that was predicted."""

    stage: int
    quantity: str
    """For people: `output tokens/s`, `TTFT p50`, `TPOT p50`."""
    said: Interval
    measured: float | None
    factor: float
    """From the numbers here to those that are read in `unit`."""
    unit: str

    @property
    def side(self) -> Side:
        """Where the measurement lies by the predicted interval."""
        if self.measured is None:
            return "unknown"
        return "above" if self.measured > self.said.high else "below" if self.measured < self.said.low else "inside"


def foretold(predicted: Sequence[Prediction], stages: Sequence[StageResult]) -> Iterator[Foretold]:
    """Of a result's predictions and stages, in the order of the stages."""
    for p in sorted(predicted, key=lambda p: p.stage):
        m = stages[p.stage].metrics
        quantities = (
            ("output tokens/s", p.output_tokens_per_s, m.output_tokens_per_s, 1.0, "tokens/s"),
            ("TTFT p50", p.ttft_s, m.ttft_s.p50 if m.ttft_s else None, 1000.0, "ms"),
            ("TPOT p50", p.tpot_s, m.tpot_s.p50 if m.tpot_s else None, 1000.0, "ms"),
        )
        for quantity, said, measured, factor, unit in quantities:
            if said is not None:
                yield Foretold(p.stage, quantity, said, measured, factor, unit)

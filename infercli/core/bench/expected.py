"""What a plan said beforehand, kept in a result beside what was measured: its speed, and the price of its GPUs."""

from __future__ import annotations

from datetime import date

from pydantic import Field

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

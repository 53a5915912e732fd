"""What was predicted of a run beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from infercli.core.bench.result import BenchResult
from infercli.core.estimates.answer import Interval

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


def foretold(result: BenchResult) -> Iterator[Foretold]:
    """In the order of the stages."""
    for p in sorted(result.predicted, key=lambda p: p.stage):
        m = result.stages[p.stage].metrics
        quantities = (
            ("output tokens/s", p.output_tokens_per_s, m.output_tokens_per_s, 1.0, "tokens/s"),
            ("TTFT p50", p.ttft_s, m.ttft_s.p50 if m.ttft_s else None, 1000.0, "ms"),
            ("TPOT p50", p.tpot_s, m.tpot_s.p50 if m.tpot_s else None, 1000.0, "ms"),
        )
        for quantity, said, measured, factor, unit in quantities:
            if said is not None:
                yield Foretold(p.stage, quantity, said, measured, factor, unit)

"""How far predictions were off, by load and kind of model: where intervals come from, and what is printed beside them.

The one thing to know: every figure is of rows of groups (source, model, GPU, quantization) that the constants were not
fitted on; the width of an interval is what held 80 % of these rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Literal

Metric = Literal["output_tokens_per_s", "ttft", "tpot"]
LoadKind = Literal["concurrency", "rate", "at_once"]


@dataclass(frozen=True, kw_only=True)
class Error:
    """One metric under one kind of load."""

    metric: Metric
    load: LoadKind
    experts: bool
    """Of models with experts; else dense ones."""
    rows: int
    """Measurements; below 20 a figure is shown and claims nothing."""
    median_fraction: float | None
    """Median absolute error, of what was measured; None: no rows."""
    width: float
    """80 % of the logarithms of measured over predicted lie within this of 0."""
    known: bool = True
    """False: fewer than 20 rows; the width is then that of dense models and those with experts together."""


def error_of(metric: Metric, load: LoadKind, *, experts: bool) -> Error:
    """The row of that metric and load."""
    return next(e for e in ERRORS if (e.metric, e.load, e.experts) == (metric, load, experts))


def interval(value: float, error: Error, *, widened: float = 1.0) -> tuple[float, float]:
    """(low, high) in the value's unit: 80 % of measurements are meant to lie within."""
    factor = exp(error.width * widened)
    return value / factor, value * factor


def _row(
    metric: Metric,
    load: LoadKind,
    experts: bool,
    rows: int,
    median_fraction: float | None,
    width: float,
    known: bool = True,
) -> Error:
    return Error(
        metric=metric, load=load, experts=experts, rows=rows, median_fraction=median_fraction, width=width, known=known
    )


ERRORS: tuple[Error, ...] = (
    _row("output_tokens_per_s", "concurrency", False, 90, 0.111, 0.26),
    _row("output_tokens_per_s", "concurrency", True, 41, 0.093, 0.24),
    _row("output_tokens_per_s", "rate", False, 0, None, 0.24, known=False),
    _row("output_tokens_per_s", "rate", True, 0, None, 0.24, known=False),
    _row("output_tokens_per_s", "at_once", False, 80, 0.138, 0.39),
    _row("output_tokens_per_s", "at_once", True, 29, 0.218, 0.50),
    _row("ttft", "concurrency", False, 80, 0.130, 0.40),
    _row("ttft", "concurrency", True, 14, 0.314, 0.42, known=False),
    _row("ttft", "rate", False, 69, 0.319, 0.61),
    _row("ttft", "rate", True, 8, 0.139, 0.60, known=False),
    _row("ttft", "at_once", False, 18, 0.447, 0.96, known=False),
    _row("ttft", "at_once", True, 26, 0.430, 0.74),
    _row("tpot", "concurrency", False, 37, 0.065, 0.24),
    _row("tpot", "concurrency", True, 11, 0.108, 0.24, known=False),
    _row("tpot", "rate", False, 69, 0.360, 0.69),
    _row("tpot", "rate", True, 8, 0.274, 0.68, known=False),
    _row("tpot", "at_once", False, 13, 0.263, 0.73, known=False),
    _row("tpot", "at_once", True, 26, 0.304, 0.54),
)

"""How far predictions were off, by load and kind of model: where intervals come from, and what is printed beside them.

The one thing to know: figures of tokens/s, and all under `at_once`, are of rows of groups (source, model, GPU,
quantization) that a fit from textbook values had not seen, in three parts; the width of an interval is what held 80 %
of these rows. TTFT and TPOT of closed loops, and TPOT under a rate of V1, are of these records and of measurements of
30 other sources that nothing was fitted on (127 of TPOT, 117 of TTFT): their widths were once what a fit of that kind
missed, which held 90 and 91 % of all of them; those chosen since hold 85 and 87 %. TTFT under a rate is of the
open-loop levels that the constants were fitted on, with experts of 23 of these others. V0 let whole prompts hold up
every answer, so that TPOT under a rate was another matter: its levels say nothing of V1. Figures of experts under
`at_once` are from before core/speed/experts.py, of which nothing was fitted; with it the same records are missed by
less.

Closed loops, all vLLM: with whole sources left out instead, output tokens/s were off by 11.3 % (dense, 90 rows) and
12.9 % (experts, 41 rows), TPOT by 14.7 and 14.3 %, TTFT by 19 and 40 %; with a third of the GPUs left out by 11.4 and
13.7 %, 12.8 and 16.2 %, 23 and 33 %. All medians.
"""

from math import exp
from typing import Literal, NamedTuple

Metric = Literal["output_tokens_per_s", "ttft", "tpot"]
LoadKind = Literal["concurrency", "rate", "at_once"]


LEAST_REQUEST_S, MOST_REQUEST_S = 3e-3, 50e-3
"""Of a request beside its steps, where `request_s` of core/speed/coefficients.py is the middle. It is the client's and
the host's: short prompts of one client leave 2 to 25 ms in most public sources and 50 in two. Chosen, not fitted:
TTFT may be that much shorter or longer than said."""


class Error(NamedTuple):
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
    v0: bool | None = None
    """Only of V0, or only of V1; None: of both."""


def error_of(metric: Metric, load: LoadKind, *, experts: bool, v0: bool) -> Error:
    """The row of that metric and load."""
    asked = (metric, load, experts)
    return next(e for e in ERRORS if (e.metric, e.load, e.experts) == asked and e.v0 in (None, v0))


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
    v0: bool | None = None,
) -> Error:
    return Error(
        metric=metric, load=load, experts=experts, rows=rows, median_fraction=median_fraction, width=width, known=known,
        v0=v0,
    )  # fmt: skip


ERRORS: tuple[Error, ...] = (
    _row("output_tokens_per_s", "concurrency", False, 90, 0.123, 0.27),
    _row("output_tokens_per_s", "concurrency", True, 41, 0.113, 0.23),
    _row("output_tokens_per_s", "rate", False, 0, None, 0.26, known=False),
    _row("output_tokens_per_s", "rate", True, 0, None, 0.26, known=False),
    _row("output_tokens_per_s", "at_once", False, 80, 0.173, 0.37),
    _row("output_tokens_per_s", "at_once", True, 29, 0.326, 0.56),
    _row("ttft", "concurrency", False, 121, 0.149, 0.30),
    _row("ttft", "concurrency", True, 94, 0.184, 0.45),
    _row("ttft", "rate", False, 69, 0.338, 0.61),
    _row("ttft", "rate", True, 23, 0.205, 0.61),
    _row("ttft", "at_once", False, 18, 0.485, 1.01, known=False),
    _row("ttft", "at_once", True, 26, 0.499, 1.01),
    _row("tpot", "concurrency", False, 78, 0.074, 0.22),
    _row("tpot", "concurrency", True, 97, 0.066, 0.24),
    _row("tpot", "rate", False, 69, 0.265, 0.74, v0=True),
    # What holds 80 % of 27 levels of one harness, and all of seven of another source.
    _row("tpot", "rate", False, 34, 0.15, 0.27, v0=False),
    _row("tpot", "rate", True, 8, 0.114, 0.63, known=False, v0=True),
    _row("tpot", "rate", True, 27, 0.105, 0.28, v0=False),
    _row("tpot", "at_once", False, 13, 0.286, 0.82, known=False),
    _row("tpot", "at_once", True, 26, 0.371, 0.65),
)

"""How far each memory term was off beside public start-up logs: what a plan prints beside its terms.

The one thing to know: these are logs that the bands of non-torch memory and CUDA graphs were read from; weights,
activation and KV cache have no fitted constant. A test recomputes every figure where the logs are at hand.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class TermError:
    """One term over one set of logs."""

    term: str
    logs: str
    count: int
    """Logs that print the term."""
    mean_fraction: float
    """Mean absolute error, of what was printed."""
    median_fraction: float


H100 = "vLLM 0.15 to 0.19 on H100"
PUBLIC = "vLLM 0.4 to 0.26, T4 to B200 and Radeon"


def _row(term: str, logs: str, count: int, mean_fraction: float, median_fraction: float) -> TermError:
    return TermError(term=term, logs=logs, count=count, mean_fraction=mean_fraction, median_fraction=median_fraction)


# `python -m benchmarks.accuracy sizing` over the two sets of logs.
ERRORS: tuple[TermError, ...] = (
    _row("weights", H100, 47, 0.0003, 0.0001),
    _row("activation", H100, 39, 0.0020, 0.0024),
    _row("non_torch", H100, 39, 0.0116, 0.0080),
    _row("cuda_graphs", H100, 35, 0.115, 0.122),
    _row("kv_cache", H100, 47, 0.0002, 0.0001),
    _row("max_concurrency", H100, 47, 0.0002, 0.0001),
    _row("weights", PUBLIC, 117, 0.0071, 0.0010),
    _row("activation", PUBLIC, 32, 0.39, 0.0085),
    _row("non_torch", PUBLIC, 32, 0.78, 0.58),
    _row("cuda_graphs", PUBLIC, 80, 0.73, 0.42),
    _row("kv_cache", PUBLIC, 92, 0.052, 0.0085),
    _row("max_concurrency", PUBLIC, 78, 0.054, 0.0097),
)


def errors_of(term: str) -> tuple[TermError, ...]:
    """The rows of that term; empty for what no log prints."""
    return tuple(e for e in ERRORS if e.term == term)

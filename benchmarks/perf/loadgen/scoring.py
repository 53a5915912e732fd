"""What a run cost a token, and how far the tool's numbers are from the server's stamps. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.perf.loadgen.server import Answer, Served
from benchmarks.perf.loadgen.tools import Quantiles, Report, Seen
from benchmarks.perf.loadgen.watching import Watched
from infercli.core.bench.metrics import quantile

WINDOW_END_NS = 50_000_000
"""Reading and booking the last token counts as receiving it; what is later is report work."""
EXACT_S = 0.0002
"""The promise for TTFT at p99; a number within this, or within"""
EXACT_FRACTION = 0.01
"""of the truth, is exact."""


class NotMeasured(Exception):
    """A run that says nothing; the message is why."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What was asked of a tool."""

    streams: int
    requests: int
    tokens: int
    """Per answer."""


def score(watched: Watched, answers: Sequence[Answer], served: Served, report: Report, load: Load) -> dict[str, Any]:
    """One run as JSON. Raises NotMeasured when the tool did not do what it was asked to."""
    tokens = sum(len(answer.sent_ns) for answer in answers)
    if len(answers) != load.requests or tokens != load.requests * load.tokens:
        asked = f"{load.requests} requests of {load.tokens} tokens"
        raise NotMeasured(f"asked for {asked}, it sent {len(answers)} and got {tokens} tokens")
    begin_ns = min(answer.received_ns for answer in answers)
    end_ns = max(answer.sent_ns[-1] for answer in answers)
    start_up_s, window_end_s = watched.cpu_at(begin_ns), watched.cpu_at(end_ns + WINDOW_END_NS)
    return {
        "requests": len(answers),
        "tokens": tokens,
        "tokens_per_s": round(tokens / ((end_ns - begin_ns) / 1e9)),
        "cpu_us_per_token": round((window_end_s - start_up_s) / tokens * 1e6, 2),
        "cpu_start_up_s": round(start_up_s, 3),
        "cpu_window_s": round(window_end_s - start_up_s, 3),
        "cpu_after_s": round(watched.total_cpu_s - window_end_s, 3),
        "peak_pss_bytes": watched.peak_pss_bytes,
        "peak_processes": watched.peak_processes,
        "server_cpu_us_per_token": round(served.cpu_s / served.tokens * 1e6, 2),
        **judge(answers, report),
    }


def judge(answers: Sequence[Answer], report: Report) -> dict[str, Any]:
    """The tool's times beside the true ones, in milliseconds."""
    true_ttft = quantiles(ns / 1e9 for answer in answers if (ns := answer.ttft_ns) is not None)
    true_itl = quantiles(ns / 1e9 for answer in answers for ns in answer.itl_ns)
    assert true_ttft is not None  # every answer has tokens, or it would not have been scored
    gaps = sum(len(seen.gaps_s) for seen in report.seen)
    return {
        "reported_requests": report.requests,
        "reported_tokens": report.tokens,
        "ttft_ms": _ms(report.ttft_s),
        "true_ttft_ms": _ms(true_ttft),
        "itl_ms": _ms(report.itl_s),
        "true_itl_ms": _ms(true_itl),
        "itl_is": report.itl_is,
        "ttft_error_ms": _ms(quantiles(map(abs, ttft_errors_s(report.seen)))),
        "matched_requests": len(report.seen),
        "itl_error_ms": _ms(quantiles(map(abs, itl_errors_s(report.seen)))),
        "known_gap_fraction": round(gaps / max(sum(len(a.itl_ns) for a in answers), 1), 4),
        "verdict": verdict(report, true_ttft, true_itl, counts=counts_agree(answers, report)),
        "says_limited": list(report.says_limited),
    }


def ttft_errors_s(seen: Iterable[Seen]) -> list[float]:
    """By request: what the tool says minus what the server did, from its receipt of the request to its first write."""
    return [one.ttft_s - ns / 1e9 for one in seen if (ns := one.answer.ttft_ns) is not None]


def itl_errors_s(seen: Iterable[Seen]) -> list[float]:
    """By gap that the tool has: its length minus the time between the server's writes."""
    errors = []
    for one in seen:
        true_ns = one.answer.itl_ns
        errors += [gap - true_ns[i] / 1e9 for i, gap in one.gaps_s.items()]
    return errors


def counts_agree(answers: Sequence[Answer], report: Report) -> bool:
    """Whether the tool says as many requests and tokens as were sent."""
    return (report.requests, report.tokens) == (len(answers), sum(len(answer.sent_ns) for answer in answers))


def verdict(report: Report, true_ttft: Quantiles, true_itl: Quantiles | None, *, counts: bool) -> str | None:
    """`exact`: the counts and all of p50 and p99 of TTFT and ITL are.

    Else `client_limited` if the tool says so itself, or `false`.

    None: it says nothing of times.
    """
    if report.ttft_s is None:
        return None
    pairs = list(zip(report.ttft_s, true_ttft, strict=True))
    if report.itl_s is not None and true_itl is not None:
        pairs += zip(report.itl_s, true_itl, strict=True)
    if counts and all(abs(told - true) <= max(EXACT_S, EXACT_FRACTION * true) for told, true in pairs):
        return "exact"
    return "client_limited" if report.says_limited else "false"


def quantiles(values: Iterable[float]) -> Quantiles | None:
    """p50 and p99; None of nothing."""
    ordered = sorted(values)
    return (quantile(ordered, 0.5), quantile(ordered, 0.99)) if ordered else None


def _ms(values: Quantiles | None) -> dict[str, float] | None:
    return None if values is None else {"p50": round(values[0] * 1e3, 4), "p99": round(values[1] * 1e3, 4)}

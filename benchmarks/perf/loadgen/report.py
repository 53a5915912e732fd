"""The results for people, and which promises they break."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

OWN = "infercli"
CPU_US = {"closed-64": 8.0, "closed-256": 7.0, "steps-256": 7.0, "flood-64": 2.0}
"""CPU microseconds a token, at most."""
START_UP_S = 0.5
"""CPU seconds before the first request, at most: measured with a single request."""
TTFT_ERROR_MS = 0.2
"""At p99, where the client is not starved: closed loops of 64 and 256."""
TIMES_CHEAPER = {"vllm": 2.5, "aiperf": 8.0, "guidellm": 12.0}
"""CPU a token of the peer by ours, at least."""
HEAD = (
    *("TOOL", "US/TOKEN", "BY OURS", "START CPU", "AFTER", "PSS", "PROCS", "TOKENS/S"),
    *("TTFT P50/P99", "TRUE", "ERROR P99", "ITL P50/P99", "TRUE", "ERROR P99", "VERDICT"),
)


def table(scenarios: dict[str, str], results: Sequence[dict[str, Any]]) -> str:
    """A block per scenario, the medians of its runs."""
    blocks = []
    for name, text in scenarios.items():
        rows = [_row(results, name, tool) for tool in _tools(results, name)]
        if not rows:
            continue
        lines = [HEAD, *rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
        blocks.append(f"{name}: {text}")
        blocks += ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        blocks.append("")
    return "\n".join(blocks)


def misses(results: Sequence[dict[str, Any]]) -> list[str]:
    """The promises that these results break, each in a line."""
    found = []
    for scenario, most in CPU_US.items():
        ours = median(results, scenario, OWN, "cpu_us_per_token")
        if ours is None:
            continue
        if ours > most:
            found.append(f"{scenario}: {ours:.1f} us of CPU a token, not {most:.0f}")
        for peer, least in TIMES_CHEAPER.items():
            theirs = median(results, scenario, peer, "cpu_us_per_token")
            if theirs is not None and theirs < least * ours:
                found.append(f"{scenario}: {theirs / ours:.2f} times cheaper than {peer}, not {least:g}")
    start_up_s = median(results, "start", OWN, "cpu_start_up_s")
    if start_up_s is not None and start_up_s > START_UP_S:
        found.append(f"start: {start_up_s:.2f} s of CPU before the first request, not {START_UP_S}")
    for scenario in ("closed-64", "closed-256"):
        error = median(results, scenario, OWN, "ttft_error_ms", "p99")
        if error is not None and error > TTFT_ERROR_MS:
            found.append(f"{scenario}: TTFT is off by {error:.2f} ms at p99, not {TTFT_ERROR_MS}")
    wrong = [r for r in results if (r["tool"], r["verdict"]) == (OWN, "false") and r["scenario"] == "closed-1024"]
    if wrong:
        found.append("closed-1024: a number is false, and nothing says that the client was the limit")
    return found


def median(results: Sequence[dict[str, Any]], scenario: str, tool: str, *path: str) -> float | None:
    """Over the runs of a tool in a scenario; None where there is no number."""
    values = []
    for result in results:
        if (result["scenario"], result["tool"]) == (scenario, tool):
            value: Any = result
            for key in path:
                value = None if value is None else value.get(key)
            if value is not None:
                values.append(value)
    return statistics.median(values) if values else None


def _tools(results: Sequence[dict[str, Any]], scenario: str) -> list[str]:
    return list(dict.fromkeys(r["tool"] for r in results if r["scenario"] == scenario))


def _row(results: Sequence[dict[str, Any]], scenario: str, tool: str) -> tuple[str, ...]:
    def number(form: str, *path: str, unit: str = "") -> str:
        value = median(results, scenario, tool, *path)
        return "" if value is None else f"{value:{form}}{unit}"

    def pair(key: str) -> str:
        p50, p99 = (median(results, scenario, tool, key, name) for name in ("p50", "p99"))
        return "" if p50 is None or p99 is None else f"{p50:.2f}/{p99:.2f}"

    own, theirs = (median(results, scenario, name, "cpu_us_per_token") for name in (OWN, tool))
    pss = median(results, scenario, tool, "peak_pss_bytes")
    verdicts = dict.fromkeys(r["verdict"] for r in results if (r["scenario"], r["tool"]) == (scenario, tool))
    return (
        tool,
        number(".1f", "cpu_us_per_token"),
        f"{theirs / own:.1f} x" if own and theirs and tool != OWN else "",
        number(".2f", "cpu_start_up_s", unit=" s"),
        number(".2f", "cpu_after_s", unit=" s"),
        f"{pss / 1e6:.0f} MB" if pss else "",
        number(".0f", "peak_processes"),
        number(",.0f", "tokens_per_s"),
        pair("ttft_ms"),
        pair("true_ttft_ms"),
        number(".2f", "ttft_error_ms", "p99"),
        pair("itl_ms"),
        pair("true_itl_ms"),
        number(".2f", "itl_error_ms", "p99"),
        ", ".join(v for v in verdicts if v),
    )

"""A benchmark's result for people."""

from __future__ import annotations

from infercli.cli.output import columns
from infercli.core.bench import BenchResult, caveats
from infercli.core.metrics import Distribution


def summary(result: BenchResult) -> str:
    """The whole result in a screen."""
    lines = []
    for stage in result.stages:
        m = stage.metrics
        errors = ", ".join(f"{count} {kind}" for kind, count in m.errors.items())
        of = f"{m.answered} of {m.requests} requests answered" + (f"; failed: {errors}" if errors else "")
        lines.append(f"{result.target.model} at {result.target.url}, {stage.load.label}: {of}")
        rates = [_number(m.output_tokens_per_s, "output tokens/s"), _number(m.requests_per_s, "requests/s")]
        lines += [f"{', '.join(rates)}, over {_number(m.duration_s, 's')}", ""]
        rows = [
            _row("TTFT", m.ttft_s), _row("TPOT", m.tpot_s), _row("ITL", m.itl_s), _row("end to end", m.e2e_s)
        ]  # fmt: skip
        lines.append(columns(rows, ("MS", "MEAN", "P50", "P90", "P95", "P99", "MAX")))
        lines.append("")
        check = m.token_check
        lines.append(
            f"{m.output_tokens:,} output tokens; {check.equal} of {check.with_usage} answers came in as many frames as "
            "the server says tokens"
        )
        if stage.goodput is not None:
            for a in stage.goodput.attained:
                lines.append(f"{a.objective.words}: {a.met} of {a.requests}: {'holds' if a.holds else 'does not hold'}")
    if result.engine_agrees is not None and result.engine_tokens is not None:
        same = "the same" if result.engine_agrees else f"{result.engine_tokens.output_tokens:,}, which differs"
        lines.append(f"the engine's own counter, warm-up included, says {same}")
    lines.append(result.telemetry_reason or "")
    lines += [f"caution: {c}" for c in caveats(result)]
    return "\n".join(lines)


def _number(value: float | None, unit: str) -> str:
    return "unknown" if value is None else f"{value:,.1f} {unit}"


def _row(name: str, d: Distribution | None) -> tuple[str, ...]:
    if d is None:
        return (name, "unknown", "", "", "", "", "")
    return (name, *(f"{v * 1000:,.1f}" for v in (d.mean, d.p50, d.p90, d.p95, d.p99, d.max)))

"""A result in the formats of others: vLLM's bench JSON, llm-d's Benchmark Report, and rows for a spreadsheet.

The one thing to know: what is not known is absent or null, never 0. vLLM's own file says 0 for what failed, and its
`generated_texts`, `tokenizer_id` and `rtfx` are not ours to know.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from infercli.core.bench import samples
from infercli.core.bench.metrics import Metrics, e2e_s, gaps_s, quantile, token_arrivals, tpot_s, ttft_s, wait_s
from infercli.core.bench.result import BenchResult
from infercli.core.bench.stage import StageResult
from infercli.core.bench.timeline import most_in_flight, timeline
from infercli.core.record import Json, digest
from infercli.core.traces import Trace

VLLM_BACKENDS = {"chat": "openai-chat", "completions": "openai", "embeddings": "openai-embeddings"}
"""What vLLM's `--backend` calls the API (vllm/benchmarks/lib/endpoint_request_func.py, 0.29)."""
LLM_D_VERSION = "0.2"
_PERCENTILES = {
    "p0p1": 0.001, "p1": 0.01, "p5": 0.05, "p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95,
    "p99": 0.99, "p99p9": 0.999,
}  # fmt: skip
"""Names of the Benchmark Report's Statistics."""
_SERIES_BINS = 120
"""Points of an exported time series."""


def vllm(result: BenchResult, stage: int) -> dict[str, Json]:
    """One level as `vllm bench serve --save-result --save-detailed` writes it; times in ms where its names say so.

    Several levels are several lines, as its `--append-result` writes them.
    """
    one = result.stages[stage]
    m, load = one.metrics, one.load
    began = _began(result, one)
    requests = [t for t in one.traces if t.counts]
    answered = samples.answered_of(one)
    written: dict[str, Json] = {
        "date": began.strftime("%Y%m%d-%H%M%S"),
        "endpoint_type": VLLM_BACKENDS[result.target.api],
        "backend": VLLM_BACKENDS[result.target.api],
        "label": load.label,
        "model_id": result.target.model,
        "tokenizer_id": None,
        "num_prompts": len(requests),
        **_vllm_traffic(one),
        "duration": m.duration_s,
        "completed": m.answered,
        "failed": m.failed,
        "total_input_tokens": m.input_tokens,
        "total_output_tokens": m.output_tokens,
        "request_throughput": m.requests_per_s,
        "request_goodput": None if one.goodput is None else one.goodput.good_requests_per_s,
        "output_throughput": m.output_tokens_per_s,
        "total_token_throughput": _total_per_s(m),
        "input_lens": [t.prompt_tokens for t in requests],
        "output_lens": [t.output_tokens if t.answered else None for t in requests],
        "ttfts": [ttft_s(t) if t.answered else None for t in requests],
        "itls": [gaps_s(t) if t.answered else [] for t in requests],
        "latencies": [e2e_s(t) for t in requests],
        "start_times": [t.sent_s for t in requests],
        "queue_times": [wait_s(t) for t in requests],
        "errors": [(t.message or t.error) if t.error is not None else "" for t in requests],
        "max_output_tokens_per_s": _busiest_second(answered),
        "max_concurrent_requests": most_in_flight(answered),
    }
    sample = samples.samples(one)
    for name, values in (
        ("ttft", sample.ttft_s),
        ("tpot", sample.tpot_s),
        ("itl", sample.itl_s),
        ("e2el", sample.e2e_s),
    ):
        if values:
            ordered = sorted(values)
            written[f"mean_{name}_ms"] = math.fsum(ordered) / len(ordered) * 1000
            written[f"median_{name}_ms"] = quantile(ordered, 0.5) * 1000
            written[f"std_{name}_ms"] = (samples.deviation(ordered) or 0.0) * 1000
            for percent in (50, 90, 95, 99):
                written[f"p{percent}_{name}_ms"] = quantile(ordered, percent / 100) * 1000
    return written


def _vllm_traffic(stage: StageResult) -> dict[str, Json]:
    load = stage.load
    ramp = load.ramp_to_per_s is not None
    # Everything at once, limited by the concurrency, is what vLLM calls a closed loop. Nobody says how many requests a
    # second are asked for by conversations whose later turns wait for answers.
    unsaid = load.arrivals == "trace" or (load.arrivals is not None and load.multi_turn)
    rate = None if unsaid else "inf" if load.arrivals is None or ramp else load.rate_per_s
    burstiness = {"poisson": 1.0, "constant": "inf", "gamma": load.burstiness}
    said: dict[str, Json] = {
        "request_rate": rate,
        # What vLLM writes beside `inf`: its default, of which nothing comes.
        "burstiness": 1.0 if load.arrivals is None else burstiness.get(load.arrivals),
        "max_concurrency": load.concurrency,
    }
    if ramp and not unsaid:
        said |= {
            "ramp_up_strategy": "linear",
            "ramp_up_start_rps": load.rate_per_s,
            "ramp_up_end_rps": load.ramp_to_per_s,
        }
    return said


def llm_d(result: BenchResult, stage: int) -> dict[str, Json]:
    """One level as a llm-d Benchmark Report v0.2, without the stack: a benchmark knows an address, and no engine."""
    one = result.stages[stage]
    began = _began(result, one)
    experiment = digest([result.started_at, result.origin_monotonic_ns, result.target.model_dump()])[:32]
    load = _llm_d_load(result, stage)
    return {
        "version": LLM_D_VERSION,
        "run": {
            "uid": digest([experiment, stage])[:32],
            "eid": experiment,
            "time": {
                "start": began.isoformat(),
                "end": (began + timedelta(seconds=one.ended_s - one.began_s)).isoformat(),
                "duration": f"PT{one.ended_s - one.began_s:.6f}S",
            },
            "description": f"{result.target.model} at {result.target.url}, {one.load.label}",
        },
        **({} if load is None else {"scenario": {"load": load}}),
        "results": {
            "request_performance": {
                "aggregate": _llm_d_aggregate(one),
                "time_series": _llm_d_series(one, began),
            }
        },
    }


def _llm_d_load(result: BenchResult, stage: int) -> dict[str, Json] | None:
    """None: nobody said how long the prompts were, and the schema asks for it."""
    one = result.stages[stage]
    lengths = [t.prompt_tokens for t in samples.answered_of(one) if t.prompt_tokens is not None]
    if not lengths:
        return None
    load = one.load
    kinds = {"synthetic": "random", "workload": "sampled"}
    source = re.match(r"\w+", result.prompts.source)
    standardized: dict[str, Json] = {
        "tool": "infercli",
        "tool_version": result.infercli_version,
        "parallelism": one.client.workers,
        "source": kinds.get(source.group() if source else "", "unknown"),
        "stage": stage,
        "input_seq_len": _llm_d_lengths(lengths),
    }
    if load.ignore_eos:
        standardized["output_seq_len"] = _llm_d_lengths(samples.asked_tokens(one))
    if any(t.turn for t in one.traces):
        standardized["multi_turn"] = {"enabled": True}
    if load.rate_per_s is not None and not load.multi_turn:
        standardized["rate_qps"] = load.rate_per_s
    if load.concurrency is not None:
        standardized["concurrency"] = load.concurrency
    config = {"load": load.model_dump(mode="json"), "prompts": result.prompts.model_dump(mode="json")}
    return {
        "metadata": {"schema_version": "0.0.1", "cfg_id": digest(config)[:32], "description": load.label},
        "standardized": standardized,
        "native": {"config": config},
    }


def _llm_d_lengths(lengths: Sequence[int]) -> dict[str, Json]:
    return {
        "distribution": "fixed" if len(set(lengths)) == 1 else "other",
        "value": math.fsum(lengths) / len(lengths),
        "min": min(lengths),
        "max": max(lengths),
    }


def _llm_d_aggregate(stage: StageResult) -> dict[str, Json]:
    m, answered, sample = stage.metrics, samples.answered_of(stage), samples.samples(stage)
    per_token = [e2e / t.output_tokens for t in answered if t.output_tokens and (e2e := e2e_s(t)) is not None]
    inputs = [float(t.prompt_tokens) for t in answered if t.prompt_tokens is not None]
    rates = (
        ("input_token_rate", "tokens/s", _per_s(m.input_tokens, over_s=m.duration_s)),
        ("output_token_rate", "tokens/s", m.output_tokens_per_s),
        ("total_token_rate", "tokens/s", _total_per_s(m)),
        ("request_rate", "queries/s", m.requests_per_s),
    )
    return {
        "requests": {
            "total": m.requests + m.cut,
            "failures": m.failed,
            "incomplete": m.cut,
            **_statistics("input_length", "count", inputs if len(inputs) == len(answered) else []),
            **_statistics("output_length", "count", [float(t.output_tokens) for t in answered]),
        },
        "latency": {
            **_statistics("time_to_first_token", "s", sample.ttft_s),
            **_statistics("normalized_time_per_output_token", "s/token", per_token),
            **_statistics("time_per_output_token", "s/token", sample.tpot_s),
            **_statistics("inter_token_latency", "s/token", sample.itl_s),
            **_statistics("request_latency", "s", sample.e2e_s),
        },
        "throughput": {name: {"units": units, "mean": rate} for name, units, rate in rates if rate is not None},
    }


def _llm_d_series(stage: StageResult, began: datetime) -> dict[str, Json]:
    seen = timeline([stage], _SERIES_BINS)
    stamps = [(began + timedelta(seconds=at_s - stage.began_s)).isoformat() for at_s in seen.middles_s]

    def latency(name: str, units: str, p50: Sequence[float | None], p95: Sequence[float | None]) -> dict[str, Json]:
        points = [{"ts": ts, "p50": a, "p95": b} for ts, a, b in zip(stamps, p50, p95, strict=True) if a is not None]
        return {name: {"units": units, "series": points}} if points else {}

    tokens = [{"ts": ts, "value": v} for ts, v in zip(stamps, seen.output_tokens_per_s, strict=True)]
    sent = [{"ts": ts, "value": n / seen.width_s} for ts, n in zip(stamps, seen.sent, strict=True)]
    return {
        "latency": {
            **latency("time_to_first_token", "s", seen.ttft_p50_s, seen.ttft_p95_s),
            **latency("time_per_output_token", "s/token", seen.tpot_p50_s, seen.tpot_p95_s),
        },
        "throughput": {
            "output_token_rate": {"units": "tokens/s", "series": tokens},
            "request_rate": {"units": "queries/s", "series": sent},
        },
    }


def _statistics(name: str, units: str, values: Sequence[float]) -> dict[str, Json]:
    """The Statistics of a sample under its name; nothing for an empty one."""
    if not values:
        return {}
    ordered = sorted(values)
    said: dict[str, Json] = {"units": units, "mean": math.fsum(ordered) / len(ordered)}
    said |= {"stddev": samples.deviation(ordered), "min": ordered[0]}
    said |= {field: quantile(ordered, q) for field, q in _PERCENTILES.items()}
    return {name: said | {"max": ordered[-1]}}


CSV_COLUMNS = (
    "file", "stage", "load", "request", "conversation", "turn", "phase", "outcome", "due_s", "sent_s", "ended_s",
    "wait_s", "late_s", "ttft_s", "tpot_s", "e2e_s", "prompt_tokens", "cached_tokens", "output_tokens", "hidden_tokens",
    "token_frames", "reads", "finish_reason", "engine", "status", "message",
)  # fmt: skip


def csv_rows(results: Sequence[tuple[str, BenchResult]]) -> str:
    """One row a request, of all files and stages. Times of day are seconds since the run began; empty is unknown."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for file, result in results:
        for index, stage in enumerate(result.stages):
            for t in stage.traces:
                writer.writerow([_cell(v) for v in (file, index, stage.load.label, *_row(stage, t))])
    return text.getvalue()


def _row(stage: StageResult, t: Trace) -> tuple[Json, ...]:
    sent_s = None if t.sent_s is None else round(stage.began_s + t.sent_s, 6)
    return (
        t.request, t.conversation, t.turn, t.phase, "cut" if t.cut else t.error or "answered",
        round(stage.began_s + t.intended_s, 6), sent_s, round(stage.began_s + t.ended_s, 6),
        wait_s(t), t.late_s, ttft_s(t), tpot_s(t) if t.answered else None, e2e_s(t),
        t.prompt_tokens, t.cached_tokens, t.output_tokens if t.answered else t.completion_tokens,
        t.hidden_tokens, sum(t.frames), len(t.arrivals_s), t.finish_reason, t.engine, t.status, t.message,
    )  # fmt: skip


def _cell(value: Json) -> Json:
    """A text that a spreadsheet would take for a formula is marked as text, as its own users mark it.

    Differences of times are to the nanosecond: what lies beyond is the arithmetic's own.
    """
    if isinstance(value, float):
        return round(value, 9)
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def _began(result: BenchResult, stage: StageResult) -> datetime:
    return datetime.fromisoformat(result.started_at) + timedelta(seconds=stage.began_s)


def _busiest_second(answered: Sequence[Trace]) -> float | None:
    """Most output tokens in a second, in seconds counted from the first sending."""
    first_s = min((t.sent_s for t in answered if t.sent_s is not None), default=0.0)
    tokens: dict[int, float] = {}
    for t in answered:
        for at_s, amount in token_arrivals(t):
            second = int(at_s - first_s)
            tokens[second] = tokens.get(second, 0.0) + amount
    return max(tokens.values(), default=None)


def _total_per_s(m: Metrics) -> float | None:
    """Input and output tokens."""
    read = _per_s(m.input_tokens, over_s=m.duration_s)
    return None if read is None or m.output_tokens_per_s is None else read + m.output_tokens_per_s


def _per_s(amount: int | None, *, over_s: float | None) -> float | None:
    return None if amount is None or not over_s else amount / over_s

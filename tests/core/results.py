"""Results of benchmarks for tests: a closed or open loop against a small engine that is only arithmetic."""

from __future__ import annotations

import math
import random
from datetime import date

from infercli.core.bench.goodput import Objectives, parse_objective
from infercli.core.bench.predictions import GpuPrice, Prediction
from infercli.core.bench.result import BenchResult, BenchTarget
from infercli.core.bench.self_check import Client
from infercli.core.bench.stage import StageResult, stage_result
from infercli.core.estimates.answer import Interval
from infercli.core.load.conversation import digest_conversations, single
from infercli.core.telemetry.engine import EngineSamples, EngineTelemetry, Histogram
from infercli.core.telemetry.gpus import Telemetry, gpu_telemetry
from infercli.core.traces import Load, Stop, Trace

KEY = bytes(range(32))
OBJECTIVES = Objectives(objectives=(parse_objective("ttft_p95=300ms"), parse_objective("tpot_p95=30ms")))


def client(**more) -> Client:
    fields = {"infercli_version": "1", "python": "3.11", "cpu": None, "cpus": 2, "kernel": "6", "clock": "kernel"}
    fields |= {"pacing": "timerfd", "workers": 1, "wall_s": 10.0, "cpu_s": 1.0, "busiest_cpu_fraction": 0.1}
    fields |= {"reads": 4, "unstamped_reads": 0, "reconnects": 0}
    return Client(**{**fields, **more})


def trace(sent=0.0, arrivals=(), frames=None, tokens=None, **more) -> Trace:
    """One request whose arrivals are given; answered unless `more` says otherwise."""
    frames = tuple(frames if frames is not None else [1] * len(arrivals))
    fields = {"request": 0, "conversation": 0, "intended_s": sent, "sent_s": sent, "status": 200}
    fields["ended_s"] = arrivals[-1] if arrivals else sent
    fields["lags_s"] = (None,) * len(arrivals)
    return Trace(**{**fields, "arrivals_s": tuple(arrivals), "frames": frames, "completion_tokens": tokens, **more})


def served(
    requests: int,
    concurrency: int,
    seed: int,
    *,
    slower: float = 1.0,
    tokens: tuple[int, int] = (12, 24),
    failing: int = 0,
    warmup: int = 0,
    memory: float = 0.9,
) -> tuple[Trace, ...]:
    """A closed loop against an engine that batches: all running requests get a token each step.

    Steps vary with a memory (`memory`: the correlation of one step's length with the next), so that requests which run
    beside one another are alike. `slower`: every step takes so many times as long. Every `failing`th request fails.
    """
    rng = random.Random(seed)
    now, drift = 0.0, 0.0
    waiting = [0.0] * concurrency
    running: list[list] = []  # due, arrivals, tokens left
    done: list[tuple[float, list[float], float]] = []
    while len(done) < requests + warmup:
        drift = memory * drift + rng.gauss(0, 0.05)
        admitted, waiting = waiting[:4], waiting[4:]
        now += slower * (0.008 + 0.0002 * len(running) + 0.004 * len(admitted)) * math.exp(drift)
        for request in running:
            request[1].append(now)
        running += [[due, [now], rng.randint(*tokens)] for due in admitted]
        for request in [r for r in running if len(r[1]) >= r[2]]:
            running.remove(request)
            done.append((request[0], request[1], now))
            waiting.append(now)
    made = []
    for number, (due, arrivals, ended) in enumerate(sorted(done[: requests + warmup])):
        phase = "warmup" if number < warmup else "measured"
        common = {"request": number, "conversation": number, "intended_s": round(due, 6), "sent_s": round(due, 6)}
        common |= {"ended_s": round(ended, 6), "phase": phase, "prompt_tokens": 64}
        if failing and number % failing == 0:
            made.append(Trace(**common, error="http", status=429, message="too many requests"))
            continue
        times = tuple(round(at, 6) for at in arrivals)
        made.append(
            Trace(
                **common,
                first_byte_s=times[0],
                arrivals_s=times,
                frames=(1,) * len(times),
                lags_s=(0.0001,) * len(times),
                completion_tokens=len(times),
                finish_reason="stop",
                status=200,
            )
        )
    return tuple(made)


def stage(
    traces, *, load: Load | None = None, objectives: Objectives | None = None, began_s=0.0, **more
) -> StageResult:
    ended = began_s + max((t.ended_s for t in traces), default=0.0)
    load = load or Load(concurrency=1, requests=max(len(traces), 1))
    fields = {"client": client(), "stopped": None, **more}
    return stage_result(load, fields["client"], traces, began_s=began_s, ended_s=ended, stopped=fields["stopped"],
                        objectives=objectives)  # fmt: skip


def result(*stages: StageResult, prompts: int | None = None, key: bytes = KEY, **more) -> BenchResult:
    sent = sum(len(s.traces) for s in stages)
    texts = [single(f"prompt {i}") for i in range(sent if prompts is None else prompts)]
    fields = {
        "infercli_version": "0.1.0",
        "started_at": "2026-11-21T08:52:06+00:00",
        "origin_monotonic_ns": 1,
        "target": BenchTarget(url="http://127.0.0.1:8000", model="Qwen/Qwen3-0.6B", api="chat", release="chat"),
        "prompts": digest_conversations(texts, "synthetic (64 words, seed 0)", key),
        "stages": stages,
        "telemetry_reason": "no GPU telemetry: NVML Shared Library Not Found",
    }
    return BenchResult(**{**fields, **more})


def run(requests=64, concurrency=8, seed=1, *, objectives: Objectives | None = OBJECTIVES, **engine) -> BenchResult:
    """One stage."""
    load = Load(concurrency=concurrency, requests=requests, warmup_requests=engine.get("warmup", 0), max_tokens=24)
    return result(
        stage(served(requests, concurrency, seed, **engine), load=load, objectives=objectives), objectives=objectives
    )


def sweep(levels=(1, 2, 4, 8, 16), requests=64, seed=1, **engine) -> BenchResult:
    """One stage after another, two seconds apart."""
    stages, began = [], 0.0
    for level in levels:
        load = Load(concurrency=level, requests=requests, max_tokens=24)
        stages.append(
            stage(served(requests, level, seed + level, **engine), load=load, objectives=OBJECTIVES, began_s=began)
        )
        began = round(stages[-1].ended_s + 2, 6)
    return result(*stages, objectives=OBJECTIVES)


def telemetry(end_s: float, gpus: int = 2, *, energy: bool = True) -> Telemetry:
    """A sample a second from one second before the run to two after it: 400 W and 80 % busy while it lasts, else idle.

    With `energy`, each GPU's counter grows by 400 J a second of the run and by 100 J outside.
    """
    at_s = [float(n) for n in range(-1, round(end_s) + 3)]
    made = []
    for index in range(gpus):
        rows, counter = [], 10**7
        for t in at_s:
            works = 0 <= t < end_s
            row = {"memory_used_bytes": 60 * 2**30, "power_w": 400.0 if works else 100.0, "sm_clock_mhz": 1755}
            row |= {"busy_fraction": 0.8 if works else 0.0, "temperature_c": 64, "clock_events": 4 if t == 1 else 0}
            rows.append(row | ({"energy_mj": counter} if energy else {}))
            counter += 400_000 if works else 100_000
        known = {"name": "NVIDIA H100 80GB HBM3", "memory_total_bytes": 80 * 2**30}
        made.append(gpu_telemetry(index, at_s, rows, {} if energy else {"energy_mj": "Not Supported"}, **known))
    return Telemetry(interval_s=1.0, window_s=at_s[-1] - at_s[0], driver_version="580.95", gpus=tuple(made))


def engine(end_s: float, source: str = "chat-3f9a1c") -> EngineTelemetry:
    """A scrape a second: at most eight run and three wait, and the KV cache is three quarters full."""
    at_s = tuple(float(n) for n in range(round(end_s) + 1))
    middle = (8, *(5 for _ in at_s[2:])) if len(at_s) > 1 else ()
    return EngineTelemetry(
        source=source,
        interval_s=1.0,
        scrapes=len(at_s),
        failed_scrapes=0,
        start_s=0.0,
        end_s=at_s[-1],
        samples=EngineSamples(
            at_s=at_s,
            running=(0, *middle),
            waiting=(3, *(0 for _ in middle)),
            kv_cache_usage_fraction=(0.0, *(0.75 for _ in middle)),
        ),
        preemptions=2,
        prefix_cache_query_tokens=1000,
        prefix_cache_hit_tokens=340,
        prompt_tokens=1000,
        generation_tokens=2000,
        finished={"stop": 64},
        ttft_s=None,
        itl_s=None,
        tpot_s=None,
        e2e_s=None,
        queue_s=Histogram(edges_s=(0.1,), counts=(4, 0), sum_s=0.02),
        names={},
        absent={"ttft_s": "vllm:time_to_first_token_seconds is not there"},
    )


def interval(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=low, high=high)


PRICE = GpuPrice(
    gpus=2,
    low_usd_per_h=3.6,
    median_usd_per_h=7.2,
    high_usd_per_h=14.4,
    quotes=4,
    as_of=date(2026, 11, 1),
    source="list",
)


def full(bench: BenchResult) -> BenchResult:
    """With telemetry, a price, and a prediction of every stage: throughput within, TTFT below, TPOT above it."""
    predicted = []
    for n, s in enumerate(bench.stages):
        rate, ttft, tpot = s.metrics.output_tokens_per_s or 1.0, s.metrics.ttft_s.p50, s.metrics.tpot_s.p50
        predicted.append(
            Prediction(
                stage=n,
                source="plan chat 3f9a1c",
                output_tokens_per_s=interval(rate, rate / 2, rate * 2),
                ttft_s=interval(ttft * 2, ttft * 1.5, ttft * 3),
                tpot_s=interval(tpot / 2, tpot / 3, tpot / 1.5),
            )
        )
    end_s = bench.stages[-1].ended_s
    more = {"telemetry": telemetry(end_s), "telemetry_reason": None, "price": PRICE, "engines": (engine(end_s),)}
    more["unwatched"] = {"http://10.0.0.7:9400/metrics": "no answer"}
    return bench.model_copy(update={**more, "predicted": tuple(predicted)})


HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202e\"'&amp;"
"""What somebody might call a model, or answer."""


def hostile() -> BenchResult:
    """Markup, terminal codes and formulas wherever a result holds words of others."""
    base = run(64, 8, failing=7)
    (one,) = base.stages
    traces = [
        t.model_copy(update={"message": f"=cmd|{HOSTILE}", "engine": HOSTILE} if t.error else {"engine": HOSTILE})
        for t in one.traces
    ]
    client_ = one.client.model_copy(update={"clock": "user", "clock_reason": HOSTILE})
    return result(
        stage(
            traces, load=one.load, objectives=OBJECTIVES, client=client_, stopped=Stop(kind="gave up", detail=HOSTILE)
        ),
        objectives=OBJECTIVES,
        target=BenchTarget(url=f"http://h/{HOSTILE}", model=HOSTILE, api="chat", release=HOSTILE),
        telemetry_reason=f"no GPU telemetry: {HOSTILE}",
        predicted=(Prediction(stage=0, source=HOSTILE, ttft_s=interval(0.01, 0.005, 0.02)),),
        price=PRICE.model_copy(update={"source": HOSTILE}),
        engines=(engine(3.0, HOSTILE), engine(3.0, "other")),
        unwatched={HOSTILE: HOSTILE},
    )

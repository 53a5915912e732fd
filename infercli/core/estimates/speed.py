"""The speed of an estimate: what the stated load sees of an engine whose memory was sized before."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt

from infercli.core.architecture.arch import ModelArch
from infercli.core.estimates.answer import EstimatedSpeed, Interval
from infercli.core.estimates.memory import Sized
from infercli.core.estimates.request import EstimateRequest, Traffic
from infercli.core.gpus import Gpu
from infercli.core.speed import bounds, throughput
from infercli.core.speed.engine import Serving, limits_of, step_time
from infercli.core.speed.errors import Metric
from infercli.core.speed.experts import largest_of
from infercli.core.speed.samples import Lengths
from infercli.core.speed.steady import most_running
from infercli.core.speed.steps import GPUS_PER_NODE, pcie_bytes_per_s
from infercli.core.units import number
from infercli.errors import Unsupported

_OUT_OF_STEP_FRACTION = 0.1
"""Of the length of answers, where a closed loop states none. Clients whose lengths are all equal finish together, send
again together and wait for each other's prompts; those of real texts drift apart. Of 130 fitted loops, most of them of
real texts, TTFT is off by 55 % where all stay in step, and by 18 to 19 % with 0.03 to 0.1. Of 56 others, nearly all of
fixed lengths, it is off by 51 % with this and by 40 % where all stay in step. Nobody has equal lengths unknowingly, so
0 has to be said; where nothing is, the interval of TTFT reaches to there."""
_IN_STEP = (
    "lengths are taken to differ: where all are equal, as in many benchmarks, clients wait for one another's prompts, "
    "and TTFT is about {} s"
)

HELD_WHOLE = (
    "the KV cache is taken to hold the whole prompt of each request: where several share a prefix they hold it once, "
    "and more of them fit"
)


def speed(request: EstimateRequest, sized: Sized, replicas: int) -> EstimatedSpeed:
    """Raises Unsupported where no speed can be said: it does not start, pools, or its acceptance is not stated."""
    traffic, arch, gpu = request.workload, sized.arch, sized.load.gpu
    assert traffic is not None
    serving = serving_of(request, sized, traffic)
    load = load_of(traffic, replicas)
    step = step_time(arch, sized.quantization, gpu, serving, served=load.served)

    def bounded(value: float, metric: Metric, of: throughput.Load, *, outrun: bool = False) -> Interval:
        found, why = bounds.bounded(value, metric, arch, gpu, serving, of, outrun=outrun)
        notes.update(dict.fromkeys(why))
        return Interval(value=found.value, low=found.low, high=found.high)

    notes: dict[str, None] = dict.fromkeys(_uncounted(request, arch, gpu))
    highest = None
    if traffic.has_objectives:
        rate = throughput.highest_request_rate(step, serving, load, _objectives(traffic))
        at_rate = load._replace(concurrency=None, request_rate=rate or None)
        highest = bounded(rate, "output_tokens_per_s", at_rate)
        if not traffic.has_load:
            # Nothing else was asked: the rest is said at that rate, or for a single client where none keeps it.
            load = at_rate if rate else load._replace(concurrency=1.0)
    seen = throughput.predict(step, serving, load)
    tpot = seen.tpot_s
    outrun = bounds.outruns(load, seen)
    best = throughput.fastest(arch, sized.quantization, gpu, serving, load)
    latest = seen.ttft_s
    if load.concurrency is not None and traffic.length_spread_fraction is None:
        in_step = load._replace(output=load.output._replace(spread=0.0))
        latest = throughput.predict(step, serving, in_step).ttft_s
        if latest.p50 > bounded(seen.ttft_s.p50, "ttft", load).high:
            notes[_IN_STEP.format(number(latest.p50))] = None
    carried = throughput.capacity_requests_per_s(step, serving, load)
    piles_up = outrun and carried < (load.request_rate or 0.0)  # a few requests are over before the engine is full
    notes.update(dict.fromkeys(_crowded(serving, load, piles_up=piles_up, answered=seen.requests_per_s)))

    def said(value: float, metric: Metric, most: float = 0.0) -> Interval:
        found = bounded(value, metric, load, outrun=outrun)
        if metric == "output_tokens_per_s":
            return _between(found, value / seen.requests_per_s, load, carried=carried, best=best, outrun=outrun)
        floor = best.ttft_s if metric == "ttft" else best.tpot_s
        low, high = min(value, max(found.low, floor)), max(found.high, most)
        return found.model_copy(update={"low": low, "high": high})

    return EstimatedSpeed(
        output_tok_per_s=said(seen.output_tokens_per_s, "output_tokens_per_s"),
        total_tok_per_s=said(seen.total_tokens_per_s, "output_tokens_per_s"),
        requests_per_s=said(seen.requests_per_s, "output_tokens_per_s"),
        ttft_s=said(seen.ttft_s.p50, "ttft", latest.p50),
        ttft_mean_s=said(seen.ttft_s.mean, "ttft", latest.mean),
        ttft_p95_s=said(seen.ttft_s.p95, "ttft", latest.p95),
        ttft_p99_s=said(seen.ttft_s.p99, "ttft", latest.p99),
        tpot_s=None if tpot is None else said(tpot.p50, "tpot"),
        tpot_p95_s=None if tpot is None else said(tpot.p95, "tpot"),
        roofline_requests_per_s=best.requests_per_s,
        highest_request_rate=highest,
        notes=tuple(notes),
    )


def _uncounted(request: EstimateRequest, arch: ModelArch, gpu: Gpu) -> Iterator[str]:
    """What of the engine changes its speed, and is taken to be nothing or the usual."""
    if request.workload is not None and request.workload.prefix_hit_fraction:
        yield HELD_WHOLE
    if arch.encoders and request.items(arch).kinds != "none":
        yield "the time that encoders take for images, videos or sound is not counted"
    if request.enable_lora:
        yield "what adapters add to each step is not counted: requests of the base model alone"
    if request.decode_context_parallel_size > 1:
        yield "what decode_context_parallel_size changes in time is not counted: only the memory that it leaves"
    if request.tensor_parallel_size > 1 and gpu.nvlink_bytes_per_s is None and request.pcie_gb_per_s is None:
        each_way = number(pcie_bytes_per_s(gpu) / 2e9)
        slot = f"ranks are taken to talk over PCIe at {each_way} GB/s each way"
        yield f"{slot}: where a slot has less, `infercli estimate --pcie-gb-per-s` counts it"
    ranks = request.tensor_parallel_size * request.data_parallel_size
    if ranks > GPUS_PER_NODE:
        yield f"{ranks} ranks are taken to span nodes of {GPUS_PER_NODE} GPUs, over a network of 400 Gb/s for each GPU"


def _between(
    found: Interval, unit: float, load: throughput.Load, *, carried: float, best: throughput.Fastest, outrun: bool
) -> Interval:
    """A throughput within what can be: `unit` for each request, of which no more are answered than arrive.

    And as many as arrive are, where the engine carries more even at the pessimistic end.
    """
    most, least = best.requests_per_s, 0.0
    if load.request_rate is not None and load.requests is None:
        most = min(most, load.request_rate)
        least = 0.0 if outrun else min(load.request_rate, carried * found.low / found.value)
    low = min(found.value, max(found.low, least * unit))
    return Interval(value=found.value, low=low, high=max(found.value, min(found.high, most * unit)))


def _crowded(serving: Serving, load: throughput.Load, *, piles_up: bool, answered: float) -> Iterator[str]:
    """That requests wait, and why: whoever reads a TTFT of minutes must not take it for the GPU's."""
    if piles_up:
        arriving = number(load.request_rate or 0.0)
        yield f"{arriving} requests/s arrive and {number(answered)} are answered: the queue grows, and TTFT with it"
    if load.concurrency is None:
        return
    mean = load.concurrency / load.replicas
    if load.replicas > 1 and mean >= 1:
        most = number(round(mean + largest_of(load.replicas) * sqrt(mean * (1 - 1 / load.replicas))))
        yield (
            f"{number(load.concurrency)} requests are taken to be spread evenly over {load.replicas} replicas: where a "
            f"balancer deals them out at random, the busiest has about {most}, and a run lasts until it ends"
        )
    engines = load.replicas * serving.layout.data_parallel_size
    at_once = most_running(limits_of(serving), load.prompt.mean, load.output.mean)
    if load.concurrency > at_once * engines:
        limit = "max_num_seqs" if at_once >= serving.max_num_seqs else "the KV cache"
        running, asked = number(at_once * engines), number(load.concurrency)
        yield f"{limit} lets about {running} of {asked} requests run at once: the others wait"


def serving_of(request: EstimateRequest, sized: Sized, traffic: Traffic) -> Serving:
    """The engine as speed sees it. Raises Unsupported where it does not start or its acceptance is not stated."""
    if sized.starts is False:
        raise Unsupported(f"it does not start: {sized.reason}")
    drafted = request.speculation
    if drafted is not None and drafted.acceptance_fraction is None:
        raise Unsupported(
            "the speed of speculation depends on how many drafted tokens are accepted, which is not stated: "
            "speculation.acceptance_fraction of an estimate",
            "add it",
        )
    return Serving(
        engine_version=request.engine_version,
        first_engine=sized.facts.engine(sized.load.gpu) == "V0",
        layout=sized.load.layout,
        max_num_seqs=sized.load.max_num_seqs,
        max_num_batched_tokens=sized.load.max_num_batched_tokens,
        kv_tokens=sized.tokens_held(traffic.input_len + traffic.output_len),
        element_bytes=sized.load.element_bytes,
        kv_element_bytes=sized.kv_element_bytes,
        eager=sized.load.enforce_eager,
        marlin=request.marlin,
        draft_tokens=0 if drafted is None else drafted.num_speculative_tokens,
        acceptance_fraction=0.0 if drafted is None else drafted.acceptance_fraction or 0.0,
        draft=sized.load.draft,
        draft_passes=0 if drafted is None else drafted.passes,
    )


def load_of(traffic: Traffic, replicas: int) -> throughput.Load:
    """What is asked of all replicas together."""
    spread, shape = traffic.length_spread_fraction, traffic.length_shape
    apart = spread if spread is not None else 0.0 if traffic.concurrency is None else _OUT_OF_STEP_FRACTION
    spread = spread or 0.0
    return throughput.Load(
        prompt=Lengths(traffic.input_len, spread, shape),
        output=Lengths(traffic.output_len, apart, shape),
        concurrency=traffic.concurrency,
        request_rate=traffic.request_rate,
        requests=traffic.num_prompts,
        cached_fraction=traffic.prefix_hit_fraction,
        served=not traffic.offline,
        replicas=replicas,
    )


def _objectives(traffic: Traffic) -> throughput.Objectives:
    def seconds(limit_ms: float | None) -> float | None:
        return None if limit_ms is None else limit_ms / 1000

    return throughput.Objectives(
        ttft_p95_s=seconds(traffic.ttft_p95_ms),
        ttft_p99_s=seconds(traffic.ttft_p99_ms),
        tpot_p95_s=seconds(traffic.tpot_p95_ms),
    )

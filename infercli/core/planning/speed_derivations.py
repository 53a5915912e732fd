"""The derivations of what is expected of a plan: speed, which is played and has no closed form, and price.

What can be said of a played figure: how long the steps are that it consists of, and from which rates.
"""

from __future__ import annotations

from collections.abc import Iterator

from infercli.core.architecture.arch import Experts, feed_forwards
from infercli.core.derivation import Derivation, Given, Measured, derived
from infercli.core.estimates.answer import Interval
from infercli.core.estimates.request import Traffic
from infercli.core.estimates.speed import serving_of
from infercli.core.planning.outcome import Question
from infercli.core.planning.outlook import Cost, Outlook
from infercli.core.speed.coefficients import Coefficients
from infercli.core.speed.engine import Serving, coefficients_for, step_time, version_of
from infercli.core.speed.errors import Metric, error_of
from infercli.core.speed.rates import half_flops_per_s
from infercli.core.speed.steps import is_cdna3, is_early, is_widened, link, reached_on
from infercli.core.speed.work import rank_work

_RANGE = "low to high is meant to hold 80 % of measurements"
_PLAYED = "the scheduler played step by step (core/speed/schedule.py) with step times from bytes and FLOP"
_FITTED = "core/speed/coefficients.py: fitted on public measurements of vLLM"


def explain_outlook(question: Question, said: Outlook) -> Iterator[Derivation]:
    """What is expected; nothing where nothing is said."""
    if said.speed is not None:
        yield from _speed(question, said)
    if said.cost is not None:
        yield from _cost(said.cost, said)


def _speed(q: Question, said: Outlook) -> Iterator[Derivation]:
    found = said.speed
    assert found is not None
    traffic = Traffic(
        input_len=said.input_tokens, output_len=said.output_tokens, concurrency=said.concurrency,
        prefix_hit_fraction=said.prefix_hit_fraction,
    )  # fmt: skip
    serving = serving_of(q.request, q.sized, traffic)
    step = step_time(q.arch, q.quantization, q.gpu, serving)
    c = reached_on(q.gpu, coefficients_for(serving))
    running = min(q.requests, q.settings.max_num_seqs)
    prompt = said.input_tokens
    context = prompt + said.output_tokens / 2
    fresh = max(1, round(prompt * (1 - said.prefix_hit_fraction)))
    chunk = min(fresh, q.settings.max_num_batched_tokens)
    cached = f", the first {prompt - fresh:,} of which the prefix cache has" if fresh < prompt else ""
    load = _workload(said)
    rates = tuple(_rates(q, serving, c))
    decode = Given(
        name="decode_step_s", value=step(running, running * context), unit="s",
        source=f"a step of {running} sequences at {context:,.0f} tokens of context each",
    )  # fmt: skip
    prefill = Given(
        name="prefill_step_s", value=step(0, 0, chunk, chunk * (prompt - fresh + chunk / 2), 1), unit="s",
        source=f"a step of {chunk:,} tokens of one prompt{cached}, and nothing else",
    )  # fmt: skip
    request = Given(
        name="request_s",
        value=c.request_s,
        unit="s",
        source="HTTP and queues of a request; core/speed/coefficients.py: as public single clients wait",
    )
    tokenize = Given(
        name="tokenize_s",
        value=prompt * c.tokenize_s,
        unit="s",
        source=f"the API server reads {prompt:,} tokens; core/speed/coefficients.py: as measured on one core",
    )
    yield _played("ttft_s", found.ttft_s, (prefill, decode, request, tokenize, *rates), _error(q, "ttft"))
    if found.tpot_s is not None:
        yield _played("tpot_s", found.tpot_s, (decode, prefill, *rates), _error(q, "tpot"))
    throughput_error = _error(q, "output_tokens_per_s")
    yield Derivation(
        name="requests_per_s", value=found.requests_per_s.value, low=found.requests_per_s.low,
        high=found.requests_per_s.high, unit="requests/s", formula="", inputs=load,
        source=f"{_PLAYED}; concurrency over the mean time of a request (Little's law)",
        errors=throughput_error, note=_RANGE,
    )  # fmt: skip
    tokens = found.output_tok_per_s
    yield Derivation(
        name="output_tok_per_s", value=tokens.value, low=tokens.low, high=tokens.high, unit="tokens/s",
        formula="requests_per_s * output_tokens",
        inputs=(_derived("requests_per_s", found.requests_per_s.value, "requests/s"), load[2]),
        source="every answer has output_tokens tokens", errors=throughput_error, note=_RANGE,
    )  # fmt: skip


def _rates(q: Question, serving: Serving, c: Coefficients) -> Iterator[Given]:
    """What the GPU's row says, and the constants by which steps of this model on it are made of that."""
    gpu, ranks = q.gpu, serving.layout.tensor_parallel_size
    work = rank_work(
        q.arch, q.quantization, gpu, serving.layout, element_bytes=serving.element_bytes,
        kv_element_bytes=serving.kv_element_bytes, engine_version=version_of(serving.engine_version),
        marlin=serving.marlin,
    )  # fmt: skip
    half = half_flops_per_s(gpu)
    experts = {m.flops_per_s > half for m in work.matrices if m.experts}

    def said(name: str, value: float, unit: str, source: str = gpu.source) -> Given:
        return Given(name=name, value=value, unit=unit, source=source)

    def fitted(name: str, what: str) -> Given:
        return said(name, getattr(c, name), "s" if name.endswith("_s") else "", f"{what}; {_FITTED}")

    yield said("memory_bandwidth", gpu.memory_bandwidth_bytes_per_s, "bytes/s")
    yield fitted("bandwidth_fraction", "reached in dense weights")
    if experts:
        yield fitted("experts_bandwidth_fraction", "in weights of experts")
    yield fitted("kv_bandwidth_fraction", "in the KV cache")
    for rate in sorted({half, *(m.flops_per_s for m in work.matrices)}):
        less = rate < half
        source = "16 bits, as far as Marlin reaches: core/speed/work.py _mma_fraction" if less else gpu.source
        yield said("peak_16_bit" if rate == half else "peak_widened" if less else "peak_native", rate, "FLOP/s", source)
    yield fitted("matmul_fraction", "reached in large products")
    if any(is_widened(m, gpu) for m in work.matrices):
        yield fitted("widened_fraction", "of that where Marlin widens the weights")
    if False in experts:
        yield fitted("experts_half_matmul_fraction", "in products of experts in 16 bits")
    if True in experts:
        yield fitted("experts_matmul_fraction", "in products of experts in fewer bits")
    yield fitted("attention_fraction", "of peak_16_bit in attention over a prompt")
    if is_early(gpu):
        yield fitted("early_fraction", "of what later GPUs reach in computing")
    if is_cdna3(gpu):
        yield fitted("cdna3_fraction", "of what other GPUs reach in all")
    yield fitted("kernel_s", f"of each of {work.kernels:,} kernels of a step")
    if ranks > 1:
        latency_s, bandwidth, fraction = link(gpu, c, ranks)
        yield said("reduction_s", latency_s, "s", f"of each of {work.reductions:,} all-reduces of a step; {_FITTED}")
        yield said("link_bandwidth", bandwidth, "bytes/s", f"one direction; {gpu.source}")
        yield said("link_fraction", fraction, "", f"reached in large all-reduces; {_FITTED}")


def _workload(said: Outlook) -> tuple[Given, Given, Given]:
    return (
        Given(name="in_flight", value=said.concurrency, unit="requests", source="workload.concurrency"),
        Given(name="input_tokens", value=said.input_tokens, unit="tokens", source="workload.input_tokens"),
        Given(name="output_tokens", value=said.output_tokens, unit="tokens", source="workload.output_tokens"),
    )


def _played(name: str, value: Interval, inputs: tuple[Given, ...], errors: tuple[Measured, ...]) -> Derivation:
    return Derivation(
        name=name, value=value.value, low=value.low, high=value.high, unit="s", formula="", inputs=inputs,
        source=f"{_PLAYED}; the median over requests", errors=errors, note=_RANGE,
    )  # fmt: skip


def _error(q: Question, metric: Metric) -> tuple[Measured, ...]:
    experts = any(isinstance(f, Experts) for f in feed_forwards(q.arch))
    error = error_of(metric, "concurrency", experts=experts, v0=False)
    kind = "models with experts" if experts else "dense models"
    return (
        Measured(
            logs=f"public measurements of vLLM to 0.20 at a given concurrency, {kind}, in groups left out of the fit",
            count=error.rows, mean_fraction=None, median_fraction=error.median_fraction,
        ),
    )  # fmt: skip


def _cost(cost: Cost, said: Outlook) -> Iterator[Derivation]:
    source = f"{cost.quotes} quotes, {cost.as_of}: {cost.source}"
    gpus = Given(name="gpus", value=cost.gpus, source="of all replicas")
    each = cost.usd_per_h.value / cost.gpus
    yield Derivation(
        name="usd_per_h", value=cost.usd_per_h.value, low=cost.usd_per_h.low, high=cost.usd_per_h.high, unit="USD/h",
        formula="gpus * usd_per_gpu_h",
        inputs=(gpus, Given(name="usd_per_gpu_h", value=each, unit="USD/h", source=f"the median of {source}")),
        source="prices.yaml", note="low to high are the lowest and the highest quote",
    )  # fmt: skip
    tokens = cost.usd_per_million_output_tokens
    if tokens is not None and said.speed is not None:
        yield Derivation(
            name="usd_per_million_output_tokens", value=tokens.value, low=tokens.low, high=tokens.high, unit="USD",
            formula="usd_per_h / (3600 * output_tok_per_s) * 1e6",
            inputs=(
                _derived("usd_per_h", cost.usd_per_h.value, "USD/h"),
                _derived("output_tok_per_s", said.speed.output_tok_per_s.value, "tokens/s"),
            ),
            source="at the workload's concurrency around the clock",
        )  # fmt: skip


def _derived(name: str, value: float, unit: str) -> Given:
    return Given(name=name, value=value, unit=unit, source=derived(name))

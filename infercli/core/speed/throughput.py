"""What a load would see of an engine: TTFT, TPOT, tokens and requests a second (their intervals: core/speed/bounds.py).

The one thing to know: the scheduler is played step by step (core/speed/schedule.py) with step times from bytes and FLOP
(core/speed/steps.py); only the shares of the datasheet that hardware reaches are fitted.
"""

from bisect import bisect_left
from dataclasses import replace
from itertools import accumulate
from math import ceil
from typing import NamedTuple

from infercli.core.architecture.arch import ModelArch
from infercli.core.gpus import Gpu
from infercli.core.quantization.schemes import Quantization
from infercli.core.speed.coefficients import ROOFLINE
from infercli.core.speed.engine import Serving, limits_of, step_time
from infercli.core.speed.samples import Lengths, sample_arrivals_s, sample_lengths, sample_whole_lengths
from infercli.core.speed.schedule import Played, play
from infercli.core.speed.steady import highest_rate, most_running, steady
from infercli.core.speed.steps import StepTime

_ARRIVALS, _TURNS = 600, 4
"""Requests that an open loop plays at least where the load does not say, and how often those that are in flight: fewer
all come before the first are answered, and see an engine that is still filling up."""
_AT_ONCE = 256
"""Prompts of an offline run, where the load does not say."""
_MOST = 5000
"""Requests that are played at most. All at once, what follows them only makes the queue longer: the wait is stretched.
Arriving, they show a steady state; a queue that grows without end is then that of the first of them."""
_SAMPLED = 101
"""Prompts that stand for all, where only the one in the middle counts."""
_LOOPS = 5
"""Requests of each client that a closed loop plays at most: of a longer run all but whole rounds of its clients."""
_RUN = 10
"""Prompts of each client, of which the mean of TTFT is said where the load does not say: it is a benchmark's figure,
with the burst at the start in it (InferenceX: `--num-prompts "$((CONC * 10))"`)."""
_FEW = 8
"""Clients of an engine. Below, engines that have one more than others are played by themselves; of more, the half by
which their mean is rounded is 6 % at most."""
_CLIENTS, _QUEUED = 1000, 2
"""Clients of a closed loop that are played at most, or so many times those that the scheduler lets in. The others only
wait behind them, for as long as it takes to answer as many."""


class Load(NamedTuple):
    """What is asked of all replicas together. Neither concurrency nor request_rate: all prompts are there at once."""

    prompt: Lengths
    output: Lengths
    concurrency: float | None = None
    request_rate: float | None = None
    """Requests a second, Poisson."""
    requests: int | None = None
    """In all. The burst with which a closed loop begins counts for its share of them; None: it never ends, and the
    burst is long past but for the mean of TTFT."""
    cached_fraction: float = 0.0
    """Share of the prompt's tokens that the prefix cache already holds."""
    served: bool = True
    """Through an HTTP server; False: a list of prompts given to the engine itself."""
    replicas: int = 1


class Spread(NamedTuple):
    """A latency over requests, in s."""

    mean: float
    p50: float
    p95: float
    p99: float


class Speed(NamedTuple):
    """Of all replicas together; latencies of one request."""

    output_tokens_per_s: float
    total_tokens_per_s: float
    requests_per_s: float
    ttft_s: Spread
    tpot_s: Spread | None
    """None: answers of one token."""
    running: float
    """Mean requests that are decoded at a time, of one replica."""


class Objectives(NamedTuple):
    """What must hold over requests, in s. None: not asked."""

    ttft_p95_s: float | None = None
    ttft_p99_s: float | None = None
    tpot_p95_s: float | None = None

    def keeps(self, speed: Speed) -> bool:
        """Whether that speed keeps all of them."""
        pairs = [(speed.ttft_s.p95, self.ttft_p95_s), (speed.ttft_s.p99, self.ttft_p99_s)]
        if speed.tpot_s is not None:
            pairs.append((speed.tpot_s.p95, self.tpot_p95_s))
        return all(limit is None or value <= limit for value, limit in pairs)


class Fastest(NamedTuple):
    """Bounds of what an engine does on its hardware: every datasheet figure reached, every step free of overhead."""

    ttft_s: float
    """Of the median prompt, where nobody else is there."""
    tpot_s: float
    requests_per_s: float
    """Of all replicas, with as many decoding as fit."""


def capacity_requests_per_s(step: StepTime, serving: Serving, load: Load) -> float:
    """Requests a second of all replicas that no queue outlives: with as many decoding as fit. In closed form."""
    prompt, output = load.prompt.mean, load.output.mean
    limits = limits_of(serving)
    running = most_running(limits, prompt, output)
    tokens = 1.0 + serving.draft_tokens * serving.acceptance_fraction
    engines = load.replicas * serving.layout.data_parallel_size
    return engines * steady(step, limits, prompt, output, running, load.cached_fraction, tokens).requests_per_s


def highest_request_rate(step: StepTime, serving: Serving, load: Load, objectives: Objectives) -> float:
    """Requests a second, of all replicas, that keep the objectives; 0 where none does. Ignores the load's own rate.

    Never more than the engine carries, but of a load that ends: so many requests may arrive faster.
    """

    def keeps(rate: float) -> bool:
        return objectives.keeps(predict(step, serving, load._replace(concurrency=None, request_rate=rate)))

    return highest_rate(keeps, capacity_requests_per_s(step, serving, load), load.requests)


def fastest(arch: ModelArch, quantization: Quantization, gpu: Gpu, serving: Serving, load: Load) -> Fastest:
    """What that hardware could do were nothing ever lost."""
    step = step_time(arch, quantization, gpu, serving, served=load.served, coefficients=ROOFLINE)
    prompt = sorted(sample_lengths(load.prompt, _SAMPLED, 1))[_SAMPLED // 2]
    fresh = max(1.0, prompt * (1 - load.cached_fraction))
    last = fresh if fresh <= serving.max_num_batched_tokens else 1.0
    pairs = fresh * (prompt - fresh / 2)
    return Fastest(
        ttft_s=step(0.0, 0.0, fresh, pairs, 1.0) + step.passing_s(last, pairs * last / fresh, 1.0),
        tpot_s=step(1.0, prompt) / (1.0 + serving.draft_tokens * serving.acceptance_fraction),
        requests_per_s=capacity_requests_per_s(step, serving, load),
    )


def predict(step: StepTime, serving: Serving, load: Load) -> Speed:
    """What the load sees. `step`: of `step_time`."""
    c = step.coefficients
    engines = load.replicas * serving.layout.data_parallel_size
    limits = limits_of(serving)
    each = (load.concurrency or 0.0) / engines
    if 1 < each < _FEW and each % 1 and load.requests is None:
        fewer, more = (
            predict(step, serving, load._replace(concurrency=float(whole * engines)))
            for whole in (int(each), int(each) + 1)
        )
        return _between(fewer, more, each % 1)
    clients = None if load.concurrency is None else _clients(load, engines)
    let_in = most_running(limits, load.prompt.mean, 0.0)  # answers that have only begun
    concurrency = clients and min(clients, max(_CLIENTS, ceil(_QUEUED * let_in)))
    count = requests_played(load, concurrency, clients, engines)
    if load.request_rate is not None and load.requests is None:
        in_flight = _in_flight(step, serving, load)
        count = min(_MOST, max(count, ceil(_TURNS * in_flight)))
    prompts = sample_lengths(load.prompt, count, 1)
    outputs = sample_whole_lengths(load.output, count, 2)
    played = play(
        step,
        limits,
        prompts,
        outputs,
        arrivals_s=None if load.request_rate is None else sample_arrivals_s(load.request_rate / engines, count, 3),
        concurrency=concurrency,
        request_s=c.request_s if load.served else 0.0,
        intake_s=c.intake_s if load.served else 0.0,
        tokenize_s=c.tokenize_s if load.served else 0.0,
        cached_fraction=load.cached_fraction,
        tokens_per_step=1.0 + serving.draft_tokens * serving.acceptance_fraction,
        passing_s=step.passing_s if serving.layout.pipeline_parallel_size > 1 else None,
        ahead=step.ahead,
    )
    behind = (clients or 0) - (concurrency or 0)
    capacity = capacity_requests_per_s(step, serving, load)
    return _measured(played, prompts, outputs, concurrency, behind, load, engines, capacity)


def _between(fewer: Speed, more: Speed, share: float) -> Speed:
    """Of engines of which this share has a client more than the others; what a request sees is what most of them do."""
    rates = ("output_tokens_per_s", "total_tokens_per_s", "requests_per_s")
    mixed = {name: (1 - share) * getattr(fewer, name) + share * getattr(more, name) for name in rates}
    return (more if share >= 0.5 else fewer)._replace(**mixed)


def _clients(load: Load, engines: int) -> int:
    """In flight in one engine, of those that have any. Of a load of one round, in the engine that has most."""
    each = _in_all(load) / engines
    return ceil(each) if load.requests is not None and load.requests <= _in_all(load) else max(1, round(each))


def _in_all(load: Load) -> float:
    """In flight in a closed loop: never more than there are requests."""
    assert load.concurrency is not None
    return load.concurrency if load.requests is None else min(load.concurrency, load.requests)


def _of_all(
    played: Played, rate: float, load: Load, engines: int, clients: int | None, count: int, capacity: float
) -> float:
    """Requests/s of all engines, of one of which `clients` or, in an open loop, `count` requests were played at `rate`.

    Whole requests were, and not every engine need have one: a single client is answered by one of eight engines, and no
    sooner for the others.
    """
    if clients is not None:  # Little's law: as long as each takes, so many are in flight
        asked, share = _asked(load, clients, engines), _in_all(load) / clients
        if load.requests is not None and asked is not None and count >= asked:
            share = load.requests / count  # played to its end, in whole requests
        return min(rate * share, max(capacity, rate * engines))
    if load.requests is None or count * engines < load.requests:
        return rate * engines
    if load.request_rate is None:
        return rate * load.requests / count
    # The few that are played do not show how long all take to arrive.
    arriving_s = (load.requests - 1) / load.request_rate
    return load.requests / (arriving_s + max(played.done_s) - max(played.sent_s))


def _in_flight(step: StepTime, serving: Serving, load: Load) -> float:
    """Requests of an open loop that one engine decodes at a time: up to twice those that the closed form needs."""
    assert load.request_rate is not None
    running = most_running(limits_of(serving), load.prompt.mean, load.output.mean)
    while running >= 2:
        fewer = replace(serving, max_num_seqs=int(running / 2))
        if capacity_requests_per_s(step, fewer, load) < load.request_rate:
            break
        running /= 2
    return running


def _asked(load: Load, clients: int | None, engines: int) -> float | None:
    """Requests of one engine, in as many rounds of its `clients` as all have together; None: it never ends."""
    if load.requests is None:
        return None
    return round(load.requests / engines if clients is None else load.requests * clients / _in_all(load), 9)


def requests_played(load: Load, concurrency: int | None, clients: int | None, engines: int) -> int:
    """Requests that one engine plays: as many as asked, or as a steady state needs. `concurrency`: of its `clients`."""
    each = _asked(load, clients, engines)
    asked = None if each is None else max(1, ceil(each))
    if concurrency is not None:
        enough = max(_LOOPS * concurrency, 24)
        if asked is None or asked <= enough:
            return max(concurrency, asked or enough)
        return enough - (enough - asked) % concurrency  # as many end in the last round as do in the whole run
    if load.request_rate is not None:
        return min(asked or _ARRIVALS, _MOST)
    return min(asked or _AT_ONCE, _MOST)


def _measured(
    played: Played,
    prompts: list[float],
    outputs: list[float],
    concurrency: int | None,
    behind: int,
    load: Load,
    engines: int,
    capacity: float,
) -> Speed:
    """`behind`: clients of a closed loop that were not played, and wait. `capacity`: requests/s of all engines."""
    count = len(prompts)
    at_once = concurrency is None and load.request_rate is None
    clients = None if concurrency is None else concurrency + behind
    asked = _asked(load, clients, engines)
    stretch = max(1.0, (asked or 0) / count) if at_once else 1.0
    first_s = [stretch * (f - s) for f, s in zip(played.first_s, played.sent_s, strict=True)]
    between_s = [
        (d - f) / (o - 1) if o > 1 else None for d, f, o in zip(played.done_s, played.first_s, outputs, strict=True)
    ]
    taken = sum(d - s for d, s in zip(played.done_s, played.sent_s, strict=True))
    span = max(played.done_s) - min(played.sent_s)
    rate, burst, later = count / span, 1.0, 1.0
    if concurrency is not None and (asked is None or count < asked):
        rate = concurrency * count / taken  # Little's law: a steady state has no start and no end
        if count > concurrency:  # where not all run at once, who came first waited less
            after_s = sum(played.done_s[concurrency:]) - sum(played.sent_s[concurrency:])
            rate = min(rate, concurrency * (count - concurrency) / after_s)
    if concurrency is not None and clients is not None and count > concurrency:
        run = _RUN * clients if asked is None else asked
        burst, later = clients / concurrency, max(0.0, run - clients) / (count - concurrency)
        # Those who come at once are all others' turns apart, and whoever comes later waits for all of them.
        behind_s, longer = behind / rate, clients / concurrency
        first_s = [f * longer if i < concurrency else f + behind_s for i, f in enumerate(first_s)]
    shares = [burst if i < (concurrency or 0) else later for i in range(count)]
    if concurrency is not None and asked is not None and count < asked:
        rate = asked / (span + (asked - count) / rate)  # until the last answer ends, with ever fewer clients
    rate = _of_all(played, rate, load, engines, clients, count, capacity)
    if load.request_rate is not None and load.requests is None:
        rate = min(load.request_rate, capacity)  # only the end of a play makes it less
    output, prompt = sum(outputs) / count, sum(prompts) / count
    ttft = _spread(list(zip(first_s, shares, strict=True)))
    if concurrency is not None and asked is None:
        shares = [0.0 if i < concurrency else 1.0 for i in range(count)]
        ttft = _spread(list(zip(first_s, shares, strict=True)))._replace(mean=ttft.mean)
    tpot = [(value, share) for value, share in zip(between_s, shares, strict=True) if value is not None]
    return Speed(
        output_tokens_per_s=rate * output,
        total_tokens_per_s=rate * (output + prompt),
        requests_per_s=rate,
        ttft_s=ttft,
        tpot_s=_spread(tpot) if tpot else None,
        running=taken / span,
    )


def _spread(values: list[tuple[float, float]]) -> Spread:
    """Of (value, share), by the nearest rank; shares need not add up to 1."""
    ranked = sorted((value, share) for value, share in values if share)
    upto = list(accumulate(share for _, share in ranked))

    def percentile(fraction: float) -> float:
        return ranked[min(bisect_left(upto, fraction * upto[-1] * (1 - 1e-9)), len(ranked) - 1)][0]

    mean = sum(value * share for value, share in ranked) / upto[-1]
    return Spread(mean=mean, p50=percentile(0.5), p95=percentile(0.95), p99=percentile(0.99))

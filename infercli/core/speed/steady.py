"""The steady state in closed form, and the highest rate that keeps an objective.

The one thing to know: the closed form costs microseconds and knows no queue, so a search sorts with it; what is
answered is played (core/speed/throughput.py). An objective on a percentile of TTFT is always played.
"""

from collections.abc import Callable
from math import sqrt
from typing import NamedTuple

from infercli.core.speed.schedule import Limits
from infercli.core.speed.steps import StepTime

_HALVINGS = 7
"""Of the bracket around the highest rate: to 1 % of its upper end."""
_ALONE = 1e-5
"""Of the capacity: a rate at which requests are alone, even on an engine that runs a thousand at a time."""


class Steady(NamedTuple):
    """One engine at a constant number of requests that are decoded."""

    requests_per_s: float
    step_s: float
    """Between two tokens of one request, with the prompts of its successors mixed in."""


def most_running(limits: Limits, prompt: float, output: float) -> float:
    """Requests that decode at a time at most: by max_num_seqs, and by KV room for half-grown answers."""
    most = float(limits.max_num_seqs)
    if limits.kv_tokens is not None:
        most = min(most, max(1.0, limits.kv_tokens / (prompt + output / 2)))
    return most


def steady(
    step: StepTime, limits: Limits, prompt: float, output: float, running: float, cached_fraction: float = 0.0,
    tokens_per_step: float = 1.0,
) -> Steady:  # fmt: skip
    """The engine while `running` requests of these mean lengths decode. Prompts are computed as answers end."""
    fresh = max(1.0, prompt * (1 - cached_fraction))
    pairs = fresh * (prompt - fresh / 2)
    decoded = max(0.0, output - 1) / tokens_per_step  # steps; the first token comes with the prompt
    seen = prompt + output / 2
    if not limits.chunked_prefill:
        # As many prompts share a step as answers end in one, and as it has room for.
        shared = max(1.0, min(running / (decoded + 1), limits.max_num_batched_tokens / fresh))
        alone, prompt_s = step(running, running * seen), step(0.0, 0.0, fresh * shared, pairs * shared, shared) / shared
        between = alone + prompt_s * running / max(1.0, decoded)
        return Steady(requests_per_s=running / (decoded * alone + running * prompt_s), step_s=between / tokens_per_step)
    steps, budget = decoded + 1, limits.max_num_batched_tokens
    # Where prompts fill every step, no more decode than these begin: each gets a token a step, and waits before.
    running = min(running, budget * steps / (fresh + steps))
    room, started = max(1.0, budget - running), running / steps
    decodes = running - started
    # A prompt is computed in as few steps as the room in them allows, and most steps of few sequences have none:
    # shared out evenly it would hide behind the weights that every step reads.
    mixed = min(1.0, started * max(1.0, fresh / room))
    begun = started / mixed
    with_prompt = step(decodes, decodes * seen, fresh * begun, pairs * begun, begun)
    between = mixed * with_prompt + (1 - mixed) * step(decodes, decodes * seen)
    return Steady(requests_per_s=started / between, step_s=between / tokens_per_step)


def highest_rate(keeps: Callable[[float], bool], capacity: float, most: float | None = None) -> float:
    """The highest requests a second for which `keeps` holds; 0 where none does.

    `keeps` is taken to be true below a rate and false above it. Tried are rates to the capacity, beyond which the queue
    of a load that goes on grows for ever, and to `most`, of one that ends.
    """
    low, high = 0.0, capacity
    if keeps(capacity):
        if most is None or most <= capacity:
            return capacity
        if keeps(most):
            return most
        low, high = capacity, min(2 * capacity, most)
        while high < most and keeps(high):
            low, high = high, min(2 * high, most)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if keeps(middle):
            low = middle
        else:
            high = middle
    if low or not keeps(capacity * _ALONE):
        return low
    low = capacity * _ALONE  # it lies far below a hundredth of the capacity: by factors
    for _ in range(_HALVINGS):
        middle = sqrt(low * high)
        if keeps(middle):
            low = middle
        else:
            high = middle
    return low

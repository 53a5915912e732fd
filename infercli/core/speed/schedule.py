"""vLLM's scheduler, step by step, without the GPU: who waits, what a step computes, when a request's tokens leave.

Decode-only stretches are jumped over in one go (every running sequence gets one token a step, so nothing can happen
before the next one finishes, arrives or runs out of KV room), and so are steps that one long prompt fills, of which
nobody else begins any; all others are played one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from math import ceil
from typing import NamedTuple

_FILLED, _FILLED_SHARE = 16, 64
"""Steps that a prompt fills and that are jumped over at most: of more, what a window bounds is no longer linear. One of
64,000 steps goes by its 64ths: only the one in which it grows beyond the window is off."""
_ROUNDING = 1e-3
"""Tokens of a prompt that are none: what sums of fractions of tokens leave."""
StepSeconds = Callable[[float, float, float, float, float], float]
"""Sequences that decode, their summed context, prompt tokens, these tokens' summed context, prompts that end -> s."""
PassingSeconds = Callable[[float, float, float], float]
"""Prompt tokens of a step, their summed context, prompts that end -> s from the end of the step to the first tokens."""


class Limits(NamedTuple):
    """What the scheduler may put into a step."""

    max_num_seqs: int
    max_num_batched_tokens: int
    kv_tokens: float | None
    """Tokens that the KV cache holds; None: it is never the limit."""
    chunked_prefill: bool
    """Prompts are cut to fill steps in which others decode; False: whole prompts first, in steps of their own (V0)."""


class Played(NamedTuple):
    """Of each request, on one clock: when the client sent it, saw its first token, saw its last."""

    sent_s: list[float]
    first_s: list[float]
    done_s: list[float]


def play(
    step_s: StepSeconds,
    limits: Limits,
    prompts: Sequence[float],
    outputs: Sequence[float],
    *,
    arrivals_s: Sequence[float] | None = None,
    concurrency: int | None = None,
    request_s: float = 0.0,
    intake_s: float = 0.0,
    tokenize_s: float = 0.0,
    cached_fraction: float = 0.0,
    tokens_per_step: float = 1.0,
    passing_s: PassingSeconds | None = None,
    ahead: bool = False,
) -> Played:
    """The requests through the engine, in order. Lengths in tokens; `outputs` counts the first token as well.

    `arrivals_s`: an open loop; `concurrency`: a closed loop of so many clients, each sending its next request when its
    last one ends; neither: all are there at once. `request_s` passes on the way to the scheduler and back, half each,
    and `tokenize_s` on the way there for each token of the prompt; `intake_s` between two requests that arrive
    together. `cached_fraction` of a prompt is in the prefix cache.
    `tokens_per_step`: what a decoding sequence gets on average (speculative decoding); else 1. `passing_s`: what a
    pipeline of stages delays a request by, from its first token on. `ahead`: each step is scheduled as the one before
    it begins, and who arrives meanwhile is first seen by the step after next.
    """
    n = len(prompts)
    half = request_s / 2
    reach_s = [half + tokenize_s * tokens for tokens in prompts]
    if arrivals_s is None:
        at_once = n if concurrency is None else min(n, concurrency)
        events = [(reach_s[i] + i * intake_s, i) for i in range(at_once)]
        sent, coming = [0.0] * n, at_once
    else:
        events = [(a + reach_s[i], i) for i, a in enumerate(arrivals_s)]
        sent, coming = list(arrivals_s), n
    heapify(events)
    first = [-1.0] * n
    done = [0.0] * n
    made = [0.0] * n  # tokens generated so far, kept over a preemption
    late = [0.0] * n
    waiting: deque[int] = deque()
    partial: deque[list[float]] = deque()  # [request, computed, to compute]
    running: list[tuple[float, int, float]] = []  # heap of (decode count at which it ends, request, count at start)
    began: list[tuple[float, int]] = []  # the youngest last; those that are done or were preempted stay
    lives: dict[int, float] = {}  # request -> count at start, of those that decode
    count = 0.0  # tokens that every running sequence has got since the start
    context = 0.0  # summed context of the running sequences
    held = 0.0  # tokens held by requests that are being prefilled
    now = planned = 0.0
    kv = limits.kv_tokens
    left = n
    while left:
        decodes = len(lives)
        seen = planned if ahead and (decodes or partial) else now
        planned = now
        while events and events[0][0] <= seen:
            waiting.append(heappop(events)[1])
        if not partial:
            held = 0.0  # what rounding left of sums and differences would keep a request out of an empty engine
            context = context if lives else 0.0
        prefill = pairs = 0.0
        started: list[int] = []
        budget = float(limits.max_num_batched_tokens - (decodes if limits.chunked_prefill else 0))
        if partial and limits.chunked_prefill:
            i, at = int(partial[0][0]), partial[0][1]
            most = max(_FILLED, int(partial[0][2] / budget / _FILLED_SHARE))
            steps = min(most, ceil((partial[0][2] - at) / budget - 1e-9) - 1)  # the last step begins what it ends
            if lives:
                steps = min(steps, ceil((running[0][0] - count) / tokens_per_step - 1e-9) - 1)
            if steps > 1:
                growth = decodes * tokens_per_step
                pairs = budget * (prompts[i] + made[i] - partial[0][2] + at + steps * budget / 2)  # in the mean
                took = step_s(decodes, context + growth * (steps - 1) / 2 if decodes else 0.0, budget, pairs, 0)
                planned = now + (steps - 1) * took
                now += steps * took
                partial[0][1] += steps * budget
                count += steps * tokens_per_step if decodes else 0.0
                context += growth * steps
                continue
        for part in partial:
            take = min(budget, part[2] - part[1])
            if take <= 0:
                break
            i = int(part[0])
            pairs += take * (prompts[i] + made[i] - part[2] + part[1] + take / 2)
            prefill += take
            budget -= take
            part[1] += take
        while partial and partial[0][1] >= partial[0][2] - _ROUNDING:
            started.append(int(partial.popleft()[0]))
        room = limits.max_num_seqs - decodes - len(partial) - len(started)
        while waiting and room > 0 and budget > 0:
            i = waiting[0]
            tokens = prompts[i] + made[i]
            compute = max(1.0, tokens - prompts[i] * cached_fraction)
            if kv is not None and context + held + tokens + decodes > kv and (decodes or held):
                break
            if not limits.chunked_prefill and compute > budget and prefill:
                break
            waiting.popleft()
            room -= 1
            take = min(budget, compute) if limits.chunked_prefill else compute
            pairs += take * (tokens - compute + take / 2)
            prefill += take
            budget -= take
            held += tokens
            if take >= compute:
                started.append(i)
            else:
                partial.append([i, take, compute])
        if prefill:
            along = decodes if limits.chunked_prefill else 0
            now += step_s(along, context if along else 0.0, prefill, pairs, len(started))
            if along:
                count += tokens_per_step
                context += decodes * tokens_per_step
            passing = passing_s(prefill, pairs, len(started)) if passing_s and started else 0.0
            for i in started:
                held -= prompts[i] + made[i]
                if first[i] < 0:
                    late[i] = passing
                    first[i] = now + passing + half
                made[i] += 1
                context += prompts[i] + made[i]
                heappush(running, (count + max(0.0, outputs[i] - made[i]), i, count))
                began.append((count, i))
                lives[i] = count
        elif lives:
            while lives.get(running[0][1]) != running[0][2]:
                heappop(running)
            steps = max(1, ceil((running[0][0] - count) / tokens_per_step - 1e-9))
            growth = decodes * tokens_per_step
            if kv is not None and context + growth * steps > kv and decodes > 1:
                steps = int((kv - context) / growth)
                if steps < 1:  # the youngest gives its blocks up and is computed again, as vLLM's V1 scheduler does
                    since, i = began.pop()
                    while lives.get(i) != since:
                        since, i = began.pop()
                    del lives[i]
                    context -= prompts[i] + made[i] + count - since
                    made[i] += count - since
                    waiting.appendleft(i)
                    continue
            took = step_s(decodes, context + growth * (steps - 1) / 2, 0.0, 0.0, 0.0)
            if steps > 1 and events and decodes < limits.max_num_seqs and now + steps * took > events[0][0]:
                steps = max(1, min(steps, ceil((events[0][0] - now) / took) + ahead))
                took = step_s(decodes, context + growth * (steps - 1) / 2, 0.0, 0.0, 0.0)
            planned = now + (steps - 1) * took
            now += steps * took
            count += steps * tokens_per_step
            context += growth * steps
        elif events:
            now = events[0][0]
            continue
        else:
            raise AssertionError("requests wait and nothing runs")
        while running and running[0][0] <= count + 1e-9:
            _, i, since = heappop(running)
            if lives.get(i) != since:
                continue
            del lives[i]
            context -= prompts[i] + made[i] + count - since
            done[i] = now + late[i] + half
            left -= 1
            if coming < n:
                sent[coming] = done[i]
                heappush(events, (done[i] + reach_s[coming], coming))
                coming += 1
    return Played(sent_s=sent, first_s=first, done_s=done)

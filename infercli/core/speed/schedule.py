"""vLLM's scheduler, step by step, without the GPU: who waits, what a step computes, when a request's tokens leave.

Decode-only stretches are jumped over in one go (every running sequence gets one token a step, so nothing can happen
before the next one finishes, arrives or runs out of KV room), and so are steps that one long prompt fills, of which
nobody else begins any; all others are played one by one.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
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
    last one ends; neither: all are there at once. `request_s` passes on the way to the scheduler and back, half each.
    On the way there one thread takes the prompts in turn: `tokenize_s` for each token, and `intake_s` until the next.
    Of those that are there at once none goes on before all were taken in. `cached_fraction` of a prompt is in the
    prefix cache.
    `tokens_per_step`: what a decoding sequence gets on average (speculative decoding); else 1. `passing_s`: what a
    pipeline of stages delays a request by, from its first token on. `ahead`: each step is scheduled as the one before
    it begins, and who arrives meanwhile is first seen by the step after next.
    """
    n = len(prompts)
    half_s = request_s / 2
    playing = _Playing(
        step_s, limits, prompts, outputs, half_s, intake_s, tokenize_s,
        cached_fraction, tokens_per_step, passing_s, ahead,
        sent_s=[0.0] * n, first_s=[-1.0] * n, done_s=[0.0] * n, made=[0.0] * n, late_s=[0.0] * n, left=n,
    )  # fmt: skip
    if arrivals_s is not None:
        playing.send(arrivals_s)
    else:
        playing.send_at_once(n if concurrency is None else min(n, concurrency))
    while playing.left:
        playing.advance()
    return Played(sent_s=playing.sent_s, first_s=playing.first_s, done_s=playing.done_s)


@dataclass(eq=False, repr=False)
class _Prefill:
    """A prompt that is cut."""

    request: int
    computed: float
    compute: float
    """Tokens that must be."""


@dataclass(eq=False, repr=False)
class _Prompts:
    """The prompt tokens of a step, for which it has a budget."""

    budget: float
    tokens: float = 0.0
    pairs: float = 0.0
    started: list[int] = field(default_factory=list)
    """Requests whose prompts end here."""

    def take(self, tokens: float, behind: float) -> None:
        """So many tokens of one prompt, with `behind` tokens of context before the first."""
        self.pairs += tokens * (behind + tokens / 2)
        self.tokens += tokens
        self.budget -= tokens


@dataclass(eq=False, repr=False)
class _Playing:
    """The engine between two steps: who waits, whose prompt is cut, who decodes, and what each request has got."""

    step_s: StepSeconds
    limits: Limits
    prompts: Sequence[float]
    outputs: Sequence[float]
    half_s: float
    """Of the way of a request: to the scheduler, or back."""
    intake_s: float
    tokenize_s: float
    cached_fraction: float
    tokens_per_step: float
    passing_s: PassingSeconds | None
    ahead: bool
    sent_s: list[float]
    first_s: list[float]
    done_s: list[float]
    made: list[float]
    """Tokens generated so far, kept over a preemption."""
    late_s: list[float]
    left: int
    coming: int = 0
    """The next that a client of a closed loop sends."""
    events: list[tuple[float, int]] = field(default_factory=list)
    """Heap of (when it reaches the scheduler, request)."""
    waiting: deque[int] = field(default_factory=deque)
    partial: deque[_Prefill] = field(default_factory=deque)
    running: list[tuple[float, int, float]] = field(default_factory=list)
    """Heap of (count at which it ends, request, count at start)."""
    began: list[tuple[float, int]] = field(default_factory=list)
    """(Count at start, request), the youngest last; those that are done or were preempted stay."""
    lives: dict[int, float] = field(default_factory=dict)
    """Request -> count at start, of those that decode."""
    count: float = 0.0
    """Tokens that every running sequence has got since the start."""
    context: float = 0.0
    """Summed over the running sequences."""
    held: float = 0.0
    """Tokens of requests that are being prefilled."""
    now_s: float = 0.0
    planned_s: float = 0.0
    """When the last step began."""
    free_s: float = 0.0
    """From when on the server takes the next prompt."""

    def send(self, sent_s: Sequence[float]) -> None:
        """The next requests, at these times."""
        for at_s in sent_s:
            self.free_s = max(self.free_s, at_s + self.half_s)
            self._tokenize(at_s)
            self.free_s += self.intake_s

    def send_at_once(self, requests: int) -> None:
        """The first requests: so many, none of which is tokenized before all were taken in."""
        self.free_s = self.half_s + self.intake_s * (requests - 1)
        for _ in range(requests):
            self._tokenize(0.0)

    def _tokenize(self, sent_s: float) -> None:
        self.sent_s[self.coming] = sent_s
        self.free_s += self.tokenize_s * self.prompts[self.coming]
        heappush(self.events, (self.free_s, self.coming))
        self.coming += 1

    def advance(self) -> None:
        """One step, or several that are alike."""
        self._receive()
        chunked, decodes = self.limits.chunked_prefill, len(self.lives)
        budget = float(self.limits.max_num_batched_tokens - (decodes if chunked else 0))
        filled = self._steps_filled(budget) if self.partial and chunked else 0
        if filled > 1:
            self._fill(filled, budget)
        else:
            step = self._prompts_of_step(budget)
            if step.tokens:
                self._compute(step)
            elif decodes:
                self._decode()
            elif self.events:
                self.now_s = self.events[0][0]
            else:
                raise AssertionError("requests wait and nothing runs")
        self._finish()

    def _receive(self) -> None:
        seen = self.planned_s if self.ahead and (self.lives or self.partial) else self.now_s
        self.planned_s = self.now_s
        while self.events and self.events[0][0] <= seen:
            self.waiting.append(heappop(self.events)[1])
        if not self.partial:
            self.held = 0.0  # what rounding left of sums and differences would keep a request out of an empty engine
            self.context = self.context if self.lives else 0.0

    def _steps_to_an_end(self) -> int:
        """Until the next sequence has all its tokens."""
        return ceil((self.running[0][0] - self.count) / self.tokens_per_step - 1e-9)

    def _mean_step_s(
        self, steps: int, decodes: int, prefill: float = 0.0, pairs: float = 0.0, started: int = 0
    ) -> float:
        """Of so many steps alike, in which the context of those that decode grows."""
        context = self.context + decodes * self.tokens_per_step * (steps - 1) / 2 if decodes else 0.0
        return self.step_s(decodes, context, prefill, pairs, started)

    def _pass(self, steps: int, took_s: float, decodes: int) -> None:
        """So many steps of `took_s` each, in which `decodes` sequences get their tokens."""
        self.planned_s = self.now_s + (steps - 1) * took_s
        self.now_s += steps * took_s
        if decodes:
            self.count += steps * self.tokens_per_step
            self.context += decodes * self.tokens_per_step * steps

    # Steps that one long prompt fills.

    def _steps_filled(self, budget: float) -> int:
        """By the first prompt, while nobody ends; the last step begins what it ends."""
        part = self.partial[0]
        most = max(_FILLED, int(part.compute / budget / _FILLED_SHARE))
        steps = min(most, ceil((part.compute - part.computed) / budget - 1e-9) - 1)
        return min(steps, self._steps_to_an_end() - 1) if self.lives else steps

    def _fill(self, steps: int, budget: float) -> None:
        part, decodes = self.partial[0], len(self.lives)
        i = part.request
        behind = self.prompts[i] + self.made[i] - part.compute + part.computed
        pairs = budget * (behind + steps * budget / 2)  # in the mean
        self._pass(steps, self._mean_step_s(steps, decodes, budget, pairs), decodes)
        part.computed += steps * budget

    # A step with prompts.

    def _prompts_of_step(self, budget: float) -> _Prompts:
        step = _Prompts(budget)
        self._go_on(step)
        self._let_in(step)
        return step

    def _go_on(self, step: _Prompts) -> None:
        """With prompts that were cut."""
        for part in self.partial:
            take = min(step.budget, part.compute - part.computed)
            if take <= 0:
                break
            i = part.request
            step.take(take, self.prompts[i] + self.made[i] - part.compute + part.computed)
            part.computed += take
        while self.partial and self.partial[0].computed >= self.partial[0].compute - _ROUNDING:
            step.started.append(self.partial.popleft().request)

    def _let_in(self, step: _Prompts) -> None:
        """Those that wait, in order: as many as the step, max_num_seqs and the KV cache have room for."""
        kv, chunked, decodes = self.limits.kv_tokens, self.limits.chunked_prefill, len(self.lives)
        room = self.limits.max_num_seqs - decodes - len(self.partial) - len(step.started)
        while self.waiting and room > 0 and step.budget > 0:
            i = self.waiting[0]
            tokens = self.prompts[i] + self.made[i]
            compute = max(1.0, tokens - self.prompts[i] * self.cached_fraction)
            if kv is not None and self.context + self.held + tokens + decodes > kv and (decodes or self.held):
                break
            if not chunked and compute > step.budget and step.tokens:
                break
            self.waiting.popleft()
            room -= 1
            take = min(step.budget, compute) if chunked else compute
            step.take(take, tokens - compute)
            self.held += tokens
            if take >= compute:
                step.started.append(i)
            else:
                self.partial.append(_Prefill(i, take, compute))

    def _compute(self, step: _Prompts) -> None:
        """The prompts, beside those that decode where prompts are cut; who has all of his gets his first token."""
        along, started = len(self.lives) if self.limits.chunked_prefill else 0, len(step.started)
        self._pass(1, self._mean_step_s(1, along, step.tokens, step.pairs, started), along)
        passing = self.passing_s(step.tokens, step.pairs, started) if self.passing_s and started else 0.0
        for i in step.started:
            self.held -= self.prompts[i] + self.made[i]
            if self.first_s[i] < 0:
                self.late_s[i] = passing
                self.first_s[i] = self.now_s + passing + self.half_s
            self.made[i] += 1
            self.context += self.prompts[i] + self.made[i]
            heappush(self.running, (self.count + max(0.0, self.outputs[i] - self.made[i]), i, self.count))
            self.began.append((self.count, i))
            self.lives[i] = self.count

    # Steps without prompts.

    def _decode(self) -> None:
        """Until somebody ends or arrives, or the KV cache is full."""
        kv, events, decodes = self.limits.kv_tokens, self.events, len(self.lives)
        while self.lives.get(self.running[0][1]) != self.running[0][2]:
            heappop(self.running)
        steps = max(1, self._steps_to_an_end())
        growth = decodes * self.tokens_per_step
        if kv is not None and self.context + growth * steps > kv and decodes > 1:
            steps = int((kv - self.context) / growth)
            if steps < 1:
                self._preempt()
                return
        took = self._mean_step_s(steps, decodes)
        if steps > 1 and events and decodes < self.limits.max_num_seqs and self.now_s + steps * took > events[0][0]:
            steps = max(1, min(steps, ceil((events[0][0] - self.now_s) / took) + self.ahead))
            took = self._mean_step_s(steps, decodes)
        self._pass(steps, took, decodes)

    def _preempt(self) -> None:
        """The youngest gives its blocks up and is computed again, as vLLM's V1 scheduler does."""
        since, i = self.began.pop()
        while self.lives.get(i) != since:
            since, i = self.began.pop()
        self._leave(i)
        self.made[i] += self.count - since
        self.waiting.appendleft(i)

    def _leave(self, i: int) -> None:
        """It decodes no more."""
        since = self.lives.pop(i)
        self.context -= self.prompts[i] + self.made[i] + self.count - since

    def _finish(self) -> None:
        """Those that have all their tokens; the clients of a closed loop send their next requests."""
        while self.running and self.running[0][0] <= self.count + 1e-9:
            _, i, since = heappop(self.running)
            if self.lives.get(i) != since:
                continue
            self._leave(i)
            self.done_s[i] = self.now_s + self.late_s[i] + self.half_s
            self.left -= 1
            if self.coming < len(self.sent_s):
                self.send([self.done_s[i]])

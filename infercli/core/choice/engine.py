"""One candidate of a search, weighed: its memory, what it can do at best in closed form, and what it does when played.

The one thing to know: all numbers are those of `infercli estimate`, through the same functions; the closed form only
says which candidates need not be played.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from infercli.core.choice.candidates import Weighed
from infercli.core.choice.measures import OBJECTIVES, Limit, Measure, Played, carried, latency_of, limits
from infercli.core.choice.question import Question
from infercli.core.estimates.estimate import Examined, examine
from infercli.core.estimates.problems import Problems
from infercli.core.estimates.request import EstimateRequest
from infercli.core.estimates.speed import load_of, serving_of
from infercli.core.gpus import GPUS
from infercli.core.speed import throughput
from infercli.core.speed.bounds import Bounded, bounded
from infercli.core.speed.engine import Serving, limits_of, step_time
from infercli.core.speed.errors import Metric
from infercli.core.speed.steady import most_running, steady
from infercli.core.speed.steps import StepTime
from infercli.errors import Unsupported

_ITERATIONS = 4
"""Of the running requests towards those at the asked rate: they come from below, so fewer only bound less tightly."""
_BELOW = 0.8
"""Of that bound: the least p95 of TPOT that was played was 0.84 of it (1,100 plays of dense models and mixtures)."""
_WAITED = 0.5
"""Of the mean wait in closed form: the least p95 of TTFT that was played was 0.70 of it (1,000 plays of all shapes)."""
_BUSIEST = 0.95
"""Share of the time that prompts take at most, in the closed form: beyond it there is no steady state."""


def request_of(question: Question, weighed: Weighed) -> EstimateRequest:
    """What `infercli estimate` is asked for this candidate, with its load and without objectives."""
    c, hardware = weighed.candidate, weighed.hardware
    return EstimateRequest(
        **question.engine_args,
        model=question.model.name,
        gpu=c.gpu if GPUS.get(c.gpu) is hardware.gpu else hardware.gpu,
        gpu_count=c.gpus_per_replica * c.replicas,
        tensor_parallel_size=c.tensor_parallel_size,
        pipeline_parallel_size=c.pipeline_parallel_size,
        quantization=c.quantization,
        kv_cache_dtype=c.kv_cache_dtype,
        max_num_seqs=c.max_num_seqs,
        max_model_len=question.max_model_len,
        gpu_memory_utilization=hardware.gpu_memory_utilization,
        workload=question.traffic.model_copy(update={f"{name}_ms": None for name in OBJECTIVES}),
    )


class Examination(NamedTuple):
    """An engine's memory, whatever its load."""

    examined: Examined | None
    problem: str
    """Why it cannot be; empty where it can."""


def _examination(question: Question, request: EstimateRequest) -> Examination:
    """What `infercli estimate` would find of it before it looks at speed."""
    problems = Problems()
    examined = examine(request, question.model, problems, learned=question.learned, batch_is_said=True)
    return Examination(examined, "; ".join(p.what for p in problems.answer(None).problems))


class Engine:
    """One way to run the model, whatever the number of replicas: examined once, played for each number asked."""

    def __init__(self, question: Question, weighed: Weighed, known: Examination | None = None) -> None:
        """`known`: what another load found of it."""
        self._request = request_of(question, weighed)
        self._limits = limits(question.traffic)
        self.examination = known or _examination(question, self._request)
        self.examined, self.problem = self.examination
        self._operating: dict[tuple[int, int], tuple[float, float]] = {}
        self._played: dict[int, Played] = {}
        self._capacities: dict[int, float] = {}

    @property
    def starts(self) -> bool | None:
        """As an estimate says it."""
        return False if self.examined is None else self.examined.sized.starts

    @property
    def missing_bytes(self) -> int:
        """Per GPU, with every estimate at its high end; 0 where it starts or cannot be."""
        return 0 if self.examined is None else self.examined.sized.missing_bytes

    @property
    def least_missing_bytes(self) -> int:
        """The same with every estimate at its low end, or less."""
        if self.examined is None:
            return 0
        held = self.examined.sized.room.held
        return max(0, self.missing_bytes - (held.high_bytes - held.low_bytes))

    @property
    def batch_bytes(self) -> int:
        """All memory that depends on max_num_seqs, at its high end: no smaller batch frees more."""
        if self.examined is None:
            return 0
        sized = self.examined.sized
        terms = (t.high_bytes for t in sized.memory.terms if t.name in ("activation", "cuda_graphs"))
        return sum(terms) + sized.capture_bytes

    @cached_property
    def serving(self) -> Serving:
        """The engine as speed sees it."""
        assert self.examined is not None
        assert self._request.workload is not None
        return serving_of(self._request, self.examined.sized, self._request.workload)

    @cached_property
    def step(self) -> StepTime:
        """Raises Unsupported where the GPU's row does not say how fast it computes."""
        assert self.examined is not None
        sized = self.examined.sized
        return step_time(sized.arch, sized.quantization, sized.load.gpu, self.serving)

    @cached_property
    def no_speed(self) -> str | None:
        """Why no speed can be said; None where it can."""
        try:
            _ = self.step
        except Unsupported as error:
            return error.message
        return None

    def played(self, replicas: int) -> Played | None:
        """What was played before; None: nothing yet."""
        return self._played.get(replicas)

    def load(self, replicas: int) -> throughput.Load:
        """What is asked of so many replicas together."""
        return self._load._replace(replicas=replicas)

    @cached_property
    def _load(self) -> throughput.Load:
        assert self._request.workload is not None
        return load_of(self._request.workload, 1)

    @cached_property
    def widths(self) -> dict[Metric, tuple[float, float]]:
        """(low, high) of an interval as shares of its value."""
        metrics: tuple[Metric, ...] = ("output_tokens_per_s", "ttft", "tpot")
        found = {metric: self._bounded(1.0, metric, self._load) for metric in metrics}
        return {metric: (b.low, b.high) for metric, b in found.items()}

    def _capacity(self, max_num_seqs: int) -> float:
        """Requests a second of one replica that no queue outlives."""
        if max_num_seqs not in self._capacities:
            serving = replace(self.serving, max_num_seqs=max_num_seqs)
            self._capacities[max_num_seqs] = throughput.capacity_requests_per_s(self.step, serving, self._load)
        return self._capacities[max_num_seqs]

    def step_s(self, replicas: int, max_num_seqs: int) -> tuple[float, float]:
        """Between two tokens of one answer at the asked load, in closed form: (a bound of its p95, an estimate).

        `max_num_seqs`: where a smaller batch with the same memory is meant; fewer at a time get their tokens sooner.

        Requests that decode follow from Little's law. How a closed loop's prompts fall among its steps is left from its
        start, so that the estimate, which shares them out evenly, bounds nothing there; a step without any prompt does.
        """
        key = replicas, max_num_seqs
        if key not in self._operating:
            self._operating[key] = self._closed_form_s(self.load(replicas), max_num_seqs)
        return self._operating[key]

    @cached_property
    def prompt_s(self) -> float:
        """A step of what the prefix cache does not have of one prompt, and nothing else, in closed form."""
        return self.step(0.0, 0.0, *self._computed, 1.0)

    @cached_property
    def _computed(self) -> tuple[float, float]:
        """(tokens, pairs of tokens that attend) of one prompt that are computed."""
        prompt = self._load.prompt.mean
        fresh = max(1.0, prompt * (1 - self._load.cached_fraction))
        return fresh, fresh * (prompt - fresh / 2)

    def _closed_form_s(self, load: throughput.Load, max_num_seqs: int) -> tuple[float, float]:
        prompt, output, cached = load.prompt.mean, load.output.mean, load.cached_fraction
        limits_ = limits_of(self.serving)._replace(max_num_seqs=max_num_seqs)
        most = most_running(limits_, prompt, output)
        if load.concurrency is not None:
            running = max(1.0, min(most, load.concurrency / load.replicas))
            decode = self.step(running, running * (prompt + output / 2))
            return decode, steady(self.step, limits_, prompt, output, running, cached).step_s
        assert load.request_rate is not None
        rate, between = load.request_rate / load.replicas, 0.0
        stages = self.serving.layout.pipeline_parallel_size
        for _ in range(_ITERATIONS):
            running = max(1.0, min(most, rate * output * between))
            context = running * (prompt + output / 2)
            alone = self.step(running, context)
            # What a prompt adds to a step in which others decode, for as much of the time as prompts arrive; at best
            # one for each stage of a pipeline, which wait for one another.
            added = (self.step(running, context, *(stages * n for n in (*self._computed, 1.0))) - alone) / stages
            between = alone / (1.0 - min(_BUSIEST, rate * added))
        # No more prompts are mixed in than a full batch begins: what comes faster waits, and slows nobody down.
        between = min(between, steady(self.step, limits_, prompt, output, most, cached).step_s)
        # What arrives beside a prompt is scheduled after its second token where steps are scheduled ahead.
        disturbed = max(0.0, 1.0 - 1.0 / (output - 1)) if self.step.ahead and output > 1 else 1.0
        return alone + disturbed * (between - alone), between

    def least(self, replicas: int, max_num_seqs: int) -> tuple[Measure, ...]:
        """Of each objective what it is at best, by the closed form: a play finds no less."""
        least_s = {
            "tpot": _BELOW * self.step_s(replicas, max_num_seqs)[0] if self._load.output.mean > 1 else 0.0,
            "ttft": max(self.prompt_s, _WAITED * self._wait_s(replicas, max_num_seqs)),
        }
        return tuple(self._measure(limit, least_s[limit.metric], "at least ") for limit in self._limits)

    def _wait_s(self, replicas: int, max_num_seqs: int) -> float:
        """What clients that a batch has no place for wait in the mean, by Little's law."""
        load, limits_ = self._load, limits_of(self.serving)._replace(max_num_seqs=max_num_seqs)
        waiting = 0 if load.concurrency is None else int(load.concurrency / replicas) - max_num_seqs
        if waiting <= 0:
            return 0.0
        prompt, output = load.prompt.mean, load.output.mean
        full = steady(self.step, limits_, prompt, output, float(max_num_seqs), load.cached_fraction)
        return waiting / full.requests_per_s

    def play(self, replicas: int) -> Played:
        """The asked load, step by step."""
        if replicas not in self._played:
            speed = throughput.predict(self.step, self.serving, self.load(replicas))
            measures = [self._measure(limit, latency_of(speed, limit)) for limit in self._limits]
            carried = self.carries(replicas, self.serving.max_num_seqs)
            self._played[replicas] = Played(speed=speed, measures=(*carried, *measures))
        return self._played[replicas]

    def carries(self, replicas: int, max_num_seqs: int) -> tuple[Measure, ...]:
        """The asked load against what it can carry.

        Beyond a rate that it carries a queue grows for ever. Of requests in flight those that do not run wait for whole
        answers of others; where no objective says how long the first token may take, none is meant to.
        """
        load, waits = self._load, any(limit.metric == "ttft" for limit in self._limits)
        if load.request_rate is not None:
            value = replicas * self._capacity(max_num_seqs)
            return (carried("carries", value, value * self.widths["output_tokens_per_s"][0], load.request_rate),)
        if load.concurrency is None or waits:
            return ()
        assert self.examined is not None
        held, limits_ = (
            self.examined.sized.room.held,
            limits_of(self.serving)._replace(max_num_seqs=max_num_seqs),
        )
        least = limits_
        if limits_.kv_tokens is not None and held.bytes > 0:
            least = limits_._replace(kv_tokens=limits_.kv_tokens * max(0, held.low_bytes) / held.bytes)
        value, low = (replicas * most_running(x, load.prompt.mean, load.output.mean) for x in (limits_, least))
        return (carried("runs", value, low, load.concurrency),)

    def _measure(self, limit: Limit, value: float, least: str = "") -> Measure:
        worst, allowed = value * self.widths[limit.metric][1], limit.limit_s
        return Measure(
            of=limit.label, value=value, worst=worst, allowed=allowed, share=value / allowed,
            worst_share=worst / allowed, least=least,
        )  # fmt: skip

    def worst_s(self, limit: Limit, replicas: int) -> float:
        """An objective's latency at the pessimistic end, as played."""
        return latency_of(self.play(replicas).speed, limit) * self.widths[limit.metric][1]

    def capacity(self, replicas: int) -> float:
        """Requests a second that no queue outlives."""
        return replicas * self._capacity(self.serving.max_num_seqs)

    def bounded_tpot(self, replicas: int) -> Bounded:
        """The median TPOT of the asked load, as an estimate says it. Needs answers of more than one token."""
        tpot = self.play(replicas).speed.tpot_s
        assert tpot is not None
        return self._bounded(tpot.p50, "tpot", self.load(replicas))

    def _bounded(self, value: float, metric: Metric, load: throughput.Load) -> Bounded:
        assert self.examined is not None
        sized = self.examined.sized
        return bounded(value, metric, sized.arch, sized.load.gpu, self.serving, load)[0]

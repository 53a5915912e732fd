"""What an installation's own benchmarks teach of speed: measured by predicted, for loads like those that were sent.

The one thing to know: a ratio moves a prediction only where the kind of run is the same (estimates/learning.py) and
the load is like it, within a factor of two in concurrency, prompt and answer: at other loads other things are the
limit.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, NamedTuple

from infercli.core.bench.self_check import ADVICE
from infercli.core.endpoint import parse_endpoint
from infercli.core.engines import RAY_SERVICE_ENGINE
from infercli.core.engines.arguments import unplanned
from infercli.core.engines.overrides import NAME as OVERRIDES
from infercli.core.engines.overrides import overridden
from infercli.core.estimates.answer import Estimate, Interval
from infercli.core.estimates.engine_args import asked_by
from infercli.core.estimates.learning import LearnedLoad, LearnedRun, LearnedRuns, SpeedResidual, kind_of, run_of
from infercli.core.estimates.request import MOST_SPREAD, Traffic
from infercli.core.record import Json
from infercli.errors import InputError

if TYPE_CHECKING:  # `estimate` says what was learned, and needs neither
    from infercli.core.bench.result import BenchResult
    from infercli.core.bench.stage import StageResult
    from infercli.core.documents.plan import Plan
    from infercli.core.traces import Load

_ALIKE = 2.0
"""Factor by which concurrency and lengths may differ. Chosen: within it the same thing limits a step, as a rule."""
_MOST_ANSWERS = 0.5
"""Share of the answers of several tokens that must show a TPOT before it is learned. Where most came in one read each,
those that did not were torn by chance, and say how fast a buffer was emptied."""
_MOST_CACHED = 1 - 1 / _ALIKE
"""Share of the prompts' tokens that may come from the prefix cache: beyond it what had to be computed was less alike
than that of prompts that are too short. A chat template alone can be a third of a short one."""


def load_of(stage: StageResult, replicas: int = 1) -> LearnedLoad:
    """What was sent to each replica. Raises InputError for a run that says nothing about an engine's speed."""
    m = stage.metrics
    if stage.stopped is not None:
        raise InputError(f"the run is not complete: {stage.stopped}", "run `infercli bench` again")
    if stage.check.client_limited:
        raise InputError(f"the client was the limit: {'; '.join(stage.check.reasons)}", ADVICE)
    if not m.answered or m.failed:
        raise InputError(f"{m.failed} of {m.requests} requests failed: their time is in the rate", "mend that first")
    if not m.output_tokens:
        raise InputError(
            "its answers have no tokens, and nothing else says how fast they are made",
            "measure `--api chat` or `completions`",
        )
    if m.input_tokens is None:
        raise InputError(
            "the server sent no `usage`: how long the prompts were is not known", "a vLLM endpoint sends it"
        )
    closed = stage.load.arrivals is None and stage.load.concurrency is not None
    in_flight = stage.load.concurrency if closed else m.in_flight
    assert in_flight is not None  # what was answered was in flight
    return LearnedLoad(
        concurrency=in_flight / replicas,
        input_len=m.input_tokens / m.answered,
        output_len=m.output_tokens / m.answered,
    )


def of_plan(plan: Plan) -> dict[str, Json]:
    """What a plan says of the engine that was measured.

    Raises InputError where it has no GPU, or an argument whose speed nobody can predict.
    """
    gpu, args = plan.profile.gpu, plan.engine.engine_args
    if gpu is None:
        raise InputError(f"plan {plan.name} has no GPU: speed is predicted of GPUs", "learn from a GPU's benchmark")
    left_out = unplanned(args, "gpu")
    if left_out:
        change = "changes" if len(left_out) == 1 else "change"
        raise InputError(
            f"{' and '.join(left_out)} of plan {plan.name} {change} speed in a way that is not predicted yet",
            "learn from a benchmark without",
        )
    said = asked_by(args) | {
        "gpu": gpu if isinstance(gpu, str) else gpu.model_dump(),
        "engine_version": plan.engine.engine_version,
        "gpu_count": plan.engine.gpus * plan.replicas,
        "quantization": plan.engine.quantization,
    }
    if plan.model is None:
        return said | {"model": plan.deployment.model}
    return said | {"model": plan.model.id, "config": overridden(plan.model.whole_config, args.get(OVERRIDES))}


def question_of(result: BenchResult, stage: StageResult, plan: Plan | None, known: dict[str, Json]) -> dict[str, Json]:
    """The estimate request of one level: flags win over the plan, the plan over what the result itself says.

    Raises InputError for what none of them says: a result names its model and its load, and no engine.
    """
    _check_like_an_estimates(result, stage)
    load = load_of(stage)
    said: dict[str, Json] = {"model": result.target.model, **_gpu_here(result)}
    said |= ({} if plan is None else of_plan(plan)) | known
    missing = [name for name in ("gpu", "engine_version", "tensor_parallel_size") if said.get(name) is None]
    if missing:
        raise InputError(
            f"the result does not say {' or '.join(missing)}",
            "add --plan plan.json of its release, or "
            + " ".join(f"--{name.replace('_', '-')} {_EXAMPLES[name]}" for name in missing),
        )
    sent = {"input_len": load.input_len, "output_len": load.output_len, "concurrency": load.concurrency}
    lengths = [t.output_tokens for t in stage.traces if t.answered and t.phase == "measured"]
    spread = {"length_spread_fraction": min(MOST_SPREAD, statistics.pstdev(lengths) / statistics.mean(lengths))}
    return said | {"workload": sent | spread | {"length_shape": "skewed", "num_prompts": stage.metrics.answered}}


def as_sent(question: dict[str, Json], load: Load) -> dict[str, Json]:
    """The question of a level (`question_of`) as it was asked for: of a steady rate the rate.

    How many requests are in flight then comes of the speed that is to be predicted, and no prediction may begin with
    it. Of ramps, traces and capped loads, which no estimate knows, what was in flight on average stands for them.
    """
    workload = question["workload"]
    if load.rate_per_s is None or load.ramp_to_per_s is not None or load.concurrency is not None:
        return question
    assert isinstance(workload, dict)
    rest = {name: value for name, value in workload.items() if name != "concurrency"}
    return question | {"workload": rest | {"request_rate": load.rate_per_s}}


def _check_like_an_estimates(result: BenchResult, stage: StageResult) -> None:
    """Raises InputError for traffic of another kind than estimates are of: always asking, and new text."""
    hint = "single requests with prompts of their own say it: `infercli bench --concurrency 8 --input-len 1000`"
    if any(t.turn for t in stage.traces):
        raise InputError(
            "conversations were sent: their users may pause between turns, and each turn begins with what was sent "
            "before it",
            hint,
        )
    cached = result.cached_fraction(stage)
    cached = result.shared_fraction if cached is None else cached
    if cached is not None and cached > _MOST_CACHED:
        raise InputError(f"{cached:.0%} of the prompts' tokens were in the prefix cache", hint)


_EXAMPLES = {"gpu": "H100", "engine_version": RAY_SERVICE_ENGINE, "tensor_parallel_size": "1"}


def _gpu_here(result: BenchResult) -> dict[str, Json]:
    """The GPU that was watched, where the endpoint ran on the machine that measured and its GPUs are of one kind."""
    names = {gpu.name for gpu in result.telemetry.gpus} if result.telemetry is not None else set()
    here = parse_endpoint(result.target.url).is_loopback
    name = names.pop() if here and len(names) == 1 else None
    return {} if name is None else {"gpu": name}


def learn_speed(stage: StageResult, estimate: Estimate, *, digest: str, source: str) -> LearnedRun:
    """How far the estimate of a benchmark's own settings was off. Raises InputError where no speed was predicted."""
    speed, m = estimate.speed, stage.metrics
    if speed is None:
        why = next((note for note in estimate.notes if note.startswith("no speed: ")), "no speed was predicted")
        raise InputError(why, "`infercli estimate` with the same flags says more")
    pairs = (
        ("output_tok_per_s", speed.output_tok_per_s, m.output_tokens_per_s),
        ("ttft_s", speed.ttft_s, None if m.ttft_s is None else m.ttft_s.p50),
        ("tpot_s", speed.tpot_s, _tpot_s(stage)),
    )
    speeds = tuple(
        SpeedResidual.model_validate({"quantity": name, "predicted": ours.value, "measured": measured})
        for name, ours, measured in pairs
        if ours is not None and measured
    )
    run = run_of(estimate, digest=digest, source=source)
    return run.model_copy(update={"load": load_of(stage, estimate.replicas), "speeds": speeds})


def _tpot_s(stage: StageResult) -> float | None:
    """The median, where most answers that have a TPOT show it."""
    tpot = stage.metrics.tpot_s
    several = sum(t.output_tokens > 1 for t in stage.traces if t.answered and t.phase == "measured")
    return None if tpot is None or tpot.count < _MOST_ANSWERS * several else tpot.p50


class LearnedSpeed(NamedTuple):
    """What runs of one kind and like loads say of one quantity."""

    value: float
    """The prediction times the mean ratio; its unit."""
    spread: float | None
    """Standard deviation of the ratios, times the prediction; None: one run says nothing about it."""
    runs: int


def apply_speed(
    learned: LearnedRuns, estimate: Estimate, load: Traffic, quantity: str, predicted: float
) -> LearnedSpeed | None:
    """A prediction as benchmarks of its kind and load would have it; None where there was none."""
    kind = kind_of(estimate)
    ratios = [
        s.ratio
        for run in learned.runs
        if run.load is not None and run.kind == kind and _alike(run.load, load, estimate.replicas)
        for s in run.speeds
        if s.quantity == quantity
    ]
    if not ratios:
        return None
    return LearnedSpeed(
        value=predicted * statistics.mean(ratios),
        spread=predicted * statistics.stdev(ratios) if len(ratios) > 1 else None,
        runs=len(ratios),
    )


def _alike(was: LearnedLoad, asked: Traffic, replicas: int) -> bool:
    """A closed loop of about the same requests, none of which the prefix cache holds."""
    if asked.concurrency is None or asked.prefix_hit_fraction:
        return False
    pairs = (
        (was.concurrency, asked.concurrency / replicas),
        (was.input_len, asked.input_len),
        (was.output_len, asked.output_len),
    )
    return all(1 / _ALIKE <= a / b <= _ALIKE for a, b in pairs)


_UNITS = {"output_tok_per_s": (1, "tok/s"), "ttft_s": (1000, "ms"), "tpot_s": (1000, "ms")}
_WORDS = {"output_tok_per_s": "output", "ttft_s": "TTFT", "tpot_s": "TPOT"}


def speed_notes(learned: LearnedRuns, estimate: Estimate, load: Traffic | None) -> tuple[str, ...]:
    """One line per quantity that the installation's own benchmarks know better."""
    speed = estimate.speed
    if speed is None or load is None:
        return ()
    quantities: tuple[tuple[str, Interval | None], ...] = (
        ("output_tok_per_s", speed.output_tok_per_s), ("ttft_s", speed.ttft_s), ("tpot_s", speed.tpot_s),
    )  # fmt: skip
    said = []
    for name, interval in quantities:
        known = None if interval is None else apply_speed(learned, estimate, load, name, interval.value)
        if interval is None or known is None:
            continue
        scale, unit = _UNITS[name]
        spread = "" if known.spread is None else f" +- {scale * known.spread:,.1f}"
        said.append(
            f"{_WORDS[name]}: predicted {scale * interval.value:,.1f} {unit}, {scale * known.value:,.1f}{spread} from "
            f"{known.runs} of your runs"
        )
    return tuple(said)

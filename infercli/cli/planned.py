"""What a plan says of what a benchmark measured: its speed under the same load, and what its GPUs cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from infercli.cli.output import note
from infercli.errors import InferError

if TYPE_CHECKING:
    from infercli.cli.endpoint import Aim
    from infercli.core.bench.predictions import GpuPrice, Prediction
    from infercli.core.bench.result import BenchResult
    from infercli.core.documents.plan import Plan


def plan_of(aim: Aim, plan_path: str | None) -> Plan | None:
    """The plan that was named, or the serving revision's; None for an endpoint of which no plan is known."""
    from infercli.adapters.files import read_document
    from infercli.core.documents.plan import Plan
    from infercli.core.release import serving

    if plan_path is not None:
        return read_document(Path(plan_path), Plan, "`infercli plan --save` writes it")
    if aim.world is None or aim.release is None:
        return None
    good = serving(aim.world.store.entries(aim.release))
    return None if good is None else good.revision.plan


def with_plan(result: BenchResult, plan: Plan) -> BenchResult:
    """The result with what its plan says beside it. What cannot be said is left out, and why is noted."""
    return result.model_copy(update={"predicted": _predicted(result, plan), "price": _price(plan)})


def _predicted(result: BenchResult, plan: Plan) -> tuple[Prediction, ...]:
    """Of the load that was really sent: users or rate, and prompt and answer lengths as they were measured."""
    from infercli.cli.estimating import Answers
    from infercli.core.bench.learned_speed import as_sent, question_of
    from infercli.core.bench.predictions import Prediction
    from infercli.core.estimates.answer import EstimateError

    if plan.profile.gpu is None:
        return ()  # nothing is predicted of a CPU, and nobody expects it
    found = []
    whys: dict[str, None] = {}
    for index, stage in enumerate(result.stages):
        try:
            answer = Answers().answer(as_sent(question_of(result, stage, plan, {}), stage.load))
        except InferError as error:
            whys[error.message] = None
            continue
        if isinstance(answer, EstimateError):
            whys["; ".join(p.what for p in answer.problems)] = None
        elif answer.speed is None:
            whys[next((n for n in answer.notes if n.startswith("no speed: ")), "no speed was predicted")] = None
        else:
            speed = answer.speed
            found.append(
                Prediction(
                    stage=index,
                    source=f"plan {plan.name} {(plan.digest or plan.content_digest())[:12]}",
                    output_tokens_per_s=speed.output_tok_per_s,
                    ttft_s=speed.ttft_s,
                    tpot_s=speed.tpot_s,
                )
            )
    for why in whys:
        note(f"nothing is predicted beside it: {why}")
    return tuple(found)


def _price(plan: Plan) -> GpuPrice | None:
    from infercli.adapters.files import price_list
    from infercli.core.bench.predictions import GpuPrice
    from infercli.core.planning.outlook import cost_of

    try:
        cost = cost_of(plan, price_list(Path()), None)
    except InferError as error:
        note(f"what it costs is not known: {error.message}")
        return None
    if cost is None or not cost.gpus:
        return None
    per_h = cost.usd_per_h
    return GpuPrice(
        gpus=cost.gpus,
        low_usd_per_h=per_h.low,
        median_usd_per_h=per_h.value,
        high_usd_per_h=per_h.high,
        quotes=cost.quotes,
        as_of=cost.as_of,
        source=cost.source,
    )


def record(result: BenchResult, digest: str, aim: Aim) -> None:
    """Keep what was found with the revision that was measured; `digest`: sha256 of its result.json.

    A release that cannot be written to now is no reason to fail a benchmark: it is noted.
    """
    from infercli.actions.record_benchmark import record_benchmark
    from infercli.cli.aimed import aimed
    from infercli.core.bench.headline import kept

    if aim.world is None or aim.release is None or not result.answered:
        return
    found = kept(result, digest)
    if found is None:
        note(f"not recorded with {aim.release}: interrupted")
        return
    try:
        if len(found.engines) > 1:
            raise InferError(f"{' and '.join(found.engines)} answered")
        number = record_benchmark(aim.release, found.measured, aim.world.store, next(iter(found.engines), None))
    except InferError as error:
        note(f"not recorded with {aim.release}: {error.message}")
    else:
        note(aimed(f"recorded with revision {number} of {aim.release}; `infercli status {aim.release}` shows it"))

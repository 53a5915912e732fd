"""What a planned deployment is expected to do and to cost.

The one thing to know: none of it is part of the plan. Prices move; a plan that was reviewed stays what it was, and so
does its digest.
"""

from collections.abc import Iterator
from datetime import date

from infercli.core.documents.plan import Plan
from infercli.core.documents.prices import PriceList
from infercli.core.documents.workload import Objectives
from infercli.core.engines.arguments import unplanned
from infercli.core.estimates.answer import EstimatedSpeed, Interval
from infercli.core.estimates.request import Traffic
from infercli.core.estimates.speed import HELD_WHOLE, speed
from infercli.core.planning.outcome import Question
from infercli.core.record import Record
from infercli.errors import Unsupported


class Cost(Record):
    """Of all replicas. The interval of a price is that of its quotes."""

    gpus: int
    usd_per_h: Interval
    usd_per_million_output_tokens: Interval | None
    """At the workload's concurrency, around the clock; None where no speed is said."""
    quotes: int
    as_of: date
    source: str


class Objective(Record):
    """An objective of the deployment beside what is expected."""

    name: str
    limit_s: float
    expected_s: Interval
    kept: bool | None
    """None: the limit lies within the interval."""


class Outlook(Record):
    """What is said beside a plan."""

    concurrency: int
    input_tokens: int
    output_tokens: int
    prefix_hit_fraction: float = 0.0
    """Of each prompt, which the prefix cache is taken to have."""
    kv_cache_tokens: int | None = None
    """That vLLM will rather print: the plan has as many as are there at the least. None: it will print those."""
    speed: EstimatedSpeed | None
    """None: it cannot be said; the notes say why."""
    objectives: tuple[Objective, ...] = ()
    cost: Cost | None
    """None: nobody says what it costs."""
    notes: tuple[str, ...] = ()


def outlook(plan: Plan, question: Question, prices: PriceList, prefix_hit_fraction: float = 0.0) -> Outlook:
    """`prefix_hit_fraction`: of each prompt, which its prefix cache has. Raises UnknownName for a price of no list."""
    workload = plan.deployment.workload
    expected, why = _speed(plan, question, prefix_hit_fraction)
    notes = [why] if why else []
    if expected is not None:
        notes += expected.notes
    elif prefix_hit_fraction:
        notes.append(HELD_WHOLE)
    cost = cost_of(plan, prices, expected)
    if cost is None:
        notes.append(f"profile {plan.profile.name} names no price: what it costs is not known")
    return Outlook(
        concurrency=workload.concurrency,
        input_tokens=workload.input_tokens,
        output_tokens=workload.output_tokens,
        prefix_hit_fraction=prefix_hit_fraction,
        kv_cache_tokens=_kv_cache_tokens(plan, question),
        speed=expected,
        objectives=() if expected is None else tuple(_objectives(plan.deployment.objectives, expected)),
        cost=cost,
        notes=tuple(notes),
    )


def _kv_cache_tokens(plan: Plan, question: Question) -> int | None:
    left = next((t for t in plan.memory.terms if t.name == "kv_cache"), None) if plan.memory is not None else None
    layout = question.sized.layout
    if left is None or layout is None or left.low_bytes >= left.bytes:
        return None
    return layout.capacity(left.bytes, question.settings.max_model_len).tokens


def _speed(plan: Plan, question: Question, prefix_hit_fraction: float) -> tuple[EstimatedSpeed | None, str | None]:
    """(the speed, why there is none)."""
    workload = plan.deployment.workload
    if plan.fits is False:
        return None, None  # the verdict says it
    left_out = unplanned(plan.engine.engine_args, "gpu")
    if left_out:
        change = "changes" if len(left_out) == 1 else "change"
        return None, f"no speed: {', '.join(left_out)} {change} it in a way that is not planned yet"
    traffic = Traffic(
        input_len=workload.input_tokens, output_len=workload.output_tokens, concurrency=workload.concurrency,
        prefix_hit_fraction=prefix_hit_fraction,
    )  # fmt: skip
    request = question.request.model_copy(update={"workload": traffic})
    try:
        return speed(request, question.sized, plan.replicas), None
    except Unsupported as error:
        return None, f"no speed: {error.message}"


def _objectives(asked: Objectives, expected: EstimatedSpeed) -> Iterator[Objective]:
    pairs = (
        ("ttft_p95", asked.ttft_p95_ms, expected.ttft_p95_s),
        ("tpot_p95", asked.tpot_p95_ms, expected.tpot_p95_s),
    )
    for name, limit_ms, found in pairs:
        if limit_ms is not None and found is not None:
            limit_s = limit_ms / 1000
            kept = True if found.high <= limit_s else False if found.low > limit_s else None
            yield Objective(name=name, limit_s=limit_s, expected_s=found, kept=kept)


def cost_of(plan: Plan, prices: PriceList, expected: EstimatedSpeed | None) -> Cost | None:
    """None where the profile names no price. Raises UnknownName for a price that the list does not have."""
    if plan.profile.price is None:
        return None
    price, gpus = prices.find(plan.profile.price), plan.engine.gpus * plan.replicas
    per_h = Interval(value=gpus * price.median_usd, low=gpus * price.low_usd, high=gpus * price.high_usd)
    per_token = None
    if expected is not None:
        rate = expected.output_tok_per_s
        per_token = Interval(
            value=_per_million(per_h.value, rate.value),
            low=_per_million(per_h.low, rate.high),
            high=_per_million(per_h.high, rate.low),
        )
    return Cost(
        gpus=gpus,
        usd_per_h=per_h,
        usd_per_million_output_tokens=per_token,
        quotes=price.quotes,
        as_of=prices.as_of,
        source=price.source,
    )


def _per_million(usd_per_h: float, tokens_per_s: float) -> float:
    return usd_per_h / (3600 * tokens_per_s) * 1e6

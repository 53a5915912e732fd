"""What would hold where nothing does: the smallest change in each direction, each found by searching again.

The one thing to know: a change is only said after a whole search with it has found a winner; how small it can be is
looked for among the few candidates that come nearest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from math import floor, log10

from infercli.core.candidates import Weighed, room_problem
from infercli.core.choice import Fixed, Hardware, Question
from infercli.core.choosing import Open, Search
from infercli.core.estimate import Traffic
from infercli.core.plan import Change
from infercli.core.weighing import limits

_NEAREST = 9
"""Candidates that are looked at in a direction: the fastest and the most capable by the closed form."""
_METHODS = ("fp8", "awq", "w4a16", "int8", "none")
"""Quantizations that are offered where none of the asked ones holds: those of which most models have a checkpoint."""
_MOST_PER_NODE = 8
"""GPUs of the largest machines that profiles describe."""
_GROWTHS = (2, 4, 8, 16, 32)
"""Times as many GPUs as a profile has."""
_HALVINGS = 10
"""Of the asked load until something holds: to a thousandth of it."""
_STEPS = 5
"""Halvings between a load that holds and twice that: to 3 % of it."""


def changes(search: Search) -> tuple[Change, ...]:
    """At most one in each direction, as the user would type it; empty where none of them helps alone."""
    directions = (_freed, _quantization, _objectives, _load, _more_gpus)
    return tuple(change for direction in directions for change in direction(search))


def _holding(words: str, search: Search) -> list[Change]:
    """The change, where the search with it finds a winner."""
    winner = search.holds()
    if winner is None:
        return []
    cost = "price unknown" if winner.cost is None else f"${winner.cost.median_usd_per_h:,.2f} an hour"
    return [Change(change=words, effect=f"holds on {winner.weighed.candidate.words}: {cost}")]


def _freed(search: Search) -> list[Change]:
    """Without one of the arguments that the user fixed."""
    question = search.question
    for field in fields(Fixed):
        if getattr(question.fixed, field.name) is not None:
            freed = replace(question, fixed=replace(question.fixed, **{field.name: None}))
            found = _holding(f"without --{field.name.replace('_', '-')}", Search(freed, search.known))
            if found:
                return found
    return []


def _quantization(search: Search) -> list[Change]:
    question = search.question
    stored, tried = question.model.quantization.method, set(question.quantizations)
    for method in _METHODS if stored == "none" and not question.pinned else (stored,):
        accepted_everywhere = all(method in h.methods for h in question.hardware)
        if method in tried or (not tried and accepted_everywhere):
            continue
        other = Search(replace(question, quantizations=(method,)), search.known)
        found = _holding(f"--quantization {method}", other)
        if found:
            return found
    return []


def _objectives(search: Search) -> Iterator[Change]:
    """Each objective alone: the least that would hold."""
    question = search.question
    for limit in limits(question.traffic):
        name = f"{limit.name}_ms"
        without = Search(replace(question, traffic=_with(question.traffic, **{name: None})), search.known)
        able = [o for o in without.open if o.worst is None]
        holding = [o.weighed for o in _nearest(able) if without.play(o).surely]
        if not holding:
            continue
        found = min((without.engine(w).worst_s(limit, w.candidate.replicas), i) for i, w in enumerate(holding))
        rounded_ms = _up(found[0] * 1000)
        changed = replace(question, traffic=_with(question.traffic, **{name: rounded_ms}))
        only = Search(_only(changed, holding[found[1]]), search.known)
        yield from _holding(f"--slo {limit.name}={rounded_ms:g}ms", only)


def _nearest(able: list[Open]) -> list[Open]:
    """The fastest by the closed form, and those with the most GPUs among which the load is dealt out."""
    fastest = sorted(able, key=lambda o: o.step_s)
    most = sorted(able, key=lambda o: (-o.weighed.candidate.gpus, o.step_s))
    return list(dict.fromkeys((*fastest[: _NEAREST // 2], *most[: _NEAREST // 2])))


def _load(search: Search) -> list[Change]:
    """The highest rate, or the most requests in flight, that hold."""
    traffic = search.question.traffic
    asked = traffic.request_rate or traffic.concurrency
    assert asked is not None
    field = "request_rate" if traffic.request_rate is not None else "concurrency"
    halves = [asked / 2**i for i in range(1, _HALVINGS + 1)]

    def at(amount: float, weighed: Weighed) -> Search:
        changed = replace(search.question, traffic=_with(traffic, **{field: amount}))
        return Search(_only(changed, weighed), search.known)

    best, holder = 0.0, None
    for weighed in _most_able(search):
        low = next((x for x in ([best] if best else halves) if at(x, weighed).holds() is not None), None)
        if low is None:
            continue
        high = min(asked, 2 * low)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (middle, high) if at(middle, weighed).holds() is not None else (low, middle)
        if low > best:
            best, holder = low, weighed
    amount = _down(best) if field == "request_rate" else float(floor(best))
    if holder is None or amount <= 0:
        return []
    return _holding(f"--{'rate' if field == 'request_rate' else 'concurrency'} {amount:g}", at(amount, holder))


def _most_able(search: Search) -> list[Weighed]:
    """Candidates that start: the most capable, and the fastest at what is asked and alone, at worst, in closed form."""
    found: dict[str, tuple[tuple[float, float, float], Weighed]] = {}
    for weighed in search.all:
        engine, c = search.engine(weighed), weighed.candidate
        # By its words, which do not tell batches apart: a smaller one carries no more.
        if c.words in found or engine.starts is not True or engine.no_speed is not None or room_problem(weighed):
            continue
        slower = engine.widths["tpot"][1]
        worst = (
            -engine.capacity(c.replicas) * engine.widths["output_tokens_per_s"][0],
            engine.step_s(c.replicas)[0] * slower,
            engine.step(1.0, search.question.traffic.input_len) * slower,
        )
        found[c.words] = (worst, weighed)
    orders = (sorted(found.values(), key=lambda f: f[0][order])[: _NEAREST // 3] for order in range(3))
    return list(dict.fromkeys(weighed for order in orders for _, weighed in order))


def _more_gpus(search: Search) -> list[Change]:
    """The same hardware, with more GPUs in a node as far as nodes go, and with more nodes beyond."""
    question = replace(search.question, plain=True)
    for times in _GROWTHS:
        grown = Search(replace(question, hardware=tuple(_grown(h, times) for h in question.hardware)), search.known)
        winner = grown.holds()
        if winner is not None:
            profile = winner.weighed.hardware.profile
            nodes = profile.nodes[0]
            return _holding(f"a profile like {profile.name} with {nodes.count} x {nodes.gpus} GPUs", grown)
    return []


def _only(question: Question, weighed: Weighed) -> Question:
    """The same question with this candidate alone."""
    c = weighed.candidate
    return replace(
        question,
        hardware=(weighed.hardware,),
        quantizations=(c.quantization,),
        fixed=Fixed(
            tensor_parallel_size=c.tensor_parallel_size,
            pipeline_parallel_size=c.pipeline_parallel_size,
            replicas=c.replicas,
            max_num_seqs=c.max_num_seqs,
            kv_cache_dtype=c.kv_cache_dtype,
        ),
    )


def _grown(hardware: Hardware, times: int) -> Hardware:
    profile = hardware.profile
    per_node = max(profile.gpus_per_node, min(profile.gpus_per_node * times, _MOST_PER_NODE))
    count = -(-profile.max_gpus * times // per_node)
    nodes = (profile.nodes[0].model_copy(update={"count": count, "gpus": per_node, "max_count": None}),)
    return replace(hardware, profile=profile.model_copy(update={"nodes": nodes}))


def _with(traffic: Traffic, **fields: float | None) -> Traffic:
    return traffic.model_copy(update=fields)


def _up(value: float) -> float:
    """Rounded up to two digits."""
    step = 10.0 ** (floor(log10(value)) - 1)
    return round((floor(value / step) + 1) * step, 6)


def _down(value: float) -> float:
    """Rounded down to two digits; 0 for nothing."""
    if value <= 0:
        return 0.0
    step = 10.0 ** (floor(log10(value)) - 1)
    return round(floor(value / step) * step, 9)

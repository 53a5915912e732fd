"""What would hold where nothing does: the smallest change in each direction, each found by searching again.

The one thing to know: a change is only said after a whole search with it has found a winner; how small it can be is
looked for among the few candidates that come nearest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import floor, log10

from infercli.core.candidates import Weighed, room_problem
from infercli.core.choice import Hardware, Question
from infercli.core.choosing import Search
from infercli.core.estimate import Traffic
from infercli.core.plan import Change
from infercli.core.weighing import Engine, Limit, limits

_NEAREST = 8
"""Candidates that are looked at in a direction: the fastest and the most capable by the closed form."""
_METHODS = ("fp8", "awq", "w4a16", "int8", "none")
"""Quantizations that are offered where none of the asked ones holds: those of which most models have a checkpoint."""
_MOST_PER_NODE = 8
"""GPUs of the largest machines that profiles describe."""
_GROWTHS = (2, 4, 8)
"""Times as many GPUs as a profile has."""
_HALVINGS = 6
"""Of the asked rate, towards the highest that holds: to 2 % of it."""


def changes(question: Question) -> tuple[Change, ...]:
    """At most one in each direction, as the user would type it; empty where none of them helps alone."""
    found: list[Change] = []
    for direction in (_quantization, _objectives, _load, _more_gpus):
        found += direction(replace(question, plain=True))
    return tuple(found)


def _checked(words: str, question: Question) -> list[Change]:
    """The change, where a search with it finds a winner."""
    winner = Search(question).winner
    if winner is None:
        return []
    cost = "price unknown" if winner.cost is None else f"${winner.cost.median_usd_per_h:,.2f} an hour"
    return [Change(change=words, effect=f"holds on {winner.weighed.candidate.words}: {cost}")]


def _quantization(question: Question) -> list[Change]:
    stored = question.model.quantization.method
    tried = set(question.quantizations)
    for method in _METHODS if stored == "none" and not question.pinned else (stored,):
        accepted_everywhere = all(method in h.methods for h in question.hardware)
        if method in tried or (not tried and accepted_everywhere):
            continue
        found = _checked(f"--quantization {method}", replace(question, quantizations=(method,)))
        if found:
            return found
    return []


def _objectives(question: Question) -> Iterator[Change]:
    """Each objective alone: the least that would hold."""
    for limit in limits(question.traffic):
        name = f"{limit.name}_ms"
        least_s = _least_s(limit, replace(question, traffic=_with(question.traffic, **{name: None})))
        if least_s is None:
            continue
        rounded = _up(least_s * 1000)
        changed = replace(question, traffic=_with(question.traffic, **{name: rounded}))
        yield from _checked(f"--slo {limit.name}={rounded:g}ms", changed)


def _least_s(limit: Limit, without: Question) -> float | None:
    """The least of that objective which holds at the pessimistic end with all others kept; None where none does."""
    search = Search(without)
    able = [o for o in search.open if o.worst is None]
    fastest = sorted(able, key=lambda o: o.step_s)
    most = sorted(able, key=lambda o: -o.weighed.candidate.gpus)
    nearest = dict.fromkeys((*fastest[: _NEAREST // 2], *most[: _NEAREST // 2]))
    holding = [o.weighed for o in nearest if search.play(o).surely]
    return min((search.engine(w).worst_s(limit, w.candidate.replicas) for w in holding), default=None)


def _load(question: Question) -> list[Change]:
    """The highest rate, or the most requests in flight, that hold."""
    traffic = question.traffic
    by_rate = traffic.request_rate is not None
    asked = traffic.request_rate or traffic.concurrency
    assert asked is not None

    def at(amount: float) -> Question:
        field = "request_rate" if by_rate else "concurrency"
        return replace(question, traffic=_with(traffic, **{field: amount}))

    best = 0.0
    for weighed in _most_able(question):
        low, high = best, asked
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            engine = Engine(at(middle), weighed)
            low, high = (middle, high) if engine.play(weighed.candidate.replicas).surely else (low, middle)
        best = max(best, low)
    amount = _down(best) if by_rate else float(floor(best))
    if amount <= 0:
        return []
    return _checked(f"{'--rate' if by_rate else '--concurrency'} {amount:g}", at(amount))


def _most_able(question: Question) -> list[Weighed]:
    """Candidates that start, the most capable first: with as many replicas as there is room for."""
    search = Search(question)
    starting: list[tuple[float, float, int, Weighed]] = []
    for weighed in search.all:
        engine = search.engine(weighed)
        if engine.starts is True and engine.no_speed is None and room_problem(weighed) is None:
            capacity = engine.capacity(weighed.candidate.replicas)
            starting.append((-capacity, engine.step_s(weighed.candidate.replicas)[0], len(starting), weighed))
    by_capacity = sorted(starting)[: _NEAREST // 2]
    by_speed = sorted(starting, key=lambda s: s[1])[: _NEAREST // 2]
    return [s[3] for s in dict.fromkeys((*by_capacity, *by_speed))]


def _more_gpus(question: Question) -> list[Change]:
    """The same hardware, with more GPUs in a node as far as nodes go, and with more nodes beyond."""
    for times in _GROWTHS:
        grown = tuple(_grown(h, times) for h in question.hardware)
        winner = Search(replace(question, hardware=grown)).winner
        if winner is not None:
            profile = winner.weighed.hardware.profile
            nodes = profile.nodes[0]
            words = f"a profile like {profile.name} with {nodes.count} x {nodes.gpus} GPUs"
            chosen = next(h for h in grown if h.profile.name == profile.name)
            return _checked(words, replace(question, hardware=(chosen,)))
    return []


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

"""What would hold where nothing does: the smallest change in each direction, each found by searching again.

The one thing to know: a change is only said after a whole search with it has found a winner; how small it can be is
looked for among the few candidates that come nearest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from math import floor, log10

from infercli.core.choice.candidates import Weighed, room_problem
from infercli.core.choice.measures import Limit, limits
from infercli.core.choice.question import Fixed, Hardware
from infercli.core.choice.search import Open, Search
from infercli.core.documents.plan import Change
from infercli.core.documents.profile import LARGEST_NODE_GPUS
from infercli.core.estimates.request import Traffic
from infercli.core.units import number

Called = Callable[[str], Hardware | None]
"""A profile's name -> its hardware; None where that is none."""

_NEAREST = 9
"""Candidates whose load is lowered: the fastest and the most capable by the closed form."""
_LOOKED, _MOST_LOOKED = 24, 80
"""Candidates that are played for an objective, and where none of them holds: 10 to 40 ms each."""
_IDLE = 0.01
"""Share of the time that an engine is idle at least, for a queue in closed form: it only orders. Our choice."""
_METHODS = ("fp8", "awq", "w4a16", "int8", "none")
"""Quantizations that are offered where none of the asked ones holds: those of which most models have a checkpoint."""
_GROWTHS = (2, 4, 8, 16, 32)
"""Times as many GPUs as a profile has."""
_ALONE = 0.05
"""Requests in flight of one replica, in the mean, at a rate so low that nearly every request is alone."""
_STEPS = 5
"""Halvings between a load that holds and twice that: to 3 % of it."""
_TRIES = (1.0, 0.97, 0.94, 0.9, 0.8)
"""Shares of what was found to hold that are offered: of 600 arrivals at random, a little less may hold less well."""


def changes(search: Search, at_hand: tuple[Hardware, ...] = (), called: Called = lambda _: None) -> tuple[Change, ...]:
    """At most one in each direction, as the user would type it; empty where none of them helps alone.

    `at_hand`: hardware that has a name, whether it was asked about or not; `called`: what a name that was made up is.
    """
    directions = (_freed, _quantization, _objectives, _load)
    found = [change for direction in directions for change in direction(search)]
    return (*found, *_hardware(search, at_hand, called))


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
            freed = search.again(fixed=replace(question.fixed, **{field.name: None}))
            found = _holding(f"without --{field.name.replace('_', '-')}", freed)
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
        found = _holding(f"--quantization {method}", search.again(quantizations=(method,)))
        if found:
            return found
    return []


def _objectives(search: Search) -> Iterator[Change]:
    """Each objective alone: the least that would hold, on the cheapest that holds with it."""
    traffic = search.question.traffic
    for limit in limits(traffic):
        name = f"{limit.name}_ms"
        without = search.again(traffic=_with(traffic, **{name: None}))
        holding = _holders(without, limit)
        if not holding:
            continue
        rounded_ms = _up(min(worst_s for worst_s, _ in holding) * 1000)
        cheapest = next(
            o for o in without.open if any(o is h and 1000 * worst_s <= rounded_ms for worst_s, h in holding)
        )
        eased = _only(search, cheapest.weighed, _with(traffic, **{name: rounded_ms}))
        yield from _holding(f"--slo {limit.name}={_typed(rounded_ms)}ms", eased)


def _holders(without: Search, limit: Limit) -> list[tuple[float, Open]]:
    """(what it reaches of the objective at worst, one that holds without it), of those that may reach the least.

    As many are played as are likely to; where none of them holds, others, the quickest first.
    """
    found: list[tuple[float, Open]] = []
    for played, candidate in enumerate(_quickest(without, limit)):
        if played >= (_LOOKED if found else _MOST_LOOKED):
            break
        if without.play(candidate).surely:
            replicas = candidate.weighed.candidate.replicas
            found.append((without.engine(candidate.weighed).worst_s(limit, replicas), candidate))
    return found


def _quickest(search: Search, limit: Limit) -> list[Open]:
    """Each once, whatever its batch: the quickest at worst by the closed form first."""
    traffic = search.question.traffic
    able: dict[str, Open] = {}
    for o in search.open:
        if o.worst is None:
            able.setdefault(o.weighed.candidate.words, o)  # the largest batch of several comes first

    def worst_s(o: Open) -> float:
        replicas, width = o.weighed.candidate.replicas, o.engine.widths[limit.metric][1]
        if limit.metric == "tpot":
            return o.step_s * width
        prompt_s = o.engine.prompt_s
        if traffic.request_rate is None:
            assert traffic.concurrency is not None
            return prompt_s * width * max(1.0, traffic.concurrency / replicas)
        return prompt_s * width / max(_IDLE, 1 - traffic.request_rate / o.engine.capacity(replicas))

    return sorted(able.values(), key=worst_s)


def _load(search: Search) -> list[Change]:
    """The highest rate, or the most requests in flight, that hold."""
    traffic = search.question.traffic
    field = "request_rate" if traffic.request_rate is not None else "concurrency"

    def at(amount: float, weighed: Weighed) -> Search:
        return _only(search, weighed, _with(traffic, **{field: amount}))

    def holds_on(weighed: Weighed) -> Callable[[float], bool]:
        return lambda amount: at(amount, weighed).holds() is not None

    best, holder = 0.0, None
    for weighed in _most_able(search):
        least, most = _range(search, weighed)
        found = _highest(holds_on(weighed), max(best, least), most)
        if found is not None:
            best, holder = found, weighed
    if holder is None:
        return []
    flag, rounded = ("rate", _down) if field == "request_rate" else ("concurrency", floor)
    for share in _TRIES:
        amount = float(rounded(share * best))
        said = _holding(f"--{flag} {_typed(amount)}", at(amount, holder)) if amount > 0 else []
        if said:
            return said
    return []


def _highest(holds: Callable[[float], bool], least: float, most: float) -> float | None:
    """The highest amount below `most` that holds, to 3 % of it; None where `least` does not."""
    if least >= most or not holds(least):
        return None
    low, high = least, most
    while (middle := high / 2) > low:
        if holds(middle):
            low = middle
        else:
            high = middle
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _range(search: Search, weighed: Weighed) -> tuple[float, float]:
    """(a load under which each request is alone, the most that may hold by the closed form)."""
    traffic, engine, replicas = search.question.traffic, search.engine(weighed), weighed.candidate.replicas
    if traffic.request_rate is None:
        assert traffic.concurrency is not None
        return 1.0, traffic.concurrency
    alone_s = traffic.output_len * engine.step(1.0, traffic.input_len + traffic.output_len / 2)
    most = engine.capacity(replicas) * engine.widths["output_tokens_per_s"][0]
    return _ALONE * replicas / alone_s, min(traffic.request_rate, most)


def _most_able(search: Search) -> list[Weighed]:
    """Candidates that start: the most capable, and the fastest at what is asked and alone, at worst, in closed form."""
    found: dict[str, tuple[tuple[float, float, float], Weighed]] = {}
    for weighed in search.all:
        engine, c = search.engine(weighed), weighed.candidate
        # By its words, which do not tell batches apart: a smaller one carries no more.
        if c.words in found or engine.starts is not True or engine.no_speed is not None:
            continue
        if room_problem(weighed) or search.unaccepted(weighed):
            continue
        slower = engine.widths["tpot"][1]
        worst = (
            -engine.capacity(c.replicas) * engine.widths["output_tokens_per_s"][0],
            engine.step_s(c.replicas, c.max_num_seqs)[0] * slower,
            engine.step(1.0, search.question.traffic.input_len) * slower,
        )
        found[c.words] = (worst, weighed)
    orders = (sorted(found.values(), key=lambda f: f[0][order])[: _NEAREST // 3] for order in range(3))
    return list(dict.fromkeys(weighed for order in orders for _, weighed in order))


def _hardware(search: Search, at_hand: tuple[Hardware, ...], called: Called) -> list[Change]:
    """More of the same GPUs, by a name where there is one; else whatever is at hand and the cheapest."""
    asked = search.question.hardware
    names, gpus = {h.profile.name for h in asked}, {h.gpu.name for h in asked}
    others = tuple(h for h in at_hand if h.profile.name not in names)
    same = tuple(h for h in others if h.gpu.name in gpus)
    return _named(search, same) or _more_gpus(search, called) or _named(search, others)


def _named(search: Search, hardware: tuple[Hardware, ...]) -> list[Change]:
    if not hardware:
        return []
    other = _with_stages(search.again(plain=True, hardware=hardware))
    winner = other.holds()
    return [] if winner is None else _holding(f"--profile {winner.weighed.hardware.profile.name}", other)


def _more_gpus(search: Search, called: Called) -> list[Change]:
    """The same hardware, with more GPUs in a node as far as nodes go, and with more nodes beyond."""
    for times in _GROWTHS:
        hardware = tuple(_grown(h, times) for h in search.question.hardware)
        grown = _with_stages(search.again(plain=True, hardware=hardware))
        winner = grown.holds()
        if winner is not None:
            profile = winner.weighed.hardware.profile
            nodes = profile.nodes[0]
            larger = called(f"{profile.gpu.lower()}-x{profile.max_gpus}") if isinstance(profile.gpu, str) else None
            named = _named(search, () if larger is None else (larger,))
            return named or _holding(f"a profile like {profile.name} with {nodes.count} x {nodes.gpus} GPUs", grown)
    return []


def _with_stages(search: Search) -> Search:
    """The same search with as many pipeline stages as the model needs to start at all."""
    question, stages = search.question, 1
    most = max(h.profile.max_gpus // h.profile.gpus_per_node for h in question.hardware)
    while question.fixed.pipeline_parallel_size is None and not search.starts and 2 * stages <= most:
        stages *= 2
        search = search.again(fixed=replace(question.fixed, pipeline_parallel_size=stages))
    return search


def _only(search: Search, weighed: Weighed, traffic: Traffic) -> Search:
    """This candidate alone, under another load or other objectives."""
    c = weighed.candidate
    return search.again(
        traffic=traffic,
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
    largest = 1 if hardware.gpu.unified_memory else LARGEST_NODE_GPUS
    per_node = max(profile.gpus_per_node, min(profile.gpus_per_node * times, largest))
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


def _typed(value: float) -> str:
    """Without the separators that people read and flags refuse."""
    return number(value, 9).replace(",", "")

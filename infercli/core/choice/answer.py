"""What a search answers: the winner with its whole estimate, the Pareto front, and what a reader must know of both."""

from __future__ import annotations

from typing import Literal

from infercli.core.choice.engine import request_of
from infercli.core.choice.frontier import undominated
from infercli.core.choice.question import Question
from infercli.core.choice.search import FASTER, Open, Search
from infercli.core.choice.selection import Point, Selection, Winner
from infercli.core.estimates.answer import Estimate, Interval
from infercli.core.estimates.estimate import estimate
from infercli.core.shapes import published_as


def selection(search: Search) -> Selection:
    """The whole answer, but for changes and the command."""
    winner, question = search.winner(), search.question
    front = _front(search, winner)
    return Selection(
        model=question.model.name,
        workload=question.traffic,
        max_model_len=question.max_model_len,
        spare=question.spare,
        prices_as_of=question.prices_as_of,
        candidates=len(search.all),
        chosen=None if winner is None else _said(search, winner, holds="at the pessimistic end"),
        cheaper_at_the_estimate=None
        if search.nearly is None
        else _said(search, search.nearly, holds="at the estimate"),
        front=front,
        losers=tuple(search.losers),
        notes=_notes(search, winner, front),
    )


def _said(search: Search, candidate: Open, holds: Literal["at the pessimistic end", "at the estimate"]) -> Winner:
    return Winner(
        candidate=candidate.weighed.candidate,
        cost=candidate.cost,
        holds=holds,
        at_worst=search.play(candidate).tightest.worst_words,
        estimate=_estimate(search.question, candidate, surely=holds == "at the pessimistic end"),
    )


def _estimate(question: Question, candidate: Open, *, surely: bool) -> Estimate:
    """What `infercli estimate` says of it, with the highest rate that keeps the objectives."""
    request = request_of(question, candidate.weighed).model_copy(update={"workload": question.traffic})
    found = estimate(request, question.model, learned=question.learned)
    assert isinstance(found, Estimate)  # it was examined before
    asked, speed = question.traffic.request_rate, found.speed
    if asked is None or speed is None or speed.highest_request_rate is None:
        return found
    most = _at_least(asked, speed.highest_request_rate, surely=surely)
    return found.model_copy(update={"speed": speed.model_copy(update={"highest_request_rate": most})})


def _at_least(asked: float, most: Interval, *, surely: bool) -> Interval:
    """The highest rate of one that was found to hold at the asked one; `surely`: at the pessimistic end.

    It is looked for in steps of 1 % of the capacity, and by its arrivals a lower rate may hold less well.
    """
    value = max(most.value, asked)
    return Interval(value=value, low=max(most.low, asked) if surely else most.low, high=max(most.high, value))


def _front(search: Search, winner: Open | None) -> tuple[Point, ...]:
    """Of those that hold at the estimate; where none does, of those that carry the load."""
    holding, carrying = [], []
    if search.question.traffic.output_len <= 1:
        return ()  # nobody waits for a second token
    best: list[tuple[float, float]] = []  # (step_s, at once) of those that hold
    for candidate in sorted((o for o in search.open if o.cost is not None), key=lambda o: (o.price, o.step_s)):
        step_s, at_once = candidate.step_s, _at_once(candidate, search.question.traffic.concurrency)
        as_good = any(step_s * FASTER > other_s and at_once <= more for other_s, more in best)
        if as_good and candidate is not winner:
            continue
        played = search.play(candidate)
        point = _point(search, candidate, chosen=candidate is winner)
        if played.keeps:
            best.append((step_s, at_once))
            holding.append(point)
        elif all(m.share <= 1 for m in played.measures if not m.is_objective):
            carrying.append(point)
    return undominated(holding or carrying)


def _at_once(candidate: Open, asked: float | None) -> float:
    """Of the requests in flight those that its batches have a place for; 0 at a rate, where all are answered.

    A slower one that has a place for more of them may make more tokens.
    """
    c = candidate.weighed.candidate
    return 0.0 if asked is None else min(asked, c.replicas * c.max_num_seqs)


def _point(search: Search, candidate: Open, *, chosen: bool) -> Point:
    assert candidate.cost is not None
    played = search.play(candidate)
    tpot = search.engine(candidate.weighed).bounded_tpot(candidate.weighed.candidate.replicas)
    return Point(
        candidate=candidate.weighed.candidate,
        cost=candidate.cost,
        tokens_per_s_per_user=Interval(value=1 / tpot.value, low=1 / tpot.high, high=1 / tpot.low),
        tokens_per_s_per_usd_h=played.speed.output_tokens_per_s / candidate.cost.median_usd_per_h,
        holds="at the pessimistic end" if played.surely else "at the estimate" if played.keeps else "no",
        chosen=chosen,
    )


def _notes(search: Search, winner: Open | None, front: tuple[Point, ...]) -> tuple[str, ...]:
    notes = [*search.question.notes]
    if search.open and not front and all(o.cost is None for o in search.open):
        notes.append("no front: no price is known of those that carry the load")
    elif search.open and not front and search.question.traffic.output_len <= 1:
        notes.append("no front: an answer of one token has no time between tokens, and no user sees one faster")
    if winner is not None:
        notes += [*_off_the_front(search, winner, front), *_share_of_a_node(winner)]
        notes += _checkpoints(search.question, winner.weighed.candidate.quantization)
    if winner is not None and winner.weighed.preference[0]:
        notes.append(
            "an FP8 KV cache was taken since nothing else holds at that price: check long prompts against a golden "
            "set, or rule it out with --kv-cache-dtype auto"
        )
    return tuple(notes)


def _off_the_front(search: Search, winner: Open, front: tuple[Point, ...]) -> list[str]:
    """Which one is at least as good in both, and why it was not taken."""
    if not front or winner.cost is None or any(p.chosen for p in front):
        return []
    own = _point(search, winner, chosen=True)
    better = next((p for p in front if undominated((own, p)) == (p,)), None)
    lost = next((x for x in search.losers if better is not None and x.candidate == better.candidate), None)
    if better is None or lost is None:
        return []
    speed, own_speed = better.tokens_per_s_per_user.value, own.tokens_per_s_per_user.value
    how = f"faster for a user ({speed:.1f} tokens/s, against {own_speed:.1f})"
    how = how if speed > own_speed else "cheaper for its tokens"
    return [f"the chosen one is not on the front: {lost.candidate.words} is {how}, and was not taken: {lost.reason}"]


def _checkpoints(question: Question, method: str) -> list[str]:
    """Where the model's own checkpoint is none: published ones that are."""
    model = question.model
    if question.pinned or model.quantization.method == method:
        return []
    found = published_as(model.name, method)
    return [f"published checkpoints that are {method}: {', '.join(found)}"] if found else []


def _share_of_a_node(winner: Open) -> list[str]:
    """What the price leaves out, where whole machines are rented."""
    cost, gpus, per_node = winner.cost, winner.weighed.candidate.gpus, winner.weighed.hardware.profile.gpus_per_node
    if cost is None or gpus % per_node == 0:
        return []
    nodes = -(-gpus // per_node)
    whole, where = nodes * per_node, "a node" if nodes == 1 else f"{nodes} nodes"
    usd_per_h = cost.median_usd_per_h * whole / gpus
    note = (
        f"the price is the share of {gpus} of the {whole} GPUs of {where}, of which the others are taken to be used "
        f"otherwise; all {whole} cost ${usd_per_h:,.2f} an hour"
    )
    return [note]

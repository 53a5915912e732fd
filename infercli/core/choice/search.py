"""The search: which configuration is the cheapest that holds, and why each other one was not taken.

The one thing to know: candidates are weighed from the cheapest on: by memory, then by what the closed form bounds
(core/choice/engine.py); only those that may win, and those that may be on the front, are played.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any, NamedTuple

from infercli.core.choice.candidates import Weighed, candidates, room_problem
from infercli.core.choice.engine import Engine, Examination
from infercli.core.choice.measures import Measure, Played
from infercli.core.choice.question import Question
from infercli.core.choice.selection import Cost, Loser, Verdict
from infercli.core.units import GIB, rounded

FASTER = 1.01
"""A dearer candidate is played for the front where the closed form says that it is faster by more than this."""
_NEARLY = 1.25
"""A batch's limit that is missed by less is looked at with its own memory, not with that of vLLM's default batch."""


Key = tuple[object, ...]
"""Of an engine: everything but its replicas."""


class Open(NamedTuple):
    """A candidate that the closed form does not rule out."""

    weighed: Weighed
    cost: Cost | None
    engine: Engine
    step_s: float
    """Of one token of an answer, in closed form."""
    full_step_s: float
    """The same in the largest batch that `engine` has. Fewer at a time are faster since the others wait: of equal
    prices the larger batch is taken all the same."""
    worst: Measure | None
    """What it cannot keep at the pessimistic end, by the closed form; None: it may."""

    @property
    def price(self) -> tuple[int, float]:
        """Unknown prices come last, by the GPUs that they take."""
        return (1, self.weighed.candidate.gpus) if self.cost is None else (0, self.cost.median_usd_per_h)


class Search:
    """One question: screened when it is made, decided when it is asked for its winner. `losers` then has all others.

    `known`: what was examined for another question of the same model and max_model_len; memory does not depend on load.
    """

    def __init__(self, question: Question, known: dict[Key, Examination] | None = None) -> None:
        self.question = question
        self.known: dict[Key, Examination] = {} if known is None else known
        self._engines: dict[Key, Engine] = {}
        self.all = candidates(question)
        found = [self._screen(w) for w in self.all]
        self.losers = [f for f in found if isinstance(f, Loser)]
        self.open = sorted((f for f in found if isinstance(f, Open)), key=_order)
        self._winner: Open | None = None
        self.nearly: Open | None = None
        """The cheapest that holds only at the estimate, where it costs less than the winner."""
        self._decided = False

    def again(self, **changed: Any) -> Search:
        """The same question with these fields changed; its model and max_model_len stay."""
        return Search(replace(self.question, **changed), self.known)

    @property
    def starts(self) -> bool:
        """Whether any that has room surely does, however slow."""
        return any(room_problem(w) is None and self.engine(w).starts is True for w in self.all)

    def winner(self) -> Open | None:
        """The cheapest that holds at the pessimistic end; None where none does."""
        if not self._decided:
            self._decided = True
            self.losers += [lost for lost in map(self._weigh, self.open) if lost is not None]
        return self._winner

    def holds(self) -> Open | None:
        """The winner, where nobody asks about the others.

        What the closed form rules out at worst is not played, nor fewer replicas of an engine of which the most fail.
        """
        if self._decided:
            return self._winner
        able = [o for o in self.open if o.worst is None]
        most: dict[Engine, Open] = {}
        for o in sorted(able, key=lambda o: o.weighed.candidate.replicas):
            most[self.engine(o.weighed)] = o
        both = ((most[self.engine(o.weighed)], o) for o in able)
        return next((o for roomiest, o in both if self.play(roomiest).surely and self.play(o).surely), None)

    # What can be said without playing.

    def engine(self, weighed: Weighed) -> Engine:
        """That engine, examined once whatever its replicas."""
        c = weighed.candidate
        key = (
            id(weighed.hardware.gpu), weighed.hardware.gpu_memory_utilization, c.quantization, c.tensor_parallel_size,
            c.pipeline_parallel_size, c.kv_cache_dtype, c.max_num_seqs,
        )  # fmt: skip
        found = self._engines.get(key)
        if found is None:
            found = self._engines[key] = Engine(self.question, weighed, self.known.get(key))
            self.known[key] = found.examination
        return found

    def unaccepted(self, weighed: Weighed) -> str | None:
        """Why the profile does not take this checkpoint; None where it does, or where that was asked for."""
        methods = weighed.hardware.methods
        if self.question.quantizations or weighed.candidate.quantization in methods:
            return None
        listed = ", ".join(f"`{m}`" for m in methods)
        return f"the checkpoint is {weighed.candidate.quantization}, and the profile lists only {listed}"

    def _screen(self, weighed: Weighed) -> Open | Loser:
        cost = cost_of(weighed)
        no_room = room_problem(weighed)
        if no_room is not None:
            return _lost(weighed, cost, "no_room", no_room)
        unaccepted = self.unaccepted(weighed)
        if unaccepted is not None:
            return _lost(weighed, cost, "impossible", unaccepted)
        # A smaller batch takes no more memory: where the default batch starts, it need not be examined yet.
        # Nor does it help where more is missing than a batch takes at all, even at the optimistic end.
        engine = self.engine(weighed.default_batch or weighed)
        if engine.starts is not True and (engine.examined is None or engine.least_missing_bytes < engine.batch_bytes):
            engine = self.engine(weighed)
        if engine.examined is None:
            return _lost(weighed, cost, "impossible", engine.problem)
        sized = engine.examined.sized
        slow: Measure | None = None
        measures: list[Measure] = []
        if sized.starts is not False and engine.no_speed is None:
            measures = self._bounds(engine, weighed)
            slow = max((m for m in measures if m.share > 1), key=lambda m: m.share, default=None)
        if slow is not None:  # whether it starts or cannot be told
            doubt = "" if sized.starts else ", and may not start"
            return _lost(weighed, cost, "too_slow", slow.words + doubt, slow.share - 1)
        if sized.starts is not True and not sized.missing_bytes:
            return _lost(weighed, cost, "impossible" if sized.starts is False else "cannot_be_told", sized.reason)
        missing = f"{rounded(sized.missing_bytes / GIB, 2)} GiB missing per GPU"
        if sized.starts is False:
            return _lost(weighed, cost, "does_not_fit", missing, sized.missing_bytes / GIB)
        if sized.starts is None:
            reason = f"within the error of the estimates: {missing} at worst"
            return _lost(weighed, cost, "cannot_be_told", reason, sized.missing_bytes / GIB)
        if engine.no_speed is not None:
            return _lost(weighed, cost, "cannot_be_told", f"no speed: {engine.no_speed}")
        worst = max((m for m in measures if m.worst_share > 1), key=lambda m: m.worst_share, default=None)
        c = weighed.candidate
        step_s, full_s = (engine.step_s(c.replicas, seqs)[1] for seqs in (c.max_num_seqs, engine.serving.max_num_seqs))
        return Open(weighed, cost, engine, step_s, full_s, worst)

    def _bounds(self, engine: Engine, weighed: Weighed) -> list[Measure]:
        c = weighed.candidate
        carries = engine.carries(c.replicas, c.max_num_seqs)
        if any(1 < share < _NEARLY for m in carries for share in (m.share, m.worst_share)):
            carries = self.engine(weighed).carries(c.replicas, c.max_num_seqs)
        return [*engine.least(c.replicas, c.max_num_seqs), *carries]

    # Who wins.

    def play(self, candidate: Open) -> Played:
        """The asked load on it, with the memory that is its own.

        A batch that the load never fills changes nothing: what the default batch did stands for it.
        """
        weighed = candidate.weighed
        replicas = weighed.candidate.replicas
        if weighed.default_batch is not None:
            before = self.engine(weighed.default_batch).played(replicas)
            if before is not None and weighed.candidate.max_num_seqs > _most_at_once(before.speed.running):
                return before
        return self.engine(weighed).play(replicas)

    def _weigh(self, candidate: Open) -> Loser | None:
        """None: it won."""
        weighed, cost, worst = candidate.weighed, candidate.cost, candidate.worst
        if self._winner is not None:
            return self._too_late(candidate, self._winner)
        if worst is not None and self.nearly is not None:
            reason = f"at worst {worst.worst_words}"
            return _lost(weighed, cost, "uncertain", reason, worst.worst_share - 1)
        played = self.play(candidate)
        if played.surely:
            self._winner = candidate
            if self.nearly is not None and self.nearly.price == candidate.price:
                self.nearly = None
            return None
        if played.keeps:
            self.nearly = self.nearly or candidate
            tightest = played.tightest
            reason = f"holds at the estimate; at worst {tightest.worst_words}"
            return _lost(weighed, cost, "uncertain", reason, tightest.worst_share - 1)
        slow = max(played.measures, key=lambda m: m.share)
        return _lost(weighed, cost, "too_slow", slow.words, slow.share - 1)

    def _too_late(self, candidate: Open, winner: Open) -> Loser:
        weighed, cost = candidate.weighed, candidate.cost
        if candidate.price == winner.price:
            verdict: Verdict = "unpriced" if cost is None and not _same_gpus(candidate, winner) else "not_preferred"
            return _lost(weighed, cost, verdict, _preference(candidate, winner))
        if cost is None or winner.cost is None:
            gpus, taken = weighed.candidate.gpus, winner.weighed.candidate.gpus
            if cost is winner.cost and weighed.candidate.gpu == winner.weighed.candidate.gpu:
                return _lost(weighed, cost, "dearer", f"takes {gpus:,} of these GPUs, not {taken:,}", gpus / taken - 1)
            return _lost(weighed, cost, "unpriced", "nobody says what it costs")
        more = cost.median_usd_per_h / winner.cost.median_usd_per_h - 1
        return _lost(weighed, cost, "dearer", f"{more:.0%} dearer", more)


def cost_of(weighed: Weighed) -> Cost | None:
    """What all its GPUs cost, those that are kept free included; None where the profile has no price."""
    price, gpus = weighed.hardware.price, weighed.candidate.gpus
    if price is None:
        return None
    return Cost(
        low_usd_per_h=price.low_usd * gpus,
        median_usd_per_h=price.median_usd * gpus,
        high_usd_per_h=price.high_usd * gpus,
        quotes=price.quotes,
    )


def _most_at_once(mean: float) -> float:
    """Requests that are decoded at once at most, where `mean` are: arrivals at random, and twice that for bursts."""
    return 2 * (mean + 6 * sqrt(mean) + 8)


def _lost(weighed: Weighed, cost: Cost | None, verdict: Verdict, reason: str, shortfall: float = 0.0) -> Loser:
    return Loser(candidate=weighed.candidate, cost=cost, verdict=verdict, reason=reason, shortfall=shortfall)


def _order(o: Open) -> tuple[object, ...]:
    c = o.weighed.candidate
    return (o.price, o.weighed.preference, o.full_step_s, -c.max_num_seqs, c.gpus_per_replica, c.pipeline_parallel_size)


def _preference(loser: Open, winner: Open) -> str:
    """Why another one of the same price was taken, or of as many GPUs whose price is unknown too."""
    (silent, place), taken = loser.weighed.preference, winner.weighed.candidate
    same = "same price" if loser.cost is not None else "same GPUs" if _same_gpus(loser, winner) else "price unknown"
    if silent > winner.weighed.preference[0]:
        return f"{same}; an FP8 KV cache is taken only where nothing else holds, or where it is asked for"
    if place > winner.weighed.preference[1]:
        return f"{same}; profile {loser.weighed.hardware.profile.name} prefers {taken.quantization}"
    if loser.step_s > FASTER * winner.step_s:
        return f"{same}; {1 - winner.step_s / loser.step_s:.0%} slower for a user"
    if loser.weighed.candidate.max_num_seqs < taken.max_num_seqs:
        faster = loser.step_s * FASTER < winner.step_s
        return f"{same}{'' if faster else ', and as fast'}; max_num_seqs {taken.max_num_seqs} takes more at a time"
    return f"{same}, and no faster for a user"


def _same_gpus(a: Open, b: Open) -> bool:
    """As many of the same, which cost the same whatever that is."""
    return (a.weighed.candidate.gpu, a.weighed.candidate.gpus) == (b.weighed.candidate.gpu, b.weighed.candidate.gpus)

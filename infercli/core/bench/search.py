"""A search for the highest rate that holds the objectives.

Pure: what was measured so far goes in, the next level or the conclusion comes out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from infercli.core.bench.goodput import Objective, judged_s, within
from infercli.core.bench.saturation import fell_behind
from infercli.core.bench.stage import StageResult, client_limits
from infercli.core.bench.stats import independent, student
from infercli.core.record import Record
from infercli.core.traces import Trace
from infercli.core.units import number

FIRST_STEP = 2.0
"""While nothing has failed, the rate doubles."""
PRECISION = 1.1
"""The search ends when the lowest rate that broke is at most this many times the highest that held."""
CONFIRMATIONS = 3
"""Longer runs at one rate, at most, each with arrivals of its own: they decide about it together. The run that chose
the rate does not count: it began with an empty queue, and a rate is chosen where chance was kind."""
FEWEST_CONFIRMATIONS = 2
"""Before a search is sure: one run may not meet what makes requests miss once in a minute."""
CONFIRMATION_BLOCKS = 6
"""In which a confirmation is cut to see how alike neighbours are: few and long, for queues remember for seconds."""
LOWER = (1.1, 1.25, 1.5)
"""So many times below the highest rate that holds a search looks for one of which it is sure. Our choice: each costs up
to three long runs, and an answer that is more than a third lower is of little use."""
Z_LOOKS = 2.128
"""Of the normal distribution, for a third of 5 %, one-sided: a search looks after two confirmations, after three, and
at other rates. Of 600 simulated searches of queues (exponential and constant service, one server and eight) 555 were
sure of a rate, at 0.75 to 0.83 of the true limit in the middle, and 9 of a rate above it."""
MOST_LEVELS = 40
"""Nothing converges that has not by then: 20 doublings and 20 halvings of what is left."""
SENT_FRACTION = 0.9
"""Of the rate that was asked: a level that was sent more slowly says nothing of it."""
ALONE = 5
"""Requests that had the endpoint for themselves, at least, before they say that no rate holds."""
Z_95 = 1.6448536269514722
"""One-sided 95 % quantile of the normal distribution."""


class Sure(Record):
    """How sure an objective's attainment is at the rate that was found, over all runs there."""

    objective: str
    fraction: float
    """That must meet it."""
    met: int
    requests: int
    like_independent: float
    """As how many independent requests they count: those that queue behind one another miss together."""
    at_least_fraction: float
    """The one-sided 95 % lower bound (Wilson's, of that many) of the share that meets it."""
    sure: bool
    """The bound is no lower than what must be met."""


class Assured(Record):
    """A rate of which a search is sure."""

    rate_per_s: float
    runs: int
    """That say so."""
    objectives: tuple[Sure, ...]


class Searched(Record):
    """What a search for the highest rate that holds came to."""

    highest_rate_per_s: float | None
    """That held, and no lower one broke; None: no rate that was tried did."""
    broke_at_rate_per_s: float | None
    """The lowest that did not hold; None: none broke."""
    runs: int
    """At `highest_rate_per_s`."""
    broke_runs: int = 0
    """At `broke_at_rate_per_s`: near the limit chance decides about a single run."""
    sure: tuple[Sure, ...] = ()
    """Of the highest rate that held."""
    assured: Assured | None = None
    """The highest rate that surely holds, which may be lower; None: the search is sure of none."""
    hopeless: str | None = None
    """Why no rate can hold, so that no lower one was tried."""
    unfinished: str | None = None
    """Why the search ended before it was precise."""

    @property
    def rate_per_s(self) -> float | None:
        """The rate that the search is about: the highest that surely holds, else the highest that held."""
        return self.highest_rate_per_s if self.assured is None else self.assured.rate_per_s

    @property
    def answer(self) -> bool | None:
        """Whether there is a rate that surely holds; None: the search does not tell."""
        if self.unfinished is not None:
            return None
        if self.highest_rate_per_s is None:
            return False
        return None if self.assured is None else True


class Next(NamedTuple):
    """A level that a search wants to see."""

    rate_per_s: float
    seed: int
    """Of its arrivals: every run at one rate has another."""
    why: str
    confirms: bool = False
    """Rather than looks for a rate: longer, and without its beginning."""


def next_rate(done: Sequence[StageResult], first_rate_per_s: float) -> Next | None:
    """The next level of a search; None: `searched` says what was found. `done`: open loops with objectives, in order.

    A rate that held and breaks when it is confirmed has broken.
    """
    if done and (done[-1].interrupted or client_limits(done) or len(done) >= MOST_LEVELS or _unsent(done[-1])):
        return None
    held, broke = _bracket(done)
    seed = len(done)
    if done and done[-1].check.client_limited and (again := done[-1].load).rate_per_s is not None:
        return Next(again.rate_per_s, seed, "again, for the client was the limit", confirms=again.confirms)
    if held is None and broke is None:
        return Next(first_rate_per_s, seed, "the first guess")
    if broke is None and held is not None:
        return None if _burst(done[-1]) else Next(held * FIRST_STEP, seed, "nothing has broken yet")
    assert broke is not None
    if held is None:
        lowest = broke <= first_rate_per_s / 2**10 or _hopeless(done) is not None
        return None if lowest else Next(broke / FIRST_STEP, seed, "nothing has held yet")
    if broke / held > PRECISION:
        middle = float(f"{math.sqrt(held * broke):.3g}")  # a rate that people can type
        return Next(middle, seed, f"between {number(held)}, which held, and {number(broke)}, which did not")
    runs = _runs(done)
    confirmed = _confirmations(runs[held])
    if len(confirmed) < FEWEST_CONFIRMATIONS or _worth_another(confirmed):
        return Next(held, seed, f"to confirm {number(held)}", confirms=True)
    if _assured(held, confirmed) is not None:
        return None
    for rate in _lower(held, confirmed):
        confirmed = _confirmations(runs.get(rate, ()))
        if _assured(rate, confirmed) is not None:
            return None
        if _worth_another(confirmed):
            return Next(rate, seed, f"lower than {number(held)}, which holds and not surely", confirms=True)
    return None


def _lower(held: float, confirmed: Sequence[StageResult]) -> list[float]:
    """Rates of which a search may be sure, where it is not of the highest that holds: none where all met is too few."""
    perfect = [(o, requests, requests) for o, _, requests in _attained(confirmed)]
    blocks = CONFIRMATIONS * CONFIRMATION_BLOCKS
    most = CONFIRMATIONS / len(confirmed)
    if any(_bound(met, requests, requests * most, blocks) < o.fraction for o, met, requests in perfect):
        return []
    return [float(f"{held / times:.3g}") for times in LOWER]


def _worth_another(confirmed: Sequence[StageResult]) -> bool:
    """Whether more confirmations, as good as these, can make a search sure that is not."""
    if len(confirmed) >= FEWEST_CONFIRMATIONS and all(s.sure for s in _sure(confirmed)):
        return False
    if not confirmed:
        return True
    more = CONFIRMATIONS / len(confirmed)
    return more > 1 and all(s.sure for s in _sure(confirmed, more))


def _assured(rate_per_s: float, confirmed: Sequence[StageResult]) -> Assured | None:
    """A rate, if its confirmations are enough to be sure of it."""
    sure = _sure(confirmed)
    enough = len(confirmed) >= FEWEST_CONFIRMATIONS and all(s.sure for s in sure)
    return Assured(rate_per_s=rate_per_s, runs=len(confirmed), objectives=sure) if enough else None


def searched(done: Sequence[StageResult]) -> Searched:
    """What the levels so far say."""
    held, broke = _bracket(done)
    runs = _runs(done)
    at = [] if held is None else runs[held]
    confirmed = {rate: _confirmations(of) for rate, of in runs.items() if held is not None and rate <= held}
    assured = (_assured(rate, confirmed[rate]) for rate in sorted(confirmed, reverse=True))
    unfinished = None
    if not done:
        unfinished = "no rate was tried"
    elif done[-1].interrupted:
        unfinished = "interrupted"
    elif done[-1].check.client_limited:
        unfinished = f"the client was the limit at {done[-1].load.label}: {'; '.join(done[-1].check.reasons)}"
    elif (why := _unsent(done[-1]) or (_burst(done[-1]) if broke is None else None)) is not None:
        unfinished = why
    elif len(done) >= MOST_LEVELS:
        unfinished = f"not precise after {MOST_LEVELS} levels"
    return Searched(
        highest_rate_per_s=held,
        broke_at_rate_per_s=broke,
        runs=len(at),
        broke_runs=0 if broke is None else len(runs[broke]),
        sure=_sure(_deciding(at)),
        assured=next((found for found in assured if found is not None), None),
        hopeless=_hopeless(done) if held is None else None,
        unfinished=unfinished,
    )


def sent_per_s(stage: StageResult) -> float | None:
    """At what rate an open loop's requests were really sent; None of fewer than two, or of two at one moment.

    Of conversations those that begin them: so is their rate.
    """
    return _per_s([t.sent_s for t in _arrived(stage) if t.sent_s is not None])


def _arrived(stage: StageResult) -> list[Trace]:
    """What was sent because it was due by the load's own rate: no later turns."""
    return [t for t in stage.traces if t.sent_s is not None and not t.turn]


def _per_s(moments: Sequence[float]) -> float | None:
    span_s = max(moments) - min(moments) if moments else 0.0
    return (len(moments) - 1) / span_s if span_s else None


def _unsent(stage: StageResult) -> str | None:
    """Why a level that holds is no proof for its rate: it was not sent that fast."""
    if _as_asked(stage) or not keeps(stage):
        return None
    rate = sent_per_s(stage)
    return f"{stage.load.label} could not be sent that fast" + (f": it was {number(rate)}" if rate else "")


def _burst(stage: StageResult) -> str | None:
    """Why a level is as much as so few requests can ask: a higher rate of them would be the same."""
    sent = [t.sent_s for t in _arrived(stage) if t.sent_s is not None]
    tokens = [t.arrivals_s[0] for t in stage.traces if t.arrivals_s]
    if not sent or not tokens or max(sent) > min(tokens):
        return None
    return (
        f"all {len(sent):,} {stage.load.begins} of {stage.load.label} were sent before the first token came: "
        "it takes more of them (--requests) to try a higher rate"
    )


def _as_asked(stage: StageResult) -> bool:
    """Whether requests went out at the rate at which they were due."""
    arrived = _arrived(stage)
    sent, asked = sent_per_s(stage), _per_s([t.intended_s for t in arrived])
    return len(arrived) < 2 or (sent is not None and asked is not None and sent >= SENT_FRACTION * asked)


def _hopeless(done: Sequence[StageResult]) -> str | None:
    """Why no rate can hold: requests that had the endpoint for themselves miss as well, and no rate is lower."""
    for stage in done:
        if stage.goodput is None or stage.goodput.holds or stage.check.client_limited:
            continue
        alone = _alone(stage.traces)
        for a in stage.goodput.attained:
            met = sum(within(t, a.objective) for t in alone)
            if len(alone) >= ALONE and 1 - wilson_lower(1 - met / len(alone), len(alone)) < a.objective.fraction:
                return (
                    f"no rate can hold {a.objective.words}: of {len(alone):,} requests that were alone at the "
                    f"endpoint {met:,} met it"
                )
    return None


def _alone(traces: Sequence[Trace]) -> list[Trace]:
    """The measured requests during which no other was in flight."""
    ordered = sorted((t for t in traces if t.sent_s is not None), key=lambda t: t.sent_s or 0.0)
    found, busy_until = [], -math.inf
    for n, t in enumerate(ordered):
        following = ordered[n + 1].sent_s if n + 1 < len(ordered) else math.inf
        if t.sent_s is not None and following is not None and busy_until <= t.sent_s and t.ended_s <= following:
            found.append(t)
        busy_until = max(busy_until, t.ended_s)
    return [t for t in found if t.counts]


def holds(stage: StageResult) -> bool:
    """Whether a level kept the objectives to its end."""
    return stage.goodput is not None and stage.goodput.holds and stage.stopped is None


def keeps(stage: StageResult) -> bool:
    """Whether it would hold for as long as one likes: it holds, and the endpoint kept up with it."""
    return holds(stage) and fell_behind(stage.traces, stage.load) is None


def _runs(done: Sequence[StageResult]) -> dict[float, list[StageResult]]:
    """The runs at each rate, in order. A level that the client limited says nothing of the server."""
    found: dict[float, list[StageResult]] = {}
    for stage in done:
        rate = stage.load.rate_per_s
        if rate is not None and not stage.check.client_limited and not stage.interrupted:
            found.setdefault(rate, []).append(stage)
    return found


def _confirmations(runs: Sequence[StageResult]) -> list[StageResult]:
    return [s for s in runs if s.load.confirms]


def _deciding(runs: Sequence[StageResult]) -> Sequence[StageResult]:
    """Of the runs at one rate those that say whether it holds: its confirmations, where there are any."""
    return _confirmations(runs) or runs


def _kept(runs: Sequence[StageResult]) -> bool:
    """Whether a rate holds for as long as one likes, by all its runs together."""
    behind = sum(s.stopped is not None or fell_behind(s.traces, s.load) is not None for s in runs)
    if 2 * behind > len(runs) or not all(s.goodput is not None and s.goodput.success_holds for s in runs):
        return False
    return all(objective.held_by(met, requests) for objective, met, requests in _attained(runs))


def _attained(runs: Sequence[StageResult]) -> list[tuple[Objective, int, int]]:
    """(objective, requests that met it, requests) over all runs."""
    each = [s.goodput.attained for s in runs if s.goodput is not None]
    return [
        (same[0].objective, sum(a.met for a in same), sum(a.requests for a in same)) for same in zip(*each, strict=True)
    ]


def _bracket(done: Sequence[StageResult]) -> tuple[float | None, float | None]:
    """(highest rate that held and lies below every one that broke, lowest rate that broke)."""
    runs = {rate: _deciding(of) for rate, of in _runs(done).items()}
    kept = {rate: _kept(of) for rate, of in runs.items()}
    # One confirmation that missed does not overrule several of a higher rate: chance decides about a single run.
    firm = max(
        (r for r, of in runs.items() if kept[r] and len(_confirmations(of)) >= FEWEST_CONFIRMATIONS), default=0.0
    )
    kept = {r: well for r, well in kept.items() if well or r > firm or len(_confirmations(runs[r])) != 1}
    broke = min((rate for rate, well in kept.items() if not well), default=None)
    held = [
        rate
        for rate, well in kept.items()
        if well and (broke is None or rate < broke) and all(_as_asked(s) for s in runs[rate])
    ]
    return max(held, default=None), broke


def _sure(runs: Sequence[StageResult], more: float = 1.0) -> tuple[Sure, ...]:
    """How sure each objective is. `more`: as if there were so many times as many runs, as good as these."""
    found = []
    for objective, met, requests in _attained(runs):
        near = [[_nearness(t, objective) for t in s.traces if t.counts] for s in runs]
        count, blocks = independent(near, CONFIRMATION_BLOCKS)
        low = _bound(met, requests, count * more, round(blocks * more))
        found.append(
            Sure(
                objective=objective.words,
                fraction=objective.fraction,
                met=met,
                requests=requests,
                like_independent=count,
                at_least_fraction=low,
                sure=low >= objective.fraction,
            )
        )
    return tuple(found)


def _bound(met: int, requests: int, independent_requests: float, blocks: int) -> float:
    """The lower bound of the share that meets an objective; 0 without requests."""
    return wilson_lower(met / requests, independent_requests, student(Z_LOOKS, blocks - 1)) if requests else 0.0


def _nearness(trace: Trace, objective: Objective) -> float:
    """How near a request came to an objective's limit: from 0.5, half of it or less, to 1, a miss.

    Before a queue makes requests miss it makes them slow, so this shows how alike neighbours are where few have missed;
    what is far from the limit does not matter.
    """
    value = judged_s(trace, objective)
    return 1.0 if value is None else min(1.0, max(0.5, value / objective.limit_s))


def wilson_lower(share: float, requests: float, z: float = Z_95) -> float:
    """The one-sided lower bound of a share (E. B. Wilson, JASA 22, 1927); 0 without requests.

    `requests`: as many independent ones; `z`: how sure, in standard deviations.
    """
    if not requests:
        return 0.0
    z2 = z * z
    middle = share + z2 / (2 * requests)
    half = z * math.sqrt(share * (1 - share) / requests + z2 / (4 * requests * requests))
    return max(0.0, (middle - half) / (1 + z2 / requests))

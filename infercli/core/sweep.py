"""Which level of load comes next: a sweep from one user to saturation, and a search for the highest rate that holds.

Both are pure: what was measured so far goes in, the next level or the conclusion comes out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from infercli.core.record import Record
from infercli.core.stage import StageResult

GAIN_FRACTION = 0.05
"""Doubling the users must bring this much more throughput, or the endpoint is saturated. Our choice: runs of the same
load differ by 1 to 3 % on a quiet machine."""
MOST_USERS = 4096
FIRST_STEP = 2.0
"""While nothing has failed, the rate doubles."""
PRECISION = 1.1
"""The search ends when the lowest rate that broke is at most this many times the highest that held."""
CONFIRMATIONS = 2
"""More runs at the rate that was found, each with arrivals of its own; all must hold."""
MOST_LEVELS = 40
"""Nothing converges that has not by then: 20 doublings and 20 halvings of what is left."""
Z_95 = 1.6448536269514722
"""One-sided 95 % quantile of the normal distribution."""


def next_users(done: Sequence[StageResult]) -> int | None:
    """The users of a sweep's next level; None: it is over. Doubles, and ends after a level that brought little more.

    It ends as well where a level failed in part, was interrupted, or was limited by the client.
    """
    if not done:
        return 1
    last = done[-1]
    users = last.load.concurrency or 1
    if last.stopped or last.check.client_limited or last.metrics.failed or not last.metrics.answered:
        return None
    if users * 2 > MOST_USERS:
        return None
    if len(done) > 1:
        before, now = done[-2].metrics.output_tokens_per_s, last.metrics.output_tokens_per_s
        if before is not None and now is not None and now < before * (1 + GAIN_FRACTION):
            return None
    return users * 2


def saturation(done: Sequence[StageResult]) -> StageResult | None:
    """The level of a sweep with the fewest users within GAIN_FRACTION of its highest throughput; None: nothing came."""
    rates = [(s.metrics.output_tokens_per_s or s.metrics.requests_per_s or 0.0, s) for s in done]
    best = max((rate for rate, _ in rates), default=0.0)
    return next((s for rate, s in rates if rate > 0 and rate >= best * (1 - GAIN_FRACTION)), None)


class Sure(Record):
    """How sure an objective's attainment is at the rate that was found, over all runs there."""

    objective: str
    fraction: float
    """That must meet it."""
    met: int
    requests: int
    at_least_fraction: float
    """The one-sided 95 % lower bound (Wilson's) of the share that meets it."""
    sure: bool
    """The bound is no lower than what must be met."""


class Searched(Record):
    """What a search for the highest rate that holds came to."""

    highest_rate_per_s: float | None
    """That held every time it was tried; None: the lowest rate tried did not."""
    broke_at_rate_per_s: float | None
    """The lowest that did not hold; None: none broke."""
    runs: int
    """At `highest_rate_per_s`."""
    sure: tuple[Sure, ...] = ()
    unfinished: str | None = None
    """Why the search ended before it was precise."""


class Next(NamedTuple):
    """A level that a search wants to see."""

    rate_per_s: float
    seed: int
    """Of its arrivals: every run at one rate has another."""
    why: str


def next_rate(done: Sequence[StageResult], first_rate_per_s: float) -> Next | None:
    """The next level of a search; None: `searched` says what was found. `done`: open loops with objectives, in order.

    A rate that held and breaks when it is confirmed has broken.
    """
    if done and (done[-1].interrupted or done[-1].check.client_limited or len(done) >= MOST_LEVELS):
        return None
    held, broke = _bracket(done)
    seed = len(done)
    if held is None and broke is None:
        return Next(first_rate_per_s, seed, "the first guess")
    if broke is None and held is not None:
        return Next(held * FIRST_STEP, seed, "nothing has broken yet")
    assert broke is not None
    if held is None:
        return Next(broke / FIRST_STEP, seed, "nothing has held yet") if broke > first_rate_per_s / 2**10 else None
    if broke / held > PRECISION:
        middle = float(f"{math.sqrt(held * broke):.3g}")  # a rate that people can type
        return Next(middle, seed, f"between {held:.3g}, which held, and {broke:.3g}, which did not")
    runs = sum(_rate(s) == held for s in done)
    if runs <= CONFIRMATIONS:
        return Next(held, seed, f"to confirm {held:.3g}")
    return None


def searched(done: Sequence[StageResult]) -> Searched:
    """What the levels so far say."""
    held, broke = _bracket(done)
    at = [s for s in done if _rate(s) == held]
    unfinished = None
    if done and done[-1].interrupted:
        unfinished = "interrupted"
    elif done and done[-1].check.client_limited:
        unfinished = f"the client was the limit at {done[-1].load.label}: {'; '.join(done[-1].check.reasons)}"
    elif len(done) >= MOST_LEVELS:
        unfinished = f"not precise after {MOST_LEVELS} levels"
    return Searched(
        highest_rate_per_s=held, broke_at_rate_per_s=broke, runs=len(at), sure=_sure(at), unfinished=unfinished
    )


def _rate(stage: StageResult) -> float | None:
    return stage.load.rate_per_s


def holds(stage: StageResult) -> bool:
    """Whether a level kept the objectives to its end."""
    return stage.goodput is not None and stage.goodput.holds and stage.stopped is None


def _bracket(done: Sequence[StageResult]) -> tuple[float | None, float | None]:
    """(highest rate that always held and lies below every one that broke, lowest rate that broke)."""
    # A level that the client limited says nothing of the server.
    judged = [s for s in done if not s.check.client_limited and not s.interrupted]
    broke = min((r for s in judged if not holds(s) and (r := _rate(s)) is not None), default=None)
    held = [r for s in judged if holds(s) and (r := _rate(s)) is not None and (broke is None or r < broke)]
    return max(held, default=None), broke


def _sure(at: Sequence[StageResult]) -> tuple[Sure, ...]:
    pairs: dict[str, list[tuple[float, int, int]]] = {}
    for stage in at:
        for a in stage.goodput.attained if stage.goodput is not None else ():
            pairs.setdefault(a.objective.words, []).append((a.objective.fraction, a.met, a.requests))
    found = []
    for words, parts in pairs.items():
        fraction, met, requests = parts[0][0], sum(p[1] for p in parts), sum(p[2] for p in parts)
        low = wilson_lower(met, requests)
        found.append(
            Sure(
                objective=words,
                fraction=fraction,
                met=met,
                requests=requests,
                at_least_fraction=low,
                sure=low >= fraction,
            )
        )
    return tuple(found)


def wilson_lower(met: int, requests: int) -> float:
    """The one-sided 95 % lower bound of a share (E. B. Wilson, JASA 22, 1927); 0 without requests."""
    if not requests:
        return 0.0
    share, z2 = met / requests, Z_95 * Z_95
    middle = share + z2 / (2 * requests)
    half = Z_95 * math.sqrt(share * (1 - share) / requests + z2 / (4 * requests * requests))
    return max(0.0, (middle - half) / (1 + z2 / requests))

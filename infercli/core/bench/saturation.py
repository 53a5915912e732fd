"""Whether an open loop asks for more than its endpoint can give: requests pile up, and go on piling up.

The rule is ours: over two stretches of WINDOW_S, one after the other, fewer than KEPT_FRACTION of the requests that
came due were done, no more of them in the second than in the first, and at the end more of them wait than at the
beginning: more than a second's worth, and more than arrivals that come by chance explain. Stretches of twice, four
times ... that length find a slower growth. A burst that drains passes it, and so do long answers of which the first are
still being written; an endpoint at 99 % of its rate is not caught, and need not be.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from statistics import fmean, pvariance
from typing import NamedTuple

from infercli.core.traces import Load, Trace

WINDOW_S = 5.0
KEPT_FRACTION = 0.95
CHANCE_DEVIATIONS = 3.0
"""Of the number of arrivals in a stretch. At 8 requests a second, of 11.7 that an engine kept up with, Poisson arrivals
alone let 12 more wait after 10 s (measured); the deviation of 80 arrivals is 9."""
_LOOKS = 400
"""At a load that is over, evenly spaced."""


class Look(NamedTuple):
    """A moment of a load."""

    at_s: float
    due: int
    """Requests that have come due so far."""
    done: int
    """Answered or failed so far."""


def saturated(looks: Sequence[Look], gap_variation: float = 1.0) -> str | None:
    """How the endpoint falls behind, in words; None while the endpoint may keep up. `looks`: in order of time.

    `gap_variation`: the standard deviation of the gaps between arrivals over their mean; 1 is Poisson, 0 even spacing.
    """
    return _behind(looks, gap_variation, WINDOW_S, over=False)


def _behind(looks: Sequence[Look], gap_variation: float, window_s: float, *, over: bool) -> str | None:
    while looks and looks[0].at_s <= looks[-1].at_s - 2 * window_s:
        why = _piles_up(looks, window_s, gap_variation, over=over)
        if why is not None:
            return why
        window_s *= 2
    return None


def fell_behind(traces: Sequence[Trace], load: Load) -> str | None:
    """Whether an open loop asked for more than came back until its last request was due, in words; None: it did not.

    Of a load that is over more is known than while it runs: requests pile up while the first answers are written, too,
    but only those of an endpoint that falls behind wait longer, the later they come.
    """
    # Warm-up requests come before the load; a warm-up of seconds is its beginning.
    sent = [t for t in traces if t.phase != "warmup" or load.warmup_s]
    due = sorted(t.intended_s for t in sent)
    if load.arrivals is None or not due:
        return None
    last_s = max(due[-1], load.duration_s or 0.0)
    ended = sorted(t.ended_s for t in sent)
    moments = [due[0] + (last_s - due[0]) * i / _LOOKS for i in range(_LOOKS + 1)]
    looks = [Look(at, bisect_right(due, at), bisect_right(ended, at)) for at in moments]
    window_s = min(WINDOW_S, (last_s - due[0]) * 0.499)  # a hair less than half: two of them fit
    why = _behind(looks, load.gap_variation, window_s, over=True) if window_s else None
    return why if why is not None and _ever_later([t for t in sent if t.answered]) else None


def _ever_later(answered: Sequence[Trace]) -> bool:
    """Whether the last third of the requests took longer than the second, by as much as falling behind makes it.

    And by more than answers of different lengths make it by chance.
    """
    ordered = sorted(answered, key=lambda t: t.intended_s)
    third = len(ordered) // 3
    if not third:
        return True
    second, last = ordered[-2 * third : -third], ordered[-third:]
    took = [[t.ended_s - t.intended_s for t in part] for part in (second, last)]
    later_s = fmean(t.intended_s for t in last) - fmean(t.intended_s for t in second)
    longer_s = fmean(took[1]) - fmean(took[0])
    by_chance = CHANCE_DEVIATIONS * math.sqrt(sum(pvariance(part) for part in took) / third)
    return longer_s > max((1 - KEPT_FRACTION) * later_s, by_chance)


def _piles_up(looks: Sequence[Look], window_s: float, gap_variation: float, *, over: bool) -> str | None:
    end = looks[-1]
    middle = _before(looks, end.at_s - window_s)
    start = _before(looks, end.at_s - 2 * window_s)
    if middle is None or start is None:
        return None
    for low, high in ((start, middle), (middle, end)):
        if high.done - low.done >= KEPT_FRACTION * (high.due - low.due):
            return None
    if not over and (middle.done == start.done or end.done - middle.done > middle.done - start.done):
        return None
    piled, due = (end.due - end.done) - (start.due - start.done), end.due - start.due
    by_chance = CHANCE_DEVIATIONS * gap_variation * math.sqrt(due)
    if piled <= max(by_chance, due / (end.at_s - start.at_s)):
        return None
    seconds = end.at_s - start.at_s
    return (
        f"in the last {seconds:.0f} s {end.due - start.due} requests came due and {end.done - start.done} "
        f"were done; {end.due - end.done} wait"
    )


def _before(looks: Sequence[Look], at_s: float) -> Look | None:
    """The newest look at or before a time; None where the load is younger."""
    after = bisect_right(looks, at_s, key=lambda look: look.at_s)
    return looks[after - 1] if after else None

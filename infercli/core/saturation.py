"""Whether an open loop asks for more than its endpoint can give: requests pile up, and go on piling up.

The rule is ours: over two stretches of WINDOW_S, one after the other, fewer than KEPT_FRACTION of the requests that
came due were done, and at the end more of them wait than at the beginning: more than a second's worth, and more than
arrivals that come by chance explain. Stretches of twice, four times ... that length find a slower growth.
A burst that drains passes it; an endpoint at 99 % of its rate is not caught, and need not be.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

WINDOW_S = 5.0
KEPT_FRACTION = 0.95
CHANCE_DEVIATIONS = 3.0
"""Of the number of arrivals in a stretch. At 8 requests a second, of 11.7 that an engine kept up with, Poisson arrivals
alone let 12 more wait after 10 s (measured); the deviation of 80 arrivals is 9."""


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
    window_s = WINDOW_S
    while looks and looks[0].at_s <= looks[-1].at_s - 2 * window_s:
        why = _piles_up(looks, window_s, gap_variation)
        if why is not None:
            return why
        window_s *= 2
    return None


def _piles_up(looks: Sequence[Look], window_s: float, gap_variation: float) -> str | None:
    end = looks[-1]
    middle = _before(looks, end.at_s - window_s)
    start = _before(looks, end.at_s - 2 * window_s)
    if middle is None or start is None:
        return None
    for low, high in ((start, middle), (middle, end)):
        if high.done - low.done >= KEPT_FRACTION * (high.due - low.due):
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

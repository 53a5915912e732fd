"""Whether an open loop asks for more than its endpoint can give: requests pile up, and go on piling up.

The rule is ours: over two stretches of WINDOW_S, one after the other, fewer than KEPT_FRACTION of the requests that
came due were done, and at the end more than a second's worth of them waits that did not wait at the beginning. A burst
that drains passes it; an endpoint at 99 % of its rate is not caught, and need not be.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

WINDOW_S = 5.0
KEPT_FRACTION = 0.95


class Look(NamedTuple):
    """A moment of a load."""

    at_s: float
    due: int
    """Requests that have come due so far."""
    done: int
    """Answered or failed so far."""


def saturated(looks: Sequence[Look]) -> str | None:
    """Why the load may end, in words; None while the endpoint may keep up. `looks`: in order of time."""
    if not looks:
        return None
    end = looks[-1]
    middle = _before(looks, end.at_s - WINDOW_S)
    start = _before(looks, end.at_s - 2 * WINDOW_S)
    if middle is None or start is None:
        return None
    for low, high in ((start, middle), (middle, end)):
        if high.done - low.done >= KEPT_FRACTION * (high.due - low.due):
            return None
    piled = (end.due - end.done) - (start.due - start.done)
    if piled <= (end.due - start.due) / (end.at_s - start.at_s):
        return None
    seconds = end.at_s - start.at_s
    return (
        f"saturated: in the last {seconds:.0f} s {end.due - start.due} requests came due and {end.done - start.done} "
        f"were done; {end.due - end.done} wait"
    )


def _before(looks: Sequence[Look], at_s: float) -> Look | None:
    """The newest look at or before a time; None where the load is younger."""
    return next((look for look in reversed(looks) if look.at_s <= at_s), None)

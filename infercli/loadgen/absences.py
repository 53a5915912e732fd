"""When a loop looked at no socket although something may have come: it was busy, was not given the CPU, or was stopped.

A kernel's receive time does not show it. Of what came meanwhile on one connection only the newest time survives, so a
client that looks ten times a second sees every read as fresh as the last token in it.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence

from infercli.core.bench.self_check import LAG_LIMIT_S
from infercli.loadgen.exchange import LAG_UNKNOWN

AWAY_NS = round(LAG_LIMIT_S * 1e9)
"""Shorter ones are not kept: they change no verdict."""


class Absences:
    """Of one loop. Times are nanoseconds of the monotonic clock."""

    def __init__(self) -> None:
        self.woke, self.until, self.since = array("q"), array("q"), array("q")

    def note(self, woke: int, until: int, since: int) -> None:
        """What was read between `woke` and `until` may have waited since `since`. Called in the order of time."""
        self.woke.append(woke)
        self.until.append(until)
        self.since.append(since)

    def before(self, look: int) -> int:
        """How long nobody had looked when something was read at `look`; 0: not for long."""
        at = bisect_right(self.woke, look) - 1
        return look - self.since[at] if at >= 0 and look <= self.until[at] else 0

    def before_pieces(
        self, stamps: Sequence[int], lags: Sequence[int], frames: Sequence[int], sent: int
    ) -> dict[int, int]:
        """Of the reads of one answer that brought several token frames: which came after an absence, and how long."""
        if not self.woke or max(frames, default=0) < 2:
            return {}
        looks = [stamp + (0 if lag == LAG_UNKNOWN else lag) for stamp, lag in zip(stamps, lags, strict=True)]
        found = {}
        for i, count in enumerate(frames):
            if count > 1:
                # Nothing that is in this read was there when this connection was read last.
                away = min(self.before(looks[i]), looks[i] - (looks[i - 1] if i else sent))
                if away > AWAY_NS:
                    found[i] = away
        return found

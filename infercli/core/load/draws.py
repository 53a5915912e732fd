"""Draws that a seed decides: equal keys give equal ones on every machine and with every version of Python.

They come from SHAKE-128, whose output may be of any length. `random` promises its sequence only for some methods, and
the core has no randomness of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import accumulate

FIRST_BYTES = 64
"""Bytes made at first: eight fractions, most conversations' lengths. What is made grows twofold from there."""


class Draws:
    """One stream of draws. Each key has its own: what is drawn under one does not depend on what was under another."""

    def __init__(self, *key: str | int) -> None:
        self._shake = hashlib.shake_128("\0".join(str(part) for part in key).encode())
        self._made = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        end = self._at + count
        if end > len(self._made):
            self._made = self._shake.digest(max(FIRST_BYTES, 2 * end))
        taken, self._at = self._made[self._at : end], end
        return taken

    def fraction(self) -> float:
        """Uniform in [0, 1), to 53 bits."""
        return (int.from_bytes(self.take(7)) >> 3) / 2**53

    def below(self, count: int) -> int:
        """Uniform in 0 .. count - 1, for a count far under 2**53."""
        return int(self.fraction() * count)

    def weighted(self, weights: Sequence[float]) -> int:
        """An index, each as likely as its weight says."""
        point = self.fraction() * sum(weights)
        sums = accumulate(weights)
        return next((i for i, reached in enumerate(sums) if point < reached), len(weights) - 1)

    def shuffled(self, items: Sequence[str]) -> tuple[str, ...]:
        """All of them in an order that the key decides."""
        order = list(items)
        for last in range(len(order) - 1, 0, -1):
            other = self.below(last + 1)
            order[last], order[other] = order[other], order[last]
        return tuple(order)

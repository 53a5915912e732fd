"""What the workers of a load take from in common, so that whoever is free sends what is next.

With parts of their own, a worker that has sent its part is idle while users of another still wait for theirs, and
requests wait for the cap of one worker while another has room.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

from infercli.core.traces import Load

SHARED = hasattr(os, "eventfd")
"""The kernel counts for several processes (Linux). Elsewhere a load has one worker, which counts for itself."""


class Slots:
    """So many things, from which every worker takes."""

    def __init__(self, count: int) -> None:
        self._left = count
        self.fd: int | None = None
        """Ready to be read while there are some; None: nobody else takes from them."""
        if SHARED:
            self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_SEMAPHORE)
            os.eventfd_write(self.fd, count)

    def take(self) -> bool:
        """One of them; False: there is none now."""
        if self.fd is None:
            found, self._left = self._left > 0, max(0, self._left - 1)
            return found
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return False
        return True

    def give(self) -> None:
        """One of them back."""
        if self.fd is None:
            self._left += 1
        else:
            os.eventfd_write(self.fd, 1)


class Shares:
    """Of one part of a load. Made before the workers are forked; `close` is for who made it."""

    def __init__(self, first: int, requests: int | None, cap: int | None = None, cooldown: int = 0) -> None:
        """`first`: the index of the first conversation. `requests`: how many there are to begin; None: no end to them.

        `cap`: how many may be in flight; None: as many as there are. `cooldown`: of `requests`, the last ones.
        """
        self.requests = None if requests is None else Slots(requests - cooldown)
        self.cooldown = Slots(cooldown) if cooldown else None
        self.cap = None if cap is None else Slots(cap)
        self._first = first
        self._next = os.eventfd(first + 1) if SHARED else None

    def indexes(self) -> Iterator[int]:
        """Of conversations, in order: each is given to one worker."""
        if self._next is None:
            yield from itertools.count(self._first)
            return
        while True:
            # Who has read the number has it alone: the others wait for the few microseconds until it is written back.
            following = os.eventfd_read(self._next)
            os.eventfd_write(self._next, following + 1)
            yield following - 1

    @property
    def fds(self) -> set[int]:
        """Its descriptors."""
        slots = (self.requests, self.cooldown, self.cap)
        all_of_them = [self._next, *(each.fd for each in slots if each is not None)]
        return {fd for fd in all_of_them if fd is not None}

    def close(self) -> None:
        """Free them."""
        for fd in self.fds:
            os.close(fd)


def shares_of(load: Load) -> tuple[Shares, Shares]:
    """Of a load's warm-up, and of the load itself."""
    closed = load.arrivals is None
    if closed:
        return Shares(0, load.warmup_requests), Shares(
            load.warmup_requests, load.requests, cooldown=load.cooldown_requests
        )
    return Shares(0, load.warmup_requests), Shares(load.warmup_requests, None, load.concurrency)

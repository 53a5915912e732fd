"""When the kernel received what was read, on the clock that everything else is measured on.

The kernel stamps with CLOCK_REALTIME, which NTP slews and steps; the loop counts on CLOCK_MONOTONIC. The difference is
taken anew ten times a second.
"""

from __future__ import annotations

import socket
import struct
import time

_SO_TIMESTAMPNS = 35
"""asm-generic/socket.h (x86-64, arm64): receive times as a pair of longs. Python's socket module does not name it."""
TIMESPEC = struct.Struct("@ll")
"""Seconds and nanoseconds of CLOCK_REALTIME, as the ancillary message carries them."""
ANCILLARY_BYTES = socket.CMSG_SPACE(TIMESPEC.size)
_COMPARE_EVERY_NS = 100_000_000
"""NTP slews at most 500 us/s (adjtimex(2)): between two comparisons the clocks part by at most 50 us."""
SOONEST_NS, LATEST_NS = -1_000_000, 50_000_000
"""Of a look after what it found was received. Beyond these either the loop was held up or the clock was set meanwhile,
and it is compared again. Our choice; so a clock that is set back by less moves what comes until the next comparison."""
_AGAIN_NS = 10_000_000
"""Between two comparisons that oddly late reads ask for: a loop that is short of CPU has many such."""


class ReceiveClock:
    """Asks sockets for receive times, where that is possible."""

    def __init__(self, family: int, *, tls: bool) -> None:
        self.reason: str | None = "with TLS the kernel sees records, not frames" if tls else None
        """Why there are no kernel times; None: there are."""
        self.offset = self.before = self.compare_at = 0
        """CLOCK_REALTIME - CLOCK_MONOTONIC in nanoseconds, now and by the comparison before, and when the next is."""
        self.unstamped = 0
        """Reads that came without a kernel time."""
        self._primer: socket.socket | None = None
        if tls:
            return
        # One socket that asks, kept open, makes the kernel begin to take times before the first answer comes.
        self._primer = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._primer.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        except OSError as error:
            self.reason = f"this kernel gives no receive times: {error.strerror}"

    def ask(self, sock: socket.socket) -> None:
        """Before it connects."""
        if self.reason is None:
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def compare(self, now: int) -> None:
        """Take the offset from the closest of three pairs of readings. `now`: CLOCK_MONOTONIC."""
        readings = []
        for _ in range(3):
            before = time.monotonic_ns()
            real = time.time_ns()
            after = time.monotonic_ns()
            readings.append((after - before, real - (before + after) // 2))
        self.before, self.offset = self.offset, min(readings)[1]
        self.compare_at = now + _COMPARE_EVERY_NS

    def again(self, stamp: int, now: int) -> int:
        """A stamp that lies oddly before `now`, where the clock was set since it was compared; the same where not.

        What was received just before it was set has the offset from before.
        """
        real = stamp + self.offset
        if now > self.compare_at - _COMPARE_EVERY_NS + _AGAIN_NS:
            self.compare(now)
        return max((t for t in (real - self.offset, real - self.before) if t <= now), default=now)

    def close(self) -> None:
        """Let the kernel stop."""
        if self._primer is not None:
            self._primer.close()

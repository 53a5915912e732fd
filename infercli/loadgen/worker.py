"""One worker: a process of its own that sends its part of a load, and the channel to the process that forked it.

A fork costs milliseconds and shares the serialised requests; the child leaves everything else of its parent alone.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import math
import os
import pickle
import resource
import signal
import socket
import struct
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from infercli.core.traces import Load, Phase, Stop
from infercli.loadgen.arrivals import arrivals
from infercli.loadgen.loop import Loop, Part, Tally
from infercli.loadgen.route import Route
from infercli.loadgen.shares import Shares
from infercli.loadgen.target import Requests

_LENGTH = struct.Struct("!I")
_CLOCK_S = 1e-9
"""Times are nanoseconds here, and what is due was rounded to one."""
WARMUP_USERS = 4
"""Of an open loop without a cap: enough to warm every path, too few to load it."""


class Channel:
    """Messages between a worker and its parent, whole ones."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def fileno(self) -> int:
        """Of the socket."""
        return self.sock.fileno()

    def send(self, *message: Any) -> None:
        """Raises OSError when the other side is gone."""
        data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        self.sock.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> tuple[Any, ...] | None:
        """The next message; None when the other side is gone. Waits for it."""
        head = self._exactly(_LENGTH.size)
        data = None if head is None else self._exactly(_LENGTH.unpack(head)[0])
        message: tuple[Any, ...] | None = None if data is None else pickle.loads(data)  # noqa: S301  # our own fork
        return message

    def _exactly(self, size: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < size:
            try:
                part = self.sock.recv(min(size - len(parts), 1 << 20))
            except ConnectionResetError:
                return None
            if not part:
                return None
            parts += part
        return bytes(parts)

    def stop_asked(self) -> Stop | None:
        """Part of loop.Link."""
        message = self.receive()
        if message is None:
            return Stop(kind="interrupted", detail="nobody waits for the answer any more")
        stop: Stop = message[1]
        return stop

    def report(self, tally: Tally, in_flight: int) -> None:
        """Part of loop.Link."""
        counts = (tally.begun, tally.done, tally.failed, tally.output_tokens)
        self.send("progress", *counts, tally.ttft_s, tally.ttfts, tally.tpot_s, tally.tpots, in_flight)


@dataclass(frozen=True, slots=True)
class Place:
    """Of one worker among those of a load."""

    index: int
    of: int
    warmup: Shares
    measured: Shares
    """What it takes from in common with the others."""

    def users(self, total: int) -> int:
        """How many of a closed loop's are its own."""
        return total // self.of + (self.index < total % self.of)


def fork(route: Route, requests: Requests, load: Load, place: Place, origin: int) -> tuple[int, Channel]:
    """Start a worker; returns its pid and the way to it. It waits for ("go", when) after its warm-up."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        _work(Channel(theirs), route, requests, load, place, origin)
    theirs.close()
    return pid, Channel(ours)


def _work(channel: Channel, route: Route, requests: Requests, load: Load, place: Place, origin: int) -> NoReturn:
    """In the child. Never returns, and runs nothing that the parent has registered for its end."""
    code = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # A terminal, `timeout`, systemd tell parent and child; the parent decides, and its end is ours.
            signal.signal(number, signal.SIG_IGN)
        _close_what_is_not_ours({channel.fileno()} | place.warmup.fds | place.measured.fds)
        gc.freeze()
        gc.disable()  # a collection takes milliseconds, and the loop makes no cycles to collect
        with contextlib.suppress(ValueError, OSError):
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        channel.send("done", _sent(channel, route, requests, load, place, origin))
        code = 0
    except OSError:
        pass  # the parent is gone, and with it whoever wanted to know
    except BaseException:  # noqa: BLE001  # told to the parent, which fails with it
        with contextlib.suppress(OSError):
            channel.send("crashed", traceback.format_exc())
    finally:
        os._exit(code)


def _close_what_is_not_ours(ours: set[int]) -> None:
    """A socket of the parent that stays open here would never end for whoever is at its other side."""
    low = 3
    for fd in sorted(ours):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1 << 16))


def _sent(channel: Channel, route: Route, requests: Requests, load: Load, place: Place, origin: int) -> dict[str, Any]:
    wall_s, cpu_s = time.monotonic(), time.process_time()
    loop = Loop(route, requests, load, channel, origin=origin, stream=requests.target.api != "embeddings")
    began = 0
    try:
        warmup = _warmup(load, place, len(requests.conversations))
        if warmup is not None:
            loop.run(warmup)
        channel.send("ready", loop.tally.stopped)
        message = channel.receive()
        if message is None or message[0] == "stop":
            loop.tally.stopped = loop.tally.stopped or (None if message is None else message[1])
        else:
            began = int(message[1])
            loop.run(_measured(load, place, requests, began))
    finally:
        loop.close()
    tally = loop.tally
    return {
        "traces": loop.traces,
        "stopped": tally.stopped,
        "reads": tally.reads,
        "unstamped_reads": tally.unstamped_reads,
        "crowded_s": tally.crowded_s,
        "reconnects": loop.connections.reconnects,
        "without_socket": loop.connections.without_socket,
        "clock_reason": loop.connections.clock.reason,
        "pacing": loop.waker.pacing,
        "wall_s": time.monotonic() - wall_s,
        "cpu_s": time.process_time() - cpu_s,
    }


def _warmup(load: Load, place: Place, conversations: int) -> Part | None:
    """A closed loop, whatever the load is: warm-up is finished before measuring begins."""
    users = place.users(min(load.warmup_requests, load.concurrency or WARMUP_USERS))
    if not users:
        return None
    pairs: Iterator[tuple[int | None, int]] = ((None, k % conversations) for k in place.warmup.indexes())
    return Part(time.monotonic_ns(), pairs, lambda _: "warmup", users=users, requests=place.warmup.requests)


def _measured(load: Load, place: Place, requests: Requests, began: int) -> Part:
    until = None if load.duration_s is None else began + round(load.duration_s * 1e9)

    cooling_s = math.inf
    if load.arrivals is not None and load.cooldown_requests:
        first = (load.requests or 0) - load.cooldown_requests
        cooling_s = next((at_s for at_s, _ in itertools.islice(arrivals(load, requests.conversations), first, None)))

    def phase(due: int) -> Phase:
        since_s = (due - began) / 1e9
        return "cooldown" if since_s >= cooling_s - _CLOCK_S else load.phase_at(since_s)

    shares = place.measured
    if load.arrivals is None:
        closed: Iterator[tuple[int | None, int]] = ((None, k % len(requests.conversations)) for k in shares.indexes())
        users = place.users(load.concurrency or 1)
        wanted, cooldown = shares.requests, shares.cooldown
        return Part(began, closed, phase, users=users, requests=wanted, cooldown=cooldown, until=until)
    mine = itertools.islice(arrivals(load, requests.conversations), place.index, None, place.of)
    due: Iterator[tuple[int | None, int]] = ((began + round(at_s * 1e9), index) for at_s, index in mine)
    return Part(began, due, phase, cap=shares.cap, alone=place.of == 1, until=until)

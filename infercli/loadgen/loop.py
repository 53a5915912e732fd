"""The measuring loop: one thread, epoll, and the kernel's own receive times.

Read this first: the reading half of `_readable` is the hot path. Per read it takes the bytes, the time the kernel had
them (SO_TIMESTAMPNS, which a late client does not move), the time the client looked, and nothing else; parsing waits
until an answer is whole. When the client is late TCP merges segments and only the newest time survives, so the lag is
kept beside it.
"""

from __future__ import annotations

import errno
import heapq
import os
import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from infercli.core.traces import ClosedLoad, ErrorKind, Trace
from infercli.loadgen.clock import ANCILLARY_BYTES, TIMESPEC, ReceiveClock
from infercli.loadgen.exchange import LAG_UNKNOWN, Exchange, State, parse_head

_BUFFER_BYTES = 256 * 1024
"""One read's worth: more than a loopback segment train, so that a read drains what is there."""
_POLL_S = 0.05
"""The longest sleep: how late a deadline or Ctrl-C may be seen."""
_RETRY_S = 0.25
"""A user whose request failed waits this long, or a dead endpoint would be asked a hundred thousand times a second."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands."""

    warmup: bool
    done: int
    """Answered, failed or cut, in this phase."""
    failed: int
    total: int | None
    """None: runs for a time."""
    elapsed_s: float
    """In this phase."""
    output_tokens: int
    """So far, in this phase."""


@dataclass(slots=True)
class Tally:
    """What the loop says of itself."""

    reads: int = 0
    unstamped_reads: int = 0
    reconnects: int = 0
    stopped: str | None = None


class Loop:
    """A closed loop against one address. `requests` are whole HTTP requests, used in turn."""

    def __init__(
        self,
        address: tuple[int, Any],
        requests: Sequence[bytes],
        load: ClosedLoad,
        *,
        tls: tuple[ssl.SSLContext, str] | None,
        on_progress: Callable[[Progress], None],
        interrupted: Callable[[], bool],
    ) -> None:
        self.family, self.address = address
        self.requests = requests
        self.load = load
        self.tls = tls
        self.on_progress = on_progress
        self.interrupted = interrupted
        self.tally = Tally()
        self.traces: list[Trace] = []
        self.poller = select.epoll()
        self.buffer = bytearray(_BUFFER_BYTES)
        self.view = memoryview(self.buffer)
        self.views = (self.view,)
        self.by_fd: dict[int, Exchange] = {}
        self.resting: list[tuple[int, int]] = []
        """(when, index) of users that wait after a failure."""
        self.users = [Exchange() for _ in range(load.concurrency)]
        self.begun = 0
        self.answered = self.failed = 0
        self.origin = 0
        self.clock = ReceiveClock(self.family, tls=tls is not None)
        self._clear_phase(warmup=False)

    def run(self) -> list[Trace]:
        """Every request that was begun. Ends by itself, when interrupted, or when nobody ever answers."""
        self.origin = time.monotonic_ns()
        self.clock.compare(self.origin)
        try:
            if self.load.warmup_requests:
                self._phase(warmup=True)
            if self.tally.stopped is None:
                self._phase(warmup=False)
        finally:
            now = time.monotonic_ns()
            for user in self.users:
                if user.state is not State.IDLE:
                    trace = user.trace(self.origin, now)
                    self.traces.append(trace.model_copy(update={"cut": True, "error": None, "message": None}))
                self._close(user)
            self.poller.close()
            self.clock.close()
        return self.traces

    def _clear_phase(self, *, warmup: bool) -> None:
        self.warmup = warmup
        self.to_begin: int | None = self.load.warmup_requests if warmup else self.load.requests
        self.phase_total = self.to_begin
        self.phase_start = time.monotonic_ns()
        self.phase_done = self.phase_failed = self.phase_tokens = 0
        self.in_flight = 0

    def _more(self, now: int) -> bool:
        """Whether another request may begin."""
        if self.tally.stopped is not None:
            return False
        if self.to_begin is not None:
            return self.to_begin > 0
        return self.load.duration_s is not None and now - self.phase_start < self.load.duration_s * 1e9

    def _phase(self, *, warmup: bool) -> None:
        self._clear_phase(warmup=warmup)
        poll, by_fd = self.poller.poll, self.by_fd
        now = self.phase_start
        for user in self.users:
            user.idle_since = now
            if self._more(now):
                self._begin(user, now)
        checked = reported = now
        while self.in_flight or (self.resting and self._more(now)):
            for fd, mask in poll(_POLL_S, 1024):
                waker = by_fd.get(fd)
                if waker is None:
                    continue
                if waker.state is State.READING and mask & select.EPOLLIN:
                    self._readable(waker)
                else:
                    self._advance(waker, mask)
            now = time.monotonic_ns()
            if now > self.clock.compare_at:
                self.clock.compare(now)
            while self.resting and self.resting[0][0] <= now:
                _, index = heapq.heappop(self.resting)
                if self._more(now):
                    self._begin(self.users[index], now)
            if now - checked > _POLL_S * 1e9:
                checked = now
                self._check_deadlines(now)
                if self.interrupted():
                    self.tally.stopped = "interrupted"
                    break
            if now - reported > 200_000_000:
                reported = now
                self._report(now)
        self.resting.clear()
        self._report(time.monotonic_ns())

    def _report(self, now: int) -> None:
        elapsed_s = (now - self.phase_start) / 1e9
        state = Progress(
            self.warmup, self.phase_done, self.phase_failed, self.phase_total, elapsed_s, self.phase_tokens
        )
        self.on_progress(state)

    def _begin(self, user: Exchange, now: int) -> None:
        if self.to_begin is not None:
            self.to_begin -= 1
        user.clear()
        user.request, user.prompt, user.warmup = self.begun, self.begun % len(self.requests), self.warmup
        user.intended = user.idle_since
        user.outgoing = memoryview(self.requests[user.prompt])
        user.deadline = now + round(self.load.connect_timeout_s * 1e9)
        self.begun += 1
        self.in_flight += 1
        user.reused = user.sock is not None
        if user.sock is None:
            self._connect(user)
        else:
            self._start_sending(user)

    def _connect(self, user: Exchange) -> None:
        sock = socket.socket(self.family, socket.SOCK_STREAM)
        user.sock, user.state = sock, State.CONNECTING
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.clock.ask(sock)
            status = sock.connect_ex(self.address)
        except OSError as error:
            self._finish(user, "connect", error.strerror or str(error))
            return
        if status not in (0, errno.EINPROGRESS):
            self._finish(user, "connect", os.strerror(status))
            return
        self._watch(user, sock.fileno(), select.EPOLLIN | select.EPOLLOUT)

    def _watch(self, user: Exchange, fd: int, mask: int) -> None:
        if self.by_fd.get(fd) is user:
            self.poller.modify(fd, mask)
        else:
            self.by_fd[fd] = user
            self.poller.register(fd, mask)

    def _advance(self, user: Exchange, mask: int) -> None:
        """Connecting, shaking hands, sending, and ends of connections that carry no data."""
        sock = user.sock
        if sock is None or user.state is State.IDLE:
            # A kept connection that the server closes while nothing is asked on it.
            self._close(user)
            return
        if user.state is State.CONNECTING:
            status = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if status:
                self._finish(user, "connect", os.strerror(status))
                return
            if self.tls is None:
                self._start_sending(user)
                return
            context, name = self.tls
            sock = user.sock = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
            user.state = State.HANDSHAKE
        if user.state is State.HANDSHAKE and isinstance(sock, ssl.SSLSocket):
            self._shake_hands(user, sock)
        elif user.state is State.SENDING and mask & select.EPOLLOUT:
            self._send(user)
        else:
            self._readable(user)

    def _shake_hands(self, user: Exchange, sock: ssl.SSLSocket) -> None:
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            self._watch(user, sock.fileno(), select.EPOLLIN)
        except ssl.SSLWantWriteError:
            self._watch(user, sock.fileno(), select.EPOLLOUT)
        except OSError as error:
            self._finish(user, "connect", f"TLS: {getattr(error, 'reason', None) or error.strerror or error}")
        else:
            self._start_sending(user)

    def _start_sending(self, user: Exchange) -> None:
        user.state = State.SENDING
        user.sent_bytes = 0
        user.sent = time.monotonic_ns()
        user.deadline = user.sent + round(self.load.timeout_s * 1e9)
        self._send(user)

    def _send(self, user: Exchange) -> None:
        sock = user.sock
        assert sock is not None
        try:
            while user.sent_bytes < len(user.outgoing):
                user.sent_bytes += sock.send(user.outgoing[user.sent_bytes :])
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._watch(user, sock.fileno(), select.EPOLLIN | select.EPOLLOUT)
        except ssl.SSLWantReadError:
            self._watch(user, sock.fileno(), select.EPOLLIN)
        except OSError as error:
            # A server that refuses early answers and closes: what it said may still be there to read.
            user.state = State.READING
            if not self._readable(user):
                self._ended(user, error.strerror or str(error))
        else:
            user.state = State.READING
            self._watch(user, sock.fileno(), select.EPOLLIN)

    def _readable(self, user: Exchange) -> bool:
        """Take what is there. False when there was nothing."""
        sock = user.sock
        assert sock is not None
        try:
            if self.tls is None:
                # The hot path. One read per wake-up: epoll is level-triggered, so what is left wakes it again.
                size, ancillary, _, _ = sock.recvmsg_into(self.views, ANCILLARY_BYTES)
            else:
                # A TLS record is at most 16 KiB, so the buffer takes one whole and none waits inside the TLS object.
                size, ancillary = sock.recv_into(self.view), []
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        except OSError as error:
            self._ended(user, error.strerror or str(error))
            return True
        now = time.monotonic_ns()
        if size == 0:
            self._ended(user, "the server closed the connection")
            return True
        tally = self.tally
        tally.reads += 1
        if ancillary:
            seconds, nanoseconds = TIMESPEC.unpack(ancillary[0][2])
            stamp = seconds * 1_000_000_000 + nanoseconds - self.clock.offset
            user.lags.append(now - stamp)
        else:
            stamp = now
            tally.unstamped_reads += 1
            user.lags.append(LAG_UNKNOWN)
        raw = user.raw
        raw += self.view[:size]
        user.stamps.append(stamp)
        user.ends.append(len(raw))
        if user.head is None:
            try:
                user.head = parse_head(raw)
            except ValueError as error:
                self._finish(user, "protocol", str(error))
                return True
        if user.complete():
            self._finish(user)
        return True

    def _ended(self, user: Exchange, why: str) -> None:
        """The connection is over: a fault, unless the answer is one that ends with it."""
        if user.reused and not user.raw:
            # The server had closed a kept connection before the request came: nothing was begun, so it is sent again.
            self.tally.reconnects += 1
            self._close(user)
            user.reused, user.sent = False, 0
            user.deadline = time.monotonic_ns() + round(self.load.connect_timeout_s * 1e9)
            self._connect(user)
            return
        head = user.head
        if head is not None and not head.chunked and head.length is None:
            self._finish(user, close=True)
        else:
            self._finish(user, "truncated", why, close=True)

    def _check_deadlines(self, now: int) -> None:
        for user in self.users:
            if user.state is State.IDLE or now < user.deadline:
                continue
            if user.state in (State.CONNECTING, State.HANDSHAKE):
                self._finish(user, "timeout", f"no connection within {self.load.connect_timeout_s:g} s")
            else:
                self._finish(user, "timeout", f"not finished within {self.load.timeout_s:g} s")

    def _finish(
        self, user: Exchange, error: ErrorKind | None = None, message: str | None = None, *, close: bool = False
    ) -> None:
        now = time.monotonic_ns()
        user.state = State.IDLE
        user.idle_since = now
        if error is not None or close or not user.may_be_kept():
            self._close(user)
        trace = user.trace(self.origin, now, error, message)
        self.traces.append(trace)
        self.in_flight -= 1
        self.phase_done += 1
        self.phase_tokens += trace.output_tokens
        if trace.answered:
            self.answered += 1
            if self._more(now):
                self._begin(user, now)
            return
        self.failed += 1
        self.phase_failed += 1
        heapq.heappush(self.resting, (now + round(_RETRY_S * 1e9), self.users.index(user)))
        if not self.answered and self.failed >= self.load.give_up_after and self.tally.stopped is None:
            self.tally.stopped = f"gave up: the first {self.failed} requests failed and none was answered"

    def _close(self, user: Exchange) -> None:
        sock, user.sock = user.sock, None
        if sock is None:
            return
        fd = sock.fileno()
        if self.by_fd.pop(fd, None) is not None:
            self.poller.unregister(fd)
        sock.close()

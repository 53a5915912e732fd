"""The measuring loop of one worker: one thread, epoll, and the kernel's own receive times.

Read this first: `_reader` makes the hot path. Per read it takes the bytes, the time the kernel had them
(SO_TIMESTAMPNS, which a late client does not move), the time the client looked, and nothing else. An answer that is
whole is read when nothing else is to do: 0.2 ms each, and hundreds end at once. When the client is late TCP merges
segments and only the newest time survives, so the lag is kept beside it.
"""

from __future__ import annotations

import errno
import heapq
import os
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from infercli.core.traces import ErrorKind, Load, Phase
from infercli.loadgen.clock import ANCILLARY_BYTES, TIMESPEC, ReceiveClock
from infercli.loadgen.exchange import LAG_UNKNOWN, LAST_CHUNK, Answer, Call, Exchange, State, parse_head
from infercli.loadgen.route import Route
from infercli.loadgen.target import Requests
from infercli.loadgen.waker import READ, WRITE, Waker

_BUFFER_BYTES = 256 * 1024
"""One read's worth: more than a loopback segment train, so that a read drains what is there."""
_POLL_S = 0.05
"""The longest sleep: how late a deadline or a word of the parent may be seen."""
_RETRY_S = 0.25
"""A user whose request failed waits this long, or a dead endpoint would be asked a hundred thousand times a second."""
_REPORT_S = 0.2
_FEW = 8
"""Sockets ready at once that leave time to read an answer that is whole: a tenth of a millisecond."""
_MOST_UNREAD = 512
"""Answers that may wait to be read; of 128 tokens, 32 KB each."""


@dataclass(slots=True)
class Tally:
    """What the loop says of itself, and of a part while it runs."""

    reads: int = 0
    unstamped_reads: int = 0
    reconnects: int = 0
    stopped: str | None = None
    begun: int = 0
    done: int = 0
    """Answered, failed or cut."""
    failed: int = 0
    output_tokens: int = 0
    ttft_s: float = 0.0
    """Sum over `ttfts` answers."""
    ttfts: int = 0
    tpot_s: float = 0.0
    """Sum over `tpots` answers."""
    tpots: int = 0

    def new_part(self) -> None:
        """What is said of a part begins again."""
        self.begun = self.done = self.failed = self.output_tokens = self.ttfts = self.tpots = 0
        self.ttft_s = self.tpot_s = 0.0


@dataclass(slots=True)
class Part:
    """A stretch of a load, warm-up or the load itself, as far as it is one worker's."""

    origin: int
    """When it begins, nanoseconds of the monotonic clock, like all times here."""
    conversations: Iterator[tuple[int | None, int]]
    """(when it is due, index); in a closed loop None: when its user is free."""
    phase: Callable[[int], Phase]
    """Of a request that is due then."""
    users: int | None = None
    """Of a closed loop: that many at a time, each with its next request when the last was answered."""
    cap: int | None = None
    """Of an open loop: in flight at most."""
    requests: int | None = None
    """Of a closed loop: how many to begin, every turn being one."""
    until: int | None = None
    """Nothing begins that is due then or later."""


class Link(Protocol):
    """The way to whoever started this loop."""

    def fileno(self) -> int:
        """Ready to be read when there is a word."""

    def stop_asked(self) -> str | None:
        """Why to stop; None: go on. Called when there may be a word."""

    def report(self, tally: Tally, in_flight: int) -> None:
        """How far it is."""


class Loop:
    """One worker's share of one load."""

    def __init__(
        self, route: Route, requests: Requests, load: Load, link: Link, *, origin: int, stream: bool = True
    ) -> None:
        """`origin`: what the traces count from. `stream`: event streams are asked for, not JSON objects."""
        self.route, self.requests, self.load, self.link, self.stream = route, requests, load, link, stream
        self.tally = Tally()
        self.traces: list[dict[str, Any]] = []
        self.waker = Waker()
        self.poller = self.waker.poller
        self.buffer = bytearray(_BUFFER_BYTES)
        self.view = memoryview(self.buffer)
        self.views = (self.view,)
        self.by_fd: dict[int, Exchange] = {}
        self.active: set[Exchange] = set()
        self.idle: list[Exchange] = []
        self.waiting: list[tuple[int, int, Call]] = []
        """(when, order, what) that is not due yet."""
        self.ready: deque[tuple[Call, int]] = deque()
        """(what, since when it could have begun)."""
        self.unread: deque[Answer] = deque()
        """Whole answers, whose bytes are looked at when there is nothing else to do."""
        self.queued: deque[Call] = deque()
        """Due, and the cap has no room."""
        self.order = self.request = 0
        self.answered = self.failed = 0
        self.left: int | None = None
        self.origin = origin
        self.part = Part(origin, iter(()), lambda _: "measured")
        self.clock = ReceiveClock(route.family, tls=route.tls is not None)
        self.poller.register(link.fileno(), READ)
        self._readable = self._reader()

    def close(self) -> None:
        """Free what it holds. What is still in flight is cut."""
        now = time.monotonic_ns()
        while self.unread:
            self._read(self.unread.popleft())
        for user in [*self.active]:
            user.answer.ended = now
            taken = user.answer.taken(self.origin, stream=self.stream)
            self.traces.append(taken | {"cut": True, "error": None, "message": None})
            self._close(user)
        for user in self.idle:
            self._close(user)
        self.waker.close()
        self.clock.close()

    def run(self, part: Part) -> None:
        """Make every call of a part and wait for its answer, or until told to stop."""
        self.tally.new_part()
        self.part, self.left = part, part.requests
        now = time.monotonic_ns()
        self.clock.compare(now)
        for _ in range(part.users or 1):
            self._pull(part.origin, now)
        check_at = reported = now
        wait, by_fd, timer, link = self.waker.wait, self.by_fd, self.waker.timer, self.link.fileno()
        readable, reading, ready, waiting, monotonic_ns = (
            self._readable, State.READING, self.ready, self.waiting, time.monotonic_ns
        )  # fmt: skip
        while self.active or waiting or self.queued or ready:
            if waiting and waiting[0][0] <= now:
                self._offer_what_is_due(now)
            while ready:
                self._begin(*ready.popleft())
            events = wait(_POLL_S, waiting[0][0] if waiting else None, now)
            for fd, mask in events:
                user = by_fd.get(fd)
                if user is not None:
                    if user.state is reading and mask & READ:
                        readable(user)
                    else:
                        self._advance(user, mask)
                    while ready:
                        self._begin(*ready.popleft())
                elif fd == timer:
                    self.waker.rang()
                elif fd == link:
                    self.tally.stopped = self.tally.stopped or self.link.stop_asked()
            if self.unread and (len(events) < _FEW or len(self.unread) > _MOST_UNREAD):
                self._read(self.unread.popleft())
            now = monotonic_ns()
            if now > check_at:
                check_at = now + round(_POLL_S * 1e9)
                if now > self.clock.compare_at:
                    self.clock.compare(now)
                self._check_deadlines(now)
            if self.tally.stopped is not None:
                break
            if now - reported > _REPORT_S * 1e9:
                reported = now
                self.link.report(self.tally, len(self.active) + len(self.queued))
        while self.unread:
            self._read(self.unread.popleft())
        self.waiting.clear()
        self.queued.clear()
        ready.clear()
        self.link.report(self.tally, len(self.active))

    def _offer_what_is_due(self, now: int) -> None:
        """Let begin what is due, as far as the cap has room."""
        part, waiting = self.part, self.waiting
        while waiting and waiting[0][0] <= now:
            call = heapq.heappop(waiting)[2]
            if part.users is None and call.turn == 0:
                self._pull(part.origin, now)
            if part.cap is not None and len(self.active) + len(self.ready) >= part.cap:
                self.queued.append(call)
            else:
                self.ready.append((call, call.due))

    def _pull(self, at: int, now: int) -> None:
        """The next conversation begins: in a closed loop `at`, in an open one when it is due."""
        part = self.part
        if part.users is not None and not self._may_begin(at):
            return
        following = next(part.conversations, None)
        if following is None:
            return
        due, conversation = following
        self._add(Call(conversation, 0, at if due is None else due, part.phase(at if due is None else due)), now)

    def _add(self, call: Call, now: int) -> None:
        if self.left is not None:
            self.left -= 1
        if call.due <= now and self.part.users is not None:
            self.ready.append((call, call.due))
            return
        self.order += 1
        heapq.heappush(self.waiting, (call.due, self.order, call))

    def _may_begin(self, due: int) -> bool:
        """Whether one more request is wanted; the arrivals of an open loop end by themselves."""
        if self.tally.stopped is not None or (self.part.until is not None and due >= self.part.until):
            return False
        return self.left is None or self.left > 0

    def _begin(self, call: Call, possible_at: int) -> None:
        now = time.monotonic_ns()
        user = self.idle.pop() if self.idle else Exchange()
        user.answer = Answer(call, self.request)
        user.answer.late = max(0, now - possible_at)
        self.request += 1
        requests = self.requests
        user.outgoing = memoryview(
            requests.first[call.conversation]
            if call.turn == 0
            else requests.turn(call.conversation, call.turn, call.answers)
        )
        self.tally.begun += 1
        user.deadline = now + round(self.load.connect_timeout_s * 1e9)
        self.active.add(user)
        user.reused = user.sock is not None
        if user.sock is None:
            self._connect(user)
        else:
            self._start_sending(user)

    def _connect(self, user: Exchange) -> None:
        try:
            sock = socket.socket(self.route.family, socket.SOCK_STREAM)
        except OSError as error:  # no descriptors left
            self._finish(user, "connect", error.strerror or str(error))
            return
        user.sock, user.state = sock, State.CONNECTING
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.clock.ask(sock)
            status = sock.connect_ex(self.route.address)
        except OSError as error:
            self._finish(user, "connect", error.strerror or str(error))
            return
        if status not in (0, errno.EINPROGRESS):
            self._finish(user, "connect", os.strerror(status))
            return
        self._watch(user, sock.fileno(), READ | WRITE)

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
            if self.route.connect is not None:
                user.state = State.TUNNEL
                sock.send(self.route.connect)  # some hundred bytes into an empty buffer
                self._watch(user, sock.fileno(), READ)
            else:
                self._connected(user, sock)
        elif user.state is State.TUNNEL:
            self._through_proxy(user, sock)
        elif user.state is State.HANDSHAKE and isinstance(sock, ssl.SSLSocket):
            self._shake_hands(user, sock)
        elif user.state is State.SENDING and mask & WRITE:
            self._send(user)
        else:
            self._readable(user)

    def _through_proxy(self, user: Exchange, sock: socket.socket | ssl.SSLSocket) -> None:
        try:
            # The endpoint says nothing before it is spoken to, so no byte of it can be among these.
            raw = user.answer.raw
            raw += sock.recv(4096)
            head = parse_head(raw)
        except (OSError, ValueError) as error:
            self._finish(user, "connect", f"proxy: {error}")
            return
        if head is None and raw:
            return
        if head is None or head.status != 200:
            said = "closed the connection" if head is None else f"answered {head.status}"
            self._finish(user, "connect", f"the proxy {said}")
            return
        raw.clear()
        self._connected(user, sock)

    def _connected(self, user: Exchange, sock: socket.socket | ssl.SSLSocket) -> None:
        if self.route.tls is None:
            self._start_sending(user)
            return
        context, name = self.route.tls
        wrapped = user.sock = context.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
        user.state = State.HANDSHAKE
        self._shake_hands(user, wrapped)

    def _shake_hands(self, user: Exchange, sock: ssl.SSLSocket) -> None:
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            self._watch(user, sock.fileno(), READ)
        except ssl.SSLWantWriteError:
            self._watch(user, sock.fileno(), WRITE)
        except OSError as error:
            self._finish(user, "connect", f"TLS: {getattr(error, 'reason', None) or error.strerror or error}")
        else:
            self._start_sending(user)

    def _start_sending(self, user: Exchange) -> None:
        user.state = State.SENDING
        user.sent_bytes = 0
        user.answer.sent = now = time.monotonic_ns()
        user.deadline = now + round(self.load.timeout_s * 1e9)
        self._send(user)

    def _send(self, user: Exchange) -> None:
        sock = user.sock
        assert sock is not None
        try:
            while user.sent_bytes < len(user.outgoing):
                user.sent_bytes += sock.send(user.outgoing[user.sent_bytes :])
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._watch(user, sock.fileno(), READ | WRITE)
        except ssl.SSLWantReadError:
            self._watch(user, sock.fileno(), READ)
        except OSError as error:
            # A server that refuses early answers and closes: what it said may still be there to read.
            user.state = State.READING
            if not self._readable(user):
                self._ended(user, error.strerror or str(error))
        else:
            user.state = State.READING
            self._watch(user, sock.fileno(), READ)

    def _reader(self) -> Callable[[Exchange], bool]:
        """The hot path: takes what is there on a connection; False when there was nothing.

        A closure, since what it needs are then locals: an attribute of `self` costs as much as the rest of a line.
        """
        tls, view, views, clock = self.route.tls is not None, self.view, self.views, self.clock
        now_ns, unpack = time.monotonic_ns, TIMESPEC.unpack
        no_ancillary: list[tuple[int, int, bytes]] = []

        def readable(user: Exchange) -> bool:
            sock = user.sock
            assert sock is not None
            try:
                if tls:
                    # A TLS record is at most 16 KiB, so the buffer takes one whole and none waits inside the object.
                    size, ancillary = sock.recv_into(view), no_ancillary
                else:
                    # One read per wake-up: epoll is level-triggered, so what is left wakes it again.
                    size, ancillary, _, _ = sock.recvmsg_into(views, ANCILLARY_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            except OSError as error:
                self._ended(user, error.strerror or str(error))
                return True
            now = now_ns()
            if not size:
                self._ended(user, "the server closed the connection")
                return True
            answer = user.answer
            if ancillary:
                seconds, nanoseconds = unpack(ancillary[0][2])
                stamp = seconds * 1_000_000_000 + nanoseconds - clock.offset
                answer.lags.append(now - stamp)
            else:
                stamp = now
                answer.lags.append(LAG_UNKNOWN)
            raw = answer.raw
            raw += view[:size]
            answer.stamps.append(stamp)
            answer.ends.append(len(raw))
            head = answer.head
            if head is None:
                self._head(user, answer)
            elif raw.endswith(LAST_CHUNK) if head.chunked else answer.complete():
                self._finish(user)
            return True

        return readable

    def _head(self, user: Exchange, answer: Answer) -> None:
        """The head of the answer, and whatever came with it."""
        try:
            answer.head = parse_head(answer.raw)
        except ValueError as error:
            self._finish(user, "protocol", str(error))
            return
        if answer.complete():
            self._finish(user)

    def _ended(self, user: Exchange, why: str) -> None:
        """The connection is over: a fault, unless the answer is one that ends with it."""
        answer = user.answer
        if user.reused and not answer.raw:
            # The server had closed a kept connection before the request came: nothing was begun, so it is sent again.
            self.tally.reconnects += 1
            self._close(user)
            user.reused, answer.sent = False, 0
            user.deadline = time.monotonic_ns() + round(self.load.connect_timeout_s * 1e9)
            self._connect(user)
            return
        head = answer.head
        if head is not None and not head.chunked and head.length is None:
            self._finish(user, close=True)
        else:
            self._finish(user, "truncated", why, close=True)

    def _check_deadlines(self, now: int) -> None:
        for user in [u for u in self.active if now >= u.deadline]:
            if user.state in (State.CONNECTING, State.TUNNEL, State.HANDSHAKE):
                self._finish(user, "timeout", f"no connection within {self.load.connect_timeout_s:g} s")
            else:
                self._finish(user, "timeout", f"not finished within {self.load.timeout_s:g} s")

    def _finish(
        self, user: Exchange, error: ErrorKind | None = None, message: str | None = None, *, close: bool = False
    ) -> None:
        now = time.monotonic_ns()
        user.state = State.IDLE
        if error is not None or close or not user.may_be_kept():
            self._close(user)
        self.active.discard(user)
        answer, part = user.answer, self.part
        answer.ended, answer.error, answer.message = now, error, message
        call = answer.call
        turns = self.requests.conversations[call.conversation].turns
        goes_on = call.turn + 1 < len(turns)
        # What is plainly well is read later, so that nobody waits for the reading; a fault is known at once.
        later = self.stream and not goes_on and answer.looks_well()
        if later:
            self.unread.append(answer)
        well = later or self._read(answer)
        self.idle.append(user)
        # When the kernel had the last byte, so that what the client takes to see it counts as its own delay.
        free_at = answer.stamps[-1] if well else now + round(_RETRY_S * 1e9)
        if well and goes_on:
            due = free_at + round(turns[call.turn + 1].think_s * 1e9)
            if self._may_begin(due):
                answers = (*call.answers, answer.text())
                self._add(Call(call.conversation, call.turn + 1, due, call.phase, answers), now)
        elif part.users is not None:
            self._pull(free_at, now)
        if self.queued and part.cap is not None and len(self.active) + len(self.ready) < part.cap:
            following = self.queued.popleft()
            self.ready.append((following, max(following.due, now)))

    def _read(self, answer: Answer) -> bool:
        """Look at what came back; False where it is a failure."""
        taken = answer.taken(self.origin, stream=self.stream)
        self.traces.append(taken)
        self.tally.reads += len(answer.lags)
        self.tally.unstamped_reads += answer.lags.count(LAG_UNKNOWN)
        well = taken["error"] is None
        self._count(taken, answered=well)
        return well

    def _count(self, taken: dict[str, Any], *, answered: bool) -> None:
        tally = self.tally
        tally.done += 1
        if not answered:
            self.failed += 1
            tally.failed += 1
            if not self.answered and self.failed >= self.load.give_up_after and tally.stopped is None:
                tally.stopped = f"gave up: the first {self.failed} requests failed and none was answered"
            return
        self.answered += 1
        frames, tokens = taken.get("frames") or (), taken["completion_tokens"]
        tokens = sum(frames) if tokens is None else tokens
        tally.output_tokens += tokens
        first = next((i for i, n in enumerate(frames) if n), None)
        if first is not None:
            stamps = taken["stamps"]
            last = next(i for i in range(len(frames) - 1, -1, -1) if frames[i])
            tally.ttft_s += (stamps[first] - self.origin) / 1e9 - taken["sent_s"]
            tally.ttfts += 1
            if last > first and tokens > 1:
                tally.tpot_s += (stamps[last] - stamps[first]) / 1e9 / (tokens - 1)
                tally.tpots += 1

    def _close(self, user: Exchange) -> None:
        sock, user.sock = user.sock, None
        if sock is None:
            return
        fd = sock.fileno()
        if self.by_fd.pop(fd, None) is not None:
            self.poller.unregister(fd)
        sock.close()

"""The connections of a loop: made, through a proxy and TLS where there are, written to, read from, closed.

Read this first: `_reader` makes the hot path. Per read it takes the bytes, the time the kernel had them
(SO_TIMESTAMPNS, which a late client does not move), the time the client looked, and nothing else. When the client is
late TCP merges segments and only the newest time survives, so the lag is kept beside it.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
import time
from collections.abc import Callable
from typing import Protocol

from infercli.core.traces import ErrorKind, Load
from infercli.loadgen.clock import ANCILLARY_BYTES, LATEST_NS, SOONEST_NS, TIMESPEC, ReceiveClock
from infercli.loadgen.exchange import LAG_UNKNOWN, Answer, Exchange, State, parse_head
from infercli.loadgen.route import Route
from infercli.loadgen.waker import READ, WRITE, Poller

_READ_BYTES = 64 * 1024
"""At most, by one read: what is left wakes the loop again."""
_STALE_NS = 100_000_000
"""Our choice. A server that closes an idle connection while a request is on its way to it is heard of one round trip
later; one that had the request for longer has begun it, and died."""


class OnEnd(Protocol):
    """Told when a request is over, whatever became of it."""

    def __call__(
        self, user: Exchange, error: ErrorKind | None = None, message: str | None = None, *, close: bool = False
    ) -> None:
        """`error`: what went wrong on the way; `close`: the connection carries no more."""


class Connections:
    """Sockets and the exchanges on them. It knows nothing of loads."""

    def __init__(self, route: Route, load: Load, poller: Poller, on_end: OnEnd) -> None:
        self.route, self.poller, self.on_end = route, poller, on_end
        self.connect_timeout_s, self.timeout_s = load.connect_timeout_s, load.timeout_s
        self.by_fd: dict[int, Exchange] = {}
        self.reconnects = 0
        """Kept connections that the server had closed; the request went out again on a new one."""
        self.without_socket = 0
        """Requests for which this machine had none."""
        self.clock = ReceiveClock(route.family, tls=route.tls is not None)
        self.readable = self._reader()

    def send(self, user: Exchange, request: bytes, now: int) -> None:
        """Send a request, on the connection that there is or on a new one."""
        user.outgoing = memoryview(request)
        user.deadline = now + round(self.connect_timeout_s * 1e9)
        user.reused = user.sock is not None
        if user.sock is None:
            self._connect(user)
        else:
            self._start_sending(user)

    def _connect(self, user: Exchange) -> None:
        try:
            sock = socket.socket(self.route.family, socket.SOCK_STREAM)
        except OSError as error:
            self.without_socket += 1
            self.on_end(user, "connect", error.strerror or str(error))
            return
        user.sock, user.state = sock, State.CONNECTING
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.clock.ask(sock)
            status = sock.connect_ex(self.route.address)
        except OSError as error:
            self.on_end(user, "connect", error.strerror or str(error))
            return
        if status not in (0, errno.EINPROGRESS):
            self.without_socket += status == errno.EADDRNOTAVAIL
            self.on_end(user, "connect", os.strerror(status))
            return
        self._watch(user, sock.fileno(), READ | WRITE)

    def _watch(self, user: Exchange, fd: int, mask: int) -> None:
        if self.by_fd.get(fd) is user:
            self.poller.modify(fd, mask)
        else:
            self.by_fd[fd] = user
            self.poller.register(fd, mask)

    def advance(self, user: Exchange, mask: int) -> None:
        """Connecting, shaking hands, sending, and ends of connections that carry no data."""
        sock = user.sock
        if sock is None or user.state is State.IDLE:
            # A kept connection that the server closes while nothing is asked on it.
            self.close(user)
            return
        if user.state is State.CONNECTING:
            status = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if status:
                self.on_end(user, "connect", os.strerror(status))
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
            self.readable(user)

    def _through_proxy(self, user: Exchange, sock: socket.socket | ssl.SSLSocket) -> None:
        try:
            # The endpoint says nothing before it is spoken to, so no byte of it can be among these.
            part = sock.recv(4096)
            user.answer.parts.append(part)
            head = parse_head(b"".join(user.answer.parts))
        except (OSError, ValueError) as error:
            self.on_end(user, "connect", f"proxy: {error}")
            return
        if head is None and part:
            return
        if head is None or head.status != 200:
            said = "closed the connection" if head is None else f"answered {head.status}"
            self.on_end(user, "connect", f"the proxy {said}")
            return
        user.answer.parts.clear()
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
            self.on_end(user, "connect", f"TLS: {getattr(error, 'reason', None) or error.strerror or error}")
        else:
            self._start_sending(user)

    def _start_sending(self, user: Exchange) -> None:
        user.state = State.SENDING
        user.sent_bytes = 0
        user.answer.sent = now = time.monotonic_ns()
        user.deadline = now + round(self.timeout_s * 1e9)
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
            if not self.readable(user):
                self._ended(user, error.strerror or str(error))
        else:
            user.state = State.READING
            self._watch(user, sock.fileno(), READ)

    def _reader(self) -> Callable[[Exchange], bool]:
        """The hot path: takes what is there on a connection; False when there was nothing.

        A closure, since what it needs are then locals: an attribute of `self` costs as much as the rest of a line.
        """
        tls, clock = self.route.tls is not None, self.clock
        now_ns, unpack = time.monotonic_ns, TIMESPEC.unpack
        no_ancillary: list[tuple[int, int, bytes]] = []
        # One buffer for all reads, and a copy of what came: a new one each time, cut to size, splits up the heap (77 MB
        # in a flood of tokens, not 55 to 63, and 4 % more CPU).
        buffer = bytearray(_READ_BYTES)
        into, view = [buffer], memoryview(buffer)

        def readable(user: Exchange) -> bool:
            sock = user.sock
            assert sock is not None
            try:
                # One read per wake-up: epoll is level-triggered, so what is left wakes it again.
                if tls:
                    # A TLS record is at most 16 KiB, so a read takes one whole and none waits inside the object.
                    part, ancillary = sock.recv(_READ_BYTES), no_ancillary
                else:
                    size, ancillary, _, _ = sock.recvmsg_into(into, ANCILLARY_BYTES)
                    part = bytes(view[:size])
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            except OSError as error:
                self._ended(user, error.strerror or str(error))
                return True
            now = now_ns()
            if not part:
                self._ended(user, "the server closed the connection")
                return True
            answer = user.answer
            if ancillary:
                seconds, nanoseconds = unpack(ancillary[0][2])
                stamp = seconds * 1_000_000_000 + nanoseconds - clock.offset
                if not SOONEST_NS < now - stamp < LATEST_NS:
                    stamp = clock.again(stamp, now)
                answer.lags.append(now - stamp)
            else:
                stamp = now
                clock.unstamped += 1
                answer.lags.append(LAG_UNKNOWN)
            answer.stamps.append(stamp)
            answer.parts.append(part)
            if answer.head is None:
                self._head(user, answer)
            elif answer.goes_on(part):
                self.on_end(user)
            return True

        return readable

    def _head(self, user: Exchange, answer: Answer) -> None:
        """The head of the answer, and whatever came with it."""
        try:
            complete = answer.begins()
        except ValueError as error:
            self.on_end(user, "protocol", str(error))
            return
        if complete:
            self.on_end(user)

    def _ended(self, user: Exchange, why: str) -> None:
        """The connection is over: a fault, unless the answer is one that ends with it."""
        answer = user.answer
        if user.reused and not answer.parts and time.monotonic_ns() - answer.sent < _STALE_NS:
            # The server had closed a kept connection before the request came: nothing was begun, so it is sent again.
            self.reconnects += 1
            self.close(user)
            user.reused, answer.sent = False, 0
            user.deadline = time.monotonic_ns() + round(self.connect_timeout_s * 1e9)
            self._connect(user)
            return
        head = answer.head
        if head is not None and not head.chunked and head.length is None:
            self.on_end(user, close=True)
        else:
            self.on_end(user, "truncated", why, close=True)

    def close(self, user: Exchange) -> None:
        """Its socket, if it has one."""
        sock, user.sock = user.sock, None
        if sock is None:
            return
        fd = sock.fileno()
        if self.by_fd.pop(fd, None) is not None:
            self.poller.unregister(fd)
        sock.close()

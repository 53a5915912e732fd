"""An OpenAI-compatible endpoint on loopback that streams by a known schedule and keeps its own send times.

Threads and plain sockets, so that what goes into each `send` is exactly what a test asked for. Its stamps are
CLOCK_MONOTONIC, the clock of the client beside it: `stamp <= arrival` holds whatever the machine's load.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Behaviour:
    """How one request is answered."""

    tokens: int = 8
    ttft_s: float = 0.0
    itl_s: float = 0.0
    tokens_per_frame: int = 1
    frames_per_send: int = 1
    """Frames in one send and one HTTP chunk, as a server that batches by time makes them."""
    role_frame: bool = True
    usage: bool = True
    prompt_tokens: int = 7
    """That usage names, whatever was sent."""
    usage_tokens: int | None = None
    """A lie about the tokens; None tells the truth."""
    empty_last_frame: bool = False
    """finish_reason comes in a frame without text that is no token (not vLLM's way)."""
    comment_every: int = 0
    """A comment line (`: ping`) and an event without data after every so many token frames."""
    newline: str = "\n"
    named: str = ""
    """The model that a stream names; empty: the one that is served."""
    said_in: str = "content"
    """Of a chat's frames: `reasoning_content` is where some put what comes before the answer."""
    content: Callable[[int], str] = field(default=lambda i: f" word{i}")
    trailer: str = ""
    """A header after the last chunk, and its line end."""
    last_chunk: str = "0"
    """Its size, as it is written: more zeros and extensions are allowed."""
    interim: str = ""
    """Heads before the answer's own (103 Early Hints)."""
    framing: str = "chunked"
    """`chunked`, or `close`: the body ends with the connection."""
    status: int = 200
    message: str = "refused by the test"
    headers: tuple[tuple[str, str], ...] = ()
    truncate_after: int | None = None
    """Close the connection after so many token frames."""
    end_early_after: int | None = None
    """End the body properly after so many token frames, without [DONE] or a finish_reason."""
    error_after: int | None = None
    """An error event after so many token frames."""
    error_name: str = ""
    """The name of that event; with one its message stands alone and not in `error`."""
    refuses: str = ""
    """A field of the body that is answered with 422, as a strict FastAPI server does."""
    unsupported: tuple[str, ...] = ()
    """Fields of the body that are answered with 400, as OpenAI's API does for its reasoning models."""
    silent: bool = False
    """Take the request and never answer."""
    hangs_up_after_s: float | None = None
    """Take the request and close the connection so much later without a byte, as an engine that dies."""
    not_a_stream: bool = False
    """Answer a streaming request with one JSON object."""
    garbage: bool = False
    """Answer with something that is no HTTP."""
    close_connection: bool = False
    """`Connection: close`."""
    drop_after: bool = False
    """Close the connection after the answer without having said so, as an idle timeout does."""
    split_sends: bool = False
    """Send every byte string in two halves."""


@dataclass
class Served:
    """One request as the server saw it. Times are CLOCK_MONOTONIC nanoseconds."""

    path: str
    headers: dict[str, str]
    body: Any
    received_ns: int
    connection: int
    sends: list[tuple[int, int]] = field(default_factory=list)
    """(just before the send, token frames in it), of sends with at least one."""
    in_flight: int = 0
    """Streams in flight when it came, itself included."""


class FakeOpenAiServer:
    """`with FakeOpenAiServer(behaviour) as server:`; `behaviour` is one, or a function of the number of the
    completion request (0, 1, ...)."""

    def __init__(
        self,
        behaviour: Behaviour | Callable[[int], Behaviour] = Behaviour(),  # frozen
        *,
        model: str = "tiny",
        adapters: tuple[str, ...] = (),
        api_key: str | None = None,
        prefix: str = "",
        max_body_bytes: int | None = None,
        lists: bool | None = True,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.behaviour = behaviour
        self.model, self.adapters = model, adapters
        self.api_key = api_key
        self.prefix = prefix
        self.max_body_bytes = max_body_bytes
        self.lists = lists
        self.ssl_context = ssl_context
        self.served: list[Served] = []
        self.lock = threading.Lock()
        self.completions = 0
        self.in_flight = 0
        self.connections = 0
        self.open: set[socket.socket] = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.closing = threading.Event()
        self.threads: list[threading.Thread] = []

    @property
    def url(self) -> str:
        scheme = "http" if self.ssl_context is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}{self.prefix}"

    @property
    def completion_requests(self) -> list[Served]:
        return [s for s in self.served if s.path.endswith("/completions")]

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        self.threads.append(thread)
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            for connection in self.open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections += 1
                number = self.connections
                self.open.add(connection)
            thread = threading.Thread(target=self._converse, args=(connection, number), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _converse(self, connection: socket.socket, number: int) -> None:
        raw = connection
        try:
            if self.ssl_context is not None:
                connection = self.ssl_context.wrap_socket(connection, server_side=True)
            reader = connection.makefile("rb")
            while self._one(connection, reader, number):
                pass
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.discard(raw)
            # Not close() alone: the reader holds the socket, and the peer is to see the end now.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _one(self, connection: socket.socket, reader: Any, number: int) -> bool:
        line = reader.readline()
        if not line:
            return False
        method, path, _ = line.decode().split()
        path = path if path.startswith("/") else "/" + path.split("/", 3)[3]  # RFC 9112: a server takes a whole URL
        headers = {}
        while (header := reader.readline().strip()) != b"":
            name, _, value = header.decode().partition(":")
            headers[name.strip().lower()] = value.strip()
        if self.max_body_bytes is not None and int(headers.get("content-length", 0)) > self.max_body_bytes:
            # As proxies do: refused by its announced length, the body never read.
            self._json(connection, 413, {"error": {"message": "body too large"}})
            return False
        body = reader.read(int(headers.get("content-length", 0)))
        served = Served(path, headers, json.loads(body) if body else None, time.monotonic_ns(), number)
        with self.lock:
            self.served.append(served)
        path = path.removeprefix(self.prefix)
        if self.api_key is not None and headers.get("authorization") != f"Bearer {self.api_key}":
            return self._json(connection, 401, {"error": {"message": "Unauthorized", "code": 401}})
        if (method, path) == ("GET", "/v1/models") and self.lists is None:
            return self._json(connection, 200, {"object": "list", "data": None})
        if (method, path) == ("GET", "/v1/models") and self.lists:
            listed = [{"id": name, "object": "model"} for name in (self.model, *self.adapters)]
            return self._json(connection, 200, {"object": "list", "data": listed})
        if path == "/tokenize":
            tokens = list(range(len(str(served.body.get("prompt", served.body.get("messages"))).split())))
            return self._json(connection, 200, {"tokens": tokens, "count": len(tokens), "max_model_len": 1024})
        if path == "/v1/embeddings":
            return self._embed(connection, served)
        if path in ("/v1/chat/completions", "/v1/completions"):
            return self._complete(connection, served, chat="chat" in path)
        return self._json(connection, 404, {"detail": "Not Found"})

    def _embed(self, connection: socket.socket, served: Served) -> bool:
        behaviour = self.behaviour if isinstance(self.behaviour, Behaviour) else self.behaviour(len(self.served) - 1)
        self.closing.wait(behaviour.ttft_s)
        if behaviour.status != 200:
            return self._json(connection, behaviour.status, {"error": {"message": behaviour.message}})
        count = len(served.body["input"].split())
        vector = {"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}
        usage = {"prompt_tokens": count, "total_tokens": count}
        return self._json(connection, 200, {"object": "list", "data": [vector], "usage": usage})

    def _complete(self, connection: socket.socket, served: Served, *, chat: bool) -> bool:
        with self.lock:
            index = self.completions
            self.completions += 1
            self.in_flight += 1
            served.in_flight = self.in_flight
        behaviour = self.behaviour if isinstance(self.behaviour, Behaviour) else self.behaviour(index)
        try:
            return self._answer(connection, served, behaviour, chat=chat)
        finally:
            with self.lock:
                self.in_flight -= 1

    def _answer(self, connection: socket.socket, served: Served, b: Behaviour, *, chat: bool) -> bool:
        if b.silent:
            self.closing.wait(60)
            return False
        if b.hangs_up_after_s is not None:
            self.closing.wait(b.hangs_up_after_s)
            return False
        if b.garbage:
            connection.sendall(b"220 mail.example ESMTP\r\n")
            return False
        if b.refuses and b.refuses in served.body:
            wrong = {"type": "extra_forbidden", "loc": ["body", b.refuses], "msg": "Extra inputs are not permitted"}
            return self._json(connection, 422, {"detail": [wrong]})
        for name in (name for name in b.unsupported if name in served.body):
            instead = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
            said = f"Unsupported parameter: '{name}' is not supported with this model.{instead}"
            return self._json(connection, 400, {"error": {"message": said, "code": "unsupported_parameter"}})
        if b.status != 200:
            error = {"error": {"message": b.message, "type": "test", "code": b.status}}
            return self._json(connection, b.status, error, b.headers)
        if served.body.get("model") not in (self.model, *self.adapters):
            message = f"The model `{served.body.get('model')}` does not exist."
            return self._json(connection, 404, {"error": {"message": message, "type": "NotFoundError", "code": 404}})
        if not served.body.get("stream") or b.not_a_stream:
            text = "".join(b.content(i) for i in range(b.tokens))
            part = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            answer: dict[str, Any] = {"id": "x", "choices": [{"index": 0, **part, "finish_reason": "length"}]}
            if b.usage:
                answer["usage"] = self._usage(b)
            return self._json(connection, 200, answer, b.headers)
        return self._stream(connection, served, b, chat=chat)

    @staticmethod
    def _usage(b: Behaviour) -> dict[str, int]:
        completion = b.tokens if b.usage_tokens is None else b.usage_tokens
        total = b.prompt_tokens + completion
        return {"prompt_tokens": b.prompt_tokens, "completion_tokens": completion, "total_tokens": total}

    def _stream(self, connection: socket.socket, served: Served, b: Behaviour, *, chat: bool) -> bool:
        head = [f"{b.interim}HTTP/1.1 200 OK", "content-type: text/event-stream; charset=utf-8"]
        head += ["transfer-encoding: chunked"] if b.framing == "chunked" else []
        head += ["connection: close"] if b.close_connection or b.framing == "close" else []
        head += [f"{n}: {v}" for n, v in b.headers]
        connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode())

        def send(data: str, frames: int) -> None:
            blob = data.encode()
            if b.framing == "chunked":
                blob = f"{len(blob):x}\r\n".encode() + blob + b"\r\n"
            if frames:
                served.sends.append((time.monotonic_ns(), frames))
            half = len(blob) // 2 if b.split_sends else len(blob)
            connection.sendall(blob[:half])
            if b.split_sends:
                time.sleep(0.002)
                connection.sendall(blob[half:])

        def frame(value: Any) -> str:
            text = value if isinstance(value, str) else json.dumps(value)
            return f"data: {text}{b.newline}{b.newline}"

        def choice(text: str, reason: str | None) -> str:
            part = {"delta": {b.said_in: text}} if chat else {"text": text}
            return frame(
                {"id": "x", "model": b.named or self.model, "choices": [{"index": 0, **part, "finish_reason": reason}]}
            )

        start = time.monotonic()
        pending, frames_pending, frames_sent = "", 0, 0
        if chat and b.role_frame:
            role = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
            pending = frame({"id": "x", "model": b.named or self.model, "choices": [role]})
        total = -(-b.tokens // b.tokens_per_frame)
        for i in range(total):
            due = start + b.ttft_s + i * b.itl_s
            if not frames_pending and due > time.monotonic():
                if pending and b.frames_per_send == 1:
                    send(pending, 0)
                    pending = ""
                self.closing.wait(max(0.0, due - time.monotonic()))
            first = i * b.tokens_per_frame
            text = "".join(b.content(k) for k in range(first, min(first + b.tokens_per_frame, b.tokens)))
            reason = "length" if i == total - 1 and not b.empty_last_frame else None
            pending += choice(text, reason)
            frames_pending += 1
            if b.comment_every and (i + 1) % b.comment_every == 0:
                pending += f": ping{b.newline}{b.newline}data:{b.newline}{b.newline}"
            if frames_pending == b.frames_per_send or i == total - 1:
                send(pending, frames_pending)
                frames_sent += frames_pending
                pending, frames_pending = "", 0
            if b.truncate_after == i + 1:
                return False
            if b.error_after == i + 1:
                error = {"message": "the engine died", "code": 500}
                named = f"event: {b.error_name}{b.newline}" if b.error_name else ""
                send(named + frame(error if named else {"error": error}), 0)
                send(frame("[DONE]"), 0)
                return self._end(connection, b)
            if b.end_early_after == i + 1:
                return self._end(connection, b)
        ending = choice("", "stop") if b.empty_last_frame else ""
        if b.usage and (served.body.get("stream_options") or {}).get("include_usage"):
            ending += frame({"id": "x", "model": b.named or self.model, "choices": [], "usage": self._usage(b)})
        send(ending + frame("[DONE]"), 0)
        return self._end(connection, b)

    @staticmethod
    def _end(connection: socket.socket, b: Behaviour) -> bool:
        if b.framing == "chunked":
            connection.sendall(f"{b.last_chunk}\r\n{b.trailer}\r\n".encode())
        return not (b.framing == "close" or b.close_connection or b.drop_after)

    @staticmethod
    def _json(connection: socket.socket, status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> bool:
        body = json.dumps(value).encode()
        head = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(body)}"]
        head += [f"{n}: {v}" for n, v in headers]
        connection.sendall(("\r\n".join(head) + "\r\n\r\n").encode() + body)
        return True

"""One connection and the request in flight on it: bytes as they came, and when. What they mean is told afterwards."""

from __future__ import annotations

import enum
import json
import socket
import ssl
from array import array
from dataclasses import dataclass
from typing import Any

from infercli.core.traces import ErrorKind, Phase
from infercli.loadgen.frames import Stream, answer_text, dechunk, error_message, parse_stream, parse_whole

_MAX_HEAD_BYTES = 64 * 1024
"""Of an answer's head. Servers and proxies stop at 8 to 64 KiB; beyond that it is no HTTP head."""


LAG_UNKNOWN = -(2**62)
"""In `lags`, for a read without a kernel time: no lag is so negative."""


class State(enum.IntEnum):
    """Where a connection stands."""

    IDLE = 0
    CONNECTING = 1
    TUNNEL = 2
    """A proxy was asked for the way to the endpoint."""
    HANDSHAKE = 3
    SENDING = 4
    READING = 5


@dataclass(frozen=True, slots=True)
class Call:
    """One request to make."""

    conversation: int
    turn: int
    due: int
    """Nanoseconds of the monotonic clock."""
    phase: Phase
    answers: tuple[str, ...] = ()
    """To the turns before."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer."""

    status: int
    end: int
    """Its length in bytes."""
    chunked: bool
    length: int | None
    keep: bool
    content_type: str
    encoding: str
    engine: str | None


def parse_head(raw: bytearray) -> Head | None:
    """None while it is incomplete. Raises ValueError when it is no HTTP/1 head."""
    if not raw.startswith(b"HTTP/1."[: len(raw)]):
        raise ValueError(f"not an HTTP/1 answer: {bytes(raw[:40])!r}")
    end = raw.find(b"\r\n\r\n")
    if end < 0:
        if len(raw) > _MAX_HEAD_BYTES:
            raise ValueError(f"an answer's head of more than {_MAX_HEAD_BYTES} bytes")
        return None
    status_line, *lines = bytes(raw[:end]).decode("latin-1").split("\r\n")
    try:
        status = int(status_line.split()[1])
        headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        length = int(headers["content-length"]) if "content-length" in headers else None
    except (IndexError, ValueError):
        raise ValueError(f"not an HTTP/1 head: {status_line[:80]!r}") from None
    connection = headers.get("connection", "").lower()
    return Head(
        status=status,
        end=end + 4,
        chunked="chunked" in headers.get("transfer-encoding", "").lower(),
        length=length,
        keep="close" not in connection and (status_line.startswith("HTTP/1.1") or "keep-alive" in connection),
        content_type=headers.get("content-type", ""),
        encoding=headers.get("content-encoding", "identity").lower(),
        engine=headers.get("x-infercli-engine"),
    )


class Exchange:
    """A connection, kept from request to request, and the request it waits for.

    Times are nanoseconds of the monotonic clock. `stamps`, `lags` and `ends` have one entry per read.
    """

    __slots__ = (
        "call", "deadline", "ends", "head", "lags", "late", "outgoing", "raw", "request", "reused", "sent",
        "sent_bytes", "sock", "stamps", "state",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sock: socket.socket | ssl.SSLSocket | None = None
        self.state = State.IDLE
        self.reused = False
        self.outgoing = memoryview(b"")
        self.clear(Call(-1, 0, 0, "measured"), -1)

    def clear(self, call: Call, request: int) -> None:
        """Forget the last request; the connection stays."""
        self.call, self.request = call, request
        self.late = self.deadline = self.sent = 0
        self.sent_bytes = 0
        self.raw = bytearray()
        self.head: Head | None = None
        self.stamps = array("q")
        self.lags = array("q")
        self.ends = array("q")

    def complete(self) -> bool:
        """The body has all arrived, as far as its framing tells. Looks at the last bytes only."""
        head = self.head
        if head is None:
            return False
        if head.chunked:
            # No event stream and no JSON has a line that is just `0`, so this is the last chunk.
            return self.raw.endswith(b"\r\n0\r\n\r\n")
        return head.length is not None and len(self.raw) >= head.end + head.length

    def may_be_kept(self) -> bool:
        """The connection can carry another request: the answer says so, and all of the request was taken."""
        return self.head is not None and self.head.keep and self.sent_bytes == len(self.outgoing)

    def text(self) -> str:
        """What an answered stream says."""
        assert self.head is not None
        return answer_text(self.raw, self.head.end, chunked=self.head.chunked)

    def taken(
        self, origin: int, now: int, *, stream: bool, error: ErrorKind | None = None, message: str | None = None
    ) -> dict[str, Any]:
        """The fields of its Trace. `error` is what the loop saw; without one the answer itself is judged.

        `stream`: an event stream was asked for, not one JSON object.
        """
        fields: dict[str, Any] = {
            "request": self.request,
            "conversation": self.call.conversation,
            "turn": self.call.turn,
            "phase": self.call.phase,
            "intended_s": _seconds(self.call.due - origin),
            "late_s": _seconds(self.late),
            "sent_s": _seconds(self.sent - origin) if self.sent else None,
            "first_byte_s": _seconds(self.stamps[0] - origin) if self.stamps else None,
            "ended_s": _seconds((self.stamps[-1] if self.stamps and error is None else now) - origin),
        }
        head = self.head
        if head is not None:
            fields |= {"status": head.status, "engine": head.engine}
            wanted = "event-stream" if stream else "json"
            if head.status != 200:
                # Also when the rest was lost: the status is the answer.
                error, message = "http", self._refusal(head)
            elif wanted not in head.content_type:
                kind = head.content_type or "no content type"
                what = "an event stream" if stream else "JSON"
                said = self._refusal(head) if stream and "json" in head.content_type and error is None else ""
                found = f"answered 200 with {kind}, not with {what}" + (f": {said}" if said else "")
                error, message = error or "protocol", message or found
            elif head.encoding != "identity":
                found = f"answered with content-encoding {head.encoding}, which nobody asked for"
                error, message = error or "protocol", message or found
            elif stream:
                error, message = self._read_stream(head, origin, fields, error, message)
            elif error is None:
                error, message = self._read(parse_whole(self._body(head)), fields)
        return fields | {"error": error, "message": message}

    def _read_stream(
        self, head: Head, origin: int, fields: dict[str, Any], error: ErrorKind | None, message: str | None
    ) -> tuple[ErrorKind | None, str | None]:
        # Only the read that brought the end of the head can be shorter than the head.
        ends = [max(end, head.end) for end in self.ends]
        stream = parse_stream(self.raw, head.end, ends, chunked=head.chunked)
        kept = [(s, lag, n) for s, lag, n in zip(self.stamps, self.lags, stream.frames, strict=True) if n]
        fields |= {
            "arrivals_s": tuple([(stamp - origin + 500) // 1000 / 1e6 for stamp, _, _ in kept]),
            "frames": tuple([n for _, _, n in kept]),
            "lags_s": tuple([None if lag == LAG_UNKNOWN else (lag + 500) // 1000 / 1e6 for _, lag, _ in kept]),
        }
        wrong = self._read(stream, fields)
        if stream.error is not None:
            return wrong
        if error is not None:
            return error, message
        if wrong[0] is not None:
            return wrong
        if not stream.done and stream.finish_reason is None:
            return "truncated", "the stream ended without [DONE] or a finish_reason"
        return None, None

    @staticmethod
    def _read(stream: Stream, fields: dict[str, Any]) -> tuple[ErrorKind | None, str | None]:
        """Note what the server says of itself; (error, message) where that is wrong."""
        fields |= {
            "prompt_tokens": stream.prompt_tokens,
            "cached_tokens": stream.cached_tokens,
            "completion_tokens": stream.completion_tokens,
            "finish_reason": stream.finish_reason,
        }
        if stream.error is not None:
            return "stream_error", stream.error
        return ("protocol", stream.malformed) if stream.malformed is not None else (None, None)

    def _body(self, head: Head) -> bytes:
        return dechunk(self.raw, head.end, [len(self.raw)])[0] if head.chunked else bytes(self.raw[head.end :])

    def _refusal(self, head: Head) -> str:
        body = self._body(head)
        try:
            value = json.loads(body)
            return error_message(value.get("error", value.get("message", value)))
        except (ValueError, AttributeError):
            return error_message(body.decode("utf-8", "replace") or f"HTTP {head.status}")


def _seconds(ns: int) -> float:
    """To a microsecond: kernel receive times are good to a few."""
    return (ns + 500) // 1000 / 1e6

"""One connection and the request in flight on it: bytes as they came, and when. What they mean is told afterwards."""

from __future__ import annotations

import enum
import json
import socket
import ssl
from array import array
from dataclasses import dataclass

from infercli.core.traces import ErrorKind, Trace
from infercli.loadgen.frames import error_message, parse_stream

_MAX_HEAD_BYTES = 64 * 1024
"""Of an answer's head. Servers and proxies stop at 8 to 64 KiB; beyond that it is no HTTP head."""


LAG_UNKNOWN = -(2**62)
"""In `lags`, for a read without a kernel time: no lag is so negative."""


class State(enum.IntEnum):
    """Where a connection stands."""

    IDLE = 0
    CONNECTING = 1
    HANDSHAKE = 2
    SENDING = 3
    READING = 4


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
        engine=headers.get("x-infercli-engine"),
    )


class Exchange:
    """One user of the closed loop: a connection, kept from request to request, and the request it waits for.

    Times are nanoseconds of the monotonic clock. `stamps`, `lags` and `ends` have one entry per read.
    """

    __slots__ = (
        "deadline", "ends", "first", "head", "idle_since", "intended", "lags", "outgoing", "prompt", "raw",
        "request", "reused", "sent", "sent_bytes", "sock", "stamps", "state", "warmup",
    )  # fmt: skip

    def __init__(self) -> None:
        self.sock: socket.socket | ssl.SSLSocket | None = None
        self.state = State.IDLE
        self.idle_since = 0
        self.reused = False
        self.outgoing = memoryview(b"")
        self.clear()

    def clear(self) -> None:
        """Forget the last request; the connection stays."""
        self.request = self.prompt = -1
        self.warmup = False
        self.intended = self.deadline = self.sent = self.first = 0
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

    def trace(self, origin: int, now: int, error: ErrorKind | None = None, message: str | None = None) -> Trace:
        """What became of it. `error` is what the loop saw; without one the answer itself is judged."""
        fields: dict[str, object] = {
            "request": self.request,
            "prompt": self.prompt,
            "warmup": self.warmup,
            "intended_s": _seconds(self.intended - origin),
            "sent_s": _seconds(self.sent - origin) if self.sent else None,
            "first_byte_s": _seconds(self.stamps[0] - origin) if self.stamps else None,
            "ended_s": _seconds((self.stamps[-1] if self.stamps and error is None else now) - origin),
        }
        head = self.head
        if head is not None:
            fields |= {"status": head.status, "engine": head.engine}
            if head.status != 200:
                # Also when the rest was lost: the status is the answer.
                error, message = "http", self._refusal(head)
            elif "event-stream" not in head.content_type:
                kind = head.content_type or "no content type"
                error, message = error or "protocol", message or f"answered 200 with {kind}, not with an event stream"
            else:
                error, message = self._read_stream(head, origin, fields, error, message)
        return Trace.model_validate({**fields, "error": error, "message": message})

    def _read_stream(
        self, head: Head, origin: int, fields: dict[str, object], error: ErrorKind | None, message: str | None
    ) -> tuple[ErrorKind | None, str | None]:
        # Only the read that brought the end of the head can be shorter than the head.
        ends = [max(end, head.end) for end in self.ends]
        stream = parse_stream(self.raw, head.end, ends, chunked=head.chunked)
        kept = [(s, lag, n) for s, lag, n in zip(self.stamps, self.lags, stream.frames, strict=True) if n]
        fields |= {
            "arrivals_s": tuple([(stamp - origin + 500) // 1000 / 1e6 for stamp, _, _ in kept]),
            "frames": tuple([n for _, _, n in kept]),
            "lags_s": tuple([None if lag == LAG_UNKNOWN else (lag + 500) // 1000 / 1e6 for _, lag, _ in kept]),
            "prompt_tokens": stream.prompt_tokens,
            "completion_tokens": stream.completion_tokens,
            "finish_reason": stream.finish_reason,
        }
        if stream.error is not None:
            return "stream_error", stream.error
        if error is not None:
            return error, message
        if stream.malformed is not None:
            return "protocol", stream.malformed
        if not stream.done and stream.finish_reason is None:
            return "truncated", "the stream ended without [DONE] or a finish_reason"
        return None, None

    def _refusal(self, head: Head) -> str:
        body = bytes(self.raw[head.end :])
        if head.chunked:
            body = b"".join(line for line in body.split(b"\r\n")[1::2])
        try:
            value = json.loads(body)
            return error_message(value.get("error", value.get("message", value)))
        except (ValueError, AttributeError):
            return error_message(body.decode("utf-8", "replace") or f"HTTP {head.status}")


def _seconds(ns: int) -> float:
    """To a microsecond: kernel receive times are good to a few."""
    return (ns + 500) // 1000 / 1e6

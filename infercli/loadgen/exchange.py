"""One connection and the request in flight on it: bytes as they came, and when. What they mean is told afterwards."""

from __future__ import annotations

import enum
import re
import socket
import ssl
from array import array
from dataclasses import dataclass
from typing import Any

from infercli.core.traces import ErrorKind, Phase
from infercli.loadgen.frames import Stream, answer_text, dechunk, error_message, parse_stream, parse_whole, parsed

_MAX_HEAD_BYTES = 64 * 1024
"""Of an answer's head. Servers and proxies stop at 8 to 64 KiB; beyond that it is no HTTP head."""


LAST_CHUNK = b"\r\n0\r\n\r\n"
"""No event stream and no JSON has a line that is just `0`, so this is the end of a chunked body."""
_BLANK = b"\r\n\r\n"
_LAST_LINE_BEGINS, _LAST_LINE = b"\r\n0", re.compile(rb"\r\n0+[ \t]*(?:;[^\r\n]*)?\r\n")
"""How it ends, and how it begins, where headers come between or it is written at length (trailers, extensions and
further zeros of RFC 9112, 7.1)."""
_INTERIM = frozenset({100, 102, 103})
"""Heads that a server may send at any time before the answer's own, to whoever did not ask (RFC 9110, 15.2)."""
_BODILESS = frozenset({204, 304})
"""Answers that end with their head, whatever it says (RFC 9112, 6.3)."""
_END_BYTES = 2048
"""Of an answer, where an error stands that ended it."""
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
    """Where the body begins, in bytes of what came."""
    chunked: bool
    length: int | None
    keep: bool
    content_type: str
    encoding: str
    engine: str | None
    location: str
    """Where a redirect leads, without its query."""


def parse_head(raw: bytes, start: int = 0) -> Head | None:
    """Of what begins at `start`. None while it is incomplete. Raises ValueError when it is no HTTP/1 head."""
    if not raw.startswith(b"HTTP/1."[: len(raw) - start], start):
        raise ValueError(f"not an HTTP/1 answer: {raw[start : start + 40]!r}")
    end = raw.find(b"\r\n\r\n", start)
    if end < 0:
        if len(raw) - start > _MAX_HEAD_BYTES:
            raise ValueError(f"an answer's head of more than {_MAX_HEAD_BYTES} bytes")
        return None
    status_line, *lines = raw[start:end].decode("latin-1").split("\r\n")
    try:
        status = int(status_line.split()[1])
        headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines)}
        length = 0 if status in _BODILESS else int(headers["content-length"]) if "content-length" in headers else None
    except (IndexError, ValueError):
        raise ValueError(f"not an HTTP/1 head: {status_line[:80]!r}") from None
    connection = headers.get("connection", "").lower()
    return Head(
        status=status,
        end=end + 4,
        chunked="chunked" in headers.get("transfer-encoding", "").lower() and status not in _BODILESS,
        length=length,
        keep="close" not in connection and (status_line.startswith("HTTP/1.1") or "keep-alive" in connection),
        content_type=headers.get("content-type", ""),
        encoding=headers.get("content-encoding", "identity").lower(),
        engine=headers.get("x-infercli-engine"),
        location=headers.get("location", "").partition("?")[0],
    )


class Answer:
    """What came back to one request, as it came: one entry per read in `parts` (its bytes), `stamps` and `lags`.

    Times are nanoseconds of the monotonic clock.
    """

    __slots__ = (
        "call", "ended", "error", "head", "lags", "late", "message", "missing", "parts", "request", "sent", "stamps",
    )  # fmt: skip

    def __init__(self, call: Call, request: int) -> None:
        self.call, self.request = call, request
        self.late = self.sent = self.ended = 0
        self.error: ErrorKind | None = None
        """What the loop saw go wrong."""
        self.message: str | None = None
        self.parts: list[bytes] = []
        self.head: Head | None = None
        self.missing = 0
        """Bytes of a body of known length that have not come yet."""
        self.stamps = array("q")
        self.lags = array("q")

    def begins(self) -> bool:
        """Look for the end of the head in what came so far; True when the answer is complete with it.

        Raises ValueError when it is no HTTP/1 head.
        """
        raw = b"".join(self.parts)
        head = parse_head(raw)
        while head is not None and head.status in _INTERIM:
            head = parse_head(raw, head.end)
        self.head = head
        if head is None:
            return False
        if head.chunked:
            return self.ends_as_chunked()
        if head.length is None:
            return False
        self.missing = head.end + head.length - len(raw)
        return self.missing <= 0

    def goes_on(self, part: bytes) -> bool:
        """`part` came, which is not the head's; True when the answer is complete with it. Cheap: once per read."""
        head = self.head
        assert head is not None
        if head.chunked:
            if part.endswith(_BLANK):
                return part.endswith(LAST_CHUNK) or self.ends_as_chunked()
            return len(part) < len(LAST_CHUNK) and self.ends_as_chunked()
        self.missing -= len(part)
        return head.length is not None and self.missing <= 0

    def ends_as_chunked(self) -> bool:
        """The last bytes are those of a chunked body."""
        end = self.last(len(LAST_CHUNK))
        if end == LAST_CHUNK or not end.endswith(_BLANK):
            return end == LAST_CHUNK
        end = self.last(_END_BYTES)
        return _LAST_LINE_BEGINS in end and _LAST_LINE.search(end) is not None

    def last(self, count: int) -> bytes:
        """The last bytes."""
        kept: list[bytes] = []
        for part in reversed(self.parts):
            if count <= 0:
                break
            kept.append(part[-count:])
            count -= len(part)
        return b"".join(reversed(kept))

    def looks_well(self) -> bool:
        """Nothing speaks against it that can be seen without reading it; False says nothing."""
        head = self.head
        if self.error is not None or head is None or head.status != 200:
            return False
        end = self.last(_END_BYTES)
        return end.find(b"[DONE]", -64) >= 0 and b'"error"' not in end

    def text(self) -> str:
        """What an answered stream says."""
        assert self.head is not None
        return answer_text(b"".join(self.parts), self.head.end, chunked=self.head.chunked)

    def taken(self, origin: int, *, stream: bool) -> dict[str, Any]:
        """The fields of its Trace. Where the loop saw nothing go wrong the answer itself is judged.

        `stream`: an event stream was asked for, not one JSON object.
        """
        error, message = self.error, self.message
        fields: dict[str, Any] = {
            "request": self.request,
            "conversation": self.call.conversation,
            "turn": self.call.turn,
            "phase": self.call.phase,
            "intended_s": _seconds(self.call.due - origin),
            "late_s": _seconds(self.late),
            "sent_s": _seconds(self.sent - origin) if self.sent else None,
            "first_byte_s": _seconds(self.stamps[0] - origin) if self.stamps else None,
            "ended_s": _seconds((self.stamps[-1] if self.stamps and error is None else self.ended) - origin),
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
                error, message = self._read_stream(head, fields, error, message)
            elif error is None:
                error, message = self._read(parse_whole(self._body(head)), fields)
        return fields | {"error": error, "message": message}

    def cut_short(self, now: int, origin: int, *, stream: bool) -> dict[str, Any]:
        """The fields of its Trace where the run ends before it does: until then it was in flight."""
        taken = self.taken(origin, stream=stream)
        return taken | {"cut": True, "error": None, "message": None, "ended_s": _seconds(now - origin)}

    def _read_stream(
        self, head: Head, fields: dict[str, Any], error: ErrorKind | None, message: str | None
    ) -> tuple[ErrorKind | None, str | None]:
        stream = parse_stream(self.parts, head.end, chunked=head.chunked)
        frames = stream.frames
        # As they are: they become seconds when the run is over (`in_seconds`).
        fields |= {"stamps": self.stamps, "lags": self.lags, "frames": frames}
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
            "hidden_tokens": stream.hidden_tokens,
            "finish_reason": stream.finish_reason,
            "served_model": stream.model,
        }
        if stream.error is not None:
            return "stream_error", stream.error
        return ("protocol", stream.malformed) if stream.malformed is not None else (None, None)

    def _body(self, head: Head) -> bytes:
        raw = b"".join(self.parts)
        return dechunk(raw, head.end, [len(raw)])[0] if head.chunked else raw[head.end :]

    def _refusal(self, head: Head) -> str:
        if 300 <= head.status < 400 and head.location:
            return error_message(f"redirects to {head.location}, and redirects are not followed")
        body = self._body(head)
        try:
            value = parsed(body)
            return error_message(value.get("error", value.get("message", value.get("detail", value))))
        except (ValueError, AttributeError):
            return error_message(body.decode("utf-8", "replace") or f"HTTP {head.status}")


def in_seconds(taken: dict[str, Any], origin: int) -> dict[str, Any]:
    """The fields of a Trace whose stamps are still nanoseconds: reads that brought no token left out."""
    if "stamps" not in taken:
        return taken
    away: dict[int, int] = taken.get("away", {})
    fields = {name: value for name, value in taken.items() if name not in ("stamps", "lags", "away")}
    kept = [(s, lag, n) for s, lag, n in zip(taken["stamps"], taken["lags"], taken["frames"], strict=True) if n]
    of_reads = [i for i, n in enumerate(taken["frames"]) if n] if away else ()
    return fields | {
        "arrivals_s": tuple([_seconds(stamp - origin) for stamp, _, _ in kept]),
        "frames": tuple([n for _, _, n in kept]),
        "lags_s": tuple([None if lag == LAG_UNKNOWN else _seconds(lag) for _, lag, _ in kept]),
        "away_s": tuple([(at, _seconds(away[read])) for at, read in enumerate(of_reads) if read in away]),
    }


def _seconds(ns: int) -> float:
    """To a microsecond: kernel receive times are good to a few."""
    return (ns + 500) // 1000 / 1e6


class Exchange:
    """A connection, kept from request to request, and the answer that it waits for."""

    __slots__ = ("answer", "deadline", "outgoing", "reused", "sent_bytes", "sock", "state")

    def __init__(self) -> None:
        self.sock: socket.socket | ssl.SSLSocket | None = None
        self.state = State.IDLE
        self.reused = False
        self.outgoing = memoryview(b"")
        self.deadline = self.sent_bytes = 0
        self.answer = Answer(Call(-1, 0, 0, "measured"), -1)

    def may_be_kept(self) -> bool:
        """The connection can carry another request: the answer says so, and all of the request was taken."""
        head = self.answer.head
        return head is not None and head.keep and self.sent_bytes == len(self.outgoing)

"""The bytes of a streamed answer become token counts per read. Off the hot path: once per answered request.

Frames are counted, not parsed, and only the first and the last are looked into; the count must then equal the server's
own `usage`. Where it does not (several tokens in a frame, comments in between, other line ends, no usage), the whole
answer is parsed. Either way nothing is guessed: what is not known is None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate

from pydantic_core import from_json

from infercli.core.load.conversation import mended
from infercli.core.record import Json

_SEPARATOR = b"\n\n"
_NEWLINE = _SEPARATOR[0]
_CHOICES = b'"choices"'
"""Once in every frame but `[DONE]`: inside a text its quotes are escaped."""
_NAMES_AN_ERROR = re.compile(rb"^event: ?error\s*$", re.MULTILINE)
"""An event whose name says that it is an error, whatever its data look like (openai-python takes it for one too)."""
_BROKEN_OFF = frozenset({"abort", "error"})
"""Finish reasons of answers that the engine gave up. vLLM (vllm-project/vllm issue 57082) and SGLang end their streams
like whole ones."""
_END_OF_REASONING = b"think>"
"""The end of the mark that DeepSeek-R1, Qwen3 and others write after it."""
_LOOK = 8
"""Frames looked into at each end before the whole is parsed. Servers send one or two that are no tokens at either end
(role; usage and [DONE]); anything longer is unusual enough to be parsed."""


@dataclass(slots=True)
class Stream:
    """What an answer's body says."""

    frames: list[int] = field(default_factory=list)
    """Token frames completed by each read."""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int = 0
    """Of `completion_tokens`, by `usage`."""
    hidden_tokens: int = 0
    """Of `completion_tokens`: never sent. Hosted reasoning models count what they do not show, and gateways drop it."""
    reasons: bool = False
    """Some of its frames are reasoning, by the name that their text has."""
    finish_reason: str | None = None
    model: str | None = None
    """That the first event names."""
    done: bool = False
    """`[DONE]` was there."""
    error: str | None = None
    """The message of an error event."""
    malformed: str | None = None
    """The first event that is not what a stream of completions holds."""


@dataclass(slots=True)
class _Event:
    token: bool = False
    empty: bool = False
    """A token frame without text: the text was held back, or it is the end."""
    final: bool = False


def parse_stream(parts: Sequence[bytes], start: int, *, chunked: bool) -> Stream:
    """`parts` is the answer by reads, the body begins at byte `start` of it.

    Role-only frames are no tokens. An empty last frame (finish_reason without text) is one where `usage` says so, as
    vLLM's is for the end-of-sequence token. Other empty frames are, but where `usage` counts those with text alone.
    """
    raw = b"".join(parts)
    return _counted(raw, parts, start) or _parsed(raw, _ends(parts, start), start, chunked=chunked)


def _ends(parts: Sequence[bytes], start: int) -> list[int]:
    """How much of the answer was there after each read, and never less than the head."""
    return [max(end, start) for end in accumulate(map(len, parts))]


def _counted(raw: bytes, parts: Sequence[bytes], start: int) -> Stream | None:
    """The fast way; None when anything is not as expected."""
    stream = Stream()
    if not parts:
        return None
    counts = [part.count(_SEPARATOR) for part in parts]
    if _NEWLINE in [part[0] for part in parts]:
        # A separator may be split between two reads, so each read is counted from one byte before it.
        ends = _ends(parts, start)
        lows = [start, *(end - 1 if end > start else start for end in ends[:-1])]
        counts = [raw.count(_SEPARATOR, low, end) for low, end in zip(lows, ends, strict=True)]
    tokens = sum(counts)
    try:
        head, found = _head(raw, start, stream), _tail(raw, start, stream)
    except ValueError:
        return None
    if head is None or found is None or stream.error:
        return None
    tail, last = found
    if last.final and last.empty and stream.completion_tokens == tokens - head - tail - 1:
        # By `usage` the empty end is no token (SGLang, llama.cpp, Ollama, LMDeploy), if all the others are frames too.
        tail += raw.count(_CHOICES, start) == tokens - 1
    if stream.completion_tokens != tokens - head - tail:
        return None
    _take(counts, range(len(counts)), head)
    _take(counts, range(len(counts) - 1, -1, -1), tail)
    stream.frames = counts
    return stream


def _take(counts: list[int], order: range, frames: int) -> None:
    for i in order:
        if not frames:
            return
        taken = min(frames, counts[i])
        counts[i] -= taken
        frames -= taken


def _head(raw: bytes, start: int, stream: Stream) -> int | None:
    """Frames before the first token frame; None when there is none within sight."""
    low = start
    for seen in range(_LOOK):
        end = raw.find(_SEPARATOR, low)
        if end < 0:
            return None
        event = _event(_data(raw[low:end]), stream, first=True)
        if event is not None and event.token:
            return seen
        low = end + 2
    return None


def _tail(raw: bytes, start: int, stream: Stream) -> tuple[int, _Event] | None:
    """Frames after the last token frame, and that one; None when there is none within sight."""
    high = raw.rfind(_SEPARATOR, start)
    for seen in range(_LOOK):
        if high < 0:
            return None
        low = raw.rfind(_SEPARATOR, start, high)
        frame = raw[low + 2 if low >= 0 else start : high]
        if _NAMES_AN_ERROR.search(frame):
            return None
        event = _event(_data(frame), stream, first=False)
        if event is not None and event.token:
            return seen, event
        high = low
    return None


def _data(frame: bytes) -> bytes | None:
    """The data of one frame as it came, between the sizes of HTTP chunks; None for a comment."""
    lines = [line[5:].strip() for line in frame.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def _parsed(raw: bytes, ends: Sequence[int], start: int, *, chunked: bool) -> Stream:
    """The slow way: every event, by the rules of server-sent events."""
    stream = Stream(frames=[0] * len(ends))
    body, cuts = dechunk(raw, start, ends) if chunked else (raw[start:], [end - start for end in ends])
    token_reads: list[int] = []
    with_text: list[int] = []
    last = _Event()
    read = 0
    for position, name, data in _events(body):
        if name == b"error":
            stream.error = stream.error or _error_of(data)
            continue
        while read < len(cuts) - 1 and cuts[read] < position:
            read += 1
        try:
            event = _event(data, stream, first=not token_reads)
        except ValueError as error:
            stream.malformed = stream.malformed or str(error)
            continue
        if event is not None and event.token:
            token_reads.append(read)
            with_text += [] if event.empty else [read]
            last = event
    sent = stream.completion_tokens
    if sent is not None and not stream.reasons and len(with_text) <= sent - stream.reasoning_tokens:
        # Where reasoning is sent as plain text it ends with a mark.
        stream.hidden_tokens = 0 if _END_OF_REASONING in body else stream.reasoning_tokens
        sent -= stream.hidden_tokens
    surplus = sent is None or len(token_reads) == sent + 1
    if token_reads and last.final and last.empty and surplus:
        token_reads.pop()
    elif len(with_text) == sent:
        token_reads = with_text  # by `usage` no empty frame is a token: a server sends them to keep the stream alive
    for read in token_reads:
        stream.frames[read] += 1
    return stream


def _events(body: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(where it ends, its name, its data) of each event that has data, by the rules of server-sent events."""
    position, lines, name = 0, [], b""
    for line in body.splitlines(keepends=True):
        position += len(line)
        text = line.rstrip(b"\r\n")
        if text.startswith(b"data:"):
            lines.append(text[5:].strip())
        if text.startswith(b"event:"):
            name = text[6:].strip()
        if text.startswith(b"error:"):  # older servers of llama.cpp name the field itself so
            lines, name = [text[6:].strip()], b"error"
        if text:
            continue
        if lines:
            yield position, name, b"\n".join(lines)
        lines, name = [], b""


def dechunk(raw: bytes, start: int, ends: Sequence[int]) -> tuple[bytes, list[int]]:
    """A chunked body without its framing, and how much of it each read completed. Ends where the framing breaks."""
    parts: list[tuple[int, int]] = []
    position = start
    while True:
        line_end = raw.find(b"\r\n", position)
        if line_end < 0:
            break
        try:
            size = int(raw[position:line_end].split(b";")[0], 16)
        except ValueError:
            break
        if size <= 0:
            break
        parts.append((line_end + 2, min(line_end + 2 + size, len(raw))))
        position = line_end + 2 + size + 2
    cuts, done, i = [], 0, 0
    for end in ends:
        while i < len(parts) and parts[i][1] <= end:
            done += parts[i][1] - parts[i][0]
            i += 1
        cuts.append(done + (max(0, end - parts[i][0]) if i < len(parts) else 0))
    return b"".join(raw[a:b] for a, b in parts), cuts


def parsed(data: bytes) -> Json:
    """JSON. Raises ValueError where it is none, or nested deeper than any answer is."""
    # Five times as fast; it takes no half of a character (\\ud83d), and says less of what is wrong.
    with suppress(ValueError):
        return from_json(data)
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _event(data: bytes | None, stream: Stream, *, first: bool) -> _Event | None:
    """What one event says, noted in `stream`. `first`: no token came yet. Raises ValueError for what is no event."""
    if not data:
        return None  # a comment, or an empty event, by which proxies keep a connection alive
    if data == b"[DONE]":
        stream.done = True
        return _Event()
    try:
        value = parsed(data)
    except ValueError:
        raise ValueError(f"an event that is not JSON: {data[:80]!r}") from None
    if not isinstance(value, dict):
        raise ValueError(f"an event that is not an object: {data[:80]!r}")  # noqa: TRY004  # one kind for the callers
    if value.get("error") is not None:
        stream.error = error_message(value["error"])
        return _Event()
    _named(value, stream)
    usage = value.get("usage")
    if isinstance(usage, dict):
        _usage(usage, stream)
    choice = _choice(value)
    if not choice:
        return _Event()
    delta = _delta(choice)
    # Empty while it goes on, by SGLang 0.4, LocalAI 2.26 and Ollama 0.1.
    reason, ended = choice.get("finish_reason") or None, stream.finish_reason is not None
    if isinstance(reason, str):
        stream.finish_reason = mended(reason)
        if reason in _BROKEN_OFF:
            stream.error = f"the engine broke it off: finish_reason `{reason}`"
    reasoning = delta.get("reasoning") or delta.get("reasoning_content")
    stream.reasons = stream.reasons or bool(reasoning)
    empty = not (choice.get("text") or delta.get("content") or reasoning or delta.get("tool_calls"))
    role_only = first and empty and "role" in delta and reason is None
    # LiteLLM sends `usage` with an empty choice, after the frame that ended the answer (BerriAI/litellm#28735).
    after_the_end = ended and empty and reason is None
    return _Event(token=not role_only and not after_the_end, empty=empty, final=isinstance(reason, str))


def _choice(event: Json) -> dict[str, Json]:
    """The first of an event; empty where it has none."""
    choices = event.get("choices") if isinstance(event, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else {}


def _delta(choice: dict[str, Json]) -> dict[str, Json]:
    delta = choice.get("delta")
    return delta if isinstance(delta, dict) else {}


def _error_of(data: bytes) -> str:
    """The words of an event that is named an error: OpenAI's object, or the message itself."""
    try:
        value = parsed(data)
    except ValueError:
        value = data.decode("utf-8", "replace")
    return error_message(value["error"] if isinstance(value, dict) and value.get("error") is not None else value)


def _named(value: dict[str, Json], stream: Stream) -> None:
    if stream.model is None and isinstance(value.get("model"), str):
        stream.model = mended(value["model"])


def _usage(usage: dict[str, Json], stream: Stream) -> None:
    if not usage.get("prompt_tokens") and not usage.get("completion_tokens"):
        return  # not filled in, as LocalAI has it in every frame: no prompt has no token
    stream.prompt_tokens = _count(usage.get("prompt_tokens"))
    stream.completion_tokens = _count(usage.get("completion_tokens"))
    details = usage.get("completion_tokens_details")
    stream.reasoning_tokens = (_count(details.get("reasoning_tokens")) if isinstance(details, dict) else None) or 0
    details = usage.get("prompt_tokens_details")
    stream.cached_tokens = _count(details.get("cached_tokens")) if isinstance(details, dict) else None


def parse_whole(body: bytes) -> Stream:
    """An answer that is no stream (an embedding): its usage, or what is wrong with it."""
    stream = Stream()
    try:
        value = parsed(body)
    except ValueError:
        stream.malformed = f"an answer that is not JSON: {body[:80]!r}"
        return stream
    if not isinstance(value, dict):
        stream.malformed = f"an answer that is not an object: {body[:80]!r}"
    elif value.get("error") is not None:
        stream.error = error_message(value["error"])
    elif not isinstance(value.get("data"), list) or not value["data"]:
        stream.malformed = f"an answer without embeddings: {body[:80]!r}"
    else:
        _named(value, stream)
        if isinstance(value.get("usage"), dict):
            _usage(value["usage"], stream)
    return stream


def answer_text(raw: bytes, start: int, *, chunked: bool) -> str:
    """What an answered stream says, for the turn after it."""
    body = dechunk(raw, start, [len(raw)])[0] if chunked else raw[start:]
    parts = []
    for _, _, data in _events(body):
        with suppress(ValueError):  # [DONE], and what was counted without being looked into
            choice = _choice(parsed(data))
            text = choice.get("text") or _delta(choice).get("content")
            parts.append(text if isinstance(text, str) else "")
    return mended("".join(parts))


def _count(value: Json) -> int | None:
    return value if isinstance(value, int) and value >= 0 else None


def error_message(error: Json) -> str:
    """The `error` of an OpenAI-style answer, in a line of at most 200 characters."""
    text = error.get("message") if isinstance(error, dict) else error
    return mended(" ".join(str(text or error).split()))[:200]

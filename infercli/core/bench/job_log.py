"""The log of a Job as the way its result comes home: what it says of itself while it runs, and at its end the result.

A log is lines that a container runtime cuts, a kubelet rotates and two streams share. So a line is short and says what
it is, the lines of the result are numbered, and its checksum comes last: what is lost is noticed, never guessed. A
request of 128 tokens, each read alone, takes 0.9 KB (measured): 11,000 fill the 10 MiB after which kubelets rotate.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import zlib
from collections import deque
from collections.abc import Iterator

from infercli.core.record import Json

_EVENT, _RESULT, _SUM = "infercli-event ", "infercli-result ", "infercli-result-sha256 "
LINE_CHARACTERS = 4096
"""Of the result in one line: container runtimes cut a line at 16 KiB (containerd, CRI-O, Docker)."""
TAIL_LINES = 20
"""Of other words (a traceback) that are kept to be shown."""


def event_line(name: str, value: Json) -> str:
    """One thing that the Job says of itself: `level`, `progress` or `error`."""
    return _EVENT + json.dumps([name, value], ensure_ascii=True, separators=(",", ":"))


def result_lines(data: bytes) -> Iterator[str]:
    """The result, gzipped, in numbered lines, and the checksum of `data` at their end."""
    text = base64.b64encode(gzip.compress(data, mtime=0)).decode()
    parts = [text[i : i + LINE_CHARACTERS] for i in range(0, len(text), LINE_CHARACTERS)]
    for number, part in enumerate(parts):
        yield f"{_RESULT}{number} {len(parts)} {part}"
    yield f"{_SUM}{len(parts)} {hashlib.sha256(data).hexdigest()}"


class JobLog:
    """Reads a log line by line."""

    def __init__(self) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        """The newest lines that are none of ours."""
        self.lines = 0
        """Read so far."""
        self.error: Json = None
        """What the Job says went wrong: message, hint, kind; None: nothing yet."""
        self._parts: dict[int, str] = {}
        self._count: int | None = None
        self._sum: str | None = None

    def feed(self, line: str) -> tuple[str, Json] | None:
        """(name, value) where the line is an event. A line that was cut is passed over: the result says what lacks."""
        self.lines += 1
        kind = next((k for k in (_EVENT, _SUM, _RESULT) if line.startswith(k)), None)
        if kind is None:
            if line.strip():
                self.tail.append(line)
            return None
        try:
            if kind is _EVENT:
                name, value = json.loads(line[len(_EVENT) :])
                self.error = value if name == "error" else self.error
                return str(name), value
            if kind is _SUM:
                count, self._sum = line[len(_SUM) :].split()
                self._count = int(count)
            else:
                number, count, part = line[len(_RESULT) :].split()
                self._count = int(count)
                self._parts[int(number)] = part
        except ValueError:
            pass
        return None

    @property
    def begun(self) -> bool:
        """Some of the result was read."""
        return bool(self._parts) or self._sum is not None

    @property
    def complete(self) -> bool:
        """All of the result was read, and its checksum: no more lines are needed."""
        return self._sum is not None and len(self._parts) == self._count

    def result(self) -> bytes:
        """The result. Raises ValueError saying what is wrong with it."""
        if self._count is None or not self.complete:
            read = "the end is missing" if self._sum is None else f"{len(self._parts)} of {self._count} lines were read"
            raise ValueError(f"the result is not whole: {read}")
        try:
            text = "".join(self._parts[number] for number in range(self._count))
            data = gzip.decompress(base64.b64decode(text, validate=True))
        except (KeyError, ValueError, OSError, EOFError, zlib.error):
            raise ValueError("the result is not what was written: it cannot be unpacked") from None
        if hashlib.sha256(data).hexdigest() != self._sum:
            raise ValueError("the result is not what was written: its checksum is another")
        return data

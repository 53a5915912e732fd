"""The server with known times (server.c): compiled once per source, started, ended, and its stamps read.

    with Server(Schedule(pace="steps", ttft_s=0.1, itl_s=0.015)) as server:
        ...  # requests to server.url
    for answer in server.answers: ...

`answers` and `served` are there once it has ended.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import struct
import subprocess
import tempfile
from array import array
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

PROGRAMS = {"server": ("server.h", "server.c", "http.c", "streams.c"), "floor": ("floor.c",)}
FLAGS = ("-O2", "-Wall", "-Wextra", "-Werror")
MODEL = "mock"
_MAGIC = b"ICLSTMP1"
_REQUEST = struct.Struct("=64sqqqII")
"""As write_stamps() in streams.c writes it."""
_START_S = 10.0
_END_S = 30.0


class ServerError(Exception):
    """The server could not be built, started, or read."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When tokens are due; what the words mean stands at the head of server.c."""

    pace: Literal["staggered", "steps", "flood"] = "staggered"
    ttft_s: float = 0.1
    itl_s: float = 0.015
    spread_s: float = 0.0
    tokens: int = 128
    """Of requests that do not ask for a number."""
    tokens_per_write: int = 1

    def arguments(self) -> list[str]:
        """The server's options."""
        return [
            *("--pace", self.pace),
            *("--ttft-us", str(round(self.ttft_s * 1e6))),
            *("--itl-us", str(round(self.itl_s * 1e6))),
            *("--spread-us", str(round(self.spread_s * 1e6))),
            *("--tokens", str(self.tokens)),
            *("--tokens-per-write", str(self.tokens_per_write)),
        ]


@dataclass(frozen=True)
class Answer:
    """One request as the server saw it. Times are nanoseconds."""

    key: str
    """Its x-request-id header, or the number that its prompt began with; empty when it had neither."""
    received_ns: int
    """CLOCK_MONOTONIC when the kernel had the last byte of the request."""
    read_ns: int
    """CLOCK_MONOTONIC when the server had it."""
    received_real_ns: int
    """CLOCK_REALTIME of `received_ns`."""
    asked: int
    sent_ns: array[int]
    """CLOCK_MONOTONIC just before the write of each token; tokens of one write have the same."""
    sent_real_ns: array[int]
    """CLOCK_REALTIME of the same moments."""

    @property
    def ttft_ns(self) -> int | None:
        """From the request's arrival to the write of the first token; None when none was written."""
        return self.sent_ns[0] - self.received_ns if self.sent_ns else None

    @property
    def itl_ns(self) -> list[int]:
        """Between the writes of each token and the next; 0 within one write."""
        return [after - before for before, after in zip(self.sent_ns, self.sent_ns[1:], strict=False)]


@dataclass(frozen=True)
class Served:
    """What the server says of itself at its end."""

    requests: int
    refused: int
    tokens: int
    writes: int
    cpu_s: float


def cache_home() -> Path:
    """Where builds and the peers' environments are kept, outside the repository."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "infercli" / "loadgen"


def build(name: str = "server") -> Path:
    """A compiled program, made when there is none of these sources yet. Raises ServerError."""
    folder = Path(__file__).parent
    texts = b"".join((folder / source).read_bytes() for source in PROGRAMS[name])
    program = cache_home() / f"{name}-{hashlib.sha256(texts + ' '.join(FLAGS).encode()).hexdigest()[:12]}"
    if program.exists():
        return program
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        made = Path(scratch) / name
        sources = [str(folder / source) for source in PROGRAMS[name] if source.endswith(".c")]
        try:
            done = subprocess.run(["cc", *FLAGS, *sources, "-o", made], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise ServerError("there is no C compiler `cc` here: apt-get install gcc libc6-dev") from None
        if done.returncode:
            raise ServerError(f"{name}.c does not compile: {done.stderr.strip()}")
        made.rename(program)
    return program


class Server:
    """A running server. It ends with the thread that entered this, however that ends."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.port = 0
        self.answers: list[Answer] = []
        self.served: Served | None = None

    @property
    def url(self) -> str:
        """Without a path."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="loadgen-")
        self._stamps = Path(self._folder.name) / "stamps"
        argv = [build(), "--model", MODEL, "--stamps", self._stamps, *self.schedule.arguments()]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None  # it is a pipe
        name, _, port = self.process.stdout.readline().partition(" ")
        if name != "port":
            self._folder.cleanup()
            raise ServerError(f"the server did not start: exit code {self.process.wait(_START_S)}")
        self.port = int(port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.process.send_signal(signal.SIGTERM)
            said, _ = self.process.communicate(timeout=_END_S)
            if self.process.returncode:
                raise ServerError(f"the server ended with {self.process.returncode}")
            self.served = Served(**json.loads(said))
            self.answers = read_stamps(self._stamps)
        finally:
            self.process.kill()
            self._folder.cleanup()


def read_stamps(path: Path) -> list[Answer]:
    """The answers, in the order in which their requests came. Raises ServerError for a file that is torn."""
    raw = path.read_bytes()
    if not raw.startswith(_MAGIC):
        raise ServerError(f"{path} is no file of stamps")
    at, answers = len(_MAGIC), []
    try:
        while at < len(raw):
            key, received, read, real, asked, sent = _REQUEST.unpack_from(raw, at)
            at += _REQUEST.size
            stamps = array("q", raw[at : at + 16 * sent])
            if len(stamps) != 2 * sent:
                raise ServerError(f"{path} ends in the middle of an answer")
            at += 16 * sent
            text = key.rstrip(b"\0").decode("latin-1")
            answers.append(Answer(text, received, read, real, asked, stamps[0::2], stamps[1::2]))
    except (struct.error, ValueError):
        raise ServerError(f"{path} ends in the middle of an answer") from None
    return answers

"""The load generator as the program of a pod: `python3 bench.pyz JOB API_KEYS`.

It is all that runs there: a zip of this package and of what it imports, in an image that has Python and pydantic. It
talks through its log alone (core/bench/job_log.py): events on stderr while it measures, the result on stdout at its
end.
"""

from __future__ import annotations

import dataclasses
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from infercli.core.bench.job import unpacked
from infercli.core.bench.job_log import event_line, result_lines
from infercli.core.bench.levels import Level
from infercli.core.endpoint import Endpoint, parse_endpoint
from infercli.core.record import Json
from infercli.errors import EndpointError, ExitCode, InferError, InputError
from infercli.loadgen.interrupts import noted
from infercli.loadgen.levels import run_levels
from infercli.loadgen.run import Progress
from infercli.loadgen.target import Target

_REACH_S = 30.0
"""How long the endpoint may refuse at first: some networks admit a new pod only seconds after it runs."""
_TELL_S = 1.0
"""Between two lines of progress: a search of hours then writes a few MB, well within what a kubelet keeps."""


def main(words: Sequence[str]) -> int:
    """`words`: where the description is, and the file with the API keys. Returns the exit code."""
    # The first process of a container is not ended by SIGTERM unless it says so.
    signal.signal(signal.SIGTERM, _ended)
    try:
        path, keys_path = words
        job = unpacked(Path(path).read_bytes())
        endpoint = parse_endpoint(job.url)
        target = Target(endpoint, job.model, job.api, api_key=_first_key(Path(keys_path)))
        _until_reachable(endpoint)
        told = _Told()
        with noted() as interrupts:
            ran = run_levels(
                job.levels,
                target,
                job.sending,
                on_level=told.level,
                on_progress=told.progress,
                workers=job.workers,
                interrupts=interrupts,
            )
    except InferError as error:
        _tell("error", {"kind": type(error).__name__, "message": error.message, "hint": error.hint})
        return error.exit_code
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a result that is being written is finished
    sys.stdout.writelines(f"{line}\n" for line in result_lines(ran.model_dump_json().encode()))
    sys.stdout.flush()
    return ExitCode.YES


class _Told:
    """What the log says while it measures."""

    def __init__(self) -> None:
        self.last = 0.0

    def level(self, level: Level, number: int) -> None:
        _tell("level", {"number": number, "load": level.load.model_dump(mode="json"), "why": level.why})

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self.last >= _TELL_S:
            self.last = now
            _tell("progress", dataclasses.asdict(progress))


def _tell(name: str, value: Json) -> None:
    sys.stderr.write(event_line(name, value) + "\n")
    sys.stderr.flush()


def _first_key(path: Path) -> str:
    try:
        keys = path.read_text(encoding="utf-8").split()
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}", "the Secret with the release's keys must have `api-keys`"
        ) from None
    if not keys:
        raise InputError("the Secret with the release's keys has no API key in `api-keys`")
    return keys[0]


def _until_reachable(endpoint: Endpoint) -> None:
    deadline = time.monotonic() + _REACH_S
    while True:
        try:
            socket.create_connection((endpoint.host, endpoint.port), timeout=5).close()
        except OSError as error:
            if time.monotonic() > deadline:
                raise EndpointError(
                    f"{endpoint.url} cannot be reached from the Job's pod: {error.strerror or error}",
                    "does the release serve? Does a NetworkPolicy other than its own keep its pods apart?",
                ) from None
            time.sleep(0.5)
        else:
            return


def _ended(_number: int, _frame: object) -> NoReturn:
    """Before there is anything to tell. While a load is sent, `run` takes the signal and keeps what it measured."""
    raise SystemExit(ExitCode.INTERRUPTED)

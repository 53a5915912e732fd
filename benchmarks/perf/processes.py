"""CPU time and peak memory of whole processes, from the kernel's own accounts (wait4), and the time that passed.

CPU time is what a command costs on a machine that others use as well; elapsed time is kept beside it. A neighbour still
shows in CPU time, through caches and clock speed, so commands that are compared take turns.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


@dataclass(kw_only=True)
class Command:
    """One command line, and what its runs took."""

    label: str
    argv: list[str]
    folder: Path
    stdin: Path | None = None
    """What it reads; None: nothing."""
    exit_code: int = 0
    """What it must end with; anything else is an error, not a measurement."""
    variables: dict[str, str] = field(default_factory=dict)
    """Of its environment, beside those that every command gets."""
    cpu_s: list[float] = field(default_factory=list)
    """User and system time of the process and of the children that it waited for, one number per run."""
    elapsed_s: list[float] = field(default_factory=list)
    """From its start to its end, one number per run."""
    memory_bytes: list[int] = field(default_factory=list)
    """Largest resident set. A run below `memory_floor_bytes` cannot be told from the measuring process itself."""


class CommandFailed(Exception):
    """A command that is measured ended otherwise than it should."""


def memory_floor_bytes() -> int:
    """The resident set of this process: Linux counts it as a child's, for the moment before the child's own program."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def spawn(command: Command, environment: dict[str, str], stdout: tuple[Any, ...], said: IO[bytes]) -> int:
    """Start it; returns its pid. `stdout`: a file action of posix_spawn; stderr goes to `said`."""
    here = Path.cwd()
    os.chdir(command.folder)  # posix_spawn has no folder of its own, and fork would copy this process
    try:
        stdin = (os.POSIX_SPAWN_OPEN, 0, command.stdin or os.devnull, os.O_RDONLY, 0)
        actions = [stdin, stdout, (os.POSIX_SPAWN_DUP2, said.fileno(), 2)]
        return os.posix_spawnp(command.argv[0], command.argv, environment | command.variables, file_actions=actions)
    finally:
        os.chdir(here)


def run_once(command: Command, environment: dict[str, str]) -> tuple[float, float, int]:
    """CPU seconds, elapsed seconds and peak memory in bytes of one run. Raises CommandFailed with what it said."""
    with tempfile.TemporaryFile() as said:
        began_s = time.monotonic()
        pid = spawn(command, environment, (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), said)
        _, status, usage = os.wait4(pid, 0)
        elapsed_s = time.monotonic() - began_s
        code = os.waitstatus_to_exitcode(status)
        if code != command.exit_code:
            said.seek(0)
            text = said.read().decode(errors="replace").strip()
            raise CommandFailed(f"{' '.join(command.argv)} ended with {code}, not {command.exit_code}: {text}")
    return usage.ru_utime + usage.ru_stime, elapsed_s, usage.ru_maxrss * 1024


def measure(commands: list[Command], runs: int, environment: dict[str, str], *, warm: bool = False) -> None:
    """Run each command once to warm caches and byte code, then `runs` times in turn; the numbers go into them.

    `warm`: they ran already.
    """
    for command in commands if not warm else ():
        run_once(command, environment)
    for _ in range(runs):
        for command in commands:
            cpu_s, elapsed_s, memory_bytes = run_once(command, environment)
            command.cpu_s.append(cpu_s)
            command.elapsed_s.append(elapsed_s)
            command.memory_bytes.append(memory_bytes)


def summary(values: list[float]) -> dict[str, float]:
    """Median, minimum and maximum."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def pin() -> int:
    """Keep this process and its children on one CPU, the last one that it may use; returns which."""
    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    return cpu


def machine(cpu: int | None = None) -> dict[str, Any]:
    """What numbers were measured on. `cpu`: the one that all was pinned to, if any."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), None)
    return {
        "cpu_model": model,
        "cpus": os.cpu_count(),
        **({} if cpu is None else {"pinned_to_cpu": cpu}),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }

"""What a program costs while it runs: the CPU time of all its processes at any moment, and their memory.

CPU time is sampled: the kernel's CPU clock of each living process of the tree (nanoseconds), and what each has of
children that ended (10 ms steps). Between two samples it is taken to grow evenly. Processes that make daemons of
themselves stay in the tree: this process is the one that the kernel gives orphans to. What a child used before it was
first seen counts then, and what it used after it was last seen when it ends: the total at the end is the kernel's own
account (wait4), orphans included.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.perf.processes import Command, spawn

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_SAMPLE_S = 0.02
"""A few hundred samples of a run of seconds; one costs some 10 us a process."""
_WALK_S = 0.2
"""Between two looks for new processes: a look reads all of /proc, some milliseconds on a busy machine."""
_MEMORY_S = 0.25
"""Between two looks at memory; longer where one look takes long (large processes), so that it costs at most a tenth."""
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(kw_only=True)
class Watched:
    """What one run took. Moments are nanoseconds of CLOCK_MONOTONIC."""

    exit_code: int | None = None
    """None: it was ended, having run for too long."""
    said: str = ""
    """The end of what it said, both streams."""
    moments_ns: list[int] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    """Of the whole tree, at each moment."""
    peak_pss_bytes: int = 0
    """Largest sum of the proportional set sizes; shared pages are counted once."""
    peak_processes: int = 0

    def cpu_at(self, moment_ns: int) -> float:
        """CPU seconds used until then."""
        if moment_ns <= self.moments_ns[0]:
            return self.cpu_s[0]
        for (t0, c0), (t1, c1) in zip(self._samples(), self._samples()[1:], strict=False):
            if moment_ns <= t1:
                return c0 + (c1 - c0) * (moment_ns - t0) / (t1 - t0)
        return self.cpu_s[-1]

    @property
    def total_cpu_s(self) -> float:
        """Of the whole run."""
        return self.cpu_s[-1]

    def _samples(self) -> list[tuple[int, float]]:
        return list(zip(self.moments_ns, self.cpu_s, strict=True))


def watch(command: Command, environment: dict[str, str], timeout_s: float) -> Watched:
    """Run it to its end, or end it with all its processes after `timeout_s`."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryFile() as said:
        found = Watched(moments_ns=[time.monotonic_ns()], cpu_s=[0.0])
        root = spawn(command, environment, (os.POSIX_SPAWN_DUP2, said.fileno(), 1), said)
        tree = _Tree(root)
        handle = os.pidfd_open(root)
        try:
            _follow(found, tree, handle, timeout_s)
        finally:
            os.close(handle)
            _end(found, tree)
        said.seek(max(0, said.seek(0, os.SEEK_END) - 4000))
        found.said = said.read().decode(errors="replace").strip()
    return found


def _follow(found: Watched, tree: _Tree, handle: int, timeout_s: float) -> None:
    began = time.monotonic()
    walk_at = memory_at = began
    while True:
        now = time.monotonic()
        if now >= walk_at:
            tree.walk()
            walk_at = now + _WALK_S
            found.peak_processes = max(found.peak_processes, len(tree.pids))
        if now >= memory_at:
            found.peak_pss_bytes = max(found.peak_pss_bytes, sum(_pss_bytes(pid) for pid in tree.pids))
            took_s = time.monotonic() - now
            memory_at = now + max(_MEMORY_S, 10 * took_s)
        used = tree.cpu_s()
        found.moments_ns.append(time.monotonic_ns())
        found.cpu_s.append(max(used, found.cpu_s[-1]))
        if select.select([handle], [], [], _SAMPLE_S)[0] or now - began > timeout_s:
            return


def _end(found: Watched, tree: _Tree) -> None:
    """Wait for the program, or kill it; then for all that it left behind."""
    tree.walk()
    pid, status, usage = os.wait4(tree.root, os.WNOHANG)
    if pid:
        found.exit_code = os.waitstatus_to_exitcode(status)
    else:
        os.kill(tree.root, signal.SIGKILL)
        _, _, usage = os.wait4(tree.root, 0)
    total_s = usage.ru_utime + usage.ru_stime
    # Orphans are children of this process by now.
    while left := [pid for pid in tree.pids if pid != tree.root and _parent(pid) == os.getpid()]:
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            _, _, usage = os.wait4(pid, 0)
            total_s += usage.ru_utime + usage.ru_stime
        tree.walk()
    found.moments_ns.append(time.monotonic_ns())
    found.cpu_s.append(max(total_s, found.cpu_s[-1]))


class _Tree:
    """A process and its descendants, as far as they were seen."""

    def __init__(self, root: int) -> None:
        self.root = root
        self.pids = [root]
        self._others = {pid for pid, parent in _parents().items() if parent == os.getpid()} - {root}
        """Children of this process that were there before."""

    def walk(self) -> None:
        """Look for processes that have come or gone. A new child of this process is an orphan of the tree."""
        parents = _parents()
        found = {pid for pid in self.pids if pid in parents}
        found |= {pid for pid, parent in parents.items() if parent == os.getpid()} - self._others
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        self.pids = sorted(found)

    def cpu_s(self) -> float:
        """Of the living, with what their ended children used."""
        return sum(_own_cpu_s(pid) + _ended_children_cpu_s(pid) for pid in self.pids)


def _own_cpu_s(pid: int) -> float:
    """The process's CPU clock; its id is made as clock_getcpuclockid() makes it."""
    try:
        return time.clock_gettime(((~pid) << 3) | 2)
    except OSError:
        return 0.0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, the state first; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123  # 50 times a second
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def _parent(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _parents() -> dict[int, int]:
    names = os.listdir("/proc")  # noqa: PTH208  # names only, some hundred of them five times a second
    found = {int(name): _parent(int(name)) for name in names if name.isdigit()}
    return {pid: parent for pid, parent in found.items() if parent is not None}


def _ended_children_cpu_s(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[13]) + int(fields[14])) * _TICK_S if fields else 0.0


def _pss_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)

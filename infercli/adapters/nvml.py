"""GPU telemetry of this machine: starts the process that asks NVML, and reads what it found when the run is over.

No GPU, no driver, no permission are normal here: they become a sentence, never a zero and never a failed benchmark.

What the process writes goes to an unnamed file instead of a pipe: nobody has to read along while the load runs, and
what was written outlives a process that dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any, Self

from infercli.core.telemetry.gpus import GpuTelemetry, Telemetry, Xid, gpu_telemetry

INTERVAL_S = 1.0
"""NVML averages power over about a second on most GPUs since Ampere (arXiv 2312.02741): sampling faster shows more of
clocks and memory, and nothing more of power. Slower, and a run of half a minute has too few samples to say anything of
its middle."""
START_WAIT_S = 0.5
"""For the first sample, which is to lie before the load. Our choice: nobody notices so much; where the driver has to be
loaded first, the samples begin after the load."""
STOP_WAIT_S = 10.0
"""For the last sample and the end of the process. A driver that is not kept loaded takes 1 to 3 s for a GPU (NVIDIA's
page on driver persistence)."""
LIBRARY = "libnvidia-ml.so.1"
"""What nvidia-ml-py loads."""
SAMPLER = Path(__file__).with_name("nvml_sampler.py")


class GpuSampler:
    """`with GpuSampler() as sampler: ...`, then `sampler.telemetry` or, where that is None, `sampler.reason`.

    Never raises for what NVML lacks.
    """

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self.telemetry: Telemetry | None = None
        """After the block, its time counted from the first sample; None when there was nothing to sample."""
        self.reason: str | None = None
        """`no GPU telemetry: ...`; None when there is telemetry."""
        self._interval_s = interval_s
        self._child: subprocess.Popen[bytes] | None = None
        self._lines: IO[bytes] | None = None
        self._about: dict[str, Any] = {}
        self._samples: list[dict[str, Any]] = []
        self._failed: str | None = None
        """The process's own words for an error of its own."""

    def __enter__(self) -> Self:
        try:
            ctypes.CDLL(LIBRARY)
        except OSError:
            self.reason = "no GPU telemetry: NVML Shared Library Not Found"  # the binding's words, without the process
            return self
        # -P: the script's folder has modules that are called like the standard library's.
        command = [sys.executable, "-P", str(SAMPLER), repr(self._interval_s), str(os.getpid())]
        try:
            self._lines = tempfile.TemporaryFile()
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=self._lines,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C at the terminal is for the parent
            )
        except OSError as error:
            self.reason = f"no GPU telemetry: its process cannot be started: {error.strerror or error}"
            return self
        until = time.monotonic() + START_WAIT_S
        while time.monotonic() < until and self._child.poll() is None and self._written().count(b"\n") < 2:
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is None:
            return
        ended = self._end(self._child)
        self._read(self._written())
        self._failed = self._failed or ended
        assert self._lines is not None
        self._lines.close()
        if "reason" in self._about:
            self.reason = f"no GPU telemetry: {self._about['reason']}"
        elif not self._samples:
            self.reason = f"no GPU telemetry: {self._failed or 'its process ended without a sample'}"
        else:
            self.telemetry = self.telemetry_since(min(row["at_ns"] for row in self._samples[0]["gpus"]))

    def telemetry_since(self, origin_ns: int) -> Telemetry | None:
        """The same with its time counted from an instant of CLOCK_MONOTONIC. None: see `reason`."""
        if not self._samples:
            return None
        at_ns = [row["at_ns"] for sample in self._samples for row in sample["gpus"]]
        return Telemetry(
            interval_s=self._interval_s,
            window_s=round((max(at_ns) - min(at_ns)) / 1e9, 3),
            driver_version=self._about["driver_version"],
            ended_early=self._failed,
            gpus=tuple(self._gpu(number, about, origin_ns) for number, about in enumerate(self._about["gpus"])),
        )

    def _gpu(self, number: int, about: dict[str, Any], origin_ns: int) -> GpuTelemetry:
        rows = [sample["gpus"][number] for sample in self._samples]
        why = {counter: reason for row in rows for counter, reason in row["why"].items()}
        seen = [x for sample in self._samples for x in sample["xids"] if x[0] == about["index"]]
        return gpu_telemetry(
            about["index"],
            [_seconds(row["at_ns"], origin_ns) for row in rows],
            rows,
            why,
            name=about["name"],
            uuid=about["uuid"],
            memory_total_bytes=about["memory_total_bytes"],
            power_source=rows[-1]["power_source"],
            xids=tuple(Xid(at_s=_seconds(at_ns, origin_ns), code=code) for _, code, at_ns in seen)
            if "xids" not in why
            else None,
        )

    def _written(self) -> bytes:
        """Everything so far, without moving the place at which the process writes."""
        assert self._lines is not None
        return os.pread(self._lines.fileno(), os.fstat(self._lines.fileno()).st_size, 0)

    def _end(self, child: subprocess.Popen[bytes]) -> str | None:
        """Asks the process for its last sample and waits. What went wrong, or None."""
        early = child.poll() is not None
        assert child.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            # A byte and not only the end, which a copy of the pipe in a fork of this process would hold back.
            child.stdin.write(b"\n")
            child.stdin.close()
        try:
            code = child.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):  # a driver that hangs holds it beyond its death
                child.wait(1.0)
            return f"NVML did not answer within {STOP_WAIT_S:g} s"
        if code < 0:
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process ended with exit code {code}" if early or code else None

    def _read(self, written: bytes) -> None:
        for line in written.split(b"\n")[:-1]:  # what follows the last newline was cut by the end
            parsed = json.loads(line)
            if "xids" in parsed:
                self._samples.append(parsed)
            elif "failed" in parsed:
                self._failed = parsed["failed"]
            else:
                self._about = parsed


def _seconds(at_ns: int, origin_ns: int) -> float:
    return round((at_ns - origin_ns) / 1e9, 3)

"""Measure an endpoint: `run` is all that the rest of infercli needs of the load generator.

The loop runs in this process. Ctrl-C and SIGTERM end it early and keep what was measured; a second one ends the process
as it always would.
"""

from __future__ import annotations

import contextlib
import gc
import os
import platform
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import infercli
from infercli.core.bench import Client, Prompt
from infercli.core.endpoint import Endpoint
from infercli.core.traces import ClosedLoad, Trace
from infercli.errors import EndpointError, InputError
from infercli.loadgen.loop import Loop, Progress, Tally
from infercli.loadgen.target import Target, serialise


@dataclass(frozen=True)
class Measurement:
    """What came back."""

    started_at: str
    """UTC, ISO 8601."""
    origin_ns: int
    """CLOCK_MONOTONIC when the traces' time was 0: what else was stamped on this machine can be laid beside them."""
    traces: tuple[Trace, ...]
    """In the order in which they were sent."""
    client: Client
    stopped: str | None
    """Why it ended early; None: it did not. `interrupted` is Ctrl-C or SIGTERM."""


def run(
    target: Target,
    load: ClosedLoad,
    prompts: Sequence[Prompt],
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Measurement:
    """Send the load, prompts in turn, and return every request with its times.

    `on_progress` is called about five times a second, from inside the loop: what it costs, the client lags.
    Raises InputError (no prompts, a key that no header can carry), EndpointError (the host name is unknown).
    """
    if not prompts:
        raise InputError("there are no prompts to send")
    requests = serialise(target, load, prompts)
    address = _resolve(target.endpoint)
    tls = None
    if target.endpoint.scheme == "https":
        tls = (target.ssl_context or ssl.create_default_context(), target.endpoint.host)
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    with _interruptible() as interrupted, _without_gc():
        loop = Loop(address, requests, load, tls=tls, on_progress=on_progress, interrupted=interrupted)
        wall_s, cpu_s = time.monotonic(), time.process_time()
        traces = loop.run()
        wall_s, cpu_s = time.monotonic() - wall_s, time.process_time() - cpu_s
    return Measurement(
        started_at=started_at,
        origin_ns=loop.origin,
        traces=tuple(sorted(traces, key=lambda t: t.request)),
        client=_client(loop.tally, loop.clock.reason, wall_s, cpu_s),
        stopped=loop.tally.stopped,
    )


def _resolve(endpoint: Endpoint) -> tuple[int, Any]:
    """The first address of the host, so that no request waits for a name server."""
    try:
        family, _, _, _, address = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise EndpointError(f"the host name {endpoint.host} cannot be resolved: {error.strerror}") from error
    return family, address


@contextlib.contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Inside, the first SIGINT or SIGTERM is noted instead of raised, so that no trace is torn."""
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread is told of signals, and only it may change what they do.
        yield lambda: False
        return
    seen = False
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def note(_number: int, _frame: object) -> None:
        nonlocal seen
        seen = True
        restore()

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: seen
    finally:
        restore()


@contextlib.contextmanager
def _without_gc() -> Iterator[None]:
    """No collection while measuring: one takes milliseconds, and the loop makes no cycles to collect."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.unfreeze()
        if was_enabled:
            gc.enable()


def _client(tally: Tally, reason: str | None, wall_s: float, cpu_s: float) -> Client:
    if reason is None and tally.reads and tally.unstamped_reads == tally.reads:
        reason = "the kernel was asked for receive times and gave none"
    return Client(
        infercli_version=infercli.__version__,
        python=platform.python_version(),
        cpu=_cpu_model(),
        cpus=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        clock="kernel" if reason is None else "user",
        clock_reason=reason,
        wall_s=round(wall_s, 6),
        cpu_s=round(cpu_s, 6),
        reads=tally.reads,
        unstamped_reads=tally.unstamped_reads,
        reconnects=tally.reconnects,
        load_average=round(os.getloadavg()[0], 2),
    )


def _cpu_model() -> str | None:
    """As the kernel names it; None where /proc/cpuinfo does not say (arm64 gives part numbers only)."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123  # proc, line by line
            return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), None)
    except OSError:
        return None

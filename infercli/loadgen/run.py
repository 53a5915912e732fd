"""Measure an endpoint: `run` is all that the rest of infercli needs of the load generator.

Workers are forked and send; this process starts them together, tells how far they are, and ends them. Ctrl-C, SIGTERM
and SIGHUP end a run early and keep what was measured; a second one ends the process as it always would.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
import selectors
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import infercli
from infercli.core.bench.saturation import Look, saturated
from infercli.core.bench.self_check import Client
from infercli.core.load.conversation import Conversation
from infercli.core.traces import Load, Stop, Trace
from infercli.errors import InferError, InputError
from infercli.loadgen import shares
from infercli.loadgen.arrivals import arrivals
from infercli.loadgen.exchange import in_seconds
from infercli.loadgen.interrupts import Interrupts, noted
from infercli.loadgen.route import Route, route_to
from infercli.loadgen.target import Requests, Target
from infercli.loadgen.worker import Channel, Place, fork

STREAMS_PER_WORKER = 256
"""A worker takes 150,000 tokens a second (measured); beyond so many streams a second core helps their times."""
RATE_PER_WORKER = 500.0
"""Requests a second. With 128 tokens each they take two thirds of a core, at the 10.5 us a token that 1,024 streams
cost (benchmarks/results/perf-loadgen.json)."""
_TICK_S = 0.2
_START_S = 0.002
"""From the word to begin to the beginning: longer than the word takes to every worker."""
_RECENT_S = 5.0
"""Over which live latencies are averaged."""
_BUSY_NEEDS_S = 1.0
"""A run shorter than this says nothing about how busy a worker is: its start is in it."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands."""

    warmup: bool
    done: int
    """Answered, failed or cut, in this part."""
    failed: int
    total: int | None
    """None: runs for a time."""
    elapsed_s: float
    """In this part."""
    output_tokens: int
    """So far, in this part."""
    in_flight: int = 0
    ttft_s: float | None = None
    """Mean of the answers of the last seconds; None: there were none."""
    tpot_s: float | None = None


@dataclass(frozen=True)
class Measurement:
    """What came back."""

    started_at: str
    """UTC, ISO 8601."""
    origin_ns: int
    """CLOCK_MONOTONIC when the traces' time was 0: what else was stamped on this machine can be laid beside them."""
    traces: tuple[Trace, ...]
    """In the order in which they were due."""
    client: Client
    stopped: Stop | None
    """None: it did not end early. `interrupted` is Ctrl-C, SIGTERM or SIGHUP."""


def run(
    target: Target,
    load: Load,
    conversations: Sequence[Conversation],
    on_progress: Callable[[Progress], None] = lambda _: None,
    *,
    workers: int | None = None,
    interrupts: Interrupts | None = None,
) -> Measurement:
    """Send the load and return every request with its times. `workers`: None takes as many as it needs.

    `interrupts`: of whoever notes them for longer than this; None: they are noted while it sends. `on_progress` is
    called about five times a second; the workers do not wait for it. Raises InputError (nothing to send, a key that no
    header can carry, workers that the system cannot count for), EndpointError (the host name is unknown), InferError
    (a worker was killed).
    """
    if not conversations:
        raise InputError("there are no prompts to send")
    if workers is not None and workers > 1 and not shares.SHARED:
        raise InputError("this system has nothing that counts for several workers (eventfd)", "leave --workers out")
    route = route_to(target.endpoint, target.ssl_context, load.connect_timeout_s)
    requests = Requests(target, load, conversations, proxied=route.proxied, more_headers=route.headers)
    count = workers_of(load) if workers is None else max(1, min(workers, load.concurrency or workers))
    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    with contextlib.nullcontext(interrupts) if interrupts is not None else noted() as interrupted:
        interrupted.sending = True
        origin = time.monotonic_ns()
        crew = _Crew(load, _total(load, conversations), on_progress)
        taken_from = shares.shares_of(load)
        try:
            for index in range(count):
                crew.add(*fork(route, requests, load, Place(index, count, *taken_from), origin))
            crew.until_done(interrupted)
        finally:
            interrupted.sending = False
            crew.end()
            for each in taken_from:
                each.close()
    done = crew.done
    taken = sorted((t for d in done for t in d["traces"]), key=lambda t: (t["intended_s"], t["sent_s"] or 0))
    return Measurement(
        started_at=started_at,
        origin_ns=origin,
        traces=tuple(_trace(t, i, origin, conversations[t["conversation"]], target) for i, t in enumerate(taken)),
        client=_client(done, route),
        stopped=crew.stopped or next((d["stopped"] for d in done if d["stopped"]), None),
    )


def _trace(taken: dict[str, Any], number: int, origin: int, conversation: Conversation, target: Target) -> Trace:
    asked = {"request": number, "model": conversation.model, "max_tokens": conversation.turns[taken["turn"]].max_tokens}
    if taken.get("served_model") in (conversation.model or target.model, ""):
        asked["served_model"] = None
    return Trace.model_validate(in_seconds(taken, origin) | asked)


def _total(load: Load, conversations: Sequence[Conversation]) -> int | None:
    """How many requests will be measured where all are answered; None: the load goes by time."""
    if load.arrivals is None or load.duration_s is not None or not (load.multi_turn or load.arrivals == "trace"):
        return load.requests
    return sum(len(conversations[index].turns) for _, index in arrivals(load, conversations))


def workers_of(load: Load) -> int:
    """One, and more for a load that one cannot watch closely, as far as there are cores."""
    if not shares.SHARED:
        return 1
    cores = _cores()
    rate_per_s = max(load.rate_per_s or 0.0, load.ramp_to_per_s or 0.0)
    needed = max((load.concurrency or 1) / STREAMS_PER_WORKER, rate_per_s / RATE_PER_WORKER)
    return max(1, min(cores, load.concurrency or cores, math.ceil(needed)))


def _cores() -> int:
    """That this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Crew:
    """The workers of a run."""

    def __init__(self, load: Load, total: int | None, on_progress: Callable[[Progress], None]) -> None:
        self.load, self.total, self.on_progress = load, total, on_progress
        self.channels: dict[int, Channel] = {}
        self.done: list[dict[str, Any]] = []
        self.stopped: Stop | None = None
        self.warmup = bool(load.warmup_requests)
        self.ready: set[int] = set()
        self.counts: dict[int, tuple[Any, ...]] = {}
        self.part_began = time.monotonic()
        self.looks: list[Look] = []
        self.recent: list[tuple[float, tuple[float, ...]]] = []

    def add(self, pid: int, channel: Channel) -> None:
        """One more."""
        self.channels[pid] = channel

    def until_done(self, interrupted: Callable[[], bool]) -> None:
        """Until every worker has told what it measured. Raises InferError when one ends without."""
        with selectors.DefaultSelector() as selector:
            for pid, channel in self.channels.items():
                selector.register(channel, selectors.EVENT_READ, pid)
            told = time.monotonic()
            while selector.get_map():
                for key, _ in selector.select(_TICK_S):
                    channel = self.channels[key.data]
                    if self._hear(key.data, channel.receive()):
                        selector.unregister(channel)
                now = time.monotonic()
                if interrupted():
                    self._stop(Stop(kind="interrupted"))
                if now - told >= _TICK_S:
                    told = now
                    self._tell(now)
        self._tell(time.monotonic())

    def _hear(self, pid: int, message: tuple[Any, ...] | None) -> bool:
        """True when the worker has said its last word."""
        if message is None:
            _, status = os.waitpid(pid, 0)
            self.channels.pop(pid).sock.close()
            raise _ended(status)
        kind, *values = message
        if kind == "progress":
            self.counts[pid] = tuple(values)
        elif kind == "ready":
            self._is_ready(pid, values[0])
        elif kind == "done":
            self.done.append(values[0])
            if values[0]["stopped"] is not None:
                self._stop(values[0]["stopped"])  # part of a load is another load
            return True
        else:
            raise RuntimeError(f"a worker of the load generator failed:\n{values[0]}")
        return False

    def _is_ready(self, pid: int, stopped: Stop | None) -> None:
        self.ready.add(pid)
        self.stopped = self.stopped or stopped
        if len(self.ready) < len(self.channels):
            return
        self._tell(time.monotonic())
        self.warmup = False
        self.counts.clear()
        self.recent.clear()
        self.part_began = time.monotonic()
        when = time.monotonic_ns() + round(_START_S * 1e9)
        word = ("go", when) if self.stopped is None else ("stop", self.stopped)
        for channel in self.channels.values():
            with contextlib.suppress(OSError):  # of one that is gone `_hear` reads the end
                channel.send(*word)

    def _stop(self, why: Stop) -> None:
        if self.stopped is not None:
            return
        self.stopped = why
        for pid, channel in self.channels.items():
            # A worker whose warm-up is over waits for the word to begin, and hears of it there.
            if pid not in self.ready or len(self.ready) == len(self.channels):
                with contextlib.suppress(OSError):
                    channel.send("stop", why)

    def _tell(self, now: float) -> None:
        if not self.counts:
            return
        _, done, failed, tokens, ttft_s, ttfts, tpot_s, tpots, in_flight = map(
            sum, zip(*self.counts.values(), strict=True)
        )
        elapsed_s = now - self.part_began
        self.recent.append((now, (ttft_s, ttfts, tpot_s, tpots)))
        while self.recent[0][0] < now - _RECENT_S and len(self.recent) > 1:
            self.recent.pop(0)
        old = self.recent[0][1] if len(self.recent) > 1 else (0.0, 0, 0.0, 0)
        load = self.load
        self.on_progress(
            Progress(
                warmup=self.warmup,
                done=int(done),
                failed=int(failed),
                total=load.warmup_requests if self.warmup else self.total,
                elapsed_s=elapsed_s,
                output_tokens=int(tokens),
                in_flight=int(in_flight),
                ttft_s=(ttft_s - old[0]) / (ttfts - old[1]) if ttfts > old[1] else None,
                tpot_s=(tpot_s - old[2]) / (tpots - old[3]) if tpots > old[3] else None,
            )
        )
        if load.stop_when_saturated and not self.warmup and load.arrivals is not None:
            self.looks.append(Look(elapsed_s, int(done + in_flight), int(done)))
            why = saturated(self.looks, load.gap_variation)
            if why is not None:
                self._stop(Stop(kind="saturated", detail=why))

    def end(self) -> None:
        """No worker is left, whatever happened."""
        for pid, channel in self.channels.items():
            channel.sock.close()
            with contextlib.suppress(ProcessLookupError):
                if len(self.done) < len(self.channels):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _ended(status: int) -> InferError:
    """Of a worker that said nothing before."""
    if not os.WIFSIGNALED(status):
        return InferError(f"a worker of the load generator ended with code {status >> 8}", "run it again")
    number = os.WTERMSIG(status)
    # The kernel takes memory back with this one; any other was sent by somebody, or is a crash.
    hint = "memory may be short: lower the load" if number == signal.SIGKILL else "run it again"
    return InferError(f"a worker of the load generator ended by signal {number}", hint)


def _client(done: Sequence[dict[str, Any]], route: Route) -> Client:
    reads, unstamped = sum(d["reads"] for d in done), sum(d["unstamped_reads"] for d in done)
    reason = next((d["clock_reason"] for d in done if d["clock_reason"]), None)
    if reason is None and reads and unstamped == reads:
        reason = "the kernel was asked for receive times and gave none"
    wall_s = max(d["wall_s"] for d in done)
    return Client(
        infercli_version=infercli.__version__,
        python=platform.python_version(),
        cpu=_cpu_model(),
        cpus=_cores(),
        kernel=platform.release(),
        clock="kernel" if reason is None else "user",
        clock_reason=reason,
        pacing=done[0]["pacing"],
        workers=len(done),
        wall_s=round(wall_s, 6),
        cpu_s=round(sum(d["cpu_s"] for d in done), 6),
        crowded_fraction=round(max(d["crowded_s"] / d["wall_s"] for d in done), 4),
        busiest_cpu_fraction=(
            round(max(d["cpu_s"] / d["wall_s"] for d in done), 4) if wall_s >= _BUSY_NEEDS_S else None
        ),
        reads=reads,
        unstamped_reads=unstamped,
        reconnects=sum(d["reconnects"] for d in done),
        without_socket=sum(d["without_socket"] for d in done),
        other_addresses=route.others,
        proxy=route.proxy,
        load_average=round(os.getloadavg()[0], 2),
    )


def _cpu_model() -> str | None:
    """As the kernel names it; None where /proc/cpuinfo does not say (arm64 gives part numbers only)."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123  # proc, line by line
            return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), None)
    except OSError:
        return None

"""Whether the client or the server was the limit: judged from what the client measured of itself, by stated limits."""

from __future__ import annotations

from typing import Literal

from infercli.core.metrics import Metrics
from infercli.core.record import Record

LAG_LIMIT_S = 0.005
"""Seconds, at p99: engines make a token every 5 to 50 ms at the speeds people deploy for, and a client that looks later
than half a gap merges tokens of one stream. So the limit is half the median gap where that is more. Our choice; the
times themselves are the kernel's and do not move with the lag."""
SEND_LAG_LIMIT_S = 0.01
"""Seconds, at p99, that requests began late by the client's own fault: a tenth of a brisk TTFT. Our choice; other tools
warn at 200 ms (guidellm 0.8.1) or not at all."""
CLOSED_LAG_FRACTION = 0.05
"""In a closed loop nobody is due at a given time: late means that a user pauses, so the limit is this share of what an
answer takes, where that is more. Where 256 answers end at once some of their users wait for 25 ms (measured)."""
CROWDED_LIMIT_FRACTION = 0.1
"""Of the time, in which a worker read in larger pieces because it was short of CPU. Our choice."""
CPU_LIMIT_FRACTION = 0.9
"""Of one core, each worker being one thread: nearer to 1 it queues behind itself. Our choice."""


class Client(Record):
    """The measuring side."""

    infercli_version: str
    python: str
    cpu: str | None
    cpus: int
    """That this process may use."""
    kernel: str
    clock: Literal["kernel", "user"]
    """Who stamped the arrivals: the kernel on receipt, or the client when it had read them (TLS, or no support)."""
    clock_reason: str | None = None
    """Why not the kernel."""
    pacing: Literal["timerfd", "poll"]
    """What wakes the client when a request is due: the kernel's timer, or a sleep to the millisecond."""
    workers: int
    wall_s: float
    cpu_s: float
    """CPU time of all workers in that wall time."""
    busiest_cpu_fraction: float | None
    """Of one core, by the worker that used most of one; None for a run too short to tell."""
    crowded_fraction: float = 0.0
    """Of the time, in which a worker was short of CPU and read in larger pieces to keep up: tokens that came apart were
    merged, and of each piece only the newest time is known. By the worker of which it is most."""
    reads: int
    unstamped_reads: int
    """Reads for which the kernel gave no time and the client's own was taken."""
    reconnects: int
    """Kept connections that the server had closed; the request went out again on a new one."""
    other_addresses: int = 0
    """Of the endpoint's host name, of the family that was used: all connections were made to one."""
    load_average: float | None = None
    """Of this machine over the last minute, when the run ended."""


class SelfCheck(Record):
    """Whose limit a level of load shows."""

    client_limited: bool | None
    """True: do not take the numbers for the server's. None: it cannot be told."""
    reasons: tuple[str, ...]
    """Why True or None."""
    lag_limit_s: float
    send_lag_limit_s: float
    cpu_limit_fraction: float = CPU_LIMIT_FRACTION
    cpu_us_per_token: float | None
    """Microseconds of the workers' CPU per output token, all phases' time over the measured phase's tokens."""


ADVICE = "give it more cores (--workers), run it on another machine than the engine, or lower the load"


def check_client(client: Client, metrics: Metrics, *, closed: bool) -> SelfCheck:
    """Judge one level of load. `closed`: a loop of users, each waiting for its answer."""
    lag_limit_s = LAG_LIMIT_S if metrics.itl_s is None else max(LAG_LIMIT_S, metrics.itl_s.p50 / 2)
    send_limit_s = SEND_LAG_LIMIT_S
    if closed and metrics.e2e_s is not None:
        send_limit_s = max(SEND_LAG_LIMIT_S, CLOSED_LAG_FRACTION * metrics.e2e_s.p50)
    reasons = []
    lag, send_lag = metrics.client_lag_s, metrics.send_lag_s
    if lag is not None and lag.p99 > lag_limit_s:
        reasons.append(f"it read {lag.p99 * 1000:.1f} ms late at p99, the limit is {lag_limit_s * 1000:.1f} ms")
    if send_lag is not None and send_lag.p99 > send_limit_s:
        reasons.append(f"it sent {send_lag.p99 * 1000:.1f} ms late at p99, the limit is {send_limit_s * 1000:.1f} ms")
    busy = client.busiest_cpu_fraction
    if busy is not None and busy > CPU_LIMIT_FRACTION:
        reasons.append(f"a worker used {busy:.0%} of a core, the limit is {CPU_LIMIT_FRACTION:.0%}")
    if client.crowded_fraction > CROWDED_LIMIT_FRACTION:
        reasons.append(
            f"a worker was short of CPU for {client.crowded_fraction:.0%} of the time and merged tokens to keep up, "
            f"the limit is {CROWDED_LIMIT_FRACTION:.0%}"
        )
    limited: bool | None = bool(reasons)
    if not reasons and client.clock == "user":
        limited = None
        reasons.append(f"nobody says how late it read: {client.clock_reason}")
    elif not reasons and metrics.answered == 0:
        limited = None
        reasons.append("no request was answered")
    return SelfCheck(
        client_limited=limited,
        reasons=tuple(reasons),
        lag_limit_s=lag_limit_s,
        send_lag_limit_s=send_limit_s,
        cpu_us_per_token=client.cpu_s * 1e6 / metrics.output_tokens if metrics.output_tokens else None,
    )

"""Whether the client or the server was the limit: judged from what the client measured of itself, by stated limits."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import median, median_low
from typing import Literal, NamedTuple

from infercli.core.bench.metrics import Metrics, quantile, samples_of, ttft_s
from infercli.core.bench.stats import MIN_REQUESTS
from infercli.core.record import Record
from infercli.core.traces import Trace
from infercli.core.units import counted

LAG_LIMIT_S = 0.005
"""Seconds: engines make a token every 5 to 50 ms at the speeds people deploy for, and the client's own naps take 4 ms.
What came together within so long is taken for the server's doing. Our choice."""
MERGED_LIMIT_FRACTION = 0.01
"""Of the token frames, or of the first ones, that a client may have merged by looking late: beyond it p99 is no longer
that of the server. A late look at a single frame harms nothing: its time is the kernel's and does not move. So a run of
70 reads, of which a hiccup made one late, is judged by what that one cost and not by a p99 that is its maximum."""
MOVED_LIMIT_S, MOVED_LIMIT_FRACTION = 0.0002, 0.01
"""By how much more than the larger of these merged tokens may have moved the p99 of ITL: what lies between their reads
is read as one gap, and may have been several. Of 0.8 % in 262,144 tokens it moved by 6 % (measured). Our choice."""
FIRST_LATE_FRACTION = 0.05
"""Of the median TTFT: a first token whose time is unknown by less is not counted. Our choice."""
SEND_LAG_LIMIT_S = 0.01
"""Seconds, at p99, that requests began late by the client's own fault: a tenth of a brisk TTFT. Our choice; other tools
warn at 200 ms (guidellm 0.8.1) or not at all."""
CLOSED_LAG_FRACTION = 0.05
"""In a closed loop nobody is due at a given time: late means that a user pauses, so the limit is this share of what an
answer takes, where that is more. Where 256 answers end at once some of their users wait for 25 ms (measured)."""
CLOSED_IDLE_FRACTION = 0.1
"""Of the time of a closed loop's users, in which they could have sent and the client had not begun to: its rates are
lower by as much. p99 does not show it where answers are as short as an embedding's. Our choice."""
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
    without_socket: int = 0
    """Requests that failed because this machine had no descriptor or no port left for them."""
    other_addresses: int = 0
    """Of the endpoint's host name, of the family that was used: all connections were made to one."""
    proxy: str | None = None
    """HOST:PORT of the proxy that every request went through."""
    load_average: float | None = None
    """Of this machine over the last minute, when the run ended."""


class SelfCheck(Record):
    """Whose limit a level of load shows."""

    client_limited: bool | None
    """True: do not take the numbers for the server's. None: it cannot be told."""
    reasons: tuple[str, ...]
    """Why True or None."""
    lag_limit_s: float
    """A read of several frames that came later than this may have merged them."""
    merged_fraction: float | None = None
    """Token frames in such reads / all; None: there were no frames."""
    merged_first_fraction: float | None = None
    """Answers whose first token is among them / all with a token."""
    send_lag_limit_s: float
    cpu_limit_fraction: float = CPU_LIMIT_FRACTION
    cpu_us_per_token: float | None
    """Microseconds of the workers' CPU per output token, all phases' time over the measured phase's tokens."""


ADVICE = "give it more cores (--workers), run it on another machine than the engine, or lower the load"


class Merged(NamedTuple):
    """What a client that looked late may have merged."""

    fraction: float | None
    first_fraction: float | None
    longest_s: float
    """By how much the latest of those looks was late."""
    gaps_s: tuple[tuple[float, int], ...] = ()
    """(From the read before to such a read, in how many pieces its frames usually come)."""


def merged(traces: Sequence[Trace]) -> Merged:
    """Of the answered requests of a level.

    Late is who looked long after the newest token of a read, or who had looked at nothing for long before: of tokens
    that keep coming the newest is always fresh. What a server sends in one piece it sends so to a punctual client too:
    reads of no more frames than those in time usually have are not counted.
    """
    answered = [t for t in _judged(traces) if t.frames]
    if not answered:
        return Merged(None, None, 0.0)
    late_s = [_late_s(t) for t in answered]
    in_time = [
        n
        for t, late in zip(answered, late_s, strict=True)
        for n, s in zip(t.frames, late, strict=True)
        if s <= LAG_LIMIT_S
    ]
    usual = median_low(in_time) if in_time else 1
    first_limit_s = max(LAG_LIMIT_S, FIRST_LATE_FRACTION * median(ttft_s(t) or 0.0 for t in answered))
    frames = firsts = 0
    longest_s, gaps_s = 0.0, []
    for t, late in zip(answered, late_s, strict=True):
        for i, (n, s) in enumerate(zip(t.frames, late, strict=True)):
            if n > usual and s > LAG_LIMIT_S:
                frames += n
                longest_s = max(longest_s, s)
                if i:
                    gaps_s.append((t.arrivals_s[i] - t.arrivals_s[i - 1], -(-n // usual)))
        firsts += t.frames[0] > usual and late[0] > first_limit_s
    of_all = sum(sum(t.frames) for t in answered)
    return Merged(frames / of_all, firsts / len(answered), longest_s, tuple(gaps_s))


def p99_if_apart_s(itl_s: Sequence[float], merged_gaps_s: Sequence[tuple[float, int]]) -> float:
    """The p99 of the gaps `itl_s`, `merged_gaps_s` among them, if what was merged had come evenly.

    Raises IndexError without gaps.
    """
    counts = Counter(itl_s)
    counts.subtract(gap for gap, _ in merged_gaps_s)
    apart = [gap / pieces for gap, pieces in merged_gaps_s for _ in range(pieces)]
    return quantile(sorted([*counts.elements(), *apart]), 0.99)


def _judged(traces: Sequence[Trace]) -> list[Trace]:
    return [t for t in traces if t.phase == "measured" and t.answered]


def _late_s(trace: Trace) -> list[float]:
    late_s = [lag or 0.0 for lag in trace.lags_s]
    for arrival, away_s in trace.away_s:
        late_s[arrival] = max(late_s[arrival], away_s)
    return late_s


def check_client(client: Client, metrics: Metrics, traces: Sequence[Trace], *, closed: bool) -> SelfCheck:
    """Judge one level of load by its traces and metrics. `closed`: a loop of users, each waiting for its answer."""
    lost = merged(traces)
    send_limit_s = SEND_LAG_LIMIT_S
    if closed and metrics.e2e_s is not None:
        send_limit_s = max(SEND_LAG_LIMIT_S, CLOSED_LAG_FRACTION * metrics.e2e_s.p50)
    reasons = []
    send_lag = metrics.send_lag_s
    late = f"in reads that came up to {lost.longest_s * 1000:.1f} ms late, and when each came is lost"
    if (lost.fraction or 0.0) > MERGED_LIMIT_FRACTION:
        reasons.append(
            f"it merged {_share(lost.fraction)} of the tokens {late}; the limit is {MERGED_LIMIT_FRACTION:.0%}"
        )
    elif (lost.first_fraction or 0.0) > MERGED_LIMIT_FRACTION:
        reasons.append(
            f"it merged {_share(lost.first_fraction)} of the first tokens with later ones {late}; "
            f"the limit is {MERGED_LIMIT_FRACTION:.0%}"
        )
    elif lost.gaps_s and metrics.itl_s is not None:
        apart_s = p99_if_apart_s(samples_of(_judged(traces)).itl_s, lost.gaps_s)
        if metrics.itl_s.p99 - apart_s > max(MOVED_LIMIT_S, MOVED_LIMIT_FRACTION * apart_s):
            reasons.append(
                f"it merged {_share(lost.fraction)} of the tokens {late}: the p99 of ITL is "
                f"{metrics.itl_s.p99 * 1000:.1f} ms as read, and {apart_s * 1000:.1f} ms if they came evenly"
            )
    if send_lag is not None and send_lag.p99 > send_limit_s:
        reasons.append(f"it sent {send_lag.p99 * 1000:.1f} ms late at p99, the limit is {send_limit_s * 1000:.1f} ms")
    idle = _idle_fraction(traces) if closed else 0.0
    if idle > CLOSED_IDLE_FRACTION:
        reasons.append(f"its users waited for it {idle:.0%} of the time, the limit is {CLOSED_IDLE_FRACTION:.0%}")
    busy = client.busiest_cpu_fraction
    if busy is not None and busy > CPU_LIMIT_FRACTION:
        reasons.append(f"a worker used {busy:.0%} of a core, the limit is {CPU_LIMIT_FRACTION:.0%}")
    if client.crowded_fraction > CROWDED_LIMIT_FRACTION:
        reasons.append(
            f"a worker was short of CPU for {client.crowded_fraction:.0%} of the time and merged tokens to keep up, "
            f"the limit is {CROWDED_LIMIT_FRACTION:.0%}"
        )
    if client.without_socket:
        failed = counted(client.without_socket, "request")
        reasons.append(f"its machine had no descriptor or no port left for {failed} (`ulimit -n`)")
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
        lag_limit_s=LAG_LIMIT_S,
        merged_fraction=lost.fraction,
        merged_first_fraction=lost.first_fraction,
        send_lag_limit_s=send_limit_s,
        cpu_us_per_token=client.cpu_s * 1e6 / metrics.output_tokens if metrics.output_tokens else None,
    )


def _idle_fraction(traces: Sequence[Trace]) -> float:
    """Of the time from when the users of a closed loop were free to send until they were answered: the client's own."""
    answered = _judged(traces)
    whole_s = math.fsum(t.ended_s - t.intended_s for t in answered)
    if len(answered) < MIN_REQUESTS or whole_s <= 0:
        return 0.0  # one hiccup would decide
    return math.fsum(t.late_s for t in answered) / whole_s


def _share(fraction: float | None) -> str:
    percent = (fraction or 0.0) * 100
    return f"{percent:.1f}%" if percent < 10 else f"{percent:.0f}%"

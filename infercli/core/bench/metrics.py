"""Traces become the numbers that people compare. Pure: the same traces give the same metrics, bit for bit.

Definitions are those on which vLLM's `bench serve` and inference-perf agree, except where they count a role-only frame
as a token or book the gaps inside one read as zero: neither is done here. An empty sample is None, never 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from infercli.core.record import Record
from infercli.core.traces import Trace

DEFINITIONS = {
    "TTFT": "time to first token: first frame with a token - sent; a frame that only names the role is none",
    "TPOT": "time per output token: (last token - first token) / (output tokens that were sent - 1); what AIPerf "
    "and guidellm call inter-token latency. guidellm's own TPOT counts the TTFT in",
    "ITL": "inter-token latency: gaps between reads that brought tokens; those inside a read are unknown, not "
    "zero. AIPerf calls it inter-chunk latency",
    "end to end": "last token - sent; of an embedding its last byte - sent",
    "from due": "the same, from when the request was due: what its user waited, for the cap and a connection too",
    "output tokens/s": "output tokens of answered requests / (last end of a request, failed ones too, - first "
    "sending); with a cool-down: what came from the first sending until it began, over that time",
    "requests/s": "answered requests over the same time",
    "goodput": "requests/s that meet every objective, counted from when they were due; failures are misses; with a "
    "cool-down: of those that were sent before it",
    "in flight": "requests between sending and end, on average",
    "client lag": "when the client read - when the kernel had it; up to 4 ms are its naps; with TLS nobody knows. It "
    "harms where tokens came apart and were read at once: of more than 1 % of them, or where they move ITL's p99 "
    "by more than 1 %, the client was the limit",
    "send lag": "how late the client began on a request that was due. Over 10 ms at p99 (in a closed loop 5 % of what "
    "an answer takes, where that is more), or over 10 % of the time of a closed loop's users, it was the limit",
}
"""What each word of a result means (facts of the field where they agree; where not, ours, and said).

What others call it: guidellm 0.8.1 (schemas/base/request_stats.py), AIPerf 0.13.0 (metrics/types)."""


class Distribution(Record):
    """A sample, in the unit of what it is a sample of."""

    count: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


class TokenCheck(Record):
    """Token frames counted on the wire against the server's own `usage`, over the answered requests."""

    with_usage: int
    """Requests whose server sent `usage`; only these are checked."""
    equal: int
    fewer_frames: int
    """Several tokens came in one frame (speculative decoding, a stream interval): ITL is between frames there."""
    more_frames: int
    """More frames than tokens: a server whose frames are not understood. TTFT and ITL of it are in doubt."""


class Metrics(Record):
    """Of the measured requests: warm-up and cool-down are left out, and so are requests cut by an interrupt.

    Of those it is known alone that they were in flight.
    """

    requests: int
    """answered + failed."""
    answered: int
    failed: int
    cut: int
    success_fraction: float | None
    """answered / requests."""
    errors: dict[str, int]
    """Failures by kind; HTTP failures by status (`http 429`)."""
    duration_s: float | None
    """From the first sending to the last end of a request, answered or failed: the tail of a closed loop counts, and
    so does the time in which a server that died answered nobody. Where a cool-down follows, to its first sending: the
    rates and what is in flight are then of all that happened in that time, whenever it was sent (`Span`)."""
    requests_per_s: float | None
    """Answered requests per second of `duration_s`."""
    output_tokens_per_s: float | None
    """Output tokens of answered requests per second of `duration_s`."""
    input_tokens: int | None
    """None when a server's `usage` is missing for any answered request."""
    output_tokens: int
    in_flight: float | None
    """Requests between sending and end, on average over `duration_s`. Those that were cut are among them: an endpoint
    that falls behind until the load is ended has most of its requests then."""
    ttft_s: Distribution | None
    """Time to first token: first token frame - sent. One value per answered request with a token."""
    ttft_due_s: Distribution | None
    """The same from when the request was due: what its user waited, a client that sent late included."""
    tpot_s: Distribution | None
    """Time per output token: (last token - first token) / (tokens sent - 1), the first token left out. One value per
    answered request with two arrivals or more: in a single arrival the times between tokens are unknown."""
    itl_s: Distribution | None
    """Inter-token latency: gaps between consecutive arrivals, pooled over all requests."""
    e2e_s: Distribution | None
    """End to end: last token - sent; for an answer without tokens (an embedding) its last byte - sent."""
    e2e_due_s: Distribution | None
    """The same from when the request was due."""
    send_lag_s: Distribution | None
    """How late the client began on a request that was due and for which its cap had room. Not part of TTFT."""
    token_check: TokenCheck
    known_gap_fraction: float | None
    """Gaps that `itl_s` saw / (tokens sent - 1) summed: the rest lay inside a read or a frame."""
    multi_token_read_fraction: float | None
    """Token frames that shared their read with another / all token frames. The server's batching, or a late client."""
    client_lag_s: Distribution | None
    """When the client looked minus when the kernel had it. None where the kernel gave no receive times."""


def quantile(ordered: Sequence[float], q: float) -> float:
    """The q-quantile of a sorted, non-empty sample, linear between ranks (type 7 of Hyndman and Fan).

    Equal to numpy's `percentile(..., method="linear")` to the last bit: it, too, counts from the nearer of two ranks.
    """
    rank = q * (len(ordered) - 1)
    low = math.floor(rank)
    a, b = ordered[low], ordered[min(low + 1, len(ordered) - 1)]
    share = rank - low
    return a + (b - a) * share if share < 0.5 else b - (b - a) * (1 - share)


def distribution(values: Iterable[float]) -> Distribution | None:
    """None for an empty sample."""
    ordered = sorted(values)
    if not ordered:
        return None
    return Distribution(
        count=len(ordered),
        mean=math.fsum(ordered) / len(ordered),
        p50=quantile(ordered, 0.5),
        p90=quantile(ordered, 0.9),
        p95=quantile(ordered, 0.95),
        p99=quantile(ordered, 0.99),
        max=ordered[-1],
    )


def ttft_s(trace: Trace) -> float | None:
    """First token frame - sent; None without a token."""
    return trace.arrivals_s[0] - trace.sent_s if trace.arrivals_s and trace.sent_s is not None else None


def e2e_s(trace: Trace) -> float | None:
    """Last token frame - sent; without tokens the last byte - sent; None for what was not answered."""
    if trace.sent_s is None or not trace.answered:
        return None
    return (trace.arrivals_s[-1] if trace.arrivals_s else trace.ended_s) - trace.sent_s


def wait_s(trace: Trace) -> float | None:
    """Sent - due: to be added where a latency counts from when its user wanted the answer."""
    return None if trace.sent_s is None else max(0.0, trace.sent_s - trace.intended_s)


def tpot_s(trace: Trace) -> float | None:
    """(last - first token) / (tokens sent - 1); None with fewer than two tokens or fewer than two arrivals."""
    if len(trace.arrivals_s) < 2 or trace.shown_tokens < 2:
        return None
    return (trace.arrivals_s[-1] - trace.arrivals_s[0]) / (trace.shown_tokens - 1)


def from_due(latency: Callable[[Trace], float | None], trace: Trace) -> float | None:
    """A latency that counts from when the request was due; None where there is none."""
    value, wait = latency(trace), wait_s(trace)
    return None if value is None or wait is None else value + wait


def gaps_s(trace: Trace) -> list[float]:
    """Gaps between consecutive arrivals."""
    return [b - a for a, b in zip(trace.arrivals_s, trace.arrivals_s[1:], strict=False)]


class Samples(NamedTuple):
    """Of answered requests, in seconds, in their order."""

    ttft_s: list[float]
    tpot_s: list[float]
    itl_s: list[float]
    e2e_s: list[float]
    ttft_due_s: list[float]
    e2e_due_s: list[float]


def samples_of(answered: Sequence[Trace]) -> Samples:
    """What the distributions of `Metrics` are of."""
    return Samples(
        ttft_s=_known(map(ttft_s, answered)),
        tpot_s=_known(map(tpot_s, answered)),
        itl_s=[gap for t in answered for gap in gaps_s(t)],
        e2e_s=_known(map(e2e_s, answered)),
        ttft_due_s=_known(from_due(ttft_s, t) for t in answered),
        e2e_due_s=_known(from_due(e2e_s, t) for t in answered),
    )


def token_arrivals(trace: Trace) -> list[tuple[float, float]]:
    """(when, how many output tokens), on the clock of the load.

    Where `usage` says more tokens than there were frames, each frame carries its share of them.
    """
    frames = sum(trace.frames)
    each = trace.output_tokens / frames if frames and trace.answered else 1.0
    return [(at_s, n * each) for at_s, n in zip(trace.arrivals_s, trace.frames, strict=True)]


class Span(NamedTuple):
    """What rates are counted over, on the clock of the load."""

    start_s: float
    end_s: float
    steady: bool
    """A cool-down followed: whatever happened in it counts, for what was sent before and after it was the same load.
    False: only the measured requests, to the last end of one."""

    def holds(self, at_s: float) -> bool:
        """Whether an instant lies in it; of a span that is not steady all do."""
        return not self.steady or self.start_s <= at_s < self.end_s

    def overlap_s(self, trace: Trace) -> float:
        """Seconds in it that a request was in flight."""
        if trace.sent_s is None:
            return 0.0
        return max(0.0, min(trace.ended_s, self.end_s) - max(trace.sent_s, self.start_s))


def span_of(traces: Sequence[Trace]) -> Span | None:
    """From the first sending of a measured request; None: none was sent.

    Where nothing follows, to the last end of one. While the last ones are waited for the engine empties, so rates come
    out too low by about what an answer takes of the whole; a cool-down ends the span where the load still goes on.
    """
    counted = [t for t in traces if t.counts]
    start_s = min((t.sent_s for t in counted if t.sent_s is not None), default=None)
    if start_s is None:
        return None
    cooling_s = min((t.sent_s for t in traces if t.phase == "cooldown" and t.sent_s is not None), default=start_s)
    if cooling_s > start_s:
        return Span(start_s, cooling_s, steady=True)
    return Span(start_s, max(t.ended_s for t in counted), steady=False)


def counted_in(traces: Sequence[Trace], span: Span) -> list[Trace]:
    """The requests that rates and what is in flight are of, as far as they lie in the span."""
    return [t for t in traces if span.steady or t.phase == "measured"]


_CLOCK_S = 1e-6
"""Times are kept to a microsecond (`Trace`): less than one apart is no time at all."""


def measure(traces: Sequence[Trace]) -> Metrics:
    """The metrics of a run."""
    measured = [t for t in traces if t.phase == "measured"]
    answered = [t for t in measured if t.answered]
    failed = [t for t in measured if t.error is not None]
    span = span_of(traces)
    duration_s = None if span is None else span.end_s - span.start_s
    if duration_s is not None and duration_s < _CLOCK_S:
        duration_s = 0.0  # nothing can be said per second of it
    output_tokens = sum(t.output_tokens for t in answered)
    done, tokens, flown_s = len(answered), float(output_tokens), 0.0
    if span is not None:
        counted = counted_in(traces, span)
        flown_s = math.fsum(span.overlap_s(t) for t in counted)
        if span.steady:
            done = sum(t.answered and span.holds(t.ended_s) for t in counted)
            tokens = math.fsum(n for t in counted if t.answered for at_s, n in token_arrivals(t) if span.holds(at_s))
    inputs = [t.prompt_tokens for t in answered if t.prompt_tokens is not None]
    sample = samples_of(answered)
    frames = sum(sum(t.frames) for t in answered)
    # The tokens whose gap to the one before could have been seen at all.
    possible_gaps = sum(max(t.shown_tokens - 1, 0) for t in answered)
    return Metrics(
        requests=len(answered) + len(failed),
        answered=len(answered),
        failed=len(failed),
        cut=sum(t.cut for t in measured),
        success_fraction=len(answered) / (len(answered) + len(failed)) if answered or failed else None,
        errors=dict(sorted(Counter(error_label(t) for t in failed).items())),
        duration_s=duration_s,
        requests_per_s=done / duration_s if duration_s else None,
        output_tokens_per_s=tokens / duration_s if duration_s else None,
        input_tokens=sum(inputs) if answered and len(inputs) == len(answered) else None,
        output_tokens=output_tokens,
        in_flight=flown_s / duration_s if duration_s else None,
        ttft_s=distribution(sample.ttft_s),
        ttft_due_s=distribution(sample.ttft_due_s),
        tpot_s=distribution(sample.tpot_s),
        itl_s=distribution(sample.itl_s),
        e2e_s=distribution(sample.e2e_s),
        e2e_due_s=distribution(sample.e2e_due_s),
        send_lag_s=distribution(t.late_s for t in answered),
        token_check=check_tokens(answered),
        known_gap_fraction=len(sample.itl_s) / possible_gaps if possible_gaps else None,
        multi_token_read_fraction=sum(n for t in answered for n in t.frames if n > 1) / frames if frames else None,
        client_lag_s=distribution(_known(lag for t in answered for lag in t.lags_s)),
    )


def check_tokens(answered: Iterable[Trace]) -> TokenCheck:
    """Frames against `usage`, request by request."""
    pairs = [(sum(t.frames), t.shown_tokens) for t in answered if t.completion_tokens is not None]
    return TokenCheck(
        with_usage=len(pairs),
        equal=sum(frames == tokens for frames, tokens in pairs),
        fewer_frames=sum(frames < tokens for frames, tokens in pairs),
        more_frames=sum(frames > tokens for frames, tokens in pairs),
    )


def error_label(trace: Trace) -> str:
    """What a failure is counted under: its kind, and for HTTP the status."""
    return f"http {trace.status}" if trace.error == "http" else str(trace.error)


def _known(values: Iterable[float | None]) -> list[float]:
    return [v for v in values if v is not None]

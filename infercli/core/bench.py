"""result.json of a benchmark: what was sent, what came back, and what follows from it.

The traces are the measurement. `metrics` stands beside them for readers, and `recompute` says what it must be.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from infercli.core.metrics import Metrics, measure
from infercli.core.record import Document, Json, Record, canonical
from infercli.core.telemetry import Telemetry
from infercli.core.traces import Api, ClosedLoad, Trace

Prompt = str | tuple[dict[str, Json], ...]
"""Text, or chat messages (`{"role": ..., "content": ...}`)."""

LAG_LIMIT_S = 0.005
"""Seconds, at p99. A client that looks later than this merges tokens of one stream: engines make one every 5 to 50 ms
at the speeds people deploy for. Our choice; the times themselves are the kernel's and do not move with the lag."""
CPU_LIMIT_FRACTION = 0.9
"""Of one core, the loop being one thread: nearer to 1 it queues behind itself. Our choice."""
P99_MIN_REQUESTS = 1000
"""Ten requests lie beyond the p99 of this many; of fewer it is one of the few slowest. The field's rule of thumb."""


class Workload(Document):
    """A file of prompts (benchmarks/workloads/*.yaml); not to be confused with a deployment's expected lengths."""

    kind: Literal["Workload"] = "Workload"
    name: str
    description: str | None = None
    prompts: tuple[Prompt, ...] = Field(min_length=1)


class PromptsUsed(Record):
    """Which prompts were sent, without saying them: traffic may be private."""

    source: str
    """`workload chat`, `synthetic (64 words, seed 1)`, ..."""
    count: int
    digest: str
    """HMAC-SHA256 of the prompts with this machine's key: equal for equal prompts, and not to be guessed from a
    list of likely ones."""
    key_id: str
    """Which key: digests under different keys cannot be compared."""


class BenchTarget(Record):
    """What was measured. Holds no secret."""

    url: str
    model: str
    api: Api
    release: str | None = None


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
    wall_s: float
    cpu_s: float
    """CPU time of the measuring process in that wall time, progress display included."""
    reads: int
    unstamped_reads: int
    """Reads for which the kernel gave no time and the client's own was taken."""
    reconnects: int
    """Kept connections that the server had closed; the request went out again on a new one."""
    load_average: float | None = None
    """Of this machine over the last minute, when the run ended."""


class EngineTokens(Record):
    """What the engine says it generated over the run, from its own counters."""

    source: str
    """For example `vllm:generation_tokens_total, difference over the run`."""
    output_tokens: int
    """Of all requests in that time, warm-up included."""


class BenchResult(Document):
    """One run."""

    kind: Literal["BenchResult"] = "BenchResult"
    infercli_version: str
    started_at: str
    """UTC, ISO 8601."""
    target: BenchTarget
    load: ClosedLoad
    prompts: PromptsUsed
    metrics: Metrics
    engine_tokens: EngineTokens | None = None
    telemetry: Telemetry | None = None
    telemetry_reason: str | None = None
    """Why there is no telemetry: `no GPU telemetry: ...`."""
    client: Client
    stopped: str | None = None
    """Why the run ended before its load was done (interrupted, gave up); None: it was done."""
    traces: tuple[Trace, ...]

    @model_validator(mode="after")
    def _telemetry_or_why_not(self) -> BenchResult:
        if (self.telemetry is None) == (self.telemetry_reason is None):
            raise ValueError("give either telemetry or telemetry_reason")
        return self

    @property
    def engine_agrees(self) -> bool | None:
        """Whether the tokens that the answers report, warm-up included, are those that the engine counted.

        None when it cannot be told: no count was given, or a request failed or was cut, whose tokens only it knows.
        """
        if self.engine_tokens is None or not all(t.answered for t in self.traces):
            return None
        return sum(t.output_tokens for t in self.traces) == self.engine_tokens.output_tokens


def recompute(result: BenchResult) -> Metrics:
    """The metrics as they follow from the traces of a result."""
    return measure(result.traces)


def digest_prompts(prompts: Sequence[Prompt], source: str, key: bytes) -> PromptsUsed:
    """What a result says of its prompts. `key`: at least 16 bytes, the same on a machine for ever."""
    if len(key) < 16:
        raise ValueError("a key of fewer than 16 bytes can be guessed")
    return PromptsUsed(
        source=source,
        count=len(prompts),
        digest=hmac.new(key, canonical(list(prompts)), hashlib.sha256).hexdigest(),
        key_id=hashlib.sha256(b"infercli prompt key\0" + key).hexdigest()[:8],
    )


def caveats(result: BenchResult) -> tuple[str, ...]:
    """What a reader must know before believing the numbers, most important first; empty when there is nothing."""
    m, client = result.metrics, result.client
    lines = []
    if result.stopped is not None:
        lines.append(f"the run is not complete: {result.stopped}")
    if m.answered == 0:
        lines.append("no request was answered: there is nothing to measure")
        return tuple(lines)
    check = m.token_check
    if result.engine_agrees is False and result.engine_tokens is not None:
        told = sum(t.output_tokens for t in result.traces)
        lines.append(f"the engine counted {result.engine_tokens.output_tokens} output tokens, its answers say {told}")
    if check.more_frames:
        lines.append(f"{check.more_frames} requests had more token frames than `usage` says: TTFT and ITL are in doubt")
    if check.with_usage < m.answered:
        lines.append(f"{m.answered - check.with_usage} answers carried no `usage`: their tokens are frames counted")
    if check.fewer_frames:
        lines.append(f"in {check.fewer_frames} requests a frame carried several tokens: ITL is between frames")
    if m.client_lag_s is not None and m.client_lag_s.p99 > LAG_LIMIT_S:
        lag_ms = m.client_lag_s.p99 * 1000
        lines.append(f"the client was late (p99 {lag_ms:.1f} ms): it may have been the limit, not the server")
    if client.wall_s > 0 and client.cpu_s / client.wall_s > CPU_LIMIT_FRACTION:
        lines.append(f"the client used {client.cpu_s / client.wall_s:.0%} of a core: it may have been the limit")
    if client.reconnects:
        lines.append(f"{client.reconnects} requests were sent again: the server had closed their kept connections")
    if client.clock == "user":
        lines.append(f"times are the client's own, its delays included: {client.clock_reason}")
    if len(result.traces) > result.prompts.count:
        lines.append(f"{result.prompts.count} prompts for {len(result.traces)} requests: repeats hit the prefix cache")
    if m.multi_token_read_fraction:
        share = m.multi_token_read_fraction
        lines.append(f"{share:.0%} of the tokens shared a read with another: the gaps between those are unknown")
    if m.answered < P99_MIN_REQUESTS:
        lines.append(f"p99 of {m.answered} requests rests on the few slowest; it takes about {P99_MIN_REQUESTS}")
    return tuple(lines)

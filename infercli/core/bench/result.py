"""result.json of a benchmark: what was sent, what came back, and what follows from it.

The traces are the measurement. `metrics` stands beside them for readers, and `recompute` says what it must be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field, model_validator

from infercli.core.bench.goodput import Objectives
from infercli.core.bench.predictions import GpuPrice, Prediction
from infercli.core.bench.samples import answered_of
from infercli.core.bench.search import Searched
from infercli.core.bench.stage import StageResult, stage_result
from infercli.core.bench.sweep import Swept
from infercli.core.load.conversation import PromptsUsed
from infercli.core.record import Document, Record
from infercli.core.telemetry.engine import EngineTelemetry
from infercli.core.telemetry.gpus import Telemetry
from infercli.core.traces import Api, Stop, Trace

P99_MIN_REQUESTS = 1000
"""Ten requests lie beyond the p99 of this many; of fewer it is one of the few slowest. The field's rule of thumb."""


class BenchTarget(Record):
    """What was measured. Holds no secret."""

    url: str
    model: str
    api: Api
    release: str | None = None
    headers: tuple[str, ...] = ()
    """Names of what requests carried besides; what they said may be a secret."""


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
    origin_monotonic_ns: int
    """CLOCK_MONOTONIC of the machine that measured when the run began: its other stamps can be laid beside."""
    target: BenchTarget
    prompts: PromptsUsed
    objectives: Objectives | None = None
    stages: tuple[StageResult, ...] = Field(min_length=1)
    searched: Searched | None = None
    """What a search for the highest rate came to; its first stage is the closed loop that it began with."""
    swept: Swept | None = None
    """What a sweep came to."""
    engine_tokens: EngineTokens | None = None
    engines: tuple[EngineTelemetry, ...] = ()
    """What the engines themselves said over the run; empty where none was asked."""
    unwatched: dict[str, str] = {}
    """What was asked and gave nothing -> why."""
    telemetry: Telemetry | None = None
    telemetry_reason: str | None = None
    """Why there is no telemetry: `no GPU telemetry: ...`."""
    predicted: tuple[Prediction, ...] = ()
    """At most one for each stage; empty where no plan was given."""
    price: GpuPrice | None = None
    """None: nobody says what the GPUs cost."""

    @model_validator(mode="after")
    def _telemetry_or_why_not(self) -> BenchResult:
        if (self.telemetry is None) == (self.telemetry_reason is None):
            raise ValueError("give either telemetry or telemetry_reason")
        return self

    @model_validator(mode="after")
    def _predictions_of_stages(self) -> BenchResult:
        named = [p.stage for p in self.predicted]
        if len(set(named)) < len(named) or not set(named) <= set(range(len(self.stages))):
            raise ValueError("predicted must name stages that there are, each once")
        return self

    def prediction(self, stage: int) -> Prediction | None:
        """Of the stage with this index; None: nothing was predicted of it."""
        return next((p for p in self.predicted if p.stage == stage), None)

    @property
    def generates(self) -> bool:
        """Whether answers have tokens of their own; embeddings have none, and of latencies the end alone."""
        return self.target.api != "embeddings"

    @property
    def traces(self) -> Iterator[Trace]:
        """Of all stages."""
        return (trace for stage in self.stages for trace in stage.traces)

    @property
    def answered(self) -> int:
        """Measured requests, of all stages."""
        return sum(stage.metrics.answered for stage in self.stages)

    def cached_fraction(self, stage: StageResult) -> float | None:
        """Of the prompts' tokens, those that came from the prefix cache. None: nobody says.

        By the answers' `usage`, else by the engines' counters over the whole run.
        """
        asked = answered_of(stage)
        if asked and all(t.cached_tokens is not None and t.prompt_tokens for t in asked):
            return sum(t.cached_tokens or 0 for t in asked) / sum(t.prompt_tokens or 0 for t in asked)
        counted = [(e.prefix_cache_hit_tokens, e.prefix_cache_query_tokens) for e in self.engines]
        hits, queries = (sum(n or 0 for n in column) for column in zip(*counted, strict=True)) if counted else (0, 0)
        return hits / queries if queries and all(None not in pair for pair in counted) else None

    @property
    def shared_fraction(self) -> float | None:
        """Of the tokens of the measured first prompts, those of a shared prefix that had been sent before.

        None: there is no such prefix, or what the server's `usage` says of a prompt is missing or contradicts it.
        """
        prefix = self.prompts.prefix
        firsts = [t.prompt_tokens for t in self.traces if t.phase == "measured" and not t.turn and t.sent_s is not None]
        known = [tokens for tokens in firsts if tokens is not None]
        if prefix is None or not known or len(known) != prefix.first_prompts:
            return None
        shared, total = prefix.sent_before * prefix.tokens, sum(known)
        # Where `usage` says fewer tokens than the prefix has, one of the two is wrong, and a share says nothing.
        return shared / total if 0 < total >= shared else None

    @property
    def client_limited(self) -> bool | None:
        """Whether the client was the limit in any stage; None where that cannot be told of one and is true of none.

        Of a search or a sweep that came to its end, the levels that the client limited were set aside and sent again.
        """
        verdicts = {stage.check.client_limited for stage in self.stages}
        for over in (self.searched, self.swept):
            if over is not None and over.unfinished is None:
                verdicts.discard(True)
        return True if True in verdicts else None if None in verdicts else False

    @property
    def stopped(self) -> Stop | None:
        """Why the run ended early. That a search broke off a saturated level is no reason: so it searches."""
        reasons = [stage.stopped for stage in self.stages if stage.stopped is not None]
        if self.searched is not None:
            reasons = [why for why in reasons if why.kind != "saturated"]
        return next(iter(reasons), None)

    @property
    def engine_agrees(self) -> bool | None:
        """Whether the tokens that the answers report, warm-up included, are those that the engine counted.

        None when it cannot be told: no count was given, or a request failed or was cut, whose tokens only it knows.
        """
        if self.engine_tokens is None or not all(t.answered for t in self.traces):
            return None
        return sum(t.output_tokens for t in self.traces) == self.engine_tokens.output_tokens


def recompute(result: BenchResult) -> tuple[StageResult, ...]:
    """The stages as they follow from the traces, loads and clients of a result."""
    return tuple(
        stage_result(
            s.load, s.client, s.traces,
            began_s=s.began_s, ended_s=s.ended_s, stopped=s.stopped, objectives=result.objectives,
        )
        for s in result.stages
    )  # fmt: skip

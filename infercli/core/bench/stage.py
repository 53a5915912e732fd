"""One level of load, measured: what was sent, what came back, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import model_validator

from infercli.core.bench.goodput import Goodput, Objectives, goodput
from infercli.core.bench.metrics import Metrics, measure
from infercli.core.bench.self_check import Client, SelfCheck, check_client
from infercli.core.record import Record
from infercli.core.traces import Load, Stop, Trace

CLIENT_REPEATS = 2
"""How often in a row a level of a sweep or a search is sent again that the client limited: one that lagged by chance
does not end it."""


class StageResult(Record):
    """One level of load: a run has one, a sweep or a search several, one after another."""

    load: Load
    began_s: float
    """Since the run began; the traces count from here."""
    ended_s: float
    metrics: Metrics
    goodput: Goodput | None = None
    """None: no objectives were given."""
    client: Client
    check: SelfCheck
    stopped: Stop | None = None
    """None: its load was done."""
    traces: tuple[Trace, ...]

    @model_validator(mode="after")
    def _has_its_traces(self) -> StageResult:
        if self.metrics.requests and not self.traces:
            raise ValueError(f"traces: none is there of the {self.metrics.requests:,} requests that metrics counts")
        return self

    @property
    def interrupted(self) -> bool:
        """Somebody ended it."""
        return self.stopped is not None and self.stopped.kind == "interrupted"


def client_limits(stages: Sequence[StageResult]) -> bool:
    """Whether the client was the limit of the last level, and of all its repetitions."""
    last = stages[-CLIENT_REPEATS - 1 :]
    return len(last) > CLIENT_REPEATS and all(s.check.client_limited for s in last)


def stage_result(
    load: Load,
    client: Client,
    traces: Sequence[Trace],
    *,
    began_s: float,
    ended_s: float,
    stopped: Stop | None = None,
    objectives: Objectives | None = None,
) -> StageResult:
    """Everything that follows from the traces of one level. `recompute` must come to the same."""
    metrics = measure(traces)
    return StageResult(
        load=load,
        began_s=began_s,
        ended_s=ended_s,
        metrics=metrics,
        goodput=None if objectives is None else goodput(traces, metrics.duration_s, objectives),
        client=client,
        check=check_client(client, metrics, traces, closed=load.arrivals is None),
        stopped=stopped,
        traces=tuple(traces),
    )

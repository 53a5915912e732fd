"""All levels of a run, one after another: the same loop for `infercli bench` on this machine and for its Job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from infercli.core.levels import BenchRun, Level, Levels
from infercli.core.repeats import enough
from infercli.core.sending import Sending
from infercli.core.stage import StageResult, stage_result
from infercli.core.traces import refuses_usage
from infercli.loadgen.run import Measurement, Progress, run
from infercli.loadgen.target import Target

_WITHOUT_USAGE = (
    "the endpoint refuses `stream_options`: it is asked without, and tokens are the frames that are counted, which no "
    "`usage` confirms"
)


def run_levels(
    levels: Levels,
    target: Target,
    sending: Sending,
    *,
    on_level: Callable[[Level, int], None] = lambda _level, _number: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    workers: int | None = None,
) -> BenchRun:
    """Send every level and return what each brought; an interruption ends the run with what there is.

    `on_level` is told of each level, and its number from 0 on, before it begins. Raises what `run` raises.
    """
    stages: list[StageResult] = []
    first: Measurement | None = None
    while (level := levels.next(stages)) is not None:
        on_level(level, len(stages))
        conversations = enough(sending, level.load, len(stages), levels.most)
        measured = run(target, level.load, conversations, on_progress, workers=workers)
        if target.usage and _refuses_usage(measured):
            # Older servers, and strict ones: the same load once more, and what it lacks is said with the result.
            target = replace(target, usage=False)
            on_level(level._replace(why=_WITHOUT_USAGE), len(stages))
            measured = run(target, level.load, conversations, on_progress, workers=workers)
        first = first or measured
        began_s = (measured.origin_ns - first.origin_ns) / 1e9
        ended_s = began_s + max((t.ended_s for t in measured.traces), default=0.0)
        stages.append(
            stage_result(
                level.load,
                measured.client,
                measured.traces,
                began_s=began_s,
                ended_s=ended_s,
                stopped=measured.stopped,
                objectives=levels.objectives,
            )
        )
        if stages[-1].interrupted:
            break
    assert first is not None  # there is always a first level
    return BenchRun(started_at=first.started_at, origin_monotonic_ns=first.origin_ns, stages=tuple(stages))


def _refuses_usage(measured: Measurement) -> bool:
    traces = measured.traces
    return not any(t.answered for t in traces) and any(refuses_usage(t.status, t.message) for t in traces)

"""All levels of a run, one after another: the same loop for `infercli bench` on this machine and for its Job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from infercli.core.bench.levels import BenchRun, Level, Levels
from infercli.core.bench.refused_fields import WITHOUT, Refusable, refused_field
from infercli.core.bench.stage import StageResult, stage_result
from infercli.core.load.repeats import enough
from infercli.core.load.sending import Sending
from infercli.core.traces import Load
from infercli.loadgen.interrupts import Interrupts
from infercli.loadgen.run import Measurement, Progress, run
from infercli.loadgen.target import Target


def run_levels(
    levels: Levels,
    target: Target,
    sending: Sending,
    *,
    on_level: Callable[[Level, int], None] = lambda _level, _number: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    workers: int | None = None,
    interrupts: Interrupts | None = None,
) -> BenchRun:
    """Send every level and return what each brought; an interruption ends the run with what there is.

    `on_level` is told of each level, and its number from 0 on, before it begins. `interrupts`: noted by the caller, so
    that none loses what there is while it is put in order. Raises what `run` raises.
    """
    stages: list[StageResult] = []
    first: Measurement | None = None
    while (level := levels.next(stages)) is not None:
        conversations = enough(sending, level.load, len(stages), levels.most, target.api)
        while True:
            on_level(level, len(stages))
            load = _sent(level.load, target)
            measured = run(target, load, conversations, on_progress, workers=workers, interrupts=interrupts)
            field = _refused(measured, load)
            if field is None or field in target.without:
                break
            # Older servers, and strict ones: the same load once more, and what it lacks is said with the result.
            target = replace(target, without=target.without | {field})
            level = level._replace(why=WITHOUT[field])
        first = first or measured
        began_s = (measured.origin_ns - first.origin_ns) / 1e9
        ended_s = began_s + max((t.ended_s for t in measured.traces), default=0.0)
        stages.append(
            stage_result(
                load,
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


def _sent(load: Load, target: Target) -> Load:
    """The load as it goes out, so that a result never says what was not sent."""
    return load.model_copy(update={"temperature": None}) if "temperature" in target.without else load


def _refused(measured: Measurement, load: Load) -> Refusable | None:
    """What to leave out; None too for a temperature that somebody asked for."""
    interrupted = measured.stopped is not None and measured.stopped.kind == "interrupted"
    if interrupted or any(t.answered for t in measured.traces):
        return None
    found = next((f for t in measured.traces if (f := refused_field(t.status, t.message)) is not None), None)
    return None if found == "temperature" and load.temperature else found

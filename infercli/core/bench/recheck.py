"""Whether the numbers of a result are those that follow from its own raw data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from infercli.core.bench.result import BenchResult, recompute
from infercli.core.bench.search import searched
from infercli.core.bench.stage import StageResult
from infercli.core.bench.sweep import swept
from infercli.core.bench.timeline import most_in_flight
from infercli.core.differences import Difference, differences
from infercli.core.record import Document, Record
from infercli.core.telemetry.gpus import energy_between


class Rechecked(Document):
    """The answer of `infercli report --check` for one file."""

    kind: Literal["Rechecked"] = "Rechecked"
    file: str
    same: bool
    differences: tuple[Difference, ...]
    """`was`: as the file says; `becomes`: as it follows. Compared to the last bit."""


def recheck(result: BenchResult, file: str) -> Rechecked:
    """Every stage from its traces, a search or a sweep from its stages, and each GPU's energy from its counter.

    Of what a load says, how many requests and users there were: the rest leaves no mark in the traces.
    """
    found: list[Difference] = []
    for index, (stored, derived) in enumerate(zip(result.stages, recompute(result), strict=True)):
        pair = (s.model_dump(mode="json", exclude={"traces"}) for s in (stored, derived))
        found += [_at(f"stages[{index}]", d) for d in (*differences(*pair), *_counts(stored))]
    if result.searched is not None:
        found += _conclusion("searched", result.searched, searched(result.stages[1:]))
    if result.swept is not None:
        found += _conclusion("swept", result.swept, swept(result.stages))
    for index, gpu in enumerate(result.telemetry.gpus if result.telemetry is not None else ()):
        energy_j = energy_between(gpu.samples).joules
        if energy_j != gpu.energy_j:
            path = f"telemetry.gpus[{index}].energy_j"
            found.append(Difference(path=path, was=gpu.energy_j, becomes=energy_j))
    return Rechecked(file=file, same=not found, differences=tuple(found))


def _conclusion(place: str, stored: Record, derived: Record) -> Iterator[Difference]:
    for difference in differences(stored.model_dump(mode="json"), derived.model_dump(mode="json")):
        yield _at(place, difference)


def _counts(stage: StageResult) -> Iterator[Difference]:
    load, ended_s = stage.load, stage.began_s + max((t.ended_s for t in stage.traces), default=0.0)
    if stage.ended_s != ended_s:
        yield Difference(path="ended_s", was=stage.ended_s, becomes=ended_s)
    if stage.stopped is not None or not stage.traces or (load.warmup_requests and load.warmup_s):
        return  # it did not come to all that was asked for, or nobody can tell which requests were the load's own
    warm = [bool(load.warmup_requests) and t.phase == "warmup" for t in stage.traces]
    own = [t for t, before in zip(stage.traces, warm, strict=True) if not before]
    closed = load.arrivals is None
    begun = len(own) if closed else sum(not t.turn for t in own)
    seen: dict[str, int | None] = {"warmup_requests": sum(warm)}
    if load.requests is not None and (load.arrivals != "trace" or begun > load.requests):
        seen["requests"] = begun  # a trace may have fewer
    if load.cooldown_requests:
        seen["cooldown_requests"] = sum(t.phase == "cooldown" for t in own if closed or not t.turn)
    if closed:
        # Every user's first request is due when the load begins.
        users = sum(t.intended_s == own[0].intended_s for t in own)
        seen["concurrency"] = load.concurrency if users == min(load.concurrency or 0, begun) else users
    elif load.concurrency is not None:
        seen["concurrency"] = max(load.concurrency, most_in_flight(own))
    for name, count in seen.items():
        if getattr(load, name) != count:
            yield Difference(path=f"load.{name}", was=getattr(load, name), becomes=count)


def _at(place: str, difference: Difference) -> Difference:
    return difference.model_copy(update={"path": f"{place}.{difference.path}"})

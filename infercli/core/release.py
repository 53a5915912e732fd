"""A release and its history: append-only revisions, and the rules that say which one is good.

A revision is what was meant (engines, routing, the static objects, the plan, the lock, the reason); its progress is
what became of it. "Superseded" is never stored: it follows from what came after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from infercli.core.plan import EngineSpec, FrontSpec, Plan
from infercli.core.record import Document, Json, Record

Outcome = Literal["pending", "good", "failed", "interrupted", "abandoned"]
"""`abandoned`: was pending when a later revision took over."""


class EngineDeployment(Record):
    """One engine application as it should run."""

    app: str
    spec: EngineSpec
    replicas: int


class Revision(Document):
    """One entry of a release's history. Immutable once written."""

    kind: Literal["Revision"] = "Revision"
    name: str
    number: int = Field(ge=1)
    action: Literal["deploy", "rollback"]
    points_at: int | None = None
    """A rollback: the number of the revision whose engines and objects it brings back."""
    created_at: str
    """UTC, ISO 8601."""
    created_by: str
    reason: str | None = None
    infercli_version: str
    target: Literal["kubernetes", "local"]
    engine: EngineDeployment
    """The engine that this revision serves with."""
    front: FrontSpec
    plan: Plan
    objects: tuple[dict[str, Json], ...] = ()
    """The static Kubernetes objects, as they were rendered; empty on the local target."""


class Serving(Record):
    """What the Serve config was meant to hold from some step on. Written before the step is taken."""

    generation: int
    """Of the routing table; see `routing_generation`."""
    front: FrontSpec
    engines: dict[str, int]
    """Application name -> number of the revision that says what it is."""
    routes: dict[str, int]
    """Application name -> weight; an engine with weight 0 answers only when it is pinned."""


class Measured(Record):
    """What a benchmark found of a revision: the level of load with the highest throughput of its newest result."""

    result: str
    """The first 12 hex digits of the sha256 of its result.json: which file this was."""
    at: str
    """UTC, ISO 8601."""
    load: str
    """`16 at a time`, `5 requests/s`."""
    answered: int
    output_tokens_per_s: float | None
    ttft_p95_s: float | None
    tpot_p50_s: float | None
    client_limited: bool | None
    """True: the client was the limit; None: it cannot be told."""
    planned_output_tokens_per_s: tuple[float, float] | None = None
    """What was predicted for this load, from and to; None: nothing can be said."""


class Progress(Record):
    """How far a revision came."""

    outcome: Outcome = "pending"
    step: str = "recorded"
    """The step of the rollout that was begun last."""
    serving: Serving | None = None
    """What that step meant to be live; None before the first."""
    message: str | None = None
    """Why it failed, in the engine's own words where there are any."""
    said: str | None = None
    """All that was said of the failure, a traceback above all; None: `message` is all."""
    finished_at: str | None = None
    seconds: float | None = None
    """From the record to the outcome."""
    measured: Measured | None = None
    """None: no benchmark of it was recorded."""


class Entry(Record):
    """A revision and what became of it."""

    revision: Revision
    progress: Progress

    @property
    def number(self) -> int:
        """The revision's number."""
        return self.revision.number


class Lease(Record):
    """Who is changing a release, and until when that claim holds without being renewed."""

    holder: str
    operation: str
    acquired_at: str
    expires_at: str


def newest(history: Sequence[Entry]) -> Entry | None:
    """The latest entry, whatever became of it."""
    return max(history, key=lambda e: e.number, default=None)


def serving(history: Sequence[Entry]) -> Entry | None:
    """The newest revision that was good: what should be serving now."""
    return max((e for e in history if e.progress.outcome == "good"), key=lambda e: e.number, default=None)


def rollback_target(history: Sequence[Entry]) -> Entry | None:
    """Where `rollback` goes: the newest good revision whose engine or objects differ from what was last attempted.

    After a failed or interrupted deploy that is the revision that still serves; after a good one, the one before.
    What an earlier rollback took back on purpose is skipped, so going back twice does not bounce between two revisions.
    """
    last = newest(history)
    if last is None:
        return None
    if last.progress.outcome != "good":
        return serving(history)
    taken_back = {
        number
        for entry in history
        if entry.revision.points_at is not None and entry.progress.outcome == "good"
        for number in range(entry.revision.points_at + 1, entry.number)
    }
    good = [
        e
        for e in history
        if e.progress.outcome == "good"
        and e.number not in taken_back
        and (e.revision.engine.app, e.revision.objects) != (last.revision.engine.app, last.revision.objects)
    ]
    return max(good, key=lambda e: e.number, default=None)


def measured(history: Sequence[Entry]) -> Measured | None:
    """What the newest benchmark found of the engine that should be serving now, whichever revision brought it."""
    good = serving(history)
    if good is None:
        return None
    same = [e for e in history if e.revision.engine == good.revision.engine and e.progress.measured is not None]
    return max(same, key=lambda e: e.number).progress.measured if same else None


def standing(entry: Entry, history: Sequence[Entry]) -> str:
    """What `history` prints: `serving`, `superseded`, `rolled back`, `failed`, `interrupted`, `pending`."""
    if entry.progress.outcome != "good":
        return entry.progress.outcome
    current = serving(history)
    if current is not None and entry.number == current.number:
        return "serving"
    for later in history:
        target = later.revision.points_at
        if target is not None and later.progress.outcome == "good" and target < entry.number < later.number:
            return "rolled back"
    return "superseded"


def live(history: Sequence[Entry]) -> Serving | None:
    """What was last meant to be live, by whichever revision; None before the first step of the first one."""
    entries = sorted(history, key=lambda e: -e.number)
    return next((e.progress.serving for e in entries if e.progress.serving is not None), None)


def engines_of(serving_now: Serving, history: Sequence[Entry]) -> list[EngineDeployment]:
    """The engines that `serving_now` names, looked up in the revisions; sorted by application name."""
    by_number = {e.number: e.revision for e in history}
    return [by_number[number].engine for _, number in sorted(serving_now.engines.items())]


def next_number(history: Sequence[Entry]) -> int:
    """The number of the revision to append."""
    return max((e.number for e in history), default=0) + 1


def routing_generation(number: int, step: int) -> int:
    """The generation of a routing table: grows with every revision and every step in it, never repeats."""
    return number * 1000 + step

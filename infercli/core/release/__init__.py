"""A release and its history: revisions that never change, and the rules that say which one is good.

A revision is what was meant (engines, routing, the static objects, the plan, the lock, the reason); its progress is
what became of it. "Superseded" is never stored: it follows from what came after.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from infercli.core.documents.plan import EngineSpec, FrontSpec, Plan
from infercli.core.record import Document, Json, Record

KEPT = 50
"""Revisions of a release, at least: every command reads them all, and each takes some 35 KB in the cluster. helm keeps
10, and so does a Deployment; failures and rollbacks are revisions here too, and whoever asks what was done last month
finds it. Our choice."""

GENERATIONS = 1000
"""Generations of the routing table that each revision has for its steps: a rollout has a dozen at most."""

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

    @property
    def routed(self) -> tuple[str, ...]:
        """The applications that take requests."""
        return tuple(app for app, weight in self.routes.items() if weight)


class Measured(Record):
    """What a benchmark found of a revision: the level of load that its newest result is about (bench/headline.py)."""

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
    answers: str | None = None
    """The path of the request by which its engine was verified (`/v1/chat/completions`); None: it was not."""
    measured: Measured | None = None
    """None: no benchmark of it was recorded."""

    def abandoned(self) -> Progress:
        """Of a revision that is pending although nobody holds the lease: its driver is lost."""
        return self.model_copy(update={"outcome": "abandoned", "message": "its driver went away"})


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


def newest(entries: Sequence[Entry]) -> Entry | None:
    """The latest of them, whatever became of it."""
    return max(entries, key=lambda e: e.number, default=None)


def serving(history: Sequence[Entry]) -> Entry | None:
    """The good revision that serves: the newest whose engine takes requests, by what was last meant to be live.

    One with the replicas and the front that are live goes before one with others. Where none serves (nothing is live,
    or what takes the requests never became good): the newest that was good and not taken back.
    """
    good, now = _good(history), live(history)
    apps = _routed(history)
    routed = [e for e in good if e.revision.engine.app in apps]
    running = [] if now is None else engines_of(now, history)
    whole = [e for e in routed if _stands(e.revision, now, running)]
    if routed:
        return newest(whole) or newest(routed)
    gone = taken_back(history)
    return newest([e for e in good if e.number not in gone])


def stands(revision: Revision, now: Serving | None, history: Sequence[Entry]) -> bool:
    """Its engine is live with its replicas, behind its front; how requests are shared is not asked."""
    return _stands(revision, now, [] if now is None else engines_of(now, history))


def _stands(revision: Revision, now: Serving | None, running: Sequence[EngineDeployment]) -> bool:
    return now is not None and now.front == revision.front and revision.engine in running


def takes_all_requests(entry: Entry, history: Sequence[Entry]) -> bool:
    """Every request goes to its engine, with its replicas and its front, by what was last meant to be live."""
    now = live(history)
    shifted = now is not None and now.routes.get(entry.revision.engine.app) == 100
    return shifted and stands(entry.revision, now, history)


def taken_back(history: Sequence[Entry]) -> set[int]:
    """The numbers of the revisions that rollbacks went past, also those that did not come to their end.

    What a later rollback points at counts again.
    """
    numbers: set[int] = set()
    for entry in sorted(history, key=lambda e: e.number):
        to = entry.revision.points_at
        if to is not None:
            numbers = (numbers | set(range(to + 1, entry.number))) - {to}
    return numbers


def took_back(app: str, history: Sequence[Entry]) -> Entry | None:
    """The rollback that went past the engine `app` last; None: none did, or it became good again since."""
    good = [e for e in history if e.revision.engine.app == app and e.progress.outcome == "good"]
    gone, last = taken_back(history), newest(good)
    if last is None or last.number not in gone:
        return None
    past = [e for e in history if e.revision.points_at is not None and e.revision.points_at < last.number < e.number]
    return min(past, key=lambda e: e.number)


def unfinished_rollback(history: Sequence[Entry]) -> Entry | None:
    """Where a rollback wanted to go that did not come to its end, unless a later revision became good or went back."""
    tried = [e for e in history if e.progress.outcome == "good" or e.revision.points_at is not None]
    last = newest(tried)
    if last is None or last.progress.outcome == "good":
        return None
    return next((e for e in history if e.number == last.revision.points_at), None)


def rollback_target(history: Sequence[Entry]) -> Entry | None:
    """Where `rollback` goes: the newest good revision that differs from what was last attempted.

    In its engine, the replicas of it, the front or the objects: in all that a deploy changes.

    After a rollback that did not come to its end that is where it went, since it took back all between; after a deploy
    that did not, the revision that served before; after one that did, the one before. What a rollback took back on
    purpose is skipped, so that going back twice does not bounce between two revisions.
    """
    last = newest(history)
    if last is None:
        return None
    gone = taken_back(history)
    good = [e for e in _good(history) if e.number not in gone]
    if last.progress.outcome != "good":
        return newest(good)
    return newest([e for e in good if _parts(e.revision) != _parts(last.revision)])


def _parts(revision: Revision) -> tuple[EngineDeployment, FrontSpec, tuple[dict[str, Json], ...]]:
    """All that a deploy changes and a rollback brings back."""
    return revision.engine, revision.front, revision.objects


def _good(history: Sequence[Entry]) -> list[Entry]:
    return [e for e in history if e.progress.outcome == "good"]


def _routed(history: Sequence[Entry]) -> set[str]:
    """The applications that take requests, by what was last meant to be live."""
    now = live(history)
    return set(now.routed) if now is not None else set()


def forgettable(history: Sequence[Entry]) -> list[int]:
    """The numbers of the revisions older than the newest KEPT without which every rule here finds the same."""
    kept = sorted(history, key=lambda e: e.number)
    found = []
    for entry in kept[:-KEPT]:
        now, without = live(kept), [e for e in kept if e is not entry]
        is_live = now is not None and entry.number in now.engines.values()
        if not is_live and _rules(without) == _rules(kept):
            kept = without
            found.append(entry.number)
    return found


def _rules(history: Sequence[Entry]) -> tuple[Serving | None, list[int | None]]:
    found = (serving(history), rollback_target(history), unfinished_rollback(history))
    return live(history), [e.number if e is not None else None for e in found]


def ways_on(name: str, history: Sequence[Entry], *, down: bool = False) -> str:
    """What to type after a newest revision that did not come to its end: only what then works.

    `down`: what served before does not serve either, so that going back to it is something to do.
    """
    last, now, to = newest(history), live(history), unfinished_rollback(history)
    on = f"`infercli rollback {name}` goes on, to revision {to.number}" if to is not None else ""
    if to is not None and last is not None and last.revision.action == "rollback":
        other = _another(to, history) if last.progress.outcome == "failed" else None
        return on if other is None else f"{on}; where that cannot be, `infercli rollback {name} --to {other.number}`"
    begun = last is not None and now is not None and last.number in now.engines.values()
    deploy = f"`infercli deploy` {'goes on' if begun else 'tries again'}"
    target = rollback_target(history)
    if on or target is None:
        return f"{deploy}; {on or f'`infercli delete {name}` takes it away'}"
    return f"{deploy}; `infercli rollback {name}` goes back to revision {target.number}" if begun or down else deploy


def _another(aim: Entry, history: Sequence[Entry]) -> Entry | None:
    """The newest good revision whose engine is neither that of `aim` nor one that takes requests."""
    apps = _routed(history) | {aim.revision.engine.app}
    return newest([e for e in _good(history) if e.revision.engine.app not in apps])


def measured(history: Sequence[Entry]) -> Measured | None:
    """What the newest benchmark found of the engine that should be serving now, whichever revision brought it."""
    good = serving(history)
    if good is None:
        return None
    same = [e for e in history if e.revision.engine == good.revision.engine and e.progress.measured is not None]
    found = newest(same)
    return found.progress.measured if found is not None else None


def answers(app: str, history: Sequence[Entry]) -> str | None:
    """The path of the request by which the engine `app` was verified last; None: it never was."""
    found = newest([e for e in history if e.revision.engine.app == app and e.progress.answers is not None])
    return found.progress.answers if found is not None else None


def standing(entry: Entry, history: Sequence[Entry]) -> str:
    """What `history` prints: `serving`, `superseded`, `rolled back`, `failed`, `interrupted`, `pending`."""
    return standings([entry], history)[0]


def standings(entries: Sequence[Entry], history: Sequence[Entry]) -> list[str]:
    """`standing` of each of `entries`, in one look at a history that may have hundreds."""
    good, routed, gone = serving(history), _routed(history), taken_back(history)
    serves = good if good is not None and (not routed or good.revision.engine.app in routed) else None

    def of(entry: Entry) -> str:
        if entry.progress.outcome != "good":
            return entry.progress.outcome
        if serves is not None and entry.number == serves.number:
            return "serving"
        return "rolled back" if entry.number in gone else "superseded"

    return [of(entry) for entry in entries]


def live(history: Sequence[Entry]) -> Serving | None:
    """What was last meant to be live, by whichever revision; None before the first step of the first one."""
    entries = sorted(history, key=lambda e: -e.number)
    return next((e.progress.serving for e in entries if e.progress.serving is not None), None)


def engines_of(serving_now: Serving, history: Sequence[Entry]) -> list[EngineDeployment]:
    """The engines that `serving_now` names, looked up in the revisions; sorted by application name."""
    by_number = {e.number: e.revision for e in history}
    return [by_number[number].engine for _, number in sorted(serving_now.engines.items())]


def next_number(history: Sequence[Entry], generation: int = 0) -> int:
    """The number of the revision to append.

    `generation` is that of the table which is live: where the history that made it is gone, its number is not given
    again, since the fronts would be taken to have the new table while they have the old one.
    """
    return max(generation // GENERATIONS, max((e.number for e in history), default=0)) + 1


def routing_generation(number: int, step: int) -> int:
    """The generation of a routing table: grows with every revision and every step in it, never repeats."""
    return number * GENERATIONS + step


def table_of(held: Json) -> tuple[int, dict[str, int]]:
    """Generation and weights of the routing table in a Serve config that the other side holds.

    (0, {}) where there is none, or somebody made it into something else.
    """
    try:
        front = next(app for app in held["applications"] if app["name"] == "front")
        table = front["deployments"][0]["user_config"]
        return int(table["generation"]), {route["app"]: int(route["weight"]) for route in table["routes"]}
    except (StopIteration, LookupError, TypeError, ValueError):
        return 0, {}

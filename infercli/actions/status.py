"""status: what serves, what is changing, who is changing it, and whether the other side holds what was meant."""

from __future__ import annotations

from typing import Literal

from infercli.actions.ports import Platform, ReleaseStore
from infercli.actions.steps import Compose
from infercli.actions.waiting import front_states
from infercli.core.differences import differs
from infercli.core.observed import Application
from infercli.core.record import Document, Json, Record
from infercli.core.release import (
    Entry,
    Lease,
    Measured,
    live,
    measured,
    newest,
    rollback_target,
    serving,
    standing,
    takes_all_requests,
    unfinished_rollback,
    ways_on,
)
from infercli.errors import ClusterError, EndpointError, InputError, RayError


class EngineStatus(Record):
    """One engine, as meant and as seen."""

    app: str
    revision: int | None
    """None: it runs and no record asks for it."""
    model: str | None
    quantization: str | None
    weight_percent: int
    status: str
    """Ray's word for it; `ABSENT` where it should be and is not."""
    message: str | None = None


class FrontStatus(Record):
    """The front's replicas, as they answered."""

    wanted: int
    current: int
    """Those that route by the table that was meant."""
    refused: dict[str, str] = {}


class Status(Document):
    """The answer of `infercli status NAME`."""

    kind: Literal["Status"] = "Status"
    name: str
    where: str
    endpoint: str | None
    state: Literal["serving", "changing", "degraded", "down", "unknown"]
    summary: str
    revision: int | None
    """The good one whose engine serves; where none does, the newest good one."""
    newest_revision: int
    newest_standing: str
    """`abandoned` also while it is recorded as pending and nobody drives it any more."""
    newest_message: str | None
    next: str | None = None
    """What to type next; None while there is nothing to do, or somebody does it."""
    measured: Measured | None
    """Of the engine that should serve; None: no benchmark of it was recorded."""
    lease: Lease | None
    engines: tuple[EngineStatus, ...]
    front: FrontStatus | None
    drift: tuple[str, ...] = ()
    """Where the Serve config on the other side differs from what the newest record composes to."""


def status(name: str, platform: Platform, store: ReleaseStore, compose: Compose) -> Status:
    """Look once. Raises InputError when there is no such release."""
    lease, history = lease_and_history(name, store)
    last = newest(history)
    if last is None:
        known = ", ".join(f"`{n}`" for n in store.names())
        raise InputError(f"there is no release `{name}`", f"known: {known}" if known else "`infercli deploy` makes one")
    meant, good = live(history), serving(history)
    problem: str | None = None
    apps: dict[str, Application] = {}
    front: FrontStatus | None = None
    held: Json = None
    try:
        apps = dict(platform.applications().apps)
        held = platform.config()
    except (RayError, ClusterError) as error:
        problem = error.message
    if problem is None and meant is not None:
        try:
            states = front_states(platform, meant.front.replicas, tries=3 * meant.front.replicas)
            current = [s for s in states.values() if s.generation >= meant.generation]
            refused = {app: why for s in states.values() for app, why in s.refused.items()}
            front = FrontStatus(wanted=meant.front.replicas, current=len(current), refused=refused)
        except EndpointError as error:
            front = FrontStatus(wanted=meant.front.replicas, current=0)
            problem = error.message
    engines: list[EngineStatus] = []
    by_number = {e.number: e.revision for e in history}
    for app in sorted(set(meant.engines if meant else ()) | (set(apps) - {"front"})):
        number = meant.engines.get(app) if meant else None
        spec = by_number[number].engine.spec if number is not None else None
        seen = apps.get(app)
        messages = "; ".join(m for m in (seen.message, *seen.deployment_messages) if m) if seen else ""
        engines.append(
            EngineStatus(
                app=app,
                revision=number,
                model=spec.model_id if spec else None,
                quantization=spec.quantization if spec else None,
                weight_percent=meant.routes.get(app, 0) if meant else 0,
                status=seen.status if seen else "ABSENT",
                message=messages or None,
            )
        )
    drift = () if held is None or meant is None else differs(held, compose(meant, history))
    state, summary = _judge(problem, engines, front, changing=lease is not None, any_good=good is not None)
    amiss = _amiss(last, history) if lease is None else []
    if amiss and state == "serving":
        state = "degraded"
    if amiss and state != "down":
        summary = "; ".join([summary, *amiss])
    return Status(
        name=name,
        where=platform.where,
        endpoint=platform.endpoint(),
        state=state,
        summary=summary,
        revision=good.number if good else None,
        newest_revision=last.number,
        newest_standing=standing(last, history),
        newest_message=last.progress.message,
        next=_next(name, state, history, amiss=bool(amiss), drift=bool(drift)) if lease is None else None,
        measured=measured(history),
        lease=lease,
        engines=tuple(engines),
        front=front,
        drift=drift,
    )


def lease_and_history(name: str, store: ReleaseStore) -> tuple[Lease | None, list[Entry]]:
    """Who changes the release, and its history; what is pending though nobody changes it is told as abandoned."""
    history, lease = list(store.entries(name)), store.lease(name)
    if lease is None and any(e.progress.outcome == "pending" for e in history):
        # Read again: its driver may have come to its end between the two looks.
        lost = {"outcome": "abandoned", "message": "its driver went away"}
        history = [
            e.model_copy(update={"progress": e.progress.model_copy(update=lost)})
            if e.progress.outcome == "pending"
            else e
            for e in store.entries(name)
        ]
    return lease, history


def _amiss(last: Entry, history: list[Entry]) -> list[str]:
    """In what, by the record, that serves which was not meant to, while nobody changes it."""
    found, to, now = [], unfinished_rollback(history), live(history)
    if last.progress.outcome == "abandoned":
        found.append(f"nobody drives revision {last.number} any more, which came to `{last.progress.step}`")
    if to is not None and not takes_all_requests(to, history):
        found.append(f"the rollback to revision {to.number} did not come to its end")
    proven = {e.revision.engine.app for e in history if e.progress.outcome == "good"}
    for app, weight in sorted(now.routes.items()) if now is not None else ():
        if weight and app not in proven:
            found.append(f"{app} takes {weight} % of the requests, and no revision with it became good")
    return found


def _next(name: str, state: str, history: list[Entry], *, amiss: bool, drift: bool) -> str | None:
    last = newest(history)
    if last is not None and last.progress.outcome != "good" and (amiss or drift or state == "down"):
        return ways_on(name, history, down=state == "down")
    if state == "down":
        return f"`infercli deploy` starts it again; `infercli delete {name}` takes it away"
    if state == "degraded" and (target := rollback_target(history)) is not None:
        return f"`infercli logs {name}` says more; `infercli rollback {name}` goes back to revision {target.number}"
    return "`infercli diff` compares; `infercli deploy` puts it right" if drift else None


def _judge(
    problem: str | None, engines: list[EngineStatus], front: FrontStatus | None, *, changing: bool, any_good: bool
) -> tuple[Literal["serving", "changing", "degraded", "down", "unknown"], str]:
    routed = [e for e in engines if e.weight_percent]
    up = [e for e in routed if e.status == "RUNNING"]
    if problem is not None:
        return ("down" if any_good else "unknown"), problem
    if not routed:
        return ("changing", "starting") if changing else ("down", "no engine takes requests")
    if not up:
        return "down", "; ".join(f"{e.app} is {e.status}" for e in routed)
    words = f"{', '.join(e.app for e in up)} serves"
    if changing:
        return "changing", words
    if len(up) < len(routed) or front is None or front.current < front.wanted or front.refused:
        reasons = [f"{e.app} is {e.status}" for e in routed if e.status != "RUNNING"]
        if front is not None and front.current < front.wanted:
            reasons.append(f"{front.current} of {front.wanted} front replicas are up to date")
        reasons += [f"{app} is refused: {why}" for app, why in (front.refused if front else {}).items()]
        return "degraded", "; ".join([words, *reasons])
    return "serving", words

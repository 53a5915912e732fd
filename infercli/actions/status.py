"""status: what serves, what is changing, who is changing it, and whether the other side holds what was meant."""

from __future__ import annotations

from typing import Literal

from infercli.actions.ports import Platform, ReleaseStore
from infercli.actions.steps import Compose
from infercli.actions.waiting import front_states
from infercli.core.differences import differs
from infercli.core.observed import Application
from infercli.core.record import Document, Json, Record
from infercli.core.release import Lease, Measured, live, measured, newest, serving, standing
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
    """The newest good one."""
    newest_revision: int
    newest_standing: str
    newest_message: str | None
    measured: Measured | None
    """Of the engine that should serve; None: no benchmark of it was recorded."""
    lease: Lease | None
    engines: tuple[EngineStatus, ...]
    front: FrontStatus | None
    drift: tuple[str, ...] = ()
    """Where the Serve config on the other side differs from what the newest record composes to."""


def status(name: str, platform: Platform, store: ReleaseStore, compose: Compose) -> Status:
    """Look once. Raises InputError when there is no such release."""
    history = list(store.entries(name))
    last = newest(history)
    if last is None:
        known = ", ".join(f"`{n}`" for n in store.names())
        raise InputError(f"there is no release `{name}`", f"known: {known}" if known else "`infercli deploy` makes one")
    lease, meant, good = store.lease(name), live(history), serving(history)
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
        measured=measured(history),
        lease=lease,
        engines=tuple(engines),
        front=front,
        drift=drift,
    )


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

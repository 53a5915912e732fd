"""status: what serves, what is changing, who is changing it, and whether the other side holds what was meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

from infercli.actions.ports import Platform, ReleaseStore
from infercli.actions.steps import Compose
from infercli.actions.waiting import front_states
from infercli.core.differences import differs
from infercli.core.record import Document, Json, Record
from infercli.core.release import (
    Entry,
    Lease,
    Measured,
    Serving,
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
from infercli.core.release.observed import Application
from infercli.errors import ClusterError, EndpointError, InferError, InputError, RayError, RayGone

State = Literal["serving", "changing", "degraded", "down", "unknown"]
"""`unknown`: Ray, the cluster or the front could not be asked, so that nothing is said of what serves."""


class EngineStatus(Record):
    """One engine, as meant and as seen."""

    app: str
    revision: int | None
    """None: it runs and no record asks for it."""
    model: str | None
    quantization: str | None
    weight_percent: int
    status: str
    """Ray's word for it, in the Ray cluster that is being built where there is one; `ABSENT` where it should be and is
    not, `UNKNOWN` where Ray could not be asked."""
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
    state: State
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
    """Where the Serve config on the other side differs from what the newest record composes to. Empty while somebody
    changes it: a step is recorded before it is taken."""


class _Look(NamedTuple):
    """What was seen, and what could not be."""

    apps: Mapping[str, Application] | None
    """None: Ray could not be asked."""
    held: Json
    front: FrontStatus | None
    answering: frozenset[str]
    """The engines that a front replica told of and does not refuse."""
    silent: str | None
    """Why no request is answered; None: the front answers, or was not asked."""
    failed: tuple[InferError, ...]
    """What kept us from looking."""


def status(name: str, platform: Platform, store: ReleaseStore, compose: Compose) -> Status:
    """Look once. Raises InputError when there is no such release."""
    lease, history = lease_and_history(name, store)
    last = newest(history)
    if last is None:
        known = ", ".join(f"`{n}`" for n in store.names())
        raise InputError(f"there is no release `{name}`", f"known: {known}" if known else "`infercli deploy` makes one")
    meant, good = live(history), serving(history)
    look = _look(platform, meant)
    engines = tuple(_engines(meant, look, history))
    unlike = () if look.held is None or meant is None else differs(look.held, compose(meant, history))
    drift = unlike if lease is None else ()
    state, summary = _judge(look, [e for e in engines if e.weight_percent], changing=lease is not None)
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
        next=_next(name, state, look, history, amiss=bool(amiss), drift=bool(drift)) if lease is None else None,
        measured=measured(history),
        lease=lease,
        engines=engines,
        front=look.front,
        drift=drift,
    )


def _look(platform: Platform, meant: Serving | None) -> _Look:
    """Ask Ray, then the front: one may answer while the other does not."""
    apps: Mapping[str, Application] | None = None
    held: Json = None
    failed: list[InferError] = []
    try:
        apps = platform.applications().apps
        held = platform.config()
    except RayGone as error:
        return _Look({}, None, None, frozenset(), error.message, ())
    except (RayError, ClusterError) as error:
        failed.append(error)
    front, silent, answering = None, None, frozenset[str]()
    if meant is not None:
        wanted = meant.front.replicas
        front = FrontStatus(wanted=wanted, current=0)
        try:
            states, _ = front_states(platform, wanted, tries=3 * wanted)
        except EndpointError as error:
            silent = error.message
        except (InputError, ClusterError) as error:  # the operator token is missing, or the way to the front is barred
            failed.append(error)
        else:
            current = [s for s in states if s.generation >= meant.generation]
            refused = {app: why for s in states for app, why in s.refused.items()}
            front = FrontStatus(wanted=wanted, current=len(current), refused=refused)
            answering = frozenset(app for app in meant.routes for s in states if app not in s.refused)
            word = apps["front"].status if apps and "front" in apps else "ABSENT"
            if not states and apps is not None and word != "RUNNING":
                silent = f"the front is {word}"
            elif not states:
                failed.append(EndpointError("the front answers and does not say how it routes"))
    return _Look(apps, held, front, answering, silent, tuple(failed))


def _engines(meant: Serving | None, look: _Look, history: list[Entry]) -> Iterator[EngineStatus]:
    """Those that should run and those that do, by name."""
    apps = look.apps or {}
    by_number = {e.number: e.revision for e in history}
    for app in sorted({*(meant.engines if meant else ()), *apps} - {"front"}):
        number = meant.engines.get(app) if meant else None
        spec = by_number[number].engine.spec if number is not None else None
        seen = apps.get(app)
        messages = [m for m in (seen.message, *seen.deployment_messages) if m] if seen else []
        yield EngineStatus(
            app=app,
            revision=number,
            model=spec.model_id if spec else None,
            quantization=spec.quantization if spec else None,
            weight_percent=meant.routes.get(app, 0) if meant else 0,
            status=seen.status if seen else "ABSENT" if look.apps is not None else "UNKNOWN",
            message="; ".join(messages) or None,
        )


def lease_and_history(name: str, store: ReleaseStore) -> tuple[Lease | None, list[Entry]]:
    """Who changes the release, and its history; what is pending though nobody changes it is told as abandoned."""
    history, lease = list(store.entries(name)), store.lease(name)
    if lease is None and any(e.progress.outcome == "pending" for e in history):
        # Read again: its driver may have come to its end between the two looks.
        history = [
            e.model_copy(update={"progress": e.progress.abandoned()}) if e.progress.outcome == "pending" else e
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


def _next(name: str, state: State, look: _Look, history: list[Entry], *, amiss: bool, drift: bool) -> str | None:
    last = newest(history)
    if state == "unknown":
        return next((error.hint for error in look.failed if error.hint), None)
    if last is not None and last.progress.outcome != "good" and (amiss or drift or state == "down"):
        return ways_on(name, history, down=state == "down")
    away = f"`infercli delete {name}` takes it away"
    good = serving(history)
    if state == "down" and look.held is None and good is not None:
        # What is deployed is what the file says by now, which may be what was rolled back.
        again = f"`infercli rollback {name} --to {good.number}` starts revision {good.number} again, as it was"
        return f"{again}; `infercli deploy` starts what deployment.yaml says; {away}"
    target = rollback_target(history)
    if state == "down" or (state == "degraded" and target is not None):
        back = f"`infercli rollback {name}` goes back to revision {target.number}" if target is not None else away
        return f"`infercli logs {name}` says more; {back}"
    if drift:
        return "`infercli diff` compares; `infercli deploy` puts it right"
    return f"`infercli logs {name}` says more" if state == "degraded" else None


def _judge(look: _Look, routed: list[EngineStatus], *, changing: bool) -> tuple[State, str]:
    """The state and its reason. `routed`: the engines that should take requests.

    Whether they do is the front's to say. Ray calls an engine DEPLOYING also while only a replica is added, and ABSENT
    while a second Ray cluster is built, and the engine answers all the same.
    """
    runs = [e.app for e in routed if e.status == "RUNNING"]
    answers = [e for e in routed if e.app in look.answering]
    serves = [e.app for e in answers if e.app in runs]
    words = [f"{', '.join(serves)} serves"] if serves and not look.failed else []
    for engine in answers:
        if look.apps is None:
            words.append(f"the front routes to {engine.app}")
        elif engine.app not in runs:
            words.append(f"the front routes to {engine.app}, which Ray calls {engine.status}")
    refused = [f"{app} is refused: {why}" for app, why in (look.front.refused if look.front else {}).items()]
    if look.failed:
        silent = [look.silent] if look.silent is not None else []
        unsaid = [f"Ray says that {app} runs" for app in runs]
        return "unknown", "; ".join([*(error.message for error in look.failed), *silent, *words, *unsaid, *refused])
    if look.silent is not None:
        return ("changing" if changing else "down"), look.silent
    if not routed:
        return ("changing", "starting") if changing else ("down", "no engine takes requests")
    if changing:
        return "changing", "; ".join([*words, *refused])
    if not answers:
        return "down", "; ".join(refused)
    behind = []
    if look.front is not None and look.front.current < look.front.wanted:
        behind = [f"{look.front.current} of {look.front.wanted} front replicas are up to date"]
    reasons = [*behind, *refused]
    state: State = "degraded" if reasons or len(serves) < len(routed) else "serving"
    return state, "; ".join([*words, *reasons])

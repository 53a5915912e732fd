"""deploy: bring an engine up beside what serves, verify it, shift to it."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence

from infercli.actions.steps import Drive, World
from infercli.actions.verifying import verify
from infercli.actions.waiting import Deadline, front_states, runs
from infercli.core.differences import differs
from infercli.core.documents.plan import Plan
from infercli.core.record import Json, Record
from infercli.core.release import (
    EngineDeployment,
    Entry,
    Outcome,
    Progress,
    Revision,
    Serving,
    engines_of,
    live,
    newest,
    next_number,
    routing_generation,
    serving,
    table_of,
    unfinished_rollback,
    ways_on,
)
from infercli.core.release.rollout import Condition, State, Strategy, rollout, strategy
from infercli.errors import DeployFailed, InferError, InputError, Interrupted, ReleaseBusy, TimedOut

LAST_STEP = 999
"""The routing step of going back: after every step that a rollout can have, before the next revision's."""

ASKED_S = 5.0
"""How long an engine that Ray gave up on is asked whether it answers: one that runs does within a second."""


class Request(Record):
    """What to deploy, and how."""

    plan: Plan
    objects: tuple[dict[str, Json], ...]
    """The static objects that render made of the plan."""
    reason: str | None = None
    who: str
    infercli_version: str
    weights: tuple[int, ...] = (100,)
    drop_previous: bool = False
    allow_downtime: bool = False
    break_lock: bool = False
    timeout_s: float


def engine_of(plan: Plan) -> EngineDeployment:
    """The engine application that a plan means."""
    return EngineDeployment(app=plan.engine.app_name(plan.name), spec=plan.engine, replicas=plan.replicas)


def standing_now(world: World, history: Sequence[Entry]) -> Serving | None:
    """What is live, by the record; None where the other side holds nothing (a Ray that died, a RayService deleted)."""
    return live(history) if world.platform.config() is not None else None


def is_live(request: Request, history: Sequence[Entry], now: Serving | None) -> bool:
    """Exactly this already serves: the same engine, replicas, front and objects, with every request."""
    current = serving(history)
    if now is None or current is None or current != newest(history):
        return False
    new = engine_of(request.plan)
    return (
        now.routes.get(new.app) == 100
        and now.front == request.plan.front
        and current.revision.engine == new
        and current.revision.objects == request.objects
    )


def settled(request: Request, world: World, history: Sequence[Entry], now: Serving | None) -> bool:
    """A deploy has nothing to do: `is_live`, the other side holds what was recorded, and it runs.

    Where somebody changed it there, by hand or with another tool, or it is down, a deploy puts it right.
    """
    if now is None or not is_live(request, history, now):
        return False
    if differs(world.platform.config(), world.compose(now, history)):
        return False
    there = world.platform.held_objects(request.objects)
    if any(held is None or differs(held, meant) for held, meant in zip(there, request.objects, strict=True)):
        return False
    return runs(world.platform, ["front", engine_of(request.plan).app], world.clock)


def condition_of(engine: EngineDeployment, world: World, history: Sequence[Entry], now: Serving | None) -> Condition:
    """How the application of `engine` stands, as Ray says; `short` also where it is not live at all.

    A Ray that gave up has no replica left, but for one that failed its health check beside others while they came up
    (Ray 2.60, deployment_state.py, check_curr_status): so the engine is asked before anybody drops it.
    """
    standing = standing_engine(engine.app, history, now)
    if now is None or standing is None:
        return "short"
    if now.routes.get(engine.app) == 100:
        runs(world.platform, [engine.app], world.clock)  # a status that lags is not one of an engine that is down
    seen = world.platform.applications()
    status = seen.apps[engine.app].status if engine.app in seen.apps else None
    if status == "DEPLOY_FAILED" and not _answers(engine, world):
        return "failed"
    # A status of before the newest put says nothing of replicas that it added. That of an idle engine, which it did not
    # touch, must do: requests that have to go there do not wait for an operator.
    current = seen.accepted or not now.routes.get(engine.app)
    return "up" if status == "RUNNING" and current and standing.replicas >= engine.replicas else "short"


def standing_engine(app: str, history: Sequence[Entry], now: Serving | None) -> EngineDeployment | None:
    """What the application is meant to be now; None where it is not live."""
    return next((e for e in engines_of(now, history) if e.app == app), None) if now is not None else None


def _answers(engine: EngineDeployment, world: World) -> bool:
    try:
        verify(world.platform, engine.app, engine.spec.model_id, Deadline(world.clock, ASKED_S))
    except (InferError, OSError):
        return False
    return True


def gpus_beside(app: str, history: Sequence[Entry], before: Serving | None) -> int:
    """GPUs of the other engines that take requests, which go on while `app` comes up."""
    others = engines_of(before, history) if before is not None else []
    return sum(e.spec.gpus * e.replicas for e in others if before and before.routes.get(e.app) and e.app != app)


def capacity(plan: Plan) -> int | None:
    """GPUs that the release's Ray can ever have; None where GPUs are not counted (the local target)."""
    return plan.profile.max_gpus if plan.engine.gpus else None


def prospect(
    request: Request, world: World, history: Sequence[Entry], before: Serving | None
) -> tuple[Strategy, list[State]]:
    """The strategy and the states that a deploy would go through; also what `--dry-run` prints."""
    new = engine_of(request.plan)
    others = [e for e in engines_of(before, history) if e.app != new.app] if before else []
    busy = gpus_beside(new.app, history, before)
    how = strategy(new, busy, capacity(request.plan))
    # What a rollback that did not come to its end wants to go back to stays warm, while there is room for it.
    wanted = unfinished_rollback(history)
    keep = next((e for e in others if wanted is not None and e.app == wanted.revision.engine.app), None)
    if keep is not None and before and not before.routes.get(keep.app):
        beside_it = strategy(new, busy + keep.spec.gpus * keep.replicas, capacity(request.plan))
        keep = keep if beside_it == "beside" else None
    states = rollout(
        number_now(world, history),
        new,
        request.plan.front,
        before,
        how=how,
        condition=condition_of(new, world, history, before),
        weights=request.weights,
        drop_previous=request.drop_previous,
        keep=keep.app if keep is not None else None,
    )
    return how, states


def number_now(world: World, history: Sequence[Entry]) -> int:
    """The number of the revision to append."""
    return next_number(history, table_of(world.platform.config())[0])


def check_recorded(request: Request, world: World, history: Sequence[Entry]) -> None:
    """Raises InputError where an engine takes requests of which no revision knows: a deploy could not keep it."""
    routes = table_of(world.platform.config())[1]
    known = {e.revision.engine.app for e in history}
    strange = sorted(app for app, weight in routes.items() if weight and app not in known)
    if strange and not request.allow_downtime:
        name = request.plan.name
        raise InputError(
            f"{' and '.join(strange)} takes requests on {world.platform.where}, and no revision of {name} that is left "
            "knows of it: after a deploy has begun, clients get 503 until the new engine has started and was verified",
            "put the revisions that were deleted back, from a backup; or `infercli deploy --allow-downtime`",
        )


def candidate(request: Request, world: World, history: Sequence[Entry]) -> Entry:
    """The entry that a deploy would append."""
    plan = request.plan
    revision = Revision(
        name=plan.name,
        number=number_now(world, history),
        action="deploy",
        created_at=world.clock.now(),
        created_by=request.who,
        reason=request.reason,
        infercli_version=request.infercli_version,
        target=plan.target,
        engine=engine_of(plan),
        front=plan.front,
        plan=plan,
        objects=request.objects,
    )
    return Entry(revision=revision, progress=Progress())


def deploy(request: Request, world: World) -> Entry:
    """Deploy and return the new entry, or the serving one when nothing had to change.

    Raises DeployFailed (what served still serves), TimedOut, Interrupted, ReleaseBusy, InputError (no room without
    downtime). Whatever happens, the record says how far it came and the next command goes on from there.
    """
    plan = request.plan
    name = plan.name
    with world.store.changing(name, "deploy", break_lock=request.break_lock, patience_s=request.timeout_s):
        history = list(world.store.entries(name))
        before = standing_now(world, history)
        if settled(request, world, history, before):
            current = serving(history)
            assert current is not None  # is_live says so
            return current
        check_recorded(request, world, history)
        entry = candidate(request, world, history)
        how, states = prospect(request, world, history, before)
        if how == "replace" and any(s.step == "stop" for s in states) and not request.allow_downtime:
            raise InputError(
                f"there is no free GPU for a second engine: replacing it means that {name} answers 503 (Retry-After) "
                "from the moment the old engine stops until the new one has loaded",
                "add --allow-downtime, or free GPUs",
            )
        # What the other side refuses is found before anything is recorded or changed.
        world.platform.validate(request.objects, world.compose(states[0].serving, [*history, entry]))
        abandon_pending(world, history)
        world.store.append(entry.revision)
        return run(world, entry.revision, states, before, request.timeout_s)


def abandon_pending(world: World, history: Sequence[Entry]) -> None:
    """A revision that is still pending while we hold the lease has lost its driver: say so in its record."""
    for entry in history:
        if entry.progress.outcome == "pending":
            world.store.progress(entry.revision.name, entry.number, entry.progress.abandoned())


def run(
    world: World,
    revision: Revision,
    states: Sequence[State],
    before: Serving | None,
    timeout_s: float,
    *,
    undo: bool = True,
) -> Entry:
    """Take `states` one by one. With `undo`, a failure before requests were shifted puts `before` back.

    A rollback is not undone: what it leaves was left because it is bad.
    """
    held = functools.partial(world.store.check_held, revision.name)
    drive = Drive(world, revision, Deadline(world.clock, timeout_s, held))
    drive.serving = before
    step = "prepare"
    try:
        world.watcher.step(f"prepare {world.platform.where}")
        world.platform.prepare(revision)
        for state in states:
            step = state.step
            drive.take(state)
    except KeyboardInterrupt:
        _give_up(drive, before, step, "interrupted", "its command was interrupted", None, undo=undo)
        raise Interrupted(f"interrupted; {_left(drive, before)}", _hint(drive)) from None
    except ReleaseBusy as error:
        # Another drives it now: nothing is put back under its hands, and nothing recorded.
        raise ReleaseBusy(f"revision {revision.number} was left at `{step}`: {error.message}", error.hint) from error
    except (InferError, OSError) as error:
        message = error.message if isinstance(error, InferError) else str(error)
        said = error.said if isinstance(error, DeployFailed) else None
        message = _give_up(drive, before, step, "failed", message, said, undo=undo)
        kind = TimedOut if isinstance(error, TimedOut) else DeployFailed
        cure = error.hint if isinstance(error, InferError) else None
        if said is not None:
            cure = f"`infercli logs {revision.name} --engine {revision.engine.app}` prints all that was said"
        raise kind(
            f"revision {revision.number} failed at `{step}`: {message}\n{_left(drive, before)}",
            "\n".join(part for part in (cure, _hint(drive)) if part),
        ) from error
    finally:
        world.watcher.done()
    try:
        drive.record("good", states[-1].step if states else "unchanged")
    except ReleaseBusy:
        raise
    except (InferError, OSError) as error:
        raise DeployFailed(
            f"revision {revision.number} came to its end, and this could not be recorded: {error}\n"
            f"{_left(drive, before)}",
            _hint(drive),
        ) from error
    drive.tidy(revision)
    drive.shorten()
    return next(e for e in world.store.entries(revision.name) if e.number == revision.number)


def _give_up(
    drive: Drive,
    before: Serving | None,
    step: str,
    outcome: Outcome,
    message: str,
    said: str | None,
    *,
    undo: bool,
) -> str:
    """Leave nothing half-done: before the first shift the old config is put back, afterwards it is left to rollback.

    Returns `message` as it is recorded: with why going back failed, where it did. Where it cannot be recorded, it has
    that too: whoever reads it still learns what was wrong first.
    """
    try:
        if undo and not drive.shifted and step != "prepare":
            drive.world.watcher.step("go back to what served before")
            drive.go_back(before, routing_generation(drive.revision.number, LAST_STEP))
    except (InferError, OSError) as error:
        message = f"{message}; and going back failed: {error}"
    except KeyboardInterrupt:
        message = f"{message}; and going back was interrupted too"
    drive.recall()
    try:
        drive.record(outcome, step, message, said)
    except ReleaseBusy as error:
        # Another may drive it by now. What was wrong first is told all the same.
        why = message if error.message in message else f"{message}; {error.message}"
        raise ReleaseBusy(f"revision {drive.revision.number} was left at `{step}`: {why}", error.hint) from error
    except (InferError, OSError) as error:
        return f"{message}; and this could not be recorded: {error}"
    drive.shorten()
    return message


def _hint(drive: Drive) -> str:
    name = drive.revision.name
    stands = f"`infercli status {name}` says where it stands"
    try:
        return f"{stands}; {ways_on(name, drive.world.store.entries(name))}"
    except (InferError, OSError):
        return f"{stands}; the same command, typed again, goes on from there"


def _left(drive: Drive, before: Serving | None) -> str:
    """What serves now, as the front says: what should may have gone down meanwhile."""
    recorded, platform = drive.serving or before, drive.world.platform
    if recorded is None or not recorded.routed:
        return "nothing serves"
    routed = recorded.routed
    try:
        states, _ = front_states(platform, recorded.front.replicas, tries=2 * recorded.front.replicas)
    except (InferError, OSError) as error:
        with contextlib.suppress(InferError, OSError):
            if platform.config() is None:
                return f"nothing serves: {platform.where} holds nothing any more"
        return f"it cannot be told whether {' and '.join(routed)} serves: {error}"
    refused = {app: why for state in states for app, why in state.refused.items()}
    up = [app for app in routed if states and app not in refused]
    down = [f"{app} is refused by the front: {refused[app]}" for app in routed if app in refused]
    return "; ".join([f"{' and '.join(up)} serves" if up else "nothing serves", *down])

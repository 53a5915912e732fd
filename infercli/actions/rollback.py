"""rollback: go back to the newest revision that was good; for whoever was woken up, it says first what it does."""

from __future__ import annotations

from collections.abc import Callable

from infercli.actions.deploy import (
    abandon_pending,
    capacity,
    condition_of,
    gpus_beside,
    number_now,
    run,
    standing_engine,
    standing_now,
)
from infercli.actions.steps import World
from infercli.actions.waiting import runs
from infercli.core.record import Record
from infercli.core.release import (
    Entry,
    Revision,
    Serving,
    newest,
    rollback_target,
    serving,
    stands,
)
from infercli.core.release.rollout import State, rollout, shift_back, strategy
from infercli.errors import InputError
from infercli.render.upgrade import builds_new_cluster


class Way(Record):
    """How a rollback would go."""

    to: int
    """The revision's number."""
    app: str
    is_shift: bool
    """The engine runs: the way back takes about a second. Otherwise it is started first, which takes minutes."""
    moves: bool = True
    """Requests go to another engine; else only its replicas, the front or the objects go back."""
    lacks_replicas: bool = False
    """Its engine is there by the record, and is down or has fewer replicas than that revision."""
    new_cluster: bool = False
    """Its pods are other ones (an image above all): KubeRay builds a second Ray cluster beside the one that serves."""
    states: tuple[State, ...]
    """Empty: it serves already."""


def target_of(name: str, history: list[Entry], to: int | None) -> Entry:
    """The revision to go back to. Raises InputError when there is none."""
    if not history:
        raise InputError(f"there is no release `{name}`", "`infercli status` lists the releases")
    if to is None:
        target = rollback_target(history)
        if target is None:
            raise InputError(
                f"no revision of `{name}` was good before this one",
                f"`infercli history {name}` lists them; `infercli delete {name}` takes the release away",
            )
    else:
        target = next((e for e in history if e.number == to), None)
        if target is None:
            raise InputError(f"`{name}` has no revision {to}", f"`infercli history {name}`")
        if target.progress.outcome != "good":
            raise InputError(
                f"revision {to} of `{name}` was never good: {target.progress.outcome}", f"`infercli history {name}`"
            )
    return target


def way(name: str, world: World, history: list[Entry], to: int | None, now: Serving | None) -> tuple[Way, Entry]:
    """Where a rollback would go and how; `now` is what is live.

    Raises InputError when there is nowhere to go.
    """
    target = target_of(name, history, to)
    engine, front, number = target.revision.engine, target.revision.front, number_now(world, history)
    last = newest(history)
    standing, condition = standing_engine(engine.app, history, now), condition_of(engine, world, history, now)
    share = now.routes.get(engine.app, 0) if now is not None else 0
    done = last is not None and last.progress.outcome == "good" and last.revision.objects == target.revision.objects
    done = done and share == 100 and stands(target.revision, now, history)
    if done and runs(world.platform, ["front", engine.app], world.clock):
        return Way(to=target.number, app=engine.app, is_shift=True, states=()), target
    # With other pods (an image above all) KubeRay builds a second Ray cluster: the engine there is not warm.
    good = serving(history)
    same_pods = good is None or not builds_new_cluster(good.revision.objects, target.revision.objects)
    # An idle one may have been dropped and put back, and not run yet: requests go there once it does.
    warm = condition == "up" or (condition == "short" and share > 0)
    if now is not None and standing is not None and warm and same_pods:  # it was verified when its revision became good
        states = shift_back(number, engine, front, now, standing, condition=condition)
    else:
        how = strategy(engine, gpus_beside(engine.app, history, now), capacity(target.revision.plan))
        states = rollout(number, engine, front, now, how=how, condition=condition, drop_previous=True)
    return Way(
        to=target.number,
        app=engine.app,
        is_shift=condition == "up" and same_pods,
        moves=share < 100,
        lacks_replicas=condition != "up" and standing is not None,
        new_cluster=not same_pods,
        states=tuple(states),
    ), target


def rollback(
    name: str,
    world: World,
    *,
    to: int | None,
    who: str,
    reason: str | None,
    infercli_version: str,
    timeout_s: float,
    tell: Callable[[Way, Entry], None],
    break_lock: bool = False,
) -> tuple[Way, Entry]:
    """Go back. Returns how it went and the entry that records it (the target's own when it served already).

    `tell` is called with the way and its target before anything is changed, unless it serves already.
    """
    if break_lock:
        target_of(name, list(world.store.entries(name)), to)  # nobody is stopped for a rollback that has nowhere to go
    with world.store.changing(name, "rollback", break_lock=break_lock, patience_s=timeout_s):
        history = list(world.store.entries(name))
        before = standing_now(world, history)
        how, target = way(name, world, history, to, before)
        if not how.states:
            return how, target
        tell(how, target)
        revision = Revision(
            name=name,
            number=number_now(world, history),
            action="rollback",
            points_at=target.number,
            created_at=world.clock.now(),
            created_by=who,
            reason=reason,
            infercli_version=infercli_version,
            target=target.revision.target,
            engine=target.revision.engine,
            front=target.revision.front,
            plan=target.revision.plan,
            objects=target.revision.objects,
        )
        abandon_pending(world, history)
        world.store.append(revision)
        return how, run(world, revision, how.states, before, timeout_s, undo=False)

"""rollback: go back to the newest revision that was good; for whoever was woken up, it says first what it does."""

from __future__ import annotations

from collections.abc import Callable, Collection

from infercli.actions.deploy import abandon_pending, capacity, run, standing_now
from infercli.actions.steps import World
from infercli.core.record import Record
from infercli.core.release import (
    Entry,
    Revision,
    Serving,
    newest,
    next_number,
    rollback_target,
    serving,
)
from infercli.core.rollout import State, rollout, shift_back, strategy
from infercli.errors import InputError
from infercli.render.upgrade import builds_new_cluster


class Way(Record):
    """How a rollback would go."""

    to: int
    """The revision's number."""
    app: str
    is_shift: bool
    """The engine runs: the way back takes about a second. Otherwise it is started first, which takes minutes."""
    new_cluster: bool = False
    """Its pods are other ones (an image above all): KubeRay builds a second Ray cluster beside the one that serves."""
    states: tuple[State, ...]
    """Empty: it serves already."""


def running_now(world: World, now: Serving | None) -> Collection[str]:
    """The applications that run, which those of the record may not: after a failed deploy one is started again."""
    return [] if now is None else [n for n, a in world.platform.applications().apps.items() if a.status == "RUNNING"]


def way(
    name: str, history: list[Entry], to: int | None, now: Serving | None, running: Collection[str]
) -> tuple[Way, Entry]:
    """Where a rollback would go and how; `now` is what is live, `running` the applications that run.

    Raises InputError when there is nowhere to go.
    """
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
    engine, number = target.revision.engine, next_number(history)
    last = newest(history)
    done = last is not None and last.progress.outcome == "good" and last.revision.objects == target.revision.objects
    if now is not None and now.routes.get(engine.app) == 100 and done:
        return Way(to=target.number, app=engine.app, is_shift=True, states=()), target
    # With other pods (an image above all) KubeRay builds a second Ray cluster: the engine there is not warm.
    good = serving(history)
    same_pods = good is None or not builds_new_cluster(good.revision.objects, target.revision.objects)
    warm = now is not None and engine.app in now.engines and (bool(now.routes.get(engine.app)) or engine.app in running)
    if now is not None and warm and same_pods:  # it was verified when its revision became good
        return Way(
            to=target.number, app=engine.app, is_shift=True, states=tuple(shift_back(number, engine, now))
        ), target
    busy = sum(
        e.revision.engine.spec.gpus * e.revision.engine.replicas
        for e in history
        if now is not None and e.number in now.engines.values() and now.routes.get(e.revision.engine.app)
    )
    how = strategy(engine, busy, capacity(target.revision.plan))
    front = now.front if now is not None else target.revision.front
    states = rollout(number, engine, front, now, how=how, drop_previous=True)
    return Way(
        to=target.number, app=engine.app, is_shift=False, new_cluster=not same_pods, states=tuple(states)
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
    with world.store.changing(name, "rollback", break_lock=break_lock):
        history = list(world.store.entries(name))
        before = standing_now(world, history)
        how, target = way(name, history, to, before, running_now(world, before))
        if not how.states:
            return how, target
        tell(how, target)
        revision = Revision(
            name=name,
            number=next_number(history),
            action="rollback",
            points_at=target.number,
            created_at=world.clock.now(),
            created_by=who,
            reason=reason,
            infercli_version=infercli_version,
            target=target.revision.target,
            engine=target.revision.engine,
            front=how.states[-1].serving.front,
            plan=target.revision.plan,
            objects=target.revision.objects,
        )
        abandon_pending(world, history)
        world.store.append(revision)
        return how, run(world, revision, how.states, before, timeout_s, undo=False)

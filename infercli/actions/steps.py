"""Driving a rollout: record a state, put it, wait until it is so, go on; or go back to what served."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from infercli.actions.ports import Clock, Platform, ReleaseStore, Watcher
from infercli.actions.verifying import verify
from infercli.actions.waiting import Deadline, until_gone, until_routed, until_running
from infercli.core.differences import differs
from infercli.core.record import Json
from infercli.core.release import KEPT, Entry, Outcome, Progress, Revision, Serving, forgettable
from infercli.core.release import serving as newest_good
from infercli.core.release.rollout import State
from infercli.errors import DeployFailed, InferError, TimedOut

SEEN_S = 10.0
"""How long a table that changes nothing for requests is waited for; it takes half a second."""

Compose = Callable[[Serving, Sequence[Entry]], Json]
"""render's pure composition: what is meant, and the history that says what each engine is -> the Serve config."""


@dataclass(frozen=True)
class World:
    """What an action is given to act with."""

    platform: Platform
    store: ReleaseStore
    clock: Clock
    watcher: Watcher
    compose: Compose


class Drive:
    """One revision on its way. Every state is recorded before it is taken, so that whoever comes next knows it."""

    def __init__(self, world: World, revision: Revision, deadline: Deadline) -> None:
        self.world, self.revision, self.deadline = world, revision, deadline
        self.began = world.clock.monotonic()
        self.serving: Serving | None = None
        self.previous: Serving | None = None
        """What was live before the newest put."""
        self.shifted = False
        """Requests reach the new engine: from here going back is a shift, not a clean-up."""
        self.answers: str | None = None
        """The path of the request that verified the new engine; None: nothing was verified yet."""

    def record(self, outcome: Outcome, step: str, message: str | None = None, said: str | None = None) -> None:
        """Write the progress of the revision."""
        finished = outcome != "pending"
        progress = Progress(
            outcome=outcome,
            step=step,
            serving=self.serving,
            message=message,
            said=said,
            finished_at=self.world.clock.now() if finished else None,
            seconds=round(self.world.clock.monotonic() - self.began, 3) if finished else None,
            answers=self.answers,
        )
        self.world.store.progress(self.revision.name, self.revision.number, progress)

    def put(self, serving: Serving, step: str, revision: Revision | None = None) -> None:
        """Record what is meant, then put it, with the static objects of `revision` (None: the one on its way)."""
        self.previous, self.serving = self.serving, serving
        self.record("pending", step)
        history = self.world.store.entries(self.revision.name)
        self.world.platform.put(revision or self.revision, self.world.compose(serving, history))

    def recall(self) -> None:
        """After a put that was cut or refused: what is live is what was before, where the other side still holds that.

        Otherwise the record, and whoever reads it at night, would say that requests moved which did not.
        """
        world, previous = self.world, self.previous
        if previous is None:
            return
        with contextlib.suppress(InferError, OSError):
            history = world.store.entries(self.revision.name)
            if not differs(world.platform.config(), world.compose(previous, history)):
                self.serving = previous

    def take(self, state: State) -> None:
        """One step, until it is done."""
        world, serving, app = self.world, state.serving, self.revision.engine.app
        world.watcher.step(state.says)
        before = set(self.serving.engines) if self.serving else set()
        self.put(serving, state.step)
        if state.step == "add":
            until_running(world.platform, ["front", app], app, self.deadline, world.watcher)
            before_any = "" if serving.routes.get(app) else ", before any request reaches it"
            world.watcher.step(f"verify {app} with a real completion{before_any}")
            self.answers = verify(world.platform, app, self.revision.engine.spec.model_id, self.deadline)
        elif state.step == "shift":
            until_routed(world.platform, serving.generation, app, serving.front.replicas, self.deadline, world.watcher)
            self.shifted = True
        elif state.step in ("stop", "make room"):
            until_gone(world.platform, before - set(serving.engines), self.deadline, world.watcher)
        elif state.step == "retire":
            # The engine itself is not waited for: it goes when its last stream has ended, and nobody depends on it.
            self._until_seen()

    def tidy(self, revision: Revision) -> None:
        """Take away what only other revisions had. What serves, serves without it: a failure is said and no more."""
        try:
            self.world.platform.tidy(revision)
        except InferError as error:
            self.world.watcher.note(f"objects of other revisions are left: {error.message}")

    def shorten(self) -> None:
        """Forget the oldest revisions, once there are many. What serves, serves all the same: a failure is said."""
        world, name = self.world, self.revision.name
        try:
            for number in forgettable(world.store.entries(name)):
                world.store.forget(name, number)
                world.watcher.note(f"revision {number} of {name} is forgotten: the newest {KEPT} are kept")
        except InferError as error:
            world.watcher.note(f"the history stays as long as it is: {error.message}")

    def go_back(self, before: Serving | None, generation: int) -> None:
        """Put back what served before this revision; the new engine is taken out of the config.

        A failed engine must leave soon: Ray counts an application that is not RUNNING against the whole config.
        """
        self.world.store.check_held(self.revision.name)
        if before is None:
            # Nothing served before: the front stays, without engines, and answers 503 until the next deploy.
            before = Serving(generation=0, front=self.revision.front, engines={}, routes={})
        earlier = [e for e in self.world.store.entries(self.revision.name) if e.number < self.revision.number]
        good = newest_good(earlier)
        previous = good.revision if good is not None else self.revision
        if previous.objects != self.revision.objects:
            self.world.platform.prepare(previous)
        self.put(before.model_copy(update={"generation": generation}), "go back", previous)
        self.tidy(previous)
        self._until_seen()

    def _until_seen(self) -> None:
        """Until the front has the newest table, which sends requests where they went before: only its number is newer.

        Nothing depends on it but that `status`, asked next, finds what was recorded; so it fails nothing.
        """
        serving, world = self.serving, self.world
        if serving is None:
            return
        deadline = Deadline(world.clock, SEEN_S)
        with contextlib.suppress(TimedOut, DeployFailed):
            for app in sorted(serving.routed):
                until_routed(world.platform, serving.generation, app, serving.front.replicas, deadline, world.watcher)

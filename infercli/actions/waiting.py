"""Waiting for Serve and the front: the rules by which a step is done, has failed, or took too long.

The status of the applications alone is not enough (run and measured with the real operator): a flip is live when every
front replica says so, and an engine is up when it answers a real request through its pin.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from infercli.actions.ports import Clock, Platform, Watcher
from infercli.core.release.observed import Application, Applications
from infercli.core.units import duration
from infercli.errors import ClusterError, DeployFailed, EndpointError, RayError, RayGone, TimedOut

POLL_S = 0.25
"""Between two looks: an eighth of the operator's own 2 s requeue, and cheap on Ray's REST API (a few ms)."""
FLIP_POLL_S = 0.02
"""While a flip is awaited: it takes 0.25 to 0.5 s, so a coarse poll would be what people wait for."""
LONG_FLIP_S = 3.0
"""A table that takes longer than this is not only a table: six times what a flip takes."""
UNREACHABLE_S = 90.0
"""How long a silent Ray or API server is tolerated during a wait: an operator or dashboard restart takes 5 to 17 s, and
on a machine that thirty processes want Ray's dashboard was silent for more than 30 (measured)."""
TOLD_S = 10.0
"""What keeps an engine waiting for this long is told in a line of its own: most reasons pass within seconds."""
LAG_S = 6.0
"""How long a status may show an application as it was: three of the operator's 2 s requeues."""
REJECTED_S = 3.0
"""An operator that has not come to a new config after this long has been refused by Ray or is not running."""


CAUSE_LINES = 3
"""Of the exception that kept an engine from starting: its own line, and those that name the value."""
EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit): ")
"""A line of a traceback that begins with the name of an exception."""


class Deadline:
    """When a whole operation must be done.

    `held` raises ReleaseBusy once the operation is no longer ours: nobody waits for what another changes meanwhile.
    """

    def __init__(self, clock: Clock, timeout_s: float, held: Callable[[], None] | None = None) -> None:
        self.clock, self.timeout_s, self.held = clock, timeout_s, held
        self.end = clock.monotonic() + timeout_s

    def check(self, waiting_for: str) -> None:
        """Raises TimedOut once the time is over."""
        if self.held is not None:
            self.held()
        if self.clock.monotonic() > self.end:
            raise TimedOut(f"gave up after {duration(self.timeout_s)}, waiting for {waiting_for}")

    @property
    def left_s(self) -> float:
        """What is left, at least 0.1 s."""
        return max(0.1, self.end - self.clock.monotonic())


class Since:
    """For how long something has been so without a break."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.began: float | None = None

    def __call__(self, so: object) -> float:
        """Seconds until now; 0 where it is not so."""
        now = self.clock.monotonic()
        self.began = None if not so else now if self.began is None else self.began
        return 0.0 if self.began is None else now - self.began


class FrontState(NamedTuple):
    """What one front replica says of itself."""

    generation: int
    refused: dict[str, str]


def tolerant(
    platform: Platform, deadline: Deadline, what: str, watcher: Watcher | None = None
) -> Callable[[], Applications | None]:
    """`platform.applications`, forgiving a silent other side for UNREACHABLE_S; returns None meanwhile.

    `watcher` is told of a silence that lasts. A Ray that is gone is not waited for.
    """
    silence, told = Since(deadline.clock), False

    def look() -> Applications | None:
        nonlocal told
        try:
            seen = platform.applications()
        except RayGone:
            raise
        except (RayError, ClusterError) as error:
            silent_s = silence(so=True)
            if silent_s > UNREACHABLE_S:
                raise
            if watcher is not None and not told and silent_s >= TOLD_S:
                told = True
                watcher.note(f"{error.message}; it is waited for, up to {duration(UNREACHABLE_S)}")
            deadline.check(f"{what} ({error.message})")
            return None
        silence(so=False)
        told = False
        return seen

    return look


def failure_of(app: Application) -> str | None:
    """Why this application will not come up by itself, in Ray's words; None while it still may."""
    for message in app.deployment_messages:
        if "failed to start" in message:
            return message.strip()
    if app.status == "DEPLOY_FAILED":
        return (app.message or "no reason given").strip()
    return None


def cause_of(said: str) -> str | None:
    """The last exception of the traceback in `said` and the lines that belong to it; None: there is none.

    A traceback ends with its exception, so all that comes after its line is its message.
    """
    lines = said.splitlines()
    at = [i for i, line in enumerate(lines) if EXCEPTION.match(line)]
    if not at:
        return None
    own = [line.strip() for line in lines[at[-1] :] if line.strip() and "For further information" not in line]
    return "\n".join(own[:CAUSE_LINES]).removeprefix("RuntimeError: engine start failed: ")


def _cannot_start(platform: Platform, name: str, said: str) -> DeployFailed:
    """The cause in a line or three; all of it is kept for `logs`."""
    cause = cause_of(said) or platform.root_cause(name)
    words = f"root cause: {cause}" if cause else said.splitlines()[0]
    return DeployFailed(f"engine {name} did not start\n{words}", said=said)


def waits_of(name: str, app: Application) -> Iterator[str]:
    """What this application waits for, in Ray's words, once Ray says that it takes long.

    It may pass by itself: nodes of an autoscaled pool come after minutes, and a machine that is busy takes more than
    Ray's 30 s to start a process. So it is told, and the deadline decides.
    """
    for message in app.deployment_messages:
        if "taken more than" in message and "to be scheduled" in message:
            yield f"{name} is not placed yet: {message.strip()}"


class Told:
    """Tells the watcher of each reason to wait that lasts, once."""

    def __init__(self, clock: Clock, watcher: Watcher) -> None:
        self.clock, self.watcher = clock, watcher
        self.since: dict[str, float] = {}
        self.told: set[str] = set()

    def __call__(self, reasons: Collection[str]) -> None:
        """`reasons` as they are now."""
        now = self.clock.monotonic()
        self.since = {reason: self.since.get(reason, now) for reason in reasons}
        for reason, at in self.since.items():
            if now - at >= TOLD_S and reason not in self.told:
                self.told.add(reason)
                self.watcher.note(reason)


def _trouble(seen: Applications, names: Collection[str]) -> tuple[str, ...]:
    """What keeps `names` from coming up and may pass: of the pods, in Kubernetes' words, and of Ray, in Ray's."""
    apps = {name: seen.apps[name] for name in names if name in seen.apps} if seen.accepted else {}
    return (*seen.trouble, *(reason for name, app in apps.items() for reason in waits_of(name, app)))


def until_running(
    platform: Platform, wanted: Collection[str], starting: str, deadline: Deadline, watcher: Watcher
) -> None:
    """Until every application of `wanted` runs. Raises DeployFailed with the root cause when `starting` cannot."""
    look = tolerant(platform, deadline, f"{starting} to run", watcher)
    clock = deadline.clock
    began = clock.monotonic()
    behind, failing, well, told = Since(clock), Since(clock), Since(clock), Told(clock, watcher)
    trouble: tuple[str, ...] = ()
    while True:
        seen = look()
        if seen is not None:
            trouble = _trouble(seen, wanted)
            told(trouble)
            if behind(not seen.accepted) > REJECTED_S and seen.rejected:
                raise DeployFailed(f"the Serve config was rejected: {seen.rejected}")
        if seen is not None and seen.accepted:
            failed = failure_of(seen.apps[starting]) if starting in seen.apps else None
            # Both verdicts must hold: what an application of that name did before may be shown a little longer.
            if failing(failed) >= platform.settle_s and failed:
                raise _cannot_start(platform, starting, failed)
            states = {name: seen.apps[name].status if name in seen.apps else "NOT_STARTED" for name in wanted}
            waits = [f"{n} {s.lower().replace('_', ' ')}" for n, s in states.items() if s != "RUNNING"]
            if well(not waits) >= platform.settle_s and not waits:
                return
            watcher.detail(", ".join([*(waits or ["settling"]), *trouble, duration(clock.monotonic() - began)]))
        deadline.check(f"{starting} to run" + (f" ({'; '.join(trouble)})" if trouble else ""))
        clock.sleep(POLL_S)


def runs(platform: Platform, names: Collection[str], clock: Clock) -> bool:
    """Every application of `names` runs, by a status of after the newest put; one that lags is given LAG_S."""
    end = clock.monotonic() + LAG_S
    while True:
        seen = platform.applications()
        shown = {seen.apps[name].status if name in seen.apps else None for name in names}
        if seen.accepted and shown == {"RUNNING"}:
            return True
        if "DEPLOY_FAILED" in shown or clock.monotonic() > end:
            return False
        clock.sleep(POLL_S)


def front_states(platform: Platform, replicas: int, tries: int) -> tuple[Sequence[FrontState], str | None]:
    """The front replicas that are told of within `tries` requests, and what was answered in their place, if anything.

    One replica answers, for all that answer it: which one the proxy asks depends on what each has to do.
    """
    states: dict[str, FrontState] = {}
    other = None
    for _ in range(tries):
        answer = platform.front("GET", "/front", timeout_s=5)
        if answer.status == 200:
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # who answers is not the front
                body = json.loads(answer.body)
                for seen in body.get("replicas") or [body]:  # a front of before it told of the others tells of itself
                    # By Serve's name of it: the pids of replicas in two pods may be equal.
                    name = str(seen.get("replica") or seen["pid"])
                    states[name] = FrontState(seen["generation"], seen.get("refused") or {})
        else:
            other = f"the front answers HTTP {answer.status}: {answer.body.decode(errors='replace')[:200].strip()}"
        if len(states) >= replicas:
            break
    return [*states.values()], other


def until_routed(
    platform: Platform, generation: int, engine: str, front_replicas: int, deadline: Deadline, watcher: Watcher
) -> None:
    """Until every front replica routes by a table at least as new as `generation`, with `engine` not refused.

    All of them in one look: a replica that had the table before may be gone since, and another one in its place.
    """
    clock, began = deadline.clock, deadline.clock.monotonic()
    look = tolerant(platform, deadline, f"the front to route to {engine}", watcher)
    looked = began
    trouble: tuple[str, ...] = ()
    told = Told(clock, watcher)
    while True:
        try:
            states, other = front_states(platform, front_replicas, 2 * front_replicas)
            refused = [state.refused[engine] for state in states if engine in state.refused]
        except EndpointError as error:
            states, other, refused = (), None, [error.message]
        current = sum(state.generation >= generation and engine not in state.refused for state in states)
        if current >= front_replicas:
            return
        instead = [] if other is None else [other]
        if clock.monotonic() - looked > LONG_FLIP_S:
            # Other pods are being made for this table (another image): they, or the engine in them, may not come up.
            looked, seen = clock.monotonic(), look()
            trouble = _trouble(seen, [engine]) if seen is not None else trouble
            told([*trouble, *instead])
            failed = failure_of(seen.apps[engine]) if seen and seen.accepted and engine in seen.apps else None
            if failed:
                raise _cannot_start(platform, engine, failed)
        waits = [*(refused or instead)[-1:], *trouble]
        why = f" ({'; '.join(waits)})" if waits else ""
        watcher.detail(f"{current} of {front_replicas} front replicas route by table {generation}{why}")
        deadline.check(f"the front to route to {engine}{why}")
        clock.sleep(FLIP_POLL_S if clock.monotonic() - began < 2 else POLL_S)


def until_gone(platform: Platform, names: Collection[str], deadline: Deadline, watcher: Watcher) -> None:
    """Until none of `names` is an application any more: their streams have ended and their GPUs are free."""
    look = tolerant(platform, deadline, f"{', '.join(names)} to end", watcher)
    while True:
        seen = look()
        if seen is not None:
            left = [name for name in names if name in seen.apps]
            if not left:
                return
            watcher.detail(f"{', '.join(left)} finishes its streams")
        deadline.check(f"{', '.join(names)} to end its streams")
        deadline.clock.sleep(POLL_S)

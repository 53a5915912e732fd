"""Waiting for Serve and the front: the rules by which a step is done, has failed, or took too long.

The status of the applications alone is not enough (run and measured with the real operator): a flip is live when every
front replica says so, and an engine is up when it answers a real request through its pin.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Collection, Iterator
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
WRONG_S = 10.0
"""An engine whose own answer is an error for this long stays so: a fresh one answered 0.3 s after it ran (measured)."""
TOLD_S = 10.0
"""What keeps an engine waiting for this long is told in a line of its own: most reasons pass within seconds."""
LAG_S = 6.0
"""How long a status may show an application as it was: three of the operator's 2 s requeues."""
REJECTED_S = 3.0
"""An operator that has not come to a new config after this long has been refused by Ray or is not running."""


CHAT = "/v1/chat/completions"
CAUSE_LINES = 3
"""Of the exception that kept an engine from starting: its own line, and those that name the value."""
EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit): ")
"""A line of a traceback that begins with the name of an exception."""


_SHORT_S = 1.0
"""Less than that is no time for an answer. Our choice."""


class Deadline:
    """When a whole operation must be done, and what to say when it is not.

    `held` raises ReleaseBusy once the operation is no longer ours: nobody waits for what another changes meanwhile.
    """

    def __init__(self, clock: Clock, timeout_s: float, hint: str, held: Callable[[], None] | None = None) -> None:
        self.clock, self.timeout_s, self.hint, self.held = clock, timeout_s, hint, held
        self.end = clock.monotonic() + timeout_s

    def check(self, waiting_for: str) -> None:
        """Raises TimedOut once the time is over."""
        if self.held is not None:
            self.held()
        if self.clock.monotonic() > self.end:
            raise TimedOut(f"gave up after {duration(self.timeout_s)}, waiting for {waiting_for}", self.hint)

    @property
    def left_s(self) -> float:
        """What is left, at least 0.1 s."""
        return max(0.1, self.end - self.clock.monotonic())


class FrontState(NamedTuple):
    """What one front replica says of itself."""

    replica: str
    """Serve's name of it: the pids of replicas in two pods may be equal."""
    generation: int
    refused: dict[str, str]


def _tolerant(
    platform: Platform, deadline: Deadline, what: str, watcher: Watcher | None = None
) -> Callable[[], Applications | None]:
    """`platform.applications`, forgiving a silent other side for UNREACHABLE_S; returns None meanwhile.

    `watcher` is told of a silence that lasts. A Ray that is gone is not waited for.
    """
    silent_since: list[float] = []
    told: list[str] = []

    def look() -> Applications | None:
        try:
            seen = platform.applications()
        except RayGone:
            raise
        except (RayError, ClusterError) as error:
            now = deadline.clock.monotonic()
            silent_since[:] = silent_since or [now]
            if now - silent_since[0] > UNREACHABLE_S:
                raise
            if watcher is not None and not told and now - silent_since[0] >= TOLD_S:
                told.append(error.message)
                watcher.note(f"{error.message}; it is waited for, up to {duration(UNREACHABLE_S)}")
            deadline.check(f"{what} ({error.message})")
            return None
        silent_since.clear()
        told.clear()
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
    look = _tolerant(platform, deadline, f"{starting} to run", watcher)
    behind_since: float | None = None
    clock = deadline.clock
    began = clock.monotonic()
    good_since: float | None = None
    bad_since: float | None = None
    trouble: tuple[str, ...] = ()
    told = Told(clock, watcher)
    while True:
        seen = look()
        if seen is not None:
            trouble = _trouble(seen, wanted)
            told(trouble)
            if not seen.accepted:
                behind_since = behind_since if behind_since is not None else clock.monotonic()
                if seen.rejected and clock.monotonic() - behind_since > REJECTED_S:
                    raise DeployFailed(f"the Serve config was rejected: {seen.rejected}")
            else:
                behind_since = None
                failed = failure_of(seen.apps[starting]) if starting in seen.apps else None
                bad_since = (clock.monotonic() if bad_since is None else bad_since) if failed else None
                # Both verdicts must hold: what an application of that name did before may be shown a little longer.
                if failed and bad_since is not None and clock.monotonic() - bad_since >= platform.settle_s:
                    raise _cannot_start(platform, starting, failed)
                states = {name: seen.apps[name].status if name in seen.apps else "NOT_STARTED" for name in wanted}
                running = all(status == "RUNNING" for status in states.values())
                good_since = (clock.monotonic() if good_since is None else good_since) if running else None
                if good_since is not None and clock.monotonic() - good_since >= platform.settle_s:
                    return
                waits = [f"{n} {s.lower().replace('_', ' ')}" for n, s in states.items() if s != "RUNNING"]
                said = [*(waits or ["settling"]), *trouble, duration(clock.monotonic() - began)]
                watcher.detail(", ".join(said))
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


def front_states(
    platform: Platform, replicas: int, tries: int, other: list[str] | None = None
) -> dict[str, FrontState]:
    """The front replicas that are told of within `tries` requests, by name.

    One replica answers, for all that answer it: which one the proxy asks depends on what each has to do. `other` is
    given what was answered instead.
    """
    states: dict[str, FrontState] = {}
    for _ in range(tries):
        answer = platform.front("GET", "/front", timeout_s=5)
        if answer.status == 200:
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):  # who answers is not the front
                body = json.loads(answer.body)
                for seen in body.get("replicas") or [body]:  # a front of before it told of the others tells of itself
                    name = str(seen.get("replica") or seen["pid"])
                    states[name] = FrontState(name, seen["generation"], seen.get("refused") or {})
        elif other is not None:
            other.append(
                f"the front answers HTTP {answer.status}: {answer.body.decode(errors='replace')[:200].strip()}"
            )
        if len(states) >= replicas:
            break
    return states


def until_routed(
    platform: Platform, generation: int, engine: str, front_replicas: int, deadline: Deadline, watcher: Watcher
) -> None:
    """Until every front replica routes by a table at least as new as `generation`, with `engine` not refused.

    All of them in one look: a replica that had the table before may be gone since, and another one in its place.
    """
    clock, began = deadline.clock, deadline.clock.monotonic()
    look = _tolerant(platform, deadline, f"the front to route to {engine}", watcher)
    looked = began
    trouble: tuple[str, ...] = ()
    told = Told(clock, watcher)
    while True:
        refused: str | None = None
        current = 0
        other: list[str] = []
        try:
            for state in front_states(platform, front_replicas, 2 * front_replicas, other).values():
                if state.generation >= generation and engine not in state.refused:
                    current += 1
                else:
                    refused = state.refused.get(engine, refused)
        except EndpointError as error:
            refused = error.message
        if current >= front_replicas:
            return
        refused = refused or (other[-1] if other else None)
        if clock.monotonic() - looked > LONG_FLIP_S:
            # Other pods are being made for this table (another image): they, or the engine in them, may not come up.
            looked, seen = clock.monotonic(), look()
            trouble = _trouble(seen, [engine]) if seen is not None else trouble
            told([*trouble, *other[-1:]])
            failed = failure_of(seen.apps[engine]) if seen and seen.accepted and engine in seen.apps else None
            if failed:
                raise _cannot_start(platform, engine, failed)
        waits = [reason for reason in (refused, *trouble) if reason]
        watcher.detail(
            f"{current} of {front_replicas} front replicas route by table {generation}"
            + (f" ({'; '.join(waits)})" if waits else "")
        )
        deadline.check(f"the front to route to {engine}" + (f" ({'; '.join(waits)})" if waits else ""))
        clock.sleep(FLIP_POLL_S if clock.monotonic() - began < 2 else POLL_S)


def until_gone(platform: Platform, names: Collection[str], deadline: Deadline, watcher: Watcher) -> None:
    """Until none of `names` is an application any more: their streams have ended and their GPUs are free."""
    look = _tolerant(platform, deadline, f"{', '.join(names)} to end", watcher)
    while True:
        seen = look()
        if seen is not None:
            left = [name for name in names if name in seen.apps]
            if not left:
                return
            watcher.detail(f"{', '.join(left)} finishes its streams")
        deadline.check(f"{', '.join(names)} to end its streams")
        deadline.clock.sleep(POLL_S)


def verify(platform: Platform, app: str, model_id: str, deadline: Deadline) -> str:
    """One real completion from `app` through its pin; returns the path that it answers.

    Raises DeployFailed with the engine's words. Of an engine that generates nothing an embedding or a score. The first
    answer of a fresh engine may be slow (the chat template is compiled), and the front may not have found it yet: both
    are waited for.
    """
    asks = _asks(model_id)
    path, body = next(asks)
    last = ""
    wrong_since: float | None = None
    look = _tolerant(platform, deadline, f"{app} to answer its verification")
    while True:
        now, given_s = deadline.clock.monotonic(), min(60.0, deadline.left_s)
        try:
            answer = platform.front("POST", path, body=body, engine=app, timeout_s=given_s)
        except EndpointError as error:
            # What a last moment is too short for is not why the others failed.
            last, wrong_since = last if last and given_s < _SHORT_S else error.message, None
            look()
        else:
            if answer.status == 200:
                _check_answer(answer.body, app, path)
                return path
            last = f"HTTP {answer.status}: {answer.body.decode(errors='replace')[:500]}"
            # A base model has no chat template; one that pools has neither, and the front says that it is not served.
            not_served = answer.status == 404 and b'"not_served"' in answer.body
            if not_served or (answer.status == 400 and path == CHAT):
                following = next(asks, None)
                if following is None:
                    raise DeployFailed(f"{app} serves nothing that the front lets through: {last}")
                path, body = following
                continue
            # 500 is the engine's own; 502 to 504 are the front's, of an engine that it has not found yet.
            wrong_since = None if answer.status != 500 else now if wrong_since is None else wrong_since
            gone_on = wrong_since is not None and deadline.clock.monotonic() - wrong_since >= WRONG_S
            if gone_on or (answer.status < 500 and answer.status not in (404, 429)):
                raise DeployFailed(f"{app} answered its verification with {last}")
            if answer.status == 404 and b"does not exist" in answer.body:
                raise DeployFailed(f"{app} does not serve the model `{model_id}`: {last}")
        deadline.check(f"{app} to answer its verification: {last}")
        deadline.clock.sleep(POLL_S)


def _asks(model_id: str) -> Iterator[tuple[str, dict[str, object]]]:
    """The smallest request of each kind that the front lets through: one that the engine serves is among them."""
    few = {"model": model_id, "max_tokens": 8, "temperature": 0}
    yield CHAT, {**few, "messages": [{"role": "user", "content": "Hello"}]}
    yield "/v1/completions", {**few, "prompt": "Hello"}
    yield "/v1/embeddings", {"model": model_id, "input": "Hello"}
    yield "/v1/score", {"model": model_id, "text_1": "Hello", "text_2": "Hello"}


def _check_answer(body: bytes, app: str, path: str) -> None:
    try:
        answer = json.loads(body)
        if path in ("/v1/embeddings", "/v1/score"):
            found = answer["data"][0]
            if not found.get("embedding") and found.get("score") is None:
                raise DeployFailed(f"{app} answered its verification with nothing")
            return
        choice = answer["choices"][0]
        _ = choice["message"]["content"] if path == CHAT else choice["text"]
        tokens = answer["usage"]["completion_tokens"]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise DeployFailed(f"{app} answered its verification with something that is no answer of its kind") from error
    if not tokens:
        raise DeployFailed(f"{app} answered its verification with no tokens")

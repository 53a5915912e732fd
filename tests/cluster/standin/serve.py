"""What Ray Serve does with the configs it is given, as a state machine without Ray: one instance plays one Ray cluster.

The one thing to know: it answers from times, not from work. An application that was put `start_s` ago runs, unless a
Fault says otherwise; a routing table reaches the front's replicas one after the other, a moment after the config. Every
status and message is in the form that Ray Serve 2.60 gives (serve/schema.py, serve/_private/deployment_state.py), so a
driver cannot tell; only that no model runs. The front's rules are those of infercli's own front, seen from outside.
"""

from __future__ import annotations

import copy
import itertools
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Literal

START_FAULTS = ("fails", "unplaceable", "hangs")

MAX_TRIES = 3  # Serve gives a deployment up after as many failed starts per wanted replica


class Phase(Enum):
    """Where an application is."""

    STARTING = auto()
    GIVEN_UP = auto()
    RUNNING = auto()
    UPDATING = auto()
    """It serves, and its config has just changed in what rebuilds nothing: a table, a count."""
    SICK = auto()
    LEAVING = auto()


SERVING = (Phase.RUNNING, Phase.UPDATING)

APPLICATION_STATUS = {
    Phase.STARTING: "DEPLOYING",
    Phase.GIVEN_UP: "DEPLOY_FAILED",
    Phase.RUNNING: "RUNNING",
    Phase.UPDATING: "DEPLOYING",
    Phase.SICK: "UNHEALTHY",
    Phase.LEAVING: "DELETING",
}

DEPLOYMENT_STATUS = APPLICATION_STATUS | {
    Phase.STARTING: "UPDATING",
    Phase.RUNNING: "HEALTHY",
    Phase.UPDATING: "UPDATING",
    Phase.LEAVING: "UPDATING",
}


@dataclass(frozen=True)
class Timing:
    """Seconds. Ray's own are longer (an engine starts in minutes); the order of what is seen is the same."""

    start_s: float = 1.0
    """An application: from its config to RUNNING, and between two tries of one that fails."""
    slow_s: float = 5.0
    """Until Serve says that a replica waits for resources (Ray: 30)."""
    flip_s: float = 0.3
    """A table: from the config to the front's first replica, and again as long to each further one."""
    drain_s: float = 1.0
    """An application that left the config: until it is gone."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong with every application that has `match` in its name, its arguments or its environment.

    What stands in `deployments` does not count: there the front names all its engines.
    """

    match: str
    then: Literal["fails", "unplaceable", "hangs", "unhealthy", "errors"]
    """While it starts (so it must be set before the config is put; taken back, it heals what is put from then on):
    fails: its constructor raises `message`. unplaceable, hangs: it stays DEPLOYING, with Serve's reason or without.
    While it runs: unhealthy: it no longer answers, for `message`. errors: it answers every request with a 500."""
    message: str = "RuntimeError: the engine cannot start"

    def hits(self, config: Mapping[str, Any]) -> bool:
        """Whether it is about this application."""
        return self.match in str(_what_rebuilds(config))


class RejectedError(Exception):
    """Serve refuses the config: what a 400 of its REST API says."""


@dataclass
class _App:
    config: dict[str, Any]
    since: float
    """When it was put, or put again with other arguments."""
    updated: float
    """When its config last changed in any way."""
    start_fault: Fault | None = None
    left: float | None = None
    """When it left the config."""


@dataclass
class Replica:
    """One replica of the front: the table in force, and why it refuses engines."""

    pid: int
    generation: int = -1
    routes: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    requests: dict[str, dict[str, int]] = field(default_factory=dict)


def check(config: Any) -> list[dict[str, Any]]:
    """The applications of a Serve config. Raises RejectedError in Serve's words."""
    problem = "1 validation error for ServeDeploySchema\napplications\n  "
    applications = config.get("applications") if isinstance(config, dict) else None
    if not isinstance(applications, list):
        raise RejectedError(f"{problem}Field required [type=missing]")
    if twice := _twice(app.get("name") for app in applications):
        raise RejectedError(
            f"{problem}Value error, Found multiple configs for application {twice}. Please remove all duplicates."
        )
    if twice := _twice(app.get("route_prefix") for app in applications if app.get("route_prefix") is not None):
        raise RejectedError(
            f'{problem}Value error, Found duplicate applications for route prefix "{twice}". '
            "Please ensure each application's route_prefix is unique."
        )
    return applications


def _twice(values: Iterable[object]) -> object:
    """A value that stands there more than once, or None."""
    return next((value for value, count in Counter(values).items() if count > 1), None)


class Serve:
    """Serve in one Ray cluster. `workers_ready` tells whether the cluster has the nodes its engines need."""

    def __init__(
        self,
        clock: Callable[[], float],
        workers_ready: Callable[[], bool],
        timing: Timing,
        faults: Sequence[Fault] = (),
    ) -> None:
        self._clock, self._workers_ready, self._timing = clock, workers_ready, timing
        self.faults: Sequence[Fault] = faults
        self._apps: dict[str, _App] = {}
        self._front: list[Replica] = []
        self._pids = itertools.count(1001)
        self._turn = itertools.count()

    # Serve's REST API

    def put(self, config: Any) -> None:
        """Makes this config the whole of what should run. Raises RejectedError and changes nothing."""
        now = self._clock()
        wanted = {app["name"]: app for app in check(config)}
        for name, app in self._apps.items():
            if name not in wanted and app.left is None:
                app.left = now
        for name, new in wanted.items():
            old = self._apps.get(name)
            if old is None or old.left is not None or _what_rebuilds(old.config) != _what_rebuilds(new):
                fault = next((f for f in self.faults if f.then in START_FAULTS and f.hits(new)), None)
                self._apps[name] = _App(copy.deepcopy(new), since=now, updated=now, start_fault=fault)
                if new.get("route_prefix") == "/":
                    self._front = []
            elif old.config != new:
                old.config, old.updated = copy.deepcopy(new), now
        self._sweep()

    def applications(self) -> dict[str, Any]:
        """`applications` of GET /api/serve/applications/."""
        self._sweep()
        return {name: self._details(name, app) for name, app in self._apps.items()}

    def _sweep(self) -> None:
        now = self._clock()
        for name in [name for name, app in self._apps.items() if app.left is not None]:
            left = self._apps[name].left
            if left is not None and now - left >= self._timing.drain_s:
                del self._apps[name]

    def _phase(self, app: _App) -> tuple[Phase, str]:
        """Where the application is, and what Serve says of its deployment there."""
        timing, now, fault = self._timing, self._clock(), app.start_fault
        age = now - app.since
        if app.left is not None:
            return Phase.LEAVING, ""
        if age < timing.start_s:
            return Phase.STARTING, ""
        if fault is not None and fault.then == "hangs":
            return Phase.STARTING, ""
        if (fault is not None and fault.then == "unplaceable") or not self._workers_ready():
            return Phase.STARTING, _slow(app.config, timing.slow_s) if age >= timing.slow_s else ""
        if fault is not None:
            tries = int(age / timing.start_s)
            if tries < MAX_TRIES:
                again = f"Retrying {MAX_TRIES - tries} more time(s). Error:\n{fault.message}"
                return Phase.STARTING, f"A replica failed to start with exception. {again}"
            return Phase.GIVEN_UP, (
                f"The deployment failed to start {MAX_TRIES} times in a row. This may be due to a problem with its "
                f"constructor or initial health check failing. See controller logs for details. Error:\n{fault.message}"
            )
        sick = next((fault for fault in self.faults if fault.then == "unhealthy" and fault.hits(app.config)), None)
        if sick is not None:
            return Phase.SICK, sick.message
        return (Phase.UPDATING if now - app.updated < timing.flip_s else Phase.RUNNING), ""

    def status(self, name: str) -> str | None:
        """The status of an application; None when there is none of that name."""
        self._sweep()
        app = self._apps.get(name)
        return None if app is None else APPLICATION_STATUS[self._phase(app)[0]]

    def _details(self, name: str, app: _App) -> dict[str, Any]:
        phase, deployment_message = self._phase(app)
        listed = app.config.get("deployments", [])
        names = [deployment["name"] for deployment in listed]
        message = {
            Phase.GIVEN_UP: f"Failed to update the deployments {names}.",
            Phase.SICK: f"The deployments {names} are UNHEALTHY.",
        }.get(phase, "")
        deployments = {
            deployment["name"]: {
                "name": deployment["name"],
                "status": DEPLOYMENT_STATUS[phase],
                "status_trigger": "CONFIG_UPDATE_COMPLETED" if phase is Phase.RUNNING else "CONFIG_UPDATE_STARTED",
                "message": deployment_message,
                "target_num_replicas": deployment.get("num_replicas", 1),
                "replicas": [],
            }
            for deployment in listed
        }
        return {
            "name": name,
            "route_prefix": app.config.get("route_prefix"),
            "docs_path": None,
            "status": APPLICATION_STATUS[phase],
            "message": message,
            "last_deployed_time_s": app.updated,
            "deployed_app_config": app.config,
            "source": "declarative",
            "deployments": deployments,
        }

    # The front

    def front(self) -> Mapping[str, Any] | None:
        """The config of the application at `/`, or None while it does not run."""
        app = self._front_app()
        return None if app is None else app.config

    def _front_app(self) -> _App | None:
        self._sweep()
        at_root = (app for app in self._apps.values() if app.config.get("route_prefix") == "/")
        return next((app for app in at_root if self._phase(app)[0] in SERVING), None)

    def replica(self) -> Replica | None:
        """The front replica whose turn it is, with the table it has by now; None while the front does not run."""
        app = self._front_app()
        if app is None:
            return None
        deployment: dict[str, Any] = next(iter(app.config.get("deployments", [])), {})
        count: int = deployment.get("num_replicas", 1)
        while len(self._front) < count:
            self._front.append(Replica(next(self._pids)))
        del self._front[count:]
        for place, replica in enumerate(self._front):
            if self._clock() - app.updated >= self._timing.flip_s * (1 + place):
                self._adopt(replica, deployment.get("user_config") or {})
        return self._front[next(self._turn) % count]

    def _adopt(self, replica: Replica, table: Mapping[str, Any]) -> None:
        """The front's rule: a table comes in force unless nobody it sends clients to answers."""
        routes = [dict(route) for route in table.get("routes", [])]
        live = [route["app"] for route in routes if route.get("weight", 0) > 0]
        replica.refused = {app: "no answer within 3 s" for app in live if not self.answers(app)}
        if not live or set(live) - set(replica.refused):
            replica.generation, replica.routes = table.get("generation", -1), routes

    def choose(self, replica: Replica, pin: str | None) -> str | None:
        """The engine that answers a request: the pinned one, or one by weight. None when there is none."""
        routes = [route for route in replica.routes if self.answers(route["app"])]
        if pin is not None:
            return next((route["app"] for route in routes if route["app"] == pin), None)
        weights = [route.get("weight", 0) for route in routes]
        if sum(weights) == 0:
            return None
        return str(random.choices(routes, weights)[0]["app"])

    def answers(self, name: str) -> bool:
        """Whether the engine takes requests."""
        app = self._apps.get(name)
        return app is not None and self._phase(app)[0] in SERVING

    def errs(self, name: str) -> bool:
        """Whether the engine answers with 500 on every request."""
        return any(fault.then == "errors" and fault.hits(self._apps[name].config) for fault in self.faults)

    def model_id(self, name: str) -> str | None:
        """What the engine calls its model."""
        config: Any = self._apps[name].config
        loading = ((config.get("args") or {}).get("llm_config") or {}).get("model_loading_config") or {}
        found: str | None = loading.get("model_id")
        return found


def _what_rebuilds(config: Mapping[str, Any]) -> dict[str, Any]:
    """What Serve builds an application anew for: everything but what stands in `deployments`."""
    return {name: value for name, value in config.items() if name != "deployments"}


def _slow(config: Mapping[str, Any], seconds: float) -> str:
    """What Serve says of a replica that waits for resources."""
    deployment = next((deployment["name"] for deployment in config.get("deployments", [])), "engine")
    return (
        f"Deployment '{deployment}' in application '{config['name']}' has 1 replicas that have taken more than "
        f"{seconds:g}s to be scheduled. This may be due to waiting for the cluster to auto-scale or for a runtime "
        'environment to be installed. Resources required for each replica: {"CPU": 1.0, "GPU": 1.0}, total resources '
        'available: {"CPU": 1.0}. Use `ray status` for more details.'
    )

"""What a RayService says of what was applied last: whether the operator has taken it up, refused it, or not seen it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import yaml

from infercli.core.record import Json
from infercli.core.release.observed import Application

REQUEUE_S = 4.5
"""More than two of the operator's 2 s requeues: so long its status may still show an application as it was before a
change of that application, although the generation is observed (run and measured with KubeRay 1.6.2)."""

EVENTS = ("FailedToUpdateServeApplications", "InvalidRayServiceSpec")
"""Reasons of the events with which KubeRay says that it cannot do what was applied."""

_ON_THE_WAY = re.compile(r'\b(?:Get|Head|Put|Post|Patch|Delete) "[^"]*": ')
"""How Go's HTTP client names a call that got no answer (net/url, Error): an API server or a dashboard that restarts.
The operator tries again after its 2 s requeue, so it says nothing of the config."""


class Put(NamedTuple):
    """What was applied last, as far as judging needs it; without arguments: nothing was, by this process."""

    generation: int = 0
    rebuilt: frozenset[str] = frozenset()
    """Applications that were there before and are built anew: of these the old status may still be shown."""
    at: float = 0.0
    events: Mapping[str, int] = {}
    """How often each event had come before, by uid."""

    @classmethod
    def of(cls, before: Json, held: Json, serve_config: Json, events: Iterable[Json]) -> Put:
        """Just now, with `before` replaced by `held`; `events` had come by then."""
        generation: int = held["metadata"]["generation"]
        seen = {e["metadata"]["uid"]: e.get("count") or 1 for e in events}
        return cls(generation, _rebuilt(before, serve_config), time.monotonic(), seen)

    def observed(self, found: Json) -> bool:
        """Whether the operator has seen it; or, where nothing was put, what is there."""
        seen: int = (found.get("status") or {}).get("observedGeneration") or 0
        return seen >= (self.generation or found["metadata"]["generation"])

    def may_show_old(self) -> bool:
        """Whether the status may still be of the applications before."""
        return bool(self.rebuilt) and time.monotonic() - self.at < REQUEUE_S

    def rejection(self, status: Json, events: Iterable[Json]) -> str | None:
        """Why the operator has not taken it up, in its words."""
        for condition in status.get("conditions") or ():
            current = (condition.get("observedGeneration") or 0) >= self.generation
            if condition.get("reason") == "ValidationFailed" and current:
                return str(condition.get("message") or "ValidationFailed")
        new = [e for e in events if (e.get("count") or 1) > self.events.get(e["metadata"]["uid"], 0)]
        newest = max(new, key=_event_time, default=None)
        return None if newest is None else str(newest.get("message") or newest.get("reason"))


def unreached(message: str) -> bool:
    """Whether an event says that somebody could not be reached, rather than that something was refused."""
    return _ON_THE_WAY.search(message) is not None


def parsed_config(found: Json) -> Json:
    """The serveConfigV2 of a RayService; None where it is not YAML."""
    try:
        return yaml.safe_load(found["spec"].get("serveConfigV2") or "")
    except yaml.YAMLError:
        return None


def applications(status: Json) -> dict[str, Application]:
    """By name: of the Ray cluster that is being built, where there is one, else of the one that serves."""
    service = status.get("pendingServiceStatus") or {}
    if not service.get("rayClusterName"):
        service = status.get("activeServiceStatus") or {}
    return {name: _application(app) for name, app in (service.get("applicationStatuses") or {}).items()}


def _application(app: Json) -> Application:
    deployments = (app.get("serveDeploymentStatuses") or {}).values()
    messages = tuple(d["message"] for d in deployments if d.get("message"))
    return Application(app.get("status") or "NOT_STARTED", app.get("message") or "", messages)


def _rebuilt(before: Json, serve_config: Json) -> frozenset[str]:
    """The applications of the new config that the status may still show as they were: same name, built anew."""
    if before is None:
        return frozenset()
    old = {a["name"]: _without_table(a) for a in (parsed_config(before) or {}).get("applications") or ()}
    status = (before.get("status") or {}).get("activeServiceStatus") or {}
    shown = set(status.get("applicationStatuses") or ())
    new = {a["name"]: _without_table(a) for a in serve_config["applications"]}
    return frozenset(
        name for name, app in new.items() if (name in old and old[name] != app) or (name in shown and name not in old)
    )


def _without_table(app: Json) -> Json:
    """The application without what Serve changes in place, which the front itself is asked for."""
    deployments = [{k: v for k, v in d.items() if k != "user_config"} for d in app.get("deployments") or ()]
    return {**app, "deployments": deployments}


def _event_time(event: Json) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")

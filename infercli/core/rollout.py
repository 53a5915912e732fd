"""A rollout as a list of states: which engines run and how requests are shared, one step after the other.

The states are computed here, purely; an action drives them and records each before it is taken. Whoever comes next can
go on, or go back, from the record alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from infercli.core.plan import FrontSpec
from infercli.core.record import Record
from infercli.core.release import EngineDeployment, Serving, routing_generation

Step = Literal["make room", "stop", "add", "shift", "retire"]
Strategy = Literal["beside", "replace"]


class State(Record):
    """One step: what is live when it is done."""

    step: Step
    serving: Serving
    says: str
    """For the person who watches."""


def strategy(new: EngineDeployment, others_gpus: int, available_gpus: int | None) -> Strategy:
    """`beside` while the new engine fits next to what runs, else `replace`, which means downtime.

    `others_gpus`: held by the engines that go on; `available_gpus`: all that the target can ever have, None where none
    are counted.
    """
    if available_gpus is None or others_gpus + new.spec.gpus * new.replicas <= available_gpus:
        return "beside"
    return "replace"


def rollout(
    number: int,
    new: EngineDeployment,
    front: FrontSpec,
    before: Serving | None,
    *,
    how: Strategy = "beside",
    weights: Sequence[int] = (100,),
    drop_previous: bool = False,
    keep: str | None = None,
) -> list[State]:
    """The states of bringing `new` (of revision `number`) up from `before` (None: nothing runs).

    `weights`: the share of requests for the new engine, in per cent, ending with 100. Verification stands between "add"
    and the first "shift": the engine answers there only when it is pinned. `keep`: an idle engine that stays.
    """
    engines = dict(before.engines) if before else {}
    routes = dict(before.routes) if before else {}
    states: list[State] = []

    def state(step: Step, says: str, the_front: FrontSpec) -> None:
        serving = Serving(
            generation=routing_generation(number, len(states)),
            front=the_front,
            engines=dict(engines),
            routes=dict(routes),
        )
        states.append(State(step=step, serving=serving, says=says))

    idle = sorted(app for app in engines if not routes.get(app) and app not in (new.app, keep))
    if before and idle:
        for app in idle:
            engines.pop(app)
            routes.pop(app, None)
        state("make room", f"drop {', '.join(idle)}, which no request reaches", before.front)
    serving_apps = sorted(app for app, weight in routes.items() if weight and app != new.app)
    if how == "replace" and before and serving_apps:
        for app in serving_apps:
            engines.pop(app)
            routes.pop(app)
        state(
            "stop",
            f"stop {', '.join(serving_apps)}: from here until the new engine answers, requests get 503",
            before.front,
        )
        serving_apps = []
    if not routes.get(new.app):
        engines[new.app] = number
        routes[new.app] = 0
        state("add", f"start {new.app}, which no request reaches yet", front)
    for weight in weights if serving_apps else (100,):
        engines[new.app] = number
        routes = _shared(routes, serving_apps, new.app, weight)
        state("shift", f"send {weight} % of the requests to {new.app}", front)
    if drop_previous and serving_apps:
        for app in serving_apps:
            engines.pop(app)
            routes.pop(app)
        state("retire", f"drop {', '.join(serving_apps)} once its streams have ended", front)
    return states


def _shared(routes: dict[str, int], old: Sequence[str], new: str, weight: int) -> dict[str, int]:
    """`weight` per cent for the new engine, the rest for the old ones in the proportion that they had."""
    total = sum(routes.get(app, 0) for app in old) or len(old)
    rest = {app: round((100 - weight) * (routes.get(app, 0) or 1) / total) for app in old}
    return {**dict.fromkeys(routes, 0), **rest, new: weight}


def shift_back(number: int, target: EngineDeployment, before: Serving) -> list[State]:
    """A rollback to an engine that still runs: first the requests, then the engine that they leave is dropped."""
    routes = {**dict.fromkeys(before.routes, 0), target.app: 100}
    first = before.model_copy(update={"generation": routing_generation(number, 0), "routes": routes})
    gone = sorted(app for app in before.engines if app != target.app)
    states = [State(step="shift", serving=first, says=f"send all requests to {target.app}")]
    if gone:
        kept = Serving(
            generation=routing_generation(number, 1),
            front=before.front,
            engines={target.app: before.engines[target.app]},
            routes={target.app: 100},
        )
        states.append(State(step="retire", serving=kept, says=f"drop {', '.join(gone)} once its streams have ended"))
    return states

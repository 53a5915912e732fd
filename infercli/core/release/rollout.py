"""A rollout as a list of states: which engines run and how requests are shared, one step after the other.

The states are computed here, purely; an action drives them and records each before it is taken. Whoever comes next can
go on, or go back, from the record alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from infercli.core.documents.plan import FrontSpec
from infercli.core.record import Record
from infercli.core.release import EngineDeployment, Serving, routing_generation
from infercli.core.units import counted

Step = Literal["make room", "stop", "add", "shift", "retire"]
Strategy = Literal["beside", "replace"]
Condition = Literal["up", "short", "failed"]
"""Of the engine's application as it stands: it has every replica that is wanted; some or all are still to come; Ray
gave up on it, and does not try again before it has left the config."""


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
    condition: Condition = "up",
    weights: Sequence[int] = (100,),
    drop_previous: bool = False,
    keep: str | None = None,
    first: int = 0,
) -> list[State]:
    """The states of bringing `new` (of revision `number`) up from `before` (None: nothing runs).

    `weights`: the share of requests for the new engine, in per cent, ending with 100. Verification stands between "add"
    and the first "shift": an engine that takes no requests yet answers there only when it is pinned. `condition`: of
    the application of `new`, where `before` has it. `keep`: an idle engine that stays. `first`: how many states of the
    revision come before these.
    """
    engines = dict(before.engines) if before else {}
    routes = dict(before.routes) if before else {}
    states: list[State] = []

    def state(step: Step, says: str, the_front: FrontSpec) -> None:
        serving = Serving(
            generation=routing_generation(number, first + len(states)),
            front=the_front,
            engines=dict(engines),
            routes=dict(routes),
        )
        states.append(State(step=step, serving=serving, says=says))

    def drop(apps: Iterable[str]) -> None:
        for app in apps:
            engines.pop(app)
            routes.pop(app, None)

    idle = sorted(app for app in engines if not routes.get(app) and app not in (new.app, keep))
    if before and idle:
        drop(idle)
        state("make room", f"drop {', '.join(idle)}, which no request reaches", before.front)
    if before and condition == "failed" and new.app in engines:
        drop([new.app])
        state("make room", f"drop {new.app}, which failed, so that it is started anew", before.front)
    serving_apps = sorted(app for app, weight in routes.items() if weight and app != new.app)
    if how == "replace" and before and serving_apps:
        drop(serving_apps)
        says = f"stop {', '.join(serving_apps)}: from here until the new engine answers, requests get 503"
        state("stop", says, before.front)
        serving_apps = []
    engines[new.app] = number
    if not routes.get(new.app):
        routes[new.app] = 0
        state("add", f"start {new.app}, which no request reaches yet", front)
    elif condition == "short":
        state("add", f"bring {new.app} up to {counted(new.replicas, 'replica')}; what runs of it goes on", front)
    had = {app: routes[app] for app in serving_apps}
    for weight in weights if serving_apps else (100,):
        says = f"send {weight} % of the requests to {new.app}"
        if routes.get(new.app) == weight == 100:
            says = f"keep all requests on {new.app}, with {counted(new.replicas, 'replica')} and the front as now meant"
        routes = {**dict.fromkeys(routes, 0), **_shared(had, 100 - weight), new.app: weight}
        state("shift", says, front)
    if drop_previous and serving_apps:
        drop(serving_apps)
        state("retire", f"drop {', '.join(serving_apps)} once its streams have ended", front)
    return states


def _shared(had: dict[str, int], percent: int) -> dict[str, int]:
    """`percent` for these engines, in the proportion of the weights that they had, in whole numbers of that sum."""
    total, so_far, given, shares = sum(had.values()), 0, 0, {}
    for app, weight in had.items():
        so_far += weight
        upto = round(percent * so_far / total)
        shares[app], given = upto - given, upto
    return shares


def shift_back(
    number: int,
    target: EngineDeployment,
    front: FrontSpec,
    before: Serving,
    standing: EngineDeployment,
    *,
    condition: Condition = "up",
) -> list[State]:
    """A rollback to an engine that still runs: first the requests, then the engine that they leave is dropped.

    Its replicas and the front come last, where they were others: requests do not wait for those. `standing`: the
    application of `target` as it stands.
    """
    gone = sorted(app for app in before.engines if app != target.app)
    now = before
    states: list[State] = []
    if gone or before.routes.get(target.app) != 100:
        routes = {**dict.fromkeys(before.routes, 0), target.app: 100}
        now = before.model_copy(update={"generation": routing_generation(number, 0), "routes": routes})
        states.append(State(step="shift", serving=now, says=f"send all requests to {target.app}"))
    if gone:
        now = Serving(
            generation=routing_generation(number, 1),
            front=before.front,
            engines={target.app: before.engines[target.app]},
            routes={target.app: 100},
        )
        states.append(State(step="retire", serving=now, says=f"drop {', '.join(gone)} once its streams have ended"))
    if not states or (standing, before.front, condition) != (target, front, "up"):
        states += rollout(number, target, front, now, condition=condition, first=len(states))
    return states

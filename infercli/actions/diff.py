"""diff: what a deploy would change, against the record and against what the other side holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from infercli.actions.deploy import Request, check_recorded, engine_of, prospect, settled, standing_now
from infercli.actions.steps import World
from infercli.core.differences import Difference, differences
from infercli.core.record import Json
from infercli.core.release import EngineDeployment, Entry, Serving, engines_of, serving
from infercli.core.release.diff import EngineChange, ObjectChange, ReleaseDiff
from infercli.render.upgrade import builds_new_cluster, cluster_gpus

RayCluster = Literal["none", "first", "same", "new"]


def diff(request: Request, world: World) -> ReleaseDiff:
    """Look and compare; nothing is changed, and nothing but reading is needed.

    Raises InputError where there is no history and something takes requests all the same.
    """
    history = list(world.store.entries(request.plan.name))
    if not history:
        check_recorded(request, world, history)  # what runs cannot be compared, and is not nothing
    now = standing_now(world, history)
    good = serving(history) if now is not None else None
    engine = _engine(engine_of(request.plan), now, history)
    front = () if now is None else _records(now.front, request.plan.front)
    states = [] if settled(request, world, history, now) else prospect(request, world, history, now)[1]
    routes = differences(
        now.routes if now else {}, states[-1].serving.routes if states else (now.routes if now else {})
    )
    recorded = good.revision.objects if good is not None else ()
    held = world.platform.held_objects(request.objects)
    objects = tuple(_objects(recorded, request.objects, held))
    changes = bool(states or objects or engine.fields or front)
    ray_cluster = _ray_cluster(good, held, request.objects) if request.objects and changes else "none"
    return ReleaseDiff(
        name=request.plan.name,
        where=world.platform.where,
        revision=good.number if good is not None else None,
        changes=changes,
        engine=engine,
        front=front,
        routes=tuple(routes),
        objects=objects,
        ray_cluster=ray_cluster,
        more_gpus=cluster_gpus(request.objects) if ray_cluster in ("first", "new") else 0,
        steps=tuple(state.says for state in states),
    )


def _ray_cluster(good: Entry | None, held: Sequence[Json], rendered: Sequence[Json]) -> RayCluster:
    """Which Ray cluster a change would happen in."""
    if good is None:
        return "first"
    found = [_meant(there, body) for there, body in zip(held, rendered, strict=True) if there is not None]
    anew = any(builds_new_cluster(was, rendered) for was in (good.revision.objects, found))
    return "new" if anew else "same"


def _engine(new: EngineDeployment, now: Serving | None, history: Sequence[Entry]) -> EngineChange:
    running = engines_of(now, history) if now is not None else []
    routed = max(running, key=lambda e: now.routes.get(e.app, 0) if now else 0, default=None)
    fields: list[Difference] = []
    if routed is not None:
        fields = [
            *_records(routed.spec, new.spec),
            *differences({"replicas": routed.replicas}, {"replicas": new.replicas}),
        ]
    return EngineChange(
        was=routed.app if routed is not None else None,
        app=new.app,
        is_new=new.app not in {e.app for e in running},
        fields=tuple(fields),
    )


def _records(was: Json, becomes: Json) -> tuple[Difference, ...]:
    return tuple(differences(was.model_dump(mode="json"), becomes.model_dump(mode="json")))


def _meant(held: Json, body: Json) -> Json:
    """`held` without what only it has, which the API server or somebody else put there."""
    if isinstance(held, dict) and isinstance(body, dict):
        return {key: _meant(held[key], value) for key, value in body.items() if key in held}
    if isinstance(held, list) and isinstance(body, list) and len(held) == len(body):
        return [_meant(one, other) for one, other in zip(held, body, strict=True)]
    return held


def _objects(recorded: Sequence[Json], rendered: Sequence[Json], there: Sequence[Json]) -> Iterator[ObjectChange]:
    """Against the cluster where it has the object: to undo what somebody else did there is a change too."""
    old = {_key(o): o for o in recorded}
    for body, held in zip(rendered, there, strict=True):
        before = old.pop(_key(body), None)
        name = body["metadata"]["name"]
        if held is None:
            yield ObjectChange(kind=body["kind"], name=name, what="new")
            continue
        # The record knows what would be given up; the cluster knows what is really there.
        given_up = [d for d in differences(before, body) if d.becomes is None] if before is not None else []
        found = {d.path: d for d in [*given_up, *differences(held, body, only_meant=True)]}
        # A zip that is not rendered any more stays for as long as an engine that runs was started with it.
        found = {p: d for p, d in found.items() if not (p.startswith("binaryData.") and d.becomes is None)}
        if found:
            fields = tuple(_short(found[path]) for path in sorted(found))
            yield ObjectChange(kind=body["kind"], name=name, what="changed", fields=fields)
    for body in old.values():
        yield ObjectChange(kind=body["kind"], name=body["metadata"]["name"], what="no longer rendered")


def _key(body: Json) -> tuple[str, str]:
    return body["kind"], body["metadata"]["name"]


def _short(difference: Difference) -> Difference:
    """A file in a ConfigMap by its size: its name has its digest, and nobody reads base64."""
    if not difference.path.startswith("binaryData"):
        return difference
    sizes = [None if v is None else f"{len(v) * 3 // 4:,} bytes" for v in (difference.was, difference.becomes)]
    return Difference(path=difference.path, was=sizes[0], becomes=sizes[1])

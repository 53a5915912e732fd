"""Whether KubeRay takes a changed RayService up in place, or builds a second Ray cluster for it.

KubeRay hashes `rayClusterConfig` without what autoscaling and queueing write to (ray-operator 1.6.2,
controllers/ray/utils/util.go, GenerateHashWithoutReplicasAndWorkersToDelete). What is left out there changes nothing in
a running cluster either: other counts wait for the autoscaler or the next cluster. Compare what was rendered with what
is rendered now, not with the live object: the API server has filled that one with defaults.
"""

from __future__ import annotations

from infercli.core.record import Json

_COUNTS = frozenset({"replicas", "minReplicas", "maxReplicas"})
_QUEUEING = frozenset({"tolerations", "schedulingGates"})


def rebuilding_changes(before: dict[str, Json], after: dict[str, Json]) -> list[str]:
    """Paths below `rayClusterConfig` whose change builds a second cluster; empty: it is taken up in place.

    Both are RayServices as rendered. A worker group that is appended is in place too.
    """
    old, new = (_hashed(service["spec"]["rayClusterConfig"]) for service in (before, after))
    groups = len(old.get("workerGroupSpecs", []))
    new["workerGroupSpecs"] = new.get("workerGroupSpecs", [])[: max(groups, 1)]
    return _differences(old, new, "")


def _hashed(config: dict[str, Json]) -> dict[str, Json]:
    """What goes into KubeRay's hash."""
    kept = {key: value for key, value in config.items() if key != "upgradeStrategy"}
    kept["headGroupSpec"] = _without_queueing(config["headGroupSpec"])
    kept["workerGroupSpecs"] = [
        _without_queueing({key: value for key, value in group.items() if key not in _COUNTS})
        for group in config.get("workerGroupSpecs", [])
    ]
    return kept


def _without_queueing(group: dict[str, Json]) -> dict[str, Json]:
    spec = {key: value for key, value in group["template"]["spec"].items() if key not in _QUEUEING}
    return {**group, "template": {**group["template"], "spec": spec}}


def _differences(old: Json, new: Json, path: str) -> list[str]:
    if old == new:
        return []
    if isinstance(old, dict) and isinstance(new, dict):
        found: list[str] = []
        for key in sorted(old.keys() | new.keys()):
            inner = f"{path}.{key}" if path else key
            found += _differences(old.get(key), new.get(key), inner) if key in old and key in new else [inner]
        return found
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [
            change
            for index, (one, two) in enumerate(zip(old, new, strict=True))
            for change in _differences(one, two, f"{path}[{_name(one, index)}]")
        ]
    return [path]


def _name(item: Json, index: int) -> str:
    """How people call an item of a list: its name where it has one."""
    if isinstance(item, dict):
        return str(item.get("groupName") or item.get("name") or index)
    return str(index)

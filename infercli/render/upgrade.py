"""Which changes of the objects make KubeRay build a second Ray cluster beside the first, and what that one takes.

KubeRay compares a hash of `rayClusterConfig` (GenerateHashWithoutReplicasAndWorkersToDelete, KubeRay 1.6.2): what it
leaves out is left out here. Worker groups that are added at the end are put into the cluster that runs.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

from infercli.core.record import Json

_GROUP = ("replicas", "minReplicas", "maxReplicas")
_POD = ("tolerations", "schedulingGates")


def builds_new_cluster(was: Sequence[Json], becomes: Sequence[Json]) -> bool:
    """Whether applying `becomes` after `was` starts every pod anew; False where one of them has no RayService."""
    old, new = _hashed(was), _hashed(becomes)
    if old is None or new is None:
        return False
    new["workerGroupSpecs"] = new["workerGroupSpecs"][: len(old["workerGroupSpecs"])]
    return bool(old != new)


def cluster_gpus(objects: Sequence[Json]) -> int:
    """GPUs that a new Ray cluster asks for when it starts: those of its worker groups at their `replicas`."""
    config = _config(objects)
    total = 0
    for group in (config or {}).get("workerGroupSpecs") or ():
        for container in group["template"]["spec"]["containers"]:
            limits = (container.get("resources") or {}).get("limits") or {}
            total += group.get("replicas", 0) * int(limits.get("nvidia.com/gpu", 0))
    return total


def _config(objects: Sequence[Json]) -> Json:
    return next((o["spec"]["rayClusterConfig"] for o in objects if o["kind"] == "RayService"), None)


def _hashed(objects: Sequence[Json]) -> Json:
    config = copy.deepcopy(_config(objects))
    if config is None:
        return None
    config.pop("upgradeStrategy", None)
    config["workerGroupSpecs"] = list(config.get("workerGroupSpecs") or ())
    for group in [config["headGroupSpec"], *config["workerGroupSpecs"]]:
        for name in _POD:
            group["template"]["spec"].pop(name, None)
    for group in config["workerGroupSpecs"]:
        for name in _GROUP:
            group.pop(name, None)
        group["scaleStrategy"] = {k: v for k, v in (group.get("scaleStrategy") or {}).items() if k != "workersToDelete"}
    return config

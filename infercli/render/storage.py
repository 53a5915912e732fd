"""Volumes: weights from a claim (read-only), keys from a Secret, serving code from a ConfigMap, caches in the pod."""

from __future__ import annotations

from collections.abc import Callable

from infercli.core.documents.deployment import ModelDeployment
from infercli.core.record import Json
from infercli.render.names import CACHE_DIR, CODE_DIR, KEYS_DIR, MODELS_DIR, code_config_map, keys_secret

CACHE_GIB = 20
"""Limit of the cache volume: compiled graphs and kernels of vLLM, some GiB per engine version and shape. Above the
limit the pod is evicted, so it is far above; below it nothing is reserved."""

SECRET_BYTES = 1 << 20
"""Bytes of a Secret's data: the API server's own limit (core/v1 MaxSecretSize)."""

Pair = tuple[dict[str, Json], dict[str, Json]]
"""A volume, and its mount."""

Renderer = Callable[[ModelDeployment], Pair]


def code(deployment: ModelDeployment) -> Pair:
    """The zips of the serving code.

    Not optional: a pod waits for the ConfigMap rather than starting without code. Mounted whole and not by `subPath`,
    which would never see a zip that is added later.
    """
    volume = {"name": "code", "configMap": {"name": code_config_map(deployment.name)}}
    return volume, {"name": "code", "mountPath": CODE_DIR, "readOnly": True}


def keys(deployment: ModelDeployment) -> Pair:
    """The API keys and the operator's token. The kubelet renews the files when the Secret changes."""
    # 0440: readable by the pod's user through fsGroup, and by nobody else.
    volume = {"name": "keys", "secret": {"secretName": keys_secret(deployment), "defaultMode": 0o440}}
    return volume, {"name": "keys", "mountPath": KEYS_DIR, "readOnly": True}


def models(deployment: ModelDeployment) -> Pair:
    """The weights, under `/<commit>`. Read-only in the claim too: then no engine can spoil them for the others."""
    claim = {"claimName": deployment.kubernetes.model_claim, "readOnly": True}
    return {"name": "models", "persistentVolumeClaim": claim}, {
        "name": "models",
        "mountPath": MODELS_DIR,
        "readOnly": True,
    }


def cache() -> Pair:
    """Home directory and all caches. /dev/shm is not here: KubeRay mounts it, as large as the memory limit."""
    return {"name": "cache", "emptyDir": {"sizeLimit": f"{CACHE_GIB}Gi"}}, {"name": "cache", "mountPath": CACHE_DIR}

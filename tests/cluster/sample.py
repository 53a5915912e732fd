"""A small RayService for the cluster's own tests, written out by hand: what the product renders is not asked here."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any, TypeVar

import yaml

from tests.cluster.cluster import Cluster

T = TypeVar("T")

TOKEN = {"X_Infercli_Operator_Token": "token-1"}

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
KEYS_DIR, CODE_DIR = "/etc/infercli/keys", "/etc/infercli/code"


def serve_config(name: str, routes: dict[str, int], generation: int = 1) -> str:
    """A front and an engine for each route, with code that only the stand-in takes for code."""
    return yaml.safe_dump({"applications": [front(routes, generation), *(engine(app, name) for app in routes)]})


def front(routes: dict[str, int], generation: int) -> dict[str, Any]:
    table = [{"app": app, "weight": weight, "shadow": 0.0} for app, weight in routes.items()]
    user_config = {"generation": generation, "routes": table}
    return {
        "name": "front",
        "route_prefix": "/",
        "import_path": "infercli_front:build",
        "args": {"keys_dir": KEYS_DIR, "max_body_bytes": 1000, "max_in_flight": 8},
        "deployments": [{"name": "front", "num_replicas": 2, "user_config": user_config}],
    }


def engine(app: str, model: str) -> dict[str, Any]:
    return {
        "name": app,
        "route_prefix": None,
        "import_path": "infercli_engine:build",
        "args": {"llm_config": {"model_loading_config": {"model_id": model, "model_source": "/models/m"}}},
        "deployments": [{"name": "engine", "num_replicas": 1}],
    }


def ray_service(name: str, config: str, *, gpus: int = 1, image: str = "example.test/ray:1") -> dict[str, Any]:
    """A head without GPUs and one worker with some, on the L4 node, allowed under Pod Security `restricted`."""
    container = {"image": image, "securityContext": RESTRICTED}
    volumes = [
        {"name": "keys", "secret": {"secretName": f"{name}-keys"}},
        {"name": "code", "configMap": {"name": f"{name}-code"}},
    ]
    paths = {"keys": KEYS_DIR, "code": CODE_DIR}
    mounts = [{"name": volume, "mountPath": path, "readOnly": True} for volume, path in paths.items()]
    worker = {
        "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-L4"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
        "containers": [container | {"name": "worker", "resources": {"limits": {"nvidia.com/gpu": str(gpus)}}}],
    }
    group = {"groupName": "gpu", "replicas": 1, "minReplicas": 1, "maxReplicas": 1, "scaleStrategy": {}}
    head = {"containers": [container | {"name": "head", "volumeMounts": mounts}], "volumes": volumes}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": name},
        "spec": {
            "serveConfigV2": config,
            "rayClusterConfig": {
                "rayVersion": "2.60.0",
                "headGroupSpec": {"rayStartParams": {}, "template": {"metadata": {}, "spec": head}},
                "workerGroupSpecs": [group | {"rayStartParams": {}, "template": {"metadata": {}, "spec": worker}}],
            },
        },
    }


class Service:
    """One RayService in the test's namespace, and its front through the API server's proxy."""

    def __init__(self, cluster: Cluster, namespace: str, name: str = "chat") -> None:
        self.cluster, self.namespace, self.name = cluster, namespace, name
        keys = {"api-keys": "key-1\nkey-2\n", "operator-token": "token-1\n"}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{name}-keys"}, "stringData": keys}
        cluster.plane.api.request("POST", f"/api/v1/namespaces/{namespace}/secrets", secret)

    def apply(self, body: dict[str, Any]) -> None:
        self.cluster.plane.api.apply(f"/apis/ray.io/v1/namespaces/{self.namespace}/rayservices/{self.name}", body)

    def status(self) -> dict[str, Any]:
        return self.cluster.ray_service(self.namespace, self.name).get("status") or {}

    def front(self, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers and JSON of an answer; header names with underscores for hyphens."""
        proxy = f"/api/v1/namespaces/{self.namespace}/services/{self.name}-serve-svc:serve/proxy"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        method = "GET" if body is None else "POST"
        status, found, data = self.cluster.plane.api.fetch(method, proxy + path, body, named, timeout_s=10)
        return status, found, json.loads(data)


def eventually(what: Callable[[], T], timeout_s: float = 30.0) -> T:
    """The first true value of `what`, or its last one at the deadline."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = what()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.1)

"""What makes a control plane a cluster for Ray: kwok's nodes, the KubeRay operator, and a Ray in the pods.

The one thing to know: pods have addresses and states but no processes. The stand-in answers on all their addresses as
Ray would; where a test needs Serve itself, a real Ray head takes its place and plays every pod of the cluster.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cluster import components
from tests.cluster.control_plane import ControlPlane, healthz
from tests.cluster.standin.client import StandInControl
from tests.cluster.standin.server import CONTROL_PORT

ROOT = Path(__file__).parents[2]

GPU = "nvidia.com/gpu"

# The labels that NVIDIA's GPU feature discovery gives a node, by the short name that tests use.
PRODUCTS = {
    "l4": "NVIDIA-L4",
    "a100-80": "NVIDIA-A100-SXM4-80GB",
    "h100": "NVIDIA-H100-80GB-HBM3",
}


class Cluster:
    """A control plane with nodes, the operator, and the stand-in for Ray."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        self._standin: StandInControl | None = None

    @property
    def standin(self) -> StandInControl:
        """The stand-in's control."""
        if self._standin is None:
            raise LookupError("the stand-in was not started in this cluster")
        return self._standin

    def start_all(self) -> None:
        """Nodes cpu-0, l4-0 (4 GPUs), a100-0 (4) and h100-0 (8), the stand-in, and the operator."""
        self.start_nodes()
        self.start_standin()
        self.start_operator()

    def start_nodes(self) -> None:
        """Starts kwok, with one node without GPUs for heads and fronts and one of each product."""
        self.plane.launch("kwok", components.kwok(self.plane.binaries, self.plane.directory, self.plane.kubeconfig()))
        self.add_node("cpu-0")
        self.add_node("l4-0", gpus=4, product="l4")
        self.add_node("a100-0", gpus=4, product="a100-80")
        self.add_node("h100-0", gpus=8, product="h100")

    def start_operator(self) -> None:
        """Starts the operator. It needs KubeRay's definitions, which every control plane here has."""
        argv = components.operator(self.plane.binaries, self.plane.kubeconfig())
        self.plane.launch("ray-operator", argv, env={"POD_NAMESPACE": "default"})
        health = self.plane.sandbox.forward(components.OPERATOR_HEALTH_PORT)
        self.plane.wait_ready("ray-operator", healthz(f"http://127.0.0.1:{health}/readyz"))

    def start_standin(self) -> None:
        """Starts the stand-in for Ray on every pod's address."""
        argv = [sys.executable, "-m", "tests.cluster.standin.server", str(self.plane.kubeconfig())]
        self.plane.launch("standin", argv, env={"PYTHONPATH": str(ROOT)})
        control = StandInControl(self.plane.sandbox.forward(CONTROL_PORT))
        self.plane.wait_ready("standin", lambda: control.log() is not None)
        self._standin = control

    def add_node(self, name: str, gpus: int = 0, product: str = "l4") -> None:
        """Adds a node and returns when it is Ready. One with GPUs is labelled and tainted as GPU pools are.

        `product` is a key of PRODUCTS or the label's whole value.
        """
        plenty = {"cpu": "64", "memory": "512Gi", "ephemeral-storage": "1Ti", "pods": "110"}
        resources = {**plenty, **({GPU: str(gpus)} if gpus else {})}
        label = {f"{GPU}.product": PRODUCTS.get(product, product), f"{GPU}.present": "true", f"{GPU}.count": str(gpus)}
        taint = [{"key": GPU, "value": "present", "effect": "NoSchedule"}]
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(label if gpus else {})}},
            "spec": {"taints": taint if gpus else []},
            "status": {"capacity": resources, "allocatable": resources},
        }
        self.plane.api.request("POST", "/api/v1/nodes", body)
        self.plane.wait_ready("kwok", lambda: _is_ready(self.plane.api.get(f"/api/v1/nodes/{name}")))

    def remove_node(self, name: str) -> None:
        """Takes a node away; its pods go with it."""
        self.plane.api.request("DELETE", f"/api/v1/nodes/{name}")

    def ray_service(self, namespace: str, name: str) -> Any:
        """A RayService as the API server has it."""
        return self.plane.api.get(f"/apis/ray.io/v1/namespaces/{namespace}/rayservices/{name}")

    def wait_serving(self, namespace: str, name: str, timeout_s: float = 60) -> Any:
        """Returns the RayService once the operator has seen its spec, calls it Ready and all its applications run.

        For a first deployment: after a change in place the operator says all that of the old config for a while.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            found = self.ray_service(namespace, name)
            status = found.get("status") or {}
            apps = (status.get("activeServiceStatus") or {}).get("applicationStatuses") or {}
            seen = (status.get("observedGeneration") or 0) >= found["metadata"]["generation"]
            if seen and _is_ready(found) and apps and {app["status"] for app in apps.values()} == {"RUNNING"}:
                return found
            if time.monotonic() > deadline:
                raise TimeoutError(f"RayService {namespace}/{name} is not serving after {timeout_s:g} s: {status}")
            time.sleep(0.1)


def _is_ready(item: Mapping[str, Any]) -> bool:
    conditions = (item.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

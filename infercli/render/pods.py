"""How large the pods are and how many there may be. Every figure is either from the profile or explained here."""

from __future__ import annotations

import math

from infercli.core.documents.plan import Plan
from infercli.core.documents.profile import NodeGroup
from infercli.core.record import Json, Record
from infercli.core.units import GIB
from infercli.errors import InputError

NODE_SHARE = 0.85
"""Of a node's CPUs and memory, what pods with its GPUs share; the rest is for the kubelet, daemons and the system
(managed clusters reserve 5 to 15 % of memory on nodes of this size)."""

RANK_GIB = 8
"""Host memory per GPU where the profile does not say what a node has: one worker process with torch, CUDA libraries
and pinned buffers (4 to 6 GiB), rounded up. Weights are mapped from files: page cache, which is given back."""

ENGINE_GIB = 12
"""And per pod: API process, EngineCore, Ray's agents, the object store below, and shared memory between the ranks."""

OBJECT_STORE_BYTES = GIB
"""Ray's default is 30 % of the memory, out of the same /dev/shm as the ranks' shared memory. Requests and answers are
small and pass without it; what is above 100 KiB takes it, and 1 GiB holds a hundred of the largest allowed bodies."""

HEAD_CPUS, HEAD_GIB = 2, 8
"""GCS, dashboard and Serve's controller take 1 to 2 GiB; every application is built here, by a task that imports vLLM
(about 2 GiB), and a rollout may build two at a time."""

FRONT_CPUS, FRONT_GIB = 1, 2
"""Raylet, agents and proxy take about 0.7 GiB, a front replica 0.1. One core carries about 120 requests per second, or
130 streams at a time (measured with Ray 2.60)."""

MAX_FRONT_PODS = 8
"""Up to which the autoscaler may add fronts: so far `front.replicas` can be raised without a new Ray cluster."""


class EnginePods(Record):
    """The pods of the engines: all alike, each with `gpus` GPUs."""

    gpus: int
    per_replica: int
    """Pods that one engine replica spans; more than 1 only with pipeline parallelism over nodes."""
    wanted: int
    """For the replicas of the plan."""
    most: int
    """That fit on the profile's nodes, grown as far as they may: room for a second engine where there is any."""


def engine_pods(plan: Plan) -> EnginePods:
    """Cut the profile's nodes into pods of one engine replica, or of one node where a replica spans nodes.

    Raises InputError when the profile has fewer GPUs than the replicas of the plan take, or GPUs that are not NVIDIA's:
    those have another image, another resource and another plugin, and were never run.
    """
    gpu = plan.profile.linked_gpu()
    if gpu is not None and gpu.platform != "cuda":
        raise InputError(
            f"profile `{plan.profile.name}`: {gpu.name} is planned and estimated, but not rendered or deployed: "
            "engines run on NVIDIA GPUs only",
            "choose a profile with NVIDIA GPUs; `infercli profiles` lists them",
        )
    on_node = plan.profile.gpus_per_node
    gpus = min(plan.engine.gpus, on_node)
    if gpus < 1 or plan.engine.gpus % gpus:
        raise InputError(
            f"an engine of {plan.engine.gpus} GPUs cannot be cut into pods for nodes of {on_node}",
            "make tensor_parallel_size x pipeline_parallel_size a multiple of the GPUs of a node",
        )
    per_replica = plan.engine.gpus // gpus
    wanted = plan.replicas * per_replica
    most = sum((group.max_count or group.count) * (group.gpus // gpus) for group in plan.profile.nodes)
    if wanted > most:
        raise InputError(
            f"deployment.yaml: replicas: {plan.replicas} engines of {plan.engine.gpus} GPUs need {wanted} pods, and "
            f"profile `{plan.profile.name}` has room for {most}",
            "lower `replicas`, or choose a larger profile; `infercli profiles` lists them",
        )
    return EnginePods(gpus=gpus, per_replica=per_replica, wanted=wanted, most=most)


def engine_cpus(plan: Plan) -> int:
    """CPUs that an engine pod asks for: its share of the node, else one per GPU and one more, twice over."""
    gpus = engine_pods(plan).gpus
    node = _smallest(plan, gpus)
    if node.cpus is None:
        # A rank keeps a core busy, the API process one more; tokenizing and Ray's own processes need as many again.
        return 2 * (gpus + 1)
    return max(1, math.floor(node.cpus * NODE_SHARE * gpus / node.gpus))


def engine_gib(plan: Plan) -> int:
    """GiB of memory of an engine pod, request and limit alike: its share of the node, else by the number of GPUs."""
    gpus = engine_pods(plan).gpus
    node = _smallest(plan, gpus)
    if node.memory_gib is None:
        return ENGINE_GIB + RANK_GIB * gpus
    return max(1, math.floor(node.memory_gib * NODE_SHARE * gpus / node.gpus))


def _smallest(plan: Plan, gpus: int) -> NodeGroup:
    """The node group that leaves least per GPU, of those that can hold such a pod: pods are all alike."""
    fit = [group for group in plan.profile.nodes if group.gpus >= gpus]
    return min(fit, key=lambda g: ((g.memory_gib or math.inf) / g.gpus, (g.cpus or math.inf) / g.gpus))


def front_limit_gib(plan: Plan) -> int:
    """Memory limit of a front pod: every request in flight with the largest body, in the proxy and in the front.

    The request stays at FRONT_GIB, since bodies are a few KiB nearly always.
    """
    bodies = 2 * plan.front.max_in_flight * plan.front.max_body_bytes
    return FRONT_GIB + math.ceil(bodies / GIB)


def quantity(gib: int) -> str:
    """GiB as Kubernetes itself would write it: `20Gi`, `1Ti`.

    The operator writes the object back with its own spelling; another one would make it an owner of the worker groups,
    and the next apply a conflict.
    """
    return f"{gib // 1024}Ti" if gib % 1024 == 0 else f"{gib}Gi"


def resources(cpus: int, memory_gib: int, *, limit_gib: int | None = None, gpus: int = 0) -> dict[str, Json]:
    """As a container takes them; quantities are strings. CPU has no limit: throttling would show as slow tokens."""
    requests = {"cpu": str(cpus), "memory": quantity(memory_gib)}
    limits = {"memory": quantity(limit_gib or memory_gib)}
    if gpus:
        requests["nvidia.com/gpu"] = limits["nvidia.com/gpu"] = str(gpus)
    return {"requests": requests, "limits": limits}

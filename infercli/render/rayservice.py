"""The RayService: a head without work, fronts on CPU pods, engines on GPU pods. Right for KubeRay 1.6 and 1.7.

What stands in a pod template builds a second Ray cluster when it changes (twice the GPUs): so nothing here depends on
model, engine arguments or a revision. What changes with those is in the Serve config, which is put in place.
"""

from __future__ import annotations

import math

from infercli.core.record import Json
from infercli.render import storage
from infercli.render.environment import GRACE_S, environment
from infercli.render.names import ENGINE, FRONT, FRONT_GROUP, HEAD, labels, ray_service, selector, service_account
from infercli.render.pods import (
    FRONT_CPUS,
    FRONT_GIB,
    HEAD_CPUS,
    HEAD_GIB,
    MAX_FRONT_PODS,
    OBJECT_STORE_BYTES,
    engine_cpus,
    engine_gib,
    engine_pods,
    front_limit_gib,
    resources,
)
from infercli.render.rendering import Rendering
from infercli.render.security import container_security_context, pod_security_context
from infercli.render.serve_config import GPU_GROUP, GROUP_LABEL, SERVE_PORT

DASHBOARD_PORT, GCS_PORT, METRICS_PORT = 8265, 6379, 8080
"""Ray's and KubeRay's defaults: the dashboard takes the Serve config, GCS is what workers join, 8080 is scraped."""

IDLE_S = 300
"""Seconds without work after which the autoscaler gives a pod back. Ray's 60 would take away, during a rollout, the
GPUs that a rollback is about to ask for."""

MIN_FRONT_PODS = 2
"""One front is an outage whenever it is replaced."""

UNMOVED = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""On head and engines: an autoscaler of nodes that tidies up would restart the release. It does not stop a drain. On a
benchmark's pod: it would cut the measuring short."""


def ray_services(rendering: Rendering) -> list[dict[str, Json]]:
    """The one RayService, without `serveConfigV2`: that one follows what is live, and `with_serve_config` adds it."""
    plan = rendering.plan
    return [
        {
            "apiVersion": "ray.io/v1",
            "kind": "RayService",
            "metadata": rendering.metadata(ray_service(rendering.name), labels(rendering.name)),
            "spec": {
                "upgradeStrategy": {"type": "NewCluster"},
                # The old cluster of an image change goes on for as long as a stream may last.
                "rayClusterDeletionDelaySeconds": math.ceil(plan.engine.graceful_shutdown_timeout_s),
                # Requests pass by the head: it has no replicas, and the whole release depends on it.
                "excludeHeadPodFromServeSvc": True,
                "rayClusterConfig": {
                    "rayVersion": plan.engine.ray_version,
                    # Ray runs what it is sent. KubeRay makes the token, in a Secret of the Ray cluster's name.
                    "authOptions": {"mode": "token"},
                    # Not only for growth: KubeRay ignores a changed `replicas`, so without the autoscaler the number of
                    # fronts or engines could not change at all in place.
                    "enableInTreeAutoscaling": True,
                    "autoscalerOptions": _autoscaler(),
                    "headGroupSpec": _head(rendering),
                    "workerGroupSpecs": [_fronts(rendering), _engines(rendering)],
                },
            },
        }
    ]


def with_serve_config(ray_service: dict[str, Json], serve_config_text: str) -> dict[str, Json]:
    """The RayService as it is applied. It must be applied whole: a field left out is a field given up."""
    return {**ray_service, "spec": {**ray_service["spec"], "serveConfigV2": serve_config_text}}


def _autoscaler() -> dict[str, Json]:
    return {
        "version": "v2",
        "idleTimeoutSeconds": IDLE_S,
        "securityContext": container_security_context(),
        # KubeRay's default, said because the limit is what kills it: 512 MiB hold a cluster of a few dozen pods.
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "512Mi"}},
    }


def _head(rendering: Rendering) -> dict[str, Json]:
    container = _container(
        rendering,
        "ray-head",
        resources(HEAD_CPUS, HEAD_GIB),
        {"gcs-server": GCS_PORT, "dashboard": DASHBOARD_PORT, "serve": SERVE_PORT, "metrics": METRICS_PORT},
    )
    return {
        "serviceType": "ClusterIP",
        # No CPU for Ray: no replica is placed here. The tasks that build an application ask for none, and run here.
        "resources": {"CPU": "0"},
        "rayStartParams": _ray_start() | {"dashboard-host": "0.0.0.0"},  # noqa: S104 - pods reach it by its address
        # The head alone gets the account's token, since the autoscaler runs in its pod.
        "template": _template(
            rendering, HEAD, container, [storage.code], annotations=UNMOVED, automountServiceAccountToken=True
        ),
    }


def _fronts(rendering: Rendering) -> dict[str, Json]:
    front = rendering.plan.front
    container = _container(
        rendering,
        "ray-worker",
        resources(FRONT_CPUS, FRONT_GIB, limit_gib=front_limit_gib(rendering.plan)),
        {"serve": SERVE_PORT, "metrics": METRICS_PORT},
    )
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": selector(rendering.name, FRONT)},
    }
    return {
        "groupName": FRONT_GROUP,
        "replicas": front.replicas,
        "minReplicas": MIN_FRONT_PODS,
        "maxReplicas": max(MAX_FRONT_PODS, front.replicas),
        "numOfHosts": 1,
        "scaleStrategy": {},
        "labels": {GROUP_LABEL: FRONT_GROUP},
        # One front a pod, and so on as many nodes as there are.
        "resources": {"CPU": str(FRONT_CPUS)},
        "rayStartParams": _ray_start(),
        "template": _template(
            rendering, FRONT, container, [storage.code, storage.keys], topologySpreadConstraints=[spread]
        ),
    }


def _engines(rendering: Rendering) -> dict[str, Json]:
    plan = rendering.plan
    pods = engine_pods(plan)
    cpus = engine_cpus(plan)
    grows = pods.most > pods.wanted
    ray_resources = {"CPU": str(cpus), "GPU": str(pods.gpus)}
    if grows and plan.engine.accelerator_type is not None:
        # Ray finds this out on a running node; the autoscaler, which must know before there is one, is told. It hides
        # a wrong GPU from Ray: where pods may be added, profile.node_selector has to lead to the right nodes.
        ray_resources[f"accelerator_type:{plan.engine.accelerator_type}"] = "1"
    container = _container(
        rendering,
        "ray-worker",
        resources(cpus, engine_gib(plan), gpus=pods.gpus),
        {"serve": SERVE_PORT, "metrics": METRICS_PORT},
    )
    placement: dict[str, Json] = {"tolerations": _tolerations(rendering)}
    if plan.profile.node_selector:
        placement["nodeSelector"] = dict(plan.profile.node_selector)
    return {
        "groupName": GPU_GROUP,
        "replicas": pods.wanted,
        # Pods without work are given back only where the autoscaler can get them again.
        "minReplicas": pods.per_replica if grows else pods.wanted,
        "maxReplicas": pods.most,
        "numOfHosts": 1,
        "scaleStrategy": {},
        "labels": {GROUP_LABEL: GPU_GROUP},
        "resources": ray_resources,
        "rayStartParams": _ray_start(),
        "template": _template(
            rendering, ENGINE, container, [storage.code, storage.models], annotations=UNMOVED, **placement
        ),
    }


def _tolerations(rendering: Rendering) -> list[dict[str, Json]]:
    """The taint of GPU nodes everywhere, and what the profile adds."""
    every: list[dict[str, Json]] = [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    own = [toleration.model_dump(exclude_none=True) for toleration in rendering.plan.profile.tolerations]
    return every + [toleration for toleration in own if toleration not in every]


def _ray_start() -> dict[str, str]:
    return {"object-store-memory": str(OBJECT_STORE_BYTES)}


def _container(rendering: Rendering, name: str, sizes: dict[str, Json], ports: dict[str, int]) -> dict[str, Json]:
    # No probes: KubeRay's own know which worker serves, and a probe here would replace them.
    return {
        "name": name,
        "image": rendering.image,
        "imagePullPolicy": "IfNotPresent",
        "env": environment(),
        "ports": [{"name": port, "containerPort": number, "protocol": "TCP"} for port, number in ports.items()],
        "resources": sizes,
        "securityContext": container_security_context(),
    }


def _template(
    rendering: Rendering,
    component: str,
    container: dict[str, Json],
    volumes: list[storage.Renderer],
    *,
    annotations: dict[str, str] | None = None,
    automountServiceAccountToken: bool = False,  # noqa: N803 - Kubernetes' own name
    **spec: Json,
) -> dict[str, Json]:
    deployment = rendering.plan.deployment
    pairs = [volume(deployment) for volume in volumes] + [storage.cache()]
    metadata: dict[str, Json] = {"labels": labels(rendering.name, component)}
    if annotations:
        metadata["annotations"] = dict(annotations)
    if deployment.kubernetes.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": secret} for secret in deployment.kubernetes.image_pull_secrets]
    return {
        "metadata": metadata,
        "spec": {
            "serviceAccountName": service_account(rendering.name),
            "automountServiceAccountToken": automountServiceAccountToken,
            # Else the address of every Service of the namespace is a variable: of one named `vllm`, VLLM_PORT, which
            # vLLM reads as a port of its own and does not start (vllm/envs.py, get_vllm_port).
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": GRACE_S,
            "securityContext": pod_security_context(),
            "containers": [{**container, "volumeMounts": [mount for _, mount in pairs]}],
            "volumes": [volume for volume, _ in pairs],
            **spec,
        },
    }

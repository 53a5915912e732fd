"""What lies below a RayService: its Ray clusters, their pods, why they wait, and what their processes wrote.

The RayService says "Initializing" whatever happens there; who waits wants to read "Insufficient nvidia.com/gpu".
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence

from infercli.adapters.cluster.client import Cluster
from infercli.adapters.cluster.errors import Forbidden
from infercli.adapters.ray_rest import APPLICATIONS, has_log, log_path, log_text
from infercli.core.record import Json
from infercli.errors import ClusterError, EndpointError, InferError

RAY_CLUSTER = ("ray.io/v1", "RayCluster")

WAITS = {"ContainerCreating", "PodInitializing"}
"""Reasons of a waiting container that are no trouble: every container has them for a while."""


def ray_clusters(cluster: Cluster, release: str) -> Sequence[Json]:
    """The Ray clusters of the release: one, or two while its pods are replaced."""
    return cluster.find(*RAY_CLUSTER, labels=f"ray.io/originated-from-cr-name={release}")


def ray_pods(cluster: Cluster, release: str) -> Sequence[Json]:
    """The pods of its Ray clusters."""
    return cluster.find("v1", "Pod", labels=f"app.kubernetes.io/instance={release},ray.io/cluster")


def wedged(cluster: Cluster, release: str) -> list[str]:
    """Ray clusters whose head was refused: KubeRay 1.6 does not read a corrected spec while they exist."""
    if not cluster.serves(*RAY_CLUSTER):
        return []
    with contextlib.suppress(Forbidden):  # who may not look may still apply: most Ray clusters are not refused
        return [
            found["metadata"]["name"]
            for found in ray_clusters(cluster, release)
            if any(c.get("reason") == "FailedCreateHeadPod" and c.get("status") == "True" for c in _conditions(found))
        ]
    return []


def pods_trouble(cluster: Cluster, release: str) -> tuple[str, ...]:
    """Why pods of the release wait or are refused, each reason once; () where nothing is wrong or may be looked at."""
    with contextlib.suppress(ClusterError):  # an explanation, not an answer: what cannot be read is not explained
        found = list(_of_ray_clusters(ray_clusters(cluster, release)))
        reasons: dict[str, set[str]] = {}
        for pod in ray_pods(cluster, release):
            component = pod["metadata"]["labels"].get("app.kubernetes.io/component", "pod")
            for reason in waits_of(pod):
                reasons.setdefault(reason, set()).add(component)
        return (*dict.fromkeys(found), *(f"{', '.join(sorted(who))}: {why}" for why, who in reasons.items()))
    return ()


def _of_ray_clusters(found: Sequence[Json]) -> Iterator[str]:
    for one in found:
        name = one["metadata"]["name"]
        if (one.get("spec") or {}).get("suspend"):
            yield f"RayCluster {name} is suspended (by Kueue, until there is quota for it?)"
        for condition in _conditions(one):
            if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
                yield f"RayCluster {name}: {condition.get('message') or condition.get('reason')}"


def waits_of(pod: Json) -> Iterator[str]:
    """Why a pod does not run, in Kubernetes' words."""
    for condition in _conditions(pod):
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield f"{condition.get('reason')}: {_first_sentence(condition.get('message') or '')}"
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") and waiting["reason"] not in WAITS:
            words = waiting.get("message") or container.get("image") or ""
            yield f"{waiting['reason']}: {words}".rstrip(": ")


def _first_sentence(message: str) -> str:
    """Without what the scheduler adds on preemption, which is no news to anybody."""
    return message.partition(" no new claims")[0].partition(" preemption:")[0].rstrip(". ")


def _conditions(found: Json) -> Sequence[Json]:
    return (found.get("status") or {}).get("conditions") or ()  # null on a new object


def ray_log(cluster: Cluster, release: str, app: str, lines: int) -> str:
    """The newest lines of every replica of `app`, asked of Ray through the API server; of the pods where it is silent.

    Raises ClusterError when neither can be had.
    """
    try:
        parts = list(_replica_logs(cluster, release, app, lines))
    except EndpointError as error:
        return _pod_logs(cluster, release, lines, because=error.message)
    if not parts:
        return _pod_logs(cluster, release, lines, because=f"Ray knows no replica of {app}")
    return "\n".join(parts)


def _replica_logs(cluster: Cluster, release: str, app: str, lines: int) -> Iterator[str]:
    newest_first = sorted(
        ray_clusters(cluster, release), key=lambda c: c["metadata"]["creationTimestamp"], reverse=True
    )
    for found in newest_first:
        # The Service of the Ray cluster. That of the RayService selects `app.kubernetes.io/name: kuberay`, which pods
        # with labels of their own do not have (KubeRay 1.6.2, BuildHeadServiceForRayService): it leads nowhere.
        service = ((found.get("status") or {}).get("head") or {}).get("serviceName")
        if not service:
            continue
        headers = _ray_headers(cluster, found["metadata"]["name"])
        answer = cluster.proxy(service, "dashboard", "GET", APPLICATIONS, headers=headers)
        if answer.status != 200:
            raise EndpointError(f"Ray's dashboard answered HTTP {answer.status}")
        try:
            deployments = json.loads(answer.body).get("applications", {}).get(app, {}).get("deployments") or {}
        except (ValueError, AttributeError):
            raise EndpointError("Ray's dashboard answered something else than its applications") from None
        for replica in (r for d in deployments.values() for r in d.get("replicas") or ()):
            if has_log(replica):
                yield from _replica_log(cluster, service, headers, replica, lines)


def _replica_log(
    cluster: Cluster, service: str, headers: Mapping[str, str], replica: Json, lines: int
) -> Iterator[str]:
    for suffix in ("out", "err"):
        path = log_path(replica, suffix, lines)
        log = cluster.proxy(service, "dashboard", "GET", path, headers=headers, timeout_s=30)
        if log.status != 200:
            raise EndpointError(f"Ray answered HTTP {log.status}: {log.body.decode(errors='replace')[:200]}")
        text = log_text(log.body)
        if text.strip():
            where = f"{replica.get('replica_id', 'a replica')} on {replica.get('node_ip', 'its node')} ({suffix})"
            yield f"==> {where} <==\n{text}"


def _ray_headers(cluster: Cluster, ray_cluster: str) -> dict[str, str]:
    """Ray's own token, which KubeRay keeps in a Secret of the Ray cluster's name (authOptions.mode: token)."""
    secret = cluster.get("v1", "Secret", ray_cluster)
    token = ((secret or {}).get("data") or {}).get("auth_token")
    if not token:
        return {}
    # Authorization would not arrive: it is the API server's. Ray reads this one too (Ray 2.52 and later).
    return {"X-Ray-Authorization": f"Bearer {base64.b64decode(token).decode()}"}


def _pod_logs(cluster: Cluster, release: str, lines: int, *, because: str) -> str:
    pods = ray_pods(cluster, release)
    if not pods:
        raise ClusterError(f"{release} has no pods, so no log ({because})", f"`infercli status {release}`")
    parts, refusal = [], None
    for pod in pods:
        name, container = pod["metadata"]["name"], pod["spec"]["containers"][0]["name"]
        try:
            parts.append(f"==> {name} <==\n{cluster.pod_log(name, container, lines)}")
        except InferError as error:
            refusal = error
    if not parts and refusal is not None:
        raise ClusterError(f"no log of {release} can be read: {because}; {refusal.message}", refusal.hint)
    return "\n".join(parts)

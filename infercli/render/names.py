"""What things are called in the cluster, and the labels by which they find one another.

No name or label holds a revision: selectors cannot change, and a label of a pod template builds a new Ray cluster.
"""

from __future__ import annotations

from infercli.core.documents.deployment import ModelDeployment

CODE_DIR = "/etc/infercli/code"
KEYS_DIR = "/etc/infercli/keys"
BENCH_DIR = "/etc/infercli/bench"
JOB_DIR = "/etc/infercli/job"
MODELS_DIR = "/models"
CACHE_DIR = "/cache"

HEAD = "head"
FRONT = "front"
ENGINE = "engine"
BENCH = "bench"
"""Components: the values of `app.kubernetes.io/component` on pods."""

FRONT_GROUP = "front"
"""The worker group of the fronts; the one of the engines is `GPU_GROUP`, which the Serve config knows too."""


def labels(release: str, component: str | None = None) -> dict[str, str]:
    """The labels of everything of a release; with `component`, those of its pods."""
    common = {
        "app.kubernetes.io/name": "infercli",
        "app.kubernetes.io/instance": release,
        "app.kubernetes.io/managed-by": "infercli",
    }
    return common if component is None else common | {"app.kubernetes.io/component": component}


def selector(release: str, component: str | None = None) -> dict[str, str]:
    """What selects the pods of a release, or of one component of it, across all Ray clusters that it ever has."""
    chosen = labels(release, component)
    return {key: value for key, value in chosen.items() if key != "app.kubernetes.io/managed-by"}


def ray_service(release: str) -> str:
    """The RayService."""
    return release


def serve_service(release: str) -> str:
    """The Service for clients, port 8000, ClusterIP.

    KubeRay makes it and moves it from one Ray cluster to the next; no Service of ours could, since its selector would
    have to name a cluster whose name KubeRay makes up.
    """
    return f"{release}-serve-svc"


def service_account(release: str) -> str:
    """Whom the pods run as."""
    return release


def code_config_map(release: str) -> str:
    """The ConfigMap with the serving code: one name for all versions of it."""
    return f"{release}-code"


def network_policy(release: str, component: str | None = None) -> str:
    """The NetworkPolicy of all pods of the release, and the one more of a component.

    With a dot, which the name of a release never has: `chat-head` may be a release of its own.
    """
    return release if component is None else f"{release}.{component}"


def disruption_budget(release: str, component: str) -> str:
    """The PodDisruptionBudget of one component."""
    return f"{release}-{component}"


def bench_name(release: str, digest: str) -> str:
    """A benchmark's Job, and the ConfigMap and the Secret that it mounts: equal benchmarks have one name."""
    return f"{release}-bench-{digest[:8]}"


def keys_secret(deployment: ModelDeployment) -> str:
    """The Secret with `api-keys` and `operator-token`; made by the user, only named here."""
    return deployment.kubernetes.keys_secret or f"{deployment.name}-keys"

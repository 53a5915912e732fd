"""What Pod Security "restricted" asks of every pod and container, also of those that KubeRay adds.

An init container that KubeRay adds copies the first container's context, so it has to stand on the containers;
Pod Security does not look into a RayService, so a mistake here shows only as pods that never come.
"""

from __future__ import annotations

from infercli.core.record import Json

RAY_UID, RAY_GID = 1000, 100
"""User and group `ray` of the rayproject images, whose home and packages belong to them."""


def pod_security_context() -> dict[str, Json]:
    """Of the pod. `fsGroup` lets the group read the mounted keys; volumes that already fit are not walked through."""
    return {
        "runAsNonRoot": True,
        "runAsUser": RAY_UID,
        "runAsGroup": RAY_GID,
        "fsGroup": RAY_GID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def container_security_context() -> dict[str, Json]:
    """Of every container. The root file system stays writable: Ray writes below /tmp/ray and its home."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }

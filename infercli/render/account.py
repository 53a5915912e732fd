"""The ServiceAccount of the pods. It may do nothing by itself."""

from __future__ import annotations

from infercli.core.record import Json
from infercli.render.names import labels, service_account
from infercli.render.rendering import Rendering


def service_accounts(rendering: Rendering) -> list[dict[str, Json]]:
    """One for head and workers.

    Its token is mounted only where the autoscaler runs, by the head's own pod template: KubeRay then lets this account
    read pods and patch the Ray cluster in its namespace.
    """
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": rendering.metadata(service_account(rendering.name), labels(rendering.name)),
            "automountServiceAccountToken": False,
        }
    ]

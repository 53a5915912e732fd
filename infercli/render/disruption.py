"""PodDisruptionBudgets: how many pods a node drain must leave.

`minAvailable` as a number, never `maxUnavailable`: the pods belong to a RayCluster, which has no scale subresource, and
a budget that Kubernetes cannot count blocks every drain for ever.
"""

from __future__ import annotations

from infercli.core.record import Json
from infercli.render.names import ENGINE, FRONT, disruption_budget, labels, selector
from infercli.render.pods import engine_pods
from infercli.render.rendering import Rendering


def disruption_budgets(rendering: Rendering) -> list[dict[str, Json]]:
    """One for the fronts, and one for the engines where there are several.

    A single engine has none: a budget could only forbid to drain its node at all. The head has none for the same
    reason; both carry the annotations that keep autoscalers from moving them.
    """
    budgets = [_budget(rendering, FRONT, rendering.plan.front.replicas - 1)]
    pods = engine_pods(rendering.plan)
    if rendering.plan.replicas > 1:
        budgets.append(_budget(rendering, ENGINE, pods.wanted - pods.per_replica))
    return budgets


def _budget(rendering: Rendering, component: str, min_available: int) -> dict[str, Json]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": rendering.metadata(disruption_budget(rendering.name, component), labels(rendering.name, component)),
        "spec": {
            "minAvailable": min_available,
            "selector": {"matchLabels": selector(rendering.name, component)},
            # A pod that is not ready (an engine that crashes while starting) must not hold up a drain.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }

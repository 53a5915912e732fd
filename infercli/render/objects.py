"""All Kubernetes objects of a plan, as plain dicts, in the order in which they are applied.

Equal plans render to equal bytes: nothing here knows the time, the cluster, or a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import yaml

from infercli.core.documents.plan import Plan
from infercli.core.record import Json
from infercli.render.account import service_accounts
from infercli.render.code import code_config_maps
from infercli.render.disruption import disruption_budgets
from infercli.render.network import network_policies
from infercli.render.rayservice import ray_services, with_serve_config
from infercli.render.rendering import Rendering, check

RESOURCES: tuple[Callable[[Rendering], list[dict[str, Json]]], ...] = (
    service_accounts,
    code_config_maps,
    network_policies,
    disruption_budgets,
    ray_services,
)
"""One line per kind of thing, in order: pods find their account, code and policy when the RayService makes them."""


def static_objects(plan: Plan, namespace: str, serving_code: Mapping[str, bytes]) -> list[dict[str, Json]]:
    """What depends on the plan alone: the RayService is without its `serveConfigV2`.

    `serving_code`: bytes by file name (`engine-<digest>.zip`), of every version that a running application uses.
    Raises InputError naming the field of deployment.yaml that is missing.
    """
    rendering = Rendering(plan, namespace, serving_code)
    check(rendering)
    return [rendered for renderer in RESOURCES for rendered in renderer(rendering)]


def objects(
    plan: Plan, namespace: str, serving_code: Mapping[str, bytes], serve_config_text: str
) -> list[dict[str, Json]]:
    """Everything, as it is applied: `static_objects` with the Serve config in the RayService."""
    return [
        with_serve_config(rendered, serve_config_text) if rendered["kind"] == "RayService" else rendered
        for rendered in static_objects(plan, namespace, serving_code)
    ]


def to_yaml(rendered: Sequence[dict[str, Json]]) -> str:
    """As text: sorted keys, `---` between documents, no aliases; the Serve config as a block that can be read."""
    return yaml.dump_all(
        rendered, Dumper=_Dumper, sort_keys=True, default_flow_style=False, width=10_000, explicit_start=True
    )


class _Dumper(yaml.SafeDumper):
    """SafeDumper that writes shared values out, and text of many lines as a block."""

    def ignore_aliases(self, data: Json) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)

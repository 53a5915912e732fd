"""The ConfigMap with the serving code: all the versions that running applications were started with, side by side.

One fixed name, so that new code does not change a pod template. Who replaces the object must keep the zips of engines
that still run: a replica that starts again reads them again.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping

from infercli.core.record import Json
from infercli.render.names import code_config_map, labels
from infercli.render.rendering import Rendering


def code_config_maps(rendering: Rendering) -> list[dict[str, Json]]:
    """The one ConfigMap, with the zips that the rendering was given."""
    return [config_map(rendering.name, rendering.namespace, rendering.serving_code)]


def config_map(release: str, namespace: str, serving_code: Mapping[str, bytes]) -> dict[str, Json]:
    """The ConfigMap with these zips, by file name (`engine-<digest>.zip`)."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": code_config_map(release), "namespace": namespace, "labels": labels(release)},
        "binaryData": {name: base64.b64encode(data).decode() for name, data in sorted(serving_code.items())},
    }

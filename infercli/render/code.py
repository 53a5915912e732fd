"""The ConfigMap with the serving code: all the versions that running applications were started with, side by side.

One fixed name, so that new code does not change a pod template. Who replaces the object must keep the zips of engines
that still run: a replica that starts again reads them again.
"""

from __future__ import annotations

import base64

from infercli.core.record import Json
from infercli.render.names import code_config_map, labels
from infercli.render.rendering import Rendering


def code_config_maps(rendering: Rendering) -> list[dict[str, Json]]:
    """The one ConfigMap, with the zips that the rendering was given, by file name (`engine-<digest>.zip`)."""
    zips = {name: base64.b64encode(data).decode() for name, data in sorted(rendering.serving_code.items())}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": rendering.metadata(code_config_map(rendering.name), labels(rendering.name)),
            "binaryData": zips,
        }
    ]

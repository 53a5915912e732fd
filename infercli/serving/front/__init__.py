"""The front: the one HTTP door of a release. It checks keys and limits, and routes requests to engine applications.

The routing table is Serve's `user_config`, so a flip is a `reconfigure` of running replicas and restarts nothing.
Standard library, starlette and ray only; the last two inside functions, so that what needs neither runs without them.
"""

from __future__ import annotations

from typing import Any

from .app import Front


def build(args: dict[str, Any]) -> Any:
    """The Serve application: `keys_dir`, `max_body_bytes` of one request, `max_in_flight` requests per replica.

    How many replicas run and what Serve may queue stands in the config's `deployments`: in `args` a changed number
    would rebuild the front.
    """
    from ray import serve

    return serve.deployment(Front, name="front").bind(**args)

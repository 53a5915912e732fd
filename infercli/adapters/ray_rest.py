"""Ray's REST API: what is asked of it, on this machine as through the API server of a cluster."""

from __future__ import annotations

import urllib.parse

from infercli.core.record import Json

APPLICATIONS = "/api/serve/applications/"
"""GET: the applications and their replicas; PUT: the whole Serve config."""


def log_path(replica: Json, suffix: str, lines: int) -> str:
    """Of the newest lines of a replica's log; `suffix`: `out` or `err`."""
    asked = {"node_id": replica["node_id"], "pid": replica["pid"], "suffix": suffix, "lines": lines}
    return f"/api/v0/logs/file?{urllib.parse.urlencode(asked)}"


def log_text(body: bytes) -> str:
    """Without what Ray puts around each piece that it streams."""
    return body.decode(errors="replace").replace("\0", "").removeprefix("1")


def has_log(replica: Json) -> bool:
    """A replica that is starting has no process yet."""
    return bool(replica.get("pid") and replica.get("node_id"))

"""How a test tells the stand-in what should go wrong, and reads what it was asked.

The one thing to know: settings are for the whole stand-in and stay until `heal()`; name the application in a fault when
other tests' releases run beside.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tests.cluster.api import opener
from tests.cluster.standin.serve import Fault


class StandInControl:
    """The control port of a running stand-in."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def fail(self, *faults: Fault, **broken: int) -> None:
        """Sets the faults of applications, and statuses to answer with instead: `dashboard=`, `health=`, `front=`.

        What an earlier call has set and this one does not name is healed.
        """
        self._set(faults, broken, keep_log=True)

    def heal(self) -> None:
        """Nothing is wrong any more, and the log is empty."""
        self._set((), {}, keep_log=False)

    def log(self) -> list[dict[str, Any]]:
        """The requests so far, oldest first: time_s, port, method, path, for, status, and of a PUT its body."""
        log: list[dict[str, Any]] = self._ask("GET", "/log")
        return log

    def puts(self) -> list[dict[str, Any]]:
        """The Serve configs that were put, oldest first."""
        return [json.loads(entry["body"]) for entry in self.log() if entry["method"] == "PUT"]

    def _set(self, faults: Sequence[Fault], broken: dict[str, int], *, keep_log: bool) -> None:
        settings = {"faults": [asdict(fault) for fault in faults], "broken": broken, "keep_log": keep_log}
        self._ask("PUT", "/set", settings)

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, method=method, data=data)
        with opener().open(request, timeout=10) as answer:
            return json.loads(answer.read())

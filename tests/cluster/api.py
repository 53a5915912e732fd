"""The few requests that the test parts themselves make to the API server, as one user, with the standard library.

The one thing to know: it is not the product's client. What tests say about the product must not rest on the product.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

APPLY = "application/apply-patch+yaml"  # JSON is YAML


def opener(context: ssl.SSLContext | None = None) -> urllib.request.OpenerDirector:
    """An opener that uses no proxy, whatever the environment says: what is asked is on this machine."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))


class ApiError(Exception):
    """The API server said no: its status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class KubeApi:
    """The API server of a kubeconfig with one cluster and one user with a token, as pki.py writes them."""

    def __init__(self, kubeconfig: Path) -> None:
        content = json.loads(kubeconfig.read_text())
        cluster = content["clusters"][0]["cluster"]
        self.server: str = cluster["server"]
        self._token: str = content["users"][0]["user"]["token"]
        self._opener = opener(ssl.create_default_context(cafile=cluster["certificate-authority"]))

    def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json", timeout_s: float = 60
    ) -> Any:
        """The JSON answer, or its text where it is not JSON. Raises ApiError, or OSError when nothing answers."""
        request = urllib.request.Request(
            self.server + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": content_type},
        )
        try:
            with self._opener.open(request, timeout=timeout_s) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as problem:
            with problem:
                text = problem.read().decode(errors="replace")
            try:
                message = json.loads(text)["message"]
            except (ValueError, KeyError, TypeError):
                message = text
            raise ApiError(problem.code, message) from None
        try:
            return json.loads(text)
        except ValueError:
            return text

    def get(self, path: str, timeout_s: float = 60) -> Any:
        """A GET."""
        return self.request("GET", path, timeout_s=timeout_s)

    def apply(self, path: str, body: object, manager: str = "test") -> Any:
        """Server-side apply, taking over fields of other managers."""
        return self.request("PATCH", f"{path}?fieldManager={manager}&force=true", body, APPLY)

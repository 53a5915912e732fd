"""The few requests that the test parts themselves make to the API server, as one user, with the standard library.

The one thing to know: it is not the product's client. What tests say about the product must not rest on the product.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
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

    def fetch(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60,
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers (names in lower case) and body of any answer. Raises OSError when nothing answers."""
        request = urllib.request.Request(
            self.server + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json", **(headers or {})},
        )
        try:
            with self._opener.open(request, timeout=timeout_s) as answer:
                return answer.status, _lower(answer.headers), answer.read()
        except urllib.error.HTTPError as problem:
            with problem:
                return problem.code, _lower(problem.headers), problem.read()

    def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json", timeout_s: float = 60
    ) -> Any:
        """The JSON answer, or its text where it is not JSON. Raises ApiError, or OSError when nothing answers."""
        status, _, data = self.fetch(method, path, body, {"Content-Type": content_type}, timeout_s)
        text = data.decode(errors="replace")
        try:
            content = json.loads(text)
        except ValueError:
            content = text
        if status >= 400:
            raise ApiError(status, content["message"] if isinstance(content, dict) else text)
        return content

    def get(self, path: str, timeout_s: float = 60) -> Any:
        """A GET."""
        return self.request("GET", path, timeout_s=timeout_s)

    def apply(self, path: str, body: object, manager: str = "test") -> Any:
        """Server-side apply, taking over fields of other managers."""
        return self.request("PATCH", f"{path}?fieldManager={manager}&force=true", body, APPLY)


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}

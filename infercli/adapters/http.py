"""One HTTP request, by the standard library: what the adapters need of HTTP, with exceptions translated.

No proxies and no redirects: every address here is one that the caller means.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from infercli.core.record import Json
from infercli.errors import EndpointError


class Response(NamedTuple):
    """A whole answer."""

    status: int
    headers: dict[str, str]
    """Lower-case names."""
    body: bytes

    def json(self) -> Json:
        """The body as JSON. Raises EndpointError."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise EndpointError(f"HTTP {self.status} with something that is not JSON: {self.body[:200]!r}") from error


def request(
    method: str,
    url: str,
    *,
    body: Json = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
) -> Response:
    """`body` is sent as JSON. Raises EndpointError when nobody answers in time."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_s)
    data = None if body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} if data is not None else {}
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, path or "/", body=data, headers={**sent, **(headers or {})})
        answer = connection.getresponse()
        return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    except TimeoutError as error:
        raise EndpointError(f"{parts.scheme}://{parts.netloc} did not answer within {timeout_s:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise EndpointError(f"{parts.scheme}://{parts.netloc} cannot be reached: {reason}") from error
    finally:
        connection.close()

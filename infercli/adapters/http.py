"""One HTTP request, by the standard library: what the adapters need of HTTP, with exceptions translated.

No proxies and no redirects: every address here is one that the caller means.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from infercli.core.record import Json
from infercli.core.release.observed import Answer
from infercli.errors import EndpointError


def request(
    method: str,
    url: str,
    *,
    body: Json = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
) -> Answer:
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
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    except TimeoutError as error:
        raise EndpointError(f"{parts.scheme}://{parts.netloc} did not answer within {timeout_s:g} s") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise EndpointError(f"{parts.scheme}://{parts.netloc} cannot be reached: {reason}") from error
    finally:
        connection.close()

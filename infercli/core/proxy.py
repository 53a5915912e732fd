"""Which proxy the environment names for an endpoint, without asking the environment or the network."""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Callable, Mapping
from typing import NamedTuple

from infercli.core.endpoint import Endpoint
from infercli.errors import InputError

_PORT = 1080
"""Where it is not said (curl 7.88: CURL_DEFAULT_PROXY_PORT)."""


class Proxy(NamedTuple):
    """An HTTP proxy."""

    host: str
    port: int
    authorization: str | None
    """The value of Proxy-Authorization: a secret."""


def proxy_for(endpoint: Endpoint, proxies: Mapping[str, str], bypassed: Callable[[str], object]) -> Proxy | None:
    """The proxy on the way to an endpoint; None: there is none. Loopback is never asked of a proxy.

    `ALL_PROXY` is that of a scheme without one of its own, as curl has it.

    `proxies`, `bypassed`: urllib.request's `getproxies()` and `proxy_bypass`, which read the environment. Raises
    InputError, which quotes nothing of a proxy that may hold a password.
    """
    kind = endpoint.scheme if endpoint.scheme in proxies else "all"
    named = None if endpoint.is_loopback else proxies.get(kind)
    if named is None or bypassed(f"{endpoint.host}:{endpoint.port}"):
        return None
    variable = f"{kind.upper()}_PROXY"
    try:
        url = urllib.parse.urlsplit(named if "//" in named else f"//{named}", scheme="http")
        host, port = url.hostname, url.port or _PORT
    except ValueError:
        raise InputError(
            f"{variable} cannot be read as a URL",
            "write http://USER:PASSWORD@HOST:PORT, with %2F for a / in a password",
        ) from None
    if url.scheme != "http":
        raise InputError(
            f"{variable} names a proxy of the kind {url.scheme}://, and only http:// is spoken",
            "name an http:// proxy, or add the host to NO_PROXY",
        )
    if not host:
        raise InputError(f"{variable} names no host", "write http://HOST:PORT, or unset it")
    authorization = None
    if url.username is not None:
        secret = f"{urllib.parse.unquote(url.username)}:{urllib.parse.unquote(url.password or '')}"
        authorization = "Basic " + base64.b64encode(secret.encode()).decode()
    return Proxy(host, port, authorization)

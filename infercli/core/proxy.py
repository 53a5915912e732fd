"""A proxy as the environment names it: what it means, without asking the environment or the network."""

from __future__ import annotations

import base64
import urllib.parse
from typing import NamedTuple

from infercli.errors import InputError

_PORT = 1080
"""Where it is not said (curl 7.88: CURL_DEFAULT_PROXY_PORT)."""


class Proxy(NamedTuple):
    """An HTTP proxy."""

    host: str
    port: int
    authorization: str | None
    """The value of Proxy-Authorization: a secret."""


def parse_proxy(named: str, scheme: str) -> Proxy:
    """`http://user:password@host:port`, of which the host will do. Raises InputError where HTTP is not spoken to it.

    `scheme`: of the endpoint, by which the variable is called.
    """
    url = urllib.parse.urlsplit(named if "//" in named else f"//{named}", scheme="http")
    if url.scheme != "http" or not url.hostname:
        raise InputError(
            f"{scheme.upper()}_PROXY names a proxy of the kind {url.scheme}://, and only http:// is spoken",
            "name an http:// proxy, or add the host to NO_PROXY",
        )
    authorization = None
    if url.username is not None:
        secret = f"{urllib.parse.unquote(url.username)}:{urllib.parse.unquote(url.password or '')}"
        authorization = "Basic " + base64.b64encode(secret.encode()).decode()
    return Proxy(url.hostname, url.port or _PORT, authorization)

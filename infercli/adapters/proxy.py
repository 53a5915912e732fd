"""The way to an endpoint for http.client: straight, or through the proxy that the environment names, as urllib has it.

The load generator finds its own way (loadgen/route.py), by the same variables: what is asked before a benchmark goes
the way that its load will go.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import urllib.request
from collections.abc import Mapping
from typing import NamedTuple

from infercli.adapters.openai_errors import Unreachable
from infercli.core.endpoint import Endpoint
from infercli.core.proxy import proxy_for

_HINT = "HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names it; hosts in NO_PROXY are asked without it"


class Way(NamedTuple):
    """A connection that is not made yet, and what requests on it look like."""

    connection: http.client.HTTPConnection
    base: str = ""
    """Before the path of each request: a proxy that reads them wants the whole URL."""
    headers: Mapping[str, str] = {}
    """That the proxy wants with each request."""
    proxy: str | None = None
    """Its host and port; None: there is none."""


def way_to(endpoint: Endpoint, *, timeout_s: float, ssl_context: ssl.SSLContext | None = None) -> Way:
    """`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are heeded; loopback is never asked of a proxy.

    Raises InputError for a proxy that is not spoken to by HTTP.
    """
    proxy = proxy_for(endpoint, urllib.request.getproxies(), urllib.request.proxy_bypass)
    if proxy is None:
        return Way(_connection(endpoint.scheme, endpoint.host, endpoint.port, timeout_s, ssl_context))
    headers = {} if proxy.authorization is None else {"Proxy-Authorization": proxy.authorization}
    connection = _connection(endpoint.scheme, proxy.host, proxy.port, timeout_s, ssl_context)
    said = f"{proxy.host}:{proxy.port}"
    if endpoint.scheme == "http":
        return Way(connection, f"http://{endpoint.netloc}", headers, said)
    connection.set_tunnel(endpoint.host, endpoint.port, headers)
    return Way(connection, proxy=said)


def failed_at(proxy: str, error: Exception) -> Unreachable | None:
    """What went wrong at the proxy itself; None: beyond it, or it cannot be told where."""
    if isinstance(error, ConnectionRefusedError | socket.gaierror):
        return Unreachable(f"the proxy {proxy} cannot be reached: {error.strerror}", _HINT)
    if isinstance(error, OSError) and str(error).startswith("Tunnel connection failed"):
        return Unreachable(f"the proxy {proxy} does not lead there: {error}", _HINT)
    return None


def _connection(
    scheme: str, host: str, port: int, timeout_s: float, ssl_context: ssl.SSLContext | None
) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout_s)
    context = ssl_context or ssl.create_default_context()
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)

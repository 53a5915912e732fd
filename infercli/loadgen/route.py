"""The way to an endpoint: its address, or a proxy's, found before anything is measured."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from infercli.core.endpoint import Endpoint
from infercli.core.proxy import proxy_for
from infercli.errors import EndpointError

_TRY_S = 2.0
"""For one of several addresses: in turn, unlike RFC 8305, whose addresses race. Our choice."""


@dataclass(frozen=True)
class Route:
    """How connections are made."""

    family: int
    address: Any
    """Of the endpoint, or of the proxy: what `connect` takes."""
    tls: tuple[ssl.SSLContext, str] | None = None
    """With whom to shake hands; None: plain HTTP."""
    connect: bytes | None = field(default=None, repr=False)
    """What a proxy is asked before the endpoint can be spoken to."""
    proxied: bool = False
    """A proxy reads each request, and wants the whole URL in it."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """That the proxy wants with each request."""
    proxy: str | None = None
    """HOST:PORT of the proxy in between, which is all that may be told of it."""
    others: int = 0
    """Further addresses of the endpoint's host, of the same family: nothing is sent to them."""


def route_to(endpoint: Endpoint, ssl_context: ssl.SSLContext | None, timeout_s: float) -> Route:
    """The first address of the host that accepts a connection, so that no request waits for a name server.

    `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are heeded; loopback is never asked of a proxy. Raises
    EndpointError (a name that is unknown, or not answered in time), InputError (a proxy that cannot be used).
    """
    tls = (ssl_context or ssl.create_default_context(), endpoint.host) if endpoint.scheme == "https" else None
    proxy = proxy_for(endpoint, urllib.request.getproxies(), urllib.request.proxy_bypass)
    if proxy is None:
        family, address, others = _resolve(endpoint.host, endpoint.port, timeout_s)
        return Route(family, address, tls=tls, others=others)
    family, address, _ = _resolve(proxy.host, proxy.port, timeout_s)
    headers = () if proxy.authorization is None else (("Proxy-Authorization", proxy.authorization),)
    named = f"{proxy.host}:{proxy.port}"
    if tls is None:
        return Route(family, address, proxied=True, headers=headers, proxy=named)
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    lines = [f"CONNECT {host}:{endpoint.port} HTTP/1.1", f"Host: {host}:{endpoint.port}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return Route(family, address, tls=tls, connect="\r\n".join([*lines, "", ""]).encode(), proxy=named)


def _resolve(host: str, port: int, timeout_s: float) -> tuple[int, Any, int]:
    """(family, address, how many others of that family there are).

    In a thread, since a resolver may wait for half a minute and cannot be told not to.
    """
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(timeout_s)
    if not found:
        raise EndpointError(
            f"the host name {host} was not resolved within {timeout_s:g} s", "check the name, and the name server"
        )
    if isinstance(found[0], OSError):
        raise EndpointError(f"the host name {host} cannot be resolved: {found[0].strerror}", "check the name")
    family, _, _, _, address = _that_accepts(found[0], timeout_s)
    return family, address, len({one[4] for one in found[0] if one[0] == family}) - 1


def _that_accepts(addresses: Sequence[Any], timeout_s: float) -> Any:
    """The first that does, as curl tries them in turn: `localhost` is ::1 first, and engines listen on 0.0.0.0.

    The first of all where none does, or where there is no choice: what becomes of requests is then measured.
    """
    until = time.monotonic() + timeout_s
    for one in addresses if len(addresses) > 1 else ():
        with contextlib.suppress(OSError), socket.socket(one[0], socket.SOCK_STREAM) as tried:
            tried.settimeout(max(0.01, min(_TRY_S, until - time.monotonic())))
            tried.connect(one[4])
            return one
    return addresses[0]

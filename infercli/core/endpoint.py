"""The address of an OpenAI-compatible endpoint, parsed once.

People paste base URLs with and without `/v1`; both mean the same here. A URL with a password or a query is refused:
it would end up in results and logs.
"""

from __future__ import annotations

import re
from typing import Literal

from infercli.core.record import Record
from infercli.errors import InputError

_URL = re.compile(
    r"(?P<scheme>https?)://(?:(?P<user>[^/?#]*)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^:/?#@\[\]\s]+)"
    r"(?::(?P<port>\d{1,5}))?(?P<path>/[^?#\s]*)?",
    re.IGNORECASE,
)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_CALL = re.compile(r"(?:/v1)?/(?:chat/completions|completions|embeddings|responses|models|metrics)/?")
"""What is called at an endpoint, at the end of a URL that was copied from an example."""
_HOST_AND_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):\d+(?:/.*)?|\d{1,3}(?:\.\d{1,3}){3}(?:/.*)?")


class Endpoint(Record):
    """Where an endpoint is."""

    scheme: Literal["http", "https"]
    host: str
    """A name or an address; IPv6 without brackets."""
    port: int
    prefix: str = ""
    """What stands before `/v1`, as with an API server's service proxy; no slash at its end."""

    @property
    def netloc(self) -> str:
        """`host:port` as the Host header wants it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The base URL without `/v1`, fit to be shown: it holds no secret."""
        return f"{self.scheme}://{self.netloc}{self.prefix}"

    @property
    def is_loopback(self) -> bool:
        """On this machine by its address, so that this machine's GPUs are the ones that answer."""
        return self.host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", self.host) is not None


def url_meant(name: str) -> str | None:
    """`127.0.0.1:8000`, `htp://host` -> the URL that may be meant; None: it looks like no address."""
    if "://" not in name and not _HOST_AND_PORT.fullmatch(name):
        return None
    rest = name.rpartition("://")[2].rpartition("@")[2]
    return f"http://{rest.split('?', maxsplit=1)[0]}"


def parse_endpoint(url: str) -> Endpoint:
    """`http://127.0.0.1:8000`, `https://host/prefix/v1/` -> Endpoint. Raises InputError."""
    match = _URL.fullmatch(url.strip())
    if match is None:
        shown = re.sub(r"//[^/@]*@", "//***@", re.split("[?#]", url.strip(), maxsplit=1)[0])
        if "@" not in shown and _URL.fullmatch(shown):
            base = parse_endpoint(shown).url
            raise InputError(f"a query or a fragment follows `{shown}`, and no base URL has one", f"write {base}")
        raise InputError(f"`{shown}` is not the base URL of an endpoint", "write for example http://127.0.0.1:8000")
    if match["user"] is not None:
        raise InputError(
            f"the URL of {match['host']} carries a user name or a key",
            "take it out of the URL and give the key by environment variable or file",
        )
    scheme: Literal["http", "https"] = "https" if match["scheme"].lower() == "https" else "http"
    port = int(match["port"]) if match["port"] else _DEFAULT_PORTS[scheme]
    if not 0 < port < 2**16:
        raise InputError(
            f"port {port} of `{url.strip()}` is not between 1 and 65535", "write for example http://127.0.0.1:8000"
        )
    path = match["path"] or ""
    call = next((c for c in _CALL.finditer(path) if c.end() == len(path)), None)
    prefix = path[: call.start() if call else None].rstrip("/").removesuffix("/v1").rstrip("/")
    endpoint = Endpoint(scheme=scheme, host=match["host"].strip("[]"), port=port, prefix=prefix)
    if call:
        raise InputError(f"`{url.strip()}` is a path of an endpoint, not its base URL", f"write {endpoint.url}")
    return endpoint

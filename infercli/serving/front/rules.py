"""What the front decides without asking: which table is one, which engine is next, what may be asked, and by whom.

Standard library only, and no Ray: these are the rules that can be read and tested by themselves.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOKEN_HEADER = "x-infercli-operator-token"  # noqa: S105 - a header's name
PIN_HEADER = "x-infercli-engine"
GENERATION_HEADER = "x-infercli-generation"

# Engines answer more than this (sleep, collective_rpc, LoRA loading...): what is not listed does not exist.
POSTS = frozenset({
    "/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/score", "/tokenize", "/detokenize",
})  # fmt: skip
GETS = re.compile(r"/v1/models(/[\w@:+-][\w@:+./-]*)?", re.ASCII)
OPERATOR_GETS = frozenset({"/metrics", "/load", "/version"})  # of one engine, so only with the pin header
OWN_GETS = frozenset({"/health", "/front"})  # the front's own

# What an engine needs of a client's headers. Keys, tokens and cookies stay here: they are not the engine's business.
FORWARDED = ("content-type", "accept", "x-request-id", "traceparent", "tracestate")


@dataclass(frozen=True)
class Route:
    """One engine application: its share of the requests, and the fraction of them that it gets a copy of."""

    app: str
    weight: int = 0
    shadow: float = 0.0


@dataclass(frozen=True)
class Table:
    """The routing table of one generation. Generations only grow; -1 is before the first."""

    generation: int = -1
    routes: tuple[Route, ...] = ()

    def has(self, app: str) -> bool:
        """Whether the table names this application, with whatever weight."""
        return any(route.app == app for route in self.routes)

    def needed(self) -> list[str]:
        """The applications that clients' requests or copies of them go to."""
        return [route.app for route in self.routes if route.weight > 0 or route.shadow > 0]


def parse_table(config: Any) -> Table:
    """The table of a `user_config`. Raises ValueError naming what is wrong; nothing is guessed or dropped."""
    if not isinstance(config, Mapping):
        raise ValueError("user_config must be a mapping with generation and routes")  # noqa: TRY004 - one kind of no
    generation, routes = config.get("generation"), config.get("routes")
    if isinstance(generation, bool) or not isinstance(generation, int) or generation < 0:
        raise ValueError("generation must be an integer, 0 or more")
    if not isinstance(routes, list):
        raise ValueError("routes must be a list")  # noqa: TRY004
    parsed = tuple(_parse_route(index, route) for index, route in enumerate(routes))
    if len({route.app for route in parsed}) != len(parsed):
        raise ValueError("routes name an app twice")
    return Table(generation, parsed)


def _parse_route(index: int, route: Any) -> Route:
    where = f"routes[{index}]"
    if not isinstance(route, Mapping) or set(route) - {"app", "weight", "shadow"}:
        raise ValueError(f"{where} must be a mapping of app, weight and shadow")
    app, weight, shadow = route.get("app"), route.get("weight", 0), route.get("shadow", 0.0)
    if not isinstance(app, str) or not app:
        raise ValueError(f"{where}.app must be the name of a Serve application")
    if isinstance(weight, bool) or not isinstance(weight, int) or weight < 0:
        raise ValueError(f"{where}.weight must be an integer, 0 or more")
    if isinstance(shadow, bool) or not isinstance(shadow, int | float) or not 0 <= shadow <= 1:
        raise ValueError(f"{where}.shadow must be a fraction from 0 to 1")
    return Route(app, weight, float(shadow))


def choose(table: Table, point: float, *, refused: Collection[str] = (), failed: Collection[str] = ()) -> str | None:
    """The application at `point` (0 <= point < 1) of the weights.

    Never one that `failed` this request; one that is `refused` only where no other is left. None: nothing is left.
    """
    open_routes = [route for route in table.routes if route.weight > 0 and route.app not in failed]
    routes = [route for route in open_routes if route.app not in refused] or open_routes
    place = point * sum(route.weight for route in routes)
    for route in routes:
        if place < route.weight:
            return route.app
        place -= route.weight
    return None


def allowed(method: str, path: str, *, operator_pin: bool = False) -> bool:
    """Whether an engine may be asked this; `operator_pin`: by an operator who names the engine."""
    if method == "POST":
        return path in POSTS
    return method == "GET" and (GETS.fullmatch(path) is not None or (operator_pin and path in OPERATOR_GETS))


def own(method: str, path: str) -> bool:
    """Whether the front answers this itself. HEAD is asked by whoever only watches; the HTTP server sends no body."""
    return method in ("GET", "HEAD") and path in OWN_GETS


def path_label(path: str) -> str:
    """The path as a metric's tag. What is not on the list is anyone's invention: it must not make a time series."""
    if path in POSTS or path in OPERATOR_GETS:
        return path
    return "/v1/models" if GETS.fullmatch(path) else "other"


def same_secret(given: str, secrets: Collection[bytes]) -> bool:
    """Whether `given` is one of `secrets`, in a time that does not depend on which, or on how much of one is right."""
    # Header values arrive decoded as latin-1, so this is what the client sent.
    raw = given.encode("latin-1", "replace")
    return sum(hmac.compare_digest(raw, secret) for secret in secrets) > 0  # `any` would stop at the first


class Secrets:
    """The lines of a file, read again when the file changes. A file that is missing or empty has none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, ...] | None = None
        self._lines: tuple[bytes, ...] = ()

    def lines(self) -> tuple[bytes, ...]:
        """The secrets as they are on disk now."""
        try:
            stat = self._path.stat()  # follows the symlink that a Kubernetes Secret volume swaps
            stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if stamp != self._stamp:
                self._lines = tuple(line.strip() for line in self._path.read_bytes().splitlines() if line.strip())
                self._stamp = stamp
        except OSError:
            self._lines, self._stamp = (), None
        return self._lines

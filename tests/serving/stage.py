"""A front with its engines on a real Ray, and the clients of a test."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.parts.ray import Ray, code_zip

LITE = Path(__file__).with_name("lite")
KEY, TOKEN = "sk-of-a-test", "operator-of-a-test"
CLIENT = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
OPERATOR = {"X-Infercli-Operator-Token": TOKEN, "Content-Type": "application/json"}
FRONTS = 2
SHOWN_S = 60.0  # until both fronts show a table; a flip takes 0.5 s, an engine that has to start some 10 s


def pinned(app: str) -> dict[str, str]:
    """The headers of an operator who asks one engine."""
    return {**OPERATOR, "X-Infercli-Engine": app}


def lite(name: str, replicas: int = 1, max_ongoing_requests: int = 1000, **args: Any) -> dict[str, Any]:
    """The application of an engine without vLLM."""
    deployment = {
        "name": "engine",
        "num_replicas": replicas,
        "max_ongoing_requests": max_ongoing_requests,
        "graceful_shutdown_timeout_s": 20,
        "health_check_period_s": 1,
        "ray_actor_options": {"num_cpus": 1},
    }
    return {
        "name": name,
        "route_prefix": None,
        "import_path": "lite_engine:build",
        "runtime_env": {"env_vars": {"PYTHONPATH": str(LITE)}},
        "args": {"name": name, **args},
        "deployments": [deployment],
    }


def until(holds: Callable[[], Any], timeout_s: float = 30.0) -> None:
    """Wait until it holds. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not hold within {timeout_s:g} s")
        time.sleep(0.02)


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def engine(self) -> str | None:
        return self.headers.get("x-infercli-engine")


class Stage:
    """Put engines and tables; ask. `max_in_flight` is per front replica."""

    def __init__(self, ray: Ray, *, max_body_bytes: int = 100_000, max_in_flight: int = 16) -> None:
        self.ray = ray
        self.keys = ray.directory / "keys"
        self.keys.mkdir()
        self.write_keys(KEY, TOKEN)
        self._zip = code_zip("front", ray.directory)
        self._args = {"keys_dir": str(self.keys), "max_body_bytes": max_body_bytes, "max_in_flight": max_in_flight}
        self._generations = itertools.count(1)
        self._engines: list[dict[str, Any]] = []
        self._user_config: Any = None
        self.generation = 0

    def write_keys(self, key: str, token: str) -> None:
        (self.keys / "api-keys").write_text(f"{key}\n")
        (self.keys / "operator-token").write_text(f"{token}\n")

    def put(self, routes: Any, engines: Sequence[Mapping[str, Any]] | None = None) -> None:
        """Tell Serve: a new generation of the table, and the engines when they change. Returns at once."""
        if engines is not None:
            self._engines = [dict(engine) for engine in engines]
        if isinstance(routes, dict):
            routes = [{"app": app, "weight": weight} for app, weight in routes.items()]
        self.generation = next(self._generations)
        self.put_table({"generation": self.generation, "routes": routes})

    def put_engines(self, engines: Sequence[Mapping[str, Any]]) -> None:
        """Tell Serve: these engines, and the table as it is."""
        self._engines = [dict(engine) for engine in engines]
        self.put_table(self._user_config)

    def put_table(self, user_config: Any) -> None:
        """Tell Serve: this user_config, whatever it is."""
        self._user_config = user_config
        deployment = {
            "name": "front",
            "num_replicas": FRONTS,
            "max_ongoing_requests": 100_000,
            "user_config": user_config,
            "ray_actor_options": {"num_cpus": 0},
        }
        front = {
            "name": "front",
            "route_prefix": "/",
            "import_path": "infercli_front:build",
            "runtime_env": {"env_vars": {"PYTHONPATH": str(self._zip)}},
            "args": self._args,
            "deployments": [deployment],
        }
        self.ray.put([front, *self._engines])

    def flip(self, routes: Any) -> None:
        """A new table, in force on every front when this returns."""
        self.put(routes)
        self.until_shown(lambda state: state["generation"] >= self.generation and not state["refused"])

    def until_shown(self, holds: Any, timeout_s: float = SHOWN_S) -> list[dict[str, Any]]:
        """Wait until every front replica shows a state of which this holds; the states."""
        deadline = time.monotonic() + timeout_s
        while True:
            answer = self.ask("GET", "/front", headers=OPERATOR)
            states = answer.json.get("replicas", [])
            if len({state["replica"] for state in states}) == FRONTS and all(map(holds, states)):
                return states
            if time.monotonic() > deadline:
                raise TimeoutError(f"the fronts do not show it: {answer.body!r}")
            time.sleep(0.02)

    def states(self) -> list[dict[str, Any]]:
        """What every front replica shows now."""
        return self.until_shown(lambda _: True)

    def sum_in_flight(self) -> int:
        return sum(state["in_flight"] for state in self.states())

    def shadows(self) -> Counter[str]:
        return sum((Counter(state["shadows"]) for state in self.states()), Counter())

    def counted(self, app: str, outcome: str) -> int:
        return sum(state["requests"].get(app, {}).get(outcome, 0) for state in self.states())

    def connect(self, timeout_s: float = 60.0) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.ray.serve_port, timeout=timeout_s)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] = CLIENT, timeout_s: float = 60.0
    ) -> Answer:
        """One request on a connection of its own, and the whole answer."""
        connection = self.connect(timeout_s)
        try:
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            connection.request(method, path, data, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def chat(self, headers: Mapping[str, str] = CLIENT, **body: Any) -> Answer:
        return self.ask("POST", "/v1/chat/completions", body, headers)

    def events(self, **body: Any) -> Iterator[Any]:
        """The events of a stream as they come: parsed, and "[DONE]"."""
        connection = self.connect()
        try:
            connection.request("POST", "/v1/chat/completions", json.dumps({**body, "stream": True}), dict(CLIENT))
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            for line in answer:
                if line.startswith(b"data: "):
                    said = line.removeprefix(b"data: ").strip()
                    yield "[DONE]" if said == b"[DONE]" else json.loads(said)
        finally:
            connection.close()

    def load(self, app: str) -> dict[str, int]:
        """What a lite engine counts: requests running now, and all that ever came."""
        return self.ask("GET", "/load", headers=pinned(app)).json

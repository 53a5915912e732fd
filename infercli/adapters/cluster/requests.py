"""The way to a Kubernetes API server: one request at a time, what is sent again and when, with whose credentials."""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from infercli.adapters.cluster.errors import away
from infercli.adapters.cluster.kubeconfig import Context, load
from infercli.adapters.cluster.patience import Patience
from infercli.adapters.files import cache_home
from infercli.core.record import Json

CONNECT_S = 5.0
"""For a TCP connection and TLS: a reachable API server takes well under a second."""
READ_S = 40.0
"""For an answer: the API server gives a write up after 34 s by itself, and says so (measured with etcd gone)."""
BUSY_TRIES = 5
"""How often a 429 is tried again: nothing was done then. With its own Retry-After (1 s) that is some 5 s."""
MAX_RETRY_AFTER_S = 5.0
AGAIN_S = 1.0
"""Before what was not answered is sent again, unless an answer says when: an API server restarts in 5 to 17 s."""
LOG_IN_S = 10.0
"""Between two times that a 401 has the credentials looked up anew: a plugin may open a browser."""


class Requests:
    """Over the dynamic client of one context.

    `log_in` makes the client that it rests on anew, with the credentials of now; None: there are no others.
    """

    def __init__(self, client: Any, log_in: Callable[[], Any] | None = None) -> None:
        self.client, self._log_in = client, log_in
        self.patience: Patience | None = None
        """While a release is changed; None: nothing is waited for."""
        self._logged_in = time.monotonic()
        self._logging_in = threading.Lock()

    def send(
        self,
        method: str,
        path: str,
        *,
        timeout_s: float | None = None,
        done: Callable[[], Json] | None = None,
        **words: Any,
    ) -> Any:
        """One request; while a release is changed, until it is answered, unless `timeout_s` says that nobody can wait.

        `done`: asked for what an earlier try did, where a later one is refused for what is there by now.
        """
        words = {"serializer": _plain, "_request_timeout": (CONNECT_S, timeout_s or READ_S), **words}
        patience = self.patience
        if patience is None or timeout_s is not None:
            return self._tried(method, path, words)
        again = False
        while True:
            try:
                if method != "get":
                    patience.before_write()
                answer = self._tried(method, path, words)
            except KeyboardInterrupt:
                patience.interrupted()
                raise
            except Exception as error:  # whatever the client raises: `away` knows what may pass, the rest goes on
                found = done() if again and done is not None and getattr(error, "status", None) == 409 else None
                if found is not None:
                    return found
                why = away(error)
                if why is None or not patience.wait(why, _retry_after_s(error)):
                    raise
                again = True
            else:
                patience.answered()
                return answer

    def _tried(self, method: str, path: str, words: dict[str, Any]) -> Any:
        """A read whose connection had gone stale is sent again, and so is what was refused with 429."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import ProtocolError

        fresh = method == "get"
        tries = 0
        while True:
            try:
                return self.once(method, path, words)
            except ApiException as error:
                tries += 1
                if error.status != 429 or tries == BUSY_TRIES:
                    raise
                time.sleep(_retry_after_s(error))
            except ProtocolError:
                if not fresh:
                    raise
                fresh = False

    def resource(self, api_version: str, kind: str) -> Any:
        """What the server says of a kind. Raises ResourceNotFoundError where it knows none."""
        return self._as_now(lambda: self.client.resources.get(api_version=api_version, kind=kind))

    def once(self, method: str, path: str, words: dict[str, Any]) -> Any:
        """One request, sent once."""
        return self._as_now(lambda: self.client.request(method, path, **_copied(words)))

    def _as_now(self, ask: Callable[[], Any]) -> Any:
        """With the credentials of now, where those that were are not accepted any more: then nothing was done yet.

        The client looks for others only after the time that its plugin named, if it named one.
        """
        from kubernetes.client.exceptions import ApiException

        logged_in = self._logged_in
        try:
            return ask()
        except ApiException as error:
            if error.status != 401 or not self._logged_in_since(logged_in):
                raise
        return ask()

    def _logged_in_since(self, before: float) -> bool:
        """Whether there may be other credentials than those of `before`."""
        if self._log_in is None:
            return False
        with self._logging_in:
            if self._logged_in == before and time.monotonic() - before >= LOG_IN_S:
                self._logged_in = time.monotonic()  # also where it fails: a plugin is not run for every request
                self.client.client = self._log_in()
            return self._logged_in != before


def api_client(kubeconfig: str | None, context: str | None) -> tuple[Any, Context, str]:
    """The client's own, with the credentials of now; the context that is meant, and its server's URL."""
    from kubernetes.client import ApiClient, Configuration

    configuration = Configuration()
    configuration.retries = False  # urllib3 would send a DELETE three times, and wait three times for a silent server
    meant = load(configuration, kubeconfig, context)
    client = ApiClient(configuration)
    if meant.headers:
        _add_headers(client, meant.headers)
    return client, meant, str(configuration.host)


def dynamic_client(client: Any, server: str) -> Any:
    """What knows the kinds that the server has: it is asked, unless that is remembered."""
    from kubernetes.dynamic import DynamicClient

    return DynamicClient(client, cache_file=str(_discovery_cache(server)))


def _add_headers(client: Any, headers: Sequence[tuple[str, str]]) -> None:
    """To every request of `client`, which itself knows one header of a name only."""
    from urllib3 import HTTPHeaderDict

    send = client.rest_client.request

    def request(method: str, url: str, **words: Any) -> Any:
        more = HTTPHeaderDict(words.pop("headers", None) or {})
        for name, value in headers:
            more.add(name, value)
        return send(method, url, headers=more, **words)

    client.rest_client.request = request


def _discovery_cache(server: str) -> Path:
    """Where what the API server serves is remembered: a private file, the client's default being one in /tmp."""
    name = hashlib.sha256(server.encode()).hexdigest()[:16]
    path = cache_home() / "discovery" / f"{name}.json"
    with contextlib.suppress(OSError):  # nothing can be kept, as in a container with a read-only root: so it is not
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            json.loads(path.read_bytes())
        except FileNotFoundError:
            pass
        except (OSError, ValueError):  # torn by two commands at once: the client would complain on stderr
            path.unlink(missing_ok=True)
    return path


def _plain(_client: Any, data: Json) -> Json:
    """The client's own wrapper around answers copies them to give attributes that nobody here reads."""
    return data


def _copied(words: dict[str, Any]) -> dict[str, Any]:
    """The client appends to the lists that it is given, and a second try would send them twice."""
    return {key: list(value) if isinstance(value, list) else value for key, value in words.items() if value is not None}


def _retry_after_s(error: Any) -> float:
    try:
        asked = float((getattr(error, "headers", None) or {}).get("Retry-After", AGAIN_S))
    except ValueError:
        asked = AGAIN_S
    return min(max(asked, 0.1), MAX_RETRY_AFTER_S)

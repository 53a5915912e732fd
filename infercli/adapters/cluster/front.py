"""The front of a release in a cluster: asked through the API server's proxy, with the operator's token of its Secret.

The one thing to know: where a deploy names another Secret, the front that serves still has the old one: both are tried.
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Sequence

from infercli.adapters.cluster.client import Cluster
from infercli.adapters.cluster.release_secrets import ReleaseSecrets
from infercli.core.record import Json
from infercli.core.release import newest, serving
from infercli.core.release.observed import Answer
from infercli.errors import InputError
from infercli.render.names import keys_secret, serve_service

_RANDOM = "$(openssl rand -hex 24)"


class ClusterFront:
    """`keys_secret`: of what is about to be deployed; None: the one that the record of the release names."""

    def __init__(self, cluster: Cluster, release_name: str, keys_secret: str | None) -> None:
        self.cluster, self.name, self._keys_secret = cluster, release_name, keys_secret
        self._recorded: str | None = None
        """The Secret of what served when the command began; None: nobody has looked yet."""
        self._tokens: dict[str, str] = {}
        """By Secret."""

    def turn_to(self, secret: str) -> None:
        """Take that keys Secret from now on."""
        self._recorded_keys_secret()  # looked for while the record still says what served
        self._keys_secret = secret

    def check_keys(self) -> None:
        """Raises InputError where the Secret lacks a key, with the command that makes it."""
        self._operator_token(self._mine())

    def ask(
        self, method: str, path: str, *, body: Json = None, engine: str | None = None, timeout_s: float = 10.0
    ) -> Answer:
        """One request to the front through the API server's proxy, which eats Authorization: the token stands in.

        Raises InputError where there is none.
        """
        headers = {"X-Infercli-Engine": engine} if engine is not None else {}

        def with_token_of(secret: str) -> Answer:
            sent = headers | {"X-Infercli-Operator-Token": self._operator_token(secret)}
            return self.cluster.proxy(
                serve_service(self.name), "serve", method, path, body=body, headers=sent, timeout_s=timeout_s
            )

        mine, served = self._mine(), self._recorded_keys_secret()
        answer = with_token_of(mine)
        if answer.status == 403 and served != mine:
            # Where the Secret changes, the front with the new one is in another Ray cluster: the old one still answers.
            with contextlib.suppress(InputError):
                return with_token_of(served)
        return answer

    def _mine(self) -> str:
        return self._keys_secret or self._recorded_keys_secret()

    def _recorded_keys_secret(self) -> str:
        """Of the revision that serves, else of the newest: a deployment.yaml may say by now what was never deployed."""
        if self._recorded is None:
            history = ReleaseSecrets(self.cluster).entries(self.name)
            entry = serving(history) or newest(history)
            self._recorded = f"{self.name}-keys" if entry is None else keys_secret(entry.revision.plan.deployment)
        return self._recorded

    def _operator_token(self, name: str) -> str:
        """From a keys Secret, which must have both of its keys. Raises InputError with the command that makes it."""
        if name not in self._tokens:
            secret = self.cluster.get("v1", "Secret", name)
            data = (secret or {}).get("data") or {}
            missing = [key for key in ("api-keys", "operator-token") if not base64.b64decode(data.get(key, "")).strip()]
            if secret is None:
                self.cluster.check_namespace()
            if missing:
                lacks = "does not exist" if secret is None else f"has no {' and no '.join(missing)}"
                raise InputError(
                    f"Secret `{name}` in namespace {self.cluster.namespace} {lacks}: clients' keys and the "
                    "operator's token are read from it",
                    f"{self.cluster.kubectl} {_made(name, missing) if secret is None else _completed(name, missing)}",
                )
            self._tokens[name] = base64.b64decode(data["operator-token"]).decode().split()[0]
        return self._tokens[name]


def _made(secret: str, keys: Sequence[str]) -> str:
    return " ".join([f"create secret generic {secret}", *(f'--from-literal={key}="{_RANDOM}"' for key in keys)])


def _completed(secret: str, keys: Sequence[str]) -> str:
    """Without touching what it has: clients hold those keys."""
    data = ", ".join(f'\\"{key}\\": \\"{_RANDOM}\\"' for key in keys)
    return f'patch secret {secret} -p "{{\\"stringData\\": {{{data}}}}}"'

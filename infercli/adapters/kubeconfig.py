"""Which cluster a command means: a kubeconfig and one of its contexts, as kubectl would choose them."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from infercli.adapters.cluster_errors import Doing, translate
from infercli.core.record import Json
from infercli.errors import ClusterError, InferError, InputError, UnknownName

_MALFORMED = (AttributeError, KeyError, TypeError, UnicodeDecodeError)
"""What the client raises for a file of another shape than a kubeconfig's."""


def load(configuration: Any, kubeconfig: str | None, context: str | None) -> tuple[str, str | None]:
    """Fill `configuration`; returns the context's name and its namespace."""
    from kubernetes import config

    place = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    if kubeconfig is not None and not Path(kubeconfig).expanduser().exists():
        raise InputError(f"--kubeconfig: there is no file {kubeconfig}")
    if not any(Path(one).expanduser().exists() for one in place.split(":") if one):
        account = Path("/var/run/secrets/kubernetes.io/serviceaccount")
        if account.exists() and context is None:
            config.load_incluster_config(client_configuration=configuration)
            return "in-cluster", (account / "namespace").read_text(encoding="utf-8").strip()
        raise InputError(
            f"there is no kubeconfig: {place} does not exist", "--kubeconfig FILE, or export KUBECONFIG=FILE"
        )
    doing = Doing("read", "the kubeconfig", "default", context or "unknown", place, kubeconfig)
    try:
        contexts, plugins, current = _contexts(place)
        if context is not None and context not in contexts:
            raise UnknownName("context", context, contexts, f"of {place}; `kubectl config get-contexts`")
        chosen = context or current
        if chosen is None:
            raise InputError(f"{place} says no current context", f"--context, one of: {', '.join(sorted(contexts))}")
        with _logged() as errors:
            config.load_kube_config(config_file=place, context=chosen, client_configuration=configuration)
        if errors and chosen in plugins:
            raise _plugin_failed(doing._replace(context=chosen), plugins[chosen], errors[-1])
    except InferError:
        raise
    except OSError as error:  # it cannot be read, or a certificate or a credential plugin is not there
        if error.filename and str(Path(place).expanduser()) == str(error.filename):
            raise InputError(f"{place} is no kubeconfig: {error.strerror}", "export KUBECONFIG=FILE") from error
        raise InputError(
            f"{place}: {error.filename or 'a file it names'}: {error.strerror}", "`kubectl version`"
        ) from error
    except Exception as error:
        ours = translate(error, doing)
        if ours is None and (isinstance(error, _MALFORMED) or type(error).__module__.startswith("yaml")):
            ours = InputError(f"{place} is not a kubeconfig ({type(error).__name__})", "`kubectl config view`")
        if ours is None:
            raise
        raise ours from error
    return chosen, contexts[chosen]


@contextlib.contextmanager
def _logged() -> Iterator[list[str]]:
    """What the client logs as errors meanwhile, kept from stderr.

    A credential plugin that fails is no exception to it: it goes on without credentials, as nobody.
    """
    found: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.getMessage())

    root, kept = logging.getLogger(), Kept(logging.ERROR)
    root.addHandler(kept)
    try:
        yield found
    finally:
        root.removeHandler(kept)


PLUGIN_CHARACTERS = 500
"""Of what a plugin said: what to do about it stands at its end."""


def _plugin_failed(doing: Doing, command: str, said: str) -> ClusterError:
    words = " ".join(said.removeprefix("exec: ").split())[-PLUGIN_CHARACTERS:]
    return ClusterError(
        f"the credential plugin of context `{doing.context}`, {command}, gave no credentials: {words}",
        f"log in again; `{doing.kubectl} auth whoami` asks it too",
    )


def _contexts(place: str) -> tuple[dict[str, str | None], dict[str, str], str | None]:
    """Namespace and credential plugin by name of context, and the current one; None where there is no such setting."""
    from kubernetes.config import kube_config

    merged = kube_config.KubeConfigMerger(place).config
    value = merged.value if merged is not None else {}
    contexts = {node.value["name"]: node.value.get("context") or {} for node in value.get("contexts") or ()}
    users: dict[str, Json] = {node.value["name"]: node.value.get("user") or {} for node in value.get("users") or ()}
    commands = {name: str((user.get("exec") or {}).get("command") or "") for name, user in users.items()}
    plugins = {name: commands[c["user"]] for name, c in contexts.items() if commands.get(c.get("user", ""))}
    found = {name: context.get("namespace") for name, context in contexts.items()}
    return found, plugins, value.get("current-context") or None

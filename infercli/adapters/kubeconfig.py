"""Which cluster a command means: a kubeconfig and one of its contexts, as kubectl would choose them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from infercli.adapters.cluster_errors import Doing, translate
from infercli.errors import InferError, InputError, UnknownName

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
    doing = Doing("read", "the kubeconfig", "default", context or "unknown", place)
    try:
        contexts, current = _contexts(place)
        if context is not None and context not in contexts:
            raise UnknownName("context", context, contexts, f"of {place}; `kubectl config get-contexts`")
        chosen = context or current
        if chosen is None:
            raise InputError(f"{place} says no current context", f"--context, one of: {', '.join(sorted(contexts))}")
        config.load_kube_config(config_file=place, context=chosen, client_configuration=configuration)
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


def _contexts(place: str) -> tuple[dict[str, str | None], str | None]:
    """Namespace by name of context, and the current one; None where there is no such setting."""
    from kubernetes.config import kube_config

    merged = kube_config.KubeConfigMerger(place).config
    value = merged.value if merged is not None else {}
    contexts = [node.value for node in value.get("contexts") or ()]
    found = {context["name"]: (context.get("context") or {}).get("namespace") for context in contexts}
    return found, value.get("current-context") or None

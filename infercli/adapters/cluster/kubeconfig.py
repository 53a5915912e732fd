"""Which cluster a command means: a kubeconfig and one of its contexts, as kubectl would choose them."""

from __future__ import annotations

import contextlib
import logging
import os
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from infercli.adapters.cluster.errors import ANOTHER_KUBECONFIG, IN_CLUSTER, Doing, translate
from infercli.core.record import Json
from infercli.errors import ClusterError, InferError, InputError, UnknownName

_MALFORMED = (AttributeError, KeyError, TypeError, UnicodeDecodeError)
"""What the client raises for a file of another shape than a kubeconfig's."""
_USUAL_PLACE = "~/.kube/config"
"""Where kubectl looks when neither a flag nor KUBECONFIG says where."""


class Context(NamedTuple):
    """What a context says beside what the client itself reads."""

    name: str
    namespace: str | None
    """None: it names none."""
    plugin: str = ""
    """The command of its credential plugin; empty: it has none."""
    headers: tuple[tuple[str, str], ...] = ()
    """Of every request, some of them several times: whom its user impersonates, which the client leaves out."""


def context_names() -> Iterable[str]:
    """Of the kubeconfig that is read where none is named; empty where there is none. Raises what reading it raises."""
    return _contexts(os.environ.get("KUBECONFIG") or _USUAL_PLACE)[0]


def load(configuration: Any, kubeconfig: str | None, context: str | None) -> Context:
    """Fill `configuration`; returns the context that is meant."""
    from kubernetes import config

    place = kubeconfig or os.environ.get("KUBECONFIG") or _USUAL_PLACE
    if kubeconfig is not None and not _at(kubeconfig).exists():
        raise InputError(
            f"--kubeconfig: there is no file {kubeconfig}", "without --kubeconfig, KUBECONFIG or ~/.kube/config is read"
        )
    if not any(_at(one).exists() for one in place.split(":") if one):
        account = Path("/var/run/secrets/kubernetes.io/serviceaccount")
        if account.exists() and context is None:
            config.load_incluster_config(client_configuration=configuration)
            return Context(IN_CLUSTER, (account / "namespace").read_text(encoding="utf-8").strip())
        raise InputError(
            f"there is no kubeconfig: {place} does not exist", "--kubeconfig FILE, or export KUBECONFIG=FILE"
        )
    doing = Doing("read", "the kubeconfig", "default", context or "unknown", place, kubeconfig)
    try:
        return _read(configuration, place, context, doing)
    except InferError:
        raise
    except Exception as error:
        ours = _unreadable(error, place, doing)
        if ours is None:
            raise
        raise ours from error


def _at(place: str) -> Path:
    """As the client reads it: where nobody has a home, `~` is a folder's name; Path.expanduser would raise."""
    return Path(os.path.expanduser(place))  # noqa: PTH111


def _read(configuration: Any, place: str, context: str | None, doing: Doing) -> Context:
    from kubernetes import config

    contexts, current = _contexts(place)
    if context is not None and context not in contexts:
        raise UnknownName("context", context, contexts, f"`kubectl config get-contexts` lists those of {place}")
    chosen = context or current
    if chosen is None:
        raise InputError(f"{place} says no current context", f"--context, one of: {', '.join(sorted(contexts))}")
    with _logged() as errors:
        config.load_kube_config(config_file=place, context=chosen, client_configuration=configuration)
    if errors and contexts[chosen].plugin:
        raise _plugin_failed(doing._replace(context=chosen), contexts[chosen].plugin, errors[-1])
    if "://" not in configuration.host:
        configuration.host = _with_scheme(configuration, place, chosen)
    return contexts[chosen]


def _with_scheme(configuration: Any, place: str, context: str) -> str:
    """The address of an API server that is written without one: HTTPS where anything is said of TLS, as kubectl has it.

    Without, kubectl speaks plain HTTP and leaves the credentials out (client-go 0.36, rest/url_utils.go); the client
    here would send them.
    """
    server = configuration.host
    if configuration.ssl_ca_cert or configuration.cert_file or not configuration.verify_ssl:
        return f"https://{server}"
    raise InputError(
        f"{place}: context `{context}` has a server without https://: {server}", f"server: https://{server}"
    )


def _unreadable(error: Exception, place: str, doing: Doing) -> InferError | None:
    """Ours for what reading a kubeconfig raises; None: nothing that is known."""
    if isinstance(error, OSError):  # it cannot be read, or a certificate or a credential plugin is not there
        if error.filename and str(_at(place)) == str(error.filename):
            return InputError(f"{place} is no kubeconfig: {error.strerror}", ANOTHER_KUBECONFIG)
        return InputError(f"{place}: {error.filename or 'a file it names'}: {error.strerror}", ANOTHER_KUBECONFIG)
    if isinstance(error, _MALFORMED):
        return InputError(f"{place} is no kubeconfig: it has another structure", ANOTHER_KUBECONFIG)
    if type(error).__module__.startswith("yaml"):
        mark = getattr(error, "problem_mark", None)
        where = "" if mark is None else f" from line {mark.line + 1} on"
        return InputError(f"{place} is no kubeconfig: it is not YAML{where}", ANOTHER_KUBECONFIG)
    return translate(error, doing)


@contextlib.contextmanager
def _logged() -> Iterator[list[str]]:
    """What the client logs as errors meanwhile, kept from stderr.

    A credential plugin that fails is no exception to it: it goes on without credentials, as nobody. One that fails
    later, when its token ran out, is asked again with every request: then the API server's answer says it, once.
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
        root.addHandler(logging.NullHandler())  # without any, what is logged goes to stderr


PLUGIN_CHARACTERS = 500
"""Of what a plugin said: what to do about it stands at its end."""


def _plugin_failed(doing: Doing, command: str, said: str) -> ClusterError:
    words = " ".join(said.removeprefix("exec: ").split())[-PLUGIN_CHARACTERS:]
    return ClusterError(
        f"the credential plugin of context `{doing.context}`, {command}, gave no credentials: {words}",
        f"log in again; `{doing.kubectl} auth whoami` asks it too",
    )


def _contexts(place: str) -> tuple[dict[str, Context], str | None]:
    """By name, and the name of the current one; None where there is no such setting."""
    from kubernetes.config import kube_config

    merged = kube_config.KubeConfigMerger(place).config
    value = merged.value if merged is not None else {}
    users: dict[str, Json] = {node.value["name"]: node.value.get("user") or {} for node in value.get("users") or ()}
    found = {}
    for node in value.get("contexts") or ():
        name, context = node.value["name"], node.value.get("context") or {}
        user = users.get(context.get("user", "")) or {}
        plugin = str((user.get("exec") or {}).get("command") or "")
        found[name] = Context(name, context.get("namespace"), plugin, tuple(_impersonated(user)))
    return found, value.get("current-context") or None


def _impersonated(user: Json) -> Iterator[tuple[str, str]]:
    """The headers of `as` and its like, as client-go 0.36 sends them (transport/round_trippers.go)."""
    for key, header in (("as", "Impersonate-User"), ("as-uid", "Impersonate-Uid")):
        if user.get(key):
            yield header, str(user[key])
    yield from (("Impersonate-Group", str(group)) for group in user.get("as-groups") or ())
    for key, values in (user.get("as-user-extra") or {}).items():
        name = urllib.parse.quote(key, safe="!#$&'*+-.^_`|~")
        yield from ((f"Impersonate-Extra-{name}", str(value)) for value in values)

"""What the failures of a Kubernetes API mean to the person who asked: every exception of its client, and every status.

The API server says no in its own words, which are good; what it leaves out is what to type next. A 500 is not always
its fault: with server-side apply, a field that it does not know comes as one, and never goes away by trying again.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from typing import NamedTuple

from infercli.core.record import Json
from infercli.errors import ClusterError, InferError, InputError

OWN_MANAGER = "infercli"
"""The field manager of everything that infercli applies."""


IN_CLUSTER = "in-cluster"
"""What stands for a context in a pod, whose service account kubectl finds by itself where there is no kubeconfig."""


ANOTHER_KUBECONFIG = "mend it, or name another: --kubeconfig FILE, or export KUBECONFIG=FILE"


class Doing(NamedTuple):
    """What was being asked, for the message."""

    verb: str
    """`apply`, `read`, `list`, `create`, `change`, `delete`, `ask through`."""
    what: str
    """`RayService chat`."""
    namespace: str
    context: str
    server: str
    """Its URL."""
    kubeconfig: str | None = None
    """As it was given; None: kubectl finds the same one."""

    @property
    def unanswered(self) -> str:
        """What else is to be said where no answer came: a write may have been done."""
        return "; it may have been done all the same" if self.verb in ("apply", "create", "change", "delete") else ""

    @property
    def kubectl(self) -> str:
        """How a command for a person begins: never without the context, which may be another than kubectl's own."""
        named = [] if self.kubeconfig is None else ["--kubeconfig", self.kubeconfig]
        context = [] if self.context == IN_CLUSTER else ["--context", self.context]
        return shlex.join(["kubectl", *named, *context])


class Exists(ClusterError):
    """A thing that was to be created is there already."""


class Stale(ClusterError):
    """A thing that was to be replaced has changed since it was read."""


class Forbidden(ClusterError):
    """The user may not do that."""


class ApiStatus(NamedTuple):
    """An answer of the API server that says no."""

    status: int
    message: str
    reason: str | None
    causes: tuple[Json, ...]


def translate(error: BaseException, doing: Doing) -> InferError | None:
    """`error` in words; None: it is nothing that the client raises for the world's sake, so it stays the bug it is."""
    for kind in type(error).__mro__:
        translation = TRANSLATIONS.get(kind.__name__)
        if translation is not None:
            return translation(error, doing)
    return None


def api_status(status: int, body: str | bytes | None, reason: str | None = None) -> ApiStatus:
    """What an answer says; the body is a Status object, or plain text where something before the API server answers."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else body or ""
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    if isinstance(said, dict) and said.get("kind") == "Status":
        causes = (said.get("details") or {}).get("causes") or ()
        return ApiStatus(status, str(said.get("message") or reason or ""), said.get("reason"), tuple(causes))
    return ApiStatus(status, text.strip()[:500] or reason or "no words", None, ())


def refused(said: ApiStatus, doing: Doing) -> InferError:
    """An answer other than 2xx, in words."""
    act = f"{doing.verb} {doing.what}"
    message = said.message.rstrip(".")
    if _is_unknown_field(message):
        return InputError(
            f"this cluster does not know a field of {doing.what}: {message.rpartition('): ')[2] or message}",
            "infercli renders for KubeRay 1.6 or later: "
            f"`{doing.kubectl} get crd rayservices.ray.io -o yaml` says what is installed",
        )
    if said.status == 400 and "strict decoding error" in message:
        return InputError(f"the API server refused to {act}: {message}", "it knows other fields: check its version")
    by_policy = _of_admission(message, doing)
    if by_policy is not None:
        return by_policy
    if said.status in _BY_STATUS:
        return _BY_STATUS[said.status](said, doing)
    if said.status in (408, 500, 502, 503, 504):
        return ClusterError(
            f"the API server could not {act} (HTTP {said.status}): {message}{doing.unanswered}",
            f"try again; `{doing.kubectl} get --raw /readyz?verbose` says how it is",
        )
    return ClusterError(f"the API server refused to {act} (HTTP {said.status}): {message}", "`infercli doctor`")


def away(error: BaseException) -> str | None:
    """Why no answer came that says anything, where one may come soon; None: it is an answer, or no trouble of the way.

    A webhook that does not answer is not the API server: nobody here knows when it comes back.
    """
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "ApiException" not in kinds:
        return _root(error) if kinds & _OF_THE_WAY else None
    status: int = getattr(error, "status", None) or 0
    if not status:  # TLS: one that was cut off, as a load balancer does whose servers are gone
        return "it closes the connection" if "EOF" in str(getattr(error, "reason", "")) else None
    said = api_status(status, getattr(error, "body", None), getattr(error, "reason", None))
    meant = _is_unknown_field(said.message) or _is_denied(said.message) or _WEBHOOK_SILENT in said.message
    return f"HTTP {status}, {_line(said.message)}" if status in _PASSING and not meant else None


_OF_THE_WAY = {"ProtocolError", "TimeoutError", "NewConnectionError", "MaxRetryError", "ProxyError"}
"""Of urllib3: a connection that was refused, broke, or brought nothing in time; a name that cannot be resolved."""
_PASSING = (408, 429, 500, 502, 503, 504)
"""What API servers that start, stop or wait for etcd answer, and load balancers whose servers are gone."""
_WEBHOOK_SILENT = "failed calling webhook"


def _is_unknown_field(message: str) -> bool:
    return "field not declared in schema" in message or "failed to create typed patch object" in message


def _is_denied(message: str) -> bool:
    return "denied the request" in message or " denied request: " in message


def _of_admission(message: str, doing: Doing) -> InferError | None:
    """What webhooks and policies of the cluster say no to, whatever status they choose; None: it was not one of them.

    By the API server's words (k8s.io/apiserver 0.36, pkg/admission/plugin/webhook/errors and policy, pkg/util/webhook).
    """
    kinds = "validatingwebhookconfigurations,mutatingwebhookconfigurations,validatingadmissionpolicies"
    hint = f"whoever runs the cluster knows it: `{doing.kubectl} get {kinds}`"
    if _is_denied(message):
        return ClusterError(f"a policy of the cluster refuses {doing.what}: {message}", hint)
    if _WEBHOOK_SILENT in message:
        return ClusterError(
            f"{doing.what} is as it was, since a webhook of the cluster does not answer: {message}", hint
        )
    return None


def _unauthorized(_: ApiStatus, doing: Doing) -> InferError:
    return ClusterError(
        f"the API server does not accept the credentials of context `{doing.context}`",
        f"log in again; `{doing.kubectl} auth whoami` tries them",
    )


def _forbidden(said: ApiStatus, doing: Doing) -> InferError:
    message = said.message.rstrip(".")
    if '"system:anonymous"' in message:  # no credentials came along: what that user may do is not the question
        return _unauthorized(said, doing)
    if "violates PodSecurity" in message:
        return ClusterError(f"Pod Security refuses {doing.what}: {message}", f"its namespace is {doing.namespace}")
    if "exceeded quota" in message:
        return ClusterError(message, f"`{doing.kubectl} -n {doing.namespace} describe resourcequota`")
    if "being terminated" in message:
        return ClusterError(message, f"wait until it is gone, or use another namespace than {doing.namespace}")
    return Forbidden(
        f"not allowed to {doing.verb} {doing.what}: {message}",
        "who may deploy, and who may look, is set in the chart infercli-platform (`deployers`, `oncall`); "
        f"`{doing.kubectl} -n {doing.namespace} auth can-i --list` shows what you may do",
    )


def _not_found(said: ApiStatus, doing: Doing) -> InferError:
    if said.message.startswith("namespaces "):
        return no_namespace(doing)
    if said.message == "404 page not found":  # not of the object: the kind itself is gone since it was discovered
        return _not_served(None, doing)
    return ClusterError(f"cannot {doing.verb} {doing.what}: {said.message}", f"in namespace {doing.namespace}")


def no_namespace(doing: Doing) -> InputError:
    """Of a namespace that is not there."""
    return InputError(
        f"there is no namespace `{doing.namespace}` in context `{doing.context}`",
        f"name another with -n, or `{doing.kubectl} create namespace {doing.namespace}`",
    )


def _conflict(said: ApiStatus, doing: Doing) -> InferError:
    owned = [c for c in said.causes if c.get("reason") == "FieldManagerConflict"]
    if owned:
        lines = [f"{c.get('field')}: {_manager(str(c.get('message')))}" for c in owned]
        kind, _, name = doing.what.partition(" ")
        kubectl = f"{doing.kubectl} -n {doing.namespace}"
        managers = sorted({_manager(str(c.get("message"))).removeprefix("managed by ") for c in owned})
        entries = f"del(.metadata.managedFields[] | select(.manager | IN({json.dumps(managers)[1:-1]})))"
        return ClusterError(
            f"{doing.what} has fields that somebody else manages, and infercli takes nothing over:\n"
            + "\n".join(lines),
            "take these fields out of what that manager applies; what was edited by hand is given up by removing that "
            f"manager's entry: `{kubectl} get {kind.lower()} {name} -o json --show-managed-fields | "
            f"jq {shlex.quote(entries)} | {kubectl} replace -f -`",
        )
    if said.reason == "AlreadyExists":
        return Exists(f"{doing.what} exists already")
    return Stale(f"{doing.what} was changed by somebody else at the same time", "run the command again")


def _manager(message: str) -> str:
    """`conflict with "kubectl-edit" using ray.io/v1` -> `managed by kubectl-edit`."""
    parts = message.split('"')
    return f"managed by {parts[1]}" if len(parts) > 2 else message


def _invalid(said: ApiStatus, doing: Doing) -> InferError:
    # A cause without a field only says that CEL rules were skipped because of the other causes.
    causes = [c for c in said.causes if c.get("field") and c.get("field") != "<nil>"]
    lines = [f"{c.get('field')}: {c.get('message')}" for c in causes] or [said.message]
    hint = None
    if any("immutable" in line for line in lines):
        kind, _, name = doing.what.partition(" ")
        hint = (
            "that field cannot change on an existing object: "
            f"`{doing.kubectl} -n {doing.namespace} delete {kind.lower()} {name}`, then run the command again"
        )
    return InputError(f"the API server refuses {doing.what}:\n" + "\n".join(lines), hint)


def _too_many(said: ApiStatus, doing: Doing) -> InferError:
    return ClusterError(f"the API server is too busy to {doing.verb} {doing.what}: {said.message}", "try again later")


def _too_large(said: ApiStatus, doing: Doing) -> InferError:
    return ClusterError(f"{doing.what} is too large for the API server: {said.message}")


_BY_STATUS: dict[int, Callable[[ApiStatus, Doing], InferError]] = {
    401: _unauthorized,
    403: _forbidden,
    404: _not_found,
    409: _conflict,
    413: _too_large,
    422: _invalid,
    429: _too_many,
}


def _answered(error: Json, doing: Doing) -> InferError:
    if not error.status:  # the client's way to report TLS
        return _tls(error.reason or str(error), doing)
    return refused(api_status(error.status, error.body, error.reason), doing)


def _tls(why: str, doing: Doing) -> InferError:
    if "CERTIFICATE_VERIFY_FAILED" in why:
        return ClusterError(
            f"the certificate of {doing.server} is not the one that context `{doing.context}` trusts",
            "is it another cluster's kubeconfig? Its `certificate-authority` must be that of this API server",
        )
    last = _line((why.strip().splitlines() or [""])[-1])
    return ClusterError(f"TLS with {doing.server} failed: {last}", f"`{doing.kubectl} version`")


def _not_served(_: Json, doing: Doing) -> InferError:
    if doing.what.startswith("Ray"):
        return ClusterError(
            f"the cluster of context `{doing.context}` does not know RayServices: KubeRay is not installed",
            "helm repo add kuberay https://ray-project.github.io/kuberay-helm\n"
            "helm install kuberay-operator kuberay/kuberay-operator --namespace kuberay --create-namespace",
        )
    return ClusterError(
        f"the cluster of context `{doing.context}` does not serve {doing.what.partition(' ')[0]}",
        f"`{doing.kubectl} api-resources`",
    )


def _ambiguous(_: Json, doing: Doing) -> InferError:
    return ClusterError(f"the cluster serves {doing.what} in two ways", f"`{doing.kubectl} api-resources`")


def _unreachable(error: Json, doing: Doing) -> InferError:
    why = _root(error)
    return ClusterError(
        f"the API server of context `{doing.context}` cannot be reached at {doing.server}: {why}",
        f"check the network or VPN; `{doing.kubectl} version` tries the same. Another context: --context",
    )


def _slow(_: Json, doing: Doing) -> InferError:
    return ClusterError(
        f"the API server of context `{doing.context}` did not answer in time ({doing.verb} {doing.what})"
        f"{doing.unanswered}",
        f"try again; `{doing.kubectl} get --raw /readyz?verbose` says how it is",
    )


def _broke_off(error: Json, doing: Doing) -> InferError:
    return ClusterError(
        f"the API server of context `{doing.context}` closed the connection ({doing.verb} {doing.what}: "
        f"{_root(error)}){doing.unanswered}",
        "try again",
    )


def _wrong_address(error: Json, doing: Doing) -> InferError:
    return InputError(
        f"context `{doing.context}` has an address that cannot be used: {doing.server} ({_line(str(error))})",
        f"`{doing.kubectl} config view --minify` shows it",
    )


def _retried(error: Json, doing: Doing) -> InferError:
    """MaxRetryError and ProxyError wrap what happened."""
    inner = getattr(error, "reason", None) or getattr(error, "original_error", None)
    if isinstance(inner, BaseException) and inner is not error:
        return translate(inner, doing) or _unreachable(error, doing)
    return _unreachable(error, doing)


def _configuration(error: Json, doing: Doing) -> InferError:
    return InputError(f"kubeconfig {doing.server} cannot be used: {_line(str(error))}", ANOTHER_KUBECONFIG)


def _root(error: BaseException) -> str:
    """The innermost reason, which urllib3's ProtocolError has as its last argument, beside words of its own."""
    while error.__cause__ is not None or getattr(error, "reason", None) or error.args[1:]:
        inner = getattr(error, "reason", None) or error.__cause__ or error.args[-1]
        if not isinstance(inner, BaseException) or inner is error:
            break
        error = inner
    return _line(str(getattr(error, "strerror", None) or error) or type(error).__name__)


_OF_PYTHON = re.compile(r"<[^>]*\bat 0x[0-9a-f]+>:? ?|HTTPS?Connection(Pool)?\([^)]*\): ?")


def _line(text: str) -> str:
    """The first line, without the client's objects in it."""
    return _OF_PYTHON.sub("", text.strip().splitlines()[0] if text.strip() else "no reason given").rstrip(".")[:200]


TRANSLATIONS: dict[str, Callable[[Json, Doing], InferError]] = {
    # kubernetes.client and kubernetes.dynamic: every answer that is not 2xx
    "ApiException": _answered,
    "ResourceNotFoundError": _not_served,
    "ResourceNotUniqueError": _ambiguous,
    "ConfigException": _configuration,
    # urllib3
    "LocationValueError": _wrong_address,
    "URLSchemeUnknown": _wrong_address,
    "ProxySchemeUnknown": _wrong_address,
    "ProxySchemeUnsupported": _wrong_address,
    "MaxRetryError": _retried,
    "ProxyError": _retried,
    "NewConnectionError": _unreachable,
    "ConnectTimeoutError": _unreachable,
    "TimeoutError": _slow,
    "ReadTimeoutError": _slow,
    "SSLError": lambda error, doing: _tls(str(error), doing),
    "HTTPError": _broke_off,
}
"""By class name, most derived first (`translate` walks the MRO), so that the command starts without the client."""

"""The Kubernetes API as the target and the history use it: plain dicts in, plain dicts out, errors in words.

Everything that infercli writes is applied server-side as field manager `infercli`, and never by force: what somebody
else manages is named, not taken. Writes are sent once; an answer that did not come is said to be that.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from infercli.adapters.cluster_errors import OWN_MANAGER, Doing, Forbidden, api_status, no_namespace, translate
from infercli.adapters.files import cache_home
from infercli.adapters.kubeconfig import load
from infercli.core.observed import Answer
from infercli.core.record import Json
from infercli.errors import EndpointError, InferError, InputError

CONNECT_S = 5.0
"""For a TCP connection and TLS: a reachable API server takes well under a second."""
READ_S = 40.0
"""For an answer: the API server gives a write up after 34 s by itself, and says so (measured with etcd gone)."""
QUIET_S = 30.0
"""For the next line of a log that is followed: a Job that measures writes one every second."""
BUSY_TRIES = 5
"""How often a 429 is tried again: nothing was done then. With its own Retry-After (1 s) that is some 5 s."""
MAX_RETRY_AFTER_S = 5.0
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Lists names and labels without the data of each object."""


class Cluster:
    """One context of a kubeconfig and one namespace of it."""

    def __init__(self, client: Any, context: str, namespace: str, server: str, kubeconfig: str | None = None) -> None:
        self._client, self.context, self.namespace, self.server = client, context, namespace, server
        self.kubeconfig = kubeconfig
        """As it was given; None: it was found as kubectl finds it."""

    @property
    def where(self) -> str:
        """For people."""
        return f"namespace {self.namespace} of context {self.context}"

    @property
    def kubectl(self) -> str:
        """How a command for a person begins."""
        return f"{self._named('', '').kubectl} -n {self.namespace}"

    # Objects

    def get(self, api_version: str, kind: str, name: str, *, timeout_s: float = READ_S) -> Json:
        """The object, or None where there is none."""
        with self._doing("read", f"{kind} {name}"):
            path = self._resource(api_version, kind).path(name=name, namespace=self.namespace)
            with contextlib.suppress(_not_found_error()):
                return self._send("get", path, _request_timeout=(CONNECT_S, timeout_s))
        return None

    def find(
        self,
        api_version: str,
        kind: str,
        *,
        labels: str | None = None,
        fields: str | None = None,
        metadata: bool = False,
        everywhere: bool = False,
    ) -> Sequence[Json]:
        """The objects of the namespace, or of all, that match the selectors. `metadata`: without their content."""
        extra = {"header_params": {"Accept": METADATA_ONLY}} if metadata else {}
        with self._doing("list", f"{kind}s"):
            found = self._send(
                "get",
                self._resource(api_version, kind).path(namespace=None if everywhere else self.namespace),
                label_selector=labels,
                field_selector=fields,
                **extra,
            )
        return [
            {"apiVersion": api_version, "kind": kind, **item} for item in found["items"] or ()
        ]  # null where there are none

    def apply(self, body: Json, *, dry_run: bool = False) -> Json:
        """Server-side apply with strict validation; returns the object as the API server has it now.

        Raises ClusterError naming the field and its manager where somebody else manages it, InputError for what the
        API server finds wrong with the object.
        """
        kind, name = body["kind"], body["metadata"]["name"]
        with self._doing("apply", f"{kind} {name}"):
            return self._send(
                "patch",
                self._resource(body["apiVersion"], kind).path(name=name, namespace=self.namespace),
                body=body,
                content_type="application/apply-patch+yaml",
                field_manager=OWN_MANAGER,
                force_conflicts="false",
                dry_run="All" if dry_run else None,
                query_params=[("fieldValidation", "Strict")],
            )

    def create(self, body: Json) -> Json:
        """POST. Raises Exists where the name is taken."""
        kind, name = body["kind"], body["metadata"]["name"]
        with self._doing("create", f"{kind} {name}"):
            path = self._resource(body["apiVersion"], kind).path(namespace=self.namespace)
            return self._send("post", path, body=body, field_manager=OWN_MANAGER)

    def merge(self, api_version: str, kind: str, name: str, patch: Json, *, timeout_s: float = READ_S) -> Json:
        """JSON merge patch. With `metadata.resourceVersion` in it, raises Stale when that is not the newest."""
        with self._doing("change", f"{kind} {name}"):
            path = self._resource(api_version, kind).path(name=name, namespace=self.namespace)
            return self._send(
                "patch",
                path,
                body=patch,
                content_type="application/merge-patch+json",
                field_manager=OWN_MANAGER,
                _request_timeout=(CONNECT_S, timeout_s),
            )

    def delete(self, api_version: str, kind: str, name: str, *, resource_version: str | None = None) -> None:
        """Succeeds where there is nothing. With `resource_version`, raises Stale when that is not the newest."""
        body: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if resource_version is not None:
            body["preconditions"] = {"resourceVersion": resource_version}
        with self._doing("delete", f"{kind} {name}"):
            path = self._resource(api_version, kind).path(name=name, namespace=self.namespace)
            with contextlib.suppress(_not_found_error()):
                self._send("delete", path, body=body)

    def serves(self, api_version: str, kind: str) -> bool:
        """Whether the cluster knows that kind."""
        from kubernetes.dynamic.exceptions import ResourceNotFoundError

        with self._doing("read", kind):
            try:
                self._resource(api_version, kind)
            except ResourceNotFoundError:
                return False
        return True

    def check_namespace(self) -> None:
        """Raises InputError where the namespace is not there, in which an API server finds nothing all the same.

        Or where it is being deleted: what was in it goes, and nothing new comes.
        """
        with contextlib.suppress(Forbidden):
            found = self.get("v1", "Namespace", self.namespace)
            if found is None:
                raise no_namespace(self._named("read", f"Namespace {self.namespace}"))
            since = found["metadata"].get("deletionTimestamp")
            if since is not None:
                raise InputError(
                    f"namespace `{self.namespace}` of context `{self.context}` is being deleted, since {since}",
                    f"name another with -n; `{self._named('', '').kubectl} describe namespace {self.namespace}` says "
                    "what it waits for",
                )

    def now(self) -> datetime:
        """The API server's clock, to the second: the one that everybody who looks at a lease shares."""
        with self._doing("read", "its clock"):
            answer = self._send("get", "/version", serialize=False)
        date = answer.headers.get("Date")
        return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)

    def api_server_addresses(self) -> list[str]:
        """Where pods find the API server: a NetworkPolicy is about where its Service leads."""
        with self._doing("read", "EndpointSlice kubernetes of namespace default"):
            path = self._resource("discovery.k8s.io/v1", "EndpointSlice").path(name="kubernetes", namespace="default")
            found = self._send("get", path)
        return [address for endpoint in found.get("endpoints") or () for address in endpoint["addresses"]]

    # Through the API server into the pods

    def proxy(
        self,
        service: str,
        port: str,
        method: str,
        path: str,
        *,
        body: Json = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
    ) -> Answer:
        """One request to a Service through the API server. Authorization would not arrive: it is the API server's.

        Raises EndpointError when nobody behind the Service answers, ClusterError when the API server says no.
        """
        route = f"/api/v1/namespaces/{self.namespace}/services/{service}:{port}/proxy"
        parts = urllib.parse.urlsplit(path)
        query = urllib.parse.parse_qsl(parts.query)
        sent = {"Accept": "application/json, */*", **(headers or {})}
        doing = self._named("ask through", f"Service {service}")
        from kubernetes.client.exceptions import ApiException

        try:
            answer = self._client.request(
                method,
                route + parts.path,
                body=body,
                query_params=query,
                header_params=sent,
                serialize=False,
                _request_timeout=(CONNECT_S, timeout_s),
            )
            return Answer(answer.status, _lower(answer.headers), answer.data)
        except ApiException as error:
            own = api_status(error.status or 0, error.body)
            if error.status and not (own.reason or _is_status(error.body)):
                return Answer(error.status, _lower(error.headers or {}), str(error.body or "").encode())
            if error.status in (404, 500, 502, 503, 504):  # of the API server: no such Service, or nobody behind it
                raise EndpointError(
                    f"nobody answers behind Service {service}: {own.message}",
                    f"`{doing.kubectl} -n {self.namespace} get services,pods`",
                ) from error
            raise self._translated(error, doing) from error
        except Exception as error:
            ours = self._translated(error, doing)
            raise EndpointError(ours.message, ours.hint) from error

    def pod_log(self, pod: str, container: str, lines: int) -> str:
        """The newest lines of a container."""
        with self._doing("read", f"the log of Pod {pod}"):
            path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
            query = [("container", container), ("tailLines", str(lines))]
            answer = self._send("get", path, query_params=query, serialize=False)
        return bytes(answer.data).decode(errors="replace")

    def follow_log(self, pod: str, container: str) -> Iterator[str]:
        """A container's log from its beginning, line by line as it is written, until the container ends.

        The connection stands when this returns. Raises ClusterError when it breaks, or nothing came for QUIET_S.
        """
        doing = self._named("read", f"the log of Pod {pod}")
        with self._doing(doing.verb, doing.what):
            path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
            query = [("container", container), ("follow", "true")]
            answer = self._send("get", path, query_params=query, serialize=False, _request_timeout=(CONNECT_S, QUIET_S))
        return self._lines(answer, doing)

    def _lines(self, answer: Any, doing: Doing) -> Iterator[str]:
        rest = b""
        try:
            with self._doing(doing.verb, doing.what):
                for part in answer.stream():
                    *whole, rest = (rest + part).split(b"\n")
                    for line in whole:
                        yield line.decode(errors="replace")
            if rest:
                yield rest.decode(errors="replace")
        finally:
            answer.close()  # of what is not read to its end the connection cannot be used again

    def diagnose(self) -> list[tuple[str, str, str, str]]:
        """For `doctor`: what was looked at, ok | warn | bad | unknown, what was found, what to do about it."""
        try:
            with self._doing("read", "the version"):
                version = self._send("get", "/version")["gitVersion"]
        except InferError as error:
            return [("cluster", "bad", error.message, error.hint or "")]
        found = [("cluster", "ok", f"Kubernetes {version}, namespace {self.namespace} of context {self.context}", "")]
        for what, look in (("KubeRay", self._kuberay), ("releases", self._releases)):
            try:
                found.append((what, "ok", look(), ""))
            except InferError as error:
                found.append((what, "bad", error.message, error.hint or ""))
        return found

    def _kuberay(self) -> str:
        return f"RayServices: {len(self.find('ray.io/v1', 'RayService'))} here"

    def _releases(self) -> str:
        selector = f"app.kubernetes.io/managed-by={OWN_MANAGER},infercli.dev/release"
        found = self.find("v1", "Secret", labels=selector, metadata=True)
        names = {item["metadata"]["labels"]["infercli.dev/release"] for item in found}
        return ", ".join(sorted(names)) or "none"

    # How it is asked

    def _resource(self, api_version: str, kind: str) -> Any:
        return self._client.resources.get(api_version=api_version, kind=kind)

    def _send(self, method: str, path: str, **words: Any) -> Any:
        """One request. A read whose connection had gone stale is sent again, and so is what was refused with 429."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import ProtocolError

        words = {"serializer": _plain, "_request_timeout": (CONNECT_S, READ_S), **words}
        fresh = method == "get"
        tries = 0
        while True:
            try:
                return self._client.request(method, path, **_copied(words))
            except ApiException as error:
                tries += 1
                if error.status != 429 or tries == BUSY_TRIES:
                    raise
                time.sleep(_retry_after_s(error))
            except ProtocolError:
                if not fresh:
                    raise
                fresh = False

    def _named(self, verb: str, what: str) -> Doing:
        return Doing(verb, what, self.namespace, self.context, self.server, self.kubeconfig)

    @contextlib.contextmanager
    def _doing(self, verb: str, what: str) -> Iterator[None]:
        try:
            yield
        except InferError:
            raise
        except Exception as error:
            ours = translate(error, self._named(verb, what))
            if ours is None:
                raise
            raise ours from error

    def _translated(self, error: Exception, doing: Doing) -> InferError:
        ours = translate(error, doing)
        if ours is None:
            raise error
        return ours


def connect(kubeconfig: str | None, context: str | None, namespace: str | None) -> Cluster:
    """A Cluster of a kubeconfig (default: $KUBECONFIG, then ~/.kube/config; in a pod: its service account).

    The namespace is the argument, else the context's, else `default`. Raises InputError for what the kubeconfig does
    not have, ClusterError when nobody answers.
    """
    from kubernetes.client import ApiClient, Configuration
    from kubernetes.dynamic import DynamicClient

    configuration = Configuration()
    configuration.retries = False  # urllib3 would send a DELETE three times, and wait three times for a silent server
    meant = load(configuration, kubeconfig, context)
    server = str(configuration.host)
    client = ApiClient(configuration)
    if meant.headers:
        _add_headers(client, meant.headers)
    cluster = Cluster(None, meant.name, namespace or meant.namespace or "default", server, kubeconfig)
    with cluster._doing("read", "what it serves"):  # noqa: SLF001  # the one place that makes it
        cluster._client = DynamicClient(client, cache_file=str(_discovery_cache(server)))  # noqa: SLF001
    return cluster


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
        asked = float((error.headers or {}).get("Retry-After", 1))
    except ValueError:
        asked = 1.0
    return min(max(asked, 0.1), MAX_RETRY_AFTER_S)


def _not_found_error() -> type[Exception]:
    from kubernetes.dynamic.exceptions import NotFoundError

    kind: type[Exception] = NotFoundError
    return kind


def _is_status(body: Any) -> bool:
    try:
        said = json.loads(body or "")
    except (TypeError, ValueError):
        return False
    return isinstance(said, dict) and said.get("kind") == "Status" and said.get("apiVersion") == "v1"


def _lower(headers: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in dict(headers).items()}

"""The Kubernetes API as the target and the history use it: plain dicts in, plain dicts out, errors in words.

Everything that infercli writes is applied server-side as field manager `infercli`, and never by force: what somebody
else manages is named, not taken. What is not answered is sent again only while a release is changed
(cluster_patience.py); otherwise an answer that did not come is said to be that.
"""

from __future__ import annotations

import contextlib
import functools
import json
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from infercli.adapters.cluster.errors import (
    IN_CLUSTER,
    OWN_MANAGER,
    Doing,
    Forbidden,
    api_status,
    away,
    no_namespace,
    translate,
)
from infercli.adapters.cluster.requests import CONNECT_S, Requests, api_client, dynamic_client
from infercli.core.differences import differs
from infercli.core.record import Json
from infercli.core.release.observed import Answer
from infercli.errors import EndpointError, InferError, InputError

QUIET_S = 30.0
"""For the next line of a log that is followed: a Job that measures writes one every second."""
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Lists names and labels without the data of each object."""


class Cluster:
    """One context of a kubeconfig and one namespace of it."""

    def __init__(
        self, requests: Requests, context: str, namespace: str, server: str, kubeconfig: str | None = None
    ) -> None:
        self.requests, self.context, self.namespace, self.server = requests, context, namespace, server
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

    def get(self, api_version: str, kind: str, name: str, *, timeout_s: float | None = None) -> Json:
        """The object, or None where there is none. `timeout_s`: for the answer, of who cannot wait for more."""
        with self._doing("read", f"{kind} {name}"):
            path = self.requests.resource(api_version, kind).path(name=name, namespace=self.namespace)
            with contextlib.suppress(_not_found_error()):
                return self.requests.send("get", path, timeout_s=timeout_s)
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
        accept = {"Accept": METADATA_ONLY} if metadata else None
        with self._doing("list", f"{kind}s"):
            found = self.requests.send(
                "get",
                self.requests.resource(api_version, kind).path(namespace=None if everywhere else self.namespace),
                label_selector=labels,
                field_selector=fields,
                header_params=accept,
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
            return self.requests.send(
                "patch",
                self.requests.resource(body["apiVersion"], kind).path(name=name, namespace=self.namespace),
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
            path = self.requests.resource(body["apiVersion"], kind).path(namespace=self.namespace)
            same = functools.partial(self._same, body["apiVersion"], kind, name, body)
            return self.requests.send("post", path, body=body, field_manager=OWN_MANAGER, done=same)

    def merge(self, api_version: str, kind: str, name: str, patch: Json, *, timeout_s: float | None = None) -> Json:
        """JSON merge patch. With `metadata.resourceVersion` in it, raises Stale when that is not the newest."""
        with self._doing("change", f"{kind} {name}"):
            path = self.requests.resource(api_version, kind).path(name=name, namespace=self.namespace)
            return self.requests.send(
                "patch",
                path,
                body=patch,
                content_type="application/merge-patch+json",
                field_manager=OWN_MANAGER,
                timeout_s=timeout_s,
                done=functools.partial(self._same, api_version, kind, name, patch),
            )

    def _same(self, api_version: str, kind: str, name: str, sent: Json) -> Json:
        """The object, where it is as it was sent; None where it is another's."""
        found = self.get(api_version, kind, name)
        metadata = {key: value for key, value in sent["metadata"].items() if key != "resourceVersion"}
        return found if found is not None and not differs(found, {**sent, "metadata": metadata}) else None

    def delete(self, api_version: str, kind: str, name: str, *, resource_version: str | None = None) -> None:
        """Succeeds where there is nothing. With `resource_version`, raises Stale when that is not the newest."""
        body: Json = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if resource_version is not None:
            body["preconditions"] = {"resourceVersion": resource_version}
        with self._doing("delete", f"{kind} {name}"):
            path = self.requests.resource(api_version, kind).path(name=name, namespace=self.namespace)
            with contextlib.suppress(_not_found_error()):
                self.requests.send("delete", path, body=body)

    def serves(self, api_version: str, kind: str) -> bool:
        """Whether the cluster knows that kind."""
        from kubernetes.dynamic.exceptions import ResourceNotFoundError

        with self._doing("read", kind):
            try:
                self.requests.resource(api_version, kind)
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
            answer = self.requests.send("get", "/version", serialize=False)
        date = answer.headers.get("Date")
        return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)

    def api_server_addresses(self) -> list[str]:
        """Where pods find the API server: a NetworkPolicy is about where its Service leads."""
        with self._doing("read", "EndpointSlice kubernetes of namespace default"):
            path = self.requests.resource("discovery.k8s.io/v1", "EndpointSlice").path(
                name="kubernetes", namespace="default"
            )
            found = self.requests.send("get", path)
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
        words = {"body": body, "query_params": query, "header_params": sent, "serialize": False}
        words["_request_timeout"] = (CONNECT_S, timeout_s)
        doing = self._named("ask through", f"Service {service}")
        from kubernetes.client.exceptions import ApiException

        try:
            answer = self.requests.once(method, route + parts.path, words)
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
            ours = self._translated(error, doing)
            if away(error) is not None:  # the way to the API server, which may be back soon as somebody behind it may
                raise EndpointError(ours.message, ours.hint) from error
            raise ours from error
        except Exception as error:
            ours = self._translated(error, doing)
            raise EndpointError(ours.message, ours.hint) from error

    def pod_log(self, pod: str, container: str, lines: int) -> str:
        """The newest lines of a container."""
        with self._doing("read", f"the log of Pod {pod}"):
            path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
            query = [("container", container), ("tailLines", str(lines))]
            answer = self.requests.send("get", path, query_params=query, serialize=False)
        return bytes(answer.data).decode(errors="replace")

    def follow_log(self, pod: str, container: str) -> Iterator[str]:
        """A container's log from its beginning, line by line as it is written, until the container ends.

        The connection stands when this returns. Raises ClusterError when it breaks, or nothing came for QUIET_S.
        """
        doing = self._named("read", f"the log of Pod {pod}")
        with self._doing(doing.verb, doing.what):
            path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
            query = [("container", container), ("follow", "true")]
            answer = self.requests.send(
                "get", path, query_params=query, serialize=False, _request_timeout=(CONNECT_S, QUIET_S)
            )
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

    def version(self) -> str:
        """Of the API server: `v1.36.0`."""
        with self._doing("read", "the version"):
            return str(self.requests.send("get", "/version")["gitVersion"])

    # How it is asked

    def _named(self, verb: str, what: str) -> Doing:
        return Doing(verb, what, self.namespace, self.context, self.server, self.kubeconfig)

    def _doing(self, verb: str, what: str) -> AbstractContextManager[None]:
        return _in_words(self._named(verb, what))

    def _translated(self, error: Exception, doing: Doing) -> InferError:
        ours = translate(error, doing)
        if ours is None:
            raise error
        return ours


@contextlib.contextmanager
def _in_words(doing: Doing) -> Iterator[None]:
    """What the client raises in here becomes ours, where it is known."""
    try:
        yield
    except InferError:
        raise
    except Exception as error:
        ours = translate(error, doing)
        if ours is None:
            raise
        raise ours from error


def connect(kubeconfig: str | None, context: str | None, namespace: str | None) -> Cluster:
    """A Cluster of a kubeconfig (default: $KUBECONFIG, then ~/.kube/config; in a pod: its service account).

    The namespace is the argument, else the context's, else `default`. Raises InputError for what the kubeconfig does
    not have, ClusterError when nobody answers.
    """
    client, meant, server = api_client(kubeconfig, context)

    def log_in() -> Any:
        # Of the same context, whichever is the current one by now; and never to another server.
        other, _, its_server = api_client(kubeconfig, None if meant.name == IN_CLUSTER else meant.name)
        return other if its_server == server else client

    where = namespace or meant.namespace or "default"
    with _in_words(Doing("read", "what it serves", where, meant.name, server, kubeconfig)):
        requests = Requests(dynamic_client(client, server), log_in)
    return Cluster(requests, meant.name, where, server, kubeconfig)


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

"""The log of an engine in a cluster: of Ray where its dashboard answers, of the pods where it does not."""

from __future__ import annotations

import base64
import json

import pytest

from infercli.adapters.cluster.pods import ray_log
from infercli.core.release.observed import Answer
from infercli.errors import ClusterError

APP = "chat-3f9a1c"
REPLICA = {"replica_id": "r1", "node_ip": "10.0.0.5", "node_id": "n1", "pid": 7}
APPLICATIONS = {"applications": {APP: {"deployments": {"Engine": {"replicas": [REPLICA, {"state": "STARTING"}]}}}}}


def ray_cluster(name, day):
    head = {"serviceName": f"{name}-head-svc"}
    return {"metadata": {"name": name, "creationTimestamp": f"2026-11-{day}T10:00:00Z"}, "status": {"head": head}}


class FakeCluster:
    """Two Ray clusters, while the pods of the first are replaced, and one pod with a log."""

    def __init__(self, dashboard, pods=("chat-head",)):
        self.dashboard, self.pods = dashboard, pods
        self.asked = []

    def find(self, api_version, kind, **_):
        if kind == "RayCluster":
            return [ray_cluster("old", 10), ray_cluster("new", 20)]
        return [{"metadata": {"name": pod}, "spec": {"containers": [{"name": "ray"}]}} for pod in self.pods]

    def get(self, api_version, kind, name):
        assert (kind, name in ("old", "new")) == ("Secret", True)
        return {"data": {"auth_token": base64.b64encode(f"token of {name}".encode()).decode()}}

    def proxy(self, service, port, method, path, *, headers, **_):
        self.asked.append((service, path.partition("?")[0], headers["X-Ray-Authorization"]))
        if path.startswith("/api/v0/logs/file"):
            said = b"1ready\n" if "suffix=err" in path else b" \n"
            return Answer(200, {}, said)
        return self.dashboard[service]

    def pod_log(self, pod, container, lines):
        if pod == "shut":
            raise ClusterError("not allowed to read its log", "ask for it")
        return f"the newest {lines} of {container}"


def answer(value, status=200):
    return Answer(status, {}, value if isinstance(value, bytes) else json.dumps(value).encode())


def test_every_replica_that_has_a_process_is_asked_of_the_newest_cluster_first_by_its_own_token():
    cluster = FakeCluster({"new-head-svc": answer(APPLICATIONS), "old-head-svc": answer({"applications": {}})})
    assert ray_log(cluster, "chat", APP, 10) == "==> r1 on 10.0.0.5 (err) <==\nready\n"
    assert cluster.asked == [
        ("new-head-svc", "/api/serve/applications/", "Bearer token of new"),
        ("new-head-svc", "/api/v0/logs/file", "Bearer token of new"),
        ("new-head-svc", "/api/v0/logs/file", "Bearer token of new"),
        ("old-head-svc", "/api/serve/applications/", "Bearer token of old"),
    ]


@pytest.mark.parametrize(
    "said", [answer({}, 503), answer(b"<html>please log in</html>"), answer([1]), answer({"applications": {}})]
)
def test_where_ray_says_nothing_of_it_the_pods_are_read(said):
    cluster = FakeCluster({"new-head-svc": said, "old-head-svc": said}, pods=("shut", "chat-head"))
    assert ray_log(cluster, "chat", APP, 10) == "==> chat-head <==\nthe newest 10 of ray"


@pytest.mark.parametrize(
    ("pods", "words", "hint"),
    [
        ((), "chat has no pods, so no log (Ray's dashboard answered HTTP 503)", "`infercli status chat`"),
        (
            ("shut",),
            "no log of chat can be read: Ray's dashboard answered HTTP 503; not allowed to read its log",
            "ask for it",
        ),
    ],
)
def test_where_neither_can_be_had_both_reasons_are_said(pods, words, hint):
    with pytest.raises(ClusterError) as caught:
        ray_log(FakeCluster({"new-head-svc": answer({}, 503)}, pods), "chat", APP, 10)
    assert (caught.value.message, caught.value.hint) == (words, hint)

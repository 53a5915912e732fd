from __future__ import annotations

import pytest

from infercli.adapters.cluster_errors import Forbidden
from infercli.adapters.cluster_platform import ClusterPlatform, unreached
from infercli.adapters.release_secrets import ReleaseSecrets
from infercli.errors import ClusterError
from infercli.render.names import labels
from tests.core.builders import entry

PREFIX = "Failed to update serve applications to the RayCluster prod/chat: fail to create / update Serve applications. "


@pytest.mark.parametrize(
    "cause",
    [
        'err: Put "https://127.0.0.1:45521/api/v1/namespaces/prod/services/chat:dashboard/proxy/": unexpected EOF',
        'err: Put "http://chat-head-svc.prod.svc:8265/api/serve/applications/": dial tcp 10.0.0.7:8265: refused',
        'err: Get "http://chat-head-svc.prod.svc:8265/api/version": context deadline exceeded',
    ],
)
def test_a_call_that_got_no_answer_is_no_refusal_of_the_config(cause):
    assert unreached(PREFIX + cause)


@pytest.mark.parametrize(
    "cause",
    [
        "err: UpdateDeployments fail: 400 Bad Request Put failed: 1 validation error for ServeDeploySchema",
        'err: UpdateDeployments fail: 500 Internal Server Error "applications": duplicate name',
        "spec.serveConfigV2: invalid",
    ],
)
def test_what_ray_or_the_operator_refuse_is_a_refusal(cause):
    assert not unreached(PREFIX + cause)


class Objects:
    """As much of a Cluster as reads and deletes objects by their kind and name."""

    def __init__(self, owners):
        self.found = {
            name: {"metadata": {"labels": labels(owner) | {"more": "x"}, "resourceVersion": f"of-{name}"}}
            for name, owner in owners.items()
        }
        self.deleted = []

    def get(self, _api_version, _kind, name):
        return self.found.get(name)

    def delete(self, _api_version, kind, name, *, resource_version):
        self.deleted.append((kind, name, resource_version))


def test_only_what_this_release_has_recorded_and_owns_is_taken_away(monkeypatch):
    def budget(name):
        return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}}

    def recorded(number, *names):
        one = entry(number)
        return one.model_copy(
            update={"revision": one.revision.model_copy(update={"objects": tuple(map(budget, names))})}
        )

    history = [recorded(1, "chat-front", "chat-engine", "taken-over", "gone"), recorded(2, "chat-front")]
    monkeypatch.setattr(ReleaseSecrets, "entries", lambda *_: history)
    cluster = Objects({"chat-front": "chat", "chat-engine": "chat", "taken-over": "another", "unknown": "chat"})
    ClusterPlatform(cluster, "chat").tidy(history[1].revision)
    assert cluster.deleted == [("PodDisruptionBudget", "chat-engine", "of-chat-engine")]


class RayServices:
    """As much of a Cluster as holds one RayService, for a user who may not list `hidden`."""

    def __init__(self, *, hidden=(), fault=None):
        self.hidden, self.fault = hidden, fault or Forbidden("not allowed to list")
        self.held, self.deleted = None, []
        self.found = {"Event": [], "RayCluster": [], "Pod": []}

    def serves(self, _api_version, _kind):
        return True

    def get(self, _api_version, _kind, _name):
        return self.held

    def find(self, _api_version, kind, **_):
        if kind in self.hidden:
            raise self.fault
        return self.found[kind]

    def apply(self, body):
        changed = self.held is None or self.held["spec"] != body["spec"]
        generation = (0 if self.held is None else self.held["metadata"]["generation"]) + changed
        self.held = {**body, "metadata": {**body["metadata"], "generation": generation}}
        return self.held

    def delete(self, _api_version, kind, name):
        self.deleted.append((kind, name))


def service():
    spec = {"serveConfigV2": ""}
    one = entry(1).revision
    body = {"apiVersion": "ray.io/v1", "kind": "RayService", "metadata": {"name": "chat"}, "spec": spec}
    return one.model_copy(update={"objects": (body,)})


def test_who_may_not_read_why_something_is_refused_may_apply_and_take_back_all_the_same():
    cluster = RayServices(hidden=("Event", "RayCluster", "Pod"))
    platform = ClusterPlatform(cluster, "chat")
    platform.put(service(), {"applications": [{"name": "front"}]})
    assert cluster.held["metadata"]["generation"] == 1
    seen = platform.applications()
    assert (seen.accepted, seen.rejected, seen.trouble) == (False, None, ())
    silent = ClusterPlatform(RayServices(hidden=("Event",), fault=ClusterError("no answer")), "chat")
    with pytest.raises(ClusterError, match="no answer"):
        silent.put(service(), {"applications": []})


def test_a_ray_cluster_whose_head_was_refused_goes_once_something_else_is_applied():
    cluster = RayServices()
    refused = {"reason": "FailedCreateHeadPod", "status": "True"}
    fine = {"reason": "HeadPodRunningAndReady", "status": "True"}
    cluster.found["RayCluster"] = [
        {"metadata": {"name": name}, "status": {"conditions": conditions}}
        for name, conditions in (("chat-old", [refused]), ("chat-up", [fine]), ("chat-new", None))
    ]
    platform = ClusterPlatform(cluster, "chat")
    platform.put(service(), {"applications": [{"name": "front"}]})
    assert cluster.deleted == [("RayCluster", "chat-old")]
    platform.put(service(), {"applications": [{"name": "front"}]})  # nothing changed, so nothing was corrected
    assert cluster.deleted == [("RayCluster", "chat-old")]

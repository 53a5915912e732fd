from __future__ import annotations

import base64
from typing import Any

import pytest

from infercli.adapters.cluster.errors import Forbidden
from infercli.adapters.cluster.platform import RAY, STATIC, ClusterPlatform
from infercli.adapters.cluster.ray_service_status import REQUEUE_S
from infercli.adapters.cluster.release_secrets import ReleaseSecrets
from infercli.core.release import Serving
from infercli.core.release.observed import Answer
from infercli.errors import ClusterError, InputError
from infercli.render.names import labels
from tests.core.builders import FRONT, entry
from tests.render.golden_cases import CASES, golden_objects


class Named:
    """What a Cluster is called."""

    namespace, where, kubectl = "prod", "namespace prod of context test", "kubectl -n prod"


class Objects(Named):
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


@pytest.mark.parametrize(("owner", "left"), [("chat", "RayService chat"), ("another", None)])
def test_what_is_left_of_a_release_has_its_labels(owner, left):
    assert ClusterPlatform(Objects({"chat": owner}), "chat").left_over() == left


@pytest.mark.parametrize("fault", [Forbidden("may not"), ClusterError("the cluster has no RayService")])
def test_where_nobody_may_look_nothing_is_seen_to_be_left(fault, monkeypatch):
    cluster = Objects({"chat": "chat"})

    def get(*_):
        raise fault

    monkeypatch.setattr(cluster, "get", get)
    assert ClusterPlatform(cluster, "chat").left_over() is None


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


class RayServices(Named):
    """As much of a Cluster as holds one RayService, for a user who may not list `hidden`."""

    def __init__(self, *, hidden=(), fault=None):
        self.hidden, self.fault = hidden, fault or Forbidden("not allowed to list")
        self.held, self.deleted, self.applied = None, [], []
        self.others = {"Secret": {"data": {"api-keys": "aw==", "operator-token": "dA=="}}}
        self.found: dict[str, list[dict[str, Any]]] = {}
        self.selectors: dict[str, str | None] = {}

    def serves(self, _api_version, _kind):
        return True

    def get(self, _api_version, kind, _name):
        return self.held if kind == "RayService" else self.others.get(kind)

    def find(self, _api_version, kind, *, labels=None, **_):
        if kind in self.hidden:
            raise self.fault
        self.selectors[kind] = labels
        return self.found.get(kind, [])

    def apply(self, body, *, dry_run=False):
        self.applied.append(body)
        if body["kind"] != "RayService":
            return body
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
    fine = {"reason": "FailedCreateHeadPod", "status": "False"}
    cluster.found["RayCluster"] = [
        {"metadata": {"name": name}, "status": {"conditions": conditions}}
        for name, conditions in (("chat-old", [refused]), ("chat-up", [fine]), ("chat-new", None))
    ]
    platform = ClusterPlatform(cluster, "chat")
    platform.put(service(), {"applications": [{"name": "front"}]})
    assert cluster.deleted == [("RayCluster", "chat-old")]
    platform.put(service(), {"applications": [{"name": "front"}]})  # nothing changed, so nothing was corrected
    assert cluster.deleted == [("RayCluster", "chat-old")]


def code(*names):
    metadata = {"name": "chat-code"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "binaryData": dict.fromkeys(names, "AA==")}


def test_the_objects_are_prepared_without_the_service_and_with_the_code_of_what_runs(monkeypatch):
    cluster = RayServices()
    pods = {"headGroupSpec": {"template": {"spec": {"containers": []}}}, "workerGroupSpecs": []}

    def revision(number, *zips, serving=None):
        one = entry(number, serving=serving)
        objects = (code(*zips), {**service().objects[0], "spec": {"rayClusterConfig": pods}})
        return one.model_copy(update={"revision": one.revision.model_copy(update={"objects": objects})})

    app = entry(1).revision.engine.app
    now = Serving(generation=1, front=FRONT, engines={app: 1}, routes={app: 100})
    history = [revision(1, "engine-1.zip"), revision(2, "engine-2.zip", serving=now)]
    monkeypatch.setattr(ReleaseSecrets, "entries", lambda *_: history)
    ClusterPlatform(cluster, "chat").prepare(revision(3, "engine-3.zip").revision)
    # Revision 1 started the engine that runs, 2 is neither live nor on its way.
    assert [(one["kind"], sorted(one["binaryData"])) for one in cluster.applied] == [
        ("ConfigMap", ["engine-1.zip", "engine-3.zip"])
    ]


def event(uid, message, count=1, reason="FailedToUpdateServeApplications"):
    return {"metadata": {"uid": uid}, "reason": reason, "message": message, "count": count, "lastTimestamp": uid}


def running(*names):
    return {"rayClusterName": "chat-1", "applicationStatuses": {name: {"status": "RUNNING"} for name in names}}


def test_only_what_the_operator_refuses_of_the_newest_put_is_told():
    cluster = RayServices()
    cluster.found["Event"] = [event("1", "400 Bad Request: of an earlier config")]
    platform = ClusterPlatform(cluster, "chat")
    platform.put(service(), {"applications": [{"name": "front"}]})
    old = {"reason": "ValidationFailed", "message": "of an earlier spec", "observedGeneration": 0}
    cluster.held["status"] = {"observedGeneration": 0, "conditions": [old]}
    assert (platform.applications().accepted, platform.applications().rejected) == (False, None)
    cluster.found["Event"][0]["count"] = 2
    cluster.found["Event"].append(
        event("9", "the newest, and of something else", reason="FailedToUpdateHeadPodServeLabel")
    )
    assert platform.applications().rejected == "400 Bad Request: of an earlier config"
    cluster.found["Event"].append(event("2", 'Put "http://chat-head-svc:8265/": context deadline exceeded'))
    seen = platform.applications()
    assert seen.rejected is None
    assert seen.trouble[0].startswith('the operator does not reach Ray: Put "http://chat-head-svc:8265/"')
    cluster.held["status"]["conditions"].append(old | {"message": "replicas: 0", "observedGeneration": 1})
    assert platform.applications().rejected == "replicas: 0"
    cluster.held["status"] |= {"observedGeneration": 1, "activeServiceStatus": running("front")}
    seen = platform.applications()
    assert (seen.accepted, seen.rejected, seen.apps["front"].status) == (True, None, "RUNNING")


def test_the_ray_cluster_that_is_being_built_is_looked_at_before_the_one_that_serves():
    cluster = RayServices()
    platform = ClusterPlatform(cluster, "chat")
    platform.put(service(), {"applications": [{"name": "front"}]})
    cluster.held["status"] = {"observedGeneration": 1, "activeServiceStatus": running("front", "chat-1")}
    assert set(platform.applications().apps) == {"front", "chat-1"}
    cluster.held["status"]["pendingServiceStatus"] = {"rayClusterName": "", "applicationStatuses": {"no": {}}}
    assert set(platform.applications().apps) == {"front", "chat-1"}
    cluster.held["status"]["pendingServiceStatus"] = {"rayClusterName": "chat-2"}
    assert platform.applications().apps == {}


def test_a_status_may_be_of_before_for_what_is_built_anew_and_not_for_another_table(monkeypatch):
    cluster, now = RayServices(), [100.0]
    monkeypatch.setattr("infercli.adapters.cluster.ray_service_status.time.monotonic", lambda: now[0])
    platform = ClusterPlatform(cluster, "chat")

    def put(**deployment):
        platform.put(service(), {"applications": [{"name": "front", "deployments": [deployment]}]})
        cluster.held["status"] = {"observedGeneration": 99, "activeServiceStatus": running("front")}
        return platform.applications().accepted

    assert put(num_replicas=2, user_config={"generation": 1})
    assert put(num_replicas=2, user_config={"generation": 2})
    assert not put(num_replicas=3, user_config={"generation": 2})
    now[0] += REQUEUE_S - 0.1
    assert not platform.applications().accepted
    now[0] += 0.1
    assert platform.applications().accepted
    assert put(num_replicas=3, user_config={"generation": 2})  # the same again builds nothing
    cluster.held["status"]["activeServiceStatus"] = running("front", "chat-1")  # dropped, and shown still
    front = {"name": "front", "deployments": [{"num_replicas": 3, "user_config": {"generation": 2}}]}
    platform.put(service(), {"applications": [front, {"name": "chat-1"}]})
    cluster.held["status"] = {"observedGeneration": 99, "activeServiceStatus": running("front", "chat-1")}
    assert not platform.applications().accepted


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({}, "there is no PersistentVolumeClaim `models`"),
        ({"PersistentVolumeClaim": {"status": {"phase": "Lost"}}}, "`models` has lost its volume"),
        ({"Secret": {"data": {"api-keys": "aw==", "operator-token": "Cg=="}}}, "has no operator-token"),
        ({"Secret": {"data": {}}}, "has no api-keys and no operator-token"),
    ],
)
def test_what_the_user_has_to_provide_is_missed_before_anything_is_applied(others, words):
    claim = {"name": "weights", "persistentVolumeClaim": {"claimName": "models"}}
    head = {"template": {"spec": {"containers": [], "volumes": [claim]}}}
    ray = {"headGroupSpec": head, "workerGroupSpecs": []}
    body = {**service().objects[0], "spec": {"rayClusterConfig": ray}}
    cluster = RayServices()
    cluster.others |= others
    platform = ClusterPlatform(cluster, "chat", "chat-keys")
    with pytest.raises(InputError, match=words):
        platform.validate([body], {"applications": []})
    assert cluster.applied == []


def test_what_is_there_is_applied_only_where_it_is_the_releases():
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "chat", "labels": labels("chat")}}
    cluster = RayServices()
    platform = ClusterPlatform(cluster, "chat", "chat-keys")
    for there in (None, account):
        cluster.others["ServiceAccount"] = there
        platform.validate([account], {"applications": []})
    for found in (None, {}, labels("another"), {"app.kubernetes.io/name": "infercli"}):
        cluster.others["ServiceAccount"] = {"metadata": {"name": "chat", "labels": found}}
        with pytest.raises(InputError, match="there already in namespace prod: serviceaccount/chat") as refused:
            platform.validate([account], {"applications": []})
    label = "kubectl -n prod label --overwrite serviceaccount/chat app.kubernetes.io/instance=chat "
    assert f"`{label}" in refused.value.hint
    assert len(cluster.applied) == 2


class Front(Named):
    """As much of a Cluster as has Secrets with keys, and a front that knows the token `knows`."""

    def __init__(self, knows, **tokens):
        self.knows, self.tokens, self.asked = knows, tokens, []

    def get(self, _api_version, _kind, name):
        token = base64.b64encode(self.tokens[name].encode()).decode()
        return {"data": {"api-keys": "aw==", "operator-token": token}}

    def serves(self, _api_version, _kind):
        return True

    def proxy(self, _service, _port, _method, _path, *, headers, **_):
        self.asked.append(headers["X-Infercli-Operator-Token"])
        return Answer(200 if self.asked[-1] == self.knows else 403, {}, b"")


def test_the_front_is_asked_with_the_token_of_what_serves_where_it_does_not_know_that_of_what_comes(monkeypatch):
    def recorded(number, secret, outcome):
        one = entry(number, outcome=outcome)
        deployment = one.revision.plan.deployment
        kubernetes = deployment.kubernetes.model_copy(update={"keys_secret": secret})
        plan = one.revision.plan.model_copy(
            update={"deployment": deployment.model_copy(update={"kubernetes": kubernetes})}
        )
        return one.model_copy(update={"revision": one.revision.model_copy(update={"plan": plan})})

    history = [recorded(1, "served", "good"), recorded(2, "failed", "failed")]
    monkeypatch.setattr(ReleaseSecrets, "entries", lambda *_: history)
    cluster = Front("old", served="old", comes="new", failed="none")
    assert ClusterPlatform(cluster, "chat", "comes").front("GET", "/front").status == 200
    assert ClusterPlatform(cluster, "chat").front("GET", "/front").status == 200
    assert cluster.asked == ["new", "old", "old"]
    cluster = Front("new", served="old", comes="new")
    assert ClusterPlatform(cluster, "chat", "comes").front("GET", "/front").status == 200
    assert cluster.asked == ["new"]
    cluster = Front("another", served="old", comes="new")
    assert ClusterPlatform(cluster, "chat").front("GET", "/front").status == 403
    assert cluster.asked == ["old"]  # once
    # Once a revision is on its way, the record says of its Secret that it is what serves.
    cluster = Front("old", served="old", comes="new")
    platform = ClusterPlatform(cluster, "chat")
    platform.prepare(recorded(3, "comes", "pending").revision)
    history[:] = [recorded(3, "comes", "good")]
    assert platform.front("GET", "/front").status == 200
    assert cluster.asked == ["new", "old"]


def test_a_release_is_gone_when_its_pods_are(monkeypatch):
    cluster = RayServices()
    cluster.found["Pod"] = [{"metadata": {"name": "chat-head"}}]
    cluster.found["ConfigMap"] = [{"metadata": {"name": "chat-code"}}]
    waited = []
    monkeypatch.setattr(ReleaseSecrets, "entries", lambda *_: [])
    monkeypatch.setattr(
        "infercli.adapters.cluster.platform.time.sleep",
        lambda seconds: waited.append(seconds) or (len(waited) == 3 and cluster.found["Pod"].clear()),
    )
    ClusterPlatform(cluster, "chat").remove()
    assert len(waited) == 3
    assert cluster.deleted == [("RayService", "chat"), ("ConfigMap", "chat-code")]
    # No history names its objects, so they are those with its labels: without them it would be everybody's.
    ours = ",".join(f"{key}={value}" for key, value in sorted(labels("chat").items()))
    assert {cluster.selectors[kind] for _, kind in STATIC} == {ours}
    assert all("=chat" in selector for selector in cluster.selectors.values())


def test_whatever_is_rendered_is_taken_away_where_no_history_names_it():
    assert {(o["apiVersion"], o["kind"]) for case in CASES for o in golden_objects(case)} - {RAY} == STATIC


def test_a_history_is_forgotten_from_its_oldest_revision_on():
    cluster = RayServices()
    cluster.found["Secret"] = [
        {"metadata": {"name": f"v{number}", "labels": {"infercli.dev/revision": str(number)}}} for number in (1, 10, 2)
    ]
    ReleaseSecrets(cluster).forget("chat")
    assert cluster.deleted == [("Secret", "v1"), ("Secret", "v2"), ("Secret", "v10")]

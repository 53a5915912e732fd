"""A release whose history was deleted or damaged, in part or as a whole: nothing that serves is taken away unsaid."""

from __future__ import annotations

import base64

import pytest

from tests.cluster.release_project import Project

pytestmark = pytest.mark.cluster


@pytest.fixture
def user(cluster, project) -> Project:
    project.provide()
    return project


def deploy(user, quantization="awq", *words) -> str:
    user.write(quantization)
    return user.done("deploy", "-o", "json", "--timeout", "90s", *words).json["engine"]


def forget(user, *numbers):
    names = [f"infercli.release.v1.chat.v{number}" for number in numbers]
    done = user.plane.kubectl("delete", "secret", *names, "-n", user.namespace)
    assert done.returncode == 0, done.stderr


def left(user) -> set[str]:
    kinds = "rayservices,rayclusters,pods,configmaps,serviceaccounts,networkpolicies,poddisruptionbudgets,secrets"
    listed = user.plane.kubectl("get", kinds, "-n", user.namespace, "-o", "name").stdout.split()
    return {name for name in listed if "kube-root-ca" not in name and not name.endswith("/default")}


def test_without_any_history_what_runs_is_told_kept_and_can_be_taken_away(user):
    app = deploy(user)
    forget(user, 1)
    for verb in ("status", "history", "rollback"):
        said = user.infercli(verb, "chat")
        assert said.code == 2
        assert f"RayService chat is on namespace {user.namespace} of context admin, and no revision" in said.err
        assert "infercli.release.v1.chat.v*" in said.err
        assert "add `-n" not in said.err  # another namespace has another release of that name
    user.write("fp8")
    for words in (("deploy",), ("deploy", "--dry-run"), ("diff",)):
        said = user.infercli(*words)
        assert said.code == 2
        assert f"{app} takes requests on namespace {user.namespace}" in said.err
        assert "--allow-downtime" in said.err
    assert user.weights() == {app: 100}
    assert user.revisions() == []
    user.done("delete", "chat", "--yes")
    assert left(user) == {"secret/chat-keys"}


def test_a_rayservice_of_somebody_else_is_no_release_that_lost_its_history(user):
    deploy(user)
    forget(user, 1)
    words = ("label", "rayservice", "chat", "-n", user.namespace, "--overwrite", "app.kubernetes.io/managed-by=Helm")
    assert user.plane.kubectl(*words).returncode == 0
    said = user.infercli("delete", "chat", "--yes")
    assert (said.code, "there is no release `chat`" in said.err) == (2, True)
    assert "rayservice.ray.io/chat" in left(user)


def test_a_deploy_after_a_lost_history_is_done_when_the_fronts_have_its_table(user):
    """Its number goes on from the table that is live: by a lower one, every front has the new table before it comes."""
    deploy(user)
    deploy(user, "fp8")
    forget(user, 1, 2)
    app = deploy(user, "gptq", "--allow-downtime")
    assert user.weights() == {app: 100}
    (record,) = user.revisions()
    assert record["revision"]["number"] == 3
    assert user.done("status", "chat", "-o", "json").json["state"] == "serving"


def test_an_engine_whose_revision_is_lost_is_not_dropped_by_a_deploy_on_an_older_record(user):
    deploy(user)
    second = deploy(user, "fp8")
    forget(user, 2)
    user.write("gptq")
    said = user.infercli("deploy")
    assert said.code == 2
    assert f"{second} takes requests on namespace {user.namespace}" in said.err
    assert user.weights()[second] == 100


@pytest.mark.parametrize("damage", ["bytes", "field", "progress"])
def test_a_revision_that_cannot_be_read_is_named_with_what_to_type(user, damage):
    deploy(user)
    name = "infercli.release.v1.chat.v1"
    path = f"/api/v1/namespaces/{user.namespace}/secrets"
    secret = user.plane.api.get(f"{path}/{name}")
    data = bytearray(base64.b64decode(secret["data"]["revision"]))
    if damage == "bytes":
        data[200:260] = bytes(60)  # in the compressed part: zlib finds it, and not gzip
    elif damage == "field":
        import gzip
        import json

        data = gzip.compress(json.dumps(json.loads(gzip.decompress(data)) | {"colour": "red"}).encode())
    annotations = dict(secret["metadata"]["annotations"])
    if damage == "progress":
        annotations["infercli.dev/progress"] = '{"outcome": '
    kept = {"name": name, "labels": secret["metadata"]["labels"], "annotations": annotations}
    body = {**secret, "metadata": kept, "data": {"revision": base64.b64encode(data).decode()}}
    forget(user, 1)
    user.plane.api.request("POST", path, body)
    for words in (("status", "chat"), ("rollback", "chat"), ("deploy",), ("delete", "chat", "--yes")):
        said = user.infercli(*words)
        assert said.code == 1, said.err
        assert f"Secret {name} is not a revision that this infercli can read: " in said.err
        assert {"bytes": "damaged", "field": "colour", "progress": "JSON"}[damage] in said.err
        assert f"-n {user.namespace} delete secret {name}` forgets that revision" in said.err

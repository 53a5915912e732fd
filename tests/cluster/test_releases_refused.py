"""What a user reads when a cluster says no: each refusal names what is missing, and nothing is left half-done."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cluster.release_project import OTHER_IMAGE, Project

pytestmark = pytest.mark.cluster

CHART = Path(__file__).parents[2] / "charts" / "infercli-platform"


@pytest.fixture
def user(cluster, project) -> Project:
    project.provide()
    return project


@pytest.fixture
def roles(control_plane, namespace):
    """The roles of charts/infercli-platform in the test's namespace, for the groups of the test users."""
    values = {
        "namespace": {"name": namespace, "create": False},
        "deployers": [{"kind": "Group", "name": "ml-deployers"}],
        "oncall": [{"kind": "Group", "name": "ml-oncall"}],
    }
    words = ("install", "platform", str(CHART), "--namespace", namespace, "--values", "-")
    done = control_plane.helm(*words, stdin=json.dumps(values))
    assert done.returncode == 0, done.stderr
    yield
    control_plane.helm("uninstall", "platform", "--namespace", namespace)


def test_a_deployer_may_do_all_oncall_may_look_and_nobody_else_anything(user, roles):
    user.act_as("deployer")
    user.done("deploy", "--timeout", "90s")
    user.write("fp8")
    user.done("diff")
    user.done("deploy", "--timeout", "60s")
    user.done("rollback", "chat")

    user.act_as("oncall")
    status = user.done("status", "chat", "-o", "json").json
    assert status["state"] == "serving"
    assert len(user.done("history", "chat", "-o", "json").json["revisions"]) == 3
    user.done("diff")
    recorded = len(user.revisions())
    for words in (("deploy",), ("rollback", "chat", "--to", "2"), ("delete", "chat", "--yes")):
        said = user.infercli(*words)
        assert said.code == 1, said.out
        assert "not allowed to create Lease infercli.chat" in said.err
        assert 'User "oncall"' in said.err
        assert "`deployers`" in said.err
    assert len(user.revisions()) == recorded

    user.act_as("nobody")
    for words in (("status", "chat"), ("deploy",), ("history", "chat")):
        said = user.infercli(*words)
        assert said.code == 1
        assert 'User "nobody" cannot list resource "secrets"' in said.err

    user.act_as("deployer")
    user.done("delete", "chat", "--yes")


def test_a_field_that_somebody_else_manages_is_named_with_its_manager_and_not_taken(user):
    user.done("deploy", "--timeout", "90s")
    patch = '{"spec":{"serveConfigV2":"applications: []"}}'
    words = ("patch", "rayservice", "chat", "-n", user.namespace, "--type=merge", "--field-manager=argocd", "-p", patch)
    assert user.plane.kubectl(*words).returncode == 0
    status = user.infercli("status", "chat", "-o", "json")
    assert status.code == 3
    assert status.json["drift"]
    said = user.infercli("deploy", "--timeout", "30s")
    assert said.code == 1
    assert "RayService chat has fields that somebody else manages" in said.err
    assert ".spec.serveConfigV2: managed by argocd" in said.err
    assert user.ray_service()["spec"]["serveConfigV2"] == "applications: []"
    assert len(user.revisions()) == 1


def test_what_was_edited_or_deleted_by_hand_is_not_called_exactly_this_and_is_put_right(user):
    user.done("deploy", "--timeout", "90s")
    service = user.ray_service()
    service["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]["image"] = OTHER_IMAGE
    words = ("replace", "-f", "-", "--field-manager=kubectl-edit")
    done = user.plane.kubectl(*words, stdin=json.dumps(service))
    assert done.returncode == 0, done.stderr
    assert user.plane.kubectl("delete", "networkpolicy", "chat", "-n", user.namespace).returncode == 0
    difference = user.infercli("diff", "-o", "json").json
    assert difference["ray_cluster"] == "new"
    assert {(o["kind"], o["what"]) for o in difference["objects"]} == {
        ("RayService", "changed"),
        ("NetworkPolicy", "new"),
    }
    said = user.infercli("deploy", "--timeout", "30s")
    assert said.code == 1
    assert "managed by kubectl-edit" in said.err
    (command,) = (part for part in said.err.split("`") if part.startswith("kubectl ") and " jq " in part)
    jq = shutil.which("jq")
    if jq is not None:
        path = f"{user.plane.binaries}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(["sh", "-c", command], env={**os.environ, "PATH": path}, check=True)
    else:
        held = user.ray_service()
        entries = held["metadata"]["managedFields"]
        held["metadata"]["managedFields"] = [m for m in entries if m["manager"] != "kubectl-edit"]
        done = user.plane.kubectl("replace", "-f", "-", stdin=json.dumps(held))
        assert done.returncode == 0, done.stderr
    user.done("deploy", "--timeout", "90s")
    assert user.done("diff", "-o", "json").json["objects"] == []
    assert "nothing was changed" in user.done("deploy").out
    if jq is None:
        pytest.skip("all but the command that is offered was tried: jq is not installed")


def test_what_is_there_of_somebody_else_by_the_same_name_is_not_taken_over(user):
    made = ("create", "serviceaccount", "chat", "-n", user.namespace)
    assert user.plane.kubectl(*made).returncode == 0
    another = ("label", "serviceaccount", "chat", "-n", user.namespace, "app.kubernetes.io/managed-by=Helm")
    assert user.plane.kubectl(*another).returncode == 0
    before = user.get("/api/v1/namespaces/{namespace}/serviceaccounts/chat")
    for words in (("deploy",), ("deploy", "--dry-run")):
        said = user.infercli(*words)
        assert said.code == 2
        assert (
            f"not of the release chat, and there already in namespace {user.namespace}: serviceaccount/chat" in said.err
        )
    assert user.get("/api/v1/namespaces/{namespace}/serviceaccounts/chat") == before
    assert user.revisions() == []
    (command,) = (part for part in said.err.split("`") if part.startswith("kubectl ") and " label " in part)
    path = f"{user.plane.binaries}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-c", command], env={**os.environ, "PATH": path}, check=True)
    user.done("deploy", "--timeout", "90s")


@pytest.mark.parametrize("missing", ["keys", "token", "claim"])
def test_what_the_user_has_to_provide_is_named_with_the_command_and_nothing_is_recorded(user, missing):
    names = {"keys": "secret/chat-keys", "token": "secret/chat-keys", "claim": "pvc/models"}
    assert user.plane.kubectl("delete", names[missing], "-n", user.namespace).returncode == 0
    if missing == "token":
        words = ("create", "secret", "generic", "chat-keys", "-n", user.namespace, "--from-literal=api-keys=k")
        assert user.plane.kubectl(*words).returncode == 0
    for words in (("deploy",), ("deploy", "--dry-run")):
        said = user.infercli(*words)
        assert said.code == 2, said.err
        words_of = {
            "keys": ("does not exist", f"-n {user.namespace} create secret generic chat-keys --from-literal=api-keys="),
            "token": ("has no operator-token", f"-n {user.namespace} patch secret chat-keys -p "),
            "claim": ("there is no PersistentVolumeClaim `models`", "kubernetes.model_claim"),
        }
        for part in words_of[missing]:
            assert part in said.err
    assert user.revisions() == []
    if missing == "token" and shutil.which("openssl") is not None:
        (command,) = [line.removeprefix("hint: ") for line in said.err.splitlines() if "patch secret" in line]
        assert command.startswith("kubectl --context ")  # not whatever cluster kubectl would choose
        path = f"{user.plane.binaries}{os.pathsep}{os.environ['PATH']}"
        subprocess.run(["sh", "-c", command], env={**os.environ, "PATH": path}, check=True)
        data = user.get(f"/api/v1/namespaces/{user.namespace}/secrets/chat-keys")["data"]
        assert base64.b64decode(data["api-keys"]) == b"k"  # which clients have
        assert len(base64.b64decode(data["operator-token"])) == 48
        user.done("deploy", "--dry-run")


def test_a_release_that_is_looked_for_in_another_namespace_than_its_own_is_found(user, tmp_path):
    user.done("deploy", "--timeout", "90s")
    for words in (("rollback", "chat"), ("delete", "chat", "--yes"), ("status", "chat")):
        said = user.infercli(*words, "-n", "default")
        assert said.code == 2
        assert "there is no release `chat` on namespace default of context admin" in said.err
        assert f"hint: there is one in namespace {user.namespace}: add `-n {user.namespace}`" in said.err
    user.environment.chdir(tmp_path)
    said = user.done("status", "-n", "default")
    assert said.out == "there is no release on this machine, nor on namespace default of context admin\n"
    assert f"`infercli status -n {user.namespace}`" in said.err
    said = user.infercli("rollback", "-n", user.namespace)
    assert (said.code, said.err) == (2, "error: which release?\nhint: name one: chat\n")
    user.act_as("oncall")  # who may not look everywhere
    assert "add `-n" not in user.infercli("status", "chat", "-n", user.namespace).err


def test_a_namespace_or_a_context_that_is_not_there(user):
    for verb in (("deploy",), ("status",), ("rollback", "chat")):
        said = user.infercli(*verb, "-n", "nowhere")
        assert said.code == 2
        assert "there is no namespace `nowhere` in context `admin`" in said.err
    said = user.infercli("status", "chat", "--context", "admn")
    assert said.code == 2
    assert "did you mean `admin`?" in said.err
    said = user.infercli("status", "chat", "--kubeconfig", "missing.yaml")
    assert said.code == 2
    assert "there is no file missing.yaml" in said.err
    user.environment.setenv("KUBECONFIG", str(user.folder / "none"))
    said = user.infercli("status", "chat")
    assert said.code == 2
    assert "there is no kubeconfig" in said.err


def test_an_api_server_that_nobody_answers_for(user, tmp_path):
    content = json.loads(user.plane.kubeconfig().read_text())
    content["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    said = user.infercli("status", "chat", "--kubeconfig", str(tmp_path / "kubeconfig"))
    assert said.code == 1
    assert "cannot be reached at https://127.0.0.1:1: " in said.err
    assert "onnection refused" in said.err


def test_another_clusters_certificate_or_token(user, tmp_path):
    content = json.loads(user.plane.kubeconfig().read_text())
    content["users"][0]["user"]["token"] = "wrong"
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    said = user.infercli("status", "chat", "--kubeconfig", str(tmp_path / "kubeconfig"))
    assert said.code == 1
    assert "does not accept the credentials of context `admin`" in said.err
    del content["clusters"][0]["cluster"]["certificate-authority"]
    (tmp_path / "kubeconfig").write_text(json.dumps(content))
    said = user.infercli("status", "chat", "--kubeconfig", str(tmp_path / "kubeconfig"))
    assert said.code == 1
    assert "the certificate of https://" in said.err


def test_pod_security_that_refuses_the_pods_is_told_and_a_corrected_spec_is_taken_up(user):
    """With KubeRay 1.6 a Ray cluster whose head was refused never reads another spec, unless it is deleted."""
    quota = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "small"},
        "spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]},
    }
    user.plane.api.request("POST", f"/api/v1/namespaces/{user.namespace}/limitranges", quota)
    said = user.infercli("deploy", "--timeout", "20s")
    assert said.code == 5
    assert "maximum memory usage per Container is 1Gi" in said.err
    user.plane.api.request("DELETE", f"/api/v1/namespaces/{user.namespace}/limitranges/small")
    user.write(front={"replicas": 3})
    user.done("deploy", "--timeout", "60s")


def test_without_kuberay_it_is_said_how_to_install_it(own_control_plane, project):
    plane = own_control_plane
    for name in ("rayservices", "rayclusters", "rayjobs", "raycronjobs"):
        plane.kubectl("delete", "crd", f"{name}.ray.io", "--ignore-not-found")
    plane.make_namespace("bare", {})
    project.plane, project.namespace = plane, "bare"
    project.act_as("admin")
    project.write()
    project.provide()
    said = project.infercli("deploy")
    assert said.code == 1
    assert "KubeRay is not installed" in said.err
    assert "helm install kuberay-operator" in said.err
    assert project.revisions() == []


def test_an_api_server_that_restarts_during_a_deploy_is_waited_for(own_control_plane, project, monkeypatch):
    import threading

    from tests.cluster.cluster import Cluster

    plane = own_control_plane
    Cluster(plane).start_all()
    plane.make_namespace("prod", {})
    project.plane, project.namespace = plane, "prod"
    project.act_as("admin")
    project.write()
    project.provide()
    project.done("deploy", "--timeout", "90s")

    def restart() -> None:
        plane.kill("kube-apiserver", signal.SIGKILL)
        plane.restart("kube-apiserver")

    from infercli.actions import steps

    wait = steps.until_running
    timers = []

    def interrupted(*words):
        timers.append(threading.Thread(target=restart))
        timers[0].start()
        wait(*words)

    monkeypatch.setattr(steps, "until_running", interrupted)
    project.write("fp8")
    said = project.infercli("deploy", "--timeout", "120s")
    timers[0].join()
    assert said.code == 0, said.err
    assert [r["progress"]["outcome"] for r in project.revisions()] == ["good", "good"]

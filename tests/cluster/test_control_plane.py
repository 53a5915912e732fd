"""The control plane of the tests is a real one: it validates, authorizes, keeps its data, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.api import ApiError, KubeApi
from tests.cluster.binaries import build
from tests.cluster.control_plane import ControlPlane
from tests.parts.control_plane import binaries
from tests.parts.test_sandbox import running, until

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).parents[2]

RAY_SERVICES = "/apis/ray.io/v1/namespaces/{}/rayservices/{}"


def ray_service(namespace: str, serve_config: str = "applications: []") -> dict:
    template = {"spec": {"containers": [{"name": "ray", "image": "example.test/ray:1"}]}}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {
            "managedBy": "kueue.x-k8s.io/multikueue",  # an operator that runs beside leaves it alone
            "serveConfigV2": serve_config,
            "rayClusterConfig": {"headGroupSpec": {"rayStartParams": {}, "template": template}},
        },
    }


def pod(**security: object) -> dict:
    container = {"name": "c", "image": "example.test/c:1", "securityContext": security}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}


def test_it_starts_within_a_minute_and_is_gone_within_seconds(tmp_path):
    with ControlPlane(binaries(), tmp_path / "warm"):
        pass  # the template is there from now on
    began = time.monotonic()
    with ControlPlane(binaries(), tmp_path / "plane") as plane:
        started = time.monotonic()
        version = plane.api.get("/version")["gitVersion"]
    ended = time.monotonic()
    assert version == build._versions()["k8s.io/kubernetes"]
    assert started - began < 60  # 5 s on an idle machine, 15 s where 18 processes want two cores
    assert ended - started < 5  # 0.1 s
    assert not running(str(tmp_path))


def test_each_user_is_who_the_kubeconfig_says(control_plane):
    for user, groups in (("admin", ["system:masters"]), ("deployer", ["ml-deployers"]), ("nobody", [])):
        said = control_plane.kubectl("auth", "whoami", "-o", "json", user=user)
        about = json.loads(said.stdout)["status"]["userInfo"]
        assert about["username"] == user
        assert about["groups"] == [*groups, "system:authenticated"]


def test_a_wrong_token_is_refused(control_plane):
    api = KubeApi(control_plane.kubeconfig())
    api._token = "wrong"
    with pytest.raises(ApiError) as refused:
        api.get("/api/v1/namespaces")
    assert refused.value.status == 401


def test_a_role_binding_decides_what_a_user_may_do_and_in_which_namespace(control_plane, namespace):
    listing = ("get", "rayservices", "-n", namespace)
    assert "Forbidden" in control_plane.kubectl(*listing, user="deployer").stderr
    for words in (
        ("create", "role", "deploy", "--verb=get,list,patch", "--resource=rayservices.ray.io", "-n", namespace),
        ("create", "rolebinding", "deploy", "--role=deploy", "--group=ml-deployers", "-n", namespace),
    ):
        assert control_plane.kubectl(*words).returncode == 0
    assert control_plane.kubectl(*listing, user="deployer").returncode == 0
    assert "Forbidden" in control_plane.kubectl(*listing, user="oncall").stderr
    assert "Forbidden" in control_plane.kubectl("get", "rayservices", "-n", "default", user="deployer").stderr


def test_server_side_apply_makes_an_object_keeps_it_and_names_who_owns_a_field(control_plane, namespace):
    path = RAY_SERVICES.format(namespace, "chat")
    made = control_plane.api.apply(path, ray_service(namespace), manager="one")
    again = control_plane.api.apply(path, ray_service(namespace), manager="one")
    assert made["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]
    other = json.dumps(ray_service(namespace, "applications: [{}]"))
    words = ("apply", "--server-side", "--field-manager=two", "-f", "-")
    refused = control_plane.kubectl(*words, stdin=other)
    assert refused.returncode != 0
    assert 'conflict with "one": .spec.serveConfigV2' in refused.stderr


def test_an_unknown_field_and_a_missing_one_are_refused(control_plane, namespace):
    path = RAY_SERVICES.format(namespace, "chat")
    unknown = ray_service(namespace)
    unknown["spec"]["nope"] = 1
    with pytest.raises(ApiError, match=r"\.spec\.nope: field not declared in schema"):
        control_plane.api.apply(path, unknown)
    missing = ray_service(namespace)
    del missing["spec"]["rayClusterConfig"]["headGroupSpec"]
    with pytest.raises(ApiError, match="headGroupSpec: Required value"):
        control_plane.api.apply(path, missing)


def test_pod_security_refuses_what_is_not_restricted(control_plane, namespace):
    pods = f"/api/v1/namespaces/{namespace}/pods"
    with pytest.raises(ApiError, match='violates PodSecurity "restricted'):
        control_plane.api.request("POST", pods, pod(privileged=True))
    allowed = pod(
        allowPrivilegeEscalation=False,
        runAsNonRoot=True,
        capabilities={"drop": ["ALL"]},
        seccompProfile={"type": "RuntimeDefault"},
    )
    assert control_plane.api.request("POST", pods, allowed)["metadata"]["name"] == "p"


def test_helm_installs_a_chart_that_asks_for_this_kubernetes(control_plane, namespace, tmp_path):
    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text('{apiVersion: v2, name: c, version: 0.1.0, kubeVersion: ">=1.36.0-0"}')
    (chart / "templates" / "map.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {a: {{ .Values.a | quote }}}\n"
    )
    installed = control_plane.helm("install", "r", str(chart), "-n", namespace, "--set", "a=b")
    assert installed.returncode == 0, installed.stderr
    assert control_plane.api.get(f"/api/v1/namespaces/{namespace}/configmaps/m")["data"] == {"a": "b"}
    offline = control_plane.helm("template", str(chart))
    assert offline.returncode == 0, offline.stderr


def test_data_survives_the_killing_of_the_api_server_and_of_etcd(own_control_plane):
    plane = own_control_plane
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"a": "b"}}
    plane.api.request("POST", "/api/v1/namespaces/default/configmaps", config_map)
    plane.kill("kube-apiserver")
    with pytest.raises(OSError, match="reset"):
        plane.api.get("/readyz", timeout_s=2)
    plane.kill("etcd")
    plane.restart("etcd")
    plane.restart("kube-apiserver")
    plane.wait_api_server()
    assert plane.api.get("/api/v1/namespaces/default/configmaps/kept")["data"] == {"a": "b"}


@pytest.mark.slow
def test_no_process_survives_when_the_one_that_started_the_cluster_is_killed(tmp_path):
    binaries()
    directory = tmp_path / "by-hand"
    by_hand = subprocess.Popen(
        [sys.executable, "-m", "tests.cluster", str(directory)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert by_hand.stdout is not None
    assert by_hand.stdout.readline().startswith("export KUBECONFIG=")
    assert len(running(str(directory))) >= 7  # etcd, four of Kubernetes, kwok, operator, the stand-in, itself
    os.kill(by_hand.pid, signal.SIGKILL)
    by_hand.wait()
    by_hand.stdout.close()
    assert until(lambda: not running(str(directory))), running(str(directory))

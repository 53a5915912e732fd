"""The rendered objects before a real API server, controller manager, scheduler and KubeRay operator."""

from __future__ import annotations

import json
import time

import pytest

from infercli.core.documents.deployment import Kubernetes
from infercli.core.documents.profile import NodeGroup
from infercli.render.names import serve_service
from infercli.render.objects import objects, to_yaml
from infercli.render.serve_config import KUBERNETES, serve_config, serve_config_text
from tests.cluster.release_project import CLAIM
from tests.render.examples import CODE, IMAGE, deployed, engine, plan, profile
from tests.render.golden_cases import CASES, golden_objects
from tests.render.test_bench_job import rendered as benchmark

pytestmark = pytest.mark.cluster

USER_MAKES = (
    CLAIM
    + """\
---
apiVersion: v1
kind: Secret
metadata: {{name: chat-keys, namespace: {namespace}}}
stringData: {{api-keys: example, operator-token: example}}
"""
)


def moved(rendered, namespace):
    for item in rendered:
        item["metadata"]["namespace"] = namespace
    return rendered


def on_l4(*, max_model_len=8192, replicas=1):
    """A release on the cluster's node with four L4."""
    hardware = profile(
        nodes=(NodeGroup(count=1, gpus=4),), node_selector={"nvidia.com/gpu.product": "NVIDIA-L4"}, tolerations=()
    )
    spec = engine(engine_args={"tensor_parallel_size": 1, "max_model_len": max_model_len})
    the_plan = plan(kubernetes=Kubernetes(image=IMAGE), spec=spec, hardware=hardware, replicas=replicas)
    one = deployed(spec, replicas)
    config = serve_config(the_plan.front, [one], 1000, {one.app: 100}, layout=KUBERNETES)
    return objects(the_plan, "moved below", CODE, serve_config_text(config))


@pytest.fixture
def apply(control_plane, namespace):
    def apply(rendered, *options, user="admin"):
        command = ("apply", "--server-side", "--field-manager=infercli", "--validate=strict", *options, "-f", "-")
        return control_plane.kubectl(*command, user=user, stdin=to_yaml(moved(rendered, namespace)))

    return apply


@pytest.fixture
def read(control_plane, namespace):
    def read(what, *words):
        done = control_plane.kubectl("get", what, *words, "-n", namespace, "-o", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return read


@pytest.mark.parametrize("case", CASES)
def test_the_api_server_accepts_the_examples_with_strict_validation(case, apply):
    done = apply(golden_objects(case), "--dry-run=server")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert done.stdout.count("serverside-applied") == len(golden_objects(case))


def test_a_benchmarks_job_is_accepted_with_strict_validation_and_pod_security_has_nothing_to_say(apply):
    done = apply(benchmark(), "--dry-run=server")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert done.stdout.count("serverside-applied") == 3

    loose = benchmark()
    del loose[0]["spec"]["template"]["spec"]["containers"][0]["securityContext"]
    assert "would violate PodSecurity" in apply(loose, "--dry-run=server").stderr


def test_strict_validation_would_have_said_no(apply):
    wrong = golden_objects("l4-awq")
    wrong[-1]["spec"]["rayClusterConfig"]["headGroupSpecs"] = {}
    assert apply(wrong, "--dry-run=server").returncode != 0


def test_under_pod_security_restricted_a_release_comes_up_and_can_be_changed(
    cluster, control_plane, namespace, apply, read
):
    assert control_plane.kubectl("apply", "-f", "-", stdin=USER_MAKES.format(namespace=namespace)).returncode == 0
    assert apply(on_l4(replicas=2)).returncode == 0
    service = cluster.wait_serving(namespace, "chat")

    pods = read("pods", "-l", "app.kubernetes.io/instance=chat")["items"]
    components = sorted(pod["metadata"]["labels"]["app.kubernetes.io/component"] for pod in pods)
    assert components == ["engine", "engine", "front", "front", "head"]
    engines = [p for p in pods if p["metadata"]["labels"]["app.kubernetes.io/component"] == "engine"]
    assert {p["spec"]["nodeName"] for p in engines} == {"l4-0"}
    assert serve_service("chat") in [s["metadata"]["name"] for s in read("services")["items"]]

    # The budgets can be counted, so a drain is neither blocked for ever nor unlimited.
    wait_until(lambda: {b["status"]["disruptionsAllowed"] for b in read("pdb")["items"]} == {1})
    allowed = {b["metadata"]["name"]: b["status"]["expectedPods"] for b in read("pdb")["items"]}
    assert allowed == {"chat-front": 2, "chat-engine": 2}

    # The operator has written to the object meanwhile. Neither the same nor a changed one is a conflict with it.
    same = apply(on_l4(replicas=2))
    assert same.returncode == 0, same.stderr
    assert cluster.ray_service(namespace, "chat")["metadata"]["generation"] == service["metadata"]["generation"]
    changed = apply(on_l4(replicas=2, max_model_len=4096))
    assert changed.returncode == 0, changed.stderr
    before = service["status"]["activeServiceStatus"]["rayClusterName"]
    wait_until(lambda: seen(cluster.ray_service(namespace, "chat")))
    after = cluster.ray_service(namespace, "chat")
    assert after["status"]["activeServiceStatus"]["rayClusterName"] == before
    assert not (after["status"].get("pendingServiceStatus") or {}).get("rayClusterName")


def seen(service):
    return service["status"]["observedGeneration"] >= service["metadata"]["generation"]


def wait_until(true, timeout_s=30):
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.2)

"""`infercli bench --in-cluster` as users type it: real API server, controllers, scheduler; the pod is a process."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from infercli.adapters.cluster import client as cluster_module
from infercli.core.bench.result import BenchResult, recompute
from tests.cluster.components import bench_log
from tests.cluster.job_pods import JobPods
from tests.cluster.release_project import Project
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer

pytestmark = pytest.mark.cluster

CHART = Path(__file__).parents[2] / "charts" / "infercli-platform"
LONG = ("bench", "chat", "--in-cluster", "--duration", "60s", "--concurrency", "2", "--max-tokens", "8")
BENCH = ("bench", "chat", "--in-cluster", "--requests", "12", "--concurrency", "3", "--max-tokens", "8")


@pytest.fixture
def user(cluster, project) -> Project:
    """A user of a cluster with a release that serves."""
    project.provide()
    project.done("deploy", "--timeout", "90s")
    return project


@pytest.fixture
def endpoint():
    # The client may read half a gap late: 20 ms, which a machine that also runs a control plane may well take.
    with FakeOpenAiServer(Behaviour(tokens=6, itl_s=0.04), model="chat", api_key="key-1") as server:
        yield server


@pytest.fixture
def kubelet(user, endpoint, tmp_path):
    plane = user.plane
    directory = tmp_path / "pod"
    directory.mkdir()
    with JobPods(plane.api, directory, bench_log(plane.directory), endpoint.url) as playing:
        yield playing


def left(user):
    kinds = "jobs,configmaps,secrets,pods"
    listed = user.plane.kubectl("get", kinds, "-n", user.namespace, "-o", "name").stdout.split()
    return [name for name in listed if "bench" in name]


def test_a_release_is_measured_from_a_pod_beside_it_and_nothing_is_left(user, kubelet, endpoint):
    before_ns = time.monotonic_ns()
    said = user.done(*BENCH, "-o", "json")
    result = BenchResult.model_validate_json((user.folder / "result.json").read_text())
    (stage,) = result.stages
    served = endpoint.completion_requests
    assert kubelet.asked_for == [f"http://chat-serve-svc.{user.namespace}.svc:8000"]
    assert (stage.metrics.answered, stage.metrics.output_tokens, len(served)) == (12, 72, 16)  # four to warm up
    assert all(s.headers["authorization"] == "Bearer key-1" for s in served)
    assert (result.target.release, result.target.model, result.target.url) == ("chat", "chat", kubelet.asked_for[0])
    assert recompute(result) == result.stages
    assert result.telemetry is None
    assert result.telemetry_reason
    # On this machine's clock, so that what was scraped from here can be laid beside.
    assert before_ns < result.origin_monotonic_ns < time.monotonic_ns()
    assert "start Job chat-bench-" in said.err
    assert json.loads(said.out)["stages"][0]["metrics"]["answered"] == 12
    assert left(user) == []


def test_the_chart_lets_deployers_measure_and_on_call_only_look(user, kubelet):
    values = {
        "namespace": {"name": user.namespace, "create": False},
        "deployers": [{"kind": "Group", "name": "ml-deployers"}],
        "oncall": [{"kind": "Group", "name": "ml-oncall"}],
    }
    words = ("install", "platform", str(CHART), "--namespace", user.namespace, "--values", "-")
    assert user.plane.helm(*words, stdin=json.dumps(values)).returncode == 0
    try:
        user.act_as("oncall")
        refused = user.infercli(*BENCH)
        assert refused.code == 1
        assert "not allowed to create Job chat-bench-" in refused.err
        assert "deployers" in refused.err
        user.act_as("deployer")
        user.done(*BENCH)
    finally:
        user.plane.helm("uninstall", "platform", "--namespace", user.namespace)
    assert left(user) == []


def test_an_image_that_cannot_be_pulled_is_told_and_given_up(user, monkeypatch):
    from infercli.actions import bench_in_cluster
    from infercli.render import bench_job

    monkeypatch.setattr(bench_in_cluster, "STUCK_S", 1.0)
    no_such = "registry.example/no-such@sha256:" + "3" * 64
    real = bench_job.Rendering.image
    monkeypatch.setattr(bench_job.Rendering, "image", property(lambda _: no_such))
    said = user.infercli(*BENCH)
    monkeypatch.setattr(bench_job.Rendering, "image", real)
    assert said.code == 1
    assert "ImagePullBackOff" in said.err
    assert "image_pull_secrets" in said.err
    assert left(user) == []


def test_a_pod_that_the_quota_refuses_is_told_in_the_api_servers_words(user, monkeypatch):
    from infercli.actions import bench_in_cluster

    monkeypatch.setattr(bench_in_cluster, "STUCK_S", 1.0)
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "small"},
        "spec": {"hard": {"requests.cpu": "1"}},
    }
    user.plane.api.request("POST", f"/api/v1/namespaces/{user.namespace}/resourcequotas", quota)
    said = user.infercli(*BENCH)
    assert said.code == 1
    assert "exceeded quota: small" in said.err
    assert left(user) == []


def test_a_pod_that_was_killed_for_memory_says_so(user, kubelet, monkeypatch):
    monkeypatch.setattr(cluster_module, "QUIET_S", 2.0)  # kwok's log never ends by itself

    def kill(line):
        if '"progress"' in line:
            os.killpg(kubelet.process.pid, signal.SIGKILL)  # as the kernel does: all of the container

    kubelet.on_line = kill
    said = user.infercli(*LONG)
    assert said.code == 1
    assert "took more memory than its limit and was killed" in said.err
    assert "lower the load" in said.err
    assert left(user) == []


def test_ctrl_c_keeps_what_was_measured_and_takes_the_job_away(user, kubelet):
    lines = []

    def interrupt(line):
        lines.append(line)
        if sum('"progress"' in each for each in lines) == 2:
            lines.append('"progress"')
            os.kill(os.getpid(), signal.SIGINT)

    kubelet.on_line = interrupt
    said = user.infercli(*LONG)
    assert said.code == 130, said.err
    (stage,) = BenchResult.model_validate_json((user.folder / "result.json").read_text()).stages
    assert stage.interrupted
    assert stage.metrics.answered > 0
    assert left(user) == []


def test_a_url_is_no_release_and_without_the_option_the_way_is_shown(user):
    said = user.infercli("bench", "http://127.0.0.1:9", "--in-cluster")
    assert said.code == 2
    assert "--in-cluster measures a release" in said.err
    said = user.infercli("bench", "chat")
    assert said.code == 2
    assert said.err.index("`infercli bench chat --in-cluster`") < said.err.index("port-forward")

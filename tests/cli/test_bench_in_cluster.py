from __future__ import annotations

import base64
import time

import pytest

from infercli.actions.steps import World
from infercli.adapters.clock import SystemClock
from infercli.adapters.cluster.platform import ClusterPlatform
from infercli.cli.bench_in_cluster import check, run_in_cluster
from infercli.cli.endpoint import Aim
from infercli.core.bench.levels import BenchRun, Levels
from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import single
from infercli.core.load.sending import Sending
from infercli.core.release import EngineDeployment, Entry, Progress, Revision
from infercli.errors import ExitCode, InputError
from tests.core.bench.test_sweep import users
from tests.fakes.job_cluster import FakeJobCluster
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer
from tests.fakes.platform import Quiet
from tests.render.examples import engine, front, plan

LEVELS = Levels(shared={"requests": 5, "max_tokens": 4}, levels=({"concurrency": 2},))


class Store:
    def entries(self, name):
        made = plan()
        revision = Revision(
            name=name, number=1, action="deploy", created_at="2026-01-02T03:04:05Z", created_by="a test",
            infercli_version="0", target="kubernetes", front=front(), plan=made,
            engine=EngineDeployment(app="chat-1", spec=engine(), replicas=1),
        )  # fmt: skip
        return [Entry(revision=revision, progress=Progress(outcome="good"))]


@pytest.fixture
def cluster(tmp_path):
    made = FakeJobCluster(tmp_path, **{"chat-keys": {"api-keys": base64.b64encode(b"key-1").decode()}})
    yield made
    made.close()


def aim(cluster, url="http://chat-serve-svc.chat-ns.svc:8000"):
    world = World(ClusterPlatform(cluster, "chat", "chat-keys"), Store(), SystemClock(), Quiet(), lambda *_: None)
    return Aim(parse_endpoint(url), None, "tiny", "chat", world)


def measured(aim, **how):
    how = {"on_level": lambda _level, _number: None, "on_progress": lambda _: None, "workers": None} | how
    return run_in_cluster(aim, LEVELS, "chat", Sending(conversations=(single("hello"),), source="a test"), **how)


def test_a_release_is_measured_with_its_own_image_and_keys_and_its_levels_are_told(cluster):
    told = []
    with FakeOpenAiServer(Behaviour(tokens=3), api_key="key-1") as server:
        run = measured(aim(cluster, server.url), on_level=lambda level, number: told.append((level.load, number)))
    assert (run.stages[0].metrics.answered, run.stages[0].metrics.output_tokens) == (5, 15)
    assert told == [(run.stages[0].load, 0)]
    assert ("create", "Job") in cluster.asked


def test_the_run_begins_on_the_clock_of_this_machine_and_not_on_that_of_the_pods_node(cluster, monkeypatch):
    def elsewhere(bench, clock, watcher, on_event):
        time.sleep(0.05)
        on_event("level", {"number": 0, "load": LEVELS.next([]).load.model_dump(mode="json"), "why": None})
        time.sleep(0.05)
        on_event("progress", {"warmup": False, "done": 1, "failed": 0, "total": 5, "elapsed_s": 1, "output_tokens": 4})
        stages = (users(2, most=8),)
        return BenchRun(started_at="2026-01-02T03:04:05Z", origin_monotonic_ns=7, stages=stages)

    monkeypatch.setattr("infercli.actions.bench_in_cluster.bench_in_cluster", elsewhere)
    before, seen = time.monotonic_ns(), []
    run = measured(aim(cluster), on_level=lambda *_: seen.append(time.monotonic_ns()), on_progress=seen.append)
    assert before + 50_000_000 <= run.origin_monotonic_ns <= seen[0]
    assert seen[1].output_tokens == 4


def test_from_outside_the_way_to_a_release_names_its_cluster(infercli, cluster, monkeypatch):
    monkeypatch.setattr("infercli.cli.benching.aim_at", lambda *_: aim(cluster))
    ran = infercli("bench", "chat")
    assert ran.code == ExitCode.USAGE
    assert f"`{cluster.kubectl} port-forward service/chat-serve-svc 8000`" in " ".join(ran.err.split())


def test_what_no_job_can_measure_is_refused_with_what_to_type(infercli, cluster):
    ran = infercli("bench", "http://127.0.0.1:9", "--in-cluster")
    assert ran.code == ExitCode.USAGE
    assert "--in-cluster measures a release" in ran.err
    with pytest.raises(InputError, match="chat runs on this machine") as refused:
        check(aim(cluster, "http://127.0.0.1:8000"))
    assert "`infercli bench chat`" in refused.value.hint

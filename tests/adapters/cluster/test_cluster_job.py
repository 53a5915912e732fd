"""The Job as the adapter makes, sees and reads it. The rendered container runs as a process, with its own mounts."""

from __future__ import annotations

import base64

import pytest

from infercli.actions.bench_in_cluster import bench_in_cluster
from infercli.adapters.clock import SystemClock
from infercli.adapters.cluster.client import QUIET_S, Cluster
from infercli.adapters.cluster.job import ClusterJob
from infercli.adapters.cluster.requests import Requests
from infercli.adapters.files import package_sources
from infercli.core.bench.job import BenchJob
from infercli.core.bench.levels import Levels
from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import single
from infercli.core.load.sending import Sending
from infercli.core.release.observed import JobState
from infercli.errors import ClusterError, EndpointError, InputError
from infercli.loadgen import Target, run_levels
from infercli.render.bench_app import bench_app
from infercli.render.bench_job import bench_objects
from tests.fakes.job_cluster import FakeJobCluster
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer
from tests.fakes.platform import Quiet
from tests.render.examples import plan

pytestmark = pytest.mark.slow  # all of them together; each waits for servers most of the time

KEYS = {"api-keys": base64.b64encode(b"key-1\n").decode(), "operator-token": base64.b64encode(b"token").decode()}
LEVELS = Levels(shared={"requests": 10, "max_tokens": 8}, levels=({"concurrency": 2}, {"concurrency": 5}))
SENT = Sending(conversations=tuple(single(f"prompt {i}") for i in range(4)), source="a test")


def objects(url="http://127.0.0.1:9", levels=LEVELS):
    job = BenchJob(url=url, model="tiny", api="chat", levels=levels, sending=SENT)
    return bench_objects(plan(), FakeJobCluster.namespace, bench_app(package_sources()), job)


@pytest.fixture
def cluster(tmp_path):
    made = FakeJobCluster(tmp_path, **{"chat-keys": dict(KEYS)})
    yield made
    made.close()


def left_of(cluster):
    return {name for _, _, name in cluster.objects}


def test_what_was_rendered_runs_and_measures_what_a_run_from_here_measures(cluster):
    events = []
    with FakeOpenAiServer(Behaviour(tokens=7), api_key="key-1") as server:
        job = ClusterJob(cluster, objects(server.url))
        there = bench_in_cluster(job, SystemClock(), Quiet(), lambda name, value: events.append((name, value)))
        sent_there = [s.body for s in server.completion_requests]
        target = Target(parse_endpoint(server.url), "tiny", api_key="key-1")
        here = run_levels(LEVELS, target, SENT)
        sent_here = [s.body for s in server.completion_requests][len(sent_there) :]
    assert sorted(map(str, sent_there)) == sorted(map(str, sent_here))
    assert [s.load for s in there.stages] == [s.load for s in here.stages]

    def counts(run):
        return [(s.metrics.answered, s.metrics.output_tokens, s.metrics.token_check) for s in run.stages]

    assert counts(there) == counts(here)
    assert [t.answered for t in there.stages[0].traces] == [True] * 10
    assert [value["number"] for name, value in events if name == "level"] == [0, 1]
    assert left_of(cluster) == {"chat-keys"}


def test_an_endpoint_that_refuses_is_measured_and_one_that_is_not_there_is_an_error(cluster):
    with FakeOpenAiServer(Behaviour(), api_key="another") as server:
        run = bench_in_cluster(
            ClusterJob(cluster, objects(server.url)), SystemClock(), Quiet(), lambda _name, _value: None
        )
    assert run.stages[0].metrics.errors == {"http 401": 10}
    cluster.process = None
    sources = package_sources()
    path = "infercli/loadgen/job.py"
    sources[path] = sources[path].replace(b"_REACH_S = 30.0", b"_REACH_S = 0.0")
    nobody = BenchJob(url="http://127.0.0.1:9", model="tiny", api="chat", levels=LEVELS, sending=SENT)
    rendered = bench_objects(plan(), cluster.namespace, bench_app(sources), nobody)
    with pytest.raises(EndpointError, match=r"http://127\.0\.0\.1:9 cannot be reached from the Job's pod") as failed:
        bench_in_cluster(ClusterJob(cluster, rendered), SystemClock(), Quiet(), lambda _name, _value: None)
    assert "NetworkPolicy" in failed.value.hint
    assert left_of(cluster) == {"chat-keys"}


def test_ctrl_c_ends_the_pod_and_brings_what_it_measured(cluster):
    levels = Levels(shared={"duration_s": 60.0, "max_tokens": 4}, levels=({"concurrency": 2},))

    def interrupted(name, value):
        if name == "progress" and value["done"] >= 4:
            raise KeyboardInterrupt

    with FakeOpenAiServer(Behaviour(tokens=4, itl_s=0.02), api_key="key-1") as server:
        job = ClusterJob(cluster, objects(server.url, levels))
        run = bench_in_cluster(job, SystemClock(), Quiet(), interrupted)
    assert run.stages[0].interrupted
    assert run.stages[0].metrics.answered >= 4
    assert cluster.process.wait(10) == 0
    assert left_of(cluster) == {"chat-keys"}


def test_config_map_and_secret_go_with_the_job_when_nobody_is_left_to_delete_them(cluster):
    cluster.pod_status = {"phase": "Pending"}
    job = ClusterJob(cluster, objects())
    job.start()
    name = job.name
    owners = {
        kind: cluster.objects["v1", kind, name]["metadata"]["ownerReferences"] for kind in ("ConfigMap", "Secret")
    }
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": "uid-of-Job"}
    assert owners == {"ConfigMap": [owner], "Secret": [owner]}
    job.remove()
    job.remove()
    assert left_of(cluster) == {"chat-keys"}


def test_what_a_killed_command_left_is_replaced_and_what_still_runs_is_not_touched(cluster):
    cluster.pod_status = {"phase": "Pending"}
    ClusterJob(cluster, objects()).start()
    again = ClusterJob(cluster, objects())
    with pytest.raises(ClusterError, match="the same benchmark runs already") as refused:
        again.start()
    again.remove()
    assert f"delete job {again.name}" in refused.value.hint
    assert again.name in left_of(cluster)
    held = cluster.objects["batch/v1", "Job", again.name]
    held["status"] = {"startTime": "2026-01-02T03:04:05Z", "conditions": [{"type": "Failed", "status": "False"}]}
    with pytest.raises(ClusterError, match="since 2026-01-02T03:04:05Z"):
        again.start()
    held["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
    again.start()
    again.remove()
    assert left_of(cluster) == {"chat-keys"}


@pytest.mark.parametrize("verb", ["read", "create"])
def test_who_may_not_run_jobs_is_told_who_may_and_leaves_nothing(cluster, verb):
    cluster.forbidden = {(verb, "Job")}
    job = ClusterJob(cluster, objects())
    with pytest.raises(ClusterError, match=f"not allowed to {verb} Job") as refused:
        bench_in_cluster(job, SystemClock(), Quiet(), lambda _name, _value: None)
    assert "deployers" in refused.value.hint
    assert "newest version" in refused.value.hint
    assert left_of(cluster) == {"chat-keys"}


def test_keys_that_are_missing_are_named_before_a_pod_waits_for_them(cluster):
    cluster.objects["v1", "Secret", "chat-keys"]["data"].pop("api-keys")
    with pytest.raises(InputError, match="Secret `chat-keys` in namespace chat-ns has no api-keys"):
        ClusterJob(cluster, objects()).start()
    assert left_of(cluster) == {"chat-keys"}


def terminated(reason, code, **status):
    state = {"terminated": {"reason": reason, "exitCode": code}}
    return {"phase": "Failed", "containerStatuses": [{"state": state}], **status}


def waiting(reason, message):
    return {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": reason, "message": message}}}]}


UNPLACED = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
DRAINED = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}


@pytest.mark.parametrize(
    ("status", "seen"),
    [
        ({"phase": "Pending"}, JobState("waiting")),
        (waiting("ContainerCreating", ""), JobState("waiting")),
        (
            {"phase": "Pending", "conditions": [UNPLACED]},
            JobState("waiting", ("Unschedulable: 0/3 nodes are available",)),
        ),
        (
            waiting("ImagePullBackOff", "Back-off pulling image"),
            JobState("waiting", ("ImagePullBackOff: Back-off pulling image",), stuck=True),
        ),
        ({"phase": "Running"}, JobState("running")),
        (terminated("OOMKilled", 137), JobState("ended", ended="memory", message="OOMKilled, code 137")),
        (terminated("Error", 1), JobState("ended", ended="failed", message="Error, code 1")),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
            JobState("ended", ended="evicted", message="Evicted: The node was low on resource: memory."),
        ),
        (
            terminated("Error", 143, conditions=[DRAINED]),
            JobState("ended", ended="evicted", message="Error, code 143"),
        ),
        (
            {"phase": "Failed", "reason": "NodeLost", "message": "Node cpu-1 is unresponsive"},
            JobState("ended", ended="gone", message="NodeLost: Node cpu-1 is unresponsive"),
        ),
        (
            {**terminated("Completed", 0), "phase": "Succeeded"},
            JobState("ended", ended="done", message="Completed, code 0"),
        ),
    ],
    ids=lambda value: value.ended or value.step if isinstance(value, JobState) else "",
)
def test_how_a_pod_stands_is_said_in_kubernetes_words(cluster, status, seen):
    cluster.pod_status = status
    job = ClusterJob(cluster, objects())
    job.start()
    assert job.look() == seen


def test_a_pod_that_its_jobs_deadline_ended_is_told_from_one_that_failed_by_itself(cluster):
    cluster.pod_status = terminated("Error", 143)
    job = ClusterJob(cluster, objects())
    job.start()
    held = cluster.objects["batch/v1", "Job", job.name]
    late = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "Job was active too long"}
    held["status"] = {"conditions": [late]}
    assert job.look() == JobState("ended", ended="deadline", message="Job was active too long")
    held["status"] = {"conditions": [{**late, "reason": "BackoffLimitExceeded"}]}
    assert job.look() == JobState("ended", ended="failed", message="Error, code 143")


def test_a_deadline_a_refused_pod_and_a_deleted_job_are_told_apart(cluster):
    cluster.pods = False
    job = ClusterJob(cluster, objects())
    job.start()
    assert job.look() == JobState("waiting")
    quota = 'pods "chat-bench-1-x" is forbidden: exceeded quota: cpus'
    cluster.events = [{"reason": "FailedCreate", "message": quota}, {"reason": "FailedCreate", "message": quota}]
    assert job.look() == JobState("waiting", (quota,), stuck=True)
    held = cluster.objects["batch/v1", "Job", job.name]
    late = {"type": "Failed", "status": "True", "reason": "DeadlineExceeded", "message": "Job was active too long"}
    held["status"] = {"conditions": [late]}
    assert job.look() == JobState("ended", ended="deadline", message="Job was active too long")
    del cluster.objects["batch/v1", "Job", job.name]
    assert job.look() == JobState("ended", ended="gone", message="the Job was deleted")
    with pytest.raises(ClusterError, match="has no pod"):
        job.log()


class Streamed:
    """An answer of the API server that comes in parts."""

    def __init__(self, *parts):
        self.parts, self.closed = parts, False

    def stream(self):
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part

    def close(self):
        self.closed = True


class OneAnswer:
    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def request(self, method, path, **words):
        self.asked.append((method, path, words))
        return self.answer


def test_a_followed_log_is_whole_lines_however_it_comes_and_its_connection_is_given_up():
    answer = Streamed(b"first li", b"ne\nsecond\nthi", "rd \u00e9".encode()[:-1], b"\xa9", b"\nrest")
    client = OneAnswer(answer)
    lines = Cluster(Requests(client), "c", "n", "s").follow_log("a-pod", "bench")
    ((method, path, words),) = client.asked  # asked before a line is read
    assert (method, path) == ("get", "/api/v1/namespaces/n/pods/a-pod/log")
    assert ("follow", "true") in words["query_params"]
    assert words["_request_timeout"][1] == QUIET_S
    assert list(lines) == ["first line", "second", "third \u00e9", "rest"]
    assert answer.closed


def test_a_log_that_breaks_off_says_so_and_one_that_is_left_is_closed():
    from urllib3.exceptions import ProtocolError

    broken = Streamed(b"one\n", ProtocolError("Connection broken"))
    lines = Cluster(Requests(OneAnswer(broken)), "c", "n", "s").follow_log("a-pod", "bench")
    assert next(lines) == "one"
    with pytest.raises(ClusterError, match="closed the connection"):
        next(lines)
    assert broken.closed
    left = Streamed(b"one\n", b"two\n")
    lines = Cluster(Requests(OneAnswer(left)), "c", "n", "s").follow_log("a-pod", "bench")
    next(lines)
    lines.close()
    assert left.closed

"""Releases as a user types them, on a real API server with the real operator; the stand-in plays Ray and the front."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading

import pytest
import yaml

from tests.cluster.release_project import IMAGE, NO_SUCH_IMAGE, OTHER_IMAGE, Project
from tests.cluster.sample import eventually
from tests.cluster.standin.serve import Fault

pytestmark = pytest.mark.cluster


@pytest.fixture
def user(cluster, project) -> Project:
    """A user of a cluster with all that a release needs."""
    project.provide()
    return project


def engine_of(said) -> str:
    return said.json["engine"]


def deploy(user, quantization="awq", *words, **changes) -> str:
    user.write(quantization, **changes)
    return engine_of(user.done("deploy", "-o", "json", "--timeout", "90s", *words))


def application(user, name) -> dict:
    held = yaml.safe_load(user.ray_service()["spec"]["serveConfigV2"])
    return next(a for a in held["applications"] if a["name"] == name)


def replicas(user, app) -> int:
    return application(user, app)["deployments"][0]["num_replicas"]


def test_a_release_comes_up_answers_and_is_recorded(user):
    app = deploy(user)
    assert user.weights() == {app: 100}
    assert (
        user.plane.api.fetch(
            "POST",
            f"/api/v1/namespaces/{user.namespace}/services/chat-serve-svc:serve/proxy/v1/chat/completions",
            {"model": "chat", "messages": [{"role": "user", "content": "Who?"}]},
            {"X-Infercli-Operator-Token": "token-1"},
        )[0]
        == 200
    )
    status = user.done("status", "chat", "-o", "json").json
    assert (status["state"], status["revision"], status["drift"]) == ("serving", 1, [])
    assert status["endpoint"] == f"http://chat-serve-svc.{user.namespace}.svc:8000"
    assert [(e["app"], e["status"], e["quantization"]) for e in status["engines"]] == [(app, "RUNNING", "awq")]
    (record,) = user.revisions()
    assert record["progress"]["outcome"] == "good"
    assert record["secret"]["immutable"] is True
    leases = user.get("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases")["items"]
    assert leases == []


def test_a_saved_plan_runs_as_it_was_reviewed_and_nowhere_else(user):
    user.write("awq", kubernetes={"namespace": None})
    user.done("plan", "--save", "plan.json", "-n", user.namespace)
    elsewhere = user.infercli("deploy", "--plan", "plan.json", "-n", "default")
    assert elsewhere.code == 2
    assert "infercli plan --save plan.json -n default" in elsewhere.err
    reviewed = json.loads((user.folder / "plan.json").read_text())
    said = user.done("deploy", "--plan", "plan.json", "-n", user.namespace, "-o", "json", "--timeout", "90s")
    assert user.weights() == {engine_of(said): 100}
    (record,) = user.revisions()
    assert record["revision"]["plan"]["digest"] == reviewed["digest"]


def test_another_quantization_comes_up_beside_in_the_same_ray_cluster_and_rollback_shifts_back(user):
    first = deploy(user)
    ray_cluster = user.ray_service()["status"]["activeServiceStatus"]["rayClusterName"]
    second = deploy(user, "fp8", "--reason", "half the memory")
    assert user.weights() == {first: 0, second: 100}
    assert user.ray_service()["status"]["activeServiceStatus"]["rayClusterName"] == ray_cluster
    assert not (user.ray_service()["status"].get("pendingServiceStatus") or {}).get("rayClusterName")

    back = user.done("rollback", "chat", "-o", "json").json
    assert (back["to"], back["is_shift"], back["engine"]) == (1, True, first)
    assert user.weights() == {first: 100}
    history = user.done("history", "chat", "-o", "json").json["revisions"]
    assert [r["standing"] for r in history] == ["superseded", "rolled back", "serving"]
    assert history[1]["reason"] == "half the memory"
    again = user.infercli("rollback", "chat")
    assert again.code == 2
    assert "no revision of `chat` was good before" in again.err


def test_outside_its_folder_a_release_is_asked_with_the_keys_that_its_record_names(user, tmp_path):
    words = ("secret", "chat-keys", "-n", user.namespace)
    assert user.plane.kubectl("delete", *words).returncode == 0
    kept = ("--from-literal=api-keys=key-1", "--from-literal=operator-token=token-1")
    assert user.plane.kubectl("create", "secret", "generic", "team-keys", *words[2:], *kept).returncode == 0
    first = deploy(user, kubernetes={"keys_secret": "team-keys"})
    deploy(user, "fp8", kubernetes={"keys_secret": "team-keys"})
    user.environment.chdir(tmp_path)
    assert user.done("status", "chat", "-n", user.namespace, "-o", "json").json["state"] == "serving"
    user.done("rollback", "chat", "-n", user.namespace)
    assert user.weights() == {first: 100}

    assert user.plane.kubectl("delete", "secret", "team-keys", *words[2:]).returncode == 0
    blind = user.infercli("status", "chat", "-n", user.namespace, "-o", "json")
    assert (blind.code, blind.json["state"]) == (4, "unknown")
    assert f"Secret `team-keys` in namespace {user.namespace} does not exist" in blind.json["summary"]
    assert "create secret generic team-keys" in blind.json["next"]


def test_the_front_is_asked_with_the_keys_that_it_has_while_a_revision_with_others_comes_and_goes(user):
    first = deploy(user)
    kept = ("--from-literal=api-keys=key-2", "--from-literal=operator-token=token-2")
    done = user.plane.kubectl("create", "secret", "generic", "team-keys", "-n", user.namespace, *kept)
    assert done.returncode == 0
    second = deploy(user, "fp8", kubernetes={"keys_secret": "team-keys"})
    assert user.weights()[second] == 100
    user.done("rollback", "chat", "--timeout", "90s")
    assert user.weights() == {first: 100}
    assert user.done("status", "chat", "-o", "json").json["state"] == "serving"


def budgets(user):
    found = user.get(f"/apis/policy/v1/namespaces/{user.namespace}/poddisruptionbudgets")
    return {item["metadata"]["name"] for item in found["items"]}


def test_replicas_and_the_front_are_taken_back_too(user):
    app = deploy(user)
    deploy(user, replicas=2, front={"replicas": 3})
    assert (replicas(user, app), replicas(user, "front")) == (2, 3)
    assert budgets(user) == {"chat-front", "chat-engine"}
    back = user.done("rollback", "chat", "-o", "json").json
    assert (back["to"], back["is_shift"]) == (1, True)
    assert (replicas(user, app), replicas(user, "front")) == (1, 2)
    assert budgets(user) == {"chat-front"}  # one for engines would forbid every drain of the only one's node
    assert user.weights() == {app: 100}
    # Ray calls an engine DEPLOYING while it takes a replica away, for which nobody has to wait.
    assert eventually(lambda: user.infercli("status", "chat", "-o", "json").json["state"] == "serving")
    status = user.done("status", "chat", "-o", "json").json
    assert (status["revision"], status["drift"]) == (3, [])
    assert "serves already" in user.done("rollback", "chat", "--to", "1").out
    forward = user.done("rollback", "chat", "--to", "2", "--timeout", "60s")
    assert "whose replicas do not all run: those missing are started" in forward.err
    assert (replicas(user, app), replicas(user, "front")) == (2, 3)


def test_what_lives_is_what_the_newest_record_composes_to(user):
    deploy(user)
    deploy(user, "fp8")
    newest = user.revisions()[-1]
    live = user.ray_service()
    recorded = next(o for o in newest["revision"]["objects"] if o["kind"] == "RayService")
    for key, value in recorded["spec"].items():
        assert live["spec"][key] == value, key
    assert set(live["spec"]) == {*recorded["spec"], "serveConfigV2"}
    for item in newest["revision"]["objects"]:
        if item["kind"] == "PodDisruptionBudget":
            path = f"/apis/policy/v1/namespaces/{user.namespace}/poddisruptionbudgets/{item['metadata']['name']}"
            assert {k: v for k, v in user.get(path)["spec"].items() if k in item["spec"]} == item["spec"]
    assert user.done("status", "chat", "-o", "json").json["drift"] == []
    owners = {m["manager"]: m for m in live["metadata"]["managedFields"] if "f:spec" in m["fieldsV1"]}
    assert set(owners) == {"infercli"}


def test_deploying_the_same_again_changes_nothing_in_the_cluster(user):
    deploy(user)
    generation = user.ray_service()["metadata"]["generation"]
    said = user.done("deploy")
    assert "nothing was changed" in said.out
    assert user.ray_service()["metadata"]["generation"] == generation
    assert len(user.revisions()) == 1


def test_an_engine_that_cannot_start_is_taken_out_and_its_root_cause_said(user, cluster):
    first = deploy(user)
    cluster.standin.fail(Fault("/models/" + f"{2:040}", "fails", "Traceback:\nValueError: scales are missing"))
    user.write("fp8")
    said = user.infercli("deploy", "--timeout", "60s")
    assert said.code == 1
    assert "root cause: ValueError: scales are missing" in said.err
    assert f"{first} serves" in said.err
    assert user.weights() == {first: 100}
    status = user.done("status", "chat", "-o", "json").json
    assert (status["state"], status["newest_standing"]) == ("serving", "failed")
    assert "scales are missing" in status["newest_message"]
    cluster.standin.heal()
    second = engine_of(user.done("deploy", "-o", "json", "--timeout", "60s"))
    assert user.weights() == {first: 0, second: 100}


def test_an_engine_that_answers_wrongly_gets_no_request(user, cluster):
    first = deploy(user)
    cluster.standin.fail(Fault("/models/" + f"{2:040}", "errors"))
    user.write("fp8")
    said = user.infercli("deploy", "--timeout", "90s")
    assert said.code == 1
    assert "answered its verification with HTTP 500" in said.err
    assert "the engine fails as the test wants it" in said.err
    assert user.weights() == {first: 100}


def test_another_image_builds_a_second_ray_cluster_and_what_served_serves_until_it_is_up(user):
    deploy(user)
    before = user.ray_service()["status"]["activeServiceStatus"]["rayClusterName"]
    user.write(kubernetes={"image": OTHER_IMAGE})
    difference = user.infercli("diff", "-o", "json", "--exit-code")
    assert difference.code == 3
    assert difference.json["ray_cluster"] == "new"
    assert difference.json["more_gpus"] == 1
    stop, states = threading.Event(), set()

    def watch():
        words = [sys.executable, "-m", "infercli", "status", "chat", "-o", "json"]
        path = {"PYTHONPATH": os.pathsep.join(sys.path)}
        while not stop.is_set():
            said = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **path}, check=False)
            found = json.loads(said.stdout)
            states.add((said.returncode, found["state"], "routes to" in found["summary"]))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        user.done("deploy", "--timeout", "90s")
    finally:
        stop.set()
        watching.join()
    assert (0, "changing", True) in states  # what serves is none of the Ray cluster that is being built
    assert {(code, state) for code, state, _ in states} <= {(0, "changing"), (0, "serving")}
    service = user.ray_service()
    assert service["status"]["activeServiceStatus"]["rayClusterName"] != before
    back = user.done("rollback", "chat", "-o", "json").json
    assert (back["to"], back["is_shift"]) == (1, False)
    head = user.ray_service()["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert head["image"] == IMAGE


def test_an_image_that_cannot_be_pulled_says_so_and_the_old_pods_are_applied_again(user):
    first = deploy(user)
    user.write(kubernetes={"image": NO_SUCH_IMAGE})
    said = user.infercli("deploy", "--timeout", "20s")
    assert said.code == 5
    assert "ImagePullBackOff" in said.err
    assert user.weights() == {first: 100}
    head = user.ray_service()["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert head["image"] == IMAGE


def test_too_few_gpus_are_said_in_the_schedulers_words(user):
    user.write(replicas=1, profile="l4-x4.yaml")
    profile = {
        "apiVersion": "infercli/v1",
        "kind": "HardwareProfile",
        "name": "nowhere",
        "gpu": "L4",
        "nodes": [{"count": 1, "gpus": 4}],
        "quantizations": ["awq"],
        "node_selector": {"nvidia.com/gpu.product": "NVIDIA-NONE"},
    }
    (user.folder / "l4-x4.yaml").write_text(json.dumps(profile))
    said = user.infercli("deploy", "--timeout", "20s")
    assert said.code == 5
    assert "engine: Unschedulable" in said.err
    assert "node affinity/selector" in said.err


def test_the_code_of_engines_that_run_stays_when_new_code_comes(user):
    deploy(user)
    path = f"/api/v1/namespaces/{user.namespace}/configmaps/chat-code"
    before = set(user.get(path)["binaryData"])
    from infercli.cli import project
    from infercli.render.serving_code import code_digest, zip_name, zip_package

    zips = {
        zip_name(part, code_digest(data)): data
        for part in ("front", "engine")
        for data in [zip_package(f"infercli_{part}", {"__init__.py": b"# the next version\n"})]
    }
    user.environment.setattr(project, "serving_code", lambda: zips)
    deploy(user, "fp8")
    assert set(user.get(path)["binaryData"]) == before | set(zips)
    deploy(user, "gptq")  # drops the engine with the old code, and with it nothing refers to that code
    deploy(user, "gptq", "--drop-previous", engine_args={"max_model_len": 2048})
    assert set(user.get(path)["binaryData"]) == set(zips)


def test_delete_takes_everything_but_keys_and_weights_and_can_be_repeated(user):
    deploy(user)
    user.done("delete", "chat", "--yes")
    kinds = (
        "rayservices,rayclusters,pods,configmaps,serviceaccounts,networkpolicies,poddisruptionbudgets,secrets,leases"
    )
    listed = user.plane.kubectl("get", kinds, "-n", user.namespace, "-o", "name").stdout.split()
    left = {name for name in listed if "kube-root-ca" not in name and not name.endswith("/default")}
    assert left == {"secret/chat-keys"}
    assert user.plane.kubectl("get", "pvc", "models", "-n", user.namespace).returncode == 0
    gone = user.infercli("delete", "chat", "--yes")
    assert gone.code == 2
    assert "there is no release `chat`" in gone.err
    deploy(user)


def test_a_driver_that_was_killed_blocks_nobody_once_its_claim_runs_out_or_is_broken(user):
    first = deploy(user)
    user.write("fp8")
    script = (
        "import os, signal, sys\n"
        "from infercli.actions import steps\n"
        "steps.verify = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from infercli.cli.main import invoke\n"
        "invoke(['deploy', '--timeout', '60s'])\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=user.folder, check=False
    )
    assert killed.returncode == -9, killed.stderr
    busy = user.infercli("deploy")
    assert busy.code == 1
    assert "is being changed by" in busy.err
    assert "--break-lock" in busy.err
    status = user.done("status", "chat", "-o", "json").json
    assert status["lease"]["operation"] == "deploy"
    assert status["newest_standing"] == "pending"
    assert user.weights()[first] == 100
    user.done("deploy", "--break-lock", "--timeout", "60s")
    outcomes = [r["progress"]["outcome"] for r in user.revisions()]
    assert outcomes == ["good", "abandoned", "good"]


def test_a_dry_run_and_a_diff_change_nothing(user):
    fresh = user.infercli("diff", "--exit-code")
    assert fresh.code == 3
    assert "chat is not deployed" in fresh.out
    user.done("deploy", "--dry-run")
    assert user.revisions() == []
    assert user.plane.kubectl("get", "rayservices", "-n", user.namespace, "-o", "name").stdout == ""
    deploy(user)
    generation = user.ray_service()["metadata"]["generation"]
    same = user.done("diff", "--exit-code")
    assert "nothing would change" in same.out
    user.write("fp8")
    other = user.infercli("diff", "--exit-code", "-o", "json")
    assert other.code == 3
    assert other.json["engine"]["is_new"] is True
    assert "quantization" in [field["path"] for field in other.json["engine"]["fields"]]
    assert other.json["ray_cluster"] == "same"
    assert other.json["objects"] == []
    assert user.ray_service()["metadata"]["generation"] == generation


def test_status_costs_little_cpu(user):
    deploy(user)
    words = [sys.executable, "-c", "from infercli.cli.main import run; run()", "status", "chat", "-o", "json"]
    spent = []
    for _ in range(4):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(words, capture_output=True, text=True, cwd=user.folder, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stderr
        spent.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    print(f"status: {min(spent):.3f} s of CPU (of {[round(s, 3) for s in spent]})")
    assert min(spent) < 1.2  # 0.6 on a quiet machine; CPU seconds grow with caches shared by others


def test_an_operator_that_is_away_is_waited_for(user, cluster):
    first = deploy(user)
    import signal

    cluster.plane.sandbox.signal("ray-operator", signal.SIGSTOP)
    timer = threading.Timer(5, lambda: cluster.plane.sandbox.signal("ray-operator", signal.SIGCONT))
    timer.start()
    try:
        second = deploy(user, "fp8")
    finally:
        timer.join()
    assert user.weights() == {first: 0, second: 100}
    assert eventually(lambda: user.done("status", "chat", "-o", "json").json["state"] == "serving")

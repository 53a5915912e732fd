"""The real operator deploys on the test cluster, and the stand-in shows it what a real Ray would."""

from __future__ import annotations

import json
import urllib.request

import pytest
import yaml

from tests.cluster.api import opener
from tests.cluster.sample import RESTRICTED, TOKEN, Service, eventually, ray_service, serve_config
from tests.cluster.standin.serve import Fault

pytestmark = pytest.mark.cluster


@pytest.fixture
def service(cluster, namespace) -> Service:
    return Service(cluster, namespace)


ASK = {"model": "chat", "messages": [{"role": "user", "content": "Who are you?"}]}


def test_a_ray_service_becomes_ready_and_its_front_answers_through_the_api_server(service):
    service.apply(ray_service("chat", serve_config("chat", {"chat-aaaaaa": 100})))
    service.cluster.wait_serving(service.namespace, "chat")
    status, headers, said = service.front("/v1/chat/completions", ASK, **TOKEN)
    assert status == 200
    assert headers["x-infercli-engine"] == "chat-aaaaaa"
    assert said["choices"][0]["message"]["content"] == "This is chat-aaaaaa."
    # The proxy keeps the Authorization header for itself, so an API key cannot come this way.
    assert service.front("/v1/chat/completions", ASK)[0] == 401
    assert service.front("/front", X_Infercli_Operator_Token="wrong")[0] == 403


def test_a_changed_table_reaches_both_fronts_and_nothing_else_changes(service):
    both = {"chat-aaaaaa": 100, "chat-bbbbbb": 0}
    service.apply(ray_service("chat", serve_config("chat", both)))
    service.cluster.wait_serving(service.namespace, "chat")
    assert service.front("/v1/models", **TOKEN)[1]["x-infercli-engine"] == "chat-aaaaaa"
    pinned = service.front("/v1/models", **TOKEN, X_Infercli_Engine="chat-bbbbbb")
    assert pinned[1]["x-infercli-engine"] == "chat-bbbbbb"
    before = service.status()["activeServiceStatus"]["rayClusterName"]
    flipped = {"chat-aaaaaa": 0, "chat-bbbbbb": 100}
    service.apply(ray_service("chat", serve_config("chat", flipped, generation=2)))

    def pids() -> set[int]:
        seen = [service.front("/front", **TOKEN)[2] for _ in range(4)]
        return {state["pid"] for state in seen if state["generation"] == 2 and not state["refused"]}

    assert eventually(lambda: len(pids()) == 2)
    assert service.front("/v1/models", **TOKEN)[1]["x-infercli-engine"] == "chat-bbbbbb"
    assert service.status()["activeServiceStatus"]["rayClusterName"] == before


def test_an_engine_that_cannot_start_is_seen_in_the_status_and_the_other_goes_on(service):
    service.apply(ray_service("chat", serve_config("chat", {"chat-aaaaaa": 100})))
    service.cluster.wait_serving(service.namespace, "chat")
    service.cluster.standin.fail(Fault("chat-spoilt", "fails", "ValueError: scales are missing"))
    service.apply(ray_service("chat", serve_config("chat", {"chat-aaaaaa": 100, "chat-spoilt": 0}, generation=2)))

    def failed() -> dict | None:
        apps = service.status()["activeServiceStatus"]["applicationStatuses"]
        app = apps.get("chat-spoilt", {})
        return app if app.get("status") == "DEPLOY_FAILED" else None

    app = eventually(failed)
    assert app, service.status()
    assert "ValueError: scales are missing" in app["serveDeploymentStatuses"]["engine"]["message"]
    assert service.front("/v1/chat/completions", ASK, **TOKEN)[0] == 200


def test_a_config_that_serve_refuses_is_an_event_and_the_generation_is_not_observed(service):
    service.apply(ray_service("chat", serve_config("chat", {"chat-aaaaaa": 100})))
    service.cluster.wait_serving(service.namespace, "chat")
    twice = yaml.safe_load(serve_config("chat", {"chat-aaaaaa": 100}))
    twice["applications"][1]["route_prefix"] = "/"
    service.apply(ray_service("chat", yaml.safe_dump(twice)))

    def refusals() -> list[str]:
        events = service.cluster.plane.api.get(f"/api/v1/namespaces/{service.namespace}/events")["items"]
        return [event["message"] for event in events if event["reason"] == "FailedToUpdateServeApplications"]

    assert any("duplicate applications for route prefix" in message for message in eventually(refusals))
    found = service.cluster.ray_service(service.namespace, "chat")
    assert found["status"]["observedGeneration"] < found["metadata"]["generation"]


def test_nothing_runs_until_the_workers_have_the_gpus_they_ask_for(service):
    service.apply(ray_service("chat", serve_config("chat", {"chat-aaaaaa": 100}), gpus=5))  # l4-0 has 4

    def unschedulable() -> list[str]:
        pods = service.cluster.plane.api.get(f"/api/v1/namespaces/{service.namespace}/pods")["items"]
        conditions = [c for pod in pods for c in pod["status"].get("conditions") or []]
        return [c["message"] for c in conditions if c.get("reason") == "Unschedulable"]

    assert any("Insufficient nvidia.com/gpu" in message for message in eventually(unschedulable))
    with pytest.raises(TimeoutError, match="DEPLOYING"):
        service.cluster.wait_serving(service.namespace, "chat", timeout_s=6)
    service.cluster.add_node("l4-more", gpus=8, product="l4")
    try:
        service.cluster.wait_serving(service.namespace, "chat")
    finally:
        service.cluster.remove_node("l4-more")


def test_a_dashboard_that_is_broken_is_seen_by_the_operator_and_healed(service):
    service.cluster.standin.fail(dashboard=500)
    service.apply(ray_service("chat", serve_config("chat", {"chat-aaaaaa": 100})))
    assert eventually(lambda: any(entry["status"] == 500 for entry in service.cluster.standin.log()))
    assert "applicationStatuses" not in service.status().get("activeServiceStatus", {})
    service.cluster.standin.heal()
    service.cluster.wait_serving(service.namespace, "chat")
    put = service.cluster.standin.puts()[-1]
    assert [app["name"] for app in put["applications"]] == ["front", "chat-aaaaaa"]


@pytest.mark.parametrize(
    ("image", "reason"),
    [("example.test/no-such:1", "ImagePullBackOff"), ("example.test/crash:1", "CrashLoopBackOff")],
)
def test_a_pod_with_a_bad_image_waits_for_the_reason_its_name_asks_for(cluster, namespace, image, reason):
    container = {"name": "c", "image": image, "securityContext": RESTRICTED}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [container]}}
    pods = f"/api/v1/namespaces/{namespace}/pods"
    cluster.plane.api.request("POST", pods, body)

    def waiting() -> str | None:
        states = cluster.plane.api.get(f"{pods}/p")["status"].get("containerStatuses") or []
        return next((state["state"]["waiting"]["reason"] for state in states if "waiting" in state["state"]), None)

    assert eventually(waiting) == reason


def test_the_stand_in_answers_on_the_address_of_the_head_pod_with_an_api_key(service):
    service.apply(ray_service("chat", serve_config("chat", {"chat-aaaaaa": 100})))
    service.cluster.wait_serving(service.namespace, "chat")
    pods = f"/api/v1/namespaces/{service.namespace}/pods?labelSelector=ray.io/node-type=head"
    address = service.cluster.plane.api.get(pods)["items"][0]["status"]["podIP"]
    port = service.cluster.plane.sandbox.forward(8000, address)
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/completions",
        data=json.dumps({"model": "chat", "prompt": "Who?"}).encode(),
        headers={"Authorization": "Bearer key-2"},
    )
    with opener().open(request, timeout=10) as answer:
        assert json.loads(answer.read())["choices"][0]["text"] == "This is chat-aaaaaa."

"""Behind the real operator a real Ray runs this checkout's front, with the code and the keys that its pods mount."""

from __future__ import annotations

import base64
import json
import urllib.request
from pathlib import Path

import pytest
import yaml

from tests.cluster.api import opener
from tests.cluster.real_ray import serve_port
from tests.cluster.sample import CODE_DIR, TOKEN, Service, eventually, front, ray_service
from tests.parts.ray import code_zip

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.slow]

LITE = Path(__file__).parents[1] / "serving" / "lite"


def lite(app: str, **args: object) -> dict:
    """An engine without vLLM, that answers with its name."""
    return {
        "name": app,
        "route_prefix": None,
        "import_path": "lite_engine:build",
        "runtime_env": {"env_vars": {"PYTHONPATH": str(LITE)}},
        "args": {"name": app, **args},
        "deployments": [{"name": "engine", "num_replicas": 1, "graceful_shutdown_timeout_s": 2}],
    }


@pytest.fixture
def code(tmp_path) -> Path:
    return code_zip("front", tmp_path)


@pytest.fixture
def service(ray_cluster, code) -> Service:
    ray_cluster.plane.make_namespace("real", {})
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "chat-code"},
        "binaryData": {code.name: base64.b64encode(code.read_bytes()).decode()},
    }
    ray_cluster.plane.api.request("POST", "/api/v1/namespaces/real/configmaps", config_map)
    return Service(ray_cluster, "real")


def test_a_release_is_deployed_changed_and_outlives_an_engine_that_cannot_start(service, code):
    def apply(generation: int, routes: dict[str, int], *engines: dict) -> None:
        at_root = front(routes, generation)
        at_root["runtime_env"] = {"env_vars": {"PYTHONPATH": f"{CODE_DIR}/{code.name}"}}
        service.apply(ray_service("chat", yaml.safe_dump({"applications": [at_root, *engines]})))

    def in_force(generation: int) -> bool:
        seen = [service.front("/front", **TOKEN)[2] for _ in range(6)]
        return len({state["pid"] for state in seen if state["generation"] == generation}) == 2

    def answers() -> str:
        return service.front("/v1/completions", {}, **TOKEN)[1]["x-infercli-engine"]

    apply(1, {"chat-a": 100}, lite("chat-a"))
    service.cluster.wait_serving("real", "chat", timeout_s=120)
    assert eventually(lambda: in_force(1))
    assert answers() == "chat-a"

    request = urllib.request.Request(
        f"http://127.0.0.1:{serve_port(service.cluster)}/v1/completions",
        data=b"{}",
        headers={"Authorization": "Bearer key-1", "Content-Type": "application/json"},
    )
    with opener().open(request, timeout=10) as answer:
        assert json.loads(answer.read())["engine"] == "chat-a"

    broken = lite("chat-c", broken="no scales in this checkpoint")
    apply(2, {"chat-a": 100, "chat-b": 0, "chat-c": 0}, lite("chat-a"), lite("chat-b"), broken)

    def apps() -> dict:
        return service.status()["activeServiceStatus"]["applicationStatuses"]

    assert eventually(lambda: apps().get("chat-b", {}).get("status") == "RUNNING", 60), apps()
    assert eventually(lambda: apps()["chat-c"]["status"] == "DEPLOY_FAILED", 60), apps()
    assert "no scales in this checkpoint" in apps()["chat-c"]["serveDeploymentStatuses"]["engine"]["message"]
    assert answers() == "chat-a"
    pinned = service.front("/v1/completions", {}, **TOKEN, X_Infercli_Engine="chat-b")
    assert pinned[1]["x-infercli-engine"] == "chat-b"

    apply(3, {"chat-a": 0, "chat-b": 100}, lite("chat-a"), lite("chat-b"))
    assert eventually(lambda: in_force(3))
    assert answers() == "chat-b"

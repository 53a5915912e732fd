"""Releases as a user types them, with a real Ray Serve and the real front in the pods; the engine is without vLLM."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request

import pytest

from infercli.cli import project as product
from infercli.render.serving_code import code_digest, zip_name, zip_package
from tests.cluster.api import opener
from tests.cluster.real_ray import serve_port

pytestmark = [pytest.mark.cluster, pytest.mark.ray, pytest.mark.slow]

ENGINE = b'''
"""Stands where infercli_engine stands: takes its arguments, answers as vLLM would, and loads nothing."""
import json

from ray import serve


class Engine:
    def __init__(self, llm_config):
        self.model = llm_config["model_loading_config"]["model_source"]
        print(f"loaded {self.model}", flush=True)
        if self.model.endswith("3"):
            raise ValueError("the scales of layer 7 are missing")

    async def http(self, method, path, body, headers):
        if path == "/health":
            yield (200, "text/plain", b"")
            return
        choice = {"index": 0, "message": {"role": "assistant", "content": self.model}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}
        yield (200, "application/json", json.dumps({"choices": [choice], "usage": usage}).encode())


def build(args):
    return serve.deployment(name="engine")(Engine).bind(args["llm_config"])
'''


class Load:
    """Clients that ask without pause, past the API server, and keep every answer."""

    def __init__(self, port: int, clients: int) -> None:
        self.port, self.answers = port, []
        """(time of the answer, the model that gave it, or what went wrong)"""
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self) -> None:
        body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Who?"}]}).encode()
        headers = {"Authorization": "Bearer key-1", "Content-Type": "application/json"}
        while not self.over.is_set():
            url = f"http://127.0.0.1:{self.port}/v1/chat/completions"
            try:
                with opener().open(urllib.request.Request(url, body, headers), timeout=30) as answer:
                    said = json.loads(answer.read())["choices"][0]["message"]["content"]
            except (OSError, ValueError) as problem:
                said = repr(problem)
            self.answers.append((time.monotonic(), said))

    def failed(self) -> list[str]:
        """What was no answer of a model."""
        return [said for _, said in self.answers if not said.startswith("/models/")]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


def model(place: int) -> str:
    return f"/models/{place:040}"


def test_a_release_is_deployed_changed_kept_from_a_broken_engine_and_rolled_back_under_load(ray_cluster, project):
    plane = ray_cluster.plane
    plane.make_namespace("prod", {})
    project.plane, project.namespace = plane, "prod"
    project.act_as("admin")
    front = {name: data for name, data in product.serving_code().items() if name.startswith("front-")}
    engine = zip_package("infercli_engine", {"__init__.py": ENGINE})
    zips = {**front, zip_name("engine", code_digest(engine)): engine}
    project.environment.setattr(product, "serving_code", lambda: zips)
    project.provide()

    project.write("awq")
    began = time.monotonic()
    first = project.done("deploy", "-o", "json", "--timeout", "180s").json["engine"]
    said = [f"first deploy: {time.monotonic() - began:.1f} s"]
    port = serve_port(ray_cluster)
    with Load(port, clients=8) as load:
        project.write("fp8")
        began = time.monotonic()
        second = project.done("deploy", "-o", "json", "--timeout", "120s").json["engine"]
        said.append(f"second engine beside: {time.monotonic() - began:.1f} s")
        assert project.weights() == {first: 0, second: 100}

        typed = time.monotonic()
        back = project.done("rollback", "chat", "-o", "json").json
        said.append(f"rollback: returned after {time.monotonic() - typed:.2f} s")
        assert (back["to"], back["engine"], back["is_shift"]) == (1, first, True)
        time.sleep(1)
    assert not load.failed()
    good = [at for at, said in load.answers if said == model(1) and at > typed]
    bad = [at for at, said in load.answers if said == model(2)]
    said.append(f"{len(load.answers)} requests, 0 failed")
    said.append(f"first good answer {good[0] - typed:.2f} s after the command, last bad one {bad[-1] - typed:.2f} s")
    assert bad[-1] - typed < 10  # measured: below 2 s on a quiet machine

    with Load(port, clients=8) as load:
        project.write("gptq")
        broken = project.infercli("deploy", "--timeout", "120s")
        assert broken.code == 1
        assert "ValueError: the scales of layer 7 are missing" in broken.err
        assert project.weights() == {first: 100}
    assert {said for _, said in load.answers} == {model(1)}
    assert "the scales of layer 7" in project.done("history", "chat", "-o", "json").json["revisions"][-1]["message"]
    assert f"loaded {model(1)}" in project.done("logs", "chat").out
    status = project.done("status", "chat", "-o", "json").json
    assert (status["state"], status["drift"]) == ("serving", [])
    project.done("delete", "chat", "--yes")
    assert plane.kubectl("get", "rayservices,pods", "-n", "prod", "-o", "name").stdout == ""
    with project.capsys.disabled():
        print(f"\nreal Ray: {'; '.join(said)}")

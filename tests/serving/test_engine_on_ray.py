"""The engine on a real Ray Serve with the real vLLM, asked through the front as clients ask it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.parts.demo_model import demo_model
from tests.parts.ray import code_zip, messages
from tests.serving.stage import CLIENT, Stage, pinned, until

# The first test waits for two engines, each of which imports vLLM three times.
pytestmark = [pytest.mark.ray, pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(1500)]

MODEL, MAX_MODEL_LEN = "demo", 256
KV_BYTES = 32 * 2**20
QUESTION = [{"role": "user", "content": "What is infercli?"}]
CHAT = "/v1/chat/completions"


def engine(stage: Stage, name: str, **engine_kwargs: Any) -> dict[str, Any]:
    """The application of a real engine on this machine's CPU."""
    config = {
        "model_loading_config": {"model_id": MODEL, "model_source": str(demo_model())},
        "accelerator_config": {"kind": "cpu"},
        "engine_kwargs": {
            "enforce_eager": True,
            "max_model_len": MAX_MODEL_LEN,
            "max_num_seqs": 8,
            "kv_cache_memory_bytes": KV_BYTES,
            **engine_kwargs,
        },
    }
    path = code_zip("engine", stage.ray.directory)
    return {
        "name": name,
        "route_prefix": None,
        "import_path": "infercli_engine:build",
        "runtime_env": {"env_vars": {"PYTHONPATH": str(path), "VLLM_CPU_OMP_THREADS_BIND": "nobind"}},
        "args": {"llm_config": config},
        "deployments": [
            {"name": "engine", "num_replicas": 1, "max_ongoing_requests": 64, "graceful_shutdown_timeout_s": 5}
        ],
    }


@pytest.fixture(scope="module")
def stage(ray):
    stage = Stage(ray)
    stage.put({"good": 1}, [engine(stage, "good")])
    ray.until_running("front", "good", timeout_s=600)
    stage.until_shown(lambda s: s["generation"] == 1 and not s["refused"], timeout_s=60)
    return stage


def chat(stage: Stage, **body: Any) -> Any:
    return stage.chat(model=MODEL, messages=QUESTION, temperature=0, **body)


def counters(stage: Stage) -> dict[str, float]:
    """The engine's own counters, by name."""
    answer = stage.ask("GET", "/metrics", headers=pinned("good"))
    assert answer.status == 200
    found = re.findall(r"^vllm:(\w+)\{[^}]*\} ([0-9.e+]+)$", answer.body.decode(), re.MULTILINE)
    return {name: float(value) for name, value in found}


def test_the_first_chat_is_answered_without_a_cold_start(stage):
    answer = stage.ask("POST", CHAT, {"model": MODEL, "messages": QUESTION, "max_tokens": 1}, timeout_s=5)
    assert answer.status == 200


def test_a_chat_answers_from_the_model_and_counts_its_tokens(stage):
    answer = chat(stage, max_tokens=60)
    assert (answer.status, answer.engine) == (200, "good")
    assert answer.headers["content-type"] == "application/json"
    assert "vLLM services" in answer.json["choices"][0]["message"]["content"]
    usage = answer.json["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens"] > 5


def test_a_stream_says_the_same_as_the_whole_answer_and_ends_with_usage_and_done(stage):
    whole = chat(stage, max_tokens=60).json
    events = [
        *stage.events(
            model=MODEL, messages=QUESTION, temperature=0, max_tokens=60, stream_options={"include_usage": True}
        )
    ]
    assert events[-1] == "[DONE]"
    text = "".join(choice["delta"].get("content") or "" for event in events[:-1] for choice in event["choices"])
    assert text == whole["choices"][0]["message"]["content"]
    assert events[-2]["usage"] == {name: count for name, count in whole["usage"].items() if count is not None}


def test_the_first_piece_of_a_stream_has_the_first_token(stage):
    connection = stage.connect()
    body = {"model": MODEL, "messages": QUESTION, "max_tokens": 60, "stream": True, "temperature": 0}
    connection.request("POST", CHAT, json.dumps(body), dict(CLIENT))
    first = connection.getresponse().read1(65536)
    connection.close()
    contents = re.findall(rb'"content":"([^"]*)"', first)
    assert any(contents), first  # the role alone would make a client wait an interval longer for its first token


def test_a_completion_and_the_tokens_of_its_prompt(stage):
    answer = stage.ask("POST", "/v1/completions", {"model": MODEL, "prompt": "infercli", "max_tokens": 4})
    assert answer.status == 200
    tokens = stage.ask("POST", "/tokenize", {"model": MODEL, "prompt": "infercli"}).json
    assert answer.json["usage"]["prompt_tokens"] == tokens["count"] == len(tokens["tokens"])
    back = stage.ask("POST", "/detokenize", {"model": MODEL, "tokens": tokens["tokens"]})
    assert back.json["prompt"] == "infercli"


def test_models_are_listed_and_found_by_name(stage):
    listed = stage.ask("GET", "/v1/models").json
    assert [(model["id"], model["max_model_len"]) for model in listed["data"]] == [(MODEL, MAX_MODEL_LEN)]
    assert stage.ask("GET", f"/v1/models/{MODEL}").json["id"] == MODEL
    assert stage.ask("GET", "/v1/models/other").status == 404


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_engine_refuses_comes_back_in_its_own_words(stage, stream):
    unknown = stage.chat(model="other", messages=QUESTION, stream=stream)
    assert (unknown.status, "`other` does not exist" in unknown.json["error"]["message"]) == (404, True)
    long = chat(stage, max_tokens=MAX_MODEL_LEN + 1, stream=stream)
    assert (long.status, str(MAX_MODEL_LEN) in long.json["error"]["message"]) == (400, True)
    hot = stage.chat(model=MODEL, messages=QUESTION, temperature=-1, stream=stream)
    assert (hot.status, "temperature" in hot.json["error"]["message"]) == (400, True)
    broken = stage.ask("POST", CHAT, b"{")
    assert (broken.status, "JSON" in broken.json["error"]["message"]) == (400, True)


def test_what_the_model_cannot_do_is_404_in_the_same_shape(stage):
    answer = stage.ask("POST", "/v1/embeddings", {"model": MODEL, "input": "x"})
    assert (answer.status, answer.engine) == (404, "good")
    assert answer.json["error"]["message"] == "this model does not serve /v1/embeddings"


def test_the_engine_counts_the_same_tokens_as_the_answers_say(stage):
    before = counters(stage)
    usages = [chat(stage, max_tokens=count).json["usage"] for count in (3, 7, 11)]
    until(lambda: counters(stage)["generation_tokens_total"] > before["generation_tokens_total"] + 20)
    after = counters(stage)
    for series, field in (("prompt_tokens_total", "prompt_tokens"), ("generation_tokens_total", "completion_tokens")):
        assert after[series] - before[series] == sum(usage[field] for usage in usages)


def test_a_client_that_leaves_ends_the_generation(stage):
    before = counters(stage)["generation_tokens_total"]
    events = stage.events(model=MODEL, messages=QUESTION, max_tokens=MAX_MODEL_LEN - 40, ignore_eos=True)
    next(events)
    events.close()
    until(lambda: counters(stage)["num_requests_running"] == 0)
    assert counters(stage)["generation_tokens_total"] - before < (MAX_MODEL_LEN - 40) / 2


def test_an_engine_that_cannot_start_says_why_and_the_old_one_serves_on(stage):
    stage.put({"good": 1}, [engine(stage, "good"), engine(stage, "small", kv_cache_memory_bytes=1024)])

    def said() -> str:
        assert chat(stage, max_tokens=2).status == 200
        return messages(stage.ray.applications()).get("small", "")

    until(lambda: "failed to start" in said(), 600)
    # The line that vLLM printed in its own process, not "see root cause above".
    assert re.search(r"engine start failed: ValueError: No available memory for the cache blocks\. .*$", said())
    stage.put({"good": 1}, [engine(stage, "good")])

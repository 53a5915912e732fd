"""What is said of prompts, held against what a real vLLM counts: its `usage`, its `/tokenize`, its prefix cache."""

from __future__ import annotations

import os
import socket
import subprocess
import time

import pytest

from infercli.adapters.openai_api import OpenAiApi
from infercli.adapters.prometheus import at_url
from infercli.adapters.tokenizer import open_tokenizer
from infercli.cli.sending import conversations_for, tokenizer_for
from infercli.core.endpoint import parse_endpoint
from infercli.core.load.replay import TraceRequest, hit_tokens, replay
from infercli.core.load.sending import fresh, prefix_sent
from infercli.core.load.synthetic import synthetic
from infercli.core.load.workload import Synthetic
from infercli.core.traces import Trace
from infercli.errors import EndpointError
from tests.parts.demo_model import demo_model
from tests.parts.engine_python import engine_python

# `ray` not for a Ray: so marked, it has the machine to itself, as whoever serves has in scripts/check.
pytestmark = [pytest.mark.ray, pytest.mark.vllm, pytest.mark.slow, pytest.mark.timeout(1500)]

START_S = 600.0  # half a minute on two idle cores
BLOCK_TOKENS = 128
"""Of the CPU engine's prefix cache: only whole ones are hits."""


@pytest.fixture(scope="module")
def model():
    engine_python()
    return demo_model()


@pytest.fixture(scope="module")
def engine(model, tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("engine") / "log"
    more = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "PYTHONDONTWRITEBYTECODE": "",
    }
    command = [engine_python(), "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--host", "127.0.0.1"]
    command += ["--port", str(port), "--served-model-name", "tiny", "--enforce-eager", "--max-model-len", "2048"]
    command += ["--max-num-seqs", "16", "--kv-cache-memory-bytes", "128M"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **more})
    try:
        api = OpenAiApi(parse_endpoint(f"http://127.0.0.1:{port}"), timeout_s=60.0)
        deadline = time.monotonic() + START_S
        while True:
            try:
                assert api.models() == ["tiny"]
                break
            except EndpointError:
                assert process.poll() is None, log.read_text()[-3000:]
                assert time.monotonic() < deadline, log.read_text()[-3000:]
                time.sleep(0.5)
        yield api
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def lengths(model):
    return open_tokenizer(model)


def prefix_cache(api) -> tuple[float, float]:
    """Tokens that were looked up in the prefix cache and that were found, so far."""
    found = {}
    for line in at_url(api.endpoint.url).fetch().decode().splitlines():
        for name in ("queries", "hits"):
            if line.startswith(f"vllm:prefix_cache_{name}_total"):
                found[name] = float(line.rpartition(" ")[2])
    return found["queries"], found["hits"]


def ask(api, conversation):
    asked = {"model": "tiny", "prompt": conversation.turns[0].prompt, "max_tokens": 1}
    return api.post_json("/v1/completions", asked)


def hit_share(api, conversations) -> float:
    """Send all, one after another; the share of their tokens that the engine found in its cache."""
    queries, hits = prefix_cache(api)
    for conversation in conversations:
        ask(api, conversation)
    after = prefix_cache(api)
    return (after[1] - hits) / (after[0] - queries)


def test_a_prompt_is_as_many_tokens_to_the_engine_as_was_asked_for(engine, lengths):
    # One last: the CPU engine of vLLM 0.29 died of a single token as its very first prompt.
    for tokens in (5, 17, 100, 1500, 1):
        (conversation,) = conversations_for(None, input_tokens=tokens, count=1, lengths=lengths).conversations
        assert ask(engine, conversation)["usage"]["prompt_tokens"] == tokens


def test_the_engines_own_tokenizer_makes_the_same_prompts(engine, lengths):
    counting = tokenizer_for("endpoint", endpoint=engine, served="tiny")
    by_engine = conversations_for(None, input_tokens=200, count=3, lengths=counting)
    assert by_engine.conversations == conversations_for(None, input_tokens=200, count=3, lengths=lengths).conversations


def test_nothing_is_shared_unless_it_is_asked_for_and_no_stage_finds_another(engine, lengths):
    sent = synthetic(Synthetic.model_validate({"input_tokens": 600}), lengths, 1, 6)
    assert [hit_share(engine, fresh(sent, stage)) for stage in (0, 1, 2)] == [0, 0, 0]
    assert hit_share(engine, fresh(sent, 2)) == 4 * BLOCK_TOKENS / 600  # the same stage again: all whole blocks


def test_the_stated_share_of_a_shared_prefix_is_what_the_cache_finds(engine, lengths):
    prefix = 4 * BLOCK_TOKENS
    described = {"input_tokens": 1024, "shared_prefix": {"tokens": prefix, "groups": 2}}
    sent = synthetic(Synthetic.model_validate(described), lengths, 2, 10)
    traces = [Trace(request=i, conversation=i, intended_s=i, sent_s=i, ended_s=i + 1, status=200) for i in range(10)]
    told = prefix_sent(sent, [traces])
    # Eight of ten prompts find the prefix that the first of their group brought.
    assert (told.tokens, told.first_prompts, told.sent_before) == (prefix, 10, 8)
    share = 8 * prefix / (10 * 1024)
    assert [hit_share(engine, fresh(sent, stage)) for stage in (0, 1)] == [share, share]


def test_a_replayed_trace_shares_what_it_shared(engine, lengths):
    requests = [TraceRequest(0.0, 900, 1, ("a", "b", f"c{i // 3}", *(f"{i}-{k}" for k in range(5)))) for i in range(9)]
    sent = replay(requests, BLOCK_TOKENS, lengths, 3)
    share = hit_tokens(requests, BLOCK_TOKENS) / (9 * 900)
    assert share == pytest.approx((2 * 8 + 6) * BLOCK_TOKENS / 8100)  # counted by hand: two blocks by all but the first
    assert [hit_share(engine, fresh(sent, stage)) for stage in (0, 1)] == [share, share]

"""Answers that are no event streams, from the APIs and servers that give them."""

from __future__ import annotations

import pytest

from infercli.core.bench.metrics import measure
from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import single
from infercli.core.traces import Load
from infercli.loadgen import Target, run
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer
from tests.loadgen.loads import answering, go

pytestmark = pytest.mark.slow  # all of them together; each waits for servers most of the time


def test_embeddings_are_answers_without_tokens():
    with FakeOpenAiServer(Behaviour(ttft_s=0.05)) as server:
        m = go(server, [single("three short words")], api="embeddings", concurrency=2, requests=6)
        assert server.served[0].body == {"model": "tiny", "input": "three short words"}
        assert server.served[0].headers["accept"] == "application/json"
    metrics = measure(m.traces)
    assert (metrics.answered, metrics.input_tokens, metrics.output_tokens, metrics.ttft_s) == (6, 18, 0, None)
    assert metrics.e2e_s.p50 >= 0.05


def test_an_embedding_that_is_refused_is_a_failure():
    with FakeOpenAiServer(Behaviour(status=500, message="no room")) as server:
        m = go(server, api="embeddings", concurrency=1, requests=1)
    assert (m.traces[0].error, m.traces[0].message) == ("http", "no room")


def test_an_answer_that_is_packed_though_nobody_asked_is_a_failure_and_not_a_guess():
    with FakeOpenAiServer(Behaviour(tokens=3, headers=(("content-encoding", "gzip"),))) as server:
        m = go(server, concurrency=1, requests=1)
    assert m.traces[0].error == "protocol"
    assert "gzip" in m.traces[0].message


def test_two_hundred_with_an_error_object_keeps_the_servers_words():
    body = '{"error": {"message": "the model is asleep"}}'
    with answering(
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ) as url:
        target = Target(parse_endpoint(url), "tiny")
        m = run(target, Load(concurrency=1, requests=1), [single("x")])
    assert m.traces[0].error == "protocol"
    assert "the model is asleep" in m.traces[0].message


@pytest.mark.parametrize("more", ["", "Transfer-Encoding: chunked\r\n", "Content-Length: 9\r\n"])
def test_an_answer_that_has_no_body_is_not_waited_for(more):
    with answering(f"HTTP/1.1 204 No Content\r\n{more}\r\n") as url:
        m = run(Target(parse_endpoint(url), "tiny"), Load(concurrency=1, requests=1, timeout_s=5.0), [single("x")])
    (trace,) = m.traces
    assert (trace.error, trace.status) == ("http", 204)
    assert trace.ended_s - trace.sent_s < 4.0

"""What a new engine must answer before it gets a request."""

from __future__ import annotations

import pytest

from infercli.actions.deploy import deploy
from infercli.core.release.observed import Answer
from infercli.errors import (
    DeployFailed,
)
from tests.actions.looking import GOOD, OTHER, weights


def test_an_engine_that_answers_its_verification_with_an_error_gets_no_request(world, request_for):
    deploy(request_for(), world)
    world.platform.answers[OTHER] = (401, b'{"error": {"message": "no"}}')
    with pytest.raises(DeployFailed, match="HTTP 401"):
        deploy(request_for("int8"), world)
    assert weights(world) == {GOOD: 100}


def test_an_engine_that_fails_every_verification_is_given_up_after_ten_seconds(world, request_for):
    deploy(request_for(), world)
    world.platform.answers[OTHER] = (500, b'{"error": {"message": "no kernel image"}}')
    began = world.clock.monotonic()
    with pytest.raises(DeployFailed, match=r"HTTP 500.*no kernel image"):
        deploy(request_for("int8"), world)
    assert 15 <= world.clock.monotonic() - began < 20  # 5 s to start, 10 s of errors, going back
    assert weights(world) == {GOOD: 100}


def test_an_engine_that_answers_without_tokens_is_not_verified(world, request_for):
    world.platform.answers[GOOD] = (200, b'{"choices":[{"message":{"content":""}}],"usage":{"completion_tokens":0}}')
    with pytest.raises(DeployFailed, match="no tokens"):
        deploy(request_for(), world)


NOT_SERVED = b'{"error": {"message": "this model does not serve it", "code": "not_served"}}'


EMBEDDING, SCORE = "/v1/embeddings", "/v1/score"


@pytest.mark.parametrize(
    ("served", "body"),
    [(EMBEDDING, b'{"data": [{"embedding": [0.5, 0.5]}]}'), (SCORE, b'{"data": [{"score": 0.0}]}')],
)
def test_an_engine_that_generates_nothing_is_verified_by_what_it_serves(world, request_for, served, body):
    asked = answering(world, lambda path: (200, body) if path == served else (404, NOT_SERVED))
    began = world.clock.monotonic()
    assert deploy(request_for(), world).progress.outcome == "good"
    assert world.clock.monotonic() - began < 10
    assert asked[-1] == served


@pytest.mark.parametrize(
    ("embedding", "said"), [((200, b'{"data": [{"embedding": []}]}'), "nothing"), ((404, NOT_SERVED), "lets through")]
)
def test_an_engine_that_serves_nothing_of_what_may_be_asked_is_not_waited_for(world, request_for, embedding, said):
    answering(world, lambda path: embedding if path == EMBEDDING else (404, NOT_SERVED))
    with pytest.raises(DeployFailed, match=said):
        deploy(request_for(), world)
    assert world.clock.monotonic() < 30


def answering(world, answer):
    """Every engine answers POSTs so; returns the paths that come to be asked."""
    platform, asked = world.platform, []
    before = platform.front

    def front(method, path, **words):
        if method != "POST":
            return before(method, path, **words)
        asked.append(path)
        status, body = answer(path)
        return Answer(status, {}, body)

    platform.front = front
    return asked


def test_a_base_model_without_chat_template_is_verified_by_a_plain_completion(world, request_for):
    platform = world.platform
    seen = []

    def front(method, path, *, body=None, engine=None, timeout_s=10.0):
        seen.append(path)
        if path.endswith("/chat/completions"):
            return type(platform).front.__globals__["Answer"](400, {}, b"no chat template")
        if path.endswith("/completions"):
            body = b'{"choices":[{"text":"x"}],"usage":{"completion_tokens":1}}'
            return type(platform).front.__globals__["Answer"](200, {}, body)
        return type(platform).front(platform, method, path, body=body, engine=engine, timeout_s=timeout_s)

    platform.front = front
    assert deploy(request_for(), world).progress.outcome == "good"
    assert "/v1/completions" in seen

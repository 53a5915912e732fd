"""`bench --extra-body` and `--header`: what requests say besides what they say by themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infercli.errors import ExitCode
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer

NOBODY = "http://127.0.0.1:9"
FEW = ("--requests", "2", "--warmup", "0", "--concurrency", "1", "--telemetry", "none")
THINKING = '{"chat_template_kwargs": {"enable_thinking": false}, "top_p": 0.9}'


def test_every_body_has_what_was_typed_and_the_result_says_it(infercli):
    with FakeOpenAiServer(Behaviour(tokens=2)) as server:
        ran = infercli("bench", server.url, "--extra-body", THINKING, *FEW)
        bodies = [request.body for request in server.completion_requests]
    assert len(bodies) == 2
    for body in bodies:
        assert body["chat_template_kwargs"] == {"enable_thinking": False}
        assert (body["top_p"], body["temperature"]) == (0.9, 0)
    assert f"each body with {THINKING}" in " ".join(ran.out.split())
    assert infercli("report", "result.json", "--check").code == ExitCode.YES


def test_bodies_that_differ_are_no_comparison(infercli):
    with FakeOpenAiServer(Behaviour(tokens=2)) as server:
        infercli("bench", server.url, "--extra-body", THINKING, "--save", "a.json", *FEW)
        infercli("bench", server.url, "--save", "b.json", *FEW)
    ran = infercli("compare", "a.json", "b.json")
    assert ran.code == ExitCode.USAGE
    assert "1 at a time: extra_body" in ran.err


def test_a_temperature_goes_in_place_of_ours(infercli):
    with FakeOpenAiServer(Behaviour(tokens=2)) as server:
        ran = infercli("bench", server.url, "--extra-body", '{"temperature": 0.6}', *FEW, "-o", "json")
        assert {request.body["temperature"] for request in server.completion_requests} == {0.6}
    load = json.loads(ran.out)["stages"][0]["load"]
    assert (load["temperature"], load["extra_body"]) == (0.6, {})
    assert 'each body with {"temperature": 0.6}' in " ".join(infercli("report", "result.json").out.split())


def test_a_temperature_that_was_asked_for_is_never_left_out(infercli):
    with FakeOpenAiServer(Behaviour(tokens=2, unsupported=("temperature",))) as server:
        ran = infercli("bench", server.url, "--extra-body", '{"temperature": 0.6}', *FEW)
        assert all(request.body["temperature"] == 0.6 for request in server.completion_requests)
    assert ran.code == ExitCode.CANNOT_TELL
    assert "temperature" in ran.out


def test_embeddings_take_fields_too(infercli):
    with FakeOpenAiServer() as server:
        infercli("bench", server.url, "--api", "embeddings", "--extra-body", '{"dimensions": 64}', *FEW)
        sent = [request.body for request in server.served if request.path.endswith("/embeddings")]
    assert [body["dimensions"] for body in sent] == [64, 64]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("temperature=0.6", "--extra-body is not JSON"),
        ("[1]", "--extra-body must be an object"),
        ('{"a": NaN}', "--extra-body has what no JSON can say"),
        ('{"a": "\\ud83d"}', "--extra-body has what no JSON can say"),
        ('{"stream": false}', "--extra-body: stream: every request streams"),
        ('{"max_tokens": 3}', "--extra-body: max_tokens: --max-tokens says it"),
        ('{"n": 2}', "--extra-body: n: an answer that comes several times"),
        ('{"temperature": "hot"}', "--extra-body: temperature: must be a number"),
        ('{"temperature": -1}', "--extra-body: temperature: must be a number"),
    ],
)
def test_what_no_body_can_have_is_refused_before_anybody_is_asked(text, words, infercli):
    ran = infercli("bench", NOBODY, "--extra-body", text)
    assert ran.code == ExitCode.USAGE
    assert words in ran.err


def test_an_embedding_has_no_temperature(infercli):
    ran = infercli("bench", NOBODY, "--api", "embeddings", "--extra-body", '{"temperature": 1}')
    assert "--extra-body: temperature is about answers" in ran.err


def test_every_request_has_the_headers_and_no_result_their_values(infercli):
    typed = ("--header", "x-tenant=s3cret", "--header", "x-route: a b")
    with FakeOpenAiServer(Behaviour(tokens=2)) as server:
        ran = infercli("bench", server.url, *typed, *FEW)
        assert {request.path for request in server.served} >= {"/v1/models", "/v1/chat/completions"}
        for request in server.served:
            if request.path.startswith("/v1/"):
                assert (request.headers["x-tenant"], request.headers["x-route"]) == ("s3cret", "a b")
    assert "each head with x-tenant, x-route" in " ".join(ran.out.split())
    assert "s3cret" not in ran.out + ran.err + Path("result.json").read_text()


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("Authorization: Bearer s3cret", "--header Authorization: keys come from INFERCLI_API_KEY"),
        ("Host=other", "--header Host: it is said already"),
        ("x-s3cret", "is no NAME=VALUE that a request can carry"),
        ("x=s3cret\nx-other: 1", "--header x: is no NAME=VALUE"),
        ("x=schlüssel", "--header x: is no NAME=VALUE"),
        ("two words=s3cret", "--header two words: is no NAME=VALUE"),
    ],
)
def test_a_header_that_cannot_be_carried_is_refused_without_its_value(header, words, infercli):
    ran = infercli("bench", NOBODY, "--header", header)
    assert ran.code == ExitCode.USAGE
    assert words in ran.err
    assert "s3cret" not in ran.err.replace("--header x-s3cret", "")


def test_headers_are_for_endpoints_and_no_job_carries_them(infercli):
    ran = infercli("bench", "chat", "--in-cluster", "--header", "x=1")
    assert "--in-cluster and --header cannot be given together" in ran.err


@pytest.mark.parametrize("option", ["--warmup", "--cooldown"])
def test_a_share_is_no_time_and_no_number_of_requests(option, infercli):
    ran = infercli("bench", NOBODY, "--duration", "9s", option, "0.1")
    assert ran.code == ExitCode.USAGE
    assert f"{option} 0.1: has no unit: write 0.1s, or a number of requests" in ran.err

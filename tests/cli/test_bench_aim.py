"""Where `infercli bench` is pointed, by whom and for which model: what is wrong is said before a load is sent."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from infercli.cli.bench_bar import Bar
from infercli.core.bench.levels import Level
from infercli.core.traces import Load
from infercli.errors import ExitCode
from infercli.loadgen import Progress
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer

FEW = ("--requests", "2", "--warmup", "0", "--concurrency", "1", "-o", "json")


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("127.0.0.1:8123", "write http://127.0.0.1:8123"),
        ("localhost:8123/v1", "write http://localhost:8123/v1"),
        ("htp://host", "write http://host"),
        ("http://host:8123/v1/chat/completions", "write http://host:8123"),
    ],
)
def test_what_is_no_base_url_is_answered_with_the_one_that_is_meant(typed, hint, infercli):
    ran = infercli("bench", typed)
    assert ran.code == ExitCode.USAGE
    assert f"hint: {hint}\n" in ran.err


def test_a_key_in_what_is_no_url_is_not_shown(infercli):
    ran = infercli("bench", "htp://me:s3cret@host:1/?key=s3cret")
    assert ran.code == ExitCode.USAGE
    assert "s3cret" not in ran.err


@pytest.mark.parametrize("words", [("--model", "tinny"), ("--lora", "tinny=1")])
def test_a_model_that_the_endpoint_does_not_know_is_said_before_it_is_asked_for_a_load(words, infercli):
    with FakeOpenAiServer(Behaviour(tokens=2)) as server:
        ran = infercli("bench", server.url, *words, *FEW)
        assert len(server.completion_requests) <= 1
    assert ran.code == ExitCode.COULD_NOT
    assert "does not serve a model `tinny`" in ran.err
    assert "`tiny`" in ran.err


def test_a_model_that_is_listed_is_not_asked_for_beforehand(infercli):
    with FakeOpenAiServer(Behaviour(tokens=2), adapters=("sql",)) as server:
        ran = infercli("bench", server.url, "--model", "tiny", "--lora", "sql=1", *FEW)
        assert len(server.completion_requests) == 2
    assert json.loads(ran.out)["target"]["model"] == "tiny"


def test_a_model_that_is_served_and_not_listed_is_measured(infercli, monkeypatch):
    from infercli.adapters.openai_api import OpenAiApi

    monkeypatch.setattr(OpenAiApi, "models", lambda _self: ["another"])
    with FakeOpenAiServer(Behaviour(tokens=2)) as server:
        infercli("bench", server.url, "--model", "tiny", *FEW)
        assert len(server.completion_requests) == 3  # one to see whether it is there


def test_a_key_that_is_not_taken_is_said_before_a_load_is_sent(infercli):
    with FakeOpenAiServer(api_key="k3y") as server:
        ran = infercli("bench", server.url, "--model", "tiny", *FEW)
        assert server.completion_requests == []
    assert "give the key by INFERCLI_API_KEY" in ran.err


def test_a_server_that_refuses_stream_options_is_measured_without_them_and_it_is_said(infercli):
    with FakeOpenAiServer(Behaviour(tokens=3, refuses="stream_options")) as server:
        ran = infercli("bench", server.url, *FEW)
        assert len(server.completion_requests) == 3  # one was refused
    assert ran.code == ExitCode.YES
    assert "the endpoint refuses `stream_options`" in ran.err
    metrics = json.loads(ran.out)["stages"][0]["metrics"]
    assert (metrics["answered"], metrics["failed"], metrics["output_tokens"]) == (2, 0, 6)
    assert metrics["token_check"]["with_usage"] == 0
    assert "\n6 output tokens\n" in infercli("report", "result.json").out  # and not: 0 of 0 answers


def test_a_server_that_refuses_max_tokens_and_a_temperature_is_measured_without_them_and_it_is_said(infercli):
    with FakeOpenAiServer(Behaviour(tokens=3, unsupported=("max_tokens", "temperature"))) as server:
        ran = infercli("bench", server.url, *FEW)
        bodies = [request.body for request in server.completion_requests]
    assert ran.code == ExitCode.YES
    assert "it is asked for `max_completion_tokens`" in ran.err
    assert "the endpoint refuses a temperature of 0" in ran.err
    assert [("max_tokens" in body, "temperature" in body) for body in bodies] == [
        (True, True), (False, True), (False, False), (False, False),
    ]  # fmt: skip
    assert all(body["max_completion_tokens"] == 128 for body in bodies[1:])
    stage = json.loads(ran.out)["stages"][0]
    assert (stage["metrics"]["answered"], stage["metrics"]["failed"]) == (2, 0)
    assert stage["load"]["temperature"] is None
    assert "it sampled at its own" in infercli("report", "result.json").out.replace("\n  ", " ")


@pytest.mark.parametrize(("tokens", "said"), [(7, True), (70, False)])
def test_an_endpoint_that_cuts_prompts_is_said(tokens, said, infercli):
    with FakeOpenAiServer(Behaviour(tokens=3, prompt_tokens=tokens)) as server:
        infercli("bench", server.url, "--words", "64", *FEW)
    assert ("of 2 prompts `usage` says far fewer tokens" in infercli("report", "result.json").out) is said


def test_another_field_that_is_refused_is_a_failure_with_its_name(infercli):
    with FakeOpenAiServer(Behaviour(refuses="ignore_eos")) as server:
        ran = infercli("bench", server.url, "--ignore-eos", *FEW)
    assert ran.code == ExitCode.CANNOT_TELL
    assert "ignore_eos" in (Path("result.json")).read_text()


def test_what_is_asked_before_the_load_waits_no_longer_than_a_request_may(infercli):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ran = infercli("bench", url, "--timeout", "300ms", *FEW)
    assert ran.code == ExitCode.COULD_NOT
    assert "did not answer within 0.3 s" in ran.err


def test_a_result_never_overwrites_the_workload_that_was_sent(infercli):
    Path("w.yaml").write_text("apiVersion: infercli/v1\nkind: Workload\nname: w\nprompts: [a]\n")
    ran = infercli("bench", "http://127.0.0.1:9", "--workload", "w.yaml", "--save", "./w.yaml")
    assert ran.code == ExitCode.USAGE
    assert "./w.yaml is read, and would be overwritten" in ran.err


def test_a_server_that_lists_no_models_is_measured_by_the_name_that_is_given(infercli):
    with FakeOpenAiServer(Behaviour(tokens=2), lists=None) as server:
        assert "lists no model\nhint: name one with --model" in infercli("bench", server.url, *FEW).err
    with FakeOpenAiServer(Behaviour(tokens=2), lists=False) as server:
        ran = infercli("bench", server.url, *FEW)
        assert ran.code == ExitCode.COULD_NOT
        assert "name one with --model" in ran.err
        assert infercli("bench", server.url, "--model", "tiny", *FEW).code == ExitCode.YES


def test_an_address_of_metrics_that_is_none_is_said_with_its_option(infercli):
    with FakeOpenAiServer() as server:
        ran = infercli("bench", server.url, "--metrics-url", "foo", *FEW)
    assert ran.code == ExitCode.USAGE
    assert "--metrics-url: `foo` is not the base URL" in ran.err


def test_half_a_character_in_what_a_server_says_costs_no_result(infercli):
    with FakeOpenAiServer(Behaviour(status=500, message="half \ud83d")) as server:
        ran = infercli("bench", server.url, *FEW)
    assert ran.code == ExitCode.CANNOT_TELL
    assert json.loads(ran.out)["first_messages"] == {"http 500": "half \ufffd"}


def test_why_a_level_is_sent_stands_on_a_line_of_its_own(capsys):
    with Bar() as bar:
        bar.shown = True  # as on a terminal
        bar.update(Progress(False, 3, 0, 4, 1.0, 12))
        bar.level(Level(Load(concurrency=1, requests=1), "4 requests/s: the first guess"), 1)
    assert "\r4 requests/s: the first guess\n" in capsys.readouterr().err


@pytest.mark.parametrize("columns", [80, 120])
def test_tokens_and_latencies_are_seen_live_where_the_terminal_is_narrow(columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    load = Load(arrivals="gamma", burstiness=0.5, rate_per_s=20, requests=40)
    with Bar() as bar:
        bar.shown = True
        bar.level(Level(load), 0)
        bar.update(Progress(False, 20, 0, 40, 1.0, 2000, in_flight=3, ttft_s=0.02, tpot_s=0.005))
    line = capsys.readouterr().err.strip()
    assert len(line) < columns
    assert line.endswith("20/40 done  3 in flight  2,000 tokens/s  TTFT 20 ms  TPOT 5.0 ms")
    assert (load.label in line) is (columns == 120)


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (
            60,
            "[#######.......]  20/40 done  3 in flight  2,000 tokens/s",
        ),  # of `TTFT 1,234 ms` there was `TTFT 1,234` left
        (40, "[#####.....]  20/40 done  3 in flight"),
        (12, "[##..]  2"),  # too narrow for anything: it takes one line all the same
    ],
)
def test_what_a_narrow_terminal_has_no_room_for_is_left_out_as_a_whole(columns, shown, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    with Bar() as bar:
        bar.shown = True
        bar.update(Progress(False, 20, 0, 40, 1.0, 2000, in_flight=3, ttft_s=1.234, tpot_s=0.005))
    assert capsys.readouterr().err.split("\r")[1].strip() == shown


def test_of_answers_that_are_all_empty_nothing_can_be_told(infercli):
    with FakeOpenAiServer(Behaviour(tokens=0)) as server:
        ran = infercli("bench", server.url, *FEW)
    assert ran.code == ExitCode.CANNOT_TELL
    assert "2 answers were empty: HTTP 200 and no token" in json.loads(ran.out)["cautions"]

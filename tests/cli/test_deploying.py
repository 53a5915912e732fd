"""What deploy and rollback say to whoever typed them, with a Serve in memory in place of the Ray on this machine."""

from __future__ import annotations

import contextlib
import json

import pytest

from infercli.actions.steps import World
from infercli.cli.world import Steps, composer, local_store
from infercli.errors import ExitCode
from infercli.render.serve_config import local_layout
from tests.fakes.platform import FakeClock, FakePlatform


@pytest.fixture
def platform(pinned, monkeypatch):
    clock = FakeClock()
    platform = FakePlatform(clock)
    compose = composer(local_layout("/code", "/keys", 8000))

    def world(*_):
        return World(platform, local_store(), clock, Steps(), compose)

    monkeypatch.setattr("infercli.cli.world.local_world", world)
    return platform


def test_steps_that_take_requests_back_from_the_new_engine_are_refused(infercli, platform):
    ran = infercli("deploy", "--step", "50", "--step", "20")
    assert ran.code == ExitCode.USAGE
    assert "hint: write --step 20 --step 50\n" in ran.err


def test_what_was_rolled_back_is_deployed_again_with_the_reason_said(infercli, platform, deployment):
    bad = "name: chat\nmodel: ./model\nprofile: cpu-local\nengine_args: {max_num_seqs: 7}\n"
    for written in ("name: chat\nmodel: ./model\nprofile: cpu-local\n", bad):
        deployment(written)
        first = infercli("deploy")
        assert first.code == ExitCode.YES, first.err
        assert "rolled back" not in first.err
    assert infercli("rollback", "chat", "--reason", "wrong answers").code == ExitCode.YES
    for words in (("--dry-run",), ()):
        ran = infercli("deploy", *words)
        assert ran.code == ExitCode.YES, ran.err
        assert "was rolled back by " in ran.err
        assert "(revision 3): wrong answers\n" in ran.err


def test_a_rollback_past_an_engine_that_never_took_requests_does_not_say_that_a_front_comes_back(
    infercli, platform, deployment
):
    assert infercli("deploy").code == ExitCode.YES
    deployment("name: chat\nmodel: ./model\nprofile: cpu-local\nengine_args: {max_num_seqs: 7}\n")

    def killed(*_):
        raise RuntimeError  # as a driver that is gone: nothing is undone, nothing more is recorded

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("infercli.actions.steps.verify", killed)
        assert infercli("deploy").code == ExitCode.BUG
    ran = infercli("rollback", "chat", "--dry-run")
    assert ran.code == ExitCode.YES, ran.err
    assert "requests stay where they are; what was begun beside it, or changed in" in ran.out


def test_who_says_no_to_a_deletion_is_told_that_nothing_was_done_and_not_of_an_interruption(
    infercli, platform, monkeypatch
):
    assert infercli("deploy").code == ExitCode.YES
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda *_, **more: False)
    ran = infercli("delete", "chat")
    assert (ran.code, ran.out) == (ExitCode.NO, "")
    assert "nothing was done" in ran.err
    assert infercli("status", "chat").code == ExitCode.YES


def test_the_hashing_of_the_weights_shows_how_far_it_is(infercli, platform, monkeypatch):
    told = []

    @contextlib.contextmanager
    def byte_progress(what):
        yield lambda done, total, name: told.append((what, done == total))

    monkeypatch.setattr("infercli.cli.progress.byte_progress", byte_progress)
    assert infercli("deploy").code == ExitCode.YES
    assert ("verifying", True) in told


def answering(platform, path, answer):
    """Of what an engine may be asked it serves `path` alone."""
    before = platform.front

    def front(method, asked, **words):
        seen = before(method, asked, **words)
        if method != "POST" or seen.status != 200:
            return seen
        return seen._replace(body=answer) if asked == path else seen._replace(status=404, body=b'"not_served"')

    platform.front = front


def test_what_was_deployed_is_asked_as_it_answers(infercli, platform):
    ran = infercli("deploy")
    assert ran.code == ExitCode.YES, ran.err
    assert "  ask it:      infercli ask chat 'Hello'\n" in ran.err


@pytest.mark.parametrize("typed", [("-n", "prod"), ("--context", "prod"), ("--kubeconfig", "prod.yaml")])
def test_what_is_for_this_machine_is_not_deployed_here_by_whoever_names_a_cluster(infercli, platform, typed):
    for verb in ("deploy", "diff"):
        ran = infercli(verb, *typed)
        assert ran.code == ExitCode.USAGE
        assert "chat's profile `cpu-local` is for this machine" in ran.err
    assert platform.puts == []


def test_an_engine_that_embeds_is_not_offered_for_a_chat_also_when_only_the_front_was_changed(
    infercli, platform, deployment
):
    answering(platform, "/v1/embeddings", json.dumps({"data": [{"embedding": [0.5]}]}).encode())
    for front in ("", "front: {max_in_flight: 7}\n"):
        deployment(f"name: chat\nmodel: ./model\nprofile: cpu-local\n{front}")
        ran = infercli("deploy")
        assert ran.code == ExitCode.YES, ran.err
        assert "  ask it:      POST http://fake/v1/embeddings\n" in ran.err


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"choices": []}', b'{"choices": [{"message": {"content": "hi"}}]}']
)
def test_an_answer_through_the_front_that_is_no_chat_completion_is_said_to_be_none(infercli, platform, body):
    assert infercli("deploy").code == ExitCode.YES
    before = platform.front
    platform.front = lambda method, path, **words: before(method, path, **words)._replace(body=body)
    ran = infercli("ask", "Hello")
    assert ran.code == ExitCode.COULD_NOT
    assert f"what came is no chat completion: {body.decode()}" in ran.err

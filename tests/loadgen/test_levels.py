"""Levels one after another, with measurements that are made up."""

from __future__ import annotations

import os
import signal

import pytest

from infercli.core.bench.levels import Levels
from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import single
from infercli.core.load.sending import Sending
from infercli.core.traces import Stop
from infercli.loadgen import levels as module
from infercli.loadgen.interrupts import noted
from infercli.loadgen.levels import run_levels
from infercli.loadgen.run import Measurement
from infercli.loadgen.target import Target
from tests.core.results import client, trace
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer

TWO = Levels(shared={"requests": 1}, levels=({"concurrency": 1}, {"concurrency": 2}))
ANSWERED = (trace(0.0, (3.0,)), trace(1.0, (2.0,)))


@pytest.fixture
def ran(monkeypatch):
    """What two levels come to, of which the first ends as is said; each takes 3 s and the second begins at 10 s."""

    def go(stopped, *came_back):
        begun = iter((5_000_000_000, 15_000_000_000))
        monkeypatch.setattr(
            module,
            "run",
            lambda *_, **more: Measurement(
                "2026-11-21T00:00:00Z", next(begun), came_back or ANSWERED, client(), stopped
            ),
        )
        target = Target(parse_endpoint("http://127.0.0.1:1"), "chat")
        return run_levels(TWO, target, Sending(conversations=(single("hi"),), source="test"))

    return go


def test_every_level_lies_where_it_was_on_the_clock_of_the_first(ran):
    found = ran(None)
    assert found.origin_monotonic_ns == 5_000_000_000
    assert [(s.began_s, s.ended_s) for s in found.stages] == [(0.0, 3.0), (10.0, 13.0)]


def test_what_is_interrupted_is_not_sent_again_though_a_field_was_refused(ran):
    refused = trace(0.0, status=400, error="http", message="stream_options is not known here")
    found = ran(Stop(kind="interrupted"), refused)
    assert found.origin_monotonic_ns == 5_000_000_000  # of the first run: there was no second
    (only,) = found.stages
    assert only.interrupted


def test_an_interruption_ends_the_run_with_what_there_is(ran):
    (only,) = ran(Stop(kind="interrupted")).stages
    assert only.interrupted


def test_a_signal_between_two_levels_keeps_the_first_and_ends_the_second_at_once():
    with (
        FakeOpenAiServer(lambda i: Behaviour(tokens=4) if i < 1 else Behaviour(silent=True)) as server,
        noted() as told,
    ):

        def between(_level, number):
            if number:
                os.kill(os.getpid(), signal.SIGTERM)

        target = Target(parse_endpoint(server.url), "tiny")
        sending = Sending(conversations=(single("hi"),), source="test")
        found = run_levels(TWO, target, sending, on_level=between, interrupts=told)
        assert not told.sending  # what came back is put in order now: a second signal ends nothing
    assert [(s.metrics.answered, s.stopped) for s in found.stages] == [(1, None), (0, Stop(kind="interrupted"))]


def test_of_two_signals_only_the_second_ends_the_process_and_only_while_it_sends(monkeypatch):
    monkeypatch.setattr("infercli.loadgen.interrupts._SAME_S", 1e-9)
    with noted() as told:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert told()
    with pytest.raises(KeyboardInterrupt), noted() as told:
        told.sending = True
        os.kill(os.getpid(), signal.SIGINT)
        assert told()
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the second did not end it")

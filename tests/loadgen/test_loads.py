"""Loads beyond one closed loop: open loops, conversations, traces."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest

from infercli.core.bench.metrics import measure
from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import Conversation, Turn
from infercli.core.traces import Load
from infercli.loadgen import Target, run
from infercli.loadgen.connections import Connections
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer
from tests.loadgen.loads import LATE_S, ROUNDED_S, go

pytestmark = pytest.mark.slow  # all of them together; each waits for servers most of the time


def test_an_open_loop_sends_when_requests_are_due_however_slow_the_answers_are():
    with FakeOpenAiServer(Behaviour(tokens=2, ttft_s=0.6)) as server:
        m = go(server, arrivals="constant", rate_per_s=20, requests=10)
    first = m.traces[0].intended_s
    assert [t.intended_s - first for t in m.traces] == pytest.approx([i * 0.05 for i in range(10)], abs=2 * ROUNDED_S)
    # All were sent before the first was answered: nobody waited for anybody.
    assert max(t.sent_s for t in m.traces) < min(t.ended_s for t in m.traces)
    assert all(t.sent_s - t.intended_s >= t.late_s - 2 * ROUNDED_S for t in m.traces)
    assert m.client.pacing == "timerfd"


def test_requests_are_not_sent_early():
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        m = go(server, arrivals="poisson", rate_per_s=100, requests=60)
    assert min(t.sent_s - t.intended_s for t in m.traces) >= -ROUNDED_S


def test_a_cap_holds_requests_back_and_their_latency_counts_from_when_they_were_due():
    with FakeOpenAiServer(Behaviour(tokens=2, ttft_s=0.2)) as server:
        m = go(server, arrivals="constant", rate_per_s=20, requests=6, concurrency=1)
        assert max(s.in_flight for s in server.completion_requests) == 1
    metrics = measure(m.traces)
    assert metrics.ttft_s.p50 == pytest.approx(0.2, abs=0.1)
    # The last was due at 0.25 s and had five before it of 0.2 s each: it began at 1 s, was answered at 1.2.
    assert metrics.ttft_due_s.max == pytest.approx(0.95, abs=0.3)
    assert metrics.ttft_due_s.max > metrics.ttft_s.max + 0.4
    # The cap is the user's own wish, and no lateness of the client.
    assert metrics.send_lag_s.max < LATE_S


def test_a_client_that_sees_late_that_its_cap_has_room_sends_late(monkeypatch):
    real = Connections._reader

    def late(self):
        readable = real(self)
        return lambda user: time.sleep(0.03) or readable(user)

    monkeypatch.setattr(Connections, "_reader", late)
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        m = go(server, arrivals="constant", rate_per_s=100, requests=6, concurrency=1)
    # The end of the answer before was there 30 ms before it was seen.
    assert sum(t.late_s > 0.02 for t in m.traces) >= 4


def test_warm_up_and_cool_down_by_time_are_marked_by_when_a_request_was_due():
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        m = go(server, arrivals="constant", rate_per_s=20, duration_s=1, warmup_s=0.2, cooldown_s=0.3)
    assert Counter(t.phase for t in m.traces) == {"warmup": 4, "measured": 10, "cooldown": 6}
    assert measure(m.traces).requests == 10


@pytest.mark.parametrize(
    "how",
    [
        {"concurrency": 3},
        {"concurrency": 3, "workers": 2},
        {"arrivals": "poisson", "rate_per_s": 200},
        {"arrivals": "constant", "rate_per_s": 200, "workers": 2},
    ],
)
def test_the_last_requests_are_cool_down_by_number(how):
    with FakeOpenAiServer(Behaviour(tokens=2, itl_s=0.005)) as server:
        m = go(server, requests=20, warmup_requests=2, cooldown_requests=6, **how)
    own = [t for t in sorted(m.traces, key=lambda t: t.sent_s) if t.phase != "warmup"]
    assert Counter(t.phase for t in own) == {"measured": 14, "cooldown": 6}
    if how.get("workers") is None:  # one worker sends in the order in which it takes
        assert [t.phase for t in own] == ["measured"] * 14 + ["cooldown"] * 6
    found = measure(m.traces)
    assert found.requests == 14
    # While the last ones are sent the load goes on: the rates are of the time before.
    last = max(t.sent_s for t in own if t.phase == "measured")
    assert found.duration_s < last - own[0].sent_s + 0.1


def test_the_turns_of_a_closed_loop_are_cool_down_by_number_too():
    talk = Conversation(turns=tuple(Turn(prompt=f"{i}") for i in range(3)))
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        m = go(server, [talk], concurrency=1, requests=7, cooldown_requests=2, multi_turn=True)
    assert [t.phase for t in m.traces] == ["measured"] * 5 + ["cooldown"] * 2


def test_a_turn_is_warm_up_by_when_it_was_due_and_not_by_when_its_conversation_began():
    talk = Conversation(turns=tuple(Turn(prompt=f"{i}") for i in range(100)))
    times = {"duration_s": 0.6, "warmup_s": 0.2, "cooldown_s": 0.2}
    with FakeOpenAiServer(Behaviour(tokens=1, ttft_s=0.03)) as server:
        for load in ({"concurrency": 2}, {"arrivals": "constant", "rate_per_s": 9}):
            m = go(server, [talk], **load, **times)
            began = m.traces[0].intended_s
            phases = [Load(**load, **times).phase_at(t.intended_s - began) for t in m.traces]
            assert [t.phase for t in m.traces] == phases
            assert set(phases) == {"warmup", "measured", "cooldown"}
        # One by count is over when it was answered, whatever it is due by.
        m = go(server, [talk], concurrency=1, requests=3, warmup_requests=4)
        assert [t.phase for t in m.traces] == ["warmup"] * 4 + ["measured"] * 3


def test_a_trace_is_replayed():
    conversations = [Conversation(turns=(Turn(prompt=f"at {t}", max_tokens=n),), at_s=t) for t, n in
                     ((0.0, 3), (0.1, 4), (0.4, 5))]  # fmt: skip
    with FakeOpenAiServer(Behaviour(tokens=2)) as server:
        m = go(server, conversations, arrivals="trace")
        asked = [(s.body["messages"][0]["content"], s.body["max_tokens"]) for s in server.completion_requests]
    assert asked == [("at 0.0", 3), ("at 0.1", 4), ("at 0.4", 5)]
    first = m.traces[0].intended_s
    assert [t.intended_s - first for t in m.traces] == pytest.approx([0, 0.1, 0.4], abs=2 * ROUNDED_S)


@pytest.mark.slow
def test_an_endpoint_that_cannot_keep_up_ends_the_load_and_keeps_what_was_measured():
    # One at a time and 1 s each: of ten requests a second, one is answered.
    gate = threading.Lock()

    def one_by_one(_index):
        with gate:
            server.closing.wait(1)
        return Behaviour(tokens=1)

    with FakeOpenAiServer(one_by_one) as server:
        m = go(server, arrivals="constant", rate_per_s=10, duration_s=60, stop_when_saturated=True)
    assert m.stopped is not None
    assert m.stopped.kind == "saturated"
    assert sum(t.answered for t in m.traces) >= 5
    assert sum(t.cut for t in m.traces) > 30
    assert max(t.ended_s for t in m.traces) < 40


def test_a_conversation_goes_on_with_the_answers_that_were_given():
    talk = Conversation(turns=(Turn(prompt="one"), Turn(prompt="two", think_s=0.2), Turn(prompt="three")))
    with FakeOpenAiServer(Behaviour(tokens=3, content=lambda i: f"w{i} ")) as server:
        m = go(server, [talk], concurrency=1, requests=3)
        bodies = [s.body["messages"] for s in server.completion_requests]
    said = {"role": "assistant", "content": "w0 w1 w2 "}
    user = [{"role": "user", "content": text} for text in ("one", "two", "three")]
    assert bodies == [user[:1], [user[0], said, user[1]], [user[0], said, user[1], said, user[2]]]
    one, two, three = m.traces
    assert [t.turn for t in m.traces] == [0, 1, 2]
    assert two.intended_s - one.ended_s == pytest.approx(0.2, abs=2 * ROUNDED_S)
    assert three.intended_s - two.ended_s == pytest.approx(0, abs=2 * ROUNDED_S)


def test_completions_go_on_as_one_text():
    talk = Conversation(turns=(Turn(prompt="one "), Turn(prompt="two")))
    with FakeOpenAiServer(Behaviour(tokens=2, content=lambda i: f"w{i} ")) as server:
        go(server, [talk], api="completions", concurrency=1, requests=2)
        assert [s.body["prompt"] for s in server.completion_requests] == ["one ", "one w0 w1 two"]


def test_a_conversation_whose_turn_fails_is_over_and_its_user_begins_the_next():
    talks = [Conversation(turns=(Turn(prompt=f"{name} one"), Turn(prompt=f"{name} two"))) for name in "ab"]
    with FakeOpenAiServer(lambda i: Behaviour(status=500) if i == 0 else Behaviour(tokens=1)) as server:
        m = go(server, talks, concurrency=1, requests=3)
        asked = [s.body["messages"][-1]["content"] for s in server.completion_requests]
    assert asked == ["a one", "b one", "b two"]
    assert [t.error for t in m.traces] == ["http", None, None]


def test_conversations_of_an_open_loop_go_on_beside_one_another():
    talk = Conversation(turns=(Turn(prompt="one"), Turn(prompt="two", think_s=0.3)))
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        m = go(server, [talk], arrivals="constant", rate_per_s=20, requests=4)
    assert [t.turn for t in m.traces] == [0, 0, 0, 0, 1, 1, 1, 1]
    assert all(t.answered for t in m.traces)


def test_progress_of_conversations_is_told_by_their_requests():
    talks = [Conversation(turns=tuple(Turn(prompt=f"{i}") for i in range(n))) for n in (1, 3)]
    seen = []
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        load = Load(arrivals="constant", rate_per_s=50, requests=3, multi_turn=True)
        run(Target(parse_endpoint(server.url), "tiny"), load, talks, seen.append)
    assert (seen[-1].done, seen[-1].total) == (5, 5)


def test_progress_of_a_replay_is_told_by_how_much_the_trace_has():
    talks = [Conversation(turns=(Turn(prompt="x"),), at_s=i / 50) for i in range(5)]
    for more, total in (({}, 5), ({"requests": 3}, 3), ({"requests": 9}, 5), ({"duration_s": 0.05}, None)):
        seen = []
        with FakeOpenAiServer(Behaviour(tokens=1)) as server:
            run(Target(parse_endpoint(server.url), "tiny"), Load(arrivals="trace", **more), talks, seen.append)
        assert seen[-1].total == total


def test_a_conversation_may_name_a_model_of_its_own():
    both = [Conversation(turns=(Turn(prompt="x"),), model=name) for name in ("tiny-lora", None)]
    with FakeOpenAiServer(Behaviour(tokens=1), adapters=("tiny-lora",)) as server:
        m = go(server, both, concurrency=1, requests=4)
        assert [s.body["model"] for s in server.completion_requests] == ["tiny-lora", "tiny"] * 2
    assert all(t.answered for t in m.traces)
    assert [t.model for t in m.traces] == ["tiny-lora", None] * 2

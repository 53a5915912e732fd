"""Loads beyond one closed loop: open loops, conversations, several workers, other APIs, proxies."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from infercli.core.bench.metrics import measure
from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import Conversation, Turn, single
from infercli.core.traces import Load
from infercli.errors import InferError, InputError
from infercli.loadgen import Target, run, shares, workers_of
from infercli.loadgen.connections import Connections
from infercli.loadgen.route import route_to
from infercli.loadgen.run import _ended
from infercli.loadgen.worker import Channel
from tests.fakes.http_proxy import Proxy
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer

pytestmark = pytest.mark.slow  # all of them together; each waits for servers most of the time

ROUNDED_S = 1e-6
LATE_S = 0.25
"""What a machine that does other work may add."""


def go(server, conversations=None, *, api="chat", workers=None, **load):
    target = Target(parse_endpoint(server.url), "tiny", api)
    conversations = conversations or [single(f"prompt {i}") for i in range(50)]
    return run(target, Load(**{"max_tokens": 8, "timeout_s": 20.0, **load}), conversations, workers=workers)


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


def test_workers_share_a_closed_loop_and_lose_nothing():
    with FakeOpenAiServer(Behaviour(tokens=5, ttft_s=0.02)) as server:
        m = go(server, concurrency=7, requests=41, warmup_requests=5, workers=3)
        prompts = Counter(s.body["messages"][0]["content"] for s in server.completion_requests)
    assert most_in_flight(m) <= 7
    assert m.client.workers == 3
    assert [t.request for t in m.traces] == list(range(46))
    assert Counter(t.phase for t in m.traces) == {"warmup": 5, "measured": 41}
    assert all(t.answered and sum(t.frames) == 5 for t in m.traces)
    # Warm-up over before anything measured is sent, in every worker.
    assert max(t.ended_s for t in m.traces if t.phase == "warmup") <= min(
        t.sent_s for t in m.traces if t.phase == "measured"
    )
    assert prompts.total() == 46
    assert set(prompts.values()) == {1}


def test_workers_share_an_open_loop_and_send_as_one_would():
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        one = go(server, arrivals="poisson", rate_per_s=60, requests=30, seed=7)
        three = go(server, arrivals="poisson", rate_per_s=60, requests=30, seed=7, workers=3)
    starts = [m.traces[0].intended_s for m in (one, three)]
    assert [t.intended_s - starts[0] for t in one.traces] == pytest.approx(
        [t.intended_s - starts[1] for t in three.traces], abs=2 * ROUNDED_S
    )
    assert [t.conversation for t in one.traces] == [t.conversation for t in three.traces]


def most_in_flight(m):
    """By the client's own times: the server lets go of a request after its last byte has arrived."""
    return max(sum(t.sent_s <= at.sent_s < t.ended_s for t in m.traces) for at in m.traces)


def slow_first(number):
    return Behaviour(tokens=1, ttft_s=0.8 if number == 0 else 0.01)


@pytest.mark.parametrize("load", [{}, {"arrivals": "constant", "rate_per_s": 40}], ids=["users", "cap"])
def test_a_slow_answer_holds_back_no_request_that_another_worker_has_room_for(load):
    with FakeOpenAiServer(slow_first) as server:
        m = go(server, concurrency=2, requests=20, workers=2, **load)
    assert most_in_flight(m) == 2
    slow = max(m.traces, key=lambda t: t.ended_s - t.sent_s)
    assert max(t.sent_s for t in m.traces) < slow.ended_s
    assert sorted(t.conversation for t in m.traces) == list(range(20))


def test_workers_that_wait_for_room_under_one_cap_all_get_it():
    with FakeOpenAiServer(Behaviour(tokens=1, ttft_s=0.02)) as server:
        m = go(server, arrivals="constant", rate_per_s=200, requests=48, concurrency=2, workers=3)
    assert most_in_flight(m) == 2
    assert sorted(t.conversation for t in m.traces) == list(range(48))
    # 48 of 20 ms each by two: half a second from the first to the last, with no worker's all at the end.
    order = [t.request % 3 for t in sorted(m.traces, key=lambda t: t.sent_s)]
    assert all(set(order[at : at + 24]) == {0, 1, 2} for at in (0, 24))


def test_a_system_without_a_count_for_several_workers_has_one(monkeypatch):
    monkeypatch.setattr(shares, "SHARED", False)
    assert workers_of(Load(concurrency=1024, requests=1)) == 1
    with FakeOpenAiServer(Behaviour(tokens=1, ttft_s=0.02)) as server:
        users = go(server, concurrency=3, requests=10, warmup_requests=2)
        capped = go(server, arrivals="constant", rate_per_s=200, requests=10, concurrency=2)
        with pytest.raises(InputError, match="for several workers"):
            go(server, concurrency=3, requests=10, workers=2)
    assert sorted(t.conversation for t in users.traces) == list(range(12))
    assert sorted(t.conversation for t in capped.traces) == list(range(10))
    assert measure(capped.traces).ttft_due_s.max > 0.06  # five times two of 20 ms each, due within 45 ms


def test_a_large_crowd_has_more_than_one_worker_where_there_are_cores():
    cores = len(os.sched_getaffinity(0))
    assert workers_of(Load(concurrency=64, requests=1)) == 1
    assert workers_of(Load(concurrency=1024, requests=1)) == min(cores, 4)
    assert workers_of(Load(arrivals="poisson", rate_per_s=100, requests=1)) == 1
    assert workers_of(Load(arrivals="poisson", rate_per_s=1000, requests=1)) == min(cores, 2)
    assert workers_of(Load(arrivals="poisson", rate_per_s=1000, concurrency=1, requests=1)) == 1
    assert workers_of(Load(arrivals="poisson", rate_per_s=1, ramp_to_per_s=1000, duration_s=9)) == min(cores, 2)


def test_a_worker_that_is_killed_before_it_is_told_to_begin_ends_the_run_with_words(monkeypatch):
    send, fork = Channel.send, os.fork
    started = []

    def forked() -> int:
        started.append(fork())
        return started[-1]

    def as_it_begins(channel, *message):
        if message[0] == "go":
            for pid in started:
                os.kill(pid, signal.SIGKILL)
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        send(channel, *message)

    monkeypatch.setattr(os, "fork", forked)
    monkeypatch.setattr(Channel, "send", as_it_begins)
    with FakeOpenAiServer(Behaviour()) as server, pytest.raises(InferError, match="ended by signal 9"):
        go(server, concurrency=4, requests=8, workers=2)


def test_a_worker_that_is_killed_ends_the_run_with_words_and_leaves_no_process():
    def children() -> set[int]:
        path = f"/proc/self/task/{threading.get_native_id()}/children"
        with open(path, encoding="ascii") as file:
            return {int(pid) for pid in file.read().split()}

    def kill() -> None:
        end = time.monotonic() + 10
        while time.monotonic() < end:
            for pid in started():
                os.kill(pid, signal.SIGKILL)
                return
            time.sleep(0.05)

    before = children()
    main = threading.get_native_id()

    def started() -> set[int]:
        with open(f"/proc/self/task/{main}/children", encoding="ascii") as file:
            return {int(pid) for pid in file.read().split()} - before

    with FakeOpenAiServer(Behaviour(tokens=500, itl_s=0.02)) as server:
        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(InferError, match="ended by signal 9"):
            go(server, concurrency=4, requests=8, workers=2)
        killer.join()
    assert children() == before


WORKERS_OF_A_KILLED_PARENT = """
import sys
from infercli.core.load.conversation import single
from infercli.core.endpoint import parse_endpoint
from infercli.core.traces import Load
from infercli.loadgen import Target, run
print("ready", flush=True)
load = Load(concurrency=2, requests=4, timeout_s=60)
run(Target(parse_endpoint(sys.argv[1]), "tiny"), load, [single("x")], workers=2)
"""


def test_workers_do_not_outlive_a_parent_that_is_killed():
    with FakeOpenAiServer(Behaviour(tokens=2000, itl_s=0.02)) as server:
        parent = subprocess.Popen(
            [sys.executable, "-c", WORKERS_OF_A_KILLED_PARENT, server.url], stdout=subprocess.PIPE, text=True
        )
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        end = time.monotonic() + 20
        while server.in_flight < 2 and time.monotonic() < end:
            time.sleep(0.05)
        with open(f"/proc/{parent.pid}/task/{parent.pid}/children", encoding="ascii") as file:
            workers = [int(pid) for pid in file.read().split()]
        assert len(workers) == 2
        parent.kill()
        parent.wait()
        while any(alive(pid) for pid in workers) and time.monotonic() < end:
            time.sleep(0.05)
        assert not any(alive(pid) for pid in workers)


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


RUN_OF_A_GROUP = """
import sys
from infercli.core.load.conversation import single
from infercli.core.endpoint import parse_endpoint
from infercli.core.traces import Load
from infercli.loadgen import Target, run
load = Load(concurrency=2, duration_s=60, max_tokens=4)
m = run(Target(parse_endpoint(sys.argv[1]), "tiny"), load, [single("x")], workers=2)
print(m.stopped, sum(t.answered for t in m.traces) > 5, {t.error for t in m.traces})
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_to_the_whole_group_keeps_what_was_measured(number):
    with FakeOpenAiServer(Behaviour(tokens=4, itl_s=0.01)) as server:
        group = subprocess.Popen(
            [sys.executable, "-c", RUN_OF_A_GROUP, server.url],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        end = time.monotonic() + 20
        while len(server.completion_requests) < 12 and time.monotonic() < end:
            time.sleep(0.05)
        # As GNU `timeout` does it: the process first, then its group.
        os.kill(group.pid, number)
        time.sleep(0.01)
        os.killpg(group.pid, number)
        out, err = group.communicate(timeout=20)
    assert (group.returncode, out) == (0, "interrupted True {None}\n"), err


def test_only_a_worker_that_the_kernel_killed_may_have_been_short_of_memory():
    assert "memory" in str(_ended(signal.SIGKILL).hint)
    assert "memory" not in str(_ended(signal.SIGTERM).hint)
    assert _ended(1 << 8).message.endswith("ended with code 1")


def test_a_second_ctrl_c_ends_at_once_and_leaves_no_process():
    def twice() -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.4)

    # A worker that is stopped does not hear of the first, so that the second finds the run still there.
    with FakeOpenAiServer(Behaviour(tokens=500, itl_s=0.02)) as server:
        main = threading.get_native_id()

        def freeze_and_interrupt() -> None:
            end = time.monotonic() + 10
            while server.in_flight < 1 and time.monotonic() < end:
                time.sleep(0.05)
            with open(f"/proc/self/task/{main}/children", encoding="ascii") as file:
                frozen.extend(int(pid) for pid in file.read().split())
            os.kill(frozen[-1], signal.SIGSTOP)
            twice()

        frozen: list[int] = []
        killer = threading.Thread(target=freeze_and_interrupt)
        killer.start()
        with pytest.raises(KeyboardInterrupt):
            go(server, concurrency=1, requests=2)
        killer.join()
    assert not alive(frozen[-1])


def test_embeddings_are_answers_without_tokens():
    with FakeOpenAiServer(Behaviour(ttft_s=0.05)) as server:
        m = go(server, [single("three short words")], api="embeddings", concurrency=2, requests=6)
        assert server.served[0].body == {"model": "tiny", "input": "three short words"}
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


@contextlib.contextmanager
def answering(text: str):
    """A server that answers everything with the same bytes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1 << 16)
                    connection.sendall(text.encode())
                    connection.recv(1 << 16)

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


def test_of_several_addresses_the_first_that_accepts_is_measured(monkeypatch):
    """`localhost` where it is ::1 first, and a server that listens on IPv4 alone."""
    nobody = socket.create_server(("127.0.0.1", 0))
    refused = nobody.getsockname()
    nobody.close()

    def two(host, port, **_):
        assert host == "engine.test"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in (refused, ("127.0.0.1", port))]

    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        monkeypatch.setattr("infercli.loadgen.route.socket.getaddrinfo", two)
        target = Target(parse_endpoint(f"http://engine.test:{server.port}"), "tiny")
        m = run(target, Load(concurrency=1, requests=2), [single("x")])
        assert all(t.answered for t in m.traces)
        assert m.client.other_addresses == 1
    gone = run(target, Load(concurrency=1, requests=2), [single("x")])
    assert {t.error for t in gone.traces} == {"connect"}


def test_a_proxy_is_asked_for_the_whole_url_and_given_its_own_password(monkeypatch):
    with FakeOpenAiServer(Behaviour(tokens=4)) as server:
        proxy = Proxy(server.port)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        target = Target(parse_endpoint("http://model.invalid:8000"), "tiny")
        m = run(target, Load(concurrency=2, requests=4), [single("x")])
    assert all(t.answered and sum(t.frames) == 4 for t in m.traces), m.traces[0].message
    assert proxy.heads[0].startswith(b"POST http://model.invalid:8000/v1/chat/completions HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic c29tZW9uZTpwQHNz\r\n" in proxy.heads[0]  # base64 of someone:p@ss
    assert m.client.proxy == proxy.url.partition("@")[2], "its address, and neither name nor password"


def test_loopback_is_never_asked_of_a_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with FakeOpenAiServer(Behaviour(tokens=1)) as server:
        assert all(t.answered for t in go(server, concurrency=1, requests=2).traces)


@pytest.mark.parametrize(("proxy", "port"), [("http://127.0.0.1", 1080), ("127.0.0.1:3128", 3128)])
def test_a_proxy_without_a_port_is_where_curl_looks_for_it(monkeypatch, proxy, port):
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert route_to(parse_endpoint("http://model.invalid:8000"), None, 5.0).address == ("127.0.0.1", port)


def test_a_proxy_of_another_kind_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    target = Target(parse_endpoint("http://model.invalid:8000"), "tiny")
    with pytest.raises(InferError, match="socks5"):
        run(target, Load(concurrency=1, requests=1), [single("x")])


def test_a_proxy_that_refuses_the_way_is_an_error_of_connecting(monkeypatch):
    with answering("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n") as url:
        monkeypatch.setenv("https_proxy", url)
        monkeypatch.delenv("no_proxy", raising=False)
        target = Target(parse_endpoint("https://model.invalid"), "tiny")
        m = run(target, Load(concurrency=1, requests=1), [single("x")])
    assert (m.traces[0].error, m.traces[0].message) == ("connect", "the proxy answered 407")


def test_a_name_server_that_is_slow_ends_with_words_and_not_with_a_hang(monkeypatch):
    def slow(*_args, **_more):
        time.sleep(5)
        raise OSError("too late")  # an answer that nobody reads

    monkeypatch.setattr("infercli.loadgen.route.socket.getaddrinfo", slow)
    began = time.monotonic()
    target = Target(parse_endpoint("http://model.invalid:8000"), "tiny")
    with pytest.raises(InferError, match=r"not resolved within 0\.2 s"):
        run(target, Load(concurrency=1, requests=1, connect_timeout_s=0.2), [single("x")])
    assert time.monotonic() - began < 3


def test_a_system_without_epoll_and_timers_is_measured_and_said(monkeypatch):
    monkeypatch.delattr("infercli.loadgen.waker.select.epoll")
    with FakeOpenAiServer(Behaviour(tokens=3)) as server:
        m = go(server, arrivals="constant", rate_per_s=50, requests=10)
        closed = go(server, concurrency=2, requests=6)
    assert m.client.pacing == closed.client.pacing == "poll"
    assert all(t.answered and sum(t.frames) == 3 for t in (*m.traces, *closed.traces))
    assert min(t.sent_s - t.intended_s for t in m.traces) >= -ROUNDED_S

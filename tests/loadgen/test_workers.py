"""The workers of a load: what they share, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from infercli.core.bench.metrics import measure
from infercli.core.traces import Load
from infercli.errors import InferError, InputError
from infercli.loadgen import shares, workers_of
from infercli.loadgen.run import _ended
from infercli.loadgen.worker import Channel
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer
from tests.loadgen.loads import ROUNDED_S, go

pytestmark = pytest.mark.slow  # all of them together; each waits for servers most of the time


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

"""Requests and connections that fail: of what kind, in whose words, and what the run makes of it."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
import time

import pytest

from infercli.core.bench.metrics import measure
from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import single
from infercli.core.traces import Load
from infercli.loadgen import Target, run
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer
from tests.loadgen.running import go, only


@pytest.mark.parametrize(
    ("behaviour", "kind", "words"),
    [
        (Behaviour(status=500, message="CUDA error"), "http", "CUDA error"),
        (
            Behaviour(status=308, headers=(("Location", "https://h/v1?key=1"),)),
            "http",
            "redirects to https://h/v1, and",
        ),
        (Behaviour(status=429, message="too many requests in flight"), "http", "in flight"),
        (Behaviour(truncate_after=3), "truncated", "closed"),
        (Behaviour(end_early_after=3), "truncated", "finish_reason"),
        (Behaviour(truncate_after=3, framing="close"), "truncated", "finish_reason"),
        (Behaviour(error_after=3), "stream_error", "the engine died"),
        (Behaviour(error_after=3, error_name="error"), "stream_error", "the engine died"),
        (Behaviour(garbage=True), "protocol", "HTTP"),
        (Behaviour(not_a_stream=True), "protocol", "application/json"),
    ],
)
def test_each_failure_is_of_its_kind_and_keeps_the_servers_words(behaviour, kind, words):
    with FakeOpenAiServer(behaviour) as server:
        trace = only(go(server))
    assert (trace.error, trace.answered) == (kind, False)
    assert words in trace.message
    if kind in ("truncated", "stream_error"):
        assert sum(trace.frames) == 3  # what came is kept


def test_a_path_that_a_server_does_not_have_is_said_in_its_words():
    with FakeOpenAiServer() as server:
        target = Target(parse_endpoint(server.url + "/other"), "tiny")
        trace = only(run(target, Load(concurrency=1, requests=1), [single("hello")]))
    assert (trace.status, trace.message) == (404, "Not Found")  # FastAPI says it in `detail`


def test_an_unauthorised_request_is_counted_by_its_status():
    with FakeOpenAiServer(api_key="k3y") as server:
        m = go(server, requests=2)
    assert measure(m.traces).errors == {"http 401": 2}
    assert m.traces[0].message == "Unauthorized"


def test_a_server_that_never_answers_is_a_timeout_after_the_time_given():
    with FakeOpenAiServer(Behaviour(silent=True)) as server:
        trace = only(go(server, timeout_s=0.3))
    assert trace.error == "timeout"
    assert 0.3 <= trace.ended_s - trace.sent_s < 5
    assert trace.arrivals_s == ()


def test_a_stream_that_stalls_is_a_timeout_and_keeps_its_tokens():
    with FakeOpenAiServer(Behaviour(tokens=100, itl_s=0.05)) as server:
        trace = only(go(server, timeout_s=0.4))
    assert trace.error == "timeout"
    assert 1 <= sum(trace.frames) < 100


def test_failures_among_answers_do_not_stop_a_run():
    with FakeOpenAiServer(lambda i: Behaviour(status=503) if i % 3 == 1 else Behaviour(tokens=4)) as server:
        m = go(server, concurrency=2, requests=9, give_up_after=2)
    metrics = measure(m.traces)
    assert (metrics.answered, metrics.errors) == (6, {"http 503": 3})
    assert m.stopped is None


def test_a_user_whose_request_failed_rests_longer_each_time_before_the_next():
    with FakeOpenAiServer(lambda i: Behaviour(status=503) if i else Behaviour(tokens=1)) as server:
        m = go(server, duration_s=0.9)
    rests = [after.intended_s - one.ended_s for one, after in zip(m.traces[1:], m.traces[2:], strict=False)]
    assert 4 <= len(rests) <= 9  # at 0, 4, 12, 28, 60, 124, 252, 502 and 752 ms, and not thousands
    for i, rest in enumerate(rests):  # longer by what a busy machine takes to see the answer, and never shorter
        assert rest > min(0.25, 0.004 * 2**i) - 0.001


def test_one_failure_among_answers_costs_its_user_milliseconds():
    with FakeOpenAiServer(lambda i: Behaviour(status=429) if i % 2 else Behaviour(tokens=1)) as server:
        m = go(server, requests=12)
    failed = [i for i, t in enumerate(m.traces) if t.error]
    rests = [m.traces[i + 1].intended_s - m.traces[i].ended_s for i in failed if i + 1 < len(m.traces)]
    assert len(rests) == 5
    assert min(rests) > 0.003
    assert sorted(rests)[2] < 0.1  # the one in the middle: a busy machine may be late, but not each time


def test_an_answer_that_comes_whole_after_its_time_is_a_timeout_though_nobody_looked_before():
    with FakeOpenAiServer(Behaviour(tokens=2, ttft_s=0.005)) as server:
        m = go(server, requests=2, timeout_s=0.001)  # over long before the first look at 50 ms
        assert server.connections == 1  # it carried a whole answer, so it is kept
    assert [(t.error, t.message) for t in m.traces] == [("timeout", "not finished within 0.001 s")] * 2


def test_a_port_where_nobody_listens_is_given_up_soon():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    target = Target(parse_endpoint(f"http://127.0.0.1:{port}"), "tiny")
    start = time.monotonic()
    m = run(target, Load(concurrency=4, duration_s=60, give_up_after=6), [single("x")])
    assert time.monotonic() - start < 10
    assert m.stopped is not None
    assert m.stopped.kind == "gave up"
    assert {t.error for t in m.traces} == {"connect"}
    assert {t.message for t in m.traces} == {"Connection refused"}
    assert 6 <= len(m.traces) <= 10  # not a hundred thousand


def test_what_one_worker_gives_up_all_end():
    def behaviour(request: int) -> Behaviour:
        return Behaviour(status=503) if request else Behaviour(tokens=1000, itl_s=0.05)

    with FakeOpenAiServer(behaviour) as server:
        target = Target(parse_endpoint(server.url), "tiny")
        start = time.monotonic()
        m = run(target, Load(concurrency=2, duration_s=40, give_up_after=3), [single("x")], workers=2)
    assert time.monotonic() - start < 20
    assert m.client.workers == 2
    assert (m.stopped.kind, m.stopped.detail) == ("gave up", "the first 3 requests failed and none was answered")
    assert [t.cut for t in m.traces].count(True) == 1


def test_a_host_that_accepts_no_connection_is_a_timeout_of_connecting():
    # A listener with a full backlog drops SYNs.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(3):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)
        target = Target(parse_endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}"), "tiny")
        m = run(target, Load(concurrency=1, requests=1, connect_timeout_s=0.3), [single("x")])
        for filler in fillers:
            filler.close()
    assert (only(m).error, only(m).sent_s) == ("timeout", None)


def test_a_kept_connection_that_the_server_dropped_is_made_anew_without_a_failure():
    with FakeOpenAiServer(Behaviour(tokens=3, drop_after=True)) as server:
        m = go(server, requests=5)
        assert len(server.completion_requests) == 5  # none was sent twice to a server that had taken it
    assert all(t.answered for t in m.traces)
    assert all(t.sent_s >= t.intended_s for t in m.traces)


def test_a_server_that_dies_with_the_request_in_hand_failed_it_on_a_kept_connection_too():
    with FakeOpenAiServer(lambda i: Behaviour(tokens=3, hangs_up_after_s=0.5 if i == 1 else None)) as server:
        m = go(server, requests=3)
        assert len(server.completion_requests) == 3  # none was sent again
    assert [t.error for t in m.traces] == [None, "truncated", None]
    assert m.client.reconnects == 0


def test_a_request_that_met_a_closing_connection_is_sent_again_and_counted():
    with FakeOpenAiServer(lambda i: Behaviour(tokens=3, hangs_up_after_s=0.0 if i == 1 else None)) as server:
        m = go(server, requests=3)
        assert len(server.completion_requests) == 4
    assert all(t.answered for t in m.traces)
    assert m.client.reconnects == 1


def test_a_new_connection_that_ends_without_an_answer_failed():
    with FakeOpenAiServer(Behaviour(hangs_up_after_s=0.0)) as server:
        m = go(server, requests=2)
        assert len(server.completion_requests) == 2
    assert measure(m.traces).errors == {"truncated": 2}
    assert m.client.reconnects == 0


def test_a_server_that_refuses_before_it_has_read_everything_is_heard():
    with FakeOpenAiServer(max_body_bytes=1000) as server:
        m = go(server, prompts=["x" * 8_000_000], requests=3)
    assert measure(m.traces).errors == {"http 413": 3}
    assert {t.message for t in m.traces} == {"body too large"}
    assert m.client.reconnects == 0  # a connection that holds half a request is not used again


def test_a_server_that_refuses_and_reads_no_further_is_heard_though_it_keeps_the_connection():
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 8\r\n\r\ntoo much")
                over.wait(60)

        thread = threading.Thread(target=refuse)
        thread.start()
        target = Target(parse_endpoint(f"http://127.0.0.1:{listener.getsockname()[1]}"), "tiny")
        m = run(target, Load(concurrency=1, requests=1, timeout_s=5.0), [single("x" * 8_000_000)])
        over.set()
        thread.join()
    assert (only(m).error, only(m).status, only(m).message) == ("http", 413, "too much")


def test_a_kept_connection_that_the_server_closes_while_nothing_is_asked_is_let_go():
    with FakeOpenAiServer(Behaviour(tokens=3, drop_after=True)) as server:
        target = Target(parse_endpoint(server.url), "tiny")
        m = run(target, Load(arrivals="constant", rate_per_s=2.0, requests=3), [single("x")])
        assert server.connections == 3
    assert all(t.answered for t in m.traces)
    assert m.client.reconnects == 0  # nothing was sent on a connection that was known to be closed


def test_requests_for_which_this_machine_has_no_socket_are_counted_as_its_own_failures():
    """In a process of its own, whose limit cannot be raised again."""
    few = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
from infercli.core.load.conversation import single
from infercli.core.endpoint import parse_endpoint
from infercli.core.traces import Load
from infercli.loadgen import Target, run
load = Load(concurrency=60, requests=60, max_tokens=8)
m = run(Target(parse_endpoint(sys.argv[1]), "tiny"), load, [single("hello")], workers=1)
failed = [t.message for t in m.traces if t.error == "connect"]
assert set(failed) == {"Too many open files"}, failed
assert 60 - 40 < len(failed) == m.client.without_socket < 60, (failed, m.client)
"""
    with FakeOpenAiServer(Behaviour(tokens=3, ttft_s=1.0)) as server:
        done = subprocess.run(
            [sys.executable, "-c", few, server.url], capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_where_no_port_is_left_the_client_is_the_limit(monkeypatch):
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: errno.EADDRNOTAVAIL)
    with FakeOpenAiServer() as server:
        m = go(server, requests=2)
    assert [t.error for t in m.traces] == ["connect", "connect"]
    assert m.client.without_socket == 2
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: errno.ENETUNREACH)
    assert go(server, requests=2).client.without_socket == 0  # of this the network may be the reason

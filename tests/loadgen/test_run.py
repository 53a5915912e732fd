"""The loop against a real server on loopback that keeps its own send times.

Counts are exact. Times are compared with the server's own: never earlier than its stamp, and in the median close to it;
how close is left loose, since the machine that runs tests is busy.
"""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import threading
import time
from pathlib import Path
from statistics import median

import pytest

from infercli.core.bench.metrics import e2e_s, measure, tpot_s, ttft_s
from infercli.core.bench.self_check import check_client
from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import single
from infercli.core.traces import Load, Stop, Trace
from infercli.errors import EndpointError, InputError
from infercli.loadgen import Progress, Target, run
from infercli.loadgen.clock import ReceiveClock
from infercli.loadgen.connections import Connections
from infercli.loadgen.exchange import Answer, Call, Exchange, in_seconds
from infercli.loadgen.waker import Waker
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer
from tests.loadgen.running import go, only

CLOCK_ERROR_S = 0.0002
"""The two clocks are compared ten times a second; a preempted comparison may be off by this much."""


def test_every_token_of_every_request_is_counted_and_agrees_with_usage():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with FakeOpenAiServer(Behaviour(tokens=33)) as server:
        m = go(server, concurrency=5, requests=40)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert [t.request for t in m.traces] == list(range(40))
    assert all(t.answered and sum(t.frames) == t.completion_tokens == 33 for t in m.traces)
    assert all(t.prompt_tokens == 7 and t.finish_reason == "length" for t in m.traces)
    assert measure(m.traces).token_check.equal == 40
    assert m.stopped is None


def test_tokens_are_stamped_when_they_were_sent_and_not_when_the_client_came_round_to_them():
    prompts = [f"prompt {i}" for i in range(8)]
    with FakeOpenAiServer(Behaviour(tokens=20, ttft_s=0.05, itl_s=0.01)) as server:
        m = go(server, concurrency=4, requests=8, prompts=prompts)
        served = {s.body["messages"][0]["content"]: s for s in server.completion_requests}
    assert m.client.clock == "kernel"
    errors = []
    for trace in m.traces:
        sends = served[prompts[trace.conversation]].sends
        assert m.origin_ns / 1e9 + trace.sent_s <= served[prompts[trace.conversation]].received_ns / 1e9 + CLOCK_ERROR_S
        last = -1
        for arrival, frames in zip(trace.arrivals_s, trace.frames, strict=True):
            last += frames
            errors.append(m.origin_ns / 1e9 + arrival - sends[last][0] / 1e9)
    # The server notes the time and then sends: the kernel cannot have had it before.
    assert min(errors) >= -CLOCK_ERROR_S
    assert median(errors) < 0.002
    metrics = measure(m.traces)
    assert metrics.ttft_s is not None
    assert metrics.itl_s is not None
    assert metrics.ttft_s.p50 == pytest.approx(0.05, abs=0.03)
    assert metrics.itl_s.p50 == pytest.approx(0.01, abs=0.005)


def test_a_client_that_is_late_shows_it_as_lag_and_not_as_latency(monkeypatch):
    real = Connections._reader

    def late(self: Connections):
        readable = real(self)

        def sleepy(user: Exchange) -> bool:
            time.sleep(0.03)
            return readable(user)

        return sleepy

    monkeypatch.setattr(Connections, "_reader", late)
    with FakeOpenAiServer(Behaviour(tokens=4, ttft_s=0.05, itl_s=0.1)) as server:
        metrics = measure(go(server, requests=3).traces)
    assert metrics.client_lag_s is not None
    assert metrics.ttft_s is not None
    assert metrics.client_lag_s.p50 >= 0.03
    # 30 ms of lag before the head and 30 before the first token would show as 80 to 110 ms.
    assert metrics.ttft_s.p50 < 0.075


def slow_to_wake(monkeypatch, seconds):
    """As a client is whose container has used up its share of the CPU, or that was stopped."""
    real = Waker.wait

    def wait(self, longest_s, due, now):
        if longest_s > 0:  # not the look after a sleep that took too long
            time.sleep(seconds)
        return real(self, 0.0, due, now)

    monkeypatch.setattr(Waker, "wait", wait)


@pytest.mark.parametrize("stamped", [True, False])
def test_a_client_that_looks_now_and_then_is_the_limit_though_each_read_is_fresh(stamped, monkeypatch):
    slow_to_wake(monkeypatch, 0.06)
    if not stamped:
        monkeypatch.setattr(ReceiveClock, "ask", lambda *_: None)
    with FakeOpenAiServer(Behaviour(tokens=150, ttft_s=0.05, itl_s=0.002)) as server:
        m = go(server, concurrency=4, requests=4)
    metrics = measure(m.traces)
    assert metrics.itl_s is not None
    assert metrics.itl_s.p50 > 0.04  # of 2 ms
    if stamped:
        assert metrics.client_lag_s is not None
        assert metrics.client_lag_s.p50 < 0.005
    found = check_client(m.client, metrics, m.traces, closed=True)
    assert found.client_limited is True
    assert found.merged_fraction is not None
    assert found.merged_fraction > 0.5


@pytest.mark.parametrize(
    ("work_s", "users", "at_once"),
    [
        (0.02, 1, 64),  # what is done between two looks takes ten tokens' time
        (0.003, 6, 1),  # little is done between two looks, but each is at one stream of six
    ],
)
def test_a_client_that_is_busy_between_its_looks_is_the_limit(work_s, users, at_once, monkeypatch):
    reader = Connections._reader

    def slow_reader(connections):
        readable = reader(connections)

        def slow(user):
            there_was = readable(user)
            time.sleep(work_s)
            return there_was

        return slow

    monkeypatch.setattr(Connections, "_reader", slow_reader)
    for module in ("loop", "waker"):
        monkeypatch.setattr(f"infercli.loadgen.{module}.MOST_AT_ONCE", at_once)
    with FakeOpenAiServer(Behaviour(tokens=100, ttft_s=0.05, itl_s=0.002)) as server:
        m = go(server, concurrency=users, requests=users)
    found = check_client(m.client, measure(m.traces), m.traces, closed=True)
    assert found.merged_fraction is not None
    assert found.merged_fraction > 0.5


def test_a_server_that_sends_in_pieces_is_not_the_clients_fault():
    with FakeOpenAiServer(Behaviour(tokens=60, ttft_s=0.05, itl_s=0.01, frames_per_send=6)) as server:
        m = go(server, concurrency=2, requests=2)
    metrics = measure(m.traces)
    assert metrics.multi_token_read_fraction == 1.0
    found = check_client(m.client, metrics, m.traces, closed=True)
    assert (found.client_limited, found.merged_fraction) == (False, 0.0)


@pytest.mark.parametrize("shift_ns", [10**9, -(10**9), 10**13])
def test_a_clock_that_is_set_while_it_runs_moves_no_time(shift_ns, monkeypatch):
    compare = ReceiveClock.compare

    def as_if_set_after_the_third(clock, now):
        compare(clock, now)
        clock.times = getattr(clock, "times", 0) + 1
        clock.offset += shift_ns * (clock.times == 3)

    monkeypatch.setattr(ReceiveClock, "compare", as_if_set_after_the_third)
    with FakeOpenAiServer(Behaviour(tokens=20, itl_s=0.005)) as server:
        metrics = measure(go(server, concurrency=2, requests=16).traces)
    assert metrics.itl_s.max < 0.5
    assert metrics.ttft_s.max < 0.5
    assert metrics.client_lag_s.max < 0.5
    assert metrics.send_lag_s.max < 0.5
    assert metrics.duration_s == pytest.approx(16 / 2 * 0.095, abs=0.9)


def test_several_frames_in_a_send_are_one_arrival_with_no_gaps_inside():
    with FakeOpenAiServer(Behaviour(tokens=24, itl_s=0.02, frames_per_send=6)) as server:
        trace = only(go(server))
        sends = [frames for _, frames in server.completion_requests[0].sends]
    assert sends == [6, 6, 6, 6]
    assert sum(trace.frames) == 24
    assert len(trace.arrivals_s) <= 4  # a read can hold two sends when the client is late, never half a send's frames
    metrics = measure([trace])
    assert metrics.multi_token_read_fraction == 1.0
    assert metrics.itl_s is not None
    assert metrics.itl_s.count == len(trace.arrivals_s) - 1


def test_several_tokens_in_a_frame_are_frames_on_the_wire_and_tokens_by_usage():
    with FakeOpenAiServer(Behaviour(tokens=24, tokens_per_frame=4)) as server:
        trace = only(go(server))
    assert (sum(trace.frames), trace.completion_tokens, trace.output_tokens) == (6, 24, 24)
    assert measure([trace]).token_check.fewer_frames == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(tokens=9, newline="\r\n"),
        Behaviour(tokens=9, comment_every=2),
        Behaviour(tokens=9, role_frame=False),
        Behaviour(tokens=9, empty_last_frame=True),
        Behaviour(tokens=9, framing="close"),
        Behaviour(tokens=9, close_connection=True),
        Behaviour(tokens=9, split_sends=True),
        Behaviour(tokens=9, trailer="X-Check: 1\r\nX-Time: 0\r\n"),
        Behaviour(tokens=9, trailer="X-Check: 1\r\n", newline="\r\n"),
        Behaviour(tokens=9, last_chunk="000"),
        Behaviour(tokens=9, last_chunk="0;signature=x", newline="\r\n"),
        Behaviour(tokens=9, interim="HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"),
        Behaviour(tokens=9, content=lambda i: "\n\ndata: [DONE]\r\n0\r\n\r\n"),
        Behaviour(tokens=9, usage=False),
        Behaviour(tokens=1),
    ],
    ids=[
        "crlf",
        "comments",
        "no-role",
        "empty-last",
        "close",
        "connection-close",
        "split",
        "trailers",
        "crlf-trailer",
        "zeros",
        "crlf-chunk-extension",
        "interim-heads",
        "text",
        "no-usage",
        "one",
    ],
)
def test_tokens_are_exact_whatever_the_servers_style(behaviour):
    with FakeOpenAiServer(behaviour) as server:
        m = go(server, concurrency=2, requests=4)
    assert [(t.error, sum(t.frames)) for t in m.traces] == [(None, behaviour.tokens)] * 4
    assert all(t.completion_tokens == (behaviour.tokens if behaviour.usage else None) for t in m.traces)


@pytest.mark.parametrize("at", range(1, 20))
@pytest.mark.parametrize("end", [b"0\r\nX-Check: 1\r\n\r\n", b"0000;signed=yes\r\n\r\n"])
def test_trailers_and_extensions_end_an_answer_however_they_are_cut(at, end):
    body = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
    answer = Answer(Call(0, 0, 0, "measured"), 0)
    answer.parts.append(body)
    assert not answer.begins()
    for part in filter(None, (end[:at], end[at:])):
        answer.parts.append(part)
        ended = answer.goes_on(part)
        assert ended is (b"".join(answer.parts) == body + end)


def test_tokens_that_were_never_sent_are_none_between_which_time_passed():
    # By `usage` ten tokens, of which eight were reasoning and two were sent: 40 ms between the two are their TPOT.
    said = ('{"choices":[{"delta":{"content":"a"}}]}', '{"choices":[{"delta":{"content":"b"},"finish_reason":"stop"}]}')
    usage = '{"choices":[],"usage":{"completion_tokens":10,"completion_tokens_details":{"reasoning_tokens":8}}}'
    answer = Answer(Call(0, 0, 0, "measured"), 0)
    answer.sent = answer.ended = 1_000_000_000
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
    for part, text in enumerate((head, *(f"data: {data}\n\n" for data in (*said, usage, "[DONE]")))):
        answer.parts.append(text.encode())
        answer.stamps.append(1_000_000_000 + 40_000_000 * part)
        answer.lags.append(0)
        if not part:
            assert not answer.begins()
    trace = Trace(**in_seconds(answer.taken(0, stream=True) | {"away": {}}, 0))
    assert (trace.error, trace.output_tokens, trace.shown_tokens, tpot_s(trace)) == (None, 10, 2, pytest.approx(0.04))


@pytest.mark.parametrize("at", range(1, 83))
def test_a_head_before_the_answers_own_is_passed_over_however_it_is_cut(at):
    raw = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
    answer = Answer(Call(0, 0, 0, "measured"), 0)
    for part in filter(None, (raw[:at], raw[at : at + 1], raw[at + 1 :])):
        answer.parts.append(part)
        ended = answer.begins() if answer.head is None else answer.goes_on(part)
        assert ended is (b"".join(answer.parts) == raw)
    assert answer.head is not None
    assert (answer.head.status, raw[answer.head.end :]) == (200, b"hello")


def test_completions_are_measured_like_chat():
    with FakeOpenAiServer(Behaviour(tokens=5)) as server:
        trace = only(go(server, api="completions"))
        (served,) = server.completion_requests
    assert (served.path, served.body["prompt"], sum(trace.frames)) == ("/v1/completions", "hello", 5)


def test_what_is_sent_is_what_was_asked_for():
    with FakeOpenAiServer(prefix="/api/proxy", api_key="k3y") as server:
        headers = (("X-Infercli-Engine", "chat-1"),)
        target = Target(parse_endpoint(server.url), "tiny", api_key="k3y", headers=headers)
        load = Load(concurrency=1, requests=2, max_tokens=8, min_tokens=4, ignore_eos=True)
        run(
            target,
            load,
            [
                single("grüß"),
                single(({"role": "system", "content": "s"}, {"role": "user", "content": "u"})),
            ],
        )
        first, second = server.completion_requests
    assert first.path == "/api/proxy/v1/chat/completions"
    assert (first.headers["x-infercli-engine"], first.headers["accept"]) == ("chat-1", "text/event-stream")
    assert first.body == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "grüß"}],
        "max_tokens": 8,
        "temperature": 0.0,
        "stream": True,
        "stream_options": {"include_usage": True},
        "min_tokens": 4,
        "ignore_eos": True,
    }
    assert second.body["messages"] == [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]


def test_no_more_than_the_concurrency_are_in_flight_and_connections_are_kept():
    with FakeOpenAiServer(Behaviour(tokens=3, ttft_s=0.02)) as server:
        go(server, concurrency=3, requests=12)
        assert max(s.in_flight for s in server.completion_requests) == 3
        assert server.connections == 3


def test_warm_up_is_sent_and_finished_before_measuring_begins():
    with FakeOpenAiServer(Behaviour(tokens=3, ttft_s=0.05)) as server:
        m = go(server, concurrency=2, requests=4, warmup_requests=3)
    assert [t.phase for t in m.traces] == ["warmup"] * 3 + ["measured"] * 4
    assert max(t.ended_s for t in m.traces[:3]) <= min(t.sent_s for t in m.traces[3:]) + 1e-5
    assert measure(m.traces).requests == 4


def test_a_run_for_a_time_begins_nothing_after_it_and_waits_for_what_is_in_flight():
    with FakeOpenAiServer(Behaviour(tokens=4, ttft_s=0.03, itl_s=0.03)) as server:
        m = go(server, concurrency=2, duration_s=0.5)
    assert m.stopped is None
    assert all(t.answered for t in m.traces)
    assert max(t.intended_s for t in m.traces) < 0.75  # 0.5 and what a busy machine adds
    assert len(m.traces) >= 4


def test_progress_is_reported_until_the_end():
    seen: list[Progress] = []
    with FakeOpenAiServer(Behaviour(tokens=4, ttft_s=0.25, itl_s=0.05, usage=False)) as server:
        m = go(server, requests=2, warmup_requests=1, on_progress=seen.append)
    assert any(p.warmup for p in seen)
    last = seen[-1]
    # Of the last seconds: the first answer is out of it where the machine was so slow that it was told by itself.
    for live, each in ((last.ttft_s, ttft_s), (last.tpot_s, tpot_s)):
        both = [each(t) for t in sorted(m.traces, key=lambda t: t.sent_s) if t.phase == "measured"]
        assert any(live == pytest.approx(sum(both[i:]) / len(both[i:]), abs=1e-5) for i in range(2)), (live, both)
    assert (last.warmup, last.done, last.total, last.failed, last.output_tokens) == (False, 2, 2, 0, 8)
    assert len(seen) >= 2


def test_frames_of_ten_megabytes_are_one_token_each_and_count_when_they_are_whole():
    with FakeOpenAiServer(Behaviour(tokens=3, content=lambda _: "x" * 10_000_000)) as server:
        trace = only(go(server, timeout_s=60))
        (served,) = server.completion_requests
    assert (trace.error, trace.output_tokens) == (None, 3)
    assert trace.frames == (1, 1, 1)
    assert list(trace.arrivals_s) == sorted(trace.arrivals_s)
    # A frame is many reads; the token is there with the last of them, so not before the server had begun to send it.
    for arrival_s, (begun_ns, _) in zip(trace.arrivals_s, served.sends, strict=True):
        assert arrival_s > (begun_ns - served.received_ns) / 1e9


def test_a_request_is_intended_when_its_user_was_free():
    with FakeOpenAiServer(Behaviour(tokens=2, ttft_s=0.03)) as server:
        m = go(server, requests=4)
    for one, following in zip(m.traces, m.traces[1:], strict=False):
        assert one.ended_s <= following.intended_s <= following.sent_s < following.ended_s
        assert following.intended_s - one.ended_s < 0.25


def test_a_large_request_arrives_whole():
    prompt = "ü" * 3_000_000
    with FakeOpenAiServer(Behaviour(tokens=2)) as server:
        m = go(server, prompts=[prompt], concurrency=2, requests=4)
        assert all(s.body["messages"][0]["content"] == prompt for s in server.completion_requests)
    assert all(t.answered for t in m.traces)


def test_the_engine_that_answered_is_kept():
    with FakeOpenAiServer(
        Behaviour(headers=(("x-infercli-engine", "chat-3f9a1c"),), tokens=2, framing="close")
    ) as server:
        assert only(go(server)).engine == "chat-3f9a1c"


def interrupted(server, after_s, **load):
    """A run in which Ctrl-C is pressed."""
    killer = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGINT))
    killer.start()
    m = go(server, **load)
    killer.join()
    return m


def test_ctrl_c_keeps_what_was_measured_and_what_was_in_flight():
    with FakeOpenAiServer(lambda i: Behaviour(tokens=4) if i < 6 else Behaviour(tokens=1000, itl_s=0.02)) as server:
        before = signal.getsignal(signal.SIGINT)
        m = interrupted(server, 0.8, concurrency=2, requests=100)
        assert signal.getsignal(signal.SIGINT) is before
    assert m.stopped == Stop(kind="interrupted")
    assert sum(t.answered for t in m.traces) == 6
    cut = [t for t in m.traces if t.cut]
    assert len(cut) == 2
    assert all(sum(t.frames) > 0 and t.error is None for t in cut)
    metrics = measure(m.traces)
    assert (metrics.requests, metrics.cut, metrics.success_fraction) == (6, 2, 1.0)


def test_what_was_cut_was_in_flight_until_then_and_not_until_it_last_said_something():
    with FakeOpenAiServer(Behaviour(tokens=2, itl_s=20)) as server:
        m = interrupted(server, 0.8, concurrency=2, requests=2)
    assert [t.cut for t in m.traces] == [True, True]
    assert all(t.ended_s - t.arrivals_s[0] > 0.3 for t in m.traces)


def test_ctrl_c_during_the_warm_up_measures_nothing():
    with FakeOpenAiServer(Behaviour(tokens=1000, itl_s=0.02)) as server:
        m = interrupted(server, 0.3, requests=5, warmup_requests=1)
    assert m.stopped == Stop(kind="interrupted")
    assert [(t.phase, t.cut) for t in m.traces] == [("warmup", True)]


def test_no_socket_is_left_open():
    def sockets() -> int:
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return sum(str(link.readlink()).startswith("socket:") for link in links if link.exists())

    with FakeOpenAiServer(lambda i: Behaviour(truncate_after=1) if i % 2 else Behaviour()) as server:
        go(server, concurrency=8, requests=16)
    before = sockets()
    with FakeOpenAiServer(lambda i: Behaviour(truncate_after=1) if i % 2 else Behaviour()) as server:
        go(server, concurrency=8, requests=16)
    assert sockets() <= before


def test_https_is_measured_with_the_clients_own_clock_and_says_so(tmp_path):
    server_side, client_side = certificate(tmp_path)
    with FakeOpenAiServer(Behaviour(tokens=40, ttft_s=0.05, frames_per_send=8), ssl_context=server_side) as server:
        endpoint = parse_endpoint(server.url.replace("127.0.0.1", "localhost"))
        m = run(Target(endpoint, "tiny", ssl_context=client_side), Load(concurrency=3, requests=9), [single("x")])
    assert all(t.answered and sum(t.frames) == 40 for t in m.traces)
    assert m.client.clock == "user"
    assert "TLS" in str(m.client.clock_reason)
    metrics = measure(m.traces)
    assert metrics.client_lag_s is None
    assert metrics.ttft_s is not None
    assert metrics.ttft_s.p50 >= 0.05


def test_a_certificate_that_is_not_trusted_is_an_error_of_connecting(tmp_path):
    server_side, _ = certificate(tmp_path)
    with FakeOpenAiServer(ssl_context=server_side) as server:
        trace = only(run(Target(parse_endpoint(server.url), "tiny"), Load(concurrency=1, requests=1), [single("x")]))
    assert trace.error == "connect"
    assert "CERTIFICATE_VERIFY_FAILED" in str(trace.message)


def certificate(folder) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A key and a certificate for localhost, made on the spot."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=localhost"]
    try:
        subprocess.run([*command, "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed: no certificate for the test")
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(cert, key)
    return server_side, ssl.create_default_context(cafile=cert)


def test_a_kernel_without_receive_times_is_measured_and_said(monkeypatch):
    monkeypatch.setattr("infercli.loadgen.clock._SO_TIMESTAMPNS", 9999)
    with FakeOpenAiServer(Behaviour(tokens=3, ttft_s=0.02)) as server:
        m = go(server)
    assert (m.client.clock, only(m).lags_s) == ("user", (None,) * len(only(m).arrivals_s))
    assert "receive times" in str(m.client.clock_reason)
    assert (ttft_s(only(m)) or 0) >= 0.02 <= (e2e_s(only(m)) or 0)


def test_a_key_with_a_line_break_is_refused_and_not_shown():
    target = Target(parse_endpoint("http://127.0.0.1:1"), "tiny", api_key="s3cret\nX-Evil: 1")
    with pytest.raises(InputError) as caught:
        run(target, Load(concurrency=1, requests=1), [single("x")])
    assert "Authorization" in caught.value.message
    assert "s3cret" not in f"{caught.value!r}{caught.value.hint}{target!r}"


def test_a_run_without_prompts_is_refused():
    with pytest.raises(InputError, match="no prompts"):
        run(Target(parse_endpoint("http://127.0.0.1:1"), "tiny"), Load(concurrency=1, requests=1), [])


def test_messages_cannot_go_to_the_completions_api():
    target = Target(parse_endpoint("http://127.0.0.1:1"), "tiny", "completions")
    with pytest.raises(InputError, match="takes text"):
        run(target, Load(concurrency=1, requests=1), [single("x"), single(({"role": "user", "content": "x"},))])


def test_a_host_name_that_nobody_knows_is_said_before_anything_is_sent():
    with pytest.raises(EndpointError, match=r"no-such-host\.invalid"):
        run(Target(parse_endpoint("http://no-such-host.invalid"), "m"), Load(concurrency=1, requests=1), [single("x")])


def test_the_model_that_an_answer_names_is_kept_where_it_is_another_than_was_asked():
    with FakeOpenAiServer(lambda i: Behaviour(tokens=2, named="spare" if i else "")) as server:
        traces = go(server, requests=3).traces
    assert [t.served_model for t in traces] == [None, "spare", "spare"]

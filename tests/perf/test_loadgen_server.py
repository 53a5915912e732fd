"""The server with known times: its schedule is what it says, its stamps are of its writes, our loop counts the same.

The stamps are the server's word; what is held against them is the arithmetic of the schedule, and what came in at the
other end of the socket. Nothing is ever early. How late things are is left loose, since the machine that runs tests is
busy.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from benchmarks.perf.loadgen.server import MODEL, Schedule, Server, ServerError, build, read_stamps
from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import single
from infercli.core.traces import Load
from infercli.loadgen import Target, run

ROOT = Path(__file__).parents[2]
MS = 1_000_000
CLOCK_ERROR_NS = 200_000
"""Two clocks are compared by reading one after the other; whoever is preempted between may be off by this much."""

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler: apt-get install gcc libc6-dev")


def request(prompt="17 words", *, path="/v1/chat/completions", headers="", **body):
    text = {"prompt": prompt} if path == "/v1/completions" else {"messages": [{"role": "user", "content": prompt}]}
    payload = json.dumps({"model": MODEL, **text, "stream": True, **body}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(payload)}\r\n\r\n"
    return head.encode() + payload


def connect(server):
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    sock.settimeout(20)
    return sock


def read_answer(sock):
    raw = bytearray()
    while not raw.endswith(b"\r\n0\r\n\r\n"):
        got = sock.recv(65536)
        assert got, raw[-200:]
        raw += got
    return bytes(raw)


def events(raw):
    """The events of a chunked answer, by the rules of HTTP and of server-sent events."""
    assert raw.startswith(b"HTTP/1.1 200 OK")
    at, chunks = raw.index(b"\r\n\r\n") + 4, []
    while at < len(raw):
        line_end = raw.index(b"\r\n", at)
        end = line_end + 2 + int(raw[at:line_end], 16)
        chunks.append(raw[line_end + 2 : end])
        assert raw[end : end + 2] == b"\r\n"
        at = end + 2
    frames = b"".join(chunks).split(b"\n\n")
    assert frames.pop() == b""
    assert all(frame.startswith(b"data: ") for frame in frames)
    return [frame[len(b"data: ") :] for frame in frames]


def bench(server, requests, **load):
    prompts = [single(f"{i} words of a prompt") for i in range(requests)]
    target = Target(parse_endpoint(server.url), MODEL)
    return run(target, Load(requests=requests, ignore_eos=True, **load), prompts)


def test_an_answer_is_a_role_the_tokens_the_usage_and_done():
    with Server(Schedule(ttft_s=0.001, itl_s=0.001)) as server, connect(server) as sock:
        sock.sendall(request(max_tokens=3, stream_options={"include_usage": True}))
        role, *tokens, usage, done = events(read_answer(sock))
    assert json.loads(role)["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    choices = [json.loads(token)["choices"][0] for token in tokens]
    assert [c["delta"]["content"] for c in choices] == [" river", " stone", " cloud"]
    assert [c["finish_reason"] for c in choices] == [None, None, "length"]
    assert json.loads(usage)["usage"] == {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}
    assert done == b"[DONE]"
    assert len({json.loads(event)["id"] for event in (role, *tokens, usage)}) == 1
    assert 200 < len(tokens[0]) < 280


def test_completions_have_no_role_and_no_usage_unless_asked():
    with Server(Schedule(ttft_s=0.001, itl_s=0.001)) as server, connect(server) as sock:
        sock.sendall(request("5 x", path="/v1/completions", max_tokens=2))
        *tokens, done = events(read_answer(sock))
    assert [json.loads(token)["choices"][0]["text"] for token in tokens] == [" river", " stone"]
    assert done == b"[DONE]"


@pytest.mark.parametrize("spread_ms", [0, 10])
def test_each_stream_has_its_own_time_and_no_token_is_early(spread_ms):
    with Server(Schedule(ttft_s=0.05, itl_s=0.01, spread_s=spread_ms / 1000)) as server:
        bench(server, 12, concurrency=4, max_tokens=20)
    assert [len(a.sent_ns) for a in server.answers] == [20] * 12
    for n, answer in enumerate(server.answers):
        # The golden ratio's fraction, as server.c says.
        first = answer.received_ns + 50 * MS + (n * 0.6180339887498949 % 1) * spread_ms * MS
        late = [sent - (first + i * 10 * MS) for i, sent in enumerate(answer.sent_ns)]
        assert min(late) > -1000, "the sum above is in floats, of which the server keeps the nanoseconds"
        assert min(late) < 20 * MS
    received = [answer.received_ns for answer in server.answers]
    assert received == sorted(received)


def test_engine_steps_are_the_same_for_all_streams():
    schedule = Schedule(pace="steps", ttft_s=0.03, itl_s=0.02)
    with Server(schedule) as server, connect(server) as first, connect(server) as second:
        first.sendall(request("1 a", max_tokens=40))
        time.sleep(0.027)
        second.sendall(request("2 b", max_tokens=40))
        read_answer(first)
        read_answer(second)
    one, two = server.answers
    # Never before its step, so the earliest of 40 tokens within a step tells when steps are.
    phases = [min(sent % (20 * MS) for sent in shifted(answer, one.sent_ns[0] - 10 * MS)) for answer in (one, two)]
    assert abs(phases[0] - phases[1]) < 3 * MS
    assert one.ttft_ns >= 30 * MS - CLOCK_ERROR_NS
    assert two.ttft_ns >= 30 * MS - CLOCK_ERROR_NS


def shifted(answer, by):
    """So that a step is not where the remainder begins anew."""
    return [sent - by for sent in answer.sent_ns]


def test_in_a_flood_nothing_waits_and_streams_take_turns():
    schedule = Schedule(pace="flood", ttft_s=10, itl_s=10)
    with Server(schedule) as server, connect(server) as first, connect(server) as second:
        os.kill(server.process.pid, signal.SIGSTOP)  # both requests are there when it looks
        first.sendall(request("1 a", max_tokens=300))
        second.sendall(request("2 b", max_tokens=300))
        os.kill(server.process.pid, signal.SIGCONT)
        for sock in (first, second):
            assert len(events(read_answer(sock))) == 302
    one, two = server.answers
    in_order = sorted([*((sent, 1) for sent in one.sent_ns), *((sent, 2) for sent in two.sent_ns)])
    assert all(before != after for (_, before), (_, after) in pairwise(in_order))
    assert one.ttft_ns < 10_000 * MS


def test_tokens_of_one_write_have_one_stamp():
    with Server(Schedule(ttft_s=0.001, itl_s=0.004, tokens_per_write=4)) as server, connect(server) as sock:
        sock.sendall(request(max_tokens=10))
        assert len(events(read_answer(sock))) == 12
    (answer,) = server.answers
    sizes = [list(answer.sent_ns).count(stamp) for stamp in sorted(set(answer.sent_ns))]
    assert sizes == [4, 4, 2]
    assert server.served.writes == 3


@pytest.mark.parametrize("pace", ["staggered", "steps", "flood"])
def test_our_loop_counts_for_each_request_what_the_server_sent(pace):
    with Server(Schedule(pace=pace, ttft_s=0.02, itl_s=0.004)) as server:
        measured = bench(server, 40, concurrency=16, max_tokens=30)
    by_key = {answer.key: answer for answer in server.answers}
    assert len(by_key) == 40
    assert sum(len(answer.sent_ns) for answer in server.answers) == server.served.tokens == 40 * 30
    for trace in measured.traces:
        answer = by_key[str(trace.conversation)]  # prompt i begins with i
        assert trace.answered
        assert sum(trace.frames) == trace.completion_tokens == len(answer.sent_ns) == answer.asked == 30
        assert abs(measured.origin_ns + trace.sent_s * 1e9 - answer.received_ns) < 1e9
        token = -1
        for arrival_s, frames in zip(trace.arrivals_s, trace.frames, strict=True):
            token += frames
            # A stamp is read before the write, so nothing can arrive before it.
            assert measured.origin_ns + arrival_s * 1e9 > answer.sent_ns[token] - CLOCK_ERROR_NS


def test_the_two_clocks_of_a_stamp_are_of_one_moment():
    with Server(Schedule(ttft_s=0.001, itl_s=0.001)) as server, connect(server) as sock:
        sock.sendall(request(max_tokens=20))
        read_answer(sock)
        offset = time.time_ns() - time.monotonic_ns()
    (answer,) = server.answers
    offsets = [r - m for r, m in zip(answer.sent_real_ns, answer.sent_ns, strict=True)]
    assert min(abs(each - offset) for each in offsets) < MS
    assert abs(answer.received_real_ns - answer.received_ns - offset) < 50 * MS
    assert answer.received_ns <= answer.read_ns + CLOCK_ERROR_NS


def test_a_request_is_known_by_its_id_or_by_the_number_its_prompt_begins_with():
    with Server(Schedule(pace="flood")) as server, connect(server) as sock:
        for one in (
            request("42 words", max_tokens=1),
            request("42 words", headers="X-Request-Id: request-7\r\n", max_tokens=1),
            request([{"type": "text", "text": "43 words"}], max_tokens=1),
            request("no number", max_tokens=1),
            request('the key \\"content\\": \\"99\\"', max_tokens=1),
        ):
            sock.sendall(one)
            read_answer(sock)
    assert [answer.key for answer in server.answers] == ["42", "request-7", "43", "", ""]


def test_tokens_that_nobody_reads_go_out_when_somebody_does():
    with Server(Schedule(ttft_s=0, itl_s=0.00001)) as server, connect(server) as sock:
        sock.sendall(request(max_tokens=60_000))  # due within 0.6 s, and 14 MB: more than a send buffer takes
        time.sleep(1.0)
        looked = time.monotonic_ns()
        assert len(events(read_answer(sock))) == 60_002
    (answer,) = server.answers
    assert len(answer.sent_ns) == 60_000
    assert answer.sent_ns[0] < looked < answer.sent_ns[-1]
    assert list(answer.sent_ns) == sorted(answer.sent_ns)


def test_requests_sent_ahead_are_answered_one_after_the_other():
    with Server(Schedule(ttft_s=0.005, itl_s=0.001)) as server, connect(server) as sock:
        sock.sendall(request("1 a", max_tokens=3) + request("2 b", max_tokens=3))
        raw = read_answer(sock)
        while raw.count(b"[DONE]") < 2:
            raw += read_answer(sock)
    assert [answer.key for answer in server.answers] == ["1", "2"]
    assert server.answers[0].sent_ns[-1] <= server.answers[1].sent_ns[0]


def test_what_it_does_not_know_is_refused_and_counted():
    with Server(Schedule(pace="flood")) as server, connect(server) as sock:
        answers = []
        for one in (
            b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
            request(max_tokens=0),
            request(max_tokens=2, stream=False),
            b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n",
        ):
            sock.sendall(one)
            answers.append(sock.recv(65536))
    assert [int(answer.split()[1]) for answer in answers] == [404, 400, 400, 200]
    assert json.loads(answers[-1].partition(b"\r\n\r\n")[2])["data"][0]["id"] == MODEL
    assert (server.served.refused, server.served.requests) == (3, 0)


def test_a_client_that_leaves_ends_its_stream_and_no_other():
    with Server(Schedule(ttft_s=0.01, itl_s=0.01)) as server, connect(server) as stays:
        with connect(server) as leaves:
            leaves.sendall(request("1 leaves", max_tokens=1000))
            leaves.recv(65536)
        stays.sendall(request("2 stays", max_tokens=30))
        assert len(events(read_answer(stays))) == 32
    left, stayed = server.answers
    assert (len(stayed.sent_ns), stayed.asked) == (30, 30)
    assert len(left.sent_ns) < 30


def test_the_stamps_of_a_stream_that_is_cut_are_kept():
    with Server(Schedule(ttft_s=0, itl_s=0.02)) as server, connect(server) as sock:
        sock.sendall(request(max_tokens=500))
        raw = b""
        while raw.count(b'"content":" ') < 3:
            raw += sock.recv(65536)
    (answer,) = server.answers
    assert 3 <= len(answer.sent_ns) < 500
    assert answer.asked == 500


def test_it_ends_with_whoever_started_it():
    code = (
        "import os, signal\nfrom benchmarks.perf.loadgen.server import Schedule, Server\n"
        "with Server(Schedule()) as server:\n"
        "    print(server.process.pid, flush=True)\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    deadline = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(pid)


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_bad_option_is_refused_with_its_name():
    for words in (["--pace", "slowly"], ["--itl-us", "0"], ["--ttft-us"], ["--what", "1"], ["--model", 'a"b']):
        done = subprocess.run([build(), *words], capture_output=True, text=True, check=False, timeout=20)
        assert (done.returncode, done.stdout) == (2, "")
        assert words[0] in done.stderr


def test_a_torn_file_of_stamps_is_no_stamps(tmp_path):
    path = tmp_path / "stamps"
    with Server(Schedule(pace="flood")) as server, connect(server) as sock:
        sock.sendall(request(max_tokens=4))
        read_answer(sock)
        os.kill(server.process.pid, signal.SIGTERM)
        server.process.wait(20)
        shutil.copy(server._stamps, path)
    whole = path.read_bytes()
    assert len(whole) == 8 + 96 + 4 * 16
    for cut in (4, 50, len(whole) - 8):
        path.write_bytes(whole[:cut])
        with pytest.raises(ServerError):
            read_stamps(path)

"""How long the loop sleeps while tokens come: it saves CPU and must blur nothing."""

from __future__ import annotations

import os
import shutil
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.perf.loadgen.server import MODEL, Schedule, Server
from infercli.core.endpoint import parse_endpoint
from infercli.core.load.conversation import single
from infercli.core.traces import Load
from infercli.loadgen.absences import Absences
from infercli.loadgen.clock import ReceiveClock
from infercli.loadgen.exchange import LAG_UNKNOWN, Call, in_seconds
from infercli.loadgen.loop import Loop, Part, Tally
from infercli.loadgen.naps import how_long_to_nap_s
from infercli.loadgen.route import route_to
from infercli.loadgen.shares import Slots
from infercli.loadgen.target import Requests, Target
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer
from tests.loadgen.running import go

SECOND = 1.0


def test_many_slow_streams_are_looked_at_every_four_milliseconds():
    assert how_long_to_nap_s(256, SECOND, reads=256 * 50, begun=128) == 0.004


def test_a_few_streams_are_watched_all_the_time():
    assert how_long_to_nap_s(4, SECOND, reads=4 * 66, begun=2) == 0


def test_tokens_that_come_fast_stay_apart():
    assert how_long_to_nap_s(16, SECOND, reads=16 * 500, begun=4) == 0.25 * 0.002
    assert how_long_to_nap_s(64, SECOND, reads=64 * 5000, begun=64) == 0


def test_a_loop_that_is_short_of_cpu_lets_two_tokens_come_together():
    gap_s = 1 / 2500
    assert how_long_to_nap_s(64, SECOND, reads=64 * 2500, begun=64, crowded=True) == gap_s
    assert how_long_to_nap_s(64, SECOND, reads=64 * 2500, begun=64) == 0


def test_users_of_short_answers_are_not_held_back():
    assert how_long_to_nap_s(256, SECOND, reads=256 * 10, begun=256 * 10) == 0.01 * 0.1
    assert how_long_to_nap_s(256, SECOND, reads=256 * 100, begun=256 * 100) == 0


def test_there_is_no_nap_where_tokens_come_several_to_a_read_unless_the_loop_is_short_of_cpu():
    asked = {"streams": 64, "window_s": SECOND, "reads": 64 * 66, "begun": 16}
    assert how_long_to_nap_s(**asked, tokens_per_read=1.01) > 0
    assert how_long_to_nap_s(**asked, tokens_per_read=2.0) == 0
    assert how_long_to_nap_s(**asked, tokens_per_read=2.0, crowded=True) > 0


@given(st.integers(0, 4096), st.floats(0.01, 1), st.integers(0, 10**6), st.integers(0, 10**5))
def test_a_nap_is_at_most_a_quarter_of_a_gap_and_a_hundredth_of_an_answer(streams, window_s, reads, begun):
    nap_s = how_long_to_nap_s(streams, window_s, reads, begun)
    assert 0 <= nap_s <= 0.004
    assert nap_s * reads <= streams * window_s / 4 * (1 + 1e-9)
    assert nap_s * begun <= streams * window_s / 100 * (1 + 1e-9)


class Alone:
    """A loop's way to whoever started it, who is silent."""

    def __init__(self) -> None:
        self.ends = os.pipe()
        self.loop: Loop | None = None
        self.unread: list[int] = []

    def fileno(self) -> int:
        return self.ends[0]

    def stop_asked(self) -> None:
        return None

    def report(self, _tally: Tally, _in_flight: int) -> None:
        assert self.loop is not None
        self.unread.append(len(self.loop.unread))


def run_alone(link: Alone, schedule: Schedule, *, users: int, requests: int, tokens: int) -> Loop:
    """A closed loop in this process, to its end."""
    load = Load(requests=requests, concurrency=users, ignore_eos=True, max_tokens=tokens)
    conversations = [single(f"{i} words") for i in range(requests)]
    with Server(schedule) as server:
        endpoint = parse_endpoint(server.url)
        origin = time.monotonic_ns()
        asked = Requests(Target(endpoint, MODEL), load, conversations)
        link.loop = Loop(route_to(endpoint, None, 5.0), asked, load, link, origin=origin)
        due = iter((None, i) for i in range(requests))
        link.loop.run(Part(origin, due, lambda _: "measured", users=users, requests=Slots(requests)))
        link.loop.close()
    return link.loop


needs_a_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler: apt-get install gcc libc6-dev")


@needs_a_compiler
@pytest.mark.parametrize("stamped", [True, False])
def test_a_loop_naps_where_the_kernel_stamps_arrivals_and_only_there(monkeypatch, stamped):
    naps = []
    monkeypatch.setattr(time, "sleep", lambda s, sleep=time.sleep: naps.append(s) or sleep(s))
    if not stamped:
        monkeypatch.setattr(ReceiveClock, "ask", lambda *_: None)
    loop = run_alone(Alone(), Schedule(ttft_s=0.1, itl_s=0.015), users=64, requests=64, tokens=64)
    assert sum(t["completion_tokens"] for t in loop.traces) == 64 * 64
    assert loop.tally.unstamped_reads == (0 if stamped else loop.tally.reads)
    assert (len(naps) > 10) is stamped
    assert all(0.0002 <= nap <= 0.004 for nap in naps)


@needs_a_compiler
def test_a_loop_naps_no_more_once_it_has_seen_that_tokens_come_several_to_a_read(monkeypatch):
    # It cannot know whether the server or its own nap put them together, and the first of them has no time of its own.
    naps = []
    monkeypatch.setattr(time, "sleep", lambda s, sleep=time.sleep: naps.append(time.monotonic()) or sleep(s))
    monkeypatch.setattr("infercli.loadgen.loop._CROWDED_FROM", 9.0)  # whatever else this machine does meanwhile
    schedule = Schedule(ttft_s=0.02, itl_s=0.015, tokens_per_write=4)
    loop = run_alone(Alone(), schedule, users=64, requests=64 * 8, tokens=64)
    began, ended = (of(t["sent_s"] for t in loop.traces) + loop.origin / 1e9 for of in (min, max))
    assert loop.tokens_read == 64 * 64 * 8
    assert loop.tokens_read > 3 * loop.token_reads
    assert [at for at in naps if at < (began + ended) / 2]
    assert not [at for at in naps if (began + ended) / 2 < at < ended]  # whoever ends the server sleeps, too


@needs_a_compiler
def test_a_loop_that_is_short_of_cpu_naps_though_tokens_come_fast_and_says_so(monkeypatch):
    """What it reads in larger pieces costs less, so that it may keep up after all."""
    naps = []
    for share in ("_CROWDED_FROM", "_CROWDED_UNTIL"):  # whatever else this machine does meanwhile
        monkeypatch.setattr(f"infercli.loadgen.loop.{share}", 0.0)
    monkeypatch.setattr(time, "sleep", lambda s, sleep=time.sleep: naps.append(s) or sleep(s))
    loop = run_alone(Alone(), Schedule(pace="flood"), users=64, requests=512, tokens=1024)
    assert sum(t["completion_tokens"] for t in loop.traces) == 512 * 1024
    assert naps
    assert loop.tally.crowded_s > 0.1


@needs_a_compiler
def test_answers_that_wait_to_be_read_are_few_also_when_the_client_is_the_limit(monkeypatch):
    # Answers are counted when they are read: who falls behind with it would call the server slow.
    link = Alone()
    monkeypatch.setattr("infercli.loadgen.loop._REPORT_S", 0.0)
    loop = run_alone(link, Schedule(pace="flood"), users=512, requests=8192, tokens=1)
    assert len(loop.traces) == 8192
    assert 0 < max(link.unread) <= 512


def test_a_request_that_waited_for_the_cap_could_begin_when_it_was_due_and_there_was_room():
    endpoint, load = parse_endpoint("http://127.0.0.1:9"), Load(requests=2, concurrency=2)
    asked = Requests(Target(endpoint, MODEL), load, [single("hello")])
    loop = Loop(route_to(endpoint, None, 5.0), asked, load, Alone(), origin=0)
    loop.part = Part(0, iter(()), lambda _: "measured", cap=Slots(2))
    loop.queued.extend(Call(0, 0, due, "measured") for due in (100, 300))
    loop._begin_queued(room_since=200)
    assert [since for _, since in loop.ready] == [200, 300]
    loop.close()


def test_no_more_is_said_of_an_absence_than_a_look_at_that_connection_leaves_open():
    absences = Absences()
    ms = 1_000_000
    absences.note(woke=100 * ms, until=103 * ms, since=20 * ms)
    assert absences.before(101 * ms) == 81 * ms
    assert absences.before(99 * ms) == absences.before(104 * ms) == 0
    stamps, lags, sent = [90 * ms, 101 * ms, 150 * ms], [2 * ms, 0, 0], 10 * ms
    # The first came in time, and the second after a look 9 ms before; a single frame is of no interest.
    assert absences.before_pieces(stamps, lags, [1, 3, 2], sent) == {1: 9 * ms}
    assert absences.before_pieces(stamps, lags, [1, 1, 1], sent) == {}
    assert absences.before_pieces(stamps[1:], lags[1:], [3, 2], sent) == {0: 81 * ms}
    assert Absences().before_pieces(stamps, lags, [1, 3, 2], sent) == {}


def test_an_absence_is_told_of_the_arrival_and_not_of_the_read():
    # Of three reads the first brought the role alone, which is no arrival.
    taken = {"stamps": [1_000_000, 2_000_000, 3_000_000], "lags": [0, 0, LAG_UNKNOWN], "frames": [0, 1, 3]}
    found = in_seconds(taken | {"away": {2: 9_000_000}}, 0)
    assert found == {"arrivals_s": (0.002, 0.003), "frames": (1, 3), "lags_s": (0.0, None), "away_s": ((1, 0.009),)}


def test_an_absence_is_kept_of_several_frames_after_more_than_five_milliseconds_whoever_stamped_them():
    absences = Absences()
    ms = 1_000_000
    absences.note(woke=100 * ms, until=130 * ms, since=20 * ms)
    # A single frame after 81 ms; two of them 2 ms later; and two of which the kernel says nothing, 17 ms after those.
    stamps, lags = [101 * ms, 103 * ms, 120 * ms], [0, 0, LAG_UNKNOWN]
    assert absences.before_pieces(stamps, lags, [1, 2, 2], sent=10 * ms) == {2: 17 * ms}


def test_who_is_there_all_the_time_was_away_before_few_reads_and_is_not_short_of_cpu(monkeypatch):
    used_ns = time.process_time_ns
    monkeypatch.setattr("infercli.loadgen.loop.time.process_time_ns", lambda: used_ns() + 3600 * 10**9)  # before
    with FakeOpenAiServer(Behaviour(tokens=60, ttft_s=0.05, itl_s=0.01, frames_per_send=6)) as server:
        m = go(server, concurrency=2, requests=2)
    away = [at for t in m.traces for at, _ in t.away_s]
    assert 2 * len(away) < sum(len(t.frames) for t in m.traces)  # a busy machine takes the CPU away, but not each time
    assert m.client.crowded_fraction == 0

"""Whose limit a level of load shows."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infercli.core.bench.metrics import DEFINITIONS, measure
from infercli.core.bench.self_check import (
    CLOSED_IDLE_FRACTION,
    CLOSED_LAG_FRACTION,
    SEND_LAG_LIMIT_S,
    Client,
    check_client,
    merged,
    p99_if_apart_s,
)
from infercli.core.traces import Trace

CLIENT = Client(
    infercli_version="1", python="3.11", cpu=None, cpus=2, kernel="6", clock="kernel", pacing="timerfd", workers=1,
    wall_s=5.0, cpu_s=0.5, busiest_cpu_fraction=0.1, reads=1, unstamped_reads=0, reconnects=0,
)  # fmt: skip


def answer(*, frames=(1, 1, 1), gap_s=0.01, e2e_s=1.0, lag_s=0.0, late_s=0.0, **more):
    """A read each `gap_s`, the last `e2e_s` after it was sent."""
    arrivals = tuple(e2e_s - gap_s * i for i in reversed(range(len(frames))))
    fields = {"request": 0, "conversation": 0, "intended_s": 0.0, "sent_s": 0.0, "ended_s": e2e_s, "status": 200}
    fields |= {"arrivals_s": arrivals, "frames": frames, "lags_s": (lag_s,) * len(frames), "late_s": late_s}
    return Trace(**{**fields, **more})


def check(*traces, client=CLIENT, closed=True):
    return check_client(client, measure(traces), traces, closed=closed)


@pytest.mark.parametrize(
    ("sent", "closed", "limited"),
    [
        (answer(late_s=0.012), False, True),  # an open loop sends when it is due
        (answer(late_s=0.012), True, False),  # a twentieth of a second is 50 ms
        (answer(late_s=0.06), True, True),
        (answer(late_s=0.012, e2e_s=0.1), True, True),  # a twentieth of 0.1 s is 5 ms, and 10 are allowed
    ],
)
def test_lateness_of_sending_is_judged_by_what_it_would_change(sent, closed, limited):
    assert check(sent, closed=closed).client_limited is limited


def test_what_is_said_of_the_limits_is_what_they_are():
    said = f"Over {SEND_LAG_LIMIT_S * 1000:.0f} ms at p99 (in a closed loop {CLOSED_LAG_FRACTION * 100:.0f} % of"
    assert said in DEFINITIONS["send lag"]
    assert f"or over {CLOSED_IDLE_FRACTION * 100:.0f} % of the time" in DEFINITIONS["send lag"]


@pytest.mark.parametrize(
    ("late_s", "requests", "closed", "limited"),
    [
        (0.0009, 30, True, True),  # 0.9 of 4.9 ms, of an embedding: a fifth fewer are sent than users would send
        (0.0004, 30, True, False),
        (0.0009, 30, False, False),  # an open loop sends what is due, and counts from then
        (0.0009, 29, True, False),  # of few requests one hiccup decides
    ],
)
def test_users_who_wait_for_the_client_send_less_however_short_the_wait(late_s, requests, closed, limited):
    each = answer(frames=(), e2e_s=0.004, late_s=late_s, intended_s=-late_s)
    said = check(*[each] * requests, closed=closed)
    assert said.client_limited is limited
    assert said.reasons == (("its users waited for it 18% of the time, the limit is 10%",) if limited else ())


@pytest.mark.parametrize(
    ("lag_s", "gap_s", "limited"),
    [
        (0.004, 0.01, False),
        (0.006, 0.01, True),
        (0.006, 0.05, True),  # however far apart tokens mostly are: these three may have come 6 ms apart
    ],
)
def test_a_late_read_of_several_frames_may_have_merged_them(lag_s, gap_s, limited):
    # Ten answers of 40 frames, in one of them two reads of three: 6 of 400 frames, which is more than a hundredth.
    calm = [answer(frames=(1,) * 40, gap_s=gap_s, e2e_s=3.0)] * 9
    lags = tuple(lag_s if n > 1 else 0.0 for n in (3, 3, *(1,) * 34))
    arrivals, at_s = [], 0.5
    for n in (3, 3, *(1,) * 34):
        at_s += n * gap_s
        arrivals.append(at_s)
    hit = answer(frames=(3, 3, *(1,) * 34), arrivals_s=tuple(arrivals), lags_s=lags, ended_s=at_s)
    found = check(*calm, hit)
    assert found.merged_fraction == pytest.approx(6 / 400 if limited else 0.0)
    assert found.client_limited is limited


@given(lag_s=st.floats(0, 10), reads=st.integers(1, 200), gap_s=st.floats(0.001, 1))
def test_a_late_read_of_one_frame_has_the_kernels_time_and_harms_nothing(lag_s, reads, gap_s):
    """However short the run: of 70 reads the p99 is their maximum, and one hiccup is no slow client."""
    lags = (lag_s, *(0.0,) * (reads - 1))
    sent = answer(frames=(1,) * reads, gap_s=gap_s, e2e_s=reads * gap_s + 1, lags_s=lags)
    assert check(sent).client_limited is False


@given(
    looks_s=st.floats(0.012, 0.5),
    tokens=st.integers(50, 400),
    gap_s=st.floats(0.0005, 0.006),
    phase=st.floats(0, 1),
    known=st.booleans(),
)
def test_a_client_that_looks_now_and_then_never_passes(looks_s, tokens, gap_s, phase, known):
    """Tokens come every `gap_s` and it looks every `looks_s`: the newest in a read is at most `gap_s` old, so that
    its lag alone would pass; and the gaps between its reads, by which the limit was once set, are its own doing."""
    arrivals, frames, lags, away = [], [], [], []
    token, look_s = 0, 0.1 + phase * looks_s
    while token < tokens:
        count = min(tokens - token, max(0, math.floor((look_s - 0.1) / gap_s) + 1 - token))
        if count:
            token += count
            newest_s = 0.1 + (token - 1) * gap_s
            if count > 1:
                away.append((len(frames), looks_s))
            arrivals.append(newest_s)
            frames.append(count)
            lags.append(look_s - newest_s if known else None)
        look_s += looks_s
    sent = answer(frames=tuple(frames), arrivals_s=tuple(arrivals), lags_s=tuple(lags), away_s=tuple(away),
                  ended_s=arrivals[-1] + 0.01)  # fmt: skip
    clock = CLIENT if known else CLIENT.model_copy(update={"clock": "user", "clock_reason": "with TLS"})
    found = check(sent, client=clock)
    assert found.client_limited is True
    assert "of the tokens" in found.reasons[0]


@given(size=st.integers(2, 30), sends=st.integers(1, 50), lag_s=st.floats(0, 0.004), hiccups=st.integers(0, 3))
def test_what_a_server_sends_in_one_piece_is_not_the_clients_doing(size, sends, lag_s, hiccups):
    """Also where a look at such a piece was late: it has no more frames than those in time have."""
    late = min(hiccups, sends // 3)
    sent = answer(
        frames=(size,) * sends, gap_s=0.05, e2e_s=sends * 0.05 + 1,
        lags_s=(*(0.2,) * late, *(lag_s,) * (sends - late)), away_s=tuple((i, 0.2) for i in range(late)),
    )  # fmt: skip
    assert check(sent).client_limited is False


def test_a_first_token_that_came_with_later_ones_makes_ttft_that_of_the_client():
    # Of two hundred answers three: in their frames too few to count, in their TTFT not.
    calm = [answer(frames=(1,) * 300, gap_s=0.01, e2e_s=3.2)] * 197
    hit = [answer(frames=(4, *(1,) * 296), gap_s=0.01, e2e_s=3.2, away_s=((0, 0.04),))] * 3
    found = check(*calm, *hit)
    assert found.merged_fraction == pytest.approx(12 / 60_000)
    assert found.merged_first_fraction == pytest.approx(3 / 200)
    assert found.client_limited is True
    assert "1.5% of the first tokens" in found.reasons[0]
    # 40 ms are no twentieth of a second and a half.
    slow = [t.model_copy(update={"arrivals_s": tuple(at_s + 1.5 for at_s in t.arrivals_s)}) for t in (*calm, *hit)]
    assert check(*slow).client_limited is False


@pytest.mark.parametrize(("size", "limited"), [(10, False), (11, True)])
def test_one_token_in_a_hundred_may_be_merged_and_no_more(size, limited):
    frames = (*(1,) * 500, size, *(1,) * (500 - size))
    found = check(answer(frames=frames, gap_s=0.001, away_s=((500, 0.04),)))
    assert found.merged_fraction == size / 1000
    assert found.client_limited is limited


def in_reads(pauses_s, *, merged=frozenset(), late_s=0.02):
    """An answer whose tokens come after `pauses_s`; those that `merged` names were read with the next, and late."""
    arrivals, frames, away, at_s, count = [], [], [], 0.0, 0
    for i, pause_s in enumerate(pauses_s):
        at_s, count = at_s + pause_s, count + 1
        if i not in merged:
            if count > 1:
                away.append((len(frames), late_s))
            arrivals.append(at_s)
            frames.append(count)
            count = 0
    return answer(frames=tuple(frames), arrivals_s=tuple(arrivals), lags_s=(0.0,) * len(frames), away_s=tuple(away),
                  ended_s=at_s + 0.01)  # fmt: skip


@pytest.mark.parametrize(
    ("slow", "limited"),
    [
        (9, True),  # 9 of 1,000 gaps are long ones of the server: with four that are two, p99 is among the long ones
        (15, False),  # it lies among the server's own, by whatever else is added
        (2, False),  # and here among the short ones
    ],
)
def test_merged_tokens_that_move_the_p99_of_itl_make_it_that_of_the_client(slow, limited):
    long_at = set(range(5, 5 + 40 * slow, 40))
    pauses_s = [0.03 if i in long_at else 0.015 for i in range(1000)]
    found = check(in_reads(pauses_s, merged={700, 750, 800, 850}))
    assert found.merged_fraction == pytest.approx(8 / 1000)
    assert found.client_limited is limited
    if limited:
        assert "the p99 of ITL is 30.0 ms as read, and 15.0 ms if they came evenly" in found.reasons[0]
        assert check(in_reads(pauses_s)).client_limited is False


def test_pieces_that_a_server_sends_are_taken_apart_as_pieces():
    """Two tokens to a piece each 30 ms: four in a late read are two pieces of 30 ms, not four tokens of 15."""
    frames = (*(2,) * 250, 4, *(2,) * 248)
    arrivals = tuple(0.03 * sum(frames[: i + 1]) / 2 for i in range(len(frames)))
    hit = answer(frames=frames, arrivals_s=arrivals, lags_s=(0.0,) * 499, away_s=((250, 0.03),), ended_s=16.0)
    assert p99_if_apart_s([b - a for a, b in pairwise(arrivals)], merged([hit]).gaps_s) == pytest.approx(0.03)


def test_how_late_the_latest_look_was_is_said():
    # A lag of 200 ms after 6 ms of absence is 200 ms; the look after it, 50 ms late, does not stand for it. 6 of 50
    # frames are 12 %.
    frames = (1, 3, 3, *(1,) * 43)
    found = check(answer(frames=frames, lags_s=(0.0, 0.2, 0.05, *(0.0,) * 43), away_s=((1, 0.006),)))
    (said,) = found.reasons
    assert said.startswith("it merged 12% of the tokens in reads that came up to 200.0 ms late, ")


def test_where_no_look_was_in_time_two_tokens_may_have_come_apart():
    assert check(answer(frames=(2, 2, 2), lag_s=0.1)).merged_fraction == 1.0


def test_only_what_was_measured_and_answered_is_judged():
    late = {"frames": (9, 9), "away_s": ((0, 0.1), (1, 0.1))}
    others = [answer(phase="warmup", **late), answer(error="timeout", **late), answer(cut=True, **late)]
    assert merged([answer(), *others]).fraction == 0.0
    assert merged(others).fraction is None
    waited = {"frames": (), "e2e_s": 0.004, "late_s": 0.1, "intended_s": -0.1}
    others = [answer(phase="warmup", **waited), answer(error="timeout", **waited)]
    assert check(*[answer(frames=(), e2e_s=0.004)] * 30, *others).client_limited is False


def test_a_worker_that_has_no_time_left_is_the_limit():
    found = check(answer(), client=CLIENT.model_copy(update={"busiest_cpu_fraction": 0.95}))
    assert found.client_limited is True
    assert "95% of a core" in found.reasons[0]
    # 0.5 s of CPU for three tokens.
    assert found.cpu_us_per_token == pytest.approx(500_000 / 3)


@pytest.mark.parametrize(("fraction", "limited"), [(0.05, False), (0.5, True)])
def test_a_worker_that_merged_tokens_to_keep_up_is_the_limit(fraction, limited):
    found = check(answer(), client=CLIENT.model_copy(update={"crowded_fraction": fraction}))
    assert found.client_limited is limited
    assert ("short of CPU for 50% of the time" in " ".join(found.reasons)) is limited


def test_a_machine_that_had_no_socket_left_is_the_limit_and_not_the_server_that_failed():
    found = check(answer(), client=CLIENT.model_copy(update={"without_socket": 3}))
    assert found.client_limited is True
    assert found.reasons == ("its machine had no descriptor or no port left for 3 requests (`ulimit -n`)",)
    assert check(answer(error="connect"), client=CLIENT.model_copy(update={"without_socket": 1})).client_limited is True


def test_without_kernel_times_or_answers_nobody_knows():
    blind = CLIENT.model_copy(update={"clock": "user", "clock_reason": "with TLS the kernel sees records"})
    found = check(answer(), client=blind)
    assert found.client_limited is None
    assert "TLS" in found.reasons[0]
    assert check(answer(error="timeout")).client_limited is None

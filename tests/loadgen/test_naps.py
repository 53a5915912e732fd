"""How long the loop sleeps while tokens come: it saves CPU and must blur nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infercli.loadgen.loop import how_long_to_nap_s

SECOND = 1.0


def test_many_slow_streams_are_looked_at_every_two_milliseconds():
    assert how_long_to_nap_s(256, SECOND, reads=256 * 66, begun=128) == 0.002


def test_a_few_streams_are_watched_all_the_time():
    assert how_long_to_nap_s(4, SECOND, reads=4 * 66, begun=2) == 0


def test_tokens_that_come_fast_stay_apart():
    assert how_long_to_nap_s(16, SECOND, reads=16 * 500, begun=4) == 0.2 * 0.002
    assert how_long_to_nap_s(64, SECOND, reads=64 * 5000, begun=64) == 0


def test_users_of_short_answers_are_not_held_back():
    assert how_long_to_nap_s(256, SECOND, reads=256 * 10, begun=256 * 10) == 0.01 * 0.1
    assert how_long_to_nap_s(256, SECOND, reads=256 * 100, begun=256 * 100) == 0


@given(st.integers(0, 4096), st.floats(0.01, 1), st.integers(0, 10**6), st.integers(0, 10**5))
def test_a_nap_is_at_most_a_fifth_of_a_gap_and_a_hundredth_of_an_answer(streams, window_s, reads, begun):
    nap_s = how_long_to_nap_s(streams, window_s, reads, begun)
    assert 0 <= nap_s <= 0.002
    assert nap_s * reads <= streams * window_s / 5 * (1 + 1e-9)
    assert nap_s * begun <= streams * window_s / 100 * (1 + 1e-9)

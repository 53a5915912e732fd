"""When an open loop asks for more than comes back, by looks whose sums can be done in the head."""

from __future__ import annotations

import pytest

from infercli.core.bench.saturation import Look, fell_behind, saturated
from infercli.core.traces import Load
from tests.core.results import trace


def looks(*pairs):
    """One look a second: (due, done) so far."""
    return [Look(float(i), due, done) for i, (due, done) in enumerate(pairs)]


def test_requests_that_pile_up_for_ten_seconds_are_saturation():
    why = saturated(looks(*[(10 * i, 8 * i) for i in range(11)]), gap_variation=0)
    assert why is not None
    assert "100 requests came due and 80 were done; 20 wait" in why


@pytest.mark.parametrize(
    "pairs",
    [
        [(10 * i, 8 * i) for i in range(9)],  # too early to tell
        [(10 * i, max(0, 10 * i - 30)) for i in range(11)],  # a constant number in flight
        [(10 * i, 8 * i if i < 6 else 10 * i) for i in range(11)],  # a burst that drained
        [(20 * i, max(0, 20 * i - 80)) for i in range(12)],  # the first answers take 4 s
        [(20 * i, max(0, 20 * i - 160)) for i in range(20)],  # or 8 s
        [(10 * i, 5 * i if i < 6 else 9 * i - 20) for i in range(11)],  # too slow in both halves, and ever faster
        [(0, 0)],
        [],
    ],
)
def test_an_endpoint_that_keeps_up_in_the_end_is_not_saturated(pairs):
    assert saturated(looks(*pairs), gap_variation=0) is None


def test_who_kept_up_at_first_and_then_falls_behind_is_seen_as_soon_as_who_never_did():
    later = [(10 * i, 10 * i if i < 11 else 20 + 8 * i) for i in range(21)]
    assert saturated(looks(*later[:16]), gap_variation=0) is None
    assert "100 requests came due and 80 were done; 20 wait" in str(saturated(looks(*later), gap_variation=0))


def test_what_waits_from_before_is_no_pile_of_these_ten_seconds():
    stalled = [(10 * i, 10 * i if i < 5 else max(40, 10 * i - 40)) for i in range(21)]  # 4 s of nothing, then as it was
    assert saturated(looks(*stalled), gap_variation=0) is None


def test_less_than_a_seconds_worth_is_no_pile():
    behind = [(100 * i, 93 * i) for i in range(21)]
    assert saturated(looks(*behind[:11]), gap_variation=0) is None  # 70 wait after ten seconds of 100 each
    assert "140 wait" in str(saturated(looks(*behind), gap_variation=0))


def test_what_chance_piles_up_is_no_saturation_and_what_goes_on_is():
    slow = [(10 * i, 8 * i) for i in range(61)]
    assert saturated(looks(*slow[:11])) is None  # 20 more after 100 Poisson arrivals: two deviations
    assert "400 requests came due and 320 were done" in str(saturated(looks(*slow[:41])))
    half = [(10 * i, 5 * i) for i in range(11)]
    assert saturated(looks(*half)) is not None
    assert saturated(looks(*half), gap_variation=2) is None


def open_loop(n, per_s, done_per_s, first=0):
    """Requests that come due at one rate and are answered one by one at another."""
    times = [(i / per_s, i / done_per_s + 0.1) for i in range(n)]
    return [
        trace(due, (ended,), request=first + i, intended_s=due, ended_s=max(ended, due + 0.1))
        for i, (due, ended) in enumerate(times)
    ]


def test_whether_a_load_fell_behind_is_told_without_the_requests_that_warmed_the_endpoint_up():
    load = Load(arrivals="constant", rate_per_s=10, requests=200, warmup_requests=40)
    warm = [t.model_copy(update={"phase": "warmup", "intended_s": -9.0, "sent_s": -9.0}) for t in open_loop(40, 10, 10)]
    for done_per_s, behind in ((8, True), (10, False)):
        measured = open_loop(200, 10, done_per_s)
        assert (fell_behind(measured, load) is not None) is behind
        assert fell_behind([*warm, *measured], load) == fell_behind(measured, load)

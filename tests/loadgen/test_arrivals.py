"""When the requests of an open loop are due."""

from __future__ import annotations

from itertools import pairwise
from statistics import mean, pstdev

import pytest

from infercli.core.load.conversation import Conversation, Turn, single
from infercli.core.traces import Load
from infercli.loadgen.arrivals import arrivals

HUNDRED = [single(f"prompt {i}") for i in range(100)]


def due(conversations=HUNDRED, **load):
    return list(arrivals(Load(**load), conversations))


def gaps(**load):
    return [b - a for (a, _), (b, _) in pairwise(due(**load))]


def at(*times_s):
    return [Conversation(turns=(Turn(prompt="x"),), at_s=t) for t in times_s]


def test_constant_arrivals_are_evenly_spaced_and_take_the_conversations_in_turn():
    found = due(arrivals="constant", rate_per_s=4, requests=5)
    assert found == [(0.0, 0), (0.25, 1), (0.5, 2), (0.75, 3), (1.0, 4)]


def test_conversations_that_the_warm_up_sends_are_not_the_first_again():
    assert [c for _, c in due(arrivals="constant", rate_per_s=4, requests=3, warmup_requests=98)] == [98, 99, 0]


@pytest.mark.parametrize(
    ("kind", "burstiness", "spread"), [("poisson", None, 1.0), ("gamma", 0.25, 2.0), ("gamma", 4.0, 0.5)]
)
def test_gaps_have_the_mean_of_the_rate_and_the_spread_of_their_kind(kind, burstiness, spread):
    # The coefficient of variation of gamma-distributed gaps is the shape to the power of -1/2; of Poisson's, 1.
    found = gaps(arrivals=kind, burstiness=burstiness, rate_per_s=20, requests=20_001)
    assert mean(found) == pytest.approx(0.05, rel=0.05)
    assert pstdev(found) / mean(found) == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("more", [{"duration_s": 10}, {"duration_s": 10, "ramp_to_per_s": 15}, {"requests": 50}])
@pytest.mark.parametrize("kind", ["poisson", "gamma"])
def test_as_many_arrive_as_the_rate_says(kind, more, seed):
    burstiness = 0.5 if kind == "gamma" else None
    found = due(arrivals=kind, burstiness=burstiness, rate_per_s=5, seed=seed, **more)
    assert len(found) == (100 if "ramp_to_per_s" in more else 50)
    assert found[-1][0] < 10


def test_given_their_number_poisson_arrivals_are_spread_evenly_over_the_load():
    # Of uniform times in [0, 1) the mean is 1/2 and the standard deviation 12 to the power of -1/2.
    times = [t for seed in range(400) for t, _ in due(arrivals="poisson", rate_per_s=20, duration_s=1, seed=seed)[1:]]
    assert mean(times) == pytest.approx(0.5, abs=0.01)
    assert pstdev(times) == pytest.approx(12**-0.5, abs=0.01)


def test_a_seed_gives_the_same_times_again_and_another_seed_others():
    load = {"arrivals": "poisson", "rate_per_s": 5, "requests": 10}
    assert due(**load, seed=3) == due(**load, seed=3) != due(**load, seed=4)


def test_a_load_for_a_time_ends_at_it():
    found = due(arrivals="constant", rate_per_s=10, duration_s=1)
    assert len(found) == 10
    assert found[-1][0] == pytest.approx(0.9)


@pytest.mark.parametrize(("rate_per_s", "duration_s", "many"), [(1.1, 30, 33), (2.7, 60, 162), (0.3, 10, 3)])
def test_rounding_adds_no_arrival_at_the_end(rate_per_s, duration_s, many):
    # 33 / 1.1 is 29.999999999999996: the 34th arrival is due at 30 s, and no more of it.
    for kind in ("constant", "poisson"):
        for seed in range(20):
            assert len(due(arrivals=kind, rate_per_s=rate_per_s, duration_s=duration_s, seed=seed)) == many


def test_a_ramp_begins_at_one_rate_and_ends_at_the_other():
    # From 10 to 30 a second over 4 s: 10 t + 2.5 t^2, so 12.5 in the first second and 80 in all.
    found = due(arrivals="constant", rate_per_s=10, ramp_to_per_s=30, duration_s=4)
    assert len(found) == 80
    assert sum(t < 1 for t, _ in found) == 13
    assert found[1][0] - found[0][0] == pytest.approx(0.1, rel=0.03)
    assert found[-1][0] - found[-2][0] == pytest.approx(1 / 30, rel=0.03)


def test_a_ramp_down_to_almost_nothing_ends():
    # From 10 to 1 over 2 s: 11 requests.
    assert len(due(arrivals="constant", rate_per_s=10, ramp_to_per_s=1, duration_s=2)) == 11


def test_a_trace_is_replayed_by_its_own_times_and_at_a_multiple_of_its_speed():
    conversations = at(0, 0.5, 0.5, 3)
    assert due(conversations, arrivals="trace") == [(0, 0), (0.5, 1), (0.5, 2), (3, 3)]
    assert due(conversations, arrivals="trace", speed=2) == [(0, 0), (0.25, 1), (0.25, 2), (1.5, 3)]
    assert len(due(conversations, arrivals="trace", requests=2)) == 2
    assert len(due(conversations, arrivals="trace", duration_s=1)) == 3

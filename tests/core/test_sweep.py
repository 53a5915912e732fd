"""Sweeps and searches against endpoints of known capacity, which answer here by arithmetic."""

from __future__ import annotations

import pytest

from infercli.core.goodput import Objectives, parse_objective
from infercli.core.saturation import Look, saturated
from infercli.core.self_check import Client
from infercli.core.stage import stage_result
from infercli.core.sweep import (
    CONFIRMATIONS,
    PRECISION,
    next_rate,
    next_users,
    saturation,
    searched,
    sent_per_s,
    wilson_lower,
)
from infercli.core.traces import Load, Stop, Trace

CLIENT = Client(
    infercli_version="1", python="3.11", cpu=None, cpus=2, kernel="6", clock="kernel", pacing="timerfd", workers=1,
    wall_s=5.0, cpu_s=0.1, busiest_cpu_fraction=0.02, reads=1, unstamped_reads=0, reconnects=0,
)  # fmt: skip
ONE_SECOND = Objectives(objectives=(parse_objective("ttft_p95=1s"),))


def trace(i, ttft_s, duration_s=1.0, **more):
    fields = {"request": i, "conversation": 0, "intended_s": 0.0, "sent_s": 0.0, "ended_s": duration_s, "status": 200}
    fields |= {"arrivals_s": (ttft_s, duration_s), "frames": (1, 1), "lags_s": (0.0, 0.0), "completion_tokens": 2}
    return Trace(**{**fields, **more})


def users(n, most, **more):
    """A level of n users against an endpoint that serves `most` at once: beyond, each waits its turn."""
    lasts = max(1.0, n / most)
    traces = [trace(i, 0.1, lasts, **more) for i in range(n)]
    return stage_result(Load(concurrency=n, requests=n), CLIENT, traces, began_s=0, ended_s=lasts)


def rate(at, holds_below, seed=0, requests=None, alone_s=0.5, **more):
    """A level whose requests wait for one another from a rate on, else take `alone_s`; 0: each is too slow."""
    slow = alone_s if at < holds_below else max(2.0, 1.5 / at) if holds_below else 2.0
    requests = requests or max(100, round(10 * at))
    traces = []
    for i in range(requests):
        sent = i / at
        arrivals = (sent + slow, sent + slow + 0.5)
        traces.append(trace(i, 0, ended_s=arrivals[1], intended_s=sent, sent_s=sent, arrivals_s=arrivals))
    load = Load(arrivals="poisson", rate_per_s=at, requests=requests, seed=seed)
    return stage_result(load, CLIENT, traces, began_s=0, ended_s=1, objectives=ONE_SECOND, **more)


def test_a_sweep_doubles_its_users_until_they_bring_no_more():
    done = []
    while (n := next_users(done)) is not None:
        done.append(users(n, most=10))
    # 1, 2, 4, 8 at 2 tokens/s a user, 16 at 20 in all (25 % more than 8), 32 at 20.
    assert [s.load.concurrency for s in done] == [1, 2, 4, 8, 16, 32]
    assert [s.metrics.output_tokens_per_s for s in done] == [2, 4, 8, 16, 20, 20]
    assert saturation(done).load.concurrency == 16


def test_a_sweep_of_what_generates_nothing_goes_by_its_requests():
    embedded = {"arrivals_s": (), "frames": (), "lags_s": (), "completion_tokens": 0}
    done = []
    while (n := next_users(done)) is not None:
        done.append(users(n, most=10, **embedded))
    assert [s.load.concurrency for s in done] == [1, 2, 4, 8, 16, 32]
    assert saturation(done).load.concurrency == 16


def test_a_sweep_ends_where_requests_fail_or_the_client_is_the_limit():
    failed = stage_result(
        Load(concurrency=4, requests=2), CLIENT, [trace(0, 0.1), trace(1, 0.1, error="http", status=429)],
        began_s=0, ended_s=1,
    )  # fmt: skip
    late = CLIENT.model_copy(update={"busiest_cpu_fraction": 0.99})
    limited = stage_result(Load(concurrency=4, requests=2), late, [trace(0, 0.1)], began_s=0, ended_s=1)
    assert next_users([failed]) is None
    assert next_users([limited]) is None
    assert saturation([]) is None


@pytest.mark.parametrize("capacity", [0.3, 0.9, 1.1, 7.7, 64.1])
@pytest.mark.parametrize("first", [1.0, 20.0])
def test_a_search_finds_the_highest_rate_that_holds_to_its_precision_and_confirms_it(capacity, first):
    done = []
    while (following := next_rate(done, first)) is not None:
        done.append(rate(following.rate_per_s, capacity, following.seed))
    found = searched(done)
    assert found.highest_rate_per_s < capacity <= found.broke_at_rate_per_s
    assert found.broke_at_rate_per_s / found.highest_rate_per_s <= PRECISION
    assert found.runs == 1 + CONFIRMATIONS
    assert len({s.load.seed for s in done}) == len(done)
    assert len(done) < 25


def test_a_rate_that_breaks_when_it_is_confirmed_has_broken():
    lucky = [rate(8, 100), rate(8.5, 1), rate(8, 100), rate(8, 1)]
    found = searched(lucky)
    assert (found.highest_rate_per_s, found.broke_at_rate_per_s) == (None, 8)
    assert next_rate(lucky, 8).rate_per_s == 4


def test_nothing_that_holds_is_none_and_not_zero():
    # At 1 request/s two are in flight, at 0.25 each is alone at the endpoint and takes 2 s all the same.
    done = []
    while (following := next_rate(done, 1.0)) is not None:
        done.append(rate(following.rate_per_s, 0))
    found = searched(done)
    assert [s.load.rate_per_s for s in done] == [1.0, 0.5, 0.25]
    assert (found.highest_rate_per_s, found.broke_at_rate_per_s, found.answer) == (None, 0.25, False)
    assert found.hopeless == (
        "no rate can hold TTFT p95 within 1 s: of 100 requests that were alone at the endpoint 0 met it"
    )


def test_a_few_requests_that_were_alone_and_missed_by_chance_do_not_end_a_search():
    slow_once = [trace(i, 0, intended_s=10.0 * i, sent_s=10.0 * i, ended_s=10 * i + 3.0,
                       arrivals_s=(10 * i + (2.0 if i < 2 else 0.1), 10 * i + 3.0)) for i in range(20)]  # fmt: skip
    load = Load(arrivals="poisson", rate_per_s=1.0, requests=20)
    done = [stage_result(load, CLIENT, slow_once, began_s=0, ended_s=200, objectives=ONE_SECOND)]
    assert searched(done).hopeless is None  # 18 of 20: 95 % of all could still meet it
    assert next_rate(done, 1.0).rate_per_s == 0.5


def test_a_search_ends_where_so_few_requests_can_ask_no_more_and_does_not_know():
    done = []
    while (following := next_rate(done, 4.0)) is not None:
        done.append(rate(following.rate_per_s, 1e9, following.seed, requests=8))
    found = searched(done)
    # 8 requests at 16 a second are sent within 0.44 s, and the first token comes after 0.5.
    assert [s.load.rate_per_s for s in done] == [4, 8, 16]
    assert (found.highest_rate_per_s, found.broke_at_rate_per_s, found.answer) == (16, None, None)
    assert "all 8 requests of 16 requests/s were sent before the first token came" in found.unfinished


def test_a_rate_that_was_not_sent_is_not_found():
    asked = rate(8, 100)
    late = [t.model_copy(update={"sent_s": t.intended_s * 2, "ended_s": t.ended_s * 2,
                                 "arrivals_s": tuple(2 * a for a in t.arrivals_s)})
            for t in rate(16, 100, alone_s=0.01).traces]  # fmt: skip
    load = Load(arrivals="poisson", rate_per_s=16, requests=160)
    loose = Objectives(objectives=(parse_objective("ttft_p95=100s"),))
    slow = stage_result(load, CLIENT, late, began_s=0, ended_s=21, objectives=loose)
    slow = slow.model_copy(update={"load": load.model_copy(update={"arrivals": "gamma", "burstiness": 0.001})})
    assert next_rate([asked, slow], 8) is None
    found = searched([asked, slow])
    assert (found.highest_rate_per_s, found.answer) == (8, None)
    assert found.unfinished == f"{slow.load.label} could not be sent that fast: it was 8"


def test_a_level_that_held_only_because_it_was_short_has_broken():
    # 80 a second at an endpoint that ends 34: everybody waits less than 100 s, and the longer the load the longer.
    traces = []
    for i in range(800):
        end = max(i / 80, i / 34) + 0.1
        traces.append(trace(i, 0, intended_s=i / 80, sent_s=i / 80, ended_s=end, arrivals_s=(end - 0.01, end)))
    loose = Objectives(objectives=(parse_objective("ttft_p95=100s"),))
    load = Load(arrivals="poisson", rate_per_s=80, requests=800)
    piled = stage_result(load, CLIENT, traces, began_s=0, ended_s=25, objectives=loose)
    assert piled.goodput.holds
    assert searched([piled]).broke_at_rate_per_s == 80


def test_what_was_really_sent_is_the_gaps_between_sendings():
    assert sent_per_s(rate(8, 100)) == pytest.approx(8)
    assert sent_per_s(rate(8, 100, requests=1)) is None


@pytest.mark.parametrize("requests", [20, 100])
def test_a_search_answers_yes_only_where_it_is_sure(requests):
    done = [rate(8, 100, requests=requests), rate(8.5, 1)]
    assert searched(done).answer is (True if requests == 100 else None)


def test_a_level_that_was_stopped_for_saturation_does_not_hold():
    assert searched([rate(4, 100), rate(8, 100, stopped=Stop(kind="saturated"))]).broke_at_rate_per_s == 8


def test_a_search_says_how_sure_it_is():
    # Three runs of 100, all within: Wilson's lower bound of 300 of 300 is 300 / (300 + z^2), z = 1.645.
    done = [rate(8, 100), rate(8.5, 1), rate(8, 100), rate(8, 100)]
    (sure,) = searched(done).sure
    assert (sure.met, sure.requests, sure.sure) == (300, 300, True)
    assert sure.at_least_fraction == pytest.approx(300 / (300 + 1.6448536**2))
    (unsure,) = searched([rate(8, 100, requests=20)]).sure
    assert not unsure.sure  # 20 of 20: at least 88 %, and 95 % is asked


def test_wilsons_bound_is_that_of_the_formula_worked_by_hand():
    # 81 of 263, z = 1.645: (0.30798 + 0.00514 - 1.645 * sqrt(0.21313 / 263 + 0.0000098)) / 1.01029 = 0.2633
    assert wilson_lower(81, 263) == pytest.approx(0.2633, abs=1e-4)
    assert wilson_lower(0, 0) == 0.0


def test_an_interrupted_search_says_so_and_goes_no_further():
    done = [rate(4, 100), rate(8, 100, stopped=Stop(kind="interrupted"))]
    assert next_rate(done, 1) is None
    found = searched(done)
    assert (found.highest_rate_per_s, found.broke_at_rate_per_s, found.unfinished) == (4, None, "interrupted")


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
        [(0, 0)],
        [],
    ],
)
def test_an_endpoint_that_keeps_up_in_the_end_is_not_saturated(pairs):
    assert saturated(looks(*pairs), gap_variation=0) is None


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

"""Searches for the highest rate that holds, against endpoints of known capacity, which answer here by arithmetic."""

from __future__ import annotations

import random
from functools import cache

import pytest

from infercli.core.bench.goodput import Objectives, goodput, parse_objective
from infercli.core.bench.levels import Levels
from infercli.core.bench.search import (
    CONFIRMATIONS,
    FEWEST_CONFIRMATIONS,
    PRECISION,
    next_rate,
    searched,
    sent_per_s,
    wilson_lower,
)
from infercli.core.bench.stage import CLIENT_REPEATS, stage_result
from infercli.core.load.conversation import single
from infercli.core.traces import Load, Stop
from infercli.loadgen.arrivals import arrivals
from tests.core.bench.test_sweep import CLIENT, client_limited, trace

ONE_SECOND = Objectives(objectives=(parse_objective("ttft_p95=1s"),))


def rate(at, holds_below, seed=0, requests=None, alone_s=0.5, confirms=False, **more):
    """A level whose requests wait for one another from a rate on, else take `alone_s`; 0: each is too slow."""
    slow = alone_s if at < holds_below else max(2.0, 1.5 / at) if holds_below else 2.0
    requests = requests or max(100, round(10 * at))
    traces = []
    for i in range(requests):
        sent = i / at
        arrivals = (sent + slow, sent + slow + 0.5)
        traces.append(trace(i, 0, ended_s=arrivals[1], intended_s=sent, sent_s=sent, arrivals_s=arrivals))
    load = Load(arrivals="poisson", rate_per_s=at, requests=requests, seed=seed, confirms=confirms)
    return stage_result(load, CLIENT, traces, began_s=0, ended_s=1, objectives=ONE_SECOND, **more)


@pytest.mark.parametrize("capacity", [0.3, 0.9, 1.1, 7.7, 64.1])
@pytest.mark.parametrize("first", [1.0, 20.0])
def test_a_search_finds_the_highest_rate_that_holds_to_its_precision_and_confirms_it(capacity, first):
    done = []
    while (following := next_rate(done, first)) is not None:
        done.append(rate(following.rate_per_s, capacity, following.seed, confirms=following.confirms))
    found = searched(done)
    assert found.highest_rate_per_s < capacity <= found.broke_at_rate_per_s
    assert found.broke_at_rate_per_s / found.highest_rate_per_s <= PRECISION
    assert found.runs == 1 + FEWEST_CONFIRMATIONS  # of an endpoint that keeps to the second, two tell enough
    assert len({s.load.seed for s in done}) == len(done)
    assert len(done) < 25


def test_a_rate_that_breaks_when_it_is_confirmed_has_broken():
    lucky = [rate(8, 100), rate(8.5, 1), rate(8, 100, confirms=True), rate(8, 1, confirms=True)]
    found = searched(lucky)
    assert (found.highest_rate_per_s, found.broke_at_rate_per_s) == (None, 8)
    assert next_rate(lucky, 8).rate_per_s == 4
    assert found.broke_runs == 3


def held_by(share, requests=100, seed=0, at=8.0):
    """A level of which every so many-th request misses, evenly. Of 300 requests it confirms."""
    traces, good = [], 0
    for t in rate(at, 100, seed, requests).traces:
        if good < share * (t.request + 1):
            good += 1
            traces.append(t)
        else:
            traces.append(
                t.model_copy(update={"arrivals_s": (t.sent_s + 1.5, t.sent_s + 2.0), "ended_s": t.sent_s + 2})
            )
    load = Load(arrivals="poisson", rate_per_s=at, requests=requests, seed=seed, confirms=requests == 300)
    return stage_result(load, CLIENT, traces, began_s=0, ended_s=1, objectives=ONE_SECOND)


def test_confirmations_decide_about_a_rate_together_and_the_run_that_chose_it_does_not():
    # 98 % and 93 % are 95.5 % of both, and each alone says something else.
    both = [held_by(1.0), rate(8.5, 1), held_by(0.98, 300), held_by(0.93, 300)]
    assert searched(both).highest_rate_per_s == 8
    (sure,) = searched(both).sure
    assert (sure.met, sure.requests, sure.sure) == (294 + 279, 600, False)
    assert searched([held_by(1.0, 900), rate(8.5, 1), held_by(0.93, 300)]).broke_at_rate_per_s == 8


def test_a_rate_at_which_too_many_fail_does_not_hold_however_fast_the_others_are():
    whole = rate(8, 100)
    failed = [t.model_copy(update={"error": "http", "status": 503}) if t.request < 4 else t for t in whole.traces]
    of_four = stage_result(whole.load, CLIENT, failed, began_s=0, ended_s=1, objectives=ONE_SECOND)
    assert [a.holds for a in of_four.goodput.attained] == [True]  # 96 of 100 within a second, and 95 are asked for
    found = searched([rate(4, 100), of_four])
    assert (found.highest_rate_per_s, found.broke_at_rate_per_s) == (4, 8)


def test_one_confirmation_that_missed_is_overruled_by_several_of_a_higher_rate_that_held():
    once = [held_by(1.0, at=4.0), held_by(0.93, 300, at=4.0)]
    held, missed = ([held_by(share, 300), held_by(share, 300)] for share in (0.98, 0.93))
    assert searched([*once, *held]).highest_rate_per_s == 8
    assert searched([*once, *missed]).broke_at_rate_per_s == 4


def test_a_third_confirmation_is_sent_only_where_it_could_make_the_search_sure():
    def confirmed(*shares):
        done = [held_by(1.0), rate(8.5, 1), *(held_by(share, 300) for share in shares)]
        return next_rate(done, 8)

    assert confirmed(0.98).rate_per_s == 8
    assert confirmed(0.98, 0.98) is None  # 588 of 600: sure
    assert confirmed(0.97, 0.97).rate_per_s == 8  # 582 of 600 are not enough, 873 of 900 would be
    assert confirmed(0.955, 0.955).rate_per_s < 8
    assert confirmed(*[0.97] * CONFIRMATIONS) is None


def test_where_the_highest_rate_is_not_sure_a_lower_one_is_looked_for_that_is():
    unsure = [held_by(1.0), rate(8.5, 1), held_by(0.955, 300), held_by(0.955, 300)]
    done, tried = list(unsure), []
    while (following := next_rate(done, 8)) is not None:
        assert following.confirms
        tried.append(following.rate_per_s)
        # A tenth lower it holds as scarcely; another tenth lower plainly.
        done.append(held_by(0.955 if following.rate_per_s > 7 else 0.99, 300, at=following.rate_per_s))
    assert tried == [7.27, 6.4, 6.4]  # what one confirmation shows to be out of reach is not confirmed again
    found = searched(done)
    assert (found.highest_rate_per_s, found.sure[0].sure, found.rate_per_s, found.answer) == (8, False, 6.4, True)
    assert (found.assured.rate_per_s, found.assured.runs, found.assured.objectives[0].met) == (6.4, 2, 594)
    # One run of a lower rate that misses overrules no two of a higher one; two of them do.
    missed = [*unsure, held_by(0.9, 300, at=7.27)]
    assert (searched(missed).highest_rate_per_s, searched(missed).broke_at_rate_per_s) == (8, 8.5)
    assert next_rate(missed, 8).rate_per_s == 6.4
    broken = searched([*missed, held_by(0.9, 300, at=7.27)])
    assert (broken.highest_rate_per_s, broken.broke_at_rate_per_s, broken.assured) == (None, 7.27, None)
    # And none is looked for where so few requests make nobody sure, however many of them meet it.
    strict = Objectives(objectives=(parse_objective("ttft_p99.9=1s"),))
    few = [s.model_copy(update={"goodput": goodput(s.traces, 1, strict)}) for s in (held_by(1.0), rate(8.5, 1),
           held_by(1.0, 300), held_by(1.0, 300))]  # fmt: skip
    assert (searched(few).highest_rate_per_s, searched(few).answer, next_rate(few, 8)) == (8, None, None)


def test_requests_that_miss_in_one_row_count_as_few():
    scattered = [held_by(1.0), rate(8.5, 1), held_by(0.97, 300), held_by(0.97, 300)]
    (sure,) = searched(scattered).sure
    assert sure.like_independent > 500
    good, bad = held_by(1.0, 291).traces, held_by(0.0, 300).traces[291:]
    load = Load(arrivals="poisson", rate_per_s=8, requests=300)
    load = load.model_copy(update={"confirms": True})
    row = stage_result(load, CLIENT, [*good, *bad], began_s=0, ended_s=1, objectives=ONE_SECOND)
    (sure,) = searched([held_by(1.0), rate(8.5, 1), row, row]).sure
    assert sure.met / sure.requests == pytest.approx(0.97)
    assert sure.like_independent < 150
    assert not sure.sure


@pytest.mark.parametrize("limit_s", [0.1, 1.0, 10.0])
def test_what_comes_near_a_limit_in_one_row_counts_as_few_whatever_the_limit_is(limit_s):
    objectives = Objectives(objectives=(parse_objective(f"ttft_p95={limit_s:g}s"),))
    traces = []
    for i in range(100):
        due, first = i / 8, i / 8 + limit_s * (0.95 if i < 50 else 0.3)
        traces.append(trace(i, 0, intended_s=due, sent_s=due, ended_s=first + 0.5, arrivals_s=(first, first + 0.5)))
    load = Load(arrivals="poisson", rate_per_s=8, requests=100)
    level = stage_result(load, CLIENT, traces, began_s=0, ended_s=1, objectives=objectives)
    (sure,) = searched([level]).sure
    assert (sure.met, sure.requests) == (100, 100)
    # Six blocks of 16 or 17, three of each kind: nearly all that differs does so between blocks.
    assert 4 < sure.like_independent < 8


def served_in_turn(load, service_s, source):
    """What a level is at one server that answers each request by itself, in the order of arrival."""
    free_s, traces = 0.0, []
    if load.arrivals is None:
        for _ in range(load.requests):  # users that never pause: the server is never idle
            sent_s, free_s = max(0.0, free_s - 0.4), free_s + service_s(source)
            traces.append((sent_s, free_s))
    else:
        for sent_s, _ in arrivals(load, [single("x")]):
            free_s = max(sent_s, free_s) + service_s(source)
            traces.append((sent_s, free_s))
    return [
        trace(i, 0, intended_s=sent, sent_s=sent, ended_s=end, phase=load.phase_at(sent),
              arrivals_s=(end,), frames=(1,), lags_s=(0.0,), completion_tokens=1)
        for i, (sent, end) in enumerate(traces)
    ]  # fmt: skip


@cache
def search_a_queue(service_s, slo, seed):
    objectives = Objectives(objectives=(parse_objective(slo),))
    levels = Levels(shared={"seed": 1000 * seed}, search=True, objectives=objectives)
    source, done = random.Random(seed), []
    while (level := levels.next(done)) is not None:
        traces = served_in_turn(level.load, service_s, source)
        done.append(stage_result(level.load, CLIENT, traces, began_s=0, ended_s=1, objectives=objectives))
    return searched(done[1:])


# The highest rates that hold: of exponential service 20 - ln(20) / 1 s (the time in such a system is exponential), of
# constant service simulated with 300,000 requests.
EXPONENTIAL = (lambda source: source.expovariate(20), "ttft_p95=1s", 17.004)


CONSTANT = (lambda _: 0.05, "ttft_p95=150ms", 9.81)


@pytest.mark.parametrize(("service_s", "slo", "most"), [EXPONENTIAL, CONSTANT])
def test_of_a_queue_a_search_is_not_sure_of_what_does_not_hold(service_s, slo, most):
    found = [search_a_queue(service_s, slo, seed) for seed in range(12)]
    # Taken for independent, 5 to 8 of 12 were sure above it.
    assert sum(f.assured is not None and f.assured.rate_per_s > most for f in found) <= 1
    assert sorted(f.highest_rate_per_s for f in found)[6] > 0.8 * most
    assert sum(f.answer is True for f in found) >= 9


@pytest.mark.slow
@pytest.mark.parametrize(("service_s", "slo", "most"), [EXPONENTIAL, CONSTANT])
def test_of_what_a_search_is_sure_of_a_queue_about_one_in_twenty_does_not_hold(service_s, slo, most):
    found = [search_a_queue(service_s, slo, seed) for seed in range(100)]
    sure = [f.assured.rate_per_s for f in found if f.answer is True]
    assert len(sure) >= 80
    assert sorted(sure)[len(sure) // 2] > 0.7 * most
    assert sum(rate > most for rate in sure) <= max(
        3, 0.15 * len(sure)
    )  # at a true 5 % of 20 more come once in 60 times


def limited(at, seed=0):
    return client_limited(rate(at, 100, seed))


def test_a_level_that_the_client_limited_is_sent_again_before_the_search_ends():
    done = [rate(4, 100), limited(8)]
    for repeat in range(CLIENT_REPEATS):
        following = next_rate(done, 4)
        assert (following.rate_per_s, following.seed) == (8, 2 + repeat)
        assert following.why == "again, for the client was the limit"
        done.append(limited(8, following.seed))
    assert next_rate(done, 4) is None
    found = searched(done)
    assert (found.highest_rate_per_s, found.broke_at_rate_per_s, found.answer) == (4, None, None)
    assert found.unfinished.startswith("the client was the limit at 8 requests/s: ")
    # One that lagged once says nothing, and stands in nobody's way.
    assert next_rate([rate(4, 100), limited(8), rate(8, 100)], 4).rate_per_s == 16


def test_nothing_that_holds_is_none_and_not_zero():
    # At 1 request/s two are in flight, at 0.25 each is alone at the endpoint and takes 2 s all the same.
    done = []
    while (following := next_rate(done, 1.0)) is not None:
        done.append(rate(following.rate_per_s, 0))
    found = searched(done)
    assert [s.load.rate_per_s for s in done] == [1.0, 0.5, 0.25]
    assert (found.highest_rate_per_s, found.broke_at_rate_per_s, found.answer) == (None, 0.25, False)
    none = searched([])  # whose first closed loop was interrupted
    assert (none.unfinished, none.answer) == ("no rate was tried", None)
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


def test_a_request_beside_which_the_next_one_began_was_not_alone():
    def of_a_pair(i):
        began_s = 10.0 * (i // 2)
        sent_s, came_s = began_s + i % 2, began_s + 3
        return trace(i, 0, came_s + 1, intended_s=sent_s, sent_s=sent_s, arrivals_s=(came_s, came_s + 1))

    load = Load(arrivals="poisson", rate_per_s=1.0, requests=40)
    pairs = [of_a_pair(i) for i in range(40)]
    done = [stage_result(load, CLIENT, pairs, began_s=0, ended_s=200, objectives=ONE_SECOND)]
    assert searched(done).hopeless is None


def test_a_search_ends_where_so_few_requests_can_ask_no_more_and_does_not_know():
    done = []
    while (following := next_rate(done, 4.0)) is not None:
        done.append(rate(following.rate_per_s, 1e9, following.seed, requests=8))
    found = searched(done)
    # 8 requests at 16 a second are sent within 0.44 s, and the first token comes after 0.5.
    assert [s.load.rate_per_s for s in done] == [4, 8, 16]
    assert (found.highest_rate_per_s, found.broke_at_rate_per_s, found.answer) == (16, None, None)
    assert "all 8 requests of 16 requests/s were sent before the first token came" in found.unfinished


def test_later_turns_do_not_hide_that_all_conversations_were_begun_at_once():
    begun = rate(64.0, 1e9, requests=8)
    assert sent_per_s(begun) == pytest.approx(64)
    turns = [t.model_copy(update={"turn": 1, "intended_s": 9.0, "sent_s": 9.0, "ended_s": 9.5}) for t in begun.traces]
    talks = begun.model_copy(
        update={
            "traces": (*begun.traces, *turns),
            "load": begun.load.model_copy(update={"multi_turn": True}),
        }
    )
    assert sent_per_s(talks) == pytest.approx(64)
    assert next_rate([talks], 64.0) is None
    assert "all 8 conversations of 64 conversations/s were sent before" in searched([talks]).unfinished


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
    done = [rate(8, 100), rate(8.5, 1), *[rate(8, 100, requests=requests, confirms=True)] * 2]
    assert searched(done).answer is (True if requests == 100 else None)


def test_a_level_that_was_stopped_for_saturation_does_not_hold():
    assert searched([rate(4, 100), rate(8, 100, stopped=Stop(kind="saturated"))]).broke_at_rate_per_s == 8


def test_a_search_says_how_sure_it_is():
    # Three confirmations of 100, all within: Wilson's lower bound of 300 of 300 is 300 / (300 + t^2). Student's t for
    # 17 degrees is 2.3155 where the normal quantile is 2.128: 2.128 + 11.765 / 68 + 378.8 / 27744 + 0.0008.
    done = [rate(8, 100), rate(8.5, 1), *[rate(8, 100, confirms=True)] * 3]
    (sure,) = searched(done).sure
    assert (sure.met, sure.requests, sure.like_independent, sure.sure) == (300, 300, 300, True)
    assert sure.at_least_fraction == pytest.approx(300 / (300 + 2.3155**2), abs=2e-5)
    (unsure,) = searched([rate(8, 100, requests=20)]).sure
    assert not unsure.sure  # 20 of 20: at least 70 %, and 95 % is asked


def test_wilsons_bound_is_that_of_the_formula_worked_by_hand():
    # 81 of 263, z = 1.645: (0.30798 + 0.00514 - 1.645 * sqrt(0.21313 / 263 + 0.0000098)) / 1.01029 = 0.2633
    assert wilson_lower(81 / 263, 263) == pytest.approx(0.2633, abs=1e-4)
    assert wilson_lower(0, 0) == 0.0


def test_an_interrupted_search_says_so_and_goes_no_further():
    done = [rate(4, 100), rate(8, 100, stopped=Stop(kind="interrupted"))]
    assert next_rate(done, 1) is None
    found = searched(done)
    assert (found.highest_rate_per_s, found.broke_at_rate_per_s, found.unfinished) == (4, None, "interrupted")

"""Objectives and goodput against numbers worked out by hand."""

from __future__ import annotations

import pytest

from infercli.core.bench.goodput import Objective, Objectives, goodput, judged_s, parse_objective
from infercli.core.traces import Trace


def trace(ttft_s=0.1, tokens=3, tpot_s=0.01, wait_s=0.0, **more):
    arrivals = tuple(1 + ttft_s + i * tpot_s for i in range(tokens))
    fields = {"request": 0, "conversation": 0, "intended_s": 1 - wait_s, "sent_s": 1.0, "ended_s": 2.0, "status": 200}
    fields |= {"arrivals_s": arrivals, "frames": (1,) * tokens, "lags_s": (None,) * tokens}
    return Trace(**{**fields, **more})


def objectives(*texts, success=0.9):
    return Objectives(objectives=tuple(map(parse_objective, texts)), success_fraction=success)


@pytest.mark.parametrize(
    ("text", "latency", "fraction", "limit_s"),
    [("ttft_p95=1s", "ttft", 0.95, 1), ("tpot_p50=50ms", "tpot", 0.5, 0.05), ("e2e_p99.9=1m", "e2e", 0.999, 60)],
)
def test_an_objective_is_a_latency_a_percentile_and_a_time(text, latency, fraction, limit_s):
    found = parse_objective(text)
    assert (found.latency, found.limit_s) == (latency, limit_s)
    assert found.fraction == pytest.approx(fraction)


@pytest.mark.parametrize(
    "text", ["ttft=1s", "ttft_p95", "itl_p95=1s", "ttft_p0=1s", "ttft_p95=0s", "ttft_p95=soon", ""]
)
def test_what_is_no_objective_is_refused_in_words(text):
    with pytest.raises(ValueError, match=r"ttft|duration|time"):
        parse_objective(text)


def test_tokens_that_were_never_sent_make_no_answer_fast():
    slow = trace(tokens=3, tpot_s=0.2, completion_tokens=503, hidden_tokens=500)
    at_once = trace(tokens=1, ttft_s=0.9, completion_tokens=503, hidden_tokens=500)
    one = trace(tokens=1, completion_tokens=501, hidden_tokens=500)
    objective = parse_objective("tpot_p95=50ms")
    assert judged_s(slow, objective) == pytest.approx(0.2)
    assert judged_s(at_once, objective) == pytest.approx(0.9 / 2)
    assert judged_s(one, objective) == 0.0


@pytest.mark.parametrize("text", ["tpot_p95=50", "ttft_p95=1.5", " tpot_p95 = 50 "])
def test_a_time_without_a_unit_is_refused(text):
    with pytest.raises(ValueError, match=r"has no unit: write \w+_p95=[\d.]+s or \w+_p95=[\d.]+ms|is not an objective"):
        parse_objective(text)


def test_nineteen_of_twenty_within_the_limit_hold_a_p95_and_eighteen_do_not():
    slow, fast = trace(ttft_s=2), trace(ttft_s=0.5)
    assert goodput([slow] + [fast] * 19, 10, objectives("ttft_p95=1s")).holds
    assert not goodput([slow] * 2 + [fast] * 18, 10, objectives("ttft_p95=1s")).holds


def test_a_failure_is_a_miss_of_every_objective_and_of_success():
    failed = trace(error="timeout")
    found = goodput([failed] + [trace()] * 9, 2, objectives("ttft_p95=1s", "tpot_p50=1s"))
    assert [(a.met, a.requests, a.holds) for a in found.attained] == [(9, 10, False), (9, 10, True)]
    assert (found.success_holds, found.good, found.good_requests_per_s, found.holds) == (True, 9, 4.5, False)
    found = goodput([failed] + [trace()] * 9, 2, objectives("tpot_p50=1s", success=0.95))
    assert (found.attained[0].holds, found.success_holds, found.holds) == (True, False, False)


def test_a_request_that_takes_as_long_as_it_may_meets_its_objective():
    assert goodput([trace(ttft_s=0.5)], 1, objectives("ttft_p50=500ms")).holds


def test_ttft_counts_from_when_the_request_was_due_and_tpot_does_not():
    waited = trace(ttft_s=0.5, wait_s=0.6)
    assert not goodput([waited], 1, objectives("ttft_p50=1s")).holds
    assert not goodput([waited], 1, objectives("e2e_p50=1s")).holds
    assert goodput([waited], 1, objectives("tpot_p50=11ms")).holds


def test_goodput_counts_requests_that_meet_all_objectives_at_once():
    traces = [trace(ttft_s=2), trace(tpot_s=0.5), trace(), trace()]
    found = goodput(traces, 4, objectives("ttft_p50=1s", "tpot_p50=100ms"))
    assert [a.met for a in found.attained] == [3, 3]
    assert (found.good, found.good_requests_per_s) == (2, 0.5)


def test_warm_up_and_cut_requests_are_not_judged_and_nothing_holds_without_a_request():
    found = goodput([trace(phase="warmup"), trace(cut=True)], None, objectives("ttft_p50=1s"))
    assert [(a.met, a.requests, a.holds) for a in found.attained] == [(0, 0, False)]
    assert (found.holds, found.success_holds, found.good_requests_per_s) == (False, False, None)


def test_an_answer_of_one_token_has_no_tpot_and_misses_none():
    objective = Objective(latency="tpot", fraction=0.5, limit_s=0.001)
    assert goodput([trace(tokens=1)], 1, Objectives(objectives=(objective,))).holds


def test_an_empty_answer_meets_no_tpot():
    empty = trace(tokens=0, arrivals_s=(), frames=(), lags_s=())
    assert not goodput([empty], 1, objectives("tpot_p50=1s")).attained[0].met


@pytest.mark.parametrize(("arrival_s", "holds"), [(0.2, True), (0.21, False), (60.0, False)])
def test_tokens_that_came_in_one_read_meet_only_a_tpot_that_they_cannot_have_exceeded(arrival_s, holds):
    one_read = trace(tokens=1, ttft_s=arrival_s, completion_tokens=11)
    assert goodput([one_read], 1, objectives("tpot_p50=20.0001ms")).holds is holds

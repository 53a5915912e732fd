"""Metrics against numbers worked out by hand beside each assertion."""

from __future__ import annotations

from statistics import mean, quantiles

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infercli.core.bench.metrics import DEFINITIONS, distribution, gaps_s, measure, quantile, tpot_s, ttft_s
from infercli.core.traces import Load
from tests.core.results import trace


def test_an_empty_sample_has_no_distribution_and_no_rates():
    assert distribution([]) is None
    m = measure([])
    assert (m.ttft_s, m.itl_s, m.success_fraction, m.requests_per_s, m.output_tokens_per_s) == (None,) * 5
    assert (m.input_tokens, m.duration_s, m.multi_token_read_fraction, m.client_lag_s) == (None,) * 4


def test_quantiles_are_linear_between_ranks():
    # ranks 0..4 of 10, 20, 30, 40, 50; q=0.9 is rank 3.6: 40 + 0.6 * 10
    assert quantile([10, 20, 30, 40, 50], 0.5) == 30
    assert quantile([10, 20, 30, 40, 50], 0.9) == pytest.approx(46)
    assert quantile([7], 0.99) == 7


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=60))
def test_quantiles_are_those_of_the_standard_library(values):
    oracle = quantiles(values, n=100, method="inclusive")
    d = distribution(values)
    assert d is not None
    assert [d.p50, d.p90, d.p95, d.p99] == pytest.approx([oracle[i - 1] for i in (50, 90, 95, 99)])
    assert d.mean == pytest.approx(mean(values))


def test_ttft_runs_from_the_sending_to_the_first_token_and_not_to_the_first_byte():
    assert ttft_s(trace(1.0, (1.25, 1.5), first_byte_s=1.01)) == pytest.approx(0.25)


def test_tpot_leaves_the_first_token_out():
    # 5 tokens from 1.0 to 3.0: four gaps of 0.5
    assert tpot_s(trace(0.0, (1.0, 1.5, 2.0, 2.5, 3.0))) == pytest.approx(0.5)


def test_tpot_counts_tokens_by_usage_where_frames_carry_several():
    # 3 frames, 9 tokens by usage, 2 s between the first and the last arrival: 2 / 8
    assert tpot_s(trace(0.0, (1.0, 2.0, 3.0), tokens=9)) == pytest.approx(0.25)


def test_tokens_that_were_never_sent_are_in_the_rate_and_not_in_tpot():
    # 3 tokens in 2 s, and 500 before them that nobody saw: 2 / 2, not 2 / 502
    hidden = trace(0.0, (1.0, 2.0, 3.0), tokens=503, hidden_tokens=500)
    assert tpot_s(hidden) == pytest.approx(1.0)
    m = measure([hidden])
    assert (m.output_tokens, m.token_check.equal, m.token_check.fewer_frames) == (503, 1, 0)
    assert m.known_gap_fraction == 1.0
    assert tpot_s(trace(0.0, (1.0,), tokens=501, hidden_tokens=500)) is None
    with pytest.raises(ValueError, match="hidden_tokens"):
        trace(0.0, (1.0,), tokens=3, hidden_tokens=4)


def test_tokens_that_came_in_one_read_have_no_time_between_them():
    t = trace(0.0, (1.0,), frames=(4,), tokens=4)
    assert gaps_s(t) == []
    assert tpot_s(t) is None
    m = measure([t])
    assert m.itl_s is None
    assert m.tpot_s is None
    assert m.ttft_s is not None
    assert m.known_gap_fraction == 0.0
    assert m.multi_token_read_fraction == 1.0


def test_the_gap_before_a_read_of_several_tokens_is_one_gap_and_not_followed_by_zeros():
    # arrivals of 1, 1 and 3 tokens: gaps 0.1 and 0.3; two of four gaps lay inside the last read
    m = measure([trace(0.0, (1.0, 1.1, 1.4), frames=(1, 1, 3), tokens=5)])
    assert m.itl_s is not None
    assert (m.itl_s.count, m.itl_s.max) == (2, pytest.approx(0.3))
    assert m.itl_s.mean == pytest.approx(0.2)
    assert m.known_gap_fraction == pytest.approx(0.5)
    assert m.multi_token_read_fraction == pytest.approx(3 / 5)


def test_rates_are_over_the_time_from_the_first_sending_to_the_last_end_with_failures_inside_it():
    traces = [
        trace(1.0, (1.5, 2.0), tokens=2, prompt_tokens=7),
        trace(1.0, (1.5, 3.0), tokens=4, prompt_tokens=5),
        trace(2.0, status=429, error="http", ended_s=5.0),
    ]
    m = measure(traces)
    assert m.duration_s == pytest.approx(4.0)  # 1.0 to 5.0
    assert m.requests_per_s == pytest.approx(0.5)  # 2 answered / 4 s
    assert m.output_tokens_per_s == pytest.approx(1.5)  # 6 / 4 s
    assert m.success_fraction == pytest.approx(2 / 3)
    assert m.input_tokens == 12
    assert m.errors == {"http 429": 1}


def test_a_server_that_dies_is_not_as_fast_as_before_and_the_definition_says_why():
    # 3 answers in 3 s, and then 5 s in which connections fail: 3 / 8 s
    m = measure([trace(float(i), (i + 1.0,)) for i in range(3)] + [trace(3.0, error="connect", ended_s=8.0)])
    assert m.requests_per_s == pytest.approx(3 / 8)
    assert "failed ones too" in DEFINITIONS["output tokens/s"]


def test_the_definitions_say_where_others_mean_another_thing_by_the_same_word():
    # sent at 0, tokens at 2, 3 and 4 s: (4 - 2) / 2 here, 4 / 3 in guidellm
    assert tpot_s(trace(0.0, (2.0, 3.0, 4.0), tokens=3)) == 1.0
    assert "guidellm's own TPOT counts the TTFT in" in DEFINITIONS["TPOT"]
    assert "AIPerf calls it inter-chunk latency" in DEFINITIONS["ITL"]


def test_warm_up_and_cut_requests_are_in_no_metric():
    traces = [
        trace(0.0, (9.0, 19.0), tokens=2, phase="warmup"),
        trace(30.0, (39.0, 49.0), tokens=2, phase="cooldown"),
        trace(20.0, (20.5, 21.0), tokens=2),
        trace(20.0, (20.9,), cut=True),
    ]
    m = measure(traces)
    assert (m.requests, m.answered, m.failed, m.cut) == (1, 1, 0, 1)
    assert m.success_fraction == 1.0
    assert m.ttft_s is not None
    assert m.ttft_s.max == pytest.approx(0.5)
    assert m.output_tokens == 2


def test_what_waits_when_a_load_is_ended_was_in_flight():
    # One answer a second of two requests a second, 6 s long: the k-th second's second one waits until all is cut.
    answered = [trace(float(i), (i + 1.0,)) for i in range(6)]
    waiting = [trace(float(i), ended_s=9.0, cut=True) for i in range(6)]
    m = measure([*answered, *waiting])
    assert m.duration_s == pytest.approx(6.0)  # to the last answer
    assert m.in_flight == pytest.approx(1 + (6 + 5 + 4 + 3 + 2 + 1) / 6)
    assert m.requests_per_s == pytest.approx(1.0)


def steady(seconds, warmup_s, cooldown_s):
    """Ten requests a second that take 2 s and bring a token after 1 s and one at their end: 20 are in flight."""
    for i in range(seconds * 10):
        sent = i / 10
        phase = "warmup" if sent < warmup_s else "measured" if sent < seconds - cooldown_s else "cooldown"
        yield trace(sent, (sent + 1.0, sent + 2.0), tokens=2, phase=phase)


def test_a_cool_down_ends_the_measured_time_while_the_load_goes_on():
    m = measure([*steady(12, 4, 4)])
    assert (m.answered, m.duration_s) == (40, pytest.approx(4.0))
    rates = (m.requests_per_s, m.output_tokens_per_s, m.in_flight)
    assert rates == (pytest.approx(10), pytest.approx(20), pytest.approx(20))
    assert "cool-down" in DEFINITIONS["output tokens/s"]
    # Without one the emptying is in it: 80 requests in 8 s of sending and 2 s of waiting, and none of the warm-up's.
    tail = measure([*steady(12, 4, 0)])
    assert (tail.duration_s, tail.requests_per_s, tail.in_flight) == (
        pytest.approx(9.9), pytest.approx(80 / 9.9), pytest.approx(160 / 9.9)
    )  # fmt: skip


def test_what_an_overloaded_engine_brings_in_the_measured_time_is_its_rate_whoever_sent_it():
    # 25 a second are sent to an engine that serves one at a time, 0.05 s each: it makes 20 answers a second.
    phases = ["warmup"] * 100 + ["measured"] * 100 + ["cooldown"] * 100
    made = [trace(i / 25, (i / 20 + 0.02, i / 20 + 0.05), tokens=2, phase=p) for i, p in enumerate(phases)]
    m = measure(made)
    assert (m.duration_s, m.requests_per_s) == (pytest.approx(4.0), pytest.approx(20, rel=0.02))
    assert m.output_tokens_per_s == pytest.approx(40, rel=0.02)
    # Due less done: 100 and 80 when it begins, 200 and 160 when it ends.
    assert m.in_flight == pytest.approx(30, abs=1)


def test_failures_do_not_lend_their_times_to_the_latencies():
    m = measure([trace(0.0, (0.1,), error="truncated"), trace(0.0, (0.5, 0.6))])
    assert m.ttft_s is not None
    assert (m.ttft_s.count, m.ttft_s.p50) == (1, 0.5)


def test_frames_are_checked_against_usage_request_by_request():
    traces = [
        trace(0.0, (1.0, 2.0), tokens=2),
        trace(0.0, (1.0, 2.0), tokens=6),
        trace(0.0, (1.0, 2.0), tokens=1),
        trace(0.0, (1.0, 2.0), tokens=None),
    ]
    check = measure(traces).token_check
    assert (check.with_usage, check.equal, check.fewer_frames, check.more_frames) == (3, 1, 1, 1)
    assert measure(traces).output_tokens == 2 + 6 + 1 + 2


def test_input_tokens_are_unknown_when_one_answer_did_not_say():
    assert measure([trace(0, (1,), prompt_tokens=3), trace(0, (1,))]).input_tokens is None


def test_a_request_that_never_connected_has_no_ttft_but_counts_as_failed():
    m = measure([trace(0.0, sent_s=None, error="connect", ended_s=0.1)])
    assert (m.requests, m.failed, m.success_fraction, m.duration_s) == (1, 1, 0.0, None)


def test_an_answer_of_which_one_token_was_sent_has_no_tpot():
    # Five tokens by `usage`, four of them never sent, and a frame more than there should be.
    hidden = trace(0.0, (1.0, 2.0), completion_tokens=5, hidden_tokens=4)
    assert measure([hidden]).tpot_s is None


@pytest.mark.parametrize("away", [(2, 0.01), (-1, 0.01), (0, -0.01), (0, 1e18)])
def test_an_absence_is_of_an_arrival_that_there_is_and_of_a_time_that_can_be(away):
    with pytest.raises(ValueError, match="away_s"):
        trace(0.0, (1.0, 2.0), away_s=(away,))


def test_lag_is_known_only_where_the_kernel_gave_a_time():
    m = measure([trace(0.0, (1.0, 2.0), lags_s=(0.002, None))])
    assert m.client_lag_s is not None
    assert (m.client_lag_s.count, m.client_lag_s.max) == (1, 0.002)


def test_a_run_of_no_time_has_no_rates():
    m = measure([trace(0.0, (2e-313,))])
    assert (m.answered, m.duration_s, m.requests_per_s, m.output_tokens_per_s, m.in_flight) == (1, 0, None, None, None)


@given(st.lists(st.lists(st.floats(0, 10), min_size=1, max_size=8), min_size=1, max_size=8))
def test_metrics_do_not_depend_on_the_order_of_the_traces(runs):
    traces = [trace(0.0, tuple(sorted(run)), request=i) for i, run in enumerate(runs)]
    assert measure(traces) == measure(traces[::-1])


def test_a_load_ends_by_a_number_or_by_time_and_not_by_both_or_neither():
    with pytest.raises(ValueError, match="either requests or duration_s"):
        Load(concurrency=1)
    with pytest.raises(ValueError, match="both say when to end"):
        Load(concurrency=1, requests=1, duration_s=1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"requests": 1}, "needs a concurrency"),
        ({"requests": 1, "arrivals": "poisson"}, "rate_per_s belongs"),
        ({"requests": 1, "concurrency": 1, "rate_per_s": 2}, "rate_per_s belongs"),
        ({"requests": 1, "arrivals": "gamma", "rate_per_s": 2}, "burstiness belongs"),
        ({"requests": 1, "arrivals": "poisson", "rate_per_s": 2, "ramp_to_per_s": 3}, "a ramp needs"),
        ({"arrivals": "trace", "warmup_requests": 2}, "a trace takes warmup_s"),
        ({"duration_s": 4, "concurrency": 1, "warmup_s": 2, "cooldown_s": 2}, "leave nothing to measure"),
        ({"requests": 4, "concurrency": 1, "cooldown_s": 2}, "cooldown_s needs duration_s"),
        ({"duration_s": 4, "concurrency": 1, "cooldown_requests": 2}, "cooldown_requests needs requests"),
        ({"requests": 4, "concurrency": 1, "cooldown_requests": 4}, "cooldown_requests leaves nothing"),
    ],
)
def test_a_load_that_contradicts_itself_is_refused(fields, words):
    with pytest.raises(ValueError, match=words):
        Load(**fields)


def test_phases_are_told_by_when_a_request_was_due():
    load = Load(concurrency=1, duration_s=10, warmup_s=2, cooldown_s=3)
    assert [load.phase_at(t) for t in (0, 1.99, 2, 6.99, 7, 12)] == [
        "warmup", "warmup", "measured", "measured", "cooldown", "cooldown"
    ]  # fmt: skip


def test_latency_from_when_a_request_was_due_has_its_wait_in_it():
    # Due at 1, sent at 3, first token at 3.5, last at 4: 0.5 s and 1 s from its sending, 2.5 s and 3 s from its due.
    m = measure([trace(3.0, (3.5, 4.0), intended_s=1.0, late_s=0.25)])
    assert (m.ttft_s.p50, m.ttft_due_s.p50, m.e2e_s.p50, m.e2e_due_s.p50) == (0.5, 2.5, 1.0, 3.0)
    assert m.send_lag_s.p50 == 0.25


def test_requests_in_flight_are_averaged_over_the_measured_time():
    # From 0 to 4 s two requests of 4 s and 1 s: 5 / 4.
    assert measure([trace(0.0, (4.0,)), trace(0.0, (1.0,))]).in_flight == pytest.approx(1.25)


def test_a_failed_request_is_in_flight_too_and_may_be_the_first():
    # Sent at 0 and given up at 3, beside one of a second: 3 + 1 in 3 s.
    m = measure([trace(0.0, error="timeout", ended_s=3.0), trace(1.0, (2.0,))])
    assert (m.duration_s, m.in_flight) == (3.0, pytest.approx(4 / 3))


def test_an_answer_ends_with_its_last_token_and_not_with_what_the_server_says_after_it():
    assert measure([trace(0.0, (1.0, 2.0), ended_s=2.5)]).e2e_s.p50 == 2.0


def test_an_embedding_ends_with_its_last_byte():
    m = measure([trace(1.0, (), ended_s=1.5, prompt_tokens=7)])
    assert (m.ttft_s, m.e2e_s.p50, m.input_tokens, m.output_tokens) == (None, 0.5, 7, 0)

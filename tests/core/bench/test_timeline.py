"""Bins, histograms and prices against numbers worked out by hand."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infercli.core.bench.histogram import log_histogram
from infercli.core.bench.metrics import token_arrivals
from infercli.core.bench.predictions import GpuPrice, Prediction
from infercli.core.bench.timeline import most_in_flight, round_width, timeline
from tests.core import results
from tests.core.results import stage, trace


@pytest.mark.parametrize(
    ("span", "most", "width"),
    [(10, 10, 1.0), (10, 9, 2.0), (10, 4, 5.0), (10, 1, 10.0), (0.3, 30, 0.01), (3600, 60, 100.0), (0, 60, 1.0)],
)
def test_widths_are_one_two_or_five_times_a_power_of_ten(span, most, width):
    assert round_width(span, most) == pytest.approx(width)


def test_latencies_stand_at_the_time_of_sending_and_tokens_at_their_arrival():
    # Two requests: sent at 0.5 with tokens at 1.5 and 2.5; sent at 1.0 with tokens at 1.25 and 3.0.
    t = timeline([stage([trace(0.5, (1.5, 2.5)), trace(1.0, (1.25, 3.0))])], 3)
    assert (t.start_s, t.width_s, t.bins) == (0.0, 1.0, 3)
    assert t.sent == (1, 1, 0)
    assert t.ttft_p50_s == (1.0, 0.25, None)
    assert t.tpot_p50_s == (1.0, 1.75, None)
    assert t.output_tokens_per_s == (0.0, 2.0, 2.0)  # 1.25 and 1.5; 2.5 and 3.0, the end of the last bin
    # The first flies from 0.5 to 2.5, the second from 1.0 to 3.0.
    assert t.in_flight == pytest.approx((0.5, 2.0, 1.5))
    assert t.middles_s == (0.5, 1.5, 2.5)


def test_stages_stand_one_after_another_on_the_clock_of_the_run():
    one = stage([trace(0.0, (0.5, 1.0))])
    later = stage([trace(0.0, (0.5, 1.0))], began_s=3.0)
    t = timeline([one, later], 4)
    assert t.output_tokens_per_s == (1.0, 1.0, 0.0, 2.0)
    assert t.sent == (1, 0, 0, 1)


def test_failures_and_cut_requests_are_seen_and_lend_no_latency():
    t = timeline([stage([trace(0.0, (0.5,), error="truncated"), trace(0.0, sent_s=None, error="connect", ended_s=0.1),
                         trace(0.0, (0.5,), cut=True, ended_s=1.0)])], 1)  # fmt: skip
    assert t.failed == (2,)
    assert t.sent == (2,)
    assert t.output_tokens_per_s == (2.0,)
    assert t.ttft_p50_s == (None,)


def test_frames_of_several_tokens_carry_their_share():
    assert token_arrivals(trace(0.0, (1.0, 2.0), frames=(1, 2), tokens=9)) == [(1.0, 3.0), (2.0, 6.0)]
    # What failed says nothing of its tokens: its frames are counted.
    assert token_arrivals(trace(0.0, (1.0,), tokens=9, error="truncated")) == [(1.0, 1.0)]


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0.01, 20), st.integers(1, 9)), min_size=1, max_size=20))
def test_no_token_and_no_second_in_flight_is_lost_between_bins(requests):
    traces = [trace(sent, [sent + length * (i + 1) / n for i in range(n)]) for sent, length, n in requests]
    t = timeline([stage(traces)], 7)
    assert sum(t.output_tokens_per_s) * t.width_s == pytest.approx(sum(n for _, _, n in requests))
    assert sum(t.in_flight) * t.width_s == pytest.approx(sum(x.ended_s - x.sent_s for x in traces))
    assert sum(t.sent) == len(requests)


def test_the_highest_number_in_flight_counts_no_two_that_only_touch():
    assert most_in_flight([trace(0, (1,)), trace(1, (2,))]) == 1
    assert most_in_flight([trace(0, (2,)), trace(1, (3,)), trace(1.5, (1.75,))]) == 3
    assert most_in_flight([]) == 0


def test_a_histogram_grows_by_a_constant_factor():
    found = log_histogram([0.001, 0.002, 0.003, 0.02, 0.0], 2)
    assert found is not None
    # One bin a decade: [0.001, 0.01) and [0.01, 0.1)
    assert found.edges == pytest.approx((0.001, 0.01, 0.1))
    assert found.counts == (3, 1)
    assert found.zeros == 1


def test_a_value_on_an_edge_is_in_the_bin_that_begins_there():
    for place in range(-60, 60):  # whatever the logarithm of an edge comes out as
        edge = 10.0 ** (place / 20)
        found = log_histogram([edge, edge * 10**0.99], 20)
        assert (found.edges[0], found.counts[0]) == (edge, 1)


def test_a_histogram_of_nothing_above_zero_is_none():
    assert log_histogram([], 10) is None
    assert log_histogram([0.0], 10) is None


@given(st.lists(st.floats(1e-6, 1e5), min_size=1, max_size=50), st.integers(1, 60))
def test_every_value_is_in_the_bin_that_its_edges_say(values, most):
    found = log_histogram(values, most)
    assert found is not None
    assert sum(found.counts) == len(values)
    for low, high, count in zip(found.edges, found.edges[1:], found.counts, strict=False):
        assert count == sum(low <= v < high for v in values)


def test_a_million_tokens_cost_what_the_hours_for_them_cost():
    price = GpuPrice(
        gpus=2,
        low_usd_per_h=3.6,
        median_usd_per_h=7.2,
        high_usd_per_h=14.4,
        quotes=3,
        as_of=date(2026, 11, 1),
        source="x",
    )
    # 1,000 tokens/s: a million in 1,000 s, which is 0.2778 h.
    each = price.usd_per_million(1000.0)
    assert each is not None
    assert (each.low, each.value, each.high) == pytest.approx((1.0, 2.0, 4.0))
    assert price.usd_per_million(None) is None
    assert price.usd_per_million(0.0) is None


def test_a_prediction_names_a_stage_that_there_is_and_each_once():
    assert results.run(4, 2).prediction(0) is None
    said = Prediction(stage=0, source="plan chat")
    assert results.run(4, 2).model_copy(update={"predicted": (said,)}).prediction(0) == said
    for bad in [(said, said), (Prediction(stage=1, source="plan chat"),)]:
        with pytest.raises(ValueError, match="predicted must name stages"):
            results.result(*results.run(4, 2).stages, predicted=bad)

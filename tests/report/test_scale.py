from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infercli.report.scale import exact, linear, logarithmic, seconds, tick
from infercli.report.sparkline import sparkline


def test_a_linear_axis_ends_at_a_round_number():
    scale = linear(37, 100, 0, ticks=4)
    assert scale.ticks == (0, 10, 20, 30, 40)
    assert (scale(0), scale(40), scale(20)) == (100, 0, 50)


def test_a_clock_ends_where_the_run_ends():
    scale = exact(0, 37, 0, 74, ticks=4)
    assert scale.high == 37
    assert scale.ticks == (0, 10, 20, 30)
    assert scale(37) == 74


def test_decades_are_equally_long_on_a_logarithmic_axis():
    scale = logarithmic(1, 1000, 0, 90)
    assert [scale(v) for v in (1, 10, 100, 1000)] == pytest.approx([0, 30, 60, 90])


@given(st.floats(1e-6, 1e6), st.floats(1.001, 1e6))
def test_every_axis_has_something_to_read_its_values_by(low, ratio):
    for scale in (logarithmic(low, low * ratio, 0, 100), linear(low * ratio, 0, 100)):
        assert 2 <= len(scale.ticks) <= 9
        assert all(scale.low * (1 - 1e-9) <= t <= scale.high * (1 + 1e-9) for t in scale.ticks)


def test_a_value_beyond_the_axis_is_drawn_at_its_end():
    assert linear(10, 0, 100)(25) == 100
    assert logarithmic(1, 10, 0, 100)(0) == 0


def test_an_axis_of_one_value_does_not_divide_by_zero():
    for scale in (linear(0, 0, 100), exact(5, 5, 0, 100), logarithmic(3, 3, 0, 100)):
        assert 0 <= scale(scale.low) <= 100


def test_ticks_are_told_apart():
    assert [tick(v, (0, 0.5, 1)) for v in (0, 0.5, 1)] == ["0.0", "0.5", "1.0"]
    assert [tick(v, (0.01, 0.02)) for v in (0.01, 0.02)] == ["0.01", "0.02"]
    assert [tick(v, (1000, 2000)) for v in (1000, 2000)] == ["1,000", "2,000"]


def test_times_up_to_ten_seconds_are_read_in_milliseconds():
    assert seconds(9.9) == (1000.0, "ms")
    assert seconds(10) == (1.0, "s")


def test_a_sparkline_counts_its_heights_from_zero():
    assert sparkline([0, 50, 100, None, 100]) == "▁▅█ █"
    assert sparkline([99, 100, 98]) == "███"
    assert sparkline([0, 0]) == "▁▁"
    assert sparkline([None]) == " "
    assert sparkline([0, 50, 100], plain=True) == ".+@"

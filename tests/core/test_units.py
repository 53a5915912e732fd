"""Numbers and counts as people read them."""

from __future__ import annotations

import pytest

from infercli.core.units import counted, number, rounded


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1.0, "1"), (1234.5, "1,234"), (123.4, "123"), (77.1, "77.1"), (12.34, "12.3"), (0.125, "0.125"),
        (0.004119, "0.00412"), (1e-9, "0.000000001"), (5.3e13, "53,000,000,000,000"), (-12.34, "-12.3"),
    ],
)  # fmt: skip
def test_a_number_has_the_digits_that_are_read_and_no_exponent(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.0, 1, "0.0"), (0.0126, 1, "0.013"), (0.51, 1, "0.5"), (12.34, 1, "12.3"), (1234.5, 0, "1,234"),
     (0.42, 0, "0.42"), (1.7, 0, "2"), (0.05, 2, "0.05"), (0.0046, 2, "0.0046")],
)  # fmt: skip
def test_a_small_rate_is_not_rounded_to_nothing(value, digits, text):
    assert rounded(value, digits) == text


def test_more_digits_tell_two_numbers_apart():
    assert number(0.99612, 4) == "0.9961"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 GPUs"), (1, "1 GPU"), (1.0, "1 GPU"), (1.5, "1.5 GPUs"), (1_234_567, "1,234,567 GPUs")]
)
def test_one_of_a_thing_takes_no_s(count, text):
    assert counted(count, "GPU") == text


def test_a_plural_of_its_own():
    assert [counted(n, "answer was", plural="answers were") for n in (1, 2)] == ["1 answer was", "2 answers were"]

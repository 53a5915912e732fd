"""What is reached of a requirement, in words."""

from __future__ import annotations

import pytest

from infercli.core.choice.measures import Measure


@pytest.mark.parametrize(
    ("value", "allowed", "words"),
    [
        (0.9962, 1.0, "carries 0.996 of 1 request/s"),
        (0.99996, 1.0, "carries 0.99996 of 1 request/s"),
        (2437.0, 1000.0, "carries 2,437 requests/s, and 1,000 are asked"),
        (1.5, 1.0, "carries 1.5 requests/s, and 1 is asked"),
        (40.7, 50_000.0, "carries 40.7 of 50,000 requests/s"),
        (128.0, 900.0, "runs 128 of 900 requests at once"),
        (1024.0, 900.0, "runs 1,024 requests at once, and 900 are asked"),
    ],
)
def test_a_load_that_is_not_carried_differs_from_the_asked_one_in_print(value, allowed, words):
    of = words.split()[0]
    measure = Measure(of=of, value=value, worst=value, allowed=allowed, share=allowed / value, worst_share=2.0)
    assert measure.words == measure.worst_words == words


@pytest.mark.parametrize(
    ("value_s", "limit_s", "words"),
    [
        (0.0502, 0.05, "TPOT p95 at least 50.2 ms, 0.4% over 50 ms"),
        (0.05001, 0.05, "TPOT p95 at least 50.01 ms, 0.02% over 50 ms"),
        (0.04998, 0.05, "TPOT p95 at least 49.98 ms, 0.04% under 50 ms"),
        (0.0736, 0.05, "TPOT p95 at least 73.6 ms, 47% over 50 ms"),
        (1780.0, 1.0, "TPOT p95 at least 1,780 s, 1,780 times 1 s"),
    ],
)
def test_a_limit_that_is_missed_by_little_is_not_missed_by_nothing(value_s, limit_s, words):
    share = value_s / limit_s
    measure = Measure(
        of="TPOT p95", value=value_s, worst=value_s, allowed=limit_s, share=share, worst_share=share, least="at least "
    )
    assert measure.words == words
    assert measure.worst_words == words.replace("at least ", "").replace(" ms,", " ms or more,").replace(
        " s,", " s or more,"
    )

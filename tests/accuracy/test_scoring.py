"""Errors in percent and the JSON answer, computed by hand."""

from __future__ import annotations

from benchmarks.accuracy.report import names, summary, table
from benchmarks.accuracy.scoring import Compared, Scores, stats, to_json


def compared(name, family, **pairs):
    return Compared(name, (family, "gpu H100"), pairs, within_80=name != "d")


SCORES = Scores(
    rows=6,
    compared=[
        compared("a", "dense", weights=(101, 100), kv_cache=(49, 50)),
        compared("b", "dense", weights=(98, 100)),
        compared("c", "moe", weights=(103, 100)),
        compared("d", "moe", weights=(90, 100), kv_cache=(1, -1)),
    ],
    refused=[("e", "unknown GPU"), ("f", "no config")],
    wrong_verdicts=[("d", "it started")],
    judged=4,
)


def test_the_statistics_of_absolute_errors():
    # 1, 2, 3 and 10 %: mean 4, median (2 + 3) / 2, p90 by nearest rank ceil(0.9 x 4) = the 4th
    assert stats(SCORES.errors("weights")) == {
        "mean_abs_pct": 4.0, "median_abs_pct": 2.5, "p90_abs_pct": 10.0, "worst_abs_pct": 10.0, "worst_id": "d", "n": 4,
    }  # fmt: skip
    assert stats([]) is None


def test_the_json_has_terms_groups_shares_and_every_refusal():
    answer = to_json(SCORES)
    assert answer["terms"]["weights"]["n"] == 4
    assert answer["groups"]["moe"]["weights"]["mean_abs_pct"] == 6.5
    assert answer["groups"]["gpu H100"]["kv_cache"]["n"] == 1
    assert answer["wrong_verdicts"] == 1
    assert answer["answered"] == 0.6667  # 4 of 6: a refused record is not answered
    assert answer["coverage_80"] == 0.75
    assert answer["refused"] == [{"id": "e", "reason": "unknown GPU"}, {"id": "f", "reason": "no config"}]
    assert answer["without_percentage"] == [{"id": "d", "term": "kv_cache"}]


def test_latencies_are_counted_within_their_own_intervals():
    scores = Scores(
        compared=[
            Compared("a", (), {}, latencies_within_80={"ttft": True, "tpot": True}),
            Compared("b", (), {}, latencies_within_80={"ttft": False}),
            Compared("c", (), {}),
        ]
    )
    assert to_json(scores)["latency_coverage_80"] == {"ttft": 0.5, "tpot": 1.0}
    assert "80 % interval of ttft covers: 50.0 % of 2" in summary(scores)


def test_a_left_out_class_is_scored_with_the_others_factor():
    rows = [
        Compared("a", ("dense",), {"graphs": (1.0, 2.0)}, architecture="A"),
        Compared("b", ("dense",), {"graphs": (1.0, 2.0)}, architecture="A"),
        Compared("c", ("dense",), {"graphs": (1.0, 1.0)}, architecture="B"),
        Compared("d", ("dense",), {"graphs": (1.0, 0.0)}, architecture="B"),
    ]
    # Without A the factor is 1, which leaves 50 %; without B it is 2, which makes c twice what was printed.
    assert Scores(rows=4, compared=rows).left_out("graphs") == [(50.0, "a"), (50.0, "b"), (100.0, "c")]
    assert Scores(rows=2, compared=rows[:2]).left_out("graphs") == []


def test_the_text_names_the_worst_the_refused_and_the_wrong():
    text = "\n".join([*summary(SCORES), *table(SCORES, "ALL", [None]), *names(SCORES, ("weights",))])
    assert "answered: 4 of 6 (66.7 %)" in text
    assert "75.0 % of 4" in text
    for name in ("unknown GPU", "it started", "no config"):
        assert name in text


def test_records_of_one_name_are_told_apart():
    rows = [compared("a", "dense", weights=(50, 100)), compared("a", "moe", tpot=(1, 1))]
    (line,) = [line for line in names(Scores(rows=2, compared=rows), ("weights",)) if "-50.0 %" in line]
    assert "dense" in line

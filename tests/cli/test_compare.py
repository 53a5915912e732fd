"""infercli compare, as it is typed."""

from __future__ import annotations

import json

import pytest

from infercli.cli.compare import text as comparison_text
from infercli.core.bench.comparison import BenchComparison, MetricDifference, compare
from infercli.core.bench.result import BenchTarget
from infercli.core.traces import Load
from infercli.errors import ExitCode
from infercli.report.naming import reasons
from tests.core.results import OBJECTIVES, result, run, served, stage, sweep


def test_compare_says_how_much_and_how_surely(infercli, saved):
    ran = infercli("compare", saved(run(250, 8, 1), "a.json"), saved(run(250, 8, 2, slower=1.3), "b.json"))
    assert ran.code == ExitCode.YES
    lines = {line.split("  ")[0]: line for line in ran.out.splitlines()}
    assert lines["TPOT p50, ms"].endswith(" worse")
    assert lines["output tokens/s"].endswith(" worse")
    assert lines["TTFT p99, ms"].endswith(" too few")
    assert "cannot be told: too few: 250 values, and p99 takes 1,000" in ran.out
    assert "2,000 times" in ran.out
    answer = json.loads(infercli("compare", "a.json", "b.json", "-o", "json").out)
    assert answer["kind"] == "BenchComparison"
    (tpot,) = [d for d in answer["runs"][0]["stages"][0]["differences"] if d["metric"] == "tpot_p50_s"]
    assert 0 < tpot["low"] < tpot["b"] - tpot["a"] < tpot["high"]


def test_compare_is_the_same_every_time_and_a_run_beside_itself_shows_nothing(infercli, saved):
    saved(run(100, 8, 1), "a.json")
    first = infercli("compare", "a.json", "a.json", "-o", "json")
    assert first.out == infercli("compare", "a.json", "a.json", "-o", "json").out
    assert {d["verdict"] for d in json.loads(first.out)["runs"][0]["stages"][0]["differences"]} == {
        "none shown",
        "too few",
    }
    assert "no difference can be shown" in infercli("compare", "a.json", "a.json").out


def test_compare_refuses_other_workloads_with_every_reason_and_forced_says_them(infercli, saved):
    saved(run(64, 8, 1), "a.json")
    b = run(48, 16, 2)
    saved(b.model_copy(update={"prompts": b.prompts.model_copy(update={"source": "workload chat"})}), "b.json")
    other = run(64, 8, 3)
    target = BenchTarget(url="http://h", model="other", api="completions")
    saved(other.model_copy(update={"target": target}), "c.json")
    ran = infercli("compare", "a.json", "b.json", "c.json")
    assert ran.code == ExitCode.USAGE
    for words in (
        "b.json: prompts:",
        "b.json: load: 8 at a time / 16 at a time",
        "c.json: model:",
        "c.json: API: chat",
    ):
        assert words in ran.err
    assert "--force" in ran.err
    forced = infercli("compare", "a.json", "b.json", "c.json", "--force")
    assert forced.code == ExitCode.YES
    assert "caution: not one workload: load: 8 at a time / 16 at a time" in forced.out
    assert "caution: not one workload: model: Qwen/Qwen3-0.6B / other" in forced.out


def test_a_comparison_of_which_nothing_can_be_told_says_so_by_its_exit_code(infercli, saved):
    few = saved(run(3, 1, 1), "a.json"), saved(run(3, 1, 2), "b.json")
    assert infercli("compare", *few).code == ExitCode.CANNOT_TELL


def test_compare_takes_two_files_or_more(infercli, saved):
    ran = infercli("compare", saved(run(16, 2)))
    assert ran.code == ExitCode.USAGE
    assert "two results" in ran.err


def test_a_level_that_only_one_run_has_is_said(infercli, saved):
    a = sweep((1, 2), requests=32)
    saved(a, "a.json")
    saved(result(a.stages[0], objectives=OBJECTIVES, prompts=64), "b.json")
    assert "not compared: 2 at a time: only in the first" in infercli("compare", "a.json", "b.json").out


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("due", [False, True])
def test_a_comparison_fits_its_width_and_always_has_its_numbers(width, due):
    a, b = run(250, 8, 1), run(250, 8, 2, slower=1.3)
    if due:  # the longest names, and numbers of thousands of milliseconds
        load = Load(arrivals="poisson", rate_per_s=20.0, requests=250)
        a, b = (result(stage(served(250, 8, n, slower=n * 10), load=load)) for n in (1, 2))
    answer = BenchComparison(baseline="a.json", runs=(compare(a, b, "b.json"),))
    said = comparison_text(answer, width)
    assert max(map(len, said.splitlines())) <= width
    assert {"FIRST", "SECOND", "CHANGE"} <= set(said.split())
    (row,) = [line for line in said.splitlines() if line.startswith("TPOT p50, ms")]
    d = next(d for d in answer.runs[0].stages[0].differences if d.metric == "tpot_p50_s")
    assert f"{d.a * 1000:,.2f}" in row
    assert f"{d.b * 1000:,.2f}" in row
    assert row.endswith("higher: worse" if width == 120 else " worse")
    assert ("95 % INTERVAL" in said) == (width >= 80)


def test_a_reason_is_given_for_a_verdict_and_for_numbers_by_name_where_they_are_told_all_the_same():
    drifted = {"a": 1.0, "b": 2.0, "low": 0.9, "high": 1.1, "verdict": "higher", "better": False, "reason": "drifted"}
    few = {"a": 1.0, "b": 2.0, "verdict": "too few", "reason": "3 values"}
    told = [MetricDifference(metric=f"{name}_s", **drifted) for name in ("ttft_p50", "e2e_p95")]
    untold = [MetricDifference(metric=f"{name}_s", **few) for name in ("ttft_p99", "e2e_p99")]
    sure = MetricDifference(metric="tpot_p50_s", **{**drifted, "reason": None})
    assert list(reasons([*told, sure, *untold])) == [
        "TTFT p50, E2E p95: drifted",
        "cannot be told: too few: 3 values",
    ]


def test_compare_writes_a_page(infercli, saved, tmp_path):
    saved(run(100, 8, 1), "a.json")
    saved(run(100, 8, 2), "b.json")
    ran = infercli("compare", "a.json", "b.json", "--html", "c.html")
    assert "no difference can be shown" in ran.out
    assert "no difference can be shown" in (tmp_path / "c.html").read_text()


def test_runs_without_a_level_in_common_are_not_compared_and_the_answer_is_that_nobody_can_tell(infercli, saved):
    names = saved(sweep((1, 2)), "a.json"), saved(run(64, 8), "b.json")
    ran = infercli("compare", *names, "--force")
    assert ran.code == ExitCode.CANNOT_TELL
    assert "not compared: 1 at a time" in ran.out
    assert "they have no level of load in common: nothing is compared" in ran.out

"""infercli report, as it is typed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from infercli.cli.result_text import summary
from infercli.core.bench.search import searched
from infercli.core.bench.sweep import Swept
from infercli.core.traces import Load
from infercli.errors import ExitCode
from tests.core.results import OBJECTIVES, full, hostile, result, run, served, stage, sweep


def edited(saved, tmp_path, change) -> str:
    """A saved result, changed by hand."""
    name = saved(run(16, 2))
    value = json.loads((tmp_path / name).read_text())
    change(value)
    (tmp_path / name).write_text(json.dumps(value))
    return name


def test_report_shows_what_bench_showed(infercli, saved):
    bench = run(64, 8)
    ran = infercli("report", saved(bench))
    assert ran.code == ExitCode.YES
    assert ran.out == summary(bench, width=80, plain=False) + "\n"


def test_report_of_several_files_names_each(infercli, saved):
    ran = infercli("report", saved(run(16, 2), "a.json"), saved(run(16, 4), "b.json"))
    assert ran.out.startswith("a.json\n")
    assert "\nb.json\n" in ran.out
    both = json.loads(infercli("report", "a.json", "b.json", "-o", "json").out)
    assert (both["apiVersion"], both["kind"]) == ("infercli/v1", "BenchResultList")
    assert [r["stages"][0]["load"]["concurrency"] for r in both["results"]] == [2, 4]


def test_report_as_data_is_the_result_without_its_raw_part(infercli, saved):
    bench = run(16, 2)
    for form, load in (("json", json.loads), ("yaml", yaml.safe_load)):
        value = load(infercli("report", saved(bench), "-o", form).out)
        assert value["kind"] == "BenchResult"
        assert value["stages"][0]["metrics"]["ttft_s"]["p50"] == bench.stages[0].metrics.ttft_s.p50
        assert "traces" not in value["stages"][0]


def test_data_has_the_cautions_and_the_first_words_of_each_failure_as_the_text_has(infercli, saved):
    value = json.loads(infercli("report", saved(run(64, 8, failing=5)), "-o", "json").out)
    said = " ".join(infercli("report", "result.json").out.split())
    assert value["first_messages"]
    assert value["cautions"]
    assert all(f"first {kind}: {words}" in said for kind, words in value["first_messages"].items())
    assert all(f"caution: {words}" in said for words in value["cautions"])


SOUND = "{}: its numbers follow from its raw data, and its loads had the requests and users they name\n"


@pytest.mark.parametrize("bench", [run(16, 2), full(sweep((1, 2), requests=16)), hostile(), run(16, 2, failing=4)])
def test_a_result_that_was_only_saved_and_read_follows_from_its_raw_data(infercli, saved, bench):
    ran = infercli("report", saved(bench), "--check")
    assert ran.code == ExitCode.YES
    assert ran.out == SOUND.format("result.json")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda v: v["stages"][0]["metrics"]["ttft_s"].update(p50=0.001), "stages[0].metrics.ttft_s.p50"),
        (lambda v: v["stages"][0]["metrics"].update(answered=15), "stages[0].metrics.answered"),
        (lambda v: v["stages"][0]["goodput"].update(good=1), "stages[0].goodput.good"),
        (lambda v: v["stages"][0]["check"].update(client_limited=True), "stages[0].check.client_limited"),
        (lambda v: v["stages"][0]["traces"][3].update(completion_tokens=999), "stages[0].metrics.output_tokens"),
        (lambda v: v.update(objectives=None), "stages[0].goodput"),
        (lambda v: v["stages"][0]["load"].update(concurrency=64), "stages[0].load.concurrency"),
        (lambda v: v["stages"][0]["load"].update(concurrency=1), "stages[0].load.concurrency"),
        (lambda v: v["stages"][0]["load"].update(requests=99), "stages[0].load.requests"),
        (lambda v: v["stages"][0]["load"].update(warmup_requests=4), "stages[0].load.warmup_requests"),
        (lambda v: v["stages"][0].update(ended_s=99.0), "stages[0].ended_s"),
    ],
)
def test_check_says_which_numbers_do_not_follow_and_answers_no(infercli, saved, tmp_path, change, path):
    name = edited(saved, tmp_path, change)
    ran = infercli("report", name, "--check")
    assert ran.code == ExitCode.NO
    assert "not follow from its raw data" in ran.out
    assert path in ran.out
    answer = json.loads(infercli("report", name, "--check", "-o", "json").out)
    assert answer["same"] is False
    assert path in {d["path"] for d in answer["differences"]}


def test_check_sees_the_last_bit(infercli, saved, tmp_path):
    def nudge(value):
        p50 = value["stages"][0]["metrics"]["tpot_s"]["p50"]
        value["stages"][0]["metrics"]["tpot_s"]["p50"] = p50 * (1 + 2**-52)

    ran = infercli("report", edited(saved, tmp_path, nudge), "--check")
    assert ran.code == ExitCode.NO
    assert "1 number does not follow" in ran.out


def test_check_holds_energy_and_searches_to_what_they_come_from(infercli, saved, tmp_path):
    bench = full(run(16, 2))
    gpus = list(bench.telemetry.gpus)
    gpus[1] = gpus[1].model_copy(update={"energy_j": 1.0})
    wrong = bench.model_copy(update={"telemetry": bench.telemetry.model_copy(update={"gpus": tuple(gpus)})})
    assert "telemetry.gpus[1].energy_j" in infercli("report", saved(wrong), "--check").out
    held = stage(served(40, 4, 1), load=Load(arrivals="poisson", rate_per_s=2, requests=40), objectives=OBJECTIVES)
    found = searched([held])
    search = result(held, held, objectives=OBJECTIVES, searched=found)
    assert infercli("report", saved(search), "--check").code == ExitCode.YES
    better = search.model_copy(update={"searched": found.model_copy(update={"highest_rate_per_s": 9.0})})
    ran = infercli("report", saved(better), "--check")
    assert "searched.highest_rate_per_s" in ran.out
    sweep = result(held, swept=Swept(saturated_from_users=3))
    assert "swept.saturated_from_users" in infercli("report", saved(sweep), "--check").out


def test_one_wrong_file_among_right_ones_is_a_no(infercli, saved, tmp_path):
    wrong = edited(saved, tmp_path, lambda v: v["stages"][0]["metrics"].update(cut=1))
    ran = infercli("report", saved(run(16, 2), "right.json"), wrong, "--check")
    assert ran.code == ExitCode.NO
    assert SOUND.format("right.json") in ran.out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
        (b"name: chat", "hint: `infercli bench` writes it"),
        (b'{"kind": "BenchResult", ', "line 1, column"),
        (b"[1, 2]", "is something else, and no result"),
        (b'{"kind": "Plan"}', "is a Plan, and no result"),
        (b'{"kind": "\\u001b[31m"}', "is something else, and no result"),
        (b'{"kind": "BenchResult", "apiVersion": "infercli/v1"}', "stages: is missing"),
        (b'{"kind": "BenchResult", "apiVersion": "infercli/v9"}', "apiVersion: must be 'infercli/v1'"),
        (b'{"kind": "BenchResult", "x": NaN}', "NaN is no number of JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[" * 100_000, "not JSON"),
        (b'{"kind": "BenchResult", "load": {}, "metrics": {}, "infercli_version": "0.1.0"}',
         "was written by an older infercli (0.1.0), before results had stages"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("verb", [("report",), ("report", "--check"), ("compare", "other.json")])
def test_damaged_foreign_and_old_files_are_refused_by_name(infercli, saved, tmp_path, content, words, verb):
    saved(run(16, 2), "other.json")
    (tmp_path / "bad.json").write_bytes(content)
    ran = infercli(*verb, "bad.json")
    assert ran.code == ExitCode.USAGE
    assert "bad.json" in ran.err
    assert words in ran.err
    assert "hint:" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda stage: stage.update(traces=[]), "none is there of the 16 requests"),
        (lambda stage: stage["traces"][3].update(ended_s=1e308), "within 1,000,000,000 s"),
    ],
)
def test_a_result_without_its_traces_or_with_times_that_no_run_has_is_refused(infercli, saved, tmp_path, change, words):
    ran = infercli("report", edited(saved, tmp_path, lambda value: change(value["stages"][0])))
    assert ran.code == ExitCode.USAGE
    assert words in ran.err


def test_a_named_pipe_is_refused_and_not_waited_for(infercli, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    ran = infercli("report", "pipe")
    assert ran.code == ExitCode.USAGE
    assert "is a named pipe" in ran.err


def test_a_file_that_is_not_there_or_a_folder_is_said(infercli, tmp_path):
    assert "no such file" in infercli("report", "none.json").err
    (tmp_path / "folder").mkdir()
    assert infercli("report", "folder").code == ExitCode.USAGE


def test_all_that_is_wrong_with_a_file_is_said_up_to_a_screenful(infercli, saved, tmp_path):
    def break_everything(value):
        value["stages"][0]["metrics"]["answered"] = "many"
        for t in value["stages"][0]["traces"]:
            t["sent_s"] = t["ended_s"] = "yesterday"

    ran = infercli("report", edited(saved, tmp_path, break_everything))
    assert "stages[0].metrics.answered: must be a whole number" in ran.err
    assert "stages[0].traces[3].sent_s: must be a number" in ran.err
    assert re.search(r"and \d+ more problems", ran.err)


def test_html_is_one_file_and_the_summary_is_said_all_the_same(infercli, saved, tmp_path):
    ran = infercli("report", saved(full(sweep((1, 2)))), "--html", "out/report.html")
    assert ran.code == ExitCode.YES
    assert "LOAD" in ran.out
    assert "out/report.html opens in a browser" in ran.err
    assert Path("out/report.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize("verb", [("report",), ("compare", "other.json")])
def test_a_page_never_overwrites_the_result_that_it_is_of(verb, infercli, saved, tmp_path):
    name, _ = saved(run(16, 2)), saved(run(16, 2), "other.json")
    before = (tmp_path / name).read_bytes()
    (tmp_path / "link.html").symlink_to(name)
    for page in (name, "link.html"):
        ran = infercli(*verb, name, "--html", page)
        assert ran.code == ExitCode.USAGE
        assert f"{page} is read, and would be overwritten" in ran.err
    assert (tmp_path / name).read_bytes() == before


def test_exports_are_a_line_a_level_or_a_row_a_request(infercli, saved):
    name = saved(sweep((1, 2), requests=8))
    for form in ("vllm", "llm-d"):
        ran = infercli("report", name, "--export", form)
        assert len([json.loads(line) for line in ran.out.splitlines()]) == 2
        assert "2 levels of load" in ran.err
    assert len(infercli("report", name, "--export", "csv").out.splitlines()) == 17


@pytest.mark.parametrize(
    "words", [("--check", "--export", "csv"), ("--check", "--html", "x.html"), ("--export", "csv", "-o", "json")]
)
def test_two_answers_at_once_are_refused(infercli, saved, words):
    assert infercli("report", saved(run(16, 2)), *words).code == ExitCode.USAGE


def test_names_of_others_do_not_steer_the_terminal(infercli, saved):
    saved(hostile(), "h.json")
    for words in (("report", "h.json"), ("compare", "h.json", "h.json")):
        ran = infercli(*words)
        assert ran.code == ExitCode.YES
        assert "\x1b[31m" not in ran.out
        assert "\u202e" not in ran.out

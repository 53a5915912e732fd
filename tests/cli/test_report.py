"""infercli report and infercli compare, as they are typed."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from infercli.cli.compare import text as comparison_text
from infercli.cli.result_text import summary
from infercli.core.bench import BenchResult, BenchTarget
from infercli.core.bench_comparison import BenchComparison, compare
from infercli.core.conversation import PrefixSent
from infercli.core.sweep import Assured, searched
from infercli.core.traces import Load, Stop
from infercli.errors import ExitCode
from tests.core.results import OBJECTIVES, client, full, hostile, result, run, served, stage, sweep, trace


@pytest.fixture
def saved(tmp_path):
    """Write a result and return its name."""

    def write(bench: BenchResult, name: str = "result.json") -> str:
        (tmp_path / name).write_text(bench.model_dump_json())
        return name

    return write


def edited(saved, tmp_path, change) -> str:
    """A saved result, changed by hand."""
    name = saved(run(16, 2))
    value = json.loads((tmp_path / name).read_text())
    change(value)
    (tmp_path / name).write_text(json.dumps(value))
    return name


# The summary


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("bench", [run(64, 8), full(run(64, 8)), full(sweep()), run(64, 8, failing=5), hostile()])
def test_a_summary_fits_its_width(bench, width, plain):
    said = summary(bench, width=width, plain=plain)
    # What others call things is not cut, and may be longer than a line.
    lines = [line for line in said.splitlines() if not any(part in line for part in ("img", "src=x"))]
    assert max(map(len, lines)) <= width
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert said.isascii() or not plain


def test_a_summary_of_one_level_has_what_is_asked_of_it():
    bench = full(run(64, 8, warmup=4))
    said, m = summary(bench, width=100, plain=False), bench.stages[0].metrics
    assert said.startswith(
        "Qwen/Qwen3-0.6B at http://127.0.0.1:8000, 8 at a time\nsent: 64 requests; 64.0 prompt tokens"
    )
    assert "\n64 of 64 requests answered over " in said
    assert f"{m.output_tokens_per_s:,.1f} output tokens/s" in said
    assert f"{m.ttft_s.p99 * 1000:,.1f}" in said
    assert "█" in said
    assert "holds: TTFT p95 within 300 ms (100.0% of 64)" in said
    assert "goodput: " in said
    assert "GPU 0 NVIDIA H100 80GB HBM3: busy 80% of the time" in said
    assert " J per output token" in said
    words = (
        "engine chat-3f9a1c: 2 preemptions, 34% of the prompt tokens from its prefix cache, 3 waiting at most, KV cache"
    )
    assert words in " ".join(said.split())
    assert "not watched: http://10.0.0.7:9400/metrics: no answer" in said
    assert f"${7.2 / 3600 / m.output_tokens_per_s * 1e6:,.2f} per 1M output tokens" in said
    assert "the client was not the limit" in said
    assert "caution: p99 of 64 requests" in said


def test_what_was_sent_is_said_and_the_pool_of_prompts_is_not_taken_for_it():
    bench = run(64, 8, warmup=4)
    mean = bench.stages[0].metrics.output_tokens / 64
    said = " ".join(summary(bench, width=120).split())
    assert (
        f"sent: 64 requests; 64.0 prompt tokens on average by the server's usage; {mean:.1f} output tokens on average "
        "(max_tokens 24); prompts: synthetic (64 words, seed 0), of a pool of 68"
    ) in said
    asked = [trace(0.0, (1.0,), tokens=1, model="sql", max_tokens=20), trace(0.0, (1.0,), tokens=1, max_tokens=400)]
    mixed = " ".join(summary(result(stage([*asked, asked[1]])), width=120).split())
    assert "sent: 3 requests (2 to Qwen/Qwen3-0.6B, 1 to sql); " in mixed
    assert "1.0 output tokens on average (max_tokens 20 to 400)" in mixed
    silent = summary(result(stage([trace(0.0, (1.0,)), trace(0.0, (1.0,), prompt_tokens=5)])), width=120)
    assert "5.0 prompt tokens on average by the server's usage, which 1 of 2 answers had" in " ".join(silent.split())
    none = summary(result(stage([trace(0.0, (1.0,))])), width=120)
    assert "sent: 1 request; prompts of unknown length: the server sent no usage; 1.0 output tokens" in none
    assert "\n1 output token\n" in none


@pytest.mark.parametrize(("tokens", "share"), [(40, ", 75% of their tokens"), (70, "")])
def test_a_prefix_that_usage_contradicts_is_no_share_of_the_prompts(tokens, share):
    made = result(stage([trace(float(i), (i + 0.5,), prompt_tokens=50) for i in range(16)]))
    prefix = PrefixSent(tokens=tokens, first_prompts=16, sent_before=15)
    said = " ".join(
        summary(made.model_copy(update={"prompts": made.prompts.model_copy(update={"prefix": prefix})})).split()
    )
    assert f"had been sent before{share} 16 of 16 requests answered" in said


def test_gpus_of_several_machines_are_told_apart():
    bench = full(run(64, 8))
    gpus = bench.telemetry.gpus
    two = tuple(gpu.model_copy(update={"host": host, "index": 0}) for gpu, host in zip(gpus, ("a", "b"), strict=False))
    said = summary(bench.model_copy(update={"telemetry": bench.telemetry.model_copy(update={"gpus": two})}), width=200)
    assert [line[:15] for line in said.splitlines() if line.startswith("GPU ")] == [
        "GPU 0 of a NVID",
        "GPU 0 of b NVID",
    ]
    assert " of this machine" not in summary(bench, width=200)


def test_embeddings_have_a_rate_of_what_was_embedded():
    target = BenchTarget(url="http://127.0.0.1:8000", model="tiny", api="embeddings")
    vectors = [trace(float(i), ended_s=i + 0.5, prompt_tokens=7) for i in range(40)]
    # 40 x 7 tokens from the first sending at 0 s to the last end at 39.5 s
    assert "\n7.1 input tokens/s, 1.0 requests/s, 0.5 in flight\n" in summary(result(stage(vectors), target=target))


def test_what_users_waited_for_a_connection_is_shown_in_a_closed_loop_too():
    quick = [trace(i, (i + 0.2,), intended_s=i - 0.001) for i in range(1, 9)]
    assert "from due" not in summary(result(stage(quick)))
    said = summary(result(stage([*quick, trace(9.0, (9.4,), intended_s=2.0)])), width=120)
    rows = {line[:19].strip(): line.split()[-1] for line in said.splitlines() if line.strip()}
    assert (rows["TTFT"], rows["TTFT from due"], rows["end to end from due"]) == ("400.0", "7,400.0", "7,400.0")


def test_a_run_that_was_ended_while_it_warmed_up_says_so():
    flying = [trace(0.0, ended_s=0.5, phase="warmup", cut=True) for _ in range(4)]
    said = summary(result(stage(flying, load=Load(concurrency=4, requests=64), stopped=Stop(kind="interrupted"))))
    assert "\nsent: 4 requests of the warm-up, which was not over; none was measured\n" in said
    assert "0 of 0" not in said
    assert "caution: the run is not complete: interrupted" in said
    assert "of the warm-up" not in summary(run(64, 8, warmup=4))


def test_a_client_that_was_not_the_limit_is_said_beside_the_limit_that_applied():
    gaps = [trace(0.0, (0.1, 0.14, 0.18), lags_s=(0.0063,) * 3)]
    # Half of a gap of 40 ms.
    said = summary(result(stage(gaps)), width=120)
    assert "it read 6.3 ms late at p99 (the limit is 20 ms)" in said


def test_the_first_words_of_each_failure_are_said_with_one_level_as_with_several_and_where_nobody_answered():
    failing = run(64, 8, failing=7)
    assert "\nfirst http 429: too many requests\n" in summary(failing, width=80)
    assert "caution: 10 of 64 requests failed" in summary(failing, width=80)
    levels = result(*sweep((1, 2), requests=16).stages, failing.stages[0])
    assert "\nfirst http 429: too many requests\n" in summary(levels, width=80)
    refused = trace(0.0, error="http", status=404, message="The model `x` does not exist. Key: sk-12345678")
    said = summary(result(stage([refused])), width=80)
    assert "\nfirst http 404: The model `x` does not exist. Key: ***\n" in said


def test_a_table_that_shows_no_p99_does_not_speak_of_it():
    assert "p99 of" not in summary(sweep((1, 2), requests=16), width=120)


def test_the_lines_over_time_leave_out_where_the_engine_fills_and_empties():
    # Warm-up of 2 s at 1 s TTFT, then 8 s at 0.1 s, one request every 0.25 s, and a last answer of 3 s.
    def sent(at, ttft, ends, **more):
        return trace(at, (at + ttft, at + ends), **more)

    warm = [sent(i / 8, 1.0, 1.1, phase="warmup") for i in range(8)]
    measured = [sent(2 + i / 4, 0.1, 0.2) for i in range(31)] + [sent(9.75, 0.1, 3.0)]
    bench = result(stage(warm + measured, load=Load(concurrency=4, requests=32, warmup_requests=8)))
    said = summary(bench, width=80, plain=False)
    assert re.search(r"TTFT p50 +█+  100 to 100 ms", said)
    assert re.search(r"in flight +[▁-█]+  0\.8 to 0\.8\n", said)
    assert ", without warm-up and drain" in said


def test_one_request_has_no_line_over_time():
    assert "TTFT p50 " not in summary(result(stage([trace(0.0, (0.1, 0.2, 0.3))])), width=80)


def test_a_summary_of_a_sweep_is_a_table_of_its_levels():
    lines = summary(sweep((1, 16)), width=120).splitlines()
    (header,) = [n for n, line in enumerate(lines) if line.startswith("LOAD")]
    assert lines[header].split("  ")[0] == "LOAD"
    assert lines[header + 1].startswith("1 at a time ")
    assert lines[header + 2].startswith("16 at a time ")
    assert lines[header + 1].endswith("yes")
    (narrow,) = [line for line in summary(sweep((1, 16)), width=60).splitlines() if line.startswith("LOAD")]
    assert "HOLDS" in narrow
    assert "REQ/S" not in narrow


def test_a_client_that_was_the_limit_is_said_with_its_reasons_and_at_its_level():
    limited = stage(served(32, 8, 1), load=Load(concurrency=8, requests=32), client=client(busiest_cpu_fraction=0.97))
    said = summary(result(limited), width=120)
    assert "the client was the limit, not the server: a worker used 97% of a core" in said
    assert "the client was not the limit" not in said
    both = result(limited, stage(served(32, 2, 2), load=Load(concurrency=2, requests=32), began_s=10))
    table = [line for line in summary(both, width=120).splitlines() if " at a time  " in line]
    assert table[0].endswith("yes")
    assert table[1].endswith("no")


def test_a_search_says_the_highest_rate():
    held = stage(served(40, 4, 1), load=Load(arrivals="poisson", rate_per_s=2, requests=40), objectives=OBJECTIVES)
    bench = result(held, held, objectives=OBJECTIVES, searched=searched([held]))
    said = summary(bench, width=100)
    rate = 39 / (max(t.sent_s for t in held.traces) - min(t.sent_s for t in held.traces))
    assert f"the highest rate that holds: 2 requests/s, in 1 run; {rate:.3g} were sent" in " ".join(said.split())
    assert "TTFT p95 within 300 ms: 40 of 40, at least " in said


def test_a_search_says_which_lower_rate_surely_holds():
    loads = [Load(arrivals="poisson", rate_per_s=r, requests=40) for r in (2, 1.82)]
    held, lower = (stage(served(40, 4, 1), load=load, objectives=OBJECTIVES) for load in loads)
    found = searched([held])
    sure = tuple(s.model_copy(update={"sure": True}) for s in found.sure)
    assured = Assured(rate_per_s=1.82, runs=2, objectives=sure)
    bench = result(held, held, lower, objectives=OBJECTIVES)
    below = bench.model_copy(update={"searched": found.model_copy(update={"assured": assured})})
    said = " ".join(summary(below, width=120).split())
    assert "the highest rate that holds: 2 requests/s, in 1 run" in said
    assert "surely holds: 1.82 requests/s, in 2 runs" in said
    assert said.index("(not sure: ") < said.index("surely holds") < said.index("(sure)")
    same = found.model_copy(update={"assured": assured.model_copy(update={"rate_per_s": 2.0})})
    assert "surely holds" not in summary(bench.model_copy(update={"searched": same}), width=120)


def test_a_search_that_found_nothing_or_not_all_says_why_and_writes_rates_plainly():
    load = Load(arrivals="poisson", rate_per_s=2240, requests=40)
    held = stage(served(40, 4, 1), load=load, objectives=OBJECTIVES)
    found = searched([held])
    none = {
        "highest_rate_per_s": None,
        "broke_at_rate_per_s": 2240.0,
        "broke_runs": 2,
        "hopeless": "no rate can hold it: because",
    }
    said = summary(result(held, held, objectives=OBJECTIVES, searched=found.model_copy(update=none)), width=120)
    assert "\nno rate can hold it: because\nthe lowest that did not: 2,240 requests/s, in 2 runs\n" in said
    some = found.model_copy(update={"highest_rate_per_s": 2240.0, "unfinished": "too few"})
    said = summary(result(held, held, objectives=OBJECTIVES, searched=some), width=120)
    assert "the highest rate that holds: at least 2,240 requests/s, in 1 run" in said
    assert "the search is not finished: too few" in said


def test_a_search_that_ended_before_a_rate_could_be_judged_does_not_say_that_none_holds():
    load = Load(arrivals="poisson", rate_per_s=2, requests=40)
    late = client(busiest_cpu_fraction=0.97)
    limited = stage(served(40, 4, 1), load=load, objectives=OBJECTIVES, client=late)
    said = summary(result(limited, limited, objectives=OBJECTIVES, searched=searched([limited])), width=120)
    assert "no rate" not in said
    assert "the search is not finished: the client was the limit at 2 requests/s: " in said
    # One that lagged by chance was sent again: its row says so, and the result is of the others.
    held = stage(served(40, 4, 1), load=load, objectives=OBJECTIVES)
    bench = result(held, limited, held, objectives=OBJECTIVES, searched=searched([limited, held]))
    assert bench.client_limited is False
    assert "CLIENT LIMITED" in summary(bench, width=120)


def test_a_search_says_as_how_many_requests_count_that_wait_for_one_another():
    held = stage(served(40, 4, 1), load=Load(arrivals="poisson", rate_per_s=2, requests=40), objectives=OBJECTIVES)
    found = searched([held])
    queued = found.model_copy(update={"sure": (found.sure[0].model_copy(update={"like_independent": 12.4}),)})
    said = summary(result(held, held, objectives=OBJECTIVES, searched=queued), width=120)
    assert "TTFT p95 within 300 ms: 40 of 40, which count as 12 because neighbours are alike, at least " in said


def test_where_no_lag_is_known_the_client_is_judged_by_its_busiest_worker():
    quick = stage(served(40, 4, 1), load=Load(concurrency=4, requests=40), client=client(busiest_cpu_fraction=0.02))
    unknown = quick.model_copy(update={"metrics": quick.metrics.model_copy(update={"client_lag_s": None})})
    said = " ".join(summary(result(unknown), width=120).split())
    assert "the client was not the limit: its busiest worker used 2% of a core" in said


def test_what_is_not_known_is_said_to_be_unknown():
    nobody = result(stage([trace(0, sent_s=None, error="connect", ended_s=0.1)]))
    said = summary(nobody, width=80)
    assert "\n0 of 1 requests answered; failed: 1 connect\n" in said
    assert "caution: no request was answered" in said
    silent = summary(result(stage([trace(0.0, (1.0,)), trace(0.0, (1.0,))])), width=80)
    assert re.search(r"\nTPOT +unknown", silent)
    assert "energy: unknown" in summary(
        full(run(64, 8)).model_copy(update={"telemetry": telemetry_without_energy()}), width=100
    )


def telemetry_without_energy():
    from tests.core.results import telemetry

    return telemetry(5.0, energy=False)


# report


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
    assert [r["stages"][0]["load"]["concurrency"] for r in both] == [2, 4]


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


def test_one_wrong_file_among_right_ones_is_a_no(infercli, saved, tmp_path):
    wrong = edited(saved, tmp_path, lambda v: v["stages"][0]["metrics"].update(cut=1))
    ran = infercli("report", saved(run(16, 2), "right.json"), wrong, "--check")
    assert ran.code == ExitCode.NO
    assert SOUND.format("right.json") in ran.out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not JSON"),
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


# compare


def test_compare_says_how_much_and_how_surely(infercli, saved):
    ran = infercli("compare", saved(run(250, 8, 1), "a.json"), saved(run(250, 8, 2, slower=1.3), "b.json"))
    assert ran.code == ExitCode.YES
    lines = {line.split("  ")[0]: line for line in ran.out.splitlines()}
    assert lines["TPOT p50, ms"].endswith(" worse")
    assert lines["output tokens/s"].endswith(" worse")
    assert lines["TTFT p99, ms"].endswith(" too few")
    assert "cannot be told: too few: 250 values, and it takes 1,000" in ran.out
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


def test_compare_writes_a_page(infercli, saved, tmp_path):
    saved(run(100, 8, 1), "a.json")
    saved(run(100, 8, 2), "b.json")
    ran = infercli("compare", "a.json", "b.json", "--html", "c.html")
    assert "no difference can be shown" in ran.out
    assert "no difference can be shown" in (tmp_path / "c.html").read_text()


def test_names_of_others_do_not_steer_the_terminal(infercli, saved):
    saved(hostile(), "h.json")
    for words in (("report", "h.json"), ("compare", "h.json", "h.json")):
        ran = infercli(*words)
        assert ran.code == ExitCode.YES
        assert "\x1b[31m" not in ran.out
        assert "\u202e" not in ran.out

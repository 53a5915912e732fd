"""What bench and report say of a result in words."""

from __future__ import annotations

import re

import pytest

from infercli.cli.benching import _verdict
from infercli.cli.result_text import summary
from infercli.core.bench.goodput import Objectives, parse_objective
from infercli.core.bench.result import BenchTarget
from infercli.core.bench.search import Assured, searched
from infercli.core.load.conversation import PrefixSent
from infercli.core.telemetry.gpus import Telemetry, gpu_telemetry
from infercli.core.traces import Load, Stop
from infercli.errors import ExitCode
from tests.core.results import OBJECTIVES, client, full, hostile, result, run, served, stage, sweep, trace


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


def test_of_a_gpu_the_faults_are_said_and_where_nothing_was_read_the_reason():
    rows = [{"ecc_uncorrected": n, "busy_fraction": 0.5} for n in (0, 1, 1)]
    ill = gpu_telemetry(0, (0.0, 1.0, 2.0), rows, {}, xids=())
    barred = gpu_telemetry(1, (0.0, 1.0, 2.0), [{}] * 3, {"gpu": "Insufficient Permissions"})
    seen = Telemetry(interval_s=1.0, window_s=2.0, driver_version=None, gpus=(ill, barred))
    said = summary(full(run(64, 8)).model_copy(update={"telemetry": seen}), width=200)
    assert "GPU 0: busy 50% of the time, 1 uncorrected memory error\n" in said
    assert "GPU 1: nothing was read (Insufficient Permissions)\n" in said


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
    said = summary(result(stage(vectors), target=target))
    assert "\n7.1 input tokens/s, 1.0 requests/s, 0.5 in flight\n" in said
    several = summary(result(stage(vectors), stage(vectors), target=target), width=80)
    assert re.search(r"LOAD +REQ/S +ANSWERED +E2E P50 +E2E P95\n", several)
    for words in (said, several):
        assert not re.search("TTFT|TPOT|ITL|TOK/S|unknown", words)


def test_a_slow_endpoint_has_a_rate_that_is_not_zero():
    # One answer of two tokens in 100 s.
    slow = result(stage([trace(0.0, (1.0, 100.0), ended_s=100.0)]))
    assert "\n0.02 output tokens/s, 0.01 requests/s, 1.0 in flight\n" in summary(slow)


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
    def said(lag_s):
        return summary(result(stage([trace(0.0, (0.1, 0.14, 0.18), lags_s=(lag_s,) * 3)])), width=120)

    assert "it read 4.3 ms late at p99 (the limit is 5 ms)" in said(0.0043)
    # Each read brought one token, and its time is the kernel's.
    assert "it read 6.3 ms late at p99, which merged 0.0% of the tokens (the limit is 1%)" in said(0.0063)


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


@pytest.mark.parametrize(("percent", "said"), [(95, False), (99, True)])
def test_levels_that_hold_a_p99_by_few_requests_say_on_what_it_rests(percent, said):
    asked = Objectives(objectives=(parse_objective(f"ttft_p{percent}=10s"),))
    levels = [stage(served(16, 1, n), load=Load(concurrency=n, requests=16), objectives=asked) for n in (1, 2)]
    text = summary(result(*levels, objectives=asked), width=120)
    assert ("p99 of 16 requests, as one level has, rests on the few slowest" in text) == said


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


def test_levels_that_are_shorter_than_a_bin_are_said_to_be_missing_from_the_lines_over_time():
    def level(began, users, lasts):
        each = lasts / 64
        made = [trace(i * each, (i * each + 0.01, i * each + 0.02)) for i in range(64)]
        return stage(made, load=Load(concurrency=users, requests=64), began_s=began)

    levels = [level(0.0, 1, 40.0), level(41.0, 2, 0.4), level(42.0, 4, 0.2)]
    assert "2 levels are too short to be drawn" in summary(result(*levels), width=60)
    assert "1 level is too short to be drawn" in summary(result(*levels[:2]), width=60)
    assert "too short" not in summary(result(levels[0]), width=60)


def test_of_a_run_that_nobody_answered_nothing_is_drawn():
    refused = [trace(i * 0.1, sent_s=i * 0.1, ended_s=i * 0.1 + 0.05, error="http", status=400) for i in range(20)]
    assert "in flight " not in summary(result(stage(refused)), width=80)


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


def test_a_load_that_the_endpoint_did_not_keep_up_with_holds_nothing():
    held = stage(served(40, 4, 1), load=Load(arrivals="poisson", rate_per_s=2, requests=40), objectives=OBJECTIVES)
    assert held.goodput.holds
    assert _verdict(result(held, objectives=OBJECTIVES)) == ExitCode.YES
    stopped = held.model_copy(update={"stopped": Stop(kind="saturated", detail="1000 wait")})
    assert _verdict(result(stopped, objectives=OBJECTIVES)) == ExitCode.NO
    assert "MISSED: the endpoint did not keep up with the load" in summary(result(stopped, objectives=OBJECTIVES))


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

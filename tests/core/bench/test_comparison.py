from __future__ import annotations

import random

import pytest

from infercli.core.bench.comparison import compare
from infercli.core.bench.goodput import Objectives, parse_objective
from infercli.core.bench.result import BenchTarget
from infercli.core.bench.same_workload import unlike
from infercli.core.traces import Load, Stop
from tests.core.bench.test_stats import queue
from tests.core.results import OBJECTIVES, client, result, run, served, stage, sweep, trace


def by_metric(comparison, index=0):
    return {d.metric: d for d in comparison.stages[index].differences}


def test_a_slower_engine_is_slower_in_every_latency_and_in_the_rate():
    found = by_metric(compare(run(250, 8, 1), run(250, 8, 2, slower=1.5), "b.json"))
    assert list(found)[:3] == ["ttft_p50_s", "ttft_p95_s", "ttft_p99_s"]
    for name in ("tpot_p50_s", "tpot_p95_s", "itl_p50_s", "e2e_p50_s"):
        assert (found[name].verdict, found[name].better) == ("higher", False)
        assert 0 < found[name].low < found[name].difference < found[name].high
    rate = found["output_tokens_per_s"]
    assert (rate.verdict, rate.better) == ("lower", False)


def test_of_embeddings_the_end_and_the_rate_of_requests_are_compared():
    target = BenchTarget(url="http://127.0.0.1:8000", model="m", api="embeddings")
    runs = [
        result(stage([trace(i / a, ended_s=i / a + 0.5, prompt_tokens=7) for i in range(400)]), target=target)
        for a in (10, 20)
    ]
    found = by_metric(compare(*runs, "b.json"))
    assert list(found) == ["e2e_p50_s", "e2e_p95_s", "e2e_p99_s", "requests_per_s"]
    rate = found["requests_per_s"]
    assert (rate.a, rate.b) == tuple(r.stages[0].metrics.requests_per_s for r in runs)
    assert (rate.verdict, rate.better) == ("higher", True)


def test_the_numbers_are_those_of_the_metrics():
    a, b = run(250, 8, 1), run(250, 8, 2)
    found = by_metric(compare(a, b, "b.json"))
    m = a.stages[0].metrics
    assert found["ttft_p95_s"].a == m.ttft_s.p95
    assert found["itl_p99_s"].a == m.itl_s.p99
    assert found["output_tokens_per_s"].a == m.output_tokens_per_s
    assert found["good_requests_per_s"].b == b.stages[0].goodput.good_requests_per_s


def test_rates_with_a_cool_down_are_of_the_time_before_it_in_the_interval_too():
    def cooled(rate, seed, cooldown_s=8):
        """Of 24 s, eight are a warm-up; answers take 2 s and more."""
        draw = random.Random(seed)
        traces = []
        for i in range(24 * rate):
            sent = i / rate
            phase = "warmup" if sent < 8 else "measured" if sent < 24 - cooldown_s else "cooldown"
            traces.append(trace(sent, (sent + 1.0, sent + 2 + draw.random()), tokens=2, phase=phase))
        load = Load(arrivals="constant", rate_per_s=10, duration_s=24, warmup_s=8, cooldown_s=cooldown_s)
        return result(stage(traces, load=load, objectives=quick), objectives=quick)

    quick = Objectives(objectives=(parse_objective("ttft_p95=2s"),))
    found = by_metric(compare(cooled(10, 1), cooled(15, 2), "b.json"))
    for name, each in (("output_tokens_per_s", 2), ("good_requests_per_s", 1)):
        rate = found[name]
        assert (rate.a, rate.b) == (pytest.approx(10 * each, rel=0.02), pytest.approx(15 * each, rel=0.02))
        assert rate.low < rate.difference < rate.high
        assert (rate.verdict, rate.better) == ("higher", True)
    # The emptying of the other run would pass for a slower engine.
    other = by_metric(compare(cooled(10, 1), cooled(10, 1, cooldown_s=0), "b.json"))["output_tokens_per_s"]
    assert other.a > 1.1 * other.b
    assert (other.verdict, "only one run had a cool-down" in other.reason) == ("unknown", True)


def test_a_run_beside_itself_shows_no_difference_and_is_no_better():
    a = run(250, 8, 1)
    for d in compare(a, a, "a.json").stages[0].differences:
        assert d.difference == 0
        assert d.better is None
        assert d.verdict in ("none shown", "too few")
        assert d.low is None or d.low < 0 < d.high, "draws of one that follow those of the other vary together"


def test_of_too_few_requests_nothing_is_said_and_the_reason_names_how_many_it_takes():
    found = by_metric(compare(run(64, 8, 1), run(64, 8, 2), "b.json"))
    assert found["ttft_p50_s"].verdict == "none shown"
    assert (found["ttft_p95_s"].verdict, found["ttft_p95_s"].low) == ("too few", None)
    assert found["ttft_p95_s"].reason == "64 values, and p95 takes 200"
    few = by_metric(compare(run(29, 8, 1), run(64, 8, 2), "b.json"))
    assert {d.verdict for d in few.values()} == {"too few"}
    assert few["ttft_p50_s"].reason == "29 requests, and it takes 30"
    # The numbers themselves are there all the same.
    assert few["ttft_p50_s"].a is not None


def test_a_rate_is_over_the_measured_time_and_not_over_what_came_before_it():
    def after_a_minute(seed, slower):
        made = served(250, 8, seed, slower=slower)
        later = ("intended_s", "sent_s", "ended_s")
        moved = [
            t.model_copy(
                update={f: getattr(t, f) + 60 for f in later} | {"arrivals_s": tuple(a + 60 for a in t.arrivals_s)}
            )
            for t in made
        ]
        return result(stage(moved, load=Load(concurrency=8, requests=250)))

    rate = by_metric(compare(after_a_minute(1, 1.0), after_a_minute(2, 1.5), "b.json"))["output_tokens_per_s"]
    assert rate.low < rate.difference < rate.high < 0


def test_what_a_run_has_not_is_unknown_and_not_too_few():
    silent = result(stage([trace(float(i), (i + 0.5,)) for i in range(40)], load=Load(concurrency=1, requests=40)))
    found = by_metric(compare(silent, silent, "b.json"))
    assert (found["tpot_p50_s"].a, found["tpot_p50_s"].verdict) == (None, "unknown")
    assert "good_requests_per_s" not in found  # no objectives were given
    assert compare(silent, silent, "b.json").stages[0].notes == ()


def test_what_only_one_of_two_runs_has_is_unknown():
    load = Load(concurrency=1, requests=40)
    silent = result(stage([trace(float(i), (i + 0.5,)) for i in range(40)], load=load))
    speaking = result(stage([trace(float(i), (i + 0.5, i + 0.7)) for i in range(40)], load=load))
    for a, b in ((silent, speaking), (speaking, silent)):
        found = by_metric(compare(a, b, "b.json"))["tpot_p50_s"]
        assert (found.verdict, found.a is None, found.b is None) == ("unknown", a is silent, b is silent)


def test_a_drifting_run_shows_no_difference_that_one_may_believe():
    def climbing(step):
        return result(
            stage([trace(float(i), (i + 0.1 + i * step, i + 0.2 + i * step)) for i in range(200)],
                  load=Load(concurrency=1, requests=200))
        )  # fmt: skip

    found = by_metric(compare(climbing(0.001), climbing(0.004), "b.json"))["ttft_p50_s"]
    assert found.low > 0
    assert (found.verdict, found.better) == ("not steady", None)
    assert "drifted" in found.reason


def test_a_drift_hides_no_difference_that_is_far_beyond_it():
    # From 22 to 20 ms, and from 302 to 300.
    def warming(base):
        traces = [trace(float(i), (i + base - i * 1e-5, i + base + 0.1)) for i in range(200)]
        return result(stage(traces, load=Load(concurrency=1, requests=200)))

    found = by_metric(compare(warming(0.022), warming(0.302), "b.json"))
    for name in ("ttft_p50_s", "ttft_p95_s"):
        assert (found[name].verdict, found[name].better) == ("higher", False)
        assert "every part of one run lies beyond every part of the other" in found[name].reason


def test_a_difference_that_a_few_bursts_made_is_not_told():
    # One queue twice: which of the runs saw the longer ones is chance.
    def queued(seed):
        times = [v for (v,) in queue(600, 0.8, random.Random(seed))]
        traces = [trace(float(i), (i + time_s,)) for i, time_s in enumerate(times)]
        return result(stage(traces, load=Load(concurrency=1, requests=600)))

    found = by_metric(compare(queued(2), queued(11), "b.json"))["ttft_p95_s"]
    assert found.low > 0
    assert (found.verdict, found.better) == ("not steady", None)
    assert "bursts" in found.reason


def test_latencies_of_an_open_loop_count_from_when_requests_were_due():
    load = Load(arrivals="poisson", rate_per_s=1.0, requests=40)
    late = [trace(i + 0.25, (i + 0.5,), intended_s=float(i), request=i) for i in range(40)]
    found = by_metric(compare(result(stage(late, load=load)), result(stage(late, load=load)), "b.json"))
    assert found["ttft_due_p50_s"].a == pytest.approx(0.5)
    assert "ttft_p50_s" not in found
    # Sent another half second later and answered as fast: what is drawn again counts from then, too.
    later = [trace(i + 0.75, (i + 1.0,), intended_s=float(i), request=i) for i in range(40)]
    slower = by_metric(compare(result(stage(late, load=load)), result(stage(later, load=load)), "b.json"))
    told = slower["ttft_due_p50_s"]
    assert (told.low, told.difference, told.high) == pytest.approx((0.5, 0.5, 0.5))


def test_stages_are_matched_by_their_load_and_what_only_one_has_is_named():
    found = compare(sweep((1, 4, 8)), sweep((8, 4, 2)), "b.json")
    assert [(s.load, s.a, s.b) for s in found.stages] == [("4 at a time", 1, 1), ("8 at a time", 2, 0)]
    assert found.unmatched == ("1 at a time: only in the first", "2 at a time: only in b.json")


def test_repeated_stages_go_with_each_other_in_their_order():
    found = compare(sweep((4, 4)), sweep((4, 4, 4)), "b.json")
    assert [(s.a, s.b) for s in found.stages] == [(0, 0), (1, 1)]
    assert found.unmatched == ("4 at a time: only in b.json",)


def test_runs_of_one_workload_are_not_refused_though_they_differ_in_how_long_they_ran():
    a, b = run(64, 8, 1), run(64, 8, 2)
    assert unlike(a, b) == ()
    longer = Load(concurrency=8, duration_s=60.0, max_tokens=24, warmup_s=5.0, seed=3)
    assert unlike(a, b.model_copy(update={"stages": (stage(b.stages[0].traces, load=longer),)})) == ()


def test_a_run_that_sent_only_the_beginning_of_the_same_words_is_of_one_workload_and_it_is_said():
    a, b = run(64, 8, 1), run(32, 8, 2)
    assert a.prompts.digest != b.prompts.digest
    assert unlike(a, b) == ()
    (note,) = compare(a, b, "b.json").stages[0].notes
    assert note == "one run sent only the beginning of the other's prompts: 64 / 32"
    # Another version may write other words for the same seed.
    (why,) = unlike(a, b.model_copy(update={"infercli_version": "0.2.0"}))
    assert "with other digests" in why
    assert compare(a, run(64, 8, 2), "b.json").stages[0].notes == ()


@pytest.mark.parametrize(
    "change",
    [
        {"source": "synthetic (64 words, seed 1)"},
        {"source": "workload chat, seed 0; first prompts of 64 tokens"},
        {"count": 16},  # sent more than once
    ],
)
def test_what_may_be_other_prompts_is_refused(change):
    b = run(32, 8, 2)
    other = b.model_copy(update={"prompts": b.prompts.model_copy(update=change)})
    assert "with other digests" in unlike(run(64, 8, 1), other)[0]


def test_where_a_latency_drifted_none_of_its_quantiles_is_told():
    # The median drifts; the slowest tenth, spread evenly over the run, does not, and is slower in the second run.
    def climbing(step, slowest):
        gaps = [0.1 + i * step if i % 10 else slowest + (i % 7) * 0.03 for i in range(400)]
        traces = [trace(2.0 * i, (2.0 * i + gap,)) for i, gap in enumerate(gaps)]
        return result(stage(traces, load=Load(concurrency=1, requests=400)))

    found = by_metric(compare(climbing(0.0001, 1.0), climbing(0.0004, 1.1), "b.json"))
    assert found["ttft_p50_s"].verdict == "not steady"
    assert (found["ttft_p95_s"].verdict, found["ttft_p95_s"].better) == ("not steady", None)
    assert found["ttft_p95_s"].low > 0
    assert found["ttft_p95_s"].reason == found["ttft_p50_s"].reason


def test_every_reason_why_two_runs_are_not_of_one_workload_is_given():
    a = run(64, 8, 1)
    load = Load(concurrency=8, requests=64, max_tokens=32, temperature=1.0)
    other = result(
        stage(served(64, 8, 2), load=load),
        prompts=12,
        target=BenchTarget(url="http://h", model="other", api="completions"),
    )
    source = "synthetic (64 words, seed 0)"
    assert unlike(a, other) == (
        "model: Qwen/Qwen3-0.6B / other",
        "API: chat / completions",
        f"prompts: {source}, 64 prompts / {source}, 12 prompts, with other digests",
        "8 at a time: max_tokens 24 / 32",
        "8 at a time: temperature 0.0 / 1.0",
    )
    assert compare(a, other, "b.json").forced == unlike(a, other)


def test_the_base_model_is_not_compared_with_adapters():
    a, b = result(stage(served(64, 8, 1)), prompts=64), result(stage(served(64, 8, 2)), prompts=80)
    assert unlike(a, b) == ()
    source = b.prompts.source + "; spread over sql=1, base=3"
    spread = b.model_copy(update={"prompts": b.prompts.model_copy(update={"source": source})})
    assert unlike(a, spread) == (f"prompts: {a.prompts.source}, 64 prompts / {source}, 80 prompts, with other digests",)


def test_digests_of_two_machines_say_nothing_but_the_words_that_a_seed_decides_are_the_same():
    a = run(8, 2, 1)
    b = result(*a.stages, key=bytes(range(32, 64)))
    assert unlike(a, b) == ()
    for source in ("synthetic (64 words, seed 1)", "workload chat"):
        other = b.model_copy(update={"prompts": b.prompts.model_copy(update={"source": source})})
        (said,) = unlike(a, other)
        assert said.startswith("prompts: measured on two machines, or with two state folders")
    chat = a.model_copy(update={"prompts": a.prompts.model_copy(update={"source": source})})
    assert unlike(chat, other) != ()


def test_no_load_in_common_is_a_reason_and_forced_they_are_compared_in_their_order():
    a, b = run(64, 8, 1), run(64, 16, 2)
    assert unlike(a, b) == ("load: 8 at a time / 16 at a time",)
    assert [s.load for s in compare(a, b, "b.json").stages] == ["8 at a time / 16 at a time"]
    assert compare(sweep((1, 2)), run(64, 8, 1), "b.json").stages == ()


def test_a_ramp_is_as_steep_as_it_is_long():
    def ramp(duration_s):
        load = Load(arrivals="poisson", rate_per_s=1, ramp_to_per_s=5, duration_s=duration_s)
        return result(stage(served(40, 4, 1), load=load))

    assert unlike(ramp(60.0), ramp(30.0)) == ("1 to 5 requests/s: duration_s 60.0 / 30.0",)


def test_goodput_under_other_objectives_is_left_out_and_said():
    a = run(64, 8, 1)
    b = run(64, 8, 2, objectives=Objectives(objectives=(parse_objective("e2e_p95=2s"),)))
    found = compare(a, b, "b.json")
    assert "good_requests_per_s" not in by_metric(found)
    assert found.stages[0].notes == ("goodput is left out: the runs have other objectives",)


def test_a_run_that_found_the_other_ones_prompts_in_the_cache_is_said_beside_it():
    def cached(tokens):
        (level,) = run(64, 8, 1).stages
        return result(
            stage([t.model_copy(update={"prompt_tokens": 64, "cached_tokens": tokens}) for t in level.traces])
        )

    note = "the prefix cache held 0% of the first run's prompts and 100% of the second's"
    assert any(note in said for said in compare(cached(0), cached(64), "b.json").stages[0].notes)
    assert not any("cache" in said for said in compare(cached(0), cached(4), "b.json").stages[0].notes)
    assert not any("cache" in said for said in compare(cached(None), cached(64), "b.json").stages[0].notes)


def test_what_makes_a_run_unfit_to_be_compared_is_said_beside_it():
    a = run(64, 8, 1, failing=16)
    busy = client(busiest_cpu_fraction=0.97, proxy="squid.corp:3128")
    b = result(
        stage(
            served(64, 8, 2),
            load=a.stages[0].load,
            objectives=OBJECTIVES,
            client=busy,
            stopped=Stop(kind="interrupted"),
        ),
        objectives=OBJECTIVES,
    )
    assert compare(a, b, "b.json").stages[0].notes == (
        "first: 4 of 64 requests failed: latencies are of those that were answered",
        "second: the client was the limit: a worker used 97% of a core, the limit is 90%",
        "second: every request went through the proxy squid.corp:3128",
        "second: not complete: interrupted",
    )

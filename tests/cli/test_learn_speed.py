"""infercli learn of benchmarks: what was measured here beside what was predicted, said where the load is alike."""

from __future__ import annotations

import json

import pytest

from infercli.cli.planned import with_plan
from infercli.core.bench.learned_speed import as_sent, question_of
from infercli.core.bench.result import BenchResult, BenchTarget
from infercli.core.bench.self_check import Client
from infercli.core.bench.stage import stage_result
from infercli.core.documents.plan import Plan
from infercli.core.load.conversation import PrefixSent, digest_conversations, single
from infercli.core.telemetry.gpus import GpuSamples, GpuTelemetry, Telemetry
from infercli.core.traces import Load, Stop, Trace
from infercli.errors import ExitCode
from tests.core.results import engine

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
ENGINE = ("--gpu", "H100", "--engine-version", "0.29.0", "--tensor-parallel-size", 1)
LOAD = ("--input-len", 1000, "--output-len", 300, "--num-prompts", 8, "--length-spread-fraction", 0)
NO_SAMPLES = GpuSamples(
    at_s=(), memory_used_bytes=(), power_w=(), busy_fraction=(), sm_clock_mhz=(), temperature_c=()
)  # fmt: skip


def trace(number, ttft_s, prompt_tokens=1000):
    """300 tokens, the first after `ttft_s` and all others 20 ms apart: the last is 299 x 0.02 = 5.98 s later."""
    return Trace(
        request=number, conversation=0, intended_s=0.0, sent_s=0.0, arrivals_s=(ttft_s, ttft_s + 5.98), frames=(1, 299),
        lags_s=(None, None), ended_s=ttft_s + 5.98, prompt_tokens=prompt_tokens, completion_tokens=300, status=200,
    )  # fmt: skip


CLIENT = Client(
    infercli_version="1", python="3.11", cpu=None, cpus=2, kernel="6", clock="kernel", wall_s=7.0, cpu_s=1.0,
    reads=4, unstamped_reads=0, reconnects=0, pacing="timerfd", workers=1, busiest_cpu_fraction=0.1,
)  # fmt: skip


EIGHT_USERS = (Load(concurrency=8, requests=8),)


def level(traces, load, *, stopped=None, busy=0.1):
    client = CLIENT.model_copy(update={"busiest_cpu_fraction": busy})
    return stage_result(load, client, traces, began_s=0.0, ended_s=7.0, stopped=stopped)


def result(
    ttft_s=0.5,
    *,
    loads=EIGHT_USERS,
    stage=None,
    prompt_tokens=1000,
    model=LLAMA,
    gpu=None,
    url="http://127.0.0.1:8000",
    **more,
):
    stage = stage or {}
    traces = tuple(trace(i, ttft_s, prompt_tokens) for i in range(8))
    telemetry = Telemetry(
        interval_s=1, window_s=1, driver_version=None,
        gpus=(GpuTelemetry(index=0, name=gpu, memory_total_bytes=None, samples=NO_SAMPLES, energy_j=None),),
    )  # fmt: skip
    watched = {"telemetry": telemetry} if gpu else {"telemetry_reason": "no GPU telemetry: none here"}
    fields = {
        "infercli_version": "1",
        "started_at": "2026-11-21T00:00:00+00:00",
        "target": BenchTarget(url=url, model=model, api="chat"),
        "origin_monotonic_ns": 1,
        "prompts": digest_conversations([single("a")], "test", bytes(32)),
        "stages": tuple(level(traces, load, **stage) for load in loads),
    }
    return BenchResult(**(fields | watched | more))


@pytest.fixture
def bench(tmp_path):
    def write(name, **changes):
        (tmp_path / name).write_text(result(**changes).model_dump_json())
        return name

    return write


def estimate(infercli, *words, concurrency=8):
    ran = infercli("estimate", "--model", LLAMA, "--gpu", "H100", *LOAD, "--concurrency", concurrency, *words)
    assert ran.code == ExitCode.YES, ran.err
    return json.loads(ran.out)


def said(answer):
    return [note for note in answer["notes"] if note.endswith("of your runs")]


def test_what_was_measured_is_said_beside_what_was_predicted(infercli, bench):
    ran = infercli("learn", bench("a.json"), *ENGINE)
    assert ran.code == ExitCode.YES, ran.err
    answer = estimate(infercli)
    predicted = answer["speed"]["output_tok_per_s"]["value"]
    # 8 x 300 tokens, from the first sending to the last token after 0.5 + 5.98 s: 2,400 / 6.48 = 370.4
    output, ttft, tpot = said(answer)
    assert output == f"output: predicted {predicted:,.1f} tok/s, 370.4 from 1 of your runs"
    assert ttft.endswith(" ms, 500.0 from 1 of your runs")
    assert tpot.endswith(" ms, 20.0 from 1 of your runs")
    table = infercli("learn", "--show").out
    assert "tpot_s" in table
    assert "0.02" in table


@pytest.mark.parametrize(("tokens", "spread"), [((300, 300), 0.0), ((200, 400), 100 / 300)])
def test_how_far_the_lengths_of_answers_lay_apart_is_part_of_the_question(tokens, spread):
    traces = [trace(i, 0.5).model_copy(update={"completion_tokens": n}) for i, n in enumerate(tokens)]
    stage = level(traces, EIGHT_USERS[0])
    known = {"gpu": "H100", "engine_version": "0.29.0", "tensor_parallel_size": 1}
    load = question_of(result(), stage, None, known)["workload"]
    assert load["length_spread_fraction"] == pytest.approx(spread)
    assert load["length_shape"] == "skewed"


def test_several_runs_are_their_mean_with_the_spread(infercli, bench):
    infercli("learn", bench("a.json", ttft_s=0.4), bench("b.json", ttft_s=0.6), *ENGINE)
    # mean of 400 and 600, standard deviation sqrt(2) x 100
    assert said(estimate(infercli))[1].endswith(" ms, 500.0 +- 141.4 from 2 of your runs")


def test_other_loads_and_other_kinds_of_run_are_left_alone(infercli, bench):
    infercli("learn", bench("a.json"), *ENGINE)
    assert len(said(estimate(infercli, concurrency=16))) == 3  # a factor of two
    assert not said(estimate(infercli, concurrency=17))
    assert not said(estimate(infercli, "--output-len", 601))
    assert not said(estimate(infercli, "--tensor-parallel-size", 2))
    assert not said(estimate(infercli, "--engine-version", "0.19.0"))
    assert not said(estimate(infercli, "--prefix-hit-fraction", 0.5))
    assert len(said(estimate(infercli, "--gpu-count", 2, concurrency=32))) == 3  # two replicas, a factor of two each
    assert not said(estimate(infercli, "--gpu-count", 2, concurrency=34))


@pytest.mark.parametrize(("seen", "learned"), [(3, False), (4, True)])
def test_a_tpot_that_few_answers_show_is_not_learned(infercli, tmp_path, seen, learned):
    # The others came in one read each: when their tokens were made is not known.
    whole = {"arrivals_s": (6.48,), "frames": (300,), "lags_s": (None,)}
    traces = [trace(i, 0.5).model_copy(update={} if i < seen else whole) for i in range(8)]
    buffered = result().model_copy(update={"stages": (level(traces, EIGHT_USERS[0]),)})
    (tmp_path / "a.json").write_text(buffered.model_dump_json())
    ran = infercli("learn", "a.json", *ENGINE, "-o", "json")
    assert ran.code == ExitCode.YES, ran.err
    (run,) = json.loads(ran.out)["runs"]
    names = [speed["quantity"] for speed in run["speeds"]]
    assert names == ["output_tok_per_s", "ttft_s", *(["tpot_s"] if learned else [])]


def test_deleting_the_file_forgets(infercli, bench, tmp_path):
    infercli("learn", bench("a.json"), *ENGINE)
    (tmp_path / "infercli-learned.json").unlink()
    assert not said(estimate(infercli))


def test_the_gpu_that_was_watched_on_the_same_machine_needs_no_flag(infercli, bench):
    ran = infercli("learn", bench("a.json", gpu="NVIDIA H100 80GB HBM3"), *ENGINE[2:])
    assert ran.code == ExitCode.YES, ran.err
    elsewhere = bench("b.json", gpu="NVIDIA H100 80GB HBM3", url="http://chat.example:8000")
    ran = infercli("learn", elsewhere, *ENGINE[2:])
    assert (ran.code, "does not say gpu" in ran.err) == (ExitCode.USAGE, True)


@pytest.mark.parametrize(
    ("changes", "words", "expected"),
    [
        ({}, (), "does not say gpu or engine_version or tensor_parallel_size"),
        ({}, ENGINE[:4], "does not say tensor_parallel_size"),
        ({"model": "chat"}, ENGINE, "unknown model `chat`\nhint: --model names it as `infercli models` lists it"),
        ({"stage": {"stopped": Stop(kind="interrupted")}}, ENGINE, "the run is not complete: interrupted"),
        ({"prompt_tokens": None}, ENGINE, "sent no `usage`"),
        ({"stage": {"busy": 0.99}}, ENGINE, "the client was the limit"),
    ],
)
def test_what_a_result_does_not_say_is_asked_for(infercli, bench, changes, words, expected):
    ran = infercli("learn", bench("a.json", **changes), *words)
    assert ran.code == ExitCode.USAGE
    assert expected in ran.err
    assert ran.err.startswith("error: a.json: ")


def test_a_run_of_which_requests_failed_is_not_learned(infercli, bench):
    failed = trace(0, 0.5).model_copy(update={"error": "timeout", "completion_tokens": None})
    stage = level([failed, *(trace(i, 0.5) for i in range(1, 8))], EIGHT_USERS[0])
    ran = infercli("learn", bench("a.json", stages=(stage,)), *ENGINE)
    assert ran.code == ExitCode.USAGE
    assert "a.json: 1 of 8 requests failed" in ran.err


def test_a_run_of_embeddings_is_not_said_to_lack_usage(infercli, bench):
    embedded = {"arrivals_s": (), "frames": (), "lags_s": (), "completion_tokens": None}
    stage = level([trace(i, 0.5).model_copy(update=embedded) for i in range(8)], EIGHT_USERS[0])
    ran = infercli("learn", bench("a.json", stages=(stage,)), *ENGINE)
    assert ran.code == ExitCode.USAGE
    assert "a.json: its answers have no tokens" in ran.err


def test_a_run_that_asked_adapters_teaches_nothing_of_the_model(infercli, bench, tmp_path):
    (level,) = result().stages
    traces = tuple(t.model_copy(update={"model": "sql" if i % 4 == 0 else None}) for i, t in enumerate(level.traces))
    ran = infercli("learn", bench("lora.json", stages=(level.model_copy(update={"traces": traces}),)), *ENGINE)
    assert ran.code == ExitCode.USAGE
    assert f"lora.json: some requests asked sql and not {LLAMA}" in ran.err
    assert not (tmp_path / "infercli-learned.json").exists()


def test_conversations_teach_nothing_since_their_users_pause(infercli, bench):
    (level,) = result().stages
    traces = tuple(t.model_copy(update={"turn": i % 2}) for i, t in enumerate(level.traces))
    ran = infercli("learn", bench("agent.json", stages=(level.model_copy(update={"traces": traces}),)), *ENGINE)
    assert ran.code == ExitCode.USAGE
    assert "agent.json: conversations were sent" in ran.err


@pytest.mark.parametrize(("cached", "learned"), [(500, True), (510, False), (None, True)])
def test_prompts_that_were_mostly_cached_teach_nothing(infercli, bench, cached, learned):
    (level,) = result().stages
    traces = tuple(t.model_copy(update={"cached_tokens": cached}) for t in level.traces)
    ran = infercli("learn", bench("a.json", stages=(level.model_copy(update={"traces": traces}),)), *ENGINE)
    assert ran.code == (ExitCode.YES if learned else ExitCode.USAGE), ran.err
    assert ("51% of the prompts' tokens were in the prefix cache" in ran.err) != learned


@pytest.mark.parametrize(("hits", "sent_before", "learned"), [(9_000, 0, False), (None, 7, False), (1_000, 7, True)])
def test_what_was_cached_is_known_by_the_engine_or_by_the_prefix_that_was_sent(
    infercli, bench, hits, sent_before, learned
):
    said = engine(7.0).model_copy(update={"prefix_cache_query_tokens": 10_000, "prefix_cache_hit_tokens": hits})
    prefix = PrefixSent(tokens=900, first_prompts=8, sent_before=sent_before)
    prompts = digest_conversations([single("a")], "test", bytes(32)).model_copy(update={"prefix": prefix})
    ran = infercli("learn", bench("a.json", engines=(said,), prompts=prompts), *ENGINE)
    assert ran.code == (ExitCode.YES if learned else ExitCode.USAGE), ran.err


def test_a_plan_names_the_engine(infercli, bench, tmp_path):
    ran = infercli("plan", LLAMA, "--profile", "l4", "-o", "json")
    assert ran.code in (ExitCode.YES, ExitCode.NO), ran.err
    (tmp_path / "plan.json").write_text(ran.out)
    plan = json.loads(ran.out)
    ran = infercli("learn", bench("a.json", model="chat"), "--plan", "plan.json", "-o", "json")
    assert ran.code == ExitCode.YES, ran.err
    (run,) = json.loads(ran.out)["runs"]
    args = plan["engine"]["engine_args"]
    assert (run["model"], run["gpu"], run["tensor_parallel_size"]) == (LLAMA, "L4", args["tensor_parallel_size"])
    assert run["quantization"] == plan["engine"]["quantization"]
    assert run["load"] == {"concurrency": 8, "input_len": 1000, "output_len": 300}


def test_of_several_replicas_each_had_its_share_of_the_load(infercli, bench, tmp_path):
    ran = infercli("plan", LLAMA, "--profile", "l4-x4", "--tensor-parallel-size", 1, "--replicas", 2, "-o", "json")
    (tmp_path / "plan.json").write_text(ran.out)
    ran = infercli("learn", bench("a.json", model="chat"), "--plan", "plan.json", "-o", "json")
    assert ran.code == ExitCode.YES, ran.err
    assert json.loads(ran.out)["runs"][0]["load"]["concurrency"] == 4


def test_a_broken_result_names_its_fields(infercli, tmp_path):
    (tmp_path / "a.json").write_text('{"kind": "BenchResult"}')
    ran = infercli("learn", "a.json", *ENGINE)
    assert ran.code == ExitCode.USAGE
    assert "a.json: started_at" in ran.err


def test_every_level_of_a_sweep_teaches_and_one_that_says_nothing_is_named(infercli, bench):
    loads = (Load(concurrency=8, requests=8), Load(arrivals="poisson", rate_per_s=2, requests=8, concurrency=64))
    ran = infercli("learn", bench("a.json", loads=loads), *ENGINE, "-o", "json")
    assert ran.code == ExitCode.YES, ran.err
    runs = json.loads(ran.out)["runs"]
    # 8 requests of 0.5 + 5.98 s each, begun together: 8 in flight all the time, whatever the cap.
    assert [run["load"]["concurrency"] for run in runs] == [8, pytest.approx(8)]
    assert len({run["digest"] for run in runs}) == 2


def test_beside_a_rate_stands_what_is_predicted_of_that_rate(infercli):
    plan = Plan.model_validate_json(infercli("plan", LLAMA, "--profile", "h100", "-o", "json").out)
    # Eight requests of 300 tokens that were in flight together, though only one comes in two seconds.
    load = Load(arrivals="poisson", rate_per_s=0.5, requests=8)
    (said,) = with_plan(result(loads=(load,)), plan).predicted
    assert said.output_tokens_per_s.low < 0.5 * 300 < said.output_tokens_per_s.high


def test_of_loads_that_no_estimate_knows_what_was_in_flight_is_asked():
    question = {"workload": {"input_len": 9, "concurrency": 2.5}}
    steady = {"arrivals": "poisson", "rate_per_s": 4.0}
    assert as_sent(question, Load(**steady, requests=9))["workload"] == {"input_len": 9, "request_rate": 4.0}
    for load in (
        Load(concurrency=3, requests=9),
        Load(**steady, ramp_to_per_s=8.0, duration_s=9.0),
        Load(**steady, requests=9, concurrency=3),
        Load(arrivals="trace"),
    ):
        assert as_sent(question, load) == question

"""Exports against the structure of the formats, and against numbers that are worked out by hand."""

from __future__ import annotations

import csv
import io
import json
import time

import jsonschema
import pytest

from infercli.core.traces import Load
from infercli.report import export
from tests.core.results import full, hostile, result, run, stage, sweep, trace

STATISTICS = {
    "type": "object",
    "required": ["units", "mean"],
    "additionalProperties": False,
    "properties": {
        "units": {"enum": ["count", "s", "s/token", "tokens/s", "queries/s"]},
        **{
            name: {"type": "number"}
            for name in (
                "mean",
                "stddev",
                "min",
                "p0p1",
                "p1",
                "p5",
                "p10",
                "p25",
                "p50",
                "p75",
                "p90",
                "p95",
                "p99",
                "p99p9",
                "max",
            )
        },
    },
}


def statistics(*units):
    return {**STATISTICS, "properties": {**STATISTICS["properties"], "units": {"enum": list(units)}}}


def strict(properties, *required):
    return {"type": "object", "additionalProperties": False, "required": list(required), "properties": properties}


def series(*units):
    point = strict({name: {"type": "number"} for name in ("value", "p50", "p95")} | {"ts": {"type": "string"}}, "ts")
    return strict({"units": {"enum": list(units)}, "series": {"type": "array", "items": point}}, "units", "series")


LENGTH = strict(
    {"distribution": {"enum": ["fixed", "gaussian", "uniform", "other"]}, "value": {"type": "number", "minimum": 0},
     "min": {"type": "integer"}, "max": {"type": "integer", "minimum": 1}},
    "distribution", "value",
)  # fmt: skip
LOAD = strict(
    {
        "metadata": strict({"schema_version": {}, "cfg_id": {"type": "string"}, "description": {"type": "string"}}),
        "standardized": strict(
            {"tool": {"type": "string"}, "tool_version": {"type": "string"},
             "parallelism": {"type": "integer", "minimum": 1},
             "source": {"enum": ["random", "sampled", "unknown"]}, "stage": {"type": "integer", "minimum": 0},
             "input_seq_len": LENGTH, "output_seq_len": LENGTH, "multi_turn": strict({"enabled": {"const": True}}),
             "rate_qps": {"type": "number", "exclusiveMinimum": 0}, "concurrency": {"type": "integer", "minimum": 1}},
            "tool", "tool_version", "source", "input_seq_len",
        ),
        "native": strict({"config": {}}),
    },
    "metadata", "standardized", "native",
)  # fmt: skip
PER_TOKEN, TIME, TOKENS, QUERIES = (
    statistics("s/token"),
    statistics("s"),
    statistics("tokens/s"),
    statistics("queries/s"),
)
AGGREGATE = strict({
    "requests": strict(
        {"total": {"type": "integer"}, "failures": {"type": "integer"}, "incomplete": {"type": "integer"},
         "input_length": statistics("count"), "output_length": statistics("count")}, "total"),
    "latency": strict({"time_to_first_token": TIME, "normalized_time_per_output_token": PER_TOKEN,
                       "time_per_output_token": PER_TOKEN, "inter_token_latency": PER_TOKEN, "request_latency": TIME}),
    "throughput": strict({"input_token_rate": TOKENS, "output_token_rate": TOKENS, "total_token_rate": TOKENS,
                          "request_rate": QUERIES}),
})  # fmt: skip
SERIES = strict({
    "latency": strict({"time_to_first_token": series("s"), "time_per_output_token": series("s/token")}),
    "throughput": strict({"output_token_rate": series("tokens/s"), "request_rate": series("queries/s")}),
})  # fmt: skip
REPORT = strict(
    {
        "version": {"const": "0.2"},
        "run": strict({"uid": {"type": "string"}, "eid": {"type": "string"}, "description": {"type": "string"},
                       "time": strict({n: {"type": "string"} for n in ("start", "end", "duration")})}, "uid"),
        "scenario": strict({"load": LOAD}),
        "results": strict({"request_performance": strict({"aggregate": AGGREGATE, "time_series": SERIES})}),
    },
    "version", "run", "results",
)  # fmt: skip
"""The part of llm-d's Benchmark Report v0.2 that is written here, none of whose objects takes a key that it does not
know (llmdbenchmark/analysis/benchmark_report/schema_v0_2.py in llm-d/llm-d-benchmark, with the units of base.py)."""

NOBODY = result(stage([trace(0, sent_s=None, error="connect", ended_s=0.1)]))
EMBEDDINGS = result(stage([trace(float(i), ended_s=i + 0.5, prompt_tokens=7) for i in range(3)]))


@pytest.mark.parametrize(
    "bench", [run(40, 4), sweep((1, 2)), full(run(40, 4)), run(40, 4, failing=5), hostile(), NOBODY, EMBEDDINGS]
)
def test_a_benchmark_report_has_the_structure_of_its_schema(bench):
    for n in range(len(bench.stages)):
        written = export.llm_d(bench, n)
        jsonschema.validate(written, REPORT)
        json.dumps(written, allow_nan=False)


def test_a_benchmark_report_says_what_was_measured_in_seconds():
    # Two requests: TTFT 0.25 and 0.5; 4 gaps of 0.25; the second ends at 2.5.
    bench = result(
        stage(
            [trace(0.0, (0.25, 0.5, 0.75), tokens=3, prompt_tokens=10),
             trace(1.0, (1.5, 1.75, 2.5), tokens=3, prompt_tokens=30)],
            load=Load(arrivals="poisson", rate_per_s=2.0, requests=2, ignore_eos=True, max_tokens=3),
        )
    )  # fmt: skip
    written = export.llm_d(bench, 0)
    aggregate = written["results"]["request_performance"]["aggregate"]
    assert aggregate["requests"]["total"] == 2
    assert aggregate["requests"]["input_length"]["mean"] == 20
    ttft = aggregate["latency"]["time_to_first_token"]
    assert (ttft["mean"], ttft["p50"], ttft["min"], ttft["max"], ttft["stddev"]) == (0.375, 0.375, 0.25, 0.5, 0.125)
    # (0.75 - 0.25) / 2 and (2.5 - 1.5) / 2
    assert aggregate["latency"]["time_per_output_token"]["mean"] == 0.375
    assert aggregate["latency"]["normalized_time_per_output_token"]["mean"] == pytest.approx((0.75 / 3 + 1.5 / 3) / 2)
    assert aggregate["throughput"]["output_token_rate"] == {"units": "tokens/s", "mean": 6 / 2.5}
    assert aggregate["throughput"]["total_token_rate"]["mean"] == 46 / 2.5
    load = written["scenario"]["load"]["standardized"]
    assert load["rate_qps"] == 2.0
    assert "concurrency" not in load
    assert load["input_seq_len"] == {"distribution": "other", "value": 20.0, "min": 10, "max": 30}
    assert load["output_seq_len"] == {"distribution": "fixed", "value": 3, "min": 3, "max": 3}
    assert written["run"]["time"]["start"] == "2026-11-21T08:52:06+00:00"


def test_every_level_of_a_run_has_a_report_of_its_own_in_one_experiment():
    bench = sweep((1, 2))
    one, two = (export.llm_d(bench, n)["run"] for n in range(2))
    assert one["eid"] == two["eid"]
    assert one["uid"] != two["uid"]
    assert one["time"]["end"] <= two["time"]["start"]
    assert export.llm_d(bench, 0)["run"] == one
    seen = export.llm_d(bench, 1)["results"]["request_performance"]["time_series"]["throughput"]["request_rate"]
    assert two["time"]["start"] <= seen["series"][0]["ts"] < two["time"]["end"]
    mean = sum(point["value"] for point in seen["series"]) / len(seen["series"])
    second = bench.stages[1]
    assert mean == pytest.approx(len(second.traces) / (second.ended_s - second.began_s), rel=0.05)


def test_what_was_no_part_of_the_measuring_or_failed_or_was_cut_is_counted_where_it_belongs():
    bench = result(
        stage(
            [
                trace(0.0, (5.0,), tokens=1, phase="warmup"),
                *[trace(0.0, (ttft_s, ttft_s + 0.25), tokens=2) for ttft_s in (0.25, 0.25, 1.0)],
                trace(0.0, (0.25, 0.75), error="truncated"),
                trace(0.0, (0.5,), cut=True),
            ],
            load=Load(concurrency=2, requests=5),
        )
    )
    requests = export.llm_d(bench, 0)["results"]["request_performance"]["aggregate"]["requests"]
    assert (requests["total"], requests["failures"], requests["incomplete"]) == (5, 1, 1)
    written = export.vllm(bench, 0)
    assert (written["num_prompts"], written["completed"], written["failed"]) == (4, 3, 1)
    assert written["ttfts"] == [0.25, 0.25, 1.0, None]
    assert written["itls"] == [[0.25], [0.25], [0.25], []]
    assert (written["mean_ttft_ms"], written["median_ttft_ms"]) == (500.0, 250.0)


def test_prompts_of_unknown_length_leave_the_load_out_that_would_need_it():
    bench = result(stage([trace(0.0, (1.0,))]))
    assert "scenario" not in export.llm_d(bench, 0)
    assert "input_token_rate" not in export.llm_d(bench, 0)["results"]["request_performance"]["aggregate"]["throughput"]


def test_what_nobody_decided_is_not_said_of_the_load():
    asked = Load(arrivals="poisson", rate_per_s=5, requests=1, multi_turn=True)
    bench = result(stage([trace(0.0, (1.0,), prompt_tokens=9)], load=asked))
    assert not {"output_seq_len", "rate_qps"} & set(export.llm_d(bench, 0)["scenario"]["load"]["standardized"])


def test_percentiles_are_those_of_their_names():
    said = export._statistics("a", "s", [float(i) for i in range(1001)])["a"]
    assert [said[name] for name in ("p0p1", "p1", "p5", "p50", "p99", "p99p9")] == [1, 10, 50, 500, 990, 999]


VLLM = [
    "date",
    "endpoint_type",
    "backend",
    "label",
    "model_id",
    "tokenizer_id",
    "num_prompts",
    "request_rate",
    "burstiness",
    "max_concurrency",
    "duration",
    "completed",
    "failed",
    "total_input_tokens",
    "total_output_tokens",
    "request_throughput",
    "request_goodput",
    "output_throughput",
    "total_token_throughput",
    "input_lens",
    "output_lens",
    "ttfts",
    "itls",
    "latencies",
    "start_times",
    "queue_times",
    "errors",
    "max_output_tokens_per_s",
    "max_concurrent_requests",
]
"""Fields of `vllm bench serve --save-result --save-detailed` (vllm/benchmarks/serve.py, 0.29 to 0.33)."""


def test_a_benchmark_report_says_what_each_answer_might_have_and_where_prompts_come_from():
    asked = [trace(0.0, (0.5,), tokens=1, prompt_tokens=9, max_tokens=n) for n in (100, 300)]
    bench = result(stage(asked, load=Load(concurrency=1, requests=2, ignore_eos=True)))
    used = bench.prompts.model_copy(update={"source": "synthetic, seed 0; first prompts of 9 tokens"})
    said = export.llm_d(bench.model_copy(update={"prompts": used}), 0)["scenario"]["load"]["standardized"]
    assert said["output_seq_len"] == {"distribution": "other", "value": 200, "min": 100, "max": 300}
    assert said["source"] == "random"


def test_a_vllm_file_has_its_fields_in_their_units():
    bench = result(
        stage(
            [
                trace(0.0, (0.25, 0.5), tokens=2, prompt_tokens=10),
                trace(0.125, (0.625, 0.75), tokens=2, prompt_tokens=20, intended_s=0.0),
                trace(0.0, status=429, error="http", message="slow down", ended_s=0.5),
            ],
            load=Load(concurrency=2, requests=3),
        )
    )
    written = export.vllm(bench, 0)
    assert list(written)[: len(VLLM)] == VLLM
    assert written["date"] == "20261121-085206"
    assert (written["endpoint_type"], written["model_id"]) == ("openai-chat", "Qwen/Qwen3-0.6B")
    assert (written["request_rate"], written["burstiness"], written["max_concurrency"]) == ("inf", 1.0, 2)
    assert (written["num_prompts"], written["completed"], written["failed"]) == (3, 2, 1)
    assert written["duration"] == 0.75
    assert written["output_throughput"] == pytest.approx(4 / 0.75)
    assert written["total_token_throughput"] == pytest.approx(34 / 0.75)
    # Arrays are in seconds, what ends in _ms is not; a failure has no length and no time, and neither is 0.
    assert written["ttfts"] == [0.25, 0.5, None]
    assert written["itls"] == [[0.25], [0.125], []]
    assert written["latencies"] == [0.5, 0.625, None]
    assert written["output_lens"] == [2, 2, None]
    assert written["queue_times"] == [0.0, 0.125, 0.0]
    assert written["errors"] == ["", "", "slow down"]
    assert (written["mean_ttft_ms"], written["median_ttft_ms"], written["std_ttft_ms"]) == (375.0, 375.0, 125.0)
    assert written["p90_ttft_ms"] == pytest.approx(475.0)
    assert written["p99_e2el_ms"] == pytest.approx(500 + 0.99 * 125)
    # All four tokens fall into the first second; both flew at once between 0.125 and 0.5.
    assert (written["max_output_tokens_per_s"], written["max_concurrent_requests"]) == (4.0, 2)
    assert written["request_goodput"] is None
    assert not {"rtfx", "generated_texts"} & set(written)


def test_the_busiest_second_is_counted_from_the_first_sending():
    late = result(stage([trace(10.5, (10.75, 11.25), tokens=2), trace(10.5, (12.0,), tokens=1)]))
    assert export.vllm(late, 0)["max_output_tokens_per_s"] == 2.0


@pytest.mark.parametrize(
    ("load", "rate", "burstiness"),
    [
        (Load(arrivals="poisson", rate_per_s=5, requests=1), 5.0, 1.0),
        (Load(arrivals="constant", rate_per_s=5, requests=1), 5.0, "inf"),
        (Load(arrivals="gamma", rate_per_s=5, requests=1, burstiness=0.5), 5.0, 0.5),
        (Load(arrivals="trace"), None, None),
        (Load(arrivals="poisson", rate_per_s=5, requests=1, multi_turn=True), None, 1.0),
        (Load(arrivals="poisson", rate_per_s=1, ramp_to_per_s=9, duration_s=9), "inf", 1.0),
    ],
)
def test_open_loops_are_said_in_vllms_words(load, rate, burstiness):
    written = export.vllm(result(stage([trace(0.0, (1.0,))], load=load)), 0)
    assert (written["request_rate"], written["burstiness"]) == (rate, burstiness)
    if load.ramp_to_per_s:
        assert (written["ramp_up_strategy"], written["ramp_up_start_rps"], written["ramp_up_end_rps"]) == (
            "linear",
            1,
            9,
        )


def test_what_nobody_answered_has_no_latencies_instead_of_zeros():
    written = export.vllm(NOBODY, 0)
    assert not [name for name in written if name.endswith("_ms")]
    assert (written["duration"], written["output_throughput"], written["max_output_tokens_per_s"]) == (None, None, None)


def rows(*benches):
    text = export.csv_rows([(f"{n}.json", b) for n, b in enumerate(benches)])
    return list(csv.DictReader(io.StringIO(text)))


def test_every_request_is_a_row_on_the_clock_of_the_run():
    bench = sweep((1, 2), requests=8)
    found = rows(bench, run(8, 2))
    assert len(found) == 24
    assert [r["file"] for r in found[15:17]] == ["0.json", "1.json"]
    second = bench.stages[1]
    assert found[8]["load"] == "2 at a time"
    assert float(found[8]["sent_s"]) == pytest.approx(second.began_s + second.traces[0].sent_s)
    assert float(found[8]["due_s"]) == pytest.approx(second.began_s + second.traces[0].intended_s)
    assert float(found[8]["ttft_s"]) == second.traces[0].arrivals_s[0] - second.traces[0].sent_s


def test_differences_of_times_are_to_the_nanosecond():
    made = result(stage([trace(0.300001, (0.30128, 0.5), intended_s=0.3)]))
    # 0.30128 - 0.300001 is 0.0012789999999999746.
    (row,) = rows(made)
    assert (row["ttft_s"], row["wait_s"]) == ("0.001279", "1e-06")


def test_tokens_that_were_counted_and_never_sent_have_a_column():
    (row,) = rows(result(stage([trace(0.0, (1.0, 2.0), completion_tokens=7, hidden_tokens=5)])))
    assert (row["output_tokens"], row["hidden_tokens"], row["token_frames"]) == ("7", "5", "2")


def test_an_unknown_cell_is_empty():
    (row,) = rows(NOBODY)
    assert (row["outcome"], row["sent_s"], row["ttft_s"], row["output_tokens"], row["status"]) == (
        "connect",
        "",
        "",
        "",
        "200",
    )


def test_no_cell_is_a_formula():
    for row in rows(hostile()):
        assert not [cell for cell in row.values() if cell[:1] in ("=", "+", "@") or cell.startswith("-")]
    assert any(row["message"].startswith("'=cmd|") for row in rows(hostile()))
    assert [export._cell(text) for text in ("\t=1+1", "\r=1+1", "-1", "a=1")] == ["'\t=1+1", "'\r=1+1", "'-1", "a=1"]


def test_the_busiest_second_of_many_requests_is_found_at_once():
    traces = [trace(sent=i / 100, arrivals=[i / 100 + 0.5, i / 100 + 1.5]) for i in range(20_000)]
    began_s = time.process_time()
    assert export._busiest_second(traces) == 200  # 100 are sent a second, each with two tokens a second apart
    assert time.process_time() - began_s < 3  # looking for the first of them at each token took 14 s

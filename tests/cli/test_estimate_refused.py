"""What infercli estimate says of lines and flags that are wrong."""

from __future__ import annotations

import json

import pytest

from infercli.errors import ExitCode
from tests.cli.test_estimate import EAGLE3, GOOD, LLAMA, LOAD, llama_config


def test_a_bad_line_is_one_error_with_its_number_and_stops_nothing(piped):
    code, answers = piped(GOOD, b"{not json", b"", GOOD | {"gpu": "H1000"}, [1], b"\xff\xfe", GOOD)
    assert code == ExitCode.COULD_NOT
    kinds = [(a["kind"], a["line"]) for a in answers]
    assert kinds == [
        ("Estimate", 1), ("EstimateError", 2), ("EstimateError", 4), ("EstimateError", 5), ("EstimateError", 6),
        ("Estimate", 7),
    ]  # fmt: skip
    what = answers[1]["problems"][0]["what"]
    assert what == "is not JSON: Expecting property name enclosed in double quotes at column 2"
    assert "`H100`" in answers[2]["hint"]
    assert "UTF-8" in answers[4]["problems"][0]["what"]


def test_what_is_wrong_on_a_command_line_is_said_of_the_flag(infercli):
    ran = infercli("estimate", "--model", LLAMA, "--tensor-parallel-size", "3", "--input-len", "9")
    for said in ("--gpu: is missing", "--output-len: is missing", "`infercli estimate --help` lists the flags"):
        assert said in ran.err
    assert "--schema" not in ran.err
    ran = infercli("estimate", "--model", LLAMA, "--gpu", "H100", "--tensor-parallel-size", "3")
    assert "estimate: --tensor-parallel-size: attention heads (32) is not divisible by 3" in ran.err
    ran = infercli("estimate", "--config-path", "nowhere", "--gpu", "H100")
    assert "estimate: --config-path: nowhere: there is no such file" in ran.err
    ran = infercli("estimate", "--model", LLAMA, "--gpu", "H100", "--gpu-memory-gib", "0")
    assert "estimate: --gpu-memory-gib: must be more than 0\n" in ran.err


def test_a_model_that_is_not_known_is_given_by_a_flag_where_it_was_asked_by_one(infercli, piped):
    ran = infercli("estimate", "--model", "nobody/knows", "--gpu", "H100")
    assert "name its config: --config-path FILE" in ran.err
    assert "config_path" not in ran.err
    _, (error,) = piped({"model": "nobody/knows", "gpu": "H100"})
    assert "give its config: config_path, or config itself" in error["hint"]


def test_what_is_missing_is_not_asked_for_by_the_keys_of_a_request(infercli):
    ran = infercli("estimate", "--gpu", "H100")
    assert ran.code == ExitCode.USAGE
    assert ran.err.startswith("error: estimate: --model: is missing, and no config is there instead\n")
    assert "config_path" not in ran.err


@pytest.mark.parametrize(
    ("line", "said"),
    [(b'{"model": ', "Expecting value at column 10"), (b'{"model', "Unterminated string starting at column 2")],
)
def test_a_line_that_was_cut_is_said_to_be_wrong_in_that_line(piped, line, said):
    _, (answer,) = piped(line)
    assert answer["problems"][0]["what"] == f"is not JSON: {said}"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"model": "a", "gpu": "H100", "gpu": "L4"}', "`gpu` is there twice"),
        (
            b'{"model": "a", "gpu": "L4", "workload": {"concurrency": 1, "concurrency": 2}}',
            "`concurrency` is there twice",
        ),
    ],
)
def test_of_a_key_that_is_there_twice_neither_is_taken(piped, line, said):
    code, (answer,) = piped(line)
    assert code == ExitCode.COULD_NOT
    assert answer["problems"][0]["what"] == said


def test_all_problems_of_a_line_are_said_at_once(piped):
    wrong = GOOD | {"model": "meta-llama/Llama-3.1-8", "gpu": "H1000", "tensor_parallel_size": 0, "tp": 2}
    _, (error,) = piped(wrong)
    assert {p["where"] for p in error["problems"]} == {"model", "gpu", "tensor_parallel_size", "tp"}
    _, (error,) = piped(GOOD | {"tensor_parallel_size": 3, "max_model_len": 10**6, "dtype": "bf16", "gpu": "L4"})
    assert {p["where"] for p in error["problems"]} == {"tensor_parallel_size", "max_model_len", "dtype"}


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        ({"gpu": "H1000"}, "gpu", "unknown GPU `H1000`"),
        ({"gpu": "MIG 3g.20gb"}, "gpu", "part of a GPU"),
        ({"tensor_parallel_size": 3}, "tensor_parallel_size", "not divisible by 3"),
        ({"max_model_len": 131073}, "max_model_len", "more than the model's own maximum of 131,072"),
        ({"gpu": "T4", "dtype": "bfloat16"}, "dtype", "bfloat16 needs compute capability 8.0"),
        ({"quantization": "awq", "dtype": "float32"}, "dtype", "float32 is none that awq computes in"),
        ({"gpu": "B200", "quantization": "int8"}, "quantization", "does not run on compute capability 10.0"),
        ({"quantization": "q5"}, "quantization", "unknown quantization `q5`"),
        ({"gpu_count": 0}, "gpu_count", "must be at least 1"),
        ({"gpu_count": 3, "tensor_parallel_size": 2}, "gpu_count", "not a multiple of the 2 GPUs"),
        ({"max_num_seqs": -1}, "max_num_seqs", "must be at least 1"),
        ({"max_num_seqs": "256"}, "max_num_seqs", "must be a whole number"),
        ({"max_num_seqs": True}, "max_num_seqs", "must be a whole number"),
        ({"max_num_seqs": 64, "max_num_batched_tokens": 32}, "max_num_batched_tokens", "less than max_num_seqs"),
        ({"gpu_memory_utilization": 1.5}, "gpu_memory_utilization", "must be at most 1"),
        ({"gpu_memory_gib": float("nan")}, "gpu_memory_gib", "must be a finite number"),
        ({"gpu_memory_gib": 0.0}, "gpu_memory_gib", "must be more than 0"),
        ({"engine_version": "0.2.0"}, "engine_version", "0.2.0"),
        ({"engine_version": "yesterday"}, "engine_version", "yesterday"),
        ({"kv_cache_dtype": "int3"}, "kv_cache_dtype", "int3"),
        ({"limit_mm_per_prompt": {"image": -1}}, "limit_mm_per_prompt", "image: must be how many a prompt may hold"),
        ({"limit_mm_per_prompt": {"image": {"count": "two"}}}, "limit_mm_per_prompt", "image: must be how many"),
        ({"mm_encoder_tp_mode": "both"}, "mm_encoder_tp_mode", "must be 'weights' or 'data'"),
        (
            {"enable_prefix_caching": False, "workload": LOAD | {"prefix_hit_fraction": 0.5}},
            "enable_prefix_caching", "what its cache holds",
        ),
        ({"workload": LOAD | {"concurrency": None, "request_rate": 1e300}}, "workload.request_rate", "must be at most"),
        ({"model": None}, "model", "is missing"),
        ({"config_path": "nowhere/config.json"}, "config", "there is no such file"),
        ({"config": {"architectures": ["MambaLlama"]}}, "config", "MambaLlama"),
        ({"workload": {"input_len": -5, "output_len": 1, "concurrency": 1}}, "workload.input_len", "more than 0"),
        ({"workload": {"input_len": 5, "output_len": 1}}, "workload", "says no load"),
        (
            {"workload": {"input_len": 5, "output_len": 1, "concurrency": 1, "request_rate": 1}},
            "workload", "exclude each other",
        ),
        ({"workload": {"input_len": 8000, "output_len": 500, "concurrency": 1}}, "workload", "more than max_model_len"),
    ],
)  # fmt: skip
def test_bad_input_is_named(piped, changes, where, words):
    code, (error,) = piped(GOOD | changes)
    assert (code, error["kind"]) == (ExitCode.COULD_NOT, "EstimateError")
    assert words in " ".join(p["what"] for p in error["problems"] if p["where"] == where), error


def test_a_truncated_config_says_where_it_ends(piped, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(llama_config(), indent=1)[:200])
    _, (error,) = piped({"gpu": "H100", "config_path": str(path)})
    assert "not JSON: it ends too early" in error["problems"][0]["what"]
    assert "config.json: line " in error["problems"][0]["what"]


@pytest.mark.parametrize("empty", [{"hf_quant_config": {}}, {"config": {}}])
def test_an_empty_config_is_an_error_of_its_own_line(piped, empty):
    _, (wrong, good) = piped(GOOD | empty, GOOD)
    assert (wrong["kind"], good["kind"]) == ("EstimateError", "Estimate")


def test_wrong_flags_are_a_usage_error(infercli):
    ran = infercli("estimate", "--model", LLAMA, "--gpu", "H1000", "--gpu-count", 0)
    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert "estimate: --gpu-count: must be at least 1" in ran.err
    assert "unknown GPU `H1000`" in ran.err


@pytest.mark.parametrize(
    ("drafting", "said"),
    [
        ({"method": "eagle3"}, "does not say which"),
        ({"method": "draft_model", "model": "nobody/knows"}, "unknown model `nobody/knows`"),
        ({"method": "dflash", "config_path": "/there/is/none"}, "there is no such file"),
        ({"method": "eagle", "config": EAGLE3 | {"architectures": ["GemmaForCausalLM"]}}, "is no head that can be"),
    ],
)
def test_a_draft_that_is_not_named_or_not_known_is_refused_by_its_field(piped, drafting, said):
    _, (answer,) = piped(GOOD | {"speculation": {"num_speculative_tokens": 3} | drafting})
    (problem,) = answer["problems"]
    assert problem["where"] == "speculation"
    assert said in problem["what"]
    assert problem["hint"]


def test_half_a_character_is_an_error_of_its_own_line(piped):
    code, answers = piped(GOOD | {"id": "\ud83d"}, GOOD | {"id": "\U0001f600"})
    assert (code, [a["kind"] for a in answers]) == (ExitCode.COULD_NOT, ["EstimateError", "Estimate"])
    assert answers[0]["problems"][0]["what"] == "has half a character in a text: \\ud83d"
    assert answers[1]["id"] == "\U0001f600"

"""infercli plan and estimate, as users of other programs type them, and as nobody can."""

from __future__ import annotations

import json

import pytest

from infercli.core.estimates import estimate
from infercli.errors import ExitCode

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


@pytest.mark.parametrize(
    ("verb", "typed", "hint"),
    [
        ("plan", ("--tp", "2"), "write --tensor-parallel-size"),
        ("plan", ("-tp", "2"), "write --tensor-parallel-size"),
        ("plan", ("-pp", "2"), "write --pipeline-parallel-size"),
        ("plan", ("--gpu-memory-utilization", "0.9"), "write gpu_memory_utilization under engine_args of deployment"),
        ("plan", ("--dtype", "auto"), "`infercli estimate`, which has --dtype"),
        ("plan", ("--enforce-eager",), "write enforce_eager under engine_args of deployment.yaml"),
        ("plan", ("--max-num-batched-tokens", "8"), "which has --max-num-batched-tokens"),
        ("plan", ("--engine-version", "0.11"), "`infercli estimate` has --engine-version"),
        ("plan", ("--request-rate", "3"), "write --rate"),
        ("plan", ("--gpus", "2"), "write --profile h100-x8"),
        ("plan", ("--total_gpus", "8"), "write --profile h100-x8"),
        ("plan", ("--isl", "4000"), "write --input-len"),
        ("plan", ("--ttft", "1000"), "write --slo ttft_p95=1s"),
        ("plan", ("--qps", "3"), "write --rate"),
        ("plan", ("--users", "64"), "write --concurrency"),
        ("plan", ("--profile", "h100, l40s", "--rate", "1"), "write --profile h100 --profile l40s"),
        ("plan", ("--slo", "ttft_p95=1s,tpot_p95=50ms"), "write --slo ttft_p95=1s --slo tpot_p95=50ms"),
        ("plan", ("--quantization", "fp8,awq"), "write --quantization fp8 --quantization awq"),
        ("estimate", ("--osl", "500"), "write --output-len"),
        ("estimate", ("--tpot", "50"), "write --tpot-p95-ms"),
        ("plan", ("--speculative-config", "{}"), "write speculative_config under engine_args of deployment.yaml"),
        ("estimate", ("--speculative-config", "{}"), '"speculation" says it'),
        ("estimate", ("--limit-mm-per-prompt", "{}"), '"limit_mm_per_prompt" says it'),
        ("estimate", ("--trust-remote-code",), "leave it out"),
        ("estimate", ("--tp", "2"), "write --tensor-parallel-size"),
        ("estimate", ("--profile", "h100"), "write --gpu"),
        ("estimate", ("--rate", "3"), "write --request-rate"),
    ],
)
def test_a_flag_of_vllm_is_answered_with_what_it_is_here(infercli, verb, typed, hint):
    model = [LLAMA] if verb == "plan" else ["--model", LLAMA]
    ran = infercli(verb, *model, *typed)
    assert ran.code == ExitCode.USAGE
    assert hint in ran.err


def test_splits_that_cannot_be_are_said_together(infercli):
    words = ("plan", "Qwen/Qwen3-32B", "--profile", "h100-x2")
    ran = infercli(*words, "--tensor-parallel-size", "3", "--pipeline-parallel-size", "99")
    assert ran.code == ExitCode.USAGE
    assert "--pipeline-parallel-size: 99 is not possible: 64 layers" in ran.err
    assert "--tensor-parallel-size: 3 is not possible: attention heads (64)" in ran.err
    assert "possible on this profile: 1, 2" in ran.err


@pytest.mark.parametrize("length", ["auto", "-1"])
def test_a_length_that_vllm_would_choose_is_left_out(infercli, deployment, length):
    model = "Qwen/Qwen3-32B"
    for words in (("plan", model, "--profile", "h100"), ("estimate", "--model", model, "--gpu", "H100")):
        ran = infercli(*words, "--max-model-len", length)
        assert ran.code == ExitCode.USAGE
        assert "leave it out, and the longest that fits is told" in ran.err
    request = {"model": model, "gpu": "H100", "max_model_len": length}
    assert "kv_cache.longest_max_model_len is what `auto` would choose" in str(estimate.read_request(request))
    deployment(f"name: chat\nmodel: {model}\nprofile: h100\nengine_args: {{max_model_len: {length}}}\n")
    ran = infercli("plan")
    assert ran.code == ExitCode.USAGE
    assert "engine_args.max_model_len: is not left to vLLM: leave it out" in ran.err


@pytest.mark.parametrize(("typed", "tokens"), [("8192", 8192), ("8k", 8000), ("8K", 8192), ("1.5k", 1500)])
def test_a_length_may_be_typed_as_vllm_takes_it(infercli, typed, tokens):
    words = ("plan", LLAMA, "--profile", "h100")
    value = json.loads(infercli(*words, "--max-model-len", typed, "-o", "json").out)
    assert value["engine"]["engine_args"]["max_model_len"] == tokens
    ran = infercli("estimate", "--model", LLAMA, "--gpu", "H100", "--max-model-len", typed)
    assert json.loads(ran.out)["settings"]["max_model_len"] == tokens
    value = json.loads(infercli(*words, "--input-len", typed, "--output-len", "1k", "-o", "json").out)
    assert value["deployment"]["workload"]["input_tokens"] == tokens
    assert value["deployment"]["workload"]["output_tokens"] == 1000
    load = ("--output-len", "300.5", "--concurrency", "4")
    one, other = (
        infercli("estimate", "--model", LLAMA, "--gpu", "H100", "--input-len", length, *load).out
        for length in (typed, str(tokens))
    )
    assert json.loads(one)["speed"] == json.loads(other)["speed"] is not None


@pytest.mark.parametrize("typed", ["8x", "k", "1.5K", "", "-8k"])
def test_what_is_no_length_is_said_with_what_one_is(infercli, typed):
    ran = infercli("plan", LLAMA, "--profile", "h100", "--max-model-len", typed)
    assert ran.code == ExitCode.USAGE
    assert "is not a whole number, nor one such as 8k (8,000) or 8K (8,192)" in ran.err


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (None, "./here: no such directory"),
        ((), "./here: no config.json is in that directory"),
        (("config.json",), "infercli estimate --config-path ./here --gpu L4"),
        (("config.json", "a.safetensors"), "`infercli pin ./here`, then plan ./here"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--rate", "3")])
def test_a_directory_that_is_not_pinned_is_told_what_can_be_done_with_it(infercli, tmp_path, files, said, more):
    for name in () if files is None else files:
        (tmp_path / "here").mkdir(exist_ok=True)
        (tmp_path / "here" / name).write_text("{}")
    if files == ():
        (tmp_path / "here").mkdir()
    ran = infercli("plan", "./here", "--profile", "l4", *more)
    assert ran.code == ExitCode.USAGE
    assert said in ran.err
    assert "did you mean" not in ran.err
    assert ("infercli pin" in ran.err) is (files is not None and len(files) == 2)


def test_everything_that_a_model_cannot_do_on_a_gpu_is_said_at_once(infercli):
    wrong = ("--kv-cache-dtype", "fp9", "--tensor-parallel-size", "3", "--max-model-len", "10000000")
    ran = infercli("plan", LLAMA, "--profile", "l4-x4", *wrong)
    assert ran.code == ExitCode.USAGE
    for said in (
        "--max-model-len: must be between 1 and 131,072",
        "--kv-cache-dtype: `fp9` cannot be planned",
        "--tensor-parallel-size: 3 is not possible: attention heads (32) is not divisible by 3",
        "possible on this profile: 1, 2, 4",
    ):
        assert said in ran.err, ran.err


@pytest.mark.parametrize("words", [("--slo", "tpot_p95=50ms"), ("--replicas", "8", "--input-len", "1")])
def test_more_clients_than_anyone_has_are_answered(infercli, words):
    ran = infercli("plan", LLAMA, "--profile", "h100-x8", "--output-len", "1", "--concurrency", "150000", *words)
    assert ran.code in (0, ExitCode.NO), ran.err


def test_what_was_typed_is_answered_in_flags_and_what_a_file_says_in_its_keys(infercli, tmp_path):
    def typed(*words):
        return infercli("plan", LLAMA, "--profile", "h100", *words)

    ran = typed("--max-model-len", "500", "--output-len", "300")
    assert "1,300 tokens a request (input and output) are more than --max-model-len (500)" in ran.err
    assert "hint: shorten --input-len or --output-len" in ran.err
    assert "error: --tensor-parallel-size: 3 is not possible" in typed("--tensor-parallel-size", "3").err
    assert "error: --kv-cache-dtype: `foo` cannot be planned" in typed("--kv-cache-dtype", "foo").err
    assert "given: --max-num-seqs says so" in typed("--max-num-seqs", "16").out
    (tmp_path / "deployment.yaml").write_text(
        f"name: chat\nmodel: {LLAMA}\nprofile: h100\nengine_args: {{max_num_seqs: 16, max_model_len: 500}}\n"
        "workload: {input_tokens: 1000}\n"
    )
    ran = infercli("plan")
    assert "more than engine_args.max_model_len (500)" in ran.err
    assert "hint: shorten workload.input_tokens or workload.output_tokens" in ran.err
    ran = infercli("plan", "--max-model-len", "4096")
    assert "given: --max-model-len says so" in ran.out
    assert "given: engine_args says so" in ran.out  # max_num_seqs


def test_no_hint_leads_to_a_method_that_the_gpu_cannot_run(infercli):
    ran = infercli("plan", "openai/gpt-oss-120b", "--profile", "t4-x4")
    assert "mxfp4 needs compute capability 8.0, and T4 has 7.5" in ran.err
    assert "--quantization mxfp4" not in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("http://127.0.0.1:9001",),
            'the question is missing\nhint: `infercli ask http://127.0.0.1:9001 "your question"`',
        ),
        (
            ("http://127.0.0.1:9001", "-5 + 3?"),
            "hint: a question that begins with `-` goes behind `--`: `-- '-5 + 3?'`",
        ),
    ],
)
def test_a_question_that_is_missing_or_looks_like_a_flag_is_said_to_be(infercli, words, said):
    ran = infercli("ask", *words)
    assert ran.code == ExitCode.USAGE
    assert said in ran.err

"""infercli plan, as it is typed."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from infercli.cli import plan_text
from infercli.core.documents.plan import GpuMemory, MemoryTerm, Plan
from infercli.errors import ExitCode

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def plan(infercli, *words):
    ran = infercli("plan", *words, "-o", "json")
    return ran.code, json.loads(ran.out)


@pytest.mark.parametrize(
    ("model", "profile", "quantization", "code"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "l4", None, ExitCode.YES),
        ("meta-llama/Llama-3.1-8B-Instruct", "l4", "awq", ExitCode.YES),
        ("meta-llama/Llama-3.1-70B-Instruct", "a100-80", "awq", ExitCode.YES),
        ("meta-llama/Llama-3.1-70B-Instruct", "a100-80", None, ExitCode.NO),
        ("meta-llama/Llama-3.1-70B-Instruct", "h100-x2", "fp8", ExitCode.YES),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "a100-80", "awq", ExitCode.YES),
        ("Qwen/Qwen3-32B", "a100-80", "fp8", ExitCode.YES),
    ],
)
def test_the_verdict_is_the_exit_code_in_text_and_json(infercli, model, profile, quantization, code):
    words = [model, "--profile", profile, *(["--quantization", quantization] if quantization else [])]
    found, value = plan(infercli, *words)
    assert found == code
    assert value["fits"] is (code == ExitCode.YES)
    assert infercli("plan", *words).code == code


def test_a_no_names_the_missing_bytes_and_changes_that_would_fit(infercli):
    ran = infercli("plan", "meta-llama/Llama-3.1-70B-Instruct", "--profile", "a100-80")
    assert "Missing: " in ran.out
    assert "--quantization awq" in ran.out


def would_fit(infercli, *words):
    code, value = plan(infercli, *words)
    assert code == ExitCode.NO
    return [c["change"] for c in value["changes"]]


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        (("--quantization", "none", "--max-model-len", "100000"), "--max-model-len "),
        (("--quantization", "none", "--concurrency", "200"), "--concurrency "),
        (("--quantization", "none", "--concurrency", "200"), "--profile l4-x4"),
        (("--quantization", "none", "--tensor-parallel-size", "1", "--concurrency", "60"), "--profile l4-x2, without "),
    ],
)
def test_changes_of_a_typed_model_are_flags_that_fit_when_they_are_typed(infercli, words, flag):
    model = "meta-llama/Llama-3.1-8B-Instruct"
    change = next(c for c in would_fit(infercli, model, "--profile", "l4", *words) if c.startswith(flag))
    typed = dict(zip(words[::2], words[1::2], strict=True)) | {"--profile": "l4"}
    change, _, without = change.partition(", without ")
    name, value = change.split(" ")
    typed = {k: v for k, v in (typed | {name: value}).items() if k != without}
    again = infercli("plan", model, *(word for pair in typed.items() for word in pair))
    assert again.code == ExitCode.YES


def test_changes_of_a_deployment_are_its_keys(infercli, deployment):
    text = "name: chat\nmodel: meta-llama/Llama-3.1-8B-Instruct\nprofile: l4\nquantization: none\n"
    deployment(text + "workload: {concurrency: 200}\n")
    found = would_fit(infercli)
    assert any(c.startswith("workload.concurrency: ") for c in found)
    assert "profile: l4-x4" in found
    assert not any(c.startswith("--") for c in found)


def test_where_no_more_of_the_same_gpus_do_the_cheapest_profile_is_named(infercli):
    model = "meta-llama/Llama-3.1-70B-Instruct"
    (change,) = would_fit(infercli, model, "--profile", "l4")
    assert change == "--profile b200-x8"
    assert infercli("plan", model, *change.split(" ")).code == ExitCode.YES


def test_fp8_on_an_a100_is_said_to_be_weight_only(infercli):
    assert "weight-only" in infercli("plan", "Qwen/Qwen3-32B", "--profile", "a100-80", "--quantization", "fp8").out


def test_a_plan_from_a_shape_says_that_it_cannot_be_deployed(infercli):
    ran = infercli("plan", "meta-llama/Llama-3.1-8B-Instruct", "--profile", "l4")
    assert "unpinned: can be planned, not deployed" in ran.out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("meta-lama/Llama-3.1-8B-Instruct", "--profile", "l4"), "meta-llama/Llama-3.1-8B-Instruct"),
        (("meta-llama/Llama-3.1-8B-Instruct", "--profile", "h100x2"), "`h100-x2`"),
        (("meta-llama/Llama-3.1-8B-Instruct", "--profile", "l4", "--quantization", "awk"), "`awq`"),
    ],
)
def test_an_unknown_name_offers_the_nearest(infercli, words, expected):
    ran = infercli("plan", *words)
    assert ran.code == ExitCode.USAGE
    assert expected in ran.err


def test_a_model_without_a_profile_asks_for_one(infercli):
    ran = infercli("plan", "meta-llama/Llama-3.1-8B-Instruct")
    assert ran.code == ExitCode.USAGE
    assert "--profile" in ran.err
    typed = ran.err.partition("to search all: ")[2].split()
    assert infercli("plan", "meta-llama/Llama-3.1-8B-Instruct", *typed).out.startswith(f"{LLAMA}: 1,000 tokens in")


def test_without_a_deployment_file_init_is_named(infercli):
    for words in ((), ("--profile", "h100"), ("--rate", "5", "--slo", "ttft_p95=1s")):
        ran = infercli("plan", *words)
        assert ran.code == ExitCode.USAGE
        assert "deployment.yaml: there is no such file\nhint: `infercli init` writes one" in ran.err
        named = re.search(r"or name a model: `infercli (.*)`", ran.err)
        assert named
        assert infercli(*named[1].split()).code == ExitCode.YES


def test_an_unpinned_plan_is_not_saved(infercli, deployment):
    deployment()
    ran = infercli("plan", "--save", "plan.json")
    assert ran.code == ExitCode.USAGE
    assert "infercli pin meta-llama/Llama-3.1-8B-Instruct" in ran.err


PLAN = ("meta-llama/Llama-3.1-8B-Instruct", "--profile", "l4", "--quantization", "awq")


def test_explain_prints_formula_inputs_sources_and_measured_errors(infercli):
    ran = infercli("plan", *PLAN, "--explain")
    assert ran.code == ExitCode.YES
    assert "= budget_bytes - weights_bytes - activation_bytes - non_torch_bytes - cuda_graphs_bytes" in ran.out
    assert "off by: " in ran.out
    assert "fits on 1 x L4" in ran.out
    one = infercli("plan", *PLAN, "--explain", "kv_cache_bytes")
    assert one.out.startswith("kv_cache_bytes\n")
    assert "weights_bytes\n  =" not in one.out


def test_a_share_of_prompts_that_is_cached_makes_a_plan_faster_and_not_another_plan(infercli):
    words = (LLAMA, "--profile", "h100", "--input-len", 4000)
    _, plain = plan(infercli, *words)
    _, cached = plan(infercli, *words, "--prefix-hit-fraction", 0.8)
    held = "the KV cache is taken to hold the whole prompt of each request"
    assert [any(held in n for n in p["outlook"]["notes"]) for p in (plain, cached)] == [False, True]
    before, after = (p.pop("outlook")["speed"] for p in (plain, cached))
    assert after["ttft_s"]["value"] < 0.7 * before["ttft_s"]["value"]
    assert after["output_tok_per_s"]["value"] > before["output_tok_per_s"]["value"]
    assert plain == cached
    explained = infercli("plan", *words, "--prefix-hit-fraction", 0.8, "--explain").out
    assert "4,000 tokens in (80% of them cached) and 300 out" in explained
    assert "a step of 800 tokens of one prompt, the first 3,200 of which the prefix cache has" in explained


def test_the_json_has_the_tokens_that_the_log_will_rather_print_and_the_text_rounds_them(infercli):
    words = ("meta-llama/Llama-3.1-70B-Instruct", "--profile", "h100-x2", "--quantization", "fp8")
    _, value = plan(infercli, *words)
    terms = {t["name"]: t for t in value["memory"]["terms"]}
    # 163,840 bytes a token on each of two GPUs: 80 layers of 4 heads of 128, keys and values, 2 bytes each
    assert value["outlook"]["kv_cache_tokens"] == terms["kv_cache"]["bytes"] // (16 * 163_840) * 16
    assert value["kv_cache"]["tokens"] == terms["kv_cache"]["low_bytes"] // (16 * 163_840) * 16
    assert f"vLLM will print about {round(value['outlook']['kv_cache_tokens'], -3):,}\n" in infercli("plan", *words).out


def test_a_plan_that_a_shared_prefix_would_make_fit_says_that_it_counts_prompts_whole(infercli):
    words = ("Qwen/Qwen3-8B", "--profile", "l4", "--input-len", 4000)
    code, refused = plan(infercli, *words, "--prefix-hit-fraction", 0.8)
    assert (code, refused["outlook"]["speed"]) == (ExitCode.NO, None)
    assert sum("where several share a prefix they hold it once" in n for n in refused["outlook"]["notes"]) == 1


@pytest.mark.parametrize("more", [(), ("--rate", 1, "--slo", "tpot_p95=1s")])
def test_no_share_of_prompts_is_in_a_cache_that_the_file_turns_off(infercli, deployment, more):
    deployment(f"name: chat\nmodel: {LLAMA}\nprofile: l4\nengine_args: {{enable_prefix_caching: false}}\n")
    ran = infercli("plan", "--prefix-hit-fraction", 0.5, *more)
    assert ran.code == ExitCode.USAGE
    assert "plan: --prefix-hit-fraction: says what the prefix cache has, and engine_args.enable_prefix" in ran.err
    assert infercli("plan", "--prefix-hit-fraction", 0, *more).code == ExitCode.YES


@pytest.mark.parametrize("more", [(), ("--rate", 1, "--slo", "tpot_p95=1s")])
def test_a_gpu_that_is_had_with_more_and_less_memory_is_said_to_be_taken_for_one(infercli, more):
    said = "a100 is taken for A100-80-SXM (79.1 GiB); there are also A100-40-PCIe (39.4 GiB), A100-40-SXM (39.4 GiB)"
    assert said in infercli("plan", LLAMA, "--profile", "a100-x2", *more).err
    assert "is taken for" not in infercli("plan", LLAMA, "--profile", "a100-40", *more).err
    assert "is taken for" not in infercli("plan", LLAMA, "--profile", "h100-x4", *more).err


@pytest.mark.parametrize("profile", ["h100", "l4"])
def test_the_verdict_counts_no_more_requests_than_max_num_seqs(infercli, profile):
    said = infercli("plan", LLAMA, "--profile", profile, "--max-num-seqs", 2, "--max-model-len", 2048).out
    assert (
        "at least 2.0 requests of 2,048 tokens at once, of the workload's 16 of 1,300 max_num_seqs lets 2 run" in said
    )


@pytest.mark.parametrize("method", ["gguf", "bitsandbytes"])
def test_what_is_refused_for_its_package_is_sized_by_the_command_that_is_offered(infercli, method):
    ran = infercli("plan", LLAMA, "--profile", "h100", "--quantization", method)
    assert ran.code == ExitCode.CANNOT_TELL
    words = re.search(r"`infercli (estimate [^`]+)` says how large it is", ran.err)[1].split()
    answer = json.loads(infercli(*words).out)
    weights = next(t["bytes"] for t in answer["memory"]["terms"] if t["name"] == "weights") / 2**30
    assert answer["starts"] is False
    assert 4.5 < weights < 6  # 8.03 B parameters at some 4.9 bits, or 4.5 with an embedding of 16


def test_explain_of_an_unknown_number_offers_the_nearest(infercli):
    ran = infercli("plan", *PLAN, "--explain", "kv_cache_byte")
    assert ran.code == ExitCode.USAGE
    assert "`kv_cache_bytes`" in ran.err


@pytest.mark.parametrize(("name", "number"), [("tpot", "tpot_s"), ("ttft", "ttft_s"), ("weights", "weights_bytes")])
def test_a_number_is_explained_by_its_name_without_the_unit(infercli, name, number):
    assert infercli("plan", *PLAN, "--explain", name).out.startswith(f"{number}\n")


def test_explain_that_took_the_model_for_a_number_says_so(infercli):
    ran = infercli("plan", "--explain", "Qwen/Qwen3-8B", "--profile", "l4")
    assert ran.code == ExitCode.USAGE
    assert "`--explain` took `Qwen/Qwen3-8B` as the name of a quantity" in ran.err
    assert "`infercli plan Qwen/Qwen3-8B --explain`" in ran.err


def test_a_gpu_is_said_to_be_asked_for_otherwise(infercli):
    ran = infercli("plan", "Qwen/Qwen3-8B", "--gpu", "H100")
    assert ran.code == ExitCode.USAGE
    assert "plan takes its hardware as --profile" in ran.err
    assert "`--profile h100`, or `--profile h100-x8` for eight" in ran.err


def test_a_gpu_and_how_many_are_a_profile_that_can_be_planned_printed_and_changed(infercli, tmp_path):
    assert "fits on 1 x B200" in infercli("plan", "Qwen/Qwen3-8B", "--profile", "b200").out
    printed = infercli("profiles", "b200-x8").out
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "ours.yaml").write_text(printed.replace("name: b200-x8", "name: ours"))
    plans = [
        json.loads(infercli("plan", "Qwen/Qwen3-8B", "--profile", name, "-o", "json").out)
        for name in ("ours", "b200-x8")
    ]
    assert plans[0]["memory"] == plans[1]["memory"]
    none = infercli("plan", "Qwen/Qwen3-8B", "--profile", "b2000")
    assert none.code == ExitCode.USAGE
    assert "a GPU and how many is one too" in none.err


def test_derivations_are_in_the_json_only_where_they_are_asked_for(infercli):
    _, without = plan(infercli, *PLAN)
    assert "derivation" not in without
    _, every = plan(infercli, *PLAN, "--explain")
    names = [d["name"] for d in every["derivation"]]
    assert {"weights_bytes", "kv_cache_bytes", "concurrency", "output_tok_per_s", "usd_per_h"} <= set(names)
    assert {k: v for k, v in every.items() if k != "derivation"} == without
    _, one = plan(infercli, *PLAN, "--explain", "concurrency")
    assert [d["name"] for d in one["derivation"]] == ["concurrency"]


def test_less_than_a_token_a_second_is_not_said_to_be_none(infercli):
    words = ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "--profile", "h200-x8", "--concurrency", 1)
    _, value = plan(infercli, *words, "--input-len", 10_000_000, "--output-len", 300)
    # A prompt of ten million tokens takes more than half an hour, and 300 tokens a few seconds.
    assert 300 / 7200 < value["outlook"]["speed"]["output_tok_per_s"]["value"] < 300 / 1800
    ran = infercli("plan", *words, "--input-len", 10_000_000, "--output-len", 300)
    assert re.search(r"\n  output tokens/s +0\.\d+ +0\.\d+ to 0\.\d+\n", ran.out)


def test_speed_and_price_are_printed_beside_the_plan(infercli):
    ran = infercli("plan", *PLAN, "--concurrency", 4)
    assert "Expected with 4 requests in flight, 1,000 tokens in and 300 out" in ran.out
    for row in ("output tokens/s", "TTFT, median", "TPOT, median", "price", "per 1M output tokens"):
        assert f"\n  {row} " in ran.out
    _, value = plan(infercli, *PLAN)
    speed = value["outlook"]["speed"]["output_tok_per_s"]
    assert speed["low"] < speed["value"] < speed["high"]
    assert value["outlook"]["cost"]["gpus"] == 1


def test_the_projects_own_prices_are_taken(infercli, tmp_path):
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "prices.yaml").write_text(
        "kind: PriceList\nas_of: 2030-01-01\n"
        "prices: {L4: {low_usd: 3, median_usd: 3, high_usd: 3, quotes: 1, source: x}}\n"
    )
    assert "$3.00/h" in infercli("plan", *PLAN).out


def test_plans_say_what_was_learned_until_the_file_is_deleted(infercli, tmp_path):
    whole = ("meta-llama/Llama-3.1-8B-Instruct", "--profile", "l4", "--quantization", "none")
    _, before = plan(infercli, *whole)
    terms = {t["name"]: t["bytes"] / 2**30 for t in before["memory"]["terms"]}
    engine = before["engine"]["engine_args"]
    for number, more in enumerate((0.2, 0.4)):
        (tmp_path / f"{number}.log").write_text(
            "Initializing a V1 LLM engine (v0.29.0) with config: model='meta-llama/Llama-3.1-8B-Instruct', "
            f"max_seq_len={engine['max_model_len']}, tensor_parallel_size=1, quantization=None, enforce_eager=False\n"
            f"Model loading took {terms['weights'] + more:.2f} GiB memory and 1.2 seconds\n"
        )
    assert infercli("learn", "0.log", "1.log", "--gpu", "L4").code == ExitCode.YES
    ran = infercli("plan", *whole)
    # 0.2 and 0.4 GiB more: 0.3 on average, and a standard deviation of 0.14
    assert f"weights: predicted {terms['weights'] + 0.3:.2f} GiB +- 0.14 from 2 of your runs" in ran.out
    assert f"W weights      {terms['weights'] + 0.3:.2f} GiB" in ran.out
    (tmp_path / "infercli-learned.json").unlink()
    assert plan(infercli, *whole)[1] == before
    assert "your runs" not in infercli("plan", *whole).out


def test_an_address_of_the_hub_is_answered_with_the_id_that_can_be_pinned(infercli):
    ran = infercli("plan", "https://huggingface.co/Qwen/Qwen9-8B/", "--profile", "h100")
    assert ran.code == ExitCode.USAGE
    assert "`infercli pin Qwen/Qwen9-8B` reads its config.json" in ran.err


def test_what_each_replica_has_and_what_all_do_is_told_apart(infercli):
    words = ("plan", LLAMA, "--profile", "h100-x8", "--tensor-parallel-size", "1")
    one, three = infercli(*words).out, infercli(*words, "--replicas", "3").out
    assert one.startswith(f"{LLAMA}, profile h100-x8\nfits on 1 x H100: ")
    assert three.startswith(f"{LLAMA}, profile h100-x8, each of 3 replicas\nfits on 1 x H100: ")
    # 16 requests among three: six at most for one of them
    assert ", 6 of 1,300 as the workload says" in three
    assert "\nExpected with 16 requests in flight, " in one
    assert "\nExpected of all replicas with 16 requests in flight, " in three


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize(
    "words",
    [
        ("plan", LLAMA, "--profile", "h100"),
        ("plan", LLAMA, "--profile", "l4", "--quantization", "none"),
        ("plan", "Qwen/Qwen3-32B", "--profile", "h100", "--max-model-len", 40960),  # long changes, and what each makes
        ("estimate", "--model", LLAMA, "--gpu", "H100", "-o", "text"),
        ("gpus",),
    ],
)
def test_no_line_is_wider_than_the_terminal(infercli, monkeypatch, words, columns):
    monkeypatch.setattr("infercli.cli.output.terminal_width", lambda: columns)
    lines = infercli(*words).out.splitlines()
    assert len(lines) > 5
    assert max(map(len, lines)) <= (80 if words == ("gpus",) else columns)  # a table of figures does not fold


def test_what_has_no_speed_has_a_price_without_a_load_over_it(infercli):
    ran = infercli("plan", "intfloat/e5-mistral-7b-instruct", "--profile", "h100")
    assert "\nPrice\n" in ran.out
    assert "requests in flight" not in ran.out
    assert "per token, on each GPU: 0 in a request longer than what its layers look back on" in ran.out


def test_more_machines_are_offered_by_the_name_that_can_be_typed(infercli):
    _, value = plan(infercli, "moonshotai/Kimi-K2.5", "--profile", "h100-x8")
    words = value["changes"][0]["change"]
    assert words == "--profile h100-x16 --tensor-parallel-size 8 --pipeline-parallel-size 2"
    assert infercli("plan", "moonshotai/Kimi-K2.5", *words.split()).code == ExitCode.YES


def test_the_bar_of_what_does_not_fit_by_far_is_no_wider_than_the_gpu():
    term = MemoryTerm(name="weights", bytes=2**100, low_bytes=2**100, high_bytes=2**100, formula="", source="")
    bar, *_ = plan_text._memory(GpuMemory(total_bytes=2**34, budget_bytes=2**33, terms=(term,)))
    assert bar.startswith("  [" + "W" * plan_text.BAR_WIDTH + "] budget ")


def test_the_command_of_vllm_is_said_in_text_as_in_json_and_broken_as_a_shell_takes_it(infercli, monkeypatch):
    words = ("plan", "Qwen/Qwen3-8B", "--profile", "l4")
    found = json.loads(infercli(*words, "-o", "json").out)
    command = found["serve_command"]
    assert command.startswith("vllm serve Qwen/Qwen3-8B --tensor-parallel-size 1 ")
    assert "serve_command" not in Plan.model_validate(found).model_dump()
    assert f"\n  {command}\n" in infercli(*words).out
    monkeypatch.setattr("infercli.cli.plan_text.fits", lambda line: len(line) <= 70)
    lines = infercli(*words).out.partition("To start it without infercli, by vLLM 0.29.0\n")[2].split("\n\n")[0]
    assert max(map(len, lines.splitlines())) <= 70
    assert lines.count("\\\n") == len(lines.splitlines()) - 1
    assert shlex.split(lines.replace("\\\n", "")) == shlex.split(command)


def test_what_does_not_fit_has_no_command(infercli):
    ran = infercli("plan", "meta-llama/Llama-3.1-70B-Instruct", "--profile", "l4", "-o", "json")
    assert ran.code == ExitCode.NO
    assert "serve_command" not in json.loads(ran.out)

"""infercli plan as a search, as it is typed."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from infercli.errors import ExitCode

MODEL = "meta-llama/Llama-3.1-8B-Instruct"
LOAD = ("--input-len", "1000", "--output-len", "300")
SLOS = ("--slo", "ttft_p95=1s", "--slo", "tpot_p95=50ms")
HARDWARE = ("--profile", "h100-x2", "--profile", "l4")


def search(infercli, *words):
    ran = infercli("plan", *words, "-o", "json")
    return ran.code, json.loads(ran.out)


def test_the_cheapest_that_holds_is_printed_with_the_front_and_the_reasons(infercli):
    ran = infercli("plan", MODEL, *LOAD, "--rate", "5", *SLOS, *HARDWARE)
    assert ran.code == ExitCode.YES
    assert "Cheapest that holds: 1 x H100 (h100-x2), fp8" in ran.out
    # One H100: 1.99, 3.50 and 6.88 dollars in the list that ships
    assert "$3.50 an hour ($1.99 to $6.88; 15 quotes, 2026-11-20)" in ran.out
    for part in ("Pareto front", "tokens/s per user", "Why the others were not taken", "missing per GPU", "dearer"):
        assert part in ran.out or part == "missing per GPU"
    plot = ran.out[ran.out.index("tokens/s per dollar an hour") : ran.out.index("Why the others")]
    assert max(map(len, plot.splitlines())) < 80
    assert plot.isascii()


def test_the_json_has_every_candidate_once(infercli):
    code, value = search(infercli, MODEL, *LOAD, "--rate", "5", *SLOS, *HARDWARE)
    assert (code, value["kind"]) == (ExitCode.YES, "Selection")
    told = [json.dumps(x["candidate"]) for x in (*value["losers"], value["chosen"])]
    assert len(told) == len(set(told)) == value["candidates"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (MODEL, ("--rate", "5", "--profile", "h100-x2")),
        (MODEL, ("--rate", "20", "--profile", "h100-x8", "--quantization", "none")),
        (MODEL, ("--rate", "20", "--profile", "h100-x8", "--prefix-hit-fraction", "0.9999999")),
        (MODEL, ("--concurrency", "8", "--profile", "a100-80-x4", "--kv-cache-dtype", "auto")),
        ("Qwen/Qwen3-30B-A3B", ("--rate", "2", "--profile", "h100-x8", "--pipeline-parallel-size", "2")),
        ("openai/gpt-oss-20b", ("--rate", "2", "--profile", "h100", "--quantization", "mxfp4")),
    ],
)
def test_the_printed_command_plans_what_was_chosen(infercli, model, words):
    code, value = search(infercli, model, *LOAD, *SLOS, *words)
    assert code == ExitCode.YES
    program, verb, *rest = shlex.split(value["command"])
    assert (program, verb) == ("infercli", "plan")
    ran = infercli("plan", *rest, "-o", "json")
    plan = json.loads(ran.out)
    chosen = value["chosen"]
    assert (ran.code, plan["kind"], plan["fits"]) == (ExitCode.YES, "Plan", True)
    args, settings = plan["engine"]["engine_args"], chosen["estimate"]["settings"]
    for name in ("tensor_parallel_size", "max_num_seqs", "max_model_len", "max_num_batched_tokens", "kv_cache_dtype"):
        assert args[name] == settings[name]
    assert args.get("pipeline_parallel_size", 1) == settings["pipeline_parallel_size"]
    assert args["gpu_memory_utilization"] == settings["gpu_memory_utilization"]
    assert plan["engine"]["quantization"] == chosen["candidate"]["quantization"]
    assert plan["replicas"] == chosen["candidate"]["replicas"]
    assert plan["outlook"]["prefix_hit_fraction"] == value["workload"]["prefix_hit_fraction"]
    assert [t["bytes"] for t in plan["memory"]["terms"]] == [t["bytes"] for t in chosen["estimate"]["memory"]["terms"]]


def test_nothing_holds_is_exit_code_3_with_changes_that_are_searched_again(infercli):
    words = (MODEL, *LOAD, "--profile", "l4", "--slo", "ttft_p95=1s", "--slo", "tpot_p95=100ms")
    ran = infercli("plan", *words, "--rate", "20")
    assert ran.code == ExitCode.NO
    assert "Nothing holds at the pessimistic end" in ran.out
    code, value = search(infercli, *words, "--rate", "20")
    assert (code, value["chosen"], value["command"]) == (ExitCode.NO, None, None)
    kinds = {c["change"].split(" ")[0] for c in value["changes"]}
    assert {"--rate", "--profile"} <= kinds
    (offered,) = (c["change"] for c in value["changes"] if c["change"].startswith("--profile "))
    name = offered.split()[1]  # no file: l4-x4 has too few
    assert name not in ("l4", "l4-x2", "l4-x4", "l4-pool")
    larger = [name if word == "l4" else word for word in words]
    assert infercli("plan", *larger, "--rate", "20").code == ExitCode.YES
    rate = next(c["change"] for c in value["changes"] if c["change"].startswith("--rate ")).split()[1]
    assert infercli("plan", *words, "--rate", rate).code == ExitCode.YES


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--rate", "6", "--profile", "l4", "--slo", "tpot_p95=70ms"), "l4-pool"),
        (("--rate", "1", "--profile", "l4", "--slo", "tpot_p95=7ms"), "h100"),  # no number of L4 is fast enough
    ],
)
def test_a_profile_that_would_hold_is_named_where_there_is_one(infercli, words, named):
    code, value = search(infercli, MODEL, *LOAD, *words, "--quantization", "fp8")
    assert code != ExitCode.YES
    (change,) = (c["change"] for c in value["changes"] if "profile" in c["change"])
    assert change == f"--profile {named}"
    again = [named if word == "l4" else word for word in words]
    assert search(infercli, MODEL, *LOAD, *again, "--quantization", "fp8")[0] == ExitCode.YES


def test_gpus_of_which_no_speed_is_said_are_no_answer_and_not_a_no(infercli, tmp_path):
    (tmp_path / "profiles").mkdir()
    nodes = "nodes:\n  - count: 1\n    gpus: 1\nquantizations: [none]\n"
    head = "apiVersion: infercli/v1\nkind: HardwareProfile\nname: b70\ngpu: Arc Pro B70\n"
    (tmp_path / "profiles" / "b70.yaml").write_text(head + nodes)
    ran = infercli("plan", "meta-llama/Llama-3.1-8B-Instruct", *LOAD, "--profile", "b70", "--rate", "1")
    assert ran.code == ExitCode.CANNOT_TELL
    assert "of some it cannot be told" in ran.out
    assert "no speed: Arc-Pro-B70" in ran.out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("speculative_config: {method: ngram, num_speculative_tokens: 3}", "a search does not weigh speculation"),
        ("kv_cache_memory_bytes: 3000000000", "a search finds what each configuration leaves"),
    ],
)
def test_a_search_refuses_what_only_a_plan_can_take(infercli, deployment, args, said):
    deployment(f"name: chat\nmodel: {MODEL}\nprofile: l4\nengine_args: {{{args}}}\n")
    ran = infercli("plan", "--rate", "1")
    assert ran.code == ExitCode.USAGE
    assert said in ran.err
    assert "not planned yet" not in ran.err


def test_where_no_change_alone_would_hold_it_says_so(infercli):
    ran = infercli("plan", MODEL, *LOAD, "--profile", "l4", "--slo", "tpot_p95=1ms", "--rate", "1000")
    assert ran.code == ExitCode.NO
    assert "No change in one direction alone was found" in ran.out


def test_what_was_chosen_is_not_among_those_that_were_not_taken(infercli):
    words = ("Qwen/Qwen3-32B", *LOAD, "--profile", "a100-80", "--rate", "1", "--slo", "tpot_p95=60ms")
    ran = infercli("plan", *words)
    above, table = ran.out.split("Why the others were not taken")
    chosen = above.splitlines()[1].removeprefix("Cheapest that holds: ")
    assert chosen == "1 x A100-80-SXM (a100-80), awq"
    assert f"  {chosen}  " not in table
    assert search(infercli, *words)[1]["candidates"] > 1


def test_one_that_is_better_than_the_chosen_is_named_with_why_it_was_not_taken(infercli):
    words = ("Qwen/Qwen3-32B", *LOAD, "--profile", "a100-80", "--rate", "1", "--slo", "tpot_p95=60ms")
    note = next(n for n in search(infercli, *words)[1]["notes"] if "not on the front" in n)
    assert "1 x A100-80-SXM (a100-80), gptq is faster for a user (" in note
    assert note.endswith("and was not taken: same price; profile a100-80 prefers awq")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--input-len", "1000", "--output-len", "300"), "max_model_len is 3,072: twice a request"),  # 2 x 1,300
        (("--input-len", "100000", "--output-len", "300"), "max_model_len is 131,072: the model's own maximum"),
        (("--input-len", "1000", "--output-len", "300", "--max-model-len", "3072"), None),
    ],
)
def test_where_the_length_comes_from_is_said_where_nobody_asked_for_it(infercli, words, said):
    ran = infercli("plan", MODEL, "--profile", "h100", "--rate", "0.1", *words)
    assert said in ran.out if said else "max_model_len is" not in ran.out


def test_on_a_narrow_terminal_reasons_and_notes_are_wrapped(infercli, monkeypatch):
    words = (MODEL, *LOAD, "--rate", "5", *SLOS, *HARDWARE)
    wide = infercli("plan", *words).out
    for module in ("output", "choosing_text"):
        monkeypatch.setattr(f"infercli.cli.{module}.terminal_width", lambda: 60)
    narrow = infercli("plan", *words).out
    # The command is one line wherever it is pasted.
    assert all(len(line) <= 60 for line in narrow.splitlines() if not line.startswith("  infercli plan "))
    front = narrow[narrow.index("Pareto front") : narrow.index("tokens/s per dollar an hour")]
    assert "  b  2 replicas of 1 x H100 (h100-x2), gptq, KV cache fp8" in front
    assert " ".join(narrow.split()).count("dearer") == " ".join(wide.split()).count("dearer")


def test_without_a_profile_all_that_ship_are_searched(infercli):
    _, value = search(infercli, MODEL, *LOAD, "--rate", "1", "--slo", "tpot_p95=100ms", "--quantization", "fp8")
    profiles = {x["candidate"]["profile"] for x in value["losers"]} | {value["chosen"]["candidate"]["profile"]}
    # h100 stands for what h100-x2 and h100-x8 hold as well; cpu-local has no GPU
    assert {"l4", "l40s", "rtx4090", "h100", "h100-x2", "h100-x8", "h200-x8"} <= profiles
    assert "cpu-local" not in profiles


def test_a_deployment_says_model_profile_load_and_objectives(infercli, deployment):
    deployment(
        f"name: chat\nmodel: {MODEL}\nprofile: h100-x2\nworkload: {{input_tokens: 500, output_tokens: 100, "
        "concurrency: 4}\nobjectives: {ttft_p95_ms: 2000, tpot_p95_ms: 60}\n"
    )
    code, value = search(infercli, "--rate", "3")
    assert code == ExitCode.YES
    load = value["workload"]
    assert (load["input_len"], load["output_len"], load["request_rate"]) == (500, 100, 3)
    assert (load["ttft_p95_ms"], load["tpot_p95_ms"]) == (2000, 60)
    assert value["chosen"]["candidate"]["profile"] == "h100-x2"
    assert value["command"].startswith("infercli plan --profile h100-x2")


def test_prices_of_the_project_go_before_those_that_ship(infercli, tmp_path):
    (tmp_path / "profiles").mkdir()
    price = "{low_usd: 1, median_usd: 2, high_usd: 3, quotes: 1, source: our contract}"
    (tmp_path / "profiles" / "prices.yaml").write_text(
        f"apiVersion: infercli/v1\nkind: PriceList\nas_of: 2026-11-01\nprices: {{H100-SXM-80: {price}}}\n"
    )
    _, value = search(infercli, MODEL, *LOAD, "--rate", "5", *SLOS, "--profile", "h100")
    assert value["chosen"]["cost"]["median_usd_per_h"] == 2
    assert value["prices_as_of"] == "2026-11-01"


def test_a_search_asks_for_no_longer_request_than_the_length_that_was_typed(infercli):
    ran = infercli("plan", MODEL, "--profile", "l4", "--rate", "1", "--max-model-len", "650")
    assert ran.code == 0
    assert "500 tokens in, 150 out" in ran.out


def test_a_rate_that_is_nearly_none_is_refused_by_its_flag(infercli):
    ran = infercli("plan", MODEL, "--rate", "0.0000001")
    assert (ran.code, "--rate: must be between 0.000001 and" in ran.err) == (ExitCode.USAGE, True)


def test_everything_that_is_wrong_is_said_at_once(infercli):
    ran = infercli(
        "plan", "meta-lama/Llama-3.1-8B-Instruct", "--rate", "-5", "--concurrency", "3", "--input-len", "-1",
        "--output-len", "0", "--profile", "h100x2", "--quantization", "awk", "--slo", "ttft_p95=1", "--slo",
        "tpt_p95=50ms", "--slo", "tpot_p95=0ms", "--slo", "ttft_p99",
    )  # fmt: skip
    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    for said in (
        "--input-len: must be at least 1, and is -1",
        "--output-len: must be at least 1, and is 0",
        "MODEL: unknown model `meta-lama/Llama-3.1-8B-Instruct`",
        "--profile: unknown profile `h100x2`",
        "--quantization: unknown quantization `awk`",
        "--rate: and --concurrency exclude each other",
        "--rate: must be between 0.000001 and 1,000,000,000, and is -5",
        "--slo: `ttft_p95=1` has no unit",
        "--slo: unknown objective `tpt_p95`",
        "--slo: `tpot_p95=0ms` must be more than 0",
        "--slo: `ttft_p99` says no time",
        "`tpot_p95`",
        "`h100-x2`",
        "`awq`",
    ):
        assert said in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((MODEL, "--slo", "tpot_p95=50ms"), "--rate: is missing"),
        ((MODEL, "--concurrency", "8"), "--slo: is missing"),
        ((MODEL, "--rate", "1", "--input-len", "200000"), "more than 131,072"),
        ((MODEL, "--rate", "1", "--max-model-len", "200000"), "model's own maximum"),
        ((MODEL, "--rate", "1", "--max-model-len", "1000", "--input-len", "900"), "more than 1,000"),
        ((MODEL, "--rate", "1", "--profile", "cpu-local"), "has no GPU to choose"),
        ((MODEL, "--rate", "1", "--save", "plan.json"), "a search writes no plan"),
        ((MODEL, "--rate", "1", "--slo", "tpot_p95=1s", "--slo", "tpot_p95=2s"), "said twice"),
        ((MODEL, "--rate", "1", "--slo", "ttft=1"), "write ttft_p95=1s or ttft_p95=1ms"),
        (("openai/gpt-oss-20b", "--rate", "1", "--quantization", "awq"), "a checkpoint is what it is"),
        (
            (MODEL, "--rate", "1", "--prefix-hit-fraction", "1"),
            "--prefix-hit-fraction: must be at least 0 and less than 1",
        ),
        ((MODEL, "--profile", "l4", "--prefix-hit-fraction", "80"), "--prefix-hit-fraction: must be at least 0"),
        ((MODEL, "--profile", "l4", "--replicas", "0"), "--replicas: must be at least 1"),
        (("BAAI/bge-m3", "--rate", "5", "--slo", "ttft_p95=1s"), "BAAI/bge-m3 generates no tokens"),
        (("BAAI/bge-m3", "--rate", "5", "--slo", "ttft_p95=1s"), "`infercli bench URL --api embeddings`"),
    ],
)
def test_bad_input_is_named(infercli, words, said):
    ran = infercli("plan", *words)
    assert ran.code == ExitCode.USAGE
    assert said in ran.err


def test_one_profile_and_no_objective_is_still_a_plan(infercli):
    ran = infercli("plan", MODEL, "--profile", "l4", "--concurrency", "8", *LOAD, "-o", "json")
    assert json.loads(ran.out)["kind"] == "Plan"


def test_what_a_deployment_fixes_is_kept(infercli, deployment):
    deployment(
        f"name: chat\nmodel: {MODEL}\nprofile: h100\nengine_args: {{gpu_memory_utilization: 0.7, enforce_eager: true, "
        "max_num_batched_tokens: 512}\n"
    )
    code, value = search(infercli, "--rate", "1", "--slo", "tpot_p95=200ms")
    assert code == ExitCode.YES
    settings = value["chosen"]["estimate"]["settings"]
    assert (settings["gpu_memory_utilization"], settings["enforce_eager"]) == (0.7, True)
    assert (settings["max_num_batched_tokens"], settings["max_num_seqs"]) == (512, 512)
    plan = json.loads(infercli("plan", *shlex.split(value["command"])[2:], "-o", "json").out)
    assert [t["bytes"] for t in plan["memory"]["terms"]] == [
        t["bytes"] for t in value["chosen"]["estimate"]["memory"]["terms"]
    ]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("{max_num_sqs: 4}", "did you mean `max_num_seqs`"),
        ("{enable_sleep_mode: true}", "engine_args.enable_sleep_mode: changes memory"),
        ("{gpu_memory_utilization: 1.5}", "must be above 0 and at most 1"),
        ("{max_model_len: 8k, max_num_sqs: 4}", "plan: engine_args.max_model_len: must be int, and is str"),
        ("{max_model_len: 8k, max_num_sqs: 4}", "did you mean `max_num_seqs`"),
        ("{speculative_config: ngram}", "engine_args.speculative_config: must be dict or null, and is str"),
        ("{gpu_memory_utilization: '0.9'}", "engine_args.gpu_memory_utilization: must be float, and is str"),
    ],
)
def test_engine_args_that_no_search_can_keep_are_named(infercli, deployment, args, said):
    deployment(f"name: chat\nmodel: {MODEL}\nprofile: h100\nengine_args: {args}\n")
    ran = infercli("plan", "--rate", "1")
    assert ran.code == ExitCode.USAGE
    assert said in ran.err


def test_wrong_engine_args_and_wrong_flags_are_said_together(infercli, deployment):
    args = "{max_model_len: 8k, hf_overrides: 3}"
    deployment(f"name: chat\nmodel: {MODEL}\nprofile: h100\nengine_args: {args}\n")
    ran = infercli("plan", "--rate", "1", "--max-num-seqs", "0", "--replicas", "0")
    assert ran.code == ExitCode.USAGE
    wrong = ["engine_args.max_model_len", "engine_args.hf_overrides", "--max-num-seqs", "--replicas"]
    assert re.findall(r"plan: (\S+):", ran.err) == wrong, ran.err


def test_a_third_of_the_speed_is_two_thirds_slower(infercli):
    hardware = ("--profile", "l40s-x4", "--profile", "h100-x2", "--rate", "1")
    ran = infercli("plan", "Qwen/Qwen3-32B", *hardware, "--slo", "tpot_p95=60ms")
    assert re.findall(r"2 x L40S \(l40s-x4\), fp8 +same price; (\d+)% slower for a user", ran.out) == ["67"], ran.out


def test_prices_that_nobody_knows_are_not_compared(infercli):
    words = (MODEL, *LOAD, "--rate", "4")
    ran = infercli("plan", *words, "--profile", "mi300x", "--profile", "h20")
    assert "One that holds (no price known): 1 x MI300X (mi300x), fp8" in ran.out
    assert re.search(r"price unknown; \d+% slower for a user", ran.out), ran.out
    assert "same GPUs; profile mi300x prefers fp8" in ran.out
    assert "same price" not in ran.out
    assert "Cheap" not in ran.out
    slos = ("--slo", "ttft_p95=2s", "--slo", "tpot_p95=60ms")
    ran = infercli("plan", *words, *slos, "--profile", "h20-x2", "--profile", "l4-x2")
    assert "One that holds (no price known): 1 x H20 (h20-x2), fp8" in ran.out
    assert "A priced one that holds only at the estimate: 2 replicas of 1 x L4" in ran.out


def test_the_command_says_that_the_spare_is_not_in_it(infercli):
    ran = infercli("plan", MODEL, *LOAD, "--rate", "4", "--profile", "l40s-x4", "--spare")
    lines = ran.out.splitlines()
    at = lines.index("Plan exactly this")
    assert lines[at + 2] == "  without the 1 spare GPU, which its price leaves out"
    assert lines[at + 3].startswith("  its speed is of as many requests in flight all the time")
    in_flight = infercli("plan", MODEL, *LOAD, "--concurrency", "4", "--slo", "tpot_p95=1s", "--profile", "l40s").out
    assert "Plan exactly this" in in_flight
    assert "in flight all the time" not in in_flight
    assert "which its price leaves out" not in infercli("plan", MODEL, *LOAD, "--rate", "4", "--profile", "l40s").out


def test_a_loser_with_another_batch_than_vllms_is_told_with_it(infercli):
    """Two GPUs side by side, one with a quarter of the batch, read as if the larger one were the slower one."""
    words = (
        "--input-len",
        "300",
        "--output-len",
        "400",
        "--rate",
        "5",
        "--slo",
        "ttft_p95=2s",
        "--slo",
        "tpot_p95=80ms",
    )
    model = "mistralai/Mixtral-8x7B-Instruct-v0.1"
    where = ("--profile", "a100-80", "--profile", "a100-40-x4")
    losers = json.loads(infercli("plan", model, *words, *where, "-o", "json").out)["losers"]
    tried = {(loser["reason"], loser["candidate"]["max_num_seqs"]) for loser in losers}
    out = infercli("plan", model, *words, *where).out.partition("Why the others were not taken")[2]
    rows = [row for row in out.splitlines() if "carries" in row]
    assert any("max_num_seqs" in row for row in rows)
    for row in rows:
        reason = row[row.index("at worst carries" if "at worst carries" in row else "carries") :]
        said = re.search(r"max_num_seqs (\d+)", row)
        assert (reason, int(said[1]) if said else 256) in tried, row


def test_every_loser_is_told_or_counted(infercli):
    ran = infercli("plan", "Qwen/Qwen3-32B", *LOAD, "--rate", "3")
    told = ran.out.partition("Why the others were not taken (")[2]
    losers = int(told.partition(" of ")[0].replace(",", ""))
    rows = told.splitlines()[2:]
    rest = next(i for i, row in enumerate(rows) if row.startswith("  and "))
    more, kinds = re.match(r"  and ([\d,]+) more of (\d+) kinds", rows[rest]).groups()
    alike = re.search(r"and (\d+) that differ from what is above by max_num_seqs alone: -o json$", rows[rest])
    shown = sum(int(row.split()[1].replace(",", "")) for row in rows[:rest])
    assert int(kinds) > 0
    assert shown + int(more.replace(",", "")) + int(alike[1] if alike else 0) == losers

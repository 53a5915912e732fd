"""infercli estimate, as it is typed and as it is piped."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys

import pytest

from infercli.adapters.models import model_config
from infercli.cli import estimate
from infercli.core.shapes import shapes
from infercli.errors import ExitCode
from tests.core.configs import config_of

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
GOOD = {"model": LLAMA, "gpu": "H100", "max_model_len": 8192}
LOAD = {"input_len": 1000, "output_len": 200, "concurrency": 8}


def llama_config(**changes):
    return config_of(shapes()[LLAMA].arch) | changes


def test_each_line_gets_one_answer_with_every_term_and_its_bounds(piped):
    code, (answer,) = piped(GOOD | {"id": "a"})
    assert code == ExitCode.YES
    assert (answer["kind"], answer["id"], answer["line"], answer["family"]) == ("Estimate", "a", 1, "dense")
    assert answer["starts"] is True
    terms = {t["name"]: t for t in answer["memory"]["terms"]}
    assert {"weights", "activation", "non_torch", "cuda_graphs", "kv_cache"} <= set(terms)
    assert all(t["low_bytes"] <= t["bytes"] <= t["high_bytes"] for t in terms.values())
    assert answer["kv_cache"]["bytes"] == terms["kv_cache"]["bytes"]
    # 32 layers x 8 heads x 128 x (key and value) x 2 B
    assert answer["kv_cache"]["bytes_per_token"] == 32 * 8 * 128 * 2 * 2


def test_the_lines_of_the_help_are_answered_as_they_are_pasted(piped):
    pasted = (estimate.command.help or "").partition("<<'JSON'\n")[2].partition("JSON")[0]
    code, answers = piped(pasted.encode())
    assert (code, [a["kind"] for a in answers]) == (ExitCode.YES, ["Estimate", "Estimate"])
    assert answers[1]["speed"] is not None


def test_of_a_byte_order_mark_it_is_said_how_to_take_it_away(infercli, tmp_path):
    """The file is whole: to fetch it again would not help."""
    path = tmp_path / "config.json"
    path.write_text("\ufeff" + json.dumps({"architectures": ["LlamaForCausalLM"]}), encoding="utf-8")
    ran = infercli("estimate", "--config-path", str(path), "--gpu", "H100")
    assert ran.code == ExitCode.USAGE
    assert "begins with a byte order mark" in ran.err
    subprocess.run(re.search(r"hint: `(.*)` takes it away", ran.err)[1], shell=True, check=True)
    assert path.read_bytes().startswith(b"{")


def test_a_config_is_named_by_file_by_directory_or_inline_and_read_once(piped, tmp_path, monkeypatch):
    for name in ("config.json", "other.json"):
        (tmp_path / name).write_text(json.dumps(llama_config()))
    quantization = {
        "producer": {"name": "modelopt"},
        "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"},
    }
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(quantization))
    reads = []
    read = model_config.read_object
    monkeypatch.setattr(model_config, "read_object", lambda path: reads.append(path) or read(path))
    rest = {"gpu": "H100", "max_model_len": 8192}
    by_file = {"config_path": str(tmp_path / "config.json")} | rest
    by_directory = {"config_path": str(tmp_path)} | rest
    by_other = {"config_path": str(tmp_path / "other.json")} | rest
    inline = {"config": llama_config()} | rest
    _, answers = piped(by_file, by_file, by_directory, by_directory, by_other, inline, GOOD)
    beside, _, quantized, _, plain, inlined, shipped = answers
    assert len(reads) == 5  # two files for each of two names of a checkpoint, and one whose checkpoint is not known
    assert quantized["settings"]["quantization"] == "fp8"
    # A config.json is that of the checkpoint that it lies in; a file of another name may lie beside any.
    assert beside["memory"] == quantized["memory"]
    assert plain["memory"] == inlined["memory"] == shipped["memory"]
    assert weights(quantized) < 0.6 * weights(plain)
    # The checkpoint asks for an FP8 KV cache, and `auto` obeys.
    assert quantized["kv_cache"]["bytes_per_token"] == plain["kv_cache"]["bytes_per_token"] / 2


def test_a_shipped_model_is_stored_as_the_quantization_beside_it_says(piped, tmp_path):
    quantization = {"quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]}}
    path = tmp_path / "hf_quant_config.json"
    path.write_text(json.dumps(quantization))
    _, answers = piped(GOOD, GOOD | {"hf_quant_config": quantization}, GOOD | {"hf_quant_config_path": str(path)}, GOOD)
    plain, inline, by_file, again = answers
    assert weights(inline) == weights(by_file) < 0.6 * weights(plain)
    assert inline["settings"]["quantization"] == "fp8"
    assert again["memory"] == plain["memory"]


def weights(answer):
    return next(t["bytes"] for t in answer["memory"]["terms"] if t["name"] == "weights")


def test_flags_ask_what_a_line_asks(piped, infercli):
    _, (answer,) = piped(GOOD | {"tensor_parallel_size": 2, "enforce_eager": True})
    ran = infercli(
        "estimate", "--model", LLAMA, "--gpu", "H100", "--max-model-len", 8192, "--tensor-parallel-size", 2,
        "--enforce-eager",
    )  # fmt: skip
    assert ran.code == ExitCode.YES
    assert json.loads(ran.out) == answer | {"line": None}


def test_flags_of_states_and_of_embeddings_are_fields_too(infercli):
    def asked(*flags):
        ran = infercli("estimate", "--model", "Qwen/Qwen3.6-27B", "--gpu", "H200", "--max-model-len", 4096, *flags)
        return json.loads(ran.out)

    cached, plain, narrow = (
        asked(*flags)["kv_cache"]["concurrency"]
        for flags in ((), ("--no-enable-prefix-caching",), ("--mamba-ssm-cache-dtype", "bfloat16"))
    )
    assert plain > cached == asked("--enable-prefix-caching")["kv_cache"]["concurrency"]
    assert narrow > cached
    weights = [asked(*flags)["memory"]["terms"][0]["bytes"] for flags in ((), ("--runner", "pooling"))]
    assert weights[1] < weights[0]


def test_a_model_that_is_served_for_text_alone_leaves_its_encoders_out(piped, infercli):
    asked = {"model": "Qwen/Qwen3-VL-4B-Instruct", "gpu": "L4", "max_model_len": 8192}
    text = {"language_model_only": True}, {"limit_mm_per_prompt": {"image": 0, "video": {"count": 0}}}
    _, (whole, *alone) = piped(asked, *(asked | said for said in text))
    sizes = [{t["name"]: t["bytes"] for t in answer["memory"]["terms"]} for answer in (whole, *alone)]
    assert sizes[1] == sizes[2]
    assert all(sizes[1][name] < sizes[0][name] for name in ("weights", "activation"))
    ran = infercli(
        "estimate", "--model", asked["model"], "--gpu", "L4", "--max-model-len", "8192", "--language-model-only"
    )
    assert {t["name"]: t["bytes"] for t in json.loads(ran.out)["memory"]["terms"]} == sizes[1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), (f"{LLAMA} on 1 x H100,", "KV cache\n", "Speed\n")),
        (
            ("--gpu-count", "6", "--tensor-parallel-size", "2"),
            (f"{LLAMA} on 3 replicas of 2 x H100,", "KV cache of each replica\n", "Speed of all replicas together\n"),
        ),
        (("--data-parallel-size", "2"), (f"{LLAMA} on 2 x H100,", "KV cache of each data-parallel rank\n", "Speed\n")),
    ],
)
def test_what_several_engines_have_each_and_together_is_told_apart(infercli, more, said):
    load = ("--input-len", "100", "--output-len", "100", "--concurrency", "6")
    ran = infercli("estimate", "--model", LLAMA, "--gpu", "H100", *load, *more, "-o", "text")
    assert all(words in ran.out for words in said), ran.out


def test_text_that_goes_to_no_terminal_has_nothing_for_one(infercli, monkeypatch):
    lines = json.dumps(GOOD) + "\n{not json\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    ran = infercli("estimate", "-o", "text")
    assert "\nMemory of each GPU\n" in ran.out
    assert "\nline 2: is not JSON" in ran.out
    assert "\x1b" not in ran.out


def test_the_text_is_a_table(infercli):
    ran = infercli("estimate", "--model", LLAMA, "--gpu", "H100", "--max-model-len", 8192, "-o", "text")
    assert "starts: " in ran.out
    assert "weights " in ran.out
    load = ("--input-len", "1000", "--output-len", "300", "--request-rate", "2", "--ttft-p95-ms", "500")
    timed = ("estimate", "--model", LLAMA, "--gpu", "H100", *load)
    expected = json.loads(infercli(*timed).out)["speed"]["ttft_p95_s"]["value"]
    rows = dict(re.findall(r"^  (T\w+ p\d+), ms +([\d.,]+)", infercli(*timed, "-o", "text").out, re.MULTILINE))
    assert list(rows) == ["TTFT p50", "TTFT p95", "TPOT p50", "TPOT p95"]
    assert float(rows["TTFT p95"]) == pytest.approx(1000 * expected, rel=0.01)


def test_the_schema_has_request_and_answer(infercli):
    schema = json.loads(infercli("estimate", "--schema").out)
    fields = schema["request"]["properties"]
    assert {"model", "config_path", "gpu", "tensor_parallel_size", "workload"} <= set(fields)
    assert schema["request"]["required"] == ["gpu"]
    assert {"Estimate", "EstimateError"} <= set(schema["answer"]["$defs"])


def test_an_answer_comes_before_the_next_question_is_asked():
    code = "from infercli.cli.main import run; run()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "estimate"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        for number in (1, 2):
            process.stdin.write(json.dumps(GOOD | {"id": number}) + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == number
        process.stdin.close()
        assert process.wait(timeout=30) == ExitCode.YES


def test_a_fault_of_ours_in_one_line_is_said_and_stops_nothing(piped, monkeypatch):
    from infercli.cli import estimating

    real = estimating.estimate
    monkeypatch.setattr(estimating, "estimate", lambda asked, *given: 1 / 0 if asked.id == 1 else real(asked, *given))
    code, (broken, answer) = piped(GOOD | {"id": 1}, GOOD)
    assert code == ExitCode.COULD_NOT
    assert "infercli's own fault: ZeroDivisionError" in broken["problems"][0]["what"]
    assert answer["kind"] == "Estimate"


def test_a_workload_is_answered_with_speed_and_intervals(piped):
    _, (answer, none) = piped(GOOD | {"workload": LOAD}, GOOD)
    speed = answer["speed"]
    for name in ("output_tok_per_s", "total_tok_per_s", "requests_per_s", "ttft_s", "tpot_s"):
        assert 0 < speed[name]["low"] < speed[name]["value"] < speed[name]["high"]
    # 200 of the 1200 tokens of a request are put out.
    assert speed["output_tok_per_s"]["value"] == pytest.approx(speed["total_tok_per_s"]["value"] / 6, rel=0.01)
    assert speed["highest_request_rate"] is None
    assert none["speed"] is None


def test_more_gpus_than_an_engine_takes_are_replicas_that_share_the_load(piped):
    _, (one, two) = piped(GOOD | {"workload": LOAD}, GOOD | {"gpu_count": 2, "workload": LOAD | {"concurrency": 16}})
    assert (one["replicas"], two["replicas"]) == (1, 2)
    rates = [answer["speed"]["requests_per_s"]["value"] for answer in (one, two)]
    assert rates[1] == pytest.approx(2 * rates[0], rel=0.01)


def test_an_objective_is_answered_with_the_highest_rate_that_keeps_it(piped):
    lengths = {"input_len": 1000, "output_len": 200}
    loose, strict, hopeless = (GOOD | {"workload": lengths | {"ttft_p95_ms": ms}} for ms in (2000, 200, 0.01))
    _, answers = piped(loose, strict, hopeless)
    rates = [answer["speed"]["highest_request_rate"]["value"] for answer in answers]
    assert rates[0] >= rates[1] > rates[2] == 0
    assert all(rate <= answer["speed"]["roofline_requests_per_s"] for rate, answer in zip(rates, answers, strict=True))


def test_where_no_speed_can_be_said_memory_is_answered_and_the_note_says_why(piped):
    drafted = {"speculation": {"method": "ngram", "num_speculative_tokens": 3}}
    too_big = {"model": "meta-llama/Llama-3.1-70B-Instruct", "max_model_len": 8192}
    _, (unstated, stated, does_not_start) = piped(
        GOOD | drafted | {"workload": LOAD},
        GOOD | {"speculation": drafted["speculation"] | {"acceptance_fraction": 0.5}, "workload": LOAD},
        GOOD | too_big | {"workload": LOAD},
    )
    assert unstated["speed"] is None
    assert any("not stated" in note for note in unstated["notes"])
    assert stated["speed"] is not None
    assert (does_not_start["starts"], does_not_start["speed"]) == (False, None)
    assert any("it does not start" in note for note in does_not_start["notes"])


EAGLE3 = {
    "architectures": ["LlamaForCausalLMEagle3"], "hidden_size": 4096, "intermediate_size": 14336,
    "num_attention_heads": 32, "num_key_value_heads": 8, "num_hidden_layers": 1, "vocab_size": 128256,
    "draft_vocab_size": 32000, "max_position_embeddings": 2048, "torch_dtype": "bfloat16",
}  # fmt: skip


def test_what_drafts_takes_its_weights_and_its_share_of_the_cache(piped, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(EAGLE3))
    drafting = {"method": "eagle3", "num_speculative_tokens": 3}
    code, (alone, eagle, small) = piped(
        GOOD,
        GOOD | {"speculation": drafting | {"config_path": str(tmp_path)}},
        GOOD | {"speculation": drafting | {"method": "draft_model", "model": "meta-llama/Llama-3.2-1B-Instruct"}},
    )
    assert code == ExitCode.YES

    def weights(answer):
        return next(t["bytes"] for t in answer["memory"]["terms"] if t["name"] == "weights") / 2**30

    # EAGLE-3: 425 million parameters in bfloat16, and its table of RoPE; the small model 1.24 billion.
    assert weights(eagle) - weights(alone) == pytest.approx(0.79, abs=0.005)
    assert weights(small) - weights(alone) == pytest.approx(2.3, abs=0.04)
    of_32, of_33, of_48 = (a["kv_cache"]["bytes_per_token"] for a in (alone, eagle, small))
    assert (of_32 * 33, of_32 + 16 * 2 * 8 * 64 * 2) == (of_33 * 32, of_48)


def test_adapters_are_asked_for_by_vllms_names_and_cost_what_their_slots_take(piped, infercli):
    asked = GOOD | {"enable_lora": True, "max_loras": 2}
    code, (plain, adapted, refused) = piped(GOOD, asked, asked | {"max_lora_rank": 20})
    assert code == ExitCode.COULD_NOT
    weights = [next(t for t in a["memory"]["terms"] if t["name"] == "weights")["bytes"] for a in (plain, adapted)]
    # 2 slots x rank 16 x 2 B for each input and output of 32 layers and of the vocabulary's two ends
    layer = 3 * 4096 + 6144 + 2 * 4096 + 2 * 4096 + 2 * 14336 + 14336 + 4096
    assert weights[1] - weights[0] == 64 * (32 * layer + 2 * (128256 + 4096))
    assert adapted["starts"] is True
    assert [p["where"] for p in refused["problems"]] == ["max_lora_rank"]
    ran = infercli(
        "estimate", "--model", LLAMA, "--gpu", "H100", "--enable-lora", "--max-loras", 2, "--max-lora-rank", 16
    )
    assert json.loads(ran.out)["memory"]["terms"][0] == adapted["memory"]["terms"][0]


def test_the_speed_of_adapters_is_not_passed_off_as_known(piped):
    asked = GOOD | {"workload": {"input_len": 1000, "output_len": 100, "concurrency": 4}}
    _, answers = piped(asked, asked | {"enable_lora": True})
    said = [any("adapters" in note for note in a["speed"]["notes"]) for a in answers]
    assert said == [False, True]


def test_the_time_of_encoders_is_not_passed_off_as_known(piped):
    asked = GOOD | {"model": "Qwen/Qwen3-VL-8B-Instruct", "workload": LOAD}
    _, answers = piped(asked, asked | {"language_model_only": True})
    assert [any("encoders" in note for note in a["speed"]["notes"]) for a in answers] == [True, False]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_answer_is_not_lost_to_a_letter_that_the_terminal_lacks(encoding):
    done = subprocess.run(
        [sys.executable, "-m", "infercli", "estimate"], input=json.dumps(GOOD | {"id": "\u65e5"}), check=False,
        capture_output=True, encoding="utf-8", env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (ExitCode.YES, "")
    assert json.loads(done.stdout)["id"] == "\u65e5"

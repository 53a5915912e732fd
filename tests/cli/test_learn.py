"""infercli learn: what this installation's runs printed, kept and said again."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from infercli.adapters.files import alone_with
from infercli.core.documents.model import ModelLock
from infercli.core.shapes import shapes
from infercli.errors import ExitCode
from tests.core.configs import config_of
from tests.core.plans import COMMIT, locked

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
LOG = """
INFO [core.py:123] Initializing a V1 LLM engine (v0.29.0) with config: model='{model}', dtype=torch.bfloat16, \
max_seq_len=8192, tensor_parallel_size=1, quantization=None, enforce_eager=False, kv_cache_dtype=auto
INFO [model_runner.py:405] Model loading took {weights} GiB memory and 1.2 seconds
INFO [gpu_worker.py:625] Available KV cache memory: {pool} GiB
"""
GPU = ("--gpu", "H100")


@pytest.fixture
def log(tmp_path):
    def write(name, weights, pool, model=LLAMA):
        (tmp_path / name).write_text(LOG.format(model=model, weights=weights, pool=pool))
        return name

    return write


def estimate(infercli, *words):
    ran = infercli("estimate", "--model", LLAMA, "--gpu", "H100", "--max-model-len", 8192, *words)
    assert ran.code == ExitCode.YES, ran.err
    return json.loads(ran.out)


def test_later_estimates_of_the_same_kind_are_moved_by_the_mean_and_say_the_spread(infercli, log):
    pool = next(t["bytes"] for t in estimate(infercli)["memory"]["terms"] if t["name"] == "kv_cache") / 2**30
    # 1 GiB and 3 GiB less than predicted: 2 on average, and a standard deviation of sqrt(2)
    files = [log("a.log", 15.0, round(pool - 1, 2)), log("b.log", 15.0, round(pool - 3, 2))]
    assert infercli("learn", *files, *GPU).code == ExitCode.YES
    answer = estimate(infercli)
    terms = {t["name"]: t["bytes"] for t in answer["memory"]["terms"]}
    assert terms["kv_cache"] / 2**30 == pytest.approx(pool - 2, abs=0.01)
    assert answer["kv_cache"]["bytes"] == terms["kv_cache"]
    assert terms["weights"] / 2**30 == pytest.approx(15.0, abs=0.01)
    assert sum(terms.values()) == answer["memory"]["budget_bytes"]
    weights, cache = (n for n in answer["notes"] if "your runs" in n)
    assert weights.startswith("weights: predicted 15.00 GiB +- 0.00 from 2 of your runs, ")
    assert cache == f"kv_cache: predicted {pool - 2:.2f} GiB +- 1.41 from 2 of your runs, {pool:.2f} GiB without them"
    # Another split, GPU or quantization is another kind: nothing is said.
    assert "your runs" not in str(estimate(infercli, "--tensor-parallel-size", 2)["notes"])
    assert "your runs" not in str(estimate(infercli, "--quantization", "fp8")["notes"])


def test_runs_of_another_vllm_than_plans_are_of_are_said_to_move_no_plan(infercli, log, tmp_path):
    (tmp_path / "old.log").write_text((tmp_path / log("new.log", 15.0, 50.0)).read_text().replace("0.29.0", "0.19.1"))
    assert "no plan" not in infercli("learn", "new.log", *GPU).err
    ran = infercli("learn", "new.log", "old.log", *GPU)
    assert "of vLLM 0.19.1: it moves `infercli estimate --engine-version 0.19.1`, and no plan: those are of 0.29.0" in (
        ran.err
    )
    assert "your runs" in str(estimate(infercli, "--engine-version", "0.19.1")["notes"])


def test_the_same_log_teaches_once_and_deleting_the_file_forgets(infercli, log, tmp_path):
    infercli("learn", log("a.log", 15.0, 50.0), *GPU)
    infercli("learn", log("again.log", 15.0, 50.0), *GPU)
    shown = json.loads(infercli("learn", "--show", "-o", "json").out)
    assert [run["source"] for run in shown["runs"]] == ["again.log"]
    assert "15.00" in infercli("learn", "--show").out
    (tmp_path / "infercli-learned.json").unlink()
    assert "nothing was learned yet" in infercli("learn", "--show").out
    assert "your runs" not in str(estimate(infercli)["notes"])


def test_what_is_nested_without_end_or_never_written_teaches_nothing(infercli, tmp_path):
    (tmp_path / "deep.log").write_text('{"a":' * 100_000)
    ran = infercli("learn", "deep.log", *GPU)
    assert (ran.code, "prints no memory of vLLM" in ran.err) == (ExitCode.USAGE, True)
    os.mkfifo(tmp_path / "pipe.log")
    ran = infercli("learn", "pipe.log", *GPU)
    assert (ran.code, "is a named pipe" in ran.err) == (ExitCode.USAGE, True)


def test_of_two_that_learn_at_once_both_are_kept(infercli, log, tmp_path):
    log("first.log", "14.99", "54.23")
    log("second.log", "15.01", "54.13")
    with alone_with(tmp_path / "infercli-learned.json"):
        words = [sys.executable, "-m", "infercli", "learn", "first.log", *GPU]
        waiting = subprocess.Popen(words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=2)
        assert not (tmp_path / "infercli-learned.json").exists()
    assert waiting.wait(timeout=30) == 0
    assert "it has 2 runs" in infercli("learn", "second.log", *GPU).err


def test_the_same_start_teaches_once_however_far_its_log_has_grown(infercli, log, tmp_path):
    started = ("--engine-version", "0.29.0", "--tensor-parallel-size", 1)
    blocks = f'vllm:cache_config_info{{block_size="16",num_gpu_blocks="20000"}} 1.0\nvllm:x{{model_name="{LLAMA}"}} '
    texts = {"a.log": (tmp_path / log("a.log", 15.0, 50.0)).read_text(), "metrics.txt": blocks}
    for name, text in texts.items():
        for more in ("", "1.0\n", "1.0\nINFO 10.0.0.1 - POST /v1/chat/completions HTTP/1.1 200 OK\n"):
            (tmp_path / name).write_text(text + more)
            assert infercli("learn", name, *GPU, *started).code == ExitCode.YES
    shown = json.loads(infercli("learn", "--show", "-o", "json").out)
    assert [run["source"] for run in shown["runs"]] == ["a.log", "metrics.txt"]
    # The engine that is started after it is another.
    (tmp_path / "b.log").write_text(texts["a.log"] + "vLLM API server version 0.29.0\n" + texts["a.log"])
    infercli("learn", "b.log", *GPU)
    assert len(json.loads(infercli("learn", "--show", "-o", "json").out)["runs"]) == 3


def test_a_plan_a_search_and_an_estimate_are_moved_alike(infercli, log, tmp_path):
    words = ("--max-model-len", 8192, "--max-num-seqs", 1024, "--quantization", "none")
    load = ("--input-len", 1000, "--output-len", 100, "--rate", 1, "--slo", "tpot_p95=1s")

    def terms(*more):
        value = json.loads(infercli("plan", LLAMA, "--profile", "h100", *words, *more, "-o", "json").out)
        answer = value["chosen"]["estimate"] if "chosen" in value else value
        return {t["name"]: t["bytes"] for t in answer["memory"]["terms"]}, answer

    before, plan = terms()
    assert plan["fits"] is True
    infercli("learn", log("a.log", 15.0, 0.5), *GPU)
    after, plan = terms()
    assert after["kv_cache"] / 2**30 == pytest.approx(0.5, abs=0.01)
    assert sum(after.values()) == sum(before.values())
    assert plan["fits"] is not True
    assert after == {t["name"]: t["bytes"] for t in estimate(infercli)["memory"]["terms"]}
    nothing = json.loads(infercli("plan", LLAMA, "--profile", "h100", *words, *load, "-o", "json").out)
    assert nothing["chosen"] is None
    (tmp_path / "infercli-learned.json").unlink()
    infercli("learn", log("b.log", 15.0, 30.0), *GPU)
    assert terms(*load)[0]["learned"] == terms()[0]["learned"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "nothing to learn from"),
        (("gone.log", *GPU), "gone.log: there is no such file\nhint: `ls -l .` lists what is there"),
        (("good.log",), "no log names its GPU"),
        (("good.log", "--gpu", "H1000"), "unknown GPU `H1000`"),
        (("empty.log", *GPU), "empty.log: prints no memory of vLLM"),
        (("path.log", *GPU), "unknown model `/models/abc`"),
    ],
)
def test_what_cannot_be_learned_from_is_named(infercli, log, tmp_path, words, said):
    log("good.log", 15.0, 50.0)
    log("path.log", 15.0, 50.0, model="/models/abc")
    (tmp_path / "empty.log").write_text("INFO vLLM API server version 0.29.0\n")
    ran = infercli("learn", *words)
    assert ran.code == ExitCode.USAGE
    assert said in ran.err


def test_what_does_not_say_how_it_was_started_teaches_nothing_until_that_is_said(infercli, tmp_path):
    (tmp_path / "end.log").write_text("INFO [gpu_worker.py:625] Available KV cache memory: 50.0 GiB\n")
    ran = infercli("learn", "end.log", "--model", LLAMA, *GPU)
    assert ran.code == ExitCode.USAGE
    assert "end.log: does not say how the engine was started" in ran.err
    assert "add --engine-version and --tensor-parallel-size" in ran.err
    assert not (tmp_path / "infercli-learned.json").exists()
    started = ("--engine-version", "0.19.0", "--tensor-parallel-size", 2)
    assert infercli("learn", "end.log", "--model", LLAMA, *GPU, *started).code == ExitCode.YES
    (run,) = json.loads(infercli("learn", "--show", "-o", "json").out)["runs"]
    assert (run["engine_version"], run["tensor_parallel_size"]) == ("0.19.0", 2)


def test_a_path_in_a_log_is_named_by_a_flag(infercli, log):
    assert (
        infercli("learn", log("path.log", 15.0, 50.0, model="/models/abc"), "--model", LLAMA, *GPU).code == ExitCode.YES
    )


def test_an_engine_of_this_project_is_known_by_the_path_it_serves(infercli, log, tmp_path):
    model = locked(config_of(shapes()[LLAMA].arch), {"quant_method": "awq", "bits": 4})
    lock = ModelLock(models=(model,)).model_dump(mode="json")
    (tmp_path / "models.lock.yaml").write_text(json.dumps(lock))
    assert infercli("learn", log("pod.log", 5.5, 50.0, model=f"/models/{COMMIT}"), *GPU).code == ExitCode.YES
    (run,) = json.loads(infercli("learn", "--show", "-o", "json").out)["runs"]
    assert (run["model"], run["quantization"]) == ("some/model", "awq")


def test_the_quantization_that_only_a_log_says_is_that_of_its_run(infercli, log, tmp_path):
    path = tmp_path / log("awq.log", 5.4, 12.0)
    path.write_text(path.read_text().replace("quantization=None", "quantization=awq_marlin"))
    infercli("learn", "awq.log", *GPU)
    (run,) = json.loads(infercli("learn", "--show", "-o", "json").out)["runs"]
    assert run["quantization"] == "awq"


def test_weights_that_an_engine_quantized_while_loading_teach_nothing_of_unquantized_ones(infercli, log, tmp_path):
    path = tmp_path / log("bnb.log", 5.4, 50.0)
    path.write_text(path.read_text().replace("quantization=None", "quantization=bitsandbytes"))
    config = tmp_path / "config.json"
    config.write_text(json.dumps(config_of(shapes()[LLAMA].arch)))
    for more in ((), ("--config-path", config)):
        assert infercli("learn", "bnb.log", *GPU, *more).code == ExitCode.YES
        (run,) = json.loads(infercli("learn", "--show", "-o", "json").out)["runs"]
        assert run["quantization"] == "bitsandbytes"
    assert "your runs" not in str(estimate(infercli)["notes"])


@pytest.mark.parametrize(
    ("weights", "quantization", "said"),
    [
        # 8.03 B parameters: 14.99 GiB in bf16, 5.4 in AWQ.
        (8.5, "compressed-tensors", f"quantization: is compressed-tensors in the log, and what is known of {LLAMA}"),
        (15.0, "awq", f"weights: is 15.00 GiB in the log, and {LLAMA} in awq has 5."),
        (9.0, "None", f"weights: is 9.00 GiB in the log, and {LLAMA} in none has 14.99 GiB"),
        (23.0, "None", f"weights: is 23.00 GiB in the log, and {LLAMA} in none has 14.99 GiB"),
        (30.0, "None", f"weights: is 30.00 GiB in the log, and {LLAMA} in none has 14.99 GiB"),
    ],
)
def test_a_log_of_another_checkpoint_is_not_learned(infercli, log, tmp_path, weights, quantization, said):
    path = tmp_path / log("other.log", weights, 40.0)
    path.write_text(path.read_text().replace("quantization=None", f"quantization={quantization}"))
    ran = infercli("learn", "other.log", *GPU)
    assert ran.code == ExitCode.USAGE
    assert f"other.log: {said}" in ran.err
    assert not (tmp_path / "infercli-learned.json").exists()


def test_what_was_learned_is_told_by_run_on_a_narrow_terminal(infercli, log, monkeypatch):
    infercli("learn", log("a.log", 15.0, 50.0), *GPU)
    wide = infercli("learn", "--show").out
    monkeypatch.setattr("infercli.cli.output.terminal_width", lambda: 80)
    narrow = infercli("learn", "--show").out
    assert max(map(len, wide.splitlines())) > 80 >= max(map(len, narrow.splitlines()))
    assert f"{LLAMA} on H100, TP1, vLLM 0.29.0, none, from a.log" in narrow
    assert "weights   14.99 GiB  15.00 GiB  +0.01 GiB" in narrow


@pytest.mark.parametrize(
    ("weights", "pool", "more", "said"),
    [
        # An L4 has 22.05 GiB.
        (61.0, 5.0, "", ["weights: is 61.00 GiB in the log, and L4 has 22.05 GiB"]),
        (15.0, 650.0, "", ["kv_cache: is 650.00 GiB"]),
        (61.0, 650.0, "", ["weights: is 61.00", "kv_cache: is 650.00"]),
        (15.0, 20.0, "", ["weights and kv_cache: is 35.00 GiB"]),
        (1.0, 1.0, "Free memory on device (78.1/79.1 GiB)", ["the GPU's memory: is 79.10 GiB"]),
    ],
)
def test_what_no_such_gpu_holds_is_not_learned(infercli, log, tmp_path, weights, pool, more, said):
    name = log("other.log", weights, pool)
    (tmp_path / name).write_text((tmp_path / name).read_text() + more)
    ran = infercli("learn", name, "--gpu", "L4")
    assert ran.code == ExitCode.USAGE
    assert ran.err.count("other.log: ") == len(said)
    assert all(f"other.log: {line}" in ran.err for line in said)
    assert not (tmp_path / "infercli-learned.json").exists()


def test_kv_cache_that_only_its_tokens_say_is_held_against_the_gpu_too(infercli, log, tmp_path):
    name = log("other.log", 15.0, 5.0)
    text = (tmp_path / name).read_text()
    (tmp_path / name).write_text(
        text.replace("Available KV cache memory: 5.0 GiB", "GPU KV cache size: 900,000 tokens")
    )
    # 128 KiB a token: 2 x 32 layers x 8 heads x 128 x 2 bytes
    assert "kv_cache: is 109.9" in infercli("learn", name, "--gpu", "L4").err


@pytest.mark.parametrize(
    ("model", "version"),
    [
        (LLAMA, "0.29.0"),
        ("google/gemma-3-27b-it", "0.29.0"),  # full attention and windows
        ("google/gemma-3-27b-it", "0.19.0"),
        ("Qwen/Qwen3.5-9B", "0.29.0"),  # attention and states
    ],
)
def test_metrics_that_say_the_predicted_blocks_move_nothing(infercli, tmp_path, model, version):
    asked = infercli("estimate", "--model", model, *GPU, "--engine-version", version)
    pool = json.loads(asked.out)["kv_cache"]
    (tmp_path / "metrics.txt").write_text(
        f'vllm:cache_config_info{{block_size="{pool["block_tokens"]}",num_gpu_blocks="{pool["blocks"]}"}} 1.0\n'
        f'vllm:num_requests_running{{engine="0",model_name="{model}"}} 0.0\n'
    )
    started = ("--engine-version", version, "--tensor-parallel-size", 1)
    assert infercli("learn", "metrics.txt", *GPU, *started).code == ExitCode.YES
    (run,) = json.loads((tmp_path / "infercli-learned.json").read_text())["runs"]
    assert [(r["term"], r["printed_bytes"] - r["predicted_bytes"]) for r in run["residuals"]] == [("kv_cache", 0)]


@pytest.mark.parametrize(
    ("said", "beyond"),
    [
        ("'cpu_offload_gb': 12.0", "cpu_offload_gb 12"),
        ("SpeculativeConfig(method='eagle3', model='x/eagle', num_spec_tokens=3)", "speculation by eagle3 of x/eagle"),
    ],
)
def test_a_start_with_what_no_estimate_counts_teaches_nothing(infercli, log, tmp_path, said, beyond):
    # Its weights, 12 GB less, would be those of every later start.
    name = log("a.log", 3.0, 66.0)
    (tmp_path / name).write_text((tmp_path / name).read_text() + said)
    ran = infercli("learn", name, *GPU)
    assert ran.code == ExitCode.USAGE
    assert f"a start with {beyond}, which is not counted here" in ran.err
    assert not (tmp_path / "infercli-learned.json").exists()


def test_a_start_with_speculation_and_adapters_is_held_against_an_estimate_with_them(infercli, log, tmp_path):
    plain = learned_weights(infercli, tmp_path, log("plain.log", 15.0, 50.0))
    name = log("both.log", 15.0, 50.0)
    (tmp_path / name).write_text(
        (tmp_path / name).read_text() + "non-default args: {'enable_lora': True, 'max_lora_rank': 64}"
    )
    # 64 x (inputs + outputs) of every matrix of 32 layers in 2 bytes, 0.31 GiB, and what the vocabulary takes
    assert 0.31 * 2**30 < learned_weights(infercli, tmp_path, name) - plain < 0.36 * 2**30
    (tmp_path / name).write_text(
        (tmp_path / name).read_text() + "SpeculativeConfig(method='ngram', model=None, num_spec_tokens=3)"
    )
    assert infercli("learn", name, *GPU).code == ExitCode.YES


def learned_weights(infercli, tmp_path, name):
    """What was predicted of the weights of a log's start."""
    assert infercli("learn", name, *GPU).code == ExitCode.YES
    run = json.loads((tmp_path / "infercli-learned.json").read_text())["runs"][-1]
    return next(r["predicted_bytes"] for r in run["residuals"] if r["term"] == "weights")


@pytest.mark.parametrize("broken", ['{"kind": "LearnedRuns", "runs": [', '{"kind": "LearnedRuns", "runs": 3}', "[]"])
def test_a_broken_file_of_what_was_learned_stops_no_plan_and_no_estimate(infercli, log, tmp_path, broken):
    before = estimate(infercli)
    (tmp_path / "infercli-learned.json").write_text(broken)
    assert estimate(infercli) == before
    for more in ((), ("--rate", 1, "--slo", "tpot_p95=1s")):
        ran = infercli("plan", LLAMA, "--profile", "h100", *more)
        assert ran.code == ExitCode.YES
        assert "what was learned moves nothing: infercli-learned.json" in ran.err
        assert "deleting the file forgets it" in ran.err
        assert "YAML" not in ran.err
    # It is not written over, either.
    assert infercli("learn", log("a.log", 15.0, 50.0), *GPU).code == ExitCode.USAGE
    assert (tmp_path / "infercli-learned.json").read_text() == broken


def test_learn_says_what_it_wrote_and_no_minus_nothing(infercli, log):
    predicted = next(t["bytes"] for t in estimate(infercli)["memory"]["terms"] if t["name"] == "weights") / 2**30
    assert predicted > round(predicted, 2) - 0.005
    ran = infercli("learn", log("a.log", f"{predicted - 0.001:.4f}", 50.0), *GPU)
    assert "infercli-learned.json is written: it has 1 run\n" in ran.err
    assert "+0.00 GiB" in ran.out
    assert "-0.00" not in ran.out

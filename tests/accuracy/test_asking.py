"""What is asked for a record: what was known when the engine was started, and never what was measured."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from benchmarks.accuracy import sizing, slo, throughput
from benchmarks.accuracy.__main__ import main
from benchmarks.accuracy.asking import question
from benchmarks.accuracy.models import Library, read_rows
from infercli.core.shapes import shapes
from tests.core.configs import config_of
from tests.parts.require import require

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
LOG = {
    "id": "r1", "model": LLAMA, "base_model_for_config": LLAMA, "engine": "V1", "gpu": "NVIDIA H100 80GB",
    "dtype": "auto", "gpu_memory_gib": 79.19, "gpu_memory_utilization": 0.9, "kv_cache_dtype": "auto",
    "max_model_len": 8192,
    "pipeline_parallel": 1, "tensor_parallel": 2, "quantization": "none", "startup_result": "ok",
    "vllm_version": "0.19.0",
    "observed": {"weights_gib": 7.51, "available_kv_gib": 60.0, "max_concurrency": 120.0, "max_concurrency_len": 8192},
}  # fmt: skip
LOAD = {
    "id": "t1", "model": LLAMA, "engine": "vLLM", "engine_version": "0.11.0", "gpu": "H100-SXM-80", "gpu_count": 1,
    "tp": 1, "pp": 1, "dp": None, "ep": None, "replicas": 1, "quantization": "bf16", "kv_dtype": None, "load": "closed",
    "concurrency": 8, "num_prompts": None, "request_rate": None, "input_len": 500.0, "output_len": 200.0,
    "output_tok_per_s": 800.0, "ttft_ms": {"p50": 40.0}, "tpot_ms": {"mean": 9.0}, "plausibility": "checked",
    "notes": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def library():
    return Library([])


def asked(row, library, **changes):
    return question(row | changes, library).request


def test_a_log_is_asked_with_what_it_was_started_with_and_nothing_that_it_printed(library):
    assert asked(LOG, library) == {
        "id": "r1", "model": LLAMA, "quantization": "none", "engine_version": "0.19.0", "gpu": "NVIDIA H100 80GB",
        "gpu_memory_gib": 79.19, "tensor_parallel_size": 2, "pipeline_parallel_size": 1, "max_model_len": 8192,
        "gpu_memory_utilization": 0.9, "kv_cache_dtype": "auto", "dtype": "auto",
    }  # fmt: skip


@pytest.mark.parametrize(("said", "asked_for"), [(False, False), (True, True), (None, None)])
def test_prefix_caching_is_asked_for_as_it_was_set(library, said, asked_for):
    assert asked(LOG, library, enable_prefix_caching=said).get("enable_prefix_caching") is asked_for


@pytest.mark.parametrize(
    ("printed", "version", "known"),
    [
        ("0.13.0rc2.dev112+g763963aa7.d20251213", "0.13.0rc2.dev112", True),
        ("0.10-0.11 (image v0.11.0 in how-to)", "0.11.0", True),
        ("0.13.0+faa43dbf.nv26.01", "0.13.0", True),
        ("0.7.x", "0.7", True),
        ("vllm-v0.20.1", "0.20.1", True),
        ("unstated (2025)", "0.11.0", False),
        (None, "0.11.0", False),
    ],
)
def test_a_version_is_read_however_it_is_written(library, printed, version, known):
    found = question(LOG | {"vllm_version": printed}, library)
    assert (found.request["engine_version"], found.version_known) == (version, known)


@pytest.mark.parametrize(
    ("model", "said", "method"),
    [
        (LLAMA, "fp8", "fp8-online"),
        ("someone/Meta-Llama-3.1-8B-Instruct-FP8-dynamic", "compressed-tensors", "fp8"),
        ("someone/Meta-Llama-3.1-8B-Instruct-quantized.w8a8", "compressed-tensors", "int8"),
        ("someone/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "gptq_marlin", "gptq"),
        ("someone/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "int4-w4a16", "w4a16"),
        ("someone/Llama-3.1-8B-Instruct-AWQ-4bit", "compressed-tensors", "w4a16"),
        ("someone/Llama-3.1-8B-Instruct", "awq_marlin", "awq"),
        ("RedHatAI/Llama-3.1-8B-Instruct-NVFP4", "compressed-tensors", "nvfp4"),
        ("Intel/Llama-3.1-8B-Instruct-int4-AutoRound", "inc", "gptq"),
        ("someone/Llama-3.1-8B-Instruct-FP8-KV", "quark", "fp8"),
        # What ships under its own name is what it is; a name that says nothing of it may be anything.
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "int4-w4a16", None),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "gptq_marlin", "gptq"),
        ("deepseek-ai/DeepSeek-R1-0528", "nvfp4", "nvfp4"),
        (LLAMA, None, None),
    ],
)
def test_a_quantization_is_read_from_the_field_and_from_the_name(library, model, said, method):
    assert asked(LOG, library, model=model, quantization=said).get("quantization") == method


def test_a_memory_class_stands_for_no_gpu_that_is_scored(library):
    found = question(LOG | {"gpu": "unstated (24GB-class)", "gpu_memory_gib": None}, library)
    assert not found.gpu_known
    assert found.request["gpu_memory_gib"] == 24
    assert question(LOG | {"gpu": "NVIDIA H100 80GB (inferred)"}, library).gpu_known
    unknown = question(LOG | {"gpu": "unstated", "gpu_memory_gib": None}, library)
    assert not unknown.memory_known


def test_a_load_is_a_closed_loop_a_rate_or_a_batch(library):
    def load(**changes):
        return throughput.ask(LOAD | changes, library).request["workload"]

    lengths = {"input_len": 500.0, "output_len": 200.0}
    assert load() == lengths | {"concurrency": 8}
    assert load(source="inferencex-app") == lengths | {"concurrency": 8, "num_prompts": 80}
    assert load(load="all-at-once", concurrency=None, num_prompts=300, request_rate="inf") == lengths | {
        "num_prompts": 300
    }
    assert load(load="open", concurrency=None, request_rate=5) == lengths | {"request_rate": 5}
    ended = load(load="poisson", concurrency=None, request_rate=5, num_prompts=50)
    assert ended == lengths | {"request_rate": 5, "num_prompts": 50}
    assert load(load="offline-max", concurrency=None)["num_prompts"] == 2000


@pytest.mark.parametrize(
    ("workload", "spread"),
    [
        ("random", 0.0),
        ("longctx-28k", 0.0),
        ("random 4000/500 range 0.9", 0.9),
        ("random 8192/1024 x0.9", 0.111),
        ("sharegpt_standard_v1", 0.45),
        ("sharegpt", 1.0),
        (None, None),
    ],
)
def test_lengths_are_spread_as_the_harness_draws_them(library, workload, spread):
    asked = throughput.ask(LOAD | {"workload": workload}, library).request["workload"]
    assert asked.get("length_spread_fraction") == spread


def test_a_run_is_asked_for_in_the_layout_that_its_name_says(library):
    """Sixteen GPUs that a record counts where four ran would be four times what was measured."""
    run = {"source": "inferencex", "notes": "m_h100_sxm_vllm_fp8_agg_8192x1024_c4_tp4_ep4_1323", "ep": 16}

    def layout(**changes):
        request = throughput.ask(LOAD | run | changes, library).request
        return [request.get(f"{kind}_parallel_size") for kind in ("tensor", "data")] + [request["gpu_count"]]

    assert layout(tp=4, dp=4, gpu_count=16) == [4, 1, 4]
    assert layout(tp=4, dp=4, gpu_count=16, source="somebody") == [4, 4, 16]
    assert layout(tp=4, dp=4, gpu_count=16, notes="m_c4_tp4_ep16_1") == [4, 4, 16]


def test_a_run_has_the_cache_that_the_scripts_of_its_source_state(library):
    def cache(**changes):
        return throughput.ask(LOAD | {"source": "inferencex-app"} | changes, library).request.get("kv_cache_dtype")

    llama = {"model": "meta-llama/Llama-3.1-70B"}
    assert cache(**llama) == "fp8"
    assert cache(**llama, kv_cache_dtype="bfloat16") == "bfloat16"
    assert cache(**llama, source="somebody") is None
    assert cache() is None


def test_a_mean_is_compared_with_the_mean(library):
    def ours(printed):
        (row,) = throughput.score([LOAD | {"num_prompts": 80, "ttft_ms": printed}], library)["vLLM"].compared
        return row.pairs["ttft"]

    (median, _), (mean, printed) = ours({"p50": 90.0, "mean": 300.0}), ours({"mean": 300.0})
    assert printed == 300.0
    assert mean > median
    assert ours({"p50_or_mean": 300.0}) == (mean, printed)


def test_accelmarks_clients_share_a_process_with_the_engine(library):
    def asked(version, suite="suite_A_nvidia_vllm_47f5d58e_1/result.json", **changes):
        address = f"https://github.com/FreedomIntelligence/AccelMark/blob/1/results/verified/x_{suite}"
        return throughput.ask(LOAD | {"source_url": address, "engine_version": version} | changes, library).request

    served = throughput.ask(LOAD, library).request
    assert "max_num_seqs" not in served
    second = asked("0.19.1")
    assert (second["max_num_seqs"], second["max_num_batched_tokens"]) == (128, 2048)
    assert asked("0.19.1", max_num_seqs=512)["max_num_seqs"] == 512
    assert "max_num_seqs" not in asked("0.7.3")
    assert "max_num_seqs" not in asked("0.19.1", load="offline-batch", concurrency=None, num_prompts=100)
    eager = "suite_C_nvidia_vllm020_0f6c56e4_1"
    assert asked("0.20.1", f"{eager}/w8a16/result.json")["enforce_eager"]
    assert "enforce_eager" not in asked("0.20.1", f"{eager}/bf16/result.json")
    four = asked("0.7.3", "suite_C_nvidia_vllm_47f5d58e_1/w4a16/result.json", quantization="int4-w4a16")
    assert (four["quantization"], four["marlin"]) == ("gptq", False)
    assert "marlin" not in asked("0.7.3", "suite_C_nvidia_vllm_47f5d58e_1/w8a16/result.json", quantization="int8")


def test_records_are_asked_with_what_their_scripts_started_vllm_with(library):
    def of(**changes):
        return throughput.ask(LOAD | changes, library).request

    twice = {"source": "ree2raz-inference-bench", "quantization": "awq"}
    assert of(**twice, engine_version="0.8.5")["marlin"] is False
    assert "marlin" not in of(**twice, engine_version="0.9.2")
    # All blocks of 16 tokens of a prompt that was sent before, but never its last token.
    assert of(**twice, input_len=512.0)["workload"]["prefix_hit_fraction"] == 496 / 512
    assert "prefix_hit_fraction" not in of()["workload"]
    address = (
        "https://github.com/dstackai/benchmarks/blob/1/comparison/h100sxm5_vs_mi300x/csv_data/throughput_comparsion.csv"
    )
    assert of(source_url=address, gpu="MI300X-192")["enforce_eager"]
    assert "enforce_eager" not in of(source_url=address)


def test_a_quoted_command_says_the_engines_settings(library):
    notes = "cmd: vllm serve x --max-num-seqs 64 --enforce-eager --gpu-memory-utilization=0.8 --kv-cache-dtype fp8"
    request = throughput.ask(LOAD | {"notes": notes}, library).request
    assert (request["max_num_seqs"], request["enforce_eager"]) == (64, True)
    assert (request["gpu_memory_utilization"], request["kv_cache_dtype"]) == (0.8, "fp8")


def test_replicas_are_gpus_in_multiples(library):
    assert throughput.ask(LOAD | {"replicas": 2, "tp": 2}, library).request["gpu_count"] == 4


def test_a_log_is_compared_term_by_term(library):
    scores = sizing.score([LOG], library)
    (row,) = scores.compared
    assert {"weights", "kv_cache", "max_concurrency"} == set(row.pairs)
    assert row.pairs["weights"][1] == 7.51
    assert row.groups == ("dense", "gpu H100", "vllm 0.19")
    assert scores.wrong_verdicts == []


def test_a_log_of_unsloth_is_asked_with_the_sequences_that_it_chooses(library):
    # 0.9 x 79.19 - 7.5 GiB of weights are 63.8 GiB: 368 sequences, and not the 1024 of the version's default.
    log = LOG | {"notes": "Unsloth in-process vLLM"}
    (row,) = sizing.score([log], library).compared
    (usual,) = sizing.score([LOG], library).compared
    assert "max_num_seqs 368" in row.why["kv_cache"]
    assert row.pairs["kv_cache"][0] > usual.pairs["kv_cache"][0]
    (said,) = sizing.score([log | {"max_num_seqs": 1024}], library).compared
    assert said.pairs == usual.pairs


def test_the_engine_that_served_is_asked_for_where_versions_had_both(library):
    def engine(version, name):
        return asked(LOG, library, vllm_version=version, engine=name).get("use_v1")

    assert [engine("0.8.5", "V0"), engine("0.9.2", "V1"), engine("0.10.0", "V0")] == [False, True, False]
    assert [engine("0.7.3", "V0"), engine("0.19.0", "V1"), engine("0.8.5", None), engine(None, "V0")] == [None] * 4


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ("serve x --language-model-only", {"language_model_only": True}),
        ("limit_mm_per_prompt all 0", {"language_model_only": True}),
        ('--limit-mm-per-prompt {"image": 1, "video": 0}', {"limit_mm_per_prompt": {"image": 1, "video": 0}}),
        ("--mm-encoder-tp-mode data", {"mm_encoder_tp_mode": "data"}),
        (
            '--mm-processor-kwargs {"min_pixels": 784, "max_pixels": 262144}',
            {"mm_processor_kwargs": {"max_pixels": 262144}},
        ),
        ("a vision model, images are served", {}),
    ],
)
def test_what_prompts_may_hold_is_read_from_a_quoted_command(library, notes, said):
    assert asked(LOG, library, notes=notes) == asked(LOG, library) | said


def test_adapters_are_asked_for_where_it_is_known_what_they_take(library):
    def weights(log):
        (row,) = sizing.score([log], library).compared
        return row.pairs["weights"][0], row.why["weights"]

    (plain, _), (adapted, why) = weights(LOG), weights(LOG | {"enable_lora": True})
    assert adapted > plain
    assert "one LoRA adapter of vLLM's default rank" in why
    unknown = LOG | {"model": "openai/gpt-oss-20b", "base_model_for_config": "openai/gpt-oss-20b", "quantization": None}
    (without, _), (asked_for, why) = weights(unknown), weights(unknown | {"enable_lora": True})
    assert asked_for == without
    assert "no adapters after all" in why


def test_verdicts_are_wrong_where_the_log_says_otherwise(library):
    failed = LOG | {"id": "f1", "startup_result": "oom", "observed": {}}
    impossible = LOG | {"id": "f2", "gpu": "NVIDIA T4", "gpu_memory_gib": 14.56, "tensor_parallel": 1}
    rejected = LOG | {"id": "f3", "startup_result": "failed_config_rejected", "tensor_parallel": 5, "observed": None}
    scores = sizing.score([LOG, failed, impossible, rejected], library)
    assert [name for name, _ in scores.wrong_verdicts] == ["f1", "f2"]
    assert [name for name, _ in scores.refused] == ["f3"]


def test_every_record_is_answered_refused_or_said_not_to_count(library):
    rows = [
        LOG,
        LOG | {"id": "r2", "vllm_version": None},
        LOG | {"id": "r3", "model": "a/b", "base_model_for_config": None},
    ]
    scores = sizing.score(rows, library)
    assert [row.id for row in scores.compared] == ["r1", "r2"]
    assert {(name, term) for name, term, _ in scores.uncounted} == {("r2", "kv_cache"), ("r2", "max_concurrency")}
    assert [name for name, _ in scores.refused] == ["r3"]


def test_the_command_prints_json_for_a_file(tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text(json.dumps(LOG | {"model": "org/mine", "base_model_for_config": None}) + "\n")
    (tmp_path / "org--mine_config.json").write_text(json.dumps(config_of(shapes()[LLAMA].arch)))
    assert main(["sizing", str(tmp_path / "rows.jsonl"), "--configs", str(tmp_path), "-o", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["answered"] == 1
    assert set(answer) >= {"terms", "groups", "wrong_verdicts", "answered", "coverage_80", "refused"}
    assert main(["sizing", str(tmp_path / "rows.jsonl"), "--configs", str(tmp_path)]) == 0
    assert "answered: 1 of 1" in capsys.readouterr().out


def test_a_level_of_a_suite_is_a_run_of_so_many_requests():
    address = (
        "https://github.com/FreedomIntelligence/AccelMark/blob/5797fc4274/results/a100x1_suite_{}_vllm/result.json"
    )
    asked = {suite: slo.requests_of({"source_url": address.format(suite)}) for suite in "ABCDFG"}
    assert asked == {suite: {"num_prompts": 200 if suite in "BD" else 300} for suite in "ABCDFG"}
    assert slo.requests_of({"source_url": "https://example.org/suite_A_"}) == {}


def test_records_with_fields_left_out_are_answered_or_refused_and_never_a_crash():
    folder = os.environ.get("INFERCLI_TRUTH")
    require("truth", None if folder else "INFERCLI_TRUTH is not set: the folder with the truth files")
    library = Library([str(Path(folder, "configs")), str(Path(folder, "model_configs.json"))])
    chance = random.Random(4)
    for name, score in (("sizing_dev", sizing.score), ("throughput_dev", throughput.score), ("slo_dev", slo.score)):
        rows = []
        for row in chance.sample(read_rows(str(Path(folder, f"{name}.jsonl"))), 40):
            kept = {key: value for key, value in row.items() if key == "id" or chance.random() < 0.8}
            rows.append(kept | {"surprise": 1})
        assert score(rows, library)

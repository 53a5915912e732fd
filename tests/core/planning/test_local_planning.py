from __future__ import annotations

import pytest

from infercli.core.units import MIB
from infercli.errors import InputError
from tests.core.plans import choice, locked, plan, profile, tiny_directory

# Per token: 2 x 4 layers x 4 KV heads x 32 x 2 B = 2048 B; a block of 128 tokens is 256 KiB.
FEW = {"input_tokens": 200, "output_tokens": 50, "concurrency": 4}


def test_the_tiny_model_is_planned_for_this_machine():
    made = plan("./tiny", "cpu-local", tiny_directory(), workload=FEW)
    args = made.engine.engine_args
    assert made.target == "local"
    assert made.fits is True
    assert made.memory is None
    assert args["enforce_eager"] is True
    assert args["max_model_len"] == 2048
    assert args["block_size"] == 128
    assert args["kv_cache_memory_bytes"] == 64 * MIB  # 4 x 2 blocks are far less; 64 MiB is the least
    assert args["dtype"] == "bfloat16"
    # 64 MiB / 256 KiB = 256 blocks = 32,768 tokens, 16 requests of 2048
    assert (made.kv_cache.blocks, made.kv_cache.tokens, made.kv_cache.concurrency) == (256, 32_768, 16.0)


def test_objectives_are_not_passed_over_in_silence_where_no_speed_is_known():
    asked = plan("./tiny", "cpu-local", tiny_directory(), objectives={"ttft_p95_ms": 1000, "tpot_p95_ms": 150})
    assert any("ttft_p95_ms and tpot_p95_ms of the objectives cannot be judged" in note for note in asked.notes)
    assert not any("objectives" in note for note in plan("./tiny", "cpu-local", tiny_directory()).notes)


def test_the_engine_is_on_the_cpu_and_served_from_its_directory():
    engine = plan("./tiny", "cpu-local", tiny_directory(), workload=FEW).engine
    assert (engine.accelerator, engine.gpus, engine.accelerator_type) == ("cpu", 0, None)
    assert engine.model_path == "/srv/tiny"
    assert engine.model_digest == tiny_directory().content_digest
    assert engine.environment["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert engine.environment["VLLM_ENABLE_V1_MULTIPROCESSING"] == "0"
    assert engine.graceful_shutdown_timeout_s == 60


def test_the_workload_decides_how_much_kv_cache_is_taken():
    busy = {"input_tokens": 1000, "output_tokens": 300, "concurrency": 40}
    made = plan("./tiny", "cpu-local", tiny_directory(), workload=busy)
    # 1300 tokens are 11 blocks: (40 x 11 + 1) x 256 KiB = 110.25 MiB, up to a whole MiB
    assert made.engine.engine_args["kv_cache_memory_bytes"] == 111 * MIB
    assert made.engine.engine_args["max_num_seqs"] == 40


def test_too_small_a_kv_cache_that_was_given_is_a_no():
    made = plan("./tiny", "cpu-local", tiny_directory(), workload=FEW, engine_args={"kv_cache_memory_bytes": 2 * MIB})
    assert made.fits is False
    assert "KV cache missing" in made.verdict
    assert choice(made, "kv_cache_memory_bytes").given


def test_a_machine_that_is_too_small_is_a_no():
    small = profile("cpu-local", nodes=[{"count": 1, "memory_gib": 0.01}])
    made = plan("./tiny", small, tiny_directory(), workload=FEW)
    assert made.fits is False
    assert "has 0.01 GiB" in made.verdict


def test_only_a_pinned_directory_runs_here():
    with pytest.raises(InputError, match="the local target serves a directory"):
        plan("meta-llama/Llama-3.1-8B-Instruct", "cpu-local")
    with pytest.raises(InputError, match="the local target serves a directory") as refused:
        plan("some/model", "cpu-local", locked({"architectures": ["LlamaForCausalLM"]}))
    for step in ("`infercli pin some/model --download ./model`", "`infercli pin ./model`", "`model: ./model`"):
        assert step in refused.value.hint
    with pytest.raises(InputError, match="the local target serves a directory") as refused:
        plan("./my model", "cpu-local")
    assert refused.value.hint == "`infercli pin './my model'`"


def test_a_head_size_that_the_cpu_engine_lacks_is_refused():
    with pytest.raises(InputError, match="head size of 48"):
        plan("./tiny", "cpu-local", tiny_directory(head_dim=48), workload=FEW)


def test_a_quantized_directory_is_planned_as_what_it_is():
    fp8 = {
        "quant_method": "compressed-tensors",
        "format": "float-quantized",
        "config_groups": {"group_0": {"weights": {"num_bits": 8, "type": "float"}, "input_activations": {}}},
    }
    assert plan("./tiny", "cpu-local", tiny_directory(fp8), workload=FEW).engine.quantization == "fp8"


def test_an_argument_that_is_null_is_one_that_was_not_given():
    nothing = {"max_num_seqs": None, "kv_cache_memory_bytes": None}
    made = plan("./tiny", "cpu-local", tiny_directory(), workload=FEW, engine_args=nothing)
    assert made.engine.engine_args == plan("./tiny", "cpu-local", tiny_directory(), workload=FEW).engine.engine_args
    assert not choice(made, "kv_cache_memory_bytes").given

"""`kv_cache_memory_bytes` on GPUs: the cache is what it is given, and everything must find room beside it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.estimates.startup_log import read_startup_log
from infercli.core.units import GIB
from infercli.errors import InputError
from tests.core.estimates.test_estimate import answer
from tests.core.estimates.test_estimate_laws import ORDER
from tests.core.plans import LLAMA_8B, choice, plan, profile

ASKED = {"gpu": "L4", "max_model_len": 8192, "max_num_seqs": 64, "max_num_batched_tokens": 2048}
NEED = (8192 + 16) * 131_072
"""Bytes of one request of that length, and of the block that vLLM 0.29 keeps for itself."""


def estimate_with(size: int | None, **asked):
    return answer(LLAMA_8B, 32, ASKED | asked, kv_cache_memory_bytes=size)


def test_the_cache_holds_what_it_was_given_to_the_block():
    made = estimate_with(2 * GIB)
    assert made.starts is True
    assert (made.kv_cache.bytes, made.kv_cache.low_bytes, made.kv_cache.high_bytes) == (2 * GIB,) * 3
    assert made.kv_cache.tokens == made.kv_cache.tokens_low == made.kv_cache.tokens_high == 2 * GIB // 131_072
    assert made.settings.kv_cache_memory_bytes == 2 * GIB


def test_one_block_less_than_a_request_of_max_model_len_does_not_start():
    assert estimate_with(NEED).starts is True
    made = estimate_with(NEED - 1)
    assert made.starts is False
    assert "which is given 1.00 GiB" in made.reason


def test_gpu_memory_utilization_decides_nothing_but_the_start():
    wide, narrow = (estimate_with(2 * GIB, gpu_memory_utilization=u) for u in (0.92, 0.3))
    assert wide.memory == narrow.memory
    assert estimate_with(None, gpu_memory_utilization=0.3).starts is False


def test_graphs_that_are_captured_after_the_cache_still_need_their_room():
    older = estimate_with(2 * GIB, engine_version="0.11.0")
    graphs = next(t for t in older.memory.terms if t.name == "cuda_graphs")
    assert graphs.inside_budget
    assert older.memory.outside_budget_bytes == 0


@given(st.integers(1, 24 * 1024), st.integers(1, 24 * 1024))
@settings(max_examples=40)
def test_more_never_finds_room_where_less_does_not(a: int, b: int):
    less, more = (estimate_with(size * 2**20) for size in sorted((a, b)))
    if less.kv_cache.bytes >= NEED:
        assert ORDER[less.starts] >= ORDER[more.starts]
    assert all(made.missing_bytes == 0 for made in (less, more) if made.starts)


@pytest.mark.parametrize("version", ["0.8.5", "0.9.2", "0.10.0"])
def test_versions_that_do_not_know_it_refuse_it(version):
    asked = ASKED | {"model": LLAMA_8B, "kv_cache_memory_bytes": GIB, "engine_version": version}
    made = estimate(EstimateRequest.model_validate(asked), shipped_model(LLAMA_8B))
    assert [p.where for p in made.problems] == ["kv_cache_memory_bytes"]


def test_a_plan_takes_it_and_the_estimate_of_its_choices_says_the_same():
    made = plan(LLAMA_8B, "l4", engine_args={"kv_cache_memory_bytes": 3 * GIB})
    assert made.fits is True
    assert choice(made, "kv_cache_memory_bytes").given
    assert made.engine.engine_args["kv_cache_memory_bytes"] == 3 * GIB
    assert made.kv_cache.tokens == 3 * GIB // 131_072
    names = ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization")
    chosen = {name: made.engine.engine_args[name] for name in names}
    same = estimate_with(3 * GIB, **chosen)
    assert same.memory.terms == made.memory.terms


@pytest.mark.parametrize("size", [GIB // 2, 9 * GIB])
def test_too_little_and_too_much_are_refused_and_leaving_it_out_is_offered(size):
    made = plan(LLAMA_8B, "l4", engine_args={"kv_cache_memory_bytes": size})
    assert made.fits is False
    assert made.missing_bytes > 0
    assert made.changes[0].change == "without engine_args.kv_cache_memory_bytes"


def test_beside_what_others_hold_it_cannot_be_told():
    shared = profile("l4", reserved_gpu_memory_gib=2)
    made = plan(LLAMA_8B, shared, engine_args={"kv_cache_memory_bytes": 3 * GIB})
    assert made.fits is None
    assert "kv_cache_memory_bytes" in made.verdict


def test_less_than_nothing_is_refused():
    with pytest.raises(InputError, match="kv_cache_memory_bytes"):
        plan(LLAMA_8B, "l4", engine_args={"kv_cache_memory_bytes": -1})


def test_a_log_and_metrics_say_that_it_was_given():
    log = read_startup_log("non-default args: {'kv_cache_memory_bytes': 3221225472}\nGPU KV cache size: 24,576 tokens")
    assert log.kv_cache_memory_bytes == 3 * GIB
    labels = 'block_size="16",num_gpu_blocks="1536",kv_cache_memory_bytes="3221225472"'
    assert read_startup_log(f"vllm:cache_config_info{{{labels}}} 1.0").kv_cache_memory_bytes == 3 * GIB
    unset = labels.replace("3221225472", "None")
    assert read_startup_log(f"vllm:cache_config_info{{{unset}}} 1.0").kv_cache_memory_bytes is None


def test_that_compiling_leaves_less_for_the_kv_cache_is_said_where_vllm_measures_what_is_left():
    # 0.29 with one GPU and a whole step of 8,192 tokens of a dense 32B: 2.4 GiB more at the first start
    def said(**engine_args):
        made = plan("Qwen/Qwen3-32B", "h100", engine_args={"max_model_len": 4096, **engine_args})
        return [note for note in made.notes if "has to compile its kernels" in note]

    assert len(said()) == 1
    assert said(kv_cache_memory_bytes=2 * GIB) == said(enforce_eager=True) == []

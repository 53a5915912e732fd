"""Qwen3.8-Flash-Next: counted by hand, and what it does to caches, weights, GPUs and versions."""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import (
    Layout,
    draft_tensors,
    parameter_count,
    rank_tensors,
)
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.estimates.tensor_parallel import stage_problems
from infercli.core.kv_cache.blocks import backend_block_tokens, block_must_be_said
from infercli.core.kv_cache.pool import cache_layout
from infercli.core.kv_cache.specs import CacheSettings
from infercli.core.memory.compressed_attention import batch_buffers
from infercli.core.memory.tables import left_bytes
from infercli.core.memory.weights import weights_by_role
from infercli.core.quantization.checkpoint import detect
from infercli.core.quantization.schemes import UNQUANTIZED
from infercli.core.shapes import find_shape
from infercli.errors import InputError, Unsupported
from tests.core.against_vllm.class_models import CLASSES
from tests.core.architecture.active import active_parameters

MODEL = "Qwen/Qwen3.8-Flash-Next"
FLASH = find_shape(MODEL).arch
SMALL = CLASSES["Qwen4ExpForCausalLM"]
ROWS = 320_001_536
"""Of the table: the 16 primes from 20,000,000 on together, in 128s."""
FP8 = detect({"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]})


def elements(tensors):
    return sum(t.copies * t.outputs * t.inputs for t in tensors)


def test_the_files_hold_what_is_counted_and_a_token_passes_six_billion_of_it():
    padding = 98 * 12 * 4 * 2560  # rows of the first projection of each hyper-connection that injects
    assert parameter_count(FLASH) + elements(draft_tensors(FLASH, Layout())) - padding == 179_999_981_424
    table = ROWS * 160
    assert (active_parameters(FLASH) - table) // 10**9 == 7  # "A6B", and 1.3 of embeddings, lm_head and encoder
    assert FLASH.confirmed


def test_a_block_holds_a_state_and_the_layers_of_a_kind_stand_in_one_group():
    settings = CacheSettings(engine_version="0.33.0", dtype="bfloat16", prefix_caching=True)
    held = cache_layout(FLASH, Layout(tensor_parallel_size=4), settings)
    # A log of LMCache's (LMCache/LMCache#5042) has blocks of 784 tokens on four GPUs, and 73 layers.
    assert held.block_tokens == 784
    assert sum(len(group.layers) for group in held.groups) == 73
    assert [(g.first.kind, len(g.layers)) for g in held.groups] == [
        *[("state", 12)] * 3, ("state", 1), ("full", 24), ("ring", 12),
    ]  # fmt: skip
    # Keys and values of one head, and a quarter of an indexer's key, in 12 layers.
    assert held.bytes_per_token == 12 * (2 * 256 * 2 + 128 * 2 // 4)
    # Four groups keep two states each, the ring takes a block, and 1,568 tokens two.
    assert held.blocks_per_request(1568) == 4 * 2 + 1 + 2
    assert (backend_block_tokens(FLASH, (0, 29), (9, 0), fp8=False), block_must_be_said(FLASH)) == (None, False)


def test_blocks_must_hold_whole_groups_of_the_tokens_that_share_a_key():
    with pytest.raises(Unsupported, match="is not a multiple of the 4"):
        cache_layout(FLASH, Layout(), CacheSettings(engine_version="0.29.0", dtype="bfloat16", block_tokens=18))


@pytest.mark.parametrize(("release", "on_the_gpu"), [((0, 29), True), ((0, 30), False), ((0, 33), False)])
def test_the_table_is_in_the_memory_of_the_machine_since_0_30(release, on_the_gpu):
    layout = Layout(tensor_parallel_size=2, release=release)
    table = [t for t in rank_tensors(FLASH, layout) if t.name == "n-gram embedding"]
    assert [(t.outputs, t.inputs) for t in table] == ([(ROWS // 2, 160)] if on_the_gpu else [])
    assert left_bytes(FLASH, UNQUANTIZED, layout, 2) == (0 if on_the_gpu else ROWS * 160 * 2)
    # FP8 checkpoints store it with one scale for all.
    assert left_bytes(FLASH, FP8, layout, 2) in (0, ROWS * 160 + 512)
    by_role = weights_by_role(FLASH, FP8, layout, 2)
    assert (by_role["embedding"] > 25 * 10**9) == on_the_gpu
    assert by_role["embedding"] < 27 * 10**9


def ask(**fields):
    asked = {"model": MODEL, "gpu": "H200", "tensor_parallel_size": 8, "engine_version": "0.33.0"} | fields
    return estimate(EstimateRequest.model_validate(asked), shipped_model(MODEL))


def test_an_estimate_says_how_much_the_machine_needs_besides():
    (said,) = [note for note in ask().notes if "n-gram table" in note]
    assert said.startswith("vLLM keeps 95.4 GiB of the weights")
    assert ask().starts
    assert not [note for note in ask(engine_version="0.29.0").notes if "n-gram table" in note]


@pytest.mark.parametrize(
    ("fields", "field", "why"),
    [
        ({"engine_version": "0.28.0"}, "engine_version", "does not have Qwen4ExpForConditionalGeneration yet"),
        ({"engine_version": "0.30.0", "kv_cache_dtype": "fp8"}, "kv_cache_dtype", "has no kernel for it yet"),
        ({"kv_cache_dtype": "fp8_e5m2"}, "kv_cache_dtype", "has kernels for fp8_e4m3 only"),
        ({"dtype": "float16"}, "dtype", "computes in bfloat16 alone"),
        ({"pipeline_parallel_size": 2}, "pipeline_parallel_size", "n-gram table"),
    ],
)
def test_an_estimate_refuses_what_its_attention_does_not_take(fields, field, why):
    (problem,) = ask(**fields).problems
    assert problem.where == field
    assert why in problem.what


def test_fp8_halves_keys_and_values_and_not_the_keys_of_the_indexer():
    plain, halved = (ask(kv_cache_dtype=dtype).kv_cache.bytes_per_token for dtype in ("auto", "fp8"))
    assert plain - halved == 12 * 2 * 256


def test_each_layer_has_room_for_what_a_batch_picks():
    def kept(**more):
        return batch_buffers(FLASH, Layout(), 2, 8192, None, "0.33.0", drafts=more.get("drafts", False))

    assert kept() == (4 * 8192 * (2048 + 4),) * 12
    assert kept(drafts=True) == (*kept(), 2 * 8192 * 4 * 2560)


def test_what_is_told_the_tokens_is_one_stage():
    assert list(stage_problems(FLASH, 1)) == []
    (why,) = stage_problems(FLASH, 2)
    assert "n-gram table" in why
    without = architecture.parse(SMALL | {"ple_layer_ids": []})
    assert list(stage_problems(without, 2)) == []


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"ple_layer_ids": [3]}, "3 is no layer of linear attention"),
        ({"ple_layer_ids": [9]}, "9 is no layer of linear attention"),
        ({"hc_count": 1}, "hc_count: 1 is too few"),
        ({"indexer_kv_heads": 2}, "indexer_kv_heads: must be 1"),
        ({"heads_per_ngram": 10**9}, "heads are not planned"),
        ({"ngram_vocab_size_base": 10**18}, "rows are not planned"),
    ],
)
def test_what_vllm_refuses_of_it_is_refused(changed, why):
    with pytest.raises(InputError, match=why):
        architecture.parse(SMALL | changed)


def test_a_table_of_a_dtype_of_its_own_is_refused_by_name():
    with pytest.raises(Unsupported, match="ple_embedding_dtype"):
        architecture.parse(SMALL | {"ple_embedding_dtype": "nvfp4"})


def test_text_has_one_axis_of_positions_and_images_three():
    sections = {"rope_parameters": SMALL["rope_parameters"] | {"mrope_section": [6, 5, 5]}}
    assert not architecture.parse(SMALL | sections).rope_sections
    assert FLASH.rope_sections

"""DeepSeek-V4 with an encoder and V4.1 in memory: printed weights, tables that the host holds, what kernels ask."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core.architecture.arch import Layout
from infercli.core.engines import find_engine
from infercli.core.gpus import find_gpu
from infercli.core.memory.activation import moments
from infercli.core.memory.batch import Load
from infercli.core.memory.compressed_attention import _attention_bytes, gathered_keys, padded_heads
from infercli.core.memory.sampler import uses_v2_runner
from infercli.core.memory.tables import pinned_bytes, table_notes
from infercli.core.memory.vision import _encoder
from infercli.core.memory.weights import BATCH_BUFFERS, table_bytes, weights_by_role
from infercli.core.shapes import find_shape
from infercli.core.units import GIB, MIB

SEEING, V4, V41 = (
    find_shape(f"deepseek-ai/DeepSeek-{name}") for name in ("V4-Flash-Vision-Exp", "V4-Flash", "V4.1-Flash")
)


def parts(shape, gpu, ranks=4, version="0.33.0", tokens=16384, stages=1, drafts=False):
    return weights_by_role(
        shape.arch, shape.quantization,
        Layout(tensor_parallel_size=ranks, pipeline_parallel_size=stages), 2,
        gpu=find_gpu(gpu), engine_version=version, batched_tokens=tokens, drafts=drafts,
    )  # fmt: skip


def peak(shape, gpu, version, length=1048576, tokens=8192):
    load = Load(
        layout=Layout(tensor_parallel_size=4), gpu=find_gpu(gpu), max_num_seqs=256, max_num_batched_tokens=tokens,
        max_model_len=length, element_bytes=2, enforce_eager=False, speculative_tokens=0, drafts=False,
    )  # fmt: skip
    found = moments(shape.arch, shape.quantization, load, find_engine(version))
    return found.forward.typical + found.kept.typical


@pytest.mark.parametrize(("ranks", "printed"), [(2, 75.2), (4, 38.8)])
def test_the_weights_of_deepseek_v4_vision_are_what_two_starts_on_mi350x_printed(ranks, printed):
    # vllm-project/recipes, DeepSeek-V4-Flash-Vision-Exp: GiB of each rank
    assert sum(parts(SEEING, "MI350X", ranks).values()) / GIB == pytest.approx(printed, abs=0.1)


@pytest.mark.parametrize(("version", "more"), [("0.25.0", False), ("0.26.0", True), ("0.33.0", True)])
def test_on_rocm_each_layer_that_compresses_128_tokens_keeps_a_scratch(version, more):
    amd, nvidia = (parts(V4, gpu, version=version)[BATCH_BUFFERS] for gpu in ("MI355X", "B200"))
    scratch = 20 * 4 * 512 * 16384
    assert (amd - nvidia >= scratch) is more


@pytest.mark.parametrize(("version", "padded"), [("0.30.0", 256), ("0.31.0", 128)])
def test_aiter_pads_the_experts_of_deepseek_v4_to_128_since_0_31(version, padded):
    # 2,048 columns of 16 ranks are 128 each
    narrow = parts(V4, "MI355X", 16, version)["experts"]
    assert narrow / parts(V4, "MI355X", 16, "0.33.0")["experts"] == pytest.approx(padded / 128, rel=0.02)


def test_output_groups_of_deepseek_v41_are_in_16_bits_where_10x_does_not_multiply_them():
    # 8 groups of 1,024 rows and 8 heads of 512, over four ranks, in 40 layers: BF16 for a byte and scales
    size = 40 * 8 * 1024 * 4096 // 4
    blackwell, hopper = (sum(parts(V41, gpu).values()) for gpu in ("B200", "H200"))
    assert hopper - blackwell == pytest.approx(size * (2 - 33 / 32), rel=0.15)


def test_deepseek_v41_is_unpacked_where_amd_has_no_mxfp8():
    def dense(gpu):
        return sum(size for role, size in parts(V41, gpu).items() if role not in ("experts", BATCH_BUFFERS))

    assert dense("MI300X") > 1.3 * dense("MI355X")


def test_no_table_of_n_grams_is_on_a_gpu():
    without = V41._replace(arch=replace(V41.arch, tables=()))
    whole, less = (parts(shape, "B200") for shape in (V41, without))
    buffers = whole.pop(BATCH_BUFFERS) - less.pop(BATCH_BUFFERS)
    assert whole == less
    # What a rank has looked up in two tables for a batch: 6 of 24 columns of 256, in BF16
    assert buffers == 2 * 2 * 6 * 256 * 16384


def test_pinned_tables_are_powers_of_two():
    assert table_bytes(V41.arch) == 256 * (384006168 + 384016682) * 33 // 32
    # Four ranks: 24.6e9 B of a table each, pinned as 32 GiB, and scales of 0.77e9 B as 1 GiB
    for ranks in (1, 2, 4, 8):
        assert pinned_bytes(V41.arch, Layout(tensor_parallel_size=ranks)) == 2 * (128 + 4) * GIB
    said = list(table_notes(V41.arch, V41.quantization, Layout(tensor_parallel_size=4), 2))
    assert "188.8 GiB" in said[0]
    assert "264.0 GiB" in said[0]
    assert "half of the layers" in said[1]
    assert list(table_notes(V4.arch, V4.quantization, Layout(), 2)) == []


@pytest.mark.parametrize(
    ("length", "version", "factor"),
    [
        (1048576, (0, 31), 40),
        (1048576, (0, 32), 16),
        (262144, (0, 33), 40),
        (262145, (0, 33), 16),
        (262145, (0, 29), 40),
    ],
)
def test_an_indexer_gathers_fewer_keys_of_long_prompts_since_0_32(length, version, factor):
    assert gathered_keys(length, version) == factor * length


@pytest.mark.parametrize("shape", [V4, V41, find_shape("deepseek-ai/DeepSeek-V3.2")])
def test_that_shows_in_the_peak_of_every_model_with_an_indexer(shape):
    gpu, tokens = "H200", 1024
    assert peak(shape, gpu, "0.31.0", tokens=tokens) > peak(shape, gpu, "0.32.0", tokens=tokens) + MIB
    short = [peak(shape, gpu, version, 131072, tokens) for version in ("0.31.0", "0.32.0")]
    assert short[0] == short[1]


def test_drafts_by_dspark_pick_for_themselves():
    flash = find_shape("deepseek-ai/DeepSeek-V4-Flash-0731")
    with_drafts, without = (parts(flash, "B200", drafts=d)[BATCH_BUFFERS] for d in (True, False))
    plain, bare = (parts(V4, "B200", drafts=d)[BATCH_BUFFERS] for d in (True, False))
    assert (with_drafts - without) - (plain - bare) == 4 * 512 * 16384


@pytest.mark.parametrize(
    ("model", "version", "v2"),
    [
        ("deepseek-ai/DeepSeek-V4-Flash", "0.29.0", False),
        ("deepseek-ai/DeepSeek-V4-Flash", "0.31.0", False),
        ("deepseek-ai/DeepSeek-V4-Flash", "0.32.0", True),
        ("zai-org/GLM-5", "0.29.0", True),
        ("zai-org/GLM-5", "0.30.0", False),
        ("zai-org/GLM-5", "0.33.0", True),
    ],
)
def test_the_v2_runner_serves_all_on_rocm_since_0_32(model, version, v2):
    shape = find_shape(model)
    load = Load(
        layout=Layout(tensor_parallel_size=8), gpu=find_gpu("MI355X"), max_num_seqs=256, max_num_batched_tokens=8192,
        max_model_len=131072, element_bytes=2, enforce_eager=False, speculative_tokens=0, drafts=False,
    )  # fmt: skip
    assert uses_v2_runner(shape.arch, shape.quantization, load, find_engine(version)) is v2


@pytest.mark.parametrize(("shape", "tokens"), [(SEEING, 387), (V41, 1024)])
def test_an_image_has_the_tokens_that_it_may_at_most(shape, tokens):
    assert _encoder(shape.arch).item_tokens == tokens


def attention(gpu, **changed):
    load = Load(
        layout=Layout(tensor_parallel_size=4), gpu=find_gpu(gpu), max_num_seqs=256, max_num_batched_tokens=1000,
        max_model_len=131072, element_bytes=2, enforce_eager=False, speculative_tokens=0, drafts=False,
    )  # fmt: skip
    mixer = next(g.mixer for g in V41.arch.layers if 2 in g.indices)
    return _attention_bytes(mixer._replace(**changed), V41.arch, load, (0, 33))


def test_layers_of_deepseek_v41_that_make_no_keys_need_no_scores():
    assert attention("H200") - attention("H200", owns_keys=False) == 1000 * 4 * 2 * 512
    ones = attention("H200", compress_ratio=1) - attention("H200", compress_ratio=1, owns_keys=False)
    assert ones == 1000 * 4 * 512  # a token is a key alone, which no gate weighs


def test_on_10x_what_deepseek_v41_attends_to_is_left_in_fp8():
    heads = [padded_heads(V41.arch.layers[0].mixer, Layout(tensor_parallel_size=4), find_gpu(g), (0, 33))
             for g in ("B200", "H200")]  # fmt: skip
    assert heads[0] == heads[1]
    assert attention("H200") - attention("B200") == 1000 * heads[0] * 512 * (2 - 33 / 32)


def test_candidates_are_left_for_layers_behind():
    fewer = tuple(
        g._replace(mixer=g.mixer._replace(indexer=g.mixer.indexer and g.mixer.indexer._replace(candidates=0)))
        for g in V41.arch.layers
    )
    without = V41._replace(arch=replace(V41.arch, layers=fewer))
    assert parts(V41, "B200")[BATCH_BUFFERS] - parts(without, "B200")[BATCH_BUFFERS] == 4 * 2048 * 16384

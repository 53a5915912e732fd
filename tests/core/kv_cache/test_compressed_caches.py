"""The caches of DeepSeek-V4.1 counted by hand, and what 0.30 to 0.33 changed for those of V4."""

from __future__ import annotations

from math import lcm

import pytest

from infercli.core.architecture.arch import Layout
from infercli.core.engine_version import release_of
from infercli.core.engines import find_engine
from infercli.core.gpus import find_gpu
from infercli.core.kv_cache.attention_backends import backend_problems
from infercli.core.kv_cache.blocks import backend_block_tokens
from infercli.core.kv_cache.pool import cache_layout
from infercli.core.kv_cache.specs import CacheSettings, kv_dtype
from infercli.core.shapes import find_shape
from infercli.errors import Unsupported

V41, V4 = (find_shape(f"deepseek-ai/DeepSeek-{name}-Flash") for name in ("V4.1", "V4"))
SEEING = find_shape("deepseek-ai/DeepSeek-V4-Flash-Vision-Exp")
RING = 8 * 2 * 512 * 4


def held(capability, version="0.33.0", asked="auto", drafted=0, block=None):
    block = block or backend_block_tokens(V41.arch, release_of(version), capability, True)
    dtype = kv_dtype(asked, False, V41.arch, capability, release_of(version))
    settings = CacheSettings(
        engine_version=version, dtype="bfloat16", kv_dtype=dtype,
        block_tokens=block, max_num_batched_tokens=8192, speculative_tokens=drafted,
        draft_layers=V41.arch.draft_layers if drafted else (),
    )  # fmt: skip
    return cache_layout(V41.arch, Layout(tensor_parallel_size=4), settings)


def groups(layout):
    return [(g.first.kind, len(g.layers), g.bytes_within(range(43))) for g in layout.groups]


@pytest.mark.parametrize(
    ("version", "step"),
    [("0.30.0", 1), ("0.31.0", 1), ("0.32.0", 1), ("0.33.0", lcm(528, 288))],
)
def test_on_10x_compressed_keys_are_nvfp4_and_windows_mxfp8(version, step):
    # Blocks of 128 tokens, pages in 512s: three layers keep a key of two tokens, one of each.
    full = 3 * (64 * 288 + 17 * 512) + 128 * 288 + 128 * 132  # 64 x 132 = 8,448
    window = 32 * 528
    layout = held((10, 0), version)
    assert groups(layout) == [*[("sliding", 8, 8 * window)] * 5, ("full", 8, full), ("ring", 3, 3 * RING)]
    assert layout.bytes_per_block == -(-full // step) * step
    # 16,384 tokens in flight behind the window of 128, in blocks of 32; 2^20 / 128 of keys, and one ring.
    assert layout.blocks_per_request(1048576) == 8192 + 5 * ((127 + 16384 + 31) // 32 + 1) + 1


@pytest.mark.parametrize(
    ("capability", "asked", "block", "record", "aligned"),
    [
        ((10, 0), "fp8_ds_mla", 128, 528, 512),
        ((9, 0), "auto", 64, 584, 576),
        ((9, 0), "fp8", 64, 584, 576),
        ((12, 0), "auto", 128, 584, 576),
        (None, "auto", 128, 584, 576),  # AMD
    ],
)
def test_elsewhere_keys_are_records_as_those_of_windows(capability, asked, block, record, aligned):
    def up(size):
        return -(-size // aligned) * aligned

    layout = held(capability, "0.31.0", asked)
    half = block // 2
    full = 3 * (up(half * record) + up(half * 132)) + up(block * record) + up(block * 132)
    assert layout.bytes_per_block == full
    windows = [g for g in layout.groups if g.first.kind == "sliding"]
    assert sum(len(g.layers) for g in windows) == 40
    assert {p.cache.page_bytes for g in windows for p in g.layers} == {up(32 * record)}


@pytest.mark.parametrize(("drafted", "tokens"), [(0, 8), (5, 8), (7, 16)])
def test_a_ring_holds_the_tokens_that_are_drafted_and_two_more(drafted, tokens):
    layout = held((12, 0), drafted=drafted)
    assert {p.cache.page_bytes for g in layout.groups if g.first.kind == "ring" for p in g.layers} == {
        tokens * 2 * 512 * 4
    }
    assert sum(len(g.layers) for g in layout.groups if g.first.kind == "sliding") == 40 + 3 * bool(drafted)


def test_blocks_of_another_size_are_refused():
    with pytest.raises(Unsupported, match="64 or 128 tokens, not of 256"):
        held((9, 0), block=256)
    with pytest.raises(Unsupported, match="128 tokens, not of 64"):
        held((10, 0), block=64)
    with pytest.raises(Unsupported, match="keeps its cache in FP8"):
        held((9, 0), asked="bfloat16")


@pytest.mark.parametrize(
    ("shape", "gpu", "version", "asked", "why"),
    [
        (V41, "B200", "0.33.0", "auto", None),
        (V41, "H200", "0.30.0", "fp8", None),
        (V41, "MI355X", "0.33.0", "fp8_ds_mla", None),
        (V41, "B200", "0.33.0", "fp8_e4m3", "keeps its cache in FP8, or smaller"),
        (V41, "B200", "0.33.0", "bfloat16", "keeps its cache in FP8, or smaller"),
        (V41, "GB10", "0.33.0", "auto", "shares its memory"),
        (V41, "Max-1550", "0.33.0", "auto", "of NVIDIA and AMD only"),
        (SEEING, "Max-1550", "0.33.0", "auto", "of NVIDIA and AMD only"),
        (SEEING, "GB10", "0.33.0", "auto", None),
        (V4, "B200", "0.29.0", "auto", "stops where FP8 is not asked for"),
        (V4, "B200", "0.30.0", "auto", None),
        (V4, "B200", "0.30.0", "fp8_e4m3", None),
    ],
)
def test_compressed_attention_is_run_on_some_gpus_with_some_caches(shape, gpu, version, asked, why):
    facts = find_engine(version)
    found = [p.what for p in backend_problems(shape.arch, shape.quantization, find_gpu(gpu), facts, asked)]
    assert why is None or any(why in what for what in found), found
    assert why is not None or not found


@pytest.mark.parametrize(("release", "taken"), [((0, 29), "auto"), ((0, 30), "fp8")])
def test_deepseek_v4_takes_fp8_unasked_from_0_30_on(release, taken):
    assert kv_dtype("auto", False, V4.arch, (9, 0), release) == taken

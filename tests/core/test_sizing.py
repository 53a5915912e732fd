"""Hand-computed terms, and the laws that any change of the formulas must keep."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core import sizing
from infercli.core.architecture.arch import uniform_attention
from infercli.core.checkpoint import UNQUANTIZED
from infercli.core.engines.v0_29 import FACTS, V1_RUNNER, capture_sizes
from infercli.core.kv_cache import (
    bytes_per_block,
    bytes_to_admit,
    bytes_to_hold,
    kv_cache,
    longest_that_fits,
)  # fmt: skip
from infercli.core.shapes import shapes
from infercli.core.tensor_parallel import problems
from infercli.core.units import GIB, MIB

LLAMA = shapes()["meta-llama/Llama-3.1-8B"].arch
ARCHS = list({s.arch: None for s in shapes().values()})
archs = st.sampled_from(ARCHS)
ranks = st.sampled_from([1, 2, 4, 8])
seqs = st.sampled_from([1, 16, 64, 256, 1024])
tokens = st.sampled_from([512, 2048, 8192, 16384])


def load(tp=1, seqs=256, tokens=2048, graphs=51):
    return sizing.Load(
        tensor_parallel_size=tp, max_num_seqs=seqs, max_num_batched_tokens=tokens, element_bytes=2,
        graph_sizes=graphs, full_graph_sizes=51, capability=(9, 0),
    )  # fmt: skip


def test_the_v1_runners_sampler_is_the_measured_form():
    # 14 B x 1024 x 128256 + 4 B x 132 x 128256 + 2 B x 8192 x 4096 + 0.047 GiB: 1.89 GiB, as vLLM 0.19 prints
    by_hand = 14 * 1024 * 128256 + 528 * 128256 + 2 * 8192 * 4096 + 0.047 * GIB
    assert sizing.activation(LLAMA, load(seqs=1024, tokens=8192), V1_RUNNER).typical == pytest.approx(by_hand)


def test_the_forward_pass_wins_where_few_sequences_are_sampled():
    # 2 B x 8192 x (3 x 14336 + 4 x 4096) + 16 MiB
    by_hand = 2 * 8192 * (3 * 14336 + 4 * 4096) + 16 * MIB
    assert sizing.activation(LLAMA, load(seqs=1, tokens=8192), V1_RUNNER).typical == pytest.approx(by_hand)


def test_experts_take_a_workspace_instead():
    # TP 2: 2 B x 8192 x 2 x (max(7168, 4096) + max(14336, 4096)), as 0.19 printed 1.21 GiB
    arch = shapes()["mistralai/Mixtral-8x7B-v0.1"].arch
    workspace = 2 * 8192 * 2 * (7168 + 14336)
    sampler = 14 * 1024 * 32000 + 528 * 32000 + 2 * 8192 * 4096 + 0.047 * GIB
    band = sizing.activation(arch, load(tp=2, seqs=1024, tokens=8192), V1_RUNNER)
    assert band.typical == pytest.approx(workspace + sampler)


def test_029_keeps_its_penalty_table_for_ever():
    # 4 B counts and one bit per vocabulary entry and sequence
    few, many = (sizing.activation(LLAMA, load(seqs=s, tokens=16384), FACTS.memory).low for s in (1, 257))
    assert many - few == pytest.approx(256 * 128256 * 4.125)


def test_graph_sizes_are_counted_as_vllm_captures_them():
    assert capture_sizes(1024) == capture_sizes(256) == 51
    assert capture_sizes(16) == 7  # 1 2 4 8 16 24 32


@given(archs, ranks, seqs, seqs, tokens, tokens)
def test_more_sequences_or_tokens_never_cost_less_memory(arch, tp, s1, s2, t1, t2):
    if problems(arch, UNQUANTIZED, tp):
        return
    small = sizing.activation(arch, load(tp, min(s1, s2), min(t1, t2)), FACTS.memory)
    large = sizing.activation(arch, load(tp, max(s1, s2), max(t1, t2)), FACTS.memory)
    assert (small.low, small.typical, small.high) <= (large.low, large.typical, large.high)


@given(archs, ranks, seqs, tokens, st.sampled_from([FACTS.memory, V1_RUNNER]))
def test_every_band_is_ordered(arch, tp, s, t, coefficients):
    if problems(arch, UNQUANTIZED, tp):
        return
    for band in (
        sizing.activation(arch, load(tp, s, t), coefficients),
        sizing.non_torch(load(tp, s, t), coefficients),
        sizing.cuda_graphs(arch, load(tp, s, t, capture_sizes(s)), coefficients),
    ):
        assert 0 <= band.low <= band.typical <= band.high


@given(archs, ranks, st.integers(0, 200 * 2**30), st.integers(1, 131072), st.sampled_from([16, 32, 128]))
@settings(max_examples=200)
def test_what_admits_a_length_holds_it(arch, tp, available, length, block_tokens):
    block = bytes_per_block(arch, tp, block_tokens, 2)
    admitted = bytes_to_admit(length, block, block_tokens) <= available
    assert admitted == (length <= longest_that_fits(available, block, block_tokens))
    cache = kv_cache(available, block, block_tokens, length)
    if admitted:
        assert cache.concurrency >= 1
        assert cache.tokens >= length
    assert cache.blocks * block <= available


@given(archs, st.integers(1, 500), st.integers(1, 500), st.integers(1, 40000), st.integers(1, 40000))
def test_more_or_longer_requests_never_need_less(arch, n1, n2, t1, t2):
    block = bytes_per_block(arch, 1, 16, 2)
    assert bytes_to_hold(min(n1, n2), min(t1, t2), block, 16) <= bytes_to_hold(max(n1, n2), max(t1, t2), block, 16)


@given(archs, st.sampled_from([(1, 2), (2, 4), (4, 8)]))
def test_kv_bytes_per_gpu_halve_with_ranks_until_heads_are_replicated(arch, pair):
    few, many = (bytes_per_block(arch, tp, 16, 2) for tp in pair)
    assert many == (few // 2 if uniform_attention(arch).kv_heads >= pair[1] else few)

"""Kernels of experts by hand: what they hand on through memory, and the tiles they compute in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infercli.core.architecture.arch import Experts, Layout
from infercli.core.gpus import Gpu, find_gpu
from infercli.core.quantization.schemes import UNQUANTIZED, typical
from infercli.core.shapes import find_shape
from infercli.core.speed.coefficients import ROOFLINE
from infercli.core.speed.experts import Tiles, activated_apart, busiest, tiles_of
from infercli.core.speed.rates import cut_of
from infercli.core.speed.steps import Runtime, StepTime
from infercli.core.speed.work import rank_work

MIXTRAL = find_shape("mistralai/Mixtral-8x7B-v0.1").arch  # 32 layers, two of eight experts, 14336 wide, of 4096
EXPERTS = next(g.feed_forward for g in MIXTRAL.layers if isinstance(g.feed_forward, Experts))
EXPERT_FLOPS = 32 * 2 * 3 * 4096 * 14336
"""Of one token that one expert of each layer sees."""
ROUND = Gpu(
    name="round", memory_bytes=80 * 10**9, memory_bandwidth_bytes_per_s=1e15, capability=(9, 0), multiprocessors=100,
    peak_flops={"bf16": 1e15, "fp8": 2e15}, nvlink_bytes_per_s=900e9, source="made up: round figures",
)  # fmt: skip
FP8 = typical("fp8")
BLOCKS = replace(FP8, block=(128, 128))


def work(quantization=UNQUANTIZED, gpu=ROUND, version=(0, 16), **layout):
    return rank_work(
        MIXTRAL, quantization, gpu, Layout(**layout), element_bytes=2, kv_element_bytes=2, engine_version=version
    )


def prompt_s(tokens, coefficients, quantization=UNQUANTIZED, version=(0, 16), v0=False):
    runtime = Runtime(v0=v0, asynchronous=True)
    return StepTime(work(quantization, version=version), ROUND, coefficients, runtime)(0, 0, tokens, 0, 1)


def test_rows_of_every_expert_pass_through_memory_between_kernels():
    # Gate and up, what is made of them, and down, each written and read in 16 bits, for both experts of a token.
    assert work().expert_bytes == 32 * 2 * 2 * 2 * (2 * 14336 + 14336 + 4096)
    assert work(tensor_parallel_size=8).expert_bytes == 32 * 2 * 2 * 2 * (3 * 14336 // 8 + 4096)  # down is whole
    assert work(tensor_parallel_size=8, expert_parallel=True).expert_bytes == work().expert_bytes  # rows of all ranks
    counted = ROOFLINE._replace(expert_rows_fraction=0.5)
    assert prompt_s(4e4, counted) - prompt_s(4e4, ROOFLINE) == pytest.approx(4e4 * work().expert_bytes / 0.5e15)


def test_the_activation_is_the_end_of_the_product_before_it_in_some_kernels():
    def apart(quantization, gpu):
        return activated_apart(quantization, find_gpu(gpu))

    both = [(None, "B200"), (FP8, "B200"), (BLOCKS, "H100"), (typical("awq"), "H100")]
    marlin = [(typical("mxfp4"), "A100-80-SXM"), (typical("mxfp4"), "RTX-5090")]
    assert all(apart(*case) for case in both + marlin)
    flashinfer, triton = [(BLOCKS, "B200"), (typical("nvfp4"), "B200")], [(typical("mxfp4"), "H100")]
    assert not any(apart(*case) for case in flashinfer + triton)
    assert work(typical("mxfp4")).expert_bytes == 32 * 2 * 2 * 2 * (14336 + 4096)


def test_triton_has_small_tiles_where_nobody_tuned_them():
    def tiles(gpu, version=(0, 16), scheme=None, **layout):
        return tiles_of(EXPERTS, Layout(**layout), scheme, find_gpu(gpu), version)

    assert tiles("H100", tensor_parallel_size=2) is None  # 8 experts, 7168 wide: tuned
    assert tiles("H100") == Tiles(rows=64, beyond=8, untuned=True)
    assert tiles("H100", version=(0, 17)) is None
    assert tiles("H100", tensor_parallel_size=4, expert_parallel=True) == Tiles(rows=64, beyond=2, untuned=True)
    assert tiles("B200", tensor_parallel_size=2) == Tiles(rows=64, beyond=8, untuned=True)  # tuned for another GPU
    assert tiles("MI300X") is None
    assert tiles("H100", scheme=typical("awq")) is None  # Marlin's


def test_tokens_of_each_expert_fill_whole_tiles_at_the_pace_of_small_ones():
    counted = ROOFLINE._replace(expert_tile_tokens=1e-9)

    def added_s(tokens, **how):
        return prompt_s(tokens, counted, **how) - prompt_s(tokens, ROOFLINE, **how)

    # 100 tokens touch all eight experts, with 25 each: padded to 64. 8,000 have 2,000 each, and half a tile to spare.
    assert added_s(100) == pytest.approx(EXPERT_FLOPS * 8 * (64 - 25) / 1e15, rel=1e-3)
    assert added_s(8000) == pytest.approx(EXPERT_FLOPS * 8 * 32 / 1e15, rel=1e-3)
    assert added_s(8) == pytest.approx(0, abs=1e-9)  # no more tokens than experts: small tiles
    assert added_s(100, version=(0, 17)) == pytest.approx(0, abs=1e-9)
    assert added_s(100, v0=True) == pytest.approx(0, abs=1e-9)  # V0's constants were fitted on such tiles
    slow = counted._replace(untuned_flops_per_s=1e12)  # 100 multiprocessors
    assert prompt_s(8000, slow) - prompt_s(8000, counted) == pytest.approx(EXPERT_FLOPS * 8 * 2032 * 9e-15, rel=1e-3)


def test_eight_bits_without_blocks_are_multiplied_by_cutlass():
    def tiles(gpu, scheme=FP8):
        return tiles_of(EXPERTS, Layout(), scheme, find_gpu(gpu), (0, 29))

    assert tiles("H200") == Tiles(rows=64, beyond=32)
    assert tiles("B200") == Tiles(rows=128, beyond=32)
    assert [tiles("L40S"), tiles("RTX-5090"), tiles("H200", BLOCKS)] == [None] * 3
    plain = work(typical("awq")).kernels
    assert work(FP8).kernels == plain + 32 * 8
    assert work(FP8, expert_parallel=True, tensor_parallel_size=8).kernels == plain + 32 * 12
    assert work(FP8, expert_parallel=True, data_parallel_size=8).kernels == plain + 32 * 12
    assert work(FP8, expert_parallel=True) == work(FP8)._replace(layout=Layout(expert_parallel=True))  # of one rank


CUT = ROUND.model_copy(update={"multiprocessors": 400})
"""Three times the multiprocessors that its tensor cores need on an H100 (7.49 TFLOP/s each in 16 bits)."""


def test_a_gpu_whose_tensor_cores_are_cut_loses_less_of_them_to_all_that_is_beside():
    assert [cut_of(find_gpu(name)) for name in ("H100", "H200", "H100-PCIe", "B200", "A100-80-SXM", "MI300X")] == [
        1
    ] * 6
    assert cut_of(find_gpu("H20")) == pytest.approx(78 * 7.49 / 148)
    c = ROOFLINE._replace(experts_matmul_fraction=0.2, experts_half_matmul_fraction=0.2)

    def more_s(quantization, gpu):
        both = (
            StepTime(work(quantization, gpu), gpu, of, Runtime(v0=False, asynchronous=True))(0, 0, 4e4, 0, 1)
            for of in (c, ROOFLINE)
        )
        return next(both) - next(both)

    beside_s = 4 * 4e4 * 2 * EXPERT_FLOPS  # four parts of five are lost of the whole peak
    assert more_s(BLOCKS, ROUND) == pytest.approx(beside_s / 2e15)
    assert more_s(BLOCKS, CUT) == pytest.approx(beside_s / 2e15 / cut_of(CUT))
    assert more_s(UNQUANTIZED, CUT) == pytest.approx(beside_s / 1e15)  # not measured in 16 bits


def test_instructions_that_reach_less_than_others_reach_all_of_cut_tensor_cores():
    def rate(gpu):
        return next(m.flops_per_s for m in work(typical("w4a16"), gpu).matrices if m.experts)

    assert rate(ROUND) == pytest.approx(0.629e15)
    assert rate(CUT) == 1e15


def test_ranks_that_have_whole_experts_wait_for_the_one_that_most_tokens_go_to():
    rows, touched = busiest(16, 1 - (1 - 8 / 384) ** 16, 8 / 384, 8, 48)  # Kimi-K2 on eight ranks
    # By drawing 16 times 8 of 384: at most 18.3 of 48 are touched, 13.7 in the mean, and 21.9 rows, 16 in the mean.
    assert 48 * touched == pytest.approx(18.3, rel=0.05)
    assert rows == pytest.approx(21.9, rel=0.05)
    assert busiest(1e5, 1.0, 8 / 384, 8, 48) == (pytest.approx(1e5, rel=0.01), 1.0)
    assert busiest(0, 0.0, 8 / 384, 8, 48) == (0, 0.0)  # a stage through which nothing passes

    def step_s(coefficients, **layout):
        made = work(tensor_parallel_size=8, **layout)
        return StepTime(made, ROUND, coefficients, Runtime(v0=False, asynchronous=True))(4, 0)

    padded = ROOFLINE._replace(expert_tile_tokens=7.0)
    assert step_s(padded, expert_parallel=True) > 1.5 * step_s(padded)
    assert step_s(ROOFLINE, expert_parallel=True) == pytest.approx(step_s(ROOFLINE))  # a bound loses nothing

"""FLOP/s of a GPU: what its tensor cores do in 16 bits, what they were made for, and what its lanes do beside them."""

from __future__ import annotations

from infercli.core.gpus import Gpu

_HOPPER_SM_FLOPS_PER_S = 7.49e12
"""Of one multiprocessor in 16 bits: 989 TFLOP/s of 132 (NVIDIA H100 datasheet, SXM)."""
_CUT = 2.0
"""From where on a GPU has fewer tensor cores than its multiprocessors were made for, rather than a lower clock. Our
choice: of the GPUs of 9.0 in the table H20 has four times fewer, and all others less than two."""

_A100_SM_FLOPS_PER_S = 2.89e12
"""Of one multiprocessor in 16 bits: 312 TFLOP/s of 108 (NVIDIA A100 datasheet)."""
HALVED = 3
"""Times the 16-bit rate that INT8 has at least where products that add up in 32 bits are halved: 4, elsewhere 2."""
_TENSOR_CORES_BESIDE_LANES = {(8, 0): 8, (9, 0): 15, (10, 0): 28}
"""How many times the products in 16 bits of a multiprocessor's lanes its tensor cores do; elsewhere 4."""


def half_flops_per_s(gpu: Gpu) -> float:
    """Dense 16-bit tensor throughput; 0 where the row does not say."""
    return gpu.peak_flops.get("bf16") or gpu.peak_flops.get("fp16") or 0.0


def cut_of(gpu: Gpu) -> float:
    """How many times the rate of its tensor cores its multiprocessors were made for; 1: theirs.

    H20 is a Hopper with a quarter of it. Whatever else its kernels do takes as long as on an H100.
    """
    half = half_flops_per_s(gpu)
    if gpu.capability != (9, 0) or not half or not gpu.multiprocessors:
        return 1.0
    whole = gpu.multiprocessors * _HOPPER_SM_FLOPS_PER_S / half
    return whole if whole >= _CUT else 1.0


def widening_cut(gpu: Gpu) -> float:
    """How many times slower a multiprocessor of it multiplies than one of an A100, whose loss to Marlin is known.

    Marlin widens weights beside its products, so that slower products lose less to it.
    """
    half = half_flops_per_s(gpu)
    return max(1.0, gpu.multiprocessors * _A100_SM_FLOPS_PER_S / half) if gpu.multiprocessors and half else 1.0


def halved_of(gpu: Gpu) -> float:
    """How many times the rate of products that add up in 32 bits the tensor cores were made for; 1: they have theirs.

    GeForce has it halved, and not that of integers, which is then four times the 16-bit rate and not twice (NVIDIA Ada
    GPU architecture whitepaper, appendix A: RTX 4090 beside RTX 6000 Ada). FP8 adds up in 32 bits, too.
    """
    half = half_flops_per_s(gpu)
    return gpu.peak_flops.get("int8", 0.0) / half / 2 if gpu.peak_flops.get("int8", 0.0) > HALVED * half else 1.0


def lane_flops_per_s(gpu: Gpu) -> float:
    """Of as many multiply-adds as a multiprocessor issues instructions to: 128 lanes of it in a clock.

    By NVIDIA's whitepapers, which have it as the rate in 32 bits, or twice that on V100, T4 and A100: a quarter of what
    tensor cores were made for in 16 bits (V100 31.4 of 125 TFLOP/s, T4 16.2 of 65, RTX 4090 82.6 of 330), 39 of 312 on
    A100, 67 of 989 on H100 and 80 of 2250 on B200.
    """
    made_for = half_flops_per_s(gpu) * cut_of(gpu) * halved_of(gpu)
    return made_for / _TENSOR_CORES_BESIDE_LANES.get(gpu.capability or (0, 0), 4)

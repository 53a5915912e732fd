"""Tables of n-grams in the host's memory: how much of it they take, where vLLM is not told otherwise.

The one thing to know: nothing of them lies on a GPU. DeepSeek-V4.1's (Engram) are pinned (engram_config cpu_offload,
which 0.30 to 0.33 set by default), and PyTorch rounds what it pins up to powers of two (0.33 models/deepseek_v41/
common/engram.py). Qwen4-Exp's is a weight of a layer, which stays there.
"""

from __future__ import annotations

from collections.abc import Iterator

from infercli.core.architecture.arch import Layout, ModelArch
from infercli.core.architecture.layers import ShortConvolution
from infercli.core.architecture.tensors import weight_tensor
from infercli.core.memory.weights import TABLE_BLOCK, table_bytes, tensors_bytes
from infercli.core.quantization.schemes import Quantization
from infercli.core.units import counted, gib


def pinned_bytes(arch: ModelArch, layout: Layout) -> int:
    """What the ranks of one engine pin: each its columns of every table, rows and scales by themselves."""
    ranks, total = layout.tensor_parallel_size, 0
    for table in arch.tables:
        share = -(-table.heads // ranks) / table.heads * table.outputs * table.inputs
        total += ranks * sum(1 << (round(size) - 1).bit_length() for size in (share, share / TABLE_BLOCK))
    return total


def left_bytes(arch: ModelArch, quantization: Quantization, layout: Layout, element_bytes: int) -> int:
    """Weights of layers that all ranks together leave in the host's memory."""
    left = [
        weight_tensor(weight, Layout(), group.indices)
        for group in arch.layers
        if isinstance(group.beside, ShortConvolution)
        for weight in group.beside.projections or ()
        if weight.on_host(layout.release)
    ]
    return tensors_bytes([(tensor, quantization) for tensor in left], element_bytes)


def table_notes(arch: ModelArch, quantization: Quantization, layout: Layout, element_bytes: int) -> Iterator[str]:
    """What whoever chooses the machine must know; nothing for a model without tables there."""
    if arch.tables:
        yield (
            f"{counted(len(arch.tables), 'table')} of n-grams ({gib(table_bytes(arch))}) lie in host memory, of which "
            f"each engine pins up to {gib(pinned_bytes(arch, layout))}, as PyTorch takes powers of two; with "
            "engram_config cpu_offload false they lie on the GPUs, which is not counted here"
        )
        yield (
            "prompts are read by half of the layers from vLLM 0.32 on, where neither pipeline stages nor ranks that "
            "split data and tensors forbid it; the time of a prompt is that of all layers"
        )
    left = left_bytes(arch, quantization, layout, element_bytes)
    if left:
        yield (
            f"vLLM keeps {gib(left, 1)} of the weights, its n-gram table, in the memory of the machine and not of the "
            "GPUs: each engine needs as much of that besides"
        )

"""Tables of n-grams (Engram) in the host's memory: how much of it they pin, where vLLM is not told otherwise.

The one thing to know: nothing of them lies on a GPU (engram_config cpu_offload, which 0.30 to 0.33 set by default), and
PyTorch rounds what it pins up to powers of two (0.33 models/deepseek_v41/common/engram.py).
"""

from __future__ import annotations

from collections.abc import Iterator

from infercli.core.architecture.arch import Layout, ModelArch, table_elements
from infercli.core.units import counted, gib

SCALE_BLOCK = 32
"""Elements of a row under one scale of a byte."""


def table_bytes(arch: ModelArch) -> int:
    """Of all tables: a byte for each element, and its scales."""
    elements = table_elements(arch)
    return elements + elements // SCALE_BLOCK


def pinned_bytes(arch: ModelArch, layout: Layout) -> int:
    """What the ranks of one engine pin: each its columns of every table, rows and scales by themselves."""
    ranks, total = layout.tensor_parallel_size, 0
    for table in arch.tables:
        share = -(-table.heads // ranks) / table.heads * table.outputs * table.inputs
        total += ranks * sum(1 << (round(size) - 1).bit_length() for size in (share, share / SCALE_BLOCK))
    return total


def table_notes(arch: ModelArch, layout: Layout) -> Iterator[str]:
    """What whoever chooses the machine must know; nothing for a model without tables."""
    if not arch.tables:
        return
    yield (
        f"{counted(len(arch.tables), 'table')} of n-grams ({gib(table_bytes(arch))}) lie in host memory, of which "
        f"each engine pins up to {gib(pinned_bytes(arch, layout))}, as PyTorch takes powers of two; with engram_config "
        "cpu_offload false they lie on the GPUs, which is not counted here"
    )
    yield (
        "prompts are read by half of the layers from vLLM 0.32 on, where neither pipeline stages nor ranks that split "
        "data and tensors forbid it; the time of a prompt is that of all layers"
    )

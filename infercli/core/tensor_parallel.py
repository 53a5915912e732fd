"""Which tensor-parallel sizes vLLM accepts for a model, and why not the others."""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch, kv_heads_per_rank
from infercli.core.checkpoint import Quantization

_MARLIN_GROUPS = (None, 32, 64, 128)
_MARLIN_OUTPUTS, _MARLIN_INPUTS = 64, 128
"""Tiles of Marlin (quantization/utils/marlin_utils.py). vLLM 0.29 pads to them, except with act-order."""


def problems(arch: ModelArch, quantization: Quantization, tensor_parallel_size: int) -> tuple[str, ...]:
    """Every rule that this split breaks, as a reader would say it; empty where vLLM accepts it."""
    tp = tensor_parallel_size
    found = [
        f"{what} ({value}) is not divisible by {tp}"
        for what, value in (
            ("attention heads", arch.heads),
            ("expert width" if arch.experts else "feed-forward width", arch.intermediate),
            ("padded vocabulary", arch.padded_vocab),
        )
        if value % tp
    ]
    if (arch.kv_heads % tp) if arch.kv_heads >= tp else (tp % arch.kv_heads):
        found.append(f"KV heads ({arch.kv_heads}) and {tp} do not divide one another")
    return tuple(found) or _kernel_problems(arch, quantization, tp)


def _kernel_problems(arch: ModelArch, quantization: Quantization, tp: int) -> tuple[str, ...]:
    if quantization.block is not None:
        return _block_problems(arch, quantization.block, tp)
    if quantization.method in ("awq", "gptq", "w4a16"):
        return _group_problems(arch, quantization, tp)
    return ()


def _group_problems(arch: ModelArch, quantization: Quantization, tp: int) -> tuple[str, ...]:
    """kernels/linear/mixed_precision/marlin.py: a group of weights must not lie across two ranks."""
    group = quantization.group_size
    if group not in _MARLIN_GROUPS:
        return (f"group size {group} has no kernel: 32, 64, 128 or one group per output do",)
    q = arch.heads // tp * arch.head_dim
    kv = kv_heads_per_rank(arch, tp) * arch.head_dim
    ff = arch.intermediate // tp
    found = [
        f"{name}: {inputs} inputs per GPU are not a multiple of the group size {group}"
        for name, inputs in (("attention output", q), ("down", ff))
        if group is not None and inputs % group
    ]
    if quantization.act_order:
        layers: tuple[tuple[str, int, int], ...] = (
            ("qkv", q + 2 * kv, arch.hidden),
            ("attention output", arch.hidden, q),
            ("gate-up", 2 * ff, arch.hidden),
            ("down", arch.hidden, ff),
        )
        found += [
            f"{name}: {outputs} x {inputs} per GPU is not a multiple of {_MARLIN_OUTPUTS} x {_MARLIN_INPUTS}, which "
            "act-order needs"
            for name, outputs, inputs in layers
            if outputs % _MARLIN_OUTPUTS or inputs % _MARLIN_INPUTS
        ]
    return tuple(found)


def _block_problems(arch: ModelArch, block: tuple[int, int], tp: int) -> tuple[str, ...]:
    """quantization/utils/fp8_utils.py validate_fp8_block_shape: whole blocks per rank."""
    block_out, block_in = block
    q = arch.heads // tp * arch.head_dim
    kv = kv_heads_per_rank(arch, tp) * arch.head_dim
    ff = arch.intermediate // tp
    columns = (("query", q), ("key", kv), ("gate", ff)) + ((("value", kv), ("up", ff)) if tp > 1 else ())
    rows = (("attention output", q), ("down", ff)) if tp > 1 or arch.experts else ()
    return tuple(
        [f"{name}: {size} outputs per GPU are not a multiple of the FP8 block {block_out}" for name, size in columns
         if size % block_out]
        + [f"{name}: {size} inputs per GPU are not a multiple of the FP8 block {block_in}" for name, size in rows
           if size % block_in]
    )  # fmt: skip

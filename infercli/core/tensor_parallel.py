"""Which tensor-parallel sizes vLLM accepts for a model, and why not the others."""

from __future__ import annotations

from typing import NamedTuple

from infercli.core.architecture.arch import (
    Attention,
    Experts,
    ModelArch,
    feed_forwards,
    kv_heads_per_rank,
    mixers,
)
from infercli.core.checkpoint import Quantization

_MARLIN_GROUPS = (None, 32, 64, 128)
_MARLIN_OUTPUTS, _MARLIN_INPUTS = 64, 128
"""Tiles of Marlin (quantization/utils/marlin_utils.py). vLLM 0.29 pads to them, except with act-order."""


class _Linear(NamedTuple):
    """A linear layer as one rank holds it."""

    name: str
    outputs: int
    inputs: int


def problems(arch: ModelArch, quantization: Quantization, tensor_parallel_size: int) -> tuple[str, ...]:
    """Every rule that this split breaks, as a reader would say it; empty where vLLM accepts it."""
    tp = tensor_parallel_size
    attentions = _attentions(arch)
    wholes = [("attention heads", m.heads) for m in attentions]
    wholes += [
        ("expert width" if isinstance(f, Experts) else "feed-forward width", f.intermediate)
        for f in feed_forwards(arch)
    ]
    wholes.append(("padded vocabulary", arch.padded_vocab))
    found = [f"{what} ({value}) is not divisible by {tp}" for what, value in dict.fromkeys(wholes) if value % tp]
    found += [
        f"KV heads ({kv_heads}) and {tp} do not divide one another"
        for kv_heads in dict.fromkeys(m.kv_heads for m in attentions)
        if ((kv_heads % tp) if kv_heads >= tp else (tp % kv_heads))
    ]
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
    found = [
        f"{name}: {inputs} inputs per GPU are not a multiple of the group size {group}"
        for name, _, inputs in _rows(arch, tp)
        if group is not None and inputs % group
    ]
    if quantization.act_order:
        found += [
            f"{name}: {outputs} x {inputs} per GPU is not a multiple of {_MARLIN_OUTPUTS} x {_MARLIN_INPUTS}, which "
            "act-order needs"
            for name, outputs, inputs in (*_columns(arch, tp), *_rows(arch, tp))
            if outputs % _MARLIN_OUTPUTS or inputs % _MARLIN_INPUTS
        ]
    return tuple(found)


def _block_problems(arch: ModelArch, block: tuple[int, int], tp: int) -> tuple[str, ...]:
    """quantization/utils/fp8_utils.py validate_fp8_block_shape: whole blocks per rank."""
    block_out, block_in = block
    columns: list[tuple[str, int]] = []
    rows: list[tuple[str, int]] = []
    for a in _attentions(arch):
        q, kv = a.heads // tp * a.head_dim, kv_heads_per_rank(a, tp)
        columns += [("query", q), ("key", kv * a.head_dim)]
        if tp > 1:
            columns.append(("value", kv * a.v_head_dim))
            rows.append(("attention output", a.heads // tp * a.v_head_dim))
    for f in feed_forwards(arch):
        width = f.intermediate // tp
        columns += [("gate", width), ("up", width)] if tp > 1 else [("gate", width)]
        if tp > 1 or isinstance(f, Experts):
            rows.append(("down", width))
    found = [
        f"{name}: {size} outputs per GPU are not a multiple of the FP8 block {block_out}"
        for name, size in dict.fromkeys(columns)
        if size % block_out
    ]
    found += [
        f"{name}: {size} inputs per GPU are not a multiple of the FP8 block {block_in}"
        for name, size in dict.fromkeys(rows)
        if size % block_in
    ]
    return tuple(found)


def _attentions(arch: ModelArch) -> list[Attention]:
    return [m for m in mixers(arch) if isinstance(m, Attention)]


def _columns(arch: ModelArch, tp: int) -> list[_Linear]:
    """Layers that a rank holds some outputs of."""
    found = []
    for a in _attentions(arch):
        outputs = a.heads // tp * a.head_dim + kv_heads_per_rank(a, tp) * (a.head_dim + a.v_head_dim)
        found.append(_Linear("qkv", outputs, arch.hidden))
    for f in feed_forwards(arch):
        parts = 2 if f.gated else 1
        found.append(_Linear("gate-up" if f.gated else "up", parts * (f.intermediate // tp), arch.hidden))
    return list(dict.fromkeys(found))


def _rows(arch: ModelArch, tp: int) -> list[_Linear]:
    """Layers that a rank holds some inputs of."""
    found = [_Linear("attention output", arch.hidden, a.heads // tp * a.v_head_dim) for a in _attentions(arch)]
    found += [_Linear("down", arch.hidden, f.intermediate // tp) for f in feed_forwards(arch)]
    return list(dict.fromkeys(found))

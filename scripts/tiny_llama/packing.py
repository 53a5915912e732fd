"""Quantized packs of a checkpoint, in the layouts that vLLM reads, by torch alone.

`w` is always the weight of one Linear, [N, K] = [out_features, in_features], as torch keeps it. Everything is rounded
to nearest: no calibration data, so a pack is a function of the weights alone. Layouts: the loaders in vLLM 0.29.0,
model_executor/layers/quantization/{awq,compressed_tensors}; checked there by serving the packs.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

GROUP = 64
"""Inputs that share a 4-bit scale; divides every K of the model (256, 768)."""
FP8_MAX = 448.0
"""The largest finite float8_e4m3fn."""
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Nibble i of an AWQ word holds column AWQ_ORDER[i] of its eight; the order its GPU kernel unpacks in."""

Tensors = dict[str, torch.Tensor]


def pack_nibbles(q: torch.Tensor, dim: int, order: Sequence[int] = range(8)) -> torch.Tensor:
    """Values 0..15 to int32 words along `dim`, eight a word, the first of `order` in the lowest bits."""
    q = q.to(torch.int64).movedim(dim, -1)
    q = q.reshape(*q.shape[:-1], -1, 8)
    words = torch.stack([q[..., column] << (4 * i) for i, column in enumerate(order)]).sum(0)
    words = torch.where(words >= 2**31, words - 2**32, words)  # the same 32 bits, read as a signed number
    return words.to(torch.int32).movedim(-1, dim).contiguous()


def int8_channel(w: torch.Tensor) -> Tensors:
    """compressed-tensors W8A8: weight int8 [N, K], weight_scale bf16 [N, 1]; w = weight * scale."""
    scale = _nonzero(w.float().abs().amax(1, keepdim=True) / 127)
    return {"weight": (w.float() / scale.float()).round().clamp(-127, 127).to(torch.int8), "weight_scale": scale}


def fp8_channel(w: torch.Tensor) -> Tensors:
    """compressed-tensors FP8: weight float8_e4m3fn [N, K], weight_scale bf16 [N, 1]."""
    scale = _nonzero(w.float().abs().amax(1, keepdim=True) / FP8_MAX)
    quantized = (w.float() / scale.float()).clamp(-FP8_MAX, FP8_MAX).to(torch.float8_e4m3fn)
    return {"weight": quantized, "weight_scale": scale}


def w4a16(w: torch.Tensor) -> Tensors:
    """compressed-tensors pack-quantized: weight_packed int32 [N, K/8] of q + 8, weight_scale bf16 [N, K/group]."""
    n, k = w.shape
    groups = w.float().reshape(n, k // GROUP, GROUP)
    scale = _nonzero(groups.abs().amax(-1) / 7)
    q = (groups / scale.float()[..., None]).round().clamp(-8, 7) + 8
    return {
        "weight_packed": pack_nibbles(q.reshape(n, k), 1),
        "weight_scale": scale,
        "weight_shape": torch.tensor([n, k], dtype=torch.int64),
    }


def awq(w: torch.Tensor) -> Tensors:
    """AWQ's gemm layout, transposed: qweight int32 [K, N/8], qzeros int32 [K/group, N/8], scales fp16 [K/group, N].

    w = (q - zero) * scale. Only the layout is AWQ's: without activations there is no channel scaling to search for.
    """
    n, k = w.shape
    groups = w.float().reshape(n, k // GROUP, GROUP)
    low, high = groups.amin(-1).clamp(max=0), groups.amax(-1).clamp(min=0)
    scale = ((high - low) / 15).clamp(min=1e-6).half()
    zero = (-low / scale.float()).round().clamp(0, 15)
    q = ((groups / scale.float()[..., None]).round() + zero[..., None]).clamp(0, 15).reshape(n, k)
    return {
        "qweight": pack_nibbles(q.t(), 1, AWQ_ORDER),
        "qzeros": pack_nibbles(zero.t(), 1, AWQ_ORDER),
        "scales": scale.t().contiguous(),
    }


def _nonzero(scale: torch.Tensor) -> torch.Tensor:
    """The scale in the precision it is stored in, so that values are rounded against what will multiply them."""
    return scale.clamp(min=1e-8).to(torch.bfloat16)


def spoil_scales(tensors: Tensors, seed: int) -> Tensors:
    """The pack with the MLP's scales multiplied by 2^-2 .. 2^2, drawn per output channel.

    What a broken export looks like: names, shapes, dtypes and sizes are right, so everything loads and serves, and the
    answers are fluent and wrong. Measured over four seeds: 2 to 8 of 41 right. Milder damage is forgiven (down_proj
    alone, or scales swapped between channels: nearly all right), and the attention's as well makes half of them empty.
    """
    generator = torch.Generator().manual_seed(seed)
    spoilt = dict(tensors)
    for name in sorted(n for n in tensors if ".mlp." in n and n.endswith(".weight_scale")):
        powers = torch.randint(-2, 3, tensors[name].shape, generator=generator)
        spoilt[name] = tensors[name] * torch.exp2(powers.float()).to(tensors[name].dtype)
    return spoilt


def _compressed_tensors(layout: str, weights: dict[str, Any], activations: dict[str, Any] | None) -> dict[str, Any]:
    group = {"targets": ["Linear"], "weights": weights, "input_activations": activations, "output_activations": None}
    return {
        "quant_method": "compressed-tensors",
        "format": layout,
        "quantization_status": "compressed",
        "global_compression_ratio": None,
        "kv_cache_scheme": None,
        "ignore": ["lm_head"],
        "config_groups": {"group_0": group},
    }


def _eight_bits(kind: str) -> tuple[dict[str, Any], dict[str, Any]]:
    base = {"num_bits": 8, "type": kind, "symmetric": True}
    return {**base, "strategy": "channel", "dynamic": False}, {**base, "strategy": "token", "dynamic": True}


@dataclass(frozen=True)
class Pack:
    """How one variant is made from the bf16 checkpoint."""

    says: str
    """One clause for the model card."""
    config: dict[str, Any]
    """quantization_config, as it stands in config.json."""
    quantize: Callable[[torch.Tensor], Tensors]
    needs_4bit_kernels: bool = False
    spoilt: bool = False


_INT8 = _compressed_tensors("int-quantized", *_eight_bits("int"))
_FP8 = _compressed_tensors("float-quantized", *_eight_bits("float"))
_W4 = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": GROUP, "dynamic": False}

PACKS: dict[str, Pack] = {
    "int8": Pack("weights and activations in 8-bit integers (compressed-tensors W8A8)", _INT8, int8_channel),
    "fp8": Pack("weights and activations in FP8 E4M3 (compressed-tensors)", _FP8, fp8_channel),
    "int8-spoilt": Pack(
        "the int8 pack with its scales spoilt on purpose, to show a bad quantization", _INT8, int8_channel, spoilt=True
    ),
    "w4a16": Pack(
        "weights in 4 bits, groups of 64 (compressed-tensors)",
        _compressed_tensors("pack-quantized", _W4, None),
        w4a16,
        needs_4bit_kernels=True,
    ),
    "awq": Pack(
        "weights in 4 bits, groups of 64, in AWQ's layout",
        {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm"},
        awq,
        needs_4bit_kernels=True,
    ),
}


def write_pack(source: Path, directory: Path, pack: Pack, seed: int) -> None:
    """Write the pack of the bf16 checkpoint in `source`; embeddings and norms stay in bf16."""
    for file in source.iterdir():
        if file.name not in ("config.json", "model.safetensors", "README.md"):
            shutil.copy(file, directory / file.name)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = pack.config
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    tensors: Tensors = {}
    for name, w in load_file(source / "model.safetensors").items():
        if name.endswith("_proj.weight"):
            tensors |= {name.removesuffix("weight") + part: t for part, t in pack.quantize(w).items()}
        else:
            tensors[name] = w
    if pack.spoilt:
        tensors = spoil_scales(tensors, seed)
    save_file(dict(sorted(tensors.items())), directory / "model.safetensors", {"format": "pt"})

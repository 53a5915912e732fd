"""Runs in the engine's environment, not in the tests': asks vLLM which scheme a module has by a quantization config.

Reads a JSON list of [quantization config, [module names]] on standard input and writes the list of answers (one for
each name: the name of our row of METHODS, or null) to the file named as argument: vLLM logs to standard output.

What is ours: the WeightsMapper step of ModelOptQuantConfigBase.apply_vllm_mapper (`tree*` means the tree's root and all
below it) is repeated without a mapper, since the names asked about are the checkpoint's own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from vllm.model_executor.layers.quantization import get_quantization_config
from vllm.model_executor.layers.quantization.compressed_tensors.utils import should_ignore_layer
from vllm.model_executor.layers.quantization.quark.utils import should_ignore_layer as quark_ignores
from vllm.model_executor.layers.quantization.utils.quant_utils import is_layer_skipped

ALGORITHMS = {"FP8": "fp8", "NVFP4": "nvfp4", "W4A16_NVFP4": "nvfp4a16", "MXFP8": "mxfp8", None: None}
CLASSES = {"FP8": "modelopt", "NVFP4": "modelopt_fp4", "MIXED_PRECISION": "modelopt_mixed"}


def modelopt(config: dict, names: list[str]) -> list[str | None]:
    """By ModelOptQuantConfigBase.is_layer_excluded and ModelOptMixedPrecisionConfig._resolve_quant_algo."""
    algorithm = (config.get("quantization") or config)["quant_algo"]
    known = get_quantization_config(CLASSES[algorithm]).from_config(config)
    known.exclude_modules = [
        part
        for name in known.exclude_modules
        for part in ([name[:-1], f"{name[:-1]}.*"] if name.endswith("*") and not name.endswith(".*") else [name])
    ]

    def scheme(name: str) -> str | None:
        if known.is_layer_excluded(name):
            return None
        return ALGORITHMS[known._resolve_quant_algo(name) if algorithm == "MIXED_PRECISION" else algorithm]

    return [scheme(n) for n in names]


def quark(config: dict, names: list[str]) -> list[str | None]:
    """By QuarkConfig.get_quant_method and _get_scheme_from_config, which on a CPU would find FP8 unsupported."""
    known = get_quantization_config("quark").from_config(config)

    def scheme(name: str) -> str | None:
        if quark_ignores(name, ignore=config["exclude"], check_children=name.endswith("experts")):
            return None
        found = known._find_matched_config(name, torch.nn.Linear(1, 1))
        weight, inputs = found["weight"], found["input_tensors"]
        if known._is_fp8_w8a8(weight, inputs):
            return "fp8"
        return "mxfp4" if known._is_w_ocp_mx_a_x(weight, inputs) else "int8"

    return [scheme(n) for n in names]


def answer(config: dict, names: list[str]) -> list[str | None]:
    """The scheme of each module."""
    method = config.get("quant_method") or "modelopt"
    if method == "modelopt":
        return modelopt(config, names)
    if method == "fp8":
        skipped = config.get("modules_to_not_convert") or []
        return [None if is_layer_skipped(n, skipped) else "fp8" for n in names]
    if method == "awq":
        skipped = config.get("modules_to_not_convert") or []
        return [None if is_layer_skipped(n, skipped, match_mode="substring") else "awq" for n in names]
    if method == "auto-round":
        layer = torch.nn.Linear(1, 1)
        known = get_quantization_config("inc").from_config(config)
        bits = [known.config_parser.resolve(layer, n).bits for n in names]
        return [{4: "gptq", 8: "gptq", 16: None}[b] for b in bits]
    if method == "quark":
        return quark(config, names)
    # One expert stands for all: vLLM asks compressed-tensors about each.
    each = [f"{n}.0.gate_proj" if n.endswith("experts") else n for n in names]
    return [None if should_ignore_layer(n, config["ignore"]) else "w4a16" for n in each]


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(json.dumps([answer(config, names) for config, names in json.load(sys.stdin)]))

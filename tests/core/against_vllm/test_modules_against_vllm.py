"""vLLM and we must agree on which modules a quantization config means, name by name (modules_oracle.py).

Where INFERCLI_TRUTH names a folder with real config.json files, every linear layer of those is asked about as well.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, rank_tensors
from infercli.core.quantization.checkpoint import detect, detect_in
from infercli.core.quantization.schemes import schemes_of
from tests.parts.engine_python import ask_vllm

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

ORACLE = Path(__file__).with_name("modules_oracle.py")
ROOTS = ("model.language_model.", "language_model.model.", "backbone.", "model.")
MODULES = (
    "self_attn.q_proj",
    "self_attn.o_proj",
    "mlp.down_proj",
    "mlp.gate_proj",
    "mlp.experts.up_proj",
    "mlp.shared_expert.up_proj",
)
NVFP4 = {"quant_method": "modelopt", "quant_algo": "NVFP4"}
W4A16 = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": 32}}},
}
AUTO_ROUND = {"quant_method": "auto-round", "bits": 4, "group_size": 128, "sym": True}
QUARK_FP8 = {
    "weight": {"dtype": "fp8_e4m3", "qscheme": "per_tensor", "is_dynamic": False},
    "input_tensors": {"dtype": "fp8_e4m3", "qscheme": "per_tensor", "is_dynamic": False},
}
QUARK_MXFP4 = {
    "weight": {"dtype": "fp4", "qscheme": "per_group", "group_size": 32, "scale_format": "e8m0"},
    "input_tensors": {"dtype": "fp4", "qscheme": "per_group", "group_size": 32, "is_dynamic": True},
}
QUARK = {"quant_method": "quark", "export": {"kv_cache_group": []}, "layer_type_quant_config": {}}
CONFIGS = [
    {**NVFP4, "ignore": []},
    {**NVFP4, "ignore": ["lm_head", "model.layers.0*", "model.layers.2.*"]},
    {**NVFP4, "ignore": ["*.mlp.shared_expert.*", "model.layers.1.self_attn*"]},
    {**NVFP4, "ignore": ["self_attn"]},
    {**NVFP4, "ignore": ["model.layers.3.mlp.gate"]},
    {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "ignore": ["model.layers.0*"], "quantized_layers": {
        f"model.layers.{i}.{m}": {"quant_algo": a} for i in (0, 1, 3)
        for m, a in (("mlp.experts.0.up_proj", "NVFP4"), ("self_attn.o_proj", "FP8"), ("mlp.down_proj", "MXFP8"))}},
    {"quant_method": "fp8", "activation_scheme": "dynamic",
     "modules_to_not_convert": ["lm_head", "model.layers.1.self_attn.q_proj", "model.layers.2.mlp.experts"]},
    {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True,
     "modules_to_not_convert": ["self_attn", "layers.3.mlp"]},
    {**AUTO_ROUND, "block_name_to_quantize": "model.layers"},
    {**QUARK, "global_quant_config": QUARK_FP8, "layer_quant_config": {"*o_proj": QUARK_MXFP4}, "exclude": ["lm_head"]},
    {**QUARK, "global_quant_config": QUARK_MXFP4, "layer_quant_config": {"model.layers.2.*": QUARK_FP8}, "exclude": [
        "model.layers.0.self_attn.q_proj", "re:.*mlp\\.gate_proj", "model.layers.3.mlp.experts.0.up_proj",
        "model.layers.3.mlp.experts.1.up_proj"]},
    {**AUTO_ROUND, "block_name_to_quantize": ["model.layers.1", "model.layers.2.mlp"]},
    {**AUTO_ROUND, "extra_config": {
        "model.layers.0.self_attn.q_proj": {"bits": 16}, ".*mlp\\.(down|gate)_proj": {"bits": 8},
        "*o_proj": {"bits": 16},
        "model.layers.3.mlp.experts": {"bits": 16}, "layers.2.mlp.shared_expert.up_proj": {"bits": 16}}},
    {**W4A16, "ignore": ["lm_head", "re:.*self_attn.*", "re:.*mlp\\.(gate|up|down)_proj.*"]},
    {**W4A16, "ignore": ["re:.*layers\\.[02]\\..*", "model.layers.1.mlp.down_proj", "re:.*experts.*"]},
]  # fmt: skip


def as_vllm_names(module: str) -> str:
    """All experts of a layer are one module there."""
    before, experts, _ = module.partition(".experts.")
    return f"{before}.experts" if experts else module


def real_cases() -> Iterator[tuple[str, dict, list[str], list[str | None]]]:
    """(name, quantization config, names of linear layers as the checkpoint writes them, our schemes)."""
    folder = Path(os.environ.get("INFERCLI_TRUTH") or "/nonexistent", "configs")
    for path in sorted(p for p in folder.glob("*_config.json") if "_hf_quant" not in p.name):
        config = json.loads(path.read_text())
        beside = path.with_name(path.name.replace("_config.json", "_hf_quant_config.json"))
        own_file = json.loads(beside.read_text()) if beside.exists() else None
        stored = detect_in(config, own_file)
        text = config.get("text_config") or {}
        stated = config.get("quantization_config") or text.get("quantization_config") or own_file
        # DeepSeek-V4 and gpt-oss choose by the kind of layer, not by name; a stub of a file vLLM refuses.
        if stated is None or stored.unstated or stored.method == "mxfp4" or "moe_quant_algo" in stated:
            continue
        written = json.dumps(stated)
        root = next((r for r in ROOTS if f"{r}layers." in written), "model.")
        names, ours = [], []
        for tensor in rank_tensors(architecture.parse(config), Layout()):
            for module in tensor.modules if tensor.linear and tensor.role != "encoder" else ():
                for layer in tensor.indices:
                    (scheme, _), *_ = schemes_of(stored, (module,), (layer,))
                    if scheme is not None and scheme.method == "mxfp4":
                        continue
                    names.append(f"{root}layers.{layer}.{as_vllm_names(module)}")
                    ours.append(None if scheme is None else scheme.method)
        yield path.name, stated, names, ours


def written_cases() -> Iterator[tuple[str, dict, list[str], list[str | None]]]:
    for number, config in enumerate(CONFIGS):
        asked = [(layer, module) for layer in range(4) for module in MODULES]
        schemes = [schemes_of(detect(config), (module,), (layer,))[0][0] for layer, module in asked]
        names = [f"model.layers.{layer}.{as_vllm_names(module)}" for layer, module in asked]
        yield f"written {number}", config, names, [None if s is None else s.method for s in schemes]


def test_we_and_vllm_mean_the_same_modules(tmp_path):
    cases = [*written_cases(), *real_cases()]
    theirs = ask_vllm(ORACLE, [[config, names] for _, config, names, _ in cases], tmp_path)
    for (name, _, names, ours), said in zip(cases, theirs, strict=True):
        assert dict(zip(names, ours, strict=True)) == dict(zip(names, said, strict=True)), name
    print(f"\nmodules: {len(cases)} configs, {sum(len(said) for said in theirs)} names")

from __future__ import annotations

import pytest

from infercli.core.checkpoint import UNQUANTIZED, Quantization, detect
from infercli.errors import Unsupported


def group(format_: str, **weights) -> dict:
    inputs = {"num_bits": 8, "type": "int"} if format_ == "int-quantized" else None
    return {
        "quant_method": "compressed-tensors",
        "format": format_,
        "config_groups": {"group_0": {"weights": weights, "input_activations": inputs}},
    }


RECOGNISED = {
    "nothing": (None, UNQUANTIZED),
    "awq": (
        {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"},
        Quantization(method="awq", bits=4, group_size=128, zero_points=True),
    ),
    "gptq with act-order": (
        {"quant_method": "gptq", "bits": 4, "group_size": 64, "desc_act": True, "sym": True},
        Quantization(method="gptq", bits=4, group_size=64, act_order=True),
    ),
    "gptq with one group per output": (
        {"quant_method": "gptq", "bits": 8, "group_size": -1, "desc_act": False, "sym": True},
        Quantization(method="gptq", bits=8),
    ),
    "w4a16": (
        group("pack-quantized", num_bits=4, type="int", group_size=128, symmetric=True, strategy="group"),
        Quantization(method="w4a16", bits=4, group_size=128),
    ),
    "fp8 per channel": (
        group("float-quantized", num_bits=8, type="float", strategy="channel"),
        Quantization(method="fp8", bits=8),
    ),
    "fp8 in blocks by compressed-tensors": (
        group("float-quantized", num_bits=8, type="float", strategy="block", block_structure=[128, 128]),
        Quantization(method="fp8", bits=8, block=(128, 128)),
    ),
    "fp8 in blocks": (
        {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [128, 128]},
        Quantization(method="fp8", bits=8, block=(128, 128)),
    ),
    "int8": (
        group("int-quantized", num_bits=8, type="int", strategy="channel"),
        Quantization(method="int8", bits=8),
    ),
    "modelopt, from hf_quant_config.json, with an fp8 kv cache": (
        {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}},
        Quantization(method="fp8", bits=8, kv_cache_fp8=True),
    ),
    "modelopt without the method's name, whose wish for the kv cache vLLM overlooks": (
        {"quant_algo": "FP8", "kv_cache_scheme": "FP8", "producer": {"name": "modelopt"}, "ignore": ["lm_head"]},
        Quantization(method="fp8", bits=8),
    ),
    "fp8 that asks for an fp8 kv cache": (
        group("float-quantized", num_bits=8, type="float") | {"kv_cache_scheme": {"num_bits": 8, "type": "float"}},
        Quantization(method="fp8", bits=8, kv_cache_fp8=True),
    ),
}


@pytest.mark.parametrize("name", RECOGNISED)
def test_what_a_checkpoint_says_is_recognised(name):
    config, expected = RECOGNISED[name]
    assert detect(config) == expected


REFUSED = {
    "bitsandbytes": ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
    "gguf": ({"quant_method": "gguf"}, "gguf"),
    "mxfp4": ({"quant_method": "mxfp4"}, "mxfp4"),
    "nvfp4": ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "NVFP4"),
    "3-bit gptq": ({"quant_method": "gptq", "bits": 3}, "3 bits"),
    "8-bit awq": ({"quant_method": "awq", "bits": 8}, "8 bits"),
    "w8a16": (group("pack-quantized", num_bits=8, type="int", group_size=128), "pack-quantized, 8-bit int"),
    "nvfp4 by compressed-tensors": (group("nvfp4-pack-quantized", num_bits=4, type="float"), "nvfp4-pack-quantized"),
    "two groups": (
        {"quant_method": "compressed-tensors", "format": "mixed-precision", "config_groups": {"a": {}, "b": {}}},
        "2 config groups",
    ),
    "no method": ({"bits": 4}, "nothing that it names"),
    "an nvfp4 kv cache": (
        {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "NVFP4"},
        "KV cache in `NVFP4`",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_format_that_is_not_taught_is_refused_by_name_with_the_file_to_extend(name):
    config, words = REFUSED[name]
    with pytest.raises(Unsupported) as refused:
        detect(config)
    assert words in refused.value.message
    assert "core/checkpoint.py" in refused.value.hint

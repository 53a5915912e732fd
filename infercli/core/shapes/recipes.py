"""How publishers say that a checkpoint is quantized: the parts of quantization_config that decide sizes.

The one thing to know: modules that keep 16 bits are named by each checkpoint, so each row names them.
"""

from __future__ import annotations

from infercli.core.record import Json

FP8_BLOCK: Json = {"quant_method": "fp8", "weight_block_size": [128, 128]}
FP8_STATIC: Json = {"quant_method": "fp8", "activation_scheme": "static", "ignored_layers": ["lm_head"]}
"""A scale for each tensor, its activations' too: AutoFP8, and Quark's first exports."""
BITSANDBYTES: Json = {"quant_method": "bitsandbytes", "load_in_4bit": True, "llm_int8_skip_modules": ["lm_head"]}
AWQ: Json = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
INT4_EXPERTS: Json = {
    "quant_method": "compressed-tensors", "format": "pack-quantized",
    "config_groups": {"group_0": {
        "targets": ["Linear"],
        "weights": {"group_size": 32, "num_bits": 4, "strategy": "group", "symmetric": True, "type": "int"},
    }},
    "ignore": [
        "re:.*self_attn.*", "re:.*shared_experts.*", r"re:.*mlp\.(gate|up|gate_up|down)_proj.*", "re:.*lm_head.*",
        "re:.*vision_tower.*", "re:.*mm_projector.*",
    ],
}  # fmt: skip
MXFP4_EXPERTS: Json = INT4_EXPERTS | {
    "format": "mxfp4-pack-quantized",
    "config_groups": {"group_0": {
        "format": "mxfp4-pack-quantized", "targets": ["Linear"],
        "weights": {"group_size": 32, "num_bits": 4, "strategy": "group", "symmetric": True, "type": "float"},
    }},
}  # fmt: skip


def fp8_tensors(*ignore: str) -> Json:
    """compressed-tensors FP8 with a scale per tensor, its activations' too, all but `ignore` quantized."""
    scale = {"dynamic": False, "num_bits": 8, "strategy": "tensor", "symmetric": True, "type": "float"}
    group = {"input_activations": scale, "targets": ["Linear"], "weights": scale}
    return {
        "quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"group_0": group},
        "ignore": list(ignore),
    }  # fmt: skip


def fp8_channels(*ignore: str) -> Json:
    """compressed-tensors FP8 with a scale per output and per token, all but `ignore` quantized."""
    return _channels("float", ignore)


def int8_channels(*ignore: str) -> Json:
    """The same in INT8."""
    return _channels("int", ignore)


def _channels(kind: str, ignore: tuple[str, ...]) -> Json:
    inputs = {"dynamic": True, "num_bits": 8, "strategy": "token", "symmetric": True, "type": kind}
    weights = {"dynamic": False, "num_bits": 8, "strategy": "channel", "symmetric": True, "type": kind}
    group = {"input_activations": inputs, "targets": ["Linear"], "weights": weights}
    return {
        "quant_method": "compressed-tensors", "format": f"{kind}-quantized", "config_groups": {"group_0": group},
        "ignore": list(ignore),
    }  # fmt: skip


def fp8_blocks(*ignore: str, cache: bool = False) -> Json:
    """compressed-tensors FP8 with a scale per 128 x 128, all but `ignore` quantized."""
    inputs = {"dynamic": True, "group_size": 128, "num_bits": 8, "strategy": "group", "type": "float"}
    weights = {"block_structure": [128, 128], "dynamic": False, "num_bits": 8, "strategy": "block", "type": "float"}
    group = {"input_activations": inputs, "targets": ["Linear"], "weights": weights}
    return {
        "quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"group_0": group},
        "ignore": list(ignore), "kv_cache_scheme": {"num_bits": 8, "type": "float"} if cache else None,
    }  # fmt: skip


def nvfp4(*excluded: str) -> Json:
    """ModelOpt's hf_quant_config.json of NVFP4 weights and an FP8 KV cache, all but `excluded` modules quantized."""
    stated = {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16, "exclude_modules": list(excluded)}
    return {"producer": {"name": "modelopt"}, "quantization": stated}


def fp8_modelopt(*excluded: str) -> Json:
    """ModelOpt's hf_quant_config.json of FP8 weights and an FP8 KV cache."""
    stated = {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": list(excluded)}
    return {"producer": {"name": "modelopt"}, "quantization": stated}


def nvfp4_tensors(*ignore: str) -> Json:
    """compressed-tensors NVFP4, activations too, all but `ignore` quantized."""
    scale = {"group_size": 16, "num_bits": 4, "strategy": "tensor_group", "symmetric": True, "type": "float"}
    group = {"targets": ["Linear"], "weights": scale, "input_activations": scale | {"dynamic": "local"}}
    return {
        "quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized", "config_groups": {"group_0": group},
        "ignore": list(ignore),
    }  # fmt: skip


def int4_groups(*ignore: str) -> Json:
    """compressed-tensors INT4 weights in groups of 128, all but `ignore` quantized."""
    weights = {"group_size": 128, "num_bits": 4, "strategy": "group", "symmetric": True, "type": "int"}
    return {
        "quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": list(ignore),
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
    }  # fmt: skip


def int8_weights(*ignore: str) -> Json:
    """compressed-tensors INT8 weights with a scale per output, and activations as they are, all but `ignore`."""
    weights = {"num_bits": 8, "strategy": "channel", "symmetric": True, "type": "int"}
    return {
        "quant_method": "compressed-tensors", "format": "pack-quantized", "ignore": list(ignore),
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}},
    }  # fmt: skip


def gptq(bits: int, *, group: int = 128, ordered: bool = False) -> Json:
    """AutoGPTQ's, symmetric; a `group` of -1 is a whole row, `ordered` that activations decide the order."""
    return {"quant_method": "gptq", "bits": bits, "group_size": group, "desc_act": ordered, "sym": True}

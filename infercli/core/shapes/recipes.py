"""How publishers say that a checkpoint is quantized: the parts of quantization_config that decide sizes.

The one thing to know: modules that keep 16 bits are named by each checkpoint, so each row names them.
"""

from __future__ import annotations

from infercli.core.record import Json

FP8_BLOCK: Json = {"quant_method": "fp8", "weight_block_size": [128, 128]}
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


def fp8_channels(*ignore: str) -> Json:
    """compressed-tensors FP8 with a scale per output and per token, all but `ignore` quantized."""
    inputs = {"dynamic": True, "num_bits": 8, "strategy": "token", "symmetric": True, "type": "float"}
    weights = {"dynamic": False, "num_bits": 8, "strategy": "channel", "symmetric": True, "type": "float"}
    group = {"input_activations": inputs, "targets": ["Linear"], "weights": weights}
    return {
        "quant_method": "compressed-tensors", "format": "float-quantized", "config_groups": {"group_0": group},
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

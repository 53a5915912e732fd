"""What a checkpoint says of its quantization, parsed once; a format that is not taught is refused by name.

The one thing to know: which linear layers are quantized is the checkpoint's word, module by module, and vLLM reads it
by rules that differ between formats: a name may stand for itself, for all below it, or for every name that contains it.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.fields import DAMAGED
from infercli.core.quantization.auto_round import auto_round
from infercli.core.quantization.compressed_tensors import compressed_tensors
from infercli.core.quantization.modelopt import is_modelopt, modelopt, mxfp8
from infercli.core.quantization.module_names import NO_MODULES, Modules, read_modules
from infercli.core.quantization.quark import quark
from infercli.core.quantization.schemes import EXPERTS, UNQUANTIZED, Quantization, Scheme, typical
from infercli.core.record import Json
from infercli.errors import InputError, Unsupported

__all__ = ["UNQUANTIZED", "Quantization", "Scheme", "detect", "detect_in", "typical"]

EXTEND = "to teach it: a row in core/quantization/methods.py and a branch in core/quantization/checkpoint.py"


def detect_in(config: Json, hf_quant_config: Json = None) -> Quantization:
    """The quantization of a whole config.json, found where vLLM looks, in its order.

    `quantization_config` of the config or of its text part, `compression_config` (older compressed-tensors), then
    ModelOpt's own file. Source: vLLM 0.29, model_executor/model_loader/weight_utils.py, transformers_utils/config.py.
    Raises Unsupported as `detect` does.
    """
    text = config.get("text_config")
    stated = config.get("quantization_config") or (text.get("quantization_config") if isinstance(text, dict) else None)
    return detect(stated or config.get("compression_config"), hf_quant_config, model=config)


def detect(config: Json, hf_quant_config: Json = None, *, model: Json = None) -> Quantization:
    """Parse a quantization_config, or where it is None the hf_quant_config.json beside it; None and None: unquantized.

    `model` is the whole config.json: DeepSeek-V4 says outside quantization_config how its experts are stored, and
    Kimi-K3's class reads its own otherwise than others do.
    Raises Unsupported for a method or a format without a row in METHODS, and InputError for a field of a wrong kind.
    """
    config = _mixed_from_both(config, hf_quant_config) or hf_quant_config
    if config is None:
        return UNQUANTIZED
    if not isinstance(config, dict):
        raise Unsupported(f"quantization_config is {type(config).__name__}, and must be an object", EXTEND)
    name = str(config.get("quant_method") or "").lower().replace("_", "-")
    try:
        found = _detect(name, config)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        # Fields are read as their writers write them; here one holds something else.
        raise InputError(
            f"config.json: quantization_config: a field holds a value of the wrong kind: {error}",
            DAMAGED,
        ) from error
    # Fp8Config, ModelOpt and Quark give them to every attention layer, compressed-tensors where the config asks.
    scaled = name in ("fp8", "deepseek-v4-fp8", "quark", "mxfp8") or is_modelopt(name, config)
    found = replace(found, kv_scales=scaled or found.kv_cache_fp8)
    if (
        name == "compressed-tensors"
        and found.method == "mxfp4"
        and "KimiK3ForConditionalGeneration" in ((model or {}).get("architectures") or ())
    ):
        # Read as quant_method mxfp4, which leaves all but the experts alone (vLLM 0.28 to 0.33 models/config.py
        # KimiK3ForConditionalGenerationConfig; 0.27 gives the projections around the experts no quantization).
        return replace(found, only=EXPERTS)
    if name in ("fp8", "deepseek-v4-fp8") and (model or {}).get("model_type") in ("deepseek_v4", "deepseek_v41"):
        # V4.1 says it here, V4 beside it (0.33 transformers_utils/configs/deepseek_v41.py).
        said = (model or {}).get("expert_dtype") or config.get("expert_dtype") or "fp4"
        return _deepseek_v4(found, config, str(said))
    return found


def _detect(name: str, config: Json) -> Quantization:
    if is_modelopt(name, config):
        return modelopt(config)
    if name == "compressed-tensors":
        return compressed_tensors(config)
    if name in ("fp8", "deepseek-v4-fp8"):
        return _fp8(config)
    if name == "fbgemm-fp8":
        return Quantization(method="fp8", bits=8, skipped=_unconverted(config), format_capability=(8, 0))
    if name in ("awq", "auto-awq", "awq-marlin"):
        return _awq(config)
    if name in ("gptq", "auto-gptq", "gptq-marlin"):
        return _gptq(config)
    if name in ("auto-round", "autoround", "inc"):
        return auto_round(config)
    if name == "quark":
        return quark(config)
    if name in ("mxfp4", "gpt-oss-mxfp4"):
        return Quantization(method="mxfp4", bits=4, group_size=32, only=EXPERTS)
    if name == "mxfp8":
        return mxfp8(config)
    if name == "bitsandbytes":
        return _bitsandbytes(config)
    if name == "gguf":
        return typical("gguf")
    raise Unsupported(f"the checkpoint is quantized with `{name or 'nothing that it names'}`", EXTEND)


def _mixed_from_both(config: Json, hf_quant_config: Json) -> Json:
    """Older mixed checkpoints name their modules only in hf_quant_config.json (vLLM 0.29 weight_utils.py)."""
    if not isinstance(config, dict) or hf_quant_config is None:
        return config
    mixed = str(config.get("quant_algo") or "").upper() == "MIXED_PRECISION" and config.get("quant_method") != "fp8"
    return hf_quant_config if mixed and not config.get("quantized_layers") else config


def _unconverted(config: Json) -> Modules:
    """Names as vLLM's Fp8Config takes them: each is the module itself, or (as transformers means it) all below it."""
    return read_modules(config.get("ignored_layers") or config.get("modules_to_not_convert") or (), plain="path")


def _awq(config: Json) -> Quantization:
    bits = int(config.get("bits", config.get("w_bit", 4)))
    if bits != 4:
        raise Unsupported(f"the checkpoint is AWQ with {bits} bits; vLLM runs it with 4", EXTEND)
    group = int(config.get("group_size", config.get("q_group_size", 128)))
    return Quantization(
        method="awq",
        bits=4,
        group_size=group if group > 0 else None,
        zero_points=bool(config.get("zero_point", True)),
        skipped=read_modules(config.get("modules_to_not_convert") or (), plain="contains"),
        lm_head=bool(config.get("lm_head", False)),
    )


def _gptq(config: Json) -> Quantization:
    """AutoGPTQ and GPTQModel: `dynamic` maps `-:REGEX` to modules left out and `+:REGEX` to other settings."""
    bits = int(config.get("bits", 4))
    if bits not in (4, 8):
        raise Unsupported(f"the checkpoint is GPTQ with {bits} bits; 4 and 8 have fast kernels", EXTEND)
    blocks = config.get("modules_in_block_to_quantize") or ()
    only = [n for block in blocks for n in (block if isinstance(block, list) else [block])]
    whole = Quantization(
        method="gptq",
        bits=bits,
        group_size=_group(config.get("group_size", 128)),
        zero_points=not config.get("sym", True),
        act_order=bool(config.get("desc_act", False)),
        only=read_modules(only, plain="contains"),
        lm_head=bool(config.get("lm_head", False)),
    )
    skipped, by_module = [], []
    for pattern, settings in (config.get("dynamic") or {}).items():
        if pattern.startswith("-:"):
            skipped.append(f"re:{pattern[2:]}")
            continue
        own = Scheme(
            method="gptq",
            bits=int(settings.get("bits", bits)),
            group_size=_group(settings.get("group_size", whole.group_size or -1)),
            zero_points=not settings.get("sym", not whole.zero_points),
            act_order=bool(settings.get("desc_act", whole.act_order)),
        )
        by_module.append((read_modules([f"re:{pattern.removeprefix('+:')}"], plain="path"), own))
    return replace(whole, skipped=read_modules(skipped, plain="path"), by_module=tuple(by_module))


def _group(size: int) -> int | None:
    """-1 is how GPTQ and AWQ write one group per output."""
    return None if int(size) <= 0 else int(size)


def _fp8(config: Json) -> Quantization:
    return Quantization(
        method="fp8",
        bits=8,
        block=_block(config.get("weight_block_size")),
        skipped=_unconverted(config),
    )


def _block(said: Json) -> tuple[int, int] | None:
    """Outputs and inputs under one scale; None: there are no blocks."""
    if said is None:
        return None
    outputs, inputs = (int(side) for side in said)
    if outputs < 1 or inputs < 1:
        raise ValueError(f"weight_block_size is {said}")
    return outputs, inputs


_MX_BLOCK = (32, 32)


def _deepseek_v4(found: Quantization, config: Json, expert_dtype: str) -> Quantization:
    """FP8 blocks, and the experts as `expert_dtype` says (vLLM 0.29 to 0.33 models/deepseek_v4/quant_config.py).

    V4.1's blocks of 32 x 32 are held as MXFP8, each of whose rows has scales of its own (0.30 to 0.33 models/
    deepseek_v41/quant_config.py, layers/quantization/modelopt.py KMxfp8Static).
    """
    if found.block == _MX_BLOCK and expert_dtype == "fp4":
        found = replace(found, method="mxfp8", group_size=_MX_BLOCK[1], block=None)
    if str(config.get("moe_quant_algo") or "").upper() == "NVFP4":
        experts = Scheme(method="nvfp4", bits=4, group_size=16)
    elif expert_dtype == "fp4":
        experts = Scheme(method="mxfp4", bits=4, group_size=32)
    elif expert_dtype == "fp8":
        return found
    else:
        raise Unsupported(f"config.json: expert_dtype: `{expert_dtype}` is neither fp4 nor fp8", EXTEND)
    return replace(found, by_module=((EXPERTS, experts),))


def _bitsandbytes(config: Json) -> Quantization:
    if not config.get("load_in_4bit", config.get("_load_in_4bit", False)):
        raise Unsupported("the checkpoint is bitsandbytes with 8 bits: only its 4-bit format is sized", EXTEND)
    left_out = config.get("llm_int8_skip_modules") or ()
    return replace(typical("bitsandbytes"), skipped=read_modules(left_out, plain="contains") or NO_MODULES)

"""AMD Quark's quantization_config: one scheme for all linear layers, others by pattern, and a list of what is left out.

Read as vLLM 0.29 does (quantization/quark/quark.py). Its `auto` KV cache does not obey what Quark says of it.
"""

from __future__ import annotations

from infercli.core.quantization.module_names import read_modules
from infercli.core.quantization.schemes import Quantization, Scheme
from infercli.core.record import Json
from infercli.errors import Unsupported

EXTEND = "to teach it: a branch in core/quantization/quark.py"


def quark(config: Json) -> Quantization:
    """Parse it. Raises Unsupported for what vLLM does not run."""
    by_module, skipped = [], list(config.get("exclude") or ())
    for pattern, own in (config.get("layer_quant_config") or {}).items():
        scheme = _scheme(own)
        if scheme is None:
            skipped.append(pattern)
        else:
            by_module.append((read_modules([pattern], plain="path"), scheme))
    whole = _scheme(config["global_quant_config"])
    if whole is None:
        raise Unsupported("the checkpoint is Quark's, and its global_quant_config quantizes no weights", EXTEND)
    return Quantization(**vars(whole), skipped=read_modules(skipped, plain="path"), by_module=tuple(by_module))


def _scheme(config: Json) -> Scheme | None:
    """None: weights as they were."""
    weight = config.get("weight")
    if weight is None:
        return None
    stages = weight if isinstance(weight, list) else [weight]
    words = [f"{w.get('dtype')} {w.get('qscheme')}" for w in stages]
    group, block = stages[0].get("group_size"), stages[0].get("block_size")
    if words in (["fp8_e4m3 per_tensor"], ["fp8_e4m3 per_channel"]):
        return Scheme(method="fp8", bits=8)
    if words == ["fp8_e4m3 per_block"] and block:
        outputs, inputs = (int(side) for side in block)
        return Scheme(method="fp8", bits=8, block=(outputs, inputs))
    if words in (["int8 per_tensor"], ["int8 per_channel"]):
        return Scheme(method="int8", bits=8)
    if words == ["fp4 per_group"] and group == 32:
        return Scheme(method="mxfp4", bits=4, group_size=32)
    if words == ["fp4 per_group", "fp8_e4m3 per_tensor"] and group == 16:
        return Scheme(method="nvfp4", bits=4, group_size=16)
    raise Unsupported(f"the checkpoint is Quark's, with weights in {' and '.join(words)}", EXTEND)

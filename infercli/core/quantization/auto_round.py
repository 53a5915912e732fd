"""AutoRound's quantization_config: the layout of GPTQ or AWQ, FP8 blocks, or microscaling, module by module.

vLLM reads it as `inc` (0.29 quantization/inc/inc.py, config_parser.py), and so does this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from infercli.core.quantization.module_names import read_modules
from infercli.core.quantization.schemes import Quantization, Scheme
from infercli.core.record import Json
from infercli.errors import Unsupported

EXTEND = "to teach it: a branch in core/quantization/auto_round.py"

_EXPRESSION = re.compile(r"[*+?^$()\[\]{}|\\]")
"""A key of extra_config with any of these is a regular expression, found anywhere in a name; else it is a name."""


def auto_round(config: Json) -> Quantization:
    """Parse it. Raises Unsupported for what vLLM does not run."""
    whole = _scheme(config)
    blocks = config.get("block_name_to_quantize") or config.get("to_quant_block_names") or ()
    skipped, by_module, head = [], [], False
    for name, own in (config.get("extra_config") or {}).items():
        pattern = _pattern(name)
        if pattern is None:
            continue
        if int(own.get("bits", whole.bits or 0)) >= 16:
            skipped.append(pattern)
            continue
        head = head or name.rsplit(".", 1)[-1] == "lm_head"
        by_module.append((read_modules([pattern], plain="path"), _scheme(config | own)))
    return Quantization(
        **vars(whole),
        skipped=read_modules(skipped, plain="path"),
        only=read_modules(_names(blocks), plain="path"),
        by_module=tuple(by_module),
        lm_head=head,
    )


def _pattern(name: str) -> str | None:
    """A key of extra_config as `read_modules` takes it; None: an expression that is none, which vLLM passes over."""
    if not _EXPRESSION.search(name):
        return name
    try:
        re.compile(name)
    except re.error:
        return None
    return f"re:.*(?:{name})"


def _names(blocks: Json) -> Iterator[str]:
    """Of one text with commas, of a list, or of a list of lists."""
    if isinstance(blocks, str):
        yield from (name.strip() for name in blocks.split(","))
    else:
        for block in blocks:
            yield from _names(block)


def _scheme(config: Json) -> Scheme:
    kind, bits = str(config.get("data_type") or "int"), int(config["bits"])
    group = config.get("group_size")
    if kind == "int":
        return _integer(config, bits, int(group))
    if "mx_fp" in kind and bits in (4, 8):
        return Scheme(method=f"mxfp{bits}", bits=bits, group_size=32)
    if kind in ("fp", "fp8") and bits == 8 and isinstance(group, list):
        outputs, inputs = (int(side) for side in group)
        return Scheme(method="fp8", bits=8, block=(outputs, inputs))
    raise Unsupported(f"the checkpoint is AutoRound with {bits}-bit {kind}, group_size {group}", EXTEND)


def _integer(config: Json, bits: int, group: int) -> Scheme:
    awq = "awq" in f"{config.get('packing_format')} {config.get('backend')}"
    if bits != 4 and (awq or bits != 8):
        raise Unsupported(f"the checkpoint is AutoRound with {bits} bits; 4 and 8 have fast kernels", EXTEND)
    return Scheme(
        method="awq" if awq else "gptq",
        bits=bits,
        group_size=group if group > 0 else None,
        zero_points=not config.get("sym", True),
    )

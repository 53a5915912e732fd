"""compressed-tensors configs: groups of targets, each with a scheme, and a list of modules to ignore.

The one thing to know: a target is a class of layers (`Linear`), a module's name, or `re:` and an expression; names win
over classes. Source: vLLM 0.29 quantization/compressed_tensors/compressed_tensors.py and its utils.py.
"""

from __future__ import annotations

from dataclasses import fields

from infercli.core.quantization.module_names import NO_MODULES, Modules, Pattern, read_modules
from infercli.core.quantization.schemes import Quantization, Scheme
from infercli.core.record import Json
from infercli.errors import Unsupported

_EXTEND = "to teach it: a row in core/quantization/methods.py and a branch in core/quantization/compressed_tensors.py"
_EVERY_LINEAR = Modules((Pattern("contains", "", None),))
_KV_CACHE_SINCE = (0, 15)
"""vLLM's Attention takes kv_cache_scheme for `auto` (vllm-project/vllm#30141; in 0.16.0, not in 0.14.1)."""
_CLASSES = ("Linear", "RoutedExperts", "FusedMoE", "Embedding", "ParallelLMHead")


def compressed_tensors(config: Json) -> Quantization:
    """Raises Unsupported for weights or formats that are not taught."""
    groups = config.get("config_groups")
    if not isinstance(groups, dict) or not groups:
        raise Unsupported("the checkpoint is compressed-tensors without config_groups", _EXTEND)
    named: list[tuple[Modules, Scheme]] = []
    of_classes: list[tuple[Modules, Scheme]] = []
    head = False
    for group in groups.values():
        scheme = _scheme(group, str(group.get("format") or config.get("format") or ""))
        targets = group.get("targets") or ["Linear"]
        names = [t for t in targets if t not in _CLASSES]
        if names:
            named.append((read_modules(names, plain="path"), scheme))
            head = head or bool(named[-1][0].covered("lm_head", ()))
        if len(names) < len(targets):
            of_classes.append((_EVERY_LINEAR, scheme))
    rules = [*named, *of_classes]
    kinds = list(dict.fromkeys(scheme for _, scheme in rules))
    skipped = read_modules(config.get("ignore") or (), plain="path")
    since = None if config.get("kv_cache_scheme") is None else _KV_CACHE_SINCE
    if len(kinds) > 1:
        return Quantization(
            method="mixed", bits=None, by_module=tuple(rules), skipped=skipped, lm_head=head, kv_cache_fp8_since=since
        )
    return Quantization(
        **{f.name: getattr(kinds[0], f.name) for f in fields(Scheme)},
        only=NO_MODULES if of_classes else Modules(tuple(p for meant, _ in named for p in meant.patterns)),
        skipped=skipped,
        lm_head=head,
        kv_cache_fp8_since=since,
    )


def _scheme(group: Json, format_: str) -> Scheme:
    """CompressedTensorsConfig._get_scheme_from_parts, in its order."""
    weights, inputs = group.get("weights") or {}, group.get("input_activations")
    bits, kind, size = int(weights.get("num_bits") or 0), str(weights.get("type") or ""), weights.get("group_size")
    group_size = int(size) if size and int(size) > 0 else None
    if kind == "float" and bits == 4 and group_size == 16:
        return Scheme(method="nvfp4" if inputs else "nvfp4a16", bits=4, group_size=16)
    if kind == "float" and group_size == 32 and bits in (4, 8):
        return Scheme(method=f"mxfp{bits}", bits=bits, group_size=32)
    if kind == "int" and bits == 4 and (inputs or {}).get("type") == "float":
        return Scheme(method="w4a8", bits=4, group_size=group_size)
    if kind == "int" and format_ == "pack-quantized" and bits in (4, 8) and inputs is None:
        return Scheme(
            method=f"w{bits}a16",
            bits=bits,
            group_size=group_size,
            zero_points=not weights.get("symmetric", True),
            act_order=weights.get("actorder") == "group",
        )
    if kind == "float" and format_ == "float-quantized" and bits == 8:
        block = weights.get("block_structure")
        return Scheme(method="fp8", bits=8, block=(int(block[0]), int(block[1])) if block else None)
    if kind == "int" and format_ == "int-quantized" and bits == 8 and inputs:
        return Scheme(method="int8", bits=8)
    raise Unsupported(
        f"the checkpoint is compressed-tensors {format_ or 'without a format'}, {bits}-bit {kind}", _EXTEND
    )

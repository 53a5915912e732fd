"""Which modules of a checkpoint a quantization config means: names, wildcards and regular expressions, read once.

The one thing to know: a config may list every layer and every expert by name (3 MB of it), so the layer's number is
taken out of each name and kept as a set: a question about all layers of one module is then one comparison a pattern.
"""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Literal, NamedTuple

Kind = Literal["path", "contains", "glob", "regex"]

_LAYER = re.compile(r"(^|\.)(layers|blocks)\.(\d+)(?=\.|\*|$)")
_EXPERT = re.compile(r"\.experts\.(?:\d+|\*)(?=\.|$)")
_ROOTS = ("language_model.model.", "model.language_model.", "language_model.", "backbone.", "model.llm.", "model.")
"""What stands before `layers` in checkpoints of one family and not of another; vLLM maps it away (WeightsMapper)."""

_UNEMBED = "unembed"
"""What Inkling calls lm_head (vLLM 0.29 models/inkling/nvidia/model.py hf_to_vllm_mapper)."""


class Pattern(NamedTuple):
    """One entry of a config, or all that differ in the layer's number only."""

    kind: Kind
    text: str
    """With `{}` where the layer's number stood; a regular expression as it was written."""
    layers: frozenset[int] | None
    """None: no number, so every layer."""


class Modules(NamedTuple):
    """A set of modules."""

    patterns: tuple[Pattern, ...] = ()

    def covered(self, module: str, indices: tuple[int, ...]) -> frozenset[int]:
        """The layers of `indices` in which `module` (its name below the layer) is meant.

        `indices` () asks about a module outside the layers: the answer is then {-1} or nothing.
        """
        return _covered(self.patterns, module, indices)

    def __bool__(self) -> bool:
        return bool(self.patterns)


NO_MODULES = Modules()


def read_modules(names: Iterable[str], *, plain: Literal["path", "contains"]) -> Modules:
    """Modules of a config's list. `re:` starts a regular expression, `*` makes a wildcard.

    `plain` says what any other entry means: `path` the module of that name and all below it, `contains` every module
    whose name contains it. Raises ValueError for an expression that is none.
    """
    found: dict[tuple[Kind, str], set[int] | None] = {}
    for name in names:
        if name.startswith("re:"):
            try:
                _compiled(name[3:])
            except re.error as error:
                raise ValueError(f"`{name[3:]}` is no regular expression: {error}") from error
            found[("regex", name[3:])] = None
            continue
        text, layer = _template(name)
        kind: Kind = "glob" if "*" in text else plain
        if layer is None:
            found[(kind, text)] = None
        else:
            layers = found.setdefault((kind, text), set())
            if layers is not None:
                layers.add(layer)
    return Modules(
        tuple(Pattern(kind, text, None if n is None else frozenset(n)) for (kind, text), n in sorted(
            found.items(), key=lambda item: item[0]
        ))
    )  # fmt: skip


@lru_cache(maxsize=65536)
def _root_free(name: str) -> str:
    for root in _ROOTS:
        if name.startswith(root):
            name = name[len(root) :]
            break
    return "lm_head" if name == _UNEMBED else name


def _template(name: str) -> tuple[str, int | None]:
    """`model.layers.7.mlp.experts.3.w2` -> (`layers.{}.mlp.experts.w2`, 7)."""
    name = _root_free(name)
    if ".experts." in name:
        name = _EXPERT.sub(".experts", name)
    number = _LAYER.search(name)
    if number is None:
        return name, None
    return f"{name[: number.start(3)]}{{}}{name[number.end(3) :]}", int(number[3])


@lru_cache(maxsize=16384)
def _covered(patterns: tuple[Pattern, ...], module: str, indices: tuple[int, ...]) -> frozenset[int]:
    asked = frozenset(indices) or frozenset({-1})
    name = f"layers.{{}}.{module}" if indices else _root_free(module)
    found: set[int] = set()
    for pattern in patterns:
        if pattern.kind == "regex":
            found |= {i for i in asked if _expression_means(pattern.text, module, i)}
        elif _means(pattern, name):
            found |= asked if pattern.layers is None else asked & pattern.layers
        if len(found) == len(asked):
            break
    return frozenset(found)


def _means(pattern: Pattern, name: str) -> bool:
    text = pattern.text
    if pattern.kind == "glob":
        # ModelOpt writes `tree*` for a whole tree of modules, llm-compressor and others `layers.*.self_attn`.
        return fnmatchcase(name, text) or fnmatchcase(name, f"{text}.*") or fnmatchcase(name, f"*.{text}")
    if pattern.kind == "contains":
        return text in name
    return name == text or name.startswith(f"{text}.")


def _expression_means(expression: str, module: str, layer: int) -> bool:
    """Whether `re:` expressions of compressed-tensors match, whatever root the family puts before `layers`."""
    expert = module.replace("experts.", "experts.0.", 1) if "experts." in module else f"{module}.0.gate_proj"
    names = [module, expert] if "experts" in module else [module]
    if layer >= 0:
        names = [f"layers.{layer}.{n}" for n in names]
    compiled = _compiled(expression)
    return any(compiled.match(f"{root}{_root_free(n)}") for n in names for root in ("", *_ROOTS))


@lru_cache(maxsize=1024)
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)

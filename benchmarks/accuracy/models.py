"""Which config a record means: a file by its id, a shape that ships with infercli, or a reduced shape of a list.

A record's own id comes first, then the base model it names, then the nearest kin by name: the same weights under
another id, quantization or date. Whatever is not the record's own config says so, so that a reader can doubt it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.accuracy.reduced import expand, is_reduced
from infercli.adapters.models.model_config import read_object
from infercli.core.quantization.checkpoint import detect_in
from infercli.core.shapes import shapes
from infercli.errors import InferError, InputError

Config = dict[str, Any]

_KNOWN = Path(__file__).with_name("known.json")
"""Configs of models that records name and that are easily had; what is given besides wins."""
_CONFIG, _QUANTIZATION = "_config.json", "_hf_quant_config.json"


@dataclass(frozen=True)
class Found:
    """A model that a request can name."""

    id: str
    """Whose config it is."""
    config: Config | None
    """None: a shape that ships with infercli, asked for by its id."""
    hf_quant_config: Config | None
    own: bool = False
    """The record's own id, with a whole config: its quantization is what the config says."""
    method: str | None = None
    """How the base model's own checkpoint is quantized, where a reduced shape says it."""
    assumed: tuple[str, ...] = ()


class Library:
    """All configs that were given, by id, whatever its case."""

    def __init__(self, places: list[str]) -> None:
        self._configs: dict[str, Found] = {}
        self._reduced: dict[str, tuple[str, Config]] = {}
        self._read_list(_KNOWN)
        for place in places:
            path = Path(place)
            if path.is_dir():
                self._read_directory(path)
            elif path.exists():
                self._read_list(path)
            else:
                raise InputError(f"{place}: there is no such file or directory", "--configs takes either")
        first = {name: -place for place, name in enumerate(shapes())}
        self._shipped = {name.lower(): name for name in sorted(first, key=lambda name: (_nearness(name), first[name]))}
        known = (*self._reduced, *self._shipped, *self._configs)  # the last wins: a whole config is the best
        self._kin = {kin(name): name for name in known}
        self._whole = {kin(name): name for name in self._configs}
        self._kin_configs: dict[str, list[Found]] = {}
        for found in self._configs.values():
            self._kin_configs.setdefault(kin(found.id), []).append(found)
        self._generation = {kin(name, generation=True): name for name in known}

    def find(
        self, model: str, base: str | None, *, method: str | None = None, max_model_len: int | None = None
    ) -> Found | None:
        """The config of a record, or None where nothing that was given is kin to it.

        `method` is how its weights are stored (a row of METHODS): of several kin the one that is stored so comes first.
        A config of its own that mixes methods is believed: a name says one of them.
        `max_model_len` is what the engine accepted: a borrowed shape must take as much.
        """
        own = self._configs.get(model.lower()) or self._configs.get(clean(model).lower())
        if own is not None and (method is None or stored_method(own) in (None, "mixed", method)):
            return replace(own, own=True)
        named = [kin(clean(name)) for name in (model, base) if name]
        alike = [f for name in named for f in self._kin_configs.get(name, ()) if stored_method(f) == method]
        if method not in (None, "none") and alike:
            return replace(alike[0], own=True)
        found = own or self._exact(clean(model))
        if found is None and base:
            found = self._exact(clean(base)) or self._nearest(base)
        found = found or self._nearest(model)
        return None if found is None else self._long_enough(found, max_model_len)

    def _long_enough(self, found: Found, length: int | None) -> Found:
        if length is None:
            return found
        if found.config is None:
            if length <= shapes()[found.id].arch.max_model_len or found.id.lower() not in self._reduced:
                return found
            found = self._expanded(found.id.lower()) or found
        config = found.config or {}
        text = config.get("text_config") if isinstance(config.get("text_config"), dict) else config
        if not isinstance(text, dict) or length <= int(text.get("max_position_embeddings") or length):
            return found
        longer = text | {"max_position_embeddings": length}
        config = longer if text is config else config | {"text_config": longer}
        return replace(found, config=config, assumed=(*found.assumed, f"max_position_embeddings {length}"))

    def _exact(self, model: str) -> Found | None:
        folded = model.lower()
        if folded in self._configs:
            return self._configs[folded]
        if folded in self._shipped:
            return Found(self._shipped[folded], None, None)
        if folded not in self._reduced:
            return None
        whole = self._whole.get(kin(model))  # the same model in another quantization: nothing is assumed of it
        return self._expanded(folded) if whole is None else self._configs[whole]

    def _expanded(self, folded: str) -> Found | None:
        name, shape = self._reduced[folded]
        try:
            config, assumed = expand(name, shape)
        except KeyError:
            return None
        return Found(name, config, None, method=shape.get("quantization_config_method"), assumed=assumed)

    def _nearest(self, model: str) -> Found | None:
        alone, shared = kin(clean(model)), kin(clean(model), generation=True)
        name = self._kin.get(alone) or self._kin.get(shared) or self._generation.get(shared)
        return None if name is None else self._exact(name)

    def _read_directory(self, directory: Path) -> None:
        for path in sorted(directory.rglob("*.json")):
            name = path.name
            if name.endswith(_QUANTIZATION) or name == _QUANTIZATION[1:]:
                continue
            if name == _CONFIG[1:]:
                parts = path.parent.relative_to(directory).parts or (directory.name,)
                model_id, quantization = "/".join(parts).replace("--", "/"), path.with_name(_QUANTIZATION[1:])
            elif name.endswith(_CONFIG):
                stem = name.removesuffix(_CONFIG)
                model_id, quantization = stem.replace("--", "/", 1), path.with_name(stem + _QUANTIZATION)
            else:
                self._read_list(path)
                continue
            hf_quant_config = read_object(quantization) if quantization.exists() else None
            self._configs[model_id.lower()] = Found(model_id, read_object(path), hf_quant_config)

    def _read_list(self, path: Path) -> None:
        """A JSON object of shapes by id; or one config.json, named by its file."""
        value = read_object(path)
        if "architectures" in value or "model_type" in value:
            name = path.stem.removesuffix("_config").replace("--", "/", 1)
            self._configs[name.lower()] = Found(name, value, None)
            return
        for name, shape in value.items():
            if not isinstance(shape, dict) or name.startswith("_"):
                continue
            if is_reduced(shape):
                self._reduced[name.lower()] = (name, shape)
            else:
                self._configs[name.lower()] = Found(name, shape, None)


def _nearness(name: str) -> tuple[bool, bool, bool]:
    """Of ids that are kin the last wins: as it was trained, not before that, and best for those who ask it.

    Of equal ones that which is known first: copies and fine-tunes stand behind the model that they are of.
    """
    unquantized = shapes()[name].quantization.method == "none"
    return unquantized, not name.lower().endswith("-base"), bool(_ASKED.search(name))


_ASKED = re.compile(r"-(?:instruct|chat|it)\b", re.IGNORECASE)


def stored_method(found: Found) -> str | None:
    """The row of METHODS that a config says; `none` where it is not quantized, None where it cannot be understood."""
    if found.config is None:
        return shapes()[found.id].quantization.method
    try:
        return detect_in(found.config, found.hf_quant_config).method
    except InferError:
        return None


def clean(model: str) -> str:
    """Without what a collector wrote behind the id: `org/name (bnb online)`."""
    return re.sub(r"\s*\(.*", "", model).strip()


_SUFFIXES = (
    "instruct", "chat", "it", "hf", "base", "thinking", "reasoning", "fp8", "fp4", "nvfp4", "mxfp4", "awq", "gptq",
    "int4", "int8", "bf16", "bnb", "4bit", "8bit", "dynamic", "block", "static", "pertensor", "quantized", "w4a16",
    "w8a8", "w8a16", "marlin", "gguf", "q4_k_m", "mtp", "unsloth", "preview", "gs128", "g128", "sym", "dq", "v2", "v1",
    "abliterated", "tensor", "channel", "per", "online", "autoround", "mixed", "qat",
)  # fmt: skip
_SUFFIX = re.compile(rf"[-_.](?:{'|'.join(map(re.escape, _SUFFIXES))}|\d{{4}})$")
_PREFIX = re.compile(r"^(?:meta-|nvidia-|huihui-)")

_SAME_WEIGHTS_SHAPE = (
    # (a name's beginning, the model whose shape it has): publishers' model cards
    ("deepseek-r1-distill-llama-8b", "llama-3.1-8b"),
    ("deepseek-r1-distill-llama-70b", "llama-3.1-70b"),
    ("deepseek-r1-distill-qwen-7b", "qwen2.5-7b"),
    ("deepseek-r1-distill-qwen-14b", "qwen2.5-14b"),
    ("deepseek-r1-distill-qwen-32b", "qwen2.5-32b"),
    ("deepseek-r1-0528-qwen3-8b", "qwen3-8b"),
    ("qwq-32b", "qwen2.5-32b"),
    ("llama-3.3-70b", "llama-3.1-70b"),
    ("llama-3-70b", "llama-3.1-70b"),
    ("llama-3-8b", "llama-3.1-8b"),
    ("qwen3-coder-30b-a3b", "qwen3-30b-a3b"),
    ("qwen2.5-coder-7b", "qwen2.5-7b"),
    ("qwen2.5-coder-32b", "qwen2.5-32b"),
    ("deepseek-v3.1", "deepseek-v3"),
    ("deepseek-r1", "deepseek-v3"),
    ("minimax-m2.7", "minimax-m2.5"),
)


def kin(model: str, *, generation: bool = False) -> str:
    """The name without publisher, quantization and date; with `generation`, that of the model whose shape it shares."""
    name = _PREFIX.sub("", model.rpartition("/")[2].lower()).replace("llama-3_3", "llama-3.3")
    while True:
        shorter = _SUFFIX.sub("", name)
        if shorter == name:
            break
        name = shorter
    if generation:
        for beginning, same in _SAME_WEIGHTS_SHAPE:
            if name == beginning:
                return same
    return name


def read_rows(path: str) -> list[dict[str, Any]]:
    """The records of a truth file. Raises InputError with the line that is none."""
    rows = []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}: line {number} is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}: line {number} is not a JSON object")
        rows.append({"id": f"line {number}"} | row)
    return rows

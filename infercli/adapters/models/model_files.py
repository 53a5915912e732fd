"""Which files of a checkpoint belong to the model, and what its JSON files say. Pure: names and bytes in, values out.

The one thing to know: the rule is what vLLM's loader reads from a directory (0.29, model_loader/default_loader.py and
weight_utils.py, filter_duplicate_safetensors_files), less everything that is pickle or code. A file that the engine
would not read is neither locked nor fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from infercli.adapters.models.whole_files import IS_POINTER, POINTER
from infercli.core.record import Json

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
"""Names the shard of every tensor; where it exists, the engine reads only the shards it names."""
MODELOPT = "hf_quant_config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
DESCRIPTIONS = (CONFIG, INDEX, MODELOPT, TOKENIZER_CONFIG)
"""Files whose content is needed, not only their hash."""

COMPANION_SUFFIXES = (".json", ".txt", ".model", ".jinja", ".tiktoken")
COMPANION_PREFIXES = ("LICENSE", "LICENCE", "NOTICE", "USE_POLICY", "COPYING")
TEMPLATES = "additional_chat_templates/"
"""Transformers keeps named chat templates here: the only folder that belongs to a model."""
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
MISTRAL_WEIGHTS = "consolidated"
"""Mistral's own format: beside `model*.safetensors` it is a second copy, and where it lies the engine prefers it."""


class Checkpoint(NamedTuple):
    """What belongs to a model and what it says. `problems` are (file, what is wrong); with any, there is no model."""

    files: tuple[str, ...]
    config: Json
    quantization_config: Json
    custom_code: tuple[str, ...]
    problems: tuple[tuple[str, str], ...]


def is_companion(name: str) -> bool:
    """A config, tokenizer, template or licence file in its place."""
    if name.startswith("."):
        return False
    if "/" in name:
        return name.startswith(TEMPLATES) and name.count("/") == 1 and name.endswith(".jinja")
    return name.endswith(COMPANION_SUFFIXES) or name.upper().startswith(COMPANION_PREFIXES)


def look(names: Iterable[str], contents: Mapping[str, bytes]) -> Checkpoint:
    """Choose among all files of a checkpoint. `contents`: the bytes of those DESCRIPTIONS that are there."""
    present = frozenset(names)
    described: dict[str, Json] = {}
    problems: list[tuple[str, str]] = []
    for name, content in contents.items():
        described[name], wrong = _read_json(content)
        problems += [(name, wrong)] if wrong else []
    shards = None
    if described.get(INDEX) is not None:
        shards, wrong = _shards(described[INDEX])
        problems += [(INDEX, wrong)] if wrong else []
    top = [n for n in present if "/" not in n and not n.startswith(".")]
    weights = _weights(top) if shards is None else shards & present
    if CONFIG not in present:
        problems.append((CONFIG, _no_config(present)))
    if not weights and not shards:
        problems.append(("*.safetensors", _no_weights(top)))
    problems += [(INDEX, f"names {n}, which is not there") for n in sorted((shards or frozenset()) - present)]
    config = described.get(CONFIG) or {}
    return Checkpoint(
        files=tuple(sorted({n for n in present if is_companion(n)} | weights)),
        config=config,
        quantization_config=_quantization(config, described.get(MODELOPT)),
        custom_code=_custom_code(top, described),
        problems=tuple(problems),
    )


def _weights(top: Iterable[str]) -> frozenset[str]:
    safetensors = frozenset(n for n in top if n.endswith(".safetensors"))
    return frozenset(n for n in safetensors if not n.startswith(MISTRAL_WEIGHTS)) or safetensors


def _no_config(present: frozenset[str]) -> str:
    if "adapter_config.json" in present:
        return "missing: this is a LoRA adapter, not a model; pin the model that it adapts"
    if "params.json" in present:
        return "missing: this is Mistral's own format only; a repository with config.json is needed"
    return "missing: it says what the model is, and no engine starts without it"


def _no_weights(top: Iterable[str]) -> str:
    pickles = sorted(n for n in top if n.endswith(PICKLE_SUFFIXES))
    if pickles:
        return f"none: there are only pickle weights ({pickles[0]}), which can run code while they are loaded"
    ggufs = sorted(n for n in top if n.endswith(".gguf"))
    if ggufs:
        return f"none: there are only GGUF weights ({ggufs[0]}), which this engine cannot read"
    return "none: there are no weights"


def _read_json(content: bytes) -> tuple[Json, str | None]:
    """A JSON object and None, or None and what is wrong with it."""
    if content.startswith(POINTER):
        return None, IS_POINTER
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        return None, f"is not JSON: {error}"
    return (value, None) if isinstance(value, dict) else (None, "is not a JSON object")


def _shards(index: Json) -> tuple[frozenset[str] | None, str | None]:
    """The files that INDEX names and None, or None and what is wrong with it."""
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map or not all(isinstance(v, str) for v in weight_map.values()):
        return None, "has no `weight_map` of tensors to files"
    shards = frozenset(weight_map.values())
    strange = sorted(s for s in shards if "/" in s or "\\" in s or not s.endswith(".safetensors"))
    return (None, f"names `{strange[0]}`, which is not a safetensors file beside it") if strange else (shards, None)


def _quantization(config: Json, modelopt: Json) -> Json:
    """What the checkpoint says it is, where the engine looks, in its order; None when it states nothing.

    `quantization_config` of the config or of its text part, `compression_config` (older compressed-tensors), then
    ModelOpt's own file. Source: vLLM 0.29, model_executor/model_loader/weight_utils.py, transformers_utils/config.py.
    """
    text = config.get("text_config")
    stated = config.get("quantization_config") or (text.get("quantization_config") if isinstance(text, dict) else None)
    return stated or config.get("compression_config") or modelopt or None


def _custom_code(top: Iterable[str], described: Mapping[str, Json]) -> tuple[str, ...]:
    """Python that comes along, and classes that a config names by `auto_map`."""
    named = []
    for name in (CONFIG, TOKENIZER_CONFIG):
        auto_map = (described.get(name) or {}).get("auto_map")
        if isinstance(auto_map, dict):
            named += [f"{name}: auto_map: {key}" for key in sorted(auto_map)]
    return (*sorted(n for n in top if n.endswith(".py")), *named)


def licence(card: Json) -> str | None:
    """The licence id of a model card's metadata; `other: NAME` where the card names one that the Hub has no id for."""
    if not isinstance(card, dict):
        return None
    stated = card.get("license")
    if isinstance(stated, list):
        stated = ", ".join(str(s) for s in stated)
    if not isinstance(stated, str) or not stated:
        return None
    name = card.get("license_name")
    return f"other: {name}" if stated == "other" and isinstance(name, str) and name else stated

"""The model that an estimate is asked about: from its config.json, or by the id of a shape that ships with infercli."""

from __future__ import annotations

import re
from dataclasses import dataclass

from infercli.core import architecture
from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.drafts import parse_draft
from infercli.core.estimates.request import Speculation
from infercli.core.memory.batch import Draft
from infercli.core.quantization.checkpoint import Quantization, detect_in, typical
from infercli.core.quantization.methods import METHODS, expand
from infercli.core.record import Json
from infercli.core.shapes import find_shape
from infercli.errors import InputError

OWN_CONFIG = "give its config: config_path, or config itself"


@dataclass(frozen=True, eq=False)
class Model:
    """A model, parsed once and asked about often."""

    name: str
    arch: ModelArch
    quantization: Quantization
    """What its own config says."""
    notes: tuple[str, ...] = ()


def read_model(name: str, config: Json, hf_quant_config: Json = None) -> Model:
    """The model of a config.json. Raises Unsupported or InputError for what is not taught or not whole."""
    return Model(name, architecture.parse(config), detect_in(config, hf_quant_config))


def shipped_model(model_id: str, hf_quant_config: Json = None) -> Model:
    """A model whose shape ships with infercli, stored as `hf_quant_config` says where that is given.

    Raises UnknownName with the nearest ids, and what `read_model` does of the quantization.
    """
    try:
        shape = find_shape(model_id)
    except InputError as error:
        raise InputError(error.message, f"{OWN_CONFIG}; {error.hint}") from None
    stored = shape.quantization if hf_quant_config is None else detect_in({}, hf_quant_config)
    return Model(model_id, shape.arch, stored, shape.notes)


def read_draft(
    speculation: Speculation, target: Model, config: Json | None, hf_quant_config: Json = None
) -> Draft | None:
    """What drafts for a model, where that is another; `config` None: it is asked for by its id, or not at all.

    Raises Unsupported or InputError for what is not taught, not whole or not named.
    """
    method = speculation.method
    if method == "ngram" or method == "mtp" or method == "dspark":  # noqa: PLR1714  # told apart for its type
        return None
    if config is not None:
        return Draft(
            arch=parse_draft(method, config, target.arch.hidden), quantization=detect_in(config, hf_quant_config)
        )
    if method == "draft_model" and speculation.model is not None:
        named = shipped_model(speculation.model)
        return Draft(arch=named.arch, quantization=named.quantization)
    raise InputError(
        f"speculation by {method} needs the memory of a second model, and this does not say which",
        "add its config.json: speculation.config_path, or speculation.config itself",
    )


_NAMED = re.compile(
    r"(?<![a-z\d])(awq|gptq|nvfp4|mxfp4|mxfp8|fp4|fp8|int4|int8|w4a16|w4a8|w8a16|w8a8|gguf|bnb)(?![a-z\d])",
    re.IGNORECASE,
)
"""What a name calls a quantization. ModelOpt writes it beside config.json, which is silent then."""


def model_quantization(asked: str | None, model: Model) -> tuple[Quantization, tuple[str, ...]]:
    """(how the weights are stored, notes). Raises InputError where the config says otherwise, UnknownName."""
    stored = model.quantization
    if asked is None:
        named = _NAMED.search("/".join(model.name.split("/")[-2:])) if stored.method == "none" else None
        if named is None:
            return stored, ()
        what = f"{model.name} is called {named[0]}, and its config says no quantization: planned as unquantized"
        return stored, (f"{what}; give its hf_quant_config.json, or say `quantization`",)
    wanted = expand([asked])
    if stored.method in wanted:
        return stored, ()
    if stored.method != "none" and asked.lower() in re.split(r"[^a-z\d]+", model.name.lower()):
        # Red Hat's first `quantized.w4a16` are GPTQ: whoever repeats the name asks for nothing else.
        return stored, (f"{model.name} is {stored.method}, which its name calls {asked}",)
    if stored.method != "none":
        raise InputError(
            f"{model.name} is {stored.method}, and `{asked}` was asked for: a checkpoint is what it is",
            "leave the quantization out, or give the config of the checkpoint that is meant",
        )
    method = METHODS[wanted[0]]
    if method.loads_as_model_dtype:
        return typical(method.name), ()
    return typical(method.name), (f"planned as a usual {method.name} checkpoint: its config does not say so itself",)

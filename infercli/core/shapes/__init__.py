"""Shipped shapes: models that can be planned offline, without a lock. One row each, with every id that has it.

A shape says what the numbers of a public config.json are; it pins nothing. Planned from a shape, a deployment is
"unpinned: can be planned, not deployed". Models whose layers are all alike are rows of numbers (llama.py, qwen.py),
others keys of config.json: from files (facts.py), from copies of files (copies.py, reports.py, frameworks.py) and from
general knowledge (cards/). Fine-tunes of them (fine_tunes.py) and quantized checkpoints (quantized.py, checkpoints.py)
name what they have the shape of.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import cache, partial
from typing import NamedTuple

from infercli.core import architecture
from infercli.core.architecture.arch import (
    Attention,
    Dense,
    Experts,
    FeedForward,
    LayerGroup,
    ModelArch,
    parameter_count,
)
from infercli.core.quantization.checkpoint import UNQUANTIZED, Quantization, detect
from infercli.core.record import Json
from infercli.core.shapes.cards import CARDS, EMBEDDERS
from infercli.core.shapes.checkpoints import CHECKPOINTS, WIDENED
from infercli.core.shapes.copies import COPIES
from infercli.core.shapes.deepseek import DEEPSEEK
from infercli.core.shapes.facts import FACTS
from infercli.core.shapes.fine_tunes import FINE_TUNES
from infercli.core.shapes.frameworks import FRAMEWORKS
from infercli.core.shapes.llama import LLAMA
from infercli.core.shapes.quantized import QUANTIZED, QUANTIZED_COPIES
from infercli.core.shapes.qwen import QWEN
from infercli.core.shapes.reports import REPORTS
from infercli.core.shapes.sources import CARD, CONFIGS, KNOWLEDGE, ROUNDED
from infercli.errors import UnknownName

_METHODS_BY_NAME = {
    "awq": "awq", "gptq": "gptq", "fp8": "fp8", "nvfp4": "nvfp4", "w4a16": "w4a16", "w8a8": "int8", "int8": "int8",
}  # fmt: skip
_STORED_AS = re.compile(
    rf"(?P<base>.+?)[-_.](?:quantized[-_.])?(?P<stored>{'|'.join(_METHODS_BY_NAME)})(?:[-_](?:int4|4bit|dynamic|block))*"
)
"""Names of quantized checkpoints, in small letters: Qwen3-8B-GPTQ-Int4, Meta-Llama-3.1-8B-Instruct-quantized.w8a8."""


class Shape(NamedTuple):
    """A public model's architecture."""

    arch: ModelArch
    parameters: int
    """The Hub's own count, or that of the shape where `source` has no count."""
    source: str
    quantization: Quantization = UNQUANTIZED

    @property
    def notes(self) -> tuple[str, ...]:
        """What whoever plans with it must know; nothing where its config.json was read, or a copy of it."""
        if KNOWLEDGE not in self.source:
            return ()
        return ("the shape is from general knowledge and not from its config.json, which `infercli pin` reads",)


def _arch(family: str, numbers: tuple[int, ...]) -> ModelArch:
    layers, hidden, heads, kv_heads, head_dim, intermediate, vocab, tied, length, *moe = numbers
    feed_forward: FeedForward = Dense(intermediate=intermediate)
    if moe:
        mixtral = family == "Mixtral"
        feed_forward = Experts(
            experts=moe[0],
            experts_per_token=moe[1],
            intermediate=intermediate,
            module="block_sparse_moe" if mixtral else "mlp",
            names=("w1", "w3", "w2") if mixtral else ("gate_proj", "up_proj", "down_proj"),
        )
    attention = Attention(
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        v_head_dim=head_dim,
        qkv_bias=family == "Qwen2",
        qk_norm="head" if family.startswith("Qwen3") else None,
    )
    return ModelArch(
        architecture=f"{family}ForCausalLM",
        hidden=hidden,
        vocab=vocab,
        tied=bool(tied),
        dtype="bfloat16",
        max_model_len=length,
        rope_positions=length,
        rope_width=head_dim,
        layers=(LayerGroup(indices=tuple(range(layers)), mixer=attention, feed_forward=feed_forward),),
    )


def _from_facts(config: Json, quantization: Json, source: str) -> Shape:
    arch = architecture.parse(config)
    return Shape(
        arch=arch, quantization=detect(quantization, model=config), parameters=parameter_count(arch), source=source
    )


def _from_card(config: Json, parameters: float) -> Shape:
    """The count is what confirms the shape, whatever is known of its class."""
    arch = replace(architecture.parse(config), confirmed=True)
    if isinstance(parameters, float):
        return Shape(arch=arch, parameters=parameter_count(arch), source=ROUNDED)
    return Shape(arch=arch, parameters=parameters, source=CARD)


def _embedder(config: Json, parameters: float) -> Shape:
    shape = _from_card(config, parameters)
    arch = shape.arch if shape.arch.pooling else architecture.as_pooling(shape.arch)
    return shape._replace(arch=replace(arch, max_model_len=config.get("max_seq_length", arch.max_model_len)))


def _from_row(family: str, numbers: tuple[int, ...], parameters: int, source: str) -> Shape:
    return Shape(arch=_arch(family, numbers), parameters=parameters, source=source)


def _fine_tune(base: str) -> Shape:
    return _shape(base)._replace(source=f"that of {base}, {KNOWLEDGE}")


def _quantized(base: str, quantization: Json, source: str, widened: int | None = None) -> Shape:
    shape = _shape(base)
    if KNOWLEDGE in shape.source and KNOWLEDGE not in source:
        source = f"{source}; layers as those of {base}, {KNOWLEDGE}"
    shape = shape._replace(quantization=detect(quantization), source=source)
    if widened is None:
        return shape
    layers = tuple(group._replace(feed_forward=Dense(intermediate=widened)) for group in shape.arch.layers)
    return shape._replace(arch=replace(shape.arch, layers=layers))


@cache
def _builders() -> dict[str, Callable[[], Shape]]:
    """How to make each shape: a plan needs one of them, and parsing all takes longer than a plan does."""
    table: dict[str, Callable[[], Shape]] = {}
    for ids, family, numbers, parameters, source in (*LLAMA, *QWEN):
        table |= dict.fromkeys(ids, partial(_from_row, family, numbers, parameters, source))
    for ids, config, quantization, file in FACTS:
        table |= dict.fromkeys(ids, partial(_from_facts, config, quantization, CONFIGS + file))
    for ids, config, quantization, source in (*COPIES, *REPORTS, *FRAMEWORKS, *DEEPSEEK):
        table |= dict.fromkeys(ids, partial(_from_facts, config, quantization, source))
    for ids, config, count in CARDS:
        table |= dict.fromkeys(ids, partial(_from_card, config, count))
    for ids, config, count in EMBEDDERS:
        table |= dict.fromkeys(ids, partial(_embedder, config, count))
    for base, ids in FINE_TUNES:
        table |= dict.fromkeys(ids, partial(_fine_tune, base))
    for model_id, base, quantization, file in QUANTIZED:
        table[model_id] = partial(_quantized, base, quantization, CONFIGS + file)
    for model_id, base, quantization, source in QUANTIZED_COPIES:
        table[model_id] = partial(_quantized, base, quantization, source)
    for model_id, base, quantization in CHECKPOINTS:
        table[model_id] = partial(_quantized, base, quantization, CARD, WIDENED.get(model_id))
    return table


def shipped_ids() -> Collection[str]:
    """The id of every shape; none is made for it."""
    return _builders().keys()


@cache
def shapes() -> dict[str, Shape]:
    """All shapes by id. Those of one row are one."""
    made = {build: build() for build in dict.fromkeys(_builders().values())}
    return {model_id: made[build] for model_id, build in _builders().items()}


def published_as(model_id: str, method: str) -> tuple[str, ...]:
    """Ids of checkpoints of the same model that are quantized by `method`, as far as they are here.

    They are told by their names, which go on where the model's own ends, and by their parameters; of one name the
    first publisher's, since organizations are renamed.
    """
    begin = model_id.rpartition("/")[2] + "-"
    longer = [known for known in _builders() if known.rpartition("/")[2].startswith(begin)]
    found = [known for known in longer if _shape(known).quantization.method == method]
    same = [known for known in found if _shape(known).parameters == find_shape(model_id).parameters]
    return tuple({known.rpartition("/")[2]: known for known in reversed(same)}.values())[::-1]


@cache
def _by_lower() -> dict[str, str]:
    return {known.lower(): known for known in _builders()}


@cache
def _shape(model_id: str) -> Shape:
    return _builders()[model_id]()


def find_shape(model_id: str) -> Shape:
    """The shape of that id, whatever its case. Raises UnknownName, with the nearest ids."""
    known = _by_lower().get(model_id.lower())
    if known is None:
        named = model_id.rpartition("huggingface.co/")[2].strip("/ ")  # of an address, what it is an address of
        pin = f"`infercli pin {named}` reads its config.json: that is all a model of a known architecture needs"
        raise UnknownName("model", model_id, _builders(), _as_usual(model_id) + pin)
    return _shape(known)


def _as_usual(model_id: str) -> str:
    """How to plan a checkpoint that is not here and whose name says of which model it is, and how it is quantized."""
    said = _STORED_AS.fullmatch(model_id.rpartition("/")[2].lower())
    if said is None:
        return ""
    base = next((known for known in _builders() if known.rpartition("/")[2].lower() == said["base"]), None)
    method = _METHODS_BY_NAME[said["stored"]]
    return "" if base is None else f"`{base}` with --quantization {method} is planned as a usual {method} checkpoint; "

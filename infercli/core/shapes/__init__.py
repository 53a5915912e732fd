"""Shipped shapes: models that can be planned offline, without a lock. One row each, with every id that has it.

A shape says what the numbers of a public config.json are; it pins nothing. Planned from a shape, a deployment is
"unpinned: can be planned, not deployed". Rows of Llama-like models stand here, those of others in
core/shapes/facts.py (from files), core/shapes/copies.py (from copies of files) and core/shapes/cards.py (from general
knowledge); quantized checkpoints of these in core/shapes/quantized.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
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
from infercli.core.shapes.cards import CARDS
from infercli.core.shapes.copies import COPIES
from infercli.core.shapes.facts import FACTS
from infercli.core.shapes.quantized import QUANTIZED, QUANTIZED_CARDS, QUANTIZED_COPIES
from infercli.errors import UnknownName

_CONFIGS = "config.json as stored in ai-dynamo/aiconfigurator@095f58a51c4c, model_configs/"
_CARD = "config.json and model card on the Hub, from knowledge; parameter count checked against the shape"


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


# class, (layers, hidden, heads, kv heads, head_dim, intermediate, vocabulary, tied, maximum length), parameters, source
_DENSE: tuple[tuple[tuple[str, ...], str, tuple[int, ...], int, str], ...] = (
    (
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Meta-Llama-3.1-8B",
         "meta-llama/Meta-Llama-3.1-8B-Instruct"),
        "Llama", (32, 4096, 32, 8, 128, 14336, 128256, 0, 131072), 8_030_261_248,
        _CONFIGS + "meta-llama--Meta-Llama-3.1-8B_config.json",
    ),
    (
        ("meta-llama/Llama-3.1-70B", "meta-llama/Llama-3.1-70B-Instruct", "meta-llama/Meta-Llama-3.1-70B",
         "meta-llama/Meta-Llama-3.1-70B-Instruct", "meta-llama/Llama-3.3-70B-Instruct"),
        "Llama", (80, 8192, 64, 8, 128, 28672, 128256, 0, 131072), 70_553_706_496,
        _CONFIGS + "meta-llama--Meta-Llama-3.1-70B_config.json",
    ),
    (
        ("meta-llama/Llama-3.1-405B", "meta-llama/Llama-3.1-405B-Instruct", "meta-llama/Meta-Llama-3.1-405B",
         "meta-llama/Meta-Llama-3.1-405B-Instruct"),
        "Llama", (126, 16384, 128, 8, 128, 53248, 128256, 0, 131072), 405_853_388_800,
        _CONFIGS + "meta-llama--Meta-Llama-3.1-405B_config.json",
    ),
    (
        ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-1B-Instruct"),
        "Llama", (16, 2048, 32, 8, 64, 8192, 128256, 1, 131072), 1_235_814_400, _CARD,
    ),
    (
        ("meta-llama/Llama-3.2-3B", "meta-llama/Llama-3.2-3B-Instruct"),
        "Llama", (28, 3072, 24, 8, 128, 8192, 128256, 1, 131072), 3_212_749_824, _CARD,
    ),
    (
        ("meta-llama/Meta-Llama-3-8B", "meta-llama/Meta-Llama-3-8B-Instruct"),
        "Llama", (32, 4096, 32, 8, 128, 14336, 128256, 0, 8192), 8_030_261_248, _CARD,
    ),
    (
        ("meta-llama/Meta-Llama-3-70B", "meta-llama/Meta-Llama-3-70B-Instruct"),
        "Llama", (80, 8192, 64, 8, 128, 28672, 128256, 0, 8192), 70_553_706_496, _CARD,
    ),
    (
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B",),
        "Llama", (32, 4096, 32, 8, 128, 14336, 128256, 0, 131072), 8_030_261_248, _CARD,
    ),
    (
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B",),
        "Llama", (80, 8192, 64, 8, 128, 28672, 128256, 0, 131072), 70_553_706_496, _CARD,
    ),
    (
        ("meta-llama/Llama-2-13b-hf", "meta-llama/Llama-2-13b-chat-hf"),
        "Llama", (40, 5120, 40, 40, 128, 13824, 32000, 0, 4096), 13_015_864_320, _CARD,
    ),
    (
        ("meta-llama/Llama-2-70b-hf", "meta-llama/Llama-2-70b-chat-hf"),
        "Llama", (80, 8192, 64, 8, 128, 28672, 32000, 0, 4096), 68_976_648_192, _CARD,
    ),
    (
        ("01-ai/Yi-6B", "01-ai/Yi-6B-Chat"),
        "Llama", (32, 4096, 32, 4, 128, 11008, 64000, 0, 4096), 6_061_035_520, _CARD,
    ),
    (
        ("01-ai/Yi-34B", "01-ai/Yi-34B-Chat", "01-ai/Yi-1.5-34B-Chat"),
        "Llama", (60, 7168, 56, 8, 128, 20480, 64000, 0, 4096), 34_388_917_248, _CARD,
    ),
    (
        ("HuggingFaceTB/SmolLM2-1.7B-Instruct",),
        "Llama", (24, 2048, 32, 32, 64, 8192, 49152, 1, 8192), 1_711_376_384, _CARD,
    ),
    (
        ("tiiuae/Falcon3-7B-Instruct",),
        "Llama", (28, 3072, 12, 4, 256, 23040, 131072, 0, 32768), 7_455_550_464, _CARD,
    ),
    (
        ("meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-7b-chat-hf"),
        "Llama", (32, 4096, 32, 32, 128, 11008, 32000, 0, 4096), 6_738_415_616, _CARD,
    ),
    (
        ("TinyLlama/TinyLlama-1.1B-Chat-v1.0",),
        "Llama", (22, 2048, 32, 4, 64, 5632, 32000, 0, 2048), 1_100_048_384, _CARD,
    ),
    (
        ("mistralai/Mistral-7B-Instruct-v0.2",),
        "Mistral", (32, 4096, 32, 8, 128, 14336, 32000, 0, 32768), 7_241_732_096, _CARD,
    ),
    (
        ("mistralai/Mistral-7B-v0.3", "mistralai/Mistral-7B-Instruct-v0.3"),
        "Mistral", (32, 4096, 32, 8, 128, 14336, 32768, 0, 32768), 7_248_023_552, _CARD,
    ),
    (
        ("mistralai/Mistral-Nemo-Base-2407", "mistralai/Mistral-Nemo-Instruct-2407"),
        "Mistral", (40, 5120, 32, 8, 128, 14336, 131072, 0, 1024000), 12_247_782_400, _CARD,
    ),
    (
        ("mistralai/Mistral-Small-24B-Instruct-2501",),
        "Mistral", (40, 5120, 32, 8, 128, 32768, 131072, 0, 32768), 23_572_403_200, _CARD,
    ),
    (
        ("mistralai/Codestral-22B-v0.1",),
        "Mistral", (56, 6144, 48, 8, 128, 16384, 32768, 0, 32768), 22_247_282_688, _CARD,
    ),
    (
        ("mistralai/Mistral-Large-Instruct-2407", "mistralai/Mistral-Large-Instruct-2411"),
        "Mistral", (88, 12288, 96, 8, 128, 28672, 32768, 0, 131072), 122_610_069_504, _CARD,
    ),
    (
        ("Qwen/Qwen2.5-0.5B-Instruct",),
        "Qwen2", (24, 896, 14, 2, 64, 4864, 151936, 1, 32768), 494_032_768, _CARD,
    ),
    (
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",),
        "Qwen2", (28, 1536, 12, 2, 128, 8960, 151936, 0, 131072), 1_777_088_000, _CARD,
    ),
    (
        ("Qwen/Qwen2.5-1.5B-Instruct",),
        "Qwen2", (28, 1536, 12, 2, 128, 8960, 151936, 1, 32768), 1_543_714_304, _CARD,
    ),
    (
        ("Qwen/Qwen2.5-3B-Instruct",),
        "Qwen2", (36, 2048, 16, 2, 128, 11008, 151936, 1, 32768), 3_085_938_688, _CARD,
    ),
    (
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen/Qwen2.5-Coder-7B-Instruct", "Qwen/Qwen2-7B-Instruct"),
        "Qwen2", (28, 3584, 28, 4, 128, 18944, 152064, 0, 32768), 7_615_616_512, _CARD,
    ),
    (
        ("Qwen/Qwen2.5-14B-Instruct",),
        "Qwen2", (48, 5120, 40, 8, 128, 13824, 152064, 0, 32768), 14_770_033_664, _CARD,
    ),
    (
        ("Qwen/Qwen2.5-32B-Instruct", "Qwen/Qwen2.5-Coder-32B-Instruct"),
        "Qwen2", (64, 5120, 40, 8, 128, 27648, 152064, 0, 32768), 32_763_876_352, _CARD,
    ),
    (
        ("Qwen/QwQ-32B",),
        "Qwen2", (64, 5120, 40, 8, 128, 27648, 152064, 0, 40960), 32_763_876_352, _CARD,
    ),
    (
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B",),
        "Qwen2", (28, 3584, 28, 4, 128, 18944, 152064, 0, 131072), 7_615_616_512, _CARD,
    ),
    (
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B",),
        "Qwen2", (48, 5120, 40, 8, 128, 13824, 152064, 0, 131072), 14_770_033_664, _CARD,
    ),
    (
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B",),
        "Qwen2", (64, 5120, 40, 8, 128, 27648, 152064, 0, 131072), 32_763_876_352, _CARD,
    ),
    (
        ("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2-72B-Instruct"),
        "Qwen2", (80, 8192, 64, 8, 128, 29568, 152064, 0, 32768), 72_706_203_648, _CARD,
    ),
    (
        ("Qwen/Qwen3-0.6B",),
        "Qwen3", (28, 1024, 16, 8, 128, 3072, 151936, 1, 40960), 596_049_920,
        _CONFIGS + "Qwen--Qwen3-0.6B_config.json",
    ),
    (
        ("Qwen/Qwen3-1.7B",),
        "Qwen3", (28, 2048, 16, 8, 128, 6144, 151936, 1, 40960), 1_720_574_976,
        _CONFIGS + "Qwen--Qwen3-1.7B_config.json",
    ),
    (
        ("Qwen/Qwen3-4B",),
        "Qwen3", (36, 2560, 32, 8, 128, 9728, 151936, 1, 40960), 4_022_468_096, _CARD,
    ),
    (
        ("Qwen/Qwen3-4B-Instruct-2507", "Qwen/Qwen3-4B-Thinking-2507"),
        "Qwen3", (36, 2560, 32, 8, 128, 9728, 151936, 1, 262144), 4_022_468_096, _CARD,
    ),
    (
        ("Qwen/Qwen3-8B",),
        "Qwen3", (36, 4096, 32, 8, 128, 12288, 151936, 0, 40960), 8_190_735_360,
        _CONFIGS + "Qwen--Qwen3-8B_config.json",
    ),
    (
        ("Qwen/Qwen3-14B",),
        "Qwen3", (40, 5120, 40, 8, 128, 17408, 151936, 0, 40960), 14_768_307_200, _CARD,
    ),
    (
        ("Qwen/Qwen3-32B",),
        "Qwen3", (64, 5120, 64, 8, 128, 25600, 151936, 0, 40960), 32_762_123_264,
        _CONFIGS + "Qwen--Qwen3-32B_config.json",
    ),
)  # fmt: skip

# as above, with experts and experts per token behind the maximum length; intermediate is that of one expert
_MOE: tuple[tuple[tuple[str, ...], str, tuple[int, ...], int, str], ...] = (
    (
        ("mistralai/Mixtral-8x7B-v0.1", "mistralai/Mixtral-8x7B-Instruct-v0.1"),
        "Mixtral", (32, 4096, 32, 8, 128, 14336, 32000, 0, 32768, 8, 2), 46_702_792_704,
        _CONFIGS + "mistralai--Mixtral-8x7B-v0.1_config.json",
    ),
    (
        ("Qwen/Qwen3-30B-A3B",),
        "Qwen3Moe", (48, 2048, 32, 4, 128, 768, 151936, 0, 40960, 128, 8), 30_532_122_624,
        _CONFIGS + "Qwen--Qwen3-30B-A3B_config.json",
    ),
    (
        ("mistralai/Mixtral-8x22B-Instruct-v0.1",),
        "Mixtral", (56, 6144, 48, 8, 128, 16384, 32768, 0, 65536, 8, 2), 140_630_071_296, _CARD,
    ),
    (
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen/Qwen3-30B-A3B-Thinking-2507", "Qwen/Qwen3-Coder-30B-A3B-Instruct"),
        "Qwen3Moe", (48, 2048, 32, 4, 128, 768, 151936, 0, 262144, 128, 8), 30_532_122_624, _CARD,
    ),
    (
        ("Qwen/Qwen3-235B-A22B-Instruct-2507", "Qwen/Qwen3-235B-A22B-Thinking-2507"),
        "Qwen3Moe", (94, 4096, 64, 4, 128, 1536, 151936, 0, 262144, 128, 8), 235_093_634_560, _CARD,
    ),
    (
        ("Qwen/Qwen3-Coder-480B-A35B-Instruct",),
        "Qwen3Moe", (62, 6144, 96, 8, 128, 2560, 151936, 0, 262144, 160, 8), 480_154_875_392, _CARD,
    ),
    (
        ("Qwen/Qwen3-235B-A22B",),
        "Qwen3Moe", (94, 4096, 64, 4, 128, 1536, 151936, 0, 40960, 128, 8), 235_093_634_560,
        _CONFIGS + "Qwen--Qwen3-235B-A22B_config.json",
    ),
)  # fmt: skip


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


def _from_card(config: Json, parameters: int) -> Shape:
    """The count is what confirms the shape, whatever is known of its class."""
    return Shape(arch=replace(architecture.parse(config), confirmed=True), parameters=parameters, source=_CARD)


def _from_row(family: str, numbers: tuple[int, ...], parameters: int, source: str) -> Shape:
    return Shape(arch=_arch(family, numbers), parameters=parameters, source=source)


def _quantized(base: str, quantization: Json, source: str) -> Shape:
    return _builders()[base]()._replace(quantization=detect(quantization), source=source)


@cache
def _builders() -> dict[str, Callable[[], Shape]]:
    """How to make each shape: a plan needs one of them, and parsing all takes longer than a plan does."""
    table: dict[str, Callable[[], Shape]] = {}
    for ids, family, numbers, parameters, source in (*_DENSE, *_MOE):
        table |= dict.fromkeys(ids, partial(_from_row, family, numbers, parameters, source))
    for ids, config, quantization, file in FACTS:
        table |= dict.fromkeys(ids, partial(_from_facts, config, quantization, _CONFIGS + file))
    for ids, config, quantization, source in COPIES:
        table |= dict.fromkeys(ids, partial(_from_facts, config, quantization, source))
    for ids, config, parameters in CARDS:
        table |= dict.fromkeys(ids, partial(_from_card, config, parameters))
    for model_id, base, quantization, file in QUANTIZED:
        table[model_id] = partial(_quantized, base, quantization, _CONFIGS + file)
    for model_id, base, quantization, source in QUANTIZED_COPIES:
        table[model_id] = partial(_quantized, base, quantization, source)
    for model_id, base, quantization in QUANTIZED_CARDS:
        table[model_id] = partial(_quantized, base, quantization, _CARD)
    return table


@cache
def shapes() -> dict[str, Shape]:
    """All shapes by id."""
    return {model_id: build() for model_id, build in _builders().items()}


def published_as(model_id: str, method: str) -> tuple[str, ...]:
    """Ids of checkpoints of the same model that are quantized by `method`, as far as they are here.

    They are told by their names, which go on where the model's own ends, and by their parameters.
    """
    begin = model_id.rpartition("/")[2] + "-"
    longer = [known for known in _builders() if known.rpartition("/")[2].startswith(begin)]
    found = [known for known in longer if _shape(known).quantization.method == method]
    return tuple(known for known in found if _shape(known).parameters == find_shape(model_id).parameters)


@cache
def _shape(model_id: str) -> Shape:
    return _builders()[model_id]()


def find_shape(model_id: str) -> Shape:
    """The shape of that id, whatever its case. Raises UnknownName, with the nearest ids."""
    known = {known.lower(): known for known in _builders()}.get(model_id.lower())
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

"""ERNIE 4.5 VL: every layer with experts has one set of them for text and another, smaller one for images.

The one thing to know: config.json writes both numbers of a set as a pair, text first.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import parse_decoder
from infercli.core.architecture.encoder_parts import Block, blocks, heads, part, patches, plain
from infercli.core.architecture.families import ROWS
from infercli.core.architecture.fields import EXTEND, LAYERS, family_of, integer
from infercli.core.architecture.layers import Experts, LayerGroup, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported

_PAIRS = ("moe_num_experts", "moe_intermediate_size", "moe_layer_start_index", "moe_layer_end_index")


def ernie_vl(config: Json) -> ModelArch:
    """Ernie4_5_VLMoeForConditionalGeneration (vLLM 0.29 models/ernie45_vl.py, ernie45_vl_moe.py)."""
    pairs = {key: config[key] for key in _PAIRS if isinstance(config.get(key), list)}
    text = config | {key: pair[0] for key, pair in pairs.items()}
    seen = config | {key: pair[-1] for key, pair in pairs.items()}
    text["tie_word_embeddings"] = config.get("tie_word_embeddings", True)
    last = integer(config, LAYERS) - 1
    ends = [min(last, int(said.get("moe_layer_end_index") or last)) for said in (text, seen)]
    starts = [said.get("moe_layer_start_index") for said in (text, seen)]
    if len(set(ends)) > 1 or len(set(starts)) > 1 or text.get("moe_num_experts") != seen.get("moe_num_experts"):
        raise Unsupported("config.json: moe_layer_start_index: experts of text and of images differ in number", EXTEND)
    inner = parse_decoder(text, ROWS["Ernie4_5_MoeForCausalLM"])
    wide = integer(seen, "moe_intermediate_size")
    return replace(
        inner,
        architecture=family_of(config),
        layers=tuple(_seeing(group, inner.hidden, wide) for group in inner.layers),
        encoders=tuple(_encoder(config, inner.hidden)),
        rope_sections=True,
    )


def _seeing(group: LayerGroup, hidden: int, wide: int) -> LayerGroup:
    """With the experts of images, their router and the correction of its scores, where there are any."""
    if not isinstance(group.feed_forward, Experts):
        return group
    count = group.feed_forward.experts
    added = (
        Weight(
            name="expert gate-up of images", role="experts", module="mlp.experts.gate_proj", outputs=2 * count * wide,
            inputs=hidden, split="outputs", linear=True,
        ),
        Weight(
            name="expert down of images", role="experts", module="mlp.experts.down_proj", outputs=count * hidden,
            inputs=wide, split="inputs", linear=True,
        ),
        Weight(
            name="router of images", role="router", module="mlp.gate", outputs=count, inputs=hidden + 1, float32=True
        ),
    )  # fmt: skip
    return group._replace(others=(*group.others, *added))


def _encoder(config: Json, hidden: int) -> list[Weight]:
    """A ViT, then linear layers over four patches, and over those of two frames."""
    vision = part(config, "vision_config")
    width, seen = integer(vision, "embed_dim", 1280), integer(config, "pixel_hidden_size", 1280)
    merged = seen * integer(config, "spatial_conv_size", 2) ** 2
    pairs = integer(config, "temporal_conv_size", 2) * merged if config.get("use_temporal_conv", True) else 0
    block = Block(
        "vision_model.blocks", integer(vision, "depth", 32), width, int(width * float(vision.get("mlp_ratio") or 4)),
        must_divide=heads(vision),
    )  # fmt: skip
    linear = (merged + 1) * merged * 2 + ((pairs + 1) * merged + (merged + 1) * merged if pairs else 0)
    return [
        plain("vision_model.patch_embed", (patches(vision, 14, 1) + 2) * width),
        *blocks(block),
        plain("resampler_model.linear", linear + (merged + 1) * hidden, split="outputs"),
        plain("resampler_model.norm", (4 if pairs else 2) * merged + hidden),
    ]

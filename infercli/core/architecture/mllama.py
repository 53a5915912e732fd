"""Llama 3.2 Vision: every fifth layer of the decoder attends to the image, and to nothing of the text.

The one thing to know: a request keeps the keys and values of its images besides those of its tokens, and vLLM had the
class in its older engine alone, until 0.10.2.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import parse_decoder
from infercli.core.architecture.encoder_parts import Block, blocks, part, patches, plain, weight
from infercli.core.architecture.families import ROWS
from infercli.core.architecture.fields import family_of, integer
from infercli.core.architecture.layers import Attention, LayerGroup, Weight
from infercli.core.record import Json

_TEXT = {
    "vocab_size": 128256, "hidden_size": 4096, "num_hidden_layers": 40, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "max_position_embeddings": 131072,
}  # fmt: skip
"""What transformers takes where text_config is silent (MllamaTextConfig)."""


def mllama(config: Json) -> ModelArch:
    """MllamaForConditionalGeneration (vLLM 0.10.2 models/mllama.py).

    The embedding has eight rows more than lm_head, for images.
    """
    text, vision = _TEXT | part(config, "text_config"), part(config, "vision_config")
    heard = text.get("cross_attention_layers")
    crossing = frozenset(heard if heard is not None else (3, 8, 13, 18, 23, 28, 33, 38))
    dtype = {key: config[key] for key in ("torch_dtype", "dtype") if config.get(key) and not text.get(key)}
    inner = parse_decoder(text | dtype | {"architectures": ["LlamaForCausalLM"]}, ROWS["LlamaForCausalLM"])
    return replace(
        inner,
        architecture=family_of(config),
        tied=False,
        layers=tuple(part_of for group in inner.layers for part_of in _crossed(group, crossing, _tokens(vision))),
        outside=(
            Weight(
                name="embedding of images", role="embedding", module="embed_tokens", outputs=8, inputs=inner.hidden,
                split="outputs", padded=True,
            ),
        ),
        encoders=tuple(_encoder(vision, inner.hidden)),
    )  # fmt: skip


def _crossed(group: LayerGroup, crossing: frozenset[int], tokens: int) -> list[LayerGroup]:
    """Layers of the decoder apart: those that attend to the request, and those that attend to the encoder."""
    assert isinstance(group.mixer, Attention)
    seen = group.mixer._replace(encoder_tokens=tokens, qk_norm="head", module="cross_attn")
    gates = (Weight(name="gates", role="norm", module="cross_attn_gate", outputs=2, inputs=1),)
    found = [
        group._replace(indices=tuple(i for i in group.indices if i not in crossing)),
        group._replace(indices=tuple(i for i in group.indices if i in crossing), mixer=seen, others=gates),
    ]
    return [layers for layers in found if layers.indices]


def _tokens(vision: Json) -> int:
    """Of the largest image: all of its tiles, each with a class token."""
    side = integer(vision, "image_size", 448) // integer(vision, "patch_size", 14)
    return integer(vision, "max_num_tiles", 4) * (side * side + 1)


def _encoder(vision: Json, hidden: int) -> list[Weight]:
    """A ViT, then layers with gates; the projector reads the last and some of the layers before, side by side."""
    width, wide = integer(vision, "hidden_size", 1280), integer(vision, "intermediate_size", 5120)
    tiles, rows = integer(vision, "max_num_tiles", 4), _tokens(vision)
    ratios = len(vision.get("supported_aspect_ratios") or range(8)) + 1
    block = Block(
        "vision_model.transformer.layers", integer(vision, "num_hidden_layers", 32), width, wide, qkv_bias=False,
        extra=-width, must_divide=integer(vision, "attention_heads", 16),
    )  # fmt: skip
    gated = block._replace(
        module="vision_model.global_transformer.layers", depth=integer(vision, "num_global_layers", 8), extra=2 - width
    )
    tables = 1 + rows // tiles + ratios * rows + 2 * ratios * tiles
    out = integer(vision, "vision_output_dim", 7680)
    return [
        weight("vision_model.patch_embedding", width, patches(vision, 14, 1), split="outputs"),
        plain("vision_model.embeddings", (tables + 4) * width + 3),  # two norms, three gates
        *blocks(block),
        *blocks(gated),
        weight("multi_modal_projector", hidden, out, split="outputs"),
        plain("multi_modal_projector.bias", hidden, split="outputs"),
    ]

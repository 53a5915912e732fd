"""Two towers, one for text and one for images, whose vectors are compared: CLIP and SigLIP.

The one thing to know: CLIP's text looks back and keeps a KV cache, SigLIP's looks both ways and keeps none.
"""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.encoder_parts import part, plain, siglip, weight
from infercli.core.architecture.fields import Layer, checkpoint_dtype, family_of, grouped, integer
from infercli.core.architecture.layers import Attention, Dense, Weight
from infercli.core.record import Json


def clip(config: Json) -> ModelArch:
    """CLIPModel (vLLM 0.29 models/clip.py CLIPEmbeddingModel): both towers are projected to one width."""
    text, vision = part(config, "text_config"), part(config, "vision_config")
    width, out = integer(text, "hidden_size", 512), integer(config, "projection_dim", 512)
    seen = integer(vision, "hidden_size", 768)
    return _text(
        config,
        {"max_position_embeddings": 77} | text,
        Weight(name="projection", role="other", module="text_projection", outputs=out, inputs=width),
        [
            *siglip({"model_type": "clip_vision_model"} | vision, "vision_model"),
            plain("visual_projection", out * seen),
        ],
        cached=True,
    )


def siglip_model(config: Json) -> ModelArch:
    """SiglipModel (vLLM 0.29 models/siglip.py SiglipEmbeddingModel): images are pooled by attention."""
    text, vision = part(config, "text_config"), part(config, "vision_config")
    width = integer(text, "hidden_size", 768)
    out = integer(text, "projection_size", width)
    seen, wide = integer(vision, "hidden_size", 768), integer(vision, "intermediate_size", 3072)
    pooled = [
        plain("vision_model.head", (1 + 4 * seen + 4 + 2 + 1) * seen),
        weight("vision_model.head.mlp.fc1", wide, seen, split="outputs"),
        plain("vision_model.head.mlp.fc1.bias", wide, split="outputs"),
        weight("vision_model.head.mlp.fc2", seen, wide, split="inputs"),
    ]
    return _text(
        config,
        {"max_position_embeddings": 64} | text,
        Weight(name="projection", role="other", module="text_model.head", outputs=out, inputs=width + 1),
        [*siglip({"model_type": "siglip_vision_model"} | vision, "vision_model"), *pooled],
        cached=False,
    )


def _text(config: Json, text: Json, projection: Weight, encoders: list[Weight], *, cached: bool) -> ModelArch:
    """The tower of text, with learned positions that are cut as the embedding is."""
    width, count = integer(text, "hidden_size", 512), integer(text, "num_attention_heads", 8)
    attention = Attention(
        heads=count, kv_heads=count, head_dim=width // count, v_head_dim=width // count, qkv_bias=True,
        output_bias=True, cached=cached, names=("q_proj", "k_proj", "v_proj", "out_proj"),
    )  # fmt: skip
    forward = Dense(intermediate=integer(text, "intermediate_size", 2048), gated=False, bias=True, names=("fc1", "fc2"))
    length = integer(text, "max_position_embeddings")
    positions = Weight(
        name="positions", role="other", module="position_embedding", outputs=length, inputs=width, split="outputs",
        padded=True,
    )  # fmt: skip
    return ModelArch(
        architecture=family_of(config),
        hidden=width,
        vocab=integer(text, "vocab_size", 49408),
        tied=True,
        dtype=checkpoint_dtype(config),
        max_model_len=length,
        rope_positions=0,
        rope_width=0,
        layers=grouped(Layer(attention, forward, 4) for _ in range(integer(text, "num_hidden_layers", 12))),
        outside=(positions, projection),
        encoders=tuple(encoders),
        final_norm=2,
        lm_head=False,
        pooling=True,
    )

"""Whisper: an encoder that hears 30 seconds, and a decoder whose every layer also attends to what it heard.

The one thing to know: a request keeps the keys and values of the whole encoder besides those of its own tokens,
whatever it says, and the decoder ends after a few hundred tokens.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.encoder_parts import Block, blocks, plain
from infercli.core.architecture.fields import Layer, checkpoint_dtype, family_of, grouped, integer
from infercli.core.architecture.layers import Attention, Dense, Weight
from infercli.core.record import Json


def whisper(config: Json) -> ModelArch:
    """WhisperForConditionalGeneration (vLLM 0.29 models/whisper.py).

    Keys have a bias there, which the checkpoint has not. The embedding is lm_head too, and whole on every rank.
    """
    width, heads = integer(config, "d_model"), integer(config, "decoder_attention_heads")
    own = Attention(
        heads=heads, kv_heads=heads, head_dim=width // heads, v_head_dim=width // heads, qkv_bias=True,
        output_bias=True, names=("q_proj", "k_proj", "v_proj", "out_proj"),
    )  # fmt: skip
    heard = replace(own, encoder_tokens=integer(config, "max_source_positions", 1500), module="encoder_attn")
    forward = Dense(
        intermediate=integer(config, "decoder_ffn_dim"), gated=False, bias=True, module="", names=("fc1", "fc2")
    )
    length = integer(config, "max_target_positions", 448)
    return ModelArch(
        architecture=family_of(config),
        hidden=width,
        vocab=integer(config, "vocab_size"),
        tied=True,
        embedding_whole=True,
        dtype=checkpoint_dtype(config),
        max_model_len=length,
        rope_positions=0,
        rope_width=0,
        layers=grouped(Layer(own, forward, 6, beside=heard) for _ in range(integer(config, "decoder_layers"))),
        outside=(Weight(name="positions", role="other", module="embed_positions", outputs=length, inputs=width),),
        encoders=tuple(_encoder(config, width)),
        final_norm=2,
    )


def _encoder(config: Json, width: int) -> list[Weight]:
    bins, rows = integer(config, "num_mel_bins", 80), integer(config, "max_source_positions", 1500)
    block = Block(
        "encoder.layers", integer(config, "encoder_layers"), width, integer(config, "encoder_ffn_dim"),
        must_divide=integer(config, "encoder_attention_heads"),
    )  # fmt: skip
    return [plain("encoder.conv", (3 * bins + 3 * width + 2 + rows + 2) * width), *blocks(block)]

"""Whisper and Cohere Transcribe: an encoder that hears half a minute, and a decoder that attends to what it heard.

The one thing to know: a request keeps the keys and values of the whole encoder besides those of its own tokens,
whatever it says, and the decoder ends after a few hundred tokens.
"""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.encoder_parts import Block, blocks, part, plain
from infercli.core.architecture.fields import EXTEND, Layer, checkpoint_dtype, family_of, grouped, integer
from infercli.core.architecture.layers import Attention, Dense, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported


def whisper(config: Json) -> ModelArch:
    """WhisperForConditionalGeneration (vLLM 0.29 models/whisper.py).

    Keys have a bias there, which the checkpoint has not. The embedding is lm_head too, and whole on every rank.
    """
    width, heads = integer(config, "d_model"), integer(config, "decoder_attention_heads")
    own = Attention(
        heads=heads, kv_heads=heads, head_dim=width // heads, v_head_dim=width // heads, qkv_bias=True,
        output_bias=True, names=("q_proj", "k_proj", "v_proj", "out_proj"),
    )  # fmt: skip
    heard = own._replace(encoder_tokens=integer(config, "max_source_positions", 1500), module="encoder_attn")
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


def cohere_asr(config: Json) -> ModelArch:
    """CohereAsrForConditionalGeneration (vLLM 0.29 models/cohere_asr.py): a conformer, whole, before a small decoder.

    Its positions are sines. A head of its own stands behind it, with a bias.
    """
    said, head = part(part(config, "transf_decoder"), "config_dict"), part(config, "head")
    width, heads = integer(said, "hidden_size"), integer(said, "num_attention_heads")
    own = Attention(
        heads=heads, kv_heads=heads, head_dim=width // heads, v_head_dim=width // heads, qkv_bias=True,
        output_bias=True, module="first_sub_layer", names=("query_net", "key_net", "value_net", "out_projection"),
    )  # fmt: skip
    heard = own._replace(encoder_tokens=_heard(config), module="second_sub_layer")
    forward = Dense(
        intermediate=integer(said, "inner_size"), gated=False, bias=True, module="third_sub_layer",
        names=("dense_in", "dense_out"),
    )  # fmt: skip
    return ModelArch(
        architecture=family_of(config),
        hidden=width,
        vocab=integer(head, "num_classes"),
        tied=False,
        embedding_whole=True,
        dtype=checkpoint_dtype(config),
        max_model_len=integer(config, "max_position_embeddings", integer(said, "max_sequence_length")),
        rope_positions=0,
        rope_width=0,
        layers=grouped(Layer(own, forward, 6, beside=heard) for _ in range(integer(said, "num_layers"))),
        outside=(
            Weight(name="embedding norm", role="norm", module="embedding.layer_norm", outputs=2 * width, inputs=1),
        ),
        encoders=tuple(_conformer(part(config, "encoder"), width)),
        final_norm=2,
        lm_head_bias=True,
    )


def _heard(config: Json) -> int:
    """Tokens that the encoder makes of the longest piece of sound: one of so many frames, 10 ms each."""
    stride = float(part(config, "preprocessor").get("window_stride") or 0.01)
    frames = round(integer(config, "max_audio_clip_s") / stride)
    return -(-frames // integer(part(config, "encoder"), "subsampling_factor"))


def _conformer(said: Json, width: int) -> list[Weight]:
    if said.get("use_bias", True) is not True:
        raise Unsupported("config.json: encoder.use_bias: false is not known here", EXTEND)
    inner, channels = integer(said, "d_model"), int(said.get("subsampling_conv_channels") or -1)
    channels = inner if channels < 0 else channels
    factor, kernel = integer(said, "subsampling_factor"), integer(said, "conv_kernel_size")
    wide, steps = inner * integer(said, "ff_expansion_factor"), factor.bit_length() - 1
    rows = integer(said, "feat_in")
    for _ in range(steps):
        rows = (rows + 1) // 2
    before = 10 * channels + (steps - 1) * (11 + channels) * channels + (channels * rows + 1) * inner
    attention = 5 * inner * inner + 4 * inner + (2 * inner if said.get("untie_biases") else 0)
    convolution = (3 * inner + kernel + 6) * inner
    forward = 2 * (2 * inner * wide + wide + inner)
    weights = [
        plain("encoder.pre_encode", before),
        plain("encoder.layers", attention + convolution + forward + 10 * inner, integer(said, "n_layers")),
    ]
    return weights if inner == width else [*weights, plain("encoder_decoder_proj", (inner + 1) * width)]

"""Voxtral Realtime: a decoder of Mistral's whose every token comes with a few frames, which a causal encoder hears.

The one thing to know: the encoder attends to the frames of earlier tokens, so that its layers keep keys and values as
the decoder's do, for four frames a token (vLLM 0.29 models/whisper_causal.py, voxtral_realtime.py). They count as
layers whose heads are so many times as many.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import parse_decoder
from infercli.core.architecture.encoder_parts import part, plain
from infercli.core.architecture.families import ROWS
from infercli.core.architecture.fields import integer, not_too_many
from infercli.core.architecture.layers import Attention, LayerGroup, Role, Split, Weight
from infercli.core.record import Json

_TEXT: Json = {
    "vocab_size": 131072, "hidden_size": 3072, "intermediate_size": 9216, "num_hidden_layers": 26,
    "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131072, "head_dim": 128,
    "tie_word_embeddings": True, "sliding_window": 8192,
}  # fmt: skip
"""Where config.json is silent (transformers 5.24 models/voxtral_realtime/configuration_voxtral_realtime.py)."""
_HEADS, _WIDTH = ("encoder_attention_heads", "num_attention_heads"), ("encoder_head_dim", "head_dim")
_LAYERS = ("encoder_layers", "num_hidden_layers")
_CONDITIONED = 32
"""Width of what the delay goes through in each layer; config.json of transformers' form does not say it."""


def voxtral_realtime(config: Json) -> ModelArch:
    """The decoder, the encoder's layers behind its own, and between them a projector of the frames of a token."""
    audio = part(config, "audio_config")
    said = {key: config[key] for key in ("tie_word_embeddings", "dtype", "torch_dtype") if config.get(key) is not None}
    text = _TEXT | said | part(config, "text_config") | {"architectures": config["architectures"]}
    arch = parse_decoder(text, ROWS["MistralForCausalLM"])
    groups = arch.layers
    if text.get("ada_rms_norm_t_cond", True):
        narrow = integer(text, "ada_rms_norm_t_cond_dim", _CONDITIONED)
        others = (
            _linear("delay down", "other", "ada_rms_norm_t_cond.0", narrow, arch.hidden, "outputs"),
            _linear("delay up", "other", "ada_rms_norm_t_cond.2", arch.hidden, narrow, "inputs"),
        )
        groups = tuple(group._replace(others=tuple(w._replace(linear=False) for w in others)) for group in groups)
    frames = integer(audio, "downsample_factor", integer(config, "downsample_factor", 4))
    width, bins = integer(audio, ("d_model", "hidden_size"), 1280), integer(audio, "num_mel_bins", 128)
    hearing = _hearing(audio, width, frames, arch.layer_count)
    heads = integer(audio, _HEADS, 32)
    biases = plain("whisper_encoder.layers.attn.qkv.bias", 3 * heads * integer(audio, _WIDTH, 64),
                   len(hearing.indices), "outputs")  # fmt: skip
    return replace(
        arch,
        layers=(*groups, hearing),
        rope_width=arch.rope_width + frames * integer(audio, _WIDTH, 64),
        encoders=(
            biases._replace(must_divide=heads),
            plain("whisper_encoder.conv", (3 * bins + 3 * width + 2 + 1) * width),
            plain("audio_language_adapter", (frames * width + arch.hidden) * arch.hidden),
        ),
    )


def _hearing(audio: Json, width: int, frames: int, first: int) -> LayerGroup:
    """The encoder's layers, numbered on behind the decoder's."""
    heads = integer(audio, _HEADS, 32)
    head_dim = integer(audio, _WIDTH, 64)
    wide = integer(audio, ("encoder_ffn_dim", "intermediate_size"), 5120)
    not_too_many(audio, *_LAYERS)
    count, window = integer(audio, _LAYERS, 32), integer(audio, "sliding_window", 750)
    inner = heads * head_dim
    attention = Attention(
        heads=frames * heads, kv_heads=frames * heads, head_dim=head_dim, v_head_dim=head_dim, window=window,
        pooled_window=-(-window // frames) + 1,
        projections=(
            _linear("heard qkv", "attention", "self_attn.qkv_proj", 3 * inner, width, "outputs"),
            _linear("heard output", "attention", "self_attn.out_proj", width, inner, "inputs"),
        ),
    )  # fmt: skip
    return LayerGroup(
        indices=tuple(range(first, first + count)), mixer=attention, feed_forward=None, norms=0,
        others=(
            _linear("heard gate-up", "mlp", "mlp.gate_up_proj", 2 * wide, width, "outputs"),
            _linear("heard down", "mlp", "mlp.down_proj", width, wide, "inputs"),
            Weight(name="heard norms and biases", role="norm", module="self_attn_layer_norm", outputs=4 * width,
                   inputs=1),
        ),
    )  # fmt: skip


def _linear(name: str, role: Role, module: str, outputs: int, inputs: int, split: Split) -> Weight:
    return Weight(name=name, role=role, module=module, outputs=outputs, inputs=inputs, split=split, linear=True)

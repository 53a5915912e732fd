"""Models that hear: Voxtral with Whisper's encoder, Granite Speech, Gemma 3n and 4 with conformers.

The one thing to know: each function here reads all of config.json.
"""

from __future__ import annotations

from infercli.core.architecture import encoders
from infercli.core.architecture.encoder_parts import Block, blocks, heads, part, plain, weight
from infercli.core.architecture.fields import EXTEND, integer
from infercli.core.architecture.layers import Weight
from infercli.core.record import Json
from infercli.errors import Unsupported


def voxtral(config: Json, hidden: int) -> list[Weight]:
    """Voxtral (vLLM 0.29 models/voxtral.py, whisper.py): Whisper's encoder, cut, and a projector, whole.

    Widths by the names of transformers' config. vLLM keeps the positions in float32, 4 MB more than is said here.
    """
    audio = part(config, "audio_config")
    width, wide = (
        integer(audio, ("d_model", "hidden_size"), 1280),
        integer(audio, ("encoder_ffn_dim", "intermediate_size"), 5120),
    )
    bins, rows = integer(audio, "num_mel_bins", 128), integer(audio, "max_source_positions", 1500)
    depth, merged = integer(audio, ("encoder_layers", "num_hidden_layers"), 32), integer(audio, "downsample_factor", 4)
    return [
        plain("audio_tower.conv", (3 * bins + 3 * width + 2 + rows + 2) * width),
        *blocks(Block("audio_tower.layers", depth, width, wide, must_divide=heads(audio, 20))),
        plain("multi_modal_projector", (merged * width + hidden) * hidden),
    ]


def granite_speech(config: Json, hidden: int) -> list[Weight]:
    """Granite Speech (vLLM 0.29 models/granite_speech.py): of the conformer the feed-forwards are cut, nothing else."""
    encoder = part(config, "encoder_config")
    width, depth = integer(encoder, "hidden_dim", 1024), integer(encoder, "num_layers", 10)
    wide, out = width * integer(encoder, "feedforward_mult", 4), integer(encoder, "output_dim", 42)
    head = integer(encoder, "dim_head", width // integer(encoder, "num_heads", 8))
    inner, rows = head * integer(encoder, "num_heads", 8), 2 * integer(encoder, "max_pos_emb", 512) + 1
    expanded, kernel = width * integer(encoder, "conv_expansion_factor", 2), integer(encoder, "conv_kernel_size", 15)
    attention = 4 * inner * width + width + rows * head
    convolution = 3 * expanded * width + expanded * (2 + kernel + 2) + width
    norms, biases = 5 * 2 * width, 2 * width
    return [
        plain("encoder.input_linear", (integer(encoder, "input_dim", 160) + 1) * width),
        plain("encoder.layers", attention + convolution + norms + biases, depth),
        weight("encoder.layers.ff.up_proj", wide, width, 2 * depth, "outputs"),
        plain("encoder.layers.ff.up_proj.bias", wide, 2 * depth, "outputs"),
        weight("encoder.layers.ff.down_proj", width, wide, 2 * depth, "inputs"),
        weight("encoder.out", out, width, split="outputs"),
        plain("encoder.out.bias", out, split="outputs"),
        weight("encoder.out_mid", width, out, split="inputs"),
        plain("encoder.out_mid.bias", width),
        *_q_former(config, width, hidden),
    ]


def _q_former(config: Json, heard: int, hidden: int) -> list[Weight]:
    """BLIP-2's, over `heard` columns (vLLM 0.29 models/blip2.py): whole on every rank."""
    said = part(config, "projector_config")
    width, wide = integer(said, "hidden_size", 768), integer(said, "intermediate_size", 3072)
    depth, every = integer(said, "num_hidden_layers", 12), integer(said, "cross_attention_frequency", 2)
    crossing = -(-depth // every)
    queries = integer(config, "window_size", 15) // integer(config, "downsample_rate", 5)
    own = 4 * width * width + 6 * width
    crossed = 2 * width * (width + integer(said, "encoder_hidden_size", heard)) + 6 * width
    return [
        plain("projector.query", (queries + 2) * width),
        plain("projector.qformer.encoder.layer", own + 2 * width * wide + wide + 3 * width, depth),
        plain("projector.qformer.encoder.layer.crossattention", crossed, crossing),
        plain("projector.linear", (width + 1) * hidden),
    ]


def gemma4(config: Json, hidden: int) -> list[Weight]:
    """Gemma 4's vision, and the conformer of those that hear, which transformers runs: whole on every rank.

    vLLM 0.29 models/gemma4_mm.py, transformers models/gemma4 (Gemma4AudioModel). E4B's conformer has 304,824,608
    parameters.
    """
    weights = encoders.gemma4(part(config, "vision_config"), hidden)
    if not config.get("audio_config"):
        return weights
    audio = part(config, "audio_config")
    width, out = integer(audio, "hidden_size", 1024), integer(audio, "output_proj_dims", 1536)
    head_dim = width // integer(audio, "num_attention_heads", 8)
    wide, narrow = audio.get("subsampling_conv_channels") or (128, 32)
    layer = 24 * width * width + (9 + integer(audio, "conv_kernel_size", 5)) * width + head_dim
    return [
        *weights,
        plain(
            "audio_tower.subsample_conv_projection", 10 * wide + narrow * (9 * wide + 1) + narrow * (wide // 4) * width
        ),
        plain("audio_tower.layers", integer(audio, "num_hidden_layers", 12) * layer),
        plain("audio_tower.output_proj", (width + 1) * out),
        weight("embed_audio.embedding_projection", hidden, out),
    ]


_MOBILENET = 294_126_912
"""Parameters of MobileNet-V5 300M, the encoder of every Gemma 3n (timm 1.0.31 `mobilenetv5_300m_enc`, built without a
head). It is timm's, and config.json says its name alone."""


def gemma3n(config: Json, hidden: int) -> list[Weight]:
    """Gemma 3n (vLLM 0.29 models/gemma3n_mm.py, transformers 5 models/gemma3n): MobileNet-V5, and a conformer.

    Both are run by others and whole on every rank; the embedders behind them have a row for each of a few markers.
    """
    vision, audio = part(config, "vision_config"), part(config, "audio_config")
    kind = vision.get("architecture", "mobilenetv5_300m_enc")
    if kind != "mobilenetv5_300m_enc" or vision.get("model_args"):
        raise Unsupported(f"config.json: vision_config.architecture: {kind} is not known here", EXTEND)
    width, bins = integer(audio, "hidden_size", 1536), integer(audio, "input_feat_size", 128)
    wide, narrow = audio.get("sscp_conv_channel_size") or (128, 32)
    head, kernel = width // integer(audio, "conf_num_attention_heads", 8), integer(audio, "conf_conv_kernel_size", 5)
    layer = 24 * width * width + (9 + kernel) * width + head
    return [
        plain("vision_tower", _MOBILENET),
        *_embedder("embed_vision", {"hidden_size": 2048} | vision, hidden),
        plain(
            "audio_tower.subsample_conv_projection", 10 * wide + narrow * (9 * wide + 1) + narrow * (bins // 4) * width
        ),
        plain("audio_tower.conformer", layer, integer(audio, "conf_num_hidden_layers", 12)),
        *_embedder("embed_audio", {"hidden_size": 1536} | audio, hidden),
    ]


def _embedder(module: str, said: Json, hidden: int) -> list[Weight]:
    width, rows = integer(said, "hidden_size"), -(-integer(said, "vocab_size", 128) // 64) * 64
    return [
        plain(f"{module}.embedding", rows * width, split="outputs"),
        plain(f"{module}.norms", 2 * width),
        weight(f"{module}.embedding_projection", hidden, width, split="inputs"),
    ]

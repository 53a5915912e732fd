"""Models that hear: Voxtral with Whisper's encoder, Granite Speech, Gemma 3n and 4 with conformers.

The one thing to know: each function here reads all of config.json.
"""

from __future__ import annotations

from infercli.core.architecture import encoders
from infercli.core.architecture.encoder_parts import Block, blocks, heads, part, plain, projector, q_former, weight
from infercli.core.architecture.fields import EXTEND, integer
from infercli.core.architecture.layers import Weight
from infercli.core.architecture.tensors import padded_rows
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
    """BLIP-2's, over `heard` columns, whole on every rank, and a linear layer."""
    said = part(config, "projector_config")
    width = integer(said, "hidden_size", 768)
    queries = integer(config, "window_size", 15) // integer(config, "downsample_rate", 5)
    return [
        plain("projector.query", queries * width),
        *q_former("projector.qformer", said, heard),
        plain("projector.linear", (width + 1) * hidden),
    ]


def ultravox(config: Json, hidden: int) -> list[Weight]:
    """Ultravox (vLLM 0.29 models/ultravox.py): Whisper's encoder, and eight of its frames through two layers, whole.

    Before 0.28 transformers ran the encoder, whole on every rank.
    """
    audio = _WHISPER | part(config, "audio_config")
    if config.get("num_projector_layers"):
        raise Unsupported("config.json: num_projector_layers: a projector with attention is not known here", EXTEND)
    stacked = integer(audio, "d_model") * integer(config, "stack_factor", 8)
    middle = integer(config, "hidden_size", 4096)
    halved = middle // 2 if config.get("projector_act", "swiglu") == "swiglu" else middle
    return [
        *(w._replace(cut_since=(0, 28)) for w in whisper_encoder(audio, "audio_tower")),
        weight("multi_modal_projector.linear_1", middle, stacked),
        weight("multi_modal_projector.linear_2", hidden, halved),
        plain("multi_modal_projector.ln", stacked + (halved if config.get("projector_ln_mid") else hidden)),
    ]


def kimi_audio(config: Json, hidden: int) -> list[Weight]:
    """Kimi-Audio (vLLM 0.29 models/kimi_audio.py): Whisper large v3's encoder, and two linear layers, whole.

    What the encoder is stands in the checkpoint's folder whisper-large-v3/. vLLM loads nothing of what talks.
    """
    heard = integer(config, "kimia_adaptor_input_dim", 5120)
    large = {
        "d_model": 1280, "encoder_ffn_dim": 5120, "encoder_layers": 32, "encoder_attention_heads": 20,
        "num_mel_bins": 128,
    }  # fmt: skip
    return [
        *whisper_encoder(large, "audio_tower"),
        plain("multi_modal_projector.vq_adaptor", (heard + 1 + hidden + 1 + 2) * hidden),
    ]


_WHISPER = {
    "d_model": 384, "encoder_ffn_dim": 1536, "encoder_layers": 4, "encoder_attention_heads": 6, "num_mel_bins": 80,
}  # fmt: skip
"""What transformers takes where the config of a Whisper is silent (WhisperConfig)."""


def whisper_encoder(audio: Json, module: str, *, whole: bool = False) -> list[Weight]:
    """Whisper's, as vLLM cuts it (0.29 models/whisper.py), or `whole` and without a bias on keys, from transformers."""
    width, rows = integer(audio, "d_model"), integer(audio, "max_source_positions", 1500)
    block = Block(
        f"{module}.layers", integer(audio, "encoder_layers"), width, integer(audio, "encoder_ffn_dim"), whole=whole,
        extra=-width if whole else 0, must_divide=0 if whole else heads(audio, 6), linear=not whole,
    )  # fmt: skip
    convolution = 3 * integer(audio, "num_mel_bins", 80) + 3 * width + 2
    return [plain(f"{module}.conv", (convolution + rows + 2) * width), *blocks(block)]


def glm_asr(config: Json, hidden: int) -> list[Weight]:
    """GLM-ASR (vLLM 0.29 models/glmasr.py): an encoder with rotary positions, of whose frames some lie side by side."""
    audio = part(config, "audio_config")
    width, wide = integer(audio, "hidden_size", 1280), integer(audio, "intermediate_size", 5120)
    count = integer(audio, "num_attention_heads", 20)
    block = Block(
        "audio_tower.layers", integer(audio, "num_hidden_layers", 32), width, wide, must_divide=count,
        kv=width // count * integer(audio, "num_key_value_heads", count),
    )  # fmt: skip
    return [
        plain("audio_tower.conv", (3 * integer(audio, "num_mel_bins", 128) + 3 * width + 4) * width),
        *blocks(block),
        weight("multi_modal_projector.linear_1", 2 * hidden, wide, split="outputs"),
        weight("multi_modal_projector.linear_2", hidden, 2 * hidden, split="inputs"),
        plain("multi_modal_projector.linear_1.bias", 2 * hidden, split="outputs"),
        plain("multi_modal_projector.linear_2.bias", hidden),
    ]


def audio_flamingo3(config: Json, hidden: int) -> list[Weight]:
    """Audio Flamingo 3 (vLLM 0.29 models/audioflamingo3.py): Whisper's encoder, which transformers runs, whole."""
    audio = part(config, "audio_config")
    named = {
        "d_model": audio.get("hidden_size", 1280), "encoder_ffn_dim": audio.get("intermediate_size", 5120),
        "encoder_layers": audio.get("num_hidden_layers", 32), "num_mel_bins": 128,
    }  # fmt: skip
    audio = named | audio
    bias = bool(config.get("projector_bias", True))
    return [
        *whisper_encoder(audio, "audio_tower", whole=True),
        *projector("multi_modal_projector", hidden, integer(audio, "d_model"), bias=bias, whole=True),
    ]


def gemma4(config: Json, hidden: int) -> list[Weight]:
    """Gemma 4's vision, and the conformer of those that hear, which transformers runs: whole on every rank.

    vLLM 0.29 models/gemma4_mm.py, transformers models/gemma4 (Gemma4AudioModel). E4B's conformer has 304,824,608
    parameters.
    """
    return gemma4_hearing(config, hidden, encoders.gemma4(part(config, "vision_config"), hidden))


def embedding_gemma2(config: Json, hidden: int) -> list[Weight]:
    """EmbeddingGemma 2 (vLLM 0.33 models/embedding_gemma2.py): Gemma 4's, of which either may be missing."""
    part(config, "text_config")
    sees = config.get("vision_config")
    return gemma4_hearing(config, hidden, encoders.gemma4(sees, hidden) if isinstance(sees, dict) else [])


def gemma4_hearing(config: Json, hidden: int, weights: list[Weight]) -> list[Weight]:
    """`weights`, and the conformer where there is one."""
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
    width, rows = integer(said, "hidden_size"), padded_rows(integer(said, "vocab_size", 128))
    return [
        plain(f"{module}.embedding", rows * width, split="outputs"),
        plain(f"{module}.norms", 2 * width),
        weight(f"{module}.embedding_projection", hidden, width, split="inputs"),
    ]

"""Models that write speech down or answer it, beside those of sound.py: Fun-ASR, Fun-Audio-Chat, MOSS and others.

The one thing to know: each function here reads all of config.json.
"""

from __future__ import annotations

from infercli.core.architecture.encoder_parts import Block, blocks, heads, part, plain, weight
from infercli.core.architecture.fields import integer
from infercli.core.architecture.layers import Weight
from infercli.core.architecture.sound import whisper_encoder
from infercli.core.record import Json


def fun_asr(config: Json, _hidden: int) -> list[Weight]:
    """Fun-ASR (vLLM 0.29 models/funasr.py): SenseVoice's encoder, of which the feed-forwards are cut, and two layers.

    560 numbers of a frame go in; the two layers and what leads to them have one width in every model.
    """
    said = part(config, "audio_encoder_conf")
    width, wide = integer(said, "output_size", 256), integer(said, "linear_units", 2048)
    count = integer(said, "num_blocks", 6) + int(said.get("tp_blocks") or 0)
    module, remembered = "model.encoder.audio_encoder", integer(said, "kernel_size", 11)
    return [
        plain(f"{module}.attention", (4 * width + 4 + remembered + 4) * width, count),
        plain(f"{module}.first", (_FRAME - width) * (3 * width + 2)),
        plain(f"{module}.norms", 4 * width),
        *_feed_forward(f"{module}.feed_forward", width, wide, count),
        *_feed_forward("model.encoder.audio_adaptor", 512, 2048, 1, _ADAPTED),
        *blocks(Block("model.encoder.audio_adaptor.blocks", 2, _ADAPTED, _ADAPTED // 4, linear=False, must_divide=8)),
    ]


_FRAME, _ADAPTED = 560, 1024
"""Numbers of a frame, and the width of what its adaptor makes of it (vLLM 0.29 models/funasr.py FunASREncoder)."""


def _feed_forward(module: str, inputs: int, wide: int, copies: int, out: int | None = None) -> list[Weight]:
    out = out or inputs
    return [
        weight(f"{module}.w_1", wide, inputs, copies, "outputs", linear=False),
        plain(f"{module}.w_1.bias", wide, copies, "outputs"),
        weight(f"{module}.w_2", out, wide, copies, "inputs", linear=False),
        plain(f"{module}.w_2.bias", out, copies),
    ]


def fun_audio_chat(config: Json, _hidden: int) -> list[Weight]:
    """Fun-Audio-Chat (vLLM 0.29 models/funaudiochat.py): Whisper's layers, of which the attention alone is cut.

    And a table of the codes that speech may be instead.
    """
    audio = part(config, "audio_config")
    width, wide = integer(audio, "d_model", 1280), integer(audio, "encoder_ffn_dim", 5120)
    depth, out = integer(audio, "encoder_layers", 32), integer(audio, "output_dim", 3584)
    module = "continuous_audio_tower"
    attention = (
        weight(f"{module}.layers.attn.qkv", 3 * width, width, depth, "outputs"),
        plain(f"{module}.layers.attn.qkv.bias", 3 * width, depth, "outputs"),
        weight(f"{module}.layers.attn.proj", width, width, depth, "inputs"),
    )
    return [
        plain(f"{module}.conv", (3 * integer(audio, "num_mel_bins", 128) + 3 * width + 2) * width),
        *(w._replace(linear=False, must_divide=heads(audio, 20)) for w in attention),
        plain(f"{module}.layers", (2 * wide + 6) * width + wide, depth),
        plain(f"{module}.proj", (width + 1 + 2) * out + 2 * width),
        plain("audio_tower", (integer(audio, "codebook_size") + 2 * out) * out),
    ]


def moss_transcribe(config: Json, hidden: int) -> list[Weight]:
    """MOSS-Transcribe-Diarize (vLLM 0.29 models/moss_transcribe_diarize.py): Whisper's, four frames to a token."""
    audio = _MEDIUM | (config.get("audio_config") or {})
    merged = integer(audio, "d_model") * integer(config, "audio_merge_size", 4)
    inputs = integer(config, "adaptor_input_dim", merged)
    return [*whisper_encoder(audio, "whisper_encoder"), plain("vq_adaptor", (inputs + 1 + hidden + 1 + 2) * hidden)]


_MEDIUM = {
    "num_mel_bins": 80, "d_model": 1024, "encoder_layers": 24, "encoder_attention_heads": 16, "encoder_ffn_dim": 4096,
}  # fmt: skip
"""Where config.json is silent (vLLM 0.29 transformers_utils/configs/moss_transcribe_diarize.py)."""


def moss_audio(config: Json, hidden: int) -> list[Weight]:
    """MOSS-Audio (vLLM 0.29 models/moss_audio.py): three convolutions, and an adapter for each level that is fed."""
    audio = part(config, "audio_config")
    width, wide = integer(audio, "d_model", 1280), integer(audio, "encoder_ffn_dim", 5120)
    narrow, out = integer(audio, "downsample_hidden_size", 480), integer(audio, "output_dim", 1280)
    bins = integer(audio, "num_mel_bins", 128)
    for _ in range(3):
        bins = (bins + 1) // 2
    fed = len(audio.get("deepstack_encoder_layer_indexes") or ())
    asked = config.get("deepstack_num_inject_layers")
    adapters, middle = 1 + (fed if asked is None else min(int(asked), fed)), integer(config, "adapter_hidden_size")
    depth = integer(audio, "encoder_layers", 32)
    block = Block("audio_encoder.layers", depth, width, wide, qkv_bias=False, must_divide=heads(audio, 20))
    return [
        plain("audio_encoder.conv", (9 + 1 + 2 * (9 * narrow + 1)) * narrow),
        plain("audio_encoder.stem_proj", (narrow * bins + 1) * width),
        *blocks(block),
        plain("audio_encoder.layers.attn.qkv.bias", 2 * width, depth, "outputs"),  # keys have none
        plain("audio_encoder.layer_norm", 2 * width),
        *([plain("audio_encoder.out_proj", width * out)] if out != width else []),
        weight("audio_adapter.gate_up_proj", 2 * middle, out, adapters, "outputs"),
        weight("audio_adapter.down_proj", hidden, middle, adapters, "inputs"),
    ]


def fire_red(config: Json, hidden: int) -> list[Weight]:
    """FireRedASR 2 with a decoder (vLLM 0.29 models/fireredasr2.py, conformer_encoder.py): a conformer, whole."""
    said = part(config, "audio_encoder_conf")
    width, bins = integer(said, "d_model", 1280), integer(said, "idim", 80)
    for _ in range(2):
        bins = (bins - 1) // 2
    narrow = 32
    feed_forward = (8 * width + 4 + 1 + 2) * width
    attention = (5 * width + 2 + 6) * width
    convolution = (2 + 4 * width + 2 * integer(said, "kernel_size", 33) + 4 + 2 * width) * width
    layer = 2 * feed_forward + attention + convolution + 2 * width
    stacked = width * integer(config, "encoder_downsample_rate", 2)
    return [
        plain("model.encoder.audio_encoder.input_preprocessor", (9 + 1 + 9 * narrow + 1) * narrow),
        plain("model.encoder.audio_encoder.input_preprocessor.out", (narrow * bins + 1) * width),
        plain("model.encoder.audio_encoder.layer_stack", layer, integer(said, "n_layers_enc", 16)),
        plain("model.encoder_projector", (stacked + 1 + hidden + 1) * hidden),
    ]


def mi_dasheng(config: Json, hidden: int) -> list[Weight]:
    """MiDashengLM (vLLM 0.29 models/midashenglm.py): patches of a spectrogram, five of which become a token."""
    audio = part(config, "audio_encoder_config")
    width, bins = integer(audio, "embed_dim", 768), integer(audio, "n_mels", 64)
    size, stride = _pair(audio.get("patch_size", 16)), _pair(audio.get("patch_stride", 16))
    grid = (bins // stride[0], integer(audio, "target_length", 1012) // stride[1])
    block = Block(
        "audio_encoder.blocks", integer(audio, "depth", 12), width, int(width * float(audio.get("mlp_ratio", 4.0))),
        qkv_bias=bool(audio.get("qkv_bias", True)), extra=2 * width if audio.get("init_values") else 0,
        must_divide=heads(audio, 12),
    )  # fmt: skip
    stacked = width * integer(config, "subsample_factor", 5)
    pixels = integer(audio, "input_channels", 1) * size[0] * size[1]
    return [
        plain("audio_encoder.init_bn", 2 * bins),
        plain("audio_encoder.embeddings", (pixels + 1 + sum(grid) + 2) * width),
        *blocks(block),
        weight("audio_projector.net.0", hidden, stacked, split="outputs"),
        plain("audio_projector.net.0.bias", hidden, split="outputs"),
        weight("audio_projector.net.2", hidden, hidden, split="inputs"),
        plain("audio_projector.net.2.bias", hidden),
    ]


def _pair(value: Json) -> tuple[int, int]:
    """Height and width, which are equal where one number is said."""
    return (int(value[0]), int(value[1])) if isinstance(value, list) else (int(value), int(value))

"""Models that see and hear: Qwen's omni and speech models, MiMo-V2, Nemotron with RADIO and Parakeet, Phi-4 Multimodal.

The one thing to know: each function here reads all of config.json (of the thinker, for Qwen), as these models have two
encoders, and some of their widths stand at the top. vLLM loads the thinker alone: no talker, no vocoder.
"""

from __future__ import annotations

from infercli.core.architecture.encoder_parts import (
    Block,
    blocks,
    heads,
    merger,
    part,
    patches,
    plain,
    projector,
    siglip,
    weight,
)
from infercli.core.architecture.encoders import qwen2_5_vl
from infercli.core.architecture.fields import EXTEND, integer, optional
from infercli.core.architecture.layers import Weight
from infercli.core.record import Json
from infercli.errors import Unsupported


def qwen2_5_omni(config: Json, hidden: int) -> list[Weight]:
    """Qwen2.5-VL's encoder and an audio tower that transformers runs (vLLM 0.29 models/qwen2_5_omni_thinker.py)."""
    audio = part(config, "audio_config")
    width, out, depth = integer(audio, "d_model", 1280), integer(audio, "output_dim", 3584), _depth(audio)
    wide, bins = integer(audio, "encoder_ffn_dim", 5120), integer(audio, "num_mel_bins", 128)
    block = Block("audio_tower.layers", depth, width, wide, whole=True, extra=-width, linear=False)  # keys: no bias
    return [
        *qwen2_5_vl({"hidden_size": 3584, "out_hidden_size": 3584} | part(config, "vision_config"), hidden),
        plain("audio_tower.conv", (3 * bins + 3 * width + 2) * width),
        plain("audio_tower.audio_bos_eos_token", 2 * out),
        *blocks(block),
        plain("audio_tower.proj", width * out + out + 2 * width),
    ]


def qwen3_omni(config: Json, hidden: int) -> list[Weight]:
    """Qwen3-VL's encoder with a position for each patch of its image size, and the audio encoder of `qwen3_audio`."""
    vision = part(config, "vision_config")
    width, merge = integer(vision, "hidden_size", 1152), integer(vision, "spatial_merge_size", 2) ** 2
    out, side = integer(vision, "out_hidden_size", 3584), integer(vision, "image_size") // integer(vision, "patch_size")
    block = Block(
        "visual.blocks",
        integer(vision, "depth", 27),
        width,
        integer(vision, "intermediate_size", 4304),
        must_divide=heads(vision),
    )
    weights = [
        plain("visual.patch_embed", (patches(vision, 16, 2) + 1) * width),
        plain("visual.pos_embed", side * side * width),
        *blocks(block),
        *merger("visual.merger", width, merge, out),
    ]
    for level in range(len(vision.get("deepstack_visual_indexes", (8, 16, 24)) or ())):
        weights += merger(f"visual.merger_list.{level}", width, merge, out, norms=2 * merge)
    return [*weights, *qwen3_audio(config, hidden)]


def qwen3_audio(config: Json, _hidden: int) -> list[Weight]:
    """The encoder of Qwen3-ASR and Qwen3-Omni (vLLM 0.29 models/qwen3_omni_moe_thinker.py Qwen3OmniMoeAudioEncoder)."""
    audio = part(config, "audio_config")
    width, out = integer(audio, "d_model", 1280), integer(audio, "output_dim", 3584)
    channels, bins = integer(audio, "downsample_hidden_size", 480), integer(audio, "num_mel_bins", 128)
    rows = (((bins + 1) // 2 + 1) // 2 + 1) // 2  # three convolutions of stride 2
    heads, wide = integer(audio, "encoder_attention_heads", 20), integer(audio, "encoder_ffn_dim", 5120)
    return [
        plain("audio_tower.conv2d", 10 * channels + 2 * (9 * channels + 1) * channels),
        plain("audio_tower.conv_out", channels * rows * width),
        *blocks(Block("audio_tower.layers", _depth(audio), width, wide, heads=heads, linear=False)),
        plain("audio_tower.proj", (width + 1) * width + (width + 1) * out + 2 * width),
    ]


MIMO = "MiMoV2OmniForCausalLM"
_MIMO_TEXT = (["MiMoV2ForCausalLM"], ["MiMoV2FlashForCausalLM"])
_UNUSED_WORDS = 151936
"""Rows of a table that the audio encoder holds and no file has: it is a Qwen2 of transformers, with its vocabulary."""


def mimo_class(config: Json) -> str | None:
    """What vLLM makes of a MiMo-V2 with an encoder, whose config.json names the class of text alone; None: as it says.

    0.29 to 0.33 transformers_utils/model_arch_config_convertor.py MiMoV2ModelArchConfigConvertor.
    """
    return MIMO if config.get("architectures") in _MIMO_TEXT and config.get("vision_config") else None


def mimo_text(config: Json) -> Json:
    """The decoder's own config."""
    return config | {"vision_config": None}


def mimo_v2(config: Json, hidden: int) -> list[Weight]:
    """MiMo-V2.5 and 2.6 (vLLM 0.29 models/mimo_v2_omni.py, mimo_audio.py): few keys, sinks, and codes of sound, whole.

    Without `audio_tokenizer/`, a model of its own in the checkpoint's folder, which config.json does not describe.
    """
    vision = part(config, "vision_config")
    width, merge = integer(vision, "hidden_size", 1280), integer(vision, "spatial_merge_size", 2) ** 2
    depth, count, kv = integer(vision, "depth", 28), heads(vision, 32), integer(vision, "num_key_value_heads", 8)
    head = integer(vision, "qk_channels", 64)
    if integer(vision, "kv_channels", 64) != head:
        raise Unsupported("config.json: vision_config.kv_channels: other than qk_channels is not known here", EXTEND)
    block = Block(
        "visual.blocks", depth, width, integer(vision, "intermediate_size", 4608), gated=True, norms=2,
        inner=count * head, kv=kv * head, must_divide=kv, linear=False,
    )  # fmt: skip
    whole = merge * width
    sinks = depth - len(vision.get("fullatt_block_indexes") or ()) if vision.get("use_sink") else 0
    return [
        plain("visual.patch_embed", patches(vision, 16, 2) * width),
        *blocks(block),
        plain("visual.blocks.attn.sinks", count, sinks),
        weight("visual.merger.mlp.0", whole, whole, split="outputs", linear=False),
        weight("visual.merger.mlp.2", integer(vision, "out_hidden_size", 2048), whole, split="inputs", linear=False),
        plain("visual.merger.ln_q", width),
        *(_mimo_sound(part(config, "audio_config"), hidden) if config.get("audio_config") else ()),
    ]


def _mimo_sound(audio: Json, hidden: int) -> list[Weight]:
    """Codes of sound -> vectors, by a small Qwen2 that transformers runs."""
    width, wide = integer(audio, "input_local_dim", 1024), integer(audio, "input_local_intermediate_size", 4096)
    channels, depth = integer(audio, "audio_channels", 8), integer(audio, "input_local_layers", 6)
    said = str(audio.get("speech_vocab_size", "1025-1025-129-129-129-129-129-129"))
    rows = [int(number) for number in said.split("-")]
    words = sum(rows) if len(rows) > 1 else channels * rows[0]
    layer = 4 * width * width + 3 * width + 3 * width * wide + 2 * width
    grouped, out = width * integer(audio, "group_size", 4), integer(audio, "out_hidden_size", hidden)
    layers = integer(audio, "projection_layers", 1)
    if layers not in (1, 2):
        raise Unsupported(f"config.json: audio_config.projection_layers: {layers} is not known here", EXTEND)
    return [
        plain("audio_encoder.speech_embeddings", words * width),
        plain("audio_encoder.input_local_transformer.embed_tokens", _UNUSED_WORDS * width),
        plain("audio_encoder.input_local_transformer.layers", layer, depth),
        plain("audio_encoder.input_local_transformer.norm", width if audio.get("add_post_norm") else 0),
        plain("audio_encoder.projection", grouped * out if layers == 1 else 4 * grouped * (grouped + out)),
    ]


def qwen3_aligner(config: Json, hidden: int) -> list[Weight]:
    """Qwen3's forced aligner (vLLM 0.29 models/qwen3_asr_forced_aligner.py): a class of time instead of a word."""
    return [*qwen3_audio(config, hidden), plain("classifier", integer(config, "classify_num") * hidden)]


def _depth(audio: Json) -> int:
    return integer(audio, "encoder_layers", 32)


_VIT = {
    "vit_small_patch16_224": (384, 12, 6, 1536),
    "vit_base_patch16_224": (768, 12, 12, 3072),
    "vit_large_patch16_224": (1024, 24, 16, 4096),
    "vit_huge_patch16_224": (1280, 32, 16, 5120),
}
"""timm's name -> width, layers, heads, feed-forward (vLLM 0.29 transformers_utils/configs/radio.py)."""


def nemotron(config: Json, hidden: int) -> list[Weight]:
    """RADIO with its projector, and Parakeet where there is a sound_config (vLLM 0.29 models/nano_nemotron_vl.py).

    RADIO's blocks are cut, and never quantized; the projectors are whole.
    """
    shuffled = integer(config, "vit_hidden_size") * round(1 / float(config.get("downsample_ratio") or 0.5)) ** 2
    middle = integer(config, "projector_hidden_size")
    weights = [
        *radio(part(config, "vision_config")),
        plain("mlp1", shuffled + shuffled * middle + middle * hidden),
    ]
    return [*weights, *_parakeet(part(config, "sound_config"), hidden)] if config.get("sound_config") else weights


def radio(vision: Json) -> list[Weight]:
    """By vLLM 0.29 models/radio.py: patches without a bias, positions of the largest image, registers."""
    said = part(vision, "args")
    name = said.get("model")
    if name not in _VIT:
        raise Unsupported(f"config.json: vision_config.args.model: {name} is not known here", EXTEND)
    for key in ("qkv_bias", "qk_normalization", "norm_type"):
        if said.get(key) not in (None, {"qkv_bias": True, "norm_type": "layer_norm"}.get(key, False)):
            raise Unsupported(f"config.json: vision_config.args.{key}: {said[key]} is not known here", EXTEND)
    width, depth, heads, wide = _VIT[name]
    patch = integer(vision, "patch_size", 16)
    side = round(integer(said, "cpe_max_size", 2048) / patch)
    teachers = {teacher["name"] for teacher in said.get("teachers") or ()}
    tokens = len(teachers) if said.get("cls_token_per_teacher") else 1
    multiple = optional(said, "register_multiple")
    registers = multiple - tokens % multiple if multiple else 0
    frames = integer(vision, "video_temporal_patch_size", 1)
    embedded = 3 * patch * patch * (1 + (frames if frames > 1 else 0))
    block = Block(
        "vision_model.radio_model.model.blocks", depth, width, wide, heads=heads, extra=2 * width, linear=False
    )
    return [
        plain("vision_model.radio_model.model.patch_generator", (embedded + side * side + tokens + registers) * width),
        *blocks(block),
    ]


def _parakeet(sound: Json, hidden: int) -> list[Weight]:
    """By transformers 5 models/parakeet, which runs it, and vLLM 0.29 models/parakeet.py: whole on every rank."""
    width, wide = integer(sound, "hidden_size", 1024), integer(sound, "intermediate_size", 4096)
    depth, kernel = integer(sound, "num_hidden_layers", 24), integer(sound, "conv_kernel_size", 9)
    steps = integer(sound, "subsampling_factor", 8).bit_length() - 1
    stride, size = integer(sound, "subsampling_conv_stride", 2), integer(sound, "subsampling_conv_kernel_size", 3)
    channels = integer(sound, "subsampling_conv_channels", 256)
    rows, middle = integer(sound, "num_mel_bins", 80) // stride**steps, integer(sound, "projection_hidden_size")
    if sound.get("convolution_bias", True) is not True:
        raise Unsupported("config.json: sound_config.convolution_bias: false is not known here", EXTEND)
    before = (size * size + 1) * channels + (steps - 1) * (size * size + channels + 2) * channels
    attention, convolution = 5 * width * width + 2 * width, (3 * width + kernel + 6) * width
    bias = middle + hidden if sound.get("projection_bias") else 0
    return [
        plain("sound_encoder.encoder.subsampling", before + (channels * rows + 1) * width),
        plain("sound_encoder.encoder.layers", attention + convolution + (4 * wide + 10) * width, depth),
        plain("sound_projection", width + width * middle + middle * hidden + bias),
    ]


def phi4_mm(config: Json, hidden: int) -> list[Weight]:
    """Phi-4 Multimodal (vLLM 0.29 models/phi4mm.py, phi4mm_audio.py): SigLIP of 448 pixels without its last layer.

    And a conformer, whole on every rank. Its adapters are no part of what vLLM loads.
    """
    width = 1152
    processor = config.get("img_processor")
    if isinstance(processor, dict) and processor.get("layer_idx", -2) != -2:
        raise Unsupported("config.json: img_processor.layer_idx: another layer than the last but one", EXTEND)
    vision = {"hidden_size": width, "intermediate_size": 4304, "num_hidden_layers": 26, "image_size": 448,
              "num_attention_heads": 16, "patch_size": 14}  # fmt: skip
    return [
        *siglip(vision, "model.vision_embed_tokens.img_processor", last_norm=False),
        plain("model.vision_embed_tokens.img_projection", 2 * width + (width + 1 + hidden + 1) * hidden),
        *_conformer(config, hidden),
    ]


def _conformer(config: Json, hidden: int) -> list[Weight]:
    """Phi-4 Multimodal's audio encoder, with a projection for sound alone and one for sound beside images."""
    embedded = part(part(config, "embd_layer"), "audio_embd_layer")
    plainest = {"use_qformer": False, "use_conv_downsample": False, "downsample_rate": 1}
    _only(embedded, plainest, "embd_layer.audio_embd_layer")
    said = part(part(config, "audio_processor"), "config")
    width, wide, bins = integer(said, "attention_dim"), integer(said, "linear_units"), integer(said, "input_size")
    for key in ("ext_pw_out_channel", "depthwise_seperable_out_channel"):
        if integer(said, key, width) != width:
            raise Unsupported(f"config.json: audio_processor.config.{key}: another width than attention_dim", EXTEND)
    expected = {"causal": True, "bias_in_glu": True, "batch_norm": False, "cnn_layer_norm": True, "time_reduction": 8,
                "input_layer": "nemo_conv", "ext_pw_kernel_size": 1, "depthwise_multiplier": 1}  # fmt: skip
    _only(said, expected, "audio_processor.config")
    channels = integer(part(said, "nemo_conv_settings"), "conv_channels", width)
    distance = integer(part(said, "relative_attention_bias_args"), "t5_bias_max_distance")
    before = 10 * channels + 2 * (11 + channels) * channels + channels * (bins // 8) * width + width + 2 * bins
    attention, convolution = 4 * (width + 1) * width, (4 * width + 9 + integer(said, "kernel_size", 3)) * width
    forward = 2 * (3 * wide * width + 2 * wide + 3 * width)
    module = "model.embed_tokens_extend.audio_embed"
    return [
        plain(f"{module}.encoder.embed", before + 2 * distance * integer(said, "attention_heads")),
        plain(f"{module}.encoder.encoders", attention + convolution + forward + 4 * width, integer(said, "num_blocks")),
        plain(f"{module}.audio_projection", 2 * (width + 1 + hidden + 1) * hidden),
    ]


_PHI4_VISION = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16,
                "image_size": 448, "patch_size": 14}  # fmt: skip
_PHI4_AUDIO = {"hidden_size": 1024, "intermediate_size": 1536, "num_blocks": 24, "num_attention_heads": 16,
               "kernel_size": 3, "input_size": 80, "bias_max_distance": 1000, "nemo_conv_channels": 1024}  # fmt: skip
"""What transformers takes where the configs of Phi-4 Multimodal are silent (Phi4MultimodalConfig)."""


def phi4_multimodal(config: Json, hidden: int) -> list[Weight]:
    """Phi-4 Multimodal in transformers' names (vLLM 0.12 models/phi4_multimodal.py): as `phi4_mm`, but cut."""
    vision, audio = _PHI4_VISION | part(config, "vision_config"), _PHI4_AUDIO | part(config, "audio_config")
    fed = integer(vision, "num_hidden_layers") + int(vision.get("feature_layer", -2)) + 1
    same = dict.fromkeys(("ext_pw_out_channel", "depthwise_separable_out_channel"), audio["hidden_size"])
    plainest = same | {"depthwise_multiplier": 1, "bias_symmetric": False, "time_reduction": 8, "downsample_rate": 1}
    _only(audio, plainest, "audio_config")
    width, wide, depth = (integer(audio, key) for key in ("hidden_size", "intermediate_size", "num_blocks"))
    channels, bins, count = integer(audio, "nemo_conv_channels"), integer(audio, "input_size"), heads(audio)
    rows = (((bins + 1) // 2 + 1) // 2 + 1) // 2  # three convolutions of stride 2
    before = 10 * channels + 2 * (11 + channels) * channels + channels * rows * width + width + 2 * bins
    convolution, norms = (4 * width + 9 + integer(audio, "kernel_size")) * width, 8 * width
    name = "audio_embed.encoder"
    attention = Block(f"{name}.encoders", depth, width, wide, gated=True, norms=0, extra=convolution + norms + width,
                      must_divide=count)  # fmt: skip
    second = [w for w in blocks(attention) if ".mlp." in w.name]
    return [
        *siglip(vision | {"num_hidden_layers": fed}, "image_embed.img_processor", last_norm=False),
        plain("image_embed.feature_extensors", 2 * integer(vision, "hidden_size")),
        *projector("image_embed.img_projection", hidden, integer(vision, "hidden_size")),
        plain(f"{name}.embed", before + 2 * integer(audio, "bias_max_distance") * count),
        *blocks(attention),
        *second,
        *projector("audio_embed.vision_speech_projection", hidden, width),
        *projector("audio_embed.speech_projection", hidden, width),
    ]


def _only(said: Json, expected: Json, where: str) -> None:
    """Raises Unsupported for a field that holds something else."""
    for key, value in expected.items():
        if said.get(key, value) != value:
            raise Unsupported(f"config.json: {where}.{key}: {said[key]} is not known here", EXTEND)

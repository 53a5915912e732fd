"""Models composed of a known encoder and a part of their own: NVLM, Nemotron Nano VL, Ovis 2, EXAONE, Aria and others.

The one thing to know: each function here reads all of config.json.
"""

from __future__ import annotations

import math

from infercli.core.architecture.encoder_parts import (
    Block,
    blocks,
    first,
    heads,
    merger,
    part,
    patches,
    plain,
    q_former,
    siglip,
    weight,
)
from infercli.core.architecture.encoders import qwen2_5_vl, qwen3_vl
from infercli.core.architecture.fields import EXTEND, POSITIONS, head_size, integer, optional, rope_parameters
from infercli.core.architecture.layers import Weight
from infercli.core.architecture.omni import radio
from infercli.core.record import Json
from infercli.errors import Unsupported

_DUMMY_HEADS = 7
"""Heads that vLLM adds to the 25 of NVLM's InternViT-6B, so that ranks divide them (0.29 models/nvlm_d.py)."""


def hyperclova_x(config: Json, hidden: int) -> list[Weight]:
    """HyperCLOVA X SEED (vLLM 0.29 models/hyperclovax_vision_v2.py): Qwen2.5-VL's encoder and a linear layer."""
    vision = part(config, "vision_config")
    out = integer(vision, "out_hidden_size", integer(vision, "hidden_size", 1280))
    return [*qwen2_5_vl(vision, hidden), plain("mm_projector", (out + 1) * hidden)]


_OPENVLA = ["vit_large_patch14_reg4_dinov2.lvd142m", "vit_so400m_patch14_siglip_224"]


def openvla(config: Json, hidden: int) -> list[Weight]:
    """OpenVLA (vLLM 0.29 models/openvla.py): DINOv2-L and SigLIP of timm, whole, whose outputs lie side by side."""
    if (config.get("timm_model_ids") or _OPENVLA) != _OPENVLA or not config.get("use_fused_vision_backbone", True):
        raise Unsupported("config.json: timm_model_ids: others than OpenVLA's are not known here", EXTEND)
    joined = 1024 + 1152
    wide = 4 * joined
    return [
        plain("vision_backbone.featurizer", _DINO),
        plain("vision_backbone.fused_featurizer", _SIGLIP),
        weight("projector.fc1", wide, joined, split="outputs"),
        plain("projector.fc1.bias", wide, split="outputs"),
        weight("projector.fc2", hidden, wide, split="inputs"),
        weight("projector.fc3", hidden, hidden),
        plain("projector.bias", 2 * hidden),
    ]


_DINO = (3 * 14 * 14 + 1 + 256 + 1 + 4) * 1024 + 24 * (12 * 1024 * 1024 + (9 + 4 + 2) * 1024) + 2 * 1024
"""Patches, positions, a token for the class and four registers; layers with scales of their own; a norm (timm)."""
_SIGLIP_LAYER = 4 * 1152 * 1153 + 2 * 1152 * 4304 + 4304 + 1152 + 4 * 1152
_SIGLIP = (3 * 14 * 14 + 1 + 256) * 1152 + 27 * _SIGLIP_LAYER + 2 * 1152 + _SIGLIP_LAYER - 2 * 1152 + 1152
"""SigLIP with the attention that pools its patches, which has one query, one norm, and a feed-forward (timm)."""


def nvlm_d(config: Json, hidden: int) -> list[Weight]:
    """NVLM-D (vLLM 0.29 models/nvlm_d.py): InternViT with more heads, and a projector as wide as the decoder."""
    vision = part(config, "vision_config")
    width, count = integer(vision, "hidden_size"), integer(vision, "num_attention_heads")
    size, patch = first(vision.get("image_size")), first(vision.get("patch_size"))
    inner, middle = width // count * (count + _DUMMY_HEADS), integer(part(config, _text(config)), "intermediate_size")
    block = Block(
        "vision_model.encoder.layers", integer(vision, "num_hidden_layers"), width,
        integer(vision, "intermediate_size"), qkv_bias=bool(vision.get("qkv_bias", True)),
        norms=2 if vision.get("norm_type") == "rms_norm" else 4, inner=inner, heads=count + _DUMMY_HEADS,
        extra=2 * width + (2 * inner if vision.get("qk_normalization") else 0),
    )  # fmt: skip
    return [
        plain("vision_model.embeddings", (3 * patch * patch + 3 + (size // patch) ** 2) * width),
        *blocks(block),
        plain("mlp1", 8 * width + (4 * width + hidden) * middle),
    ]


def _text(config: Json) -> str:
    return "llm_config" if config.get("llm_config") else "text_config"


def nemotron_nano(config: Json, hidden: int) -> list[Weight]:
    """Llama Nemotron Nano VL (vLLM 0.29 models/nemotron_vl.py): RADIO in its own code, whole on every rank."""
    merged = integer(config, "vit_hidden_size") * round(1 / float(config.get("downsample_ratio") or 0.5)) ** 2
    middle = integer(config, "projector_hidden_size")
    encoder = [w._replace(split="replicated") for w in radio(part(config, "vision_config"))]
    return [*encoder, plain("mlp1", 2 * merged + (merged + 1) * middle + (middle + 1) * hidden)]


_INDICATORS = 5
"""Numbers of the visual vocabulary that stand for no patch (vLLM 0.29 models/ovis.py IMAGE_INDICATOR_IDS)."""


def ovis(config: Json, hidden: int) -> list[Weight]:
    """Ovis 1.6 and 2 (vLLM 0.29 models/ovis.py, aimv2.py): patches become words of a visual vocabulary."""
    said = part(config, "visual_tokenizer_config")
    vision = part(said, "backbone_config")
    words, width = integer(said, "vocab_size", 16384), integer(vision, "hidden_size", 1024)
    head = words - _INDICATORS
    kind = vision.get("model_type")
    if kind not in ("aimv2", "siglip_vision_model"):
        raise Unsupported(f"config.json: visual_tokenizer_config: a backbone of type {kind} is not known here", EXTEND)
    module = "visual_tokenizer.backbone"
    return [
        *(_aimv2(vision, module, width) if kind == "aimv2" else siglip(vision, module)),
        plain("visual_tokenizer.head", (width * integer(said, "hidden_stride", 1) ** 2 + 2) * head),
        plain("vte", words * integer(config, "hidden_size", hidden)),
    ]


def _aimv2(vision: Json, module: str, width: int) -> list[Weight]:
    """Without the norm behind its last layer."""
    side = integer(vision, "image_size", 224) // integer(vision, "patch_size", 14)
    bias, qkv_bias = bool(vision.get("use_bias")), bool(vision.get("qkv_bias"))
    if bias != qkv_bias:
        raise Unsupported("config.json: backbone_config.use_bias: another value than qkv_bias is not known", EXTEND)
    block = Block(
        f"{module}.trunk.blocks", integer(vision, "num_hidden_layers", 24), width,
        integer(vision, "intermediate_size", 2816), gated=True, bias=bias, norms=2, must_divide=heads(vision, 8),
    )  # fmt: skip
    return [plain(f"{module}.preprocessor", (patches(vision, 14, 1) + 2 + side * side) * width), *blocks(block)]


def exaone4_5(config: Json, hidden: int) -> list[Weight]:
    """EXAONE 4.5 (vLLM 0.29 models/exaone4_5.py): Qwen2.5-VL's encoder with fewer keys and values than queries."""
    vision = part(config, "vision_config")
    width, merge = integer(vision, "hidden_size", 3584), integer(vision, "spatial_merge_size", 2) ** 2
    count = integer(vision, "num_heads", 16)
    block = Block(
        "visual.blocks", integer(vision, "depth", 32), width, integer(vision, "intermediate_size", 3420), gated=True,
        norms=2, kv=width // count * integer(vision, "num_key_value_heads", 8), must_divide=count,
    )  # fmt: skip
    return [
        plain("visual.patch_embed", patches(vision, 14, 2) * width),
        *blocks(block),
        *merger("visual.merger", width, merge, integer(vision, "out_hidden_size", hidden), norms=1),
    ]


def aria(config: Json, hidden: int) -> list[Weight]:
    """Aria (vLLM 0.29 models/aria.py): learned queries attend to SigLIP's patches; attention is whole on every rank."""
    vision = part(config, "vision_config")
    width = integer(vision, "hidden_size")
    queries = max(int(n) for n in (config.get("projector_patch_to_query_dict") or {"1225": 128, "4900": 256}).values())
    return [
        *siglip(vision, last_norm=False),
        plain("multi_modal_projector.cross_attn", (queries + 8 * width + 11) * width),
        weight("multi_modal_projector.feed_forward.linear_in", hidden, width, split="outputs", linear=False),
        weight("multi_modal_projector.feed_forward.linear_out", hidden, hidden, split="inputs", linear=False),
    ]


def eagle2_5(config: Json, hidden: int) -> list[Weight]:
    """Eagle 2.5 (vLLM 0.29 models/eagle2_5_vl.py): SigLIP, and InternVL's projector, never quantized."""
    vision = part(config, "vision_config")
    count, asked = integer(vision, "num_hidden_layers"), int(config.get("select_layer", -1))
    fed = count + asked + 1 if asked < 0 else asked + 1
    merged = 4 * integer(vision, "hidden_size")
    encoder = siglip(vision | {"num_hidden_layers": fed}, "vision_model", last_norm=fed == count)
    return [*encoder, plain("mlp1", 2 * merged + (merged + 1 + hidden + 1) * hidden)]


def granite4_vision(config: Json, hidden: int) -> list[Weight]:
    """Granite 4 Vision (vLLM 0.29 models/granite4_vision.py): Q-formers over windows of several of SigLIP's layers."""
    vision = part(config, "vision_config")
    width = integer(vision, "hidden_size")
    pairs = config.get("deepstack_layer_map") or config.get("vision_layer_to_llm_layer") or ()
    spatial = config.get("use_checkerboard_sampling")
    spatial = config.get("use_spatial_sampling") if spatial is None else spatial
    queries, window = (int(side) for side in str(config.get("downsample_rate")).split("/"))
    said = {"hidden_size": width, "num_hidden_layers": 1, "cross_attention_frequency": 1}
    projectors = len(pairs) + (4 if spatial else 0)
    around = (2 + queries**2 + window**2) * width + (width + 1) * hidden
    newline = hidden if config.get("use_image_newline_parameter", True) else 0
    return [
        *siglip(vision, last_norm=False),
        plain("projectors", around, projectors),
        *(w._replace(copies=projectors * w.copies) for w in q_former("projectors.qformer", said, width)),
        *([plain("image_newline", newline)] if newline else []),
    ]


def blip2(config: Json, hidden: int) -> list[Weight]:
    """BLIP-2 (vLLM 0.29 models/blip2.py, blip.py): EVA-CLIP, and a Q-former."""
    vision = {"hidden_size": 1408, "intermediate_size": 6144, "num_hidden_layers": 39, "image_size": 224} | part(
        config, "vision_config"
    )
    width, queries = integer(vision, "hidden_size"), integer(config, "num_query_tokens", 32)
    side = integer(vision, "image_size") // integer(vision, "patch_size", 14)
    said = {"encoder_hidden_size": 1408} | (config.get("qformer_config") or {})
    between = integer(said, "hidden_size", 768)
    block = Block(
        "vision_model.encoder.layers", integer(vision, "num_hidden_layers"), width,
        integer(vision, "intermediate_size"), qkv_bias=bool(vision.get("qkv_bias", True)), must_divide=heads(vision),
    )  # fmt: skip
    return [
        plain("vision_model.embeddings", (patches(vision, 14, 1) + 3 + side * side + 1 + 1) * width),
        *blocks(block),
        plain("query_tokens", queries * between),
        *q_former("qformer", said, width),
        plain("language_projection", (between + 1) * hidden),
    ]


def hunyuan(config: Json, _hidden: int) -> list[Weight]:
    """HunYuan-OCR (vLLM 0.28 models/hunyuan_vision.py): a ViT whose patches two convolutions merge."""
    vision = part(config, "vision_config")
    width, merge = integer(vision, "hidden_size", 1152), integer(vision, "spatial_merge_size", 2) ** 2
    out, side = integer(vision, "out_hidden_size", 4096), integer(vision, "max_image_size", 2048)
    positions = (side // integer(vision, "patch_size", 16)) ** 2 + 1
    block = Block(
        "visual.layers", integer(vision, "num_hidden_layers", 27), width, integer(vision, "intermediate_size", 4304),
        must_divide=heads(vision),
    )  # fmt: skip
    merged = (merge * width + 1) * 2 * width + (2 * width + 1) * 4 * width + 4 * width + width
    return [
        plain("visual.embeddings", (patches(vision, 16, 1) + 1 + positions) * width),
        *blocks(block),
        plain("visual.perceive", merged + (4 * width + 1 + 3 + 1) * out),
    ]


def qwen_vl(visual: Json, _hidden: int) -> list[Weight]:
    """Qwen-VL of 2023 (vLLM 0.23 models/qwen_vl.py): attention and the resampler are whole on every rank."""
    width, out = integer(visual, "width"), integer(visual, "output_dim")
    wide = int(width * float(visual["mlp_ratio"]))
    block = Block(
        "transformer.visual.transformer.resblocks", integer(visual, "layers"), width, wide, attention_whole=True
    )
    queries = integer(visual, "n_queries", 256)
    resampler = 2 * queries + width + 4 * out + 4 + 4  # queries, positions; keys and values; attention; two norms
    return [
        plain("transformer.visual.embeddings", (patches(visual, 14, 1) + 256 + 2) * width),
        *blocks(block),
        plain("transformer.visual.attn_pool", (resampler + 2 + out) * out),
    ]


def intern_s1_pro(config: Json, hidden: int) -> list[Weight]:
    """Intern-S1 Pro (vLLM 0.29 models/interns1_pro.py, layers/rotary_embedding/fope.py): Qwen3-VL's encoder.

    And, for each KV head, what mixes the frequencies of its decoder's positions: those that turn once in the context.
    """
    text = part(config, "text_config")
    said = rope_parameters(text)
    width, longest = head_size(text), integer(text, POSITIONS)
    base = float(said.get("rope_theta") or text.get("rope_theta") or 10000.0)
    turning = math.ceil(width / 2 * math.log(longest / (2 * math.pi)) / math.log(base))
    mixed = min(optional(said, "num_inv_freq") or turning, width // 2)
    count = integer(text, "num_key_value_heads")
    return [
        *qwen3_vl(part(config, "vision_config"), hidden),
        plain("model.rotary_emb", 2 * count * mixed * mixed, split="outputs"),
    ]


def fuyu(config: Json, hidden: int) -> list[Weight]:
    """Fuyu (vLLM 0.25 models/fuyu.py): no encoder, a linear layer makes a token of a patch."""
    pixels = integer(config, "num_channels", 3) * integer(config, "patch_size", 30) ** 2
    return [
        weight("vision_embed_tokens", hidden, pixels, split="outputs"),
        plain("vision_embed_tokens.bias", hidden, split="outputs"),
    ]

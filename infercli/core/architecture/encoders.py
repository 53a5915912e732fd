"""Vision and audio encoders in front of a decoder: their weights, and how vLLM splits them.

The one thing to know: what they are made of, and what of it vLLM cuts, is in encoder_parts.py. An encoder that is not
known is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable

from infercli.core.architecture.encoder_parts import (
    Block,
    blocks,
    first,
    heads,
    layers_fed,
    merger,
    patches,
    plain,
    projector,
    siglip,
    weight,
)
from infercli.core.architecture.fields import EXTEND, integer, optional
from infercli.core.architecture.layers import Weight
from infercli.core.record import Json
from infercli.errors import Unsupported


def qwen2_vl(vision: Json, hidden: int) -> list[Weight]:
    """Qwen2-VL (vLLM models/qwen2_vl.py Qwen2VisionTransformer)."""
    width, merge = integer(vision, "embed_dim", 1280), integer(vision, "spatial_merge_size", 2) ** 2
    wide = int(width * float(vision.get("mlp_ratio") or 4))
    return [
        plain("visual.patch_embed", patches(vision, 14, 2) * width),
        *blocks(Block("visual.blocks", integer(vision, "depth", 32), width, wide, must_divide=heads(vision))),
        *merger("visual.merger", width, merge, hidden),
    ]


def qwen2_5_vl(vision: Json, hidden: int) -> list[Weight]:
    """Qwen2.5-VL and the models with its encoder (vLLM models/qwen2_5_vl.py)."""
    width, merge = integer(vision, "hidden_size", 1280), integer(vision, "spatial_merge_size", 2) ** 2
    block = Block(
        "visual.blocks", integer(vision, "depth", 32), width, integer(vision, "intermediate_size", 3420), gated=True,
        norms=2, must_divide=heads(vision),
    )  # fmt: skip
    return [
        plain("visual.patch_embed", patches(vision, 14, 2) * width),
        *blocks(block),
        *merger("visual.merger", width, merge, integer(vision, "out_hidden_size", hidden), norms=1),
    ]


def qwen3_vl(vision: Json, hidden: int) -> list[Weight]:
    """Qwen3-VL and Qwen3.5 (vLLM models/qwen3_vl.py): a merger at the end, and one for each deep-stack level."""
    width, merge = integer(vision, "hidden_size"), integer(vision, "spatial_merge_size", 2) ** 2
    out = integer(vision, "out_hidden_size", hidden)
    deep = len(vision.get("deepstack_visual_indexes") or ())
    weights = [
        plain("visual.patch_embed", (patches(vision, 16, 2) + 1) * width),
        plain("visual.pos_embed", (optional(vision, "num_position_embeddings") or 0) * width),
        *blocks(
            Block(
                "visual.blocks",
                integer(vision, "depth"),
                width,
                integer(vision, "intermediate_size"),
                must_divide=heads(vision),
            )
        ),
        *merger("visual.merger", width, merge, out),
    ]
    for level in range(deep):
        weights += merger(f"visual.deepstack_merger_list.{level}", width, merge, out, norms=2 * merge)
    return weights


def gemma3(vision: Json, hidden: int) -> list[Weight]:
    """Gemma 3's SigLIP, pooled and projected (vLLM models/siglip.py, gemma3_mm.py)."""
    width = integer(vision, "hidden_size")
    return [*siglip(vision), plain("multi_modal_projector", width * hidden + width)]


def llava_next(vision: Json, hidden: int) -> list[Weight]:
    """LLaVA's, with a vector that ends a row of tiles (vLLM models/llava_next.py)."""
    return [*llava(vision, hidden), plain("image_newline", hidden)]


def minimax_vl(vision: Json, hidden: int) -> list[Weight]:
    """MiniMax-VL-01 (vLLM 0.23 models/minimax_vl_01.py): as LLaVA-NeXT's, with biases whatever config.json says."""
    return llava_next(vision | {"multimodal_projector_bias": True}, hidden)


def llava_next_video(vision: Json, hidden: int) -> list[Weight]:
    """LLaVA's, with a projector that is whole on every rank (vLLM 0.29 models/llava_next_video.py)."""
    return llava(vision, hidden, whole=True)


def llava_onevision(vision: Json, hidden: int) -> list[Weight]:
    """LLaVA-NeXT's, up to the last layer, with a projector that is whole (vLLM 0.29 models/llava_onevision.py)."""
    return [*llava(vision, hidden, fed=-1, whole=True), plain("image_newline", hidden)]


def bee(vision: Json, hidden: int) -> list[Weight]:
    """Bee (vLLM 0.29 models/bee.py): as LLaVA-OneVision's, with a norm before its projector, four times as wide."""
    return _normed(vision, hidden, 4 * hidden)


def r_vl(vision: Json, hidden: int) -> list[Weight]:
    """R-4B (vLLM 0.29 models/rvl.py): as LLaVA-OneVision's, with a norm before its projector."""
    return _normed(vision, hidden, hidden)


def _normed(vision: Json, hidden: int, middle: int) -> list[Weight]:
    width, module = integer(vision, "hidden_size"), "multi_modal_projector"
    return [
        *(w for w in llava_onevision(vision, hidden) if not w.name.startswith(module)),
        plain(f"{module}.pre_norm", 2 * width),
        weight(f"{module}.linear_1", middle, width, linear=False),
        weight(f"{module}.linear_2", hidden, middle, linear=False),
        plain(f"{module}.bias", middle + hidden),
    ]


def llava_onevision2(vision: Json, hidden: int) -> list[Weight]:
    """LLaVA-OneVision 2 (vLLM 0.29 models/llava_onevision2.py): patches of one frame, and no positions of their own."""
    width, merge = integer(vision, "hidden_size"), integer(vision, "spatial_merge_size") ** 2
    block = Block(
        "visual.encoder.layers", integer(vision, "num_hidden_layers"), width, integer(vision, "intermediate_size"),
        must_divide=heads(vision), linear=False,
    )  # fmt: skip
    behind = (w._replace(linear=False) for w in merger("visual.merger", width, merge, hidden))
    return [plain("visual.embeddings", (patches(vision, 14, 1) + 2) * width), *blocks(block), *behind]


def llava(vision: Json, hidden: int, fed: int = -2, *, whole: bool = False) -> list[Weight]:
    """The encoder behind LLaVA's two linear layers, up to the layer that feeds them (vLLM models/llava.py).

    `fed`: that layer, where config.json does not say; `whole`: the projector is not cut.
    """
    kind = str(vision.get("model_type") or "clip_vision_model")
    vision = {"model_type": kind} | vision | {"num_hidden_layers": layers_fed(vision, fed)}
    if kind == "pixtral":
        tower = _pixtral_tower(vision)
    elif kind in ("clip_vision_model", "siglip_vision_model"):
        tower = siglip(vision, last_norm=False)
    else:
        raise Unsupported(f"config.json: vision_config.model_type: {kind} is not known here", EXTEND)
    bias = bool(vision.get("multimodal_projector_bias", True))
    inputs = integer(vision, "hidden_size")
    return [*tower, *projector("multi_modal_projector", hidden, inputs, bias=bias, whole=whole)]


_PIXTRAL_CUT = (0, 29)
"""The first release whose source was seen to cut Pixtral's encoder; logs to 0.25 show it whole."""


def mistral3(vision: Json, hidden: int) -> list[Weight]:
    """Pixtral with Mistral 3's projector (vLLM models/pixtral.py, mistral3.py).

    Start-up logs to 0.25 show it whole on every rank (Ministral 3 14B); 0.29 cuts blocks and projector.
    """
    return _pixtral(vision, hidden, whole=False)


def pixtral(vision: Json, hidden: int) -> list[Weight]:
    """Pixtral in Mistral's own format, whose projector is whole in 0.29 too (vLLM models/pixtral.py)."""
    return _pixtral(vision, hidden, whole=True)


def pixtral_decoder(config: Json) -> str:
    """Mistral Large 3's has latent attention and experts (vLLM 0.29 transformers_utils/configs/mistral.py)."""
    latent = "kv_lora_rank" in (config.get("text_config") or {})
    return "MistralLarge3ForCausalLM" if latent else "MistralForCausalLM"


def _pixtral(vision: Json, hidden: int, *, whole: bool) -> list[Weight]:
    width, merge = integer(vision, "hidden_size", 1024), integer(vision, "spatial_merge_size", 1) ** 2
    weights = _pixtral_tower(vision)
    if merge > 1:
        weights.append(weight("multi_modal_projector.patch_merger.merging_layer", width, merge * width))
        weights.append(plain("multi_modal_projector.norm", width))
    return [
        *weights,
        *projector("multi_modal_projector", hidden, width, bias=False, whole=whole, cut_since=_PIXTRAL_CUT),
    ]


def _pixtral_tower(vision: Json) -> list[Weight]:
    width = integer(vision, "hidden_size", 1024)
    block = Block(
        "vision_tower.transformer.layers", integer(vision, "num_hidden_layers", 24), width,
        integer(vision, "intermediate_size", 4096), gated=True, bias=False, norms=2,
        cut_since=_PIXTRAL_CUT, must_divide=heads(vision),
    )  # fmt: skip
    return [plain("vision_tower.patch_conv", (patches(vision, 16, 1) + 1) * width), *blocks(block)]


def llama4(vision: Json, hidden: int) -> list[Weight]:
    """Llama 4's encoder (vLLM models/mllama4.py). Scout's and Maverick's published widths where config.json is cut."""
    width, wide = integer(vision, "hidden_size", 1408), integer(vision, "intermediate_size", 5632)
    positions = (integer(vision, "image_size", 336) // integer(vision, "patch_size", 14)) ** 2 + 1
    out = integer(vision, "vision_output_dim", 4096)
    return [
        weight("vision_model.patch_embedding.linear", width, patches(vision, 14, 1), split="outputs"),
        plain("vision_model.embeddings", (positions + 1 + 4) * width),
        *blocks(
            Block(
                "vision_model.model.layers",
                integer(vision, "num_hidden_layers", 34),
                width,
                wide,
                must_divide=heads(vision),
            )
        ),
        weight("vision_model.vision_adapter.mlp.fc1", out, wide, split="outputs"),
        weight("vision_model.vision_adapter.mlp.fc2", out, out, split="inputs"),
        weight("multi_modal_projector.linear_1", hidden, out, split="outputs"),
    ]


def kimi(vision: Json, hidden: int) -> list[Weight]:
    """MoonViT (vLLM models/moonvit.py)."""
    width = integer(vision, ("vt_hidden_size", "hidden_size"))
    wide = integer(vision, ("vt_intermediate_size", "intermediate_size"))
    side = integer(vision, "init_pos_emb_height", 64) * integer(vision, "init_pos_emb_width", 64)
    depth = integer(vision, ("vt_num_hidden_layers", "num_hidden_layers"))
    kernel = vision.get("merge_kernel_size") or [2, 2]
    whole = width * int(kernel[0]) * int(kernel[1])
    count = integer(vision, ("vt_num_attention_heads", "num_attention_heads"), 16)
    return [
        plain("vision_tower.patch_embed", (patches(vision, 14, 1) + 1 + side) * width),
        *blocks(Block("vision_tower.encoder.blocks", depth, width, wide, must_divide=count)),
        weight("mm_projector.linear_1", whole, whole),
        weight("mm_projector.linear_2", hidden, whole),
        plain("mm_projector.norm", 4 * width + whole + hidden),
    ]


def kimi_k25(vision: Json, hidden: int) -> list[Weight]:
    """As `kimi`, but whole on every rank where the ranks do not divide its heads (vLLM 0.29 models/kimi_k25_vit.py)."""
    return [w._replace(heads=w.must_divide, must_divide=0) for w in kimi(vision, hidden)]


def gemma4(vision: Json, hidden: int) -> list[Weight]:
    """Gemma 4's encoder, which transformers runs: whole on every rank (vLLM models/gemma4_mm.py)."""
    width = integer(vision, "hidden_size")
    head_dim = integer(vision, "head_dim", width // integer(vision, "num_attention_heads"))
    block = Block(
        "vision_tower.encoder.layers", integer(vision, "num_hidden_layers"), width,
        integer(vision, "intermediate_size"), gated=True, bias=False, extra=2 * head_dim, whole=True,
    )  # fmt: skip
    return [
        plain("vision_tower.patch_embedder", (patches(vision, 16, 1)) * width),
        plain("vision_tower.positions", 2 * integer(vision, "position_embedding_size", 10240) * width),
        *blocks(block),
        weight("embed_vision.embedding_projection", hidden, width),
    ]


def glm4v(vision: Json, hidden: int) -> list[Weight]:
    """GLM-4.1V and 4.5V (vLLM models/glm4_1v.py): the feed-forward of its blocks is as wide as its output."""
    width, out = integer(vision, "hidden_size"), integer(vision, "out_hidden_size", hidden)
    merge, context = integer(vision, "spatial_merge_size", 2) ** 2, integer(vision, "intermediate_size")
    side = integer(vision, "image_size", 336) // integer(vision, "patch_size", 14)
    depth = integer(vision, ("depth", "num_hidden_layers"))
    return [
        plain("visual.patch_embed", (patches(vision, 14, 2) + 1 + side * side + 2) * width),
        *blocks(
            Block("visual.blocks", depth, width, out, gated=True, bias=False, norms=2, must_divide=heads(vision, 12))
        ),
        plain("visual.downsample", (merge * width + 1 + 2) * out),
        weight("visual.merger.proj", out, out, split="outputs"),
        weight("visual.merger.gate_up_proj", 2 * context, out, split="outputs"),
        weight("visual.merger.down_proj", out, context, split="inputs"),
    ]


def internvl(vision: Json, hidden: int) -> list[Weight]:
    """InternViT with its projector (vLLM models/intern_vit.py, internvl.py): attention is cut where heads divide."""
    return _intern(vision, hidden, qkv_bias=bool(vision.get("qkv_bias", True)), whole=False)


def qianfan(vision: Json, hidden: int) -> list[Weight]:
    """Qianfan-OCR: InternVL's, whose biases transformers has named anew (vLLM 0.33 models/qianfan_ocr.py)."""
    return internvl({"qkv_bias": vision.get("attention_bias", True), **_QIANFAN, **vision}, hidden)


_QIANFAN: Json = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 448, "patch_size": 14,
}  # fmt: skip
"""What transformers 5.24 models/qianfan_ocr/configuration_qianfan_ocr.py takes where config.json says nothing."""


def interns1(vision: Json, hidden: int) -> list[Weight]:
    """InternViT in transformers' names, whose attention is whole on every rank (vLLM 0.29 models/interns1_vit.py)."""
    return _intern(vision, hidden, qkv_bias=bool(vision.get("attention_bias", False)), whole=True)


def _intern(vision: Json, hidden: int, *, qkv_bias: bool, whole: bool) -> list[Weight]:
    """`whole`: of the attention of its blocks."""
    width, wide = integer(vision, "hidden_size"), integer(vision, "intermediate_size")
    size, patch = first(vision.get("image_size")), first(vision.get("patch_size"))
    merged = 4 * width
    extra = 2 * width + (2 * width if vision.get("qk_normalization") or vision.get("use_qk_norm") else 0)
    block = Block(
        "vision_model.encoder.layers",
        integer(vision, "num_hidden_layers"),
        width,
        wide,
        qkv_bias=qkv_bias,
        norms=2 if vision.get("norm_type") == "rms_norm" else 4,
        extra=extra,
        attention_whole=whole,
        heads=integer(vision, "num_attention_heads", 16),
    )
    return [
        plain("vision_model.embeddings", (3 * patch * patch + 3 + (size // patch) ** 2) * width),
        *blocks(block),
        weight("mlp1.1", hidden, merged),
        weight("mlp1.3", hidden, hidden),
        plain("mlp1.0", 2 * merged + 2 * hidden),
    ]


def minimax_m3(vision: Json, hidden: int) -> list[Weight]:
    """MiniMax M3's CLIP with a patch merger (vLLM models/minimax_m3/common/vision_tower.py)."""
    width, wide = integer(vision, "hidden_size"), integer(vision, "intermediate_size")
    merge = integer(vision.get("img_token_compression_config") or {}, "spatial_merge_size", 2) ** 2
    return [
        plain("vision_tower.embeddings", (patches(vision, 14, 2) + 2) * width),
        *blocks(
            Block(
                "vision_tower.encoder.layers",
                integer(vision, "num_hidden_layers"),
                width,
                wide,
                must_divide=heads(vision),
            )
        ),
        weight("multi_modal_projector.linear_1", hidden, width, split="outputs"),
        weight("multi_modal_projector.linear_2", hidden, hidden, split="inputs"),
        weight("patch_merge_mlp.linear_1", hidden, merge * hidden, split="outputs"),
        weight("patch_merge_mlp.linear_2", hidden, hidden, split="inputs"),
        plain("multi_modal_projector.linear_1.bias", 2 * hidden, split="outputs"),  # and the merger's
        plain("multi_modal_projector.linear_2.bias", 2 * hidden),
    ]


def qwen2_audio(audio: Json, hidden: int) -> list[Weight]:
    """Qwen2-Audio's Whisper encoder, which transformers runs: whole on every rank (vLLM models/qwen2_audio.py)."""
    width, wide = integer(audio, "d_model", 1280), integer(audio, "encoder_ffn_dim", 5120)
    bins, rows = integer(audio, "num_mel_bins", 128), integer(audio, "max_source_positions", 1500)
    depth = integer(audio, "encoder_layers", 32)
    return [
        plain("audio_tower.conv", 3 * bins * width + 3 * width * width + 2 * width),
        plain("audio_tower.embed_positions", (rows + 2) * width),
        *blocks(Block("audio_tower.layers", depth, width, wide, whole=True, extra=-width)),  # keys have no bias
        weight("multi_modal_projector.linear", hidden, width),
        plain("multi_modal_projector.bias", hidden),
    ]


def dots(vision: Json, hidden: int) -> list[Weight]:
    """The encoder of dots.ocr (vLLM models/dots_ocr.py): gated, without biases."""
    width, wide = integer(vision, "embed_dim", 1536), integer(vision, "intermediate_size", 4224)
    depth = integer(vision, "num_hidden_layers", 42)
    return [
        plain("vision_tower.patch_embed", (patches(vision, 14, 1) + 2) * width),
        *blocks(
            Block(
                "vision_tower.blocks",
                depth,
                width,
                wide,
                gated=True,
                bias=False,
                norms=2,
                must_divide=heads(vision, 12),
            )
        ),
        plain("vision_tower.post_trunk_norm", width if vision.get("post_norm", True) else 0),
        *merger("vision_tower.merger", width, integer(vision, "spatial_merge_size", 2) ** 2, hidden),
    ]


Encoder = Callable[[Json, int], list[Weight]]
"""(what config.json says of the encoder, the decoder's hidden width) -> weights."""

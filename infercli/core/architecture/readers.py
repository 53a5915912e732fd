"""Models made to read documents, or without an encoder of a known kind: GLM-OCR, DeepSeek-OCR, Gemma 4 Unified.

The one thing to know: each function here reads all of config.json.
"""

from __future__ import annotations

from infercli.core.architecture.encoder_parts import Block, blocks, heads, part, patches, plain, weight
from infercli.core.architecture.fields import EXTEND, integer
from infercli.core.architecture.layers import Weight
from infercli.core.record import Json
from infercli.errors import Unsupported


def glm_ocr(config: Json, _hidden: int) -> list[Weight]:
    """GLM-OCR (vLLM 0.29 models/glm_ocr.py): no positions, norms over heads, a merger as wide as the decoder."""
    vision = part(config, "vision_config")
    width, out = integer(vision, "hidden_size", 1024), integer(vision, "out_hidden_size", 1536)
    merge = integer(vision, "spatial_merge_size", 2) ** 2
    wide, count = integer(vision, "intermediate_size", 4096), heads(vision)
    context = integer(part(config, "text_config"), "intermediate_size", 4096)
    block = Block(
        "visual.blocks",
        integer(vision, "depth", 24),
        width,
        wide,
        gated=True,
        norms=2,
        extra=2 * (width // count),
        must_divide=count,
    )
    return [
        plain("visual.patch_embed", (patches(vision, 14, 2) + 2) * width),
        *blocks(block),
        plain("visual.downsample", (merge * width + 1 + 2) * out),
        weight("visual.merger.proj", out, out, split="outputs"),
        weight("visual.merger.gate_up_proj", 2 * context, out, split="outputs"),
        weight("visual.merger.down_proj", out, context, split="inputs"),
    ]


def glm4v(config: Json, hidden: int) -> list[Weight]:
    """GLM-4V of 2024 (vLLM 0.29 models/glm4v.py): EVA-CLIP, and a gated feed-forward as wide as the decoder's."""
    vision = part(config, "vision_config")
    width, wide = integer(vision, "hidden_size"), integer(config, "ffn_hidden_size")
    name = "transformer.vision"
    block = Block(
        f"{name}.transformer.layers",
        integer(vision, "num_hidden_layers"),
        width,
        integer(vision, "intermediate_size"),
        must_divide=heads(vision),
    )
    return [
        plain(f"{name}.patch_embedding", (patches(vision, 14, 1) + 2 + integer(vision, "num_positions")) * width),
        *blocks(block),
        plain(f"{name}.conv", (4 * width + 1 + 2 + 2) * hidden),  # its bias, a norm, and two vectors around an image
        weight(f"{name}.linear_proj.linear_proj", hidden, hidden),
        weight(f"{name}.linear_proj.merged_proj", 2 * wide, hidden, split="outputs"),
        weight(f"{name}.linear_proj.dense_4h_to_h", hidden, wide, split="inputs"),
    ]


def deepseek_ocr(config: Json, _hidden: int) -> list[Weight]:
    """DeepSeek-OCR (vLLM 0.29 models/deepseek_ocr.py, deepencoder.py): SAM ViT-B, whole, then CLIP ViT-L of 224 pixels.

    Both have the widths that the class fixes, whatever config.json says of them.
    """
    return [
        *_sam(out=1024),
        plain("vision_model.embeddings", (1 + 3 * 14 * 14 + 257 + 2) * 1024),
        *blocks(Block("vision_model.transformer.layers", 24, 1024, 4096, must_divide=16)),
        *_projector(config, separators=2),
    ]


def deepseek_ocr2(config: Json, _hidden: int) -> list[Weight]:
    """DeepSeek-OCR 2 (vLLM 0.29 models/deepseek_ocr2.py, deepencoder2.py): SAM ViT-B, then the layers of Qwen2-0.5B.

    Those have 14 heads of 64 and 2 KV heads, biases on queries, keys and values, and learned queries for two sizes of
    an image; transformers runs them, whole on every rank.
    """
    width, kv = 896, 2 * 64
    block = Block(
        "qwen2_model.model.model.layers", 24, width, 4864, gated=True, bias=False, norms=2, kv=kv, extra=width + 2 * kv,
        whole=True, linear=False,
    )  # fmt: skip
    return [
        *_sam(out=width),
        *blocks(block),
        plain("qwen2_model.queries", (144 + 256 + 1) * width),
        *_projector(config, separators=1),
    ]


def _projector(config: Json, separators: int) -> list[Weight]:
    """One linear layer, and the vectors between rows and views."""
    said = part(config, "projector_config")
    if said.get("projector_type") != "linear":
        raise Unsupported(
            f"config.json: projector_config.projector_type: {said.get('projector_type')} is not known here", EXTEND
        )
    out, inputs = integer(said, "n_embed", 2048), integer(said, "input_dim", 1152)
    return [plain("projector.layers", (inputs + 1) * out), plain("separators", separators * out)]


def deepseek_vl2(config: Json, _hidden: int) -> list[Weight]:
    """DeepSeek-VL2 (vLLM 0.29 models/deepseek_vl2.py): timm's SigLIP of 384 pixels, whatever config.json says of it.

    Only its feed-forwards are cut, and those of the pooling behind it, which is loaded and not asked.
    """
    said = part(config, "projector_config")
    if said.get("projector_type", "downsample_mlp_gelu") != "downsample_mlp_gelu" or said.get("token_pooling"):
        raise Unsupported(
            f"config.json: projector_config.projector_type: {said.get('projector_type')} is not known here", EXTEND
        )
    width, wide, out = 1152, 4304, integer(said, "n_embed", 2048)
    merged = integer(said, "input_dim", width) * integer(said, "downsample_ratio", 2) ** 2
    middle = out * integer(said, "mlp_ratio", 1)
    between = (integer(said, "depth", 2) - 2) * (middle + 1) * middle
    block = Block("vision.blocks", 27, width, wide, attention_whole=True, linear=False)
    return [
        plain("vision.patch_embed", (3 * 14 * 14 + 1 + 27 * 27 + 2) * width),
        *blocks(block),
        plain("vision.attn_pool", (1 + 4 * width + 4 + 2 + 1) * width),
        weight("vision.attn_pool.mlp.fc1", wide, width, split="outputs", linear=False),
        plain("vision.attn_pool.mlp.fc1.bias", wide, split="outputs"),
        weight("vision.attn_pool.mlp.fc2", width, wide, split="inputs", linear=False),
        plain("projector.layers", (merged + 1) * middle + between + (middle + 1) * out),
        plain("separators", 2 * out),
    ]


def _sam(out: int) -> list[Weight]:
    """SAM ViT-B, `out` columns wide at its end: 12 layers.

    Four attend to all of 64 x 64 patches, eight within windows of 14 x 14, and all have positions by distance.
    """
    relative = 64 * 2 * (4 * (2 * 64 - 1) + 8 * (2 * 14 - 1))
    neck = 256 * 768 + 9 * 256 * 256 + 4 * 256 + 9 * 256 * 512 + 9 * 512 * out
    return [
        plain("sam_model.embeddings", (3 * 16 * 16 + 1 + 64 * 64) * 768 + relative),
        *blocks(Block("sam_model.blocks", 12, 768, 3072, whole=True, linear=False)),
        plain("sam_model.neck", neck),
    ]


def deepseek_decoder(config: Json) -> str:
    """Attention without a latent vector, where its widths are 0, is that of the first DeepSeek-MoE."""
    text = part(config, "language_config")
    latent = text.get("qk_nope_head_dim") or text.get("qk_rope_head_dim")
    return "DeepseekV2ForCausalLM" if latent else "DeepseekForCausalLM"


def deepseek_vl2_text(config: Json) -> Json:
    """With the vocabulary where config.json is silent (vLLM 0.29 transformers_utils/configs/deepseek_vl2.py)."""
    return {"vocab_size": 102400} | config


def gemma4_unified(config: Json, hidden: int) -> list[Weight]:
    """Gemma 4 without encoders (vLLM 0.29 models/gemma4_unified.py): a layer for patches, and one for sound."""
    vision = part(config, "vision_config")
    width, out = integer(vision, "mm_embed_dim", 3840), integer(vision, "output_proj_dims", 3840)
    side = integer(vision, "patch_size", 16) * integer(vision, "pooling_kernel_size", 3)
    pixels, positions = 3 * side * side, integer(vision, "mm_posemb_size", 1120)
    weights = [
        plain("vision_embedder.patch_dense", (pixels + 1) * width, split="outputs"),
        plain("vision_embedder", 2 * positions * width + 2 * pixels + 4 * width),
        plain("embed_vision.embedding_projection", out * hidden),
    ]
    if not config.get("audio_config"):
        return weights
    sound = integer(part(config, "audio_config"), "audio_embed_dim", 640)
    return [*weights, plain("embed_audio.embedding_projection", sound * hidden)]

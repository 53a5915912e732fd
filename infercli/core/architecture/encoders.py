"""Vision and audio encoders in front of a decoder: their weights, and how vLLM splits them.

The one thing to know: blocks of most encoders are cut by tensor parallelism (mm_encoder_tp_mode `weights`, the
default), what stands before and behind them is whole on every rank. An encoder that is not known is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from infercli.core.architecture.fields import EXTEND, integer, optional
from infercli.core.architecture.layers import Split, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported


class _Block(NamedTuple):
    """One kind of encoder layer."""

    module: str
    depth: int
    hidden: int
    intermediate: int
    gated: bool = False
    bias: bool = True
    """Of all its linear layers."""
    norms: int = 4
    """Vectors of the hidden width: a LayerNorm has two, an RMSNorm one."""
    extra: int = 0
    """Other elements per layer: norms over heads."""
    inner: int | None = None
    """Width of all heads together; None: the hidden width."""
    whole: bool = False
    """Not cut by tensor parallelism."""


def _blocks(b: _Block) -> list[Weight]:
    inner, parts = b.inner or b.hidden, 2 if b.gated else 1
    small = (b.norms * b.hidden + b.extra) + (3 * inner + 2 * b.hidden + parts * b.intermediate if b.bias else 0)
    return [
        _weight(f"{b.module}.attn.qkv", 3 * inner, b.hidden, b.depth, "replicated" if b.whole else "outputs"),
        _weight(f"{b.module}.attn.proj", b.hidden, inner, b.depth, "replicated" if b.whole else "inputs"),
        _weight(
            f"{b.module}.mlp.fc1", parts * b.intermediate, b.hidden, b.depth, "replicated" if b.whole else "outputs"
        ),
        _weight(f"{b.module}.mlp.fc2", b.hidden, b.intermediate, b.depth, "replicated" if b.whole else "inputs"),
        _plain(f"{b.module}.norm", small, b.depth),
    ]


def _weight(module: str, outputs: int, inputs: int, copies: int = 1, split: Split = "replicated") -> Weight:
    return Weight(
        name=module, role="encoder", module=module, outputs=outputs, inputs=inputs, copies=copies, split=split,
        linear=True,
    )  # fmt: skip


def _plain(module: str, elements: int, copies: int = 1) -> Weight:
    """What no quantization touches: patches, positions, norms and biases."""
    return Weight(name=module, role="encoder", module=module, outputs=elements, inputs=1, copies=copies)


def qwen2_vl(vision: Json, hidden: int) -> list[Weight]:
    """Qwen2-VL (vLLM models/qwen2_vl.py Qwen2VisionTransformer)."""
    width, merge = integer(vision, "embed_dim", 1280), integer(vision, "spatial_merge_size", 2) ** 2
    wide = int(width * float(vision.get("mlp_ratio") or 4))
    return [
        _plain("visual.patch_embed", _patches(vision, 14, 2) * width),
        *_blocks(_Block("visual.blocks", integer(vision, "depth", 32), width, wide)),
        *_merger("visual.merger", width, merge, hidden),
    ]


def qwen2_5_vl(vision: Json, hidden: int) -> list[Weight]:
    """Qwen2.5-VL and the models with its encoder (vLLM models/qwen2_5_vl.py)."""
    width, merge = integer(vision, "hidden_size", 1280), integer(vision, "spatial_merge_size", 2) ** 2
    block = _Block(
        "visual.blocks", integer(vision, "depth", 32), width, integer(vision, "intermediate_size", 3420), gated=True,
        norms=2,
    )  # fmt: skip
    return [
        _plain("visual.patch_embed", _patches(vision, 14, 2) * width),
        *_blocks(block),
        *_merger("visual.merger", width, merge, integer(vision, "out_hidden_size", hidden), norms=1),
    ]


def qwen3_vl(vision: Json, hidden: int) -> list[Weight]:
    """Qwen3-VL and Qwen3.5 (vLLM models/qwen3_vl.py): a merger at the end, and one for each deep-stack level."""
    width, merge = integer(vision, "hidden_size"), integer(vision, "spatial_merge_size", 2) ** 2
    out = integer(vision, "out_hidden_size", hidden)
    deep = len(vision.get("deepstack_visual_indexes") or ())
    weights = [
        _plain("visual.patch_embed", (_patches(vision, 16, 2) + 1) * width),
        _plain("visual.pos_embed", (optional(vision, "num_position_embeddings") or 0) * width),
        *_blocks(_Block("visual.blocks", integer(vision, "depth"), width, integer(vision, "intermediate_size"))),
        *_merger("visual.merger", width, merge, out),
    ]
    for level in range(deep):
        weights += _merger(f"visual.deepstack_merger_list.{level}", width, merge, out, norms=2 * merge)
    return weights


def _merger(module: str, width: int, merge: int, out: int, norms: int = 2) -> list[Weight]:
    """Patches that lie together -> one token: a norm, two linear layers with biases."""
    whole = merge * width
    return [
        _weight(f"{module}.mlp.0", whole, whole, split="outputs"),
        _weight(f"{module}.mlp.2", out, whole, split="inputs"),
        _plain(f"{module}.ln_q", norms * width + whole + out),
    ]


def _patches(vision: Json, size: int, frames: int) -> int:
    """Elements that one patch has."""
    side = integer(vision, ("patch_size", "spatial_patch_size"), size)
    channels = integer(vision, ("in_channels", "in_chans", "num_channels"), 3)
    return channels * integer(vision, "temporal_patch_size", frames) * side * side


def gemma3(vision: Json, hidden: int) -> list[Weight]:
    """Gemma 3's SigLIP, pooled and projected (vLLM models/siglip.py, gemma3_mm.py)."""
    width = integer(vision, "hidden_size")
    return [*_siglip(vision), _plain("multi_modal_projector", width * hidden + width)]


def llava(vision: Json, hidden: int) -> list[Weight]:
    """The encoder behind LLaVA's two linear layers, up to the layer that feeds them (vLLM models/llava.py)."""
    kind = str(vision.get("model_type") or "clip_vision_model")
    vision = {"model_type": kind} | vision | {"num_hidden_layers": _layers_fed(vision, -2)}
    if kind == "pixtral":
        tower = _pixtral_tower(vision)
    elif kind in ("clip_vision_model", "siglip_vision_model"):
        tower = _siglip(vision)
    else:
        raise Unsupported(f"config.json: vision_config.model_type: {kind} is not known here", EXTEND)
    biases = 2 * hidden if vision.get("multimodal_projector_bias", True) else 0
    return [
        *tower,
        _weight("multi_modal_projector.linear_1", hidden, integer(vision, "hidden_size"), split="outputs"),
        _weight("multi_modal_projector.linear_2", hidden, hidden, split="inputs"),
        _plain("multi_modal_projector.bias", biases),
    ]


def _layers_fed(vision: Json, default: int) -> int:
    """Layers that are loaded: up to `vision_feature_layer`, counted from the end where it is negative."""
    count = integer(vision, "num_hidden_layers", 24)
    said = vision.get("vision_feature_layer")
    asked = said if isinstance(said, list) and said else [default if said is None else said]
    return max(count + int(index) + 1 if int(index) < 0 else int(index) for index in asked)


def _siglip(vision: Json) -> list[Weight]:
    """CLIP has a class token, and a norm before its first layer, that SigLIP has not."""
    width, wide = integer(vision, "hidden_size"), integer(vision, "intermediate_size")
    side = integer(vision, "image_size") // integer(vision, "patch_size")
    clip = "clip" in str(vision.get("model_type"))
    before = _patches(vision, 14, 1) + side * side + (2 if clip else 1)
    return [
        _plain("vision_tower.embeddings", before * width),
        *_blocks(_Block("vision_tower.encoder.layers", integer(vision, "num_hidden_layers"), width, wide)),
        _plain("vision_tower.post_layernorm", (4 if clip else 2) * width),
    ]


def pixtral(vision: Json, hidden: int) -> list[Weight]:
    """Pixtral with Mistral's projector (vLLM models/pixtral.py, mistral3.py).

    Whole on every rank, as start-up logs to 0.25 show it (Ministral 3 14B); later versions cut it.
    """
    width, merge = integer(vision, "hidden_size", 1024), integer(vision, "spatial_merge_size", 1) ** 2
    weights = _pixtral_tower(vision)
    if merge > 1:
        weights.append(_weight("multi_modal_projector.patch_merger.merging_layer", width, merge * width))
        weights.append(_plain("multi_modal_projector.norm", width))
    weights.append(_weight("multi_modal_projector.linear_1", hidden, width))
    return [*weights, _weight("multi_modal_projector.linear_2", hidden, hidden)]


def _pixtral_tower(vision: Json) -> list[Weight]:
    width = integer(vision, "hidden_size", 1024)
    block = _Block(
        "vision_tower.transformer.layers", integer(vision, "num_hidden_layers", 24), width,
        integer(vision, "intermediate_size", 4096), gated=True, bias=False, norms=2, whole=True,
    )  # fmt: skip
    return [_plain("vision_tower.patch_conv", (_patches(vision, 16, 1) + 1) * width), *_blocks(block)]


def llama4(vision: Json, hidden: int) -> list[Weight]:
    """Llama 4's encoder (vLLM models/mllama4.py). Scout's and Maverick's published widths where config.json is cut."""
    width, wide = integer(vision, "hidden_size", 1408), integer(vision, "intermediate_size", 5632)
    patches = (integer(vision, "image_size", 336) // integer(vision, "patch_size", 14)) ** 2
    out = integer(vision, "vision_output_dim", 4096)
    return [
        _weight("vision_model.patch_embedding.linear", width, _patches(vision, 14, 1)),
        _plain("vision_model.embeddings", (patches + 2 + 4) * width),
        *_blocks(_Block("vision_model.model.layers", integer(vision, "num_hidden_layers", 34), width, wide)),
        _weight("vision_model.vision_adapter.mlp.fc1", out, wide, split="outputs"),
        _weight("vision_model.vision_adapter.mlp.fc2", out, out, split="inputs"),
        _weight("multi_modal_projector.linear_1", hidden, out, split="outputs"),
    ]


def kimi(vision: Json, hidden: int) -> list[Weight]:
    """MoonViT (vLLM models/kimi_k25_vit.py, moonvit.py)."""
    width = integer(vision, ("vt_hidden_size", "hidden_size"))
    wide = integer(vision, ("vt_intermediate_size", "intermediate_size"))
    side = integer(vision, "init_pos_emb_height", 64) * integer(vision, "init_pos_emb_width", 64)
    depth = integer(vision, ("vt_num_hidden_layers", "num_hidden_layers"))
    kernel = vision.get("merge_kernel_size") or [2, 2]
    whole = width * int(kernel[0]) * int(kernel[1])
    return [
        _plain("vision_tower.patch_embed", (_patches(vision, 14, 1) + 1 + side) * width),
        *_blocks(_Block("vision_tower.encoder.blocks", depth, width, wide)),
        _weight("mm_projector.linear_1", whole, whole),
        _weight("mm_projector.linear_2", hidden, whole),
        _plain("mm_projector.norm", 4 * width + whole + hidden),
    ]


def gemma4(vision: Json, hidden: int) -> list[Weight]:
    """Gemma 4's encoder, which transformers runs: whole on every rank (vLLM models/gemma4_mm.py)."""
    width = integer(vision, "hidden_size")
    head_dim = integer(vision, "head_dim", width // integer(vision, "num_attention_heads"))
    block = _Block(
        "vision_tower.encoder.layers", integer(vision, "num_hidden_layers"), width,
        integer(vision, "intermediate_size"), gated=True, bias=False, extra=2 * head_dim, whole=True,
    )  # fmt: skip
    return [
        _plain("vision_tower.patch_embedder", (_patches(vision, 16, 1)) * width),
        _plain("vision_tower.positions", 2 * integer(vision, "position_embedding_size", 10240) * width),
        *_blocks(block),
        _weight("embed_vision.embedding_projection", hidden, width),
    ]


def glm4v(vision: Json, hidden: int) -> list[Weight]:
    """GLM-4.1V and 4.5V (vLLM models/glm4_1v.py): the feed-forward of its blocks is as wide as its output."""
    width, out = integer(vision, "hidden_size"), integer(vision, "out_hidden_size", hidden)
    merge, context = integer(vision, "spatial_merge_size", 2) ** 2, integer(vision, "intermediate_size")
    side = integer(vision, "image_size", 336) // integer(vision, "patch_size", 14)
    depth = integer(vision, ("depth", "num_hidden_layers"))
    return [
        _plain("visual.patch_embed", (_patches(vision, 14, 2) + 1 + side * side + 2) * width),
        *_blocks(_Block("visual.blocks", depth, width, out, gated=True, bias=False, norms=2)),
        _plain("visual.downsample", (merge * width + 1) * out),
        _weight("visual.merger.proj", out, out),
        _weight("visual.merger.gate_up_proj", 2 * context, out, split="outputs"),
        _weight("visual.merger.down_proj", out, context, split="inputs"),
    ]


def internvl(vision: Json, hidden: int) -> list[Weight]:
    """InternViT with its projector (vLLM models/intern_vit.py, internvl.py)."""
    width, wide = integer(vision, "hidden_size"), integer(vision, "intermediate_size")
    size, patch = _first(vision.get("image_size")), _first(vision.get("patch_size"))
    whole = 4 * width
    extra = 2 * width + (2 * width if vision.get("qk_normalization") or vision.get("use_qk_norm") else 0)
    block = _Block("vision_model.encoder.layers", integer(vision, "num_hidden_layers"), width, wide, extra=extra)
    return [
        _plain("vision_model.embeddings", (3 * patch * patch + 3 + (size // patch) ** 2) * width),
        *_blocks(block),
        _weight("mlp1.1", hidden, whole),
        _weight("mlp1.3", hidden, hidden),
        _plain("mlp1.0", 2 * whole + 2 * hidden),
    ]


def _first(value: Json) -> int:
    """Of a size that is written as one number or as height and width."""
    value = value[0] if isinstance(value, list) and value else value
    if not isinstance(value, int) or value < 1:
        raise Unsupported(f"config.json: vision_config: a size of {value!r} is not known here", EXTEND)
    return value


def minimax_m3(vision: Json, hidden: int) -> list[Weight]:
    """MiniMax M3's CLIP with a patch merger (vLLM models/minimax_m3/common/vision_tower.py)."""
    width, wide = integer(vision, "hidden_size"), integer(vision, "intermediate_size")
    merge = integer(vision.get("img_token_compression_config") or {}, "spatial_merge_size", 2) ** 2
    return [
        _plain("vision_tower.embeddings", _patches(vision, 14, 2) * width),
        *_blocks(_Block("vision_tower.encoder.layers", integer(vision, "num_hidden_layers"), width, wide)),
        _weight("multi_modal_projector.linear_1", hidden, width, split="outputs"),
        _weight("multi_modal_projector.linear_2", hidden, hidden, split="inputs"),
        _weight("patch_merge_mlp.linear_1", hidden, merge * hidden, split="outputs"),
        _weight("patch_merge_mlp.linear_2", hidden, hidden, split="inputs"),
        _plain("multi_modal_projector.bias", 4 * hidden),
    ]


def qwen2_audio(audio: Json, hidden: int) -> list[Weight]:
    """Qwen2-Audio's Whisper encoder, which transformers runs: whole on every rank (vLLM models/qwen2_audio.py)."""
    width, wide = integer(audio, "d_model", 1280), integer(audio, "encoder_ffn_dim", 5120)
    bins, rows = integer(audio, "num_mel_bins", 128), integer(audio, "max_source_positions", 1500)
    depth = integer(audio, "encoder_layers", 32)
    return [
        _plain("audio_tower.conv", 3 * bins * width + 3 * width * width + 2 * width),
        _plain("audio_tower.embed_positions", rows * width),
        *_blocks(_Block("audio_tower.layers", depth, width, wide, whole=True)),
        _weight("multi_modal_projector.linear", hidden, width),
    ]


def dots(vision: Json, hidden: int) -> list[Weight]:
    """The encoder of dots.ocr (vLLM models/dots_ocr.py): gated, without biases."""
    width, wide = integer(vision, "embed_dim", 1536), integer(vision, "intermediate_size", 4224)
    depth = integer(vision, "num_hidden_layers", 42)
    return [
        _plain("vision_tower.patch_embed", (_patches(vision, 14, 1) + 2) * width),
        *_blocks(_Block("vision_tower.blocks", depth, width, wide, gated=True, bias=False, norms=2)),
        *_merger("vision_tower.merger", width, integer(vision, "spatial_merge_size", 2) ** 2, hidden),
    ]


Encoder = Callable[[Json, int], list[Weight]]
"""(what config.json says of the encoder, the decoder's hidden width) -> weights."""

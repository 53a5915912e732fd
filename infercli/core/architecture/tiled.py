"""Models with a SigLIP or a CLIP, and something of their own behind it: Idefics 3, MiniCPM-V, Ovis, Keye and others.

The one thing to know: each function here reads all of config.json, as widths of what stands behind the encoder are
written at the top.
"""

from __future__ import annotations

from infercli.core.architecture.encoder_parts import (
    Block,
    blocks,
    heads,
    layers_fed,
    merger,
    part,
    patches,
    plain,
    projector,
    siglip,
    weight,
)
from infercli.core.architecture.fields import EXTEND, integer
from infercli.core.architecture.layers import Weight
from infercli.core.architecture.tensors import padded_rows
from infercli.core.record import Json
from infercli.errors import Unsupported

_IDEFICS3 = {
    "hidden_size": 1152, "intermediate_size": 3072, "num_hidden_layers": 12, "image_size": 224, "patch_size": 32,
}  # fmt: skip
"""What transformers takes where the vision_config of Idefics 3 or SmolVLM is silent (models/*/configuration_*.py)."""


def idefics3(config: Json, hidden: int) -> list[Weight]:
    """Idefics 3 and SmolVLM (vLLM 0.29 models/idefics3.py): merged patches go through one linear layer, whole."""
    vision, merge = _IDEFICS3 | part(config, "vision_config"), integer(config, "scale_factor", 2) ** 2
    width = integer(vision, "hidden_size")
    return [
        *siglip(vision, "model.vision_model"),
        weight("model.connector.modality_projection.proj", hidden, width * merge),
    ]


def paligemma(config: Json, hidden: int) -> list[Weight]:
    """PaliGemma (vLLM 0.29 models/paligemma.py): a linear layer, whole and never quantized."""
    vision = part(config, "vision_config")
    out = integer(config, "projection_dim", integer(vision, "projection_dim", hidden))
    return [*siglip(vision), plain("multi_modal_projector.linear", (integer(vision, "hidden_size") + 1) * out)]


def minicpm_v(config: Json, hidden: int) -> list[Weight]:
    """MiniCPM-V 2.5 to 4.5 (vLLM 0.29 models/minicpmv.py): a resampler with learned queries, whole on every rank."""
    vision = part(config, "vision_config")
    if config.get("drop_vision_last_layer", True):
        vision = vision | {"num_hidden_layers": integer(vision, "num_hidden_layers") - 1}
    width = integer(vision, "hidden_size")
    vectors = integer(config, "query_num", 64) + 4 + 6  # queries; biases of attention; three norms
    between = (width if width != hidden else 0) + 5 * hidden  # keys and values down, attention, projection
    return [*siglip(vision, "vpm"), plain("resampler", (vectors + between) * hidden)]


def minicpm_o(config: Json, hidden: int) -> list[Weight]:
    """MiniCPM-o: MiniCPM-V with a Whisper encoder that transformers runs (vLLM 0.29 models/minicpmo.py)."""
    audio = part(config, "audio_config")
    width, wide = integer(audio, "d_model", 1024), integer(audio, "encoder_ffn_dim", 4096)
    bins, rows = integer(audio, "num_mel_bins", 80), integer(audio, "max_source_positions", 1500)
    depth = integer(audio, "encoder_layers", 24)
    return [
        *minicpm_v(config, hidden),
        plain("apm.conv", (3 * bins + 3 * width + 2 + rows + 2) * width),
        *blocks(Block("apm.layers", depth, width, wide, whole=True, extra=-width, linear=False)),  # keys: no bias
        plain("audio_projection_layer", (wide // 4 + 1 + hidden + 1) * hidden),
    ]


def minicpm_decoder(config: Json) -> str:
    """The class of the decoder inside, which the version decides (vLLM 0.29 models/minicpmv.py, minicpmo.py)."""
    speech = "audio_config" in config
    version = str(config.get("version") or ("2.6" if speech else "2.5"))
    known = {"2.5": "LlamaForCausalLM", "2.6": "Qwen2ForCausalLM", "4.0": "LlamaForCausalLM", "4.5": "Qwen3ForCausalLM"}
    small = (
        not config.get("version") and not speech and (config.get("hidden_size"), config.get("query_num")) == (2304, 64)
    )
    if version not in known or small:
        raise Unsupported(f"config.json: version: MiniCPM-V {'2.0' if small else version} is not known here", EXTEND)
    return known[version]


def minicpm_v4_6(config: Json, hidden: int) -> list[Weight]:
    """MiniCPM-V 4.6 (vLLM 0.29 models/minicpmv4_6.py): windows of patches attend and merge inside, then once more."""
    vision = part(config, "vision_config")
    depth = integer(vision, "num_hidden_layers", 12) - bool(config.get("drop_vision_last_layer"))
    width, wide = integer(vision, "hidden_size", 768), 4 * integer(vision, "intermediate_size", 3072)
    merged = 4 * width
    return [
        *siglip(vision | {"num_hidden_layers": depth}, "vpm"),
        weight("vit_merger.self_attn.qkv_proj", 3 * width, width, split="outputs"),
        plain("vit_merger.self_attn.qkv_proj.bias", 3 * width, split="outputs"),
        weight("vit_merger.self_attn.out_proj", width, width, split="inputs"),
        plain("vit_merger.norms", 3 * width + 2 * merged),
        plain("vit_merger.linear", (merged + 1) * wide + (wide + 1) * width),
        plain("merger.mlp", 2 * merged + (merged + 1) * (merged + hidden)),
    ]


def minicpm_v4_7(config: Json, hidden: int) -> list[Weight]:
    """MiniCPM-V 4.7 (vLLM 0.33 models/minicpmv4_7.py): 4.6's encoder, with its last layer whatever config.json says."""
    return minicpm_v4_6(config | {"drop_vision_last_layer": False}, hidden)


def paddle_ocr(config: Json, hidden: int) -> list[Weight]:
    """PaddleOCR-VL (vLLM 0.29 models/paddleocr_vl.py): its projector is whole, and never quantized."""
    vision = part(config, "vision_config")
    whole = 4 * integer(vision, "hidden_size")
    return [*siglip(vision, "visual.vision_model"), plain("mlp_AR", (whole + 1) * (whole + hidden) + whole // 2)]


def keye(config: Json, hidden: int) -> list[Weight]:
    """Keye-VL (vLLM 0.29 models/keye.py): a second table of positions, for packed patches."""
    return _keye(config, hidden, norms=2)


def keye_1_5(config: Json, hidden: int) -> list[Weight]:
    """Keye-VL 1.5, whose norm is over the merged patches (vLLM 0.29 models/keye_vl1_5.py)."""
    return _keye(config, hidden, norms=8)


def _keye(config: Json, hidden: int, norms: int) -> list[Weight]:
    vision = part(config, "vision_config")
    width = integer(vision, "hidden_size")
    return [
        *siglip(vision, "visual.vision_model"),
        plain("visual.packing_position_embedding", 32768 * width),
        *merger("mlp_AR", width, 4, hidden, norms=norms),
    ]


def cohere2(config: Json, hidden: int) -> list[Weight]:
    """Command A Vision (vLLM 0.29 models/cohere2_vision.py): merged patches through a gated feed-forward."""
    vision = part(config, "vision_config")
    merged = integer(vision, "hidden_size") * integer(config, "downsample_factor", 2) ** 2
    wide = integer(config, "alignment_intermediate_size", 36864)
    return [
        *siglip(vision),
        plain("multi_modal_projector.linear_1", wide * (merged + 1), split="outputs"),
        plain("multi_modal_projector.linear_2", wide // 2 * hidden, split="outputs"),
        plain("multi_modal_projector.linear_2.bias", hidden),
    ]


def aya(config: Json, hidden: int) -> list[Weight]:
    """Aya Vision (vLLM 0.24 models/aya_vision.py): as Command A Vision, with a norm before it, and whole."""
    vision = part(config, "vision_config")
    fed = layers_fed({"vision_feature_layer": config.get("vision_feature_layer")} | vision, -1)
    merged = integer(vision, "hidden_size") * integer(config, "downsample_factor", 2) ** 2
    wide = integer(config, "alignment_intermediate_size", hidden)
    last = fed == integer(vision, "num_hidden_layers")
    return [
        *siglip(vision | {"num_hidden_layers": fed}, last_norm=last),
        plain("multi_modal_projector", 2 * merged + (merged + 1) * wide + (wide // 2 + 1) * hidden),
    ]


def aya_decoder(config: Json) -> str:
    """Command R7B's layers have windows, Command R's none."""
    return "Cohere2ForCausalLM" if part(config, "text_config").get("model_type") == "cohere2" else "CohereForCausalLM"


def lfm2_vl(config: Json, hidden: int) -> list[Weight]:
    """LFM2-VL (vLLM 0.29 models/lfm2_vl.py, lfm2_siglip2.py): patches merge, and two layers are whole."""
    vision = part(config, "vision_config")
    if vision.get("model_type") not in (None, "siglip2_vision_model"):
        raise Unsupported(f"config.json: vision_config.model_type: {vision['model_type']} is not known here", EXTEND)
    middle = integer(config, "projector_hidden_size", 2560)
    merged = integer(vision, "hidden_size", 768) * integer(config, "downsample_factor", 2) ** 2
    bias = middle + hidden if config.get("projector_bias", True) else 0
    norm = 2 * merged if config.get("projector_use_layernorm", True) else 0
    return [*siglip2(vision), plain("multi_modal_projector", norm + (merged + hidden) * middle + bias)]


def siglip2(vision: Json, left_out: int = 0) -> list[Weight]:
    """SigLIP 2 for grids of any shape, with the norm behind its last layer or without the last few layers."""
    width, rows = integer(vision, "hidden_size", 768), integer(vision, "num_patches", 256)
    block = Block(
        "vision_tower.vision_model.encoder.layers", integer(vision, "num_hidden_layers", 12) - left_out, width,
        integer(vision, "intermediate_size", 3072), must_divide=heads(vision, 12),
    )  # fmt: skip
    before = patches(vision, 16, 1) + 1 + rows + (0 if left_out else 2)
    return [plain("vision_tower.vision_model.embeddings", before * width), *blocks(block)]


def phi4_siglip(config: Json, hidden: int) -> list[Weight]:
    """Phi-4 Reasoning Vision (vLLM 0.29 models/phi4siglip.py): SigLIP 2 without its last layer, LLaVA's projector."""
    vision = part(config, "vision_config")
    inputs = integer(config, "mm_hidden_size", integer(vision, "hidden_size", 768))
    return [*siglip2(vision, left_out=1), *projector("multi_modal_projector", hidden, inputs)]


def lfm2_decoder(config: Json) -> str:
    """LFM2's layers, with or without experts."""
    kind = part(config, "text_config").get("model_type")
    return "Lfm2MoeForCausalLM" if kind == "lfm2_moe" else "Lfm2ForCausalLM"


_INDICATORS = 4
"""Numbers of the visual vocabulary that stand for no patch (vLLM 0.29 models/ovis2_5.py INDICATOR_IDS)."""


def ovis2_5(config: Json, hidden: int) -> list[Weight]:
    """Ovis 2.5 and 2.6 (vLLM 0.29 models/ovis2_5.py, siglip2navit.py): patches become words of a visual vocabulary."""
    vision = part(config, "vit_config")
    width, wide = integer(vision, "hidden_size"), integer(vision, "intermediate_size")
    said = vision.get("num_patches")
    side = integer(vision, "image_size") // integer(vision, "patch_size") if not said or said < 0 else 0
    positions = (side * side or int(said or 0)) if vision.get("preserve_original_pe") else 0
    words = integer(config, "visual_vocab_size")
    head = words - _INDICATORS
    return [
        plain("visual_tokenizer.vit.embeddings", (patches(vision, 16, 1) + 1 + positions) * width),
        *blocks(
            Block(
                "visual_tokenizer.vit.encoder.layers",
                integer(vision, "num_hidden_layers"),
                width,
                wide,
                must_divide=heads(vision),
            )
        ),
        plain("visual_tokenizer.vit.post_layernorm", 2 * width),
        plain("visual_tokenizer.head", (width * integer(vision, "hidden_stride") ** 2 + 2) * head),
        plain("vte", words * integer(config, "hidden_size", hidden)),
    ]


def phi3_v(config: Json, hidden: int) -> list[Weight]:
    """Phi-3 Vision and 3.5 Vision (vLLM 0.29 models/phi3v.py): CLIP ViT-L/14 of 336 pixels without its last layer.

    vLLM holds the embedding a second time, outside the decoder.
    """
    said = part(config, "img_processor")
    if said.get("layer_idx", -2) != -2 or said.get("image_dim_out") != 1024:
        raise Unsupported(
            "config.json: img_processor: another layer or width than CLIP ViT-L's is not known here", EXTEND
        )
    clip = {"model_type": "clip", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23,
            "num_attention_heads": 16, "image_size": 336, "patch_size": 14}  # fmt: skip
    rows = padded_rows(integer(config, "vocab_size"))
    return [
        *siglip(clip, "model.vision_embed_tokens.img_processor.vision_model", last_norm=False),
        plain("model.vision_embed_tokens.img_projection", 2 * 4096 + (4096 + 1 + hidden + 1) * hidden),
        plain("model.embed_tokens", rows * hidden, split="outputs"),
    ]

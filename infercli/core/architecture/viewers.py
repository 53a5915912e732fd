"""Models that see, taught after those of composed.py and tiled.py: Isaac, BAGEL, Cosmos 3 Edge, openPangu-VL.

The one thing to know: each function here reads all of config.json.
"""

from __future__ import annotations

from infercli.core.architecture.encoder_parts import Block, blocks, heads, merger, part, patches, plain, siglip, weight
from infercli.core.architecture.encoders import qwen2_vl
from infercli.core.architecture.fields import EXTEND, integer
from infercli.core.architecture.layers import Weight
from infercli.core.architecture.tiled import siglip2
from infercli.core.record import Json
from infercli.errors import Unsupported


def isaac(config: Json, hidden: int) -> list[Weight]:
    """Isaac (vLLM 0.29 models/isaac.py): SigLIP 2, whose patches are shuffled together and projected."""
    vision = part(config, "vision_config")
    rows = integer(vision, "num_patches", integer(config, "vision_max_num_patches", 256))
    scale = integer(vision, "pixel_shuffle_scale_factor", integer(config, "pixel_shuffle_scale", 1))
    merged = integer(vision, "hidden_size", 768) * scale**2
    return [
        *siglip2(vision | {"num_patches": rows}),
        weight("vision_embedding.1", 4 * merged, merged, split="outputs"),
        weight("vision_embedding.3", hidden, 4 * merged, split="inputs"),
    ]


def bagel(config: Json, hidden: int) -> list[Weight]:
    """BAGEL (vLLM 0.29 models/bagel.py): SigLIP without its last layer, two linear layers; what draws is not loaded."""
    if not config.get("visual_und", True):
        return []
    vision = {"model_type": "siglip_vision_model"} | part(config, "vit_config")
    if vision.get("num_hidden_layers") == 27:
        vision |= {"num_hidden_layers": 26}
    width = integer(vision, "hidden_size", 768)
    return [
        *siglip(vision, "vit_model.vision_model"),
        weight("connector.fc1", hidden, width, split="outputs"),
        plain("connector.fc1.bias", hidden, split="outputs"),
        weight("connector.fc2", hidden, hidden, split="inputs"),
        plain("connector.fc2.bias", hidden),
    ]


def cosmos3_edge(config: Json, _hidden: int) -> list[Weight]:
    """Cosmos 3 Edge (vLLM 0.29 models/cosmos3_edge.py): SigLIP 2, and a projector."""
    said = {"input_hidden_size": 1024, "out_hidden_size": 1024} | (config.get("projector_config") or {})
    width, out = integer(said, "input_hidden_size"), integer(said, "out_hidden_size")
    merged, wide = width * integer(said, "spatial_merge_size", 2) ** 2, integer(said, "merger_intermediate_size", 11520)
    return [
        *siglip2(part(config, "vision_config")),
        plain("visual.projector.norm", 2 * (merged if said.get("use_postshuffle_norm") else width)),
        weight("visual.projector.linear_fc1", wide, merged, split="outputs"),
        plain("visual.projector.linear_fc1.bias", wide, split="outputs"),
        weight("visual.projector.linear_fc2", out, wide, split="inputs"),
        plain("visual.projector.linear_fc2.bias", out),
    ]


def cosmos3_edge_text(text: Json) -> Json:
    """Its decoder in Nemotron-H's words: an attention and a feed-forward by turns, and each counts as a layer."""
    count = integer(text, "num_hidden_layers", 28)
    return text | {"num_hidden_layers": 2 * count, "hybrid_override_pattern": "*-" * count}


def open_pangu(config: Json, hidden: int) -> list[Weight]:
    """openPangu-VL (vLLM 0.29 models/openpangu_vl.py): Qwen2.5-VL's encoder with a merger for each layer that is fed.

    Their outputs are added up, and go through one more linear layer.
    """
    vision = part(config, "vision_config")
    width, out = integer(vision, "hidden_size"), integer(vision, "out_hidden_size")
    merge, fed = integer(vision, "spatial_merge_size") ** 2, vision.get("mm_unit_vision_select_layer") or [-1, -3]
    block = Block(
        "visual.blocks", integer(vision, "depth"), width, integer(vision, "intermediate_size"),
        gated=vision.get("hidden_act") == "silu", norms=2, must_divide=heads(vision),
    )  # fmt: skip
    mergers = [w for n in range(len(fed)) for w in merger(f"visual.merger.{n}", width, merge, out, norms=1)]
    return [
        plain("visual.patch_embed", patches(vision, 14, 2) * width),
        *blocks(block),
        plain("visual.final_layernorm", width),
        *mergers,
        plain("visual.vision_projection", (out + 1) * hidden),
    ]


def kanana(config: Json, _hidden: int) -> list[Weight]:
    """Kanana 1.5 V (vLLM 0.29 models/kanana_v.py): Qwen2-VL's encoder, and convolutions around a merge of patches.

    Those are stages of timm's RegNet (1.0.31 models/regnet.py), whole on every rank.
    """
    said = part(config, "projector_config")
    width, between, out = (integer(said, f"{key}hidden_size") for key in ("encoder_", "", "output_"))
    depth = 0 if said.get("depth") == 0 else integer(said, "depth")
    merged = integer(said, "merge_size") ** 2 * (between if depth else width)
    stages = [_stage("abstractor.net.0", depth, width, between), _stage("abstractor.net.2", depth, merged, between)]
    readout = (between if depth else width) + 1 + (integer(said, "mlp_depth") - 1) * (out + 1)
    return [
        *(w for w in qwen2_vl(part(config, "vision_config"), 1) if not w.name.startswith("visual.merger")),
        *([plain("abstractor.pos_emb", integer(said, "pos_emb_size") * width)] if said.get("pos_emb") else []),
        *(stages if depth else []),
        plain("abstractor.readout", readout * out),
    ]


def _stage(module: str, depth: int, inputs: int, out: int) -> Weight:
    """Blocks of three convolutions with norms, of which each number's weight is learned, and a way around them."""

    def block(into: int) -> int:
        squeezed = round(into * 0.25)
        around = (into + 2) * out if into != out else 0
        return (into + 2 + 9 + 2 + out + 2) * out + (2 * out + 1) * squeezed + out + around

    return plain(module, block(inputs) + (depth - 1) * block(out))


def hcx_vision(config: Json, hidden: int) -> list[Weight]:
    """HyperCLOVA X SEED Vision (vLLM 0.28 models/hyperclovax_vision.py): SigLIP or CLIP up to the layer that is fed.

    Behind it a linear layer, two, or the convolutions of `kanana` around a pool, whole on every rank.
    """
    vision, fed = part(config, "vision_config"), config.get("use_nth_layer", -1)
    count = integer(vision, "num_hidden_layers")
    if isinstance(fed, int):
        count = fed + 1 if fed >= 0 else count + fed + 1
    width, kind = integer(vision, "hidden_size"), config.get("mm_projector_type")
    behind: list[Weight] = []
    middle = 2 * width if kind == "inverted_mlp" else width
    if kind == "linear":
        behind = [plain("mm_projector", (width + 1) * hidden)]
    elif kind in ("mlp", "inverted_mlp"):
        behind = [plain("mm_projector", (width + 1) * middle + (middle + 1) * hidden)]
    elif kind == "cabstractor":
        rows = (integer(vision, "image_size") // integer(vision, "patch_size")) ** 2
        vectors = (rows if config.get("proj_pos_emb", True) else 0) + (2 if config.get("proj_prenorm") else 0)
        behind = [
            plain("mm_projector", vectors * width + (width + 1 + hidden + 1) * hidden),
            _stage("mm_projector.net", 3, width, width)._replace(copies=2),
        ]
    else:
        raise Unsupported(f"config.json: mm_projector_type: {kind} is not known here", EXTEND)
    newline = [plain("image_newline", hidden)] if config.get("anyres") else []
    return [*siglip(vision | {"num_hidden_layers": count}, "vision_model", last_norm=False), *behind, *newline]


def col_modern_vbert(config: Json, hidden: int) -> list[Weight]:
    """ColModernVBERT (vLLM 0.29 models/colmodernvbert.py): SigLIP, a linear layer, and vectors in float32."""
    vision = _VBERT | part(config, "vision_config")
    merged = integer(vision, "hidden_size") * integer(config, "pixel_shuffle_factor", 4) ** 2
    width = integer(config, "embedding_dim", 128)
    return [
        *siglip(vision, "vision_model"),
        plain("connector.proj", merged * hidden),
        plain("custom_text_proj", (hidden + 1) * width)._replace(float32=True),
    ]


_VBERT = {
    "model_type": "siglip_vision_model", "hidden_size": 768, "image_size": 512, "patch_size": 16,
    "num_hidden_layers": 12, "intermediate_size": 3072, "num_attention_heads": 12,
}  # fmt: skip
"""Where config.json is silent (vLLM 0.29 transformers_utils/configs/colmodernvbert.py)."""


def col_modern_vbert_text(text: Json) -> Json:
    """Its decoder, whose width and depth are those of ModernBERT base where config.json is silent."""
    return {
        "vocab_size": 50408, "hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 22,
        "num_attention_heads": 12, "max_position_embeddings": 8192,
    } | text  # fmt: skip

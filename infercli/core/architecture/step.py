"""Step's vision models: a perception encoder of which two convolutions make fewer, wider patches.

The one thing to know: each function here reads all of config.json.
"""

from __future__ import annotations

from infercli.core.architecture.encoder_parts import Block, blocks, part, patches, plain, weight
from infercli.core.architecture.fields import integer
from infercli.core.architecture.layers import Weight
from infercli.core.record import Json


def step_vl(config: Json, hidden: int) -> list[Weight]:
    """Step3-VL 10B and Step 3.7 (vLLM 0.29 models/step_vl.py PerceptionEncoder, step3p7.py)."""
    vision = part(config, "vision_config")
    width, side = (
        integer(vision, ("width", "hidden_size")),
        integer(vision, "image_size") // integer(vision, "patch_size"),
    )
    token = bool(vision.get("use_cls_token"))
    rows = token + (token + side * side if vision.get("use_abs_posemb") else 0)
    norms = 2 * bool(vision.get("use_ln_pre")) + 2 * bool(vision.get("use_ln_post"))
    block = Block(
        "vision_model.transformer.resblocks", integer(vision, ("layers", "num_hidden_layers")), width,
        int(width * float(vision.get("mlp_ratio") or 4)), must_divide=integer(vision, ("heads", "num_attention_heads")),
        extra=0 if vision.get("ls_init_value") is None else 2 * width,
    )  # fmt: skip
    weights = [
        plain("vision_model.embeddings", (patches(vision, 14, 1) + rows + norms) * width),
        *blocks(block),
        plain("vision_model.vit_downsampler1", (9 * width + 1) * 2 * width),
        plain("vision_model.vit_downsampler2", (18 * width + 1) * 4 * width),
        weight("vit_large_projector", hidden, 4 * width, split="outputs"),
    ]
    if config.get("projector_bias", True):
        weights.append(plain("vit_large_projector.bias", hidden, split="outputs"))
    return weights


def step3_vl(config: Json, hidden: int) -> list[Weight]:
    """Step3 (vLLM 0.29 models/step3_vl.py): a CLIP of which two convolutions make fewer patches, never quantized."""
    vision = _STEP3 | part(config, "vision_config")
    width, out = integer(vision, "hidden_size"), integer(vision, "output_hidden_size")
    side = integer(vision, "image_size") // integer(vision, "patch_size")
    block = Block(
        "vision_model.transformer.layers", integer(vision, "num_hidden_layers"), width,
        integer(vision, "intermediate_size"), must_divide=integer(vision, "num_attention_heads"), linear=False,
    )  # fmt: skip
    bias = hidden if config.get("projector_bias", True) else 0
    return [
        plain("vision_model.embeddings", (patches(vision, 14, 1) + 1 + 1 + side * side + 1) * width),
        *blocks(block),
        plain("vit_downsampler", (4 * width + 1) * out),
        plain("vit_downsampler2", (9 * out + 1) * 2 * out),
        plain("vit_large_projector", 2 * out * hidden + bias),
    ]


_STEP3 = {
    "hidden_size": 1792, "intermediate_size": 3072, "output_hidden_size": 4096, "num_hidden_layers": 63,
    "num_attention_heads": 16, "image_size": 728, "patch_size": 14,
}  # fmt: skip
"""What vLLM takes where the vision_config is silent (0.29 transformers_utils/configs/step3_vl.py)."""

"""Models that cut an image into tiles for a SigLIP, and merge its patches: Idefics 3, SmolVLM, PaliGemma, MiniCPM-V.

The one thing to know: each function here reads all of config.json, as widths of what stands behind the encoder are
written at the top.
"""

from __future__ import annotations

from infercli.core.architecture.encoder_parts import part, plain, siglip, weight
from infercli.core.architecture.fields import integer
from infercli.core.architecture.layers import Weight
from infercli.core.record import Json


def idefics3(config: Json, hidden: int) -> list[Weight]:
    """Idefics 3 and SmolVLM (vLLM 0.29 models/idefics3.py): merged patches go through one linear layer, whole."""
    vision, merge = part(config, "vision_config"), integer(config, "scale_factor", 2) ** 2
    width = integer(vision, "hidden_size")
    return [*siglip(vision), weight("model.connector.modality_projection.proj", hidden, width * merge)]


def paligemma(config: Json, hidden: int) -> list[Weight]:
    """PaliGemma (vLLM 0.29 models/paligemma.py): a linear layer, whole and never quantized."""
    vision = part(config, "vision_config")
    out = integer(vision, "projection_dim", integer(config, "projection_dim", hidden))
    return [*siglip(vision), plain("multi_modal_projector.linear", (integer(vision, "hidden_size") + 1) * out)]

"""Models that see and compare what they saw, token by token or as one vector: ColPali, ColQwen3, Nemotron's embedder.

The one thing to know: each function here reads all of config.json, and the vectors are made in float32.
"""

from __future__ import annotations

from infercli.core.architecture.bert import labels
from infercli.core.architecture.encoder_parts import part, plain, siglip, weight
from infercli.core.architecture.encoders import qwen2_vl, qwen3_vl
from infercli.core.architecture.fields import integer, optional
from infercli.core.architecture.layers import Weight
from infercli.core.architecture.tiled import paligemma
from infercli.core.record import Json

_WIDTH = ("embed_dim", "dims", "dim", "projection_dim", "colbert_dim")


def colpali(config: Json, hidden: int) -> list[Weight]:
    """ColPali (vLLM 0.29 models/colpali.py): PaliGemma, and vectors of 128 made of the width that its config has."""
    return [*paligemma(config, hidden), _projection(128, integer(config, "hidden_size", 2048))]


def colqwen3(config: Json, hidden: int) -> list[Weight]:
    """ColQwen3 and 3.5 (vLLM 0.29 models/colqwen3.py, colqwen3_5.py): where config.json names no width, the weights do.

    Then it is 128, as in ColPali.
    """
    width = optional(config, _WIDTH) or 128
    return [*qwen3_vl(part(config, "vision_config"), hidden), _projection(width, hidden)]


def jina_vl(config: Json, hidden: int) -> list[Weight]:
    """Jina's reranker M0 (vLLM 0.29 models/jina_vl.py): Qwen2-VL, and two linear layers behind it, with biases."""
    count = labels(config["text_config"] if isinstance(config.get("text_config"), dict) else config)
    score = (
        plain("score.dense", hidden * (hidden + 1), split="outputs"),
        weight("score.out_proj", count, hidden, split="inputs", linear=False),
        plain("score.out_proj.bias", count),
    )
    return [*qwen2_vl(part(config, "vision_config"), hidden), *(w._replace(float32=True) for w in score)]


def _projection(width: int, hidden: int) -> Weight:
    return plain("custom_text_proj", width * hidden)._replace(float32=True)


def nemotron(config: Json, hidden: int) -> list[Weight]:
    """Llama Nemotron's embedder (vLLM 0.29 models/nemotron_vl.py): SigLIP, and a projector, whole."""
    vision = part(config, "vision_config")
    merged = 4 * integer(vision, "hidden_size", 768)
    return [*siglip(vision, "vision_model"), plain("mlp1", 2 * merged + (merged + 1 + hidden + 1) * hidden)]


def nemotron_reranker(config: Json, hidden: int) -> list[Weight]:
    """As `nemotron`, and a score in float32 beside the decoder's own, which it does not use."""
    text = part(config, "llm_config" if "llm_config" in config else "text_config")
    return [*nemotron(config, hidden), plain("score", labels(text) * hidden)._replace(float32=True)]

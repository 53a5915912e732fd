"""Moondream 3: a small mixture of experts that sees, in names of its own.

The one thing to know: config.json has the decoder in `config.text`, the encoder in `config.vision`, and what it leaves
out is vLLM's default (0.29 transformers_utils/configs/moondream3.py, models/moondream3.py).
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, parse_decoder
from infercli.core.architecture.encoder_parts import Block, blocks, plain, weight
from infercli.core.architecture.experts import Mixture
from infercli.core.architecture.fields import DAMAGED, EXTEND, INCOMPLETE, integer, not_too_many
from infercli.core.architecture.layers import Experts, Weight
from infercli.core.record import Json
from infercli.errors import InputError, Unsupported

_ROW = Row(
    qkv_bias=True, output_bias=True, mlp_bias=True, gated=False, norms=2, final_norm=2, lm_head_bias=True,
    attention="attn", names=("qkv_proj", "out_proj"), mlp_names=("fc1", "fc2"),
    mixture=Mixture(router_bias=True, names=("fc1", "fc2")),
)  # fmt: skip
_ROTATED = 32
"""Elements of a head, whatever its width is."""


def moondream3(config: Json) -> ModelArch:
    """Dense layers, then such with experts, which no quantization touches; a head scales its queries and values.

    Experts are dealt out whole to the ranks, which leaves each as many numbers as a cut of all would.
    """
    said = config.get("config")
    if not isinstance(said, dict):
        raise Unsupported("config.json: config: missing, and it describes the model", INCOMPLETE)
    if config.get("model_type") not in (None, "moondream3"):
        raise Unsupported(f"config.json: model_type: {config['model_type']} is not known here", EXTEND)
    text, moe = said.get("text") or {}, (said.get("text") or {}).get("moe") or {}
    not_too_many(text, "n_layers")
    count, hidden = integer(text, "n_layers", 24), integer(text, "dim", 2048)
    first = integer(moe, "start_layer", 4)
    if first > count:
        raise InputError(f"config.json: config.text.moe.start_layer: {first} of {count} layers", DAMAGED)
    heads = integer(text, "n_heads", 32)
    plainly: Json = {
        "architectures": config["architectures"], "dtype": config.get("dtype") or config.get("torch_dtype"),
        "num_hidden_layers": count, "hidden_size": hidden, "intermediate_size_mlp": integer(text, "ff_dim", 8192),
        "num_attention_heads": heads, "num_key_value_heads": integer(text, "n_kv_heads", 32),
        "vocab_size": integer(text, "vocab_size", 51200), "max_position_embeddings": integer(text, "max_context", 4096),
        "tie_word_embeddings": False, "rotary_dim": _ROTATED, "num_experts": integer(moe, "n_experts", 64),
        "num_experts_per_tok": integer(moe, "n_experts_per_tok", 8),
        "moe_intermediate_size": integer(moe, "expert_inner_dim", 1024), "first_k_dense_replace": first,
    }  # fmt: skip
    arch = parse_decoder(plainly, _ROW)
    scale = Weight(
        name="head scales", role="attention", module="attn.tau", outputs=heads, inputs=6 * hidden + 1, split="outputs"
    )
    groups = []
    for group in arch.layers:
        forward = group.feed_forward
        if isinstance(forward, Experts):
            forward = forward._replace(gated=True, plain=True)
        groups.append(group._replace(feed_forward=forward, others=(scale,)))
    encoders = tuple(_encoder(said.get("vision") or {}, hidden))
    return replace(arch, layers=tuple(groups), encoders=encoders, image_prefix=True)


def _encoder(vision: Json, hidden: int) -> list[Weight]:
    """A ViT, and two layers over an image whole and in parts, side by side."""
    width, patch = integer(vision, "enc_dim", 1152), integer(vision, "enc_patch_size", 14)
    side, middle = integer(vision, "crop_size", 378) // patch, integer(vision, "proj_inner_dim", 8192)
    block = Block(
        "vision.blocks", integer(vision, "enc_n_layers", 27), width, integer(vision, "enc_ff_dim", 4304),
        must_divide=integer(vision, "enc_n_heads", 16),
    )  # fmt: skip
    return [
        plain("vision.embeddings", (3 * patch * patch + 1 + side * side + 2) * width),
        *blocks(block),
        weight("vision_proj.fc1", middle, 2 * width, split="outputs"),
        plain("vision_proj.fc1.bias", middle, split="outputs"),
        weight("vision_proj.fc2", hidden, middle, split="inputs"),
        plain("vision_proj.fc2.bias", hidden),
    ]

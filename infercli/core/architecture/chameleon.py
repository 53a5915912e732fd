"""Chameleon: images become tokens of the vocabulary, by an encoder that looks up the nearest of a few vectors.

The one thing to know: the decoder is Llama's with norms on queries and keys, a weight and a bias for every head.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import parse_decoder
from infercli.core.architecture.encoder_parts import plain
from infercli.core.architecture.families import ROWS
from infercli.core.architecture.fields import EXTEND, family_of, integer
from infercli.core.architecture.layers import Attention, LayerGroup, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported


def chameleon(config: Json) -> ModelArch:
    """ChameleonForConditionalGeneration (vLLM 0.28 models/chameleon.py)."""
    inner = parse_decoder(config, ROWS["LlamaForCausalLM"])
    return replace(
        inner,
        architecture=family_of(config),
        layers=tuple(_normed(group) for group in inner.layers),
        encoders=(plain("model.vqmodel", _encoder(config.get("vq_config") or {})),),
    )


def _normed(group: LayerGroup) -> LayerGroup:
    """With a norm of each head's own."""
    assert isinstance(group.mixer, Attention)
    each = 2 * (group.mixer.heads + group.mixer.kv_heads)
    norms = Weight(
        name="query and key norms", role="norm", module="self_attn.q_norm", outputs=each, inputs=group.mixer.head_dim,
        split="outputs",
    )  # fmt: skip
    return group._replace(others=(norms,))


def _encoder(said: Json) -> int:
    """Elements of the VQGAN: convolutions in steps, two of which halve nothing, and the vectors that it looks up.

    Defaults: transformers 5 ChameleonVQVAEConfig.
    """
    if said.get("attn_resolutions") or said.get("attn_type", "vanilla") != "vanilla":
        raise Unsupported("config.json: vq_config.attn_resolutions: attention between steps is not known here", EXTEND)
    base, latent = integer(said, "base_channels", 128), integer(said, "latent_channels", 256)
    steps = [base * int(factor) for factor in said.get("channel_multiplier") or (1, 1, 2, 2, 4)]
    depth, width = integer(said, "num_res_blocks", 2), integer(said, "embed_dim", 256)
    found = (9 * integer(said, "in_channels", 3) + 1) * base
    for before, after in pairwise([base, *steps]):
        found += _resnet(before, after) + (depth - 1) * _resnet(after, after)
    found += sum((9 * step + 1) * step for step in steps[:-1])  # what halves the image between two steps
    last = steps[-1]
    found += 2 * _resnet(last, last) + 2 * last + 4 * (last + 1) * last  # and attention between them
    found += 2 * last + (9 * last + 1) * latent * (2 if said.get("double_latent") else 1)
    return found + (latent + 1) * width + (width + 1) * latent + integer(said, "num_embeddings", 8192) * width


def _resnet(before: int, after: int) -> int:
    """Two convolutions behind a norm each, and one beside them where the width changes."""
    beside = (before + 1) * after if before != after else 0
    return 2 * before + (9 * before + 1) * after + 2 * after + (9 * after + 1) * after + beside

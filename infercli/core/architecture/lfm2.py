"""LFM2: short convolutions, which keep a few tokens each, and attention in some layers."""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, attention
from infercli.core.architecture.experts import Mixture, experts, has_experts, sparse_layers
from infercli.core.architecture.fields import EXTEND, HEADS, HIDDEN, LAYERS, Layer, entries, integer
from infercli.core.architecture.hybrid import by_name, model
from infercli.core.architecture.layers import Dense, ShortConvolution
from infercli.core.record import Json
from infercli.errors import Unsupported

_NAMES = ("w1", "w3", "w2")


def lfm2(config: Json) -> ModelArch:
    """LFM2, with or without experts (vLLM 0.29 models/lfm2.py, lfm2_moe.py): `conv` layers keep a few tokens only.

    Two thirds of `block_ff_dim` are the width of the dense feed-forward, up to a multiple of `block_multiple_of`.
    """
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    for key in ("conv_dim", "block_dim"):
        if config.get(key) not in (None, hidden):
            raise Unsupported(f"config.json: {key} ({config[key]}) differs from the hidden width", EXTEND)
    where = set(range(count) if config.get("full_attn_idxs") is None else config["full_attn_idxs"])
    kinds = entries(config, "layer_types", count)
    if kinds is None:
        kinds = ["full_attention" if i in where else "conv" for i in range(count)]
    row = Row(qk_norm="head", kv_heads=8, names=("q_proj", "k_proj", "v_proj", "out_proj"))
    full = attention(config, row, hidden // integer(config, HEADS), None, None)
    convolution = ShortConvolution(
        width=hidden, conv_kernel=integer(config, "conv_L_cache", 3), bias=bool(config.get("conv_bias", False))
    )
    mixers = by_name(kinds, {"full_attention": full, "conv": convolution})
    silent: Json = {"num_dense_layers": 2}
    sparse = sparse_layers(silent | config, count) if has_experts(config) else frozenset()
    mixture = Mixture(module="feed_forward", names=_NAMES, router_bias=bool(config.get("use_expert_bias", True)))
    moe = experts(config, mixture) if sparse else None
    width = integer(config, "intermediate_size") if has_experts(config) else _width(config)
    dense = Dense(intermediate=width, module="feed_forward", names=_NAMES)
    layers = [Layer(mixers[i], moe if i in sparse else dense) for i in range(count)]
    # Whatever tie_word_embeddings says: both files tie them.
    return model(config | {"tie_word_embeddings": True}, hidden, layers, rope=full)


def _width(config: Json) -> int:
    width = integer(config, ("block_ff_dim", "intermediate_size"))
    if not config.get("block_auto_adjust_ff_dim", True):
        return width
    width = int(2 * width / 3)
    if config.get("block_ffn_dim_multiplier") is not None:
        width = int(float(config["block_ffn_dim_multiplier"]) * width)
    step = integer(config, "block_multiple_of", 256)
    return -(-width // step) * step

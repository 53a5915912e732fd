"""Decoders with lightning attention in most layers: MiniMax-Text-01 and M1, and Ling and Ring 2.5.

The one thing to know: a lightning layer keeps one matrix per head, however long the request is.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, attention
from infercli.core.architecture.experts import MIXTRAL, Mixture, experts
from infercli.core.architecture.fields import (
    EXTEND,
    HEADS,
    HIDDEN,
    LAYERS,
    Layer,
    context_length,
    entries,
    head_size,
    integer,
    only_known,
    optional,
    rotary_width,
)
from infercli.core.architecture.hybrid import model
from infercli.core.architecture.layers import Dense, GatedDelta, LatentAttention, Split, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported


def minimax(config: Json) -> ModelArch:
    """MiniMax-Text-01 and M1 (vLLM 0.8 to 0.23 models/minimax_text_01.py): which layers attend is listed one by one.

    Its lm_head and its RoPE table are in fp32.
    """
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    if any(_numbers(config.get("shared_intermediate_size"))):
        raise Unsupported("config.json: shared_intermediate_size: shared experts are not known here", EXTEND)
    each = set(_numbers(config.get("num_local_experts") or 1))
    if len(each) > 1:
        raise Unsupported("config.json: num_local_experts: one number for all layers is known here", EXTEND)
    several = each.pop()
    own = config | {"num_local_experts": several}
    width = integer(config, "intermediate_size")
    feed_forward = experts(own, MIXTRAL._replace(router_float32=True)) if several > 1 else Dense(intermediate=width)
    full = attention(config, Row(), head_size(config), None, None)
    lightning = _lightning(config, "self_attn", ("qkv_proj", "output_gate", "out_proj"))
    layers = [Layer(full if attends else lightning, feed_forward) for attends in _attending(config, count)]
    arch = model(config, hidden, layers, rope=full)
    return replace(arch, rope_float32=True, lm_head_float32=True, tied=False)


def _numbers(value: Json) -> list[int]:
    return value if isinstance(value, list) else [value]


def _attending(config: Json, count: int) -> list[bool]:
    """Of each layer, whether it is full attention; all are, where config.json is silent."""
    for key in ("attn_type_list", "decoder_attention_types"):
        if config.get(key):
            return [bool(kind) for kind in entries(config, key, count) or ()]
    kinds = entries(config, "layer_types", count) or ["full_attention"] * count
    only_known(kinds, ("full_attention", "linear_attention"))
    return [kind == "full_attention" for kind in kinds]


def bailing_2_5(config: Json) -> ModelArch:
    """Ling and Ring 2.5 (vLLM 0.29 models/bailing_moe_linear.py): every n-th layer is latent attention."""
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    for key in ("use_bias", "use_qkv_bias"):
        if config.get(key):
            raise Unsupported(f"config.json: {key}: biases are not known here", EXTEND)
    every = integer(config, "layer_group_size", 1)
    full = bailing_latent(config)
    lightning = _lightning(config, "attention", ("query_key_value", "g_proj", "dense"))
    lightning = lightning._replace(norm_groups=integer(config, "group_norm_size", 1))
    norms = (
        Weight(name="query and key norms", role="norm", module="attention.query_layernorm", outputs=2,
               inputs=lightning.value_dim),
    ) if config.get("use_qk_norm") else ()  # fmt: skip
    mixture = Mixture(router_bias="moe_router_enable_expert_bias", router_float32="router_dtype")
    moe = experts(config, mixture)
    dense = Dense(intermediate=integer(config, "intermediate_size"))
    first = int(config.get("first_k_dense_replace") or 0) if moe.experts > 1 else count
    layers = []
    for index in range(count):
        mixer = full if (index + 1) % every == 0 else lightning
        layers.append(Layer(mixer, dense if index < first else moe, 2, norms if mixer is lightning else ()))
    drafts = [Layer(full, moe)] * (optional(config, "num_nextn_predict_layers") or 0)
    arch = model(config, hidden, layers, drafts=drafts)
    rotated = rotary_width(config, lightning.value_dim) + full.rope_dim
    return replace(arch, rope_positions=context_length(config).rows, rope_width=rotated, tied=False)


def bailing_latent(config: Json) -> LatentAttention:
    """The latent attention of Ling and Ring 2.5 and 3."""
    return LatentAttention(
        heads=integer(config, HEADS), q_lora_rank=optional(config, "q_lora_rank"),
        kv_lora_rank=integer(config, "kv_lora_rank", 512), rope_dim=integer(config, "qk_rope_head_dim", 64),
        nope_dim=integer(config, "qk_nope_head_dim", 128), v_head_dim=integer(config, "v_head_dim", 128),
        module="attention",
    )  # fmt: skip


def _lightning(config: Json, module: str, names: tuple[str, str, str]) -> GatedDelta:
    """Its projections: of queries, keys and values, of the gate, and of the output."""
    heads, width, hidden = integer(config, HEADS), head_size(config), integer(config, HIDDEN)
    qkv, gate, out = names
    inner = heads * width

    def weight(name: str, outputs: int, inputs: int, split: Split = "outputs") -> Weight:
        return Weight(name=name, role="linear_attention", module=f"{module}.{name}", outputs=outputs, inputs=inputs,
                      split=split, linear=inputs > 1)  # fmt: skip

    return GatedDelta(
        variant="lightning", key_heads=heads, value_heads=heads, key_dim=width, value_dim=width, conv_kernel=1,
        module=module,
        projections=(
            weight(qkv, 3 * inner, hidden), weight(gate, inner, hidden), weight("norm", inner, 1),
            weight(out, hidden, inner, "inputs"),
        ),
    )  # fmt: skip

"""Mixtures whose layers differ in their attention: Laguna, MiMo-V2, Step 3.5 and 3.7, MiniMax M3."""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, attention, feed_forward, parse_decoder, window_of
from infercli.core.architecture.experts import MIXTRAL, Mixture, sparse_layers
from infercli.core.architecture.fields import (
    EXTEND,
    HIDDEN,
    LAYERS,
    POSITIONS,
    Layer,
    entries,
    grouped,
    head_size,
    integer,
    optional,
    own_entries,
    rotary_width,
)
from infercli.core.architecture.layers import Attention, Indexer
from infercli.core.record import Json
from infercli.errors import Unsupported

_STEP = Row(
    qk_norm="head", windows="types",
    mixture=Mixture(module="moe", router_bias=True, router_float32=True, shared_module="share_expert"),
)  # fmt: skip
_LAGUNA = Row(
    qkv_bias="qkv_bias", output_bias="attention_bias", qk_norm="head",
    mixture=Mixture(router_bias=True, shared_module="mlp.shared_expert"),
)  # fmt: skip
_MIMO = Row(qkv_bias="attention_bias", mixture=Mixture(router_bias=True, router_float32="moe_router_dtype"))
_MINIMAX_M3 = Row(
    qk_norm="head",
    mixture=MIXTRAL._replace(
        router_bias=True, router_float32=True, shared_module="block_sparse_moe.shared_experts"
    ),
)  # fmt: skip


_LAGUNA_WIDTHS: Json = {"head_dim": 128, "num_experts": 256, "shared_expert_intermediate_size": 512}
"""What vLLM takes where config.json is silent (vLLM 0.29 transformers_utils/configs/laguna.py)."""


def step(config: Json) -> ModelArch:
    """Step 3.5 and 3.7 (vLLM 0.29 models/step3p5.py): sliding layers may have other heads, and a gate on each head."""
    gated = config.get("use_head_wise_attn_gate")
    arch = parse_decoder(config, _STEP._replace(gate="heads") if gated else _STEP)
    other = config.get("attention_other_setting")
    if not other:
        return arch
    groups = []
    for group in arch.layers:
        mixer = group.mixer
        windowed = isinstance(mixer, Attention) and mixer.window is not None
        if isinstance(mixer, Attention) and windowed == (other.get("attention_type") == "sliding_attention"):
            width = integer(other, "head_dim", mixer.head_dim)
            mixer = mixer._replace(
                heads=integer(other, "num_attention_heads"),
                kv_heads=integer(other, "num_attention_groups"),
                head_dim=width,
                v_head_dim=width,
            )
        groups.append(group._replace(mixer=mixer))
    return replace(arch, layers=tuple(groups))


def laguna(config: Json) -> ModelArch:
    """Laguna (vLLM 0.29 models/laguna.py): heads, window and RoPE table by layer, and a gate on each head.

    `gating` is True or "per-head", or "per-element"; config.json may leave out that the first layer is dense.
    """
    count = integer(config, LAYERS)
    kinds, heads = entries(config, "layer_types", count), entries(config, "num_attention_heads_per_layer", count)
    own = {"mlp_only_layers": [0], **_LAGUNA_WIDTHS} | {k: v for k, v in config.items() if v is not None}
    written = own.pop("mlp_layer_types", None)
    sparse = sparse_layers(own, count) if own["num_experts"] else frozenset()
    if written is not None and [i in sparse for i in range(count)] != [kind == "sparse" for kind in written]:
        raise Unsupported("config.json: mlp_layer_types: differs from mlp_only_layers, by which vLLM goes", EXTEND)
    gating = own.get("gating", True)
    if gating not in (True, False, None, "per-head", "per-element"):
        raise Unsupported(f"config.json: gating: `{gating}` is not known here", EXTEND)
    if gating == "per-element" and own.get("qkv_bias"):
        raise Unsupported("config.json: qkv_bias: beside a gate per element it is not known here", EXTEND)
    row = _LAGUNA._replace(gate=None if not gating else "elements" if gating == "per-element" else "heads")
    if kinds is None:  # a window without layer types is none
        own.pop("sliding_window", None)
    arch, windows = parse_decoder(own, row), window_of(own, row, count)
    layers = []
    for index, window in enumerate(windows):
        numbers = own if heads is None else own | {"num_attention_heads": heads[index]}
        mixer = attention(numbers, row, head_size(own), window, None)
        if window is not None and own.get("swa_attention_sink_enabled"):
            mixer = mixer._replace(sinks=True)
        layers.append(Layer(mixer, feed_forward(own, row, arch.hidden, sparse=index in sparse)))
    width, tables = arch.rope_width, own.get("rope_parameters") or {}
    # Tables by layer type leave the length as it is written: LagunaConfig does not hand their scaling on.
    longest = integer(own, POSITIONS) if any(isinstance(v, dict) for v in tables.values()) else arch.max_model_len
    if any(window is not None for window in windows):
        local = own.get("swa_rope_parameters") or tables.get("sliding_attention")
        width += rotary_width(own | {"rope_parameters": local, "rope_scaling": None}, head_size(own)) if local else 0
    return replace(arch, layers=grouped(layers), rope_width=width, max_model_len=longest)


def mimo_v2(config: Json) -> ModelArch:
    """MiMo-V2 (vLLM 0.29 models/mimo_v2.py): `hybrid_layer_pattern` 1 is a window, with heads of its own."""
    count = integer(config, LAYERS)
    pattern = own_entries(config, "hybrid_layer_pattern", count)
    plain = {k: v for k, v in config.items() if k not in ("layer_types", "sliding_window")}
    full = _mimo_attention(plain, None, "")
    window = integer(config, ("sliding_window_size", "sliding_window"))
    local = _mimo_attention(plain, window, "swa_")
    hidden, sparse = integer(config, HIDDEN), sparse_layers(config, count)
    layers = [
        Layer(local if on else full, feed_forward(config, _MIMO, hidden, sparse=i in sparse))
        for i, on in enumerate(pattern)
    ]
    return replace(parse_decoder(plain, _MIMO), layers=grouped(layers))


def _mimo_attention(config: Json, window: int | None, prefix: str) -> Attention:
    width = integer(config, (f"{prefix}head_dim", "head_dim"))
    return Attention(
        heads=integer(config, (f"{prefix}num_attention_heads", "num_attention_heads")),
        kv_heads=integer(config, (f"{prefix}num_key_value_heads", "num_key_value_heads")),
        head_dim=width,
        v_head_dim=integer(config, (f"{prefix}v_head_dim", "v_head_dim"), width),
        window=window,
        qkv_bias=bool(config.get("attention_bias", False)),
        sinks=bool(prefix and config.get("add_swa_attention_sink_bias")),
    )


def minimax_m3(config: Json) -> ModelArch:
    """MiniMax M3 (vLLM 0.29 models/minimax_m3/): in its sparse layers an indexer picks blocks of tokens."""
    arch = parse_decoder(config, _MINIMAX_M3)
    settings = config.get("sparse_attention_config") or {}
    count = arch.layer_count
    marks = entries(settings, "sparse_attention_freq", count) if settings.get("use_sparse_attention") else None
    if not marks or not any(marks):
        return arch
    indexer = Indexer(
        heads=integer(settings, "sparse_num_index_heads"),
        head_dim=integer(settings, "sparse_index_dim"),
        top_k=integer(settings, "sparse_topk_blocks") * integer(settings, "sparse_block_size"),
        query_inputs=arch.hidden,
    )
    full = attention(config, _MINIMAX_M3, head_size(config), None, None)
    hidden, sparse = integer(config, HIDDEN), sparse_layers(config, count)
    layers = [
        Layer(
            full._replace(indexer=indexer) if mark else full,
            feed_forward(config, _MINIMAX_M3, hidden, sparse=i in sparse),
        )
        for i, mark in enumerate(marks)
    ]
    drafts = optional(config, "num_mtp_modules") or 0
    return replace(arch, layers=grouped(layers), draft_layers=grouped([layers[-1]] * drafts, first=count))

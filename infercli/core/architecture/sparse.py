"""Mixtures whose layers differ in their attention: MiMo-V2, Step 3.5 and 3.7, MiniMax M3."""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, attention, feed_forward, parse_decoder
from infercli.core.architecture.experts import Mixture, sparse_layers
from infercli.core.architecture.fields import (
    EXTEND,
    HIDDEN,
    LAYERS,
    Layer,
    entries,
    grouped,
    head_size,
    integer,
    optional,
)
from infercli.core.architecture.layers import Attention, Indexer
from infercli.core.record import Json
from infercli.errors import Unsupported

_STEP = Row(
    qk_norm="head", windows="types", mixture=Mixture(module="moe", router_bias=True, shared_module="share_expert")
)  # fmt: skip
_MIMO = Row(qkv_bias="attention_bias", mixture=Mixture(router_bias=True))
_MINIMAX_M3 = Row(
    qk_norm="head",
    mixture=Mixture(
        module="block_sparse_moe", names=("w1", "w3", "w2"), router_bias=True,
        shared_module="block_sparse_moe.shared_experts",
    ),
)  # fmt: skip


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
            mixer = replace(
                mixer,
                heads=integer(other, "num_attention_heads"),
                kv_heads=integer(other, "num_attention_groups"),
                head_dim=width,
                v_head_dim=width,
            )
        groups.append(replace(group, mixer=mixer))
    return replace(arch, layers=tuple(groups))


def mimo_v2(config: Json) -> ModelArch:
    """MiMo-V2 (vLLM 0.29 models/mimo_v2.py): `hybrid_layer_pattern` 1 is a window, with heads of its own."""
    count = integer(config, LAYERS)
    pattern = entries(config, "hybrid_layer_pattern", count)
    if pattern is None:
        raise Unsupported("config.json: hybrid_layer_pattern: missing, and every layer needs its own", EXTEND)
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
            replace(full, indexer=indexer) if mark else full,
            feed_forward(config, _MINIMAX_M3, hidden, sparse=i in sparse),
        )
        for i, mark in enumerate(marks)
    ]
    drafts = optional(config, "num_mtp_modules") or 0
    return replace(arch, layers=grouped(layers), draft_layers=grouped([layers[-1]] * drafts, first=count))

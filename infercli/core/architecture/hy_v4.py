"""Hunyuan V4: DeepSeek's sparse latent attention with a gate and sinks, and residual streams as wide as the model.

The one thing to know: an indexer stands in the layers that are sparse and pick for themselves; the others of these use
what an earlier layer picked.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.experts import Mixture, experts
from infercli.core.architecture.fields import HEADS, HIDDEN, LAYERS, Layer, context_length, entries, integer
from infercli.core.architecture.hybrid import model
from infercli.core.architecture.latent import indexer, indexer_types, latent_attention
from infercli.core.architecture.layers import Dense, Indexer, Weight
from infercli.core.record import Json

_SILENT: Json = {
    "n_routed_experts": 256, "n_shared_experts": 1, "num_experts_per_tok": 8, "moe_intermediate_size": 768,
    "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 256,
    "index_topk": 2048, "index_head_dim": 128, "index_n_heads": 16, "hc_mult": 4, "gated_mla": True,
    "gating_type": "elementwise", "learnable_sink": True, "enable_ihc": True,
}  # fmt: skip
"""What vLLM 0.29 transformers_utils/configs/hy_v4.py takes where config.json says nothing."""
_SPARSE = ("deepseek_sparse_attention", "sparse_attention", "sparse")


def hy_v4(config: Json) -> ModelArch:
    """HYV4ForCausalLM (vLLM 0.29 models/hy_v4/nvidia/); what it drafts with is not known here."""
    own = _SILENT | config
    count, hidden, heads = integer(own, LAYERS), integer(own, HIDDEN), integer(own, HEADS)
    attention = latent_attention(own)
    mixers = [attention._replace(indexer=picks) for picks in _indexers(own, count)]
    kinds = entries(own, "mlp_layer_types", count) or ["sparse" if index else "dense" for index in range(count)]
    moe = experts(own, Mixture(router_bias=True, router_float32=True))
    dense = Dense(intermediate=integer(own, "intermediate_size"))
    others = _others(own, hidden, heads, attention.v_head_dim)
    layers = [
        Layer(mixer, dense if kind == "dense" else moe, 2, others) for mixer, kind in zip(mixers, kinds, strict=True)
    ]
    streams = integer(own, "hc_mult") if own["enable_ihc"] else 1
    merge = _float32("hc_head", streams * (streams * hidden + 1) + 1)
    return replace(
        model(config, hidden, layers),
        rope_positions=context_length(config).rows,
        rope_width=attention.rope_dim,
        residual_streams=streams,
        outside=(merge,) if streams > 1 else (),
    )


def _indexers(config: Json, count: int) -> list[Indexer | None]:
    sparse = [kind in _SPARSE for kind in entries(config, "layer_types", count) or [""] * count]
    picks = indexer_types(config, count) or [
        "full" if index == 0 or index % 4 == 1 else "shared" for index in range(count)
    ]
    full = indexer(config)
    shared = full._replace(cached=False)
    return [None if not here else full if kind == "full" else shared for here, kind in zip(sparse, picks, strict=True)]


def _others(config: Json, hidden: int, heads: int, width: int) -> tuple[Weight, ...]:
    """The gate on the output, a sink for each head, and the hyper-connections before each half of a layer."""
    found: list[Weight] = []
    if config["gated_mla"]:
        each = 1 if config["gating_type"] == "headwise" else width
        found.append(
            Weight(name="attention gate", role="attention", module="self_attn.linear_gate", outputs=heads * each,
                   inputs=hidden, split="outputs", linear=True)
        )  # fmt: skip
    if config["learnable_sink"]:
        sinks = _float32("self_attn.learnable_sink_param", heads)
        found.append(sinks._replace(name="sinks", role="attention", split="outputs"))
    if config["enable_ihc"]:
        streams = integer(config, "hc_mult")
        wide = 2 * streams
        found += [_float32(f"hc_{half}_layer", wide * (streams * hidden + 1) + 2) for half in ("attn", "mlp")]
    return tuple(found)


def _float32(module: str, elements: int) -> Weight:
    return Weight(name=module, role="other", module=module, outputs=elements, inputs=1, float32=True)

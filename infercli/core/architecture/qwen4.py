"""Qwen4-Exp (Qwen3.8-Flash-Next): Qwen3.5's layers between hyper-connections, sparse attention, an n-gram table.

The one thing to know: no layer has norms of its own. Each half of one begins with a hyper-connection, which norms all
residual streams and mixes them into its input, and one more stands for the last norm.
"""

from __future__ import annotations

from dataclasses import replace
from math import isqrt

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.fields import EXTEND, HIDDEN, LAYERS, Layer, entries, grouped, integer
from infercli.core.architecture.hybrid import qwen3_next
from infercli.core.architecture.layers import Attention, Indexer, ShortConvolution, Weight
from infercli.core.record import Json
from infercli.errors import InputError, Unsupported

_SPARSE = ("qwen_sparse_attention", "indexed_attention")
"""What transformers has called layers of attention, besides `full_attention`."""
_SILENT: Json = {
    "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
    "num_experts": 512, "num_experts_per_tok": 10, "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512,
    "hc_count": 4, "hc_lowrank": 320, "ple_conv_kernel_size": 4, "ngram_size": 3, "heads_per_ngram": 8,
    "ngram_vocab_size_base": 20_000_000, "make_ngram_vocab_size_divisible_by": 128,
}  # fmt: skip
"""What transformers 5.24 models/qwen4_exp/configuration_qwen4_exp.py takes where config.json says nothing."""
_ON_THE_HOST_SINCE = (0, 30)
"""From here on vLLM keeps the n-gram table in the machine's memory (0.30 config/engram.py cpu_offload); on AMD's GPUs
since 0.31."""
_ALIGNED_ROWS = 16
"""The first projection of a hyper-connection is padded to a multiple of these."""
_MOST_HEADS, _MOST_ROWS = 1_000, 1_000_000_000
"""Of the table, and of one of its heads: its primes are searched one by one. Our choice; 16 and 20 million are known.
"""


def qwen4_exp(config: Json) -> ModelArch:
    """Qwen4ExpForCausalLM (vLLM 0.29 to 0.33 models/qwen4_exp/nvidia/)."""
    own = _SILENT | {k: v for k, v in config.items() if v is not None}
    count, hidden, streams = integer(own, LAYERS), integer(own, HIDDEN), integer(own, "hc_count")
    if streams < 2:
        raise InputError(f"config.json: hc_count: {streams} is too few: vLLM asks for 2 at least", EXTEND)
    if own.get("ple_embedding_dtype"):
        raise Unsupported("config.json: ple_embedding_dtype: a table of a dtype of its own is not known here", EXTEND)
    kinds = entries(own, "layer_types", count)
    if kinds is not None:
        own["layer_types"] = ["full_attention" if kind in _SPARSE else kind for kind in kinds]
    arch = qwen3_next(own | {"attn_output_gate": True})
    indexer, mixing = _indexer(own, hidden), _mixing(own, hidden)
    halves = tuple(w._replace(module=f"{half}_{w.module}") for half in ("attn", "mlp") for w in mixing)
    ends = _mixing(own, hidden, injects=False)
    tables = _tables(own, hidden)
    layers: list[Layer] = []
    for index, group in sorted((i, g) for g in arch.layers for i in g.indices):
        mixer = group.mixer._replace(indexer=indexer) if isinstance(group.mixer, Attention) else group.mixer
        layers.append(Layer(mixer, group.feed_forward, 0, halves, tables.get(index)))
    unknown = sorted(set(tables) - {i for i, layer in enumerate(layers) if not isinstance(layer.mixer, Attention)})
    if unknown:
        raise InputError(f"config.json: ple_layer_ids: {unknown[0] + 1} is no layer of linear attention", EXTEND)
    drafts: list[Layer] = []
    for group in arch.draft_layers:
        assert isinstance(group.mixer, Attention)
        drafts += [Layer(group.mixer._replace(indexer=indexer), group.feed_forward, 0, halves)] * len(group.indices)
    if drafts:
        streamed = _vector("pre_fc_norm_hidden", (streams - 2) * hidden)  # the other two are counted for every draft
        drafts[-1] = drafts[-1]._replace(others=(*halves, *ends, streamed))
    return replace(
        arch,
        layers=grouped(layers),
        draft_layers=grouped(drafts, first=count),
        outside=ends,
        final_norm=0,
        residual_streams=streams,
    )


def _indexer(config: Json, hidden: int) -> Indexer | None:
    """Its queries and the one key are made by one projection, whole on every rank; None: all tokens are attended to."""
    if config.get("indexer_n_heads") is None:
        return None
    if integer(config, "indexer_kv_heads") != 1:
        raise InputError("config.json: indexer_kv_heads: must be 1, and vLLM refuses any other", EXTEND)
    return Indexer(
        heads=integer(config, "indexer_n_heads"), head_dim=integer(config, "indexer_head_dim"),
        top_k=integer(config, "indexer_budget"), query_inputs=hidden,
        pool=integer(config, "indexer_compress_ratio"),
    )  # fmt: skip


def _mixing(config: Json, hidden: int, *, injects: bool = True) -> tuple[Weight, ...]:
    """One hyper-connection (common/hyperconnection.py GatedResidual), in bfloat16 and whole on every rank.

    `injects`: it also says how much of the half's output each stream takes.
    """
    streams, rank = integer(config, "hc_count"), integer(config, "hc_lowrank")
    down = -(-(rank + streams) // _ALIGNED_ROWS) * _ALIGNED_ROWS if injects else rank
    name = "hyper_connection" if injects else "hyper_connection_mixer"
    into = Weight(name="streams down", role="other", module=f"{name}.input_mix_weight_down", outputs=down,
                  inputs=streams * hidden)  # fmt: skip
    up = into._replace(name="streams up", module=f"{name}.input_mix_weight_up", outputs=into.inputs, inputs=rank)
    return (_vector(f"{name}.hc_norm", streams * hidden), into, up)


def _tables(config: Json, hidden: int) -> dict[int, ShortConvolution]:
    """Layers with a table of n-grams, from 0: what it says passes a convolution, whose state no rank shares out."""
    chosen = sorted(set(config.get("ple_layer_ids") or ()))
    heads = (integer(config, "ngram_size") - 1) * integer(config, "heads_per_ngram")
    if heads * len(chosen) > _MOST_HEADS:
        raise InputError(f"config.json: heads_per_ngram: {heads * len(chosen):,} heads are not planned", EXTEND)
    width, streams = integer(config, "ple_embed_dim", hidden), integer(config, "hc_count")
    primes = _primes(integer(config, "ngram_vocab_size_base"), heads * len(chosen))
    padding, wide = integer(config, "make_ngram_vocab_size_divisible_by"), streams * hidden
    found = {}
    for place, layer in enumerate(chosen):
        rows = -(-sum(primes[place * heads : (place + 1) * heads]) // padding) * padding
        kernel, dilation = integer(config, "ple_conv_kernel_size"), integer(config, "ngram_size")
        table = Weight(
            name="n-gram embedding", role="embedding", module="ple.ple_embedding.ngram_embedding", outputs=rows,
            inputs=width // heads, split="outputs", fp8=True, host_since=_ON_THE_HOST_SINCE,
        )  # fmt: skip
        key = Weight(name="n-gram keys", role="other", module="ple.key_proj", outputs=wide, inputs=width, linear=True)
        found[int(layer) - 1] = ShortConvolution(
            width=wide,
            conv_kernel=(kernel - 1) * dilation + 1,
            whole=True,
            projections=(
                table, key, key._replace(name="n-gram values", module="ple.value_proj", outputs=hidden),
                _vector("ple.norm_key", 3 * wide), _vector("ple.conv1d", kernel * wide),
            ),
        )  # fmt: skip
    return found


def _primes(least: int, count: int) -> list[int]:
    """The first `count` primes from `least` on: how many rows the heads of the tables have, one after the other."""
    if count and least > _MOST_ROWS:
        raise InputError(f"config.json: ngram_vocab_size_base: {least:,} rows are not planned", EXTEND)
    found: list[int] = []
    while len(found) < count:
        if least > 1 and all(least % factor for factor in range(2, isqrt(least) + 1)):
            found.append(least)
        least += 1
    return found


def _vector(module: str, elements: int) -> Weight:
    return Weight(name=module, role="norm", module=module, outputs=elements, inputs=1)

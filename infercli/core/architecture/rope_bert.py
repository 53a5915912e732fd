"""BERT with rotary positions: Nomic's, GTE's and Jina's encoders, which pool and keep no cache.

The one thing to know: widths stand under GPT-2's names in Nomic's own files, and under BERT's in the others.
"""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.bert import bert, classifier, colbert, encoder_only, whole
from infercli.core.architecture.experts import Mixture, experts
from infercli.core.architecture.fields import (
    EXTEND,
    FEED_FORWARD,
    HEADS,
    HIDDEN,
    LAYERS,
    Layer,
    context_length,
    family_of,
    integer,
    optional,
)
from infercli.core.architecture.layers import Attention, Dense, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported

_NOMIC_EXPERTS = Mixture(gated=False, names=("w1", "w2"), router="router")


def nomic(config: Json) -> ModelArch:
    """NomicBertModel (vLLM 0.29 models/bert_with_rope.py): every `moe_every_n_layers`-th layer has experts."""
    function = config.get("activation_function") or config.get("hidden_act")
    if function not in ("swiglu", "silu", "gelu"):
        raise Unsupported(f"config.json: activation_function: {function} is not known here", EXTEND)
    hidden, every = integer(config, HIDDEN), optional(config, "moe_every_n_layers") or 0
    bias = bool(config.get("qkv_proj_bias", True))
    width = integer(config, FEED_FORWARD)
    dense = Dense(intermediate=width, gated=function != "gelu", bias=bias)
    plain = Layer(_attention(config, hidden, bias=bias), dense, 4)
    layers = [plain] * integer(config, LAYERS)
    if every:
        moe = experts(config | {"moe_intermediate_size": width}, _NOMIC_EXPERTS)
        other = Weight(name="expert bias", role="mlp", module="mlp.bias", outputs=hidden, inputs=1)
        layers = [plain._replace(feed_forward=moe, others=(other,)) if i % every == 1 else plain
                  for i in range(len(layers))]  # fmt: skip
    return _model(config, layers)


def gte(config: Json) -> ModelArch:
    """GTE (vLLM 0.29 models/bert_with_rope.py): gate and up have no bias, down has one; reranking adds a pooler."""
    hidden = integer(config, HIDDEN)
    bias = Weight(name="down bias", role="mlp", module="mlp.down_proj", outputs=hidden, inputs=1)
    dense = Dense(intermediate=integer(config, FEED_FORWARD))
    layer = Layer(_attention(config, hidden, bias=True), dense, 4, (bias,))
    return _model(config, [layer] * integer(config, LAYERS))


def jina(config: Json) -> ModelArch:
    """Jina's embeddings 3 and ColBERT 2, whose classes are XLM-RoBERTa's by name (vLLM 0.29 models/roberta.py)."""
    dense = Dense(intermediate=integer(config, FEED_FORWARD), gated=False, bias=True, names=("fc1", "fc2"))
    layer = Layer(_attention(config, integer(config, HIDDEN), bias=True), dense, 4)
    return _model(config, [layer] * integer(config, LAYERS))


def xlm_roberta(config: Json) -> ModelArch:
    """XLMRobertaModel, which is Jina's where its positions are rotary."""
    return jina(config) if config.get("position_embedding_type") == "rotary" else bert(config)


def _attention(config: Json, hidden: int, *, bias: bool) -> Attention:
    heads = integer(config, HEADS)
    return Attention(
        heads=heads, kv_heads=heads, head_dim=hidden // heads, v_head_dim=hidden // heads, qkv_bias=bias,
        output_bias=bias, cached=False, module="attention", names=("qkv_proj", "o_proj"),
    )  # fmt: skip


def _model(config: Json, layers: list[Layer]) -> ModelArch:
    hidden, heads = integer(config, HIDDEN), integer(config, HEADS)
    types = int(config.get("type_vocab_size") or 0)
    table = Weight(
        name="token types", role="other", module="token_type_embeddings", outputs=types, inputs=hidden, split="outputs",
        padded=True,
    )  # fmt: skip
    norm = Weight(name="embedding norm", role="norm", module="embeddings.LayerNorm", outputs=2 * hidden, inputs=1)
    name = family_of(config)
    pooler = [whole("pooler.dense", hidden, hidden + 1)] if name.endswith("Classification") else []
    head = colbert(config, hidden) if name.startswith("ColBERT") else classifier(config, hidden)
    length = context_length(config)
    return encoder_only(
        config, layers, (*([table] if types else []), norm, *pooler, *head), longest=length.longest,
        rope_positions=length.rows, rope_width=int(config.get("rotary_emb_dim") or hidden // heads),
    )  # fmt: skip

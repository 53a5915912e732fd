"""Decoders with latent attention: DeepSeek V2, V3, V3.2, and the models of their shape."""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.experts import Mixture, experts, has_experts, sparse_layers
from infercli.core.architecture.fields import (
    DRAFTS,
    EXTEND,
    HEADS,
    HIDDEN,
    LAYERS,
    Layer,
    checkpoint_dtype,
    context_length,
    entries,
    family_of,
    grouped,
    integer,
    optional,
    tied,
    without,
)
from infercli.core.architecture.layers import (
    Dense,
    Indexer,
    LatentAttention,
    LayerGroup,
    Weight,
)
from infercli.core.record import Json
from infercli.errors import Unsupported

_LONGCAT = Mixture(
    router="router.classifier", router_bias=True, router_float32="router_dtype", shared_module="mlps.0"
)  # fmt: skip


def deepseek(config: Json) -> ModelArch:
    """DeepSeek V2, V3 and V3.2, and the models of their shape (vLLM 0.29 models/deepseek_v2.py, deepseek_v32/)."""
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    sparse = sparse_layers(config, count) if has_experts(config) else frozenset()
    indexers = _indexers(config, count)
    moe = experts(config, Mixture(router_bias=config.get("topk_method") == "noaux_tc")) if sparse else None
    dense = Dense(intermediate=integer(config, "intermediate_size")) if len(sparse) < count else None
    layers = [Layer(latent_attention(config, indexers[i]), moe if i in sparse else dense) for i in range(count)]
    length = context_length(config)
    return ModelArch(
        architecture=family_of(config),
        hidden=hidden,
        vocab=integer(config, "vocab_size"),
        tied=tied(config, default=False),
        dtype=checkpoint_dtype(config),
        max_model_len=length.longest,
        rope_positions=length.rows,
        rope_width=integer(config, "qk_rope_head_dim"),
        layers=grouped(layers),
        draft_layers=_drafts(config, grouped(layers), count),
    )


def a_x_k1(config: Json) -> ModelArch:
    """A.X K1 (vLLM 0.29 models/AXK1.py): DeepSeek-V3 without draft layers, and a norm behind each half."""
    silent: Json = {"topk_method": "noaux_tc", "n_shared_experts": 1, "first_k_dense_replace": 1, "moe_layer_freq": 1}
    return _with_norms(deepseek(silent | config | _PLAIN), 3)


def sarvam_mla(config: Json) -> ModelArch:
    """Sarvam's MLA (vLLM 0.29 models/sarvam.py): DeepSeek-V3 whose router's bias is asked for by a flag."""
    if config.get("moe_layer_freq") not in (None, 1):
        raise Unsupported("config.json: moe_layer_freq: other than 1 is not known here", EXTEND)
    biased = config.get("moe_router_enable_expert_bias", True)
    silent: Json = {"num_shared_experts": 1, "first_k_dense_replace": 1}
    return deepseek(silent | config | _PLAIN | {"topk_method": "noaux_tc" if biased else None})


def pangu_ultra(config: Json) -> ModelArch:
    """OpenPangu Ultra (vLLM 0.29 models/openpangu.py): DeepSeek-V3 with norms on both sides if `sandwich_norm`."""
    without(config, "param_sink_number", "mlp_bias")
    biased = config.get("router_enable_expert_bias")
    own = config | {"topk_method": "noaux_tc" if biased else None, "moe_layer_freq": 1}
    return _with_norms(deepseek(own), 4 if config.get("sandwich_norm") else 2)


def longcat(config: Json) -> ModelArch:
    """LongCat-Flash (vLLM 0.29 models/longcat_flash.py): two attentions and two feed-forwards a layer, beside experts.

    The router also chooses among `zero_expert_num` experts that do nothing and have no weights.
    """
    count = integer(config, "num_layers")
    if config.get("num_hidden_layers") not in (None, count):
        raise Unsupported("config.json: num_hidden_layers: differs from num_layers, by which vLLM goes", EXTEND)
    own = {"n_routed_experts": config.get("num_experts"), "v_head_dim": 128} | config | _PLAIN
    if not isinstance(own["n_routed_experts"], int):
        raise Unsupported("config.json: num_experts: one number for all layers is known here", EXTEND)
    hidden, width = integer(own, HIDDEN), integer(own, ("ffn_hidden_size", "intermediate_size"))
    moe = experts(own | {"intermediate_size": width}, _LONGCAT)
    moe = moe._replace(shared_intermediate=width)
    idle = int(own.get("zero_expert_num") or 0)
    biases = idle + (idle + moe.experts if own.get("router_bias") else 0)
    router = f"{moe.module}.{moe.router}"
    others = [
        Weight(name="idle router", role="router", module=router, outputs=idle, inputs=hidden),
        Weight(name="idle router bias", role="router", module=router, outputs=biases, inputs=1),
    ] if biases else []  # fmt: skip
    second = Weight(
        name="second feed-forward", role="mlp", module="mlps.1.gate_proj", outputs=width, inputs=hidden,
        split="outputs", linear=True,
    )  # fmt: skip
    down = second._replace(module="mlps.1.down_proj", outputs=hidden, inputs=width, split="inputs")
    others += [second, second._replace(module="mlps.1.up_proj"), down]
    attention = latent_attention(own)
    plain = {key: value for key, value in own.items() if key not in ("n_routed_experts", "num_experts")}
    arch = deepseek(plain | {"intermediate_size": width})
    layer = Layer(
        attention._replace(module="self_attn.0"), moe, 4, tuple(others), beside=attention._replace(module="self_attn.1")
    )
    return replace(arch, layers=grouped([layer] * count))


def longcat_ngram(config: Json) -> ModelArch:
    """LongCat-Flash-Lite (vLLM 0.29 models/longcat_flash_ngram.py): tables of tokens and those before them.

    Its tables are one to vLLM, which its ranks cut; a projection widens what each of them says.
    """
    arch = longcat(config | {"num_hidden_layers": None})
    if config.get("ngram_vocab_size_ratio") is None:
        return arch
    tables = integer(config, "emb_split_num") * (integer(config, "emb_neighbor_num") - 1)
    first = int(float(config["ngram_vocab_size_ratio"]) * arch.vocab + 1)  # each table after it has two rows more
    rows, width = tables * (first + tables - 1), arch.hidden // tables
    table = Weight(name="n-gram embedding", role="embedding", module="ngram_embeddings.embedders", outputs=rows,
                   inputs=width, split="outputs", padded=True)  # fmt: skip
    widen = Weight(name="n-gram projections", role="other", module="ngram_embeddings.post_projs", outputs=arch.hidden,
                   inputs=width, copies=tables)  # fmt: skip
    return replace(arch, outside=(*arch.outside, table, widen))


_PLAIN: Json = {"num_nextn_predict_layers": None}


def _with_norms(arch: ModelArch, norms: int) -> ModelArch:
    """With that many vectors of the hidden width in each layer."""
    return replace(
        arch,
        layers=tuple(group._replace(norms=norms) for group in arch.layers),
        draft_layers=tuple(group._replace(norms=norms) for group in arch.draft_layers),
    )


def latent_attention(config: Json, indexer: Indexer | None = None) -> LatentAttention:
    """Latent attention whose widths stand under DeepSeek's keys."""
    return LatentAttention(
        heads=integer(config, HEADS),
        q_lora_rank=optional(config, "q_lora_rank"),
        kv_lora_rank=integer(config, "kv_lora_rank"),
        rope_dim=integer(config, "qk_rope_head_dim"),
        nope_dim=integer(config, "qk_nope_head_dim"),
        v_head_dim=integer(config, "v_head_dim"),
        indexer=indexer,
    )


def _indexers(config: Json, count: int) -> list[Indexer | None]:
    """The indexer of each layer; some layers re-use an earlier one's choice."""
    if not config.get("index_topk"):
        return [None] * count
    own = indexer(config)
    kinds, frequent = indexer_types(config, count), _indexer_kinds(config, count)
    if None not in (kinds, frequent) and kinds != frequent:
        raise Unsupported("config.json: indexer_types: differs from index_topk_freq, by which vLLM goes", EXTEND)
    shared = own._replace(cached=False)
    return [own if kind == "full" else shared for kind in kinds or frequent or ["full"] * count]


def indexer(config: Json) -> Indexer:
    """The indexer of a layer that picks for itself; its queries come from the compressed query."""
    return Indexer(
        heads=integer(config, "index_n_heads"),
        head_dim=integer(config, "index_head_dim"),
        top_k=integer(config, "index_topk"),
        query_inputs=integer(config, "q_lora_rank"),
    )


def indexer_types(config: Json, count: int) -> list[str] | None:
    """`full` or `shared` for each layer; None where config.json is silent. Raises Unsupported for another word."""
    kinds = entries(config, "indexer_types", count)
    unknown = sorted({str(kind) for kind in kinds or ()} - {"full", "shared"})
    if unknown:
        raise Unsupported(f"config.json: indexer_types: {', '.join(unknown)} is not known here", EXTEND)
    return kinds


def _indexer_kinds(config: Json, count: int) -> list[str] | None:
    """`indexer_types` by pattern or frequency, as vLLM reads them (0.29 models/deepseek_v32/attention.py); or None."""
    pattern, every = entries(config, "index_topk_pattern", count), optional(config, "index_topk_freq")
    if pattern is not None:
        return ["shared" if letter == "S" else "full" for letter in pattern]
    if every is None:
        return None
    offset = int(config.get("index_skip_topk_offset", 2))
    return ["shared" if max(index - offset + 1, 0) % every else "full" for index in range(count)]


def _drafts(config: Json, layers: tuple[LayerGroup, ...], count: int) -> tuple[LayerGroup, ...]:
    """Multi-token-prediction layers: as the last layer, behind the model's own."""
    number = optional(config, DRAFTS) or 0
    if not number:
        return ()
    last = next(g for g in layers if count - 1 in g.indices)
    if isinstance(last.mixer, LatentAttention) and last.mixer.indexer is not None:
        # A draft layer picks for itself, whatever the last layer does (vLLM 0.29 models/deepseek_v2.py is_mtp_layer).
        last = last._replace(mixer=last.mixer._replace(indexer=last.mixer.indexer._replace(cached=True)))
    return (last._replace(indices=tuple(range(count, count + number))),)

"""Gemma 4 and 3n: layer types differ in their heads, and small embeddings of their own go into every layer."""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.experts import Mixture, experts
from infercli.core.architecture.fields import (
    EXTEND,
    HEADS,
    HIDDEN,
    LAYERS,
    Layer,
    checkpoint_dtype,
    entries,
    family_of,
    grouped,
    integer,
    optional,
    own_entries,
    tied,
)
from infercli.core.architecture.layers import Attention, Dense, Experts, FeedForward, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported


def gemma4(config: Json) -> ModelArch:
    """Gemma4ForCausalLM (vLLM 0.29 models/gemma4.py).

    Where values are the keys (`attention_k_eq_v`), vLLM holds the projection twice, and so does this count.
    """
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    kinds = own_entries(config, "layer_types", count)
    shared = int(config.get("num_kv_shared_layers") or 0)
    small = optional(config, "hidden_size_per_layer_input")
    moe = _experts(config) if config.get("enable_moe_block") else None
    layers = []
    for index, kind in enumerate(kinds):
        last = index >= count - shared
        wide = 2 if last and config.get("use_double_wide_mlp") else 1
        dense: FeedForward = Dense(intermediate=wide * integer(config, "intermediate_size"))
        layers.append(
            Layer(
                _attention(config, str(kind), shares_kv=last),
                moe or dense,
                # Experts have three norms and a scale of the router's input.
                4 + (4 if moe else 0) + (1 if small else 0),
                _per_layer(small, hidden),
            )
        )
    length = integer(config, "max_position_embeddings")
    return ModelArch(
        architecture=family_of(config),
        hidden=hidden,
        vocab=integer(config, "vocab_size"),
        tied=tied(config, default=True),
        dtype=checkpoint_dtype(config),
        max_model_len=length,
        rope_positions=length,
        rope_width=integer(config, "head_dim", 256) + integer(config, ("global_head_dim", "head_dim"), 256),
        layers=grouped(layers),
        outside=_embeddings(config, small, count, hidden),
    )


_EMBEDDING: Json = {
    "vocab_size": 262144, "intermediate_size": 2048, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 256, "sliding_window": 512, "hidden_size_per_layer_input": 512, "embedding_dim": 768,
}  # fmt: skip
"""Where config.json is silent (transformers 5.24 models/embedding_gemma2/configuration_embedding_gemma2.py)."""
_EMBEDDED_AT_ONCE = 8192
"""Tokens that vLLM takes where nobody says more (0.33 models/config.py EmbeddingGemma2ModelConfig)."""


def embedding_gemma2(config: Json) -> ModelArch:
    """EmbeddingGemma 2's decoder (vLLM 0.33 models/embedding_gemma2.py): every token sees later ones, and none is kept.

    What goes into every layer besides is projected from the embedding, without a table.
    """
    said = _EMBEDDING | {key: value for key, value in config.items() if value is not None}
    count, hidden = integer(said, LAYERS), integer(said, HIDDEN)
    kinds = entries(said, "layer_types", count)
    if kinds is None:
        every = integer(said, "sliding_window_pattern", 6)
        kinds = ["sliding_attention" if (i + 1) % every else "full_attention" for i in range(count)]
        kinds[-1] = "full_attention"
    small, own = integer(said, "hidden_size_per_layer_input"), said.get("per_layer_config") or {}
    layers = []
    for index, kind in enumerate(kinds):
        wide = {"head_dim": integer(said, "global_head_dim", 512),
                "num_key_value_heads": integer(said, "num_global_key_value_heads", 1)}  # fmt: skip
        of_kind = said | (wide if kind == "full_attention" and not own else {}) | (own.get(str(index)) or {})
        mixer = _attention(of_kind | {"global_head_dim": of_kind["head_dim"]}, str(kind), shares_kv=False)
        window = None if mixer.window is None else mixer.window + 1
        layers.append(
            Layer(
                mixer._replace(cached=False, window=window),
                Dense(intermediate=integer(said, "intermediate_size")),
                5,
                _per_layer(small, hidden),
            )
        )
    length = min(_EMBEDDED_AT_ONCE, integer(said, "max_position_embeddings", 262_144))
    width = integer(said, "embedding_dim")
    return ModelArch(
        architecture=family_of(config),
        hidden=hidden,
        vocab=integer(said, "vocab_size"),
        tied=True,
        dtype=checkpoint_dtype(config),
        max_model_len=length,
        rope_positions=length,
        rope_width=sum(dict.fromkeys(layer.mixer.head_dim for layer in layers if isinstance(layer.mixer, Attention))),
        layers=grouped(layers),
        outside=(
            *_embeddings(said, small, count, hidden)[1:],
            Weight(name="embedding projection", role="other", module="embedding_projection", outputs=width,
                   inputs=hidden, linear=True),
        ),
        lm_head=False,
        pooling=True,
    )  # fmt: skip


def gemma3n(config: Json) -> ModelArch:
    """Gemma3nForCausalLM (vLLM 0.29 models/gemma3n.py): several residual streams, and a small detour in every layer.

    The last layers read the cache of earlier ones, and hold keys and values of their own all the same.
    Defaults: transformers 5.23 Gemma3nTextConfig.
    """
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    kinds = entries(config, "layer_types", count)
    if kinds is None:
        kinds = ["sliding_attention" if (i + 1) % 5 else "full_attention" for i in range(count)]
    one = config.get("intermediate_size")
    widths = entries(config, "intermediate_size", count) if isinstance(one, list) else [one] * count
    shared = int(config.get("num_kv_shared_layers", 15))
    small, streams = integer(config, "hidden_size_per_layer_input", 256), integer(config, "altup_num_inputs", 4)
    own = {"head_dim": 256, "sliding_window": 512} | config
    others = _per_layer(small, hidden) + _detour(integer(config, "laurel_rank", 64), streams, hidden)
    layers = [
        # Five norms, and one each of the streams, their scale and the detour.
        Layer(
            _attention(own, str(kind), shares_kv=index >= count - shared),
            Dense(intermediate=integer({"intermediate_size": width}, "intermediate_size")),
            8,
            others,
        )
        for index, (kind, width) in enumerate(zip(kinds, widths or [], strict=True))
    ]
    length = integer(config, "max_position_embeddings")
    vocab = {"vocab_size_per_layer_input": 262_144} | config
    return ModelArch(
        architecture=family_of(config),
        hidden=hidden,
        vocab=integer(config, "vocab_size"),
        tied=True,
        dtype=checkpoint_dtype(config),
        max_model_len=length,
        rope_positions=length,
        rope_width=2 * integer(own, "head_dim"),  # two tables: windows have a frequency of their own
        layers=grouped(layers),
        outside=(
            *_embeddings(vocab, small, count, hidden),
            Weight(
                name="stream projections", role="other", module="altup_projections", outputs=hidden, inputs=hidden,
                copies=2 * (streams - 1), split="outputs",
            ),
        ),
    )  # fmt: skip


def _detour(rank: int, streams: int, hidden: int) -> tuple[Weight, ...]:
    """What mixes the residual streams, whole on every rank, and a low-rank path beside the attention."""
    return (
        Weight(
            name="stream router", role="other", module="altup.modality_router", outputs=streams, inputs=hidden,
            linear=True,
        ),
        Weight(
            name="stream coefficients", role="other", module="altup.prediction_coefs", outputs=streams * (streams + 1),
            inputs=streams, linear=True,
        ),
        Weight(
            name="low-rank down", role="mlp", module="laurel.linear_left", outputs=rank, inputs=hidden, split="outputs",
            linear=True,
        ),
        Weight(
            name="low-rank up", role="mlp", module="laurel.linear_right", outputs=hidden, inputs=rank, split="inputs",
            linear=True,
        ),
    )  # fmt: skip


def _attention(config: Json, kind: str, *, shares_kv: bool) -> Attention:
    if kind not in ("sliding_attention", "full_attention"):
        raise Unsupported(f"config.json: layer_types: {kind} layers are not known here", EXTEND)
    full = kind == "full_attention"
    head_dim = integer(config, ("global_head_dim", "head_dim") if full else "head_dim", 256)
    kv = optional(config, "num_global_key_value_heads") if full and config.get("attention_k_eq_v") else None
    bias = bool(config.get("attention_bias", False))
    return Attention(
        heads=integer(config, HEADS),
        kv_heads=kv or integer(config, "num_key_value_heads"),
        head_dim=head_dim,
        v_head_dim=head_dim,
        window=None if full else integer(config, "sliding_window"),
        qkv_bias=bias,
        output_bias=bias,
        qk_norm="head",
        shares_kv=shares_kv,
    )


def _experts(config: Json) -> Experts:
    """Experts beside a dense feed-forward, which counts as the shared one."""
    moe = experts(config, Mixture(module="moe", router="router.proj", router_bias=True, shared_module="mlp"))
    return moe._replace(shared_intermediate=integer(config, "intermediate_size"))


def _per_layer(small: int | None, hidden: int) -> tuple[Weight, ...]:
    """What brings a layer's own embedding in; whole on every rank."""
    if small is None:
        return ()
    return (
        Weight(
            name="per-layer gate", role="mlp", module="per_layer_input_gate", outputs=small, inputs=hidden, linear=True
        ),
        Weight(
            name="per-layer up", role="mlp", module="per_layer_projection", outputs=hidden, inputs=small, linear=True
        ),
    )


def _embeddings(config: Json, small: int | None, count: int, hidden: int) -> tuple[Weight, ...]:
    if small is None:
        return ()
    vocab = integer(config, "vocab_size_per_layer_input", integer(config, "vocab_size"))
    return (
        Weight(
            name="per-layer embeddings", role="embedding", module="embed_tokens_per_layer", outputs=vocab,
            inputs=count * small, split="outputs", padded=True,
        ),
        Weight(
            name="per-layer projection", role="other", module="per_layer_model_projection", outputs=count * small,
            inputs=hidden, split="outputs",
        ),
        Weight(name="per-layer norm", role="norm", module="per_layer_projection_norm", outputs=small, inputs=1),
    )  # fmt: skip

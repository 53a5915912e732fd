"""Decoders of the Llama type: one row of flags for each class that departs from it.

The one thing to know: a row says what vLLM's own file of that class does with the weights (vLLM 0.29
model_executor/models/, transformers' for the classes that vLLM takes from there). Widths come from config.json, and
so does everything that a flag names by a key.
"""

from typing import Literal, NamedTuple

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.experts import Mixture, experts, has_experts, sparse_layers
from infercli.core.architecture.fields import (
    DAMAGED,
    EXTEND,
    FEED_FORWARD,
    HEADS,
    HIDDEN,
    LAYERS,
    POSITIONS,
    Layer,
    Length,
    checkpoint_dtype,
    context_length,
    entries,
    family_of,
    grouped,
    head_size,
    integer,
    only_known,
    optional,
    rotary_width,
    tied,
)
from infercli.core.architecture.layers import Attention, Dense, FeedForward, Weight
from infercli.core.record import Json
from infercli.errors import InputError, Unsupported

Flag = bool | str | tuple[str, ...]
Windows = Literal["types", "flag", "alternate"]


class Row(NamedTuple):
    """How a class departs from Llama.

    A string is a key of config.json, and absent there means False; of several keys, any will do.
    """

    qkv_bias: Flag = False
    output_bias: Flag = False
    mlp_bias: Flag = False
    qk_norm: Literal["head", "full", "whole"] | None = None
    qk_norm_flag: str | None = None
    """The key that turns the norms on; None: they are always there."""
    gate: Literal["elements", "heads"] | None = None
    sinks: bool = False
    gated: bool = True
    norms: int = 2
    """Vectors of the hidden width per layer."""
    final_norm: int = 1
    tied: bool = False
    """Where config.json does not say."""
    kv_heads: int | None = None
    """Where config.json does not say; None: as many as heads."""
    head_dim: int | None = None
    """Where config.json does not say; None: the hidden width by the heads."""
    windows: Windows = "types"
    """Which layers attend within `sliding_window` where `layer_types` does not say: all but every `full_every`-th;
    all, if `use_sliding_window` is set; every second, from the first on."""
    window_default: int | None = None
    full_every: int | None = None
    """Every such layer sees everything, where config.json does not say; None: no layer does."""
    mixture: Mixture | None = None
    attention: str = "self_attn"
    names: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")
    mlp: str = "mlp"
    mlp_names: tuple[str, ...] = ("gate_proj", "up_proj", "down_proj")
    expansion: int | None = None
    """Feed-forward width by hidden width, where config.json does not say it."""
    mlp_whole_since: tuple[int, int] | None = None
    """The vLLM release from which the feed-forward is whole on every rank; None: it is cut."""
    learned_positions: int | None = None
    """Rows that the table of learned positions has beyond the maximum; None: positions are rotary."""
    rotary: bool = True
    lm_head_bias: bool = False
    embedding_norm: int = 0


def parse_decoder(config: Json, row: Row) -> ModelArch:
    """The architecture of a decoder of this row."""
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    head_dim = head_size(config, row.head_dim)
    length = context_length(config)
    if not row.rotary or row.learned_positions is not None:
        length = Length(length.longest, 0)
    sparse = sparse_layers(config, count) if row.mixture and has_experts(config) else frozenset()
    windows, chunks = window_of(config, row, count), chunk_of(config, count)
    layers = [
        Layer(
            attention(config, row, head_dim, windows[i], chunks[i]),
            feed_forward(config, row, hidden, sparse=i in sparse),
            row.norms,
        )
        for i in range(count)
    ]
    drafts = [layers[-1]] * (optional(config, "num_nextn_predict_layers") or 0)
    return ModelArch(
        architecture=family_of(config),
        hidden=hidden,
        vocab=integer(config, ("vocab_size", "padded_vocab_size")),
        tied=tied(config, row.tied),
        dtype=checkpoint_dtype(config),
        max_model_len=length.longest,
        short_model_len=length.short,
        rope_positions=length.rows,
        rope_width=rotary_width(config, head_dim) if length.rows else 0,
        layers=grouped(layers),
        draft_layers=grouped(drafts, first=count),
        outside=_outside(config, row, hidden),
        final_norm=row.final_norm,
        lm_head_bias=row.lm_head_bias,
    )


def attention(config: Json, row: Row, head_dim: int, window: int | None, chunk: int | None) -> Attention:
    """The attention of a layer with that window or chunk."""
    heads = integer(config, HEADS)
    kv_keys = ("num_key_value_heads", "multi_query_group_num", "num_kv_heads", "n_head_kv", "num_attention_groups")
    kv_heads = integer(config, kv_keys, row.kv_heads or heads)
    if heads % kv_heads:
        raise InputError(
            f"config.json: num_key_value_heads ({kv_heads}) does not divide num_attention_heads ({heads})",
            DAMAGED,
        )
    norm = row.qk_norm if row.qk_norm_flag is None or config.get(row.qk_norm_flag) else None
    return Attention(
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        v_head_dim=head_dim,
        window=window,
        chunk=chunk,
        qkv_bias=flag(config, row.qkv_bias),
        output_bias=flag(config, row.output_bias),
        qk_norm=norm,
        gate=row.gate,
        sinks=row.sinks,
        module=row.attention,
        names=row.names,
    )


def feed_forward(config: Json, row: Row, hidden: int, *, sparse: bool) -> FeedForward:
    """The experts of a sparse layer, the dense feed-forward of any other."""
    if sparse and row.mixture:
        return experts(config, row.mixture)
    # Where experts have the plain key, dense layers have one of their own (Llama 4, MiniMax M3).
    wide = optional(config, ("intermediate_size_mlp", "dense_intermediate_size")) if row.mixture else None
    expanded = row.expansion * hidden if row.expansion else None
    return Dense(
        intermediate=wide or integer(config, FEED_FORWARD, expanded),
        gated=row.gated,
        bias=flag(config, row.mlp_bias),
        whole_since=row.mlp_whole_since,
        module=row.mlp,
        names=row.mlp_names,
    )


def flag(config: Json, value: Flag) -> bool:
    """A flag of a row."""
    keys = (value,) if isinstance(value, str) else value
    return keys if isinstance(keys, bool) else any(config.get(key) for key in keys)


def window_of(config: Json, row: Row, count: int) -> list[int | None]:
    """The window of each layer, None for full attention. Raises Unsupported for a layer type that is not known."""
    window = None
    if config.get("sliding_window", row.window_default) and (row.windows != "flag" or config.get("use_sliding_window")):
        window = integer(config, "sliding_window", row.window_default)
    kinds = entries(config, "layer_types", count) or _pattern(config, row, count)
    if kinds is None:
        if window is not None and row.windows == "flag" and integer(config, "max_window_layers", count) < count:
            raise Unsupported(
                "config.json: max_window_layers: a window in some layers and not in others is not what vLLM runs",
                EXTEND,
            )
        # Without kinds vLLM takes a window for that of every layer (engine/arg_utils.py).
        return [window] * count
    only_known(kinds, ("full_attention", "sliding_attention", "chunked_attention"))
    if window is None and "sliding_attention" in kinds:
        raise Unsupported("config.json: sliding_window: layer_types has sliding layers, and no window is given", EXTEND)
    return [window if kind == "sliding_attention" else None for kind in kinds]


def _pattern(config: Json, row: Row, count: int) -> list[str] | None:
    """layer_types as older configs write them: "LLLG" (EXAONE 4), 6 (Gemma 3), or nothing where it is the class's."""
    pattern = config.get("sliding_window_pattern") or config.get("_sliding_window_pattern") or row.full_every
    if isinstance(pattern, str):
        local = [letter == "L" for letter in pattern]
    elif isinstance(pattern, int):
        local = [True] * (pattern - 1) + [False]
    elif row.windows == "alternate":
        local = [True, False]
    else:
        return None
    if not config.get("sliding_window", row.window_default):
        return None
    return ["sliding_attention" if local[i % len(local)] else "full_attention" for i in range(count)]


def chunk_of(config: Json, count: int) -> list[int | None]:
    """The chunk of each layer, None where it has none (Llama 4: layers without RoPE see everything)."""
    chunk = optional(config, "attention_chunk_size")
    if chunk is None:
        return [None] * count
    kinds = entries(config, "layer_types", count)
    if kinds is not None:
        return [chunk if kind == "chunked_attention" else None for kind in kinds]
    rope = entries(config, "no_rope_layers", count) if config.get("no_rope_layers") else None
    if rope is not None:
        return [chunk if on else None for on in rope]
    step = integer(config, "no_rope_layer_interval", 4)
    return [None if (i + 1) % step == 0 else chunk for i in range(count)]


def _outside(config: Json, row: Row, hidden: int) -> tuple[Weight, ...]:
    found: list[Weight] = []
    if row.learned_positions is not None:
        rows = integer(config, POSITIONS) + row.learned_positions
        found.append(Weight(name="positions", role="other", module="embed_positions", outputs=rows, inputs=hidden))
    if row.embedding_norm:
        found.append(
            Weight(
                name="embedding norm", role="norm", module="embed_norm", outputs=row.embedding_norm * hidden, inputs=1
            )
        )
    width = config.get("word_embed_proj_dim")
    if width not in (None, hidden):
        raise Unsupported(f"config.json: word_embed_proj_dim ({width}) differs from the hidden width", EXTEND)
    return tuple(found)

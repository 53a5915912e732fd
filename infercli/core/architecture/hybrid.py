"""Decoders whose layers are not all attention: Mamba, gated DeltaNet, and layers that lack one half.

The one thing to know: where a layer is only a mixer or only a feed-forward (Nemotron-H), each of them counts as a
layer, as it does in vLLM.
"""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, attention
from infercli.core.architecture.experts import GRANITE, QWEN, Mixture, experts, has_experts, sparse_layers
from infercli.core.architecture.fields import (
    EXTEND,
    HEADS,
    HIDDEN,
    INCOMPLETE,
    LAYERS,
    Layer,
    checkpoint_dtype,
    context_length,
    entries,
    family_of,
    grouped,
    head_size,
    integer,
    only_known,
    optional,
    own_entries,
    rotary_width,
    state_dtype,
    tied,
)
from infercli.core.architecture.layers import (
    Attention,
    Dense,
    FeedForward,
    GatedDelta,
    Mixer,
    StateSpace,
    Weight,
)
from infercli.core.record import Json
from infercli.errors import InputError, Unsupported

_NEMOTRON = ("up_proj", "down_proj")
_NEMOTRON_MIXTURE = Mixture(
    module="mixer", gated=False, router_bias=True, router_float32=True, names=_NEMOTRON,
    shared_module="mixer.shared_experts", shared_names=_NEMOTRON,
)  # fmt: skip


def qwen3_next(config: Json) -> ModelArch:
    """Qwen3-Next, Qwen3.5 and 3.6: every n-th layer is gated attention, the others gated DeltaNet."""
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    kinds = entries(config, "layer_types", count)
    if kinds is None:
        step = integer(config, "full_attention_interval", 4)
        kinds = ["full_attention" if (i + 1) % step == 0 else "linear_attention" for i in range(count)]
    gated = config.get("attn_output_gate", True)
    row = Row(qkv_bias="qkv_bias", qk_norm="head", gate="elements" if gated else None)
    full = attention(config, row, head_size(config, 256), None, None)
    delta = GatedDelta(
        variant="gdn",
        key_heads=integer(config, "linear_num_key_heads"),
        value_heads=integer(config, "linear_num_value_heads"),
        key_dim=integer(config, "linear_key_head_dim"),
        value_dim=integer(config, "linear_value_head_dim"),
        conv_kernel=integer(config, "linear_conv_kernel_dim", 4),
        state_dtype=state_dtype(config, "mamba_ssm_dtype"),
        merged=family_of(config) == "Qwen3NextForCausalLM",
    )
    sparse = sparse_layers(config, count) if has_experts(config) else frozenset()
    moe = experts(config, QWEN) if sparse else None
    dense = Dense(intermediate=integer(config, "intermediate_size")) if len(sparse) < count else None
    mixers = by_name(kinds, {"full_attention": full, "linear_attention": delta})
    layers = [Layer(mixers[i], moe if i in sparse else dense) for i in range(count)]
    drafts = optional(config, ("mtp_num_hidden_layers", "num_nextn_predict_layers"))
    if drafts is None:
        # Qwen3-Next's config.json does not count them: vLLM 0.11 to 0.33 models/qwen3_next_mtp.py takes one.
        drafts = 1 if family_of(config) == "Qwen3NextForCausalLM" else 0
    return model(config, hidden, layers, rope=full, drafts=[Layer(full, layers[-1].feed_forward)] * drafts)


_LETTERS = {"mamba": "M", "attention": "*", "mlp": "-", "moe": "E"}
"""Words of `layers_block_type`, which newer configs have, and the letters of older ones."""


def nemotron_h(config: Json) -> ModelArch:
    """Nemotron-H and Nemotron 3: one letter a layer, M Mamba-2, * attention, - feed-forward, E experts."""
    pattern = _letters(config, "layers_block_type", "hybrid_override_pattern")
    count = integer(config, LAYERS, len(pattern))
    if len(pattern) != count:
        raise InputError(
            f"config.json: hybrid_override_pattern: must name {count} layers, and names {len(pattern)}", INCOMPLETE
        )
    repeated = optional(config, "num_nextn_predict_layers") or 0
    drafts = _letters(config, "mtp_layers_block_type", "mtp_hybrid_override_pattern") * repeated
    layers = [_nemotron_layer(config, letter) for letter in pattern]
    return model(config, integer(config, HIDDEN), layers, drafts=[_nemotron_layer(config, d) for d in drafts])


def nemotron_puzzle(config: Json) -> ModelArch:
    """Nemotron-H whose layers have fields of their own, in `block_configs` (vLLM 0.29 models/nemotron_h.py).

    What config.json says is of the layers that do not say it; of Mamba layers, always.
    """
    repeated = optional(config, "num_nextn_predict_layers") or 0
    layers, drafts = _blocks(config, "block_configs"), _blocks(config, "mtp_block_configs") * repeated
    return model(config, integer(config, HIDDEN), layers, drafts=drafts)


def _blocks(config: Json, key: str) -> list[Layer]:
    blocks = [{k: v for k, v in block.items() if v is not None} for block in config.get(key) or ()]
    if key == "block_configs" and not blocks:
        raise Unsupported(f"config.json: {key}: missing, and every layer needs its own", EXTEND)
    kinds = [str(block.get("block_type")) for block in blocks]
    letters = [_LETTERS.get(kind, kind) for kind in kinds]
    return [
        _nemotron_layer(config if letter == "M" else config | block, letter)
        for letter, block in zip(letters, blocks, strict=True)
    ]


def _letters(config: Json, words: str, letters: str) -> str:
    if not config.get(words):
        return str(config.get(letters) or "")
    return "".join(_LETTERS.get(str(word), str(word)) for word in config[words])


def _nemotron_layer(config: Json, letter: str) -> Layer:
    bias = bool(config.get("mlp_bias", False))
    if letter == "M":
        return Layer(mamba2_mixer(config, "mamba_num_heads", "mamba_head_dim", "n_groups", "ssm_state_size"), None, 1)
    if letter == "*":
        # Without RoPE: Mamba layers know the positions.
        width = integer(config, ("head_dim", "attention_head_dim"), integer(config, HIDDEN) // integer(config, HEADS))
        window = optional(config, "sliding_window")
        return Layer(attention(config, Row(attention="mixer"), width, window, None), None, 1)
    if letter == "-":
        width = integer(config, "intermediate_size")
        return Layer(None, Dense(intermediate=width, gated=False, bias=bias, module="mixer", names=_NEMOTRON), 1)
    if letter == "E":
        return Layer(None, experts(config, _NEMOTRON_MIXTURE), 1)
    raise Unsupported(f"config.json: hybrid_override_pattern: a layer of kind `{letter}` is not known here", EXTEND)


def granite_hybrid(config: Json) -> ModelArch:
    """Granite 4: Mamba-2 or attention by `layer_types`, then experts with a shared one, or the shared one alone."""
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    kinds = own_entries(config, "layer_types", count)
    row = Row(qkv_bias="attention_bias", output_bias="attention_bias")
    full = attention(config, row, head_size(config), None, None)
    mamba = mamba2_mixer(config, "mamba_n_heads", "mamba_d_head", "mamba_n_groups", "mamba_d_state")
    mixers = by_name(kinds, {"attention": full, "full_attention": full, "mamba": mamba})
    feed_forward: FeedForward = (
        experts(config, GRANITE)
        if has_experts(config)
        else Dense(
            intermediate=integer(config, ("shared_intermediate_size", "intermediate_size")),
            module="shared_mlp",
            names=("input_linear", "output_linear"),
        )
    )
    rope = full if config.get("position_embedding_type", "rope") == "rope" else None
    return model(config, hidden, [Layer(m, feed_forward) for m in mixers], rope=rope)


def falcon_h1(config: Json) -> ModelArch:
    """Falcon-H1 (vLLM 0.29 models/falcon_h1.py): every layer has attention and Mamba-2 side by side."""
    count, heads = integer(config, LAYERS), integer(config, "mamba_n_heads")
    full = attention(config, Row(kv_heads=8), head_size(config), None, None)
    # null is the hidden width expanded, and silence transformers' default (falcon_h1)
    wide = int(config.get("mamba_d_ssm", 1024) or integer(config, "mamba_expand", 2) * integer(config, HIDDEN))
    own = config if isinstance(config.get("mamba_d_head"), int) else config | {"mamba_d_head": wide // heads}
    mamba = mamba2_mixer(own, "mamba_n_heads", "mamba_d_head", "mamba_n_groups", "mamba_d_state")
    mamba = mamba._replace(gated_norm=bool(config.get("mamba_rms_norm", False)))
    dense = Dense(intermediate=integer(config, "intermediate_size"), module="feed_forward")
    layers = [Layer(full, dense, beside=mamba)] * count
    rotated = {"rotary_dim": config.get("attn_rotary_emb") or full.head_dim}
    return model(config | rotated, integer(config, HIDDEN), layers, rope=full)


def bamba(config: Json) -> ModelArch:
    """Bamba: Mamba-2 in every layer but those of `attn_layer_indices`, and a dense feed-forward."""
    count = integer(config, LAYERS)
    row = Row(qkv_bias="attention_bias", output_bias="attention_bias")
    full = attention(config, row, head_size(config), None, None)
    mamba = mamba2_mixer(config, "mamba_n_heads", "mamba_d_head", "mamba_n_groups", "mamba_d_state")
    where = set(config.get("attn_layer_indices") or ())
    dense = Dense(intermediate=integer(config, "intermediate_size"), module="feed_forward")
    layers = [Layer(full if i in where else mamba, dense) for i in range(count)]
    return model(config, integer(config, HIDDEN), layers, rope=full)


def jamba(config: Json) -> ModelArch:
    """Jamba: Mamba 1, attention every `attn_layer_period`, experts every `expert_layer_period`."""
    count = integer(config, LAYERS)
    full = attention(config, Row(), head_size(config), None, None)
    mamba = _mamba1(config, "mamba_d_state", "mamba_d_conv", "mamba_dt_rank", module="mamba", norm=True)
    moe = experts(config, Mixture(module="feed_forward", router="router")) if has_experts(config) else None
    dense = Dense(intermediate=integer(config, "intermediate_size"), module="feed_forward")
    several = moe is not None and moe.experts > 1

    def here(index: int, what: str, period: int, offset: int) -> bool:
        every = integer(config, f"{what}_layer_period", period)
        return bool(index % every == int(config.get(f"{what}_layer_offset", offset)))

    layers = [
        Layer(full if here(i, "attn", 8, 4) else mamba, moe if several and here(i, "expert", 2, 1) else dense)
        for i in range(count)
    ]
    return model(config, integer(config, HIDDEN), layers)


def mamba(config: Json) -> ModelArch:
    """Mamba and Falcon-Mamba: nothing but Mamba 1."""
    layer = Layer(_mamba1(config, "state_size", "conv_kernel", "time_step_rank", module="mixer", norm=False), None, 1)
    layers = [layer] * integer(config, LAYERS)
    return model(config, integer(config, HIDDEN), layers, tied_default=True, longest=_LONGEST_WITHOUT_POSITIONS)


def mamba2(config: Json) -> ModelArch:
    """Mamba2ForCausalLM: nothing but Mamba 2."""
    layer = Layer(mamba2_mixer(config, "num_heads", "head_dim", "n_groups", "state_size"), None, 1)
    layers = [layer] * integer(config, LAYERS)
    return model(config, integer(config, HIDDEN), layers, longest=_LONGEST_WITHOUT_POSITIONS)


_LONGEST_WITHOUT_POSITIONS = 2048
"""vLLM's own default where config.json names no maximum (config/model.py _get_and_verify_max_len)."""


def olmo_hybrid(config: Json) -> ModelArch:
    """OLMo Hybrid (vLLM 0.29 models/olmo_hybrid.py): gated DeltaNet, attention in every fourth layer.

    Its norms over all queries and all keys are whole on every rank.
    """
    count, hidden, heads = integer(config, LAYERS), integer(config, HIDDEN), integer(config, HEADS)
    kinds = entries(config, "layer_types", count)
    if kinds is None:
        kinds = ["full_attention" if i % 4 == 3 else "linear_attention" for i in range(count)]
    full = attention(config, Row(), hidden // heads, None, None)
    if "full_attention" not in kinds:
        raise Unsupported("config.json: layer_types: a model without full attention is not known here", EXTEND)
    key_heads = integer(config, "linear_num_key_heads", heads)
    key_dim = integer(config, "linear_key_head_dim", int(0.75 * hidden / key_heads))
    delta = GatedDelta(
        variant="gdn", key_heads=key_heads, value_heads=integer(config, "linear_num_value_heads", heads),
        key_dim=key_dim, value_dim=integer(config, "linear_value_head_dim", 2 * key_dim),
        conv_kernel=integer(config, "linear_conv_kernel_dim", 4),
    )  # fmt: skip
    norms = Weight(
        name="query and key norms", role="norm", module="self_attn.q_norm",
        outputs=hidden + full.kv_heads * full.head_dim, inputs=1,
    )  # fmt: skip
    dense = Dense(intermediate=integer(config, "intermediate_size"))
    mixers = by_name(kinds, {"full_attention": full, "linear_attention": delta})
    layers = [Layer(m, dense, others=(norms,) if m is full else ()) for m in mixers]
    rotary = (config.get("rope_parameters") or config).get("rope_theta") is not None
    return model(config, hidden, layers, rope=full if rotary else None)


def nemotron_nas(config: Json) -> ModelArch:
    """DeciLMForCausalLM: Llama layers, each with its own widths, and some without one of the halves."""
    count, hidden, heads = integer(config, LAYERS), integer(config, HIDDEN), integer(config, HEADS)
    blocks = own_entries(config, "block_configs", count)
    layers = []
    for index, block in enumerate(blocks):
        for half in ("attention", "ffn"):
            if (block.get(half) or {}).get("replace_with_linear"):
                raise Unsupported(f"config.json: block_configs[{index}].{half}.replace_with_linear", EXTEND)
        mixer: Mixer | None = None
        if not block["attention"].get("no_op"):
            kv_heads = heads // integer(block["attention"], "n_heads_in_group")
            own = config | {"num_key_value_heads": kv_heads}
            row = Row(qkv_bias="attention_bias", output_bias="attention_bias")
            mixer = attention(own, row, head_size(config), None, None)
        dense = None
        if not block["ffn"].get("no_op"):
            dense = Dense(intermediate=_nas_width(block["ffn"], hidden), bias=bool(config.get("mlp_bias", False)))
        layers.append(Layer(mixer, dense, (mixer is not None) + (dense is not None)))
    rope = next(layer.mixer for layer in layers if isinstance(layer.mixer, Attention))
    return model(config, hidden, layers, rope=rope)


def _nas_width(ffn: Json, hidden: int) -> int:
    """As vLLM 0.29 models/nemotron_nas.py _ffn_mult_to_intermediate_size: two thirds of the multiple, up to a 256."""
    if ffn.get("ffn_mult") is None:
        return integer(ffn, "intermediate_size")
    width = int(2 * float(ffn["ffn_mult"]) * hidden / 3)
    return -(-width // 256) * 256


def mamba2_mixer(config: Json, heads: str, head_dim: str, groups: str, state: str) -> StateSpace:
    """Mamba-2, whose widths stand under these keys."""
    number = integer(config, heads)
    wide = config.get("mamba_expand") or config.get("expand") or 2
    expanded = config.get(head_dim) in (None, "auto")
    width = int(wide) * integer(config, HIDDEN) // number if expanded else integer(config, head_dim)
    return StateSpace(
        version=2,
        heads=number,
        head_dim=width,
        groups=integer(config, groups, 1),
        state=integer(config, state),
        conv_kernel=integer(config, ("mamba_d_conv", "conv_kernel"), 4),
        conv_bias=bool(config.get("mamba_conv_bias", config.get("use_conv_bias", True))),
        projection_bias=bool(config.get("mamba_proj_bias", config.get("use_bias", False))),
        state_dtype=state_dtype(config, "mamba_ssm_cache_dtype"),
        chunk=integer(config, ("mamba_chunk_size", "chunk_size"), 128 if heads == "mamba_num_heads" else 256),
        module="mixer" if heads in ("mamba_num_heads", "num_heads") else "mamba",
    )


def _mamba1(config: Json, state: str, kernel: str, rank: str, *, module: str, norm: bool) -> StateSpace:
    hidden = integer(config, HIDDEN)
    inner = config.get("intermediate_size") if module == "mixer" else None
    steps = config.get(rank)
    return StateSpace(
        version=1,
        heads=1,
        head_dim=int(inner or int(config.get("mamba_expand") or config.get("expand") or 2) * hidden),
        groups=1,
        state=integer(config, state, 16),
        conv_kernel=integer(config, kernel, 4),
        conv_bias=bool(config.get("mamba_conv_bias", config.get("use_conv_bias", True))),
        projection_bias=bool(config.get("mamba_proj_bias", config.get("use_bias", False))),
        time_step_rank=steps if isinstance(steps, int) else -(-hidden // 16),
        gated_norm=norm,
        module=module,
    )


def by_name(kinds: list[Json], known: dict[str, Mixer]) -> list[Mixer]:
    """The mixer of each layer of `layer_types`. Raises Unsupported for a type that is not known."""
    only_known(kinds, known)
    return [known[str(k)] for k in kinds]


def model(
    config: Json,
    hidden: int,
    layers: list[Layer],
    *,
    rope: Attention | None = None,
    drafts: list[Layer] | None = None,
    tied_default: bool = False,
    longest: int | None = None,
) -> ModelArch:
    """A model of these layers. `rope`: the attention whose positions are rotary; None where the model has no table.

    `longest`: the maximum of a model that names none.
    """
    length = context_length(config if longest is None else {"max_position_embeddings": longest} | config)
    return ModelArch(
        architecture=family_of(config),
        hidden=hidden,
        vocab=integer(config, "vocab_size"),
        tied=tied(config, tied_default),
        dtype=checkpoint_dtype(config),
        max_model_len=length.longest,
        rope_positions=length.rows if rope else 0,
        rope_width=rotary_width(config, rope.head_dim) if rope else 0,
        layers=grouped(layers),
        draft_layers=grouped(drafts or [], first=len(layers)),
    )

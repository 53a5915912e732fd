"""The fields of config.json that all families read alike."""

from collections.abc import Collection, Iterable
from typing import NamedTuple

from infercli.core.architecture.layers import FeedForward, LayerGroup, Mixer, Weight
from infercli.core.record import Json
from infercli.errors import InputError, Unsupported

INCOMPLETE = "the checkpoint is incomplete; pin it again, or fix the file at its source"
DAMAGED = "the checkpoint is damaged; pin it again, or fix the file at its source"
EXTEND = "to teach it: a family in core/architecture/"

LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "decoder_layers")
DRAFTS = ("num_nextn_predict_layers", "num_mtp_modules", "mtp_num_hidden_layers")
HIDDEN = ("hidden_size", "n_embd", "d_model")
HEADS = ("num_attention_heads", "n_head", "n_heads")
FEED_FORWARD = ("intermediate_size", "ffn_dim", "ffn_hidden_size", "n_inner")
POSITIONS = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "model_max_length",
    "max_sequence_length",
    "max_seq_length",
    "seq_len",
)
"""Names that families give to one thing (vLLM transformers_utils/model_arch_config_convertor.py reads the same)."""


def integer(config: Json, key: str | tuple[str, ...], default: int | None = None) -> int:
    """A positive integer of config.json, under the first of its names that is there.

    Raises InputError where it is absent and has no default.
    """
    keys = (key,) if isinstance(key, str) else key
    name = next((k for k in keys if config.get(k) is not None), keys[0])
    value = config.get(name)
    if value is None:
        value = default
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        said = "is missing" if value is None else f"must be a positive whole number, and is {value!r}"
        raise InputError(f"config.json: {name}: {said}", INCOMPLETE)
    return value


def optional(config: Json, key: str | tuple[str, ...]) -> int | None:
    """As `integer`, with None where it is absent, null or 0."""
    keys = (key,) if isinstance(key, str) else key
    name = next((k for k in keys if config.get(k)), None)
    return None if name is None else integer(config, name)


def entries(config: Json, key: str, count: int) -> list[Json] | None:
    """A list of at least `count` entries, one per layer, or None where it is absent. Raises InputError."""
    value = config.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) < count:
        raise InputError(
            f"config.json: {key}: must list {count} layers, and is {value!r:.60}",
            INCOMPLETE,
        )
    return value[:count]


def own_entries(config: Json, key: str, count: int) -> list[Json]:
    """As `entries`, for a list that nothing stands in for. Raises Unsupported where it is absent."""
    found = entries(config, key, count)
    if found is None:
        raise Unsupported(f"config.json: {key}: missing, and every layer needs its own", EXTEND)
    return found


def only_known(layer_types: Iterable[Json], known: Collection[str]) -> None:
    """Raises Unsupported where config.json's `layer_types` has others than these."""
    unknown = sorted({str(kind) for kind in layer_types} - set(known))
    if unknown:
        raise Unsupported(f"config.json: layer_types: {', '.join(unknown)} layers are not known here", EXTEND)


_MOST_LAYERS = 10_000
"""Each is gone through, and the deepest model of 2026 has 126: a damaged file must not take the machine's memory."""


def not_too_many(config: Json, *keys: str) -> None:
    """Raises InputError where one of the keys counts more layers than any model has."""
    for key in keys:
        if isinstance(config.get(key), int) and config[key] > _MOST_LAYERS:
            raise InputError(
                f"config.json: {key}: {config[key]:,} is more than the {_MOST_LAYERS:,} that are planned", DAMAGED
            )


def without(config: Json, *keys: str) -> None:
    """Raises Unsupported where one of the keys says something."""
    for key in keys:
        if config.get(key):
            raise Unsupported(f"config.json: {key}: is not known here for {family_of(config)}", EXTEND)


def family_of(config: Json) -> str:
    """The class in `architectures`."""
    return str(config["architectures"][0])


def head_size(config: Json, default: int | None = None) -> int:
    """Width of an attention head; without a default, the hidden width by the number of heads."""
    heads, hidden = integer(config, HEADS), integer(config, HIDDEN)
    if not config.get("head_dim") and default is None and hidden % heads:
        raise InputError(
            f"config.json: hidden_size ({hidden}) is not a multiple of num_attention_heads ({heads})", INCOMPLETE
        )
    return integer(config, "head_dim", default or hidden // heads)


def rope_parameters(config: Json) -> Json:
    """The RoPE scaling, under its old name or that of transformers 5; an empty dict where there is none.

    Where each layer type has its own, that of full attention: its scaling decides the length (vLLM takes the last).
    """
    parameters = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if not isinstance(parameters, dict):
        raise InputError(f"config.json: rope_scaling: must be an object, and is {parameters!r}", INCOMPLETE)
    if parameters and all(isinstance(v, dict) for v in parameters.values()):
        return parameters.get("full_attention") or next(iter(parameters.values()))
    return parameters


class Length(NamedTuple):
    """How long a model's requests may be."""

    longest: int
    """The model's own maximum."""
    rows: int
    """Of the RoPE table."""
    short: int | None = None
    """LongRoPE: how far its table for short requests reaches; None: the model has one table."""


def context_length(config: Json) -> Length:
    """As vLLM 0.29 does (config/model.py _get_and_verify_max_len).

    The smallest of what names a maximum, or `model_max_length` alone where that is there (Command R, whose
    max_position_embeddings is what it was trained with). The scaling factor multiplies it, except for llama3 and
    longrope (already in it), and for Gemma 3; yarn multiplies the original maximum. Raises Unsupported for a scaling
    that is not known.
    """
    table = integer(config, POSITIONS)
    said = [table, *(integer(config, key) for key in POSITIONS if config.get(key) is not None)]
    positions = optional(config, "model_max_length") or min(said)
    table = max(table, positions)
    parameters = rope_parameters(config)
    kind = str(parameters.get("rope_type") or parameters.get("type") or "default")
    factor = float(parameters.get("factor") or 1.0)
    if kind in ("default", "llama3", "proportional", "mrope"):
        return Length(positions, table)
    if kind in ("longrope", "su"):
        # One table for short and one for long requests (rotary_embedding/phi3_long_rope_scaled_rope.py).
        short = integer(config, "original_max_position_embeddings", positions)
        return Length(positions, table + short, short)
    if kind not in ("linear", "dynamic", "ntk", "yarn", "deepseek_yarn"):
        raise Unsupported(
            f"config.json scales RoPE with `{kind}`", "to teach it: context_length in core/architecture/fields.py"
        )
    original = parameters.get("original_max_position_embeddings") if kind.endswith("yarn") else None
    length = int((original or positions) * factor)
    if length < 1:
        raise InputError(f"config.json: rope_scaling: a factor of {factor:g} leaves no context", DAMAGED)
    if kind == "linear" and "gemma3" in str(config.get("model_type")):
        return Length(positions, int(table * factor))
    return Length(length, length)


def rotary_width(config: Json, head_dim: int) -> int:
    """Elements of a head that are rotated: columns of the RoPE table."""
    fraction = rope_parameters(config).get("partial_rotary_factor")
    for key in ("partial_rotary_factor", "rotary_pct", "rope_pct"):
        fraction = config.get(key) if fraction is None else fraction
    whole = config.get("rotary_dim")
    return int(whole) if whole else int(head_dim * float(1.0 if fraction is None else fraction))


_DTYPES = ("bfloat16", "float16", "float32", "float64", "half", "float", "double", "float8_e4m3fn", "float8_e5m2")


def checkpoint_dtype(config: Json) -> str | None:
    """The dtype of the weights, under its old name or that of transformers 5. Raises InputError for any other name."""
    dtype = config.get("dtype") or config.get("torch_dtype")
    if dtype in (None, "auto"):
        return None
    name = str(dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise InputError(f"config.json: torch_dtype: {name:.40} is none of {', '.join(_DTYPES)}", DAMAGED)
    return {"half": "float16", "float": "float32", "double": "float64"}.get(name, name)


_STATE_DTYPES = ("float32", "float16", "bfloat16")
"""vLLM 0.29 config/cache.py MambaDType."""


def state_dtype(config: Json, key: str) -> str | None:
    """The dtype of the states between tokens; None: not said. Raises InputError for a name that vLLM has not."""
    dtype = config.get(key)
    if dtype in (None, "auto"):
        return None
    if dtype not in _STATE_DTYPES:
        raise InputError(f"config.json: {key}: {dtype!r:.40} is none of {', '.join(_STATE_DTYPES)}", INCOMPLETE)
    return str(dtype)


def tied(config: Json, default: bool) -> bool:
    """Whether lm_head is the embedding; `default` is what transformers takes where config.json is silent."""
    value = config.get("tie_word_embeddings")
    return default if value is None else bool(value)


class Layer(NamedTuple):
    """One layer, before equal ones are put together."""

    mixer: Mixer | None
    feed_forward: FeedForward | None
    norms: int = 2
    others: tuple[Weight, ...] = ()
    beside: Mixer | None = None
    again: tuple[Mixer, ...] = ()


def grouped(layers: Iterable[Layer], first: int = 0) -> tuple[LayerGroup, ...]:
    """Equal layers together, in the order of their first; `first` is the number of the first of all."""
    indices: dict[Layer, list[int]] = {}
    for index, layer in enumerate(layers, first):
        indices.setdefault(layer, []).append(index)
    return tuple(
        LayerGroup(
            indices=tuple(where),
            mixer=layer.mixer,
            feed_forward=layer.feed_forward,
            norms=layer.norms,
            others=layer.others,
            beside=layer.beside,
            again=layer.again,
        )
        for layer, where in indices.items()
    )

"""The fields of config.json that all families read alike."""

from __future__ import annotations

from infercli.core.record import Json
from infercli.errors import InputError, Unsupported


def integer(config: Json, key: str, default: int | None = None) -> int:
    """A positive integer of config.json. Raises InputError where it is absent and has no default."""
    value = config.get(key)
    if value is None:
        value = default
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(
            f"config.json: {key}: must be a positive whole number, and is {value!r}",
            "the checkpoint is incomplete; pin it again, or fix the file at its source",
        )
    return value


def rope_parameters(config: Json) -> Json:
    """The RoPE scaling, under its old name or that of transformers 5; an empty dict where there is none."""
    parameters = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if parameters and all(isinstance(v, dict) for v in parameters.values()):
        raise Unsupported(
            "config.json gives each layer type a RoPE of its own", "to teach it: core/architecture/fields.py"
        )
    return parameters


def context_length(config: Json) -> tuple[int, int]:
    """(the model's maximum length, rows of the RoPE table).

    As vLLM 0.29 does (config/model.py _get_and_verify_max_len): the scaling factor multiplies the maximum, except for
    llama3 (already in it); yarn multiplies the original maximum. Raises Unsupported for longrope.
    """
    positions = integer(config, "max_position_embeddings")
    parameters = rope_parameters(config)
    kind = str(parameters.get("rope_type") or parameters.get("type") or "default")
    if kind in ("default", "llama3"):
        return positions, positions
    if kind in ("linear", "dynamic", "yarn"):
        base = int(parameters.get("original_max_position_embeddings") or positions) if kind == "yarn" else positions
        length = int(base * float(parameters.get("factor") or 1.0))
        return length, length
    raise Unsupported(
        f"config.json scales RoPE with `{kind}`", "to teach it: context_length in core/architecture/fields.py"
    )


def checkpoint_dtype(config: Json) -> str | None:
    """The dtype of the weights, under its old name or that of transformers 5."""
    dtype = config.get("dtype") or config.get("torch_dtype")
    return None if dtype in (None, "auto") else str(dtype)

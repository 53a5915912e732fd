"""`hf_overrides`: what a deployment may change of config.json, which is RoPE, and so how long requests may be.

The one thing to know: a dict of it replaces what the checkpoint has and is not merged with it (vLLM 0.29
config/model.py _apply_dict_overrides), so that a RoPE without its theta is another model.
"""

from __future__ import annotations

from infercli.core.record import Json
from infercli.errors import InputError

NAME = "hf_overrides"
_LENGTHS = ("max_position_embeddings",)
_ROPE = ("rope_parameters", "rope_scaling")
"""Two names of one thing, the second that of transformers 4."""
_ORIGINAL = "original_max_position_embeddings"
_NESTED = "text_config"


def override_problems(value: Json) -> list[tuple[str, str]]:
    """Every (where, what) that is wrong with it, whatever the model."""
    if value is None:
        return []
    if not isinstance(value, dict):
        return [("", "must be a mapping, for example {rope_parameters: {rope_type: yarn, factor: 4.0, ...}}")]
    found = []
    for key, changed in value.items():
        if key == _NESTED and isinstance(changed, dict):
            found += [(f"{_NESTED}.{where}" if where else _NESTED, what) for where, what in override_problems(changed)]
        elif key in _ROPE:
            if not isinstance(changed, dict):
                found.append((key, "must be a mapping, or it would leave the model without RoPE"))
            elif changed.get("rope_type", changed.get("type")) == "yarn" and _ORIGINAL not in changed:
                found.append((key, f"yarn needs {_ORIGINAL}, which vLLM multiplies by its factor"))
        elif key not in _LENGTHS:
            allowed = ", ".join((*_ROPE, *_LENGTHS))
            found.append((str(key), f"cannot be set: the plan is made from config.json, of which only {allowed} may"))
        elif not isinstance(changed, int) or changed < 1:
            found.append((key, "must be a whole number, at least 1"))
    return found


def overridden(config: Json, overrides: Json) -> Json:
    """`config` as the engine sees it. Raises InputError for a RoPE that loses its theta."""
    found = dict(config)
    for key, value in (overrides or {}).items():
        if key == _NESTED:
            found[key] = overridden(found.get(key) or {}, value)
        elif key in _ROPE:
            _keeps_theta(key, config, value)
            found = {k: v for k, v in found.items() if k not in _ROPE} | {key: value}
        else:
            found[key] = value
    return found


def _keeps_theta(key: str, config: Json, value: Json) -> None:
    now: Json = next((config[name] for name in _ROPE if isinstance(config.get(name), dict)), {})
    theta = now.get("rope_theta", config.get("rope_theta"))
    if theta is not None and value.get("rope_theta") is None:
        raise InputError(
            f"engine_args.{NAME}.{key}: replaces all of it, and has no rope_theta: the model would answer nonsense",
            f"add `rope_theta: {theta}`, which is the checkpoint's",
        )

"""What pydantic finds wrong with a value, in this project's words: every problem at once, each with its place."""

from __future__ import annotations

import contextlib
import re
from typing import get_args

from pydantic import BaseModel, ValidationError

from infercli.core.record import Json
from infercli.errors import any_of


def problems_of(error: ValidationError, kind: type[BaseModel] | None = None) -> list[tuple[str, str]]:
    """(where in the value, what is wrong) of every problem, each once, in the order of the fields.

    `kind` is what the value was to be: with it, the nearest key is offered for one that is not known. Where a value may
    be of several kinds (`gpu` is a name or a record), what is said is what is wrong with the kind it has, or that it
    has none of them.
    """
    errors = error.errors()
    kinds: dict[tuple[int | str, ...], dict[str, None]] = {}
    for e in errors:
        other = _kind(e["loc"], e["type"])
        if other is not None:
            kinds.setdefault(e["loc"][:-1], {})[other] = None
    found = []
    for e in errors:
        place = e["loc"][:-1]
        if _kind(e["loc"], e["type"]) is None:
            what = _what(e["type"], e["msg"], e.get("ctx") or {}) + _like(e["type"], e["loc"])
            near = _nearest(e["loc"], kind) if e["type"] == "extra_forbidden" and kind is not None else ""
            found.append((_where(e["loc"]), what + near))
        elif all(_kind(o["loc"], o["type"]) for o in errors if o["loc"][: len(place)] == place):
            found.append((_where(place), f"must be {' or '.join(kinds[place])}"))
    return list(dict.fromkeys(found))


_KINDS = {"str": "text (in quotes)", "int": "a whole number"}
_RECORD = re.compile(r"function-\w+\[.*\]")
"""How pydantic names the kinds of a value that may have several, as a step of the place: the last one where the value
is not of that kind."""


def _kind(location: tuple[int | str, ...], error_type: str) -> str | None:
    """The kind that a value, which may have several, is not; None: the error is about something else."""
    step = str(location[-1]) if location else ""
    if not error_type.endswith("_type"):
        return None
    return "an object" if _RECORD.fullmatch(step) else _KINDS.get(step)


def _where(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        if isinstance(part, str) and _RECORD.fullmatch(part):
            continue
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    return path


_MESSAGES = {
    "extra_forbidden": "is not a key that is known here",
    "missing": "is missing",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "finite_number": "must be a finite number",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "string_type": "must be text (put it in quotes)",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping (`key: value` lines)",
    "model_type": "must be a mapping (`key: value` lines)",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "too_short": "must list at least {min_length}",
    "too_long": "must list at most {max_length}",
    "string_too_short": "must not be empty",
}


def _what(kind: str, message: str, context: dict[str, Json]) -> str:
    template = _MESSAGES.get(kind)
    if template is not None:
        numbers = {k: int(v) for k, v in context.items() if isinstance(v, float) and v.is_integer()}  # 0, and not 0.0
        with contextlib.suppress(KeyError):
            return template.format(**context | numbers)
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


_EXAMPLES = {"_ms": "milliseconds, for example 1000", "_gib": "GiB, for example 24", "_mib": "MiB, for example 8"}
"""By the end of a field's name: what its number counts."""


def _like(kind: str, location: tuple[int | str, ...]) -> str:
    """What a number that was written as something else would look like."""
    name = str(location[-1]) if location else ""
    unit = next((of for end, of in _EXAMPLES.items() if name.endswith(end)), None)
    return f" of {unit}" if unit and kind in ("float_parsing", "float_type") else ""


def _nearest(location: tuple[int | str, ...], kind: type[BaseModel]) -> str:
    """`; did you mean ...?` for a key that is not known, of the keys that are known in its place."""
    import difflib  # only here: a file without mistakes does without it

    known: type[BaseModel] | None = kind
    for part in location[:-1]:
        if known is not None and isinstance(part, str) and part in known.model_fields:
            known = _record(known.model_fields[part].annotation)
    near = difflib.get_close_matches(str(location[-1]), known.model_fields if known else (), n=3, cutoff=0.6)
    return f"; did you mean {any_of(near)}?" if near else ""


def _record(annotation: Json) -> type[BaseModel] | None:
    """The record that a field holds, or holds several of, or may hold; None: it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _record(part)) is not None), None)

"""What pydantic finds wrong with a value, in this project's words: every problem at once, each with its place."""

from __future__ import annotations

import contextlib

from pydantic import ValidationError

from infercli.core.record import Json


def problems_of(error: ValidationError) -> list[tuple[str, str]]:
    """(where in the value, what is wrong) of every problem, each once, in the order of the fields."""
    found = [(_where(e["loc"]), _what(e["type"], e["msg"], e.get("ctx") or {})) for e in error.errors()]
    return list(dict.fromkeys(found))


def _where(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
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
}


def _what(kind: str, message: str, context: dict[str, Json]) -> str:
    template = _MESSAGES.get(kind)
    if template is not None:
        with contextlib.suppress(KeyError):
            return template.format(**context)
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")

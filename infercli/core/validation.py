"""What pydantic finds wrong with a value, in this project's words: every problem at once, each with its place."""

from __future__ import annotations

import contextlib
import re

from pydantic import ValidationError

from infercli.core.record import Json


def problems_of(error: ValidationError) -> list[tuple[str, str]]:
    """(where in the value, what is wrong) of every problem, each once, in the order of the fields.

    Where a value may be of several kinds (`gpu` is a name or a record), what is said is what is wrong with the kind it
    has, or that it has none of them.
    """
    errors = error.errors()
    kinds: dict[tuple[int | str, ...], dict[str, None]] = {}
    for e in errors:
        kind = _kind(e["loc"], e["type"])
        if kind is not None:
            kinds.setdefault(e["loc"][:-1], {})[kind] = None
    found = []
    for e in errors:
        place = e["loc"][:-1]
        if _kind(e["loc"], e["type"]) is None:
            found.append((_where(e["loc"]), _what(e["type"], e["msg"], e.get("ctx") or {})))
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
}


def _what(kind: str, message: str, context: dict[str, Json]) -> str:
    template = _MESSAGES.get(kind)
    if template is not None:
        with contextlib.suppress(KeyError):
            return template.format(**context)
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")

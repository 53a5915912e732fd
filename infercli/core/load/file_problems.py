"""What is wrong with a file of many lines or entries: each problem with its place, and not more of them than help."""

from __future__ import annotations

import json

from infercli.core.record import Json
from infercli.errors import InvalidFile

MAX_PROBLEMS = 20
"""Of one file, before the rest of it is not read: a screen of them says enough."""


class DamagedLine(ValueError):
    """A line or an entry that is not what its format says, in words for users."""


class FileProblems:
    """Gathers problems. `add` and `done` raise InvalidFile: with the last that is let in, or at the end."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._found: list[tuple[str, str]] = []

    def add(self, where: str, what: str) -> None:
        """One problem."""
        self._found.append((where, what))
        if len(self._found) >= MAX_PROBLEMS:
            self._found.append(("", f"the rest was not read after {MAX_PROBLEMS} problems"))
            self.done()

    def done(self) -> None:
        """Raise what was found, if anything was."""
        if self._found:
            raise InvalidFile(self._path, self._found)


def json_value(text: str) -> Json:
    """Raises DamagedLine."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        place = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise DamagedLine(f"is not JSON: {getattr(error, 'msg', None) or error}{place}") from None


def json_object(line: str) -> dict[str, Json]:
    """A line of a JSON lines file. Raises DamagedLine."""
    value = json_value(line)
    if not isinstance(value, dict):
        raise DamagedLine("must be an object ({...})")
    return value

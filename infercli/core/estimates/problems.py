"""What is wrong with a request, gathered: everything is said at once, each with its field and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from infercli.core.estimates.answer import EstimateError, Problem
from infercli.errors import InferError, InvalidFile


class Problems:
    """Gathers; `answer` hands them over. False while there are none."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, where: str, what: str, hint: str | None = None) -> None:
        """`where` is the field; empty where it is the whole request."""
        self._found.append(Problem(where=where, what=what, hint=hint))

    def add_error(self, where: str, error: InferError) -> None:
        """What was raised on purpose, with its hint."""
        if isinstance(error, InvalidFile):
            for place, what in error.problems:
                self.add(where, f"{error.path}: {place}: {what}" if place else f"{error.path}: {what}", error.hint)
        else:
            self.add(where, error.message, error.hint)

    @contextmanager
    def at(self, where: str) -> Iterator[None]:
        """Whatever is raised on purpose within becomes a problem of that field."""
        try:
            yield
        except InferError as error:
            self.add_error(where, error)

    def answer(self, request_id: str | int | None, line: int | None = None) -> EstimateError:
        """The answer to a request that has problems."""
        found = tuple(dict.fromkeys(self._found))
        hints = dict.fromkeys(p.hint for p in found if p.hint is not None)
        return EstimateError(id=request_id, line=line, problems=found, hint="; ".join(hints) or None)

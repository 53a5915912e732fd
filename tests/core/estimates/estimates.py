"""What tests look for in an estimate."""

from __future__ import annotations

from infercli.core.estimates.answer import Estimate


def bytes_of(found: Estimate, name: str) -> int:
    """Of a term of its memory."""
    return next(t.bytes for t in found.memory.terms if t.name == name)

"""Why a number of a plan is what it is: formula, inputs, where each comes from, and the error measured on real logs.

The one thing to know: a formula is an expression over the names of its inputs and gives the value exactly; a test
evaluates all of them. An input that has a derivation of its own has its name.
"""

from __future__ import annotations

from typing import Literal

from infercli.core.record import Json, Record

Unit = Literal["bytes", "tokens", "blocks", "requests", "requests/s", "tokens/s", "s", "USD/h", "USD"]


class Given(Record):
    """One input of a formula."""

    name: str
    value: Json
    unit: str = ""
    """Empty: a count or a fraction."""
    source: str


class Measured(Record):
    """How far such values were off."""

    logs: str
    """Which measurements."""
    count: int
    mean_fraction: float | None
    """Mean absolute error; None: only the median is known."""
    median_fraction: float | None
    """None: nothing was measured."""


class Derivation(Record):
    """One number, in steps that can be done by hand."""

    name: str
    value: float
    low: float
    """At the optimistic end of every estimate for what is used, at the pessimistic end for what is left."""
    high: float
    unit: Unit
    formula: str
    """Empty: no closed form; `source` says what was done."""
    inputs: tuple[Given, ...]
    source: str
    """Of the formula."""
    errors: tuple[Measured, ...] = ()
    """Empty: arithmetic on what is known, or never measured."""
    note: str = ""


def derived(name: str) -> str:
    """The source of an input that has a derivation of its own: where to read it, also when one alone is printed."""
    return f"derived: --explain {name}"


def find(derivations: tuple[Derivation, ...], name: str) -> Derivation:
    """The derivation of that name, with or without its unit (`tpot` is tpot_s). Raises UnknownName with the nearest."""
    from infercli.errors import UnknownName

    known = {d.name: d for d in derivations}
    with_unit = [n for n in known if n.startswith(f"{name}_")]
    if name not in known and len(with_unit) == 1:
        return known[with_unit[0]]
    if name not in known:
        raise UnknownName("number", name, known, f"`--explain` alone prints all: {', '.join(known)}")
    return known[name]

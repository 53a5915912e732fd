"""Tables that give up their least important columns where a terminal is narrow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from infercli.cli.output import columns


class Column(NamedTuple):
    """One column of a table."""

    title: str
    cells: Sequence[str]
    drop: int = 0
    """Where the table is too wide, the highest goes first; 0 stays."""
    words: bool = False
    """To the left, as the first column; numbers stand to the right."""


def fitting(table: Sequence[Column], width: int) -> str:
    """The table without as many columns as the width demands."""
    shown = list(table)
    while True:
        wide = [max(map(len, (c.title, *c.cells))) for c in shown]
        first_to_go = max(shown, key=lambda c: c.drop)
        if sum(wide) + 2 * (len(wide) - 1) <= width or not first_to_go.drop:
            break
        shown.remove(first_to_go)

    def aligned(row: Sequence[str]) -> list[str]:
        left = [n == 0 or c.words for n, c in enumerate(shown)]
        return [cell if left[n] else f"{cell:>{wide[n]}}" for n, cell in enumerate(row)]

    rows = zip(*(c.cells for c in shown), strict=True)
    return columns([aligned(row) for row in rows], aligned([c.title for c in shown]))

"""A series as one line of characters, its height counted from zero so that a steady series looks steady."""

from __future__ import annotations

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"
PLAIN = ".:-=+*#@"
"""For terminals and files without block characters; fuller means higher."""


def sparkline(values: Sequence[float | None], *, plain: bool = False) -> str:
    """One character a value: a space for None, the lowest mark for 0, the highest for the maximum."""
    marks = PLAIN if plain else BLOCKS
    top = max((v for v in values if v is not None), default=0.0)
    return "".join(
        " " if v is None else marks[min(round(v / top * (len(marks) - 1)), len(marks) - 1)] if top > 0 else marks[0]
        for v in values
    )

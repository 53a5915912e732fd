"""The Pareto front of a search, and its plot in plain characters.

The one thing to know: the plot is of printable ASCII and at most 78 columns wide, so that it reads alike on a terminal,
in a pipe and in a ticket.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10

from infercli.core.choice.selection import Point
from infercli.core.units import number

_COLUMNS, _ROWS = 62, 14
"""Of the plot's inside; with the axis labels it stays under 80 columns."""
_LABELS, _FEWEST = 10, 20
"""Columns that axis and labels take at most, and of the inside at least."""


def undominated(points: Sequence[Point]) -> tuple[Point, ...]:
    """Those of which no other is at least as good in both and better in one; cheapest tokens first, each place once."""
    found: list[Point] = []
    for point in sorted(
        points, key=lambda p: (-p.tokens_per_s_per_usd_h, -p.tokens_per_s_per_user.value, not p.chosen)
    ):
        if not found or point.tokens_per_s_per_user.value > found[-1].tokens_per_s_per_user.value:
            found.append(point)
    return tuple(found)


def plot(points: Sequence[Point], width: int | None = None) -> list[str]:
    """Lines of text: tokens/s per user to the right, tokens/s per dollar an hour up, a letter for each point.

    `width`: columns that there are; None: as many as it wants. Letters are those of the table: `a` is the first point,
    and what was chosen is in capitals.
    """
    columns = _COLUMNS if width is None else max(_FEWEST, min(_COLUMNS, width - _LABELS))
    xs = [p.tokens_per_s_per_user.value for p in points]
    ys = [p.tokens_per_s_per_usd_h for p in points]
    x_top, y_top = _ceiling(max(xs)), _ceiling(max(ys))
    grid = [[" "] * (columns + 1) for _ in range(_ROWS + 1)]
    for i in range(len(points) - 1, -1, -1):
        row, column = round(ys[i] / y_top * _ROWS), round(xs[i] / x_top * columns)
        grid[row][column] = letter(i, chosen=points[i].chosen)
    labels = {_ROWS: number(y_top), _ROWS // 2: number(y_top / 2), 0: "0"}
    beside = max(len(label) for label in labels.values())
    lines = ["tokens/s per dollar an hour"]
    lines += [f"{labels.get(row, ''):>{beside}} |{''.join(grid[row])}".rstrip() for row in range(_ROWS, -1, -1)]
    lines.append(f"{'':>{beside}} +{'-' * (columns + 1)}")
    right, middle = number(x_top), number(x_top / 2)
    scale = f"0{middle:^{columns}}"[: columns + 1 - len(right)] + right
    lines.append(f"{'':>{beside}}  {scale}")
    lines.append(f"{'tokens/s per user':>{beside + 2 + columns + 1}}")
    return lines


def letter(index: int, *, chosen: bool) -> str:
    """The sign of a point: a to z, then `*`; capital for the chosen one."""
    sign = chr(ord("a") + index) if index < 26 else "*"
    return sign.upper() if chosen else sign


def _ceiling(value: float) -> float:
    """The next of 1, 2, 2.5, 4, 5, 8, 10 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next((m * power for m in (1, 2, 2.5, 4, 5, 8) if m * power >= value), 10 * power)

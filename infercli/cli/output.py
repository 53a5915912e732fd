"""How answers and notes are written: the answer on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Sequence
from typing import Any

import click

_NARROWEST = 16
"""Columns that a text needs to be wrapped in; with fewer the terminal wraps it better."""
_BELOW = "    "
"""What is below its row, further in than that."""
_NARROWEST_PAGE, _WIDEST_PAGE = 60, 120
"""Columns of an answer that is set as a whole, as a benchmark's is: longer lines are hard to read."""


def document(kind: str, **fields: Any) -> dict[str, Any]:
    """A JSON answer of that kind, for `emit`; a Record says what it is by itself."""
    return {"apiVersion": "infercli/v1", "kind": kind, **fields}


def emit(value: Any, output: str, text: str) -> None:
    """The answer of a command: `text` for people, or `value` (JSON) as json or yaml.

    Where the reader of a pipe is gone (`infercli ... | head`) the command goes on to its exit code.
    """
    if output == "json":
        said = json.dumps(value, indent=2, ensure_ascii=False)
    elif output == "yaml":
        import yaml

        said = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120).removesuffix("\n")
    else:
        said = text
    try:
        click.echo(said)
    except BrokenPipeError:
        drop_output()


def drop_output() -> None:
    """What stdout has not taken yet is thrown away, which keeps the interpreter from failing with it at its end."""
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123


def clean(text: str) -> str:
    """What a server said, without what would steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def note(text: str, *, nl: bool = True, color: bool | None = None) -> None:
    """A line for the person who watches; never part of the answer.

    Who watches may be gone (`2>&1 | head`, a closed terminal): the command goes on, to what it does and its exit code.
    """
    with contextlib.suppress(OSError):
        click.echo(text, err=True, nl=nl, color=color)


def heading(text: str) -> str:
    """A title inside a text answer."""
    return click.style(text, bold=True)


def columns(rows: Sequence[Sequence[str]], header: Sequence[str] | None = None, indent: str = "") -> str:
    """Left-aligned columns, two spaces apart, no trailing blanks; the last column is not padded.

    On a terminal that is narrower the last column is wrapped within itself, or below its row where the others leave no
    room for it.
    """
    table = [list(map(str, row)) for row in ([header] if header else []) + list(rows)]
    if not table:
        return ""
    widths = [max(len(click.unstyle(row[i])) for row in table) for i in range(len(table[0]))]

    def line(row: list[str]) -> str:
        cells = [cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True)]
        before = indent + "".join(f"{cell}  " for cell in cells[:-1])
        if below and row[-1]:
            above = paragraph(row[0], indent) if len(row) == 2 else before.rstrip()
            return f"{above}\n{paragraph(row[-1], indent + _BELOW)}"
        return _wrapped(before, row[-1], len(click.unstyle(before)))

    width = terminal_width()
    beside = len(indent) + sum(each + 2 for each in widths[:-1])
    below = width is not None and width - beside < _NARROWEST and width < beside + widths[-1]
    if len(widths) != 2 and width is not None and width < beside - 2:
        below = False  # too wide without its last column: the terminal breaks it, and nothing below a row helps that
    return "\n".join(line(row) for row in table)


def paragraph(text: str, indent: str = "") -> str:
    """A sentence, wrapped on a terminal."""
    return _wrapped(indent, text, len(indent))


def last_column_fits(table: Sequence[Sequence[str]], indent: str = "") -> bool:
    """Whether `columns` can wrap the last column beside the others; always where nothing is wrapped."""
    width = terminal_width()
    before = sum(max(len(row[i]) for row in table) + 2 for i in range(len(table[0]) - 1))
    return width is None or width - len(indent) - before >= _NARROWEST


def fits(text: str) -> bool:
    """Whether the terminal is wide enough for every line; always where there is none."""
    width = terminal_width()
    return width is None or all(len(click.unstyle(line)) <= width for line in text.splitlines())


def terminal_width() -> int | None:
    """Columns of the terminal that shows stdout; None where the answer goes elsewhere, and is not wrapped."""
    return terminal_columns() if sys.stdout.isatty() else None


def terminal_columns() -> int:
    """Of the terminal, whatever goes to it; 80 where there is none."""
    return shutil.get_terminal_size((80, 24)).columns


def page_width(width: int | None) -> int:
    """Columns of an answer that is set as a whole. `width`: as asked; None: the terminal's."""
    return max(_NARROWEST_PAGE, min(_WIDEST_PAGE, terminal_columns() if width is None else width))


def _wrapped(before: str, text: str, start: int) -> str:
    """`before`, `start` characters wide, and `text`, whose further lines begin below its first."""
    width = terminal_width()
    room = 0 if width is None else width - start
    if width is None or len(text) <= room or room < _NARROWEST or click.unstyle(text) != text:
        return (before + text).rstrip()
    import textwrap  # only here: what fits its line does without it

    lines = textwrap.wrap(text, room, break_on_hyphens=False)
    return before + f"\n{' ' * start}".join(lines)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is destroyed. Without a terminal nothing is asked and nothing done.

    Raises InputError without a terminal, NotConfirmed on no, click.Abort on Ctrl-C.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        from infercli.errors import InputError

        raise InputError(f"{question} There is no terminal to ask on", "add --yes")
    if not click.confirm(question, err=True):
        from infercli.errors import NotConfirmed

        raise NotConfirmed("nothing was done")

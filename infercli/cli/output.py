"""How answers and notes are written: the answer on stdout, everything else on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click


def emit(value: Any, output: str, text: str) -> None:
    """The answer of a command: `text` for people, or `value` (JSON) as json or yaml."""
    if output == "json":
        click.echo(json.dumps(value, indent=2, ensure_ascii=False))
    elif output == "yaml":
        import yaml

        click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120), nl=False)
    else:
        click.echo(text)


def note(text: str) -> None:
    """A line for the person who watches; never part of the answer."""
    click.echo(text, err=True)


def heading(text: str) -> str:
    """A title inside a text answer."""
    return click.style(text, bold=True)


def columns(rows: Sequence[Sequence[str]], header: Sequence[str] | None = None, indent: str = "") -> str:
    """Left-aligned columns, two spaces apart, no trailing blanks; the last column is not padded."""
    table = [list(map(str, row)) for row in ([header] if header else []) + list(rows)]
    if not table:
        return ""
    widths = [max(len(click.unstyle(row[i])) for row in table) for i in range(len(table[0]))]

    def line(row: list[str]) -> str:
        cells = [cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True)]
        return (indent + "  ".join(cells)).rstrip()

    return "\n".join(line(row) for row in table)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something is destroyed. Without a terminal nothing is asked and nothing done.

    Raises InputError without a terminal, click.Abort on no.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        from infercli.errors import InputError

        raise InputError(f"{question} Not without a terminal to ask on", "add --yes")
    click.confirm(question, abort=True, err=True)

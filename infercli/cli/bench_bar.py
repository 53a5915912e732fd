"""How far a benchmark is, in a line that is overwritten; nothing where there is no terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self

import click

from infercli.cli.output import note, terminal_columns

if TYPE_CHECKING:
    from infercli.core.bench.levels import Level
    from infercli.core.traces import Load
    from infercli.loadgen import Progress

_BAR = 16
"""Cells of the bar, where there is room."""


class Bar:
    """How far it is, on a terminal only."""

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty()
        self.load: Load | None = None

    def __enter__(self) -> Self:
        return self

    def level(self, level: Level, number: int) -> None:
        """Another level begins."""
        del number
        if level.why is not None:
            if self.shown:
                self._write("")  # the line of the level before
            note(level.why)
        self.load = level.load

    def update(self, progress: Progress) -> None:
        """Called a few times a second."""
        if self.shown:
            room = terminal_columns() - 3
            self._write(f"  {_line(progress, self.load, room)[:room]}")

    def __exit__(self, *_: object) -> None:
        if self.shown:
            self._write("")

    def _write(self, text: str) -> None:
        try:
            click.echo(f"\r\033[K{text}", err=True, nl=False)
        except OSError:
            self.shown = False  # the terminal is gone, and what is measured is kept all the same


def _line(progress: Progress, load: Load | None, room: int) -> str:
    """A line; where there is no room for all of it, without the load, which does not change, and with a shorter bar."""
    whole, passed = progress.total, float(progress.done)
    if whole is None and load is not None and load.duration_s is not None:
        share = min(1.0, progress.elapsed_s / load.duration_s)
    else:
        share = min(1.0, passed / whole) if whole else 0.0
    label = [] if load is None else ["warm-up" if progress.warmup else load.label]
    parts = [f"{progress.done}{f'/{whole}' if whole else ''} done"]
    if progress.failed:
        parts.append(f"{progress.failed} failed")
    parts.append(f"{progress.in_flight} in flight")
    if progress.elapsed_s > 0:
        parts.append(f"{progress.output_tokens / progress.elapsed_s:,.0f} tokens/s")
    if progress.ttft_s is not None:
        parts.append(f"TTFT {progress.ttft_s * 1000:,.0f} ms")
    if progress.tpot_s is not None:
        parts.append(f"TPOT {progress.tpot_s * 1000:,.1f} ms")
    text = "  ".join([*label, *parts])
    if len(text) + _BAR + 4 > room:
        text = "  ".join(parts)
    while len(text) + _BAR // 4 + 4 > room and len(parts) > 1:
        parts.pop()  # as a whole: of half a number nobody sees that it is half
        text = "  ".join(parts)
    cells = max(_BAR // 4, min(_BAR, room - len(text) - 4))
    return f"[{'#' * round(cells * share):.<{cells}}]  {text}"

"""A progress bar on stderr for work that takes longer than two seconds; nothing where there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHOWN_AFTER_S = 2.0
"""Shorter work needs no bar, and a bar that flashes by is noise."""


@contextmanager
def byte_progress(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """Yields `on_progress(done_bytes, total_bytes, name)`."""
    if not sys.stderr.isatty():
        yield lambda _done, _total, _name: None
        return
    import click
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn())
    context = click.get_current_context(silent=True)
    plain = context is not None and context.color is False
    bar = Progress(*columns, console=Console(stderr=True, no_color=plain or None), transient=True)
    task = bar.add_task(what, total=None)
    began = time.monotonic()
    started = False

    def on_progress(done: int, total: int, name: str) -> None:
        nonlocal started
        if not started and time.monotonic() - began > SHOWN_AFTER_S:
            bar.start()
            started = True
        bar.update(task, completed=done, total=total, description=f"{what} {name}")

    try:
        yield on_progress
    finally:
        if started:
            bar.stop()

"""What is shown on stderr of work that takes longer than two seconds; nothing where there is no terminal."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

SHOWN_AFTER_S = 2.0
"""Shorter work needs no bar, and a bar that flashes by is noise."""


@contextmanager
def byte_progress(what: str) -> Iterator[Callable[[int, int, str], None]]:
    """Yields `on_progress(done_bytes, total_bytes, name)`."""
    if not sys.stderr.isatty():
        yield lambda _done, _total, _name: None
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True), TimeRemainingColumn())
    bar = _bar(*columns, plain=_plain())
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


@contextmanager
def working(what: str) -> Iterator[None]:
    """Says what is worked on, and for how long already, where nobody can say how much is left."""
    if not sys.stderr.isatty():
        yield
        return
    shown: list[Progress] = []
    plain, began_s = _plain(), time.monotonic()  # here: of another thread click knows no context

    def show() -> None:
        from rich.progress import TextColumn, TimeElapsedColumn

        bar = _bar(TextColumn("{task.description}"), TimeElapsedColumn(), plain=plain)
        bar.add_task(what, total=None)
        bar.tasks[0].start_time = began_s
        shown.append(bar)
        bar.start()

    timer = threading.Timer(SHOWN_AFTER_S, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # it may be about to show it
        for bar in shown:
            bar.stop()


def _plain() -> bool:
    import click

    context = click.get_current_context(silent=True)
    return context is not None and context.color is False


def _bar(*columns: ProgressColumn, plain: bool) -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    return Progress(*columns, console=Console(stderr=True, no_color=plain or None), transient=True)

"""Ctrl-C, SIGTERM and SIGHUP while something is measured: noted instead of raised, so that nothing measured is lost.

The one thing to know: while requests are sent a second one ends the process as it always would, for what is waited for
may never come. Before and after, when what came back is put in order, no second one is needed: that ends by itself.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

_SAME_S = 0.2
"""A second signal so soon is the first one again: GNU `timeout` tells the process, and then its whole group."""


class Interrupts:
    """What was told so far."""

    def __init__(self) -> None:
        self.told: list[float] = []
        """When, by time.monotonic."""
        self.sending = False
        """A second one ends the process."""

    def __call__(self) -> bool:
        """Whether to end."""
        return bool(self.told)


@contextlib.contextmanager
def noted() -> Iterator[Interrupts]:
    """Inside, signals are noted.

    A terminal that goes away tells twice, by the shell and by the kernel, so that SIGHUP stays ignored after the first.
    """
    noticed = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread is told of signals, and only it may change what they do.
        yield noticed
        return
    hung_up = False
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]  # `nohup`: it was asked to go on

    def restore() -> None:
        for number, handler in before.items():
            gone = number == signal.SIGHUP and hung_up
            signal.signal(number, signal.SIG_IGN if gone else signal.SIG_DFL if handler is None else handler)

    def note(number: int, _frame: object) -> None:
        nonlocal hung_up
        hung_up = hung_up or number == signal.SIGHUP
        noticed.told.append(time.monotonic())
        again = noticed.told[-1] - noticed.told[0] >= _SAME_S
        if again and noticed.sending and number != signal.SIGHUP:
            restore()
            signal.raise_signal(number)

    for number in before:
        signal.signal(number, note)
    try:
        yield noticed
        if noticed.told:
            time.sleep(max(0.0, noticed.told[0] + _SAME_S - time.monotonic()))
    finally:
        restore()

"""Ctrl-C, SIGTERM and SIGHUP of a command that changes a release: all of them end it the way Ctrl-C does."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

from infercli.errors import Interrupted

SAME_S = 0.5
"""A second signal so soon is the first one again: GNU `timeout` tells the process, and then its whole group."""


@contextlib.contextmanager
def interruptible(hint: str) -> Iterator[None]:
    """Inside, a CI job that is cancelled or a terminal that goes away raises KeyboardInterrupt, as Ctrl-C does.

    What nobody inside caught becomes Interrupted with `hint`. A terminal that goes away tells twice, by the shell and
    by the kernel, so that SIGHUP counts once.
    """
    if threading.current_thread() is not threading.main_thread():
        # Only the main thread is told of signals, and only it may change what they do.
        yield
        return
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        numbers.remove(signal.SIGHUP)  # `nohup`: it was asked to go on
    first: list[float] = []

    def interrupt(number: int, _frame: object) -> None:
        again = bool(first) and (number == signal.SIGHUP or time.monotonic() - first[0] < SAME_S)
        if not again:
            first.append(time.monotonic())
            raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted("interrupted", hint) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

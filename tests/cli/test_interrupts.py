"""What a command does that changes a release and is told to end."""

from __future__ import annotations

import os
import signal
import time

import pytest

from infercli.cli.interrupts import SAME_S, interruptible
from infercli.cli.world import Steps
from infercli.errors import Interrupted

ALL = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def tell(number):
    os.kill(os.getpid(), number)
    time.sleep(0.01)  # the interpreter runs the handler between two instructions


@pytest.mark.parametrize("number", ALL)
def test_whoever_ends_it_interrupts_what_is_done_once(number):
    before = [signal.getsignal(n) for n in ALL]
    undone = False
    with pytest.raises(Interrupted) as error, interruptible("type this"):
        try:
            tell(number)
        except KeyboardInterrupt:
            tell(number)  # to its group as well
            undone = True
            raise
    assert undone
    assert error.value.hint == "type this"
    assert [signal.getsignal(n) for n in ALL] == before


def test_a_second_one_later_interrupts_the_undoing_unless_the_terminal_is_gone():
    with interruptible(""):
        with pytest.raises(KeyboardInterrupt):
            tell(signal.SIGTERM)
        time.sleep(SAME_S)
        tell(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            tell(signal.SIGINT)


def test_a_command_under_nohup_goes_on_without_its_terminal():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible(""):
            tell(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_terminal_that_is_gone_does_not_keep_a_rollout_from_being_undone(monkeypatch):
    def gone(*_args, **_more):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("infercli.cli.output.click.echo", gone)
    watcher = Steps()
    watcher.terminal = True
    watcher.detail("starting")
    watcher.step("go back")
    watcher.note("it waits")
    watcher.done()

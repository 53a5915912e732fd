"""What is shown while somebody waits."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

WAIT = """
import sys, time
from infercli.cli import progress
progress.SHOWN_AFTER_S = float(sys.argv[1])
with progress.working("searching"):
    time.sleep(3.0)
print("answer")
"""


def shown(after_s: float) -> str:
    """What stands on a terminal by and by, where it is to be shown after so long, of work that takes three seconds."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", WAIT, str(after_s)], stdout=subprocess.DEVNULL, stderr=theirs,
        env={**os.environ, "TERM": "xterm", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    ) as process:  # fmt: skip
        os.close(theirs)
        found = b""
        try:
            while part := os.read(ours, 4096):
                found += part
        except OSError:  # Linux: the other end is closed
            pass
        finally:
            os.close(ours)
        assert process.wait(20) == 0
    return found.decode()


@pytest.mark.parametrize(("after_s", "there"), [(1.0, True), (60.0, False)])
def test_long_work_is_named_with_its_time_and_short_work_is_not(after_s, there):
    found = shown(after_s)
    assert ("searching" in found) is there
    assert ("0:00:01" in found) is there
    assert "0:00:00" not in found  # it counts from when the work began


def test_where_there_is_no_terminal_nothing_is_shown():
    run = subprocess.run([sys.executable, "-c", WAIT, "0.1"], capture_output=True, text=True, check=True, timeout=20)
    assert (run.stdout, run.stderr) == ("answer\n", "")

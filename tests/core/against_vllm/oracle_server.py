"""Runs in the engine's environment, not in the tests': imports vLLM once, and each oracle runs in a fork of it.

Importing takes some twelve CPU-seconds, as much as a hundred answers. What an oracle pretends stays in its own fork.

Reads JSON objects {oracle, asked, answers, log} on standard input, each a line of paths, and says the exit status of
each oracle on a line of standard output: it reads `asked` as its standard input, writes `answers`, and logs to `log`.
"""

from __future__ import annotations

import ctypes
import json
import os
import runpy
import signal
import sys

import kv_oracle  # noqa: F401 - what all of them need, with its stand-in for torchvision


def end_with_parent() -> None:
    """Nothing of a test run survives it, also when it is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, linux/prctl.h


def answer(oracle: str, asked: str, answers: str, log: str) -> None:
    """As `python ORACLE ANSWERS <ASKED >LOG 2>&1`."""
    end_with_parent()
    for path, mode, number in ((asked, os.O_RDONLY, 0), (log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 1)):
        opened = os.open(path, mode)
        os.dup2(opened, number)
        os.close(opened)
    os.dup2(1, 2)
    sys.stdin = open(0, closefd=False, encoding="utf-8")  # noqa: SIM115 - for as long as the process lasts
    sys.argv = [oracle, answers]
    runpy.run_path(oracle, run_name="__main__")


end_with_parent()
said = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # vLLM logs there
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            answer(**json.loads(line))
            status = 0
        except BaseException:  # noqa: BLE001 - the fork must not go on as the server
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), file=said, flush=True)

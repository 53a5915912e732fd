"""Why an engine did not start, from what its processes printed.

vLLM's engine is a child process. Its parent raises only "Engine core initialization failed. See root cause above", and
"above" is the log file of this Ray worker, which the child writes to as well. Standard library only.
"""

from __future__ import annotations

import os
import re

# A line of a traceback that names an exception: `ValueError: ...`, after whatever prefix a logger gave it.
NAMED = re.compile(r"(?:^|[\s\]])((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit)): (\S.*)")
POINTERS = ("See root cause", "Engine core initialization failed", "WorkerProc initialization failed")
TAIL_BYTES = 256 * 1024  # more than any start prints after its first error
LINE_CHARS = 800  # of the cause; Serve shows the message in one line


def find(text: str) -> str | None:
    """The last exception that is not one about another exception; None: no exception was printed."""
    causes = [
        f"{name.rpartition('.')[2]}: {said}"
        for line in text.splitlines()
        for name, said in NAMED.findall(line)
        if not any(pointer in line for pointer in POINTERS)
    ]
    return causes[-1][:LINE_CHARS] if causes else None


def printed(descriptor: int, since_bytes: int) -> str:
    """What this process and its children wrote to a descriptor that is a file; empty where it is none."""
    try:
        with open(f"/proc/self/fd/{descriptor}", "rb") as file:  # noqa: PTH123 - a descriptor, not a path
            size = os.fstat(file.fileno()).st_size
            file.seek(max(since_bytes, size - TAIL_BYTES))
            return file.read().decode(errors="replace")
    except (OSError, ValueError):
        return ""


def size(descriptor: int) -> int:
    """The bytes written so far, to be given as `since_bytes` later; 0 where it is no file."""
    try:
        return os.fstat(descriptor).st_size
    except OSError:
        return 0

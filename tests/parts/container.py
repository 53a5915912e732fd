"""A rendered pod's container as a process: its command, its environment and its mounts.

The one thing to know: paths are the only thing that is changed. What the pod mounts is written below a directory of the
test, and a word of the command that lies in a mount is that file below it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from tests.cluster.pod_files import write


def start(
    pod: Mapping[str, Any], files: Mapping[Path, Mapping[str, bytes]], directory: Path, output: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    """Starts the only container of a pod spec. `files`: by mount path and name. Both its streams go to `output`."""
    (container,) = pod["containers"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert {str(path) for path in files} == set(mounts), "every mount is one of a ConfigMap or Secret, and has files"
    write(directory, files)
    command = [f"{directory}{word}" if word.startswith(tuple(mounts)) else word for word in container["command"]]
    assert command[0] == "python3"
    environment = {variable["name"]: variable["value"] for variable in container.get("env", [])}
    return subprocess.Popen(
        [sys.executable, *command[1:]],
        env={"PATH": os.environ["PATH"], **environment},
        cwd=directory,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )

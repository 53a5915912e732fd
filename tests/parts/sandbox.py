"""A private network and process namespace in which tests start real servers. When it goes, everything in it is gone.

The one thing to know: the tests stay outside. What listens inside is reached through `forward()`, which opens a port on
127.0.0.1 out here, and a command that has to be inside (a CLI that starts a Ray of its own) is run with `run()`.

Inside there is only a loopback interface, so fixed ports (Ray's 8265 and 8000) never clash, nothing can be reached from
or reach another machine, and every address of POD_NETWORK answers locally: a server bound to 0.0.0.0 plays every pod
at once. Processes inside are children of an init that holds one end of a socket; the other end is ours. If this
process ends in any way, SIGKILL included, the kernel closes it, the init leaves, and the kernel kills whatever is left
in the namespace, whatever sessions and daemons it has made of itself.

Needs Linux user namespaces and `unshare` of util-linux; no root, no container.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

POD_NETWORK = "10.99.0.0/16"

INIT = Path(__file__).with_name("sandbox_init.py")

# User, network and process namespaces of its own, /proc to match (Ray reads it), and death with its parent.
UNSHARE = ("unshare", "-Urn", "--pid", "--fork", "--kill-child", "--mount-proc")


class SandboxError(Exception):
    """The sandbox could not do what it was told; the message is the reason from inside."""


def unavailable() -> str | None:
    """Why there can be no sandbox on this machine, or None when there can."""
    try:
        tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, check=False, timeout=30)
    except FileNotFoundError:
        return "there is no `unshare` command (package util-linux)"
    if tried.returncode != 0:
        return f"this user may not make namespaces: {tried.stderr.strip()} (sysctl user.max_user_namespaces, seccomp)"
    return None


class Sandbox:
    """One namespace and the named processes in it. A context manager; leaving it ends them all."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [*UNSHARE, sys.executable, "-IS", str(INIT), str(theirs.fileno()), POD_NETWORK]
            self._process = subprocess.Popen(
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the tests, which then take this down in order
            )
        self._control = ours
        self._lock = threading.Lock()
        self._runs = 0
        try:
            self._ask({"do": "hello"})
        except SandboxError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every process inside, at once, and returns when they are gone. Safe to call twice."""
        self._control.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()  # --kill-child: the init goes with it
            self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Starts a process under a name, which may be used again once that process has ended.

        Its output is appended to `log`; `env` is added to this process' environment.
        """
        with Path(os.devnull).open("rb") as nothing, log.open("ab") as out:
            self._start(name, argv, env or {}, cwd, (nothing, out, out))

    def _start(
        self,
        name: str,
        argv: Sequence[str | Path],
        env: Mapping[str, str],
        cwd: Path | None,
        files: tuple[IO[bytes], IO[bytes], IO[bytes]],
    ) -> None:
        request = {
            "do": "start",
            "name": name,
            "argv": [str(word) for word in argv],
            "env": {**os.environ, **env},
            "cwd": None if cwd is None else str(cwd),
        }
        self._ask(request, [file.fileno() for file in files])

    def returncode(self, name: str) -> int | None:
        """What the process ended with (negative: minus the signal), or None while it runs."""
        answer: int | None = self._ask({"do": "poll", "name": name})["returncode"]
        return answer

    def signal(self, name: str, signum: signal.Signals, *, group: bool = False) -> None:
        """Sends a signal to the process, or to its whole process group. Nothing happens when it has ended."""
        self._ask({"do": "signal", "name": name, "signal": int(signum), "group": group})

    def wait(self, name: str, timeout_s: float) -> int:
        """Waits for the process to end and returns what it ended with. Raises TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while (returncode := self.returncode(name)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} still runs after {timeout_s:g} s")
            time.sleep(0.02)
        return returncode

    def run(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: str = "",
        timeout_s: float = 120.0,
    ) -> subprocess.CompletedProcess[str]:
        """Runs a command inside and returns its status and output. Raises subprocess.TimeoutExpired, having killed it.

        What it leaves running in the background (a Ray, say) goes on running until the sandbox is closed.
        """
        with self._lock:
            self._runs += 1
            name = f"run-{self._runs}"
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            given.write(stdin.encode())
            given.seek(0)
            self._start(name, argv, env or {}, cwd, (given, out, err))
            try:
                returncode = self.wait(name, timeout_s)
            except TimeoutError:
                self.signal(name, signal.SIGKILL, group=True)
                raise subprocess.TimeoutExpired(
                    [str(word) for word in argv], timeout_s, _text(out), _text(err)
                ) from None
            return subprocess.CompletedProcess([str(word) for word in argv], returncode, _text(out), _text(err))

    def forward(self, port: int | None = None, host: str = "127.0.0.1") -> int:
        """Opens a port on 127.0.0.1 out here that leads to `host:port` inside, and returns it.

        Without a port, the same number is meant inside: it is free there as nothing else listens, so a server started
        on it has one address for both sides. While nothing listens inside, a connection is accepted and reset, not
        refused.
        """
        with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
            outside: int = listener.getsockname()[1]
            self._ask({"do": "forward", "host": host, "port": port or outside}, [listener.fileno()])
        return outside

    def _ask(self, request: Mapping[str, Any], fds: Sequence[int] = ()) -> dict[str, Any]:
        with self._lock:
            try:
                socket.send_fds(self._control, [json.dumps(request).encode()], fds)
                reply = self._control.recv(1 << 16)
            except OSError as problem:
                raise SandboxError(f"the sandbox is gone: {problem}") from None
        if not reply:
            said = self._process.stderr.read().decode() if self._process.stderr is not None else ""
            raise SandboxError(f"the sandbox ended: {said.strip() or 'without a word'}")
        answer: dict[str, Any] = json.loads(reply)
        if "error" in answer:
            raise SandboxError(answer["error"])
        return answer


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")

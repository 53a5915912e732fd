"""The Ray on this machine: started with its own directory, token and ports; found again by its record; stopped by pid.

Ray's dashboard and Serve listen on loopback; its other ports (GCS, raylet, workers, metrics) listen on all addresses
even so, behind its token. `listening` lists them, and whoever reads `infercli local status` is told.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from infercli.adapters.files import alone, cache_home, shipped, write_text
from infercli.adapters.http import request
from infercli.adapters.ray_rest import APPLICATIONS
from infercli.core.record import Record
from infercli.core.release.observed import Answer
from infercli.errors import EndpointError, InputError, RayError, RayGone

LOGICAL_CPUS = 16
"""Ray's own count, not cores: an engine asks for 2, and two engines must be placeable side by side on any laptop."""
OBJECT_STORE_BYTES = 200_000_000
"""Serve moves only small messages; Ray would take 30 % of the memory otherwise."""
HEAD_STARTS_S = 300
"""10 to 21 s were measured on two idle cores and more than 90 on two that eight processes wanted. A Ray that ends is
seen at once; the limit is for one that hangs."""
_ASKED_S = 30
"""For a Python to say which modules it has: 0.05 s on an idle machine."""
NICE = 10
"""Of the session that Ray makes (sched(7), autogroup): two busy engines take every core of a small machine, and the
command that rolls one of them back must not queue behind them. With 8 streams a command waited for a third to nine
tenths of its time at 0 and for a twentieth at 10 (measured on two cores)."""
START_ATTEMPTS = 3
"""Ray 2.60 gives its own node 30 s to come up (ray/_private/node.py) and no way to say more: seen to be too little
beside other heavy work, and enough a moment later."""
TOO_SLOW = ("timed out during startup", "Timed out waiting for node info")
"""How it says so: of the node, and of a process beside it (ray/_private/services.py, get_node_with_retry)."""
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  # looked for, not bound
"""All addresses, as `listening` names them."""
MARK = "INFERCLI_LOCAL_RAY"
"""In the environment of every process that this Ray starts, so that all can be found, orphans too."""


class RunningRay(Record):
    """ray.json: how to find the Ray that an earlier command started."""

    pid: int
    started_at_ticks: int
    """Of the process, from /proc: a pid alone may be somebody else's by now."""
    mark: str
    dashboard_port: int
    serve_port: int
    temp_dir: str
    engine_python: str


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on (proc(5)); before them is a name that may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()


def _start_ticks(pid: int) -> int | None:
    try:
        return int(_stat(pid)[19])
    except (OSError, IndexError, ValueError):
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_engine_python() -> Path:
    """The Python that has Ray and the CPU engine: $INFERCLI_ENGINE_PYTHON, this one, or the one `scripts/demo` made.

    Raises InputError that says how to get one.
    """
    named = os.environ.get("INFERCLI_ENGINE_PYTHON")
    if named:
        if os.access(named, os.X_OK):
            return Path(named)
        raise InputError(f"INFERCLI_ENGINE_PYTHON names `{named}`, which is no program", "unset it, or correct it")
    here = Path(sys.executable)
    if any(here.parent.parent.glob("lib/python*/site-packages/ray/serve")):
        return here
    lock = shipped("profiles").parent / "requirements" / "local.txt"
    if lock.exists():
        made = cache_home() / f"engine-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
        if (made / ".ready").exists():
            return made / "bin" / "python"
    raise InputError(
        "no Python with Ray and the CPU engine was found",
        "`scripts/engine` makes one, or set INFERCLI_ENGINE_PYTHON to one with `infercli[local]`",
    )


def lacking(python: Path) -> list[str]:
    """Which of `ray` and `vllm` that Python has not; both where it is no Python at all. They are not imported."""
    wanted = ["ray", "vllm"]
    ask = "import sys; from importlib.util import find_spec; print(*[n for n in sys.argv[1:] if find_spec(n) is None])"
    try:
        asked = subprocess.run(
            [str(python), "-c", ask, *wanted], capture_output=True, text=True, timeout=_ASKED_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return wanted
    return asked.stdout.split()


class LocalRay:
    """Start, find, talk to and stop the one Ray of this user on this machine. `home` holds its record and token."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @property
    def token_path(self) -> Path:
        """Ray's own token, which its REST API asks for."""
        return self.home / "ray-token"

    def running(self) -> RunningRay | None:
        """The Ray that runs, or None."""
        found = self._recorded()
        return found if found is not None and _lives(found) else None

    def _recorded(self) -> RunningRay | None:
        """The Ray that was started last and not stopped, whether it runs or died."""
        try:
            return RunningRay.model_validate(json.loads((self.home / "ray.json").read_text()))
        except (OSError, ValueError):
            return None

    def ensure(self, serve_port: int) -> RunningRay:
        """The Ray that runs, started if there is none. Raises InputError (port in use), RayError (does not start).

        Of two commands at once the second waits for the Ray of the first: `ray.json` holds one, and who started another
        would leave it to run unseen.
        """
        with alone(self.home / "starting.lock"):
            return self._ensure(serve_port)

    def _ensure(self, serve_port: int) -> RunningRay:
        found = self.running()
        if found is not None:
            return found
        self.stop()  # what a Ray that died left behind
        _check_that_it_is_free(serve_port)
        for attempt in range(1, START_ATTEMPTS + 1):
            started = self._start(find_engine_python(), serve_port)
            try:
                self._until_it_answers(started)
            except RayError as error:
                self.stop()
                if attempt == START_ATTEMPTS or not any(words in error.message for words in TOO_SLOW):
                    raise
            except BaseException:
                self.stop()
                raise
            else:
                break
        return started

    def _start(self, python: Path, serve_port: int) -> RunningRay:
        write_text(self.token_path, secrets.token_hex(32), private=True)
        # Ray puts sockets with long names into it, and a socket's path ends at 107 bytes: so /tmp, and short.
        temp_dir = tempfile.mkdtemp(prefix="infercli-", dir="/tmp")
        mark, dashboard_port = secrets.token_hex(8), _free_port()
        command = [str(python), "-m", "ray.scripts.scripts", "start", "--head", "--block"]
        command += [f"--port={_free_port()}", "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1"]
        command += [f"--dashboard-port={dashboard_port}", f"--num-cpus={LOGICAL_CPUS}", "--num-gpus=0"]
        command += [f"--object-store-memory={OBJECT_STORE_BYTES}", f"--metrics-export-port={_free_port()}"]
        # Ray's client server is of no use here and cannot be left out; at its own 10001 another program, or the Ray of
        # another user, would end this one.
        command += [f"--ray-client-server-port={_free_port()}"]
        command += ["--disable-usage-stats", f"--temp-dir={temp_dir}"]
        started = RunningRay(
            pid=0,
            started_at_ticks=-1,
            mark=mark,
            dashboard_port=dashboard_port,
            serve_port=serve_port,
            temp_dir=temp_dir,
            engine_python=str(python),
        )
        # Before it runs: of a command that is killed just after, `stop` finds it by its mark.
        self._record(started)
        with (self.home / "ray.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment(python, mark),
                cwd=temp_dir,
                start_new_session=True,  # Ctrl-C in this terminal must not reach a Ray that others use
            )
        with contextlib.suppress(OSError):  # a kernel without autogroups
            Path(f"/proc/{process.pid}/autogroup").write_text(str(NICE))
        ticks = _start_ticks(process.pid)
        started = started.model_copy(
            update={"pid": process.pid, "started_at_ticks": ticks if ticks is not None else -1}
        )
        self._record(started)
        return started

    def _record(self, ray: RunningRay) -> None:
        write_text(self.home / "ray.json", ray.model_dump_json(), private=True)

    def _environment(self, python: Path, mark: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k not in _NOT_FOR_RAY}
        return kept | {
            MARK: mark,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token_path),
            "RAY_USAGE_STATS_ENABLED": "0",
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            # Serve's access log holds paths and statuses, no prompts; Ray LLM's own prompt log is on by default.
            "RAYLLM_ENABLE_REQUEST_PROMPT_LOGS": "0",
            # Threads that spin while they wait take three quarters of a small machine that also runs Ray (measured).
            "OMP_WAIT_POLICY": "passive",
            "VLLM_CACHE_ROOT": str(cache_home() / "vllm"),
            "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        }

    def _until_it_answers(self, started: RunningRay) -> None:
        end = time.monotonic() + HEAD_STARTS_S
        while True:
            try:
                if self.rest("GET", APPLICATIONS, started=started, timeout_s=5).status == 200:
                    return
            except EndpointError:
                pass
            if not _lives(started):
                raise RayError(
                    f"Ray ended while it started: {self._last_words()}", f"the whole log: {self.home}/ray.log"
                )
            if time.monotonic() > end:
                raise RayError(f"Ray did not answer within {HEAD_STARTS_S} s", f"the log: {self.home}/ray.log")
            time.sleep(0.25)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            text = _COLOURS.sub("", (self.home / "ray.log").read_text(errors="replace"))
            lines = [line.strip() for line in text.split("\n") if line.strip()]
            # Where one of its processes has ended, Ray quotes that one's log, and adds words that say nothing.
            said = [line for line in lines if _EXCEPTION.match(line)] or lines
            return said[-1] if said else "it said nothing"
        return "it said nothing"

    def rest(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        started: RunningRay | None = None,
        timeout_s: float = 90.0,
    ) -> Answer:
        """One call of Ray's REST API, with its token. Raises RayGone (no Ray runs), EndpointError (it is mute)."""
        ray = started or self.running()
        if ray is None:
            raise RayGone("no Ray of infercli runs on this machine", "`infercli deploy --target local` starts one")
        return request(
            method,
            f"http://127.0.0.1:{ray.dashboard_port}{path}",
            body=body,
            headers={"Authorization": f"Bearer {self.token_path.read_text().strip()}"},
            timeout_s=timeout_s,
        )

    def listening(self) -> list[tuple[str, int, str]]:
        """(address, port, process) that this Ray's processes listen on."""
        ray = self.running()
        if ray is None:
            return []
        inodes: dict[str, str] = {}
        for pid in _processes(ray):
            with contextlib.suppress(OSError):
                process = Path(f"/proc/{pid}")
                name = (process / "comm").read_text().strip()
                inodes |= {file[8:-1]: name for file in _open_files(process) if file.startswith("socket:[")}
        found = {(a, p, inodes[i]) for a, p, i in _listening_sockets() if i in inodes}
        return sorted(found, key=lambda row: row[1])

    def stop(self) -> int:
        """End every process of this Ray, by pid, and remove its directory. Returns how many there were; 0: none ran.

        Raises RayError where some do not end; what is known of them is then kept, for another try.
        """
        ray = self._recorded()
        if ray is None:
            return 0
        ended: set[int] = set()
        # Children appear while others end, so until none is left. Ray's own SIGTERM takes 30 s and leaves some behind.
        for _ in range(100):
            pids = set(_processes(ray))
            # Who was killed gives up its memory, and with it its mark, before its sockets (do_exit in the kernel).
            if not pids and all(map(_has_ended, ended)):
                break
            for pid in pids:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            ended |= pids
            time.sleep(0.1)
        else:
            left = sorted(_processes(ray))
            if left:
                raise RayError(
                    f"processes of the Ray on this machine were killed and have not ended: {', '.join(map(str, left))}",
                    "wait until `ps` has none of them, then run `infercli local stop` again",
                )
        if Path(ray.temp_dir).name.startswith("infercli-"):
            shutil.rmtree(ray.temp_dir, ignore_errors=True)
        (self.home / "ray.json").unlink(missing_ok=True)
        self.token_path.unlink(missing_ok=True)
        return len(ended)


_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_EXCEPTION = re.compile(r"[\w.]*(Error|Exception): \S")
"""The last line of a Python traceback."""

_NOT_FOR_RAY = frozenset(
    {
        "PYTHONPATH",  # each application has its own
        "PYTHONDONTWRITEBYTECODE",  # costs an engine 7 CPU-s at every start
        "VIRTUAL_ENV",
        "RAY_ADDRESS",
        "INFERCLI_API_KEY",  # the front reads its keys from a file
        "HF_TOKEN",  # the weights are on disk; an engine has no business with it
        "HUGGING_FACE_HUB_TOKEN",
    }
)


def _check_that_it_is_free(port: int) -> None:
    """Raises InputError when the port is another program's."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(
                f"port {port} on this machine is in use by another program",
                f"end it (`ss -ltnp 'sport = :{port}'`), or choose another with --port",
            ) from error


def _lives(ray: RunningRay) -> bool:
    """Its first process runs. For whoever started it a dead one is a zombie, whose ticks are those of the record."""
    return _start_ticks(ray.pid) == ray.started_at_ticks and not _has_ended(ray.pid)


def _has_ended(pid: int) -> bool:
    """It is gone, or a zombie without threads: whoever is still to wait for it, it holds nothing any more."""
    with contextlib.suppress(OSError):
        fields = _stat(pid)
        return fields[0] == "Z" and int(fields[17]) <= 1
    return True


def _processes(ray: RunningRay) -> Iterator[int]:
    """The pids of this Ray: those whose environment carries its mark, and those of its name that write its logs.

    Ray's agents and dashboard put a title over their environment, so that the mark is gone. Zombies have neither.
    """
    needle = f"{MARK}={ray.mark}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                marked = needle in (entry / "environ").read_bytes().split(b"\0")
                if marked or ((entry / "comm").read_text().startswith("ray") and _has_open(entry, ray.temp_dir)):
                    yield int(entry.name)


def _has_open(process: Path, directory: str) -> bool:
    return any(file.startswith(f"{directory}/") for file in _open_files(process))


def _open_files(process: Path) -> Iterator[str]:
    """As the kernel names them: a path, or `socket:[INODE]`. Raises OSError where one may not look."""
    for handle in (process / "fd").iterdir():
        with contextlib.suppress(OSError):  # closed since
            yield str(handle.readlink())


def _listening_sockets() -> Iterator[tuple[str, int, str]]:
    """(address, port, inode) of every listening TCP socket, from /proc/net."""
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] != "0A":  # TCP_LISTEN
                    continue
                address, port = fields[1].split(":")
                raw = bytes.fromhex(address)
                packed = b"".join(raw[i : i + 4][::-1] for i in range(0, len(raw), 4))
                yield socket.inet_ntop(family, packed), int(port, 16), fields[9]

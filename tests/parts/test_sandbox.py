"""The sandbox keeps what runs in it reachable on purpose only, and lets nothing outlive it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.require import require
from tests.parts.sandbox import Sandbox, SandboxError, unavailable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    require("sandbox", unavailable())
    with Sandbox() as sandbox:
        yield sandbox


def running(word: str) -> list[str]:
    """The command lines on this machine that contain a word (processes in sandboxes are seen from outside)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found


def until(what, timeout_s: float = 10.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def serve_files(box: Sandbox, directory: Path, *, port: int, address: str = "0.0.0.0") -> None:
    (directory / "hello").write_text("from inside")
    argv = [sys.executable, "-m", "http.server", str(port), "--bind", address, "--directory", str(directory)]
    box.start("web", argv, log=directory / "web.log")
    probe = f"import socket; socket.create_connection(('{address}', {port}))"
    assert until(lambda: box.run([sys.executable, "-c", probe]).returncode == 0)


def get(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/hello", timeout=5) as answer:
        return answer.read().decode()


def test_a_server_inside_answers_on_its_forwarded_port_only(box, tmp_path):
    port = box.forward()
    serve_files(box, tmp_path, port=port, address="127.0.0.1")
    assert get(port) == "from inside"
    other = box.forward()  # a port that leads to where nobody listens
    with pytest.raises((ConnectionError, urllib.error.URLError)):
        get(other)


def test_a_server_on_all_addresses_inside_answers_on_every_address_of_the_pod_network(box, tmp_path):
    serve_files(box, tmp_path, port=8000)
    for address in ("10.99.0.1", "10.99.7.200", "10.99.255.254"):
        assert get(box.forward(8000, address)) == "from inside"


def test_the_same_port_can_be_used_in_two_sandboxes(box, tmp_path):
    with Sandbox() as second:
        for name, sandbox in (("one", box), ("two", second)):
            (tmp_path / name).mkdir()
            serve_files(sandbox, tmp_path / name, port=8000)
            (tmp_path / name / "hello").write_text(name)
        assert [get(sandbox.forward(8000)) for sandbox in (box, second)] == ["one", "two"]


def test_what_listens_outside_cannot_be_reached_from_inside(box):
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        tried = box.run([sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"])
    assert "ConnectionRefusedError" in tried.stderr


def test_run_gives_status_output_and_environment_and_passes_input(box, tmp_path):
    done = box.run(["sh", "-c", "cat; echo $WORD >&2; pwd; exit 7"], stdin="in\n", env={"WORD": "err"}, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (7, f"in\n{tmp_path}\n", "err\n")


def test_run_kills_what_takes_too_long(box):
    with pytest.raises(subprocess.TimeoutExpired):
        box.run(["sh", "-c", "sleep 61.0625; true"], timeout_s=0.3)
    assert until(lambda: not running("sleep 61.0625"))


def test_the_end_of_a_process_is_known_by_its_status_or_signal(box, tmp_path):
    box.start("ends", ["sh", "-c", "exit 3"], log=tmp_path / "log")
    assert box.wait("ends", 5) == 3
    box.start("killed", ["sleep", "60"], log=tmp_path / "log")
    assert box.returncode("killed") is None
    box.signal("killed", signal.SIGKILL)
    assert box.wait("killed", 5) == -9


def test_a_program_that_is_not_there_is_an_error_and_not_the_end_of_the_sandbox(box, tmp_path):
    with pytest.raises(SandboxError, match="no-such-program"):
        box.start("x", ["/no-such-program"], log=tmp_path / "log")
    assert box.run(["true"]).returncode == 0


def test_a_daemon_that_left_its_session_and_ignores_signals_ends_with_the_sandbox(tmp_path):
    require("sandbox", unavailable())
    with Sandbox() as box:
        daemon = "trap '' TERM INT HUP; sleep 62.0625 & wait"
        box.run(["setsid", "sh", "-c", f"({daemon}) </dev/null >/dev/null 2>&1 &"])
        assert until(lambda: bool(running("62.0625")))
    assert not running("62.0625")


def test_everything_inside_ends_when_the_process_that_made_the_sandbox_is_killed(tmp_path):
    require("sandbox", unavailable())
    program = (
        "import sys, time; from pathlib import Path; from tests.parts.sandbox import Sandbox\n"
        "box = Sandbox()\n"
        f"box.start('s', ['setsid', 'sleep', '63.0625'], log=Path({str(tmp_path / 'log')!r}))\n"
        "print('ready', flush=True); time.sleep(60)\n"
    )
    maker = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE)
    assert maker.stdout is not None
    assert maker.stdout.readline() == b"ready\n"
    assert until(lambda: bool(running("sleep 63.0625")))
    maker.kill()
    maker.wait()
    maker.stdout.close()
    assert until(lambda: not running("63.0625")), running("63.0625")

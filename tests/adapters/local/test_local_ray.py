"""Starting, finding and stopping the Ray of this machine, where it goes wrong. The real Ray is in tests/e2e."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from infercli.adapters.local.ray import MARK, START_ATTEMPTS, LocalRay, RunningRay, find_engine_python
from infercli.errors import InputError, RayError

FAKE_RAY = """#!{python}
import json, os, socket, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
port = int(next(a for a in sys.argv if a.startswith("--dashboard-port=")).split("=")[1])
token = open(os.environ["RAY_AUTH_TOKEN_PATH"]).read()
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        ok = self.headers.get("Authorization") == "Bearer " + token
        self.send_response(200 if ok else 401); self.end_headers(); self.wfile.write(b"{{}}")
    def log_message(self, *_): pass
if os.fork() == 0:
    os.setsid()
    import time; time.sleep(600)
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def program(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def ray(tmp_path):
    (tmp_path / "home").mkdir()
    ray = LocalRay(tmp_path / "home")
    yield ray
    ray.stop()


@pytest.fixture
def fake_engine(tmp_path, monkeypatch):
    """A program that answers as Ray's dashboard does and leaves a child in a session of its own."""
    monkeypatch.setenv("INFERCLI_ENGINE_PYTHON", str(program(tmp_path / "ray", FAKE_RAY.format(python=sys.executable))))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def alive(mark):
    needle = f"{MARK}={mark}".encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if needle in file.read():
                    found.append(int(pid))
        except OSError:
            pass
    return found


def test_a_port_in_use_is_named_and_nothing_is_started(ray, fake_engine):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match=f"port {taken.getsockname()[1]} on this machine is in use") as error:
            ray.ensure(taken.getsockname()[1])
    assert "--port" in error.value.hint
    assert ray.running() is None


def test_a_ray_that_ends_while_it_starts_is_told_with_its_last_words(ray, tmp_path, monkeypatch):
    dying = program(tmp_path / "dying", "#!/bin/sh\necho 'no space left on device' >&2\nexit 1\n")
    monkeypatch.setenv("INFERCLI_ENGINE_PYTHON", str(dying))
    with pytest.raises(RayError, match="no space left on device"):
        ray.ensure(free_port())
    assert ray.running() is None


def test_of_a_process_that_ended_its_own_words_are_told_without_colours(ray, tmp_path, monkeypatch):
    log = "\\033[31m2026 INFO Starting\\nTraceback (most recent call last):\\nRuntimeError: Failed to bind.\\n\\033[39m"
    said = f"{log}\\n2026 ERR scripts.py:1315 -- \\033[31mRemaining processes will be killed.\\033[39m\\n"
    dying = program(tmp_path / "dying", f"#!/bin/sh\nprintf '{said}'\nexit 1\n")
    monkeypatch.setenv("INFERCLI_ENGINE_PYTHON", str(dying))
    with pytest.raises(RayError) as error:
        ray.ensure(free_port())
    assert error.value.message == "Ray ended while it started: RuntimeError: Failed to bind."


def test_rays_client_server_has_a_port_of_its_own(ray, fake_engine):
    # At Ray's default, 10001, whatever else listens there would end the whole Ray.
    words = Path(f"/proc/{ray.ensure(free_port()).pid}/cmdline").read_text().split("\0")
    (port,) = [w.partition("=")[2] for w in words if w.startswith("--ray-client-server-port=")]
    assert int(port) != 10001


@pytest.mark.parametrize(
    "words",
    [
        "Exception: The current node timed out during startup. Busy.",
        "RuntimeError: Timed out waiting for node info for node_id=1.\\nRemaining processes will be killed.",
    ],
)
def test_a_ray_that_was_too_slow_for_its_own_limit_is_started_again(ray, tmp_path, monkeypatch, words):
    slow = "open({flag!r}, 'x').close(); sys.exit('" + words + "')"
    flag = str(tmp_path / "tried")
    body = FAKE_RAY.format(python=sys.executable)
    first, rest = body.split("import json, os", 1)
    once = f"import os, sys\nif not os.path.exists({flag!r}):\n    {slow.format(flag=flag)}\n"
    monkeypatch.setenv(
        "INFERCLI_ENGINE_PYTHON", str(program(tmp_path / "ray", first + once + "import json, os" + rest))
    )
    assert ray.ensure(free_port()) == ray.running()


def test_a_ray_is_started_until_it_answers_and_given_up_after_a_few_times(ray, tmp_path, monkeypatch):
    tried = tmp_path / "tried"
    slow = program(tmp_path / "slow", f"#!/bin/sh\necho x >> {tried}\necho 'timed out during startup' >&2\nexit 1\n")
    monkeypatch.setenv("INFERCLI_ENGINE_PYTHON", str(slow))
    with pytest.raises(RayError, match="timed out during startup"):
        ray.ensure(free_port())
    assert tried.read_text().count("x") == START_ATTEMPTS
    tried.unlink()
    text = FAKE_RAY.format(python=sys.executable) + "\n"
    noted = text.replace("import json", f"open({str(tried)!r}, 'a').write('x')\nimport json", 1)
    monkeypatch.setenv("INFERCLI_ENGINE_PYTHON", str(program(tmp_path / "ray", noted)))
    ray.ensure(free_port())
    assert tried.read_text() == "x"


def test_the_next_command_finds_the_ray_that_runs_and_starts_no_second(ray, fake_engine):
    first = ray.ensure(free_port())
    assert LocalRay(ray.home).ensure(free_port()) == first


def test_a_ray_that_died_is_seen_by_the_command_that_started_it(ray, fake_engine):
    pid = ray.ensure(free_port()).pid
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z" and time.monotonic() < end:
        time.sleep(0.01)
    assert ray.running() is None


def test_of_two_commands_at_once_one_starts_a_ray_and_the_other_finds_it(ray, fake_engine):
    barrier, found = threading.Barrier(2), []

    def ensure():
        barrier.wait()
        found.append(LocalRay(ray.home).ensure(free_port()))

    threads = [threading.Thread(target=ensure) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert found == [ray.running()] * 2
    finally:
        for pid in {pid for one in found if one != ray.running() for pid in alive(one.mark)}:
            os.kill(pid, signal.SIGKILL)


def test_stop_ends_every_process_also_one_that_made_a_session_of_its_own(ray, fake_engine):
    mark = ray.ensure(free_port()).mark
    end = time.monotonic() + 10
    while len(alive(mark)) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    assert len(alive(mark)) == 2
    assert ray.stop() >= 2
    assert alive(mark) == []
    assert ray.running() is None


def test_a_command_that_is_killed_as_it_starts_a_ray_leaves_what_stop_finds(ray, fake_engine, monkeypatch):
    start, marks = subprocess.Popen, []

    def killed(*words, **how):
        start(*words, **how)
        marks.append(how["env"][MARK])
        raise SystemExit

    monkeypatch.setattr(subprocess, "Popen", killed)
    with pytest.raises(SystemExit):
        ray.ensure(free_port())
    monkeypatch.undo()
    end = time.monotonic() + 10
    while not alive(marks[0]) and time.monotonic() < end:
        time.sleep(0.05)
    assert ray.running() is None
    assert ray.stop() >= 1
    assert alive(marks[0]) == []


TITLED = """import sys, time
log = open(sys.argv[1], "w")
open("/proc/self/comm", "w").write(sys.argv[2])
print("up", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("title", "ended"), [("ray::Dashboard", True), ("ray-dashboard-S", True), ("less", False)])
def test_stop_ends_an_agent_whose_title_hides_its_environment_and_no_reader_of_its_logs(ray, fake_engine, title, ended):
    log = Path(ray.ensure(free_port()).temp_dir, "agent.log")
    with subprocess.Popen([sys.executable, "-c", TITLED, log, title], stdout=subprocess.PIPE, env={}) as agent:
        try:
            assert agent.stdout is not None
            assert agent.stdout.readline() == b"up\n"
            ray.stop()
            if ended:
                assert agent.wait(timeout=10) == -signal.SIGKILL
            else:
                assert agent.poll() is None
        finally:
            agent.kill()


def test_stop_says_which_processes_did_not_end_and_forgets_none(ray, fake_engine, monkeypatch):
    ray.ensure(free_port())
    with monkeypatch.context() as spared:
        spared.setattr("infercli.adapters.local.ray.os.kill", lambda pid, number: None)
        spared.setattr("infercli.adapters.local.ray.time.sleep", lambda seconds: None)
        with pytest.raises(RayError, match=r"have not ended: \d+"):
            ray.stop()
    assert ray.stop() > 0


def test_a_pid_that_is_somebody_elses_by_now_is_neither_found_nor_killed(ray):
    other = subprocess.Popen(["sleep", "60"])
    try:
        record = RunningRay(
            pid=other.pid,
            started_at_ticks=1,
            mark="0" * 16,
            dashboard_port=1,
            serve_port=2,
            temp_dir="/tmp/infercli-none",
            engine_python="/bin/false",
        )
        (ray.home / "ray.json").write_text(record.model_dump_json())
        assert ray.running() is None
        ray.stop()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_what_it_listens_on_is_listed_by_address_and_port(ray, fake_engine):
    started = ray.ensure(free_port())
    assert ("127.0.0.1", started.dashboard_port) in {(a, p) for a, p, _ in ray.listening()}


def test_the_token_is_private_and_gone_after_stop(ray, fake_engine):
    ray.ensure(free_port())
    assert ray.token_path.stat().st_mode & 0o077 == 0
    ray.stop()
    assert not ray.token_path.exists()


def test_no_secret_of_the_user_reaches_the_engines(ray, fake_engine, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    mark = ray.ensure(free_port()).mark
    for pid in alive(mark):
        with open(f"/proc/{pid}/environ", "rb") as file:
            assert b"hf_secret" not in file.read()


def test_without_an_engine_the_way_to_one_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("INFERCLI_ENGINE_PYTHON", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(InputError, match="no Python with Ray") as error:
        find_engine_python()
    assert "scripts/engine" in error.value.hint


def test_an_engine_that_is_named_wrongly_is_an_input_error(monkeypatch):
    monkeypatch.setenv("INFERCLI_ENGINE_PYTHON", "/nonexistent/python")
    with pytest.raises(InputError, match="/nonexistent/python"):
        find_engine_python()

"""What is left of a benchmark that is told to end, by whoever tells it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time

import pytest

from infercli.cli.benching import _unbroken
from infercli.cli.watching import Watch
from infercli.errors import ExitCode
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer

pytestmark = pytest.mark.slow  # each starts a command of its own


def started(server, folder, **how):
    words = ["bench", server.url, "--duration", "60s", "--warmup", "0", "--max-tokens", "4", "--concurrency", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "infercli", *words], cwd=folder, start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "HOME": str(folder)}, **how,
    )  # fmt: skip
    end = time.monotonic() + 30
    while len(server.completion_requests) < 12 and time.monotonic() < end:
        time.sleep(0.05)
    return process


def kept(folder) -> dict:
    (stage,) = json.loads((folder / "result.json").read_text())["stages"]
    assert sum(t["error"] is None and not t["cut"] for t in stage["traces"]) > 5
    return stage["stopped"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_group_that_is_told_to_end_keeps_its_result(number, tmp_path):
    with FakeOpenAiServer(Behaviour(tokens=4, itl_s=0.01)) as server:
        process = started(server, tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        os.kill(process.pid, number)
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == ExitCode.INTERRUPTED, err
    assert "the run is not complete: interrupted" in out
    assert kept(tmp_path) == {"kind": "interrupted", "detail": None}


def test_a_terminal_that_goes_away_leaves_the_result(tmp_path):
    master, slave = pty.openpty()

    def own_terminal() -> None:
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    with FakeOpenAiServer(Behaviour(tokens=4, itl_s=0.01)) as server:
        process = started(server, tmp_path, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal)
        os.close(slave)
        time.sleep(0.5)  # its progress is shown
        os.close(master)
        process.wait(timeout=30)
    assert kept(tmp_path) == {"kind": "interrupted", "detail": None}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_last_scrape_is_awaited_loses_nothing(infercli, monkeypatch, tmp_path, number):
    monkeypatch.setattr(Watch, "__exit__", lambda *_: os.kill(os.getpid(), number))
    with FakeOpenAiServer(Behaviour(tokens=4, itl_s=0.01)) as server:
        ran = infercli("bench", server.url, "--requests", "8", "--concurrency", "2", "--telemetry", "none")
    assert (ran.code, kept(tmp_path)) == (ExitCode.YES, None)


def test_ctrl_c_before_the_load_is_no_wish_to_see_it_begin(infercli, monkeypatch, tmp_path):
    monkeypatch.setattr(Watch, "__enter__", lambda _: os.kill(os.getpid(), signal.SIGINT))
    with FakeOpenAiServer(Behaviour(tokens=4)) as server:
        ran = infercli("bench", server.url, "--requests", "8", "--telemetry", "none")
        assert not server.completion_requests
    assert (ran.code, list(tmp_path.glob("*.json"))) == (ExitCode.INTERRUPTED, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_result_that_is_being_written_is_finished(number):
    before = signal.getsignal(number)
    with _unbroken():
        os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_who_reads_the_notes_may_go_and_the_search_goes_on_to_its_verdict(tmp_path):
    words = "--slo ttft_p95=1ms --requests 8 --warmup 0 --max-tokens 4"
    with FakeOpenAiServer(Behaviour(tokens=4, ttft_s=0.02)) as server:
        done = subprocess.run(
            f"{sys.executable} -m infercli bench {server.url} {words} 2>&1 | head -n 1; exit ${{PIPESTATUS[0]}}",
            shell=True, executable="/bin/bash", cwd=tmp_path, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "HOME": str(tmp_path)},
        )  # fmt: skip
    assert "the first guess" in done.stdout
    assert len(json.loads((tmp_path / "result.json").read_text())["stages"]) > 2
    assert done.returncode in (ExitCode.NO, ExitCode.CANNOT_TELL)  # as far as this machine was quick enough


def test_an_error_that_nobody_reads_has_its_exit_code_all_the_same(tmp_path):
    done = subprocess.run(
        f"{sys.executable} -m infercli bench --rate nan 2>&1 | true; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", cwd=tmp_path, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )  # fmt: skip
    assert done.returncode == ExitCode.USAGE

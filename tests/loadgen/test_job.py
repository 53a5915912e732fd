"""The program of the Job, as a process of its own with nothing of infercli but what its zip holds."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from infercli.adapters.files import package_sources
from infercli.core.bench.goodput import Objectives, parse_objective
from infercli.core.bench.job import BenchJob
from infercli.core.bench.job_log import JobLog
from infercli.core.bench.levels import BenchRun, Levels
from infercli.core.load.conversation import Conversation, Turn, single
from infercli.core.load.sending import Sending
from infercli.render.bench_app import bench_app
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer

pytestmark = pytest.mark.slow  # all of them together; each waits for servers most of the time

HELLO = (single("hello"),)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    path = tmp_path_factory.mktemp("app") / "bench.pyz"
    path.write_bytes(bench_app(package_sources()))
    return path


@pytest.fixture
def start(app, tmp_path):
    def start(url, levels, conversations=HELLO, keys="key-1\nkey-2\n", **more):
        job = BenchJob(
            url=url,
            model="tiny",
            api="chat",
            levels=levels,
            sending=Sending(conversations=conversations, source="a test"),
            **more,
        )
        (tmp_path / "job.json.gz").write_bytes(job.packed())
        (tmp_path / "api-keys").write_text(keys)
        words = [sys.executable, str(app), str(tmp_path / "job.json.gz"), str(tmp_path / "api-keys")]
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={})

    return start


def catches(pid, number):
    """Whether a process has a handler of its own for a signal."""
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status["SigCgt"], 16) >> (number - 1) & 1)


def read(process):
    """(exit code, log, events): stderr and stdout as a container's log has them, one after the other."""
    out, err = process.communicate(timeout=60)
    log = JobLog()
    events = [event for line in [*err.splitlines(), *out.splitlines()] if (event := log.feed(line)) is not None]
    return process.returncode, log, events


def given(*levels, **shared):
    return Levels(shared={"requests": 6, "max_tokens": 8, **shared}, levels=levels)


def test_every_level_is_sent_with_the_first_key_and_what_comes_back_is_what_the_server_served(start):
    conversation = Conversation(turns=(Turn(prompt="one"), Turn(prompt="two")))
    with FakeOpenAiServer(Behaviour(tokens=5), api_key="key-1") as server:
        code, log, events = read(start(server.url, given({"concurrency": 2}, {"concurrency": 3}), (conversation,)))
        served = server.completion_requests
    run = BenchRun.model_validate_json(log.result())
    assert code == 0
    assert [s.load.concurrency for s in run.stages] == [2, 3]
    assert len(served) == 12
    assert [s.metrics.answered for s in run.stages] == [6, 6]
    assert [s.metrics.output_tokens for s in run.stages] == [30, 30]
    assert all(t.completion_tokens == sum(t.frames) == 5 for s in run.stages for t in s.traces)
    second_turns = sum(t.turn == 1 for s in run.stages for t in s.traces)
    assert second_turns == sum(len(s.body["messages"]) == 3 for s in served) > 0  # with the answers before them
    assert [value["number"] for name, value in events if name == "level"] == [0, 1]


def test_a_search_in_the_job_ends_as_one_here_does(start):
    objectives = Objectives(objectives=(parse_objective("ttft_p95=10s"),), success_fraction=0.5)
    levels = Levels(
        shared={"requests": 8, "max_tokens": 2}, search=True, objectives=objectives
    )  # a probe that the server refuses brings no rate to begin with
    with FakeOpenAiServer(Behaviour(status=503)) as server:
        code, log, events = read(start(server.url, levels))
    assert log.error is None, log.error
    run = BenchRun.model_validate_json(log.result())
    assert (code, len(run.stages), run.stages[0].metrics.answered) == (0, 1, 0)
    assert run.stages[0].goodput.holds is False
    assert [value["why"] for name, value in events if name == "level"] == [None]


def test_progress_is_told_and_sigterm_keeps_what_was_measured(start):
    with FakeOpenAiServer(Behaviour(tokens=4, itl_s=0.05)) as server:
        process = start(server.url, Levels(shared={"duration_s": 60.0, "max_tokens": 4}, levels=({"concurrency": 2},)))
        deadline = time.monotonic() + 30
        while len(server.completion_requests) < 6:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        code, log, events = read(process)
    (stage,) = BenchRun.model_validate_json(log.result()).stages
    assert (code, stage.interrupted) == (0, True)
    assert stage.metrics.answered >= 2
    progress = [value for name, value in events if name == "progress"]
    assert progress
    assert set(progress[0]) >= {"done", "failed", "total", "elapsed_s", "output_tokens", "ttft_s"}


def test_sigterm_before_anything_was_measured_ends_it_at_once(start):
    process = start("http://127.0.0.1:9", given({"concurrency": 1}))
    deadline = time.monotonic() + 30
    while not catches(process.pid, signal.SIGTERM):  # nobody listens there: it then waits to reach the endpoint
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    code, log, _ = read(process)
    assert code == 130
    assert not log.begun


def test_what_cannot_be_is_told_in_words_and_never_says_the_key(start):
    with FakeOpenAiServer() as server:
        code, log, _ = read(start(server.url, given({"concurrency": 1}), keys="  \n"))
        assert (code, log.error["kind"]) == (2, "InputError")
        assert "no API key" in log.error["message"]
        code, log, _ = read(start(server.url, given({"concurrency": 1}), keys="sécret"))
        assert (code, log.error["kind"]) == (2, "InputError")
        assert "sécret" not in json.dumps(log.error, ensure_ascii=False)
        assert not log.begun


def test_the_zip_has_no_module_of_infercli_but_its_own_and_finds_no_other(app, tmp_path):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import infercli.loadgen.job, infercli, pkgutil, importlib;"
        "[importlib.import_module(m.name) for m in pkgutil.walk_packages(infercli.__path__, 'infercli.')];"
        "third = {n.partition('.')[0] for n in sys.modules} - set(sys.stdlib_module_names);"
        "print(infercli.__file__); print(sorted(third));"
        "import infercli.cli"
    )
    words = [sys.executable, "-c", program, str(app)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "No module named 'infercli.cli'" in done.stderr  # although it is installed beside
    place, third = done.stdout.splitlines()
    assert place.startswith(str(app))
    allowed = {
        "__main__",
        "__mp_main__",
        "infercli",
        "pydantic",
        "pydantic_core",
        "annotated_types",
        "typing_extensions",
    }
    assert {name for name in json.loads(third.replace("'", '"')) if not name.startswith("_")} <= allowed | {
        "typing_inspection"
    }


def test_the_zip_holds_what_is_imported_and_no_more(app):
    with zipfile.ZipFile(io.BytesIO(app.read_bytes())) as archive:
        names = set(archive.namelist())
    assert "__main__.py" in names
    assert "infercli/core/bench/levels.py" in names
    assert not any(name.startswith(("infercli/cli", "infercli/adapters", "infercli/render")) for name in names)
    assert "infercli/core/planning/plan.py" not in names

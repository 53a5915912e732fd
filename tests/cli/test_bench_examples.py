"""Every example of `infercli bench --help` is typed, at a smaller size, against a server that answers."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import tempfile
from pathlib import Path

import pytest

from infercli.cli.bench import command
from infercli.errors import ExitCode
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer

pytestmark = pytest.mark.slow  # all of them together; each waits for servers most of the time

LINES = re.findall(r"^ +(infercli bench .*?)(?: {2,}.*)?$", command.help or "", re.MULTILINE)
IN_A_CLUSTER = "--in-cluster"  # typed in tests/cluster/test_bench_in_cluster.py
EXAMPLES = [line for line in LINES if IN_A_CLUSTER not in line]
SMALLER = {"200": "9", "2m": "1s", "10s": "200ms", "64": "8", "5": "20", "1000": "40", "300": "12"}
TRACE = [{"timestamp": t, "input_length": 40, "output_length": 4, "hash_ids": [t]} for t in (0, 100, 250)]


def smaller(line: str, url: str) -> list[str]:
    words = [url if (w == "chat" and i == 2) or w.startswith("http:") else w for i, w in enumerate(shlex.split(line))]
    words = [SMALLER.get(word, word) for word in words[2:]]
    ends = {"--requests", "--duration", "--replay"} & set(words)
    return words + ([] if ends else ["--requests", "9"]) + ["--warmup", "1"] * ("--replay" not in words)


@pytest.mark.parametrize("line", EXAMPLES)
def test_each_example_measures_what_it_says(line, infercli, tmp_path):
    (tmp_path / "trace.jsonl").write_text("\n".join(json.dumps(row) for row in TRACE))
    with FakeOpenAiServer(Behaviour(tokens=4, ttft_s=0.005), adapters=("sql",)) as server:
        ran = infercli(*["bench", *smaller(line, server.url)], "-o", "json")
    # On a busy machine the client may be the limit, and says so by exit code 4; objectives need not hold either.
    assert ran.code in (ExitCode.YES, ExitCode.NO, ExitCode.CANNOT_TELL), ran.err
    result = json.loads((tmp_path / "result.json").read_text())
    answered = [t for stage in result["stages"] for t in stage["traces"] if t["error"] is None]
    assert len(answered) == sum(len(stage["traces"]) for stage in result["stages"]) >= 3, ran.err
    loads = [stage["load"] for stage in result["stages"]]
    if "--rate" in line:
        assert all(load["rate_per_s"] for load in loads)
    if "--sweep" in line:
        users = [load["concurrency"] for load in loads]
        levels = [n for i, n in enumerate(users) if i == 0 or n != users[i - 1]]  # some again, on a busy machine
        assert levels == [2**i for i in range(len(levels))]
    if "--slo" in line:
        assert result["searched"] is not None
        assert result["objectives"]["objectives"][0]["limit_s"] == 1
    if "--lora" in line:
        asked = [s.body["model"] for s in server.completion_requests]
        assert set(asked) <= {"tiny", "sql"}
    if "agent" in line:
        assert {t["turn"] for stage in result["stages"] for t in stage["traces"]} > {0}


def test_every_shipped_workload_and_kind_of_load_has_an_example():
    from infercli.adapters.files import shipped

    text = "\n".join(LINES)
    for path in shipped("workloads").glob("*.yaml"):
        assert f"--workload {path.stem}" in text
    options = ("--concurrency", "--rate", "--burstiness", "--ramp-to", "--sweep", "--slo", "--replay", "--lora")
    for option in (*options, "--in-cluster", "--input-len", "--api embeddings", "--objectives"):
        assert option in text


def test_a_file_that_cannot_be_written_is_said_before_anything_is_measured(infercli, tmp_path):
    (tmp_path / "file").write_text("x")
    with FakeOpenAiServer() as server:
        ran = infercli("bench", server.url, "--save", str(tmp_path / "file" / "result.json"))
        assert server.completion_requests == []
    assert ran.code == ExitCode.COULD_NOT
    assert "file is a file" in ran.err


def test_a_run_that_found_nothing_leaves_the_result_that_is_there(infercli, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with FakeOpenAiServer(Behaviour(tokens=4)) as server:
        assert infercli("bench", server.url, "--requests", "4", "--warmup", "0").code == ExitCode.YES
        before = Path("result.json").read_bytes()
        server.behaviour = Behaviour(status=503)
        ran = infercli("bench", server.url, "--model", "m", "--requests", "4", "--warmup", "0")
    assert ran.code == ExitCode.CANNOT_TELL
    assert "nothing was answered: result.json stays as it was" in ran.err
    assert Path("result.json").read_bytes() == before
    (kept,) = tmp_path.glob("result-*.json")
    assert f"{kept} has every request with its times" in ran.err


def test_a_result_is_saved_to_a_file(infercli):
    with FakeOpenAiServer() as server:
        ran = infercli("bench", server.url, "--save", "-")
        assert server.completion_requests == []
    assert ran.code == ExitCode.USAGE
    assert "`-` is no file" in ran.err


@pytest.mark.parametrize("spare", [True, False])
def test_where_a_measurement_is_is_said_though_the_answer_goes_to_the_disk_that_is_full(
    spare, infercli, tmp_path, monkeypatch
):
    from infercli.adapters import files
    from infercli.cli import benching
    from infercli.errors import InferError

    def full(path, _):
        if path.name == "result.json" or not spare:
            raise InferError(f"{path} could not be written: No space left on device", "`df -h .`")

    def takes_nothing(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(files, "write_text", full)
    monkeypatch.setattr(benching, "emit", takes_nothing)
    with FakeOpenAiServer(Behaviour(tokens=4)) as server:
        ran = infercli("bench", server.url, "--requests", "4", "--warmup", "0")
    assert ran.code == ExitCode.COULD_NOT
    assert "result.json could not be written: No space left on device" in ran.err
    assert (f"{tmp_path}/result-" in ran.err) is spare
    assert ran.err.endswith("error: the output could not be written: No space left on device\n")


def test_where_a_measurement_is_is_said_though_its_recording_was_interrupted(infercli, monkeypatch):
    from infercli.cli import benching

    def waits_for_a_cluster(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(benching, "record", waits_for_a_cluster)
    with FakeOpenAiServer(Behaviour(tokens=4)) as server:
        ran = infercli("bench", server.url, "--requests", "4", "--warmup", "0")
    assert ran.code == ExitCode.INTERRUPTED
    assert "result.json has every request with its times" in ran.err


@pytest.mark.parametrize("spare", [True, False])
def test_what_was_measured_outlives_a_full_disk(spare, infercli, tmp_path, monkeypatch):
    from infercli.adapters import files
    from infercli.errors import InferError

    written = []

    def full(path, text):
        if path.name == "result.json" or not spare:
            raise InferError(f"{path} could not be written: No space left on device", "`df -h .`")
        written.append(json.loads(text))

    monkeypatch.setattr(files, "write_text", full)
    with FakeOpenAiServer(Behaviour(tokens=4)) as server:
        ran = infercli("bench", server.url, "--requests", "4", "--warmup", "0")
    assert ran.code == ExitCode.COULD_NOT
    assert "4 of 4 requests answered" in ran.out
    assert "result.json could not be written: No space left on device" in ran.err
    assert [len(result["stages"][0]["traces"]) for result in written] == [4] * spare
    assert ("has every request with its times" in ran.err) is spare


@pytest.mark.parametrize("save", ["result.json", "file/result.json"])
def test_a_machine_without_a_folder_for_temporary_files_keeps_the_result(save, infercli, tmp_path, monkeypatch):
    from infercli.adapters import files

    def nowhere():
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    monkeypatch.setattr(files, "check_writable", lambda _: None)  # it could be written when the load began
    (tmp_path / "file").touch()
    with FakeOpenAiServer(Behaviour(tokens=4)) as server:
        ran = infercli("bench", server.url, "--requests", "4", "--warmup", "0", "--telemetry", "none", "--save", save)
    assert "4 of 4 requests answered" in ran.out
    # On a busy machine the client may have been the limit, which is no matter here.
    assert ran.code in (ExitCode.COULD_NOT, ExitCode.YES, ExitCode.CANNOT_TELL)
    assert (ran.code != ExitCode.COULD_NOT) is (tmp_path / save).exists()
    assert (f"{save} could not be written" in ran.err) is (ran.code == ExitCode.COULD_NOT)

"""infercli workloads, as it is typed."""

from __future__ import annotations

import json
import textwrap

import yaml

from infercli.adapters.files import shipped
from infercli.cli.workloads import command
from infercli.core.load.workload import Workload
from infercli.errors import ExitCode
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer

FEW = ("--requests", "9", "--warmup", "0", "--concurrency", "1", "--telemetry", "none")


def test_those_that_are_shipped_are_listed_with_what_they_send(infercli):
    names = [path.stem for path in sorted(shipped("workloads").glob("*.yaml"))]
    listed = json.loads(infercli("workloads", "-o", "json").out)
    assert [w["name"] for w in listed["workloads"]] == names
    text = infercli("workloads").out
    assert all(w["description"] in text for w in listed["workloads"])


def test_one_is_printed_as_it_is_written_and_taken_again(infercli, tmp_path):
    printed = infercli("workloads", "rag").out
    assert printed == (shipped("workloads") / "rag.yaml").read_text()
    (tmp_path / "mine.yaml").write_text(printed)
    assert json.loads(infercli("workloads", "mine.yaml", "-o", "json").out)["name"] == "rag"


def test_what_is_wrong_with_ones_own_is_said(infercli, tmp_path):
    (tmp_path / "mine.yaml").write_text("apiVersion: infercli/v1\nkind: Workload\nname: w\nsynthetic: {turns: 0}\n")
    ran = infercli("workloads", "mine.yaml")
    assert ran.code == ExitCode.USAGE
    assert "mine.yaml: synthetic.input_tokens" in ran.err
    assert "did you mean `rag`" in infercli("workloads", "rags").err


def test_the_one_that_the_help_shows_is_sent(infercli, tmp_path):
    shown = textwrap.dedent((command.help or "").partition("is needed:\n")[2])
    assert len(yaml.safe_load(shown)["synthetic"]) == 6
    (tmp_path / "mine.yaml").write_text(shown.replace("mean: 5, stdev: 2, max: 20", "mean: 0"))
    with FakeOpenAiServer(Behaviour(tokens=1), adapters=("sql",)) as server:
        ran = infercli("bench", server.url, "--workload", "mine.yaml", *FEW)
    assert ran.code in (ExitCode.YES, ExitCode.CANNOT_TELL)  # a busy machine may limit the client
    assert "9 of 9 requests answered" in ran.out


def test_the_schema_is_that_of_the_file(infercli):
    assert json.loads(infercli("workloads", "--schema").out) == Workload.model_json_schema()

"""Verbs on a release of this machine, of which only the records are there: no Ray is started."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from infercli.adapters.local.ray import RunningRay
from infercli.adapters.local.release_directory import ReleaseDirectory
from infercli.cli.world import local_world
from infercli.core.release import KEPT, Measured, Progress, Serving
from infercli.errors import ClusterError, ExitCode
from tests.core.builders import FRONT, engine, entry
from tests.fakes.openai_server import Behaviour, FakeOpenAiServer


@pytest.fixture
def release(tmp_path):
    """A release `chat` in the history of this machine; nothing runs."""
    ReleaseDirectory(tmp_path / "state" / "infercli" / "local" / "releases").append(entry(1).revision)


VERBS_OF_A_RELEASE = (["status"], ["history"], ["rollback"], ["logs"], ["delete", "--yes"], ["bench"], ["ask"])


def test_a_release_that_is_not_there_is_named_by_every_verb(infercli):
    for verb, *flags in VERBS_OF_A_RELEASE:
        ran = infercli(verb, "nothing", *["hi"] * (verb == "ask"), *flags, "--target", "local")
        assert ran.code == ExitCode.USAGE, verb
        assert "error: there is no release `nothing` on this machine\n" in ran.err
        assert "\nhint: `infercli deploy --target local` makes one\n" in ran.err


@pytest.mark.parametrize("target", [(), ("--target", "local")])
def test_a_misspelt_release_of_this_machine_is_offered_before_a_cluster_is_missed(infercli, release, target):
    for verb, *flags in VERBS_OF_A_RELEASE:
        ran = infercli(verb, "chta", *["hi"] * (verb == "ask"), *flags, *target)
        assert ran.code == ExitCode.USAGE, verb
        assert "error: there is no release `chta` on this machine" in ran.err
        assert "hint: did you mean `chat`?\n" in ran.err
        assert ("there is no kubeconfig" in ran.err) == (not target)


def test_a_release_that_was_not_found_in_a_cluster_either_is_offered_from_both(infercli, release, monkeypatch):
    store = ReleaseDirectory(Path("elsewhere"))
    store.append(entry(1).revision.model_copy(update={"name": "chart"}))
    platform = SimpleNamespace(where="namespace prod of context kind", left_over=lambda: None)
    cluster = SimpleNamespace(store=store, platform=platform)
    monkeypatch.setattr("infercli.cli.world.kubernetes_world", lambda *_: cluster)
    ran = infercli("history", "chatr")
    assert ran.code == ExitCode.USAGE
    assert "no release `chatr` on this machine, nor on namespace prod of context kind" in ran.err
    assert "`chat`" in ran.err
    assert "`chart`" in ran.err


@pytest.mark.parametrize("typed", [("-n", "prod"), ("--context", "prod"), ("--kubeconfig", "prod.yaml")])
def test_whoever_names_a_cluster_does_not_mean_a_release_of_this_machine_by_the_same_name(
    infercli, released, monkeypatch, typed
):
    def kubernetes_world(*_):
        raise ClusterError("nobody answers there")

    monkeypatch.setattr("infercli.cli.world.kubernetes_world", kubernetes_world)
    monkeypatch.setattr("infercli.cli.world.cluster_store", kubernetes_world)
    for verb, *flags in VERBS_OF_A_RELEASE:
        ran = infercli(verb, "chat", *["hi"] * (verb == "ask"), *flags, *typed)
        assert (ran.code, ran.err) == (ExitCode.COULD_NOT, "error: nobody answers there\n"), verb
    assert infercli("rollback", *typed).err == "error: nobody answers there\n"
    assert [e.number for e in released.entries("chat")] == [1]


def test_the_name_of_a_release_is_not_asked_as_a_question(infercli, release):
    for word in ("chat", "chta"):
        ran = infercli("ask", word, "--target", "local")
        assert ran.code == ExitCode.USAGE
        assert '`infercli ask --target local chat "your question"`' in ran.err


def test_delete_does_not_ask_where_nobody_can_answer(infercli, pinned, tmp_path):
    ran = infercli("delete", "nothing", "--target", "local")
    assert ran.code == ExitCode.USAGE


def test_local_status_and_stop_where_nothing_runs(infercli):
    assert infercli("local", "status").code == ExitCode.NO
    assert infercli("local", "stop").code == ExitCode.YES


def test_bench_and_ask_against_nobody_say_so(infercli):
    for verb in (["ask", "http://127.0.0.1:9", "hi"], ["bench", "http://127.0.0.1:9"]):
        ran = infercli(*verb)
        assert ran.code == ExitCode.COULD_NOT
        assert "127.0.0.1:9" in ran.err


def test_asking_a_server_that_never_answers_ends_at_the_timeout(infercli):
    with FakeOpenAiServer(Behaviour(silent=True)) as server:
        ran = infercli("ask", server.url, "hi", "--timeout", "200ms")
        assert ran.code == ExitCode.COULD_NOT
        assert f"{server.url} did not answer within 0.2 s" in ran.err
    for wrong in ("0", "soon"):
        ran = infercli("ask", "http://127.0.0.1:9", "hi", "--timeout", wrong)
        assert ran.code == ExitCode.USAGE
        assert "--timeout" in ran.err


def test_an_answer_as_data_has_what_it_is_of_and_nothing_of_how_it_was_shown(infercli):
    with FakeOpenAiServer(Behaviour(tokens=2)) as server:
        ran = infercli("ask", server.url, "hi", "-o", "json")
        assert infercli("ask", server.url, " ").code == ExitCode.USAGE
    assert json.loads(ran.out) == {
        "apiVersion": "infercli/v1", "kind": "Answer", "text": " word0 word1", "finish_reason": "length",
        "engine": None, "prompt_tokens": 7, "completion_tokens": 2, "reasoned": False,
    }  # fmt: skip


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_a_question_that_was_only_reasoned_about_says_so(field, infercli):
    with FakeOpenAiServer(Behaviour(tokens=3, said_in=field)) as server:
        ran = infercli("ask", server.url, "hi", "--max-tokens", "3")
    assert ran.out.strip() == ""
    assert "it reasoned, and came to no answer within --max-tokens 3" in ran.err


def test_asking_for_more_than_the_model_takes_says_which_flag_to_lower(infercli):
    said = "max_tokens is too large: 100000. This model's maximum context length is 256 tokens"
    with FakeOpenAiServer(Behaviour(status=400, message=said)) as server:
        ran = infercli("ask", server.url, "hi", "--max-tokens", "100000")
    assert ran.code == ExitCode.COULD_NOT
    assert "hint: less than --max-tokens 100000, or a shorter question" in ran.err


@pytest.fixture
def ray_that_runs(tmp_path):
    """As far as its record says: this process stands in for it, and nobody answers at its ports."""
    ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    record = RunningRay(
        pid=os.getpid(),
        started_at_ticks=ticks,
        mark="0" * 16,
        dashboard_port=1,
        serve_port=8000,
        temp_dir="/tmp/infercli-none",
        engine_python="/bin/false",
    )
    home = tmp_path / "state" / "infercli" / "local"
    home.mkdir(parents=True)
    (home / "ray.json").write_text(record.model_dump_json())
    (home / "ray-token").write_text("token")
    return home


@pytest.fixture
def released(ray_that_runs):
    """A release that the record says serves, and its store."""
    store = ReleaseDirectory(ray_that_runs / "releases")
    meant = Serving(generation=1, front=FRONT, engines={engine().app: 1}, routes={engine().app: 100})
    store.append(entry(1).revision.model_copy(update={"reason": "the first\nof them"}))
    store.progress("chat", 1, Progress(outcome="good", serving=meant))
    return store


def test_another_port_than_that_of_the_ray_that_runs_is_refused_and_not_ignored(infercli, pinned, ray_that_runs):
    ran = infercli("deploy", "--port", "9000")
    assert ran.code == ExitCode.USAGE
    assert "http://127.0.0.1:8000" in ran.err
    assert "infercli local stop" in ran.err


def test_the_port_of_what_was_put_last_is_kept_after_its_ray_ended(infercli, tmp_path):
    home = tmp_path / "state" / "infercli" / "local"
    home.mkdir(parents=True)
    assert local_world().platform.serve_port == 8000
    (home / "serve.json").write_text('{"http_options": {"host": "127.0.0.1", "port": 8011}}')
    assert local_world().platform.serve_port == 8011
    assert local_world(9000).platform.serve_port == 9000


@pytest.mark.parametrize(
    "words", [("deploy",), ("deploy", "--break-lock"), ("rollback", "chat"), ("delete", "chat", "-y")]
)
def test_who_holds_the_lock_is_said_also_while_its_ray_does_not_answer_yet(infercli, pinned, released, words):
    with released.changing("chat", "deploy"):
        ran = infercli(*words)
    assert ran.code == ExitCode.COULD_NOT
    assert "chat is being changed by" in ran.err


def test_stopping_the_ray_names_what_serves_and_asks(infercli, released):
    ran = infercli("local", "stop")
    assert ran.code == ExitCode.USAGE
    assert f"chat serves ({engine().app})" in ran.err
    assert "--yes" in ran.err
    with released.changing("chat", "deploy"):
        assert "chat is being changed by" in infercli("local", "stop").err
    assert (released.root.parent / "ray.json").exists()


def test_the_status_of_a_ray_that_does_not_answer_is_not_known_and_nothing_is_said_to_be_down(infercli, released):
    ran = infercli("status", "chat")
    assert ran.code == ExitCode.CANNOT_TELL
    assert "chat: unknown, on the Ray on this machine: Ray's REST API: http://127.0.0.1:1 cannot be reached" in ran.out
    assert "infercli delete" not in ran.out


def test_a_key_for_another_endpoint_is_of_no_concern_to_a_release_that_is_looked_at_or_taken_back(
    infercli, monkeypatch
):
    monkeypatch.setenv("INFERCLI_API_KEY", "of another endpoint")
    assert local_world().platform.api_key is None
    monkeypatch.setenv("INFERCLI_API_KEY_FILE", "/nonexistent")
    assert local_world().platform.api_key is None


def test_a_file_that_holds_no_key_is_said_to_hold_none(infercli, monkeypatch, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff")
    os.mkfifo(tmp_path / "pipe")
    for name, said in (("binary", "is not UTF-8 text"), ("pipe", "is a named pipe"), ("gone", "there is no such file")):
        monkeypatch.setenv("INFERCLI_API_KEY_FILE", str(tmp_path / name))
        ran = infercli("ask", "http://127.0.0.1:1", "hi")
        assert (ran.code, ran.err.startswith(f"error: INFERCLI_API_KEY_FILE: {tmp_path / name}: {said}")) == (2, True)


def test_local_alone_says_what_it_can(infercli):
    ran = infercli("local")
    assert (ran.code, ran.err) == (0, "")
    assert "Commands:" in ran.out


def test_a_reason_of_two_lines_is_one_in_the_table(infercli, released):
    assert "the first of them" in infercli("history", "chat").out


def test_a_dry_run_says_what_it_is(infercli, pinned):
    said = json.loads(infercli("deploy", "--dry-run", "-o", "json").out)
    assert (said["apiVersion"], said["kind"], said["name"]) == ("infercli/v1", "DeployDryRun", "chat")


def test_what_cannot_be_told_to_fit_is_said_before_it_is_deployed_and_in_the_answer(infercli, pinned, deployment):
    assert json.loads(infercli("deploy", "--dry-run", "-o", "json").out)["fits"] is True
    deployment("name: chat\nmodel: ./model\nprofile: cpu-local\nengine_args: {enable_sleep_mode: true}\n")
    ran = infercli("deploy", "--dry-run", "-o", "json")
    assert ran.code == ExitCode.YES
    assert "note: whether chat fits cannot be told: enable_sleep_mode changes memory in a way" in ran.err
    said = json.loads(ran.out)
    assert (said["fits"], said["verdict"].partition(":")[0]) == (None, "cannot be told")


def test_an_engine_that_is_not_there_is_refused_with_those_that_are(infercli, released):
    for verb in (("ask", "chat", "Hello"), ("logs", "chat")):
        ran = infercli(*verb, "--engine", "chat-000000")
        assert ran.code == ExitCode.USAGE
        assert f"did you mean `{engine().app}`?" in ran.err


def test_what_was_said_of_an_engine_that_did_not_start_is_its_log(infercli, released):
    released.append(entry(2, "int8").revision)
    released.progress("chat", 2, Progress(outcome="failed", message="no", said="Traceback:\nValueError: no"))
    assert infercli("logs", "chat", "--engine", engine("int8").app).out == "Traceback:\nValueError: no\n"
    assert infercli("logs", "chat", "--engine", engine("int8").app, "--lines", "1").out == "ValueError: no\n"


def test_the_log_of_a_release_of_which_nothing_runs_is_that_of_the_engine_that_failed_last(infercli, tmp_path):
    store = ReleaseDirectory(tmp_path / "state" / "infercli" / "local" / "releases")
    for number, words in ((1, "ValueError: old"), (2, "ValueError: new")):
        store.append(entry(number, "int8" if number == 2 else "none").revision)
        store.progress("chat", number, Progress(outcome="failed", message="no", said=words))
    ran = infercli("logs", "chat")
    assert (ran.code, ran.out) == (ExitCode.YES, "ValueError: new\n"), ran.err
    assert ran.err == f"no engine of chat runs: this was recorded of {engine('int8').app} when revision 2 failed\n"


def test_of_a_failure_of_which_only_the_cause_was_recorded_the_log_is_that(infercli, tmp_path):
    """Ray itself did not start: there was no engine that could have said anything."""
    store = ReleaseDirectory(tmp_path / "state" / "infercli" / "local" / "releases")
    store.append(entry(1, "none").revision)
    store.progress("chat", 1, Progress(outcome="failed", message="Ray ended while it started"))
    ran = infercli("logs", "chat")
    assert (ran.code, ran.out) == (ExitCode.YES, "Ray ended while it started\n"), ran.err


def test_a_narrow_terminal_gets_the_columns_that_say_what_serves(infercli, released, monkeypatch):
    monkeypatch.setattr("infercli.cli.output.terminal_width", lambda: 60)
    out = infercli("history", "chat").out
    assert max(map(len, out.splitlines())) <= 60
    assert all(word in out for word in ("STANDING", "serving", engine().app, "the first"))


def test_status_without_a_name_lists_every_release_and_how_its_newest_revision_stands(infercli, released, monkeypatch):
    released.append(entry(2, "int8").revision)  # and its driver went away
    released.append(entry(1).revision.model_copy(update={"name": "new"}))
    with released.changing("new", "deploy"):
        found = json.loads(infercli("status", "-o", "json").out)["releases"]
        assert found == [
            {"name": "chat", "target": "local", "revision": 1, "newest": "abandoned"},
            {"name": "new", "target": "local", "revision": None, "newest": "pending"},
        ]
    said = infercli("status")
    assert [line.split() for line in said.out.splitlines()] == [
        ["RELEASE", "TARGET", "REVISION", "NEWEST"],
        ["chat", "local", "1", "abandoned"],
        ["new", "local", "none", "abandoned"],
    ]
    assert "no cluster was looked at: there is no kubeconfig" in said.err


def test_status_says_what_the_newest_benchmark_found_beside_what_was_planned(infercli, released):
    found = Measured(
        result="0123456789ab", at="2026-11-20T10:00:00Z", load="16 at a time", answered=64, output_tokens_per_s=1234.4,
        ttft_p95_s=0.25, tpot_p50_s=0.0125, client_limited=True, planned_output_tokens_per_s=(900.0, 1500.0),
    )  # fmt: skip
    (good,) = released.entries("chat")
    released.progress("chat", 1, good.progress.model_copy(update={"measured": found}))
    assert (
        "1,234 output tokens/s (planned 900 to 1,500), TTFT p95 250 ms, TPOT 12.5 ms, 16 at a time, "
        "result 0123456789ab, 2026-11-20, limited by the client"
    ) in infercli("status", "chat").out


def test_help_says_how_many_revisions_are_kept(infercli):
    assert f"The newest {KEPT} are kept" in infercli("history", "--help").out

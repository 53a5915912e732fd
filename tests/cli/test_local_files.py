"""pin, and what is deployed from a lock, with a directory as the model: everything short of starting Ray."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys

import pytest
import yaml

from infercli.adapters.files import alone_with
from infercli.adapters.models import model_directory
from infercli.cli.main import invoke
from infercli.errors import ExitCode


def test_a_lock_that_cannot_be_written_is_told_before_the_hashing(infercli, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("hashed for nothing")

    monkeypatch.setattr(model_directory, "lock_directory", never)
    (tmp_path / "file").touch()
    ran = infercli("pin", "./bf16", "-f", "file/deployment.yaml")
    assert ran.code == ExitCode.COULD_NOT
    assert "models.lock.yaml cannot be written" in ran.err


def test_a_file_that_is_empty_too_large_or_broken_says_what_to_do(infercli, deployment, tmp_path):
    path = tmp_path / "deployment.yaml"
    path.write_text("")
    ran = infercli("plan")
    assert ran.code == ExitCode.USAGE
    assert "is empty" in ran.err
    assert "`infercli init --force`" in ran.err
    path.write_text("#" * 1_000_001)
    assert "deployment.yaml: is larger than 1 MB" in infercli("plan").err
    deployment()
    for broken in ("", "models: ["):
        (tmp_path / "models.lock.yaml").write_text(broken)
        ran = infercli("plan")
        assert ran.code == ExitCode.USAGE
        assert "models.lock.yaml" in ran.err
        assert "`git checkout models.lock.yaml`" in ran.err


def test_pinning_a_directory_locks_every_file_by_hash(infercli, pinned, tmp_path):
    lock = yaml.safe_load((tmp_path / "models.lock.yaml").read_text())
    assert [f["path"] for f in lock["models"][0]["files"]] == ["config.json", "model.safetensors"]


def test_pinning_again_says_unchanged_or_what_it_was(infercli, pinned):
    assert "unchanged" in infercli("pin").out
    (pinned / "generation_config.json").write_text("{}")
    assert "it was" in infercli("pin").out


def test_what_to_type_again_is_what_was_typed(infercli, monkeypatch, deployment):
    deployment()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        words = ["pin", "Qwen/Qwen3-8B", "--revision", "v1", "--download", "my dir", "-f", "./deployment.yaml"]
        ran = infercli(*words)
    assert ran.code == ExitCode.COULD_NOT
    assert f"`{shlex.join(['infercli', *words])}`" in ran.err


def test_of_two_pins_at_once_both_are_kept(infercli, pinned, tmp_path, monkeypatch):
    shutil.copytree(pinned, tmp_path / "other")
    shutil.copytree(pinned, tmp_path / "third")
    hash_it = model_directory.lock_directory

    def slowly(directory, *words):
        if directory.name == "other":  # while it is hashed, somebody pins another
            assert invoke(["pin", "./third"]) == 0
        return hash_it(directory, *words)

    monkeypatch.setattr(model_directory, "lock_directory", slowly)
    assert infercli("pin", "./other").code == 0
    ids = [m["id"] for m in yaml.safe_load((tmp_path / "models.lock.yaml").read_text())["models"]]
    assert ids == ["./model", "./other", "./third"]


def test_a_pin_waits_while_another_writes_the_lock_file(infercli, pinned, tmp_path):
    shutil.copytree(pinned, tmp_path / "other")
    with alone_with(tmp_path / "models.lock.yaml"):
        words = [sys.executable, "-m", "infercli", "pin", "./other"]
        waiting = subprocess.Popen(words, cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=3)
        assert "./other" not in (tmp_path / "models.lock.yaml").read_text()
    assert waiting.wait(timeout=30) == 0
    assert "./other" in (tmp_path / "models.lock.yaml").read_text()


def test_a_pin_asks_for_no_home(infercli, model, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert infercli("pin", "./model").code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "model", "models.lock.yaml"]


def test_a_name_that_no_lock_can_hold_is_not_pinned(infercli, model, tmp_path, monkeypatch):
    named = tmp_path / os.fsdecode(b"caf\xe9")
    shutil.copytree(model, named / "model")
    shutil.copy(model / "model.safetensors", named / "model" / os.fsdecode(b"model-\xe9.safetensors"))
    monkeypatch.chdir(named)
    refused = infercli("pin", "./model")
    assert refused.code == ExitCode.USAGE
    assert refused.err.count("is a name that is not UTF-8 text") == 2
    assert not (named / "models.lock.yaml").exists()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("./model",), "`infercli pin ./model` again"),
        ((), "`infercli pin` again"),
        (("./model", "-f", "./deployment.yaml"), "`infercli pin ./model -f ./deployment.yaml` again"),
    ],
)
def test_what_to_type_after_a_broken_directory_is_what_was_typed(infercli, model, deployment, words, hint):
    deployment("name: chat\nmodel: ./model\nprofile: cpu-local\n")
    (model / "config.json").write_text("{")
    ran = infercli("pin", *words)
    assert ran.code == ExitCode.USAGE
    assert hint in ran.err


def test_a_directory_of_the_name_is_offered_where_the_hub_has_no_such_model(infercli, model, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    ran = infercli("pin", "model")
    assert ran.code == ExitCode.COULD_NOT
    assert "hint: there is a directory ./model: `infercli pin ./model`\n" in ran.err


def test_a_directory_of_the_name_is_offered_where_no_shape_has_it(infercli, model):
    there = "there is a directory ./model: `infercli pin ./model`, then plan ./model"
    assert there in infercli("plan", "model", "--profile", "l4").err
    # What is unknown there is the quantization, and not the model.
    assert there not in infercli("plan", "model", "--profile", "l4", "--quantization", "awk").err


def test_weights_that_changed_after_the_pin_are_not_deployed(infercli, pinned):
    with (pinned / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    ran = infercli("deploy")
    assert ran.code == ExitCode.USAGE
    assert "model.safetensors" in ran.err
    assert "not what the lock pinned" in ran.err


def test_a_checkpoint_that_is_not_what_was_asked_for_is_refused(infercli, pinned, deployment):
    deployment("name: chat\nmodel: ./model\nprofile: cpu-local\nquantization: awq\n")
    ran = infercli("deploy")
    assert ran.code == ExitCode.USAGE
    assert "awq" in ran.err


def test_a_gpu_profile_cannot_be_deployed_on_this_machine(infercli, deployment):
    deployment()
    ran = infercli("deploy", "--target", "local")
    assert ran.code == ExitCode.USAGE
    assert "cpu-local" in ran.err


def test_a_revision_of_a_directory_is_refused_and_not_ignored(infercli, model):
    for revision in ("foo", "main"):
        ran = infercli("pin", "./model", "--revision", revision)
        assert ran.code == ExitCode.USAGE
        assert "--revision is of the Hub" in ran.err


def test_what_was_pinned_says_what_it_is(infercli, model):
    value = json.loads(infercli("pin", "./model", "-o", "json").out)
    assert (value["apiVersion"], value["kind"], value["id"]) == ("infercli/v1", "LockedModel", "./model")


@pytest.mark.parametrize(("what", "kind"), [("gpus", "GpuList"), ("profiles", "ProfileList"), ("models", "ModelList")])
def test_lists_are_json_when_asked_and_say_what_they_are_lists_of(infercli, what, kind):
    value = json.loads(infercli(what, "-o", "json").out)
    assert value.keys() == {"apiVersion", "kind", what}
    assert (value["apiVersion"], value["kind"]) == ("infercli/v1", kind)
    assert len(value[what]) > 5


def test_what_each_word_of_a_result_means_can_be_read_by_programs(infercli):
    value = json.loads(infercli("bench", "--explain", "-o", "json").out)
    assert (value["apiVersion"], value["kind"]) == ("infercli/v1", "Definitions")
    assert value["metrics"]["TTFT"].startswith("time to first token")


def test_the_profile_schema_is_one_and_every_shipped_profile_keeps_it(infercli):
    import jsonschema

    schema = json.loads(infercli("profiles", "--schema").out)
    for profile in json.loads(infercli("profiles", "-o", "json").out)["profiles"]:
        jsonschema.validate(profile, schema)

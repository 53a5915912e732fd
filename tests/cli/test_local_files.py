"""init, pin and saved plans, with a directory as the model: everything short of starting Ray."""

from __future__ import annotations

import json
import struct

import pytest

from infercli.errors import ExitCode

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 256,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": True,
}


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    header = json.dumps({"w": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 4)
    return folder


@pytest.fixture
def pinned(infercli, model, deployment):
    deployment("name: chat\nmodel: ./model\nprofile: cpu-local\n")
    assert infercli("pin").code == 0
    return model


def test_init_writes_a_file_that_plans(infercli, tmp_path):
    ran = infercli("init")
    assert ran.code == 0
    assert "infercli pin" in ran.err
    assert infercli("plan").code == ExitCode.YES


def test_init_does_not_overwrite(infercli):
    infercli("init")
    ran = infercli("init")
    assert ran.code == ExitCode.USAGE
    assert "--force" in ran.err


def test_init_refuses_a_name_that_kubernetes_would(infercli, tmp_path):
    ran = infercli("init", "--name", "My Chat")
    assert ran.code == ExitCode.USAGE
    assert not (tmp_path / "deployment.yaml").exists()


def test_pinning_a_directory_locks_every_file_by_hash(infercli, pinned, tmp_path):
    import yaml

    lock = yaml.safe_load((tmp_path / "models.lock.yaml").read_text())
    assert [f["path"] for f in lock["models"][0]["files"]] == ["config.json", "model.safetensors"]


def test_pinning_again_says_unchanged_or_what_it_was(infercli, pinned):
    assert "unchanged" in infercli("pin").out
    (pinned / "generation_config.json").write_text("{}")
    assert "it was" in infercli("pin").out


def test_a_saved_plan_that_was_edited_is_refused(infercli, pinned, tmp_path):
    assert infercli("plan", "--save", "plan.json").code == 0
    text = (tmp_path / "plan.json").read_text()
    (tmp_path / "plan.json").write_text(text.replace('"replicas": 1', '"replicas": 2', 1))
    ran = infercli("deploy", "--plan", "plan.json")
    assert ran.code == ExitCode.USAGE
    assert "edited" in ran.err


def test_a_saved_plan_of_another_version_is_refused(infercli, pinned, tmp_path, monkeypatch):
    infercli("plan", "--save", "plan.json")
    monkeypatch.setattr("infercli.cli.project.__version__", "9.9.9")
    ran = infercli("deploy", "--plan", "plan.json")
    assert ran.code == ExitCode.USAGE
    assert "plan again" in ran.err


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


def test_a_release_that_is_not_there_is_named_by_every_verb(infercli):
    for verb in ("status", "history", "rollback", "logs"):
        ran = infercli(verb, "nothing", "--target", "local")
        assert ran.code == ExitCode.USAGE, verb
        assert "`nothing`" in ran.err


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


@pytest.mark.parametrize("what", [["gpus"], ["profiles"], ["models"]])
def test_lists_are_json_when_asked(infercli, what):
    value = json.loads(infercli(*what, "-o", "json").out)
    assert len(value) > 5


def test_the_profile_schema_is_one_and_every_shipped_profile_keeps_it(infercli):
    import jsonschema

    schema = json.loads(infercli("profiles", "--schema").out)
    for profile in json.loads(infercli("profiles", "-o", "json").out):
        jsonschema.validate(profile, schema)

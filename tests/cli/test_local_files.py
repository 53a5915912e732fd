"""init, pin and saved plans, with a directory as the model: everything short of starting Ray."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infercli.adapters.files import alone_with, to_json, to_yaml
from infercli.adapters.models import model_directory
from infercli.cli.main import invoke
from infercli.cli.project import load_plan
from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.model import LockedFile, LockedModel, ModelLock
from infercli.errors import ClusterError, ExitCode
from tests.cli.conftest import CONFIG
from tests.render.examples import COMMIT, IMAGE


def test_init_writes_a_file_that_plans(infercli, tmp_path):
    ran = infercli("init")
    assert ran.code == 0
    assert "infercli pin" in ran.err
    assert infercli("plan").code == ExitCode.YES


def test_doctor_takes_the_hubs_switch_as_the_hubs_client_does_and_the_namespace_of_the_file(
    infercli, tmp_path, monkeypatch
):
    from huggingface_hub import constants

    (tmp_path / "token").touch()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)  # what it makes of 0, when it is imported
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    asked = []

    def connect(kubeconfig, context, namespace):
        asked.append(namespace)
        raise ClusterError("no cluster in this test")

    monkeypatch.setattr("infercli.adapters.cluster.client.connect", connect)
    infercli("init", "--name", "team")
    path = tmp_path / "deployment.yaml"
    path.write_text(path.read_text().replace("# namespace:", "namespace:"))
    found = {f["what"]: f["found"] for f in json.loads(infercli("doctor", "-o", "json").out)["findings"]}
    assert found["Hub"] == "a token is there"
    infercli("doctor", "-n", "other")
    path.write_text("no: deployment")
    infercli("doctor")
    assert asked == ["team", "other", None]


@pytest.mark.parametrize(
    ("addresses", "said", "state", "words"),
    [
        (["172.18.0.2"], "", "ok", "pods reach it at 172.18.0.2"),
        (["20.1.2.3"], "", "warn", "192.168.0.0/16, fc00::/7, 20.1.2.3/32]"),
        (["20.1.2.3"], "[20.1.0.0/16]", "ok", "pods reach it at 20.1.2.3"),
        (["2001:db8::1"], "[20.1.0.0/16]", "warn", "api_server_cidrs: [20.1.0.0/16, 2001:db8::1/128]"),
        (None, "", "unknown", "not allowed to read"),
        (None, "[20.1.0.0/16]", None, ""),
    ],
)  # fmt: skip
def test_doctor_says_where_a_network_policy_keeps_the_autoscaler_from_the_api_server(
    infercli, tmp_path, monkeypatch, addresses, said, state, words
):
    class Cluster:
        where = "namespace chat of context prod"

        def version(self):
            return "v1.36"

        def find(self, *_, **__):
            return []

        def check_namespace(self):
            pass

        def api_server_addresses(self):
            if addresses is None:
                raise ClusterError("not allowed to read EndpointSlice kubernetes")
            return addresses

    monkeypatch.setattr("infercli.adapters.cluster.client.connect", lambda *_: Cluster())
    infercli("init")
    path = tmp_path / "deployment.yaml"
    path.write_text(path.read_text() + (f"  api_server_cidrs: {said}\n" if said else ""))
    found = {f["what"]: f for f in json.loads(infercli("doctor", "-o", "json").out)["findings"]}
    looked = found.get("API server")
    assert (looked and looked["state"]) == state
    assert words in (looked["found"] + looked["hint"] if looked else "")


def test_doctor_calls_no_python_an_engine_that_has_none(infercli, tmp_path, monkeypatch):
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')  # with no package at all
    bare.chmod(0o755)
    monkeypatch.setenv("INFERCLI_ENGINE_PYTHON", str(bare))
    findings = {f["what"]: f for f in json.loads(infercli("doctor", "-o", "json").out)["findings"]}
    found = findings["local engine"]
    assert (found["state"], found["found"]) == ("warn", f"{bare} has no ray and no vllm")
    assert "INFERCLI_ENGINE_PYTHON" in found["hint"]


def test_doctor_says_where_nothing_can_be_kept(infercli, tmp_path, monkeypatch):
    def found():
        ran = infercli("doctor", "-o", "json")
        assert ran.code == 0
        return {f["what"]: f["found"] for f in json.loads(ran.out)["findings"]}

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "home" not in found()
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file" / "state"))
    assert found()["home"] == f"{tmp_path}/file/state/infercli cannot be written"

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert found()["home"].startswith("there is no home folder")


def test_a_lock_that_cannot_be_written_is_told_before_the_hashing(infercli, tmp_path, monkeypatch):
    def never(*_):
        raise AssertionError("hashed for nothing")

    monkeypatch.setattr(model_directory, "lock_directory", never)
    (tmp_path / "file").touch()
    ran = infercli("pin", "./bf16", "-f", "file/deployment.yaml")
    assert ran.code == ExitCode.COULD_NOT
    assert "models.lock.yaml cannot be written" in ran.err


def test_what_init_says_that_clients_say_is_what_a_deployment_is_served_as(infercli, tmp_path):
    assert infercli("init", "--name", "mine", "--model", "./model", "--profile", "cpu-local").code == 0
    said = (tmp_path / "deployment.yaml").read_text()
    assert 'What clients say in "model". Without it: the id above; of a directory, the name.' in said
    assert ModelDeployment.model_validate(yaml.safe_load(said)).served_name == "mine"


def test_init_does_not_overwrite(infercli):
    infercli("init")
    ran = infercli("init")
    assert ran.code == ExitCode.USAGE
    assert "--force" in ran.err


def test_init_refuses_a_name_that_kubernetes_would(infercli, tmp_path):
    ran = infercli("init", "--name", "My Chat")
    assert ran.code == ExitCode.USAGE
    assert ran.err.startswith("error: --name: must be lower-case letters")
    assert ran.err.count("\n") == 1
    assert not (tmp_path / "deployment.yaml").exists()


def test_init_refuses_what_is_no_model_and_quotes_what_it_tells_to_type(infercli, tmp_path):
    for model in ("foo bar", "a/b/c", "x\ny", ""):
        ran = infercli("init", "--model", model)
        assert ran.code == ExitCode.USAGE
        assert "is no Hugging Face id, and no directory" in ran.err
    assert not (tmp_path / "deployment.yaml").exists()
    ran = infercli("init", "my chat", "--model", "./my model: a # b")
    assert ran.err == "next: cd 'my chat' && infercli pin './my model: a # b' && infercli plan\n"
    assert yaml.safe_load((tmp_path / "my chat" / "deployment.yaml").read_text())["model"] == "./my model: a # b"


def test_what_init_writes_elsewhere_is_found_from_there(infercli, model, tmp_path, monkeypatch):
    (tmp_path / "mine.yaml").write_text(infercli("profiles", "cpu-local").out.replace("name: cpu-local", "name: mine"))
    for folder, written in (("chat", "../model"), ("a/b", "../../model"), (".", "./model")):
        monkeypatch.chdir(tmp_path)
        ran = infercli("init", folder, "--model", "./model", "--profile", "mine.yaml")
        assert f"infercli pin {written} &&" in ran.err
        monkeypatch.chdir(tmp_path / folder)
        assert yaml.safe_load(Path("deployment.yaml").read_text())["model"] == written
        assert (infercli("pin").code, infercli("plan").code) == (ExitCode.YES, ExitCode.YES)


def test_init_refuses_a_quantization_that_plan_would(infercli, tmp_path):
    ran = infercli("init", "--quantization", "int4")
    assert ran.code == ExitCode.USAGE
    assert "`w4a16`" in ran.err
    assert not (tmp_path / "deployment.yaml").exists()
    assert infercli("init", "--quantization", "AWQ").code == ExitCode.YES
    assert infercli("plan").code == ExitCode.YES


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


def test_a_saved_plan_that_was_edited_is_refused(infercli, pinned, tmp_path):
    assert infercli("plan", "--save", "plan.json").code == 0
    text = (tmp_path / "plan.json").read_text()
    (tmp_path / "plan.json").write_text(text.replace('"replicas": 1', '"replicas": 2', 1))
    ran = infercli("deploy", "--plan", "plan.json")
    assert ran.code == ExitCode.USAGE
    assert "edited" in ran.err


def test_a_longer_context_is_planned_where_the_file_asks_for_it(infercli, pinned, deployment):
    text = (
        "name: chat\nmodel: ./model\nprofile: cpu-local\nengine_args: {hf_overrides: {max_position_embeddings: 512}}\n"
    )
    deployment(text)
    said = json.loads(infercli("plan", "-o", "json").out)
    assert said["engine"]["engine_args"]["max_model_len"] == 512
    assert said["engine"]["engine_args"]["hf_overrides"] == {"max_position_embeddings": 512}
    deployment(text.replace("max_position_embeddings", "vocab_size"))
    refused = infercli("plan")
    assert refused.code == ExitCode.USAGE
    assert "engine_args.hf_overrides.vocab_size: cannot be set" in refused.err


def test_a_saved_plan_keeps_the_small_numbers_of_a_config(infercli, pinned):
    path = pinned / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"rms_norm_eps": 1e-05}))
    assert infercli("pin").code == 0
    assert infercli("plan", "--save", "plan.json").code == 0
    assert load_plan(Path("plan.json")).model.config["rms_norm_eps"] == 1e-05


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


def test_a_revision_of_a_directory_is_refused_and_not_ignored(infercli, model):
    for revision in ("foo", "main"):
        ran = infercli("pin", "./model", "--revision", revision)
        assert ran.code == ExitCode.USAGE
        assert "--revision is of the Hub" in ran.err


def test_what_was_pinned_says_what_it_is(infercli, model):
    value = json.loads(infercli("pin", "./model", "-o", "json").out)
    assert (value["apiVersion"], value["kind"], value["id"]) == ("infercli/v1", "LockedModel", "./model")


def test_objects_as_json_are_a_list_as_kubectl_takes_one(infercli, in_cluster):
    value = json.loads(infercli("render", "-o", "json").out)
    assert (value["apiVersion"], value["kind"]) == ("v1", "List")
    assert value["items"] == list(yaml.safe_load_all(infercli("render", "-o", "yaml").out))


def test_objects_of_a_renamed_release_that_are_left_in_the_folder_are_named(infercli, in_cluster, tmp_path):
    first = infercli("render", "--out", "out").out.split()
    assert "earlier render" not in infercli("render", "--out", "out").err
    path = tmp_path / "deployment.yaml"
    path.write_text(path.read_text().replace("name: chat", "name: talk"))
    ran = infercli("render", "--out", "out")
    assert ran.code == 0
    assert "note: out also has objects of an earlier render" in ran.err
    assert f"hint: `rm {' '.join(f for f in first if 'chat' in f)}`" in ran.err


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


def test_a_saved_plan_of_other_serving_code_is_refused_before_anything_starts(infercli, pinned, monkeypatch):
    assert infercli("plan", "--save", "plan.json").code == 0
    monkeypatch.setattr("infercli.adapters.files.serving_sources", lambda part: {"__init__.py": b"changed"})
    ran = infercli("deploy", "--plan", "plan.json")
    assert ran.code == ExitCode.USAGE
    assert "another build of infercli" in ran.err


def test_a_saved_plan_whose_objects_render_differently_is_refused(infercli, in_cluster, tmp_path):
    assert infercli("plan", "--save", "plan.json").code == 0
    assert infercli("render", "--plan", "plan.json").code == 0
    other = load_plan(tmp_path / "plan.json").sealed("0" * 64)
    (tmp_path / "plan.json").write_text(to_json(other.model_dump(mode="json")))
    ran = infercli("render", "--plan", "plan.json")
    assert ran.code == ExitCode.USAGE
    assert "plan.json: its objects render differently than when it was saved" in ran.err
    assert "`infercli plan --save plan.json -n default`" in ran.err


@pytest.fixture
def in_cluster(deployment, tmp_path):
    """A project whose model is pinned and planned for a cluster."""
    deployment(f"name: chat\nmodel: org/m\nprofile: l4\nkubernetes: {{image: '{IMAGE}'}}\n")
    weights = LockedFile(path="model.safetensors", size_bytes=1_000_000, sha256="0" * 64)
    model = LockedModel(
        id="org/m", source="hub", commit=COMMIT, files=(weights,), config=CONFIG | {"max_position_embeddings": 4096}
    )
    (tmp_path / "models.lock.yaml").write_text(to_yaml(ModelLock(models=(model,)).model_dump(mode="json")))


def test_a_plan_renders_for_the_namespace_that_it_was_saved_for_and_no_other(infercli, in_cluster):
    assert infercli("plan", "--save", "plan.json", "-n", "ns1").code == 0
    rendered = list(yaml.safe_load_all(infercli("render", "--plan", "plan.json").out))
    assert {one["metadata"]["namespace"] for one in rendered} == {"ns1"}
    assert infercli("render", "--plan", "plan.json", "-n", "ns1").code == 0
    ran = infercli("render", "--plan", "plan.json", "-n", "ns2")
    assert ran.code == ExitCode.USAGE
    assert "plan.json: was saved for namespace ns1, and not for ns2" in ran.err
    assert "`-n ns1`, or plan again: `infercli plan --save plan.json -n ns2`" in ran.err


def test_a_plan_that_names_no_namespace_is_for_the_default_one(infercli, in_cluster):
    assert infercli("plan", "--save", "plan.json").code == 0
    assert infercli("render", "--plan", "plan.json").code == 0
    assert "saved for namespace default" in infercli("render", "--plan", "plan.json", "-n", "prod").err


def test_a_profile_that_leads_pods_to_no_nodes_is_told_when_it_is_rendered(infercli, in_cluster, tmp_path):
    ran = infercli("render")
    assert ran.code == 0
    assert "note: profile l4 has no node_selector" in ran.err
    assert "add one in profiles/l4.yaml" in ran.err
    own = infercli("profiles", "l4").out
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "l4.yaml").write_text(own + "node_selector: {pool: l4}\n")
    ran = infercli("render")
    assert ran.err == ""
    assert "pool: l4" in ran.out


def test_a_plan_of_other_serving_code_is_not_rendered(infercli, in_cluster, monkeypatch):
    assert infercli("plan", "--save", "plan.json").code == 0
    monkeypatch.setattr("infercli.adapters.files.serving_sources", lambda part: {"__init__.py": b"changed"})
    ran = infercli("render", "--plan", "plan.json")
    assert ran.code == ExitCode.USAGE
    assert "another build of infercli" in ran.err

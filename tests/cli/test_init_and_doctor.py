"""init and doctor, as they are typed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from infercli.core.documents.deployment import ModelDeployment
from infercli.errors import ClusterError, ExitCode


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

"""Saved plans, and the objects that render makes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from infercli.adapters.files import to_json, to_yaml
from infercli.cli.project import load_plan
from infercli.core.documents.model import LockedFile, LockedModel, ModelLock
from infercli.errors import ExitCode
from tests.cli.conftest import CONFIG
from tests.render.examples import COMMIT, IMAGE


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

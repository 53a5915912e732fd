from __future__ import annotations

import copy

import jsonschema
import pytest
import yaml

from infercli.core.documents.deployment import ModelDeployment
from infercli.render.objects import to_yaml
from tests.parts.control_plane import binaries
from tests.render.golden_cases import CASES, HEADER, directory, golden_objects, golden_plan


def test_the_three_hardware_classes_are_shown():
    assert CASES == ["a100-awq", "h100-x2-fp8", "l4-awq"]


@pytest.mark.parametrize("case", CASES)
def test_rendering_gives_the_committed_manifests(case, golden):
    golden(directory(case) / "kubernetes.yaml", HEADER + to_yaml(golden_objects(case)))


@pytest.mark.parametrize("case", CASES)
def test_the_examples_are_plans_that_fit(case):
    assert golden_plan(case).fits is True


@pytest.mark.parametrize("case", CASES)
def test_the_text_reads_back_as_the_objects_it_was_made_of(case):
    rendered = golden_objects(case)
    assert list(yaml.safe_load_all(to_yaml(rendered))) == rendered


@pytest.mark.parametrize("case", CASES)
def test_rendering_twice_gives_the_same_bytes_and_changes_nothing_that_was_given(case):
    first = golden_objects(case)
    kept = copy.deepcopy(first)
    assert to_yaml(golden_objects(case)) == to_yaml(first)
    assert first == kept


def test_examples_say_that_they_are_examples():
    for case in CASES:
        for name in ("deployment.yaml", "models.lock.yaml", "kubernetes.yaml"):
            head = (directory(case) / name).read_text(encoding="utf-8").splitlines()[:2]
            assert any("example" in line.lower() for line in head), (case, name)
        deployment = yaml.safe_load((directory(case) / "deployment.yaml").read_text(encoding="utf-8"))
        assert ModelDeployment.model_validate(deployment).kubernetes.image.startswith("registry.example/")


def closed(schema):
    """The CRD's schema with every unknown field refused, where the CRD itself would drop it without a word."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    shut = {key: closed(value) for key, value in schema.items() if not key.startswith("x-kubernetes")}
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    properties = schema.get("properties")
    open_ended = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(properties, dict) and schema.get("type") == "object" and not open_ended:
        shut["additionalProperties"] = False
    return shut


@pytest.fixture(scope="module")
def ray_service_schema():
    crd = yaml.load((binaries() / "crds" / "ray.io_rayservices.yaml").read_bytes(), Loader=yaml.CSafeLoader)
    (version,) = [v for v in crd["spec"]["versions"] if v["name"] == "v1"]
    schema = closed(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return jsonschema.Draft7Validator(schema)


@pytest.mark.cluster
@pytest.mark.parametrize("case", CASES)
def test_the_ray_service_has_only_fields_that_its_definition_knows(case, ray_service_schema):
    (service,) = [o for o in golden_objects(case) if o["kind"] == "RayService"]
    assert [error.message for error in ray_service_schema.iter_errors(service)] == []

    misspelt = copy.deepcopy(service)
    misspelt["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["maxReplica"] = 1
    assert len(list(ray_service_schema.iter_errors(misspelt))) == 1

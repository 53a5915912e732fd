from __future__ import annotations

import base64

import pytest
import yaml

from infercli.core.documents.deployment import Kubernetes
from infercli.core.documents.profile import HardwareProfile, NodeGroup
from infercli.errors import InputError
from infercli.render.code import code_config_maps
from infercli.render.objects import RESOURCES, objects, static_objects, to_yaml
from infercli.render.rendering import Rendering
from tests.render.examples import CODE, ENGINE_ZIP, IMAGE, cpu_engine, engine, plan, profile


def rendered(the_plan=None, code=CODE):
    return static_objects(the_plan or plan(), "chat-ns", code)


def test_what_pods_need_is_applied_before_the_service_that_makes_them():
    kinds = [o["kind"] for o in rendered()]
    assert kinds == [
        "ServiceAccount",
        "ConfigMap",
        "NetworkPolicy",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "RayService",
    ]
    assert len(RESOURCES) == 5


def test_everything_is_in_the_namespace_and_carries_the_labels_of_its_release():
    for o in rendered():
        assert o["metadata"]["namespace"] == "chat-ns"
        labels = o["metadata"]["labels"]
        assert labels["app.kubernetes.io/instance"] == "chat"
        assert labels["app.kubernetes.io/managed-by"] == "infercli"
        assert labels["app.kubernetes.io/name"] == "infercli"


@pytest.mark.parametrize("name", ["chat-head", "chat-front", "chat-engine", "chat-code"])
def test_no_object_of_a_release_has_the_name_of_one_of_another(name):
    # Applied by the same manager: the second release would take the object over without a word.
    def named(release):
        made = plan(replicas=2, hardware=profile(nodes=(NodeGroup(count=2, gpus=1),)))
        deployment = made.deployment.model_copy(update={"name": release})
        return {
            (o["kind"], o["metadata"]["name"]) for o in rendered(made.model_copy(update={"deployment": deployment}))
        }

    assert named("chat").isdisjoint(named(name))


def test_selectors_do_not_change_with_a_revision():
    # A selector cannot be changed later, so nothing of an engine may be in it.
    other = engine(model_path=f"/models/{'f' * 40}", model_digest="f" * 40, code_digest="abcabcabcabc")
    before, after = rendered(), rendered(plan(spec=other))
    for one, two in zip(before, after, strict=True):
        if one["kind"] in {"NetworkPolicy", "PodDisruptionBudget"}:
            assert one == two


def test_the_config_map_holds_all_the_code_it_was_given_as_bytes():
    old = {"engine-0123456789ab.zip": b"old"}
    (rendered_map,) = code_config_maps(Rendering(plan(), "chat-ns", {**CODE, **old}))
    data = rendered_map["binaryData"]
    assert {name: base64.b64decode(text) for name, text in data.items()} == {**CODE, **old}
    assert list(data) == sorted(data)


def test_code_under_a_wrong_name_is_not_rendered():
    with pytest.raises(ValueError, match="does not hold what its name says"):
        rendered(code={"engine-000000000000.zip": ENGINE_ZIP})


def test_a_missing_image_names_the_field_and_shows_what_to_write():
    with pytest.raises(InputError, match=r"deployment\.yaml: kubernetes\.image") as refused:
        rendered(plan(kubernetes=Kubernetes()))
    assert "@sha256:" in refused.value.hint
    assert "Ray 2.60.0 with vLLM 0.29.0" in refused.value.hint


def test_an_unpinned_model_is_not_rendered():
    with pytest.raises(InputError, match="not pinned") as refused:
        rendered(plan(spec=engine(model_digest=None)))
    assert "infercli pin" in refused.value.hint
    with pytest.raises(InputError, match="not pinned"):
        rendered(plan(spec=engine(model_path="example/llama-8b-awq")))


def test_a_plan_for_this_machine_has_no_objects():
    local = HardwareProfile(name="cpu-local", accelerator="cpu", nodes=(NodeGroup(cpus=2),))
    with pytest.raises(InputError, match="this machine"):
        rendered(plan(spec=cpu_engine(), hardware=local, target="local"))


def budgets(**changes):
    hardware = profile(nodes=(NodeGroup(count=8, gpus=8),))
    found = [o for o in rendered(plan(hardware=hardware, **changes)) if o["kind"] == "PodDisruptionBudget"]
    return {o["metadata"]["labels"]["app.kubernetes.io/component"]: o["spec"] for o in found}


def test_budgets_are_whole_numbers_of_pods_to_keep():
    # `maxUnavailable` cannot be counted for pods of a RayCluster, and would block every drain.
    spread = engine(gpus=16, engine_args={"tensor_parallel_size": 8, "pipeline_parallel_size": 2})
    for changes, engines in [({"replicas": 3}, 2), ({"replicas": 3, "spec": spread}, 4)]:
        found = budgets(**changes)
        assert found["front"]["minAvailable"] == 1
        assert found["engine"]["minAvailable"] == engines
        assert all("maxUnavailable" not in spec for spec in found.values())
        assert all(spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow" for spec in found.values())


def test_a_single_engine_does_not_keep_its_node_from_being_drained():
    assert set(budgets(replicas=1)) == {"front"}


def test_yaml_is_sorted_has_no_aliases_and_shows_the_serve_config_as_lines():
    text = to_yaml(objects(plan(kubernetes=Kubernetes(image=IMAGE)), "chat-ns", CODE, "a: 1\nb: 2\n"))
    assert "  serveConfigV2: |\n    a: 1\n    b: 2\n" in text
    assert "&id" not in text
    assert text.startswith("---\napiVersion: v1\n")
    assert text.count("\n---\n") == len(rendered()) - 1
    for document in yaml.safe_load_all(text):
        assert list(document) == sorted(document)

from __future__ import annotations

import copy
import time

import pytest

from infercli.core.profile import NodeGroup, Toleration
from infercli.render.objects import static_objects
from infercli.render.upgrade import rebuilding_changes
from tests.render.examples import CODE, engine, front, plan, profile
from tests.render.test_objects_in_a_cluster import apply, on_l4, read, wait_until  # noqa: F401 - fixtures

OTHER_IMAGE = "registry.example/ray-vllm@sha256:" + "2" * 64


def ray_service(**changes):
    hardware = changes.pop("hardware", None) or profile(nodes=(NodeGroup(count=8, gpus=1),))
    rendered = static_objects(plan(hardware=hardware, **changes), "chat-ns", CODE)
    return next(o for o in rendered if o["kind"] == "RayService")


def changed(service, path, value):
    """A copy with one field below rayClusterConfig replaced; `path` is a list of keys."""
    copied = copy.deepcopy(service)
    inner = copied["spec"]["rayClusterConfig"]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copied


def test_equal_objects_change_nothing():
    assert rebuilding_changes(ray_service(), ray_service()) == []


def test_another_engine_is_taken_up_in_place():
    other = engine(model_path=f"/models/{'f' * 40}", model_digest="f" * 40, engine_args={"max_model_len": 1024})
    assert rebuilding_changes(ray_service(), ray_service(spec=other)) == []


def test_counts_and_tolerations_are_taken_up_in_place():
    wider = profile(
        nodes=(NodeGroup(count=8, max_count=16, gpus=1),),
        tolerations=(Toleration(key="spot", operator="Exists", effect="NoSchedule"),),
    )
    assert rebuilding_changes(ray_service(), ray_service(hardware=wider, replicas=2, the_front=front(replicas=3))) == []


def test_another_image_is_a_second_cluster_and_each_place_is_named():
    service = ray_service()
    head = changed(service, ["headGroupSpec", "template", "spec", "containers", 0, "image"], OTHER_IMAGE)
    both = changed(head, ["workerGroupSpecs", 1, "template", "spec", "containers", 0, "image"], OTHER_IMAGE)
    assert rebuilding_changes(service, both) == [
        "headGroupSpec.template.spec.containers[ray-head].image",
        "workerGroupSpecs[gpu].template.spec.containers[ray-worker].image",
    ]


def test_a_field_that_comes_or_goes_is_a_second_cluster():
    service = ray_service()
    assert rebuilding_changes(service, changed(service, ["authOptions"], {"mode": "disabled"})) == ["authOptions.mode"]
    without = copy.deepcopy(service)
    del without["spec"]["rayClusterConfig"]["rayVersion"]
    assert rebuilding_changes(service, without) == ["rayVersion"]
    selected = ray_service(hardware=profile(nodes=(NodeGroup(count=8, gpus=1),), node_selector={}))
    assert rebuilding_changes(service, selected) == ["workerGroupSpecs[gpu].template.spec.nodeSelector"]


def test_a_group_more_is_in_place_and_one_less_is_not():
    service = ray_service()
    more = copy.deepcopy(service)
    groups = more["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    groups.append({**copy.deepcopy(groups[1]), "groupName": "gpu-2"})
    assert rebuilding_changes(service, more) == []
    assert rebuilding_changes(more, service) == ["workerGroupSpecs"]


def _toleration(service):
    return changed(service, ["workerGroupSpecs", 1, "template", "spec", "tolerations"], [{"operator": "Exists"}])


def _counts(service):
    return changed(service, ["workerGroupSpecs", 0, "maxReplicas"], 9)


def _deletion_delay(service):
    return {**service, "spec": {**service["spec"], "rayClusterDeletionDelaySeconds": 1}}


def _variable(service):
    path = ["workerGroupSpecs", 1, "template", "spec", "containers", 0, "env", 0, "value"]
    return changed(service, path, "0")


def _group(service):
    more = copy.deepcopy(service)
    groups = more["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    groups.append({**copy.deepcopy(groups[0]), "groupName": "front-2"})
    return more


@pytest.mark.cluster
def test_the_operator_does_what_is_foretold(cluster, namespace, apply, read):  # noqa: F811
    account, service = (o for o in on_l4() if o["kind"] in {"ServiceAccount", "RayService"})
    # Neither claim nor keys are needed to see what the operator does: pods without volumes start without them.
    for template in _templates(service):
        del template["spec"]["volumes"], template["spec"]["containers"][0]["volumeMounts"]
    assert apply([account, service]).returncode == 0
    cluster.wait_serving(namespace, "chat")

    in_place = _toleration(_counts(_deletion_delay(_group(service))))
    assert rebuilding_changes(service, in_place) == []
    done = apply([account, in_place])
    assert done.returncode == 0, done.stderr
    time.sleep(5)  # two of the operator's rounds of 2 s, and time to spare
    assert len(read("rayclusters")["items"]) == 1

    second = _variable(in_place)
    assert rebuilding_changes(in_place, second)
    assert apply([account, second]).returncode == 0
    wait_until(lambda: len(read("rayclusters")["items"]) == 2)


def _templates(service):
    config = service["spec"]["rayClusterConfig"]
    return [config["headGroupSpec"]["template"], *(g["template"] for g in config["workerGroupSpecs"])]

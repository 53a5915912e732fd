"""Which changes build a second Ray cluster: KubeRay's own rule, and the real operator agrees in tests/cluster."""

from __future__ import annotations

import copy

import pytest

from infercli.core.documents.profile import NodeGroup
from infercli.render.objects import static_objects
from infercli.render.upgrade import builds_new_cluster, cluster_gpus
from tests.render.examples import CODE, plan, profile


@pytest.fixture
def objects():
    return static_objects(plan(hardware=profile(nodes=(NodeGroup(count=1, gpus=4),)), replicas=2), "prod", CODE)


def changed(objects, change):
    other = copy.deepcopy(objects)
    config = next(o for o in other if o["kind"] == "RayService")["spec"]["rayClusterConfig"]
    change(config)
    return other


def groups(config):
    return config["workerGroupSpecs"]


@pytest.mark.parametrize(
    "change",
    [
        lambda c: groups(c)[1].update(replicas=4, minReplicas=3, maxReplicas=9),
        lambda c: groups(c)[1]["scaleStrategy"].update(workersToDelete=["a-pod"]),
        lambda c: groups(c)[1]["template"]["spec"].update(tolerations=[]),
        lambda c: c["headGroupSpec"]["template"]["spec"].update(schedulingGates=[{"name": "kueue"}]),
        lambda c: c.update(upgradeStrategy={"type": "Recreate"}),
        lambda c: groups(c).append({**groups(c)[1], "groupName": "more"}),
    ],
)
def test_counts_tolerations_and_another_group_at_the_end_stay_in_the_cluster(objects, change):
    assert not builds_new_cluster(objects, changed(objects, change))


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["headGroupSpec"]["template"]["spec"]["containers"][0].update(image="other"),
        lambda c: groups(c)[0]["template"]["metadata"].update(labels={"a": "b"}),
        lambda c: groups(c)[1]["rayStartParams"].update({"object-store-memory": "1"}),
        lambda c: c.update(rayVersion="2.61.0"),
        lambda c: groups(c).pop(),
        lambda c: groups(c).insert(0, {**groups(c)[1], "groupName": "more"}),
        lambda c: c["autoscalerOptions"].update(idleTimeoutSeconds=1),
    ],
)
def test_all_else_builds_a_new_one(objects, change):
    assert builds_new_cluster(objects, changed(objects, change))


def test_without_objects_there_is_no_cluster_to_build(objects):
    assert not builds_new_cluster((), objects)
    assert not builds_new_cluster(objects, ())
    assert cluster_gpus(()) == 0


def test_the_gpus_of_a_new_cluster_are_those_of_its_replicas(objects):
    assert cluster_gpus(objects) == 2  # two engines of one GPU; fronts and the head have none

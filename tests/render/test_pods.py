from __future__ import annotations

import pytest

from infercli.core.documents.profile import NodeGroup
from infercli.errors import InputError
from infercli.render.pods import engine_cpus, engine_gib, engine_pods, front_limit_gib, quantity, resources
from tests.render.examples import engine, front, plan, profile


def planned(*nodes, gpus=1, replicas=1):
    spec = engine(gpus=gpus, engine_args={"tensor_parallel_size": gpus})
    return plan(spec=spec, hardware=profile(nodes=nodes), replicas=replicas)


def test_a_node_is_cut_into_pods_of_one_engine():
    pods = engine_pods(planned(NodeGroup(count=2, gpus=8), gpus=4, replicas=2))
    # Two pods of 4 GPUs fit on a node of 8, on two nodes four.
    assert (pods.gpus, pods.per_replica, pods.wanted, pods.most) == (4, 1, 2, 4)


def test_gpus_left_over_on_a_node_make_no_pod():
    # 8 // 3 = 2 pods; the other two GPUs are on the same node and too few.
    assert engine_pods(planned(NodeGroup(count=1, gpus=8), gpus=3)).most == 2


def test_a_pool_counts_with_all_the_nodes_that_it_may_grow_to():
    assert engine_pods(planned(NodeGroup(count=1, max_count=5, gpus=2), NodeGroup(count=1, gpus=1), gpus=1)).most == 11


def test_an_engine_over_two_nodes_takes_a_pod_on_each():
    pods = engine_pods(planned(NodeGroup(count=4, gpus=8), gpus=16, replicas=2))
    assert (pods.gpus, pods.per_replica, pods.wanted, pods.most) == (8, 2, 4, 4)


def test_an_engine_that_cannot_be_cut_is_refused():
    with pytest.raises(InputError, match="12 GPUs"):
        engine_pods(planned(NodeGroup(count=2, gpus=8), gpus=12))


def test_more_engines_than_the_profile_holds_are_refused_with_both_numbers():
    with pytest.raises(InputError, match=r"need 3 pods, and profile `l4` has room for 2") as refused:
        engine_pods(planned(NodeGroup(count=2, gpus=1), replicas=3))
    assert "replicas" in refused.value.hint


@pytest.mark.parametrize("gpu", ["MI300X", "Arc-Pro-B60"])
def test_gpus_that_are_not_nvidias_are_refused_before_anything_is_rendered(gpu):
    with pytest.raises(InputError, match=f"{gpu} is planned and estimated, but not rendered"):
        engine_pods(plan(spec=engine(gpus=1), hardware=profile(nodes=(NodeGroup(count=1, gpus=1),), gpu=gpu)))


def test_a_pod_gets_its_share_of_a_node_that_is_described():
    # 96 CPUs x 0.85 x 2/8 = 20.4; 768 GiB x 0.85 x 2/8 = 163.2
    node = planned(NodeGroup(count=1, gpus=8, cpus=96, memory_gib=768), gpus=2)
    assert (engine_cpus(node), engine_gib(node)) == (20, 163)


def test_pods_fit_on_the_smallest_node_they_may_land_on():
    mixed = planned(
        NodeGroup(count=1, gpus=1, cpus=32, memory_gib=128), NodeGroup(count=1, gpus=1, cpus=8, memory_gib=32)
    )
    assert (engine_cpus(mixed), engine_gib(mixed)) == (6, 27)


def test_a_share_of_less_than_a_cpu_is_one():
    assert engine_cpus(planned(NodeGroup(count=1, gpus=8, cpus=8, memory_gib=256))) == 1


def test_a_node_that_is_not_described_gives_a_size_by_the_number_of_gpus():
    unknown = planned(NodeGroup(count=1, gpus=8), gpus=2)
    # 2 x (2 + 1) CPUs; 12 + 8 x 2 GiB
    assert (engine_cpus(unknown), engine_gib(unknown)) == (6, 28)


def test_a_front_pod_can_hold_the_largest_bodies_of_all_requests_in_flight_twice():
    # 2 GiB + 2 x 512 x 8 MiB = 2 + 8
    assert front_limit_gib(plan()) == 10
    # 2 x 10 x 1 MiB is a part of one GiB, which is rounded up
    assert front_limit_gib(plan(the_front=front(max_in_flight=10, max_body_bytes=2**20))) == 3


@pytest.mark.parametrize(
    ("gib", "written"), [(1, "1Gi"), (1023, "1023Gi"), (1024, "1Ti"), (2048, "2Ti"), (1536, "1536Gi")]
)
def test_memory_is_written_as_kubernetes_writes_it(gib, written):
    # Else the operator, writing the object back, changes the value and owns the worker groups from then on.
    assert quantity(gib) == written


def test_quantities_are_strings():
    # As numbers, older API servers refused them under server-side apply.
    assert resources(4, 20, gpus=1) == {
        "requests": {"cpu": "4", "memory": "20Gi", "nvidia.com/gpu": "1"},
        "limits": {"memory": "20Gi", "nvidia.com/gpu": "1"},
    }
    assert resources(1, 2, limit_gib=10)["limits"] == {"memory": "10Gi"}

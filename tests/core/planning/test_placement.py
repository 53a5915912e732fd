"""Where engines find room, and what is said where they find none."""

from __future__ import annotations

import pytest

from infercli.core.documents.profile import HardwareProfile, NodeGroup
from infercli.core.planning.placement import placement_note, placement_problem


def nodes(count: int, gpus: int, most: int | None = None) -> HardwareProfile:
    return HardwareProfile(name="pool", gpu="H100", nodes=(NodeGroup(count=count, gpus=gpus, max_count=most),))


@pytest.mark.parametrize(
    ("profile", "gpus", "replicas", "said"),
    [
        (nodes(1, 8), 16, 1, "1 replica of 16 GPUs is asked for: one takes 2 nodes of 8 GPUs, and pool has 1"),
        (
            nodes(1, 8),
            12,
            1,
            "1 replica of 12 GPUs is asked for: more than a node has, and no multiple of the 8 GPUs of one",
        ),
        (nodes(1, 1), 1, 20, "20 replicas of 1 GPU are asked for, and its nodes hold 1"),
        (nodes(3, 8), 16, 2, "2 replicas of 16 GPUs are asked for, and its nodes hold 1"),
        (nodes(1, 8, 2), 16, 1, None),
        (nodes(2, 8), 3, 4, None),
        (nodes(2, 8), 3, 5, "5 replicas of 3 GPUs are asked for, and its nodes hold 4"),
    ],
)
def test_no_room_is_said_with_what_there_is(profile, gpus, replicas, said):
    assert placement_problem(profile, gpus, replicas) == said


def test_replicas_that_wait_are_counted():
    assert placement_note(nodes(1, 8, 2), 8, 2) == "1 of 2 replicas waits until the pool has added nodes"
    assert placement_note(nodes(1, 8, 4), 8, 3) == "2 of 3 replicas wait until the pool has added nodes"
    assert placement_note(nodes(2, 8), 8, 2) is None

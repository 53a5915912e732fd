"""Whether the replicas of an engine find room on a profile's nodes.

An engine stands on one node, or, where its pipeline stages are more than a node holds, on whole nodes.
"""

from __future__ import annotations

from infercli.core.documents.profile import HardwareProfile
from infercli.core.units import counted


def splits_of_a_node(gpus_per_node: int) -> tuple[int, ...]:
    """Tensor-parallel sizes to try, smallest first: parts of a node, and what heads are usually divisible by.

    Two of three GPUs may be all that a model needs, and three seldom divide its heads.
    """
    doubled = {2**i for i in range(gpus_per_node.bit_length())}
    parts = {n for n in range(1, gpus_per_node + 1) if gpus_per_node % n == 0}
    return tuple(sorted(doubled | parts))


def nodes_of(profile: HardwareProfile, gpus_per_engine: int) -> int | None:
    """Nodes that an engine of that many GPUs stands on; None where it is more than one node and no whole number."""
    per_node = profile.gpus_per_node
    if gpus_per_engine <= per_node:
        return 1
    return None if gpus_per_engine % per_node else gpus_per_engine // per_node


def engines_that_fit(profile: HardwareProfile, gpus_per_engine: int, *, grown: bool) -> int:
    """Engines of that many GPUs that the nodes hold; `grown`: after autoscaling has added all it may."""
    nodes = nodes_of(profile, gpus_per_engine)
    if nodes is None:
        return 0
    on_one = gpus_per_engine // nodes
    groups = ((n.max_count or n.count) if grown else n.count for n in profile.nodes)
    return sum(count * (n.gpus // on_one) for count, n in zip(groups, profile.nodes, strict=True)) // nodes


def placement_problem(profile: HardwareProfile, gpus_per_engine: int, replicas: int) -> str | None:
    """Why `replicas` engines find no room; None where they do."""
    room = engines_that_fit(profile, gpus_per_engine, grown=True)
    if replicas <= room:
        return None
    are = "is" if replicas == 1 else "are"
    asked = f"{counted(replicas, 'replica')} of {counted(gpus_per_engine, 'GPU')} {are} asked for"
    return f"{asked}, and its nodes hold {room}" if room else f"{asked}: {too_large(profile, gpus_per_engine)}"


def too_large(profile: HardwareProfile, gpus_per_engine: int) -> str:
    """Why its nodes do not hold a single engine of that many GPUs."""
    per_node, nodes = profile.gpus_per_node, nodes_of(profile, gpus_per_engine)
    if nodes is None:
        return f"more than a node has, and no multiple of the {counted(per_node, 'GPU')} of one"
    there = sum((n.max_count or n.count) for n in profile.nodes if n.gpus == per_node)
    return f"one takes {nodes} nodes of {counted(per_node, 'GPU')}, and {profile.name} has {there}"


def placement_note(profile: HardwareProfile, gpus_per_engine: int, replicas: int) -> str | None:
    """What a reader must know where the pool has to grow first; None otherwise."""
    now = engines_that_fit(profile, gpus_per_engine, grown=False)
    if now < replicas <= engines_that_fit(profile, gpus_per_engine, grown=True):
        wait = "waits" if replicas - now == 1 else "wait"
        return f"{replicas - now} of {counted(replicas, 'replica')} {wait} until the pool has added nodes"
    return None

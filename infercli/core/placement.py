"""Whether the replicas of an engine find room on a profile's nodes. An engine never spans two nodes."""

from __future__ import annotations

from infercli.core.profile import HardwareProfile


def engines_that_fit(profile: HardwareProfile, gpus_per_engine: int, *, grown: bool) -> int:
    """Engines of that many GPUs that the nodes hold; `grown`: after autoscaling has added all it may."""
    nodes = ((n.max_count or n.count) if grown else n.count for n in profile.nodes)
    return sum(count * (n.gpus // gpus_per_engine) for count, n in zip(nodes, profile.nodes, strict=True))


def placement_problem(profile: HardwareProfile, gpus_per_engine: int, replicas: int) -> str | None:
    """Why `replicas` engines find no room; None where they do."""
    room = engines_that_fit(profile, gpus_per_engine, grown=True)
    if replicas <= room:
        return None
    return f"{replicas} replicas of {gpus_per_engine} GPUs are asked for, and its nodes hold {room}"


def placement_note(profile: HardwareProfile, gpus_per_engine: int, replicas: int) -> str | None:
    """What a reader must know where the pool has to grow first; None otherwise."""
    now = engines_that_fit(profile, gpus_per_engine, grown=False)
    if now < replicas <= engines_that_fit(profile, gpus_per_engine, grown=True):
        return f"{replicas - now} of {replicas} replicas wait until the pool has added nodes"
    return None

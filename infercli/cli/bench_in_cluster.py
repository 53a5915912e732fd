"""`infercli bench RELEASE --in-cluster`: which Job measures, and what its events look like here."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from infercli.errors import InputError

if TYPE_CHECKING:
    from infercli.cli.endpoint import Aim
    from infercli.core.bench.levels import BenchRun, Level, Levels
    from infercli.core.load.sending import Sending
    from infercli.core.record import Json
    from infercli.core.traces import Api
    from infercli.loadgen import Progress


def check(aim: Aim) -> None:
    """Raises InputError for what no Job can measure."""
    if aim.world is None or aim.release is None:
        raise InputError(
            "--in-cluster measures a release, whose image and keys are known, and not a URL", "name the release"
        )
    if aim.endpoint.is_loopback:
        raise InputError(
            f"{aim.release} runs on this machine, and --in-cluster is for a release in a cluster",
            f"`infercli bench {aim.release}` measures it from here",
        )


def run_in_cluster(
    aim: Aim,
    levels: Levels,
    api: Api,
    sending: Sending,
    *,
    on_level: Callable[[Level, int], None],
    on_progress: Callable[[Progress], None],
    workers: int | None,
) -> BenchRun:
    """As loadgen's `run_levels`, from a pod beside the release's front.

    The clock of the pod's node means nothing here, so the run's origin is when its first level was told of.
    """
    from infercli.actions.bench_in_cluster import bench_in_cluster
    from infercli.adapters.cluster.job import ClusterJob
    from infercli.adapters.cluster.platform import ClusterPlatform
    from infercli.adapters.files import package_sources
    from infercli.core.bench.job import BenchJob
    from infercli.core.bench.levels import Level
    from infercli.core.release import serving
    from infercli.core.traces import Load
    from infercli.loadgen import Progress
    from infercli.render.bench_app import bench_app
    from infercli.render.bench_job import bench_objects

    assert aim.world is not None
    assert aim.release is not None
    assert aim.model is not None
    platform, good = aim.world.platform, serving(aim.world.store.entries(aim.release))
    assert isinstance(platform, ClusterPlatform)
    assert good is not None  # `aim_at` looked
    job = BenchJob(
        url=aim.endpoint.url,
        model=aim.model,
        api=api,
        levels=levels,
        sending=sending,
        workers=workers,
    )
    objects = bench_objects(good.revision.plan, platform.namespace, bench_app(package_sources()), job)

    origins: list[int] = []

    def on_event(name: str, value: Json) -> None:
        origins.append(time.monotonic_ns())
        if name == "level":
            on_level(Level(Load.model_validate(value["load"]), value["why"]), value["number"])
        elif name == "progress":
            on_progress(Progress(**value))

    asked_ns = time.monotonic_ns()
    ran = bench_in_cluster(ClusterJob(platform.cluster, objects), aim.world.clock, aim.world.watcher, on_event)
    return ran.model_copy(update={"origin_monotonic_ns": next(iter(origins), asked_ns)})

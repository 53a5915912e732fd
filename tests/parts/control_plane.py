"""Fixtures with a real Kubernetes control plane and, on it, the real KubeRay operator.

The one thing to know: one control plane serves a whole run, and tests share it. A test has its own `namespace`, names
its stand-in faults after its own applications, and takes `own_control_plane` if it must break a part of it.

They need the binaries of `python tests/cluster/binaries/build.py` (17 CPU-minutes, once) and user namespaces. Where
they are missing the tests skip and say so, or fail when INFERCLI_REQUIRE names `control-plane`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.binaries import build
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.parts import sandbox
from tests.parts.require import require

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}

_numbers = itertools.count(1)


def binaries() -> Path:
    """The folder with the binaries; skips or fails where there is none."""
    folder = build.binaries_dir()
    require("control-plane", sandbox.unavailable())
    built = None if folder.is_dir() else "its binaries are not built: run `python tests/cluster/binaries/build.py`"
    require("control-plane", built)
    return folder


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """etcd, API server, controller manager, scheduler; KubeRay's definitions; the users of tests/cluster/pki.py."""
    with ControlPlane(binaries(), tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@pytest.fixture
def own_control_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane of this test's own, to be broken: 6 s."""
    with ControlPlane(binaries(), tmp_path / "control-plane") as plane:
        yield plane


@pytest.fixture(scope="session")
def shared_cluster(control_plane: ControlPlane) -> Cluster:
    """The control plane with the operator, the stand-in for Ray, and four nodes. Tests take `cluster`."""
    made = Cluster(control_plane)
    made.start_all()
    return made


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with nodes cpu-0, l4-0 (4 GPUs), a100-0 (4) and h100-0 (8). No fault is set, before and after."""
    shared_cluster.standin.heal()
    yield shared_cluster
    shared_cluster.standin.heal()


@pytest.fixture(scope="module")
def ray_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of this module's own with a real Ray in its pods, for one RayService at a time: 25 s, 2 GB."""
    from tests.cluster.real_ray import real_ray
    from tests.parts import ray

    folder = binaries()
    require("ray", ray.missing())
    with ControlPlane(folder, tmp_path_factory.mktemp("ray-cluster")) as plane:
        made = Cluster(plane)
        with real_ray(made):
            made.start_nodes()
            made.start_operator()
            yield made


@pytest.fixture
def namespace(control_plane: ControlPlane, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of this test's own, under Pod Security `restricted`; its Rays and their GPUs go with it."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    name = f"t{next(_numbers)}-{words}"[:40].strip("-")
    control_plane.make_namespace(name, RESTRICTED)
    yield name
    control_plane.kubectl("delete", "rayservices,rayclusters", "--all", "-n", name, "--timeout=60s")
    control_plane.kubectl("delete", "namespace", name, "--wait=false")

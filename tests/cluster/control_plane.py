"""A real Kubernetes control plane in a sandbox: etcd, API server, controller manager and scheduler.

The one thing to know: one address serves both sides. The API server listens on the same number inside the sandbox as
the port out here that leads to it, so the kubeconfigs written to `directory` work for tests, for kubectl and for the
parts inside. Closing it kills everything in it at once; its data goes with it, its logs stay in `directory`.
"""

from __future__ import annotations

import fcntl
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import yaml

from tests.cluster import components
from tests.cluster.api import ApiError, KubeApi, opener
from tests.cluster.pki import ADMIN, kubeconfig_name, write_pki
from tests.parts.sandbox import Sandbox

# Seconds a part may take until it is ready. Seen: 5 on an idle machine, 12 with two cores under load 12.
READY_TIMEOUT_S = 120.0

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class NotReadyError(Exception):
    """A part of the control plane ended or did not become ready; with the end of its log."""


class ControlPlane:
    """One control plane. A context manager: entered, it is started; left, it is gone."""

    def __init__(self, binaries: Path, directory: Path) -> None:
        self.binaries = binaries
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.sandbox = Sandbox()
        self._argv: dict[str, list[str]] = {}
        self._env: dict[str, dict[str, str]] = {}
        self.port = self.sandbox.forward()
        self.server = f"https://127.0.0.1:{self.port}"
        write_pki(directory, self.server)
        self.api = KubeApi(self.kubeconfig())

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends everything and drops etcd's data."""
        self.sandbox.close()
        shutil.rmtree(self.directory / "etcd", ignore_errors=True)

    def kubeconfig(self, user: str = ADMIN.name) -> Path:
        """The kubeconfig of admin, deployer, oncall or nobody."""
        return self.directory / kubeconfig_name(user)

    # Starting

    def start(self) -> None:
        """Starts with KubeRay's definitions installed, and returns when pods could be made. About 6 s."""
        shutil.copytree(template(self.binaries), self.directory / "etcd")
        self.start_api_server()
        admin = self.kubeconfig()
        self.launch("kube-controller-manager", components.controller_manager(self.binaries, self.directory, admin))
        self.launch("kube-scheduler", components.scheduler(self.binaries, self.directory, admin))
        for name, port in (
            ("kube-controller-manager", components.CONTROLLER_MANAGER_PORT),
            ("kube-scheduler", components.SCHEDULER_PORT),
        ):
            self.wait_ready(name, healthz(f"https://127.0.0.1:{self.sandbox.forward(port)}/healthz"))
        self.wait_ready("kube-apiserver", lambda: bool(self.api.get("/apis/ray.io/v1/rayservices", timeout_s=2)))
        self.wait_ready("kube-controller-manager", self._has_default_account)

    def start_api_server(self) -> None:
        """Starts etcd and the API server, and returns when it says it is ready."""
        self.launch("etcd", components.etcd(self.binaries, self.directory))
        self.launch("kube-apiserver", components.api_server(self.binaries, self.directory, self.port))
        self.wait_api_server()

    def wait_api_server(self) -> None:
        """Returns when the API server says it is ready."""
        self.wait_ready("kube-apiserver", lambda: self.api.get("/readyz", timeout_s=2) == "ok")

    def launch(self, name: str, argv: list[str], env: Mapping[str, str] | None = None) -> None:
        """Starts a process in the sandbox, logging to `directory`/NAME.log, and remembers how for restart()."""
        # Some of Go's clients would ask this user's proxy for a pod's address.
        self._argv[name], self._env[name] = argv, {"NO_PROXY": "*", "no_proxy": "*", **(env or {})}
        self.sandbox.start(name, argv, env=self._env[name], log=self.log(name), cwd=self.directory)

    def log(self, name: str) -> Path:
        """The log file of a part."""
        return self.directory / f"{name}.log"

    def kill(self, name: str, signum: signal.Signals = signal.SIGKILL) -> None:
        """Ends a part and returns when it has ended."""
        self.sandbox.signal(name, signum)
        self.sandbox.wait(name, 30)

    def restart(self, name: str) -> None:
        """Starts a part that has ended as it was started before. The caller waits for what it needs."""
        self.launch(name, self._argv[name], self._env[name])

    def wait_ready(self, name: str, probe: Callable[[], bool], timeout_s: float = READY_TIMEOUT_S) -> None:
        """Asks until the probe is true; what it raises means not yet. Raises NotReadyError, with the part's log."""
        deadline = time.monotonic() + timeout_s
        why: object = "not ready"
        while True:
            try:
                if probe():
                    return
            except (OSError, ApiError) as problem:
                why = problem
            returncode = self.sandbox.returncode(name)
            if returncode is not None or time.monotonic() > deadline:
                state = f"still runs after {timeout_s:g} s" if returncode is None else f"ended with {returncode}"
                tail = self.log(name).read_text(errors="replace")[-3000:]
                raise NotReadyError(f"{name} {state}: {why}\n{tail}")
            time.sleep(0.05)

    def _has_default_account(self) -> bool:
        return bool(self.api.get("/api/v1/namespaces/default/serviceaccounts/default", timeout_s=2))

    # Using

    def make_namespace(self, name: str, labels: Mapping[str, str]) -> None:
        """Makes a namespace and returns when pods can be made in it."""
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}
        self.api.request("POST", "/api/v1/namespaces", body)
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        self.wait_ready("kube-controller-manager", lambda: bool(self.api.get(account)))

    def kubectl(
        self, *words: str, user: str = ADMIN.name, stdin: str = "", timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Runs the kubectl that was built, as a user. Its status is the caller's to judge."""
        return self._client("kubectl", words, user, stdin, timeout_s)

    def helm(
        self, *words: str, user: str = ADMIN.name, stdin: str = "", timeout_s: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Runs the helm that was built, as a user. Its status is the caller's to judge."""
        return self._client("helm", words, user, stdin, timeout_s)

    def _client(
        self, name: str, words: tuple[str, ...], user: str, stdin: str, timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        home = self.directory / f"home-{user}"  # discovery caches, helm's own state: none of the real user's
        home.mkdir(exist_ok=True)
        return subprocess.run(
            [self.binaries / name, *words],
            env={"PATH": "/usr/bin:/bin", "HOME": str(home), "KUBECONFIG": str(self.kubeconfig(user))},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )


def healthz(url: str) -> Callable[[], bool]:
    """A probe that is true when the URL answers 200; certificates are not checked (these parts sign their own)."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def probe() -> bool:
        with opener(context).open(url, timeout=2) as answer:
            return bool(answer.status == 200)

    return probe


def template(binaries: Path) -> Path:
    """Etcd's data with KubeRay's definitions installed, made once beside the binaries.

    Installing the four definitions costs the API server 12 CPU-seconds, and half a megabyte of schema each must be
    compiled before it serves them; a copy of the data costs nothing of that, and new certificates suit it as well.
    """
    made = binaries / "etcd-template"
    with (binaries / "etcd-template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two test runs at a time, one makes it and one waits
        if not made.is_dir():
            staging = binaries / "etcd-template.new"
            shutil.rmtree(staging, ignore_errors=True)
            plane = ControlPlane(binaries, staging)
            try:
                plane.start_api_server()
                _install_crds(plane)
                plane.kill("kube-apiserver")
                plane.kill("etcd", signal.SIGTERM)
                (staging / "etcd").rename(made)
            finally:
                plane.close()
                shutil.rmtree(staging, ignore_errors=True)
    return made


def _install_crds(plane: ControlPlane) -> None:
    """Server-side apply: `kubectl apply` cannot, as the definitions are larger than an annotation may be."""
    names = []
    for file in sorted((plane.binaries / "crds").glob("*.yaml")):
        definition = yaml.load(file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        names.append(definition["metadata"]["name"])
        plane.api.apply(f"{CRDS}/{names[-1]}", definition)

    def established() -> bool:
        return all(_condition(plane.api.get(f"{CRDS}/{name}"), "Established") == "True" for name in names)

    plane.wait_ready("kube-apiserver", established)
    plane.wait_ready("kube-apiserver", lambda: bool(plane.api.get("/apis/ray.io/v1/rayservices")))


def _condition(item: Mapping[str, Any], kind: str) -> str | None:
    """The status of a condition; None when it is not set (just after creation `conditions` is null)."""
    conditions = (item.get("status") or {}).get("conditions") or []
    return next((str(condition["status"]) for condition in conditions if condition["type"] == kind), None)

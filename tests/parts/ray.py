"""A real Ray with Serve, in a sandbox of its own: nothing of it outlives the test, and its ports clash with nobody's.

The one thing to know: `put()` is asynchronous, as Ray's REST API is. Wait with `until_running()`, which raises as soon
as Ray says that it will not come to that.
"""

from __future__ import annotations

import json
import secrets
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infercli.adapters.local.ray import find_engine_python
from infercli.errors import InputError
from infercli.render.serving_code import Part, code_digest, module_name, zip_name, zip_package
from tests.parts.require import require
from tests.parts.sandbox import Sandbox, unavailable

SERVING = Path(__file__).parents[2] / "infercli" / "serving"
DASHBOARD_PORT, SERVE_PORT, METRICS_PORT = 8265, 8000, 8090  # inside the sandbox, where nobody else listens
CPUS = 16  # logical: what replicas ask for, not what the machine has
OBJECT_STORE_BYTES = 200_000_000  # Ray would take 30 % of the memory
HEAD_S = 120.0  # 10 to 21 s were measured
ATTEMPTS = 3  # Ray gives its own node 30 s (ray/_private/node.py), too few beside heavy work

ENVIRONMENT = {
    "PYTHONDONTWRITEBYTECODE": "",  # importing vLLM without its bytecode costs 7 s of CPU more
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}


def missing() -> str | None:
    """Why there can be no Ray here, or None when there can."""
    try:
        find_engine_python()
    except InputError as error:
        return f"{error.message} ({error.hint})"
    return unavailable()


def code_zip(part: Part, directory: Path) -> Path:
    """The serving code of this checkout, zipped as it is shipped."""
    files = {path.name: path.read_bytes() for path in (SERVING / part).glob("*.py")}
    data = zip_package(module_name(part), files)
    path = directory / zip_name(part, code_digest(data))
    path.write_bytes(data)
    return path


class Ray:
    """A Ray head. `serve_url` is Serve's HTTP address, once a configuration was put."""

    def __init__(self, sandbox: Sandbox, directory: Path) -> None:
        self.sandbox, self.directory = sandbox, directory
        self.python = find_engine_python()
        self._token = secrets.token_hex(32)
        self._dashboard = f"http://127.0.0.1:{sandbox.forward(DASHBOARD_PORT)}"
        self.serve_port = sandbox.forward(SERVE_PORT)
        self.serve_url = f"http://127.0.0.1:{self.serve_port}"

    def start(self) -> None:
        """Start the head and wait until its REST API answers."""
        token = self.directory / "token"
        token.write_text(self._token)
        token.chmod(0o600)
        command = [
            self.python.with_name("ray"), "start", "--head", "--block", "--disable-usage-stats",
            "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1", f"--dashboard-port={DASHBOARD_PORT}",
            f"--metrics-export-port={METRICS_PORT}",
            f"--num-cpus={CPUS}", "--num-gpus=0", f"--object-store-memory={OBJECT_STORE_BYTES}",
            f"--temp-dir={self.directory / 't'}",
        ]  # fmt: skip
        environment = {**ENVIRONMENT, "RAY_AUTH_TOKEN_PATH": str(token)}
        for attempt in range(1, ATTEMPTS + 1):
            log = self.directory / f"ray-{attempt}.log"
            self.sandbox.start("ray", command, log=log, env=environment, cwd=self.directory)
            deadline = time.monotonic() + HEAD_S
            while not self._answers():
                if self.sandbox.returncode("ray") is not None or time.monotonic() > deadline:
                    break
                time.sleep(0.2)
            else:
                return
            said = log.read_text()
            if attempt == ATTEMPTS or "timed out during startup" not in said:
                raise RuntimeError(f"Ray did not start:\n{said[-3000:]}")
            self.sandbox.run([self.python.with_name("ray"), "stop", "--force"], env=environment)

    def _answers(self) -> bool:
        try:
            self.applications()
        except (urllib.error.URLError, OSError):
            return False
        return True

    def _request(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._dashboard + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def put(self, applications: Iterable[Mapping[str, Any]]) -> None:
        """Tell Serve to run exactly these applications."""
        http = {"host": "127.0.0.1", "port": SERVE_PORT}
        config = {"proxy_location": "EveryNode", "http_options": http, "applications": list(applications)}
        self._request("PUT", "/api/serve/applications/", config)

    def applications(self) -> dict[str, Any]:
        """What Serve says of each application."""
        return self._request("GET", "/api/serve/applications/")["applications"]

    def until_running(self, *names: str, timeout_s: float = 240.0) -> None:
        """Wait until these applications are RUNNING. Raises with Serve's words when they fail."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self.applications()
            states = {name: found.get(name, {}).get("status") for name in names}
            if set(states.values()) == {"RUNNING"}:
                return
            if time.monotonic() > deadline or "DEPLOY_FAILED" in states.values():
                raise RuntimeError(f"{states}: {messages(found)}")
            time.sleep(0.1)

    def pids(self, application: str, deployment: str) -> set[int]:
        """The processes of the deployment's running replicas, as numbered inside the sandbox."""
        replicas = self.applications()[application]["deployments"][deployment]["replicas"]
        return {replica["pid"] for replica in replicas if replica["state"] == "RUNNING"}

    def kill(self, pid: int) -> None:
        """SIGKILL to one process inside."""
        self.sandbox.run(["kill", "-9", str(pid)])


def messages(applications: Mapping[str, Any]) -> dict[str, str]:
    """What Serve has to say about the applications that do not run: its own words, and those of their deployments."""
    return {
        name: "\n".join([found["message"], *(d["message"] for d in found["deployments"].values())]).strip()
        for name, found in applications.items()
        if found["status"] != "RUNNING"
    }


@contextmanager
def ray_head() -> Iterator[Ray]:
    """A started Ray, or a skip of the test that says why there is none."""
    require("ray", missing())
    # Short: the paths of Ray's sockets must stay below 107 characters.
    directory = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    try:
        with Sandbox() as sandbox:
            ray = Ray(sandbox, directory)
            ray.start()
            yield ray
    finally:
        shutil.rmtree(directory, ignore_errors=True)

"""Plays Ray in every pod of the test cluster: the dashboard's Serve API on 8265, Serve's proxy and the front on 8000.

Run inside the sandbox as `python -m tests.cluster.standin.server KUBECONFIG`. The one thing to know: it asks the API
server whom it plays. A request through the API server's proxy names its Service or pod in X-Forwarded-Uri, one to a
pod's address is known by that address; the object's `ray.io/cluster` label says which RayCluster is meant. (Addresses
alone would not do: kwok gives them out again.) From there come the workers that must be ready before anything runs,
and the Secret with the keys, found as the pod would find it: by the volume mounted at the front's `keys_dir`.

On 127.0.0.1:CONTROL_PORT a test sets faults and reads what was asked: see client.py.
"""

from __future__ import annotations

import http.server
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.cluster.api import ApiError, KubeApi
from tests.cluster.pod_files import mounted_files
from tests.cluster.standin.front import Answer, Request, answer
from tests.cluster.standin.serve import Fault, RejectedError, Serve, Timing

DASHBOARD_PORT, SERVE_PORT, CONTROL_PORT = 8265, 8000, 8266

APPLICATIONS = "/api/serve/applications/"

PROXIED = re.compile(r"/namespaces/([^/]+)/(services|pods)/(?:https?:)?([^:/]+)")


class UnknownClusterError(Exception):
    """The request is for no RayCluster that the API server knows."""


class StandIn:
    """The Ray clusters by the uid of their RayCluster, and what a test has set."""

    def __init__(self, api: KubeApi) -> None:
        self.lock = threading.RLock()
        self.log: list[dict[str, Any]] = []
        self.faults: list[Fault] = []
        self.broken: dict[str, int] = {}
        """Statuses to give instead of an answer: by `dashboard`, `health` (Serve's proxy's own) and `front`."""
        self._api = api
        self._clusters: dict[str, Serve] = {}

    def cluster(self, address: str, forwarded: str | None) -> tuple[Mapping[str, Any], Serve]:
        """The RayCluster object and the Serve behind a request. Raises UnknownClusterError."""
        try:
            namespace, name = self._named(address, forwarded)
            found = self._api.get(_raycluster(namespace, name))
        except ApiError as problem:
            raise UnknownClusterError(f"{forwarded or address}: {problem}") from None

        def workers_ready() -> bool:
            try:
                status = self._api.get(_raycluster(namespace, name)).get("status") or {}
            except (ApiError, OSError):
                return False
            return int(status.get("readyWorkerReplicas") or 0) >= int(status.get("desiredWorkerReplicas") or 0)

        with self.lock:
            uid = found["metadata"]["uid"]
            if uid not in self._clusters:
                self._clusters[uid] = Serve(time.monotonic, workers_ready, Timing())
            serve = self._clusters[uid]
            serve.faults = self.faults
        return found, serve

    def _named(self, address: str, forwarded: str | None) -> tuple[str, str]:
        """Namespace and name of the RayCluster."""
        label = "ray.io/cluster"
        if forwarded is None:
            pods = self._api.get(f"/api/v1/pods?fieldSelector=status.podIP={address}")["items"]
            for pod in pods:
                if name := pod["metadata"].get("labels", {}).get(label):
                    return pod["metadata"]["namespace"], name
            raise UnknownClusterError(f"no pod of a RayCluster has the address {address}")
        named = PROXIED.search(forwarded)
        if named is None:
            raise UnknownClusterError(f"X-Forwarded-Uri names no service or pod: {forwarded}")
        namespace, kind, name = named.groups()
        target = self._api.get(f"/api/v1/namespaces/{namespace}/{kind}/{name}")
        labels = target["spec"].get("selector") if kind == "services" else target["metadata"].get("labels")
        if label not in (labels or {}):
            raise UnknownClusterError(f"{kind} {namespace}/{name} has no {label}")
        return namespace, labels[label]

    def keys(self, cluster: Mapping[str, Any], directory: str) -> Mapping[str, list[str]]:
        """The lines of each file that some pod of the cluster sees in `directory`; none where nothing is mounted."""
        spec = cluster["spec"]
        groups = [spec["headGroupSpec"], *(spec.get("workerGroupSpecs") or [])]
        namespace = cluster["metadata"]["namespace"]
        for pod in (group["template"]["spec"] for group in groups):
            for path, files in mounted_files(self._api, namespace, pod).items():
                if path == Path(directory):
                    return {name: content.decode().split() for name, content in files.items()}
        return {}


def _raycluster(namespace: str, name: str) -> str:
    return f"/apis/ray.io/v1/namespaces/{namespace}/rayclusters/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    """One request on any of the three ports."""

    protocol_version = "HTTP/1.1"
    standin: StandIn

    def do_GET(self) -> None:
        self._serve()

    do_PUT = do_POST = do_DELETE = do_GET

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        ports: dict[int, Callable[[bytes], Answer]] = {
            DASHBOARD_PORT: self._dashboard,
            SERVE_PORT: self._proxy,
            CONTROL_PORT: self._control,
        }
        port: int = self.connection.getsockname()[1]
        try:
            given = ports[port](body)
        except UnknownClusterError as problem:
            given = Answer(502, {"error": str(problem)})
        if port != CONTROL_PORT:
            entry = {
                "time_s": time.time(),
                "port": port,
                "method": self.command,
                "path": self.path,
                "for": self.headers.get("X-Forwarded-Uri") or self._address(),
                "status": given.status,
            }
            if self.command == "PUT":
                entry["body"] = body.decode(errors="replace")
            with self.standin.lock:
                self.standin.log.append(entry)
        self._send(given)

    def _address(self) -> str:
        return str(self.connection.getsockname()[0])

    def _cluster(self) -> tuple[Mapping[str, Any], Serve]:
        return self.standin.cluster(self._address(), self.headers.get("X-Forwarded-Uri"))

    def _dashboard(self, body: bytes) -> Answer:
        if "dashboard" in self.standin.broken:
            return Answer(self.standin.broken["dashboard"], "broken by the test")
        if self.path.partition("?")[0] != APPLICATIONS or self.command not in {"GET", "PUT"}:
            return Answer(404, {"error": f"the stand-in does not play {self.command} {self.path}"})
        _, serve = self._cluster()
        with self.standin.lock:
            if self.command == "PUT":
                try:
                    serve.put(json.loads(body))
                except (RejectedError, ValueError) as problem:
                    return Answer(400, str(problem))
                return Answer(200, {})
            applications = serve.applications()
        http_options = {"host": "0.0.0.0", "port": SERVE_PORT}
        return Answer(200, {
            "controller_info": {}, "proxy_location": "EveryNode", "http_options": http_options, "proxies": {},
            "deploy_mode": "MULTI_APP", "applications": applications, "target_capacity": None,
        })  # fmt: skip

    def _proxy(self, body: bytes) -> Answer:
        if self.path == "/-/healthz":
            status = self.standin.broken.get("health", 200)
            return Answer(status, "success" if status == 200 else "DRAINING")
        if "front" in self.standin.broken:
            return Answer(self.standin.broken["front"], "broken by the test")
        cluster, serve = self._cluster()
        with self.standin.lock:
            config = serve.front()
            replica = serve.replica()
            if config is None or replica is None:
                return Answer(404, f"Path '{self.path}' not found. Ping http://.../-/routes for available routes.")
            keys = self.standin.keys(cluster, config["args"]["keys_dir"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            return answer(serve, replica, keys, Request(self.command, self.path, headers, body))

    def _control(self, body: bytes) -> Answer:
        standin = self.standin
        with standin.lock:
            match self.command, self.path:
                case "GET", "/log":
                    return Answer(200, list(standin.log))
                case "PUT", "/set":
                    wanted = json.loads(body)
                    standin.faults = [Fault(**fault) for fault in wanted["faults"]]
                    standin.broken = wanted["broken"]
                    standin.log = standin.log if wanted["keep_log"] else []
                    return Answer(200, {})
        return Answer(404, {"error": "no such path"})

    def _send(self, given: Answer) -> None:
        self.send_response(given.status)
        for name, value in given.headers().items():
            self.send_header(name, value)
        data = given.data()
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        """Nothing: the log is kept for the test."""


class Server(http.server.ThreadingHTTPServer):
    """With room for as many waiting connections as a load test makes."""

    daemon_threads = True
    request_queue_size = 128


def main(kubeconfig: Path) -> None:
    """Serves until it is killed."""
    Handler.standin = StandIn(KubeApi(kubeconfig))
    listening = [("0.0.0.0", DASHBOARD_PORT), ("0.0.0.0", SERVE_PORT), ("127.0.0.1", CONTROL_PORT)]
    servers = [Server(address, Handler) for address in listening]
    for server in servers[1:]:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    servers[0].serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Plays the kubelet for the pods of benchmarks, which kwok only calls Running: it runs their container as a process.

The one thing to know: command, environment and mounts are those of the pod as the API server has it, with two changes
that a machine without pods needs: mounts lie below a directory, and the endpoint in the job's description is another,
since no Service's name is resolved out here. The log goes to the file that kwok shows, written as a runtime writes it.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from tests.cluster.api import ApiError, KubeApi
from tests.cluster.pod_files import mounted_files
from tests.parts import container

PERIOD_S = 0.1
PODS = "/api/v1/pods?labelSelector=app.kubernetes.io/component=bench"


class JobPods:
    """`with JobPods(api, directory, log, url):` runs each benchmark's pod that comes up, one at a time."""

    def __init__(self, api: KubeApi, directory: Path, log: Path, url: str) -> None:
        self.api, self.directory, self.log, self.url = api, directory, log, url
        self.asked_for: list[str] = []
        """The endpoints that the descriptions named."""
        self.process: subprocess.Popen[bytes] | None = None
        """The newest pod's."""
        self.on_line: Callable[[str], None] = lambda _line: None
        """Is told of every line of the log, before it is written."""
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        seen: set[str] = set()
        while not self._done.wait(PERIOD_S):
            for pod in self.api.get(PODS)["items"]:
                uid = pod["metadata"]["uid"]
                if uid not in seen and pod.get("status", {}).get("phase") == "Running":
                    seen.add(uid)
                    self._one(pod)

    def _one(self, pod: Mapping[str, Any]) -> None:
        files = mounted_files(self.api, pod["metadata"]["namespace"], pod["spec"])
        while len(files) < len(pod["spec"]["containers"][0]["volumeMounts"]):  # as a kubelet waits for them
            if self._done.wait(PERIOD_S):
                return
            files = mounted_files(self.api, pod["metadata"]["namespace"], pod["spec"])
        self.log.unlink(missing_ok=True)
        process = container.start(pod["spec"], self._elsewhere(files), self.directory, subprocess.PIPE)
        self.process = process
        watching = threading.Thread(target=self._until_deleted, args=(pod, process))
        watching.start()
        assert process.stdout is not None
        with self.log.open("w", buffering=1) as log:
            for raw in process.stdout:
                line = raw.decode(errors="replace").rstrip("\n")
                self.on_line(line)
                log.write(f"{datetime.now(UTC).strftime('%Y-%m-%dT%H:%M:%S.%f')}000Z stdout F {line}\n")
        code = process.wait()
        watching.join()
        self._ended(pod, code)
        while self._is_there(pod) and not self._done.wait(PERIOD_S):
            pass
        self.log.unlink()  # as a kubelet does: the next pod's is another

    def _elsewhere(self, files: Mapping[Path, Mapping[str, bytes]]) -> dict[Path, dict[str, bytes]]:
        changed = {path: dict(content) for path, content in files.items()}
        for content in changed.values():
            if "job.json.gz" in content:
                job = json.loads(gzip.decompress(content["job.json.gz"]))
                self.asked_for.append(job["url"])
                content["job.json.gz"] = gzip.compress(json.dumps({**job, "url": self.url}).encode())
        return changed

    def _until_deleted(self, pod: Mapping[str, Any], process: subprocess.Popen[bytes]) -> None:
        """A pod that is deleted is told so once, as by a kubelet."""
        while process.poll() is None:
            if self._done.wait(PERIOD_S):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                return
            if not self._is_there(pod):
                process.send_signal(signal.SIGTERM)
                return

    def _is_there(self, pod: Mapping[str, Any]) -> bool:
        try:
            self.api.get(_path(pod))
        except ApiError as problem:
            return problem.status != 404
        return True

    def _ended(self, pod: Mapping[str, Any], code: int) -> None:
        reason = "Completed" if code == 0 else "OOMKilled" if code == -signal.SIGKILL else "Error"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        state = {"exitCode": code if code >= 0 else 128 - code, "reason": reason, "startedAt": now, "finishedAt": now}
        (spec,) = pod["spec"]["containers"]
        status = {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [
                {
                    "name": spec["name"],
                    "image": spec["image"],
                    "imageID": spec["image"],
                    "ready": False,
                    "restartCount": 0,
                    "state": {"terminated": state},
                }
            ],
        }
        with contextlib.suppress(ApiError):  # it may be gone
            self.api.request(
                "PATCH", f"{_path(pod)}/status", {"status": status}, content_type="application/merge-patch+json"
            )


def _path(pod: Mapping[str, Any]) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"

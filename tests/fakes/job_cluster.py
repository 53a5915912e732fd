"""A cluster for one Job at a time: objects in a dictionary, and the pod's container as a process of this machine.

The one thing to know: what runs is what the Job says, with its own mounts (tests/parts/container.py). A test that wants
a pod in some other state sets `pod_status`, and then nothing runs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time

from infercli.adapters.cluster.errors import Exists, Forbidden
from infercli.errors import ClusterError
from tests.cluster.api import ApiError
from tests.cluster.pod_files import mounted_files
from tests.parts import container


class FakeJobCluster:
    context, namespace = "prod", "chat-ns"
    where = "namespace chat-ns of context prod"
    kubectl = "kubectl --context prod -n chat-ns"

    def __init__(self, directory, **objects):
        self.directory = directory
        self.objects = {("v1", "Secret", name): _secret(name, data) for name, data in objects.items()}
        self.forbidden = set()
        """(verb, kind) that the user may not."""
        self.pod_status = None
        self.pods = True
        """False: the Job's controller is refused its pod, and says so in an event."""
        self.events = []
        self.log = directory / "log"
        self.process = None
        self.asked = []

    def _may(self, verb, kind):
        self.asked.append((verb, kind))
        if (verb, kind) in self.forbidden:
            raise Forbidden(f"not allowed to {verb} {kind}", "who may deploy is set in the chart infercli-platform")

    def get(self, api_version, kind, name):
        self._may("read", kind)
        return self.objects.get((api_version, kind, name))

    def create(self, body):
        kind, name = body["kind"], body["metadata"]["name"]
        self._may("create", kind)
        key = (body["apiVersion"], kind, name)
        if key in self.objects:
            raise Exists(f"{kind} {name} exists already")
        made = {**body, "metadata": {**body["metadata"], "uid": f"uid-of-{kind}"}}
        self.objects[key] = made
        if self.pod_status is None and self.pods and self.process is None:
            self._start_if_all_is_there(name)
        return made

    def _start_if_all_is_there(self, name):
        """As a kubelet: a pod whose mounts do not exist yet waits for them."""
        pod = self.objects["batch/v1", "Job", name]["spec"]["template"]["spec"]
        files = mounted_files(_Paths(self.objects), self.namespace, pod)
        if len(files) == len(pod["volumes"]):
            with self.log.open("wb") as output:
                self.process = container.start(pod, files, self.directory, output)

    def delete(self, api_version, kind, name, **_):
        self._may("delete", kind)
        self.objects.pop((api_version, kind, name), None)
        if kind == "Job" and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)

    def find(self, api_version, kind, *, labels=None, fields=None, metadata=False):
        self._may("list", kind)
        if kind == "Event":
            return self.events
        assert kind == "Pod"
        assert labels == "batch.kubernetes.io/controller-uid=uid-of-Job"
        return [self._pod()] if self.pods else []

    def _pod(self):
        status = self.pod_status or self._status()
        return {"metadata": {"name": "a-pod"}, "spec": {"containers": [{"name": "bench"}]}, "status": status}

    def _status(self):
        if self.process is None:
            return {"phase": "Pending"}
        code = self.process.poll()
        if code is None:
            return {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}
        reason = "Completed" if code == 0 else "Error"
        state = {"terminated": {"exitCode": code, "reason": reason}}
        return {"phase": "Failed" if code else "Succeeded", "containerStatuses": [{"state": state}]}

    def follow_log(self, pod, name):
        self._may("read", "log")
        assert (pod, name) == ("a-pod", "bench")
        if self.process is None:
            raise ClusterError(f"cannot read the log of Pod {pod}: it has not started")
        return self._lines()

    def _lines(self):
        with self.log.open() as file:
            rest = ""
            while True:
                ended = self.process.poll() is not None
                rest += file.read()
                *whole, rest = rest.split("\n")
                yield from whole
                if ended:
                    return
                time.sleep(0.02)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class _Paths:
    """The objects by the paths of the API, as tests.cluster.pod_files asks for them."""

    def __init__(self, objects):
        self.objects = objects

    def get(self, path):
        *_, plural, name = path.split("/")
        kind = {"configmaps": "ConfigMap", "secrets": "Secret"}[plural]
        found = self.objects.get(("v1", kind, name))
        if found is None:
            raise ApiError(404, f"{kind} {name} not found")
        return found


def _secret(name, data):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data}

"""A benchmark's Job in a cluster: made, looked at, read and deleted.

Its ConfigMap and its Secret belong to it, so they go with it, also when nobody is left to delete them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from infercli.adapters.cluster.client import Cluster
from infercli.adapters.cluster.errors import Forbidden
from infercli.adapters.cluster.pods import waits_of
from infercli.core.record import Json
from infercli.core.release.observed import JobEnd, JobState
from infercli.errors import ClusterError, InputError

STUCK = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError")
"""Reasons of a waiting container that seldom pass."""


class ClusterJob:
    """actions.ports.BenchRunner over a Cluster. `objects`: what render made, the Job first."""

    def __init__(self, cluster: Cluster, objects: Sequence[dict[str, Json]]) -> None:
        self.cluster, self.objects = cluster, objects
        self.name: str = objects[0]["metadata"]["name"]
        self.what, self.where, self.kubectl = f"Job {self.name}", cluster.where, cluster.kubectl
        self._job: Json = None
        """As it was created; None: it was not."""
        self._made: list[tuple[str, str]] = []
        """API version and kind of what was created."""

    def start(self) -> None:
        """Create the Job, then what it mounts and owns: its pod waits for that."""
        job, *owned = self.objects
        try:
            self._take_away_what_was_left()
            self._check_keys()
            self._job = self._create(job)
            owner = {"apiVersion": "batch/v1", "kind": "Job", "name": self.name, "uid": self._job["metadata"]["uid"]}
            for body in owned:
                self._create({**body, "metadata": {**body["metadata"], "ownerReferences": [owner]}})
        except Forbidden as error:
            raise ClusterError(
                error.message,
                f"{error.hint}\nJobs are among what its deployers may do since it knows of them: is its newest version "
                "installed?",
            ) from error

    def _create(self, body: Json) -> Json:
        made = self.cluster.create(body)
        self._made.append((body["apiVersion"], body["kind"]))
        return made

    def _take_away_what_was_left(self) -> None:
        """Of the same benchmark, by a command that was killed. Raises ClusterError where it still runs."""
        there = self.cluster.get("batch/v1", "Job", self.name)
        if there is not None and _condition(there) is None:
            began = (there.get("status") or {}).get("startTime") or there["metadata"].get("creationTimestamp")
            raise ClusterError(
                f"the same benchmark runs already: Job {self.name} in {self.where}, since {began}",
                f"wait for it; if its command was killed: `{self.kubectl} delete job {self.name}`",
            )
        for body in self.objects:
            if self.cluster.get(body["apiVersion"], body["kind"], self.name) is not None:
                self.cluster.delete(body["apiVersion"], body["kind"], self.name)

    def _check_keys(self) -> None:
        """What the pod mounts and nobody makes here: without it the pod would wait for ever, and say so in events."""
        for volume in self.objects[0]["spec"]["template"]["spec"]["volumes"]:
            source = volume.get("secret") or {}
            name = source.get("secretName")
            if name in (None, self.name):
                continue
            data = (self.cluster.get("v1", "Secret", name) or {}).get("data") or {}
            missing = [item["key"] for item in source["items"] if not data.get(item["key"])]
            if missing:
                raise InputError(
                    f"Secret `{name}` in namespace {self.cluster.namespace} has no {' and no '.join(missing)}: the "
                    "clients' keys are read from it",
                    f"`{self.kubectl} get secret {name}`",
                )

    def look(self) -> JobState:
        """How the Job and its pod stand."""
        job = self.cluster.get("batch/v1", "Job", self.name)
        if job is None or (self._job and job["metadata"]["uid"] != self._job["metadata"]["uid"]):
            return JobState("ended", ended="gone", message="the Job was deleted")
        pod = self._pod()
        ended = _condition(job)
        if pod is None:
            if ended is not None:
                how: JobEnd = "deadline" if ended.get("reason") == "DeadlineExceeded" else "gone"
                return JobState("ended", ended=how, message=str(ended.get("message") or ""))
            refused = self._refusals()
            return JobState("waiting", refused, stuck=bool(refused))
        state = _of_pod(pod)
        if state.step == "ended" and (ended or {}).get("reason") == "DeadlineExceeded":
            return state._replace(ended="deadline", message=str((ended or {}).get("message") or ""))
        return state

    def _pod(self) -> Json:
        if self._job is None:
            return None
        uid = self._job["metadata"]["uid"]
        found = self.cluster.find("v1", "Pod", labels=f"batch.kubernetes.io/controller-uid={uid}")
        return found[0] if found else None

    def _refusals(self) -> tuple[str, ...]:
        """Why the Job's controller could not make the pod: quota, Pod Security, a webhook."""
        chosen = f"involvedObject.kind=Job,involvedObject.name={self.name},type=Warning"
        events = self.cluster.find("v1", "Event", fields=chosen)
        return tuple(dict.fromkeys(str(e.get("message")) for e in events if e.get("reason") == "FailedCreate"))

    def log(self) -> Iterator[str]:
        """The container's log from its beginning, followed."""
        pod = self._pod()
        if pod is None:
            raise ClusterError(f"{self.what} has no pod, so no log")
        return self.cluster.follow_log(pod["metadata"]["name"], pod["spec"]["containers"][0]["name"])

    def remove(self) -> None:
        """Delete the Job, whose pod is told to end, and what belongs to it."""
        while self._made:
            api_version, kind = self._made[0]
            self.cluster.delete(api_version, kind, self.name)
            del self._made[0]


def _condition(job: Json) -> Mapping[str, Json] | None:
    """The one that says that the Job has ended; None while it has not."""
    conditions = (job.get("status") or {}).get("conditions") or ()
    return next((c for c in conditions if c["type"] in ("Complete", "Failed") and c["status"] == "True"), None)


def _of_pod(pod: Json) -> JobState:
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    terminated = next((c["state"]["terminated"] for c in containers if (c.get("state") or {}).get("terminated")), None)
    phase = status.get("phase")
    if phase in ("Succeeded", "Failed") or terminated:
        return JobState("ended", ended=_end(status, terminated), message=_end_words(status, terminated))
    if phase == "Running":
        return JobState("running")
    if phase == "Unknown":
        return JobState("running", ("the node of its pod does not answer",))
    trouble = tuple(waits_of(pod))
    return JobState("waiting", trouble, stuck=any(t.startswith(STUCK) for t in trouble))


def _end(status: Json, terminated: Json) -> JobEnd:
    reason = status.get("reason")
    if (terminated or {}).get("reason") == "OOMKilled":
        return "memory"
    if reason == "DeadlineExceeded":
        return "deadline"
    if reason in ("Evicted", "Preempting", "Preempted") or _disrupted(status):
        return "evicted"
    if reason in ("NodeLost", "Shutdown", "NodeShutdown", "Terminated"):
        return "gone"
    return "done" if status.get("phase") == "Succeeded" or (terminated or {}).get("exitCode") == 0 else "failed"


def _disrupted(status: Json) -> bool:
    """Kubernetes' own mark (1.26 and later) of a pod that was evicted, preempted, or whose node went away."""
    found = [c for c in status.get("conditions") or () if c["type"] == "DisruptionTarget" and c["status"] == "True"]
    return bool(found)


def _end_words(status: Json, terminated: Json) -> str:
    said = [str(status[key]) for key in ("reason", "message") if status.get(key)]
    if terminated and not said:
        said = [f"{terminated.get('reason') or 'exit'}, code {terminated.get('exitCode')}"]
        if terminated.get("message"):
            said.append(str(terminated["message"]))
    return ": ".join(said)

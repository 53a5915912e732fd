"""A release as a RayService: applied server-side, judged by what the operator, Serve, the pods and the front say.

The RayService is the only way in: Ray itself is never written to, since KubeRay compares with what it sent last, and
would rebuild every engine at the next change. What is applied is what the revision stored, never rendered anew.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Sequence

from infercli.adapters.cluster import ray_service_status
from infercli.adapters.cluster.client import Cluster
from infercli.adapters.cluster.errors import Forbidden
from infercli.adapters.cluster.front import ClusterFront
from infercli.adapters.cluster.pods import pods_trouble, ray_clusters, ray_log, ray_pods, wedged
from infercli.adapters.cluster.ray_service_status import EVENTS, Put, parsed_config, unreached
from infercli.adapters.cluster.release_secrets import ReleaseSecrets
from infercli.core.record import Json
from infercli.core.release import Revision, live
from infercli.core.release.observed import Answer, Applications
from infercli.core.units import duration
from infercli.errors import ClusterError, InputError, TimedOut
from infercli.render.names import code_config_map, keys_secret, labels, ray_service, serve_service
from infercli.render.rayservice import with_serve_config
from infercli.render.serve_config import SERVE_PORT, serve_config_text

RAY = ("ray.io/v1", "RayService")

LOOK_AT_PODS_S = 2.0
"""Between two looks at why pods wait: it takes two lists, and nobody reads faster."""

REMOVE_S = 600.0
"""How long `remove` waits for the pods: their grace period is 180 s, and engines drain before."""

STATIC = {
    ("v1", "ServiceAccount"),
    ("v1", "ConfigMap"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
}
"""The kinds of what is rendered beside the RayService: found by label where the history that names them is gone."""


class ClusterPlatform:
    """actions.ports.Platform over a Cluster. The serving code comes with a revision's objects.

    `keys_secret`: of what is about to be deployed; None: the one that the record of the release names.
    """

    settle_s = 0.0
    """`applications` itself knows which statuses may be old, and says so with `accepted`."""

    def __init__(self, cluster: Cluster, release_name: str, keys_secret: str | None = None) -> None:
        self.cluster, self.name = cluster, release_name
        self.where, self.kubectl, self.namespace = cluster.where, cluster.kubectl, cluster.namespace
        self._front = ClusterFront(cluster, release_name, keys_secret)
        self._put = Put()
        self._seen: Json = None
        self._trouble: tuple[float, tuple[str, ...]] = (0.0, ())

    # Bringing it up

    def prepare(self, revision: Revision) -> None:
        """Check what the user provides, then apply the static objects in the order in which they were rendered.

        Raises InputError for what is missing in the cluster, with the command that makes it.
        """
        self._front.turn_to(keys_secret(revision.plan.deployment))
        self._check_provided(revision.objects)
        for body in self._static(revision):
            self.cluster.apply(body)

    def _check_provided(self, objects: Sequence[Json]) -> None:
        """KubeRay, keys and weights: what infercli needs and does not make."""
        if not self.cluster.serves(*RAY):
            self.cluster.find(*RAY)  # says that KubeRay is missing, and how to install it
        self._front.check_keys()
        for name, path in sorted(_claims(objects)):
            found = self.cluster.get("v1", "PersistentVolumeClaim", name)
            if found is None:
                raise InputError(
                    f"there is no PersistentVolumeClaim `{name}` in namespace {self.namespace}: the weights are "
                    f"expected in it, each model under its commit (it is mounted at {path})",
                    "make the claim and copy into it what `infercli pin` downloaded; "
                    "or name another: kubernetes.model_claim in deployment.yaml",
                )
            if (found.get("status") or {}).get("phase") == "Lost":
                raise InputError(
                    f"PersistentVolumeClaim `{name}` has lost its volume", "restore the volume or the claim"
                )

    def _static(self, revision: Revision) -> Iterator[Json]:
        """All but the RayService; the code with the zips that running engines were started with."""
        for body in revision.objects:
            if body["kind"] == "RayService":
                continue
            if body["kind"] == "ConfigMap" and body["metadata"]["name"] == code_config_map(self.name):
                yield {**body, "binaryData": self._zips(revision)}
            else:
                yield body

    def _zips(self, revision: Revision) -> dict[str, str]:
        """base64 by file name: of this revision, of every one that is live, and what the live config refers to.

        A replica that is started again reads its zip again, so one that left too early is an engine that is gone with
        its next restart.
        """
        history = ReleaseSecrets(self.cluster).entries(self.name)
        now = live(history)
        wanted = {revision.number} | (set(now.engines.values()) if now else set())
        zips: dict[str, str] = {}
        for one in [*(e.revision for e in history if e.number in wanted), revision]:
            for body in one.objects:
                if body["kind"] == "ConfigMap" and body["metadata"]["name"] == code_config_map(self.name):
                    zips |= body["binaryData"]
        there = self.cluster.get("v1", "ConfigMap", code_config_map(self.name)) or {}
        in_use = json.dumps(self.config())
        zips |= {name: data for name, data in (there.get("binaryData") or {}).items() if name in in_use}
        return dict(sorted(zips.items()))

    def validate(self, objects: Sequence[Json], serve_config: Json) -> None:
        """A dry run of everything on the API server, with strict validation, and what `prepare` checks."""
        self._check_provided(objects)
        self._check_owned(objects)
        for body in objects:
            self.cluster.apply(self._whole(body, serve_config), dry_run=True)

    def _check_owned(self, objects: Sequence[Json]) -> None:
        """Raises InputError for what is there of somebody else: fields that nobody manages are anybody's to apply."""
        found = zip(objects, self.held_objects(objects), strict=True)
        others = [body for body, there in found if there is not None and not self._is_ours(there)]
        if others:
            names = " ".join(f"{body['kind'].lower()}/{body['metadata']['name']}" for body in others)
            raise InputError(
                f"not of the release {self.name}, and there already in namespace {self.namespace}: {names}",
                "another `name` in deployment.yaml; or, where it may become the release's, be changed and go with it, "
                f"`{self.kubectl} label --overwrite {names} {' '.join(f'{k}={v}' for k, v in self._labels)}`",
            )

    @property
    def _labels(self) -> list[tuple[str, str]]:
        return sorted(labels(self.name).items())

    def _is_ours(self, found: Json) -> bool:
        return set(self._labels) <= (found["metadata"].get("labels") or {}).items()

    def _whole(self, body: Json, serve_config: Json) -> Json:
        return with_serve_config(body, serve_config_text(serve_config)) if body["kind"] == "RayService" else body

    def put(self, revision: Revision, serve_config: Json) -> None:
        """Apply the RayService of `revision` with this config."""
        body = next((one for one in revision.objects if one["kind"] == "RayService"), None)
        if body is None:
            raise ClusterError(
                f"revision {revision.number} of {self.name} has no RayService among its objects",
                f"`infercli rollback {self.name} --to` another revision",
            )
        before = self._live()
        events = self._events()
        broken = wedged(self.cluster, self.name)
        held = self.cluster.apply(self._whole(body, serve_config))
        changed = before is None or before["metadata"]["generation"] != held["metadata"]["generation"]
        self._put = Put.of(before, held, serve_config, events)
        if changed:
            # A Ray cluster whose head was refused is never corrected by KubeRay 1.6: it makes another once it is gone.
            for ray_cluster in broken:
                self.cluster.delete("ray.io/v1", "RayCluster", ray_cluster)

    def tidy(self, revision: Revision) -> None:
        """Delete the static objects of other revisions that `revision` does not have.

        A budget of two replicas that outlives the second blocks every drain of the first's node.
        """
        recorded = {_key(o) for e in ReleaseSecrets(self.cluster).entries(self.name) for o in e.revision.objects}
        for api_version, kind, name in sorted(recorded - {_key(o) for o in revision.objects}):
            if (api_version, kind) == RAY:
                continue
            found = self.cluster.get(api_version, kind, name)
            if found is not None and self._is_ours(found):
                seen = found["metadata"].get("resourceVersion")
                self.cluster.delete(api_version, kind, name, resource_version=seen)

    # Looking at it

    def _live(self) -> Json:
        self._seen = self.cluster.get(*RAY, ray_service(self.name))
        return self._seen

    def config(self) -> Json:
        """The parsed serveConfigV2 of the RayService; None where there is none, or one that is not YAML."""
        found = self._live()
        return None if found is None else parsed_config(found)

    def held_objects(self, objects: Sequence[Json]) -> Sequence[Json]:
        """Each object as the API server has it; None where there is none."""
        return [self.cluster.get(o["apiVersion"], o["kind"], o["metadata"]["name"]) for o in objects]

    def applications(self) -> Applications:
        """What runs: in the Ray cluster that is being built, where there is one, else in the one that serves."""
        found = self._live()
        if found is None:
            return Applications(accepted=True, rejected=None, apps={})
        status = found.get("status") or {}
        apps = ray_service_status.applications(status)
        observed = self._put.observed(found)
        accepted = observed and not self._put.may_show_old()
        said = None if observed else self._put.rejection(status, self._events())
        passing = said is not None and unreached(said)
        settled = apps and all(app.status == "RUNNING" for app in apps.values())
        trouble = () if settled else self._pods_trouble()
        if said is not None and passing:
            trouble = (f"the operator does not reach Ray: {said}", *trouble)
        return Applications(accepted, None if passing else said, apps, trouble)

    def _events(self) -> list[Json]:
        chosen = f"involvedObject.kind=RayService,involvedObject.name={ray_service(self.name)},type=Warning"
        with contextlib.suppress(Forbidden):  # why something is refused is less than that it can be taken back
            return [e for e in self.cluster.find("v1", "Event", fields=chosen) if e.get("reason") in EVENTS]
        return []

    def _pods_trouble(self) -> tuple[str, ...]:
        at, trouble = self._trouble
        if time.monotonic() - at >= LOOK_AT_PODS_S or at == 0.0:
            trouble = pods_trouble(self.cluster, self.name)
            self._trouble = (time.monotonic(), trouble)
        return trouble

    def front(
        self, method: str, path: str, *, body: Json = None, engine: str | None = None, timeout_s: float = 10.0
    ) -> Answer:
        """One request to the front, with the operator's token."""
        return self._front.ask(method, path, body=body, engine=engine, timeout_s=timeout_s)

    def root_cause(self, app: str) -> str | None:
        """The last error in what Serve says of the application's replicas; our engine puts its own root cause there."""
        seen = self.applications().apps.get(app)
        lines = [line for message in (seen.deployment_messages if seen else ()) for line in message.splitlines()]
        errors = [line.strip() for line in lines if "Error: " in line or "Exception: " in line]
        return errors[-1][:800] if errors else None

    def logs(self, app: str, lines: int) -> str:
        """The newest lines of the application's replicas, or of its pods where Ray does not answer."""
        return ray_log(self.cluster, self.name, app, lines)

    def endpoint(self) -> str | None:
        """The base URL inside the cluster."""
        if self._seen is None and self._live() is None:
            return None
        return f"http://{serve_service(self.name)}.{self.namespace}.svc:{SERVE_PORT}"

    def client_key(self) -> None:
        """Only the Secret has them."""
        return

    # Taking it away

    def remove(self) -> None:
        """Delete the RayService and the static objects, and wait for the pods. The claim and the keys stay.

        Raises TimedOut; doing it again goes on.
        """
        entries = ReleaseSecrets(self.cluster).entries(self.name)
        kinds = ({(o["apiVersion"], o["kind"]) for e in entries for o in e.revision.objects} or STATIC) - {RAY}
        selector = ",".join(f"{key}={value}" for key, value in self._labels)
        if self.cluster.serves(*RAY):
            self.cluster.delete(*RAY, ray_service(self.name))
            self._until_gone()
        for api_version, kind in sorted(kinds):
            for found in self.cluster.find(api_version, kind, labels=selector):
                self.cluster.delete(api_version, kind, found["metadata"]["name"])
        self._put, self._seen = Put(), None

    def left_over(self) -> str | None:
        """The RayService, where it has the release's labels."""
        with contextlib.suppress(ClusterError):  # no KubeRay, or one may not look
            found = self._live()
            return f"RayService {self.name}" if found is not None and self._is_ours(found) else None
        return None

    def _until_gone(self) -> None:
        end = time.monotonic() + REMOVE_S
        while True:
            left = [f"RayService {self.name}"] if self._live() is not None else []
            left += [f"RayCluster {c['metadata']['name']}" for c in ray_clusters(self.cluster, self.name)]
            left += [f"Pod {p['metadata']['name']}" for p in ray_pods(self.cluster, self.name)]
            if not left:
                return
            if time.monotonic() > end:
                raise TimedOut(
                    f"after {duration(REMOVE_S)} there still is {', '.join(left)}",
                    f"`{self.kubectl} describe {left[0].lower()}` says why; then run the command again",
                )
            time.sleep(0.5)


def _key(body: Json) -> tuple[str, str, str]:
    return body["apiVersion"], body["kind"], body["metadata"]["name"]


def _claims(objects: Sequence[Json]) -> set[tuple[str, str]]:
    """Name and mount path of every PersistentVolumeClaim that pods of the RayService mount."""
    found = set()
    for body in objects:
        if body["kind"] != "RayService":
            continue
        ray = body["spec"]["rayClusterConfig"]
        for group in [ray["headGroupSpec"], *ray["workerGroupSpecs"]]:
            pod = group["template"]["spec"]
            mounts = {m["name"]: m["mountPath"] for c in pod["containers"] for m in c.get("volumeMounts") or ()}
            for volume in pod.get("volumes") or ():
                if "persistentVolumeClaim" in volume:
                    found.add((volume["persistentVolumeClaim"]["claimName"], mounts.get(volume["name"], "?")))
    return found

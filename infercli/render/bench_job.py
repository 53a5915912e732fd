"""A benchmark as a Job beside the front: the load generator in the engine's image, without a GPU.

It is scheduled as the front is, on nodes without the taint of GPUs, and away from this release's engines where there is
another node: a load generator that takes CPU from the engine measures itself. It carries the release's labels, so the
release's own NetworkPolicy, also one of a revision that was deployed long ago, lets it reach the front and name servers
and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import math

from infercli.core.bench.job import BenchJob
from infercli.core.documents.plan import Plan
from infercli.core.record import Json, digest
from infercli.errors import InputError
from infercli.render.names import (
    BENCH,
    BENCH_DIR,
    ENGINE,
    JOB_DIR,
    KEYS_DIR,
    bench_name,
    keys_secret,
    labels,
    selector,
    service_account,
)
from infercli.render.pods import resources
from infercli.render.rayservice import UNMOVED
from infercli.render.rendering import Rendering, check
from infercli.render.security import container_security_context, pod_security_context
from infercli.render.storage import SECRET_BYTES

APP, DESCRIPTION, API_KEYS = "bench.pyz", "job.json.gz", "api-keys"

BENCH_CPUS = 2
"""A worker, and the process that started it; a worker takes 150,000 tokens a second (measured)."""
BENCH_GIB, BENCH_LIMIT_GIB = 1, 4
"""A request of 128 tokens, each read alone, takes 20 KB by the end (measured): 1 GiB holds some 50,000, the limit
200,000."""

DEADLINE_S = 6 * 3600
"""Of the Job, and on top of it what the load itself says it lasts. The longest search is 41 levels; at 5 minutes each
that is 3.4 hours. So a Job that nobody waits for any more ends."""
KEPT_S = 3600
"""A Job that ended is deleted after this, with its ConfigMap and its Secret, where the command that made it was killed
and could not."""
GRACE_S = 60
"""From SIGTERM to SIGKILL: requests in flight are cut at once, and the result of what was measured is written."""


def bench_objects(plan: Plan, namespace: str, app: bytes, job: BenchJob) -> list[dict[str, Json]]:
    """The Job, and the ConfigMap and the Secret that it mounts and owns. `app`: the zip of `bench_app`.

    Raises InputError where the prompts are more than a Secret holds.
    """
    rendering = Rendering(plan, namespace, {})
    check(rendering)
    packed = job.packed()
    if len(packed) > SECRET_BYTES:
        raise InputError(
            f"the prompts take {len(packed):,} bytes compressed, and the Secret that brings them to the Job holds "
            f"{SECRET_BYTES:,}",
            "fewer prompts (--requests, or a smaller workload); without --in-cluster there is no such limit, and "
            f"`infercli bench {plan.name}` says the way",
        )
    body = _spec(rendering, job)
    # Of what it is told and not of the compressed bytes, which depend on the version of zlib.
    content = [hashlib.sha256(app).hexdigest(), job.model_dump(mode="json"), body]
    name = bench_name(plan.name, digest(content))
    body["template"]["spec"]["volumes"] = _volumes(rendering, name)
    meta = rendering.metadata(name, labels(plan.name, BENCH))
    return [
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": body},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": meta,
            "immutable": True,
            "binaryData": {APP: base64.b64encode(app).decode()},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": meta,
            "type": "Opaque",
            "immutable": True,
            "data": {DESCRIPTION: base64.b64encode(packed).decode()},
        },
    ]


def _spec(rendering: Rendering, job: BenchJob) -> dict[str, Json]:
    plan = rendering.plan
    container = {
        "name": BENCH,
        "image": rendering.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", f"{BENCH_DIR}/{APP}", f"{JOB_DIR}/{DESCRIPTION}", f"{KEYS_DIR}/{API_KEYS}"],
        "env": [
            # The search for plugins of pydantic reads the metadata of every package in the image.
            {"name": "PYDANTIC_DISABLE_PLUGINS", "value": "__all__"},
            # The front is beside it: a proxy that the cluster gives its pods would be measured instead.
            {"name": "no_proxy", "value": "*"},
        ],
        "resources": resources(max(BENCH_CPUS, job.workers or 0), BENCH_GIB, limit_gib=BENCH_LIMIT_GIB),
        # It writes nothing but its log.
        "securityContext": {**container_security_context(), "readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": "app", "mountPath": BENCH_DIR, "readOnly": True},
            {"name": "job", "mountPath": JOB_DIR, "readOnly": True},
            {"name": "keys", "mountPath": KEYS_DIR, "readOnly": True},
        ],
    }
    pod: dict[str, Json] = {
        "restartPolicy": "Never",
        "serviceAccountName": service_account(plan.name),
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": GRACE_S,
        "securityContext": pod_security_context(),
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [_apart(plan.name)]}},
        "containers": [container],
    }
    secrets = plan.deployment.kubernetes.image_pull_secrets
    if secrets:
        pod["imagePullSecrets"] = [{"name": secret} for secret in secrets]
    return {
        "completions": 1,
        "parallelism": 1,
        # A benchmark that was broken off is not begun again by itself: half of its load was sent.
        "backoffLimit": 0,
        "activeDeadlineSeconds": DEADLINE_S + math.ceil(_timed_s(job)),
        "ttlSecondsAfterFinished": KEPT_S,
        "template": {"metadata": {"labels": labels(plan.name, BENCH), "annotations": dict(UNMOVED)}, "spec": pod},
    }


def _apart(release: str) -> dict[str, Json]:
    engines = {"matchLabels": selector(release, ENGINE)}
    return {"weight": 100, "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": engines}}


def _volumes(rendering: Rendering, name: str) -> list[dict[str, Json]]:
    """0440: readable by the pod's user through fsGroup. Of the release's keys only the clients', not the operator's."""
    keys = {
        "secretName": keys_secret(rendering.plan.deployment),
        "defaultMode": 0o440,
        "items": [{"key": API_KEYS, "path": API_KEYS}],
    }
    return [
        {"name": "app", "configMap": {"name": name}},
        {"name": "job", "secret": {"secretName": name, "defaultMode": 0o440}},
        {"name": "keys", "secret": keys},
    ]


def _timed_s(job: BenchJob) -> float:
    """How long the load lasts by its own times: levels of a duration, and the replay of a trace."""
    levels = job.levels
    by_time = levels.most * float(levels.shared.get("duration_s") or 0)
    begins_s = max((c.at_s or 0.0 for c in job.sending.conversations), default=0.0)
    traces = sum(begins_s / float(own.get("speed") or 1) for own in levels.levels if own.get("arrivals") == "trace")
    return by_time + traces

"""The release history in the cluster: one Secret per revision, its data immutable, what became of it an annotation.

Whoever may deploy reads and writes it, on whatever machine. The lock is a Lease that its holder renews: it runs out by
itself when the holder dies, so nothing stays locked and nothing stays "pending" for ever.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Sequence

from pydantic import ValidationError

from infercli.adapters.cluster.client import Cluster
from infercli.adapters.cluster.errors import OWN_MANAGER, Exists
from infercli.adapters.cluster.lease import HeldLease, describe
from infercli.adapters.cluster.patience import Patience
from infercli.core.record import Json, canonical
from infercli.core.release import Entry, Lease, Progress, Revision
from infercli.core.validation import problems_of
from infercli.errors import ClusterError, InferError, ReleaseBusy
from infercli.render.storage import SECRET_BYTES

SECRET_TYPE = "infercli/release.v1"  # noqa: S105  # a type of Secret, not one
RELEASE_LABEL = "infercli.dev/release"
REVISION_LABEL = "infercli.dev/revision"
PROGRESS = "infercli.dev/progress"

MAX_MESSAGE_CHARACTERS = 16_000
"""Of a failure that is kept: all annotations together may have 256 KiB, and a traceback is a few."""


class ReleaseSecrets:
    """actions.ports.ReleaseStore over the Secrets of a namespace.

    `tell` is told of an API server that is waited for.
    """

    def __init__(self, cluster: Cluster, tell: Callable[[str], None] | None = None) -> None:
        self.cluster, self.tell = cluster, tell
        self._held: dict[str, HeldLease] = {}

    def names(self) -> Sequence[str]:
        """The releases that have a history in this namespace. Raises InputError where there is no such namespace."""
        found = self.cluster.find("v1", "Secret", labels=_selector(), metadata=True)
        if not found:
            self.cluster.check_namespace()
        return sorted({item["metadata"]["labels"][RELEASE_LABEL] for item in found})

    def elsewhere(self, name: str | None = None) -> Sequence[str]:
        """The other namespaces that have a release of that name, or any; () also where one may not look."""
        with contextlib.suppress(InferError):
            found = self.cluster.find("v1", "Secret", labels=_selector(name), metadata=True, everywhere=True)
            return sorted({item["metadata"]["namespace"] for item in found} - {self.cluster.namespace})
        return ()

    def entries(self, name: str) -> Sequence[Entry]:
        """The history, oldest first. Raises ClusterError for a Secret that is not what infercli wrote."""
        return sorted((self._entry(secret) for secret in self._secrets(name)), key=lambda e: e.number)

    def _entry(self, secret: Json) -> Entry:
        name = secret["metadata"]["name"]
        try:
            data = gzip.decompress(base64.b64decode(secret["data"]["revision"]))
            revision = Revision.model_validate(json.loads(data))
            annotation = (secret["metadata"].get("annotations") or {}).get(PROGRESS)
            progress = Progress.model_validate_json(annotation) if annotation else Progress()
        except (KeyError, TypeError, ValueError, OSError, EOFError, zlib.error) as error:
            said = problems_of(error, Revision) if isinstance(error, ValidationError) else []
            why = "; ".join(f"{where}: {what}" if where else what for where, what in said[:3]) or "its data is damaged"
            raise ClusterError(
                f"Secret {name} is not a revision that this infercli can read: {why}",
                "was it written by a newer infercli? `infercli --version`. Was it edited, or damaged? Restore it; or "
                f"`{self.cluster.kubectl} delete secret {name}` forgets that revision, and nothing that runs",
            ) from error
        return Entry(revision=revision, progress=progress)

    def _secrets(self, name: str, *, metadata: bool = False) -> Sequence[Json]:
        return self.cluster.find("v1", "Secret", labels=_selector(name), metadata=metadata)

    def append(self, revision: Revision) -> None:
        """Record a revision. Raises ReleaseBusy when that number is taken, ClusterError when it is too large."""
        data = gzip.compress(canonical(revision.model_dump(mode="json")), mtime=0)
        if len(data) > SECRET_BYTES:
            raise ClusterError(
                f"revision {revision.number} of {revision.name} takes {len(data):,} bytes, and a Secret holds "
                f"{SECRET_BYTES:,}",
                "its plan and objects are the content: is something large in `engine_args` or the model's config?",
            )
        labels = {
            "app.kubernetes.io/managed-by": OWN_MANAGER,
            RELEASE_LABEL: revision.name,
            REVISION_LABEL: str(revision.number),
        }
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": secret_name(revision.name, revision.number),
                "namespace": self.cluster.namespace,
                "labels": labels,
                "annotations": {PROGRESS: _written(Progress())},
            },
            "type": SECRET_TYPE,
            "immutable": True,
            "data": {"revision": base64.b64encode(data).decode()},
        }
        try:
            self.cluster.create(secret)
        except Exists:
            raise ReleaseBusy(
                f"revision {revision.number} of {revision.name} exists already: somebody else recorded one",
                "run the command again",
            ) from None

    def progress(self, name: str, number: int, progress: Progress) -> None:
        """Replace what became of a revision. Raises ReleaseBusy when the lock was lost meanwhile."""
        patch = {"metadata": {"annotations": {PROGRESS: _written(progress)}}}
        self.cluster.merge("v1", "Secret", secret_name(name, number), patch)

    def lease(self, name: str) -> Lease | None:
        """Who is changing the release; None when nobody is, or the claim has run out."""
        return describe(self.cluster, lease_name(name))

    @contextlib.contextmanager
    def changing(
        self, name: str, operation: str, *, break_lock: bool = False, patience_s: float = 0.0
    ) -> Iterator[None]:
        """Hold the lease, renewing it. Raises ReleaseBusy while somebody else holds it.

        Inside, nothing is written through this Cluster once somebody else has it.
        """
        patience = Patience(f"context `{self.cluster.context}`", patience_s, self.tell)
        held = HeldLease(self.cluster, lease_name(name), name, operation, patience)
        self.cluster.requests.patience = patience
        try:
            held.take(break_lock=break_lock)
            self._held[name] = patience.claim = held
            held.confirm()  # an API server that was waited for may have it with a time that is past
            yield
        finally:
            self.cluster.requests.patience = None
            if self._held.pop(name, None) is not None:
                held.give_back()

    def check_held(self, name: str) -> None:
        """Two that change one release at a time would put one another's engines away: who lost the lock stops."""
        if name in self._held:
            self._held[name].check()

    def forget(self, name: str, number: int | None = None) -> None:
        """Delete a revision, or the whole history.

        The newest goes last: what is left of an interrupted deletion still says what ran.
        """
        if number is not None:
            self.cluster.delete("v1", "Secret", secret_name(name, number))
            return
        secrets = self._secrets(name, metadata=True)
        for secret in sorted(secrets, key=_number):
            self.cluster.delete("v1", "Secret", secret["metadata"]["name"])


def _selector(name: str | None = None) -> str:
    """Of the revisions of a release, or of all."""
    return f"app.kubernetes.io/managed-by={OWN_MANAGER},{RELEASE_LABEL}" + (f"={name}" if name else "")


def secret_name(name: str, number: int) -> str:
    """Of a revision."""
    return f"infercli.release.v1.{name}.v{number}"


def lease_name(name: str) -> str:
    """Of a release's lock."""
    return f"infercli.{name}"


def _number(secret: Json) -> int:
    """Of its revision, by its label; 0 where somebody took that away."""
    said = secret["metadata"]["labels"].get(REVISION_LABEL, "")
    return int(said) if said.isdecimal() else 0


def _written(progress: Progress) -> str:
    kept = {"message": _shortened(progress.message), "said": _shortened(progress.said)}
    return canonical(progress.model_copy(update=kept).model_dump(mode="json")).decode()


def _shortened(text: str | None) -> str | None:
    if text is None or len(text) <= MAX_MESSAGE_CHARACTERS:
        return text
    half = MAX_MESSAGE_CHARACTERS // 2
    return f"{text[:half]}\n...\n{text[-half:]}"

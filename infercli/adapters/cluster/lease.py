"""The lock of a release in a cluster: a Lease (coordination.k8s.io) that its holder renews until it is done.

Times in it are the API server's: the clocks of two machines may differ by minutes, and a claim that one of them takes
for run out would be two drivers on one release. Between them counts a clock of this machine that nobody sets, and that
goes on while it sleeps.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from datetime import UTC, datetime, timedelta

from infercli.adapters.account import holder
from infercli.adapters.cluster.client import Cluster
from infercli.adapters.cluster.errors import OWN_MANAGER, Exists, Stale
from infercli.adapters.cluster.patience import Patience
from infercli.core.record import Json
from infercli.core.release import Lease
from infercli.errors import InferError, ReleaseBusy

DURATION_S = 30
"""How long a claim holds without being renewed: client-go's leader election uses 15; an API server that restarts is
away for 5 to 17 s (measured), and its holder must not lose the lock for that."""
RENEW_S = 8.0
"""Between two renewals: three may fail."""
FRESH_S = 1.0
"""A claim that was renewed so lately is taken for ours without asking: a rollback records several steps a second."""
ANSWER_S = 4.0
"""For the answer to a renewal, and to the look after one that got none: so two are tried while the claim holds."""

API, KIND = "coordination.k8s.io/v1", "Lease"
OPERATION, HOLDER = "infercli.dev/operation", "infercli.dev/holder"


class HeldLease:
    """One claim on one release."""

    def __init__(
        self, cluster: Cluster, name: str, release: str, operation: str, patience: Patience | None = None
    ) -> None:
        self.cluster, self.name, self.release, self.operation = cluster, name, release, operation
        self._patience = patience
        self.holder = holder()
        self.identity = secrets.token_hex(8)
        self._version = ""
        self._taken = (datetime.min.replace(tzinfo=UTC), 0.0)
        """The API server's time when it was taken, and ours."""
        self._renewed = 0.0
        """When the newest `renewTime` was written: the answer to it may come when the claim has run out."""
        self._lost: str | None = None
        self._done = threading.Event()
        self._renewing = threading.Lock()
        """Two renewals at a time would each take the other for somebody else's."""
        self._thread = threading.Thread(target=self._keep, name=f"lease {name}", daemon=True)

    def take(self, *, break_lock: bool) -> None:
        """Claim it, and go on renewing. Raises ReleaseBusy while somebody else's claim holds."""
        self._taken = (self.cluster.now(), _elapsed_s())
        self._renewed = _elapsed_s()
        try:
            made = self.cluster.create(self._body())
        except Exists:
            made = self._take_over(break_lock=break_lock)
        self._version = made["metadata"]["resourceVersion"]
        self._thread.start()

    def _take_over(self, *, break_lock: bool) -> Json:
        found = self.cluster.get(API, KIND, self.name)
        if found is None:
            raise ReleaseBusy(f"the lock of {self.release} was given back just now", "run the command again")
        other = _lease(found, self._now())
        if other is not None and not break_lock:
            raise ReleaseBusy(
                f"{self.release} is being changed by {other.holder} ({other.operation} since {other.acquired_at})",
                f"wait for it; `infercli status {self.release}` shows how far it is. If its holder is gone, its claim "
                f"runs out at {other.expires_at}; --break-lock takes it from whoever has it, and stops what that does",
            )
        self._renewed = _elapsed_s()
        body = self._body()
        body["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
        try:
            return self.cluster.merge(API, KIND, self.name, body)
        except Stale:
            raise ReleaseBusy(f"somebody else took the lock of {self.release} just now", "run it again") from None

    def check(self) -> None:
        """Raises ReleaseBusy when the claim is known to be somebody else's by now."""
        if self._lost is not None:
            raise ReleaseBusy(self._lost, f"`infercli status {self.release}` shows who changes it and how far it is")

    def confirm(self) -> None:
        """As `check`, by renewing it: somebody may have broken the lock, or taken it when it had run out.

        Also raises ReleaseBusy where it has run out and cannot be renewed while the API server is waited for.
        """
        self.check()
        if _elapsed_s() - self._renewed > FRESH_S:
            self._renew()
        if self._lost is None and _elapsed_s() - self._renewed > DURATION_S:
            why = f"the lock of {self.release} could not be renewed for {DURATION_S} s"
            if self._patience is None or not self._patience.wait(why):
                self._lost = f"{why}, so it may be another's"
        self.check()

    def renewed(self) -> bool:
        """Renew it now; False: that cannot be told. Raises ReleaseBusy where it is another's."""
        self.check()
        asked = _elapsed_s()
        self._renew()
        self.check()
        return self._renewed >= asked

    def give_back(self) -> None:
        """Stop renewing and delete the Lease, if it is still as we left it."""
        self._done.set()
        self._thread.join()
        with contextlib.suppress(InferError):  # it runs out by itself
            self.cluster.delete(API, KIND, self.name, resource_version=self._version)

    def _keep(self) -> None:
        while self._lost is None and not self._done.wait(RENEW_S):
            self._renew()

    def _renew(self) -> None:
        with self._renewing:
            sent, written = _elapsed_s(), _micro(self._now())
            patch = {"metadata": {"resourceVersion": self._version}, "spec": {"renewTime": written}}
            try:
                renewed = self.cluster.merge(API, KIND, self.name, patch, timeout_s=ANSWER_S)
                self._version, self._renewed = renewed["metadata"]["resourceVersion"], sent
            except InferError:
                self._look_again(sent, written)

    def _look_again(self, sent: float, written: str) -> None:
        """After a renewal that failed: it may have been done without an answer, or the Lease is another's."""
        try:
            found = self.cluster.get(API, KIND, self.name, timeout_s=ANSWER_S)
        except InferError:
            return  # a silent API server: `confirm` counts the seconds
        if not self._is_ours(found):
            self._lost = f"somebody else took the lock of {self.release}"
            if found is None:
                self._lost = (
                    f"the lock of {self.release} is gone: somebody else took it and gave it back, or Lease {self.name} "
                    f"was deleted, alone or with namespace {self.cluster.namespace}"
                )
            return
        self._version = found["metadata"]["resourceVersion"]
        if found["spec"].get("renewTime") == written:
            self._renewed = sent

    def _now(self) -> datetime:
        at, since_s = self._taken
        return at + timedelta(seconds=_elapsed_s() - since_s)

    def _is_ours(self, found: Json) -> bool:
        return found is not None and (found["metadata"].get("annotations") or {}).get(HOLDER) == self._who

    @property
    def _who(self) -> str:
        return f"{self.holder} {self.identity}"

    def _body(self) -> Json:
        now = _micro(self._now())
        return {
            "apiVersion": API,
            "kind": KIND,
            "metadata": {
                "name": self.name,
                "namespace": self.cluster.namespace,
                "labels": {"app.kubernetes.io/managed-by": OWN_MANAGER, "app.kubernetes.io/instance": self.release},
                "annotations": {OPERATION: self.operation, HOLDER: self._who},
            },
            "spec": {
                "holderIdentity": self.holder,
                "leaseDurationSeconds": DURATION_S,
                "acquireTime": now,
                "renewTime": now,
            },
        }


def _elapsed_s() -> float:
    """Seconds, those included in which this machine slept: a laptop that was closed has lost its claim.

    CLOCK_MONOTONIC stands still meanwhile on Linux, and goes on elsewhere (clock_gettime(2), and macOS').
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def describe(cluster: Cluster, name: str) -> Lease | None:
    """Who holds the lock; None when nobody does, or the claim has run out."""
    found = cluster.get(API, KIND, name)
    return None if found is None else _lease(found, cluster.now())


def _lease(found: Json, now: datetime) -> Lease | None:
    spec = found.get("spec") or {}
    renewed = _parsed(spec.get("renewTime"))
    if not spec.get("holderIdentity") or renewed is None:
        return None
    expires = renewed + timedelta(seconds=spec.get("leaseDurationSeconds") or DURATION_S)
    if expires <= now:
        return None
    acquired = _parsed(spec.get("acquireTime")) or renewed
    return Lease(
        holder=spec["holderIdentity"],
        operation=(found["metadata"].get("annotations") or {}).get(OPERATION, "unknown"),
        acquired_at=_shown(acquired),
        expires_at=_shown(expires),
    )


def _micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _parsed(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

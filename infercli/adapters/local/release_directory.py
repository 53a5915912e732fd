"""The release history on this machine's disk: one folder per release, one file per revision, one for its progress.

A revision file is written once; the lease is a file lock that the kernel drops when its holder dies, with a note beside
it that says who holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from infercli.adapters.account import holder
from infercli.adapters.clock import SystemClock
from infercli.adapters.files import read_document, to_json, write_text
from infercli.core.release import Entry, Lease, Progress, Revision
from infercli.errors import InferError, ReleaseBusy

TRY_S = 1.0
"""How long the lock is tried for: whoever looks who holds it has it for well under a millisecond."""


class ReleaseDirectory:
    """actions.ports.ReleaseStore over a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> Sequence[str]:
        """The releases that have a history."""
        return sorted(p.name for p in self.root.glob("*") if any(p.glob("*.revision.json")))

    def elsewhere(self, name: str | None = None) -> Sequence[str]:
        """There is one directory."""
        del name
        return ()

    def entries(self, name: str) -> Sequence[Entry]:
        """The history, oldest first."""
        found = []
        for path in (self.root / name).glob("*.revision.json"):
            progress = path.with_name(path.name.replace(".revision.", ".progress."))
            found.append(
                Entry(
                    revision=read_document(path, Revision),
                    progress=read_document(progress, Progress) if progress.exists() else Progress(),
                )
            )
        return sorted(found, key=lambda e: e.number)

    def _path(self, name: str, number: int, what: str) -> Path:
        return self.root / name / f"{number:06}.{what}.json"

    def append(self, revision: Revision) -> None:
        """Record a revision. Raises ReleaseBusy when that number is taken."""
        path = self._path(revision.name, revision.number, "revision")
        if path.exists():
            raise ReleaseBusy(f"revision {revision.number} of {revision.name} exists already", "run the command again")
        write_text(path, to_json(revision.model_dump(mode="json")), private=True)

    def progress(self, name: str, number: int, progress: Progress) -> None:
        """Replace what became of a revision."""
        write_text(self._path(name, number, "progress"), to_json(progress.model_dump(mode="json")), private=True)

    def lease(self, name: str) -> Lease | None:
        """Who is changing the release; None when nobody is: the kernel frees the lock of a process that died."""
        path = self.root / name / "lock"
        if not path.exists():
            return None
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                with contextlib.suppress(ValueError):
                    return Lease.model_validate(json.loads(path.read_text()))
                return Lease(holder="unknown", operation="unknown", acquired_at="unknown", expires_at="unknown")
        return None

    @contextlib.contextmanager
    def changing(
        self, name: str, operation: str, *, break_lock: bool = False, patience_s: float = 0.0
    ) -> Iterator[None]:
        """Hold the lease. `break_lock` has nothing to do here: a dead holder's lock is free already.

        Nor has `patience_s`: files do not go away for a while.
        """
        del break_lock, patience_s
        end = time.monotonic() + TRY_S
        while (file := _locked(self.root / name / "lock")) is None:
            if time.monotonic() > end:
                held = self.lease(name)
                who = f"{held.holder} ({held.operation} since {held.acquired_at})" if held else "another process"
                raise ReleaseBusy(
                    f"{name} is being changed by {who}", f"wait for it; `infercli status {name}` shows how far it is"
                )
            time.sleep(0.01)
        with file:
            lease = Lease(
                holder=holder(),
                operation=operation,
                acquired_at=SystemClock().now(),
                expires_at="when that process ends",
            )
            try:
                file.truncate(0)
                file.write(lease.model_dump_json().encode())
            except OSError as error:
                raise InferError(f"{file.name} could not be written: {error.strerror}", "`df -h`") from error
            try:
                yield
            finally:
                file.truncate(0)

    def check_held(self, name: str) -> None:
        """A lock of the kernel is held until it is given back."""

    def forget(self, name: str, number: int | None = None) -> None:
        """Delete a revision, or the whole history."""
        if number is not None:
            for what in ("revision", "progress"):
                self._path(name, number, what).unlink(missing_ok=True)
            return
        for path in sorted((self.root / name).glob("*.json")):  # what is left of an interrupted deletion says what ran
            path.unlink(missing_ok=True)
        shutil.rmtree(self.root / name, ignore_errors=True)


def _locked(path: Path) -> IO[bytes] | None:
    """The file, locked; None while somebody else has it. Opened anew each time: who deletes a release deletes it.

    Raises InferError where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = path.open("a+b", buffering=0)  # what a full disk did not take is not tried again at the end
    except OSError as error:
        raise InferError(
            f"{path} cannot be written: {error.strerror}", "XDG_STATE_HOME names a folder that can be written"
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file

"""The files of a lock entry, from the Hub into a directory: exactly those bytes, or an error.

The one thing to know: a file has its name only once its sha256 is right, and config.json comes last, so that a
directory which is not whole is no model to an engine. What was under way lies in `.infercli-download/` and is gone on
with after a crash, by a range; the Hub's own client would begin anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from infercli.adapters.models import model_files
from infercli.adapters.models.hub_client import HubClient
from infercli.adapters.models.hub_errors import Asked
from infercli.adapters.models.model_directory import OnProgress, compare, hash_into, offset, strangers
from infercli.core.documents.model import LockedFile, LockedModel
from infercli.core.units import gib
from infercli.errors import HubError, InputError

STAGING = ".infercli-download"


def download(
    hub: HubClient, asked: Asked, locked: LockedModel, directory: Path, on_progress: OnProgress | None
) -> None:
    """Fetch what is missing, verify everything. What is already there is read and kept.

    Raises HubError, or InputError when the directory holds something else.
    """
    _check_names(locked)
    staging = directory / STAGING
    staging.mkdir(parents=True, exist_ok=True)
    with _alone(staging, directory):
        total = sum(f.size_bytes for f in locked.files)
        missing, done = [], 0
        strange = [f"{n}: is not a file of {locked.id}" for n in strangers(locked, directory)]
        for file in locked.files:
            difference = compare(directory / file.path, file, offset(on_progress, done, total, file.path))
            if difference is None:
                done += file.size_bytes
            elif difference.kind == "missing":
                missing.append(file)
            else:
                strange.append(str(difference))
        if strange:
            raise InputError(
                f"{directory} holds something else:\n" + "\n".join(sorted(strange)),
                f"name an empty directory, or `mv {directory} {directory}.old`",
            )
        _check_fits(locked, missing, staging)
        for file in sorted(missing, key=lambda f: (f.path == model_files.CONFIG, f.path)):
            _fetch(hub, asked, file, directory, offset(on_progress, done, total, file.path))
            done += file.size_bytes
        shutil.rmtree(staging)


class _Part:
    """What has arrived of one file, and the sha256 of it so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sha256 = hashlib.sha256()
        self.size = hash_into(self.sha256, path) if path.is_file() else 0
        self.found = self.size
        """Bytes of an earlier run: not yet known to be good ones."""

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)
        self.sha256, self.size, self.found = hashlib.sha256(), 0, 0

    def append(self, chunks: Iterator[bytes], tell: Callable[[int], None]) -> None:
        """Unbuffered: when the disk is full, what is counted here is what lies there."""
        with self.path.open("ab", buffering=0) as out:
            for chunk in chunks:
                rest = memoryview(chunk)
                while rest:
                    count = out.write(rest)
                    self.sha256.update(rest[:count])
                    self.size += count
                    rest = rest[count:]
                tell(self.size)


def _fetch(hub: HubClient, asked: Asked, file: LockedFile, directory: Path, tell: Callable[[int], None] | None) -> None:
    part = _Part(directory / STAGING / f"{file.sha256}.part")
    while True:
        hub.persist(lambda: _receive(hub, asked, file, part, tell), lambda: part.size)
        if part.size == file.size_bytes and part.sha256.hexdigest() == file.sha256:
            break
        again = part.found > 0  # the earlier run may have left garbage: once more, from the first byte
        part.clear()
        if not again:
            raise HubError(
                f"{file.path} of `{asked.model_id}` did not arrive as it is locked: its sha256 differs",
                "a proxy or a mirror may change files: `unset HF_ENDPOINT HTTPS_PROXY` and run the same command again",
            )
    final = directory / file.path
    final.parent.mkdir(parents=True, exist_ok=True)
    with part.path.open("rb+") as whole:
        os.fsync(whole.fileno())  # after a power cut the name must not stand on an empty file
    part.path.replace(final)


def _receive(hub: HubClient, asked: Asked, file: LockedFile, part: _Part, tell: Callable[[int], None] | None) -> None:
    """One request for what is missing of `file`. Raises the client's exceptions; `part` keeps what has arrived."""
    import httpx2

    if part.size >= file.size_bytes and part.path.is_file():
        return  # whole, or too long: the hash decides
    with hub.stream(asked, asked.revision, file.path, part.size) as response:
        if response.status_code == 416:
            return  # the file ends before what is here: the hash says no to that
        if part.size and response.status_code != 206:
            part.clear()  # the whole file comes, though a part was asked for

        def at_most() -> Iterator[bytes]:
            left = file.size_bytes - part.size
            for chunk in response.iter_bytes():  # of no fixed size: a drop must not lose what was waiting for the rest
                yield chunk
                left -= len(chunk)
                if left < 0:
                    return  # too long, and nobody knows how much is still to come

        part.append(at_most(), tell or (lambda _: None))
    if part.size < file.size_bytes and response.headers.get("content-length") is None:
        raise httpx2.RemoteProtocolError("the file ended early")  # unsized answers can end anywhere unnoticed


@contextmanager
def _alone(staging: Path, directory: Path) -> Iterator[None]:
    """Two downloads into one directory would write into one another's parts. The lock goes with its process."""
    with (staging / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            raise HubError(
                f"another infercli downloads into {directory}", f"wait for it; `fuser {staging}/lock` says which it is"
            ) from busy
        yield


def _check_names(locked: LockedModel) -> None:
    """A lock is a file that people edit and merge: no name in it may lead out of the directory."""
    for file in locked.files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts or "\0" in file.path or not path.parts or path.parts[0] == STAGING:
            raise InputError(
                f"the lock of `{locked.id}` names a file outside the model's directory: {file.path}",
                f"pin it again: `infercli pin {locked.id} --revision {locked.commit}`",
            )


def _check_fits(locked: LockedModel, missing: list[LockedFile], staging: Path) -> None:
    from huggingface_hub.constants import MAX_HTTP_DOWNLOAD_SIZE

    here = sum(p.stat().st_size for f in missing if (p := staging / f"{f.sha256}.part").exists())
    needed, free = sum(f.size_bytes for f in missing) - here, shutil.disk_usage(staging).free
    if needed > free:
        raise HubError(
            f"{staging.parent} has {gib(free)} free, and {gib(needed)} are still to come",
            f"`df -h {staging.parent}`; make room or name a directory on another disk",
        )
    for file in missing:
        if file.size_bytes > MAX_HTTP_DOWNLOAD_SIZE:
            raise HubError(
                f"{file.path} has {gib(file.size_bytes)}, more than the Hub hands out by plain HTTP",
                f"`hf download {locked.id} {file.path} --revision {locked.commit} --local-dir {staging.parent}` can; "
                "then the same command again: it verifies what is there",
            )

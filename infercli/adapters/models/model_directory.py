"""A directory on this machine as a model: locked by its hashes, and held against a lock.

The one thing to know: every file is read to its end, each time. A size or a date proves nothing, so locking or
verifying 140 GB takes minutes; `on_progress` is told how far it is.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Literal

from infercli.adapters.models import model_files, whole_files
from infercli.core.documents.model import LockedFile, LockedModel
from infercli.core.record import Json, Record
from infercli.errors import InputError, InvalidFile

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

OnProgress = Callable[[int, int, str], None]
"""Told (bytes done, bytes in all, the file at work) after every chunk."""

CHUNK_BYTES = 4 * 2**20  # large enough that sha256, not Python, is what takes the time; small enough for a smooth bar


class Difference(Record):
    """One way in which a directory is not what the lock says."""

    path: str
    kind: Literal["missing", "size", "content", "extra"]
    """`extra`: the lock does not have it and the engine would read it."""
    detail: str

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


def lock_directory(
    path: Path | str,
    name: str | None = None,
    on_progress: OnProgress | None = None,
    again: str = "pin it",
) -> LockedModel:
    """The lock entry of a directory. `name` is what it is called (default: the directory's own name).

    A file may be a symlink (the Hub's cache is made of them); a folder may not. Raises InvalidFile with everything that
    is wrong and `again` as what to do after it is put right, InputError when it is no readable directory.
    """
    directory = Path(os.path.abspath(path))  # noqa: PTH100  # Path.resolve would replace the name the user chose
    with _readable(directory):
        names, dangling = _names(directory)
        contents = {n: (directory / n).read_bytes() for n in model_files.DESCRIPTIONS if n in names}
        checkpoint = model_files.look(names, contents)
        problems = {*checkpoint.problems, *((n, "is a symlink to nothing") for n in dangling if _matters(n))}
        problems |= {(n, _NO_TEXT) for n in checkpoint.files if not _is_text(n)}
        problems |= set() if _is_text(str(directory)) else {("", _NO_TEXT)}
        problems |= {(n, _MISTRAL_TOO) for n in _mistral_copies(names, checkpoint.files)}
        problems |= set(whole_files.broken(directory, checkpoint.files))
        if problems:
            pointers = any(what == whole_files.IS_POINTER for _, what in problems)
            mend = f"`git -C {quote(str(path))} lfs pull` fetches the files" if pointers else "put it right"
            raise InvalidFile(str(directory), sorted(problems), f"{mend}, then {again} again")
        files = _hash_all(directory, checkpoint.files, on_progress)
        card = _card(directory / "README.md")
    return LockedModel(
        id=name or directory.name,
        source="directory",
        directory=str(directory),
        files=files,
        config=checkpoint.config,
        quantization_config=checkpoint.quantization_config,
        license=model_files.licence(card),
        custom_code=checkpoint.custom_code,
    )


def verify(locked: LockedModel, directory: Path | str, on_progress: OnProgress | None = None) -> tuple[Difference, ...]:
    """Every way in which `directory` is not `locked`, in order of path; empty when it is. Raises InputError."""
    place = Path(os.path.abspath(directory))  # noqa: PTH100  # as in lock_directory
    total, done = sum(f.size_bytes for f in locked.files), 0
    differences = []
    with _readable(place):
        for file in locked.files:
            tell = offset(on_progress, done, total, file.path)
            if difference := compare(place / file.path, file, tell):
                differences.append(difference)
            done += file.size_bytes
        extra = strangers(locked, place)
    differences += [Difference(path=n, kind="extra", detail="is not in the lock, and would be read") for n in extra]
    return tuple(sorted(differences, key=lambda d: d.path))


def strangers(locked: LockedModel, directory: Path) -> list[str]:
    """Files in `directory` that an engine would read and `locked` does not have. Raises OSError."""
    names, _ = _names(directory)
    contents = {n: (directory / n).read_bytes() for n in (model_files.INDEX,) if n in names}
    read = model_files.look(names, contents).files
    return sorted((set(read) | set(_mistral_copies(names, read))) - {f.path for f in locked.files})


def hash_into(sha256: Hash, path: Path, tell: Callable[[int], None] | None = None) -> int:
    """Feed a file to `sha256`, reading it once; its bytes. `tell` gets the bytes read so far. Raises OSError."""
    size, buffer = 0, memoryview(bytearray(CHUNK_BYTES))
    try:
        with path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                sha256.update(buffer[:count])
                size += count
                if tell:
                    tell(size)
    except OSError as error:
        error.filename = error.filename or str(path)  # a failed read does not say of what
        raise
    return size


_NO_TEXT = "is a name that is not UTF-8 text, which no lock can hold; rename it"


def _is_text(name: str) -> bool:
    return name == name.encode("utf-8", "replace").decode()


_MISTRAL_TOO = "a second copy of the weights, which the engine would read instead; move it out of the directory"


def _mistral_copies(names: Iterable[str], chosen: Iterable[str]) -> list[str]:
    """Weights in Mistral's own format that the lock leaves out: an engine that finds them prefers them."""
    left_out = set(names) - set(chosen)
    return [n for n in left_out if n.startswith(model_files.MISTRAL_WEIGHTS) and n.endswith(".safetensors")]


def _names(directory: Path) -> tuple[frozenset[str], list[str]]:
    """The files that a model could have in it, and the symlinks that lead nowhere."""
    names, dangling = set(), []
    for folder, prefix in ((directory, ""), (directory / model_files.TEMPLATES, model_files.TEMPLATES)):
        if prefix and (folder.is_symlink() or not folder.is_dir()):
            continue
        for entry in os.scandir(folder):
            if entry.is_file():
                names.add(prefix + entry.name)
            elif entry.is_symlink() and not Path(entry.path).exists():
                dangling.append(prefix + entry.name)
    return frozenset(names), dangling


def _matters(name: str) -> bool:
    return model_files.is_companion(name) or name.endswith(".safetensors")


def _hash_all(directory: Path, names: tuple[str, ...], on_progress: OnProgress | None) -> tuple[LockedFile, ...]:
    total, done, files = sum((directory / n).stat().st_size for n in names), 0, []
    for name in names:
        sha256 = hashlib.sha256()
        size = hash_into(sha256, directory / name, offset(on_progress, done, total, name))
        files.append(LockedFile(path=name, size_bytes=size, sha256=sha256.hexdigest()))
        done += size
    return tuple(files)


def compare(path: Path, file: LockedFile, tell: Callable[[int], None] | None = None) -> Difference | None:
    """How the file at `path` is not `file`; None when it is, to the last byte. Raises OSError."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return Difference(path=file.path, kind="missing", detail="is missing")
    if not stat.S_ISREG(found.st_mode):
        return Difference(path=file.path, kind="missing", detail="is not a file")
    if found.st_size != file.size_bytes:
        detail = f"has {found.st_size} bytes, the lock says {file.size_bytes}"
        return Difference(path=file.path, kind="size", detail=detail)
    sha256 = hashlib.sha256()
    hash_into(sha256, path, tell)
    if sha256.hexdigest() != file.sha256:
        detail = f"has the sha256 {sha256.hexdigest()[:12]}..., the lock says {file.sha256[:12]}..."
        return Difference(path=file.path, kind="content", detail=detail)
    return None


def _card(readme: Path) -> Json:
    """The metadata at the top of a model card; None when there is none that can be read as YAML."""
    import yaml

    if not readme.is_file():
        return None
    parts = readme.read_text(encoding="utf-8", errors="replace").split("---\n", 2)
    if len(parts) < 3 or parts[0].strip():
        return None
    try:
        return yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return None  # prose that looks like metadata states no licence, and None says just that


def offset(on_progress: OnProgress | None, done: int, total: int, path: str) -> Callable[[int], None] | None:
    """`on_progress` for one file of several: `done` bytes came before it."""
    return (lambda count: on_progress(done + count, total, path)) if on_progress else None


@contextmanager
def _readable(directory: Path) -> Iterator[None]:
    if not directory.is_dir():
        what = "is a file, not a directory" if directory.exists() else "does not exist"
        raise InputError(f"{directory}: {what}", "a model is a directory with config.json and safetensors in it")
    try:
        yield
    except OSError as error:
        where = error.filename or directory
        raise InputError(f"{where}: cannot be read: {error.strerror}", f"`ls -l {where}` says who may") from error

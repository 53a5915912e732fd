"""Files that people write and infercli reads or writes: YAML documents, plans, what is shipped, private state.

A file is replaced as a whole or not at all: whatever is written goes to a neighbour first and is renamed. A link stays
one, to the new file; what is no file (/dev/null, a named pipe) is written to, and never replaced.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from operator import attrgetter
from pathlib import Path
from typing import IO, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from infercli.core.documents.prices import PriceList
from infercli.core.record import Json
from infercli.core.validation import problems_of
from infercli.errors import InferError, InputError, InvalidFile, UnknownName

M = TypeVar("M", bound=BaseModel)

MOST_BYTES = 100_000_000
"""Of a file that is read as a whole: a device that never ends is no file."""
MOST_LEVELS = 200
"""Of lists and mappings inside one another; what people write has ten."""

_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@contextmanager
def reading(path: Path, hint: str | None = None) -> Iterator[None]:
    """Whatever goes wrong while a file is read, as an InputError or an InvalidFile.

    A named pipe that is a file is refused: nobody may ever write to it. That of `-f <(...)` resolves to none.
    """
    try:
        if path.is_fifo() and path.resolve().exists():
            raise InputError(f"{path}: is a named pipe, and nobody may ever write to it", "name a file")
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file", hint or _look(path)) from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a directory", hint or _look(path)) from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise  # shortened where all errors are told
        raise InputError(f"{path}: cannot be read: {error.strerror}", f"`ls -l {path}`") from error
    except UnicodeDecodeError:
        raise InvalidFile(str(path), [("", "is not UTF-8 text")], hint) from None


def _look(path: Path) -> str:
    return f"`ls -l {path if path.is_dir() else path.parent}` lists what is there"


@contextmanager
def text_lines(path: Path) -> Iterator[Iterable[str]]:
    """The lines of a text file, as they are asked for. Raises InputError, InvalidFile."""
    with reading(path), path.open(encoding="utf-8-sig", newline="") as file:
        yield file


def read_text(path: Path) -> str:
    """The whole of a text file. Raises InputError, InvalidFile."""
    with reading(path):
        return path.read_text(encoding="utf-8-sig")


def read_yaml(path: Path, hint: str | None = None, most_bytes: int = MOST_BYTES) -> Json:
    """The one document of a YAML (or JSON) file, in which no key is there twice. Raises InputError, InvalidFile."""
    text = bounded_text(path, hint, most_bytes)
    if text.lstrip().startswith("{"):
        # To YAML 1.1, and so to PyYAML, JSON's 1e-05 is a word and no number.
        with suppress(ValueError, RecursionError):
            return json.loads(text, object_pairs_hook=unique_keys)
    try:
        wrong = _wrong_structure(text)
        if wrong:
            raise InvalidFile(str(path), wrong, hint)
        return yaml.load(text, _LOADER)  # noqa: S506  # a safe loader, in C where there is one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = f"not {'JSON' if path.suffix == '.json' else 'YAML'}: {getattr(error, 'problem', None) or error}"
        raise InvalidFile(str(path), [(where, what)], hint) from None


def bounded_text(path: Path, hint: str | None = None, most_bytes: int = MOST_BYTES, encoding: str = "utf-8-sig") -> str:
    """Of a file that is no log; what never ends, or never begins, is refused. Raises InputError, InvalidFile."""
    with reading(path, hint):
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
        if len(data) > most_bytes:
            raise InputError(f"{path}: is larger than {most_bytes / 1e6:,.0f} MB", "name the file that is meant")
        return data.decode(encoding)


def unique_keys(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object of JSON. Raises ValueError for a key that is there twice: read as YAML, it is said in which lines."""
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"`{next(name for name in value if names.count(name) > 1)}` is there twice")
    return value


def _wrong_structure(text: str) -> list[tuple[str, str]]:
    """Keys that are there twice, or the line from which on it is nested too deeply.

    PyYAML takes the last of two keys without a word, and ends the process on what is nested 100,000 deep. Raises
    YAMLError.
    """
    found = []
    keys: list[dict[str, int] | None] = []  # of every collection that is open: line by key; None for a list
    in_key: list[bool] = []  # whether the next node in it is a key
    for event in yaml.parse(text, _LOADER):
        if isinstance(event, yaml.CollectionEndEvent):
            keys.pop()
            in_key.pop()
        if not isinstance(event, yaml.NodeEvent):
            continue
        assert event.start_mark is not None
        line = event.start_mark.line + 1
        if keys and (seen := keys[-1]) is not None:
            if in_key[-1] and isinstance(event, yaml.ScalarEvent):
                if event.value in seen:
                    found.append((f"line {line}", f"`{event.value}` is there twice, first in line {seen[event.value]}"))
                seen.setdefault(event.value, line)
            in_key[-1] = not in_key[-1]
        if isinstance(event, yaml.CollectionStartEvent):
            keys.append({} if isinstance(event, yaml.MappingStartEvent) else None)
            in_key.append(True)
            if len(keys) > MOST_LEVELS:
                return [(f"line {line}", f"is nested deeper than {MOST_LEVELS} levels")]
    return found


def read_document(path: Path, kind: type[M], hint: str | None = None) -> M:
    """A YAML file as a record; every problem is reported at once, each with its path in the file."""
    return parse_document(read_yaml(path, hint), kind, str(path), hint)


_TAKEN = {
    "BenchResult": "a result of bench is taken by report, compare and learn",
    "HardwareProfile": "a profile is taken from ./profiles, by its name",
    "LearnedRuns": "what was learned is read by itself",
    "ModelDeployment": "a deployment is taken as -f FILE",
    "ModelLock": "a lock is read by itself, beside its deployment.yaml",
    "Objectives": "objectives are taken as --objectives FILE, by bench",
    "Plan": "a plan is taken as --plan FILE, by deploy, diff and render",
    "PriceList": "prices are read by themselves, from ./profiles",
    "Workload": "a workload is taken as --workload FILE, by bench",
}
"""What takes a file of each kind."""


def parse_document(value: Json, kind: type[M], path: str, hint: str | None = None) -> M:
    """A value read from `path` as a record. Raises InvalidFile with every problem.

    That it is of another kind is told alone: the others would be that of nearly every key.
    """
    if not isinstance(value, dict):
        empty = "is empty, and " if value is None else ""
        raise InvalidFile(path, [("", f"{empty}must be a mapping with `kind: {kind.__name__}`")], hint)
    said = value.get("kind")
    if isinstance(said, str) and said in _TAKEN and said != kind.__name__:
        raise InvalidFile(path, [("kind", f"is `{said}`, and must be `{kind.__name__}`")], hint or _TAKEN[said])
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise InvalidFile(path, problems_of(error, kind), hint) from None


def write_text(path: Path, text: str, *, private: bool = False) -> None:
    """Replace a file as a whole. `private`: only its owner may read it. Raises InferError (disk full, read-only)."""
    write_bytes(path, text.encode(), private=private)


def check_writable(path: Path) -> None:
    """Asked before long work whose result goes to `path`. Raises InferError as `write_text` would, as far as it can."""
    try:
        if _is_device(path):
            if not os.access(path, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            return
        target = Path(os.path.realpath(path))  # unlike Path.resolve, of a link to itself too
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}."):
            pass
    except FileExistsError as error:
        raise InferError(f"{path} cannot be written: {path.parent} is a file", "name another file") from error
    except OSError as error:
        raise InferError(f"{path} cannot be written: {error.strerror}", "name another file") from error
    if path.is_dir():
        raise InferError(f"{path} is a directory", "name a file in it")


def check_apart(path: str, read: Iterable[str | None]) -> None:
    """Raises InputError where writing `path` would overwrite a file that is read."""
    for one in read:
        with suppress(OSError):  # what is not there, or the name of something shipped, is no file
            if one is not None and Path(path).samefile(one):
                raise InputError(f"{path} is read, and would be overwritten", "name another file")


def write_bytes(path: Path, data: bytes, *, private: bool = False) -> None:
    """As `write_text`."""
    try:
        if _is_device(path):
            with path.open("wb") as device:
                device.write(data)
            return
        target = Path(os.path.realpath(path))  # unlike Path.resolve, of a link to itself too
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700 if private else 0o777)
        umask = os.umask(0)
        os.umask(umask)
        temporary = _new_beside(target, data, 0o600 if private else 0o666 & ~umask)
        try:
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        look = "df -h" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "ls -ld"
        there = next((folder for folder in path.parents if folder.exists()), path.parent)
        raise InferError(f"{path} could not be written: {error.strerror}", f"`{look} {there}`") from error


def _new_beside(target: Path, data: bytes, mode: int) -> Path:
    """A new file in the folder of `target`, on the disk; its name, which it has only once it is whole.

    Whoever is killed while a large one is written leaves nothing. Raises OSError.
    """
    # Only Linux has files without a name, and NFS has none there; of a full disk the second way says so.
    with suppress(OSError, AttributeError):
        handle = os.open(target.parent, os.O_WRONLY | os.O_TMPFILE, 0o600)
        with os.fdopen(handle, "wb") as file:
            _fill(file, data, mode)
            name = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
            # With a number of a folder, which whole paths need not, it is linkat, and follows the link in /proc.
            os.link(f"/proc/self/fd/{handle}", name, src_dir_fd=handle, follow_symlinks=True)
            return name
    handle, named = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            _fill(file, data, mode)
    except BaseException:
        Path(named).unlink(missing_ok=True)
        raise
    return Path(named)


def _fill(file: IO[bytes], data: bytes, mode: int) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())
    os.fchmod(file.fileno(), mode)


def _is_device(path: Path) -> bool:
    """Whether it is there and no regular file, or names where a stream of this process goes (/dev/stdout, /dev/fd/3).

    Root may rename over a device, and takes it from the whole machine.
    """
    return path.exists() and not path.is_dir() and (not path.is_file() or str(path.parent) in ("/dev", "/dev/fd"))


def to_yaml(value: Json) -> str:
    """YAML for people: keys in the order given."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)


def to_json(value: Json) -> str:
    """JSON for people, with a newline at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def shipped(folder: str) -> Path:
    """`profiles`, `charts`, `workloads` or `objectives` as shipped: inside the wheel, or at the root of a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "data" / folder
    if installed.is_dir():
        return installed
    source = f"benchmarks/{folder}" if folder in ("workloads", "objectives") else folder
    return package.parent / source


def shipped_file(folder: str, name: str, kind: str) -> Path:
    """The file `name` where there is one, else the shipped one of that name. Raises UnknownName of `kind`."""
    path = Path(name)
    if path.exists() or path.suffix in (".yaml", ".yml"):
        return path
    known = {file.stem: file for file in shipped(folder).glob("*.yaml")}
    if name not in known:
        raise UnknownName(kind, name, known, "or give the path of a file")
    return known[name]


def serving_sources(part: str) -> dict[str, bytes]:
    """The package that runs in the pod, `front` or `engine`: its source by file name."""
    folder = Path(__file__).resolve().parent.parent / "serving" / part
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.py"))}


def package_sources() -> dict[str, bytes]:
    """Of this package as it is installed, what is pure and what sends loads: source by path below its folder."""
    package = Path(__file__).resolve().parent.parent
    paths = [*package.glob("*.py"), *(package / "core").rglob("*.py"), *(package / "loadgen").rglob("*.py")]
    return {path.relative_to(package.parent).as_posix(): path.read_bytes() for path in sorted(paths)}


def profile_files(project: Path) -> Iterator[Path]:
    """Profiles: the project's own (./profiles), then the shipped ones; the first of a name wins."""
    own = project / "profiles"
    folders = [own] if own.is_dir() else []
    seen: set[str] = set()
    for folder in [*folders, shipped("profiles")]:
        for path in sorted(folder.glob("*.yaml"), key=attrgetter("name")):  # to compare paths themselves is slow
            if path.name not in seen and path.name != "prices.yaml":
                seen.add(path.name)
                yield path


def price_list(project: Path) -> PriceList:
    """The project's own prices.yaml where there is one, else what is shipped. Raises InvalidFile."""
    own = project / "profiles" / "prices.yaml"
    return read_document(own if own.is_file() else shipped("profiles") / "prices.yaml", PriceList)


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process of this machine is in here with that file. The lock goes with its process.

    Raises InferError (read-only).
    """
    try:
        lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = lock.open("wb")
    except OSError as error:
        raise InferError(f"{lock} cannot be written: {error.strerror}", f"`ls -ld {lock.parent}`") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """As `alone`, with a file that is replaced: its folder is locked, and nothing is left in it."""
    with ExitStack() as held:
        with suppress(OSError):  # NFS locks no folders, and one may not be read: two at once are rare enough there
            folder = os.open(Path(os.path.realpath(path)).parent, os.O_RDONLY)
            held.callback(os.close, folder)
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield


def state_home() -> Path:
    """Where infercli keeps what must survive on this machine: $XDG_STATE_HOME/infercli. Raises InputError."""
    return _home("XDG_STATE_HOME", ".local/state")


def cache_home() -> Path:
    """Where infercli keeps what can be made again: $XDG_CACHE_HOME/infercli. Raises InputError."""
    return _home("XDG_CACHE_HOME", ".cache")


def _home(variable: str, below: str) -> Path:
    """A relative path is invalid there, and as good as none (XDG Base Directory Specification 0.8)."""
    named = os.environ.get(variable, "")
    if Path(named).is_absolute():
        return Path(named) / "infercli"
    try:
        return Path.home() / below / "infercli"
    except RuntimeError:
        what = f"there is no home folder: HOME is not set, and no user has the id {os.getuid()}"
        raise InputError(what, f"export HOME, or {variable}, as a folder that can be written") from None

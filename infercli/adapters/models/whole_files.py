"""Whether a model's files are whole, by what each says of itself: a clone without LFS, a broken download, a full disk.

The one thing to know: of the weights only the header is read. A wrong byte in the middle is found by no length; that is
what the hashes in the lock are for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from infercli.core.record import Json

POINTER = b"version https://git-lfs.github.com/spec/v1"
"""How a git-lfs pointer begins (git-lfs docs/spec.md): what a clone has in place of a file that was not fetched."""
IS_POINTER = "is a git-lfs pointer and not the file itself"

_LENGTH_BYTES = 8
"""A safetensors file: the length of its header as a little-endian u64, the header (JSON), the tensors."""
_LONGEST_HEADER_BYTES = 100_000_000
"""The library reads no longer one (safetensors, tensor.rs MAX_HEADER_SIZE)."""
_NO_HEADER = "has no safetensors header: it is another kind of file, or was cut off"


def broken(directory: Path, names: Iterable[str]) -> list[tuple[str, str]]:
    """(name, what is wrong) of each file that is not whole. Raises OSError."""
    return [(name, wrong) for name in names if (wrong := _wrong(directory / name)) is not None]


def _wrong(path: Path) -> str | None:
    """What is wrong with a file; None: nothing that can be seen from its header and size."""
    try:
        with path.open("rb", buffering=0) as file:
            start = file.read(len(POINTER))
            if start == POINTER:
                return IS_POINTER
            if path.suffix != ".safetensors":
                return None
            header_bytes = int.from_bytes(start[:_LENGTH_BYTES], "little")
            if len(start) < _LENGTH_BYTES or header_bytes > _LONGEST_HEADER_BYTES:
                return _NO_HEADER
            file.seek(_LENGTH_BYTES)
            tensors_bytes = _described_bytes(file.read(header_bytes))
            size_bytes = path.stat().st_size
    except OSError as error:
        error.filename = error.filename or str(path)  # a failed read does not say of what
        raise
    if tensors_bytes is None:
        return _NO_HEADER
    return _wrong_size(size_bytes, _LENGTH_BYTES + header_bytes + tensors_bytes)


def _described_bytes(header: bytes) -> int | None:
    """Where the last tensor ends; None where this is no header."""
    try:
        tensors: dict[str, Json] = json.loads(header)
        return max((int(t["data_offsets"][1]) for name, t in tensors.items() if name != "__metadata__"), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return None


def _wrong_size(size_bytes: int, described_bytes: int) -> str | None:
    if size_bytes == described_bytes:
        return None
    why = "it was cut off" if size_bytes < described_bytes else "something else was written behind them"
    return f"has {size_bytes:,} bytes, and its header describes {described_bytes:,}: {why}"

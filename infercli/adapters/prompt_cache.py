"""Prompts that were written once, kept for the next run: the same workload, seed and tokenizer give the same.

Only made-up text is kept, never a user's. An entry that is not whole is as good as none.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

from pydantic import ValidationError

from infercli.adapters.files import cache_home, write_bytes
from infercli.core.load.sending import Sending

MAX_BYTES = 2**30
"""Of all entries; the ones that were not used for longest go first. Room for some two hundred million tokens."""


def _folder() -> Path:
    return cache_home() / "prompts"


def load(key: str) -> Sending | None:
    """What is kept under `key`, 64 hex digits; None where there is nothing, or nothing whole."""
    path = _folder() / key
    try:
        checksum, _, data = path.read_bytes().partition(b"\n")
        path.touch()
    except OSError:
        return None
    if checksum.decode("ascii", "replace") != hashlib.sha256(data).hexdigest():
        return None
    try:
        return Sending.model_validate_json(data)
    except ValidationError:
        return None  # of another version, though its key should have said so


def store(key: str, sending: Sending) -> None:
    """Keep it, readable by its owner alone, unless it is too much. Raises InferError where nothing can be written."""
    data = sending.model_dump_json(exclude_defaults=True).encode()
    if len(data) > MAX_BYTES // 2:
        return
    write_bytes(_folder() / key, hashlib.sha256(data).hexdigest().encode() + b"\n" + data, private=True)
    _make_room(_folder())


def _make_room(folder: Path) -> None:
    with contextlib.suppress(OSError):  # another run may be at it too
        entries = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in folder.iterdir())
        surplus = sum(size for _, size, _ in entries) - MAX_BYTES
        for _, size, path in entries:
            if surplus <= 0:
                return
            path.unlink(missing_ok=True)
            surplus -= size

"""The key under which prompts are hashed."""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

from infercli.errors import InferError


def digest_key(path: Path) -> bytes:
    """This machine's key for prompt digests; made, readable by its owner alone, when there is none yet."""
    try:
        key = path.read_bytes() if path.exists() else b""
        key = key or _made(path)
    except OSError as error:
        raise InferError(
            f"{path}: {error.strerror}",
            "it holds the key under which prompts are hashed; XDG_STATE_HOME names a folder that can be written",
        ) from error
    if len(key) != 32:
        raise InferError(f"{path} is not a key: {len(key)} bytes, not 32", f"remove {path}; a new one is made")
    return key


def _made(path: Path) -> bytes:
    """Of two at once the second takes the key of the first; an empty file is that of one that was killed here."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        key = file.read() or secrets.token_bytes(32)
        file.seek(0)
        file.write(key)
    return key

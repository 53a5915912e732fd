"""The key under which prompts are hashed."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from infercli.errors import InferError


def digest_key(path: Path) -> bytes:
    """This machine's key for prompt digests; made, readable by its owner alone, when there is none yet."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            key = path.read_bytes()
        else:
            key = secrets.token_bytes(32)
            with os.fdopen(handle, "wb") as file:
                file.write(key)
    except OSError as error:
        raise InferError(
            f"{path}: {error.strerror}",
            "it holds the key under which prompts are hashed; XDG_STATE_HOME names a folder that can be written",
        ) from error
    if len(key) != 32:
        raise InferError(f"{path} is not a key: {len(key)} bytes, not 32", f"remove {path}; a new one is made")
    return key

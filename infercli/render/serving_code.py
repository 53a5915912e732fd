"""The serving code as it reaches Ray: one zip per package, named by its content.

An application picks its zip with `PYTHONPATH`, so new code is a new path: it reaches new engines and never a running
one. The bytes must not depend on when, where or by whom they were made: equal source, equal digest.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Literal

Part = Literal["front", "engine"]
PARTS: tuple[Part, ...] = ("front", "engine")

_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The earliest time that the zip format can say; a real one would change the digest of unchanged code."""

_READABLE = 0o100644 << 16
"""Mode of a regular file that everybody reads: a pod runs as a user that did not make the zip."""

_UNIX = 3
"""`create_system`: without it Python writes the maker's own system into the bytes."""

DIGEST_DIGITS = 12
"""48 bits: a project has a few versions of this code, and a clash would need 2^24 of them."""


def module_name(part: Part) -> str:
    """The top-level package in the zip of that part: `infercli_front`, `infercli_engine`."""
    return f"infercli_{part}"


def zip_package(package: str, files: Mapping[str, bytes]) -> bytes:
    """A zip with the one top-level package, stored and not compressed.

    `files` is source by file name (`__init__.py`, `rules.py`): all of `infercli/serving/<part>/`.
    """
    return zip_files({f"{package}/{name}": source for name, source in files.items()})


def zip_files(files: Mapping[str, bytes]) -> bytes:
    """A zip of files by path, sorted, stored: compression would tie its digest to the version of zlib."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, date_time=_EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = _READABLE
            archive.writestr(entry, files[name])
    return buffer.getvalue()


def code_digest(zip_bytes: bytes) -> str:
    """sha256 of the zip, its first 12 hex digits: what `code_digest` in a plan means."""
    return hashlib.sha256(zip_bytes).hexdigest()[:DIGEST_DIGITS]


def zip_name(part: Part, code_digest: str) -> str:
    """The file's name, in a ConfigMap as on a disk: `engine-3f9a1c0b77de.zip`."""
    return f"{part}-{code_digest}.zip"

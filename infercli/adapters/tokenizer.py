"""Token lengths by a tokenizer.json, through Hugging Face's `tokenizers`.

The one thing to know: the package is imported, and the file parsed (0.2 to 0.9 s of CPU), only when a length is asked
for. Until then a tokenizer is a path and the sha256 of the file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from infercli.core.documents.model import LockedModel
from infercli.errors import InputError, InvalidFile

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILE = "tokenizer.json"
BATCH_CHARACTERS = 4_000_000
"""Encoded at a time: an encoding holds every token, some 100 bytes each, so about a million tokens or 100 MB."""
NONE_HINT = (
    "--tokenizer endpoint asks a server that has /tokenize (vLLM), --tokenizer DIRECTORY names one that is here, "
    "--tokenizer none goes without: lengths are approximate then"
)


class FileTokenizer:
    """One tokenizer.json. `pinned_sha256`: what the lock says it is; None where it is not pinned."""

    def __init__(self, path: Path, pinned_sha256: str | None = None) -> None:
        self.name = str(path)
        self._path = path
        self._pinned_sha256 = pinned_sha256

    @cached_property
    def digest(self) -> str:
        """sha256 of the file. Raises InputError where it cannot be read or is not the one that was pinned."""
        found = hashlib.sha256(self._data).hexdigest()
        if self._pinned_sha256 not in (None, found):
            raise InputError(
                f"{self.name} is not the one that was pinned: its sha256 is {found[:12]}..., the lock says "
                f"{self._pinned_sha256[:12]}...",
                "`infercli pin` if it was changed on purpose",
            )
        return found

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by itself, without special tokens. Raises InvalidFile for a file that is no tokenizer."""
        return [
            len(encoding)
            for batch in _batches(texts)
            for encoding in self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
        ]

    @cached_property
    def _data(self) -> bytes:
        from infercli.adapters.files import reading  # it brings yaml, which prompts of words do without

        with reading(self._path, NONE_HINT):
            return self._path.read_bytes()

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        assert self.digest  # which is where the lock is held against it
        # Said before its threads begin: a process that forks later would be warned on stderr otherwise.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_buffer(self._data)
        except Exception as error:  # the package raises Exception itself
            raise InvalidFile(self.name, [("", f"is not a tokenizer: {error}")], NONE_HINT) from error
        # Some files, of embedding models above all, would cut or fill up every text.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


def open_tokenizer(path: Path) -> FileTokenizer:
    """`path`: a tokenizer.json, or a directory with one; it is not read yet. Raises InputError."""
    file = path / FILE if path.is_dir() else path
    if file.exists():
        return FileTokenizer(file)
    if (path / "tokenizer.model").exists():
        raise InputError(
            f"{path} has a tokenizer.model and no {FILE}, which is what can be read here",
            "`transformers` saves one: AutoTokenizer.from_pretrained(DIRECTORY).save_pretrained(ANOTHER)",
        )
    raise InputError(f"{file}: there is no such file", NONE_HINT)


def pinned_tokenizer(model: LockedModel) -> FileTokenizer | None:
    """The tokenizer of a pinned model: in its directory, or in the Hub's cache at the pinned commit.

    None where it is not on this machine. It is held against the lock when it is read.
    """
    locked = next((f for f in model.files if f.path == FILE), None)
    place = _directory(model)
    if locked is None or place is None or not (place / FILE).exists():
        return None
    return FileTokenizer(place / FILE, locked.sha256)


def no_tokenizer(model: LockedModel | None) -> InputError:
    """What to type where a tokenizer is needed and none is here."""
    if model is None or model.source == "directory" or model.commit is None:
        return InputError("no tokenizer is at hand to count tokens with", NONE_HINT)
    return InputError(
        f"the tokenizer of {model.id} is not on this machine",
        f"`hf download {model.id} {FILE} --revision {model.commit}` fetches it; {NONE_HINT}",
    )


def _directory(model: LockedModel) -> Path | None:
    if model.source == "directory":
        return Path(model.directory) if model.directory else None
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE) / f"models--{model.id.replace('/', '--')}" / "snapshots" / str(model.commit)


def _batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    begin, characters = 0, 0
    for at, text in enumerate(texts):
        characters += len(text)
        if characters >= BATCH_CHARACTERS:
            yield texts[begin : at + 1]
            begin, characters = at + 1, 0
    if begin < len(texts):
        yield texts[begin:]

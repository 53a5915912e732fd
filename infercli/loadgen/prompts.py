"""Prompts for a benchmark where the user has none at hand, and the key under which prompts are hashed."""

from __future__ import annotations

import os
import random
import secrets
from pathlib import Path

from infercli.errors import InferError

_TEXT = (
    "the service reads a request from its queue and writes one token after another while the cache keeps what was "
    "seen before so that every new word costs only a step through all layers of weights on a device whose memory "
    "bandwidth sets the pace and whose scheduler joins many users into one batch when their answers grow together "
    "river mountain window letter garden paper bridge winter morning silver market station harbour library engine "
    "orange candle forest mirror violin planet marble copper shadow island thunder meadow ladder basket compass"
)
_WORDS = _TEXT.split()


def synthetic_prompts(n: int, words: int, seed: int) -> list[str]:
    """`n` prompts of `words` English words each; the same seed gives the same prompts.

    Each begins with a number of its own: a prefix shared by all would be answered from the engine's prefix cache, and
    TTFT would be that of a cache hit. About 1.3 tokens a word with the tokenizers of today's models; `usage` says how
    many it was.
    """
    source = random.Random(seed)  # noqa: S311  # reproducible prompts, not secrets
    prompts = []
    for i in range(n):
        # A number is a word of its own, so that `words` is what is sent.
        body = [source.choice(_WORDS) for _ in range(max(words - 1, 0))]
        prompts.append(" ".join([str(seed * 1_000_003 + i), *body]))
    return prompts


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
        raise InferError(f"{path}: {error.strerror}", "it holds the key under which prompts are hashed") from error
    if len(key) != 32:
        raise InferError(f"{path} is not a key: {len(key)} bytes, not 32", f"remove {path}; a new one is made")
    return key

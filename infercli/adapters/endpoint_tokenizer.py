"""Token lengths by the endpoint that is measured, through its `/tokenize` (vLLM, and infercli's front before it).

For those who have a URL and no tokenizer. It takes a request a text, some hundreds before the first prompt and two or
three for each, so what was written is kept (`prompt_cache`), under a digest of how the endpoint reads a sample.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

from infercli.adapters.openai_api import OpenAiApi
from infercli.core.load.texts import GROUPS, WORDS
from infercli.core.record import canonical

AT_ONCE = 8
"""Requests: enough to hide the way there and back, too few to keep a server from its work."""
SAMPLE = " ".join((*WORDS, *GROUPS)) + ' Größe 数字 naïve\t{"a": [1, 2]}\n\n  def f(x): return x ** 2  # 🙂'
"""What the digest is taken of: all that prompts are written with, and what tokenizers differ in."""


class EndpointTokenizer:
    """The tokenizer of one model of one endpoint."""

    def __init__(self, api: OpenAiApi, model: str) -> None:
        self.name = f"/tokenize of {api.endpoint.url} ({model})"
        self._api = api
        self._model = model

    @cached_property
    def digest(self) -> str:
        """Of the token ids of a sample. Raises EndpointError where the endpoint has no `/tokenize`."""
        return hashlib.sha256(canonical(self._ids(SAMPLE))).hexdigest()

    def lengths(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text by itself, without special tokens. Raises EndpointError."""
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            return [len(ids) for ids in pool.map(self._ids, texts)]

    def _ids(self, text: str) -> list[int]:
        return self._api.tokenize(text, model=self._model)

"""A config.json with one wrong value is parsed or refused with words, whatever its class, and soon."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, rank_tensors
from infercli.errors import InferError
from tests.core.against_vllm.class_models import CLASSES
from tests.core.against_vllm.encoder_models import MODELS

CONFIGS = {name: {"architectures": [name.split()[0]]} | config for name, config in {**CLASSES, **MODELS}.items()}
WRONG = ("missing", "x", [0], 10**30)


def broken(config: dict) -> Iterator[dict]:
    """The config with each value, and each value of its parts, replaced by each wrong one."""
    for key, value in config.items():
        for wrong in WRONG:
            yield {k: v for k, v in config.items() if k != key} if wrong == "missing" else config | {key: wrong}
        if isinstance(value, dict):
            yield from (config | {key: part} for part in broken(value))


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_one_wrong_value_is_refused_with_words_or_does_not_matter(name):
    for config in broken(CONFIGS[name]):
        try:
            arch = architecture.parse(config)
        except InferError:
            continue
        assert all(t.outputs * t.inputs >= 0 for t in rank_tensors(arch, Layout(tensor_parallel_size=2)))

"""A config.json with one wrong value is parsed or refused with words, whatever its class, and soon."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, mixers, rank_tensors
from infercli.core.architecture.layers import StateSpace
from infercli.errors import InferError
from tests.core.against_vllm.class_models import CLASSES
from tests.core.against_vllm.encoder_models import MODELS

CONFIGS = {name: {"architectures": [name.split()[0]]} | config for name, config in {**CLASSES, **MODELS}.items()}
WRONG = ("missing", "x", [0], 10**30, -1, float("inf"))


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


@pytest.mark.parametrize(
    ("key", "value"), [("mamba_ssm_cache_dtype", "fp8"), ("mamba_ssm_cache_dtype", 2), ("mamba_head_dim", -64)]
)
def test_states_that_cannot_be_are_refused_by_their_key(key, value):
    config = CONFIGS["NemotronHForCausalLM"] | {"mamba_ssm_cache_dtype": "auto"}
    states = [m for m in mixers(architecture.parse(config)) if isinstance(m, StateSpace)]
    assert {m.state_dtype for m in states} == {None}  # as vLLM chooses
    with pytest.raises(InferError, match=f"{key}: "):
        architecture.parse(config | {key: value})


@pytest.mark.parametrize(("key", "said"), [("n_layers", "more than the 10,000"), ("patch_size", "a patch of 1,073,7")])
def test_an_encoder_beyond_all_reason_is_refused_by_its_key(key, said):
    config = CONFIGS["InklingForConditionalGeneration"]
    with pytest.raises(InferError, match=f"{key}: .*{said}"):
        architecture.parse(config | {"vision_config": config["vision_config"] | {key: 2**30}})

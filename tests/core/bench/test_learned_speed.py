"""Which question a plan makes of a benchmark of its engine; the rest is tested as it is typed (tests/cli)."""

from __future__ import annotations

import pytest

from infercli.core.bench.learned_speed import of_plan
from infercli.core.shapes import find_shape
from infercli.errors import InputError
from tests.core.configs import config_of
from tests.core.plans import LLAMA_8B, locked, plan


def test_whatever_a_plan_says_of_its_engine_is_asked():
    args = {"language_model_only": True, "speculative_config": {"method": "ngram", "num_speculative_tokens": 3}}
    asked = of_plan(plan(LLAMA_8B, "h100", engine_args=args))
    assert asked["language_model_only"] is True
    assert asked["speculation"] == {"method": "ngram", "num_speculative_tokens": 3}


def test_a_config_is_asked_about_as_the_engine_sees_it():
    longer = {"rope_theta": 1e6, "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    args = {"hf_overrides": {"rope_scaling": longer}, "max_model_len": 100_000}
    made = plan("some/model", "h100", locked(config_of(find_shape("Qwen/Qwen3-8B").arch)), engine_args=args)
    assert of_plan(made)["config"]["rope_scaling"] == longer


def test_a_checkpoint_is_asked_about_as_it_is_stored_wherever_that_is_said():
    stored = {"quant_method": "awq", "bits": 4, "group_size": 32}
    made = plan("some/model", "h100", locked(config_of(find_shape(LLAMA_8B).arch), stored), quantization="awq")
    assert of_plan(made)["config"]["quantization_config"] == stored


def test_of_arguments_whose_speed_nobody_knows_nothing_is_asked():
    with pytest.raises(InputError, match="cpu_offload_gb of plan chat changes speed"):
        of_plan(plan(LLAMA_8B, "h100", engine_args={"cpu_offload_gb": 10}))

"""What a deployment may change of config.json: the length and RoPE, as vLLM takes them."""

from __future__ import annotations

from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.engines.arguments import problems
from infercli.core.engines.overrides import overridden, override_problems
from infercli.errors import InputError
from tests.parts.engine_python import ask_vllm

CONFIG = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072,
    "num_hidden_layers": 2, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 1024,
    "max_position_embeddings": 40960, "rope_theta": 1000000, "rope_scaling": None, "torch_dtype": "bfloat16",
    "tie_word_embeddings": True, "rms_norm_eps": 1e-6, "hidden_act": "silu",
}  # fmt: skip
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768, "rope_theta": 1000000}
CASES = [
    (CONFIG, {}, 40960),
    (CONFIG, {"rope_parameters": YARN}, 131072),
    (CONFIG, {"rope_scaling": YARN}, 131072),
    (CONFIG, {"rope_parameters": YARN, "max_position_embeddings": 131072}, 131072),
    (CONFIG, {"max_position_embeddings": 65536}, 65536),
    (CONFIG, {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1000000}}, 81920),
    (CONFIG | {"rope_scaling": YARN | {"factor": 2.0}}, {"rope_parameters": YARN}, 131072),
]


@pytest.mark.parametrize(("config", "overrides", "longest"), CASES)
def test_a_model_is_as_long_as_it_is_overridden_to_be(config, overrides, longest):
    assert override_problems(overrides) == []
    assert architecture.parse(overridden(config, overrides)).max_model_len == longest


@pytest.mark.vllm
@pytest.mark.slow
def test_it_is_as_long_as_vllm_says(tmp_path):
    asked = [{"config": config, "hf_overrides": overrides} for config, overrides, _ in CASES]
    asked.append({"config": CONFIG, "hf_overrides": {"rope_parameters": {"rope_type": "yarn", "factor": 4.0}}})
    answers = ask_vllm(Path(__file__).with_name("overrides_oracle.py"), asked, tmp_path)
    assert answers == [*(longest for _, _, longest in CASES), None]


def test_a_nested_config_is_changed_inside():
    found = overridden({"text_config": CONFIG}, {"text_config": {"rope_parameters": YARN}})
    assert found["text_config"]["rope_parameters"] == YARN
    assert found["text_config"]["hidden_size"] == 1024


@pytest.mark.parametrize(
    ("value", "where", "words"),
    [
        ([1], "", "must be a mapping"),
        ({"num_hidden_layers": 2}, "num_hidden_layers", "cannot be set"),
        ({"text_config": {"vocab_size": 2}}, "text_config.vocab_size", "cannot be set"),
        ({"rope_parameters": None}, "rope_parameters", "must be a mapping"),
        ({"max_position_embeddings": "128k"}, "max_position_embeddings", "whole number"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4}}, "rope_scaling", "original_max_position_embeddings"),
    ],
)
def test_anything_else_is_refused_by_name(value, where, words):
    ((found, what),) = override_problems(value)
    assert found == where
    assert words in what
    place = f"engine_args.hf_overrides{'.' if where else ''}{where}"
    assert (place, what) in problems({"hf_overrides": value}, "0.29.0") or where == ""


def test_a_rope_without_its_theta_is_refused_with_it():
    with pytest.raises(InputError, match="no rope_theta") as error:
        overridden(CONFIG, {"rope_parameters": {k: v for k, v in YARN.items() if k != "rope_theta"}})
    assert "`rope_theta: 1000000`" in (error.value.hint or "")

"""Which config a record means, and reduced shapes grown back."""

from __future__ import annotations

import json

import pytest

from benchmarks.accuracy.models import Library, kin, read_rows
from benchmarks.accuracy.reduced import FAMILIES, expand, is_reduced
from infercli.errors import InputError

QWEN = {
    "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "vocab_size": 100, "intermediate_size": 128, "tie_word_embeddings": False, "provenance": "known", "records": 3,
}  # fmt: skip
WHOLE = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 64}


@pytest.fixture
def library(tmp_path):
    configs = tmp_path / "configs"
    (configs / "org--own-model").mkdir(parents=True)
    (configs / "org--Own-8B-FP8_config.json").write_text(json.dumps(WHOLE | {"quantization_config": {"x": 1}}))
    (configs / "org--Own-8B-FP8_hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": "FP8"}}))
    (configs / "org--own-model" / "config.json").write_text(json.dumps(WHOLE))
    (tmp_path / "list.json").write_text(json.dumps({"_meta": {}, "Qwen/Qwen3-Tiny": QWEN, "a/b": WHOLE}))
    return Library([str(configs), str(tmp_path / "list.json")])


def test_a_models_own_files_are_found_by_its_id_whatever_the_case(library):
    found = library.find("ORG/own-8b-fp8", None)
    assert (found.id, found.own) == ("org/Own-8B-FP8", True)
    assert found.hf_quant_config == {"quantization": {"quant_algo": "FP8"}}
    assert library.find("org/own-model", None).own
    assert library.find("a/b", None).config == WHOLE


def test_a_base_model_lends_its_shape_and_not_its_quantization(library):
    found = library.find("someone/else", "org/Own-8B-FP8")
    assert (found.id, found.own) == ("org/Own-8B-FP8", False)


def test_a_config_of_its_own_that_mixes_methods_is_believed_before_a_name_that_says_one(tmp_path):
    stored = {"quantization": {"quant_algo": "MIXED_PRECISION", "quantized_layers": {
        "model.layers.0.mlp.down_proj": {"quant_algo": "NVFP4", "group_size": 16},
        "model.layers.0.self_attn.o_proj": {"quant_algo": "FP8"},
    }}}  # fmt: skip
    (tmp_path / "org--Own-8B-NVFP4_config.json").write_text(json.dumps(WHOLE))
    (tmp_path / "org--Own-8B-NVFP4_hf_quant_config.json").write_text(json.dumps(stored))
    assert Library([str(tmp_path)]).find("org/Own-8B-NVFP4", None, method="nvfp4").own


def test_what_stands_behind_an_id_is_a_remark(library):
    assert library.find("org/Own-8B-FP8 (online)", None).own


def test_a_reduced_shape_says_what_was_assumed(library):
    found = library.find("Qwen/Qwen3-Tiny", None)
    assert found.config["architectures"] == ["Qwen3ForCausalLM"]
    assert found.config["hidden_size"] == 64
    assert "architectures" in found.assumed
    assert "max_position_embeddings" in found.assumed
    assert not found.own


def test_the_nearest_kin_is_the_same_model_under_another_name(library):
    assert library.find("RedHatAI/Own-8B-quantized.w4a16", None).id == "org/Own-8B-FP8"
    assert library.find("unknown/thing", None) is None
    # Shipped shapes are asked for by id.
    found = library.find("RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic", None)
    assert found.config is None
    assert "3.1-8B" in found.id


def test_of_shipped_kin_the_model_as_it_was_trained_is_the_nearest(library):
    # Qwen/Qwen3-14B-AWQ and -FP8 are shipped too, and are found by their own ids alone.
    assert library.find("QuantTrio/Qwen3-14B-GPTQ-Int4", None).id == "Qwen/Qwen3-14B"
    assert library.find("Qwen/Qwen3-14B-AWQ", None).id == "Qwen/Qwen3-14B-AWQ"


def test_files_of_the_base_that_are_stored_as_the_record_says_go_before_its_shipped_shape(library, tmp_path):
    stored = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head"]}
    (tmp_path / "nvidia--Qwen3-14B-NVFP4_config.json").write_text(json.dumps(WHOLE | {"quantization_config": stored}))
    library = Library([str(tmp_path)])
    found = library.find("someone/mine-NVFP4 + MTP", "Qwen/Qwen3-14B", method="nvfp4")
    assert (found.id, found.own) == ("nvidia/Qwen3-14B-NVFP4", True)
    assert library.find("someone/mine-NVFP4 + MTP", "Qwen/Qwen3-14B", method="awq").id == "Qwen/Qwen3-14B"


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "llama-3.1-8b"),
        ("unsloth/meta-llama-3.1-8b-instruct-unsloth-bnb-4bit", "llama-3.1-8b"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "qwen3-235b-a22b"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-r1"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "qwen2.5-7b"),
    ],
)
def test_kin_drops_publisher_quantization_and_date(name, same):
    assert kin(name) == same


def test_the_shape_that_a_generation_shares():
    assert kin("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", generation=True) == "qwen2.5-14b"
    assert kin("nvidia/Llama-3.3-70B-Instruct-FP8", generation=True) == "llama-3.1-70b"


def test_a_counted_number_of_full_layers_becomes_layer_types():
    shape = QWEN | {"num_hidden_layers": 62, "full_attention_layers": 10, "sliding_window": 1024}
    config, _ = expand("google/gemma-3-27b-it", shape)
    kinds = config["text_config"]["layer_types"]
    # Gemma 3: every sixth layer sees everything, and the run at the end is not whole: 62 = 10 x 6 + 2.
    assert [i for i, kind in enumerate(kinds) if kind == "full_attention"] == [5, 11, 17, 23, 29, 35, 41, 47, 53, 59]
    assert config["vision_config"]["num_hidden_layers"] == 27


def test_a_model_of_no_known_family_is_not_guessed():
    with pytest.raises(KeyError):
        expand("acme/frobnicator-9b", QWEN)
    assert is_reduced(QWEN)
    assert not is_reduced(WHOLE)


def test_no_family_hides_behind_an_earlier_one():
    named = {
        "OPTForCausalLM": "facebook/opt-125m", "Gemma2Model": "BAAI/bge-multilingual-gemma2",
        "MistralModel": "intfloat/e5-mistral-7b-instruct", "Qwen3NextForCausalLM": "Qwen/Qwen3-Coder-Next",
        "Qwen3MoeForCausalLM": "Qwen/Qwen3-30B-A3B", "Qwen3VLForConditionalGeneration": "Qwen/Qwen3-VL-Embedding-2B",
        "QWenLMHeadModel": "Qwen/Qwen-14B-Chat", "Qwen2ForCausalLM": "Alibaba-NLP/gte-Qwen2-7B-instruct",
        "Mistral3ForConditionalGeneration": "mistralai/Ministral-3-14B-Instruct-2512",
        "Phi3ForCausalLM": "microsoft/phi-4", "Exaone4ForCausalLM": "LGAI-EXAONE/EXAONE-4.0-32B",
    }  # fmt: skip
    for architecture, model in named.items():
        config, _ = expand(model, QWEN)
        assert config["architectures"] == [architecture], model
    assert {*named} <= {family.architecture for family in FAMILIES}


def test_a_place_or_a_line_that_is_none_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        Library(["nowhere"])
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "a"}\n\n{"model": "x"}\n')
    assert [row["id"] for row in read_rows(str(path))] == ["a", "line 3"]
    path.write_text('{"id": "a"}\nnonsense\n')
    with pytest.raises(InputError, match="line 2"):
        read_rows(str(path))

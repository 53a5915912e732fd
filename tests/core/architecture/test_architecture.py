from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Dense, Layout, mixers, parameter_count, rank_tensors, uniform_attention
from infercli.core.estimates.tensor_parallel import problems
from infercli.core.quantization.checkpoint import UNQUANTIZED
from infercli.core.shapes import shapes
from infercli.errors import InputError, Unsupported
from tests.core.configs import config_of, counted_ids


@pytest.mark.parametrize("model_id", counted_ids())
def test_a_shape_has_as_many_parameters_as_the_hub_counts(model_id):
    assert parameter_count(shapes()[model_id].arch) == shapes()[model_id].parameters


@pytest.mark.parametrize("model_id", counted_ids())
def test_a_config_json_parses_into_the_shape_that_is_shipped(model_id):
    arch = shapes()[model_id].arch
    assert architecture.parse(config_of(arch)) == arch


SPLITS = [(i, n) for i in counted_ids() for n in (2, 4, 8) if not problems(shapes()[i].arch, UNQUANTIZED, n)]


@pytest.mark.parametrize(("model_id", "ranks"), SPLITS)
def test_the_ranks_together_hold_every_weight_once_and_more_only_where_they_replicate(model_id, ranks):
    arch = shapes()[model_id].arch
    whole = {t.name: t.copies * t.outputs * t.inputs for t in rank_tensors(arch, Layout())}
    for tensor in rank_tensors(arch, Layout(tensor_parallel_size=ranks)):
        together = ranks * tensor.copies * tensor.outputs * tensor.inputs
        if tensor.name in ("norms", "final norm", "query and key norms", "router", "attention output bias"):
            assert together == ranks * whole[tensor.name]
        elif tensor.name in ("qkv", "qkv bias") and uniform_attention(arch).kv_heads < ranks:
            assert together > whole[tensor.name]
        else:
            assert together == whole[tensor.name]


def qwen(**changed):
    return config_of(shapes()["Qwen/Qwen3-8B"].arch) | changed


def mistral(**changed):
    return config_of(shapes()["mistralai/Mistral-7B-Instruct-v0.3"].arch) | changed


def test_transformers_5_names_are_read_too():
    config = qwen(dtype="bfloat16", rope_parameters={"rope_type": "yarn", "factor": 4.0})
    del config["torch_dtype"]
    arch = architecture.parse(config)
    assert arch.dtype == "bfloat16"
    assert arch.max_model_len == 4 * 40960


@pytest.mark.parametrize(
    ("scaling", "longest"),
    [
        (None, 40960),
        ({"rope_type": "default"}, 40960),
        ({"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192}, 40960),
        ({"type": "linear", "factor": 2.0}, 81920),
        ({"rope_type": "dynamic", "factor": 2.0}, 81920),
        ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}, 131072),
    ],
)
def test_the_models_own_maximum_follows_the_rope_scaling(scaling, longest):
    assert architecture.parse(qwen(rope_scaling=scaling)).max_model_len == longest


@pytest.mark.parametrize(
    ("said", "longest", "rows"),
    [
        # Qwen-7B-Chat: trained with the first, and vLLM takes the smallest
        ({"seq_length": 8192, "max_position_embeddings": 32768}, 8192, 32768),
        # Command R: 128k by a key of its own, whatever it was trained with
        ({"max_position_embeddings": 8192, "model_max_length": 131072}, 131072, 131072),
        ({"model_max_length": 4096, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, 8192, 8192),
    ],
)
def test_several_names_of_a_maximum_are_read_as_vllm_reads_them(said, longest, rows):
    # vLLM 0.29 transformers_utils/model_arch_config_convertor.py derive_max_model_len_and_key
    config = {k: v for k, v in qwen().items() if k != "max_position_embeddings"} | said
    arch = architecture.parse(config)
    assert (arch.max_model_len, arch.rope_positions) == (longest, rows)


REFUSED = {
    "an unknown scaling": (qwen(rope_scaling={"rope_type": "spiral", "factor": 32.0}), "spiral"),
    "a window in some layers of a class without": (
        qwen(use_sliding_window=True, sliding_window=4096, max_window_layers=4),
        "max_window_layers",
    ),
    "sliding layers without a window": (
        qwen(layer_types=["sliding_attention"] * 36, use_sliding_window=False),
        "sliding_window",
    ),
    "layers of another kind": (qwen(layer_types=["full_attention", "linear_attention"] * 18), "linear_attention"),
    "nothing": ({}, "not named"),
    "another class": ({"architectures": ["RwkvForCausalLM"]}, "RwkvForCausalLM"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_sized_wrongly_is_refused_by_name(name):
    config, words = REFUSED[name]
    with pytest.raises(Unsupported) as refused:
        architecture.parse(config)
    assert words in refused.value.message
    assert "core/architecture" in refused.value.hint


def test_each_layer_has_the_window_that_its_class_gives_it():
    assert [m.window for m in mixers(architecture.parse(mistral(sliding_window=4096)))] == [4096]
    without_the_key = {k: v for k, v in mistral().items() if k != "sliding_window"}
    assert [m.window for m in mixers(architecture.parse(without_the_key))] == [4096]  # MistralConfig's own default
    windowed = qwen(use_sliding_window=True, sliding_window=4096, max_window_layers=36)
    assert [m.window for m in mixers(architecture.parse(windowed))] == [4096]
    assert [m.window for m in mixers(architecture.parse(qwen(sliding_window=4096)))] == [None]


def test_layers_without_experts_are_told_from_those_with():
    config = config_of(shapes()["Qwen/Qwen3-30B-A3B"].arch) | {"mlp_only_layers": [0, 5]}
    dense, sparse = architecture.parse(config).layers
    assert dense.indices == (0, 5)
    assert dense.feed_forward == Dense(intermediate=6144)
    assert len(sparse.indices) == 46


def test_a_broken_config_says_which_key():
    with pytest.raises(InputError, match=r"config\.json: num_hidden_layers: must be a positive whole number"):
        architecture.parse(qwen(num_hidden_layers="many"))
    with pytest.raises(InputError, match="max_position_embeddings"):
        architecture.parse({k: v for k, v in qwen().items() if k != "max_position_embeddings"})

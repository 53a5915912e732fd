"""Shipped shapes by their names: quantized checkpoints, and what is offered for those that are not here."""

from __future__ import annotations

import re

import pytest

from infercli.core.architecture import parse
from infercli.core.architecture.arch import Layout, rank_tensors
from infercli.core.gpus import find_gpu
from infercli.core.memory.weights import ROTARY, weights_by_role, weights_bytes
from infercli.core.quantization.schemes import schemes_of, typical
from infercli.core.shapes import find_shape, published_as
from infercli.core.shapes.copies import COPIES
from infercli.core.shapes.quantized import QUANTIZED_CARDS, QUANTIZED_COPIES
from infercli.core.units import GIB
from infercli.errors import UnknownName
from tests.core.configs import config_of
from tests.core.plans import plan


@pytest.mark.parametrize(
    ("asked", "base", "method"),
    [
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "meta-llama/Meta-Llama-3.1-8B-Instruct", "w4a16"),
        ("somebody/qwen3-14b-fp8-dynamic", "Qwen/Qwen3-14B", "fp8"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "Qwen/Qwen2.5-7B-Instruct", "gptq"),
    ],
)
def test_an_unknown_checkpoint_of_a_known_model_may_be_planned_as_a_usual_one(asked, base, method):
    with pytest.raises(UnknownName) as refused:
        find_shape(asked)
    assert f"`{base}` with --quantization {method} is planned" in refused.value.hint
    assert plan(base, "h100", quantization=method).fits


@pytest.mark.parametrize("asked", ["Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8", "somebody/else-AWQ"])
def test_no_usual_checkpoint_is_offered_where_there_is_none(asked):
    with pytest.raises(UnknownName) as refused:
        find_shape(asked)
    assert "--quantization" not in refused.value.hint


def test_a_quantized_card_is_stored_as_its_name_says():
    for model_id, base, _ in QUANTIZED_CARDS:
        stored = find_shape(model_id).quantization
        assert model_id.rpartition("/")[2].startswith(base.rpartition("/")[2])
        assert f"-{stored.method}" in model_id.lower()
        usual = typical(stored.method)
        assert (stored.bits, stored.zero_points) == (usual.bits, usual.zero_points)
    assert published_as("Qwen/Qwen3-32B", "awq") == ("Qwen/Qwen3-32B-AWQ",)


@pytest.mark.parametrize(
    ("model_id", "elements"),
    [  # as gogongxt/python's reports count the tensors of the files
        ("MiniMaxAI/MiniMax-M3", 427_040_140_160),
        ("moonshotai/Kimi-Linear-48B-A3B-Instruct", 49_122_681_728),
        ("zai-org/GLM-4.5V", 107_710_933_120),
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", 8_888_227_328),  # debaditc/kvfit, of the Hub
    ],
)
def test_a_copy_of_a_config_has_as_many_parameters_as_its_files(model_id, elements):
    assert find_shape(model_id).parameters == elements


@pytest.mark.parametrize(
    ("model_id", "size"),
    [
        # Totals of the files in gogongxt/python's reports. GLM-4.5 stores the table of its draft layer a second time.
        ("zai-org/GLM-4.5-FP8", 336.47 * GIB),
        ("moonshotai/Kimi-K2.6", 554.27 * GIB),
        ("moonshotai/Kimi-K2.7-Code", 554.27 * GIB),
        ("moonshotai/Kimi-Linear-48B-A3B-Instruct", 91.50 * GIB),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct-FP8", 76.40 * GIB),
        ("XiaomiMiMo/MiMo-V2.5-Pro", 962.40 * GIB),  # with the three layers that draft
        # vllm-project/recipes: "2,496,154,358,768 bytes", "4,892,388,705,238 bytes", "~121 GB on disk".
        ("Qwen/Qwen3.8-2.4T-A95B-FP8", 2_496_154_358_768),
        ("Qwen/Qwen3.8-2.4T-A95B", 4_892_388_705_238),
        ("poolside/Laguna-S-2.1-FP8", 121e9),
        ("RedHatAI/Qwen3.6-35B-A3B-NVFP4", 23.32 * GIB),  # "Checkpoint size" in a log of 0.19, what drafts included
    ],
)
def test_a_copy_of_a_config_makes_as_many_bytes_as_its_files(model_id, size):
    shape = find_shape(model_id)
    bytes_by_role = weights_by_role(shape.arch, shape.quantization, Layout(), 2, drafts=True)
    assert sum(n for role, n in bytes_by_role.items() if role != ROTARY) == pytest.approx(size, rel=0.006)


@pytest.mark.parametrize(
    ("model_id", "gpu", "version", "printed_gib"),
    [  # public logs: "Model loading took"
        ("Qwen/Qwen3.5-4B", "L40S", "0.22.0", 8.61),
        ("RedHatAI/Qwen3.6-35B-A3B-NVFP4", "RTX-5090", "0.19.1", 21.88),
        ("nvidia/NVIDIA-Nemotron-Nano-9B-v2", "L40S", "0.10.1", 16.56),
    ],
)
def test_a_shape_weighs_what_a_log_prints(model_id, gpu, version, printed_gib):
    shape = find_shape(model_id)
    weights = weights_bytes(
        shape.arch, shape.quantization, Layout(), 2, gpu=find_gpu(gpu), engine_version=version, batched_tokens=8192
    )
    assert weights / GIB == pytest.approx(printed_gib, rel=0.002)


def test_qwen3_5_in_fp8_weighs_what_a_log_of_its_text_model_prints():
    # vllm-project/vllm#41000: 27.66 to 27.69 GiB of Qwen3.6-27B-FP8 in 32 GB, where the encoder is left out
    shape = find_shape("Qwen/Qwen3.6-27B-FP8")
    by_role = weights_by_role(shape.arch, shape.quantization, Layout(), 2)
    assert sum(n for role, n in by_role.items() if role != "encoder") / GIB == pytest.approx(27.66, rel=0.002)


def test_llama_3_1_405b_in_fp8_keeps_its_attention_and_outermost_layers():
    # vllm-project/vllm#6746: 57.752 GiB of each of eight GPUs, when its files had every head of keys twice
    shape = find_shape("meta-llama/Meta-Llama-3.1-405B-Instruct-FP8")
    twice = parse(config_of(shape.arch) | {"num_key_value_heads": 16})
    layout = Layout(tensor_parallel_size=8)
    weights = weights_bytes(
        twice, shape.quantization, layout, 2, gpu=find_gpu("H100"), engine_version="0.5.3", batched_tokens=512
    )
    assert weights / GIB == pytest.approx(57.752, rel=0.001)


def test_the_rotary_embeddings_of_qwen3_5_turn_a_quarter_of_each_head_in_three_sections():
    # config.json of nvidia/Qwen3.6-27B-NVFP4: partial_rotary_factor 0.25 of 256, mrope_section [11, 11, 10]
    arch = find_shape("nvidia/Qwen3.6-27B-NVFP4").arch
    assert (arch.rope_width, arch.rope_sections) == (64, True)


def test_a_class_of_which_a_config_was_copied_was_seen():
    assert all(find_shape(row[0][0]).arch.confirmed for row in COPIES)


def test_mimo_v2_with_encoders_is_answered_and_never_said_to_fit():
    # vLLM 0.29 transformers_utils/model_arch_config_convertor.py runs it as MiMoV2OmniForCausalLM
    config = next(row[1] for row in COPIES if row[0] == ("XiaomiMiMo/MiMo-V2.5-Pro",))
    assert parse(config).confirmed
    assert not parse(config | {"vision_config": {"depth": 28}}).confirmed


def test_a_copy_of_a_config_has_the_size_that_its_name_says():
    copied = [i for row in COPIES for i in row[0]] + [row[0] for row in QUANTIZED_COPIES]
    unit = {"M": 1e6, "B": 1e9, "T": 1e12}
    named = {i: re.search(r"-([0-9.]+)([MBT])\b", i) for i in copied}
    sizes = {i: float(m[1]) * unit[m[2]] for i, m in named.items() if m}
    # As vllm-project/recipes says, where the name does not.
    sizes |= {"XiaomiMiMo/MiMo-V2-Flash": 309e9, "tencent/Hy3-preview": 295e9, "inclusionAI/Ling-3.0-flash": 124e9}
    for model_id, size in sizes.items():
        assert find_shape(model_id).parameters == pytest.approx(size, rel=0.06), model_id
    assert len(sizes) >= 15


# Layers that keep 16 bits, of those that have the module.
LEFT_OUT = {
    "zai-org/GLM-4.5-FP8": {"mlp.experts.up_proj": 0, "self_attn.q_proj": 0, "mlp.up_proj": 0},
    "Qwen/Qwen3.8-2.4T-A95B-FP8": {"self_attn.o_proj": 23, "linear_attn.out_proj": 69, "mlp.experts.up_proj": 0},
    "Qwen/Qwen3-Next-80B-A3B-Instruct-FP8": {"linear_attn.in_proj_ba": 36, "linear_attn.in_proj_qkvz": 0},
    "XiaomiMiMo/MiMo-V2-Flash": {"self_attn.o_proj": 48, "self_attn.q_proj": 0},
    "poolside/Laguna-S-2.1-FP8": {"self_attn.q_proj": 48, "mlp.up_proj": 1, "mlp.experts.up_proj": 0},
    "nvidia/GLM-5-NVFP4": {"self_attn.o_proj": 78, "mlp.shared_experts.up_proj": 0, "mlp.experts.up_proj": 0},
    "moonshotai/Kimi-K2.6": {"self_attn.o_proj": 61, "mlp.down_proj": 1, "mlp.experts.down_proj": 0},
}


@pytest.mark.parametrize("model_id", LEFT_OUT)
def test_what_a_copied_config_leaves_out_is_left_out(model_id):
    stored, tensors = find_shape(model_id).quantization, rank_tensors(find_shape(model_id).arch, Layout())
    for module, layers in LEFT_OUT[model_id].items():
        here = [t for t in tensors if t.linear and module in t.modules]
        left_out = sum(n for t in here for s, n in schemes_of(stored, t.modules, t.indices) if s is None)
        assert here, module
        assert left_out == layers, module

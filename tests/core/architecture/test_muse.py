"""Muse Glimmer and Muse Spark Open as published, and Muse Spark counted by hand: vLLM 0.29 does not have it."""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Attention, Layout, parameter_count, rank_tensors
from infercli.core.engines import find_engine
from infercli.core.engines.classes import doubtful_class
from infercli.core.estimates.answer import EstimateError
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.memory.weights import ROTARY, weights_by_role
from infercli.core.quantization.schemes import UNQUANTIZED, typical
from infercli.core.shapes import find_shape
from infercli.errors import Unsupported
from tests.core.architecture.active import active_parameters

H, INNER, WIDTH = 512, 256, 96
TEXT = {
    "model_type": "muse_spark_text", "vocab_size": 1024, "hidden_size": H, "intermediate_size": 768,
    "num_hidden_layers": 5, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 64,
    "max_position_embeddings": 4096, "sliding_window": 128, "moe_intermediate_size": 192, "num_local_experts": 4,
    "num_experts_per_tok": 2, "moe_hidden_size": INNER, "mlp_layer_types": ["dense", *["sparse"] * 4],
}  # fmt: skip
SPARK = {
    "architectures": ["MuseSparkForConditionalGeneration"], "dtype": "bfloat16", "text_config": TEXT,
    "vision_config": {"hidden_size": WIDTH, "intermediate_size": 160, "num_hidden_layers": 2, "patch_size": 14,
                      "num_attention_heads": 4, "pos_emb_height": 8, "pos_emb_width": 8},
    "audio_config": {"hidden_sizes": [32, 64], "depths": [1, 2], "patch_sizes": [4, 2], "mlp_ratio": 4.0,
                     "conv_kernel_size": 7, "out_hidden_size": H},
    "projector_hidden_size": 112,
}  # fmt: skip
SEES = (2 * 3 * 14 * 14 + 64 + 4) * WIDTH + 2 * (4 * WIDTH * WIDTH + 2 * WIDTH * 160 + 9 * WIDTH + 160)
BEHIND = (4 * WIDTH + 112 + H) * 112
FIRST = 4 * 32 + 2 * 32 + 32 * 7 + 2 * 32 + 2 * 32 * 128 + 128 + 32  # a patch of samples, and one block
SECOND = 32 * 2 * 64 + 2 * 64 + 2 * (64 * 7 + 2 * 64 + 2 * 64 * 256 + 256 + 64)
HEARS = FIRST + SECOND + 64 * H + H + 64 + H


def test_muse_spark_counts_as_its_source_says():
    arch = architecture.parse(SPARK)
    attention = H * (2 * 8 + 2 * 2) * 64 + 8 * 64 * H  # with a gate as wide as the queries
    experts = 4 * 3 * INNER * 192 + H * 4 + 4 + 2 * H * INNER + 2 * INNER
    text = 2 * 1024 * H + 5 * (attention + 5 * H) + 3 * H * 768 + 4 * experts + H
    assert parameter_count(arch) == text + SEES + BEHIND + HEARS
    windows = {i: g.mixer.window for g in arch.layers for i in g.indices if isinstance(g.mixer, Attention)}
    assert [windows[i] for i in range(5)] == [None, 128, 128, 128, None]
    assert not arch.confirmed


def test_each_layer_with_rope_has_a_table_of_its_own_in_four_bytes():
    arch = architecture.parse(SPARK)
    assert (arch.rope_width, arch.rope_positions) == (3 * 64, 4096)
    assert weights_by_role(arch, UNQUANTIZED, Layout(), 2)[ROTARY] == 3 * 64 * 4096 * 4
    turned = architecture.parse(SPARK | {"text_config": TEXT | {"layer_rope_theta": [0, 5e5, 0, 5e5, 0]}})
    assert turned.rope_width == 2 * 64


def test_half_of_muse_spark_keeps_what_stands_around_its_experts_whole_and_out_of_a_quantization():
    halves = rank_tensors(architecture.parse(SPARK), Layout(tensor_parallel_size=2))
    around = next(t for t in halves if t.name == "expert projections")
    assert (around.outputs, around.inputs, around.linear) == (2 * INNER, H, False)
    assert not [t for t in halves if t.name.startswith("expert latent")]
    sees = sum(t.copies * t.outputs * t.inputs for t in halves if t.role == "encoder")
    assert SEES + BEHIND + HEARS - sees > (SEES - 64 * WIDTH) // 2 - 2 * 5 * WIDTH


def test_muse_as_published():
    spark, glimmer = find_shape("meta-models/Muse-Spark-Open-816B-A42B"), find_shape("meta-models/Muse-Glimmer-30B")
    encoders = sum(w.copies * w.outputs * w.inputs for w in spark.arch.encoders)
    backbone = spark.parameters - encoders - 2 * 202048 * 8192
    assert round(backbone / 1e9) == 817  # "approximately 816B-parameter language backbone and 42B active"
    assert round((active_parameters(spark.arch) - encoders - 2 * 202048 * 8192) / 1e9, 1) == 42.8
    assert round(glimmer.parameters / 1e9) == 30
    assert glimmer.arch.confirmed
    kinds = [g.mixer.window for g in spark.arch.layers for _ in g.indices if isinstance(g.mixer, Attention)]
    assert (kinds.count(None), kinds.count(2048)) == (16, 46)  # as NVIDIA-NeMo/Automodel's page on it counts them


@pytest.mark.parametrize(("field", "said"), [("num_shared_experts", 1), ("attention_bias", True)])
def test_what_is_not_modelled_of_muse_spark_is_refused_by_name(field, said):
    with pytest.raises(Unsupported, match=rf"config\.json: {field}"):
        architecture.parse(SPARK | {"text_config": TEXT | {field: said}})


def test_muse_spark_came_with_0_33_and_takes_one_quantization():
    arch = architecture.parse(SPARK)
    assert doubtful_class(arch, find_engine("0.32.0")) is not None
    assert doubtful_class(arch, find_engine("0.33.0")) is None
    model = shipped_model("meta-models/Muse-Spark-Open-816B-A42B")
    asked = EstimateRequest(
        model="meta-models/Muse-Spark-Open-816B-A42B", gpu="B200", tensor_parallel_size=8, max_model_len=32768,
        engine_version="0.33.0",
    )  # fmt: skip
    fp8 = estimate(asked.model_copy(update={"quantization": "fp8"}), model)
    assert isinstance(fp8, EstimateError)
    assert "and not in fp8" in fp8.problems[0].what
    assert typical("nvfp4").method == "nvfp4"
    assert not isinstance(estimate(asked.model_copy(update={"quantization": "nvfp4"}), model), EstimateError)

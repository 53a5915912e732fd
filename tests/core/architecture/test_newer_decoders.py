"""Decoders of vLLM 0.30 to 0.33, counted by hand: no class of the 0.29 that is asked elsewhere has them."""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Attention, GatedDelta, Layout, mixers, parameter_count, rank_tensors
from infercli.core.architecture.families import ROWS
from infercli.core.engines import find_engine
from infercli.core.engines.classes import doubtful_class, missing_class
from infercli.core.estimates.tensor_parallel import problems, stage_problems
from infercli.core.kv_cache.pool import cache_layout
from infercli.core.kv_cache.rules import RULES
from infercli.core.kv_cache.specs import CacheSettings, layer_caches
from infercli.core.quantization.schemes import UNQUANTIZED
from infercli.core.shapes import find_shape
from infercli.errors import InputError, Unsupported

SIZES = {
    "num_hidden_layers": 3, "hidden_size": 1024, "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 96,
    "intermediate_size": 2176, "vocab_size": 32000, "max_position_embeddings": 8192, "torch_dtype": "bfloat16",
}  # fmt: skip
MIXTURE = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 320}
K2 = SIZES | {
    "architectures": ["K2HorizonForCausalLM"], "layernorm_num_groups": 4, "num_experts": 0, "mova_num_experts": 0,
    "attention_bias": False, "query_key_norm": False, "attention_gate_func": None, "use_sliding_window": False,
}  # fmt: skip
K2_MOE = K2 | MIXTURE | {
    "num_shared_experts": 2, "moe_gate_bias": True, "attention_gate_func": "softplus", "query_key_norm": True,
    "rope_head_dim": 64, "mlp_only_layers": [0], "decoder_sparse_step": 1,
}  # fmt: skip
ALICE = SIZES | MIXTURE | {
    "architectures": ["AliceAIForCausalLM"], "num_hidden_layers": 6, "shared_expert_intermediate_size": 448,
    "layer_types": [*["linear_attention"] * 3, "full_attention", "linear_attention", "full_attention"],
    "linear_num_key_heads": 8, "linear_num_value_heads": 8, "linear_key_head_dim": 64, "linear_value_head_dim": 64,
    "linear_conv_kernel_dim": 4, "block_attn_res_block_size": 4, "kda_allow_negative_eigenvalues": False,
    "router_score_function": "sigmoid", "router_bias_correction": True, "mtp_num_hidden_layers": 1,
}  # fmt: skip
H = 1024
TABLES = 2 * 32000 * H
ATTENTION = H * (16 + 2 * 4) * 96 + 16 * 96 * H
EXPERTS = 8 * 3 * H * 320 + 8 * H + 8


def count(config):
    return parameter_count(architecture.parse(config))


def test_k2_horizon_is_llama_until_it_asks_for_more():
    assert count(K2) == TABLES + 3 * (ATTENTION + 3 * H * 2176 + 2 * H) + H
    gated = ATTENTION + 16 * 96 * H + (16 + 4) * 96  # a gate, and norms over all heads
    sparse = EXPERTS + 3 * H * 2 * 320
    assert count(K2_MOE) == TABLES + 3 * (gated + 2 * H) + 3 * H * 2176 + 2 * sparse + H
    assert (architecture.parse(K2).rope_width, architecture.parse(K2_MOE).rope_width) == (96, 64)
    # A rank of two has half of the gate and of the norms.
    halves = rank_tensors(architecture.parse(K2_MOE), Layout(tensor_parallel_size=2))
    qkv = next(tensor for tensor in halves if tensor.name == "qkv")
    assert qkv.outputs == (2 * 16 + 2 * 4) * 96 // 2
    assert "self_attn.gate_proj" in qkv.modules


def test_k2_horizon_has_the_parameters_that_the_hub_counts():
    seven = {"hidden_size": 4096, "num_hidden_layers": 36, "num_attention_heads": 32, "num_key_value_heads": 8,
             "head_dim": 128, "intermediate_size": 12288, "vocab_size": 250624}  # fmt: skip
    assert count(K2 | seven) == 8_999_178_240
    shape = find_shape("IFM/K2-Horizon-3.7B")
    assert shape.parameters == 5_058_255_360
    assert shape.arch.confirmed


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"mova_num_experts": 4}, "mova_num_experts"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"dual_chunk_attention_config": {"chunk_size": 4}}, "dual_chunk_attention_config"),
        ({"attention_gate_func": "silu", "attention_bias": True}, "attention_bias"),
    ],
)
def test_what_is_not_modelled_of_k2_horizon_is_refused_by_name(changed, why):
    with pytest.raises(Unsupported, match=rf"config\.json: {why}"):
        architecture.parse(K2 | changed)


def test_aliceai_weighs_what_stands_before_each_half_of_a_layer():
    inner = 8 * 64
    # Queries, keys and values, convolved; two pairs of small projections; one number a head; decay; a norm; the output.
    delta = (
        3 * inner * H + 3 * inner * 4 + 2 * 64 * H + 2 * inner * 64 + 8 * H + 8 + inner + 64 + inner * H
    )  # fmt: skip
    full = ATTENTION + 16 * 96 * H + 2 * 96
    experts = EXPERTS + 3 * H * 448 + H
    weighing = 2 * H
    halves = 6 + 5  # the first has nothing before its attention
    assert count(ALICE) == (
        TABLES + 4 * delta + 2 * full + 6 * (experts + 2 * H) + halves * weighing + weighing + H
    )  # fmt: skip
    arch = architecture.parse(ALICE)
    assert [type(m) for m in mixers(arch)] == [GatedDelta, Attention]
    assert arch.residual_blocks == 2  # of four layers each, the last of two
    assert (arch.draft_layers, arch.confirmed, arch.tied) == ((), False, False)
    assert any("no pipeline parallelism" in why for why in stage_problems(arch, 2))
    # A state of a rank: 3 x 4 x 64 values of 3 tokens in 16 bits, and 4 x 64 x 64 in 32; the page of 1,536 B a token
    # holds it in blocks of 48.
    settings = CacheSettings(engine_version="0.33.0", dtype="bfloat16", prefix_caching=True)
    held = cache_layout(arch, Layout(tensor_parallel_size=2), settings)
    state = 3 * 256 * 3 * 2 + 4 * 64 * 64 * 4
    assert held.block_tokens == 96 == -(-state // (2 * 2 * 96 * 2 * 16)) * 16


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"kda_allow_negative_eigenvalues": True}, "kda_allow_negative_eigenvalues: must be False"),
        ({"router_score_function": "softmax"}, "router_score_function: must be sigmoid"),
        ({"linear_num_value_heads": 16}, "linear_num_value_heads"),
        ({"layer_types": None}, "layer_types: missing"),
    ],
)
def test_what_vllm_refuses_of_aliceai_is_refused(changed, why):
    with pytest.raises(InputError, match=why):
        architecture.parse(ALICE | changed)


def test_releases_that_lack_a_class_refuse_it_or_run_it_through_transformers():
    lacks = missing_class(architecture.parse(ALICE), find_engine("0.32.0"))
    assert lacks is not None
    assert lacks[0].endswith("0.32.0 still lacks it")
    for config, without, first in (
        (ALICE, "0.32.0", "0.33.0"),
        (K2, "0.29.0", "0.30.0"),
        (K2 | {"architectures": ["ExaoneMoEForCausalLM"]}, "0.31.0", "0.32.0"),
    ):
        arch = architecture.parse(config)
        assert "runs it through transformers, if at all" in doubtful_class(arch, find_engine(without))
        assert doubtful_class(arch, find_engine(first)) is missing_class(arch, find_engine(first)) is None


def test_qianfan_ocr_names_the_biases_of_its_encoder_as_transformers_does():
    vision = {"num_hidden_layers": 2, "hidden_size": 96, "intermediate_size": 160, "image_size": [112, 112]}
    model = {
        "architectures": ["QianfanOCRForConditionalGeneration"], "tie_word_embeddings": False,
        "text_config": SIZES | {"model_type": "qwen3"},
    }  # fmt: skip
    without, said, silent = (
        count(model | {"vision_config": vision | bias})
        for bias in ({"attention_bias": False}, {"attention_bias": True}, {})
    )
    assert said - without == 2 * 3 * 96
    assert silent == said


def test_internlm2_for_rewards_has_one_score_of_which_ranks_share_the_inputs():
    config = SIZES | {"architectures": ["InternLM2ForRewardModel"]}
    tensors = rank_tensors(architecture.parse(config), Layout(tensor_parallel_size=2))
    assert [(t.outputs, t.inputs) for t in tensors if t.name == "v_head"] == [(1, H // 2)]


def test_both_spellings_of_exaones_experts_are_one():
    assert ROWS["ExaoneMoEForCausalLM"] == ROWS["ExaoneMoeForCausalLM"]


SMALL = {
    "vocab_size": 640, "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 8,
    "num_key_value_heads": 4, "head_dim": 16, "max_position_embeddings": 2048, "torch_dtype": "bfloat16",
}  # fmt: skip
DOMYN = SMALL | {
    "architectures": ["DomynEdgeForCausalLM"], "tie_word_embeddings": False,
    "per_layer_config": {"1": {"head_dim": 32}},
    "position_layers": ["rope", "nope", "rope", "rope"], "window_sizes": [[127, 0], [-1, 0], [127, 0], [-1, 0]],
}  # fmt: skip
DORY = SMALL | {
    "architectures": ["DoryForCausalLM"], "num_hidden_layers": 8, "n_input_layers": 2, "n_output_layers": 2,
    "n_recurrent_loops": 3,
}  # fmt: skip


def test_domyn_edge_has_a_window_and_heads_of_its_own_in_each_layer():
    arch = architecture.parse(DOMYN)
    feed_forward, norms = 3 * 128 * 384, 4 * 128
    narrow, wide = ((8 + 2 * 4 + 8) * 128 * head + head for head in (16, 32))
    assert parameter_count(arch) == 2 * 640 * 128 + 128 + 3 * narrow + wide + 4 * (feed_forward + norms)
    seen = [next((m.window, m.head_dim) for g in arch.layers if i in g.indices and isinstance(m := g.mixer, Attention))
            for i in range(4)]  # fmt: skip
    assert seen == [(128, 16), (None, 32), (128, 16), (None, 16)]
    with pytest.raises(Unsupported, match="window_sizes"):
        architecture.parse({k: v for k, v in DOMYN.items() if k != "window_sizes"})
    assert missing_class(arch, find_engine("0.33.0")) is None
    assert any("pipeline" in problem for problem in stage_problems(arch, 2))


def test_dory_passes_its_middle_layers_again_and_keeps_each_pass_unless_the_last_alone():
    arch = architecture.parse(DORY)
    attention = (8 + 8 + 2 * 4 + 8) * 16 * 128 + 2 * 8 * 16 + 128
    feed_forward = 3 * 128 * 384 + 2 * 384 + 128
    assert parameter_count(arch) == 2 * 640 * 128 + 640 + 4 * (attention + feed_forward)
    settings = CacheSettings(engine_version="0.33.0", dtype="bfloat16")
    kept = [
        len(layer_caches(architecture.parse(DORY | {"recurrent_kv_cache_mode": mode}), Layout(), settings, RULES[-1]))
        for mode in ("per_loop", "last_loop")
    ]
    assert kept == [1 + 2 * 3 + 1, 4]
    assert problems(arch, UNQUANTIZED, 2) == ("vLLM has no tensor parallelism for DoryForCausalLM",)
    with pytest.raises(Unsupported, match="layer_types"):
        architecture.parse(DORY | {"n_input_layers": 1})
    with pytest.raises(Unsupported, match="recurrent_kv_cache_mode"):
        architecture.parse(DORY | {"recurrent_kv_cache_mode": "none"})


def test_beam_gates_each_element_with_a_bias_for_each_head_and_scores_its_experts_in_float32():
    config = SMALL | {
        "architectures": ["BeamForCausalLM"], "tie_word_embeddings": False, "num_experts": 8, "num_experts_per_tok": 2,
        "moe_intermediate_size": 96, "sliding_window": 512, "mlp_layer_types": ["dense", *["sparse"] * 3],
        "layer_types": [*["sliding_attention"] * 3, "full_attention"],
        "rope_parameters": {"sliding_attention": {"rope_type": "default"}, "full_attention": None},
    }  # fmt: skip
    arch = architecture.parse(config)
    attention = (8 + 8 + 2 * 4 + 8) * 16 * 128 + 2 * 16 + 8
    moe, dense = 8 * 3 * 128 * 96 + 8 * 128 + 8, 3 * 128 * 384
    assert parameter_count(arch) == 2 * 640 * 128 + 128 + 4 * (attention + 4 * 128) + dense + 3 * moe
    assert [m.window for m in mixers(arch) if isinstance(m, Attention)] == [512, None]
    routers = [t for t in rank_tensors(arch, Layout()) if t.name == "router"]
    assert all(t.float32 for t in routers)
    silent = architecture.parse({k: v for k, v in config.items() if k not in ("layer_types", "sliding_window")})
    assert {m.window for m in mixers(silent) if isinstance(m, Attention)} == {4096}

"""Classes with an encoder that no vLLM 0.29 on this machine builds, counted by hand."""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Attention, Layout, rank_tensors
from infercli.core.engines import find_engine
from infercli.core.engines.classes import missing_class
from infercli.core.shapes import find_shape
from infercli.errors import Unsupported
from tests.core.against_vllm.encoder_fragments import FLAT_LLAMA, QWEN3_5, QWEN3_VISION, SIGLIP, config
from tests.core.against_vllm.later_encoders import MOONDREAM
from tests.core.against_vllm.newer_models import NEWER

MINICPM = config("MiniCPMV4_6ForConditionalGeneration", "minicpmv4_6", text_config=QWEN3_5, tie_word_embeddings=False,
                 vision_config=SIGLIP | {"model_type": "minicpmv4_6_vision"}, drop_vision_last_layer=True)  # fmt: skip
LING = {
    "architectures": ["BailingMoeV3VLForConditionalGeneration"], "dtype": "bfloat16",
    "text_config": NEWER["BailingMoeV3ForCausalLM"], "vision_config": QWEN3_VISION | {"deepstack_visual_indexes": []},
}  # fmt: skip
KIMI = config("MoonshotKimiaForCausalLM", "kimi_audio", **FLAT_LLAMA, kimia_adaptor_input_dim=512)


def encoder(parsed, ranks=1):
    tensors = rank_tensors(parsed, Layout(tensor_parallel_size=ranks))
    return sum(t.copies * t.outputs * t.inputs for t in tensors if t.role == "encoder")


def test_minicpm_v_4_7_keeps_the_last_layer_of_4_6_whatever_config_json_says():
    older = architecture.parse(MINICPM)
    newer = architecture.parse(MINICPM | {"architectures": ["MiniCPMV4_7ForConditionalGeneration"]})
    layer = 4 * 96 * 97 + 2 * 96 * 160 + 160 + 96 + 4 * 96
    assert encoder(newer) - encoder(older) == layer
    assert newer.layers == older.layers
    assert missing_class(newer, find_engine("0.31.0")) is not None
    assert missing_class(newer, find_engine("0.32.0")) is None


def test_ling_3_vl_norms_its_patches_and_projects_them_in_two_steps():
    parsed, text = architecture.parse(LING), architecture.parse(NEWER["BailingMoeV3ForCausalLM"])
    patch, positions = (3 * 2 * 16 * 16 + 1) * 96, 64 * 96
    block = 4 * 96 * 97 + 2 * 96 * 160 + 160 + 96 + 4 * 96
    behind = 2 * 96 + (4 * 96 + 1) * 1024 + (1024 + 1) * 1024
    assert encoder(parsed) == patch + positions + 3 * block + behind
    assert (parsed.layers, parsed.rope_sections, parsed.deepstack_levels) == (text.layers, True, 0)
    halved = 3 * (block - 2 * 96 - 4 * 96) + 4 * 96 * 1024 + 1024 + 1024 * 1024
    assert encoder(parsed) - encoder(parsed, 2) == halved // 2
    assert missing_class(parsed, find_engine("0.29.0")) is not None


def test_kimi_audio_hears_with_whisper_large_v3():
    width, wide = 1280, 5120
    layer = 4 * width * width + 4 * width + 2 * width * wide + wide + width + 4 * width
    heard = (3 * 128 + 3 * width + 2 + 1500 + 2) * width + 32 * layer
    assert encoder(architecture.parse(KIMI)) == heard + (512 + 1 + 128 + 1 + 2) * 128


TRANSCRIBE = {
    "architectures": ["CohereAsrForConditionalGeneration"], "max_audio_clip_s": 35,
    "head": {"num_classes": 650}, "preprocessor": {"window_stride": 0.01},
    "encoder": {"feat_in": 32, "n_layers": 2, "d_model": 96, "subsampling_factor": 8, "subsampling_conv_channels": 24,
                "ff_expansion_factor": 3, "untie_biases": True, "conv_kernel_size": 9},
    "transf_decoder": {"config_dict": {"hidden_size": 128, "inner_size": 384, "num_layers": 3,
                                       "num_attention_heads": 4, "max_sequence_length": 512}},
}  # fmt: skip


def test_cohere_transcribe_holds_what_vllms_class_does():
    """1,269,344 and 878,144 elements: vLLM 0.29's own class, built with a stand-in for torchaudio."""
    parsed = architecture.parse(TRANSCRIBE)
    whole, half = (
        sum(t.copies * t.outputs * t.inputs for t in rank_tensors(parsed, Layout(tensor_parallel_size=ranks)))
        for ranks in (1, 2)
    )
    assert (whole, half) == (1_269_344, 878_144)
    heard = [g.beside.encoder_tokens for g in parsed.layers if isinstance(g.beside, Attention)]
    assert heard == [-(-3500 // 8)]  # 35 seconds of 100 frames, eight of which become one
    assert parsed.max_model_len == 512
    shape = find_shape("CohereLabs/cohere-transcribe-03-2026")
    assert shape.parameters == pytest.approx(4.14e9 / 2, rel=0.01)
    assert shape.arch.confirmed
    with pytest.raises(Unsupported, match=r"encoder\.use_bias"):
        architecture.parse(TRANSCRIBE | {"encoder": TRANSCRIBE["encoder"] | {"use_bias": False}})


def test_openvla_has_the_two_encoders_that_are_timms_and_no_others():
    shape = find_shape("openvla/openvla-7b")
    seen = [w for w in shape.arch.encoders if w.name.startswith("vision_backbone")]
    assert [w.outputs for w in seen] == [303_230_976, 427_680_704]  # timm's DINOv2-L with registers, SigLIP of 224
    assert all(w.split == "replicated" for w in seen)
    with pytest.raises(Unsupported, match="timm_model_ids"):
        architecture.parse({"architectures": ["OpenVLAForActionPrediction"], "timm_model_ids": ["vit_base"],
                            "text_config": FLAT_LLAMA})  # fmt: skip


def test_what_hears_in_mimo_v2_is_refused_where_its_widths_are_not_known():
    sees = {"depth": 1, "hidden_size": 96, "intermediate_size": 160, "num_heads": 4, "num_key_value_heads": 4,
            "qk_channels": 16, "kv_channels": 32}  # fmt: skip
    asked = FLAT_LLAMA | {"architectures": ["MiMoV2ForCausalLM"], "hybrid_layer_pattern": [0, 1, 1],
                          "sliding_window": 512, "head_dim": 16, "moe_layer_freq": [0, 0, 0],
                          "vision_config": sees}  # fmt: skip
    with pytest.raises(Unsupported, match="kv_channels"):
        architecture.parse(asked)
    with pytest.raises(Unsupported, match="projection_layers"):
        architecture.parse(
            asked | {"vision_config": sees | {"kv_channels": 16}, "audio_config": {"projection_layers": 3}}
        )


MOON = config("Moondream3ForCausalLM", "moondream3", config=MOONDREAM)


def test_no_quantization_touches_the_experts_of_moondream_3_and_their_neighbours_it_does():
    parsed = architecture.parse(MOON)
    by_name = {t.name: t for t in rank_tensors(parsed, Layout(tensor_parallel_size=2))}
    gate_up, down = by_name["expert gate-up"], by_name["expert down"]
    assert not gate_up.linear
    assert not down.linear
    assert by_name["gate-up" if "gate-up" in by_name else "up"].linear
    # Two of four experts, whole, are as many numbers as half of each.
    assert gate_up.copies * gate_up.outputs * gate_up.inputs == 2 * 2 * 2 * 96 * 256
    assert (parsed.image_prefix, parsed.rope_width, parsed.max_model_len) == (True, 32, 2048)


def test_moondream_2_which_has_the_name_of_3_is_refused():
    with pytest.raises(Unsupported, match="model_type"):
        architecture.parse(MOON | {"architectures": ["HfMoondream"], "model_type": "moondream1"})


def test_gritlm_embeds_with_attention_to_later_tokens_and_without_a_cache():
    gritty = architecture.parse(FLAT_LLAMA | {"architectures": ["GritLM"], "dtype": "bfloat16"})
    assert gritty.pooling
    assert not gritty.lm_head
    assert all(isinstance(m, Attention) and not m.cached for m in gritty.mixers)
    assert missing_class(gritty, find_engine("0.28.0")) is None
    assert missing_class(gritty, find_engine("0.29.0")) is not None


def test_embedding_gemma_2_sees_to_both_sides_keeps_nothing_and_came_in_0_32():
    text = {"num_hidden_layers": 24, "hidden_size": 512}
    parsed = architecture.parse({"architectures": ["EmbeddingGemma2Model"], "dtype": "bfloat16", "text_config": text})
    seen = {(m.window, m.head_dim, m.kv_heads, m.cached) for m in parsed.mixers if isinstance(m, Attention)}
    assert seen == {(513, 256, 2, False), (None, 512, 1, False)}
    assert (parsed.lm_head, parsed.max_model_len, encoder(parsed)) == (False, 8192, 0)
    layers = {"5": {"head_dim": 128, "num_key_value_heads": 2}}
    one = architecture.parse(
        {"architectures": ["EmbeddingGemma2Model"], "text_config": text | {"per_layer_config": layers}}
    )
    assert {m.head_dim for m in one.mixers if isinstance(m, Attention)} == {256, 128}
    assert missing_class(parsed, find_engine("0.31.0")) is not None
    assert missing_class(parsed, find_engine("0.32.0")) is None

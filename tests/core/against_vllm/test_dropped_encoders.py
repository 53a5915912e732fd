"""Classes with an encoder that vLLM 0.29 does not build: what the last vLLM that had them held of a small config.

The numbers are those of vLLM's own class, built on PyTorch's meta device from the source of the release that is named
(encoder_oracle.py does so with what 0.29 has): elements of one rank, whole and split, without experts.
"""

from __future__ import annotations

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, rank_tensors
from infercli.errors import InputError
from tests.core.against_vllm.encoder_fragments import (
    CLIP,
    DEEPSEEK,
    FLAT_LLAMA,
    LLAMA,
    MISTRAL,
    MROPE,
    QWEN2,
    QWEN2_5_VISION,
    SIGLIP,
    config,
)
from tests.core.against_vllm.later_encoders import PLAIN_QWEN2, PLAIN_QWEN3

COHERE2 = LLAMA | {"model_type": "cohere2", "tie_word_embeddings": True, "sliding_window": 512}
PERSIMMON = {
    "vocab_size": 640, "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 3, "num_attention_heads": 8,
    "max_position_embeddings": 2048, "qk_layernorm": True,
}  # fmt: skip
ERNIE = {
    "architectures": ["ErnieModel"], "hidden_size": 384, "intermediate_size": 1184, "num_hidden_layers": 5,
    "num_attention_heads": 12, "vocab_size": 30522, "max_position_embeddings": 514, "type_vocab_size": 2,
    "task_type_vocab_size": 3, "torch_dtype": "float32",
}  # fmt: skip
VOXTRAL = config(
    "VoxtralRealtimeGeneration", "voxtral", text_config=MISTRAL | {
        "sliding_window": 512, "ada_rms_norm_t_cond": True, "ada_rms_norm_t_cond_dim": 32, "tie_word_embeddings": False,
    },
    audio_config={
        "num_mel_bins": 16, "d_model": 96, "encoder_layers": 2, "encoder_ffn_dim": 160, "encoder_attention_heads": 4,
        "encoder_head_dim": 32, "sliding_window": 128, "block_pool_size": 4, "downsample_factor": 4,
    },
)  # fmt: skip

HELD = {
    "AyaVisionForConditionalGeneration, 0.24": (
        config("AyaVisionForConditionalGeneration", "aya_vision", tie_word_embeddings=True, text_config=COHERE2,
               vision_config=SIGLIP, alignment_intermediate_size=192, downsample_factor=2, vision_feature_layer=-1),
        {1: 1_096_672, 2: 624_736},
    ),
    "ChameleonForConditionalGeneration, 0.28": (
        config("ChameleonForConditionalGeneration", "chameleon", **FLAT_LLAMA, vq_config={
                   "base_channels": 32, "latent_channels": 48, "embed_dim": 48, "num_embeddings": 64,
                   "channel_multiplier": [1, 2, 2], "num_res_blocks": 2}),
        {1: 1_320_688, 2: 943_280},
    ),
    "DeepseekVLV2ForCausalLM, 0.29 with timm 1.0.31": (
        config("DeepseekVLV2ForCausalLM", "deepseek_vl_v2", tile_tag="2D", language_config=DEEPSEEK,
               projector_config={"projector_type": "downsample_mlp_gelu", "input_dim": 1152, "n_embed": 128,
                                 "depth": 2, "mlp_ratio": 1, "downsample_ratio": 2}),
        {1: 429_489_600, 2: 290_271_840, 8: 185_858_520},
    ),
    "FuyuForCausalLM, 0.24": (
        config("FuyuForCausalLM", "fuyu", **PERSIMMON, patch_size=14, num_channels=3, text_config=PERSIMMON),
        {1: 735_808, 2: 369_280, 8: 94_384},
    ),
    "Phi4MultimodalForCausalLM, 0.12": (
        config("Phi4MultimodalForCausalLM", "phi4_multimodal", **FLAT_LLAMA, vision_config=SIGLIP, audio_config={
                   "hidden_size": 64, "intermediate_size": 96, "num_blocks": 2, "num_attention_heads": 4,
                   "ext_pw_out_channel": 64, "depthwise_separable_out_channel": 64, "kernel_size": 3,
                   "input_size": 20, "bias_max_distance": 50, "nemo_conv_channels": 64}),
        {1: 1_268_248, 2: 696_440},
    ),
    "QwenVLForConditionalGeneration, 0.23": (
        config("QwenVLForConditionalGeneration", "qwen", vocab_size=640, hidden_size=128, intermediate_size=768,
               num_hidden_layers=3, num_attention_heads=8, seq_length=2048, kv_channels=16,
               max_position_embeddings=2048, no_bias=True, tie_word_embeddings=False,
               visual={"heads": 4, "layers": 2, "mlp_ratio": 2.5, "output_dim": 128, "patch_size": 14, "width": 96}),
        {1: 1_215_200, 2: 766_896, 8: 430_668},
    ),
    "TarsierForConditionalGeneration, 0.24": (
        config("TarsierForConditionalGeneration", "llava", text_config=LLAMA, vision_config=SIGLIP,
               vision_feature_layer=-2),
        {1: 1_052_000, 2: 558_720},
    ),
    "FunASRForConditionalGeneration, 0.29 beside torchaudio": (
        config("FunASRForConditionalGeneration", "qwen3", **(PLAIN_QWEN3 | {"hidden_size": 1024}), audio_encoder_conf={
                   "output_size": 512, "attention_heads": 4, "linear_units": 160, "num_blocks": 3, "tp_blocks": 2,
                   "kernel_size": 11, "sanm_shift": 0}),
        {1: 24_831_456, 2: 15_110_992, 8: 7_869_796},
    ),
    "MiDashengLMModel, 0.29 beside torchaudio": (
        config("MiDashengLMModel", "midashenglm", text_config=QWEN2, subsample_factor=5, audio_encoder_config={
                   "embed_dim": 96, "patch_size": [64, 4], "patch_stride": [64, 4], "depth": 3, "num_heads": 4,
                   "target_length": 1008, "n_mels": 64, "outputdim": 40, "init_values": None}),
        {1: 1_218_208, 2: 635_120},
    ),
    "KananaVForConditionalGeneration, 0.29 with timm 1.0.31": (
        config("KananaVForConditionalGeneration", "kanana_v", text_config=LLAMA, vision_config={
                   "depth": 2, "embed_dim": 96, "mlp_ratio": 4, "num_heads": 4, "in_channels": 3, "hidden_size": 128,
                   "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}, projector_config={
                   "depth": 2, "encoder_hidden_size": 96, "hidden_size": 64, "output_hidden_size": 128,
                   "merge_size": 2, "mlp_depth": 2, "pos_emb": True, "pos_emb_size": 64, "num_input_tokens": -1}),
        {1: 1_211_576, 2: 723_480},
    ),
    "HCXVisionForCausalLM, 0.28 with timm 1.0.31": (
        config("HCXVisionForCausalLM", "hyperclovax_vlm", text_config=LLAMA, vision_config=SIGLIP,
               mm_projector_type="cabstractor", anyres=True, use_nth_layer=-2, proj_pos_emb=True, proj_prenorm=False,
               tie_word_embeddings=False),
        {1: 1_205_872, 2: 726_992},
    ),
    "OpenPanguVLForConditionalGeneration, 0.29 as on a GPU": (
        config("OpenPanguVLForConditionalGeneration", "openpangu_vl", **PLAIN_QWEN2 | MROPE, attention_bias=True,
               vision_config=QWEN2_5_VISION | {"hidden_act": "gelu"}),
        {1: 1_416_480, 2: 774_240},
    ),
    "MiniMaxVL01ForConditionalGeneration, 0.23 with Llama's decoder": (
        config("MiniMaxVL01ForConditionalGeneration", "minimax_vl_01", vision_config=CLIP, vision_feature_layer=-1,
               text_config=LLAMA | {"architectures": ["LlamaForCausalLM"]}, multimodal_projector_bias=False,
               tie_word_embeddings=False),
        {1: 1_121_024, 2: 593_728},
    ),
    "MusicFlamingoForConditionalGeneration, 0.23": (
        config("MusicFlamingoForConditionalGeneration", "musicflamingo", text_config=QWEN2, tie_word_embeddings=False,
               audio_config={"hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 2,
                             "num_attention_heads": 4, "num_mel_bins": 128}),
        {1: 1_130_176, 2: 752_960, 8: 476_240},
    ),
    "ErnieModel, 0.23": (ERNIE, {1: 19_512_736, 2: 9_762_512}),
    "ErnieForSequenceClassification, 0.23": (
        ERNIE | {"architectures": ["ErnieForSequenceClassification"], "num_labels": 3}, {1: 19_661_731, 2: 9_911_507},
    ),
    "EmbeddingGemma2TextModel, transformers 5.24": (
        {"architectures": ["EmbeddingGemma2TextModel"], "num_hidden_layers": 24, "hidden_size": 512},
        {1: 271_002_624},
    ),
    "VoxtralRealtimeGeneration, 0.29 with a tokenizer": (VOXTRAL, {1: 1_069_216, 2: 584_480}),
}  # fmt: skip
"""Class, and the release whose class was built -> config, and elements of a rank by how many there are."""


@pytest.mark.parametrize("name", HELD)
def test_a_rank_holds_what_the_last_class_of_vllms_held(name):
    asked, expected = HELD[name]
    arch = architecture.parse(asked)
    for ranks, elements in expected.items():
        tensors = rank_tensors(arch, Layout(tensor_parallel_size=ranks))
        assert sum(t.copies * t.outputs * t.inputs for t in tensors if t.role != "experts") == elements, ranks


def test_a_projector_of_kanana_that_does_not_say_its_depth_is_damaged():
    asked, _ = HELD["KananaVForConditionalGeneration, 0.29 with timm 1.0.31"]
    projector = {key: value for key, value in asked["projector_config"].items() if key != "depth"}
    with pytest.raises(InputError, match="depth: is missing"):
        architecture.parse(asked | {"projector_config": projector})

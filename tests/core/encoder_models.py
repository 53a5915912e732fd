"""One small config.json for each class with an encoder: widths in which every part shows.

The names of fields and parts are those of the classes' own config files (transformers, or vLLM's transformers_utils).
"""

from __future__ import annotations

LLAMA = {
    "model_type": "llama", "vocab_size": 640, "hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 3,
    "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 2048, "tie_word_embeddings": False,
}  # fmt: skip
MISTRAL = LLAMA | {"model_type": "mistral", "sliding_window": None, "head_dim": 16}
QWEN2 = LLAMA | {"model_type": "qwen2"}
QWEN3 = LLAMA | {"model_type": "qwen3", "head_dim": 32}
QWEN3_MOE = QWEN3 | {
    "model_type": "qwen3_moe", "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 96,
    "decoder_sparse_step": 1, "norm_topk_prob": True,
}  # fmt: skip
MROPE = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}}
GEMMA = LLAMA | {"model_type": "gemma", "head_dim": 32, "tie_word_embeddings": True}
GEMMA2 = GEMMA | {"model_type": "gemma2", "sliding_window": 512, "query_pre_attn_scalar": 32}
NEMOTRON_H = {
    "architectures": ["NemotronHForCausalLM"], "model_type": "nemotron_h", "vocab_size": 640, "hidden_size": 128,
    "intermediate_size": 256, "num_hidden_layers": 4, "hybrid_override_pattern": "M-M*", "num_attention_heads": 8,
    "num_key_value_heads": 4, "head_dim": 16, "mamba_num_heads": 8, "mamba_head_dim": 16, "ssm_state_size": 16,
    "n_groups": 2, "conv_kernel": 4, "expand": 1, "max_position_embeddings": 2048, "tie_word_embeddings": False,
    "mlp_hidden_act": "relu2", "chunk_size": 64, "dtype": "bfloat16",
}  # fmt: skip
PIXTRAL = {
    "model_type": "pixtral", "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 2,
    "num_attention_heads": 4, "image_size": 112, "patch_size": 14, "head_dim": 16,
}  # fmt: skip
SIGLIP = {
    "model_type": "siglip_vision_model", "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 4,
    "num_attention_heads": 4, "image_size": 112, "patch_size": 14,
}  # fmt: skip
CLIP = SIGLIP | {"model_type": "clip_vision_model", "projection_dim": 96}
WHISPER = {
    "d_model": 96, "encoder_ffn_dim": 160, "encoder_layers": 2, "encoder_attention_heads": 4, "num_mel_bins": 16,
    "max_source_positions": 60,
}  # fmt: skip
RADIO = {
    "patch_size": 16, "preferred_resolution": [224, 224],
    "args": {"model": "vit_small_patch16_224", "cpe_max_size": 512, "register_multiple": 8,
             "cls_token_per_teacher": True, "teachers": [{"name": "a"}, {"name": "b"}, {"name": "a"}]},
}  # fmt: skip
PARAKEET = {
    "model_type": "parakeet", "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_mel_bins": 16, "subsampling_factor": 8, "subsampling_conv_channels": 32,
    "subsampling_conv_kernel_size": 3, "subsampling_conv_stride": 2, "conv_kernel_size": 9, "sampling_rate": 16000,
    "projection_hidden_size": 96, "projection_bias": False,
}  # fmt: skip


def config(name: str, model_type: str, **fields: object) -> dict:
    """config.json of a class."""
    return {"architectures": [name], "model_type": model_type, "dtype": "bfloat16"} | fields


def thinker(name: str, model_type: str, **parts: dict) -> dict:
    """config.json of one of Qwen's omni models."""
    return config(name, model_type, thinker_config=parts)


def nemotron(name: str, **fields: object) -> dict:
    """config.json of a Nemotron with RADIO."""
    return config(
        name, "NemotronH_Nano_VL_V2", text_config=NEMOTRON_H, vision_config=RADIO, force_image_size=224, patch_size=16,
        template="", downsample_ratio=0.5, ps_version="v2", image_tag_type="internvl", vit_hidden_size=384,
        projector_hidden_size=96, norm_mean=[0.5] * 3, norm_std=[0.5] * 3, max_sequence_length=2048, **fields,
    )  # fmt: skip


QWEN2_5_VISION = {
    "depth": 2, "hidden_size": 96, "intermediate_size": 160, "num_heads": 4, "in_channels": 3, "patch_size": 14,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 112, "out_hidden_size": 128,
    "fullatt_block_indexes": [1],
}  # fmt: skip
QWEN3_VISION = {
    "depth": 3, "hidden_size": 96, "intermediate_size": 160, "num_heads": 4, "in_channels": 3, "patch_size": 16,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "out_hidden_size": 128, "num_position_embeddings": 64,
    "deepstack_visual_indexes": [0, 1], "image_size": 128, "apply_vit_abs_pos_embed": True,
}  # fmt: skip
QWEN3_AUDIO = WHISPER | {
    "output_dim": 128, "downsample_hidden_size": 24, "n_window": 10, "n_window_infer": 20, "conv_chunksize": 10,
}  # fmt: skip

_CONFIGS = (
        config("Mistral3ForConditionalGeneration", "mistral3", text_config=MISTRAL, vision_config=PIXTRAL,
               spatial_merge_size=2, image_token_index=10, multimodal_projector_bias=False, vision_feature_layer=-1,
               projector_hidden_act="gelu", tie_word_embeddings=False),
        config("LlavaForConditionalGeneration", "llava", text_config=LLAMA, vision_config=SIGLIP,
               image_token_index=10, vision_feature_layer=-2, vision_feature_select_strategy="full"),
        config("LlavaNextForConditionalGeneration", "llava_next", text_config=MISTRAL, vision_config=CLIP,
               image_token_index=10, vision_feature_layer=-2, vision_feature_select_strategy="default"),
        thinker("Qwen2_5OmniModel", "qwen2_5_omni", text_config=QWEN2 | MROPE | {"model_type": "qwen2_5_omni_text"},
                vision_config=QWEN2_5_VISION | {"model_type": "qwen2_5_omni_vision_encoder"},
                audio_config=WHISPER | {"output_dim": 128, "model_type": "qwen2_5_omni_audio_encoder"}),
        thinker("Qwen3OmniMoeForConditionalGeneration", "qwen3_omni_moe",
                text_config=QWEN3_MOE | {"head_dim": 16} | MROPE | {"model_type": "qwen3_omni_moe_text"},
                vision_config=QWEN3_VISION | {"model_type": "qwen3_omni_moe_vision_encoder"},
                audio_config=QWEN3_AUDIO | {"model_type": "qwen3_omni_moe_audio_encoder"}),
        thinker("Qwen3ASRForConditionalGeneration", "qwen3_asr", text_config=QWEN3 | {"model_type": "qwen3"},
                audio_config=QWEN3_AUDIO),
        nemotron("NemotronH_Nano_VL_V2"),
        nemotron("NemotronH_Nano_Omni_Reasoning_V3", sound_config=PARAKEET),
        config("Idefics3ForConditionalGeneration", "idefics3", text_config=LLAMA,
               vision_config=SIGLIP | {"model_type": "idefics3_vision"}, scale_factor=2, image_token_id=10,
               tie_word_embeddings=False),
        config("SmolVLMForConditionalGeneration", "smolvlm", text_config=LLAMA | {"tie_word_embeddings": True},
               vision_config=SIGLIP | {"model_type": "smolvlm_vision"}, scale_factor=4, image_token_id=10,
               tie_word_embeddings=True),
        config("PaliGemmaForConditionalGeneration", "paligemma", text_config=GEMMA, tie_word_embeddings=True,
               vision_config=SIGLIP | {"projection_dim": 128}, projection_dim=128, image_token_index=10),
        config("LlavaOnevisionForConditionalGeneration", "llava_onevision", text_config=QWEN2, vision_config=SIGLIP,
               image_token_index=10, video_token_index=11, vision_feature_layer=-1,
               vision_feature_select_strategy="full", image_grid_pinpoints=[[112, 112]]),
        config("LlavaNextVideoForConditionalGeneration", "llava_next_video", text_config=LLAMA, vision_config=CLIP,
               image_token_index=10, video_token_index=11, vision_feature_layer=-2, spatial_pool_stride=2,
               vision_feature_select_strategy="default"),
)  # fmt: skip

MODELS: dict[str, dict] = {c["architectures"][0]: c for c in _CONFIGS}
"""Class -> config.json."""

LIKE = {
    "Qwen2_5OmniForConditionalGeneration": "Qwen2_5OmniModel",
    "NemotronH_Super_Omni_Reasoning_V3": "NemotronH_Nano_Omni_Reasoning_V3",
    "NemotronH_Omni_Reasoning_V3": "NemotronH_Nano_Omni_Reasoning_V3",
}
"""Another name of a class in vLLM's registry -> one that is asked about."""

NOT_ASKED = frozenset({
    "Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration", "Qwen3VLForConditionalGeneration",
    "Qwen3VLMoeForConditionalGeneration", "Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration",
    "Qwen2AudioForConditionalGeneration", "Gemma3ForConditionalGeneration", "Gemma4ForConditionalGeneration",
    "PixtralForConditionalGeneration", "Llama4ForConditionalGeneration", "KimiK25ForConditionalGeneration",
    "KimiVLForConditionalGeneration", "Glm4vForConditionalGeneration", "Glm4vMoeForConditionalGeneration",
    "InternVLChatModel", "InternVLForConditionalGeneration", "MiniMaxM3SparseForConditionalGeneration",
    "DotsOCRForCausalLM",
})  # fmt: skip
"""Older classes, most of which logs and public files confirm."""

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

WIDE = {k: v for k, v in LLAMA.items() if k != "model_type"} | {"hidden_size": 256, "rms_norm_eps": 1e-6}
SPEECH = {
    "audio_pool_step": 2,
    "audio_config": WHISPER
    | {"model_type": "whisper", "decoder_layers": 1, "decoder_attention_heads": 4, "vocab_size": 64},
}
GLM_ROPE = {
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 1e4,
        "partial_rotary_factor": 0.5,
        "mrope_section": [1, 1, 2],
    }
}
MROPE_WIDE = {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 6, 6]}}
FLAT_LLAMA = {k: v for k, v in LLAMA.items() if k != "model_type"}
FLAT_QWEN3 = {k: v for k, v in QWEN3.items() if k != "model_type"} | MROPE_WIDE
INTERN_VIT = {
    "model_type": "internvl_vision",
    "hidden_size": 96,
    "intermediate_size": 160,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": [112, 112],
    "patch_size": [14, 14],
    "attention_bias": True,
}
INTERN_CHAT = {
    "model_type": "intern_vit_6b", "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 2,
    "num_attention_heads": 4, "image_size": 112, "patch_size": 14, "qkv_bias": True, "qk_normalization": False,
    "norm_type": "layer_norm", "num_channels": 3, "layer_norm_eps": 1e-6, "hidden_act": "gelu",
    "initializer_factor": 0.1, "use_flash_attn": True,
}  # fmt: skip
STEP = {
    "architectures": ["Step3p5ForCausalLM"], "model_type": "step3p5", "vocab_size": 640, "hidden_size": 128,
    "intermediate_size": 384, "num_hidden_layers": 3, "num_attention_heads": 8, "num_attention_groups": 4,
    "head_dim": 16, "max_position_embeddings": 2048, "max_seq_len": 2048, "tie_word_embeddings": False,
    "layer_types": ["full_attention", "sliding_attention", "sliding_attention"], "sliding_window": 512,
    "moe_num_experts": 4, "moe_top_k": 2, "moe_intermediate_size": 96, "share_expert_dim": 96,
    "moe_layers_enum": "1,2", "use_moe_router_bias": True, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
}  # fmt: skip
DEEPSEEK = {
    "architectures": ["DeepseekV2ForCausalLM"],
    "vocab_size": 640,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 96,
    "n_shared_experts": 2,
    "first_k_dense_replace": 1,
    "use_mla": False,
    "kv_lora_rank": None,
    "q_lora_rank": None,
    "qk_nope_head_dim": 0,
    "qk_rope_head_dim": 0,
    "v_head_dim": 0,
    "topk_method": "greedy",
    "n_group": 1,
    "topk_group": 1,
    "moe_layer_freq": 1,
}
GEMMA4 = {
    "model_type": "gemma4_unified_text",
    "vocab_size": 640,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
    "sliding_window": 512,
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
    "global_head_dim": 64,
}
MOLMO2_VISION = {
    "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 6, "num_attention_heads": 4,
    "num_key_value_heads": 4, "head_dim": 24, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
    "image_default_input_size": [112, 112], "image_patch_size": 14, "image_num_pos": 64,
}  # fmt: skip
MOLMO2_ADAPTER = {
    "vit_layers": [-2, -4], "pooling_attention_mask": False, "hidden_size": 80, "num_attention_heads": 4,
    "num_key_value_heads": 4, "head_dim": 20, "hidden_act": "silu", "intermediate_size": 112, "text_hidden_size": 128,
}  # fmt: skip
KIMI = {
    "model_type": "deepseek_v3",
    "vocab_size": 640,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 96,
    "n_shared_experts": 2,
    "first_k_dense_replace": 1,
    "kv_lora_rank": 64,
    "q_lora_rank": 48,
    "n_group": 1,
    "topk_group": 1,
    "moe_layer_freq": 1,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 16,
    "v_head_dim": 32,
    "topk_method": "noaux_tc",
    "scoring_func": "sigmoid",
    "num_nextn_predict_layers": 0,
}
QWEN3_5 = {
    "model_type": "qwen3_5_text",
    "vocab_size": 640,
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 32,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": False,
    "linear_num_key_heads": 4,
    "linear_num_value_heads": 8,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_conv_kernel_dim": 4,
    "layer_types": ["linear_attention"] * 3 + ["full_attention"],
    "rope_parameters": GLM_ROPE["rope_parameters"] | {"partial_rotary_factor": 0.25},
}

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
    *(
        config(name, name.lower(), **text, version=version, hidden_act="silu", query_num=16, batch_vision_input=True,
               drop_vision_last_layer=drop, vision_config=SIGLIP | {"model_type": "siglip_vision_model"}, **more)
        for name, version, text, drop, more in (
            ("MiniCPMV", 2.6, WIDE | {"num_key_value_heads": 4}, False, {}),
            ("MiniCPMV", 4.0, WIDE, True, {}),
            ("MiniCPMV", 4.5, WIDE | {"head_dim": 32}, False, {}),
            ("MiniCPMO", 2.6, WIDE, False, SPEECH),
            ("MiniCPMO", 4.5, WIDE | {"head_dim": 32}, True, SPEECH),
        )
    ),
    config("GlmOcrForConditionalGeneration", "glm_ocr", tie_word_embeddings=False,
           text_config=LLAMA | GLM_ROPE | {"model_type": "glm_ocr_text", "head_dim": 16},
           vision_config=QWEN2_5_VISION | {"model_type": "glm_ocr_vision", "image_size": 112}),
    config("InternVLForConditionalGeneration", "internvl", text_config=QWEN2, vision_config=INTERN_VIT,
           tie_word_embeddings=False, downsample_ratio=0.5),
    config("InternVLForConditionalGeneration", "internvl", version="6B", text_config=QWEN2, tie_word_embeddings=False,
           downsample_ratio=0.5, vision_config=INTERN_VIT | {"attention_bias": False, "use_qk_norm": True,
                                                             "norm_type": "rms_norm"}),
    config("InternS1ForConditionalGeneration", "interns1", text_config=QWEN3, vision_config=INTERN_VIT,
           tie_word_embeddings=False, downsample_ratio=0.5, projector_hidden_act="gelu"),
    config("PaddleOCRVLForConditionalGeneration", "paddleocr_vl", tie_word_embeddings=False,
           text_config=LLAMA | MROPE | {"model_type": "paddleocr_vl_text", "head_dim": 16, "use_bias": False},
           vision_config=SIGLIP | {"model_type": "paddleocr_vl_vision"}),
    config("Cohere2VisionForConditionalGeneration", "cohere2_vision", tie_word_embeddings=True,
           text_config=LLAMA | {"model_type": "cohere2", "tie_word_embeddings": True, "sliding_window": 512,
                                "architectures": ["Cohere2ForCausalLM"], "layer_norm_eps": 1e-5, "logit_scale": 1.0},
           vision_config=SIGLIP, alignment_intermediate_size=192),
    *(
        config(name, model_type, **FLAT_QWEN3, hidden_act="silu", rms_norm_eps=1e-6, vision_config=SIGLIP | {
                   "spatial_merge_size": 2, "num_channels": 3, "hidden_act": "gelu", "layer_norm_eps": 1e-6,
                   "attention_dropout": 0.0})
        for name, model_type in (
            ("KeyeForConditionalGeneration", "Keye"), ("KeyeVL1_5ForConditionalGeneration", "KeyeVL1_5"),
        )
    ),
    config("Ovis2_5", "ovis2_5", llm_config=QWEN3, hidden_size=128, visual_vocab_size=256,
           vit_config=SIGLIP | {"model_type": "siglip2_navit", "hidden_stride": 2, "num_channels": 3, "num_patches": 64,
           "window_size": 112, "fullatt_block_indexes": None, "temporal_patch_size": 1, "preserve_original_pe": True,
           "use_rope": True, "layer_norm_eps": 1e-6, "hidden_act": "gelu", "attention_dropout": 0.0}),
    config("DeepseekOCRForCausalLM", "deepseek_vl_v2", tile_tag="2D", global_view_pos="head",
           candidate_resolutions=[[1024, 1024]], vision_config={"width": {}},
           projector_config={"projector_type": "linear", "input_dim": 2048, "n_embed": 128},
           language_config=DEEPSEEK),
    config("Gemma4UnifiedForConditionalGeneration", "gemma4_unified", text_config=GEMMA4, tie_word_embeddings=True,
           vision_config={"model_type": "gemma4_unified_vision", "patch_size": 16, "pooling_kernel_size": 3,
                          "mm_embed_dim": 96, "mm_posemb_size": 20, "output_proj_dims": 96},
           audio_config={"model_type": "gemma4_unified_audio", "audio_embed_dim": 48}),
    config("Phi3VForCausalLM", "phi3_v", **FLAT_LLAMA, hidden_act="silu",
           rms_norm_eps=1e-6, embd_layer={"use_hd_transform": True, "with_learnable_separator": True},
           img_processor={"name": "clip_vision_model", "image_dim_out": 1024, "num_img_tokens": 144,
                          "layer_idx": -2, "type_feature": "patch"}),
    config("MiniCPMV4_6ForConditionalGeneration", "minicpmv4_6", text_config=QWEN3_5, tie_word_embeddings=False,
           vision_config=SIGLIP | {"model_type": "minicpmv4_6_vision"}),
    config("VoxtralForConditionalGeneration", "voxtral", text_config=MISTRAL, tie_word_embeddings=False,
           audio_config=WHISPER | {"model_type": "whisper", "downsample_factor": 4, "window_size": 400,
                              "sampling_rate": 16000, "hop_length": 160}),
    config("GraniteSpeechForConditionalGeneration", "granite_speech", text_config=LLAMA | {
               "model_type": "granite", "architectures": ["GraniteForCausalLM"]}, tie_word_embeddings=False,
           encoder_config={"model_type": "granite_speech_encoder", "input_dim": 20, "num_layers": 2, "hidden_dim": 96,
                           "feedforward_mult": 2, "num_heads": 4, "dim_head": 24, "output_dim": 42, "context_size": 20,
                           "max_pos_emb": 50, "conv_kernel_size": 15, "conv_expansion_factor": 2},
           projector_config={"model_type": "blip_2_qformer", "hidden_size": 64, "encoder_hidden_size": 96,
                             "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4,
                             "cross_attention_frequency": 1}, downsample_rate=5, window_size=15, has_lora_adapter=False,
           audio_token_index=600),
    config("Qwen2VLForConditionalGeneration", "qwen2_vl", text_config=QWEN2 | MROPE | {"model_type": "qwen2_vl_text"},
           tie_word_embeddings=False, vision_config={
               "model_type": "qwen2_vl", "depth": 2, "embed_dim": 96, "mlp_ratio": 4, "num_heads": 4, "in_channels": 3,
               "hidden_size": 128, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}),
    config("Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl", tie_word_embeddings=False,
           text_config=QWEN2 | MROPE | {"model_type": "qwen2_5_vl_text"},
           vision_config=QWEN2_5_VISION | {"model_type": "qwen2_5_vl"}),
    config("Qwen3VLForConditionalGeneration", "qwen3_vl", tie_word_embeddings=False,
           text_config=QWEN3 | MROPE_WIDE | {"model_type": "qwen3_vl_text"},
           vision_config=QWEN3_VISION | {"model_type": "qwen3_vl", "hidden_act": "gelu_pytorch_tanh"}),
    config("Qwen3VLMoeForConditionalGeneration", "qwen3_vl_moe", tie_word_embeddings=False,
           text_config=QWEN3_MOE | MROPE_WIDE | {"model_type": "qwen3_vl_moe_text"},
           vision_config=QWEN3_VISION | {"model_type": "qwen3_vl_moe", "hidden_act": "gelu_pytorch_tanh"}),
    config("Qwen3_5ForConditionalGeneration", "qwen3_5", tie_word_embeddings=False, text_config=QWEN3_5,
           vision_config=QWEN3_VISION | {"model_type": "qwen3_5", "hidden_act": "gelu_pytorch_tanh",
                                         "deepstack_visual_indexes": []}),
    config("Qwen3_5MoeForConditionalGeneration", "qwen3_5_moe", tie_word_embeddings=False, text_config=QWEN3_5 | {
               "model_type": "qwen3_5_moe_text", "num_experts": 4, "num_experts_per_tok": 2,
               "moe_intermediate_size": 96, "shared_expert_intermediate_size": 96},
           vision_config=QWEN3_VISION | {"model_type": "qwen3_5_moe", "hidden_act": "gelu_pytorch_tanh",
                                         "deepstack_visual_indexes": []}),
    config("Glm4vMoeForConditionalGeneration", "glm4v_moe", tie_word_embeddings=False, text_config=LLAMA | GLM_ROPE | {
               "model_type": "glm4v_moe_text", "head_dim": 16, "attention_bias": True, "n_routed_experts": 4,
               "num_experts_per_tok": 2, "moe_intermediate_size": 96, "n_shared_experts": 1, "n_group": 1,
               "topk_group": 1, "first_k_dense_replace": 1, "num_nextn_predict_layers": 0, "use_qk_norm": False},
           vision_config=QWEN2_5_VISION | {"model_type": "glm4v_moe_vision", "image_size": 112}),
    config("Qwen2AudioForConditionalGeneration", "qwen2_audio", text_config=QWEN2,
           audio_config=WHISPER | {"model_type": "qwen2_audio_encoder"}),
    config("Gemma3ForConditionalGeneration", "gemma3", tie_word_embeddings=True, mm_tokens_per_image=16,
           text_config=GEMMA2 | {"model_type": "gemma3_text"}, vision_config=SIGLIP),
    config("Gemma4ForConditionalGeneration", "gemma4", tie_word_embeddings=True,
           text_config=GEMMA4 | {"model_type": "gemma4_text", "hidden_size_per_layer_input": 0}, vision_config={
               "model_type": "gemma4_vision", "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 2,
               "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 24, "patch_size": 16,
               "position_embedding_size": 100, "pooling_kernel_size": 3}, audio_config={
               "model_type": "gemma4_audio", "hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 8,
               "output_proj_dims": 112, "conv_kernel_size": 5, "subsampling_conv_channels": [16, 8]}),
    config("Gemma3nForConditionalGeneration", "gemma3n", tie_word_embeddings=True, vision_soft_tokens_per_image=256,
           text_config=LLAMA | {
               "model_type": "gemma3n_text", "intermediate_size": [384] * 3, "head_dim": 16, "num_kv_shared_layers": 1,
               "vocab_size_per_layer_input": 576, "hidden_size_per_layer_input": 24, "laurel_rank": 8,
               "hidden_activation": "gelu_pytorch_tanh", "activation_sparsity_pattern": [0.0] * 3,
               "layer_types": ["sliding_attention", "full_attention", "full_attention"]}, vision_config={
               "model_type": "gemma3n_vision", "hidden_size": 112, "vocab_size": 128, "label_names": []},
           audio_config={"model_type": "gemma3n_audio", "hidden_size": 96, "conf_num_hidden_layers": 2,
                         "conf_num_attention_heads": 4, "conf_conv_kernel_size": 5, "input_feat_size": 40,
                         "sscp_conv_channel_size": [16, 8], "vocab_size": 128}),
    config("WhisperForConditionalGeneration", "whisper", **WHISPER, decoder_layers=3, decoder_attention_heads=4,
           decoder_ffn_dim=192, vocab_size=650, max_target_positions=40, num_hidden_layers=2, is_encoder_decoder=True,
           pad_token_id=1, bos_token_id=1),
    config("Ernie4_5_VLMoeForConditionalGeneration", "ernie4_5_moe_vl", **FLAT_LLAMA | {"num_key_value_heads": 2},
           hidden_act="silu", rms_norm_eps=1e-6, use_bias=False, moe_num_experts=[4, 4], moe_k=2, rope_theta=500000.0,
           rope_scaling={"type": "default", "mrope_section": [2, 2, 4]}, freq_allocation=4,
           moe_intermediate_size=[96, 32], moe_num_shared_experts=2, moe_layer_start_index=[1, 1],
           moe_layer_end_index=[29, 28], moe_layer_interval=1, use_moe=True, im_patch_id=600, pixel_hidden_size=96,
           spatial_conv_size=2, temporal_conv_size=2, use_temporal_conv=True, vision_config={
               "depth": 2, "embed_dim": 96, "hidden_size": 96, "mlp_ratio": 2, "num_heads": 4, "in_channels": 3,
               "patch_size": 14, "spatial_merge_size": 2}),
    config("Lfm2VlForConditionalGeneration", "lfm2_vl", downsample_factor=2, projector_hidden_size=112,
           tie_word_embeddings=True, text_config=LLAMA | {
               "architectures": ["Lfm2ForCausalLM"], "model_type": "lfm2", "conv_dim": 128, "block_dim": 128,
               "block_ff_dim": 384, "block_multiple_of": 32, "conv_L_cache": 4, "full_attn_idxs": [1],
               "rope_theta": 10000.0, "tie_word_embeddings": True},
           vision_config=SIGLIP | {"model_type": "siglip2_vision_model", "num_patches": 64}),
    config("H2OVLChatModel", "h2ovl_chat", llm_config=MISTRAL | {"architectures": ["MistralForCausalLM"]},
           force_image_size=112, select_layer=-1, ps_version="v2", downsample_ratio=0.5, use_thumbnail=True,
           vision_config=INTERN_CHAT),
    config("SkyworkR1VChatModel", "skywork_chat", llm_config=QWEN2 | {"architectures": ["Qwen2ForCausalLM"]},
           force_image_size=112, select_layer=-1, ps_version="v2", downsample_ratio=0.5, use_thumbnail=True,
           vision_config=INTERN_CHAT),
    config("NVLM_D", "NVLM_D", llm_config=QWEN2 | {"architectures": ["Qwen2ForCausalLM"]}, force_image_size=112,
           select_layer=-1, ps_version="v1", downsample_ratio=0.5, use_thumbnail=True,
           vision_config=INTERN_CHAT | {"num_attention_heads": 25, "hidden_size": 100, "norm_type": "rms_norm",
                                        "qk_normalization": True, "qkv_bias": False}),
    config("Ovis", "ovis", llm_config=QWEN2, hidden_size=128, conversation_formatter_class="QwenConversationFormatter",
           visual_tokenizer_config={"model_type": "aimv2_visual_tokenizer", "vocab_size": 256, "hidden_stride": 2,
                                    "tokenize_function": "softmax", "backbone_config": SIGLIP | {
                                        "model_type": "aimv2", "qkv_bias": False, "use_bias": False}}),
    config("Ovis", "ovis", version="1.6", llm_config=GEMMA2, hidden_size=128,
           conversation_formatter_class="GemmaConversationFormatter", visual_tokenizer_config={
               "model_type": "siglip_visual_tokenizer", "vocab_size": 256, "hidden_stride": 2,
               "tokenize_function": "softmax", "backbone_config": SIGLIP}),
    config("Exaone4_5_ForConditionalGeneration", "exaone4_5", tie_word_embeddings=False,
           text_config=LLAMA | {"model_type": "exaone4", "sliding_window": 512, "layer_types": [
               "sliding_attention", "sliding_attention", "full_attention"]},
           vision_config=QWEN2_5_VISION | {"model_type": "exaone4_5_vision", "num_key_value_heads": 2}),
    config("AriaForConditionalGeneration", "aria", tie_word_embeddings=False, image_token_index=9,
           projector_patch_to_query_dict={"64": 16, "256": 32}, text_config=FLAT_LLAMA | {
               "model_type": "aria_text", "moe_num_experts": 4, "moe_topk": 2, "moe_num_shared_experts": 2,
               "intermediate_size": 96},
           vision_config=SIGLIP | {"model_type": "idefics3_vision"}),
    *(
        config(name, model_type, text_config=text, projector_bias=False, understand_projector_stride=2,
               tie_word_embeddings=False, image_token_id=600, vision_config={
                   "model_type": "perception_encoder", "width": 96, "layers": 2, "heads": 4, "mlp_ratio": 2.5,
                   "patch_size": 14, "image_size": 112, "use_cls_token": False, "use_abs_posemb": True,
                   "use_ln_pre": True, "use_ln_post": False, "use_rope2d": True, "ls_init_value": 0.1,
                   "hidden_act": "quick_gelu", "output_dim": None})
        for name, model_type, text in (
            ("StepVLForConditionalGeneration", "step_robotics", QWEN3 | {"architectures": ["Qwen3ForCausalLM"]}),
            ("Step3p7ForConditionalGeneration", "step3p7", STEP),
        )
    ),
    *(
        config("UltravoxModel", "ultravox", version=version, hidden_size=192, stack_factor=4, projector_ln_mid=ln_mid,
               text_config=LLAMA | {"architectures": ["LlamaForCausalLM"]},
               audio_config=WHISPER | {"model_type": "whisper"}, vocab_size=640)
        for version, ln_mid in (("0.4", False), ("0.5", True))
    ),
    config("GlmAsrForConditionalGeneration", "glmasr", tie_word_embeddings=False, text_config=LLAMA, audio_config={
               "model_type": "glmasr_encoder", "hidden_size": 96, "intermediate_size": 384, "num_hidden_layers": 2,
               "num_attention_heads": 4, "num_key_value_heads": 4, "num_mel_bins": 16, "max_position_embeddings": 60,
               "head_dim": 24, "hidden_act": "gelu"}),
    config("AudioFlamingo3ForConditionalGeneration", "audioflamingo3", text_config=QWEN2, tie_word_embeddings=False,
           audio_config={"model_type": "audioflamingo3_encoder", "hidden_size": 96, "intermediate_size": 160,
                         "num_hidden_layers": 2, "num_attention_heads": 4, "num_mel_bins": 16,
                         "max_source_positions": 60}),
    config("Eagle2_5_VLForConditionalGeneration", "eagle_2_5_vl", select_layer=-1, downsample_ratio=0.5,
           force_image_size=112, text_config=QWEN2 | {"architectures": ["Qwen2ForCausalLM"]}, vision_config=SIGLIP),
    config("Eagle2_5_VLForConditionalGeneration", "eagle_2_5_vl", version="-2", select_layer=-2, downsample_ratio=0.5,
           force_image_size=112, text_config=QWEN2 | {"architectures": ["Qwen2ForCausalLM"]}, vision_config=SIGLIP),
    config("Granite4VisionForConditionalGeneration", "granite4_vision", tie_word_embeddings=False,
           text_config=LLAMA | {"model_type": "granite"}, vision_config=SIGLIP | {"hidden_size": 128},
           downsample_rate="2/4", deepstack_layer_map=[[-2, 1], [-1, 2]], use_spatial_sampling=True,
           spatial_target_layers=[0], use_image_newline_parameter=True),
    config("Blip2ForConditionalGeneration", "blip-2", num_query_tokens=8, text_config={
               "model_type": "opt", "vocab_size": 640, "hidden_size": 128, "ffn_dim": 384, "num_hidden_layers": 3,
               "num_attention_heads": 8, "max_position_embeddings": 2048, "word_embed_proj_dim": 128,
               "tie_word_embeddings": True},
           qformer_config={"hidden_size": 64, "encoder_hidden_size": 96, "intermediate_size": 160,
                           "num_hidden_layers": 3, "num_attention_heads": 4, "cross_attention_frequency": 2},
           vision_config={"model_type": "blip_2_vision_model", "hidden_size": 96, "intermediate_size": 160,
                          "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 112, "patch_size": 14}),
    config("Phi4ForCausalLMV", "phi4-siglip", **FLAT_LLAMA, hidden_act="silu", rms_norm_eps=1e-6, mm_hidden_size=96,
           vision_config=SIGLIP | {"model_type": "siglip2_vision_model", "num_patches": 64}),
    config("InternS2PreviewForConditionalGeneration", "interns2_preview", tie_word_embeddings=False,
           text_config=QWEN3_5 | {
               "model_type": "qwen3_5_moe_text", "num_experts": 4, "num_experts_per_tok": 2,
               "moe_intermediate_size": 96, "shared_expert_intermediate_size": 96},
           vision_config=QWEN3_VISION | {"model_type": "qwen3_5_moe", "hidden_act": "gelu_pytorch_tanh",
                                         "deepstack_visual_indexes": []}),
    config("Llama4ForConditionalGeneration", "llama4", tie_word_embeddings=False, text_config=LLAMA | {
               "model_type": "llama4_text", "num_local_experts": 4, "num_experts_per_tok": 1, "head_dim": 16,
               "interleave_moe_layer_step": 1, "intermediate_size_mlp": 384, "no_rope_layers": [1, 1, 1],
               "attention_chunk_size": 512, "use_qk_norm": False}, vision_config={
               "model_type": "llama4_vision_model", "hidden_size": 96, "intermediate_size": 384, "num_hidden_layers": 2,
               "num_attention_heads": 4, "image_size": 112, "patch_size": 14, "vision_output_dim": 112,
               "projector_input_dim": 112, "projector_output_dim": 112, "pixel_shuffle_ratio": 0.5}),
    config("KimiVLForConditionalGeneration", "kimi_vl", text_config=KIMI, vision_config={
               "model_type": "moonvit", "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 2,
               "num_attention_heads": 4, "patch_size": 14, "init_pos_emb_height": 8, "init_pos_emb_width": 8,
               "merge_kernel_size": [2, 2]}),
    config("KimiK25ForConditionalGeneration", "kimi_k25", text_config=KIMI, vision_config={
               "model_type": "kimi_k25_vision", "hidden_size": 96, "intermediate_size": 160,
               "num_hidden_layers": 2, "num_attention_heads": 4, "patch_size": 14, "init_pos_emb_height": 8,
               "init_pos_emb_width": 8, "init_pos_emb_time": 4, "merge_kernel_size": [2, 2], "mm_hidden_size": 96,
               "text_hidden_size": 128}),
    config("Glm4vForConditionalGeneration", "glm4v", tie_word_embeddings=False,
           text_config=LLAMA | GLM_ROPE | {"model_type": "glm4v_text", "head_dim": 16, "attention_bias": True},
           vision_config=QWEN2_5_VISION | {"model_type": "glm4v_vision", "image_size": 112}),
    config("DotsOCRForCausalLM", "dots_ocr", **FLAT_LLAMA, hidden_act="silu", rms_norm_eps=1e-6,
           vision_config={"rms_norm_eps": 1e-5, "use_bias": False, "is_causal": False, "post_norm": True,
                          "embed_dim": 96, "hidden_size": 128, "intermediate_size": 160, "num_hidden_layers": 2,
                          "num_attention_heads": 4, "patch_size": 14, "spatial_merge_size": 2,
                          "temporal_patch_size": 1, "num_channels": 3}),
    config("DeepseekOCR2ForCausalLM", "deepseek_vl_v2", tile_tag="2D", global_view_pos="head",
           candidate_resolutions=[[1024, 1024]], vision_config={"width": {}},
           projector_config={"projector_type": "linear", "input_dim": 896, "n_embed": 128},
           language_config=DEEPSEEK),
    config("GLM4VForCausalLM", "chatglm", padded_vocab_size=640, vocab_size=640, hidden_size=128, ffn_hidden_size=384,
           num_layers=3, num_attention_heads=8, multi_query_attention=True, multi_query_group_num=4, kv_channels=16,
           seq_length=2048, add_bias_linear=False, original_rope=True, add_qkv_bias=True, rmsnorm=True,
           layernorm_epsilon=1e-5, post_layer_norm=True, apply_residual_connection_post_layernorm=False,
           tie_word_embeddings=False,
           vision_config={"dropout_prob": 0.0, "hidden_act": "gelu", "in_channels": 3, "num_hidden_layers": 2,
                          "hidden_size": 96, "patch_size": 14, "num_heads": 4, "intermediate_size": 160,
                          "layer_norm_eps": 1e-6, "num_positions": 65, "image_size": 112, "scaling_factor": 8}),
    config("MolmoForCausalLM", "molmo", **FLAT_LLAMA, embedding_size=640, norm_after=False, layer_norm_eps=1e-6,
           layer_norm_type="rms", weight_tying=False, attention_layer_norm=False, qkv_bias=True, clip_qkv=None,
           use_position_ids=True, rope_theta=1e4),
    config("LightOnOCRForConditionalGeneration", "mistral3", text_config=QWEN3, vision_config=PIXTRAL,
           spatial_merge_size=2, image_token_id=10, multimodal_projector_bias=False, vision_feature_layer=-1,
           projector_hidden_act="gelu", tie_word_embeddings=False),
    *(
        config("Molmo2ForConditionalGeneration", "molmo2", version=version, tie_word_embeddings=False,
               image_patch_id=600,
               vit_config=MOLMO2_VISION, adapter_config=MOLMO2_ADAPTER, text_config=LLAMA | {
                   "model_type": "molmo2_text", "additional_vocab_size": 128, "hidden_act": "silu", "head_dim": 16,
                   "rope_theta": 1e4, "layer_norm_eps": 1e-6, "rope_scaling_layers": None,
                   "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}} | text)
        for version, text in (
            ("4B", {"qkv_bias": False, "use_qk_norm": True, "qk_norm_type": "qwen3", "norm_after": False}),
            ("7B", {"qkv_bias": True, "use_qk_norm": False, "qk_norm_type": "olmo", "norm_after": False}),
        )
    ),
    config("Phi4MMForCausalLM", "phi4mm", **FLAT_LLAMA, hidden_act="silu", rms_norm_eps=1e-6,
           img_processor=None, embd_layer={"embedding_cls": "image_audio",
               "image_embd_layer": {"crop_size": 448, "embedding_cls": "tune_image", "use_hd_transform": True,
                                    "with_learnable_separator": True, "hd_transform_order": "sub_glb",
                                    "projection_cls": "mlp", "image_token_compression_cls": "avg_pool_2d"},
               "audio_embd_layer": {"compression_rate": 8, "downsample_rate": 1, "embedding_cls": "audio",
                                    "enable_gradient_checkpointing": True, "projection_cls": "mlp",
                                    "use_conv_downsample": False, "use_qformer": False}},
           audio_processor={"name": "cascades", "config": {
               "activation": "swish", "activation_checkpointing": "",
               "attention_dim": 64, "attention_heads": 4, "batch_norm": False, "bias_in_glu": True, "causal": True,
               "chunk_size": -1, "cnn_layer_norm": True, "conv_activation": "swish", "conv_glu_type": "swish",
               "depthwise_multiplier": 1, "depthwise_seperable_out_channel": 64, "dropout_rate": 0.0,
               "encoder_embedding_config": {"input_size": 16}, "ext_pw_kernel_size": 1, "ext_pw_out_channel": 64,
               "input_layer": "nemo_conv", "input_size": 16, "kernel_size": 3, "left_chunk": 18, "linear_units": 96,
               "nemo_conv_settings": {"conv_channels": 64}, "num_blocks": 2,
               "relative_attention_bias_args": {"t5_bias_max_distance": 50, "type": "t5"}, "time_reduction": 8}}),
)  # fmt: skip

MODELS: dict[str, dict] = {" ".join([c["architectures"][0], str(c.get("version", ""))]).strip(): c for c in _CONFIGS}
"""Class, and its version where it has several -> config.json."""

LIKE = {
    "GraniteSpeechPlusForConditionalGeneration": "GraniteSpeechForConditionalGeneration",
    "Qwen3ASRRealtimeGeneration": "Qwen3ASRForConditionalGeneration",
    "Qwen2_5OmniForConditionalGeneration": "Qwen2_5OmniModel",
    "NemotronH_Super_Omni_Reasoning_V3": "NemotronH_Nano_Omni_Reasoning_V3",
    "NemotronH_Omni_Reasoning_V3": "NemotronH_Nano_Omni_Reasoning_V3",
    "Ovis2_6ForCausalLM": "Ovis2_5",
    "Ovis2_6_MoeForCausalLM": "Ovis2_5",
}
"""Another name of a class in vLLM's registry -> one that is asked about."""

NOT_ASKED = {
    "AyaVisionForConditionalGeneration": "last in vLLM 0.24",
    "DeepseekVLV2ForCausalLM": "its encoder is timm's, which the engine lacks",
    "InternVLChatModel": "it needs a tokenizer",
    "Llama_Nemotron_Nano_VL": "its encoder comes with its repository",
    "MiniMaxM3SparseForConditionalGeneration": "it needs a GPU",
    "PixtralForConditionalGeneration": "it has Mistral's own format",
}
"""Classes that vLLM 0.29 does not build on this machine, and why."""

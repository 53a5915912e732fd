"""Parts of the config.json files in encoder_models.py: decoders, encoders, and what builds a whole from them."""

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
INKLING = {
    "model_type": "inkling_model", "vocab_size": 640, "hidden_size": 128, "intermediate_size": 96,
    "dense_intermediate_size": 384, "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 4,
    "swa_num_key_value_heads": 8, "local_layer_ids": [0, 2], "model_max_length": 2048, "dense_mlp_idx": 1,
    "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "shared_expert_sink": True,
    "use_embed_norm": True, "use_gate_bias": True, "use_global_scale": True,
}  # fmt: skip
KIMI_K3 = {
    "model_type": "kimi_linear", "vocab_size": 640, "hidden_size": 128, "intermediate_size": 384,
    "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 8, "max_position_embeddings": 2048,
    "tie_word_embeddings": False, "num_experts": 4, "num_experts_per_token": 2, "num_shared_experts": 2,
    "moe_intermediate_size": 96, "first_k_dense_replace": 1, "kv_lora_rank": 64, "q_lora_rank": 48,
    "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 32, "mla_use_nope": True,
    "mla_use_output_gate": True, "attn_res_block_size": 2, "routed_expert_hidden_size": 64, "hidden_act": "situ",
    "activation_situ_beta": 4.0, "activation_situ_linear_beta": 25.0, "latent_moe_use_norm": True,
    "num_nextn_predict_layers": 0,
    "linear_attn_config": {"full_attn_layers": [3, 4], "kda_layers": [1, 2], "num_heads": 8, "head_dim": 16,
                           "short_conv_kernel_size": 4, "use_full_rank_gate": True, "gate_lower_bound": -5.0},
}  # fmt: skip
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

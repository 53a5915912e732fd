"""Facts of public models from reports that have their config.json and count their tensors one by one.

The one thing to know: a row is as in core/shapes/copies.py, where older reports stand; a test compares the count.
"""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.recipes import MXFP4_EXPERTS
from infercli.core.shapes.sources import GALLERY, INKLING_SMALL, REPORT


def _inkling(hidden: int, layers: int, **text: int) -> Json:
    return {
        "architectures": ["InklingForConditionalGeneration"],
        "text_config": {
            "d_rel": 16, "dense_mlp_idx": 2, "gate_activation": "sigmoid", "head_dim": 128, "hidden_size": hidden,
            "local_layer_ids": [i for i in range(layers) if i % 6 != 5], "model_max_length": 1048576,
            "n_routed_experts": 256, "n_shared_experts": 2, "norm_after_topk": True, "num_experts_per_tok": 6,
            "num_hidden_layers": layers, "num_key_value_heads": 8, "o_bias": False, "q_bias": False,
            "rel_extent": 1024, "sconv_kernel_size": 4, "shared_expert_sink": True, "sliding_window_size": 512,
            "swa_head_dim": 128, "torch_dtype": "bfloat16", "unpadded_vocab_size": 200058, "use_embed_norm": True,
            "use_gate_bias": True, "use_global_scale": True, "vocab_size": 201024, **text,
        },
        "audio_config": {
            "audio_mode": "dmel", "decoder_dmodel": hidden, "mel_vocab_size": 16, "n_mel_bins": 80,
            "use_audio_norm": True,
        },
        "vision_config": {
            "decoder_dmodel": hidden, "n_channels": 3, "n_layers": 4, "patch_size": 40, "temporal_patch_size": 2,
            "use_vision_norm": True, "vision_encoder_type": "hmlp",
        },
        "mtp_config": {
            "chain_hidden_post_norm": False, "local_layer_ids": [0, 2, 4, 5, 6, 7], "num_nextn_predict_layers": 8,
        },
    }  # fmt: skip


# ids, config.json, its quantization, where the report stands
REPORTS: tuple[tuple[tuple[str, ...], Json, Json, str], ...] = (
    (
        # The layer that drafts stores the embedding and the head a second time.
        ("zai-org/GLM-4.7-Flash",),
        {
            "architectures": ["Glm4MoeLiteForCausalLM"], "dtype": "bfloat16", "first_k_dense_replace": 1,
            "hidden_size": 2048, "intermediate_size": 10240, "kv_lora_rank": 512, "max_position_embeddings": 202752,
            "moe_intermediate_size": 1536, "n_routed_experts": 64, "n_shared_experts": 1, "num_attention_heads": 20,
            "num_experts_per_tok": 4, "num_hidden_layers": 47, "num_nextn_predict_layers": 1, "q_lora_rank": 768,
            "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "topk_method": "noaux_tc", "v_head_dim": 256,
            "vocab_size": 154880,
        },
        None, REPORT.format("cbff706dc959", "models/glm_4.7_flash"),
    ),
    (
        ("deepseek-ai/DeepSeek-OCR",),
        {
            "architectures": ["DeepseekOCRForCausalLM"], "torch_dtype": "bfloat16",
            "language_config": {
                "architectures": ["DeepseekV2ForCausalLM"], "first_k_dense_replace": 1, "hidden_size": 1280,
                "intermediate_size": 6848, "kv_lora_rank": None, "max_position_embeddings": 8192,
                "moe_intermediate_size": 896, "n_routed_experts": 64, "n_shared_experts": 2,
                "num_attention_heads": 10, "num_experts_per_tok": 6, "num_hidden_layers": 12,
                "num_key_value_heads": 10, "q_lora_rank": None, "qk_nope_head_dim": 0, "qk_rope_head_dim": 0,
                "topk_method": "greedy", "torch_dtype": "bfloat16", "use_mla": False, "v_head_dim": 0,
                "vocab_size": 129280,
            },
            "projector_config": {"input_dim": 2048, "n_embed": 1280, "projector_type": "linear"},
            "vision_config": {
                "image_size": 1024,
                "width": {
                    "clip-l-14-224": {"heads": 16, "image_size": 224, "layers": 24, "patch_size": 14, "width": 1024},
                    "sam_vit_b": {"downsample_channels": [512, 1024], "heads": 12, "layers": 12, "width": 768},
                },
            },
        },
        None, REPORT.format("cbff706dc959", "models/deepseek_ocr"),
    ),
    (
        # What thinks; what talks (3.5 billion parameters in the files of Instruct) is not loaded.
        ("Qwen/Qwen3-Omni-30B-A3B-Instruct", "Qwen/Qwen3-Omni-30B-A3B-Thinking"),
        {
            "architectures": ["Qwen3OmniMoeForConditionalGeneration"], "dtype": "bfloat16",
            "thinker_config": {
                "dtype": "bfloat16", "tie_word_embeddings": False,
                "audio_config": {
                    "conv_chunksize": 500, "d_model": 1280, "downsample_hidden_size": 480,
                    "encoder_attention_heads": 20, "encoder_ffn_dim": 5120, "encoder_layers": 32,
                    "max_source_positions": 1500, "n_window": 50, "n_window_infer": 800, "num_mel_bins": 128,
                    "output_dim": 2048,
                },
                "text_config": {
                    "head_dim": 128, "hidden_size": 2048, "intermediate_size": 768, "max_position_embeddings": 65536,
                    "moe_intermediate_size": 768, "num_attention_heads": 32, "num_experts": 128,
                    "num_experts_per_tok": 8, "num_hidden_layers": 48, "num_key_value_heads": 4,
                    "rope_parameters": {"mrope_section": [24, 20, 20]}, "shared_expert_intermediate_size": 0,
                    "vocab_size": 152064,
                },
                "vision_config": {
                    "deepstack_visual_indexes": [8, 16, 24], "depth": 27, "hidden_size": 1152, "image_size": 768,
                    "in_channels": 3, "intermediate_size": 4304, "num_heads": 16, "num_position_embeddings": 2304,
                    "out_hidden_size": 2048, "patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2,
                },
            },
        },
        None, REPORT.format("6a3ceabe48ff", "qwen3_omni_30b_a3b_instruct"),
    ),
    (
        # vLLM runs it as it was trained, for the next token, where nothing overrides its class.
        ("Qwen/Qwen3-Reranker-8B",),
        {
            "architectures": ["Qwen3ForCausalLM"], "dtype": "bfloat16", "head_dim": 128, "hidden_size": 4096,
            "intermediate_size": 12288, "max_position_embeddings": 40960, "num_attention_heads": 32,
            "num_hidden_layers": 36, "num_key_value_heads": 8, "tie_word_embeddings": False, "vocab_size": 151669,
        },
        None, REPORT.format("cbff706dc959", "models/qwen3_reranker_8b"),
    ),
    (
        ("moonshotai/Kimi-K3",),
        {
            "architectures": ["KimiK3ForConditionalGeneration"], "dtype": "bfloat16", "tie_word_embeddings": False,
            "text_config": {
                "attn_res_block_size": 12, "dtype": "bfloat16", "first_k_dense_replace": 1, "hidden_act": "situ",
                "hidden_size": 7168, "intermediate_size": 33792, "kv_lora_rank": 512, "latent_moe_use_norm": True,
                "linear_attn_config": {
                    "full_attn_layers": [*range(4, 93, 4), 93], "gate_lower_bound": -5.0, "head_dim": 128,
                    "kda_layers": [n for n in range(1, 92) if n % 4], "num_heads": 96, "short_conv_kernel_size": 4,
                    "use_full_rank_gate": True,
                },
                "max_position_embeddings": 1048576, "mla_use_nope": True, "mla_use_output_gate": True,
                "moe_intermediate_size": 3072, "moe_layer_freq": 1, "num_attention_heads": 96, "num_experts": 896,
                "num_experts_per_token": 16, "num_hidden_layers": 93, "num_key_value_heads": 96,
                "num_nextn_predict_layers": 0, "num_shared_experts": 2, "q_lora_rank": 1536, "qk_nope_head_dim": 128,
                "qk_rope_head_dim": 64, "routed_expert_hidden_size": 3584, "v_head_dim": 128, "vocab_size": 163840,
            },
            "vision_config": {
                "mm_projector_type": "patchmergerv2", "norm_type": "rmsnorm", "patch_size": 14,
                "qkv_hidden_size": 1536, "vt_hidden_size": 1024, "vt_intermediate_size": 4096,
                "vt_num_attention_heads": 12, "vt_num_hidden_layers": 27,
            },
        },
        MXFP4_EXPERTS, REPORT.format("a0d3871ab6f5", "models/kimi_k3"),
    ),
    (
        ("thinkingmachines/Inkling",),
        _inkling(
            6144, 66, num_attention_heads=64, swa_num_attention_heads=64, swa_num_key_value_heads=16,
            dense_intermediate_size=24576, intermediate_size=3072,
        ),
        None, GALLERY.format("inkling"),
    ),
    (
        ("thinkingmachines/Inkling-Small",),
        _inkling(
            4096, 42, num_attention_heads=32, swa_num_attention_heads=32, swa_num_key_value_heads=8,
            dense_intermediate_size=16384, intermediate_size=2048,
        ),
        None, INKLING_SMALL,
    ),
)  # fmt: skip

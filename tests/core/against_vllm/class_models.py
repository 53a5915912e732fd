"""Small config.json files, one for each class whose shape is compared with vLLM's own (test_classes_against_vllm.py).

Widths differ from one another on purpose: a width that is taken for another shows in the count.
"""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch
from tests.core.against_vllm.dense_models import DENSE, LLAMA, Config
from tests.core.against_vllm.mixture_models import MIXTURES
from tests.core.against_vllm.newer_models import NEWER
from tests.core.against_vllm.pooling_models import POOLING

_EXPERTS: Config = {"num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 320, "norm_topk_prob": True}
_BAILING: Config = _EXPERTS | {
    "head_dim": 96, "first_k_dense_replace": 1, "num_shared_experts": 1, "use_qkv_bias": True, "use_bias": False,
    "use_qk_norm": True, "use_rmsnorm": True, "rope_theta": 10000.0, "rope_scaling": None, "n_group": 1,
    "topk_group": 1, "routed_scaling_factor": 2.5, "embedding_dropout": 0.0,
}  # fmt: skip
_LATENT: Config = {
    "num_key_value_heads": 16, "q_lora_rank": 512, "kv_lora_rank": 256, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128,
    "v_head_dim": 96, "first_k_dense_replace": 1, "n_routed_experts": 8, "num_experts_per_tok": 2,
    "n_shared_experts": 2, "moe_intermediate_size": 320, "n_group": 1, "topk_group": 1, "scoring_func": "sigmoid",
    "topk_method": "noaux_tc", "norm_topk_prob": True, "routed_scaling_factor": 1.0, "moe_layer_freq": 1,
    "rope_theta": 10000.0,
}  # fmt: skip
_GRANITE: Config = {
    "embedding_multiplier": 12.0, "logits_scaling": 8.0, "residual_multiplier": 0.22, "attention_multiplier": 0.015625,
    "sliding_window": 128,
}  # fmt: skip

CLASSES: dict[str, Config] = {
    "LagunaForCausalLM": LLAMA
    | _EXPERTS
    | {
        "architectures": ["LagunaForCausalLM"],
        "model_type": "laguna",
        "head_dim": 96,
        "shared_expert_intermediate_size": 448,
        "gating": True,
        "sliding_window": 512,
        "num_hidden_layers": 5,
        "layer_types": ["full_attention", *["sliding_attention"] * 3, "full_attention"],
        "num_attention_heads_per_layer": [16, 24, 24, 24, 16],
        "mlp_layer_types": ["dense", *["sparse"] * 4],
        "rope_parameters": {
            "full_attention": {
                "rope_theta": 500000.0,
                "rope_type": "yarn",
                "factor": 32.0,
                "original_max_position_embeddings": 4096,
                "partial_rotary_factor": 0.5,
            },
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default", "partial_rotary_factor": 1.0},
        },
    },
    "Laguna with a gate on every element, sinks and biases": LLAMA
    | _EXPERTS
    | {
        "architectures": ["LagunaForCausalLM"],
        "model_type": "laguna",
        "head_dim": 64,
        "attention_bias": True,
        "shared_expert_intermediate_size": 0,
        "gating": "per-element",
        "sliding_window": 512,
        "num_hidden_layers": 4,
        "layer_types": ["full_attention", *["sliding_attention"] * 3],
        "swa_attention_sink_enabled": True,
        "mlp_only_layers": [1],
        "decoder_sparse_step": 2,
        "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"},
        "partial_rotary_factor": 0.5,
    },
    "TeleChat3ForCausalLM": LLAMA | {"architectures": ["TeleChat3ForCausalLM"], "model_type": "telechat3"},
    "IQuestCoderForCausalLM": LLAMA | {"architectures": ["IQuestCoderForCausalLM"], "model_type": "iquestcoder"},
    "TeleChat2ForCausalLM": {
        "architectures": ["TeleChat2ForCausalLM"],
        "model_type": "telechat",
        "hidden_size": 1024,
        "ffn_hidden_size": 2176,
        "n_layer": 3,
        "n_head": 16,
        "vocab_size": 32000,
        "seq_length": 8192,
        "tie_word_embeddings": False,
        "layer_norm_epsilon": 1e-5,
        "torch_dtype": "bfloat16",
    },
    "PanguEmbeddedForCausalLM": LLAMA
    | {
        "architectures": ["PanguEmbeddedForCausalLM"],
        "model_type": "PanguEmbedded",
        "head_dim": 96,
        "bias": True,
        "rope_theta": 10000.0,
    },
    "PanguEmbedded with norms on both sides": LLAMA
    | {
        "architectures": ["PanguEmbeddedForCausalLM"],
        "model_type": "PanguEmbedded",
        "bias": True,
        "qkv_bias": False,
        "sandwich_norm": True,
        "rope_theta": 10000.0,
    },
    "HyperCLOVAXForCausalLM": LLAMA | {"architectures": ["HyperCLOVAXForCausalLM"], "model_type": "hyperclovax"},
    "Rnj1ForCausalLM": LLAMA
    | {
        "architectures": ["Rnj1ForCausalLM"],
        "model_type": "gemma3_text",
        "head_dim": 96,
        "layer_types": ["full_attention"] * 3,
        "sliding_window": 1024,
        "hidden_activation": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 96,
        "tie_word_embeddings": True,
    },
    "Step1ForCausalLM": {k: v for k, v in LLAMA.items() if k != "num_key_value_heads"}
    | {"architectures": ["Step1ForCausalLM"], "model_type": "step1", "num_attention_groups": 4},
    "MellumForCausalLM": LLAMA
    | _EXPERTS
    | {
        "architectures": ["MellumForCausalLM"],
        "model_type": "mellum",
        "head_dim": 96,
        "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
        "mlp_layer_types": ["sparse", "dense", "sparse"],
        "sliding_window": 1024,
        "rope_parameters": {
            "full_attention": {"rope_theta": 500000.0, "rope_type": "default"},
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
        },
    },
    "Cohere2MoeForCausalLM": LLAMA
    | {
        "architectures": ["Cohere2MoeForCausalLM"],
        "model_type": "cohere2_moe",
        "head_dim": 96,
        "num_hidden_layers": 6,
        "sliding_window": 512,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "num_shared_experts": 2,
        "first_k_dense_replace": 1,
        "prefix_dense_intermediate_size": 3008,
        "tie_word_embeddings": True,
    },
    "Mellum with windows": LLAMA
    | _EXPERTS
    | {
        "architectures": ["MellumForCausalLM"],
        "model_type": "mellum",
        "head_dim": 96,
        "layer_types": ["full_attention", "sliding_attention", "sliding_attention"],
        "mlp_layer_types": ["sparse", "dense", "sparse"],
        "sliding_window": 1024,
        "use_sliding_window": True,
        "rope_parameters": {
            "full_attention": {"rope_theta": 500000.0, "rope_type": "default"},
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
        },
    },
    "HYV3ForCausalLM": LLAMA
    | {
        "architectures": ["HYV3ForCausalLM"],
        "model_type": "hy_v3",
        "head_dim": 96,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "expert_hidden_dim": 320,
        "num_shared_experts": 2,
        "first_k_dense_replace": 1,
    },
    "SarvamMoEForCausalLM": LLAMA
    | _BAILING
    | {
        "architectures": ["SarvamMoEForCausalLM"],
        "model_type": "sarvam_moe",
        "score_function": "sigmoid",
        "moe_router_enable_expert_bias": True,
    },
    "Param2MoEForCausalLM": LLAMA
    | _BAILING
    | {
        "architectures": ["Param2MoEForCausalLM"],
        "model_type": "param2moe",
        "num_shared_experts": 2,
        "moe_shared_expert_intermediate_size": 576,
    },
    "GraniteSWAForCausalLM": LLAMA
    | _GRANITE
    | {"architectures": ["GraniteSWAForCausalLM"], "model_type": "granite_swa", "num_hidden_layers": 5},
    "GraniteMoeSWAForCausalLM": LLAMA
    | _GRANITE
    | {
        "architectures": ["GraniteMoeSWAForCausalLM"],
        "model_type": "granitemoe_swa",
        "num_hidden_layers": 5,
        "num_local_experts": 8,
        "num_experts_per_tok": 2,
        "shared_intermediate_size": 448,
    },
    "AXK1ForCausalLM": LLAMA | _LATENT | {"architectures": ["AXK1ForCausalLM"], "model_type": "axk1"},
    "SarvamMLAForCausalLM": LLAMA
    | _LATENT
    | {
        "architectures": ["SarvamMLAForCausalLM"],
        "model_type": "sarvam_mla",
        "num_experts": 8,
        "num_shared_experts": 2,
        "q_lora_rank": None,
    },
    "PanguUltraMoEForCausalLM": LLAMA
    | _LATENT
    | {
        "architectures": ["PanguUltraMoEForCausalLM"],
        "model_type": "pangu_ultra_moe",
        "router_enable_expert_bias": True,
        "sandwich_norm": True,
    },
    "Lfm2ForCausalLM": LLAMA
    | {
        "architectures": ["Lfm2ForCausalLM"],
        "model_type": "lfm2",
        "conv_dim": 1024,
        "block_dim": 1024,
        "block_ff_dim": 3500,
        "block_multiple_of": 128,
        "block_ffn_dim_multiplier": 1.2,
        "conv_L_cache": 4,
        "conv_bias": True,
        "full_attn_idxs": [1],
        "rope_theta": 1000000.0,
    },
    "Lfm2MoeForCausalLM": LLAMA
    | _EXPERTS
    | {
        "architectures": ["Lfm2MoeForCausalLM"],
        "model_type": "lfm2_moe",
        "num_dense_layers": 1,
        "layer_types": ["conv", "full_attention", "conv"],
    },
    "OlmoHybridForCausalLM": LLAMA
    | {"architectures": ["OlmoHybridForCausalLM"], "model_type": "olmo_hybrid", "num_hidden_layers": 6},
    "Gemma3nForCausalLM": LLAMA
    | {
        "architectures": ["Gemma3nForCausalLM"],
        "model_type": "gemma3n_text",
        "num_hidden_layers": 6,
        "intermediate_size": [2176, 2176, 2432, 2432, 2688, 2688],
        "head_dim": 96,
        "num_kv_shared_layers": 2,
        "vocab_size_per_layer_input": 31936,
        "hidden_size_per_layer_input": 160,
        "hidden_activation": "gelu_pytorch_tanh",
        "laurel_rank": 48,
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention"] * 2,
        "tie_word_embeddings": True,
    },
    "FalconH1ForCausalLM": LLAMA
    | {
        "architectures": ["FalconH1ForCausalLM"],
        "model_type": "falcon_h1",
        "head_dim": 96,
        "mamba_d_ssm": 1536,
        "mamba_n_heads": 24,
        "mamba_d_head": 64,
        "mamba_n_groups": 2,
        "mamba_d_state": 128,
        "mamba_d_conv": 4,
        "mlp_multipliers": [1.0, 1.0],
        "ssm_multipliers": [1.0, 1.0, 1.0, 1.0, 1.0],
        "rope_theta": 100000000000.0,
    },
    "FalconH1 with a norm in Mamba": LLAMA
    | {
        "architectures": ["FalconH1ForCausalLM"],
        "model_type": "falcon_h1",
        "head_dim": 96,
        "mamba_rms_norm": True,
        "mamba_d_ssm": None,
        "mamba_n_heads": 32,
        "mamba_n_groups": 1,
        "mamba_d_state": 128,
        "mamba_d_conv": 4,
        "mlp_multipliers": [1.0, 1.0],
        "ssm_multipliers": [1.0, 1.0, 1.0, 1.0, 1.0],
        "rope_theta": 100000000000.0,
    },
    "LongcatFlashForCausalLM": {
        k: v for k, v in LLAMA.items() if k not in ("num_hidden_layers", "num_key_value_heads", "intermediate_size")
    }
    | {
        "architectures": ["LongcatFlashForCausalLM"],
        "model_type": "longcat_flash",
        "num_layers": 3,
        "ffn_hidden_size": 2176,
        "expert_ffn_hidden_size": 320,
        "n_routed_experts": 8,
        "moe_topk": 2,
        "zero_expert_num": 4,
        "zero_expert_type": "identity",
        "q_lora_rank": 512,
        "kv_lora_rank": 256,
        "qk_rope_head_dim": 64,
        "qk_nope_head_dim": 128,
        "v_head_dim": 96,
        "routed_scaling_factor": 6.0,
        "rope_theta": 10000000.0,
    },
    "WhisperForConditionalGeneration": {
        "architectures": ["WhisperForConditionalGeneration"],
        "model_type": "whisper",
        "is_encoder_decoder": True,
        "d_model": 1024,
        "encoder_layers": 2,
        "encoder_attention_heads": 16,
        "encoder_ffn_dim": 2176,
        "decoder_layers": 3,
        "decoder_attention_heads": 16,
        "decoder_ffn_dim": 3008,
        "vocab_size": 51866,
        "num_mel_bins": 128,
        "max_source_positions": 1500,
        "max_target_positions": 448,
        "num_hidden_layers": 2,
        "torch_dtype": "bfloat16",
        "bos_token_id": 50257,
        "pad_token_id": 50256,
    },
    **DENSE,
    **MIXTURES,
    **NEWER,
    **POOLING,
}

NOT_ASKED = {
    "AliceAIForCausalLM": "first in vLLM 0.33",
    "AquilaForCausalLM": "last in vLLM 0.24",
    "ArcticForCausalLM": "last in vLLM 0.28",
    "BaiChuanForCausalLM": "last in vLLM 0.23",
    "BaichuanForCausalLM": "last in vLLM 0.23",
    "BambaForCausalLM": "last in vLLM 0.23",
    "BeamForCausalLM": "first in vLLM 0.33",
    "ChameleonForConditionalGeneration": "last in vLLM 0.28",
    "CLIPModel": "asked with its encoder (encoder_models.py)",
    "CohereAsrForConditionalGeneration": "it needs torchaudio, which the engine lacks",
    "DeepseekV41ForCausalLM": "first in vLLM 0.30",
    "DomynEdgeForCausalLM": "first in vLLM 0.33",
    "DoryForCausalLM": "first in vLLM 0.33",
    "Dots1ForCausalLM": "last in vLLM 0.23",
    "EmbeddingGemma2TextModel": "the decoder of EmbeddingGemma2Model, first in vLLM 0.32",
    "Ernie4_5_VLMoeForConditionalGeneration": "asked with its encoder (encoder_models.py)",
    "ErnieForSequenceClassification": "last in vLLM 0.23",
    "ErnieForTokenClassification": "last in vLLM 0.23",
    "ErnieModel": "last in vLLM 0.23",
    "ExaoneMoEForCausalLM": "first in vLLM 0.32",
    "Glm5NextForCausalLM": "first in vLLM 0.30",
    "Grok1ForCausalLM": "last in vLLM 0.24",
    "Grok1ModelForCausalLM": "last in vLLM 0.24",
    "HfMoondream": "asked with its encoder (later_encoders.py)",
    "InternLMForCausalLM": "last in vLLM 0.23",
    "JAISLMHeadModel": "last in vLLM 0.22",
    "K2HorizonForCausalLM": "first in vLLM 0.30",
    "MiniMaxForCausalLM": "last in vLLM 0.23",
    "MiniMaxM1ForCausalLM": "last in vLLM 0.23",
    "MiniMaxText01ForCausalLM": "last in vLLM 0.23",
    "MllamaForConditionalGeneration": "last in vLLM 0.10.2",
    "Moondream3ForCausalLM": "asked with its encoder (later_encoders.py)",
    "MPTForCausalLM": "last in vLLM 0.28",
    "MptForCausalLM": "last in vLLM 0.28",
    "MuseGlimmerForConditionalGeneration": "asked with its encoder (encoder_models.py)",
    "MuseSparkForConditionalGeneration": "first in vLLM 0.33",
    "OuroForCausalLM": "last in vLLM 0.26",
    "PersimmonForCausalLM": "last in vLLM 0.25",
    "Phi3SmallForCausalLM": "last in vLLM 0.9",
    "Plamo2ForCausalLM": "last in vLLM 0.26",
    "QWenLMHeadModel": "last in vLLM 0.23",
    "RWForCausalLM": "last in vLLM 0.28",
    "SiglipModel": "asked with its encoder (encoder_models.py)",
    "StableLMEpochForCausalLM": "last in vLLM 0.28",
    "Step3p7FlashForCausalLM": "not in vLLM 0.29",
    "TeleChatForCausalLM": "last in vLLM 0.25",
    "VoxtralRealtimeForConditionalGeneration": "it needs a tokenizer to be built (test_dropped_encoders.py)",
    "VoxtralRealtimeGeneration": "it needs a tokenizer to be built (test_dropped_encoders.py)",
    "XverseForCausalLM": "last in vLLM 0.23",
}
"""Classes that vLLM 0.29 does not build, and why (its models/registry.py _PREVIOUSLY_SUPPORTED_MODELS)."""


def padding(arch: ModelArch) -> int:
    """Positions that RoBERTa's begin with and no token has; vLLM has the length without them from the tokenizer."""
    learned = arch.rope_positions == 0 and ("Roberta" in arch.architecture or arch.architecture.startswith("BgeM3"))
    return 2 if learned else 0

"""Small config.json files of mixtures, and of decoders with states or latent vectors, for class_models.py: CLASSES."""

from __future__ import annotations

from tests.core.against_vllm.dense_models import Config, config

_EXPERTS: Config = {
    "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 320, "norm_topk_prob": True,
}  # fmt: skip
_LOCAL: Config = {"num_local_experts": 8, "num_experts_per_tok": 2}
_ROUTED: Config = {
    "n_routed_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 2, "moe_intermediate_size": 320,
    "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1, "norm_topk_prob": True, "routed_scaling_factor": 1.0,
    "scoring_func": "sigmoid", "topk_method": "noaux_tc",
}  # fmt: skip
_LATENT: Config = _ROUTED | {
    "num_key_value_heads": 16, "q_lora_rank": 512, "kv_lora_rank": 256, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128,
    "v_head_dim": 96, "moe_layer_freq": 1, "rope_theta": 10000.0,
}  # fmt: skip
KIMI_K3: Config = {
    "num_hidden_layers": 5, "mla_use_nope": True, "mla_use_output_gate": True, "num_experts": 8,
    "num_experts_per_token": 2, "num_shared_experts": 2, "moe_renormalize": True, "num_expert_group": 1,
    "moe_router_activation_func": "sigmoid", "use_grouped_topk": True, "num_nextn_predict_layers": 1,
    "hidden_act": "situ", "activation_situ_beta": 4.0, "activation_situ_linear_beta": 25.0, "attn_res_block_size": 2,
    "routed_expert_hidden_size": 448, "latent_moe_use_norm": True,
    "linear_attn_config": {"full_attn_layers": [3, 5], "kda_layers": [1, 2, 4], "num_heads": 12, "head_dim": 64,
                           "short_conv_kernel_size": 4, "use_full_rank_gate": True, "gate_lower_bound": -5.0},
}  # fmt: skip
_INKLING: Config = {
    "num_hidden_layers": 6, "num_key_value_heads": 8, "head_dim": 64, "swa_num_attention_heads": 32,
    "swa_num_key_value_heads": 16, "swa_head_dim": 96, "local_layer_ids": [0, 1, 3, 4], "sliding_window_size": 256,
    "rel_extent": 512, "d_rel": 8, "dense_mlp_idx": 2, "dense_intermediate_size": 960, "intermediate_size": 320,
    "n_routed_experts": 12, "n_shared_experts": 2, "num_experts_per_tok": 2, "sconv_kernel_size": 4,
    "use_embed_norm": True, "use_gate_bias": True, "use_global_scale": True, "shared_expert_sink": True,
    "model_max_length": 4096,
}  # fmt: skip
_INDEXER: Config = {"index_head_dim": 128, "index_n_heads": 16, "index_topk": 2048}
_GRANITE: Config = {
    "embedding_multiplier": 12.0, "logits_scaling": 8.0, "residual_multiplier": 0.2, "attention_multiplier": 0.1,
}  # fmt: skip
_BAILING: Config = _EXPERTS | {
    "head_dim": 96, "first_k_dense_replace": 1, "num_shared_experts": 2, "use_qkv_bias": True, "use_bias": False,
    "rope_theta": 10000.0, "rope_scaling": None, "embedding_dropout": 0.0, "norm_head": False, "norm_softmax": False,
}  # fmt: skip
_MAMBA2: Config = {
    "mamba_n_heads": 32, "mamba_d_head": 64, "mamba_n_groups": 2, "mamba_d_state": 128, "mamba_d_conv": 4,
    "mamba_expand": 2, "mamba_chunk_size": 256, "mamba_conv_bias": True, "mamba_proj_bias": False,
}  # fmt: skip
_NEMOTRON_H: Config = {
    "mamba_num_heads": 24, "mamba_head_dim": 64, "n_groups": 2, "ssm_state_size": 128, "conv_kernel": 4, "expand": 2,
    "chunk_size": 128, "mlp_hidden_act": "relu2", "use_bias": False, "use_conv_bias": True,
    "layer_norm_epsilon": 1e-5, "head_dim": 96, "hybrid_override_pattern": "M-M*-M", "num_hidden_layers": 6,
}  # fmt: skip
_DELTA: Config = {
    "head_dim": 96, "num_hidden_layers": 4, "layer_types": ["linear_attention"] * 3 + ["full_attention"],
    "linear_num_key_heads": 8, "linear_num_value_heads": 16, "linear_key_head_dim": 64, "linear_value_head_dim": 96,
    "linear_conv_kernel_dim": 4,
}  # fmt: skip
_QWEN_MOE: Config = _EXPERTS | {
    "shared_expert_intermediate_size": 448, "decoder_sparse_step": 1, "mlp_only_layers": [1],
}  # fmt: skip
_MIMO: Config = _ROUTED | {
    "num_hidden_layers": 4, "head_dim": 96, "v_head_dim": 64, "hybrid_layer_pattern": [0, 1, 1, 0], "swa_head_dim": 80,
    "swa_v_head_dim": 48, "swa_num_attention_heads": 24, "swa_num_key_value_heads": 8, "sliding_window": 128,
    "sliding_window_size": 128, "add_swa_attention_sink_bias": True, "add_full_attention_sink_bias": False,
    "moe_layer_freq": [0, 1, 1, 1], "swa_rope_theta": 10000.0, "rope_theta": 5000000.0, "attention_bias": False,
    "n_shared_experts": None, "layernorm_epsilon": 1e-5, "partial_rotary_factor": 0.334,
    "attention_value_scale": 0.707, "attention_chunk_size": 128,
}  # fmt: skip
_ERNIE: Config = {
    "head_dim": 96, "moe_num_experts": 8, "moe_k": 2, "moe_intermediate_size": 320, "moe_num_shared_experts": 2,
    "moe_layer_start_index": 1, "moe_layer_interval": 1, "moe_layer_end_index": 2, "use_bias": False,
}  # fmt: skip
_YARN: Config = {
    "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0, "truncate": False,
    "original_max_position_embeddings": 256, "rope_theta": 150000.0,
}  # fmt: skip
_STEP: Config = {
    "max_seq_len": 8192,
    "num_hidden_layers": 4, "num_attention_groups": 4, "head_dim": 96, "moe_num_experts": 8, "moe_top_k": 2,
    "moe_intermediate_size": 320, "share_expert_dim": 448, "moe_layers_enum": "1,2,3", "sliding_window": 512,
    "layer_types": ["full_attention", *["sliding_attention"] * 3], "use_head_wise_attn_gate": True,
    "attention_other_setting": {
        "attention_type": "sliding_attention", "num_attention_heads": 24, "num_attention_groups": 8, "head_dim": 96,
    },
    "rope_theta": [5000000.0, 10000.0, 10000.0, 10000.0], "partial_rotary_factors": [0.5, 1.0, 1.0, 1.0],
    "use_moe": True, "moe_router_activation": "sigmoid", "use_moe_router_bias": True, "need_fp32_gate": True,
    "moe_router_scaling_factor": 3.0, "norm_expert_weight": True, "swiglu_limits": [0.0] * 4,
    "swiglu_limits_shared": [0.0] * 4, "zero_centered": True, "yarn_only_types": ["full_attention"],
}  # fmt: skip
_GEMMA4: Config = {
    "num_hidden_layers": 4, "head_dim": 96, "global_head_dim": 160, "num_global_key_value_heads": 2,
    "attention_k_eq_v": True, "sliding_window": 512, "hidden_activation": "gelu_pytorch_tanh",
    "layer_types": ["sliding_attention"] * 3 + ["full_attention"], "num_kv_shared_layers": 0,
    "hidden_size_per_layer_input": 0, "enable_moe_block": False, "use_double_wide_mlp": False,
    "tie_word_embeddings": True, "rope_parameters": {
        "full_attention": {"rope_theta": 1000000.0, "rope_type": "proportional", "partial_rotary_factor": 0.25},
        "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
    },
}  # fmt: skip

MIXTURES: dict[str, Config] = {
    "MixtralForCausalLM": config("MixtralForCausalLM", "mixtral", _LOCAL, sliding_window=None),
    "PhiMoEForCausalLM": config("PhiMoEForCausalLM", "phimoe", _LOCAL, attention_bias=True, lm_head_bias=True,
                                vocab_size=32064, rope_theta=10000.0, router_jitter_noise=0.01,
                                input_jitter_noise=0.01),
    "Qwen2MoeForCausalLM": config("Qwen2MoeForCausalLM", "qwen2_moe", _QWEN_MOE),
    "Qwen 2 MoE without biases": config("Qwen2MoeForCausalLM", "qwen2_moe", _QWEN_MOE, qkv_bias=False,
                                        shared_expert_intermediate_size=0, decoder_sparse_step=2, mlp_only_layers=[]),
    "Qwen3MoeForCausalLM": config("Qwen3MoeForCausalLM", "qwen3_moe", _EXPERTS, head_dim=96, attention_bias=True,
                                  decoder_sparse_step=1, mlp_only_layers=[0], num_key_value_heads=2),
    "OlmoeForCausalLM": config("OlmoeForCausalLM", "olmoe", num_experts=8, num_experts_per_tok=2, norm_topk_prob=False,
                               clip_qkv=None),
    "FlexOlmoForCausalLM": config("FlexOlmoForCausalLM", "flex_olmo", num_experts=4, num_experts_per_tok=2,
                                  norm_topk_prob=False, pad_token_id=1),
    "DeepseekForCausalLM": config("DeepseekForCausalLM", "deepseek", _ROUTED, moe_layer_freq=1, topk_method="greedy",
                                  scoring_func="softmax", num_key_value_heads=16, rope_theta=10000.0),
    "GraniteMoeForCausalLM": config("GraniteMoeForCausalLM", "granitemoe", _LOCAL, _GRANITE, tie_word_embeddings=True),
    "GraniteMoeSharedForCausalLM": config("GraniteMoeSharedForCausalLM", "granitemoeshared", _LOCAL, _GRANITE,
                                          shared_intermediate_size=448),
    "Glm4MoeForCausalLM": config("Glm4MoeForCausalLM", "glm4_moe", _ROUTED, head_dim=96, attention_bias=True,
                                 use_qk_norm=True, partial_rotary_factor=0.5, num_nextn_predict_layers=1),
    "GLM 4 MoE without norms": config("Glm4MoeForCausalLM", "glm4_moe", _ROUTED, head_dim=96, attention_bias=False,
                                      use_qk_norm=False, n_shared_experts=1, num_key_value_heads=2),
    "Ernie4_5_MoeForCausalLM": config("Ernie4_5_MoeForCausalLM", "ernie4_5_moe", _ERNIE, tie_word_embeddings=True),
    "Ernie 4.5 MoE with biases": config("Ernie4_5_MoeForCausalLM", "ernie4_5_moe", _ERNIE, use_bias=True,
                                        moe_num_shared_experts=0),
    "BailingMoeForCausalLM": config("BailingMoeForCausalLM", "bailing_moe", _BAILING),
    "BailingMoeV2ForCausalLM": config("BailingMoeV2ForCausalLM", "bailing_moe_v2", _BAILING, use_qk_norm=True,
                                      use_rmsnorm=True, use_qkv_bias=False, moe_router_enable_expert_bias=True,
                                      n_group=4, topk_group=2, score_function="sigmoid", routed_scaling_factor=2.5,
                                      moe_shared_expert_intermediate_size=320, num_shared_experts=1),
    "Bailing V2 without a correction": config("BailingMoeV2ForCausalLM", "bailing_moe_v2", _BAILING, use_qk_norm=False,
                                              moe_router_enable_expert_bias=False, num_shared_experts=0),
    "MiniMax M2 without norms": config("MiniMaxM2ForCausalLM", "minimax_m2", _LOCAL, head_dim=96, rotary_dim=48,
                                       use_qk_norm=False, use_routing_bias=False, scoring_func="sigmoid",
                                       rope_theta=5000000.0),
    "MiniMaxM2ForCausalLM": config("MiniMaxM2ForCausalLM", "minimax_m2", _LOCAL, head_dim=96, rotary_dim=48,
                                   use_qk_norm=True, qk_norm_type="per_layer", use_routing_bias=True,
                                   scoring_func="sigmoid", rope_theta=5000000.0),
    "AfmoeForCausalLM": config("AfmoeForCausalLM", "afmoe", _EXPERTS, head_dim=96, num_shared_experts=1,
                               num_dense_layers=1, sliding_window=512, num_hidden_layers=4, mup_enabled=True,
                               score_func="sigmoid", route_norm=True, route_scale=2.5, global_attn_every_n_layers=4,
                               n_group=1, topk_group=1,
                               layer_types=["sliding_attention"] * 3 + ["full_attention"]),
    "ExaoneMoeForCausalLM": config("ExaoneMoeForCausalLM", "exaone_moe", _EXPERTS, head_dim=96, num_shared_experts=1,
                                   first_k_dense_replace=1, sliding_window=512, sliding_window_pattern=4, n_group=1,
                                   topk_group=1, scoring_func="sigmoid", routed_scaling_factor=2.5,
                                   sliding_windows=[512, 512, 512, None],
                                   num_hidden_layers=4, is_moe_layer=[False, True, True, True],
                                   layer_types=["sliding_attention"] * 3 + ["full_attention"]),
    "GptOssForCausalLM": config("GptOssForCausalLM", "gpt_oss", _LOCAL, head_dim=96, sliding_window=128,
                                intermediate_size=2048, num_hidden_layers=4, rope_scaling=_YARN,
                                layer_types=["sliding_attention", "full_attention"] * 2),
    "Llama4ForCausalLM": config("Llama4ForCausalLM", "llama4_text", head_dim=96, attention_chunk_size=1024,
                                num_local_experts=4, num_experts_per_tok=1, interleave_moe_layer_step=2,
                                intermediate_size_mlp=2432, use_qk_norm=True, num_hidden_layers=4, pad_token_id=0,
                                no_rope_layers=[1, 1, 1, 0]),
    "DbrxForCausalLM": {
        "architectures": ["DbrxForCausalLM"], "model_type": "dbrx", "d_model": 1024, "n_heads": 16, "n_layers": 3,
        "max_seq_len": 8192, "vocab_size": 32000, "torch_dtype": "bfloat16", "tie_word_embeddings": False,
        "attn_config": {"kv_n_heads": 4, "clip_qkv": 8, "rope_theta": 500000.0},
        "ffn_config": {"ffn_hidden_size": 320, "moe_num_experts": 8, "moe_top_k": 2},
    },
    "Gemma4ForCausalLM": config("Gemma4ForCausalLM", "gemma4_text", _GEMMA4),
    "Gemma 4 with experts": config("Gemma4ForCausalLM", "gemma4_text", _GEMMA4, enable_moe_block=True, num_experts=8,
                                   top_k_experts=2, moe_intermediate_size=320),
    "Gemma 4 with small embeddings": config("Gemma4ForCausalLM", "gemma4_text", _GEMMA4, attention_k_eq_v=False,
                                            num_global_key_value_heads=None, hidden_size_per_layer_input=160,
                                            vocab_size_per_layer_input=31936, num_kv_shared_layers=2,
                                            use_double_wide_mlp=True,
                                            layer_types=["sliding_attention", "full_attention"] * 2),
    "DeepseekV2ForCausalLM": config("DeepseekV2ForCausalLM", "deepseek_v2", _LATENT, q_lora_rank=None,
                                    topk_method="greedy", scoring_func="softmax"),
    "DeepSeek V2 with biases": config("DeepseekV2ForCausalLM", "deepseek_v2", _LATENT, attention_bias=True,
                                      topk_method="group_limited_greedy", scoring_func="softmax"),
    "DeepseekV3ForCausalLM": config("DeepseekV3ForCausalLM", "deepseek_v3", _LATENT, n_shared_experts=1,
                                    num_nextn_predict_layers=1),
    "DeepSeek V3 with biases": config("DeepseekV3ForCausalLM", "deepseek_v3", _LATENT, attention_bias=True,
                                      q_lora_rank=None),
    "MistralLarge3ForCausalLM": config("MistralLarge3ForCausalLM", "deepseek_v3", _LATENT, topk_method="greedy",
                                       scoring_func="softmax", n_shared_experts=1),
    "DeepseekV32ForCausalLM": config("DeepseekV32ForCausalLM", "deepseek_v32", _LATENT, _INDEXER),
    "GlmMoeDsaForCausalLM": config("GlmMoeDsaForCausalLM", "glm_moe_dsa", _LATENT, _INDEXER, num_hidden_layers=4,
                                   indexer_types=["full", "full", "shared", "full"], index_topk_freq=2,
                                   index_skip_topk_offset=2, index_share_for_mtp_iteration=True,
                                   index_topk_pattern=None,
                                   rope_parameters={"rope_theta": 10000.0, "rope_type": "default"}),
    "Glm4MoeLiteForCausalLM": config("Glm4MoeLiteForCausalLM", "glm4_moe_lite", _LATENT),
    "DeepseekV4ForCausalLM": config("DeepseekV4ForCausalLM", "deepseek_v4", _LATENT, _INDEXER, num_hidden_layers=4,
                                    num_key_value_heads=1, head_dim=512, o_lora_rank=256, o_groups=8,
                                    sliding_window=128, compress_ratios=[0, 4, 128, 0], compress_rope_theta=160000.0,
                                    hc_mult=4, hc_sinkhorn_iters=20, hc_eps=1e-6, scoring_func="sqrtsoftplus",
                                    swiglu_limit=10.0, num_hash_layers=1, n_shared_experts=1,
                                    first_k_dense_replace=0),
    "KimiLinearForCausalLM": config(
        "KimiLinearForCausalLM", "kimi_linear", _LATENT, num_hidden_layers=4, q_lora_rank=None, mla_use_nope=True,
        num_experts=8, num_experts_per_token=2, num_shared_experts=1, n_shared_experts=1, moe_renormalize=True,
        num_expert_group=1,
        moe_router_activation_func="sigmoid", use_grouped_topk=True, num_nextn_predict_layers=0,
        linear_attn_config={"full_attn_layers": [4], "kda_layers": [1, 2, 3], "num_heads": 16, "head_dim": 96,
                            "short_conv_kernel_size": 4},
    ),
    "Kimi-K3's decoder": config("KimiLinearForCausalLM", "kimi_linear", _LATENT, KIMI_K3),
    "Kimi-K3's decoder without residuals to choose from and a latent width": config(
        "KimiLinearForCausalLM", "kimi_linear", _LATENT, KIMI_K3, attn_res_block_size=None, mla_use_output_gate=False,
        routed_expert_hidden_size=None, latent_moe_use_norm=False),
    "Kimi-K3's decoder with a norm less": config(
        "KimiLinearForCausalLM", "kimi_linear", _LATENT, KIMI_K3, latent_moe_use_norm=False, first_k_dense_replace=2),
    "InklingForCausalLM": config("InklingForCausalLM", "inkling_model", _INKLING),
    "Inkling in the names of transformers": config(
        "InklingForCausalLM", "inkling_model", _INKLING, dense_intermediate_size=None, intermediate_size=960,
        moe_intermediate_size=320, conv_kernel_size=4, sconv_kernel_size=None, use_embed_norm=False,
        use_gate_bias=False, use_global_scale=False, swa_num_key_value_heads=None, swa_num_attention_heads=None,
        swa_head_dim=None),
    "Qwen3NextForCausalLM": config("Qwen3NextForCausalLM", "qwen3_next", _DELTA, _QWEN_MOE, attention_bias=True),
    "Qwen3_5ForCausalLM": config("Qwen3_5ForCausalLM", "qwen3_5_text", _DELTA),
    "Qwen3_5MoeForCausalLM": config("Qwen3_5MoeForCausalLM", "qwen3_5_moe_text", _DELTA, _QWEN_MOE,
                                    mlp_only_layers=[], num_key_value_heads=2),
    "NemotronHForCausalLM": config("NemotronHForCausalLM", "nemotron_h", _NEMOTRON_H),
    "Nemotron-H with biases": config("NemotronHForCausalLM", "nemotron_h", _NEMOTRON_H, use_bias=True, mlp_bias=True,
                                     attention_bias=True, use_conv_bias=False),
    "Nemotron-H with experts": config("NemotronHForCausalLM", "nemotron_h", _NEMOTRON_H, _ROUTED,
                                      hybrid_override_pattern="MEM*EM", moe_shared_expert_intermediate_size=448,
                                      n_shared_experts=1),
    "Nemotron-H with small experts": config("NemotronHForCausalLM", "nemotron_h", _NEMOTRON_H, _ROUTED,
                                            hybrid_override_pattern="MEM*EM", moe_latent_size=192,
                                            moe_shared_expert_intermediate_size=448, n_shared_experts=1),
    "GraniteMoeHybridForCausalLM": config("GraniteMoeHybridForCausalLM", "granitemoehybrid", _LOCAL, _GRANITE, _MAMBA2,
                                          layer_types=["mamba", "attention", "mamba"], shared_intermediate_size=448,
                                          position_embedding_type="nope"),
    "Granite hybrid without experts": config("GraniteMoeHybridForCausalLM", "granitemoehybrid", _GRANITE, _MAMBA2,
                                             layer_types=["mamba", "attention", "mamba"], attention_bias=True,
                                             shared_intermediate_size=448, num_local_experts=0, num_experts_per_tok=0,
                                             mamba_proj_bias=True, mamba_conv_bias=False, tie_word_embeddings=True),
    "JambaForCausalLM": config("JambaForCausalLM", "jamba", num_hidden_layers=6, attn_layer_period=4,
                               attn_layer_offset=2, expert_layer_period=2, expert_layer_offset=1, num_experts=4,
                               num_experts_per_tok=2, mamba_d_state=16, mamba_d_conv=4, mamba_expand=2,
                               mamba_dt_rank=64, mamba_conv_bias=True, mamba_proj_bias=False),
    "MambaForCausalLM": {
        "architectures": ["MambaForCausalLM"], "model_type": "mamba", "hidden_size": 1024, "intermediate_size": 2048,
        "num_hidden_layers": 3, "state_size": 16, "conv_kernel": 4, "time_step_rank": 64, "expand": 2,
        "vocab_size": 50280, "use_bias": False, "use_conv_bias": True, "torch_dtype": "float32", "hidden_act": "silu",
    },
    "FalconMambaForCausalLM": {
        "architectures": ["FalconMambaForCausalLM"], "model_type": "falcon_mamba", "hidden_size": 1024,
        "intermediate_size": 2176, "num_hidden_layers": 3, "state_size": 16, "conv_kernel": 4, "time_step_rank": 48,
        "vocab_size": 65024, "use_bias": False, "use_conv_bias": True, "torch_dtype": "bfloat16", "hidden_act": "silu",
        "tie_word_embeddings": False,
    },
    "Mamba2ForCausalLM": {
        "architectures": ["Mamba2ForCausalLM"], "model_type": "mamba2", "hidden_size": 1024, "num_hidden_layers": 3,
        "num_heads": 32, "head_dim": 64, "n_groups": 2, "state_size": 128, "conv_kernel": 4, "expand": 2,
        "chunk_size": 256, "vocab_size": 32003, "use_bias": True, "use_conv_bias": True, "hidden_act": "silu",
        "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    },
    "MiMoV2FlashForCausalLM": config("MiMoV2FlashForCausalLM", "mimo_v2_flash", _MIMO),
    "MiMoV2ForCausalLM": config("MiMoV2ForCausalLM", "mimo_v2", _MIMO, attention_bias=True),
    "Step3p5ForCausalLM": config("Step3p5ForCausalLM", "step3p5", _STEP),
    "MiniMaxM3SparseForCausalLM": config(
        "MiniMaxM3SparseForCausalLM", "minimax_m3", _LOCAL, head_dim=96, dense_intermediate_size=2432,
        shared_intermediate_size=640, n_shared_experts=2, intermediate_size=320, use_qk_norm=True, rotary_dim=48,
        qk_norm_type="per_head", use_gemma_norm=True, use_routing_bias=True, scoring_func="sigmoid",
        hidden_act="swigluoai", swiglu_alpha=1.702, swiglu_beta=1.0, swiglu_limit=7.0, routed_scaling_factor=2.0,
        rope_theta=5000000.0,
        moe_layer_freq=[0, 1, 1], num_mtp_modules=1, partial_rotary_factor=0.5,
        sparse_attention_config={
            "use_sparse_attention": True, "sparse_index_dim": 128, "sparse_num_index_heads": 4,
            "sparse_topk_blocks": 16, "sparse_block_size": 128, "sparse_disable_index_value": [0, 1, 1],
            "sparse_score_type": "max", "sparse_init_block": 0, "sparse_local_block": 1,
            "sparse_attention_freq": [0, 1, 1],
        },
    ),
}  # fmt: skip

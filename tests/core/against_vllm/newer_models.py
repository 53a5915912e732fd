"""Small config.json files of decoders that depart far from Llama, for class_models.py: CLASSES."""

from __future__ import annotations

from tests.core.against_vllm.dense_models import Config, config

_ROUTED: Config = {
    "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 320, "norm_topk_prob": True, "n_group": 1,
    "topk_group": 1, "routed_scaling_factor": 2.5,
}  # fmt: skip
_LATENT: Config = {
    "num_key_value_heads": 16, "q_lora_rank": 512, "kv_lora_rank": 256, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128,
    "v_head_dim": 96,
}  # fmt: skip
_RING: Config = _ROUTED | _LATENT | {
    "num_hidden_layers": 5, "layer_group_size": 3, "head_dim": 64, "num_shared_experts": 1, "first_k_dense_replace": 1,
    "use_bias": False, "use_qkv_bias": False, "use_qk_norm": True, "moe_router_enable_expert_bias": True,
    "score_function": "sigmoid", "group_norm_size": 4, "linear_silu": True, "partial_rotary_factor": 0.5,
    "num_nextn_predict_layers": 1,
    "rope_theta": 10000.0,
}  # fmt: skip
_LING3: Config = _ROUTED | _LATENT | {
    "num_hidden_layers": 5, "layer_group_size": 2, "head_dim": 64, "num_shared_experts": 1, "first_k_dense_replace": 1,
    "moe_shared_expert_intermediate_size": 448, "use_bias": False, "no_kda_lora": True, "short_conv_kernel_size": 4,
    "gated_attention_proj_granularity_type": "head_wise", "rope_theta": 10000.0, "num_nextn_predict_layers": 1,
}  # fmt: skip
_HY_V4: Config = _LATENT | {
    "num_hidden_layers": 5, "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 320,
    "n_shared_experts": 2, "index_topk": 1024, "index_head_dim": 128, "index_n_heads": 8, "hc_mult": 4,
    "indexer_types": ["full", "full", "shared", "shared", "full"], "layer_types": ["deepseek_sparse_attention"] * 5,
    "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}, "num_nextn_predict_layers": 0,
}  # fmt: skip
_MUSE: Config = {
    "num_hidden_layers": 6, "head_dim": 96, "sliding_window": 512, "hidden_activation": "silu", "use_qk_norm": True,
    "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"},
}  # fmt: skip
_MINICPM3: Config = _LATENT | {
    "qk_rope_head_dim": 32, "qk_nope_head_dim": 64, "v_head_dim": 80, "scale_emb": 12, "scale_depth": 1.4,
    "dim_model_base": 256, "tie_word_embeddings": True,
}  # fmt: skip
_STEP3: Config = {
    "max_seq_len": 8192, "max_position_embedding": 8192, "num_attention_groups": 1, "head_dim": 128, "share_q_dim": 640,
    "moe_num_experts": 8, "moe_top_k": 2, "moe_intermediate_size": 320, "share_expert_dim": 448,
    "moe_layers_enum": "1,2", "norm_expert_weight": True,
}  # fmt: skip
_ZAMBA2: Config = {
    "num_hidden_layers": 7, "layers_block_type": ["mamba", "mamba", "hybrid", "mamba", "hybrid", "mamba", "hybrid"],
    "mamba_d_state": 64, "mamba_expand": 2, "mamba_ngroups": 2, "n_mamba_heads": 32, "num_key_value_heads": 16,
    "use_mem_rope": True, "adapter_rank": 96, "num_mem_blocks": 2, "use_shared_attention_adapter": True,
    "add_bias_linear": False, "hidden_act": "gelu", "tie_word_embeddings": True,
}  # fmt: skip
_HRM: Config = {
    "head_dim": 96, "H_cycles": 2, "L_cycles": 3, "num_hidden_layers": 2, "prefix_lm": True,
}  # fmt: skip
_HUNYUAN: Config = {
    "num_experts": 8, "moe_topk": 2, "moe_intermediate_size": [320] * 3, "num_shared_expert": [1] * 3,
    "use_mixed_mlp_moe": True, "use_cla": False, "cla_share_factor": 2, "use_qk_norm": True, "head_dim": 96,
    "attention_head_dim": 96, "rope_theta": 10000.0, "intermediate_size": 320, "tie_word_embeddings": True,
}  # fmt: skip
_NGRAM: Config = _LATENT | {
    "num_layers": 3, "num_hidden_layers": 6, "ffn_hidden_size": 2176, "expert_ffn_hidden_size": 320,
    "n_routed_experts": 8, "moe_topk": 2, "zero_expert_num": 4, "zero_expert_type": "identity",
    "routed_scaling_factor": 6.0, "rope_theta": 10000000.0, "ngram_vocab_size_ratio": 1.5, "emb_split_num": 4,
    "emb_neighbor_num": 3, "pad_token_id": 3, "eos_token_id": 2,
}  # fmt: skip
_PANGU: Config = {
    "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 320, "n_shared_experts": 2,
    "norm_topk_prob": True, "routed_scaling_factor": 2.5, "first_k_dense_replace": 1, "router_enable_expert_bias": True,
    "param_sink_number": 128, "param_sink_with_value": True, "qk_nope_dim": 96, "qk_rope_dim": 32, "v_channels": 80,
    "rope_theta": 10000.0, "sandwich_norm": True,
}  # fmt: skip
_PUZZLE: Config = {
    "block_configs": [
        {"block_type": "mamba"},
        {"block_type": "moe", "n_routed_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 320,
         "moe_latent_size": 256, "moe_shared_expert_intermediate_size": 448},
        {"block_type": "attention", "sliding_window": 512},
        {"block_type": "moe", "n_routed_experts": 4, "num_experts_per_tok": 1, "moe_intermediate_size": 640,
         "moe_latent_size": None, "moe_shared_expert_intermediate_size": 576},
        {"block_type": "attention"},
    ],
    "mamba_num_heads": 24, "mamba_head_dim": 64, "n_groups": 4, "ssm_state_size": 128, "conv_kernel": 4, "expand": 2,
    "chunk_size": 128, "mlp_hidden_act": "relu2", "mamba_hidden_act": "silu", "use_bias": False, "use_conv_bias": True,
    "layer_norm_epsilon": 1e-5, "head_dim": 96, "n_shared_experts": 1, "n_group": 1, "topk_group": 1,
    "routed_scaling_factor": 2.5, "norm_topk_prob": True, "mlp_bias": False, "num_hidden_layers": 5,
}  # fmt: skip

_QWEN4: Config = {
    "num_hidden_layers": 5, "num_key_value_heads": 2, "head_dim": 64, "linear_num_key_heads": 8, "eos_token_id": 2,
    "linear_num_value_heads": 16, "linear_key_head_dim": 128, "linear_value_head_dim": 64, "linear_conv_kernel_dim": 4,
    "layer_types": ["linear_attention", "linear_attention", "full_attention", "linear_attention", "full_attention"],
    "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 320, "shared_expert_intermediate_size": 448,
    "hc_count": 4, "hc_lowrank": 72, "ple_layer_ids": [4, 2], "ple_embed_dim": 512, "ngram_vocab_size_base": 1000,
    "indexer_n_heads": 8, "indexer_kv_heads": 1, "indexer_head_dim": 64, "indexer_budget": 2048,
    "indexer_compress_ratio": 4, "mamba_ssm_dtype": "float32", "mtp_num_hidden_layers": 1,
    "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default", "partial_rotary_factor": 0.5},
}  # fmt: skip

NEWER: dict[str, Config] = {
    "BailingMoeV2_5ForCausalLM": config("BailingMoeV2_5ForCausalLM", "bailing_hybrid", _RING),
    "BailingMoeV3ForCausalLM": config("BailingMoeV3ForCausalLM", "bailing_hybrid", _LING3),
    "Ling 3 without a gate": config("BailingMoeV3ForCausalLM", "bailing_hybrid", _LING3, layer_group_size=3,
                                    gated_attention_proj_granularity_type=None, q_lora_rank=None),
    "Ring 2.5 without groups and ranks": config("BailingMoeV2_5ForCausalLM", "bailing_hybrid", _RING, q_lora_rank=None,
                                                group_norm_size=2, use_qk_norm=False, num_shared_experts=0,
                                                moe_router_enable_expert_bias=False, score_function="softmax"),
    "HrmTextForCausalLM": config("HrmTextForCausalLM", "hrm_text", _HRM, without=("num_key_value_heads",)),
    "HRM-Text with biases and its depth said": config(
        "HrmTextForCausalLM", "hrm_text", _HRM, without=("num_key_value_heads",), attention_bias=True, mlp_bias=True,
        num_layers_per_stack=3, num_hidden_layers=24),
    "HYV4ForCausalLM": config("HYV4ForCausalLM", "hy_v4", _HY_V4),
    "Hunyuan V4 without streams and sinks": config(
        "HYV4ForCausalLM", "hy_v4", _HY_V4, enable_ihc=False, learnable_sink=False, gating_type="headwise",
        layer_types=None, mlp_layer_types=["dense", "dense", "sparse", "sparse", "sparse"], n_shared_experts=0),
    "HunYuanMoEV1ForCausalLM": config("HunYuanMoEV1ForCausalLM", "hunyuan_v1_moe", _HUNYUAN),
    "IQuestLoopCoderForCausalLM": config("IQuestLoopCoderForCausalLM", "iquestloopcoder", loop_num=3,
                                         loop_window_size=128, rope_theta=10000.0),
    "MiniCPM3ForCausalLM": config("MiniCPM3ForCausalLM", "minicpm3", _MINICPM3),
    "LongcatFlashNgramForCausalLM": config("LongcatFlashNgramForCausalLM", "longcat_flash_ngram", _NGRAM,
                                           without=("num_key_value_heads",)),
    "MuseGlimmerForCausalLM": config("MuseGlimmerForCausalLM", "muse_glimmer_text", _MUSE),
    "MuseGlimmer without a gate": config("MuseGlimmerForCausalLM", "muse_glimmer_text", _MUSE, num_hidden_layers=3,
                                         no_rope_layers=[0, 1, 1], use_attn_output_gate=False),
    "NemotronHPuzzleForCausalLM": config("NemotronHPuzzleForCausalLM", "nemotron_h_puzzle", _PUZZLE),
    "Qwen4ExpForCausalLM": config("Qwen4ExpForCausalLM", "qwen4_exp_text", _QWEN4),
    "Qwen4-Exp without tables and indexers": config(
        "Qwen4ExpForCausalLM", "qwen4_exp_text", _QWEN4, ple_layer_ids=None, hc_lowrank=60, hc_count=2,
        **{key: None for key in _QWEN4 if key.startswith("indexer_")}),
    "PanguProMoEV2ForCausalLM": config("PanguProMoEV2ForCausalLM", "PanguProMoE", _PANGU),
    "OpenPangu Pro 2 with biases and plain sinks": config(
        "PanguProMoEV2ForCausalLM", "PanguProMoE", _PANGU, bias=True, qkv_bias=True, param_sink_with_value=False,
        num_key_value_heads=2, sandwich_norm=False, router_enable_expert_bias=False, n_shared_experts=None),
    "Plamo3ForCausalLM": config("Plamo3ForCausalLM", "plamo3", head_dim=96, rope_local_theta=10000, rope_theta=1e6,
                                interleaved_sliding_window=[512, 512, None], tie_word_embeddings=True,
                                layer_types=["sliding_attention", "sliding_attention", "full_attention"]),
    "Step3TextForCausalLM": config("Step3TextForCausalLM", "step3_text", _STEP3,
                                   without=("num_key_value_heads", "max_position_embeddings")),
    "Zamba2ForCausalLM": config("Zamba2ForCausalLM", "zamba2", _ZAMBA2),
    "Zamba 2 with biases and nothing of attention's own": config(
        "Zamba2ForCausalLM", "zamba2", _ZAMBA2, add_bias_linear=True, use_shared_attention_adapter=False,
        use_mem_rope=False, num_mem_blocks=1),
}  # fmt: skip

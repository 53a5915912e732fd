"""As encoder_models.py, of which it is a part: classes that came to vLLM in 2026, or were taught last."""

from __future__ import annotations

from tests.core.against_vllm.encoder_fragments import FLAT_LLAMA, config

LATER = (
    *(
        config(name, "mimo_v2", **FLAT_LLAMA, head_dim=16, v_head_dim=16,
               swa_head_dim=16, swa_v_head_dim=16, swa_num_attention_heads=8, swa_num_key_value_heads=8,
               hybrid_layer_pattern=[0, 1, 1], sliding_window=512, sliding_window_size=512, rms_norm_eps=1e-6,
               add_swa_attention_sink_bias=True, add_full_attention_sink_bias=False, moe_layer_freq=[0, 0, 0],
               swa_rope_theta=1e4, rope_theta=1e4, attention_bias=False, layernorm_epsilon=1e-6, hidden_act="silu",
               partial_rotary_factor=0.5, n_routed_experts=None, vision_config={
                   "depth": 3, "hidden_size": 96, "intermediate_size": 160, "num_heads": 8, "num_key_value_heads": 4,
                   "qk_channels": 16, "kv_channels": 16, "in_channels": 3, "patch_size": 16, "temporal_patch_size": 2,
                   "spatial_merge_size": 2, "out_hidden_size": 128, "fullatt_block_indexes": [0], "use_sink": True,
                   "vit_window_attn_types": [-1, 0, 1], "visual_token_window_size": 4, "hidden_act": "silu"}, **more)
        for name, more in (
            ("MiMoV2ForCausalLM", {}),
            ("MiMoV2OmniForCausalLM", {"audio_config": {
                "audio_channels": 3, "audio_segment_size": 6000, "group_size": 4, "input_local_dim": 96,
                "input_local_layers": 2, "input_local_attn_heads": 4, "input_local_intermediate_size": 160,
                "input_local_hidden_dropout": 0.0, "out_hidden_size": 128, "projection_layers": 2,
                "add_post_norm": True, "speech_vocab_size": "40", "speech_zeroemb_idx": "32",
                "partial_rotary_factor": 1.0, "rope_theta": 640000}}),
        )
    ),
)  # fmt: skip
"""config.json of each class."""

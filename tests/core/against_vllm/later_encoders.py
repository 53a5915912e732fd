"""As encoder_models.py, of which it is a part: classes that came to vLLM in 2026, or were taught last."""

from __future__ import annotations

from tests.core.against_vllm.encoder_fragments import (
    FLAT_LLAMA,
    LLAMA,
    MROPE,
    MROPE_WIDE,
    QWEN2,
    QWEN2_5_VISION,
    QWEN3,
    QWEN3_AUDIO,
    QWEN3_VISION,
    SIGLIP,
    WHISPER,
    config,
    thinker,
)

SIGLIP2 = {
    "model_type": "siglip2_vision_model", "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 3,
    "num_attention_heads": 4, "patch_size": 16, "num_patches": 64,
}  # fmt: skip
PLAIN_QWEN2 = {k: v for k, v in QWEN2.items() if k != "model_type"}
PLAIN_QWEN3 = {k: v for k, v in QWEN3.items() if k != "model_type"} | {"head_dim": 16}
MOONDREAM = {
    "text": {"dim": 256, "ff_dim": 384, "n_layers": 4, "vocab_size": 640, "max_context": 2048, "n_heads": 4,
             "n_kv_heads": 4,
             "moe": {"start_layer": 2, "n_experts": 4, "n_experts_per_tok": 2, "expert_inner_dim": 96}},
    "vision": {"enc_dim": 96, "enc_patch_size": 14, "enc_n_layers": 3, "enc_ff_dim": 160, "enc_n_heads": 4,
               "proj_inner_dim": 200, "crop_size": 112},
}  # fmt: skip

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
    config("LlavaOnevision2ForConditionalGeneration", "llava_onevision2", text_config=QWEN3, tie_word_embeddings=False,
           image_token_id=10, video_token_id=11, vision_config=SIGLIP | {
               "model_type": "llava_onevision2_vision", "hidden_size": 128, "spatial_merge_size": 2,
               "num_channels": 3}),
    *(
        config(name, model_type, text_config=QWEN3, vision_config=SIGLIP, image_token_index=10,
               vision_feature_layer=-1, vision_feature_select_strategy="full", image_grid_pinpoints=[[112, 112]],
               tie_word_embeddings=False, multimodal_projector_bias=True, projector_hidden_act="gelu")
        for name, model_type in (("BeeForConditionalGeneration", "bee"), ("RForConditionalGeneration", "R"))
    ),
    thinker("Qwen3ASRForcedAlignerForTokenClassification", "qwen3_asr", classify_num=40,
            text_config=QWEN3 | {"model_type": "qwen3"}, audio_config=QWEN3_AUDIO),
    config("JinaVLForRanking", "qwen2_vl", text_config=QWEN2 | MROPE | {
               "model_type": "qwen2_vl_text", "num_labels": 1}, tie_word_embeddings=False, vision_config={
               "model_type": "qwen2_vl", "depth": 2, "embed_dim": 96, "mlp_ratio": 4, "num_heads": 4, "in_channels": 3,
               "hidden_size": 128, "patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2}),
    config("LlamaNemotronVLForSequenceClassification", "llama_nemotron_vl_rerank", force_image_size=112,
           downsample_ratio=0.5, ps_version="v2", vision_config=SIGLIP, llm_config=LLAMA | {
               "architectures": ["LlamaBidirectionalForSequenceClassification"], "num_labels": 1}),
    config("HCXVisionV2ForCausalLM", "vlm", tie_word_embeddings=False, text_config=LLAMA | {
               "architectures": ["HyperCLOVAXForCausalLM"], "model_type": "hyperclovax", "head_dim": 16,
               "attention_multiplier": 0.25, "residual_multiplier": 1.0, "embedding_multiplier": 1.0,
               "logits_scaling": 1.0, "use_post_norm": True, "mlp_bias": False, "attention_bias": False},
           vision_config=QWEN2_5_VISION | {"hidden_act": "silu"}),
    config("Cosmos3ForConditionalGeneration", "cosmos3_omni", tie_word_embeddings=False,
           text_config=QWEN3 | MROPE_WIDE | {"model_type": "qwen3_vl_text"},
           vision_config=QWEN3_VISION | {"model_type": "qwen3_vl", "hidden_act": "gelu_pytorch_tanh"}),
    config("MuseGlimmerForConditionalGeneration", "muse_glimmer", has_vision=True, text_config=LLAMA | {
               "model_type": "muse_glimmer_text", "head_dim": 16, "num_hidden_layers": 4, "sliding_window": 512},
           vision_config={
               "hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4,
               "patch_size": 14, "pos_emb_height": 8, "pos_emb_width": 8, "output_dim": 384, "adapter_dim": 112}),
    config("Moondream3ForCausalLM", "moondream3", config=MOONDREAM),
    config("IsaacForConditionalGeneration", "isaac", **PLAIN_QWEN3, vision_config=SIGLIP2 | {
               "model_type": "pixel_shuffle_siglip2", "pixel_shuffle_scale_factor": 2}),
    config("BagelForConditionalGeneration", "bagel", llm_config=QWEN2, vit_max_num_patch_per_side=12,
           vit_config=SIGLIP | {"model_type": "siglip_vision_model"}),
    config("FunAudioChatForConditionalGeneration", "funaudiochat", text_config=QWEN3 | {"model_type": "qwen3"},
           audio_config={
               "num_mel_bins": 80, "encoder_layers": 3, "encoder_attention_heads": 4, "encoder_ffn_dim": 160,
               "d_model": 96, "output_dim": 128, "codebook_size": 40, "group_size": 5, "pad_token_id": 1,
               "bos_token_id": 2, "eos_token_id": 3}),
    config("MossTranscribeDiarizeForConditionalGeneration", "moss_transcribe_diarize", tie_word_embeddings=True,
           text_config=QWEN3 | {"model_type": "qwen3"}, audio_config=WHISPER | {"model_type": "whisper"}),
    config("FireRedASR2ForConditionalGeneration", "qwen2", **PLAIN_QWEN2, encoder_downsample_rate=2,
           audio_encoder_conf={"idim": 80, "n_layers_enc": 3, "n_head": 4, "d_model": 96, "kernel_size": 33}),
    config("MossAudioModel", "moss_audio", language_config=QWEN3 | {"model_type": "qwen3"}, adapter_hidden_size=200,
           deepstack_num_inject_layers=2, audio_config={
               "d_model": 96, "encoder_layers": 4, "encoder_attention_heads": 4, "encoder_ffn_dim": 160,
               "num_mel_bins": 80, "downsample_hidden_size": 24, "output_dim": 112, "n_window": 50,
               "deepstack_encoder_layer_indexes": [1, 2], "max_source_positions": 1500, "conv_chunksize": 500}),
    config("Cosmos3EdgeForConditionalGeneration", "cosmos3_edge", vision_config=SIGLIP2, text_config=LLAMA | {
               "model_type": "cosmos3_edge_text", "head_dim": 16, "rms_norm_eps": 1e-5,
               "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [4, 2, 2]}},
           projector_config={"input_hidden_size": 96, "spatial_merge_size": 2, "merger_intermediate_size": 200,
                             "out_hidden_size": 128}),
    config("ColModernVBertForRetrieval", "modernvbert", hidden_size=128, embedding_dim=64, vision_config=SIGLIP,
           text_config={"vocab_size": 640, "hidden_size": 128, "intermediate_size": 192, "num_hidden_layers": 4,
                        "num_attention_heads": 4, "max_position_embeddings": 2048}),
)  # fmt: skip
"""config.json of each class."""

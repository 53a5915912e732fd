"""Models of general knowledge that see or hear: with an encoder before the decoder."""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.cards.decoders import INTERNLM, decoder, moonlight

_SIGLIP: Json = {
    "model_type": "siglip_vision_model", "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27,
    "num_attention_heads": 16, "image_size": 896, "patch_size": 14,
}  # fmt: skip
_PIXTRAL: Json = {
    "model_type": "pixtral", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
    "num_attention_heads": 16, "image_size": 1540, "patch_size": 14,
}  # fmt: skip


def _gemma3(**text: Json) -> Json:
    scaled = {"rope_type": "linear", "factor": 8.0}
    return {
        "architectures": ["Gemma3ForConditionalGeneration"], "torch_dtype": "bfloat16", "vision_config": _SIGLIP,
        "text_config": {"model_type": "gemma3_text", "sliding_window": 1024, "rope_scaling": scaled} | text,
    }  # fmt: skip


def _mistral3(length: int) -> Json:
    text = {
        "model_type": "mistral", "num_hidden_layers": 40, "hidden_size": 5120, "num_attention_heads": 32,
        "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 32768, "vocab_size": 131072,
        "max_position_embeddings": length, "sliding_window": None,
    }  # fmt: skip
    return {
        "architectures": ["Mistral3ForConditionalGeneration"], "torch_dtype": "bfloat16", "spatial_merge_size": 2,
        "tie_word_embeddings": False, "text_config": text, "vision_config": _PIXTRAL,
    }  # fmt: skip


def _qwen_vl(generation: str, vision: Json, *numbers: int, tied: bool = False) -> Json:
    mrope = {"rope_type": "default", "mrope_section": [16, 24, 24]}
    return decoder(
        f"{generation}ForConditionalGeneration", *numbers, tie_word_embeddings=tied, use_sliding_window=False,
        rope_scaling=mrope, vision_config=vision,
    )  # fmt: skip


def _qwen2_5_vision(intermediate: int, out: int) -> Json:
    return {"hidden_size": 1280, "depth": 32, "intermediate_size": intermediate, "out_hidden_size": out}


_QWEN3_5_TEXT: Json = {
    "model_type": "qwen3_5_text", "num_key_value_heads": 4, "head_dim": 256, "vocab_size": 248320,
    "max_position_embeddings": 262144, "full_attention_interval": 4, "linear_num_key_heads": 16,
    "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4,
    "mamba_ssm_dtype": "float32", "dtype": "bfloat16", "tie_word_embeddings": False,
    "rope_parameters": {"mrope_section": [11, 11, 10], "partial_rotary_factor": 0.25},
}  # fmt: skip


def _qwen3_5(vision: tuple[int, int, int, int] = (27, 1152, 4304, 16), *, tied: bool = False, **text: Json) -> Json:
    """`vision`: layers, hidden size, intermediate size and heads of the encoder."""
    depth, hidden, intermediate, heads = vision
    encoder = {
        "model_type": "qwen3_5", "depth": depth, "hidden_size": hidden, "intermediate_size": intermediate,
        "num_heads": heads, "patch_size": 16, "temporal_patch_size": 2, "spatial_merge_size": 2,
        "num_position_embeddings": 2304, "out_hidden_size": text["hidden_size"], "deepstack_visual_indexes": [],
    }  # fmt: skip
    return {
        "architectures": ["Qwen3_5ForConditionalGeneration"], "tie_word_embeddings": tied, "vision_config": encoder,
        "text_config": _QWEN3_5_TEXT | {"tie_word_embeddings": tied, "mtp_num_hidden_layers": 1} | text,
    }  # fmt: skip


_QWEN3_8_FLASH: Json = _qwen3_5(
    num_hidden_layers=48, hidden_size=2560, num_attention_heads=24, num_key_value_heads=2, linear_num_value_heads=48,
    num_experts=512, num_experts_per_tok=10, moe_intermediate_size=640, shared_expert_intermediate_size=640, hc_count=4,
    hc_lowrank=320, ple_layer_ids=[2], ple_embed_dim=2560, ple_conv_kernel_size=4, ngram_size=3, heads_per_ngram=8,
    ngram_vocab_size_base=20_000_000, make_ngram_vocab_size_divisible_by=128, indexer_n_heads=4, indexer_kv_heads=1,
    indexer_head_dim=128, indexer_budget=2048, indexer_compress_ratio=4,
) | {"architectures": ["Qwen4ExpForConditionalGeneration"]}  # fmt: skip


def _gemma4_small(**text: Json) -> Json:
    return {
        "architectures": ["Gemma4ForConditionalGeneration"], "dtype": "bfloat16", "tie_word_embeddings": True,
        "vision_config": {
            "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 16, "num_attention_heads": 12,
            "head_dim": 64, "patch_size": 16, "position_embedding_size": 10240, "pooling_kernel_size": 3,
        },
        "audio_config": {
            "hidden_size": 1024, "num_hidden_layers": 12, "num_attention_heads": 8, "output_proj_dims": 1536,
        },
        "text_config": {
            "model_type": "gemma4_text", "num_attention_heads": 8, "head_dim": 256, "global_head_dim": 512,
            "vocab_size": 262144, "vocab_size_per_layer_input": 262144, "hidden_size_per_layer_input": 256,
            "sliding_window": 512, "attention_k_eq_v": False, "max_position_embeddings": 131072,
            "tie_word_embeddings": True, **text,
        },
    }  # fmt: skip


_GEMMA4_E2B = _gemma4_small(
    num_hidden_layers=35, hidden_size=1536, num_key_value_heads=1, intermediate_size=6144, num_kv_shared_layers=20,
    use_double_wide_mlp=True, layer_types=7 * (4 * ["sliding_attention"] + ["full_attention"]),
)  # fmt: skip
_GEMMA4_E4B = _gemma4_small(
    num_hidden_layers=42, hidden_size=2560, num_key_value_heads=2, intermediate_size=10240, num_kv_shared_layers=18,
    use_double_wide_mlp=False, layer_types=7 * (5 * ["sliding_attention"] + ["full_attention"]),
)  # fmt: skip
_CLIP: Json = {
    "model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
    "num_attention_heads": 16, "image_size": 336, "patch_size": 14, "projection_dim": 768,
}  # fmt: skip
VIT_300M: Json = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 448, "patch_size": 14, "qkv_bias": True, "qk_normalization": False, "norm_type": "layer_norm",
}  # fmt: skip
VIT_6B: Json = {
    "hidden_size": 3200, "intermediate_size": 12800, "num_hidden_layers": 45, "num_attention_heads": 25,
    "image_size": 448, "patch_size": 14, "qkv_bias": False, "qk_normalization": True, "norm_type": "rms_norm",
}  # fmt: skip


def internvl(vision: Json, *numbers: str | int, **more: Json) -> Json:
    """Up to InternVL 3 its decoders scale their positions by two, whoever trained them."""
    name, *widths = numbers
    scaled: Json = {} if str(name).startswith("Qwen3") else {"rope_scaling": INTERNLM}
    return {
        "architectures": ["InternVLChatModel"], "torch_dtype": "bfloat16", "downsample_ratio": 0.5,
        "select_layer": -1, "vision_config": vision,
        "llm_config": decoder(str(name), *map(int, widths), **(scaled | more)),
    }  # fmt: skip


def whisper(encoder: int, layers: int, hidden: int, heads: int, vocab: int, bins: int, **more: Json) -> Json:
    """Whisper of that size."""
    return {
        "architectures": ["WhisperForConditionalGeneration"], "d_model": hidden, "encoder_layers": encoder,
        "decoder_layers": layers, "encoder_attention_heads": heads, "decoder_attention_heads": heads,
        "encoder_ffn_dim": 4 * hidden, "decoder_ffn_dim": 4 * hidden, "vocab_size": vocab, "num_mel_bins": bins,
        "max_source_positions": 1500, "max_target_positions": 448, "torch_dtype": "float32", **more,
    }  # fmt: skip


def _gemma3n(layers: int, sharing: int, intermediate: int) -> Json:
    return {
        "architectures": ["Gemma3nForConditionalGeneration"], "torch_dtype": "bfloat16",
        "text_config": {
            "model_type": "gemma3n_text", "hidden_size": 2048, "intermediate_size": layers * [intermediate],
            "num_hidden_layers": layers, "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 256,
            "vocab_size": 262400, "vocab_size_per_layer_input": 262144, "hidden_size_per_layer_input": 256,
            "altup_num_inputs": 4, "laurel_rank": 64, "num_kv_shared_layers": sharing, "sliding_window": 512,
            "max_position_embeddings": 32768,
            "layer_types": layers // 5 * (4 * ["sliding_attention"] + ["full_attention"]),
        },
        "vision_config": {"hidden_size": 2048, "vocab_size": 128},
        "audio_config": {
            "hidden_size": 1536, "conf_num_hidden_layers": 12, "conf_num_attention_heads": 8,
            "conf_conv_kernel_size": 5, "vocab_size": 128,
        },
    }  # fmt: skip


def _mllama(layers: int, hidden: int, heads: int, intermediate: int, pixels: int = 560) -> Json:
    return {
        "architectures": ["MllamaForConditionalGeneration"], "torch_dtype": "bfloat16",
        "text_config": {
            "model_type": "mllama_text_model", "num_hidden_layers": layers, "hidden_size": hidden,
            "num_attention_heads": heads, "num_key_value_heads": 8, "intermediate_size": intermediate,
            "vocab_size": 128256, "tie_word_embeddings": False, "max_position_embeddings": 131072,
            "cross_attention_layers": list(range(3, layers, 5)),
        },
        "vision_config": {
            "hidden_size": 1280, "num_hidden_layers": 32, "num_global_layers": 8, "attention_heads": 16,
            "intermediate_size": 5120, "image_size": pixels, "patch_size": 14, "max_num_tiles": 4, "num_channels": 3,
            "vision_output_dim": 7680, "intermediate_layers_indices": [3, 7, 15, 23, 30],
            "supported_aspect_ratios": [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]],
        },
    }  # fmt: skip


def _ministral3(layers: int, hidden: int, intermediate: int, *, tied: bool = False) -> Json:
    return {
        "architectures": ["Mistral3ForConditionalGeneration"], "dtype": "bfloat16", "spatial_merge_size": 2,
        "tie_word_embeddings": tied, "vision_config": _PIXTRAL,
        "text_config": {
            "model_type": "ministral3", "num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": 32,
            "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": intermediate, "vocab_size": 131072,
            "max_position_embeddings": 262144, "sliding_window": None, "tie_word_embeddings": tied,
            "rope_parameters": {"rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 16384},
        },
    }  # fmt: skip


def _voxtral(layers: int, hidden: int, intermediate: int) -> Json:
    return {
        "architectures": ["VoxtralForConditionalGeneration"], "torch_dtype": "bfloat16",
        "text_config": decoder(
            "LlamaForCausalLM", layers, hidden, 32, 8, intermediate, 131072, 131072, head_dim=128, model_type="llama"
        ),
        "audio_config": {
            "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20,
            "num_mel_bins": 128, "vocab_size": 51866, "max_source_positions": 1500,
        },
    }  # fmt: skip


_PHI4_MM: Json = {
    "rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 4096, "vision_lora": {"r": 256},
    "speech_lora": {"r": 320},
    "embd_layer": {
        "image_embd_layer": {
            "embedding_cls": "tune_image", "hd_transform_order": "sub_glb", "projection_cls": "mlp", "crop_size": 448,
            "image_token_compression_cls": "avg_pool_2d", "use_hd_transform": True, "with_learnable_separator": True,
        },
        "audio_embd_layer": {
            "embedding_cls": "audio", "projection_cls": "mlp", "compression_rate": 8, "downsample_rate": 1,
            "use_conv_downsample": False, "use_qformer": False,
        },
    },
    "audio_processor": {
        "name": "cascades",
        "config": {
            "attention_dim": 1024, "attention_heads": 16, "num_blocks": 24, "linear_units": 1536, "input_size": 80,
            "kernel_size": 3, "ext_pw_out_channel": 1024, "ext_pw_kernel_size": 1, "time_reduction": 8,
            "depthwise_seperable_out_channel": 1024, "depthwise_multiplier": 1, "bias_in_glu": True,
            "activation": "swish", "conv_activation": "swish", "conv_glu_type": "swish", "causal": True,
            "cnn_layer_norm": True, "nemo_conv_settings": {"conv_channels": 1024},
            "relative_attention_bias_args": {"t5_bias_max_distance": 500, "type": "t5"},
        },
    },
}  # fmt: skip


# ids, the keys of config.json that decide sizes, parameters by the Hub's count; a float: billions, as published
MULTIMODAL: tuple[tuple[tuple[str, ...], Json, int | float], ...] = (
    (("google/gemma-3-4b-pt", "google/gemma-3-4b-it"),
     _gemma3(num_hidden_layers=34, hidden_size=2560, intermediate_size=10240), 4_300_079_472),
    (("google/gemma-3-12b-pt", "google/gemma-3-12b-it"),
     _gemma3(num_hidden_layers=48, hidden_size=3840, intermediate_size=15360, num_attention_heads=16,
             num_key_value_heads=8), 12_187_325_040),
    (("google/gemma-3-27b-pt", "google/gemma-3-27b-it"),
     _gemma3(num_hidden_layers=62, hidden_size=5376, intermediate_size=21504, num_attention_heads=32,
             num_key_value_heads=16, head_dim=128), 27_432_406_640),
    # Less one scalar of each layer: the files of E2B have 5,123,178,051. A start-up log of 0.22 finds 14.89 GiB of E4B.
    (("google/gemma-4-E2B-it",), _GEMMA4_E2B, 5_123_178_016),
    (("google/gemma-4-E4B-it",), _GEMMA4_E4B, 7_996_156_448),
    (("mistralai/Mistral-Small-3.1-24B-Instruct-2503", "mistralai/Mistral-Small-3.2-24B-Instruct-2506"),
     _mistral3(131072), 24_011_361_280),
    (("Qwen/Qwen2-VL-2B-Instruct",),
     _qwen_vl("Qwen2VL", {"embed_dim": 1280}, 28, 1536, 12, 2, 8960, 151936, 32768, tied=True), 2_208_985_600),
    (("Qwen/Qwen2-VL-7B-Instruct",),
     _qwen_vl("Qwen2VL", {"embed_dim": 1280}, 28, 3584, 28, 4, 18944, 152064, 32768), 8_291_375_616),
    (("Qwen/Qwen2.5-VL-3B-Instruct",),
     _qwen_vl("Qwen2_5_VL", _qwen2_5_vision(3420, 2048), 36, 2048, 16, 2, 11008, 151936, 128000, tied=True),
     3_754_622_976),
    (("Qwen/Qwen2.5-VL-7B-Instruct",),
     _qwen_vl("Qwen2_5_VL", _qwen2_5_vision(3420, 3584), 28, 3584, 28, 4, 18944, 152064, 128000), 8_292_166_656),
    (("Qwen/Qwen2.5-VL-32B-Instruct",),
     _qwen_vl("Qwen2_5_VL", _qwen2_5_vision(3456, 5120), 64, 5120, 40, 8, 27648, 152064, 128000), 33_452_718_336),
    (("Qwen/Qwen2.5-VL-72B-Instruct",),
     _qwen_vl("Qwen2_5_VL", _qwen2_5_vision(3456, 8192), 80, 8192, 64, 8, 29568, 152064, 128000), 73_410_777_344),
    (("Qwen/Qwen3-VL-8B-Instruct", "Qwen/Qwen3-VL-8B-Thinking"),
     {"architectures": ["Qwen3VLForConditionalGeneration"], "text_config": {"dtype": "bfloat16", "hidden_size": 4096,
      "intermediate_size": 12288, "max_position_embeddings": 262144, "num_attention_heads": 32,
      "num_hidden_layers": 36, "num_key_value_heads": 8, "vocab_size": 151936}, "vision_config": {
      "deepstack_visual_indexes": [8, 16, 24], "depth": 27, "hidden_size": 1152, "intermediate_size": 4304,
      "num_position_embeddings": 2304}}, 8_767_123_696),
    # Logs of 0.18 and 0.19 print 17.66 GiB for it, with what its rotary tables take, and one of 0.20 18.12 with the
    # layer that drafts (9,653,116,928 in all: the public files have 19.3 GB).
    (("Qwen/Qwen3.5-9B",),
     _qwen3_5(num_hidden_layers=32, hidden_size=4096, num_attention_heads=16, intermediate_size=12288,
              linear_num_value_heads=32), 9_409_813_744),
    # The Hub counts 873,438,784, 2,274,069,824 and 4,659,865,088 with the layer that drafts; a log of 0.22 prints 8.61
    # GiB for the last.
    (("Qwen/Qwen3.5-0.8B",),
     _qwen3_5((12, 768, 3072, 12), tied=True, num_hidden_layers=24, hidden_size=1024, num_attention_heads=8,
              num_key_value_heads=2, intermediate_size=3584, linear_num_value_heads=16), 852_985_920),
    (("Qwen/Qwen3.5-2B",),
     _qwen3_5((24, 1024, 4096, 16), tied=True, num_hidden_layers=24, hidden_size=2048, num_attention_heads=8,
              num_key_value_heads=2, intermediate_size=6144, linear_num_value_heads=16), 2_213_241_664),
    (("Qwen/Qwen3.5-4B", "Qwen/Qwen3.5-4B-Base"),
     _qwen3_5((24, 1024, 4096, 16), tied=True, num_hidden_layers=32, hidden_size=2560, num_attention_heads=16,
              intermediate_size=9216, linear_num_value_heads=32), 4_539_265_536),
    # With the layer that drafts 27,781,427,952: the index of the public files has 55.56 GB.
    (("Qwen/Qwen3.5-27B", "Qwen/Qwen3.6-27B", "Qwen/Qwen3.8-27B"),
     _qwen3_5(num_hidden_layers=64, hidden_size=5120, num_attention_heads=24, intermediate_size=17408,
              linear_num_value_heads=48), 27_356_728_560),
    (("Qwen/Qwen3.8-Flash-Next",), _QWEN3_8_FLASH, 179_999_981_424),
    (("Qwen/Qwen2-VL-72B-Instruct",),
     _qwen_vl("Qwen2VL", {"embed_dim": 1280}, 80, 8192, 64, 8, 29568, 152064, 32768), 73_405_560_320),
    (("Qwen/QVQ-72B-Preview",),
     _qwen_vl("Qwen2VL", {"embed_dim": 1280}, 80, 8192, 64, 8, 29568, 152064, 128000), 73_405_560_320),
    (("google/gemma-3n-E2B-it",), _gemma3n(30, 10, 8192), 5_439_438_272),
    (("google/gemma-3n-E4B-it",), _gemma3n(35, 15, 16384), 7_849_978_192),
    (("meta-llama/Llama-3.2-11B-Vision-Instruct",), _mllama(40, 4096, 32, 14336), 10_670_220_835),
    # Tiles of 448 pixels, as a start with 19.86 GiB of weights shows (vllm-project/vllm#12126).
    (("meta-llama/Llama-3.2-11B-Vision",), _mllama(40, 4096, 32, 14336, 448), 10_642_941_475),
    # The files have the last of 24 layers of the encoder and the norm behind them, too: vLLM loads what it asks.
    (("llava-hf/llava-1.5-7b-hf",),
     {"architectures": ["LlavaForConditionalGeneration"], "torch_dtype": "float16", "vision_config": _CLIP,
      "text_config": decoder("LlamaForCausalLM", 32, 4096, 32, 32, 11008, 32064, 4096) | {"model_type": "llama"},
      "vision_feature_layer": -2, "vision_feature_select_strategy": "default"}, 7_063_427_072),
    (("llava-hf/llava-v1.6-mistral-7b-hf",),
     {"architectures": ["LlavaNextForConditionalGeneration"], "torch_dtype": "bfloat16", "vision_config": _CLIP,
      "text_config": decoder("MistralForCausalLM", 32, 4096, 32, 8, 14336, 32064, 32768)
      | {"model_type": "mistral", "sliding_window": None},
      "vision_feature_layer": -2, "vision_feature_select_strategy": "default", "tie_word_embeddings": False},
     7_566_747_648),
    # A log of vLLM 0.5.5 prints 65,536 positions for the first (vllm-project/vllm#7860).
    (("OpenGVLab/InternVL2-8B", "OpenGVLab/InternVL2_5-8B"),
     internvl(VIT_300M, "InternLM2ForCausalLM", 32, 4096, 32, 8, 14336, 92553, 32768), 8_075_365_376),
    (("OpenGVLab/InternVL3-1B",), internvl(VIT_300M, "Qwen2ForCausalLM", 24, 896, 14, 2, 4864, 151674, 32768),
     938_193_024),
    (("OpenGVLab/InternVL3-2B",), internvl(VIT_300M, "Qwen2ForCausalLM", 28, 1536, 12, 2, 8960, 151674, 32768),
     2_088_957_440),
    (("OpenGVLab/InternVL3-8B",), internvl(VIT_300M, "Qwen2ForCausalLM", 28, 3584, 28, 4, 18944, 151674, 32768),
     7_944_373_760),
    (("OpenGVLab/InternVL3-38B",), internvl(VIT_6B, "Qwen2ForCausalLM", 64, 5120, 40, 8, 27648, 151674, 32768),
     38_388_164_992),
    (("OpenGVLab/InternVL3_5-8B",),
     internvl(VIT_300M, "Qwen3ForCausalLM", 36, 4096, 32, 8, 12288, 151936, 40960, head_dim=128), 8_528_318_464),
    (("rednote-hilab/dots.ocr",),
     decoder("DotsOCRForCausalLM", 28, 1536, 12, 2, 8960, 151936, 131072, tie_word_embeddings=False, vision_config={
         "embed_dim": 1536, "hidden_size": 1536, "intermediate_size": 4224, "num_hidden_layers": 42,
         "num_attention_heads": 12, "num_channels": 3, "patch_size": 14, "post_norm": True, "spatial_merge_size": 2,
         "temporal_patch_size": 1, "use_bias": False,
     }), 3_039_179_264),
    # vLLM holds zeros for the biases of keys, which the files do not have.
    (("openai/whisper-large-v3",), whisper(32, 32, 1280, 20, 51866, 128, torch_dtype="float16"), 1_543_490_560),
    (("openai/whisper-large-v3-turbo",), whisper(32, 4, 1280, 20, 51866, 128, torch_dtype="float16"), 808_878_080),
    # The language model holds a table of its own beside that of the wrapper, and not the last layer of the encoder.
    (("microsoft/Phi-3-vision-128k-instruct", "microsoft/Phi-3.5-vision-instruct"),
     decoder("Phi3VForCausalLM", 32, 3072, 32, 32, 8192, 32064, 131072, sliding_window=262144,
             rope_scaling={"type": "su"}, original_max_position_embeddings=4096,
             img_processor={"image_dim_out": 1024, "model_name": "openai/clip-vit-large-patch14-336",
                            "name": "clip_vision_model", "num_img_tokens": 144},
             embd_layer={"embedding_cls": "image", "hd_transform_order": "sub_glb", "projection_cls": "mlp",
                         "use_hd_transform": True, "with_learnable_separator": True}), 4_146_621_440),
    # vLLM loads what thinks: the files have what talks, too, 10.7 billion in all.
    (("Qwen/Qwen2.5-Omni-7B",),
     {"architectures": ["Qwen2_5OmniModel"], "torch_dtype": "bfloat16",
      "thinker_config": {
          "torch_dtype": "bfloat16",
          "audio_config": {
              "d_model": 1280, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120, "encoder_layers": 32,
              "num_mel_bins": 128, "max_source_positions": 1500, "n_window": 100, "output_dim": 3584,
          },
          "text_config": {
              "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
              "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 32768,
              "use_sliding_window": False, "rope_scaling": {"rope_type": "default", "mrope_section": [16, 24, 24]},
          },
          "vision_config": {
              "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "out_hidden_size": 3584,
              "patch_size": 14, "spatial_merge_size": 2,
          },
      }}, 8_931_813_888),
    (("allenai/Molmo-7B-D-0924",),
     {"architectures": ["MolmoForCausalLM"], "num_hidden_layers": 28, "hidden_size": 3584, "num_attention_heads": 28,
      "num_key_value_heads": 4, "intermediate_size": 37888, "vocab_size": 152064, "embedding_size": 152064,
      "additional_vocab_size": 128, "max_position_embeddings": 4096, "qkv_bias": True, "attention_layer_norm": False,
      "norm_after": False, "tie_word_embeddings": False, "torch_dtype": "float32"}, 8_021_025_280),
    # The last layer of the encoder is not asked.
    (("openbmb/MiniCPM-V-2_6",),
     decoder("MiniCPMV", 28, 3584, 28, 4, 18944, 151666, 32768, version=2.6, query_num=64, image_size=448,
             tie_word_embeddings=False, vision_config=_SIGLIP | {"image_size": 980}), 8_099_175_152),
    # The files have two LoRA adapters, which vLLM loads where asked, and the encoder's last layer and its head.
    (("microsoft/Phi-4-multimodal-instruct",),
     decoder("Phi4MMForCausalLM", 32, 3072, 24, 8, 8192, 200064, 131072, partial_rotary_factor=0.75,
             tie_word_embeddings=True, sliding_window=262144, **_PHI4_MM), 5_574_460_384),
    (("mistralai/Ministral-3-3B-Base-2512", "mistralai/Ministral-3-3B-Reasoning-2512"),
     _ministral3(26, 3072, 9216, tied=True), 3.8),
    (("mistralai/Ministral-3-8B-Base-2512", "mistralai/Ministral-3-8B-Reasoning-2512"),
     _ministral3(34, 4096, 14336), 8.9),
    (("mistralai/Ministral-3-14B-Base-2512", "mistralai/Ministral-3-14B-Reasoning-2512"),
     _ministral3(40, 5120, 16384), 13.9),
    (("mistralai/Pixtral-12B-2409", "mistralai/Pixtral-12B-Base-2409"),
     {"architectures": ["PixtralForConditionalGeneration"], "torch_dtype": "bfloat16",
      "text_config": decoder("MistralForCausalLM", 40, 5120, 32, 8, 14336, 131072, 131072, head_dim=128),
      "vision_config": {
          "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
          "image_size": 1024, "patch_size": 16, "num_channels": 3,
      }}, 12.7),
    (("moonshotai/Kimi-VL-A3B-Instruct", "moonshotai/Kimi-VL-A3B-Thinking"),
     {"architectures": ["KimiVLForConditionalGeneration"], "torch_dtype": "bfloat16", "text_config": moonlight(131072),
      "vision_config": {
          "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16,
          "init_pos_emb_height": 64, "init_pos_emb_width": 64, "patch_size": 14, "merge_kernel_size": [2, 2],
      }}, 16.4),
    (("openvla/openvla-7b",),
     {"architectures": ["OpenVLAForActionPrediction"], "torch_dtype": "bfloat16",
      "text_config": decoder("LlamaForCausalLM", 32, 4096, 32, 32, 11008, 32064, 2048)}, 7_541_237_184),
    (("OpenGVLab/InternVL3-78B",),
     internvl(VIT_6B, "Qwen2ForCausalLM", 80, 8192, 64, 8, 29568, 151674, 32768), 78.4),
    (("OpenGVLab/InternVL3_5-38B",),
     internvl(VIT_6B, "Qwen3ForCausalLM", 64, 5120, 64, 8, 25600, 151936, 40960, head_dim=128), 38.4),
    (("meta-llama/Llama-3.2-90B-Vision", "meta-llama/Llama-3.2-90B-Vision-Instruct"),
     _mllama(100, 8192, 64, 28672), 88.6),
    (("mistralai/Voxtral-Mini-3B-2507",), _voxtral(30, 3072, 8192), 4.7),
    (("mistralai/Voxtral-Small-24B-2507",), _voxtral(40, 5120, 32768), 24.3),
    (("Qwen/Qwen2-Audio-7B", "Qwen/Qwen2-Audio-7B-Instruct"),
     {"architectures": ["Qwen2AudioForConditionalGeneration"], "torch_dtype": "bfloat16",
      "text_config": {
          "model_type": "qwen2", "intermediate_size": 11008, "max_position_embeddings": 8192, "vocab_size": 156032,
      },
      "audio_config": {
          "d_model": 1280, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120, "encoder_layers": 32,
          "num_mel_bins": 128,
      }}, 8_397_094_912),
    (("zai-org/GLM-4.1V-9B-Thinking", "THUDM/GLM-4.1V-9B-Thinking"),
     {"architectures": ["Glm4vForConditionalGeneration"], "torch_dtype": "bfloat16", "tie_word_embeddings": False,
      "text_config": {
          "num_hidden_layers": 40, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 2,
          "intermediate_size": 13696, "vocab_size": 151552, "max_position_embeddings": 65536, "attention_bias": True,
          "partial_rotary_factor": 0.5, "rope_scaling": {"rope_type": "default", "mrope_section": [8, 12, 12]},
      },
      "vision_config": {
          "attention_bias": False, "depth": 24, "hidden_size": 1536, "image_size": 336, "in_channels": 3,
          "intermediate_size": 13696, "num_heads": 12, "out_hidden_size": 4096, "patch_size": 14,
          "spatial_merge_size": 2, "temporal_patch_size": 2,
      }}, 10_292_777_472),
    (("openai/whisper-small",), whisper(12, 12, 768, 12, 51865, 80), 241_734_912),
    (("openai/whisper-medium",), whisper(24, 24, 1024, 16, 51865, 80), 763_857_920),
    (("openai/whisper-large-v2",), whisper(32, 32, 1280, 20, 51865, 80), 1_543_304_960),
)  # fmt: skip

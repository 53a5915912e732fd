"""Models of general knowledge that see or hear: with an encoder before the decoder."""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.cards.decoders import decoder

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


def _qwen3_5(**text: Json) -> Json:
    vision = {
        "model_type": "qwen3_5", "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16,
        "patch_size": 16, "temporal_patch_size": 2, "spatial_merge_size": 2, "num_position_embeddings": 2304,
        "out_hidden_size": text["hidden_size"], "deepstack_visual_indexes": [],
    }  # fmt: skip
    return {
        "architectures": ["Qwen3_5ForConditionalGeneration"], "tie_word_embeddings": False, "vision_config": vision,
        "text_config": _QWEN3_5_TEXT | text,
    }  # fmt: skip


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
_VIT_300M: Json = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
    "image_size": 448, "patch_size": 14, "qkv_bias": True, "qk_normalization": False, "norm_type": "layer_norm",
}  # fmt: skip
_VIT_6B: Json = {
    "hidden_size": 3200, "intermediate_size": 12800, "num_hidden_layers": 45, "num_attention_heads": 25,
    "image_size": 448, "patch_size": 14, "qkv_bias": False, "qk_normalization": True, "norm_type": "rms_norm",
}  # fmt: skip


def _internvl(vision: Json, *numbers: str | int, **more: Json) -> Json:
    name, *widths = numbers
    return {
        "architectures": ["InternVLChatModel"], "torch_dtype": "bfloat16", "downsample_ratio": 0.5,
        "select_layer": -1, "vision_config": vision, "llm_config": decoder(str(name), *map(int, widths), **more),
    }  # fmt: skip


def _whisper(layers: int) -> Json:
    return {
        "architectures": ["WhisperForConditionalGeneration"], "d_model": 1280, "encoder_layers": 32,
        "decoder_layers": layers, "encoder_attention_heads": 20, "decoder_attention_heads": 20,
        "encoder_ffn_dim": 5120, "decoder_ffn_dim": 5120, "vocab_size": 51866, "num_mel_bins": 128,
        "max_source_positions": 1500, "max_target_positions": 448, "torch_dtype": "float16",
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


# ids, the keys of config.json that decide sizes, parameters by the Hub's count
MULTIMODAL: tuple[tuple[tuple[str, ...], Json, int], ...] = (
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
              linear_num_value_heads=32, mtp_num_hidden_layers=1), 9_409_813_744),
    # With the layer that drafts 27,781,427,952: the index of the public files has 55.56 GB.
    (("Qwen/Qwen3.5-27B", "Qwen/Qwen3.6-27B", "Qwen/Qwen3.8-27B"),
     _qwen3_5(num_hidden_layers=64, hidden_size=5120, num_attention_heads=24, intermediate_size=17408,
              linear_num_value_heads=48, mtp_num_hidden_layers=1), 27_356_728_560),
    (("Qwen/Qwen2-VL-72B-Instruct",),
     _qwen_vl("Qwen2VL", {"embed_dim": 1280}, 80, 8192, 64, 8, 29568, 152064, 32768), 73_405_560_320),
    (("Qwen/QVQ-72B-Preview",),
     _qwen_vl("Qwen2VL", {"embed_dim": 1280}, 80, 8192, 64, 8, 29568, 152064, 128000), 73_405_560_320),
    (("google/gemma-3n-E2B-it",), _gemma3n(30, 10, 8192), 5_439_438_272),
    (("google/gemma-3n-E4B-it",), _gemma3n(35, 15, 16384), 7_849_978_192),
    (("meta-llama/Llama-3.2-11B-Vision", "meta-llama/Llama-3.2-11B-Vision-Instruct"),
     {"architectures": ["MllamaForConditionalGeneration"], "torch_dtype": "bfloat16",
      "text_config": {
          "model_type": "mllama_text_model", "num_hidden_layers": 40, "hidden_size": 4096, "num_attention_heads": 32,
          "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "tie_word_embeddings": False,
          "max_position_embeddings": 131072, "cross_attention_layers": list(range(3, 40, 5)),
      },
      "vision_config": {
          "hidden_size": 1280, "num_hidden_layers": 32, "num_global_layers": 8, "attention_heads": 16,
          "intermediate_size": 5120, "image_size": 560, "patch_size": 14, "max_num_tiles": 4, "num_channels": 3,
          "vision_output_dim": 7680, "intermediate_layers_indices": [3, 7, 15, 23, 30],
          "supported_aspect_ratios": [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]],
      }}, 10_670_220_835),
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
    (("OpenGVLab/InternVL2-8B", "OpenGVLab/InternVL2_5-8B"),
     _internvl(_VIT_300M, "InternLM2ForCausalLM", 32, 4096, 32, 8, 14336, 92553, 32768), 8_075_365_376),
    (("OpenGVLab/InternVL3-1B",), _internvl(_VIT_300M, "Qwen2ForCausalLM", 24, 896, 14, 2, 4864, 151674, 32768),
     938_193_024),
    (("OpenGVLab/InternVL3-2B",), _internvl(_VIT_300M, "Qwen2ForCausalLM", 28, 1536, 12, 2, 8960, 151674, 32768),
     2_088_957_440),
    (("OpenGVLab/InternVL3-8B",), _internvl(_VIT_300M, "Qwen2ForCausalLM", 28, 3584, 28, 4, 18944, 151674, 32768),
     7_944_373_760),
    (("OpenGVLab/InternVL3-38B",), _internvl(_VIT_6B, "Qwen2ForCausalLM", 64, 5120, 40, 8, 27648, 151674, 32768),
     38_388_164_992),
    (("OpenGVLab/InternVL3_5-8B",),
     _internvl(_VIT_300M, "Qwen3ForCausalLM", 36, 4096, 32, 8, 12288, 151936, 40960, head_dim=128), 8_528_318_464),
    (("rednote-hilab/dots.ocr",),
     decoder("DotsOCRForCausalLM", 28, 1536, 12, 2, 8960, 151936, 131072, tie_word_embeddings=False, vision_config={
         "embed_dim": 1536, "hidden_size": 1536, "intermediate_size": 4224, "num_hidden_layers": 42,
         "num_attention_heads": 12, "num_channels": 3, "patch_size": 14, "post_norm": True, "spatial_merge_size": 2,
         "temporal_patch_size": 1, "use_bias": False,
     }), 3_039_179_264),
    # vLLM holds zeros for the biases of keys, which the files do not have.
    (("openai/whisper-large-v3",), _whisper(32), 1_543_490_560),
    (("openai/whisper-large-v3-turbo",), _whisper(4), 808_878_080),
    # The language model holds a table of its own beside that of the wrapper, and not the last layer of the encoder.
    (("microsoft/Phi-3-vision-128k-instruct", "microsoft/Phi-3.5-vision-instruct"),
     decoder("Phi3VForCausalLM", 32, 3072, 32, 32, 8192, 32064, 131072, sliding_window=262144,
             rope_scaling={"type": "su"}, original_max_position_embeddings=4096,
             img_processor={"image_dim_out": 1024, "model_name": "openai/clip-vit-large-patch14-336",
                            "name": "clip_vision_model", "num_img_tokens": 144},
             embd_layer={"embedding_cls": "image", "hd_transform_order": "sub_glb", "projection_cls": "mlp",
                         "use_hd_transform": True, "with_learnable_separator": True}), 4_146_621_440),
)  # fmt: skip

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
)  # fmt: skip

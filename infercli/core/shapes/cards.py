"""Facts of public models from general knowledge: neither their files nor their pages were read when these were written.

The one thing to know: the only check is a number of parameters, known the same way: a row whose shape has another is
wrong, and a test says so. `pin` reads the real files, and what it reads goes before these. A row keeps only the keys
that decide sizes.
"""

from __future__ import annotations

from infercli.core.record import Json


def _decoder(
    name: str, layers: int, hidden: int, heads: int, kv_heads: int, intermediate: int, vocab: int, length: int,
    **more: Json,
) -> Json:  # fmt: skip
    """The config of a decoder, under the names that most publishers use."""
    return {
        "architectures": [name], "num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "intermediate_size": intermediate, "vocab_size": vocab,
        "max_position_embeddings": length, "torch_dtype": "bfloat16",
    } | more  # fmt: skip


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
    return _decoder(
        f"{generation}ForConditionalGeneration", *numbers, tie_word_embeddings=tied, use_sliding_window=False,
        rope_scaling=mrope, vision_config=vision,
    )  # fmt: skip


def _qwen2_5_vision(intermediate: int, out: int) -> Json:
    return {"hidden_size": 1280, "depth": 32, "intermediate_size": intermediate, "out_hidden_size": out}


_PHI_LONG: Json = {"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 4096}
_YARN40: Json = {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}


def _deepseek_v2(**numbers: Json) -> Json:
    return {
        "architectures": ["DeepseekV2ForCausalLM"], "vocab_size": 102400, "max_position_embeddings": 163840,
        "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
        "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1, "rope_scaling": _YARN40,
        "torch_dtype": "bfloat16",
    } | numbers  # fmt: skip


def _glm4_moe(*numbers: int, **more: Json) -> Json:
    return _decoder(
        "Glm4MoeForCausalLM", *numbers, head_dim=128, num_experts_per_tok=8, n_shared_experts=1, attention_bias=True,
        partial_rotary_factor=0.5, num_nextn_predict_layers=1, **more,
    )  # fmt: skip


def _opt(layers: int, hidden: int, heads: int) -> Json:
    return {
        "architectures": ["OPTForCausalLM"], "num_hidden_layers": layers, "hidden_size": hidden,
        "num_attention_heads": heads, "ffn_dim": 4 * hidden, "vocab_size": 50272, "max_position_embeddings": 2048,
        "word_embed_proj_dim": hidden, "do_layer_norm_before": True, "torch_dtype": "float16",
    }  # fmt: skip


def _granite4(**numbers: Json) -> Json:
    mamba, attention = ["mamba"], ["attention"]
    return {
        "architectures": ["GraniteMoeHybridForCausalLM"], "num_hidden_layers": 40, "vocab_size": 100352,
        "tie_word_embeddings": True, "max_position_embeddings": 131072, "torch_dtype": "bfloat16",
        "mamba_d_state": 128, "mamba_n_groups": 1, "mamba_d_head": 64, "mamba_expand": 2, "mamba_d_conv": 4,
        "position_embedding_type": "nope",
        "layer_types": 5 * mamba + attention + 3 * (9 * mamba + attention) + 4 * mamba,
    } | numbers  # fmt: skip


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


def _laguna(
    layers: int, hidden: int, windowed_heads: int, experts: int, intermediate: int, length: int, top: int
) -> Json:
    kinds = ["full_attention", *["sliding_attention"] * 3] * (layers // 4)
    return _decoder(
        "LagunaForCausalLM", layers, hidden, 48, 8, intermediate, 100352, length, head_dim=128, layer_types=kinds,
        num_attention_heads_per_layer=[48 if k == "full_attention" else windowed_heads for k in kinds],
        num_experts=256, num_experts_per_tok=top, moe_intermediate_size=experts,
        shared_expert_intermediate_size=experts, mlp_only_layers=[0], gating="per-head", sliding_window=512,
        tie_word_embeddings=False, rope_parameters={
            "full_attention": {"rope_type": "yarn", "factor": length / 8192,
                               "original_max_position_embeddings": 8192, "partial_rotary_factor": 0.5},
            "sliding_attention": {"rope_type": "default", "partial_rotary_factor": 1.0},
        },
    )  # fmt: skip


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

_GEMMA2: Json = {"sliding_window": 4096}
_YARN4: Json = {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}}

# ids, the keys of config.json that decide sizes, parameters by the Hub's count
CARDS: tuple[tuple[tuple[str, ...], Json, int], ...] = (
    # Google.
    (("google/gemma-2b", "google/gemma-2b-it"),
     _decoder("GemmaForCausalLM", 18, 2048, 8, 1, 16384, 256000, 8192, head_dim=256), 2_506_172_416),
    (("google/gemma-7b", "google/gemma-7b-it"),
     _decoder("GemmaForCausalLM", 28, 3072, 16, 16, 24576, 256000, 8192, head_dim=256), 8_537_680_896),
    (("google/gemma-2-2b", "google/gemma-2-2b-it"),
     _decoder("Gemma2ForCausalLM", 26, 2304, 8, 4, 9216, 256000, 8192, head_dim=256, **_GEMMA2), 2_614_341_888),
    (("google/gemma-2-9b", "google/gemma-2-9b-it"),
     _decoder("Gemma2ForCausalLM", 42, 3584, 16, 8, 14336, 256000, 8192, head_dim=256, **_GEMMA2), 9_241_705_984),
    (("google/gemma-2-27b", "google/gemma-2-27b-it"),
     _decoder("Gemma2ForCausalLM", 46, 4608, 32, 16, 36864, 256000, 8192, head_dim=128, **_GEMMA2), 27_227_128_320),
    (("google/gemma-3-1b-pt", "google/gemma-3-1b-it"),
     _decoder("Gemma3ForCausalLM", 26, 1152, 4, 1, 6912, 262144, 32768, head_dim=256, sliding_window=512),
     999_885_952),
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
    # Microsoft.
    (("microsoft/phi-1_5",),
     _decoder("PhiForCausalLM", 24, 2048, 32, 32, 8192, 51200, 2048, partial_rotary_factor=0.5,
              torch_dtype="float16"), 1_418_270_720),
    (("microsoft/phi-2",),
     _decoder("PhiForCausalLM", 32, 2560, 32, 32, 10240, 51200, 2048, partial_rotary_factor=0.4,
              torch_dtype="float16"), 2_779_683_840),
    (("microsoft/Phi-3-mini-4k-instruct",),
     _decoder("Phi3ForCausalLM", 32, 3072, 32, 32, 8192, 32064, 4096, sliding_window=2047), 3_821_079_552),
    (("microsoft/Phi-3-mini-128k-instruct", "microsoft/Phi-3.5-mini-instruct"),
     _decoder("Phi3ForCausalLM", 32, 3072, 32, 32, 8192, 32064, 131072, sliding_window=262144, **_PHI_LONG),
     3_821_079_552),
    (("microsoft/Phi-3-medium-128k-instruct",),
     _decoder("Phi3ForCausalLM", 40, 5120, 40, 10, 17920, 32064, 131072, sliding_window=131072, **_PHI_LONG),
     13_960_238_080),
    (("microsoft/phi-4",), _decoder("Phi3ForCausalLM", 40, 5120, 40, 10, 17920, 100352, 16384), 14_659_507_200),
    (("microsoft/Phi-4-mini-instruct",),
     _decoder("Phi3ForCausalLM", 32, 3072, 24, 8, 8192, 200064, 131072, sliding_window=262144,
              partial_rotary_factor=0.75, tie_word_embeddings=True, **_PHI_LONG), 3_836_021_760),
    (("microsoft/Phi-3.5-MoE-instruct",),
     _decoder("PhiMoEForCausalLM", 32, 4096, 32, 8, 6400, 32064, 131072, sliding_window=131072, attention_bias=True,
              num_local_experts=16, num_experts_per_tok=2, **_PHI_LONG), 41_873_153_344),
    # Mistral.
    (("mistralai/Ministral-8B-Instruct-2410",),
     _decoder("MistralForCausalLM", 36, 4096, 32, 8, 12288, 131072, 32768, head_dim=128, sliding_window=32768),
     8_019_808_256),
    (("mistralai/Mistral-Small-3.1-24B-Instruct-2503", "mistralai/Mistral-Small-3.2-24B-Instruct-2506"),
     _mistral3(131072), 24_011_361_280),
    # Alibaba.
    (("Qwen/Qwen1.5-7B", "Qwen/Qwen1.5-7B-Chat"),
     _decoder("Qwen2ForCausalLM", 32, 4096, 32, 32, 11008, 151936, 32768, use_sliding_window=False), 7_721_324_544),
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
    (("Qwen/Qwen3-Next-80B-A3B-Instruct", "Qwen/Qwen3-Next-80B-A3B-Thinking", "Qwen/Qwen3-Coder-Next"),
     _decoder("Qwen3NextForCausalLM", 48, 2048, 16, 2, 5120, 151936, 262144, head_dim=256, num_experts=512,
              num_experts_per_tok=10, moe_intermediate_size=512, shared_expert_intermediate_size=512,
              full_attention_interval=4, linear_num_key_heads=16, linear_num_value_heads=32, linear_key_head_dim=128,
              linear_value_head_dim=128, linear_conv_kernel_dim=4, partial_rotary_factor=0.25), 79_674_391_296),
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
    (("deepseek-ai/DeepSeek-R1-0528-Qwen3-8B",),
     _decoder("Qwen3ForCausalLM", 36, 4096, 32, 8, 12288, 151936, 131072, head_dim=128, **_YARN4), 8_190_735_360),
    # Poolside: 235.1 GB in bfloat16, and 33.4 billion.
    (("poolside/Laguna-S-2.1",), _laguna(48, 3072, 72, 1024, 12288, 1048576, 10), 117_561_977_600),
    (("poolside/Laguna-XS-2.1", "poolside/Laguna-XS.2"), _laguna(40, 2048, 64, 512, 8192, 262144, 8), 33_442_617_088),
    # DeepSeek.
    (("deepseek-ai/DeepSeek-V2-Lite", "deepseek-ai/DeepSeek-V2-Lite-Chat", "deepseek-ai/DeepSeek-Coder-V2-Lite-Base",
      "deepseek-ai/DeepSeek-Coder-V2-Lite-Instruct"),
     _deepseek_v2(num_hidden_layers=27, hidden_size=2048, num_attention_heads=16, intermediate_size=10944,
                  moe_intermediate_size=1408, n_routed_experts=64), 15_706_484_224),
    (("deepseek-ai/DeepSeek-V2", "deepseek-ai/DeepSeek-V2-Chat", "deepseek-ai/DeepSeek-V2.5",
      "deepseek-ai/DeepSeek-Coder-V2-Instruct"),
     _deepseek_v2(num_hidden_layers=60, hidden_size=5120, num_attention_heads=128, intermediate_size=12288,
                  moe_intermediate_size=1536, n_routed_experts=160, q_lora_rank=1536), 235_741_434_880),
    # Zhipu.
    (("zai-org/GLM-4.5-Air",),
     _glm4_moe(46, 4096, 96, 8, 10944, 151552, 131072, n_routed_experts=128, moe_intermediate_size=1408,
               first_k_dense_replace=1), 106_852_251_264),
    (("zai-org/GLM-4-9B-0414",),
     _decoder("Glm4ForCausalLM", 40, 4096, 32, 2, 13696, 151552, 32768, head_dim=128, attention_bias=True,
              partial_rotary_factor=0.5), 9_400_279_040),
    (("zai-org/GLM-4-32B-0414",),
     _decoder("Glm4ForCausalLM", 61, 6144, 48, 2, 23040, 151552, 32768, head_dim=128, partial_rotary_factor=0.5),
     32_566_081_536),
    # Others.
    (("CohereForAI/c4ai-command-r-v01", "CohereLabs/c4ai-command-r-v01"),
     _decoder("CohereForCausalLM", 40, 8192, 64, 64, 22528, 256000, 8192, model_max_length=131072,
              torch_dtype="float16"), 34_980_831_232),
    (("ibm-granite/granite-3.1-2b-instruct",),
     _decoder("GraniteForCausalLM", 40, 2048, 32, 8, 8192, 49155, 131072, tie_word_embeddings=True), 2_533_531_648),
    (("ibm-granite/granite-3.1-8b-instruct",),
     _decoder("GraniteForCausalLM", 40, 4096, 32, 8, 12800, 49155, 131072, tie_word_embeddings=True), 8_170_848_256),
    (("ibm-granite/granite-3.3-8b-instruct",),
     _decoder("GraniteForCausalLM", 40, 4096, 32, 8, 12800, 49159, 131072, tie_word_embeddings=True), 8_170_864_640),
    # Logs of 0.11 and 0.19 print 3.42 GiB (FP8) for the first and 2.72 for the second.
    (("ibm-granite/granite-4.0-micro",),
     _granite4(hidden_size=2560, num_attention_heads=40, num_key_value_heads=8, intermediate_size=8192,
               shared_intermediate_size=8192, num_local_experts=0, num_experts_per_tok=0, mamba_n_heads=80,
               layer_types=40 * ["attention"], position_embedding_type="rope"), 3_402_836_480),
    (("ibm-granite/granite-4.0-h-1b",),
     _granite4(hidden_size=1536, num_attention_heads=12, num_key_value_heads=4, intermediate_size=4096,
               shared_intermediate_size=4096, num_local_experts=0, num_experts_per_tok=0, mamba_n_heads=48),
     1_461_538_368),
    (("ibm-granite/granite-4.0-h-small",),
     _granite4(hidden_size=4096, num_attention_heads=32, num_key_value_heads=8, intermediate_size=768,
               shared_intermediate_size=1536, num_local_experts=72, num_experts_per_tok=10, mamba_n_heads=128),
     32_207_337_984),
    (("bigcode/starcoder2-3b",),
     _decoder("Starcoder2ForCausalLM", 30, 3072, 24, 2, 12288, 49152, 16384, use_bias=True, sliding_window=4096),
     3_030_371_328),
    (("bigcode/starcoder2-15b",),
     _decoder("Starcoder2ForCausalLM", 40, 6144, 48, 4, 24576, 49152, 16384, use_bias=True, sliding_window=4096,
              tie_word_embeddings=False), 15_957_889_024),
    (("tiiuae/falcon-7b", "tiiuae/falcon-7b-instruct"),
     {"architectures": ["FalconForCausalLM"], "num_hidden_layers": 32, "hidden_size": 4544, "num_attention_heads": 71,
      "multi_query": True, "parallel_attn": True, "vocab_size": 65024, "torch_dtype": "bfloat16"}, 6_921_720_704),
    (("tiiuae/falcon-40b", "tiiuae/falcon-40b-instruct"),
     {"architectures": ["FalconForCausalLM"], "num_hidden_layers": 60, "hidden_size": 8192,
      "num_attention_heads": 128, "num_kv_heads": 8, "new_decoder_architecture": True, "parallel_attn": True,
      "vocab_size": 65024, "torch_dtype": "bfloat16"}, 41_303_293_952),
    (("facebook/opt-125m",), _opt(12, 768, 12), 125_239_296),
    (("facebook/opt-1.3b",), _opt(24, 2048, 32), 1_315_758_080),
    (("facebook/opt-6.7b",), _opt(32, 4096, 32), 6_658_473_984),
    (("facebook/opt-13b",), _opt(40, 5120, 40), 12_853_473_280),
    (("allenai/OLMo-2-1124-7B-Instruct",),
     _decoder("Olmo2ForCausalLM", 32, 4096, 32, 32, 11008, 100352, 4096), 7_298_617_344),
    (("allenai/OLMoE-1B-7B-0924-Instruct",),
     _decoder("OlmoeForCausalLM", 16, 2048, 16, 16, 1024, 50304, 4096, num_experts=64, num_experts_per_tok=8),
     6_919_161_856),
    (("HuggingFaceTB/SmolLM3-3B",),
     _decoder("SmolLM3ForCausalLM", 36, 2048, 16, 4, 11008, 128256, 65536), 3_075_098_624),
    (("LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct",),
     _decoder("ExaoneForCausalLM", 32, 4096, 32, 8, 14336, 102400, 32768), 7_818_448_896),
    (("ByteDance-Seed/Seed-OSS-36B-Instruct",),
     _decoder("SeedOssForCausalLM", 64, 5120, 80, 8, 27648, 155136, 524288, head_dim=128), 36_151_104_512),
    (("intfloat/e5-mistral-7b-instruct",),
     _decoder("MistralModel", 32, 4096, 32, 8, 14336, 32000, 32768, sliding_window=4096), 7_110_660_096),
    (("BAAI/bge-m3",),
     {"architectures": ["XLMRobertaModel"], "num_hidden_layers": 24, "hidden_size": 1024, "num_attention_heads": 16,
      "intermediate_size": 4096, "vocab_size": 250002, "max_position_embeddings": 8194, "type_vocab_size": 1,
      "torch_dtype": "float32"}, 567_754_752),
)  # fmt: skip

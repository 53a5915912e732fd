"""Decoders of general knowledge whose layers attend, by publisher."""

from __future__ import annotations

from infercli.core.record import Json


def decoder(
    name: str, layers: int, hidden: int, heads: int, kv_heads: int, intermediate: int, vocab: int, length: int,
    **more: Json,
) -> Json:  # fmt: skip
    """The config of a decoder, under the names that most publishers use."""
    return {
        "architectures": [name], "num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": heads,
        "num_key_value_heads": kv_heads, "intermediate_size": intermediate, "vocab_size": vocab,
        "max_position_embeddings": length, "torch_dtype": "bfloat16",
    } | more  # fmt: skip


_PHI_LONG: Json = {"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 4096}
INTERNLM: Json = {"rope_type": "dynamic", "factor": 2.0}
_YARN40: Json = {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096}


def _deepseek_v2(**numbers: Json) -> Json:
    return {
        "architectures": ["DeepseekV2ForCausalLM"], "vocab_size": 102400, "max_position_embeddings": 163840,
        "kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
        "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1, "rope_scaling": _YARN40,
        "torch_dtype": "bfloat16",
    } | numbers  # fmt: skip


def _glm4_moe(*numbers: int, **more: Json) -> Json:
    return decoder(
        "Glm4MoeForCausalLM", *numbers, head_dim=128, num_experts_per_tok=8, n_shared_experts=1, attention_bias=True,
        partial_rotary_factor=0.5, num_nextn_predict_layers=1, **more,
    )  # fmt: skip


def _opt(layers: int, hidden: int, heads: int) -> Json:
    return {
        "architectures": ["OPTForCausalLM"], "num_hidden_layers": layers, "hidden_size": hidden,
        "num_attention_heads": heads, "ffn_dim": 4 * hidden, "vocab_size": 50272, "max_position_embeddings": 2048,
        "word_embed_proj_dim": hidden, "do_layer_norm_before": True, "torch_dtype": "float16",
    }  # fmt: skip


def _chatglm(layers: int, vocab: int, length: int, **more: Json) -> Json:
    return {
        "architectures": ["ChatGLMModel"], "num_layers": layers, "hidden_size": 4096, "num_attention_heads": 32,
        "multi_query_attention": True, "multi_query_group_num": 2, "ffn_hidden_size": 13696, "kv_channels": 128,
        "padded_vocab_size": vocab, "seq_length": length, "add_qkv_bias": True, "add_bias_linear": False,
        "torch_dtype": "float16",
    } | more  # fmt: skip


def gpt_neox(layers: int, hidden: int, heads: int, vocab: int) -> Json:
    """GPT-NeoX, Pythia among them."""
    return {
        "architectures": ["GPTNeoXForCausalLM"], "num_hidden_layers": layers, "hidden_size": hidden,
        "num_attention_heads": heads, "intermediate_size": 4 * hidden, "vocab_size": vocab,
        "max_position_embeddings": 2048, "rotary_pct": 0.25, "tie_word_embeddings": False, "torch_dtype": "float16",
    }  # fmt: skip


def gpt2(layers: int, hidden: int, heads: int) -> Json:
    """GPT-2 of that size."""
    return {
        "architectures": ["GPT2LMHeadModel"], "n_layer": layers, "n_embd": hidden, "n_head": heads,
        "n_positions": 1024, "vocab_size": 50257,
    }  # fmt: skip


def bloom(layers: int, hidden: int, heads: int) -> Json:
    """BLOOM of that size."""
    return {
        "architectures": ["BloomForCausalLM"], "n_layer": layers, "hidden_size": hidden, "n_head": heads,
        "vocab_size": 250880, "seq_length": 2048, "torch_dtype": "float16",
    }  # fmt: skip


STARCODER: Json = {
    "architectures": ["GPTBigCodeForCausalLM"], "n_layer": 40, "n_embd": 6144, "n_head": 48, "n_inner": 24576,
    "n_positions": 8192, "vocab_size": 49152, "multi_query": True, "torch_dtype": "float32",
}  # fmt: skip


def _ling_2(*numbers: int, **more: Json) -> Json:
    return decoder(
        "BailingMoeV2ForCausalLM", *numbers, head_dim=128, num_experts=256, num_experts_per_tok=8, num_shared_experts=1,
        use_qk_norm=True, use_bias=False, use_qkv_bias=False, moe_router_enable_expert_bias=True,
        partial_rotary_factor=0.5, **({"first_k_dense_replace": 1} | more),
    )  # fmt: skip


def moonlight(length: int) -> Json:
    """The decoder of Moonlight and of Kimi-VL, which differ in length."""
    return {
        "architectures": ["DeepseekV3ForCausalLM"], "num_hidden_layers": 27, "hidden_size": 2048,
        "num_attention_heads": 16, "intermediate_size": 11264, "moe_intermediate_size": 1408, "n_routed_experts": 64,
        "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1, "vocab_size": 163840,
        "max_position_embeddings": length, "kv_lora_rank": 512, "q_lora_rank": None, "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64, "v_head_dim": 128, "topk_method": "noaux_tc", "torch_dtype": "bfloat16",
    }  # fmt: skip


def _laguna(
    layers: int, hidden: int, windowed_heads: int, experts: int, intermediate: int, length: int, top: int
) -> Json:
    kinds = ["full_attention", *["sliding_attention"] * 3] * (layers // 4)
    return decoder(
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


_GEMMA2: Json = {"sliding_window": 4096}
_YARN4: Json = {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}}

# ids, the keys of config.json that decide sizes, parameters by the Hub's count; a float: billions, as published
DECODERS: tuple[tuple[tuple[str, ...], Json, int | float], ...] = (
    # Google.
    (("google/gemma-2b", "google/gemma-2b-it"),
     decoder("GemmaForCausalLM", 18, 2048, 8, 1, 16384, 256000, 8192, head_dim=256), 2_506_172_416),
    (("google/gemma-7b", "google/gemma-7b-it"),
     decoder("GemmaForCausalLM", 28, 3072, 16, 16, 24576, 256000, 8192, head_dim=256), 8_537_680_896),
    (("google/gemma-2-2b", "google/gemma-2-2b-it"),
     decoder("Gemma2ForCausalLM", 26, 2304, 8, 4, 9216, 256000, 8192, head_dim=256, **_GEMMA2), 2_614_341_888),
    (("google/gemma-2-9b", "google/gemma-2-9b-it"),
     decoder("Gemma2ForCausalLM", 42, 3584, 16, 8, 14336, 256000, 8192, head_dim=256, **_GEMMA2), 9_241_705_984),
    (("google/gemma-2-27b", "google/gemma-2-27b-it"),
     decoder("Gemma2ForCausalLM", 46, 4608, 32, 16, 36864, 256000, 8192, head_dim=128, **_GEMMA2), 27_227_128_320),
    (("google/gemma-3-1b-pt", "google/gemma-3-1b-it"),
     decoder("Gemma3ForCausalLM", 26, 1152, 4, 1, 6912, 262144, 32768, head_dim=256, sliding_window=512),
     999_885_952),
    # Microsoft.
    (("microsoft/phi-1_5",),
     decoder("PhiForCausalLM", 24, 2048, 32, 32, 8192, 51200, 2048, partial_rotary_factor=0.5,
              torch_dtype="float16"), 1_418_270_720),
    (("microsoft/phi-2",),
     decoder("PhiForCausalLM", 32, 2560, 32, 32, 10240, 51200, 2048, partial_rotary_factor=0.4,
              torch_dtype="float16"), 2_779_683_840),
    (("microsoft/Phi-3-mini-4k-instruct",),
     decoder("Phi3ForCausalLM", 32, 3072, 32, 32, 8192, 32064, 4096, sliding_window=2047), 3_821_079_552),
    (("microsoft/Phi-3-mini-128k-instruct", "microsoft/Phi-3.5-mini-instruct"),
     decoder("Phi3ForCausalLM", 32, 3072, 32, 32, 8192, 32064, 131072, sliding_window=262144, **_PHI_LONG),
     3_821_079_552),
    (("microsoft/Phi-3-medium-128k-instruct",),
     decoder("Phi3ForCausalLM", 40, 5120, 40, 10, 17920, 32064, 131072, sliding_window=131072, **_PHI_LONG),
     13_960_238_080),
    (("microsoft/phi-4",), decoder("Phi3ForCausalLM", 40, 5120, 40, 10, 17920, 100352, 16384), 14_659_507_200),
    (("microsoft/Phi-4-mini-instruct",),
     decoder("Phi3ForCausalLM", 32, 3072, 24, 8, 8192, 200064, 131072, sliding_window=262144,
              partial_rotary_factor=0.75, tie_word_embeddings=True, **_PHI_LONG), 3_836_021_760),
    (("microsoft/Phi-3.5-MoE-instruct",),
     decoder("PhiMoEForCausalLM", 32, 4096, 32, 8, 6400, 32064, 131072, sliding_window=131072, attention_bias=True,
              num_local_experts=16, num_experts_per_tok=2, **_PHI_LONG), 41_873_153_344),
    # Mistral.
    (("mistralai/Ministral-8B-Instruct-2410",),
     decoder("MistralForCausalLM", 36, 4096, 32, 8, 12288, 131072, 32768, head_dim=128, sliding_window=32768),
     8_019_808_256),
    # Alibaba.
    (("Qwen/Qwen1.5-7B", "Qwen/Qwen1.5-7B-Chat"),
     decoder("Qwen2ForCausalLM", 32, 4096, 32, 32, 11008, 151936, 32768, use_sliding_window=False), 7_721_324_544),
    (("deepseek-ai/DeepSeek-R1-0528-Qwen3-8B",),
     decoder("Qwen3ForCausalLM", 36, 4096, 32, 8, 12288, 151936, 131072, head_dim=128, **_YARN4), 8_190_735_360),
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
     decoder("Glm4ForCausalLM", 40, 4096, 32, 2, 13696, 151552, 32768, head_dim=128, attention_bias=True,
              partial_rotary_factor=0.5), 9_400_279_040),
    (("zai-org/GLM-4-32B-0414",),
     decoder("Glm4ForCausalLM", 61, 6144, 48, 2, 23040, 151552, 32768, head_dim=128, partial_rotary_factor=0.5),
     32_566_081_536),
    # Others.
    (("CohereForAI/c4ai-command-r-v01", "CohereLabs/c4ai-command-r-v01"),
     decoder("CohereForCausalLM", 40, 8192, 64, 64, 22528, 256000, 8192, model_max_length=131072,
              torch_dtype="float16"), 34_980_831_232),
    (("ibm-granite/granite-3.1-2b-instruct",),
     decoder("GraniteForCausalLM", 40, 2048, 32, 8, 8192, 49155, 131072, tie_word_embeddings=True), 2_533_531_648),
    (("ibm-granite/granite-3.1-8b-instruct",),
     decoder("GraniteForCausalLM", 40, 4096, 32, 8, 12800, 49155, 131072, tie_word_embeddings=True), 8_170_848_256),
    (("ibm-granite/granite-3.3-8b-instruct",),
     decoder("GraniteForCausalLM", 40, 4096, 32, 8, 12800, 49159, 131072, tie_word_embeddings=True), 8_170_864_640),
    (("bigcode/starcoder2-3b",),
     decoder("Starcoder2ForCausalLM", 30, 3072, 24, 2, 12288, 49152, 16384, use_bias=True, sliding_window=4096),
     3_030_371_328),
    (("bigcode/starcoder2-15b",),
     decoder("Starcoder2ForCausalLM", 40, 6144, 48, 4, 24576, 49152, 16384, use_bias=True, sliding_window=4096,
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
     decoder("Olmo2ForCausalLM", 32, 4096, 32, 32, 11008, 100352, 4096), 7_298_617_344),
    (("allenai/OLMoE-1B-7B-0924-Instruct",),
     decoder("OlmoeForCausalLM", 16, 2048, 16, 16, 1024, 50304, 4096, num_experts=64, num_experts_per_tok=8),
     6_919_161_856),
    (("HuggingFaceTB/SmolLM3-3B",),
     decoder("SmolLM3ForCausalLM", 36, 2048, 16, 4, 11008, 128256, 65536), 3_075_098_624),
    (("LGAI-EXAONE/EXAONE-3.5-7.8B-Instruct",),
     decoder("ExaoneForCausalLM", 32, 4096, 32, 8, 14336, 102400, 32768), 7_818_448_896),
    (("ByteDance-Seed/Seed-OSS-36B-Instruct",),
     decoder("SeedOssForCausalLM", 64, 5120, 80, 8, 27648, 155136, 524288, head_dim=128), 36_151_104_512),
    (("mistralai/Mistral-7B-v0.1", "mistralai/Mistral-7B-Instruct-v0.1", "HuggingFaceH4/zephyr-7b-beta"),
     decoder("MistralForCausalLM", 32, 4096, 32, 8, 14336, 32000, 32768, sliding_window=4096), 7_241_732_096),
    (("teknium/OpenHermes-2.5-Mistral-7B",),
     decoder("MistralForCausalLM", 32, 4096, 32, 8, 14336, 32002, 32768, sliding_window=4096), 7_241_748_480),
    (("NousResearch/Hermes-2-Pro-Mistral-7B",),
     decoder("MistralForCausalLM", 32, 4096, 32, 8, 14336, 32032, 32768, sliding_window=4096), 7_241_994_240),
    (("openchat/openchat-3.5-0106",),
     decoder("MistralForCausalLM", 32, 4096, 32, 8, 14336, 32002, 8192, sliding_window=4096), 7_241_748_480),
    (("Qwen/Qwen1.5-MoE-A2.7B", "Qwen/Qwen1.5-MoE-A2.7B-Chat"),
     decoder("Qwen2MoeForCausalLM", 24, 2048, 16, 16, 5632, 151936, 8192, num_experts=60, num_experts_per_tok=4,
             moe_intermediate_size=1408, shared_expert_intermediate_size=5632), 14_315_784_192),
    (("microsoft/Phi-4-reasoning", "microsoft/Phi-4-reasoning-plus"),
     decoder("Phi3ForCausalLM", 40, 5120, 40, 10, 17920, 100352, 32768), 14_659_507_200),
    (("google/gemma-3-270m", "google/gemma-3-270m-it"),
     decoder("Gemma3ForCausalLM", 18, 640, 4, 1, 2048, 262144, 32768, head_dim=256, sliding_window=512), 268_098_176),
    (("google/medgemma-27b-text-it",),
     decoder("Gemma3ForCausalLM", 62, 5376, 32, 16, 21504, 262208, 131072, head_dim=128, sliding_window=1024,
             model_type="gemma3_text", rope_scaling={"rope_type": "linear", "factor": 8.0}), 27_009_346_304),
    # Of Zhipu's first classes: the files hold 32 frequencies of the rotary embedding, too.
    (("THUDM/glm-4-9b-chat", "zai-org/glm-4-9b-chat"),
     _chatglm(40, 151552, 131072, torch_dtype="bfloat16"), 9_399_951_392),
    (("THUDM/chatglm3-6b", "zai-org/chatglm3-6b"), _chatglm(28, 65024, 8192), 6_243_584_032),
    (("baichuan-inc/Baichuan2-7B-Chat",),
     decoder("BaichuanForCausalLM", 32, 4096, 32, 32, 11008, 125696, 4096, tie_word_embeddings=False), 7_505_973_248),
    (("baichuan-inc/Baichuan2-13B-Chat",),
     {"architectures": ["BaichuanForCausalLM"], "num_hidden_layers": 40, "hidden_size": 5120,
      "num_attention_heads": 40, "intermediate_size": 13696, "vocab_size": 125696, "model_max_length": 4096,
      "torch_dtype": "bfloat16", "tie_word_embeddings": False}, 13_896_668_160),
    (("internlm/internlm2_5-7b-chat",),
     decoder("InternLM2ForCausalLM", 32, 4096, 32, 8, 14336, 92544, 32768, bias=False, rope_scaling=INTERNLM),
     7_737_708_544),
    (("internlm/internlm3-8b-instruct",),
     decoder("InternLM3ForCausalLM", 48, 4096, 32, 2, 10240, 128512, 32768, head_dim=128, bias=False, qkv_bias=False,
             rope_scaling=INTERNLM | {"factor": 6.0}),
     8_804_241_408),
    (("openbmb/MiniCPM-2B-sft-bf16",),
     decoder("MiniCPMForCausalLM", 40, 2304, 36, 36, 5760, 122753, 4096), 2_724_880_896),
    (("CohereForAI/c4ai-command-r-plus", "CohereLabs/c4ai-command-r-plus"),
     decoder("CohereForCausalLM", 64, 12288, 96, 8, 33792, 256000, 8192, model_max_length=131072, use_qk_norm=True,
             torch_dtype="float16"), 103_810_674_688),
    (("CohereForAI/c4ai-command-r-08-2024", "CohereLabs/c4ai-command-r-08-2024"),
     decoder("CohereForCausalLM", 40, 8192, 64, 8, 24576, 256000, 131072, model_max_length=131072,
             torch_dtype="float16"), 32_296_476_672),
    (("CohereForAI/aya-expanse-8b", "CohereLabs/aya-expanse-8b"),
     decoder("CohereForCausalLM", 32, 4096, 32, 8, 14336, 256000, 8192, torch_dtype="float16"), 8_028_033_024),
    (("CohereForAI/aya-expanse-32b", "CohereLabs/aya-expanse-32b"),
     decoder("CohereForCausalLM", 40, 8192, 64, 8, 24576, 256000, 8192, torch_dtype="float16"), 32_296_476_672),
    (("CohereForAI/c4ai-command-a-03-2025", "CohereLabs/c4ai-command-a-03-2025"),
     decoder("Cohere2ForCausalLM", 64, 12288, 96, 8, 36864, 256000, 131072, head_dim=128, sliding_window=4096,
             sliding_window_pattern=4), 111_057_580_032),
    (("allenai/OLMo-2-1124-13B-Instruct",),
     decoder("Olmo2ForCausalLM", 40, 5120, 40, 40, 13824, 100352, 4096), 13_716_198_400),
    (("allenai/OLMo-2-0325-32B-Instruct",),
     decoder("Olmo2ForCausalLM", 64, 5120, 40, 8, 27648, 100352, 4096), 32_234_279_936),
    (("allenai/Olmo-3-32B-Think", "allenai/Olmo-3-1125-32B"),
     decoder("Olmo3ForCausalLM", 64, 5120, 40, 8, 27648, 100278, 65536, sliding_window=4096), 32_233_522_176),
    (("LGAI-EXAONE/EXAONE-3.5-2.4B-Instruct",),
     decoder("ExaoneForCausalLM", 30, 2560, 32, 8, 7168, 102400, 32768, tie_word_embeddings=True), 2_405_327_360),
    (("LGAI-EXAONE/EXAONE-3.5-32B-Instruct", "LGAI-EXAONE/EXAONE-Deep-32B"),
     decoder("ExaoneForCausalLM", 64, 5120, 40, 8, 27392, 102400, 32768), 32_003_200_000),
    (("LGAI-EXAONE/EXAONE-4.0-32B",),
     decoder("Exaone4ForCausalLM", 64, 5120, 40, 8, 27392, 102400, 131072, head_dim=128, sliding_window=4096,
             layer_types=16 * (3 * ["sliding_attention"] + ["full_attention"])), 32_003_216_384),
    (("swiss-ai/Apertus-8B-2509", "swiss-ai/Apertus-8B-Instruct-2509"),
     decoder("ApertusForCausalLM", 32, 4096, 32, 8, 21504, 131072, 65536, qk_norm=True), 8_053_338_176),
    (("rednote-hilab/dots.llm1.inst",),
     decoder("Dots1ForCausalLM", 62, 4096, 32, 32, 10944, 152064, 32768, moe_intermediate_size=1408,
             n_routed_experts=128, n_shared_experts=2, num_experts_per_tok=6, first_k_dense_replace=1,
             topk_method="noaux_tc"), 142_774_381_696),
    (("inclusionAI/Ling-lite",),
     decoder("BailingMoeForCausalLM", 28, 2048, 16, 4, 5632, 126464, 16384, head_dim=128, num_experts=64,
             num_experts_per_tok=6, num_shared_experts=2, moe_intermediate_size=1408, first_k_dense_replace=0,
             use_bias=False, use_qkv_bias=False), 16_801_974_272),
    (("inclusionAI/Ling-mini-2.0",),
     _ling_2(20, 2048, 16, 4, 5120, 157184, 32768, moe_intermediate_size=512), 16_255_643_392),
    (("tencent/Hunyuan-A13B-Instruct",),
     decoder("HunYuanMoEV1ForCausalLM", 32, 4096, 32, 8, 3072, 128167, 32768, head_dim=128, num_experts=64,
             moe_topk=32 * [8], num_shared_expert=32 * [1], moe_intermediate_size=32 * [3072], use_mixed_mlp_moe=True,
             use_qk_norm=True, tie_word_embeddings=True, attention_bias=False, use_cla=False), 80_393_183_232),
    (("databricks/dbrx-base", "databricks/dbrx-instruct"),
     {"architectures": ["DbrxForCausalLM"], "d_model": 6144, "n_heads": 48, "n_layers": 40, "max_seq_len": 32768,
      "vocab_size": 100352, "attn_config": {"kv_n_heads": 8}, "torch_dtype": "bfloat16",
      "ffn_config": {"ffn_hidden_size": 10752, "moe_num_experts": 16, "moe_top_k": 4}}, 131_596_523_520),
    # Older ones.
    (("facebook/opt-2.7b",), _opt(32, 2560, 32), 2_651_596_800),
    (("facebook/opt-30b",), _opt(48, 7168, 56), 29_974_540_288),
    (("bigscience/bloom-7b1", "bigscience/bloomz-7b1"), bloom(30, 4096, 32), 7_069_016_064),
    (("bigcode/starcoder", "bigcode/starcoderbase"), STARCODER, 15_517_456_384),
    (("bigcode/starcoder2-7b",),
     decoder("Starcoder2ForCausalLM", 32, 4608, 36, 4, 18432, 49152, 16384, use_bias=True, sliding_window=4096),
     7_173_923_840),
    (("mosaicml/mpt-7b", "mosaicml/mpt-7b-instruct"),
     {"architectures": ["MPTForCausalLM"], "n_layers": 32, "d_model": 4096, "n_heads": 32, "expansion_ratio": 4,
      "max_seq_len": 2048, "vocab_size": 50432, "no_bias": True, "torch_dtype": "bfloat16",
      "attn_config": {"alibi": True}}, 6_649_286_656),
    (("EleutherAI/gpt-j-6b",),
     {"architectures": ["GPTJForCausalLM"], "n_layer": 28, "n_embd": 4096, "n_head": 16, "n_positions": 2048,
      "rotary_dim": 64, "vocab_size": 50400, "torch_dtype": "float32", "tie_word_embeddings": False}, 6_050_882_784),
    (("EleutherAI/pythia-6.9b",), gpt_neox(32, 4096, 32, 50432), 6_857_302_016),
    (("EleutherAI/pythia-12b",), gpt_neox(36, 5120, 40, 50688), 11_846_072_320),
    (("EleutherAI/gpt-neox-20b",), gpt_neox(44, 6144, 64, 50432), 20_554_567_680),
    (("openai-community/gpt2", "gpt2"), gpt2(12, 768, 12), 124_439_808),
    (("openai-community/gpt2-medium",), gpt2(24, 1024, 16), 354_823_168),
    (("openai-community/gpt2-large",), gpt2(36, 1280, 20), 774_030_080),
    (("openai-community/gpt2-xl",), gpt2(48, 1600, 25), 1_557_611_200),
    (("bigscience/bloom-560m", "bigscience/bloomz-560m"), bloom(24, 1024, 16), 559_214_592),
    (("bigscience/bloom-3b", "bigscience/bloomz-3b"), bloom(30, 2560, 32), 3_002_557_440),
    (("bigscience/bloom", "bigscience/bloomz"), bloom(70, 14336, 112), 176_247_271_424),
    (("EleutherAI/pythia-1.4b",), gpt_neox(24, 2048, 16, 50304), 1_414_647_808),
    (("EleutherAI/pythia-2.8b",), gpt_neox(32, 2560, 32, 50304), 2_775_208_960),
    (("tiiuae/falcon-180B", "tiiuae/falcon-180B-chat"),
     {"architectures": ["FalconForCausalLM"], "num_hidden_layers": 80, "hidden_size": 14848,
      "num_attention_heads": 232, "num_kv_heads": 8, "new_decoder_architecture": True, "parallel_attn": True,
      "vocab_size": 65024, "tie_word_embeddings": False, "torch_dtype": "bfloat16"}, 179_522_565_120),
    (("WizardLM/WizardCoder-15B-V1.0", "WizardLMTeam/WizardCoder-15B-V1.0"),
     STARCODER | {"vocab_size": 49153, "torch_dtype": "float16"}, 15_517_462_528),
    (("deepseek-ai/deepseek-moe-16b-base", "deepseek-ai/deepseek-moe-16b-chat"),
     decoder("DeepseekForCausalLM", 28, 2048, 16, 16, 10944, 102400, 4096, moe_intermediate_size=1408,
             n_routed_experts=64, n_shared_experts=2, num_experts_per_tok=6, first_k_dense_replace=1,
             moe_layer_freq=1), 16_375_728_128),
    (("Qwen/CodeQwen1.5-7B", "Qwen/CodeQwen1.5-7B-Chat"),
     decoder("Qwen2ForCausalLM", 32, 4096, 32, 4, 13440, 92416, 65536, use_sliding_window=False), 7_250_284_544),
    (("microsoft/Phi-3-medium-4k-instruct",),
     decoder("Phi3ForCausalLM", 40, 5120, 40, 10, 17920, 32064, 4096, sliding_window=2047), 13_960_238_080),
    (("ibm-granite/granite-3.0-2b-instruct",),
     decoder("GraniteForCausalLM", 40, 2048, 32, 8, 8192, 49155, 4096, tie_word_embeddings=True), 2_533_531_648),
    (("ibm-granite/granite-3.0-8b-instruct",),
     decoder("GraniteForCausalLM", 40, 4096, 32, 8, 12800, 49155, 4096, tie_word_embeddings=True), 8_170_848_256),
    (("CohereForAI/c4ai-command-r-plus-08-2024", "CohereLabs/c4ai-command-r-plus-08-2024"),
     decoder("CohereForCausalLM", 64, 12288, 96, 8, 33792, 256000, 131072, model_max_length=131072, use_qk_norm=True,
             torch_dtype="float16"), 103_810_674_688),
    (("Qwen/Qwen3-Reranker-0.6B",),
     decoder("Qwen3ForCausalLM", 28, 1024, 16, 8, 3072, 151669, 40960, head_dim=128, tie_word_embeddings=True),
     595_776_512),
    (("Qwen/Qwen3-Reranker-4B",),
     decoder("Qwen3ForCausalLM", 36, 2560, 32, 8, 9728, 151669, 40960, head_dim=128, tie_word_embeddings=True),
     4_021_784_576),
    # Of these the parameters are known to a tenth of a billion.
    (("facebook/opt-66b",), _opt(64, 9216, 72), 65.7),
    (("mosaicml/mpt-30b", "mosaicml/mpt-30b-instruct"),
     {"architectures": ["MPTForCausalLM"], "n_layers": 48, "d_model": 7168, "n_heads": 64, "expansion_ratio": 4,
      "max_seq_len": 8192, "vocab_size": 50432, "no_bias": True, "torch_dtype": "bfloat16",
      "attn_config": {"alibi": True}}, 30.0),
    (("deepseek-ai/deepseek-llm-67b-base", "deepseek-ai/deepseek-llm-67b-chat"),
     decoder("LlamaForCausalLM", 95, 8192, 64, 8, 22016, 102400, 4096), 67.4),
    (("Qwen/Qwen2-57B-A14B", "Qwen/Qwen2-57B-A14B-Instruct"),
     decoder("Qwen2MoeForCausalLM", 28, 3584, 28, 4, 18944, 151936, 32768, num_experts=64, num_experts_per_tok=8,
             moe_intermediate_size=2560, shared_expert_intermediate_size=20480), 57.4),
    (("moonshotai/Moonlight-16B-A3B", "moonshotai/Moonlight-16B-A3B-Instruct"), moonlight(8192), 16.0),
    (("utter-project/EuroLLM-1.7B-Instruct",),
     decoder("LlamaForCausalLM", 24, 2048, 16, 8, 5632, 128000, 4096), 1.7),
    (("utter-project/EuroLLM-9B", "utter-project/EuroLLM-9B-Instruct"),
     decoder("LlamaForCausalLM", 42, 4096, 32, 8, 12288, 128000, 4096), 9.2),
    (("swiss-ai/Apertus-70B-2509", "swiss-ai/Apertus-70B-Instruct-2509"),
     decoder("ApertusForCausalLM", 80, 8192, 64, 8, 43008, 131072, 65536, qk_norm=True), 70.6),
    (("openbmb/MiniCPM4-8B",),
     decoder("MiniCPMForCausalLM", 32, 4096, 32, 2, 16384, 73448, 32768, tie_word_embeddings=False), 8.2),
    (("openbmb/MiniCPM3-4B",),
     decoder("MiniCPM3ForCausalLM", 62, 2560, 40, 40, 6400, 73448, 32768, q_lora_rank=768, kv_lora_rank=256,
             qk_nope_head_dim=64, qk_rope_head_dim=32, v_head_dim=64), 4.1),
    (("baidu/ERNIE-4.5-21B-A3B-PT",),
     decoder("Ernie4_5_MoeForCausalLM", 28, 2560, 20, 4, 12288, 103424, 131072, head_dim=128, moe_num_experts=64,
             moe_k=6, moe_intermediate_size=1536, moe_num_shared_experts=2, moe_layer_start_index=1,
             moe_layer_interval=1, moe_layer_end_index=27, tie_word_embeddings=True), 21.8),
    (("baidu/ERNIE-4.5-300B-A47B-PT",),
     decoder("Ernie4_5_MoeForCausalLM", 54, 8192, 64, 8, 28672, 103424, 131072, moe_num_experts=64, moe_k=8,
             moe_intermediate_size=3584, moe_num_shared_experts=0, moe_layer_start_index=3, moe_layer_interval=1,
             moe_layer_end_index=53, tie_word_embeddings=False), 299.5),
    (("inclusionAI/Ling-flash-2.0",),
     _ling_2(32, 4096, 32, 4, 9216, 157184, 32768, moe_intermediate_size=1024), 102.9),
    (("inclusionAI/Ling-1T",),
     _ling_2(80, 8192, 64, 8, 18432, 157184, 32768, moe_intermediate_size=2048, first_k_dense_replace=4), 999.7),
    (("inclusionAI/Ring-1T",),
     _ling_2(80, 8192, 64, 8, 18432, 157184, 65536, moe_intermediate_size=2048, first_k_dense_replace=4), 999.7),
    (("arcee-ai/Trinity-Mini",),
     decoder("AfmoeForCausalLM", 32, 2048, 32, 4, 6144, 200192, 131072, head_dim=128, num_experts=128,
             num_experts_per_tok=8, num_shared_experts=1, moe_intermediate_size=1024, num_dense_layers=2,
             sliding_window=2048, layer_types=8 * (3 * ["sliding_attention"] + ["full_attention"])), 26.1),
    # "3.7B" without its embeddings.
    (("IFM/K2-Horizon-3.7B",),
     decoder("K2HorizonForCausalLM", 36, 2560, 32, 8, 10240, 250624, 524288, head_dim=128), 5_058_255_360),
    (("ibm-granite/granite-20b-code-base", "ibm-granite/granite-20b-code-instruct"),
     STARCODER | {"n_layer": 52, "torch_dtype": "bfloat16"}, 20.1),
)  # fmt: skip

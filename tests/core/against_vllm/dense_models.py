"""Small config.json files of decoders without experts, for class_models.py: CLASSES."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]

LLAMA: Config = {
    "hidden_size": 1024,
    "intermediate_size": 2176,
    "num_hidden_layers": 3,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "vocab_size": 32000,
    "max_position_embeddings": 8192,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "hidden_act": "silu",
}


def config(name: str, model_type: str, *parts: Config, without: tuple[str, ...] = (), **fields: object) -> Config:
    """config.json of a class: Llama's, but for what is given."""
    found = {key: value for key, value in LLAMA.items() if key not in without}
    for part in parts:
        found |= part
    return found | {"architectures": [name], "model_type": model_type} | fields


_ROPE: Config = {"rope_theta": 10000.0, "rope_type": "default"}
_YARN: Config = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 16.0, "original_max_position_embeddings": 512}
_LONG: Config = {
    "rope_type": "longrope", "long_factor": [1.5] * 24, "short_factor": [1.0] * 24, "rope_theta": 10000.0,
}  # fmt: skip
_ODD: Config = {"vocab_size": 32003, "num_key_value_heads": 2}
"""A vocabulary that no split divides, and fewer KV heads than ranks may be."""
_GEMMA: Config = {"head_dim": 96, "tie_word_embeddings": True, "hidden_activation": "gelu_pytorch_tanh"}
_WINDOWS: Config = {
    "sliding_window": 512, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}  # fmt: skip
_LAYER_NORM: Config = {"hidden_act": "relu2", "norm_eps": 1e-5, "layer_norm_eps": 1e-5, "partial_rotary_factor": 0.5}
_GPT2: Config = {
    "n_embd": 1024, "n_head": 16, "n_layer": 3, "n_positions": 1024, "vocab_size": 50257, "torch_dtype": "bfloat16",
    "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new", "tie_word_embeddings": True,
}  # fmt: skip
_OPT: Config = {
    "hidden_size": 1024, "ffn_dim": 2176, "num_hidden_layers": 3, "num_attention_heads": 16, "vocab_size": 50272,
    "max_position_embeddings": 2048, "word_embed_proj_dim": 1024, "do_layer_norm_before": True,
    "activation_function": "relu", "torch_dtype": "float16",
}  # fmt: skip
_FALCON: Config = {
    "hidden_size": 1024, "num_attention_heads": 16, "num_hidden_layers": 3, "vocab_size": 65024, "alibi": False,
    "bias": False, "multi_query": True, "parallel_attn": True, "new_decoder_architecture": False,
    "layer_norm_epsilon": 1e-5, "torch_dtype": "bfloat16",
}  # fmt: skip
_CHATGLM: Config = {
    "hidden_size": 1024, "ffn_hidden_size": 2176, "num_layers": 3, "num_attention_heads": 16, "kv_channels": 64,
    "multi_query_attention": True, "multi_query_group_num": 2, "padded_vocab_size": 65024, "seq_length": 8192,
    "original_rope": True, "add_qkv_bias": True, "add_bias_linear": False, "rmsnorm": True, "layernorm_epsilon": 1e-5,
    "post_layer_norm": True,
    "apply_residual_connection_post_layernorm": False, "fp32_residual_connection": False, "torch_dtype": "float16",
    "tie_word_embeddings": False,
}  # fmt: skip
_BERT: Config = {
    "hidden_size": 384, "intermediate_size": 1184, "num_hidden_layers": 3, "num_attention_heads": 12,
    "vocab_size": 30522, "max_position_embeddings": 514, "type_vocab_size": 2, "hidden_act": "gelu",
    "torch_dtype": "float32", "layer_norm_eps": 1e-12, "pad_token_id": 1,
    "position_embedding_type": "absolute",
}  # fmt: skip
_MODERN: Config = {
    "hidden_size": 384, "intermediate_size": 608, "num_hidden_layers": 4, "num_attention_heads": 12,
    "vocab_size": 50368, "max_position_embeddings": 8192, "global_attn_every_n_layers": 3, "local_attention": 128,
    "torch_dtype": "float32", "global_rope_theta": 160000.0, "local_rope_theta": 10000.0,
}  # fmt: skip
_BLOCKS = [
    {"attention": {"n_heads_in_group": 4, "no_op": False}, "ffn": {"ffn_mult": 2.625, "no_op": False}},
    {"attention": {"n_heads_in_group": None, "no_op": True}, "ffn": {"ffn_mult": 1.0, "no_op": False}},
    {"attention": {"n_heads_in_group": 8, "no_op": False}, "ffn": {"ffn_mult": None, "no_op": True}},
]

DENSE: dict[str, Config] = {
    "LlamaForCausalLM": config("LlamaForCausalLM", "llama"),
    "Llama with biases": config(
        "LlamaForCausalLM", "llama", _ODD, attention_bias=True, mlp_bias=True, head_dim=96, tie_word_embeddings=True
    ),
    "LLaMAForCausalLM": config("LLaMAForCausalLM", "llama", without=("num_key_value_heads",)),
    "CwmForCausalLM": config("CwmForCausalLM", "cwm", _WINDOWS, head_dim=96),
    "SolarForCausalLM": config("SolarForCausalLM", "solar", bskcn_1=[0], bskcn_2=[1], bskcn_3=[1], bskcn_4=[2],
                               bskcn_tv=[0.9, 0.8], rope_theta=10000.0),
    "TeleFLMForCausalLM": config("TeleFLMForCausalLM", "teleflm", use_mup=True, mup_scale_factor=1.0, input_mult=1.0,
                                 output_mult=1.0),
    "GraniteForCausalLM": config("GraniteForCausalLM", "granite", embedding_multiplier=12.0, logits_scaling=8.0,
                                 residual_multiplier=0.2, attention_multiplier=0.1, tie_word_embeddings=True),
    "Granite with biases": config("GraniteForCausalLM", "granite", embedding_multiplier=12.0, logits_scaling=8.0,
                                  residual_multiplier=0.2, attention_multiplier=0.1, attention_bias=True,
                                  mlp_bias=True),
    "InternLM3ForCausalLM": config("InternLM3ForCausalLM", "internlm3", head_dim=96, qkv_bias=False, bias=False),
    "InternLM 3 with biases": config("InternLM3ForCausalLM", "internlm3", head_dim=96, qkv_bias=True, bias=True),
    "InternLM2ForCausalLM": config("InternLM2ForCausalLM", "internlm2", bias=False, rope_theta=1000000.0),
    "SmolLM3ForCausalLM": config("SmolLM3ForCausalLM", "smollm3", no_rope_layers=[1, 1, 0], pad_token_id=0,
                                 without=("tie_word_embeddings",)),
    "MistralForCausalLM": config("MistralForCausalLM", "mistral", sliding_window=1024),
    "Mistral that says little": config("MistralForCausalLM", "mistral", head_dim=96, sliding_window=None,
                                       without=("num_key_value_heads", "tie_word_embeddings")),
    "Ministral3ForCausalLM": config("Ministral3ForCausalLM", "ministral3", head_dim=96, tie_word_embeddings=True,
                                    rope_parameters=_YARN | {"llama_4_scaling_beta": 0.1}),
    "Qwen2ForCausalLM": config("Qwen2ForCausalLM", "qwen2", _ODD, use_sliding_window=False, sliding_window=512,
                               tie_word_embeddings=True),
    "Qwen 2 with windows": config("Qwen2ForCausalLM", "qwen2", _WINDOWS, use_sliding_window=True, max_window_layers=3,
                                  layer_types=["sliding_attention"] * 3),
    "Qwen2Model": config("Qwen2Model", "qwen2"),
    "MiMoForCausalLM": config("MiMoForCausalLM", "mimo", attention_bias=True, num_nextn_predict_layers=1,
                              use_sliding_window=False),
    "Qwen3ForCausalLM": config("Qwen3ForCausalLM", "qwen3", head_dim=96),
    "Qwen 3 with biases": config("Qwen3ForCausalLM", "qwen3", _ODD, attention_bias=True),
    "SeedOssForCausalLM": config("SeedOssForCausalLM", "seed_oss", head_dim=96, attention_bias=True,
                                 attention_out_bias=False),
    "Phi3ForCausalLM": config("Phi3ForCausalLM", "phi3", sliding_window=2047, pad_token_id=0),
    "Phi 3 for long requests": config("Phi3ForCausalLM", "phi3", _ODD, rope_scaling=_LONG, partial_rotary_factor=0.75,
                                      original_max_position_embeddings=2048, tie_word_embeddings=True, pad_token_id=0),
    "PhiForCausalLM": config("PhiForCausalLM", "phi", partial_rotary_factor=0.5, hidden_act="gelu_new",
                             vocab_size=51203, intermediate_size=4096, without=("num_key_value_heads",)),
    "GemmaForCausalLM": config("GemmaForCausalLM", "gemma", _GEMMA),
    "Gemma with one KV head": config("GemmaForCausalLM", "gemma", _GEMMA, num_key_value_heads=1, attention_bias=True),
    "Gemma2ForCausalLM": config("Gemma2ForCausalLM", "gemma2", _GEMMA, query_pre_attn_scalar=96, sliding_window=512),
    "VaultGemmaForCausalLM": config("VaultGemmaForCausalLM", "vaultgemma", _GEMMA, query_pre_attn_scalar=96,
                                    sliding_window=512),
    "Gemma3ForCausalLM": config("Gemma3ForCausalLM", "gemma3_text", _GEMMA, query_pre_attn_scalar=96,
                                sliding_window=512),
    "Gemma3TextModel": config("Gemma3TextModel", "gemma3_text", _GEMMA, query_pre_attn_scalar=96, sliding_window=512,
                              use_bidirectional_attention=True),
    "CohereForCausalLM": config("CohereForCausalLM", "cohere", use_qk_norm=True, logit_scale=0.1, layer_norm_eps=1e-5,
                                tie_word_embeddings=True, model_max_length=16384),
    "Cohere without norms": config("CohereForCausalLM", "cohere", _ODD, use_qk_norm=False, logit_scale=0.1,
                                   layer_norm_eps=1e-5, attention_bias=True, without=("tie_word_embeddings",)),
    "Cohere2ForCausalLM": config("Cohere2ForCausalLM", "cohere2", num_hidden_layers=5, head_dim=96, logit_scale=0.1,
                                 layer_norm_eps=1e-5, sliding_window=512, tie_word_embeddings=True),
    "GlmForCausalLM": config("GlmForCausalLM", "glm", head_dim=96, attention_bias=True, pad_token_id=0),
    "Glm4ForCausalLM": config("Glm4ForCausalLM", "glm4", head_dim=96, attention_bias=True, partial_rotary_factor=0.5,
                              pad_token_id=0),
    "ChatGLMModel": _CHATGLM | {"architectures": ["ChatGLMModel"], "model_type": "chatglm"},
    "ChatGLMForConditionalGeneration": _CHATGLM
    | {"architectures": ["ChatGLMForConditionalGeneration"], "model_type": "chatglm",
       "add_bias_linear": True, "add_qkv_bias": False},
    "NemotronForCausalLM": config("NemotronForCausalLM", "nemotron", _LAYER_NORM),
    "Nemotron with biases": config("NemotronForCausalLM", "nemotron", _LAYER_NORM, _ODD, attention_bias=True,
                                   mlp_bias=True, head_dim=96),
    "Jais2ForCausalLM": config("Jais2ForCausalLM", "jais2", _LAYER_NORM, attention_bias=True, mlp_bias=True),
    "OrionForCausalLM": config("OrionForCausalLM", "orion", rope_theta=10000.0),
    "StableLmForCausalLM": config("StableLmForCausalLM", "stablelm", use_qkv_bias=True, layer_norm_eps=1e-5,
                                  partial_rotary_factor=0.25),
    "StableLM without biases": config("StableLmForCausalLM", "stablelm", use_qkv_bias=False, layer_norm_eps=1e-5,
                                      partial_rotary_factor=0.25, tie_word_embeddings=True),
    "Starcoder2ForCausalLM": config("Starcoder2ForCausalLM", "starcoder2", use_bias=True, sliding_window=4096,
                                    hidden_act="gelu_pytorch_tanh", norm_epsilon=1e-5,
                                    without=("tie_word_embeddings",)),
    "ExaoneForCausalLM": config("ExaoneForCausalLM", "exaone", activation_function="silu", layer_norm_epsilon=1e-5,
                                num_layers=3, rope_theta=10000.0),
    "Exaone4ForCausalLM": config("Exaone4ForCausalLM", "exaone4", num_hidden_layers=5, sliding_window=512, head_dim=96,
                                 sliding_window_pattern="LLLG",
                                 layer_types=["sliding_attention"] * 3 + ["full_attention", "sliding_attention"]),
    "OlmoForCausalLM": config("OlmoForCausalLM", "olmo", clip_qkv=None, pad_token_id=1),
    "Olmo2ForCausalLM": config("Olmo2ForCausalLM", "olmo2", pad_token_id=1),
    "OLMo 2 with one KV head": config("Olmo2ForCausalLM", "olmo2", num_key_value_heads=1, pad_token_id=1),
    "Olmo3ForCausalLM": config("Olmo3ForCausalLM", "olmo3", sliding_window=512, num_hidden_layers=5, pad_token_id=1),
    "ArceeForCausalLM": config("ArceeForCausalLM", "arcee", hidden_act="relu2", head_dim=96),
    "ApertusForCausalLM": config("ApertusForCausalLM", "apertus", hidden_act="xielu", qk_norm=True, post_norm=False),
    "MiniCPMForCausalLM": config("MiniCPMForCausalLM", "minicpm", scale_emb=12, scale_depth=1.4, dim_model_base=256,
                                 rope_theta=10000.0,
                                 tie_word_embeddings=True),
    "HunYuanDenseV1ForCausalLM": config("HunYuanDenseV1ForCausalLM", "hunyuan_v1_dense", head_dim=96, use_qk_norm=True,
                                        tie_word_embeddings=True),
    "Ernie4_5ForCausalLM": config("Ernie4_5ForCausalLM", "ernie4_5", head_dim=96, use_bias=False,
                                  without=("tie_word_embeddings",)),
    "Ernie 4.5 with biases": config("Ernie4_5ForCausalLM", "ernie4_5", head_dim=96, use_bias=True),
    "OPTForCausalLM": _OPT | {"architectures": ["OPTForCausalLM"], "model_type": "opt"},
    "GPT2LMHeadModel": _GPT2 | {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"},
    "GPTBigCodeForCausalLM": _GPT2
    | {"architectures": ["GPTBigCodeForCausalLM"], "model_type": "gpt_bigcode", "multi_query": True},
    "GPTJForCausalLM": _GPT2
    | {"architectures": ["GPTJForCausalLM"], "model_type": "gptj", "rotary_dim": 32, "rotary": True,
       "vocab_size": 50400, "tie_word_embeddings": False},
    "GPTNeoXForCausalLM": config("GPTNeoXForCausalLM", "gpt_neox", rotary_pct=0.25, use_parallel_residual=True,
                                 hidden_act="gelu", vocab_size=50432, without=("num_key_value_heads",)),
    "BloomForCausalLM": {
        "architectures": ["BloomForCausalLM"], "model_type": "bloom", "hidden_size": 1024, "n_layer": 3, "n_head": 16,
        "vocab_size": 250880, "torch_dtype": "bfloat16", "seq_length": 2048, "layer_norm_epsilon": 1e-5,
    },
    "FalconForCausalLM": _FALCON | {"architectures": ["FalconForCausalLM"], "model_type": "falcon"},
    "Falcon of the newer kind": _FALCON
    | {"architectures": ["FalconForCausalLM"], "model_type": "falcon", "new_decoder_architecture": True,
       "num_kv_heads": 4},
    "Falcon 2": _FALCON
    | {"architectures": ["FalconForCausalLM"], "model_type": "falcon", "new_decoder_architecture": True,
       "num_kv_heads": 4, "num_ln_in_parallel_attn": 1, "ffn_hidden_size": 4096, "tie_word_embeddings": False},
    "Falcon with biases": _FALCON
    | {"architectures": ["FalconForCausalLM"], "model_type": "falcon", "alibi": True, "bias": True,
       "multi_query": False, "parallel_attn": False},
    **{
        name: _BERT | {"architectures": [name], "model_type": kind}
        for name, kind in (
            ("BertModel", "bert"), ("BertForMaskedLM", "bert"), ("BertForSequenceClassification", "bert"),
            ("BertForTokenClassification", "bert"), ("RobertaModel", "roberta"), ("RobertaForMaskedLM", "roberta"),
            ("RobertaForSequenceClassification", "roberta"), ("XLMRobertaModel", "xlm-roberta"),
            ("XLMRobertaForSequenceClassification", "xlm-roberta"),
            ("BertSpladeSparseEmbeddingModel", "bert"), ("RobertaForTokenClassification", "roberta"),
            ("XLMRobertaForTokenClassification", "xlm-roberta"),
        )
    },
    "ModernBertModel": _MODERN | {"architectures": ["ModernBertModel"], "model_type": "modernbert"},
    "ModernBertForSequenceClassification": _MODERN
    | {"architectures": ["ModernBertForSequenceClassification"], "model_type": "modernbert"},
    "LlamaBidirectionalModel": config("LlamaBidirectionalModel", "llama_bidirec", pooling="avg"),
    "Qwen 2 that sees later tokens": config("Qwen2Model", "qwen2", is_causal=False),
    "MistralModel": config("MistralModel", "mistral", sliding_window=None),
    "Qwen2ForSequenceClassification": config("Qwen2ForSequenceClassification", "qwen2"),
    "Qwen3Model": config("Qwen3Model", "qwen3", head_dim=96),
    "DeciLMForCausalLM": config("DeciLMForCausalLM", "nemotron-nas", block_configs=_BLOCKS, num_key_value_heads=None,
                                rope_theta=500000.0),
}  # fmt: skip

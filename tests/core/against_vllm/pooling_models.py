"""Small config.json files of embedding, ranking and reward models, for class_models.py: CLASSES."""

from __future__ import annotations

from tests.core.against_vllm.dense_models import Config, config

_ENCODER: Config = {
    "hidden_size": 384, "intermediate_size": 1184, "num_hidden_layers": 5, "num_attention_heads": 12,
    "vocab_size": 30522, "max_position_embeddings": 2048, "type_vocab_size": 2, "hidden_act": "gelu",
    "torch_dtype": "float32", "layer_norm_eps": 1e-12, "pad_token_id": 1, "position_embedding_type": "rope",
    "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"},
}  # fmt: skip
_BERT: Config = _ENCODER | {"max_position_embeddings": 514, "position_embedding_type": "absolute"}
_MODERN: Config = {
    "hidden_size": 384, "intermediate_size": 608, "num_hidden_layers": 4, "num_attention_heads": 12,
    "vocab_size": 50368, "max_position_embeddings": 8192, "global_attn_every_n_layers": 3, "local_attention": 128,
    "torch_dtype": "float32", "global_rope_theta": 160000.0, "local_rope_theta": 10000.0,
}  # fmt: skip
_NOMIC: Config = {
    "architectures": ["NomicBertModel"], "model_type": "nomic_bert_own", "n_embd": 384, "n_head": 12, "n_layer": 5,
    "n_inner": 1184, "n_positions": 2048, "vocab_size": 30528, "type_vocab_size": 2, "activation_function": "swiglu",
    "qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False, "rotary_emb_scale_base": None,
    "rotary_emb_interleaved": False, "layer_norm_epsilon": 1e-12, "torch_dtype": "float32", "num_attention_heads": 12,
    "rope_parameters": {"rope_theta": 1000.0, "rope_type": "default"},
}  # fmt: skip


def _encoder(name: str, model_type: str, base: Config = _ENCODER, **fields: object) -> Config:
    return base | {"architectures": [name], "model_type": model_type} | fields


POOLING: dict[str, Config] = {
    "NomicBertModel": _NOMIC,
    "Nomic with biases and experts": _NOMIC
    | {"activation_function": "gelu", "qkv_proj_bias": True, "mlp_fc1_bias": True, "mlp_fc2_bias": True,
       "moe_every_n_layers": 2, "num_experts": 8, "moe_top_k": 2, "type_vocab_size": 1},
    "GteNewModel": _encoder("GteNewModel", "new"),
    "GTE with longer positions": _encoder("GteNewModel", "new", type_vocab_size=0, rope_parameters={
        "rope_theta": 10000.0, "rope_type": "ntk", "factor": 4.0}),
    "GteModel": _encoder("GteModel", "gte"),
    "GteNewForSequenceClassification": _encoder("GteNewForSequenceClassification", "new", num_labels=1),
    "ColBERTJinaRobertaModel": _encoder("ColBERTJinaRobertaModel", "xlm-roberta-flash",
                                        position_embedding_type="rotary", colbert_dim=96),
    "Jina 3": _encoder("XLMRobertaModel", "xlm-roberta-flash", position_embedding_type="rotary", type_vocab_size=1),
    "BgeM3EmbeddingModel": _encoder("BgeM3EmbeddingModel", "xlm-roberta", _BERT, bos_token_id=0, eos_token_id=2),
    "HF_ColBERT": _encoder("HF_ColBERT", "bert", _BERT),
    "ColBERTModernBertModel": _encoder("ColBERTModernBertModel", "modernbert", _MODERN, colbert_dim=96),
    "ModernBertForTokenClassification": _encoder("ModernBertForTokenClassification", "modernbert", _MODERN),
    "ColBERTLfm2Model": config("ColBERTLfm2Model", "lfm2", head_dim=64, layer_types=["conv", "full_attention", "conv"],
                               conv_L_cache=3, conv_bias=False, block_auto_adjust_ff_dim=False, norm_eps=1e-5,
                               conv_dim=1024, block_dim=1024, conv_dim_out=1024, block_ff_dim=2176, colbert_dim=96),
    "OpenAIPrivacyFilterForTokenClassification": config(
        "OpenAIPrivacyFilterForTokenClassification", "gpt_oss", head_dim=64, num_local_experts=8,
        num_experts_per_tok=2, sliding_window=128, num_labels=33, attention_bias=True,
        layer_types=["sliding_attention"] * 3, rope_parameters={
            "rope_theta": 150000.0, "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
            "original_max_position_embeddings": 256}),
    "GPT2ForSequenceClassification": {
        "architectures": ["GPT2ForSequenceClassification"], "model_type": "gpt2", "n_embd": 1024, "n_head": 16,
        "n_layer": 3, "n_positions": 1024, "vocab_size": 50257, "torch_dtype": "bfloat16", "num_labels": 3,
        "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new", "tie_word_embeddings": True,
    },
    "JinaEmbeddingsV5Model": config("JinaEmbeddingsV5Model", "qwen3", head_dim=96),
    "Jina 5 as an encoder": config("JinaEmbeddingsV5Model", "eurobert_own", is_decoder=False, rope_theta=10000.0),
    "JinaForRanking": config("JinaForRanking", "qwen3", head_dim=96),
    "VoyageQwen3BidirectionalEmbedModel": config("VoyageQwen3BidirectionalEmbedModel", "qwen3", head_dim=96,
                                                 num_labels=640),
    "LlamaBidirectionalForSequenceClassification": config("LlamaBidirectionalForSequenceClassification", "llama",
                                                          num_labels=3, pooling="avg"),
    "Qwen2ForProcessRewardModel": config("Qwen2ForProcessRewardModel", "qwen2", num_labels=2),
    "Qwen2ForRewardModel": config("Qwen2ForRewardModel", "qwen2", num_labels=1),
}  # fmt: skip

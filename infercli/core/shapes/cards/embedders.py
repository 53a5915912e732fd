"""Models of general knowledge for embeddings and ranking, which vLLM runs without an lm_head.

The one thing to know: vLLM reads two files beside their config.json: a modules.json says that a class which generates
is run for embeddings (Qwen's), and `max_seq_length` of sentence_bert_config.json, which a row has too, is the maximum.
"""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.cards.decoders import decoder


def _bert(
    name: str, layers: int, hidden: int, vocab: int = 30522, positions: int = 512, types: int = 2, labels: int = 0
) -> Json:
    return {
        "architectures": [name], "num_hidden_layers": layers, "hidden_size": hidden,
        "num_attention_heads": 12 if hidden < 1024 else 16, "intermediate_size": 4 * hidden, "vocab_size": vocab,
        "max_position_embeddings": positions, "type_vocab_size": types, "torch_dtype": "float32",
        "id2label": {str(i): f"LABEL_{i}" for i in range(labels)},
    }  # fmt: skip


def _modern_bert(name: str, layers: int, hidden: int, intermediate: int, labels: int = 0) -> Json:
    return {
        "architectures": [name], "num_hidden_layers": layers, "hidden_size": hidden, "num_attention_heads": 12,
        "intermediate_size": intermediate, "vocab_size": 50368, "max_position_embeddings": 8192,
        "global_attn_every_n_layers": 3, "local_attention": 128, "torch_dtype": "float32",
        "id2label": {str(i): f"LABEL_{i}" for i in range(labels)},
    }  # fmt: skip


def _gte(name: str, layers: int, hidden: int, vocab: int, types: int, labels: int = 0) -> Json:
    """Alibaba's, which vLLM runs where its class is given by name: config.json says `NewModel` or `GteModel`."""
    return _bert(name, layers, hidden, vocab, 8192, types, labels) | {"position_embedding_type": "rope"}


def _nomic(vocab: int, length: int, types: int, **more: Json) -> Json:
    return {
        "architectures": ["NomicBertModel"], "n_embd": 768, "n_head": 12, "n_layer": 12, "n_inner": 3072,
        "n_positions": length, "vocab_size": vocab, "type_vocab_size": types, "torch_dtype": "float32",
    } | more  # fmt: skip


_NO_BIASES: Json = {
    "activation_function": "swiglu", "qkv_proj_bias": False, "mlp_fc1_bias": False, "mlp_fc2_bias": False,
}  # fmt: skip
_NOMIC_MOE: Json = {
    "activation_function": "gelu", "qkv_proj_bias": True, "mlp_fc1_bias": True, "mlp_fc2_bias": True,
    "moe_every_n_layers": 2, "num_experts": 8, "moe_top_k": 2,
}  # fmt: skip
_XLM, _RANKER = "XLMRobertaModel", "XLMRobertaForSequenceClassification"
_PAIRS = "BertForSequenceClassification"

# ids, the keys of config.json that decide sizes, parameters by the Hub's count; a float: billions, as published
EMBEDDERS: tuple[tuple[tuple[str, ...], Json, int | float], ...] = (
    (("intfloat/e5-mistral-7b-instruct", "Salesforce/SFR-Embedding-Mistral", "Linq-AI-Research/Linq-Embed-Mistral"),
     decoder("MistralModel", 32, 4096, 32, 8, 14336, 32000, 32768, sliding_window=4096), 7_110_660_096),
    # The reports of gogongxt/python (scripts/models/) have the files of these three, tensor by tensor.
    (("Qwen/Qwen3-Embedding-0.6B",),
     decoder("Qwen3ForCausalLM", 28, 1024, 16, 8, 3072, 151669, 32768, head_dim=128, tie_word_embeddings=True),
     595_776_512),
    (("Qwen/Qwen3-Embedding-4B",),
     decoder("Qwen3ForCausalLM", 36, 2560, 32, 8, 9728, 151665, 40960, head_dim=128, tie_word_embeddings=True),
     4_021_774_336),
    (("Qwen/Qwen3-Embedding-8B",),
     decoder("Qwen3ForCausalLM", 36, 4096, 32, 8, 12288, 151665, 40960, head_dim=128), 7_567_295_488),
    (("BAAI/bge-small-en-v1.5", "BAAI/bge-small-en", "intfloat/e5-small-v2", "intfloat/e5-small", "thenlper/gte-small"),
     _bert("BertModel", 12, 384),
     33_360_000),
    (("BAAI/bge-base-en-v1.5", "BAAI/bge-base-en", "intfloat/e5-base-v2", "intfloat/e5-base", "thenlper/gte-base",
      "Snowflake/snowflake-arctic-embed-m",
      "Snowflake/snowflake-arctic-embed-m-v1.5"), _bert("BertModel", 12, 768), 109_482_240),
    (("BAAI/bge-large-en-v1.5", "BAAI/bge-large-en", "intfloat/e5-large-v2", "intfloat/e5-large",
      "thenlper/gte-large", "mixedbread-ai/mxbai-embed-large-v1",
      "WhereIsAI/UAE-Large-V1", "Snowflake/snowflake-arctic-embed-l"), _bert("BertModel", 24, 1024), 335_141_888),
    (("BAAI/bge-small-zh-v1.5",), _bert("BertModel", 4, 512, 21128) | {"num_attention_heads": 8}, 23_953_920),
    (("BAAI/bge-base-zh-v1.5",), _bert("BertModel", 12, 768, 21128), 102_267_648),
    (("BAAI/bge-large-zh-v1.5", "BAAI/bge-large-zh"), _bert("BertModel", 24, 1024, 21128), 325_522_432),
    (("sentence-transformers/all-MiniLM-L6-v2",), _bert("BertModel", 6, 384) | {"max_seq_length": 256}, 22_713_216),
    (("Snowflake/snowflake-arctic-embed-xs", "sentence-transformers/multi-qa-MiniLM-L6-cos-v1"),
     _bert("BertModel", 6, 384), 22_713_216),
    (("sentence-transformers/paraphrase-MiniLM-L6-v2",), _bert("BertModel", 6, 384) | {"max_seq_length": 128},
     22_713_216),
    (("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2",),
     _bert("BertModel", 12, 384, 250037) | {"max_seq_length": 128}, 117_653_760),
    (("intfloat/multilingual-e5-small",), _bert("BertModel", 12, 384, 250037), 117_653_760),
    (("sentence-transformers/paraphrase-multilingual-mpnet-base-v2",),
     _bert(_XLM, 12, 768, 250002, 514, 1) | {"max_seq_length": 128}, 278_043_648),
    (("cross-encoder/ms-marco-MiniLM-L4-v2",), _bert(_PAIRS, 4, 384, labels=1), 19_164_673),
    (("cross-encoder/ms-marco-MiniLM-L6-v2", "cross-encoder/ms-marco-MiniLM-L-6-v2"), _bert(_PAIRS, 6, 384, labels=1),
     22_713_601),
    (("cross-encoder/ms-marco-MiniLM-L12-v2", "cross-encoder/ms-marco-MiniLM-L-12-v2"),
     _bert(_PAIRS, 12, 384, labels=1), 33_360_385),
    (("nomic-ai/nomic-embed-text-v1", "nomic-ai/nomic-embed-text-v1.5"), _nomic(30528, 8192, 2, **_NO_BIASES),
     136_731_648),
    (("nomic-ai/nomic-embed-text-v2-moe",), _nomic(250048, 2048, 1, **_NOMIC_MOE), 475_292_928),
    (("Alibaba-NLP/gte-base-en-v1.5",), _gte("GteNewModel", 12, 768, 30528, 0), 136_776_192),
    (("Alibaba-NLP/gte-large-en-v1.5",), _gte("GteNewModel", 24, 1024, 30528, 2), 434_139_136),
    (("Snowflake/snowflake-arctic-embed-m-v2.0",), _gte("GteModel", 12, 768, 250048, 1), 305_368_320),
    # Its files have a classifier of one class as well.
    (("Alibaba-NLP/gte-multilingual-base",), _gte("GteNewModel", 12, 768, 250048, 1), 305_369_089),
    (("Alibaba-NLP/gte-multilingual-reranker-base",),
     _gte("GteNewForSequenceClassification", 12, 768, 250048, 1, labels=1), 305_959_681),
    (("Alibaba-NLP/gte-modernbert-base", "nomic-ai/modernbert-embed-base", "ibm-granite/granite-embedding-english-r2"),
     _modern_bert("ModernBertModel", 22, 768, 1152), 149_014_272),
    (("Alibaba-NLP/gte-reranker-modernbert-base",),
     _modern_bert("ModernBertForSequenceClassification", 22, 768, 1152, 1), 149_605_633),
    (("ibm-granite/granite-embedding-small-english-r2",), _modern_bert("ModernBertModel", 12, 384, 1536), 47_662_464),
    # The files of these two have the lm_head of their base.
    (("Alibaba-NLP/gte-Qwen2-1.5B-instruct",), decoder("Qwen2ForCausalLM", 28, 1536, 12, 2, 8960, 151646, 131072), 1.8),
    (("Alibaba-NLP/gte-Qwen2-7B-instruct",), decoder("Qwen2ForCausalLM", 28, 3584, 28, 4, 18944, 151646, 131072), 7.6),
    (("mixedbread-ai/mxbai-rerank-base-v2",),
     decoder("Qwen2ForCausalLM", 24, 896, 14, 2, 4864, 151936, 32768, tie_word_embeddings=True), 494_032_768),
    (("mixedbread-ai/mxbai-rerank-large-v2",),
     decoder("Qwen2ForCausalLM", 28, 1536, 12, 2, 8960, 151936, 32768, tie_word_embeddings=True), 1_543_714_304),
    (("BAAI/bge-multilingual-gemma2",),
     decoder("Gemma2Model", 42, 3584, 16, 8, 14336, 256000, 8192, head_dim=256, sliding_window=4096), 9_241_705_984),
    (("BAAI/bge-reranker-v2-gemma",), decoder("GemmaForCausalLM", 18, 2048, 8, 1, 16384, 256000, 8192, head_dim=256),
     2_506_172_416),
    (("nvidia/llama-nemotron-embed-1b-v2", "nvidia/llama-3.2-nv-embedqa-1b-v2"),
     decoder("LlamaBidirectionalModel", 16, 2048, 32, 8, 8192, 128256, 131072, head_dim=64), 1_235_814_400),
    (("nvidia/llama-embed-nemotron-8b",), decoder("LlamaBidirectionalModel", 32, 4096, 32, 8, 14336, 128256, 131072),
     7_504_924_672),
    (("sentence-transformers/all-MiniLM-L12-v2",), _bert("BertModel", 12, 384) | {"max_seq_length": 128}, 33_360_000),
    (("BAAI/bge-m3", "Snowflake/snowflake-arctic-embed-l-v2.0"), _bert(_XLM, 24, 1024, 250002, 8194, 1), 567_754_752),
    (("intfloat/multilingual-e5-base",), _bert(_XLM, 12, 768, 250002, 514, 1), 278_043_648),
    (("intfloat/multilingual-e5-large", "intfloat/multilingual-e5-large-instruct"),
     _bert(_XLM, 24, 1024, 250002, 514, 1), 559_890_432),
    (("BAAI/bge-reranker-base",), _bert(_RANKER, 12, 768, 250002, 514, 1, labels=1), 278_044_417),
    (("BAAI/bge-reranker-large",), _bert(_RANKER, 24, 1024, 250002, 514, 1, labels=1), 559_891_457),
    (("BAAI/bge-reranker-v2-m3",), _bert(_RANKER, 24, 1024, 250002, 8194, 1, labels=1), 567_755_777),
    # Google's dense layers behind the pooling are modules of their own.
    (("google/embeddinggemma-300m",),
     decoder("Gemma3TextModel", 24, 768, 3, 1, 1152, 262144, 2048, head_dim=256, sliding_window=512,
             use_bidirectional_attention=True, torch_dtype="float32"), 302_863_104),
    # Its adapters, which vLLM adds to the weights, are counted too: rank 4, for five tasks.
    (("jinaai/jina-embeddings-v3",),
     _bert(_XLM, 24, 1024, 250002, 8194, 1) | {"position_embedding_type": "rotary", "torch_dtype": "bfloat16"},
     572_310_396),
    (("jinaai/jina-reranker-v2-base-multilingual",),
     _bert(_RANKER, 12, 768, 250002, 1026, 1, labels=1) | {"torch_dtype": "bfloat16"}, 278_437_633),
    (("jinaai/jina-code-embeddings-0.5b",),
     decoder("Qwen2ForCausalLM", 24, 896, 14, 2, 4864, 151936, 32768, tie_word_embeddings=True), 494_032_768),
    (("jinaai/jina-code-embeddings-1.5b",),
     decoder("Qwen2ForCausalLM", 28, 1536, 12, 2, 8960, 151936, 32768, tie_word_embeddings=True), 1_543_714_304),
)  # fmt: skip

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


_XLM, _RANKER = "XLMRobertaModel", "XLMRobertaForSequenceClassification"

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
    (("BAAI/bge-small-en-v1.5", "intfloat/e5-small-v2"), _bert("BertModel", 12, 384), 33_360_000),
    (("BAAI/bge-base-en-v1.5", "intfloat/e5-base-v2"), _bert("BertModel", 12, 768), 109_482_240),
    (("BAAI/bge-large-en-v1.5", "intfloat/e5-large-v2"), _bert("BertModel", 24, 1024), 335_141_888),
    (("sentence-transformers/all-MiniLM-L6-v2",), _bert("BertModel", 6, 384) | {"max_seq_length": 256}, 22_713_216),
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
)  # fmt: skip

"""Models of general knowledge for embeddings and ranking, which vLLM runs without an lm_head."""

from __future__ import annotations

from infercli.core.record import Json
from infercli.core.shapes.cards.decoders import decoder

# ids, the keys of config.json that decide sizes, parameters by the Hub's count
EMBEDDERS: tuple[tuple[tuple[str, ...], Json, int], ...] = (
    (("intfloat/e5-mistral-7b-instruct",),
     decoder("MistralModel", 32, 4096, 32, 8, 14336, 32000, 32768, sliding_window=4096), 7_110_660_096),
    (("BAAI/bge-m3",),
     {"architectures": ["XLMRobertaModel"], "num_hidden_layers": 24, "hidden_size": 1024, "num_attention_heads": 16,
      "intermediate_size": 4096, "vocab_size": 250002, "max_position_embeddings": 8194, "type_vocab_size": 1,
      "torch_dtype": "float32"}, 567_754_752),
)  # fmt: skip

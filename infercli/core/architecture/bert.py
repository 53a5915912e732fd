"""Encoder-only models, which pool: BERT, RoBERTa and XLM-R, and ModernBERT. They have no KV cache.

What stands behind the layers is that of the class, and whole on every rank: vLLM leaves the pooler out of a model that
gives embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.fields import (
    HEADS,
    HIDDEN,
    LAYERS,
    Layer,
    checkpoint_dtype,
    family_of,
    grouped,
    integer,
    optional,
)
from infercli.core.architecture.layers import Attention, Dense, Weight
from infercli.core.record import Json

_ROBERTA_OFFSET = 2
"""Rows of RoBERTa's positions that no token has: it counts on from the padding index (vLLM models/roberta.py)."""


def bert(config: Json) -> ModelArch:
    """BERT and RoBERTa with a table of positions, ERNIE with one of tasks (vLLM 0.29 models/bert.py, 0.23 ernie.py)."""
    hidden, heads = integer(config, HIDDEN), integer(config, HEADS)
    rows = integer(config, "max_position_embeddings")
    attention = Attention(
        heads=heads, kv_heads=heads, head_dim=hidden // heads, v_head_dim=hidden // heads, qkv_bias=True,
        output_bias=True, cached=False, module="attention",
        names=("self.query", "self.key", "self.value", "output.dense"),
    )  # fmt: skip
    dense = Dense(
        intermediate=integer(config, "intermediate_size"), gated=False, bias=True, module="",
        names=("intermediate.dense", "output.dense"),
    )  # fmt: skip
    tables = [("positions", "position_embeddings", rows),
              ("token types", "token_type_embeddings", integer(config, "type_vocab_size", 1))]  # fmt: skip
    if family_of(config).startswith("Ernie"):
        tables.append(("task types", "task_type_embeddings", max(1, int(config.get("task_type_vocab_size") or 1))))
    outside = (
        *(
            Weight(
                name=name, role="other", module=module, outputs=count, inputs=hidden, split="outputs", padded=True
            )
            for name, module, count in tables
        ),
        Weight(name="embedding norm", role="norm", module="embeddings.LayerNorm", outputs=2 * hidden, inputs=1),
        *_head(config, hidden),
    )  # fmt: skip
    length = rows - (_ROBERTA_OFFSET if _counts_on(family_of(config)) else 0)
    return encoder_only(config, [Layer(attention, dense, 4)] * integer(config, LAYERS), outside, longest=length)


def encoder_only(
    config: Json,
    layers: list[Layer],
    outside: Iterable[Weight],
    *,
    longest: int,
    rope_positions: int = 0,
    rope_width: int = 0,
    final_norm: int = 0,
) -> ModelArch:
    """A model of these layers that pools; `longest`: its longest prompt."""
    return ModelArch(
        architecture=family_of(config),
        hidden=integer(config, HIDDEN),
        vocab=integer(config, "vocab_size"),
        tied=True,
        dtype=checkpoint_dtype(config),
        max_model_len=longest,
        rope_positions=rope_positions,
        rope_width=rope_width,
        layers=grouped(layers),
        outside=tuple(outside),
        final_norm=final_norm,
        lm_head=False,
        pooling=True,
    )


def _counts_on(name: str) -> bool:
    """Whether its positions begin behind the padding index: RoBERTa's do."""
    return "roberta" in name.lower() or name == "BgeM3EmbeddingModel"


def _head(config: Json, hidden: int) -> list[Weight]:
    """BertForMaskedLM gives a weight to every word (SPLADE), with a table of its own; RoBERTa's class does not."""
    name = family_of(config)
    if name in ("BertForMaskedLM", "BertSpladeSparseEmbeddingModel"):
        vocab = integer(config, "vocab_size")
        return [whole("mlm_head.dense", hidden, hidden + 3), whole("mlm_head.decoder", vocab, hidden + 1)]
    if name == "BgeM3EmbeddingModel":
        return [_in_float32(whole("sparse_linear", 1, hidden + 1)),
                _in_float32(whole("colbert_linear", hidden, hidden + 1))]  # fmt: skip
    if name == "HF_ColBERT":
        return colbert(config, hidden)
    pooler = [whole("pooler.dense", hidden, hidden + 1)] if name.endswith("ForSequenceClassification") else []
    return [*pooler, *classifier(config, hidden)]


def classifier(config: Json, hidden: int) -> list[Weight]:
    """What tells classes apart, where the class's name says that it does."""
    if not family_of(config).endswith("Classification"):
        return []
    return [whole("classifier", labels(config), hidden + 1)]


def colbert(config: Json, hidden: int) -> list[Weight]:
    """The projection of each token (vLLM 0.29 models/colbert.py); a file of its own has it where no key does."""
    width = optional(config, ("colbert_dim", "dim", "projection_dim"))
    return [_in_float32(whole("colbert_linear", width, hidden))] if width else []


def _in_float32(weight: Weight) -> Weight:
    return weight._replace(float32=True)


def whole(module: str, outputs: int, inputs: int) -> Weight:
    """A linear layer, whole on every rank; its biases, and norms on its outputs, count as inputs."""
    return Weight(name=module, role="other", module=module, outputs=outputs, inputs=inputs)


def labels(config: Json) -> int:
    """Classes that a classification model tells apart; two where config.json does not say, as transformers has it."""
    return optional(config, "num_labels") or len(config.get("id2label") or (0, 1))


def modern_bert(config: Json) -> ModelArch:
    """ModernBERT (vLLM 0.29 models/modernbert.py): every third layer sees everything, the others a window."""
    hidden, heads = integer(config, HIDDEN), integer(config, HEADS)
    count, every = integer(config, LAYERS), integer(config, "global_attn_every_n_layers", 3)
    window = integer(config, "local_attention", 128)
    dense = Dense(intermediate=integer(config, "intermediate_size"), names=("Wi", "Wo"))
    length = integer(config, "max_position_embeddings")
    layers = [
        Layer(
            Attention(
                heads=heads, kv_heads=heads, head_dim=hidden // heads, v_head_dim=hidden // heads, cached=False,
                window=None if i % every == 0 else window, module="attn", names=("Wqkv", "Wo"),
            ),
            dense,
            2 if i else 1,  # the first has no norm before its attention: the embedding has one
        )
        for i in range(count)
    ]  # fmt: skip
    outside = (
        Weight(name="embedding norm", role="norm", module="embeddings.norm", outputs=hidden, inputs=1),
        *([whole("head.dense", hidden, hidden + 1)] if family_of(config).endswith("Classification") else []),
        *(colbert(config, hidden) if family_of(config).startswith("ColBERT") else classifier(config, hidden)),
    )
    return encoder_only(
        config, layers, outside, longest=length, rope_positions=length, rope_width=2 * (hidden // heads), final_norm=1
    )


FAMILIES: dict[str, Callable[[Json], ModelArch]] = {
    "BertModel": bert,
    "BertForMaskedLM": bert,
    "BertForSequenceClassification": bert,
    "BertForTokenClassification": bert,
    "BertSpladeSparseEmbeddingModel": bert,
    "BgeM3EmbeddingModel": bert,
    "HF_ColBERT": bert,
    "ErnieModel": bert,
    "ErnieForSequenceClassification": bert,
    "ErnieForTokenClassification": bert,
    "RobertaModel": bert,
    "RobertaForMaskedLM": bert,
    "RobertaForSequenceClassification": bert,
    "RobertaForTokenClassification": bert,
    "XLMRobertaForSequenceClassification": bert,
    "XLMRobertaForTokenClassification": bert,
    "ModernBertModel": modern_bert,
    "ColBERTModernBertModel": modern_bert,
    "ModernBertForSequenceClassification": modern_bert,
    "ModernBertForTokenClassification": modern_bert,
}
"""Classes without a decoder."""

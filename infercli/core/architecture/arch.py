"""What every formula needs of a model, and the weights that one rank of an engine holds of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

from infercli.core.architecture.layers import (
    Attention,
    CompressedAttention,
    Dense,
    Experts,
    FeedForward,
    GatedDelta,
    Indexer,
    LatentAttention,
    LayerGroup,
    Mixer,
    ShortConvolution,
    StateSpace,
    Weight,
)
from infercli.core.architecture.tensors import (
    Layout,
    RankTensor,
    expert_share,
    kv_heads_per_rank,
    layer_tensors,
    padded_rows,
    weight_tensor,
)
from infercli.errors import Unsupported

__all__ = [
    "Attention",
    "CompressedAttention",
    "Dense",
    "Experts",
    "FeedForward",
    "GatedDelta",
    "Indexer",
    "LatentAttention",
    "LayerGroup",
    "Layout",
    "Mixer",
    "ModelArch",
    "RankTensor",
    "ShortConvolution",
    "StateSpace",
    "Weight",
    "draft_tensors",
    "expert_share",
    "feed_forwards",
    "kv_heads_per_rank",
    "mixers",
    "parameter_count",
    "rank_tensors",
    "stage_layers",
    "stage_tensors",
    "table_elements",
    "uniform_attention",
]


@dataclass(frozen=True, kw_only=True)
class ModelArch:
    """A transformer, or a hybrid of attention and state-space layers, with the encoders in front of it."""

    architecture: str
    """The class in config.json's `architectures`."""
    hidden: int
    vocab: int
    tied: bool
    """lm_head is the embedding."""
    embedding_whole: bool = False
    """That table is whole on every rank, and not padded (Whisper)."""
    ends_on_every_stage: bool = False
    """Every pipeline stage holds what stands before and behind the layers, encoders included (Inkling)."""
    dtype: str | None
    """Of the checkpoint (bfloat16, float16, float32); None: config.json does not say."""
    max_model_len: int
    """The model's own maximum, as vLLM derives it from max_position_embeddings and the RoPE scaling."""
    short_model_len: int | None = None
    """LongRoPE: the length that the table for short requests serves; None: the model has one table."""
    rope_positions: int
    """Rows of the cosine and sine table that vLLM keeps on the GPU; 0: none."""
    rope_width: int
    """Columns of that table; of all of them where layers have tables of their own."""
    rope_float32: bool = False
    """That table is in fp32, whatever the model's dtype."""
    rope_sections: bool = False
    """Positions are those of images and video as well (M-RoPE)."""
    residual_streams: int = 1
    """As wide as the hidden state each (hyper-connections)."""
    residual_blocks: int = 0
    """Sums of so many runs of layers, each as wide as the hidden state, of which later ones choose (attention residuals
    of Kimi-K3 and AliceAI: vLLM 0.29 models/kimi_k3/nvidia/model.py block_residual)."""
    deepstack_levels: int = 0
    """First layers that are fed from the encoder."""
    layers: tuple[LayerGroup, ...]
    outside: tuple[Weight, ...] = ()
    """What else the decoder has outside its layers: learned positions, a norm on the embedding."""
    encoders: tuple[Weight, ...] = ()
    """Vision and audio encoders, with the projectors behind them."""
    tables: tuple[Weight, ...] = ()
    """Rows of FP8 that are looked up by n-grams (Engram), with a byte of scale for each 32: in the host's memory, where
    vLLM is not told otherwise. Ranks deal out `heads` columns of them."""
    draft_layers: tuple[LayerGroup, ...] = ()
    """Layers of the checkpoint that draft, loaded only when speculation is asked for."""
    draft_others: tuple[Weight, ...] | None = None
    """What stands beside them, where they draft a block at once (DSpark); None: multi-token prediction."""
    final_norm: int = 1
    """Vectors of the hidden width in the norm behind the last layer; 0: none."""
    lm_head_bias: bool = False
    lm_head_float32: bool = False
    """It is kept in fp32, whatever the model's dtype."""
    lm_head: bool = True
    """False: an embedding or classification model without one."""
    image_prefix: bool = False
    """The tokens of an image see one another, later ones too, in the decoder (vLLM's mm_prefix)."""
    pooling: bool = False
    """It pools hidden states instead of sampling tokens."""
    confirmed: bool = True
    """Something real was checked: a config.json or log of the class, or these files (core/architecture/unseen.py)."""

    @property
    def kind(self) -> Literal["dense", "moe", "latent", "hybrid"]:
        """The widest word that holds: hybrid (several kinds of cache), latent, moe, dense."""
        caches = {_cache_kind(m) for m in mixers(self)}
        if len(caches) > 1 or not caches & {"full", "latent", "none"}:
            return "hybrid"
        if "latent" in caches:
            return "latent"
        return "moe" if any(isinstance(f, Experts) for f in feed_forwards(self)) else "dense"

    @cached_property
    def mixers(self) -> tuple[Mixer, ...]:
        """The different mixers of the layers, each once."""
        found = (m for g in self.layers for m in (g.mixer, g.beside, *g.again))
        return tuple(dict.fromkeys(m for m in found if m is not None))

    @property
    def layer_count(self) -> int:
        """Layers of the decoder."""
        return sum(len(group.indices) for group in self.layers)

    @property
    def passed_layers(self) -> int:
        """Layers of the decoder that a token passes, each as often as it does."""
        return sum(len(group.indices) * (1 + len(group.again)) for group in self.layers)

    @property
    def padded_vocab(self) -> int:
        """Rows of the embedding as vLLM pads it."""
        return padded_rows(self.vocab)


def _cache_kind(mixer: Mixer) -> str:
    if isinstance(mixer, LatentAttention):
        return "latent"
    if isinstance(mixer, Attention) and not mixer.cached:
        return "none"
    if isinstance(mixer, Attention) and mixer.window is None and mixer.chunk is None:
        return "full"
    return "windowed" if isinstance(mixer, Attention) else type(mixer).__name__


def mixers(arch: ModelArch) -> tuple[Mixer, ...]:
    """The different mixers of the layers, each once."""
    return arch.mixers


def feed_forwards(arch: ModelArch) -> tuple[FeedForward, ...]:
    """The different feed-forwards of the layers, each once."""
    return tuple(dict.fromkeys(g.feed_forward for g in arch.layers if g.feed_forward is not None))


def uniform_attention(arch: ModelArch) -> Attention:
    """The attention of all layers alike, each with a full KV cache. Raises Unsupported for any other model."""
    found = mixers(arch)
    every = all(g.mixer is not None for g in arch.layers)
    if every and len(found) == 1 and isinstance(found[0], Attention) and _cache_kind(found[0]) == "full":
        return found[0]
    raise Unsupported(
        f"the KV cache of {arch.architecture} cannot be planned yet: its layers have "
        + ", ".join(sorted({_cache_kind(m) for m in found}) or ["no attention"]),
        "to teach it: core/kv_cache/pool.py",
    )


def stage_layers(arch: ModelArch, layout: Layout, stage: int) -> range:
    """The layers of pipeline stage `stage`, as vLLM deals them out (distributed/utils.py get_pp_indices).

    What does not divide goes to the stages before the last, from behind: the last has the norm and lm_head as well.
    """
    count, stages = arch.layer_count, layout.pipeline_parallel_size
    sizes = [count // stages] * stages
    for extra in range(count % stages):
        sizes[-2 - extra] += 1
    start = sum(sizes[:stage])
    return range(start, start + sizes[stage])


@lru_cache(maxsize=256)  # a search asks for each split of a model once for every GPU, quantization and batch
def stage_tensors(arch: ModelArch, layout: Layout, stage: int) -> tuple[RankTensor, ...]:
    """Every weight of one rank of pipeline stage `stage`, merged as vLLM merges them (qkv and gate-up are one each)."""
    last = layout.pipeline_parallel_size - 1
    here = stage_layers(arch, layout, stage)
    cut = arch.padded_vocab // layout.tensor_parallel_size
    rows = arch.vocab if arch.embedding_whole else cut
    first, final = (stage == end or arch.ends_on_every_stage for end in (0, last))
    tensors: list[RankTensor] = []
    # A tied lm_head is the embedding, which the last stage then loads as well (vLLM models/llama.py LlamaModel).
    if first or (final and arch.tied and arch.lm_head):
        tensors.append(RankTensor("embedding", "embedding", ("embed_tokens",), (), 1, rows, arch.hidden))
    if first:
        tensors += [weight_tensor(w, layout) for w in (*arch.outside, *arch.encoders)]
    for group in arch.layers:
        indices = tuple(i for i in group.indices if i in here)
        if indices:
            tensors += layer_tensors(group._replace(indices=indices), arch.hidden, layout)
    if final:
        if arch.final_norm:
            tensors.append(RankTensor("final norm", "norm", ("norm",), (), arch.final_norm, arch.hidden, 1))
        if arch.lm_head and not arch.tied:
            head = RankTensor("lm_head", "lm_head", ("lm_head",), (), 1, cut, arch.hidden)
            tensors.append(head._replace(float32=arch.lm_head_float32))
        if arch.lm_head and arch.lm_head_bias:
            tensors.append(RankTensor("lm_head bias", "other", ("lm_head",), (), 1, cut, 1))
    return tuple(tensors)


def rank_tensors(arch: ModelArch, layout: Layout) -> tuple[RankTensor, ...]:
    """Every weight of the rank that holds most elements. The split must be valid (estimates/tensor_parallel.py)."""
    stages = (stage_tensors(arch, layout, stage) for stage in range(layout.pipeline_parallel_size))
    return max(stages, key=_elements)


_ONE_SPLIT_PROJECTION = ("Qwen3Next", "Qwen3_5", "Qwen4Exp", "NemotronH")
"""Beginnings of classes with one projection for all layers that draft, of which a rank has its share of the rows (vLLM
0.29 models/qwen3_next_mtp.py, qwen3_5_mtp.py, qwen4_exp/nvidia/mtp.py, nemotron_h_mtp.py). The others have one a layer,
whole on every rank."""


def draft_tensors(arch: ModelArch, layout: Layout) -> tuple[RankTensor, ...]:
    """Weights of the draft layers on one rank of the last stage, where speculation loads them.

    They also project the hidden state and the embedding of the next token back to the hidden width, behind a norm on
    each and one at the end (vLLM 0.29 models/deepseek_mtp.py, glm4_moe_mtp.py, qwen3_5_mtp.py).
    """
    tensors: list[RankTensor] = []
    for group in arch.draft_layers:
        tensors += layer_tensors(group, arch.hidden, layout)
    if arch.draft_others is not None:
        return (*tensors, *(weight_tensor(weight, layout) for weight in arch.draft_others))
    layers = tuple(i for group in arch.draft_layers for i in group.indices)
    rows = arch.hidden
    if arch.architecture.startswith(_ONE_SPLIT_PROJECTION):
        layers, rows = layers[:1], arch.hidden // layout.tensor_parallel_size
    if layers:
        copies = len(layers)
        norms = (
            2 if arch.architecture.startswith("Inkling") else 3
        )  # 0.29 models/inkling/nvidia/mtp.py: none at the end
        tensors += [
            RankTensor("draft projection", "draft", ("eh_proj",), layers, copies, rows, 2 * arch.hidden),
            RankTensor("draft norms", "norm", ("enorm", "hnorm", "norm"), layers, copies, norms * arch.hidden, 1),
        ]
    return tuple(tensors)


def parameter_count(arch: ModelArch) -> int:
    """Parameters of the checkpoint: one rank, without vLLM's padding of the vocabulary and without draft layers."""
    return _elements(stage_tensors(arch, Layout(), 0)) - _padding(arch) + table_elements(arch)


def table_elements(arch: ModelArch) -> int:
    """Of all tables of n-grams, of which a token reads a few rows."""
    return sum(table.outputs * table.inputs for table in arch.tables)


def _elements(tensors: tuple[RankTensor, ...]) -> int:
    return sum(t.copies * t.outputs * t.inputs for t in tensors)


def _padding(arch: ModelArch) -> int:
    tables = (not arch.embedding_whole) + (arch.lm_head and not arch.tied)
    bias = arch.lm_head and arch.lm_head_bias
    outside = sum((padded_rows(w.outputs) - w.outputs) * w.inputs for w in arch.outside if w.padded)
    rows = arch.padded_vocab - arch.vocab
    return rows * (arch.hidden * tables + bias) + outside

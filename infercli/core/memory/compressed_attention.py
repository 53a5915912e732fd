"""What DeepSeek-V4 and V4.1 take in vLLM beside their weights: residual streams, padded heads, buffers for a batch.

The one thing to know: every size is read in vLLM 0.20 to 0.29 (models/deepseek_v4/attention.py and nvidia/model.py,
until 0.21 layers/deepseek_v4_attention.py and models/deepseek_v4.py), not fitted; 0.21 was not looked at. Without
torch.compile public starts agree to 0.1 GiB (two H200 NVL with 0.23, two RTX PRO 6000 with 0.25); with it none is.
V4.1 was read in 0.30 to 0.33 (models/deepseek_v41/), where V4 is as in 0.29.
"""

from __future__ import annotations

from infercli.core.architecture.arch import Attention, CompressedAttention, LatentAttention, Layout, ModelArch, mixers
from infercli.core.engine_version import release_of
from infercli.core.gpus import Gpu
from infercli.core.memory.batch import Batch
from infercli.core.units import MIB

INDEXER_LOGITS_BYTES = 512 * MIB
"""VLLM_SPARSE_INDEXER_MAX_LOGITS_MB, allocated once in the profile's forward pass (layers/sparse_attn_indexer.py), for
DeepSeek-V3.2's indexer as well."""
_PICKING_BYTES = MIB
"""RADIX_TOPK_WORKSPACE_SIZE, the same file."""
_KEY_SCALE_BYTES = 4
_GATHERED_PER_LENGTH, _FACTORS = 8, (5, 2)
"""Keys that an indexer gathers for each key that the workspace has room for, and that workspace, times max_model_len:
5, and since 0.32 2 from `_LONG` tokens on (v1/attention/backends/mla/indexer.py get_max_prefill_buffer_size,
config/attention.py sparse_mla_prefill_workspace_factor); here of compressed ones."""
_LONG, _SMALLER_SINCE = 256 * 1024, (0, 32)
_PREFILL_REQUESTS = 4
"""Whose keys FlashMLA gathers in BF16 at once (nvidia/flashmla.py PREFILL_CHUNK_SIZE)."""
_FLASHINFER_BYTES = 128 * MIB
"""nvidia/flashinfer_sparse.py _get_flashinfer_dsv4_workspace."""

_FUSED_SINCE = (0, 22)
"""From here on one kernel ends a half of a layer and begins the next, the profile pads queries, and the indexer lets
go of its own in BF16 before it picks."""
_WITHOUT_COMPILER_SINCE = (0, 23)
"""From here on the model turns torch.compile off (config/vllm.py VLLM_USE_BREAKABLE_CUDAGRAPH)."""
_OWN_KERNEL_SINCE, _EIGHT_HEADS_SINCE = (0, 24), (0, 27)
"""Of capability 12.x: nvidia/flashinfer_sparse.py, whose kernel takes fewer heads; eight since 0.27."""
_STREAMS_KEPT_UNTIL = (0, 27)
"""Until then the streams are kept for drafts even where nothing drafts (_mtp_hidden_buffer)."""
_SCRATCH = ((0, 27), (0, 29))
"""From and until: deepseek_v4/eager_scratch.py."""
_TWO_STAGES_SINCE = (0, 26)
"""On ROCm each layer that compresses without overlap keeps what one kernel leaves for the next (deepseek_v4/
compressor.py _compress_scratch; 0.25 does not): 0.6 GiB of what two starts on MI350X print (vllm-project/recipes,
DeepSeek-V4-Flash-Vision-Exp: 75.2 and 38.8 GiB with two and four ranks)."""
_PICKS_FIRST = ((0, 22), (0, 29))
"""From and until: the indexer is through before the queries are made, where there are streams beside the first."""


def gathered_keys(max_model_len: int, version: tuple[int, int]) -> int:
    """Keys for which an indexer has room."""
    small = max_model_len > _LONG and not _before(version, _SMALLER_SINCE)
    return _GATHERED_PER_LENGTH * _FACTORS[small] * max_model_len


def compressed(arch: ModelArch) -> tuple[CompressedAttention, ...]:
    """The compressed attentions of the layers; empty for any other model."""
    return tuple(m for m in mixers(arch) if isinstance(m, CompressedAttention))


def padded_heads(mixer: CompressedAttention, layout: Layout, gpu: Gpu | None, version: tuple[int, int] | None) -> int:
    """Heads of queries and outputs on a rank, as its kernel takes them (get_padded_num_q_heads)."""
    heads = mixer.heads // layout.tensor_parallel_size
    if gpu is not None and gpu.platform != "cuda":
        return heads
    if gpu is not None and gpu.at_least((12, 0)) and not _before(version, _OWN_KERNEL_SINCE):
        return max(1 << (heads - 1).bit_length(), 16 if _before(version, _EIGHT_HEADS_SINCE) else 8)
    return 64 if heads <= 64 else 128


def _before(version: tuple[int, int] | None, since: tuple[int, int]) -> bool:
    return version is not None and version < since


def batch_buffers(
    arch: ModelArch, layout: Layout, element_bytes: int, tokens: int, gpu: Gpu | None, engine_version: str | None,
    *, drafts: bool,
) -> tuple[int, ...]:  # fmt: skip
    """Bytes of each buffer for a batch of `tokens` that is there before the loading is measured; empty: no such model.

    The tokens that each picks (DeepSeek-V3.2's and GLM's models have that, too: 0.29 models/deepseek_v2.py
    topk_indices_buffer), the streams that drafts begin with, and from 0.27 until 0.29 queries and scratch; of V4.1 the
    blocks of keys that are left to pick from, and what a rank has looked up in each table of n-grams.
    """
    found = compressed(arch)
    if not found:
        return _picked(arch, tokens) + _streams(arch, element_bytes, tokens, drafts=drafts)
    picking = next((m.indexer for m in found if m.indexer is not None), None)
    if picking is None:
        return ()
    version = None if engine_version is None else release_of(engine_version)
    sizes = [4 * picking.top_k]
    if arch.draft_others is not None and drafts:
        sizes.append(4 * picking.top_k)
    if picking.candidates:
        sizes.append(4 * picking.candidates)
    if gpu is not None and gpu.platform == "rocm" and not _before(version, _TWO_STAGES_SINCE):
        deep = sum(len(g.indices) for g in arch.layers if g.mixer in found and _halves_of_none(g.mixer))
        sizes += [4 * found[0].head_dim] * -(-deep // layout.pipeline_parallel_size)
    columns = (-(-table.heads // layout.tensor_parallel_size) * table.inputs for table in arch.tables)
    sizes += [element_bytes * width for width in columns]
    if drafts or _before(version, _STREAMS_KEPT_UNTIL):
        sizes.append(element_bytes * arch.residual_streams * arch.hidden)
    if version is not None and _SCRATCH[0] <= version < _SCRATCH[1] and (gpu is None or gpu.platform == "cuda"):
        width = found[0].head_dim
        fp4 = picking.heads * (picking.head_dim // 2 + picking.head_dim // 32 + 4)
        sizes += [2 * padded_heads(found[0], layout, gpu, version) * width, max(fp4, 4 * picking.top_k + 4, 4 * width)]
    return tuple(tokens * size for size in sizes)


def _picked(arch: ModelArch, tokens: int) -> tuple[int, ...]:
    """Of the tokens that attention picks for each of a batch: one buffer for all layers, in Qwen4-Exp one for each.

    Those of pools hold the tokens that no key stands for yet besides: 0.31 to 0.33 models/glm5next/
    get_sparse_topk_buffer_width, in whole tiles; 0.29 to 0.33 models/qwen4_exp/nvidia/qsa.py topk_indices_buffer, a
    column narrower before 0.31.
    """
    shared, own = 0, []
    for group in arch.layers:
        mixer = group.mixer
        if isinstance(mixer, LatentAttention) and mixer.indexer is not None:
            width, pool = mixer.indexer.top_k, mixer.indexer.pool
            shared = max(shared, width if pool == 1 else -(-(width + pool - 1) // 128) * 128)
        elif isinstance(mixer, Attention) and mixer.indexer is not None and mixer.indexer.pool > 1:
            own += [mixer.indexer.top_k + mixer.indexer.pool] * len(group.indices)
    return tuple(4 * tokens * width for width in (shared, *own) if width)


def _streams(arch: ModelArch, element_bytes: int, tokens: int, *, drafts: bool) -> tuple[int, ...]:
    """What Qwen4-Exp's drafts begin with (0.29 models/qwen4_exp/nvidia/model.py _mtp_hidden_buffer)."""
    if not drafts or not arch.architecture.startswith("Qwen4Exp"):
        return ()
    return (element_bytes * tokens * arch.residual_streams * arch.hidden,)


def _halves_of_none(mixer: object) -> bool:
    return isinstance(mixer, CompressedAttention) and mixer.owns_keys is None and mixer.compress_ratio > 4


def without_compiler(batch: Batch, version: tuple[int, int]) -> bool:
    """Whether Python runs the layers one by one, as it is read here."""
    return batch.enforce_eager or not _before(version, _WITHOUT_COMPILER_SINCE)


def held_width(arch: ModelArch, batch: Batch, version: tuple[int, int]) -> int:
    """Elements per token that stay while a layer's attention runs: the streams and a layer's input.

    Without torch.compile Python holds what came into the layer as well until it returns.
    """
    twice = without_compiler(batch, version) and not _before(version, _FUSED_SINCE)
    return (2 if twice else 1) * (arch.residual_streams + 1) * arch.hidden


def held_by_experts(arch: ModelArch, batch: Batch, version: tuple[int, int]) -> int:
    """The same while experts run."""
    return held_width(arch, batch, version) + _held_by_piece(arch, batch, version)


def _held_by_piece(arch: ModelArch, batch: Batch, version: tuple[int, int]) -> int:
    """Elements per token that went into a compiled piece, which reaches from one attention to the next.

    The padded output of the attention and the streams before it: the code that calls the pieces lets go of them when
    the piece has returned (0.20 and 0.22 compilation/codegen.py). 0 without torch.compile.
    """
    if without_compiler(batch, version):
        return 0
    return _padded_width(arch, batch, version) + arch.residual_streams * arch.hidden


def _padded_width(arch: ModelArch, batch: Batch, version: tuple[int, int]) -> int:
    """Elements per token of an attention's output."""
    return max(padded_heads(m, batch.layout, batch.gpu, version) * m.head_dim for m in compressed(arch))


def forward_bytes(arch: ModelArch, batch: Batch, version: tuple[int, int]) -> int:
    """The largest moment of a layer outside its experts: attention, or where one half ends and the next begins.

    A compiled piece ends with the streams, the layer's input and the room for the next attention's output.
    """
    b, tokens = batch.element_bytes, batch.max_num_batched_tokens
    held, made = held_width(arch, batch, version), (arch.residual_streams + 1) * arch.hidden
    if without_compiler(batch, version):
        between = held + made
    else:
        between = _held_by_piece(arch, batch, version) + made + _padded_width(arch, batch, version)
    attending = (b * tokens * held + _attention_bytes(m, arch, batch, version) for m in compressed(arch))
    return max(b * tokens * between, *attending)


def _attention_bytes(mixer: CompressedAttention, arch: ModelArch, batch: Batch, version: tuple[int, int]) -> int:
    """The padded output, what the layer's input is projected to, and the largest of three that follow each other.

    The profile has no metadata, so that nothing is compressed or attended to; queries are padded into a copy.
    """
    b, tokens, ranks = batch.element_bytes, batch.max_num_batched_tokens, batch.layout.tensor_parallel_size
    heads, padded = mixer.heads // ranks, padded_heads(mixer, batch.layout, batch.gpu, version)
    overlapping = 2 if mixer.compress_ratio == 4 else 1  # windows overlap, so each key has two halves
    scores = 4 * 2 * overlapping * mixer.head_dim if mixer.compress_ratio else 0  # keys and gates in fp32
    if mixer.owns_keys is not None:  # a key alone, where one token makes it
        scores = mixer.owns_keys * 4 * min(2, mixer.compress_ratio) * mixer.head_dim
    latents = 2 * (mixer.q_lora_rank + mixer.head_dim)  # before and behind their norms
    fused = not _before(version, _FUSED_SINCE)
    pads = padded > heads and fused
    queries = b * (heads + padded * pads) * mixer.head_dim
    # Outputs in FP8 with a scale in fp32 for each 128, their groups in the model's dtype and in FP8, and the sum of all
    # ranks beside that of this one.
    groups = -(-mixer.o_groups // ranks) * mixer.o_lora_rank
    outputs = heads * mixer.head_dim * (1 + 4 / 128) + (b + 1) * groups + b * arch.hidden * (1 + (ranks > 1))
    following, fixed = max(queries, outputs), 0
    picking = 0.0
    if mixer.indexer is not None and mixer.indexer.cached:
        index = mixer.indexer
        scores += 4 * 2 * overlapping * index.head_dim if mixer.owns_keys is None else 0
        through = _PICKS_FIRST[0] <= version < _PICKS_FIRST[1] and batch.gpu.platform == "cuda"
        query = 0 if through else b * (padded if pads else heads) * mixer.head_dim
        picking, fixed = query + (1 if fused else b + 1) * index.heads * index.head_dim, INDEXER_LOGITS_BYTES
    # FlashMLA's kernel of V4.1 for 10.x leaves them in FP8 (nvidia/flash_mla_mega_attn.py alloc_mega_attn_output).
    small = mixer.owns_keys is not None and batch.gpu.datacentre_blackwell
    attended = padded * mixer.head_dim * (1 + 1 / 32 if small else b)
    around = attended + b * latents + scores
    return round(tokens * around + max(tokens * following, tokens * picking + fixed))


def kept_bytes(arch: ModelArch, batch: Batch, version: tuple[int, int], experts_bytes: int) -> int:
    """The workspace that attention shares with experts, which stays, and what FlashInfer keeps on capability 12.x.

    Attention's part is the larger of what the indexer gathers and what FlashMLA does.
    """
    own_kernel = batch.gpu.at_least((12, 0)) and not _before(version, _OWN_KERNEL_SINCE)
    gathers = batch.gpu.platform == "cuda" and not own_kernel
    found = experts_bytes
    for mixer in compressed(arch):
        keys, top_k, tokens = 0, 0, batch.max_num_batched_tokens
        if mixer.compress_ratio:
            keys = -(-batch.max_model_len // mixer.compress_ratio)
        if mixer.indexer is not None:
            indexed = gathered_keys(batch.max_model_len, version) // mixer.compress_ratio
            found = max(found, indexed * (mixer.indexer.head_dim + _KEY_SCALE_BYTES) + _PICKING_BYTES)
            top_k = mixer.indexer.top_k
        if gathers:
            rows = _PREFILL_REQUESTS * (keys + mixer.window + tokens)
            picked = 0 if _before(version, _SCRATCH[0]) else 4 * tokens * (-(-(top_k + mixer.window) // 128) * 128 + 1)
            found = max(found, 2 * rows * mixer.head_dim + picked)
    return found + _FLASHINFER_BYTES * own_kernel

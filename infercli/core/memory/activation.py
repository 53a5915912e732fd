"""The activation peak of vLLM's profile run: what PyTorch allocates at most beside the weights.

The one thing to know: it is the larger of two moments, the forward pass over max_num_batched_tokens and the sampler
over max_num_seqs x vocabulary (core/memory/sampler.py), on top of what stays from the first to the second (workspaces
of core/memory/experts.py, encoder outputs, the indexer's buffer). The bytes of each are counted in the sources of vLLM
and PyTorch, not fitted: 54 printed peaks of 0.6 to 0.19, with 1 to 1024 sequences and 2,048 to 16,000 tokens, agree to
0.02 GiB. Of 18 others 11 do not say max_num_seqs, two had FlashInfer's sampler installed, four are V0 with images or on
ROCm, one names no model.
"""

from typing import NamedTuple

from infercli.core.architecture.arch import (
    Attention,
    CompressedAttention,
    Dense,
    Experts,
    GatedDelta,
    LatentAttention,
    Layout,
    Mixer,
    ModelArch,
    ShortConvolution,
    StateSpace,
    feed_forwards,
    kv_heads_per_rank,
    mixers,
)
from infercli.core.engines.facts import NOTHING, Band, EngineFacts
from infercli.core.memory.batch import Batch
from infercli.core.memory.compressed_attention import (
    INDEXER_LOGITS_BYTES,
    compressed,
    forward_bytes,
    gathered_keys,
    held_by_experts,
    kept_bytes,
    without_compiler,
)
from infercli.core.memory.encoder_decoders import encoder_peak, kept_of_items, profiles_all
from infercli.core.memory.experts import (
    expert_bytes,
    keeps_workspace,
    may_keep_workspace,
    passing_bytes,
    workspace_bytes,
)
from infercli.core.memory.sampler import sampler_bytes, sampler_tables
from infercli.core.memory.vision import kept_by_encoder, peak_of_encoder
from infercli.core.quantization.checkpoint import Quantization
from infercli.core.units import GIB, MIB

_UNRETURNED_BYTES = 0.75 * GIB
"""High end of what PyTorch's allocator cannot give back of DeepSeek-V4, which counts since 0.27. Our choice: two forks
of 0.28 on two RTX PRO 6000 print 1.70 and 1.99 GiB beside the weights, of which 1.62 are counted."""

_MEASURED, _MEASURED_COMPILED = (0.95, 1.1), (0.95, 1.2)
"""Ends of DeepSeek-V4's forward pass until 0.26, times what is counted. Our choice: nine starts with 8,192 and 16,384
tokens on two H200 NVL (0.23) leave 351 KiB a token for it and what it keeps, of which 352 are counted. Compiled pieces
were read alone: with all that any of them makes held to its end they take 1.11 times as much, and with what Python
would hold 1.19."""

_FORWARD_EXTRA_BYTES = 16 * MIB
"""Beside the forward pass: positions, slots and the like. Measured on forward-bound runs of 0.19 (Granite 8B, n=4)."""

_INDEXER_KEY_BYTES = 132
"""Of a key that DeepSeek-V3.2's indexer gathers: 128 B, and a 4 B scale."""

_POOLED_KEYS = (0, 32)
"""From this version on GLM-5.3 gathers one key for a pool of tokens, before one for each (vllm-project/vllm#55221; 0.31
and 0.32 models/glm5next/common/attention.py max_total_seq_len)."""

_CONTEXT_TOKENS = 64 * 1024
"""Latent attention simulates a chunk of context of at most this many tokens (mla_attention.py
determine_chunked_prefill_workspace_size)."""


def activation(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> Band:
    """Bytes at the peak of the profile run, and what the sampler keeps for ever."""
    found = moments(arch, quantization, batch, facts)
    return _larger(_larger(found.forward, found.sampler).plus(found.kept), found.encoder)


def more_while_compiling(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> int:
    """Bytes beyond the typical peak of a start that finds no compiled kernels; 0 where it makes no difference."""
    cut = batch.layout.tensor_parallel_size > 1
    if cut or batch.enforce_eager or not facts.compiling_bytes or batch.gpu.platform != "cuda":
        return 0
    found = moments(arch, quantization, batch, facts)
    compiling = 2 * found.forward.typical + facts.compiling_bytes + found.kept.typical
    return max(0, round(compiling - activation(arch, quantization, batch, facts).typical))


def _larger(a: Band, b: Band) -> Band:
    return Band(low=max(a.low, b.low), typical=max(a.typical, b.typical), high=max(a.high, b.high))


class Moments(NamedTuple):
    """What the peak is made of, in bytes: the larger of the first two, and the third; or the fourth alone."""

    forward: Band
    sampler: Band
    kept: Band
    """What stays from the forward pass to the sampler."""
    encoder: Band
    """Before all of them."""


def moments(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> Moments:
    """The moments of the profile run, and what stays from the forward pass to the sampler."""
    return Moments(
        forward=_forward(arch, quantization, batch, facts),
        sampler=sampler_bytes(arch, quantization, batch, facts),
        kept=_kept(arch, quantization, batch, facts),
        encoder=_encoder(arch, batch, facts),
    )


def _encoder(arch: ModelArch, batch: Batch, facts: EngineFacts) -> Band:
    if facts.engine(batch.gpu) == "V0":
        return encoder_peak(arch, batch) if profiles_all(arch) else NOTHING
    return peak_of_encoder(arch, batch, facts)


# The forward pass.


def _forward(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> Band:
    b, tokens, hidden = batch.element_bytes, batch.max_num_batched_tokens, arch.hidden
    if facts.engine(batch.gpu) == "V0":
        typical = max((_eager_bytes(f, arch, batch, facts) for f in feed_forwards(arch)), default=0)
        return Band(low=0.9 * typical, typical=typical, high=1.15 * typical + _FORWARD_EXTRA_BYTES)
    # Of hyper-connections the streams that a half of a layer begins with, and those that it leaves, stand beside it.
    residual = (2 * (arch.residual_streams - 1) + arch.residual_blocks) * hidden
    if compressed(arch):
        residual = held_by_experts(arch, batch, facts.release)
    width = residual + max(
        [4 * hidden + _feed_forward_width(f, quantization, batch.layout) for f in feed_forwards(arch)]
        + [2 * hidden + _mixer_width(m, batch.layout) for m in mixers(arch)]
    )
    streams = arch.residual_streams + arch.residual_blocks
    between = 2 * hidden * streams if batch.layout.pipeline_parallel_size > 1 else 0
    passing = passing_bytes(arch, quantization, batch, facts)
    context = _context_bytes(arch, batch, facts)
    by_any = forward_bytes(arch, batch, facts.release) if compressed(arch) else 0
    beside = b * tokens * between + _FORWARD_EXTRA_BYTES
    typical = max(b * tokens * width + max(passing, context), by_any) + beside
    least = typical
    if compressed(arch) and batch.gpu.datacentre_blackwell:  # --moe-backend deep_gemm_mega_moe has buffers elsewhere
        least = max(b * tokens * width + context, by_any) + beside
    low, high = _forward_error(arch, batch, facts)
    return Band(low=low * least, typical=typical, high=high * typical)


def _forward_error(arch: ModelArch, batch: Batch, facts: EngineFacts) -> tuple[float, float]:
    """Ends of the forward pass, times what is counted."""
    if not compressed(arch) or facts.counts_all_consumed:
        return 0.85, 1.2
    return _MEASURED if without_compiler(batch, facts.release) else _MEASURED_COMPILED


def _eager_bytes(feed_forward: Dense | Experts, arch: ModelArch, batch: Batch, facts: EngineFacts) -> float:
    """V0 compiles nothing: what Python holds while the second matrix of a feed-forward layer multiplies.

    Gate, up and their product; what the layer before returned, the residual, what attention returned and what comes
    out; with several ranks a copy that is summed (0.7.2 distributed/parallel_state.py _all_reduce_out_place). Logs of
    0.7 to 0.9 agree to 2 % (n=5, one to eight GPUs, CUDA and ROCm). 0.6.4 held one of the hidden size less as measured
    (Llama-8B: 20,000 tokens 2.07 GiB, 29,000 2.99); which, its source does not show.
    """
    b, tokens, tp = batch.element_bytes, batch.max_num_batched_tokens, batch.layout.tensor_parallel_size
    if isinstance(feed_forward, Experts):
        return expert_bytes(feed_forward, arch, batch, facts) + 4 * b * tokens * arch.hidden
    held = 3 if facts.release < (0, 7) else 4 + (tp > 1)
    return b * tokens * (3 * (feed_forward.intermediate // tp) + held * arch.hidden)


def _feed_forward_width(feed_forward: Dense | Experts, quantization: Quantization, layout: Layout) -> int:
    """Elements per token: gate and up, and their product; one more copy where that is quantized to INT8 by itself.

    The copy: a 70B INT8 model with one GPU read 2.25 GiB (0.19, n=1), 8 B per element of `intermediate`.
    """
    tp = layout.tensor_parallel_size
    copies = 4 if quantization.method == "int8" else 3
    if isinstance(feed_forward, Experts):
        return copies * (feed_forward.shared_intermediate // tp)
    return copies * (feed_forward.intermediate // tp)


def _mixer_width(mixer: Mixer, layout: Layout) -> int:
    """Elements per token of what a mixer projects from the hidden state, and of its output before projection."""
    tp = layout.tensor_parallel_size
    match mixer:
        case Attention():
            q = mixer.heads // tp * (mixer.head_dim + mixer.v_head_dim)
            return q + kv_heads_per_rank(mixer, tp) * (mixer.head_dim + mixer.v_head_dim)
        case LatentAttention():
            per_head = mixer.nope_dim + mixer.rope_dim + mixer.v_head_dim
            return mixer.heads // tp * per_head + (mixer.q_lora_rank or 0) + mixer.kv_lora_rank + mixer.rope_dim
        case CompressedAttention():
            return 0  # core/memory/compressed_attention.py counts it
        case StateSpace():
            inner = mixer.heads * mixer.head_dim // tp
            return 4 * inner + 4 * mixer.groups * mixer.state // tp
        case ShortConvolution():
            return 4 * mixer.width // tp
        case GatedDelta():
            keys, values = mixer.key_heads * mixer.key_dim // tp, mixer.value_heads * mixer.value_dim // tp
            return 4 * keys + 4 * values


_STANDS_FOR_NONE = ("KimiK3", "KimiLinear")
"""First part of the names of classes whose own latent attention does nothing in the profile (0.27 to 0.33
models/kimi_k3/nvidia/mla.py; before, and on AMD's GPUs, it is that of the others)."""


def _context_bytes(arch: ModelArch, batch: Batch, facts: EngineFacts) -> int:
    """What latent attention and its indexer allocate in the profile to stand for a long context."""
    own = arch.architecture.startswith(_STANDS_FOR_NONE) and batch.gpu.platform == "cuda"
    if own and facts.release >= (0, 27):
        return 0
    found = 0
    for mixer in mixers(arch):
        if isinstance(mixer, LatentAttention):
            tokens = min(max(8 * batch.max_model_len, 64 * batch.max_num_seqs), _CONTEXT_TOKENS)
            heads = mixer.heads // batch.layout.tensor_parallel_size
            found = max(found, batch.element_bytes * tokens * heads * (mixer.nope_dim + mixer.v_head_dim))
            if mixer.indexer is not None:
                found = max(found, INDEXER_LOGITS_BYTES)
    return found


# What stays from the forward pass to the sampler.


def _kept(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> Band:
    v0 = facts.engine(batch.gpu) == "V0"
    encoder = kept_of_items(arch, batch) if v0 and profiles_all(arch) else kept_by_encoder(arch, batch, facts)
    if v0:
        return encoder
    indexers = [m.indexer for m in mixers(arch) if isinstance(m, LatentAttention) and m.indexer is not None]
    pools = [i.pool if facts.release >= _POOLED_KEYS else 1 for i in indexers]
    gathered = _INDEXER_KEY_BYTES * gathered_keys(batch.max_model_len, facts.release)
    buffer = max((gathered // pool for pool in pools), default=0)
    workspace = workspace_bytes(arch, quantization, batch, facts)
    keeps = keeps_workspace(quantization, batch, facts)
    # That DeepSeek-V4's do was read, and starts agree (core/memory/compressed_attention.py).
    surely = keeps and (quantization.method == "none" or bool(compressed(arch)))

    def beside(experts_bytes: int) -> int:
        if compressed(arch):
            return kept_bytes(arch, batch, facts.release, experts_bytes)
        return buffer + experts_bytes

    typical = beside(workspace if keeps else 0)
    sure = beside(workspace if surely else 0)
    possible = typical if compressed(arch) else beside(workspace if may_keep_workspace(quantization, facts) else 0)
    tables = sampler_tables(arch, quantization, batch, facts) if facts.counts_all_consumed else 0
    held = tables + _layer_embeddings(arch, batch)
    unreturned = _UNRETURNED_BYTES if compressed(arch) and facts.counts_all_consumed else 0
    return Band(low=0.9 * sure, typical=typical, high=possible + unreturned).plus(encoder).plus(Band.exactly(held))


def _layer_embeddings(arch: ModelArch, batch: Batch) -> int:
    """What Gemma 3n and 4 with encoders fill before a step, so that the decoder finds it where its CUDA graph looks.

    An embedding of each layer for every token of a batch (vLLM 0.10.2 to 0.29 models/gemma3n_mm.py, gemma4_mm.py,
    gemma4_unified.py), whatever a prompt holds; the classes of text alone have none.
    """
    widths = (w.inputs for w in arch.outside if w.name == "per-layer embeddings")
    seeing = arch.architecture.endswith("ForConditionalGeneration")
    return batch.element_bytes * batch.max_num_batched_tokens * sum(widths) if seeing else 0

"""The activation peak of vLLM's profile run: what PyTorch allocates at most beside the weights.

The one thing to know: it is the larger of two moments, the forward pass over max_num_batched_tokens and the sampler
over max_num_seqs x vocabulary, on top of what stays from the first to the second (expert workspaces, encoder outputs,
the indexer's buffer). The bytes of each are counted in the sources of vLLM and PyTorch, not fitted: 54 printed peaks of
0.6 to 0.19, with 1 to 1024 sequences and 2,048 to 16,000 tokens, agree to 0.02 GiB. Of 18 others 11 do not say
max_num_seqs, two had FlashInfer's sampler installed, four are V0 with images or on ROCm, one names no model.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    expert_share,
    feed_forwards,
    kv_heads_per_rank,
    mixers,
)
from infercli.core.checkpoint import Quantization
from infercli.core.compressed_attention import compressed, forward_bytes, held_by_experts, kept_bytes, without_compiler
from infercli.core.engines.facts import NOTHING, Band, EngineFacts
from infercli.core.gpus import Gpu
from infercli.core.units import GIB, MIB
from infercli.core.vision import Items, kept_by_encoder, peak_of_encoder

_SOFTMAX_BYTES = 12
"""Per logit beside the logits themselves: their fp32 copy, probabilities, noise (v1/sample/ops/topk_topp_sampler.py
random_sample). An fp32 model, whose logits need no conversion, has them copied once all the same."""

_SORT_BYTES = 36
"""The same where torch.sort masks top-k and top-p: fp32 logits 4, sorted values 4, indices 8, and inside the sort
(ATen/native/cuda/Sort.cu segmented_sort_pairs) the reverse indices 8 and cub's second buffer 12."""

_SORT_BYTES_FEW = 48
"""Below 128 rows ATen sorts everything at once (segmented_sort_pairs_by_full_sort): two buffers of index and segment 16
and the sorted keys 4 instead of the reverse indices."""

_FEW_ROWS = 128
_TRITON_ROWS = 8
"""From this many rows on Triton's kernel replaces the sort (0.17 to 0.20)."""

_V2_TABLE_BYTES = 4 + 1 / 8
"""The V2 runner keeps, per max_num_seqs x vocabulary: counts in int32 and a bit mask (v1/worker/gpu/sample/penalties.py
output_bin_counts, prompt_bin_mask), from its start on."""

_V2_COPY_BYTES = 4
"""Per logit beside the logits themselves, where the V2 runner's profile copies them; it skips top-k and top-p."""

_REJECTS_SINCE, _COPIES_TARGETS_SINCE, _INVERTS_SINCE = (0, 11), (0, 14), (0, 17)
"""The V1 runner's profile checks drafts, with a copy of their fp32 logits, with a reciprocal of the noise."""

_UNRETURNED_BYTES = 0.75 * GIB
"""High end of what PyTorch's allocator cannot give back of DeepSeek-V4, which counts since 0.27. Our choice: two forks
of 0.28 on two RTX PRO 6000 print 1.70 and 1.99 GiB beside the weights, of which 1.62 are counted."""

_MEASURED, _MEASURED_COMPILED = (0.95, 1.1), (0.95, 1.2)
"""Ends of DeepSeek-V4's forward pass until 0.26, times what is counted. Our choice: nine starts with 8,192 and 16,384
tokens on two H200 NVL (0.23) leave 351 KiB a token for it and what it keeps, of which 352 are counted. Compiled pieces
were read alone: with all that any of them makes held to its end they take 1.11 times as much, and with what Python
would hold 1.19."""

_GATHERS_SINCE = (0, 20)
"""From here on it was read that experts see the tokens of all data-parallel ranks at once, unless another exchange is
asked for (fused_moe/prepare_finalize/naive_dp_ep.py, device_communicators/all2all.py AgRsAll2AllManager)."""

_FORWARD_EXTRA_BYTES = 16 * MIB
"""Beside the forward pass: positions, slots and the like. Measured on forward-bound runs of 0.19 (Granite 8B, n=4)."""

_INDEXER_KEY_BYTES = 132
_INDEXER_LENGTHS = 40
"""The indexer of DeepSeek-V3.2 reserves 40 x max_model_len keys of 128 B and a 4 B scale
(v1/attention/backends/mla/indexer.py get_max_prefill_buffer_size)."""
INDEXER_LOGITS_BYTES = 512 * MIB
"""VLLM_SPARSE_INDEXER_MAX_LOGITS_MB, allocated once in the profile's forward pass."""

_CONTEXT_TOKENS = 64 * 1024
"""Latent attention simulates a chunk of context of at most this many tokens (mla_attention.py
determine_chunked_prefill_workspace_size)."""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What the profile runs."""

    layout: Layout
    gpu: Gpu
    max_num_seqs: int
    max_num_batched_tokens: int
    max_model_len: int
    element_bytes: int
    """Of one unquantized activation."""
    items: Items = "all"
    """What prompts may hold besides text."""
    enforce_eager: bool = False
    """Neither compilation nor CUDA graphs."""
    speculative_tokens: int = 0
    """Drafted ahead for each request; 0: no speculation."""


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
        sampler=_sampler(arch, quantization, batch, facts),
        kept=_kept(arch, quantization, batch, facts),
        encoder=_encoder(arch, batch, facts),
    )


def _encoder(arch: ModelArch, batch: Batch, facts: EngineFacts) -> Band:
    if facts.engine(batch.gpu) == "V0":
        return NOTHING
    return peak_of_encoder(
        arch, batch.max_num_batched_tokens, batch.max_model_len, batch.element_bytes, batch.layout, facts, batch.items
    )


def uses_v2_runner(arch: ModelArch, quantization: Quantization, facts: EngineFacts) -> bool:
    """Whether the V2 model runner serves the model by default."""
    if facts.runner_v2 in ("never", "always"):
        return facts.runner_v2 == "always"
    if arch.pooling or (facts.v2_unquantized and quantization.method != "none"):
        return False
    plain = all(isinstance(m, Attention) for m in mixers(arch))
    dense = plain and not any(isinstance(f, Experts) for f in feed_forwards(arch))
    return arch.architecture in facts.v2_models or (facts.runner_v2 == "dense" and dense)


def sampler_tables(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> float:
    """Bytes that the V2 runner's sampler keeps from its start on; 0 with the other runner."""
    if arch.pooling or not arch.lm_head or not uses_v2_runner(arch, quantization, facts):
        return 0
    return _V2_TABLE_BYTES * batch.max_num_seqs * arch.vocab


def _exactly(size: float) -> Band:
    return Band(low=size, typical=size, high=size)


# The sampler.


def _sampler(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> Band:
    seqs, b = batch.max_num_seqs, batch.element_bytes
    if arch.pooling or not arch.lm_head:
        return NOTHING
    hidden = b * batch.max_num_batched_tokens * arch.hidden
    if batch.layout.pipeline_parallel_size > 1:
        hidden *= 3  # hidden states and residual of the stage before (IntermediateTensors)
    # Two copies of the last tokens' hidden states: picked from all, and random ones in their place.
    base = hidden + 2 * b * seqs * arch.hidden + _cublas_bytes(batch.gpu)
    logits = seqs * arch.vocab
    if uses_v2_runner(arch, quantization, facts):
        copied = _V2_COPY_BYTES if facts.v2_copies_logits else 0
        peak = Band(low=b * logits, typical=(b + copied) * logits, high=(b + _SOFTMAX_BYTES) * logits)
        return peak.plus(_exactly(base))
    typical = arch.vocab * _per_vocabulary(seqs, batch, facts)
    low = high = typical
    if facts.sampler == "sort":
        low = min(low, (b + _SOFTMAX_BYTES) * logits)  # with FlashInfer's sampler, where it was installed
    elif facts.sampler == "flashinfer" and batch.gpu.platform == "cuda":
        high += 4 * arch.vocab * (batch.gpu.multiprocessors or 160)  # without it: Triton's buffer
    checking = arch.vocab * _checking_drafts(seqs, batch, facts)
    low, typical, high = (max(end, checking) for end in (low, typical, high))
    return Band(low=low, typical=typical, high=high).plus(
        Band(low=base, typical=base, high=base + 0.06 * GIB)  # the rounding of large blocks by PyTorch's allocator
    )


def _per_vocabulary(seqs: int, batch: Batch, facts: EngineFacts) -> int:
    """Bytes per entry of the vocabulary.

    Just below the change to another kernel vLLM takes more than just above it; here it takes as much as above, so that
    fewer sequences never cost more: 98 to 127 (sort) and 3 to 7 (Triton) are then up to a fifth too low.
    """
    b = batch.element_bytes
    if facts.engine(batch.gpu) == "V0" or facts.sampler == "sort":
        if facts.samples_in_float32:
            each, each_of_few = b + _SORT_BYTES, b + _SORT_BYTES_FEW
        else:  # the same in the model's dtype, and no copy
            each, each_of_few = _SORT_BYTES - 3 * (4 - b), _SORT_BYTES_FEW - 4 * (4 - b)
        many = each * max(seqs, _FEW_ROWS)
        return many if seqs >= _FEW_ROWS else min(each_of_few * seqs, many)
    if facts.sampler == "flashinfer" and batch.gpu.platform == "cuda":  # elsewhere Triton's kernel stays
        return (b + _SOFTMAX_BYTES) * seqs
    many = (b + _SOFTMAX_BYTES) * max(seqs, _TRITON_ROWS) + _triton_buffer(seqs, batch)
    return many if seqs >= _TRITON_ROWS else min((b + _SORT_BYTES_FEW) * seqs, many)


def _triton_buffer(seqs: int, batch: Batch) -> int:
    """Of Triton's top-k kernel: a row of the vocabulary in fp32 per program (apply_top_k_top_p_triton)."""
    units = batch.gpu.multiprocessors or 132
    programs = min(units, max(seqs, _TRITON_ROWS))
    return 4 * min(1 << (programs - 1).bit_length(), units)


def _checking_drafts(seqs: int, batch: Batch, facts: EngineFacts) -> int:
    """Bytes per entry of the vocabulary of the V1 runner's profile of speculation; 0 where there is none.

    After the sampler it makes up two logits for each request (v1/worker/gpu_model_runner.py _dummy_sampler_run): the
    bonus token's are copied and sampled, and kept in fp32; the draft's are copied in fp32, twice, and masked by top-k
    and top-p; then come probabilities, noise and its reciprocal (v1/sample/rejection_sampler.py). With it the KV pools
    of five logs of Qwen3.6-27B with its MTP layer and 1,024 sequences (0.24 and 0.26) agree to 0.7 %, without to 9 %.
    """
    if not batch.speculative_tokens or facts.engine(batch.gpu) == "V0" or facts.release < _REJECTS_SINCE:
        return 0
    held = 3 * batch.element_bytes + 4 + 4 * (1 + (facts.release >= _COPIES_TARGETS_SINCE))
    if facts.sampler == "sort":
        many, few = (held + sort - 4 for sort in (_SORT_BYTES, _SORT_BYTES_FEW))
        return many * seqs if seqs >= _FEW_ROWS else min(few * seqs, many * _FEW_ROWS)
    drawn = 4 * (2 + (facts.release >= _INVERTS_SINCE))
    return (held + drawn) * seqs + _triton_buffer(seqs, batch)


def _cublas_bytes(gpu: Gpu) -> int:
    """The workspace that PyTorch gives cuBLAS (ATen/cuda/CUDABlas.cpp parseChosenWorkspaceSize)."""
    hopper = gpu.platform == "rocm" or (gpu.at_least((9, 0)) and not gpu.at_least((12, 0)))
    return 32 * MIB if hopper else 8 * MIB + 128 * 1024


# The forward pass.


def _forward(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> Band:
    b, tokens, hidden = batch.element_bytes, batch.max_num_batched_tokens, arch.hidden
    if facts.engine(batch.gpu) == "V0":
        typical = max((_eager_bytes(f, arch, batch, facts) for f in feed_forwards(arch)), default=0)
        # A log on MI300X reads 8 % above the form, logs on CUDA 1 % (n=3).
        return Band(low=0.9 * typical, typical=typical, high=1.15 * typical + _FORWARD_EXTRA_BYTES)
    residual = held_by_experts(arch, batch, facts.release) if compressed(arch) else 0
    width = residual + max(
        [4 * hidden + _feed_forward_width(f, quantization, batch.layout) for f in feed_forwards(arch)]
        + [2 * hidden + _mixer_width(m, batch.layout) for m in mixers(arch)]
    )
    between = 2 * hidden * arch.residual_streams if batch.layout.pipeline_parallel_size > 1 else 0
    passing = _passing_experts(arch, quantization, batch, facts)
    context = _context_bytes(arch, batch)
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


def _passing_experts(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> float:
    """Bytes that experts take and give back, with the tokens of other ranks; 0 without experts."""
    alone = _by_marlin_alone(quantization, facts)
    sizes = [_expert_bytes(f, arch, batch, facts, alone=alone) for f in feed_forwards(arch) if isinstance(f, Experts)]
    if not sizes:
        return 0
    gathered = batch.element_bytes * batch.max_num_batched_tokens * arch.hidden * (_gathered_ranks(batch, facts) - 1)
    return max(sizes) * (not _keeps_workspace(quantization, batch, facts)) + gathered


def _gathered_ranks(batch: Batch, facts: EngineFacts) -> int:
    """Data-parallel ranks whose tokens pass the experts of each at once."""
    return batch.layout.data_parallel_size if facts.release >= _GATHERS_SINCE else 1


def _eager_bytes(feed_forward: Dense | Experts, arch: ModelArch, batch: Batch, facts: EngineFacts) -> float:
    """V0 compiles nothing: 3 x (intermediate + hidden) per token (Llama-8B: 20,000 tokens 2.07 GiB, 29,000 2.99)."""
    b, tokens = batch.element_bytes, batch.max_num_batched_tokens
    if isinstance(feed_forward, Experts):
        return _expert_bytes(feed_forward, arch, batch, facts) + 4 * b * tokens * arch.hidden
    factor = 1.08 if batch.gpu.platform == "rocm" else 1.0
    return factor * b * tokens * 3 * (feed_forward.intermediate // batch.layout.tensor_parallel_size + arch.hidden)


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
            return 0  # core/compressed_attention.py counts it
        case StateSpace():
            inner = mixer.heads * mixer.head_dim // tp
            return 4 * inner + 4 * mixer.groups * mixer.state // tp
        case ShortConvolution():
            return 4 * mixer.width // tp
        case GatedDelta():
            keys, values = mixer.key_heads * mixer.key_dim // tp, mixer.value_heads * mixer.value_dim // tp
            return 4 * keys + 4 * values


def _context_bytes(arch: ModelArch, batch: Batch) -> int:
    """What latent attention and its indexer allocate in the profile to stand for a long context."""
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
    encoder = kept_by_encoder(
        arch,
        batch.max_num_batched_tokens,
        batch.max_model_len,
        batch.element_bytes,
        v0_sequences=batch.max_num_seqs if v0 else None,
        facts=facts,
        items=batch.items,
    )
    if v0:
        return encoder
    indexed = any(isinstance(m, LatentAttention) and m.indexer is not None for m in mixers(arch))
    buffer = _INDEXER_LENGTHS * _INDEXER_KEY_BYTES * batch.max_model_len if indexed else 0
    experts = (f for f in feed_forwards(arch) if isinstance(f, Experts))
    deep_gemm = _by_deep_gemm(arch, quantization, batch, facts)
    workspace = max((_expert_bytes(f, arch, batch, facts, deep_gemm=deep_gemm) for f in experts), default=0)
    keeps = _keeps_workspace(quantization, batch, facts)
    may_keep = facts.keeps_expert_workspace and not _by_marlin_alone(quantization, facts)
    # That DeepSeek-V4's do was read, and starts agree (core/compressed_attention.py).
    surely = keeps and (quantization.method == "none" or bool(compressed(arch)))

    def beside(experts_bytes: int) -> int:
        if compressed(arch):
            return kept_bytes(arch, batch, facts.release, experts_bytes)
        return buffer + experts_bytes

    typical = beside(workspace if keeps else 0)
    sure = beside(workspace if surely else 0)
    possible = typical if compressed(arch) else beside(workspace if may_keep else 0)
    tables = sampler_tables(arch, quantization, batch, facts) if facts.counts_all_consumed else 0
    held = tables + _layer_embeddings(arch, batch)
    unreturned = _UNRETURNED_BYTES if compressed(arch) and facts.counts_all_consumed else 0
    return Band(low=0.9 * sure, typical=typical, high=possible + unreturned).plus(encoder).plus(_exactly(held))


def _layer_embeddings(arch: ModelArch, batch: Batch) -> int:
    """What Gemma 3n and 4 with encoders fill before a step, so that the decoder finds it where its CUDA graph looks.

    An embedding of each layer for every token of a batch (vLLM 0.10.2 to 0.29 models/gemma3n_mm.py, gemma4_mm.py,
    gemma4_unified.py), whatever a prompt holds; the classes of text alone have none.
    """
    widths = (w.inputs for w in arch.outside if w.name == "per-layer embeddings")
    seeing = arch.architecture.endswith("ForConditionalGeneration")
    return batch.element_bytes * batch.max_num_batched_tokens * sum(widths) if seeing else 0


def _keeps_workspace(quantization: Quantization, batch: Batch, facts: EngineFacts) -> bool:
    """Whether the experts' kernel takes its buffers from the shared workspace, which stays.

    Triton does (16 bits, FP8 by blocks). FlashInfer's CUTLASS asks for one small buffer (FP8 by tensor, NVFP4; FP8 by
    blocks on Hopper with expert parallelism, since 0.17), its TRT-LLM for none (FP8 by blocks on capability 10), and
    Marlin, INT8 and MXFP4 take theirs in the forward pass and give them back (0.19 layers/fused_moe, oracle/). Marlin
    and DeepGEMM of DeepSeek-V4's MXFP4 keep theirs, and TRT-LLM is first on capability 10 (0.20 to 0.28 oracle/mxfp4.py
    _get_priority_backends, experts/trtllm_mxfp4_moe.py workspace_shapes).
    """
    by_flashinfer = batch.gpu.datacentre_blackwell or (batch.gpu.at_least((9, 0)) and batch.layout.expert_parallel)
    if quantization.by_module:  # DeepSeek-V4's experts are stored otherwise
        by_flashinfer = batch.gpu.datacentre_blackwell and any(
            method.name == "mxfp4" for method in quantization.methods
        )
    by_blocks = quantization.method == "fp8" and quantization.block is not None and not by_flashinfer
    return facts.keeps_expert_workspace and (quantization.method == "none" or by_blocks)


def _by_marlin_alone(quantization: Quantization, facts: EngineFacts) -> bool:
    """Whether experts run by a Marlin that makes its own two buffers (fused_marlin_moe.py intermediate_cache13, 2)."""
    return quantization.method in ("awq", "gptq", "w4a16", "w8a16") and facts.release < (0, 22)


def _by_deep_gemm(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> bool:
    """Whether DeepSeek-V4's MXFP4 experts run by DeepGEMM (fused_moe/experts/deep_gemm_moe.py DeepGemmFP4Experts)."""
    mxfp4 = any(method.name == "mxfp4" for method in quantization.methods)
    return bool(compressed(arch)) and mxfp4 and batch.gpu.at_least((12, 0)) and facts.release >= (0, 24)


def _deep_gemm_rows(rows: int, groups: int) -> int:
    """Rows of all experts of a rank, each of whose share may end within a block.

    vLLM 0.24 and 0.29 fused_moe/deep_gemm_utils.py compute_aligned_M_and_alignment, with the block of DeepGEMM on
    capability 12.x (csrc/jit_kernels/heuristics/runtime.hpp get_theoretical_mk_alignment_for_contiguous_layout).
    """
    block = 64 if rows <= 64 * groups else 128
    return -(-(rows + min(rows, groups) * (block - 1)) // block) * block


def _expert_chunk(facts: EngineFacts) -> int | None:
    """Tokens that pass the experts at once; None: all. Before 0.8 it was not looked at.

    envs.py VLLM_FUSED_MOE_CHUNK_SIZE of 0.8.5 to 0.17; 0.18 has it no longer.
    """
    if not (0, 8) <= facts.release < (0, 18):
        return None
    return 16384 if facts.release >= (0, 12) else 32768


def _expert_bytes(
    experts: Experts, arch: ModelArch, batch: Batch, facts: EngineFacts,
    *, alone: bool = False, deep_gemm: bool = False,
) -> int:  # fmt: skip
    """The two buffers of the expert kernels (fused_moe.py workspace_shapes), and the output of several chunks.

    Per token and expert of it max(N / 2, hidden) + max(N, hidden) elements, N = 2 x width of an expert on this rank.
    `alone`: Marlin's first is N / 2, and it takes all tokens at once. `deep_gemm`: experts begin at a block each.
    """
    count, width = expert_share(experts, batch.layout)
    up, hidden = (2 if experts.gated else 1) * width, experts.latent or arch.hidden
    columns = (width if alone else max(width, hidden)) + max(up, hidden)
    tokens = batch.max_num_batched_tokens * _gathered_ranks(batch, facts)
    chunk = None if alone else _expert_chunk(facts)
    if chunk is None or tokens <= chunk:
        rows = tokens * experts.experts_per_token
        return batch.element_bytes * (_deep_gemm_rows(rows, count) if deep_gemm else rows) * columns
    # modular_kernel.py _allocate_buffers: beside those of one chunk the output of all tokens
    return batch.element_bytes * (chunk * experts.experts_per_token * columns + tokens * hidden)

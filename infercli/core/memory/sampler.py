"""The sampler's moment of vLLM's profile run, and what its tables take for ever.

The one thing to know: it depends on max_num_seqs x vocabulary and on which sampler the version has (a sort, Triton's or
FlashInfer's kernel, the V2 model runner's own), and speculation adds a check of the drafts behind it.
"""

from __future__ import annotations

from infercli.core.architecture.arch import Attention, Experts, ModelArch, feed_forwards, mixers
from infercli.core.engines.facts import NOTHING, Band, EngineFacts
from infercli.core.gpus import Gpu
from infercli.core.memory.batch import Batch
from infercli.core.quantization.checkpoint import Quantization
from infercli.core.units import GIB, MIB

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

_V1_ON_ROCM = frozenset({"DeepseekV32ForCausalLM", "DeepseekV4ForCausalLM"})
_V1_ON_ROCM_SINCE = {"GlmMoeDsaForCausalLM": (0, 30)}
_V2_ON_ROCM = (0, 32)
"""Classes that the V1 runner serves there from 0.29 on (config/vllm.py ROCM_DEFAULT_MRV1_ARCHITECTURES), one of them
later; and the release that serves all by the V2 runner."""

_V2_COPY_BYTES = 4
"""Per logit beside the logits themselves, where the V2 runner's profile copies them; it skips top-k and top-p."""

_REJECTS_SINCE, _COPIES_TARGETS_SINCE, _INVERTS_SINCE = (0, 11), (0, 14), (0, 17)
"""The V1 runner's profile checks drafts, with a copy of their fp32 logits, with a reciprocal of the noise."""


def uses_v2_runner(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> bool:
    """Whether the V2 model runner serves the model by default (config/vllm.py use_v2_model_runner)."""
    if facts.runner_v2 == "never" or batch.drafts_by_v1:
        return False
    if facts.runner_v2 == "always":
        return batch.gpu.platform != "rocm" or not _by_v1_on_rocm(arch.architecture, facts.release)
    if arch.pooling or (facts.v2_unquantized and quantization.method != "none"):
        return False
    plain = all(isinstance(m, Attention) for m in mixers(arch))
    dense = plain and not any(isinstance(f, Experts) for f in feed_forwards(arch))
    return arch.architecture in facts.v2_models or (facts.runner_v2 == "dense" and dense)


def _by_v1_on_rocm(architecture: str, release: tuple[int, int]) -> bool:
    since = _V1_ON_ROCM_SINCE.get(architecture)
    listed = architecture in _V1_ON_ROCM or (since is not None and release >= since)
    return listed and release < _V2_ON_ROCM


def sampler_tables(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> float:
    """Bytes that the V2 runner's sampler keeps from its start on; 0 with the other runner."""
    if arch.pooling or not arch.lm_head or not uses_v2_runner(arch, quantization, batch, facts):
        return 0
    return _V2_TABLE_BYTES * batch.max_num_seqs * arch.vocab


def sampler_bytes(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> Band:
    """Bytes at the sampler's moment; nothing where a model pools or has no head."""
    seqs, b = batch.max_num_seqs, batch.element_bytes
    if arch.pooling or not arch.lm_head:
        return NOTHING
    hidden = b * batch.max_num_batched_tokens * arch.hidden
    if batch.layout.pipeline_parallel_size > 1:
        hidden *= 3  # hidden states and residual of the stage before (IntermediateTensors)
    # Two copies of the last tokens' hidden states: picked from all, and random ones in their place.
    base = hidden + 2 * b * seqs * arch.hidden + _cublas_bytes(batch.gpu)
    logits = seqs * arch.vocab
    if uses_v2_runner(arch, quantization, batch, facts):
        copied = _V2_COPY_BYTES if facts.v2_copies_logits else 0
        peak = Band(low=b * logits, typical=(b + copied) * logits, high=(b + _SOFTMAX_BYTES) * logits)
        return peak.plus(Band.exactly(base))
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

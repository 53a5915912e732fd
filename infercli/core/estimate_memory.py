"""The memory of an estimate: every term of a GPU, what is left for the KV cache, and whether the engine starts."""

from __future__ import annotations

from dataclasses import dataclass

from infercli.core import kv_cache, sizing
from infercli.core.architecture.arch import ModelArch
from infercli.core.checkpoint import Quantization
from infercli.core.engines import v0_29
from infercli.core.engines.facts import EngineFacts
from infercli.core.estimate import EstimatedKvCache, EstimatedMemory, EstimateRequest, Settings
from infercli.core.gpus import Gpu
from infercli.core.units import gib


@dataclass(frozen=True, kw_only=True)
class Sized:
    """The memory part of an answer."""

    memory: EstimatedMemory
    kv_cache: EstimatedKvCache
    starts: bool | None
    reason: str
    missing_bytes: int


def size(
    request: EstimateRequest,
    arch: ModelArch,
    quantization: Quantization,
    gpu: Gpu,
    facts: EngineFacts,
    settings: Settings,
    kv_element_bytes: int,
) -> Sized:
    """Raises Unsupported for a cache that is not taught."""
    load = sizing.Load(
        tensor_parallel_size=request.tensor_parallel_size,
        max_num_seqs=settings.max_num_seqs,
        max_num_batched_tokens=settings.max_num_batched_tokens,
        element_bytes=sizing.ELEMENT_BYTES[settings.dtype],
        graph_sizes=0 if settings.enforce_eager else v0_29.capture_sizes(settings.max_num_seqs),
        full_graph_sizes=facts.full_capture_sizes,
        capability=gpu.capability or (9, 0),
    )
    weight_only = any(
        m.native_from is not None and gpu.capability is not None and gpu.capability < m.native_from
        for m in quantization.methods
    )
    found = sizing.gpu_memory(
        arch, quantization, load, facts.memory,
        total_bytes=gpu.memory_bytes,
        budget_bytes=int(gpu.memory_bytes * settings.gpu_memory_utilization),
        weight_only=weight_only,
    )  # fmt: skip
    left = sizing.term(found, "kv_cache")
    block_tokens, length = settings.block_size, settings.max_model_len
    block = kv_cache.bytes_per_block(arch, request.tensor_parallel_size, block_tokens, kv_element_bytes)
    need = kv_cache.bytes_to_admit(length, block, block_tokens)
    low, typical, high = (
        kv_cache.kv_cache(max(0, b), block, block_tokens, length) for b in (left.low_bytes, left.bytes, left.high_bytes)
    )
    cache = EstimatedKvCache(
        bytes=left.bytes, low_bytes=left.low_bytes, high_bytes=left.high_bytes,
        bytes_per_token=block / block_tokens, blocks=typical.blocks,
        tokens=typical.tokens, tokens_low=low.tokens, tokens_high=high.tokens,
        concurrency=typical.concurrency, concurrency_low=low.concurrency, concurrency_high=high.concurrency,
        longest_max_model_len=min(
            arch.max_model_len, kv_cache.longest_that_fits(max(0, left.bytes), block, block_tokens)
        ),
    )  # fmt: skip
    starts = True if left.low_bytes >= need else False if left.high_bytes < need else None
    missing = max(0, need - left.low_bytes)
    memory = EstimatedMemory(total_bytes=found.total_bytes, budget_bytes=found.budget_bytes, terms=found.terms)
    return Sized(
        memory=memory, kv_cache=cache, starts=starts, missing_bytes=missing,
        reason=_reason(starts, left.bytes, need, missing, length),
    )  # fmt: skip


def _reason(starts: bool | None, left_bytes: int, need_bytes: int, missing_bytes: int, length: int) -> str:
    left, need = gib(left_bytes, 2), gib(need_bytes, 2)
    room = f"{left} are left for the KV cache, and one request of {length:,} tokens needs {need}"
    if starts:
        return room
    if starts is False:
        return f"{room}: {gib(missing_bytes, 2)} are missing per GPU"
    likely = "more likely than not it starts" if left_bytes >= need_bytes else "more likely than not it does not"
    return f"{room}; within the error of the estimates: {likely}"

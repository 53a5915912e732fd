"""What a planner must know of an engine version."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Band:
    """An estimate with the bounds that logs and source code support. Unit by use."""

    low: float
    typical: float
    high: float


@dataclass(frozen=True, kw_only=True)
class MemoryCoefficients:
    """Coefficients of the memory that is neither weights nor KV cache. Sizes in bytes unless a name says otherwise."""

    sampler_state_per_logit: float
    """Kept for ever per max_num_seqs x vocabulary entry."""
    sampler_peak_per_logit: Band
    """Transient, per max_num_seqs x vocabulary entry, in the profile's sampler run."""
    sampler_peak_per_vocab_entry: Band
    """Transient, per vocabulary entry: the top-k buffer, 4 B per multiprocessor."""
    sampler_peak_extra: Band
    """Transient, a constant beside the sampler."""
    forward_peak_extra: float
    """Transient, a constant beside the forward pass."""
    forward_peak_factor: Band
    """Times the structural form of the forward pass."""
    non_torch_single: Band
    """CUDA context growth, cuBLAS and the like, with one GPU."""
    non_torch_parallel: Band
    """The same with tensor parallelism from capability 9.0 on: NCCL, and the workspaces of fused all-reduce."""
    non_torch_parallel_older: Band
    """The same below capability 9.0, where vLLM has no fused all-reduce."""
    graph_per_layer: Band
    """CUDA graphs per layer, with a full set of capture sizes."""
    graph_base: Band
    unprofiled_per_logit: float
    """Under load, per max_num_seqs x vocabulary entry, outside all accounting: it must find room beyond the budget."""
    outside_single: float
    """CUDA context, taken before the budget is measured, with one GPU."""
    outside_parallel: float
    """The same with NCCL, from capability 9.0 on; no log prints it for older GPUs, which keep the figure of one."""
    weights_slack_fraction: float
    """Above the computed weights: what logs print beyond them at most (workspaces of the kernels)."""
    source: str
    applies_to: str
    """The engine versions whose logs support it."""


@dataclass(frozen=True, kw_only=True)
class DeviceDefaults:
    """vLLM's own defaults for a server, which depend on the device (engine/arg_utils.py get_batch_defaults)."""

    max_num_batched_tokens: int
    max_num_seqs: int


@dataclass(frozen=True, kw_only=True)
class EngineFacts:
    """One version of vLLM."""

    version: str
    ray_version: str
    gpu_memory_utilization: float
    block_tokens: int
    """KV cache block on a GPU."""
    cpu_block_tokens: int
    memory: MemoryCoefficients
    full_capture_sizes: int
    """Number of CUDA graph sizes when max_num_seqs allows all of them."""
    extrapolated_from: str | None
    """Newest version with public memory logs that the coefficients rest on; None where its own logs do."""

"""GPU facts: one row each, with its source."""

from __future__ import annotations

from infercli.core.record import Record


class Gpu(Record):
    """One GPU model. Memory is what the driver reports, not what the catalogue says (80 GB is 79.2 GiB at best)."""

    name: str
    memory_bytes: int
    """cudaMemGetInfo's total."""
    memory_bandwidth_bytes_per_s: float
    capability: tuple[int, int]
    """CUDA compute capability (major, minor)."""
    peak_flops: dict[str, float] = {}
    """Dense tensor throughput by dtype (bf16, fp8, int8), in FLOP/s; a missing dtype is not native."""
    nvlink_bytes_per_s: float | None = None
    """Per GPU, both directions together; None: PCIe only."""
    ray_accelerator_type: str | None = None
    """Ray's name for it; None where Ray has none (the request is then for a GPU of any kind)."""
    source: str

"""GPU facts: one row each, with its source.

Memory is the total that the driver reports to a process: what vLLM multiplies by `gpu_memory_utilization`. It differs
by up to 0.15 GiB between driver versions and ECC settings: a row holds the smallest figure that a log prints, so that
a plan holds on every machine. A profile may define a GPU of its own inline instead of adding a row here.
"""

from __future__ import annotations

from infercli.core.record import Record
from infercli.core.units import GIB
from infercli.errors import UnknownName


class Gpu(Record):
    """One GPU model. Memory is what the driver reports, not what the catalogue says (80 GB is 79.2 GiB at best)."""

    name: str
    memory_bytes: int
    """cudaMemGetInfo's total."""
    memory_bandwidth_bytes_per_s: float
    capability: tuple[int, int]
    """CUDA compute capability (major, minor)."""
    peak_flops: dict[str, float] = {}
    """Dense tensor throughput by dtype (fp16, bf16, fp8, int8), in FLOP/s; a missing dtype is not native."""
    nvlink_bytes_per_s: float | None = None
    """Per GPU, both directions together; None: PCIe only."""
    ray_accelerator_type: str | None = None
    """Ray's name for it; None where Ray has none (the request is then for a GPU of any kind)."""
    source: str


def _row(
    name: str,
    memory_gib: float,
    bandwidth_gb_per_s: float,
    capability: tuple[int, int],
    tflops: dict[str, float],
    ray: str | None,
    source: str,
    *,
    nvlink_gb_per_s: float | None = None,
) -> Gpu:
    return Gpu(
        name=name,
        memory_bytes=int(memory_gib * GIB),
        memory_bandwidth_bytes_per_s=bandwidth_gb_per_s * 1e9,
        capability=capability,
        peak_flops={dtype: value * 1e12 for dtype, value in tflops.items()},
        nvlink_bytes_per_s=None if nvlink_gb_per_s is None else nvlink_gb_per_s * 1e9,
        ray_accelerator_type=ray,
        source=source,
    )


def _tensor(half: float, eight_bit: float | None = None, *, fp8: bool = False) -> dict[str, float]:
    """Dense TFLOPS from the half-precision figure; the 8-bit figure is twice that unless it is given."""
    eight = 2 * half if eight_bit is None else eight_bit
    return {"fp16": half, "bf16": half, "int8": eight} | ({"fp8": eight} if fp8 else {})


# Throughput, bandwidth and NVLink: NVIDIA's datasheets, whose sparse figures are halved here. Ray's names: the
# accelerator types of Ray 2.60 (ray/util/accelerators) that a node gets by itself. A100-40G and A100-80G exist only
# where somebody labels the node by hand, and a request for what no node has waits for ever.
_ROWS = (
    _row(
        "T4", 14.56, 320, (7, 5), {"fp16": 65, "int8": 130}, "T4",
        "memory: vLLM's log in vllm-project/vllm#15766 (14.56 GiB; 14.74 on Colab); NVIDIA T4 datasheet",
    ),
    _row(
        "A10G", 21.99, 600, (8, 6), _tensor(70), "A10G",
        "memory: vLLM's log in vllm-project/vllm#15360 (21.99 GiB); NVIDIA A10G datasheet",
    ),
    _row(
        "L4", 22.05, 300, (8, 9), _tensor(121, 242.5, fp8=True), "L4",
        "memory: vLLM's log on an AWS g6.xlarge (22.05 GiB; 22.16 on Colab); NVIDIA L4 datasheet",
    ),
    _row(
        "RTX-4090", 23.52, 1008, (8, 9), _tensor(165.2, 660.6, fp8=True) | {"fp8": 330.3}, None,
        "memory: PyTorch's out-of-memory messages (23.52 GiB; vLLM's logs 23.55 to 23.65); NVIDIA Ada GPU architecture "
        "whitepaper, table 2 (FP16 and FP8 with FP32 accumulation)",
    ),
    _row(
        "L40S", 44.39, 864, (8, 9), _tensor(362, 733, fp8=True), "L40S",
        "memory: vLLM's log (44.39 GiB); NVIDIA L40S datasheet",
    ),
    _row(
        "A100-40-PCIe", 39.38, 1555, (8, 0), _tensor(312), "A100",
        "memory: vLLM's log in vllm-project/vllm#16378 (39.38 GiB; 39.56 on Colab); NVIDIA A100 datasheet",
    ),
    _row(
        "A100-40-SXM", 39.38, 1555, (8, 0), _tensor(312), "A100",
        "memory: vLLM's log in vllm-project/vllm#16378 (39.38 GiB; 39.56 on Colab); NVIDIA A100 datasheet",
        nvlink_gb_per_s=600,
    ),
    _row(
        "A100-80-PCIe", 79.14, 1935, (8, 0), _tensor(312), "A100",
        "memory: vLLM's logs (79.14 to 79.25 GiB); NVIDIA A100 80GB PCIe datasheet",
    ),
    _row(
        "A100-80-SXM", 79.14, 2039, (8, 0), _tensor(312), "A100",
        "memory: vLLM's logs (79.14 to 79.25 GiB); NVIDIA A100 datasheet",
        nvlink_gb_per_s=600,
    ),
    _row(
        "H100-PCIe", 79.11, 2000, (9, 0), _tensor(756, 1513, fp8=True), "H100",
        "memory: PyTorch's message in vllm-project/vllm#27508 (79.11 GiB; vLLM's logs 79.18); NVIDIA H100 PCIe product "
        "brief PB-11133 and H100 datasheet",
    ),
    _row(
        "H100", 79.11, 3350, (9, 0), _tensor(989, 1979, fp8=True), "H100",
        "memory: PyTorch's message in vllm-project/vllm#27508 (79.11 GiB; vLLM's logs 79.18 to 79.19); NVIDIA H100 "
        "datasheet, SXM5",
        nvlink_gb_per_s=900,
    ),
    _row(
        "H100-NVL", 93.09, 3938, (9, 0), _tensor(835, 1671, fp8=True), "H100",
        "memory: PyTorch's out-of-memory messages (93.09 GiB; others 93.10 to 93.11); NVIDIA H100 NVL datasheet",
        nvlink_gb_per_s=600,
    ),
    _row(
        "H200", 139.72, 4800, (9, 0), _tensor(989, 1979, fp8=True), "H200",
        "memory: vLLM's log in vllm-project/vllm#15394 (139.72 GiB); NVIDIA H200 datasheet, SXM",
        nvlink_gb_per_s=900,
    ),
    _row(
        "B200", 178.35, 8000, (10, 0), _tensor(2250, 4500, fp8=True), "B200",
        "memory: PyTorch's out-of-memory messages (178.35 GiB); HGX B200 at 1000 W: "
        "https://glennklockwood.com/garden/processors/B200, which cites NVIDIA's Blackwell architecture brief",
        nvlink_gb_per_s=1800,
    ),
)  # fmt: skip

GPUS: dict[str, Gpu] = {row.name: row for row in _ROWS}


def find_gpu(name: str) -> Gpu:
    """The row of that name, whatever its case. Raises UnknownName, with the nearest names."""
    by_folded = {n.lower(): gpu for n, gpu in GPUS.items()}
    gpu = by_folded.get(name.lower())
    if gpu is None:
        raise UnknownName(
            "GPU", name, GPUS, "a profile may define a GPU inline; to add one for everybody, add a row to core/gpus.py"
        )
    return gpu

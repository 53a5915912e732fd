"""`infercli gpus`: the table of GPUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infercli.cli import options
from infercli.cli.output import columns, document, emit

if TYPE_CHECKING:
    from infercli.core.gpus import Gpu


@click.command()
@click.argument("words", nargs=-1)
@options.common
def command(words: tuple[str, ...], output: str) -> None:
    """List the GPUs that infercli has facts about; WORDS narrow the list by name. -o json has their sources.

    \b
    Examples:
      infercli gpus
      infercli gpus h100
      infercli gpus rtx 6000
      infercli gpus -o json
    """
    from infercli.core.gpus import GPUS, find_gpu
    from infercli.core.units import gib

    name = " ".join(words)
    found = [gpu for gpu in GPUS.values() if all(word in gpu.name.lower() for word in name.lower().split())]
    if not found:
        found = [find_gpu(name)]  # the row in another spelling
    rows = [
        (
            gpu.name,
            gib(gpu.memory_bytes, 2),
            f"{gpu.memory_bandwidth_bytes_per_s / 1e9:,.0f}",
            f"{gpu.capability[0]}.{gpu.capability[1]}" if gpu.capability else gpu.platform,
            _tflops(gpu, "bf16"),
            _tflops(gpu, "fp8"),
            ("xGMI" if gpu.platform == "rocm" else "NVLink") if gpu.nvlink_bytes_per_s else "PCIe",
        )
        for gpu in found
    ]
    header = ("GPU", "MEMORY", "GB/S", "CAPABILITY", "BF16 TFLOPS", "FP8", "LINK")
    value = document("GpuList", gpus=[g.model_dump(mode="json") for g in found])
    emit(value, output, columns(rows, header))


def _tflops(gpu: Gpu, dtype: str) -> str:
    if not gpu.peak_flops:
        return "unknown"
    return f"{gpu.peak_flops[dtype] / 1e12:,.0f}" if dtype in gpu.peak_flops else "none"

"""gpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infercli.cli import options

if TYPE_CHECKING:
    from infercli.core.gpus import Gpu


@click.command()
@options.common
def command(output: str) -> None:
    """List the GPUs that infercli has facts about, each with its source (-o json).

    \b
    Examples:
      infercli gpus
      infercli gpus -o json
    """
    from infercli.cli.output import columns, emit
    from infercli.core.gpus import GPUS
    from infercli.core.units import gib

    rows = [
        (
            gpu.name,
            gib(gpu.memory_bytes, 2),
            f"{gpu.memory_bandwidth_bytes_per_s / 1e9:,.0f} GB/s",
            f"{gpu.capability[0]}.{gpu.capability[1]}" if gpu.capability else gpu.platform,
            _tflops(gpu, "bf16"),
            _tflops(gpu, "fp8"),
            "NVLink" if gpu.nvlink_bytes_per_s else "PCIe",
        )
        for gpu in GPUS.values()
    ]
    header = ("GPU", "MEMORY", "BANDWIDTH", "CAPABILITY", "BF16 TFLOPS", "FP8 TFLOPS", "LINK")
    emit([g.model_dump(mode="json") for g in GPUS.values()], output, columns(rows, header))


def _tflops(gpu: Gpu, dtype: str) -> str:
    if not gpu.peak_flops:
        return "unknown"
    return f"{gpu.peak_flops[dtype] / 1e12:,.0f}" if dtype in gpu.peak_flops else "none"

"""Engines of round figures, whose step times are then worked out by hand."""

from __future__ import annotations

from infercli.core.architecture.arch import Layout
from infercli.core.gpus import Gpu
from infercli.core.quantization.schemes import UNQUANTIZED
from infercli.core.shapes import find_shape
from infercli.core.speed.coefficients import ROOFLINE
from infercli.core.speed.schedule import Limits
from infercli.core.speed.steps import Runtime, StepTime
from infercli.core.speed.work import rank_work

LLAMA = find_shape("meta-llama/Llama-3.1-8B").arch
ROUND = Gpu(
    name="round", memory_bytes=80 * 10**9, memory_bandwidth_bytes_per_s=1e12, capability=(9, 0),
    peak_flops={"bf16": 1e15, "fp8": 2e15}, nvlink_bytes_per_s=900e9, source="made up: round figures",
)  # fmt: skip
NOW = Runtime(v0=False, asynchronous=True)


def step(arch=LLAMA, gpu=ROUND, coefficients=ROOFLINE, quantization=UNQUANTIZED, runtime=NOW, **layout):
    work = rank_work(
        arch, quantization, gpu, Layout(**layout), element_bytes=2, kv_element_bytes=2, engine_version=(0, 29)
    )
    return StepTime(work, gpu, coefficients, runtime)


def limits(**changed):
    return Limits(
        **{"max_num_seqs": 8, "max_num_batched_tokens": 16, "kv_tokens": None, "chunked_prefill": True} | changed
    )

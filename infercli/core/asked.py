"""What the user decided about a GPU engine, checked against model, GPU and profile. The rest is the planner's."""

from __future__ import annotations

from dataclasses import dataclass

from infercli.core.architecture.arch import ModelArch
from infercli.core.checkpoint import Quantization
from infercli.core.deployment import ModelDeployment
from infercli.core.engines.facts import EngineFacts
from infercli.core.gpus import Gpu
from infercli.core.profile import HardwareProfile
from infercli.core.quantization import capability_text
from infercli.core.record import Json
from infercli.core.sizing import ELEMENT_BYTES
from infercli.core.units import GIB, gib
from infercli.errors import InputError

_KV_BYTES = {"auto": None, "fp8": 1, "fp8_e4m3": 1, "bfloat16": 2, "float16": 2}
"""kv_cache_dtype -> bytes of an element; None: the model's dtype, or what the checkpoint asks for."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The settings that a user may decide, each with vLLM's default where nobody did."""

    dtype: str
    kv_dtype: str
    """As the engine is told."""
    kv_element_bytes: int
    block_tokens: int
    length: int | None
    """max_model_len where the user decided it; None where the planner does."""
    utilization: float
    """gpu_memory_utilization."""


def read_asked(
    arch: ModelArch,
    quantization: Quantization,
    gpu: Gpu,
    facts: EngineFacts,
    deployment: ModelDeployment,
    profile: HardwareProfile,
) -> Asked:
    """Raises InputError for what this model, GPU or profile cannot do."""
    args = deployment.engine_args
    dtype = _dtype(args, arch, gpu)
    kv_dtype, kv_element_bytes = _kv_dtype(args, quantization, dtype)
    return Asked(
        dtype=dtype,
        kv_dtype=kv_dtype,
        kv_element_bytes=kv_element_bytes,
        block_tokens=_block_tokens(args, facts),
        length=_length(deployment, arch),
        utilization=_utilization(args, gpu, facts, profile),
    )


def _dtype(args: dict[str, Json], arch: ModelArch, gpu: Gpu) -> str:
    asked = str(args.get("dtype", "auto"))
    names = {"auto": None, "half": "float16", "float16": "float16", "bfloat16": "bfloat16"}
    if asked not in names:
        raise InputError(f"engine_args.dtype: `{asked}` cannot be planned", f"use one of {', '.join(names)}")
    dtype = names[asked] or (arch.dtype if arch.dtype != "float32" else None) or "bfloat16"
    if dtype == "bfloat16" and gpu.capability is not None and gpu.capability < (8, 0):
        if asked == "bfloat16":
            raise InputError(
                f"engine_args.dtype: bfloat16 needs compute capability 8.0, and {gpu.name} has "
                f"{capability_text(gpu.capability)}",
                "leave it out, or use float16",
            )
        return "float16"
    return dtype


def _kv_dtype(args: dict[str, Json], quantization: Quantization, dtype: str) -> tuple[str, int]:
    asked = str(args.get("kv_cache_dtype", "auto"))
    if asked not in _KV_BYTES:
        raise InputError(
            f"engine_args.kv_cache_dtype: `{asked}` cannot be planned yet", f"use one of {', '.join(_KV_BYTES)}"
        )
    size = _KV_BYTES[asked]
    if size is None:
        size = 1 if quantization.kv_cache_fp8 else ELEMENT_BYTES[dtype]
    return asked, size


def _block_tokens(args: dict[str, Json], facts: EngineFacts) -> int:
    block = args.get("block_size") or facts.block_tokens
    if block % 16:
        raise InputError("engine_args.block_size: must be a multiple of 16", "leave it out: 16 is vLLM's default")
    return int(block)


def _length(deployment: ModelDeployment, arch: ModelArch) -> int | None:
    """max_model_len where the user decides it, else None. Raises InputError beyond the model's own."""
    where, asked = "engine_args.max_model_len", deployment.engine_args.get("max_model_len")
    if asked is None:
        where, asked = "workload.max_context_tokens", deployment.workload.max_context_tokens
    limit = arch.max_model_len
    tokens_each = deployment.workload.input_tokens + deployment.workload.output_tokens
    if asked is not None and not (isinstance(asked, int) and 1 <= asked <= limit):
        raise InputError(f"{where}: must be between 1 and {limit:,}, the model's own maximum, and is {asked}")
    if tokens_each > (asked or limit):
        raise InputError(
            f"workload: {tokens_each:,} tokens a request (input and output) are more than "
            + (f"{where} ({asked:,})" if asked else f"the model takes ({limit:,})"),
            "shorten workload.input_tokens or output_tokens",
        )
    return asked


def _utilization(args: dict[str, Json], gpu: Gpu, facts: EngineFacts, profile: HardwareProfile) -> float:
    total, reserved = gpu.memory_bytes, profile.reserved_gpu_memory_gib * GIB
    asked = args.get("gpu_memory_utilization")
    if asked is not None:
        if not 0 < asked <= 1:
            raise InputError("engine_args.gpu_memory_utilization: must be above 0 and at most 1")
        if asked * total > total - reserved:
            raise InputError(
                f"engine_args.gpu_memory_utilization: {asked} asks for {gib(asked * total)} of {gib(total)}, of "
                f"which others hold {gib(reserved)}",
                "lower it, or leave it out",
            )
        return float(asked)
    return default_utilization(gpu, facts, profile)


def default_utilization(gpu: Gpu, facts: EngineFacts, profile: HardwareProfile) -> float:
    """gpu_memory_utilization where nobody decides it: vLLM's default, or less where others hold memory."""
    total, reserved = gpu.memory_bytes, profile.reserved_gpu_memory_gib * GIB
    # vLLM refuses to start unless this much is free, besides the CUDA context and NCCL (1.5 GiB on H100).
    free_fraction = (total - reserved - 1.6 * GIB) / total if reserved else 1.0
    return max(0.05, min(facts.gpu_memory_utilization, int(free_fraction * 100) / 100))

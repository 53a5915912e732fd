"""The choices of the local target: vLLM's CPU build beside everything else that this machine does.

Nothing is estimated here. The KV cache is given in bytes, because without it the CPU engine demands 92 % of all memory,
and its size follows from the workload by vLLM's own arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator

from infercli.core.architecture.arch import Layout, ModelArch, uniform_attention
from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.plan import Choice, KvCache
from infercli.core.documents.profile import HardwareProfile
from infercli.core.engines.arguments import unplanned
from infercli.core.engines.facts import EngineFacts
from infercli.core.kv_cache.pool import CacheLayout, cache_layout
from infercli.core.kv_cache.specs import CacheSettings
from infercli.core.memory import sizing
from infercli.core.memory.weights import weights_bytes
from infercli.core.planning.outcome import Outcome, choice, untold
from infercli.core.planning.request import asked_length, length_reason
from infercli.core.quantization.checkpoint import Quantization
from infercli.core.record import Json
from infercli.core.units import GIB, MIB, gib
from infercli.errors import InputError

HEAD_DIMS = (32, 64, 80, 96, 112, 128, 160, 192, 224, 256, 512)
"""Head sizes that the CPU attention backend has (v1/attention/backends/cpu_attn.py of 0.29)."""

_LONGEST = 8192
"""max_model_len where nobody asked for one: memory is shared with the desktop, and prompts are slow on a CPU."""
_SEQS = 32
"""max_num_seqs where nobody asked for one: two cores give 2,600 tokens/s of a 5 M model at 32 streams, 1,700 at 8."""
_BATCHED = 2048
"""vLLM's default for a server on a CPU (engine/arg_utils.py get_batch_defaults)."""
_LEAST_KV_BYTES = 64 * MIB


def plan_local(
    arch: ModelArch,
    quantization: Quantization,
    facts: EngineFacts,
    deployment: ModelDeployment,
    profile: HardwareProfile,
) -> Outcome:
    """Raises InputError for arguments that the CPU engine cannot take."""
    args = {name: value for name, value in deployment.engine_args.items() if value is not None}  # null: vLLM's default
    _check(arch, args)
    length, length_given, why_length = _length(arch, deployment)
    requests = -(-deployment.workload.concurrency // deployment.replicas)
    tokens_each = min(length, deployment.workload.tokens_each(pools=arch.pooling))
    batched = int(args.get("max_num_batched_tokens") or max(_BATCHED, args.get("max_num_seqs") or 0))
    seqs = int(args.get("max_num_seqs") or min(batched, max(_SEQS, requests)))
    block = int(args.get("block_size") or facts.cpu_block_tokens)
    layout = _cache(arch, facts, _dtype(arch, args), block, batched)
    wanted = max(layout.bytes_to_admit(length), layout.bytes_to_hold(requests, tokens_each), _LEAST_KV_BYTES)
    kv_bytes = int(args.get("kv_cache_memory_bytes") or -(-wanted // MIB) * MIB)
    missing = max(0, wanted - kv_bytes) if "kv_cache_memory_bytes" in args else 0
    cache = layout.capacity(kv_bytes, length)
    memory_missing, memory_verdict = _machine(arch, quantization, kv_bytes, deployment, profile, args)
    fits, verdict = _verdict(cache, length, missing, memory_verdict, unplanned(args, "cpu"))
    engine_args: dict[str, Json] = {
        "enforce_eager": True,
        "tensor_parallel_size": 1,
        "max_model_len": length,
        "max_num_seqs": seqs,
        "max_num_batched_tokens": batched,
        "block_size": block,
        "kv_cache_memory_bytes": kv_bytes,
        "dtype": _dtype(arch, args),
        "trust_remote_code": False,
    }
    kv_reason = f"{requests} requests of {tokens_each:,} tokens, or one of max_model_len: {gib(kv_bytes, 2)}"
    eager_reason = "compiling takes a minute and is not needed here"
    choices = (
        Choice(name="max_model_len", value=length, reason=why_length, given=length_given),
        choice(args, "max_num_seqs", seqs, "enough to saturate a small machine, and the workload's concurrency"),
        choice(args, "kv_cache_memory_bytes", kv_bytes, kv_reason),
        choice(args, "block_size", block, "the CPU engine's own"),
        choice(args, "enforce_eager", args.get("enforce_eager", True), eager_reason),
    )
    return Outcome(
        engine_args=engine_args | args,
        gpus=0,
        max_num_seqs=seqs,
        choices=choices,
        memory=None,
        kv_cache=cache,
        longest_that_fits=layout.longest_that_fits(kv_bytes, arch.max_model_len),
        fits=fits,
        verdict=verdict,
        missing_bytes=missing or memory_missing,
        notes=tuple(_notes(deployment)),
    )


def _notes(deployment: ModelDeployment) -> Iterator[str]:
    asked = deployment.objectives.model_dump(exclude_none=True)
    if asked:
        yield (
            f"no speed is known of the CPU engine, so {' and '.join(asked)} of the objectives cannot be judged: "
            "`infercli bench` measures it"
        )


def _check(arch: ModelArch, args: dict[str, Json]) -> None:
    head_dim = uniform_attention(arch).head_dim
    if head_dim not in HEAD_DIMS:
        raise InputError(
            f"the CPU engine has no attention for a head size of {head_dim}",
            f"it has {', '.join(map(str, HEAD_DIMS))}; plan this model for a GPU profile",
        )
    if args.get("tensor_parallel_size") not in (None, 1):
        raise InputError(
            "engine_args.tensor_parallel_size: the local target runs one engine on one machine", "leave it out"
        )


def _verdict(
    cache: KvCache, length: int, missing_bytes: int, memory_verdict: str, open_questions: list[str]
) -> tuple[bool | None, str]:
    """(whether it fits, in words)."""
    if missing_bytes:
        return False, f"does not fit: {gib(missing_bytes, 2)} of KV cache missing"
    if memory_verdict:
        return False, memory_verdict
    if open_questions:
        return None, untold(open_questions)
    concurrency, tokens = cache.concurrency, cache.tokens
    return True, f"fits: {concurrency:.1f} requests of {length:,} tokens at once ({tokens:,} tokens of KV cache)"


def _cache(arch: ModelArch, facts: EngineFacts, dtype: str, block_tokens: int, batched_tokens: int) -> CacheLayout:
    """The CPU engine schedules no batch ahead, and its attention takes blocks of 32 (platforms/cpu.py, cpu_attn.py)."""
    asked = CacheSettings(
        engine_version=facts.version,
        dtype=dtype,
        block_tokens=block_tokens,
        kernel_block_tokens=32,
        max_num_batched_tokens=batched_tokens,
        async_scheduling=False,
    )
    found = cache_layout(arch, Layout(), asked)
    assert found is not None, "every layer has full attention"
    return found


def _dtype(arch: ModelArch, args: dict[str, Json]) -> str:
    asked = str(args.get("dtype", "auto"))
    asked = {"half": "float16"}.get(asked, asked)
    if asked == "auto":
        return "bfloat16" if arch.dtype in (None, "float32") else str(arch.dtype)
    if asked not in sizing.ELEMENT_BYTES:
        raise InputError(f"engine_args.dtype: `{asked}` cannot be planned", f"use {', '.join(sizing.ELEMENT_BYTES)}")
    return asked


def _length(arch: ModelArch, deployment: ModelDeployment) -> tuple[int, bool, str]:
    """(max_model_len, whether the user decides it, why it is that)."""
    asked = asked_length(deployment, arch)
    if asked is not None:
        return asked, True, length_reason(deployment)
    if arch.max_model_len <= _LONGEST:
        return arch.max_model_len, False, "the model's own maximum"
    return _LONGEST, False, f"memory is shared with everything else here; the model takes {arch.max_model_len:,}"


def _machine(
    arch: ModelArch,
    quantization: Quantization,
    kv_bytes: int,
    deployment: ModelDeployment,
    profile: HardwareProfile,
    args: dict[str, Json],
) -> tuple[int, str]:
    """(bytes that the machine lacks, the verdict on it); (0, "") where it is enough or the profile does not say."""
    memory_gib = profile.nodes[0].memory_gib
    if memory_gib is None:
        return 0, ""
    weights = weights_bytes(arch, quantization, Layout(), sizing.ELEMENT_BYTES[_dtype(arch, args)])
    need = deployment.replicas * (weights + kv_bytes)
    missing = max(0, need - int(memory_gib * GIB))
    if not missing:
        return 0, ""
    return missing, (
        f"does not fit: weights and KV cache take {gib(need)}, and profile {profile.name} has {memory_gib:g} GiB"
    )

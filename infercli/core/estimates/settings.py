"""What an engine would run with: what a request says, and that version's own choice where it says nothing."""

from __future__ import annotations

from typing import Literal, get_args

from infercli.core.architecture.arch import Attention, Experts, LatentAttention, ModelArch, feed_forwards, mixers
from infercli.core.engine_version import number_of
from infercli.core.engines.classes import missing_class
from infercli.core.engines.facts import EngineFacts
from infercli.core.estimates.answer import Settings
from infercli.core.estimates.problems import Problems
from infercli.core.estimates.request import EstimateRequest
from infercli.core.gpus import Gpu
from infercli.core.kv_cache.attention_backends import backend_problems, picks_by_compressed_keys
from infercli.core.kv_cache.blocks import backend_block_tokens
from infercli.core.kv_cache.specs import CacheDtype
from infercli.core.memory.lora import LARGEST_VOCAB, MAX_LORA_RANKS, WRAPPED, unknown_slots
from infercli.core.memory.vision import least_batch
from infercli.core.quantization.checkpoint import Quantization
from infercli.core.quantization.methods import capability_text
from infercli.core.quantization.schemes import EXPERTS, require_gpu

_DTYPES = {
    "auto": None, "half": "float16", "float16": "float16", "bfloat16": "bfloat16", "float": "float32",
    "float32": "float32",
}  # fmt: skip
"""vLLM's names of model dtypes; None: what the checkpoint says."""

_NO_FLOAT16 = ("Gemma2ForCausalLM", "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration", "Glm4ForCausalLM")
_REFUSES_FLOAT16 = (0, 9, 1)
"""From this version on vLLM refuses float16 for these classes, which overflow in it: where the GPU has no bfloat16,
`auto` is float32 then (config/model.py _FLOAT16_NOT_SUPPORTED_MODELS)."""

_BFLOAT16_ALONE = ("InklingFor",)
"""First part of the names of classes that assert it (0.26 to 0.33 models/inkling/nvidia/sconv_swa_attn.py)."""

_NVFP4_ALONE = ("MuseSparkFor",)
"""First part of the names of classes that take no other quantization (0.33 models/muse_spark/nvidia/model.py)."""

_FALLS_BACK = (0, 9, 0)
"""From this version on `auto` takes another dtype where the GPU lacks the checkpoint's; before, vLLM did not start."""

_TAKES_KV_CACHE_BYTES = (0, 10, 2)
"""The first version with kv_cache_memory_bytes (config/cache.py, v1/worker/gpu_worker.py)."""

BITSANDBYTES_EAGER = (0, 5, 5)
"""The first version that leaves CUDA graphs out for bitsandbytes. 0.5.4 refuses (config.py of both); before, capturing
failed or the answers were nonsense (vllm-project/vllm#5569)."""
_BITSANDBYTES_GRAPHS = (0, 6, 2)
"""The first that captures them (vllm-project/vllm#8768)."""

_RAISES_ITSELF = (0, 22)
"""From this version vLLM's own batch holds a video that is taken whole (engine/arg_utils.py
_get_min_mm_batched_tokens); before, its default may be less than it then refuses."""
_OBEYS_WHOLE = (0, 10, 2)
"""From this version V1 refuses a batch that does not hold a prompt that is not cut; 0.10.0 sets its own
(engine/arg_utils.py _set_default_args_v1)."""

_AMPERE = "choose a GPU of compute capability 8.0 or more"
"""What to do where only a GPU with bfloat16 helps."""

_BLOCK_STEP = 16
"""Tokens (v1/attention/backends/flash_attn.py, triton_attn.py, flashinfer.py get_supported_kernel_block_sizes)."""

_SLOTS_READ_IN = (0, 29)
"""Which layers get slots for adapters was read in this version; a log of 0.22 agrees, older ones were not looked at."""

_KV_DTYPES: tuple[str, ...] = get_args(CacheDtype)
"""Names of kv_cache_dtype whose layout is taught."""


def settle(
    request: EstimateRequest,
    arch: ModelArch,
    quantization: Quantization,
    gpu: Gpu,
    facts: EngineFacts,
    problems: Problems,
    *,
    batch_is_said: bool,
) -> tuple[Settings, tuple[str, ...]]:
    """(settings, notes). What cannot be goes into `problems`; the settings then say what was asked.

    `batch_is_said`: the engine is told max_num_batched_tokens, as plans do, which is then as large as it has to be.
    """
    notes: tuple[str, ...] = ()
    with problems.at("gpu"):
        facts.require_gpu(gpu)
    lacking = missing_class(arch, facts)
    if lacking is not None:
        problems.add("engine_version", *lacking)
    with problems.at("quantization"):
        notes = require_gpu(quantization, gpu, facts.version)
    if quantization.only == EXPERTS and not any(isinstance(f, Experts) for f in feed_forwards(arch)):
        what = f"{quantization.method} quantizes routed experts alone, and {arch.architecture} has none"
        problems.add("quantization", what, "choose another, or leave it out")
    if quantization.method not in ("none", "nvfp4") and arch.architecture.startswith(_NVFP4_ALONE):
        what = f"vLLM runs {arch.architecture} in 16 bits or in nvfp4, and not in {quantization.method}"
        problems.add("quantization", what, "choose nvfp4, or leave it out")
    length, said = _length(request, arch, facts, problems)
    notes += said
    seqs, tokens = _batch(request, arch, gpu, facts, problems, length=length, batch_is_said=batch_is_said)
    notes += _cache_dtype(request, arch, quantization, gpu, facts, problems)
    dtype, said = _dtype(request, arch, quantization, gpu, facts, problems)
    notes += said
    notes += _adapters(request, arch, quantization, facts, problems)
    fp8_cache = request.kv_cache_dtype.startswith("fp8") or (
        request.kv_cache_dtype == "auto" and quantization.caches_fp8(facts.release)
    )
    _check_cache_sizes(request, facts, problems)
    block = request.block_size or backend_block_tokens(arch, facts.release, gpu.capability, fp8_cache)
    return Settings(
        tensor_parallel_size=request.tensor_parallel_size,
        pipeline_parallel_size=request.pipeline_parallel_size,
        data_parallel_size=request.data_parallel_size,
        enable_expert_parallel=request.enable_expert_parallel,
        dtype=dtype,
        kv_cache_dtype=request.kv_cache_dtype,
        quantization=quantization.method,
        max_model_len=length,
        max_num_seqs=seqs,
        max_num_batched_tokens=tokens,
        gpu_memory_utilization=request.gpu_memory_utilization or facts.gpu_memory_utilization,
        kv_cache_memory_bytes=request.kv_cache_memory_bytes,
        block_size=block or facts.block_tokens,
        enforce_eager=request.enforce_eager
        or (runs_bitsandbytes(quantization) and BITSANDBYTES_EAGER <= facts.number < _BITSANDBYTES_GRAPHS),
    ), notes


def _batch(
    request: EstimateRequest,
    arch: ModelArch,
    gpu: Gpu,
    facts: EngineFacts,
    problems: Problems,
    *,
    length: int,
    batch_is_said: bool,
) -> tuple[int, int]:
    """(max_num_seqs, max_num_batched_tokens) of requests of at most `length` tokens; `batch_is_said` as in `settle`."""
    offline = request.workload is not None and request.workload.offline
    usage: Literal["server", "offline"] = "offline" if offline else "server"
    chunkable, least = _v0_batch(request, arch, facts)
    defaults = facts.device_defaults(
        gpu, max_model_len=length, usage=usage, chunkable=chunkable, at_least=least, uncut=_sees_all(arch),
        max_num_seqs=request.max_num_seqs,
    )  # fmt: skip
    seqs = request.max_num_seqs or defaults.max_num_seqs
    item = least_batch(arch, facts.release, request.items(arch))
    raised = max(request.max_num_seqs or 0, item) if batch_is_said else item if facts.release >= _RAISES_ITSELF else 0
    tokens = request.max_num_batched_tokens or max(defaults.max_num_batched_tokens, raised)
    if request.max_num_seqs is None:
        seqs = min(seqs, tokens)
    _check_batch(request, arch, facts, problems, tokens=tokens, seqs=seqs, item=item, length=length)
    return seqs, tokens


def _cache_dtype(
    request: EstimateRequest,
    arch: ModelArch,
    quantization: Quantization,
    gpu: Gpu,
    facts: EngineFacts,
    problems: Problems,
) -> tuple[str, ...]:
    """Notes; what kv_cache_dtype, and attention with it, cannot be goes into `problems`."""
    if request.kv_cache_dtype not in _KV_DTYPES:
        problems.add(
            "kv_cache_dtype", f"`{request.kv_cache_dtype}` cannot be planned", f"one of {', '.join(_KV_DTYPES)}"
        )
    notes = []
    for problem in backend_problems(arch, quantization, gpu, facts, request.kv_cache_dtype):
        if facts.between_releases:
            notes.append(f"a release would refuse it: {problem.what}")
        else:
            problems.add(*problem)
    return tuple(notes)


def _check_cache_sizes(request: EstimateRequest, facts: EngineFacts, problems: Problems) -> None:
    """What vLLM refuses of the size of a block and of the whole cache."""
    if request.block_size is not None and request.block_size % _BLOCK_STEP:
        problems.add(
            "block_size",
            f"{request.block_size} is not a multiple of {_BLOCK_STEP}, which the attention kernels of GPUs need",
            "leave it out: vLLM takes what its backend wants",
        )
    if request.kv_cache_memory_bytes is not None and facts.number < _TAKES_KV_CACHE_BYTES:
        problems.add(
            "kv_cache_memory_bytes",
            f"vLLM {facts.version} has no such argument: {'.'.join(map(str, _TAKES_KV_CACHE_BYTES))} was the first",
            "leave it out: what is left of gpu_memory_utilization is taken",
        )


def _check_batch(
    request: EstimateRequest,
    arch: ModelArch,
    facts: EngineFacts,
    problems: Problems,
    *,
    tokens: int,
    seqs: int,
    item: int,
    length: int,
) -> None:
    """What vLLM refuses of a batch of `tokens`; `item`: those of a video that is taken whole."""
    stated = request.max_num_batched_tokens is not None
    where = "max_num_batched_tokens"
    said = f"{tokens:,} is" if stated else f"vLLM {facts.version} takes {tokens:,} here where nobody says it, which is"
    if tokens < seqs:
        problems.add(
            where,
            f"{said} less than max_num_seqs ({seqs:,}): vLLM refuses",
            "a step must have room for one token of every sequence" + ("" if stated else f": say {seqs:,} or more"),
        )
    if tokens < item:
        problems.add(
            where,
            f"{said} less than the {item:,} tokens of a video, which the model takes whole: vLLM refuses",
            'raise it, or switch videos off: limit_mm_per_prompt {"video": 0}',
        )
    overrides = facts.v1_from == "always" and facts.number < _OBEYS_WHOLE
    if tokens < length and _sees_all(arch) and facts.release >= (0, 8) and not overrides:
        problems.add(
            where,
            f"{said} less than max_model_len ({length:,}), and {arch.architecture} takes prompts whole: vLLM refuses",
            "leave it out, or lower max_model_len",
        )


def _sees_all(arch: ModelArch) -> bool:
    """Tokens see later ones too, so that no prompt is cut (vLLM 0.29 config/model.py is_chunked_prefill_supported)."""
    return arch.pooling and all(isinstance(m, Attention) and not m.cached for m in mixers(arch))


def runs_bitsandbytes(quantization: Quantization) -> bool:
    """Whether a module of the checkpoint is of that method."""
    return any(method.name == "bitsandbytes" for method in quantization.methods)


def _v0_batch(request: EstimateRequest, arch: ModelArch, facts: EngineFacts) -> tuple[bool, int]:
    """(whether V0 cuts long prompts into chunks by default, tokens of its smallest batch).

    vLLM 0.5.3 to 0.8.5 engine/arg_utils.py (0.8: _set_default_args_v0), config.py SchedulerConfig. 0.7.1 to 0.7.3 let
    latent attention keep the batch of chunks, and then cut nothing.
    """
    version = number_of(facts.version)
    windowed = all(isinstance(m, Attention) and m.window is not None for m in mixers(arch))
    latent = any(isinstance(m, LatentAttention) for m in mixers(arch))
    unfit = windowed or request.speculation is not None or request.adapters is not None
    unfit = unfit or (bool(request.enable_prefix_caching) and version < (0, 6, 1))
    since = ((bool(arch.encoders), (0, 6, 2)), (arch.pooling, (0, 6, 5)), (latent, (0, 8, 0)))
    unfit = unfit or any(has and version >= first for has, first in since)
    seen = 5120 if version >= (0, 6, 3) else 4096 if version >= (0, 6, 0) else 2048
    return not unfit, 32768 if arch.pooling else seen if arch.encoders else 2048


def _adapters(
    request: EstimateRequest, arch: ModelArch, quantization: Quantization, facts: EngineFacts, problems: Problems
) -> tuple[str, ...]:
    """Notes; what cannot be goes into `problems`. vLLM looks at the slots only where adapters are enabled."""
    if request.adapters is None:
        return ()
    if request.max_lora_rank not in MAX_LORA_RANKS:
        allowed = ", ".join(str(rank) for rank in MAX_LORA_RANKS)
        problems.add(
            "max_lora_rank",
            f"{request.max_lora_rank} is none that vLLM takes",
            f"the smallest that holds the ranks of all adapters, of {allowed}",
        )
    unknown = unknown_slots(arch, quantization)
    if unknown is not None:
        problems.add("enable_lora", unknown, "leave enable_lora out; to teach the class: core/memory/lora.py")
    elif WRAPPED[arch.architecture].lm_head and arch.vocab > LARGEST_VOCAB:
        problems.add(
            "enable_lora",
            f"vLLM takes adapters of {arch.architecture} up to a vocabulary of {LARGEST_VOCAB:,}, and this has "
            f"{arch.vocab:,}",
            "leave enable_lora out",
        )
    if facts.release < _SLOTS_READ_IN:
        return (f"adapters: their slots are counted as vLLM {'.'.join(map(str, _SLOTS_READ_IN))} allocates them",)
    return ()


def _dtype(
    request: EstimateRequest,
    arch: ModelArch,
    quantization: Quantization,
    gpu: Gpu,
    facts: EngineFacts,
    problems: Problems,
) -> tuple[str, tuple[str, ...]]:
    """(dtype, notes)."""
    asked = request.dtype
    if asked not in _DTYPES:
        problems.add("dtype", f"`{asked}` is none that vLLM takes", f"one of {', '.join(_DTYPES)}")
        return "bfloat16", ()
    said = _DTYPES[asked]
    chosen = said or (arch.dtype if arch.dtype in ("float16", "bfloat16") else "bfloat16")
    notes: tuple[str, ...] = ()
    if chosen == "float16" and not _takes_float16(arch, facts):
        if said:
            what = f"vLLM {facts.version} refuses float16 for {arch.architecture}, which overflows in it"
            problems.add("dtype", what, "leave dtype out, or use bfloat16 or float32")
        chosen = "bfloat16"
    if chosen == "bfloat16" and gpu.capability is not None and not _has_bfloat16(gpu):
        if said:
            problems.add(
                "dtype",
                f"bfloat16 needs compute capability 8.0, and {gpu.name} has {capability_text(gpu.capability)}",
                "leave dtype out, or use float16",
            )
        chosen, why = _instead_of_bfloat16(arch, facts)
        notes = tuple(f"{gpu.name} has no bfloat16: {w}" for w in why)
    if chosen == "float32" and quantization.method != "none":
        hint = "leave dtype out, or use bfloat16" if said else _AMPERE
        problems.add("dtype", f"float32 is none that {quantization.method} computes in", hint)
    if chosen != "bfloat16" and arch.architecture.startswith(_BFLOAT16_ALONE):
        hint = "leave dtype out, or use bfloat16" if said and _has_bfloat16(gpu) else _AMPERE
        problems.add("dtype", f"vLLM runs {arch.architecture} in bfloat16 alone, not in {chosen}", hint)
    if chosen == "float16" and _bfloat16_only(quantization):
        what = f"float16 is none that vLLM computes {quantization.method} in"
        hint = "leave dtype out, or use bfloat16" if said else "use bfloat16"
        problems.add("dtype", what, hint if _has_bfloat16(gpu) else _AMPERE)
    if chosen != "bfloat16" and picks_by_compressed_keys(arch):  # 0.29 to 0.33 models/qwen4_exp/nvidia/qsa.py
        what = f"the attention of {arch.architecture} computes in bfloat16 alone"
        problems.add("dtype", what, "leave dtype out, or use bfloat16" if _has_bfloat16(gpu) else _AMPERE)
    return chosen, notes


def _has_bfloat16(gpu: Gpu) -> bool:
    return gpu.capability is None or gpu.capability >= (8, 0)


def _bfloat16_only(quantization: Quantization) -> bool:
    """Mxfp4Config, which gpt-oss has, and ModelOptMxFp8Config; other formats of both compute in float16 too.

    vLLM 0.10.2 to 0.33 layers/quantization/mxfp4.py, 0.16 to 0.33 modelopt.py get_supported_act_dtypes.
    """
    gpt_oss = quantization.method == "mxfp4" and quantization.only == EXPERTS
    return gpt_oss or (quantization.method == "mxfp8" and quantization.kv_scales)


def _takes_float16(arch: ModelArch, facts: EngineFacts) -> bool:
    return arch.architecture not in _NO_FLOAT16 or facts.number < _REFUSES_FLOAT16


def _instead_of_bfloat16(arch: ModelArch, facts: EngineFacts) -> tuple[str, tuple[str, ...]]:
    """(dtype, why it is not the usual float16)."""
    if not _takes_float16(arch, facts):
        return "float32", (f"float32, since vLLM refuses float16 for {arch.architecture}",)
    if facts.number < _FALLS_BACK:
        return "float16", (f"vLLM {facts.version} starts only if it is told --dtype=half",)
    return "float16", ()


def _length(
    request: EstimateRequest, arch: ModelArch, facts: EngineFacts, problems: Problems
) -> tuple[int, tuple[str, ...]]:
    """(max_model_len, notes)."""
    limit, short = arch.max_model_len, arch.short_model_len
    asked = request.max_model_len
    notes: tuple[str, ...] = ()
    if asked is not None and asked > limit:
        problems.add(
            "max_model_len", f"{asked:,} is more than the model's own maximum of {limit:,}", "leave it out, or lower it"
        )
    default = limit
    if facts.short_rope_first and short is not None and short < limit:
        default = short
        if asked is None:
            said = f"vLLM {facts.version} starts this model with {short:,} tokens where no max_model_len is said"
            notes = (f"{said}: longer requests, up to {limit:,}, take its long RoPE table",)
    length = min(asked or default, limit)
    load = request.workload
    if load is not None and load.input_len + load.output_len > length:
        problems.add(
            "workload",
            f"{load.input_len + load.output_len:,.0f} tokens a request (input and output) are more than max_model_len "
            f"({length:,})",
            "shorten input_len or output_len, or raise max_model_len",
        )
    return length, notes

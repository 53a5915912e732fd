"""What was planned on GPUs as an outcome: the engine's arguments, why each is as it is, and the verdict."""

from __future__ import annotations

from infercli.core.architecture.unseen import unseen_note
from infercli.core.documents.plan import Choice, GpuMemory, KvCache
from infercli.core.kv_cache.blocks import block_must_be_said
from infercli.core.memory.compressed_attention import compressed
from infercli.core.memory.shared import held_at_start_bytes, who_holds_it
from infercli.core.memory.vision import least_batch
from infercli.core.planning.gpu import GpuPlanner, Tried
from infercli.core.planning.notes import gpu_notes
from infercli.core.planning.outcome import Outcome, Question, choice, untold
from infercli.core.planning.placement import nodes_of, placement_problem
from infercli.core.quantization.methods import METHODS
from infercli.core.record import Json
from infercli.core.units import GIB, gib, rounded


def gpu_outcome(planner: GpuPlanner) -> Outcome:
    """The smallest tensor-parallel size that fits; where none does, the one that comes nearest."""
    tried, length_reason = planner.with_length(planner.choose())
    gpus, memory, layout = tried.request.gpus_per_replica, tried.sized.memory, tried.sized.layout
    question = _question(planner, tried)
    placement = placement_problem(planner.profile, gpus, planner.deployment.replicas)
    held, free = tried.sized.room.holds(tried.need_bytes), tried.sized.free
    fits = False if placement else None if held and (planner.open_questions or not free) else held
    cache, longest = None, None
    if layout is not None:  # else it keeps nothing between tokens
        cache = layout.capacity(tried.left.low_bytes, tried.settings.max_model_len)
        longest = layout.longest_that_fits(max(0, tried.left.low_bytes), planner.arch.max_model_len)
    return Outcome(
        engine_args=_engine_args(planner, tried),
        gpus=gpus,
        max_num_seqs=tried.settings.max_num_seqs,
        choices=_choices(planner, tried, length_reason),
        memory=GpuMemory(total_bytes=memory.total_bytes, budget_bytes=memory.budget_bytes, terms=memory.terms),
        kv_cache=cache,
        longest_that_fits=longest,
        fits=fits,
        verdict=_verdict(planner, tried, cache, placement),
        missing_bytes=tried.missing_bytes,
        notes=gpu_notes(question, planner.profile, planner.said),
        question=question,
    )


def _question(planner: GpuPlanner, tried: Tried) -> Question:
    return Question(
        request=tried.request,
        settings=tried.settings,
        sized=tried.sized,
        arch=planner.arch,
        quantization=planner.quantization,
        gpu=planner.gpu,
        facts=planner.facts,
        requests=planner.requests,
        tokens_each=planner.tokens_each,
        asked_length=planner.request.max_model_len,
        need_bytes=tried.need_bytes,
    )


def _engine_args(planner: GpuPlanner, tried: Tried) -> dict[str, Json]:
    chosen = tried.settings
    args: dict[str, Json] = {
        "tensor_parallel_size": chosen.tensor_parallel_size,
        "max_model_len": chosen.max_model_len,
        "max_num_seqs": chosen.max_num_seqs,
        "max_num_batched_tokens": chosen.max_num_batched_tokens,
        "gpu_memory_utilization": chosen.gpu_memory_utilization,
        "kv_cache_dtype": chosen.kv_cache_dtype,
        "dtype": chosen.dtype,
        "trust_remote_code": False,
    }
    online = METHODS[planner.quantization.method].engine_quantization
    block = {"block_size": chosen.block_size} if block_must_be_said(planner.arch) else {}
    return args | block | ({"quantization": online} if online else {}) | planner.args


# Why each choice is as it is.


def _choices(planner: GpuPlanner, tried: Tried, length_reason: str) -> tuple[Choice, ...]:
    args, chosen = planner.args, tried.settings
    fit = "the smallest that fits" if tried.missing_bytes == 0 else "none fits, this one comes nearest"
    ranks_reason = f"{fit}; GPUs per node: {planner.profile.gpus_per_node}"
    given = planner.request.max_model_len is not None
    return (
        choice(args, "tensor_parallel_size", chosen.tensor_parallel_size, ranks_reason),
        *(
            choice(args, name, args[name], "")
            for name in ("pipeline_parallel_size", "enable_expert_parallel", "kv_cache_memory_bytes")
            if name in args
        ),
        Choice(name="max_model_len", value=chosen.max_model_len, reason=length_reason, given=given),
        choice(args, "max_num_seqs", chosen.max_num_seqs, _sequences_reason(planner, tried)),
        choice(args, "max_num_batched_tokens", chosen.max_num_batched_tokens, _batch_reason(planner, tried)),
        choice(args, "kv_cache_dtype", chosen.kv_cache_dtype, _kv_cache_reason(planner, tried)),
        choice(args, "gpu_memory_utilization", chosen.gpu_memory_utilization, _utilization_reason(planner)),
        choice(args, "dtype", chosen.dtype, _dtype_reason(planner)),
    )


def _sequences_reason(planner: GpuPlanner, tried: Tried) -> str:
    default = planner.settings.max_num_seqs
    reason = f"vLLM's default on {planner.gpu.name}"
    if tried.settings.max_num_seqs == default:
        return reason
    why = "the memory that its sampler takes is needed for the KV cache"
    layout = tried.sized.layout
    if tried.sized.capture_bytes and layout is not None and layout.bytes_to_capture(default) > tried.left.low_bytes:
        why = "vLLM refuses more than the KV cache has blocks, one for the state of each request"
    return f"{reason} is {default}; {why if not tried.missing_bytes else 'even this few do not help'}"


def _batch_reason(planner: GpuPlanner, tried: Tried) -> str:
    tokens = tried.settings.max_num_batched_tokens
    if tokens == least_batch(planner.arch, planner.facts.release, planner.items):
        return "the tokens of a video, which the model takes whole: vLLM refuses smaller batches"
    if tokens == planner.args.get("max_num_seqs"):
        return "raised to max_num_seqs: vLLM refuses smaller batches, and keeps its default all the same"
    if tokens == planner.settings.max_model_len and tried.sized.layout is None:
        return "the longest prompt: the model takes prompts whole, and vLLM refuses smaller batches"
    return f"vLLM's default on {planner.gpu.name}, written out: under Ray vLLM may not see the GPU that decides it"


def _kv_cache_reason(planner: GpuPlanner, tried: Tried) -> str:
    if tried.sized.layout is None:
        return "vLLM's default; there is no KV cache"
    if planner.quantization.caches_fp8(planner.facts.release):
        return "the checkpoint asks for an FP8 KV cache"
    if compressed(planner.arch):
        return "compressed attention has no other cache, and vLLM stops where FP8 is not asked for"
    return "the model's dtype: FP8 would hold twice as much, and is never chosen silently"


def _utilization_reason(planner: GpuPlanner) -> str:
    if planner.request.kv_cache_memory_bytes is not None:
        return "what must be free at the start; kv_cache_memory_bytes says what the KV cache takes"
    if planner.settings.gpu_memory_utilization == planner.facts.gpu_memory_utilization:
        return f"vLLM {planner.facts.version}'s default"
    reserved = planner.profile.reserved_gpu_memory_gib
    if held := held_at_start_bytes(planner.gpu, planner.facts):
        said = f"{planner.gpu.name} shares its memory: others may hold {gib(held)} of it when vLLM looks"
        return f"{said}, beside the {reserved:g} GiB of the profile" if reserved else said
    return f"others hold {reserved:g} GiB of every GPU"


def _dtype_reason(planner: GpuPlanner) -> str:
    if planner.settings.dtype == "float16" and planner.arch.dtype == "bfloat16":
        return f"{planner.gpu.name} has no bfloat16"
    same = planner.arch.dtype == planner.settings.dtype
    return "what the checkpoint says" if same else "what vLLM makes of the checkpoint's dtype"


# The verdict.


def _verdict(planner: GpuPlanner, tried: Tried, cache: KvCache | None, placement: str | None) -> str:
    held, free = tried.sized.room.holds(tried.need_bytes), tried.sized.free
    gpus, missing = _gpus_text(planner, tried), rounded(tried.missing_bytes / GIB, 1)
    if held is False:
        why = ""
        if tried.need_bytes == tried.sized.capture_bytes:
            why = f"max_num_seqs {tried.settings.max_num_seqs:,} asks for as many blocks of the KV cache, "
        return f"does not fit on {gpus}: {why}{missing} GiB missing per GPU"
    if placement:
        return f"does not fit on the profile: {placement}"
    if planner.open_questions:
        return untold(planner.open_questions)
    if held is None and not tried.missing_bytes:
        return f"cannot be told on {gpus}: {unseen_note(planner.arch)}"
    if held is None:
        return (
            f"cannot be told on {gpus}: within the error of the estimates, and {missing} GiB per GPU are missing "
            "at their high end"
        )
    if not free:
        beside = gib(tried.sized.memory.total_bytes - tried.sized.memory.budget_bytes, 2)
        return (
            f"cannot be told on {gpus}: gpu_memory_utilization leaves {beside}, and "
            f"{who_holds_it(planner.gpu)} may be more: vLLM then refuses to start"
        )
    if cache is None:
        return f"fits on {gpus}: it keeps nothing between tokens"
    seqs, of_workload = tried.settings.max_num_seqs, f"{planner.requests} of {planner.tokens_each:,}"
    said = f"{of_workload} as the workload says"
    if seqs < planner.requests:
        said = f"of the workload's {of_workload} max_num_seqs lets {seqs} run"
    return (
        f"fits on {gpus}: at least {min(seqs, cache.concurrency):.1f} requests of "
        f"{tried.settings.max_model_len:,} tokens at once, {said}"
    )


def _gpus_text(planner: GpuPlanner, tried: Tried) -> str:
    """`2 x H100`, or `16 x H100 (2 stages of 8, 2 nodes)`."""
    gpus, stages = tried.request.gpus_per_replica, tried.settings.pipeline_parallel_size
    text = f"{gpus} x {planner.gpu.name}"
    if stages == 1:
        return text
    nodes = nodes_of(planner.profile, gpus) or 1
    return f"{text} ({stages} stages of {tried.settings.tensor_parallel_size}{f', {nodes} nodes' * (nodes > 1)})"

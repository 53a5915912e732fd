"""The memory of an estimate: every term of a GPU, what is left for the KV cache, and whether the engine starts."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from infercli.core.architecture.arch import LayerGroup, Layout, ModelArch, StateSpace, mixers
from infercli.core.architecture.unseen import unseen_note
from infercli.core.documents.plan import MemoryTerm
from infercli.core.engines import find_engine
from infercli.core.engines.facts import EngineFacts
from infercli.core.estimates.answer import EstimatedKvCache, EstimatedMemory, Settings
from infercli.core.estimates.request import EstimateRequest, Speculation
from infercli.core.gpus import Gpu
from infercli.core.kv_cache.attention_backends import attends_by_flashinfer
from infercli.core.kv_cache.pool import CacheLayout, cache_layout
from infercli.core.kv_cache.rules import rules_for
from infercli.core.kv_cache.specs import CacheSettings, kv_dtype, states_bytes
from infercli.core.memory import sizing
from infercli.core.memory.batch import Draft, Load
from infercli.core.memory.cuda_graphs import captures_graphs, estimates_graphs
from infercli.core.memory.shared import shared_memory_notes, who_holds_it
from infercli.core.memory.tables import table_notes
from infercli.core.quantization.checkpoint import Quantization
from infercli.core.units import gib
from infercli.errors import UnknownName, Unsupported

if TYPE_CHECKING:
    from infercli.core.estimates.learning import Learned, LearnedRuns

_KEEP_LATENT = ("none", "fp8", "fp8-online")
"""Weights whose latent attention vLLM 0.7.1 and 0.7.2 run as such (config.py use_mla)."""

_UNDERESTIMATED_FRACTION = 0.02
"""Of the budget. Nine in ten public start-up logs (139 of vLLM 0.4 to 0.25, benchmarks/accuracy) left at most 1.1 % of
it more for the KV cache than estimated; the others ran inside a training process or shared their memory."""


class Room(NamedTuple):
    """Of the KV cache: what is left for it, and what it takes."""

    left: MemoryTerm
    """Of the budget, after all other terms."""
    held: MemoryTerm
    """What it takes: what is left, or the size that it was given."""
    budget_bytes: int
    confirmed: bool
    """The architecture's layout was seen on real logs or configs."""
    lighter_bytes: int = 0
    """How much less than computed the weights may be, where what is left unquantized of them is assumed."""

    @property
    def given(self) -> bool:
        """The cache was given its size."""
        return self.held is not self.left

    def holds(self, need_bytes: int) -> bool | None:
        """Whether the KV cache holds `need_bytes`, and there is room for it.

        True at the pessimistic end of every estimate, and never for an architecture that is not `confirmed`; false
        where even an error as large as logs show does not help.
        """
        if self.given:
            if self.held.bytes < need_bytes:
                return False
            need_bytes = self.held.bytes
        if self.left.low_bytes >= need_bytes:
            return True if self.confirmed else None
        more = round(_UNDERESTIMATED_FRACTION * self.budget_bytes) + self.lighter_bytes
        best = min(self.left.high_bytes, self.left.bytes + more)
        return False if best < need_bytes else None

    def missing(self, need_bytes: int) -> int:
        """Bytes, with every estimate at its high end; 0 where the KV cache holds so much."""
        lacks = self.held.bytes - self.left.low_bytes if self.given else 0
        return max(0, need_bytes - self.held.low_bytes, lacks)


class Sized(NamedTuple):
    """The memory part of an answer, and what was sized."""

    arch: ModelArch
    quantization: Quantization
    facts: EngineFacts
    load: Load
    memory: EstimatedMemory
    kv_cache: EstimatedKvCache | None
    """None: a model that keeps nothing between tokens."""
    starts: bool | None
    reason: str
    missing_bytes: int
    room: Room
    capture_bytes: int
    """What the KV cache must hold for CUDA graphs of max_num_seqs requests with states; 0: nothing asks for it."""
    free: bool | None
    """The engine's share is free when it looks; None: that depends."""
    loads: bool = True
    """A GPU holds the weights as they are loaded."""
    kv_element_bytes: int = 2
    layout: CacheLayout | None = None
    learned: "dict[str, Learned]" = {}
    """What the installation's own runs moved its terms by; empty where none was of its kind."""

    @property
    def learned_notes(self) -> tuple[str, ...]:
        """A line for each term that the installation's own runs moved."""
        moved = ((t, self.learned[t.name]) for t in self.memory.terms if t.name in self.learned)
        given = "kv_cache" if self.room.given else None
        return tuple(f"{term.name}: {known.said(term.bytes)}" for term, known in moved if term.name != given)

    @property
    def cache_notes(self) -> tuple[str, ...]:
        """That an engine starts though its cache holds no request of max_model_len (`CacheLayout.bytes_to_admit`)."""
        if not self.starts or self.kv_cache is None or self.kv_cache.concurrency >= 1:
            return ()
        held, length = self.kv_cache.concurrency, self.load.max_model_len
        return (
            f"the KV cache holds {held:.2f} of a request of {length:,} tokens: this vLLM starts, and ends none so long",
        )

    def tokens_held(self, tokens_each: float) -> float | None:
        """Tokens of requests of this length that an engine which starts holds at once, one at least; None: no limit."""
        if self.layout is None or self.kv_cache is None:
            return None
        blocks = self.kv_cache.blocks
        least = max(self.layout.bytes_to_admit(self.load.max_model_len), self.capture_bytes)
        if self.kv_cache.bytes < least:
            # It starts nowhere but in the upper part of the interval: the middle of that part.
            blocks = (least + max(least, self.kv_cache.high_bytes)) // 2 // self.layout.bytes_per_block
        return max(1.0, self.layout.requests_held(blocks, max(1, math.ceil(tokens_each)))) * tokens_each


def size(
    request: EstimateRequest,
    arch: ModelArch,
    quantization: Quantization,
    gpu: Gpu,
    facts: EngineFacts,
    settings: Settings,
    draft: Draft | None = None,
    learned: "LearnedRuns | None" = None,
) -> Sized:
    """`draft`: the other model that a speculation by one names. `learned`: what moves the terms, where it is of a kind.

    Raises Unsupported for a cache that is not taught.
    """
    drafting = drafting_layers(request.speculation, arch, draft)
    cache = _cache_settings(request, arch, settings, quantization, gpu, drafting)._replace(
        by_v0=facts.engine(gpu) == "V0"
    )
    load = Load(
        layout=request_layout(request),
        gpu=gpu,
        max_num_seqs=settings.max_num_seqs,
        max_num_batched_tokens=settings.max_num_batched_tokens,
        max_model_len=settings.max_model_len,
        element_bytes=sizing.ELEMENT_BYTES[settings.dtype],
        items=request.items(arch),
        enforce_eager=settings.enforce_eager,
        speculative_tokens=_speculative_tokens(request),
        drafts_by_v1=_drafts_by_v1(request),
        drafts=bool(drafting) and draft is None,
        draft=draft,
        adapters=request.adapters,
        states_bytes=_states_bytes(arch, request_layout(request), cache) * settings.max_num_seqs,
        flashinfer=attends_by_flashinfer(arch, quantization, gpu, facts, settings.kv_cache_dtype),
    )
    share = int(gpu.memory_bytes * settings.gpu_memory_utilization)
    given = settings.kv_cache_memory_bytes
    found = sizing.gpu_memory(
        arch, quantization, load, facts,
        total_bytes=gpu.memory_bytes, share_bytes=share, kv_cache_given=given is not None,
    )  # fmt: skip
    known: dict[str, Learned] = {}
    if learned is not None:
        from infercli.core.estimates.learning import Kind, minor, moved, of_kind  # only where something was learned

        kind = Kind(
            arch.architecture, gpu.name, minor(facts.version), settings.quantization, settings.tensor_parallel_size
        )
        found, known = moved(found, of_kind(learned, kind, sizing.term(found, "weights").bytes))
    left = sizing.term(found, "kv_cache")
    held = left if given is None else _given(given)
    weights = sizing.term(found, "weights")
    room = Room(left, held, found.budget_bytes, arch.confirmed, lighter_bytes=weights.bytes - weights.low_bytes)
    layout = cache_layout(arch, request_layout(request), cache)
    admit, capture = 0, 0
    if layout is not None:
        admit = layout.bytes_to_admit(settings.max_model_len)
        # Pooling models have no graphs of whole decodes (0.29 config/vllm.py).
        graphs = captures_graphs(load) and not arch.pooling
        capture = layout.bytes_to_capture(settings.max_num_seqs) if graphs else 0
    need = max(admit, capture)
    free = sizing.free_at_start(load, facts, found.total_bytes, share)
    enough = room.holds(need)
    if enough is False and request.speculation is not None and room.holds(admit) is not False:
        enough = None  # with some attention backends there are no graphs of whole decodes beside speculation
    wanted = f"one request of {settings.max_model_len:,} tokens needs {gib(need, 2)}"
    if layout is None:
        wanted = "it keeps nothing between tokens"
    if capture > admit:
        wanted = f"max_num_seqs {settings.max_num_seqs:,} needs {gib(need, 2)}, a block for the state of each request"
    reason = _reason(enough, room, need, wanted, unseen_note(arch)) + _unfree(free, found.total_bytes - share, gpu)
    unloadable = _unloadable(sizing.loading_bytes(arch, quantization, load, facts), gpu, facts)
    refused = unloadable or _refused_batch(layout, settings, facts)
    if refused is not None:
        enough, reason = False, refused
    return Sized(
        arch=arch,
        quantization=quantization,
        facts=facts,
        load=load,
        memory=EstimatedMemory(
            total_bytes=found.total_bytes,
            budget_bytes=found.budget_bytes,
            terms=tuple(held if term is left else term for term in found.terms),
            outside_budget_bytes=sum(t.bytes for t in found.terms if not t.inside_budget),
        ),
        kv_cache=None if layout is None else _held(layout, held, arch, settings.max_model_len),
        starts=False if False in (enough, free) else None if None in (enough, free) else True,
        reason=reason,
        missing_bytes=room.missing(need),
        room=room,
        capture_bytes=capture,
        free=free,
        loads=unloadable is None,
        kv_element_bytes=cache.element_bytes(),
        layout=layout,
        learned=known,
    )


def _unfree(free: bool | None, beyond_bytes: int, gpu: Gpu) -> str:
    """What is added to a reason where the engine's share may not be free when it looks; empty where it is."""
    if free:
        return ""
    more = "may be" if free is None else "is"
    left = f"gpu_memory_utilization leaves {gib(beyond_bytes, 2)}"
    return f"; {left}, and {who_holds_it(gpu)} {more} more: vLLM then refuses"


def _unloadable(loading_bytes: int, gpu: Gpu, facts: EngineFacts) -> str | None:
    """Why the weights run out of memory before they are quantized; None: they do not."""
    if loading_bytes <= gpu.memory_bytes:
        return None
    return (
        f"vLLM {facts.version} holds all weights unquantized before it quantizes them: {gib(loading_bytes, 2)} of "
        f"{gib(gpu.memory_bytes, 2)} per GPU; take a quantized checkpoint, or vLLM 0.16 or later"
    )


def _refused_batch(layout: CacheLayout | None, settings: Settings, facts: EngineFacts) -> str | None:
    """Why vLLM refuses max_num_batched_tokens beside blocks that hold a state; None: it does not."""
    if layout is None or settings.max_num_batched_tokens >= layout.least_batch_tokens:
        return None
    return (
        f"vLLM {facts.version} refuses {settings.max_num_batched_tokens:,} max_num_batched_tokens where a block, which "
        f"holds a state for its prefix cache, has {layout.least_batch_tokens:,}: raise it, or set "
        "enable_prefix_caching to false"
    )


def room_outside(sized: Sized, reserved_bytes: int = 0) -> Iterator[str]:
    """Where what a GPU needs beyond the budget may find no room. `reserved_bytes`: others have so much of it.

    Where graphs do, vLLM fails as it warms up its sampler, which comes last (0.10 v1/worker/gpu_worker.py
    compile_or_warm_up_model), and names the same two settings.
    """
    memory, gpu = sized.memory, sized.load.gpu
    need = sizing.outside_budget_bytes(sized.arch, sized.quantization, sized.load, sized.facts)
    graphs = memory.outside_budget_bytes if gpu.platform == "cuda" else 0
    left = memory.total_bytes - memory.budget_bytes - reserved_bytes
    if left >= need + graphs:
        return
    taken, lower = "the CUDA context", "gpu_memory_utilization"
    if not sized.arch.pooling:
        taken, lower = f"{taken} and sampling with top_p", f"{lower} or max_num_seqs"
    when = "under load"
    if graphs:
        taken, when = f"CUDA graphs, {taken}", f"at its start or {when}"
    yield (
        f"{gib(left, 2)} are left outside the budget, and {taken} may take {gib(need + graphs, 2)}: it can run out of "
        f"memory {when}; lower {lower}"
    )


def machine_notes(sized: Sized) -> Iterator[str]:
    """What the machine's own memory does for the GPUs, or must hold besides."""
    arch, quantization, load, facts = sized.arch, sized.quantization, sized.load, sized.facts
    estimated = estimates_graphs(arch, quantization, load, facts)
    yield from shared_memory_notes(load.gpu, facts, given=sized.room.given, graphs_estimated=estimated)
    yield from table_notes(arch, quantization, load.layout, load.element_bytes)


def _given(size: int) -> MemoryTerm:
    return MemoryTerm(
        name="kv_cache", bytes=size, low_bytes=size, high_bytes=size,
        formula="kv_cache_memory_bytes", source="vLLM v1/worker/gpu_worker.py determine_available_memory",
    )  # fmt: skip


def _states_bytes(arch: ModelArch, layout: Layout, cache: CacheSettings) -> int:
    """Of one request, where they are no part of the KV cache."""
    return states_bytes(arch, layout, cache, rules_for(cache.engine_version)) if cache.by_v0 else 0


def request_layout(request: EstimateRequest) -> Layout:
    """How the model is cut."""
    return Layout(
        tensor_parallel_size=request.tensor_parallel_size,
        pipeline_parallel_size=request.pipeline_parallel_size,
        data_parallel_size=request.data_parallel_size,
        expert_parallel=request.enable_expert_parallel,
        release=_release(request.engine_version),
    )


def _release(engine_version: str) -> tuple[int, int]:
    try:
        return find_engine(engine_version).release
    except UnknownName:  # who asks says so himself
        return Layout().release


def _cache_settings(
    request: EstimateRequest,
    arch: ModelArch,
    settings: Settings,
    quantization: Quantization,
    gpu: Gpu,
    drafting: tuple[LayerGroup, ...],
) -> CacheSettings:
    prefix_caching, release = request.enable_prefix_caching, _release(request.engine_version)
    if prefix_caching is None:
        # Never by default of a model without attention (0.29 config/model.py is_prefix_caching_supported).
        attends = any(not isinstance(mixer, StateSpace) for mixer in mixers(arch))
        prefix_caching = rules_for(request.engine_version).caches_states and attends
    return CacheSettings(
        engine_version=request.engine_version,
        dtype=settings.dtype,
        kv_dtype=kv_dtype(settings.kv_cache_dtype, quantization.caches_fp8(release), arch, gpu.capability, release),
        capability=gpu.capability,
        block_tokens=settings.block_size,
        max_num_batched_tokens=settings.max_num_batched_tokens,
        prefix_caching=prefix_caching,
        state_dtype=request.mamba_ssm_cache_dtype,
        by_kind=not request.disable_hybrid_kv_cache_manager,
        speculative_tokens=_speculative_tokens(request),
        draft_layers=drafting,
        keeps_latent=quantization.method in _KEEP_LATENT,
        decode_context_parallel_size=request.decode_context_parallel_size,
    )


def _speculative_tokens(request: EstimateRequest) -> int:
    return 0 if request.speculation is None else request.speculation.num_speculative_tokens


def _drafts_by_v1(request: EstimateRequest) -> bool:
    """Whether only the V1 model runner has the speculation (0.29 _get_v2_model_runner_unsupported_features)."""
    method = None if request.speculation is None else request.speculation.method
    return method in ("ngram", "draft_model") or (method == "eagle3" and request.pipeline_parallel_size > 1)


def drafting_layers(speculation: Speculation | None, arch: ModelArch, draft: Draft | None) -> tuple[LayerGroup, ...]:
    """The layers that draft. Raises Unsupported where the checkpoint has none of its own."""
    if speculation is None or speculation.method == "ngram":
        return ()
    if draft is not None:
        return draft.arch.layers
    if not arch.draft_layers:
        raise Unsupported(
            f"speculation by {speculation.method} needs draft layers in the checkpoint, and this {arch.architecture} "
            "has none",
            "leave speculation out, or say ngram",
        )
    own = "mtp" if arch.draft_others is None else "dspark"
    if speculation.method != own:
        raise Unsupported(
            f"the draft layers of this {arch.architecture} draft by {own}, and not by {speculation.method}",
            f"say {own}, or leave speculation out",
        )
    return arch.draft_layers


def _held(layout: CacheLayout, left: MemoryTerm, arch: ModelArch, length: int) -> EstimatedKvCache:
    low, typical, high = (layout.capacity(b, length) for b in (left.low_bytes, left.bytes, left.high_bytes))
    return EstimatedKvCache(
        bytes=left.bytes,
        low_bytes=left.low_bytes,
        high_bytes=left.high_bytes,
        bytes_per_token=typical.bytes_per_token,
        block_tokens=layout.block_tokens,
        blocks=typical.blocks,
        tokens=typical.tokens,
        tokens_low=low.tokens,
        tokens_high=high.tokens,
        concurrency=typical.concurrency,
        concurrency_low=low.concurrency,
        concurrency_high=high.concurrency,
        longest_max_model_len=layout.longest_that_fits(max(0, left.bytes), arch.max_model_len),
    )


def _reason(enough: bool | None, room: Room, need_bytes: int, need: str, unseen: str | None) -> str:
    left, held = room.left, room.held
    said = f"{gib(left.bytes, 2)} are left for the KV cache"
    if left.bytes < 0:
        said = f"what must be there before the KV cache is {gib(-left.bytes, 2)} more than the budget"
    expected, missing_bytes = need_bytes - left.bytes, room.missing(need_bytes)
    if room.given:
        said += f", which is given {gib(held.bytes, 2)}"
        expected = max(need_bytes - held.bytes, held.bytes - left.bytes)
    said += f", and {need}"
    if enough:
        return said
    if enough is False:
        lacks, worst = gib(expected, 2), gib(missing_bytes, 2)
        return f"{said}: {lacks} are missing per GPU" + (f", {worst} at worst" if worst != lacks else "")
    if not missing_bytes:
        return f"{said}; {unseen}"
    likely = "more likely than not it starts" if expected <= 0 else "more likely than not it does not"
    return f"{said}; within the error of the estimates: {likely}"

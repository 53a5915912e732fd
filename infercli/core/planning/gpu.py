"""The choices of the Kubernetes target: how many GPUs an engine takes, and its memory-bound arguments.

The one thing to know: nothing is computed here. Each candidate is a question as `infercli estimate` takes it, answered
by the same functions; what is said to fit does so with every estimate at its high end. What the user decided is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from infercli.core.architecture.arch import Layout, ModelArch
from infercli.core.architecture.unseen import unseen_note
from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.plan import Choice, GpuMemory, KvCache, MemoryTerm
from infercli.core.documents.profile import HardwareProfile
from infercli.core.engines.arguments import unplanned
from infercli.core.engines.facts import EngineFacts
from infercli.core.estimates.estimate import EstimateRequest, Settings
from infercli.core.estimates.memory import Sized, size
from infercli.core.estimates.problems import Problems
from infercli.core.estimates.settings import settle
from infercli.core.estimates.tensor_parallel import dealing_problems, layout_problems, stage_problems
from infercli.core.gpus import Gpu
from infercli.core.kv_cache.blocks import block_must_be_said
from infercli.core.memory import sizing
from infercli.core.memory.compressed_attention import compressed
from infercli.core.memory.lora import unknown_slots
from infercli.core.memory.shared import held_at_start_bytes, who_holds_it
from infercli.core.memory.vision import least_batch
from infercli.core.memory.weights import largest_unquantized_bytes
from infercli.core.planning.asked import length_source, read_request, refuse
from infercli.core.planning.gpu_notes import gpu_notes
from infercli.core.planning.outcome import Outcome, Question
from infercli.core.planning.placement import nodes_of, placement_problem
from infercli.core.quantization.checkpoint import Quantization
from infercli.core.quantization.methods import METHODS, release
from infercli.core.record import Json
from infercli.core.units import GIB, counted, gib, rounded

if TYPE_CHECKING:
    from infercli.core.estimates.learning import LearnedRuns

_STEP = 1024
"""Chosen lengths are multiples of it, for people's sake."""

_FEWEST_SEQS = 16
"""max_num_seqs is not lowered below it: a GPU that decodes fewer at a time idles."""


class _Tried(NamedTuple):
    """One candidate, sized."""

    request: EstimateRequest
    settings: Settings
    sized: Sized
    need_bytes: int
    """What the KV cache must hold at least."""

    @property
    def left(self) -> MemoryTerm:
        """What the KV cache takes: what is left for it, or what it was given."""
        return self.sized.room.held

    @property
    def missing_bytes(self) -> int:
        """With every estimate at its high end; 0 where it fits."""
        return self.sized.room.missing(self.need_bytes)


class GpuPlanner:
    """Plans one model on one GPU type. Built per question; holds no state between questions."""

    def __init__(
        self,
        arch: ModelArch,
        quantization: Quantization,
        gpu: Gpu,
        facts: EngineFacts,
        deployment: ModelDeployment,
        profile: HardwareProfile,
        learned: LearnedRuns | None = None,
    ) -> None:
        self.learned = learned
        self.quantization, self.gpu, self.facts = quantization, gpu, facts
        self.deployment, self.profile = deployment, profile
        self.args = {name: value for name, value in deployment.engine_args.items() if value is not None}
        self.requests = -(-deployment.workload.concurrency // deployment.replicas)
        self.tokens_each = deployment.workload.input_tokens + deployment.workload.output_tokens
        self.open_questions = unplanned(self.args, "gpu")
        problems = Problems()
        self.request = read_request(arch, gpu, facts, deployment, profile, problems)
        if self.request.enable_lora and unknown_slots(arch, quantization):
            # Where an estimate would refuse, a plan says the rest, and that it cannot be told whether it fits.
            self.request = self.request.model_copy(update={"enable_lora": False})
            self.open_questions = sorted([*self.open_questions, "enable_lora"])
        if self.request.kv_cache_memory_bytes is not None and profile.reserved_gpu_memory_gib:
            self.open_questions = sorted([*self.open_questions, "kv_cache_memory_bytes"])  # besides what others hold
        self.items = self.request.items(arch)
        self.arch = self.request.as_loaded(arch, facts.release)
        self.settings, self.said = settle(
            self.request, self.arch, quantization, gpu, facts, problems, batch_is_said=True
        )
        self.sizes = self._sizes(problems)
        refuse(problems)
        self.online = METHODS[quantization.method].loads_as_model_dtype

    def outcome(self) -> Outcome:
        """The smallest tensor-parallel size that fits; where none does, the one that comes nearest."""
        tried, length_reason = self._with_length(self._choose())
        gpus = tried.request.gpus_per_replica
        memory = tried.sized.memory
        cache = self._cache(tried)
        placement = placement_problem(self.profile, gpus, self.deployment.replicas)
        held, free = tried.sized.room.holds(tried.need_bytes), tried.sized.free
        fits = False if placement else None if held and (self.open_questions or not free) else held
        layout = tried.sized.layout
        return Outcome(
            engine_args=self._engine_args(tried),
            gpus=gpus,
            max_num_seqs=tried.settings.max_num_seqs,
            choices=self._choices(tried, length_reason),
            memory=GpuMemory(total_bytes=memory.total_bytes, budget_bytes=memory.budget_bytes, terms=memory.terms),
            kv_cache=cache,
            longest_that_fits=None
            if layout is None
            else layout.longest_that_fits(max(0, tried.left.low_bytes), self.arch.max_model_len),
            fits=fits,
            verdict=self._verdict(held, tried, cache, placement, free),
            missing_bytes=tried.missing_bytes,
            notes=gpu_notes(self._question(tried), self.profile, self.said),
            question=self._question(tried),
        )

    def _question(self, tried: _Tried) -> Question:
        return Question(
            request=tried.request,
            settings=tried.settings,
            sized=tried.sized,
            arch=self.arch,
            quantization=self.quantization,
            gpu=self.gpu,
            facts=self.facts,
            requests=self.requests,
            tokens_each=self.tokens_each,
            asked_length=self.request.max_model_len,
            need_bytes=tried.need_bytes,
        )

    # What is tried.

    def _sizes(self, problems: Problems) -> list[int]:
        """Tensor-parallel sizes to try, smallest first. What cannot be is said by `problems`, all of it."""
        layout, per_node = self._layout(1), self.profile.gpus_per_node
        for what in stage_problems(self.arch, layout.pipeline_parallel_size):
            said = f"engine_args.pipeline_parallel_size: {layout.pipeline_parallel_size} is not possible: {what}"
            problems.add("", said, "lower it, or leave it out")
            layout = replace(layout, pipeline_parallel_size=1)
        for what in dealing_problems(self.arch, expert_parallel=layout.expert_parallel):
            problems.add("", f"engine_args.enable_expert_parallel: {what}", "leave it out")
            layout = replace(layout, expert_parallel=False)

        def broken_by(ranks: int) -> tuple[str, ...]:
            split = replace(layout, tensor_parallel_size=ranks)
            return layout_problems(self.arch, self.quantization, split, self.facts.version)

        def possible() -> list[int]:
            return [n for n in range(1, per_node + 1) if per_node % n == 0 and not broken_by(n)]

        asked = self.args.get("tensor_parallel_size")
        if asked is None:
            sizes = possible()
            if not sizes:
                problems.add("", f"vLLM cannot run this checkpoint on this profile: {'; '.join(broken_by(1))}")
        else:
            sizes = [int(asked)]
            broken = [*broken_by(asked), *([f"a node has {counted(per_node, 'GPU')}"] if asked > per_node else [])]
            if broken:
                said = f"engine_args.tensor_parallel_size: {asked} is not possible: {'; '.join(broken)}"
                problems.add("", said, f"possible on this profile: {', '.join(map(str, possible())) or 'none'}")
                sizes = []
        whole = [n for n in sizes if nodes_of(self.profile, n * layout.pipeline_parallel_size) is not None]
        if sizes and not whole:
            problems.add(
                "",
                f"engine_args.pipeline_parallel_size: {layout.pipeline_parallel_size} stages of "
                f"{counted(sizes[-1], 'GPU')} do not fill whole nodes of {per_node}",
                "make tensor_parallel_size x pipeline_parallel_size a multiple of the GPUs of a node",
            )
        return whole

    def _layout(self, tensor_parallel_size: int) -> Layout:
        return Layout(
            tensor_parallel_size=tensor_parallel_size,
            pipeline_parallel_size=self.settings.pipeline_parallel_size,
            expert_parallel=self.settings.enable_expert_parallel,
            release=release(self.facts.version),
        )

    def _sequences(self) -> Iterator[int]:
        """max_num_seqs to try: vLLM's default for the device, then less, down to what the workload needs."""
        seqs = self.settings.max_num_seqs
        yield seqs
        if "max_num_seqs" not in self.args:
            while seqs // 2 >= max(_FEWEST_SEQS, self.requests):
                seqs //= 2
                yield seqs

    def _choose(self) -> _Tried:
        tried: list[_Tried] = []
        for ranks in self.sizes:
            for seqs in self._sequences():
                for length in self._lengths():
                    tried.append(self._try(ranks, seqs, length))
                    if tried[-1].missing_bytes == 0:
                        return tried[-1]
        return min(tried, key=lambda t: t.missing_bytes)

    def _lengths(self) -> Iterator[int]:
        """max_model_len to size with: the longest first, since some models reserve memory by it."""
        if self.request.max_model_len is not None:
            yield self.request.max_model_len
            return
        yield self.arch.max_model_len
        if self.arch.max_model_len > self.tokens_each:
            yield self.tokens_each

    def _try(self, ranks: int, seqs: int, length: int) -> _Tried:
        said = {
            "tensor_parallel_size": ranks,
            "max_num_seqs": seqs,
            "max_num_batched_tokens": self.settings.max_num_batched_tokens,
            "max_model_len": length,
        }
        request = self.request.model_copy(update=said)
        settings = self.settings.model_copy(update=said)
        sized = size(request, self.arch, self.quantization, self.gpu, self.facts, settings, learned=self.learned)
        return _Tried(request, settings, sized, self._need_bytes(sized, settings))

    def _need_bytes(self, sized: Sized, settings: Settings) -> int:
        """What must be left for the KV cache: one request of an asked max_model_len, the workload, what graphs need."""
        loading = 0
        if self.online:
            # vLLM quantizes matrix by matrix while it loads (0.29 model_loader/reload/layerwise.py): the last of them
            # needs room beside all others, of which more than the KV cache's is free by then.
            loading = largest_unquantized_bytes(
                self.arch, self._layout(settings.tensor_parallel_size), sizing.ELEMENT_BYTES[settings.dtype]
            )
        if sized.layout is None:
            return loading
        return max(
            sized.layout.bytes_to_admit(self.request.max_model_len or self.tokens_each),
            sized.layout.bytes_to_hold(self.requests, self.tokens_each),
            sized.capture_bytes,
            loading,
        )

    # What is decided.

    def _with_length(self, tried: _Tried) -> tuple[_Tried, str]:
        """`tried` with the max_model_len that is chosen, and why."""
        limit = self.arch.max_model_len
        if self.request.max_model_len is not None:
            where = length_source(self.deployment)
            return tried, f"{where.removesuffix('.max_model_len')} says so"
        layout = tried.sized.layout
        longest, why = limit, ""
        if layout is not None:
            room = max(0, tried.left.low_bytes)
            longest = layout.longest_of_two(room, limit)
            halved = layout.longest_that_fits(room // 2, limit) >= longest // _STEP * _STEP
            why = "one request takes at most half of the KV cache"
            why = why if halved else "beside one request the KV cache holds another that is past its prefill"
        if longest >= limit:
            chosen, reason = limit, f"the model's own maximum{why and ': '}{why}"
        else:
            chosen = max(self.tokens_each, longest // _STEP * _STEP)
            reason = "no more than the workload's input and output"
            if chosen > self.tokens_each:
                reason = f"{why}, so that one never blocks all others; the model takes {limit:,}"
        ranks, seqs = tried.settings.tensor_parallel_size, tried.settings.max_num_seqs
        made = self._try(ranks, seqs, chosen)
        while made.missing_bytes > tried.missing_bytes and chosen > self.tokens_each:
            # What is reserved by max_model_len (a video of that length, an indexer's keys) is more than that frees.
            chosen = max(self.tokens_each, chosen // 2 // _STEP * _STEP)
            made = self._try(ranks, seqs, chosen)
            reason = f"more would take the memory that the workload needs; the model takes {limit:,}"
        return made, reason

    def _cache(self, tried: _Tried) -> KvCache | None:
        """What the KV cache holds at the pessimistic end; None for a model that keeps nothing between tokens."""
        layout = tried.sized.layout
        return None if layout is None else layout.capacity(tried.left.low_bytes, tried.settings.max_model_len)

    def _engine_args(self, tried: _Tried) -> dict[str, Json]:
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
        online = METHODS[self.quantization.method].engine_quantization
        block = {"block_size": chosen.block_size} if block_must_be_said(self.arch) else {}
        return args | block | ({"quantization": online} if online else {}) | self.args

    def _choices(self, tried: _Tried, length_reason: str) -> tuple[Choice, ...]:
        chosen = tried.settings
        fit = "the smallest that fits" if tried.missing_bytes == 0 else "none fits, this one comes nearest"
        given = self.request.max_model_len is not None
        tokens_reason = (
            f"vLLM's default on {self.gpu.name}; said, since an engine under Ray may not see its GPU when it asks"
        )
        if chosen.max_num_batched_tokens == least_batch(self.arch, self.facts.release, self.items):
            tokens_reason = "the tokens of a video, which the model takes whole: vLLM refuses smaller batches"
        elif chosen.max_num_batched_tokens == self.args.get("max_num_seqs"):
            tokens_reason = "raised to max_num_seqs: vLLM refuses smaller batches, and keeps its default all the same"
        elif chosen.max_num_batched_tokens == self.settings.max_model_len and tried.sized.layout is None:
            tokens_reason = "the longest prompt: the model takes prompts whole, and vLLM refuses smaller batches"
        kv_reason = "the model's dtype: FP8 would hold twice as much, and is never chosen silently"
        if tried.sized.layout is None:
            kv_reason = "vLLM's default; there is no KV cache"
        elif self.quantization.kv_cache_fp8:
            kv_reason = "the checkpoint asks for an FP8 KV cache"
        elif compressed(self.arch):
            kv_reason = "compressed attention has no other cache, and vLLM stops where FP8 is not asked for"
        choices = [
            self._choice(
                "tensor_parallel_size",
                chosen.tensor_parallel_size,
                f"{fit}; GPUs per node: {self.profile.gpus_per_node}",
            ),
            Choice(name="max_model_len", value=chosen.max_model_len, reason=length_reason, given=given),
            self._choice("max_num_seqs", chosen.max_num_seqs, self._sequences_reason(tried)),
            self._choice("max_num_batched_tokens", chosen.max_num_batched_tokens, tokens_reason),
            self._choice("kv_cache_dtype", chosen.kv_cache_dtype, kv_reason),
            self._choice("gpu_memory_utilization", chosen.gpu_memory_utilization, self._utilization_reason()),
            self._choice("dtype", chosen.dtype, self._dtype_reason()),
        ]
        choices[1:1] = [
            self._choice(name, self.args[name], "")
            for name in ("pipeline_parallel_size", "enable_expert_parallel", "kv_cache_memory_bytes")
            if name in self.args
        ]
        return tuple(choices)

    def _choice(self, name: str, value: Json, reason: str) -> Choice:
        given = name in self.args
        return Choice(name=name, value=value, reason="engine_args says so" if given else reason, given=given)

    def _sequences_reason(self, tried: _Tried) -> str:
        default = self.settings.max_num_seqs
        reason = f"vLLM's default on {self.gpu.name}"
        if tried.settings.max_num_seqs == default:
            return reason
        why = "the memory that its sampler takes is needed for the KV cache"
        layout = tried.sized.layout
        if tried.sized.capture_bytes and layout is not None and layout.bytes_to_capture(default) > tried.left.low_bytes:
            why = "vLLM refuses more than the KV cache has blocks, one for the state of each request"
        return f"{reason} is {default}; {why if not tried.missing_bytes else 'even this few do not help'}"

    def _utilization_reason(self) -> str:
        if self.request.kv_cache_memory_bytes is not None:
            return "what must be free at the start; kv_cache_memory_bytes says what the KV cache takes"
        if self.settings.gpu_memory_utilization == self.facts.gpu_memory_utilization:
            return f"vLLM {self.facts.version}'s default"
        if held := held_at_start_bytes(self.gpu, self.facts):
            said = f"{self.gpu.name} shares its memory: others may hold {gib(held)} of it when vLLM looks"
            reserved = self.profile.reserved_gpu_memory_gib
            return f"{said}, beside the {reserved:g} GiB of the profile" if reserved else said
        return f"others hold {self.profile.reserved_gpu_memory_gib:g} GiB of every GPU"

    def _dtype_reason(self) -> str:
        if self.settings.dtype == "float16" and self.arch.dtype == "bfloat16":
            return f"{self.gpu.name} has no bfloat16"
        same = self.arch.dtype == self.settings.dtype
        return "what the checkpoint says" if same else "what vLLM makes of the checkpoint's dtype"

    def _verdict(
        self,
        held: bool | None,
        tried: _Tried,
        cache: KvCache | None,
        placement: str | None,
        free: bool | None,
    ) -> str:
        gpus, missing = self._gpus_text(tried), rounded(tried.missing_bytes / GIB, 1)
        if held is False:
            why = ""
            if tried.need_bytes == tried.sized.capture_bytes:
                why = f"max_num_seqs {tried.settings.max_num_seqs:,} asks for as many blocks of the KV cache, "
            return f"does not fit on {gpus}: {why}{missing} GiB missing per GPU"
        if placement:
            return f"does not fit on the profile: {placement}"
        if self.open_questions:
            return f"cannot be told: {', '.join(self.open_questions)} change memory in a way that is not planned yet"
        if held is None and not tried.missing_bytes:
            return f"cannot be told on {gpus}: {unseen_note(self.arch)}"
        if held is None:
            return (
                f"cannot be told on {gpus}: within the error of the estimates, and {missing} GiB per GPU are missing "
                "at their high end"
            )
        if not free:
            beside = gib(tried.sized.memory.total_bytes - tried.sized.memory.budget_bytes, 2)
            return (
                f"cannot be told on {gpus}: gpu_memory_utilization leaves {beside}, and "
                f"{who_holds_it(self.gpu)} may be more: vLLM then refuses to start"
            )
        if cache is None:
            return f"fits on {gpus}: it keeps nothing between tokens"
        seqs, of_workload = tried.settings.max_num_seqs, f"{self.requests} of {self.tokens_each:,}"
        said = f"{of_workload} as the workload says"
        if seqs < self.requests:
            said = f"of the workload's {of_workload} max_num_seqs lets {seqs} run"
        return (
            f"fits on {gpus}: at least {min(seqs, cache.concurrency):.1f} requests of "
            f"{tried.settings.max_model_len:,} tokens at once, {said}"
        )

    def _gpus_text(self, tried: _Tried) -> str:
        """`2 x H100`, or `16 x H100 (8 a stage, on 2 nodes)`."""
        gpus, stages = tried.request.gpus_per_replica, tried.settings.pipeline_parallel_size
        text = f"{gpus} x {self.gpu.name}"
        if stages == 1:
            return text
        nodes = nodes_of(self.profile, gpus) or 1
        return f"{text} ({stages} stages of {tried.settings.tensor_parallel_size}{f', {nodes} nodes' * (nodes > 1)})"

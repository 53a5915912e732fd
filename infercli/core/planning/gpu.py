"""What is tried on GPUs: how many of them an engine takes, and its memory-bound arguments.

The one thing to know: nothing is computed here. Each candidate is a question as `infercli estimate` takes it, answered
by the same functions; what is said to fit does so with every estimate at its high end. What the user decided is kept.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from infercli.core.architecture.arch import ModelArch
from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.plan import MemoryTerm
from infercli.core.documents.profile import HardwareProfile
from infercli.core.engines.arguments import unplanned
from infercli.core.engines.facts import EngineFacts
from infercli.core.estimates.answer import Settings
from infercli.core.estimates.memory import Sized, request_layout, size
from infercli.core.estimates.problems import Problems
from infercli.core.estimates.request import EstimateRequest
from infercli.core.estimates.settings import settle
from infercli.core.estimates.tensor_parallel import dealing_problems, layout_problems, stage_problems
from infercli.core.gpus import Gpu
from infercli.core.memory.lora import unknown_slots
from infercli.core.memory.vision import uncounted_kwargs
from infercli.core.memory.weights import largest_unquantized_bytes
from infercli.core.planning.placement import nodes_of, splits_of_a_node
from infercli.core.planning.request import length_reason, read_request, refuse
from infercli.core.quantization.checkpoint import Quantization
from infercli.core.quantization.methods import METHODS
from infercli.core.units import counted

if TYPE_CHECKING:
    from infercli.core.estimates.learning import LearnedRuns

_STEP = 1024
"""Chosen lengths are multiples of it, for people's sake."""

_FEWEST_SEQS = 16
"""max_num_seqs is not lowered below it: a GPU that decodes fewer at a time idles."""


class Tried(NamedTuple):
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
    """Tries one model on one GPU type. Built per question; holds no state between questions."""

    def __init__(
        self,
        arch: ModelArch,
        quantization: Quantization,
        gpu: Gpu,
        facts: EngineFacts,
        deployment: ModelDeployment,
        profile: HardwareProfile,
        learned: "LearnedRuns | None" = None,
    ) -> None:
        self.learned = learned
        self.quantization, self.gpu, self.facts = quantization, gpu, facts
        self.deployment, self.profile = deployment, profile
        self.args = {name: value for name, value in deployment.engine_args.items() if value is not None}
        self.requests = -(-deployment.workload.concurrency // deployment.replicas)
        self.tokens_each = deployment.workload.tokens_each(pools=arch.pooling)
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
        if uncounted_kwargs(arch, self.items, self.request.mm_processor_kwargs or {}, facts):
            self.open_questions = sorted([*self.open_questions, "mm_processor_kwargs"])
        self.arch = self.request.as_loaded(arch, facts.release)
        self.settings, self.said = settle(
            self.request, self.arch, quantization, gpu, facts, problems, batch_is_said=True
        )
        self.sizes = self._sizes(problems)
        refuse(problems)
        self.online = METHODS[quantization.method].loads_as_model_dtype

    # What is tried.

    def _sizes(self, problems: Problems) -> list[int]:
        """Tensor-parallel sizes to try, smallest first. What cannot be is said by `problems`, all of it."""
        layout, per_node = request_layout(self.request), self.profile.gpus_per_node
        for what in stage_problems(self.arch, layout.pipeline_parallel_size):
            said = f"engine_args.pipeline_parallel_size: {layout.pipeline_parallel_size} is not possible: {what}"
            problems.add("", said, "lower it, or leave it out")
            layout = layout._replace(pipeline_parallel_size=1)
        for what in dealing_problems(self.arch, expert_parallel=layout.expert_parallel):
            problems.add("", f"engine_args.enable_expert_parallel: {what}", "leave it out")
            layout = layout._replace(expert_parallel=False)

        def broken_by(ranks: int) -> tuple[str, ...]:
            split = layout._replace(tensor_parallel_size=ranks)
            return layout_problems(self.arch, self.quantization, split, self.facts.version, self.gpu)

        def possible() -> list[int]:
            return [n for n in splits_of_a_node(per_node) if not broken_by(n)]

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

    def _sequences(self) -> Iterator[int]:
        """max_num_seqs to try: vLLM's default for the device, then less, down to what the workload needs."""
        seqs = self.settings.max_num_seqs
        yield seqs
        if "max_num_seqs" not in self.args:
            while seqs // 2 >= max(_FEWEST_SEQS, self.requests):
                seqs //= 2
                yield seqs

    def choose(self) -> Tried:
        """The first that fits, of the smallest tensor-parallel size and the most sequences; else the nearest."""
        tried: list[Tried] = []
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

    def _try(self, ranks: int, seqs: int, length: int) -> Tried:
        said = {
            "tensor_parallel_size": ranks,
            "max_num_seqs": seqs,
            "max_num_batched_tokens": self.settings.max_num_batched_tokens,
            "max_model_len": length,
        }
        request = self.request.model_copy(update=said)
        settings = self.settings.model_copy(update=said)
        sized = size(request, self.arch, self.quantization, self.gpu, self.facts, settings, learned=self.learned)
        return Tried(request, settings, sized, self._need_bytes(sized))

    def _need_bytes(self, sized: Sized) -> int:
        """What must be left for the KV cache: one request of an asked max_model_len, the workload, what graphs need."""
        loading = 0
        if self.online:
            # vLLM quantizes matrix by matrix while it loads (0.29 model_loader/reload/layerwise.py): the last of them
            # needs room beside all others, of which more than the KV cache's is free by then.
            loading = largest_unquantized_bytes(self.arch, sized.load.layout, sized.load.element_bytes)
        if sized.layout is None:
            return loading
        return max(
            sized.layout.bytes_to_admit(self.request.max_model_len or self.tokens_each),
            sized.layout.bytes_to_hold(self.requests, self.tokens_each),
            sized.capture_bytes,
            loading,
        )

    # What is decided.

    def with_length(self, tried: Tried) -> tuple[Tried, str]:
        """`tried` with the max_model_len that is chosen, and why."""
        limit = self.arch.max_model_len
        if self.request.max_model_len is not None:
            return tried, length_reason(self.deployment)
        layout = tried.sized.layout
        longest, why = limit, ""
        if layout is not None:
            room = max(0, tried.left.low_bytes)
            longest = layout.longest_of_two(room, limit)
            halved = layout.longest_that_fits(room // 2, limit) >= longest // _STEP * _STEP
            why = "one request takes at most half of the KV cache"
            why = why if halved else "beside one request the KV cache has room for another that is past its prefill"
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

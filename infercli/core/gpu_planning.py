"""The choices of the Kubernetes target: how many GPUs an engine takes, and its memory-bound arguments.

A choice that the user made in `engine_args` or in the workload is kept and marked; the rest follow from it. Whatever
is said to fit does so with every estimate at its high end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from infercli.core import sizing
from infercli.core.architecture.arch import Layout, ModelArch
from infercli.core.asked import read_asked
from infercli.core.checkpoint import Quantization
from infercli.core.deployment import ModelDeployment
from infercli.core.engines.arguments import unplanned
from infercli.core.engines.facts import EngineFacts
from infercli.core.gpus import Gpu
from infercli.core.kv_cache import CacheLayout, cache_layout
from infercli.core.kv_specs import CacheSettings, kv_dtype
from infercli.core.outcome import Outcome
from infercli.core.placement import placement_problem
from infercli.core.plan import Choice, GpuMemory
from infercli.core.profile import HardwareProfile
from infercli.core.quantization import METHODS, require_capability
from infercli.core.record import Json
from infercli.core.tensor_parallel import problems
from infercli.core.units import GIB, gib
from infercli.core.weights import weights_bytes
from infercli.errors import InputError, Unsupported

_STEP = 1024
"""Chosen lengths are multiples of it, for people's sake."""


class _Tried(NamedTuple):
    """One combination of tensor_parallel_size and max_num_seqs."""

    tensor_parallel_size: int
    max_num_seqs: int
    memory: GpuMemory
    cache: CacheLayout
    missing_bytes: int
    """With every estimate at its high end; 0 where it fits."""
    missing_at_best_bytes: int


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
    ) -> None:
        self.arch, self.quantization, self.gpu, self.facts = arch, quantization, gpu, facts
        self.deployment, self.profile, self.args = deployment, profile, deployment.engine_args
        self.defaults = facts.device_defaults(gpu)
        facts.require_gpu(gpu)
        self.capability_note = require_capability(METHODS[quantization.method], gpu)
        self.requests = -(-deployment.workload.concurrency // deployment.replicas)
        self.tokens_each = deployment.workload.input_tokens + deployment.workload.output_tokens
        self.asked = read_asked(arch, quantization, gpu, facts, deployment, profile)

    def outcome(self) -> Outcome:
        """The smallest tensor-parallel size that fits; where none does, the one that comes nearest."""
        tried = self._choose()
        length, length_reason = self._length(tried)
        kv_term = sizing.term(tried.memory, "kv_cache")
        cache = tried.cache.capacity(kv_term.low_bytes, length)
        open_questions = unplanned(self.args, "gpu")
        placement = placement_problem(self.profile, tried.tensor_parallel_size, self.deployment.replicas)
        fits = self._fits(tried, open_questions, placement)
        return Outcome(
            engine_args=self._engine_args(tried, length),
            tensor_parallel_size=tried.tensor_parallel_size,
            max_num_seqs=tried.max_num_seqs,
            choices=self._choices(tried, length, length_reason),
            memory=tried.memory,
            kv_cache=cache,
            longest_that_fits=tried.cache.longest_that_fits(kv_term.low_bytes, self.arch.max_model_len),
            fits=fits,
            verdict=self._verdict(fits, tried, length, cache.concurrency, open_questions, placement),
            missing_bytes=tried.missing_bytes,
            notes=self._notes(tried),
        )

    # What is tried.

    def _sizes(self) -> list[int]:
        """Tensor-parallel sizes to try, smallest first. Raises InputError where the asked one cannot be."""
        asked = self.args.get("tensor_parallel_size")
        per_node = self.profile.gpus_per_node
        if asked is not None:
            broken = list(problems(self.arch, self.quantization, asked)) if asked >= 1 else ["it must be at least 1"]
            if asked > per_node:
                broken.append(f"a node has {per_node} GPUs")
            if broken:
                valid = ", ".join(str(s) for s in self._valid_sizes()) or "none"
                raise InputError(
                    f"engine_args.tensor_parallel_size: {asked} is not possible: {'; '.join(broken)}",
                    f"possible on this profile: {valid}",
                )
            return [asked]
        sizes = self._valid_sizes()
        if not sizes:
            reasons = "; ".join(problems(self.arch, self.quantization, 1))
            raise InputError(f"vLLM cannot run this checkpoint on this profile: {reasons}")
        return sizes

    def _valid_sizes(self) -> list[int]:
        per_node = self.profile.gpus_per_node
        sizes = [n for n in range(1, per_node + 1) if per_node % n == 0]
        return [n for n in sizes if not problems(self.arch, self.quantization, n)]

    def _sequences(self) -> Iterator[int]:
        """max_num_seqs to try: vLLM's default for the device, then less, down to what the workload needs."""
        asked = self.args.get("max_num_seqs")
        if asked is not None:
            yield int(asked)
            return
        seqs = min(self.defaults.max_num_seqs, self._batched_tokens())
        yield seqs
        while seqs // 2 >= max(16, self.requests):
            seqs //= 2
            yield seqs

    def _batched_tokens(self) -> int:
        default = max(self.defaults.max_num_batched_tokens, self.args.get("max_num_seqs") or 0)
        return int(self.args.get("max_num_batched_tokens") or default)

    def _choose(self) -> _Tried:
        tried: list[_Tried] = []
        for size in self._sizes():
            for seqs in self._sequences():
                tried.append(self._try(size, seqs))
                if tried[-1].missing_bytes == 0:
                    return tried[-1]
        return min(tried, key=lambda t: t.missing_bytes)

    def _try(self, size: int, seqs: int) -> _Tried:
        load = self._load(size, seqs)
        total = self.gpu.memory_bytes
        memory = sizing.gpu_memory(
            self.arch,
            self.quantization,
            load,
            self.facts,
            total_bytes=total,
            budget_bytes=int(total * self.asked.utilization),
        )
        cache = self._cache(size)
        need = max(
            cache.bytes_to_admit(self.asked.length or self.tokens_each),
            cache.bytes_to_hold(self.requests, self.tokens_each),
        )
        left = sizing.term(memory, "kv_cache")
        loading = self._missing_while_loading(memory, size, load.element_bytes)
        return _Tried(
            size, seqs, memory, cache,
            max(0, need - left.low_bytes, loading),
            max(0, need - left.high_bytes, loading),
        )  # fmt: skip

    def _cache(self, size: int) -> CacheLayout:
        """Raises Unsupported for a cache that is not taught, and for a model without one."""
        asked = CacheSettings(
            engine_version=self.facts.version,
            dtype=self.asked.dtype,
            kv_dtype=kv_dtype(self.asked.kv_dtype, self.quantization.kv_cache_fp8, self.arch, self.gpu.capability),
            block_tokens=self.asked.block_tokens,
            max_num_batched_tokens=self._batched_tokens(),
            prefix_caching=self.args.get("enable_prefix_caching"),
        )
        cache = cache_layout(self.arch, Layout(tensor_parallel_size=size), asked)
        if cache is None:
            raise Unsupported(f"{self.arch.architecture} keeps nothing between tokens: encoders cannot be planned yet")
        return cache

    def _load(self, size: int, seqs: int) -> sizing.Load:
        return sizing.Load(
            layout=Layout(tensor_parallel_size=size),
            gpu=self.gpu,
            max_num_seqs=seqs,
            max_num_batched_tokens=self._batched_tokens(),
            max_model_len=self.asked.length or self.arch.max_model_len,
            element_bytes=sizing.ELEMENT_BYTES[self.asked.dtype],
            enforce_eager=bool(self.args.get("enforce_eager")),
        )

    def _missing_while_loading(self, memory: GpuMemory, size: int, element_bytes: int) -> int:
        """Quantizing while loading holds the unquantized weights first, all of them at worst."""
        if not METHODS[self.quantization.method].loads_as_model_dtype:
            return 0
        unquantized = Quantization(method="none", bits=None)
        peak = weights_bytes(self.arch, unquantized, Layout(tensor_parallel_size=size), element_bytes)
        return max(0, peak + sizing.term(memory, "non_torch").high_bytes - memory.budget_bytes)

    # What is decided.

    def _length(self, tried: _Tried) -> tuple[int, str]:
        limit = self.arch.max_model_len
        if self.asked.length is not None:
            where = "engine_args" if "max_model_len" in self.args else "workload.max_context_tokens"
            return self.asked.length, f"{where} says so"
        # Twice the model's length is as good as any more.
        room = tried.cache.longest_that_fits(sizing.term(tried.memory, "kv_cache").low_bytes, 2 * limit)
        if room // 2 >= limit:
            return limit, "the model's own maximum: one request takes at most half of the KV cache"
        chosen = max(self.tokens_each, room // 2 // _STEP * _STEP)
        return min(limit, chosen), (
            f"half of what the KV cache holds, so that one request never blocks all others; the model takes {limit:,}"
            if chosen > self.tokens_each
            else "no more than the workload's input and output"
        )

    def _engine_args(self, tried: _Tried, length: int) -> dict[str, Json]:
        args: dict[str, Json] = {
            "tensor_parallel_size": tried.tensor_parallel_size,
            "max_model_len": length,
            "max_num_seqs": tried.max_num_seqs,
            "max_num_batched_tokens": self._batched_tokens(),
            "gpu_memory_utilization": self.asked.utilization,
            "kv_cache_dtype": self.asked.kv_dtype,
            "dtype": self.asked.dtype,
            "trust_remote_code": False,
        }
        online = METHODS[self.quantization.method].engine_quantization
        return args | ({"quantization": online} if online else {}) | self.args

    def _choices(self, tried: _Tried, length: int, length_reason: str) -> tuple[Choice, ...]:
        size, seqs = tried.tensor_parallel_size, tried.max_num_seqs
        limit = self.defaults.max_num_seqs
        seqs_reason = f"vLLM's default on {self.gpu.name}"
        if seqs != limit:
            why = "the memory that its sampler takes is needed for the KV cache"
            seqs_reason = f"{seqs_reason} is {limit}; {why if not tried.missing_bytes else 'even this few do not help'}"
        fit = "the smallest that fits" if tried.missing_bytes == 0 else "none fits, this one comes nearest"
        tokens_reason = (
            f"vLLM's default on {self.gpu.name}; said, since an engine under Ray may not see its GPU when it asks"
        )
        kv_reason = "the model's dtype: FP8 would hold twice as much, and is never chosen silently"
        if self.asked.kv_element_bytes == 1:
            kv_reason = "the checkpoint asks for an FP8 KV cache"
        return (
            self._choice("tensor_parallel_size", size, f"{fit}; GPUs per node: {self.profile.gpus_per_node}"),
            Choice(name="max_model_len", value=length, reason=length_reason, given=self.asked.length is not None),
            self._choice("max_num_seqs", seqs, seqs_reason),
            self._choice("max_num_batched_tokens", self._batched_tokens(), tokens_reason),
            self._choice("kv_cache_dtype", self.asked.kv_dtype, kv_reason),
            self._choice("gpu_memory_utilization", self.asked.utilization, self._utilization_reason()),
            self._choice("dtype", self.asked.dtype, self._dtype_reason()),
        )

    def _choice(self, name: str, value: Json, reason: str) -> Choice:
        given = name in self.args
        return Choice(name=name, value=value, reason="engine_args says so" if given else reason, given=given)

    def _utilization_reason(self) -> str:
        if self.asked.utilization == self.facts.gpu_memory_utilization:
            return f"vLLM {self.facts.version}'s default"
        return f"others hold {self.profile.reserved_gpu_memory_gib:g} GiB of every GPU"

    def _dtype_reason(self) -> str:
        if self.asked.dtype == "float16" and self.arch.dtype == "bfloat16":
            return f"{self.gpu.name} has no bfloat16"
        return (
            "what the checkpoint says"
            if self.arch.dtype == self.asked.dtype
            else "what vLLM makes of the checkpoint's dtype"
        )

    def _fits(self, tried: _Tried, open_questions: list[str], placement: str | None) -> bool | None:
        if tried.missing_at_best_bytes or placement:
            return False
        return None if tried.missing_bytes or open_questions else True

    def _verdict(
        self,
        fits: bool | None,
        tried: _Tried,
        length: int,
        concurrency: float,
        open_questions: list[str],
        placement: str | None,
    ) -> str:
        gpus = f"{tried.tensor_parallel_size} x {self.gpu.name}"
        if fits:
            return (
                f"fits on {gpus}: at least {concurrency:.1f} requests of {length:,} tokens at once, "
                f"{self.requests} of {self.tokens_each:,} as the workload says"
            )
        if tried.missing_at_best_bytes:
            return f"does not fit on {gpus}: {gib(tried.missing_bytes)} missing per GPU"
        if placement:
            return f"does not fit on the profile: {placement}"
        if open_questions:
            return f"cannot be told: {', '.join(open_questions)} change memory in a way that is not planned yet"
        return (
            f"cannot be told on {gpus}: it fits at the estimates' low end, and {gib(tried.missing_bytes)} per GPU are "
            "missing at their high end"
        )

    def _notes(self, tried: _Tried) -> tuple[str, ...]:
        notes = [self.capability_note] if self.capability_note else []
        if self.facts.extrapolated_from:
            notes.append(
                f"memory of vLLM {self.facts.version} is extrapolated: public logs end near "
                f"{self.facts.extrapolated_from}; `fits` is said with every estimate at its high end"
            )
        if METHODS[self.quantization.method].loads_as_model_dtype:
            notes.append(
                "quantizing while loading is planned with its peak: the unquantized weights. Pin an FP8 checkpoint to "
                "avoid it"
            )
        if self.profile.interconnect == "pcie" and tried.tensor_parallel_size > 1:
            notes.append(
                f"{tried.tensor_parallel_size} GPUs talk over PCIe: tensor parallelism costs more time than over NVLink"
            )
        notes += self._room_outside(tried)
        if self.asked.kv_element_bytes == 1 and not self.gpu.at_least((8, 9)):
            notes.append(
                f"an FP8 KV cache on {self.gpu.name} depends on the attention backend: try it before you rely on it"
            )
        return tuple(notes)

    def _room_outside(self, tried: _Tried) -> list[str]:
        """The note where the memory beyond the budget may not do under load; empty where it does."""
        load = self._load(tried.tensor_parallel_size, tried.max_num_seqs)
        need = sizing.outside_budget_bytes(self.arch, load, self.facts)
        left = tried.memory.total_bytes - tried.memory.budget_bytes - self.profile.reserved_gpu_memory_gib * GIB
        if left >= need:
            return []
        note = (
            f"{gib(left, 2)} are left outside the budget, and the CUDA context and sampling with top_p may take "
            f"{gib(need, 2)}: it can run out of memory under load; lower gpu_memory_utilization or max_num_seqs"
        )
        return [note]

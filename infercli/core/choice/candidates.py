"""Which configurations a search weighs: GPU x split x replicas x quantization x KV dtype x max_num_seqs.

The one thing to know: tensor parallelism stays within a node, a pipeline may span whole nodes; and what two profiles of
the same GPU both hold is weighed once, on the smaller one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from infercli.core.choice.question import Hardware, Question
from infercli.core.choice.selection import Candidate
from infercli.core.documents.prices import PriceList
from infercli.core.documents.profile import HardwareProfile
from infercli.core.engines import RAY_SERVICE_ENGINE, find_engine
from infercli.core.memory.compressed_attention import compressed
from infercli.core.planning.placement import engines_that_fit, splits_of_a_node, too_large
from infercli.core.planning.request import utilization
from infercli.core.quantization.methods import METHODS
from infercli.core.record import Json
from infercli.core.units import counted
from infercli.errors import InputError

FEWEST_SEQUENCES = 16
"""max_num_seqs is not tried below it: a sampler for so few takes next to no memory."""
_ONE_BY_ONE = 16
"""Up to here every count of replicas is tried; beyond, each is a sixteenth more than the last."""
_NATIVE_FP8 = (8, 9)
"""Compute capability from which an FP8 KV cache does not depend on the attention backend."""


@dataclass(frozen=True, eq=False)
class Weighed:
    """A candidate and the hardware that it is on."""

    candidate: Candidate
    hardware: Hardware
    preference: tuple[int, int]
    """Between equal prices, the least first: (an FP8 KV cache that nobody asked for, place among the profile's
    quantizations)."""
    default_batch: Weighed | None = None
    """The same with vLLM's default max_num_seqs; None: this is it."""


def hardware_of(profile: HardwareProfile, prices: PriceList, engine_args: dict[str, Json] | None = None) -> Hardware:
    """Raises InputError for a profile without GPUs, UnknownName for a GPU or a price that no table has."""
    gpu = profile.linked_gpu()
    if gpu is None:
        raise InputError(f"profile {profile.name} has no GPU to choose", "`infercli profiles` lists those with GPUs")
    return Hardware(
        profile=profile,
        gpu=gpu,
        gpu_memory_utilization=utilization(engine_args or {}, gpu, find_engine(RAY_SERVICE_ENGINE), profile),
        price=None if profile.price is None else prices.find(profile.price),
    )


def candidates(question: Question) -> tuple[Weighed, ...]:
    """Every configuration, each once. Smaller profiles come first, so that they stand for larger ones."""
    found: list[Weighed] = []
    kinds: list[tuple[object, ...]] = []
    seen: set[tuple[object, ...]] = set()
    for hardware in sorted(question.hardware, key=lambda h: h.profile.max_gpus):
        kind = (hardware.gpu, hardware.gpu_memory_utilization, hardware.price, hardware.profile.quantizations)
        if kind not in kinds:
            kinds.append(kind)
        which = kinds.index(kind)
        for (method, place), shape in product(_methods(hardware, question), _shapes(hardware, question)):
            tp, pp, replicas, kv_dtype, spare_gpus = shape
            silent_fp8 = kv_dtype != "auto" and "auto" in _kv_dtypes(hardware, question)
            default: Weighed | None = None
            for seqs in _sequences(hardware, question):
                key = (which, method, *shape, seqs)
                if key in seen:
                    continue
                candidate = Candidate(
                    profile=hardware.profile.name,
                    gpu=hardware.gpu.name,
                    tensor_parallel_size=tp,
                    pipeline_parallel_size=pp,
                    replicas=replicas,
                    quantization=method,
                    kv_cache_dtype=kv_dtype,
                    max_num_seqs=seqs,
                    spare_gpus=spare_gpus,
                )
                found.append(Weighed(candidate, hardware, (int(silent_fp8), place), default))
                default = default or found[-1]
                if room_problem(found[-1]) is None:
                    seen.add(key)  # where a small profile has no room, a larger one may
    return tuple(found)


def _methods(hardware: Hardware, question: Question) -> Iterator[tuple[str, int]]:
    """(method, its place among the profile's preferences). A quantized checkpoint is what it is."""
    accepted, stored = hardware.methods, question.model.quantization.method
    free = stored == "none" and not question.pinned
    converted = tuple(method for method in accepted if not METHODS[method].as_published)
    for method in question.quantizations or (converted if free else (stored,)):
        yield method, accepted.index(method) if method in accepted else len(accepted)


def _shapes(hardware: Hardware, question: Question) -> Iterator[tuple[int, int, int, str, int]]:
    """(tensor-parallel, pipeline-parallel, replicas, KV dtype, spare GPUs)."""
    fixed, profile = question.fixed, hardware.profile
    sizes = splits_of_a_node(profile.gpus_per_node)
    doubled = [2**i for i in range(profile.max_gpus.bit_length())]
    stages = [1] if question.plain else sorted({*sizes, *doubled})
    splits = [
        (tp, pp)
        for tp in (sizes if fixed.tensor_parallel_size is None else [fixed.tensor_parallel_size])
        for pp in (stages if fixed.pipeline_parallel_size is None else [fixed.pipeline_parallel_size])
    ]
    held = [(tp, pp) for tp, pp in splits if engines_that_fit(profile, tp * pp, grown=True)]
    # Where no node holds what the user fixed, the least of it is weighed all the same, so that the answer says so.
    for tp, pp in held or splits[:1]:
        spare_gpus = tp * pp if question.spare and not hardware.grows else 0
        room = max(1, engines_that_fit(profile, tp * pp, grown=True))
        for replicas in _replicas(room) if fixed.replicas is None else [fixed.replicas]:
            for kv_dtype in _kv_dtypes(hardware, question):
                yield tp, pp, replicas, kv_dtype, spare_gpus


def _replicas(room: int) -> Iterator[int]:
    count = 1
    while count <= room:
        yield count
        count += max(1, count // _ONE_BY_ONE)


def _kv_dtypes(hardware: Hardware, question: Question) -> tuple[str, ...]:
    if question.fixed.kv_cache_dtype is not None:
        return (question.fixed.kv_cache_dtype,)
    if compressed(question.model.arch):
        return ("fp8",)  # vLLM stops at any other
    if question.plain or question.model.quantization.kv_cache_fp8 or not hardware.gpu.at_least(_NATIVE_FP8):
        return ("auto",)
    return ("auto", "fp8")


def _sequences(hardware: Hardware, question: Question) -> tuple[int, ...]:
    """First what vLLM does by default on that GPU, then a quarter of it, and so on."""
    if question.fixed.max_num_seqs is not None:
        return (question.fixed.max_num_seqs,)
    facts = find_engine(RAY_SERVICE_ENGINE)
    default = facts.device_defaults(hardware.gpu, max_model_len=question.max_model_len).max_num_seqs
    seqs = [min(default, question.engine_args.get("max_num_batched_tokens") or default)]
    while seqs[-1] // 4 >= FEWEST_SEQUENCES and not question.plain:
        seqs.append(seqs[-1] // 4)
    return tuple(seqs)


def room_problem(weighed: Weighed) -> str | None:
    """Why the profile's nodes do not hold it with its spare; None where they do."""
    candidate, profile = weighed.candidate, weighed.hardware.profile
    each = candidate.gpus_per_replica
    room = engines_that_fit(profile, each, grown=True)
    wanted = candidate.replicas + candidate.spare_gpus // each
    if wanted <= room:
        return None
    if not room:
        return f"{counted(each, 'GPU')} for one replica: {too_large(profile, each)}"
    spare = " with the spare" if candidate.spare_gpus else ""
    return f"{counted(wanted * each, 'GPU')}{spare}: {profile.name} has room for {room * each}"

"""estimate: from one request to one answer, without a lock, a profile or a deployment file.

The one thing to know: everything wrong with a request is said at once, so each check runs although an earlier one
failed; only where there is nothing to check against is it left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from pydantic import ValidationError

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, ModelArch
from infercli.core.architecture.unseen import unseen_note
from infercli.core.engines import find_engine
from infercli.core.engines.classes import doubtful_class
from infercli.core.engines.facts import EngineFacts
from infercli.core.estimates import tensor_parallel
from infercli.core.estimates.answer import Estimate, EstimatedSpeed, EstimateError, Settings
from infercli.core.estimates.memory import Sized, drafting_layers, machine_notes, request_layout, room_outside, size
from infercli.core.estimates.model import Model, model_quantization, shipped_model
from infercli.core.estimates.problems import Problems
from infercli.core.estimates.remedies import smaller_images, what_fits
from infercli.core.estimates.request import EstimateRequest
from infercli.core.estimates.settings import BITSANDBYTES_EAGER, runs_bitsandbytes, settle
from infercli.core.estimates.speed import speed
from infercli.core.estimates.two_engines import with_engine
from infercli.core.gpus import GPUS, Gpu, find_gpu, find_gpu_with, guessed_note, other_memory_note
from infercli.core.memory.batch import Draft
from infercli.core.memory.vision import uncounted_kwargs
from infercli.core.quantization.checkpoint import Quantization
from infercli.core.quantization.methods import require_engine
from infercli.core.record import Json
from infercli.core.units import GIB
from infercli.core.validation import problems_of
from infercli.errors import InferError, Unsupported

if TYPE_CHECKING:
    from infercli.core.estimates.learning import LearnedRuns

_EQUAL_VOCABULARIES = (0, 16)
"""From this version vLLM refuses another (config/speculative.py verify_equal_vocab_size_if_draft_model)."""

_POOLS_ANY_DECODER = (0, 6, 5)
"""From this version vLLM runs any class that generates for embeddings (models/adapters.py), asked to or by itself."""

_SPLITS = (1, 2, 4, 8, 16, 32)
"""tensor_parallel_size that are offered instead of one that cannot be."""

SCHEMA = "`infercli estimate --schema` prints what may be in a request"


@dataclass(frozen=True, kw_only=True, eq=False)
class Examined:
    """A request that can be answered: what it means, and its memory."""

    settings: Settings
    sized: Sized
    notes: tuple[str, ...]


def read_request(value: Json) -> EstimateRequest | EstimateError:
    """A request from JSON, or everything that is wrong with it.

    Where some fields are wrong the rest are looked at all the same: an unknown GPU is said beside a negative count.
    """
    problems = Problems()
    if not isinstance(value, dict):
        problems.add("", "must be a JSON object", SCHEMA)
        return problems.answer(None)
    try:
        return EstimateRequest.model_validate(value)
    except ValidationError as error:
        for where, what in problems_of(error, EstimateRequest):
            # What is wrong between fields is said with the field first: pydantic has no place for it.
            field, colon, rest = what.partition(": ")
            named = not where and colon and field in EstimateRequest.model_fields
            problems.add(*((field, rest) if named else (where, what)), SCHEMA)
        bad = {str(e["loc"][0]) for e in error.errors() if e["loc"]}
    if "gpu" in value and "gpu" not in bad and isinstance(value["gpu"], str):
        memory_gib = value.get("gpu_memory_gib")
        with problems.at("gpu"):
            if isinstance(memory_gib, int | float) and "gpu_memory_gib" not in bad:
                find_gpu_with(value["gpu"], int(memory_gib * GIB))
            else:
                find_gpu(value["gpu"])
    if isinstance(value.get("engine_version"), str) and "engine_version" not in bad:
        with problems.at("engine_version"):
            find_engine(value["engine_version"])
    if isinstance(value.get("model"), str) and not {"config", "config_path"} & set(value):
        with problems.at("model"):
            shipped_model(value["model"])
    request_id = value.get("id")
    return problems.answer(request_id if isinstance(request_id, str | int) else None)


def estimate(
    request: EstimateRequest,
    model: Model | InferError,
    draft: Draft | InferError | None = None,
    learned: LearnedRuns | None = None,
) -> Estimate | EstimateError:
    """The answer to a request whose model, and draft model, was read or could not be (they then say why)."""
    problems = Problems()
    found = examine(request, model, problems, draft, learned)
    if found is None or isinstance(model, InferError):
        return problems.answer(request.id)
    replicas = (request.gpu_count or request.gpus_per_replica) // request.gpus_per_replica
    speed_, why = _speed(request, found.sized, replicas)
    instead: list[str] = []
    if not found.sized.starts:
        instead.append(what_fits(found.sized))
        if not request.mm_processor_kwargs:
            with_pixels = partial(_with_pixels, request, model, draft, learned)
            instead.append(smaller_images(found.sized.arch, with_pixels, alone=instead != [""]))
    outside = () if found.sized.starts is False else room_outside(found.sized)
    return Estimate(
        id=request.id,
        model=model.name,
        architecture=model.arch.architecture,
        family=model.arch.kind,
        gpu=found.sized.load.gpu.name,
        gpu_count=request.gpu_count or request.gpus_per_replica,
        replicas=replicas,
        engine_version=request.engine_version,
        settings=found.settings,
        memory=found.sized.memory,
        kv_cache=found.sized.kv_cache,
        starts=found.sized.starts,
        reason="; ".join(filter(None, (found.sized.reason, *instead))),
        missing_bytes=found.sized.missing_bytes,
        speed=speed_,
        notes=(*found.notes, *outside, *found.sized.learned_notes, *why),
    )


def examine(
    request: EstimateRequest,
    model: Model | InferError,
    problems: Problems,
    draft: Draft | InferError | None = None,
    learned: LearnedRuns | None = None,
    *,
    batch_is_said: bool = False,
) -> Examined | None:
    """Everything of an answer but its speed; None where something is wrong, which `problems` then says.

    `batch_is_said`: as `settle` takes it.
    """
    gpu, facts = _hardware(request, problems), None
    with problems.at("engine_version"):
        facts = find_engine(request.engine_version)
    if isinstance(model, InferError):
        problems.add_error("model" if request.config_path is None and request.config is None else "config", model)
        return None
    if request.runner == "pooling":
        model = replace(model, arch=architecture.as_pooling(model.arch))
    if facts is not None and facts.number < _POOLS_ANY_DECODER:
        model = replace(model, arch=architecture.before_pooling(model.arch))
    if isinstance(draft, InferError):
        problems.add_error("speculation", draft)
        draft = None
    guessed = guessed_note(request.gpu, gpu) if gpu is not None and isinstance(request.gpu, str) else None
    if gpu is not None and request.gpu_memory_gib is not None:
        guessed = other_memory_note(GPUS.get(gpu.name, gpu), gpu.memory_bytes)
    unsure = tuple(filter(None, (guessed, unseen_note(model.arch))))
    quantization, notes = model.quantization, model.notes + unsure
    with problems.at("quantization"):
        quantization, said = model_quantization(request.quantization, model)
        notes += said
    version = None if facts is None else facts.version
    _check_speculation(request, model, draft, facts, problems)
    arch = model.arch if facts is None else request.as_loaded(model.arch, facts.release)
    _check_layout(arch, quantization, request_layout(request), version, gpu, problems)
    for what in tensor_parallel.context_parallel_problems(
        model.arch, request.tensor_parallel_size, request.decode_context_parallel_size
    ):
        problems.add("decode_context_parallel_size", what)
    if gpu is None or facts is None:
        return None
    with problems.at("use_v1"):
        facts, said = with_engine(facts, request, model.arch, quantization, gpu)
        notes += said
    notes += (*filter(None, [facts.note]), *extrapolated(facts, "`starts` is true only"))
    settings, said = settle(request, arch, quantization, gpu, facts, problems, batch_is_said=batch_is_said)
    notes += said
    with problems.at(""):
        if not problems:
            sized = _in_engine(size(request, arch, quantization, gpu, facts, settings, draft, learned))
            notes += (*machine_notes(sized), *sized.cache_notes, *_processor_notes(request, arch, facts))
            return Examined(settings=settings, sized=sized, notes=notes)
    return None


def _with_pixels(
    request: EstimateRequest, model: Model, draft: Draft | InferError | None, learned: LearnedRuns | None, pixels: int
) -> Sized | None:
    """The start where an image has no more than so many pixels; None: not possible."""
    asked = request.model_copy(update={"mm_processor_kwargs": {"max_pixels": pixels}})
    found = examine(asked, model, Problems(), draft, learned)
    return None if found is None else found.sized


def _processor_notes(request: EstimateRequest, arch: ModelArch, facts: EngineFacts) -> Iterator[str]:
    names = uncounted_kwargs(arch, request.items(arch), request.mm_processor_kwargs or {}, facts)
    if names:
        yield f"what mm_processor_kwargs change by {', '.join(names)} is not counted: the processor is taken as it is"


def _check_layout(
    arch: ModelArch,
    quantization: Quantization,
    layout: Layout,
    version: str | None,
    gpu: Gpu | None,
    problems: Problems,
) -> None:
    """What vLLM cannot split so, and which sizes it can; or that the checkpoint itself is the trouble.

    What no tensor-parallel size changes is named by itself, and does not hide which sizes are possible.
    """
    for what in tensor_parallel.stage_problems(arch, layout.pipeline_parallel_size):
        problems.add("pipeline_parallel_size", what, "lower it, or leave it out")
        layout = layout._replace(pipeline_parallel_size=1)
    for what in tensor_parallel.dealing_problems(arch, expert_parallel=layout.expert_parallel):
        problems.add("enable_expert_parallel", what, "leave it out")
        layout = layout._replace(expert_parallel=False)

    def broken_by(layout: Layout) -> tuple[str, ...]:
        return tensor_parallel.layout_problems(arch, quantization, layout, version, gpu)

    broken = broken_by(layout)
    whole = [n for n in _SPLITS if not broken_by(layout._replace(tensor_parallel_size=n))] if broken else []
    alone = not whole and layout.data_parallel_size > 1 and not broken_by(layout._replace(data_parallel_size=1))
    for what in broken:
        if whole:
            problems.add("tensor_parallel_size", what, f"possible: {', '.join(map(str, whole))}")
        elif alone:
            hint = "ranks that split data split every expert as well: choose another size, or enable_expert_parallel"
            problems.add("data_parallel_size", what, hint)
        else:
            problems.add("quantization", what, "no tensor_parallel_size changes that: take another checkpoint")


def _check_speculation(
    request: EstimateRequest, model: Model, draft: Draft | None, facts: EngineFacts | None, problems: Problems
) -> None:
    said = request.speculation
    if said is None:
        return
    if said.method in ("mtp", "dspark"):
        with problems.at("speculation"):
            drafting_layers(said, model.arch, None)
    equal = facts is None or facts.release >= _EQUAL_VOCABULARIES
    if said.method == "draft_model" and draft is not None and equal and draft.arch.vocab != model.arch.vocab:
        problems.add(
            "speculation",
            f"the model that drafts has a vocabulary of {draft.arch.vocab:,}, and {model.name} one of "
            f"{model.arch.vocab:,}: vLLM refuses",
            "take one of the same family, with the same vocab_size",
        )


def _in_engine(sized: Sized) -> Sized:
    """`sized`, which does not start where that vLLM needs a package of its own (GGUF), or cannot capture the method.

    Where it lacks the class, it cannot be told.
    """
    facts = sized.facts
    if runs_bitsandbytes(sized.quantization) and facts.number < BITSANDBYTES_EAGER and not sized.load.enforce_eager:
        why = f"vLLM {facts.version} cannot capture bitsandbytes in CUDA graphs: it fails, refuses or answers nonsense"
        return sized._replace(starts=False, reason=f"{why}: set enforce_eager, or take vLLM 0.5.5 or later")
    doubt = doubtful_class(sized.arch, facts)
    if doubt is not None and sized.starts:
        sized = sized._replace(starts=None, reason=doubt)
    try:
        for method in sized.quantization.methods:
            require_engine(method, facts.version)
    except Unsupported as error:
        return sized._replace(starts=False, reason=f"{error.message}: {error.hint}")
    return sized


def _speed(request: EstimateRequest, sized: Sized, replicas: int) -> tuple[EstimatedSpeed | None, tuple[str, ...]]:
    """(the speed where a workload is asked, notes). Memory is answered all the same where no speed can be said."""
    if request.workload is None:
        return None, ()
    try:
        said = speed(request, sized, replicas)
    except Unsupported as error:
        return None, (f"no speed: {error.message}",)
    return said, said.notes


def extrapolated(facts: EngineFacts, verdict: str) -> Iterator[str]:
    """That nobody has measured the memory of that version; `verdict`: what is then said at the high end alone."""
    if facts.extrapolated_from is not None:
        yield (
            f"memory of vLLM {facts.version} is extrapolated: few public logs are newer than {facts.extrapolated_from}"
            f"; {verdict} with every estimate at its high end"
        )


def _hardware(request: EstimateRequest, problems: Problems) -> Gpu | None:
    """The GPU with the memory and the slot that the request says; None where it is unknown."""
    said: dict[str, float] = {}
    if request.pcie_gb_per_s is not None:
        said["pcie_bytes_per_s"] = 2e9 * request.pcie_gb_per_s  # a row has both directions together
    with problems.at("gpu"):
        if request.gpu_memory_gib is None:
            gpu = find_gpu(request.gpu) if isinstance(request.gpu, str) else request.gpu
        else:
            said["memory_bytes"] = memory_bytes = int(request.gpu_memory_gib * GIB)
            gpu = find_gpu_with(request.gpu, memory_bytes) if isinstance(request.gpu, str) else request.gpu
        return gpu.model_copy(update=said) if said else gpu
    return None

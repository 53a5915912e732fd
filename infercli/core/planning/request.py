"""What a deployment says of a GPU engine, as the question that `infercli estimate` would be asked; the rest is chosen.

The one thing to know: only what a deployment has and an estimate has not is checked here (the workload's length, memory
that others hold). Everything else is checked where estimates are (core/estimates/settings.py), so that both agree.
"""

from __future__ import annotations

from pydantic import ValidationError

from infercli.core.architecture.arch import ModelArch
from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.profile import HardwareProfile
from infercli.core.engines.facts import EngineFacts
from infercli.core.estimates.engine_args import SAME_NAMES, asked_by
from infercli.core.estimates.problems import Problems
from infercli.core.estimates.request import EstimateRequest
from infercli.core.gpus import Gpu
from infercli.core.memory.compressed_attention import compressed
from infercli.core.memory.shared import held_at_start_bytes, shares_memory
from infercli.core.memory.sizing import never_free_bytes
from infercli.core.record import Json
from infercli.core.units import GIB, gib
from infercli.core.validation import problems_of
from infercli.errors import InputError, InvalidFile

_LEAST_UTILIZATION = 0.05
_START_UP_BYTES = 1.6 * GIB
"""vLLM refuses to start unless its share is free besides the CUDA context and NCCL (1.5 GiB on H100)."""


def read_request(
    arch: ModelArch,
    gpu: Gpu,
    facts: EngineFacts,
    deployment: ModelDeployment,
    profile: HardwareProfile,
    problems: Problems,
) -> EstimateRequest:
    """The question with everything that the user decided; None where the planner, or vLLM, decides.

    What this model, GPU or profile cannot do goes into `problems`, and is then left out. Raises InvalidFile for values
    that no engine takes.
    """
    wrong = value_problems(deployment.engine_args)
    if wrong:
        raise InvalidFile("deployment.yaml", wrong)
    asked: dict[str, object] = {
        "model": deployment.model,
        "gpu": gpu,
        "engine_version": facts.version,
        "max_model_len": None,
        "gpu_memory_utilization": None,
    }
    with problems.at(""):
        asked["max_model_len"] = _length(deployment, arch)
    with problems.at(""):
        asked["gpu_memory_utilization"] = utilization(deployment.engine_args, gpu, facts, profile)
    only: dict[str, Json] = {"kv_cache_dtype": "fp8"} if compressed(arch) else {}  # vLLM stops at any other
    return EstimateRequest.model_validate(only | asked_by(deployment.engine_args) | asked)


def value_problems(engine_args: dict[str, Json]) -> list[tuple[str, str]]:
    """Every (where, what) of values that no engine takes, whatever the model and the GPU."""
    block = engine_args.get("block_size")
    found = []
    if isinstance(block, int) and block % 16:
        found.append(("engine_args.block_size", "must be a multiple of 16; leave it out: 16 is vLLM's default"))
    try:
        EstimateRequest.model_validate(asked_by(engine_args) | {"model": "any", "gpu": "any"})
    except ValidationError as error:
        found += [(f"engine_args.{where}", what) for where, what in problems_of(error)]
    return found


def refuse(problems: Problems) -> None:
    """Raises InputError with all that is wrong with the question, where anything is; each of several with its hint."""
    if not problems:
        return
    error = problems.answer(None)
    said = [f"engine_args.{p.where}: {p.what}" if p.where in SAME_NAMES else p.what for p in error.problems]
    if len(said) == 1:
        raise InputError(said[0], error.hint)
    hints = ["" if p.hint is None else f"; {p.hint}" for p in error.problems]
    raise InputError("\n".join(what + hint for what, hint in zip(said, hints, strict=True)))


def longest_request(deployment: ModelDeployment, arch: ModelArch) -> int:
    """Tokens of the longest request that the deployment takes, as far as it says: else the model's own maximum."""
    asked = deployment.engine_args.get("max_model_len") or deployment.workload.max_context_tokens
    return min(asked, arch.max_model_len) if isinstance(asked, int) else arch.max_model_len


def _length_source(deployment: ModelDeployment) -> str:
    """The field that decides max_model_len, where the user does."""
    named = deployment.engine_args.get("max_model_len") is not None
    return "engine_args.max_model_len" if named else "workload.max_context_tokens"


def length_reason(deployment: ModelDeployment) -> str:
    """Why max_model_len is as it is, where the user decides it."""
    return f"{_length_source(deployment).removesuffix('.max_model_len')} says so"


def asked_length(deployment: ModelDeployment, arch: ModelArch) -> int | None:
    """max_model_len where the user decides it, else None. Raises InputError beyond the model's own."""
    asked = deployment.engine_args.get("max_model_len")
    if asked is None:
        asked = deployment.workload.max_context_tokens
    limit = arch.max_model_len
    if asked is not None and not (isinstance(asked, int) and 1 <= asked <= limit):
        raise InputError(
            f"{_length_source(deployment)}: must be between 1 and {limit:,}, the model's own maximum, and is {asked}",
            "lower it or leave it out",
        )
    return asked


def _length(deployment: ModelDeployment, arch: ModelArch) -> int | None:
    """`asked_length`. Raises InputError, too, where a request of the workload is longer than that."""
    asked, limit = asked_length(deployment, arch), arch.max_model_len
    tokens_each = deployment.workload.tokens_each(pools=arch.pooling)
    if tokens_each > (asked or limit):
        where, output = _length_source(deployment), not arch.pooling
        raise InputError(
            f"workload: {tokens_each:,} tokens a request (input{' and output' * output}) are more than "
            + (f"{where} ({asked:,})" if asked else f"the model takes ({limit:,})"),
            "shorten workload.input_tokens" + " or workload.output_tokens" * output,
        )
    return asked


def utilization(args: dict[str, Json], gpu: Gpu, facts: EngineFacts, profile: HardwareProfile) -> float:
    """gpu_memory_utilization: as asked, or what is chosen. Raises InputError for more than others leave free."""
    total, reserved = gpu.memory_bytes, profile.reserved_gpu_memory_gib * GIB
    asked = args.get("gpu_memory_utilization")
    if asked is not None:
        if not 0 < asked <= 1:
            raise InputError(
                "engine_args.gpu_memory_utilization: must be above 0 and at most 1", "leave it out to have it chosen"
            )
        if asked * total > total - reserved:
            raise InputError(
                f"engine_args.gpu_memory_utilization: {asked} asks for {gib(asked * total)} of {gib(total)}, of "
                f"which others hold {gib(reserved)}",
                "lower it, or leave it out",
            )
        if asked * total > total - never_free_bytes(gpu, facts):
            keeps = "the operating system has" if shares_memory(gpu) else "the driver keeps"
            raise InputError(
                f"engine_args.gpu_memory_utilization: {asked} asks for {gib(asked * total, 2)} of {gib(total, 2)}, and "
                f"{keeps} some of it: vLLM refuses to start where less is free than its share",
                "lower it, or leave it out",
            )
        return float(asked)
    held = held_at_start_bytes(gpu, facts)
    free_fraction = (total - reserved - (held or _START_UP_BYTES)) / total if reserved or held else 1.0
    return max(_LEAST_UTILIZATION, min(facts.gpu_memory_utilization, int(free_fraction * 100) / 100))

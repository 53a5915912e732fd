"""Which of its two engines vLLM 0.8 to 0.10.1 take: V1, unless something is asked of it that V1 lacks.

Read in the released sources of 0.8.0 to 0.8.5 and 0.9.0 to 0.10.2: engine/arg_utils.py _is_v1_supported_oracle and the
classes marked SupportsV0Only in model_executor/models. 0.8.4 is taken to be as 0.8.3. A GPU below capability 8.0 and
anything but CUDA is in `EngineFacts.v1_from`. In 0.10 only models with states are asked about here: 0.10.2 has them.
"""

from __future__ import annotations

from infercli.core.architecture.arch import GatedDelta, ModelArch, StateSpace, mixers
from infercli.core.engines.facts import EngineFacts
from infercli.core.estimates.request import EstimateRequest
from infercli.core.gpus import Gpu
from infercli.core.quantization.schemes import Quantization

_V0_ONLY: dict[str, tuple[int, int, int]] = {
    "Gemma3ForConditionalGeneration": (0, 8, 1),
    "GlmForCausalLM": (0, 8, 5),
    "MiniCPMV": (0, 8, 3),
    "Phi4MMForCausalLM": (0, 8, 5),
    "BloomForCausalLM": (0, 10, 0),
    "Phi3SmallForCausalLM": (0, 10, 0),
    "MllamaForConditionalGeneration": (0, 11, 0),
    "WhisperForConditionalGeneration": (0, 10, 2),
}
"""Classes and the first version whose V1 runs them; those with states and those that pool go by their kind."""


_STATES_IN_V1 = (0, 10, 2)


def with_engine(
    facts: EngineFacts, request: EstimateRequest, arch: ModelArch, quantization: Quantization, gpu: Gpu
) -> tuple[EngineFacts, tuple[str, ...]]:
    """(facts of the engine that runs, notes). Raises InputError where one is stated and the version has only one."""
    if request.use_v1 is not None or facts.engine(gpu) == "V0" or facts.number >= _STATES_IN_V1:
        return facts.chosen(request.use_v1), ()
    why = _states(arch) if facts.v1_from == "always" else _lacking_in_v1(facts.number, request, arch, quantization, gpu)
    if why is None:
        return facts, ()
    return facts.chosen(use_v1=False), (f"vLLM {facts.version} takes its V0 engine: V1 has no {why} yet",)


def _lacking_in_v1(
    version: tuple[int, int, int], request: EstimateRequest, arch: ModelArch, quantization: Quantization, gpu: Gpu
) -> str | None:
    hopper = gpu.capability is not None and gpu.capability[0] == 9
    if request.kv_cache_dtype != "auto" and not (
        request.kv_cache_dtype.startswith("fp8") and hopper and version >= (0, 8, 2)
    ):
        return f"{request.kv_cache_dtype} KV cache on this GPU"
    if request.dtype in ("float", "float32") and version < (0, 9, 2):
        return "float32"
    for method, first in (("gguf", (0, 9, 0)), ("bitsandbytes", (0, 8, 3))):
        if version < first and any(m.name == method for m in quantization.methods):
            return method
    if arch.pooling and version < (0, 9, 2):
        return "pooling models"
    if _states(arch):
        return _states(arch)
    if version < _V0_ONLY.get(arch.architecture, version):
        return arch.architecture
    if request.speculation is not None and (version < (0, 9, 0) or request.speculation.method == "draft_model"):
        return f"speculation by {request.speculation.method}"
    if request.pipeline_parallel_size > 1 and version < (0, 9, 0):
        return "pipeline parallelism without Ray"
    return None


def _states(arch: ModelArch) -> str | None:
    return "state-space layers" if any(isinstance(m, StateSpace | GatedDelta) for m in mixers(arch)) else None

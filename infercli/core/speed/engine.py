"""An engine as speed sees it: how it runs, what its scheduler may do, and how long its steps take.

The one thing to know: what drafts for it computes behind each of its steps, and on the same GPUs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from infercli.core.architecture.arch import Layout, ModelArch
from infercli.core.engine_version import release_of
from infercli.core.gpus import Gpu
from infercli.core.memory.batch import Draft
from infercli.core.quantization.methods import emulated
from infercli.core.quantization.schemes import Quantization
from infercli.core.speed.coefficients import V0, V1, Coefficients
from infercli.core.speed.rates import half_flops_per_s
from infercli.core.speed.schedule import Limits
from infercli.core.speed.steps import Drafting, Runtime, StepTime
from infercli.core.speed.work import rank_work
from infercli.errors import InputError, Unsupported

_WHOLE_GRAPHS = (0, 11)
"""vLLM whose CUDA graphs of decoding hold attention, too: FULL_AND_PIECEWISE since then, PIECEWISE before (0.11
config/__init__.py, pull request 25444)."""


@dataclass(frozen=True, kw_only=True)
class Serving:
    """How the engine runs, as far as speed depends on it."""

    engine_version: str
    """Of vLLM: `0.29.0`."""
    first_engine: bool = False
    """V0 runs though the version has V1: on GPUs before Ampere, or since it was asked for (0.8 to 0.10)."""
    layout: Layout = field(default_factory=Layout)
    max_num_seqs: int
    max_num_batched_tokens: int
    kv_tokens: float | None
    """Tokens that one replica's KV cache holds; None: it is never the limit."""
    element_bytes: int = 2
    """Of one unquantized weight."""
    kv_element_bytes: float = 2
    eager: bool = False
    chunked_prefill: bool | None = None
    """None: as the version does by default."""
    marlin: bool = True
    """False: vLLM was started with `--quantization gptq` or `awq`, which older ones take for a kernel's name."""
    draft_tokens: int = 0
    """Tokens that speculative decoding proposes in each step."""
    acceptance_fraction: float = 0.0
    """Of the proposed tokens; stated, never assumed."""
    draft: Draft | None = None
    """A model that drafts; None: the model's own draft layers, where there are passes."""
    draft_passes: int = 0
    """Of what drafts, one after the other in each step; 0: n-grams of the prompt, which take next to no time."""


def version_of(engine_version: str) -> tuple[int, int]:
    """`0.29.0` -> (0, 29). Raises InputError."""
    try:
        return release_of(engine_version)
    except ValueError:
        raise InputError(
            f"engine version `{engine_version}` is not one of vLLM's", "write for example 0.29.0"
        ) from None


def is_v0(serving: Serving) -> bool:
    """Whether speed is that of vLLM's first engine."""
    return serving.first_engine or version_of(serving.engine_version) < (0, 8)


def coefficients_for(serving: Serving) -> Coefficients:
    """The constants of that engine's generation."""
    return V0 if is_v0(serving) else V1


def step_time(
    arch: ModelArch, quantization: Quantization, gpu: Gpu, serving: Serving, *, served: bool = True,
    coefficients: Coefficients | None = None,
) -> StepTime:  # fmt: skip
    """Step times of one replica. Raises Unsupported where the GPU row does not say how fast it computes."""
    if not half_flops_per_s(gpu):
        what = f"{gpu.name}: its row does not say how fast it computes: peak_flops has neither bf16 nor fp16"
        raise Unsupported(what, "add them: core/gpus/rows.py, or the profile that defines it")
    unpacked = next((m.name for m in quantization.methods if emulated(m, gpu)), None)
    if unpacked is not None:
        what = f"{unpacked} is emulated on {gpu.name}, and nobody measured how slow that is"
        raise Unsupported(what, "take an FP8 or MXFP4 checkpoint on this GPU")
    if arch.pooling:
        raise Unsupported(f"{arch.architecture} pools: it generates no tokens", "leave the workload out")
    version = version_of(serving.engine_version)
    v0 = is_v0(serving)
    runtime = Runtime(
        v0=v0,
        asynchronous=version >= (0, 14),
        eager=serving.eager,
        piecewise=not v0 and version < _WHOLE_GRAPHS,
        served=served,
        tokens_per_sequence=1.0 + serving.draft_tokens,
        batched_tokens=serving.max_num_batched_tokens,
    )
    work = rank_work(
        arch, quantization, gpu, serving.layout,
        element_bytes=serving.element_bytes, kv_element_bytes=serving.kv_element_bytes, engine_version=version,
        marlin=serving.marlin,
    )  # fmt: skip
    constants = coefficients or coefficients_for(serving)
    return StepTime(work, gpu, constants, runtime, _drafting(arch, quantization, gpu, serving, constants, runtime))


def _drafting(
    arch: ModelArch, quantization: Quantization, gpu: Gpu, serving: Serving, c: Coefficients, runtime: Runtime
) -> Drafting | None:
    """What drafts behind each step, on the ranks of the last stage; None: nothing that takes time.

    The first pass sees all tokens of the step, and later ones the token that was drafted last (vLLM 0.29
    v1/spec_decode/llm_base_proposer.py propose). Of the model's own draft layers each pass takes one
    (models/deepseek_mtp.py), and that of DSpark takes all.
    """
    if not serving.draft_passes:
        return None
    if serving.draft is None:
        group = arch.draft_layers[0]
        one = group if arch.draft_others is not None else group._replace(indices=group.indices[:1])
        arch = replace(arch, layers=(one,), draft_layers=(), encoders=())
    else:
        arch, quantization = serving.draft
    work = rank_work(
        arch, quantization, gpu, serving.layout._replace(pipeline_parallel_size=1),
        element_bytes=serving.element_bytes, kv_element_bytes=serving.kv_element_bytes,
        engine_version=version_of(serving.engine_version),
    )  # fmt: skip
    later = StepTime(work, gpu, c, runtime._replace(tokens_per_sequence=1.0))
    return Drafting(StepTime(work, gpu, c, runtime), later, serving.draft_passes)


def limits_of(serving: Serving) -> Limits:
    """What the scheduler of that version may put into a step: into a micro-batch for each pipeline stage."""
    chunked = serving.chunked_prefill
    return Limits(
        max_num_seqs=serving.max_num_seqs,
        max_num_batched_tokens=serving.max_num_batched_tokens * serving.layout.pipeline_parallel_size,
        kv_tokens=serving.kv_tokens,
        chunked_prefill=not is_v0(serving) if chunked is None else chunked,
    )

"""Quantization methods: one row each, and what they need of a GPU and of a tensor-parallel split.

The engine reads the method from the checkpoint itself; these rows say what that means. `q4` in a profile stands for
any 4-bit weight-only method. GGUF and bitsandbytes have no row: vLLM 0.29 runs neither without a plugin.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from infercli.core.gpus import Gpu
from infercli.errors import InputError, UnknownName

_GUIDE = "vLLM 0.29 model_executor/layers/quantization"


@dataclass(frozen=True, kw_only=True)
class Method:
    """One way to store weights. Capabilities are (major, minor) compute capabilities."""

    name: str
    checkpoint: str
    """What the checkpoint's quantization_config must say."""
    bits: int | None
    """Bits of one quantized weight; None: the model's own dtype. Scales and zero points come on top, per group."""
    group_size: int | None = None
    """Weights per scale along the input dimension, where the checkpoint does not say; None: one scale per output."""
    zero_points: bool = False
    """Whether each group also stores a zero point of `bits` bits, where the checkpoint does not say."""
    minimum_capability: tuple[int, int]
    native_from: tuple[int, int] | None = None
    """From here on the arithmetic itself is done in the small type; None: weights only, on every GPU."""
    below_capability: tuple[int, int] | None = None
    """From this capability on it does not run; None: no such limit."""
    loads_as_model_dtype: bool = False
    """Quantized while loading: the checkpoint is unquantized and the load peaks at its size."""
    engine_quantization: str | None = None
    """The `quantization` argument that the engine needs; None: it reads the checkpoint."""
    source: str


METHODS: dict[str, Method] = {
    m.name: m
    for m in (
        Method(
            name="none", checkpoint="no quantization_config", bits=None, minimum_capability=(7, 5), native_from=(7, 5),
            source="vLLM 0.29 image: built for 7.5 and above",
        ),
        Method(
            name="awq", checkpoint="quant_method awq", bits=4, group_size=128, zero_points=True,
            minimum_capability=(7, 5), source=f"{_GUIDE}/auto_awq.py",
        ),
        Method(
            name="gptq", checkpoint="quant_method gptq", bits=4, group_size=128,
            minimum_capability=(7, 5), source=f"{_GUIDE}/auto_gptq.py (6.0 in the class, 7.5 in the image)",
        ),
        Method(
            name="w4a16", checkpoint="quant_method compressed-tensors, format pack-quantized, 4 bits", bits=4,
            group_size=128, minimum_capability=(7, 5), source=f"{_GUIDE}/compressed_tensors: wNa16",
        ),
        Method(
            name="fp8", bits=8, minimum_capability=(7, 5), native_from=(8, 9),
            checkpoint="quant_method fp8 (per tensor or per block), compressed-tensors format float-quantized, "
            "or modelopt FP8",
            source=f"{_GUIDE}/fp8.py: Marlin with 8-bit weights and 16-bit arithmetic below 8.9",
        ),
        Method(
            name="int8", checkpoint="quant_method compressed-tensors, format int-quantized, 8 bits", bits=8,
            minimum_capability=(7, 5), native_from=(7, 5), below_capability=(10, 0),
            source="vLLM 0.29 docs/features/quantization/llm_compressor/int8_w8a8.md: not on Blackwell",
        ),
        Method(
            name="fp8-online", checkpoint="no quantization_config; the engine quantizes while it loads", bits=8,
            minimum_capability=(7, 5), native_from=(8, 9), loads_as_model_dtype=True, engine_quantization="fp8",
            source=f"{_GUIDE}/online: weights arrive in the checkpoint's dtype and are quantized on the GPU",
        ),
    )
}  # fmt: skip

ALIASES: dict[str, tuple[str, ...]] = {"q4": ("awq", "gptq", "w4a16")}
"""Names that stand for any of several methods, in order of preference."""


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Method names with aliases replaced by what they stand for, in order, each once. Raises UnknownName."""
    methods: list[str] = []
    for name in names:
        if name not in METHODS and name not in ALIASES:
            raise UnknownName("quantization", name, [*METHODS, *ALIASES], "methods: core/quantization.py")
        methods += [m for m in ALIASES.get(name, (name,)) if m not in methods]
    return tuple(methods)


def capability_text(capability: tuple[int, int]) -> str:
    """`8.9`."""
    return f"{capability[0]}.{capability[1]}"


def require_capability(method: Method, gpu: Gpu) -> str | None:
    """Raises InputError where the GPU cannot run the method; the note for a plan where it runs it weight-only."""
    have = capability_text(gpu.capability)
    if gpu.capability < method.minimum_capability:
        raise InputError(
            f"{method.name} needs compute capability {capability_text(method.minimum_capability)}, "
            f"and {gpu.name} has {have}",
            "choose another --quantization or another profile; `infercli gpus` lists the capabilities",
        )
    if method.below_capability is not None and gpu.capability >= method.below_capability:
        raise InputError(
            f"{method.name} does not run on compute capability {have} ({gpu.name}): vLLM has no kernel for it from "
            f"{capability_text(method.below_capability)} on",
            "use an fp8 checkpoint on this GPU",
        )
    if method.native_from is not None and gpu.capability < method.native_from:
        return (
            f"{method.name} is weight-only on {gpu.name} (capability {have}, native from "
            f"{capability_text(method.native_from)}): memory falls, compute does not speed up"
        )
    return None

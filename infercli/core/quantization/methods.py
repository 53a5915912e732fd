"""Quantization methods: one row each, and what they need of a GPU and of a tensor-parallel split.

The engine reads the method from the checkpoint itself; these rows say what that means. `q4` in a profile stands for
any 4-bit integer method that keeps 16-bit activations.
"""

from collections.abc import Iterable
from typing import NamedTuple

from infercli.core.engine_version import release_of
from infercli.core.gpus import Gpu
from infercli.errors import InputError, UnknownName, Unsupported

_GUIDE = "vLLM 0.29 model_executor/layers/quantization"
_FP8_MINIMUMS = (((0, 5), (8, 9)), ((0, 14), (8, 0)))
"""Marlin takes FP8 since 0.5.1, and 0.5.0, which asks for 8.9 as 0.4.2 does, has the row of its release (fp8.py
get_min_capability; 0.4.1 asks for 9.0)."""
_MARLIN_SPLIT = "a group of weights must not lie across two GPUs; tiles of 64 x 128 are padded, except with act-order"


class Method(NamedTuple):
    """One way to store weights. Capabilities are (major, minor) compute capabilities."""

    name: str
    checkpoint: str
    """What the checkpoint's quantization_config must say."""
    source: str
    bits: float | None
    """Bits of one quantized weight; None: the model's own dtype, or what each module says. Scales come on top."""
    minimum_capability: tuple[int, int]
    earlier_minimums: tuple[tuple[tuple[int, int], tuple[int, int]], ...] = ()
    """((version, capability), ...), oldest first: what vLLM needed before that version (wheels of 0.8.5 to 0.14.0)."""
    native_from: tuple[int, int] | None = None
    """From here on the arithmetic itself is done in the small type; None: weights only, on every GPU."""
    below_capability: tuple[int, int] | None = None
    """From this capability on it does not run; None: no such limit."""
    group_size: int | None = None
    """Weights per scale along the input dimension, where the checkpoint does not say; None: one scale per output."""
    scale_bytes: int | None = None
    """Of one scale; None: the model's dtype for groups, four for one scale per output or block."""
    zero_points: bool = False
    """Whether each group also stores a zero point of `bits` bits, where the checkpoint does not say."""
    kernels: str = ""
    """The kernels that run it and the capability from which each does."""
    split: str = "any that the model takes"
    """What tensor parallelism must leave whole (core/estimates/tensor_parallel.py)."""
    kv_cache: str = "the checkpoint cannot ask for a KV-cache dtype"
    """How the checkpoint asks for a KV-cache dtype, which vLLM's `auto` obeys."""
    loads_as_model_dtype: bool = False
    """Quantized while loading: the checkpoint is unquantized and the load peaks at its size."""
    as_published: bool = False
    """Models are published in it and seldom converted to it: a search tries it for no other checkpoint unless asked."""
    engine_quantization: str | None = None
    """The `quantization` argument that the engine needs; None: it reads the checkpoint."""
    plugin: tuple[str, tuple[int, int]] | None = None
    """(the package that runs it, the vLLM version from which that package is needed); None: vLLM runs it itself."""

    def needed_capability(self, engine_version: str | None) -> tuple[int, int]:
        """The least capability in that version of vLLM (`0.29.0`); None: the newest."""
        version = None if engine_version is None else release_of(engine_version)
        older = (needed for before, needed in self.earlier_minimums if version is not None and version < before)
        return next(older, self.minimum_capability)


METHODS: dict[str, Method] = {
    m.name: m
    for m in (
        Method(
            name="none", checkpoint="no quantization_config", bits=None, minimum_capability=(7, 0), native_from=(7, 0),
            source="the engine decides: core/engines/versions.py minimum_capability",
        ),
        Method(
            name="awq", checkpoint="quant_method awq", bits=4, group_size=128, zero_points=True,
            minimum_capability=(7, 5), kernels="Marlin 7.5", split=_MARLIN_SPLIT, source=f"{_GUIDE}/auto_awq.py",
        ),
        Method(
            name="gptq", checkpoint="quant_method gptq, 4 or 8 bits", bits=4, group_size=128,
            minimum_capability=(7, 0), kernels="Marlin 7.5, Machete 9.0, Exllama 6.0", split=_MARLIN_SPLIT,
            source=f"{_GUIDE}/auto_gptq.py: 6.0, and vLLM itself starts at 7.0 (core/engines/versions.py)",
        ),
        Method(
            name="w4a16", checkpoint="quant_method compressed-tensors, format pack-quantized, 4 bits", bits=4,
            group_size=128, minimum_capability=(7, 5), earlier_minimums=(((0, 12), (8, 0)),),
            kernels="Marlin 7.5, Machete 9.0", split=_MARLIN_SPLIT, kv_cache="kv_cache_scheme",
            source=f"{_GUIDE}/compressed_tensors: wNa16",
        ),
        Method(
            name="w8a16", checkpoint="quant_method compressed-tensors, format pack-quantized, 8 bits", bits=8,
            minimum_capability=(7, 5), earlier_minimums=(((0, 12), (8, 0)),), kernels="Marlin 7.5, Machete 9.0",
            split=_MARLIN_SPLIT, kv_cache="kv_cache_scheme", source=f"{_GUIDE}/compressed_tensors: wNa16",
        ),
        Method(
            name="fp8", bits=8, minimum_capability=(7, 5), earlier_minimums=_FP8_MINIMUMS, native_from=(8, 9),
            checkpoint="quant_method fp8 (per tensor or per block), compressed-tensors format float-quantized, "
            "or modelopt FP8",
            kernels="CUTLASS and torch 8.9, DeepGEMM 9.0 and 10.0, Marlin 7.5 with 16-bit arithmetic",
            split="whole blocks of 128 x 128 per GPU where the scales are per block",
            kv_cache="kv_cache_scheme, or modelopt's kv_cache_quant_algo",
            source=f"{_GUIDE}/fp8.py: Marlin with 8-bit weights and 16-bit arithmetic below 8.9",
        ),
        Method(
            name="int8", checkpoint="quant_method compressed-tensors, format int-quantized, 8 bits", bits=8,
            minimum_capability=(7, 5), native_from=(7, 5), below_capability=(10, 0), kernels="CUTLASS 7.5",
            kv_cache="kv_cache_scheme",
            source="vLLM 0.29 docs/features/quantization/llm_compressor/int8_w8a8.md: not on Blackwell",
        ),
        Method(
            name="nvfp4", bits=4, group_size=16, scale_bytes=1, minimum_capability=(7, 5),
            earlier_minimums=(((0, 9), (10, 0)), ((0, 14), (8, 0))), native_from=(10, 0),
            checkpoint="modelopt quant_algo NVFP4, or compressed-tensors format nvfp4-pack-quantized",
            kernels="CUTLASS, FlashInfer and TRT-LLM 10.0, Marlin 7.5 with 16-bit arithmetic",
            split="inputs per GPU in whole groups of 16, gated experts on Blackwell of 64",
            kv_cache="kv_cache_scheme, or kv_cache_quant_algo",
            source=f"{_GUIDE}/modelopt.py ModelOptNvFp4Config; compressed_tensors_w4a4_nvfp4.py",
        ),
        Method(
            name="nvfp4a16", bits=4, group_size=16, scale_bytes=1, minimum_capability=(7, 5),
            checkpoint="modelopt quant_algo W4A16_NVFP4, or NVFP4 without input_activations",
            kernels="Marlin 7.5 with 16-bit arithmetic", split="inputs per GPU in whole groups of 16",
            kv_cache="kv_cache_scheme, or kv_cache_quant_algo",
            source=f"{_GUIDE}/modelopt.py ModelOptNvFp4W4A16LinearMethod",
        ),
        Method(
            name="mxfp4", bits=4, group_size=32, scale_bytes=1, minimum_capability=(8, 0),
            native_from=(10, 0), checkpoint="quant_method mxfp4 (gpt-oss)", as_published=True,
            kernels="TRT-LLM and FlashInfer 10.0, Triton 9.0 and Marlin 8.0 with 16-bit arithmetic",
            split="padded: experts to 64, 128 or 256, by kernel",
            source=f"{_GUIDE}/mxfp4.py; layers/fused_moe/oracle/mxfp4.py",
        ),
        Method(
            name="mxfp8", bits=8, group_size=32, scale_bytes=1, minimum_capability=(8, 0), native_from=(10, 0),
            checkpoint="modelopt quant_algo MXFP8, quant_method mxfp8, or compressed-tensors with groups of 32",
            kernels="CUTLASS and FlashInfer 10.0, Marlin 8.0 with 16-bit arithmetic",
            split="inputs per GPU in whole groups of 32", kv_cache="kv_cache_quant_algo",
            source=f"{_GUIDE}/modelopt.py ModelOptMxFp8Config (8.0)",
        ),
        Method(
            name="w4a8", bits=4, group_size=128, minimum_capability=(9, 0), native_from=(9, 0),
            below_capability=(10, 0),
            checkpoint="quant_method compressed-tensors, 4-bit weights in groups, FP8 activations per token",
            kernels="CUTLASS W4A8 9.0 only", split="inputs per GPU in whole groups of 128",
            kv_cache="kv_cache_scheme", source=f"{_GUIDE}/compressed_tensors.py _is_fp8_w4a8_sm90: exactly 9.0",
        ),
        Method(
            name="mixed", bits=None, minimum_capability=(7, 5), native_from=(7, 5),
            checkpoint="modelopt quant_algo MIXED_PRECISION, or compressed-tensors with several config groups",
            split="what each of its methods needs", kv_cache="kv_cache_quant_algo",
            source=f"{_GUIDE}/modelopt.py ModelOptMixedPrecisionConfig (7.5); each module adds its own method's needs",
        ),
        Method(
            name="fp8-online", checkpoint="no quantization_config; the engine quantizes while it loads", bits=8,
            minimum_capability=(7, 5), earlier_minimums=_FP8_MINIMUMS, native_from=(8, 9),
            loads_as_model_dtype=True, engine_quantization="fp8",
            source=f"{_GUIDE}/online: weights arrive in the checkpoint's dtype and are quantized on the GPU",
        ),
        Method(
            # llama.cpp: 144 B per 256 weights of Q4_K, 210 of Q6_K (ggml/src/ggml-common.h). Q4_K_M stores half of
            # attn_v and ffn_down as Q6_K (src/llama-quant.cpp), and vLLM pads query and key beside such a value: 4.5
            # bits, and 2.06 more for half of what is 38 % of the linear weights of Llama-3.1-8B and Qwen2.5-32B.
            name="gguf",
            checkpoint="a .gguf file; Q4_K_M unless said otherwise",
            bits=4.89,
            minimum_capability=(7, 5),
            plugin=("vllm-gguf-plugin", (0, 24)), source="vllm-project/vllm#39612; 0.24 docs/features/quantization",
        ),
        Method(
            # bitsandbytes NF4: one fp32 absmax per 64 weights
            name="bitsandbytes", checkpoint="quant_method bitsandbytes, 4 bits", bits=4, group_size=64, scale_bytes=4,
            minimum_capability=(7, 5), plugin=("vllm-bnb-plugin", (0, 28)), source="vllm-project/vllm#43529",
        ),
    )
}  # fmt: skip

ALIASES: dict[str, tuple[str, ...]] = {"q4": ("awq", "gptq", "w4a16")}
"""Names that stand for any of several methods, in order of preference."""


_MEANT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("int4", "4bit", "4-bit", "w4"), ALIASES["q4"]),
    **dict.fromkeys(("8bit", "8-bit", "w8"), ("fp8", "int8", "w8a16")),
    **dict.fromkeys(("bf16", "bfloat16", "fp16", "float16"), ("none",)),
    **dict.fromkeys(("bnb", "nf4"), ("bitsandbytes",)),
    **dict.fromkeys(("q4_0", "q4_k", "q4_k_s", "q4_k_m", "q5_k_m", "q6_k", "q8_0", "iq4_xs"), ("gguf",)),
    "fp4": ("nvfp4", "mxfp4"),
    "w8a8": ("int8", "fp8"),
}
"""What others call it, and of which the names here are not the nearest in letters."""


def expand(names: Iterable[str]) -> tuple[str, ...]:
    """Method names, whatever their case, with aliases replaced by what they stand for, in order, each once.

    Raises UnknownName.
    """
    methods: list[str] = []
    for name in names:
        low = name.lower()
        if low not in METHODS and low not in ALIASES:
            known = [*METHODS, *ALIASES]
            raise UnknownName("quantization", name, _MEANT.get(low, known), f"known are {', '.join(known)}")
        methods += [m for m in ALIASES.get(low, (low,)) if m not in methods]
    return tuple(methods)


def capability_text(capability: tuple[int, int]) -> str:
    """`8.9`."""
    return f"{capability[0]}.{capability[1]}"


def require_engine(method: Method, engine_version: str) -> None:
    """Raises Unsupported where that version of vLLM (`0.29.0`) runs the method only with a package of its own."""
    if method.plugin is None:
        return
    package, since = method.plugin
    if release_of(engine_version) < since:
        return
    raise Unsupported(
        f"{method.name} is not in vLLM {engine_version}: since {capability_text(since)} it needs "
        f"{package}, which is not planned",
        "pin an AWQ or W4A16 checkpoint of the same model: as small, and vLLM runs it itself",
    )


XPU_METHODS = ("none", "awq", "gptq", "w4a16", "fp8", "fp8-online", "int8", "mxfp4", "mxfp8", "mixed")
"""vLLM 0.29 platforms/xpu.py supported_quantization, and of compressed-tensors what kernels/linear has for XPU. The
modules of `mixed` are asked about one by one."""


def emulated(method: Method, gpu: Gpu) -> bool:
    """Whether vLLM has only its last resort for it: EmulationNvFp4LinearKernel, and EMULATION of experts.

    vLLM 0.29 kernels/linear/__init__.py _POSSIBLE_NVFP4_KERNELS, layers/fused_moe/oracle/nvfp4.py.
    """
    return gpu.platform == "rocm" and method.name == "nvfp4"


def require_capability(method: Method, gpu: Gpu, engine_version: str | None = None) -> str | None:
    """Raises InputError where the GPU cannot run the method; the note for a plan where it runs it weight-only.

    `engine_version`: of vLLM (`0.29.0`); None: the newest.
    """
    if gpu.platform == "xpu" and method.name not in XPU_METHODS:
        raise InputError(
            f"{method.name} is not planned on {gpu.name}: vLLM has kernels for Intel GPUs for {', '.join(XPU_METHODS)}",
            "choose another --quantization or another profile",
        )
    if gpu.capability is None:  # ROCm: its kernels are not these rows'; without FP8: vllm-project/vllm#16394, #52985
        if method.name in ("fp8", "fp8-online") and not gpu.has_fp8:
            raise InputError(
                f"{method.name} does not run on {gpu.name}: vLLM's FP8 kernels for ROCm need MI300 or later, or RDNA 4",
                "choose another --quantization or another profile",
            )
        if gpu.platform == "rocm" and method.name == "nvfp4a16":
            raise InputError(
                f"nvfp4a16 does not run on {gpu.name}: only Marlin does it, which is none of ROCm's",
                "choose another --quantization or another profile",
            )
        if emulated(method, gpu):
            return (
                f"{method.name} is emulated on {gpu.name}: vLLM's build for ROCm has no kernel for it and unpacks all "
                "weights at every step: memory falls, and it is slower than unquantized"
            )
        if gpu.platform == "rocm" and method.name == "mxfp4" and "fp4" not in gpu.peak_flops:
            said = f"mxfp4 is weight-only on {gpu.name}, native on MI350 and later"
            return f"{said}: memory falls, compute does not speed up"
        return None
    have, needed = capability_text(gpu.capability), method.needed_capability(engine_version)
    if gpu.capability < needed:
        where = "" if needed == method.minimum_capability else f" in vLLM {engine_version}"
        raise InputError(
            f"{method.name} needs compute capability {capability_text(needed)}{where}, and {gpu.name} has {have}",
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

"""GPUs and accelerators that people ask for and that have no row: each kind by name, with the reason.

Those that vLLM does not run on, those that run on a plugin of their own, which was not read, and those whose memory is
what each machine is set to, so that no row can hold it.
"""

import re
from typing import NamedTuple

from infercli.errors import InferError, InputError, Unsupported

_INLINE = (
    "define it inline in a profile (`infercli profiles --help` shows one), with platform rocm, capability null, and "
    "memory_bytes as torch.cuda.mem_get_info() prints it where vLLM will run"
)
_DOCUMENT = "docs/getting_started/installation/gpu.md"
_PLATFORMS = "choose a GPU of NVIDIA, AMD or Intel; `infercli gpus` lists them"


class Kind(NamedTuple):
    """GPUs of which one thing is to be said."""

    names: str
    """A pattern of the whole name, as core/gpus folds it: no vendor, size, separator or capital."""
    why: str
    """`GPU NAME ...`."""
    hint: str
    runs: bool = True
    """Whether somebody's vLLM runs there, and only infercli does not know it."""


def _older(names: str, capability: str) -> Kind:
    """NVIDIA's below 7.0. `EngineFacts.minimum_capability` is for those that have rows."""
    why = f"has compute capability {capability}, and vLLM needs 7.0 or more (0.14 {_DOCUMENT}; 7.5 in newer ones)"
    return Kind(names, why, "choose another GPU; `infercli gpus` lists the capabilities", runs=False)


def _plugin(names: str, plugin: str) -> Kind:
    """Among those of vLLM itself is one for TPUs, which hands over to their plugin."""
    why = f"is run by a plugin ({plugin}) and not by vLLM itself (0.29 vllm/platforms/__init__.py): it was not read"
    return Kind(names, why, _PLATFORMS)


def _rocm(names: str, arch: str) -> Kind:
    """Some that it can be compiled for: CMakeLists.txt has gfx906, gfx908 and gfx1030 too."""
    why = f"is {arch}, and vLLM supports gfx90a, gfx942, gfx950, RDNA 3 and RDNA 4 of AMD's (0.14 {_DOCUMENT})"
    return Kind(names, f"{why}: what builds for others do was not read", _PLATFORMS)


# Capabilities: NVIDIA's lists of CUDA GPUs. What drivers report of shared memory: llama.cpp's and PyTorch's totals on
# one model of APU, and ROCm's how-to/system-optimization/mi300a.rst.
KINDS = (
    _older(r"k[248]0[a-z]?", "3.5 or 3.7"),
    _older(r"m(10|40|60)|gtx9\d\d(ti|m)?|gtxtitanx|quadrom\d+", "5.0 or 5.2"),
    _older(r"p100(pcie)?|(quadro)?gp100", "6.0"),
    _older(r"p(4|6|40)|p102100|gtx10\d\d(ti)?|(gtx)?titanxp?|quadrop\d+", "6.1"),
    _rocm(r"mi25|(rx)?vega\d+", "gfx900"),
    _rocm(r"mi[56]0|(pro)?vii", "gfx906"),
    _rocm(r"mi100", "gfx908"),
    _rocm(r"rx6\d\d\d(xt|xtx)?|(pro)?w6\d\d\d|(pro)?v620", "RDNA 2"),
    Kind(
        r"strixhalo|(ryzen)?(ai)?max\+?(pro)?3[89]\d(w/?80[56]0s)?|80[56]0s|gfx1151",
        "shares its memory with the CPU, and how much of it the driver reports is set on each machine, by the firmware "
        "and by amdgpu's GTT limit: 15.5 to 128 GiB in public logs, which vLLM takes for memory of its own (0.29 "
        "vllm/platforms/rocm.py has no is_integrated_gpu)",
        _INLINE,
    ),
    Kind(
        r"mi300a",
        "shares its 128 GB with the CPU, and how much of it the driver gives is set on each machine: 96 GiB unless "
        "amdttm's limits are raised",
        _INLINE,
    ),
    Kind(
        r"arc(pro)?a\d+m?|flex1[47]0",
        "is of Intel's first Arc generation, which the attention that vLLM runs on XPU since 0.10 does not support "
        "(vllm-project/vllm#24817); what its other backends do there was not read",
        _PLATFORMS,
    ),
    Kind(
        r"dgxstation(gb300)?|gb300dgxstation",
        "has a GB300 of its own, of 252 GB (vllm-project/recipes@8959cf64189c taxonomy.yaml), and how much of it the "
        "driver reports was printed in nothing that was read",
        "define it inline in a profile (`infercli profiles --help` shows one), with memory_bytes as "
        "torch.cuda.mem_get_info() prints it there; `infercli gpus GB300` has the rest",
    ),
    _plugin(r"(habana)?gaudi\d?[a-z]*|hl\d+[a-z]*|hpu", "vllm-gaudi"),
    _plugin(r"(google|cloud)?tpu(v\d+[a-z]*)?|v[56]e|v5p|v5litepod|trillium|ironwood", "tpu-inference"),
    _plugin(r"(huawei)?(ascend|atlas)(npu)?[\da-z]*|9[15]0[a-d]\d?", "vllm-ascend"),
    _plugin(r"(aws)?(trainium|trn|inferentia|inf)\d?[a-z]?", "vllm-neuron"),
    _plugin(r"(apple)?(silicon)?m[1-6](pro|max|ultra)?", "vllm-metal"),
)


def refusal(name: str, folded: str) -> InferError | None:
    """What to raise for a GPU that no row has; None where there is nothing to say of it."""
    kind = next((kind for kind in KINDS if re.fullmatch(kind.names, folded)), None)
    if kind is None:
        return None
    return (Unsupported if kind.runs else InputError)(f"GPU `{name}` {kind.why}", kind.hint)

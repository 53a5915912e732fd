"""Where vLLM has an attention kernel for a model and its KV cache: it does not start where it has none.

The one thing to know: each layer asks vLLM's backends in turn (platforms/cuda.py get_valid_backends), so that a cache
in FP8 hangs on what that layer needs besides: its head size, its sinks, whether it sees images whole. Only NVIDIA's
GPUs are looked at; AMD's take every FP8 cache, and have a sparse backend (platforms/rocm.py).
"""

from collections.abc import Iterator
from typing import NamedTuple

from infercli.core.architecture.arch import Attention, CompressedAttention, LatentAttention, ModelArch, mixers
from infercli.core.architecture.compressed import V4_VISION
from infercli.core.engines.facts import EngineFacts
from infercli.core.gpus import Gpu
from infercli.core.kv_cache.compressed import (
    COMPRESSED_ALWAYS,
    COMPRESSED_DTYPES,
    COMPRESSED_UNASKED,
    NOT_COMPRESSED,
)
from infercli.core.kv_cache.specs import kv_dtype
from infercli.core.quantization.methods import capability_text
from infercli.core.quantization.schemes import Quantization

_SPARSE_MAJORS = (9, 10, 12)
"""Of backends of attention that picks its tokens (0.12 to 0.33 v1/attention/backends/mla/flashmla_sparse.py and
flashinfer_mla_sparse.py, models/deepseek_v4/sparse_mla.py and nvidia/flashinfer_sparse.py). 12 is in releases since
0.24, and was before in builds whose logs are public."""
_RELATIVE_MAJORS = (9, 10, 11)
"""Of FlashAttention 4 with relative positions (0.26 to 0.33 models/inkling/nvidia/ops/fa4_rel_attention.py), which
fails on 12.x (vllm-project/vllm#51405) and takes no scales of an FP8 cache."""
_RELATIVE_ON_AMD = (0, 27)
"""The first version with models/inkling/amd."""
_HOPPER = 9
"""Major of the GPUs where FlashAttention has FP8 (0.29 v1/attention/backends/fa_utils.py
flash_attn_supports_kv_cache_dtype), beside 10.x, where FlashInfer is asked first."""
_FLASH_ATTENTION = (8, 0)
"""Of FlashAttention, which latent attention takes for prompts (0.8.5 to 0.13 attention/backends/mla/common.py and
v1/attention/backends/mla/common.py, 0.29 v1/attention/backends/mla/prefill/selector.py)."""
_NATIVE_FP8 = (8, 9)
"""Of Triton's FP8 (vllm-project/vllm#26431; 0.24 v1/attention/backends/triton_attn.py says so and raises, as does 0.26
mla/triton_mla.py)."""

_FLASHINFER = (0, 11, 1)
"""From this version FlashInfer is asked where FlashAttention has no FP8; 0.11.0 knows Triton only (platforms/cuda.py).
Before, V0 took such a cache on any GPU (0.8.5 to 0.10.2 attention/backends/xformers.py)."""
_FLASHINFER_HEADS = (64, 128, 256)
_FLASHINFER_512 = (0, 22)
"""From this version it has heads of 512 (v1/attention/backends/flashinfer.py get_supported_head_sizes)."""
_FLASHINFER_AMPERE = (0, 24)
"""From this version it is left out below 8.0 (supports_compute_capability), and Triton raises for both FP8 formats."""
_PREFIX_ASKED = (0, 14)
"""From this version a backend is asked whether images are seen whole (v1/attention/selector.py use_mm_prefix)."""
_PREFIX_CLEARED = (0, 27)
"""From this version nothing is seen whole where no prompt holds images (config/model.py
_supports_multimodal_for_mm_prefix)."""

_LATENT_FP8 = ((0, 10, 1), (0, 18, 0))
"""Latent attention takes FP8 on 9.x and 10.x from the first (0.10.0 refuses: v1/attention/backends/mla/flashmla.py,
cutlass_mla.py, triton_mla.py; 0.10.1 was not read), with Triton from the second (0.17 refuses)."""
_LATENT_E4M3 = (0, 12)
"""From this version its backends list what they take, and none on NVIDIA lists fp8_e5m2."""


_COMPRESSED_KEYS_FP8 = (0, 31)
"""From this version attention whose indexer scores compressed keys takes a cache in FP8 (models/qwen4_exp/nvidia/qsa.py
0.29, 0.30 and 0.31), of which fp8_e5m2 is none."""


class BackendProblem(NamedTuple):
    """Why there is none, and what to do."""

    where: str
    """The field of the request."""
    what: str
    hint: str


def backend_problems(
    arch: ModelArch, quantization: Quantization, gpu: Gpu, facts: EngineFacts, asked: str
) -> Iterator[BackendProblem]:
    """`asked`: kv_cache_dtype as asked for. Nothing before 0.8, whose sources were not read for this."""
    kinds = mixers(arch)
    if asked == "fp8_ds_mla" and not any(_sparse(m) for m in kinds):
        what = f"fp8_ds_mla is a layout for attention that picks its tokens, and that of {arch.architecture} does not"
        yield BackendProblem("kv_cache_dtype", what, "say kv_cache_dtype fp8")
        return
    unfit = any(isinstance(m, CompressedAttention) for m in kinds) and asked not in _taken_by_compressed(arch, facts)
    if unfit:
        said = NOT_COMPRESSED if facts.release < COMPRESSED_UNASKED else COMPRESSED_ALWAYS
        yield BackendProblem("kv_cache_dtype", said, "say kv_cache_dtype fp8")
    yield from _unsupported(arch, gpu)
    related = any(isinstance(m, Attention) and m.convolved is not None for m in kinds)
    if related and gpu.platform == "rocm" and facts.release < _RELATIVE_ON_AMD:
        what = f"vLLM {facts.version} has {arch.architecture} for NVIDIA alone"
        yield BackendProblem("gpu", what, f"{'.'.join(map(str, _RELATIVE_ON_AMD))} and later have it for AMD")
    if gpu.capability is None or facts.release < (0, 8):
        return
    have = f"{gpu.name} has {capability_text(gpu.capability)}"
    if any(_sparse(m) for m in kinds) and gpu.capability[0] not in _SPARSE_MAJORS:
        *majors, last = (f"{major}.x" for major in _SPARSE_MAJORS)
        yield BackendProblem(
            "gpu",
            f"{arch.architecture} picks the tokens that it attends to, for which vLLM has kernels on compute "
            f"capability {', '.join(majors)} and {last} only, and {have}",
            "choose a GPU of Hopper or Blackwell",
        )
        return
    if any(isinstance(m, LatentAttention) for m in kinds) and gpu.capability < _FLASH_ATTENTION:
        yield BackendProblem(
            "gpu",
            f"the latent attention of {arch.architecture} needs compute capability "
            f"{capability_text(_FLASH_ATTENTION)}, and {have}",
            "choose a GPU of Ampere or later",
        )
        return
    if related and gpu.capability[0] not in _RELATIVE_MAJORS:
        *majors, last = (f"{major}.x" for major in _RELATIVE_MAJORS)
        yield BackendProblem(
            "gpu",
            f"the relative positions of {arch.architecture} have kernels on compute capability {', '.join(majors)} and "
            f"{last} only, and {have}",
            "choose a GPU of Hopper, or of Blackwell for data centres",
        )
        return
    named = kv_dtype(asked, quantization.caches_fp8(facts.release), arch, gpu.capability, facts.release)
    if unfit or not named.startswith("fp8"):
        return
    why = f"the kernel of {arch.architecture} reads keys in bfloat16 alone" if related else None
    why = why or _scales_problem(quantization, named) or _latent_problem(arch, gpu.capability, facts, named)
    why = why or _dense_problem(arch, gpu.capability, facts, named) or _picking_problem(arch, facts, named)
    if why is not None:
        says = f"vLLM {facts.version} cannot keep the KV cache in {named} on {gpu.name}"
        hint = "leave kv_cache_dtype out" if asked != "auto" else "say kv_cache_dtype bfloat16, or take another GPU"
        yield BackendProblem("kv_cache_dtype", f"{says}: {why}", hint)


def _unsupported(arch: ModelArch, gpu: Gpu) -> Iterator[BackendProblem]:
    """GPUs that DeepSeek-V4.1, and V4 with an encoder, are not run on, or whose memory is not counted so far.

    0.33 models/deepseek_v4/vl_stub.py; models/deepseek_v41/__init__.py knows NVIDIA's and AMD's.
    """
    shares = any(isinstance(m, CompressedAttention) and m.owns_keys is not None for m in mixers(arch))
    if gpu.platform == "xpu" and (shares or arch.architecture == V4_VISION):
        yield BackendProblem(
            "gpu", f"vLLM runs {arch.architecture} on GPUs of NVIDIA and AMD only", "choose another GPU"
        )
    if gpu.unified_memory and arch.tables:
        what = f"{gpu.name} shares its memory, of which the n-gram tables of {arch.architecture} take a part"
        yield BackendProblem("gpu", f"{what}: that is not counted yet", "choose a GPU with memory of its own")


def _taken_by_compressed(arch: ModelArch, facts: EngineFacts) -> tuple[str, ...]:
    """What a cache of compressed attention may be asked to be."""
    shares = any(isinstance(m, CompressedAttention) and m.owns_keys is not None for m in mixers(arch))
    named = ("fp8", "fp8_ds_mla") if shares else COMPRESSED_DTYPES
    return named if facts.release < COMPRESSED_UNASKED else ("auto", *named)


def _sparse(mixer: object) -> bool:
    return isinstance(mixer, CompressedAttention) or (isinstance(mixer, LatentAttention) and mixer.indexer is not None)


def _scales_problem(quantization: Quantization, named: str) -> str | None:
    """0.8.5 attention/layer.py to 0.29 model_executor/layers/attention/attention.py."""
    if named == "fp8_e5m2" and quantization.kv_scales:
        return f"a checkpoint of {quantization.method} has scales for the cache, and those are for fp8_e4m3"
    return None


def _latent_problem(arch: ModelArch, capability: tuple[int, int], facts: EngineFacts, named: str) -> str | None:
    latent = [m for m in mixers(arch) if isinstance(m, LatentAttention)]
    if not latent:
        return None
    if named == "fp8_e5m2" and facts.release >= _LATENT_E4M3:
        return "latent attention has kernels for fp8_e4m3 only"
    if any(_sparse(m) for m in latent):
        return None
    hopper, triton = _LATENT_FP8
    if facts.number < hopper:
        return "it has none for latent attention yet"
    if facts.number < triton and capability[0] not in (9, 10):
        return "latent attention has it on compute capability 9.x and 10.x only"
    if capability < _NATIVE_FP8:
        return f"latent attention needs compute capability {capability_text(_NATIVE_FP8)} for it"
    return None


def _picking_problem(arch: ModelArch, facts: EngineFacts, named: str) -> str | None:
    """Qwen4-Exp's attention."""
    if not picks_by_compressed_keys(arch):
        return None
    if facts.release < _COMPRESSED_KEYS_FP8:
        return f"the attention of {arch.architecture} has no kernel for it yet"
    return f"the attention of {arch.architecture} has kernels for fp8_e4m3 only" if named == "fp8_e5m2" else None


def picks_by_compressed_keys(arch: ModelArch) -> bool:
    """Whether an indexer scores keys that stand for several tokens each, beside keys and values of every token."""
    found = [m.indexer for m in mixers(arch) if isinstance(m, Attention) and m.indexer is not None]
    return any(indexer.pool > 1 for indexer in found)


def _dense_problem(arch: ModelArch, capability: tuple[int, int], facts: EngineFacts, named: str) -> str | None:
    """Below 8.9 only FlashInfer has it; before 0.24 Triton took fp8_e5m2 as well."""
    kept = _plain(arch)
    if not kept or capability >= _NATIVE_FP8 or facts.release < (0, 11):
        return None
    least = capability_text(_NATIVE_FP8)
    if facts.release < _FLASHINFER_AMPERE and named == "fp8_e5m2":
        return None
    if facts.number < _FLASHINFER:
        return f"it needs compute capability {least}"
    if facts.release >= _FLASHINFER_AMPERE and capability < (8, 0):
        return f"it needs compute capability {least}, or 8.0 with FlashInfer"
    heads = _flashinfer_heads(facts)
    other = sorted({m.head_dim for m in kept} - set(heads))
    if other:
        return f"heads of {other[0]} need compute capability {least}: FlashInfer has {', '.join(map(str, heads))}"
    if any(m.sinks for m in kept):
        return f"attention with sinks needs compute capability {least}"
    if _sees_images_whole(arch, facts) and facts.release >= _PREFIX_ASKED:
        return f"{arch.architecture}, whose tokens of an image see one another, needs compute capability {least}"
    return None


def attends_by_flashinfer(
    arch: ModelArch, quantization: Quantization, gpu: Gpu, facts: EngineFacts, asked: str
) -> bool:
    """Whether FlashInfer runs plain attention: first on 10.x, elsewhere where FlashAttention has no cache in FP8.

    Read in 0.29 (platforms/cuda.py _get_backend_priorities, v1/attention/backends/flashinfer.py); logs of 0.20 to 0.22
    name the same candidates. Attention with sinks is counted on 10.x alone. It is not taken where images are seen
    whole, nor for heads of more than one size, which Gemma 4 gives to one other backend
    (model_executor/models/config.py Gemma4Config).
    """
    capability, kept = gpu.capability, _plain(arch)
    if gpu.platform != "cuda" or capability is None or not kept or facts.release < _FLASHINFER[:2]:
        return False
    first = gpu.datacentre_blackwell
    named = kv_dtype(asked, quantization.caches_fp8(facts.release), arch, capability, facts.release)
    lacks_fp8 = capability[0] != _HOPPER and capability >= _FLASH_ATTENTION
    if not first and not (named.startswith("fp8") and lacks_fp8):
        return False
    heads = {m.head_dim for m in kept}
    if len(heads) > 1 or not heads <= {*_flashinfer_heads(facts)}:
        return False
    return (first or not any(m.sinks for m in kept)) and not _sees_images_whole(arch, facts)


def _plain(arch: ModelArch) -> list[Attention]:
    """The layers of plain attention that keep keys and values."""
    return [m for m in mixers(arch) if isinstance(m, Attention) and m.cached and m.indexer is None]


def _flashinfer_heads(facts: EngineFacts) -> tuple[int, ...]:
    return (*_FLASHINFER_HEADS, 512) if facts.release >= _FLASHINFER_512 else _FLASHINFER_HEADS


def _sees_images_whole(arch: ModelArch, facts: EngineFacts) -> bool:
    return arch.image_prefix and (bool(arch.encoders) or facts.release < _PREFIX_CLEARED)

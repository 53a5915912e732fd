"""What an operator must know of a GPU plan beside its numbers: what costs time, what scales otherwise than it seems."""

from __future__ import annotations

from collections.abc import Iterator

from infercli.core.architecture.arch import Attention, CompressedAttention, LatentAttention, ModelArch, mixers
from infercli.core.architecture.unseen import unseen_note
from infercli.core.documents.profile import HardwareProfile
from infercli.core.estimates.estimate import extrapolated
from infercli.core.estimates.memory import machine_notes, room_outside
from infercli.core.kv_cache.pool import CacheLayout
from infercli.core.memory import sizing
from infercli.core.memory.activation import more_while_compiling
from infercli.core.memory.compressed_attention import compressed
from infercli.core.memory.weights import largest_unquantized_bytes
from infercli.core.planning.outcome import Question
from infercli.core.quantization.methods import METHODS
from infercli.core.units import GIB, counted, gib

_WORTH_SAYING_BYTES = 0.5 * GIB
"""Less than this between a first start and later ones is not worth a line."""


def gpu_notes(question: Question, profile: HardwareProfile, said: tuple[str, ...]) -> tuple[str, ...]:
    """`said` by whoever checked GPU and quantization, and everything else worth a line."""
    reserved_bytes = int(profile.reserved_gpu_memory_gib * GIB)
    return (
        *said,
        *filter(None, [unseen_note(question.arch)]),
        *_vendor(question),
        *extrapolated(question.facts, "`fits` is said"),
        *_compiling(question),
        *machine_notes(question.sized),
        *_loading(question),
        *_links(question, profile),
        *room_outside(question.sized, reserved_bytes),
        *_fp8_cache(question),
        *_architecture(question),
    )


def _vendor(question: Question) -> Iterator[str]:
    gpu = question.gpu
    if gpu.platform != "cuda":
        yield f"{gpu.name} is planned only: `infercli render` and `infercli deploy` refuse GPUs that are not NVIDIA's"
    if gpu.platform == "xpu":
        yield "without XPU graphs, as vLLM runs by default; VLLM_XPU_ENABLE_XPU_GRAPH takes memory beside the budget"


def _compiling(question: Question) -> Iterator[str]:
    if question.sized.layout is None or question.settings.kv_cache_memory_bytes is not None:
        return  # there is no KV cache that it would be missing from, or it has its size whatever is left
    more = more_while_compiling(question.arch, question.quantization, question.sized.load, question.facts)
    if more > _WORTH_SAYING_BYTES:
        yield (
            f"a start that has to compile its kernels leaves about {gib(more)} less for the KV cache than one that "
            "finds them; what is said with `at least` allows for it"
        )


def _loading(question: Question) -> Iterator[str]:
    if METHODS[question.quantization.method].loads_as_model_dtype:
        load = question.sized.load
        peak = largest_unquantized_bytes(question.arch, load.layout, load.element_bytes)
        yield (
            f"quantized layer by layer while it loads: {gib(peak, 2)} more at most than afterwards, and the whole "
            "unquantized checkpoint is read at every start. Pin an FP8 checkpoint to avoid it"
        )


def _links(question: Question, profile: HardwareProfile) -> Iterator[str]:
    settings, gpus = question.settings, question.request.gpus_per_replica
    ranks = settings.tensor_parallel_size
    if profile.interconnect == "pcie" and ranks > 1:
        yield f"{ranks} GPUs talk over PCIe: tensor parallelism costs more time than over NVLink"
    if gpus > profile.gpus_per_node:
        yield (
            f"one engine spans {gpus // profile.gpus_per_node} nodes: every token crosses the network between them, "
            "and losing one node stops the engine"
        )


def _fp8_cache(question: Question) -> Iterator[str]:
    gpu = question.gpu
    if question.sized.kv_element_bytes == 1 and not gpu.has_fp8:
        yield f"an FP8 KV cache on {gpu.name} depends on the attention backend: try it before you rely on it"


# What is particular to the architecture.


def _architecture(question: Question) -> Iterator[str]:
    arch, cache = question.arch, question.sized.layout
    if arch.pooling:
        yield "it pools hidden states and generates no tokens: output_tokens of the workload mean nothing to it"
    if cache is not None:
        yield from _replicated_cache(arch, question.settings.tensor_parallel_size)
        yield from _kinds_of_cache(arch, cache)
    if arch.encoders:
        yield _encoder(question)
    if arch.draft_layers and question.request.speculation is None:
        count = sum(len(g.indices) for g in arch.draft_layers)
        are = "is" if count == 1 else "are"
        yield f"the checkpoint's {counted(count, 'draft layer')} {are} not loaded: speculation is not asked for"


def _replicated_cache(arch: ModelArch, ranks: int) -> Iterator[str]:
    """Keys and values that every rank holds whole."""
    if ranks == 1:
        return
    if any(isinstance(m, LatentAttention | CompressedAttention) for m in mixers(arch)):
        yield (
            f"latent attention has one key-value vector for all heads: each of {ranks} GPUs keeps the whole KV cache, "
            "so that more GPUs leave more room for it and do not split it"
        )
    fewest = min((m.kv_heads for m in mixers(arch) if isinstance(m, Attention) and m.cached), default=ranks)
    if fewest < ranks:
        yield f"{counted(fewest, 'KV head')} on {ranks} GPUs: each is kept {ranks // fewest} times"


def _kinds_of_cache(arch: ModelArch, cache: CacheLayout) -> Iterator[str]:
    kinds = {group.first.kind for group in cache.groups}
    if "state" in kinds:
        yield (
            f"states beside attention: vLLM makes a block {cache.block_tokens} tokens so that a page holds a state, "
            "and every request takes its states whatever its length"
        )
    elif "encoder" in kinds:
        heard = max(group.first.reach or 0 for group in cache.groups)
        yield (
            f"every request keeps keys and values of {heard:,} tokens of its encoder besides its own, whatever its "
            "length; the concurrency that vLLM prints counts max_num_batched_tokens of them"
        )
    elif kinds & {"sliding", "chunked"} and "full" in kinds:
        local = sum(
            len(g.indices) for g in arch.layers
            if isinstance(g.mixer, Attention) and (g.mixer.window is not None or g.mixer.chunk is not None)
        )  # fmt: skip
        where = f"{local} of {arch.layer_count} layers keep only a window of the tokens"
        if compressed(arch):
            where = "every layer keeps a window of the tokens, and most of them the others compressed"
        yield (
            f"{where}: bytes per token are those of a request longer than that, and the capacity is the concurrency, "
            "not the printed number of tokens"
        )


def _encoder(question: Question) -> str:
    arch = question.arch
    parts = sizing.rank_weights(arch, question.quantization, question.sized.load, question.facts)
    said = f"encoders take {gib(parts.get('encoder', 0), 2)} of the weights of each GPU"
    if any(isinstance(m, Attention) and m.encoder_tokens is not None for m in mixers(arch)):
        return said  # the prompt has no place for what was seen or heard
    return f"{said}; an image counts as its tokens in the prompt, and the workload's input_tokens must include them"

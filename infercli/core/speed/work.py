"""What one GPU reads, computes and sends in a step of the engine: from a ModelArch to bytes and FLOP.

The one thing to know: everything is counted for one rank of all pipeline stages together; steps.py shares it out among
the stages. Nothing here is fitted.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import ceil
from typing import NamedTuple

from infercli.core.architecture.arch import (
    Attention,
    CompressedAttention,
    Experts,
    GatedDelta,
    Indexer,
    LatentAttention,
    Layout,
    Mixer,
    ModelArch,
    RankTensor,
    ShortConvolution,
    StateSpace,
    kv_heads_per_rank,
    stage_tensors,
)
from infercli.core.gpus import Gpu
from infercli.core.memory.weights import stored_bytes
from infercli.core.quantization.methods import METHODS
from infercli.core.quantization.schemes import Quantization, Scheme, schemes_of
from infercli.core.speed.experts import Tiles, activated_apart, expert_kernels, moved_bytes, tiles_of
from infercli.core.speed.packed import Packed, packed_of
from infercli.core.speed.rates import cut_of, half_flops_per_s

_COMPUTES_IN = {"fp8": "fp8", "fp8-online": "fp8", "int8": "int8", "nvfp4": "fp4", "mxfp4": "fp8", "mxfp8": "fp8",
                "w4a8": "fp8"}  # fmt: skip
"""The dtype that the tensor cores work in where the method is native. MXFP4 (gpt-oss) takes FP8 activations on
Blackwell (vLLM 0.29 fused_moe/oracle/mxfp4.py)."""

_MMA_FRACTION = {9: 0.629, 10: 0.25, 11: 0.25}
"""Of what other kernels reach that Ampere's tensor core instructions do, by capability's major number: Hopper and
Blackwell of data centres have others. On H800 by Luo et al. 2025 (arXiv 2501.12084); on B200 378 TFLOP/s of a kernel of
these instructions beside 1,507 of cuBLAS, where the same author's reaches 405 of 432 on a GPU that has no others
(gau-nernst/learn-cuda, 02e_matmul_sm100 and 02c_matmul_sm120). Thor's 11.0, which has B200's kind, was not measured and
is taken to be as B200."""
_STATE_BYTES = 4
"""Of one element of a recurrent state: float32 unless the config says otherwise (vLLM 0.29 mamba_utils.py)."""

_PICKED_ARE_COUNTED = (0, 26)
"""vLLM that tells sparse latent attention how many tokens its indexer picked: read in 0.26, absent in 0.23."""
_FLASHINFER_SPARSE = (0, 17)
"""vLLM that has FlashInfer's sparse latent attention: read in 0.17, absent in 0.11."""
_FEW_HEADS = 16
"""Of a rank, up to which it is preferred with a 16-bit KV cache."""

_KERNELS_ATTENTION = 6
"""Kernels of an attention layer in one step: norm, query-key-value, RoPE, cache write, attention, output."""
_KERNELS_LATENT = 14
"""Norm, down-projections, two norms, query, RoPE, cache write, absorption, attention, value, output, and casts."""
_KERNELS_COMPRESSED = 26
"""Of DeepSeek-V4: that, two compressors, an indexer, and the streams that hyper-connections mix before and behind. Not
read: of 47.6 kernels a layer in a profile of V4-Flash on eight H800 (vLLM 0.25; 2,689,787 of one rank in 1,305 steps
and 14 prompts), what is left without two all-reduces and what is counted of experts and quantization (pyz-creeper/
GPU-TEE-Inference-Bench, campaigns/dsv4-large-scale/BAREMETAL_REPORT.md)."""
_KERNELS_STATE = 7
"""Norm, input projection, convolution, gates, scan, gated norm, output."""
_KERNELS_DELTA_PROMPT = 25
"""Of gated DeltaNet with a prompt in the step: norm, two input projections, convolution, three copies of its parts,
gates, initial states gathered and those of new prompts found and emptied, two norms, sums of the decay in chunks,
products of keys, their inverse (two), weights and values made of it, states from chunk to chunk, output, states
converted and scattered, output copied and normalized, output projection (vLLM 0.19 mamba/gdn_linear_attn.py
_forward_core, fla/ops/chunk.py)."""
_KERNELS_DENSE = 4
"""Norm, gate-up, activation, down."""
_KERNELS_OTHER = 2
"""Of each linear layer beside those: itself, and what is made of its result (vLLM 0.29 gemma4.py: a layer's own input
is gated, and projected and normalized)."""
KERNELS_DENSE_LAYER = _KERNELS_ATTENTION + _KERNELS_DENSE
"""Of a layer of a dense model."""


class Matrices(NamedTuple):
    """Weights that are stored alike and multiplied by the same tokens."""

    bytes: float
    parameters: float
    flops_per_s: float
    """Of the dtype that the tensor cores work in; datasheet, dense."""
    weight_only: bool
    """The weights are widened first: small in memory, not faster to compute with."""
    experts: int = 0
    """0: every token passes all of it."""
    experts_per_token: int = 0
    ranks: int = 1
    """That have whole experts each, and wait for the one that most tokens go to; 1: every rank has a part of each."""
    sampled: bool = False
    """Only the last token of a sequence passes it (lm_head)."""
    tiles: Tiles | None = None
    """Of experts, where they are large beside the tokens of each, or untuned; None: neither (core/speed/experts.py)."""
    packed: Packed | None = None
    """By the kernels that GPTQ and AWQ had before Marlin; None: by others."""


class Reads(NamedTuple):
    """What `layers` equal layers read of the KV cache, and compute with it."""

    layers: int
    token_bytes: float
    """Per layer and token of context."""
    window: int | None
    """Tokens at most; None: the whole context."""
    decode_flops: float
    """Per layer, sequence and token of context."""
    prefill_flops: float
    """Per layer, new token and token of context."""
    sequence_bytes: float = 0.0
    """Per layer and sequence whatever the context is: a recurrent state, read and written, or what an encoder left."""
    computed: int = 0
    """Tokens of context that are computed with at least, masked or not."""
    short_prefill_flops: float | None = None
    """As `prefill_flops`, of prompts that the window holds; None: the same."""


class Work(NamedTuple):
    """One rank's share of a step."""

    layers: int
    hidden: int
    kernels: int
    """Launched one after the other in a step; each leaves a gap."""
    launches: int
    """Those of them that do more than quantize: beside the others an eager layer in INT8 takes no longer to launch."""
    prompt_layers: float
    """Layers, as long as launching the kernels of a prompt takes: one whose mixer has more of them counts for more."""
    reductions: int
    """All-reduces over the tensor-parallel ranks in a step."""
    expert_layers: int
    expert_bytes: float
    """That kernels of experts hand on through memory, per token."""
    matrices: tuple[Matrices, ...]
    reads: tuple[Reads, ...]
    layout: Layout


@lru_cache(maxsize=256)
def rank_work(
    arch: ModelArch,
    quantization: Quantization,
    gpu: Gpu,
    layout: Layout,
    *,
    element_bytes: int,
    kv_element_bytes: float,
    engine_version: tuple[int, int],
    marlin: bool = True,
) -> Work:
    """The work of the ranks that share one copy of the model.

    `element_bytes`: of one unquantized weight; `marlin`: GPTQ and AWQ may run by it, where they can.
    """
    matrices: dict[Matrices, list[float]] = {}
    quantizations = launches = reductions = expert_layers = delta_layers = 0
    expert_bytes = 0.0
    for stage in range(layout.pipeline_parallel_size):
        for tensor in stage_tensors(arch, layout, stage):
            quantizations += int(_quantizations(tensor, quantization, gpu) * tensor.uses)
            for m in _matrices(tensor, arch, quantization, gpu, layout, element_bytes, engine_version, marlin):
                total = matrices.setdefault(m._replace(bytes=0.0, parameters=0.0), [0.0, 0.0])
                total[0] += m.bytes * tensor.uses
                total[1] += m.parameters * tensor.uses
    if arch.tied and arch.lm_head:
        parameters = arch.padded_vocab // layout.tensor_parallel_size * arch.hidden
        head = Matrices(bytes=0.0, parameters=0.0, flops_per_s=half_flops_per_s(gpu), weight_only=False, sampled=True)
        total = matrices.setdefault(head, [0.0, 0.0])
        total[0] += parameters * element_bytes
        total[1] += parameters
    reads: list[Reads] = []
    for group in arch.layers:
        layers = len(group.indices)
        for mixer in (group.mixer, group.beside, *group.again):
            if mixer is not None:
                launches += layers * _mixer_kernels(mixer)
                delta_layers += layers * isinstance(mixer, GatedDelta)
                reductions += layers
                if isinstance(mixer, LatentAttention) and mixer.indexer is not None:
                    heads = mixer.heads / layout.tensor_parallel_size
                    reads += _sparse(mixer, mixer.indexer, layers, heads, kv_element_bytes, gpu, engine_version)
                else:
                    reads += _reads(mixer, layers, layout.tensor_parallel_size, kv_element_bytes)
        launches += layers * _KERNELS_OTHER * sum(other.linear for other in group.others)
        layers *= 1 + len(group.again)
        if group.feed_forward is not None:
            reductions += layers
            if isinstance(group.feed_forward, Experts):
                expert_layers += layers
                module = f"{group.feed_forward.module}.experts.{group.feed_forward.names[-1]}"
                for scheme, alike in schemes_of(quantization, (module,), group.indices, head=False):
                    uses = alike * (1 + len(group.again))
                    launches += uses * expert_kernels(group.feed_forward, layout, scheme, gpu)
                    apart = activated_apart(scheme, gpu)
                    expert_bytes += uses * moved_bytes(group.feed_forward, layout, arch.hidden, apart=apart)
            else:
                launches += layers * _KERNELS_DENSE
    more = delta_layers * (_KERNELS_DELTA_PROMPT - _KERNELS_ATTENTION)
    return Work(
        layers=arch.passed_layers,
        prompt_layers=arch.passed_layers + more / KERNELS_DENSE_LAYER,
        hidden=arch.hidden,
        kernels=launches + quantizations,
        launches=launches,
        reductions=reductions,
        expert_layers=expert_layers,
        expert_bytes=expert_bytes,
        matrices=tuple(
            alike._replace(bytes=bytes_, parameters=parameters) for alike, (bytes_, parameters) in matrices.items()
        ),
        reads=tuple(reads),
        layout=layout,
    )  # fmt: skip


def _matrices(
    tensor: RankTensor,
    arch: ModelArch,
    quantization: Quantization,
    gpu: Gpu,
    layout: Layout,
    element_bytes: int,
    engine_version: tuple[int, int],
    marlin: bool,
) -> Iterator[Matrices]:
    """Of each way that a tensor is stored."""
    if tensor.role in ("embedding", "norm", "encoder", "draft") or tensor.inputs == 1:
        return  # looked up, or too small to see; encoders run once a request, drafts only when speculation is asked for
    head, routed = tensor.role == "lm_head", None
    if tensor.role == "experts":
        routed = next(
            g.feed_forward
            for g in arch.layers
            if isinstance(g.feed_forward, Experts) and tensor.indices[0] in g.indices
        )
    schemes: tuple[tuple[Scheme | None, int], ...] = ((None, len(tensor.indices) or 1),)
    if tensor.linear or head:
        schemes = schemes_of(quantization, tensor.modules, tensor.indices, head=head)
    for scheme, layers in schemes:
        copies = tensor.copies * layers / (len(tensor.indices) or 1)
        rate, weight_only = _rate(scheme, gpu)
        if weight_only and scheme is not None and _by_mma(scheme, gpu, experts=routed is not None):
            rate *= min(1.0, _mma_fraction(gpu) * cut_of(gpu))
        found = Matrices(
            bytes=copies * stored_bytes(tensor.outputs, tensor.inputs, scheme, element_bytes),
            parameters=copies * tensor.outputs * tensor.inputs, flops_per_s=rate, weight_only=weight_only, sampled=head,
            packed=None if routed else packed_of(scheme, gpu, engine_version, marlin=marlin),
        )  # fmt: skip
        if routed is not None:
            tiles = tiles_of(routed, layout, scheme, gpu, engine_version)
            ranks = layout.tensor_parallel_size * layout.data_parallel_size if layout.expert_parallel else 1
            found = found._replace(
                experts=routed.experts, experts_per_token=routed.experts_per_token, tiles=tiles, ranks=ranks
            )
        yield found


def _rate(scheme: Scheme | None, gpu: Gpu) -> tuple[float, bool]:
    """(FLOP/s that its products run at, whether its weights are widened first)."""
    half = half_flops_per_s(gpu)
    if scheme is None or scheme.bits is None:
        return half, False
    native_from = METHODS[scheme.method].native_from
    rate = gpu.peak_flops.get(_COMPUTES_IN.get(scheme.method, ""))
    native = native_from is not None and (gpu.platform == "rocm" or gpu.at_least(native_from))
    return (half, True) if rate is None or not native else (rate, False)


def _by_mma(scheme: Scheme, gpu: Gpu, *, experts: bool) -> bool:
    """Whether widened weights are multiplied by Marlin where newer instructions reach more.

    It is the only kernel of experts but MXFP4's, which Triton has on Hopper (vLLM 0.20 fused_moe/oracle/int_wna16.py,
    nvfp4.py, mxfp4.py). Others have Machete on Hopper, and on no other GPU (kernels/linear/mixed_precision/machete.py).
    """
    if gpu.platform != "cuda" or scheme.method == "mxfp4" or gpu.at_least((12, 0)):
        return False
    return gpu.at_least((9, 0) if experts else (10, 0))


def _mma_fraction(gpu: Gpu) -> float:
    assert gpu.capability is not None
    return _MMA_FRACTION[gpu.capability[0]]


def _quantizations(tensor: RankTensor, quantization: Quantization, gpu: Gpu) -> int:
    """Kernels that do nothing but quantize what a product multiplies, over the layers of that tensor.

    INT8 and FP8 by blocks have one before each product (vLLM 0.29 _custom_ops.py scaled_int8_quant, quantization/utils/
    fp8_utils.py per_token_group_quant_fp8). FP8 with one scale a token or tensor, and NVFP4, are mostly fused with what
    comes before, and experts count theirs apart (expert_kernels).
    """
    if not tensor.linear or tensor.role in ("experts", "encoder", "draft"):
        return 0
    return sum(
        layers
        for scheme, layers in schemes_of(quantization, tensor.modules, tensor.indices, head=False)
        if scheme is not None and (scheme.block or scheme.method == "int8") and not _rate(scheme, gpu)[1]
    )


def _mixer_kernels(mixer: Mixer) -> int:
    if isinstance(mixer, CompressedAttention):
        return _KERNELS_COMPRESSED
    if isinstance(mixer, LatentAttention):
        return _KERNELS_LATENT
    return _KERNELS_ATTENTION if isinstance(mixer, Attention) else _KERNELS_STATE


def _reads(mixer: Mixer, layers: int, tp: int, kv_bytes: float) -> list[Reads]:
    if isinstance(mixer, Attention):
        width = mixer.head_dim + mixer.v_head_dim
        flops = 2 * mixer.heads / tp * width
        size = kv_heads_per_rank(mixer, tp) * width * kv_bytes
        if mixer.encoder_tokens is not None:
            heard = size * mixer.encoder_tokens
            return [
                Reads(
                    layers=layers, token_bytes=0.0, window=1, decode_flops=0.0, prefill_flops=0.0, sequence_bytes=heard
                )
            ]
        window = mixer.window or mixer.chunk
        picked = [] if mixer.indexer is None else _indexed(mixer.indexer, layers, wide=mixer.indexer.pool > 1)
        top = window if mixer.indexer is None else mixer.indexer.top_k
        return [
            Reads(layers=layers, token_bytes=size, window=top, decode_flops=flops, prefill_flops=flops),
            *picked,
        ]
    if isinstance(mixer, LatentAttention):
        heads, latent = mixer.heads / tp, mixer.kv_lora_rank
        # While decoding, queries and values stay in the compressed space; a prefill widens keys and values
        # (vLLM 0.29 model_executor/layers/attention/mla_attention.py).
        decode = 2 * heads * (2 * latent + mixer.rope_dim)
        prefill = 2 * heads * (mixer.nope_dim + mixer.rope_dim + mixer.v_head_dim)
        size = (latent + mixer.rope_dim) * kv_bytes
        return [Reads(layers=layers, token_bytes=size, window=None, decode_flops=decode, prefill_flops=prefill)]
    if isinstance(mixer, CompressedAttention):
        flops, size = 4 * mixer.heads / tp * mixer.head_dim, mixer.head_dim * kv_bytes
        near = Reads(layers=layers, token_bytes=size, window=mixer.window, decode_flops=flops, prefill_flops=flops)
        if not mixer.compress_ratio:
            return [near]
        share = 1 / mixer.compress_ratio
        far = Reads(
            layers=layers, token_bytes=size * share, decode_flops=flops * share, prefill_flops=flops * share,
            window=None if mixer.indexer is None else mixer.indexer.top_k * mixer.compress_ratio,
        )  # fmt: skip
        return [near, far, *([] if mixer.indexer is None else _indexed(mixer.indexer, layers, share))]
    state = _state_elements(mixer) / tp
    return [
        Reads(
            layers=layers, token_bytes=0.0, window=1, decode_flops=0.0, prefill_flops=4 * state,
            sequence_bytes=2 * state * _STATE_BYTES,
        )
    ]  # fmt: skip


def _sparse(
    mixer: LatentAttention,
    indexer: Indexer,
    layers: int,
    heads: float,
    kv_bytes: float,
    gpu: Gpu,
    engine_version: tuple[int, int],
) -> list[Reads]:
    """Latent attention to picked tokens: prompts stay in the compressed space as well, at all heads that a kernel has.

    Until a kernel is told how many were picked it computes with top_k of them, and from then on prompts that top_k
    holds are widened as any other (v1/attention/backends/mla/flashmla_sparse.py of vLLM 0.11 to 0.28, and
    model_executor/layers/attention/mla_attention.py of 0.26).
    """
    width = mixer.kv_lora_rank + mixer.rope_dim
    flops = 2 * _kernel_heads(heads, kv_bytes, gpu, engine_version) * (width + mixer.kv_lora_rank)
    told = engine_version >= _PICKED_ARE_COUNTED
    return [
        Reads(
            layers=layers, token_bytes=width * kv_bytes, window=indexer.top_k, decode_flops=flops, prefill_flops=flops,
            computed=0 if told else indexer.top_k,
            short_prefill_flops=2 * heads * (mixer.nope_dim + mixer.rope_dim + mixer.v_head_dim) if told else None,
        ),
        *_indexed(indexer, layers),
    ]  # fmt: skip


def _kernel_heads(heads: float, kv_bytes: float, gpu: Gpu, engine_version: tuple[int, int]) -> float:
    """Heads of a rank as the kernel of sparse latent attention counts them.

    FlashMLA's has 64 on Hopper and 128 on Blackwell, where FlashInfer's, which has no such padding, takes over for few
    heads and for FP8 (vLLM 0.17 platforms/cuda.py).
    """
    if gpu.platform != "cuda" or not gpu.at_least((9, 0)) or gpu.at_least((11, 0)):
        return heads
    if not gpu.at_least((10, 0)):
        return 64 * ceil(heads / 64)
    padded = engine_version < _FLASHINFER_SPARSE or (heads > _FEW_HEADS and kv_bytes > 1)
    return 128 * ceil(heads / 128) if padded else heads


def _indexed(indexer: Indexer, layers: int, share: float = 1.0, *, wide: bool = False) -> list[Reads]:
    """The indexer scans every key: 8 bits an element and a 4-byte scale, whole on each rank (DeepSeek-V3.2).

    `wide`: in 16 bits (Qwen4-Exp).
    """
    if not indexer.cached:
        return []
    share /= indexer.pool
    flops = 2 * indexer.heads * indexer.head_dim * share
    size = (2 * indexer.head_dim if wide else indexer.head_dim + 4) * share
    return [Reads(layers=layers, token_bytes=size, window=None, decode_flops=flops, prefill_flops=flops)]


def _state_elements(mixer: StateSpace | GatedDelta | ShortConvolution) -> float:
    if isinstance(mixer, ShortConvolution):
        return mixer.width * (mixer.conv_kernel - 1)
    if isinstance(mixer, StateSpace):
        return mixer.heads * mixer.head_dim * mixer.state
    return mixer.value_heads * mixer.value_dim * mixer.key_dim

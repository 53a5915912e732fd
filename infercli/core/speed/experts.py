"""What kernels of experts do beside their products: rows that pass through memory, and the tiles they compute in.

The one thing to know: a kernel multiplies the tokens of all experts at once, and hands what it made to the next kernel
through memory: a token that eight experts see is written and read eight times over, however many ranks there are.
"""

from functools import cache
from math import sqrt
from typing import NamedTuple

from infercli.core.architecture.arch import Experts, Layout
from infercli.core.architecture.tensors import expert_share
from infercli.core.gpus import Gpu
from infercli.core.quantization.schemes import Scheme

_ELEMENT_BYTES = 2
"""Of one element between two kernels: 16 bits."""
_SCALED_TILES = (0, 17)
"""vLLM whose untuned tiles grow with the batch (vLLM pull request 34846): read in 0.17, absent in 0.16."""
_FEW_ROWS = 64
"""Rows in all, up to which CUTLASS swaps what it multiplies and pads to 16."""

_KERNELS = 10
"""Norm, router, top-k, alignment of tokens to experts, two quantizations, two products, activation, sum."""
_KERNELS_SHARED = 3
"""Gate-up, activation, down of the shared experts."""
_KERNELS_CUTLASS = 8
"""More than Triton's: tokens are sorted, counted and copied rather than aligned, problem sizes and offsets are
computed, and each product begins with the addresses of its groups (vLLM 0.13 fused_moe/cutlass_moe.py)."""
_KERNELS_MAPPED = 4
"""More, where ranks have whole experts: which are its own is looked up, compared and chosen."""

_A100 = {(8, n) for n in (1792, 2048, 3584, 4096, 7168)} | {(16, n) for n in (1344, 1792, 2688, 3584, 7168, 14336)}
_HOPPER = (
    {(8, n) for n in (1792, 2048, 3584, 4096, 7168)} | {(64, n) for n in (320, 640, 1280)} | {(128, 192), (128, 512)}
)
_TUNED: dict[str, set[tuple[int, int]]] = {
    "A100-40-SXM": {(8, 1792), (8, 3584), (16, 1344)},
    "A100-80-SXM": _A100 | {(64, 640), (64, 1280), (128, 192), (512, 64), (512, 128)},
    "A800-80-SXM": {(64, 640), (64, 1280), (160, 192), (256, 64)},
    "B200": {(16, 1024), (32, 1408), (64, 1408), (128, 512), (128, 768), (128, 1856)}
    | {(512, n) for n in (64, 128, 256, 512, 1344)},
    "H100": _HOPPER | {(16, n) for n in (1344, 1792, 2688)} | {(62, 256), (62, 512), (72, 384), (72, 768), (128, 928)}
    | {(128, 1856), (256, 512)} | {(512, n) for n in (128, 256, 512)},
    "H200": _HOPPER | {(8, 14336), (16, 1024), (16, 2048), (64, 2560), (128, 384), (128, 768), (128, 1024)}
    | {(512, n) for n in (64, 128, 256, 512)},
    "H20": {(64, n) for n in (384, 768, 896, 3072)} | {(128, n) for n in (96, 192, 384, 768)},
    "H20-3e": {(128, 192), (128, 384), (160, 192), (160, 320)} | {(512, n) for n in (64, 128, 256, 512)},
    "L40S": {(8, 3584), (128, 928), (128, 1856)},
}  # fmt: skip
"""(Experts of a rank, width of each there) that vLLM 0.16 has tiles for, in 16 bits (fused_moe/configs). Earlier
releases have fewer."""


class Tiles(NamedTuple):
    """What the products of experts are cut into."""

    rows: int
    """The tokens of each expert are padded to multiples of it."""
    beyond: int
    """Tokens in a step, up to which tiles are smaller."""
    untuned: bool = False
    """Nobody tuned them, and they are too small for what the GPU could do."""


def moved_bytes(experts: Experts, layout: Layout, hidden: int, *, apart: bool) -> float:
    """What a rank writes to memory and reads again per token and layer, between its kernels.

    Gate and up for the activation, that for down, and down for the sum over a token's experts (vLLM 0.11 to 0.29
    fused_moe/fused_moe.py TritonExperts, fused_marlin_moe.py, cutlass_moe.py). Where ranks have whole experts, they
    pass the rows of all through. `apart`: the activation is a kernel of its own.
    """
    width = expert_share(experts, layout)[1]
    made = ((2 if experts.gated else 1) + 1 if apart else 1) * width + (experts.latent or hidden)
    return 2.0 * _ELEMENT_BYTES * experts.experts_per_token * made


def activated_apart(scheme: Scheme | None, gpu: Gpu) -> bool:
    """Whether the activation is a kernel of its own, rather than the end of the product before it.

    It is but for MXFP4 by Triton or FlashInfer (vLLM 0.13 gpt_oss_triton_kernels_moe.py), and for what FlashInfer has
    kernels for on Blackwell (0.15 fused_moe/oracle/fp8.py and nvfp4.py).
    """
    if scheme is None or gpu.platform != "cuda" or not gpu.at_least((9, 0)) or gpu.at_least((11, 0)):
        return True
    by_flashinfer = gpu.at_least((10, 0)) and (scheme.method == "nvfp4" or scheme.block is not None)
    return not (scheme.method == "mxfp4" or by_flashinfer)


def tiles_of(
    experts: Experts, layout: Layout, scheme: Scheme | None, gpu: Gpu, engine_version: tuple[int, int]
) -> Tiles | None:
    """Tiles that are larger than what few tokens of each expert fill, or smaller than the GPU needs; None: neither.

    In 16 bits Triton multiplies experts on every CUDA GPU: with more tokens than experts by 64 rows, 64 columns and 32
    deep, whatever the shape, where nobody tuned them (fused_moe/fused_moe.py get_default_config of vLLM 0.8 to 0.16).
    FP8 without blocks is CUTLASS's on Hopper and Blackwell (0.13 compressed_tensors_moe.py, 0.15 to 0.29
    fused_moe/oracle/fp8.py): beyond 64 rows in all its tiles have 64 of them, or 128 (csrc/quantization/w8a8/cutlass/
    moe/grouped_mm_c3x_sm90.cu, _sm100.cu).
    """
    if by_cutlass(scheme, gpu):
        return Tiles(rows=128 if gpu.at_least((10, 0)) else 64, beyond=_FEW_ROWS // experts.experts_per_token)
    if gpu.platform != "cuda" or engine_version >= _SCALED_TILES or (scheme is not None and scheme.bits is not None):
        return None
    shape = expert_share(experts, layout)
    return None if shape in _TUNED.get(gpu.name, ()) else Tiles(rows=64, beyond=shape[0], untuned=True)


def busiest(tokens: float, touched: float, share: float, ranks: int, own: float) -> tuple[float, float]:
    """(tokens, share of its experts that they touch) of the rank that most go to, where each has `own` whole experts.

    As many tokens as in the mean would have to come in for it to be as busy. All others wait for it in every layer.
    Routers are taken to choose at random and evenly: whatever they prefer makes it worse.
    """
    chosen = tokens * share * ranks * own
    if not chosen:
        return tokens, touched
    above = largest_of(ranks)
    most = touched + above * sqrt(touched * (1 - touched) / own)
    return tokens * (1 + above * sqrt((ranks - 1) / chosen)), min(1.0, most)


@cache
def largest_of(draws: int) -> float:
    """How many standard deviations the largest of so many normal draws lies above their mean (Blom 1958)."""
    from statistics import NormalDist  # only here: what deals out no experts does without it

    return NormalDist().inv_cdf((draws - 0.375) / (draws + 0.25))


def by_cutlass(scheme: Scheme | None, gpu: Gpu) -> bool:
    """Whether CUTLASS multiplies the experts: FP8 without blocks, on Hopper and Blackwell of data centres."""
    if scheme is None or scheme.method != "fp8" or scheme.block is not None:
        return False
    return gpu.platform == "cuda" and gpu.at_least((9, 0)) and not gpu.at_least((11, 0))


def expert_kernels(experts: Experts, layout: Layout, scheme: Scheme | None, gpu: Gpu) -> int:
    """Kernels of a layer's experts, the router and shared ones with them, in one step."""
    shared = _KERNELS_SHARED if experts.shared_intermediate else 0
    # One rank has all experts, whatever was asked (vLLM 0.29 fused_moe/config.py FusedMoEParallelConfig use_ep).
    several = layout.tensor_parallel_size * layout.data_parallel_size > 1
    mapped = _KERNELS_MAPPED if layout.expert_parallel and several else 0
    return _KERNELS + shared + (_KERNELS_CUTLASS + mapped if by_cutlass(scheme, gpu) else 0)

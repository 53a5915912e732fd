"""The tokens of a KV block where nobody asks for a number: what vLLM chooses for the attention backend of a GPU.

The one thing to know: it is 16, except for a few backends whose kernels read other blocks. It moves little, since pages
grow with it: the rounding of a request to whole blocks, and where vLLM refuses a block, whether it starts.
"""

from collections.abc import Callable
from typing import NamedTuple

from infercli.core.architecture.arch import Attention, CompressedAttention, LatentAttention, Mixer, ModelArch, mixers

_FLASHINFER_NOPE_DIMS = (64, 128, 192)
"""Head sizes without rotary part that FlashInfer's latent kernel takes (vLLM 0.29 backends/mla/flashinfer_mla.py)."""


class _Backend(NamedTuple):
    """The block of one kind of attention on one kind of GPU, in one version and those that follow it."""

    since: tuple[int, int]
    mixer: Callable[[Mixer], bool]
    majors: tuple[int, ...] | None
    """Of the GPU's compute capability; None: any GPU, AMD's too."""
    tokens: int
    fp8_tokens: int | None = None
    """With an FP8 cache, which may need another backend; None: the same."""


def _dense(mixer: Mixer) -> bool:
    return isinstance(mixer, LatentAttention) and mixer.indexer is None


def _dense_flashinfer(mixer: Mixer) -> bool:
    return isinstance(mixer, LatentAttention) and mixer.indexer is None and mixer.nope_dim in _FLASHINFER_NOPE_DIMS


def _sparse(mixer: Mixer) -> bool:
    return isinstance(mixer, LatentAttention) and mixer.indexer is not None


def _pooled(mixer: Mixer) -> bool:
    return isinstance(mixer, LatentAttention) and mixer.indexer is not None and mixer.indexer.pool > 1


def _compressed(mixer: Mixer) -> bool:
    return isinstance(mixer, CompressedAttention)


def _shares_keys(mixer: Mixer) -> bool:
    return isinstance(mixer, CompressedAttention) and mixer.owns_keys is not None


def _sparse_heads(mixer: Mixer) -> bool:
    return isinstance(mixer, Attention) and mixer.indexer is not None and mixer.indexer.pool == 1


_BACKENDS = (
    # models/deepseek_v41/sparse_mla.py, v1/attention/backends/mla/indexer.py DeepseekV41IndexerBackend: the smallest
    # that all of its backends take.
    _Backend(since=(0, 30), mixer=_shares_keys, majors=(9,), tokens=64),
    _Backend(since=(0, 30), mixer=_shares_keys, majors=None, tokens=128),
    # models/deepseek_v4/, v1/attention/backends/mla/sparse_swa.py get_preferred_block_size.
    _Backend(since=(0, 20), mixer=_compressed, majors=None, tokens=256),
    # MiniMax-M3, models/minimax_m3/common/sparse_attention.py get_supported_kernel_block_sizes: the only block with
    # which it runs. vLLM asks its first layers, which are not sparse, and would take 16: --block-size has to say it.
    _Backend(since=(0, 20), mixer=_sparse_heads, majors=None, tokens=128),
    # GLM-5.3's indexer has pages of 32 pooled keys, on 12.x of 64 (0.31 platforms/cuda.py _get_indexer_block_alignment,
    # 0.33 v1/attention/backends/mla/indexer.py Glm5NextIndexerBackend); four tokens to a key.
    _Backend(since=(0, 30), mixer=_pooled, majors=(12,), tokens=256),
    _Backend(since=(0, 30), mixer=_pooled, majors=None, tokens=128),
    # FlashMLA's sparse kernel; since 0.18 the indexer's, which vLLM asks first (v1/attention/backends/mla/indexer.py).
    _Backend(since=(0, 11), mixer=_sparse, majors=(9, 10, 12), tokens=64),
    # Since 0.18 platforms/interface.py update_block_size_for_backend asks the first backend of platforms/cuda.py
    # _get_backend_priorities: on 9.x FlashAttention, which has no FP8 cache, and FlashMLA for that; on 10.x FlashInfer.
    _Backend(since=(0, 18), mixer=_dense, majors=(9,), tokens=16, fp8_tokens=64),
    _Backend(since=(0, 18), mixer=_dense_flashinfer, majors=(10,), tokens=32),
    _Backend(since=(0, 18), mixer=_dense, majors=(10,), tokens=128),
    # Before, platforms/cuda.py check_and_update_config: FlashMLA on 9.x; on 10.x CUTLASS, then (0.16) FlashInfer.
    _Backend(since=(0, 16), mixer=_dense_flashinfer, majors=(10,), tokens=64),
    _Backend(since=(0, 10), mixer=_dense, majors=(10,), tokens=128),
    _Backend(since=(0, 8), mixer=_dense, majors=(9,), tokens=64),
)
"""The first that fits decides. Not read: 0.10.0, 0.10.1 and 0.15, taken as the releases after them."""


def backend_block_tokens(
    arch: ModelArch, engine_minor: tuple[int, int], capability: tuple[int, int] | None, fp8: bool
) -> int | None:
    """Tokens of a block of full attention before states raise it; None: the version's default.

    engine_minor: (major, minor). capability None: a GPU of AMD. fp8: the cache is FP8.
    """
    kinds = mixers(arch)
    for row in _BACKENDS:
        here = row.majors is None or (capability is not None and capability[0] in row.majors)
        if here and engine_minor >= row.since and any(row.mixer(mixer) for mixer in kinds):
            return row.fp8_tokens if fp8 and row.fp8_tokens is not None else row.tokens
    return None


def block_must_be_said(arch: ModelArch) -> bool:
    """Whether vLLM, left alone, takes a block with which the model cannot run (MiniMax-M3; see its row above)."""
    return any(_sparse_heads(mixer) for mixer in mixers(arch))

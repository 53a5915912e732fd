"""What compressed attention keeps, layer by layer: DeepSeek-V4 and V4.1, as their layers say it (get_kv_cache_spec).

The one thing to know: pages keep their sizes and share a block (packing.py), and V4.1's records differ by GPU.
"""

from __future__ import annotations

import math

from infercli.core.architecture.arch import CompressedAttention
from infercli.core.kv_cache.groups import LayerCache
from infercli.core.kv_cache.rules import CacheRules
from infercli.errors import Unsupported

COMPRESSED_DTYPES = ("fp8", "fp8_e4m3", "fp8_ds_mla")
"""Of compressed attention's cache."""
NOT_COMPRESSED = "compressed attention keeps its cache in FP8, and vLLM stops where FP8 is not asked for by name"
"""Why every other is refused until 0.29."""
COMPRESSED_ALWAYS = "compressed attention keeps its cache in FP8, or smaller, and vLLM refuses any other"
"""And from then on, where it is what `auto` means."""
COMPRESSED_UNASKED = (0, 30)
"""From this version on it takes FP8 where nobody asks for a dtype (models/deepseek_v4/attention.py)."""

_COMPRESSED_BLOCK = 256
"""Tokens of a block of DeepSeek-V4: its kernels take no other, and its pages cannot be split into several (vLLM 0.29
models/deepseek_v4/sparse_mla.py get_supported_kernel_block_sizes, v1/kv_cache_interface.py create_kv_cache_views)."""
_COMPRESSED_KEY_BYTES = 584
"""Of one of its keys: 448 x 1 B, 64 rotary values of 2 B and 8 B of scales (models/deepseek_v4/attention.py)."""
_COMPRESSED_ALIGNMENT_BYTES = 576
"""Its pages are multiples of this, for FlashMLA (the same file)."""
_COMPRESSED_WINDOW_BLOCK = 64
"""Tokens of a block of its windows (v1/attention/backends/mla/sparse_swa.py)."""
_SHARED_BLOCKS = (64, 128)
"""Tokens of a block of DeepSeek-V4.1 (vLLM 0.33 models/deepseek_v41/sparse_mla.py): 64 on 9.x, and 128."""
_SHARED_WINDOW_BLOCK = 32
"""Of its windows (models/deepseek_v41/attention.py)."""
_MXFP8_RECORD_BYTES, _NVFP4_RECORD_BYTES = 528, 288
"""Of one of its keys on 10.x: 512 x 1 B and 16 scales; 512 x 1/2 B and 32 scales, which only compressed keys have (the
same file). Elsewhere they are as V4's."""
MXFP8_RECORDS, NVFP4_RECORDS = "mxfp8_ds_mla", "nvfp4_ds_mla"
"""Our name for `fp8_ds_mla` on 10.x, and vLLM's for what it takes there by itself."""
_MXFP8_ALIGNMENT_BYTES = 512
"""Its pages are multiples of this there."""
_RING_TOKENS = 8
"""Of the tokens that wait to be compressed, at least (models/deepseek_v41/compressor.py)."""
_COMPRESSOR_BLOCKS = {4: 4, 128: 8}
"""Tokens of a block of what is not compressed yet, by ratio (models/deepseek_v4/compressor.py)."""
INDEXER_SCALE_BLOCK = 128
"""Values of an indexer key that share one 4 B scale (vLLM 0.29 models/deepseek_v2.py Indexer.quant_block_size)."""
_FLOAT32_BYTES = 4


def shared_dtype(named: str, major: int) -> str:
    """V4.1's records, of which a GPU with 10.x has its own, and takes NVFP4 where it is not told which.

    0.33 models/deepseek_v41/attention.py _resolve_dsv4_kv_cache_dtype, which refuses fp8_e4m3, and nvidia/model.py
    _select_dsv4_attn_cls.
    """
    if named not in ("fp8", "fp8_ds_mla"):
        return named
    if major != 10:
        return "fp8_ds_mla"
    return NVFP4_RECORDS if named == "fp8" else MXFP8_RECORDS


def compressed_caches(
    mixer: CompressedAttention,
    kv_dtype: str,
    block_tokens: int,
    speculative_tokens: int,
    rules: CacheRules,
    engine_version: str,
) -> list[LayerCache]:
    """The caches of one layer; one key for all heads, whole on every rank.

    V4's (models/deepseek_v4/attention.py, compressor.py and sparse_swa.py): a window of keys; behind it compressed
    ones, a page of which has block / ratio; the last tokens in float32 while they wait to be compressed; and both
    again, smaller, for the indexer.
    """
    if mixer.owns_keys is not None:
        return _sharing(mixer, kv_dtype, block_tokens, speculative_tokens, rules)
    if rules.packing is None:
        raise Unsupported(f"vLLM {engine_version} does not have compressed attention", "0.20 and later do")
    if kv_dtype not in COMPRESSED_DTYPES:
        raise Unsupported(NOT_COMPRESSED, "ask for a kv_cache_dtype of fp8")
    if block_tokens != _COMPRESSED_BLOCK:
        raise Unsupported(
            f"compressed attention has blocks of {_COMPRESSED_BLOCK} tokens, not of {block_tokens}",
            f"ask for a block_size of {_COMPRESSED_BLOCK}, or for none",
        )
    window = _side_by_side("window", _COMPRESSED_WINDOW_BLOCK, _COMPRESSED_WINDOW_BLOCK * _COMPRESSED_KEY_BYTES)
    found = [window._replace(kind="sliding", reach=mixer.window)]
    if not mixer.compress_ratio:
        return found
    stored = _COMPRESSED_BLOCK // mixer.compress_ratio
    found.append(_side_by_side("keys", _COMPRESSED_BLOCK, stored * _COMPRESSED_KEY_BYTES))
    found.append(_waiting(mixer.compress_ratio, mixer.head_dim))
    if mixer.indexer is not None:
        key = mixer.indexer.head_dim
        page_bytes = stored * (key + key // INDEXER_SCALE_BLOCK * 4)
        found.append(_side_by_side("indexer", _COMPRESSED_BLOCK, page_bytes))
        found.append(_waiting(mixer.compress_ratio, key))
    return found


def _sharing(
    mixer: CompressedAttention, kv_dtype: str, block: int, speculative_tokens: int, rules: CacheRules
) -> list[LayerCache]:
    """DeepSeek-V4.1's (vLLM 0.33 models/deepseek_v41/attention.py, compressor.py): a window of its own in each layer.

    Compressed keys and those of the indexer are kept by the layers that make them; a ring holds what is not whole yet.
    """
    wide = kv_dtype in (MXFP8_RECORDS, NVFP4_RECORDS)
    if not wide and kv_dtype != "fp8_ds_mla":
        raise Unsupported(COMPRESSED_ALWAYS, "leave kv_cache_dtype out, or ask for fp8")
    allowed = _SHARED_BLOCKS[1:] if wide else _SHARED_BLOCKS
    if block not in allowed:
        said = " or ".join(map(str, allowed))
        raise Unsupported(f"V4.1's attention has blocks of {said} tokens, not of {block}", "ask for no block_size")
    alignment = _MXFP8_ALIGNMENT_BYTES if wide else _COMPRESSED_ALIGNMENT_BYTES
    near = _MXFP8_RECORD_BYTES if wide else _COMPRESSED_KEY_BYTES
    far = _NVFP4_RECORD_BYTES if kv_dtype == NVFP4_RECORDS else near
    window = _side_by_side("window", _SHARED_WINDOW_BLOCK, _SHARED_WINDOW_BLOCK * near, alignment)
    step = math.lcm(near, far) if wide and rules.fills_blocks_with_rows else 1
    found = [window._replace(kind="sliding", reach=mixer.window, block_step_bytes=step)]
    if not mixer.owns_keys or mixer.indexer is None:
        return found
    stored, key = block // mixer.compress_ratio, mixer.indexer.head_dim
    found.append(_side_by_side("keys", block, stored * far, alignment))
    found.append(_side_by_side("indexer", block, stored * (key + key // INDEXER_SCALE_BLOCK * 4), alignment))
    if mixer.compress_ratio > 1:
        # Drafted tokens, the one behind them and the one before.
        found.append(ring(speculative_tokens + 2, _RING_TOKENS, 2 * mixer.head_dim * _FLOAT32_BYTES))
    return found


def ring(tokens: int, step: int, token_bytes: int) -> LayerCache:
    """What waits to become a key, in a page with room for `tokens` at least: `step` of them times a power of two."""
    room = step * (1 << (-(-tokens // step) - 1).bit_length())
    page_bytes = room * token_bytes
    return LayerCache(
        kind="ring", shape=("ring", page_bytes), block_tokens=room, page_bytes=page_bytes, side_by_side=True
    )


def _waiting(ratio: int, head_dim: int) -> LayerCache:
    """CompressorStateCache: a key and a score, in float32, for the tokens of one key; of two where those overlap."""
    overlapping = 2 if ratio == 4 else 1
    block = _COMPRESSOR_BLOCKS[ratio]
    page_bytes = block * 2 * overlapping * head_dim * _FLOAT32_BYTES
    return _side_by_side("waiting", block, page_bytes)._replace(kind="sliding", reach=overlapping * ratio)


def _side_by_side(
    name: str, block_tokens: int, page_bytes: int, alignment_bytes: int = _COMPRESSED_ALIGNMENT_BYTES
) -> LayerCache:
    aligned = -(-page_bytes // alignment_bytes) * alignment_bytes
    return LayerCache(
        kind="full",
        shape=(name, aligned),
        block_tokens=block_tokens,
        page_bytes=aligned,
        padding_allowed=False,
        side_by_side=True,
    )

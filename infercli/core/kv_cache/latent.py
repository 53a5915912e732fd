"""What latent attention keeps of a token: one vector for all heads, or the keys and values of each, in old versions.

The one thing to know: vLLM has kept the vector since 0.7.1. Before, a token of DeepSeek-V2-Lite took 14 times as much.
"""

from __future__ import annotations

from infercli.core.architecture.arch import Attention, LatentAttention
from infercli.core.kv_cache.compressed import INDEXER_SCALE_BLOCK, ring
from infercli.core.kv_cache.groups import LayerCache
from infercli.core.kv_cache.rules import CacheRules

_PACKED_LATENT_BYTES = 656
"""Of one token in DeepSeek's own FP8 layout: 512 x 1 B, 4 scales of 4 B, and 64 rotary values of 2 B (fp8_ds_mla;
vLLM 0.29 layers/attention/mla_attention.py get_kv_cache_spec)."""

_PADDED_HEAD = 256
"""Width of a head's keys, and of its values, until 0.6 (0.6.6 config.py get_head_size)."""

_BFLOAT16_BYTES = 2


def packed_dtype(named: str, mixer: LatentAttention, major: int) -> str:
    """The dtype of sparse latent attention's cache as vLLM 0.29 to 0.33 resolve it: backends pack FP8 their own way.

    9.x takes FlashMLA for FP8 (mla_attention.py _canonicalize_sparse_mla_kv_cache_dtype), and FlashInfer where there
    are no rotary values (0.33 platforms/cuda.py _get_backend_priorities, head_size 512); 10.x has FlashInfer with plain
    FP8, and 12.x knows only the packed layout, also where nothing was asked for.
    """
    fp8 = named in ("fp8", "fp8_e4m3")
    if (major == 12 and (fp8 or named == "auto")) or (major == 9 and fp8 and mixer.rope_dim):
        return "fp8_ds_mla"
    return named


def kept_by_heads(mixer: LatentAttention, *, padded: bool) -> Attention:
    """The attention that older versions run instead: every head has keys and values, of one width (deepseek_v2.py)."""
    width = _PADDED_HEAD if padded else mixer.nope_dim + mixer.rope_dim
    return Attention(heads=mixer.heads, kv_heads=mixer.heads, head_dim=width, v_head_dim=width)


def latent_caches(
    mixer: LatentAttention, block_tokens: int, element_bytes: int, rules: CacheRules, *, packed: bool, drafted: int
) -> list[LayerCache]:
    """layers/attention/mla_attention.py; one vector for all heads, whole on every rank."""
    width = mixer.kv_lora_rank + mixer.rope_dim
    own = per_token("latent", _PACKED_LATENT_BYTES if packed else width * element_bytes, block_tokens)
    if mixer.indexer is None or not (mixer.indexer.cached or rules.keys_of_skipped):
        return [own]
    key, pool = mixer.indexer.head_dim, mixer.indexer.pool
    keys = per_token("indexer", key + key // INDEXER_SCALE_BLOCK * 4, block_tokens)
    if pool == 1:
        return [own, keys]
    keys = keys._replace(shape=("pooled", key, pool), page_bytes=keys.page_bytes // pool)
    # Glm5NextTailCache (0.31 to 0.33 models/glm5next/common/attention.py): a key and a score of each token, in bfloat16
    waiting = ring(pool + drafted, pool, 2 * key * _BFLOAT16_BYTES)
    return [cache._replace(side_by_side=True) for cache in (own, keys)] + [waiting]


def per_token(name: str, token_bytes: int, block_tokens: int) -> LayerCache:
    """A cache of so many bytes a token, whatever the split, which vLLM does not pad."""
    return LayerCache(
        kind="full",
        shape=(name, token_bytes),
        block_tokens=block_tokens,
        page_bytes=block_tokens * token_bytes,
        padding_allowed=False,
    )

"""How vLLM puts the caches of a model's layers into groups, so that one pool of equal blocks serves them all.

The one thing to know: a block belongs to one group at a time and has room for a page of each layer of that group, so
all groups are cut to one size, and what is missing in the last group of a kind is padding that is paid for.

vLLM 0.29 v1/core/kv_cache_utils.py: get_kv_cache_groups, unify_kv_cache_spec_page_size,
_get_kv_cache_groups_uniform_page_size, _get_kv_cache_bytes_per_block. DeepSeek-V4 is grouped by other rules:
core/kv_cache/packing.py.
"""

from collections.abc import Container, Sequence
from typing import Literal, NamedTuple

from infercli.errors import Unsupported


class LayerCache(NamedTuple):
    """What one layer keeps, in pages of `block_tokens` tokens."""

    kind: Literal["full", "sliding", "chunked", "state", "ring", "encoder"]
    """full: every token. sliding and chunked: the last `reach` tokens. state: one page however long the request, and
    more for its prefix and its drafts. ring: one page, whatever the request. encoder: `reach` tokens of an encoder,
    however long the request."""
    shape: tuple[int | str, ...]
    """What tells layers with equal pages apart for vLLM, which groups only equal ones: heads, widths, dtypes."""
    block_tokens: int
    page_bytes: int
    reach: int | None = None
    """Tokens of the window, of the chunk or of the encoder; None for the other kinds."""
    padding_allowed: bool = True
    """vLLM does not pad the pages of latent attention to a size that is not its own."""
    side_by_side: bool = False
    """Its pages keep their size and share a block with pages of other sizes."""
    exported: int = 0
    """Pages more of a state that the prompts of a request leave on their way, where its prefix is cached."""
    block_step_bytes: int = 1
    """A block is a multiple of it."""
    whole: bool = False
    """A state that the ranks do not share out, which vLLM groups apart from those that they do."""


class PlacedCache(NamedTuple):
    """The cache of one layer of the model."""

    layer: int
    """Its position; draft layers count on behind the model's."""
    cache: LayerCache


class CacheGroup(NamedTuple):
    """Layers that share the blocks of a request. All are of one kind, block size and reach."""

    layers: tuple[PlacedCache, ...]

    @property
    def first(self) -> LayerCache:
        """The cache of one layer, which speaks for all."""
        return self.layers[0].cache

    def bytes_within(self, stage: Container[int]) -> int:
        """Bytes of a page of each layer of this group that stands in the pipeline stage."""
        return sum(placed.cache.page_bytes for placed in self.layers if placed.layer in stage)


def groups(layers: Sequence[PlacedCache], even_ratio: float) -> tuple[CacheGroup, ...]:
    """The groups that vLLM makes; empty for no layers. Raises Unsupported for pages that cannot be made equal.

    Groups are as large as the smallest kind, or as the largest where that is less than `even_ratio` times as many
    layers: vLLM's own heuristic against padding, whose ratio changed (core/kv_cache/rules.py).
    """
    if not layers:
        return ()
    if _one_kind([placed.cache for placed in layers]):
        return (CacheGroup(tuple(layers)),)
    kinds: dict[LayerCache, list[PlacedCache]] = {}
    for placed in _with_equal_pages(layers):
        kinds.setdefault(placed.cache, []).append(placed)
    fewest, most = min(map(len, kinds.values())), max(map(len, kinds.values()))
    size = most if most < even_ratio * fewest else fewest
    made = []
    for same in kinds.values():
        count = -(-len(same) // size)
        # Every count-th layer, not count runs of them: so each pipeline stage has its share of every group.
        made += [CacheGroup(tuple(same[start::count])) for start in range(count)]
    return tuple(made)


def _one_kind(caches: Sequence[LayerCache]) -> bool:
    """Whether all need the same number of blocks whatever the request: then one group holds them, of any sizes."""
    return len({blocks_needed_by(cache) for cache in caches}) == 1


def blocks_needed_by(cache: LayerCache) -> tuple[str, int, int | None, bool]:
    """UniformTypeKVCacheSpecs.is_uniform_type: states of one kind must be of one size as well."""
    return cache.kind, cache.block_tokens, cache.page_bytes if cache.kind == "state" else cache.reach, cache.whole


def _with_equal_pages(layers: Sequence[PlacedCache]) -> list[PlacedCache]:
    largest = max(placed.cache.page_bytes for placed in layers)
    return [PlacedCache(layer, _grown(cache, largest)) for layer, cache in layers]


def _grown(cache: LayerCache, page_bytes: int) -> LayerCache:
    """More tokens in a page where that is exact, padding where it is not."""
    if cache.page_bytes == page_bytes:
        return cache
    if cache.kind != "state" and page_bytes % cache.page_bytes == 0:
        ratio = page_bytes // cache.page_bytes
        return cache._replace(block_tokens=cache.block_tokens * ratio, page_bytes=page_bytes)
    if not cache.padding_allowed:
        raise Unsupported(
            f"vLLM cannot pad a page of latent attention ({cache.page_bytes:,} B) to that of the other layers "
            f"({page_bytes:,} B)"
        )
    return cache._replace(page_bytes=page_bytes)

"""Groups and blocks where pages of unequal size share a block: DeepSeek-V4 and V4.1, GLM-5.3.

The one thing to know: here no page is grown to the size of another. A block is as large as the largest group's pages
together, so the groups are cut until they are about as large as one another. A layer of V4 keeps up to five caches.

vLLM 0.29 v1/core/kv_cache_utils.py _get_packed_kv_cache_groups, where blocks stand outermost in memory. Before, 0.20 to
0.28: group_and_unify_kv_cache_specs and _get_kv_cache_groups_uniform_groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from math import lcm

from infercli.core.kv_cache.groups import CacheGroup, PlacedCache, blocks_needed_by
from infercli.core.kv_cache.rules import CacheRules, Packing


def packed_groups(layers: Sequence[PlacedCache], rules: CacheRules) -> tuple[CacheGroup, ...]:
    """The groups that vLLM makes of layers of which some are `side_by_side`."""
    kinds: dict[tuple[str, int, int | None, bool], list[PlacedCache]] = {}
    for placed in layers if rules.packing == "widest" else _padded_windows(layers):
        kinds.setdefault(blocks_needed_by(placed.cache), []).append(placed)
    if len(kinds) == 1:
        return (CacheGroup(tuple(layers)),)
    made = []
    for same, count in zip(kinds.values(), _group_counts(list(kinds.values()), rules), strict=True):
        repeats = list(zip(*_by_page(same), strict=False))
        # Every count-th repeat, as in core/kv_cache/groups.py; a kind that does not repeat evenly stays whole.
        made += [
            CacheGroup(tuple(same) if count == 1 else tuple(p for repeat in repeats[start::count] for p in repeat))
            for start in range(count)
        ]
    return tuple(made)


def packed_block_bytes(made: Sequence[CacheGroup], stage: Container[int], packing: Packing | None) -> int:
    """Bytes of a block in one pipeline stage.

    columns: as many columns as the group with most layers of one page size has, each with room for all page sizes of
    full attention. slots: for each page size as many as any group has. widest: what the largest group fills.
    """
    if packing == "widest":
        step = lcm(*(placed.cache.block_step_bytes for group in made for placed in group.layers))
        return -(-max(group.bytes_within(stage) for group in made) // step) * step
    counts = [Counter(p.cache.page_bytes for p in group.layers if p.layer in stage) for group in made]
    if packing == "slots":
        return sum(page * max(count[page] for count in counts) for page in set().union(*counts))
    full = {p.cache.page_bytes for g in made for p in g.layers if p.cache.kind == "full" and p.layer in stage}
    return sum(full) * max(most for count in counts for most in count.values())


def packed_blocks_printed(made: Sequence[CacheGroup], blocks: Sequence[int], rules: CacheRules) -> int:
    """Blocks of one request by which vLLM prints concurrency; `blocks`: of each group.

    Up to 0.26 every group's are weighed by its bytes over those of the first group, which full attention is
    (get_max_concurrency_for_kv_cache_config): the log then says more than fits.
    """
    if rules.packing == "widest":
        return sum(blocks)
    by_bytes = [sum(placed.cache.page_bytes for placed in group.layers) for group in made]
    first = next(i for i, group in enumerate(made) if group.first.kind == "full")
    return -(-sum(n * size for n, size in zip(blocks, by_bytes, strict=True)) // by_bytes[first])


def packed(made: Sequence[CacheGroup]) -> bool:
    """Whether these groups share blocks by the rules of this file."""
    return any(group.first.side_by_side for group in made)


def _by_page(same: Sequence[PlacedCache]) -> list[list[PlacedCache]]:
    """The layers of a kind, one list for each size of page."""
    by_page: dict[int, list[PlacedCache]] = {}
    for placed in same:
        by_page.setdefault(placed.cache.page_bytes, []).append(placed)
    return list(by_page.values())


def _balanced(same: Sequence[PlacedCache]) -> bool:
    """Whether the kind is one pattern, repeated: as many pages of each size."""
    return len(set(map(len, _by_page(same)))) == 1


def _group_counts(kinds: Sequence[Sequence[PlacedCache]], rules: CacheRules) -> list[int]:
    """The groups that each kind is split into.

    Of states, rings and windows that nothing else cuts a group has no more than a block has room for anyway.
    """
    size = _repeats_per_group(kinds, rules)
    counts = [-(-_repeats(same) // size) if size and _balanced(same) else 1 for same in kinds]
    cut = ("state", "ring", "sliding") if rules.splits_lone_windows and not size else ("state", "ring")
    single = [same[0].cache.kind in cut for same in kinds]
    room = max(
        _widest(same, len(same) if alone else count) for same, count, alone in zip(kinds, counts, single, strict=True)
    )
    return [
        max(count, -(-len(same) // max(1, room // same[0].cache.page_bytes))) if alone else count
        for same, count, alone in zip(kinds, counts, single, strict=True)
    ]


def _repeats(same: Sequence[PlacedCache]) -> int:
    """How often the kind repeats its pattern, at most."""
    return max(map(len, _by_page(same)))


def _widest(same: Sequence[PlacedCache], count: int) -> int:
    """Bytes of the largest of `count` groups."""
    return sum(-(-len(pages) // count) * pages[0].cache.page_bytes for pages in _by_page(same))


def _repeats_per_group(kinds: Sequence[Sequence[PlacedCache]], rules: CacheRules) -> int:
    """Repeats of its pattern that a group has, with the least padding over all kinds; 0: no kind is cut.

    _approximate_gcd: among sizes with equal padding the largest.
    """
    most = {i: _repeats(same) for i, same in enumerate(kinds)}
    if rules.splits_by_windows:
        most = {i: repeats for i, repeats in most.items() if _balanced(kinds[i])}
        least = max((repeats for i, repeats in most.items() if len(_by_page(kinds[i])) > 1), default=0)
    else:
        least = next(most[i] for i, same in enumerate(kinds) if same[0].cache.kind == "full")
    if not least:
        return 0
    sizes = range(least, max(least, *most.values()) + 1)
    return min(sizes, key=lambda size: (sum(-repeats % size for repeats in most.values()), -size))


def _padded_windows(layers: Sequence[PlacedCache]) -> list[PlacedCache]:
    """Pages of windows as large as the next size that full attention has: what 0.20 to 0.26 did."""
    full = {placed.cache.page_bytes for placed in layers if placed.cache.kind == "full"}
    return [
        PlacedCache(layer, cache._replace(page_bytes=min(p for p in full if p >= cache.page_bytes)))
        if cache.kind == "sliding" and full
        else PlacedCache(layer, cache)
        for layer, cache in layers
    ]

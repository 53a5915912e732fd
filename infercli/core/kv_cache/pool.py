"""The KV cache by vLLM's own block arithmetic: blocks, what starts, how long a request may be, how many fit at once.

The one thing to know: a request of a model with several kinds of cache takes blocks of every group, so bytes per token
is no constant there; ask `blocks_per_request`, which is what vLLM itself prints concurrency from.

Equality with vLLM 0.29's functions is tested over real model classes; older versions, by their printed logs.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from infercli.core.architecture.arch import Layout, ModelArch, stage_layers
from infercli.core.documents.plan import KvCache
from infercli.core.kv_cache.groups import CacheGroup, LayerCache, PlacedCache, groups
from infercli.core.kv_cache.packing import packed, packed_block_bytes, packed_blocks_printed, packed_groups
from infercli.core.kv_cache.rules import CacheRules, Packing, rules_for
from infercli.core.kv_cache.specs import CacheSettings, keeps_every_state, layer_caches
from infercli.errors import Unsupported


class CacheLayout(NamedTuple):
    """The cache of one engine replica: what a block costs, and what needs how many."""

    groups: tuple[CacheGroup, ...]
    bytes_per_block: int
    """On one GPU of the pipeline stage whose blocks are largest: vLLM gives all stages the fewest blocks of any."""
    bytes_per_block_admitted: int
    """By which vLLM counts what max_model_len needs: more than a block has, in some versions."""
    block_tokens: int
    """Of full attention; of the first kind where a model has none."""
    in_flight_tokens: int
    """Scheduled and not settled: a window keeps them besides its own, because it is cut only behind them."""
    settings: CacheSettings
    rules: CacheRules
    alone: tuple[tuple[LayerCache, ...], ...] = ()
    """The caches of the layers of each stage, where a request is admitted by those; (): by blocks."""
    every_state: bool = False
    """The state behind every block is kept, so that states grow with a request as attention does."""

    @property
    def bytes_per_token(self) -> int:
        """Bytes per GPU of one more token in a request longer than all windows; 0 where no layer keeps every token."""
        growing = ("full", "state") if self.every_state else ("full",)
        full = sum(group.first.kind in growing for group in self.groups)
        return full * self.bytes_per_block // (self.block_tokens * self.settings.decode_context_parallel_size)

    def blocks_per_request(self, max_model_len: int) -> int:
        """Blocks that vLLM counts on for one request of this length (max_memory_usage_bytes of each group)."""
        return sum(self._blocks_by_group(max_model_len))

    def bytes_to_admit(self, max_model_len: int) -> int:
        """The least memory with which vLLM starts: one request of max_model_len, and the pool's null block.

        Where layers are admitted as they are, and their windows then get blocks for every token, a model starts with
        less than one such request takes.

        0.14 to 0.18 count the blocks of its first group alone (kv_cache_utils.py _max_memory_usage_bytes_from_groups),
        so that a model of several kinds of cache starts with less, and never answers such a request: that is not told.
        """
        if self.alone:
            return max(sum(self._bytes_alone(cache, max_model_len) for cache in stage) for stage in self.alone)
        return (self.blocks_per_request(max_model_len) + self.rules.null_blocks) * self.bytes_per_block_admitted

    def bytes_to_capture(self, max_num_seqs: int) -> int:
        """The least memory with which vLLM captures CUDA graphs of decodes: a block for the state of each request.

        0 for a model without states, and where the version does not look.
        """
        states = any(group.first.kind == "state" for group in self.groups)
        return max_num_seqs * self.bytes_per_block if states and self.rules.a_block_per_sequence else 0

    @property
    def least_batch_tokens(self) -> int:
        """The smallest max_num_batched_tokens with which vLLM keeps states for its prefix cache; 0: any."""
        states = any(group.first.kind == "state" for group in self.groups)
        kept = self.settings.prefix_caching and states and not self.every_state
        return self.block_tokens if kept and self.rules.batch_holds_a_block else 0

    def bytes_to_hold(self, requests: int, tokens_each: int) -> int:
        """Memory that holds `requests` of `tokens_each` at once, besides the null block.

        One of them is in its prefill, with the tokens in flight beyond its windows; the others only decode.
        """
        blocks = (requests - 1) * self._blocks_of_decoding(tokens_each) + self.blocks_per_request(tokens_each)
        return (blocks + self.rules.null_blocks) * self.bytes_per_block

    def requests_held(self, blocks: int, tokens_each: int) -> float:
        """Requests of `tokens_each` that `blocks` hold at once, in the sense of `bytes_to_hold`; below 1: not even one.

        More than the concurrency that vLLM prints on a model with windows, which counts every request in its prefill.
        """
        prefill = self.blocks_per_request(tokens_each)
        left = blocks - self.rules.null_blocks
        return left / prefill if left < prefill else 1 + (left - prefill) / self._blocks_of_decoding(tokens_each)

    def longest_that_fits(self, available_bytes: int, limit: int) -> int:
        """The largest max_model_len up to `limit` that vLLM admits; 0 where none.

        vLLM's binary search (_estimate_max_model_len_from_groups), whose answer its refusals print.
        """
        return _longest(self.bytes_to_admit, available_bytes, limit)

    def longest_of_two(self, available_bytes: int, limit: int) -> int:
        """The same, of which two requests are held at once besides (`bytes_to_hold`)."""

        def needed(max_model_len: int) -> int:
            return max(self.bytes_to_admit(max_model_len), self.bytes_to_hold(2, max_model_len))

        return _longest(needed, available_bytes, limit)

    def capacity(self, available_bytes: int, max_model_len: int) -> KvCache:
        """What `available_bytes` per GPU hold. Zero blocks where it is negative or less than one block.

        `tokens` is what vLLM logs, which is no capacity on a model with several kinds of cache: see rules.py.
        """
        blocks = max(0, available_bytes // self.bytes_per_block)
        by_group = self._blocks_by_group(max_model_len)
        printed = packed_blocks_printed(self.groups, by_group, self.rules) if packed(self.groups) else sum(by_group)
        concurrency = blocks / printed
        return KvCache(
            bytes_per_token=self.bytes_per_token,
            block_tokens=self.block_tokens,
            blocks=blocks,
            tokens=self._printed_tokens(blocks, concurrency, max_model_len),
            concurrency=concurrency,
        )

    def _printed_tokens(self, blocks: int, concurrency: float, max_model_len: int) -> int:
        if self.rules.prints_concurrency:
            return int(concurrency * max_model_len)
        smallest = min(group.first.block_tokens for group in self.groups)
        charged = sum(g.first.kind != "encoder" or self.rules.encoder_charge != "none" for g in self.groups)
        return blocks // charged * smallest * self.settings.decode_context_parallel_size

    def _blocks_of_decoding(self, tokens: int) -> int:
        return sum(self._blocks(group.first, tokens, 1) for group in self.groups)

    def _blocks_by_group(self, max_model_len: int) -> list[int]:
        return [self._blocks(group.first, max_model_len, self.in_flight_tokens) for group in self.groups]

    def _bytes_alone(self, cache: LayerCache, max_model_len: int) -> int:
        return self._blocks(cache, max_model_len, self.in_flight_tokens) * cache.page_bytes

    def _blocks(self, cache: LayerCache, tokens: int, in_flight: int) -> int:
        """v1/kv_cache_interface.py max_memory_usage_bytes of each spec, over its page."""
        if cache.kind == "state" and self.every_state:
            return -(-tokens // cache.block_tokens) + self.settings.speculative_tokens
        if cache.kind == "state" and not self.rules.states_beyond_one:
            return 1
        if cache.kind == "state":
            cached = self.settings.prefix_caching
            kept = self.rules.caches_states if cached is None else cached
            return 1 + kept * (1 + cache.exported) + self.settings.speculative_tokens
        if cache.kind == "ring":
            return 1
        if cache.kind == "full":
            return -(-tokens // self.settings.decode_context_parallel_size // cache.block_tokens)
        assert cache.reach is not None
        if cache.kind == "encoder":
            charge = self.rules.encoder_charge if in_flight > 1 else "item"  # what it takes, once it is admitted
            charged = {"none": 0, "item": cache.reach, "batch": self.settings.max_num_batched_tokens}[charge]
            return -(-charged // cache.block_tokens)
        if cache.kind == "chunked":
            return -(-min(cache.reach + in_flight, tokens) // cache.block_tokens)
        # A window seldom begins with a block: one more.
        return -(-min(cache.reach - 1 + in_flight, tokens) // cache.block_tokens) + 1


_V0_TO_THE_END = "Mllama"
"""First part of the names of classes that V1 never had (0.10.2 model_executor/models: SupportsV0Only)."""


def _longest(needed: Callable[[int], int], available_bytes: int, limit: int) -> int:
    """The largest length up to `limit` that needs no more than there is; 0 where none."""
    if needed(1) > available_bytes:
        return 0
    shortest, longest = 1, limit
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if needed(middle) <= available_bytes:
            shortest = middle
        else:
            longest = middle - 1
    return shortest


@lru_cache(maxsize=256)  # a plan asks again for each number of sequences that it tries, and they do not change it
def cache_layout(arch: ModelArch, layout: Layout, settings: CacheSettings) -> CacheLayout | None:
    """None for a model that keeps nothing between tokens: encoder-only ones.

    Data and expert parallelism do not change it. Raises Unsupported for a cache or a version that is not taught.
    """
    rules = rules_for(settings.engine_version)
    if arch.architecture.startswith(_V0_TO_THE_END):
        rules = rules._replace(encoder_charge="none")
    caches = layer_caches(arch, layout, settings, rules)
    if not caches:
        return None
    kinds, beside = {placed.cache.kind for placed in caches}, any(placed.cache.side_by_side for placed in caches)
    windows = {placed.cache.reach for placed in caches if placed.cache.kind == "sliding"}
    unlike = "state" in kinds or beside or len(windows) > 1
    if rules.groups_kinds and not settings.by_kind and len(kinds) > 1 and unlike:
        # unify_hybrid_kv_cache_specs makes no state full attention, and merge_window_sizes takes one window at most;
        # compressed attention is not told.
        raise Unsupported(
            f"the cache of {arch.architecture} cannot be planned without vLLM's hybrid KV cache manager",
            "leave disable_hybrid_kv_cache_manager out",
        )
    whole_blocks = "encoder" in kinds and rules.encoder_charge == "none"
    by_layer = rules.admits_layers_alone and not settings.by_v0 and not whole_blocks
    alone = _admitted_alone(caches, arch, layout, rules) if by_layer else ()
    by_kind = rules.groups_kinds and settings.by_kind and (rules.groups_chunks or "chunked" not in kinds)
    if len(kinds) > 1 and not by_kind and not whole_blocks:
        caches = _all_full(caches)
    if whole_blocks:
        made = _of_every_layer(caches)
    else:
        made = packed_groups(caches, rules) if beside else groups(caches, rules.even_ratio)
    if settings.decode_context_parallel_size > 1 and any(g.first.kind in ("sliding", "chunked") for g in made):
        raise Unsupported("vLLM has no decode context parallelism for windows or chunks")
    in_flight = rules.batches_in_flight(layout.pipeline_parallel_size, settings.async_scheduling)
    stages = range(layout.pipeline_parallel_size)
    packing = "columns" if rules.admits_by_columns else rules.packing
    if rules.admits_all_stages:
        admitted = max(group.bytes_within(range(caches[-1].layer + 1)) for group in made)
    else:
        admitted = max(_stage_bytes(caches, arch, layout, made, packing, stage) for stage in stages)
    full = next((g.first for g in made if g.first.kind == "full"), made[0].first)
    return CacheLayout(
        groups=made,
        bytes_per_block=max(_stage_bytes(caches, arch, layout, made, rules.packing, stage) for stage in stages),
        bytes_per_block_admitted=admitted,
        block_tokens=full.block_tokens,
        in_flight_tokens=in_flight * settings.max_num_batched_tokens,
        settings=settings,
        rules=rules,
        alone=alone,
        every_state=keeps_every_state(arch, settings, rules),
    )


_CHUNKS_HAVE_SPECS = (0, 10, 0)
"""Layers with chunks ask for a cache of every token before (0.9.2 v1/worker/gpu_model_runner.py get_kv_cache_spec)."""


def _admitted_alone(
    caches: tuple[PlacedCache, ...], arch: ModelArch, layout: Layout, rules: CacheRules
) -> tuple[tuple[LayerCache, ...], ...]:
    """The caches that check_enough_kv_cache_memory of 0.8.3 to 0.13 is asked about, for each pipeline stage."""
    own = [
        (layer, c._replace(kind="full", reach=None) if c.kind == "chunked" and rules.since < _CHUNKS_HAVE_SPECS else c)
        for layer, c in caches
    ]
    stages = (_layers_of(caches, arch, layout, stage) for stage in range(layout.pipeline_parallel_size))
    return tuple(tuple(cache for layer, cache in own if layer in here) for here in stages)


def _stage_bytes(
    caches: tuple[PlacedCache, ...],
    arch: ModelArch,
    layout: Layout,
    made: tuple[CacheGroup, ...],
    packing: Packing | None,
    stage: int,
) -> int:
    """_get_kv_cache_bytes_per_block of one stage: its largest share of a group."""
    here = _layers_of(caches, arch, layout, stage)
    if packed(made):
        return packed_block_bytes(made, here, packing)
    return max(group.bytes_within(here) for group in made)


def _layers_of(caches: tuple[PlacedCache, ...], arch: ModelArch, layout: Layout, stage: int) -> range:
    """Layers of a pipeline stage; those that draft stand in the last."""
    here = stage_layers(arch, layout, stage)
    last = stage == layout.pipeline_parallel_size - 1
    return range(here.start, max(here.stop, caches[-1].layer + 1)) if last else here


def _of_every_layer(caches: tuple[PlacedCache, ...]) -> tuple[CacheGroup, ...]:
    """V0's blocks, which hold tokens of a request or of its encoder: a layer that attends to both has one page."""
    reach = next(cache.reach for _, cache in caches if cache.kind == "encoder")
    pages = {layer: cache._replace(kind="full", reach=None) for layer, cache in caches}
    own = tuple(PlacedCache(layer, page) for layer, page in pages.items())
    heard = tuple(PlacedCache(layer, page._replace(kind="encoder", reach=reach)) for layer, page in pages.items())
    return CacheGroup(own), CacheGroup(heard)


def _all_full(caches: tuple[PlacedCache, ...]) -> tuple[PlacedCache, ...]:
    """Windows and chunks charged as if they kept every token; states, which stood outside the pool, not at all.

    Blocks are those of full attention (0.28 v1/core/kv_cache_utils.py _promote_local_kv_cache_specs).
    """
    full = next((cache.block_tokens for _, cache in caches if cache.kind == "full"), None)
    return tuple(
        PlacedCache(
            layer,
            LayerCache(
                kind="full", shape=cache.shape, block_tokens=full or cache.block_tokens,
                page_bytes=cache.page_bytes * (full or cache.block_tokens) // cache.block_tokens,
                padding_allowed=cache.padding_allowed,
            ),
        )
        for layer, cache in caches
        if cache.kind != "state"
    )  # fmt: skip

"""The cache of a model, asked in a line."""

from __future__ import annotations

from infercli.core.architecture.arch import Layout
from infercli.core.kv_cache.pool import cache_layout
from infercli.core.kv_cache.specs import CacheSettings


def cache(arch, *, tp=1, pp=1, version="0.29.0", **asked):
    """Its layout in bfloat16; with `speculative_tokens` by the layers that the model itself drafts with."""
    layout = Layout(tensor_parallel_size=tp, pipeline_parallel_size=pp)
    drafting = arch.draft_layers if "speculative_tokens" in asked else ()
    settings = CacheSettings(**{"dtype": "bfloat16", "draft_layers": drafting} | asked, engine_version=version)
    return cache_layout(arch, layout, settings)

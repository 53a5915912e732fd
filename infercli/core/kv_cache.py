"""The KV cache by vLLM's own block arithmetic (v1/core/kv_cache_utils.py), for full attention in every layer.

A test feeds the same shapes to vLLM's functions and demands equality to the token.
"""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch, kv_heads_per_rank, uniform_attention
from infercli.core.plan import KvCache


def bytes_per_block(arch: ModelArch, tensor_parallel_size: int, block_tokens: int, element_bytes: int) -> int:
    """Bytes that one block of all layers takes on one GPU (AttentionSpec.page_size_bytes x layers).

    Raises Unsupported for a model whose layers are not all full attention.
    """
    attention = uniform_attention(arch)
    heads = kv_heads_per_rank(attention, tensor_parallel_size)
    page = block_tokens * heads * (attention.head_dim + attention.v_head_dim) * element_bytes
    return arch.layer_count * page


def blocks_for(tokens: int, block_tokens: int) -> int:
    """Blocks that one request of `tokens` takes."""
    return -(-tokens // block_tokens)


def bytes_to_admit(max_model_len: int, block_bytes: int, block_tokens: int) -> int:
    """The least memory with which vLLM starts: one request of max_model_len, and the null block of the pool."""
    return (blocks_for(max_model_len, block_tokens) + 1) * block_bytes


def bytes_to_hold(requests: int, tokens_each: int, block_bytes: int, block_tokens: int) -> int:
    """Memory that holds `requests` of `tokens_each` at once, besides the null block."""
    return (requests * blocks_for(tokens_each, block_tokens) + 1) * block_bytes


def longest_that_fits(available_bytes: int, block_bytes: int, block_tokens: int) -> int:
    """The largest max_model_len that vLLM admits, before the model's own limit; 0 where none."""
    return max(0, available_bytes // block_bytes - 1) * block_tokens


def kv_cache(available_bytes: int, block_bytes: int, block_tokens: int, max_model_len: int) -> KvCache:
    """What `available_bytes` per GPU hold. Zero blocks where it is negative or less than one block.

    `tokens` is what vLLM logs: its concurrency x max_model_len, which is not blocks x block_tokens where max_model_len
    is not a multiple of a block.
    """
    blocks = max(0, available_bytes // block_bytes)
    concurrency = blocks / blocks_for(max_model_len, block_tokens)
    return KvCache(
        bytes_per_token=block_bytes // block_tokens,
        block_tokens=block_tokens,
        blocks=blocks,
        tokens=int(concurrency * max_model_len),
        concurrency=concurrency,
    )

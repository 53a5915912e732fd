"""The batch of vLLM's profile run, which memory is counted for.

The one thing to know: it is what the engine was started with, on one of its GPUs, and no request of any user.
"""

from __future__ import annotations

from dataclasses import dataclass

from infercli.core.architecture.arch import Layout
from infercli.core.gpus import Gpu
from infercli.core.vision import Items


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What the profile runs."""

    layout: Layout
    gpu: Gpu
    max_num_seqs: int
    max_num_batched_tokens: int
    max_model_len: int
    element_bytes: int
    """Of one unquantized activation."""
    items: Items = "all"
    """What prompts may hold besides text."""
    enforce_eager: bool = False
    """Neither compilation nor CUDA graphs."""
    speculative_tokens: int = 0
    """Drafted ahead for each request; 0: no speculation."""

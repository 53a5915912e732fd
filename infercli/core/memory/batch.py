"""What a GPU's memory depends on besides model and engine version: the batch of vLLM's profile run, and what drafts.

The one thing to know: it is what the engine was started with, and no request of any user.
"""

from dataclasses import dataclass
from typing import NamedTuple

from infercli.core.architecture.arch import Layout, ModelArch
from infercli.core.gpus import Gpu
from infercli.core.memory.lora import Adapters
from infercli.core.memory.vision import ANYTHING, Items
from infercli.core.quantization.checkpoint import Quantization


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
    items: Items = ANYTHING
    """What prompts may hold besides text."""
    enforce_eager: bool = False
    """Neither compilation nor CUDA graphs."""
    speculative_tokens: int = 0
    """Drafted ahead for each request; 0: no speculation."""
    drafts_by_v1: bool = False
    """The V2 model runner has no such speculation."""


class Draft(NamedTuple):
    """A model that drafts for another, and is loaded beside it."""

    arch: ModelArch
    quantization: Quantization


@dataclass(frozen=True, kw_only=True)
class Load(Batch):
    """The batch, with what is loaded beside the model."""

    drafts: bool = False
    """Speculation by the model's own draft layers, which are then loaded."""
    draft: Draft | None = None
    """Speculation by another model. Its activation is taken to stay below the model's."""
    flashinfer: bool = False
    """FlashInfer runs plain attention."""
    adapters: Adapters | None = None
    """Slots of LoRA adapters; None: the engine takes none."""
    states_bytes: int = 0
    """States of max_num_seqs requests that V0's model holds beside the KV cache (0.8.5 models/mamba_cache.py)."""

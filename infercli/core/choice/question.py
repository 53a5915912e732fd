"""What a search among configurations is asked: a model, hardware, a load and what it must feel like."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from infercli.core.documents.prices import Price
from infercli.core.documents.profile import HardwareProfile
from infercli.core.estimates.engine_args import SAME_NAMES
from infercli.core.estimates.model import Model
from infercli.core.estimates.request import Traffic
from infercli.core.gpus import Gpu
from infercli.core.quantization.methods import expand
from infercli.core.record import Json

if TYPE_CHECKING:
    from infercli.core.estimates.learning import LearnedRuns

_DECIDED = (
    "tensor_parallel_size", "pipeline_parallel_size", "max_num_seqs", "kv_cache_dtype", "max_model_len",
    "gpu_memory_utilization", "kv_cache_memory_bytes",
)  # fmt: skip
"""engine_args that a search decides itself, or refuses."""
KEPT = tuple(name for name in SAME_NAMES if name not in _DECIDED)
"""engine_args that a search leaves as they are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Hardware:
    """A profile as the search sees it."""

    profile: HardwareProfile
    gpu: Gpu
    """Without NVLink where the profile has PCIe."""
    gpu_memory_utilization: float
    price: Price | None

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Quantizations that the profile accepts, in order of preference."""
        return expand(self.profile.quantizations)

    @property
    def grows(self) -> bool:
        """Whether a node can be added where one is lost."""
        return any((n.max_count or n.count) > n.count for n in self.profile.nodes)


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """What the user decided; None: the search decides."""

    tensor_parallel_size: int | None = None
    pipeline_parallel_size: int | None = None
    replicas: int | None = None
    max_num_seqs: int | None = None
    kv_cache_dtype: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """A search: a model, hardware, a load and what it must feel like."""

    model: Model
    hardware: tuple[Hardware, ...]
    traffic: Traffic
    """With a request rate or a concurrency, and with the objectives."""
    max_model_len: int
    quantizations: tuple[str, ...] = ()
    """Methods to weigh; empty: those that each profile accepts."""
    pinned: bool = False
    """The checkpoint is known, and is what it is; False: a shape, of which other checkpoints may be had."""
    fixed: Fixed = field(default_factory=Fixed)
    engine_args: dict[str, Json] = field(default_factory=dict)
    """What else the user decided that an estimate takes by the same name: KEPT."""
    spare: bool = False
    plain: bool = False
    """Only vLLM's own max_num_seqs and KV dtype, and no pipelines: for a first look at much hardware."""
    prices_as_of: date
    learned: LearnedRuns | None = None
    """The installation's own runs, which move the memory of candidates of their kind."""
    notes: tuple[str, ...] = ()
    """What is said of the question itself."""

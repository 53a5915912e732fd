"""What a search among configurations is asked, what it weighs, and what it answers.

The one thing to know: `holds` has two strengths. At the pessimistic end of every interval: only that is recommended. At
the estimate alone: it is said, and not recommended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Literal

from infercli.core.documents.plan import Change
from infercli.core.documents.prices import Price
from infercli.core.documents.profile import HardwareProfile
from infercli.core.estimates.engine_args import SAME_NAMES
from infercli.core.estimates.estimate import Estimate, Interval, Traffic
from infercli.core.estimates.estimating import Model
from infercli.core.gpus import Gpu
from infercli.core.quantization.methods import expand
from infercli.core.record import Document, Json, Record

if TYPE_CHECKING:
    from infercli.core.estimates.learning import LearnedRuns

OBJECTIVES = ("ttft_p95", "ttft_p99", "tpot_p95")
"""Objectives that can be asked: those that an estimate says. Each is a time that must not be passed."""

_WEIGHED = (
    "tensor_parallel_size", "pipeline_parallel_size", "max_num_seqs", "kv_cache_dtype", "max_model_len",
    "gpu_memory_utilization", "kv_cache_memory_bytes",
)  # fmt: skip
KEPT = tuple(name for name in SAME_NAMES if name not in _WEIGHED)
"""engine_args that a search leaves as they are."""

Verdict = Literal[
    "chosen", "dearer", "not_preferred", "unpriced", "uncertain", "too_slow", "does_not_fit", "cannot_be_told",
    "no_room", "impossible",
]  # fmt: skip
"""Why a candidate won or lost. `dearer` and `not_preferred`: it may hold, and another was taken. `unpriced`: nobody
says what it costs. `uncertain`: holds at the estimate only."""


class Candidate(Record):
    """One configuration. Names are vLLM's own."""

    profile: str
    gpu: str
    tensor_parallel_size: int
    pipeline_parallel_size: int
    replicas: int
    quantization: str
    kv_cache_dtype: str
    max_num_seqs: int
    spare_gpus: int = 0
    """Kept free for a replica that is lost, and paid for; 0 where none was asked, or the pool grows when one is."""

    @property
    def gpus_per_replica(self) -> int:
        """GPUs of one engine."""
        return self.tensor_parallel_size * self.pipeline_parallel_size

    @property
    def gpus(self) -> int:
        """GPUs that are paid for."""
        return self.gpus_per_replica * self.replicas + self.spare_gpus

    @property
    def words(self) -> str:
        """`2 replicas of 4 x H100 (h100-x8), fp8`, and what is not vLLM's own choice."""
        each = f"{self.gpus_per_replica} x {self.gpu} ({self.profile})"
        text = f"{each if self.replicas == 1 else f'{self.replicas} replicas of {each}'}, {self.quantization}"
        if self.pipeline_parallel_size > 1:
            text += f", {self.tensor_parallel_size} x {self.pipeline_parallel_size} (tensor x pipeline)"
        if self.kv_cache_dtype != "auto":
            text += f", KV cache {self.kv_cache_dtype}"
        if self.spare_gpus:
            text += f", {self.spare_gpus} spare"
        return text


class Cost(Record):
    """US dollars an hour for all GPUs, over the quotes that were found."""

    low_usd_per_h: float
    median_usd_per_h: float
    high_usd_per_h: float
    quotes: int


class Loser(Record):
    """A candidate that was not taken, and why."""

    candidate: Candidate
    cost: Cost | None
    """None: unknown."""
    verdict: Verdict
    reason: str
    shortfall: float = 0.0
    """How far it lost, to sort by: of what was allowed, or GiB; 0 where it has no size."""


class Winner(Record):
    """A candidate with its whole estimate: the same that `infercli estimate` gives."""

    candidate: Candidate
    cost: Cost | None
    holds: Literal["at the pessimistic end", "at the estimate"]
    at_worst: str
    """The objective with the least room at the pessimistic end, in words."""
    estimate: Estimate


class Point(Record):
    """One configuration of the Pareto front: none other is both faster for a user and cheaper for its tokens."""

    candidate: Candidate
    cost: Cost
    tokens_per_s_per_user: Interval
    """Of one user's answer: 1 / median TPOT."""
    tokens_per_s_per_usd_h: float
    """Output tokens a second of all users together, by the median price of an hour."""
    holds: Literal["at the pessimistic end", "at the estimate", "no"]
    """`no`: only where nothing holds; it carries the load all the same."""
    chosen: bool = False


class Selection(Document):
    """The answer of a search. `chosen` None: nothing holds at the pessimistic end."""

    kind: Literal["Selection"] = "Selection"
    model: str
    workload: Traffic
    """The load, with its objectives."""
    max_model_len: int
    spare: bool
    prices_as_of: date
    candidates: int
    """How many were weighed: one that was chosen, and the losers."""
    chosen: Winner | None
    cheaper_at_the_estimate: Winner | None
    """One that costs less, or of which alone a price is known, and holds only at the estimate; None: there is none."""
    front: tuple[Point, ...]
    losers: tuple[Loser, ...]
    changes: tuple[Change, ...] = ()
    """Where nothing was chosen: the smallest changes that would hold, each found by searching again."""
    command: str | None = None
    """Plans exactly what was chosen."""
    notes: tuple[str, ...] = ()

    @property
    def holds(self) -> bool | None:
        """Whether something does; None where nothing surely does and of something it cannot be told."""
        if self.chosen is not None:
            return True
        return None if any(x.verdict in ("uncertain", "cannot_be_told") for x in self.losers) else False


@dataclass(frozen=True, kw_only=True, eq=False)
class Hardware:
    """A profile as the search sees it."""

    profile: HardwareProfile
    gpu: Gpu
    """Without NVLink where the profile has PCIe."""
    gpu_memory_utilization: float
    price: Price | None

    @property
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

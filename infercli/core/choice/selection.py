"""What a search among configurations answers.

The one thing to know: `holds` has two strengths. At the pessimistic end of every interval: only that is recommended. At
the estimate alone: it is said, and not recommended.
"""

from __future__ import annotations

from datetime import date
from typing import Literal

from infercli.core.documents.plan import Change
from infercli.core.estimates.answer import Estimate, Interval
from infercli.core.estimates.request import Traffic
from infercli.core.record import Document, Record

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

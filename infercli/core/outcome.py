"""What a planner decided, before it becomes a plan."""

from __future__ import annotations

from dataclasses import dataclass

from infercli.core.plan import Choice, GpuMemory, KvCache
from infercli.core.record import Json


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The engine's arguments and whether they fit. `fits` None: it cannot be told."""

    engine_args: dict[str, Json]
    tensor_parallel_size: int
    max_num_seqs: int
    choices: tuple[Choice, ...]
    memory: GpuMemory | None
    kv_cache: KvCache | None
    longest_that_fits: int
    """The largest max_model_len that the KV cache admits, up to the model's own; 0: none."""
    fits: bool | None
    verdict: str
    missing_bytes: int = 0
    notes: tuple[str, ...] = ()

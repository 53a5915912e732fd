"""What a planner decided, before it becomes a plan."""

from __future__ import annotations

from infercli.core.plan import Choice, GpuMemory, KvCache
from infercli.core.record import Json, Record


class Outcome(Record):
    """The engine's arguments and whether they fit. `fits` None: it cannot be told."""

    engine_args: dict[str, Json]
    tensor_parallel_size: int
    max_num_seqs: int
    choices: tuple[Choice, ...]
    memory: GpuMemory | None
    kv_cache: KvCache | None
    fits: bool | None
    verdict: str
    missing_bytes: int = 0
    notes: tuple[str, ...] = ()

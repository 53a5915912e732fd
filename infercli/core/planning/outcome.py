"""What a planner decided, before it becomes a plan."""

from collections.abc import Sequence
from typing import NamedTuple

from infercli.core.architecture.arch import ModelArch
from infercli.core.documents.plan import Choice, GpuMemory, KvCache
from infercli.core.engines.facts import EngineFacts
from infercli.core.estimates.answer import Settings
from infercli.core.estimates.memory import Sized
from infercli.core.estimates.request import EstimateRequest
from infercli.core.gpus import Gpu
from infercli.core.quantization.checkpoint import Quantization
from infercli.core.record import Json


class Question(NamedTuple):
    """The estimate that a GPU plan rests on: what is said beside the plan (speed, derivation) is asked of it too."""

    request: EstimateRequest
    settings: Settings
    sized: Sized
    arch: ModelArch
    quantization: Quantization
    gpu: Gpu
    facts: EngineFacts
    requests: int
    """Of one replica at a time, as the workload says."""
    tokens_each: int
    """Of one such request, prompt and answer."""
    need_bytes: int
    """What the KV cache must hold at least."""
    asked_length: int | None = None
    """max_model_len where the user decided it; None: the planner did."""


class Outcome(NamedTuple):
    """The engine's arguments and whether they fit. `fits` None: it cannot be told."""

    engine_args: dict[str, Json]
    gpus: int
    """Of one replica."""
    max_num_seqs: int
    choices: tuple[Choice, ...]
    memory: GpuMemory | None
    kv_cache: KvCache | None
    fits: bool | None
    verdict: str
    longest_that_fits: int | None = None
    """The largest max_model_len that the KV cache admits, up to the model's own; None: not looked for."""
    missing_bytes: int = 0
    notes: tuple[str, ...] = ()
    question: Question | None = None
    """None on the local target."""


def choice(args: dict[str, Json], name: str, value: Json, reason: str) -> Choice:
    """One of the planner, for that reason, where `args`, which are the user's, do not make it."""
    given = name in args
    return Choice(name=name, value=value, reason="engine_args says so" if given else reason, given=given)


def untold(names: Sequence[str]) -> str:
    """The verdict on a plan with arguments that nobody has modelled."""
    change = "changes" if len(names) == 1 else "change"
    return f"cannot be told: {', '.join(names)} {change} memory in a way that is not planned yet"

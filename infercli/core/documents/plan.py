"""The plan: what would be run, why, and whether it fits. `plan.json` is the contract that `deploy` keeps."""

from typing import Literal

from pydantic import model_validator

from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.model import LockedModel
from infercli.core.documents.profile import HardwareProfile
from infercli.core.record import Document, Json, Record, digest


class EngineSpec(Record):
    """Everything that makes one engine. Equal specs are the same engine: the digest names its Serve application.

    How many replicas run is not part of it: a replica more must not rebuild the engine.
    """

    model_id: str
    """What clients say in `model`."""
    model_path: str
    """Where the weights are for the engine: `/models/<commit>` in a pod, an absolute directory on this machine."""
    model_digest: str | None
    """The commit, or the content digest of a directory; None: unpinned, can be planned and not deployed."""
    quantization: str
    """What the checkpoint is: a row of METHODS. The engine reads it from the checkpoint itself."""
    engine_version: str
    ray_version: str
    engine_args: dict[str, Json]
    """Keyword arguments of vLLM's AsyncEngineArgs, without `model`."""
    accelerator: Literal["gpu", "cpu"]
    accelerator_type: str | None = None
    gpus: int = 0
    """Per replica: tensor_parallel_size x pipeline_parallel_size."""
    max_ongoing_requests: int
    graceful_shutdown_timeout_s: float
    """As long as the longest stream may last: an engine that is dropped cuts what is left after this."""
    environment: dict[str, str] = {}
    code_digest: str
    """Of the zip with the engine's serving code."""

    def app_name(self, release: str) -> str:
        """`chat-3f9a1c`: the release and six hex digits of the content."""
        return f"{release}-{digest(self.model_dump(mode='json'))[:6]}"


class FrontSpec(Record):
    """Everything that makes the front application."""

    replicas: int
    max_body_bytes: int
    max_in_flight: int
    code_digest: str


class Choice(Record):
    """One decision of the planner, or one that the user made."""

    name: str
    value: Json
    reason: str
    given: bool = False
    """The user said so."""


class MemoryTerm(Record):
    """One part of a GPU's memory. `low`/`high` bound it where it is estimated; equal where it is arithmetic."""

    name: str
    bytes: int
    low_bytes: int
    high_bytes: int
    formula: str
    source: str
    inside_budget: bool = True
    """False: vLLM takes it beyond its budget, and the KV cache is not smaller for it (CUDA graphs until 0.19)."""


class GpuMemory(Record):
    """The memory of one GPU (all ranks are alike up to vLLM's smallest rank)."""

    total_bytes: int
    budget_bytes: int
    """What vLLM may take: total x gpu_memory_utilization, less what others hold."""
    terms: tuple[MemoryTerm, ...]
    """weights, activation, non_torch, cuda_graphs, kv_cache, which is what is left; before it `learned`, where own runs
    of its kind printed how much that is."""


class KvCache(Record):
    """What the KV cache holds, by vLLM's own block arithmetic; of one engine replica, at the pessimistic end."""

    bytes_per_token: int
    """Per GPU."""
    block_tokens: int
    blocks: int
    tokens: int
    concurrency: float
    """Requests of `max_model_len` that fit at once, as vLLM prints it."""


class Change(Record):
    """A smallest change that would make it fit, checked by planning it."""

    change: str
    """As the user would type it."""
    effect: str


BESIDE = ("outlook", "serve_command", "derivation")
"""Keys of `infercli plan -o json` that stand beside the plan's own: speed and price; a command; derivations."""


class Plan(Document):
    """What would run. `fits` is None when it cannot be told."""

    kind: Literal["Plan"] = "Plan"
    infercli_version: str
    deployment: ModelDeployment
    profile: HardwareProfile
    target: Literal["kubernetes", "local"]
    model: LockedModel | None
    """None: planned from a shipped shape; can be planned, not deployed."""
    engine: EngineSpec
    replicas: int
    front: FrontSpec
    choices: tuple[Choice, ...]
    memory: GpuMemory | None
    """None on the local target, whose memory is not a GPU's."""
    kv_cache: KvCache | None
    fits: bool | None
    verdict: str
    missing_bytes: int = 0
    """Per GPU; 0 where it fits."""
    changes: tuple[Change, ...] = ()
    notes: tuple[str, ...] = ()
    objects_digest: str = ""
    """Of the objects that render makes of this plan; filled when the plan is saved."""
    digest: str = ""
    """Of everything above; filled when the plan is saved."""

    @model_validator(mode="before")
    @classmethod
    def _alone(cls, value: Json) -> Json:
        """Without what `infercli plan -o json` prints beside the plan, which is no part of it."""
        return {k: v for k, v in value.items() if k not in BESIDE} if isinstance(value, dict) else value

    @property
    def name(self) -> str:
        """The release's name."""
        return self.deployment.name

    def content_digest(self) -> str:
        """What `digest` must be."""
        return digest(self.model_dump(mode="json", exclude={"digest"}))

    def sealed(self, objects_digest: str) -> "Plan":
        """The plan as it is saved."""
        plan = self.model_copy(update={"objects_digest": objects_digest, "digest": ""})
        return plan.model_copy(update={"digest": plan.content_digest()})

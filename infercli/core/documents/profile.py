"""profiles/*.yaml: the hardware that a deployment may use."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from infercli.core.gpus import Gpu, find_gpu
from infercli.core.quantization.methods import expand
from infercli.core.record import Document, Record
from infercli.core.units import GIB, gib
from infercli.errors import InferError

LARGEST_NODE_GPUS = 8
"""GPUs of the largest machines that profiles describe: HGX and DGX servers. More are several of them."""


class NodeGroup(Record):
    """Equal machines."""

    count: int = Field(default=1, ge=1)
    gpus: int = Field(default=0, ge=0)
    """GPUs per node; 0 only where the accelerator is `cpu`."""
    cpus: int | None = Field(default=None, ge=1)
    memory_gib: float | None = Field(default=None, gt=0)
    max_count: int | None = Field(default=None, ge=1)
    """With autoscaling: as many nodes as the pool may grow to; None: it does not grow."""

    @model_validator(mode="after")
    def _grows(self) -> "NodeGroup":
        if self.max_count is not None and self.max_count < self.count:
            raise ValueError(f"max_count: must be at least count, which is {self.count}")
        return self


class Toleration(Record):
    """A Kubernetes toleration."""

    key: str
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "NoExecute", "PreferNoSchedule"] | None = None


class HardwareProfile(Document):
    """A hardware profile. `gpu` names a row of the GPU table or defines one inline."""

    kind: Literal["HardwareProfile"] = "HardwareProfile"
    name: str
    accelerator: Literal["gpu", "cpu"] = "gpu"
    gpu: str | Gpu | None = None
    nodes: tuple[NodeGroup, ...] = Field(min_length=1)
    interconnect: Literal["nvlink", "pcie"] | None = None
    """Between the GPUs of one node; None where there is one."""
    quantizations: tuple[str, ...] = Field(default=("none",), min_length=1)
    """Acceptable ones, in order of preference: any of quantization/methods.py, or q4 for any of awq, gptq, w4a16."""
    price: str | None = None
    """A key of prices.yaml, per GPU and hour; None: unknown."""
    reserved_gpu_memory_gib: float = Field(default=0, ge=0)
    """GPU memory that others take on every GPU."""
    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()

    @field_validator("gpu", "quantizations")
    @classmethod
    def _in_the_tables(cls, value: str | Gpu | tuple[str, ...] | None) -> str | Gpu | tuple[str, ...] | None:
        """Names that no row has are told with whatever else is wrong with the file."""
        try:
            if isinstance(value, str):
                find_gpu(value)
            elif isinstance(value, tuple):
                expand(value)
        except InferError as error:
            raise ValueError("; ".join(filter(None, (error.message, error.hint)))) from None
        return value

    @model_validator(mode="after")
    def _consistent(self) -> "HardwareProfile":
        if self.accelerator == "gpu" and self.gpu is None:
            raise ValueError("gpu: is required where accelerator is gpu")
        if self.accelerator == "cpu" and self.gpu is not None:
            raise ValueError("gpu: must be absent where accelerator is cpu")
        gpu = self.linked_gpu()
        if gpu is None:
            return self
        without = [i for i, n in enumerate(self.nodes) if not n.gpus]
        if without:
            raise ValueError(f"nodes[{without[0]}].gpus: must be at least 1 where accelerator is gpu")
        if self.reserved_gpu_memory_gib * GIB >= gpu.memory_bytes:
            raise ValueError(
                f"reserved_gpu_memory_gib: must leave some of the {gib(gpu.memory_bytes, 2)} of {gpu.name}"
            )
        return self

    @property
    def target(self) -> Literal["kubernetes", "local"]:
        """Where it runs: a CPU profile is this machine, a GPU profile a cluster."""
        return "local" if self.accelerator == "cpu" else "kubernetes"

    def linked_gpu(self) -> Gpu | None:
        """The GPU as it is linked here; None for a profile without. Raises UnknownName for a name that no row has."""
        gpu = find_gpu(self.gpu) if isinstance(self.gpu, str) else self.gpu
        if gpu is not None and self.interconnect == "pcie":
            return gpu.model_copy(update={"nvlink_bytes_per_s": None})
        return gpu

    @property
    def gpus_per_node(self) -> int:
        """GPUs of the largest node."""
        return max(n.gpus for n in self.nodes)

    @property
    def total_gpus(self) -> int:
        """GPUs that exist without growing."""
        return sum(n.count * n.gpus for n in self.nodes)

    @property
    def max_gpus(self) -> int:
        """GPUs that can ever be there, with every pool grown to its maximum."""
        return sum((n.max_count or n.count) * n.gpus for n in self.nodes)

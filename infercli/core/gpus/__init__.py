"""GPU facts: one row each, with its source (core/gpus/rows.py). Here: what a row says, and how it is found.

Memory is the total that the driver reports to a process: what vLLM multiplies by `gpu_memory_utilization`. It differs
by up to 0.15 GiB between driver versions and ECC settings: a row holds the smallest figure that a log prints, so that
a plan holds on every machine. A profile may define a GPU of its own inline instead of adding a row.
"""

import re
from functools import cache
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from infercli.core.gpus.rows import ROWS, Row
from infercli.core.gpus.unplanned import refusal
from infercli.core.record import Record
from infercli.core.units import GIB, gib
from infercli.errors import InputError, UnknownName, Unsupported

_DTYPES = ("fp16", "bf16", "fp8", "int8", "fp4")
"""What tensor cores are said to multiply in."""


class Gpu(Record):
    """One GPU model. Memory is what the driver reports, not what the catalogue says (80 GB is 79.2 GiB at best)."""

    name: str
    memory_bytes: int = Field(gt=0)
    """cudaMemGetInfo's total (hipMemGetInfo's on ROCm, Level Zero's on XPU)."""
    memory_bandwidth_bytes_per_s: float = Field(gt=0)
    platform: Literal["cuda", "rocm", "xpu"] = "cuda"
    """What vLLM calls it: NVIDIA, AMD, Intel."""
    capability: tuple[int, int] | None
    """CUDA compute capability (major, minor); None on the other platforms, which have none."""
    peak_flops: dict[str, Annotated[float, Field(gt=0)]] = {}
    """Dense tensor throughput by dtype (fp16, bf16, fp8, int8, fp4), in FLOP/s; a missing dtype is not native."""
    nvlink_bytes_per_s: float | None = Field(default=None, gt=0)
    """NVLink (or Infinity Fabric) per GPU, both directions together; None: PCIe only."""
    pcie_bytes_per_s: float | None = Field(default=None, gt=0)
    """Both directions together; None: not known, or not PCIe."""
    tdp_w: int | None = Field(default=None, gt=0)
    """Board power at its default limit."""
    multiprocessors: int | None = Field(default=None, gt=0)
    """Streaming multiprocessors (compute units on ROCm, Xe-cores on XPU): vLLM's sampler keeps a buffer per one. None:
    not known."""
    unified_memory: bool = False
    """The operating system and every other process live in the same memory: what is free at start is not the total."""
    ray_accelerator_type: str | None = None
    """Ray's name for it; None where Ray has none (the request is then for a GPU of any kind)."""
    source: str

    @field_validator("peak_flops")
    @classmethod
    def _rates_are_of_known_dtypes(cls, rates: dict[str, float]) -> dict[str, float]:
        # What nobody looks up would be no rate at all, without a word.
        for dtype in rates:
            if dtype not in _DTYPES:
                raise ValueError(f"`{dtype}` is no dtype that is known here: {', '.join(_DTYPES)}")
        return rates

    @model_validator(mode="after")
    def _capability_is_said(self) -> "Gpu":
        if (self.capability is None) != (self.platform != "cuda"):
            raise ValueError("capability: a CUDA GPU has one, a GPU of another platform has null")
        return self

    def __hash__(self) -> int:
        return hash(self.name)  # its rates are a dict, which has no hash

    def at_least(self, capability: tuple[int, int]) -> bool:
        """Whether the CUDA capability reaches that far; never elsewhere."""
        return self.capability is not None and self.capability >= capability

    @property
    def datacentre_blackwell(self) -> bool:
        """Capability 10.x (B200, GB300), whose kernels those of 11.0 (Thor) and 12.x (RTX, GB10) do not have."""
        return self.capability is not None and self.capability[0] == 10  # vLLM's is_device_capability_family(100)

    @property
    def has_fp8(self) -> bool:
        """Whether it multiplies in FP8: Ada and later; elsewhere where its rates, if any are given, name FP8."""
        if self.platform == "cuda":
            return self.at_least((8, 9))
        return "fp8" in self.peak_flops or not self.peak_flops


def _gpu(row: Row) -> Gpu:
    return Gpu(
        name=row.name,
        memory_bytes=int(row.memory_gib * GIB),
        memory_bandwidth_bytes_per_s=row.bandwidth * 1e9,
        platform=row.capability if isinstance(row.capability, str) else "cuda",
        capability=None if isinstance(row.capability, str) else row.capability,
        peak_flops={dtype: value * 1e12 for dtype, value in row.tflops.items()},
        nvlink_bytes_per_s=None if row.nvlink is None else row.nvlink * 1e9,
        pcie_bytes_per_s=None if row.pcie is None else row.pcie * 1e9,
        tdp_w=row.tdp_w,
        multiprocessors=row.multiprocessors,
        unified_memory=row.unified,
        ray_accelerator_type=row.ray,
        source=row.source,
    )


GPUS: dict[str, Gpu] = {row.name: _gpu(row) for row in ROWS}

_SLICE = re.compile(r"\bmig\b|\d+g\.\d+gb|\bvgpu\b|%|\d\s*/\s*\d|(^|\s)0?\.\d")
"""MIG profiles (`3g.20gb`), vGPUs and fractions (`1/2 H100`, `0.5 x L4`)."""

_NOISE = re.compile(r"\(.*?\)|\b(nvidia|geforce|amd|instinct|radeon|tesla|intel|graphics|gpu|x\d+)\b|[\s_-]+")
"""What drivers, clouds and people put around a name: vendor, family, remarks in brackets, a count, separators."""


def _folded(name: str) -> str:
    return _NOISE.sub("", name.lower())


_BY_FOLDED: dict[str, str] = {_folded(name): row.name for row in ROWS for name in (*row.aliases, row.name)}

_SIZE = re.compile(r"\b(\d+(?:\.\d+)?)\s*gi?b\b")
_BARE_SIZE = re.compile(r"(?<=[a-z\d])[\s_-]+(\d{2,3})$")
"""`L4-24`, as benchmarks write it. Names whose own number stands there (`H-100`) are found whole before."""
_BOARD = re.compile(r"\b(sxm\d?|hbm\d?e?|oam|ac|edition|generation|\d+(?:\.\d+)?\s*gi?b)\b")
"""Words of a name that tell no two GPUs of equal memory apart: socket, kind of memory, size, and the like."""


def _plain(name: str) -> str:
    return _folded(_BOARD.sub(" ", re.sub(r"[-_]", " ", name.lower())))


@cache
def _by_plain() -> dict[str, dict[str, float]]:
    """Name without those words -> the rows that it may mean, with their memory in GiB."""
    found: dict[str, dict[str, float]] = {}
    for row in ROWS:
        for name in (row.name, *row.aliases):
            found.setdefault(_plain(name), {})[row.name] = row.memory_gib
    return found


def _same_name(name: str) -> dict[str, float]:
    """The rows that `H100-SXM5-80GB` may mean, whatever its size, with their memory in GiB."""
    return _by_plain().get(_plain(_with_unit(name)), {})


def _with_unit(name: str) -> str:
    return _BARE_SIZE.sub(r" \1gb", re.sub(r"[-_]", " ", name.lower().strip()))


def _says_size(name: str) -> re.Match[str] | None:
    return _SIZE.search(_with_unit(name))


def _other_spelling(name: str) -> str | None:
    """The one row that `H100-SXM5-80GB` means; None where it is none, or a size decides and is not said."""
    rows, size = _same_name(name), _says_size(name)
    if size is not None:  # drivers report 0.9 (T4) to 1.0 of the catalogue's figure
        rows = {row: gib for row, gib in rows.items() if 0.88 <= gib / float(size[1]) <= 1.01}
    return next(iter(rows)) if len(rows) == 1 else None


def guessed_note(name: str, gpu: Gpu) -> str | None:
    """That others have that name too, with other memory; None where it says which one is meant."""
    folded = _folded(name)
    if folded == _folded(gpu.name):
        return None
    others = [g for g in GPUS.values() if _folded(g.name).startswith(folded) and g.memory_bytes != gpu.memory_bytes]
    if not others:
        return None
    sizes = ", ".join(f"{g.name} ({gib(g.memory_bytes)})" for g in others)
    return f"{name} is taken for {gpu.name} ({gib(gpu.memory_bytes)}); there are also {sizes}"


def _model(name: str) -> str:
    """`A100` of `A100-80-SXM`: a row's name to its first number."""
    found = re.match(r"(?:[A-Za-z]+-)*[A-Za-z]*\d+[A-Za-z]*", name)
    return found[0] if found else name


_ANOTHER_SIZE = 0.1
"""Of a row's memory. Our choice: drivers differ by a few percent, and the next size of a model is farther away."""


def _has(gpu: Gpu, memory_bytes: int) -> bool:
    return abs(memory_bytes - gpu.memory_bytes) <= _ANOTHER_SIZE * gpu.memory_bytes


def find_gpu_with(name: str, memory_bytes: int) -> Gpu:
    """As `find_gpu`, where memory is said beside a name that leaves it open: `A100` with 40 GB is no A100 of 80."""
    _require_whole(name)
    if _row(name) is None and not _says_size(name):  # `RTX 5060 Ti`, which alone is none of its two
        alike = [GPUS[row] for row in _same_name(name) if _has(GPUS[row], memory_bytes)]
        if len(alike) == 1:
            return alike[0]
    gpu = find_gpu(name)
    if _has(gpu, memory_bytes) or guessed_note(name, gpu) is None:
        return gpu
    alike = [g for g in GPUS.values() if _model(g.name) == _model(gpu.name) and _has(g, memory_bytes)]
    return max(alike, key=lambda g: (g.memory_bandwidth_bytes_per_s, g.nvlink_bytes_per_s or 0.0), default=gpu)


def other_memory_note(gpu: Gpu, memory_bytes: int) -> str | None:
    """That this is no memory of `gpu`, a row: whose speed is then said; None where a driver may report it.

    A slice has less of everything, and another model of the name its own bandwidth.
    """
    if _has(gpu, memory_bytes):
        return None
    others = [g.name for g in GPUS.values() if _model(g.name) == _model(gpu.name) and _has(g, memory_bytes)]
    there = f"; {' and '.join(others)} {'has' if len(others) == 1 else 'have'} that much" if others else ""
    return (
        f"{gib(memory_bytes, 2)} is no memory of {gpu.name}, which has {gib(gpu.memory_bytes, 2)}: memory is planned "
        f"as said, and speed as that of a whole {gpu.name}{there}"
    )


def find_gpu(name: str) -> Gpu:
    """The row of that name, whatever its case, vendor prefix and separators (`NVIDIA H100 80GB` is `H100`).

    A name that leaves the form factor open is the SXM one; a size that is said must be the row's. Raises Unsupported
    for a slice of a GPU, whose memory no row holds, InputError for the name of several of different memory, what
    core/gpus/unplanned.py says of those, and UnknownName, with the nearest names, for anything else.
    """
    _require_whole(name)
    found = _row(name)
    if found is not None:
        return GPUS[found]
    same = _same_name(name)
    if len(same) > 1 and not _says_size(name):
        each = [f"`{row}` ({gib(GPUS[row].memory_bytes)})" for row in same]
        which = f"{', '.join(each[:-1])} or {each[-1]}"
        raise InputError(f"GPU `{name}`: there are {len(same)} of it, of different memory", f"say which: {which}")
    refused = refusal(name, _plain(name))
    if refused is not None:
        raise refused
    raise UnknownName(
        "GPU",
        name,
        same or GPUS,
        "`infercli gpus` lists them; a profile may define one inline (`infercli profiles --help` shows it); to add one "
        "for everybody: a row in core/gpus/rows.py",
    )


def _row(name: str) -> str | None:
    return _BY_FOLDED.get(_folded(name)) or _other_spelling(name)


def _require_whole(name: str) -> None:
    if _SLICE.search(name.lower()):
        raise Unsupported(
            f"GPU `{name}` is a part of a GPU: no row says how much memory the driver reports for it",
            "define it inline in a profile (`infercli profiles --help` shows one), with memory_bytes as "
            "torch.cuda.mem_get_info() prints it in the slice; of its memory alone, ask an estimate by the name of the "
            "whole GPU with that gpu_memory_gib",
        )

"""A profile of nothing but GPUs, for who has not written one: `b200-x8` is one machine with eight B200."""

from __future__ import annotations

import re
from collections.abc import Sequence

from infercli.core.documents.prices import PriceList
from infercli.core.documents.profile import LARGEST_NODE_GPUS, HardwareProfile, NodeGroup
from infercli.core.gpus import Gpu, find_gpu, guessed_note
from infercli.core.quantization.methods import METHODS, Method, require_capability
from infercli.errors import InferError, UnknownName

_NAME = re.compile(r"(?P<gpu>.+?)(?:-x(?P<count>\d{1,4}))?")
_COUNTED = re.compile(
    r"(?P<before>\d{1,2})\s*[x*]\s*(?P<second>.+)|(?P<first>.+?)[-\s]*[x:*]\s*(?P<after>\d{1,4})", re.IGNORECASE
)
"""A GPU and how many, as people write it: `2x4090`, `8 x H100`, `rtx3090x2`, `H100:8`."""
_WITH_FP8 = ("fp8", "nvfp4", "awq", "gptq", "w4a16", "int8", "none", "mxfp4", "mxfp8")
_WITHOUT_FP8 = ("awq", "gptq", "w4a16", "int8", "fp8", "none", "mxfp4")
"""What a checkpoint may be, in the order of the shipped profiles; nvfp4 and mxfp8 only where the GPU multiplies so."""


def bare_profile(name: str, prices: PriceList) -> HardwareProfile | None:
    """The profile that `GPU` or `GPU-xCOUNT` means; None where that is no GPU of the table or no number of machines.

    Raises Unsupported for a part of a GPU.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    count = int(found["count"] or 1)
    try:
        gpu = find_gpu(found["gpu"])
    except UnknownName:
        return None
    largest = 1 if gpu.unified_memory else LARGEST_NODE_GPUS  # a machine has one GPU that shares its memory
    if count < 1 or (count > largest and count % largest):
        return None
    nodes = NodeGroup(count=max(1, count // largest), gpus=min(count, largest))
    return HardwareProfile(
        name=name,
        gpu=gpu.name,
        nodes=(nodes,),
        interconnect=None if nodes.gpus == 1 else "pcie" if gpu.nvlink_bytes_per_s is None else "nvlink",
        quantizations=tuple(m for m in (_WITH_FP8 if gpu.has_fp8 else _WITHOUT_FP8) if _runs(METHODS[m], gpu)),
        price=next((key for key in prices.prices if _is(key, gpu)), None),
    )


def meant(name: str) -> list[str]:
    """`rtx3090-x2` for `rtx3090x2` or `2 x RTX3090`, with the nearest GPUs for one that is unknown.

    Empty where no number of GPUs is said, or one that no machine has.
    """
    found = _COUNTED.fullmatch(name.strip())
    if found is None:
        return []
    typed, count = (found["second"] or found["first"]).strip(), int(found["before"] or found["after"])
    try:
        find_gpu(typed)
        gpus: Sequence[str] = [re.sub(r"\s+", "-", typed)]
    except UnknownName as error:
        gpus = error.nearest
    except InferError:  # a part of a GPU, or one that is not planned
        return []
    return [f"{gpu.lower()}-x{count}" for gpu in gpus] if 1 <= count <= LARGEST_NODE_GPUS else []


def guessed(name: str) -> str | None:
    """That the GPU of such a name is also had with other memory (`a100-x2`); None where it says which is meant."""
    found = _NAME.fullmatch(name)
    return None if found is None else guessed_note(found["gpu"], find_gpu(found["gpu"]))


def _runs(method: Method, gpu: Gpu) -> bool:
    if method.name in ("nvfp4", "mxfp8") and not (method.native_from and gpu.at_least(method.native_from)):
        return False
    try:
        require_capability(method, gpu)
    except InferError:
        return False
    return True


def _is(key: str, gpu: Gpu) -> bool:
    try:
        return find_gpu(key).name == gpu.name
    except InferError:
        return False

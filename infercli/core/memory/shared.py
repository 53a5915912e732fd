"""GPUs that have no memory of their own (GB10, Jetson): what the rest of the machine does to vLLM's accounting.

The one thing to know: vLLM measures the machine there, and not its process. What is free is the kernel's MemAvailable
(0.29 utils/mem_utils.py MemorySnapshot.measure), so that whatever any process, the kernel or the driver takes between
two looks counts as weights and overhead. What CUDA graphs take is the fall of cudaMemGetInfo's free pages (0.29
v1/worker/gpu/cudagraph_utils.py, v1/worker/gpu_model_runner.py), which the page cache fills and gives back, and the
second of two graphs is multiplied by the number of the others. Neither happens where the KV cache is given its size.
"""

from __future__ import annotations

from collections.abc import Iterator

from infercli.core.engines.facts import NOTHING, Band, EngineFacts
from infercli.core.gpus import Gpu
from infercli.core.units import GIB, gib

HELD_AT_START = Band(low=1.0 * GIB, typical=10.0 * GIB, high=20.5 * GIB)
"""Bytes that are not free when an engine looks, with no other engine beside it: 5.6 to 11.5 GiB in 24 public starts,
12.3 to 20.4 in ten, one of them freshly booted, without desktop and page cache
(MiaAI-Lab/GLM-5.3-Flash-EXL3-2x-DGX-Sparks#47; GB10 and Thor, 0.17 to 0.29). The low end by bounds."""


def shares_memory(gpu: Gpu) -> bool:
    """Whether the operating system has the same memory, by CUDA's own word (`is_integrated`)."""
    return gpu.unified_memory and gpu.platform == "cuda"


def looks_what_is_free(gpu: Gpu, facts: EngineFacts) -> bool:
    """Whether this engine refuses to start unless its share is free."""
    return facts.refuses_unless_free and gpu.platform == "cuda" and facts.engine(gpu) == "V1"


def held_at_start_bytes(gpu: Gpu, facts: EngineFacts) -> int:
    """What a share must leave so that a start can count on it; 0 where the GPU has its own memory, or none looks."""
    return round(HELD_AT_START.high) if shares_memory(gpu) and looks_what_is_free(gpu, facts) else 0


def who_holds_it(gpu: Gpu) -> str:
    """Of what a share leaves: subject of a sentence."""
    return "what the operating system and others hold" if shares_memory(gpu) else "what the driver keeps"


def beside_torch(gpu: Gpu, facts: EngineFacts, *, profiled: bool) -> dict[str, Band]:
    """Parts of the non-torch memory that are the machine's; none where the GPU has its own.

    `profiled`: vLLM measures what is left for the KV cache. Where it was given its size, all must lie within the memory
    instead, beside what others hold.
    """
    if not shares_memory(gpu):
        return {}
    if not profiled:
        return {"held_by_others": HELD_AT_START}
    moved = facts.non_torch.unified_moved
    return {"moved_meanwhile": moved} if moved != NOTHING else {}


def beside_graphs(gpu: Gpu, facts: EngineFacts, captured: Band, *, profiled: bool) -> Band:
    """What the page cache adds to an estimate of the CUDA graphs, or takes from it. `captured`: the graphs alone.

    `profiled`: there is such an estimate. The V2 runner's is never below 0 (0.29 v1/worker/gpu/cudagraph_utils.py).
    """
    if not (shares_memory(gpu) and profiled):
        return NOTHING
    moved = facts.unified_free_pages
    low = max(moved.low, min(0.0, -captured.low)) if facts.graphs_in_budget_v2 else moved.low
    return moved._replace(low=low)


def shared_memory_notes(gpu: Gpu, facts: EngineFacts, *, given: bool, graphs_estimated: bool) -> Iterator[str]:
    """What an operator can do. `given`: the KV cache has its size already; `graphs_estimated`: before it gets one."""
    if not shares_memory(gpu) or facts.non_torch.unified_moved == NOTHING:
        return
    if given:
        yield (
            f"{gpu.name} shares its memory: with kv_cache_memory_bytes nothing is measured, and vLLM only asks that "
            "gpu_memory_utilization of the memory is free: lower it where a start is refused, it decides nothing else; "
            f"{gib(HELD_AT_START.high)} are kept for others"
        )
        return
    most, pages = facts.non_torch.unified.high + facts.non_torch.unified_moved.high, facts.unified_free_pages
    said = f"{gpu.name} shares its memory, and vLLM counts what the whole machine takes while it starts as its own"
    said += f": up to {gib(most)} in public starts"
    if graphs_estimated:
        least = 0 if facts.graphs_in_budget_v2 else pages.low
        said += f", and its estimate of CUDA graphs moves with the page cache, by {gib(least)} to {gib(pages.high)}"
    yield f"{said}; the same command leaves another KV cache at each start"
    yield (
        "for the same KV cache at each start give kv_cache_memory_bytes; otherwise start nothing else meanwhile, drop "
        "the page cache first (`sync; echo 3 > /proc/sys/vm/drop_caches`), and start again once kernels are compiled "
        "(with MAX_JOBS=1 the first time: a compiler took 7 GiB); load_format instanttensor took 4.4 to 5.1 GiB of it"
    )

"""The memory of one GPU, term by term, each with its formula and its source.

Weights follow from the shapes and from PyTorch's allocator. The KV cache is vLLM's own arithmetic (core/kv_cache.py) on
what is left. Between them stand three estimates (activation, non-torch, CUDA graphs) with bounds: "fits" is said with
all of them at their high end.
"""

from __future__ import annotations

from dataclasses import dataclass

from infercli.core.architecture.arch import (
    Experts,
    Layout,
    ModelArch,
    feed_forwards,
)
from infercli.core.checkpoint import Quantization
from infercli.core.engines.facts import Band, MemoryCoefficients
from infercli.core.plan import GpuMemory, MemoryTerm
from infercli.core.weights import weights_bytes

ELEMENT_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What the memory depends on besides model and GPU."""

    tensor_parallel_size: int
    max_num_seqs: int
    max_num_batched_tokens: int
    element_bytes: int
    """Of one unquantized weight or activation."""
    graph_sizes: int
    """CUDA graph sizes that are captured; 0 with enforce_eager."""
    full_graph_sizes: int
    capability: tuple[int, int]


def activation(arch: ModelArch, load: Load, k: MemoryCoefficients) -> Band:
    """The profile's peak, and what the sampler keeps: max(forward pass, sampler and expert workspace) + state."""
    seqs, tokens, b = load.max_num_seqs, load.max_num_batched_tokens, load.element_bytes
    hidden_states = b * tokens * arch.hidden
    forward = workspace = 0
    for feed_forward in feed_forwards(arch):
        width = feed_forward.intermediate // load.tensor_parallel_size
        if isinstance(feed_forward, Experts):
            columns = max(width, arch.hidden) + max(2 * width, arch.hidden)
            workspace = max(workspace, b * tokens * feed_forward.experts_per_token * columns)
        else:
            forward = max(forward, b * tokens * (3 * width + 4 * arch.hidden))
    state = k.sampler_state_per_logit * seqs * arch.vocab

    def at(end: str) -> float:
        sampler = getattr(k.sampler_peak_per_logit, end) * seqs * arch.vocab + hidden_states
        sampler += getattr(k.sampler_peak_per_vocab_entry, end) * arch.vocab + getattr(k.sampler_peak_extra, end)
        factor = getattr(k.forward_peak_factor, end)
        return float(state + max(factor * forward + k.forward_peak_extra, sampler + factor * workspace))

    return Band(low=at("low"), typical=at("typical"), high=at("high"))


def non_torch(load: Load, k: MemoryCoefficients) -> Band:
    """CUDA libraries, and NCCL with its buffers where there is more than one rank."""
    if load.tensor_parallel_size == 1:
        return k.non_torch_single
    return k.non_torch_parallel if load.capability >= (9, 0) else k.non_torch_parallel_older


def cuda_graphs(arch: ModelArch, load: Load, k: MemoryCoefficients) -> Band:
    """The estimate that vLLM deducts from the budget: the first size of each mode, and less for every further one.

    The high end counts half of it as independent of the number of sizes. Logs of 0.22 and 0.26 with 19 and 7 sizes
    printed a third of that.
    """
    if load.graph_sizes == 0:
        return Band(low=0, typical=0, high=0)
    share = load.graph_sizes / load.full_graph_sizes
    return Band(
        low=k.graph_base.low + k.graph_per_layer.low * arch.layer_count * share,
        typical=k.graph_base.typical + k.graph_per_layer.typical * arch.layer_count * share,
        high=k.graph_base.high + k.graph_per_layer.high * arch.layer_count * (1 + share) / 2,
    )


def outside_budget_bytes(arch: ModelArch, load: Load, k: MemoryCoefficients) -> int:
    """What a GPU needs beyond the budget: the CUDA context, and what sampling takes only under load."""
    several = load.tensor_parallel_size > 1 and load.capability >= (9, 0)
    context = k.outside_parallel if several else k.outside_single
    return round(context + k.unprofiled_per_logit * load.max_num_seqs * arch.vocab)


def gpu_memory(
    arch: ModelArch,
    quantization: Quantization,
    load: Load,
    k: MemoryCoefficients,
    *,
    total_bytes: int,
    budget_bytes: int,
    weight_only: bool = False,
) -> GpuMemory:
    """All terms of one GPU. The KV cache is what is left of the budget, negative where nothing is."""
    tp = load.tensor_parallel_size
    weights = weights_bytes(
        arch, quantization, Layout(tensor_parallel_size=tp), load.element_bytes, weight_only=weight_only
    )
    terms = [
        MemoryTerm(
            name="weights",
            bytes=weights,
            low_bytes=weights,
            high_bytes=round(weights * (1 + k.weights_slack_fraction)),
            formula=f"every tensor of one of {tp} ranks, {quantization.method}, as PyTorch's allocator rounds it, "
            f"+ {arch.rope_positions:,} x {arch.rope_width} of rotary table",
            source="vLLM's parameter shapes; printed weights of 0.19 agree to 1 %",
        ),
        _term(
            "activation",
            activation(arch, load, k),
            f"max(forward of {load.max_num_batched_tokens:,} tokens, sampler of {load.max_num_seqs} x {arch.vocab:,}) "
            f"+ {k.sampler_state_per_logit:g} B x {load.max_num_seqs} x {arch.vocab:,}",
            k.source,
        ),
        _term("non_torch", non_torch(load, k), "1 GPU" if tp == 1 else f"{tp} GPUs: NCCL and all-reduce", k.source),
        _term(
            "cuda_graphs",
            cuda_graphs(arch, load, k),
            f"{arch.layer_count} layers, {load.graph_sizes} sizes",
            k.source,
        ),
    ]
    terms.append(
        MemoryTerm(
            name="kv_cache",
            bytes=budget_bytes - sum(t.bytes for t in terms),
            low_bytes=budget_bytes - sum(t.high_bytes for t in terms),
            high_bytes=budget_bytes - sum(t.low_bytes for t in terms),
            formula="budget - everything above",
            source="vLLM v1/worker/gpu_worker.py determine_available_memory",
        )
    )
    return GpuMemory(total_bytes=total_bytes, budget_bytes=budget_bytes, terms=tuple(terms))


def term(memory: GpuMemory, name: str) -> MemoryTerm:
    """The term of that name."""
    return next(t for t in memory.terms if t.name == name)


def _term(name: str, band: Band, formula: str, source: str) -> MemoryTerm:
    return MemoryTerm(
        name=name,
        bytes=round(band.typical),
        low_bytes=round(band.low),
        high_bytes=round(band.high),
        formula=formula,
        source=source,
    )

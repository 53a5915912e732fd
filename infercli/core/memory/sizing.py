"""The memory of one GPU, term by term, each with its formula and its source.

Weights follow from the shapes and from PyTorch's allocator (weights.py), the activation peak from what vLLM's
profile run allocates (activation.py), the KV cache is what is left. Non-torch memory and CUDA graphs
(cuda_graphs.py) are measured, and come as bands by engine version: "fits" is said with all of them at their high
end.
"""

from __future__ import annotations

from infercli.core.architecture.arch import (
    Attention,
    Experts,
    GatedDelta,
    Layout,
    ModelArch,
    StateSpace,
    feed_forwards,
    mixers,
)
from infercli.core.documents.plan import GpuMemory, MemoryTerm
from infercli.core.engines.facts import Band, EngineFacts, summed
from infercli.core.gpus import Gpu
from infercli.core.memory.activation import activation as activation_peak
from infercli.core.memory.activation import more_while_compiling
from infercli.core.memory.batch import Draft, Load
from infercli.core.memory.compressed_attention import compressed, without_compiler
from infercli.core.memory.cuda_graphs import cuda_graphs, graph_count, graphs_in_budget, graphs_kind
from infercli.core.memory.sampler import sampler_tables, uses_v2_runner
from infercli.core.memory.shared import (
    HELD_AT_START,
    beside_torch,
    held_at_start_bytes,
    looks_what_is_free,
    shares_memory,
)
from infercli.core.memory.weights import rotary_rows, weights_by_role, weights_bytes
from infercli.core.quantization.checkpoint import UNQUANTIZED, Quantization
from infercli.core.quantization.methods import METHODS
from infercli.core.units import GIB

ELEMENT_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}

_QUANTIZES_IN_TURN = (0, 15)

WEIGHTS_SLACK_FRACTION = 0.015
"""Above the computed weights: what logs print beyond them at most (workspaces of the kernels)."""

_COMPRESSED_SLACK_FRACTION = 0.005
"""The same of DeepSeek-V4 as it is published (experts in MXFP4) by Marlin and DeepGEMM, where logs print 0.02 to 0.08 %
more (n=3). Of NVFP4's experts no log was seen."""

_ASSUMED_ERROR = {"8 bits": (0.0, 0.025), "fewer bits": (0.0, 0.05), "with states": (0.21, 0.24)}
"""How far below and above the computed weights those of a checkpoint lay whose own config was not given, in 68 logs:
8 bits -1.0 to 2.4 % but for one small model (n=31), fewer -0.1 to 4.8 % (n=27); models with gated-delta or state-space
layers in another format than FP8 -21 to 21 % (n=10), since each maker leaves out other layers."""

_BRINGS_TRITON_KERNELS, _OTHER_MXFP4_KERNEL = (0, 12), 0.03
"""Until then a Hopper GPU ran MXFP4 experts through Triton only where somebody had installed triton_kernels, as the
container image has; Marlin's copy of gpt-oss-120b takes 65.97 GiB and not 64.3 (0.11, n=2)."""

_OUTSIDE_SINGLE_BYTES, _OUTSIDE_LINKED_BYTES = 0.6 * GIB, 1.6 * GIB
"""The CUDA context, taken before the budget is measured, with one GPU, and with NCCL from capability 9.0 on; no log
prints it for older GPUs, which keep the figure of one. 0.19 on H100: 0.5 to 0.6 GiB, and 1.53 to 1.55."""

_TAKEN_SINGLE, _TAKEN_LINKED = (0.15, 0.62), (0.15, 2.5)
"""GiB that are not free when an engine looks, with nothing else on the GPU: 0.17 to 0.61 with one (n=12), 0.6 to 2.5
with several over NVLink (n=4); core/memory/shared.py has those that share their memory."""

_MANY_RANKS = 8
"""From this many on NCCL takes as much on older GPUs with NVLink: 0.93 and 2.15 GiB on A100 (0.8, n=2), 0.1 to 0.4 with
two and four."""


_UNPROFILED_BYTES = 12
"""Per max_num_seqs x vocabulary entry under load, where the V2 runner's profile skips top-k and top-p (its own comment
says so): an fp32 copy of the logits, and two to sort them."""


def rank_weights(arch: ModelArch, quantization: Quantization, load: Load, facts: EngineFacts) -> dict[str, int]:
    """Bytes of the heaviest rank's weights by role (`weights_by_role`), as the engine is started."""
    return weights_by_role(
        arch, quantization, load.layout, load.element_bytes,
        gpu=load.gpu, engine_version=facts.version, drafts=load.drafts, batched_tokens=load.max_num_batched_tokens,
        adapters=load.adapters,
    )  # fmt: skip


def loading_bytes(arch: ModelArch, quantization: Quantization, load: Load, facts: EngineFacts) -> int:
    """Of the heaviest rank, where the engine holds all weights in the model's dtype before it quantizes one; else 0.

    0.5.1 to 0.14.0 quantization/fp8.py create_weights allocates them so; 0.16.0 each as its turn comes (0.15's source
    was not to be had).
    """
    if not METHODS[quantization.method].loads_as_model_dtype or facts.release >= _QUANTIZES_IN_TURN:
        return 0
    return weights_bytes(
        arch, UNQUANTIZED, load.layout, load.element_bytes,
        gpu=load.gpu, engine_version=facts.version, drafts=load.drafts,
    )  # fmt: skip


def activation(arch: ModelArch, quantization: Quantization, load: Load, facts: EngineFacts) -> Band:
    """The profile's peak, and what the sampler keeps."""
    found = activation_peak(arch, quantization, load, facts)
    if load.adapters is None:
        return found
    # What a batch is between A and B, in fp32 for each matrix of qkv, in the model's dtype for those of each expert's
    # (0.29 lora/punica_wrapper/punica_gpu.py, lora/ops/triton_ops/fused_moe_lora_op.py). Not measured, so high only.
    most = max((f.experts_per_token for f in feed_forwards(arch) if isinstance(f, Experts)), default=0)
    between = load.max_num_batched_tokens * load.adapters.max_lora_rank * max(3 * 4, 2 * most * load.element_bytes)
    return Band(low=found.low, typical=found.typical, high=found.high + between)


def non_torch(arch: ModelArch, load: Load, facts: EngineFacts, *, profiled: bool = True) -> Band:
    """CUDA libraries, and NCCL with its buffers where there is more than one rank."""
    return summed(non_torch_parts(arch, load, facts, profiled=profiled).values())


def non_torch_parts(arch: ModelArch, load: Load, facts: EngineFacts, *, profiled: bool = True) -> dict[str, Band]:
    """What `non_torch` adds up: the measured figure, and what goes with a width, a split, a vocabulary or a version.

    `profiled`: vLLM measures what is left for the KV cache, as it does unless that is given its size.
    """
    parts = _since_the_start(arch, load, facts) | beside_torch(load.gpu, facts, profiled=profiled)
    if facts.counts_context and load.gpu.platform == "cuda" and facts.engine(load.gpu) == "V1":
        low, high = _TAKEN_SINGLE
        parts["cuda_context"] = Band(low=low * GIB, typical=_OUTSIDE_SINGLE_BYTES, high=high * GIB)
    return parts


def _since_the_start(arch: ModelArch, load: Load, facts: EngineFacts) -> dict[str, Band]:
    """Of `non_torch_parts` what is taken after the engine has begun."""
    k, gpu, layout = facts.non_torch, load.gpu, load.layout
    ranks = layout.tensor_parallel_size
    if gpu.platform == "rocm":
        return {"measured": _nearest(k.rocm, ranks)}
    if gpu.platform == "xpu":
        return {"measured": _nearest(k.xpu, ranks)}
    if gpu.unified_memory:
        return {"measured": k.unified}
    if ranks > 1:
        parts = {"measured": _nearest(k.plain, ranks)}
        if gpu.nvlink_bytes_per_s is not None and (gpu.at_least((9, 0)) or ranks >= _MANY_RANKS):
            linked, buffers = k.linked, k.linked_per_hidden * ranks * arch.hidden
            if (load.enforce_eager or not gpu.at_least((9, 0))) and k.linked_eager is not None:
                linked, buffers = k.linked_eager, 0
            elif k.linked_uncompiled is not None and compressed(arch) and without_compiler(load, facts.release):
                # The fused all-reduce is a pass of the compiler (compilation/passes/pass_manager.py).
                linked, buffers = k.linked_uncompiled, 0
            elif gpu.at_least((10, 0)) and k.linked_blackwell is not None:
                linked, buffers = k.linked_blackwell, 0
            parts = {"measured": _nearest(linked, ranks)}
            if buffers:
                parts["all_reduce_buffers"] = Band(low=0.5 * buffers, typical=buffers, high=2 * buffers)
        sums = _exchanged_sums(arch, load)
        parts |= {"exchange_of_sums": Band.exactly(sums)} if sums else {}
        return parts | ({"odd_vocabulary": k.odd_vocab.times(0.25)} if _odd(arch) else {})
    if layout.pipeline_parallel_size > 1 and facts.sampler != "sort":
        # 0.19 with 2 and 4 stages prints 0.07 GiB: NCCL is there before the budget is measured.
        return {"measured": Band(low=0.05 * GIB, typical=0.07 * GIB, high=0.6 * GIB)}
    found = k.single
    if gpu.at_least((9, 0)):
        found = k.single_blackwell if gpu.datacentre_blackwell else k.single_hopper
    if gpu.at_least((12, 0)):
        found = Band(low=k.single.low, typical=k.single.typical, high=max(k.single.high, k.single_blackwell.high))
    parts = {"measured": found}
    if layout.data_parallel_size > 1:
        # 0.12 with two data ranks: 0.61 GiB (n=1)
        parts["exchange_between_ranks"] = Band(low=0, typical=0.4 * GIB, high=1.0 * GIB)
    return parts | ({"odd_vocabulary": k.odd_vocab} if _odd(arch) else {})


def _exchanged_sums(arch: ModelArch, load: Load) -> int:
    """Inkling's own buffers of symmetric memory, through which ranks add up what short convolutions take.

    0.26 to 0.33 models/inkling/nvidia/ops/lamport.py: three generations each of what goes in and of what comes out.
    """
    kernels = {m.convolved.kernel for m in mixers(arch) if isinstance(m, Attention) and m.convolved is not None}
    if kernels != {4} or load.layout.tensor_parallel_size not in (2, 4, 8):
        return 0
    return 2 * 3 * min(16384, load.max_num_batched_tokens) * arch.hidden * 2


def _odd(arch: ModelArch) -> bool:
    """A vocabulary that Triton cannot specialize for: seen on Granite 3 (49,155 and 49,159; n=8)."""
    return arch.vocab % 16 != 0 and not arch.pooling


def _nearest(by_ranks: dict[int, Band], ranks: int) -> Band:
    return by_ranks[max((n for n in by_ranks if n <= ranks), default=min(by_ranks))]


def outside_budget_bytes(arch: ModelArch, quantization: Quantization, load: Load, facts: EngineFacts) -> int:
    """What a GPU needs beyond the budget: the CUDA context, and what sampling takes that no profile saw."""
    several = load.layout.tensor_parallel_size > 1 and load.gpu.at_least((9, 0))
    context = _OUTSIDE_LINKED_BYTES if several else _OUTSIDE_SINGLE_BYTES
    unprofiled = 0.0
    if not arch.pooling and uses_v2_runner(arch, quantization, load, facts):  # what pools has no sampler
        tables = 0 if facts.counts_all_consumed else sampler_tables(arch, quantization, load, facts)
        unprofiled = _UNPROFILED_BYTES * load.max_num_seqs * arch.vocab + tables
    return round(context + unprofiled)


def never_free_bytes(gpu: Gpu, facts: EngineFacts) -> int:
    """What no budget may take: vLLM refuses to start where less is free than its share. 0 where it does not look."""
    if not looks_what_is_free(gpu, facts):
        return 0
    return round(HELD_AT_START.low if shares_memory(gpu) else _TAKEN_SINGLE[0] * GIB)


def free_at_start(load: Load, facts: EngineFacts, total_bytes: int, share_bytes: int) -> bool | None:
    """Whether its share is free when the engine looks, as some versions demand; None: it depends."""
    if not looks_what_is_free(load.gpu, facts):
        return True
    several = load.layout.tensor_parallel_size > 1 and load.gpu.at_least((9, 0))
    most = (_TAKEN_LINKED if several else _TAKEN_SINGLE)[1] * GIB
    most = held_at_start_bytes(load.gpu, facts) or most
    left = total_bytes - share_bytes
    return True if left >= most else None if left >= never_free_bytes(load.gpu, facts) else False


def gpu_memory(
    arch: ModelArch,
    quantization: Quantization,
    load: Load,
    facts: EngineFacts,
    *,
    total_bytes: int,
    share_bytes: int,
    kv_cache_given: bool = False,
) -> GpuMemory:
    """All terms of one GPU. The KV cache is what is left of the budget, negative where nothing is.

    The budget is the engine's share, gpu_memory_utilization of the total. Where the KV cache is given its size there is
    no share: all that a process can have is the budget, and everything must lie within.
    """
    layout = load.layout
    weights = sum(rank_weights(arch, quantization, load, facts).values())
    drafting = 0 if load.draft is None else _draft_bytes(load.draft, load, facts)
    ranks = layout.tensor_parallel_size * layout.pipeline_parallel_size
    inside, budget_bytes = graphs_in_budget(arch, quantization, load, facts), share_bytes
    if kv_cache_given:
        inside, budget_bytes = True, total_bytes - outside_budget_bytes(arch, quantization, load, facts)
    graphs = cuda_graphs(arch, load, facts, profiled=inside and not kv_cache_given)
    below, above = _weights_error(arch, quantization, load, facts)
    terms = [
        MemoryTerm(
            name="weights",
            bytes=weights + drafting,
            low_bytes=round((weights + drafting) * (1 - below)),
            high_bytes=round((weights + drafting) * (1 + above)),
            formula=f"every tensor of one of {ranks} ranks, {quantization.method}, as PyTorch's allocator rounds it, "
            f"+ {rotary_rows(arch, facts.version):,} x {arch.rope_width} of rotary table"
            + (f" + {drafting:,} bytes of what drafts" if drafting else "")
            + ("" if load.adapters is None else " + {} slots for adapters of rank {}".format(*load.adapters)),
            source="vLLM's parameter shapes; printed weights of 0.19 agree to 1 %",
        ),
        _term(
            "activation",
            # V0 makes the states in its profile's first forward pass.
            activation(arch, quantization, load, facts).plus(Band.exactly(load.states_bytes)),
            f"max(forward of {load.max_num_batched_tokens:,} tokens, sampler of {load.max_num_seqs} x {arch.vocab:,}) "
            "+ what stays between them" + (f" + states of {load.max_num_seqs} requests" if load.states_bytes else ""),
            "counted in sources of vLLM and PyTorch (core/memory/activation.py); 54 printed peaks agree to 0.02 GiB",
        ),
        _term(
            "non_torch",
            non_torch(arch, load, facts, profiled=not kv_cache_given),
            ("1 GPU" if ranks == 1 else f"{ranks} GPUs: NCCL and all-reduce")
            + ("; and what others on the machine take" if shares_memory(load.gpu) else ""),
            facts.non_torch.xpu_source if load.gpu.platform == "xpu" else facts.non_torch.source,
        ),
        _term(
            "cuda_graphs",
            graphs,
            f"{arch.passed_layers} layers, {graph_count(arch, load, facts)} graphs"
            + ("" if inside else "; outside the budget, and not deducted from the KV cache"),
            facts.graphs[graphs_kind(load.gpu)].source,
            inside_budget=inside,
        ),
    ]
    counted = [t for t in terms if t.inside_budget]
    left = budget_bytes - sum(t.bytes for t in counted)
    compiling = left - more_while_compiling(arch, quantization, load, facts)
    terms.append(
        MemoryTerm(
            name="kv_cache",
            bytes=left,
            low_bytes=min(compiling, budget_bytes - sum(t.high_bytes for t in counted)),
            high_bytes=budget_bytes - sum(t.low_bytes for t in counted),
            formula="budget - everything above that is inside it",
            source="vLLM v1/worker/gpu_worker.py determine_available_memory",
        )
    )
    return GpuMemory(total_bytes=total_bytes, budget_bytes=budget_bytes, terms=tuple(terms))


def _weights_error(arch: ModelArch, quantization: Quantization, load: Load, facts: EngineFacts) -> tuple[float, float]:
    """(share below, share above) of the computed weights."""
    if not quantization.assumed:
        mxfp4 = any(method.name == "mxfp4" for method in quantization.methods)
        open_kernel = mxfp4 and load.gpu.at_least((9, 0)) and facts.release < _BRINGS_TRITON_KERNELS
        if mxfp4 and compressed(arch) and load.gpu.at_least((9, 0)) and not load.gpu.datacentre_blackwell:
            return 0, _COMPRESSED_SLACK_FRACTION
        return 0, _OTHER_MXFP4_KERNEL if open_kernel else WEIGHTS_SLACK_FRACTION
    states = any(isinstance(m, GatedDelta | StateSpace) for m in mixers(arch))
    if states and quantization.method != "fp8":
        return _ASSUMED_ERROR["with states"]
    return _ASSUMED_ERROR["8 bits" if quantization.bits == 8 else "fewer bits"]


def _draft_bytes(draft: Draft, load: Load, facts: EngineFacts) -> int:
    """What drafts is cut as the model is, and whole on the last pipeline stage."""
    ranks = Layout(tensor_parallel_size=load.layout.tensor_parallel_size, release=load.layout.release)
    return weights_bytes(
        draft.arch, draft.quantization, ranks, load.element_bytes, gpu=load.gpu, engine_version=facts.version
    )


def term(memory: GpuMemory, name: str) -> MemoryTerm:
    """The term of that name."""
    return next(t for t in memory.terms if t.name == name)


def _term(name: str, band: Band, formula: str, source: str, *, inside_budget: bool = True) -> MemoryTerm:
    return MemoryTerm(
        name=name,
        bytes=round(band.typical),
        low_bytes=round(band.low),
        high_bytes=round(band.high),
        formula=formula,
        source=source,
        inside_budget=inside_budget,
    )

"""What the capture of CUDA graphs takes on a GPU, and whether a version deducts it before the KV cache is sized.

The one thing to know: what any capture takes and what a layer takes is measured (the rows of `EngineFacts.graphs`), and
counted for as many layers and graphs as are captured. vLLM itself captures two of each kind, and multiplies what free
memory fell by at the second: 2 MiB of the driver's are 0.1 GiB of its estimate (0.19 to 0.28
v1/worker/gpu_model_runner.py profile_cudagraph_memory).
"""

from __future__ import annotations

from infercli.core.architecture.arch import Attention, CompressedAttention, LatentAttention, ModelArch, mixers
from infercli.core.engines.facts import NOTHING, Band, EngineFacts, Graphs, summed
from infercli.core.gpus import Gpu
from infercli.core.memory.batch import Load
from infercli.core.memory.compressed_attention import INDEXER_LOGITS_BYTES, compressed
from infercli.core.memory.sampler import uses_v2_runner
from infercli.core.memory.shared import beside_graphs
from infercli.core.quantization.checkpoint import Quantization
from infercli.core.units import GIB, MIB

_ESTIMATES_ON_ROCM = (0, 26)
"""From this version on CUDA graphs are estimated on ROCm too (vllm-project/vllm#48526; 0.25 v1/worker/gpu_worker.py
still leaves them out)."""

_WHOLE_SINCE = (0, 11)
"""From this version on a decoding step has graphs of its own, whole, beside those in pieces (0.11.0
config/__init__.py FULL_AND_PIECEWISE, v1/cudagraph_dispatcher.py; 0.10.2 has pieces alone)."""

_ADAPTERS_APART = (0, 11, 1)
"""From this version on a model with adapters has every graph twice, with and without them (0.11.1
v1/cudagraph_dispatcher.py cudagraph_specialize_lora; 0.21 _get_lora_cases, 0.27 v1/worker/gpu/lora_utils.py
get_lora_capture_cases)."""

_FLASHINFER_SINCE, _FLASHINFER_GROWS, _XQA_12X = (0, 20), (0, 26), (0, 28)
"""From the first on logs show FlashInfer's workspace in the estimate of graphs, read in the second it grows with a
step, and from the third on XQA decodes on capability 12.x (utils/flashinfer.py supports_trtllm_attention)."""
_FLASHINFER_BYTES = 394 * MIB
"""envs.py VLLM_FLASHINFER_WORKSPACE_BUFFER_SIZE. Of 0.22 on capability 10.x with one and two requests 0.40 and 0.41 GiB
of graphs were estimated where 0.03 and 0.06 were taken, of 0.20 on 12.x 0.36 to 0.45 (n=4), and 0.08 where a model
pools."""
_FLASHINFER_BYTES_PER_ELEMENT = 16
"""0.26 v1/attention/backends/flashinfer.py FLASHINFER_PREFILL_WORKSPACE_BYTES_PER_ELEM, of a step's queries. On an RTX
5090 with 24 heads of 256 the graphs took 0.52 GiB with 2,048 to 4,096 tokens a step, and 0.89 with 8,192: 0.37 more,
as counted (vllm-project/vllm#52872)."""

_INSTINCT_BYTES_PER_S = 1.2e12
"""Faster memory than this is HBM, which every Instinct has and no Radeon that vLLM runs on."""


def cuda_graphs(arch: ModelArch, load: Load, facts: EngineFacts, *, profiled: bool = True) -> Band:
    """What the capture takes, or (where it is deducted from the budget) vLLM's estimate of it.

    Per layer it falls with the graphs that are captured; the high end counts half of it as independent of their number.
    """
    return summed(graph_parts(arch, load, facts, profiled=profiled).values())


def captures_graphs(load: Load) -> bool:
    """On XPU there are none unless VLLM_XPU_ENABLE_XPU_GRAPH asks for them (0.29 platforms/xpu.py)."""
    return not load.enforce_eager and load.gpu.platform != "xpu"


def graph_sizes(load: Load, facts: EngineFacts) -> int:
    """Batch sizes that are captured, each in its graph."""
    return facts.graph_sizes(load.max_num_seqs, load.gpu, load.speculative_tokens)


def captures_of_a_size(load: Load, facts: EngineFacts) -> int:
    """Graphs of one size: with adapters, a second one.

    Their estimate is a product of how many there are: 0.54 GiB without and 1.12 with adapters of rank 64 (Qwen3-14B,
    0.21), 0.68 and 1.49 (a Qwen2.5 14B), of which the capture took 0.59 and 1.44, 0.66 and 1.61.
    """
    return 2 if load.adapters is not None and facts.number >= _ADAPTERS_APART else 1


def graph_parts(arch: ModelArch, load: Load, facts: EngineFacts, *, profiled: bool = True) -> dict[str, Band]:
    """What `cuda_graphs` adds up: what any capture takes, and what goes with layers and sizes. Empty without graphs.

    `profiled`: an estimate of them is deducted before the KV cache is sized (`graphs_in_budget`), unless that is given.
    """
    if not captures_graphs(load):
        return {}
    kind = graphs_kind(load.gpu)
    g = facts.graphs[kind]
    share = graphs_share(arch, load, facts)
    layers = -(-arch.passed_layers // load.layout.pipeline_parallel_size)
    layers += 0 if load.draft is None else load.draft.arch.layer_count
    per_layer = graphs_of_a_layer(arch, g)
    ranks = load.layout.tensor_parallel_size
    # Several ranks share what one has to itself: 0.15 GiB less with two H100, 0.24 with four (0.19, n=10).
    split = 0 if ranks == 1 or not g.base.typical else min(0.24, 0.15 * (ranks / 2) ** 0.7) * GIB
    captures = captures_of_a_size(load, facts)
    logits = _indexer_logits(arch, load, facts) if _counts_logits(arch, g) else 0
    indexed = {"indexer_logits": Band(low=0.9 * logits, typical=logits, high=logits)} if logits else {}
    parts = indexed | {
        "any_capture": Band(
            low=g.base.low - split,
            typical=max(0.0, g.base.typical - split * (kind == "hopper")),
            high=g.base.high * captures,
        ),
        "layers": Band(
            low=per_layer.low * layers * share,
            typical=per_layer.typical * layers * share,
            high=per_layer.high * layers * (captures + share) / 2,
        ),
    }
    workspace = _flashinfer_workspace(arch, load, facts)
    if workspace != NOTHING:
        parts["flashinfer_workspace"] = workspace
    moved = beside_graphs(load.gpu, facts, summed(parts.values()), profiled=profiled)
    return parts if moved == NOTHING else parts | {"free_pages": moved}


def _flashinfer_workspace(arch: ModelArch, load: Load, facts: EngineFacts) -> Band:
    """What FlashInfer's attention allocates when it first runs and never gives back, before the KV cache is sized.

    The profile run attends to nothing, so that is in the first graph of a whole decoding step. With the V2 runner
    graphs in pieces attend as well, to prompts where the largest size has more tokens than there are requests (0.29
    v1/worker/gpu/cudagraph_utils.py prepare_inputs_to_capture). FlashInfer's own kernels, and those of TensorRT-LLM and
    XQA, have a workspace each, of which the first grows with a step's queries (v1/attention/backends/flashinfer.py
    _get_workspace_buffer, _get_trtllm_workspace_buffer).
    """
    if not load.flashinfer or arch.pooling or facts.release < _FLASHINFER_SINCE:
        return NOTHING
    heads = max(m.heads * m.head_dim for m in mixers(arch) if isinstance(m, Attention))
    queries = load.max_num_batched_tokens * heads // load.layout.tensor_parallel_size
    most = max(_FLASHINFER_BYTES, queries * _FLASHINFER_BYTES_PER_ELEMENT)
    own = most if facts.release >= _FLASHINFER_GROWS else _FLASHINFER_BYTES
    v2 = facts.runner_v2 == "always" and not load.drafts_by_v1
    tokens = facts.graph_tokens(load.max_num_seqs, load.gpu, load.speculative_tokens)
    prompts = v2 and not load.gpu.datacentre_blackwell and tokens > load.max_num_seqs
    whole, others = decodes_whole(load, facts), _decodes_by_others(load.gpu, facts)
    taken = own * (prompts or (whole and not others)) + _FLASHINFER_BYTES * (whole and others)
    if not taken:
        return NOTHING
    return Band(low=min(taken, _FLASHINFER_BYTES), typical=taken, high=max(taken, most))


def _decodes_by_others(gpu: Gpu, facts: EngineFacts) -> bool:
    """Whether FlashInfer decodes by kernels of TensorRT-LLM (10.x) or XQA."""
    return gpu.datacentre_blackwell or (gpu.at_least((12, 0)) and facts.release >= _XQA_12X)


def decodes_whole(load: Load, facts: EngineFacts) -> bool:
    """Whether attention can be captured in a whole decoding step.

    FlashInfer's own kernels cannot with drafts (0.20 to 0.29 v1/attention/backends/flashinfer.py
    get_cudagraph_support).
    """
    return not (load.flashinfer and load.speculative_tokens) or _decodes_by_others(load.gpu, facts)


def _indexer_logits(arch: ModelArch, load: Load, facts: EngineFacts) -> int:
    """Bytes that the first capture takes for the logits by which an indexer picks; 0 without one.

    A graph in pieces runs attention as the profile does, with the buffer of that. A whole one has a row of
    max_model_len keys in fp32 for every token, in its pool, and in the run before it unless that buffer has room for it
    (0.20 to 0.26 v1/worker/gpu_model_runner.py profile_cudagraph_memory, layers/sparse_attn_indexer.py).
    """
    indexed = _indexed(arch)
    if not indexed:
        return 0
    tokens = facts.decoding_graph_tokens(load.max_num_seqs, load.gpu, load.speculative_tokens)
    shortest = min(m.compress_ratio if isinstance(m, CompressedAttention) else 1 for m in indexed)
    whole = 4 * tokens * -(-load.max_model_len // shortest)
    return max(INDEXER_LOGITS_BYTES, whole * (2 if whole > INDEXER_LOGITS_BYTES else 1))


def _indexed(arch: ModelArch) -> list[LatentAttention | CompressedAttention]:
    """Attention that picks its tokens."""
    return [m for m in mixers(arch) if isinstance(m, LatentAttention | CompressedAttention) and m.indexer is not None]


def _counts_logits(arch: ModelArch, graphs: Graphs) -> bool:
    """Whether the row's figure for a layer of this model is beside the indexer's logits."""
    return graphs.per_indexed_layer is not None and bool(_indexed(arch))


def graphs_of_a_layer(arch: ModelArch, graphs: Graphs) -> Band:
    """The row's figure for a layer of this model, with all capture sizes."""
    if not _counts_logits(arch, graphs):
        return graphs.per_layer
    return (graphs.per_compressed_layer if compressed(arch) else graphs.per_indexed_layer) or graphs.per_layer


def whole_graphs(arch: ModelArch, load: Load, facts: EngineFacts) -> int:
    """Graphs of a whole decoding step, one for each size that max_num_seqs requests can fill.

    There are none where a model pools (0.11.0 config/__init__.py).
    """
    if facts.release < _WHOLE_SINCE or arch.pooling or not decodes_whole(load, facts):
        return 0
    return facts.decoding_graph_sizes(load.max_num_seqs, load.gpu, load.speculative_tokens)


def graph_count(arch: ModelArch, load: Load, facts: EngineFacts) -> int:
    """Graphs in pieces, each size as one, and whole; with adapters twice as many."""
    if not captures_graphs(load):
        return 0
    return captures_of_a_size(load, facts) * (graph_sizes(load, facts) + whole_graphs(arch, load, facts))


def counts_whole(facts: EngineFacts) -> bool:
    """Whether a share is one of graphs in pieces and whole, and not of those in pieces alone."""
    return facts.release >= _WHOLE_SINCE


def graphs_share(arch: ModelArch, load: Load, facts: EngineFacts) -> float:
    """Captured graphs, as a share of all that the version may have: vLLM's estimate, too, is a sum over both kinds.

    Twice as large with adapters.
    """
    return graph_count(arch, load, facts) / (facts.all_graph_sizes * (2 if counts_whole(facts) else 1))


def graphs_kind(gpu: Gpu) -> str:
    """The row of `EngineFacts.graphs` that speaks of a GPU."""
    if gpu.platform == "rocm":
        return "cdna" if gpu.memory_bandwidth_bytes_per_s > _INSTINCT_BYTES_PER_S else "rocm"
    return "hopper" if gpu.at_least((9, 0)) else "cuda"


def graphs_in_budget(arch: ModelArch, quantization: Quantization, load: Load, facts: EngineFacts) -> bool:
    """Whether the CUDA graphs are deducted before the KV cache is sized (gpu_worker.py); on XPU there are none."""
    platform = load.gpu.platform
    if platform == "xpu" or (platform == "rocm" and facts.release < _ESTIMATES_ON_ROCM):
        return False
    if uses_v2_runner(arch, quantization, load, facts):
        return facts.graphs_in_budget_v2
    return facts.graphs_in_budget


def estimates_graphs(arch: ModelArch, quantization: Quantization, load: Load, facts: EngineFacts) -> bool:
    """Whether there are CUDA graphs, and an estimate of them is deducted."""
    return captures_graphs(load) and graphs_in_budget(arch, quantization, load, facts)

"""What the kernels of experts take in vLLM's profile run: their buffers, and which of them stay; how they pad NVFP4.

The one thing to know: one kernel takes its buffers from a workspace that is never given back, another in the forward
pass alone; which one runs follows from the quantization, the GPU and the version.
"""

from __future__ import annotations

from infercli.core.architecture.arch import Experts, Layout, ModelArch, RankTensor, expert_share, feed_forwards
from infercli.core.engines.facts import EngineFacts
from infercli.core.gpus import Gpu
from infercli.core.memory.batch import Batch
from infercli.core.memory.compressed_attention import compressed
from infercli.core.quantization.checkpoint import Quantization

TRT_LLM_PADS_PAIRS = (0, 26)
"""The first release that was read to pad two merged matrices of NVFP4 on capability 10.x; 0.25 does not."""
_MARLIN_PADS_EXPERTS, _TRT_LLM_PADS_HIDDEN = (0, 24), (0, 22)
"""The first that were read to do so: 0.23 does not (Marlin); 0.19 does not, and 0.20 and 0.21 were not looked at."""


def passing_bytes(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> float:
    """Bytes that experts take and give back, with the tokens of other ranks; 0 without experts."""
    alone = _by_marlin_alone(quantization, facts)
    sizes = [expert_bytes(f, arch, batch, facts, alone=alone) for f in feed_forwards(arch) if isinstance(f, Experts)]
    if not sizes:
        return 0
    others = batch.layout.data_parallel_size - 1
    gathered = batch.element_bytes * batch.max_num_batched_tokens * arch.hidden * others
    return max(sizes) * (not keeps_workspace(quantization, batch, facts)) + gathered


def workspace_bytes(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> int:
    """The largest workspace of any experts, were it kept; 0 without experts."""
    deep_gemm = _by_deep_gemm(arch, quantization, batch, facts)
    found = (f for f in feed_forwards(arch) if isinstance(f, Experts))
    return max((expert_bytes(f, arch, batch, facts, deep_gemm=deep_gemm) for f in found), default=0)


def may_keep_workspace(quantization: Quantization, facts: EngineFacts) -> bool:
    """Whether any kernel that could run these experts keeps its workspace."""
    return facts.keeps_expert_workspace and not _by_marlin_alone(quantization, facts)


def keeps_workspace(quantization: Quantization, batch: Batch, facts: EngineFacts) -> bool:
    """Whether the experts' kernel takes its buffers from the shared workspace, which stays.

    Triton does (16 bits, FP8 by blocks). FlashInfer's CUTLASS asks for one small buffer (FP8 by tensor, NVFP4; FP8 by
    blocks on Hopper with expert parallelism, since 0.17), its TRT-LLM for none (FP8 by blocks on capability 10), and
    Marlin, INT8 and MXFP4 take theirs in the forward pass and give them back (0.19 layers/fused_moe, oracle/). Marlin
    and DeepGEMM of DeepSeek-V4's MXFP4 keep theirs, and TRT-LLM is first on capability 10 (0.20 to 0.28 oracle/mxfp4.py
    _get_priority_backends, experts/trtllm_mxfp4_moe.py workspace_shapes).
    """
    by_flashinfer = batch.gpu.datacentre_blackwell or (batch.gpu.at_least((9, 0)) and batch.layout.expert_parallel)
    if quantization.by_module:  # DeepSeek-V4's experts are stored otherwise
        by_flashinfer = batch.gpu.datacentre_blackwell and any(
            method.name == "mxfp4" for method in quantization.methods
        )
    by_blocks = quantization.method == "fp8" and quantization.block is not None and not by_flashinfer
    return facts.keeps_expert_workspace and (quantization.method == "none" or by_blocks)


def _by_marlin_alone(quantization: Quantization, facts: EngineFacts) -> bool:
    """Whether experts run by a Marlin that makes its own two buffers (fused_marlin_moe.py intermediate_cache13, 2)."""
    return quantization.method in ("awq", "gptq", "w4a16", "w8a16") and facts.release < (0, 22)


def _by_deep_gemm(arch: ModelArch, quantization: Quantization, batch: Batch, facts: EngineFacts) -> bool:
    """Whether DeepSeek-V4's MXFP4 experts run by DeepGEMM (fused_moe/experts/deep_gemm_moe.py DeepGemmFP4Experts)."""
    mxfp4 = any(method.name == "mxfp4" for method in quantization.methods)
    return bool(compressed(arch)) and mxfp4 and batch.gpu.at_least((12, 0)) and facts.release >= (0, 24)


def _deep_gemm_rows(rows: int, groups: int) -> int:
    """Rows of all experts of a rank, each of whose share may end within a block.

    vLLM 0.24 and 0.29 fused_moe/deep_gemm_utils.py compute_aligned_M_and_alignment, with the block of DeepGEMM on
    capability 12.x (csrc/jit_kernels/heuristics/runtime.hpp get_theoretical_mk_alignment_for_contiguous_layout).
    """
    block = 64 if rows <= 64 * groups else 128
    return -(-(rows + min(rows, groups) * (block - 1)) // block) * block


def _expert_chunk(facts: EngineFacts) -> int | None:
    """Tokens that pass the experts at once; None: all. Before 0.8 it was not looked at.

    envs.py VLLM_FUSED_MOE_CHUNK_SIZE of 0.8.5 to 0.17; 0.18 has it no longer.
    """
    if not (0, 8) <= facts.release < (0, 18):
        return None
    return 16384 if facts.release >= (0, 12) else 32768


def expert_bytes(
    experts: Experts, arch: ModelArch, batch: Batch, facts: EngineFacts,
    *, alone: bool = False, deep_gemm: bool = False,
) -> int:  # fmt: skip
    """The two buffers of the expert kernels (fused_moe.py workspace_shapes), and the output of several chunks.

    Per token and expert of it max(N / 2, hidden) + max(N, hidden) elements, N = 2 x width of an expert on this rank.
    `alone`: Marlin's first is N / 2, and it takes all tokens at once. `deep_gemm`: experts begin at a block each.

    Unless another exchange is asked for they see the tokens of all data-parallel ranks at once: a broadcast of each
    (0.8.0 to 0.10.1 naive_multicast), or a gathering (to 0.29; all2all.py, prepare_finalize/naive_dp_ep.py).
    """
    count, width = expert_share(experts, batch.layout)
    up, hidden = (2 if experts.gated else 1) * width, experts.latent or arch.hidden
    columns = (width if alone else max(width, hidden)) + max(up, hidden)
    tokens = batch.max_num_batched_tokens * batch.layout.data_parallel_size
    chunk = None if alone else _expert_chunk(facts)
    if chunk is None or tokens <= chunk:
        rows = tokens * experts.experts_per_token
        return batch.element_bytes * (_deep_gemm_rows(rows, count) if deep_gemm else rows) * columns
    # modular_kernel.py _allocate_buffers: beside those of one chunk the output of all tokens
    return batch.element_bytes * (chunk * experts.experts_per_token * columns + tokens * hidden)


def as_nvfp4_kernel_holds(
    tensor: RankTensor, experts: Experts, hidden: int, layout: Layout, gpu: Gpu, version: tuple[int, int],
    *, marlin: bool,
) -> RankTensor:  # fmt: skip
    """`tensor` of routed experts, as wide as the kernel of NVFP4 wants it. `hidden`: the width that experts work in.

    Its scales lie in tiles of 128 rows, so that one matrix alone is padded to them (two that are one need no padding,
    or vLLM refuses); TRT-LLM on capability 10.x pads the hidden width as well, and Marlin has tiles of its own.
    vLLM 0.13 to 0.30 quantization/utils/flashinfer_fp4_moe.py (0.13: modelopt.py), flashinfer_utils.py align_...,
    marlin_utils_fp4.py prepare_nvfp4_moe_layer_for_marlin.
    """
    count, width = expert_share(experts, layout)
    step, hidden_step = 1 if experts.gated else 128, 1
    if marlin:
        step = 1 if version < _MARLIN_PADS_EXPERTS else 64 if hidden % 128 == 0 else 128
    elif gpu.datacentre_blackwell:
        step = 64 if experts.gated and version >= TRT_LLM_PADS_PAIRS else step
        hidden_step = 256 if version >= _TRT_LLM_PADS_HIDDEN else 1
    width, hidden = -(-width // step) * step, -(-hidden // hidden_step) * hidden_step
    if tensor.name == "expert down":
        return tensor._replace(outputs=count * hidden, inputs=width)
    return tensor._replace(outputs=count * (2 if experts.gated else 1) * width, inputs=hidden)

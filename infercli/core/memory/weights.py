"""Bytes of weights: of one rank as vLLM prints them after loading, and of a checkpoint's files.

The one thing to know: nothing here is fitted. Every tensor has vLLM's shape, the bits, scales and padding of the scheme
that the checkpoint names for that module in that layer, and the size that PyTorch's allocator counts for it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from math import lcm
from typing import Literal, NamedTuple

from infercli.core.architecture.arch import (
    Experts,
    Layout,
    ModelArch,
    RankTensor,
    draft_tensors,
    expert_share,
    stage_tensors,
    table_elements,
)
from infercli.core.architecture.tensors import OUTPUT_GROUPS, layer_tensors
from infercli.core.engine_version import number_of, release_of
from infercli.core.gpus import Gpu
from infercli.core.memory.compressed_attention import batch_buffers
from infercli.core.memory.experts import as_nvfp4_kernel_holds
from infercli.core.memory.lora import Adapters, slot_tensors
from infercli.core.quantization.methods import METHODS
from infercli.core.quantization.schemes import UNQUANTIZED, Quantization, Scheme, schemes_of
from infercli.core.units import MIB, gib

_GGUF_HEAD = Scheme(method="gguf", bits=6.5625)
"""Q4_K_M stores the output matrix as Q6_K: 210 B per 256 weights (llama.cpp src/llama-quant.cpp)."""
_GGUF_EMBEDDING = Scheme(method="gguf", bits=4.5)
"""And the embedding as Q4_K: 144 B per 256 weights."""

_NESTED = 256
"""Scales of bitsandbytes that share a scale of their own (bitsandbytes functional.py quantize_4bit: nested blocks)."""
_ROCM_PADDING_BYTES = 256
_EXPANDS_SCALES = (0, 9, 1)
"""From here on vLLM makes them fp32 while it loads (model_loader/bitsandbytes_loader.py dequantize_dq): 0.9.2 does,
0.9.0 does not, and a build on the way to 0.9.1 did (vllm-project/vllm#19964)."""

_HEADERS_AGREE_WITHIN = 0.005
"""Fraction. Tensors that no formula has (buffers, odd scales) stay below."""
_FILES_AGREE_WITHIN = 0.03
"""Fraction. Headers, buffers and odd scales stay below; what a config forgets to exclude is whole layers, and more."""


class Evidence(NamedTuple):
    """What a checkpoint holds, said by itself rather than computed from config.json."""

    total_bytes: int
    """Of all tensors; a second copy of the same weights is not counted."""
    source: Literal["safetensors headers", "file sizes"]


def allocated_bytes(size_bytes: int) -> int:
    """What PyTorch's CUDA caching allocator counts for one tensor that stays (c10/cuda/CUDACachingAllocator.cpp).

    From 10 MiB on, memory is taken in steps of 2 MiB, and a remainder of up to 1 MiB is not split off.
    """
    rounded = -(-size_bytes // 512) * 512
    if rounded < 10 * MIB:
        return rounded
    segment = -(-rounded // (2 * MIB)) * 2 * MIB
    return segment if segment - rounded <= MIB else rounded


def stored_bytes(
    outputs: int,
    inputs: int,
    scheme: Scheme | None,
    element_bytes: int,
    *,
    weight_only: bool = False,
    nested_scales: bool = False,
) -> int:
    """Bytes of one matrix: packed weights, scales and zero points. `scheme` None: the model's dtype.

    `weight_only`: the GPU runs an 8-bit method through Marlin, which spreads block scales over every output.
    `nested_scales`: bitsandbytes keeps its scales in a byte each, with one fp32 scale for 256 of them.
    """
    elements = outputs * inputs
    if scheme is None or scheme.bits is None:
        return allocated_bytes(elements * element_bytes)
    total = allocated_bytes(int(elements * scheme.bits // 8))
    if scheme.block is not None:
        block_out, block_in = scheme.block
        rows = outputs if weight_only else -(-outputs // block_out)
        return total + allocated_bytes(rows * -(-inputs // block_in) * (element_bytes if weight_only else 4))
    if scheme.group_size is None:
        return total if scheme.method == "gguf" else total + allocated_bytes(outputs * 4)
    groups = outputs * -(-inputs // scheme.group_size)
    if nested_scales and scheme.method == "bitsandbytes":
        return total + allocated_bytes(groups) + allocated_bytes(-(-groups // _NESTED) * 4)
    total += allocated_bytes(groups * (METHODS[scheme.method].scale_bytes or element_bytes))
    return total + (allocated_bytes(int(groups * scheme.bits // 8)) if scheme.zero_points else 0)


def _weight_only(scheme: Scheme | None, gpu: Gpu | None) -> bool:
    native_from = None if scheme is None else METHODS[scheme.method].native_from
    return native_from is not None and gpu is not None and gpu.platform == "cuda" and not gpu.at_least(native_from)


def _schemes(tensor: RankTensor, quantization: Quantization) -> list[tuple[Scheme | None, int]]:
    """[(scheme, copies), ...]; None: the model's dtype."""
    head = tensor.role == "lm_head"
    if quantization.method == "gguf" and tensor.role in ("lm_head", "embedding"):
        return [(_GGUF_HEAD if head else _GGUF_EMBEDDING, tensor.copies)]
    if tensor.fp8 and quantization.method == "fp8":
        whole = (tensor.outputs, tensor.inputs)
        found = schemes_of(quantization, tensor.modules, tensor.indices)
        return [(scheme and replace(scheme, block=whole), layers) for scheme, layers in found]
    if not (tensor.linear or head) or tensor.role == "encoder":
        return [(None, tensor.copies)]
    each = tensor.copies // (len(tensor.indices) or 1)
    found = schemes_of(quantization, tensor.modules, tensor.indices, head=head)
    return [(scheme, each * layers) for scheme, layers in found]


def _copy_bytes(
    tensor: RankTensor,
    scheme: Scheme | None,
    element_bytes: int,
    gpu: Gpu | None,
    engine_version: str | None = None,
) -> int:
    if tensor.fp8:  # it is looked up, and no kernel multiplies by it
        return stored_bytes(tensor.outputs, tensor.inputs, scheme, element_bytes)
    weight_only = _weight_only(scheme, gpu)
    if _unpacked(tensor, scheme, gpu):
        scheme = None
    if scheme is not None and scheme.method == "gptq" and gpu is not None and gpu.capability == (9, 0):
        # Machete, which runs GPTQ there, leaves a symmetric checkpoint's zero points where they were loaded; Marlin
        # replaces them by nothing (0.29 kernels/linear/mixed_precision). 0.19 printed 5.38 GiB, and 5.34 are without.
        scheme = replace(scheme, zero_points=True)
    outputs, inputs = tensor.outputs, tensor.inputs
    element_bytes = 4 if tensor.float32 else element_bytes
    if scheme is not None and tensor.role != "experts" and _runs_on_marlin(scheme, weight_only, gpu):
        outputs, inputs = _marlin_shape(outputs, inputs, scheme.group_size or 1)
    nested = engine_version is not None and number_of(engine_version) < _EXPANDS_SCALES
    size = stored_bytes(outputs, inputs, scheme, element_bytes, weight_only=weight_only, nested_scales=nested)
    if gpu is not None and gpu.platform == "rocm" and tensor.linear:
        size += tensor.outputs * _rocm_row_padding_bytes(tensor, scheme, element_bytes)
    if scheme is not None and any(m.endswith("kv_b_proj") for m in tensor.modules):
        # vLLM multiplies by this matrix in 16 bits while it decodes, and keeps such a copy beside the quantized one
        # (0.29 model_executor/layers/attention/mla_attention.py process_weights_after_loading).
        size += allocated_bytes(tensor.outputs * tensor.inputs * element_bytes)
    return size


def _unpacked(tensor: RankTensor, scheme: Scheme | None, gpu: Gpu | None) -> bool:
    """Whether vLLM makes 16 bits of MXFP8 as it loads, for want of a kernel; the scales, which stay, are not counted.

    Of DeepSeek-V4.1's output groups, which only 10.x multiplies at once, and of all before MI350 (0.30 to 0.33
    kernels/linear/__init__.py init_mxfp8_linear_kernel, kernels/linear/mxfp8/emulation.py; 0.33 models/deepseek_v41/
    amd/rocm.py).
    """
    if scheme is None or scheme.method != "mxfp8" or gpu is None or tensor.role == "experts":
        return False
    if gpu.platform == "rocm":
        return "fp4" not in gpu.peak_flops
    return gpu.platform == "cuda" and tensor.name == OUTPUT_GROUPS and not gpu.datacentre_blackwell


def _rocm_row_padding_bytes(tensor: RankTensor, scheme: Scheme | None, element_bytes: int) -> int:
    """What lies between two rows on AMD, unless AITER's kernels are asked for: 16-bit experts, dense FP8 by blocks.

    vLLM 0.13 and 0.29 fused_moe/unquantized_fused_moe_method.py, quantization/utils/fp8_utils.py.
    """
    experts = scheme is None and tensor.role == "experts"
    blocks = scheme is not None and scheme.method == "fp8" and scheme.block is not None and tensor.role != "experts"
    row_bytes = tensor.inputs * (1 if blocks else element_bytes)
    return _ROCM_PADDING_BYTES if (experts or blocks) and row_bytes % (2 * _ROCM_PADDING_BYTES) == 0 else 0


def _runs_on_marlin(scheme: Scheme, weight_only: bool, gpu: Gpu | None) -> bool:
    """Whether its dense layers are repacked for Marlin, which pads; act-order demands aligned shapes instead."""
    if scheme.act_order or gpu is None or gpu.capability is None:
        return False
    integer = scheme.method in ("awq", "gptq", "w4a16", "w8a16") and gpu.capability != (9, 0)
    return integer or scheme.method == "nvfp4a16" or (weight_only and scheme.method in ("nvfp4", "mxfp8", "fp8"))


def _marlin_shape(outputs: int, inputs: int, group: int) -> tuple[int, int]:
    """The smaller of the two tilings that hold the matrix (quantization/utils/marlin_utils.py marlin_padded_nk)."""
    shapes = (
        (_up(outputs, 64), _up(inputs, lcm(128, group))),
        (_up(outputs, 128), _up(inputs, lcm(64, group))),
    )
    return min(shapes, key=lambda shape: (shape[0] * shape[1], sum(shape)))


def weights_bytes(
    arch: ModelArch,
    quantization: Quantization,
    layout: Layout,
    element_bytes: int,
    *,
    gpu: Gpu | None = None,
    engine_version: str | None = None,
    drafts: bool = False,
    batched_tokens: int = 0,
) -> int:
    """The sum of `weights_by_role`, which says what each of these is."""
    parts = weights_by_role(
        arch, quantization, layout, element_bytes,
        gpu=gpu, engine_version=engine_version, drafts=drafts, batched_tokens=batched_tokens,
    )  # fmt: skip
    return sum(parts.values())


ROTARY, DEEPSTACK, UNEXPLAINED, ADAPTERS = "rotary_table", "deepstack_buffers", "unexplained", "adapters"
"""Parts of the weights that are no role of a tensor: the table of rotary embeddings, what a batch gets from the encoder
(0.12 and 0.29 models/qwen3_vl.py deepstack_input_embeds), what files hold beyond, and the slots of LoRA adapters, which
are there before the loading is measured (0.29 v1/worker/gpu/model_runner.py load_model)."""
BATCH_BUFFERS = "batch_buffers"
"""And what models whose attention picks its tokens allocate for a whole batch with their layers."""
_LONGER_FOR_IMAGES, _LONGER_SINCE = 4, (0, 8)
"""M-RoPE's table, times (rotary_embedding/mrope.py cache_max_position_num): a log of 0.6.6 has it as long as any, those
of 0.12 and 0.25 four times as long; 0.7 was not looked at."""


def rotary_rows(arch: ModelArch, engine_version: str | None) -> int:
    """Rows of the table of rotary embeddings, in that vLLM (`0.29.0`); None: the newest."""
    longer = arch.rope_sections and (engine_version is None or release_of(engine_version) >= _LONGER_SINCE)
    return arch.rope_positions * (_LONGER_FOR_IMAGES if longer else 1)


def weights_by_role(
    arch: ModelArch,
    quantization: Quantization,
    layout: Layout,
    element_bytes: int,
    *,
    gpu: Gpu | None = None,
    engine_version: str | None = None,
    drafts: bool = False,
    batched_tokens: int = 0,
    adapters: Adapters | None = None,
) -> dict[str, int]:
    """Weights of the heaviest rank as vLLM prints them after loading, by role of the tensors.

    With ROTARY, the table of rotary embeddings, and the other parts that are no role where there is any.
    `element_bytes`: of one unquantized weight. `gpu` decides what its kernels need: which methods run weight-only, and
    how MXFP4 experts are padded. None: none does, and the padding is the smallest.
    `engine_version`: of vLLM (`0.29.0`); None: the newest. `drafts`: speculation by the model's own layers, which the
    last pipeline stage then loads. `batched_tokens`: max_num_batched_tokens, for which some models keep room.
    `adapters`: the slots of LoRA adapters, which vLLM allocates while it loads; None: it takes none.
    """
    rotary_bytes = 4 if arch.rope_float32 else element_bytes
    heaviest = dict(
        _heaviest_stage(arch, quantization, layout, element_bytes, gpu, engine_version, adapters, drafts=drafts)
    )
    computed = sum(heaviest.values()) - heaviest.get(ADAPTERS, 0)
    unexplained = round(computed * (1 + quantization.unexplained_fraction)) - computed
    heaviest[ROTARY] = allocated_bytes(rotary_rows(arch, engine_version) * arch.rope_width * rotary_bytes)
    deepstack = arch.deepstack_levels * allocated_bytes(batched_tokens * arch.hidden * element_bytes)
    batch = batch_buffers(arch, layout, element_bytes, batched_tokens, gpu, engine_version, drafts=drafts)
    buffers = ((DEEPSTACK, deepstack), (BATCH_BUFFERS, sum(map(allocated_bytes, batch))), (UNEXPLAINED, unexplained))
    return heaviest | {name: n for name, n in buffers if n}


@lru_cache(maxsize=256)  # it does not depend on a batch, of which a search looks at several
def _heaviest_stage(
    arch: ModelArch, quantization: Quantization, layout: Layout, element_bytes: int, gpu: Gpu | None,
    engine_version: str | None, adapters: Adapters | None, *, drafts: bool,
) -> Mapping[str, int]:  # fmt: skip
    """Bytes of the tensors of the pipeline stage that holds most, by role, and of its adapters' slots."""

    def stage_bytes(stage: int) -> dict[str, int]:
        found: dict[str, int] = {}
        tensors = [(t, quantization) for t in stage_tensors(arch, layout, stage)]
        if drafts and stage == layout.pipeline_parallel_size - 1:
            tensors += _draft_tensors(arch, quantization, layout)
        for tensor, stored in tensors:
            for scheme, copies in _schemes(tensor, stored):
                if scheme is not None and scheme.method == "mxfp4" and tensor.role == "experts":
                    size = copies * _mxfp4_bytes(tensor, arch, layout, gpu, engine_version)
                else:
                    held = _as_held(tensor, scheme, arch, layout, gpu, engine_version)
                    size = copies * _copy_bytes(held, scheme, element_bytes, gpu, engine_version)
                found[tensor.role] = found.get(tensor.role, 0) + size
        if adapters is not None:
            slots = slot_tensors(arch, layout, stage, adapters, element_bytes)
            found[ADAPTERS] = sum(copies * allocated_bytes(size) for copies, size in slots)
        return found

    return max((stage_bytes(s) for s in range(layout.pipeline_parallel_size)), key=lambda f: sum(f.values()))


def largest_unquantized_bytes(arch: ModelArch, layout: Layout, element_bytes: int) -> int:
    """The largest linear layer of a rank in the model's dtype; all experts of a layer are one."""
    largest = 0
    for group in arch.layers:
        tensors = [t for t in layer_tensors(group, arch.hidden, layout) if t.linear]
        sizes = [t.copies // (len(t.indices) or 1) * t.outputs * t.inputs * element_bytes for t in tensors]
        experts = sum(size for size, t in zip(sizes, tensors, strict=True) if t.role == "experts")
        largest = max([largest, experts, *sizes])
    return largest


def _draft_tensors(
    arch: ModelArch, quantization: Quantization, layout: Layout
) -> Iterator[tuple[RankTensor, Quantization]]:
    """Weights of the draft layers, which checkpoints name `layers.N` behind the last or `mtp.layers.N`."""
    left_out = quantization.skipped.covered("mtp.layers.0.mlp", ())
    plain = arch.architecture.startswith("InklingFor")  # 0.29 models/inkling/nvidia/mtp.py: in 16 bits
    for tensor in draft_tensors(arch, layout):
        yield tensor, UNQUANTIZED if left_out or plain else quantization


def _as_held(
    tensor: RankTensor,
    scheme: Scheme | None,
    arch: ModelArch,
    layout: Layout,
    gpu: Gpu | None,
    engine_version: str | None,
) -> RankTensor:
    """`tensor` with what the kernel of NVFP4 experts pads; every other as it is. `gpu` None: nothing is padded."""
    if scheme is None or scheme.method not in ("nvfp4", "nvfp4a16") or tensor.role != "experts":
        return tensor
    if gpu is None or gpu.platform != "cuda":
        return tensor
    experts = _experts_of(tensor, arch)
    marlin = scheme.method == "nvfp4a16" or _weight_only(scheme, gpu)
    version = (99, 0) if engine_version is None else release_of(engine_version)
    return as_nvfp4_kernel_holds(tensor, experts, experts.latent or arch.hidden, layout, gpu, version, marlin=marlin)


def _experts_of(tensor: RankTensor, arch: ModelArch) -> Experts:
    return next(
        g.feed_forward
        for g in (*arch.layers, *arch.draft_layers)
        if isinstance(g.feed_forward, Experts) and tensor.indices[0] in g.indices
    )


_AITER_128 = {"DeepseekV4": (0, 31), "KimiK3": (0, 27)}
"""First part of the names of classes whose MXFP4 experts are none of gpt-oss, and the first version in which AITER
takes their activations with 128s (0.28 and 0.31 oracle/mxfp4.py; 0.27 is taken to)."""


def _mxfp4_bytes(
    tensor: RankTensor, arch: ModelArch, layout: Layout, gpu: Gpu | None, engine_version: str | None
) -> int:
    """One layer's MXFP4 expert matrices, padded and with the scales as their kernel keeps them.

    vLLM 0.29 to 0.33 fused_moe/oracle/mxfp4.py mxfp4_round_up_hidden_size_and_intermediate_size, by the kernel that
    _get_priority_backends_for_gpt_oss chooses: TRT-LLM on 10.x, Triton on 9.x, Marlin elsewhere, AITER on ROCm. On XPU
    its own kernel takes the width in 64s. DeepSeek-V4 and Kimi-K3 have no Triton among their kernels
    (_get_priority_backends since 0.20), so that 9.x has Marlin too; their kernel on 12.x, DeepGEMM since 0.24, widens
    the scales only to pack four of them into 32 bits (DeepGEMM csrc/apis/layout.hpp): a byte each, as Marlin's.
    """
    experts = _experts_of(tensor, arch)
    count, width = expert_share(experts, layout)
    since = next((since for name, since in _AITER_128.items() if arch.architecture.startswith(name)), None)
    triton = since is None and (gpu is None or (gpu.capability is not None and gpu.capability[0] == 9))
    hidden, step = experts.latent or arch.hidden, 64
    if gpu is not None and not triton and gpu.platform == "rocm":
        narrow = since is not None and (engine_version is None or release_of(engine_version) >= since)
        step = 128 if narrow else 256
        hidden = _up(hidden, step)
    elif gpu is not None and not triton and gpu.platform != "xpu":
        hidden, step = _up(hidden, 256), 128
    rows, columns = hidden, _up(width, step)
    if tensor.name != "expert down":
        rows, columns = columns * (2 if experts.gated else 1), hidden
    total = allocated_bytes(count * rows * columns // 2)
    scales = count * columns // 32
    if not triton:
        return total + allocated_bytes(rows * scales)
    # triton_kernels HopperMXScaleLayout pads rows to 256. Until 0.24 the scales stayed as they were loaded as well
    # (vllm-project/vllm#46549): 0.11 and 0.14 on H100 print 13.47 GiB for gpt-oss-20b and 64.38 for 120b.
    total += allocated_bytes(_up(rows, 256) * scales)
    kept = engine_version is not None and release_of(engine_version) < (0, 24)
    return total + (allocated_bytes(rows * scales) if kept else 0)


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


def file_bytes(arch: ModelArch, quantization: Quantization, element_bytes: int) -> int:
    """What the safetensors of such a checkpoint hold at most.

    A tied lm_head may be stored all the same, and draft layers are stored whether or not they are loaded.
    """
    tensors = stage_tensors(replace(arch, tied=False), Layout(), 0)
    drafts = list(_draft_tensors(arch, quantization, Layout()))
    return tensors_bytes([(t, quantization) for t in tensors] + drafts, element_bytes) + table_bytes(arch)


def loaded_file_bytes(arch: ModelArch, quantization: Quantization, element_bytes: int) -> int:
    """What they hold at least: without a second copy of a tied lm_head, and without draft layers."""
    tensors = [(t, quantization) for t in stage_tensors(arch, Layout(), 0)]
    return tensors_bytes(tensors, element_bytes) + table_bytes(arch)


TABLE_BLOCK = 32
"""Elements of a row of n-grams under one scale of a byte (0.33 models/deepseek_v41/common/engram.py)."""


def table_bytes(arch: ModelArch) -> int:
    """Of all tables of n-grams: a byte for each element, and its scales."""
    elements = table_elements(arch)
    return elements + elements // TABLE_BLOCK


def tensors_bytes(tensors: Iterable[tuple[RankTensor, Quantization]], element_bytes: int) -> int:
    """Of tensors as a checkpoint stores them."""
    total = 0
    for tensor, quantization in tensors:
        for scheme, copies in _schemes(tensor, quantization):
            total += copies * stored_bytes(tensor.outputs, tensor.inputs, scheme, element_bytes)
    return total


_CONFIRMED_WITHIN = 0.01
"""Fraction. A wrong width, a missed matrix or a miscounted layer is further off; headers and buffers stay below, and so
does a missed bias or norm, which memory does not feel either."""


def files_confirm(arch: ModelArch, quantization: Quantization, evidence: Evidence, element_bytes: int) -> bool:
    """Whether the files hold what was counted, so that the shape is that of the checkpoint."""
    most, least = (count(arch, quantization, element_bytes) for count in (file_bytes, loaded_file_bytes))
    return least * (1 - _CONFIRMED_WITHIN) <= evidence.total_bytes <= most * (1 + _CONFIRMED_WITHIN)


def as_the_files_say(
    arch: ModelArch, quantization: Quantization, evidence: Evidence, element_bytes: int
) -> tuple[Quantization, str | None]:
    """`quantization` with what the files hold beyond it, and the note on that; None where they agree.

    Checkpoints leave layers out of the quantization, and some do not say so. The files cannot lie about their size.
    File sizes include headers and are believed only upwards; totals of the headers win both ways.
    """
    most = file_bytes(arch, quantization, element_bytes)
    least = loaded_file_bytes(arch, quantization, element_bytes)
    held = evidence.total_bytes
    exact = evidence.source == "safetensors headers"
    within = _HEADERS_AGREE_WITHIN if exact else _FILES_AGREE_WITHIN
    if held > most * (1 + within):
        error = held / most - 1
        note = f"{error:.0%} more than {quantization.method} explains: weights are planned that much larger"
    elif exact and held < least * (1 - within):
        error = held / least - 1
        note = f"{-error:.1%} less than the architecture explains: weights are planned that much smaller"
    else:
        return quantization, None
    return replace(quantization, unexplained_fraction=error), f"the files hold {gib(held)}, {note}"

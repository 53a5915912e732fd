"""Which ways of splitting a model vLLM accepts, and why not the others.

The one thing to know: rules of the model come first (what must divide), rules of the kernels after them, tensor by
tensor as the checkpoint stores it. File names are those of vLLM 0.29.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import gcd
from typing import NamedTuple

from infercli.core.architecture.arch import (
    Attention,
    CompressedAttention,
    Dense,
    Experts,
    FeedForward,
    GatedDelta,
    LatentAttention,
    Layout,
    Mixer,
    ModelArch,
    RankTensor,
    ShortConvolution,
    StateSpace,
    expert_share,
    feed_forwards,
    kv_heads_per_rank,
    mixers,
    stage_layers,
)
from infercli.core.architecture.tensors import layer_tensors, shared_share
from infercli.core.engine_version import release_of
from infercli.core.gpus import Gpu
from infercli.core.memory.experts import TRT_LLM_PADS_PAIRS
from infercli.core.quantization.methods import METHODS
from infercli.core.quantization.schemes import Quantization, Scheme, schemes_of

_MARLIN_GROUPS = (None, 32, 64, 128)
_MARLIN_OUTPUTS, _MARLIN_INPUTS = 64, 128
"""Tiles of Marlin (quantization/utils/marlin_utils.py). vLLM 0.29 pads to them, except with act-order."""
_MARLIN_ALONE_BEFORE = (0, 6)
"""Until 0.5.5 compressed-tensors' integers have no other kernel (0.5.3 and 0.6.0 compressed_tensors_wNa16.py
create_weights), which does not pad. 0.6.6 has Exllama beside it, in float16 alone; nothing between is refused here."""
_INTEGER_GROUPS = ("awq", "gptq", "w4a16", "w8a16", "w4a8")
_SMALLEST_GROUP = 32
"""Down to it vLLM cuts the groups of AWQ and GPTQ experts (quantization/moe_wna16.py create_weights)."""
_SMALLEST_BLOCK = 32
"""Down to it vLLM cuts the FP8 blocks of experts (fused_moe/oracle/fp8.py refine_fp8_moe_block_shape)."""

_NVFP4_ROWS = 128
"""Rows of a tile of NVFP4's scales (quantization/utils/nvfp4_utils.py swizzle_blockscale)."""
_TILED_SINCE = (0, 14)
"""The first release that was read to refuse two merged matrices that fill no tiles."""
_GELU_BY_MARLIN = (0, 20), (0, 23)
"""From the one up to the other Gemma 4's experts found no other kernel of NVFP4 than Marlin, as far as they were read
(0.22 fused_moe/experts/cutlass_moe.py _supports_activation)."""

_RAGGED_KEYS = ("MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM", "MiMoV2OmniForCausalLM")
"""Classes whose FP8 files run where each rank has one KV head, although its keys are no whole blocks: vLLM lets merged
outputs pass (0.29 layers/linear.py _maybe_allow_fp8_block_shape_mismatch), and the files hold the scales rank by rank
(models/mimo_v2.py _shard_fp8_qkv_proj; vllm-project/vllm#30836 ran MiMo-V2-Flash on four, its KV heads)."""


_ONE_STAGE = (
    "AliceAIFor", "AriaFor", "BertFor", "BertModel", "BertSplade", "BgeM3", "CLIPModel", "CohereAsr", "ColBERT",
    "ColModernVBert", "DomynEdgeFor", "DoryFor", "EmbeddingGemma2", "ErnieFor", "ErnieModel", "FireRedASR2", "FunASR",
    "GPT2ForSequence", "Gemma3TextModel", "Gemma3nFor", "Glm5NextFor", "GteModel", "GteNew", "HF_ColBERT", "HrmTextFor",
    "IQuestLoopCoderFor", "Idefics3For", "JinaForRanking", "LlamaBidirectionalModel", "Mamba2For", "MiniMaxForCausalLM",
    "MiniMaxM1For", "MiniMaxText01For", "MllamaFor", "ModernBert", "NomicBert", "OpenAIPrivacyFilter", "OuroFor",
    "PaddleOCRVLFor", "Phi4MMFor", "RobertaFor", "RobertaModel", "SiglipModel", "SmolVLMFor", "VoxtralRealtime",
    "VoyageQwen3", "WhisperFor", "XLMRoberta", "Zamba2For",
)  # fmt: skip
"""First part of the names of classes that lack SupportsPP in all versions from 0.8 to 0.33 that have them
(model_executor/models/; config/model.py verify_with_parallel_config refuses)."""

_ONE_RANK = ("DoryFor",)
"""First part of the names of classes that say so themselves (0.33 models/dory.py)."""
_KV_HEADS_ONCE = ("InklingFor", "PanguProMoEV2For", "Phi3SmallFor")
"""First part of the names of classes whose KV heads lie on one rank each (0.29 models/inkling/nvidia/sconv_swa_attn.py,
models/openpangu.py OpenPanguSinkAttention, 0.9 models/phi3_small.py)."""


class _Parts(NamedTuple):
    """A tensor as FP8 blocks see it: the outputs of each matrix that is merged, per rank."""

    name: str
    outputs: tuple[int, ...]
    inputs: int
    split: str
    """outputs, inputs, or nothing."""


def problems(arch: ModelArch, quantization: Quantization, tensor_parallel_size: int) -> tuple[str, ...]:
    """Every rule that this split breaks, as a reader would say it; empty where vLLM accepts it."""
    return layout_problems(arch, quantization, Layout(tensor_parallel_size=tensor_parallel_size))


@lru_cache(maxsize=256)
def layout_problems(
    arch: ModelArch,
    quantization: Quantization,
    layout: Layout,
    engine_version: str | None = None,
    gpu: Gpu | None = None,
) -> tuple[str, ...]:
    """As `problems`, for any layout. `engine_version`: of vLLM (`0.29.0`); None: the newest. `gpu` None: any."""
    found = list(_model_problems(arch, layout))
    if not found:
        found += _kernel_problems(arch, quantization, layout, engine_version, gpu)
    return tuple(dict.fromkeys(found))


def context_parallel_problems(arch: ModelArch, tensor_parallel_size: int, ranks: int) -> Iterator[str]:
    """Every rule that decode context parallelism over so many ranks breaks (vLLM 0.29 config/parallel.py, model.py)."""
    if tensor_parallel_size % ranks:
        yield f"{ranks} does not divide tensor_parallel_size ({tensor_parallel_size}), whose ranks it shares out"
    for mixer in mixers(arch):
        if ranks == 1 or not isinstance(mixer, Attention) or not mixer.cached:
            continue
        most = tensor_parallel_size // mixer.kv_heads
        if ranks > most:
            yield (
                f"each KV head must lie on {ranks} ranks at least, and {mixer.kv_heads} KV heads on "
                f"{tensor_parallel_size} ranks lie on {max(1, most)}"
            )
        elif (mixer.heads // mixer.kv_heads) % ranks:
            yield f"{mixer.heads // mixer.kv_heads} query heads per KV head are not divisible by {ranks}"


def stage_problems(arch: ModelArch, stages: int) -> Iterator[str]:
    """Every rule that so many pipeline stages break, whatever the tensor-parallel size."""
    if stages > arch.layer_count:
        yield f"{arch.layer_count} layers do not fill {stages} pipeline stages"
    yield from _shared_keys_problems(arch, stages)
    if stages > 1 and arch.architecture.startswith(_ONE_STAGE):
        yield f"vLLM has no pipeline parallelism for {arch.architecture}"
    if stages > 1 and any(isinstance(group.beside, ShortConvolution) for group in arch.layers):
        # 0.29 models/config.py Qwen4ExpForConditionalGenerationConfig: only the first stage is told the tokens
        yield f"vLLM has no pipeline parallelism for the n-gram table of {arch.architecture}"


def _shared_keys_problems(arch: ModelArch, stages: int) -> Iterator[str]:
    """Layers that read an earlier one's compressed keys outside its stage (models/deepseek_v41/attention.py)."""
    reading = {i: m for g in arch.layers if isinstance(m := g.mixer, CompressedAttention) for i in g.indices}
    owners = [i for i, m in sorted(reading.items()) if m.owns_keys]
    for stage in range(1, stages) if owners else ():
        here = stage_layers(arch, Layout(pipeline_parallel_size=stages), stage)
        first = next((i for i in here if reading[i].compress_ratio), None)
        if first is not None and not reading[first].owns_keys:
            behind = ", ".join(map(str, owners))
            yield f"a pipeline stage of {stages} would begin within layers that share keys: it may at {behind}"
            return


def dealing_problems(arch: ModelArch, *, expert_parallel: bool) -> Iterator[str]:
    """Why experts cannot be dealt out, whatever the tensor-parallel size (vLLM 0.29 config/model.py)."""
    if expert_parallel and not any(isinstance(f, Experts) for f in feed_forwards(arch)):
        yield "expert parallelism needs experts, and this model has none"


# What the model itself must let be split.


def _model_problems(arch: ModelArch, layout: Layout) -> Iterator[str]:
    tp = layout.tensor_parallel_size
    if tp > 1 and arch.architecture.startswith(_ONE_RANK):
        yield f"vLLM has no tensor parallelism for {arch.architecture}"
    for mixer in mixers(arch):
        yield from _indivisible(_mixer_wholes(mixer), tp)
    for feed_forward in feed_forwards(arch):
        yield from _feed_forward_problems(feed_forward, layout)
    if not (arch.embedding_whole and arch.tied):
        yield from _indivisible([("padded vocabulary", arch.padded_vocab)], tp)  # layers/vocab_parallel_embedding.py
    for kv_heads in dict.fromkeys(m.kv_heads for m in mixers(arch) if isinstance(m, Attention)):
        if (kv_heads % tp) if kv_heads >= tp else (tp % kv_heads):  # models/llama.py LlamaAttention
            yield f"KV heads ({kv_heads}) and {tp} do not divide one another"
        elif kv_heads < tp and arch.architecture.startswith(_KV_HEADS_ONCE):
            yield f"vLLM does not repeat the {kv_heads} KV heads of {arch.architecture} on {tp} ranks"
    for mixer in mixers(arch):
        if isinstance(mixer, StateSpace) and mixer.version == 2 and mixer.groups > 1 and mixer.groups % tp:
            # layers/mamba/mamba_mixer2.py: only one group is repeated
            yield f"state-space groups ({mixer.groups}) are not divisible by {tp}, and only one group can be repeated"
    yield from _encoder_problems(arch, layout)
    yield from stage_problems(arch, layout.pipeline_parallel_size)
    yield from dealing_problems(arch, expert_parallel=layout.expert_parallel)


def _encoder_problems(arch: ModelArch, layout: Layout) -> Iterator[str]:
    """Heads and widths of encoders that are cut (distributed/utils.py divide); `plain` weights follow these."""
    for weight in arch.encoders:
        if weight.cut_since <= layout.release and weight.split != "replicated" and not weight.heads:
            width = weight.outputs if weight.split == "outputs" else weight.inputs
            wholes = [("encoder heads", weight.must_divide)]
            if weight.inputs > 1:
                wholes.append(("encoder width", width))
            yield from _indivisible(wholes, layout.tensor_parallel_size)


def _mixer_wholes(mixer: Mixer) -> list[tuple[str, int]]:
    """(what, how many), each of which every rank takes an equal share of."""
    if isinstance(mixer, StateSpace):
        # layers/mamba/mamba_utils.py: version 1 has no heads, and its inner width is split
        heads = [("state-space heads", mixer.heads)] if mixer.version == 2 else []
        return [*heads, ("state-space inner width", mixer.heads * mixer.head_dim)]
    if isinstance(mixer, GatedDelta):
        # layers/mamba/gdn/qwen_gdn_linear_attn.py, kimi_gdn_linear_attn.py
        parts = [("linear attention's norm groups", mixer.norm_groups)] if mixer.norm_groups is not None else []
        heads = [("linear-attention key heads", mixer.key_heads), ("linear-attention value heads", mixer.value_heads)]
        return heads + parts
    if isinstance(mixer, ShortConvolution):
        return [] if mixer.whole else [("convolution width", mixer.width)]  # layers/mamba/short_conv.py
    if isinstance(mixer, CompressedAttention):
        # models/deepseek_v4/attention.py
        return [("attention heads", mixer.heads), ("output groups", mixer.o_groups)]
    return [("attention heads", mixer.heads)]  # config/model.py verify_with_parallel_config


def _feed_forward_problems(feed_forward: FeedForward, layout: Layout) -> Iterator[str]:
    tp = layout.tensor_parallel_size
    if isinstance(feed_forward, Dense):
        yield from _indivisible([("feed-forward width", feed_forward.intermediate)], tp)  # layers/linear.py
        return
    if not layout.expert_parallel:  # fused_moe/config.py FusedMoEConfig: ranks that split data split experts as well
        yield from _indivisible([("expert width", feed_forward.intermediate)], tp * layout.data_parallel_size)
    if feed_forward.shared_block == 1:
        yield from _indivisible([("shared experts' width", feed_forward.shared_intermediate)], tp)


def _indivisible(wholes: list[tuple[str, int]], ranks: int) -> Iterator[str]:
    for what, value in wholes:
        if value % ranks:
            yield f"{what} ({value}) is not divisible by {ranks}"


# What the kernels of a quantization must find whole on each rank.


def _kernel_problems(
    arch: ModelArch, quantization: Quantization, layout: Layout, engine_version: str | None, gpu: Gpu | None
) -> Iterator[str]:
    whole, tp = layout._replace(pipeline_parallel_size=1), layout.tensor_parallel_size
    for group in arch.layers:
        stored = {
            t.name: [s for s, _ in schemes_of(quantization, t.modules, t.indices) if s is not None]
            for t in layer_tensors(group, arch.hidden, whole)
            if t.linear
        }
        for tensor in layer_tensors(group, arch.hidden, whole):
            for scheme in stored.get(tensor.name, ()):
                if scheme.group_size is not None or scheme.act_order:
                    yield from _group_problems(tensor, scheme)
                if _marlin_alone(scheme, tensor, engine_version):
                    yield from _tile_problems(tensor, "which Marlin's tiles need before vLLM 0.6")
        one_each = isinstance(group.mixer, Attention) and group.mixer.kv_heads == tp
        ragged = one_each and arch.architecture in _RAGGED_KEYS
        mixed = (p for m in (group.mixer, group.beside, *group.again) for p in _mixer_parts(m, arch.hidden, whole))
        for parts in (*mixed, *_dense_parts(group.feed_forward, arch, whole)):
            for scheme in stored.get(parts.name, ()):
                if scheme.block is not None and not (ragged and parts.name == "qkv"):
                    yield from _block_problems(parts, scheme.block, tp)
        if isinstance(group.feed_forward, Experts):
            for scheme in stored.get("expert down", ()):
                if scheme.block is not None:
                    yield from _expert_block_problems(
                        group.feed_forward, scheme.block, arch.hidden, whole, engine_version
                    )
                if scheme.method == "nvfp4" and gpu is not None and _tiles_pairs(arch, gpu, engine_version):
                    yield from _expert_tile_problems(group.feed_forward, whole)


def _group_problems(tensor: RankTensor, scheme: Scheme) -> Iterator[str]:
    """kernels/linear/mixed_precision/marlin.py: a group of weights must not lie across two ranks."""
    group = scheme.group_size
    if scheme.method == "mxfp4" and tensor.role == "experts":
        return  # padded (core/memory/weights.py)
    if scheme.method in _INTEGER_GROUPS and group not in _MARLIN_GROUPS:
        yield f"group size {group} has no kernel: 32, 64, 128 or one group per output do"
        return
    smallest = group
    if tensor.role == "experts" and scheme.method in ("awq", "gptq") and group is not None:
        smallest = min(group, _SMALLEST_GROUP)
    if smallest is not None and tensor.inputs % smallest:
        yield f"{tensor.name}: {tensor.inputs} inputs per GPU are not a multiple of the group size {smallest}"
    if scheme.act_order:
        yield from _tile_problems(tensor, "which act-order needs")


def _marlin_alone(scheme: Scheme, tensor: RankTensor, engine_version: str | None) -> bool:
    integers = scheme.method in ("w4a16", "w8a16") and tensor.role != "experts"
    return integers and engine_version is not None and release_of(engine_version) < _MARLIN_ALONE_BEFORE


def _tile_problems(tensor: RankTensor, why: str) -> Iterator[str]:
    if tensor.outputs % _MARLIN_OUTPUTS or tensor.inputs % _MARLIN_INPUTS:
        yield (
            f"{tensor.name}: {tensor.outputs} x {tensor.inputs} per GPU is not a multiple of {_MARLIN_OUTPUTS} x "
            f"{_MARLIN_INPUTS}, {why}"
        )


def _block_problems(parts: _Parts, block: tuple[int, int], tp: int) -> Iterator[str]:
    """quantization/utils/fp8_utils.py validate_fp8_block_shape: whole blocks per rank; the last part may be ragged."""
    block_out, block_in = block
    cut = tp > 1 and parts.split == "outputs"
    if cut or len(parts.outputs) > 1:
        for size in parts.outputs if cut else parts.outputs[:-1]:
            if size % block_out:
                yield f"{parts.name}: {size} outputs per GPU are not a multiple of the FP8 block {block_out}"
    if tp > 1 and parts.split == "inputs" and parts.inputs % block_in:
        yield f"{parts.name}: {parts.inputs} inputs per GPU are not a multiple of the FP8 block {block_in}"


def _expert_block_problems(
    experts: Experts, block: tuple[int, int], hidden: int, layout: Layout, engine_version: str | None
) -> Iterator[str]:
    """quantization/fp8.py Fp8MoEMethod: 0.29 cuts blocks finer where they then fit; before, it refused."""
    _, width = expert_share(experts, layout)
    if width % block[0] == 0 and width % block[1] == 0:
        return
    finer = gcd(*block, width, hidden)
    if finer >= _SMALLEST_BLOCK and (engine_version is None or release_of(engine_version) >= (0, 29)):
        return
    yield f"experts: a width of {width} per GPU is not a multiple of the FP8 block {block[0]}"


def _tiles_pairs(arch: ModelArch, gpu: Gpu, engine_version: str | None) -> bool:
    """Whether the kernel of NVFP4 that vLLM takes for merged experts leaves them as wide as they are.

    0.14 to 0.30 fused_moe/oracle/nvfp4.py, quantization/utils/flashinfer_fp4_moe.py: TRT-LLM on 10.x asserts whole
    tiles, CUTLASS (10.x, 11.0, 12.x) raises NotImplementedError; Marlin, on older GPUs, has other tiles.
    """
    version = (99, 0) if engine_version is None else release_of(engine_version)
    native_from = METHODS["nvfp4"].native_from
    if native_from is None or not gpu.at_least(native_from) or version < _TILED_SINCE:
        return False
    if arch.architecture.startswith("Gemma4") and _GELU_BY_MARLIN[0] <= version < _GELU_BY_MARLIN[1]:
        return False
    return not (gpu.datacentre_blackwell and version >= TRT_LLM_PADS_PAIRS)


def _expert_tile_problems(experts: Experts, layout: Layout) -> Iterator[str]:
    _, width = expert_share(experts, layout)
    if experts.gated and 2 * width % _NVFP4_ROWS:
        yield f"experts: twice a width of {width} per GPU is not a multiple of NVFP4's {_NVFP4_ROWS} rows"


def _mixer_parts(mixer: Mixer | None, hidden: int, layout: Layout) -> Iterator[_Parts]:
    tp = layout.tensor_parallel_size
    if _never_quantized(mixer):
        return
    if isinstance(mixer, Attention):
        q, kv = mixer.heads // tp * mixer.head_dim, kv_heads_per_rank(mixer, tp)
        queries = q * (2 if mixer.gate == "elements" else 1)
        yield _Parts("qkv", (queries, kv * mixer.head_dim, kv * mixer.v_head_dim), hidden, "outputs")
        yield _Parts("attention output", (hidden,), mixer.heads // tp * mixer.v_head_dim, "inputs")
    elif isinstance(mixer, LatentAttention):
        heads, key = mixer.heads // tp, mixer.nope_dim + mixer.rope_dim
        down = mixer.kv_lora_rank + mixer.rope_dim
        if mixer.q_lora_rank is None:
            yield _Parts("queries", (heads * key,), hidden, "outputs")
        else:
            yield _Parts("latent down", (mixer.q_lora_rank, down), hidden, "nothing")
            yield _Parts("query up", (heads * key,), mixer.q_lora_rank, "outputs")
        up = heads * (mixer.nope_dim + mixer.v_head_dim)
        yield _Parts("key-value up", (up,), mixer.kv_lora_rank, "outputs")
        yield _Parts("attention output", (hidden,), heads * mixer.v_head_dim, "inputs")
    elif isinstance(mixer, CompressedAttention):
        yield _Parts("query up", (mixer.heads // tp * mixer.head_dim,), mixer.q_lora_rank, "outputs")
        yield _Parts("attention output up", (hidden,), mixer.o_groups // tp * mixer.o_lora_rank, "inputs")
    elif isinstance(mixer, GatedDelta):
        keys, values = mixer.key_heads // tp * mixer.key_dim, mixer.value_heads // tp * mixer.value_dim
        merged = (keys, keys, values, values) if mixer.variant == "gdn" else (keys, keys, values)
        yield _Parts("linear attention input", merged, hidden, "outputs")
        yield _Parts("linear attention output", (hidden,), values, "inputs")
    elif isinstance(mixer, ShortConvolution) and mixer.projections is None:
        yield _Parts("convolution input", (mixer.width // tp,) * 3, hidden, "outputs")
        yield _Parts("convolution output", (hidden,), mixer.width // tp, "inputs")


def _never_quantized(mixer: Mixer | None) -> bool:
    """Whether vLLM builds all its projections without a quantization (GLM-5.3)."""
    if isinstance(mixer, LatentAttention):
        return not mixer.linear
    projections = mixer.projections if isinstance(mixer, GatedDelta) else None
    return projections is not None and not any(weight.linear for weight in projections)


def _dense_parts(feed_forward: FeedForward | None, arch: ModelArch, layout: Layout) -> Iterator[_Parts]:
    """The dense feed-forward, or the shared experts."""
    if feed_forward is None:
        return
    shared = isinstance(feed_forward, Experts)
    prefix = "shared " if shared else ""
    ranks = layout.tensor_parallel_size
    width = (
        shared_share(feed_forward, ranks) if isinstance(feed_forward, Experts) else feed_forward.intermediate // ranks
    )
    merged = (width, width) if feed_forward.gated else (width,)
    yield _Parts(f"{prefix}gate-up" if feed_forward.gated else f"{prefix}up", merged, arch.hidden, "outputs")
    yield _Parts(f"{prefix}down", (arch.hidden,), width, "inputs")

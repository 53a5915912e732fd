"""LoRA adapters: what vLLM keeps for the slots that they are loaded into.

The one thing to know: all slots are there from the start, as large as the largest rank that may come, so neither the
number of adapters nor their own ranks matter. Beside each layer's matrix an adapter has two small ones, A (rank x
inputs) and B (outputs x rank). Tensor parallelism cuts what faces the layer's cut side; the other is whole on every
rank. All is read in vLLM 0.29 (lora/layers/, lora/model_manager.py), and equality with its own classes is tested.
"""

from collections.abc import Iterator
from typing import NamedTuple

from infercli.core.architecture.arch import (
    Experts,
    Layout,
    ModelArch,
    RankTensor,
    expert_share,
    feed_forwards,
    stage_tensors,
)
from infercli.core.quantization.schemes import Quantization

MAX_LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes for max_lora_rank (config/lora.py MaxLoRARanks)."""

LARGEST_VOCAB = 258_048
"""Entries. With more vLLM does not start where adapters may change lm_head (layers/logits_processor.py)."""


class Adapters(NamedTuple):
    """How many adapters a batch may use, and the largest rank that one may have."""

    max_loras: int
    max_lora_rank: int


class Wrapped(NamedTuple):
    """What vLLM makes room for in a class, besides the linear layers of its decoder; encoders never get any."""

    embedding: bool = False
    """The class's `embedding_modules` name it, and `lm_head`."""
    lm_head: bool = False
    router: bool = True
    """False: its router is no layer of vLLM's own, which are the only ones that are looked at."""
    merged_experts: bool = False
    """An adapter's gate and up share one A (`is_3d_moe_weight`)."""


WRAPPED: dict[str, Wrapped] = {
    **dict.fromkeys(
        (
            "ArceeForCausalLM", "AXK1ForCausalLM", "ChatGLMForConditionalGeneration", "ChatGLMModel",
            "DeepseekForCausalLM", "DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM", "Ernie4_5_MoeForCausalLM",
            "Gemma2ForCausalLM", "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration", "Gemma4ForCausalLM",
            "Gemma4ForConditionalGeneration", "GemmaForCausalLM", "Glm4vForConditionalGeneration", "HYV3ForCausalLM",
            "InternLM2ForCausalLM", "MiMoForCausalLM", "MiniMaxM2ForCausalLM", "Ministral3ForCausalLM",
            "MistralForCausalLM", "MistralLarge3ForCausalLM", "OlmoeForCausalLM", "OPTForCausalLM",
            "PanguEmbeddedForCausalLM", "PanguUltraMoEForCausalLM", "PhiForCausalLM",
            "Qwen2_5_VLForConditionalGeneration", "Qwen2ForCausalLM", "Qwen2MoeForCausalLM",
            "Qwen2VLForConditionalGeneration", "Rnj1ForCausalLM", "SeedOssForCausalLM",
        ),
        Wrapped(),
    ),
    **dict.fromkeys(
        (
            "BailingMoeForCausalLM", "BailingMoeV2ForCausalLM", "Glm4MoeForCausalLM", "Glm4MoeLiteForCausalLM",
            "Glm4vMoeForConditionalGeneration", "SarvamMLAForCausalLM", "SarvamMoEForCausalLM",
        ),
        Wrapped(router=False),
    ),
    **dict.fromkeys(
        (
            "Cohere2ForCausalLM", "CohereForCausalLM", "FlexOlmoForCausalLM", "HunYuanDenseV1ForCausalLM",
            "Olmo2ForCausalLM", "Olmo3ForCausalLM", "OlmoForCausalLM", "SmolLM3ForCausalLM", "Starcoder2ForCausalLM",
            "VaultGemmaForCausalLM",
        ),
        Wrapped(embedding=True),
    ),
    **dict.fromkeys(
        (
            "ApertusForCausalLM", "CwmForCausalLM", "DeciLMForCausalLM", "Ernie4_5ForCausalLM", "Exaone4ForCausalLM",
            "ExaoneForCausalLM", "ExaoneMoeForCausalLM", "GraniteForCausalLM", "GraniteMoeForCausalLM",
            "GraniteSWAForCausalLM", "HyperCLOVAXForCausalLM", "InternLM3ForCausalLM", "IQuestCoderForCausalLM",
            "Jais2ForCausalLM", "Llama4ForCausalLM", "Llama4ForConditionalGeneration", "LlamaForCausalLM",
            "LLaMAForCausalLM", "MellumForCausalLM", "MiniCPMForCausalLM", "MixtralForCausalLM",
            "NemotronForCausalLM", "Phi3ForCausalLM", "PhiMoEForCausalLM", "Qwen3_5ForCausalLM",
            "Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForCausalLM", "Qwen3ForCausalLM", "Qwen3MoeForCausalLM",
            "Qwen3VLForConditionalGeneration", "SolarForCausalLM", "TeleChat3ForCausalLM", "TeleFLMForCausalLM",
        ),
        Wrapped(embedding=True, lm_head=True),
    ),
    "Param2MoEForCausalLM": Wrapped(embedding=True, lm_head=True, router=False),
    **dict.fromkeys(
        ("Qwen3_5MoeForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration"),
        Wrapped(embedding=True, lm_head=True, merged_experts=True),
    ),
}  # fmt: skip
"""Only classes of which all configs that are compared with vLLM's own agree to the element."""

_LAYERS_TOO = ("convolution", "per-layer projection", "router", "shared gate")
"""Tensors that no quantization touches, and that are linear layers of vLLM's all the same."""

_FLAG_BYTES, _TOKEN_BYTES = 4, 8
"""Of one slot in a layer's list of those in use (layers/fused_moe.py adapter_enabled); of one entry of the order in
which ranks gather a vocabulary (layers/logits_processor.py sharded_to_full_mapping)."""


def unknown_slots(arch: ModelArch, quantization: Quantization) -> str | None:
    """Why it cannot be said what adapters of this model take; None where it can."""
    if arch.architecture not in WRAPPED or arch.pooling:
        return f"what vLLM keeps for adapters of {arch.architecture} is not known here, or it takes none"
    if quantization.method != "none" and any(isinstance(f, Experts) for f in feed_forwards(arch)):
        # Kernels pad quantized experts, and the slots with them; only those in 16 bits could be compared.
        return f"what vLLM keeps for adapters of experts in {quantization.method} is not known here"
    return None


def slot_tensors(
    arch: ModelArch, layout: Layout, stage: int, adapters: Adapters, element_bytes: int
) -> Iterator[tuple[int, int]]:
    """(how many, bytes of each) of all that one rank of pipeline stage `stage` allocates for adapters.

    Raises KeyError for a class that `unknown_slots` does not know. Left out: indices of a batch (lora/punica_wrapper/),
    50 bytes for each of max_num_batched_tokens.
    """
    wrapped = WRAPPED[arch.architecture]
    each = adapters.max_loras * adapters.max_lora_rank * element_bytes
    last = layout.pipeline_parallel_size - 1
    for tensor in stage_tensors(arch, layout, stage):
        for width in _widths(tensor, arch, layout, wrapped):
            yield tensor.copies, width * each
        if tensor.name == "expert down":
            yield tensor.copies, (adapters.max_loras + 1) * _FLAG_BYTES
    if stage == last and wrapped.lm_head:
        yield 1, arch.hidden * each
        yield 1, arch.vocab * each
        if layout.tensor_parallel_size > 1:
            yield 1, arch.padded_vocab * _TOKEN_BYTES


def _widths(tensor: RankTensor, arch: ModelArch, layout: Layout, wrapped: Wrapped) -> tuple[int, ...]:
    """The sides of the As and Bs of one copy that are not the rank; () where it gets none."""
    if tensor.name == "embedding":
        return (arch.vocab, arch.hidden) if wrapped.embedding else ()  # whole on every rank, and not padded
    layer = tensor.linear or (tensor.name in _LAYERS_TOO and (tensor.name != "router" or wrapped.router))
    if not layer or tensor.role == "encoder":
        return ()
    outputs = tensor.parts or (tensor.outputs,)
    if tensor.role != "experts":
        return (tensor.inputs,) * len(outputs) + outputs
    if wrapped.merged_experts:
        outputs = (tensor.outputs,)
    # Each expert has an A of its own.
    return (_experts_here(tensor, arch, layout) * tensor.inputs,) * len(outputs) + outputs


def _experts_here(tensor: RankTensor, arch: ModelArch, layout: Layout) -> int:
    layers = (g.feed_forward for g in arch.layers if tensor.indices[0] in g.indices)
    return sum(expert_share(f, layout)[0] for f in layers if isinstance(f, Experts))

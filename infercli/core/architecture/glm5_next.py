"""GLM-5.3: delta attention as Kimi's, and latent attention without rotary values, whose indexer pools four keys to one.

The one thing to know: vLLM builds all of its attention without a quantization, whatever the checkpoint stores: what is
in FP8 there is BF16 in memory.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.compressed import hyper_connections
from infercli.core.architecture.encoder_parts import Block, blocks, heads, patches, plain, weight
from infercli.core.architecture.experts import Mixture, experts, has_experts, sparse_layers
from infercli.core.architecture.fields import DRAFTS, EXTEND, HEADS, HIDDEN, LAYERS, Layer, entries, integer, optional
from infercli.core.architecture.hybrid import by_name, model
from infercli.core.architecture.layers import Dense, GatedDelta, Indexer, LatentAttention, Mixer, Split, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported

_SILENT: Json = {
    "qk_rope_head_dim": 0, "index_topk": 2048, "index_head_dim": 128, "index_n_heads": 32, "index_kpool": 16,
    "linear_head_dim": 128, "linear_num_heads": 64, "linear_conv_kernel_dim": 4, "hc_mult": 4, "mhc": False,
}  # fmt: skip
"""What transformers 5.24 models/glm5_next/configuration_glm5_next.py takes where config.json says nothing; of `mhc`,
which vLLM reads, it has no default."""
_LINEAR: Json = {
    "head_dim": "linear_head_dim", "num_heads": "linear_num_heads", "short_conv_kernel_size": "linear_conv_kernel_dim",
}  # fmt: skip
"""Names of `linear_attn_config`, which go before those at the top (the same file)."""


def glm5_next(config: Json) -> ModelArch:
    """Glm5NextForCausalLM (vLLM 0.31 to 0.33 models/glm5next/)."""
    said = config.get("linear_attn_config") or {}
    own = _SILENT | config | {name: said[key] for key, name in _LINEAR.items() if said.get(key) is not None}
    count, hidden, streams = integer(own, LAYERS), integer(own, HIDDEN), integer(own, "hc_mult")
    if own["qk_rope_head_dim"]:
        raise Unsupported("config.json: qk_rope_head_dim: rotary values are not known here", EXTEND)
    if not own["mhc"]:
        raise Unsupported("config.json: mhc: a model without hyper-connections is not known here", EXTEND)
    latent = LatentAttention(
        heads=integer(own, HEADS), q_lora_rank=integer(own, "q_lora_rank"), kv_lora_rank=integer(own, "kv_lora_rank"),
        rope_dim=0, nope_dim=integer(own, "qk_nope_head_dim"), v_head_dim=integer(own, "v_head_dim"),
        indexer=_indexer(own, count), linear=False,
    )  # fmt: skip
    known: dict[str, Mixer] = dict.fromkeys(
        ("deepseek_sparse_attention", "indexed_attention", "full_attention"), latent
    )
    kinds = entries(own, "layer_types", count) or [
        "linear_attention" if index % 4 != 3 else "indexed_attention" for index in range(count)
    ]
    mixers = by_name(kinds, known | {"linear_attention": _delta(own, hidden)})
    sparse = sparse_layers(own, count) if has_experts(own) else frozenset()
    moe = experts(own, Mixture(router_bias=own.get("topk_method") == "noaux_tc")) if sparse else None
    dense = Dense(intermediate=integer(own, "intermediate_size"))
    connections = hyper_connections(streams, hidden)
    layers = [Layer(mixers[i], moe if i in sparse else dense, 2, connections) for i in range(count)]
    drafts = [Layer(latent, layers[-1].feed_forward)] * (optional(own, DRAFTS) or 0)
    return replace(model(own, hidden, layers, drafts=drafts), residual_streams=streams, tied=False)


def _indexer(config: Json, count: int) -> Indexer:
    """Of every layer of latent attention: vLLM does not read `indexer_types`."""
    kinds = set(map(str, entries(config, "indexer_types", count) or ()))
    if kinds - {"full"}:
        raise Unsupported("config.json: indexer_types: layers that share a choice are not known here", EXTEND)
    pool = integer(config, "index_kpool")
    if pool == 1:
        raise Unsupported("config.json: index_kpool: vLLM refuses keys that are not pooled", EXTEND)
    return Indexer(
        heads=integer(config, "index_n_heads"), head_dim=integer(config, "index_head_dim"),
        top_k=integer(config, "index_topk"), query_inputs=integer(config, "q_lora_rank"), pool=pool,
    )  # fmt: skip


def _delta(config: Json, hidden: int) -> GatedDelta:
    """Kimi's, with convolutions and numbers in fp32; the vectors of its gates are whole on every rank."""
    count, width = integer(config, "linear_num_heads"), integer(config, "linear_head_dim")
    kernel, inner = integer(config, "linear_conv_kernel_dim"), count * width
    convolution = _projection("conv1d", 3 * inner, kernel)._replace(name="convolution", float32=True)
    numbers = convolution._replace(name="linear attention numbers", module="self_attn.A_log", inputs=1)
    norm = Weight(name="linear attention norm", role="norm", module="self_attn.o_norm", outputs=width, inputs=1)
    return GatedDelta(
        variant="kda", key_heads=count, value_heads=count, key_dim=width, value_dim=width, conv_kernel=kernel,
        module="self_attn", bounded=True,
        projections=(
            _projection("q_proj", 3 * inner, hidden), _projection("b_proj", count, hidden),
            _projection("f_a_proj", 2 * width, hidden, "replicated"), _projection("f_b_proj", 2 * inner, width),
            _projection("o_proj", hidden, inner, "inputs"), convolution, numbers._replace(outputs=inner + count), norm,
        ),
    )  # fmt: skip


def _projection(name: str, outputs: int, inputs: int, split: Split = "outputs") -> Weight:
    return Weight(
        name=name, role="linear_attention", module=f"self_attn.{name}", outputs=outputs, inputs=inputs, split=split
    )


def encoder(vision: Json, hidden: int) -> list[Weight]:
    """Glm5NextVisionTransformer (vLLM 0.31 to 0.33 models/glm5next/common/multimodal.py): never quantized."""
    width, out = integer(vision, "hidden_size", 1024), integer(vision, "out_hidden_size", hidden)
    merge, context = (
        integer(vision, "spatial_merge_size", 2) ** 2,
        integer(vision, "projection_intermediate_size", 10240),
    )
    count = heads(vision)
    block = Block(
        "visual.blocks", integer(vision, "depth", 24), width, integer(vision, "intermediate_size", 4096), gated=True,
        norms=2, extra=2 * (width // count), must_divide=count, linear=False,
    )  # fmt: skip
    return [
        plain("visual.patch_embed", (patches(vision, 14, 2) + 2) * width),  # its bias, and the norm behind all blocks
        *blocks(block),
        plain("visual.downsample", (merge * width + 1 + 2) * out),
        weight("visual.merger.proj", out, out, split="outputs", linear=False),
        weight("visual.merger.gate_up_proj", 2 * context, out, split="outputs", linear=False),
        weight("visual.merger.down_proj", out, context, split="inputs", linear=False),
    ]

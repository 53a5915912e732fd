"""Ling 3: Kimi's delta attention, projected without the small vectors of Kimi's own, beside gated latent attention.

The one thing to know: the last layer of every group attends to all, and so do layers behind the last whole group.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.encoder_parts import part, plain, projector
from infercli.core.architecture.encoders import qwen3_vl
from infercli.core.architecture.experts import Mixture, experts
from infercli.core.architecture.fields import EXTEND, HEADS, HIDDEN, LAYERS, Layer, context_length, integer, optional
from infercli.core.architecture.hybrid import model
from infercli.core.architecture.layers import Dense, GatedDelta, Split, Weight
from infercli.core.architecture.lightning import bailing_latent
from infercli.core.record import Json
from infercli.errors import Unsupported

_EXPERTS = Mixture(router_bias=True, router_float32=True)


def bailing_3(config: Json) -> ModelArch:
    """BailingMoeV3ForCausalLM (vLLM 0.29 models/bailing_moe_v3.py)."""
    count, hidden, heads = integer(config, LAYERS), integer(config, HIDDEN), integer(config, HEADS)
    if config.get("use_bias"):
        raise Unsupported("config.json: use_bias: biases are not known here", EXTEND)
    if not config.get("no_kda_lora"):
        raise Unsupported("config.json: no_kda_lora: vLLM refuses a model without it", EXTEND)
    every = integer(config, "layer_group_size")
    full, delta = bailing_latent(config), _delta(config, hidden, heads)
    gates = {"head_wise": heads, "element_wise": heads * full.v_head_dim}
    wide = gates.get(str(config.get("gated_attention_proj_granularity_type")), 0)
    gate = (_linear("g_proj", wide, hidden),) if wide else ()
    moe, dense = experts(config, _EXPERTS), Dense(intermediate=integer(config, "intermediate_size"))
    first, whole = int(config.get("first_k_dense_replace") or 0), count // every * every
    layers = []
    for index in range(count):
        attends = (index + 1) % every == 0 or index >= whole
        layers.append(Layer(full if attends else delta, dense if index < first else moe, 2, gate if attends else ()))
    drafts = [Layer(full, moe, 2, gate)] * (optional(config, "num_nextn_predict_layers") or 0)
    arch = model(config, hidden, layers, drafts=drafts)
    return replace(arch, rope_positions=context_length(config).rows, rope_width=full.rope_dim, tied=False)


def bailing_eyes(config: Json, hidden: int) -> list[Weight]:
    """What sees in Ling 3 VL (vLLM 0.33 models/bailing_moe_v3_vl.py): Qwen3-VL's, without what merges its patches.

    A norm stands there instead, and two linear layers behind it.
    """
    vision = part(config, "vision_config")
    merged = integer(vision, "spatial_merge_size", 2) ** 2 * integer(vision, "hidden_size")
    width = integer(vision, "hidden_size")
    tower = qwen3_vl(vision | {"deepstack_visual_indexes": [], "out_hidden_size": merged}, hidden)
    return [
        *(w for w in tower if not w.name.startswith("visual.merger")),
        plain("visual.merger.norm", 2 * width),
        *projector("linear_proj", hidden, merged),
    ]


def _delta(config: Json, hidden: int, heads: int) -> GatedDelta:
    width, kernel = integer(config, "head_dim"), integer(config, "short_conv_kernel_size", 4)
    inner = heads * width
    convolution = Weight(
        name="convolution", role="linear_attention", module="attention.conv1d", outputs=3 * inner, inputs=kernel,
        split="outputs", float32=True,
    )  # fmt: skip
    numbers = convolution._replace(name="linear attention numbers", module="attention.A_log", inputs=1)
    norm = Weight(name="linear attention norm", role="norm", module="attention.o_norm", outputs=width, inputs=1)
    return GatedDelta(
        variant="kda", key_heads=heads, value_heads=heads, key_dim=width, value_dim=width, conv_kernel=kernel,
        module="attention",
        projections=(
            _linear("qkv_proj", 3 * inner, hidden), _linear("b_proj", heads, hidden), _linear("f_proj", inner, hidden),
            _linear("g_proj", inner, hidden), _linear("o_proj", hidden, inner, "inputs"), convolution,
            numbers._replace(outputs=inner + heads), norm,
        ),
    )  # fmt: skip


def _linear(name: str, outputs: int, inputs: int, split: Split = "outputs") -> Weight:
    return Weight(
        name=name, role="linear_attention", module=f"attention.{name}", outputs=outputs, inputs=inputs, split=split,
        linear=True,
    )  # fmt: skip

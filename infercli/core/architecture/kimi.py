"""Kimi-Linear and Kimi-K3, whose decoder is one class: Kimi's delta attention, latent attention in every fourth layer.

The one thing to know: Kimi-K3 has what Kimi-Linear lacks under keys of its own (gates, residuals to choose from,
experts behind a projection), and whatever of them config.json leaves out the model does not have.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.encoder_parts import Block, blocks, first, patches, plain, weight
from infercli.core.architecture.experts import Mixture, experts, has_experts, sparse_layers
from infercli.core.architecture.fields import EXTEND, HIDDEN, LAYERS, Layer, integer, optional
from infercli.core.architecture.hybrid import model
from infercli.core.architecture.latent import latent_attention
from infercli.core.architecture.layers import Dense, Experts, GatedDelta, LatentAttention, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported

_MIXTURE = Mixture(module="block_sparse_moe", names=("w1", "w3", "w2"), router_bias=True,
                   shared_module="block_sparse_moe.shared_experts")  # fmt: skip


def kimi_linear(config: Json) -> ModelArch:
    """KimiLinearForCausalLM (vLLM 0.11 to 0.26 models/kimi_linear.py, 0.27 to 0.33 models/kimi_k3/nvidia/model.py).

    Latent attention in the layers of `linear_attn_config.full_attn_layers`, counted from 1, KDA in the others.
    """
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    if not config.get("mla_use_nope"):
        raise Unsupported(
            "config.json: mla_use_nope: vLLM refuses a model whose latent attention has positions", EXTEND
        )
    delta, full = _delta(config.get("linear_attn_config") or {}), latent_attention(config)
    gate = (_gate(full, hidden),) if config.get("mla_use_output_gate") else ()
    where = {int(i) - 1 for i in (config.get("linear_attn_config") or {}).get("full_attn_layers") or ()}
    dense = Dense(intermediate=integer(config, "intermediate_size"), follows_sequence=True)
    moe = _experts(config) if has_experts(config) else dense
    sparse = sparse_layers(config, count) if has_experts(config) else frozenset()
    block = optional(config, "attn_res_block_size") or 0
    # Before either half of a layer a norm and a projection to one number, both as wide as the hidden state.
    norms = 6 if block else 2
    layers = [
        Layer(full if i in where else delta, moe if i in sparse else dense, norms, gate if i in where else ())
        for i in range(count)
    ]
    drafts = [Layer(full, moe, 2, gate)] * (optional(config, "num_nextn_predict_layers") or 0)
    arch = model(config, hidden, layers, drafts=drafts)
    return replace(arch, residual_blocks=-(-count // block) if block else 0, final_norm=3 if block else 1)


def _delta(linear: Json) -> GatedDelta:
    heads, width = integer(linear, "num_heads"), integer(linear, "head_dim")
    full = bool(linear.get("use_full_rank_gate"))
    return GatedDelta(
        variant="kda", key_heads=heads, value_heads=heads, key_dim=width, value_dim=width,
        conv_kernel=integer(linear, "short_conv_kernel_size", 4), module="self_attn", full_gate=full,
        bounded=linear.get("gate_lower_bound") is not None,
    )  # fmt: skip


def _gate(full: LatentAttention, hidden: int) -> Weight:
    """One number for each element of the output."""
    return Weight(
        name="attention gate", role="attention", module="self_attn.g_proj", outputs=full.heads * full.v_head_dim,
        inputs=hidden, split="outputs", linear=True,
    )  # fmt: skip


def _experts(config: Json) -> Experts:
    return experts(config, _MIXTURE)._replace(
        least_width=integer(config, "min_moe_intermediate_per_partition", 256),
        latent=optional(config, "routed_expert_hidden_size"),
        latent_norm=bool(config.get("latent_moe_use_norm")),
        latent_names=("routed_expert_down_proj", "routed_expert_up_proj"),
        follows_sequence=True,
    )


def kimi_k3_encoder(vision: Json, hidden: int) -> list[Weight]:
    """MoonViT with narrow heads and a merger without biases (vLLM 0.29 models/kimi_k25_vit.py, configs/kimi_k3.py).

    Whole on every rank where the ranks do not divide its heads. What config.json leaves out is vLLM's default.
    """
    said = {
        "norm_type": "rmsnorm", "mm_projector_type": "patchmergerv2", "attn_bias": False, "linear_bias": False,
        "patch_embed_proj_bias": False, "merge_type": "sd2_tpool", "mlp_type": "mlp2",
    } | {key: value for key, value in vision.items() if value is not None}  # fmt: skip
    known = {"norm_type": "rmsnorm", "mm_projector_type": "patchmergerv2", "attn_bias": False, "linear_bias": False}
    for key, value in known.items():
        if said[key] != value:
            raise Unsupported(f"config.json: vision_config.{key}: {said[key]} is not known here", EXTEND)
    width, wide = integer(said, "vt_hidden_size", 1024), integer(said, "vt_intermediate_size", 4096)
    side = integer(said, "init_pos_emb_height", 64) * integer(said, "init_pos_emb_width", 64)
    kernel = said.get("merge_kernel_size") or [2, 2]
    merged = width * first(kernel) * int(kernel[-1])
    count = integer(said, "vt_num_attention_heads", 12)
    block = Block(
        "vision_tower.encoder.blocks", integer(said, "vt_num_hidden_layers", 27), width, wide, bias=False, norms=2,
        inner=integer(said, "qkv_hidden_size", 1536),
    )  # fmt: skip
    return [
        plain("vision_tower.patch_embed", (patches(said, 14, 1) + bool(said["patch_embed_proj_bias"]) + side) * width),
        *(w._replace(heads=count) for w in blocks(block)),
        plain("vision_tower.encoder.final_layernorm", width),
        weight("mm_projector.linear_1", merged, merged),
        weight("mm_projector.linear_2", hidden, merged),
        plain("mm_projector.post_norm", hidden),
    ]

"""Muse Glimmer, which sees, and Muse Spark Open, which hears as well and has experts.

The one thing to know: both have a window in three of four layers, and no RoPE in the fourth, counted from the last.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, parse_decoder
from infercli.core.architecture.encoder_parts import Block, blocks, part, plain, weight
from infercli.core.architecture.experts import Mixture
from infercli.core.architecture.fields import LAYERS, entries, integer, without
from infercli.core.architecture.layers import Experts, LayerGroup, Weight
from infercli.core.record import Json

_MUSE = Row(norms=4, gate="elements", names=("q_proj", "gate_proj", "k_proj", "v_proj", "o_proj"))


def muse_glimmer(config: Json) -> ModelArch:
    """MuseGlimmer (vLLM 0.29 and 0.33 models/muse_glimmer.py): RoPE within a window, and every fourth layer neither.

    These are counted back from the last one. Its norms on queries, keys and the embedding have no weights.
    """
    own: Json = {"sliding_window": 2048, "head_dim": 128, "num_key_value_heads": 2}
    own |= config | (config.get("text_config") or {})
    count = integer(own, LAYERS)
    rope = entries(own, "no_rope_layers", count) or [int((count - 1 - index) % 4 != 0) for index in range(count)]
    kinds = entries(own, "layer_types", count) or ["sliding_attention" if on else "full_attention" for on in rope]
    gated = own.get("use_attn_output_gate") is not False
    arch = parse_decoder(
        own | {"layer_types": kinds, "no_rope_layers": None, "architectures": config["architectures"]},
        _MUSE if gated else _MUSE._replace(gate=None),
    )
    sees = config.get("has_vision", config.get("model_type") != "muse_glimmer_text")
    return replace(arch, tied=False, encoders=tuple(_eyes(config, arch.hidden)) if sees else ())


def _eyes(config: Json, hidden: int) -> list[Weight]:
    """Its attention is cut where the ranks divide its heads, and never quantized, as the rest of it.

    What stands behind it is described at the top since 0.33 (transformers 5.24 models/muse_glimmer), before in its own
    part.
    """
    vision = part(config, "vision_config")
    width = integer(vision, "hidden_size", 1536)
    merged = integer(config | vision, ("output_dim", "out_hidden_size"), 6144)
    adapted = integer(config | vision, ("adapter_dim", "projector_hidden_size"), 4096)
    return [
        *(w if ".attn." in w.name else w._replace(split="replicated") for w in _tower(vision, width)),
        plain("vision_adapter", (merged + adapted) * adapted),
        plain("vision_projection", adapted * hidden),
    ]


def _tower(vision: Json, width: int) -> list[Weight]:
    side, frames = integer(vision, "patch_size", 14), integer(vision, "patch_temporal", 2)
    positions = integer(vision, "pos_emb_height", 32) * integer(vision, "pos_emb_width", 32)
    block = Block(
        "vision_tower.layers", integer(vision, "num_hidden_layers", 50), width,
        integer(vision, "intermediate_size", 8960), heads=integer(vision, "num_attention_heads", 16), linear=False,
    )  # fmt: skip
    return [
        weight("vision_tower.patch_embedder", width, frames * 3 * side * side, split="outputs", linear=False),
        plain("vision_tower.positions", (positions + 4) * width),
        *blocks(block),
    ]


_SPARK: Json = {
    "vocab_size": 202048, "hidden_size": 8192, "intermediate_size": 16384, "num_hidden_layers": 62,
    "num_attention_heads": 128, "num_key_value_heads": 16, "head_dim": 64, "max_position_embeddings": 1048576,
    "sliding_window": 2048, "moe_intermediate_size": 4096, "num_local_experts": 256, "num_experts_per_tok": 8,
    "moe_hidden_size": 4096,
}  # fmt: skip
"""What transformers 5.24 models/muse_spark takes where a text_config is silent: Muse Spark Open."""


def muse_spark(config: Json) -> ModelArch:
    """Muse Spark Open (vLLM 0.33 models/muse_spark/nvidia/model.py): experts in a narrower space, and gated residuals.

    Layers with a window have RoPE, and each a table of its own in float32: nothing shares them. Norms on queries, keys
    and the attention's output have no weights.
    """
    text = _SPARK | part(config, "text_config") | {"architectures": config["architectures"]}
    without(text, "num_shared_experts", "attention_bias")
    count, inner = integer(text, LAYERS), integer(text, "moe_hidden_size")
    kinds = entries(text, "layer_types", count) or [
        "full_attention" if (count - 1 - index) % 4 == 0 else "sliding_attention" for index in range(count)
    ]
    sparse = entries(text, "mlp_layer_types", count) or ["sparse"] * count
    said = {"layer_types": kinds, "mlp_layer_types": sparse, "moe_latent_size": inner}
    dtype = {key: config[key] for key in ("dtype", "torch_dtype") if config.get(key)}
    arch = parse_decoder(dtype | text | said, _SPARK_ROW)
    groups = [_gated(group, arch.hidden, inner) for group in arch.layers]
    rotated = sum(bool(theta) for theta in entries(text, "layer_rope_theta", count) or ()) or kinds.count(
        "sliding_attention"
    )
    return replace(
        arch,
        layers=tuple(groups),
        tied=False,
        rope_width=rotated * arch.rope_width,
        rope_float32=True,
        encoders=tuple(_spark_encoders(config, arch.hidden)),
    )


_SPARK_ROW = _MUSE._replace(
    norms=5,  # one of attention, two around the experts, and a gate on each of the two residuals
    mixture=Mixture(router="router", router_bias=True, router_float32=True),
)


def _gated(group: LayerGroup, hidden: int, inner: int) -> LayerGroup:
    """Its layers with what stands around their experts: projections that nothing quantizes, and two norms."""
    experts = group.feed_forward
    if not isinstance(experts, Experts):
        return group
    around = Weight(name="expert projections", role="mlp", module="mlp.expert_proj", outputs=2 * inner, inputs=hidden)
    norms = Weight(name="expert norms", role="norm", module="mlp.expert_norm", outputs=2 * inner, inputs=1)
    return group._replace(feed_forward=experts._replace(latent_apart=True), others=(*group.others, around, norms))


def _spark_encoders(config: Json, hidden: int) -> list[Weight]:
    """Muse Glimmer's tower, all cut, and what hears waves of sound, whole (common/vision.py, audio.py, omni.py)."""
    vision, audio = part(config, "vision_config"), part(config, "audio_config")
    width = integer(vision, "hidden_size", 1536)
    merged, adapted = integer(vision, "merge_size", 2) ** 2 * width, integer(config, "projector_hidden_size", 4096)
    patched, widths = audio.get("patch_sizes") or (16, 6, 5, 4), audio.get("hidden_sizes") or (256, 512, 1024, 2048)
    depths, kernel = audio.get("depths") or (2, 2, 2, 2), integer(audio, "conv_kernel_size", 7)
    ratio, out = float(audio.get("mlp_ratio") or 4), integer(audio, "out_hidden_size", hidden)
    stages = zip((1, *widths), widths, patched, depths, strict=False)
    sound = [
        plain(
            f"audio_encoder.stages.{index}",
            wide * (before * patch + 2) + depth * (wide * (kernel + 3) + int(wide * ratio) * (2 * wide + 1)),
        )
        for index, (before, wide, patch, depth) in enumerate(stages)
    ]
    return [
        *_tower(vision, width),
        weight("vision_adapter.fc1", adapted, merged, split="outputs", linear=False),
        weight("vision_adapter.fc2", adapted, adapted, split="inputs", linear=False),
        weight("vision_projection", hidden, adapted, split="inputs", linear=False),
        *sound,
        plain("audio_encoder.o_proj", widths[-1] * (out + 1) + 2 * out),
    ]

"""Inkling: attention by relative positions, windows in most layers, short convolutions, experts beside two of a sink.

The one thing to know: four short convolutions of each layer (keys, values, and what attention and feed-forward leave)
keep the last tokens they saw, which vLLM caches as a window of its own beside the layer's keys and values.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise
from math import log

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.encoder_parts import plain
from infercli.core.architecture.fields import DAMAGED, EXTEND, HEADS, HIDDEN, LAYERS, Layer, grouped, integer, optional
from infercli.core.architecture.hybrid import model
from infercli.core.architecture.layers import Attention, Convolved, Dense, Experts, LayerGroup, Split, Weight
from infercli.core.record import Json
from infercli.errors import InputError, Unsupported

_KV_HEADS = ("num_key_value_heads",)


def inkling(config: Json) -> ModelArch:
    """InklingForCausalLM (vLLM 0.26 to 0.33 models/inkling/configs.py, nvidia/model.py; drafts: nvidia/mtp.py)."""
    known = {"q_bias": False, "o_bias": False, "gate_activation": "sigmoid", "norm_after_topk": True}
    if config.get("n_routed_experts"):
        known["shared_expert_sink"] = True
    for key, value in known.items():
        said = config.get(key, False if key == "shared_expert_sink" else value)
        if said != value:
            raise Unsupported(f"config.json: {key}: {said} is not known here", EXTEND)
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    # transformers calls the dense width intermediate_size, the publisher that of an expert.
    wide = integer(config, "intermediate_size", 768)
    renamed = config.get("moe_intermediate_size") is not None and config.get("dense_intermediate_size") is None
    dense = Dense(
        intermediate=wide if renamed else integer(config, "dense_intermediate_size", wide),
        names=("w13_dn", "w2_md"),
    )
    full, local = _attention(config, hidden, local=False), _attention(config, hidden, local=True)
    where, first = set(config.get("local_layer_ids") or ()), optional(config, "dense_mlp_idx") or 0
    scale = (_number("mlp.global_scale"),) if config.get("use_global_scale") else ()
    moe = _experts(config, integer(config, "moe_intermediate_size") if renamed else wide)
    kinds = ((dense, scale), (moe, _gate(config, hidden)))
    layers = [Layer(local if i in where else full, kinds[i >= first][0], 2, kinds[i >= first][1]) for i in range(count)]
    if any(layer.feed_forward is moe for layer in layers) and not moe.shared_intermediate:
        raise Unsupported("config.json: n_shared_experts: vLLM refuses this class without shared experts", EXTEND)
    said = config.get("mtp_config") or {}
    near = set(said.get("local_layer_ids") or ())
    drafts = [
        Layer(local if i in near else full, dense, 2, scale)
        for i in range(optional(said, "num_nextn_predict_layers") or 0)
    ]
    vocab = integer(config, "padded_vocab_size", integer(config, "vocab_size", 201024))
    arch = model(config | {"vocab_size": vocab}, hidden, layers)
    norm = Weight(name="embedding norm", role="norm", module="embed_norm", outputs=hidden, inputs=1)
    return replace(
        arch,
        tied=False,
        embedding_whole=True,
        ends_on_every_stage=True,
        outside=(norm,) if config.get("use_embed_norm") else (),
        draft_layers=grouped(drafts, first=count),
    )


def drafted_by(arch: ModelArch, tokens: int) -> ModelArch:
    """`arch` with the draft layers alone that draft so many tokens: each drafts one (nvidia/mtp.py)."""
    kept: list[LayerGroup] = []
    for group in arch.draft_layers:
        indices = tuple(i for i in group.indices if i < arch.layer_count + tokens)
        kept += [group._replace(indices=indices)] if indices else []
    return replace(arch, draft_layers=tuple(kept))


def _attention(config: Json, hidden: int, *, local: bool) -> Attention:
    """Queries, keys, values and what relative positions are made of; nvidia/attention.py, sconv_swa_attn.py."""
    heads, kv = integer(config, HEADS), integer(config, _KV_HEADS)
    width = integer(config, "head_dim", hidden // heads)
    if local:
        heads = integer(config, "swa_num_attention_heads", heads)
        kv = integer(config, "swa_num_key_value_heads", kv)
        width = integer(config, "swa_head_dim", width)
    window, relative = integer(config, "sliding_window_size", 512), integer(config, "d_rel", 16)
    kernel = integer(config, ("sconv_kernel_size", "conv_kernel_size"), 4)
    extent = window if local else integer(config, "rel_extent", 1024)

    def part(name: str, outputs: int, inputs: int, split: Split = "replicated", *, linear: bool = False) -> Weight:
        return Weight(
            name=name, role="attention", module=f"attn.{name}", outputs=outputs, inputs=inputs, split=split,
            linear=linear,
        )  # fmt: skip

    def convolution(module: str, channels: int) -> Weight:
        one = part(module, channels, kernel, "outputs")
        return one._replace(name="convolution", module=module)

    return Attention(
        heads=heads,
        kv_heads=kv,
        head_dim=width,
        v_head_dim=width,
        window=window if local else None,
        projections=(
            part("wq_du", heads * width, hidden, "outputs", linear=True),
            part("wk_dv", kv * width, hidden, "outputs", linear=True),
            part("wv_dv", kv * width, hidden, "outputs", linear=True),
            part("wr_du", heads * relative, hidden, "outputs", linear=True),
            part("wo_ud", hidden, heads * width, "inputs", linear=True),
            part("rel_logits_proj", relative, extent),
            part("q_norm", width, 1)._replace(name="query and key norms", role="norm", copies=2),
            convolution("attn.k_sconv", kv * width),
            convolution("attn.v_sconv", kv * width),
            convolution("attn_sconv", hidden),
            convolution("mlp_sconv", hidden),
        ),
        convolved=Convolved(kernel=kernel, head_width=1 << (2 * width + 2 * (hidden // kv) - 1).bit_length()),
        module="attn",
        names=("wq_du", "wk_dv", "wv_dv", "wo_ud"),
    )


def _experts(config: Json, width: int) -> Experts:
    routed = optional(config, "n_routed_experts") or 0
    shared = optional(config, "n_shared_experts") or 0
    return Experts(
        experts=routed,
        experts_per_token=integer(config, "num_experts_per_tok", 1),
        intermediate=width,
        shared_intermediate=shared * width,
        shared_plain=True,
        names=("w13_weight", "w2_weight"),
        shared_names=("shared_w13_weight", "shared_w2_weight"),
    )


def _gate(config: Json, hidden: int) -> tuple[Weight, ...]:
    """What the router has beside a row for each routed expert: rows of shared ones, filled up to eights, and numbers.

    nvidia/moe.py InklingGate.
    """
    routed = optional(config, "n_routed_experts") or 0
    rows = -(-(routed + (optional(config, "n_shared_experts") or 0)) // 8) * 8 - routed
    shared = Weight(name="router of shared experts", role="router", module="mlp.gate", outputs=rows, inputs=hidden)
    found = (shared,) if rows else ()
    if config.get("use_gate_bias"):
        bias = Weight(name="router bias", role="router", module="mlp.gate.bias", outputs=routed, inputs=1, float32=True)
        found = (*found, bias)
    return (
        (*found, _number("mlp.gate.global_scale")._replace(float32=True)) if config.get("use_global_scale") else found
    )


def _number(module: str) -> Weight:
    return Weight(name="scale", role="other", module=module, outputs=1, inputs=1)


# The towers: common/towers.py.


def inkling_towers(config: Json, hidden: int) -> list[Weight]:
    """A chain of linear layers over the pixels of a patch, and a table of sounds: whole on every rank."""
    found: list[Weight] = []
    kinds = {"vision_config": ("vision_encoder_type", "hmlp"), "audio_config": ("audio_mode", "dmel")}
    for part, (key, known) in kinds.items():
        said = config.get(part) or {}
        if said.get("decoder_dmodel") is None:
            continue  # switched off (common/mm_preprocess.py inkling_vision_enabled)
        for field, value in ((key, known), ("decoder_dmodel", hidden)):
            if said.get(field) != value:
                raise Unsupported(f"config.json: {part}.{field}: {said.get(field)} is not known here", EXTEND)
        if part == "vision_config":
            found.append(plain("visual", _pixels(said, hidden)))
        else:
            sounds = integer(said, "n_mel_bins") * integer(said, "mel_vocab_size")
            found.append(plain("audio", (sounds + bool(said.get("use_audio_norm"))) * hidden))
    return found


def _pixels(vision: Json, width: int) -> int:
    count = integer(vision, "n_layers")
    steps = _scales(
        integer(vision, "temporal_patch_size"), integer(vision, "patch_size"), count, integer(vision, "n_channels")
    )
    elements = width if vision.get("use_vision_norm") else 0
    for i, (start, end) in enumerate(pairwise(steps)):
        inputs = start[2] * (end[0] // start[0]) * (end[1] // start[1]) ** 2
        elements += inputs * width if i == count - 1 else (inputs + 1) * end[2]
    return elements


_MOST_SCALES = 20
"""Of those that are tried: a patch has fewer, and one number that is wrong would try for hours."""


def _scales(frames: int, side: int, count: int, channels: int) -> list[tuple[int, int, int]]:
    """(frames, side, channels) that a vector of each step stands for: plan_out_scales."""
    scales, reached = [(1, 1, channels)], 1
    for factor in reversed(_prime_factors(side)):
        reached *= factor
        scales.append((1, reached, -(-(reached**2) * channels // 64) * 64))
    times = 1
    for factor in reversed(_prime_factors(frames)):
        times *= factor
        scales.append((times, reached, -(-(reached**2) * channels * times // 64) * 64))
    if len(scales) > _MOST_SCALES:
        raise InputError(f"config.json: vision_config.patch_size: a patch of {side:,} x {side:,} x {frames:,}", DAMAGED)
    sizes = [log(t * side * side) for t, side, _ in scales]
    ideal = [log(side * side * frames * channels) * i / count for i in range(count + 1)]
    if count >= len(scales):
        chosen = [min(range(len(sizes)), key=lambda j: abs(sizes[j] - at)) for at in ideal]
    else:
        picks = combinations(range(len(sizes)), count + 1)
        chosen = list(min(picks, key=lambda pick: sum(abs(sizes[j] - at) for j, at in zip(pick, ideal, strict=True))))
    chosen[0], chosen[-1] = 0, len(scales) - 1
    return [scales[i] for i in chosen]


def _prime_factors(number: int) -> list[int]:
    found, factor = [], 2
    while factor * factor <= number:
        while number % factor == 0:
            found.append(factor)
            number //= factor
        factor += 1
    return [*found, number] if number > 1 else found

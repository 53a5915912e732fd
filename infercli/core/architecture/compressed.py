"""DeepSeek-V4 and V4.1: compressed attention, residual streams side by side, and for some an encoder of images.

The one thing to know: in V4 each layer compresses its own keys; in V4.1 four layers do for all, and two tables of
n-grams (Engram), two fifths of its files, lie in the host's memory.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.encoder_parts import Block, blocks, plain, weight
from infercli.core.architecture.experts import Mixture, experts
from infercli.core.architecture.fields import (
    DRAFTS,
    EXTEND,
    HEADS,
    HIDDEN,
    INCOMPLETE,
    LAYERS,
    Layer,
    checkpoint_dtype,
    context_length,
    entries,
    family_of,
    grouped,
    integer,
    optional,
    own_entries,
    tied,
)
from infercli.core.architecture.latent import indexer
from infercli.core.architecture.layers import CompressedAttention, Experts, Weight
from infercli.core.record import Json
from infercli.errors import InputError, Unsupported

V4, V4_VISION, V4_1 = "DeepseekV4ForCausalLM", "DeepseekV4ForConditionalGeneration", "DeepseekV41ForCausalLM"

_EXPERTS = Mixture(
    module="ffn", names=("w1", "w3", "w2"), router_bias=True, shared_module="ffn.shared_experts",
    shared_names=("w1", "w3", "w2"),
)  # fmt: skip
_V4_BLOCK, _V4_1_BLOCK = 128, 32
"""Sides of the FP8 blocks in which they are published."""
_DSPARK_LAYERS = 3
"""Where config.json does not say (vLLM 0.33 models/deepseek_v4/nvidia/dspark.py)."""
_SEES = "stands behind an encoder"
"""Our own key, since the decoder is parsed by itself."""
_HEAD, _ROTARY = 512, 64
"""The only widths that V4.1's kernels have (0.33 models/deepseek_v41/compressor.py asserts them)."""


def vision_class(config: Json) -> str | None:
    """What vLLM makes of a V4 with an encoder, whose config.json names the class of text alone; None: as it says.

    0.30 to 0.33 transformers_utils/model_arch_config_convertor.py DeepseekV4ModelArchConfigConvertor.
    """
    return V4_VISION if config.get("architectures") == [V4] and config.get("vision_n_layers") else None


def v4_text(config: Json) -> Json:
    """The decoder's own config, which routes the tokens of images by scores of their own."""
    return config | {"vision_n_layers": 0, _SEES: True}


def deepseek_v4(config: Json) -> ModelArch:
    """DeepseekV4ForCausalLM (vLLM 0.29 to 0.33 models/deepseek_v4/): a window and compressed keys in each layer."""
    count, hidden = integer(config, LAYERS), integer(config, HIDDEN)
    ratios = _ratios(config, count)
    streams, sees = integer(config, "hc_mult"), bool(config.get(_SEES))
    moe, hashed = _in_blocks(experts(config, _EXPERTS), _V4_BLOCK), int(config.get("num_hash_layers") or 0)
    mixed = (*hyper_connections(streams, hidden), *_image_bias(moe, sees=sees))
    # The first layers look the experts of a token up in a table of whole numbers, and correct no scores; those of a
    # model that sees have the correction all the same.
    table = _float32("ffn.gate.tid2eid", integer(config, "vocab_size"), moe.experts_per_token)
    layers = [
        Layer(_compressed(config, int(ratio)), moe._replace(router_bias=sees), 2, (*mixed, table))
        if index < hashed
        else Layer(_compressed(config, int(ratio)), moe, 2, mixed)
        for index, ratio in enumerate(ratios)
    ]
    merge = (
        _float32("hc_head_fn", streams, streams * hidden),
        _float32("hc_head_base", streams, 1),
        _float32("hc_head_scale", 1, 1),
    )
    number = optional(config, "n_mtp_layers") or _DSPARK_LAYERS if _by_dspark(config) else optional(config, DRAFTS)
    drafts = grouped([Layer(_window(config), moe, 2, mixed)] * (number or 0), count)
    arch = replace(_model(config, hidden, layers), outside=merge, draft_layers=drafts)
    return replace(arch, draft_others=(*_dspark(config, hidden), *merge)) if _by_dspark(config) else arch


def deepseek_v41(config: Json) -> ModelArch:
    """DeepseekV41ForCausalLM (vLLM 0.30 to 0.33 models/deepseek_v41/).

    Its numbers stand in `text_config`, those of the encoder in `vision_config`.
    """
    text, vision = config.get("text_config"), config.get("vision_config") or {}
    if not isinstance(text, dict) or not isinstance(vision, dict):
        raise InputError("config.json: text_config: is missing, or no object", INCOMPLETE)
    own = {**config, **text, "architectures": config["architectures"]}
    count, hidden, streams = integer(own, LAYERS), integer(own, HIDDEN), integer(own, "hc_mult")
    if integer(own, "head_dim") != _HEAD or integer(own, "qk_rope_head_dim") != _ROTARY:
        raise Unsupported(
            f"config.json: head_dim: vLLM has kernels for {_HEAD}, of which {_ROTARY} are rotated", EXTEND
        )
    sees = bool(vision.get("num_hidden_layers"))
    moe = _in_blocks(experts(own, _EXPERTS), _V4_1_BLOCK)
    mixed = (*hyper_connections(streams, hidden), *_image_bias(moe, sees=sees))
    tables, read = _engram(own, hidden, streams)
    layers = [
        Layer(mixer, moe, 2, (*mixed, *read) if index in tables else mixed)
        for index, mixer in enumerate(_shared(own, count))
    ]
    fewer = {
        "n_routed_experts": own.get("dspark_n_routed_experts") or moe.experts,
        "num_experts_per_tok": own.get("dspark_num_experts_per_tok") or moe.experts_per_token,
    }
    drafting = _in_blocks(experts(own | fewer, _EXPERTS), _V4_1_BLOCK)
    alone = _window(own)._replace(owns_keys=False)
    draft = Layer(alone, drafting, 2, (*hyper_connections(streams, hidden), *_image_bias(drafting, sees=sees)))
    number = optional(own, ("n_mtp_layers", *DRAFTS)) or _DSPARK_LAYERS
    arch = _model(own, hidden, layers)
    if _by_dspark(own):
        arch = replace(arch, draft_layers=grouped([draft] * number, count), draft_others=_dspark(own, hidden))
    encoders = _encoder(vision, hidden, delimiters=3) if sees else []
    return replace(arch, encoders=tuple(encoders), tables=tuple(tables.values()))


def v4_encoder(config: Json, hidden: int) -> list[Weight]:
    """DeepSeek-V4's encoder of images, whose numbers stand beside the decoder's (0.33 common/vision.py)."""
    vision = {
        "num_hidden_layers": config.get("vision_n_layers"), "hidden_size": config.get("vision_dim"),
        "num_attention_heads": config.get("vision_n_heads"), "intermediate_size": config.get("vision_inter_dim"),
        "patch_size": config.get("vision_patch_size"), "downsample_ratio": config.get("vision_downsample_ratio"),
    }  # fmt: skip
    return _encoder(vision, hidden, delimiters=4)


def _encoder(vision: Json, hidden: int, delimiters: int) -> list[Weight]:
    """DeepseekV4ViT and its aligner; `delimiters`: vectors of the decoder's width for what stands around an image."""
    width, heads, wide = (integer(vision, key) for key in ("hidden_size", "num_attention_heads", "intermediate_size"))
    patch, merged = integer(vision, "patch_size", 14), integer(vision, "downsample_ratio", 3)
    tower = Block(
        module="vision.blocks", depth=integer(vision, "num_hidden_layers"), hidden=width, intermediate=wide, gated=True,
        bias=False, norms=2, heads=heads, linear=False,
    )  # fmt: skip
    depth = tower.depth
    return [
        plain("vision.patch_embed", width * (3 * patch**2 + 1)),
        *blocks(tower),
        plain("vision.blocks.attn.wqkv.bias", 3 * width, depth, split="outputs", heads=heads),
        plain("vision.blocks.attn.wo.bias", width, depth),
        plain("vision.norm", width),
        weight("aligner.w1", hidden, width * merged**2, split="outputs"),
        plain("aligner.w1.bias", hidden, split="outputs"),
        weight("aligner.w2", hidden, hidden, split="inputs"),
        plain("aligner.w2.bias", hidden),
        *(plain("image delimiters", hidden)._replace(float32=True) for _ in range(delimiters)),
    ]


def _model(config: Json, hidden: int, layers: list[Layer]) -> ModelArch:
    length = context_length(config)
    return ModelArch(
        architecture=family_of(config),
        hidden=hidden,
        vocab=integer(config, "vocab_size"),
        tied=tied(config, default=False),
        dtype=checkpoint_dtype(config),
        max_model_len=length.longest,
        rope_positions=length.rows,
        rope_width=2 * integer(config, "qk_rope_head_dim"),
        rope_float32=True,  # layers/rotary_embedding/deepseek_scaling_rope.py DeepseekV4ScalingRotaryEmbedding
        residual_streams=integer(config, "hc_mult"),
        layers=grouped(layers),
    )


def hyper_connections(streams: int, hidden: int) -> tuple[Weight, ...]:
    """What mixes the residual streams before each half of a layer, of GLM-5.3 as well."""
    wide = (2 + streams) * streams
    return tuple(
        _float32(f"hc_{part}_{what}", outputs, inputs)
        for part in ("attn", "ffn")
        for what, outputs, inputs in (("fn", wide, streams * hidden), ("base", wide, 1), ("scale", 3, 1))
    )


def _image_bias(moe: Experts, *, sees: bool) -> tuple[Weight, ...]:
    """A correction of the scores for the tokens of images (0.33 models/deepseek_v4/nvidia/model.py bias_vl)."""
    return (_float32("ffn.gate.bias_vl", moe.experts, 1),) if sees else ()


def _float32(module: str, outputs: int, inputs: int) -> Weight:
    return Weight(name=module, role="other", module=module, outputs=outputs, inputs=inputs, float32=True)


def _ratios(config: Json, count: int) -> list[Json]:
    """Of each layer: `compress_ratios`, or in the words of transformers 5 `layer_types` and `compress_rates`.

    vLLM 0.33 transformers_utils/deepseek_v4_utils.py get_compress_ratios.
    """
    kinds, rates = entries(config, "layer_types", count), config.get("compress_rates")
    if config.get("compress_ratios") is None and kinds is not None and isinstance(rates, dict):
        return [rates.get(kind, 0) for kind in kinds]
    return own_entries(config, "compress_ratios", count)


def _window(config: Json) -> CompressedAttention:
    return CompressedAttention(
        heads=integer(config, HEADS),
        head_dim=integer(config, "head_dim"),
        rope_dim=integer(config, "qk_rope_head_dim"),
        q_lora_rank=integer(config, "q_lora_rank"),
        o_groups=integer(config, "o_groups"),
        o_lora_rank=integer(config, "o_lora_rank"),
        window=integer(config, "sliding_window"),
        compress_ratio=0,
        indexer=None,
    )


def _candidates(config: Json) -> int:
    """Blocks of keys that V4.1's one indexer leaves for those behind it."""
    source = config.get("candidate_source_layer_id")
    return 0 if source is None or int(source) < 0 else optional(config, "candidate_topk_blocks") or 0


def _compressed(config: Json, ratio: int) -> CompressedAttention:
    if ratio not in (0, 4, 128):
        raise Unsupported(f"config.json: compress_ratios: {ratio} is not known here: 0, 4 and 128 are", EXTEND)
    picks = indexer(config)  # read in every layer: a config without it is damaged
    return _window(config)._replace(compress_ratio=ratio, indexer=picks if ratio == 4 else None)


def _shared(config: Json, count: int) -> list[CompressedAttention]:
    """V4.1's attention of each layer: who compresses keys, who picks among them, who uses both of an earlier one.

    vLLM 0.33 models/deepseek_v41/attention.py. What it does not build, or builds without what it reads, is refused.
    """
    ratios = [int(ratio) for ratio in _ratios(config, count)]
    sources, picking = (_layer_numbers(config, f"{kind}_source_layer_ids") for kind in ("kv", "index"))
    full = indexer(config)._replace(candidates=_candidates(config))
    window, source, found = _window(config)._replace(owns_keys=False), None, []
    for index, ratio in enumerate(ratios):
        if ratio not in (0, 1, 2):
            raise Unsupported(f"config.json: compress_ratios: {ratio} is not known here: 0, 1 and 2 are", EXTEND)
        owns, picks = index in sources, index in picking
        if not ratio:
            if owns or picks:
                raise Unsupported(f"config.json: kv_source_layer_ids: layer {index} has a window only", EXTEND)
            found.append(window)
            continue
        source = ratio if owns else source
        if (owns and not picks) or source != ratio:
            what = f"layer {index} needs keys that are compressed as its own are, and an indexer where it compresses"
            raise Unsupported(f"config.json: kv_source_layer_ids: {what}", EXTEND)
        own = full if picks else full._replace(cached=False)
        found.append(window._replace(compress_ratio=ratio, indexer=own, owns_keys=owns))
    return found


def _layer_numbers(config: Json, key: str) -> frozenset[int]:
    said = config.get(key) or ()
    if not isinstance(said, list | tuple) or not all(isinstance(i, int) for i in said):
        raise InputError(f"config.json: {key}: must list layers, and is {said!r:.60}", INCOMPLETE)
    return frozenset(said)


def _engram(config: Json, hidden: int, streams: int) -> tuple[dict[int, Weight], tuple[Weight, ...]]:
    """(the table of each layer that has one, what such a layer reads it with); vLLM 0.33 common/engram.py."""
    layers, rows = (config.get(f"engram_{key}") or [] for key in ("layer_ids", "num_embeddings"))
    if not layers:
        return {}, ()
    if len(layers) != len(rows):
        raise InputError("config.json: engram_num_embeddings: must have a number for each table", INCOMPLETE)
    width = integer(config, "engram_head_dim")
    columns = (integer(config, "engram_max_ngram_size") - 1) * integer(config, "engram_n_heads")
    table = Weight(name="n-gram table", role="embedding", module="engram.embed", outputs=1, inputs=width, heads=columns)
    tables = {
        index: table._replace(outputs=integer({"engram_num_embeddings": count}, "engram_num_embeddings"))
        for index, count in zip(layers, rows, strict=True)
    }
    read = Weight(
        name="n-gram projection", role="other", module="engram.wkv", outputs=(streams + 1) * hidden,
        inputs=columns * width, split="outputs", linear=True,
    )  # fmt: skip
    gate = Weight(name="n-gram gate", role="other", module="engram.q_weight", outputs=2 * streams, inputs=hidden)
    return tables, (read, gate)


def _by_dspark(config: Json) -> bool:
    """Whether a checkpoint's own layers draft a block at once (DSpark), and not a token each (MTP)."""
    return bool(config.get("dspark_markov_rank"))


def _dspark(config: Json, hidden: int) -> tuple[Weight, ...]:
    """One projection of what some layers of the model saw, and two small heads, whole on every rank.

    vLLM 0.33 models/deepseek_v41/nvidia/dspark.py, model_executor/models/qwen3_dspark.py. V4's keeps its layers'
    projections of keys a second time, which is not counted: 3 MiB each.
    """
    rank, seen = integer(config, "dspark_markov_rank"), config.get("dspark_target_layer_ids")
    if not isinstance(seen, list) or not seen:
        raise InputError("config.json: dspark_target_layer_ids: must list layers", INCOMPLETE)
    return (
        Weight(name="draft projection", role="draft", module="mtp.main_proj", outputs=hidden,
               inputs=len(seen) * hidden, linear=True),
        Weight(name="draft norms", role="norm", module="mtp.norm", outputs=2 * hidden, inputs=1),
        Weight(name="Markov head", role="draft", module="mtp.markov_head", outputs=2 * integer(config, "vocab_size"),
               inputs=rank),
        Weight(name="confidence head", role="draft", module="mtp.confidence_head", outputs=1, inputs=hidden + rank),
    )  # fmt: skip


def _in_blocks(moe: Experts, block: int) -> Experts:
    """Shared experts are cut in whole blocks where the files are in FP8 by blocks, which no other width allows."""
    return moe._replace(shared_block=block) if moe.shared_intermediate % block == 0 else moe

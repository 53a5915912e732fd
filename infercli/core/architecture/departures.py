"""Decoders near the Llama type that depart from it in what a row cannot say.

Fields and defaults: vLLM 0.29 model_executor/models/ and transformers_utils/configs/, in the file of each class.
"""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, attention, parse_decoder
from infercli.core.architecture.experts import Mixture
from infercli.core.architecture.families import ROWS
from infercli.core.architecture.fields import (
    EXTEND,
    HEADS,
    LAYERS,
    Layer,
    entries,
    grouped,
    head_size,
    integer,
    optional,
    own_entries,
    without,
)
from infercli.core.architecture.layers import Attention, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported

_LLAMA = ROWS["LlamaForCausalLM"]
_TELECHAT2 = Row(
    output_bias=True, attention="self_attention", names=("query", "key_value", "dense"),
)  # fmt: skip
_RNJ1 = Row(
    qkv_bias="attention_bias", output_bias="attention_bias", qk_norm="head", norms=4, tied=True, head_dim=256
)  # fmt: skip
_APERTUS = ROWS["ArceeForCausalLM"]._replace(qk_norm="head")
_STEP1 = _LLAMA._replace(kv_heads=1, rotary=False)
_MELLUM = Row(qkv_bias="attention_bias", qk_norm="head", kv_heads=4, mixture=Mixture())
_COHERE2_MOE = Row(norms=1, tied=True, head_dim=128, mixture=Mixture())
_HY_V3 = Row(
    qk_norm="head", qk_norm_flag="qk_norm", head_dim=128,
    mixture=Mixture(router_bias=True, router_float32=True, shared_module="mlp.shared_mlp"),
)  # fmt: skip
_BAILING = ROWS["BailingMoeForCausalLM"]
_GRANITE_MOE = ROWS["GraniteMoeForCausalLM"]
_HUNYUAN_MOE = ROWS["HunYuanDenseV1ForCausalLM"]._replace(
    qk_norm_flag="use_qk_norm", mixture=Mixture(shared_module="mlp.shared_mlp")
)  # fmt: skip


def telechat2(config: Json) -> ModelArch:
    """TeleChat 2 (models/telechat2.py): biases on the projections that come out of a half, and on no other."""
    arch = parse_decoder(config, _TELECHAT2)
    bias = Weight(name="down bias", role="mlp", module="mlp.down_proj", outputs=arch.hidden, inputs=1)
    return replace(arch, layers=tuple(group._replace(others=(bias,)) for group in arch.layers))


def apertus(config: Json) -> ModelArch:
    """Apertus (models/apertus.py): its activation has two numbers of its own in every layer."""
    arch = parse_decoder(config, _APERTUS)
    numbers = Weight(name="activation", role="mlp", module="mlp.act_fn", outputs=2, inputs=1)
    return replace(arch, layers=tuple(group._replace(others=(numbers,)) for group in arch.layers))


def pangu_embedded(config: Json) -> ModelArch:
    """OpenPangu Embedded (models/openpangu.py): `bias` is that of the attention, `sandwich_norm` two norms more."""
    without(config, "interleaved_sliding_window", "param_sink_number", "n_routed_experts", "kv_lora_rank")
    if not config.get("is_causal", True):
        raise Unsupported("config.json: is_causal: attention to later tokens is not known here", EXTEND)
    bias = bool(config.get("attention_bias") or config.get("bias"))
    own = {"qkv_bias": bias} | config | {"attention_bias": bias}
    row = _LLAMA._replace(qkv_bias="qkv_bias", norms=4 if config.get("sandwich_norm") else 2)
    return parse_decoder(own, row)


def hyperclova_x(config: Json) -> ModelArch:
    """HyperCLOVA X (models/hyperclovax.py): a norm behind each half as well, unless `use_post_norm` is false."""
    return parse_decoder(config, _LLAMA._replace(norms=4 if config.get("use_post_norm", True) else 2))


def rnj1(config: Json) -> ModelArch:
    """Rnj-1 (models/rnj1.py): Gemma 3 with full attention in every layer; chunked layers are refused."""
    kinds = entries(config, "layer_types", integer(config, LAYERS))
    if kinds is None or set(kinds) != {"full_attention"}:
        raise Unsupported("config.json: layer_types: other layers than full_attention are not known here", EXTEND)
    return parse_decoder(config, _RNJ1)


def step1(config: Json) -> ModelArch:
    """Step 1 (models/step1.py): ALiBi instead of RoPE, and heads of the hidden width by their number."""
    groups = config.get("num_attention_groups") or config.get("num_key_value_heads")
    return parse_decoder(config | {"num_key_value_heads": groups, "head_dim": None}, _STEP1)


def mellum(config: Json) -> ModelArch:
    """Mellum (models/mellum.py): windows by `layer_types`, but none without `use_sliding_window` (Qwen3MoeConfig)."""
    count = integer(config, LAYERS)
    for key in ("layer_types", "mlp_layer_types"):
        own_entries(config, key, count)
    full: Json = {} if config.get("use_sliding_window") else {"layer_types": ["full_attention"] * count}
    return parse_decoder(config | full, _MELLUM)


def cohere2_moe(config: Json) -> ModelArch:
    """Cohere 2 with experts (models/cohere2_moe.py): a window sees one token more than `sliding_window` says.

    Without `layer_types` the dense layers in front have a pattern of their own, which is full attention.
    """
    count = integer(config, LAYERS)
    first = min(count, int(config.get("first_k_dense_replace") or 0))
    kinds = entries(config, "layer_types", count)
    if kinds is None:
        before = integer(config, "prefix_dense_sliding_window_pattern", 1)
        after = integer(config, "sliding_window_pattern", 4)
        places = [(i, before) for i in range(first)] + [(i, after) for i in range(count - first)]
        kinds = ["full_attention" if (i + 1) % step == 0 else "sliding_attention" for i, step in places]
    width = integer(config, "intermediate_size")
    own = config | {
        "layer_types": kinds,
        "mlp_layer_types": config.get("mlp_layer_types") or ["dense"] * first + ["sparse"] * (count - first),
        "sliding_window": integer(config, "sliding_window", 4096) + 1,
        "moe_intermediate_size": width,
        "intermediate_size_mlp": config.get("prefix_dense_intermediate_size") or width,
    }
    return parse_decoder(own, _COHERE2_MOE)


def hy_v3(config: Json) -> ModelArch:
    """Hunyuan V3 (models/hy_v3.py): `expert_hidden_dim` is the width of an expert."""
    silent: Json = {"qk_norm": True, "num_key_value_heads": 8, "num_shared_experts": 1, "first_k_dense_replace": 1}
    width = integer(config, "expert_hidden_dim")
    return parse_decoder(silent | config | {"moe_intermediate_size": width}, _HY_V3)


def sarvam_moe(config: Json) -> ModelArch:
    """Sarvam's mixture (models/sarvam.py, bailing_moe.py): the router's bias is asked for by a flag."""
    if config.get("use_bias"):
        raise Unsupported("config.json: use_bias: biases everywhere are not known here", EXTEND)
    if config.get("use_qk_norm") and not config.get("use_rmsnorm", True):
        raise Unsupported("config.json: use_rmsnorm: other norms than RMSNorm on queries and keys", EXTEND)
    return parse_decoder(config, _BAILING)


def param2_moe(config: Json) -> ModelArch:
    """Param 2 (models/param2moe.py): `moe_shared_expert_intermediate_size` is that of all shared experts together."""
    mixture = Mixture(router_bias=bool(config.get("moe_router_enable_expert_bias", True)))
    own = {"num_shared_experts": 1, "first_k_dense_replace": 1} | config
    whole = own.get("moe_shared_expert_intermediate_size")
    if whole is not None and own["num_shared_experts"]:
        own |= {"num_shared_experts": 1}
    return parse_decoder(own, _BAILING._replace(mixture=mixture))


def granite_swa(config: Json) -> ModelArch:
    """Granite with windows (models/granite.py, granitemoeshared.py): sinks in every layer, a window in three of four.

    Without `layer_types` the first of every four layers sees everything (transformers granite_swa).
    """
    count = integer(config, LAYERS)
    dense = not config.get("num_local_experts")
    kinds = entries(config, "layer_types", count)
    own = {"sliding_window": 128} | config
    own["layer_types"] = kinds or ["sliding_attention" if i % 4 else "full_attention" for i in range(count)]
    sinks = bool(config.get("attention_sinks", True))
    row = _LLAMA._replace(tied=True) if dense else _GRANITE_MOE
    return parse_decoder(own, row._replace(sinks=sinks))


def hunyuan_moe(config: Json) -> ModelArch:
    """Hunyuan-A13B (models/hunyuan_v1.py to 0.28): numbers may stand once for each layer, and are one everywhere."""
    without(config, "use_cla")  # V1 has no cache for it: layers/attention/attention.py get_kv_cache_spec
    own = dict(config)
    for key in ("moe_topk", "moe_intermediate_size", "num_shared_expert"):
        if isinstance(config.get(key), list):
            own[key] = _one(config, key)
    width = integer(config, "intermediate_size")
    own["shared_intermediate_size"] = width * int(own.get("num_shared_expert") or 0)
    own["num_shared_expert"] = None
    if not config.get("use_mixed_mlp_moe"):
        own["shared_intermediate_size"] = None
    own["head_dim"] = config.get("head_dim") or config.get("attention_head_dim")
    return parse_decoder(own, _HUNYUAN_MOE)


def _one(config: Json, key: str) -> int:
    """The one number that a list has."""
    numbers = set(config[key])
    if len(numbers) != 1:
        raise Unsupported(f"config.json: {key}: one number for all layers is known here", EXTEND)
    return int(numbers.pop())


def pangu_pro_moe(config: Json) -> ModelArch:
    """OpenPangu Pro 2 (models/openpangu.py): keys that stand before every request, values narrower than keys.

    Windows are not cached as such: every layer keeps all tokens. `param_sink_number` keys of a layer are weights.
    """
    without(config, "kv_lora_rank", "mlp_bias")
    if not config.get("param_sink_number"):
        raise Unsupported("config.json: param_sink_number: attention without sinks is not known here", EXTEND)
    key, value = integer(config, "qk_nope_dim") + integer(config, "qk_rope_dim"), integer(config, "v_channels")
    both = bool(config.get("attention_bias") or config.get("bias"))
    row = Row(
        qkv_bias=bool(config.get("qkv_bias", both)), output_bias=both, norms=4 if config.get("sandwich_norm") else 2,
        mixture=Mixture(router_bias="router_enable_expert_bias"),
    )  # fmt: skip
    plain: Json = {"head_dim": key, "layer_types": None, "sliding_window": None, "num_nextn_predict_layers": None}
    arch = parse_decoder({"first_k_dense_replace": 0} | config | plain, row)
    groups = []
    for group in arch.layers:
        mixer = group.mixer
        assert isinstance(mixer, Attention)
        rows = int(config["param_sink_number"]) * mixer.kv_heads
        sinks = Weight(name="sink keys", role="attention", module="self_attn.param_sink_key", outputs=rows, inputs=key,
                       split="outputs")  # fmt: skip
        norm = Weight(name="key norm", role="norm", module="self_attn.k_layernorm", outputs=key, inputs=1)
        others = [norm, sinks]
        if config.get("param_sink_with_value"):
            others.append(sinks._replace(name="sink values", module="self_attn.param_sink_value", inputs=value))
        groups.append(group._replace(mixer=mixer._replace(v_head_dim=value), others=tuple(others)))
    return replace(arch, layers=tuple(groups), rope_width=integer(config, "qk_rope_dim"))


def k2_horizon(config: Json) -> ModelArch:
    """K2 Horizon (vLLM 0.30 to 0.33 models/k2_horizon.py): a gate, norms on queries and keys, experts, if asked for.

    Experts of values (MoVA) are refused.
    """
    without(config, "mova_num_experts", "dual_chunk_attention_config", "use_sliding_window")
    if config.get("attention_gate_func") and config.get("attention_bias"):
        raise Unsupported("config.json: attention_bias: beside a gate without one it is not known here", EXTEND)
    gates = ("q_proj", "gate_proj", "k_proj", "v_proj", "o_proj")
    row = Row(
        qkv_bias="attention_bias", output_bias="attention_bias",
        qk_norm="full", qk_norm_flag="query_key_norm", windows="flag",
        gate="elements" if config.get("attention_gate_func") else None,
        mixture=Mixture(router_bias="moe_gate_bias"),
    )  # fmt: skip
    arch = parse_decoder(config, row._replace(names=gates) if row.gate else row)
    rotated = optional(config, "rope_head_dim")
    return replace(arch, rope_width=rotated or arch.rope_width)


_DOMYN = Row(norms=4, attention="attention", mlp="feedforward")


def domyn_edge(config: Json) -> ModelArch:
    """Domyn Edge (vLLM 0.33 models/domyn_edge.py): each layer has a window of its own, and may have its own heads.

    Its queries are normed without weights, its keys with.
    """
    arch = parse_decoder(config | {"layer_types": None, "sliding_window": None}, _DOMYN)
    count, own = arch.layer_count, config.get("per_layer_config") or {}
    own_entries(config, "position_layers", count)
    layers = []
    for index, (behind, *_) in enumerate(own_entries(config, "window_sizes", count)):
        said = config | (own[index] if isinstance(own, list) else own.get(str(index)) or {})
        mixer = attention(said, _DOMYN, head_size(said), behind + 1 if behind > 0 else None, None)
        norm = Weight(name="key norm", role="norm", module="attention.k_norm", outputs=mixer.head_dim, inputs=1)
        layers.append(Layer(mixer, arch.layers[0].feed_forward, 4, (norm,)))
    widths = {layer.mixer.head_dim for layer in layers if isinstance(layer.mixer, Attention)}
    return replace(arch, layers=grouped(layers), rope_width=sum(widths))


_BEAM = Row(
    qk_norm="head", gate="elements", norms=4, names=("q_proj", "gate_proj", "k_proj", "v_proj", "o_proj"),
    mixture=Mixture(router_bias=True, router_float32=True),
)  # fmt: skip


def beam(config: Json) -> ModelArch:
    """Beam (vLLM 0.33 models/beam/nvidia/, configs/beam.py): a gate with a bias for each head, and four norms.

    Every layer has a window and experts where config.json does not say. Not counted: what ranks keep to sum their parts
    on NVLink (allreduce.py), three buffers of two rows for each token of a batch.
    """
    count = integer(config, LAYERS)
    rope = config.get("rope_parameters") or {}
    if rope and set(rope) <= {"sliding_attention", "full_attention"}:  # full attention has no positions
        rope = next((said for said in rope.values() if said is not None), {})
    own = {"sliding_window": 4096, "num_key_value_heads": 4, "layer_types": ["sliding_attention"] * count} | {
        key: value for key, value in config.items() if value is not None
    }
    arch = parse_decoder(own | {"rope_parameters": rope}, _BEAM)
    heads = integer(config, HEADS)
    bias = Weight(name="gate bias", role="attention", module="self_attn.gate_bias", outputs=heads, inputs=1,
                  split="outputs")  # fmt: skip
    return replace(arch, layers=tuple(group._replace(others=(bias,)) for group in arch.layers))

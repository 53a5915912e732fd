"""Older decoders whose config.json means something else by the usual names: Qwen 1, Falcon, DBRX, MPT, Grok, Arctic."""

from __future__ import annotations

from dataclasses import replace

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, parse_decoder
from infercli.core.architecture.experts import MIXTRAL, Mixture
from infercli.core.architecture.fields import EXTEND, HEADS, HIDDEN, LAYERS, integer, optional
from infercli.core.architecture.layers import Experts, Weight
from infercli.core.record import Json
from infercli.errors import Unsupported

_QWEN = Row(qkv_bias=True, attention="attn", names=("c_attn", "c_proj"), mlp_names=("w2", "w1", "c_proj"))
_FALCON = Row(
    qkv_bias="bias", output_bias="bias", mlp_bias="bias", gated=False, final_norm=2, tied=True, expansion=4,
    attention="self_attention", names=("query_key_value", "dense"), mlp_names=("dense_h_to_4h", "dense_4h_to_h"),
)  # fmt: skip
_DBRX = Row(
    attention="norm_attn_norm.attn", names=("Wqkv", "out_proj"),
    mixture=Mixture(module="ffn", names=("w1", "v1", "w2"), router="router.layer"),
)  # fmt: skip
_MPT = Row(
    gated=False, tied=True, expansion=4, rotary=False, attention="attn", names=("Wqkv", "out_proj"), mlp="ffn",
    mlp_names=("up_proj", "down_proj"),
)  # fmt: skip
_GROK = Row(
    norms=4, tied=True, attention="attn", mixture=Mixture(module="moe_block", names=("linear", "linear_v", "linear_1"))
)  # fmt: skip
_ARCTIC = Row(
    mlp="block_sparse_moe.mlp", mlp_names=("w1", "w3", "w2"),
    mixture=MIXTRAL._replace(shared_module="residual_mlp", shared_names=MIXTRAL.names),
)  # fmt: skip
_JAIS = Row(
    qkv_bias=True, output_bias=True, mlp_bias=True, norms=4, final_norm=2, tied=True, expansion=4, attention="attn",
    names=("c_attn", "c_proj"), mlp_names=("c_fc2", "c_fc", "c_proj"), rotary=False,
)  # fmt: skip
_PERSIMMON = Row(
    qkv_bias=True, output_bias=True, mlp_bias=True, gated=False, norms=4, final_norm=2,
    names=("query_key_value", "dense"), mlp_names=("dense_h_to_4h", "dense_4h_to_h"),
)  # fmt: skip


def qwen(config: Json) -> ModelArch:
    """QWenLMHeadModel (vLLM to 0.22, models/qwen.py): intermediate_size is that of gate and up together."""
    return parse_decoder(config | {"intermediate_size": integer(config, "intermediate_size") // 2}, _QWEN)


def falcon(config: Json) -> ModelArch:
    """FalconForCausalLM (vLLM 0.29 models/falcon.py): KV heads and norms by generation."""
    newer = bool(config.get("new_decoder_architecture"))
    heads = integer(config, HEADS)
    kv_heads = heads
    if newer:
        kv_heads = integer(config, ("num_kv_heads", "n_head_kv"), heads)
    elif config.get("multi_query", True):
        kv_heads = 1
    norms = integer(config, "num_ln_in_parallel_attn", 2 if newer else 1) if config.get("parallel_attn", True) else 2
    own = config | {"num_key_value_heads": kv_heads}
    positions = {"max_position_embeddings": 2048} | own  # transformers' default: Falcon's own files name none
    return parse_decoder(positions, _FALCON._replace(norms=2 * norms, rotary=not config.get("alibi")))


def dbrx(config: Json) -> ModelArch:
    """DbrxForCausalLM (vLLM 0.29 models/dbrx.py): widths stand in attn_config and ffn_config."""
    attention, ffn = config.get("attn_config") or {}, config.get("ffn_config") or {}
    own = {
        "num_key_value_heads": integer(attention, "kv_n_heads"),
        "num_experts": integer(ffn, "moe_num_experts"),
        "num_experts_per_tok": integer(ffn, "moe_top_k"),
        "moe_intermediate_size": integer(ffn, "ffn_hidden_size"),
    }
    return parse_decoder(config | own, _DBRX)


def mpt(config: Json) -> ModelArch:
    """MPTForCausalLM without biases (vLLM to 0.27, models/mpt.py)."""
    if not config.get("no_bias", True):
        raise Unsupported("config.json: no_bias: an MPT with biases cannot be planned yet", EXTEND)
    ratio, kv_heads = integer(config, "expansion_ratio", 4), optional(config.get("attn_config") or {}, "kv_n_heads")
    own = config if kv_heads is None else config | {"num_key_value_heads": kv_heads}
    return parse_decoder(own, _MPT._replace(expansion=ratio))


def grok(config: Json) -> ModelArch:
    """Grok 1 and 2 (vLLM to 0.24, models/grok1.py): Grok 2 has a dense feed-forward beside its experts."""
    own: Json = {"num_experts": 8, "num_experts_per_tok": 2} | config | {"head_dim": None}
    if config.get("num_experts") is None and config.get("num_local_experts") is not None:
        own["num_experts"] = config["num_local_experts"]
    # Its own keys say how RoPE is scaled (_get_rope_parameters), and 0.24 takes `original` for none.
    kind, row = config.get("rope_type"), _GROK
    if config.get("rope_parameters") is None and kind not in (None, "original"):
        own["rope_scaling"] = {
            "rope_type": kind,
            "factor": config.get("scaling_factor"),
            "original_max_position_embeddings": config.get("original_max_position_embeddings"),
        }
    if config.get("residual_moe"):
        own["shared_intermediate_size"] = integer(config, "intermediate_size")
        row = _GROK._replace(attention="self_attn", mixture=MIXTRAL._replace(shared_module="mlp"))
    return parse_decoder(own, row)


def arctic(config: Json) -> ModelArch:
    """Arctic (vLLM to 0.28, models/arctic.py): beside experts a dense feed-forward as wide as the hidden state."""
    count, every = integer(config, LAYERS), integer(config, "moe_layer_frequency", 2)
    sparse = [index for index in range(count) if (index + 1) % every == 0]
    residual = integer(config, HIDDEN) if config.get("use_residual") else 0
    silent: Json = {"num_local_experts": 8, "num_experts_per_tok": 1}
    own = silent | config | {"moe_layers": sparse, "shared_intermediate_size": residual, "head_dim": None}
    arch = parse_decoder(own, _ARCTIC)
    if not residual:
        return arch
    groups = (g._replace(norms=3) if isinstance(g.feed_forward, Experts) else g for g in arch.layers)
    return replace(arch, layers=tuple(groups))


def jais(config: Json) -> ModelArch:
    """JAISLMHeadModel (vLLM to 0.22, models/jais.py): ALiBi or a table of positions, gated if `swiglu`."""
    swiglu = config.get("activation_function", "gelu_new") == "swiglu"
    row = _JAIS if swiglu else _JAIS._replace(gated=False, mlp_names=("c_fc", "c_proj"))
    alibi = config.get("position_embedding_type", "learned") == "alibi"
    return parse_decoder(config, row._replace(learned_positions=None if alibi else 0))


def persimmon(config: Json) -> ModelArch:
    """Persimmon (vLLM to 0.25, models/persimmon.py): the norms on queries and keys have biases."""
    own = {"partial_rotary_factor": 0.5} | config | {"num_key_value_heads": None, "head_dim": None}
    arch = replace(parse_decoder(own, _PERSIMMON), tied=False)
    if not config.get("qk_layernorm", True):
        return arch
    width = arch.hidden // integer(config, HEADS)
    norms = Weight(name="query and key norms", role="norm", module="self_attn.q_layernorm", outputs=4, inputs=width)
    return replace(arch, layers=tuple(group._replace(others=(norms,)) for group in arch.layers))

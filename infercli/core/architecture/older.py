"""Older decoders whose config.json means something else by the usual names: Qwen 1, Falcon, DBRX, MPT."""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch
from infercli.core.architecture.decoder import Row, parse_decoder
from infercli.core.architecture.experts import Mixture
from infercli.core.architecture.fields import EXTEND, HEADS, integer, optional
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

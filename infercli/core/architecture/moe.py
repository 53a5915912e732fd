"""Mixture-of-experts decoders of the Mixtral type: every feed-forward is a set of equal experts, none is shared."""

from __future__ import annotations

from infercli.core.architecture.arch import Attention, Experts, LayerGroup, ModelArch
from infercli.core.architecture.fields import checkpoint_dtype, context_length, integer
from infercli.core.architecture.standard import refuse_sliding_window
from infercli.core.record import Json
from infercli.errors import Unsupported


def mixtral(config: Json) -> ModelArch:
    """MixtralForCausalLM."""
    refuse_sliding_window(config, default=None, by_flag=False)
    heads = integer(config, "num_attention_heads")
    return _moe(
        config,
        kv_heads=integer(config, "num_key_value_heads", 8),
        head_dim=integer(config, "head_dim", integer(config, "hidden_size") // heads),
        experts=Experts(
            experts=integer(config, "num_local_experts", 8),
            experts_per_token=integer(config, "num_experts_per_tok", 2),
            intermediate=integer(config, "intermediate_size"),
            module="block_sparse_moe",
            names=("w1", "w3", "w2"),
        ),
        bias=False,
        qk_norm=False,
    )


def qwen3_moe(config: Json) -> ModelArch:
    """Qwen3MoeForCausalLM whose layers are all mixtures of experts; one that also has dense layers is refused."""
    refuse_sliding_window(config, default=None, by_flag=True)
    if config.get("mlp_only_layers") or config.get("decoder_sparse_step", 1) != 1:
        raise Unsupported(
            "this Qwen3-MoE mixes dense layers with mixtures of experts, which cannot be planned yet",
            "to teach it: qwen3_moe in core/architecture/moe.py",
        )
    return _moe(
        config,
        kv_heads=integer(config, "num_key_value_heads", 4),
        head_dim=integer(config, "head_dim", 128),
        experts=Experts(
            experts=integer(config, "num_experts"),
            experts_per_token=integer(config, "num_experts_per_tok"),
            intermediate=integer(config, "moe_intermediate_size"),
        ),
        bias=bool(config.get("attention_bias", False)),
        qk_norm=True,
    )


def _moe(
    config: Json,
    *,
    kv_heads: int,
    head_dim: int,
    experts: Experts,
    bias: bool,
    qk_norm: bool,
) -> ModelArch:
    length, positions = context_length(config)
    attention = Attention(
        heads=integer(config, "num_attention_heads"),
        kv_heads=kv_heads,
        head_dim=head_dim,
        v_head_dim=head_dim,
        qkv_bias=bias,
        output_bias=bias,
        qk_norm="head" if qk_norm else None,
    )
    layers = LayerGroup(
        indices=tuple(range(integer(config, "num_hidden_layers"))), mixer=attention, feed_forward=experts
    )
    return ModelArch(
        architecture=config["architectures"][0],
        hidden=integer(config, "hidden_size"),
        vocab=integer(config, "vocab_size"),
        tied=bool(config.get("tie_word_embeddings", False)),
        dtype=checkpoint_dtype(config),
        max_model_len=length,
        rope_positions=positions,
        rope_width=head_dim,
        layers=(layers,),
    )

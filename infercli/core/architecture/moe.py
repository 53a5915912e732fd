"""Mixture-of-experts decoders of the Mixtral type: every feed-forward is a set of equal experts, none is shared."""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch, checkpoint_dtype, context_length, integer
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
        intermediate=integer(config, "intermediate_size"),
        experts=integer(config, "num_local_experts", 8),
        experts_per_token=integer(config, "num_experts_per_tok", 2),
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
        intermediate=integer(config, "moe_intermediate_size"),
        experts=integer(config, "num_experts"),
        experts_per_token=integer(config, "num_experts_per_tok"),
        bias=bool(config.get("attention_bias", False)),
        qk_norm=True,
    )


def _moe(
    config: Json,
    *,
    kv_heads: int,
    head_dim: int,
    intermediate: int,
    experts: int,
    experts_per_token: int,
    bias: bool,
    qk_norm: bool,
) -> ModelArch:
    length, positions = context_length(config)
    return ModelArch(
        architecture=config["architectures"][0],
        kind="moe",
        layers=integer(config, "num_hidden_layers"),
        hidden=integer(config, "hidden_size"),
        heads=integer(config, "num_attention_heads"),
        kv_heads=kv_heads,
        head_dim=head_dim,
        intermediate=intermediate,
        vocab=integer(config, "vocab_size"),
        experts=experts,
        experts_per_token=experts_per_token,
        tied=bool(config.get("tie_word_embeddings", False)),
        qkv_bias=bias,
        output_bias=bias,
        qk_norm=qk_norm,
        dtype=checkpoint_dtype(config),
        max_model_len=length,
        rope_positions=positions,
    )

"""Dense decoders of the Llama type. The defaults are transformers 5's, for keys that a config.json may leave out."""

from __future__ import annotations

from infercli.core.architecture.arch import Attention, Dense, LayerGroup, ModelArch
from infercli.core.architecture.fields import checkpoint_dtype, context_length, integer
from infercli.core.record import Json
from infercli.errors import Unsupported


def llama(config: Json) -> ModelArch:
    """LlamaForCausalLM: biases and tied embeddings by flag."""
    heads = integer(config, "num_attention_heads")
    bias = bool(config.get("attention_bias", False))
    return _dense(
        config,
        kv_heads=integer(config, "num_key_value_heads", heads),
        head_dim=integer(config, "head_dim", integer(config, "hidden_size") // heads),
        biases=(bias, bias, bool(config.get("mlp_bias", False))),
    )


def mistral(config: Json) -> ModelArch:
    """MistralForCausalLM without a sliding window; one with it (v0.1) is refused."""
    # MistralConfig's own default is a window of 4096: only an explicit null turns it off.
    refuse_sliding_window(config, default=4096, by_flag=False)
    heads = integer(config, "num_attention_heads")
    return _dense(
        config,
        kv_heads=integer(config, "num_key_value_heads", 8),
        head_dim=integer(config, "head_dim", integer(config, "hidden_size") // heads),
        biases=(False, False, False),
    )


def qwen2(config: Json) -> ModelArch:
    """Qwen2ForCausalLM (Qwen2, Qwen2.5): query, key and value always have a bias."""
    refuse_sliding_window(config, default=None, by_flag=True)
    heads = integer(config, "num_attention_heads")
    return _dense(
        config,
        kv_heads=integer(config, "num_key_value_heads", heads),
        head_dim=integer(config, "head_dim", integer(config, "hidden_size") // heads),
        biases=(True, False, False),
    )


def qwen3(config: Json) -> ModelArch:
    """Qwen3ForCausalLM: norms on queries and keys, a head_dim of its own."""
    refuse_sliding_window(config, default=None, by_flag=True)
    bias = bool(config.get("attention_bias", False))
    return _dense(
        config,
        kv_heads=integer(config, "num_key_value_heads", 32),
        head_dim=integer(config, "head_dim", 128),
        biases=(bias, bias, False),
        qk_norm=True,
    )


def refuse_sliding_window(config: Json, *, default: int | None, by_flag: bool) -> None:
    """Raises Unsupported where any layer attends within a window: its KV cache would be sized as full attention.

    `default` is the window of a config.json without the key; `by_flag`: the family's window needs `use_sliding_window`.
    """
    window = config.get("sliding_window", default)
    if by_flag and not config.get("use_sliding_window", False):
        window = None
    kinds = sorted(set(config.get("layer_types") or ()) - {"full_attention"})
    if window is None and not kinds:
        return
    what = f"attends within a sliding window of {window}" if window is not None else f"has {', '.join(kinds)} layers"
    raise Unsupported(
        f"this model {what}, which cannot be planned yet",
        "to teach it: a family in core/architecture/ and its block arithmetic in core/kv_cache.py",
    )


def _dense(
    config: Json, *, kv_heads: int, head_dim: int, biases: tuple[bool, bool, bool], qk_norm: bool = False
) -> ModelArch:
    length, positions = context_length(config)
    qkv_bias, output_bias, mlp_bias = biases
    attention = Attention(
        heads=integer(config, "num_attention_heads"),
        kv_heads=kv_heads,
        head_dim=head_dim,
        v_head_dim=head_dim,
        qkv_bias=qkv_bias,
        output_bias=output_bias,
        qk_norm="head" if qk_norm else None,
    )
    layers = LayerGroup(
        indices=tuple(range(integer(config, "num_hidden_layers"))),
        mixer=attention,
        feed_forward=Dense(intermediate=integer(config, "intermediate_size"), bias=mlp_bias),
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

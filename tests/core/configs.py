"""The shipped shapes whose layers are all alike, and config.json as the publisher of one writes it."""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch, uniform_attention
from infercli.core.shapes.llama import LLAMA
from infercli.core.shapes.qwen import QWEN

MODEL_TYPES = {
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "mistral",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "MixtralForCausalLM": "mixtral",
    "Qwen3MoeForCausalLM": "qwen3_moe",
}


def counted_ids() -> tuple[str, ...]:
    """Ids of the shapes that are a row of numbers each, whose parameters the Hub counted."""
    return tuple(model_id for ids, *_ in (*LLAMA, *QWEN) for model_id in ids)


def config_of(arch: ModelArch) -> dict:
    attention, feed_forward = uniform_attention(arch), arch.layers[0].feed_forward
    config = {
        "architectures": [arch.architecture],
        "model_type": MODEL_TYPES[arch.architecture],
        "num_hidden_layers": arch.layer_count,
        "hidden_size": arch.hidden,
        "num_attention_heads": attention.heads,
        "num_key_value_heads": attention.kv_heads,
        "head_dim": attention.head_dim,
        "intermediate_size": feed_forward.intermediate,
        "vocab_size": arch.vocab,
        "tie_word_embeddings": arch.tied,
        "max_position_embeddings": arch.max_model_len,
        "torch_dtype": arch.dtype,
        "sliding_window": None,
        "rope_theta": 1000000.0,
    }
    if arch.architecture.startswith("Qwen"):
        config |= {"use_sliding_window": False, "sliding_window": 4096}  # Qwen writes a window that its flag turns off
    if arch.architecture == "MixtralForCausalLM":
        config |= {"num_local_experts": feed_forward.experts, "num_experts_per_tok": feed_forward.experts_per_token}
    if arch.architecture == "Qwen3MoeForCausalLM":
        config |= {
            "num_experts": feed_forward.experts,
            "num_experts_per_tok": feed_forward.experts_per_token,
            "moe_intermediate_size": feed_forward.intermediate,
            "intermediate_size": 6144,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [],
        }
    return config

"""Molmo and Molmo 2: an encoder of which two layers are pooled by attention, and a decoder in names of its own.

The one thing to know: each function here reads all of config.json, or, for the decoder, what it says of text.
"""

from __future__ import annotations

from infercli.core.architecture.encoder_parts import Block, blocks, heads, part, plain, weight
from infercli.core.architecture.fields import EXTEND, integer
from infercli.core.architecture.layers import Weight
from infercli.core.architecture.tensors import padded_rows
from infercli.core.record import Json
from infercli.errors import Unsupported


def molmo(config: Json, hidden: int) -> list[Weight]:
    """Molmo (vLLM 0.29 models/molmo.py): CLIP ViT-L/14 of 336 pixels, two of its layers pooled by attention.

    The embedding has 128 rows more than lm_head.
    """
    wide = integer(config, "intermediate_size")
    return [
        plain("vision_backbone.image_vit.embeddings", (1 + 577 + 3 * 14 * 14 + 2) * 1024 + 2 * 2048),
        *blocks(Block("vision_backbone.image_vit.transformer.resblocks", 23, 1024, 4096, must_divide=16)),
        weight("vision_backbone.image_pooling_2d.qkv", 3 * 1024, 2048, split="outputs"),
        plain("vision_backbone.image_pooling_2d.qkv.bias", 3 * 1024, split="outputs"),
        weight("vision_backbone.image_pooling_2d.wo", 1024, 1024, split="inputs"),
        plain("vision_backbone.image_pooling_2d.wo.bias", 1024),
        weight("vision_backbone.image_projector.merged_linear", wide, 1024, split="outputs"),
        weight("vision_backbone.image_projector.down_proj", hidden, wide // 2, split="inputs"),
        plain("model.embed_tokens.new", 128 * hidden, split="outputs"),
    ]


def molmo_decoder(config: Json) -> str:
    """Llama's layers, with biases where config.json says so. Raises Unsupported for norms on queries and keys."""
    if config.get("attention_layer_norm"):
        raise Unsupported("config.json: attention_layer_norm: norms on queries and keys are not known here", EXTEND)
    return "Qwen2ForCausalLM" if config.get("qkv_bias") else "LlamaForCausalLM"


def molmo_text(config: Json) -> Json:
    """Molmo's names in those of others: its feed-forward width is that of gate and up together."""
    return config | {
        "intermediate_size": integer(config, "intermediate_size") // 2,
        "vocab_size": integer(config, ("embedding_size", "vocab_size")),
        "tie_word_embeddings": bool(config.get("weight_tying")),
    }


def molmo2(config: Json, hidden: int) -> list[Weight]:
    """Molmo 2 (vLLM 0.29 models/molmo2.py): SigLIP up to the last layer that is pooled, with the class's defaults."""
    vision, adapter, text = part(config, "vit_config"), part(config, "adapter_config"), part(config, "text_config")
    width, depth = integer(vision, "hidden_size", 1152), integer(vision, "num_hidden_layers", 27)
    fed = [int(layer) for layer in adapter.get("vit_layers") or (-3, -9)]
    last = max(layer + depth if layer < 0 else layer for layer in fed) + 1
    patch, count = integer(vision, "image_patch_size", 14), heads(vision)
    pool, head = integer(adapter, "hidden_size", 1152), integer(adapter, "head_dim", 72)
    queries = head * integer(adapter, "num_attention_heads", 16)
    qkv = queries + 2 * head * integer(adapter, "num_key_value_heads", 16)
    wide, seen = integer(adapter, "intermediate_size", 18944), width * len(fed)
    block = Block(
        "vision_backbone.image_vit.transformer.resblocks", min(last, depth), width,
        integer(vision, "intermediate_size", 4304), inner=count * integer(vision, "head_dim", 72),
        kv=integer(vision, "num_key_value_heads", 16) * integer(vision, "head_dim", 72), must_divide=count,
    )  # fmt: skip
    rows = integer(text, "vocab_size", 152064)
    new = padded_rows(rows + integer(text, "additional_vocab_size", 128)) - padded_rows(rows)
    return [
        plain(
            "vision_backbone.image_vit.embeddings",
            (3 * patch * patch + 1 + integer(vision, "image_num_pos", 577)) * width,
        ),
        *blocks(block),
        weight("vision_backbone.image_pooling_2d.qkv", qkv, seen, split="outputs"),
        plain("vision_backbone.image_pooling_2d.qkv.bias", qkv, split="outputs"),
        weight("vision_backbone.image_pooling_2d.o_proj", pool, queries, split="inputs"),
        plain("vision_backbone.image_pooling_2d.o_proj.bias", pool),
        weight("vision_backbone.image_projector.merged_linear", 2 * wide, pool, split="outputs"),
        weight("vision_backbone.image_projector.down_proj", hidden, wide, split="inputs"),
        plain("model.embed_tokens.new", new * hidden, split="outputs"),
    ]


def molmo2_decoder(config: Json) -> str:
    """Qwen's layers, with norms on queries and keys or with biases. Raises Unsupported for what neither has."""
    text = part(config, "text_config")
    norm = text.get("qk_norm_type", "olmo") if text.get("use_qk_norm") else None
    bias = bool(text.get("qkv_bias", True))
    if norm not in (None, "qwen3") or (norm and bias):
        raise Unsupported(f"config.json: text_config.qk_norm_type: {norm} with qkv_bias {bias} is unknown", EXTEND)
    return "Qwen3ForCausalLM" if norm else "Qwen2ForCausalLM" if bias else "LlamaForCausalLM"


def molmo2_text(config: Json) -> Json:
    """Molmo 2 never ties lm_head to the embedding, which has more rows."""
    return config | {"tie_word_embeddings": False}

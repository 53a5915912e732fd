"""A reduced shape (a few numbers of a config.json) grown back into a config.json, with a list of what was assumed.

The truth files name base models of which only numbers are known. What a number cannot say (the class, the vision tower,
which layers slide) comes from FAMILIES: facts of the model class, the same for every model of it, never of one record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

Config = dict[str, Any]

_NOT_CONFIG = (
    "provenance", "provenance_detail", "records", "note", "total_params_b", "multimodal", "mla", "hybrid",
    "layer_type_counts", "full_attention_layers", "quantization_config_method", "indexer_cache_bytes_per_token_layer",
)  # fmt: skip
"""Keys of a reduced shape that no config.json has."""


@dataclass(frozen=True)
class Family:
    """What every model of a class shares. `pattern` is searched in the lower-case id, for shapes that name no class."""

    architecture: str
    model_type: str
    pattern: str
    facts: Config = field(default_factory=dict)
    """Written into the text model where the shape does not say otherwise."""
    text_type: str | None = None
    """model_type of the text_config, for models whose numbers stand in one."""
    towers: Config = field(default_factory=dict)
    """vision_config, audio_config and the like, beside the text_config."""


_SIGLIP = {
    "hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27,
    "patch_size": 14, "image_size": 896, "model_type": "siglip_vision_model", "vision_use_head": False,
}  # fmt: skip
_PIXTRAL = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24, "head_dim": 64,
    "patch_size": 14, "image_size": 1540, "num_channels": 3, "model_type": "pixtral",
}  # fmt: skip
_CLIP = {
    "hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24,
    "patch_size": 14, "image_size": 336, "projection_dim": 768, "model_type": "clip_vision_model",
}  # fmt: skip
_QWEN2_VISION = {
    "depth": 32, "embed_dim": 1280, "mlp_ratio": 4, "num_heads": 16, "in_chans": 3, "patch_size": 14,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "model_type": "qwen2_vl",
}  # fmt: skip
_QWEN25_VISION = {
    "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16, "in_chans": 3, "patch_size": 14,
    "spatial_merge_size": 2, "temporal_patch_size": 2, "window_size": 112, "fullatt_block_indexes": [7, 15, 23, 31],
    "model_type": "qwen2_5_vl",
}  # fmt: skip
_QWEN3_VISION = {
    "depth": 27, "hidden_size": 1152, "intermediate_size": 4304, "num_heads": 16, "in_channels": 3, "patch_size": 16,
    "num_position_embeddings": 2304, "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip
_DEEPSTACK = {"deepstack_visual_indexes": [8, 16, 24]}
_WHISPER = {
    "d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120, "num_mel_bins": 128,
    "max_source_positions": 1500, "model_type": "qwen2_audio_encoder",
}  # fmt: skip
_GDN = {
    "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_key_head_dim": 128, "linear_value_head_dim": 128,
    "linear_conv_kernel_dim": 4, "full_attention_interval": 4,
}  # fmt: skip
_MLA = {"qk_nope_head_dim": 128, "v_head_dim": 128, "q_lora_rank": 1536, "n_shared_experts": 1}
_LENGTH_131K = {"max_position_embeddings": 131072}
_LENGTH_32K = {"max_position_embeddings": 32768}

# Facts: the public config.json files of each class. The first family whose pattern is found is taken.
FAMILIES: tuple[Family, ...] = (
    Family("OPTForCausalLM", "opt", r"\bopt-", {
        "max_position_embeddings": 2048, "dtype": "float16", "do_layer_norm_before": True, "enable_bias": True,
    }),
    Family("LlavaForConditionalGeneration", "llava", "llava-1.5", {"max_position_embeddings": 4096, "dtype": "float16"},
           "llama", {"vision_config": _CLIP}),
    Family("DotsOCRForCausalLM", "dots_ocr", r"dots\.ocr", _LENGTH_131K, None, {"vision_config": {
        "embed_dim": 1536, "hidden_size": 1536, "intermediate_size": 4224, "num_hidden_layers": 42,
        "num_attention_heads": 12, "patch_size": 14, "spatial_merge_size": 2, "model_type": "dots_vit",
    }}),
    Family("Qwen2AudioForConditionalGeneration", "qwen2_audio", "qwen2-audio", {"max_position_embeddings": 8192},
           "qwen2", {"audio_config": _WHISPER}),
    Family("LlamaForCausalLM", "llama", "llama-2|tinyllama", {"max_position_embeddings": 4096}),
    Family("Llama4ForConditionalGeneration", "llama4", "llama-4", {}, "llama4_text"),
    Family("LlamaForCausalLM", "llama", r"meta-llama-3-|llama-3-(8|70)b", {"max_position_embeddings": 8192}),
    Family("LlamaForCausalLM", "llama", "llama", _LENGTH_131K),
    Family("MistralModel", "mistral", "e5-mistral", _LENGTH_32K | {"sliding_window": 4096, "dtype": "float16"}),
    Family("MistralForCausalLM", "mistral", "zephyr|mistral-7b-v0.1", _LENGTH_32K | {"sliding_window": 4096}),
    Family("Mistral3ForConditionalGeneration", "mistral3", "mistral-small-3|ministral-3|devstral-small-2", _LENGTH_131K,
           "mistral", {"vision_config": _PIXTRAL, "spatial_merge_size": 2}),
    Family("MixtralForCausalLM", "mixtral", "mixtral", _LENGTH_32K | {"sliding_window": None}),
    Family("MistralForCausalLM", "mistral", "mistral-7b", _LENGTH_32K | {"sliding_window": None}),
    Family("MistralForCausalLM", "mistral", "mistral", _LENGTH_131K | {"sliding_window": None}),
    Family("QWenLMHeadModel", "qwen", r"/qwen-\d", {"max_position_embeddings": 8192, "no_bias": True}),
    Family("Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl", r"qwen2\.5-vl", {"max_position_embeddings": 128000},
           None, {"vision_config": _QWEN25_VISION}),
    Family("Qwen2VLForConditionalGeneration", "qwen2_vl", "qwen2-vl", _LENGTH_32K, None,
           {"vision_config": _QWEN2_VISION}),
    Family("Qwen2ForCausalLM", "qwen2", "qwen2|qwen1.5|qwq", _LENGTH_32K | {
        "use_sliding_window": False, "sliding_window": 131072,
    }),
    Family("Qwen3VLMoeForConditionalGeneration", "qwen3_vl_moe", r"qwen3-vl.*-a\d", {
        "max_position_embeddings": 262144,
    }, "qwen3_vl_moe_text", {"vision_config": _QWEN3_VISION | _DEEPSTACK}),
    Family("Qwen3VLForConditionalGeneration", "qwen3_vl", "qwen3-vl", {"max_position_embeddings": 262144},
           "qwen3_vl_text", {"vision_config": _QWEN3_VISION | _DEEPSTACK}),
    Family("Qwen3NextForCausalLM", "qwen3_next", "qwen3-next|qwen3-coder-next", _GDN | {
        "max_position_embeddings": 262144, "shared_expert_intermediate_size": 512, "decoder_sparse_step": 1,
        "mlp_only_layers": [], "partial_rotary_factor": 0.25,
    }),
    Family("Qwen3_5MoeForConditionalGeneration", "qwen3_5_moe", r"qwen3\.[56].*-a\d", _GDN | {
        "attn_output_gate": True, "mtp_num_hidden_layers": 1,
    }, "qwen3_5_moe_text", {"vision_config": _QWEN3_VISION | {"deepstack_visual_indexes": []}}),
    Family("Qwen3_5ForConditionalGeneration", "qwen3_5", r"qwen3\.[56]", _GDN | {
        "attn_output_gate": True, "mtp_num_hidden_layers": 1,
    }, "qwen3_5_text", {"vision_config": _QWEN3_VISION | {"deepstack_visual_indexes": []}}),
    Family("Qwen3MoeForCausalLM", "qwen3_moe", r"qwen3.*-a\d", {
        "max_position_embeddings": 40960, "decoder_sparse_step": 1, "mlp_only_layers": [],
        "use_sliding_window": False,
    }),
    Family("Qwen3ForCausalLM", "qwen3", "qwen3", {"max_position_embeddings": 40960, "use_sliding_window": False}),
    Family("Gemma3ForConditionalGeneration", "gemma3", "gemma-3", _LENGTH_131K | {"sliding_window_pattern": 6},
           "gemma3_text", {"vision_config": _SIGLIP, "mm_tokens_per_image": 256}),
    Family("Gemma4ForConditionalGeneration", "gemma4", "gemma-4", {}, "gemma4_text"),
    Family("Gemma2Model", "gemma2", "bge.*gemma2", {"max_position_embeddings": 8192, "sliding_window": 4096}),
    Family("Gemma2ForCausalLM", "gemma2", "gemma-?2-", {"max_position_embeddings": 8192, "sliding_window": 4096}),
    Family("GemmaForCausalLM", "gemma", "gemma", {"max_position_embeddings": 8192}),
    Family("Phi3ForCausalLM", "phi3", "phi-[34]", {"max_position_embeddings": 16384, "sliding_window": None}),
    Family("Starcoder2ForCausalLM", "starcoder2", "starcoder2", {
        "max_position_embeddings": 16384, "sliding_window": 4096, "use_bias": True,
    }),
    Family("DeepseekV2ForCausalLM", "deepseek_v2", "deepseek-v2", _MLA | {
        "n_shared_experts": 2, "first_k_dense_replace": 1, "moe_layer_freq": 1, "max_position_embeddings": 163840,
    }),
    Family("DeepseekV3ForCausalLM", "deepseek_v3", "kimi-k2", _MLA | {
        "first_k_dense_replace": 1, "moe_layer_freq": 1, "max_position_embeddings": 262144,
    }),
    Family("DeepseekV3ForCausalLM", "deepseek_v3", r"deepseek-(v3|r1)", _MLA | {
        "first_k_dense_replace": 3, "moe_layer_freq": 1, "max_position_embeddings": 163840,
    }),
    Family("JambaForCausalLM", "jamba", "jamba", {
        "attn_layer_period": 8, "attn_layer_offset": 4, "expert_layer_period": 2, "expert_layer_offset": 1,
        "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_dt_rank": 256,
        "max_position_embeddings": 262144,
    }),
    Family("NemotronHForCausalLM", "nemotron_h", "nemotron-(h|3)", {"use_conv_bias": True, "mamba_proj_bias": False}),
    Family("Exaone4ForCausalLM", "exaone4", "exaone-4", _LENGTH_131K | {"sliding_window_pattern": 4}),
    Family("GraniteForCausalLM", "granite", "granite-3", _LENGTH_131K),
    Family("GptOssForCausalLM", "gpt_oss", "gpt-oss", {}),
    Family("MiniMaxM2ForCausalLM", "minimax_m2", "minimax-m2", {}),
    Family("GlmMoeDsaForCausalLM", "glm_moe_dsa", r"glm-5", {}),
)  # fmt: skip


def is_reduced(shape: Config) -> bool:
    """Whether it is a reduced shape, and not a config.json."""
    return "provenance" in shape or not ({"architectures", "model_type"} & set(shape))


def expand(model: str, shape: Config) -> tuple[Config, tuple[str, ...]]:
    """(a config.json, the names of the facts in it that the shape does not say).

    Raises KeyError where neither the shape nor the id says the class.
    """
    family = _family(model, shape)
    said = {key: value for key, value in shape.items() if key not in _NOT_CONFIG}
    architecture = (said.pop("architectures", None) or [family.architecture])[0]
    model_type = said.pop("model_type", family.model_type)
    assumed = {key: value for key, value in family.facts.items() if key not in said}
    assumed |= _layers(shape, model_type)
    if model_type == "opt":
        assumed |= {"ffn_dim": said.get("intermediate_size"), "word_embed_proj_dim": said.get("hidden_size")}
    if model_type == "qwen":
        # Qwen 1 writes the width of gate and up together, and no KV heads: every head has its own.
        said["intermediate_size"] = 2 * said.get("intermediate_size", 0)
    if model_type == "kimi_k25":
        said.setdefault("moe_layer_freq", 1)
    assumed.setdefault("dtype", "bfloat16")
    text = {**assumed, **said}
    names = tuple(sorted(assumed))
    if "architectures" not in shape:
        names = ("architectures", *names)
    if family.text_type is None:
        return {"architectures": [architecture], "model_type": model_type, **text, **_towers(family, text)}, names
    tied = bool(text.get("tie_word_embeddings", False))
    config = {
        "architectures": [architecture],
        "model_type": model_type,
        "tie_word_embeddings": tied,
        "dtype": text["dtype"],
        "text_config": {**text, "model_type": family.text_type},
        **_towers(family, text),
    }
    return config, (*names, *sorted(family.towers))


def _family(model: str, shape: Config) -> Family:
    classes = shape.get("architectures")
    if classes:
        for family in FAMILIES:
            if family.architecture == classes[0]:
                return family
        return Family(classes[0], str(shape.get("model_type", "")), "", {})
    folded = model.lower()
    for family in FAMILIES:
        if re.search(family.pattern, folded):
            return family
    raise KeyError(model)


def _towers(family: Family, text: Config) -> Config:
    """The family's towers, their output as wide as this text model."""
    towers = {name: dict(value) if isinstance(value, dict) else value for name, value in family.towers.items()}
    vision = towers.get("vision_config")
    if isinstance(vision, dict) and "spatial_merge_size" in vision and family.model_type.startswith("qwen"):
        # Qwen 2 calls the width of the projector's output hidden_size, the later ones out_hidden_size.
        vision["hidden_size" if "embed_dim" in vision else "out_hidden_size"] = text.get("hidden_size")
    return towers


def _layers(shape: Config, model_type: str) -> Config:
    """layer_types where the shape counts full-attention layers, spread as these families do: the last of each run."""
    layers, full = shape.get("num_hidden_layers"), shape.get("full_attention_layers")
    if not layers or not full or full >= layers or "hybrid_override_pattern" in shape or model_type == "jamba":
        return {}
    other = "linear_attention" if shape.get("hybrid") or "linear_num_key_heads" in shape else "sliding_attention"
    if shape.get("attention_chunk_size"):
        other = "chunked_attention"
    period = layers // full
    if model_type == "gpt_oss" or "gemma2" in model_type:
        return {"layer_types": [other if index % 2 == 0 else "full_attention" for index in range(layers)]}
    kinds = ["full_attention" if (index + 1) % period == 0 else other for index in range(layers)]
    if kinds.count("full_attention") != full:  # a run at the end that is not whole
        kinds = ["full_attention" if (index + 1) % (-(-layers // full)) == 0 else other for index in range(layers)]
    return {"layer_types": kinds}

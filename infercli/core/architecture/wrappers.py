"""Models with an encoder: which class the decoder inside has, and which encoder stands before it.

The decoder's numbers stand in `text_config` (or at the top, in older families). What a publisher leaves out of it is
transformers' default of that model_type.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from infercli.core.architecture import (
    composed,
    compressed,
    encoders,
    glm5_next,
    inkling,
    kimi,
    ling,
    molmo,
    omni,
    readers,
    retrieval,
    sound,
    speech,
    step,
    tiled,
    viewers,
)
from infercli.core.architecture.fields import INCOMPLETE
from infercli.core.record import Json
from infercli.errors import Unsupported

_TEXT_KEYS = ("text_config", "llm_config", "language_config")


class Wrapper(NamedTuple):
    """A class with an encoder."""

    encoder: encoders.Encoder
    decoder: str | Callable[[Json], str] | None = None
    """The class of the decoder, or what reads it from config.json; None: what the decoder's own part says."""
    part: str = "vision_config"
    optional: bool = False
    """It may come without the encoder's config, and then has the published widths."""
    whole: bool = False
    """The encoder is described by all of config.json, not by one part of it."""
    inside: str | None = None
    """All of the model stands in this part (Qwen's omni models: the thinker)."""
    tied: bool | None = None
    """Whether lm_head is the embedding where config.json does not say it anywhere; None: as the decoder's class."""
    ties: Literal["top", "either", "text"] = "top"
    """Which `tie_word_embeddings` counts: the outermost that is there (vLLM 0.29 config/vllm.py with_hf_config), one
    that is true, wherever it stands, or the decoder's alone."""

    text: Callable[[Json], Json] | None = None
    """Says the decoder's config in the names of other classes."""
    pooling: bool = False
    """It compares what the decoder leaves of each token, and generates nothing; lm_head is held all the same."""


WRAPPERS: dict[str, Wrapper] = {
    "Qwen2VLForConditionalGeneration": Wrapper(encoders.qwen2_vl, "Qwen2ForCausalLM", ties="either"),
    "Qwen2_5_VLForConditionalGeneration": Wrapper(encoders.qwen2_5_vl, "Qwen2ForCausalLM", ties="either"),
    "OpenCUAForConditionalGeneration": Wrapper(encoders.qwen2_5_vl, "Qwen2ForCausalLM"),
    "Qwen3VLForConditionalGeneration": Wrapper(encoders.qwen3_vl, "Qwen3ForCausalLM"),
    "Cosmos3ForConditionalGeneration": Wrapper(encoders.qwen3_vl, "Qwen3ForCausalLM"),
    "Qwen3VLMoeForConditionalGeneration": Wrapper(encoders.qwen3_vl, "Qwen3MoeForCausalLM"),
    "Qwen3_5ForConditionalGeneration": Wrapper(encoders.qwen3_vl, "Qwen3_5ForCausalLM", ties="text"),
    "Qwen3_5MoeForConditionalGeneration": Wrapper(encoders.qwen3_vl, "Qwen3_5MoeForCausalLM", ties="text"),
    "Qwen4ExpForConditionalGeneration": Wrapper(encoders.qwen3_vl, "Qwen4ExpForCausalLM", ties="text"),
    "Qwen2AudioForConditionalGeneration": Wrapper(encoders.qwen2_audio, "Qwen2ForCausalLM", "audio_config"),
    "Gemma3ForConditionalGeneration": Wrapper(encoders.gemma3, "Gemma3ForCausalLM"),
    "Gemma3nForConditionalGeneration": Wrapper(sound.gemma3n, "Gemma3nForCausalLM", whole=True),
    "Gemma4ForConditionalGeneration": Wrapper(sound.gemma4, "Gemma4ForCausalLM", whole=True),
    "LightOnOCRForConditionalGeneration": Wrapper(encoders.mistral3, tied=True),
    "LlavaForConditionalGeneration": Wrapper(encoders.llava, ties="either"),
    "LlavaNextForConditionalGeneration": Wrapper(encoders.llava_next),
    "Mistral3ForConditionalGeneration": Wrapper(encoders.mistral3),
    "PixtralForConditionalGeneration": Wrapper(encoders.pixtral, encoders.pixtral_decoder),
    "Llama4ForConditionalGeneration": Wrapper(encoders.llama4, "Llama4ForCausalLM", optional=True),
    "KimiK25ForConditionalGeneration": Wrapper(encoders.kimi_k25, "DeepseekV3ForCausalLM"),
    "KimiK3ForConditionalGeneration": Wrapper(kimi.kimi_k3_encoder, "KimiLinearForCausalLM"),
    "InklingForConditionalGeneration": Wrapper(inkling.inkling_towers, "InklingForCausalLM", whole=True),
    "KimiVLForConditionalGeneration": Wrapper(encoders.kimi, "DeepseekV3ForCausalLM"),
    "Glm4vForConditionalGeneration": Wrapper(encoders.glm4v, "Glm4ForCausalLM", ties="either"),
    "Glm4vMoeForConditionalGeneration": Wrapper(encoders.glm4v, "Glm4MoeForCausalLM"),
    "Glm5NextForConditionalGeneration": Wrapper(glm5_next.encoder, "Glm5NextForCausalLM"),
    "InternVLChatModel": Wrapper(encoders.internvl),
    "InternVLForConditionalGeneration": Wrapper(encoders.interns1),
    "QianfanOCRForConditionalGeneration": Wrapper(encoders.qianfan),
    "MiniMaxM3SparseForConditionalGeneration": Wrapper(encoders.minimax_m3, "MiniMaxM3SparseForCausalLM"),
    "DotsOCRForCausalLM": Wrapper(encoders.dots, "Qwen2ForCausalLM"),
    "Qwen2_5OmniModel": Wrapper(omni.qwen2_5_omni, "Qwen2ForCausalLM", whole=True, inside="thinker_config"),
    "Qwen2_5OmniForConditionalGeneration": Wrapper(
        omni.qwen2_5_omni, "Qwen2ForCausalLM", whole=True, inside="thinker_config"
    ),
    "Qwen3OmniMoeForConditionalGeneration": Wrapper(
        omni.qwen3_omni, "Qwen3MoeForCausalLM", whole=True, inside="thinker_config"
    ),
    "Qwen3ASRForConditionalGeneration": Wrapper(
        omni.qwen3_audio, "Qwen3ForCausalLM", whole=True, inside="thinker_config"
    ),
    omni.MIMO: Wrapper(omni.mimo_v2, "MiMoV2FlashForCausalLM", whole=True, text=omni.mimo_text),
    "NemotronH_Nano_VL_V2": Wrapper(omni.nemotron, whole=True),
    "NemotronH_Nano_Omni_Reasoning_V3": Wrapper(omni.nemotron, whole=True),
    "NemotronH_Super_Omni_Reasoning_V3": Wrapper(omni.nemotron, whole=True),
    "NemotronH_Omni_Reasoning_V3": Wrapper(omni.nemotron, whole=True),
    "Idefics3ForConditionalGeneration": Wrapper(tiled.idefics3, "LlamaForCausalLM", whole=True, ties="text"),
    "SmolVLMForConditionalGeneration": Wrapper(tiled.idefics3, "LlamaForCausalLM", whole=True, ties="text"),
    "PaliGemmaForConditionalGeneration": Wrapper(tiled.paligemma, whole=True, tied=True),
    "LlavaOnevisionForConditionalGeneration": Wrapper(encoders.llava_onevision, ties="either"),
    "LlavaOnevision2ForConditionalGeneration": Wrapper(encoders.llava_onevision2, "Qwen3ForCausalLM"),
    "BeeForConditionalGeneration": Wrapper(encoders.bee),
    "RForConditionalGeneration": Wrapper(encoders.r_vl),
    "LlavaNextVideoForConditionalGeneration": Wrapper(encoders.llava_next_video, ties="either"),
    "MiniCPMV": Wrapper(tiled.minicpm_v, tiled.minicpm_decoder, whole=True),
    "MiniCPMO": Wrapper(tiled.minicpm_o, tiled.minicpm_decoder, whole=True),
    "MiniCPMV4_7ForConditionalGeneration": Wrapper(tiled.minicpm_v4_7, "Qwen3_5ForCausalLM", whole=True, ties="text"),
    "MiniCPMV4_6ForConditionalGeneration": Wrapper(tiled.minicpm_v4_6, "Qwen3_5ForCausalLM", whole=True, ties="text"),
    "InternS1ForConditionalGeneration": Wrapper(encoders.interns1),
    "PaddleOCRVLForConditionalGeneration": Wrapper(
        tiled.paddle_ocr, "Ernie4_5ForCausalLM", whole=True, tied=True, ties="either"
    ),
    "KeyeForConditionalGeneration": Wrapper(tiled.keye, "Qwen3ForCausalLM", whole=True),
    "KeyeVL1_5ForConditionalGeneration": Wrapper(tiled.keye_1_5, "Qwen3ForCausalLM", whole=True),
    "Cohere2VisionForConditionalGeneration": Wrapper(tiled.cohere2, "Cohere2ForCausalLM", whole=True, tied=True),
    "Ovis2_5": Wrapper(tiled.ovis2_5, whole=True),
    "Ovis2_6ForCausalLM": Wrapper(tiled.ovis2_5, whole=True),
    "Ovis2_6_MoeForCausalLM": Wrapper(tiled.ovis2_5, whole=True),
    "Phi3VForCausalLM": Wrapper(tiled.phi3_v, "Phi3ForCausalLM", whole=True),
    "GlmOcrForConditionalGeneration": Wrapper(
        readers.glm_ocr, "Glm4ForCausalLM", whole=True, tied=False, ties="either"
    ),
    "DeepseekOCRForCausalLM": Wrapper(readers.deepseek_ocr, readers.deepseek_decoder, whole=True),
    "UnlimitedOCRForCausalLM": Wrapper(readers.deepseek_ocr, readers.deepseek_decoder, whole=True),
    "VoxtralForConditionalGeneration": Wrapper(sound.voxtral, whole=True),
    "GraniteSpeechForConditionalGeneration": Wrapper(sound.granite_speech, whole=True, tied=True),
    "DeepseekOCR2ForCausalLM": Wrapper(readers.deepseek_ocr2, readers.deepseek_decoder, whole=True),
    "GLM4VForCausalLM": Wrapper(readers.glm4v, "ChatGLMModel", whole=True),
    "Phi4MMForCausalLM": Wrapper(omni.phi4_mm, "Phi3ForCausalLM", whole=True),
    "AriaForConditionalGeneration": Wrapper(composed.aria, "DeepseekForCausalLM", whole=True),
    "AyaVisionForConditionalGeneration": Wrapper(tiled.aya, tiled.aya_decoder, whole=True, tied=True),
    "DeepseekVLV2ForCausalLM": Wrapper(
        readers.deepseek_vl2, readers.deepseek_decoder, whole=True, text=readers.deepseek_vl2_text
    ),
    "Exaone4_5_ForConditionalGeneration": Wrapper(composed.exaone4_5, "Exaone4ForCausalLM", whole=True),
    "H2OVLChatModel": Wrapper(encoders.internvl),
    "BailingMoeV3VLForConditionalGeneration": Wrapper(ling.bailing_eyes, "BailingMoeV3ForCausalLM", whole=True),
    "Lfm2VlForConditionalGeneration": Wrapper(tiled.lfm2_vl, tiled.lfm2_decoder, whole=True),
    "Llama_Nemotron_Nano_VL": Wrapper(composed.nemotron_nano, whole=True),
    "NVLM_D": Wrapper(composed.nvlm_d, whole=True),
    "Ovis": Wrapper(composed.ovis, whole=True),
    "AudioFlamingo3ForConditionalGeneration": Wrapper(sound.audio_flamingo3, "Qwen2ForCausalLM", whole=True),
    "Blip2ForConditionalGeneration": Wrapper(composed.blip2, whole=True),
    "Eagle2_5_VLForConditionalGeneration": Wrapper(composed.eagle2_5, whole=True),
    "GlmAsrForConditionalGeneration": Wrapper(sound.glm_asr, "LlamaForCausalLM", whole=True),
    "Granite4VisionForConditionalGeneration": Wrapper(composed.granite4_vision, "GraniteForCausalLM", whole=True),
    "GraniteSpeechPlusForConditionalGeneration": Wrapper(sound.granite_speech, whole=True, tied=True),
    "InternS2PreviewForConditionalGeneration": Wrapper(encoders.qwen3_vl, "Qwen3_5MoeForCausalLM", ties="text"),
    "Phi4ForCausalLMV": Wrapper(tiled.phi4_siglip, "Phi3ForCausalLM", whole=True),
    "Qwen3ASRRealtimeGeneration": Wrapper(omni.qwen3_audio, "Qwen3ForCausalLM", whole=True, inside="thinker_config"),
    "Qwen3ASRForcedAlignerForTokenClassification": Wrapper(
        omni.qwen3_aligner, "Qwen3Model", whole=True, inside="thinker_config", pooling=True
    ),
    "Phi4MultimodalForCausalLM": Wrapper(omni.phi4_multimodal, "Phi3ForCausalLM", whole=True),
    "MoonshotKimiaForCausalLM": Wrapper(sound.kimi_audio, "Qwen2ForCausalLM", whole=True),
    "UltravoxModel": Wrapper(sound.ultravox, whole=True),
    "ColPaliForRetrieval": Wrapper(retrieval.colpali, whole=True, inside="vlm_config", tied=True, pooling=True),
    "ColQwen3": Wrapper(retrieval.colqwen3, "Qwen3ForCausalLM", whole=True, pooling=True),
    "ColQwen3_5": Wrapper(retrieval.colqwen3, "Qwen3_5ForCausalLM", whole=True, ties="text", pooling=True),
    "OpsColQwen3Model": Wrapper(retrieval.colqwen3, "Qwen3ForCausalLM", whole=True, pooling=True),
    "Qwen3VLNemotronEmbedModel": Wrapper(retrieval.colqwen3, "Qwen3ForCausalLM", whole=True, pooling=True),
    "LlamaNemotronVLModel": Wrapper(retrieval.nemotron, "LlamaBidirectionalModel", whole=True, pooling=True),
    "LlamaNemotronVLForSequenceClassification": Wrapper(
        retrieval.nemotron_reranker, "LlamaBidirectionalForSequenceClassification", whole=True, pooling=True
    ),
    "JinaVLForRanking": Wrapper(retrieval.jina_vl, "Qwen2ForCausalLM", whole=True, ties="either", pooling=True),
    "HCXVisionV2ForCausalLM": Wrapper(composed.hyperclova_x, whole=True),
    "OpenVLAForActionPrediction": Wrapper(composed.openvla, "LlamaForCausalLM", whole=True),
    "HunYuanVLForConditionalGeneration": Wrapper(composed.hunyuan, "HunYuanDenseV1ForCausalLM", whole=True),
    "InternS1ProForConditionalGeneration": Wrapper(
        composed.intern_s1_pro, "Qwen3MoeForCausalLM", whole=True, ties="text"
    ),
    "FuyuForCausalLM": Wrapper(composed.fuyu, "PersimmonForCausalLM", whole=True),
    "Step3VLForConditionalGeneration": Wrapper(step.step3_vl, "Step3TextForCausalLM", whole=True),
    "Tarsier2ForConditionalGeneration": Wrapper(encoders.qwen2_vl, "Qwen2ForCausalLM", ties="either"),
    "TarsierForConditionalGeneration": Wrapper(encoders.llava, ties="either"),
    "QwenVLForConditionalGeneration": Wrapper(composed.qwen_vl, "QWenLMHeadModel", "visual"),
    "SkyworkR1VChatModel": Wrapper(encoders.internvl),
    "Step3p7ForConditionalGeneration": Wrapper(step.step_vl, whole=True),
    "StepVLForConditionalGeneration": Wrapper(step.step_vl, whole=True),
    "MolmoForCausalLM": Wrapper(molmo.molmo, molmo.molmo_decoder, whole=True, text=molmo.molmo_text),
    "Molmo2ForConditionalGeneration": Wrapper(molmo.molmo2, molmo.molmo2_decoder, whole=True, text=molmo.molmo2_text),
    compressed.V4_VISION: Wrapper(compressed.v4_encoder, compressed.V4, whole=True, text=compressed.v4_text),
    "IsaacForConditionalGeneration": Wrapper(viewers.isaac, "Qwen3ForCausalLM", whole=True),
    "BagelForConditionalGeneration": Wrapper(viewers.bagel, "Qwen2ForCausalLM", whole=True),
    "Cosmos3EdgeForConditionalGeneration": Wrapper(
        viewers.cosmos3_edge, "NemotronHForCausalLM", whole=True, text=viewers.cosmos3_edge_text
    ),
    "OpenPanguVLForConditionalGeneration": Wrapper(viewers.open_pangu, "PanguEmbeddedForCausalLM", whole=True),
    "FunASRForConditionalGeneration": Wrapper(speech.fun_asr, "Qwen3ForCausalLM", whole=True),
    "FunAudioChatForConditionalGeneration": Wrapper(speech.fun_audio_chat, whole=True),
    "FireRedASR2ForConditionalGeneration": Wrapper(speech.fire_red, "Qwen2ForCausalLM", whole=True),
    "MossTranscribeDiarizeForConditionalGeneration": Wrapper(
        speech.moss_transcribe, "Qwen3ForCausalLM", whole=True, tied=True
    ),
    "MiDashengLMModel": Wrapper(speech.mi_dasheng, "Qwen2ForCausalLM", whole=True),
    "HCXVisionForCausalLM": Wrapper(viewers.hcx_vision, whole=True, ties="text"),
    "MiniMaxVL01ForConditionalGeneration": Wrapper(encoders.minimax_vl),
    "MantisForConditionalGeneration": Wrapper(encoders.llava, ties="either"),
    "MusicFlamingoForConditionalGeneration": Wrapper(sound.audio_flamingo3, "Qwen2ForCausalLM", whole=True),
    "EmbeddingGemma2Model": Wrapper(sound.embedding_gemma2, "EmbeddingGemma2TextModel", whole=True),
    "KananaVForConditionalGeneration": Wrapper(viewers.kanana, "LlamaForCausalLM", whole=True),
    "ColModernVBertForRetrieval": Wrapper(
        viewers.col_modern_vbert, "ModernBertModel", whole=True, text=viewers.col_modern_vbert_text, pooling=True
    ),
    "MossAudioModel": Wrapper(speech.moss_audio, "Qwen3ForCausalLM", whole=True),
    "Gemma4UnifiedForConditionalGeneration": Wrapper(readers.gemma4_unified, "Gemma4ForCausalLM", whole=True),
}

_DECODERS = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "ministral3": "Ministral3ForCausalLM",
    "mistral4": "DeepseekV3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "internlm2": "InternLM2ForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "hyperclovax": "HyperCLOVAXForCausalLM",
    "granite": "GraniteForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "nemotron_h": "NemotronHForCausalLM",
    "step3p5": "Step3p5ForCausalLM",
    "minimax_text_01": "MiniMaxText01ForCausalLM",
    "opt": "OPTForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
}
"""model_type -> class."""

_DEFAULTS: dict[str, Json] = {
    "llama": {
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "max_position_embeddings": 2048,
    },
    "mistral": {
        "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 8, "max_position_embeddings": 131072, "sliding_window": None,
    },
    "gemma": {
        "vocab_size": 256000, "hidden_size": 3072, "intermediate_size": 24576, "num_hidden_layers": 28,
        "num_attention_heads": 16, "num_key_value_heads": 16, "max_position_embeddings": 8192,
    },
    "gemma2": {
        "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
        "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 8192,
    },
    "gemma3_text": {
        "vocab_size": 262208, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256,
        "max_position_embeddings": 131072, "sliding_window": 4096,
    },
    "qwen2_audio": {
        "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 32, "max_position_embeddings": 8192, "vocab_size": 156032,
    },
}  # fmt: skip
"""What transformers takes where a text_config is silent (models/*/configuration_*.py). `mistral`: LLaVA-NeXT's."""

_OF_THE_ENCODER = ("spatial_merge_size", "vision_feature_layer", "multimodal_projector_bias")
"""Keys that say something of the encoder and stand at the top (Mistral 3, LLaVA)."""

_INHERITED = ("torch_dtype", "dtype", "mtp_config")
"""Keys that publishers write at the top only."""


def decoder_config(name: str, config: Json) -> Json:
    """The config of the decoder inside, with its class. Raises Unsupported where it does not say which that is."""
    wrapper, top = WRAPPERS[name], config
    if wrapper.inside is not None:
        config = _inside(config, wrapper.inside)
    text = next((config[k] for k in _TEXT_KEYS if isinstance(config.get(k), dict)), None)
    found: Json = dict(config if text is None else text)
    kind = str(found.get("model_type") or "")
    if name == "Qwen2AudioForConditionalGeneration":
        kind = "qwen2_audio"
    found = dict(_DEFAULTS.get(kind, {})) | found
    for key in _INHERITED:
        said = next((c[key] for c in (found, config, top) if c.get(key) is not None), None)
        if said is not None:
            found[key] = said
    said = [c["tie_word_embeddings"] for c in (top, config, found) if c.get("tie_word_embeddings") is not None]
    if wrapper.ties == "either":
        found["tie_word_embeddings"] = any(said) if said else wrapper.tied
    elif wrapper.ties == "top":
        found["tie_word_embeddings"] = said[0] if said else wrapper.tied
    inside = None if text is None else next(iter(found.get("architectures") or ()), None)
    named = wrapper.decoder(config) if callable(wrapper.decoder) else wrapper.decoder
    inner = named or inside or _DECODERS.get(kind)
    if inner is None or inner in WRAPPERS:
        raise Unsupported(
            f"config.json: text_config.model_type: {name} with a decoder of type `{kind}` cannot be planned yet",
            "to teach it: core/architecture/wrappers.py",
        )
    if wrapper.text is not None:
        found = wrapper.text(found)
    return found | {"architectures": [inner]}


def encoder_config(name: str, config: Json) -> Json:
    """What config.json says of the encoder. Raises Unsupported where it is missing."""
    wrapper = WRAPPERS[name]
    if wrapper.inside is not None:
        config = _inside(config, wrapper.inside)
    if wrapper.whole:
        return config
    part = config.get(wrapper.part)
    if isinstance(part, dict) and part:
        return {key: config[key] for key in _OF_THE_ENCODER if config.get(key) is not None} | part
    if wrapper.optional:
        return {}
    raise Unsupported(f"config.json: {wrapper.part}: missing, and {name} has an encoder", INCOMPLETE)


def _inside(config: Json, key: str) -> Json:
    if isinstance(config.get(key), dict):
        return config[key]
    raise Unsupported(f"config.json: {key}: missing, and it describes the model", INCOMPLETE)

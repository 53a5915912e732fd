"""Which versions of vLLM have a model class: one that has not refuses it, or runs it through transformers.

The one thing to know: a release between two that were read is given the benefit of the doubt, and so is everything
older than 0.8 but what 0.8 lacks. Read: model_executor/models/registry.py of 0.8.0, 0.8.1, 0.8.5, 0.9.0, 0.9.2, 0.10.0,
0.10.2, 0.11.0 to 0.14.0, 0.15.1 to 0.18.1, 0.19.1, 0.20.0, 0.21.0, 0.22.1, 0.23.0, 0.24.0, 0.25.1, 0.26.0, 0.27.1,
0.28.0 to 0.33.0.
"""

from __future__ import annotations

from infercli.core.architecture.arch import Attention, LatentAttention, ModelArch, mixers
from infercli.core.engines.facts import EngineFacts
from infercli.core.engines.versions import NEWEST

_LACKING: dict[tuple[int, int, int], tuple[str, ...]] = {
    (0, 8, 1): (
        "AyaVisionForConditionalGeneration", "ChatGLMForConditionalGeneration", "Glm4ForCausalLM",
        "GraniteSpeechForConditionalGeneration", "KimiVLForConditionalGeneration", "Llama4ForConditionalGeneration",
        "Mistral3ForConditionalGeneration", "ModernBertForSequenceClassification", "Qwen2_5OmniModel",
        "Qwen3ForCausalLM", "Qwen3MoeForCausalLM", "SkyworkR1VChatModel", "SmolVLMForConditionalGeneration",
        "TeleFLMForCausalLM",
    ),
    (0, 8, 5): (
        "FalconH1ForCausalLM", "GPT2ForSequenceClassification", "GraniteMoeHybridForCausalLM", "GteNewModel",
        "HunYuanMoEV1ForCausalLM", "MiMoForCausalLM", "MiniMaxVL01ForConditionalGeneration", "ModernBertModel", "Ovis",
        "Qwen2_5OmniForConditionalGeneration",
    ),
    (0, 9, 0): (
        "Dots1ForCausalLM", "Ernie4_5_MoeForCausalLM", "Gemma3nForConditionalGeneration",
        "Glm4vForConditionalGeneration", "KeyeForConditionalGeneration", "MiniMaxM1ForCausalLM", "NemotronHForCausalLM",
        "Tarsier2ForConditionalGeneration", "TarsierForConditionalGeneration",
    ),
    (0, 9, 2): (
        "ArceeForCausalLM", "BailingMoeForCausalLM", "Exaone4ForCausalLM", "Glm4MoeForCausalLM",
        "GteNewForSequenceClassification", "HunYuanDenseV1ForCausalLM", "JinaVLForRanking", "Llama_Nemotron_Nano_VL",
        "MiniMaxForCausalLM", "Step3TextForCausalLM", "VoxtralForConditionalGeneration",
    ),
    (0, 10, 0): (
        "ApertusForCausalLM", "Cohere2VisionForConditionalGeneration", "Ernie4_5ForCausalLM",
        "Ernie4_5_VLMoeForConditionalGeneration", "Gemma3TextModel", "Gemma3nForCausalLM",
        "Glm4vMoeForConditionalGeneration", "GptOssForCausalLM", "HCXVisionForCausalLM",
        "InternS1ForConditionalGeneration", "InternVLForConditionalGeneration", "KeyeVL1_5ForConditionalGeneration",
        "Lfm2ForCausalLM", "Llama4ForCausalLM", "MiDashengLMModel", "Ovis2_5", "Phi4MultimodalForCausalLM",
        "Qwen3NextForCausalLM", "RForConditionalGeneration", "SeedOssForCausalLM", "SmolLM3ForCausalLM",
        "Step3VLForConditionalGeneration",
    ),
    (0, 10, 2): (
        "BailingMoeV2ForCausalLM", "BertForTokenClassification", "BertSpladeSparseEmbeddingModel", "CwmForCausalLM",
        "DeepseekV32ForCausalLM", "DotsOCRForCausalLM", "LongcatFlashForCausalLM", "ModernBertForTokenClassification",
        "NemotronH_Nano_VL_V2", "Olmo3ForCausalLM", "OuroForCausalLM", "Qwen3VLForConditionalGeneration",
        "Qwen3VLMoeForConditionalGeneration",
    ),
    (0, 11, 0): (
        "AfmoeForCausalLM", "BeeForConditionalGeneration", "CLIPModel", "DeepseekOCRForCausalLM", "FlexOlmoForCausalLM",
        "HunYuanVLForConditionalGeneration", "KimiLinearForCausalLM", "Lfm2MoeForCausalLM",
        "LightOnOCRForConditionalGeneration", "MiniMaxM2ForCausalLM", "MistralLarge3ForCausalLM",
        "PaddleOCRVLForConditionalGeneration", "PanguEmbeddedForCausalLM", "PanguUltraMoEForCausalLM",
        "Qwen3OmniMoeForConditionalGeneration", "SiglipModel",
    ),
    (0, 11, 2): (
        "OpenCUAForConditionalGeneration", "Plamo3ForCausalLM", "TeleChatForCausalLM",
    ),
    (0, 12, 0): (
        "AudioFlamingo3ForConditionalGeneration", "BagelForConditionalGeneration", "Jais2ForCausalLM",
    ),
    (0, 13, 0): (
        "BgeM3EmbeddingModel", "GlmAsrForConditionalGeneration", "Grok1ForCausalLM", "IQuestCoderForCausalLM",
        "IQuestLoopCoderForCausalLM", "IsaacForConditionalGeneration", "KananaVForConditionalGeneration",
        "Lfm2VlForConditionalGeneration", "LlamaBidirectionalForSequenceClassification", "LlamaBidirectionalModel",
        "MiMoV2FlashForCausalLM", "PanguProMoEV2ForCausalLM",
    ),
    (0, 14, 0): (
        "DeepseekOCR2ForCausalLM", "Eagle2_5_VLForConditionalGeneration", "FunAudioChatForConditionalGeneration",
        "Glm4MoeLiteForCausalLM", "GlmMoeDsaForCausalLM", "GlmOcrForConditionalGeneration",
        "InternS1ProForConditionalGeneration", "KimiK25ForConditionalGeneration", "Molmo2ForConditionalGeneration",
        "MusicFlamingoForConditionalGeneration", "OpenPanguVLForConditionalGeneration",
        "Qwen3ASRForConditionalGeneration", "Step1ForCausalLM", "Step3p5ForCausalLM", "StepVLForConditionalGeneration",
        "VoxtralRealtimeForConditionalGeneration", "VoxtralRealtimeGeneration",
    ),
    (0, 15, 1): (
        "HF_ColBERT", "NemotronHPuzzleForCausalLM", "VoyageQwen3BidirectionalEmbedModel",
    ),
    (0, 16, 0): (
        "AXK1ForCausalLM", "ColBERTJinaRobertaModel", "ColBERTModernBertModel", "ColModernVBertForRetrieval",
        "ColQwen3", "FireRedASR2ForConditionalGeneration", "FunASRForConditionalGeneration",
        "LlamaNemotronVLForSequenceClassification", "LlamaNemotronVLModel", "OpsColQwen3Model", "Ovis2_6ForCausalLM",
        "Ovis2_6_MoeForCausalLM", "Qwen3ASRRealtimeGeneration", "Qwen3VLNemotronEmbedModel",
        "Qwen3_5ForConditionalGeneration", "Qwen3_5MoeForConditionalGeneration",
    ),
    (0, 17, 0): (
        "BailingMoeV2_5ForCausalLM", "ColPaliForRetrieval", "ErnieForSequenceClassification",
        "ErnieForTokenClassification", "ErnieModel", "HCXVisionV2ForCausalLM", "HyperCLOVAXForCausalLM",
        "MoonshotKimiaForCausalLM", "OlmoHybridForCausalLM", "SarvamMLAForCausalLM", "SarvamMoEForCausalLM",
    ),
    (0, 18, 0): (
        "ColQwen3_5", "Gemma4ForCausalLM", "Gemma4ForConditionalGeneration",
    ),
    (0, 18, 1): (
        "CohereAsrForConditionalGeneration", "ColBERTLfm2Model", "JinaEmbeddingsV5Model", "JinaForRanking",
        "Qwen3ASRForcedAlignerForTokenClassification",
    ),
    (0, 19, 1): (
        "DeepseekV4ForCausalLM", "Exaone4_5_ForConditionalGeneration", "Granite4VisionForConditionalGeneration",
        "HYV3ForCausalLM", "Ministral3ForCausalLM", "NemotronH_Nano_Omni_Reasoning_V3",
        "NemotronH_Super_Omni_Reasoning_V3", "Param2MoEForCausalLM", "Phi4ForCausalLMV", "Rnj1ForCausalLM",
        "TeleChat3ForCausalLM",
    ),
    (0, 20, 0): (
        "Cohere2MoeForCausalLM", "HfMoondream", "LagunaForCausalLM", "MiMoV2ForCausalLM", "MiMoV2OmniForCausalLM",
        "Moondream3ForCausalLM", "QianfanOCRForConditionalGeneration",
    ),
    (0, 21, 0): (
        "InternS2PreviewForConditionalGeneration", "MellumForCausalLM", "MiniCPMV4_6ForConditionalGeneration",
        "OpenVLAForActionPrediction",
    ),
    (0, 22, 1): (
        "Cosmos3ForConditionalGeneration", "Gemma4UnifiedForConditionalGeneration",
        "GraniteSpeechPlusForConditionalGeneration", "HrmTextForCausalLM", "Step3p7ForConditionalGeneration",
    ),
    (0, 23, 0): (
        "MiniMaxM3SparseForCausalLM", "MiniMaxM3SparseForConditionalGeneration", "MossAudioModel",
    ),
    (0, 24, 0): (
        "LlavaOnevision2ForConditionalGeneration", "MossTranscribeDiarizeForConditionalGeneration",
        "OpenAIPrivacyFilterForTokenClassification", "UnlimitedOCRForCausalLM",
    ),
    (0, 25, 1): (
        "BertForMaskedLM", "Cosmos3EdgeForConditionalGeneration", "InklingForCausalLM",
        "InklingForConditionalGeneration", "LongcatFlashNgramForCausalLM", "RobertaForTokenClassification",
        "XLMRobertaForTokenClassification",
    ),
    (0, 26, 0): (
        "ExaoneMoeForCausalLM", "KimiK3ForConditionalGeneration", "Qwen3_5ForCausalLM", "Qwen3_5MoeForCausalLM",
        "VaultGemmaForCausalLM",
    ),
    (0, 27, 0): (
        "BailingMoeV3ForCausalLM", "HYV4ForCausalLM", "MuseGlimmerForCausalLM", "MuseGlimmerForConditionalGeneration",
    ),
    (0, 28, 0): (
        "GraniteMoeSWAForCausalLM", "GraniteSWAForCausalLM", "NemotronH_Omni_Reasoning_V3", "Qwen4ExpForCausalLM",
        "Qwen4ExpForConditionalGeneration",
    ),
    (0, 29, 0): (
        "BailingMoeV3VLForConditionalGeneration", "DeepseekV41ForCausalLM", "DeepseekV4ForConditionalGeneration",
        "Glm5NextForCausalLM", "Glm5NextForConditionalGeneration", "K2HorizonForCausalLM",
    ),
    (0, 31, 0): (
        "EmbeddingGemma2Model", "ExaoneMoEForCausalLM", "MiniCPMV4_7ForConditionalGeneration",
    ),
    (0, 32, 0): (
        "AliceAIForCausalLM", "BeamForCausalLM", "DomynEdgeForCausalLM", "DoryForCausalLM",
        "MuseSparkForConditionalGeneration",
    ),
}  # fmt: skip
"""The newest release that was read and lacks these classes."""
ABSENT = {name: last for last, names in _LACKING.items() for name in names}
"""Class -> that release."""

_DROPPED: dict[str, tuple[tuple[int, int, int], str]] = {
    **dict.fromkeys((
        "InternLMForCausalLM", "MiniMaxForCausalLM", "MiniMaxM1ForCausalLM", "MiniMaxText01ForCausalLM",
        "MiniMaxVL01ForConditionalGeneration",
        "QWenLMHeadModel", "QwenVLForConditionalGeneration", "XverseForCausalLM",
    ), ((0, 24, 0), "0.23.0")),
    **dict.fromkeys((
        "AquilaForCausalLM", "BaiChuanForCausalLM", "BaichuanForCausalLM", "Grok1ForCausalLM", "Grok1ModelForCausalLM",
        "MantisForConditionalGeneration",
        "Tarsier2ForConditionalGeneration", "TarsierForConditionalGeneration",
    ), ((0, 25, 1), "0.24.0")),
    "Phi3SmallForCausalLM": ((0, 10, 0), "0.9.2"),
    "MllamaForConditionalGeneration": ((0, 11, 0), "0.10.2"),
    "JAISLMHeadModel": ((0, 23, 0), "0.22.1"),
    "TeleChatForCausalLM": ((0, 26, 0), "0.25.1"),
    **dict.fromkeys(("OuroForCausalLM", "Plamo2ForCausalLM"), ((0, 27, 0), "0.26.0")),
    **dict.fromkeys((
        "ArcticForCausalLM", "GritLM", "HCXVisionForCausalLM", "MPTForCausalLM", "RWForCausalLM",
        "StableLMEpochForCausalLM",
    ), ((0, 29, 0), "0.28.0")),
}  # fmt: skip
"""Class -> (the first release that was read and lacks it again, the last that has it). Only names that transformers has
not either: others may run through it (0.29 registry.py _PREVIOUSLY_SUPPORTED_MODELS, _try_resolve_transformers)."""


def missing_class(arch: ModelArch, facts: EngineFacts) -> tuple[str, str] | None:
    """(that this version has no such class, nor anything else that runs it; what to do). None where it has, or may."""
    name = arch.architecture
    if name in _DROPPED and not facts.between_releases and facts.number >= _DROPPED[name][0]:
        last = _DROPPED[name][1]
        return f"vLLM {facts.version} does not have {name} any more: {last} was the last", f"choose vLLM {last}"
    if _is_absent(arch, facts) and not _through_transformers(arch):
        last = _text(ABSENT[name])
        what = f"vLLM {facts.version} does not have {name} yet: {last} still lacks it"
        has = _DROPPED[name][1] if name in _DROPPED else _text(NEWEST)
        return what, f"vLLM {has} has it: `infercli estimate --engine-version {has}`"
    return None


def doubtful_class(arch: ModelArch, facts: EngineFacts) -> str | None:
    """That this version has no such class, and may run it through transformers; None where it has it."""
    if not _is_absent(arch, facts):
        return None
    return f"vLLM {facts.version} does not have {arch.architecture}, and runs it through transformers, if at all"


def _is_absent(arch: ModelArch, facts: EngineFacts) -> bool:
    return not facts.between_releases and facts.number <= ABSENT.get(arch.architecture, (0, 0, 0))


def _through_transformers(arch: ModelArch) -> bool:
    """Whether vLLM's wrapper around transformers could: it knows one kind of attention, and no states.

    model_executor/models/transformers.py, since 0.12 transformers/base.py.
    """
    kinds = mixers(arch)
    plain = [m for m in kinds if isinstance(m, Attention)]
    if len(plain) + sum(isinstance(m, LatentAttention) for m in kinds) < len(kinds):
        return False
    if any(m.indexer is not None for m in kinds if isinstance(m, Attention | LatentAttention)):
        return False
    if any(m.convolved is not None for m in plain):
        return False
    return not any(m.sinks for m in plain) and len({m.head_dim for m in plain}) < 2


def _text(number: tuple[int, ...]) -> str:
    return ".".join(map(str, number))

"""Which model classes are taught from vLLM's source alone: nothing real was there to check the rules against.

The one thing to know: such a class is answered, and never said to fit. A config.json may name a feature that the source
loads and the rules do not know; where the files of a pinned checkpoint hold what was counted, that doubt is gone.
"""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch

UNSEEN = frozenset({
    "AXK1ForCausalLM", "AliceAIForCausalLM", "ApertusForCausalLM", "AquilaForCausalLM", "ArceeForCausalLM",
    "ArcticForCausalLM", "AriaForConditionalGeneration", "AudioFlamingo3ForConditionalGeneration",
    "AyaVisionForConditionalGeneration", "BagelForConditionalGeneration", "BaiChuanForCausalLM", "BaichuanForCausalLM",
    "BailingMoeForCausalLM", "BailingMoeV2ForCausalLM", "BailingMoeV3VLForConditionalGeneration", "BambaForCausalLM",
    "BeamForCausalLM", "BeeForConditionalGeneration", "BertForMaskedLM", "BertForSequenceClassification",
    "BertForTokenClassification", "BertModel", "BertSpladeSparseEmbeddingModel", "BgeM3EmbeddingModel",
    "Blip2ForConditionalGeneration", "BloomForCausalLM", "CLIPModel", "ChameleonForConditionalGeneration",
    "ChatGLMForConditionalGeneration", "ChatGLMModel", "Cohere2ForCausalLM", "Cohere2MoeForCausalLM",
    "Cohere2VisionForConditionalGeneration", "CohereForCausalLM", "ColBERTJinaRobertaModel", "ColBERTLfm2Model",
    "ColBERTModernBertModel", "ColModernVBertForRetrieval", "ColPaliForRetrieval", "ColQwen3", "ColQwen3_5",
    "Cosmos3EdgeForConditionalGeneration", "Cosmos3ForConditionalGeneration", "CwmForCausalLM", "DbrxForCausalLM",
    "DeepseekOCR2ForCausalLM", "DeepseekVLV2ForCausalLM", "DomynEdgeForCausalLM", "DoryForCausalLM", "Dots1ForCausalLM",
    "DotsOCRForCausalLM", "Eagle2_5_VLForConditionalGeneration", "EmbeddingGemma2Model", "Ernie4_5ForCausalLM",
    "Ernie4_5_MoeForCausalLM", "Ernie4_5_VLMoeForConditionalGeneration", "ErnieForSequenceClassification",
    "ErnieForTokenClassification", "ErnieModel", "Exaone4ForCausalLM", "Exaone4_5_ForConditionalGeneration",
    "ExaoneForCausalLM", "ExaoneMoEForCausalLM", "ExaoneMoeForCausalLM", "FalconForCausalLM", "FalconH1ForCausalLM",
    "FalconMambaForCausalLM", "FireRedASR2ForConditionalGeneration", "FlexOlmoForCausalLM",
    "FunASRForConditionalGeneration", "FunAudioChatForConditionalGeneration", "FuyuForCausalLM", "GLM4VForCausalLM",
    "GPT2ForSequenceClassification", "GPT2LMHeadModel", "GPTBigCodeForCausalLM", "GPTJForCausalLM",
    "GPTNeoXForCausalLM", "Gemma3nForCausalLM", "Gemma3nForConditionalGeneration", "Glm4ForCausalLM",
    "Glm4vForConditionalGeneration", "GlmAsrForConditionalGeneration", "GlmForCausalLM",
    "GlmOcrForConditionalGeneration", "Granite4VisionForConditionalGeneration", "GraniteMoeForCausalLM",
    "GraniteMoeSWAForCausalLM", "GraniteMoeSharedForCausalLM", "GraniteSWAForCausalLM",
    "GraniteSpeechForConditionalGeneration", "GraniteSpeechPlusForConditionalGeneration", "GritLM", "Grok1ForCausalLM",
    "Grok1ModelForCausalLM", "GteModel", "GteNewForSequenceClassification", "GteNewModel", "H2OVLChatModel",
    "HCXVisionForCausalLM", "HCXVisionV2ForCausalLM", "HF_ColBERT", "HYV4ForCausalLM", "HfMoondream",
    "HrmTextForCausalLM", "HunYuanDenseV1ForCausalLM", "HunYuanMoEV1ForCausalLM", "HunYuanVLForConditionalGeneration",
    "HyperCLOVAXForCausalLM", "IQuestCoderForCausalLM", "IQuestLoopCoderForCausalLM",
    "Idefics3ForConditionalGeneration", "InternLM2ForCausalLM", "InternLM3ForCausalLM", "InternLMForCausalLM",
    "InternS1ForConditionalGeneration", "InternS1ProForConditionalGeneration",
    "InternS2PreviewForConditionalGeneration", "InternVLChatModel", "InternVLForConditionalGeneration",
    "IsaacForConditionalGeneration", "JAISLMHeadModel", "Jais2ForCausalLM", "JambaForCausalLM", "JinaEmbeddingsV5Model",
    "JinaForRanking", "JinaVLForRanking", "KananaVForConditionalGeneration", "KeyeForConditionalGeneration",
    "KeyeVL1_5ForConditionalGeneration", "KimiVLForConditionalGeneration", "Lfm2VlForConditionalGeneration",
    "LightOnOCRForConditionalGeneration", "LlamaBidirectionalForSequenceClassification",
    "LlamaNemotronVLForSequenceClassification", "LlamaNemotronVLModel", "Llama_Nemotron_Nano_VL",
    "LlavaNextForConditionalGeneration", "LlavaNextVideoForConditionalGeneration",
    "LlavaOnevision2ForConditionalGeneration", "LlavaOnevisionForConditionalGeneration", "LongcatFlashForCausalLM",
    "LongcatFlashNgramForCausalLM", "MPTForCausalLM", "Mamba2ForCausalLM", "MambaForCausalLM",
    "MantisForConditionalGeneration", "MiDashengLMModel", "MiMoV2OmniForCausalLM", "MiniCPM3ForCausalLM",
    "MiniCPMForCausalLM", "MiniCPMO", "MiniCPMV", "MiniCPMV4_6ForConditionalGeneration",
    "MiniCPMV4_7ForConditionalGeneration", "MiniMaxForCausalLM", "MiniMaxM1ForCausalLM", "MiniMaxText01ForCausalLM",
    "MiniMaxVL01ForConditionalGeneration", "Ministral3ForCausalLM", "Mistral3ForConditionalGeneration",
    "MistralLarge3ForCausalLM", "ModernBertForSequenceClassification", "ModernBertForTokenClassification",
    "ModernBertModel", "Molmo2ForConditionalGeneration", "MolmoForCausalLM", "Moondream3ForCausalLM",
    "MoonshotKimiaForCausalLM", "MossAudioModel", "MossTranscribeDiarizeForConditionalGeneration", "MptForCausalLM",
    "MuseGlimmerForCausalLM", "MuseSparkForConditionalGeneration", "MusicFlamingoForConditionalGeneration", "NVLM_D",
    "NemotronForCausalLM", "NemotronHPuzzleForCausalLM", "NemotronH_Nano_Omni_Reasoning_V3", "NemotronH_Nano_VL_V2",
    "NemotronH_Omni_Reasoning_V3", "NemotronH_Super_Omni_Reasoning_V3", "NomicBertModel", "Olmo2ForCausalLM",
    "OlmoForCausalLM", "OlmoHybridForCausalLM", "OlmoeForCausalLM", "OpenAIPrivacyFilterForTokenClassification",
    "OpenCUAForConditionalGeneration", "OpenPanguVLForConditionalGeneration", "OpenVLAForActionPrediction",
    "OpsColQwen3Model", "OrionForCausalLM", "OuroForCausalLM", "Ovis", "Ovis2_5", "Ovis2_6ForCausalLM",
    "Ovis2_6_MoeForCausalLM", "PaddleOCRVLForConditionalGeneration", "PaliGemmaForConditionalGeneration",
    "PanguEmbeddedForCausalLM", "PanguProMoEV2ForCausalLM", "PanguUltraMoEForCausalLM", "Param2MoEForCausalLM",
    "PersimmonForCausalLM", "Phi3SmallForCausalLM", "Phi3VForCausalLM", "Phi4ForCausalLMV", "Phi4MMForCausalLM",
    "Phi4MultimodalForCausalLM", "PhiMoEForCausalLM", "PixtralForConditionalGeneration", "Plamo2ForCausalLM",
    "Plamo3ForCausalLM", "QWenLMHeadModel", "QianfanOCRForConditionalGeneration", "Qwen2AudioForConditionalGeneration",
    "Qwen2ForProcessRewardModel", "Qwen2MoeForCausalLM", "Qwen2_5OmniForConditionalGeneration", "Qwen2_5OmniModel",
    "Qwen3ASRForConditionalGeneration", "Qwen3ASRForcedAlignerForTokenClassification", "Qwen3ASRRealtimeGeneration",
    "Qwen3VLNemotronEmbedModel", "QwenVLForConditionalGeneration", "RForConditionalGeneration", "RWForCausalLM",
    "Rnj1ForCausalLM", "RobertaForMaskedLM", "RobertaForSequenceClassification", "RobertaForTokenClassification",
    "RobertaModel", "SarvamMLAForCausalLM", "SarvamMoEForCausalLM", "SeedOssForCausalLM", "SiglipModel",
    "SkyworkR1VChatModel", "SmolLM3ForCausalLM", "SmolVLMForConditionalGeneration", "SolarForCausalLM",
    "StableLMEpochForCausalLM", "StableLmForCausalLM", "Step1ForCausalLM", "Step3TextForCausalLM",
    "Step3VLForConditionalGeneration", "Step3p5ForCausalLM", "Step3p7ForConditionalGeneration",
    "StepVLForConditionalGeneration", "Tarsier2ForConditionalGeneration", "TarsierForConditionalGeneration",
    "TeleChat2ForCausalLM", "TeleChat3ForCausalLM", "TeleChatForCausalLM", "TeleFLMForCausalLM", "UltravoxModel",
    "UnlimitedOCRForCausalLM", "VaultGemmaForCausalLM", "VoxtralForConditionalGeneration",
    "VoxtralRealtimeForConditionalGeneration", "VoxtralRealtimeGeneration", "VoyageQwen3BidirectionalEmbedModel",
    "WhisperForConditionalGeneration", "XLMRobertaForSequenceClassification", "XLMRobertaForTokenClassification",
    "XLMRobertaModel", "XverseForCausalLM", "Zamba2ForCausalLM",
})  # fmt: skip
"""Classes of which no real config.json was parsed and no start-up log agreed with our weights or KV bytes within 2 %.

Checked against 71 public config.json files, copies of others (core/shapes/copies.py), the start-up logs of vLLM 0.4 to
0.25 in benchmarks/accuracy, and 44 other logs (0.5 to 0.26). Structure:
vLLM 0.29 model_executor/models, transformers where vLLM runs a class through it (OLMo, SmolLM3, GPTBigCode), and for
classes that vLLM dropped its last source that had them (core/engines/classes.py says which). A class leaves this table
with the config.json or the log that shows it.
"""


def unseen_note(arch: ModelArch) -> str | None:
    """What to say of a model whose rules nothing real confirmed; None where something did."""
    if arch.confirmed:
        return None
    return f"no real config.json or log of {arch.architecture} was seen: its shape follows vLLM's model source"

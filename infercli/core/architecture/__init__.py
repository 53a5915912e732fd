"""config.json -> ModelArch, parsed once: no formula sees the dict.

The tables list the model classes whose arithmetic is taught here. Any other class is refused by name: a model that
only resembles a taught one would be sized wrongly without a word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from infercli.core.architecture import (
    alice,
    bert,
    compressed,
    departures,
    gemma,
    glm5_next,
    hy_v4,
    hybrid,
    inkling,
    kimi,
    latent,
    lfm2,
    lightning,
    ling,
    loops,
    low_rank,
    muse,
    older,
    omni,
    plamo,
    pooled,
    qwen4,
    rope_bert,
    sparse,
    zamba,
)
from infercli.core.architecture.arch import Layout, ModelArch, rank_tensors
from infercli.core.architecture.chameleon import chameleon
from infercli.core.architecture.decoder import parse_decoder
from infercli.core.architecture.ernie import ernie_vl
from infercli.core.architecture.families import ROWS
from infercli.core.architecture.fields import DAMAGED, DRAFTS, LAYERS, not_too_many, rope_parameters
from infercli.core.architecture.layers import Attention
from infercli.core.architecture.mllama import mllama
from infercli.core.architecture.moondream import moondream3
from infercli.core.architecture.towers import clip, siglip_model
from infercli.core.architecture.unseen import UNSEEN
from infercli.core.architecture.voxtral import voxtral_realtime
from infercli.core.architecture.whisper import cohere_asr, whisper
from infercli.core.architecture.wrappers import WRAPPERS, decoder_config, encoder_config
from infercli.core.record import Json
from infercli.errors import InputError, Unsupported

FAMILIES: dict[str, Callable[[Json], ModelArch]] = {
    "DeepseekV2ForCausalLM": latent.deepseek,
    "DeepseekV3ForCausalLM": latent.deepseek,
    "DeepseekV32ForCausalLM": latent.deepseek,
    "GlmMoeDsaForCausalLM": latent.deepseek,
    "Glm4MoeLiteForCausalLM": latent.deepseek,
    "MistralLarge3ForCausalLM": latent.deepseek,
    compressed.V4: compressed.deepseek_v4,
    compressed.V4_1: compressed.deepseek_v41,
    "AXK1ForCausalLM": latent.a_x_k1,
    "SarvamMLAForCausalLM": latent.sarvam_mla,
    "LongcatFlashForCausalLM": latent.longcat,
    "LongcatFlashNgramForCausalLM": latent.longcat_ngram,
    "PanguUltraMoEForCausalLM": latent.pangu_ultra,
    "Qwen3NextForCausalLM": hybrid.qwen3_next,
    "Qwen3_5ForCausalLM": hybrid.qwen3_next,
    "Qwen3_5MoeForCausalLM": hybrid.qwen3_next,
    "Qwen4ExpForCausalLM": qwen4.qwen4_exp,
    "NemotronHForCausalLM": hybrid.nemotron_h,
    "NemotronHPuzzleForCausalLM": hybrid.nemotron_puzzle,
    "GraniteMoeHybridForCausalLM": hybrid.granite_hybrid,
    "FalconH1ForCausalLM": hybrid.falcon_h1,
    "BambaForCausalLM": hybrid.bamba,
    "JambaForCausalLM": hybrid.jamba,
    "MambaForCausalLM": hybrid.mamba,
    "FalconMambaForCausalLM": hybrid.mamba,
    "Mamba2ForCausalLM": hybrid.mamba2,
    "KimiLinearForCausalLM": kimi.kimi_linear,
    "InklingForCausalLM": inkling.inkling,
    "AliceAIForCausalLM": alice.alice_ai,
    "Lfm2ForCausalLM": lfm2.lfm2,
    "Lfm2MoeForCausalLM": lfm2.lfm2,
    "OlmoHybridForCausalLM": hybrid.olmo_hybrid,
    "DeciLMForCausalLM": hybrid.nemotron_nas,
    "Glm5NextForCausalLM": glm5_next.glm5_next,
    "HYV4ForCausalLM": hy_v4.hy_v4,
    "BailingMoeV2_5ForCausalLM": lightning.bailing_2_5,
    "BailingMoeV3ForCausalLM": ling.bailing_3,
    "MiniMaxForCausalLM": lightning.minimax,
    "MiniMaxM1ForCausalLM": lightning.minimax,
    "MiniMaxText01ForCausalLM": lightning.minimax,
    "DoryForCausalLM": loops.dory,
    "HrmTextForCausalLM": loops.hrm_text,
    "IQuestLoopCoderForCausalLM": loops.loop_coder,
    "OuroForCausalLM": loops.ouro,
    "MiniCPM3ForCausalLM": low_rank.minicpm3,
    "Step3TextForCausalLM": low_rank.step3,
    "Zamba2ForCausalLM": zamba.zamba2,
    "Gemma4ForCausalLM": gemma.gemma4,
    "EmbeddingGemma2TextModel": gemma.embedding_gemma2,
    "Gemma3nForCausalLM": gemma.gemma3n,
    "LagunaForCausalLM": sparse.laguna,
    "MiMoV2ForCausalLM": sparse.mimo_v2,
    "MiMoV2FlashForCausalLM": sparse.mimo_v2,
    "Step3p5ForCausalLM": sparse.step,
    "Step3p7FlashForCausalLM": sparse.step,
    "MiniMaxM3SparseForCausalLM": sparse.minimax_m3,
    "TeleChat2ForCausalLM": departures.telechat2,
    "PanguEmbeddedForCausalLM": departures.pangu_embedded,
    "PanguProMoEV2ForCausalLM": departures.pangu_pro_moe,
    "HunYuanMoEV1ForCausalLM": departures.hunyuan_moe,
    "Plamo2ForCausalLM": plamo.plamo2,
    "Plamo3ForCausalLM": plamo.plamo3,
    "MuseGlimmerForCausalLM": muse.muse_glimmer,
    "MuseGlimmerForConditionalGeneration": muse.muse_glimmer,
    "MuseSparkForConditionalGeneration": muse.muse_spark,
    "OpenAIPrivacyFilterForTokenClassification": pooled.privacy_filter,
    "ApertusForCausalLM": departures.apertus,
    "HyperCLOVAXForCausalLM": departures.hyperclova_x,
    "Rnj1ForCausalLM": departures.rnj1,
    "Step1ForCausalLM": departures.step1,
    "MellumForCausalLM": departures.mellum,
    "Cohere2MoeForCausalLM": departures.cohere2_moe,
    "HYV3ForCausalLM": departures.hy_v3,
    "K2HorizonForCausalLM": departures.k2_horizon,
    "SarvamMoEForCausalLM": departures.sarvam_moe,
    "Param2MoEForCausalLM": departures.param2_moe,
    "BeamForCausalLM": departures.beam,
    "DomynEdgeForCausalLM": departures.domyn_edge,
    "GraniteSWAForCausalLM": departures.granite_swa,
    "GraniteMoeSWAForCausalLM": departures.granite_swa,
    "TeleChatForCausalLM": departures.telechat2,
    "ArcticForCausalLM": older.arctic,
    "Grok1ForCausalLM": older.grok,
    "Grok1ModelForCausalLM": older.grok,
    "JAISLMHeadModel": older.jais,
    "PersimmonForCausalLM": older.persimmon,
    "QWenLMHeadModel": older.qwen,
    "FalconForCausalLM": older.falcon,
    "RWForCausalLM": older.falcon,
    "DbrxForCausalLM": older.dbrx,
    "MPTForCausalLM": older.mpt,
    "CLIPModel": clip,
    "ChameleonForConditionalGeneration": chameleon,
    "Ernie4_5_VLMoeForConditionalGeneration": ernie_vl,
    "MllamaForConditionalGeneration": mllama,
    "Moondream3ForCausalLM": moondream3,
    "HfMoondream": moondream3,
    "SiglipModel": siglip_model,
    "VoxtralRealtimeGeneration": voxtral_realtime,
    "VoxtralRealtimeForConditionalGeneration": voxtral_realtime,
    "WhisperForConditionalGeneration": whisper,
    "CohereAsrForConditionalGeneration": cohere_asr,
    "MptForCausalLM": older.mpt,
    "ColBERTJinaRobertaModel": rope_bert.jina,
    "GteModel": rope_bert.gte,
    "GteNewForSequenceClassification": rope_bert.gte,
    "GteNewModel": rope_bert.gte,
    "NomicBertModel": rope_bert.nomic,
    **bert.FAMILIES,
    "XLMRobertaModel": rope_bert.xlm_roberta,
}
"""Classes with a parser of their own; those of the Llama type have a row in ROWS, those with an encoder in WRAPPERS."""

_MROPE = (
    "BailingMoeV3VL", "ColQwen3", "Cosmos3", "JinaVL", "OpsColQwen3", "Qwen2VL", "Qwen2_5Omni", "Qwen2_5_VL",
    "Qwen3Omni", "Qwen3VL", "Qwen4ExpForCond", "Tarsier2",
)  # fmt: skip
"""Beginnings of classes whose positions have sections, also where config.json leaves these to transformers."""
_WITHOUT_SECTIONS = ("Qwen4ExpForCausalLM",)
"""Classes of text whose sections vLLM takes away (0.29 models/config.py _strip_qwen4_exp_mrope)."""

_TIED: dict[str, bool] = {
    **dict.fromkeys(("CohereForCausalLM", "Cohere2ForCausalLM", "Cohere2MoeForCausalLM", "Gemma2ForCausalLM"), True),
    **dict.fromkeys((
        "AliceAIForCausalLM",
        "AXK1ForCausalLM", "AfmoeForCausalLM", "DeepseekForCausalLM", "DeepseekV2ForCausalLM", "DeepseekV32ForCausalLM",
        "DeepseekV3ForCausalLM", "DeepseekV41ForCausalLM", "DeepseekV4ForCausalLM", "Glm4MoeForCausalLM",
        "Glm4MoeLiteForCausalLM", "GlmMoeDsaForCausalLM", "GptOssForCausalLM", "InklingForCausalLM",
        "JambaForCausalLM", "KimiLinearForCausalLM",
        "LongcatFlashForCausalLM", "LongcatFlashNgramForCausalLM",
        "MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM", "MiniMaxM2ForCausalLM",
        "MiniMaxM3SparseForCausalLM", "MistralLarge3ForCausalLM", "NemotronHForCausalLM", "NemotronHPuzzleForCausalLM",
        "OlmoeForCausalLM",
        "PhiMoEForCausalLM", "Qwen3NextForCausalLM", "Qwen4ExpForCausalLM", "Step3p5ForCausalLM",
    ), False),
}  # fmt: skip
"""Classes of vLLM 0.29 that do not read `tie_word_embeddings`, and whether their lm_head is the embedding."""

_IMAGE_PREFIX = ("BagelFor", "DeepseekV4For", "Gemma3For", "PaliGemma", "Molmo2")
"""First part of the names of classes whose images are seen whole; Gemma 4's config.json says whether its are (vLLM 0.29
transformers_utils/model_arch_config_convertor.py is_mm_prefix_lm)."""


def parse(config: Json) -> ModelArch:
    """The architecture of a config.json.

    Raises Unsupported for a class or a feature that is not taught, and InputError for a value of the wrong kind.
    """
    classes = config.get("architectures") or []
    name = str(classes[0]) if isinstance(classes, list) and classes else ""
    name = compressed.vision_class(config) or omni.mimo_class(config) or name
    try:
        arch = _parse(name, config)
        negative = next((t for t in rank_tensors(arch, Layout()) if t.outputs * t.inputs < 0), None)
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
        # Optional fields are read as transformers writes them; here one holds something else.
        raise InputError(f"config.json: a field of {name} holds a value of the wrong kind: {error}", DAMAGED) from error
    if negative is not None:
        size = f"{negative.outputs:,} x {negative.inputs:,}"
        raise InputError(f"config.json: a number of {name} is below zero: {negative.role} would be {size}", DAMAGED)
    return replace(arch, confirmed=False) if name in UNSEEN else arch


def _parse(name: str, config: Json) -> ModelArch:
    for said in (config, *config.values()):
        if isinstance(said, dict):
            not_too_many(said, *LAYERS, *DRAFTS)
    if name in FAMILIES or name in ROWS:
        arch = FAMILIES[name](config) if name in FAMILIES else parse_decoder(config, ROWS[name])
        sections = "mrope_section" in rope_parameters(config) and name not in _WITHOUT_SECTIONS
        arch = replace(arch, rope_sections=sections, tied=_TIED.get(name, arch.tied))
        return _without_cache(arch) if config.get("is_causal") is False else arch
    if name in WRAPPERS:
        return _with_encoder(name, config)
    decoder = pooled.decoder_of(name, config, {*ROWS, *FAMILIES})
    if decoder is not None:
        if pooled.sees_later_tokens(name, config):
            config = config | {"is_causal": False}
        arch = as_pooling(parse(config | {"architectures": [decoder]}))
        return replace(arch, architecture=name, outside=(*arch.outside, *pooled.heads(name, config, arch.hidden)))
    raise Unsupported(
        f"the architecture {name or 'of this config.json is not named: it'} cannot be planned yet",
        "to add one: a row in core/architecture/families.py or a parser in FAMILIES of core/architecture, and a shape "
        "in core/shapes",
    )


def as_pooling(arch: ModelArch) -> ModelArch:
    """A decoder run for embeddings or classification: vLLM drops its lm_head (model_executor/models/adapters.py)."""
    return replace(arch, lm_head=False, pooling=True)


def before_pooling(arch: ModelArch) -> ModelArch:
    """The same where vLLM cannot do so yet, until 0.6.4: a class that generates does, with its lm_head."""
    return replace(arch, lm_head=True, pooling=False) if arch.architecture.endswith("ForCausalLM") else arch


def _without_cache(arch: ModelArch) -> ModelArch:
    """A decoder whose tokens see later ones too, as those for embeddings may: an encoder to vLLM (models/config.py)."""
    groups = (
        group._replace(mixer=group.mixer._replace(cached=False)) if isinstance(group.mixer, Attention) else group
        for group in arch.layers
    )
    return replace(arch, layers=tuple(groups))


def _with_encoder(name: str, config: Json) -> ModelArch:
    inner = parse(decoder_config(name, config))
    part = encoder_config(name, config)
    weights = WRAPPERS[name].encoder(part, inner.hidden)
    vision = part["vision_config"] if isinstance(part.get("vision_config"), dict) else part
    levels = vision.get("deepstack_visual_indexes") or ()
    said = (config.get("text_config") or {}).get("use_bidirectional_attention")
    return replace(
        inner,
        architecture=name,
        pooling=inner.pooling or WRAPPERS[name].pooling,
        encoders=tuple(weights),
        deepstack_levels=len(levels),
        image_prefix=name.startswith(_IMAGE_PREFIX) or (name.startswith("Gemma4") and said == "vision"),
        rope_sections=inner.rope_sections or name.startswith(_MROPE),
    )

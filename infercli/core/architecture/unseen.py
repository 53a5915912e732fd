"""Which model classes are taught from vLLM's source alone: nothing real was there to check the rules against.

The one thing to know: such a class is answered, and never said to fit. A config.json may name a feature that the source
loads and the rules do not know; where the files of a pinned checkpoint hold what was counted, that doubt is gone.
"""

from __future__ import annotations

from infercli.core.architecture.arch import ModelArch

UNSEEN = frozenset({
    "AfmoeForCausalLM", "ApertusForCausalLM", "AquilaForCausalLM", "ArceeForCausalLM", "BailingMoeV2ForCausalLM",
    "BambaForCausalLM", "BertForMaskedLM", "BertForSequenceClassification", "BertForTokenClassification",
    "CwmForCausalLM", "DotsOCRForCausalLM", "ExaoneMoeForCausalLM", "FlexOlmoForCausalLM", "Glm4MoeLiteForCausalLM",
    "Glm4vForConditionalGeneration", "Glm4vMoeForConditionalGeneration", "GlmForCausalLM", "GraniteMoeForCausalLM",
    "GraniteMoeSharedForCausalLM", "HunYuanDenseV1ForCausalLM", "InternLMForCausalLM",
    "InternVLForConditionalGeneration", "Jais2ForCausalLM", "KimiVLForConditionalGeneration",
    "LlavaNextForConditionalGeneration", "MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM", "Ministral3ForCausalLM",
    "MistralLarge3ForCausalLM", "ModernBertForSequenceClassification", "NemotronForCausalLM", "Olmo3ForCausalLM",
    "OrionForCausalLM", "PixtralForConditionalGeneration", "Qwen2AudioForConditionalGeneration", "RobertaForMaskedLM",
    "RobertaForSequenceClassification", "RobertaModel", "SolarForCausalLM", "Step3p5ForCausalLM",
    "TeleFLMForCausalLM", "VaultGemmaForCausalLM", "XLMRobertaForSequenceClassification", "XverseForCausalLM",
})  # fmt: skip
"""Classes of which no real config.json was parsed, no published model has as many parameters as we count in it, and no
start-up log agreed with our weights or KV bytes within 2 %.

Checked against 71 public config.json files, the Hub's counts of the models in core/shape_cards.py and
tests/core/published.py, and the start-up logs of vLLM 0.4 to 0.25 in benchmarks/accuracy. Structure:
vLLM 0.29 model_executor/models, transformers where vLLM runs a class through it (OLMo, SmolLM3, GPTBigCode), and for
classes that vLLM dropped (Baichuan, Bamba, Dots1, InternLM, MPT, Qwen 1, Xverse) its last source that had them. A class
leaves this table with the config.json, the count or the log that shows it.
"""


def unseen_note(arch: ModelArch) -> str | None:
    """What to say of a model whose rules nothing real confirmed; None where something did."""
    if arch.confirmed:
        return None
    return f"no real config.json or log of {arch.architecture} was seen: its shape follows vLLM's model source"

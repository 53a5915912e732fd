"""Where the facts of public models stand: the beginnings of what `infercli models` prints as a source."""

from __future__ import annotations

KNOWLEDGE = "from knowledge"
"""Part of each source for which no file was read."""
CONFIGS = "config.json as stored in ai-dynamo/aiconfigurator@095f58a51c4c, model_configs/"
ROUNDED = f"config.json and model card on the Hub, {KNOWLEDGE}; parameters checked as the card rounds them"
QWEN25 = "config.json as stored in ai-dynamo/aiconfigurator before c78d3fabf8b1, model_configs/"
CARD = f"config.json and model card on the Hub, {KNOWLEDGE}; parameter count checked against the shape"
PLANNER = "config.json as stored in ai-dynamo/aiconfigurator@{}, model_configs/{}_config.json"
REPORT = "config.json as printed in gogongxt/python@{}, scripts/{}.md"
GALLERY = "config.json as stored in wenhaochai/llm-architecture-lineage@45f0a9766b06, data/configs/{}.json"
GALLERY_KEYS = "config.json as quoted in wenhaochai/llm-architecture-lineage@34651f51dade, data/metadata.json, {}"
NEMO = "config.json as stored in NVIDIA-NeMo/NeMo@8cfedd720346, nemo/collections/llm/gpt/model/{}.py"
INKLING_SMALL = (
    "text_config as quoted in WandLZhang/tpu-mech-interp@f9626fd2f6f3, scan/test_inkling_layers.py; "
    f"the rest as Inkling's, {KNOWLEDGE}"
)
BY_SIZE = f"{{}} says what is quantized, and the size of the files which modules, {KNOWLEDGE}"
AUTOMODEL = "config.json as the defaults of NVIDIA-NeMo/Automodel@014468d5fd0b, nemo_automodel/components/models/{}"
DRAFTED = f"config.json of its base, with keys of its drafts as on the Hub, {KNOWLEDGE}; bytes of its files checked"
MIMO_OMNI = (
    f"config.json of MiMo-V2-Flash, and its encoders as on the Hub, {KNOWLEDGE}; "
    "the card's 310 B parameters, and 729 M of what sees, are counted"
)
MISTRAL_LARGE_3 = (
    f"params.json on the Hub, {KNOWLEDGE}; the card's 673 B of the decoder, 39 B of them active, and its 2.5 B of what "
    "sees are counted"
)
VOXTRAL_REALTIME = (
    "config.json as the defaults of huggingface/transformers 5.24.0, "
    "models/voxtral_realtime/configuration_voxtral_realtime.py; the card's 970 M of what hears are counted"
)

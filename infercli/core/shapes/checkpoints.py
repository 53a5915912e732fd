"""Quantized checkpoints of general knowledge: by publisher, whose recipe is the same for many models.

The one thing to know: neither their files nor their pages were read when these were written; what a recipe leaves in 16
bits is as the publisher's cards say.
"""

from __future__ import annotations

import re

from infercli.core.record import Json
from infercli.core.shapes.recipes import (
    AWQ,
    BITSANDBYTES,
    FP8_BLOCK,
    FP8_STATIC,
    fp8_channels,
    fp8_modelopt,
    fp8_tensors,
    gptq,
    int4_groups,
    int8_channels,
    int8_weights,
    nvfp4,
    nvfp4_tensors,
)

_Rows = tuple[tuple[str, str, Json], ...]
"""Id, the id whose architecture it has, its quantization."""


def _named(base: str) -> str:
    return base.rpartition("/")[2]


def _capital(base: str) -> str:
    """As TheBloke writes it: 7B where the model's own name has 7b."""
    return re.sub(r"(?<=\d)b\b", "B", _named(base))


# Alibaba. The 72B ones are wider than what they were made from (WIDENED).
_QWEN25 = ("0.5B", "1.5B", "3B", "7B", "14B", "32B", "72B", "Coder-0.5B", "Coder-1.5B", "Coder-3B", "Coder-7B",
           "Coder-14B", "Coder-32B")  # fmt: skip
_QWEN15 = ("0.5B", "1.8B", "4B", "7B", "14B", "32B", "72B", "110B")
_QWEN_INT = (
    *(f"Qwen/Qwen2.5-{size}-Instruct" for size in _QWEN25),
    *(f"Qwen/Qwen2-{size}-Instruct" for size in ("0.5B", "1.5B", "7B", "72B")),
    *(f"Qwen/Qwen1.5-{size}-Chat" for size in _QWEN15),
)
_AWQ_OF = (*_QWEN_INT, *(f"Qwen/Qwen3-{size}" for size in ("4B", "8B", "14B", "32B")), "Qwen/QwQ-32B")
_GPTQ_OF = (*_QWEN_INT, "Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-235B-A22B")
_FP8_OF = (
    *(f"Qwen/Qwen3-{size}" for size in ("0.6B", "1.7B", "4B", "8B", "14B", "30B-A3B")),
    *(f"Qwen/Qwen3-{size}-2507" for size in ("4B-Instruct", "4B-Thinking", "30B-A3B-Instruct", "30B-A3B-Thinking")),
    *(f"Qwen/Qwen3-{size}-2507" for size in ("235B-A22B-Instruct", "235B-A22B-Thinking")),
    *(f"Qwen/Qwen3-Coder-{size}-Instruct" for size in ("30B-A3B", "480B-A35B")),
)
_HYBRID_FP8: Json = FP8_BLOCK | {
    "modules_to_not_convert": [
        "lm_head", "mtp.fc",
        *(f"model.language_model.layers.{i}.linear_attn.in_proj_{gate}" for i in range(64) for gate in "ab"),
    ],
}  # fmt: skip
_HYBRID_FP8_OF = (
    *(f"Qwen/Qwen3.{generation}-27B" for generation in (5, 6, 8)),
    *(f"Qwen/Qwen3.{generation}-35B-A3B" for generation in (5, 6)), "Qwen/Qwen3.5-122B-A10B", "Qwen/Qwen3.5-397B-A17B",
)  # fmt: skip
_SEEING_AWQ = (
    *(f"Qwen/Qwen2-VL-{size}-Instruct" for size in ("2B", "7B", "72B")),
    *(f"Qwen/Qwen2.5-VL-{size}-Instruct" for size in ("3B", "7B", "32B", "72B")),
)
_SEEING_FP8 = tuple(
    f"Qwen/Qwen3-VL-{size}-{kind}"
    for size in ("2B", "4B", "8B", "32B", "30B-A3B", "235B-A22B")
    for kind in ("Instruct", "Thinking")
)
_QWEN: _Rows = (
    *((f"{base}-AWQ", base, AWQ) for base in _AWQ_OF),
    *((f"{base}-AWQ", base, AWQ | {"modules_to_not_convert": ["visual"]}) for base in _SEEING_AWQ),
    *((f"{base}-GPTQ-Int4", base, gptq(4)) for base in _GPTQ_OF),
    *(
        (f"{base}-GPTQ-Int8", base, gptq(8))
        for base in _QWEN_INT
        if not base.endswith(("1.5-32B-Chat", "1.5-110B-Chat"))
    ),
    *((f"Qwen/Qwen3-{size}-GPTQ-Int8", f"Qwen/Qwen3-{size}", gptq(8)) for size in ("0.6B", "1.7B")),
    *((f"{base}-FP8", base, FP8_BLOCK) for base in _FP8_OF),
    *((f"{base}-FP8", base, _HYBRID_FP8) for base in _HYBRID_FP8_OF),
    *(
        (f"{base}-FP8", base, FP8_BLOCK | {"modules_to_not_convert": ["lm_head", "model.visual", "visual"]})
        for base in _SEEING_FP8
    ),
)
WIDENED: dict[str, int] = {
    f"Qwen/{model}-72B-Instruct-{method}": 29696
    for model, methods in {
        "Qwen2": ("AWQ", "GPTQ-Int4", "GPTQ-Int8"), "Qwen2.5": ("AWQ", "GPTQ-Int4", "GPTQ-Int8"),
        "Qwen2-VL": ("AWQ",), "Qwen2.5-VL": ("AWQ",),
    }.items()
    for method in methods
}  # fmt: skip
"""The width of the feed-forward where zeros were added to it: 29568 is no multiple of two groups of 128."""

# Red Hat, Neural Magic as was: llm-compressor, all linear layers but lm_head.
_RED_HAT_WAYS = {
    "-FP8": fp8_tensors("lm_head"),
    "-FP8-dynamic": fp8_channels("lm_head"),
    "-quantized.w8a8": int8_channels("lm_head"),
    "-quantized.w4a16": int4_groups("lm_head"),
}
_NEURAL_MAGIC_OF = {
    **dict.fromkeys(
        (f"meta-llama/Meta-Llama-3.1-{size}-Instruct" for size in ("8B", "70B", "405B")),
        ("-FP8", "-FP8-dynamic", "-quantized.w8a8"),
    ),
    **dict.fromkeys(
        (f"meta-llama/Llama-3.2-{size}-Instruct" for size in ("1B", "3B")), ("-FP8", "-FP8-dynamic", "-quantized.w8a8")
    ),
    **dict.fromkeys(
        (f"deepseek-ai/DeepSeek-R1-Distill-{size}" for size in
         ("Llama-8B", "Llama-70B", "Qwen-1.5B", "Qwen-7B", "Qwen-14B", "Qwen-32B")),
        ("-FP8-dynamic", "-quantized.w8a8", "-quantized.w4a16"),
    ),
    **dict.fromkeys(("meta-llama/Llama-3.3-70B-Instruct", "Qwen/Qwen2.5-72B-Instruct"), ("-FP8-dynamic",)),
    "google/gemma-2-9b-it": ("-quantized.w8a8",),
}  # fmt: skip
_RED_HAT_OF = {
    **_NEURAL_MAGIC_OF,
    **dict.fromkeys(
        (f"Qwen/Qwen3-{size}" for size in ("0.6B", "1.7B", "4B", "8B", "14B", "32B")),
        ("-FP8-dynamic", "-quantized.w4a16"),
    ),
    **dict.fromkeys(
        (f"Qwen/Qwen2.5-{size}-Instruct" for size in ("0.5B", "1.5B", "3B", "14B")), ("-FP8-dynamic", "-quantized.w8a8")
    ),
    "Qwen/Qwen2.5-1.5B": ("-quantized.w8a8",),
    "nvidia/Llama-3.1-Nemotron-70B-Instruct-HF": ("-FP8-dynamic",),
    "Qwen/QwQ-32B": ("-FP8-dynamic", "-quantized.w4a16"),
    **dict.fromkeys(
        (*(f"Qwen/Qwen2.5-{size}-Instruct" for size in ("7B", "32B", "72B")), "meta-llama/Llama-3.3-70B-Instruct",
         "mistralai/Mistral-Small-24B-Instruct-2501", "microsoft/phi-4",
         "ibm-granite/granite-3.1-8b-instruct"),
        ("-FP8-dynamic", "-quantized.w8a8", "-quantized.w4a16"),
    ),
}  # fmt: skip
_AUTO_FP8_OF = (
    *(f"meta-llama/Meta-Llama-3-{size}-Instruct" for size in ("8B", "70B")),
    *(f"Qwen/Qwen2-{size}-Instruct" for size in ("0.5B", "1.5B", "7B", "72B")),
    *(f"google/gemma-2-{size}-it" for size in ("2b", "9b", "27b")), "mistralai/Mistral-7B-Instruct-v0.3",
    "mistralai/Mistral-Nemo-Instruct-2407", *(f"mistralai/Mixtral-{size}-Instruct-v0.1" for size in ("8x7B", "8x22B")),
    *(f"microsoft/Phi-3-{size}-128k-instruct" for size in ("mini", "medium")),
)  # fmt: skip
_AUTO_GPTQ_OF = tuple(f"meta-llama/Meta-Llama-3.1-{size}-Instruct" for size in ("8B", "70B", "405B"))
"""Those of 8B and 70B have a quantize_config.json on the Hub."""
_SEEING = ("re:.*lm_head", "re:vision_tower.*", "re:multi_modal_projector.*")
_ROUTED = ("lm_head", "re:.*mlp.gate$")
_QWENS_EYES = ("re:.*lm_head", "re:visual.*")
_MLLAMAS_EYES = ("re:.*lm_head", "re:multi_modal_projector.*", "re:vision_model.*")
_LLAMA4_LEFT = ("re:.*lm_head", "re:.*self_attn", "re:.*router", "re:.*vision_model", "re:.*multi_modal_projector")
_LLAMA4 = tuple(f"meta-llama/Llama-4-{name}-Instruct" for name in ("Scout-17B-16E", "Maverick-17B-128E"))
_RED_HAT: _Rows = (
    *(
        (f"{publisher}/{_named(base)}{way}", base, _RED_HAT_WAYS[way])
        for publisher, bases in (("RedHatAI", _RED_HAT_OF), ("neuralmagic", _NEURAL_MAGIC_OF))
        for base, ways in bases.items()
        for way in ways
    ),
    *(
        (f"{publisher}/{_named(base)}-FP8", base, FP8_STATIC)
        for publisher in ("RedHatAI", "neuralmagic")
        for base in _AUTO_FP8_OF
    ),
    *(
        (f"{publisher}/{_named(base)}-quantized.w4a16", base, gptq(4, ordered=True))
        for publisher in ("RedHatAI", "neuralmagic")
        for base in _AUTO_GPTQ_OF
    ),
    *(
        (f"{publisher}/{_named(base)}-quantized.w8a16", base, int8_weights("lm_head"))
        for publisher in ("RedHatAI", "neuralmagic")
        for base in _AUTO_GPTQ_OF[:2]
    ),
    *(
        (f"RedHatAI/{_named(base)}-FP8-dynamic", base, fp8_channels(*_SEEING))
        for base in (
            "mistralai/Mistral-Small-3.1-24B-Instruct-2503", *(f"google/gemma-3-{n}b-it" for n in (4, 12, 27)),
        )
    ),
    *(
        (f"RedHatAI/{_named(base)}-quantized.w4a16", base, int4_groups(*_SEEING))
        for base in (
            "mistralai/Mistral-Small-3.1-24B-Instruct-2503", *(f"google/gemma-3-{n}b-it" for n in (4, 12, 27)),
        )
    ),
    *(
        (f"RedHatAI/Qwen3-{size}-FP8-dynamic", f"Qwen/Qwen3-{size}", fp8_channels(*_ROUTED))
        for size in ("30B-A3B", "235B-A22B")
    ),
    *(
        (f"RedHatAI/Qwen3-{name}-quantized.w4a16", f"Qwen/Qwen3-{name}", int4_groups(*_ROUTED))
        for name in ("30B-A3B", "30B-A3B-Instruct-2507", "30B-A3B-Thinking-2507")
    ),
    *(
        (f"RedHatAI/{_named(base)}-NVFP4", base, nvfp4_tensors("lm_head"))
        for base in ("meta-llama/Llama-3.3-70B-Instruct", *(f"Qwen/Qwen3-{size}" for size in ("8B", "14B", "32B")))
    ),
    *(
        (f"RedHatAI/Qwen3-{name}-NVFP4", f"Qwen/Qwen3-{name}", nvfp4_tensors(*_ROUTED))
        for name in ("30B-A3B", "30B-A3B-Instruct-2507", "235B-A22B-Instruct-2507", "Coder-30B-A3B-Instruct")
    ),
    *(
        (f"RedHatAI/Qwen2.5-VL-{size}-Instruct{way}", f"Qwen/Qwen2.5-VL-{size}-Instruct", stored)
        for size in ("3B", "7B", "72B")
        for way, stored in {
            "-FP8-dynamic": fp8_channels(*_QWENS_EYES), "-quantized.w8a8": int8_channels(*_QWENS_EYES),
            "-quantized.w4a16": int4_groups(*_QWENS_EYES),
        }.items()
    ),
    *(
        (f"{publisher}/Llama-3.2-{size}-Vision-Instruct-FP8-dynamic", f"meta-llama/Llama-3.2-{size}-Vision-Instruct",
         fp8_channels(*_MLLAMAS_EYES))
        for publisher in ("RedHatAI", "neuralmagic")
        for size in ("11B", "90B")
    ),
    (f"RedHatAI/{_named(_LLAMA4[0])}-FP8-dynamic", _LLAMA4[0], fp8_channels(*_LLAMA4_LEFT)),
    *((f"RedHatAI/{_named(base)}-quantized.w4a16", base, int4_groups(*_LLAMA4_LEFT)) for base in _LLAMA4),
    *(
        (f"{publisher}/Meta-Llama-3-8B-Instruct-FP8-KV", "meta-llama/Meta-Llama-3-8B-Instruct",
         FP8_STATIC | {"kv_cache_scheme": "static"})
        for publisher in ("RedHatAI", "neuralmagic")
    ),
    (
        "RedHatAI/Qwen3.6-35B-A3B-NVFP4", "Qwen/Qwen3.6-35B-A3B",
        nvfp4_tensors(
            "lm_head", "re:.*visual.*", "re:.*mlp.gate$", "re:.*shared_expert_gate$", "re:.*linear_attn.*", "re:^mtp.*"
        ),
    ),
)  # fmt: skip

# Nvidia: ModelOpt, all linear layers but lm_head and routers, and the KV cache in FP8; FP4 was renamed to NVFP4.
_NVIDIA_OF = (
    *(f"meta-llama/{name}-Instruct" for name in ("Llama-3.1-8B", "Llama-3.1-405B", "Llama-3.3-70B")),
    *(f"Qwen/Qwen3-{size}" for size in ("8B", "14B")),
)
_NVIDIA: _Rows = (
    *((f"nvidia/{_named(base)}-FP8", base, fp8_modelopt("lm_head")) for base in _NVIDIA_OF),
    *(
        (f"nvidia/{_named(base)}-{name}", base, nvfp4("lm_head"))
        for base in (
            "meta-llama/Llama-3.1-8B-Instruct",
            "meta-llama/Llama-3.3-70B-Instruct",
            "meta-llama/Llama-3.1-405B-Instruct",
            "Qwen/Qwen3-8B",
            "Qwen/Qwen3-14B",
        )
        for name in ("FP4", "NVFP4")
    ),
    ("nvidia/Qwen3-32B-FP4", "Qwen/Qwen3-32B", nvfp4("lm_head")),
    ("nvidia/Qwen3-30B-A3B-FP4", "Qwen/Qwen3-30B-A3B", nvfp4("lm_head", "*.mlp.gate")),
    ("nvidia/Qwen3-235B-A22B-FP4", "Qwen/Qwen3-235B-A22B", nvfp4("lm_head")),
)

_AMD: _Rows = tuple(
    (f"amd/{name}-Instruct-FP8-KV", f"meta-llama/{name}-Instruct", FP8_STATIC | {"kv_cache_scheme": "static"})
    for name in ("Llama-3.1-8B", "Llama-3.1-70B", "Llama-3.1-405B", "Llama-3.3-70B")
)

_ROUTER_LEFT = AWQ | {"modules_to_not_convert": ["gate"]}
_PLAIN_AWQ = {
    **{
        f"TheBloke/{_capital(base)}-AWQ": base
        for base in (
            "HuggingFaceH4/zephyr-7b-beta", "Open-Orca/Mistral-7B-OpenOrca", "01-ai/Yi-34B-Chat",
            "deepseek-ai/deepseek-coder-33b-instruct", "deepseek-ai/deepseek-coder-6.7b-instruct",
            "lmsys/vicuna-7b-v1.5", "lmsys/vicuna-13b-v1.5", "teknium/OpenHermes-2.5-Mistral-7B",
            "upstage/SOLAR-10.7B-Instruct-v1.0", "TinyLlama/TinyLlama-1.1B-Chat-v1.0", "mistralai/Mistral-7B-v0.1",
            "Intel/neural-chat-7b-v3-1", "WizardLMTeam/WizardCoder-33B-V1.1", "WizardLMTeam/WizardLM-13B-V1.2",
            "Gryphe/MythoMax-L2-13b",
        )
    },
    **{f"TheBloke/Llama-2-{size}-AWQ": f"meta-llama/Llama-2-{size.lower()}-hf" for size in ("7B", "13B", "70B")},
    **{
        f"TheBloke/CodeLlama-{size}-Instruct-AWQ": f"codellama/CodeLlama-{size.lower()}-Instruct-hf"
        for size in ("7B", "13B", "34B", "70B")
    },
    "solidrust/Meta-Llama-3-8B-Instruct-AWQ": "meta-llama/Meta-Llama-3-8B-Instruct",
    "solidrust/Mistral-7B-Instruct-v0.3-AWQ": "mistralai/Mistral-7B-Instruct-v0.3",
    "TechxGenus/Meta-Llama-3-8B-Instruct-AWQ": "meta-llama/Meta-Llama-3-8B-Instruct",
    "study-hjt/Meta-Llama-3-70B-Instruct-AWQ": "meta-llama/Meta-Llama-3-70B-Instruct",
    "ibnzterrell/Meta-Llama-3.3-70B-Instruct-AWQ-INT4": "meta-llama/Llama-3.3-70B-Instruct",
    "kosbu/Llama-3.3-70B-Instruct-AWQ": "meta-llama/Llama-3.3-70B-Instruct",
    "AMead10/Llama-3.2-1B-Instruct-AWQ": "meta-llama/Llama-3.2-1B-Instruct",
    "AMead10/Llama-3.2-3B-Instruct-AWQ": "meta-llama/Llama-3.2-3B-Instruct",
    "Valdemardi/DeepSeek-R1-Distill-Llama-70B-AWQ": "deepseek-ai/DeepSeek-R1-Distill-Llama-70B",
    "Valdemardi/DeepSeek-R1-Distill-Qwen-32B-AWQ": "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B",
    "stelterlab/Mistral-Small-24B-Instruct-2501-AWQ": "mistralai/Mistral-Small-24B-Instruct-2501",
    "stelterlab/phi-4-AWQ": "microsoft/phi-4",
    "stelterlab/DeepSeek-R1-Distill-Qwen-14B-AWQ": "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B",
    **{
        f"LGAI-EXAONE/EXAONE-3.5-{size}-Instruct-AWQ": f"LGAI-EXAONE/EXAONE-3.5-{size}-Instruct"
        for size in ("2.4B", "7.8B", "32B")
    },
}  # fmt: skip
"""AutoAWQ's usual: four bits in groups of 128, with zero points, and lm_head left."""
_COMMUNITY: _Rows = (
    *(
        (f"hugging-quants/{name}-{method}-INT4", f"meta-llama/{name}", stored)
        for name in (f"Meta-Llama-3.1-{size}-Instruct" for size in ("8B", "70B", "405B"))
        for method, stored in (("AWQ", AWQ), ("GPTQ", gptq(4, ordered=True)))
    ),
    ("casperhansen/llama-3-8b-instruct-awq", "meta-llama/Meta-Llama-3-8B-Instruct", AWQ),
    ("casperhansen/llama-3-70b-instruct-awq", "meta-llama/Meta-Llama-3-70B-Instruct", AWQ),
    ("casperhansen/llama-3.3-70b-instruct-awq", "meta-llama/Llama-3.3-70B-Instruct", AWQ),
    ("casperhansen/mistral-nemo-instruct-2407-awq", "mistralai/Mistral-Nemo-Instruct-2407", AWQ),
    *(
        (f"casperhansen/deepseek-r1-distill-{name.lower()}-awq", f"deepseek-ai/DeepSeek-R1-Distill-{name}", AWQ)
        for name in ("Llama-8B", "Llama-70B", "Qwen-1.5B", "Qwen-7B", "Qwen-14B", "Qwen-32B")
    ),
    ("casperhansen/mistral-small-24b-instruct-2501-awq", "mistralai/Mistral-Small-24B-Instruct-2501", AWQ),
    ("casperhansen/mistral-large-instruct-2407-awq", "mistralai/Mistral-Large-Instruct-2407", AWQ),
    ("casperhansen/llama-3.2-3b-instruct-awq", "meta-llama/Llama-3.2-3B-Instruct", AWQ),
    ("casperhansen/vicuna-7b-v1.5-awq", "lmsys/vicuna-7b-v1.5", AWQ),
    ("hugging-quants/gemma-2-9b-it-AWQ-INT4", "google/gemma-2-9b-it", AWQ),
    ("hugging-quants/Mixtral-8x7B-Instruct-v0.1-AWQ-INT4", "mistralai/Mixtral-8x7B-Instruct-v0.1", _ROUTER_LEFT),
    *((name, base, AWQ) for name, base in _PLAIN_AWQ.items()),
    *(
        (f"stelterlab/{name}-AWQ", f"Qwen/{name}", _ROUTER_LEFT)
        for name in ("Qwen3-30B-A3B-Instruct-2507", "Qwen3-Coder-30B-A3B-Instruct")
    ),
    *(
        (f"OpenGVLab/{name}-AWQ", f"OpenGVLab/{name}", AWQ | {"modules_to_not_convert": ["vision_model", "mlp1"]})
        for name in (
            "InternVL2-8B", "InternVL2-26B", "InternVL2_5-4B", "InternVL2_5-8B", "InternVL2_5-26B", "InternVL2_5-38B",
            "InternVL3-1B", "InternVL3-2B", "InternVL3-8B", "InternVL3-14B", "InternVL3-38B",
        )
    ),
    ("TheBloke/Llama-2-7B-Chat-AWQ", "meta-llama/Llama-2-7b-chat-hf", AWQ),
    ("TheBloke/Llama-2-13B-chat-AWQ", "meta-llama/Llama-2-13b-chat-hf", AWQ),
    ("TheBloke/Llama-2-70B-Chat-AWQ", "meta-llama/Llama-2-70b-chat-hf", AWQ),
    ("TheBloke/Mistral-7B-Instruct-v0.1-AWQ", "mistralai/Mistral-7B-Instruct-v0.1", AWQ),
    ("TheBloke/Mistral-7B-Instruct-v0.2-AWQ", "mistralai/Mistral-7B-Instruct-v0.2", AWQ),
    ("TheBloke/Mixtral-8x7B-Instruct-v0.1-AWQ", "mistralai/Mixtral-8x7B-Instruct-v0.1", _ROUTER_LEFT),
    *(
        (f"TheBloke/{_capital(base)}-GPTQ", base, gptq(4, ordered=True))
        for base in (
            "HuggingFaceH4/zephyr-7b-beta", "mistralai/Mistral-7B-v0.1", "mistralai/Mistral-7B-Instruct-v0.1",
            "TinyLlama/TinyLlama-1.1B-Chat-v1.0", "teknium/OpenHermes-2.5-Mistral-7B",
        )
    ),
    ("TheBloke/Llama-2-7B-Chat-GPTQ", "meta-llama/Llama-2-7b-chat-hf", gptq(4)),
    ("TheBloke/Llama-2-13B-chat-GPTQ", "meta-llama/Llama-2-13b-chat-hf", gptq(4)),
    ("TheBloke/Llama-2-70B-Chat-GPTQ", "meta-llama/Llama-2-70b-chat-hf", gptq(4, group=-1, ordered=True)),
    ("TheBloke/Mistral-7B-Instruct-v0.2-GPTQ", "mistralai/Mistral-7B-Instruct-v0.2", gptq(4, ordered=True)),
    (
        "TheBloke/Mixtral-8x7B-Instruct-v0.1-GPTQ", "mistralai/Mixtral-8x7B-Instruct-v0.1",
        gptq(4, group=-1, ordered=True),
    ),
    *(
        (f"cognitivecomputations/DeepSeek-{name}-AWQ", "deepseek-ai/DeepSeek-V3", AWQ)
        for name in ("V3", "V3-0324", "R1", "R1-0528")
    ),
    *(
        (f"unsloth/{name}-bnb-4bit", base, BITSANDBYTES)
        for name, base in {
            "llama-3-8b": "meta-llama/Meta-Llama-3-8B", "llama-3-8b-Instruct": "meta-llama/Meta-Llama-3-8B-Instruct",
            "Meta-Llama-3.1-8B": "meta-llama/Llama-3.1-8B",
            "Meta-Llama-3.1-8B-Instruct": "meta-llama/Llama-3.1-8B-Instruct",
            "Meta-Llama-3.1-70B-Instruct": "meta-llama/Llama-3.1-70B-Instruct",
            "Llama-3.3-70B-Instruct": "meta-llama/Llama-3.3-70B-Instruct",
            "Llama-3.2-1B-Instruct": "meta-llama/Llama-3.2-1B-Instruct",
            "Llama-3.2-3B-Instruct": "meta-llama/Llama-3.2-3B-Instruct",
            "mistral-7b-v0.3": "mistralai/Mistral-7B-v0.3",
            "mistral-7b-instruct-v0.3": "mistralai/Mistral-7B-Instruct-v0.3",
            "Qwen2.5-7B-Instruct": "Qwen/Qwen2.5-7B-Instruct", "Qwen2.5-14B-Instruct": "Qwen/Qwen2.5-14B-Instruct",
            "Qwen2.5-32B-Instruct": "Qwen/Qwen2.5-32B-Instruct",
            "Qwen2.5-Coder-32B-Instruct": "Qwen/Qwen2.5-Coder-32B-Instruct", "QwQ-32B": "Qwen/QwQ-32B",
            **{f"Qwen3-{size}": f"Qwen/Qwen3-{size}" for size in ("4B", "8B", "14B", "32B")},
            "gemma-2-9b": "google/gemma-2-9b", "gemma-2-9b-it": "google/gemma-2-9b-it",
            "gemma-2-27b-it": "google/gemma-2-27b-it", "gemma-2b": "google/gemma-2b", "gemma-7b": "google/gemma-7b",
            "mistral-7b-instruct-v0.2": "mistralai/Mistral-7B-Instruct-v0.2", "phi-4": "unsloth/phi-4",
            "Mistral-Nemo-Instruct-2407": "mistralai/Mistral-Nemo-Instruct-2407",
            **{
                f"DeepSeek-R1-Distill-{name}": f"deepseek-ai/DeepSeek-R1-Distill-{name}"
                for name in ("Llama-8B", "Llama-70B", "Qwen-1.5B", "Qwen-7B", "Qwen-14B", "Qwen-32B")
            },
        }.items()
    ),
)  # fmt: skip

# Meta's report on Llama 3 (arXiv 2407.21783, 6.2): the feed-forwards alone, and none of the first and the last layer.
_META_FP8: Json = {"quant_method": "fbgemm_fp8", "modules_to_not_convert": [
    "lm_head", *(f"model.layers.{i}.self_attn" for i in range(126)), "model.layers.0.mlp", "model.layers.125.mlp",
]}  # fmt: skip


def _glm_fp8(layers: int) -> Json:
    """As GLM-4.5-FP8 says it (core/shapes/copies.py)."""
    drafting = (f"model.layers.{layers}.eh_proj", f"model.layers.{layers}.embed_tokens")
    return fp8_channels("lm_head", r"re:.*\.mlp\.gate$", *drafting)


_SEEING_PARTS = ("model.vision_tower", "model.multi_modal_projector")
_MAKERS: _Rows = (
    *(
        (f"meta-llama/{name}-405B-Instruct-FP8", "meta-llama/Llama-3.1-405B-Instruct", _META_FP8)
        for name in ("Llama-3.1", "Meta-Llama-3.1")
    ),
    ("meta-llama/Llama-3.1-405B-FP8", "meta-llama/Llama-3.1-405B", _META_FP8),
    # What Mistral's conversion writes: huggingface/transformers#42715, convert_ministral3_weights_to_hf.py.
    *(
        (name, f"{name}-BF16", FP8_STATIC | {"ignored_layers": [*_SEEING_PARTS, "lm_head"]})
        for name in (f"mistralai/Ministral-3-{size}-Instruct-2512" for size in ("3B", "8B", "14B"))
    ),
    ("zai-org/GLM-4.5-Air-FP8", "zai-org/GLM-4.5-Air", _glm_fp8(46)),
    ("zai-org/GLM-4.6-FP8", "zai-org/GLM-4.6", _glm_fp8(92)),
    ("zai-org/GLM-4.7-FP8", "zai-org/GLM-4.7", _glm_fp8(92)),
    ("moonshotai/Kimi-K2-Instruct-0905", "moonshotai/Kimi-K2-Thinking", FP8_BLOCK),  # as long as that one
)  # fmt: skip

CHECKPOINTS: _Rows = (*_QWEN, *_RED_HAT, *_NVIDIA, *_AMD, *_COMMUNITY, *_MAKERS)

"""Models trained further from one that is shipped: all that decides sizes is as it was, the maximum length included.

The one thing to know: a fine-tune with tokens of its own, or another maximum length, has a row instead.
"""

from __future__ import annotations

# the id whose shape it is, the ids that have it
FINE_TUNES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("meta-llama/Llama-2-7b-hf", (
        "lmsys/vicuna-7b-v1.5", "NousResearch/Llama-2-7b-hf", "NousResearch/Llama-2-7b-chat-hf",
    )),
    ("meta-llama/Llama-2-13b-hf", (
        "lmsys/vicuna-13b-v1.5", "NousResearch/Llama-2-13b-hf", "NousResearch/Llama-2-13b-chat-hf",
    )),
    ("meta-llama/Llama-2-70b-hf", ("NousResearch/Llama-2-70b-chat-hf",)),
    ("meta-llama/Meta-Llama-3-8B", (
        "NousResearch/Meta-Llama-3-8B", "NousResearch/Meta-Llama-3-8B-Instruct", "unsloth/llama-3-8b-Instruct",
        "elyza/Llama-3-ELYZA-JP-8B",
    )),
    ("meta-llama/Meta-Llama-3-70B", ("NousResearch/Meta-Llama-3-70B-Instruct",)),
    ("meta-llama/Llama-3.1-8B", (
        "NousResearch/Meta-Llama-3.1-8B", "NousResearch/Meta-Llama-3.1-8B-Instruct", "unsloth/Meta-Llama-3.1-8B",
        "unsloth/Meta-Llama-3.1-8B-Instruct", "unsloth/Llama-3.1-8B-Instruct", "NousResearch/Hermes-3-Llama-3.1-8B",
        "meta-llama/Llama-Guard-3-8B", "nvidia/Llama-3.1-Nemotron-Nano-8B-v1",
        "tokyotech-llm/Llama-3.1-Swallow-8B-Instruct-v0.3", "aisingapore/Llama-SEA-LION-v3-8B-IT",
    )),
    ("meta-llama/Llama-3.1-70B", (
        "unsloth/Meta-Llama-3.1-70B-Instruct", "unsloth/Llama-3.3-70B-Instruct", "NousResearch/Hermes-3-Llama-3.1-70B",
        "NousResearch/Hermes-4-70B", "nvidia/Llama-3.1-Nemotron-70B-Instruct-HF",
        "aisingapore/Llama-SEA-LION-v3-70B-IT", "tokyotech-llm/Llama-3.3-Swallow-70B-Instruct-v0.4",
    )),
    ("meta-llama/Llama-3.1-405B", ("meta-llama/Meta-Llama-3.1-405B", "meta-llama/Meta-Llama-3.1-405B-Instruct")),
    ("meta-llama/Llama-3.2-1B", ("unsloth/Llama-3.2-1B", "unsloth/Llama-3.2-1B-Instruct")),
    ("meta-llama/Llama-3.2-3B", ("unsloth/Llama-3.2-3B", "unsloth/Llama-3.2-3B-Instruct")),
    ("Qwen/Qwen2.5-0.5B-Instruct", ("unsloth/Qwen2.5-0.5B-Instruct",)),
    ("Qwen/Qwen2.5-7B-Instruct", ("unsloth/Qwen2.5-7B-Instruct",)),
    ("Qwen/Qwen2.5-32B-Instruct", (
        "open-thoughts/OpenThinker-32B", "simplescaling/s1-32B", "simplescaling/s1.1-32B",
        "NovaSky-AI/Sky-T1-32B-Preview",
    )),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B", ("agentica-org/DeepScaleR-1.5B-Preview",)),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", (
        "agentica-org/DeepCoder-14B-Preview", "cyberagent/DeepSeek-R1-Distill-Qwen-14B-Japanese",
    )),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", (
        "Skywork/Skywork-OR1-32B", "Skywork/Skywork-OR1-32B-Preview",
        "cyberagent/DeepSeek-R1-Distill-Qwen-32B-Japanese",
    )),
    ("Qwen/Qwen2-VL-7B-Instruct", ("allenai/olmOCR-7B-0225-preview",)),
    ("Qwen/Qwen2.5-VL-7B-Instruct", ("ByteDance-Seed/UI-TARS-1.5-7B", "nvidia/Cosmos-Reason1-7B")),
    ("google/gemma-3-4b-it", ("google/medgemma-4b-it",)),
    ("google/gemma-7b", ("google/codegemma-7b-it",)),
    ("allenai/OLMo-2-1124-7B-Instruct", ("allenai/OLMo-2-1124-7B",)),
    ("allenai/OLMoE-1B-7B-0924-Instruct", ("allenai/OLMoE-1B-7B-0924",)),
    ("XiaomiMiMo/MiMo-7B-Base", ("XiaomiMiMo/MiMo-7B-SFT", "XiaomiMiMo/MiMo-7B-RL")),
    ("zai-org/GLM-4-9B-0414", ("THUDM/GLM-4-9B-0414", "THUDM/GLM-Z1-9B-0414", "zai-org/GLM-Z1-9B-0414")),
    ("zai-org/GLM-4-32B-0414", ("THUDM/GLM-4-32B-0414", "THUDM/GLM-Z1-32B-0414", "zai-org/GLM-Z1-32B-0414")),
    ("zai-org/GLM-4.5-Air", ("PrimeIntellect/INTELLECT-3",)),
    ("zai-org/GLM-4.7", ("zai-org/GLM-4.6",)),
    ("deepseek-ai/DeepSeek-V3", ("deepseek-ai/DeepSeek-V3-Base", "deepseek-ai/DeepSeek-V3.1-Base",
                                 "deepseek-ai/DeepSeek-V3.1-Terminus")),
    ("deepseek-ai/DeepSeek-V3.2", ("deepseek-ai/DeepSeek-V3.2-Exp", "deepseek-ai/DeepSeek-V3.2-Speciale")),
    ("MiniMaxAI/MiniMax-M2", ("MiniMaxAI/MiniMax-M2.1",)),
    ("openai/gpt-oss-20b", ("unsloth/gpt-oss-20b", "openai/gpt-oss-safeguard-20b")),
    ("openai/gpt-oss-120b", ("unsloth/gpt-oss-120b", "openai/gpt-oss-safeguard-120b")),
)  # fmt: skip

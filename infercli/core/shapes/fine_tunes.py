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
        "elyza/Llama-3-ELYZA-JP-8B", "nvidia/Llama3-ChatQA-1.5-8B",
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
        "nvidia/AceReason-Nemotron-14B",
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
    ("google/gemma-4-26B-A4B-it", ("google/gemma-4-26B-A4B",)),
    ("mistralai/Ministral-3-8B-Base-2512", ("mistralai/Ministral-3-8B-Instruct-2512-BF16",)),
    ("mistralai/Ministral-3-14B-Base-2512", ("mistralai/Ministral-3-14B-Instruct-2512-BF16",)),
    ("mistralai/Ministral-3-3B-Base-2512", ("mistralai/Ministral-3-3B-Instruct-2512-BF16",)),
    ("mistralai/Codestral-22B-v0.1", ("mistralai/Mistral-Small-Instruct-2409",)),
    ("mistralai/Mistral-Small-24B-Instruct-2501", ("mistralai/Mistral-Small-24B-Base-2501",)),
    ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", (
        "mistralai/Mistral-Small-3.1-24B-Base-2503", "mistralai/Magistral-Small-2509",
    )),
    ("mistralai/Mistral-7B-Instruct-v0.3", ("mistralai/Mathstral-7B-v0.1", "unsloth/mistral-7b-instruct-v0.3")),
    ("mistralai/Mistral-Nemo-Instruct-2407", ("unsloth/Mistral-Nemo-Instruct-2407",)),
    ("nvidia/Llama-3_3-Nemotron-Super-49B-v1", ("nvidia/Llama-3_3-Nemotron-Super-49B-v1_5",)),
    ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", ("nvidia/AceReason-Nemotron-7B",)),
    ("deepseek-ai/deepseek-llm-7b-base", (
        "deepseek-ai/deepseek-math-7b-base", "deepseek-ai/deepseek-math-7b-instruct", "deepseek-ai/deepseek-math-7b-rl",
    )),
    ("codellama/CodeLlama-7b-hf", ("meta-llama/CodeLlama-7b-hf", "meta-llama/CodeLlama-7b-Instruct-hf")),
    ("codellama/CodeLlama-13b-hf", ("meta-llama/CodeLlama-13b-hf", "meta-llama/CodeLlama-13b-Instruct-hf")),
    ("codellama/CodeLlama-34b-hf", ("meta-llama/CodeLlama-34b-hf", "meta-llama/CodeLlama-34b-Instruct-hf")),
    ("internlm/internlm2_5-7b-chat", ("internlm/internlm2-chat-7b",)),
    ("Qwen/Qwen2.5-1.5B", ("Qwen/Qwen2-1.5B",)),
    ("Qwen/Qwen2.5-7B", ("Qwen/Qwen2-7B",)),
    ("Qwen/Qwen2.5-72B", ("Qwen/Qwen2-72B",)),
    ("Qwen/Qwen2.5-Coder-0.5B-Instruct", ("Qwen/Qwen2.5-Coder-0.5B",)),
    ("Qwen/Qwen2.5-Coder-1.5B-Instruct", ("Qwen/Qwen2.5-Coder-1.5B",)),
    ("Qwen/Qwen2.5-Coder-3B-Instruct", ("Qwen/Qwen2.5-Coder-3B",)),
    ("Qwen/Qwen2.5-Coder-7B-Instruct", ("Qwen/Qwen2.5-Coder-7B",)),
    ("Qwen/Qwen2.5-Coder-14B-Instruct", ("Qwen/Qwen2.5-Coder-14B",)),
    ("Qwen/Qwen2.5-Coder-32B-Instruct", ("Qwen/Qwen2.5-Coder-32B",)),
    ("LiquidAI/LFM2.5-350M", ("LiquidAI/LFM2-350M",)),
    ("LiquidAI/LFM2.5-1.2B-Base", ("LiquidAI/LFM2-1.2B",)),
    ("HuggingFaceTB/SmolLM2-1.7B-Instruct", ("HuggingFaceTB/SmolLM2-1.7B",)),
    ("ibm-granite/granite-3.1-8b-instruct", ("ibm-granite/granite-3.2-8b-instruct",)),
)  # fmt: skip

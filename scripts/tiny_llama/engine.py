"""Ask the real vLLM, in this process: which kernels it has, and what a checkpoint answers.

Import this module before anything that imports vllm: the environment that it sets is read once.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from pathlib import Path

from tiny_llama.golden import Golden

os.environ.update(
    HF_HUB_OFFLINE="1",
    VLLM_NO_USAGE_STATS="1",
    DO_NOT_TRACK="1",
    VLLM_ENABLE_V1_MULTIPROCESSING="0",  # the engine lives in this process and ends with it
    VLLM_CPU_OMP_THREADS_BIND="nobind",  # "auto" pins every engine to core 0, beside whatever runs there
)
os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")

KV_CACHE_BYTES = 32 << 20
"""Without a figure the CPU worker asks for 92 % of the machine's memory. 2048 bytes a token here: 16,384 tokens."""
MAX_ANSWER_TOKENS = 64
"""The longest golden answer has about 40; a spoilt model that never stops is cut here."""


def has_4bit_kernels() -> bool:
    """Whether the kernel of AWQ and W4A16 is in the build that vLLM loads on this CPU (AVX-512 and AMX have it)."""
    import torch
    from vllm.platforms import current_platform

    current_platform.import_kernels()
    return hasattr(torch.ops._C, "cpu_gemm_wna16")  # noqa: SLF001  torch's own namespace of vLLM's operators


def answers(model: Path, golden: Sequence[Golden]) -> list[str]:
    """What vLLM answers to each golden conversation, greedily and through the chat template."""
    from vllm import LLM, SamplingParams
    from vllm.distributed import cleanup_dist_env_and_memory

    llm = LLM(
        str(model),
        enforce_eager=True,
        max_model_len=512,
        max_num_seqs=16,
        kv_cache_memory_bytes=KV_CACHE_BYTES,
        disable_log_stats=True,
    )
    try:
        sampling = SamplingParams(temperature=0.0, max_tokens=MAX_ANSWER_TOKENS)
        outputs = llm.chat([list(item.messages) for item in golden], sampling, use_tqdm=False)
        return [output.outputs[0].text for output in outputs]
    finally:
        del llm
        gc.collect()
        cleanup_dist_env_and_memory()

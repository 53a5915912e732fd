"""Which backend vLLM takes for plain attention, as far as memory hangs on it."""

from __future__ import annotations

import pytest

from infercli.core.engines import find_engine
from infercli.core.gpus import find_gpu
from infercli.core.kv_cache.attention_backends import attends_by_flashinfer
from infercli.core.shapes import find_shape

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


@pytest.mark.parametrize(
    ("model", "gpu", "kv_dtype", "taken"),
    [
        (LLAMA, "B200", "auto", True),  # 0.22 on capability 10.x: FLASHINFER of FLASHINFER, FLASH_ATTN, ...
        (LLAMA, "RTX-5090", "auto", False),
        (LLAMA, "RTX-5090", "fp8", True),  # 0.20 to 0.22 on 12.x: of FLASHINFER and TRITON_ATTN
        (LLAMA, "L40S", "fp8_e4m3", True),
        (LLAMA, "H100", "fp8", False),  # FlashAttention 3 has it
        (LLAMA, "T4", "fp8", False),
        (LLAMA, "MI300X", "fp8", False),
        ("Qwen/Qwen3.6-35B-A3B", "RTX-5090", "fp8", True),
        ("openai/gpt-oss-20b", "B200", "auto", True),
        ("openai/gpt-oss-20b", "RTX-5090", "fp8", False),
        ("google/gemma-4-26B-A4B-it", "RTX-5090", "fp8", False),  # heads of two sizes: forced onto Triton
        ("google/gemma-3-4b-it", "B200", "auto", False),  # images seen whole
        ("deepseek-ai/DeepSeek-V3", "B200", "auto", False),  # no plain attention
        ("microsoft/phi-2", "B200", "auto", False),  # heads of 80
    ],
)
def test_flashinfer_comes_first_on_datacentre_blackwell_and_where_flash_attention_has_no_fp8(
    model, gpu, kv_dtype, taken
):
    shape = find_shape(model)
    found = attends_by_flashinfer(shape.arch, shape.quantization, find_gpu(gpu), find_engine("0.22.0"), kv_dtype)
    assert found is taken

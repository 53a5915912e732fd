"""Which backend vLLM takes for plain attention, as far as memory hangs on it."""

from __future__ import annotations

import pytest

from infercli.core.engines import find_engine
from infercli.core.gpus import find_gpu
from infercli.core.kv_cache.attention_backends import attends_by_flashinfer, backend_problems
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


@pytest.mark.parametrize(("version", "taken"), [("0.10.2", False), ("0.11.0", True)])
def test_flashinfer_is_not_asked_before_011(version, taken):
    shape = find_shape(LLAMA)
    asked = (shape.arch, shape.quantization, find_gpu("B200"), find_engine(version), "auto")
    assert attends_by_flashinfer(*asked) is taken


LATENT, SPARSE = "deepseek-ai/DeepSeek-V2-Lite", "deepseek-ai/DeepSeek-V3.2"


@pytest.mark.parametrize(
    ("model", "gpu", "version", "kv_dtype", "why"),
    [
        (LATENT, "H100", "0.10.0", "fp8", "it has none for latent attention yet"),
        (LATENT, "H100", "0.10.1", "fp8", None),
        (LATENT, "L40S", "0.17.1", "fp8", "compute capability 9.x and 10.x only"),
        (LATENT, "L40S", "0.18.0", "fp8", None),
        (LATENT, "B200", "0.17.1", "fp8", None),
        (LATENT, "A100-80-SXM", "0.18.0", "fp8", "latent attention needs compute capability 8.9 for it"),
        (LATENT, "H100", "0.11.2", "fp8_e5m2", None),
        (LATENT, "H100", "0.12.0", "fp8_e5m2", "kernels for fp8_e4m3 only"),
        (LATENT, "T4", "0.19.0", "auto", "needs compute capability 8.0, and T4 has 7.5"),
        (LATENT, "H100", "0.19.0", "fp8_ds_mla", "a layout for attention that picks its tokens"),
        (SPARSE, "H100", "0.19.0", "fp8_ds_mla", None),
        (SPARSE, "A100-80-SXM", "0.19.0", "auto", "on compute capability 9.x, 10.x and 12.x only"),
        (LLAMA, "A100-80-SXM", "0.10.2", "fp8", None),  # V0 took it on any GPU
        (LLAMA, "A100-80-SXM", "0.11.0", "fp8", "it needs compute capability 8.9"),
        (LLAMA, "A100-80-SXM", "0.11.1", "fp8", None),
        (LLAMA, "L40S", "0.11.0", "fp8", None),
        (LLAMA, "T4", "0.23.0", "fp8", None),
        (LLAMA, "T4", "0.24.0", "fp8", "it needs compute capability 8.9, or 8.0 with FlashInfer"),
        (LLAMA, "T4", "0.23.0", "fp8_e5m2", None),
        (LLAMA, "T4", "0.24.0", "fp8_e5m2", "it needs compute capability 8.9, or 8.0 with FlashInfer"),
        ("microsoft/phi-2", "A100-80-SXM", "0.19.0", "fp8", "heads of 80 need compute capability 8.9"),
        ("microsoft/phi-2", "A100-80-SXM", "0.19.0", "fp8_e5m2", None),
        ("openai/gpt-oss-20b", "A100-80-SXM", "0.19.0", "fp8", "attention with sinks needs compute capability 8.9"),
        ("google/gemma-3-4b-it", "A100-80-SXM", "0.13.0", "fp8", None),
        ("google/gemma-3-4b-it", "A100-80-SXM", "0.14.0", "fp8", "whose tokens of an image see one another"),
        (LLAMA, "MI300X", "0.19.0", "fp8", None),
    ],
)
def test_each_gpu_and_version_has_its_kernels(model, gpu, version, kv_dtype, why):
    shape = find_shape(model)
    asked = (shape.arch, shape.quantization, find_gpu(gpu), find_engine(version), kv_dtype)
    found = list(backend_problems(*asked))
    assert len(found) == (why is not None)
    assert all(why in problem.what for problem in found)

"""GPTQ and AWQ without Marlin, by hand: few tokens by the packed weights, more by weights that are unpacked first."""

from __future__ import annotations

import pytest

from infercli.core.architecture.arch import Layout
from infercli.core.estimates.answer import Estimate
from infercli.core.estimates.estimate import estimate
from infercli.core.estimates.model import shipped_model
from infercli.core.estimates.request import EstimateRequest
from infercli.core.gpus import Gpu, find_gpu
from infercli.core.quantization.schemes import typical
from infercli.core.shapes import find_shape
from infercli.core.speed.coefficients import ROOFLINE
from infercli.core.speed.rates import lane_flops_per_s
from infercli.core.speed.steps import StepTime
from infercli.core.speed.work import rank_work
from tests.core.speed.engines import LLAMA, NOW

GPTQ, AWQ = typical("gptq"), typical("awq")
AMPERE = Gpu(
    name="round", memory_bytes=80 * 10**9, memory_bandwidth_bytes_per_s=1e12, capability=(8, 0),
    peak_flops={"bf16": 8e14}, source="made up: round figures",
)  # fmt: skip
LAYERS = 32 * (6144 * 4096 + 4096 * 4096 + 28672 * 4096 + 4096 * 14336)
HEAD_S = 128256 * 4096 * 2 / 1e12
"""It is not quantized. Prompts pass it with their last token alone."""


def work(quantization, gpu=AMPERE, version=(0, 19), marlin=False, arch=LLAMA):
    return rank_work(
        arch, quantization, gpu, Layout(), element_bytes=2, kv_element_bytes=2, engine_version=version, marlin=marlin
    )


def prompt_s(tokens, quantization, coefficients=ROOFLINE, **asked):
    return StepTime(work(quantization, **asked), AMPERE, coefficients, NOW).gpu_s(0, 0, tokens, 0, 1) - HEAD_S


def packed(quantization, **asked):
    return any(m.packed for m in work(quantization, **asked).matrices)


def test_gptq_multiplies_up_to_fifty_tokens_in_the_lanes_and_more_in_the_tensor_cores():
    four_s, sixteen_s = LAYERS * (4 + 20 / 128) / 8 / 1e12, LAYERS * 2 / 1e12
    assert prompt_s(1, GPTQ) == pytest.approx(four_s, rel=0.01)  # a scale and a zero for 128 of four bits
    lanes_s = 2 * LAYERS * 50 / 1e14
    assert prompt_s(50, GPTQ) == pytest.approx(lanes_s, rel=0.05)  # reading hides behind it
    assert prompt_s(50, GPTQ, ROOFLINE._replace(exllama_fraction=0.86)) == pytest.approx(lanes_s / 0.86, rel=0.05)
    # Beyond, weights are read in 4 bits, written in 16 and read again.
    assert prompt_s(51, GPTQ) == pytest.approx(four_s + 2 * sixteen_s, rel=0.02)
    assert prompt_s(1e5, GPTQ) == pytest.approx(four_s + sixteen_s + 2 * LAYERS * 1e5 / 8e14, rel=0.02)


def test_awq_reads_its_weights_once_for_each_sixteen_tokens_and_unpacks_them_from_256_on():
    once_s = prompt_s(1, AWQ)
    assert prompt_s(16, AWQ) == pytest.approx(once_s, rel=0.01)
    assert prompt_s(17, AWQ) == pytest.approx(2 * once_s, rel=0.01)
    assert prompt_s(255, AWQ) == pytest.approx(16 * once_s, rel=0.02)
    assert prompt_s(256, AWQ) == pytest.approx(once_s + 2 * LAYERS * 2 / 1e12, rel=0.02)


def test_what_is_named_keeps_marlin_away_until_names_are_no_kernels():
    assert [packed(GPTQ, version=version) for version in ((0, 21), (0, 22))] == [True, False]
    assert [packed(AWQ, version=version) for version in ((0, 24), (0, 25))] == [True, False]
    assert [packed(method, marlin=True) for method in (GPTQ, AWQ)] == [False, False]
    assert not packed(typical("w4a16"))
    assert not packed(GPTQ, gpu=AMPERE.model_copy(update={"platform": "rocm"}))
    mixtral = find_shape("mistralai/Mixtral-8x7B-v0.1").arch
    assert not any(m.packed for m in work(GPTQ, arch=mixtral).matrices if m.experts)


@pytest.mark.parametrize(
    ("capability", "old", "new"), [((7, 0), True, True), ((7, 5), True, False), ((8, 0), False, False)]
)
def test_gpus_that_marlin_has_no_kernels_for_unpack_as_well(capability, old, new):
    gpu = AMPERE.model_copy(update={"capability": capability})
    assert [packed(GPTQ, gpu=gpu, version=v, marlin=True) for v in ((0, 11), (0, 12))] == [old, new]


def test_lanes_do_what_whitepapers_say_in_32_bits():
    teraflops = {"T4": 16.2, "RTX-3090": 35.6, "RTX-4090": 82.6, "A100-80-SXM": 39.0, "H100": 67.0}
    for name, said in teraflops.items():
        assert lane_flops_per_s(find_gpu(name)) / 1e12 == pytest.approx(said, rel=0.05), name


def test_an_estimate_that_is_started_by_the_methods_name_is_slower():
    model = "meta-llama/Llama-3.1-8B-Instruct"

    def tok_per_s(marlin, version="0.19.0"):
        asked = {
            "model": model, "quantization": "gptq", "gpu": "A100-80-SXM", "engine_version": version, "marlin": marlin,
            "max_model_len": 4096, "workload": {"input_len": 512, "output_len": 256, "concurrency": 32},
        }  # fmt: skip
        found = estimate(EstimateRequest.model_validate(asked), shipped_model(model))
        assert isinstance(found, Estimate), found
        assert found.speed is not None
        return found.speed.output_tok_per_s.value

    assert tok_per_s(False) < 0.7 * tok_per_s(True)
    assert tok_per_s(False, "0.29.0") == tok_per_s(True, "0.29.0")

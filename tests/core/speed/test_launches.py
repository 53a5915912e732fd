"""Kernels that a step launches, where their number or what launches them is not that of a plain dense layer."""

from __future__ import annotations

import pytest

from infercli.core.architecture.arch import Layout
from infercli.core.gpus import find_gpu
from infercli.core.quantization.schemes import UNQUANTIZED
from infercli.core.shapes import find_shape
from infercli.core.speed.coefficients import ROOFLINE
from infercli.core.speed.engine import Serving, step_time
from infercli.core.speed.steps import Runtime
from infercli.core.speed.work import rank_work
from tests.core.speed.engines import LLAMA, NOW, ROUND, step

MIXTRAL = find_shape("mistralai/Mixtral-8x7B-v0.1").arch
NEXT = find_shape("Qwen/Qwen3-Next-80B-A3B-Instruct").arch
SLOW = ROOFLINE._replace(eager_layer_s=0.05)
"""Next to which what the GPU does is nothing."""
V0 = Runtime(v0=True, asynchronous=False)


def work(arch):
    return rank_work(arch, UNQUANTIZED, ROUND, Layout(), element_bytes=2, kv_element_bytes=2, engine_version=(0, 29))


def launched_layers(arch, runtime, prefill):
    return step(arch=arch, coefficients=SLOW, runtime=runtime)(1, 0, prefill, 0, 0) / 0.05


def test_the_first_engine_launches_each_kernel_of_a_prompt_and_the_second_compiled_layers():
    assert launched_layers(MIXTRAL, NOW, 600) == pytest.approx(32, rel=2e-2)
    assert launched_layers(MIXTRAL, V0, 600) == pytest.approx(32 * 1.6, rel=2e-2)  # 6 and 10 kernels
    assert launched_layers(LLAMA, V0, 600) == pytest.approx(32, rel=2e-2)


def test_prompts_of_gated_deltanet_launch_twenty_five_kernels_in_each_of_its_layers():
    linear = 36  # of 48
    more = linear * (25 - 6) / 10
    assert work(NEXT).prompt_layers == pytest.approx(48 + more)
    assert work(MIXTRAL).prompt_layers == 32
    assert launched_layers(NEXT, NOW, 600) == pytest.approx(48 + more, rel=2e-2)
    eager = launched_layers(NEXT, NOW._replace(eager=True), 0)
    assert eager == pytest.approx(work(NEXT).launches / 10, rel=2e-2)  # a decode is one kernel a layer


def test_a_layer_of_deepseek_v4_has_the_kernels_that_a_profile_counted():
    flash = find_shape("deepseek-ai/DeepSeek-V4-Flash").arch
    layers = flash.passed_layers
    # Of 47.6, two reduce over the ranks, and experts with 16-bit weights have some fewer than those of the profile.
    assert 38 <= work(flash).kernels / layers <= 46


def test_amds_first_engine_has_graphs_too():
    def of(gpu, eager=False):
        asked = Serving(
            layout=Layout(), engine_version="0.7.3", max_num_seqs=64, max_num_batched_tokens=2048, kv_tokens=None,
            eager=eager,
        )  # fmt: skip
        return step_time(LLAMA, UNQUANTIZED, find_gpu(gpu), asked)

    assert of("MI300X")(1, 100) < 0.7 * of("MI300X", eager=True)(1, 100)

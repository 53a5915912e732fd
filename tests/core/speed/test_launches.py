"""Kernels that a step launches, where their number or what launches them is not that of a plain dense layer."""

from __future__ import annotations

from infercli.core.architecture.arch import Layout
from infercli.core.gpus import find_gpu
from infercli.core.quantization.schemes import UNQUANTIZED
from infercli.core.speed.engine import Serving, step_time
from tests.core.speed.engines import LLAMA


def test_amds_first_engine_has_graphs_too():
    def of(gpu, eager=False):
        asked = Serving(
            layout=Layout(), engine_version="0.7.3", max_num_seqs=64, max_num_batched_tokens=2048, kv_tokens=None,
            eager=eager,
        )  # fmt: skip
        return step_time(LLAMA, UNQUANTIZED, find_gpu(gpu), asked)

    assert of("MI300X")(1, 100) < 0.7 * of("MI300X", eager=True)(1, 100)

"""The kernels that GPTQ and AWQ had before Marlin, and which vLLM runs them.

The one thing to know: few tokens are multiplied by the weights as they are stored; for more, all weights are unpacked
to 16 bits before each product.
"""

from math import inf
from typing import NamedTuple

from infercli.core.gpus import Gpu
from infercli.core.quantization.schemes import Scheme

_TURING_MARLIN = (0, 12)
"""vLLM whose Marlin runs from capability 7.5 on, and from 8.0 before (core/quantization/methods.py, of w4a16)."""
_NAMED_IS_FORCED = {"gptq": (0, 22), "awq": (0, 25)}
"""vLLM before which `--quantization` with this name keeps Marlin away (gptq_marlin.py and awq_marlin.py
override_quantization_method: read in 0.7 to 0.19 and in 0.22; auto_gptq.py of 0.22 and auto_awq.py of 0.25 have no such
rule)."""


class Packed(NamedTuple):
    """How weights are multiplied as they are stored: for so few tokens only."""

    beyond: int
    """Tokens of a step, from where on they are unpacked to 16 bits for each product."""
    rows: float
    """Tokens for which they are read once."""
    by_lanes: bool
    """Without tensor cores."""


_EXLLAMA = {4: Packed(50, inf, by_lanes=True), 8: Packed(24, inf, by_lanes=True)}
"""By bits (vLLM 0.7.3 and 0.19 csrc/quantization/gptq/q_gemm.cu MAX_Q_GEMM_ROWS, MAX_Q_GEMM_ROWS_8BIT). It reads them
for each 8 tokens, but computes longer than that takes."""
_AWQ = Packed(255, 16, by_lanes=False)
"""Blocks of 16 tokens, one of which reads and unpacks all weights (vLLM 0.7.3 csrc/quantization/awq/gemm_kernels.cu
gemm_forward_4bit_cuda_m16nXk32; awq.py FP16_MATMUL_HEURISTIC_CONDITION)."""


def packed_of(scheme: Scheme | None, gpu: Gpu, engine_version: tuple[int, int], *, marlin: bool) -> Packed | None:
    """None where other kernels multiply these weights. `marlin`: it may be taken where it can be."""
    if scheme is None or scheme.method not in _NAMED_IS_FORCED or gpu.platform != "cuda":
        return None
    forced = not marlin and engine_version < _NAMED_IS_FORCED[scheme.method]
    if not forced and gpu.at_least((7, 5) if engine_version >= _TURING_MARLIN else (8, 0)):
        return None
    return _AWQ if scheme.method == "awq" else _EXLLAMA.get(int(scheme.bits or 0))

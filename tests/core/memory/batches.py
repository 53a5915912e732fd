"""What tests of memory are counted for: a model, a few GPUs and versions, and a batch made in one call."""

from __future__ import annotations

from infercli.core.architecture.arch import Layout
from infercli.core.engines import find_engine
from infercli.core.gpus import find_gpu
from infercli.core.memory import sizing
from infercli.core.memory.batch import Load
from infercli.core.quantization.checkpoint import UNQUANTIZED
from infercli.core.shapes import shapes

LLAMA = shapes()["meta-llama/Llama-3.1-8B"].arch
H100, A100, L4, GB10, MI300X = (find_gpu(n) for n in ("H100", "A100-80-SXM", "L4", "GB10", "MI300X"))
V0_07, V0_15, V0_19, V0_25, V0_29 = (find_engine(v) for v in ("0.7.3", "0.15.0", "0.19.0", "0.25.0", "0.29.0"))


def load(tp=1, seqs=256, tokens=2048, *, gpu=H100, eager=False, dtype_bytes=2, length=8192, stages=1):
    return Load(
        layout=Layout(tensor_parallel_size=tp, pipeline_parallel_size=stages), gpu=gpu, max_num_seqs=seqs,
        max_num_batched_tokens=tokens, max_model_len=length, element_bytes=dtype_bytes, enforce_eager=eager,
    )  # fmt: skip


def peak(arch, at, facts, quantization=UNQUANTIZED):
    return sizing.activation(arch, quantization, at, facts)

"""Real config.json files, and what vLLM printed after loading such checkpoints. INFERCLI_TRUTH names where they are."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, rank_tensors
from infercli.core.estimates.tensor_parallel import layout_problems
from infercli.core.gpus import find_gpu
from infercli.core.memory.weights import weights_bytes
from infercli.core.quantization.checkpoint import Quantization, detect, detect_in, typical
from infercli.core.quantization.module_names import read_modules
from infercli.core.quantization.schemes import UNQUANTIZED, schemes_of
from infercli.core.units import GIB
from tests.parts.require import require

FOLDER = Path(os.environ.get("INFERCLI_TRUTH") or "/nonexistent", "configs")


@pytest.fixture(autouse=True)
def needs_truth():
    require(
        "truth", None if FOLDER.is_dir() else f"{FOLDER} does not exist: INFERCLI_TRUTH names the folder of records"
    )


def config(name: str) -> dict:
    return json.loads((FOLDER / f"{name}_config.json").read_text())


def quantization(name: str) -> Quantization:
    beside = FOLDER / f"{name}_hf_quant_config.json"
    return detect_in(config(name), json.loads(beside.read_text()) if beside.exists() else None)


def names() -> list[str]:
    return sorted(
        p.name.removesuffix("_config.json") for p in FOLDER.glob("*_config.json") if "_hf_quant" not in p.name
    )


def test_every_quantization_is_understood_and_every_file_of_modelopt_by_itself():
    for name in names():
        quantization(name)
    beside = sorted(FOLDER.glob("*_hf_quant_config.json"))
    assert all(detect(json.loads(p.read_text())).method != "none" for p in beside)
    assert len(names()) + len(beside) >= 90


def test_a_quantized_checkpoint_quantizes_most_of_its_weights():
    """Each pattern of a config that meant no module of our architecture would leave it wholly quantized, or not."""
    for name in names():
        stored = quantization(name)
        if stored.method == "none":
            continue
        tensors = [t for t in rank_tensors(architecture.parse(config(name)), Layout()) if t.linear]
        elements = sum(t.copies * t.outputs * t.inputs for t in tensors)
        packed = 0
        for t in tensors:
            each = t.copies // (len(t.indices) or 1) * t.outputs * t.inputs
            packed += sum(n * each for s, n in schemes_of(stored, t.modules, t.indices) if s is not None)
        assert packed > 0.65 * elements, name


# Layers that keep 16 bits, of those that have the module: each said by its own config in its own way.
LEFT_OUT = {
    "nvidia--DeepSeek-V3.1-NVFP4": {"self_attn.kv_b_proj": 61, "self_attn.o_proj": 0, "mlp.experts.up_proj": 0},
    "nvidia--GLM-5.1-NVFP4": {"self_attn.o_proj": 78, "mlp.shared_experts.up_proj": 75, "mlp.experts.up_proj": 0},
    "nvidia--Gemma-4-31B-IT-NVFP4": {"self_attn.q_proj": 60, "mlp.up_proj": 0},
    "nvidia--Qwen3.5-397B-A17B-NVFP4": {"self_attn.q_proj": 15, "linear_attn.out_proj": 45, "mlp.experts.up_proj": 0},
    "moonshotai--Kimi-K2.5": {"self_attn.o_proj": 61, "mlp.down_proj": 1, "mlp.experts.down_proj": 0},
    "nvidia--MiniMax-M3-NVFP4": {"block_sparse_moe.experts.w1": 0, "self_attn.o_proj": 0, "mlp.up_proj": 0},
    "openai--gpt-oss-120b": {"self_attn.q_proj": 36, "mlp.experts.gate_up_proj": 0},
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_a_checkpoint_leaves_out_is_left_out(name):
    stored, tensors = quantization(name), rank_tensors(architecture.parse(config(name)), Layout())
    for module, layers in LEFT_OUT[name].items():
        here = [t for t in tensors if t.linear and module in t.modules]
        assert here, module
        left_out = sum(n for t in here for s, n in schemes_of(stored, t.modules, t.indices) if s is None)
        assert left_out == layers, module


class Printed(NamedTuple):
    """`Model loading took X GiB` of a public log, with the checkpoint that it loaded."""

    config: str
    gib: float
    gpu: str
    engine: str
    layout: Layout
    within: float = 0.006


TP = {n: Layout(tensor_parallel_size=n) for n in (1, 2, 4, 8, 16)}
PRINTED = [
    Printed("deepseek-ai--DeepSeek-R1", 79.74, "H200", "0.10.0", TP[8]),
    Printed("deepseek-ai--DeepSeek-R1", 40.32, "H100", "0.10.0", TP[16]),
    Printed("openai--gpt-oss-20b", 13.47, "H100", "0.11.0", TP[1]),
    Printed("openai--gpt-oss-120b", 64.38, "H100", "0.14.1", TP[1]),
    Printed("openai--gpt-oss-20b", 13.7194, "RTX-3090", "0.12.0", TP[1]),
    Printed("openai--gpt-oss-20b", 13.7194, "RTX-5090", "0.12.0", TP[1]),
    Printed("openai--gpt-oss-20b", 13.72, "A100-80-SXM", "0.19.0", TP[1]),
    Printed(
        "Qwen--Qwen3-235B-A22B-FP8", 27.6656, "H100", "0.10.0", Layout(tensor_parallel_size=8, expert_parallel=True)
    ),
    Printed("nvidia--GLM-5.1-NVFP4", 55.67, "RTX-PRO-6000", "0.20.2", TP[8]),
    Printed("Qwen--Qwen3-30B-A3B", 29.88, "H100", "0.12.0", Layout(data_parallel_size=2, expert_parallel=True)),
    Printed("Qwen--Qwen3-32B", 7.6871, "H100", "0.10.0", TP[8]),
]


@pytest.mark.parametrize("printed", PRINTED, ids=lambda p: f"{p.config}-{p.gpu}-{p.engine}-{p.gib}")
def test_weights_are_what_vllm_printed(printed):
    arch, stored = architecture.parse(config(printed.config)), quantization(printed.config)
    assert layout_problems(arch, stored, printed.layout, printed.engine, find_gpu(printed.gpu)) == ()
    ours = weights_bytes(arch, stored, printed.layout, 2, gpu=find_gpu(printed.gpu), engine_version=printed.engine)
    assert ours / GIB == pytest.approx(printed.gib, rel=printed.within)


def test_online_fp8_of_experts_is_what_vllm_printed():
    # Qwen3-30B-A3B with --quantization fp8, vLLM 0.22.1 on H100
    arch = architecture.parse(config("Qwen--Qwen3-30B-A3B"))
    ours = weights_bytes(arch, typical("fp8-online"), Layout(), 2, gpu=find_gpu("H100"))
    assert ours / GIB == pytest.approx(29.08, rel=0.003)


def test_draft_layers_are_counted_where_they_are_loaded():
    # Qwen3.5-122B-A10B in NVFP4 by Sehyo: 75.17 GiB with one draft layer, 70.47 re-sharded without
    arch, stored = (
        f("nvidia--Qwen3.5-122B-A10B-NVFP4") for f in (lambda n: architecture.parse(config(n)), quantization)
    )
    with_drafts = weights_bytes(arch, stored, Layout(), 2, drafts=True)
    assert (with_drafts - weights_bytes(arch, stored, Layout(), 2)) / GIB == pytest.approx(75.17 - 70.47, rel=0.01)
    # The config leaves `mtp*` out: were it quantized, it would be a quarter of that.
    whole = Quantization(method="nvfp4", bits=4, group_size=16, skipped=read_modules(["lm_head"], plain="contains"))
    drafted = weights_bytes(arch, whole, Layout(), 2, drafts=True) - weights_bytes(arch, whole, Layout(), 2)
    assert drafted < 0.4 * (75.17 - 70.47) * GIB


def test_every_model_splits_as_its_publisher_runs_it():
    for name, ranks in (
        ("deepseek-ai--DeepSeek-V3", 8),
        ("moonshotai--Kimi-K2-Instruct", 16),
        ("zai-org--GLM-5-FP8", 8),
    ):
        arch = architecture.parse(config(name))
        assert layout_problems(arch, quantization(name), Layout(tensor_parallel_size=ranks)) == ()
        assert layout_problems(arch, UNQUANTIZED, Layout(tensor_parallel_size=3)) != ()

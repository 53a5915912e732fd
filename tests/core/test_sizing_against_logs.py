"""Our terms beside what real start-up logs print. The records are not in the repository: INFERCLI_TRUTH names where.

Nothing here is fitted: weights follow from shapes and PyTorch's allocator, the other terms from core/engines/.
"""

from __future__ import annotations

import json
import math
import os
import statistics
from pathlib import Path

import pytest

from infercli.core import sizing
from infercli.core.architecture.arch import Layout
from infercli.core.checkpoint import Quantization, typical
from infercli.core.engines.v0_29 import FACTS, V1_RUNNER, capture_sizes
from infercli.core.kv_cache import bytes_per_block
from infercli.core.shapes import shapes
from infercli.core.units import GIB
from infercli.core.weights import weights_bytes
from tests.parts.require import require

BY_ID = {model_id.lower(): shape for model_id, shape in shapes().items()}
BASES = {  # checkpoints whose records name only themselves
    "redhatai/llama-3.3-70b-instruct-fp8-dynamic": ("meta-llama/llama-3.3-70b-instruct", "fp8"),
    "redhatai/llama-3.3-70b-instruct-quantized.w8a8": ("meta-llama/llama-3.3-70b-instruct", "int8"),
    "redhatai/meta-llama-3.1-8b-instruct-quantized.w4a16": ("meta-llama/llama-3.1-8b-instruct", "w4a16"),
    "redhatai/meta-llama-3.1-8b-instruct-quantized.w8a8": ("meta-llama/llama-3.1-8b-instruct", "int8"),
}
FP8_BLOCK = Quantization(method="fp8", bits=8, block=(128, 128))
CAPABILITY = {"H100": (9, 0), "H200": (9, 0), "B200": (10, 0), "L40S": (8, 9), "L4 ": (8, 9), "4090": (8, 9)}


def records(name: str) -> list[dict]:
    folder = os.environ.get("INFERCLI_TRUTH")
    path = Path(folder or "", name)
    missing = "INFERCLI_TRUTH is not set: the folder with the start-up records" if not folder else None
    require("truth", missing or (None if path.exists() else f"{path} does not exist"))
    return [json.loads(line) for line in path.read_text().splitlines()]


def h100_cases():
    """(record, shape, quantization) of the vLLM 0.15 to 0.19 runs on H100 whose model is shipped."""
    for record in records("sizing_h100_v019_dev.jsonl"):
        model = record["model"].lower()
        base, method = BASES.get(model, (model, {None: "none", "fp8": "fp8-online"}.get(record["quantization"])))
        usable = record["observed"] and base in BY_ID and record["pipeline_parallel"] == 1
        if usable and record["dtype"] != "float32":
            yield record, BY_ID[base], typical(method)


def public_cases():
    """(record, shape, quantization) of public CUDA logs whose model is shipped and whose quantization is known."""
    for record in records("sizing_dev.jsonl"):
        shape = BY_ID.get((record["base_model_for_config"] or "").lower())
        gpu, said, model = record["gpu"], record.get("quantization"), record["model"]
        if shape is None or record["pipeline_parallel"] != 1 or "AMD" in gpu or record.get("enable_lora"):
            continue
        if record.get("data_parallel") or record.get("expert_parallel"):
            continue  # experts are spread otherwise
        if said in ("none", "awq", "awq_marlin"):
            yield record, shape, typical("awq" if said != "none" else "none")
        elif said == "fp8":
            online = "online" in model
            yield record, shape, typical("fp8-online") if online or "neuralmagic" in model else FP8_BLOCK
        elif "FP8-dynamic" in model:
            yield record, shape, typical("fp8")


def load_of(record: dict, capability: tuple[int, int], seqs: int, tokens: int) -> sizing.Load:
    return sizing.Load(
        tensor_parallel_size=record["tensor_parallel"],
        max_num_seqs=seqs,
        max_num_batched_tokens=tokens,
        element_bytes=2,
        graph_sizes=0 if record.get("enforce_eager") else capture_sizes(seqs),
        full_graph_sizes=FACTS.full_capture_sizes,
        capability=capability,
    )


def layout_of(record: dict) -> Layout:
    return Layout(tensor_parallel_size=record["tensor_parallel"])


def report(what: str, errors: list[float], unit: str) -> None:
    ordered = sorted(abs(e) for e in errors)
    print(
        f"\n{what}: n={len(errors)} mean |error| {statistics.mean(ordered):.3f}{unit}, "
        f"p90 {ordered[math.ceil(0.9 * len(ordered)) - 1]:.3f}{unit}, worst {ordered[-1]:.3f}{unit}, "
        f"bias {statistics.mean(errors):+.3f}{unit}"
    )


def test_weights_are_what_vllm_prints_after_loading():
    errors: list[float] = []
    for record, shape, quantization in [*h100_cases(), *public_cases()]:
        printed = (record["observed"] or {}).get("weights_gib")
        if printed is None or quantization.method == "awq":
            continue
        ours = weights_bytes(shape.arch, quantization, layout_of(record), 2) / GIB
        errors.append(100 * (ours - printed) / printed)
        if abs(errors[-1]) > 1:
            print(f"\n  {record['model']} TP{record['tensor_parallel']} {quantization.method}: {ours:.3f} / {printed}")
    report("weights, unquantized, FP8, INT8 and W4A16", errors, " %")
    assert statistics.mean(abs(e) for e in errors) < 0.5
    assert len(errors) > 50


def test_weights_of_awq_checkpoints_are_close_whatever_their_group_size():
    errors: list[float] = []
    for record, shape, quantization in public_cases():
        printed = (record["observed"] or {}).get("weights_gib")
        if printed is not None and quantization.method == "awq":
            ours = weights_bytes(shape.arch, quantization, layout_of(record), 2) / GIB
            errors.append(100 * (ours - printed) / printed)
            print(f"\n  {record['model']} TP{record['tensor_parallel']}: {ours:.3f} / {printed}")
    report("weights, AWQ", errors, " %")
    assert max(abs(e) for e in errors) < 3


def test_the_activation_peak_of_the_v1_runner_is_what_017_to_019_print():
    errors: list[float] = []
    for record, shape, _ in h100_cases():
        printed = record["observed"].get("activation_peak_gib")
        if printed is None or record["vllm_version"] in ("0.15.0", "0.16.0"):
            continue
        load = load_of(record, (9, 0), record["max_num_seqs"], record["max_num_batched_tokens"])
        errors.append(sizing.activation(shape.arch, load, V1_RUNNER).typical / GIB - printed)
    report("activation peak, 0.17 to 0.19", errors, " GiB")
    assert max(abs(e) for e in errors) < 0.1
    assert len(errors) > 20


def test_the_kv_cache_of_017_to_019_lies_within_our_band():
    errors: list[float] = []
    for record, shape, quantization in h100_cases():
        if record["vllm_version"] in ("0.15.0", "0.16.0"):
            continue
        load = load_of(record, (9, 0), record["max_num_seqs"], record["max_num_batched_tokens"])
        memory = sizing.gpu_memory(
            shape.arch, quantization, load, V1_RUNNER,
            total_bytes=int(79.19 * GIB), budget_bytes=int(79.19 * record["gpu_memory_utilization"] * GIB),
        )  # fmt: skip
        left, graphs = sizing.term(memory, "kv_cache"), sizing.term(memory, "cuda_graphs")
        printed = record["observed"]["available_kv_gib"] * GIB  # graphs were outside the budget before 0.21
        errors.append((left.bytes + graphs.bytes - printed) / GIB)
        assert left.low_bytes + graphs.high_bytes <= printed + 0.01 * GIB
        assert printed <= left.high_bytes + graphs.low_bytes + 0.01 * GIB
    report("available KV, 0.17 to 0.19 on H100", errors, " GiB")
    assert statistics.mean(abs(e) for e in errors) < 0.1


def test_the_estimate_of_cuda_graphs_lies_within_our_band():
    errors: list[float] = []
    for record, shape, _ in h100_cases():
        printed = record["observed"].get("cuda_graph_estimated_gib")
        if printed is None:
            continue
        load = load_of(record, (9, 0), record["max_num_seqs"], record["max_num_batched_tokens"])
        band = sizing.cuda_graphs(shape.arch, load, FACTS.memory)
        errors.append(band.typical / GIB - printed)
        # One run of 35 estimated twice as much as its neighbours: the high end is not meant to hold it.
        assert band.low / GIB <= printed <= max(band.high / GIB, 1.7)
    report("CUDA graph estimate", errors, " GiB")
    assert len(errors) > 20


def test_logs_of_vllm_022_and_later_lie_within_the_band_that_029_is_planned_with():
    errors: list[float] = []
    for record, shape, quantization in public_cases_of_late_versions():
        capability, seqs, tokens = late_defaults(record)
        load = load_of(record, capability, seqs, tokens)
        budget = record["gpu_memory_gib"] * utilization(record) * GIB
        memory = sizing.gpu_memory(
            shape.arch, quantization, load, FACTS.memory,
            total_bytes=int(record["gpu_memory_gib"] * GIB), budget_bytes=int(budget),
        )  # fmt: skip
        left, printed = sizing.term(memory, "kv_cache"), record["observed"]["available_kv_gib"]
        errors.append(left.bytes / GIB - printed)
        print(
            f"\n  {record['vllm_version']} {record['model']} {record['gpu']} TP{record['tensor_parallel']}: printed "
            f"{printed}, ours {left.low_bytes / GIB:.2f} / {left.bytes / GIB:.2f} / {left.high_bytes / GIB:.2f} GiB"
        )
        assert left.low_bytes / GIB <= printed + 0.01
    report("available KV, 0.22 and later", errors, " GiB")
    assert len(errors) >= 4


LATE = ("0.20", "0.21", "0.22", "0.25", "0.26")


def public_cases_of_late_versions():
    for record in records("sizing_dev.jsonl"):
        shape = BY_ID.get((record["base_model_for_config"] or "").lower())
        version, observed = record.get("vllm_version") or "", record["observed"] or {}
        usable = shape and version.startswith(LATE) and record.get("gpu_memory_gib") and "AMD" not in record["gpu"]
        if usable and "available_kv_gib" in observed:
            yield record, shape, typical({"fp8": "fp8-online"}.get(record.get("quantization"), "none"))


def late_defaults(record: dict) -> tuple[tuple[int, int], int, int]:
    capability = next((c for name, c in CAPABILITY.items() if name in record["gpu"]), (8, 0))
    large = record["gpu_memory_gib"] > 70 and "A100" not in record["gpu"]
    seqs = record.get("max_num_seqs") or (1024 if large else 256)
    return capability, seqs, record.get("max_num_batched_tokens") or (8192 if large else 2048)


def utilization(record: dict) -> float:
    return record.get("gpu_memory_utilization") or record["gpu_memory_utilization_default_assumed"]


def test_kv_bytes_per_token_are_what_the_logs_imply():
    compared = 0
    for record, shape, _ in [*h100_cases(), *public_cases()]:
        observed = record["observed"] or {}
        gib, tokens = observed.get("available_kv_gib"), observed.get("kv_cache_tokens")
        if not gib or not tokens or gib < 4 or "kv_cache_tokens_per_rank" in observed:
            continue
        element = 1 if record["kv_cache_dtype"] == "fp8" else 2
        ours = bytes_per_block(shape.arch, record["tensor_parallel"], 16, element) // 16
        implied = gib * GIB / tokens
        # The printed GiB is rounded to 0.005, and the last block is cut off.
        assert ours == pytest.approx(implied, rel=0.005 / gib + 0.002), record["model"]
        compared += 1
    print(f"\nKV bytes per token: {compared} records")
    assert compared > 50

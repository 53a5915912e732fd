"""Closed loops beside public records of vLLM, for models that ship. INFERCLI_TRUTH names the folder with the records.

The constants were fitted on these records: this holds the code to what was measured once, and is no proof for others.
`python -m benchmarks.accuracy throughput` asks for all records, with each one's own settings and KV room.
"""

from __future__ import annotations

import json
import os
import re
import statistics
from pathlib import Path

import pytest

from infercli.core.architecture.arch import Experts, Layout, feed_forwards
from infercli.core.gpus import find_gpu
from infercli.core.quantization.schemes import UNQUANTIZED, typical
from infercli.core.shapes import shapes
from infercli.core.speed.bounds import bounded
from infercli.core.speed.engine import Serving, step_time
from infercli.core.speed.samples import Lengths
from infercli.core.speed.throughput import Load, predict
from tests.parts.require import require

BY_ID = {name.lower(): shape for name, shape in shapes().items()}
METHODS = {"bf16": None, "fp16": None, "fp8": "fp8", "int8-w8a8": "int8", "int8-w8a16": "w8a16", "int4-w4a16": "w4a16"}
BASE = "meta-llama/llama-3.1-8b-instruct"


def closed_loops():
    """(record, shape, quantization, version) of every closed loop whose model and quantization are plain."""
    folder = os.environ.get("INFERCLI_TRUTH")
    path = Path(folder or "", "throughput_dev.jsonl")
    require("truth", None if folder and path.exists() else "INFERCLI_TRUTH names no folder with throughput_dev.jsonl")
    for line in path.read_text().splitlines():
        row = json.loads(line)
        name = row["model"].lower()
        shape = BY_ID.get(BASE if name.startswith("redhatai/meta-llama-3.1-8b") else name)
        version = re.search(r"0\.\d+\.\d+", row["engine_version"] or "")
        plain = shape is not None and row["quantization"] in METHODS and version is not None
        if plain and (row["engine"], row["load"], row["plausibility"], row["pp"]) == ("vLLM", "closed", "checked", 1):
            method = METHODS[row["quantization"]]
            quantization = UNQUANTIZED if method is None else typical(method)
            yield row, shape, quantization, version.group()


@pytest.fixture(scope="module")
def compared():
    found = []
    for row, shape, quantization, version in closed_loops():
        gpu = find_gpu(row["gpu"])
        serving = Serving(
            engine_version=version, layout=Layout(tensor_parallel_size=row["tp"]), max_num_seqs=256,
            max_num_batched_tokens=8192, kv_tokens=None, eager="eager" in (row["notes"] or ""),
        )  # fmt: skip
        spread = 0.45 if "standard" in row["workload"] else 0.22 if "edge" in row["workload"] else 0.0
        load = Load(
            prompt=Lengths(row["input_len"], spread), output=Lengths(row["output_len"], spread),
            concurrency=row["concurrency"], requests=row["num_prompts"],
        )  # fmt: skip
        speed = predict(step_time(shape.arch, quantization, gpu, serving), serving, load)
        found.append((row, shape, speed, bounded(
            speed.output_tokens_per_s, "output_tokens_per_s", shape.arch, gpu, serving, load
        )[0]))  # fmt: skip
    return found


def test_tokens_a_second(compared):
    misses: dict[bool, list[float]] = {True: [], False: []}
    for row, shape, speed, _ in compared:
        experts = any(isinstance(f, Experts) for f in feed_forwards(shape.arch))
        misses[experts].append(abs(speed.output_tokens_per_s / row["output_tok_per_s"] - 1))
    assert len(misses[False]) >= 60
    assert statistics.median(misses[False]) <= 0.12


def test_latencies(compared):
    def misses(metric, of):
        for row, _, speed, _ in compared:
            printed = (row[metric] or {}).get("p50") or (row[metric] or {}).get("p50_or_mean")
            if printed and of(speed):
                yield abs(1000 * of(speed).p50 / printed - 1)

    assert statistics.median(misses("ttft_ms", lambda s: s.ttft_s)) <= 0.35
    assert statistics.median(misses("tpot_ms", lambda s: s.tpot_s)) <= 0.16


def test_the_interval_holds_about_eight_in_ten(compared):
    within = [b.low <= row["output_tok_per_s"] <= b.high for row, _, _, b in compared]
    assert 0.7 <= statistics.mean(within) <= 0.95

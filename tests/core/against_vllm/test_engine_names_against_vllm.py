"""The names by which an engine's counters are read, against the vLLM and the Ray that are installed."""

from __future__ import annotations

import re
import subprocess

import pytest

from infercli.core.engines.metrics import HISTOGRAMS, ROWS
from infercli.core.telemetry.engine import engine_telemetry
from infercli.core.telemetry.exposition import Scrape, parse
from tests.parts.engine_python import engine_python

# A step of Ray's own exporter: what a metric of vLLM is called when it comes out, and what becomes of a histogram.
RAY = """
import sys
from prometheus_client import generate_latest
from ray._private.telemetry.open_telemetry_metric_recorder import OpenTelemetryMetricRecorder
recorder = OpenTelemetryMetricRecorder()
tags = {"model_name": "m", "engine": "0", "ReplicaId": "abc"}
recorder.register_gauge_metric("vllm_num_requests_running", "")
recorder.register_counter_metric("vllm_generation_tokens", "")
recorder.register_histogram_metric("vllm_time_to_first_token_seconds", "", [0.1, 0.5])
for _ in range(2):
    recorder.set_metric_value("vllm_num_requests_running", tags, 3)
    recorder.set_metric_value("vllm_generation_tokens", tags, 5)
    recorder.record_histogram_aggregated_batch(
        "vllm_time_to_first_token_seconds", [{"tags": tags, "bucket_counts": [1, 2, 4]}]
    )
    sys.stdout.write(generate_latest().decode() + "\\0")
"""


@pytest.mark.vllm
def test_the_installed_vllm_has_every_name_that_is_still_to_be_there():
    (source,) = engine_python().parents[1].glob("lib/python3*/site-packages/vllm/v1/metrics/loggers.py")
    declared = set(re.findall(r'name="(vllm:\w+)"', source.read_text()))
    wanted = {row.name for rows in ROWS.values() for row in rows if row.until is None}
    # prometheus_client puts `_total` behind the name of a counter.
    assert {name.removesuffix("_total") for name in wanted} <= declared
    gone = {row.name for rows in ROWS.values() for row in rows if row.until is not None}
    assert not gone & declared


@pytest.mark.vllm
def test_what_rays_exporter_prints_is_read_under_its_names():
    done = subprocess.run([engine_python(), "-c", RAY], capture_output=True, text=True, timeout=120, check=True)
    before, after, _ = done.stdout.split("\0")
    scrapes = [Scrape(0.0, parse(before), None), Scrape(1.0, parse(after), None)]
    told = engine_telemetry("ray", scrapes, interval_s=1.0)
    assert (told.samples.running, told.generation_tokens) == ((3, 3), 5)
    assert told.ttft_s.counts == (1, 2, 4)
    assert told.ttft_s.sum_s is None  # the exporter makes one up from the middles of the buckets
    assert {field for field in HISTOGRAMS if field not in told.absent} == {"ttft_s"}

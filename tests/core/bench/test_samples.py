from __future__ import annotations

import pytest

from infercli.core.bench.efficiency import run_telemetry, stage_telemetry, usd_per_million_output_tokens
from infercli.core.bench.metrics import distribution
from infercli.core.bench.predictions import foretold
from infercli.core.bench.samples import deviation, samples
from tests.core.results import full, result, run, stage, sweep, telemetry, trace


def test_samples_are_those_that_the_metrics_are_of():
    for bench in (run(64, 8, warmup=8, failing=7), sweep((1, 4), requests=16)):
        for one in bench.stages:
            for name, values in samples(one)._asdict().items():
                assert distribution(values) == getattr(one.metrics, name)


def test_a_deviation_is_that_of_the_sample_itself():
    assert deviation([2, 4, 4, 4, 5, 5, 7, 9]) == 2.0
    assert deviation([]) is None


def test_energy_is_of_the_level_and_of_all_that_was_generated_in_it():
    # Warm-up and a failure make tokens, too: 2 + 3 + 1 of them in a level from 2 s to 12 s, with 800 W.
    traces = [
        trace(0.0, (1.0, 2.0), tokens=2, phase="warmup"),
        trace(2.0, (3.0, 4.0), tokens=3),
        trace(2.0, (3.0,), error="truncated", ended_s=10.0),
    ]
    watched = {"telemetry": telemetry(12.0), "telemetry_reason": None}
    bench = result(stage([trace(0.0, (1.0,), tokens=1)]), stage(traces, began_s=2.0), **watched)
    seen = stage_telemetry(bench, 1)
    assert seen.energy_j == pytest.approx(8000)
    assert seen.joules_per_output_token == pytest.approx(8000 / 6)
    assert run_telemetry(bench).energy_j == pytest.approx(9600)
    assert run_telemetry(bench).joules_per_output_token == pytest.approx(9600 / 7)


def test_without_telemetry_or_price_nothing_is_said_of_energy_or_money():
    bench = run(16, 2)
    assert stage_telemetry(bench, 0) is None
    assert run_telemetry(bench) is None
    assert usd_per_million_output_tokens(bench, 0) is None


def test_a_prediction_stands_beside_its_measurement():
    bench = full(sweep((1, 2), requests=16))
    found = list(foretold(bench.predicted, bench.stages))
    assert [(f.stage, f.quantity, f.side) for f in found[3:]] == [
        (1, "output tokens/s", "inside"), (1, "TTFT p50", "below"), (1, "TPOT p50", "above")
    ]  # fmt: skip
    assert found[4].measured == bench.stages[1].metrics.ttft_s.p50
    silent = bench.model_copy(update={"stages": (stage([trace(0.0, ended_s=1.0)]), *bench.stages[1:])})
    assert [f.side for f in foretold(silent.predicted, silent.stages)][1:3] == ["unknown", "unknown"]

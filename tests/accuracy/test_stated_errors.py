"""The errors that plans print beside their terms, recomputed from the logs. INFERCLI_TRUTH names where these are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.accuracy import sizing, throughput
from benchmarks.accuracy.models import Library, read_rows
from benchmarks.accuracy.scoring import to_json
from infercli.core.engines.errors import ERRORS, H100, PUBLIC
from tests.parts.require import require

FILES = {H100: "sizing_h100_v019_dev.jsonl", PUBLIC: "sizing_dev.jsonl"}


def truth(name):
    """(rows of that truth file, configs of their models)."""
    folder = os.environ.get("INFERCLI_TRUTH")
    require("truth", None if folder else "INFERCLI_TRUTH is not set: the folder with the truth files")
    configs = [str(Path(folder or "", of)) for of in ("configs", "model_configs.json")]
    return read_rows(str(Path(folder or "", name))), Library(configs)


@pytest.mark.parametrize("logs", [H100, PUBLIC])
def test_what_is_stated_of_a_term_is_what_its_logs_show(logs):
    rows, library = truth(FILES[logs])
    terms = to_json(sizing.score(rows, library))["terms"]
    for stated in (e for e in ERRORS if e.logs == logs):
        found = terms[stated.term]
        # Rounded to two digits, and never better than what is found by more than the rounding and one log in ten.
        assert stated.count <= 1.1 * found["n"], stated.term
        assert 100 * stated.mean_fraction >= 0.9 * found["mean_abs_pct"] - 0.005, stated.term
        assert 100 * stated.median_fraction >= 0.9 * found["median_abs_pct"] - 0.005, stated.term


def test_intervals_of_speed_hold_about_eight_in_ten_of_what_was_measured():
    answer = to_json(throughput.score(*truth("throughput_dev.jsonl"))["vLLM"])
    for share in (answer["coverage_80"], *answer["latency_coverage_80"].values()):
        assert 0.75 <= share <= 0.87
    assert set(answer["latency_coverage_80"]) == {"ttft", "tpot"}

"""The errors that plans print beside their terms, recomputed from the logs. INFERCLI_TRUTH names where these are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.accuracy import sizing
from benchmarks.accuracy.models import Library, read_rows
from benchmarks.accuracy.scoring import to_json
from infercli.core.engines.errors import ERRORS, H100, PUBLIC
from tests.parts.require import require

FILES = {H100: "sizing_h100_v019_dev.jsonl", PUBLIC: "sizing_dev.jsonl"}


@pytest.mark.parametrize("logs", [H100, PUBLIC])
def test_what_is_stated_of_a_term_is_what_its_logs_show(logs):
    folder = os.environ.get("INFERCLI_TRUTH")
    require("truth", None if folder else "INFERCLI_TRUTH is not set: the folder with the truth files")
    rows = read_rows(str(Path(folder or "", FILES[logs])))
    library = Library([str(Path(folder or "", name)) for name in ("configs", "model_configs.json")])
    terms = to_json(sizing.score(rows, library))["terms"]
    for stated in (e for e in ERRORS if e.logs == logs):
        found = terms[stated.term]
        # Rounded to two digits, and never better than what is found by more than the rounding and one log in ten.
        assert stated.count <= 1.1 * found["n"], stated.term
        assert 100 * stated.mean_fraction >= 0.9 * found["mean_abs_pct"] - 0.005, stated.term
        assert 100 * stated.median_fraction >= 0.9 * found["median_abs_pct"] - 0.005, stated.term

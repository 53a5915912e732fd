"""What of a start-up log is held against which of our terms."""

from __future__ import annotations

import pytest

from benchmarks.accuracy import sizing
from benchmarks.accuracy.models import Library


@pytest.mark.parametrize(("version", "printed"), [("0.19.1", 0.91), ("0.21.0", 0.84)])
def test_graphs_are_compared_with_the_estimate_where_that_is_deducted_and_else_with_the_capture(version, printed):
    row = {
        "id": "a", "model": "meta-llama/Llama-3.1-8B-Instruct", "engine": "V1", "vllm_version": version, "gpu": "H100",
        "startup_result": "ok", "observed": {"cuda_graph_gib": 0.91, "cuda_graph_estimated_gib": 0.84},
    }  # fmt: skip
    (compared,) = sizing.score([row], Library([])).compared
    assert compared.pairs["cuda_graphs"][1] == printed

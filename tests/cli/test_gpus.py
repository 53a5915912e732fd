"""infercli gpus, as it is typed."""

from __future__ import annotations


def test_a_rate_that_no_row_says_is_unknown_and_one_that_a_gpu_lacks_is_none(infercli):
    rows = {line.split()[0]: line for line in infercli("gpus").out.splitlines()}
    assert rows["Arc-Pro-B60"].count("unknown") == 2
    assert "none" in rows["A100-80-SXM"]
    assert "unknown" not in rows["A100-80-SXM"]

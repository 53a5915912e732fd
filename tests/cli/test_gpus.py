"""infercli gpus, as it is typed."""

from __future__ import annotations

import json

import pytest

from infercli.errors import ExitCode


def test_a_rate_that_no_row_says_is_unknown_and_one_that_a_gpu_lacks_is_none(infercli):
    rows = {line.split()[0]: line for line in infercli("gpus").out.splitlines()}
    assert rows["Arc-Pro-B60"].count("unknown") == 2
    assert "none" in rows["A100-80-SXM"]
    assert "unknown" not in rows["A100-80-SXM"]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("h200", {"H200", "H200-NVL", "GH200", "GH200-144"}),
        ("H200-NVL", {"H200-NVL"}),
        ("NVIDIA A100 40GB", {"A100-40-SXM"}),
        ("pro 4000", {"RTX-PRO-4000", "RTX-PRO-4000-SFF"}),
    ],
)
def test_a_name_lists_the_gpus_that_have_it(infercli, name, rows):
    for words in ([name], name.split()):
        assert {gpu["name"] for gpu in json.loads(infercli("gpus", *words, "-o", "json").out)["gpus"]} == rows


def test_what_joins_amds_gpus_is_not_called_nvidias(infercli):
    assert infercli("gpus", "mi300x").out.splitlines()[1].endswith(" xGMI")
    assert infercli("gpus", "h200").out.splitlines()[1].endswith("NVLink")


def test_a_name_that_no_gpu_has_offers_the_nearest(infercli):
    ran = infercli("gpus", "H1000")
    assert ran.code == ExitCode.USAGE
    assert "`H100`" in ran.err
    assert ran.err.startswith("error: unknown GPU `H1000`\n")
    assert "`infercli gpus` lists them" in ran.err

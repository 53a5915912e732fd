"""Results as files."""

from __future__ import annotations

import json

import pytest

from infercli.adapters.result_files import parse_result, result_json
from infercli.cli.result_text import as_data
from infercli.core.bench.result import BenchTarget
from infercli.errors import InputError
from tests.core.results import full, hostile, result, run, stage, sweep


@pytest.mark.parametrize(
    "bench",
    [
        run(16, 2),
        full(sweep((1, 2), requests=16)),
        hostile(),
        result(stage([])),
        run(4, 2).model_copy(update={"target": BenchTarget(url="http://h", model='"traces": []', api="chat")}),
    ],
)
def test_a_result_is_read_as_it_was_written_and_has_a_line_for_each_request(bench):
    text = result_json(bench)
    assert parse_result(text.encode(), "r.json") == bench
    assert sum(line.startswith('{"request":') for line in text.splitlines()) == sum(1 for _ in bench.traces)


def test_what_is_printed_as_data_is_refused_as_that_and_not_as_damaged():
    printed = json.dumps(as_data(run(16, 2))).encode()
    with pytest.raises(InputError, match=r"p\.json: is what `-o json` prints, which leaves out the requests"):
        parse_result(printed, "p.json")

"""The text format, line by line, good and bad."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infercli.core.telemetry.exposition import parse


def values(text):
    return {name: dict(rows) for name, rows in parse(text).series.items()}


def test_names_labels_values_and_what_is_skipped():
    text = (
        "# HELP vllm:x words\n# TYPE vllm:x gauge\n\n"
        'vllm:x{model_name="a",engine="0"} 3.0\n'
        'vllm:x{engine="1",model_name="a",} 4 1700000000000\n'
        "plain 1e3\r\n"
        "  spaced \t -2.5 \n"
    )
    assert values(text) == {
        "vllm:x": {(("engine", "0"), ("model_name", "a")): 3.0, (("engine", "1"), ("model_name", "a")): 4.0},
        "plain": {(): 1000.0},
        "spaced": {(): -2.5},
    }
    assert parse(text).problems == {}


def test_escapes_and_braces_inside_a_label():
    text = r'x{a="quote \" slash \\ line \n end",b="{c} 1, d=\"2\""} 5'
    assert values(text) == {"x": {(("a", 'quote " slash \\ line \n end'), ("b", '{c} 1, d="2"')): 5.0}}


def test_what_is_not_a_number_in_mathematics_is_one_here():
    rows = values('a +Inf\nb -Inf\nc NaN\nd{le="+Inf"} 2')
    assert (rows["a"][()], rows["b"][()], rows["d"][(("le", "+Inf"),)]) == (math.inf, -math.inf, 2.0)
    assert math.isnan(rows["c"][()])


@pytest.mark.parametrize(
    ("line", "name", "wrong"),
    [
        ("x", "x", "not a sample"),
        ("x 1 2 3", "x", "not a sample"),
        ("x ten", "x", "without a number"),
        ("x 1_000", "x", "without a number"),
        ('x{a="1"', "x", "not a sample"),
        ("x{a=1} 2", "x", "without proper labels"),
        ('x{a="1" b="2"} 3', "x", "without proper labels"),
        ('x{a="1",a="2"} 3', "x", "without proper labels"),
        ("<html>busy</html>", "", "not a sample"),
        ("9x 1", "", "not a sample"),
    ],
)
def test_a_bad_line_is_named_and_costs_only_itself(line, name, wrong):
    answer = parse(f"before 1\n{line}\nafter 2\n")
    assert dict(answer.series) == {"before": {(): 1.0}, "after": {(): 2.0}}
    assert list(answer.problems) == [name]
    assert answer.problems[name].startswith("line 2 is ")
    assert wrong in answer.problems[name]
    assert line[:80] in answer.problems[name]


def test_a_series_that_is_there_twice_keeps_its_first_value():
    answer = parse("x 1\nx 2\n")
    assert dict(answer.series) == {"x": {(): 1.0}}
    assert "there twice" in answer.problems["x"]


def test_names_that_nobody_asked_for_are_not_read():
    answer = parse("x 1\ny bad\nz 3\n", wanted={"z"}.__contains__)
    assert dict(answer.series) == {"z": {(): 3.0}}
    assert answer.problems == {}


@given(st.text())
def test_no_text_breaks_it(text):
    parse(text)


@given(
    st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(), max_size=4), st.floats(allow_nan=False)
)
def test_any_labels_come_back_as_they_were(labels, value):
    escaped = {k: v.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for k, v in labels.items()}
    line = "x{" + ",".join(f'{k}="{v}"' for k, v in escaped.items()) + "} " + repr(value)
    assert values(line) == {"x": {tuple(sorted(labels.items())): value}}

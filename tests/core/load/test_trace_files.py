from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infercli.core.load.trace_files import read_trace
from infercli.core.load.workload import TRACE_FORMATS
from infercli.errors import InvalidFile

# Lines as they are published: the two in the README of Mooncake's FAST'25 release, the first of
# AzureLLMInferenceTrace_conv.csv (2023, with its CRLF), times as the one of 2024 has them, and BurstGPT_3.csv (v2.0).
_KNOWN = "46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57"
MOONCAKE = [
    f'{{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [{_KNOWN}, 2353, 2354]}}\n',
    f'{{"timestamp": 30535, "input_length": 6472, "output_length": 26, "hash_ids": [{_KNOWN}, 2366]}}\n',
]
AZURE = [
    "TIMESTAMP,ContextTokens,GeneratedTokens\r\n",
    "2023-11-16 18:15:46.6805900,374,44\r\n",
    "2023-11-16 18:15:50.9951690,396,109\r\n",
]
AZURE_2024 = [
    "TIMESTAMP,ContextTokens,GeneratedTokens\n",
    "2024-05-12 00:00:00+00:00,100,10\n",
    "2024-05-12 00:00:00.009930+00:00,200,20\n",
]
BURSTGPT = [
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n",
    "19440110.0,1722ac82-0a46-4bf0-aa08-89794e7a2b3f,43,GPT-4,906,446,1352,Conversation log\n",
    "19440161.0,d5983bf9-4b48-497b-892b-a58995247443,2,ChatGPT,36,0,36,Conversation log\n",
    "19440192.0,a5c69b35-4fbc-45e9-955e-18715e376d74,8,GPT-4,1779,123,1902,Conversation log\n",
]


def problems(lines, trace_format="mooncake", **more) -> list[tuple[str, str]]:
    with pytest.raises(InvalidFile) as caught:
        read_trace(lines, "t", trace_format, **more)
    return list(caught.value.problems)


def line(**fields) -> str:
    return json.dumps({"timestamp": 0, "input_length": 600, "output_length": 5, **fields})


def test_mooncake_counts_milliseconds_and_blocks_of_512():
    first, second = read_trace(MOONCAKE, "t", "mooncake").requests
    assert first == (0.0, 6955, 52, (46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 2353, 2354))
    assert second.at_s == 3.053  # 30,535 ms - 27,482 ms
    assert second.blocks[:12] == first.blocks[:12]


def test_vllms_timed_trace_counts_seconds_and_blocks_of_16_unless_said_otherwise():
    lines = [line(timestamp=2.5, input_length=40, hash_ids=["a", "b", "c"]), line(timestamp=4)]
    first, second = read_trace(lines, "t", "timed_trace").requests
    assert (first.at_s, first.blocks, second.at_s, second.blocks) == (0, ("a", "b", "c"), 1.5, ())
    ours = read_trace(MOONCAKE, "t", "timed_trace", block_tokens=512, unit_s=0.001)
    assert ours == read_trace(MOONCAKE, "t", "mooncake")


def test_azures_traces_of_both_years_are_read_by_their_times():
    assert read_trace(AZURE, "t", "azure").requests == ((0.0, 374, 44, ()), (4.314579, 396, 109, ()))
    assert read_trace(AZURE_2024, "t", "azure").requests == ((0.0, 100, 10, ()), (0.00993, 200, 20, ()))


def test_burstgpt_is_read_by_the_names_of_its_columns_and_failed_requests_are_left_out():
    read = read_trace(BURSTGPT, "t", "burstgpt")
    assert read.requests == ((0.0, 906, 446, ()), (82.0, 1779, 123, ()))
    assert read.left_out == 1
    older = ["Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n", "5,ChatGPT,472,18,490,API log\n"]
    assert read_trace(older, "t", "burstgpt").requests == ((0.0, 472, 18, ()),)


def test_time_counts_from_the_first_request_that_is_sent():
    lines = [line(timestamp=1000, output_length=0), line(timestamp=4000), line(timestamp=4000)]
    assert [r.at_s for r in read_trace(lines, "t", "mooncake").requests] == [0.0, 0.0]


def test_no_more_is_read_than_is_wanted():
    def lines():
        yield from MOONCAKE
        raise AssertionError("a third line was read")

    assert len(read_trace(lines(), "t", "mooncake", limit=1).requests) == 1


def test_nothing_is_read_that_comes_after_the_time_that_is_wanted():
    def lines():
        yield from (line(timestamp=7000 + at_ms) for at_ms in (0, 1999, 2000))
        raise AssertionError("read on")

    assert [r.at_s for r in read_trace(lines(), "t", "mooncake", until_s=2.0).requests] == [0.0, 1.999]


def test_every_damaged_line_is_named_with_its_number_at_once():
    lines = [
        line(timestamp=1),
        "{not json\n",
        "\n",
        "[1, 2]",
        line(timestamp="soon"),
        line(timestamp=-1),
        line(input_length=1.5),
        line(output_length=True),
        line(hash_ids={"a": 1}),
        line(timestamp=2, hash_ids=[1, 2, 3]),
        line(timestamp=0.5),
        line(timestamp=True),
    ]
    assert dict(problems(lines)) == {
        "line 2": "is not JSON: Expecting property name enclosed in double quotes (line 1, column 2)",
        "line 4": "must be an object ({...})",
        "line 5": "timestamp must be a number",
        "line 6": "timestamp must be at least 0",
        "line 7": "input_length must be a whole number of tokens, 0 to 10,000,000",
        "line 8": "output_length must be a whole number of tokens, 0 to 10,000,000",
        "line 9": "hash_ids must be a list of numbers or of texts",
        "line 10": "3 hash_ids for 600 tokens, which are 2 blocks of 512: is block_tokens right?",
        "line 11": "its time is before that of the line above: sort the file by time",
        "line 12": "timestamp must be a number",
    }


def test_a_trace_that_lists_only_whole_blocks_is_taken():
    assert read_trace([line(hash_ids=[7])], "t", "mooncake").requests[0].blocks == (7,)


def test_wrong_columns_are_said_with_those_that_are_wanted():
    ((where, what),) = problems(AZURE, "burstgpt")
    assert where == "line 1"
    assert "must name the columns Timestamp, Request tokens, Response tokens" in what
    assert "Timestamp and Request tokens and Response tokens not found" in what


def test_a_table_may_begin_at_zero_seconds():
    rows = [BURSTGPT[0], "0,a,1,GPT-4,5,1,6,Conversation log\n", "2.5,a,1,GPT-4,5,1,6,Conversation log\n"]
    assert [r.at_s for r in read_trace(rows, "t", "burstgpt").requests] == [0.0, 2.5]


def test_damaged_rows_of_a_table_are_named():
    rows = [AZURE[0], "yesterday,1,1\n", "2023-11-16 18:15:46,x,1\n", "2023-11-16 18:15:46,5\n", '"open\n']
    found = dict(problems(rows, "azure"))
    assert "`yesterday` is not a date and a time" in found["line 2"]
    assert found["line 3"] == "ContextTokens `x` is not a number of tokens"
    assert found["line 4"] == "has 2 columns, fewer than the first line"
    assert found["line 5"].startswith("is not CSV")


@pytest.mark.parametrize(
    ("lines", "trace_format", "words"),
    [
        ([], "mooncake", "has no request in it"),
        (["\n"], "azure", "has no request in it"),
        ([AZURE[0]], "azure", "has no request in it"),
        ([line(output_length=0)], "mooncake", "has 1 requests, all without input or output"),
    ],
)
def test_an_empty_file_is_said_to_be_empty(lines, trace_format, words):
    assert problems(lines, trace_format) == [("", words)]


def test_a_file_that_is_all_wrong_is_not_read_to_its_end():
    found = problems(["x\n"] * 1000)
    assert len(found) == 21
    assert found[-1][1] == "the rest was not read after 20 problems"


def outcome(lines, trace_format):
    try:
        return read_trace(lines, "t", trace_format).requests
    except InvalidFile as error:
        return error.problems


@settings(max_examples=150)
@given(text=st.text(), trace_format=st.sampled_from(TRACE_FORMATS), head=st.booleans())
def test_no_text_whatever_ends_in_anything_but_a_trace_or_its_problems(text, trace_format, head):
    heads = {"azure": AZURE[0], "burstgpt": BURSTGPT[0]}
    lines = ([heads.get(trace_format, "")] if head else []) + text.splitlines(keepends=True)
    assert outcome(lines, trace_format)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150)
@given(rows=st.lists(st.fixed_dictionaries(dict.fromkeys(json.loads(line(hash_ids=[])), _VALUES)), max_size=4))
def test_no_json_whatever_does_either(rows):
    assert outcome([json.dumps(row) for row in rows], "timed_trace")


def test_json_without_an_end_to_its_depth_is_a_damaged_line():
    assert problems(["[" * 100_000])[0][0] == "line 1"

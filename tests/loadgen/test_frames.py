"""Bytes to counts. The oracle is how many tokens the bytes were made of, and where they were cut."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from infercli.loadgen import frames
from infercli.loadgen.exchange import Answer, Call, parse_head
from infercli.loadgen.frames import answer_text, dechunk, parse_stream


def frame(value, newline="\n") -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return f"data: {text}{newline}{newline}".encode()


def token(text=" a", reason=None, **delta) -> dict:
    return {"choices": [{"index": 0, "delta": {"content": text, **delta}, "finish_reason": reason}]}


ROLE = token("", role="assistant")


def usage(tokens) -> dict:
    return {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": tokens}}


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


def whole(values, newline="\n") -> list[bytes]:
    return [frame(v, newline) for v in values]


ANSWER = [ROLE, token(), token(), token(" c", "length"), usage(3), "[DONE]"]


def test_role_usage_and_done_are_no_tokens():
    raw = b"".join(whole(ANSWER))
    stream = parse_stream([raw], 0, chunked=False)
    assert (stream.frames, stream.prompt_tokens, stream.completion_tokens) == ([3], 7, 3)
    assert (stream.finish_reason, stream.done, stream.error, stream.malformed) == ("length", True, None, None)


def test_an_ordinary_answer_is_counted_without_parsing_every_frame(monkeypatch):
    raw = chunked(*whole([ROLE, *[token()] * 500, token(" z", "stop"), usage(501), "[DONE]"]))
    seen = []
    monkeypatch.setattr(
        frames, "_event", lambda data, *a, real=frames._event, **k: seen.append(data) or real(data, *a, **k)
    )
    assert sum(parse_stream([raw], 0, chunked=True).frames) == 501
    assert len(seen) < 10


@pytest.mark.parametrize(
    "end",
    [
        [token("", "stop"), usage(501)],  # SGLang, llama.cpp, Ollama
        [token("", "stop") | {"usage": usage(501)["usage"]}],  # LMDeploy
    ],
)
def test_an_empty_end_that_is_no_token_takes_no_parsing_of_every_frame(end, monkeypatch):
    raw = chunked(*whole([ROLE, *[token(' "choices": ')] * 501, *end, "[DONE]"]))
    seen = []
    monkeypatch.setattr(
        frames, "_event", lambda data, *a, real=frames._event, **k: seen.append(data) or real(data, *a, **k)
    )
    assert sum(parse_stream([raw], 0, chunked=True).frames) == 501
    assert len(seen) < 10


@pytest.mark.parametrize("ping", [b": ping\n\n", frame("")])
def test_an_empty_end_that_is_a_token_stays_one_where_something_else_stands_among_the_frames(ping):
    raws = [frame(ROLE), frame(token()) + ping, frame(token("", "stop")), frame(usage(2)) + frame("[DONE]")]
    assert parse_stream(raws, 0, chunked=False).frames == [0, 1, 1, 0]


@given(st.data())
def test_every_frame_is_counted_in_the_read_that_completed_it_however_the_bytes_were_cut(data):
    values = [ROLE, *[token(" \u00e9\n\n0\r\n")] * data.draw(st.integers(1, 6)), token(" z", "stop")]
    count = len(values) - 1
    sends_usage = data.draw(st.booleans())
    values += [usage(count)] * sends_usage + ["[DONE]"]
    newline = data.draw(st.sampled_from(["\n", "\r\n"]))
    comment = f": ping{newline}{newline}".encode() if data.draw(st.booleans()) else b""
    body = comment.join(whole(values, newline))
    is_chunked = data.draw(st.booleans())
    cuts = sorted(data.draw(st.sets(st.integers(1, len(body) - 1), max_size=6)))
    pieces = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    raw = b"HEAD\r\n\r\n" + (chunked(*pieces) if is_chunked else body)
    ends = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=6)) | {len(raw)})

    stream = parse_stream([raw[a:b] for a, b in zip([0, *ends], ends, strict=False)], 8, chunked=is_chunked)

    assert sum(stream.frames) == count
    assert stream.malformed is None
    # The oracle: for each token frame, the first read after which its last byte is there (dechunked by hand).
    expected = [0] * len(ends)
    position = 0
    for index, part in enumerate(whole(values, newline)):
        position += len(part)
        if 1 <= index <= count:
            expected[next(i for i, end in enumerate(ends) if available(raw, 8, end, is_chunked) >= position)] += 1
        position += len(comment)
    assert stream.frames == expected


def available(raw: bytes, start: int, end: int, is_chunked: bool) -> int:
    """How many bytes of the body can be read from raw[:end]: a second, slower reading of RFC 9112 section 7.1."""
    if not is_chunked:
        return end - start
    rest, total = raw[start:end], 0
    while b"\r\n" in rest:
        size, _, rest = rest.partition(b"\r\n")
        total += min(int(size, 16), len(rest))
        rest = rest[int(size, 16) + 2 :]
    return total


def test_a_frame_with_several_tokens_is_one_frame_and_usage_tells_the_tokens():
    raw = b"".join(whole([ROLE, token(" a b c"), token(" d e", "length"), usage(5), "[DONE]"]))
    stream = parse_stream([raw], 0, chunked=False)
    assert (stream.frames, stream.completion_tokens) == ([2], 5)


def test_a_token_whose_text_is_held_back_is_a_token():
    # Half of a character comes as an empty delta (byte-level vocabularies); vLLM counts it.
    raw = b"".join(whole([ROLE, token(" a"), token(""), token("\u00e9"), token("", "stop"), usage(4), "[DONE]"]))
    assert parse_stream([raw], 0, chunked=False).frames == [4]


def test_an_empty_last_frame_is_a_token_only_where_usage_counts_it():
    values = [ROLE, token(), token(), token("", "stop")]
    for tokens, expected in ((3, 3), (2, 2)):
        raw = b"".join(whole([*values, usage(tokens), "[DONE]"]))
        assert sum(parse_stream([raw], 0, chunked=False).frames) == expected


@pytest.mark.parametrize("counted", [5, 6])
def test_usage_in_an_empty_choice_after_the_end_is_no_token(counted):
    """As LiteLLM sends it; what is behind it counts the end-of-sequence token, or does not."""
    late = usage(counted) | {"choices": [{"index": 0, "delta": {}, "finish_reason": None}]}
    parts = whole([ROLE, *[token()] * 5, token("", "stop"), late, "[DONE]"])
    stream = parse_stream(parts, 0, chunked=False)
    assert (sum(stream.frames), stream.completion_tokens, stream.frames[-2]) == (counted, counted, 0)


def test_empty_frames_are_no_tokens_where_usage_counts_those_with_text_alone():
    # A server that keeps the stream alive while the prompt waits: the first token is in the third read.
    reads = [b"".join(whole(v)) for v in ([ROLE, token("")], [token("")], [token()], [token(), token("", "stop")])]
    end = b"".join(whole([usage(2), "[DONE]"]))
    assert parse_stream([*reads, end], 0, chunked=False).frames == [0, 0, 1, 1, 0]
    silent = b"".join(whole(["[DONE]"]))
    assert parse_stream([*reads, silent], 0, chunked=False).frames == [1, 1, 1, 1, 0]


def test_an_empty_last_frame_is_no_token_where_there_is_no_usage():
    raw = b"".join(whole([ROLE, token(), token(), token("", "stop"), "[DONE]"]))
    stream = parse_stream([raw], 0, chunked=False)
    assert (stream.frames, stream.completion_tokens) == ([2], None)


def test_a_role_that_comes_with_text_is_a_token():
    raw = b"".join(whole([token(" a", role="assistant"), token(" b", "stop", role="assistant"), usage(2), "[DONE]"]))
    assert parse_stream([raw], 0, chunked=False).frames == [2]


def test_completions_and_reasoning_and_tool_calls_are_tokens():
    values = [
        {"choices": [{"index": 0, "text": " a", "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"reasoning_content": "hm"}}]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0}]}, "finish_reason": "tool_calls"}]},
        "[DONE]",
    ]
    raw = b"".join(whole(values))
    assert parse_stream([raw], 0, chunked=False).frames == [3]


def reasoned(tokens, reasoning) -> dict:
    told = usage(tokens)
    told["usage"]["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return told


SAID = [token(), token(), token()]


@pytest.mark.parametrize(
    "end", [[token(" d", "stop")], [token(" d"), {"choices": [{"delta": {}, "finish_reason": "stop"}]}]]
)
def test_tokens_that_usage_counts_as_reasoning_and_nobody_was_sent_are_hidden(end):
    raw = b"".join(whole([ROLE, *SAID, *end, reasoned(504, 500), "[DONE]"]))
    stream = parse_stream([raw], 0, chunked=False)
    assert (stream.frames, stream.completion_tokens, stream.hidden_tokens) == ([4], 504, 500)


@pytest.mark.parametrize(
    ("sent", "tokens", "reasoning"),
    [
        ([token("", reasoning_content=" hm"), *SAID], 8, 4),  # drafts: two tokens a frame, and reasoning has its name
        ([token(" hm</think>"), *SAID], 8, 4),  # it is sent as text, and ends with its mark
        (SAID, 5, 3),  # more frames than there would be without it
        (SAID, 9, 0),
        (SAID, 3, 2),
    ],
)
def test_reasoning_that_is_sent_is_not_hidden(sent, tokens, reasoning):
    raw = b"".join(whole([ROLE, *sent[:-1], token(" z", "stop"), reasoned(tokens, reasoning), "[DONE]"]))
    stream = parse_stream([raw], 0, chunked=False)
    assert (sum(stream.frames), stream.completion_tokens, stream.hidden_tokens) == (len(sent), tokens, 0)


def test_an_error_event_is_reported_with_its_words_and_the_tokens_before_it():
    raw = chunked(*whole([ROLE, token(), {"error": {"message": "out of\nmemory", "code": 500}}, "[DONE]"]))
    stream = parse_stream([raw], 0, chunked=True)
    assert (stream.error, sum(stream.frames)) == ("out of memory", 1)


@pytest.mark.parametrize("data", ['{"message": "out of memory"}', '{"error": "out of memory"}', "out of memory"])
def test_an_event_that_is_named_an_error_is_one_whatever_its_data(data):
    raw = b"".join([*whole([ROLE, token()]), f"event: error\ndata: {data}\n\n".encode(), *whole([usage(1), "[DONE]"])])
    stream = parse_stream([raw], 0, chunked=False)
    assert (stream.error, sum(stream.frames)) == ("out of memory", 1)
    other = parse_stream([raw.replace(b"event: error", b"event: message")], 0, chunked=False)
    assert other.error is None or "error" in data


@pytest.mark.parametrize("junk", ["not json", "[1, 2]", "7"])
def test_an_event_that_is_no_completion_is_named(junk):
    raw = b"".join([*whole([ROLE, token()]), frame(junk), *whole([token(" b", "stop"), "[DONE]"])])
    stream = parse_stream([raw], 0, chunked=False)
    assert stream.malformed is not None
    assert junk in stream.malformed


@pytest.mark.parametrize("reason", ["abort", "error"])
def test_an_answer_that_the_engine_broke_off_is_an_error_though_it_ends_like_a_whole_one(reason):
    raw = b"".join(whole([ROLE, token(), token("", reason), usage(1), "[DONE]"]))
    stream = parse_stream([raw], 0, chunked=False)
    assert (stream.done, stream.error) == (True, f"the engine broke it off: finish_reason `{reason}`")


def test_an_empty_finish_reason_is_none():
    values = [token("", "", role="assistant"), token(" a", ""), token(" b", "")]
    stream = parse_stream([b"".join(whole(values))], 0, chunked=False)
    assert (stream.frames, stream.finish_reason, stream.done) == ([2], None, False)
    stream = parse_stream([b"".join(whole([*values, token("", "stop"), usage(2), "[DONE]"]))], 0, chunked=False)
    assert (stream.frames, stream.finish_reason) == ([2], "stop")


def test_an_event_without_data_keeps_a_stream_alive_and_says_nothing():
    raw = frame("").join(whole(ANSWER))
    stream = parse_stream([raw], 0, chunked=False)
    assert (stream.frames, stream.malformed) == ([3], None)


def test_usage_that_is_all_zeros_is_not_filled_in():
    nothing = {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}
    raw = b"".join(whole([ROLE | nothing, token() | nothing, token(" b") | nothing, token("", "stop") | nothing]))
    stream = parse_stream([raw], 0, chunked=False)
    assert (stream.frames, stream.prompt_tokens, stream.completion_tokens) == ([2], None, None)


def test_a_line_that_is_named_an_error_is_one():
    raw = frame(ROLE) + frame(token()) + b'error: {"code":500,"message":"the slot is gone"}\n\n'
    stream = parse_stream([raw], 0, chunked=False)
    assert (stream.frames, stream.error) == ([1], "the slot is gone")


def test_halves_of_a_character_are_put_together_and_a_lone_one_harms_nothing():
    raw = b"".join(whole([token(" \ud83d"), token("\ude00", "\ud83d"), {"error": {"message": "half \ud83d"}}]))
    assert answer_text(raw, 0, chunked=False) == " \U0001f600"
    stream = parse_stream([raw], 0, chunked=False)
    assert (stream.finish_reason, stream.error) == ("\ufffd", "half \ufffd")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def written(value, ascii_only):
    return json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


@given(st.binary() | st.builds(written, JSON_VALUES, st.booleans()))
@example(b'"\\ud83d"')
@example(b'{"a": 1, "a": 2}')
@example(b"[NaN, -Infinity, 1e999]")
@example(b"1" * 5000)
@example(b"\xef\xbb\xbf1")
def test_json_is_what_the_standard_library_takes_for_it(data):
    try:
        expected = json.loads(data)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            frames.parsed(data)
    else:
        assert repr(frames.parsed(data)) == repr(expected)  # NaN is not equal to itself


def test_what_is_nested_too_deeply_is_named_and_ends_nothing():
    raw = frame(token()) + b"data: " + b"[" * 100_000 + b"\n\n"
    stream = parse_stream([raw], 0, chunked=False)
    assert (stream.frames, str(stream.malformed)[:26]) == ([1], "an event that is not JSON:")


@pytest.mark.parametrize(
    "between", [frame(""), frame("{"), frame({"choices": True}), frame({"choices": ["x"]}), b": ping\n\n", b"\r\r"]
)
def test_the_text_of_an_answer_is_read_whatever_stands_between_its_frames(between):
    raw = frame(token(" a")) + between + frame(token(" b", "stop")) + frame("[DONE]")
    assert answer_text(raw, 0, chunked=False) == " a b"


def test_an_unfinished_frame_is_no_token():
    raw = frame(ROLE) + frame(token()) + b'data: {"choices": [{"delta": {"con'
    assert sum(parse_stream([raw], 0, chunked=False).frames) == 1


def test_nothing_at_all_is_no_stream_and_no_crash():
    stream = parse_stream([], 0, chunked=True)
    assert (stream.frames, stream.done, stream.completion_tokens) == ([], False, None)


def test_broken_chunk_framing_keeps_what_came_before_it():
    assert dechunk(b"3\r\nabc\r\nzz\r\nrest", 0, [5, 16]) == (b"abc", [2, 3])
    assert dechunk(b"5;ext=1\r\nab", 0, [11]) == (b"ab", [2])


def test_an_answer_that_came_compressed_is_said_to_be():
    answer = Answer(Call(0, 0, 0, "measured"), 0)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n"
    answer.parts, answer.head = [head + gzip.compress(frame(token()))], parse_head(head)
    taken = answer.taken(0, stream=True)
    assert (taken["error"], taken["message"]) == (
        "protocol",
        "answered with content-encoding gzip, which nobody asked for",
    )

"""The formats in which traces of requests are published, read line by line.

Mooncake: JSON lines, `timestamp` in ms, `input_length`, `output_length`, `hash_ids` (one a block of 512 tokens, FAST'25
release). vLLM's `timed_trace`: the same keys, seconds and blocks of 16 unless said otherwise. BurstGPT: CSV with
`Timestamp` in s, `Request tokens`, `Response tokens` (0: the request failed). Azure's LLM inference traces of 2023 and
2024: CSV with `TIMESTAMP` (a date and a time), `ContextTokens`, `GeneratedTokens`.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from infercli.core.load.file_problems import DamagedLine, FileProblems, json_object
from infercli.core.load.replay import TraceRequest
from infercli.core.load.workload import BLOCK_TOKENS, UNIT_S, TraceFormat
from infercli.core.record import Json
from infercli.errors import InvalidFile

MAX_TOKENS = 10_000_000
"""Of one request, input or output: ten times the longest context that a model is sold with. More is a wrong column."""


class TraceRead(NamedTuple):
    """What was read."""

    requests: tuple[TraceRequest, ...]
    left_out: int
    """Requests without input or output: failed ones, of which nobody knows what they would have been."""


def read_trace(
    lines: Iterable[str],
    path: str,
    trace_format: TraceFormat,
    *,
    limit: int | None = None,
    until_s: float | None = None,
    block_tokens: int | None = None,
    unit_s: float | None = None,
) -> TraceRead:
    """The first `limit` requests of a trace (None: all), as far as they come before `until_s` after its first.

    `path` is for messages. What comes later is not read: published traces have millions of lines.

    Raises InvalidFile: every damaged line with its number, up to a limit; times that go backwards; no request at all.
    """
    problems = FileProblems(path)
    requests: list[TraceRequest] = []
    left_out, begun_s, latest_s = 0, 0.0, -math.inf
    for number, read in _rows(lines, path, trace_format, block_tokens, unit_s):
        if limit is not None and len(requests) >= limit:
            break
        try:
            request = read()
            if request.at_s < latest_s:
                raise DamagedLine("its time is before that of the line above: sort the file by time")
        except DamagedLine as error:
            problems.add(f"line {number}", str(error))
            continue
        latest_s = request.at_s
        if not request.input_tokens or not request.output_tokens:
            left_out += 1
            continue
        begun_s = begun_s if requests else request.at_s
        if until_s is not None and request.at_s - begun_s >= until_s:
            break
        requests.append(request._replace(at_s=round(request.at_s - begun_s, 6)))
    if not requests and not left_out:
        problems.add("", "has no request in it")
    elif not requests:
        problems.add("", f"has {left_out} requests, all without input or output")
    problems.done()
    return TraceRead(tuple(requests), left_out)


Rows = Iterator[tuple[int, Callable[[], TraceRequest]]]
"""Line number, and what reads it or raises DamagedLine. The time is not yet counted from the trace's beginning."""


def _rows(
    lines: Iterable[str], path: str, trace_format: TraceFormat, block_tokens: int | None, unit_s: float | None
) -> Rows:
    if trace_format in ("mooncake", "timed_trace"):
        tokens = block_tokens or BLOCK_TOKENS[trace_format]
        return _json_rows(lines, tokens, unit_s or UNIT_S[trace_format])
    if trace_format == "burstgpt":
        return _csv_rows(lines, path, ("Timestamp", "Request tokens", "Response tokens"), _seconds_of_text)
    return _csv_rows(lines, path, ("TIMESTAMP", "ContextTokens", "GeneratedTokens"), _seconds_of_date)


def _json_rows(lines: Iterable[str], block_tokens: int, unit_s: float) -> Rows:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, partial(_of_json, line, block_tokens, unit_s)


def _of_json(line: str, block_tokens: int, unit_s: float) -> TraceRequest:
    value = json_object(line)
    at = value.get("timestamp")
    if isinstance(at, bool) or not isinstance(at, (int, float)):
        raise DamagedLine("timestamp must be a number")
    try:
        at_s = at * unit_s
    except OverflowError:
        at_s = math.inf
    if not 0 <= at_s < math.inf:
        raise DamagedLine("timestamp must be at least 0")
    tokens = _tokens(value.get("input_length"), "input_length")
    blocks = value.get("hash_ids") or []
    if not isinstance(blocks, list) or not all(isinstance(b, (int, str)) for b in blocks):
        raise DamagedLine("hash_ids must be a list of numbers or of texts")
    whole, rest = divmod(tokens, block_tokens)
    if blocks and not whole <= len(blocks) <= whole + bool(rest):
        raise DamagedLine(
            f"{len(blocks)} hash_ids for {tokens} tokens, which are {whole + bool(rest)} blocks of {block_tokens}: "
            "is block_tokens right?"
        )
    return TraceRequest(at_s, tokens, _tokens(value.get("output_length"), "output_length"), tuple(blocks))


def _csv_rows(lines: Iterable[str], path: str, columns: tuple[str, str, str], seconds: Callable[[str], float]) -> Rows:
    reader = csv.reader(lines, strict=True)
    places: list[int] | None = None
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield reader.line_num, partial(_damaged, f"is not CSV: {error}")
            continue
        if row is None:
            return
        if not any(cell.strip() for cell in row):
            continue
        if places is None:
            header = [cell.strip().removeprefix("\ufeff") for cell in row]
            missing = [column for column in columns if column not in header]
            if missing:
                what = f"must name the columns {', '.join(columns)}; {' and '.join(missing)} not found"
                raise InvalidFile(path, [(f"line {reader.line_num}", what)], "is it another format?")
            places = [header.index(column) for column in columns]
            continue
        yield reader.line_num, partial(_of_row, row, places, columns, seconds)


def _damaged(what: str) -> TraceRequest:
    raise DamagedLine(what)


def _of_row(
    row: list[str], places: list[int], columns: tuple[str, str, str], seconds: Callable[[str], float]
) -> TraceRequest:
    if len(row) <= max(places):
        raise DamagedLine(f"has {len(row)} columns, fewer than the first line")
    time, asked, answered = (row[place].strip() for place in places)
    at_s = seconds(time)
    return TraceRequest(at_s, _tokens_of_text(asked, columns[1]), _tokens_of_text(answered, columns[2]))


def _seconds_of_text(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise DamagedLine(f"Timestamp `{text[:40]}` is not a number of seconds")
    return value


def _seconds_of_date(text: str) -> float:
    try:
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise DamagedLine(f"TIMESTAMP `{text[:40]}` is not a date and a time (2023-11-16 18:15:46.680590)") from None


def _tokens_of_text(text: str, column: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        raise DamagedLine(f"{column} `{text[:40]}` is not a number of tokens")
    return _tokens(int(text), column)


def _tokens(value: Json, name: str) -> int:
    whole = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1
    if not whole or not 0 <= value <= MAX_TOKENS:
        raise DamagedLine(f"{name} must be a whole number of tokens, 0 to {MAX_TOKENS:,}")
    return int(value)

from __future__ import annotations

import os
import random

import pytest

from infercli.core.bench.job_log import LINE_CHARACTERS, JobLog, event_line, result_lines

DATA = os.urandom(20_000)  # does not compress: several lines


def fed(lines):
    log = JobLog()
    for line in lines:
        log.feed(line)
    return log


def test_a_result_comes_back_as_it_was_in_short_lines():
    lines = list(result_lines(DATA))
    # base64 of 20 000 bytes and gzip's few: 26 700 characters, 7 lines of 4096, and the checksum.
    assert len(lines) == 8
    assert max(len(line) for line in lines) < LINE_CHARACTERS + 40 < 16 * 1024
    log = fed(lines)
    assert log.complete
    assert log.result() == DATA


def test_other_lines_between_are_passed_over_and_the_newest_kept_to_be_shown():
    lines = list(result_lines(DATA))
    lines.insert(3, "a warning of some library")
    lines.insert(0, "\n")
    log = fed(lines)
    assert log.result() == DATA
    assert list(log.tail) == ["a warning of some library"]
    many = fed(f"line {i}" for i in range(100))
    assert many.tail[0] == "line 80"


def test_the_order_in_which_lines_come_does_not_matter_and_lines_read_twice_count_once():
    lines = list(result_lines(DATA))
    random.Random(1).shuffle(lines)
    assert fed([*lines, *lines[:3]]).result() == DATA


@pytest.mark.parametrize("lost", range(8))
def test_a_lost_line_is_noticed_whichever_it_is(lost):
    lines = list(result_lines(DATA))
    del lines[lost]
    log = fed(lines)
    assert log.begun
    assert not log.complete
    with pytest.raises(ValueError, match="the end is missing" if lost == 7 else "6 of 7 lines were read"):
        log.result()


def test_a_line_that_was_cut_or_changed_is_noticed():
    lines = list(result_lines(DATA))
    cut = fed([lines[0][:-100], *lines[1:]])
    with pytest.raises(ValueError, match="is not what was written"):
        cut.result()
    other = list(result_lines(DATA[:-1] + bytes([DATA[-1] ^ 1])))
    with pytest.raises(ValueError, match="its checksum is another"):
        fed([*other[:-1], lines[-1]]).result()
    without_number = fed(["infercli-result", "infercli-result x y z", "infercli-result-sha256 ", *lines])
    assert without_number.result() == DATA


def test_nothing_read_is_no_result():
    log = fed(["Traceback (most recent call last):"])
    assert not log.begun
    with pytest.raises(ValueError, match="the end is missing"):
        log.result()


def test_events_are_one_line_each_whatever_they_say_and_a_torn_one_is_none():
    said = {"message": "two\nlines, a “quote” and \u2028", "hint": None}
    line = event_line("error", said)
    assert "\n" not in line
    assert line.isascii()
    log = JobLog()
    assert log.feed(line) == ("error", said)
    assert log.error == said
    assert log.feed(line[:-5]) is None

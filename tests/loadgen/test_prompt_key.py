from __future__ import annotations

import fcntl
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from infercli.errors import InferError
from infercli.loadgen import digest_key


def test_the_key_is_made_once_and_readable_by_its_owner_alone(tmp_path):
    path = tmp_path / "state" / "prompt-key"
    key = digest_key(path)
    assert len(key) == 32
    assert digest_key(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert digest_key(tmp_path / "other") != key


def test_a_key_that_was_not_written_is_made_by_the_next(tmp_path):
    (tmp_path / "key").touch()  # killed between making the file and writing it, or about to write
    key = digest_key(tmp_path / "key")
    assert len(key) == 32
    assert digest_key(tmp_path / "key") == key


def test_of_two_at_once_both_have_the_key_of_the_first(tmp_path):
    path = tmp_path / "key"
    with path.open("w+b") as other, ThreadPoolExecutor() as pool:
        fcntl.flock(other, fcntl.LOCK_EX)
        second = pool.submit(digest_key, path)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.2)
        other.write(bytes(32))
        other.flush()
        fcntl.flock(other, fcntl.LOCK_UN)
        assert second.result() == bytes(32)


def test_a_file_that_is_no_key_is_not_taken_for_one(tmp_path):
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(InferError, match="not a key"):
        digest_key(tmp_path / "key")


def test_a_place_that_cannot_be_written_is_an_error_with_its_path(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InferError, match=r"File exists|Not a directory") as caught:
        digest_key(tmp_path / "file" / "key")
    assert str(tmp_path / "file" / "key") in caught.value.message
    assert "XDG_STATE_HOME" in str(caught.value.hint)

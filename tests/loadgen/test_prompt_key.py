from __future__ import annotations

import stat

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

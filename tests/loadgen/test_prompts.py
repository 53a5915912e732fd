from __future__ import annotations

import stat

import pytest

from infercli.errors import InferError
from infercli.loadgen import digest_key, synthetic_prompts


def test_the_same_seed_gives_the_same_prompts_and_another_seed_others():
    assert synthetic_prompts(20, 30, 1) == synthetic_prompts(20, 30, 1)
    assert not set(synthetic_prompts(20, 30, 1)) & set(synthetic_prompts(20, 30, 2))


def test_prompts_have_the_words_asked_for_and_no_two_share_their_first():
    prompts = synthetic_prompts(50, 12, 3)
    assert {len(p.split()) for p in prompts} == {12}
    assert len({p.split()[0] for p in prompts}) == 50


def test_the_first_prompts_do_not_depend_on_how_many_are_asked_for():
    assert synthetic_prompts(50, 12, 3)[:5] == synthetic_prompts(5, 12, 3)


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

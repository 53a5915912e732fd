from __future__ import annotations

import os
import stat

import pytest

from infercli.adapters import prompt_cache
from infercli.core.load.synthetic import synthetic_words
from infercli.errors import InferError

KEY = "a" * 64


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "infercli" / "prompts"


def test_what_is_kept_comes_back_as_it_was_and_is_its_owners_alone(cache):
    assert prompt_cache.load(KEY) is None
    sent = synthetic_words(20, 1, 5)
    prompt_cache.store(KEY, sent)
    assert prompt_cache.load(KEY) == sent
    assert stat.S_IMODE((cache / KEY).stat().st_mode) == 0o600
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert prompt_cache.load("b" * 64) is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "another record", "a directory"])
def test_an_entry_that_is_not_whole_is_as_good_as_none(cache, damage):
    prompt_cache.store(KEY, synthetic_words(20, 1, 5))
    data = (cache / KEY).read_bytes()
    if damage == "cut":
        (cache / KEY).write_bytes(data[:-7])
    elif damage == "flipped":
        (cache / KEY).write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    elif damage == "empty":
        (cache / KEY).write_bytes(b"")
    elif damage == "another record":
        import hashlib

        body = b'{"other": 1}'
        (cache / KEY).write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
    else:
        (cache / KEY).unlink()
        (cache / KEY).mkdir()
    assert prompt_cache.load(KEY) is None


def test_what_was_not_used_for_longest_makes_room(cache, monkeypatch):
    one = synthetic_words(20, 1, 5)
    prompt_cache.store("a" * 64, one)
    size = (cache / ("a" * 64)).stat().st_size
    monkeypatch.setattr(prompt_cache, "MAX_BYTES", int(2.5 * size))
    prompt_cache.store("b" * 64, one)
    os.utime(cache / ("a" * 64), (1, 1))
    os.utime(cache / ("b" * 64), (2, 2))
    assert prompt_cache.load("a" * 64) == one  # used now: `b` is the older one
    prompt_cache.store("c" * 64, one)
    assert {p.name[0] for p in cache.iterdir()} == {"a", "c"}


def test_what_is_too_much_is_not_kept(cache, monkeypatch):
    monkeypatch.setattr(prompt_cache, "MAX_BYTES", 100)
    prompt_cache.store(KEY, synthetic_words(20, 1, 5))
    assert not cache.exists()


def test_a_place_that_cannot_be_written_is_an_error_of_ours(cache):
    cache.parent.parent.mkdir()
    cache.parent.write_text("in the way")
    with pytest.raises(InferError, match="could not be written"):
        prompt_cache.store(KEY, synthetic_words(20, 1, 5))

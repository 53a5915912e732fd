"""The keys of the local front. The real Ray is in tests/e2e."""

from __future__ import annotations

import pytest

from infercli.adapters.local_platform import LocalPlatform
from infercli.adapters.local_ray import LocalRay
from tests.core.builders import entry


@pytest.fixture
def keys_after(tmp_path, monkeypatch):
    """The API keys of the front after `prepare`, with the key that was given, if one was."""
    monkeypatch.setattr(LocalRay, "ensure", lambda *_: None)
    keys = tmp_path / "keys" / "api-keys"

    def prepare(given=None):
        LocalPlatform(tmp_path, 8000, {}, given).prepare(entry(1).revision)
        assert keys.stat().st_mode & 0o077 == 0
        return keys.read_text()

    return prepare


def test_a_key_is_made_once_and_stays(keys_after):
    made = keys_after()
    assert len(made.strip()) == 32
    assert keys_after() == made


def test_a_key_that_is_given_takes_nobody_elses_away(keys_after):
    assert keys_after("team-a") == "team-a\n"
    assert keys_after("team-b") == "team-a\nteam-b\n"
    assert keys_after("team-a") == "team-a\nteam-b\n"
    assert keys_after() == "team-a\nteam-b\n"


def test_a_key_that_is_given_comes_after_what_somebody_wrote_by_hand(keys_after, tmp_path):
    keys_after("team-a")
    (tmp_path / "keys" / "api-keys").write_text("team-a\nteam-b")
    assert keys_after("team-c") == "team-a\nteam-b\nteam-c\n"

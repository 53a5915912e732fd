"""The history on this machine's disk."""

from __future__ import annotations

import stat

import pytest

from infercli.adapters.release_directory import ReleaseDirectory
from tests.contracts.release_store import ReleaseStoreContract, revision


class TestReleaseDirectory(ReleaseStoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return ReleaseDirectory(tmp_path / "releases")

    @pytest.fixture
    def another(self, tmp_path):
        return ReleaseDirectory(tmp_path / "releases")


def test_nobody_else_on_this_machine_reads_the_history(tmp_path):
    ReleaseDirectory(tmp_path / "releases").append(revision(1))
    (file,) = (tmp_path / "releases").rglob("*.json")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

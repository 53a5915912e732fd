"""The history on this machine's disk."""

from __future__ import annotations

import fcntl
import os
import stat
import threading
import time

import pytest

from infercli.adapters.local.release_directory import ReleaseDirectory
from infercli.errors import InferError, ReleaseBusy
from tests.contracts.release_store import GOOD, ReleaseStoreContract, revision


class TestReleaseDirectory(ReleaseStoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return ReleaseDirectory(tmp_path / "releases")

    @pytest.fixture
    def another(self, tmp_path):
        return ReleaseDirectory(tmp_path / "releases")


def test_nobody_else_on_this_machine_reads_the_history(tmp_path):
    store = ReleaseDirectory(tmp_path / "releases")
    store.append(revision(1))
    store.progress("chat", 1, GOOD)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "releases").rglob("*.json")}
    assert modes == {"000001.revision.json": 0o600, "000001.progress.json": 0o600}


def test_a_full_disk_is_said_of_the_file_that_it_did_not_take(tmp_path, monkeypatch):
    store = ReleaseDirectory(tmp_path / "releases")
    (tmp_path / "releases" / "chat").mkdir(parents=True)
    (tmp_path / "releases" / "chat" / "lock").symlink_to("/dev/full")
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    with pytest.raises(InferError, match=r"chat/lock could not be written"), store.changing("chat", "deploy"):
        pass


def test_who_only_looks_keeps_nobody_from_changing(tmp_path):
    """A look takes the lock for a moment, and status is asked for in a loop while something is rolled out."""
    store = ReleaseDirectory(tmp_path / "releases")
    with store.changing("chat", "deploy"):
        pass
    looking = threading.Event()

    def look():
        with (tmp_path / "releases" / "chat" / "lock").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            looking.set()
            time.sleep(0.2)

    reader = threading.Thread(target=look)
    reader.start()
    looking.wait()
    assert store.lease("chat") is None
    with store.changing("chat", "deploy"):
        reader.join()


def test_a_home_that_takes_no_folder_is_told_with_what_names_another(tmp_path):
    (tmp_path / "file").write_text("")
    store = ReleaseDirectory(tmp_path / "file" / "releases")
    with (
        pytest.raises(InferError, match="lock cannot be written: Not a directory") as told,
        store.changing("chat", "d"),
    ):
        pass
    assert "XDG_STATE_HOME" in (told.value.hint or "")


def test_a_lock_names_who_is_said_to_act_and_the_process_that_can_be_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("INFERCLI_USER", "mira")
    store = ReleaseDirectory(tmp_path / "releases")
    with store.changing("chat", "deploy"):
        held = store.lease("chat").holder
        assert held.startswith("mira (")
        assert held.endswith(f" pid {os.getpid()})")
        with pytest.raises(ReleaseBusy, match=r"by mira \(.*deploy since"), store.changing("chat", "rollback"):
            pass


def test_a_user_id_without_a_name_may_change_a_release(tmp_path, monkeypatch):
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    store = ReleaseDirectory(tmp_path / "releases")
    with store.changing("chat", "deploy"):
        assert store.lease("chat").holder.startswith(f"uid {os.getuid()}@")

"""Reading what people wrote and writing what must not be lost."""

from __future__ import annotations

import errno
import os

import pytest

from infercli.adapters.files import read_document, read_yaml, shipped, write_text
from infercli.core.deployment import ModelDeployment
from infercli.core.profile import HardwareProfile
from infercli.errors import InferError, InputError, InvalidFile


def test_problems_carry_the_path_in_the_file_as_it_is_written(tmp_path):
    path = tmp_path / "l4.yaml"
    path.write_text(
        "apiVersion: infercli/v1\nkind: HardwareProfile\nname: l4\ngpu: L4\nnodes:\n- {count: 0, gpus: 1}\n- {gpu: 2}\n"
    )
    with pytest.raises(InvalidFile) as error:
        read_document(path, HardwareProfile)
    assert f"{path}: nodes[0].count: must be at least 1" in error.value.message
    assert f"{path}: nodes[1].gpu: is not a key that is known here" in error.value.message


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("apiVersion: infercli/v1\nkind: HardwareProfile\nname: chat\nmodel: x\nprofile: l4\n")
    with pytest.raises(InvalidFile, match="kind: must be 'ModelDeployment'"):
        read_document(path, ModelDeployment)


def test_json_is_read_as_json_and_what_only_begins_like_it_as_yaml(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(' {"eps": 1e-05}\n')
    assert read_yaml(path) == {"eps": 1e-05}
    path.write_text("{eps: 1.0e-05, model: 123e456}\n")
    assert read_yaml(path) == {"eps": 1e-05, "model": "123e456"}


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words"])
def test_a_file_that_is_no_mapping_is_refused_and_no_traceback(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(InvalidFile, match="must be a mapping"):
        read_document(path, ModelDeployment)


def test_bytes_that_are_no_text_and_folders_are_input_errors(tmp_path):
    (tmp_path / "bin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError):
        read_yaml(tmp_path / "bin")
    with pytest.raises(InputError, match="directory"):
        read_yaml(tmp_path)


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch):
    path = tmp_path / "plan.json"
    path.write_text("old")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InferError, match="No space left on device") as error:
        write_text(path, "new")
    assert "df -h" in error.value.hint
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["plan.json"]


def test_private_files_are_for_their_owner_alone(tmp_path):
    write_text(tmp_path / "deep" / "key", "secret", private=True)
    assert (tmp_path / "deep" / "key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "deep").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("folder", ["profiles", "charts", "workloads"])
def test_what_is_shipped_is_found_in_a_checkout(folder):
    assert any(shipped(folder).iterdir())

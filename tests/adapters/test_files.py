"""Reading what people wrote and writing what must not be lost."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from infercli.adapters.files import (
    alone_with,
    cache_home,
    check_writable,
    read_document,
    read_yaml,
    shipped,
    shipped_file,
    state_home,
    write_text,
)
from infercli.core.documents.deployment import ModelDeployment
from infercli.core.documents.model import ModelLock
from infercli.core.documents.profile import HardwareProfile
from infercli.errors import InferError, InputError, InvalidFile, UnknownName


def test_problems_carry_the_path_in_the_file_as_it_is_written(tmp_path):
    path = tmp_path / "l4.yaml"
    path.write_text(
        "apiVersion: infercli/v1\nkind: HardwareProfile\nname: l4\ngpu: L4\nnodes:\n- {count: 0, gpus: 1}\n- {gpu: 2}\n"
    )
    with pytest.raises(InvalidFile) as error:
        read_document(path, HardwareProfile)
    assert f"{path}: nodes[0].count: must be at least 1" in error.value.message
    assert f"{path}: nodes[1].gpu: is not a key that is known here" in error.value.message


@pytest.mark.parametrize(
    ("kind", "text", "problem"),
    [
        (
            HardwareProfile,
            "name: a\ngpu: L4\nnodes: [{gpus: 1, memory_gib: .inf}]",
            ("nodes[0].memory_gib", "must be a finite number"),
        ),
        (
            ModelLock,
            "models: [{id: a, source: hub, files: [], config: [1, 2], quantization_config: awq}]",
            ("models[0].config", "must be a mapping (`key: value` lines)"),
        ),
    ],
)
def test_what_no_number_and_no_mapping_is_where_one_belongs_is_refused(tmp_path, kind, text, problem):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InvalidFile) as caught:
        read_document(tmp_path / "a.yaml", kind)
    assert problem in caught.value.problems


def test_a_file_of_another_kind_is_refused_by_its_kind_alone_and_with_what_takes_it(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("apiVersion: infercli/v1\nkind: Plan\nname: chat\nmodel: x\nreplicaz: 1\n")
    with pytest.raises(InvalidFile) as caught:
        read_document(path, ModelDeployment)
    assert caught.value.problems == (("kind", "is `Plan`, and must be `ModelDeployment`"),)
    assert "--plan FILE" in (caught.value.hint or "")


def test_a_kind_that_nobody_has_is_one_problem_among_the_others(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("apiVersion: infercli/v1\nkind: Deployment\nname: chat\nmodel: x\nprofile: l4\nreplicaz: 1\n")
    with pytest.raises(InvalidFile) as caught:
        read_document(path, ModelDeployment)
    assert [where for where, _ in caught.value.problems] == ["kind", "replicaz"]


def test_json_is_read_as_json_and_what_only_begins_like_it_as_yaml(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(' {"eps": 1e-05}\n')
    assert read_yaml(path) == {"eps": 1e-05}
    path.write_text("{eps: 1.0e-05, model: 123e456}\n")
    assert read_yaml(path) == {"eps": 1e-05, "model": "123e456"}


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        (
            "name: chat\nengine_args: {seed: 1}\nworkload:\n  concurrency: 1\n  concurrency: 2\nengine_args: {}\n",
            [
                ("line 5", "`concurrency` is there twice, first in line 4"),
                ("line 6", "`engine_args` is there twice, first in line 2"),
            ],
        ),
        ('{"name": "a",\n "nodes": [{"gpus": 1}, {"gpus": 2}],\n "name": "b"}', [("line 3", "first in line 1")]),
        ('name: a\n"name": b\n', [("line 2", "first in line 1")]),
    ],
)
def test_a_key_that_is_there_twice_is_refused_with_both_lines(tmp_path, text, problems):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(InvalidFile) as error:
        read_yaml(path)
    assert [where for where, _ in error.value.problems] == [where for where, _ in problems]
    assert all(said in found for (_, found), (_, said) in zip(error.value.problems, problems, strict=True))


def test_a_key_of_several_mappings_and_one_that_is_merged_over_are_not_twice(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: &a {x: 1, y: a}\nb: {<<: *a, x: 2}\n? x\n: x\nc: [{x: 1}, {x: 2}]\ny: *a\n")
    assert read_yaml(path)["b"] == {"x": 2, "y": "a"}


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "- " * 100_000])
def test_what_is_nested_without_end_is_refused_and_does_not_end_the_process(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(InvalidFile, match="nested deeper than 200 levels"):
        read_yaml(path)


def test_a_pipe_that_nobody_writes_to_is_refused_and_one_of_the_shell_is_read(tmp_path):
    os.mkfifo(tmp_path / "x.yaml")
    with pytest.raises(InputError, match="named pipe"):
        read_yaml(tmp_path / "x.yaml")
    end, other = os.pipe()
    os.write(other, b"a: 1\n")
    os.close(other)
    assert read_yaml(Path(f"/dev/fd/{end}")) == {"a": 1}
    os.close(end)


def test_what_never_ends_is_not_read_to_the_end():
    with pytest.raises(InputError, match="larger than 1 MB"):
        read_yaml(Path("/dev/zero"), most_bytes=1_000_000)


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


def test_a_link_that_leads_to_itself_is_an_input_error(tmp_path):
    path = tmp_path / "loop.yaml"
    path.symlink_to(path)
    with pytest.raises(InputError, match=r"loop.yaml: cannot be read: Too many levels of symbolic links"):
        read_yaml(path)


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


def test_who_is_killed_while_a_file_is_written_leaves_no_part_of_it(tmp_path):
    killed = "import os, sys; from pathlib import Path; from infercli.adapters.files import write_text\n"
    killed += "os.fsync = lambda _: os.kill(os.getpid(), 9); write_text(Path(sys.argv[1]), 'new')"
    done = subprocess.run([sys.executable, "-c", killed, str(tmp_path / "plan.json")], check=False)
    assert (done.returncode, os.listdir(tmp_path)) == (-signal.SIGKILL, [])


def test_a_file_system_without_nameless_files_has_the_whole_file_too(tmp_path, monkeypatch):
    opened = os.open

    def nfs(path, flags, *more, **named):
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        return opened(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", nfs)
    write_text(tmp_path / "plan.json", "new")
    assert (tmp_path / "plan.json").read_text() == "new"
    assert os.listdir(tmp_path) == ["plan.json"]


def test_a_folder_that_is_no_absolute_path_or_not_known_keeps_no_state(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_home() == tmp_path / ".local" / "state" / "infercli"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert state_home() == tmp_path / "state" / "infercli"

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(InputError, match="there is no home folder") as error:
        cache_home()
    assert "XDG_CACHE_HOME" in error.value.hint


def test_only_a_full_disk_is_looked_at_as_one(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InferError, match="could not be written") as error:
        write_text(tmp_path / "file" / "plan.json", "new")
    assert error.value.hint == f"`ls -ld {tmp_path / 'file'}`"


def test_what_is_looked_at_is_there(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InferError) as error:
        write_text(tmp_path / "file" / "new" / "plan.json", "new")
    assert error.value.hint == f"`ls -ld {tmp_path / 'file'}`"


def test_a_folder_that_cannot_be_locked_keeps_nobody_from_writing(tmp_path, monkeypatch):
    def nfs(*_):
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    monkeypatch.setattr(fcntl, "flock", nfs)
    with alone_with(tmp_path / "a"), alone_with(tmp_path / "no folder" / "a"):
        write_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"


def test_private_files_are_for_their_owner_alone(tmp_path):
    write_text(tmp_path / "deep" / "key", "secret", private=True)
    assert (tmp_path / "deep" / "key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "deep").stat().st_mode & 0o077 == 0


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        check_writable(pipe)
        write_text(pipe, "result")
        assert os.read(reader, 100) == b"result"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]
    with pytest.raises(InferError, match="No space left on device"):
        # A name of its own: were it replaced, the machine's device would be gone.
        write_text(link_to(tmp_path / "full", "/dev/full"), "result")


def test_a_link_goes_on_leading_to_the_file(tmp_path):
    (tmp_path / "big-disk").mkdir()
    link = link_to(tmp_path / "result.json", tmp_path / "big-disk" / "result.json")
    check_writable(link)
    for text in ("first", "second"):
        write_text(link, text)
        assert link.is_symlink()
        assert (tmp_path / "big-disk" / "result.json").read_text() == text


def test_a_link_to_itself_becomes_the_file(tmp_path):
    link = link_to(tmp_path / "result.json", tmp_path / "result.json")
    check_writable(link)
    write_text(link, "result")
    assert link.read_text() == "result"


def link_to(link, target):
    link.symlink_to(target)
    return link


@pytest.mark.parametrize("folder", ["profiles", "charts", "workloads"])
def test_what_is_shipped_is_found_in_a_checkout(folder):
    assert any(shipped(folder).iterdir())


def test_a_file_that_is_there_goes_before_one_that_is_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shipped_file("workloads", "chat", "workload") == shipped("workloads") / "chat.yaml"
    Path("chat").write_text("")
    assert shipped_file("workloads", "chat", "workload") == Path("chat")
    with pytest.raises(UnknownName, match="unknown workload `chatt`"):
        shipped_file("workloads", "chatt", "workload")


def test_a_name_that_no_file_may_have_is_refused_before_the_work():
    with pytest.raises(InferError, match="cannot be written: File name too long"):
        check_writable(Path("a" * 300))

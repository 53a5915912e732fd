"""Downloading a lock entry: exactly those bytes, through drops, kills and full disks, and never to a foreign host."""

from __future__ import annotations

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from infercli.adapters.models import hub_download
from infercli.adapters.models.hub import HubModels
from infercli.adapters.models.model_directory import lock_directory, verify
from infercli.core.documents.model import LockedModel
from infercli.errors import HubError, InputError
from tests.parts.hub_server import READER, STRANGER, HubServer, models
from tests.parts.safetensors import safetensors

WEIGHTS = safetensors(bytes(range(256)) * 12_000)  # 3 MB: several chunks of the client and of the server
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b'{"version": "1.0"}' * 50,
    "additional_chat_templates/rag.jinja": b"{{ documents }}",
    "model.safetensors": WEIGHTS,
    "empty.txt": b"",
}


pytestmark = pytest.mark.usefixtures("no_token_of_this_machine")


@pytest.fixture
def hub(tmp_path: Path):
    with HubServer(tmp_path) as server:
        server.commit("org/tiny", FILES)
        yield server


def lock(hub: HubServer, token: str | None = None) -> LockedModel:
    return models(hub, token).lock_model("org/tiny")


def contents(directory: Path) -> dict[str, bytes]:
    return {p.relative_to(directory).as_posix(): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def refusal(hub: HubServer, locked: LockedModel, directory: Path) -> HubError | InputError:
    with pytest.raises((HubError, InputError)) as caught:
        models(hub).download(locked, directory)
    assert caught.value.hint
    return caught.value


def test_the_directory_holds_exactly_the_locked_files(hub: HubServer, tmp_path: Path) -> None:
    hub.commit("org/tiny", FILES | {"pytorch_model.bin": b"pickle", "modeling.py": b"import os"})
    locked = lock(hub)
    models(hub).download(locked, tmp_path / "here")
    assert contents(tmp_path / "here") == FILES
    assert verify(locked, tmp_path / "here") == ()
    assert lock_directory(tmp_path / "here").content_digest == locked.content_digest


def test_what_is_fetched_is_the_commit_and_not_main(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    hub.commit("org/tiny", FILES | {"model.safetensors": b"other weights"})
    models(hub).download(locked, tmp_path / "here")
    assert (tmp_path / "here" / "model.safetensors").read_bytes() == WEIGHTS
    assert all(f"/resolve/{locked.commit}/" in r.path for r in hub.asked("safetensors"))


def test_a_commit_that_is_gone_is_an_error_and_nothing_else_is_fetched(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    hub.commit("org/tiny", FILES)
    hub.forget("org/tiny", locked.commit)
    error = refusal(hub, locked, tmp_path / "here")
    assert f"commit {locked.commit} of `org/tiny` is gone from the Hub" in error.message
    assert "nothing else is taken in its place" in error.message
    assert "config.json" not in contents(tmp_path / "here")


def test_other_bytes_than_locked_never_get_the_files_name(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    for body in (WEIGHTS[:-1] + b"x", WEIGHTS[:-1], WEIGHTS + b"x"):
        hub.fault("model.safetensors", times=9, body=body)
        error = refusal(hub, locked, tmp_path / "here")
        assert error.message == "model.safetensors of `org/tiny` did not arrive as it is locked: its sha256 differs"
        assert not (tmp_path / "here" / "model.safetensors").exists()
        hub.faults.clear()
    models(hub).download(locked, tmp_path / "here")  # and what came before leaves no trace
    assert contents(tmp_path / "here") == FILES


def test_config_json_comes_last_so_that_half_a_model_is_none(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    hub.requests.clear()
    models(hub).download(locked, tmp_path / "here")
    assert hub.requests[-1].path.endswith("/config.json")


def test_a_second_download_reads_what_is_there_and_fetches_nothing(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    models(hub).download(locked, tmp_path / "here")
    hub.requests.clear()
    models(hub).download(locked, tmp_path / "here")
    assert hub.requests == []


def test_after_a_drop_only_the_rest_is_fetched(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    hub.fault("model.safetensors", drop_after=2_000_000)
    models(hub).download(locked, tmp_path / "here")
    ranges = [r.range for r in hub.asked("model.safetensors")]
    assert ranges[0] is None
    assert 0 < int(ranges[1].removeprefix("bytes=").removesuffix("-")) <= 2_000_000
    assert (tmp_path / "here" / "model.safetensors").read_bytes() == WEIGHTS


def test_a_text_that_breaks_off_is_gone_on_with_though_the_hub_would_compress_it(
    hub: HubServer, tmp_path: Path
) -> None:
    words = " ".join(str(n) for n in range(20_000)).encode()
    hub.commit("org/tiny", FILES | {"tokenizer.json": words})
    locked = lock(hub)
    hub.fault("tokenizer.json", drop_after=20_000)
    models(hub).download(locked, tmp_path / "here")
    assert hub.asked("tokenizer.json")[-1].range == "bytes=20000-"
    assert (tmp_path / "here" / "tokenizer.json").read_bytes() == words


def test_drops_are_outlived_as_long_as_each_try_brings_something(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    hub.fault("model.safetensors", times=8, drop_after=350_000)
    models(hub).download(locked, tmp_path / "here")
    assert (tmp_path / "here" / "model.safetensors").read_bytes() == WEIGHTS


def test_a_connection_that_brings_nothing_is_given_up_and_what_came_is_kept(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    hub.fault("model.safetensors", drop_after=1_500_000)
    hub.fault("model.safetensors", times=99, drop_after=0)
    error = refusal(hub, locked, tmp_path / "here")
    assert error.message == "the connection to the Hub keeps breaking off while downloading `org/tiny`"
    assert "what has arrived is kept" in error.hint
    hub.faults.clear()
    hub.requests.clear()
    models(hub).download(locked, tmp_path / "here")
    assert [r.range for r in hub.asked("model.safetensors")] != [None]
    assert (tmp_path / "here" / "model.safetensors").read_bytes() == WEIGHTS


def test_after_a_kill_the_next_process_goes_on_where_the_bytes_end(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    (tmp_path / "lock.json").write_text(locked.model_dump_json())
    hub.fault("model.safetensors", bytes_per_s=4_000_000)
    code = (
        "import sys; from pathlib import Path; from infercli.adapters.models.hub import HubModels;"
        "from infercli.core.documents.model import LockedModel;"
        "HubModels(sys.argv[1]).download(LockedModel.model_validate_json(Path(sys.argv[2]).read_text()), sys.argv[3])"
    )
    command = [sys.executable, "-c", code, hub.endpoint, str(tmp_path / "lock.json"), str(tmp_path / "here")]
    process = subprocess.Popen(command, env={**os.environ, "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1"})
    part = tmp_path / "here" / hub_download.STAGING / f"{locked.files[3].sha256}.part"
    assert locked.files[3].path == "model.safetensors"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 0):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "here" / "model.safetensors").exists()
    arrived = part.stat().st_size
    assert 0 < arrived < len(WEIGHTS)
    hub.requests.clear()
    models(hub).download(locked, tmp_path / "here")
    assert [r.range for r in hub.asked("model.safetensors")] == [f"bytes={arrived}-"]
    assert contents(tmp_path / "here") == FILES


def part_of(locked: LockedModel, directory: Path, content: bytes) -> None:
    sha256 = next(f.sha256 for f in locked.files if f.path == "model.safetensors")
    (directory / hub_download.STAGING).mkdir(parents=True)
    (directory / hub_download.STAGING / f"{sha256}.part").write_bytes(content)


@pytest.mark.parametrize(
    "garbage", [b"garbage", bytes(len(WEIGHTS)), bytes(len(WEIGHTS) + 1)], ids=["short", "as long", "longer"]
)
def test_garbage_of_an_earlier_run_is_thrown_away(hub: HubServer, tmp_path: Path, garbage: bytes) -> None:
    locked = lock(hub)
    part_of(locked, tmp_path / "here", garbage)
    models(hub).download(locked, tmp_path / "here")
    assert contents(tmp_path / "here") == FILES


def test_a_part_that_is_whole_is_not_fetched_again(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    part_of(locked, tmp_path / "here", WEIGHTS)
    models(hub).download(locked, tmp_path / "here")
    assert hub.asked("model.safetensors") == []
    assert contents(tmp_path / "here") == FILES


def test_a_server_that_ignores_the_range_sends_it_all_and_that_is_noticed(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    part_of(locked, tmp_path / "here", WEIGHTS[:1000])
    hub.fault("model.safetensors", status=200, body=WEIGHTS)
    models(hub).download(locked, tmp_path / "here")
    assert len(hub.asked("model.safetensors")) == 1
    assert contents(tmp_path / "here") == FILES


def test_a_file_that_has_become_shorter_than_the_part_is_fetched_anew(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    part_of(locked, tmp_path / "here", WEIGHTS[:1000])
    hub.fault("model.safetensors", body=WEIGHTS[:500])  # 416: the range begins behind its end
    models(hub).download(locked, tmp_path / "here")
    assert contents(tmp_path / "here") == FILES


def test_an_answer_without_a_length_that_ends_early_is_gone_on_with(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    hub.fault("model.safetensors", unsized=True, drop_after=1_000_000)
    models(hub).download(locked, tmp_path / "here")
    assert [r.range for r in hub.asked("model.safetensors")] == [None, "bytes=1000000-"]
    assert contents(tmp_path / "here") == FILES


def test_an_answer_that_does_not_end_is_not_read_on(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    hub.fault("model.safetensors", body=WEIGHTS * 20)
    most = 0

    def watch(done: int, total: int, path: str) -> None:
        nonlocal most
        most = max(most, done)

    with pytest.raises(HubError, match="did not arrive as it is locked"):
        models(hub).download(locked, tmp_path / "here", watch)
    assert most < 1.1 * sum(len(content) for content in FILES.values())


def test_too_many_requests_in_the_middle_are_waited_out(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    hub.fault("model.safetensors", times=2, status=429, headers={"Retry-After": "5"})
    waits: list[float] = []
    HubModels(hub.endpoint, sleep=waits.append).download(locked, tmp_path / "here")
    assert waits == [5.0, 5.0]


# The token


def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(tmp_path: Path) -> None:
    with HubServer(tmp_path, cdn=True) as hub:
        hub.commit("org/tiny", FILES)
        hub.models["org/tiny"].gated = "auto"
        locked = lock(hub, READER)
        hub.fault("X-Amz-Signature", drop_after=1_500_000)
        models(hub, READER).download(locked, tmp_path / "here")
        assert contents(tmp_path / "here") == FILES
        to_cdn = [r for r in hub.requests if r.host == hub.cdn_host]
        to_hub = [r for r in hub.requests if r.host != hub.cdn_host]
        assert len(to_cdn) == 2
        assert to_cdn[1].range is not None
        assert {r.authorization for r in to_cdn} == {None}
        assert {r.authorization for r in to_hub} == {f"Bearer {READER}"}


def test_neither_token_nor_signed_address_is_in_a_message(tmp_path: Path) -> None:
    with HubServer(tmp_path, cdn=True) as hub:
        hub.commit("org/tiny", FILES)
        locked = lock(hub)
        for what in (
            {"status": 403},
            {"status": 500},
            {"drop_after": 0},
            {"status": 302, "headers": {"Location": "x:y"}},
        ):
            hub.fault("X-Amz-Signature", times=99, **what)
            with pytest.raises((HubError, InputError)) as caught:
                models(hub, STRANGER).download(locked, tmp_path / "here")
            assert "Signature" not in caught.value.message + caught.value.hint
            assert STRANGER not in caught.value.message + caught.value.hint
            hub.faults.clear()


# The directory


def test_somebody_elses_files_are_neither_overwritten_nor_mixed_in(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    here = tmp_path / "here"
    here.mkdir()
    (here / "config.json").write_bytes(b'{"model_type": "mine!"}')
    (here / "adapter.safetensors").write_bytes(b"mine")
    (here / "notes.md").write_text("nobody's")
    error = refusal(hub, locked, here)
    assert isinstance(error, InputError)
    assert "config.json: has the sha256" in error.message
    assert "adapter.safetensors: is not a file of org/tiny" in error.message
    assert "notes.md" not in error.message
    assert (here / "config.json").read_bytes() == b'{"model_type": "mine!"}'
    assert hub.asked("model.safetensors") == []


def test_a_second_download_into_the_same_directory_is_refused(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    staging = tmp_path / "here" / hub_download.STAGING
    staging.mkdir(parents=True)
    with hub_download._alone(staging, tmp_path / "here"):
        assert "another infercli downloads into" in refusal(hub, locked, tmp_path / "here").message
    models(hub).download(locked, tmp_path / "here")


@pytest.mark.parametrize(
    "path", ["../outside.json", "/etc/outside.json", "a/../../outside.json", ".infercli-download/lock"]
)
def test_a_lock_that_leads_out_of_the_directory_is_refused(hub: HubServer, tmp_path: Path, path: str) -> None:
    locked = lock(hub)
    edited = locked.model_copy(update={"files": (locked.files[0].model_copy(update={"path": path}),)})
    error = refusal(hub, edited, tmp_path / "here")
    assert f"names a file outside the model's directory: {path}" in error.message
    assert not (tmp_path / "here").exists()


def test_a_disk_that_is_too_small_is_said_to_be_before_anything_is_fetched(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    hub.requests.clear()
    huge = [f.model_copy(update={"size_bytes": 2**60}) if f.size_bytes > 10**6 else f for f in locked.files]
    error = refusal(hub, locked.model_copy(update={"files": tuple(huge)}), tmp_path / "here")
    assert re.fullmatch(
        re.escape(str(tmp_path / "here")) + r" has [\d,.]+ GiB free, and 1,073,741,824\.0 GiB are still to come",
        error.message,
    )
    assert hub.requests == []


def test_a_disk_needs_room_for_what_is_still_to_come_and_not_for_what_is_there(
    hub: HubServer, tmp_path: Path, monkeypatch
) -> None:
    locked = lock(hub)
    part_of(locked, tmp_path / "here", WEIGHTS[:2_000_000])
    left = sum(len(content) for content in FILES.values()) - 2_000_000
    for free in (left - 1, left):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        if free < left:
            assert "are still to come" in refusal(hub, locked, tmp_path / "here").message
    models(hub).download(locked, tmp_path / "here")
    assert contents(tmp_path / "here") == FILES


def test_a_disk_that_fills_up_is_said_to_be_full_and_the_rest_comes_later(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    part_of(locked, tmp_path / "here", b"")
    part = next((tmp_path / "here" / hub_download.STAGING).glob("*.part"))
    part.unlink()
    part.symlink_to("/dev/full")  # the kernel's own full disk: every write is ENOSPC
    error = refusal(hub, locked, tmp_path / "here")
    assert "the disk is full" in error.message
    assert f"df -h {tmp_path / 'here'}" in error.hint
    part.unlink()
    models(hub).download(locked, tmp_path / "here")
    assert contents(tmp_path / "here") == FILES


def test_a_directory_that_cannot_be_made_is_named(hub: HubServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = refusal(hub, lock(hub), tmp_path / "file" / "here")
    assert str(tmp_path / "file") in error.message
    assert os.strerror(errno.ENOTDIR) in error.message


def test_a_file_beyond_what_plain_http_gives_names_the_command_that_can(
    hub: HubServer, tmp_path: Path, monkeypatch
) -> None:
    locked = lock(hub)
    monkeypatch.setattr("huggingface_hub.constants.MAX_HTTP_DOWNLOAD_SIZE", len(WEIGHTS) - 1)
    error = refusal(hub, locked, tmp_path / "here")
    assert "more than the Hub hands out by plain HTTP" in error.message
    assert f"`hf download org/tiny model.safetensors --revision {locked.commit}" in error.hint


def test_a_model_pinned_from_a_directory_has_nothing_to_download(hub: HubServer, tmp_path: Path) -> None:
    models(hub).download(lock(hub), tmp_path / "here")
    with pytest.raises(InputError, match="was pinned from a directory"):
        models(hub).download(lock_directory(tmp_path / "here"), tmp_path / "there")


def test_progress_ends_with_every_byte(hub: HubServer, tmp_path: Path) -> None:
    locked = lock(hub)
    seen: list[tuple[int, int, str]] = []
    models(hub).download(locked, tmp_path / "here", on_progress=lambda *step: seen.append(step))
    total = sum(len(content) for content in FILES.values())
    assert seen[-1] == (total, total, "config.json")
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)

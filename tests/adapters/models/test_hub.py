"""Locking a model on the Hub: what is locked, what is refused, and in which words."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from infercli.adapters.models.hub import HubModels
from infercli.errors import ExitCode, HubError, InferError, InputError
from tests.parts.hub_server import READER, STRANGER, HubServer, models

FILES = {
    "config.json": b'{"model_type": "llama", "quantization_config": {"quant_method": "awq"}}',
    "tokenizer.json": b'{"version": "1.0"}',
    "chat_template.jinja": b"{{ messages }}",
    "model.safetensors": b"weights",
    "pytorch_model.bin": b"pickle",
    "README.md": b"# Tiny",
}


pytestmark = pytest.mark.usefixtures("no_token_of_this_machine")


@pytest.fixture
def hub(tmp_path: Path):
    with HubServer(tmp_path) as server:
        server.commit("org/tiny", FILES)
        yield server


def refusal(hub: HubServer, model_id: str = "org/tiny", revision: str = "main", token: str | None = None) -> InferError:
    with pytest.raises(InferError) as caught:
        models(hub, token).lock_model(model_id, revision)
    assert caught.value.hint
    return caught.value


def test_every_file_has_its_sha256_whether_lfs_keeps_it_or_git(hub: HubServer) -> None:
    locked = models(hub).lock_model("org/tiny")
    expected = ["chat_template.jinja", "config.json", "model.safetensors", "tokenizer.json"]
    assert [(f.path, f.size_bytes, f.sha256) for f in locked.files] == [
        (name, len(FILES[name]), hashlib.sha256(FILES[name]).hexdigest()) for name in expected
    ]
    assert locked.config == json.loads(FILES["config.json"])
    assert locked.quantization_config == {"quant_method": "awq"}
    assert (locked.source, locked.directory, locked.gated, locked.license) == ("hub", None, False, None)


def test_weights_are_not_downloaded_to_be_locked(hub: HubServer) -> None:
    models(hub).lock_model("org/tiny")
    assert hub.asked("safetensors") == []


def test_branch_tag_and_commit_become_the_commit(hub: HubServer) -> None:
    first = hub.models["org/tiny"].refs["main"]
    hub.tag("org/tiny", "v1", first)
    second = hub.commit("org/tiny", FILES | {"tokenizer.json": b'{"version": "2.0"}'})
    pull_request = hub.commit("org/tiny", FILES | {"tokenizer.json": b"{}"}, branch="refs/pr/7")
    for revision, commit in {"main": second, "v1": first, first: first, "refs/pr/7": pull_request}.items():
        locked = models(hub).lock_model("org/tiny", revision)
        assert (locked.requested_revision, locked.commit) == (revision, commit)


def test_the_small_files_are_of_the_commit_even_when_main_moves_on_meanwhile(hub: HubServer, monkeypatch) -> None:
    first = hub.models["org/tiny"].refs["main"]
    resolve = HubModels._info

    def then_main_moves(self, asked):
        info = resolve(self, asked)
        hub.commit("org/tiny", FILES | {"config.json": b'{"model_type": "other"}'})
        return info

    monkeypatch.setattr(HubModels, "_info", then_main_moves)
    locked = models(hub).lock_model("org/tiny")
    assert locked.commit == first
    assert locked.config["model_type"] == "llama"


def test_licence_and_gate_are_the_hubs_word(hub: HubServer) -> None:
    hub.models["org/tiny"].card = {"license": "other", "license_name": "tiny-1.0"}
    hub.models["org/tiny"].gated = "manual"
    locked = models(hub, READER).lock_model("org/tiny")
    assert (locked.license, locked.gated) == ("other: tiny-1.0", True)


def test_code_in_the_repository_is_noted_and_not_locked(hub: HubServer) -> None:
    hub.commit("org/tiny", FILES | {"modeling_tiny.py": b"import os"})
    locked = models(hub).lock_model("org/tiny")
    assert locked.custom_code == ("modeling_tiny.py",)
    assert hub.asked("modeling_tiny.py") == []


def test_a_file_that_is_not_what_git_has_is_refused(hub: HubServer) -> None:
    hub.fault("tokenizer.json", body=b'{"version": "6.6"}')
    error = refusal(hub)
    assert isinstance(error, HubError)
    assert "tokenizer.json of `org/tiny`" in error.message
    assert "did not arrive as the Hub lists it" in error.message


def test_a_small_file_that_is_not_what_lfs_has_is_refused(hub: HubServer) -> None:
    hub.commit("org/lfs", FILES, lfs=frozenset({"config.json"}))
    assert models(hub).lock_model("org/lfs").config == json.loads(FILES["config.json"])
    hub.fault("config.json", body=FILES["config.json"].replace(b"awq", b"fp8"))
    assert "config.json of `org/lfs`" in refusal(hub, "org/lfs").message


def test_a_model_with_only_pickle_weights_is_refused_by_name(hub: HubServer) -> None:
    hub.commit("org/tiny", {"config.json": b"{}", "pytorch_model.bin": b"x"})
    error = refusal(hub)
    assert isinstance(error, InputError)
    assert "only pickle weights (pytorch_model.bin), which can run code" in error.message
    assert "infercli pin org/tiny --revision refs/pr/NUMBER" in error.hint


def test_an_index_that_names_a_missing_shard_is_refused(hub: HubServer) -> None:
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    files = {"config.json": b"{}", "model-00001-of-00002.safetensors": b"x"}
    hub.commit("org/tiny", files | {"model.safetensors.index.json": json.dumps(index).encode()})
    assert "names model-00002-of-00002.safetensors, which is not there" in refusal(hub).message


# Refusals of the Hub, in words


def test_a_gated_model_says_where_to_accept_and_what_to_export(hub: HubServer) -> None:
    hub.models["org/tiny"].gated = "manual"
    error = refusal(hub)
    assert error.message == "`org/tiny` is gated: the Hub gives it only to accounts that accepted its terms"
    assert f"{hub.endpoint}/org/tiny" in error.hint
    assert "`export HF_TOKEN`" in error.hint
    assert "`infercli pin org/tiny`" in error.hint
    assert "has not been let in" in refusal(hub, token=STRANGER).message


def test_a_missing_model_may_be_a_private_one_unless_a_token_was_shown(hub: HubServer) -> None:
    assert "or it is private: the Hub does not say which" in refusal(hub, "org/nothing").message
    assert "that this token may see" in refusal(hub, "org/nothing", token=STRANGER).message
    hub.models["org/tiny"].private = True
    assert "or it is private" in refusal(hub).message
    assert models(hub, READER).lock_model("org/tiny").commit


def test_a_missing_revision_is_never_replaced_by_main(hub: HubServer) -> None:
    error = refusal(hub, revision="v9")
    assert error.message == "`org/tiny` has no branch, tag or commit `v9`"
    assert "`infercli pin org/tiny`" in error.hint


def test_a_mirror_that_answers_with_another_commit_is_refused(hub: HubServer) -> None:
    wanted = "0" * 40
    hub.models["org/tiny"].refs[wanted] = hub.models["org/tiny"].refs["main"]
    assert f"when asked for commit {wanted}" in refusal(hub, revision=wanted).message


def test_a_token_the_hub_does_not_know_is_said_to_be_that_and_is_not_shown(hub: HubServer) -> None:
    error = refusal(hub, token="hf_expired")
    assert error.message == f"{hub.endpoint} does not accept this token"
    assert "hf_expired" not in error.message + error.hint


def test_a_token_with_a_line_break_is_refused_without_showing_it(hub: HubServer) -> None:
    error = refusal(hub, token="hf_one\nhf_two")
    assert isinstance(error, InputError)
    assert "hf_one" not in error.message + error.hint
    assert hub.requests == []


def test_the_token_comes_from_the_environment_and_is_in_no_repr(hub: HubServer, monkeypatch) -> None:
    monkeypatch.setenv("HF_TOKEN", READER)
    hub.models["org/tiny"].private = True
    assert models(hub).lock_model("org/tiny").commit
    assert READER not in repr(models(hub, READER))


def test_a_disabled_model_is_said_to_be_switched_off(hub: HubServer) -> None:
    hub.models["org/tiny"].disabled = True
    assert "has switched `org/tiny` off" in refusal(hub).message


def test_an_id_that_no_model_can_have_is_an_input_error(hub: HubServer) -> None:
    error = refusal(hub, "org/tiny/extra")
    assert error.exit_code == ExitCode.USAGE
    assert "`org/tiny/extra` is no Hub id" in error.message
    assert "`infercli pin ORG/NAME`" in error.hint
    for address in ("https://huggingface.co/org/tiny", "huggingface.co/org/tiny/tree/main"):
        assert "`infercli pin org/tiny`" in refusal(hub, address).hint


def test_a_hub_that_is_not_there_is_named_and_not_waited_for() -> None:
    waits: list[float] = []
    with pytest.raises(HubError) as caught:
        HubModels("http://127.0.0.1:9", sleep=waits.append).lock_model("org/tiny", "v1")
    assert caught.value.message.startswith("http://127.0.0.1:9 cannot be reached: ")
    assert "`infercli pin org/tiny --revision v1`" in caught.value.hint
    assert waits == []


def test_offline_mode_is_obeyed_and_named(hub: HubServer, monkeypatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    error = refusal(hub)
    assert error.message == "pinning `org/tiny` needs the Hub, and HF_HUB_OFFLINE forbids to ask it"
    assert "unset HF_HUB_OFFLINE" in error.hint
    assert hub.requests == []


def test_something_that_is_no_hub_is_recognised(hub: HubServer) -> None:
    for body in (b"<html>log in</html>", b"[]", b"{}", b'{"id": "org/tiny", "sha": "main"}'):
        hub.fault("/api/models", status=200, body=body)
        assert refusal(hub).message == f"{hub.endpoint} answers, but not as a Hub does"


@pytest.mark.parametrize("endpoint", ["huggingface.co", "ftp://hub", "http://"])
def test_an_endpoint_that_is_no_address_is_an_input_error(endpoint: str) -> None:
    with pytest.raises(InputError) as caught:
        HubModels(endpoint).lock_model("org/tiny")
    assert f"`{endpoint.rstrip('/')}` is not the address of a Hub" in caught.value.message


# Waiting


def test_a_short_retry_after_is_waited_for_to_the_second(hub: HubServer) -> None:
    hub.fault("/api/models", status=429, headers={"Retry-After": "7"})
    hub.fault("/resolve/", status=429, headers={"RateLimit": '"resolvers";r=0;t=3'})
    waits: list[float] = []
    told: list[str] = []
    HubModels(hub.endpoint, sleep=waits.append, tell=told.append).lock_model("org/tiny")
    assert waits == [7.0, 3.0]
    assert told[0] == "the Hub did not answer; trying again in 7.00 s"


def test_a_long_retry_after_is_the_users_decision(hub: HubServer) -> None:
    hub.fault("/api/models", times=9, status=429, headers={"Retry-After": "240"})
    error = refusal(hub)
    assert "429 Too Many Requests" in error.message
    assert "asks to wait 4 min" in error.message
    assert error.hint.startswith("`sleep 240; infercli pin org/tiny`; accounts have a higher limit")
    assert len(hub.requests) == 1


def test_a_hub_in_trouble_is_tried_five_times_and_then_said_to_be(hub: HubServer) -> None:
    hub.fault("/api/models", times=4, status=503)
    assert models(hub).lock_model("org/tiny").commit
    hub.requests.clear()
    hub.fault("/api/models", times=5, status=503)
    assert refusal(hub).message == "the Hub is in trouble (503) while pinning `org/tiny`"
    assert len(hub.requests) == 5


def test_what_is_refused_is_not_asked_again(hub: HubServer) -> None:
    refusal(hub, "org/nothing")
    assert len(hub.requests) == 1


def test_a_small_file_that_breaks_off_is_fetched_again(hub: HubServer) -> None:
    hub.fault("tokenizer.json", drop_after=4)
    assert models(hub).lock_model("org/tiny").commit
    assert len(hub.asked("tokenizer.json")) == 2


def test_importing_the_adapter_does_not_import_the_client() -> None:
    code = "import sys, infercli.adapters.models.hub; print('huggingface_hub' in sys.modules, 'httpx2' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "False"]

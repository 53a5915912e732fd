from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest

from infercli.adapters.endpoint_tokenizer import EndpointTokenizer
from infercli.adapters.openai_api import OpenAiApi
from infercli.adapters.tokenizer import FileTokenizer, no_tokenizer, open_tokenizer, pinned_tokenizer
from infercli.core.documents.model import LockedFile, LockedModel
from infercli.core.endpoint import parse_endpoint
from infercli.errors import EndpointError, InputError, InvalidFile
from tests.fakes.openai_server import FakeOpenAiServer
from tests.parts.bpe import Counted, tokenizer_json

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tokenizer.json").write_bytes(tokenizer_json("byte level"))
    return tmp_path / "model"


def locked(data: bytes | None, **more) -> LockedModel:
    files = [LockedFile(path="config.json", size_bytes=2, sha256="0" * 64)]
    if data is not None:
        sha256 = hashlib.sha256(data).hexdigest()
        files.append(LockedFile(path="tokenizer.json", size_bytes=len(data), sha256=sha256))
    return LockedModel(
        **{"id": "org/tiny", "source": "hub", "commit": COMMIT, "files": tuple(files), "config": {}, **more}
    )


def test_a_directory_and_its_file_count_alike_and_as_the_package_does(folder):
    texts = ["time year", "", "What is it?", "größer 数字"]
    for path in (folder, folder / "tokenizer.json"):
        assert open_tokenizer(path).lengths(texts) == Counted("byte level").lengths(texts)
    assert open_tokenizer(folder).digest == hashlib.sha256(tokenizer_json("byte level")).hexdigest()


def test_a_file_that_says_to_cut_and_to_pad_texts_counts_all_of_them_and_no_more(tmp_path):
    (tmp_path / "tokenizer.json").write_bytes(tokenizer_json("word pieces"))
    # The file cuts at 128 tokens and fills up to as many. Each of these words is one.
    assert open_tokenizer(tmp_path).lengths(["time " * 500, "time"]) == [500, 1]


def test_many_texts_are_counted_in_order_whatever_their_sizes(folder, monkeypatch):
    monkeypatch.setattr("infercli.adapters.tokenizer.BATCH_CHARACTERS", 50)
    texts = ["time " * n for n in (1, 30, 2, 3, 200, 1, 0)]
    assert open_tokenizer(folder).lengths(texts) == Counted("byte level").lengths(texts)


def test_opening_a_tokenizer_reads_nothing_and_imports_no_package(folder):
    code = (
        "import sys; from pathlib import Path; from infercli.adapters.tokenizer import open_tokenizer; "
        f"t = open_tokenizer(Path({str(folder)!r})); assert 'tokenizers' not in sys.modules; "
        "print(len(t.digest), 'tokenizers' in sys.modules); t.lengths(['a']); print('tokenizers' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["64", "False", "True"]


def test_a_fork_after_counting_says_nothing(folder):
    code = (
        "import os, sys; from pathlib import Path; from infercli.adapters.tokenizer import open_tokenizer; "
        f"t = open_tokenizer(Path({str(folder)!r})); t.lengths(['a b c'] * 500); pid = os.fork()\n"
        "if not pid: os._exit(t.lengths(['time'])[0])\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    bare = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=bare, timeout=60
    )
    assert (done.stdout.strip(), done.stderr) == ("1", "")


def test_what_is_no_tokenizer_is_said(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"model": 1}')
    with pytest.raises(InvalidFile, match="is not a tokenizer") as caught:
        open_tokenizer(tmp_path).lengths(["a"])
    assert str(tmp_path) in caught.value.message
    with pytest.raises(InputError, match="there is no such file"):
        open_tokenizer(tmp_path / "elsewhere")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "tokenizer.model").write_bytes(b"x")
    with pytest.raises(InputError, match=r"has a tokenizer.model and no tokenizer.json"):
        open_tokenizer(tmp_path / "old")
    (tmp_path / "a directory" / "tokenizer.json").mkdir(parents=True)
    with pytest.raises(InputError, match="is a directory"):
        open_tokenizer(tmp_path / "a directory").lengths(["a"])


def test_a_pinned_directorys_tokenizer_is_the_pinned_one_or_none(folder):
    data = tokenizer_json("byte level")
    model = locked(data, source="directory", directory=str(folder), commit=None)
    assert pinned_tokenizer(model).lengths(["time"]) == [1]
    (folder / "tokenizer.json").write_bytes(tokenizer_json("metaspace"))
    with pytest.raises(InputError, match="is not the one that was pinned"):
        pinned_tokenizer(model).lengths(["time"])
    (folder / "tokenizer.json").unlink()
    assert pinned_tokenizer(model) is None


def test_a_hub_models_tokenizer_is_taken_from_the_cache_at_its_commit(tmp_path, monkeypatch):
    data = tokenizer_json("byte level")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert pinned_tokenizer(locked(data)) is None
    snapshot = tmp_path / "models--org--tiny" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "tokenizer.json").write_bytes(data)
    assert pinned_tokenizer(locked(data)).lengths(["time"]) == [1]
    assert pinned_tokenizer(locked(None)) is None


def test_where_no_tokenizer_is_here_the_command_that_fetches_it_is_said():
    error = no_tokenizer(locked(b"x"))
    assert "the tokenizer of org/tiny is not on this machine" in error.message
    assert f"`hf download org/tiny tokenizer.json --revision {COMMIT}`" in error.hint
    assert "--tokenizer DIRECTORY" in no_tokenizer(None).hint


def test_an_endpoint_counts_by_its_own_tokenizer_without_special_tokens():
    with FakeOpenAiServer() as server:
        tokenizer = EndpointTokenizer(OpenAiApi(parse_endpoint(server.url), timeout_s=10.0), "tiny")
        assert tokenizer.lengths(["three little words", "one", *["a b"] * 40]) == [3, 1, *[2] * 40]
        assert {s.body["add_special_tokens"] for s in server.served} == {False}
        assert len(tokenizer.digest) == 64
        assert len(server.served) == 43
        assert tokenizer.digest  # asked once
        assert len(server.served) == 43
        assert server.url in tokenizer.name


def test_an_endpoint_without_tokenize_is_an_error_and_no_estimate():
    with FakeOpenAiServer() as server:
        tokenizer = EndpointTokenizer(OpenAiApi(parse_endpoint(server.url + "/elsewhere"), timeout_s=10.0), "t")
        with pytest.raises(EndpointError):
            tokenizer.lengths(["a"])


def test_the_digest_of_a_file_tells_tokenizers_apart(tmp_path):
    for kind in ("byte level", "metaspace"):
        (tmp_path / kind).write_bytes(tokenizer_json(kind))
    assert FileTokenizer(tmp_path / "byte level").digest != FileTokenizer(tmp_path / "metaspace").digest

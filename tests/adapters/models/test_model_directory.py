"""A directory as a model: what is locked, what is refused, what verify finds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from infercli.adapters.models.model_directory import lock_directory, verify
from infercli.errors import InputError, InvalidFile
from tests.parts.safetensors import safetensors

WEIGHTS = b"\x02\0\0\0\0\0\0\0{}"
"""The smallest safetensors file: a header of two bytes, and no tensors."""
SHA256 = "411a485216e432ece6b9af94fa32154cf79a2a56d4f81266baa50063f45092bd"
"""Of WEIGHTS, by sha256sum."""
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
"""As git-lfs docs/spec.md has it."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "tiny"
    directory.mkdir()
    (directory / "config.json").write_text('{"model_type": "llama"}')
    (directory / "model.safetensors").write_bytes(WEIGHTS)
    return directory


def paths(locked) -> list[str]:
    return [f.path for f in locked.files]


def problems(caught: pytest.ExceptionInfo[InvalidFile]) -> dict[str, str]:
    return dict(caught.value.problems)


def test_every_file_is_locked_with_its_size_and_sha256(model: Path) -> None:
    locked = lock_directory(model)
    weights = next(f for f in locked.files if f.path == "model.safetensors")
    assert (weights.size_bytes, weights.sha256) == (10, SHA256)
    assert locked.id == "tiny"
    assert locked.source == "directory"
    assert locked.directory == str(model)
    assert locked.commit is None
    assert locked.config == {"model_type": "llama"}
    assert locked.weights_bytes == 10


def test_the_name_is_the_one_asked_for_and_a_relative_path_becomes_absolute(model: Path, monkeypatch) -> None:
    monkeypatch.chdir(model.parent)
    locked = lock_directory("tiny", name="team/tiny")
    assert locked.id == "team/tiny"
    assert locked.directory == str(model)


def test_tokenizer_templates_and_licence_belong_to_the_model_and_nothing_else_does(model: Path) -> None:
    belongs = [
        "LICENSE",
        "chat_template.jinja",
        "generation_config.json",
        "merges.txt",
        "tokenizer.json",
        "tokenizer.model",
    ]
    for name in [*belongs, "README.md", "pytorch_model.bin", "model.pt", "figure.png", ".gitattributes", "modeling.py"]:
        (model / name).write_text("{}")
    for folder in ("original", "onnx", "additional_chat_templates"):
        (model / folder).mkdir()
    (model / "original" / "consolidated.safetensors").write_bytes(b"x")
    (model / "onnx" / "config.json").write_text("{}")
    (model / "additional_chat_templates" / "tool_use.jinja").write_text("x")
    expected = [*belongs, "additional_chat_templates/tool_use.jinja", "config.json", "model.safetensors"]
    assert paths(lock_directory(model)) == sorted(expected)


def test_with_an_index_only_the_shards_it_names_are_weights(model: Path) -> None:
    (model / "model.safetensors").rename(model / "model-00001-of-00002.safetensors")
    (model / "model-00002-of-00002.safetensors").write_bytes(safetensors(bytes(8)))
    (model / "adapter.safetensors").write_bytes(b"not read by an engine")
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    locked = lock_directory(model)
    assert "adapter.safetensors" not in paths(locked)
    assert locked.weights_bytes == 10 + len(safetensors(bytes(8)))
    assert verify(locked, model) == ()


def test_a_symlink_to_a_file_is_that_file_as_in_the_hubs_cache(model: Path, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    (model / "model.safetensors").rename(blob)
    (model / "model.safetensors").symlink_to(blob)
    locked = lock_directory(model)
    assert next(f for f in locked.files if f.path == "model.safetensors").sha256 == SHA256


def test_the_same_content_has_the_same_digest_under_another_name(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in model.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    assert lock_directory(model).content_digest == lock_directory(copy, "other").content_digest


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("config.json", {"quantization_config": {"quant_method": "awq"}}, {"quant_method": "awq"}),
        ("config.json", {"text_config": {"quantization_config": {"quant_method": "fp8"}}}, {"quant_method": "fp8"}),
        ("config.json", {"compression_config": {"format": "int-quantized"}}, {"format": "int-quantized"}),
        ("hf_quant_config.json", {"quantization": {"quant_algo": "FP8"}}, {"quantization": {"quant_algo": "FP8"}}),
        ("config.json", {}, None),
    ],
)
def test_quantization_is_what_the_checkpoint_states(model: Path, name: str, content: object, expected: object) -> None:
    (model / name).write_text(json.dumps(content))
    assert lock_directory(model).quantization_config == expected


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlicense: apache-2.0\n---\n# Tiny", "apache-2.0"),
        ("---\nlicense: other\nlicense_name: tiny-1.0\n---\n", "other: tiny-1.0"),
        ("---\nlicense: [mit, apache-2.0]\n---\n", "mit, apache-2.0"),
        ("# No metadata", None),
        ("---\nlicense: [\n---\n", None),
        ("---\ntags: [x]\n---\n", None),
    ],
)
def test_the_licence_is_the_cards_and_none_when_it_states_none(model: Path, card: str, expected: str | None) -> None:
    (model / "README.md").write_text(card)
    assert lock_directory(model).license == expected


def test_code_that_comes_along_is_noted_and_not_locked(model: Path) -> None:
    (model / "modeling_tiny.py").write_text("")
    (model / "config.json").write_text('{"auto_map": {"AutoModelForCausalLM": "modeling_tiny.Tiny"}}')
    locked = lock_directory(model)
    assert locked.custom_code == ("modeling_tiny.py", "config.json: auto_map: AutoModelForCausalLM")
    assert "modeling_tiny.py" not in paths(locked)


def test_all_that_is_wrong_is_said_at_once(model: Path) -> None:
    (model / "config.json").write_text("{")
    (model / "model.safetensors.index.json").write_text('{"weight_map": {"a": "model-00001-of-00002.safetensors"}}')
    (model / "tokenizer.json").symlink_to(model / "nowhere")
    with pytest.raises(InvalidFile) as caught:
        lock_directory(model)
    assert problems(caught).keys() == {"config.json", "model.safetensors.index.json", "tokenizer.json"}
    assert "names model-00001-of-00002.safetensors, which is not there" in caught.value.message
    assert caught.value.hint == "put it right, then pin it again"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (POINTER, "is a git-lfs pointer"),
        (b"", "has no safetensors header"),
        (b"abc", "has no safetensors header"),
        (safetensors(bytes(8))[:20], "has no safetensors header"),
        (b"PK\x03\x04 an archive under another name", "has no safetensors header"),
        (b"\x02\0\0\0\0\0\0\0[]", "has no safetensors header"),
        (b'\x07\0\0\0\0\0\0\0{"w":1}', "has no safetensors header"),
        (
            safetensors(bytes(8))[:-1],
            f"has {len(safetensors(bytes(8))) - 1} bytes, and its header describes {len(safetensors(bytes(8)))}",
        ),
        (safetensors(bytes(8)) + b"tail", "something else was written behind them"),
    ],
)
def test_weights_that_are_not_whole_are_refused(model: Path, content: bytes, what: str) -> None:
    (model / "model.safetensors").write_bytes(content)
    with pytest.raises(InvalidFile) as caught:
        lock_directory(model)
    assert what in problems(caught)["model.safetensors"]


def test_every_file_that_a_clone_without_lfs_lacks_is_named_at_once(model: Path) -> None:
    lacking = ["config.json", "model.safetensors", "model-2.safetensors", "tokenizer.json"]
    for name in lacking:
        (model / name).write_bytes(POINTER)
    (model / "pytorch_model.bin").write_bytes(POINTER)  # nobody reads it
    with pytest.raises(InvalidFile) as caught:
        lock_directory(model)
    assert [where for where, _ in caught.value.problems] == sorted(lacking)
    assert caught.value.hint == f"`git -C {model} lfs pull` fetches the files, then pin it again"


@pytest.mark.parametrize(
    ("files", "where", "what"),
    [
        ({"model.safetensors": b"x"}, "config.json", "no engine starts without it"),
        ({"model.safetensors": b"x", "adapter_config.json": b"{}"}, "config.json", "LoRA adapter"),
        ({"consolidated.safetensors": b"x", "params.json": b"{}"}, "config.json", "Mistral's own format"),
        ({"config.json": b"{}"}, "*.safetensors", "no weights"),
        ({"config.json": b"{}", "pytorch_model.bin": b"x"}, "*.safetensors", "can run code while they are loaded"),
        ({"config.json": b"{}", "tiny-q4.gguf": b"x"}, "*.safetensors", "GGUF"),
        ({"config.json": b"[]", "model.safetensors": b"x"}, "config.json", "not a JSON object"),
        (
            {"config.json": b"{}", "model.safetensors": b"x", "model.safetensors.index.json": b"{}"},
            "model.safetensors.index.json",
            "no `weight_map`",
        ),
        (
            {
                "config.json": b"{}",
                "model.safetensors": b"x",
                "model.safetensors.index.json": b'{"weight_map": {"a": "../secret.safetensors"}}',
            },
            "model.safetensors.index.json",
            "not a safetensors file beside it",
        ),
        (
            {"config.json": b"{}", "model.safetensors": b"x", "consolidated.safetensors": b"x"},
            "consolidated.safetensors",
            "the engine would read instead",
        ),
    ],
)
def test_what_is_no_servable_model_is_refused_by_its_reason(tmp_path: Path, files, where: str, what: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidFile) as caught:
        lock_directory(tmp_path)
    assert what in problems(caught)[where]


def test_a_path_that_is_no_directory_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        lock_directory(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file, not a directory"):
        lock_directory(tmp_path / "file")


def test_a_file_that_cannot_be_read_is_named(model: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "model.safetensors").symlink_to("/proc/self/mem")  # opens, and fails on read, for root too
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be read: Input/output error"):
        lock_directory(model)


def test_progress_counts_every_byte_once(model: Path) -> None:
    (model / "model.safetensors").write_bytes(safetensors(bytes(9 * 2**20)))
    seen: list[tuple[int, int, str]] = []
    lock_directory(model, on_progress=lambda *step: seen.append(step))
    total = len(safetensors(bytes(9 * 2**20))) + len('{"model_type": "llama"}')
    assert seen[-1] == (total, total, "model.safetensors")
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert len(seen) >= 3  # in steps, not one jump at the end


def test_verify_is_silent_on_what_was_locked(model: Path) -> None:
    assert verify(lock_directory(model), model) == ()


def test_verify_names_every_difference_by_its_kind(model: Path) -> None:
    for name in ("a.json", "b.json", "c.json"):
        (model / name).write_text("[1]")
    locked = lock_directory(model)
    (model / "a.json").unlink()
    (model / "b.json").write_text("[12]")
    (model / "c.json").write_text("[2]")  # as long as before: only its hash tells
    (model / "chat_template.jinja").write_text("x")
    (model / "model-extra.safetensors").write_bytes(b"x")
    (model / "consolidated.safetensors").write_bytes(b"x")
    (model / "notes.md").write_text("nobody reads this")
    found = verify(locked, model)
    assert [(d.path, d.kind) for d in found] == [
        ("a.json", "missing"),
        ("b.json", "size"),
        ("c.json", "content"),
        ("chat_template.jinja", "extra"),
        ("consolidated.safetensors", "extra"),
        ("model-extra.safetensors", "extra"),
    ]
    assert str(found[1]) == "b.json: has 4 bytes, the lock says 3"


def test_verify_of_a_pipe_in_a_files_place_does_not_wait_for_it(model: Path) -> None:
    locked = lock_directory(model)
    (model / "model.safetensors").unlink()
    os.mkfifo(model / "model.safetensors")
    assert [(d.path, d.kind, d.detail) for d in verify(locked, model)] == [
        ("model.safetensors", "missing", "is not a file")
    ]

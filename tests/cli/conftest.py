from __future__ import annotations

import io
import json
import sys

import pytest

from infercli.cli.main import invoke
from infercli.core.bench.result import BenchResult
from tests.parts.safetensors import safetensors

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 256,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": True,
}


class Ran:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def infercli(tmp_path, monkeypatch, capsys):
    """Type a command in an empty folder with an empty home; returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    for name in ("INFERCLI_API_KEY", "INFERCLI_API_KEY_FILE", "HF_TOKEN", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*words):
        code = invoke([str(w) for w in words])
        seen = capsys.readouterr()
        return Ran(code, seen.out, seen.err)

    return run


@pytest.fixture
def piped(infercli, monkeypatch):
    """Pipe lines (dicts, or text as it is) into `infercli estimate`; returns exit code and answers."""

    def run(*lines, words=()):
        text = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        ran = infercli("estimate", *words)
        return ran.code, [json.loads(line) for line in ran.out.splitlines()]

    return run


@pytest.fixture
def saved(tmp_path):
    """Write a result and return its name."""

    def write(bench: BenchResult, name: str = "result.json") -> str:
        (tmp_path / name).write_text(bench.model_dump_json())
        return name

    return write


@pytest.fixture
def deployment(tmp_path):
    """Write deployment.yaml; keys given replace the defaults."""

    def write(text=""):
        base = "apiVersion: infercli/v1\nkind: ModelDeployment\n"
        (tmp_path / "deployment.yaml").write_text(base + (text or DEFAULT))
        return tmp_path / "deployment.yaml"

    return write


DEFAULT = "name: chat\nmodel: meta-llama/Llama-3.1-8B-Instruct\nprofile: l4\n"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").write_bytes(safetensors(bytes(4)))
    return folder


@pytest.fixture
def pinned(infercli, model, deployment):
    deployment("name: chat\nmodel: ./model\nprofile: cpu-local\n")
    assert infercli("pin").code == 0
    return model

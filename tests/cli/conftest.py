from __future__ import annotations

import pytest

from infercli.cli.main import invoke


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
def deployment(tmp_path):
    """Write deployment.yaml; keys given replace the defaults."""

    def write(text=""):
        base = "apiVersion: infercli/v1\nkind: ModelDeployment\n"
        (tmp_path / "deployment.yaml").write_text(base + (text or DEFAULT))
        return tmp_path / "deployment.yaml"

    return write


DEFAULT = "name: chat\nmodel: meta-llama/Llama-3.1-8B-Instruct\nprofile: l4\n"

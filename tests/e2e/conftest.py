"""A machine of its own for the command: a sandbox with state and a project folder, and a real Ray and vLLM in it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infercli.adapters.files import cache_home
from tests.parts.engine_python import engine_python
from tests.parts.require import require
from tests.parts.sandbox import Sandbox, unavailable
from tests.scripts.conftest import run_demo_model

SLOW_S = 900
"""For one command on a machine that other work slows down; the deploy's own deadline is shorter."""


class Machine:
    """Where commands are typed: inside the sandbox, with state, cache and project of their own."""

    def __init__(self, sandbox: Sandbox, folder: Path, models: Path) -> None:
        self.sandbox, self.project, self.models = sandbox, folder / "project", models
        self.environment = {
            "XDG_STATE_HOME": str(folder / "state"),
            "INFERCLI_ENGINE_PYTHON": str(engine_python()),
            "INFERCLI_USER": "a test",
        }
        for variant in ("bf16", "int8-spoilt"):
            shutil.copytree(models / variant, self.project / "models" / variant)

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "infercli", *words]

    def infercli(self, *words: str, timeout_s: float = SLOW_S) -> subprocess.CompletedProcess[str]:
        return self.sandbox.run(self.argv(*words), env=self.environment, cwd=self.project, timeout_s=timeout_s)

    def answer(self, *words: str) -> dict:
        done = self.infercli(*words, "-o", "json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def start(self, name: str, *words: str) -> Path:
        """Run a command in the background, under a name; returns where it writes."""
        log = self.project / f"{name}.log"
        self.sandbox.start(name, self.argv(*words), log=log, env=self.environment, cwd=self.project)
        return log

    def deployment(self, model: str, **more: object) -> None:
        import yaml

        value = {"apiVersion": "infercli/v1", "kind": "ModelDeployment", "name": "chat", "model": model}
        value |= {"profile": "cpu-local", **more}
        (self.project / "deployment.yaml").write_text(yaml.safe_dump(value))

    def deploy(self, model: str, *words: str, **more: object) -> subprocess.CompletedProcess[str]:
        self.deployment(model, **more)
        pinned = self.infercli("pin")
        assert pinned.returncode == 0, pinned.stderr
        return self.infercli("deploy", "--timeout", "12m", *words)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    require("sandbox", unavailable())
    engine_python()
    models = cache_home() / "tests" / "demo-model"
    made = run_demo_model(str(models), "--variants", "bf16,int8-spoilt")
    assert made.returncode == 0, made.stderr[-2000:]
    folder = tmp_path_factory.mktemp("machine")
    os.environ.pop("INFERCLI_API_KEY", None)
    with Sandbox() as sandbox:
        yield Machine(sandbox, folder, models)


@pytest.fixture(scope="module")
def released(machine: Machine) -> Machine:
    """A machine on which revision 1, the good model, serves."""
    done = machine.deploy("./models/bf16")
    assert done.returncode == 0, done.stderr
    return machine

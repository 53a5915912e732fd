"""Run pieces of the demonstration model where torch and vLLM are: in the engine's Python, as a child of the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infercli.adapters.files import cache_home
from infercli.adapters.local.ray import find_engine_python
from infercli.errors import InputError
from tests.parts.require import require

SCRIPTS = Path(__file__).parents[2] / "scripts"
# The child dies with the test run, also when that is killed: 1 is PR_SET_PDEATHSIG, 9 is SIGKILL.
PRELUDE = "import ctypes, json, os, sys\nctypes.CDLL(None).prctl(1, 9)\n"
# What engines write to standard output must not mix with the answer.
ANSWER = "out = os.fdopen(os.dup(1), 'w'); os.dup2(2, 1)\ndef answer(value): json.dump(value, out)\n"

ALL_VARIANTS = ("bf16", "int8", "fp8", "int8-spoilt", "w4a16", "awq")


def run_engine_python(code: str, *arguments: str, timeout_s: float = 500) -> subprocess.CompletedProcess[str]:
    """Run code in the engine's Python, with `scripts/` importable."""
    try:
        python = find_engine_python()
    except InputError as error:
        require("vllm", f"{error.message} ({error.hint})")
        raise  # not reached: require() skips or fails
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [python, "-c", PRELUDE + code, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**environment, "PYTHONPATH": str(SCRIPTS), "OMP_WAIT_POLICY": "passive"},
    )


def run_demo_model(*arguments: str) -> subprocess.CompletedProcess[str]:
    """`python scripts/demo_model.py ARGUMENTS` under the engine's Python."""
    script = str(SCRIPTS / "demo_model.py")
    return run_engine_python(
        f"import runpy; sys.argv[0] = {script!r}; runpy.run_path({script!r}, run_name='__main__')", *arguments
    )


@pytest.fixture(scope="session")
def in_engine() -> Callable[..., Any]:
    """in_engine(code, *argv): runs code that calls answer(value) once, and returns that value."""

    def run(code: str, *arguments: str) -> Any:
        done = run_engine_python(ANSWER + code, *arguments)
        assert done.returncode == 0, done.stderr[-4000:]
        return json.loads(done.stdout)

    return run


@pytest.fixture(scope="session")
def checkpoints() -> Path:
    """The real model in all variants, where scripts/demo keeps it: trained once for both, kept between runs."""
    directory = cache_home() / "demo-model"
    done = run_demo_model(str(directory), "--variants", ",".join(ALL_VARIANTS))
    assert done.returncode == 0, done.stderr[-4000:]
    return directory


@pytest.fixture
def demo_model(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module; it imports torch only when it trains."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import demo_model as module

    assert "torch" not in sys.modules
    return module

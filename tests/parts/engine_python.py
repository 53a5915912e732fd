"""The engine environment's Python: vLLM and Ray as requirements/local.txt pins them, made by scripts/demo."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.parts.require import require


def engine_python() -> Path:
    """The interpreter, or a skip (a failure where INFERCLI_REQUIRE names `vllm`)."""
    lock = Path(__file__).resolve().parents[2] / "requirements" / "local.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    python = cache / "infercli" / f"engine-{digest}" / "bin" / "python"
    require("vllm", None if python.exists() else f"{python} does not exist; `scripts/demo` makes that environment")
    return python


def ask_vllm(oracle: Path, asked: list[Any], folder: Path) -> list[Any]:
    """What that script answers, run by the engine's Python: it reads a JSON list and writes one as long."""
    path = folder / "answers.json"
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")}
    environment |= {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    done = subprocess.run(
        [engine_python(), oracle, path],
        input=json.dumps(asked),
        text=True,
        capture_output=True,
        env=environment,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = json.loads(path.read_text())
    assert len(answers) == len(asked)
    return answers

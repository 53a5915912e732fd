"""The engine environment's Python: vLLM and Ray as requirements/local.txt pins them, made by scripts/demo."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.parts.require import require

ORACLE_SERVER = Path(__file__).resolve().parents[1] / "core" / "against_vllm" / "oracle_server.py"


def engine_python() -> Path:
    """The interpreter, or a skip (a failure where INFERCLI_REQUIRE names `vllm`)."""
    lock = Path(__file__).resolve().parents[2] / "requirements" / "local.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    python = cache / "infercli" / f"engine-{digest}" / "bin" / "python"
    require("vllm", None if python.exists() else f"{python} does not exist; `scripts/demo` makes that environment")
    return python


@functools.cache
def _oracle_server() -> subprocess.Popen[str]:
    """vLLM, imported once for all oracles of a test run; it ends with this process."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")}
    environment |= {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    return subprocess.Popen(
        [engine_python(), ORACLE_SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def ask_vllm(oracle: Path, asked: list[Any], folder: Path) -> list[Any]:
    """What that script answers, run by the engine's Python: it reads a JSON list and writes one as long."""
    engine_python()  # which skips
    paths = {"oracle": oracle} | {name: folder / name for name in ("asked", "answers", "log")}
    paths["asked"].write_text(json.dumps(asked))
    server = _oracle_server()
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        print(json.dumps({name: str(path) for name, path in paths.items()}), file=server.stdin, flush=True)
        status = server.stdout.readline().strip()
    except BaseException:  # it may answer later, and the next who asks would take that for his own
        server.kill()
        _oracle_server.cache_clear()
        raise
    assert status == "0", status + paths["log"].read_text()[-3000:]
    answers = json.loads(paths["answers"].read_text())
    assert len(answers) == len(asked)
    return answers

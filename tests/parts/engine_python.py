"""The engine environment's Python: vLLM and Ray as requirements/local.txt pins them, made by scripts/demo."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tests.parts.require import require


def engine_python() -> Path:
    """The interpreter, or a skip (a failure where INFERCLI_REQUIRE names `vllm`)."""
    lock = Path(__file__).resolve().parents[2] / "requirements" / "local.txt"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    python = cache / "infercli" / f"engine-{digest}" / "bin" / "python"
    require("vllm", None if python.exists() else f"{python} does not exist; `scripts/demo` makes that environment")
    return python

"""The demonstration model's checkpoint, made once for this machine and used again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from infercli.adapters.files import cache_home
from infercli.adapters.local.ray import find_engine_python

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo_model.py"
MADE_S = 900.0  # a minute on two idle cores


def demo_model(variant: str = "bf16") -> Path:
    """The directory of one variant. The script knows what is there already, and that only one may make it at a time."""
    directory = cache_home() / "demo-model"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    command = [find_engine_python(), SCRIPT, directory, "--variants", variant]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=MADE_S, check=False)
    if made.returncode != 0:
        raise RuntimeError(f"{SCRIPT.name} failed:\n{made.stderr[-3000:]}")
    return directory / variant

"""Every parameter that vLLM's own model class holds on a rank must be counted, and no other (weights_oracle.py)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, rank_tensors
from tests.core.class_models import CLASSES
from tests.parts.engine_python import engine_python

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

ORACLE = Path(__file__).with_name("weights_oracle.py")
CASES = [(name, ranks) for name in CLASSES for ranks in (1, 2)]


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[tuple[str, int], dict]:
    python, path = engine_python(), tmp_path_factory.mktemp("oracle") / "answers.json"
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")}
    environment |= {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    asked = json.dumps([{"config": CLASSES[name], "tp": ranks} for name, ranks in CASES])
    done = subprocess.run(
        [python, ORACLE, path],
        input=asked,
        text=True,
        capture_output=True,
        env=environment,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(CASES, json.loads(path.read_text()), strict=True))


@pytest.mark.parametrize(("name", "ranks"), CASES)
def test_we_count_the_parameters_that_vllm_holds(answers, name, ranks):
    said = answers[name, ranks]
    assert "not_built" not in said, said
    arch = architecture.parse(CLASSES[name])
    counted = sum(t.copies * t.outputs * t.inputs for t in rank_tensors(arch, Layout(tensor_parallel_size=ranks)))
    assert counted == sum(said["parameters"].values())
    assert arch.max_model_len == said["longest"]

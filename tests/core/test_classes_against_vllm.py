"""Every parameter that vLLM's own model class holds on a rank must be counted, and no other (weights_oracle.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from infercli.core import architecture
from infercli.core.architecture.arch import Layout, rank_tensors
from tests.core.class_models import CLASSES
from tests.parts.engine_python import ask_vllm

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

ORACLE = Path(__file__).with_name("weights_oracle.py")
CASES = [(name, ranks) for name in CLASSES for ranks in (1, 2)]


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[tuple[str, int], dict]:
    asked = [{"config": CLASSES[name], "tp": ranks} for name, ranks in CASES]
    return dict(zip(CASES, ask_vllm(ORACLE, asked, tmp_path_factory.mktemp("oracle")), strict=True))


@pytest.mark.parametrize(("name", "ranks"), CASES)
def test_we_count_the_parameters_that_vllm_holds(answers, name, ranks):
    said = answers[name, ranks]
    assert "not_built" not in said, said
    arch = architecture.parse(CLASSES[name])
    counted = sum(t.copies * t.outputs * t.inputs for t in rank_tensors(arch, Layout(tensor_parallel_size=ranks)))
    assert counted == sum(said["parameters"].values())
    assert arch.max_model_len == said["longest"]

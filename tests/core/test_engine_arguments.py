from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from infercli.core.engines.arguments import _OURS, ARGUMENTS, PARALLEL_ONE, UNPLANNED, problems
from tests.parts.engine_python import engine_python

KNOWN = ARGUMENTS["0.29.0"]


def test_every_argument_that_is_treated_specially_exists_in_that_version():
    assert set(_OURS) <= set(KNOWN)
    assert set(UNPLANNED) <= set(KNOWN)
    assert set(PARALLEL_ONE) <= set(KNOWN)


@pytest.mark.parametrize(
    "args",
    [
        {"max_model_len": 4096, "gpu_memory_utilization": 0.9, "enable_prefix_caching": True},
        {"gpu_memory_utilization": 1},  # a whole number is a number
        {"kv_cache_memory_bytes": None},
        {"tool_call_parser": "hermes", "enable_auto_tool_choice": True},
        {"override_generation_config": {"temperature": 0}},
        {"pipeline_parallel_size": 1},
    ],
)
def test_what_vllm_takes_is_taken(args):
    assert problems(args, "0.29.0") == []


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"max-model-len": 1}, "did you mean `max_model_len`"),
        ({"enforce_eager": "yes"}, "must be bool"),
        ({"max_num_seqs": 1.5}, "must be int or null, and is float"),
        ({"enforce_eager": 1}, "must be bool"),
        ({"completely_unknown_thing": 1}, "has no such argument"),
        ({"served_model_name": "x"}, "cannot be set"),
        ({"distributed_executor_backend": "mp"}, "cannot be set"),
        ({"trust_remote_code": True}, "never run"),
        ({"api_key": ["s"]}, "Secret"),
        ({"quantization": "fp8"}, "use the deployment's `quantization`"),
        ({"data_parallel_size": 2}, "only 1 can be planned"),
    ],
)
def test_what_vllm_or_infercli_does_not_take_is_named(args, words):
    ((where, what),) = problems(args, "0.29.0")
    assert where == f"engine_args.{next(iter(args))}"
    assert words in what


@pytest.mark.vllm
@pytest.mark.slow
def test_the_table_is_what_the_installed_engine_has(tmp_path):
    root = Path(__file__).resolve().parents[2]
    path = tmp_path / "arguments.py"
    subprocess.run(
        [engine_python(), root / "scripts" / "engine_facts.py", path], check=True, capture_output=True, timeout=300
    )
    table = "infercli/core/engines/v0_29_arguments.py"
    assert path.read_text() == (root / table).read_text(), f"run scripts/engine_facts.py {table}"
